"""Rules over the columns of one row: ``amount_net <= amount and (status != 'closed' or closed_at is not null)``.

The whole language, with what binds loosest first::

    rule        conjunction {"or" conjunction}
    conjunction negation {"and" negation}
    negation    "not" negation | comparison
    comparison  sum [("<" | "<=" | ">" | ">=" | "=" | "!=") sum] | column "is" ["not"] "null"
    sum         product {("+" | "-") product}
    product     sign {("*" | "/") sign}
    sign        "-" sign | number | text | "true" | "false" | column | "(" rule ")"

A text stands in single quotes (two of them for one inside); a column is a word, or any name in back quotes. There are
no functions, no attributes and no way to reach anything but the row.

Every part has a kind: number, text, flag or time. A column has the kind of its dtype where the gate declares one,
otherwise that of what it is compared with, otherwise number. Parts of different kinds are refused when the policy is
read. A value that does not read as its kind, a missing one, NaN and a division by zero make the comparison neither true
nor false; ``and``, ``or`` and ``not`` go on with that as SQL does. Numbers are doubles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "MAX_PARTS",
    "Column",
    "Compared",
    "Computed",
    "Constant",
    "IsNull",
    "Joined",
    "Kind",
    "Negated",
    "Part",
    "columns_of",
    "microseconds",
    "parse",
]

Kind = Literal["number", "text", "flag", "time"]
MAX_LENGTH: Final = 1000
"""Characters of a rule."""
MAX_PARTS: Final = 200
"""Words and signs of a rule."""
MAX_DEPTH: Final = 24
"""Parts within parts."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>`[^`]+`)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign><=|>=|!=|==|[-+*/<>=()])
)""",
    re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "not", "is", "null", "true", "false"})
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


@dataclass(frozen=True)
class Constant:
    """A number, text or flag; a time as microseconds since 1970, UTC."""

    value: int | float | str | bool
    kind: Kind


@dataclass(frozen=True)
class Column:
    name: str
    kind: Kind | None
    """None until it is known."""


@dataclass(frozen=True)
class Computed:
    """``+ - * /`` of two numbers, or the negative of one."""

    op: str
    parts: tuple[Part, ...]
    kind: Kind = "number"


@dataclass(frozen=True)
class Compared:
    op: str
    left: Part
    right: Part
    kind: Kind = "flag"


@dataclass(frozen=True)
class IsNull:
    column: Column
    negated: bool
    kind: Kind = "flag"


@dataclass(frozen=True)
class Joined:
    """``and`` or ``or``."""

    op: str
    parts: tuple[Part, ...]
    kind: Kind = "flag"


@dataclass(frozen=True)
class Negated:
    part: Part
    kind: Kind = "flag"


Part = Constant | Column | Computed | Compared | IsNull | Joined | Negated


def parse(text: str, declared: Mapping[str, Kind] | None = None) -> Part:
    """Read a rule; every part of what is returned has its kind.

    Args:
        text: the rule.
        declared: kinds of columns that are known.

    Raises:
        ValueError: not of this language, too long or too deep, parts of kinds that do not go together, or a rule that
            looks at no column.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the rule has {len(text):,} characters; up to {MAX_LENGTH:,} are read")
    tokens = list(_tokens(text))
    if len(tokens) > MAX_PARTS:
        raise ValueError(f"the rule has {len(tokens)} words and signs; up to {MAX_PARTS} are read")
    rule = _Reader(tokens, declared or {}).rule()
    if not columns_of(rule):
        raise ValueError("the rule looks at no column")
    return rule


def columns_of(rule: Part) -> dict[str, Kind]:
    """The columns of a rule that was read, in its order, and what each is read as.

    A column that only ``is null`` looks at is read as text.

    Raises:
        ValueError: one is read as two kinds.
    """
    kinds: dict[str, set[Kind]] = {}
    for column in _columns(rule):
        kinds.setdefault(column.name, set()).update([column.kind] if column.kind else [])
    for name, used in kinds.items():
        if len(used) > 1:
            raise ValueError(f"column {name} is read as {' and as '.join(sorted(used))}")
    return {name: next(iter(used), "text") for name, used in kinds.items()}


def _columns(part: Part) -> Iterator[Column]:
    if isinstance(part, Column):
        yield part
    elif isinstance(part, IsNull):
        yield part.column
    elif isinstance(part, Computed | Joined):
        for inner in part.parts:
            yield from _columns(inner)
    elif isinstance(part, Compared):
        yield from _columns(part.left)
        yield from _columns(part.right)
    elif isinstance(part, Negated):
        yield from _columns(part.part)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int
    """Of its first character, from 1."""


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            rest = text[position:].lstrip()
            raise ValueError(f"the rule cannot be read at character {len(text) - len(rest) + 1}: {rest[:20]!r}")
        found = match[match.lastgroup]
        kind = "keyword" if match.lastgroup == "word" and found in _WORDS else match.lastgroup
        yield _Token(kind, found, match.start(match.lastgroup) + 1)
        position = match.end()


class _Reader:
    """One token of look-ahead; depth is counted where parts nest."""

    def __init__(self, tokens: list[_Token], declared: Mapping[str, Kind]) -> None:
        self.tokens = tokens
        self.declared = declared
        self.position = 0
        self.depth = 0

    def rule(self) -> Part:
        found = self._flag(self._or())
        if self.position < len(self.tokens):
            raise self._unexpected("the end")
        return found

    def _or(self) -> Part:
        return self._joined("or")

    def _and(self) -> Part:
        return self._joined("and")

    def _joined(self, word: str) -> Part:
        read = self._and if word == "or" else self._not
        parts = [read()]
        while self._take("keyword", word):
            parts.append(read())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(map(self._flag, parts)))

    def _not(self) -> Part:
        if not self._take("keyword", "not"):
            return self._comparison()
        with self._deeper():
            return Negated(self._flag(self._not()))

    def _comparison(self) -> Part:
        left = self._sum()
        if self._take("keyword", "is"):
            negated = self._take("keyword", "not")
            if not self._take("keyword", "null"):
                raise self._unexpected("null")
            if not isinstance(left, Column):
                raise ValueError("only a column can be null")
            return IsNull(left, negated)
        for op in ("<=", ">=", "!=", "==", "<", ">", "="):
            if self._take("sign", op):
                return _compared("=" if op == "==" else op, left, self._sum())
        return left

    def _sum(self) -> Part:
        return self._computed(("+", "-"))

    def _computed(self, ops: tuple[str, str]) -> Part:
        read = self._product if ops == ("+", "-") else self._sign
        found = read()
        while True:
            op = next((op for op in ops if self._take("sign", op)), None)
            if op is None:
                return found
            found = Computed(op, (_as(found, "number"), _as(read(), "number")))

    def _product(self) -> Part:
        return self._computed(("*", "/"))

    def _sign(self) -> Part:
        if not self._take("sign", "-"):
            return self._primary()
        with self._deeper():
            return Computed("-", (_as(self._sign(), "number"),))

    def _primary(self) -> Part:
        if self._take("sign", "("):
            with self._deeper():
                found = self._or()
            if not self._take("sign", ")"):
                raise self._unexpected("')'")
            return found
        token = self._next
        if token is None or token.kind not in ("number", "text", "quoted", "word", "keyword"):
            raise self._unexpected("a column, a number or a text")
        if token.kind == "keyword" and token.text not in ("true", "false"):
            raise self._unexpected("a column, a number or a text")
        self.position += 1
        return self._value(token)

    def _value(self, token: _Token) -> Part:
        if token.kind == "number":
            value = float(token.text)
            if value == float("inf"):
                raise ValueError(f"the number {token.text[:40]} is too large")
            return Constant(value, "number")
        if token.kind == "text":
            return Constant(token.text[1:-1].replace("''", "'"), "text")
        if token.kind == "keyword":
            return Constant(token.text == "true", "flag")
        name = token.text.strip("`")
        return Column(name, self.declared.get(name))

    def _flag(self, part: Part) -> Part:
        if isinstance(part, Column | Constant) and part.kind not in (None, "flag"):
            raise ValueError(f"a rule wants a comparison here, not {_words(part)}")
        return _as(part, "flag")

    @property
    def _next(self) -> _Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _take(self, kind: str, text: str) -> bool:
        token = self._next
        taken = token is not None and token.kind == kind and token.text == text
        self.position += taken
        return taken

    def _unexpected(self, wanted: str) -> ValueError:
        token = self._next
        got = "ends" if token is None else f"has {token.text[:20]!r} at character {token.place}"
        return ValueError(f"the rule {got} where it wants {wanted}")

    def _deeper(self) -> _Depth:
        return _Depth(self)


class _Depth:
    def __init__(self, reader: _Reader) -> None:
        self.reader = reader

    def __enter__(self) -> None:
        self.reader.depth += 1
        if self.reader.depth > MAX_DEPTH:
            raise ValueError(f"the rule is nested too deeply; up to {MAX_DEPTH} levels are read")

    def __exit__(self, *_: object) -> None:
        self.reader.depth -= 1


def _compared(op: str, left: Part, right: Part) -> Part:
    kind = _common(left, right)
    if kind == "flag" and op not in ("=", "!="):
        raise ValueError(f"flags have no order, so {op} cannot compare them")
    return Compared(op, _as(left, kind), _as(right, kind))


def _common(left: Part, right: Part) -> Kind:
    """The kind in which two parts are compared. A text beside a time is read as one."""
    kinds = {part.kind for part in (left, right) if part.kind is not None}
    if kinds == {"text", "time"}:
        return "time"
    if len(kinds) > 1:
        raise ValueError(f"{_words(left)} cannot be compared with {_words(right)}")
    return kinds.pop() if kinds else "number"


def _as(part: Part, kind: Kind) -> Part:
    if part.kind is None:
        return replace(part, kind=kind)
    if part.kind == "text" and kind == "time" and isinstance(part, Constant):
        return Constant(microseconds(str(part.value)), "time")
    if part.kind != kind:
        raise ValueError(f"{_words(part)} stands where a {kind} is wanted")
    return part


def microseconds(text: str) -> int:
    """A day or a time as microseconds since 1970; without an offset it is UTC.

    Raises:
        ValueError: it is none.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no day and no time")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no day and no time") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _words(part: Part) -> str:
    if isinstance(part, Column):
        return f"column {part.name} ({part.kind or 'of any kind'})"
    if isinstance(part, Constant):
        return f"the {part.kind} {str(part.value)[:40]!r}"
    return f"a {part.kind}"

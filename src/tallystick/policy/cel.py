"""Rules over recorded facts: a strict part of the Common Expression Language (CEL), without loops.

``metric.latency_ms <= 50.0 || usecase.risk_tier.value != "high"``. What is accepted here means in CEL the same; where
CEL would have a value and a reader a surprise, there is an error:

* Every fact that an expression names must be there, also on the side of ``||`` that does not decide, unless the
  expression asks ``has(fact)`` for it.
* Only like is compared with like: numbers with numbers, text with text, flags with flags. In CEL ``2 == "2"`` is false.
* Arithmetic is of whole numbers (64 bits) or of finite doubles, never mixed; what does not fit is an error.
* An expression that names no fact, or does not end in true or false, decides nothing.

There are no macros, no maps, no regular expressions, no text that grows, and a function is one of :data:`FUNCTIONS`:
an expression is walked over once, and takes time as its length and the length of the facts. Python runs nothing in it.

Grammar, precedence and functions: the CEL specification (cel-spec, doc/langdef.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

from tallystick.canonical import Value

__all__ = [
    "FUNCTIONS",
    "MAX_DEPTH",
    "MAX_PARTS",
    "MAX_TEXT",
    "ROOTS",
    "CelError",
    "Expression",
    "Path",
    "dotted",
    "fact",
    "parse",
]

ROOTS: Final = ("dataset", "inputs", "metric", "model", "usecase")
"""What facts there can be of: the names that an expression may begin with."""
FUNCTIONS: Final = ("contains", "double", "endsWith", "has", "int", "size", "startsWith")
MAX_TEXT: Final = 2_000
"""Characters of an expression."""
MAX_DEPTH: Final = 24
"""Brackets, calls and signs within each other."""
MAX_PARTS: Final = 400
"""Words, signs and brackets in all."""
_MAX_INT: Final = 2**63 - 1
_MIN_INT: Final = -(2**63)

Path = tuple[str | int, ...]
"""The way to a fact: ``("usecase", "risk_tier", "value")``."""


class CelError(ValueError):
    """An expression that cannot be read, or has no value; says what and where."""


@dataclass(frozen=True)
class Expression:
    """An expression that has been read: which facts it names is known before any fact is."""

    text: str
    paths: tuple[Path, ...]
    """Every fact that it names, in order, each once."""
    asked: frozenset[Path]
    """Those of them that it asks ``has()`` for: they may be absent."""
    root: _Node = field(repr=False)

    def holds(self, facts: Mapping[str, Value]) -> bool:
        """Whether it is true of these facts.

        Raises:
            CelError: a fact is absent, the parts do not fit together, or it is neither true nor false.
        """
        for path in self.paths:
            if path not in self.asked:
                fact(facts, path)
        found = self.root(facts)
        if not isinstance(found, bool):
            raise CelError(f"the expression is {_kind(found)}, neither true nor false")
        return found


def fact(facts: Mapping[str, Value], path: Path) -> Value:
    """A fact by its way.

    Raises:
        CelError: it is absent, or null.
    """
    found: Value = facts
    for step in path:
        inside = isinstance(found, Mapping) and isinstance(step, str) and step in found
        listed = isinstance(found, list | tuple) and isinstance(step, int) and 0 <= step < len(found)
        if not inside and not listed:
            raise CelError(f"there is no fact {dotted(path)[:120]}")
        found = found[step]
    if found is None:
        raise CelError(f"there is no fact {dotted(path)[:120]}")
    return found


def dotted(path: Path) -> str:
    """``usecase.jurisdictions[0]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


# --------------------------------------------------------------------------- reading

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<double>(?:[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)(?![0-9A-Za-z_.]))
      | (?P<int>[0-9]+(?![0-9A-Za-z_.]))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?!["'A-Za-z0-9_]))
      | (?P<text>"(?:[^"\\\n]|\\.)*"(?!")|'(?:[^'\\\n]|\\.)*'(?!'))
      | (?P<sign>\|\||&&|<=|>=|==|!=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE,
)
_ESCAPES: Final = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}
_RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
    "namespace", "null", "package", "return", "true", "var", "void", "while",
})  # fmt: skip


def parse(text: str) -> Expression:
    """Read an expression.

    Raises:
        CelError: it is too long, not of the language, calls what is not listed, or names no fact.
    """
    return _Reader(text).expression()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int
    """Where it begins, from 1."""


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CelError(f"{text[at : at + 12]!r} at {at + 1} is not of the language")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group(), at + 1)
        at = match.end()


class _Reader:
    """Recursive descent; recursion ends at the depth limit, so that no expression can exhaust the stack."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise CelError(f"the expression is longer than {MAX_TEXT:,} characters")
        if not text.isprintable() and any(not c.isprintable() and c not in "\t\r\n" for c in text):
            raise CelError("the expression holds a character that cannot be seen")
        self.text = text
        self.tokens = [*_tokens(text), _Token("end", "", len(text) + 1)]
        if len(self.tokens) > MAX_PARTS:
            raise CelError(f"the expression has more than {MAX_PARTS} parts")
        self.place = 0
        self.depth = 0
        self.paths: dict[Path, None] = {}
        self.asked: set[Path] = set()

    def expression(self) -> Expression:
        root = self.condition()
        if self.next.kind != "end":
            raise self.unexpected("nothing more")
        if not self.paths:
            raise CelError("the expression names no fact, so it decides nothing")
        return Expression(self.text, tuple(self.paths), frozenset(self.asked), root)

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def take(self, *signs: str) -> str | None:
        """The next sign if it is one of these, else None."""
        token = self.next
        if token.text not in signs or token.kind not in ("sign", "name"):
            return None
        self.place += 1
        return token.text

    def must(self, sign: str) -> None:
        if self.take(sign) is None:
            raise self.unexpected(repr(sign))

    def unexpected(self, wanted: str) -> CelError:
        return CelError(f"expected {wanted} at {self.next.at}, got {self.next.text[:20]!r}")

    def deeper(self, read: Callable[[], _Node]) -> _Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise CelError(f"the expression is nested more than {MAX_DEPTH} deep")
        found = read()
        self.depth -= 1
        return found

    # ----------------------------------------------------------------- from loose to tight

    def condition(self) -> _Node:
        test = self.either()
        if self.take("?") is None:
            return test
        yes = self.deeper(self.either)
        self.must(":")
        no = self.deeper(self.condition)
        return lambda facts: yes(facts) if _flag(test(facts), "?") else no(facts)

    def either(self) -> _Node:
        return self.joined(self.both, "||", stops_at=True)

    def both(self) -> _Node:
        return self.joined(self.relation, "&&", stops_at=False)

    def joined(self, part: Callable[[], _Node], sign: str, *, stops_at: bool) -> _Node:
        parts = [part()]
        while self.take(sign):
            parts.append(part())
        return parts[0] if len(parts) == 1 else _joined(parts, sign, stops_at=stops_at)

    def relation(self) -> _Node:
        left = self.sum()
        sign = self.take(*_COMPARE, "in")
        if sign is None:
            return left
        right = self.sum()
        if self.next.text in (*_COMPARE, "in"):
            raise self.unexpected("one comparison, or brackets")
        if sign == "in":
            return lambda facts: _among(left(facts), right(facts))
        return lambda facts: _compared(sign, left(facts), right(facts))

    def sum(self) -> _Node:
        return self.chain(self.product, "+", "-")

    def product(self) -> _Node:
        return self.chain(self.unary, "*", "/", "%")

    def chain(self, part: Callable[[], _Node], *signs: str) -> _Node:
        first, rest = part(), []
        while (sign := self.take(*signs)) is not None:
            rest.append((sign, part()))
        return _chain(first, rest) if rest else first

    def unary(self) -> _Node:
        if self.take("!"):
            inner = self.deeper(self.unary if self.next.text == "!" else self.primary)
            return lambda facts: not _flag(inner(facts), "!")
        if self.take("-"):
            if self.next.kind in ("int", "double"):
                return self.number("-")
            inner = self.deeper(self.unary if self.next.text == "-" else self.primary)
            return lambda facts: _negated(inner(facts))
        return self.primary()

    def primary(self) -> _Node:
        token = self.next
        if token.kind in ("int", "double"):
            return self.number("")
        if token.kind == "text":
            return self.called(_constant(self.literal()))
        if token.kind == "name":
            return self.named()
        if self.take("("):
            inner = self.deeper(self.condition)
            self.must(")")
            return self.called(inner)
        if self.take("["):
            return self.called(self.listed())
        raise self.unexpected("a value")

    def number(self, sign: str) -> _Node:
        token = self.next
        self.place += 1
        value = float(sign + token.text) if token.kind == "double" else _whole(sign + token.text)
        return _constant(_fitting(value, f"the number {token.text[:24]}"))

    def literal(self) -> str:
        inner = self.next.text[1:-1]
        self.place += 1
        return re.sub(r"\\(.)", lambda match: _escaped(match[1]), inner, flags=re.DOTALL)

    def listed(self) -> _Node:
        items: list[_Node] = []
        while not self.take("]"):
            if items:
                self.must(",")
            items.append(self.deeper(self.condition))
        return lambda facts: [item(facts) for item in items]

    def named(self) -> _Node:
        name = self.next.text
        self.place += 1
        if name in ("true", "false"):
            return _constant(name == "true")
        if name == "has":
            return self.asking()
        if self.next.text == "(":
            if name not in _OF_ONE:
                raise CelError(f"there is no function {name[:40]!r}; there are {', '.join(FUNCTIONS)}")
            return self.called(_applied(_OF_ONE[name], self.arguments(1)))
        return self.called(self.recorded(self.path(name)))

    def recorded(self, path: Path) -> _Node:
        self.paths.setdefault(path)
        return lambda facts: fact(facts, path)

    def path(self, name: str) -> Path:
        if name not in ROOTS:
            raise CelError(f"there are no facts of {name[:40]!r}; there are {', '.join(ROOTS)}")
        steps: list[str | int] = [name]
        while True:
            if self.next.text == "[":
                steps.append(self.index())
            elif self.next.text == "." and not self.calls():
                self.place += 1
                steps.append(self.word())
            else:
                break
        if len(steps) > MAX_DEPTH:
            raise CelError(f"a fact lies more than {MAX_DEPTH} names deep")
        if len(steps) == 1:
            raise CelError(f"{name} is no fact by itself; name one of its fields, such as {name}.name")
        return tuple(steps)

    def calls(self) -> bool:
        """Whether what follows the dot is a method, not a field."""
        return any(token.text == "(" for token in self.tokens[self.place + 2 : self.place + 3])

    def word(self) -> str:
        token = self.next
        if token.kind != "name":
            raise self.unexpected("a name")
        if "__" in token.text or token.text in _RESERVED:
            raise CelError(f"{token.text[:40]!r} is no name of a fact")
        self.place += 1
        return token.text

    def index(self) -> str | int:
        self.must("[")
        token = self.next
        if token.kind == "text":
            found: str | int = self.literal()
        elif token.kind == "int":
            self.place += 1
            found = _whole(token.text)
        else:
            raise self.unexpected("a number or a text in quotes")
        self.must("]")
        return found

    def asking(self) -> _Node:
        self.must("(")
        path = self.path(self.word())
        self.must(")")
        self.paths.setdefault(path)
        self.asked.add(path)
        return lambda facts: _has(facts, path)

    def called(self, of: _Node) -> _Node:
        """A value and the methods that are called on it."""
        calls = 0
        while self.take("."):
            name, calls = self.word(), calls + 1
            if name not in _OF_TWO or calls > MAX_DEPTH:
                raise CelError(f"there is no function {name[:40]!r} of a value; there are {', '.join(_OF_TWO)}")
            of = _applied(_OF_TWO[name], [of, *self.arguments(1)])
        if self.next.text == "[":
            raise self.unexpected("no index: only facts have parts")
        return of

    def arguments(self, number: int) -> list[_Node]:
        self.must("(")
        found = [self.deeper(self.condition) for _ in range(number)]
        self.must(")")
        return found


def _escaped(character: str) -> str:
    if character not in _ESCAPES:
        raise CelError(f"there is no escape \\{character}")
    return _ESCAPES[character]


def _whole(text: str) -> int:
    return int(text) if len(text) <= 20 else _MAX_INT + 1


# --------------------------------------------------------------------------- values

_Node = Callable[[Mapping[str, Value]], Value]
"""A part of an expression: its value by the facts."""

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def _constant(value: Value) -> _Node:
    return lambda _: value


def _applied(function: Callable[..., Value], arguments: Sequence[_Node]) -> _Node:
    return lambda facts: function(*(argument(facts) for argument in arguments))


def _joined(parts: Sequence[_Node], sign: str, *, stops_at: bool) -> _Node:
    def value(facts: Mapping[str, Value]) -> bool:
        return any(_flag(part(facts), sign) for part in parts)

    def all_of(facts: Mapping[str, Value]) -> bool:
        return all(_flag(part(facts), sign) for part in parts)

    return value if stops_at else all_of


def _chain(first: _Node, rest: Sequence[tuple[str, _Node]]) -> _Node:
    def value(facts: Mapping[str, Value]) -> Value:
        found = first(facts)
        for sign, part in rest:
            found = _calculated(sign, found, part(facts))
        return found

    return value


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = ((int, "a whole number"), (float, "a double"), (str, "text"), (list | tuple, "a list"), (Mapping, "a map"))
    return next((name for kind, name in names if isinstance(value, kind)), "nothing")


def _flag(value: Value, sign: str) -> bool:
    if not isinstance(value, bool):
        raise CelError(f"{sign} is for true and false, not for {_kind(value)}")
    return value


def _numeric(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _alike(left: Value, right: Value) -> bool:
    if _numeric(left) and _numeric(right):
        return True
    return any(isinstance(left, kind) and isinstance(right, kind) for kind in (bool, str))


def _compared(sign: str, left: Value, right: Value) -> bool:
    if not _alike(left, right) or (isinstance(left, bool) and sign not in ("==", "!=")):
        raise CelError(f"{_kind(left)} and {_kind(right)} cannot be compared by {sign}")
    for value in (left, right):
        if isinstance(value, int | float):
            _fitting(value, "a number")
    return _COMPARE[sign](left, right)


def _among(value: Value, items: Value) -> bool:
    if not isinstance(items, list | tuple):
        raise CelError(f"in is for a list, not for {_kind(items)}")
    return True in [_compared("==", value, item) for item in items]  # of all: one that is unlike is an error


def _fitting(value: int | float, what: str) -> int | float:
    fits = _MIN_INT <= value <= _MAX_INT if isinstance(value, int) else math.isfinite(value)
    if not fits:
        raise CelError(f"{what} is out of range")
    return value


def _negated(value: Value) -> int | float:
    return _calculated("-", -0.0 if isinstance(value, float) else 0, value)


def _calculated(sign: str, left: Value, right: Value) -> int | float:
    both = [kind for kind in (int, float) if type(left) is kind and type(right) is kind]
    if not both or (sign == "%" and both == [float]):
        raise CelError(f"{sign} is not for {_kind(left)} and {_kind(right)}; double() and int() convert")
    if sign in "/%" and right == 0:
        raise CelError("something is divided by zero")
    return _fitting(_ARITHMETIC[sign](left, right), f"the result of {sign}")


def _divided(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return left / right
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divided,
    "%": lambda left, right: left - right * _divided(left, right),
}


def _has(facts: Mapping[str, Value], path: Path) -> bool:
    try:
        fact(facts, path)
    except CelError:
        return False
    return True


def _size(value: Value) -> int:
    if not isinstance(value, str | list | tuple | Mapping):
        raise CelError(f"size() is not for {_kind(value)}")
    return len(value)


def _double(value: Value) -> float:
    if not _numeric(value):
        raise CelError(f"double() is for numbers, not for {_kind(value)}")
    return float(value)


def _int(value: Value) -> int:
    if not _numeric(value):
        raise CelError(f"int() is for numbers, not for {_kind(value)}")
    return int(_fitting(int(_fitting(value, "a number")), "the result of int()"))


def _of_text(name: str, test: Callable[[str, str], bool]) -> Callable[[Value, Value], bool]:
    def applied(value: Value, part: Value) -> bool:
        if not isinstance(value, str) or not isinstance(part, str):
            raise CelError(f"{name}() is for text, not for {_kind(value)} and {_kind(part)}")
        return test(value, part)

    return applied


_OF_ONE: Final[Mapping[str, Callable[..., Value]]] = {"double": _double, "int": _int, "size": _size}
_OF_TWO: Final[Mapping[str, Callable[..., Value]]] = {
    "contains": _of_text("contains", lambda value, part: part in value),
    "endsWith": _of_text("endsWith", str.endswith),
    "startsWith": _of_text("startsWith", str.startswith),
}

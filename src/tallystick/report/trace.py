"""Build a report again from the evidence in it, and say where each number of it comes from.

The facts that were printed are compared with those that the entries give, by id; a number is traced to the field of the
entry, or of the part beside it, in which it stands. Numbers that stand in no field were counted or computed: they name
the entries that they were counted over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.canonical import Value, decode
from tallystick.errors import Malformed
from tallystick.report import view as views
from tallystick.report import words
from tallystick.report.evidence import Evidence
from tallystick.report.facts import View, slug

__all__ = ["Difference", "Origin", "Rederived", "numbers", "origins", "rederive"]

_NUMBER: Final = re.compile(
    r"(?<![\w.])(?:\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?|[-\u2212]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?)(?!\w)",
    re.ASCII,
)
"""A number or a time that stands by itself; not the digits of a name or of a digest."""
_NAME: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\bp-[0-9a-f]{8}\b|\bSHA-\d+\b", re.ASCII)
"""A UUID, as ledgers have in their names, the pseudonym of a person, and the name of a hash function."""


def numbers(text: str) -> list[str]:
    """The numbers in a text, as they are written."""
    return _NUMBER.findall(_NAME.sub("", text))


@dataclass(frozen=True)
class Difference:
    """A fact that is not what the evidence gives."""

    id: str
    label: str
    printed: str
    """Empty where it was not printed."""
    given: str
    """Empty where the evidence gives no such fact."""

    def __str__(self) -> str:
        return f"{self.id} ({self.label}): printed {self.printed!r}, the evidence gives {self.given!r}"


@dataclass(frozen=True)
class Rederived:
    """What came of building the view again."""

    view: View
    facts: tuple[Mapping[str, Value], ...]
    """As the evidence gives them: what the numbers are traced by."""
    printed: int
    differences: tuple[Difference, ...]

    @property
    def same(self) -> int:
        """How many of the facts that were printed are what the evidence gives."""
        return self.printed - sum(1 for item in self.differences if item.printed)


def rederive(evidence: Evidence) -> Rederived:
    """Build the view again, and compare every fact."""
    view = views.again(evidence)
    given = {fact["id"]: fact for fact in views.facts(view)}
    printed = {fact["id"]: fact for fact in evidence.facts}
    if len(printed) != len(evidence.facts):
        raise Malformed("a fact of the evidence stands twice")
    ids = dict.fromkeys((*printed, *given))
    found = (_difference(id, printed.get(id), given.get(id)) for id in ids)
    return Rederived(view, tuple(given.values()), len(printed), tuple(item for item in found if item is not None))


def _difference(id: str, printed: Mapping[str, Value] | None, given: Mapping[str, Value] | None) -> Difference | None:
    if printed == given:
        return None
    one, other = ("" if fact is None else fact["text"] for fact in (printed, given))
    if printed is not None and given is not None and one == other:
        one, other = (f"{fact['label']}: {fact['text']} {fact['entries']}" for fact in (printed, given))
    label = str((printed or given or {}).get("label", ""))
    return Difference(id, label, one, other)


# --------------------------------------------------------------------------- where a number stands


@dataclass(frozen=True)
class Origin:
    """A number of a fact, and where it stands."""

    fact: str
    label: str
    number: str
    entries: tuple[int, ...]
    """The sources that the report prints beside it; none for what is said of the report itself."""
    places: tuple[str, ...]
    """Fields of these entries in which it stands, such as ``entry 21: checks.json[3].value``; none for what was counted
    or computed.
    """


_MOST_PLACES: Final = 6


def origins(
    rederived: Rederived, evidence: Evidence, *, fact: str | None = None, number: str | None = None
) -> list[Origin]:
    """Where each number comes from.

    Args:
        fact: only those of the fact of this id.
        number: only this number, as it is printed.
    """
    leaves = _Leaves(evidence)
    return [
        Origin(one["id"], one["label"], found, tuple(one["entries"]), leaves.places(found, one))
        for one in rederived.facts
        if fact is None or one["id"] == fact
        for found in dict.fromkeys((*numbers(one["label"]), *numbers(one["text"])))
        if number is None or found == number
    ]


class _Leaves:
    """The single values of entries, by the numbers that they are printed with; gathered once for each entry."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._entries = {line.entry.seq: line.entry for line in evidence.carried}
        self._known: dict[int, _Index] = {}

    def places(self, number: str, fact: Mapping[str, Value]) -> tuple[str, ...]:
        found = [
            f"entry {seq}: {path}"
            for seq in fact["entries"]
            if seq in self._entries
            for path in self._of(seq).paths(number, fact["id"], fact["label"])
        ]
        return tuple(found[:_MOST_PLACES])

    def _of(self, seq: int) -> _Index:
        if seq not in self._known:
            entry = self._entries[seq]
            leaves = [*_leaves(dict(entry.body), ""), ("recorded_at", entry.recorded_at), ("seq", seq)]
            for (owner, name), data in self._evidence.parts.items():
                if owner == seq:
                    leaves += _leaves(_parsed(data), name)
            self._known[seq] = _Index(leaves)
        return self._known[seq]


class _Index:
    def __init__(self, leaves: Iterable[tuple[str, Value]]) -> None:
        self._said: dict[str, list[str]] = {}
        self._rounded: dict[str, list[str]] = {}
        self._named: list[tuple[str, str]] = []
        """What has a name of its own, such as a check: the path, and the name."""
        for path, value in leaves:
            above, _, last = path.rpartition(".")
            if last in ("id", "name") and above and isinstance(value, str):
                self._named.append((f"{above}.", value))
            for number in _spellings(value):
                self._said.setdefault(number, []).append(path)
            for number in _roundings(value):
                self._rounded.setdefault(number, []).append(path)

    def paths(self, number: str, id: str, label: str) -> list[str]:
        """Where a number stands, as it is or rounded; in what the fact is named for, if it stands there."""
        own = tuple(path for path, name in self._named if name == label or f".{slug(name)}." in id)
        for known in (self._said, self._rounded):
            found = known.get(number, [])
            near = [path for path in found if own and path.startswith(own)]
            if near:
                return near
        return self._said.get(number) or self._rounded.get(number, [])


def _parsed(data: bytes) -> Value:
    try:
        return decode(data)
    except Malformed:
        return None


def _leaves(value: Value, path: str) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _spellings(value: Value) -> Iterable[str]:
    """The numbers that a value is printed with, unrounded."""
    if isinstance(value, str):
        told = words.visible(value) if any(char.isdigit() for char in value) else ""
        return dict.fromkeys((*numbers(told), *numbers(words.day(told))))
    exact = words.numeric(value)
    return () if exact is None else (words.number(exact),)


def _roundings(value: Value) -> Iterable[str]:
    """The numbers that it is printed with in sentences, and beside a limit that it would otherwise look equal to."""
    exact = None if isinstance(value, str) else words.numeric(value)
    if exact is None:
        return ()
    return dict.fromkeys([f"{exact:.{digits}f}" for digits in range(1, 5)] + [f"{exact:.{n}g}" for n in range(1, 18)])

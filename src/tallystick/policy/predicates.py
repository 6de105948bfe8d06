"""Predicates: what a gate asks of every row of a column, and how many rows miss it.

A predicate is a plain value that says what is asked, in no language of a database; an engine carries it out and answers
with a :class:`Tally`. Two gates that ask the same share one tally, and a policy with other tolerances can be judged
again from recorded ones.

Missing and NaN are two things. A missing value misses :class:`NotMissing` only; NaN misses :class:`NotNan` and lies
outside of every range. Where the data are text, as in CSV, numbers, days and flags are what reads as one.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Final

from tallystick.canonical import Value, encode
from tallystick.errors import InvalidData
from tallystick.policy.reading import read_count, read_text
from tallystick.policy.row_rules import Kind

__all__ = [
    "Holds",
    "InRange",
    "Matches",
    "Newest",
    "NotMissing",
    "NotNan",
    "OfType",
    "OneOf",
    "Predicate",
    "Present",
    "Tallies",
    "Tally",
    "Unique",
]


@dataclass(frozen=True)
class Present:
    """There is such a column."""

    name: ClassVar[str] = "present"
    column: str


@dataclass(frozen=True)
class OfType:
    """The column is of this type; in text, every value reads as one."""

    name: ClassVar[str] = "dtype"
    column: str
    dtype: str


@dataclass(frozen=True)
class NotMissing:
    """There is a value."""

    name: ClassVar[str] = "nullable"
    column: str


@dataclass(frozen=True)
class NotNan:
    """The value is not NaN."""

    name: ClassVar[str] = "nan"
    column: str


@dataclass(frozen=True)
class Unique:
    """No row before holds the value: of k rows with one value, k - 1 miss this."""

    name: ClassVar[str] = "unique"
    column: str


@dataclass(frozen=True)
class InRange:
    """The value is a number between two ends, both allowed; None for no end on that side."""

    name: ClassVar[str] = "range"
    column: str
    low: int | float | None
    high: int | float | None
    nan: bool = False
    """Whether NaN is let through."""


@dataclass(frozen=True)
class OneOf:
    """The value is one of these labels (:func:`tallystick.policy.counts.label`)."""

    name: ClassVar[str] = "isin"
    column: str
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Matches:
    """The whole value, as text, matches an RE2 expression."""

    name: ClassVar[str] = "regex"
    column: str
    regex: str


@dataclass(frozen=True)
class Holds:
    """A rule over several columns of a row holds; see :mod:`tallystick.policy.row_rules`."""

    name: ClassVar[str] = "rule"
    rule: str
    kinds: tuple[tuple[str, Kind], ...]
    """What each of its columns is read as."""
    nulls: bool = False
    """Whether a row passes for which the rule is neither true nor false because one of its columns is missing."""


@dataclass(frozen=True)
class Newest:
    """The value reads as a time. The tally holds the newest of them."""

    name: ClassVar[str] = "newest"
    column: str


Predicate = Present | OfType | NotMissing | NotNan | Unique | InRange | OneOf | Matches | Holds | Newest


@dataclass(frozen=True)
class Tally:
    """How many rows were looked at, and how many of them miss a predicate."""

    looked_at: int = 0
    missed: int = 0
    type: str = ""
    """Of the column, as the data have it; empty for text without types, as in CSV."""
    absent: tuple[str, ...] = ()
    """Columns that are not there: then no row was looked at."""
    flaw: str = ""
    """Why it could not be carried out."""
    newest: int | None = None
    """Of :class:`Newest`: microseconds since 1970, UTC."""
    shown: tuple[tuple[str, int], ...] = ()
    """Values that miss it, and how often; a value of a personal column as its shape only."""


_EMPTY: Final = Tally()


def columns_of(predicate: Predicate) -> tuple[str, ...]:
    """The columns that a predicate looks at."""
    return tuple(name for name, _ in predicate.kinds) if isinstance(predicate, Holds) else (predicate.column,)


def as_json(predicate: Predicate) -> dict[str, Value]:
    """A predicate as a JSON value: its name, and what it asks for."""
    found: dict[str, Value] = {"name": predicate.name}
    for part in fields(predicate):
        found[part.name] = _json(getattr(predicate, part.name))
    return found


def _json(value: object) -> Value:
    return [_json(item) for item in value] if isinstance(value, tuple) else typing.cast("Value", value)


@dataclass(frozen=True)
class Tallies:
    """The tallies of one data source."""

    rows: int
    """Of the source, counted in the same scan."""
    found: Mapping[bytes, tuple[dict[str, Value], Tally]]
    """By the canonical bytes of the predicate."""

    @classmethod
    def of(cls, rows: int, tallies: Mapping[Predicate, Tally]) -> Tallies:
        pairs = [(as_json(predicate), tally) for predicate, tally in tallies.items()]
        return cls(rows, {encode(said): (said, tally) for said, tally in pairs})

    def __getitem__(self, predicate: Predicate) -> Tally:
        """
        Raises:
            InvalidData: it was not tallied.
        """
        key = encode(as_json(predicate))
        if key not in self.found:
            raise InvalidData(
                "there is no tally of this check", got=f"{predicate.name} of {columns_of(predicate)}"[:80]
            )
        return self.found[key][1]

    def __contains__(self, predicate: Predicate) -> bool:
        return encode(as_json(predicate)) in self.found

    def as_json(self) -> dict[str, Value]:
        """What is recorded: only what differs from an empty tally is written."""
        return {
            "rows": self.rows,
            "tallies": [{"predicate": said, **_differing(tally)} for said, tally in self.found.values()],
        }

    @classmethod
    def from_json(cls, value: Value) -> Tallies:
        """Read what :meth:`as_json` made; hostile input is refused.

        Raises:
            InvalidData: another shape, or more rows that miss a predicate than were looked at.
        """
        try:
            if set(value) != {"rows", "tallies"}:
                raise ValueError("keys are not rows and tallies")
            found = {}
            for item in value["tallies"]:
                predicate, tally = item["predicate"], _read({k: v for k, v in item.items() if k != "predicate"})
                found[encode(predicate)] = (predicate, tally)
            return cls(read_count(value["rows"]), found)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidData("the tallies are not of the known form", got=str(error)[:80]) from error


def _differing(tally: Tally) -> dict[str, Value]:
    parts = {part.name: getattr(tally, part.name) for part in fields(tally)}
    return {name: _json(part) for name, part in parts.items() if part != getattr(_EMPTY, name)}


def _read(value: Mapping[str, Value]) -> Tally:
    unknown = set(value) - {part.name for part in fields(Tally)}
    if unknown:
        raise ValueError(f"unknown key {sorted(unknown)[0]}")
    newest = value.get("newest")
    if newest is not None and (isinstance(newest, bool) or not isinstance(newest, int)):
        raise TypeError("the newest time is no whole number")
    tally = Tally(
        looked_at=read_count(value.get("looked_at", 0)),
        missed=read_count(value.get("missed", 0)),
        type=read_text(value.get("type", "")),
        absent=tuple(map(read_text, value.get("absent", []))),
        flaw=read_text(value.get("flaw", "")),
        newest=newest,
        shown=tuple((read_text(shown), read_count(n)) for shown, n in value.get("shown", [])),
    )
    if tally.missed > tally.looked_at:
        raise ValueError("more rows miss a check than were looked at")
    return tally

"""Count tables: how many rows show each combination of values along some axes.

Everything that a bias gate, a count-based benchmark or a drift gate says follows from these integers, so whoever holds
them can recompute every such check without the rows. Counts are exact and can be added: the same rows give the same
table on any machine, with any number of threads, and in any number of parts. Small cells can single people out, so the
tables belong into an erasable attachment.

Pure values; the scan that makes them stands in ``engines``.
"""

from __future__ import annotations

import math
import re
import typing
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, Literal

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.reading import read_count, read_text

__all__ = [
    "MISSING",
    "SCHEMA",
    "Axis",
    "Cell",
    "Cells",
    "Counts",
    "Group",
    "Mark",
    "Scores",
    "Table",
    "by_outcome",
    "group_value",
    "group_words",
    "label",
]

SCHEMA: Final = "tallystick/counts/v2"
_FIRST: Final = "tallystick/counts/v1"
MISSING: Final = "(missing)"
"""How a missing group value is shown. In the table it is None, which no text can be mistaken for."""

Mark = str | int | None
"""What a row shows along an axis: a text, the number of a band, or None where the value is missing."""
Cell = tuple[tuple[Mark, ...], int]
"""A mark along each axis, and the number of rows that show them."""
Group = tuple[str | None, ...]
Cells = tuple[int, int, int, int]
"""(tp, fp, fn, tn) relative to a favourable outcome."""
Form = Literal["group", "outcome", "band", "above_median"]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


def label(value: object) -> str | None:
    """One spelling for one outcome: ``1``, ``1.0`` and ``"1"`` are the same, and so are ``True`` and ``"true"``.

    Returns:
        None for a missing value: None, empty text, NaN or an infinity, also when spelt as text.
    """
    if value is None:
        return None
    text = unicodedata.normalize("NFC", str(value)).strip()
    if not text or _NOT_FINITE.fullmatch(text):
        return None
    if text.lower() in ("true", "false"):
        return text.lower()
    if _NUMBER.fullmatch(text):
        return _number(text)
    return text


def group_value(value: str | None) -> str | None:
    """Group values keep their spelling; only what is no value at all becomes None."""
    if value is None or not value.strip() or value.lower() == "nan":
        return None
    return unicodedata.normalize("NFC", value)


def _number(text: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return str(int(text)) if len(text) < 40 else text
    number = float(text)
    if not math.isfinite(number):
        return text
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def group_words(columns: Sequence[str], group: Group) -> str:
    """``sex=Female, race=Black``."""
    return ", ".join(f"{c}={MISSING if v is None else v}" for c, v in zip(columns, group, strict=True))


@dataclass(frozen=True)
class Axis:
    """A column, and how its values are told apart.

    * ``group``: by spelling; rows without a value form a group of their own, None;
    * ``outcome``: by :func:`label`; every row has one, or there are no counts;
    * ``band``: by the number of ``edges`` that the value reaches, so that band i holds
      ``edges[i - 1] <= value < edges[i]``; None where the value is missing or NaN;
    * ``above_median``: 1 where the value is above the median of all rows, 0 where it is not, None where it is missing
      or no finite number. The median is found by whoever counts, and is then the one edge.
    """

    column: str
    form: Form = "group"
    edges: tuple[float, ...] = ()
    """Ascending and finite; for bands, and the median once it is known."""

    def __post_init__(self) -> None:
        ascending = all(low < high for low, high in pairwise(self.edges)) and all(map(math.isfinite, self.edges))
        fits = len(self.edges) <= 1 if self.form == "above_median" else (self.form == "band") == bool(self.edges)
        if not (fits and ascending):
            raise ValueError("bands, and only they, have finite edges in ascending order, and a median is one number")

    def answers(self, asked: Axis) -> bool:
        """Whether a table along this axis is what was asked for: a median need not be known to ask for it."""
        if self.form == "above_median" and not asked.edges:
            return self.edges != () and replace(self, edges=()) == asked
        return self == asked

    def as_json(self) -> dict[str, Value]:
        found: dict[str, Value] = {"column": self.column, "form": self.form}
        return found | {"edges": list(self.edges)} if self.edges else found


def by_outcome(columns: Iterable[str], *, true: str, predicted: str) -> tuple[Axis, ...]:
    """The axes of a table by the values of some columns (none: everyone), and by true and predicted outcome."""
    return (*map(Axis, columns), Axis(true, "outcome"), Axis(predicted, "outcome"))


def _order(marks: tuple[Mark, ...]) -> tuple[tuple[bool, int, str], ...]:
    return tuple((mark is None, mark if isinstance(mark, int) else 0, str(mark or "")) for mark in marks)


@dataclass(frozen=True)
class Table:
    """How many rows there are for each combination of marks."""

    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    """Sorted, each combination once, no cell of 0."""

    @classmethod
    def of(cls, axes: Sequence[Axis], cells: Iterable[Cell]) -> Table:
        """A table from cells in any order; equal combinations are added up."""
        total: Counter[tuple[Mark, ...]] = Counter()
        for marks, n in cells:
            total[marks] += n
        ordered = sorted(total.items(), key=lambda item: _order(item[0]))
        return cls(tuple(axes), tuple((marks, n) for marks, n in ordered if n))

    def __add__(self, other: Table) -> Table:
        """The table of both parts of a data set together."""
        if self.axes != other.axes:
            raise ValueError("tables over other axes cannot be added")
        return Table.of(self.axes, (*self.cells, *other.cells))

    @property
    def rows(self) -> int:
        return sum(n for _, n in self.cells)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its groups."""
        return tuple(axis.column for axis in self.axes if axis.form == "group")

    def along(self, *axes: Axis) -> Table:
        """The table over some of the axes, in the order asked for: the others are summed over."""
        places = [self.axes.index(axis) for axis in axes]
        return Table.of(axes, ((tuple(marks[place] for place in places), n) for marks, n in self.cells))

    def groups(self, favourable: str) -> dict[Group, Cells]:
        """(tp, fp, fn, tn) of every group, in the order of the table; its last two axes are true and predicted."""
        found: dict[Group, list[int]] = {}
        for (*group, true, predicted), n in self.cells:
            position = 2 * (predicted != favourable) + (true != favourable)
            found.setdefault(tuple(None if mark is None else str(mark) for mark in group), [0] * 4)[position] += n
        return {group: (c[0], c[1], c[2], c[3]) for group, c in found.items()}


@dataclass(frozen=True)
class Counts:
    """The tables of one data file."""

    rows: int
    tables: tuple[Table, ...]

    def over(self, *axes: Axis) -> Table:
        """The table over exactly these axes, where that of a median has found its edge.

        Raises:
            InvalidData: it was not counted.
        """
        for table in self.tables:
            if len(table.axes) == len(axes) and all(map(Axis.answers, table.axes, axes)):
                return table
        raise InvalidData("the counts hold no such table", got=", ".join(axis.column for axis in axes)[:200])

    def table(self, columns: Sequence[str]) -> Table:
        """The table by exactly these groups, and by true and predicted outcome.

        Raises:
            InvalidData: it was not counted.
        """
        for table in self.tables:
            groups, outcomes = table.axes[:-2], table.axes[-2:]
            if [axis.form for axis in outcomes] == ["outcome", "outcome"] and groups == tuple(map(Axis, columns)):
                return table
        raise InvalidData("the counts hold no such table", got=", ".join(columns)[:200] or "(everyone)")

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The labels that occur as an outcome."""
        found: set[str] = set()
        for table in self.tables:
            places = [place for place, axis in enumerate(table.axes) if axis.form == "outcome"]
            found |= {str(marks[place]) for marks, _ in table.cells for place in places}
        return tuple(sorted(found))

    def check_favourable(self, favourable: str) -> None:
        """Raise unless the outcomes are two at most and the favourable one is among them.

        Raises:
            InvalidData: otherwise; a favourable outcome that never occurs is a typing error, not a result.
        """
        if len(self.outcomes) > 2:
            raise InvalidData(
                "the outcome is not binary",
                expected="the same two values in the true and in the predicted outcome",
                got=f"{len(self.outcomes)} different values",
                remedy="Spell both columns alike, and threshold scores before they are judged.",
            )
        if favourable not in self.outcomes:
            raise InvalidData(
                f"the favourable outcome {favourable[:40]!r} occurs neither as true nor as predicted outcome",
                got=" and ".join(repr(name[:40]) for name in self.outcomes) or "no outcome",
                remedy="Correct 'favourable' in the policy.",
            )

    def as_json(self) -> dict[str, Value]:
        """The tables as a JSON value with a canonical form."""
        tables: list[Value] = [
            {"axes": [axis.as_json() for axis in t.axes], "cells": [[*marks, n] for marks, n in t.cells]}
            for t in self.tables
        ]
        return {"schema": SCHEMA, "rows": self.rows, "tables": tables}

    @classmethod
    def from_json(cls, value: Value) -> Counts:
        """Read what :meth:`as_json` made, in this version or an earlier one; hostile input is refused.

        Raises:
            InvalidData: another shape, negative or fractional counts, or tables that do not agree on the rows.
        """
        try:
            counts = _read(value)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData("the count tables are not of the known form", got=str(error)[:80]) from error
        if any(table.rows != counts.rows for table in counts.tables):
            raise InvalidData("the count tables do not add up to the number of rows", expected=f"{counts.rows} rows")
        return counts


@dataclass(frozen=True)
class Scores:
    """Rows, where counts do not suffice: NumPy arrays of one length."""

    y_true: Any
    """1 where the true outcome is the favourable one, otherwise 0."""
    score: Any
    """Finite numbers."""


# --------------------------------------------------------------------------- reading what was recorded


def _read(value: Mapping[str, Value]) -> Counts:
    if set(value) != {"schema", "rows", "tables"}:
        raise ValueError("keys are not schema, rows and tables")
    readers = {SCHEMA: _read_table, _FIRST: _read_first}
    if value["schema"] not in readers:
        raise ValueError(f"schema is not {SCHEMA}")
    return Counts(read_count(value["rows"]), tuple(map(readers[value["schema"]], value["tables"])))


def _read_table(value: Mapping[str, Value]) -> Table:
    _only(value, "axes", "cells")
    axes = tuple(map(_read_axis, value["axes"]))
    cells = []
    for cell in value["cells"]:
        *marks, n = cell
        cells.append((tuple(_mark(mark, axis) for mark, axis in zip(marks, axes, strict=True)), read_count(n)))
    return Table.of(axes, cells)


def _only(value: Mapping[str, Value], *names: str) -> None:
    unknown = set(value) - set(names)
    if unknown:
        raise ValueError(f"unknown key {min(unknown)}")


def _read_axis(value: Mapping[str, Value]) -> Axis:
    _only(value, "column", "form", "edges")
    if value["form"] not in typing.get_args(Form):
        raise ValueError("an axis is of no known form")
    edges = value.get("edges", [])
    if any(isinstance(edge, bool) or not isinstance(edge, int | float) for edge in edges):
        raise TypeError("an edge is no number")
    if value["form"] == "above_median" and not edges:
        raise ValueError("an axis without its median")
    return Axis(read_text(value["column"]), value["form"], tuple(map(float, edges)))


def _mark(mark: Value, axis: Axis) -> Mark:
    if axis.form == "outcome":
        return read_text(mark)
    if mark is None:
        return None
    if axis.form == "group":
        return read_text(mark)
    if read_count(mark) > len(axis.edges):
        raise ValueError("there is no such band")
    return int(mark)


def _read_first(value: Mapping[str, Value]) -> Table:
    """A table of the first version, which did not say what the columns of its outcomes are called."""
    _only(value, "columns", "cells")
    axes = by_outcome(map(read_text, value["columns"]), true="true", predicted="predicted")
    cells = []
    for group, true, predicted, n in value["cells"]:
        marks = (*group, true, predicted)
        cells.append((tuple(_mark(mark, axis) for mark, axis in zip(marks, axes, strict=True)), read_count(n)))
    return Table.of(axes, cells)

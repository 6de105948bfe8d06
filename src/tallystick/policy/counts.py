"""Count tables: how many people of each group had each true and predicted outcome.

Everything that a bias gate or a count-based benchmark says follows from these integers, so whoever holds them can
recompute every such check without the rows. Counts are exact: the same file gives the same table on any machine and
with any number of threads. Small cells can single people out, so the tables belong into an erasable attachment.

Pure values; the scan that makes them stands in ``engines``.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.canonical import Value
from tallystick.errors import InvalidData

__all__ = ["MISSING", "SCHEMA", "Cell", "Cells", "Counts", "Group", "Scores", "Table", "group_words", "label"]

SCHEMA = "tallystick/counts/v1"
MISSING = "(missing)"
"""How a missing group value is shown. In the table it is None, which no text can be mistaken for."""

Group = tuple[str | None, ...]
Cell = tuple[Group, str, str, int]
"""Group values, true outcome, predicted outcome, number of rows."""
Cells = tuple[int, int, int, int]
"""(tp, fp, fn, tn) relative to a favourable outcome."""

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


def _order(group: Group) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, value or "") for value in group)


@dataclass(frozen=True)
class Table:
    """The counts by the values of some columns (none: everyone), and by true and predicted outcome."""

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    """Sorted, each combination once, no cell of 0."""

    @classmethod
    def of(cls, columns: Sequence[str], cells: Iterable[Cell]) -> Table:
        """A table from cells in any order; equal combinations are added up."""
        total: Counter[tuple[Group, str, str]] = Counter()
        for group, true, predicted, n in cells:
            total[(group, true, predicted)] += n
        ordered = sorted(total.items(), key=lambda item: (_order(item[0][0]), item[0][1:]))
        return cls(tuple(columns), tuple((*key, n) for key, n in ordered if n))

    def __add__(self, other: Table) -> Table:
        """The table of both parts of a data set together."""
        if self.columns != other.columns:
            raise ValueError("tables over other columns cannot be added")
        return Table.of(self.columns, (*self.cells, *other.cells))

    @property
    def rows(self) -> int:
        return sum(cell[3] for cell in self.cells)

    def groups(self, favourable: str) -> dict[Group, Cells]:
        """(tp, fp, fn, tn) of every group, in the order of the table."""
        found: dict[Group, list[int]] = {}
        for group, true, predicted, n in self.cells:
            position = 2 * (predicted != favourable) + (true != favourable)
            found.setdefault(group, [0, 0, 0, 0])[position] += n
        return {group: (c[0], c[1], c[2], c[3]) for group, c in found.items()}


@dataclass(frozen=True)
class Counts:
    """The tables of one data file."""

    rows: int
    tables: tuple[Table, ...]

    def table(self, columns: Sequence[str]) -> Table:
        """The table over exactly these columns.

        Raises:
            InvalidData: it was not counted.
        """
        for table in self.tables:
            if table.columns == tuple(columns):
                return table
        raise InvalidData("the counts hold no such table", got=", ".join(columns) or "(everyone)")

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The labels that occur as true or as predicted outcome."""
        return tuple(sorted({name for table in self.tables for cell in table.cells for name in cell[1:3]}))

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
        tables = [
            {"columns": list(t.columns), "cells": [[list(g), true, said, n] for g, true, said, n in t.cells]}
            for t in self.tables
        ]
        return {"schema": SCHEMA, "rows": self.rows, "tables": tables}

    @classmethod
    def from_json(cls, value: Value) -> Counts:
        """Read what :meth:`as_json` made; hostile input is refused.

        Raises:
            InvalidData: another shape, negative or fractional counts, or tables that do not agree on the rows.
        """
        try:
            counts = _read(value)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidData("the count tables are not of the known form", got=str(error)[:80]) from error
        wrong = [table for table in counts.tables if table.rows != counts.rows]
        if wrong or not counts.tables:
            raise InvalidData("the count tables do not add up to the number of rows", expected=f"{counts.rows} rows")
        return counts


@dataclass(frozen=True)
class Scores:
    """Rows, where counts do not suffice: NumPy arrays of one length."""

    y_true: Any
    """1 where the true outcome is the favourable one, otherwise 0."""
    score: Any
    """Finite numbers."""


def _read(value: Mapping[str, Value]) -> Counts:
    if set(value) != {"schema", "rows", "tables"} or value["schema"] != SCHEMA:
        raise ValueError(f"schema is not {SCHEMA}")
    return Counts(_count(value["rows"]), tuple(_read_table(table) for table in value["tables"]))


def _read_table(value: Mapping[str, Value]) -> Table:
    columns = tuple(_text(name) for name in value["columns"])
    cells = []
    for group, true, said, n in value["cells"]:
        if len(group) != len(columns):
            raise ValueError("a cell has another number of group values than its table has columns")
        names = tuple(None if item is None else _text(item) for item in group)
        cells.append((names, _text(true), _text(said), _count(n)))
    return Table.of(columns, cells)


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise TypeError("a name is not text")
    return value


def _count(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("a count is not a whole number from 0")
    return value

"""Two files of predictions of the same rows, read as one: challenger and champion side by side.

Rows are joined by a key if the policy names one, each key once in both files, else by their order. Either way both
files must have as many rows, and the same true outcome in each: predictions of other rows are no comparison.

It answers what a :class:`~tallystick.policy.engines.duckdb.Source` answers. The challenger's columns keep their names,
the champion's are called as :func:`~tallystick.policy.evidence.of_champion` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

from tallystick.errors import InvalidData
from tallystick.policy.counts import Axis, Counts, Table, group_value, label
from tallystick.policy.engines.arrow import codes, numbers
from tallystick.policy.engines.duckdb import MAX_CELLS, Source
from tallystick.policy.evidence import of_champion

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Pairs", "open_pairs"]

_MARK: Final = {"outcome": label, "group": group_value}


@dataclass(frozen=True)
class Pairs:
    """Made by :func:`open_pairs`, which has checked that the rows are the same."""

    challenger: Source
    champion: Source
    order: Any
    """Of each row of the challenger's file the row of the champion's; None where the order is the same."""

    def has(self, column: str) -> bool:
        return any(column == of_champion(name) for name in self.champion.columns) or self.challenger.has(column)

    def table(self, columns: Sequence[str]) -> pyarrow.Table:
        """These columns with all rows, in the order of the challenger's file.

        Raises:
            InvalidData: a column is missing.
        """
        theirs = {of_champion(name): name for name in self.champion.columns}
        own = [name for name in columns if name not in theirs]
        found = self.challenger.table(own)
        other = self.champion.table([theirs[name] for name in columns if name in theirs])
        other = other if self.order is None else other.take(self.order)
        joined = {name: other[theirs[name]] if name in theirs else found[name] for name in columns}
        return type(found).from_pydict(joined) if joined else found

    def count(self, tables: Sequence[Sequence[Axis]]) -> Counts:
        """Count rows along axes of groups and outcomes.

        Raises:
            InvalidData: a column or an outcome is missing, or there are too many combinations.
        """
        axes = list(dict.fromkeys(axis for table in tables for axis in table))
        read = self.table(list(dict.fromkeys(axis.column for axis in axes)))
        coded = {axis: codes(read[axis.column], _MARK[axis.form]) for axis in axes}
        for axis, (_, marks) in coded.items():
            if axis.form == "outcome" and None in marks:
                raise InvalidData(
                    "some rows have no outcome",
                    where=f"{self.champion.name}, column {axis.column}",
                    expected="a true and a predicted outcome in every row, not NaN",
                )
        return Counts(read.num_rows, tuple(self._counted(table, coded) for table in tables))

    def _counted(self, axes: Sequence[Axis], coded: dict[Axis, Any]) -> Table:
        import numpy as np

        marks = [coded[axis][1] for axis in axes]
        shape = [len(known) for known in marks]
        if prod(shape) > MAX_CELLS * MAX_CELLS:
            raise self._too_many()
        cells, n = np.unique(np.ravel_multi_index([coded[axis][0] for axis in axes], shape), return_counts=True)
        if len(cells) > MAX_CELLS:
            raise self._too_many()
        places = zip(*np.unravel_index(cells, shape), strict=True)
        return Table.of(
            axes,
            (
                (tuple(known[at] for known, at in zip(marks, place, strict=True)), int(count))
                for place, count in zip(places, n, strict=True)
            ),
        )

    def _too_many(self) -> InvalidData:
        return InvalidData(
            "there are too many combinations of groups and outcomes to count",
            where=self.champion.name,
            expected=f"up to {MAX_CELLS}",
        )


def open_pairs(challenger: Source, champion: Source, *, true: str, key: str | None) -> Pairs:
    """Join two files, and check that they speak of the same rows.

    Args:
        challenger: the predictions that are judged.
        champion: those of the model that stands in the stage.
        true: the column of the true outcome, in both.
        key: the column that says which row is which, in both; None for the order of the files.

    Raises:
        InvalidData: they do not speak of the same rows.
    """
    order = None if key is None else _matched(challenger, champion, key)
    one, other = (source.table([true])[true] for source in (challenger, champion))
    if len(one) != len(other):
        raise _other_rows(champion, f"{len(one):,} rows", f"{len(other):,} rows")
    different = _different(one, other if order is None else other.take(order))
    if different:
        raise _other_rows(champion, "the same true outcome in every row", f"{different:,} that differ")
    return Pairs(challenger, champion, order)


def _other_rows(champion: Source, expected: str, got: str) -> InvalidData:
    return InvalidData(
        "the champion's predictions are not of the same rows",
        where=champion.name,
        expected=expected,
        got=got,
        remedy="Let both models predict the same test set, and keep its order or name inputs.columns.id.",
    )


def _matched(challenger: Source, champion: Source, key: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    one, other = (source.table([key])[key].cast(pa.string()).combine_chunks() for source in (challenger, champion))
    for source, keys in ((challenger, one), (champion, other)):
        if keys.null_count or pc.count_distinct(keys).as_py() != len(keys):
            raise InvalidData(
                "the key does not tell rows apart",
                where=f"{source.name}, column {key}",
                expected="a value of its own in every row",
                got=f"{len(keys):,} rows with {pc.count_distinct(keys).as_py():,} values",
            )
    order = pc.index_in(one, value_set=other)
    if order.null_count:
        raise _other_rows(champion, "every key of the challenger's", f"{order.null_count:,} that are missing")
    return order


def _different(one: pyarrow.ChunkedArray, other: pyarrow.ChunkedArray) -> int:
    """In how many rows the outcomes differ: as numbers if all are, else as labels."""
    import numpy as np

    if len(one) == 0:
        return 0
    as_numbers = numbers(one), numbers(other)
    if all(np.isfinite(values).all() for values in as_numbers):
        return int((as_numbers[0] != as_numbers[1]).sum())
    (left, names), (right, others) = (codes(column, label) for column in (one, other))
    shared = {name: at for at, name in enumerate(names)}
    translated = np.array([shared.get(name, -1) for name in others], dtype=np.int64)
    return int((left != translated[right]).sum())

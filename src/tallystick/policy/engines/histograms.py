"""Histograms of a data file: of each column the quantiles, and how many rows are in each band or show each value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tallystick.policy.baseline import Baseline, Histograms
from tallystick.policy.counts import Counts
from tallystick.policy.engines.duckdb import Source, open_source
from tallystick.policy.evidence import DECILES, PERCENTILES, Compared

__all__ = ["every_column", "of_file"]

_VALUES: Final = 200
"""A column with more different values than this, none of them a number, has no histogram: they are identifiers."""
_FEW: Final = 20
"""Numbers of which there are no more different ones than this are counted one by one, as categories too."""


def every_column(path: Path) -> Histograms:
    """What is kept of a baseline when it is recorded: of every column that is not one of identifiers.

    Numbers have their deciles and percentiles; texts, and numbers of which there are few, are counted by spelling.

    Raises:
        NotFound, InvalidData: as for :func:`~tallystick.policy.engines.duckdb.open_source`.
    """
    source = open_source(path)
    return _counted(source, [need for column in source.columns for need in _usual(source, column)])


def _usual(source: Source, column: str) -> Iterator[Compared]:
    if source.columns.count(column) != 1:
        return
    distinct, numbers = source.variety(column)
    if distinct <= _VALUES:
        yield Compared(column)
    if numbers and distinct > _FEW:
        yield Compared(column, DECILES)
        yield Compared(column, PERCENTILES)


def of_file(path: Path, *, name: str, sha256: str) -> Baseline:
    """A baseline that is at hand as a file."""
    return Baseline(name, sha256, lambda needs: _counted(open_source(path), needs))


def _counted(source: Source, needs: Sequence[Compared]) -> Histograms:
    asked = dict.fromkeys((need.column, need.parts) for need in needs if need.parts)
    found = {key: source.quantiles(*key) for key in asked}
    edges = {key: edges for key, edges in found.items() if edges}
    histograms = Histograms(Counts(0, ()), edges)
    axes = dict.fromkeys(
        histograms.axis(need) for need in needs if not need.parts or (need.column, need.parts) in edges
    )
    return Histograms(source.count([(axis,) for axis in axes]), edges)

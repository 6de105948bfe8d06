"""Calibration within groups: whether a score of 0.7 means 7 in 10 in every group, from a table over bins.

The table holds for each group and bin how many people there are, how many of them have the favourable true outcome, and
the sum of their scores in billionths, a whole number. Sums of floating-point numbers would differ from run to run with
several threads, and the middles of the bins in place of the scores would be wrong by up to half a bin: a model that is
perfectly calibrated would look as if it were not. With whole numbers the same people give the same table everywhere.

* Expected calibration error: the sum over bins of |sum of scores - favourable| by the number of people (Naeini, Cooper,
  Hauskrecht, AAAI 2015); see also Kleinberg, Mullainathan, Raghavan (2016) for what calibration cannot go with.
* By chance alone it is above 0, the more so the fewer people: sum of sqrt(2/pi n m (1 - m)) by the number of people, m
  the mean score of a bin, is what a perfectly calibrated score would show on average. It stands beside the value.

The edges of the bins belong to the policy or to the record of a baseline: with others the figure is another.

Pure.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tallystick.errors import InvalidData
from tallystick.policy.counts import Group

__all__ = ["TEN_BINS", "UNIT", "Calibration", "ScoreTable", "calibration", "largest_gap"]

UNIT = 1_000_000_000
"""Scores are summed in parts of this; one score is off by half a part at most."""

TEN_BINS = tuple(edge / 10 for edge in range(11))


@dataclass(frozen=True)
class ScoreTable:
    """Scores by the values of some columns and by bin."""

    columns: tuple[str, ...]
    edges: tuple[float, ...]
    """From 0 to 1, growing; a bin holds its lower edge, and the last one its upper edge too."""
    cells: Mapping[tuple[Group, int], tuple[int, int, int]]
    """Group and bin to people, favourable ones among them, and the sum of their scores in units."""

    @classmethod
    def of(
        cls, columns: Sequence[str], edges: Sequence[float], scored: Iterable[tuple[Group, float, bool, int]]
    ) -> ScoreTable:
        """A table from group, score, whether the true outcome is favourable, and number of people.

        Raises:
            ValueError: the edges do not grow from 0 to 1.
            InvalidData: a score is no probability.
        """
        if edges[0] != 0 or edges[-1] != 1 or any(low >= high for low, high in pairwise(edges)):
            raise ValueError("the edges of the bins do not grow from 0 to 1")
        cells: dict[tuple[Group, int], tuple[int, int, int]] = {}
        for group, score, good, n in scored:
            if not 0 <= score <= 1:
                raise InvalidData("calibration needs probabilities", expected="0 to 1", got=str(score)[:40])
            key = (group, min(bisect_right(edges, score), len(edges) - 1) - 1)
            people, favourable, total = cells.get(key, (0, 0, 0))
            cells[key] = (people + n, favourable + n * good, total + n * round(score * UNIT))
        return cls(tuple(columns), tuple(edges), cells)


@dataclass(frozen=True)
class Calibration:
    """How far scores of one group are from what came true."""

    group: Group
    n: int
    error: float
    """The expected calibration error."""
    by_chance: float
    """What a perfectly calibrated score would show on average with as many people."""
    over: float
    """By how much the mean score lies above the share that came true."""


def calibration(table: ScoreTable) -> list[Calibration]:
    """The calibration of every group, in the order of the table."""
    bins: dict[Group, list[tuple[int, int, int]]] = {}
    for (group, _), cell in table.cells.items():
        bins.setdefault(group, []).append(cell)
    return [_of_group(group, cells) for group, cells in bins.items()]


def _of_group(group: Group, cells: Sequence[tuple[int, int, int]]) -> Calibration:
    n = sum(people for people, _, _ in cells)
    beyond = [total - good * UNIT for _, good, total in cells]
    means = ((people, total / (people * UNIT)) for people, _, total in cells)
    chance = math.fsum(math.sqrt(2 / math.pi * people * mean * (1 - mean)) for people, mean in means)
    return Calibration(group, n, sum(map(abs, beyond)) / (n * UNIT), chance / n, sum(beyond) / (n * UNIT))


def largest_gap(table: ScoreTable) -> float:
    """The largest calibration error of a group less the smallest.

    Raises:
        ValueError: there are fewer than two groups to compare.
    """
    errors = [one.error for one in calibration(table)]
    if len(errors) < 2:
        raise ValueError("there are fewer than two groups")
    return max(errors) - min(errors)

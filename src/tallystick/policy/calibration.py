"""Calibration from counts: does a score of 0.7 mean that 7 of 10 have the favourable outcome?

Scores are counted in 1,000 bands of equal width from 0 to 1 (and one for exactly 1), by true outcome and, where groups
are compared, by group, so that every figure follows from integers and can be replayed. Each score counts as the middle
of its band: a mean score, and so every calibration error, is off by 0.0005 at most. Sums of the scores themselves would
differ from run to run with several threads.

* The expected calibration error: the mean over bins of |observed share - mean score|, weighted by their rows (Naeini,
  Cooper and Hauskrecht, AAAI 2015); bins are of equal width.
* By chance alone it is above 0, the more so the fewer rows. What a perfectly calibrated score would be expected to
  show with the same bins stands beside it: the mean of the absolute value of a normal error.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tallystick.errors import InvalidData
from tallystick.policy.counts import Axis, Group, Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BANDS", "WHOLE", "Bin", "Histogram", "axes", "expected_error", "histograms"]

BANDS: Final = 1_000
"""Bands of equal width from 0 to 1, in which scores are counted."""
WHOLE: Final = 2 * BANDS
"""A score of 1, in the unit in which the middles of bands are whole numbers."""
_EDGES: Final = (*(i / BANDS for i in range(BANDS + 1)), 1.0000000000000002)
"""A score of exactly 1 has a band of its own, so that one above it is seen."""


def axes(groups: Iterable[str] = (), *, true: str, score: str) -> tuple[Axis, ...]:
    """The axes of a table of scores: by these groups, by true outcome, and by band of the score."""
    return (*map(Axis, groups), Axis(true, "outcome"), Axis(score, "band", _EDGES))


@dataclass(frozen=True)
class Histogram:
    """Rows by band of the score, band i from i / 1,000; the last holds exactly 1."""

    good: NDArray[np.int64]
    """With the favourable outcome."""
    other: NDArray[np.int64]

    @classmethod
    def of(cls, cells: Sequence[int]) -> Histogram:
        """From the counts of all bands: first those with the favourable outcome, then the others."""
        import numpy as np

        good, other = np.array(cells, dtype=np.int64).reshape(2, BANDS + 1)
        return cls(good, other)

    @property
    def cells(self) -> tuple[int, ...]:
        """What :meth:`of` takes."""
        return (*self.good.tolist(), *self.other.tolist())

    @property
    def favourable(self) -> int:
        """Rows with the favourable outcome."""
        return int(self.good.sum())

    @property
    def n(self) -> NDArray[np.int64]:
        return self.good + self.other

    @property
    def rows(self) -> int:
        return int(self.n.sum())

    @property
    def middles(self) -> NDArray[np.int64]:
        """Of each band, in whole 2,000ths, so that sums of them are exact."""
        import numpy as np

        return np.append(2 * np.arange(BANDS, dtype=np.int64) + 1, WHOLE)

    def bins(self, count: int) -> list[Bin]:
        """Its bins of equal width that have rows; 1 belongs to the last."""
        width = BANDS // count
        found = []
        for at in range(count):
            part = slice(at * width, BANDS + 1 if at == count - 1 else (at + 1) * width)
            n = int(self.n[part].sum())
            if n:
                mean = int(self.n[part] @ self.middles[part]) / (WHOLE * n)
                found.append(Bin(at / count, (at + 1) / count, n, int(self.good[part].sum()), mean))
        return found


@dataclass(frozen=True)
class Bin:
    """Rows with scores of one bin."""

    low: float
    high: float
    n: int
    k: int
    """With the favourable outcome."""
    mean: float
    """Of their scores."""

    @property
    def distance(self) -> float:
        return abs(self.k / self.n - self.mean)

    @property
    def expected(self) -> float:
        """The distance that is expected of a calibrated score: the mean of the absolute value of a normal error."""
        return math.sqrt(2 / math.pi * self.mean * (1 - self.mean) / self.n)


def expected_error(bins: Sequence[Bin]) -> tuple[float, float]:
    """The expected calibration error, and what a calibrated score would be expected to show with as many rows."""
    rows = sum(found.n for found in bins)
    error = math.fsum(found.n * found.distance for found in bins)
    return error / rows, math.fsum(found.n * found.expected for found in bins) / rows


def histograms(table: Table, favourable: str) -> Mapping[Group, Histogram]:
    """The scores of every group of a table along :func:`axes`, in the order of the table.

    Raises:
        InvalidData: a score is missing or no probability.
    """
    import numpy as np

    _check(table)
    counted: dict[Group, NDArray[np.int64]] = {}
    for (*marks, true, band), n in table.cells:
        group = tuple(None if mark is None else str(mark) for mark in marks)
        sides = counted.setdefault(group, np.zeros((2, BANDS + 1), dtype=np.int64))
        sides[int(true != favourable), int(band or 0) - 1] += n
    return {group: Histogram(*sides) for group, sides in counted.items()}


def _check(table: Table) -> None:
    if not table.cells:
        raise InvalidData("there are no scores")
    missing = sum(n for marks, n in table.cells if not isinstance(marks[-1], int))
    if missing:
        raise InvalidData(f"{missing:,} {'row has' if missing == 1 else 'rows have'} no score that is a number")
    outside = sum(n for marks, n in table.cells if marks[-1] in (0, BANDS + 2))
    if outside:
        raise InvalidData(f"calibration needs probabilities, and {outside:,} scores lie outside 0 to 1")

"""Many comparisons at once: between all pairs of groups, and between all checks of a gate.

The smallest ratio, or the largest difference, over many groups looks worse by chance alone: the more groups, the more.
:class:`Comparisons` gives an interval that allows for it. Its two ends are not alike:

* that no pair is beyond a limit is said when each pair is found within it, and needs no correction: if some pair is
  truly beyond, only this one pair has to be mistaken (Berger, "Multiparameter hypothesis testing and acceptance
  sampling", Technometrics 24, 1982: the intersection-union test);
* that some pair is beyond it is said when any one pair is found beyond, and is corrected for all of them: the critical
  value is a quantile of the largest of all studentised differences over the replicates, instead of the normal's.

So the end on the good side of the estimate is wider than that of a single pair, and the other end is not.
For two groups the interval is that of :func:`tallystick.policy.proportions.difference` or ``ratio``.

:func:`holm` corrects claims of failure between checks (Holm, Scandinavian Journal of Statistics 6, 1979).

Pure: the seed is handed in. Replicates are multinomial draws over the cells, as for the bootstrap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

from tallystick.canonical import Value
from tallystick.policy.metrics import Rate
from tallystick.policy.statistics import GENERATOR, Interval, multinomials
from tallystick.policy.threshold import Threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST_PAIRS", "Comparisons", "holm"]

MOST_PAIRS = 2_000
"""Beyond so many pairs the critical value is Bonferroni's, which is never smaller and takes no replicates."""


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of some rates between groups. Made by :meth:`of`."""

    form: Literal["ratio", "difference"]
    k: NDArray[Any]
    """Events and number of each arm: a group under one rate."""
    n: NDArray[Any]
    pairs: NDArray[Any]
    """Of arms, shape (pairs, 2)."""
    maxima: NDArray[Any] = field(repr=False)
    """The largest studentised difference of each replicate, in order; empty where Bonferroni's value stands."""
    seed: str

    @classmethod
    def of(
        cls,
        form: Literal["ratio", "difference"],
        rates: Sequence[Rate],
        groups: Sequence[Sequence[int]],
        *,
        reference: int | None,
        replicates: int,
        seed: str,
    ) -> Comparisons:
        """Compare every two groups, or every other group with one.

        Args:
            form: what is made of two rates.
            rates: the family: groups are compared under each.
            groups: cells of each group, with denominators above 0.
            reference: position of the group that the others are compared with; None for all pairs.
            replicates: multinomial draws.
            seed: 16 hex digits.
        """
        import numpy as np

        cells = np.asarray(groups, dtype=np.int64)
        k = np.concatenate([cells[:, list(rate.above)].sum(axis=1) for rate in rates]).astype(float)
        n = np.concatenate([cells[:, list(rate.below)].sum(axis=1) for rate in rates]).astype(float)
        pairs = np.asarray(_pairs(len(rates), len(groups), reference))
        found = cls(form, k, n, pairs, np.empty(0), seed)
        if len(pairs) > MOST_PAIRS:
            return found
        blocks = []
        for drawn in multinomials([int(count) for count in cells.ravel()], replicates, seed):
            table = drawn.reshape(len(drawn), len(groups), -1)
            above = [table[..., list(rate.above)].sum(axis=-1) for rate in rates]
            below = [table[..., list(rate.below)].sum(axis=-1) for rate in rates]
            blocks.append(found._largest(np.concatenate(above, axis=1), np.concatenate(below, axis=1)))
        return cls(form, k, n, pairs, np.sort(np.concatenate(blocks)), seed)

    @property
    def family(self) -> int:
        """How many pairs are compared."""
        return len(self.pairs)

    def interval(self, confidence: float) -> Interval:
        """The interval of the worst comparison: the largest absolute difference, or the smallest ratio."""
        plain, wide = NormalDist().inv_cdf(0.5 + confidence / 2), self.critical(confidence)
        good, bad = (wide, plain) if self.form == "difference" else (plain, wide)
        made: dict[str, Value] = {"family": self.family, "critical": wide}
        if len(self.maxima):
            made |= {"replicates": len(self.maxima), "generator": GENERATOR, "seed": self.seed}
        return Interval(self._end(good, -1), self._end(bad, +1), confidence, "simultaneous_score", made)

    def critical(self, confidence: float) -> float:
        """What takes the place of the normal quantile where any one of all pairs may be the worst."""
        import numpy as np

        bonferroni = NormalDist().inv_cdf(1 - (1 - confidence) / (2 * self.family))
        if not len(self.maxima):
            return bonferroni
        plain = NormalDist().inv_cdf(0.5 + confidence / 2)
        return min(bonferroni, max(plain, float(np.quantile(self.maxima, confidence, method="higher"))))

    def p_value(self, limit: Threshold) -> float:
        """How likely some pair looks so far beyond the limit by chance, allowing for all pairs; 1 if none does."""
        import numpy as np

        sign = -1 if self.form == "difference" else +1
        low, high = 0.0, 40.0
        if not limit.hit(self._end(low, sign)):
            return 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if limit.hit(self._end(middle, sign)) else (low, middle)
        bonferroni = self.family * math.erfc(low / math.sqrt(2))
        if not len(self.maxima):
            return min(1.0, bonferroni)
        beyond = len(self.maxima) - int(np.searchsorted(self.maxima, low))
        return min(1.0, bonferroni, max(math.erfc(low / math.sqrt(2)), (1 + beyond) / (1 + len(self.maxima))))

    # ----------------------------------------------------------------------- ends

    def _end(self, z: float, sign: int) -> float:
        """The lower (-1) or upper (+1) end over all pairs, each in both directions, with this critical value."""
        import numpy as np

        p = self.k / self.n
        low, high = _score_limits(self.k, self.n, z)
        one, two = np.concatenate([self.pairs, self.pairs[:, ::-1]]).T
        if self.form == "difference":
            below, above = (p - low, high - p) if sign < 0 else (high - p, p - low)
            return float(np.clip(np.max(p[one] - p[two] + sign * np.hypot(below[one], above[two])), 0.0, 1.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = _ratio_low(p, low, high, one, two) if sign < 0 else 1 / _ratio_low(p, low, high, two, one)
        ends = ends[~np.isnan(ends)]  # 0/0 under one of the rates compares nothing
        return float(np.clip(ends.min(), 0.0, 1.0))

    def _largest(self, k: NDArray[Any], n: NDArray[Any]) -> NDArray[Any]:
        """Of each replicate the largest difference from what was seen, over all pairs, each by its standard error.

        On the scale of the interval: the difference itself, or the logarithm of the ratio.
        """
        import numpy as np

        (here, variance), (there, _) = self._scale(self.k, self.n), self._scale(k, n)
        one, two = self.pairs.T
        shift = there - here
        # The variance of each replicate in its place would leave the ratio of rare events without its level: where a
        # replicate has few events its variance is large, and its largest difference looks small.
        largest = np.abs(shift[:, one] - shift[:, two]) / np.sqrt(variance[one] + variance[two])
        found: NDArray[Any] = largest.max(axis=1)
        return found

    def _scale(self, k: NDArray[Any], n: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Value and variance of each arm; half an event is added on each side, so that 0 has a variance."""
        import numpy as np

        k, n = k + 0.5, n + 1.0
        p = k / n
        if self.form == "difference":
            return p, p * (1 - p) / n
        return np.log(p), 1 / k - 1 / n


def _pairs(rates: int, groups: int, reference: int | None) -> list[tuple[int, int]]:
    """Pairs of arms; the arms of the first rate come first."""
    each = list(combinations(range(groups), 2))
    if reference is not None:
        each = [(other, reference) for other in range(groups) if other != reference]
    return [(rate * groups + one, rate * groups + two) for rate in range(rates) for one, two in each]


def _score_limits(k: NDArray[Any], n: NDArray[Any], z: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Wilson's limits, as in :func:`tallystick.policy.statistics.wilson`, for arrays."""
    import numpy as np

    p, spread = k / n, z * z / n
    centre = (p + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(p * (1 - p) / n + spread / (4 * n))
    return np.where(k == 0, 0.0, np.maximum(0.0, centre - half)), np.where(k == n, 1.0, np.minimum(1.0, centre + half))


def _ratio_low(p: Any, low: Any, high: Any, one: Any, two: Any) -> NDArray[Any]:
    """The lower end of p[one] / p[two]; see :func:`tallystick.policy.proportions.ratio`. NaN for 0/0."""
    import numpy as np

    product = p[one] * p[two]
    a, b = low[one] * (2 * p[one] - low[one]), high[two] * (2 * p[two] - high[two])
    ends: NDArray[Any] = a / (product + np.sqrt(np.maximum(0.0, product * product - a * b)))
    return np.where((a == 0) & ((p[one] > 0) | (p[two] > 0)), 0.0, ends)


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which of these claims stand, if the chance that any one of them is mistaken is to be ``level`` at most.

    From the smallest on, the i-th of m stands if it is at most level / (m - i + 1) and all before it stand.
    """
    stands = [False] * len(p_values)
    for done, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[position] > level / (len(p_values) - done):
            break
        stands[position] = True
    return stands

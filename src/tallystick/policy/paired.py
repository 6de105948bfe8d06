"""Two models on the same rows: intervals of their difference that know of the pairing.

* ``newcombe_paired`` for a difference of two shares of the same rows: Newcombe, "Improved confidence intervals for the
  difference between binomial proportions based on paired data" (Statistics in Medicine 17, 1998), method 10;
* ``mcnemar`` for the exact p-value of the same four counts: McNemar (Psychometrika 12, 1947), the binomial form;
* ``paired_bootstrap`` for anything else that follows from a count table of pairs: resampling pairs with replacement is
  a multinomial draw over the cells. Where two models nearly agree, cells of 0 would never be drawn and the interval
  would be too narrow, so cells may be given a little more than was seen, as Agresti and Min do for matched pairs
  (Statistics in Medicine 24, 2005); the point stays as measured.

Pure: the seed is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tallystick.policy.statistics import GENERATOR, Interval, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["mcnemar", "newcombe_paired", "paired_bootstrap"]

_BLOCK: Final = 1_000
"""Replicates drawn at once. Part of the recorded method, and must not change."""


def newcombe_paired(both: int, first: int, second: int, neither: int, confidence: float) -> Interval:
    """The interval of the share of the first less the share of the second, for at least one row.

    Args:
        both: rows that both have.
        first: rows that only the first has.
        second: rows that only the second has.
        neither: rows that neither has.
        confidence: of the interval.
    """
    n = both + first + second + neither
    p1, p2 = (both + first) / n, (both + second) / n
    one, two = wilson(both + first, n, confidence), wilson(both + second, n, confidence)
    phi = _phi(both, first, second, neither)
    down, up = (p1 - one.low, two.high - p2), (one.high - p1, p2 - two.low)
    low, high = (math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y)) for x, y in (down, up))
    difference = (first - second) / n
    return Interval(max(-1.0, difference - low), min(1.0, difference + high), confidence, "newcombe_paired")


def _phi(both: int, first: int, second: int, neither: int) -> float:
    """The correlation of the two, with its numerator corrected towards 0 by n / 2 where it is positive."""
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    if margins == 0:
        return 0.0
    cross = both * neither - first * second
    corrected = max(cross - (both + first + second + neither) / 2, 0.0) if cross > 0 else float(cross)
    return corrected / math.sqrt(margins)


def mcnemar(first: int, second: int) -> float:
    """The two-sided exact p-value that rows which only one has are as likely the first's as the second's."""
    n = first + second
    logs = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)
        for k in range(min(first, second) + 1)
    )
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def paired_bootstrap(
    cells: NDArray[np.float64],
    statistic: Callable[[NDArray[np.int64]], Any],
    *,
    n: int,
    replicates: int,
    confidence: float,
    seed: str,
) -> Interval | None:
    """The percentile interval of a statistic of a count table of pairs.

    Args:
        cells: the counts in a fixed order, perhaps with a little added to some.
        statistic: from an array (replicates, cells) to an array (replicates,).
        n: rows of each drawn table.
        replicates: how many tables are drawn, a multiple of 1,000.
        confidence: the share of replicates between the two ends.
        seed: 16 hex digits.

    Returns:
        None if the statistic has no value for one of the replicates.
    """
    import numpy as np

    generator = np.random.Generator(np.random.PCG64(int(seed, 16)))
    shares = cells / cells.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.concatenate(
            [statistic(generator.multinomial(n, shares, size=_BLOCK)) for _ in range(replicates // _BLOCK)]
        )
    if not np.isfinite(values).all():
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    made_with = {"replicates": replicates, "generator": GENERATOR, "seed": seed}
    return Interval(float(low), float(high), confidence, "paired_bootstrap", made_with)

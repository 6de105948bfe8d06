"""Two models on the same rows, where no closed form will do: resampling pairs.

Resampling pairs with replacement is a multinomial draw over the cells of their count table. Where two models nearly
agree, cells of 0 would never be drawn and the interval would be too narrow, so cells may be given a little more than
was seen, as Agresti and Min do for matched pairs (Statistics in Medicine 24, 2005); the point stays as measured. Shares
of the same rows have an interval of their own: :func:`tallystick.policy.proportions.paired_difference`.

Pure: the seed is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tallystick.policy.statistics import GENERATOR, Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["paired_bootstrap"]

_BLOCK: Final = 1_000
"""Replicates drawn at once. Part of the recorded method, and must not change."""


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

"""Intervals: how far a measured value could be from the one that more people would show.

Three methods, each named in what it returns:

* ``wilson`` for a single share: Wilson, "Probable Inference" (JASA 22, 1927), without continuity correction;
* ``hanley_mcneil`` for the area under the ROC curve: Hanley and McNeil (Radiology 143, 1982), equations 1 and 2;
* ``multinomial_bootstrap`` for anything computed from a count table: resampling rows with replacement is exactly a
  multinomial draw over the cells (Efron, 1979), so rows are not needed; the interval is between percentiles.

Pure: the seed is handed in. The generator is NumPy's PCG64; its stream, and so the last digits of a bootstrap
interval, may change with the version of NumPy, which is recorded with every evaluation. Points never depend on it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from tallystick.canonical import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "FEW",
    "GENERATOR",
    "Interval",
    "bootstrap",
    "check_seed",
    "evaluation_seed",
    "hanley_mcneil",
    "multinomials",
    "normal_quantile",
    "wilson",
]

GENERATOR = "numpy PCG64"
FEW = 10
"""Below so many events a bootstrap says too little: a cell of 0 is never drawn, and the interval is too narrow."""

_BLOCK = 1_000
"""Replicates drawn at once, at most."""
_AT_ONCE = 4_000_000
"""Cells drawn at once, so that memory stays flat. Replicates come from the generator one after the other, so that how
many are drawn at once changes none of them."""


@dataclass(frozen=True)
class Interval:
    """A two-sided interval with the method that made it."""

    low: float
    high: float
    confidence: float
    method: str
    made_with: dict[str, Value] = field(default_factory=dict)
    """Replicates, generator and seed of a bootstrap."""

    def as_json(self) -> dict[str, Value]:
        facts = {"low": self.low, "high": self.high, "confidence": self.confidence, "method": self.method}
        return facts | self.made_with

    @property
    def words(self) -> str:
        """``95 % interval``."""
        return f"{100 * self.confidence:g} % interval"


def wilson(k: int, n: int, confidence: float) -> Interval:
    """The Wilson score interval of the share ``k / n``, for ``n > 0``."""
    z = normal_quantile(confidence)
    share, spread = k / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return Interval(low, high, confidence, "wilson")


def hanley_mcneil(area: float, positives: int, negatives: int, confidence: float) -> Interval:
    """The normal interval around an area under the ROC curve, cut to 0..1, for at least one row of each outcome."""
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (positives - 1) * (q1 - area * area) + (negatives - 1) * (q2 - area * area)
    half = normal_quantile(confidence) * math.sqrt(max(0.0, variance) / (positives * negatives))
    return Interval(max(0.0, area - half), min(1.0, area + half), confidence, "hanley_mcneil")


def normal_quantile(confidence: float) -> float:
    """How many standard errors a two-sided normal interval reaches to each side."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def evaluation_seed(policy_digest: str, data_digest: str) -> str:
    """The seed of an evaluation: the first 8 bytes, in hex, of SHA-256(policy digest || data digest).

    Both digests enter as their lower-case hex text. The same policy on the same data draws the same numbers.
    """
    return hashlib.sha256((policy_digest + data_digest).encode("ascii")).hexdigest()[:16]


def check_seed(seed: str, check: str) -> str:
    """The seed of one check: the first 8 bytes, in hex, of SHA-256(seed || "/" || check id).

    So a check can be computed again alone, and in any order.
    """
    return hashlib.sha256(f"{seed}/{check}".encode()).hexdigest()[:16]


def multinomials(cells: Sequence[int], replicates: int, seed: str) -> Iterator[NDArray[np.float64]]:
    """Count tables drawn from one that was seen, in blocks of shape (replicates of the block, cells)."""
    import numpy as np

    total = sum(cells)
    shares = np.asarray(cells, dtype=np.float64) / total
    generator = np.random.Generator(np.random.PCG64(int(seed, 16)))
    block = max(1, min(_BLOCK, _AT_ONCE // len(cells)))
    for start in range(0, replicates, block):
        yield generator.multinomial(total, shares, size=min(block, replicates - start)).astype(np.float64)


def bootstrap(
    cells: Sequence[int],
    statistic: Callable[[NDArray[np.float64]], Any],
    *,
    replicates: int,
    confidence: float,
    seed: str,
) -> Interval | None:
    """The percentile interval of a statistic of a count table.

    Args:
        cells: the counts, in a fixed order.
        statistic: from an array (replicates, cells) to an array (replicates,).
        replicates: how many tables are drawn.
        confidence: the share of replicates between the two ends.
        seed: 16 hex digits.

    Returns:
        None if the statistic has no value for one of the replicates.
    """
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.concatenate([statistic(drawn) for drawn in multinomials(cells, replicates, seed)])
    if not np.isfinite(values).all():
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    made_with = {"replicates": replicates, "generator": GENERATOR, "seed": seed}
    return Interval(float(low), float(high), confidence, "multinomial_bootstrap", made_with)

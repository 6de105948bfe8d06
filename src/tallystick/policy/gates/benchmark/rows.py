"""Measures that need the rows: scikit-learn computes the value, the influence of each row gives its interval.

The *influence* of a row is how much the measure would move if the row weighed a little more: for a mean of x it is
``x - mean``, for a ratio or a root it follows by the delta method, for the area under the ROC curve it is DeLong's
structural components. The squares of the influences add up to the variance of the measure, and the influence of a row
on the difference between two models is the difference of its influences on each, so that pairs need nothing of their
own. Sources: Hampel, "The influence curve and its role in robust estimation" (JASA 69, 1974); DeLong, DeLong and
Clarke-Pearson (Biometrics 44, 1988); for average precision the logit interval of Boyd, Eng and Page (ECML 2013); for
the median of the errors order statistics (Hahn and Meeker, "Statistical Intervals", 1991).

Sums of floating-point numbers: nothing here is claimed to be recomputable from counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tallystick.policy.gates.benchmark.scorers import Scorer
from tallystick.policy.statistics import FEW, Interval, hanley_mcneil, normal_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ENOUGH", "Estimate", "Sample", "Undefined", "estimate", "of_table"]

ENOUGH: Final = 30
"""Below so many rows the sum of their influences need not be near to normal, and no interval is stated."""

Array = Any
"""An array of doubles, one for each row."""


class Undefined(Exception):
    """The measure has no value on these rows; the text says why, as a clause."""


@dataclass(frozen=True)
class Sample:
    """What was true and what was said, row by row; all finite."""

    true: Array
    """For a score 1 where the true outcome is the favourable one, else 0; for numbers the number."""
    said: Array
    """The score, or the predicted number."""
    weight: Array | None = None
    """Not negative, and not all 0."""

    @property
    def n(self) -> int:
        return len(self.true)

    @property
    def relative(self) -> Array:
        """The weights with a mean of 1."""
        import numpy as np

        return np.ones(self.n) if self.weight is None else self.weight * (self.n / self.weight.sum())


@dataclass(frozen=True)
class Estimate:
    """A measure and what each row does to it."""

    value: float
    influence: Array | None = None
    """Its mean is 0; None where there is no such thing."""
    given: Callable[[float], Interval | None] | None = None
    """From a confidence, where the interval is made otherwise."""

    def less(self, other: Estimate) -> Estimate:
        """The difference of two measures of the same rows."""
        if self.influence is None or other.influence is None:
            return Estimate(self.value - other.value)
        return Estimate(self.value - other.value, self.influence - other.influence)

    def interval(self, confidence: float, method: str, bounds: tuple[float, float]) -> Interval | None:
        """The interval, cut to the bounds; None if there are too few rows for one, or none is honest."""
        if self.given is not None:
            return self.given(confidence)
        if self.influence is None or len(self.influence) < ENOUGH:
            return None
        error = math.sqrt(math.fsum(self.influence * self.influence)) / len(self.influence)
        half = normal_quantile(confidence) * error
        return Interval(max(bounds[0], self.value - half), min(bounds[1], self.value + half), confidence, method)


def estimate(scorer: Scorer, sample: Sample, *, pairing: bool = False) -> Estimate:
    """The measure of a sample.

    Args:
        scorer: of basis ``score`` or ``numbers``.
        sample: its rows.
        pairing: whether it will be compared with another of the same rows, and so needs influences.

    Raises:
        Undefined: it has no value.
    """
    if scorer.basis == "numbers":
        return _of_numbers(scorer.name, sample)
    positives = int(sample.true.sum())
    if not 0 < positives < sample.n:
        raise Undefined("only one true outcome occurs")
    if scorer.name == "roc_auc":
        return _area(sample, positives, pairing=pairing)
    if scorer.name == "average_precision":
        return _average_precision(sample, positives)
    if ((sample.said < 0) | (sample.said > 1)).any():
        raise ValueError("it needs probabilities, and some scores lie outside 0 to 1")
    return _brier(sample) if scorer.name == "brier" else _log_loss(sample)


def of_table(scorer: Scorer, codes: Array, size: int, weight: Array) -> Estimate:
    """A measure of a confusion table of weights.

    Args:
        scorer: of basis ``counts``.
        codes: the cell of each row.
        size: outcomes; there are size * size cells.
        weight: of each row.

    Raises:
        Undefined: it has no value.
    """
    import numpy as np

    shares = np.bincount(codes, weights=weight, minlength=size * size) / weight.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(scorer.figure(shares.reshape(size, size)))
        if not math.isfinite(value):
            raise Undefined("an outcome has no rows to stand on")
        slopes = _slopes(scorer, shares, size)
    relative = weight * (len(weight) / weight.sum())
    return Estimate(value, relative * slopes[codes] if np.isfinite(slopes).all() else None)


def _slopes(scorer: Scorer, shares: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The derivative of the measure by the share of each cell that has rows, by central differences; 0 elsewhere.

    Measures do not change if all cells grow alike, so that the slopes weighted by the shares add up to 0.
    """
    import numpy as np

    held = np.flatnonzero(shares)
    step = np.zeros((len(held), len(shares)))
    step[np.arange(len(held)), held] = 1e-6 * shares[held]
    tables = np.concatenate([shares + step, shares - step]).reshape(-1, size, size)
    above, below = np.split(scorer.figure(tables), 2)
    slopes = np.zeros(len(shares))
    slopes[held] = (above - below) / (2e-6 * shares[held])
    return slopes


# --------------------------------------------------------------------------- scores


def _area(sample: Sample, positives: int, *, pairing: bool) -> Estimate:
    from sklearn import metrics

    value = float(metrics.roc_auc_score(sample.true, sample.said, sample_weight=sample.weight))
    if sample.weight is not None:
        return Estimate(value)
    negatives = sample.n - positives
    if pairing:
        return Estimate(value, _delong(sample, value, positives) if min(positives, negatives) >= FEW else None)
    return Estimate(value, given=lambda confidence: hanley_mcneil(value, positives, negatives, confidence))


def _delong(sample: Sample, area: float, positives: int) -> Array:
    """The structural components of DeLong, scaled so that their squares add up to DeLong's variance."""
    import numpy as np

    good = sample.true == 1
    n, negatives = sample.n, sample.n - positives
    everywhere = _ranks(sample.said)
    found = np.empty(n)
    above = (everywhere[good] - _ranks(sample.said[good])) / negatives
    below = 1 - (everywhere[~good] - _ranks(sample.said[~good])) / positives
    found[good] = (above - area) * (n / positives) * math.sqrt(positives / (positives - 1))
    found[~good] = (below - area) * (n / negatives) * math.sqrt(negatives / (negatives - 1))
    return found


def _ranks(values: Array) -> Array:
    """Ranks from 1, ties sharing their mean."""
    import numpy as np

    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _average_precision(sample: Sample, positives: int) -> Estimate:
    from sklearn import metrics

    value = float(metrics.average_precision_score(sample.true, sample.said, sample_weight=sample.weight))
    if sample.weight is not None or positives < FEW or not 0 < value < 1:
        return Estimate(value)

    def logit(confidence: float) -> Interval:
        half = normal_quantile(confidence) / math.sqrt(positives * value * (1 - value))
        centre = math.log(value / (1 - value))
        low, high = (1 / (1 + math.exp(-(centre + sign * half))) for sign in (-1, 1))
        return Interval(low, high, confidence, "logit")

    return Estimate(value, given=logit)


def _brier(sample: Sample) -> Estimate:
    from sklearn import metrics

    value = float(metrics.brier_score_loss(sample.true, sample.said, sample_weight=sample.weight))
    return Estimate(value, _around((sample.said - sample.true) ** 2, sample))


def _log_loss(sample: Sample) -> Estimate:
    import numpy as np
    from sklearn import metrics

    value = float(metrics.log_loss(sample.true, sample.said, labels=[0, 1], sample_weight=sample.weight))
    tiny = float(np.finfo(np.float64).eps)  # scikit-learn cuts probabilities there
    said = np.clip(sample.said, tiny, 1 - tiny)
    losses = -np.log(np.where(sample.true == 1, said, 1 - said))
    return Estimate(value, _around(losses, sample))


def _around(values: Array, sample: Sample) -> Array:
    """The influence of each row on the mean of the values."""
    weighted = sample.relative * values
    return weighted - sample.relative * weighted.mean()


# --------------------------------------------------------------------------- numbers


def _of_numbers(name: str, sample: Sample) -> Estimate:
    from sklearn import metrics

    true, said, weight = sample.true, sample.said, sample.weight
    if name == "max_error":
        return Estimate(float(metrics.max_error(true, said)))
    if name == "median_absolute_error":
        return _median(sample)
    if name == "mean_absolute_percentage_error" and (true == 0).any():
        raise Undefined("a true value is 0, of which no error is a share")
    if name in ("r2", "explained_variance") and (sample.n < 2 or true.min() == true.max()):
        raise Undefined("the true values are all alike")
    function = getattr(metrics, f"{name}_score" if name in ("r2", "explained_variance") else name)
    value = float(function(true, said, sample_weight=weight))
    return Estimate(value, _INFLUENCES[name](sample, value))


def _explained(sample: Sample, value: float, errors: Array) -> Array:
    mean = (sample.relative * sample.true).mean()
    spread = (sample.true - mean) ** 2
    return -sample.relative * (errors**2 - (1 - value) * spread) / (sample.relative * spread).mean()


def _explained_variance(sample: Sample, value: float) -> Array:
    errors = sample.true - sample.said
    return _explained(sample, value, errors - (sample.relative * errors).mean())


def _root(sample: Sample, value: float) -> Array:
    squares = _around((sample.true - sample.said) ** 2, sample)
    return squares / (2 * value) if value else squares


_INFLUENCES: Final[Mapping[str, Callable[[Sample, float], Array]]] = {
    "mean_absolute_error": lambda sample, _: _around(abs(sample.true - sample.said), sample),
    "mean_squared_error": lambda sample, _: _around((sample.true - sample.said) ** 2, sample),
    "root_mean_squared_error": _root,
    "mean_absolute_percentage_error": lambda sample, _: _around(
        abs(sample.true - sample.said) / abs(sample.true), sample
    ),
    "r2": lambda sample, value: _explained(sample, value, sample.true - sample.said),
    "explained_variance": _explained_variance,
}


def _median(sample: Sample) -> Estimate:
    import numpy as np
    from sklearn import metrics

    value = float(metrics.median_absolute_error(sample.true, sample.said, sample_weight=sample.weight))
    if sample.weight is not None or sample.n < ENOUGH:
        return Estimate(value)

    def order_statistics(confidence: float) -> Interval:
        errors = np.sort(abs(sample.true - sample.said))
        half = normal_quantile(confidence) * math.sqrt(sample.n) / 2
        low, high = math.floor(sample.n / 2 - half), math.ceil(sample.n / 2 + half)
        ends = (errors[max(0, low - 1)], errors[min(sample.n - 1, high)])
        return Interval(float(ends[0]), float(ends[1]), confidence, "order_statistics")

    return Estimate(value, given=order_statistics)

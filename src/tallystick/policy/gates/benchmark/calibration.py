"""Calibration of a model over everyone, from the histogram of :mod:`tallystick.policy.calibration`.

* ``expected_calibration_error``: as defined there; ten bins unless the policy says otherwise;
* ``maximum_calibration_error``: the largest distance of observed share and mean score among bins of ten rows or more;
* ``calibration_in_the_large``: |observed share - mean score| over everyone (Cox, Biometrika 45, 1958);
* ``calibration_slope_deviation``: |slope - 1|, of the logistic regression of the outcome on the logit of the score (Cox
  1958; Steyerberg, "Clinical Prediction Models", 2019); a slope below 1 means that scores are too extreme.

The first two have no interval: chance alone makes both larger than 0, so that resamples lie above what they are drawn
from. In place of it stands what a perfectly calibrated score would be expected to show with these bins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tallystick.canonical import Value
from tallystick.policy.calibration import WHOLE, Bin, Histogram, expected_error, histograms
from tallystick.policy.results import CheckResult
from tallystick.policy.statistics import FEW, Interval, normal_quantile, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tallystick.policy.gates.benchmark.judge import Case

__all__ = ["judge"]

_STEPS: Final = 50
"""Of Newton's method; it settles within ten where there is a maximum."""


def judge(case: Case) -> CheckResult:
    """The result of a check of calibration.

    Raises:
        InvalidData: a score is missing or no probability.
    """
    histogram = histograms(case.counts.over(*case.gate.banded(case.columns).axes), case.setting.favourable)[()]
    if case.metric.name == "calibration_in_the_large":
        return _in_the_large(case, histogram)
    if case.metric.name == "calibration_slope_deviation":
        return _slope(case, histogram)
    return _errors(case, histogram)


def _shown(found: Bin, confidence: float) -> Mapping[str, Value]:
    """For tables and charts; figures on fewer than ten people stay in the count tables, which can be erased."""
    group: dict[str, Value] = {"group": {"score": f"{found.low:g} to {found.high:g}"}, "evaluated": found.n >= FEW}
    if found.n < FEW:
        return group | {"n": None, "rates": {}, "left_out": f"fewer than {FEW} rows"}
    share = {"k": found.k, "n": found.n, "value": found.k / found.n}
    observed = share | {"interval": wilson(found.k, found.n, confidence).as_json()}
    return group | {"n": found.n, "rates": {"mean_score": {"value": found.mean}, "observed_share": observed}}


def _errors(case: Case, histogram: Histogram) -> CheckResult:
    bins = histogram.bins(case.gate.bins)
    groups = tuple(_shown(found, case.confidence) for found in bins)
    rows = histogram.rows
    if case.metric.name == "expected_calibration_error":
        value, chance = expected_error(bins)
        of = f"{len(bins)} bins with rows; a calibrated score would be expected to show {case.limits.show(chance)}"
        return case.measured(
            value, None, of, rows, no_interval="no interval is stated for it", groups=groups,
            figures={"expected_if_calibrated": chance},
        )  # fmt: skip
    large = [found for found in bins if found.n >= FEW]
    if not large:
        return case.result("not_evaluable", f"{case.words} has no value: no bin has {FEW} rows", groups=groups)
    worst = max(large, key=lambda found: found.distance)
    of = (
        f"scores from {worst.low:g} to {worst.high:g}, {worst.n:,} rows: mean score {worst.mean:.3f}, "
        f"observed share {worst.k / worst.n:.3f}"
    )
    left_out = len(bins) - len(large)
    of += f"; {left_out} {'bin' if left_out == 1 else 'bins'} of fewer than {FEW} rows left out" if left_out else ""
    return case.measured(worst.distance, None, of, rows, no_interval="no interval is stated for it", groups=groups)


def _in_the_large(case: Case, histogram: Histogram) -> CheckResult:
    rows, middles = histogram.rows, histogram.middles
    mean, share = int(histogram.n @ middles) / (WHOLE * rows), int(histogram.good.sum()) / rows
    distance = share - mean
    squares = int(histogram.good @ (WHOLE - middles) ** 2 + histogram.other @ middles**2) / (WHOLE**2 * rows)
    error = math.sqrt(max(0.0, squares - distance**2) / rows)
    interval = _folded(distance, error, case.confidence, "normal") if min(_sides(histogram)) >= FEW else None
    direction = "the score promises too little" if distance > 0 else "the score promises too much"
    of = f"mean score {mean:.4f}, observed share {share:.4f}: {direction}"
    return case.measured(abs(distance), interval, of, rows, figures={"mean_score": mean, "observed_share": share})


def _sides(histogram: Histogram) -> tuple[int, int]:
    return int(histogram.good.sum()), int(histogram.other.sum())


def _folded(value: float, error: float, confidence: float, method: str) -> Interval:
    """The interval of an absolute value, from the normal interval of the value."""
    half = normal_quantile(confidence) * error
    ends = sorted((abs(value - half), abs(value + half)))
    low = 0.0 if abs(value) <= half else ends[0]
    return Interval(low, ends[1], confidence, method)


def _slope(case: Case, histogram: Histogram) -> CheckResult:
    if min(_sides(histogram)) == 0:
        return case.result("not_evaluable", f"{case.words} has no value: only one true outcome occurs")
    found = _logistic(histogram)
    if found is None:
        reason = f"{case.words} has no value: the scores are all alike, or tell the outcomes apart without error"
        return case.result("not_evaluable", reason)
    slope, error = found
    interval = _folded(slope - 1, error, case.confidence, "wald") if min(_sides(histogram)) >= FEW else None
    direction = "scores are too extreme" if slope < 1 else "scores are not extreme enough"
    of = f"slope {slope:.4f}: {direction}"
    figures = {"slope": slope, "standard_error": error}
    return case.measured(round(abs(slope - 1), 9), interval, of, histogram.rows, figures=figures)


def _logistic(histogram: Histogram) -> tuple[float, float] | None:
    """Slope and standard error of the logistic regression of the outcome on the logit of the score, by Newton's method.

    Both are given to nine decimals, so that the last digits of a machine's logarithm do not show.
    """
    import numpy as np

    held = histogram.n > 0
    middle = np.clip(histogram.middles[held], 1, WHOLE - 1) / WHOLE
    x, n, good = np.log(middle / (1 - middle)), histogram.n[held], histogram.good[held]
    if len(np.unique(x)) < 2:
        return None
    at = np.array([0.0, 1.0])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(at[0] + at[1] * x, -500, 500)))
        spread = n * chance * (1 - chance)
        gradient = np.array([(good - n * chance).sum(), ((good - n * chance) * x).sum()])
        information = _symmetric(spread.sum(), (spread * x).sum(), (spread * x * x).sum())
        determinant = information[0, 0] * information[1, 1] - information[0, 1] ** 2
        if not determinant > 1e-12 * information[0, 0] * information[1, 1]:
            return None
        inverse = _symmetric(information[1, 1], -information[0, 1], information[0, 0]) / determinant
        step = inverse @ gradient
        at = at + step
        if abs(step).max() < 1e-12:
            return round(float(at[1]), 9), round(math.sqrt(inverse[1, 1]), 9)
    return None


def _symmetric(first: Any, both: Any, second: Any) -> NDArray[np.float64]:
    import numpy as np

    return np.array([[first, both], [both, second]], dtype=np.float64)

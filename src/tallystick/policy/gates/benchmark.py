"""The benchmark gate: quality over everyone.

What follows from counts (accuracy, precision, recall, balanced accuracy, F1) is computed from four counts and can be
replayed. What needs the score of each row (area under the ROC curve, Brier score, log loss) is computed by
scikit-learn, and only its threshold can be replayed. A share with nobody to stand on has no value: not evaluable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallystick.errors import InvalidData
from tallystick.policy.counts import Cells, Counts, Scores
from tallystick.policy.language import BenchmarkGate, BenchmarkMetric
from tallystick.policy.results import CheckResult, Limits, Verdict
from tallystick.policy.statistics import FEW, Interval, bootstrap, check_seed, hanley_mcneil, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["REPLICATES", "run"]

REPLICATES = 10_000
"""Of the bootstrap intervals of balanced accuracy and F1."""

_ADVICE = {
    "accuracy": "Compare with the share of the commoner outcome, and look at the two kinds of error separately.",
    "precision": "Look at favourable predictions that were wrong, and at the cut-off.",
    "recall": "Look at people with the favourable true outcome who were refused, and at the cut-off.",
    "balanced_accuracy": "Look at the rarer outcome: it counts as much as the commoner one here.",
    "f1": "Look at precision and recall separately, and at the cut-off.",
    "roc_auc": "Look at how the score ranks people within bands of the strongest features.",
    "brier": "Look at the calibration of the score.",
    "log_loss": "Look for confident scores that were wrong.",
}


def run(
    gate: BenchmarkGate,
    counts: Counts,
    *,
    favourable: str,
    confidence: float,
    seed: str,
    scores: Scores | None = None,
    counted_only: bool = False,
) -> Iterator[CheckResult]:
    """Judge every check of the gate.

    Args:
        gate: of the policy.
        counts: with the table over everyone.
        favourable: label of the favourable outcome.
        confidence: of the intervals.
        seed: of the evaluation, 16 hex digits.
        scores: None where the data have no score column.
        counted_only: leave out the checks that need scores.
    """
    counts.check_favourable(favourable)
    cells = counts.table(()).groups(favourable)[()]
    for check, metric in gate.checks():
        case = _Case(check, gate, metric, cells, confidence, check_seed(seed, check))
        if not metric.metric.needs_score:
            yield _judge_counts(case)
        elif not counted_only:
            yield _judge_score(case, scores)


@dataclass(frozen=True)
class _Case:
    id: str
    gate: BenchmarkGate
    metric: BenchmarkMetric
    cells: Cells
    confidence: float
    seed: str

    @property
    def limits(self) -> Limits:
        return self.gate.limits(self.metric)

    @property
    def words(self) -> str:
        return self.metric.metric.words


def _judge_counts(case: _Case) -> CheckResult:
    rate = case.metric.metric.rate
    if rate is None:
        return _judge_formula(case)
    k, n = rate.numerator(case.cells), rate.denominator(case.cells)
    if n == 0:
        return _result(case, "not_evaluable", f"{case.words} has no value: there are no {rate.of}")
    return _measured(case, k / n, wilson(k, n, case.confidence), f"{k:,} of {n:,} {rate.of}", n)


def _judge_formula(case: _Case) -> CheckResult:
    tp, fp, fn, tn = case.cells
    if tp + fn == 0 or (fp + tn == 0 and case.metric.name == "balanced_accuracy"):
        return _result(case, "not_evaluable", f"{case.words} has no value: only one true outcome occurs")
    formula = case.metric.metric.formula
    if formula is None:
        raise TypeError(f"{case.metric.name} is no formula of counts")

    def statistic(drawn: NDArray[np.float64]) -> Any:
        return formula(*(drawn[:, i] for i in range(4)))

    enough = min(tp + fn, tp + fp, tp, fn + fp) >= FEW
    interval = None
    if enough:
        interval = bootstrap(case.cells, statistic, replicates=REPLICATES, confidence=case.confidence, seed=case.seed)
    n = sum(case.cells)
    return _measured(case, float(formula(tp, fp, fn, tn)), interval, f"over {n:,} people", n)


def _judge_score(case: _Case, scores: Scores | None) -> CheckResult:
    if scores is None:
        if not case.metric.optional:
            raise InvalidData("there is no score column")
        reason = f"{case.words} needs a score, and the data have none; the policy makes this check optional"
        return _result(case, "not_applicable", reason)
    tp, fp, fn, tn = case.cells
    if tp + fn == 0 or fp + tn == 0:
        return _result(case, "not_evaluable", f"{case.words} has no value: only one true outcome occurs")
    if case.metric.name != "roc_auc" and not _are_probabilities(scores):
        return _result(case, "error", f"{case.words} needs probabilities, and some scores lie outside 0 to 1")
    value = _score_metric(case.metric.name, scores)
    interval = hanley_mcneil(value, tp + fn, fp + tn, case.confidence) if case.metric.name == "roc_auc" else None
    n = sum(case.cells)
    return _measured(case, value, interval, f"over {n:,} people", n)


def _are_probabilities(scores: Scores) -> bool:
    return bool(((scores.score >= 0) & (scores.score <= 1)).all())


def _score_metric(name: str, scores: Scores) -> float:
    from sklearn import metrics

    if name == "roc_auc":
        return float(metrics.roc_auc_score(scores.y_true, scores.score))
    if name == "brier":
        return float(metrics.brier_score_loss(scores.y_true, scores.score))
    return float(metrics.log_loss(scores.y_true, scores.score, labels=[0, 1]))


def _measured(case: _Case, value: float, interval: Interval | None, of: str, n: int) -> CheckResult:
    limits = case.limits
    if not math.isfinite(value):
        return _result(case, "error", f"{case.words} came out as {value}, which is no figure to judge")
    verdict = limits.verdict(value, interval)
    spread = (
        "; no interval is stated for it" if not case.metric.metric.has_interval else "; too few events for an interval"
    )
    if interval is not None:
        spread = f"; {interval.words} {limits.show(interval.low)} to {limits.show(interval.high)}"
    reason = f"{case.words} is {limits.show(value)} ({of}{spread}); {limits.words}"
    return _result(case, verdict, reason, value=value, interval=interval, n=n)


def _result(
    case: _Case,
    verdict: Verdict,
    reason: str,
    *,
    value: float | None = None,
    interval: Interval | None = None,
    n: int = 0,
) -> CheckResult:
    passed = verdict in ("pass", "not_applicable")
    return CheckResult(
        id=case.id,
        gate=case.gate.id,
        type="benchmark",
        verdict=verdict,
        value=value,
        threshold=case.limits.as_json(),
        n=n or sum(case.cells),
        interval=None if interval is None else interval.as_json(),
        reason=reason,
        advice="" if passed else case.metric.advice or case.gate.advice or _ADVICE[case.metric.name],
        because=case.metric.because or case.gate.because or "",
        replay="threshold-only" if case.metric.metric.needs_score else "counts",
    )

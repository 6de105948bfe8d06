"""A second opinion: the same counts given to fairlearn, and what it makes of them beside what the gate says.

fairlearn is asked for each metric that it has, with the count of each cell as the weight of one row, so that ten
million people are a few rows. Two roads to one number are worth little if they share the code, so nothing of
``metrics`` is used here but the names.

Where a denominator is 0 the gate says that there is no value and fairlearn says 0; such a check is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.policy.counts import Counts
from tallystick.policy.gates.bias import judge
from tallystick.policy.gates.bias.model import BiasGate

__all__ = ["TOLERANCE", "Mismatch", "verify_with_fairlearn"]

TOLERANCE = 1e-12

_OWN = {
    "demographic_parity_ratio": "demographic_parity_ratio",
    "demographic_parity_difference": "demographic_parity_difference",
    "equalized_odds_ratio": "equalized_odds_ratio",
    "equalized_odds_difference": "equalized_odds_difference",
    "equal_opportunity_ratio": "equal_opportunity_ratio",
    "equal_opportunity_difference": "equal_opportunity_difference",
    "four_fifths": "demographic_parity_ratio",
    "ll144": "demographic_parity_ratio",
}
"""Metrics that fairlearn has as one function. The others its frame makes from a rate of each group."""


@dataclass(frozen=True)
class Mismatch:
    """A check on which the two do not agree."""

    check: str
    ours: float
    theirs: float


@dataclass(frozen=True)
class _Rows:
    """One row for each group and cell, with its count as a weight."""

    y_true: Sequence[int]
    y_pred: Sequence[int]
    groups: Sequence[str]
    weights: Sequence[int]

    @classmethod
    def of(cls, groups: Mapping[Any, Sequence[int]]) -> _Rows:
        rows = [
            (true, said, str(position), n)
            for position, cells in enumerate(groups.values())
            for (true, said), n in zip(((1, 1), (0, 1), (1, 0), (0, 0)), cells, strict=True)
            if n
        ]
        return cls(*zip(*rows, strict=True))


def verify_with_fairlearn(gate: BiasGate, counts: Counts, *, favourable: str) -> list[Mismatch]:
    """The checks of a bias gate whose value fairlearn does not confirm to 1e-12.

    Args:
        gate: of the policy.
        counts: as :func:`tallystick.policy.gates.bias.judge.run` takes them.
        favourable: label of the favourable outcome.

    Returns:
        Nothing where the two agree. Nor is anything said of a check without a value, with a named reference, or class
        by class, which fairlearn has no function for.
    """
    return [*_mismatches(gate, counts, favourable)]


def _mismatches(gate: BiasGate, counts: Counts, favourable: str) -> Iterator[Mismatch]:
    for case, found in judge.measured(gate, counts, favourable=favourable):
        if case.metric.per_class or case.reference is not None:
            continue
        theirs = _theirs(case.metric.name, case.kept)
        if not abs(found.value - theirs) <= TOLERANCE:
            yield Mismatch(case.id, found.value, theirs)


def _theirs(name: str, groups: Mapping[Any, Sequence[int]]) -> float:
    from fairlearn import metrics

    rows = _Rows.of(groups)
    if name in _OWN:
        function = getattr(metrics, _OWN[name])
        return float(
            function(rows.y_true, rows.y_pred, sensitive_features=rows.groups, sample_weight=list(rows.weights))
        )
    family, _, form = name.rpartition("_")
    return _framed(_rate(family), rows, form)


def _framed(rate: Any, rows: _Rows, form: str) -> float:
    from fairlearn.metrics import MetricFrame

    frame = MetricFrame(
        metrics=rate,
        y_true=rows.y_true,
        y_pred=rows.y_pred,
        sensitive_features=rows.groups,
        sample_params={"sample_weight": list(rows.weights)},
    )
    return float(frame.ratio() if form == "ratio" else frame.difference())


def _rate(family: str) -> Any:
    from fairlearn import metrics
    from sklearn.metrics import accuracy_score, precision_score

    def negative(y_true: Any, y_pred: Any, sample_weight: Any) -> float:
        return float(precision_score(y_true, y_pred, pos_label=0, sample_weight=sample_weight))

    return {
        "false_positive_rate": metrics.false_positive_rate,
        "false_negative_rate": metrics.false_negative_rate,
        "predictive_parity": precision_score,
        "negative_predictive_value": negative,
        "accuracy": accuracy_score,
    }[family]

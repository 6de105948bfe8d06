"""The metrics between groups that a policy can name: what each measures, which way is better, its formula.

Every formula stands on four counts of one group, relative to the favourable outcome:

* ``tp``: favourable in truth, favourable in prediction; ``fp``: unfavourable in truth, favourable in prediction;
* ``fn``: favourable in truth, unfavourable in prediction; ``tn``: unfavourable in both.

Calibration stands on counts of scores by true outcome instead (:mod:`tallystick.policy.calibration`).

Sources: Hardt, Price, Srebro, "Equality of Opportunity in Supervised Learning" (2016) for equalized odds and equal
opportunity; Chouldechova, "Fair prediction with disparate impact" (2017) for predictive parity; 29 CFR 1607.4(D) for
the selection rate ratio. Group metrics agree with fairlearn wherever fairlearn's value is defined; where a rate has
the denominator 0 fairlearn says 0 and this module says that there is no value.

Pure; imports nothing heavy, because reading a policy needs the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["GROUP_METRICS", "RATES", "Comparison", "GroupMetric", "Rate", "compare"]

TP, FP, FN, TN = range(4)


@dataclass(frozen=True)
class Rate:
    """A share of one group: the sum of some of (tp, fp, fn, tn) over the sum of others."""

    name: str
    words: str
    above: tuple[int, ...]
    """Positions among the cells of a group; (tp, fp, fn, tn) where nothing else is said."""
    below: tuple[int, ...]
    of: str
    """Whom the denominator counts, in words."""
    everyone: int = 4
    """How many cells a group has."""

    def numerator(self, cells: Sequence[int]) -> int:
        return sum(cells[i] for i in self.above)

    def denominator(self, cells: Sequence[int]) -> int:
        return sum(cells[i] for i in self.below)

    @property
    def conditional(self) -> bool:
        """True where the denominator is only a part of the group."""
        return len(self.below) < self.everyone


def _rates(*rates: Rate) -> Mapping[str, Rate]:
    return {rate.name: rate for rate in rates}


RATES: Mapping[str, Rate] = _rates(
    Rate("selection_rate", "selection rate", (TP, FP), (TP, FP, FN, TN), "people"),
    Rate("true_positive_rate", "true positive rate", (TP,), (TP, FN), "people with the favourable true outcome"),
    Rate("false_positive_rate", "false positive rate", (FP,), (FP, TN), "people with the unfavourable true outcome"),
    Rate("false_negative_rate", "false negative rate", (FN,), (TP, FN), "people with the favourable true outcome"),
    Rate("precision", "precision", (TP,), (TP, FP), "people with a favourable prediction"),
    Rate("negative_predictive_value", "negative predictive value", (TN,), (TN, FN), "people with another prediction"),
    Rate("accuracy", "accuracy", (TP, TN), (TP, FP, FN, TN), "people"),
    Rate("scoring_rate", "scoring rate", (0,), (0, 1), "people", everyone=2),
)
"""selection_rate (tp+fp)/n, true_positive_rate tp/(tp+fn), false_positive_rate fp/(fp+tn),
false_negative_rate fn/(tp+fn), precision tp/(tp+fp), negative_predictive_value tn/(tn+fn), accuracy (tp+tn)/n.

scoring_rate stands on two counts, of the people with a score above the median of all and of the others: the share of
the first."""


@dataclass(frozen=True)
class GroupMetric:
    """A comparison between groups.

    ``ratio`` is the smallest rate over the largest, ``difference`` the largest minus the smallest. With two rates
    (equalized odds) it is the worse of the two: the smaller ratio, the larger difference.
    """

    name: str
    rates: tuple[Rate, ...]
    """Empty for calibration, whose errors are no shares."""
    form: Literal["ratio", "difference"]
    """A calibration error within a group is the difference from none."""
    means: str
    """What the metric asks for, in a clause."""
    stands_on: Literal["predictions", "scores", "median"] = "predictions"
    """What is counted in each group: true by predicted outcome, true outcome by band of the score, or whether the
    score is above the median of all.
    """
    rule: Literal["four_fifths", "ll144"] | None = None
    """A rule of law that says more than the value: who is left out, and what stands beside it."""

    @property
    def higher_is_better(self) -> bool:
        return self.form == "ratio"

    @property
    def bounds(self) -> tuple[float, float]:
        return (0.0, 1.0)


def _group_metrics() -> Mapping[str, GroupMetric]:
    families = [
        ("demographic_parity", ("selection_rate",), "groups receive the favourable prediction at like rates"),
        (
            "equalized_odds",
            ("true_positive_rate", "false_positive_rate"),
            "among people of the same true outcome, groups receive the favourable prediction at like rates",
        ),
        (
            "equal_opportunity",
            ("true_positive_rate",),
            "among people who merit the favourable outcome, groups receive it at like rates",
        ),
        (
            "false_positive_rate",
            ("false_positive_rate",),
            "among people of the unfavourable true outcome, groups are wrongly favoured at like rates",
        ),
        (
            "false_negative_rate",
            ("false_negative_rate",),
            "among people who merit the favourable outcome, groups are wrongly denied it at like rates",
        ),
        ("predictive_parity", ("precision",), "a favourable prediction is right equally often in every group"),
        (
            "negative_predictive_value",
            ("negative_predictive_value",),
            "a prediction that is not the favourable one is right equally often in every group",
        ),
        ("accuracy", ("accuracy",), "predictions are right equally often in every group"),
    ]
    table: dict[str, GroupMetric] = {}
    forms: tuple[Literal["ratio", "difference"], ...] = ("ratio", "difference")
    for family, names, means in families:
        for form in forms:
            name = f"{family}_{form}"
            table[name] = GroupMetric(name, tuple(RATES[rate] for rate in names), form, means)
    rules: tuple[tuple[Literal["four_fifths", "ll144"], str], ...] = (
        ("four_fifths", "each group is selected at four fifths of the highest rate or more (29 CFR 1607.4(D))"),
        ("ll144", "the impact ratio of each category is stated (6 RCNY 5-301)"),
    )
    for rule, means in rules:
        table[rule] = GroupMetric(rule, (RATES["selection_rate"],), "ratio", means, rule=rule)
    scored = "the impact ratio of each category, by scores above the median of all, is stated (6 RCNY 5-301)"
    table["ll144_scoring"] = GroupMetric("ll144_scoring", (RATES["scoring_rate"],), "ratio", scored, "median", "ll144")
    calibrated = "a score of 0.7 means that 7 of 10 have the favourable outcome, in every group"
    alike = "scores are as far from what comes true in one group as in another"
    for name, means in (("calibration_within_groups", calibrated), ("calibration_difference", alike)):
        table[name] = GroupMetric(name, (), "difference", means, "scores")
    return table


GROUP_METRICS: Mapping[str, GroupMetric] = _group_metrics()


@dataclass(frozen=True)
class Comparison:
    """The value of a group metric, with the rate and the two groups that make it."""

    value: float
    rate: Rate
    low: int
    high: int
    """Positions of the groups with the smallest and the largest rate."""


def compare(
    metric: GroupMetric,
    groups: Sequence[Sequence[int]],
    *,
    rates: Sequence[Rate] | None = None,
    reference: int | None = None,
) -> Comparison | None:
    """The metric between groups of (tp, fp, fn, tn), each with denominators above 0.

    Args:
        metric: what is compared.
        groups: the cells of each.
        rates: in place of the metric's own, where the cells are others.
        reference: position of the group that every other is compared with; None for the smallest and the largest.

    Returns:
        None where the metric has no value: fewer than two groups, or a ratio whose largest rate is 0.
    """
    if len(groups) < 2:
        return None
    found = [_compare_rate(rate, metric.form, groups, reference) for rate in rates or metric.rates]
    whole = [item for item in found if item is not None]
    if len(whole) < len(found):
        return None
    return _worst(metric.form, whole)


def _worst(form: str, found: Sequence[Comparison]) -> Comparison:
    return (min if form == "ratio" else max)(found, key=lambda item: item.value)


def _compare_rate(rate: Rate, form: str, groups: Sequence[Sequence[int]], reference: int | None) -> Comparison | None:
    values = [rate.numerator(cells) / rate.denominator(cells) for cells in groups]
    if form == "ratio" and not any(values):
        return None
    if reference is None:
        return _between(rate, form, values, values.index(min(values)), values.index(max(values)))
    others = [
        at for at in range(len(values)) if at != reference and (form == "difference" or values[at] + values[reference])
    ]
    return _worst(form, [_between(rate, form, values, *_ordered(values, at, reference)) for at in others])


def _ordered(values: Sequence[float], one: int, two: int) -> tuple[int, int]:
    return (one, two) if values[one] <= values[two] else (two, one)


def _between(rate: Rate, form: str, values: Sequence[float], low: int, high: int) -> Comparison:
    value = values[high] - values[low] if form == "difference" else values[low] / values[high]
    return Comparison(value, rate, low, high)

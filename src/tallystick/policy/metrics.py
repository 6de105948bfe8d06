"""The metrics between groups that a policy can name: what each measures, which way is better, its formula.

Every formula stands on four counts of one group, relative to the favourable outcome:

* ``tp``: favourable in truth, favourable in prediction; ``fp``: unfavourable in truth, favourable in prediction;
* ``fn``: favourable in truth, unfavourable in prediction; ``tn``: unfavourable in both.

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
    below: tuple[int, ...]
    of: str
    """Whom the denominator counts, in words."""

    def numerator(self, cells: Sequence[int]) -> int:
        return sum(cells[i] for i in self.above)

    def denominator(self, cells: Sequence[int]) -> int:
        return sum(cells[i] for i in self.below)

    @property
    def conditional(self) -> bool:
        """True where the denominator is only a part of the group."""
        return len(self.below) < 4


def _rates(*rates: Rate) -> Mapping[str, Rate]:
    return {rate.name: rate for rate in rates}


RATES: Mapping[str, Rate] = _rates(
    Rate("selection_rate", "selection rate", (TP, FP), (TP, FP, FN, TN), "people"),
    Rate("true_positive_rate", "true positive rate", (TP,), (TP, FN), "people with the favourable true outcome"),
    Rate("false_positive_rate", "false positive rate", (FP,), (FP, TN), "people with the unfavourable true outcome"),
    Rate("false_negative_rate", "false negative rate", (FN,), (TP, FN), "people with the favourable true outcome"),
    Rate("precision", "precision", (TP,), (TP, FP), "people with a favourable prediction"),
    Rate("accuracy", "accuracy", (TP, TN), (TP, FP, FN, TN), "people"),
)
"""selection_rate (tp+fp)/n, true_positive_rate tp/(tp+fn), false_positive_rate fp/(fp+tn),
false_negative_rate fn/(tp+fn), precision tp/(tp+fp), accuracy (tp+tn)/n."""


@dataclass(frozen=True)
class GroupMetric:
    """A comparison between groups.

    ``ratio`` is the smallest rate over the largest, ``difference`` the largest minus the smallest. With two rates
    (equalized odds) it is the worse of the two: the smaller ratio, the larger difference.
    """

    name: str
    rates: tuple[Rate, ...]
    form: Literal["ratio", "difference"]
    means: str
    """What the metric asks for, in a clause."""

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
        ("accuracy", ("accuracy",), "predictions are right equally often in every group"),
    ]
    table: dict[str, GroupMetric] = {}
    forms: tuple[Literal["ratio", "difference"], ...] = ("ratio", "difference")
    for family, names, means in families:
        for form in forms:
            name = f"{family}_{form}"
            table[name] = GroupMetric(name, tuple(RATES[rate] for rate in names), form, means)
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


def compare(metric: GroupMetric, groups: Sequence[Sequence[int]]) -> Comparison | None:
    """The metric between groups of (tp, fp, fn, tn), each with denominators above 0.

    Returns:
        None where the metric has no value: fewer than two groups, or a ratio whose largest rate is 0.
    """
    if len(groups) < 2:
        return None
    found = [_compare_rate(rate, metric.form, groups) for rate in metric.rates]
    whole = [item for item in found if item is not None]
    if len(whole) < len(found):
        return None
    worst = min if metric.form == "ratio" else max
    return worst(whole, key=lambda item: item.value)


def _compare_rate(rate: Rate, form: str, groups: Sequence[Sequence[int]]) -> Comparison | None:
    values = [rate.numerator(cells) / rate.denominator(cells) for cells in groups]
    low, high = values.index(min(values)), values.index(max(values))
    if form == "difference":
        return Comparison(values[high] - values[low], rate, low, high)
    if values[high] == 0:
        return None
    return Comparison(values[low] / values[high], rate, low, high)

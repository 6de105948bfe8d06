"""A second opinion: the same counts given to fairlearn, and what it makes of them beside what the gate says.

fairlearn is asked for each metric that it has, with the count of each cell as the weight of one row, so that ten
million people are a few rows. Two roads to one number are worth little if they share the code, so nothing of
``metrics`` is used here but the names. Which groups are compared is the gate's word: only values are computed twice.

Where a denominator is 0 the gate says that there is no value and fairlearn says 0; such a check is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from tallystick.canonical import Value
from tallystick.errors import Unconfirmed
from tallystick.policy.counts import Counts
from tallystick.policy.evidence import Evidence, Setting
from tallystick.policy.gates.bias.groups import Case, cases
from tallystick.policy.gates.bias.model import BiasGate

if TYPE_CHECKING:
    from tallystick.policy.document import Policy

__all__ = ["TOLERANCE", "Agreement", "Opinion", "opinions", "second_opinion"]

TOLERANCE: Final = 1e-12

_OWN: Final = {
    "demographic_parity_ratio": "demographic_parity_ratio",
    "demographic_parity_difference": "demographic_parity_difference",
    "equalized_odds_ratio": "equalized_odds_ratio",
    "equalized_odds_difference": "equalized_odds_difference",
    "equal_opportunity_ratio": "equal_opportunity_ratio",
    "equal_opportunity_difference": "equal_opportunity_difference",
    "four_fifths": "demographic_parity_ratio",
    "ll144": "demographic_parity_ratio",
    "ll144_scoring": "demographic_parity_ratio",
}
"""Metrics that fairlearn has as one function. The others its frame makes from a rate of each group."""


@dataclass(frozen=True)
class Opinion:
    """The value of one check, and what fairlearn makes of the same counts."""

    check: str
    ours: float
    theirs: float | None
    """None where fairlearn has no function for it."""

    @property
    def confirms(self) -> bool:
        return self.theirs is not None and abs(self.ours - self.theirs) <= TOLERANCE


@dataclass(frozen=True)
class Agreement:
    """Of how many values fairlearn says the same."""

    fairlearn: str
    """Its version."""
    confirmed: int
    without: int
    """Values that it has no function for."""

    def __str__(self) -> str:
        if not self.confirmed and not self.without:
            return f"fairlearn {self.fairlearn} had nothing to confirm: no bias gate came to a value"
        agrees = f"agrees on {self.confirmed} {'value' if self.confirmed == 1 else 'values'} (to {TOLERANCE:g})"
        more = f"; {self.without} it has no function for" if self.without else ""
        return f"fairlearn {self.fairlearn} {agrees}{more}"


def second_opinion(policy: Policy, values: Mapping[str, float | None], evidence: Value) -> Agreement:
    """Have every value of the policy's bias gates computed again by fairlearn.

    Args:
        policy: under which was judged.
        values: of each check, by its id; those without a value are not compared.
        evidence: with the counts, as it is recorded.

    Raises:
        Unconfirmed: fairlearn comes to another value.
        InvalidData: the evidence is not of the known form, or lacks counts that the policy needs.
    """
    found = Evidence.from_json(evidence)
    asked = [gate for gate in policy.gates if isinstance(gate, BiasGate)]
    setting = Setting(favourable=policy.favourable, inputs=policy.document.inputs)
    given = [one for gate in asked for one in opinions(gate, found.counted(), setting, values=values)]
    told = [one for one in given if one.theirs is not None]
    other = [one for one in told if not one.confirms]
    if other:
        more = f", and {len(other) - 1} more" if len(other) > 1 else ""
        raise Unconfirmed(
            f"fairlearn {version('fairlearn')} comes to another value",
            where=f"{other[0].check}{more}",
            expected=repr(other[0].ours),
            got=repr(other[0].theirs),
            remedy="One of the two is wrong: keep the data and report it.",
        )
    return Agreement(version("fairlearn"), len(told), len(given) - len(told))


def opinions(
    gate: BiasGate, counts: Counts, setting: Setting, *, values: Mapping[str, float | None]
) -> Iterator[Opinion]:
    """What fairlearn makes of each check of a gate that has a value.

    Args:
        gate: of the policy.
        counts: as :func:`tallystick.policy.gates.bias.judge.run` takes them.
        setting: with the label of the favourable outcome, and the names of columns.
        values: of each check, by its id.
    """
    if all(values.get(check) is None for check, _, _ in gate.checks()):
        return  # set aside or not judged: then the counts need not hold its tables
    for case in cases(gate, counts, setting):
        value = values.get(case.id)
        if value is not None:
            yield Opinion(case.id, value, _theirs(case.metric.name, case.kept) if _is_known(case) else None)


def _is_known(case: Case) -> bool:
    """Whether fairlearn has a function for it: not class by class, nor with a group to compare with, nor of scores."""
    return not case.metric.per_class and case.reference is None and not case.of_scores


_CELLS: Final = {4: ((1, 1), (0, 1), (1, 0), (0, 0)), 2: ((1, 1), (1, 0))}
"""True and predicted outcome of each cell of a group."""


@dataclass(frozen=True)
class _Rows:
    """One row for each group and cell, with its count as a weight.

    Where a group has two cells only, those above the median have the favourable prediction, and any true outcome.
    """

    y_true: Sequence[int]
    y_pred: Sequence[int]
    groups: Sequence[str]
    weights: Sequence[int]

    @classmethod
    def of(cls, groups: Mapping[Any, Sequence[int]]) -> _Rows:
        rows = [
            (true, said, str(position), n)
            for position, cells in enumerate(groups.values())
            for (true, said), n in zip(_CELLS[len(cells)], cells, strict=True)
            if n
        ]
        return cls(*zip(*rows, strict=True))


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

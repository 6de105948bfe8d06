"""The keys of a bias gate, its plan, and what it asks of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from tallystick.policy import calibration
from tallystick.policy.counts import Axis
from tallystick.policy.evidence import Counted, Evidence, Need, Setting
from tallystick.policy.favourable import comparison
from tallystick.policy.gates.bias.ll144 import SMALL_CATEGORY
from tallystick.policy.keys import (
    Attribute,
    Bins,
    Name,
    Outcome,
    Part,
    Text,
    Thresholds,
    demanded,
    invalid,
    read_threshold,
    reason_given,
)
from tallystick.policy.language import Columns, Gate, Inputs, Planned, without_outcomes
from tallystick.policy.metrics import GROUP_METRICS, GroupMetric
from tallystick.policy.results import CheckResult, Limits

__all__ = [
    "BiasGate",
    "BiasMetric",
    "BootstrapInterval",
    "Compared",
    "Exclusion",
    "Family",
    "MinGroup",
]


class MinGroup(Part):
    """Which groups are large enough to speak of."""

    n: int = Field(default=100, ge=1, description="Least number of people in a group.")
    positives: int = Field(
        default=30,
        ge=1,
        description="Least number of people that a conditional rate stands on, such as those with TPR's y=1.",
    )
    on_small: Literal["not_evaluable", "error"] = Field(
        default="not_evaluable",
        description="not_evaluable: leave small groups out, in the open; error: refuse to judge.",
    )
    max_excluded_share: float = Field(
        default=0.02,
        ge=0,
        lt=1,
        description="If more of all people than this are in groups left out, nothing is judged.",
    )
    pool: bool = Field(default=False, description="Judge the small groups together as one group, if that is large.")

    @model_validator(mode="after")
    def _one_way(self) -> MinGroup:
        if self.pool and self.on_small == "error":
            raise invalid("small groups cannot both be pooled and be an error", "pool")
        return self


class BootstrapInterval(Part):
    """How intervals are made."""

    method: Literal["multinomial_bootstrap", "simultaneous"] = Field(
        default="multinomial_bootstrap",
        description="simultaneous: score intervals over all pairs of groups, for any number of events.",
    )
    n: int = Field(default=10_000, ge=1_000, le=100_000, description="Replicates.")
    seed: Literal["from_digest"] = "from_digest"


class Family(Part):
    """Which claims of failure are corrected together. Passing needs no correction: every check has to pass."""

    correction: Literal["holm", "none"] = "holm"
    scope: Literal["gate"] = "gate"


class Compared(Part):
    """A favourable outcome among numbers."""

    where: Text = Field(description="A comparison, for example '>= 50000'.")

    @field_validator("where")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            comparison(text)
        except ValueError as error:
            raise invalid(str(error)) from None
        return text


class Exclusion(Part):
    """Categories that an audit under Local Law 144 leaves out of the impact ratios."""

    below: float = Field(gt=0, le=SMALL_CATEGORY, description="Categories with a smaller share of the data.")
    justification: Text = Field(description="Why; it has to be published.")


_DECIDE_BY = {
    "ratio_and_significance": "the difference has to be significant too",
    "all_readings": "the difference has to be significant too, and not hang on one person",
}


class BiasMetric(Thresholds):
    """One comparison between groups."""

    name: Literal[tuple(GROUP_METRICS)]  # type: ignore[valid-type]  # the table of metrics is the list of names
    favourable: Outcome | Annotated[list[Outcome], Field(min_length=1)] | Compared | None = Field(
        default=None, description="Another favourable outcome than that of the inputs, several, or a comparison."
    )
    per_class: bool = Field(default=False, description="Every class in turn is favourable, and the worst one counts.")
    reference: Literal["max"] | dict[Name, Outcome] = Field(
        default="max", description="max: the smallest rate against the largest; else the group to compare with."
    )
    decide_by: Literal["ratio", "ratio_and_significance", "all_readings"] = Field(
        default="ratio", description="Of four_fifths: which readings must agree before it fails."
    )
    exclude: Exclusion | None = Field(
        default=None, description="Of ll144 and ll144_scoring: categories left out of the impact ratios."
    )
    bins: Bins = Field(default=10, description="Of calibration: bins of equal width; a divisor of 1,000.")

    @property
    def metric(self) -> GroupMetric:
        return GROUP_METRICS[self.name]

    def axes(self, names: Columns, groups: Iterable[str]) -> tuple[Axis, ...]:
        """Of the table that it stands on."""
        if self.metric.stands_on == "scores":
            return calibration.axes(groups, true=names.y_true, score=names.score or "")
        if self.metric.stands_on == "median":
            return (*map(Axis, groups), Axis(names.score or "", "above_median"))
        return names.axes(*groups)

    @property
    def terms(self) -> str:
        """What the metric asks for besides the usual, in sentences that each begin with a blank."""
        said = ""
        if isinstance(self.favourable, list):
            said += f" Favourable is {' or '.join(map(str, self.favourable))}."
        elif self.favourable is not None:
            said += (
                f" Favourable is {self.favourable.where if isinstance(self.favourable, Compared) else self.favourable}."
            )
        if self.per_class:
            said += " Every class in turn is favourable, and the worst counts."
        if not isinstance(self.reference, str):
            said += f" Each group is compared with {', '.join(f'{c}={v}' for c, v in self.reference.items())}."
        if self.decide_by != "ratio":
            said += f" To fail, {_DECIDE_BY[self.decide_by]}."
        if self.metric.stands_on == "scores":
            said += f" Errors are taken over {self.bins} bins of equal width."
        if self.exclude is not None:
            share = f"{100 * self.exclude.below:g} %"
            said += f" Categories under {share} of the data are left out: {self.exclude.justification}"
        return said

    @model_validator(mode="after")
    def _decides(self) -> BiasMetric:
        low, high = self.metric.bounds
        if self.metric.rule != "ll144" or self.fail_if or self.warn_if:  # the law sets no threshold: the policy may
            self.check_limits(low, high, wants_high=self.metric.higher_is_better)
        return self

    @model_validator(mode="after")
    def _fits(self) -> BiasMetric:
        if self.per_class and self.favourable is not None:
            raise invalid(
                "with per_class every class is favourable in turn, so no favourable can be named", "per_class"
            )
        if self.metric.rule is not None and self.reference != "max":
            raise invalid(f"{self.name} compares with the group that is selected most", "reference")
        if self.decide_by != "ratio" and (self.name != "four_fifths" or self.fail_if is None):
            raise invalid("decide_by goes with four_fifths and fail_if", "decide_by")
        if self.exclude is not None and self.metric.rule != "ll144":
            raise invalid("exclude goes with ll144 and ll144_scoring only", "exclude")
        if self.metric.stands_on != "scores" and "bins" in self.model_fields_set:
            raise invalid("bins goes with calibration only", "bins")
        return self

    @model_validator(mode="after")
    def _of_scores(self) -> BiasMetric:
        given = self.model_fields_set & {"favourable", "per_class", "reference"}
        if self.metric.stands_on != "predictions" and given:
            key = min(given)
            raise invalid(f"{self.name} looks at the scores as they are, so {key} does not go with it", key)
        return self


class BiasGate(Gate):
    """Compares how groups of people are treated."""

    tools: ClassVar[tuple[str, ...]] = ("numpy",)

    type: Literal["bias"]
    sensitive: list[Attribute] = Field(min_length=1, max_length=20, description="Columns, or lists of columns.")
    max_depth: int = Field(
        default=1, ge=1, le=4, description="Up to how many of the columns are intersected, beside those listed."
    )
    missing_group: Literal["as_group", "error"] = Field(
        default="as_group", description="People without a group value form a group of their own, or are an error."
    )
    min_group: MinGroup = MinGroup()
    require_groups: dict[Name, Annotated[list[Outcome], Field(min_length=1)]] = Field(
        default_factory=dict, description="Groups that must be there: a missing one is an error."
    )
    metrics: list[BiasMetric] = Field(min_length=1)
    decision: Literal["point", "confident"] = "point"
    interval: BootstrapInterval = BootstrapInterval()
    family: Family | None = Field(default=None, description="Correction of claims of failure among many checks.")

    @model_validator(mode="after")
    def _decides(self) -> BiasGate:
        if self.family is not None and (self.decision != "confident" or self.interval.method != "simultaneous"):
            raise invalid("a family goes with decision: confident and interval: {method: simultaneous}", "family")
        for position, metric in enumerate(self.metrics):
            if metric.metric.stands_on != "predictions" and self.decision == "confident":
                raise invalid(
                    f"{metric.name} has no interval, so decision cannot be confident: put it into a gate of its own",
                    "metrics", str(position),
                )  # fmt: skip
            if metric.decide_by != "ratio" and self.decision == "confident":
                raise invalid("decide_by goes with decision: point", "metrics", str(position), "decide_by")
            missing = [column for attribute in self.sensitive for column in attribute if column not in metric.reference]
            if metric.reference != "max" and missing:
                raise invalid(f"the reference names no group of {missing[0]!r}", "metrics", str(position), "reference")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> BiasGate:
        known = {column for attribute in self.sensitive for column in attribute}
        for column in self.require_groups:
            if [column] not in self.sensitive:
                what = "is only listed within an intersection" if column in known else "is not among 'sensitive'"
                raise invalid(f"required groups of {column!r} are never looked at: it {what}", "require_groups", column)
        for position, attribute in enumerate(self.sensitive):
            if len(set(attribute)) < len(attribute):
                raise invalid("an intersection names a column twice", "sensitive", str(position))
        if len(self.attributes) > 100:
            raise invalid(f"max_depth makes {len(self.attributes)} sets of groups; up to 100 are judged", "max_depth")
        return self

    @property
    def attributes(self) -> tuple[tuple[str, ...], ...]:
        """The columns of each set of groups: those listed, then further intersections up to ``max_depth``."""
        listed = [tuple(attribute) for attribute in self.sensitive]
        single = list(dict.fromkeys(column for attribute in listed for column in attribute))
        found = {frozenset(attribute) for attribute in listed}
        depths = range(2, self.max_depth + 1)
        deeper = (columns for depth in depths for columns in combinations(single, depth))
        return (*listed, *(columns for columns in deeper if frozenset(columns) not in found))

    def checks(self) -> Iterator[tuple[str, tuple[str, ...], BiasMetric]]:
        """Check id, columns and metric of every check, in the order of the policy."""
        for columns in self.attributes:
            for metric in self.metrics:
                yield f"{self.id}/{'+'.join(columns)}/{metric.name}", columns, metric

    def limits(self, metric: BiasMetric) -> Limits:
        return Limits(read_threshold(metric.fail_if), read_threshold(metric.warn_if), self.decision)

    def plan(self) -> Iterator[Planned]:
        for check, columns, metric in self.checks():
            asked = f"{metric.name.replace('_', ' ')} by {' and '.join(columns)}: {metric.metric.means}"
            demand = f"{asked}.{metric.terms} {demanded(self.limits(metric))} {self._small_words(metric)}."
            yield Planned(check, demand, reason_given(metric.because, self.because))

    def _small_words(self, metric: BiasMetric) -> str:
        if metric.metric.rule == "ll144":
            return "People of an unknown category are left out, and counted"
        if self.min_group.pool:
            return f"Groups of fewer than {self.min_group.n} people are judged together"
        if self.min_group.on_small == "error":
            return f"A group of fewer than {self.min_group.n} people is an error"
        return f"Groups of fewer than {self.min_group.n} people are left out, in the open"

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(self._all_terms())

    def _all_terms(self) -> Iterator[str]:
        for column, groups in self.require_groups.items():
            yield f"Of {column}, these groups must be among the data, or it is an error: {', '.join(map(str, groups))}."
        if self.missing_group == "error":
            yield "A person of whom no group is recorded is an error."
        else:
            yield "People of whom no group is recorded form a group of their own."
        own = [metric for metric in self.metrics if metric.metric.rule != "ll144"]
        if any(metric.metric.rates and not metric.metric.rule for metric in own):
            yield (
                "A rate among people of one outcome, such as those who merit the favourable one, is compared only where"
                f" it stands on at least {self.min_group.positives} of them in a group."
            )
        if own and self.min_group.on_small != "error":
            share = f"{100 * self.min_group.max_excluded_share:g} %"
            yield f"If more than {share} of all people are in groups left out, nothing is judged."

    def problem(self, inputs: Inputs | None) -> str | None:
        missing = without_outcomes(self, inputs)
        if missing is None and inputs is not None and inputs.columns.score is None:
            scored = [metric.name for metric in self.metrics if metric.metric.stands_on != "predictions"]
            missing = f"{scored[0]} needs inputs.columns.score" if scored else None
        return missing

    def needs(self, inputs: Inputs | None) -> Iterator[Need]:
        if inputs is not None:
            yield Counted(inputs.columns.axes())
            for _, columns, metric in self.checks():
                yield Counted(metric.axes(inputs.columns, columns))

    def judge(self, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
        from tallystick.policy.gates.bias import judge

        return judge.run(self, evidence.counted(), setting)

    @property
    def notes(self) -> tuple[str, ...]:
        if self.decision != "confident" or self.interval.method == "simultaneous" or not self.can_refuse:
            return ()
        return (
            f"{self.id} decides by the interval multinomial_bootstrap, which makes no allowance for the number of "
            "groups: where several are equal in truth, it fails them more often than the confidence says, ten groups "
            "nearly always. Recommended is interval: {method: simultaneous}.",
        )

    @property
    def can_refuse(self) -> bool:
        return any(metric.fail_if is not None for metric in self.metrics)

    @property
    def is_binary(self) -> bool:
        of_outcomes = (metric for metric in self.metrics if metric.metric.stands_on != "median")
        return any(metric.favourable is None and not metric.per_class for metric in of_outcomes)

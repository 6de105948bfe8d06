"""The language of policies, version ``tallystick/v1``: which keys there are, what they mean, what each gate checks.

Every key that is accepted is carried out; a key that is not listed here is an error. Defaults are part of v1 and do not
change: the digest of a policy covers the document as written, so its meaning must not move beneath it.

The plan of a gate is a pure function of the gate: data can neither add a check nor take one away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tallystick.policy import cel
from tallystick.policy.counts import Axis, by_outcome, label
from tallystick.policy.evidence import Counted, Evidence, Need, Setting
from tallystick.policy.favourable import comparison
from tallystick.policy.gates.ll144 import SMALL_CATEGORY
from tallystick.policy.metrics import GROUP_METRICS, GroupMetric
from tallystick.policy.results import CheckResult, Limits
from tallystick.policy.threshold import Threshold

__all__ = [
    "BiasGate",
    "BiasMetric",
    "Document",
    "Gate",
    "Inputs",
    "Planned",
    "Thresholds",
    "When",
    "check_ids",
    "readable_rule",
]

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=False)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$", max_length=100)]
GateId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=100)]
Semver = Annotated[str, StringConstraints(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$")]
Outcome = str | int | bool
"""A value of an outcome column. Fractions are no outcomes."""


def _invalid(message: str, *keys: str) -> PydanticCustomError:
    """An error whose place is the key under the part that is being validated."""
    return PydanticCustomError("policy", "{message}", {"message": message, "keys": keys})


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Reasoned(_Part):
    because: Text | None = Field(default=None, description="Why the policy asks for this; printed beside every result.")
    advice: Text | None = Field(
        default=None, description="What to look at when the check does not pass; printed with it."
    )


class Columns(_Part):
    """Which columns of the data hold what."""

    y_true: Name
    y_pred: Name
    score: Name | None = None
    favourable: Outcome | None = Field(
        default=None,
        description="The value of the outcome that is good for the person judged; needed wherever there are two.",
    )
    id: Name | None = Field(
        default=None, description="Which case a row is; by it a champion's rows are found, else by their order."
    )

    @field_validator("favourable")
    @classmethod
    def _a_label(cls, value: Outcome | None) -> Outcome | None:
        if value is not None and label(value) is None:
            raise _invalid("the favourable outcome is empty or not a value")
        return value

    def axes(self, *groups: str) -> tuple[Axis, ...]:
        """Of a table by these groups, and by true and predicted outcome."""
        return by_outcome(groups, true=self.y_true, predicted=self.y_pred)


class Inputs(_Part):
    """What the gates read."""

    columns: Columns


def readable_rule(text: str) -> str:
    """A rule over recorded facts as it was written, if it can be read; otherwise what is wrong with it."""
    try:
        cel.parse(text)
    except cel.CelError as error:
        raise _invalid(str(error)) from None
    return text


def _not_of_inputs(text: str) -> str:
    if any(path[0] == "inputs" for path in cel.parse(text).paths):
        raise _invalid("what decides whether a gate applies must be known before the data are read, and inputs is not")
    return text


When = Annotated[Text, AfterValidator(readable_rule), AfterValidator(_not_of_inputs)]
"""A rule over recorded facts that says whether a policy or a gate applies."""


@dataclass(frozen=True)
class Planned:
    """A check that a gate will make, in plain words."""

    id: str
    demand: str
    """What it asks for, in sentences that can be read aloud."""
    because: str = ""
    """The policy's reason, of the check or of its gate; empty if it gives none."""


class Gate(_Reasoned):
    """What every gate of a policy is: the protocol that the shipped gates keep, and that another one has to.

    A gate is a frozen pydantic model whose fields are the keys that a policy may write; every key that it accepts is
    carried out. Its methods are called in the order in which they stand here. ``plan`` and ``needs`` are functions of
    the gate alone: data can neither add a check nor take one away.
    """

    tools: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions have a part in the figures, beside the engine's and our own."""

    id: GateId
    type: str
    when: When | None = Field(
        default=None, description="A rule over recorded facts; where it does not hold, the gate does not apply."
    )

    def plan(self) -> Iterable[Planned]:
        """Every check, each id once; ids begin with the gate's own and a slash."""
        raise NotImplementedError

    def problem(self, inputs: Inputs | None) -> str | None:
        """What the gate misses in the policy's ``inputs``, or None."""
        del inputs
        return None

    def needs(self, inputs: Inputs | None) -> Iterable[Need]:
        """What it asks of the data."""
        raise NotImplementedError

    def judge(self, evidence: Evidence, setting: Setting) -> Iterable[CheckResult]:
        """One result for each planned check; of ``evidence.replayed``, for those that counts and facts decide.

        Whatever it raises becomes an error of all its checks.
        """
        raise NotImplementedError

    @property
    def can_refuse(self) -> bool:
        """Whether any result of it could be a fail."""
        return True

    @property
    def is_binary(self) -> bool:
        """Whether it can only judge data whose outcome has two values, the policy's favourable one among them."""
        return False


def _first(*reasons: str | None) -> str:
    return next((text.strip() for text in reasons if text), "")


def _wanted(limits: Limits) -> str:
    deciding = " The whole interval must agree." if limits.decision == "confident" else ""
    return f"{limits.words[0].upper()}{limits.words[1:]}.{deciding}"


def _without_outcomes(gate: Gate, inputs: Inputs | None) -> str | None:
    if inputs is not None and inputs.columns.favourable is not None:
        return None
    return f"gate {gate.id!r} needs inputs.columns with y_true, y_pred and favourable"


def _threshold(text: str | None, *, percent: bool = False) -> Threshold | None:
    return None if text is None else Threshold.parse(text, percent=percent)


class _Thresholds(_Reasoned):
    fail_if: str | None = Field(default=None, description="Fails when the value is beyond, for example '< 0.80'.")
    warn_if: str | None = Field(
        default=None, description="Warns when the value is beyond; must be reached before fail_if."
    )

    @field_validator("fail_if", "warn_if")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        try:
            _threshold(text, percent=True)
        except ValueError as error:
            raise _invalid(str(error)) from None
        return text

    def _check(self, low: float, high: float, *, wants_high: bool, percent: bool = False) -> None:
        """Refuse thresholds that decide nothing, look the wrong way, or stand in the wrong order."""
        if self.fail_if is None and self.warn_if is None:
            raise _invalid("there is neither fail_if nor warn_if, so this checks nothing")
        for key in ("fail_if", "warn_if"):
            text = getattr(self, key)
            if text is not None:
                _check_one(text, key, low, high, wants_high=wants_high, percent=percent)
        self._check_order()

    def _check_order(self) -> None:
        fail, warn = _threshold(self.fail_if, percent=True), _threshold(self.warn_if, percent=True)
        if fail is None or warn is None:
            return
        covered = warn.limit <= fail.limit if fail.wants_high else warn.limit >= fail.limit
        if covered and not (warn.limit == fail.limit and len(warn.op) > len(fail.op)):
            raise _invalid(f"warn_if {self.warn_if!r} is never reached before fail_if {self.fail_if!r}", "warn_if")


Thresholds = _Thresholds
"""``fail_if`` and ``warn_if`` with their reason and advice, for the parts of a gate that judge a number."""


def _check_one(text: str, key: str, low: float, high: float, *, wants_high: bool, percent: bool) -> None:
    try:
        threshold = Threshold.parse(text, percent=percent)
    except ValueError as error:
        raise _invalid(str(error), key) from None
    if threshold.wants_high != wants_high:
        right = "'<' or '<='" if wants_high else "'>' or '>='"
        better = "higher" if wants_high else "lower"
        raise _invalid(f"threshold {text!r} looks the wrong way: {better} is better here, so use {right}", key)
    problem = threshold.problem(low, high)
    if problem is not None:
        raise _invalid(problem, key)


# --------------------------------------------------------------------------- bias


def _as_attribute(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Attribute = Annotated[
    list[Name],
    BeforeValidator(_as_attribute, json_schema_input_type=Name | list[Name]),
    Field(min_length=1, max_length=4),
]
"""One column, or several for their intersections."""


class MinGroup(_Part):
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
            raise _invalid("small groups cannot both be pooled and be an error", "pool")
        return self


class BootstrapInterval(_Part):
    """How intervals are made."""

    method: Literal["multinomial_bootstrap", "simultaneous"] = Field(
        default="multinomial_bootstrap",
        description="simultaneous: score intervals over all pairs of groups, for any number of events.",
    )
    n: int = Field(default=10_000, ge=1_000, le=100_000, description="Replicates.")
    seed: Literal["from_digest"] = "from_digest"


class Family(_Part):
    """Which claims of failure are corrected together. Passing needs no correction: every check has to pass."""

    correction: Literal["holm", "none"] = "holm"
    scope: Literal["gate"] = "gate"


class Compared(_Part):
    """A favourable outcome among numbers."""

    where: Text = Field(description="A comparison, for example '>= 50000'.")

    @field_validator("where")
    @classmethod
    def _readable(cls, text: str) -> str:
        try:
            comparison(text)
        except ValueError as error:
            raise _invalid(str(error)) from None
        return text


class Exclusion(_Part):
    """Categories that an audit under Local Law 144 leaves out of the impact ratios."""

    below: float = Field(gt=0, le=SMALL_CATEGORY, description="Categories with a smaller share of the data.")
    justification: Text = Field(description="Why; it has to be published.")


_DECIDE_BY = {
    "ratio_and_significance": "the difference has to be significant too",
    "all_readings": "the difference has to be significant too, and not hang on one person",
}


class BiasMetric(_Thresholds):
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
    exclude: Exclusion | None = Field(default=None, description="Of ll144: categories left out of the impact ratios.")

    @property
    def metric(self) -> GroupMetric:
        return GROUP_METRICS[self.name]

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
        if self.exclude is not None:
            share = f"{100 * self.exclude.below:g} %"
            said += f" Categories under {share} of the data are left out: {self.exclude.justification}"
        return said

    @model_validator(mode="after")
    def _decides(self) -> BiasMetric:
        low, high = self.metric.bounds
        if self.name != "ll144" or self.fail_if or self.warn_if:  # the law sets no threshold: the policy may
            self._check(low, high, wants_high=self.metric.higher_is_better)
        return self

    @model_validator(mode="after")
    def _fits(self) -> BiasMetric:
        if self.per_class and self.favourable is not None:
            raise _invalid(
                "with per_class every class is favourable in turn, so no favourable can be named", "per_class"
            )
        if self.metric.rule is not None and self.reference != "max":
            raise _invalid(f"{self.name} compares with the group that is selected most", "reference")
        if self.decide_by != "ratio" and (self.name != "four_fifths" or self.fail_if is None):
            raise _invalid("decide_by goes with four_fifths and fail_if", "decide_by")
        if self.exclude is not None and self.name != "ll144":
            raise _invalid("exclude goes with ll144 only", "exclude")
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
            raise _invalid("a family goes with decision: confident and interval: {method: simultaneous}", "family")
        for position, metric in enumerate(self.metrics):
            if metric.decide_by != "ratio" and self.decision == "confident":
                raise _invalid("decide_by goes with decision: point", "metrics", str(position), "decide_by")
            missing = [column for attribute in self.sensitive for column in attribute if column not in metric.reference]
            if metric.reference != "max" and missing:
                raise _invalid(f"the reference names no group of {missing[0]!r}", "metrics", str(position), "reference")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> BiasGate:
        known = {column for attribute in self.sensitive for column in attribute}
        for column in self.require_groups:
            if [column] not in self.sensitive:
                what = "is only listed within an intersection" if column in known else "is not among 'sensitive'"
                raise _invalid(
                    f"required groups of {column!r} are never looked at: it {what}", "require_groups", column
                )
        for position, attribute in enumerate(self.sensitive):
            if len(set(attribute)) < len(attribute):
                raise _invalid("an intersection names a column twice", "sensitive", str(position))
        if len(self.attributes) > 100:
            raise _invalid(f"max_depth makes {len(self.attributes)} sets of groups; up to 100 are judged", "max_depth")
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
        return Limits(_threshold(metric.fail_if), _threshold(metric.warn_if), self.decision)

    def plan(self) -> Iterator[Planned]:
        for check, columns, metric in self.checks():
            asked = f"{metric.name.replace('_', ' ')} by {' and '.join(columns)}: {metric.metric.means}"
            demand = f"{asked}.{metric.terms} {_wanted(self.limits(metric))} {self._small_words(metric)}."
            yield Planned(check, demand, _first(metric.because, self.because))

    def _small_words(self, metric: BiasMetric) -> str:
        if metric.name == "ll144":
            return "People of an unknown category are left out, and counted"
        if self.min_group.pool:
            return f"Groups of fewer than {self.min_group.n} people are judged together"
        if self.min_group.on_small == "error":
            return f"A group of fewer than {self.min_group.n} people is an error"
        return f"Groups of fewer than {self.min_group.n} people are left out, in the open"

    def problem(self, inputs: Inputs | None) -> str | None:
        return _without_outcomes(self, inputs)

    def needs(self, inputs: Inputs | None) -> Iterator[Need]:
        if inputs is not None:
            yield Counted(inputs.columns.axes())
            for _, columns, _ in self.checks():
                yield Counted(inputs.columns.axes(*columns))

    def judge(self, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
        from tallystick.policy.gates import bias

        return bias.run(
            self,
            evidence.counted(),
            favourable=setting.favourable,
            confidence=setting.confidence,
            seed=setting.seed,
        )

    @property
    def can_refuse(self) -> bool:
        return any(metric.fail_if is not None for metric in self.metrics)

    @property
    def is_binary(self) -> bool:
        return any(metric.favourable is None and not metric.per_class for metric in self.metrics)


# --------------------------------------------------------------------------- document


def check_ids(gate: Gate) -> tuple[str, ...]:
    """The ids of every check that a gate plans."""
    return tuple(check.id for check in gate.plan())


class Metadata(_Part):
    """What the policy is called and who answers for it."""

    id: Id
    version: Semver = Field(description="Semantic version, for example 1.0.0.")
    owner: Name = Field(description="A group, never a person or an address.")
    controls: list[Name] = Field(default_factory=list, description="Controls of the catalogue that it is evidence for.")
    effective_from: (
        Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] | None
    ) = None
    because: Text | None = Field(default=None, description="Why there is this policy.")

    @field_validator("owner")
    @classmethod
    def _a_group(cls, value: str) -> str:
        if "@" in value:
            raise _invalid("the owner is an address; name a group")
        return value


class AppliesTo(_Part):
    """What the policy is for."""

    stage: GateId = Field(description="The stage that a model enters when it passes, for example production.")
    when: When | None = Field(
        default=None, description="A rule over recorded facts; where it does not hold, nothing is evaluated: an error."
    )


class Defaults(_Part):
    """What holds for every gate."""

    confidence: float = Field(default=0.95, ge=0.5, le=0.999, description="Of every interval.")


class Document(_Part):
    """A policy file. Each of its gates is read by the model of its type: see :mod:`tallystick.policy.registry`."""

    apiVersion: Literal["tallystick/v1"]
    kind: Literal["Policy"]
    metadata: Metadata
    applies_to: AppliesTo
    inputs: Inputs | None = Field(default=None, description="Needed by bias and benchmark gates.")
    defaults: Defaults = Defaults()
    gates: list[Gate] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Document:
        for position, gate in enumerate(self.gates):
            problem = gate.problem(self.inputs)
            if problem is not None:
                raise _invalid(problem, "gates", str(position))
            self._check_plan(position, gate)
        twice = [name for name, n in Counter(c for gate in self.gates for c in check_ids(gate)).items() if n > 1]
        if twice and len({gate.id for gate in self.gates}) == len(self.gates):
            raise _invalid(f"two checks have the id {twice[0]!r}", "gates")
        if not any(gate.can_refuse for gate in self.gates):
            raise _invalid("no check has fail_if, so the policy could never refuse anything", "gates")
        return self

    def _check_plan(self, position: int, gate: Gate) -> None:
        """A gate's checks carry its name, so that no gate can answer for another, and are the same when asked again."""
        ids = check_ids(gate)
        strange = next((name for name in ids if not name.startswith(f"{gate.id}/")), None)
        if strange is not None:
            raise _invalid(
                f"check {strange[:60]!r} does not begin with its gate's id and a slash", "gates", str(position)
            )
        if not ids:
            raise _invalid("the gate plans no check", "gates", str(position))
        if ids != check_ids(gate):
            raise _invalid("the gate plans other checks each time it is asked", "gates", str(position))

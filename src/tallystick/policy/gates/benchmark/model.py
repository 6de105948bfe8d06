"""The keys of a benchmark gate, its plan, and what it asks of the data.

Check ids:

* ``<gate>/<metric>``: the measure itself, where a threshold is given, and a recorded metric by its name;
* ``<gate>/<metric>.versus``: against the champion over everyone;
* ``<gate>/<metric>.versus/<columns joined by +>``: the same within each group;
* ``<gate>/churn``: the share of decisions that changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from tallystick.policy import calibration
from tallystick.policy.counts import Axis, label
from tallystick.policy.evidence import CHAMPION, Counted, Evidence, Known, Need, Rows, Scored, Setting, of_champion
from tallystick.policy.gates.benchmark.scorers import INF, SCORERS, Scorer, Task
from tallystick.policy.keys import (
    Attribute,
    Bins,
    Name,
    Part,
    Thresholds,
    demanded,
    invalid,
    read_threshold,
    reason_given,
)
from tallystick.policy.language import Columns, Gate, Inputs, Planned, without_outcomes
from tallystick.policy.results import CheckResult, Decision, Limits, Replay
from tallystick.policy.threshold import Threshold

__all__ = ["BenchmarkGate", "BenchmarkMetric", "Check", "Churn", "RecordedMetric", "Versus"]


class _Against(Part):
    """The other model."""

    baseline: Literal["@champion"] = Field(description="The model that stands in the policy's stage.")
    if_none: Literal["error", "skip"] = Field(
        default="error", description="Where no model stands there: an error, or the check does not apply and says so."
    )


class Versus(_Against):
    """How a measure may compare with the champion's on the same rows."""

    max_drop: float = Field(ge=0, description="The margin: how much worse than the champion it may be.")
    paired: Literal[True] = Field(default=True, description="Both models predict the same rows.")
    decision: Literal["point", "confident"] = Field(
        default="confident", description="confident: the whole interval of the difference has to be within the margin."
    )
    by: list[Attribute] = Field(
        default_factory=list, max_length=20, description="Columns within whose groups it may not drop either."
    )
    max_group_drop: float | None = Field(default=None, ge=0, description="The margin within a group.")
    min_group: int = Field(default=100, ge=1, description="Least number of rows of a group.")
    max_excluded_share: float = Field(
        default=0.02, ge=0, lt=1, description="If more of all rows are in smaller groups, nothing is judged."
    )

    @model_validator(mode="after")
    def _used(self) -> Versus:
        if not self.by and self.max_group_drop is not None:
            raise invalid("there is no 'by', so no group is looked at", "max_group_drop")
        for position, attribute in enumerate(self.by):
            if len(set(attribute)) < len(attribute):
                raise invalid("an intersection names a column twice", "by", str(position))
        return self

    @property
    def group_margin(self) -> float:
        return self.max_drop if self.max_group_drop is None else self.max_group_drop


class Churn(_Against, Thresholds):
    """How many decisions may be others than the champion's."""

    @model_validator(mode="after")
    def _decides(self) -> Churn:
        self.check_limits(0.0, 1.0, wants_high=False)
        return self


class BenchmarkMetric(Thresholds):
    """One measure of quality."""

    name: Literal[tuple(SCORERS)]  # type: ignore[valid-type]  # the table of scorers is the list of names
    optional: bool = Field(
        default=False,
        description="For metrics of the score: does not apply to data without a score column, and says so.",
    )
    versus: Versus | None = Field(default=None, description="How it may compare with the champion's.")

    @property
    def metric(self) -> Scorer:
        return SCORERS[self.name]

    @property
    def own(self) -> bool:
        """Whether the measure itself is judged."""
        return self.fail_if is not None or self.warn_if is not None

    @model_validator(mode="after")
    def _decides(self) -> BenchmarkMetric:
        if self.own or self.versus is None:
            low, high = self.metric.bounds
            self.check_limits(low, high, wants_high=self.metric.higher_is_better)
        if self.optional and self.metric.basis != "score":
            raise invalid(f"{self.name} is not of the score of each row, so it cannot be optional", "optional")
        if self.versus is not None and not self.metric.paired:
            raise invalid(f"{self.name} has no interval for a difference between two models", "versus")
        if self.versus is not None and self.versus.by and self.metric.basis != "counts":
            raise invalid(f"{self.name} does not follow from counts, so it has no groups", "versus", "by")
        return self


class RecordedMetric(Thresholds):
    """A number that was measured elsewhere and stands on the ledger, such as latency, size or cost."""

    recorded: Name = Field(description="The metric's name, as its entry defines it.")
    unit: Name = Field(description="What it is measured in; a metric of another unit is an error.")
    optional: bool = Field(default=False, description="Does not apply where no such metric is recorded, and says so.")

    @model_validator(mode="after")
    def _decides(self) -> RecordedMetric:
        limit = read_threshold(self.fail_if or self.warn_if)
        self.check_limits(-INF, INF, wants_high=limit is not None and limit.wants_high)
        return self


def _form(value: Any) -> str:
    recorded = "recorded" in value if isinstance(value, dict) else isinstance(value, RecordedMetric)
    return "a recorded metric" if recorded else "a metric of the data"


Metric = Annotated[
    Annotated[BenchmarkMetric, Tag("a metric of the data")] | Annotated[RecordedMetric, Tag("a recorded metric")],
    Discriminator(_form),
]


@dataclass(frozen=True)
class Check:
    """One planned check."""

    id: str
    about: BenchmarkMetric | RecordedMetric | Churn
    versus: Versus | None = None
    """Set where it compares with the champion."""
    columns: tuple[str, ...] = ()
    """Set where it compares within groups."""


class BenchmarkGate(Gate):
    """Measures quality over everyone."""

    tools: ClassVar[tuple[str, ...]] = ("numpy", "scikit-learn")

    type: Literal["benchmark"]
    task: Task = Field(default="binary", description="binary, multiclass or regression: what the outcomes are.")
    metrics: list[Metric] = Field(min_length=1)
    weight: Name | None = Field(default=None, description="The column of the weight of each row.")
    bins: Bins = Field(default=10, description="Bins of equal width for calibration; a divisor of 1,000.")
    churn: Churn | None = Field(default=None, description="How many decisions may be others than the champion's.")
    decision: Literal["point", "confident"] = "point"

    @model_validator(mode="after")
    def _fits(self) -> BenchmarkGate:
        for position, metric in enumerate(self.metrics):
            problem = self._problem(metric)
            if problem is not None:
                raise invalid(problem, "metrics", str(position))
        if self.churn is not None and self.task == "regression":
            raise invalid("numbers are no decisions that could change", "churn")
        return self

    def _problem(self, metric: BenchmarkMetric | RecordedMetric) -> str | None:
        confident = self.decision == "confident"
        if isinstance(metric, RecordedMetric):
            return f"{metric.recorded} is recorded, so decision cannot be confident" if confident else None
        scorer = metric.metric
        if self.task not in scorer.tasks:
            return f"{metric.name} is no measure of a {self.task} task"
        if self.weight is not None and scorer.basis == "bins":
            return f"{metric.name} stands on counts, which have no weights"
        if self.weight is not None and metric.versus is not None:
            return "rows with weights are not compared in pairs"
        if confident and metric.own and not self.interval(scorer):
            return f"{metric.name} has no interval, so decision cannot be confident"
        return None

    def interval(self, scorer: Scorer) -> str:
        """The method of the interval of a measure; empty if there is none."""
        return scorer.interval if self.weight is None else scorer.weighted

    def checks(self) -> Iterator[Check]:
        """Every check, in the order of the policy."""
        for metric in self.metrics:
            if isinstance(metric, RecordedMetric):
                yield Check(f"{self.id}/{metric.recorded}", metric)
                continue
            if metric.own:
                yield Check(f"{self.id}/{metric.name}", metric)
            if metric.versus is not None:
                yield Check(f"{self.id}/{metric.name}.versus", metric, metric.versus)
                for columns in metric.versus.by:
                    check = f"{self.id}/{metric.name}.versus/{'+'.join(columns)}"
                    yield Check(check, metric, metric.versus, tuple(columns))
        if self.churn is not None:
            yield Check(f"{self.id}/churn", self.churn)

    def limits(self, check: Check) -> Limits:
        if check.versus is None:
            return Limits(read_threshold(check.about.fail_if), read_threshold(check.about.warn_if), self.decision)
        margin = check.versus.group_margin if check.columns else check.versus.max_drop
        decision: Decision = check.versus.decision
        return Limits(Threshold.parse(f"< {-margin or 0.0!r}"), None, decision)

    def replay(self, check: Check) -> Replay:
        """Whether counts and facts decide it."""
        if not isinstance(check.about, BenchmarkMetric):
            return "counts"
        counted = check.about.metric.basis in ("counts", "bins") and self.weight is None
        return "counts" if counted else "threshold-only"

    def plan(self) -> Iterator[Planned]:
        for check in self.checks():
            yield Planned(check.id, self._demand(check), reason_given(check.about.because, self.because))

    def _demand(self, check: Check) -> str:
        if check.versus is not None:
            return self._no_worse(check, check.versus)
        wanted = demanded(self.limits(check))
        about = check.about
        if isinstance(about, Churn):
            return f"the share of decisions that are others than the champion's. {wanted}{_skipped(about)}"
        if isinstance(about, RecordedMetric):
            optional = " It does not apply where none is recorded." if about.optional else ""
            return f"{about.recorded} in {about.unit}, as recorded for the model. {wanted}{optional}"
        optional = " It does not apply where the data have no score." if about.optional else ""
        return f"{self.words(about.metric)}. {wanted}{optional}"

    def _no_worse(self, check: Check, versus: Versus) -> str:
        words = self.words(check.about.metric) if isinstance(check.about, BenchmarkMetric) else ""
        within = f" within each group by {' and '.join(check.columns)}" if check.columns else ""
        margin = versus.group_margin if check.columns else versus.max_drop
        sure = " The whole interval of the difference must agree." if versus.decision == "confident" else ""
        small = _small(versus) if check.columns else ""
        return f"{words}{within} is at most {margin:g} worse than the champion's.{sure}{small}{_skipped(versus)}"

    def words(self, scorer: Scorer) -> str:
        """The measure, in words."""
        return scorer.words if self.weight is None else f"{scorer.words}, weighted by {self.weight}"

    def problem(self, inputs: Inputs | None) -> str | None:
        if not self._reads_data:
            return None
        missing = without_outcomes(self, inputs) if self.task == "binary" else None
        if missing is None and inputs is None:
            missing = f"gate {self.id!r} needs inputs.columns with y_true and y_pred"
        if missing is None and inputs is not None and inputs.columns.score is None:
            measured = (metric for metric in self.metrics if isinstance(metric, BenchmarkMetric))
            scored = [metric.name for metric in measured if metric.metric.needs_score]
            missing = f"{scored[0]} needs inputs.columns.score" if scored else None
        return missing

    @property
    def _reads_data(self) -> bool:
        return self.churn is not None or any(isinstance(metric, BenchmarkMetric) for metric in self.metrics)

    # ----------------------------------------------------------------------- what is asked of the data

    def needs(self, inputs: Inputs | None) -> Iterator[Need]:
        names = [("recorded", about.recorded) for about in self.metrics if isinstance(about, RecordedMetric)]
        compares = any(check.versus is not None or isinstance(check.about, Churn) for check in self.checks())
        if names or compares:
            yield Known((*names, *([("champion",)] if compares else [])))
        if inputs is None or not self._reads_data:
            return
        columns = inputs.columns
        if self.task != "regression":
            yield Counted(columns.axes())
        if any(self._of(check, "bins") for check in self.checks()):
            yield self.banded(columns)
        scored = self.scored(columns)
        if scored is not None:
            yield scored
        if self.weight is not None or self.task == "regression":
            yield self.rows(columns)
        yield from self._pairs(columns)

    def _of(self, check: Check, *bases: str) -> bool:
        return isinstance(check.about, BenchmarkMetric) and check.about.metric.basis in bases

    def _pairs(self, columns: Columns) -> Iterator[Need]:
        for check in self.checks():
            if check.versus is not None and self._of(check, "score", "numbers"):
                yield self.paired_rows(columns)
            elif check.versus is not None or isinstance(check.about, Churn):
                yield self.paired(columns, check.columns)

    def banded(self, columns: Columns) -> Counted:
        """Outcomes by bands of the score."""
        return Counted(calibration.axes(true=columns.y_true, score=columns.score or ""))

    def scored(self, columns: Columns) -> Scored | None:
        """The scores that it needs, if any."""
        metrics = [check.about for check in self.checks() if check.versus is None and self._of(check, "score")]
        if not metrics or self.weight is not None or columns.score is None:
            return None
        optional = all(isinstance(metric, BenchmarkMetric) and metric.optional for metric in metrics)
        return Scored(columns.y_true, columns.score, label(columns.favourable) or "", optional)

    def rows(self, columns: Columns) -> Rows:
        """True and predicted outcome, score and weight of each row."""
        named = (columns.y_true, columns.y_pred, columns.score, self.weight)
        return Rows(tuple(dict.fromkeys(name for name in named if name is not None)))

    def paired(self, columns: Columns, groups: tuple[str, ...]) -> Counted:
        """Pairs of predictions by true outcome, within groups."""
        predicted = (columns.y_pred, of_champion(columns.y_pred))
        outcomes = (Axis(name, "outcome") for name in (columns.y_true, *predicted))
        return Counted((*map(Axis, groups), *outcomes), CHAMPION)

    def paired_rows(self, columns: Columns) -> Rows:
        """The true outcome and what both models said, row by row."""
        said = columns.y_pred if self.task == "regression" else columns.score or ""
        return Rows((columns.y_true, said, of_champion(said)), CHAMPION)

    def judge(self, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
        from tallystick.policy.gates.benchmark import judge

        return judge.run(self, evidence, setting)

    @property
    def can_refuse(self) -> bool:
        return any(self.limits(check).fail_if is not None for check in self.checks())

    @property
    def is_binary(self) -> bool:
        return self.task == "binary" and self._reads_data


def _small(versus: Versus) -> str:
    return (
        f" Groups of fewer than {versus.min_group} rows are left out, in the open; if more than "
        f"{100 * versus.max_excluded_share:g} % of all rows are in such groups, nothing is judged."
    )


def _skipped(against: _Against) -> str:
    return " It does not apply where no model stands in the stage." if against.if_none == "skip" else ""

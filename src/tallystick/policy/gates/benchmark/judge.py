"""One result for each planned check of a benchmark gate.

What follows from counts, and what was recorded, can be replayed. What needs the score, the number or the weight of
each row is computed by scikit-learn, and only its threshold can be replayed. A measure with nothing to stand on has no
value: not evaluable. Values that are no numbers are an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.counts import Counts, Mark, Scores, label
from tallystick.policy.evidence import CHAMPION, Evidence, Rows, Setting
from tallystick.policy.gates.benchmark.model import BenchmarkGate, BenchmarkMetric, Check, RecordedMetric, Versus
from tallystick.policy.gates.benchmark.scorers import Scorer
from tallystick.policy.language import Columns
from tallystick.policy.results import CheckResult, Limits, Verdict
from tallystick.policy.statistics import FEW, Interval, bootstrap, check_seed, wilson

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

    from tallystick.policy.gates.benchmark.rows import Sample

__all__ = ["REPLICATES", "Case", "run"]

REPLICATES: Final = 10_000
"""Of the bootstrap intervals."""


@dataclass(frozen=True)
class Case:
    """One check with what it is judged on."""

    gate: BenchmarkGate
    check: Check
    evidence: Evidence
    setting: Setting

    @property
    def limits(self) -> Limits:
        return self.gate.limits(self.check)

    @property
    def confidence(self) -> float:
        return self.setting.confidence

    @property
    def seed(self) -> str:
        return check_seed(self.setting.seed, self.check.id)

    @property
    def metric(self) -> BenchmarkMetric:
        if not isinstance(self.check.about, BenchmarkMetric):
            raise TypeError(f"{self.check.id} is not about a measure of the data")
        return self.check.about

    @property
    def scorer(self) -> Scorer:
        return self.metric.metric

    @property
    def versus(self) -> Versus:
        if self.check.versus is None:
            raise TypeError(f"{self.check.id} compares with nothing")
        return self.check.versus

    @property
    def words(self) -> str:
        return self.gate.words(self.scorer)

    @property
    def columns(self) -> Columns:
        if self.setting.inputs is None:
            raise InvalidData("the policy names no columns")
        return self.setting.inputs.columns

    @property
    def counts(self) -> Counts:
        return self.evidence.counted()

    @property
    def outcomes(self) -> list[str]:
        """The labels of the outcomes: the favourable one first, the others in order."""
        known: set[str] = {label for counts in self.evidence.counts.values() for label in counts.outcomes}
        return sorted(known, key=lambda name: (name != self.setting.favourable, name))

    def table(self, column: str) -> pyarrow.ChunkedArray:
        """A column of the rows, which were asked for."""
        return self.read(self.gate.rows(self.columns), column)

    def read(self, rows: Rows, column: str) -> pyarrow.ChunkedArray:
        """A column of some rows.

        Raises:
            InvalidData: it is not there.
        """
        found = self.evidence.tables.get(rows)
        if found is None or column not in found.column_names:
            raise InvalidData(f"there is no column {column!r}")
        return found[column]

    def numbers(self, column: pyarrow.ChunkedArray, what: str) -> NDArray[np.float64]:
        """A column of finite numbers.

        Raises:
            InvalidData: some are none.
        """
        import numpy as np

        from tallystick.policy.engines.arrow import numbers

        values: NDArray[np.float64] = numbers(column)
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise InvalidData(f"{wrong:,} {'row has' if wrong == 1 else 'rows have'} no {what} that is a finite number")
        return values

    # ----------------------------------------------------------------------- results

    def measured(
        self,
        value: float,
        interval: Interval | None,
        of: str,
        n: int,
        *,
        words: str = "",
        no_interval: str = "too few events for an interval",
        **more: Any,
    ) -> CheckResult:
        """The result on a value; one that is not finite is an error."""
        words, limits = words or self.words, self.limits
        if not math.isfinite(value):
            return self.result("error", f"{words} came out as {value}, which is no figure to judge")
        spread = f"; {no_interval}" if no_interval else ""
        if interval is not None:
            spread = f"; {interval.words} {limits.show(interval.low)} to {limits.show(interval.high)}"
        reason = f"{words} is {limits.show(value)} ({of}{spread}); {limits.words}"
        return self.result(limits.verdict(value, interval), reason, value=value, interval=interval, n=n, **more)

    def result(
        self,
        verdict: Verdict,
        reason: str,
        *,
        value: float | None = None,
        interval: Interval | None = None,
        n: int = 0,
        groups: tuple[Mapping[str, Value], ...] = (),
        figures: Mapping[str, Value] | None = None,
    ) -> CheckResult:
        passed = verdict in ("pass", "not_applicable")
        about = self.check.about
        return CheckResult(
            id=self.check.id,
            gate=self.gate.id,
            type="benchmark",
            verdict=verdict,
            value=value,
            threshold=self.limits.as_json(),
            n=n or self.evidence.rows,
            interval=None if interval is None else interval.as_json(),
            reason=reason,
            advice="" if passed else about.advice or self.gate.advice or self._advice,
            because=about.because or self.gate.because or "",
            replay=self.gate.replay(self.check),
            groups=groups,
            figures=figures or {},
        )

    @property
    def _advice(self) -> str:
        if isinstance(self.check.about, RecordedMetric):
            return "Look at how and on what it was measured, and measure it again under load."
        if isinstance(self.check.about, BenchmarkMetric) and self.check.versus is None:
            return self.scorer.advice
        return "Look at the rows on which the two models decide otherwise, and at who they are."


def run(gate: BenchmarkGate, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
    """Judge every check of the gate; of what was recorded, those that counts and facts decide."""
    for check in gate.checks():
        if evidence.replayed and gate.replay(check) != "counts":
            continue
        case = Case(gate, check, evidence, setting)
        if evidence.replayed:
            _check_counted(case)
        try:
            yield _judge(case)
        except InvalidData as error:
            yield case.result("error", str(error))


def _check_counted(case: Case) -> None:
    """Raise where counts were recorded without the tables that a check stands on: they cannot tell.

    Raises:
        InvalidData: so it is.
    """
    about = case.check.about
    if isinstance(about, RecordedMetric):
        return
    if not isinstance(about, BenchmarkMetric) or case.check.versus is not None:
        if CHAMPION in case.evidence.counts:
            case.evidence.counted(CHAMPION).over(*case.gate.paired(case.columns, case.check.columns).axes)
    elif about.metric.basis == "bins":
        case.counts.over(*case.gate.banded(case.columns).axes)
    else:
        case.counts.table(())


def _judge(case: Case) -> CheckResult:
    from tallystick.policy.gates.benchmark import versus

    about = case.check.about
    if isinstance(about, RecordedMetric):
        return _recorded(case, about)
    if not isinstance(about, BenchmarkMetric) or case.check.versus is not None:
        return versus.judge(case)
    if case.gate.task == "binary":
        case.counts.check_favourable(case.setting.favourable)
    return _wondering(case, _by_basis(case, about))


def _by_basis(case: Case, about: BenchmarkMetric) -> CheckResult:
    from tallystick.policy.gates.benchmark import calibration

    if about.metric.basis == "bins":
        return calibration.judge(case)
    if about.metric.basis != "counts":
        return _by_rows(case)
    if case.gate.weight is not None:
        return _by_weight(case)
    return _by_cells(case) if case.gate.task == "binary" else _by_table(case)


def _wondering(case: Case, found: CheckResult) -> CheckResult:
    """The result; where no decision is ever wrong, with a word on what that often means."""
    if case.gate.task == "regression" or found.value is None or case.metric.metric.needs_score:
        return found
    cells = case.counts.table(()).cells
    if any(n for (true, said), n in cells if true != said):
        return found
    same = f"{case.columns.y_pred} equals {case.columns.y_true} in every row: see that it is the model's own decision"
    return replace(found, reason=f"{found.reason}; {same}")


# --------------------------------------------------------------------------- counts


def _by_cells(case: Case) -> CheckResult:
    """A measure of the four counts of a binary task."""
    cells = case.counts.table(()).groups(case.setting.favourable)[()]
    rate, formula = case.scorer.rate, case.scorer.formula
    if rate is not None:
        k, n = rate.numerator(cells), rate.denominator(cells)
        if n == 0:
            return case.result("not_evaluable", f"{case.words} has no value: there are no {rate.of}")
        return case.measured(k / n, wilson(k, n, case.confidence), f"{k:,} of {n:,} {rate.of}", n)
    if formula is None:
        return _by_table(case)
    tp, fp, fn, tn = cells
    if tp + fn == 0 or (fp + tn == 0 and case.metric.name == "balanced_accuracy"):
        return case.result("not_evaluable", f"{case.words} has no value: only one true outcome occurs")

    def statistic(drawn: NDArray[np.float64]) -> Any:
        return formula(*(drawn[:, i] for i in range(4)))

    enough = min(tp + fn, tp + fp, tp, fn + fp) >= FEW
    interval = None
    if enough:
        interval = bootstrap(cells, statistic, replicates=REPLICATES, confidence=case.confidence, seed=case.seed)
    n = sum(cells)
    return case.measured(float(formula(tp, fp, fn, tn)), interval, f"over {n:,} people", n)


def _by_table(case: Case) -> CheckResult:
    """A measure of a confusion table with any number of outcomes."""
    import numpy as np

    names = case.outcomes
    table = confusion(case.counts.table(()).cells, names)
    right, n = int(table.trace()), int(table.sum())
    of = f"over {n:,} rows with {len(names)} outcomes"
    if case.scorer.right:
        return case.measured(right / n, wilson(right, n, case.confidence), f"{right:,} of {n:,} rows", n)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(case.scorer.figure(table))
    if math.isnan(value):
        return case.result("not_evaluable", f"{case.words} has no value: an outcome is never true or never predicted")
    interval = None
    if min(table.sum(axis=1).min(), table.sum(axis=0).min(), right, n - right) >= FEW:
        interval = bootstrap(
            [int(cell) for cell in table.ravel()],
            lambda drawn: case.scorer.figure(drawn.reshape(-1, *table.shape)),
            replicates=REPLICATES,
            confidence=case.confidence,
            seed=case.seed,
        )
    return case.measured(value, interval, of, n)


def confusion(cells: Any, names: list[str]) -> NDArray[np.float64]:
    """The table of true by predicted outcome, from cells that end in both and a number of rows."""
    import numpy as np

    place = {name: at for at, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for (*_, true, predicted), n in cells:
        table[place[_name(true)], place[_name(predicted)]] += n
    return table


def _name(mark: Mark) -> str:
    return str(mark)


# --------------------------------------------------------------------------- rows


def _by_rows(case: Case) -> CheckResult:
    """A measure of scores or numbers."""
    from tallystick.policy.gates.benchmark.rows import Undefined, estimate

    sample = _sample(case)
    if sample is None:
        reason = f"{case.words} needs a score, and the data have none; the policy makes this check optional"
        return case.result("not_applicable", reason)
    try:
        found = estimate(case.scorer, sample)
    except Undefined as error:
        return case.result("not_evaluable", f"{case.words} has no value: {error}")
    except ValueError as error:
        return case.result("error", f"{case.words}: {error}")
    method = case.gate.interval(case.scorer)
    interval = found.interval(case.confidence, method, case.scorer.bounds) if method else None
    what = "people" if case.gate.task == "binary" else "rows"
    without = "too few rows for an interval" if method else "no interval is stated for it"
    return case.measured(found.value, interval, f"over {sample.n:,} {what}", sample.n, no_interval=without)


def _sample(case: Case) -> Sample | None:
    """The rows; None where the data have no score and the policy allows it."""
    from tallystick.policy.gates.benchmark.rows import Sample

    columns, weight = case.columns, _weight(case)
    if case.gate.task == "regression":
        true, said = (case.numbers(case.table(name), "outcome") for name in (columns.y_true, columns.y_pred))
        return Sample(true, said, weight)
    scores = _scores(case)
    return None if scores is None else Sample(scores.y_true, scores.score, weight)


def _weight(case: Case) -> NDArray[np.float64] | None:
    name = case.gate.weight
    if name is None:
        return None
    weight = case.numbers(case.table(name), "weight")
    if (weight < 0).any() or not weight.any():
        raise InvalidData(f"the weights of column {name!r} cannot be used", expected="none below 0, and not all 0")
    return weight


def _scores(case: Case) -> Scores | None:
    import numpy as np

    from tallystick.policy.engines.arrow import codes

    if case.gate.weight is None:
        need = case.gate.scored(case.columns)
        scores = None if need is None else case.evidence.scores.get(need)
        if scores is None and not case.metric.optional:
            raise InvalidData("there is no score column")
        return scores
    score = case.columns.score or ""
    if case.metric.optional and score not in case.evidence.tables[case.gate.rows(case.columns)].column_names:
        return None
    places, marks = codes(case.table(case.columns.y_true), label)
    good = np.array([mark == case.setting.favourable for mark in marks], dtype=np.int64)
    return Scores(good[places], case.numbers(case.table(score), "score"))


def _by_weight(case: Case) -> CheckResult:
    """A measure of outcomes, with a weight for each row."""
    import numpy as np

    from tallystick.policy.engines.arrow import codes
    from tallystick.policy.gates.benchmark.rows import Undefined, of_table

    names, weight = case.outcomes, _weight(case)
    place = {name: at for at, name in enumerate(names)}
    true, said = (
        np.array([place[str(mark)] for mark in marks], dtype=np.int64)[found]
        for found, marks in (codes(case.table(name), label) for name in (case.columns.y_true, case.columns.y_pred))
    )
    try:
        found = of_table(case.scorer, true * len(names) + said, len(names), weight)
    except Undefined as error:
        return case.result("not_evaluable", f"{case.words} has no value: {error}")
    interval = found.interval(case.confidence, case.gate.interval(case.scorer), case.scorer.bounds)
    without = "too few rows for an interval"
    return case.measured(found.value, interval, f"over {len(true):,} rows", len(true), no_interval=without)


# --------------------------------------------------------------------------- recorded


def _recorded(case: Case, about: RecordedMetric) -> CheckResult:
    known = case.evidence.facts.get("recorded")
    fact = known.get(about.recorded) if isinstance(known, Mapping) else None
    if not isinstance(fact, Mapping):
        if about.optional:
            reason = f"no metric {about.recorded} is recorded for the model; the policy makes this check optional"
            return case.result("not_applicable", reason)
        reason = f"no metric {about.recorded} is recorded for the model; 'tallystick record metrics' does so"
        return case.result("error", reason)
    value, unit, n, entry = (fact.get(name) for name in ("value", "unit", "n", "entry"))
    if unit != about.unit:
        got = repr(unit)[:40]
        return case.result("error", f"{about.recorded} is recorded in {got}, and the policy wants {about.unit}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return case.result("error", f"{about.recorded} is recorded as something that is no finite number")
    measured = n if isinstance(n, int) and not isinstance(n, bool) and n > 0 else 1
    of = f"entry {entry}" + (f", over {measured:,} measurements" if measured > 1 else "")
    words, figures = f"{about.recorded} in {about.unit}", {"unit": unit, "entry": entry}
    return case.measured(float(value), None, of, measured, words=words, no_interval="", figures=figures)

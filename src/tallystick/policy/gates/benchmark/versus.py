"""Challenger against champion, on the same rows.

The value is the *gain*: by how much the challenger is better, negative where it is worse. It passes if the whole
interval of the gain lies at or above minus the margin (non-inferiority; with a two-sided interval of 95 % a test at
2.5 %), fails if all of it lies below, and is inconclusive where it straddles. ``decision: point`` looks at the gain
alone.

Measures of outcomes stand on one count table of true outcome, challenger's and champion's prediction (and groups), and
can be replayed: shares of the same rows by Newcombe's interval for pairs, with McNemar's exact p-value beside it; the
others by resampling pairs. Measures of scores and numbers need the rows: DeLong for the area under the ROC curve,
else the influence of each pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.counts import MISSING, Counts, Mark
from tallystick.policy.evidence import CHAMPION
from tallystick.policy.gates.benchmark.judge import REPLICATES, Case
from tallystick.policy.gates.benchmark.model import Churn, Versus
from tallystick.policy.gates.benchmark.scorers import Scorer
from tallystick.policy.paired import paired_bootstrap
from tallystick.policy.proportions import Paired, mcnemar, paired_difference
from tallystick.policy.results import CheckResult, Verdict
from tallystick.policy.statistics import FEW, Interval, check_seed, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tallystick.policy.gates.benchmark.rows import Estimate

__all__ = ["Pairing", "judge"]

MAX_GROUPS: Final = 1_000
"""More values than this are no groups."""
SMALL_CELL: Final = 10
"""Figures on fewer rows than this stay in the count tables, which can be erased."""


@dataclass(frozen=True)
class Pairing:
    """What two models said of the same rows."""

    table: NDArray[np.float64]
    """Rows by true outcome, challenger's and champion's prediction; outcomes in one order along each."""

    @property
    def n(self) -> int:
        return int(self.table.sum())

    @property
    def challenger(self) -> NDArray[np.float64]:
        """Its confusion table."""
        found: NDArray[np.float64] = self.table.sum(axis=2)
        return found

    @property
    def champion(self) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self.table.sum(axis=1)
        return found

    @property
    def changed(self) -> int:
        """Rows on which the two decide otherwise."""
        return self.n - int(self.table.trace(axis1=1, axis2=2).sum())

    def right(self, outcomes: slice = slice(None)) -> Paired:
        """Rows that both have right, only the challenger, only the champion, neither; of some true outcomes."""
        both = first = second = n = 0
        for at in range(len(self.table))[outcomes]:
            part = self.table[at]
            both += int(part[at, at])
            first += int(part[at].sum() - part[at, at])
            second += int(part[:, at].sum() - part[at, at])
            n += int(part.sum())
        return Paired(both, first, second, n - both - first - second)


def judge(case: Case) -> CheckResult:
    """The result of a check that compares with the champion.

    Raises:
        InvalidData: the rows cannot be used.
    """
    about = case.check.about
    against = about if isinstance(about, Churn) else case.versus
    if CHAMPION not in case.evidence.counts:
        return _alone(case, against)
    if isinstance(about, Churn):
        return _churn(case)
    if case.scorer.basis != "counts":
        return _by_rows(case)
    return _within_groups(case) if case.check.columns else _overall(case)


def _alone(case: Case, against: Churn | Versus) -> CheckResult:
    """The result where there are no predictions of a champion; only what the ledger knew can excuse that."""
    known = case.evidence.facts.get("champion")
    if not isinstance(known, Mapping):
        return case.result("error", "nothing is known of a champion to compare with")
    if "absent" not in known:
        reason = f"the predictions of the champion, {_named(case)}, were not handed in; add --champion FILE"
        return case.result("error", reason)
    if against.if_none == "skip":
        reason = f"there is no champion to compare with: {known['absent']}; the policy skips the comparison then"
        return case.result("not_applicable", reason)
    reason = f"there is no champion to compare with: {known['absent']}; a policy allows this with 'if_none: skip'"
    return case.result("error", reason)


def _named(case: Case) -> str:
    known = case.evidence.facts.get("champion")
    if not isinstance(known, Mapping) or "name" not in known:
        return "the champion"
    return f"{known['name']}@{known.get('version')} (entry {known.get('entry')})"


def _figures(case: Case, **more: Value) -> dict[str, Value]:
    known = case.evidence.facts.get("champion")
    return {"champion": dict(known) if isinstance(known, Mapping) else {}, **more}


def _origin(case: Case) -> str:
    """Whether the ledger knows the champion's predictions, as a clause."""
    known = case.evidence.facts.get("champion")
    evaluation = known.get("evaluation") if isinstance(known, Mapping) else None
    if evaluation is None:
        return "; no evaluation of the champion on the ledger names these predictions"
    return f"; its predictions are those of entry {evaluation}"


# --------------------------------------------------------------------------- counts


def _counts(case: Case) -> Counts:
    counts = case.evidence.counted(CHAMPION)
    if case.gate.task == "binary":
        counts.check_favourable(case.setting.favourable)
    return counts


def _pairings(case: Case) -> dict[tuple[Mark, ...], Pairing]:
    """By group, in the order of the table; without columns the only group is ()."""
    import numpy as np

    names = case.outcomes
    place = {name: at for at, name in enumerate(names)}
    axes = case.gate.paired(case.columns, case.check.columns).axes
    found: dict[tuple[Mark, ...], NDArray[np.float64]] = {}
    for (*group, true, challenger, champion), n in _counts(case).over(*axes).cells:
        table = found.setdefault(tuple(group), np.zeros((len(names),) * 3))
        table[place[str(true)], place[str(challenger)], place[str(champion)]] += n
    return {group: Pairing(table) for group, table in found.items()}


def gain(scorer: Scorer, pairing: Pairing) -> float:
    """By how much the challenger's measure is better; NaN where one of the two has no value."""
    import numpy as np

    if scorer.paired == "newcombe_paired":
        right = pairing.right(_share(scorer))
        return right.difference if right.n else math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = float(scorer.figure(pairing.challenger)) - float(scorer.figure(pairing.champion))
    return difference if scorer.higher_is_better else -difference


def _share(scorer: Scorer) -> slice:
    """The true outcomes whose rows the share is of: all, or the favourable one, which comes first."""
    return slice(None) if scorer.right else slice(0, 1)


def _interval(case: Case, pairing: Pairing, *, confidence: float, seed: str) -> Interval | None:
    """The interval of the gain; None where too little is there for one."""
    if case.scorer.paired == "newcombe_paired":
        return paired_difference(pairing.right(_share(case.scorer)), confidence)
    table = pairing.table
    size = len(table)
    true = table.sum(axis=(1, 2))
    if true.min() < FEW or (size > 2 and pairing.changed < FEW):
        return None
    given = table + _room(size) if size == 2 else table
    held = given.ravel().nonzero()[0]
    to_challenger, to_champion = _marginals(size, held)

    def statistic(drawn: Any) -> Any:
        one, other = (
            case.scorer.figure((drawn @ sums).reshape(-1, size, size)) for sums in (to_challenger, to_champion)
        )
        return one - other if case.scorer.higher_is_better else other - one

    return paired_bootstrap(
        given.ravel()[held], statistic, n=pairing.n, replicates=REPLICATES, confidence=confidence, seed=seed
    )


def _room(size: int) -> NDArray[np.float64]:
    """Half a row for each way in which two predictions can differ, so that what was never seen can be drawn."""
    import numpy as np

    return np.where(np.eye(size) > 0, 0.0, 0.5)[None, :, :].repeat(size, axis=0)


def _marginals(size: int, held: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrices that add cells of pairs up to each model's confusion table."""
    import numpy as np

    true, challenger, champion = np.unravel_index(held, (size,) * 3)
    rows = np.arange(len(held))
    found = np.zeros((2, len(held), size * size))
    found[0, rows, true * size + challenger] = 1
    found[1, rows, true * size + champion] = 1
    return found[0], found[1]


def _overall(case: Case) -> CheckResult:
    pairing = _pairings(case)[()]
    value = gain(case.scorer, pairing)
    if math.isnan(value):
        reason = f"{case.words} has no value for challenger or champion: an outcome has no rows to stand on"
        return case.result("not_evaluable", reason)
    interval = _interval(case, pairing, confidence=case.confidence, seed=case.seed)
    figures: dict[str, Value] = {"changed": pairing.changed}
    of = f"over {pairing.n:,} rows, {pairing.changed:,} of them decided otherwise"
    if case.scorer.paired == "newcombe_paired":
        right = pairing.right(_share(case.scorer))
        p, first, second = mcnemar(right), right.only_first, right.only_second
        figures |= {"only_challenger_right": first, "only_champion_right": second, "mcnemar_exact_p": p}
        of = f"{first:,} rows only the challenger has right, {second:,} only the champion; exact McNemar p = {p:.2g}"
    return _compared(case, value, interval, of, pairing.n, figures)


def _compared(
    case: Case, value: float, interval: Interval | None, of: str, n: int, figures: dict[str, Value]
) -> CheckResult:
    words = f"the gain in {case.words} over {_named(case)}"
    return case.measured(
        value,
        interval,
        f"{of}{_origin(case)}",
        n,
        words=words,
        no_interval="too little is there for an interval",
        figures=_figures(case, **figures),
    )


# --------------------------------------------------------------------------- groups


@dataclass(frozen=True)
class _Part:
    """The comparison within one group."""

    name: str
    group: dict[str, Value]
    pairing: Pairing
    value: float
    interval: Interval | None
    family: Interval | None
    """At a confidence that holds for all groups at once (Bonferroni): what a failure has to show."""
    left_out: str = ""

    def as_json(self) -> Mapping[str, Value]:
        n = self.pairing.n
        shown = {"group": self.group, "n": n if n >= SMALL_CELL else None, "evaluated": not self.left_out}
        if self.left_out:
            return shown | {"rates": {}, "left_out": self.left_out}
        interval = None if self.interval is None else self.interval.as_json()
        return shown | {"rates": {"gain": {"value": self.value, "interval": interval}}}


def _within_groups(case: Case) -> CheckResult:
    versus = case.versus
    pairings = _pairings(case)
    if len(pairings) > MAX_GROUPS:
        return case.result("error", f"{' and '.join(case.check.columns)} have {len(pairings):,} values: no groups")
    parts = [_part(case, versus, group, pairing, len(pairings)) for group, pairing in pairings.items()]
    groups = tuple(part.as_json() for part in parts)
    judged = [part for part in parts if not part.left_out]
    excluded = sum(part.pairing.n for part in parts if part.left_out) / sum(part.pairing.n for part in parts)
    if not judged or excluded > versus.max_excluded_share:
        reason = (
            f"{excluded:.1%} of the rows are in groups that cannot be judged, "
            f"and the policy allows {versus.max_excluded_share:.1%}"
        )
        return case.result("not_evaluable", reason, groups=groups, figures=_figures(case))
    worst = min(judged, key=lambda part: part.value)
    verdict = _verdict(case, judged)
    spread = (
        "too little is there for an interval"
        if worst.interval is None
        else f"{worst.interval.words} {case.limits.show(worst.interval.low)} to {case.limits.show(worst.interval.high)}"
    )
    reason = (
        f"the smallest gain in {case.words} over {_named(case)} in a group is {case.limits.show(worst.value)} "
        f"({worst.name}, {worst.pairing.n:,} rows; {spread}; {len(judged)} groups judged, "
        f"{len(parts) - len(judged)} left out{_origin(case)}); {case.limits.words}"
    )
    return case.result(
        verdict,
        reason,
        value=worst.value,
        interval=worst.interval,
        n=sum(part.pairing.n for part in judged),
        groups=groups,
        figures=_figures(case, family=len(judged)),
    )


def _part(case: Case, versus: Versus, group: tuple[Mark, ...], pairing: Pairing, family: int) -> _Part:
    shown = {
        column: None if mark is None else str(mark) for column, mark in zip(case.check.columns, group, strict=True)
    }
    name = ", ".join(f"{column}={MISSING if mark is None else mark}" for column, mark in shown.items())
    value = gain(case.scorer, pairing)
    if pairing.n < versus.min_group:
        left_out = f"fewer than {versus.min_group} rows"
    else:
        left_out = "" if math.isfinite(value) else f"{case.words} has no value there"
    if left_out:
        return _Part(name, dict(shown), pairing, value, None, None, left_out)
    seed = check_seed(case.seed, name)
    interval = _interval(case, pairing, confidence=case.confidence, seed=seed)
    together = _interval(case, pairing, confidence=1 - (1 - case.confidence) / family, seed=seed)
    return _Part(name, dict(shown), pairing, value, interval, together)


def _verdict(case: Case, parts: list[_Part]) -> Verdict:
    """Pass if no group drops by more than the margin; fail if one does for certain; else inconclusive.

    Where all must pass, passing needs no correction for their number; a claim that one of many failed does.
    """
    limits = case.limits
    if limits.decision == "point":
        return limits.verdict(min(part.value for part in parts), None)
    if all(limits.verdict(part.value, part.interval) == "pass" for part in parts):
        return "pass"
    failed = any(limits.verdict(part.value, part.family) == "fail" for part in parts)
    return "fail" if failed else "inconclusive"


# --------------------------------------------------------------------------- churn


def _churn(case: Case) -> CheckResult:
    pairing = _pairings(case)[()]
    n, changed = pairing.n, pairing.changed
    _, better, worse, _ = pairing.right()
    of = f"{changed:,} of {n:,} decisions; {better:,} became right, {worse:,} became wrong{_origin(case)}"
    figures: dict[str, Value] = {"changed": changed, "became_right": better, "became_wrong": worse}
    if case.gate.task == "binary":
        flows = pairing.table.sum(axis=0)
        figures |= {"became_favourable": int(flows[0, 1:].sum()), "became_unfavourable": int(flows[1:, 0].sum())}
    words = f"the share of decisions that are others than those of {_named(case)}"
    interval = wilson(changed, n, case.confidence)
    return case.measured(changed / n, interval, of, n, words=words, figures=_figures(case, **figures))


# --------------------------------------------------------------------------- rows


def _by_rows(case: Case) -> CheckResult:
    from tallystick.policy.gates.benchmark.rows import Undefined

    rows = case.gate.paired_rows(case.columns)
    there = case.evidence.tables[rows].column_names
    if case.metric.optional and rows.columns[1] not in there:
        reason = f"{case.words} needs a score, and the data have none; the policy makes this check optional"
        return case.result("not_applicable", reason)
    try:
        challenger, champion = _estimates(case)
    except Undefined as error:
        return case.result("not_evaluable", f"{case.words} has no value: {error}")
    except ValueError as error:
        return case.result("error", f"{case.words}: {error}")
    one, other = (challenger, champion) if case.scorer.higher_is_better else (champion, challenger)
    found = one.less(other)
    interval = found.interval(case.confidence, case.scorer.paired, (-math.inf, math.inf))
    figures: dict[str, Value] = {"challenger_value": challenger.value, "champion_value": champion.value}
    of = (
        f"{case.limits.show(challenger.value)} and {case.limits.show(champion.value)}, over {case.evidence.rows:,} rows"
    )
    return _compared(case, found.value, interval, of, case.evidence.rows, figures)


def _estimates(case: Case) -> tuple[Estimate, Estimate]:
    import numpy as np

    from tallystick.policy.counts import label
    from tallystick.policy.engines.arrow import codes
    from tallystick.policy.gates.benchmark.rows import Sample, estimate

    rows = case.gate.paired_rows(case.columns)
    true, *said = (case.read(rows, name) for name in rows.columns)
    if case.gate.task == "regression":
        truth: Any = case.numbers(true, "outcome")
    else:
        places, marks = codes(true, label)
        if None in marks:
            raise InvalidData("some rows have no true outcome")
        truth = np.array([mark == case.setting.favourable for mark in marks], dtype=np.int64)[places]
    what = "outcome" if case.gate.task == "regression" else "score"
    challenger, champion = (
        estimate(case.scorer, Sample(truth, case.numbers(column, what)), pairing=True) for column in said
    )
    return challenger, champion

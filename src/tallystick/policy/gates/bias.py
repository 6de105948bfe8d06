"""The bias gate: compares how groups of people are treated, from count tables alone.

Never green without grounds:

* fewer than two groups large enough: not evaluable (a ratio of one group to itself would be a perfect 1.0);
* nobody has a favourable prediction: not evaluable (0/0 is no parity);
* a group left out for being small is named with its size; if such groups hold more people than the policy allows, or
  one of them is required, the check is not evaluable;
* a required group that is absent is an error; people without a group value are a group of their own.

Pure: the same counts, gate and seed give the same results, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallystick.canonical import Value
from tallystick.policy.counts import Cells, Counts, Group, group_words, label
from tallystick.policy.language import BiasGate, BiasMetric
from tallystick.policy.metrics import Comparison, GroupMetric, Rate, compare
from tallystick.policy.results import CheckResult, Limits, Verdict, number
from tallystick.policy.statistics import FEW, Interval, bootstrap, check_seed, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_GROUPS", "SMALL_CELL", "run"]

MAX_GROUPS = 1_000
"""More values than this are no groups of people."""

SMALL_CELL = 10
"""Results, which cannot be erased, give no figures on fewer people than this."""


@dataclass(frozen=True)
class _Case:
    """One check before it is judged: what is compared, and by which rules."""

    id: str
    gate: BiasGate
    metric: BiasMetric
    columns: tuple[str, ...]
    groups: Mapping[Group, Cells]
    confidence: float
    seed: str

    @property
    def limits(self) -> Limits:
        return self.gate.limits(self.metric)

    @property
    def rates(self) -> tuple[Rate, ...]:
        return self.metric.metric.rates

    @property
    def n(self) -> int:
        return sum(map(sum, self.groups.values()))

    def words(self, group: Group) -> str:
        return group_words(self.columns, group)

    def why_small(self, cells: Cells) -> str | None:
        """Why a group is too small for this metric, or None."""
        if sum(cells) < self.gate.min_group.n:
            return f"{_few(sum(cells))} people, and the policy wants {self.gate.min_group.n}"
        for rate in self.rates:
            if rate.conditional and rate.denominator(cells) < self.gate.min_group.positives:
                return (
                    f"{_few(rate.denominator(cells))} {rate.of}, and the policy wants {self.gate.min_group.positives}"
                )
        return None

    @property
    def kept(self) -> dict[Group, Cells]:
        return {group: cells for group, cells in self.groups.items() if self.why_small(cells) is None}

    @property
    def left_out(self) -> dict[Group, str]:
        reasons = {group: self.why_small(cells) for group, cells in self.groups.items()}
        return {group: why for group, why in reasons.items() if why is not None}


def run(gate: BiasGate, counts: Counts, *, favourable: str, confidence: float, seed: str) -> Iterator[CheckResult]:
    """Judge every check of the gate.

    Args:
        gate: of the policy.
        counts: with a table for each tuple of columns that the gate compares.
        favourable: label of the favourable outcome, unless a metric names its own.
        confidence: of the intervals.
        seed: of the evaluation, 16 hex digits.
    """
    for check, columns, metric in gate.checks():
        own = favourable if metric.favourable is None else label(metric.favourable) or ""
        counts.check_favourable(own)
        groups = counts.table(columns).groups(own)
        case = _Case(check, gate, metric, columns, groups, confidence, check_seed(seed, check))
        yield _judge(case)


def _judge(case: _Case) -> CheckResult:
    stopped = _cannot(case)
    if stopped is not None:
        return _result(case, stopped[0], reason=stopped[1])
    kept = case.kept
    found = compare(case.metric.metric, tuple(kept.values()))
    if found is None:
        zero = next(rate for rate in case.rates if not any(map(rate.numerator, kept.values())))
        what = f"the {zero.words} is 0 in every group, so no ratio can be formed"
        return _result(case, "not_evaluable", reason=_with_left_out(case, what))
    interval = _interval(case, kept)
    verdict = case.limits.verdict(found.value, interval)
    return _result(case, verdict, reason=_reason(case, found, interval), found=found, interval=interval)


def _cannot(case: _Case) -> tuple[Verdict, str] | None:
    """Why the metric cannot be judged on these groups, or None."""
    if len(case.groups) > MAX_GROUPS:
        return "error", f"{' and '.join(case.columns)} have {len(case.groups):,} values: these are no groups of people"
    for stop in (_missing_values, _required, _excluded, _too_few, _nobody_selected):
        reason = stop(case)
        if reason is not None:
            return reason
    return None


def _missing_values(case: _Case) -> tuple[Verdict, str] | None:
    if case.gate.missing_group != "error":
        return None
    n = sum(sum(cells) for group, cells in case.groups.items() if None in group)
    if n == 0:
        return None
    return (
        "error",
        f"{n:,} people have no value for {' and '.join(case.columns)}, and the policy wants one for everyone",
    )


def _required(case: _Case) -> tuple[Verdict, str] | None:
    if len(case.columns) > 1:
        return None
    present = {label(group[0]): group for group in case.groups}
    for value in case.gate.require_groups.get(case.columns[0], []):
        wanted = f"{case.columns[0]}={value}"
        if label(value) not in present:
            return "error", f"there is nobody with {wanted}, a group that the policy requires"
        why = case.left_out.get(present[label(value)])
        if why is not None:
            return "not_evaluable", f"{wanted}, a group that the policy requires, is too small: {why}"
    return None


def _excluded(case: _Case) -> tuple[Verdict, str] | None:
    small, rules = case.left_out, case.gate.min_group
    if not small:
        return None
    if rules.on_small == "error":
        return "error", f"groups are too small, which the policy makes an error: {_listed(case)}"
    n = sum(sum(case.groups[group]) for group in small)
    if n <= rules.max_excluded_share * case.n:
        return None
    share = f"{n:,} of {case.n:,} people ({100 * n / case.n:.2g} %)"
    allowed = f"{100 * rules.max_excluded_share:g} %"
    return (
        "not_evaluable",
        f"{share} are in groups too small to judge, and the policy allows {allowed}: {_listed(case)}",
    )


def _too_few(case: _Case) -> tuple[Verdict, str] | None:
    kept = case.kept
    if len(kept) >= 2:
        return None
    who = f"only one group, {case.words(next(iter(kept)))}" if kept else "no group"
    what = f"there is {who}, that is large enough, so nothing can be compared" if kept else "no group is large enough"
    return "not_evaluable", _with_left_out(case, what)


def _nobody_selected(case: _Case) -> tuple[Verdict, str] | None:
    tp, fp, _, _ = map(sum, zip(*case.kept.values(), strict=True))
    if tp + fp:
        return None
    return "not_evaluable", f"none of {case.n:,} people has a favourable prediction, so equal treatment says nothing"


def _listed(case: _Case) -> str:
    small = [f"{case.words(group)} ({why})" for group, why in case.left_out.items()]
    return "; ".join(small[:5]) + (f"; and {len(small) - 5} more" if len(small) > 5 else "")


def _with_left_out(case: _Case, reason: str) -> str:
    return f"{reason}; left out as too small: {_listed(case)}" if case.left_out else reason


# --------------------------------------------------------------------------- interval


def _interval(case: _Case, kept: Mapping[Group, Cells]) -> Interval | None:
    """The bootstrap interval, or None where some rate stands on fewer than ten people on one of its sides."""
    if _sparse(case, kept):
        return None
    cells = [n for group in kept.values() for n in group]
    metric = case.metric.metric

    def statistic(drawn: NDArray[np.float64]) -> Any:
        return _replicates(metric, drawn.reshape(len(drawn), -1, 4))

    how = case.gate.interval
    return bootstrap(cells, statistic, replicates=how.n, confidence=case.confidence, seed=case.seed)


def _sparse(case: _Case, kept: Mapping[Group, Cells]) -> bool:
    return any(
        min(rate.numerator(cells), rate.denominator(cells) - rate.numerator(cells)) < FEW
        for cells in kept.values()
        for rate in case.rates
    )


def _replicates(metric: GroupMetric, drawn: Any) -> Any:
    """The metric of each drawn table: :func:`compare` for arrays of shape (replicates, groups, 4)."""
    import numpy as np

    each = []
    for rate in metric.rates:
        values = drawn[..., list(rate.above)].sum(axis=-1) / drawn[..., list(rate.below)].sum(axis=-1)
        low, high = values.min(axis=1), values.max(axis=1)
        each.append(low / high if metric.form == "ratio" else high - low)
    stacked = np.stack(each)
    return stacked.min(axis=0) if metric.form == "ratio" else stacked.max(axis=0)


# --------------------------------------------------------------------------- words


def _reason(case: _Case, found: Comparison, interval: Interval | None) -> str:
    kept = list(case.kept.items())
    (low, low_cells), (high, high_cells) = kept[found.low], kept[found.high]
    value, limits, rate = case.limits.show(found.value), case.limits, found.rate
    shares = [f"{_share(rate, cells)} of {rate.denominator(cells):,}" for cells in (low_cells, high_cells)]
    spread = f"; {_spread(interval, limits)}" if interval else "; too few events for an interval"
    if case.metric.metric.form == "ratio":
        text = f"{rate.words} of {case.words(low)} is {value} of {case.words(high)}'s"
        text += f" ({shares[0]} against {shares[1]}{spread})"
    else:
        text = f"{rate.words} of {case.words(low)} is {value} below {case.words(high)}'s"
        text += f" ({shares[0]} against {shares[1]}{spread})"
    return _with_left_out(case, f"{text}; {limits.words}")


def _share(rate: Rate, cells: Cells) -> str:
    return number(rate.numerator(cells) / rate.denominator(cells))


def _spread(interval: Interval, limits: Limits) -> str:
    return f"{interval.words} {limits.show(interval.low)} to {limits.show(interval.high)}"


_ADVICE = {
    "selection_rate": (
        "Compare the selection rates within bands of the strongest features to see which of them stands in for {who}, "
        "and try a candidate trained with a parity constraint; see the rates of each group."
    ),
    "true_positive_rate": (
        "Look at people with the favourable true outcome who are refused, by {who}: which features make them look "
        "worse, and are labels or data scarcer there?"
    ),
    "false_positive_rate": (
        "Look at people with the unfavourable true outcome who are selected, by {who}: which features favour one group?"
    ),
    "false_negative_rate": "Look at wrongly refused people, by {who}, and at the cut-off for each group.",
    "precision": "Compare what a favourable prediction is worth in each group of {who}: calibration, and base rates.",
    "accuracy": "Compare errors by {who}: a group with worse accuracy is often small or unlike the others in training.",
}


def _advice(case: _Case, verdict: Verdict, found: Comparison | None) -> str:
    if verdict == "pass":
        return ""
    own = case.metric.advice or case.gate.advice
    if verdict in ("fail", "warn") or (verdict == "inconclusive" and found is not None):
        rate = found.rate.name if found else case.rates[0].name
        return own or _ADVICE[rate].format(who=" and ".join(case.columns))
    return "Hand in more data for these groups, or put small groups together in the data, with a reason on record."


def _result(
    case: _Case, verdict: Verdict, *, reason: str, found: Comparison | None = None, interval: Interval | None = None
) -> CheckResult:
    return CheckResult(
        id=case.id,
        gate=case.gate.id,
        type="bias",
        verdict=verdict,
        value=None if found is None else found.value,
        threshold=case.limits.as_json(),
        n=sum(map(sum, case.kept.values())) if found else case.n,
        interval=None if interval is None else interval.as_json(),
        reason=reason,
        advice=_advice(case, verdict, found),
        because=case.metric.because or case.gate.because or "",
        replay="counts",
        groups=tuple(_figures(case, group, cells) for group, cells in list(case.groups.items())[:MAX_GROUPS]),
    )


def _few(n: int) -> str:
    """A number of people, unless it could single somebody out."""
    return f"fewer than {SMALL_CELL}" if n < SMALL_CELL else f"{n:,}"


def _figures(case: _Case, group: Group, cells: Cells) -> dict[str, Value]:
    """What the result says of a group; numbers below ten stay in the count tables, which can be erased."""
    why = case.why_small(cells)
    figures: dict[str, Value] = {
        "group": dict(zip(case.columns, group, strict=True)),
        "n": sum(cells) if sum(cells) >= SMALL_CELL else None,
        "evaluated": why is None,
        "rates": {rate.name: _rate_figures(rate, cells, case.confidence) for rate in case.rates},
    }
    return figures if why is None else figures | {"left_out": why}


def _rate_figures(rate: Rate, cells: Cells, confidence: float) -> dict[str, Value]:
    k, n = rate.numerator(cells), rate.denominator(cells)
    if n < SMALL_CELL:
        return {"k": None, "n": None, "value": None}
    return {"k": k, "n": n, "value": k / n, "interval": wilson(k, n, confidence).as_json()}

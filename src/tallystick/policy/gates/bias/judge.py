"""The bias gate: compares how groups of people are treated, from count tables alone.

Never green without grounds:

* fewer than two groups large enough: not evaluable (a ratio of one group to itself would be a perfect 1.0);
* nobody has a favourable prediction: not evaluable (0/0 is no parity);
* a group left out for being small is named with its size; if such groups hold more people than the policy allows, or
  one of them is required, the check is not evaluable;
* a required group that is absent is an error; people without a group value are a group of their own;
* where the policy compares with a group that is absent, that is an error, and where it is too small, not evaluable.

Pure: the same counts, gate and seed give the same results, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tallystick.canonical import Value
from tallystick.policy.comparisons import Comparisons, holm
from tallystick.policy.counts import Counts, Group
from tallystick.policy.evidence import Setting
from tallystick.policy.gates.bias import calibration
from tallystick.policy.gates.bias.groups import MAX_GROUPS, WITHHELD, Case, cannot, cases, with_left_out
from tallystick.policy.gates.bias.law import read
from tallystick.policy.gates.bias.model import BiasGate
from tallystick.policy.metrics import Comparison, Rate
from tallystick.policy.proportions import smallest_gap
from tallystick.policy.results import CheckResult, Limits, Verdict, number
from tallystick.policy.statistics import FEW, Interval, bootstrap, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["run"]

_POWER = 0.8


@dataclass(frozen=True)
class _Judged:
    """What a case came to."""

    case: Case
    verdict: Verdict
    reason: str
    value: float | None = None
    interval: Interval | None = None
    figures: Mapping[str, Value] = field(default_factory=dict)
    worst: str = ""
    """Name of the rate that makes the value."""
    p_value: float | None = None
    """Of the claim that the check fails, where claims are corrected."""


def run(gate: BiasGate, counts: Counts, setting: Setting) -> Iterator[CheckResult]:
    """Judge every check of the gate.

    Args:
        gate: of the policy.
        counts: with the tables that the gate needs.
        setting: with the label of the favourable outcome, unless a metric names its own, and the names of the columns
            where a metric looks at the score.

    Raises:
        InvalidData: the counts lack a table, or the outcomes are not those that the gate wants.
    """
    judged = [_judge(case) for case in cases(gate, counts, setting)]
    if gate.family is not None and gate.family.correction == "holm":
        judged = _corrected(judged, 1 - setting.confidence)
    yield from map(_result, judged)


def _judge(case: Case) -> _Judged:
    stopped = cannot(case)
    if stopped is not None:
        return _Judged(case, *stopped)
    if case.of_scores:
        return _calibrated(case)
    found = case.compared
    if found is None:
        zero = next(rate for rate in case.rates if not any(map(rate.numerator, case.kept.values())))
        what = f"the {zero.words} is 0 in every group, so no ratio can be formed"
        return _Judged(case, "not_evaluable", with_left_out(case, what))
    return _measured(case, found)


def _measured(case: Case, found: Comparison) -> _Judged:
    interval, figures = _certainty(case)
    verdict = case.limits.verdict(found.value, interval)
    rule = read(case, verdict)
    reason = "; ".join(filter(None, (_reason(case, found, interval, verdict, figures), rule.reason)))
    told = figures | dict(rule.figures)
    return _Judged(case, rule.verdict, reason, found.value, interval, told, found.rate.name, figures.get("p_value"))


def _certainty(case: Case) -> tuple[Interval | None, dict[str, Value]]:
    """The interval, and what these numbers can tell: of scores above their own median neither is known."""
    if case.median is not None:
        return None, {}
    if case.gate.interval.method != "simultaneous":
        return _interval(case), _power(case)
    among, fail_if = _comparisons(case), case.limits.fail_if
    claim: dict[str, Value] = {} if fail_if is None else {"p_value": among.p_value(fail_if)}
    return among.interval(case.confidence), _power(case) | {"family": case.family} | claim


def _calibrated(case: Case) -> _Judged:
    found = calibration.compared(case)
    verdict = case.limits.verdict(found.value, None)
    return _Judged(case, verdict, with_left_out(case, found.reason), found.value, worst=calibration.NAME)


def _corrected(judged: list[_Judged], level: float) -> list[_Judged]:
    """With every claim of failure that does not stand among all of them made inconclusive."""
    claims = {item.case.id: item.p_value for item in judged if item.p_value is not None}
    stands = dict(zip(claims, holm(list(claims.values()), level), strict=True))
    return [
        _with_claims(item, len(claims), stands[item.case.id]) if item.case.id in claims else item for item in judged
    ]


def _with_claims(judged: _Judged, claims: int, stands: bool) -> _Judged:
    judged = replace(judged, figures=dict(judged.figures) | {"claims": claims})
    if judged.verdict != "fail" or stands:
        return judged
    why = f"beyond the limit, but not after Holm's correction for {claims} checks (p = {number(judged.p_value or 0)})"
    return replace(judged, verdict="inconclusive", reason=f"{judged.reason}; {why}")


# --------------------------------------------------------------------------- intervals, and what the data can tell


def _interval(case: Case) -> Interval | None:
    """The bootstrap interval, or None where some rate stands on fewer than ten people on one of its sides."""
    if _sparse(case):
        return None
    cells = [n for group in case.kept.values() for n in group]

    def statistic(drawn: NDArray[np.float64]) -> Any:
        return _replicates(case, drawn.reshape(len(drawn), len(case.kept), -1))

    how = case.gate.interval
    return bootstrap(cells, statistic, replicates=how.n, confidence=case.confidence, seed=case.seed)


def _sparse(case: Case) -> bool:
    return any(
        min(rate.numerator(cells), rate.denominator(cells) - rate.numerator(cells)) < FEW
        for cells in case.kept.values()
        for rate in case.rates
    )


def _replicates(case: Case, drawn: Any) -> Any:
    """The metric of each drawn table: :func:`compare` for arrays of shape (replicates, groups, cells)."""
    import numpy as np

    ratio = case.metric.metric.form == "ratio"
    each = []
    for values in np.moveaxis(_shares(case.rates, drawn), -1, 0):
        one, two = values.min(axis=1), values.max(axis=1)
        if case.reference_at is not None:
            against = values[:, [case.reference_at]]
            one, two = np.minimum(values, against), np.maximum(values, against)
        found = one / two if ratio else two - one
        each.append(found if found.ndim == 1 else found.min(axis=1) if ratio else found.max(axis=1))
    stacked = np.stack(each)
    return stacked.min(axis=0) if ratio else stacked.max(axis=0)


def _shares(rates: Sequence[Rate], drawn: Any) -> Any:
    """Each rate of each group of each replicate. A product of matrices sums counts exactly: they are whole numbers."""
    import numpy as np

    above, below = np.zeros((2, drawn.shape[-1], len(rates)))
    for at, rate in enumerate(rates):
        above[list(rate.above), at] = 1
        below[list(rate.below), at] = 1
    return (drawn @ above) / (drawn @ below)


def _comparisons(case: Case) -> Comparisons:
    return Comparisons.of(
        case.metric.metric.form,
        case.rates,
        list(case.kept.values()),
        reference=case.reference_at,
        replicates=case.gate.interval.n,
        seed=case.seed,
    )


def _power(case: Case) -> dict[str, Value]:
    """The smallest gap that these numbers tell from none between any two groups; None if there is no such gap."""
    gaps = []
    if case.unsized & case.kept.keys():
        return {"smallest_gap": None, "power": _POWER}  # it would give the size away
    for rate in case.rates:
        k, n = (sum(side(cells) for cells in case.kept.values()) for side in (rate.numerator, rate.denominator))
        small, larger = sorted(rate.denominator(cells) for cells in case.kept.values())[:2]
        gaps.append(smallest_gap(small, larger, k / n, case.confidence, power=_POWER))
    known = [gap for gap in gaps if gap is not None]
    return {"smallest_gap": max(known) if len(known) == len(gaps) else None, "power": _POWER}


# --------------------------------------------------------------------------- words


def _reason(
    case: Case, found: Comparison, interval: Interval | None, verdict: Verdict, figures: Mapping[str, Value]
) -> str:
    kept = list(case.kept.items())
    (low, low_cells), (high, high_cells) = kept[found.low], kept[found.high]
    value, limits, rate = case.limits.show(found.value), case.limits, found.rate
    shares = [f"{_share(rate, cells)} of {rate.denominator(cells):,}" for cells in (low_cells, high_cells)]
    told = WITHHELD if low in case.silent else " against ".join(shares)
    without = "too few events for an interval" if case.median is None else "no interval is stated for it"
    spread = f"; {_spread(interval, limits) if interval else without}"
    between = "of" if case.metric.metric.form == "ratio" else "below"
    text = f"{rate.words} of {case.words(low)} is {value} {between} {case.words(high)}'s"
    text += f" ({told}{spread})"
    if case.favourable:
        text += f", with {case.favourable}"
    if verdict == "fail" and limits.decision == "confident" and "family" not in figures and len(kept) > 2:
        text += f"; this interval makes no allowance for {len(kept)} groups, of which some pair looks worst by chance"
    if verdict == "inconclusive" and figures["smallest_gap"] is not None:
        text += f"; these numbers tell a gap of {number(figures['smallest_gap'])} from none"
    return with_left_out(case, f"{text}; {limits.words}")


def _share(rate: Rate, cells: tuple[int, ...]) -> str:
    return number(rate.numerator(cells) / rate.denominator(cells))


def _spread(interval: Interval, limits: Limits) -> str:
    return f"{interval.words} {limits.show(interval.low)} to {limits.show(interval.high)}"


_ADVICE = {
    "selection_rate": (
        "Compare the selection rates within bands of the strongest features to see which of them stands in for {who}, "
        "and try a candidate trained with a parity constraint; see the rates of each group."
    ),
    "scoring_rate": (
        "Compare the scores within bands of the strongest features to see which of them stands in for {who}; see the "
        "rates of each category."
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
    "negative_predictive_value": (
        "Compare how many of the refused would have merited the favourable outcome, by {who}: calibration, and base "
        "rates."
    ),
    calibration.NAME: (
        "Compare mean scores with what came true within bins, by {who}: a model can be recalibrated, and is often "
        "wrong about a group of which it has seen little."
    ),
    "accuracy": "Compare errors by {who}: a group with worse accuracy is often small or unlike the others in training.",
}


def _advice(judged: _Judged) -> str:
    case, verdict = judged.case, judged.verdict
    if verdict == "pass":
        return ""
    own = case.metric.advice or case.gate.advice
    if judged.value is not None and verdict in ("fail", "warn", "inconclusive"):
        return own or _ADVICE[judged.worst.partition("[")[0]].format(who=" and ".join(case.columns))
    return "Hand in more data for these groups, or put small groups together in the data, with a reason on record."


def _result(judged: _Judged) -> CheckResult:
    case = judged.case
    groups = [_figures(case, group, cells) for group, cells in list(case.groups.items())[:MAX_GROUPS]]
    groups += [_figures(case, group, cells) for group, cells in case.kept.items() if not group]
    return CheckResult(
        id=case.id,
        gate=case.gate.id,
        type="bias",
        verdict=judged.verdict,
        value=judged.value,
        threshold=case.limits.as_json(),
        n=case.n if judged.value is None else sum(map(sum, case.kept.values())),
        interval=None if judged.interval is None else judged.interval.as_json(),
        reason=judged.reason,
        advice=_advice(judged),
        because=case.metric.because or case.gate.because or "",
        replay="counts",
        groups=tuple(groups),
        figures=judged.figures,
    )


def _figures(case: Case, group: Group, cells: tuple[int, ...]) -> dict[str, Value]:
    """What the result says of a group; numbers below ten stay in the count tables, which can be erased.

    So do those of groups in a pool: together with the pool's they could give away a number below ten.
    """
    figures: dict[str, Value] = {
        "group": case.named(group),
        "n": None if group in case.unsized or group in case.pooled else sum(cells),
        "evaluated": group in case.kept,
        "rates": _rates(case, group, cells, withheld=group in case.silent),
    }
    why = case.left_out.get(group)
    return figures if why is None else figures | {"left_out": why}


def _rates(case: Case, group: Group, cells: tuple[int, ...], *, withheld: bool) -> dict[str, Value]:
    if case.of_scores:
        return {} if withheld else calibration.figures(case, group, cells)
    return {rate.name: _rate_figures(rate, cells, case.confidence, withheld=withheld) for rate in case.rates}


def _rate_figures(rate: Rate, cells: tuple[int, ...], confidence: float, *, withheld: bool) -> dict[str, Value]:
    k, n = rate.numerator(cells), rate.denominator(cells)
    if withheld:
        return {"k": None, "n": None, "value": None}
    return {"k": k, "n": n, "value": k / n, "interval": wilson(k, n, confidence).as_json()}

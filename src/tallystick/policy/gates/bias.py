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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.comparisons import Comparisons, holm
from tallystick.policy.counts import Counts, Group, group_words, label
from tallystick.policy.favourable import Reduced, is_any_of, one_of_two, per_class, where
from tallystick.policy.gates import four_fifths, ll144
from tallystick.policy.language import BiasGate, BiasMetric, Compared
from tallystick.policy.metrics import Comparison, Rate, compare
from tallystick.policy.proportions import smallest_gap
from tallystick.policy.results import CheckResult, Limits, Verdict, number
from tallystick.policy.statistics import FEW, Interval, bootstrap, check_seed, wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_GROUPS", "POOLED", "SMALL_CELL", "Case", "measured", "run"]

MAX_GROUPS = 1_000
"""More values than this are no groups of people."""

SMALL_CELL = 10
"""Results, which cannot be erased, give no figures on fewer people than this."""

POOLED = "(small groups together)"
"""How the pool of small groups is shown. As a group it is the empty tuple, which no row of data can be."""

_POWER = 0.8


@dataclass(frozen=True)
class Case:
    """One check before it is judged: what is compared, and by which rules."""

    id: str
    gate: BiasGate
    metric: BiasMetric
    columns: tuple[str, ...]
    groups: Mapping[Group, tuple[int, ...]]
    """All groups, with their cells."""
    rates: tuple[Rate, ...]
    favourable: str
    """What was taken for favourable, where that needs saying."""
    confidence: float
    seed: str
    kept: Mapping[Group, tuple[int, ...]] = field(default_factory=dict)
    """The groups that are compared; among them the pool, if there is one."""
    left_out: Mapping[Group, str] = field(default_factory=dict)
    """The others, each with the reason."""
    pooled: tuple[Group, ...] = ()

    @property
    def limits(self) -> Limits:
        return self.gate.limits(self.metric)

    @property
    def n(self) -> int:
        return sum(map(sum, self.groups.values()))

    @property
    def reference(self) -> Group | None:
        """The group that all others are compared with, as the data spell it; None if the policy names none."""
        if isinstance(self.metric.reference, str):
            return None
        wanted = tuple(label(self.metric.reference[column]) for column in self.columns)
        return next((group for group in self.groups if tuple(map(label, group)) == wanted), ())

    @property
    def reference_at(self) -> int | None:
        """Its position among the groups that are compared."""
        return None if self.reference is None else list(self.kept).index(self.reference)

    @property
    def compared(self) -> Comparison | None:
        """The metric between the groups that are compared; None where it has no value."""
        return compare(self.metric.metric, tuple(self.kept.values()), rates=self.rates, reference=self.reference_at)

    def words(self, group: Group) -> str:
        return group_words(self.columns, group) if group else POOLED

    def split(self) -> Case:
        """The case with its groups divided into those that are compared and those that are left out."""
        reasons = {group: self._why_small(group, cells) for group, cells in self.groups.items()}
        kept = {group: cells for group, cells in self.groups.items() if reasons[group] is None}
        out = {group: why for group, why in reasons.items() if why is not None}
        pool = tuple(map(sum, zip(*(self.groups[group] for group in out), strict=True)))
        if self.gate.min_group.pool and len(out) > 1 and self._why_small((), pool) is None:
            together = dict.fromkeys(out, f"counted among {POOLED}")
            return replace(self, kept=kept | {(): pool}, left_out=together, pooled=tuple(out))
        return replace(self, kept=kept, left_out=out)

    def _why_small(self, group: Group, cells: tuple[int, ...]) -> str | None:
        """Why a group is not compared, or None."""
        if self.metric.name == "ll144":
            return self._why_no_category(group, cells)
        rules = self.gate.min_group
        if sum(cells) < rules.n:
            return f"{_few(sum(cells))} people, and the policy wants {rules.n}"
        for rate in self.rates:
            if rate.conditional and rate.denominator(cells) < rules.positives:
                return f"{_few(rate.denominator(cells))} {rate.of}, and the policy wants {rules.positives}"
        return None

    def _why_no_category(self, group: Group, cells: tuple[int, ...]) -> str | None:
        if None in group:
            return f"{_few(sum(cells))} people of an unknown category, which the rules leave out"
        known = sum(sum(other) for name, other in self.groups.items() if None not in name)
        if self.metric.exclude is not None and sum(cells) < self.metric.exclude.below * known:
            return f"{_few(sum(cells))} people, less than {100 * self.metric.exclude.below:g} % of the data"
        return None


@dataclass(frozen=True)
class _Judged:
    """What a case came to."""

    case: Case
    verdict: Verdict
    reason: str
    found: Comparison | None = None
    interval: Interval | None = None
    figures: Mapping[str, Value] = field(default_factory=dict)
    p_value: float | None = None
    """Of the claim that the check fails, where claims are corrected."""


def run(gate: BiasGate, counts: Counts, *, favourable: str, confidence: float, seed: str) -> Iterator[CheckResult]:
    """Judge every check of the gate.

    Args:
        gate: of the policy.
        counts: with a table for each tuple of columns that the gate compares.
        favourable: label of the favourable outcome, unless a metric names its own.
        confidence: of the intervals.
        seed: of the evaluation, 16 hex digits.
    """
    cases = _cases(gate, counts, favourable=favourable, confidence=confidence, seed=seed)
    judged = [_judge(case) for case in cases]
    if gate.family is not None and gate.family.correction == "holm":
        judged = _corrected(judged, 1 - confidence)
    yield from map(_result, judged)


def measured(gate: BiasGate, counts: Counts, *, favourable: str) -> Iterator[tuple[Case, Comparison]]:
    """Every check that can be measured with the groups that it compares, and what it comes to, without judging it."""
    for case in _cases(gate, counts, favourable=favourable, confidence=0.95, seed="0" * 16):
        found = None if _cannot(case) else case.compared
        if found is not None:
            yield case, found


def _cases(gate: BiasGate, counts: Counts, *, favourable: str, confidence: float, seed: str) -> Iterator[Case]:
    for check, columns, metric in gate.checks():
        reduced = _reduced(counts, columns, metric, favourable)
        own = check_seed(seed, check)
        case = Case(check, gate, metric, columns, reduced.groups, reduced.rates, reduced.words, confidence, own)
        yield case.split()


def _reduced(counts: Counts, columns: tuple[str, ...], metric: BiasMetric, favourable: str) -> Reduced:
    table, rates, own = counts.table(columns), metric.metric.rates, metric.favourable
    if metric.per_class:
        return per_class(counts, table, rates)
    if isinstance(own, Compared):
        return where(counts, table, rates, own.where)
    if isinstance(own, list):
        return is_any_of(counts, table, rates, [label(value) or "" for value in own])
    return one_of_two(counts, table, rates, favourable if own is None else label(own) or "")


def _judge(case: Case) -> _Judged:
    stopped = _cannot(case)
    if stopped is not None:
        return _Judged(case, *stopped)
    found = case.compared
    if found is None:
        zero = next(rate for rate in case.rates if not any(map(rate.numerator, case.kept.values())))
        what = f"the {zero.words} is 0 in every group, so no ratio can be formed"
        return _Judged(case, "not_evaluable", _with_left_out(case, what))
    return _measured(case, found)


def _measured(case: Case, found: Comparison) -> _Judged:
    figures, p_value = _power(case), None
    if case.gate.interval.method == "simultaneous":
        among = _comparisons(case)
        interval: Interval | None = among.interval(case.confidence)
        fail_if = case.limits.fail_if
        p_value = None if fail_if is None else among.p_value(fail_if)
        figures |= {"family": among.family} | ({} if p_value is None else {"p_value": p_value})
    else:
        interval = _interval(case)
    verdict = case.limits.verdict(found.value, interval)
    reason = _reason(case, found, interval, verdict, figures)
    judged = _Judged(case, verdict, reason, found, interval, figures, p_value)
    return _RULES[case.metric.metric.rule](judged) if case.metric.metric.rule else judged


def _corrected(judged: list[_Judged], level: float) -> list[_Judged]:
    """With every claim of failure that does not stand among all of them made inconclusive."""
    claims = [item for item in judged if item.p_value is not None]
    stands = holm([item.p_value for item in claims if item.p_value is not None], level)
    fallen = {item.case.id for item, stood in zip(claims, stands, strict=True) if not stood}
    return [_with_claims(item, len(claims), item.case.id in fallen) if item in claims else item for item in judged]


def _with_claims(judged: _Judged, claims: int, fallen: bool) -> _Judged:
    judged = replace(judged, figures=dict(judged.figures) | {"claims": claims})
    if judged.verdict != "fail" or not fallen:
        return judged
    why = f"beyond the limit, but not after Holm's correction for {claims} checks (p = {number(judged.p_value or 0)})"
    return replace(judged, verdict="inconclusive", reason=f"{judged.reason}; {why}")


# --------------------------------------------------------------------------- what stops a check


def _cannot(case: Case) -> tuple[Verdict, str] | None:
    """Why the metric cannot be judged on these groups, or None."""
    if len(case.groups) > MAX_GROUPS:
        return "error", f"{' and '.join(case.columns)} have {len(case.groups):,} values: these are no groups of people"
    for stop in (_missing_values, _required, _no_reference, _excluded, _too_few, _nobody_selected):
        reason = stop(case)
        if reason is not None:
            return reason
    return None


def _missing_values(case: Case) -> tuple[Verdict, str] | None:
    if case.gate.missing_group != "error":
        return None
    n = sum(sum(cells) for group, cells in case.groups.items() if None in group)
    if n == 0:
        return None
    return (
        "error",
        f"{n:,} people have no value for {' and '.join(case.columns)}, and the policy wants one for everyone",
    )


def _required(case: Case) -> tuple[Verdict, str] | None:
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


def _no_reference(case: Case) -> tuple[Verdict, str] | None:
    reference = case.reference
    if reference is None or reference in case.kept:
        return None
    if not reference:
        return "error", "there is nobody in the group that the policy compares with"
    return (
        "not_evaluable",
        f"{case.words(reference)}, which the policy compares with, is too small: {case.left_out[reference]}",
    )


def _excluded(case: Case) -> tuple[Verdict, str] | None:
    rules = case.gate.min_group
    small = [group for group in case.left_out if group not in case.pooled]
    if not small or case.metric.name == "ll144":
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


def _too_few(case: Case) -> tuple[Verdict, str] | None:
    kept = case.kept
    if len(kept) >= 2:
        return None
    who = f"only one group, {case.words(next(iter(kept)))}" if kept else "no group"
    what = f"there is {who}, that is large enough, so nothing can be compared" if kept else "no group is large enough"
    return "not_evaluable", _with_left_out(case, what)


def _nobody_selected(case: Case) -> tuple[Verdict, str] | None:
    if case.metric.per_class:
        return None  # everybody has some class
    tp, fp, _, _ = map(sum, zip(*case.kept.values(), strict=True))
    if tp + fp:
        return None
    return "not_evaluable", f"none of {case.n:,} people has a favourable prediction, so equal treatment says nothing"


def _listed(case: Case) -> str:
    small = [f"{case.words(group)} ({why})" for group, why in case.left_out.items()]
    return "; ".join(small[:5]) + (f"; and {len(small) - 5} more" if len(small) > 5 else "")


def _with_left_out(case: Case, reason: str) -> str:
    if not case.left_out:
        return reason
    why = "left out" if case.metric.name == "ll144" else "left out as too small"
    if case.pooled:
        why = "too small to be judged alone"
    return f"{reason}; {why}: {_listed(case)}"


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
    for rate in case.rates:
        values = drawn[..., list(rate.above)].sum(axis=-1) / drawn[..., list(rate.below)].sum(axis=-1)
        one, two = values.min(axis=1), values.max(axis=1)
        if case.reference_at is not None:
            against = values[:, [case.reference_at]]
            one, two = np.minimum(values, against), np.maximum(values, against)
        found = one / two if ratio else two - one
        each.append(found if found.ndim == 1 else found.min(axis=1) if ratio else found.max(axis=1))
    stacked = np.stack(each)
    return stacked.min(axis=0) if ratio else stacked.max(axis=0)


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
    for rate in case.rates:
        k, n = (sum(side(cells) for cells in case.kept.values()) for side in (rate.numerator, rate.denominator))
        small, larger = sorted(rate.denominator(cells) for cells in case.kept.values())[:2]
        gaps.append(smallest_gap(small, larger, k / n, case.confidence, power=_POWER))
    known = [gap for gap in gaps if gap is not None]
    return {"smallest_gap": max(known) if len(known) == len(gaps) else None, "power": _POWER}


# --------------------------------------------------------------------------- rules of law


def _four_fifths(judged: _Judged) -> _Judged:
    case = judged.case
    rate = case.rates[0]
    chosen = {group: (rate.numerator(cells), rate.denominator(cells)) for group, cells in case.kept.items()}
    found = four_fifths.readings(chosen, 1 - case.confidence)
    shown: list[Value] = [one.as_json(_named(case, one.group), _named(case, one.highest)) for one in found]
    worst = min(found, key=lambda one: one.ratio)
    reason = f"{judged.reason}; {_three_readings(worst)}"
    judged = replace(judged, reason=reason, figures=dict(judged.figures) | {"four_fifths": shown})
    fail_if = case.limits.fail_if
    if judged.verdict != "fail" or fail_if is None:
        return judged
    below = [one for one in found if fail_if.hit(one.ratio)]
    if any(one.adverse(case.metric.decide_by) for one in below):
        return judged
    why = "the ratio is below the limit, but the other readings that the policy asks for do not agree"
    return replace(judged, verdict="inconclusive", reason=f"{reason}; {why}")


def _three_readings(one: four_fifths.Reading) -> str:
    what = "significant" if one.significant else "not significant"
    turn = "would" if one.one_person else "would not"
    test = "Fisher's exact test" if one.test == "fisher" else f"{number(one.deviations)} standard deviations"
    return (
        f"the difference is {what} (p = {number(one.p_value)}, {test}), and the choice of one different person {turn} "
        "turn it round"
    )


def _ll144(judged: _Judged) -> _Judged:
    case = judged.case
    rate, exclude = case.rates[0], case.metric.exclude
    chosen = {group: (rate.numerator(cells), rate.denominator(cells)) for group, cells in case.groups.items()}
    found = ll144.summary(chosen, exclude_below=0.0 if exclude is None else exclude.below)
    if found is None:
        raise InvalidData("there is no impact ratio")  # compare() has found one
    lines: list[Value] = [_category(case, category) for category in found.categories]
    facts: dict[str, Value] = {"categories": lines, "unknown": found.unknown}
    if exclude is not None:
        facts |= {"excluded_below": exclude.below, "justification": exclude.justification}
    reason = f"{judged.reason}; {found.unknown:,} people of an unknown category are in no figure"
    if found.excluded and exclude is not None:
        reason += f"; excluded because: {exclude.justification}"
    return replace(judged, reason=reason, figures=dict(judged.figures) | {"ll144": facts})


def _category(case: Case, category: ll144.Category) -> dict[str, Value]:
    shown = category.n >= SMALL_CELL
    return {
        "category": _named(case, category.group),
        "n": category.n if shown else None,
        "selected": category.chosen if shown else None,
        "selection_rate": category.rate if shown else None,
        "impact_ratio": category.impact_ratio if shown else None,
        "excluded": category.impact_ratio is None,
    }


_RULES = {"four_fifths": _four_fifths, "ll144": _ll144}


# --------------------------------------------------------------------------- words


def _reason(
    case: Case, found: Comparison, interval: Interval | None, verdict: Verdict, figures: Mapping[str, Value]
) -> str:
    kept = list(case.kept.items())
    (low, low_cells), (high, high_cells) = kept[found.low], kept[found.high]
    value, limits, rate = case.limits.show(found.value), case.limits, found.rate
    shares = [f"{_share(rate, cells)} of {rate.denominator(cells):,}" for cells in (low_cells, high_cells)]
    spread = f"; {_spread(interval, limits)}" if interval else "; too few events for an interval"
    between = "of" if case.metric.metric.form == "ratio" else "below"
    text = f"{rate.words} of {case.words(low)} is {value} {between} {case.words(high)}'s"
    text += f" ({shares[0]} against {shares[1]}{spread})"
    if case.favourable:
        text += f", with {case.favourable}"
    if verdict == "fail" and limits.decision == "confident" and "family" not in figures and len(kept) > 2:
        text += f"; this interval makes no allowance for {len(kept)} groups, of which some pair looks worst by chance"
    if verdict == "inconclusive" and figures["smallest_gap"] is not None:
        text += f"; these numbers tell a gap of {number(figures['smallest_gap'])} from none"
    return _with_left_out(case, f"{text}; {limits.words}")


def _share(rate: Rate, cells: tuple[int, ...]) -> str:
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
    "negative_predictive_value": (
        "Compare how many of the refused would have merited the favourable outcome, by {who}: calibration, and base "
        "rates."
    ),
    "accuracy": "Compare errors by {who}: a group with worse accuracy is often small or unlike the others in training.",
}


def _advice(judged: _Judged) -> str:
    case, verdict, found = judged.case, judged.verdict, judged.found
    if verdict == "pass":
        return ""
    own = case.metric.advice or case.gate.advice
    if verdict in ("fail", "warn") or (verdict == "inconclusive" and found is not None):
        rate = found.rate.name if found else case.rates[0].name
        return own or _ADVICE[rate.partition("[")[0]].format(who=" and ".join(case.columns))
    return "Hand in more data for these groups, or put small groups together in the data, with a reason on record."


def _result(judged: _Judged) -> CheckResult:
    case, found = judged.case, judged.found
    groups = [_figures(case, group, cells) for group, cells in list(case.groups.items())[:MAX_GROUPS]]
    groups += [_figures(case, group, cells) for group, cells in case.kept.items() if not group]
    return CheckResult(
        id=case.id,
        gate=case.gate.id,
        type="bias",
        verdict=judged.verdict,
        value=None if found is None else found.value,
        threshold=case.limits.as_json(),
        n=sum(map(sum, case.kept.values())) if found else case.n,
        interval=None if judged.interval is None else judged.interval.as_json(),
        reason=judged.reason,
        advice=_advice(judged),
        because=case.metric.because or case.gate.because or "",
        replay="counts",
        groups=tuple(groups),
        figures=judged.figures,
    )


def _few(n: int) -> str:
    """A number of people, unless it could single somebody out."""
    return f"fewer than {SMALL_CELL}" if n < SMALL_CELL else f"{n:,}"


def _named(case: Case, group: Group) -> dict[str, Value]:
    return dict(zip(case.columns, group or (POOLED,) * len(case.columns), strict=True))


def _figures(case: Case, group: Group, cells: tuple[int, ...]) -> dict[str, Value]:
    """What the result says of a group; numbers below ten stay in the count tables, which can be erased.

    So do those of groups in a pool: together with the pool's they could give away a number below ten.
    """
    withheld = group in case.pooled
    figures: dict[str, Value] = {
        "group": _named(case, group),
        "n": sum(cells) if sum(cells) >= SMALL_CELL and not withheld else None,
        "evaluated": group in case.kept,
        "rates": {rate.name: _rate_figures(rate, cells, case.confidence, withheld=withheld) for rate in case.rates},
    }
    why = case.left_out.get(group)
    return figures if why is None else figures | {"left_out": why}


def _rate_figures(rate: Rate, cells: tuple[int, ...], confidence: float, *, withheld: bool) -> dict[str, Value]:
    k, n = rate.numerator(cells), rate.denominator(cells)
    if n < SMALL_CELL or withheld:
        return {"k": None, "n": None, "value": None}
    return {"k": k, "n": n, "value": k / n, "interval": wilson(k, n, confidence).as_json()}

"""Which groups a bias check compares, which it leaves out and says so, and when it compares none at all.

A group is small by the rules of the policy, or, for an audit under Local Law 144, of an unknown category. Small groups
are named with the reason, never dropped; they may be judged together. See :mod:`tallystick.policy.gates.bias.judge` for
when nothing is judged.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.calibration import Histogram, histograms
from tallystick.policy.counts import Counts, Group, group_words, label
from tallystick.policy.evidence import Setting
from tallystick.policy.favourable import Reduced, is_any_of, one_of_two, per_class, where
from tallystick.policy.gates.bias import ll144
from tallystick.policy.gates.bias.model import BiasGate, BiasMetric, Compared
from tallystick.policy.metrics import Comparison, Rate, compare
from tallystick.policy.results import Limits, Verdict
from tallystick.policy.statistics import check_seed

__all__ = [
    "MAX_GROUPS",
    "MAX_PAIRS",
    "POOLED",
    "SMALL_CELL",
    "WITHHELD",
    "Case",
    "cannot",
    "cases",
    "few",
    "with_left_out",
]

MAX_GROUPS = 1_000
"""More values than this are no groups of people."""

SMALL_CELL = 10
"""Results, which cannot be erased, give no figures on fewer people than this."""

WITHHELD = f"figures withheld, which would tell of fewer than {SMALL_CELL} people"

MAX_PAIRS = 200_000
"""More pairs than this are not compared all at once."""

POOLED = "(small groups together)"
"""How the pool of small groups is shown. As a group it is the empty tuple, which no row of data can be."""


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
    flaw: str = ""
    """Why its scores cannot be used; empty if they can."""
    median: float | None = None
    """Of all scores, where the cells of a group are how many lie above it, and how many do not."""

    @property
    def is_audit(self) -> bool:
        """Whether it is one under Local Law 144, which has rules of its own on who is left out."""
        return self.metric.metric.rule == "ll144"

    @property
    def of_scores(self) -> bool:
        """Whether the cells of a group are its scores by band, first those with the favourable true outcome."""
        return self.metric.metric.stands_on == "scores"

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
        wanted = self.metric.reference
        return next((group for group in self.groups if self.is_called(group, wanted)), ())

    def is_called(self, group: Group, wanted: Mapping[str, Any]) -> bool:
        """Whether the policy means this group, however either spells it."""
        return tuple(map(label, group)) == tuple(label(wanted[column]) for column in self.columns)

    @property
    def reference_at(self) -> int | None:
        """Its position among the groups that are compared."""
        return None if self.reference is None else list(self.kept).index(self.reference)

    @property
    def compared(self) -> Comparison | None:
        """The metric between the groups that are compared; None where it has no value."""
        return compare(self.metric.metric, tuple(self.kept.values()), rates=self.rates, reference=self.reference_at)

    @property
    def family(self) -> int:
        """How many pairs of groups are compared, under all rates."""
        others = len(self.kept) - 1
        return len(self.rates) * (others * (others + 1) // 2 if self.reference is None else others)

    @cached_property
    def unsized(self) -> frozenset[Group]:
        """The groups whose size no result gives. That it may follow from all rows less the others is documented."""
        return frozenset(group for group, cells in self.groups.items() if sum(cells) < SMALL_CELL)

    @cached_property
    def silent(self) -> frozenset[Group]:
        """The groups of which no result gives a rate, because a number below ten would follow from it.

        Where the value rests on such a group it gives that away beside the rates of the other, which are silent too.
        """
        everyone = {**self.groups, **self.kept}
        small = {group for group, cells in everyone.items() if self._gives_away(cells)} | self.unsized | {*self.pooled}
        judged = not self.of_scores and len(self.kept) > 1 and (self.reference is None or self.reference in self.kept)
        found = self.compared if judged else None
        if found is not None:
            kept = list(self.kept)
            pair = {kept[found.low], kept[found.high]}
            small |= pair if pair & small else set()
        return frozenset(small)

    def _gives_away(self, cells: tuple[int, ...]) -> bool:
        """Whether the rates of a group tell a number of people below ten, in this check or beside others."""
        if self.of_scores:
            favourable = Histogram.of(cells).favourable
            return min(favourable, sum(cells) - favourable) < SMALL_CELL
        conditional = any(rate.conditional for rate in self.rates)
        parts = [(rate.numerator(cells), rate.denominator(cells)) for rate in self.rates]
        told = [number for k, n in parts for number in (k, n - k)] + (list(cells) if conditional else [])
        return min(told, default=0) < SMALL_CELL

    def words(self, group: Group) -> str:
        return group_words(self.columns, group) if group else POOLED

    def named(self, group: Group) -> dict[str, Value]:
        """Column to value, as results name a group."""
        return dict(zip(self.columns, group or (POOLED,) * len(self.columns), strict=True))

    def split(self) -> Case:
        """The case with its groups divided into those that are compared and those that are left out."""
        reasons = {group: self._why_small(group, cells) for group, cells in self.groups.items()}
        kept = {group: cells for group, cells in self.groups.items() if reasons[group] is None}
        out = {group: why for group, why in reasons.items() if why is not None}
        pool = tuple(map(sum, zip(*(self.groups[group] for group in out), strict=True)))
        may = self.gate.min_group.pool and not self.is_audit  # which leaves nobody out for being few
        if may and len(out) > 1 and self._why_small((), pool) is None:
            together = dict.fromkeys(out, f"counted among {POOLED}")
            return replace(self, kept=kept | {(): pool}, left_out=together, pooled=tuple(out))
        return replace(self, kept=kept, left_out=out)

    def _why_small(self, group: Group, cells: tuple[int, ...]) -> str | None:
        """Why a group is not compared, or None."""
        if self.is_audit:
            return self._why_no_category(group, cells)
        rules = self.gate.min_group
        if sum(cells) < rules.n:
            return f"{few(sum(cells))} people, and the policy wants {rules.n}"
        for n, whom in self._stands_on(cells):
            if n < rules.positives:
                return f"{few(n)} {whom}, and the policy wants {rules.positives}"
        return None

    def _stands_on(self, cells: tuple[int, ...]) -> Iterator[tuple[int, str]]:
        """How many people of a group its conditional rates stand on, and whom."""
        if self.of_scores:
            yield Histogram.of(cells).favourable, "people with the favourable true outcome"
        for rate in self.rates:
            if rate.conditional:
                yield rate.denominator(cells), rate.of

    def _why_no_category(self, group: Group, cells: tuple[int, ...]) -> str | None:
        if None in group:
            return f"{few(sum(cells))} people of an unknown category, which the rules leave out"
        if self.metric.exclude is not None and sum(cells) < self.metric.exclude.below * self._known:
            return f"{few(sum(cells))} people, less than {100 * self.metric.exclude.below:g} % of the data"
        return None

    @cached_property
    def _known(self) -> int:
        """How many people are of a known category."""
        return sum(sum(cells) for group, cells in self.groups.items() if None not in group)


def cases(gate: BiasGate, counts: Counts, setting: Setting) -> Iterator[Case]:
    """Every check of the gate with its groups, in the order of the plan; arguments as for ``judge.run``."""
    for check, columns, metric in gate.checks():
        own = check_seed(setting.seed, check)
        case = Case(check, gate, metric, columns, {}, (), "", setting.confidence, own)
        if metric.metric.stands_on == "predictions":
            reduced = _reduced(counts, columns, metric, setting.favourable)
            case = replace(case, groups=reduced.groups, rates=reduced.rates, favourable=reduced.words)
        else:
            case = _scored(case, counts, setting)
        yield case.split()


def _scored(case: Case, counts: Counts, setting: Setting) -> Case:
    """The case with the scores of its groups, or with what is wrong with them."""
    if setting.inputs is None:
        raise InvalidData("the policy names no columns")
    table = counts.over(*case.metric.axes(setting.inputs.columns, case.columns))
    many = len({marks[: len(case.columns)] for marks, _ in table.cells})
    if many > MAX_GROUPS:  # of each there would be two thousand counts
        return replace(case, flaw=_no_groups(case, many))
    try:
        if case.of_scores:
            counts.check_favourable(setting.favourable)
            found = histograms(table, setting.favourable)
            return replace(case, groups={group: histogram.cells for group, histogram in found.items()})
        groups, (median,) = ll144.above_median(table), table.axes[-1].edges
        return replace(case, groups=groups, rates=case.metric.metric.rates, median=median)
    except InvalidData as error:
        return replace(case, flaw=str(error))


def _reduced(counts: Counts, columns: tuple[str, ...], metric: BiasMetric, favourable: str) -> Reduced:
    table, rates, own = counts.table(columns), metric.metric.rates, metric.favourable
    if metric.per_class:
        return per_class(counts, table, rates)
    if isinstance(own, Compared):
        return where(counts, table, rates, own.where)
    if isinstance(own, list):
        return is_any_of(counts, table, rates, [label(value) or "" for value in own])
    return one_of_two(counts, table, rates, favourable if own is None else label(own) or "")


# --------------------------------------------------------------------------- what stops a check


def cannot(case: Case) -> tuple[Verdict, str] | None:
    """Why the metric cannot be judged on these groups, or None."""
    if case.flaw:
        return "error", case.flaw
    if len(case.groups) > MAX_GROUPS:
        return "error", _no_groups(case, len(case.groups))
    if case.gate.interval.method == "simultaneous" and case.family > MAX_PAIRS:
        return "error", f"{case.family:,} pairs of groups are too many to compare all at once"
    for stop in (_missing_values, _two_spellings, _required, _no_reference, _excluded, _too_few, _nobody_selected):
        reason = stop(case)
        if reason is not None:
            return reason
    return None


def _no_groups(case: Case, many: int) -> str:
    return f"{' and '.join(case.columns)} have {many:,} values: these are no groups of people"


def _missing_values(case: Case) -> tuple[Verdict, str] | None:
    if case.gate.missing_group != "error":
        return None
    n = sum(sum(cells) for group, cells in case.groups.items() if None in group)
    if n == 0:
        return None
    return (
        "error",
        f"{few(n)} people have no value for {' and '.join(case.columns)}, and the policy wants one for everyone",
    )


def _two_spellings(case: Case) -> tuple[Verdict, str] | None:
    """A group that the policy names is one group of the data: ``1`` and ``01`` are two."""
    named = [] if isinstance(case.metric.reference, str) else [case.metric.reference]
    if len(case.columns) == 1:
        named += [{case.columns[0]: value} for value in case.gate.require_groups.get(case.columns[0], [])]
    for wanted in named:
        spelt = [group for group in case.groups if case.is_called(group, wanted)]
        if len(spelt) > 1:
            told = " and ".join(case.words(group) for group in spelt[:3])
            return "error", f"the policy names one group that the data spell in {len(spelt)} ways: {told}"
    return None


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
    if not small or case.is_audit:
        return None
    if rules.on_small == "error":
        return "error", f"groups are too small, which the policy makes an error: {_listed(case)}"
    n = sum(sum(case.groups[group]) for group in small)
    if n <= rules.max_excluded_share * case.n:
        return None
    share = f"{few(n)} of {case.n:,} people" + (f" ({100 * n / case.n:.2g} %)" if n >= SMALL_CELL else "")
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
    return "not_evaluable", with_left_out(case, what)


def _nobody_selected(case: Case) -> tuple[Verdict, str] | None:
    if case.metric.per_class or case.metric.metric.stands_on != "predictions":
        return None  # everybody has some class, and a score
    tp, fp, _, _ = map(sum, zip(*case.kept.values(), strict=True))
    if tp + fp:
        return None
    return "not_evaluable", f"none of {case.n:,} people has a favourable prediction, so equal treatment says nothing"


def _listed(case: Case) -> str:
    small = [f"{case.words(group)} ({why})" for group, why in case.left_out.items()]
    return "; ".join(small[:5]) + (f"; and {len(small) - 5} more" if len(small) > 5 else "")


def with_left_out(case: Case, reason: str) -> str:
    """The reason, and after it the groups that are not judged, each with its own."""
    if not case.left_out:
        return reason
    why = "left out" if case.is_audit else "left out as too small"
    if case.pooled:
        why = "too small to be judged alone"
    return f"{reason}; {why}: {_listed(case)}"


def few(n: int) -> str:
    """A number of people, unless it could single somebody out."""
    return f"fewer than {SMALL_CELL}" if n < SMALL_CELL else f"{n:,}"

"""What rules of law add to a check: further readings beside its value, figures to be published, and a verdict.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.counts import Group
from tallystick.policy.gates.bias import four_fifths, ll144
from tallystick.policy.gates.bias.groups import SMALL_CELL, Case, few
from tallystick.policy.results import Verdict, number

__all__ = ["Reading", "published", "read"]


@dataclass(frozen=True)
class Reading:
    """What a rule says."""

    verdict: Verdict
    reason: str = ""
    """What to add to the reason; empty where no rule speaks."""
    figures: Mapping[str, Value] = field(default_factory=dict)


def read(case: Case, verdict: Verdict) -> Reading:
    """What the rule behind the metric makes of a check that was measured."""
    if case.metric.metric.rule == "four_fifths":
        return _four_fifths(case, verdict)
    return _ll144(case, verdict) if case.metric.metric.rule == "ll144" else Reading(verdict)


def _four_fifths(case: Case, verdict: Verdict) -> Reading:
    chosen = {group: (case.rates[0].numerator(cells), sum(cells)) for group, cells in case.kept.items()}
    found = four_fifths.readings(chosen, 1 - case.confidence)
    shown: list[Value] = [_shown(case, one) for one in found]
    figures: dict[str, Value] = {"four_fifths": shown}
    lowest = min(found, key=lambda one: one.ratio)
    reason = _three_readings(lowest, withheld=_is_silent(case, lowest))
    fail_if = case.limits.fail_if
    below = [] if fail_if is None else [one for one in found if fail_if.hit(one.ratio)]
    if verdict != "fail" or any(one.adverse(case.metric.decide_by) for one in below):
        return Reading(verdict, reason, figures)
    why = "the ratio is below the limit, but the other readings that the policy asks for do not agree"
    return Reading("inconclusive", f"{reason}; {why}", figures)


_NUMBERS: Final = ("ratio", "deviations", "p_value")


def _shown(case: Case, one: four_fifths.Reading) -> dict[str, Value]:
    told = one.as_json(case.named(one.group), case.named(one.highest))
    return told | dict.fromkeys(_NUMBERS) if _is_silent(case, one) else told


def _is_silent(case: Case, one: four_fifths.Reading) -> bool:
    return bool({one.group, one.highest} & case.silent)


def _three_readings(one: four_fifths.Reading, *, withheld: bool) -> str:
    what = "significant" if one.significant else "not significant"
    turn = "would" if one.one_person else "would not"
    test = "Fisher's exact test" if one.test == "fisher" else f"{number(one.deviations)} standard deviations"
    numbers = "" if withheld else f" (p = {number(one.p_value)}, {test})"
    return f"the difference is {what}{numbers}, and the choice of one different person {turn} turn it round"


def _ll144(case: Case, verdict: Verdict) -> Reading:
    exclude, found = case.metric.exclude, _summary(case)
    if found is None:
        raise InvalidData("there is no impact ratio")  # compare() has found one
    facts = _table(case, found, withheld=True)
    unknown = few(found.unknown) if facts["unknown"] is None else f"{found.unknown:,}"
    reason = "" if case.median is None else f"the median of all scores is {number(case.median)}; "
    reason += f"{unknown} people of an unknown category are in no figure"
    if found.excluded and exclude is not None:
        reason += f"; excluded because: {exclude.justification}"
    return Reading(verdict, reason, {"ll144": facts})


def published(case: Case) -> dict[str, Value] | None:
    """The table of Local Law 144 with nothing withheld, as the published summary must have it: 6 RCNY 5-303.

    Results, which cannot be erased, hold the same without what would tell of fewer than ten people. None where there is
    no impact ratio.
    """
    found = _summary(case)
    return None if found is None else _table(case, found, withheld=False)


def _summary(case: Case) -> ll144.Summary | None:
    exclude = case.metric.exclude
    chosen = {group: (case.rates[0].numerator(cells), sum(cells)) for group, cells in case.groups.items()}
    return ll144.summary(chosen, exclude_below=0.0 if exclude is None else exclude.below)


def _table(case: Case, found: ll144.Summary, *, withheld: bool) -> dict[str, Value]:
    exclude = case.metric.exclude
    top = {category.group for category in found.categories if category.impact_ratio == 1}
    silent, unsized = (case.silent, case.unsized) if withheld else (frozenset[Group](), frozenset[Group]())
    lines: list[Value] = [
        {
            "category": case.named(category.group),
            "n": None if category.group in unsized else category.n,
            "selected" if case.median is None else "above_median": None
            if category.group in silent
            else category.chosen,
            case.rates[0].name: None if category.group in silent else category.rate,
            # an impact ratio would give the rate of the highest category away
            "impact_ratio": None if {category.group, *top} & silent else category.impact_ratio,
            "excluded": category.impact_ratio is None,
        }
        for category in found.categories
    ]
    few_unknown = withheld and 0 < found.unknown < SMALL_CELL
    facts: dict[str, Value] = {"categories": lines, "unknown": None if few_unknown else found.unknown}
    if case.median is not None:
        facts["median"] = case.median
    if exclude is not None:
        facts |= {"excluded_below": exclude.below, "justification": exclude.justification}
    return facts

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

__all__ = ["Reading", "read"]


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
    exclude = case.metric.exclude
    chosen = {group: (case.rates[0].numerator(cells), sum(cells)) for group, cells in case.groups.items()}
    found = ll144.summary(chosen, exclude_below=0.0 if exclude is None else exclude.below)
    if found is None:
        raise InvalidData("there is no impact ratio")  # compare() has found one
    top = {category.group for category in found.categories if category.impact_ratio == 1}
    lines: list[Value] = [_category(case, category, top) for category in found.categories]
    known = found.unknown == 0 or found.unknown >= SMALL_CELL
    facts: dict[str, Value] = {"categories": lines, "unknown": found.unknown if known else None}
    if case.median is not None:
        facts["median"] = case.median
    if exclude is not None:
        facts |= {"excluded_below": exclude.below, "justification": exclude.justification}
    reason = "" if case.median is None else f"the median of all scores is {number(case.median)}; "
    reason += f"{found.unknown:,}" if known else few(found.unknown)
    reason += " people of an unknown category are in no figure"
    if found.excluded and exclude is not None:
        reason += f"; excluded because: {exclude.justification}"
    return Reading(verdict, reason, {"ll144": facts})


def _category(case: Case, category: ll144.Category, top: set[Group]) -> dict[str, Value]:
    """A line of the table; an impact ratio would give the rate of the highest category away."""
    shown = category.group not in case.silent
    return {
        "category": case.named(category.group),
        "n": None if category.group in case.unsized else category.n,
        "selected" if case.median is None else "above_median": category.chosen if shown else None,
        case.rates[0].name: category.rate if shown else None,
        "impact_ratio": category.impact_ratio if shown and not top & case.silent else None,
        "excluded": category.impact_ratio is None,
    }

"""What rules of law add to a check: further readings beside its value, figures to be published, and a verdict.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.gates.bias import four_fifths, ll144
from tallystick.policy.gates.bias.groups import SMALL_CELL, Case
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
    shown: list[Value] = [one.as_json(case.named(one.group), case.named(one.highest)) for one in found]
    figures: dict[str, Value] = {"four_fifths": shown}
    reason = _three_readings(min(found, key=lambda one: one.ratio))
    fail_if = case.limits.fail_if
    below = [] if fail_if is None else [one for one in found if fail_if.hit(one.ratio)]
    if verdict != "fail" or any(one.adverse(case.metric.decide_by) for one in below):
        return Reading(verdict, reason, figures)
    why = "the ratio is below the limit, but the other readings that the policy asks for do not agree"
    return Reading("inconclusive", f"{reason}; {why}", figures)


def _three_readings(one: four_fifths.Reading) -> str:
    what = "significant" if one.significant else "not significant"
    turn = "would" if one.one_person else "would not"
    test = "Fisher's exact test" if one.test == "fisher" else f"{number(one.deviations)} standard deviations"
    return (
        f"the difference is {what} (p = {number(one.p_value)}, {test}), and the choice of one different person {turn} "
        "turn it round"
    )


def _ll144(case: Case, verdict: Verdict) -> Reading:
    exclude = case.metric.exclude
    chosen = {group: (case.rates[0].numerator(cells), sum(cells)) for group, cells in case.groups.items()}
    found = ll144.summary(chosen, exclude_below=0.0 if exclude is None else exclude.below)
    if found is None:
        raise InvalidData("there is no impact ratio")  # compare() has found one
    lines: list[Value] = [_category(case, category) for category in found.categories]
    facts: dict[str, Value] = {"categories": lines, "unknown": found.unknown}
    if case.median is not None:
        facts["median"] = case.median
    if exclude is not None:
        facts |= {"excluded_below": exclude.below, "justification": exclude.justification}
    reason = "" if case.median is None else f"the median of all scores is {number(case.median)}; "
    reason += f"{found.unknown:,} people of an unknown category are in no figure"
    if found.excluded and exclude is not None:
        reason += f"; excluded because: {exclude.justification}"
    return Reading(verdict, reason, {"ll144": facts})


def _category(case: Case, category: ll144.Category) -> dict[str, Value]:
    shown = category.n >= SMALL_CELL
    return {
        "category": case.named(category.group),
        "n": category.n if shown else None,
        "selected" if case.median is None else "above_median": category.chosen if shown else None,
        case.rates[0].name: category.rate if shown else None,
        "impact_ratio": category.impact_ratio if shown else None,
        "excluded": category.impact_ratio is None,
    }

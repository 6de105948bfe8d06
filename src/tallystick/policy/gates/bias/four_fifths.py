"""The four-fifths rule with its three readings: 29 CFR 1607.4(D), and the agencies' questions and answers of 1979.

1. The ratio: a selection rate below four fifths of the highest group's is generally taken for evidence of adverse
   impact (1607.4(D)).
2. Significance: a smaller difference may still be adverse impact where it is significant both statistically and in
   practice; a greater one may be none where it rests on small numbers and is not statistically significant (1607.4(D),
   questions 20 to 24). No test is prescribed. Here: the pooled z test in standard deviations, and Fisher's exact
   test in its place where an expected number is below 5; two-sided.
3. Small numbers: enforcement is generally out of place where the choice of one different person would turn the result
   round, so that the group would have the higher rate (question 21).

The rule is one of employment in the United States, and a rule of thumb: it does not say that selection is lawful.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tallystick.canonical import Value
from tallystick.policy.counts import Group
from tallystick.policy.proportions import fisher, pooled_z

__all__ = ["Reading", "readings"]

_FEW_EXPECTED = 5


@dataclass(frozen=True)
class Reading:
    """What the three readings say of one group beside the one with the highest rate."""

    group: Group
    highest: Group
    ratio: float
    deviations: float
    """How many standard deviations the group's rate lies below, by the pooled rate."""
    p_value: float
    test: str
    """``pooled_z`` or ``fisher``."""
    significant: bool
    one_person: bool
    """Whether the choice of one different person would give the group the higher rate."""

    def adverse(self, decide_by: str) -> bool:
        """Whether all readings that decide besides the ratio say adverse impact."""
        if decide_by == "ratio":
            return True
        return self.significant and (decide_by == "ratio_and_significance" or not self.one_person)

    def as_json(self, group: Value, highest: Value) -> dict[str, Value]:
        return {
            "group": group,
            "highest": highest,
            "ratio": self.ratio,
            "deviations": self.deviations,
            "p_value": self.p_value,
            "test": self.test,
            "significant": self.significant,
            "one_person": self.one_person,
        }


def readings(groups: Mapping[Group, tuple[int, int]], level: float) -> list[Reading]:
    """The readings of every group but the one with the highest rate, in order.

    Args:
        groups: selected and number of each, none of 0 people, somebody selected.
        level: a p-value up to this is significant.
    """
    highest = max(groups, key=lambda group: groups[group][0] / groups[group][1])
    return [_reading(group, highest, groups, level) for group in groups if group != highest]


def _reading(group: Group, highest: Group, groups: Mapping[Group, tuple[int, int]], level: float) -> Reading:
    (k, n), (top, of) = groups[group], groups[highest]
    deviations = pooled_z(top, of, k, n)
    chosen, total = k + top, n + of
    expected = min(chosen, total - chosen) * min(n, of) / total
    test = "fisher" if expected < _FEW_EXPECTED else "pooled_z"
    p_value = fisher(k, n, top, of) if test == "fisher" else math.erfc(abs(deviations) / math.sqrt(2))
    return Reading(
        group=group,
        highest=highest,
        ratio=(k / n) / (top / of),
        deviations=deviations,
        p_value=p_value,
        test=test,
        significant=p_value <= level,
        one_person=(k + 1) * of > (top - 1) * n,
    )

"""Calibration within groups: whether scores mean in every group what they say.

* ``calibration_within_groups``: the largest expected calibration error of any group that is judged;
* ``calibration_difference``: the largest less the smallest.

The error of a group and what it stands on are those of :mod:`tallystick.policy.calibration`. Neither has an interval,
for chance alone makes an error larger than 0; beside the error of each group stands what a calibrated score would be
expected to show of as many people. See Kleinberg, Mullainathan and Raghavan, "Inherent Trade-Offs in the Fair
Determination of Risk Scores" (2016), for what calibration within groups cannot go with.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.canonical import Value
from tallystick.policy.calibration import Histogram, expected_error
from tallystick.policy.counts import Group
from tallystick.policy.gates.bias.groups import WITHHELD, Case
from tallystick.policy.results import number

__all__ = ["NAME", "Found", "compared", "figures"]

NAME: Final = "expected_calibration_error"


@dataclass(frozen=True)
class Found:
    """What a check of calibration comes to."""

    value: float
    reason: str


@dataclass(frozen=True)
class _Error:
    """How far the scores of a group are from what came true."""

    group: Group
    n: int
    value: float
    by_chance: float
    """What a calibrated score would be expected to show."""
    over: float
    """By how much the mean score lies above the share that came true."""

    @classmethod
    def of(cls, case: Case, group: Group, cells: Sequence[int]) -> _Error:
        bins = Histogram.of(cells).bins(case.metric.bins)
        n = sum(found.n for found in bins)
        value, by_chance = expected_error(bins)
        over = sum(found.n * found.mean for found in bins) / n - sum(found.k for found in bins) / n
        return cls(group, n, value, by_chance, over)


def compared(case: Case) -> Found:
    """The value of a check whose groups are all large enough, and the sentence that says so."""
    errors = [_Error.of(case, group, cells) for group, cells in case.kept.items()]
    low, high = (choose(errors, key=lambda one: one.value) for choose in (min, max))
    if case.metric.name == "calibration_difference":
        value = high.value - low.value
        told = f"{_told(case, high)}, against {_told(case, low)}"
        what = f"{case.limits.show(value)} above {case.words(low.group)}'s ({told}"
    else:
        value = high.value
        what = f"{case.limits.show(value)} ({_told(case, high)}"
    text = f"expected calibration error of {case.words(high.group)} is {what}; no interval is stated for it)"
    return Found(value, f"{text}; {case.limits.words}")


def _told(case: Case, error: _Error) -> str:
    if error.group in case.silent:
        return WITHHELD
    direction = "high" if error.over > 0 else "low"
    return (
        f"{number(error.value)} over {error.n:,} people, whose scores are {number(abs(error.over))} too {direction} on "
        f"the whole; a calibrated score would be expected to show {number(error.by_chance)}"
    )


def figures(case: Case, group: Group, cells: Sequence[int]) -> dict[str, Value]:
    """What a result says of a group."""
    error = _Error.of(case, group, cells)
    return {NAME: {"value": error.value, "n": error.n}, "expected_if_calibrated": {"value": error.by_chance}}

"""Check results: what a gate says about one planned check, and how results roll up to one verdict.

A result is a value: "no" is no error. Verdicts of a check:

=================  ==================================================================================
``pass``           measured, and on the good side of every threshold
``warn``           measured, and beyond ``warn_if`` only
``fail``           measured, and beyond ``fail_if``
``inconclusive``   measured, but the interval straddles the threshold (``decision: confident``)
``not_evaluable``  could not be measured on these data (a group too small, nobody selected)
``not_applicable`` the policy itself says that the check does not apply to such data
``error``          could not be carried out
=================  ==================================================================================

The roll-up: error > fail > inconclusive > warn > pass. A check that is not evaluable makes the whole inconclusive: what
was planned and could not be measured is never green. If nothing was measured at all, that is an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.people.rules import rolled_up
from tallystick.policy.statistics import Interval
from tallystick.policy.threshold import Threshold

__all__ = [
    "MEASURED",
    "VERDICTS",
    "CheckResult",
    "Decision",
    "Limits",
    "Replay",
    "Verdict",
    "against_plan",
    "broken",
    "number",
    "read_result",
    "roll_up",
]

Verdict = Literal["pass", "warn", "fail", "inconclusive", "not_evaluable", "not_applicable", "error"]
Decision = Literal["point", "confident"]
Replay = Literal["counts", "threshold-only"]

VERDICTS: tuple[Verdict, ...] = ("error", "fail", "inconclusive", "not_evaluable", "warn", "pass", "not_applicable")
"""Worst first."""
MEASURED = frozenset({"pass", "warn", "fail", "inconclusive"})


@dataclass(frozen=True)
class Limits:
    """What a policy says about one value: its thresholds, and whether the point or the whole interval decides."""

    fail_if: Threshold | None
    warn_if: Threshold | None
    decision: Decision = "point"

    def verdict(self, value: float, interval: Interval | None) -> Verdict:
        """The verdict on a measured value.

        ``point``: the value alone. ``confident``: ``fail`` if value and interval lie wholly beyond ``fail_if``,
        ``inconclusive`` if they straddle it or if there is no interval. ``warn_if`` looks at the value alone.
        A value that is not finite is an error, because NaN compares as neither good nor bad.
        """
        if not math.isfinite(value):
            return "error"
        beyond = self._beyond(value, interval)
        if beyond is None:
            return "inconclusive"
        if beyond:
            return "fail"
        return "warn" if self.warn_if is not None and self.warn_if.hit(value) else "pass"

    def _beyond(self, value: float, interval: Interval | None) -> bool | None:
        if self.fail_if is None:
            return False
        if self.decision == "point":
            return self.fail_if.hit(value)
        if interval is None:
            return None
        hits = {self.fail_if.hit(end) for end in (value, interval.low, interval.high)}
        return hits.pop() if len(hits) == 1 else None

    @property
    def words(self) -> str:
        """``the policy wants at least 0.80 and warns unless it is at least 0.85``."""
        parts = []
        if self.fail_if is not None:
            parts.append(f"wants {self.fail_if.wish}")
        if self.warn_if is not None:
            parts.append(f"warns unless it is {self.warn_if.wish}")
        if not parts:
            return "the policy sets no threshold, so this is reported and not judged"
        return "the policy " + " and ".join(parts)

    def show(self, value: float) -> str:
        """The value with enough digits to tell it from every threshold that it is not equal to."""
        return number(value, *(limit.limit for limit in (self.fail_if, self.warn_if) if limit is not None))

    def as_json(self) -> dict[str, Value]:
        facts: dict[str, Value] = {"decision": self.decision}
        for name, limit in (("fail_if", self.fail_if), ("warn_if", self.warn_if)):
            if limit is not None:
                facts[name] = limit.text
        return facts


def number(value: float, *limits: float) -> str:
    """A number for a sentence: two digits or more, and never rounded onto a limit that it does not equal."""
    if value == int(value) and abs(value) >= 10:
        return f"{int(value):,}"
    text = ""
    for digits in range(2, 18):
        text = f"{value:.{digits}f}" if abs(value) >= 0.1 or value == 0 else f"{value:.{digits}g}"
        if all((float(text) == limit) == (value == limit) for limit in limits):
            return text
    return text


@dataclass(frozen=True)
class CheckResult:
    """What one planned check came to."""

    id: str
    gate: str
    type: str
    """schema, bias or benchmark."""
    verdict: Verdict
    value: float | None
    """The measured value; None where nothing was measured."""
    threshold: Mapping[str, Value]
    """``fail_if``, ``warn_if`` (as the policy writes them) and ``decision``."""
    n: int
    """The rows that the value speaks for."""
    interval: Mapping[str, Value] | None
    reason: str
    """A sentence that a person can act on."""
    advice: str
    """What to look at."""
    because: str
    """Why the policy asks for this."""
    replay: Replay
    """``counts``: anyone with the count tables can recompute it; ``threshold-only``: the rows would be needed."""
    groups: tuple[Mapping[str, Value], ...] = field(default=())
    """The figures of each group, for a bias check."""
    figures: Mapping[str, Value] = field(default_factory=dict)
    """What else was found, by name: what the data can tell, the size of the family, readings of a rule."""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("the value of a check result is finite or None")
        if self.verdict in MEASURED and self.value is None:
            raise ValueError(f"{self.verdict} without a value")

    def as_json(self) -> dict[str, Value]:
        """A JSON value with a canonical form: no NaN, no infinity, nothing that counts as absent."""
        facts: dict[str, Value] = {
            "id": self.id,
            "gate": self.gate,
            "type": self.type,
            "verdict": self.verdict,
            "value": self.value,
            "threshold": dict(self.threshold),
            "n": self.n,
            "interval": None if self.interval is None else dict(self.interval),
            "reason": self.reason,
            "advice": self.advice,
            "because": self.because,
            "replay": self.replay,
            "groups": [dict(group) for group in self.groups],
        }
        return facts | {"figures": dict(self.figures)} if self.figures else facts


def read_result(value: Value) -> CheckResult:
    """Read what :meth:`CheckResult.as_json` made; hostile input is refused.

    Raises:
        InvalidData: another shape.
    """
    try:
        found = CheckResult(**{**value, "groups": tuple(value["groups"])})
        known = found.verdict in VERDICTS and found.replay in ("counts", "threshold-only")
        texts = (found.id, found.gate, found.type, found.reason, found.advice, found.because)
        whole = isinstance(found.n, int) and not isinstance(found.n, bool) and found.n >= 0
        number = found.value is None or type(found.value) in (int, float)
        good = known and whole and number and all(isinstance(text, str) for text in texts) and found.as_json() == value
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData("check result is not of the known form", got=str(error)[:80]) from error
    if not good:
        raise InvalidData("check result is not of the known form", got=str(value.get("id"))[:80])
    return found


def against_plan(
    plan: Sequence[str], results: Iterable[CheckResult], *, gate_of: Mapping[str, tuple[str, str]]
) -> tuple[CheckResult, ...]:
    """The results in the order of the plan, with an error for each check that is missing, unplanned or double.

    Args:
        plan: the check ids that were fixed before the data were seen.
        results: what the gates handed back.
        gate_of: gate id and type of each planned check, for the error of a missing one.
    """
    found: dict[str, list[CheckResult]] = {}
    for result in results:
        found.setdefault(result.id, []).append(result)
    ordered: list[CheckResult] = []
    for check in plan:
        gate, kind = gate_of.get(check, ("", ""))
        got = found.pop(check, [])
        if len(got) == 1:
            ordered.append(got[0])
        else:
            flaw = "was planned and did not run" if not got else f"ran {len(got)} times"
            ordered.append(broken(check, gate, kind, f"the check {flaw}"))
    for check, extra in found.items():
        ordered.append(broken(check, extra[0].gate, extra[0].type, "the check ran and stands in no plan"))
    return tuple(ordered)


def broken(check: str, gate: str, kind: str, reason: str) -> CheckResult:
    """The result of a check that could not be carried out."""
    return CheckResult(
        id=check,
        gate=gate,
        type=kind,
        verdict="error",
        value=None,
        threshold={},
        n=0,
        interval=None,
        reason=reason,
        advice="This is a fault of the run, not a verdict on the model: correct it and evaluate again.",
        because="",
        replay="threshold-only",
    )


def roll_up(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for many: the rule by which promotions and verifiers hold an evaluation to its checks."""
    whole = rolled_up(verdicts)
    return next((verdict for verdict in VERDICTS if verdict == whole), "error")

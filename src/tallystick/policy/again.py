"""Judge again from what was recorded, without the data: under the policy of the day, or under another one.

Whatever counts and facts decide is computed again. Of the other checks the ledger holds the measured value and no rows:
their value is held against the threshold. What neither can tell, nobody can tell without the data, and it is said so.

Pure, as judging is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tallystick.canonical import Value
from tallystick.errors import TallystickError
from tallystick.people.rules import SEVERITY
from tallystick.policy import judge
from tallystick.policy.document import Policy
from tallystick.policy.gates.benchmark.model import BenchmarkGate
from tallystick.policy.gates.schema import Column, SchemaGate
from tallystick.policy.language import Gate
from tallystick.policy.results import CheckResult, Limits
from tallystick.policy.statistics import Interval
from tallystick.policy.threshold import Threshold

__all__ = ["Again", "Recorded", "again", "milder"]

How = Literal["counts", "threshold-only", "untold"]


@dataclass(frozen=True)
class Recorded:
    """What the ledger holds of an evaluation."""

    policy: Policy
    checks: Sequence[Mapping[str, Value]]
    evidence: Value
    """As :attr:`tallystick.policy.judge.Outcome.evidence` was recorded."""

    def check(self, id: str) -> Mapping[str, Value] | None:
        return next((check for check in self.checks if check.get("id") == id), None)


@dataclass(frozen=True)
class Again:
    """What a check comes to without the data."""

    check: str
    how: How
    """``counts``: computed again; ``threshold-only``: the recorded value was held against the threshold; ``untold``."""
    verdict: str | None
    """None where it cannot be told."""
    result: CheckResult | None = None
    """Where it was computed again."""
    why: str = ""
    """Why it cannot be told."""


def again(policy: Policy, recorded: Recorded, *, seed: str) -> list[Again]:
    """Every check of a policy, in the order of its plan, from what an evaluation recorded.

    Args:
        policy: that of the evaluation, or another.
        seed: that an evaluation of the same data under this policy has.
    """
    found: dict[str, Again] = {}
    for gate in policy.gates:
        counted = _counted(policy, gate, recorded, seed)
        for check in gate.plan():
            found[check.id] = counted.get(check.id) or _held(policy, gate, check.id, recorded)
    return [found[id] for id in policy.plan]


def _counted(policy: Policy, gate: Gate, recorded: Recorded, seed: str) -> dict[str, Again]:
    """What counts and facts decide of a gate; each gate by itself, for one may need what another does not."""
    try:
        results = judge.replay(replace(policy, gates=(gate,)), recorded.evidence, seed=seed)
    except TallystickError as error:
        return {
            check.id: Again(check.id, "untold", None, why=f"the recorded counts do not tell: {error.what}")
            for check in gate.plan()
            if not _needs_rows(gate, check.id)
        }
    return {result.id: Again(result.id, "counts", result.verdict, result) for result in results}


def _needs_rows(gate: Gate, check: str) -> bool:
    """Whether a check was never one that counts decide."""
    if isinstance(gate, BenchmarkGate):
        return any(one.id == check and gate.replay(one) != "counts" for one in gate.checks())
    return isinstance(gate, SchemaGate)


def _held(policy: Policy, gate: Gate, id: str, recorded: Recorded) -> Again:
    """The recorded value of a check against the threshold of a policy, if both speak of the same thing."""
    check = recorded.check(id)
    if check is None:
        return Again(id, "untold", None, why="nothing was recorded of it")
    if policy.digest != recorded.policy.digest and not _same_question(policy, gate, recorded.policy, id):
        return Again(id, "untold", None, why="the policy asks for something else than what was measured")
    if check.get("value") is None:
        return Again(id, "threshold-only", str(check.get("verdict")))
    if isinstance(gate, SchemaGate):
        return Again(id, "threshold-only", gate.verdict(id, float(check["value"])))
    limits = _limits(gate, id) or _limits_in(check.get("threshold"))
    if limits is None:
        return Again(id, "untold", None, why="its thresholds cannot be read")
    return Again(id, "threshold-only", limits.verdict(float(check["value"]), _interval(check.get("interval"))))


def _same_question(policy: Policy, gate: Gate, other: Policy, id: str) -> bool:
    """Whether two policies measure the same thing under one id, whatever their thresholds are."""
    if policy.document.inputs != other.document.inputs or policy.confidence != other.confidence:
        return False
    then = next((one for one in other.gates if one.id == gate.id and one.type == gate.type), None)
    if isinstance(gate, SchemaGate) and isinstance(then, SchemaGate):
        asked = _asked(gate, id)
        return id == gate.rows_check == then.rows_check or (asked is not None and asked == _asked(then, id))
    if not isinstance(gate, BenchmarkGate) or not isinstance(then, BenchmarkGate):
        return False
    return (gate.task, gate.weight) == (then.task, then.weight)


def _asked(gate: SchemaGate, id: str) -> object:
    """What one check of a schema gate asks of rows, and in which unit; None if the gate has no such check."""
    case = gate.case(id)
    if case is None:
        return None
    return case.rule.dtype if isinstance(case.rule, Column) else None, case.predicate, gate.by_rows(case.key)


def _limits(gate: Gate, id: str) -> Limits | None:
    """What a policy says about the value of one of its checks that stand on rows."""
    if not isinstance(gate, BenchmarkGate):
        return None
    return next((gate.limits(check) for check in gate.checks() if check.id == id), None)


def _limits_in(threshold: Value) -> Limits | None:
    """The thresholds as a result holds them."""
    if not isinstance(threshold, Mapping):
        return None
    try:
        fail, warn = (
            None if threshold.get(name) is None else Threshold.parse(str(threshold[name]), percent=True)
            for name in ("fail_if", "warn_if")
        )
    except ValueError:
        return None
    return Limits(fail, warn, "confident" if threshold.get("decision") == "confident" else "point")


def _interval(value: Value) -> Interval | None:
    try:
        return Interval(float(value["low"]), float(value["high"]), float(value["confidence"]), str(value["method"]))
    except (KeyError, TypeError, ValueError):
        return None


def milder(verdict: str, than: str) -> bool:
    """Whether a verdict claims more than what its value allows."""
    return _rank(verdict) < _rank(than)


def _rank(verdict: str) -> int:
    return SEVERITY.index(verdict) if verdict in SEVERITY else len(SEVERITY)

"""What a gate of one's own imports: everything it needs, in one place.

A gate is a subclass of :class:`Gate`, named by an installed distribution as an entry point of the group
``tallystick.gates``. The tutorial docs/tutorials/a-gate-of-your-own.md writes one in forty lines.

It runs within tallystick, with all that tallystick may do: whoever installs it trusts it like tallystick itself. What
it cannot do is be green by mistake. If it raises, tries to end the program, hands back too few results, too many, one
twice, one that is not finite or another gate's, every check of it is an error. If ``os._exit`` or a crash ends its
process, the command ends with exit code 3, nothing is recorded, and a file asked for with ``-o`` is not there.

Its results are marked ``replay: threshold-only`` unless all it needs are counts and facts: nobody could compute them
again without the rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from tallystick.canonical import Value
from tallystick.policy.counts import Axis, Counts, Table
from tallystick.policy.evidence import Counted, Evidence, Known, Need, Rows, Setting
from tallystick.policy.keys import Thresholds
from tallystick.policy.language import Columns, Gate, Inputs, Planned
from tallystick.policy.results import CheckResult, Limits, Replay, Verdict
from tallystick.policy.statistics import Interval, check_seed
from tallystick.policy.threshold import Threshold

__all__ = [
    "Axis",
    "CheckResult",
    "Columns",
    "Counted",
    "Counts",
    "Evidence",
    "Field",
    "Gate",
    "Inputs",
    "Interval",
    "Known",
    "Limits",
    "Need",
    "Planned",
    "Rows",
    "Setting",
    "Table",
    "Threshold",
    "Thresholds",
    "check_seed",
    "measured",
    "unmeasured",
]


def measured(
    gate: Gate,
    check: str,
    value: float,
    limits: Limits,
    *,
    what: str,
    n: int,
    interval: Interval | None = None,
    groups: tuple[Mapping[str, Value], ...] = (),
    replay: Replay = "counts",
) -> CheckResult:
    """The result of a check that came to a number.

    Args:
        gate: whose check it is.
        check: its id.
        value: the figure; one that is not finite becomes an error, because it compares as neither good nor bad.
        limits: what the policy says about it.
        what: the figure in words, for the reason: ``"the share of empty comments"``.
        n: the rows that it speaks for.
        interval: what ``decision: confident`` asks.
        groups: figures behind it, as JSON values.
        replay: ``counts`` where counts and facts give it again. Of a gate that needs rows it does not stand.
    """
    verdict = limits.verdict(value, interval)
    if verdict == "error":
        return unmeasured(
            gate, check, "error", f"{what} came out as {value}, which is no figure to judge", limits=limits
        )
    spread = (
        "" if interval is None else f" ({interval.words} {limits.show(interval.low)} to {limits.show(interval.high)})"
    )
    return CheckResult(
        id=check,
        gate=gate.id,
        type=gate.type,
        verdict=verdict,
        value=float(value),
        threshold=limits.as_json(),
        n=n,
        interval=None if interval is None else interval.as_json(),
        reason=f"{what} is {limits.show(value)}{spread}; {limits.words}",
        advice="" if verdict == "pass" else gate.advice or "",
        because=gate.because or "",
        replay=replay,
        groups=groups,
    )


def unmeasured(
    gate: Gate, check: str, verdict: Verdict, reason: str, *, limits: Limits | None = None, replay: Replay = "counts"
) -> CheckResult:
    """The result of a check without a number: ``not_evaluable``, ``not_applicable`` or ``error``, and why."""
    return CheckResult(
        id=check,
        gate=gate.id,
        type=gate.type,
        verdict=verdict,
        value=None,
        threshold={} if limits is None else limits.as_json(),
        n=0,
        interval=None,
        reason=reason,
        advice=gate.advice or "",
        because=gate.because or "",
        replay=replay,
    )

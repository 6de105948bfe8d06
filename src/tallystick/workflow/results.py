"""The results of an evaluation as the exports tell them, from what was just recorded."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from tallystick.canonical import Value
from tallystick.records import Ref
from tallystick.report.exports import Results
from tallystick.workflow.evaluate import Evaluated

__all__ = ["results"]


def results(found: Evaluated, predictions: Path) -> Results:
    """What a build server is told of an evaluation.

    Args:
        predictions: the file that was judged. Its path is told only if it is a relative one: where things lie on this
            machine is nobody's business.
    """
    body, policy = found.evaluation.body, found.policy.body
    scored = body.get("scored_before_policy")
    relative = not predictions.is_absolute() and ".." not in predictions.parts
    return Results(
        model=f"{found.model.body['name']}@{found.model.body['version']}",
        policy=str(policy["id"]),
        policy_version=str(policy["version"]),
        policy_entry=found.policy.seq,
        stage=str(policy["stage"]),
        verdict=found.outcome.verdict,
        evaluation=found.evaluation.seq,
        decision=found.decision.seq,
        rows=found.outcome.rows,
        predictions=predictions.as_posix() if relative else predictions.name,
        names_test_set=_names_test_set(body["data"]),
        attempt=body["attempt"],
        checks=tuple(check.as_json() for check in found.outcome.checks),
        earlier_failures=tuple(entry.seq for entry in found.earlier),
        unexplained=tuple(entry.seq for entry in found.unexplained),
        scored_before_policy=None if scored is None else Ref.of(scored["evaluation"]).seq,
        software=version("tallystick"),
    )


def _names_test_set(data: Value) -> bool:
    """An evaluation of an earlier version may have its data in an attachment: then it is not known here."""
    return isinstance(data, list) and "absent" not in data[0]["dataset"]

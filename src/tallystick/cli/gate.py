"""``gate run``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.front import (
    Front,
    Group,
    acting,
    check_output,
    columns,
    front,
    model_version,
    progress,
    wrapped,
    write_output,
)
from tallystick.cli.gate_test import selftest, test

if TYPE_CHECKING:
    from tallystick.workflow.evaluate import Evaluated

__all__ = ["EXIT", "gate"]

EXIT: Final = {"pass": 0, "warn": 0, "fail": 1, "inconclusive": 4, "error": 3}
"""Exit code of each verdict, whatever the flags."""


@click.group(cls=Group)
def gate() -> None:
    """Run the gates of a policy over a model's predictions."""


gate.add_command(test)
gate.add_command(selftest)


@gate.command()
@click.argument("model")
@click.option("--predictions", required=True, type=click.Path(path_type=Path), help="CSV or Parquet, one row a case.")
@click.option("--dataset", metavar="NAME[@V]", help="The recorded test set that was scored.")
@click.option("--baseline", metavar="FILE|NAME[@V]", help="What drift gates compare with; else what the policy names.")
@click.option("--policy", metavar="ID", help="The published policy; needed only if several are in force.")
@click.option("--stage", default="production", show_default=True, help="The stage whose policies are asked.")
@click.option("--explain", metavar="TEXT", help="What is said of earlier evaluations that did not pass.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="Also write the JSON form to this file.")
@acting
@front
def run(
    front: Front,
    model: str,
    predictions: Path,
    dataset: str | None,
    baseline: str | None,
    policy: str | None,
    stage: str,
    explain: str | None,
    output: Path | None,
) -> int:
    """Judge MODEL[@VERSION] under the stage's policy and record what was found.

    Exits 0 if every planned check passed (warnings allowed), 1 if one failed, 4 if the numbers do not decide, 3 if a
    check could not run.
    """
    import json

    from tallystick.workflow import evaluate

    if output is not None:
        check_output(output)
        output.unlink(missing_ok=True)  # what an earlier run found must not pass for what this one did
    with front.desk(writing=True) as desk:
        found = evaluate.evaluate(
            desk,
            model_version(model),
            predictions,
            actor=desk.actor(front.actor),
            stage=stage,
            policy=policy,
            dataset=dataset,
            explain=explain,
            baseline=baseline,
            progress=progress,
        )
    value = _value(found)
    if output is not None:
        write_output(output, (json.dumps(value, indent=2) + "\n").encode())
    front.print(value, _lines(found))
    return EXIT.get(found.outcome.verdict, 3)


def _value(found: Evaluated) -> dict[str, object]:
    body = found.evaluation.body
    return {
        "schema": "tallystick/check-results/v1",
        "model": f"{found.model.body['name']}@{found.model.body['version']}",
        "policy": {"id": found.policy.body["id"], "version": found.policy.body["version"]},
        "verdict": found.outcome.verdict,
        "evaluation": found.evaluation.seq,
        "decision": found.decision.seq,
        "attempt": body["attempt"],
        "checks": [check.as_json() for check in found.outcome.checks],
        "earlier_failures": [entry.seq for entry in found.earlier],
        "unexplained": [entry.seq for entry in found.unexplained],
    }


def _lines(found: Evaluated) -> list[str]:
    name = f"{found.model.body['name']}@{found.model.body['version']}"
    policy = found.policy.body
    lines = [f"{name} under {policy['id']} {policy['version']} (entry {found.policy.seq})", ""]
    lines += columns([("check", "verdict", "value", "the policy", "n"), *_rows(found)])
    lines += [""]
    for check in found.outcome.checks:
        if check.verdict != "pass":
            lines += wrapped(f"{check.verdict.upper().replace('_', ' ')}  {check.id}: {check.reason}", "")
        if check.verdict not in ("pass", "not_applicable"):
            lines += wrapped(f"why this criterion: {check.because}", "  ") if check.because else []
            lines += wrapped(f"look at: {check.advice}", "  ") if check.advice else []
    return [*lines, *_looks(found), "", _verdict(name, found)]


def _rows(found: Evaluated) -> list[tuple[str, ...]]:
    """A row for each check; what a schema gate found in order stands in one row."""
    from tallystick.policy.judge import table

    rows: list[tuple[str, ...]] = []
    passed: dict[str, int] = {}
    for check, row in zip(found.outcome.checks, table(found.outcome), strict=True):
        if check.type == "schema" and check.verdict == "pass":
            passed[check.gate] = passed.get(check.gate, 0) + 1
        else:
            rows.append((row[0], row[1], row[2], _limits(check.threshold), row[4]))
    kept = f"{found.outcome.rows:,}"
    return [(f"{gate}: {count} checks", "pass", "", "all hold", kept) for gate, count in passed.items()] + rows


def _limits(threshold: Mapping[str, object]) -> str:
    words = {"fail_if": "fails if", "warn_if": "warns if"}
    return ", ".join(f"{words[key]} {threshold[key]}" for key in words if threshold.get(key))


def _looks(found: Evaluated) -> list[str]:
    attempt = found.evaluation.body["attempt"]
    lines = []
    if "absent" in found.evaluation.body["data"][0]["dataset"]:
        lines.append(
            "note: no recorded test set was named (--dataset): this is no ground for an approval or a promotion"
        )
    if attempt["data"] > 1:
        lines.append(f"note: this is recorded look number {attempt['data']} at this test set")
    if found.earlier:
        seqs = ", ".join(str(entry.seq) for entry in found.earlier)
        lines.append(f"note: earlier evaluations of this use case did not pass: entries {seqs}")
    if found.unexplained and found.outcome.verdict in ("pass", "warn"):
        seqs = ", ".join(str(entry.seq) for entry in found.unexplained)
        lines.append(f"note: a promotion needs an explanation (--explain) of entries {seqs}")
    return lines


def _verdict(name: str, found: Evaluated) -> str:
    seqs = f"evaluation in entry {found.evaluation.seq}, decision in entry {found.decision.seq}"
    words = {
        "pass": f"PASS: every planned check of {name} passed",
        "warn": f"PASS with warnings: {name} may go on to approval",
        "fail": f"REFUSED: {name} does not pass",
        "inconclusive": f"INCONCLUSIVE: the numbers do not decide about {name}",
    }
    return f"{words.get(found.outcome.verdict, f'ERROR: a check of {name} could not run; nothing is green')} ({seqs})"

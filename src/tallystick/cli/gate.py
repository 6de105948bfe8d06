"""``gate run``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.front import Front, Group, acting, front, model_version, progress, terminal_width
from tallystick.cli.gate_test import selftest, test
from tallystick.cli.outputs import Outputs, Target

if TYPE_CHECKING:
    from tallystick.workflow.desk import Desk
    from tallystick.workflow.evaluate import Evaluated, Judged

__all__ = ["EXIT", "gate"]

EXIT: Final = {"pass": 0, "warn": 0, "fail": 1, "inconclusive": 4, "error": 3}
"""Exit code of each verdict, whatever the flags."""


@click.group(cls=Group)
def gate() -> None:
    """Run the gates of a policy over a model's predictions, and check again what they found."""


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
@click.option(
    "-o",
    "outputs",
    type=Target(),
    multiple=True,
    help="Write the results as table, json, junit, sarif, github, markdown or tap, to PATH or to the standard output;"
    " repeatable.",
)
@click.option("--submit", is_flag=True, help="Hand the results in instead: without the ledger's key.")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to wait for the answer, then."
)
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
    outputs: tuple[tuple[str, Path | None], ...],
    submit: bool,
    wait: float,
) -> int:
    """Judge MODEL[@VERSION] under the stage's policy and record what was found.

    With --submit it is recorded by whoever runs `tallystick ledger receive`, who computes again what follows from
    counts; a build job then needs neither the ledger's key nor the right to write to the ledger.

    Exits 0 if every planned check passed (warnings allowed), 1 if one failed, 4 if the numbers do not decide, 3 if a
    check could not run.
    """
    from tallystick.workflow import evaluate
    from tallystick.workflow.results import results

    ledger = [front.ledger] if isinstance(front.ledger, Path) else []
    target = Outputs.of(outputs, default=front.settings.format, environ=os.environ, taken=[predictions, *ledger])
    target.clear()
    with front.desk(writing=not submit) as desk:
        actor = desk.actor(front.actor)
        judged = evaluate.judged(
            desk,
            model_version(model),
            predictions,
            stage=stage,
            policy=policy,
            dataset=dataset,
            baseline=baseline,
            progress=progress,
        )
        if submit:
            found = _handed_in(front, desk, judged, actor=actor, explain=explain, patience=wait)
        else:
            found = evaluate.recorded(desk, judged, actor=actor, explain=explain)
    told = results(found, predictions)
    try:
        target.write(told)
    finally:
        target.print(told, terminal_width())  # what was recorded is said, even if a disk is full
    return EXIT.get(found.outcome.verdict, 3)


def _handed_in(
    front: Front, desk: Desk, judged: Judged, *, actor: str, explain: str | None, patience: float
) -> Evaluated:
    from tallystick.errors import Refused
    from tallystick.ledger.inbox import inbox
    from tallystick.workflow import evaluate
    from tallystick.workflow import submit as verbs

    with inbox(front.ledger) as opened:
        name = verbs.hand_in(desk, judged, opened, actor=actor, explain=explain)
        progress("waiting until it is recorded")
        answer = verbs.wait_for(opened, name, patience=patience)
    if answer.evaluation is None or answer.decision is None:
        raise Refused("what was handed in was not recorded", where=f"submission {name}", got=answer.refused)
    return evaluate.read_back(desk, judged, answer.evaluation, answer.decision)

"""``gate run|replay``."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.front import (
    NUMBER,
    Front,
    Group,
    acting,
    columns,
    front,
    model_version,
    progress,
    terminal_width,
    wrapped,
)
from tallystick.cli.gate_test import selftest, test
from tallystick.cli.outputs import Outputs, Target
from tallystick.settings import FOLDER

if TYPE_CHECKING:
    from tallystick.ledger.inbox import Inbox
    from tallystick.ledger.places import Place
    from tallystick.workflow.desk import Desk
    from tallystick.workflow.evaluate import Evaluated, Judged
    from tallystick.workflow.replay import Replay

__all__ = ["EXIT", "gate"]

EXIT: Final = {"pass": 0, "warn": 0, "fail": 1, "inconclusive": 4, "error": 3}
"""Exit code of each verdict, whatever the flags."""


_verify_with = click.option(
    "--verify-with",
    type=click.Choice(["fairlearn"]),
    help="Have the values of bias gates computed again by another library, and refuse to go on if one differs.",
)


@click.group(cls=Group)
def gate() -> None:
    """Run the gates of a policy over a model's predictions, and check again what they found."""


gate.add_command(test)
gate.add_command(selftest)


@gate.command()
@click.argument("model")
@click.option("--predictions", required=True, type=click.Path(path_type=Path), help="CSV or Parquet, one row a case.")
@click.option("--dataset", metavar="NAME[@V]", help="The recorded test set that was scored.")
@click.option(
    "--champion", type=click.Path(path_type=Path), help="Predictions of the same rows by the model in the stage."
)
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
    "--wait",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    help="With --submit: how many seconds to wait until the results are recorded.",
)
@_verify_with
@acting
@front
def run(
    front: Front,
    model: str,
    predictions: Path,
    dataset: str | None,
    champion: Path | None,
    baseline: str | None,
    policy: str | None,
    stage: str,
    explain: str | None,
    outputs: tuple[tuple[str, Path | None], ...],
    submit: bool,
    wait: float,
    verify_with: str | None,
) -> int:
    """Judge MODEL[@VERSION] under the stage's policy and record what was found.

    With --submit it is recorded by whoever runs `tallystick ledger receive`, who computes again what follows from
    counts; a build job then needs neither the ledger's key nor the right to write to the ledger.

    With --verify-with fairlearn the values of the bias gates are computed again by fairlearn, from the same counts and
    before anything is recorded; if one differs, nothing is.

    Exits 0 if every planned check passed (warnings allowed), 1 if one failed, 4 if the numbers do not decide, 3 if a
    check could not run.
    """
    from tallystick.workflow import evaluate
    from tallystick.workflow.results import results

    handed_in = [
        predictions,
        *filter(None, [champion]),
        *([Path(baseline)] if baseline and Path(baseline).exists() else []),
    ]
    taken = [*handed_in, *front.settings.keys.glob("*"), *_of_ledger(front.ledger)]
    target = Outputs.of(outputs, default=front.settings.format, environ=os.environ, taken=taken)
    target.clear()
    with front.desk(writing=not submit) as desk, _opened(front, submit=submit) as inbox:
        actor = desk.actor(front.actor)
        judged = evaluate.judged(
            desk,
            model_version(model),
            predictions,
            stage=stage,
            policy=policy,
            dataset=dataset,
            champion=champion,
            baseline=baseline,
            progress=progress,
        )
        if verify_with is not None:
            progress("asking fairlearn")
            click.echo(str(evaluate.second_opinion(desk, judged)), err=True)
        if inbox is not None:
            found = _handed_in(inbox, desk, judged, actor=actor, explain=explain, patience=wait)
        else:
            found = evaluate.recorded(desk, judged, actor=actor, explain=explain)
    told = results(found, predictions)
    try:
        target.write(told)
    finally:
        target.print(told, terminal_width())  # what was recorded is said, even if a disk is full
    return EXIT.get(found.outcome.verdict, 3)


def _of_ledger(place: Place) -> Iterator[Path]:
    """The files of a ledger, which no output may replace: those named as it, and all in a folder of its own."""
    if not isinstance(place, Path):
        return
    folder = place.resolve().parent
    yield from (place, folder / "ledger.vkey", *(Path(f"{place}{end}") for end in ("-wal", "-shm", "-journal")))
    beside = folder.rglob("*") if folder.name == FOLDER else folder.glob(f"{glob.escape(place.name)}*")
    yield from (path for path in beside if path.is_file())


def _opened(front: Front, *, submit: bool) -> AbstractContextManager[Inbox | None]:
    """The inbox, opened before the gates run: a ledger that takes no submissions says so first."""
    if not submit:
        return nullcontext()
    from tallystick.ledger.inbox import inbox

    return inbox(front.ledger)


def _handed_in(
    opened: Inbox, desk: Desk, judged: Judged, *, actor: str, explain: str | None, patience: float
) -> Evaluated:
    from tallystick.errors import Refused
    from tallystick.workflow import evaluate
    from tallystick.workflow import submit as verbs

    name = verbs.hand_in(desk, judged, opened, actor=actor, explain=explain)
    progress("waiting until it is recorded")
    answer = verbs.wait_for(opened, name, patience=patience)
    if answer.evaluation is None or answer.decision is None:
        raise Refused("what was handed in was not recorded", where=f"submission {name}", got=answer.refused)
    return evaluate.read_back(desk, judged, answer.evaluation, answer.decision)


@gate.command()
@click.argument("evaluation", metavar="ENTRY")
@click.option("--pack", type=click.Path(path_type=Path), help="An evidence pack to read instead of a ledger.")
@click.option("--key", metavar="KEY|FILE|FINGERPRINT", help="The ledger's public key, to open the pack with.")
@_verify_with
@front
def replay(front: Front, evaluation: str, pack: Path | None, key: str | None, verify_with: str | None) -> int:
    """Compute a recorded evaluation again from its counts, without the data, and compare.

    ENTRY is the number of an evaluation or of its decision. Each check is either computed again (counts), or its
    recorded value is held against the threshold (threshold-only). Exits 0 if everything agrees, 1 if something
    differs, 3 if the counts are erased or missing.
    """
    from tallystick.errors import UsageError
    from tallystick.workflow import replay as again

    if not NUMBER.fullmatch(evaluation):
        raise UsageError("not the number of an entry", got=evaluation[:60], expected="such as 12")
    if pack is not None:
        found = again.replay(again.book_of_pack(pack, key), int(evaluation))
    elif key is not None:
        raise UsageError("a key opens a pack, and none is named", remedy="Add --pack FILE, or leave --key away.")
    else:
        with front.desk(writing=False) as desk:
            found = again.replay(desk.book(), int(evaluation))
    front.print(_replayed_value(found), _replayed_lines(found))
    if verify_with is not None and found.agrees:
        progress("asking fairlearn")
        click.echo(str(again.second_opinion(found)), err=True)
    return 0 if found.agrees else 1


def _replayed_value(found: Replay) -> dict[str, object]:
    return {
        "evaluation": found.evaluation.seq,
        "policy": {"id": found.policy.id, "version": found.policy.version},
        "agrees": found.agrees,
        "checks": [
            {"id": check.check, "how": check.how, "verdict": check.recorded, "differs": list(check.differs)}
            for check in found.checks
        ],
        "problems": list(found.problems),
    }


def _replayed_lines(found: Replay) -> list[str]:
    rows = [("check", "recorded", "looked at by", "")]
    rows += [(one.check, one.recorded, one.how, "DIFFERS" if one.differs else "agrees") for one in found.checks]
    lines = [f"evaluation in entry {found.evaluation.seq}, under {found.policy.id} {found.policy.version}", ""]
    lines += [*columns(rows), ""]
    for check in found.checks:
        lines += [line for clause in check.differs for line in wrapped(f"{check.check}: {clause}", "")]
    lines += [line for problem in found.problems for line in wrapped(f"{problem}", "")]
    counted = sum(check.how == "counts" for check in found.checks)
    verdict = "AGREES" if found.agrees else "DIFFERS"
    return [
        *lines,
        *wrapped(
            f"{verdict}: {counted} of {len(found.checks)} checks computed again from the counts; of the others only "
            "the recorded value was held against its threshold: more would need the data",
            "",
        ),
    ]

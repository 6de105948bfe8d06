"""``ledger checkpoint`` and ``ledger fsck``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.front import Front, check_output, front, progress, write_output

if TYPE_CHECKING:
    from tallystick.workflow.health import Examined

__all__ = ["ledger"]


@click.group()
def ledger() -> None:
    """Checkpoint and examine the ledger."""


@ledger.command()
@click.option("-o", "output", type=click.Path(path_type=Path), help="Write it to this file.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@front
def checkpoint(front: Front, output: Path | None, force: bool) -> None:
    """Print the newest signed checkpoint. Keep copies where the ledger's keepers cannot change them.

    Whoever holds an earlier checkpoint can see whether the ledger was rewritten since, even with the real key.
    """
    if output is not None:
        check_output(output, force=force)
    with front.desk(writing=False) as desk:
        note = desk.ledger.latest_checkpoint()
    if output is not None:
        write_output(output, note)
        front.print({"checkpoint": str(output)}, [f"checkpoint written to {output}"])
    else:
        click.echo(note, nl=False)


@ledger.command()
@click.option(
    "--anchor", type=click.Path(path_type=Path), help="A checkpoint kept elsewhere: must be a beginning of this."
)
@click.option(
    "--key", metavar="KEY|FILE", help="The ledger's public key from a source you trust; else that in entry 0."
)
@front
def fsck(front: Front, anchor: Path | None, key: str | None) -> int:
    """Derive everything again from the stored bytes and compare. Exits 1 if anything differs; repairs nothing."""
    from tallystick.workflow import health

    progress("reading every entry, link, node and signature")
    found = health.examine(front.ledger, anchor=anchor, key=key)
    value = {
        "entries": found.entries,
        "problems": [{"entry": p.seq, "what": p.what, "detail": p.detail} for p in found.problems],
        "notes": [str(note) for note in found.notes],
        "compared_with": found.anchored,
    }
    lines = [str(problem) for problem in found.problems]
    lines += [f"note: {note}" for note in found.notes]
    front.print(value, [*lines, *_summary(found)])
    return 1 if found.problems else 0


def _summary(found: Examined) -> list[str]:
    if found.problems:
        many = "1 problem" if len(found.problems) == 1 else f"{len(found.problems)} problems"
        return [f"NOT SOUND: {many} in {found.entries} entries; the first is named first"]
    if found.anchored is None:
        tail = "compared with no checkpoint from elsewhere: a rewrite with the real key would not be seen (--anchor)"
    else:
        tail = f"the first {found.anchored} entries are those of the checkpoint given"
    return [f"sound: {found.entries} entries, every byte as it was signed; {tail}"]

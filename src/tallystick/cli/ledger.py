"""``ledger checkpoint``, ``timestamp``, ``prove``, ``fsck``, ``migrate``, ``grant``, ``receive`` and ``upgrade``."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.front import Front, Group, bar, check_output, front, pairs, progress, stamping, write_output
from tallystick.errors import UsageError

if TYPE_CHECKING:
    from tallystick.canonical import Value
    from tallystick.proof.note import Checkpoint
    from tallystick.workflow.health import Examined
    from tallystick.workflow.prove import Growth, Inclusion
    from tallystick.workflow.submit import Received

__all__ = ["ledger"]


@click.group(cls=Group)
def ledger() -> None:
    """Checkpoint, prove and examine the ledger."""


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
@stamping
@click.option(
    "-o", "output", type=click.Path(path_type=Path), help="Write the checkpoint here too, and the answer to FILE.tsr."
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@front
def timestamp(front: Front, output: Path | None, force: bool) -> None:
    """Have an authority say that the newest checkpoint was there by now (RFC 3161), and record its answer.

    Packs carry the answers. What an authority is asked for is a digest; nothing else leaves this machine.
    """
    from tallystick.workflow import stamping as verbs

    answer = None if output is None else output.with_name(output.name + ".tsr")
    if output is not None and answer is not None:
        check_output(output, answer, force=force)
    stamper = front.stamper()
    with front.desk(writing=True) as desk:
        done = verbs.checkpoint(desk, stamper)
    if output is not None and answer is not None:
        write_output(output, done.note)
        write_output(answer, done.answer)
    value: Value = {
        "entry": done.entry.seq,
        "size": done.checkpoint.size,
        "root": done.checkpoint.root.hex(),
        "time": done.token.at.isoformat(),
        "authority": done.token.authority,
    }
    facts = {
        "stamped": _tree(done.checkpoint),
        "time": f"{done.token.time}, says {done.token.authority}",
        "recorded": f"entry {done.entry.seq}",
    }
    if output is not None:
        facts["verify"] = f"tallystick verify {output} --key ledger.vkey --tsa AUTHORITY.pem"
    front.print(value, pairs(facts))


_SIZE: Final = re.compile(r"-?[0-9]{1,40}", re.ASCII)


@ledger.command()
@click.argument("index", type=click.IntRange(min=0), required=False)
@click.option(
    "--from", "since", default="", metavar="SIZE|FILE", help="Prove the growth since this checkpoint instead."
)
@click.option("--bare", is_flag=True, help="Leave the entry's bytes out: who verifies has to bring them.")
@click.option("-o", "output", type=click.Path(path_type=Path), help="Write it to this file; else to one of its name.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@front
def prove(front: Front, index: int | None, since: str, bare: bool, output: Path | None, force: bool) -> None:
    """Prove that entry INDEX is in the ledger, or with --from that the ledger only grew.

    Writes a file that anybody can verify with the ledger's public key: a receipt of the entry under the newest
    checkpoint, or a consistency proof from an earlier checkpoint, which somebody kept, to the newest.
    """
    from tallystick.workflow import prove as verbs

    if (index is None) == (not since) or (bare and since):
        raise UsageError(
            "either an entry is proven, or growth", expected="INDEX, perhaps with --bare; or --from SIZE|FILE"
        )
    start = _since(since) if since else 0
    with front.desk(writing=False) as desk:
        if index is not None:
            done: Inclusion | Growth = verbs.inclusion(desk, index, bare=bare)
        else:
            done = verbs.growth(desk, start)
    path = output or Path(done.name)
    check_output(path, force=force, reads=[start] if isinstance(start, Path) else [])
    write_output(path, done.data)
    about, facts = _entry(done, path) if isinstance(done, verbs.Inclusion) else _growth(done, path, since)
    value = {"proof": str(path), **about, "size": done.checkpoint.size, "root": done.checkpoint.root.hex()}
    front.print(value, pairs({"proof": f"{path} ({len(done.data):,} bytes)", **facts}))


def _since(text: str) -> int | Path:
    """A number of entries, or a file."""
    return int(text) if _SIZE.fullmatch(text) else Path(text)


def _entry(done: Inclusion, path: Path) -> tuple[dict[str, Value], dict[str, str]]:
    """The JSON form and the lines about a proven entry."""
    entry = done.entry
    how = f"tallystick verify {path} --key ledger.vkey"
    if done.bare:
        how = f"by any reader of C2SP tlog-proof, with the bytes that `tallystick show {entry.seq} --raw` prints"
    facts = {"entry": f"{entry.seq}, {entry.kind}", "tree": _tree(done.checkpoint), "verify": how}
    return {"entry": {"seq": entry.seq, "kind": entry.kind}, "bare": done.bare}, facts


def _growth(done: Growth, path: Path, since: str) -> tuple[dict[str, Value], dict[str, str]]:
    """The same about proven growth."""
    kept = "KEPT" if _SIZE.fullmatch(since) else since
    facts = {
        "from": _tree(done.old),
        "to": _tree(done.checkpoint),
        "verify": f"tallystick verify {path} --key ledger.vkey --anchor {kept}",
    }
    return {"from": {"size": done.old.size, "root": done.old.root.hex()}}, facts


def _tree(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.size} entries, root {checkpoint.root.hex()}"


@ledger.command()
@click.option(
    "--anchor", type=click.Path(path_type=Path), help="A checkpoint kept elsewhere: must be a beginning of this."
)
@click.option(
    "--key", metavar="KEY|FILE", help="The ledger's public key from a source you trust; else that in entry 0."
)
@click.option(
    "--since", type=click.Path(path_type=Path), help="A checkpoint you trust: look only at what came after it."
)
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes; else one for each processor.")
@front
def fsck(front: Front, anchor: Path | None, key: str | None, since: Path | None, jobs: int | None) -> int:
    """Derive everything again from the stored bytes and compare. Exits 1 if anything differs; repairs nothing."""
    from tallystick.workflow import health

    progress("reading every entry, link, node and signature" + ("" if since is None else " since that checkpoint"))
    with bar("examined") as drawn:
        found = health.examine(
            front.ledger, anchor=anchor, key=key, since=since, jobs=jobs or os.cpu_count() or 1, progress=drawn
        )
    value = {
        "entries": found.entries,
        "problems": [{"entry": p.seq, "what": p.what, "detail": p.detail} for p in found.problems],
        "notes": [str(note) for note in found.notes],
        "compared_with": found.anchored,
        "unanchored": found.entries - (found.anchored or 0),
        "since": found.start,
    }
    lines = [str(problem) for problem in found.problems]
    lines += [f"note: {note}" for note in found.notes]
    front.print(value, [*lines, *_summary(found)])
    return 1 if found.problems else 0


def _summary(found: Examined) -> list[str]:
    if found.problems:
        many = len(found.problems)
        return [f"NOT SOUND: {many:,} problems, the first is named first" if many > 1 else "NOT SOUND: 1 problem"]
    sound = f"sound: {found.entries - found.start:,} entries, every byte as it was signed"
    if found.start:
        sound += f", after {found.start:,} that the checkpoint given covers"
    if found.anchored is None:
        anchor = "anchor: none from elsewhere, so a rewrite with the real key would not be seen (--anchor)"
    else:
        anchor = f"anchor: the first {found.anchored:,} entries are those of the checkpoint given"
    unanchored = found.entries - (found.anchored or 0)
    left = f"un-anchored: {unanchored:,} of {found.entries:,} entries rest on the ledger's key alone"
    return [sound, anchor, left]


@ledger.command()
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--keep", is_flag=True, help="SRC stays in use, DST is a copy: a backup, never to be written to.")
@front
def migrate(front: Front, source: str, target: str, keep: bool) -> None:
    """Move a ledger from SRC to DST, each a path or a postgresql:// URL, every byte unchanged.

    Entries, attachments, checkpoints and proofs are copied, derived again from their bytes in the new place, and only
    then let stand. A file that was moved is only read from then on: writing to both would fork the history.
    """
    from tallystick.workflow import places

    with bar("copying") as drawn:
        moved = places.move(source, target, keep=keep, progress=drawn)
    value = {
        "ledger": moved.where,
        "entries": moved.entries,
        "checkpoints": moved.checkpoints,
        "retired": moved.retired,
    }
    lines = [
        *pairs({"ledger": moved.where, "entries": str(moved.entries), "checkpoints": str(moved.checkpoints)}),
        "",
        "Everything was derived again from its bytes in the new place, and holds.",
        *_after_move(moved.retired, keep=keep),
    ]
    front.print(value, lines)


def _after_move(retired: str | None, *, keep: bool) -> list[str]:
    if keep:
        return ["The old place stays in use. Never write to the copy: that would fork the history."]
    if retired is not None:
        return [f"The old file is only read from now on ({retired} says why)."]
    return ["Now take the writers' rights at the old place away: writing to both would fork the history."]


@ledger.command()
@click.option("--writer", "writers", multiple=True, metavar="ROLE", help="May append and read; repeatable.")
@click.option("--auditor", "auditors", multiple=True, metavar="ROLE", help="May read; repeatable.")
@click.option(
    "--builder", "builders", multiple=True, metavar="ROLE", help="May read, and hand in evaluations; repeatable."
)
@front
def grant(front: Front, writers: tuple[str, ...], auditors: tuple[str, ...], builders: tuple[str, ...]) -> None:
    """Say which roles of the PostgreSQL server may append to the ledger, which may read it, and which may hand in.

    The roles have to be there. Whatever else they, or everybody, had been granted on the ledger is taken away.
    """
    from tallystick.workflow import places

    roles = {"may append": writers, "may read": auditors, "may hand in": builders}
    if not any(roles.values()):
        raise UsageError("no role is named", remedy="Name one with --writer, --auditor or --builder.")
    places.grant(front.ledger, writers=writers, auditors=auditors, builders=builders)
    value = {"writers": list(writers), "auditors": list(auditors), "builders": list(builders)}
    front.print(value, pairs({what: ", ".join(named) or "-" for what, named in roles.items()}))


@ledger.command()
@click.option("--watch", is_flag=True, help="Go on until stopped.")
@front
def receive(front: Front, watch: bool) -> None:
    """Record the evaluations that build jobs handed in: those that may not write to the ledger themselves.

    What follows from counts is computed again; what does not hold is refused, and whoever handed it in is told.
    """
    from tallystick.ledger import inbox as inboxes
    from tallystick.report.words import plural
    from tallystick.workflow import submit

    with front.desk(writing=True) as desk, inboxes.lay_out(front.ledger) as inbox, _until_stopped() as stopped:
        count = sum(1 for _ in inbox.waiting())
        click.echo(f"the inbox is open; {plural(count, 'submission')} {'waits' if count == 1 else 'wait'}", err=True)
        while True:
            for found in submit.receive(desk, inbox):
                _tell(front, found)
            if not watch or stopped.wait(_PAUSE):
                return


_PAUSE: Final = 0.2
"""Seconds between looks at the inbox."""


@contextlib.contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Set by the signals that end a service, so that what was begun is finished."""
    stopped = threading.Event()
    before = {name: signal.signal(name, lambda *_: stopped.set()) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _tell(front: Front, found: Received) -> None:
    answer, submission = found.answer, found.submission
    value: Value = {
        "submission": submission.name,
        "by": submission.by,
        "evaluation": answer.evaluation,
        "decision": answer.decision,
        "refused": answer.refused,
    }
    became = f"refused: {answer.refused}" if answer.refused else f"recorded in entry {answer.evaluation}"
    front.print(value, [f"submission {submission.name[:8]} of {submission.by}: {became}"])


@ledger.command()
@front
def upgrade(front: Front) -> None:
    """Bring the layout of a ledger of an earlier version up to this one. No entry, proof or checkpoint changes."""
    from tallystick.workflow import places

    layout = places.bring_up(front.ledger)
    front.print({"layout": layout}, [f"layout {layout}, the one of this version"])

"""``policy check|publish|list|show``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.front import Front, Group, acting, columns, front, pairs, when, wrapped

if TYPE_CHECKING:
    from tallystick.people.book import Book
    from tallystick.policy.language import Planned
    from tallystick.records import Entry

__all__ = ["policy"]

_FILE = click.Path(path_type=Path)


@click.group(cls=Group)
def policy() -> None:
    """Check, explain, publish and list policies."""


@policy.command()
@click.argument("file", type=_FILE)
@front
def check(front: Front, file: Path) -> None:
    """Check a policy file and say in plain words what it demands. The ledger is not needed."""
    from tallystick.workflow import evaluate

    found = evaluate.checked(file)
    facts = {"policy": f"{found.id} {found.version}", "stage": found.stage, "digest": found.digest}
    sentences = _told(found.planned)
    front.print(
        {"id": found.id, "version": found.version, "digest": found.digest, "plan": list(found.plan)},
        [*pairs(facts), "", *sentences],
    )


def _told(planned: Sequence[Planned]) -> list[str]:
    """Checks under their gates; a reason that several share stands once, after them."""
    lines: list[str] = []
    for number, one in enumerate(planned):
        gate, _, check = one.id.partition("/")
        if number == 0 or planned[number - 1].id.partition("/")[0] != gate:
            lines += ["", gate]
        lines += wrapped(f"{check}: {one.demand}", "  ")
        last = number + 1 == len(planned) or planned[number + 1].because != one.because
        lines += wrapped(f"because: {one.because}", "      ") if one.because and last else []
    return lines[1:]


@policy.command()
@click.argument("file", type=_FILE)
@click.option("--author", metavar="LABEL", help="Who drafted it: another person than the one who publishes.")
@acting
@front
def publish(front: Front, file: Path, author: str | None) -> None:
    """Publish a version of a policy, signed by a risk officer. Its thresholds stand on the ledger from then on."""
    from tallystick.errors import UsageError
    from tallystick.workflow import evaluate

    with front.desk(writing=True) as desk:
        if front.actor is None:
            raise UsageError("nobody is named as the one who publishes", remedy="Add --as LABEL.")
        done = evaluate.publish(desk, file, by=front.actor, author=author)
        body = done.entry.body
        state = "was published before, as" if done.repeated else "published as"
        line = f"policy {body['id']} {body['version']} {state} entry {done.seq}, {len(body['plan'])} checks planned"
        front.print(
            {"entry": done.seq, "id": body["id"], "version": body["version"], "digest": body["digest"]},
            [line, *_unauthored(done.entry)],
        )


def _unauthored(entry: Entry) -> list[str]:
    if isinstance(entry.body["author"], str):
        return []
    return ["note: no author is named (--author LABEL): nobody but the publisher stands for it, and reports say so"]


@policy.command("list")
@front
def list_(front: Front) -> None:
    """List published policies."""
    with front.desk(writing=False) as desk:
        entries = _published(desk.book())
        rows = [("policy", "version", "stage", "published", "by", "entry", "digest")]
        rows += [
            (b["id"], b["version"], b["stage"], when(e.recorded_at), e.actor, str(e.seq), str(b["digest"])[:12])
            for e in entries
            for b in (e.body,)
        ]
        front.print([dict(entry.body) for entry in entries], columns(rows))


def _published(book: Book) -> list[Entry]:
    """Policies that somebody entitled signed: the same as the rules go by."""
    from tallystick.people import rules
    from tallystick.people.keys import KeyRing

    return rules.published(book, KeyRing.of(book))


@policy.command()
@click.argument("name")
@front
def show(front: Front, name: str) -> None:
    """Print the newest published version of a policy, byte for byte."""
    from tallystick.errors import NotFound

    with front.desk(writing=False) as desk:
        book = desk.book()
        everything = _published(book)
        found = [entry for entry in everything if entry.body["id"] == name]
        if not found:
            known = ", ".join(sorted({str(e.body["id"]) for e in everything})) or "none"
            raise NotFound("no such policy is published", got=name, expected=f"one of: {known}")
        click.echo(book.part(found[-1], "policy.yaml") or b"", nl=False)

"""``policy check|schema|publish|list|show|diff``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.front import NUMBER, Front, Group, acting, columns, front, when, wrapped

if TYPE_CHECKING:
    from tallystick.people.book import Book
    from tallystick.policy.difference import Change
    from tallystick.policy.document import Policy
    from tallystick.records import Entry
    from tallystick.workflow.replay import Supposed

__all__ = ["policy"]

_FILE = click.Path(path_type=Path)


@click.group(cls=Group)
def policy() -> None:
    """Check, explain, publish and list policies."""


@policy.command()
@click.argument("file", type=_FILE)
@front
def check(front: Front, file: Path) -> None:
    """Check a policy file and say in plain words what it demands, to be read aloud. The ledger is not needed."""
    from tallystick.policy import controls
    from tallystick.policy.explain import explain
    from tallystick.resources import shipped
    from tallystick.workflow import evaluate

    found = evaluate.checked(file)
    lines: list[str] = []
    for paragraph in explain(found, controls.load(shipped("policies") / "controls.yaml")):
        lines += wrapped(paragraph.text, " " * paragraph.indent) if paragraph.text else [""]
    notes = [note for gate in found.gates for note in gate.notes]
    front.print({**_named(found), "plan": list(found.plan), "notes": notes}, lines)


@policy.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors."""
    from tallystick.policy import document

    click.echo(json.dumps(document.json_schema(), indent=2))


@policy.command()
@click.argument("file", type=_FILE)
@click.option("--author", metavar="LABEL", help="Who drafted it: another person than the one who publishes.")
@acting
@front
def publish(front: Front, file: Path, author: str | None) -> None:
    """Publish a version of a policy, signed by a risk officer. Its thresholds stand on the ledger from then on."""
    from tallystick.errors import UsageError
    from tallystick.report.words import plural
    from tallystick.workflow import evaluate

    with front.desk(writing=True) as desk:
        if front.actor is None:
            raise UsageError("nobody is named as the one who publishes", remedy="Add --as LABEL.")
        done = evaluate.publish(desk, file, by=front.actor, author=author)
        body = done.entry.body
        state = "was published before, as" if done.repeated else "published as"
        planned = plural(len(body["plan"]), "check")
        line = f"policy {body['id']} {body['version']} {state} entry {done.seq}, {planned} planned"
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


@policy.command()
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option("--on", metavar="ENTRY", help="Also say what this recorded evaluation would have come to under each.")
@front
def diff(front: Front, old: str, new: str, on: str | None) -> None:
    """Say what changed between two policies: files, or published ones as ID or ID@VERSION.

    With --on, the counts of a recorded evaluation are judged under both; what would need the data is said. Nothing is
    recorded.
    """
    from tallystick.errors import UsageError
    from tallystick.policy import document
    from tallystick.policy.difference import difference
    from tallystick.workflow import replay

    if on is not None and not NUMBER.fullmatch(on):
        raise UsageError("not the number of an entry", got=on[:60], expected="such as 12")
    supposed: list[Supposed] = []
    if on is None and _is_file(old) and _is_file(new):
        first, second = document.load(Path(old)), document.load(Path(new))
    else:
        with front.desk(writing=False) as desk:
            book = desk.book()
            first, second = (
                document.load(Path(name)) if _is_file(name) else replay.named_policy(book, name) for name in (old, new)
            )
            supposed = [] if on is None else replay.suppose(book, int(on), first, second)
    changes = difference(first, second)
    value: dict[str, object] = {
        "old": _named(first), "new": _named(second), "changes": [dataclasses.asdict(change) for change in changes],
    }  # fmt: skip
    if on is not None:
        value["on"] = {"entry": int(on), "supposed": [_supposed_value(one) for one in supposed]}
    lines = [f"from {first.id} {first.version} to {second.id} {second.version}", "", *_changed(changes)]
    front.print(value, [*lines, *_supposed_lines(on, supposed)])


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or Path(name).is_file()


def _named(found: Policy) -> dict[str, object]:
    return {"id": found.id, "version": found.version, "digest": found.digest}


def _changed(changes: Sequence[Change]) -> list[str]:
    if not changes:
        return ["nothing: both say the same"]
    return [line for one in changes for line in wrapped(f"{one.kind.upper()} {one.what}: {one.words}", "")]


def _supposed_value(one: Supposed) -> dict[str, object]:
    checks = [{"id": c.check, "how": c.how, "verdict": c.verdict, "why": c.why} for c in one.checks]
    return {"policy": _named(one.policy), "verdict": one.verdict, "checks": checks}


def _supposed_lines(on: str | None, supposed: Sequence[Supposed]) -> list[str]:
    """Both verdicts, the checks that differ between the two, and what cannot be told."""
    if on is None:
        return []
    first, second = supposed
    then, now = ({check.check: check for check in one.checks} for one in supposed)
    rows = [
        (id, then[id].verdict or "untold" if id in then else "-", now[id].verdict or "untold" if id in now else "-")
        for id in {**then, **now}
    ]
    turned = [row for row in rows if row[1] != row[2]]
    lines = ["", f"on the evaluation in entry {on}, from its counts:"]
    for word, one in (("under A", first), ("under B", second)):
        said = one.verdict or f"cannot be told: {len(one.untold)} checks would need the data"
        lines += wrapped(f"{word} ({one.policy.id} {one.policy.version}): {said}", "  ")
    lines += ["", *columns([("check", "under A", "under B"), *turned])] if turned else []
    for check in dict.fromkeys((*first.untold, *second.untold)):
        lines += wrapped(f"untold: {check.check}: {check.why}", "  ")
    return lines

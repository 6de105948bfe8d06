"""``log``, ``show`` and ``history``: reading the books."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from tallystick.cli.front import NUMBER, Front, columns, front, model_version, pairs, when
from tallystick.errors import UsageError
from tallystick.records import KINDS, Entry

if TYPE_CHECKING:
    from tallystick.canonical import Value
    from tallystick.people.book import Book, Source

__all__ = ["history", "log", "moment", "show", "told"]


def told(entry: Entry) -> str:
    """An entry in a few words; one whose fields are of another form than its kind's is still listed."""
    try:
        return _told(entry)
    except (AttributeError, KeyError, TypeError):
        return f"({entry.kind} of another form)"


def _told(entry: Entry) -> str:
    body = entry.body
    match entry.kind:
        case "model":
            return f"{body['name']}@{body['version']} {str(body['digest'])[:12]}"
        case "dataset":
            rows = body["rows"]
            return f"{body['name']}@{body['version']}" + (f", {rows:,} rows" if isinstance(rows, int) else "")
        case "commit":
            untracked = body.get("untracked")
            more = f", {untracked} untracked" if isinstance(untracked, int) and untracked else ""
            return f"{str(body['gitCommit'])[:12]}{', dirty' if body['dirty'] is True else ''}{more}"
        case "run":
            return f"{body['name']} {body['status']}"
        case "metric":
            return f"{body['definition'].get('name')} = {_short(body['value'])}"
        case "policy":
            return f"{body['id']} {body['version']} for {body['stage']}"
        case "evaluation":
            return f"{entry.subject[0]['name'] if entry.subject else ''} {body['verdict']}"
        case "decision":
            return f"{body['resourceUri'].rpartition(':')[2]} {body['verdict']} for {body['stage']}"
        case "approval":
            return f"{entry.subject[0]['name'] if entry.subject else ''} {body['verdict']} for {body['stage']}"
        case "promotion":
            return f"{entry.subject[0]['name'] if entry.subject else ''} to {body['stage']}"
        case "key":
            return f"{body['actor']} {', '.join(body['roles']) or body['purpose']}"
        case _:
            return _short(next((body[k] for k in ("name", "origin", "title", "digest") if k in body), ""))


_WIDE = 64
"""Characters; a digest stands whole, to be compared."""


def _short(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


@click.command()
@click.option("--kind", help="Only entries of this kind.")
@click.option("-n", "count", type=click.IntRange(min=1), metavar="COUNT", help="Only the last COUNT entries.")
@click.option("--before", type=click.IntRange(min=0), metavar="ENTRY", help="Only entries before this one.")
@front
def log(front: Front, kind: str | None, count: int | None, before: int | None) -> None:
    """List entries: index, time recorded, kind, actor, and what it says."""
    if kind is not None and kind not in KINDS:
        raise UsageError("no such kind of entry", got=kind, expected="one of " + ", ".join(sorted(KINDS)))
    with front.desk(writing=False) as desk:
        stop = desk.ledger.size if before is None else min(before, desk.ledger.size)
        chosen = _last(desk.ledger, count, stop, kind) if count else desk.ledger.entries(0, stop, kind=kind)
        header = ("entry", "recorded", "kind", "actor", "says")
        front.print_each(chosen, Entry.value, header, _row)


def _row(entry: Entry) -> tuple[str, ...]:
    return (str(entry.seq), when(entry.recorded_at), entry.kind, entry.actor, told(entry))


def _last(source: Source, count: int, stop: int, kind: str | None) -> list[Entry]:
    """The last entries before `stop`, looked for backwards in stretches that double."""
    found: list[Entry] = []
    stretch = count
    while stop > 0 and len(found) < count:
        start = max(0, stop - stretch)
        found = [*source.entries(start, stop, kind=kind), *found]
        stop, stretch = start, 2 * stretch
    return found[-count:]


@click.command()
@click.argument("what")
@click.option("--attachment", metavar="NAME", help="Print the bytes of this attachment instead.")
@click.option("--raw", is_flag=True, help="Print the entry's bytes as they are stored and hashed.")
@front
def show(front: Front, what: str, attachment: str | None, raw: bool) -> None:
    """Show an entry: WHAT is its index, or MODEL[@VERSION]."""
    with front.desk(writing=False) as desk:
        book = desk.book()
        entry = desk.ledger.entry(int(what)) if NUMBER.fullmatch(what) else book.model(*model_version(what))
        if attachment is not None:
            click.echo(_attachment(book, entry, attachment), nl=False)
        elif raw:
            click.echo(entry.raw, nl=False)
        else:
            front.print({"leaf": entry.leaf.hex(), **entry.value()}, list(_lines(book, entry)))


def _attachment(book: Book, entry: Entry, name: str) -> bytes:
    data = book.part(entry, name)
    if data is None:
        known = ", ".join(str(line["name"]) for line in entry.attachments) or "none"
        raise UsageError("no such attachment, or it was erased", where=f"entry {entry.seq}", got=name, expected=known)
    return data


def _lines(book: Book, entry: Entry) -> Iterator[str]:
    yield from pairs(
        {
            "entry": f"{entry.seq}, {entry.kind}: {told(entry)}",
            "recorded": entry.recorded_at + " (the ledger's clock)",
            "claimed": entry.claimed_at + " (the recorder's clock)",
            "actor": entry.actor,
            "basis": entry.basis,
            "leaf": entry.leaf.hex(),
            "signed": "yes" if entry.statement is not None else "no",
        }
    )
    yield ""
    yield from _nested(entry.body, "")
    for line in entry.attachments:
        here = "" if book.part(entry, str(line["name"])) is not None else " (erased or missing)"
        yield f"attachment {line['name']}: {line['size']} bytes, {line['mediaType']}{here}"
    for line in entry.personal:
        yield f"personal {line['name']}: {book.personal(entry, str(line['name'])) or '(erased)'}"


def _nested(value: Value, indent: str) -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, dict) and set(item) == {"absent"}:
            yield f"{indent}{key}: ({item['absent']})"
        elif isinstance(item, dict) and set(item) == {"seq", "leaf"}:
            yield f"{indent}{key}: entry {item['seq']}"
        elif isinstance(item, dict) and item:
            yield f"{indent}{key}:"
            yield from _nested(item, indent + "  ")
        elif isinstance(item, list) and any(isinstance(x, dict) for x in item):
            yield f"{indent}{key}: {len(item)}"
            for x in item[:40]:
                yield f"{indent}  - {_short(x)}"
        else:
            yield f"{indent}{key}: {_short(item)}"


@click.command()
@click.argument("model")
@click.option("--stage", default="production", show_default=True, help="The stage.")
@click.option(
    "--as-of", metavar="TIME", help="Only the version in force then: YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, UTC."
)
@front
def history(front: Front, model: str, stage: str, as_of: str | None) -> None:
    """Show which version of MODEL was in a stage when. Promotions that break the rules put nothing there."""
    from tallystick.people import rules
    from tallystick.people.keys import KeyRing

    with front.desk(writing=False) as desk:
        book = desk.book()
        book.model(model)
        ring = KeyRing.of(book)
        tenures = rules.history(book, model, stage=stage, as_of=None if as_of is None else moment(as_of), ring=ring)
        rows = [("version", "since", "until", "promoted by", "entry")]
        value = []
        for tenure in tenures:
            name = f"{model}@{tenure.model.body['version']}"
            until = when(tenure.until) if tenure.until else "now"
            rows.append((name, when(tenure.since), until, tenure.promotion.actor, str(tenure.promotion.seq)))
            value.append({"model": name, "since": tenure.since, "until": tenure.until, "entry": tenure.promotion.seq})
        nothing = [f"no version of {model} was in {stage}" + (f" on {as_of}" if as_of else "")]
        front.print(value, columns(rows) if value else nothing)


def moment(text: str) -> str:
    """A time given by hand as the ledger writes it; a date counts to its end."""
    from datetime import UTC, datetime

    from tallystick.canonical import time_text

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("time is not usable", got=text, expected="YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ") from error
    if len(text) == len("YYYY-MM-DD"):
        moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return time_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

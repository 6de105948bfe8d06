"""``verify``: the auditor's command. It imports no database, no data frame and no template library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.front import columns, trusting, wrapped
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick.proof.verify import Verdict

__all__ = ["verify"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@trusting("a report")
@click.option(
    "--anchor",
    "anchors",
    type=_FILE,
    multiple=True,
    help="A checkpoint of this ledger that you kept yourself; repeatable.",
)
@click.option(
    "--consistency",
    type=_FILE,
    multiple=True,
    help="A proof that links it to FILE, from `ledger prove --from`; repeatable.",
)
@click.option(
    "--require-anchor", is_flag=True, help="Exit with 0 only if a checkpoint that you kept was compared and agrees."
)
@click.option(
    "--tsa",
    type=_FILE,
    multiple=True,
    help="Certificates (PEM) of an authority that you trust for the time: judge time stamps by it; repeatable.",
)
@click.option(
    "--ca",
    type=_FILE,
    multiple=True,
    help="Certificates (PEM) of an authority that you trust for who sealed a report, and lists of what it revoked; "
    "repeatable.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
def verify(
    file: Path,
    key: str | None,
    trust: Path | None,
    receipt: Path | None,
    anchors: tuple[Path, ...],
    consistency: tuple[Path, ...],
    require_anchor: bool,
    tsa: tuple[Path, ...],
    ca: tuple[Path, ...],
    form: str,
) -> int:
    """Verify FILE (a pack, report, receipt, checkpoint or consistency proof) offline, from it and a public key alone.

    Answers two questions: is it unaltered (integrity), and is anything missing (completeness); and says how many of its
    entries no checkpoint from elsewhere covers. With --tsa it says when it was there, with --ca who sealed it. Keys
    inside a file never make that file trusted. Exits 0 if it holds, 1
    if it does not, 3 if that cannot be said (no key, no receipt, an anchor that nothing links).
    """
    import json

    from tallystick.workflow import verify as verbs

    try:
        verdict = verbs.verify(
            file,
            key=key,
            trust=trust,
            receipt=receipt,
            anchors=anchors,
            consistency=consistency,
            require_anchor=require_anchor,
            tsa=tsa,
            ca=ca,
        )
    except TallystickError as error:
        if form == "json" and error.exit_code == CANNOT_SAY:
            click.echo(json.dumps(_no_verdict(error), indent=2))
        raise
    if form == "json":
        click.echo(json.dumps(verdict.value(), indent=2))
    else:
        held = key is not None and verbs.is_fingerprint(key)
        for line in _lines(verdict, "in the file; its fingerprint is the one given" if held else "given"):
            click.echo("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line))
    return verdict.exit_code


CANNOT_SAY: Final = 3


def _no_verdict(error: TallystickError) -> dict[str, Any]:
    """The JSON form where nothing could be found out."""
    checks = [{"name": "verify", "outcome": "unknown", "detail": str(error)}]
    none = dict.fromkeys(("kind", "key", "checkpoint", "anchor", "unanchored", "entry"))
    return {**none, "integrity": "unknown", "completeness": "not asked", "checks": checks, "not_proven": []}


def _lines(verdict: Verdict, source: str) -> list[str]:
    marks = {"ok": "ok", "failed": "FAILED", "unknown": "unknown"}
    rows = [(marks.get(check.outcome, check.outcome), check.name, check.detail) for check in verdict.checks]
    hang = sum(max(len(row[i]) for row in rows) + 2 for i in (0, 1))
    return [
        f"key           {verdict.key.name} ({source})",
        f"fingerprint   {verdict.key.public.fingerprint}",
        f"anchor        {_anchored(verdict)}",
        "",
        *[line for row in columns(rows) for line in wrapped(row, "", hang=hang)],
        "",
        f"integrity     {verdict.integrity}",
        f"completeness  {verdict.completeness}",
        *_time(verdict),
        "",
        "Not proven by this:",
        *[line for text in verdict.not_proven for line in wrapped(f"- {text}", "  ")],
    ]


def _time(verdict: Verdict) -> list[str]:
    """What is said of time, if it was asked."""
    if verdict.time == "not asked":
        return []
    if verdict.existed_at is None:
        return [f"time          {verdict.time}"]
    return [f"time          {verdict.time}: proven to exist at {verdict.existed_at:%Y-%m-%d %H:%M:%S} UTC"]


def _anchored(verdict: Verdict) -> str:
    """How much an outsider's checkpoint protects, and how much rests on the ledger's key."""
    if verdict.checkpoint is None:
        return "none: no checkpoint in this file was verified"
    size = verdict.checkpoint.size
    if verdict.anchor is None:
        return f"none: all {size} entries rest on the ledger's key alone"
    return f"size {verdict.anchor.size} kept elsewhere; {verdict.unanchored} of {size} entries lie after it"

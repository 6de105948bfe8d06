"""``document``: more documents from the same records."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.front import Front, check_output, front, pairs, write_output
from tallystick.errors import UsageError
from tallystick.report.documents import ENDINGS, KINDS

__all__ = ["document"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)), metavar="KIND")
@click.argument("name", metavar="NAME[@VERSION]")
@click.option("-o", "output", required=True, type=_PATH, help="The file; its ending says which: .md, .html or .pdf.")
@click.option("--as-of", metavar="TIME", help="Leave out what was recorded later.")
@click.option("--profile", is_flag=True, help="In a data sheet, print figures of each column too.")
@click.option(
    "--small-numbers",
    is_flag=True,
    help="In ll144-summary, print figures on fewer than ten people too, as the published summary must.",
)
@click.option("--templates", metavar="FOLDER", help="Templates that go before ours; else the setting, else none.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@front
def document(
    front: Front,
    kind: str,
    name: str,
    output: Path,
    as_of: str | None,
    profile: bool,
    small_numbers: bool,
    force: bool,
) -> None:
    """Write a document of a model version, or the data sheet of a dataset, filled from the ledger alone.

    KIND is model-card, bias-audit, data-sheet, hand-over, annex-iv or ll144-summary. What was not recorded is printed
    as not recorded.
    """
    from tallystick.cli.look import moment
    from tallystick.workflow import document as documents

    if output.suffix not in ENDINGS:
        raise UsageError("documents have no such form", got=output.name, expected=f"a file in {', '.join(ENDINGS)}")
    if profile and kind != documents.DATA_SHEET:
        raise UsageError("only a data sheet has a profile", got=kind, expected=documents.DATA_SHEET)
    if small_numbers and kind != documents.SUMMARY:
        raise UsageError("only the published summary has small numbers", got=kind, expected=documents.SUMMARY)
    check_output(output, force=force)
    of, _, version = name.rpartition("@") if "@" in name else (name, "", None)
    with front.desk(writing=False) as desk:
        time = None if as_of is None else moment(as_of)
        found = documents.read(desk, kind, of, version, as_of=time, disclose=profile, small_numbers=small_numbers)
    data = documents.draw(found, output.suffix, templates=front.settings.templates)
    write_output(output, data)
    facts = {
        "document": f"{output} ({len(data):,} bytes)",
        "of": f"{found.name}, version {found.version}",
        "entries": f"{len(found.sources)} are cited",
    }
    value = {"document": str(output), "kind": kind, "entries": [row.entries[0] for row in found.sources]}
    front.print(value, pairs(facts))

"""``report`` and ``pack``: what leaves the house."""

from __future__ import annotations

from pathlib import Path

import click

from tallystick.cli.front import Front, check_output, front, model_version, pairs, progress, wrapped, write_output

__all__ = ["pack", "report"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("model")
@click.option("-o", "output", required=True, type=_FILE, help="The PDF; HTML and receipt are written beside it.")
@click.option("--as-of", metavar="TIME", help="Leave out what was recorded later.")
@click.option("--anchor", type=_FILE, help="A checkpoint kept elsewhere: the report says what it does not cover.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@front
def report(front: Front, model: str, output: Path, as_of: str | None, anchor: Path | None, force: bool) -> None:
    """Write the audit report of MODEL[@VERSION]: a signed PDF, the same as HTML, and the receipt of its issue."""
    from tallystick.cli.look import moment
    from tallystick.workflow import issue

    html, receipt = output.with_suffix(".html"), output.with_name(output.name + ".tlog-proof")
    check_output(output, html, receipt, force=force)
    with front.desk(writing=True) as desk:
        progress("reading the books")
        drawn = issue.draw(desk, model_version(model), as_of=None if as_of is None else moment(as_of), anchor=anchor)
        write_output(html, issue.page(drawn).encode())  # without Pango, the page is there and the PDF is not
        progress("writing and sealing the PDF")
        done = issue.seal(desk, drawn)
    write_output(output, done.pdf)
    write_output(receipt, done.receipt)
    facts = {
        "report": f"{output} ({len(done.pdf):,} bytes, sealed)",
        "page": str(html),
        "receipt": str(receipt),
        "issued": f"entry {done.entry.seq}",
        "un-anchored": f"{drawn.un_anchored} entries that no checkpoint kept elsewhere covers",
    }
    value = {"report": str(output), "html": str(html), "receipt": str(receipt), "entry": done.entry.seq}
    front.print({**value, "un_anchored": drawn.un_anchored}, pairs(facts))


@click.command()
@click.argument("model")
@click.option("-o", "output", required=True, type=_FILE, help="The pack, such as evidence.zip.")
@click.option("--all", "everything", is_flag=True, help="All entries of the ledger: completeness is then proven.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@front
def pack(front: Front, model: str, output: Path, everything: bool, force: bool) -> None:
    """Write the evidence pack of MODEL[@VERSION]: entries, proofs, policies, keys, report and a signed manifest."""
    from tallystick.workflow import issue

    check_output(output, force=force)
    with front.desk(writing=False) as desk:
        done = issue.pack(desk, model_version(model), everything=everything)
    write_output(output, done.data)
    facts = {
        "pack": f"{output} ({len(done.data):,} bytes)",
        "entries": f"{done.entries} of {done.of}",
        "report": "the newest issued" if done.report else "none was issued yet: tallystick report",
        "withheld": ", ".join(done.withheld) or "nothing",
    }
    value = {"pack": str(output), "entries": done.entries, "of": done.of, "withheld": list(done.withheld)}
    front.print(value, [line for row in pairs(facts) for line in wrapped(row, "", hang=10)])

"""``report`` and ``pack``: what leaves the house; and ``report trace``, for whoever was handed a report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.front import (
    Front,
    Group,
    check_output,
    columns,
    front,
    model_version,
    pairs,
    progress,
    stamping,
    trusting,
    visible,
    wrapped,
    write_output,
)
from tallystick.errors import UsageError

if TYPE_CHECKING:
    from tallystick.report.seal import Level
    from tallystick.report.trace import Origin
    from tallystick.workflow.issue import Drawing
    from tallystick.workflow.trace import Traced

__all__ = ["pack", "report", "time_span"]

_FILE = click.Path(path_type=Path)


class _Report(Group):
    """The word ``write`` may be left out: what is no command of the group is an argument of it."""

    default = "write"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks = {*self.commands, *self.get_help_option_names(ctx)}
        return super().parse_args(ctx, args if not args or args[0] in asks else [self.default, *args])


@click.group(cls=_Report)
def report() -> None:
    """Write the audit report of a model version, or trace the numbers in one.

    `tallystick report MODEL -o FILE` is short for `tallystick report write MODEL -o FILE`.
    """


@report.command()
@click.argument("model")
@click.option("-o", "output", required=True, type=_FILE, help="The PDF; HTML and receipt are written beside it.")
@click.option("--as-of", metavar="TIME", help="Leave out what was recorded later.")
@click.option("--anchor", type=_FILE, help="A checkpoint kept elsewhere: the report says what it does not cover.")
@click.option(
    "--level",
    type=click.Choice(["b-b", "b-t", "b-lta"]),
    default="b-b",
    show_default=True,
    help="Of the seal (PAdES): with b-t an authority says when the seal was there, with b-lta the file, for years.",
)
@stamping
@click.option(
    "--crl",
    "crls",
    type=_FILE,
    multiple=True,
    help="A list of revoked certificates (DER) of the seal's authority, kept in the file with b-lta; repeatable.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@front
def write(
    front: Front,
    model: str,
    output: Path,
    as_of: str | None,
    anchor: Path | None,
    level: Level,
    crls: tuple[Path, ...],
    force: bool,
) -> None:
    """Write the audit report of MODEL[@VERSION]: a signed PDF, the same as HTML, and the receipt of its issue.

    The word "write" may be left out: `tallystick report MODEL -o FILE`.
    """
    from tallystick.cli.look import moment
    from tallystick.workflow import issue
    from tallystick.workflow.verify import read_small

    if crls and level != "b-lta":
        raise UsageError("lists of revoked certificates are kept in the file with --level b-lta alone")
    stamper = None if level == "b-b" else front.stamper()
    revocations = [read_small(path) for path in crls]

    html, receipt = output.with_suffix(".html"), output.with_name(output.name + ".tlog-proof")
    check_output(output, html, receipt, force=force, reads=[*crls, *([anchor] if anchor else [])])
    with front.desk(writing=True) as desk:
        progress("reading the books")
        drawn = issue.draw(desk, model_version(model), as_of=None if as_of is None else moment(as_of), anchor=anchor)
        write_output(html, issue.page(drawn).encode())  # without Pango, the page is there and the PDF is not
        progress("writing and sealing the PDF")
        done = issue.seal(desk, drawn, level=level, stamper=stamper, revocations=revocations)
    write_output(output, done.pdf)
    write_output(receipt, done.receipt)
    facts = {
        "report": f"{output} ({len(done.pdf):,} bytes, sealed{_LEVELS[level]})",
        "page": str(html),
        "receipt": str(receipt),
        "issued": f"entry {done.entry.seq}",
        "un-anchored": f"{drawn.un_anchored} entries that no checkpoint kept elsewhere covers",
    }
    value = {"report": str(output), "html": str(html), "receipt": str(receipt), "entry": done.entry.seq}
    front.print({**value, "un_anchored": drawn.un_anchored}, pairs(facts))


_LEVELS: Final = {"b-b": "", "b-t": ", its time stamped", "b-lta": ", time stamped for the years to come"}


@report.command()
@click.argument("file", type=_FILE)
@trusting("the report")
@click.option("--number", metavar="TEXT", help="List where this number comes from, written as in the report.")
@click.option("--fact", metavar="ID", help="List where the numbers of this fact come from.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", help="How to print.")
def trace(
    file: Path,
    key: str | None,
    trust: Path | None,
    receipt: Path | None,
    number: str | None,
    fact: str | None,
    form: str,
) -> int:
    """Derive every number in FILE (a report) again, offline, from the evidence attached to it.

    Holds the evidence against itself, builds the report again from it, compares every fact, and draws the pages again.
    With a key it also shows that the entries are the ledger's, and with the receipt that the ledger issued the file.
    Exits 0 if all is what the evidence gives, 1 if something is not or what was asked for is not printed there, 3 if
    that cannot be said (other programs draw here, no receipt).
    """
    import json

    from tallystick.workflow.trace import trace_report

    found = trace_report(file, key=key, trust=trust, receipt=receipt)
    asked = [
        one for one in found.origins if (number is None or one.number == number) and (fact is None or one.fact == fact)
    ]
    narrowed = number is not None or fact is not None
    code = found.exit_code or (1 if narrowed and not asked else 0)
    if form == "json":
        click.echo(json.dumps(replace(found, origins=tuple(asked)).value(), indent=2))
        return code
    listed = _places(asked) if narrowed else _by_entry(asked)
    for line in [*_checks(found), *listed, "", "Not proven by this:", *_bullets(found.not_proven)]:
        click.echo(visible(line))
    return code


def _checks(found: Traced) -> list[str]:
    marks = {"ok": "ok", "failed": "FAILED", "unknown": "unknown"}
    rows = [(marks[check.outcome], check.name, check.detail) for check in found.checks]
    hang = sum(max(len(row[i]) for row in rows) + 2 for i in (0, 1))
    told = {"facts": f"{found.same} of {found.facts} are what the evidence gives", "numbers": str(len(found.origins))}
    lines = [line for row in columns(rows) for line in wrapped(row, "", hang=hang)]
    return [*lines, "", *(pairs(told) if found.facts else ["nothing was derived: the evidence does not hold"]), ""]


def _by_entry(origins: Sequence[Origin]) -> list[str]:
    """For each entry the numbers that rest on it."""
    found: dict[tuple[int, ...], dict[str, None]] = {}
    for one in origins:
        found.setdefault(one.entries[:1], {})[one.number] = None
    rows = []
    for entries in sorted(found):
        numbers = list(found[entries])
        more = f" and {len(numbers) - _MOST_NUMBERS} more" if len(numbers) > _MOST_NUMBERS else ""
        name = f"entry {entries[0]}" if entries else "the report itself"
        rows.append((name, ", ".join(numbers[:_MOST_NUMBERS]) + more))
    return [line for row in columns(rows) for line in wrapped(row, "", hang=19)]


_MOST_NUMBERS: Final = 24


def _places(origins: Sequence[Origin]) -> list[str]:
    """For each number its fact, and the fields in which it stands."""
    if not origins:
        return ["FAILED  no such number, or no such fact, is printed in this report"]
    lines = []
    for one in origins:
        sources = ", ".join(f"entry {seq}" for seq in one.entries) or "what the report says of itself"
        lines += wrapped(f"{one.number}  {one.fact} ({one.label})", "")
        lines += [f"    {place}" for place in one.places] or [f"    counted or computed from {sources}"]
    return lines


def _bullets(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in wrapped(f"- {text}", "  ")]


POPULATIONS: Final = {
    "models": "model",
    "evaluations": "evaluation",
    "decisions": "decision",
    "approvals": "approval",
    "waivers": "waiver",
    "promotions": "promotion",
}
"""What a sample can be drawn from, and the kind of its entries."""


@click.command()
@click.argument("model", required=False)
@click.option("-o", "output", required=True, type=_FILE, help="The pack, such as evidence.zip.")
@click.option("--all", "everything", is_flag=True, help="All entries of the ledger: completeness is then proven.")
@click.option("--population", type=click.Choice(list(POPULATIONS)), help="Instead of a model: draw from all of these.")
@click.option(
    "--period", metavar="TIME", help="When they were recorded: 2026, 2026Q4, 2026-11, or 2026-10-01..2026-12-31."
)
@click.option("--sample", "count", type=click.IntRange(min=1), metavar="N", help="How many to draw.")
@click.option("--seed", metavar="TEXT", help="Words of the auditor's own choice; they decide which are drawn.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@front
def pack(
    front: Front,
    model: str | None,
    output: Path,
    everything: bool,
    population: str | None,
    period: str | None,
    count: int | None,
    seed: str | None,
    force: bool,
) -> None:
    """Write the evidence pack of MODEL[@VERSION]: entries, proofs, policies, keys, report and a signed manifest.

    With --population it holds a sample in place of a model: every entry of the period, so that nothing can be left out
    of what is drawn from, and the whole story of what the auditor's seed draws.
    """
    from tallystick.workflow import issue

    drawing = _drawing(population, period, count, seed)
    if (model is None) == (drawing is None) or (drawing is not None and everything):
        raise UsageError("a pack is of one model, or of a sample", expected="MODEL, or --population with --period")
    check_output(output, force=force)
    sample = None
    with front.desk(writing=False) as desk:
        if drawing is not None:
            done, sample = issue.sampled(desk, drawing)
        else:
            done = issue.pack(desk, model_version(model or ""), everything=everything)
    write_output(output, done.data)
    facts = {"pack": f"{output} ({len(done.data):,} bytes)", "entries": f"{done.entries} of {done.of}"}
    value = {"pack": str(output), "entries": done.entries, "of": done.of, "withheld": list(done.withheld)}
    if sample is None:
        facts["report"] = "the newest issued" if done.report else "none was issued yet: tallystick report"
    else:
        facts["drawn"] = f"{len(sample.drawn)} of {sample.population} {population}: " + ", ".join(
            f"entry {seq}" for seq in sample.drawn
        )
        value["sample"] = sample.value()
    facts["withheld"] = ", ".join(done.withheld) or "nothing"
    front.print(value, [line for row in pairs(facts) for line in wrapped(row, "", hang=10)])


def _drawing(population: str | None, period: str | None, count: int | None, seed: str | None) -> Drawing | None:
    from tallystick.workflow.issue import Drawing

    given = {"--population": population, "--period": period, "--sample": count, "--seed": seed}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if population is None or period is None or count is None or seed is None:
        raise UsageError(f"a sample needs {' and '.join(missing)} too")
    return Drawing(POPULATIONS[population], *time_span(period), count, seed)


_PERIOD: Final = re.compile(r"(?P<year>\d{4})(Q(?P<quarter>[1-4])|-(?P<month>\d\d))?", re.ASCII)


def time_span(text: str) -> tuple[str, str]:
    """From when to before when a period lasts, in the ledger's form; days are those of UTC.

    Raises:
        UsageError: a text that is no period, or one that ends before it begins.
    """
    try:
        first, last = _days(text)
    except ValueError as error:
        raise UsageError(
            "period is not usable", got=text, expected="2026, 2026Q4, 2026-11 or 2026-10-01..2026-12-31"
        ) from error
    return f"{first.isoformat()}T00:00:00.000000Z", f"{last.isoformat()}T00:00:00.000000Z"


def _days(text: str) -> tuple[date, date]:
    """The first day of a period, and the first after it."""
    found = _PERIOD.fullmatch(text)
    if found is None:
        first, _, last = text.partition("..")
        begins, ends = date.fromisoformat(first), date.fromisoformat(last) + timedelta(days=1)
        if begins >= ends:
            raise ValueError("ends before it begins")
        return begins, ends
    year, quarter, month = int(found["year"]), found["quarter"], found["month"]
    start, months = (3 * int(quarter) - 2, 3) if quarter else (int(month), 1) if month else (1, 12)
    after = start + months
    return date(year, start, 1), date(year + (after > 12), after - 12 * (after > 12), 1)

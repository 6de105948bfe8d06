"""The public summary of New York City's Local Law 144, as 6 RCNY 5-303 lists it.

Rates and ratios are those that a recorded check of the gate computed. What would tell of fewer than ten people is not
in a result, which cannot be erased, and is printed as withheld. The published summary must have it: whoever asks for it
gets it from the count tables, as long as they were not erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tallystick.canonical import Value
from tallystick.errors import NotFound
from tallystick.records import Entry
from tallystick.report import words
from tallystick.report.documents.document import Content, parts
from tallystick.report.facts import Block, Fact, Facts, Note, Row
from tallystick.report.saying import MOST_ROWS, fact, field, inside, items, title, within
from tallystick.report.saying import table as capped
from tallystick.report.story import Story

__all__ = ["build"]

_RULE: Final = "ll144"
_WITHHELD: Final = "withheld"
_COUNTS: Final = "counts.json"
_SMALL: Final = 0.02
"""A category with a smaller share of the data may be left out of the impact ratios: 5-301(d)."""
_RATIO: Final = "impact_ratio"
Table = Mapping[str, Value]
"""What a check says of the categories."""
Whole = Callable[[Entry], Mapping[str, Table]]
"""From an evaluation to the tables of its checks by id, with nothing withheld."""


def build(story: Story, *, whole: Whole | None = None) -> Content:
    """
    Args:
        whole: computes the tables from the recorded counts, so that figures on fewer than ten people are printed too;
            not asked where the counts were erased. None to print what the results hold.

    Raises:
        NotFound: no check of this kind is recorded for the version.
    """
    evaluation, tables = _newest(story)
    if evaluation is None:
        raise NotFound(
            "no check of Local Law 144 is recorded for this version",
            where=f"{words.shortened(story.name, 80)}@{words.said(story.model.body.get('version'))}",
            expected="a bias gate with the metric ll144",
            remedy="Add the metric to the policy, and run the gate.",
        )
    counted = story.book.part(evaluation, _COUNTS) is not None
    if whole is not None and counted:
        computed = whole(evaluation)
        tables = {id: computed.get(id, table) for id, table in tables.items()}
    results = [(_heading(id, table), table) for id, table in tables.items()]
    return Content(
        name=words.shortened(story.name, 80),
        version=words.said(story.model.body.get("version")),
        notes=(
            Note(
                "The law requires a bias audit by an independent auditor. That an independent auditor made this one is "
                "not shown: these are figures that the ledger's own gate computed.",
                "open",
            ),
            *_on_small_numbers(story, evaluation, results, asked=whole is not None, counted=counted),
            Note("Draft mapping, not legal advice. The law sets no threshold for an impact ratio.", "quiet"),
        ),
        sections=parts(
            ("Date and distribution", [_dates(story, evaluation)]),
            ("Source and explanation of the data", _data(story, evaluation)),
            *(
                (heading, list(_results(evaluation, id, heading, table)))
                for id, (heading, table) in zip(tables, results, strict=True)
            ),
            ("What it does not show", [Note(_NOT_SHOWN)]),
        ),
    )


_NOT_SHOWN: Final = (
    "That the data are historical data of the kind that the rules name, that the categories are those of the rules, "
    "that the summary was published, and that candidates were given notice."
)


def _newest(story: Story) -> tuple[Entry | None, dict[str, Table]]:
    """The newest evaluation that has such checks, and their tables by id."""
    for entry in reversed(story.evaluations):
        found = {
            str(check.get("id")): table
            for check in story.checks(entry) or ()
            if isinstance(table := within(check.get("figures"), _RULE), Mapping)
            and isinstance(table.get("categories"), list)
        }
        if found:
            return entry, found
    return None, {}


# --------------------------------------------------------------------------- what is withheld


def _on_small_numbers(
    story: Story, evaluation: Entry, results: Sequence[tuple[str, Table]], *, asked: bool, counted: bool
) -> Iterator[Note]:
    """Whether the document may be published as it is, and what to do if not."""
    held = any(_held_back(table) for _, table in results)
    if asked and counted:
        text = (
            "Figures on fewer than ten people are printed too, as the published summary must have them; they are "
            "computed from the count tables beside the evaluation and may tell of single persons."
        )
        yield Note(text, "open", (evaluation.seq,))
    elif held and counted:
        of = f"{words.shortened(story.name, 80)}@{words.said(story.model.body.get('version'))}"
        text = (
            "Not yet what has to be published: figures are withheld that would tell of fewer than ten people, or from "
            "which these would follow. The published summary must have them; tallystick document ll144-summary "
            f"{of} with the option --small-numbers prints them, from the count tables beside the evaluation."
        )
        yield Note(text, "open", (evaluation.seq,))
    elif held:
        text = (
            "Not what has to be published: figures are withheld that would tell of fewer than ten people, and the "
            "count tables that they could be computed from were erased or are not at hand."
        )
        yield Note(text, "bad", (evaluation.seq,))


def _held_back(table: Table) -> list[str]:
    """``4 impact ratios``, ``1 selection rate``: what the table does not tell, in the order of its columns."""
    lines = _lines(table)
    count, rate = _names(lines)
    missing = {
        name: sum(1 for line in lines if line.get(name) is None and not (name == _RATIO and line.get("excluded")))
        for name in (_RATIO, rate, count, "n")
    }
    said = {_RATIO: "impact ratio", "n": "number of applicants|numbers of applicants", count: f"number {_plain(count)}"}
    said[count] += f"|numbers {_plain(count)}"
    told = [words.plural(n, *said.get(name, _plain(name)).split("|")) for name, n in missing.items() if n]
    return told + (["the number of an unknown category"] if table.get("unknown") is None else [])


def _plain(name: str) -> str:
    return words.shortened(name.replace("_", " "), 32)


def _dates(story: Story, evaluation: Entry) -> Facts:
    first = story.promotions[0] if story.promotions else None
    return Facts(
        "dates",
        "Dates",
        (
            fact(evaluation, "Date of the computation", evaluation.recorded_at, say=words.day),
            Fact("Date of the audit by an independent auditor", words.NOT_RECORDED, missing=True),
            field(first, "Distribution date: in force from", "effective_from", say=words.day),
            field(story.model, "Tool", "name"),
            field(story.model, "Version", "version"),
        ),
    )


def _data(story: Story, evaluation: Entry) -> list[Block]:
    found = story.data_of(evaluation)
    if not found:
        return [Facts("data", "Data", (Fact("Source of the data", words.NOT_RECORDED, missing=True),))]
    return [
        Facts(
            f"data-{entry.seq}",
            title(entry, "name", "version"),
            (
                inside(entry, "Source", "distribution", "contentUrl", style="code"),
                field(entry, "Role", "role"),
                field(entry, "Individuals (rows)", "rows", style="number"),
                field(entry, "Time that the data cover", "temporal_coverage"),
                field(entry, "Sampling", "sampling"),
                field(entry, "Exclusions", "exclusions"),
                inside(entry, "How categories were obtained", "sensitive_fields", "obtained"),
                Fact("Historical or test data of the rules", words.NOT_RECORDED, missing=True),
            ),
        )
        for entry in found
    ]


def _heading(id: str, table: Table) -> str:
    """``Results by sex and race``, of ``GATE/sex+race/ll144``."""
    names = [name for line in _lines(table) if isinstance(line.get("category"), Mapping) for name in line["category"]]
    by = " and ".join(words.shortened(str(name), 40) for name in dict.fromkeys(names))
    return f"Results by {by}" if by else f"Results of {words.shortened(id, 80)}"


def _lines(table: Table) -> list[Mapping[str, Value]]:
    return [line for line in items(table.get("categories")) if isinstance(line, Mapping)]


def _results(evaluation: Entry, id: str, heading: str, table: Table) -> Iterator[Block]:
    lines = _lines(table)
    count, rate = _names(lines)
    yield Facts(f"unknown-{evaluation.seq}", "People", tuple(_people(evaluation, id, heading, table)))
    known = [n for line in lines if (n := words.numeric(line.get("n"))) is not None]
    small = _SMALL * sum(known) if len(known) == len(lines) else None
    columns = ["Category", "Applicants", _column(count), _column(rate), "Impact ratio"]
    columns += ["Under 2 %"] if small is not None else []
    rows = [_row(line, count, rate, evaluation, small) for line in lines]
    styles = ("text", *("number",) * (len(columns) - 1))
    yield capped(f"categories-{evaluation.seq}", "Categories", columns, styles, rows)
    if len(lines) > MOST_ROWS:
        yield Note(
            f"{len(lines) - MOST_ROWS} categories do not fit; the evaluation holds them.", "open", (evaluation.seq,)
        )
    yield _excluded(lines, table, evaluation)


def _people(evaluation: Entry, id: str, heading: str, table: Table) -> Iterator[Fact]:
    unknown = words.numeric(table.get("unknown"))
    absent = "unknown" not in table
    told = words.NOT_RECORDED if absent else _FEW if unknown is None else words.count(int(unknown))
    yield Fact("Individuals of an unknown category", told, evaluation.seq, evaluation.basis, missing=absent)
    yield Fact("Check", words.shortened(id, 80), evaluation.seq, style="code")
    held = _held_back(table)
    if held:
        label = f"Withheld in {heading[:1].lower()}{heading[1:]}"
        yield Fact(f"{label}: {', '.join(held)}", _WHY, evaluation.seq, missing=True)


_FEW: Final = "fewer than 10"
_WHY: Final = "would tell of fewer than ten people, or let that follow"


def _names(lines: list[Mapping[str, Value]]) -> tuple[str, str]:
    """What the check calls the number of those chosen and their share: selected, or scored above the median."""
    known = {"category", "n", "impact_ratio", "excluded"}
    names = [name for line in lines[:1] for name in line if name not in known]
    rate = next((name for name in names if name.endswith("_rate")), "selection_rate")
    return next((name for name in names if name != rate), "selected"), rate


def _column(name: str) -> str:
    return _plain(name).capitalize()


def _row(line: Mapping[str, Value], count: str, rate: str, evaluation: Entry, small: float | None) -> Row:
    """
    Args:
        small: the number of people below which a category is under 2 % of the data; None where it cannot be said.
    """
    name = words.shortened(_named(line.get("category")), 80)
    ratio = "excluded" if line.get("excluded") is True else _number(line.get(_RATIO))
    cells = [name, _number(line.get("n")), _number(line.get(count)), _number(line.get(rate)), ratio]
    if small is not None:
        cells.append("yes" if (words.numeric(line.get("n")) or 0) < small else "no")
    return Row(tuple(cells), (evaluation.seq,))


def _named(category: Value) -> str:
    """``female``; of an intersection ``race: b, sex: female``."""
    if not isinstance(category, Mapping) or len(category) != 1:
        return words.said(category)
    return words.said(next(iter(category.values())))


def _number(value: Value) -> str:
    found = words.numeric(value)
    return _WITHHELD if found is None else words.number(found)


def _excluded(lines: list[Mapping[str, Value]], table: Table, evaluation: Entry) -> Note:
    left = [line for line in lines if line.get("excluded") is True]
    said = "Excluded categories: none."
    if left:
        share = words.numeric(table.get("excluded_below"))
        below = f", each under {words.number(share * 100)} % of the data" if share is not None else ""
        why = words.shortened(words.said(table.get("justification")), 300)
        said = f"Excluded categories: {words.count(len(left))}{below}; justification: {why}."
    rule = " A category of less than 2 % of the data may be left out of the impact ratios: 6 RCNY 5-301(d)."
    return Note(said + rule, "open" if left else "quiet", (evaluation.seq,))

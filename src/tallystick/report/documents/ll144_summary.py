"""The public summary of New York City's Local Law 144, as 6 RCNY 5-303 lists it.

Rates and ratios are those that a recorded check of the gate computed. Figures of categories of fewer than ten people
are not in a result; they are printed as withheld.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.canonical import Value
from tallystick.errors import NotFound
from tallystick.records import Entry
from tallystick.report import words
from tallystick.report.documents.document import Content, parts
from tallystick.report.facts import Block, Fact, Facts, Note, Row
from tallystick.report.saying import MOST_ROWS, fact, field, inside, items, title
from tallystick.report.saying import table as capped
from tallystick.report.story import Story

__all__ = ["build"]

_RULES: Final = ("ll144", "ll144_scoring")
_WITHHELD: Final = "withheld"
Found = tuple[Entry, Mapping[str, Value], Mapping[str, Value]]
"""An evaluation, a check of it, and what the check says of the categories."""


def build(story: Story) -> Content:
    """
    Raises:
        NotFound: no check of this kind is recorded for the version.
    """
    found = _newest(story)
    if not found:
        raise NotFound(
            "no check of Local Law 144 is recorded for this version",
            where=f"{words.shortened(story.name, 80)}@{words.said(story.model.body.get('version'))}",
            expected="a bias gate with the metric ll144",
            remedy="Add the metric to the policy, and run the gate.",
        )
    evaluation = found[0][0]
    return Content(
        name=words.shortened(story.name, 80),
        version=words.said(story.model.body.get("version")),
        notes=(
            Note(
                "The law requires a bias audit by an independent auditor. That an independent auditor made this one is "
                "not shown: these are figures that the ledger's own gate computed.",
                "open",
            ),
            Note("Draft mapping, not legal advice. The law sets no threshold for an impact ratio.", "quiet"),
        ),
        sections=parts(
            ("Date and distribution", [_dates(story, evaluation)]),
            ("Source and explanation of the data", _data(story, evaluation)),
            *((_heading(one[1]), list(_results(*one))) for one in found),
            ("What it does not show", [Note(_NOT_SHOWN)]),
        ),
    )


_NOT_SHOWN: Final = (
    "That the data are historical data of the kind that the rules name, that the categories are those of the rules, "
    "that the summary was published, and that candidates were given notice."
)


def _newest(story: Story) -> list[Found]:
    """The checks of the newest evaluation that has any."""
    for entry in reversed(story.evaluations):
        found = [
            (entry, check, figures)
            for check in story.checks(entry) or ()
            for rule in _RULES
            if isinstance(told := check.get("figures"), Mapping)
            and isinstance(figures := told.get(rule), Mapping)
            and isinstance(figures.get("categories"), list)
        ]
        if found:
            return found
    return []


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


def _heading(check: Mapping[str, Value]) -> str:
    """``Results by sex and race``, of ``GATE/sex+race/ll144``."""
    names = [name for line in _lines(check) if isinstance(line.get("category"), Mapping) for name in line["category"]]
    by = " and ".join(words.shortened(str(name), 40) for name in dict.fromkeys(names))
    return f"Results by {by}" if by else f"Results of {words.shortened(str(check.get('id')), 80)}"


def _figures(check: Mapping[str, Value]) -> Mapping[str, Value]:
    told = check["figures"]
    return next(told[rule] for rule in _RULES if rule in told)


def _lines(check: Mapping[str, Value]) -> list[Mapping[str, Value]]:
    return [line for line in items(_figures(check).get("categories")) if isinstance(line, Mapping)]


def _results(evaluation: Entry, check: Mapping[str, Value], figures: Mapping[str, Value]) -> Iterator[Block]:
    lines = _lines(check)
    count, rate = _names(lines)
    unknown = words.numeric(figures.get("unknown"))
    absent = words.NOT_RECORDED
    withheld = "fewer than 10" if "unknown" in figures else absent
    told = words.count(int(unknown)) if unknown is not None else withheld
    yield Facts(
        f"unknown-{evaluation.seq}",
        "People",
        (
            Fact(
                "Individuals of an unknown category",
                told,
                evaluation.seq,
                evaluation.basis,
                missing=told == words.NOT_RECORDED,
            ),
            Fact("Check", words.shortened(str(check.get("id")), 80), evaluation.seq, style="code"),
        ),
    )
    columns = ("Category", "Applicants", _column(count), _column(rate), "Impact ratio")
    rows = [_row(line, count, rate, evaluation) for line in lines]
    yield capped(f"categories-{evaluation.seq}", "Categories", columns, ("text", *("number",) * 4), rows)
    if len(lines) > MOST_ROWS:
        yield Note(
            f"{len(lines) - MOST_ROWS} categories do not fit; the evaluation holds them.", "open", (evaluation.seq,)
        )
    yield _excluded(lines, figures, evaluation)


def _names(lines: list[Mapping[str, Value]]) -> tuple[str, str]:
    """What the check calls the number of those chosen and their share: selected, or scored above the median."""
    known = {"category", "n", "impact_ratio", "excluded"}
    names = [name for line in lines[:1] for name in line if name not in known]
    rate = next((name for name in names if name.endswith("_rate")), "selection_rate")
    return next((name for name in names if name != rate), "selected"), rate


def _column(name: str) -> str:
    return words.shortened(name.replace("_", " "), 32).capitalize()


def _row(line: Mapping[str, Value], count: str, rate: str, evaluation: Entry) -> Row:
    name = words.shortened(_named(line.get("category")), 80)
    ratio = "excluded" if line.get("excluded") is True else _number(line.get("impact_ratio"))
    return Row(
        (name, _number(line.get("n")), _number(line.get(count)), _number(line.get(rate)), ratio), (evaluation.seq,)
    )


def _named(category: Value) -> str:
    """``female``; of an intersection ``race: b, sex: female``."""
    if not isinstance(category, Mapping) or len(category) != 1:
        return words.said(category)
    return words.said(next(iter(category.values())))


def _number(value: Value) -> str:
    found = words.numeric(value)
    return _WITHHELD if found is None else words.number(found)


def _excluded(lines: list[Mapping[str, Value]], figures: Mapping[str, Value], evaluation: Entry) -> Note:
    left = [line for line in lines if line.get("excluded") is True]
    small = any(words.numeric(line.get("n")) is None for line in lines)
    said = "Excluded categories: none."
    if left:
        share = words.numeric(figures.get("excluded_below"))
        below = f", each under {words.number(share * 100)} % of the data" if share is not None else ""
        why = words.shortened(words.said(figures.get("justification")), 300)
        said = f"Excluded categories: {words.count(len(left))}{below}; justification: {why}."
    if small:
        said += " Withheld: figures of categories of fewer than ten people, which the published summary must have."
    return Note(said, "open" if left or small else "quiet", (evaluation.seq,))

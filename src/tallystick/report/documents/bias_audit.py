"""The bias audit: what bias gates found in every recorded evaluation of a version, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.canonical import Value
from tallystick.policy.metrics import GROUP_METRICS
from tallystick.records import Entry
from tallystick.report import tested, words
from tallystick.report.documents.document import Content, parts
from tallystick.report.facts import Block, Fact, Facts, Note, Row
from tallystick.report.saying import MOST_ROWS, fact, field, inside, items, table, title, value_of, within
from tallystick.report.story import Story

__all__ = ["build", "not_shown"]

_MOST_EVALUATIONS: Final = 12
not_shown: Final = (
    Fact("Representative people", "Intervals hold if the people were drawn at random from whom the model will meet."),
    Fact(
        "The right criterion",
        "Where base rates differ, equal selection rates, equal error rates and equal precision exclude each other; a "
        "policy chooses.",
    ),
    Fact("Law", "It is no finding of law. The four-fifths rule is an employment rule, shown for illustration."),
    Fact("Other evaluations", "Evaluations are counted where they were recorded."),
)
"""What figures between groups do not show."""


def build(story: Story) -> Content:
    newest_first = story.evaluations[::-1]
    told = [(_heading(entry), list(_evaluation(story, entry))) for entry in newest_first[:_MOST_EVALUATIONS]]
    notes = []
    if not any(_bias(story, entry) for entry in newest_first):
        notes.append(Note("Bias check: not recorded. No gate has compared groups for this version.", "open"))
    if len(newest_first) > _MOST_EVALUATIONS:
        left = len(newest_first) - _MOST_EVALUATIONS
        notes.append(Note(f"{left} earlier evaluations are left out; tallystick log lists them.", "open"))
    return Content(
        name=words.shortened(story.name, 80),
        version=words.said(story.model.body.get("version")),
        notes=tuple(notes),
        sections=parts(
            ("Scope", [_scope(story), tested.protected(story.model)]),
            *told,
            ("What it does not show", [Facts("limits", "Limits", not_shown)]),
        ),
    )


def _heading(entry: Entry) -> str:
    return f"Evaluation of {words.day(entry.recorded_at)}"


def _scope(story: Story) -> Facts:
    usecase, count = story.usecase, len(story.evaluations)
    return Facts(
        "scope",
        "Model and use",
        (
            field(story.model, "Model", "name"),
            field(story.model, "Version", "version"),
            field(story.model, "Digest (SHA-256)", "digest", style="digest"),
            field(usecase, "Intended use", "intended_use"),
            field(usecase, "Affected groups", "affected_groups"),
            Fact("Recorded evaluations", words.count(count) if count else words.NOT_RECORDED, missing=not count),
        ),
    )


def _bias(story: Story, entry: Entry) -> list[Mapping[str, Value]]:
    return [check for check in story.checks(entry) or () if check.get("type") == "bias"]


def _evaluation(story: Story, entry: Entry) -> Iterator[Block]:
    checks = _bias(story, entry)
    yield Facts(f"data-{entry.seq}", "Data and policy", tuple(_ground(story, entry)))
    if not checks:
        yield Note("No bias check in this evaluation.", "quiet", (entry.seq,))
        return
    rows = [_row(check, entry) for check in checks[:MOST_ROWS]]
    columns, styles = ("Check", "Verdict", "Value", "What it asks for"), ("code", "verdict", "number", "text")
    yield table(f"metrics-{entry.seq}", "Metrics", columns, styles, rows)
    yield _method(checks, entry)
    hues = tested.hues_of(checks)
    for gate, members in tested.by_gate(checks):
        yield from tested.bias_gate(gate, members, entry, hues)
    yield from _left_out(checks, entry)


def _ground(story: Story, entry: Entry) -> Iterator[Fact]:
    policy, data = story.book.find(entry.body.get("policy")), story.data_of(entry)
    yield field(entry, "Verdict", "verdict")
    yield field(policy, "Policy", "id", say=lambda _: title(policy, "id", "version"))
    test = data[0] if data else None
    yield field(test, "Test data", "name", say=lambda _: title(test, "name", "version"))
    yield field(test, "Rows", "rows", style="number")
    yield inside(test, "Sensitive columns", "sensitive_fields", "columns")
    yield inside(test, "How they were obtained", "sensitive_fields", "obtained")
    yield inside(entry, "Looks at this test data", "attempt", "data", style="number")
    yield field(entry, "Engine", "engine")
    yield field(entry, "Seed", "seed", style="code")


def _row(check: Mapping[str, Value], entry: Entry) -> Row:
    metric = GROUP_METRICS.get(str(check.get("id")).rpartition("/")[2])
    means = "as the policy names it"
    if metric is not None:
        rates = " and ".join(rate.words for rate in metric.rates)
        means = f"{metric.means}; {metric.form} of the {rates}"
    cells = (words.shortened(str(check.get("id")), 80), words.shortened(str(check.get("verdict")), 16))
    return Row((*cells, value_of(check), means), (entry.seq,))


_DECISIONS: Final = {
    "point": "the value alone is held against the limits",
    "confident": "the whole interval has to lie on one side of a limit",
}


def _method(checks: list[Mapping[str, Value]], entry: Entry) -> Facts:
    rates = [
        rate for check in checks for group in items(check.get("groups")) for rate in _values(within(group, "rates"))
    ]
    gaps = [gap for check in checks if (gap := words.numeric(within(check.get("figures"), "smallest_gap"))) is not None]
    told = [str(within(check.get("threshold"), "decision")) for check in checks]
    decisions = [_DECISIONS[name] for name in dict.fromkeys(told) if name in _DECISIONS]
    return Facts(
        "method",
        "Method",
        (
            fact(entry, "How limits are applied", "; ".join(decisions) or None),
            fact(entry, "Intervals of the metrics", _intervals(checks)),
            fact(entry, "Intervals of the rates", _intervals(rates)),
            fact(entry, "Smallest gap that could be told", words.number(max(gaps)) if gaps else None),
        ),
    )


def _values(value: Value) -> list[Mapping[str, Value]]:
    found = value.values() if isinstance(value, Mapping) else ()
    return [item for item in found if isinstance(item, Mapping)]


def _intervals(measured: list[Mapping[str, Value]]) -> str | None:
    """``95 %, multinomial bootstrap of 10,000 replicates``, each once."""
    told = []
    for item in measured:
        interval = item.get("interval")
        confidence, drawn = (words.numeric(within(interval, name)) for name in ("confidence", "replicates"))
        if confidence is not None:
            method = words.shortened(str(within(interval, "method")), 60).replace("_", " ")
            more = f" of {words.count(int(drawn))} replicates" if drawn is not None else ""
            told.append(f"{words.number(confidence * 100)} %, {method}{more}")
    return "; ".join(dict.fromkeys(told)) or None


def _left_out(checks: list[Mapping[str, Value]], entry: Entry) -> Iterator[Block]:
    """Said in a sentence also where no group was left out: the reader need not infer it from a column."""
    lines = [line for check in checks for line in check.get("groups") or () if isinstance(line, Mapping)]
    if not any(line.get("left_out") for line in lines):
        yield Note("Groups left out: none.", "quiet", (entry.seq,))

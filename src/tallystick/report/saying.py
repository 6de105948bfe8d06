"""How entries become facts, tables and sections: shared by all modules that write sections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tallystick.canonical import Value
from tallystick.records import LEDGER_ACTOR, Entry
from tallystick.report import charts, words
from tallystick.report.facts import Block, Fact, Row, Section, Table
from tallystick.report.story import Story

__all__ = [
    "MOST_ROWS",
    "Say",
    "fact",
    "field",
    "inside",
    "items",
    "limits_of",
    "roles_before",
    "section",
    "table",
    "title",
    "uncommitted",
    "untracked",
    "value_of",
    "who",
    "within",
]

MOST_ROWS: Final = 48


Say = Callable[[Value], str]
"""How a value that is there is said."""


def fact(
    entry: Entry | None, label: str, value: Value, *, of: str = "", style: str = "text", say: Say = words.said
) -> Fact:
    """A fact from a value of an entry; an absent value gives its reason and no basis: nothing was observed.

    Args:
        of: the field of the body that the value is from; it may be declared where the rest was observed.
    """
    if entry is None:
        return Fact(label, words.NOT_RECORDED, missing=True)
    reason = words.absence(value)
    if reason is not None:
        return Fact(label, reason, entry.seq, missing=True)
    return Fact(label, say(value), entry.seq, basis_of(entry, of), style=style)


def basis_of(entry: Entry, field: str) -> str:
    """How a field came into the entry: read or computed, said by somebody, or taken over."""
    return "declared" if field in items(entry.body.get("declared")) else entry.basis


def field(entry: Entry | None, label: str, name: str, *, style: str = "text", say: Say = words.said) -> Fact:
    return fact(entry, label, entry.body.get(name) if entry is not None else None, of=name, style=style, say=say)


def within(value: Value, *path: str) -> Value:
    """A nested value; an absence on the way is what is found."""
    for name in path:
        if not isinstance(value, Mapping) or words.absence(value) is not None:
            return value if words.absence(value) is not None else None
        value = value.get(name)
    return value


def inside(entry: Entry | None, label: str, *path: str, style: str = "text", say: Say = words.said) -> Fact:
    value = within(entry.body, *path) if entry is not None else None
    return fact(entry, label, value, of=path[0], style=style, say=say)


def items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def title(entry: Entry | None, *fields: str) -> str:
    """``name version`` of an entry, on one short line."""
    if entry is None:
        return words.NOT_RECORDED
    return words.shortened(
        " ".join(str(entry.body.get(name)) for name in fields if entry.body.get(name) is not None), 80
    )


def untracked(commit: Entry) -> str:
    """``4 untracked files``; empty where there is none."""
    value = commit.body.get("untracked")
    number = words.numeric(value)
    if number is None:
        return f"untracked files: {words.said(value)}"
    return words.plural(int(number), "untracked file") if number else ""


def uncommitted(commit: Entry) -> Value:
    """What lay in the working tree beside the commit: ``no``, ``no; 4 untracked files``; or the absence."""
    dirty = commit.body.get("dirty")
    if words.absence(dirty) is not None:
        return dirty
    return "; ".join(part for part in (words.said(dirty), untracked(commit)) if part)


def table(id: str, title: str, columns: Sequence[str], styles: Sequence[str], rows: Iterable[Row]) -> Table:
    found = list(rows)
    kept = tuple(found[:MOST_ROWS])
    cited = tuple(dict.fromkeys(seq for row in found[MOST_ROWS:] for seq in row.entries))
    return Table(id, title, tuple(columns), kept, tuple(styles), len(found) - len(kept), cited)


def value_of(check: Mapping[str, Value]) -> str:
    """The recorded value of a check, with digits enough to tell it from its limits; rows are said to be rows."""
    value = words.numeric(check.get("value"))
    if value is None:
        return words.shortened(words.said(check["value"]), 40) if check.get("value") is not None else "no value"
    threshold = check.get("threshold")
    found = [charts.limit(within(threshold, name)) for name in ("fail_if", "warn_if")]
    told = words.number(value, *(item.at for item in found if item is not None))
    return _of_rows(check, value, told) if check.get("type") == "schema" else told


def limits_of(check: Mapping[str, Value]) -> str:
    """``fails < 0.80; warns < 0.90``."""
    pairs = (("fails", within(check.get("threshold"), "fail_if")), ("warns", within(check.get("threshold"), "warn_if")))
    return "; ".join(f"{word} {words.shortened(str(text), 40)}" for word, text in pairs if text) or "none"


def _of_rows(check: Mapping[str, Value], value: float, told: str) -> str:
    """A schema gate counts the rows (``GATE/rows``), or gives the share of them that miss a rule."""
    if check.get("id") == f"{check.get('gate')}/rows":
        return f"{told} rows"
    n = words.numeric(check.get("n"))
    missed = value * n if n is not None and 0 < value <= 1 else value
    if value < 0 or abs(missed - round(missed)) > 1e-6 * max(missed, 1.0):
        return told
    rows = f"{words.count(round(missed))} {'row misses' if round(missed) == 1 else 'rows miss'} it"
    return rows if missed == value else f"{told}: {rows}"


def who(story: Story, actor: Value) -> str:
    """An actor's name, if it is on the books and not erased, and the pseudonym."""
    text = words.shortened(str(actor), 64)
    if text == LEDGER_ACTOR:
        return "the ledger itself"
    key = story.person(actor)
    name = story.book.personal(key, "name") if key is not None else None
    return f"{words.shortened(name, 60)} ({text})" if name else text


def roles_before(story: Story, actor: str, before: int) -> tuple[str, int | None]:
    """The roles that an actor held when an entry was made, and the entry that gave them."""
    named = (*story.book.naming("key", actor), *story.book.naming("role", actor))
    giving = sorted((e for e in named if e.body.get("actor") == actor and e.seq < before), key=lambda e: e.seq)
    if not giving:
        return "no key on this ledger", None
    return words.said(giving[-1].body.get("roles")), giving[-1].seq


_TITLES: Final = (
    "Verdict, scope, anchor",
    "Use case, owner, risk tier",
    "What changed since the last version",
    "Data",
    "Method and reproduction",
    "Tests and gates",
    "Fairness",
    "Champion and challenger",
    "Independent review and open findings",
    "Limitations, compensating controls, waivers",
    "Decisions and duties",
    "Deployment, monitoring, next review",
    "Law, as of a date",
    "What is not proven",
)


def section(number: int, *blocks: Block) -> Section:
    return Section(number, f"s{number}", _TITLES[number - 1], tuple(blocks))

"""The pieces a report is made of: facts with their sources, tables, notes, pictures, sections.

Plain frozen values, ready for a template: every text in them is already visible (see `words`), every number that came
from the ledger names its entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Final

from tallystick.records import Entry
from tallystick.report.evidence import Carried, Given
from tallystick.report.plots import Picture

__all__ = [
    "MOST_REFERENCES",
    "Block",
    "CheckCard",
    "Fact",
    "Facts",
    "Headline",
    "Lines",
    "Note",
    "Row",
    "Section",
    "Table",
    "View",
    "all_facts",
    "cited",
    "facts_of",
    "slug",
]


MOST_REFERENCES: Final = 8
"""References that are printed beside one fact; of more, the number."""


@dataclass(frozen=True)
class Fact:
    """One thing that is said, and where it stands."""

    label: str
    text: str
    entry: int | None = None
    """Index of the entry it was read from; None for what the report itself says."""
    basis: str | None = None
    """``observed``, ``declared`` or ``imported``, as the entry says."""
    missing: bool = False
    """Nobody recorded it; the text is the reason."""
    style: str = "text"
    """``text``, ``digest``, ``number`` or ``code``."""
    also: tuple[int, ...] = ()
    """Indices of further entries that it was read from or counted over."""
    source: str = ""
    """What it was read from where that is no entry: ``checkpoint``, ``key``, ``request`` or ``annex``."""

    @property
    def entries(self) -> tuple[int, ...]:
        """All its sources, the first one first."""
        return tuple(dict.fromkeys((*(() if self.entry is None else (self.entry,)), *self.also)))


@dataclass(frozen=True)
class Facts:
    """A list of facts under a small heading."""

    id: str
    title: str
    facts: tuple[Fact, ...]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Row:
    """One row of a table; its last column, the entries it cites, is drawn from `entries`."""

    cells: tuple[str, ...]
    entries: tuple[int, ...] = ()
    note: str = ""
    """A sentence under the row, over its whole width."""


@dataclass(frozen=True)
class Table:
    """A capped table: `left_out` rows stand in the evidence only."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    styles: tuple[str, ...]
    """For each column ``text``, ``short``, ``number``, ``code`` or ``verdict``."""
    left_out: int = 0
    left_out_entries: tuple[int, ...] = ()
    """What the rows that are left out cite."""
    kind: str = field(default="table", init=False)

    @property
    def shares(self) -> tuple[int, ...]:
        """Percent of the width for each column and for the last, the entries.

        Numbers and verdicts get what they need to stay on one line; the texts share the rest by their length.
        """
        character = 0.8 if len(self.columns) > 5 else 0.88
        tight = [style in _ONE_LINE for style in self.styles]
        needs = [self._need(position, one_line=tight[position]) for position in range(len(self.columns))]
        fixed = sum(need for need, is_tight in zip(needs, tight, strict=True) if is_tight) * character
        scale = character * min(1.0, _MOST_TIGHT / fixed) if fixed and not all(tight) else 0.0
        left = 100 - _ENTRIES - fixed * (scale / character)
        loose = sum(need for need, is_tight in zip(needs, tight, strict=True) if not is_tight or not scale)
        shares = [
            int(need * scale if is_tight and scale else left * need / loose)
            for need, is_tight in zip(needs, tight, strict=True)
        ]
        shares[shares.index(max(shares))] += 100 - _ENTRIES - sum(shares)
        return (*shares, _ENTRIES)

    def _need(self, position: int, *, one_line: bool) -> float:
        """How many characters wide a column wants to be."""
        texts = [row.cells[position] for row in self.rows]
        longest = max((len(text) for text in texts), default=0)
        header = max((len(word) for word in self.columns[position].split()), default=0)
        if one_line:
            return max(header + 1.5, min(longest, 18)) + 2.5
        mean = sum(len(text) for text in texts) / max(len(texts), 1)
        return float(max(header + 2, min(longest, 2 * mean, 60), 6) ** 0.75)


@dataclass(frozen=True)
class Note:
    """A sentence or two; `tone` is ``plain``, ``good``, ``bad``, ``open`` or ``quiet``."""

    text: str
    tone: str = "plain"
    entries: tuple[int, ...] = ()
    source: str = ""
    """As for a fact."""
    kind: str = field(default="note", init=False)


@dataclass(frozen=True)
class CheckCard:
    """One check result in words, as it was recorded."""

    id: str
    verdict: str
    facts: tuple[Fact, ...]
    entry: int
    kind: str = field(default="check", init=False)


@dataclass(frozen=True)
class Lines:
    """A long extract, a line of text each: what would be an endless table."""

    id: str
    title: str
    said: str
    """What stands on a line, in order."""
    lines: tuple[str, ...]
    entries: tuple[int, ...]
    """Where all of them were read."""
    left_out: int = 0
    kind: str = field(default="lines", init=False)


_ENTRIES: Final = 8
"""Percent of a table's width for the references to entries."""
_ONE_LINE: Final = frozenset({"number", "verdict", "short"})
"""Styles of cells that are not to be broken."""
_MOST_TIGHT: Final = 58.0
"""Percent of the width that columns of numbers and verdicts may take together."""


Block = Facts | Table | Note | CheckCard | Lines | Picture


@dataclass(frozen=True)
class Section:
    number: int
    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Headline:
    """What the first page says in large letters; read from the newest decision, approval or promotion."""

    word: str
    sentence: str
    tone: str
    """``good``, ``bad`` or ``open``."""
    entries: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Everything that a report prints."""

    title: str
    name: str
    version: str
    digest: str
    usecase: str
    usecase_entry: int | None
    ledger: str
    size: int
    root: str
    as_of: str
    headline: Headline
    summary: tuple[Fact, ...]
    """The board's page: ten facts."""
    attention: tuple[Note, ...]
    """What the reader must know before relying on it."""
    sections: tuple[Section, ...]
    entries: tuple[Row, ...]
    """The annex: one row an entry, those cited and those they refer to."""
    digests: tuple[Row, ...]
    extracts: tuple[Lines, ...]
    """The end of the annex: what is too long for a table."""
    seal: str
    """What the seal of the file is worth."""
    evidence_sha256: str
    vkey: str
    key_fingerprint: str
    model: Entry = field(repr=False)
    """The entry of the version."""
    given: Given = field(repr=False)
    """What no entry says."""
    carried: tuple[Carried, ...] = field(repr=False)
    """The entries that all this was read from, those of the annex among them."""


_SLUG = re.compile(r"[^a-z0-9]+")


def slug(text: str) -> str:
    """A text as a part of an id."""
    return _SLUG.sub("-", text.lower()).strip("-")[:60] or "x"


def all_facts(view: View) -> Iterator[tuple[str, Fact]]:
    """Everything that a report says, each with an id of its own: a row of a table is one fact, and so is a picture."""
    head = view.headline
    yield "s0.headline", _several(head.word, head.sentence, head.entries)
    for index, fact in enumerate(view.summary, 1):
        yield f"s0.summary.{index}", fact
    for index, note in enumerate(view.attention, 1):
        yield f"s0.attention.{index}", _several("Note", note.text, note.entries)
    for section in view.sections:
        yield from facts_of(section)
    yield from facts_of(Section(0, "annex", "Annex", view.extracts))


def facts_of(section: Section) -> Iterator[tuple[str, Fact]]:
    """Every fact of a section with an id of its own, those in tables as one fact a row."""
    seen: dict[str, int] = {}
    for block in section.blocks:
        for name, fact in _block_facts(block):
            name = f"{section.id}.{name}"
            seen[name] = seen.get(name, 0) + 1
            yield (name if seen[name] == 1 else f"{name}.{seen[name]}"), fact


def _several(label: str, text: str, entries: tuple[int, ...]) -> Fact:
    return Fact(label, text, entries[0] if entries else None, also=entries[1:])


def _block_facts(block: Block) -> Iterator[tuple[str, Fact]]:
    if isinstance(block, Facts):
        for fact in block.facts:
            yield f"{block.id}.{slug(fact.label)}", fact
    elif isinstance(block, CheckCard):
        for fact in block.facts:
            yield f"check.{slug(block.id)}.{slug(fact.label)}", fact
    elif isinstance(block, Table):
        for position, row in enumerate(block.rows, 1):
            pairs = zip(block.columns[1:], row.cells[1:], strict=True)
            told = [*(f"{column}: {cell}" for column, cell in pairs if cell), *([row.note] if row.note else ())]
            yield f"{block.id}.{position}", _several(row.cells[0], "; ".join(told), row.entries)
    elif isinstance(block, Lines):
        for position, line in enumerate(block.lines, 1):
            yield f"{block.id}.{position}", _several("Line", line, block.entries)
    elif isinstance(block, Note):
        yield "note", _several("Note", block.text, block.entries)
    else:
        more = dict.fromkeys(text for text in _drawn(block) if text not in (block.title, block.description))
        text = block.description + (f" Drawn: {'; '.join(more)}." if more else "")
        yield f"picture.{slug(block.title)}", _several(block.title, text, block.entries)


_NOT_DRAWN: Final = frozenset({"arrows", "heads", "id"})
"""Fields of a picture that are geometry, or hold it together."""


def _drawn(picture: object) -> Iterator[str]:
    """Every text with a number in a picture."""
    if isinstance(picture, str) and any(char.isdigit() for char in picture):
        yield picture
    elif isinstance(picture, tuple):
        for part in picture:
            yield from _drawn(part)
    elif is_dataclass(picture):
        for item in fields(picture):
            yield from _drawn(getattr(picture, item.name)) if item.name not in _NOT_DRAWN else ()


def cited(view_sections: tuple[Section, ...]) -> set[int]:
    """Indices of all entries that the sections print as a source."""
    found: set[int] = set()
    for section in view_sections:
        for block in section.blocks:
            if isinstance(block, Facts | CheckCard):
                found |= {seq for fact in block.facts for seq in fact.entries[:MOST_REFERENCES]}
            elif isinstance(block, Table):
                rows = [row.entries[:MOST_REFERENCES] for row in block.rows]
                found |= {seq for entries in (*rows, block.left_out_entries[:MOST_REFERENCES]) for seq in entries}
            elif isinstance(block, Note):
                found |= set(block.entries[:MOST_REFERENCES])
            else:
                found |= set(block.entries)
    return found

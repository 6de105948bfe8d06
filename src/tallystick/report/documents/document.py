"""What a document says, before it is drawn: plain frozen values, every text visible, every fact with its entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final

from tallystick.canonical import Value
from tallystick.people.book import Book
from tallystick.report import words
from tallystick.report.documents import KINDS
from tallystick.report.facts import Block, Fact, Facts, Note, Row, Section, Table, cited

__all__ = ["Content", "Document", "Reading", "absent", "cells_of", "finished", "parts", "plain"]

_MOST_MISSING: Final = 24


@dataclass(frozen=True)
class Content:
    """What a builder gives."""

    name: str
    """What it is about, such as the name of the model."""
    version: str
    sections: tuple[Section, ...]
    notes: tuple[Note, ...] = ()
    """What the reader must know first."""
    front_matter: Mapping[str, Value] = field(default_factory=dict)
    """Metadata that a Markdown file begins with; empty for none."""


@dataclass(frozen=True)
class Reading:
    """Up to where the ledger was read."""

    ledger: str
    size: int
    """Of the checkpoint; entries beyond it were not looked at."""
    root: str
    as_of: str
    """Entries recorded later were not looked at."""


@dataclass(frozen=True)
class Document:
    """Everything that a file prints."""

    kind: str
    title: str
    name: str
    version: str
    reading: Reading
    notes: tuple[Note, ...]
    sections: tuple[Section, ...]
    sources: tuple[Row, ...]
    """Of each entry that is cited its index, kind, time and leaf digest."""
    front_matter: Mapping[str, Value]


def finished(kind: str, content: Content, book: Book, reading: Reading) -> Document:
    """The document of a kind: first what is missing, last the entries that it was read from."""
    named = cited(content.sections) | {seq for note in content.notes for seq in note.entries}
    return Document(
        kind=kind,
        title=KINDS[kind],
        name=content.name,
        version=content.version,
        reading=reading,
        notes=(*content.notes, *_missing(content.sections)),
        sections=content.sections,
        sources=tuple(_source(book, seq) for seq in sorted(named)),
        front_matter=content.front_matter,
    )


def _missing(sections: Iterable[Section]) -> Iterator[Note]:
    found = list(dict.fromkeys(fact.label for fact in _facts(sections) if fact.missing))
    if found:
        more = f"; and {len(found) - _MOST_MISSING} more" if len(found) > _MOST_MISSING else ""
        yield Note(f"Missing, or recorded as absent: {'; '.join(found[:_MOST_MISSING])}{more}.", "open")


def _facts(sections: Iterable[Section]) -> Iterator[Fact]:
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Facts):
                yield from block.facts


def _source(book: Book, seq: int) -> Row:
    entry = book.at(seq)
    if entry is None:
        return Row((str(seq), words.NOT_RECORDED, "", ""), (seq,))
    return Row((str(seq), words.shortened(entry.kind, 30), words.day(entry.recorded_at), entry.leaf.hex()), (seq,))


# --------------------------------------------------------------------------- for builders


def parts(*told: tuple[str, Iterable[Block]], numbered: bool = True) -> tuple[Section, ...]:
    """Sections by their titles, numbered from 1, or with the number 0 where titles have numbers of their own."""
    return tuple(
        Section(at if numbered else 0, f"s{at}", title, tuple(blocks)) for at, (title, blocks) in enumerate(told, 1)
    )


def absent(label: str) -> Fact:
    """A fact that no field of any entry holds."""
    return Fact(label, words.NOT_RECORDED, missing=True)


def cells_of(*values: Value, longest: int = 160) -> tuple[str, ...]:
    """Values as short cells of a table."""
    return tuple(words.shortened(words.said(value), longest) for value in values)


# --------------------------------------------------------------------------- for templates


def plain(value: Any) -> Any:
    """A document as JSON has it: what templates see, ours and those of others alike."""
    if is_dataclass(value):
        told = {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        if isinstance(value, Table):
            return {**told, "shares": list(value.shares)}
        return {**told, "entries": list(value.entries)} if isinstance(value, Fact) else told
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value

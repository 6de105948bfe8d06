"""The data sheet of a dataset: the headings of Gebru et al., "Datasheets for Datasets" (2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick.canonical import Value, decode
from tallystick.people.book import Book
from tallystick.records import Entry
from tallystick.report import words
from tallystick.report.documents.document import Content, absent, cells_of, parts
from tallystick.report.facts import Block, Fact, Facts, Note, Row
from tallystick.report.saying import fact, field, inside, items, table, title

__all__ = ["build"]

_PROFILE: Final = "profile.json"
_MOST_USES: Final = 24


def build(book: Book, entry: Entry, *, disclose: bool = False) -> Content:
    """
    Args:
        disclose: print the profile too: figures of each column, which stay in the ledger otherwise.
    """
    return Content(
        name=words.shortened(str(entry.body.get("name")), 80),
        version=words.shortened(words.said(entry.body.get("version")), 40),
        sections=parts(
            ("Motivation", [_motivation(entry)]),
            ("Composition", [_composition(entry), _columns(entry), *_profile(book, entry, disclose=disclose)]),
            ("Collection process", [_collection(book, entry)]),
            ("Preprocessing, cleaning, labelling", [_preparation(entry)]),
            ("Uses", [_uses(book, entry)]),
            ("Distribution", [_distribution(entry)]),
            ("Maintenance", [_maintenance(entry), _versions(book, entry)]),
        ),
    )


def _motivation(entry: Entry) -> Facts:
    told = (
        absent("Purpose for which it was created"),
        absent("Who created it"),
        absent("Who funded it"),
        field(entry, "Role here", "role"),
    )
    return Facts("motivation", "Why it exists", told)


def _composition(entry: Entry) -> Facts:
    return Facts(
        "composition",
        "What it consists of",
        (
            field(entry, "Rows", "rows", style="number"),
            fact(entry, "Columns", len(items(entry.body.get("fields"))) or None, style="number"),
            field(entry, "Data window", "temporal_coverage"),
            inside(entry, "Label", "label", "definition"),
            inside(entry, "Horizon of the label", "label", "horizon"),
            inside(entry, "Favourable outcome", "label", "favourable_outcome"),
            inside(entry, "Sensitive columns", "sensitive_fields", "columns"),
            field(entry, "Split membership, digest", "split_membership", style="digest"),
        ),
    )


def _columns(entry: Entry) -> Block:
    found = [line for line in items(entry.body.get("fields")) if isinstance(line, Mapping)]
    rows = [Row(cells_of(line.get("name"), line.get("type"), longest=60), (entry.seq,)) for line in found]
    return table("columns", "Columns", ("Name", "Type"), ("code", "code"), rows) if rows else _nothing("Columns")


def _nothing(label: str) -> Facts:
    return Facts(label.lower(), label, (absent(label),))


def _profile(book: Book, entry: Entry, *, disclose: bool) -> list[Block]:
    if not isinstance(entry.body.get("profile"), Mapping):
        return [_nothing("Profile")]
    if not disclose:
        text = "Profile: withheld; its figures may single people out. It stays in the ledger, and --profile prints it."
        return [Note(text, "quiet", (entry.seq,))]
    data = book.part(entry, _PROFILE)
    if data is None:
        return [Note("Profile: recorded, and not at hand; it may have been erased.", "open", (entry.seq,))]
    profile = decode(data, what=f"{_PROFILE} of entry {entry.seq}")
    lines = items(profile.get("columns")) if isinstance(profile, Mapping) else []
    rows = [_figures(line, entry) for line in lines if isinstance(line, Mapping)]
    columns, styles = ("Column", "Missing", "Distinct", "Values"), ("code", "number", "number", "text")
    return [table("profile", "Profile of the columns", columns, styles, rows)] if rows else [_nothing("Profile")]


def _figures(line: Mapping[str, Value], entry: Entry) -> Row:
    """A line of the profile, in which values of few rows were never listed."""
    told = "not recorded"
    if line.get("values"):
        pairs = [pair for pair in items(line["values"]) if isinstance(pair, list) and len(pair) == 2]
        told = ", ".join(f"{words.recorded(value)} ({words.said(n)})" for value, n in pairs[:8])
        more = len(pairs) - 8
        told += f", and {more} more" if more > 0 else ""
        hidden = words.numeric(line.get("suppressed"))
        told += f"; {words.plural(int(hidden), 'rare value')} withheld" if hidden else ""
    elif line.get("mean") is not None:
        told = f"{words.said(line.get('min'))} to {words.said(line.get('max'))}, mean {words.said(line['mean'])}"
    cells = cells_of(line.get("name"), line.get("nulls"), line.get("distinct"), longest=60)
    return Row((*cells, words.shortened(told, 300)), (entry.seq,))


def _collection(book: Book, entry: Entry) -> Facts:
    sources = [
        title(found, "name", "version") for ref in items(entry.body.get("derived_from")) if (found := book.find(ref))
    ]
    return Facts(
        "collection",
        "How it was collected",
        (
            inside(entry, "How sensitive columns were obtained", "sensitive_fields", "obtained"),
            field(entry, "Sampling", "sampling"),
            field(entry, "Query", "query", style="code"),
            field(entry, "Feature view", "feature_view"),
            fact(entry, "Derived from", ", ".join(sources) or None, of="derived_from"),
            absent("Consent, and review of ethics"),
        ),
    )


def _preparation(entry: Entry) -> Facts:
    return Facts(
        "preparation",
        "What was done to it",
        (
            field(entry, "Exclusions", "exclusions"),
            inside(entry, "Definition of the label", "label", "definition"),
            absent("Cleaning"),
        ),
    )


def _uses(book: Book, entry: Entry) -> Block:
    """Runs and evaluations that name it."""
    found = [*book.referring(entry, "run"), *book.referring(entry, "evaluation"), *book.referring(entry, "metric")]
    rows = [_use(book, use) for use in sorted(found, key=lambda use: use.seq)[-_MOST_USES:]]
    if not rows:
        return Facts("uses", "Recorded uses", (absent("Recorded uses"),))
    return table("uses", "Recorded uses", ("Used by", "What", "When"), ("text", "text", "text"), rows)


def _use(book: Book, use: Entry) -> Row:
    model = book.find(use.body.get("model") or use.body.get("of"))
    named = title(model, "name", "version") if model is not None else title(use, "name")
    return Row((words.shortened(use.kind, 20), named, words.day(use.recorded_at)), (use.seq,))


def _distribution(entry: Entry) -> Facts:
    return Facts(
        "distribution",
        "How it is had",
        (
            field(entry, "Licence", "licence"),
            inside(entry, "Location", "distribution", "contentUrl", style="code"),
            inside(entry, "Format", "distribution", "encodingFormat"),
            inside(entry, "Bytes", "distribution", "bytes", style="number"),
            inside(entry, "Digest of the file (SHA-256)", "distribution", "file_sha256", style="digest"),
            inside(entry, "Content digest (tree)", "distribution", "sha256", style="digest"),
        ),
    )


def _maintenance(entry: Entry) -> Facts:
    return Facts(
        "maintenance",
        "Who keeps it",
        (
            absent("Maintainer"),
            absent("How errors are reported"),
            fact(entry, "Recorded", entry.recorded_at, say=words.day),
            _retention(entry),
        ),
    )


def _retention(entry: Entry) -> Fact:
    return Fact("What the ledger keeps", "digests and shape, never rows", entry.seq)


def _versions(book: Book, entry: Entry) -> Block:
    rows = [
        Row(
            (*cells_of(found.body.get("version"), found.body.get("rows"), longest=40), words.day(found.recorded_at)),
            (found.seq,),
        )
        for found in book.named("dataset", str(entry.body.get("name")))
    ]
    return table("versions", "Recorded versions", ("Version", "Rows", "Recorded"), ("code", "number", "text"), rows)

"""What an audit report says, read from the entries of a book; nothing is drawn here and nothing judged.

The report speaks as of a time and up to a checkpoint: entries beyond it, or after the last one recorded by that time,
are not looked at.
What is printed, and everything that it was read from, is also the machine-readable evidence; its SHA-256 is printed,
and it travels inside the PDF. :func:`again` builds the same view from that evidence alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tallystick.canonical import Value, digest
from tallystick.errors import InvalidInput, NotFound
from tallystick.people.book import Book, Noting
from tallystick.records import Entry
from tallystick.report import decided, frame, front, made, tested, words
from tallystick.report.evidence import Backing, Carried, Control, Evidence, Given, carried, encoded, spans
from tallystick.report.facts import MOST_REFERENCES, Fact, Facts, Note, Row, Section, View, all_facts, cited
from tallystick.report.frame import Scope
from tallystick.report.story import Story

__all__ = ["View", "again", "build", "evidence", "facts"]

_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d\.\d{6}Z)?", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{40,128}", re.ASCII)
_MOST_DIGESTS: Final = 240
_MOST_ABSENT: Final = 5
_MOST_SOUGHT: Final = (
    *("Intended use", "Prohibited use", "Risk tier", "Owner", "Validator", "Label", "Data window", "Exclusions"),
    *("Overlap of training and test data", "Protected attributes at prediction", "Limitations", "Human oversight"),
    *("Monitoring", "Next review", "Sampling", "How they were obtained", "Affected groups"),
)
"""Of what is not recorded, what the first page names first."""
_SOUGHT: Final = frozenset({"usecase", "dataset", "model"})
"""Kinds whose absent fields are also listed on the first page."""
_SECTIONS: Final[tuple[Callable[[Story], Section], ...]] = (
    made.use_case,
    made.changes,
    made.data,
    made.method,
    tested.tests,
    tested.fairness,
    tested.champion,
    decided.review,
    decided.limitations,
    decided.duties,
    decided.deployment,
)
"""Sections 2 to 12, which need the story alone."""


def build(
    book: Book,
    model: Entry,
    *,
    as_of: str,
    checkpoint: Mapping[str, Value],
    key_fingerprint: str,
    vkey: str,
    anchor: Mapping[str, Value],
    un_anchored: int,
    backing: Backing,
    drawing: Mapping[str, Value] = MappingProxyType({}),
    seal_issuer: str | None = None,
    catalogue: Mapping[str, Control] = MappingProxyType({}),
) -> View:
    """The report on one model version.

    Args:
        book: all entries up to the checkpoint, and more if you like. Of a book over a ledger, only those are read that
            bear on the model.
        model: the entry of the version.
        as_of: a recorded time, or a date, which then counts to its end.
        checkpoint: ``origin``, ``size`` and ``root`` (hex) of the checkpoint that covers the report, and ``note``, the
            signed text of it, if it is at hand.
        key_fingerprint: of the key that signs the ledger's checkpoints.
        vkey: the same key in verifier form, printed for comparison.
        anchor: ``text``: what holds a checkpoint outside the ledger, in words; ``size``: of that checkpoint, or None.
        un_anchored: how many entries the anchor does not cover.
        backing: gives out the places of entries in the tree, and the salts of what is printed from beside them.
        drawing: what the report is drawn with and when, for whoever draws it again: see `render.drawing`.
        seal_issuer: the authority that certified the seal that the report will get; None where the seal vouches for
            itself.
        catalogue: the control catalogue by id, so that controls are printed with their clauses.

    Raises:
        InvalidInput: a time that is none, or an origin that is not the book's.
        NotFound: the model is not among the entries covered.
        Tampered: a reference names an index where another entry stands.
    """
    _check(book, as_of, checkpoint)
    as_of = as_of if "T" in as_of else f"{as_of}T23:59:59.999999Z"
    size = int(checkpoint["size"])
    covered = Noting.of(book.until(as_of, size=size))
    if covered.find(model.ref.value()) is None:
        raise NotFound("model is not among the entries that the report covers", where=f"entry {model.seq}")
    story = Story(covered, model, as_of=as_of)
    given = Given(
        origin=book.origin,
        size=size,
        root=str(checkpoint["root"]),
        as_of=as_of,
        key_fingerprint=key_fingerprint,
        vkey=vkey,
        anchor=anchor,
        un_anchored=un_anchored,
        covered=spans(covered.seqs),
        controls=_controls(story, catalogue),
        drawing=drawing,
        note=checkpoint.get("note"),
        seal_issuer=seal_issuer,
    )
    view = _told(story, given)
    return _with_evidence(replace(view, carried=tuple(_carried(covered, backing, size))))


def again(evidence: Evidence) -> View:
    """The view that evidence gives: built from the entries in it, by the same rules."""
    story = Story(evidence.book(), evidence.model, as_of=evidence.given.as_of)
    return _with_evidence(replace(_told(story, evidence.given), carried=evidence.carried))


def _told(story: Story, given: Given) -> View:
    """What the report says, before it is known what it was read from."""
    model, scope = story.model, Scope(given)
    head = front.headline(story)
    rest = (*(make(story) for make in _SECTIONS), decided.law(story, given.controls), frame.not_proven(scope))
    summary, open_points = front.summary(story), tuple(front.open_points(story))
    named = {*head.entries, *(seq for note in open_points for seq in note.entries[:MOST_REFERENCES])}
    sources = _sources(story.book, {0, model.seq} | cited(rest) | named, summary)
    printed = {entry.seq for entry in sources}
    others = (seq for seq in given.seqs() if seq not in printed)
    parts = (frame.verdict(story, scope, head, others, printed=len(printed)), *rest)
    name, version = words.shortened(str(model.body.get("name")), 80), words.said(model.body.get("version"))
    return View(
        title=f"Audit report: {name}, version {version}",
        name=name,
        version=version,
        digest=words.visible(str(model.body.get("digest"))),
        usecase=words.shortened(str(story.usecase.body.get("name")), 90) if story.usecase else "",
        usecase_entry=story.usecase.seq if story.usecase else None,
        ledger=scope.origin,
        size=scope.size,
        root=scope.root,
        as_of=scope.as_of,
        headline=head,
        summary=summary,
        attention=(*open_points, *_missing(story, scope, parts)),
        sections=parts,
        entries=tuple(_entry_row(entry) for entry in sources),
        digests=tuple(_digest_rows(sources)),
        extracts=tested.extracts(story),
        seal=frame.seal(scope).text,
        evidence_sha256="",
        vkey=scope.vkey,
        key_fingerprint=scope.key_fingerprint,
        model=model,
        given=given,
        carried=(),
    )


def _controls(story: Story, catalogue: Mapping[str, Control]) -> dict[str, Control]:
    """The clauses that are printed."""
    return {id: catalogue[id] for id, _ in decided.controls_named(story) if id in catalogue}


def _carried(book: Noting, backing: Backing, size: int) -> Iterator[Carried]:
    parts: dict[int, dict[str, bytes]] = {}
    for (seq, name), data in book.parts.items():
        parts.setdefault(seq, {})[name] = data
    for seq in sorted(book.noted):
        yield carried(book.noted[seq], parts.get(seq, {}), backing, size)


def _with_evidence(view: View) -> View:
    return replace(view, evidence_sha256=digest(evidence(view)))


def evidence(view: View) -> bytes:
    """The machine-readable evidence: canonical JSON of what the report says and of everything that it was read from."""
    model = {"name": _nfc(view.name), "version": _nfc(view.version), "digest": view.digest, "entry": view.model.seq}
    return encoded(view.given, model, view.carried, facts(view))


def facts(view: View) -> list[Value]:
    """What the report says, as its evidence lists it."""
    return [
        {"id": id, "label": _nfc(fact.label), "text": _nfc(fact.text), "entries": list(fact.entries)}
        for id, fact in all_facts(view)
    ]


def _nfc(text: str) -> str:
    """Texts are put together from parts, and a part may begin with a combining mark."""
    return unicodedata.normalize("NFC", text)


def _check(book: Book, as_of: str, checkpoint: Mapping[str, Value]) -> None:
    if not _TIME.fullmatch(as_of):
        expected = "YYYY-MM-DD or YYYY-MM-DDThh:mm:ss.ffffffZ"
        raise InvalidInput("not a time to report as of", got=as_of[:40], expected=expected)
    if checkpoint.get("origin") != book.origin:
        got = str(checkpoint.get("origin"))[:80]
        raise InvalidInput("checkpoint is of another ledger", expected=book.origin, got=got)


def _sources(book: Book, named: set[int], summary: tuple[Fact, ...]) -> list[Entry]:
    """Every entry that the report cites, and everything those refer to, in order of index."""
    wanted = named | {seq for fact in summary for seq in fact.entries[:MOST_REFERENCES]}
    waiting = [entry for seq in sorted(wanted) if (entry := book.at(seq)) is not None]
    found: dict[int, Entry] = {}
    while waiting:
        entry = waiting.pop()
        if entry.seq in found:
            continue
        found[entry.seq] = entry
        waiting += [target for ref in entry.references if (target := book.find(ref.value())) is not None]
    return [found[seq] for seq in sorted(found)]


def _missing(story: Story, scope: Scope, parts: tuple[Section, ...]) -> Iterator[Note]:
    """What the reader must know besides what failed and is open: what is missing, what is not anchored."""
    missing = [
        (section.number, fact)
        for section in parts
        for block in section.blocks
        if isinstance(block, Facts)
        for fact in block.facts
        if fact.missing and _is_sought(story, fact)
    ]
    if missing:
        entries = tuple(dict.fromkeys(fact.entry for _, fact in missing if fact.entry is not None))
        yield Note(_in_short(missing), "open", entries or (story.model.seq,))
    tone = "open" if scope.un_anchored else "quiet"
    yield Note(f"Un-anchored: {scope.un_anchored_text()}.", tone, source="checkpoint")


def _in_short(missing: Sequence[tuple[int, Fact]]) -> str:
    """``26 facts are not recorded: Intended use; ...; …, see sections 2, 4 and 5.``: the most important first."""
    told = dict.fromkeys(fact.label if fact.text == words.NOT_RECORDED else _with_reason(fact) for _, fact in missing)
    ordered = sorted(told, key=lambda text: _rank(text.partition(" (")[0]))
    numbers = [str(number) for number in sorted({number for number, _ in missing})]
    places = " and ".join(part for part in (", ".join(numbers[:-1]), numbers[-1]) if part)
    verb, ellipsis = "is" if len(told) == 1 else "are", "; …" if len(told) > _MOST_ABSENT else ""
    listed = "; ".join(ordered[:_MOST_ABSENT]) + ellipsis
    sections = "section" if len(numbers) == 1 else "sections"
    return f"{words.plural(len(told), 'fact')} {verb} not recorded: {listed}, see {sections} {places}."


def _with_reason(fact: Fact) -> str:
    return f"{fact.label} ({words.shortened(fact.text, 40)})"


def _rank(label: str) -> int:
    return _MOST_SOUGHT.index(label) if label in _MOST_SOUGHT else len(_MOST_SOUGHT)


def _is_sought(story: Story, fact: Fact) -> bool:
    about = None if fact.entry is None else story.book.at(fact.entry)
    return about is None or about.kind in _SOUGHT


def _entry_row(entry: Entry) -> Row:
    cells = (
        str(entry.seq),
        words.shortened(entry.kind, 30),
        words.shortened(f"{entry.recorded_at[:19]}Z", 30),
        words.shortened(entry.actor, 64),
        words.shortened(entry.basis, 12),
        entry.leaf.hex(),
    )
    return Row(cells, (entry.seq,))


def _digest_rows(entries: list[Entry]) -> Iterator[Row]:
    """Each digest that the cited entries hold, whole; references to entries are left to the list of entries."""
    count = 0
    for entry in entries:
        parts = [(str(part["name"]), part.get("sha256") or part.get("hmac_sha256")) for part in entry.attachments]
        for path, value in (*_hex_in(entry.body, ""), *parts):
            count += 1
            if count <= _MOST_DIGESTS:
                yield Row((words.shortened(f"{entry.kind}: {path}", 64), str(value)), (entry.seq,))
    if count > _MOST_DIGESTS:
        yield Row((f"{count - _MOST_DIGESTS} more", "in the evidence"))


def _hex_in(value: Value, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and set(value) != {"seq", "leaf"}:
        for name, item in value.items():
            yield from _hex_in(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _hex_in(item, path)
    elif isinstance(value, str) and _HEX.fullmatch(value):
        yield path, value

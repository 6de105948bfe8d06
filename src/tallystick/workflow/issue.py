"""Issue what leaves the house: the signed audit report with its receipt, and the evidence pack.

A file cannot contain the entry that records it. So the report is sealed first, its digest recorded as an entry signed
by the ledger's own key, and the receipt for that entry ties file and ledger together. The PDF is kept beside the entry,
erasable, so that a later pack can carry it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tallystick import signing, standalone
from tallystick.canonical import Value, digest
from tallystick.errors import NotFound, Refused, Tampered
from tallystick.ledger.ledger import Appended, extends
from tallystick.people import audit, rules
from tallystick.people.book import Book
from tallystick.people.duties import lineage
from tallystick.people.keys import KeyRing
from tallystick.proof.note import Checkpoint, open_checkpoint
from tallystick.proof.pack import Contents, Item, build
from tallystick.proof.sample import ALWAYS, Sample, take
from tallystick.records import LEDGER_ACTOR, Attachment, Draft, Entry, Personal
from tallystick.resources import shipped
from tallystick.workflow import certified, stamping
from tallystick.workflow.desk import Desk
from tallystick.workflow.verify import read_small

if TYPE_CHECKING:
    from tallystick.report.evidence import Control
    from tallystick.report.seal import Level
    from tallystick.report.view import View
    from tallystick.workflow.stamping import Stamper

__all__ = [
    "Drawing",
    "Drawn",
    "Issued",
    "Packed",
    "anchor_words",
    "catalogue",
    "draw",
    "pack",
    "page",
    "refuse_what_does_not_hold",
    "sampled",
    "seal",
]

PDF: Final = "audit.pdf"
_DISCLOSED: Final = frozenset({"counts.json", "name"})
"""Erasable values that a pack carries: what recomputes a check, and who signed. Profiles and addresses stay."""
_JUDGED: Final = ("evaluation", "decision", "approval", "waiver", "promotion")
"""Kinds that the rules of promotion go by."""
_MOST_CONSISTENCY: Final = 256
"""Newest checkpoints from which a pack carries a consistency proof, for readers who kept one of them."""


# --------------------------------------------------------------------------- the report


@dataclass(frozen=True)
class Issued:
    """A report as it was issued."""

    entry: Entry
    pdf: bytes
    receipt: bytes


@dataclass(frozen=True)
class Drawn:
    """A report that was drawn and not yet sealed: what it says, up to which checkpoint, and when."""

    view: View
    model: Entry
    seal: Entry
    """The entry that registered the report seal."""
    checkpoint: Checkpoint
    anchored: Checkpoint | None
    moment: str

    @property
    def un_anchored(self) -> int:
        return self.checkpoint.size - (self.anchored.size if self.anchored else 0)


def draw(desk: Desk, model: tuple[str, int | None], *, as_of: str | None = None, anchor: Path | None = None) -> Drawn:
    """Read what the audit report of a model version says.

    Args:
        as_of: a time or a date; what was recorded later is left out.
        anchor: a checkpoint kept elsewhere: the report says how many entries it does not cover.

    Raises:
        NotFound: no such model, or the ledger has no report seal.
        Tampered: the anchor is not a beginning of this ledger, or something that people signed does not hold.
    """
    from tallystick.report import render, view

    book = desk.book()
    entry = book.model(*model)
    ring = KeyRing.of(book)
    if ring.seal is None:
        raise NotFound("the ledger has no report seal")
    key = desk.ledger.key
    note = desk.ledger.latest_checkpoint()
    checkpoint = open_checkpoint(note, key)
    anchored = None if anchor is None else _anchor(desk, anchor)
    moment = desk.clock()
    seen = view.build(
        book,
        entry,
        as_of=as_of or moment,
        checkpoint={
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "note": note.decode(),
        },
        key_fingerprint=key.public.fingerprint,
        vkey=str(key),
        anchor=_anchor_said(anchored),
        un_anchored=checkpoint.size - (anchored.size if anchored else 0),
        backing=desk.ledger,
        drawing=render.drawing(moment),
        seal_issuer=certified.Certified.of(ring.seal).authority,
        catalogue=catalogue(),
    )
    refuse_what_does_not_hold(book, ring, entry, told=(line.entry for line in seen.carried))
    return Drawn(seen, entry, ring.seal, checkpoint, anchored, moment)


def page(drawn: Drawn) -> str:
    """The report as one HTML file."""
    from tallystick.report import render

    return render.html(drawn.view)


def seal(
    desk: Desk,
    drawn: Drawn,
    *,
    level: Level = "b-b",
    stamper: Stamper | None = None,
    revocations: Sequence[bytes] = (),
) -> Issued:
    """Write the report as a PDF, seal it, and record its issue.

    Args:
        level: PAdES B-B, B-T or B-LTA; the latter two ask the stamper for the time.
        revocations: lists of revoked certificates that B-LTA keeps in the file, DER.

    Raises:
        KeyUnavailable: the seal's key is missing, locked or open to others.
        MissingProgram: Pango is not installed.
    """
    from tallystick.report import render, view
    from tallystick.report.seal import seal as sealed

    private = desk.seal_key()
    evidence = view.evidence(drawn.view)
    at = datetime.fromisoformat(drawn.moment)
    unsealed = render.pdf(drawn.view, evidence, identifier=bytes.fromhex(digest(evidence)), moment=at)
    certificate = certified.Certified.of(drawn.seal).certificate
    pdf = sealed(
        unsealed,
        private_key=private,
        certificate=certificate,
        moment=at,
        chain=certified.chain(desk.ledger, drawn.seal),
        level=level,
        stamp=None if stamper is None else stamper.token,
        revocations=revocations,
    )
    done = _recorded(desk, _body(drawn, pdf, evidence, certificate), pdf)
    return Issued(done.entry, pdf, desk.ledger.receipt(done.entry).to_bytes())


def _body(drawn: Drawn, pdf: bytes, evidence: bytes, certificate: bytes) -> dict[str, Value]:
    from tallystick.report import render

    model, checkpoint = drawn.model, drawn.checkpoint
    return {
        "file": {"name": PDF, "sha256": digest(pdf), "size": len(pdf), "mediaType": "application/pdf"},
        "evidence": {"name": "evidence.json", "sha256": digest(evidence), "size": len(evidence)},
        "template": {"name": "audit", "sha256": render.template_digest()},
        "as_of": drawn.view.as_of,
        "scope": {"model": model.ref.value(), "name": model.body["name"], "version": model.body["version"]},
        "checkpoint": {"size": checkpoint.size, "root": checkpoint.root.hex()},
        "anchor": anchor_words(drawn.anchored.size if drawn.anchored else None),
        "signer": {"key": drawn.seal.ref.value(), "certificate_sha256": digest(certificate)},
    }


def _signed(book: Book, model: Entry, told: Iterable[Entry]) -> list[Entry]:
    """What people signed that bears on the report: whatever it prints, and what decides which of that counts.

    The newest word of each approver and the next promotion of the model need not be printed themselves.
    """
    decisions = book.referring(model, "decision")
    found = [
        *told,
        *book.of_kind("policy", "role"),
        *book.naming("approval", *(entry.ref.leaf for entry in decisions)),
        *book.naming("promotion", *(entry.ref.leaf for entry in book.models(str(model.body.get("name"))))),
        *book.naming("waiver", model.ref.leaf),
    ]
    return sorted({entry.seq: entry for entry in found}.values(), key=lambda entry: entry.seq)


def refuse_what_does_not_hold(book: Book, ring: KeyRing, model: Entry, *, told: Iterable[Entry] = ()) -> None:
    """A report tells what stands in the books; a forged approval among them would be told as one.

    Args:
        told: entries that are told besides those that bear on the model.

    Raises:
        Tampered: something that people signed does not hold.
    """
    signed = _signed(book, model, told)
    found = [str(wrong) for wrong in (*audit.signatures(book, ring, signed), *audit.promotions(book, ring, signed))]
    if found:
        raise Tampered(
            "no report over entries that do not hold: " + "; ".join(found[:3]),
            got=f"{len(found)} problems",
            remedy="See all of them with: tallystick ledger fsck",
        )


def _recorded(desk: Desk, body: dict[str, Value], pdf: bytes) -> Appended:
    draft = Draft(
        "report",
        LEDGER_ACTOR,
        desk.clock(),
        body,
        subject=({"name": PDF, "digest": {"sha256": body["file"]["sha256"]}},),
        attachments=(Attachment.erasable(PDF, "application/pdf", pdf),),
    )
    signer = desk.signer(signing.LEDGER_KEY)
    with desk.writing() as writer:
        return writer.append(desk.sign(draft, by=[signer]))


def _anchor(desk: Desk, path: Path) -> Checkpoint:
    note = read_small(path)
    extends(desk.ledger, note)
    return open_checkpoint(note, desk.ledger.key)


def anchor_words(size: int | None) -> str:
    """What a report says of the checkpoint held outside, of that size."""
    if size is None:
        return "none: no checkpoint held outside was compared"
    return f"a checkpoint of {size} entries, kept outside the ledger"


def _anchor_said(anchored: Checkpoint | None) -> dict[str, Value]:
    size = None if anchored is None else anchored.size
    return {"text": anchor_words(size), "size": size}


# --------------------------------------------------------------------------- the pack


@dataclass(frozen=True)
class Packed:
    """An evidence pack."""

    data: bytes
    entries: int
    of: int
    report: bool
    withheld: tuple[str, ...]


def pack(desk: Desk, model: tuple[str, int | None], *, everything: bool = False) -> Packed:
    """Put together what proves a model version's story: entries, proofs, policies, keys, report, a signed manifest.

    Args:
        everything: all entries of the ledger, so that completeness is proven by the tree; else those about the model
            and its use case, so that completeness is what the signed manifest states.

    Raises:
        NotFound: no such model.
    """
    book = desk.book()
    entry = book.model(*model)
    filter: dict[str, Value] = {"name": "all"} if everything else _filter(entry)
    chosen = book.entries if everything else _closed(book, stamping.covering(book, _about(book, entry)))
    return _packed(desk, book, chosen, filter, report=_report_files(desk, book, _newest_report(book, entry)))


@dataclass(frozen=True)
class Drawing:
    """What an auditor asks for: so many of all entries of a kind from a time, drawn by a seed."""

    kind: str
    since: str
    until: str
    """Exclusive."""
    count: int
    seed: str


def sampled(desk: Desk, asked: Drawing) -> tuple[Packed, Sample]:
    """A pack with the whole stories of a sample, and with every entry from its time, so that the population is proven.

    Raises:
        InvalidInput: nothing of that kind was recorded in that time, or the seed is none.
    """
    book = desk.book()
    size = open_checkpoint(desk.ledger.latest_checkpoint(), desk.ledger.key).size
    entries = [entry for entry in book.entries if entry.seq < size]
    sample = take(entries, kind=asked.kind, since=asked.since, until=asked.until, count=asked.count, seed=asked.seed)
    first, last = sample.neighbours
    stories = [other for seq in sample.drawn for other in _told_with(book, _at(book, seq))]
    told = {entry.seq for entry in _closed(book, [*_ground(book), *stories]) if entry.seq < size}
    chosen = [entry for entry in entries if entry.seq in told or first <= entry.seq <= last]
    sample = replace(sample, told=tuple(sorted(seq for seq in told if first <= seq <= last)))
    story = {entry.seq for entry in sample.story(chosen)}
    return _packed(desk, book, chosen, sample.value(), bare=lambda entry: entry.seq not in story), sample


def _at(book: Book, seq: int) -> Entry:
    entry = book.at(seq)
    if entry is None:
        raise Tampered("an entry that was just read is not here", where=f"entry {seq}")
    return entry


def _told_with(book: Book, entry: Entry) -> list[Entry]:
    """An entry, and everything about the models that it speaks of."""
    named = [entry, *(target for ref in entry.references if (target := book.find(ref.value())) is not None)]
    return [entry, *(other for model in named if model.kind == "model" for other in _about(book, model))]


def _packed(
    desk: Desk,
    book: Book,
    chosen: Iterable[Entry],
    filter: Mapping[str, Value],
    *,
    report: Mapping[str, bytes] = MappingProxyType({}),
    bare: Callable[[Entry], bool] = lambda _: False,
) -> Packed:
    """A pack of entries up to the latest checkpoint; of those that are ``bare`` it holds the bytes alone."""
    note = desk.ledger.latest_checkpoint()
    checkpoint = open_checkpoint(note, desk.ledger.key)
    told = [entry for entry in chosen if entry.seq < checkpoint.size]
    stamps = stamping.answers(desk.ledger, told)
    withheld: list[str] = []
    contents = Contents(
        origin=desk.origin,
        checkpoint=note,
        items=tuple(
            _bare(desk, entry, checkpoint.size) if bare(entry) else _item(desk, entry, checkpoint.size, withheld)
            for entry in told
        ),
        filter=filter,
        made_at=desk.clock(),
        people=tuple(person.key for person in KeyRing.of(book).persons.values()),
        report=report,
        consistency=_consistency(desk, checkpoint.size, stamps),
        timestamps=stamps,
        programs=standalone.programs(),
    )
    data = build(contents, desk.signer(signing.LEDGER_KEY))
    there = digest(report.get(PDF, b""))  # as a file of its own, not as the value of its entry
    shown = {f"{PDF} of entry {e.seq}" for e in told if e.kind == "report" and e.body["file"]["sha256"] == there}
    return Packed(data, len(told), checkpoint.size, bool(report), tuple(name for name in withheld if name not in shown))


def _bare(desk: Desk, entry: Entry, size: int) -> Item:
    return Item(entry.raw, tuple(desk.ledger.inclusion_proof(entry.seq, size)))


def _filter(model: Entry) -> dict[str, Value]:
    return {"name": "model", "model": model.ref.value(), "usecase": model.body["usecase"]}


def _about(book: Book, model: Entry) -> list[Entry]:
    """Everything about a model, its bytes and its use case, and whatever that refers to; the ground besides."""
    found = {entry.seq: entry for entry in _ground(book)}
    for version in _siblings(book, model):
        for entry in (*lineage(book, version), *_consequences(book, version)):
            found[entry.seq] = entry
    return _closed(book, found.values())


def _ground(book: Book) -> Iterator[Entry]:
    """What every pack has: all keys, roles and policies, and whatever stands before the first person.

    Else nobody could see that no other came first.
    """
    yield from book.of_kind(*ALWAYS)
    first = KeyRing.of(book).first
    for seq in range(0 if first is None else first.entry.seq):
        entry = book.at(seq)
        if entry is not None:
            yield entry


def _siblings(book: Book, model: Entry) -> list[Entry]:
    """Models of the same bytes, or for the same use case."""
    usecase = rules.usecase_of(book, model)
    named = [] if usecase is None else rules.usecase_leaves(book, usecase)
    return [
        entry
        for entry in book.naming("model", model.body["digest"], *named)
        if entry.body.get("digest") == model.body["digest"]
        or (usecase is not None and rules.usecase_of(book, entry) == usecase)
    ]


def _consequences(book: Book, model: Entry) -> Iterable[Entry]:
    """What was said of a model later, and what was said of that; other models are left to the use case.

    What the rules ask for is looked for in the bytes: taken out of the index of references, a failed evaluation or a
    refusal would be left out of the pack, and nobody who holds the pack would know.
    """
    found: dict[int, Entry] = {}
    waiting = [model]
    while waiting:
        entry = waiting.pop()
        if entry.seq not in found:
            found[entry.seq] = entry
            later = (*book.referring(entry), *book.referring(entry, *_JUDGED))
            waiting += [other for other in later if other.kind not in ("run", "model", "dataset")]
    return found.values()


def _closed(book: Book, entries: Iterable[Entry]) -> list[Entry]:
    """The entries with all that they refer to, again and again."""
    found: dict[int, Entry] = {}
    waiting = list(entries)
    while waiting:
        entry = waiting.pop()
        if entry.seq not in found:
            found[entry.seq] = entry
            waiting += [target for ref in entry.references if (target := book.find(ref.value())) is not None]
    return [found[seq] for seq in sorted(found)]


def _item(desk: Desk, entry: Entry, size: int, withheld: list[str]) -> Item:
    attachments, personal = [], []
    salts = {name: (salt, data) for name, salt, data in desk.ledger.side(entry)}
    for line in entry.attachments:
        name, media = str(line["name"]), str(line["mediaType"])
        if "sha256" in line:
            data = desk.ledger.part(entry, name)
            if data is None:
                raise Refused("an attachment is missing: this ledger is damaged", where=f"{name} of entry {entry.seq}")
            attachments.append(Attachment(name, media, data))
        elif name in _DISCLOSED and name in salts:
            attachments.append(Attachment(name, media, salts[name][1], salts[name][0]))
        else:
            withheld.append(f"{name} of entry {entry.seq}")
    for line in entry.personal:
        name = str(line["name"])
        text = desk.ledger.personal(entry, name) if name in _DISCLOSED else None
        if text is None:
            withheld.append(f"{name} of entry {entry.seq}")
        else:
            personal.append(Personal(name, text, salts[name][0]))
    hashes = tuple(desk.ledger.inclusion_proof(entry.seq, size))
    return Item(entry.raw, hashes, tuple(attachments), tuple(personal))


def _consistency(desk: Desk, size: int, stamped: Iterable[int]) -> dict[int, list[bytes]]:
    notes = deque(desk.ledger.checkpoints(), maxlen=_MOST_CONSISTENCY + 1)
    sizes = [open_checkpoint(note, desk.ledger.key).size for note in notes]
    earlier = {*[old for old in sizes if 0 < old < size][-_MOST_CONSISTENCY:], *stamped}
    return {old: desk.ledger.consistency_proof(old, size) for old in sorted(earlier)}


def _newest_report(book: Book, model: Entry) -> Entry | None:
    reports = [e for e in book.referring(model, "report") if e.body["scope"].get("model") == model.ref.value()]
    return reports[-1] if reports else None


def _report_files(desk: Desk, book: Book, issued: Entry | None) -> dict[str, bytes]:
    pdf = None if issued is None else book.part(issued, PDF)
    if issued is None or pdf is None:
        return {}
    return {PDF: pdf, "receipt.tlog-proof": desk.ledger.receipt(issued).to_bytes()}


def catalogue() -> Mapping[str, Control]:
    """The control catalogue that is shipped, by id, as reports print it."""
    from tallystick.policy import controls
    from tallystick.report.evidence import Control

    found = controls.load(shipped("policies") / "controls.yaml")
    return {id: Control(c.framework, c.ref, c.title, c.auto) for id, c in found.items()}

"""The evidence that travels in a report: what the report was built from, so that it can be built again from it alone.

It holds the bytes of every entry that was read, with its place in the tree of the checkpoint; the parts beside entries
that were read, with the salts of erasable ones; and what no entry says (:class:`Given`). Nothing in it is believed:
:func:`opened` holds every entry against the root and every part against its entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Protocol

from tallystick.canonical import Value, b64, decode, encode, unb64
from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.people.book import Book
from tallystick.proof.merkle import verify_inclusion
from tallystick.proof.parts import check_attachment, open_side, side_bytes
from tallystick.records import Attachment, Entry, Personal

__all__ = ["FORMAT", "Backing", "Carried", "Control", "Evidence", "Given", "carried", "encoded", "opened", "spans"]

FORMAT: Final = "tallystick-evidence/v1"


class Backing(Protocol):
    """What stands behind a book: where its entries are in the tree, and the salts of what is beside them."""

    def inclusion_proof(self, seq: int, size: int | None = None) -> list[bytes]: ...

    def side(self, entry: Entry) -> list[tuple[str, bytes, bytes]]:
        """(name, salt, bytes) of the erasable values of an entry."""
        ...


@dataclass(frozen=True)
class Control:
    """A clause of the control catalogue, as it is printed."""

    framework: str
    ref: str
    title: str
    auto: str
    """``A`` (evidence from records alone), ``P`` (partly) or ``H`` (a person's word only)."""


@dataclass(frozen=True)
class Given:
    """What a report says that no entry says: whoever issued it vouches for it."""

    origin: str
    size: int
    root: str
    as_of: str
    key_fingerprint: str
    vkey: str
    anchor: Mapping[str, Value]
    """``text``: what holds a checkpoint outside, in words; ``size``: of that checkpoint, or None."""
    un_anchored: int
    covered: tuple[tuple[int, int], ...]
    """First and last index of each run of entries that were looked at."""
    controls: Mapping[str, Control]
    """Of the catalogue, those that are printed."""
    drawing: Mapping[str, Value]
    """``at``: the time that the file bears; what it was drawn with: see `render.drawing`."""
    note: str | None = None
    """The signed checkpoint."""
    seal_issuer: str | None = None
    """The authority that certified the report's seal, as the certificate names it; None where nobody did."""

    def count(self) -> int:
        """How many entries were looked at."""
        return sum(last - first + 1 for first, last in self.covered)

    def seqs(self) -> Iterable[int]:
        """Their indices, in order."""
        return chain.from_iterable(range(first, last + 1) for first, last in self.covered)


@dataclass(frozen=True)
class Carried:
    """An entry, its place in the tree, and what was read beside it."""

    entry: Entry
    proof: tuple[bytes, ...]
    attachments: tuple[tuple[str, bytes], ...] = ()
    """Plain ones: name and bytes."""
    side: bytes | None = field(default=None, repr=False)
    """Erasable ones and personal values with their salts, as `proof.parts` spells them."""


@dataclass(frozen=True)
class Evidence:
    """Evidence that holds in itself. Whether the root is the ledger's, only a key tells."""

    given: Given
    model: Entry
    carried: tuple[Carried, ...]
    parts: Mapping[tuple[int, str], bytes] = field(repr=False)
    """By index of the entry and name."""
    facts: tuple[Mapping[str, Value], ...] = field(repr=False)
    """As they were printed."""

    def book(self) -> Book:
        """A book of the entries and parts of the evidence."""
        entries = [line.entry for line in self.carried]
        return Book(entries, origin=self.given.origin, parts=lambda entry, name: self.parts.get((entry.seq, name)))


def spans(seqs: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Runs of indices that follow each other, as first and last."""
    if isinstance(seqs, range):
        return ((seqs[0], seqs[-1]),) if seqs else ()
    found: list[tuple[int, int]] = []
    for seq in seqs:
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)


# --------------------------------------------------------------------------- making


def carried(entry: Entry, parts: Mapping[str, bytes], backing: Backing, size: int) -> Carried:
    """An entry as it travels.

    Args:
        parts: what was read beside it, by name.
    """
    plain = {str(line["name"]): str(line["mediaType"]) for line in entry.attachments if "sha256" in line}
    erasable = {str(line["name"]): str(line["mediaType"]) for line in entry.attachments if "sha256" not in line}
    salts = {name: salt for name, salt, _ in backing.side(entry)} if parts.keys() - plain.keys() else {}
    attached = [Attachment(name, erasable[name], parts[name], salts[name]) for name in sorted(parts.keys() & erasable)]
    said = [
        Personal(name, decode(parts[name], what=f"personal value {name}"), salts[name])
        for name in sorted(parts.keys() - plain.keys() - erasable.keys())
    ]
    return Carried(
        entry,
        tuple(backing.inclusion_proof(entry.seq, size)),
        tuple((name, parts[name]) for name in sorted(parts.keys() & plain.keys())),
        side_bytes(attached, said),
    )


def encoded(given: Given, model: Mapping[str, Value], carried: Iterable[Carried], facts: list[Value]) -> bytes:
    """The bytes of ``evidence.json``.

    Args:
        model: name, version, digest and ``entry``, the index of the entry of the version.
        facts: what is printed: ``id``, ``label``, ``text`` and ``entries``, the indices of its sources.
    """
    return encode(
        {
            "format": FORMAT,
            "ledger": given.origin,
            "key": {"fingerprint": given.key_fingerprint, "vkey": given.vkey},
            "checkpoint": {"size": given.size, "root": given.root, "note": given.note},
            "anchor": {"text": given.anchor.get("text"), "size": given.anchor.get("size")},
            "un_anchored": given.un_anchored,
            "model": dict(model),
            "as_of": given.as_of,
            "covered": [list(span) for span in given.covered],
            "controls": {id: [c.framework, c.ref, c.title, c.auto] for id, c in given.controls.items()},
            "drawing": dict(given.drawing),
            "entries": [_line(item) for item in carried],
            "facts": facts,
            **({"seal": {"issuer": given.seal_issuer}} if given.seal_issuer is not None else {}),
        }
    )


def _line(item: Carried) -> dict[str, Value]:
    line: dict[str, Value] = {
        "seq": item.entry.seq,
        "leaf": item.entry.leaf.hex(),
        "entry": b64(item.entry.raw),
        "proof": [b64(node) for node in item.proof],
    }
    if item.attachments:
        line["attachments"] = [{"name": name, "data": b64(data)} for name, data in item.attachments]
    if item.side is not None:
        line["side"] = decode(item.side)
    return line


# --------------------------------------------------------------------------- reading


_FIELDS: Final[Mapping[str, type]] = {
    "format": str,
    "ledger": str,
    "key": dict,
    "checkpoint": dict,
    "anchor": dict,
    "un_anchored": int,
    "model": dict,
    "as_of": str,
    "covered": list,
    "controls": dict,
    "drawing": dict,
    "entries": list,
    "facts": list,
}
_OPTIONAL: Final[Mapping[str, type]] = {"seal": dict}


def opened(data: bytes) -> Evidence:
    """Read evidence, every entry held against the root that it names and every part against its entry.

    Raises:
        Malformed: not evidence of this format.
        Tampered: an entry that does not stand in that tree, a part that is not the one its entry names.
    """
    value = decode(data, what="evidence", canonical=True)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise Malformed("not the evidence of a report", expected=FORMAT)
    try:
        _check_fields(value)
        given = _given(value)
        lines = tuple(_carried(line, given) for line in value["entries"])
        by_seq = {line.entry.seq: line.entry for line in lines}
        model = by_seq[value["model"]["entry"]]
        facts = tuple(_fact(line) for line in value["facts"])
    except NotVerified:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Malformed(
            "evidence lacks something or misspells it", got=f"{type(error).__name__}: {error}"[:80]
        ) from error
    if [line.entry.seq for line in lines] != sorted(by_seq):
        raise Malformed("entries of the evidence are not in order, or one stands twice")
    parts = {(line.entry.seq, name): part for line in lines for name, part in _parts(line).items()}
    return Evidence(given, model, lines, parts, facts)


def _check_fields(value: Mapping[str, Value]) -> None:
    known = {**_FIELDS, **{name: kind for name, kind in _OPTIONAL.items() if name in value}}
    wrong = [name for name, kind in known.items() if type(value.get(name)) is not kind]
    wrong += sorted(value.keys() - known.keys())
    if wrong:
        raise Malformed("evidence lacks a field, has one of another type or one too many", got=", ".join(wrong)[:80])


def _given(value: Mapping[str, Value]) -> Given:
    key, checkpoint = value["key"], value["checkpoint"]
    covered = tuple((int(first), int(last)) for first, last in value["covered"])
    ends = [end for span in covered for end in span]
    if ends != sorted(ends) or not all(0 <= end < checkpoint["size"] for end in ends):
        raise Malformed("runs of covered entries are out of order or of bounds")
    anchored = value["anchor"]["size"]
    if value["anchor"].keys() != {"text", "size"} or not (anchored is None or 0 <= anchored <= checkpoint["size"]):
        raise Malformed("anchor of the evidence is none of its ledger", got=str(anchored)[:40])
    if value["un_anchored"] != checkpoint["size"] - (anchored or 0):
        raise Malformed(
            "evidence counts other un-anchored entries than its anchor leaves",
            expected=str(checkpoint["size"] - (anchored or 0)),
            got=str(value["un_anchored"])[:40],
        )
    return Given(
        origin=value["ledger"],
        size=checkpoint["size"],
        root=checkpoint["root"],
        as_of=value["as_of"],
        key_fingerprint=key["fingerprint"],
        vkey=key["vkey"],
        anchor=value["anchor"],
        un_anchored=value["un_anchored"],
        covered=covered,
        controls={id: Control(*map(str, line)) for id, line in value["controls"].items()},
        drawing=value["drawing"],
        note=checkpoint["note"],
        seal_issuer=str(value["seal"]["issuer"]) if "seal" in value else None,
    )


def _carried(line: Mapping[str, Value], given: Given) -> Carried:
    entry = Entry.parse(unb64(line["entry"], what="entry"))
    where = f"entry {entry.seq}"
    if not any(first <= entry.seq <= last for first, last in given.covered):
        raise Malformed("entry is not among those that the report covers", where=where)
    if line["seq"] != entry.seq or line["leaf"] != entry.leaf.hex():
        raise Tampered("evidence gives an entry another index or leaf hash than its bytes", where=where)
    proof = tuple(unb64(node, what="proof") for node in line["proof"])
    try:
        verify_inclusion(entry.seq, given.size, entry.leaf, proof, bytes.fromhex(given.root))
    except NotVerified as error:
        raise Tampered("entry is not in the tree that the report names", where=where, got=str(error)[:120]) from error
    attachments = tuple((str(item["name"]), unb64(item["data"], what="part")) for item in line.get("attachments", ()))
    return Carried(entry, proof, attachments, encode(line["side"]) if "side" in line else None)


def _parts(line: Carried) -> dict[str, bytes]:
    """What stands beside an entry, each checked against its line there."""
    entry = line.entry
    named = {str(item["name"]): item for item in entry.attachments if "sha256" in item}
    try:
        found = {} if line.side is None else open_side(entry, line.side)
        for name, data in line.attachments:
            if name in found or name not in named:
                raise Malformed("part stands twice, or its entry names none such", got=name[:80])
            check_attachment(named[name], data)
            found[name] = data
    except NotVerified as error:
        raise Tampered(
            "a part is not the one that its entry names", where=f"entry {entry.seq}", got=error.what
        ) from error
    return found


def _fact(line: Mapping[str, Value]) -> Mapping[str, Value]:
    texts, entries = [line["id"], line["label"], line["text"]], line["entries"]
    if len(line) != 4 or not all(isinstance(text, str) for text in texts):
        raise Malformed("fact of the evidence is not id, label, text and entries", got=str(line.get("id"))[:80])
    if not isinstance(entries, list) or not all(type(seq) is int for seq in entries):
        raise Malformed("fact of the evidence does not list its entries", where=line["id"][:80])
    return line

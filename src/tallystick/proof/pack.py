"""The evidence pack: one file with entries, their proofs, and everything an auditor needs to check them.

Members, in this order::

    manifest.json                 DSSE envelope by the ledger's key: what is in the pack, and under which filter
    checkpoint                    signed note
    entries/<seq>.json            the entry's bytes (seq in nine digits)
    proofs/<seq>.tlog-proof       its inclusion proof, as third-party tools read it
    attachments/<sha256>          attached bytes
    side/<seq>.json               erasable values that are disclosed, with their salts
    consistency/<old size>        hashes of a consistency proof from an earlier checkpoint, base64, a line each
    timestamps/<size>.tsr         an RFC 3161 answer over the signed note of that size
    keys/ledger.vkey, keys/<fingerprint>.pem
    report/audit.pdf, report/receipt.tlog-proof
    readme.txt                    how to verify by hand
    verify.py, verify.html        verifiers that share no code with this one

The manifest covers every other member by size and digest, its envelope has one spelling, and so has the container: a
pack with any byte changed is refused. Keys inside a pack do not make it trusted: :func:`open_pack` takes the key from
its caller. What is merely absent is not an error here; see :mod:`tallystick.proof.completeness`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tallystick.canonical import Value, b64, decode, digest, encode, leaf_hash, unb64
from tallystick.errors import InvalidInput, Malformed, NewerFormat, NotVerified, Tampered
from tallystick.proof import container
from tallystick.proof.completeness import Completeness, completeness
from tallystick.proof.envelope import open_envelope, seal
from tallystick.proof.keys import PublicKey, Signer
from tallystick.proof.merkle import root, verify_inclusion
from tallystick.proof.note import MAX_SIZE, Checkpoint, VerifierKey, open_checkpoint
from tallystick.proof.parts import check_attachment, check_parts, open_side, side_bytes
from tallystick.proof.readme import readme
from tallystick.proof.receipt import Proof
from tallystick.proof.sample import FILTER, Sample
from tallystick.records import FIRST_PREV, Attachment, Entry, Personal

__all__ = ["FORMAT", "MANIFEST_TYPE", "MAX_BEGINNING", "Contents", "Item", "Pack", "build", "open_pack", "signed_size"]

FORMAT: Final = "tallystick-pack/v1"
MANIFEST_TYPE: Final = "application/vnd.tallystick.manifest+json"
ALL: Final = "all"
"""The filter that leaves nothing out."""

_LAYOUT = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"manifest\.json",
        r"checkpoint",
        r"entries/([0-9]{9})\.json",
        r"proofs/([0-9]{9})\.tlog-proof",
        r"attachments/([0-9a-f]{64})",
        r"side/([0-9]{9})\.json",
        r"consistency/([1-9][0-9]{0,15})",
        r"timestamps/([1-9][0-9]{0,15})\.tsr",
        r"keys/ledger\.vkey",
        r"keys/([0-9a-f]{64})\.pem",
        r"report/audit\.pdf",
        r"report/receipt\.tlog-proof",
        r"readme\.txt",
        r"verify\.py",
        r"verify\.html",
    )
)
_ENVELOPE: Final = re.compile(
    rb'\{"payload":"[A-Za-z0-9+/]*={0,2}","payloadType":"[a-z0-9./+-]+",'
    rb'"signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"[A-Za-z0-9+/]{1,200}={0,2}"\}\]\}'
)
_MAX_MANIFEST: Final = 32 << 20
"""Bytes: the longest list of members that a container holds, in base64."""
MAX_BEGINNING: Final = _MAX_MANIFEST + 1024
"""Bytes of a pack that hold its manifest."""
_MAX_PATH: Final = 63
"""Hashes of a consistency proof: as many as a tree of 2^63 leaves needs."""
_REPORT = ("audit.pdf", "receipt.tlog-proof")
_PROGRAMS = ("verify.py", "verify.html")
_MANIFEST = frozenset(
    {"format", "ledger", "size", "root", "filter", "range", "entries", "members", "made_at", "withheld"}
)


def _rank(name: str) -> tuple[int, int, str]:
    """Where a member stands; members that no pack has stand last."""
    places = [place for place, pattern in enumerate(_LAYOUT) if pattern.fullmatch(name)]
    return (places[0] if places else len(_LAYOUT), len(name), name)


# ------------------------------------------------------------------ what goes in


@dataclass(frozen=True)
class Item:
    """An entry for a pack, with what is disclosed of it."""

    entry: bytes = field(repr=False)
    hashes: tuple[bytes, ...]
    """Its inclusion proof in the tree of the pack's checkpoint."""
    attachments: tuple[Attachment, ...] = ()
    """Those at hand and not withheld; an erasable one discloses its salt."""
    personal: tuple[Personal, ...] = ()
    """Those disclosed."""


@dataclass(frozen=True)
class Contents:
    """Everything that goes into a pack."""

    origin: str
    checkpoint: bytes = field(repr=False)
    """The signed note."""
    items: tuple[Item, ...]
    """In order of seq."""
    filter: Mapping[str, Value]
    """``{"name": "all"}``, or the name and the parameters of the choice: of a model, or of a sample."""
    made_at: str
    people: tuple[PublicKey, ...] = ()
    """Keys of those who signed, for the reader's convenience."""
    report: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """``audit.pdf``, ``receipt.tlog-proof``: those there are."""
    consistency: Mapping[int, Sequence[bytes]] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Proofs from earlier checkpoints, by their size."""
    timestamps: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """RFC 3161 answers, by the size of the checkpoint whose signed note they are over."""
    programs: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """``verify.py`` and ``verify.html``: those that are handed out with it."""


def build(contents: Contents, signer: Signer) -> bytes:
    """The pack's bytes, its manifest signed by the ledger's key. The same contents yield the same bytes.

    Nothing is verified but what a mistake of the caller would spoil; open what was built before handing it out.

    Raises:
        InvalidInput: no entries, entries out of order or beyond the checkpoint, a part that its entry does not name,
            or more than a container holds.
        NotVerified: the checkpoint is not of this origin and key.
    """
    key = VerifierKey(contents.origin, signer.public)
    checkpoint = open_checkpoint(contents.checkpoint, key)
    entries = [Entry.parse(item.entry) for item in contents.items]
    _check_order(entries, checkpoint)
    members = _members(contents, entries, key)
    ordered = {name: members[name] for name in sorted(members, key=_rank)}
    manifest = _manifest(contents, entries, checkpoint, ordered)
    envelope = encode(seal(MANIFEST_TYPE, encode(manifest), [signer]))
    if len(envelope) > _MAX_MANIFEST:
        raise InvalidInput("a pack cannot list this much", expected=f"a manifest of up to {_MAX_MANIFEST} bytes")
    return container.write({"manifest.json": envelope, **ordered})


def _check_order(entries: Sequence[Entry], checkpoint: Checkpoint) -> None:
    seqs = [entry.seq for entry in entries]
    if not seqs or seqs != sorted(set(seqs)) or seqs[-1] >= min(checkpoint.size, 10**9):
        raise InvalidInput("a pack holds entries of the checkpoint's tree, each once, in order of seq")


def _members(contents: Contents, entries: Sequence[Entry], key: VerifierKey) -> dict[str, bytes]:
    """All members but the manifest."""
    unknown = (set(contents.report) - set(_REPORT)) | (set(contents.programs) - set(_PROGRAMS))
    if unknown:
        raise InvalidInput("a pack has no place for this file", got=min(unknown)[:80])
    members = {"checkpoint": contents.checkpoint, "keys/ledger.vkey": f"{key}\n".encode()}
    for entry, item in zip(entries, contents.items, strict=True):
        members |= _of_item(entry, item, contents.checkpoint)
    for public in (key.public, *contents.people):
        members[f"keys/{public.fingerprint}.pem"] = public.pem.encode()
    for size, hashes in contents.consistency.items():
        members[f"consistency/{size}"] = "".join(f"{b64(item)}\n" for item in hashes).encode()
    members |= {f"timestamps/{size}.tsr": data for size, data in contents.timestamps.items()}
    members |= {f"report/{name}": data for name, data in contents.report.items()}
    members |= contents.programs
    members["readme.txt"] = readme(key, manifest_type=MANIFEST_TYPE, entry=f"entries/{entries[0].seq:09}.json")
    return members


def _of_item(entry: Entry, item: Item, checkpoint: bytes) -> dict[str, bytes]:
    check_parts(entry, item.attachments, item.personal)
    members = {
        f"entries/{entry.seq:09}.json": item.entry,
        f"proofs/{entry.seq:09}.tlog-proof": Proof(entry.seq, item.hashes, checkpoint).to_bytes(),
    }
    members |= {f"attachments/{digest(part.data)}": part.data for part in item.attachments if part.salt is None}
    side = side_bytes(item.attachments, item.personal)
    if side is not None:
        members[f"side/{entry.seq:09}.json"] = side
    return members


def _manifest(
    contents: Contents, entries: Sequence[Entry], checkpoint: Checkpoint, members: Mapping[str, bytes]
) -> dict[str, Value]:
    carried = {
        (entry.seq, name)
        for entry, item in zip(entries, contents.items, strict=True)
        for name in [part.name for part in item.attachments] + [part.name for part in item.personal]
    }
    return {
        "format": FORMAT,
        "ledger": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "filter": dict(contents.filter),
        "range": {"first": 0, "last": checkpoint.size - 1},
        "entries": len(entries),
        "members": [{"name": name, "size": len(data), "sha256": digest(data)} for name, data in members.items()],
        "made_at": contents.made_at,
        "withheld": _withheld(entries, carried),
    }


def _withheld(entries: Sequence[Entry], carried: Collection[tuple[int, str]]) -> list[Value]:
    """The parts that entries name and the pack does not carry: erased, withheld or missing."""
    return [
        {"seq": entry.seq, "name": line["name"]}
        for entry in entries
        for line in (*entry.attachments, *entry.personal)
        if (entry.seq, line["name"]) not in carried
    ]


# ------------------------------------------------------------------ what comes out


@dataclass(frozen=True)
class Pack:
    """A pack of which every byte was checked against the key it was opened with."""

    manifest: Mapping[str, Value]
    checkpoint: Checkpoint
    entries: tuple[Entry, ...]
    """In order of seq."""
    story: tuple[Entry, ...] = field(repr=False)
    """Those that the pack tells of: all of them, or of a sample those that bear on what was drawn."""
    sample: Sample | None
    """What was drawn, from which population: checked."""
    completeness: Completeness
    withheld: tuple[tuple[int, str], ...]
    """(seq, name) of parts that entries name and the pack does not carry."""
    people: tuple[PublicKey, ...]
    """Keys in the pack besides the ledger's. That they are here says nothing about whose they are."""
    report: Mapping[str, bytes] = field(repr=False)
    """``audit.pdf``, ``receipt.tlog-proof``: those there are. Only their digests were checked."""
    consistency: Mapping[int, tuple[bytes, ...]] = field(repr=False)
    """Consistency proofs by old size. They prove something once an old root is at hand."""
    timestamps: Mapping[int, bytes] = field(repr=False)
    """Answers of time-stamping authorities, by the size of the checkpoint. What they say was not looked at."""
    members: Mapping[str, bytes] = field(repr=False)
    parts: Mapping[tuple[int, str], bytes] = field(repr=False)
    """(seq, name) to the bytes of an attachment, or the canonical JSON of a personal text."""

    def part(self, entry: Entry, name: str) -> bytes | None:
        """The bytes of an attachment or encoded personal value; None if the pack does not carry it."""
        return self.parts.get((entry.seq, name))

    def note(self, size: int) -> bytes | None:
        """The signed note of a checkpoint: the pack's own, or one that an entry of the pack tells was stamped."""
        if size == self.checkpoint.size:
            return self.members["checkpoint"]
        for entry in self.entries:
            told = entry.body.get("checkpoint") if entry.kind == "checkpoint-witnessed" else None
            if isinstance(told, dict) and told.get("size") == size and isinstance(told.get("note"), str):
                return str(told["note"]).encode()
        return None


def open_pack(data: bytes, key: VerifierKey) -> Pack:
    """Check a pack and read it.

    In this order: the manifest's signature, so that nothing else of a stranger's file is looked at; the container;
    each member's size and digest, and that there are no others; the checkpoint; each entry's proof; the chain of
    neighbours; attachments and disclosed values.

    Args:
        data: the file's bytes.
        key: the ledger's key, from elsewhere than this file.

    Raises:
        Malformed: not a pack, or not in its one spelling.
        Tampered: a signature, digest, proof, link or commitment fails; ``where`` names the first member.
        NewerFormat: a pack or an entry of a later version.
    """
    manifest = _open_manifest(data, key)
    members = container.read(data)
    _check_members(members, manifest)
    checkpoint = _open_checkpoint(members, manifest, key)
    entries = tuple(_entries(members, checkpoint))
    _check_chain(entries)
    _check_counts(entries, manifest, checkpoint)
    parts = _parts(entries, members)
    sample = _sample(entries, manifest, checkpoint)
    if "report/receipt.tlog-proof" in members and "report/audit.pdf" not in members:
        raise Malformed("receipt has no report", where="report/receipt.tlog-proof")
    story = entries if sample is None else tuple(sample.story(entries))
    return Pack(
        manifest=MappingProxyType(manifest),
        checkpoint=checkpoint,
        entries=entries,
        story=story,
        sample=sample,
        completeness=completeness(entries, size=checkpoint.size, key=key, story=story),
        withheld=_check_withheld(entries, parts, manifest),
        people=tuple(_people(members, key)),
        report=MappingProxyType({name: members[f"report/{name}"] for name in _REPORT if f"report/{name}" in members}),
        consistency=MappingProxyType(_consistency(members)),
        timestamps=MappingProxyType({int(n): data for n, (_, data) in _numbered(members, "timestamps").items()}),
        members=MappingProxyType(members),
        parts=MappingProxyType(parts),
    )


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Name the member in whatever fails inside."""
    try:
        yield
    except NotVerified as error:
        what = f"{error.what} ({error.where})" if error.where else error.what
        raise type(error)(what, where=where, expected=error.expected, got=error.got) from error


def _member(members: Mapping[str, bytes], name: str) -> bytes:
    if name not in members:
        raise Malformed("pack lacks a member", where=name)
    return members[name]


def signed_size(beginning: bytes, key: VerifierKey) -> int | None:
    """How large the pack is that begins so, by the manifest that this key signed; None if it signed none.

    For whoever reads the file: :data:`MAX_BEGINNING` bytes of it are enough to ask, and no more need be read than this.
    """
    try:
        lines = _open_manifest(beginning, key)["members"]
        own = len(container.first(beginning, limit=_MAX_MANIFEST)[1])
        return container.size_of([("manifest.json", own), *((str(line["name"]), int(line["size"])) for line in lines)])
    except (NotVerified, NewerFormat, KeyError, TypeError, ValueError):
        return None


def _open_manifest(data: bytes, key: VerifierKey) -> dict[str, Value]:
    name, envelope = container.first(data, limit=_MAX_MANIFEST)
    if name != "manifest.json":
        raise Malformed("pack does not begin with its manifest", where="manifest.json", got=name[:80])
    with _at("manifest.json"):
        match = _ENVELOPE.fullmatch(envelope)
        if match is None:
            # Not parsed: it is a stranger's until its signature holds, and little JSON can ask for much memory.
            raise Malformed("envelope is not in its one spelling")
        opened = open_envelope(decode(envelope, what="envelope", canonical=True), [key.public])
        if match[1].decode() != key.public.fingerprint:
            raise Malformed("envelope is not in its one spelling", expected=f"keyid {key.public.fingerprint}")
        if opened.payload_type != MANIFEST_TYPE:
            raise Tampered("envelope holds no manifest", expected=MANIFEST_TYPE, got=opened.payload_type)
        manifest = decode(opened.payload, what="manifest", canonical=True)
        _check_manifest(manifest)
    return dict(manifest)


def _check_manifest(manifest: Value) -> None:
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), str):
        raise Malformed("manifest has no format")
    if manifest["format"] != FORMAT:
        _refuse_format(manifest["format"])
    types: Mapping[str, type] = {
        "filter": dict, "members": list, "withheld": list, "made_at": str, "entries": int, "size": int,
    }  # fmt: skip
    bad = [name for name, kind in types.items() if type(manifest.get(name)) is not kind]
    if set(manifest) != _MANIFEST or bad or not isinstance(manifest["filter"].get("name"), str):
        raise Malformed("manifest lacks or misspells a field", got=", ".join(bad) or None)


def _refuse_format(found: str) -> None:
    match = re.fullmatch(r"tallystick-pack/v([1-9][0-9]{0,40})", found, re.ASCII)
    if match is None or int(match[1]) < 2:
        raise Malformed("not a manifest of a pack", expected=FORMAT, got=found[:40])
    raise NewerFormat("pack is of a newer format", expected=FORMAT, got=found, remedy="Use a newer tallystick.")


def _same(one: Value, other: Value) -> bool:
    """Whether two values are the same in JSON, where true is not 1."""
    return one == other and encode(one) == encode(other)


def _check_members(members: Mapping[str, bytes], manifest: Mapping[str, Value]) -> None:
    """The manifest lists every other member, in order, with its size and digest, and nothing else."""
    names = list(members)
    strange = [name for name in names if _rank(name)[0] == len(_LAYOUT)]
    if strange:
        raise Malformed("pack holds a member that packs do not have", where=strange[0])
    if names != sorted(names, key=_rank):
        raise Malformed("members of the pack are not in their order")
    listed = [line.get("name") for line in manifest["members"] if isinstance(line, Mapping)]
    told = {name for name in listed if isinstance(name, str)}
    for name in sorted(told ^ {*names[1:]}):
        what = "is missing: it was taken out" if name in told else "is not listed in the manifest: it was added"
        raise Tampered(f"a member of the pack {what} after the ledger signed", where=name[:100])
    for name, line in zip(names[1:], manifest["members"], strict=False):
        if not _same(line, {"name": name, "size": len(members[name]), "sha256": digest(members[name])}):
            raise Tampered("member is not the one that the manifest lists: it was exchanged or altered", where=name)
    if len(manifest["members"]) != len(names) - 1:
        raise Tampered("manifest lists a member twice, or a line that names none")


def _open_checkpoint(members: Mapping[str, bytes], manifest: Mapping[str, Value], key: VerifierKey) -> Checkpoint:
    with _at("checkpoint"):
        checkpoint = open_checkpoint(_member(members, "checkpoint"), key)
        said = [manifest[name] for name in ("ledger", "size", "root", "range")]
        span = {"first": 0, "last": checkpoint.size - 1}
        if not _same(said, [checkpoint.origin, checkpoint.size, checkpoint.root.hex(), span]):
            raise Tampered("manifest speaks of another checkpoint", expected=str(said)[:200])
    return checkpoint


def _numbered(members: Mapping[str, bytes], section: str) -> dict[str, tuple[str, bytes]]:
    """Number to (name, bytes), for a section."""
    found = {
        name.partition("/")[2].partition(".")[0]: (name, data)
        for name, data in members.items()
        if name.startswith(section + "/")
    }
    for number, (name, _) in found.items():
        if int(number) > MAX_SIZE:
            raise Malformed("number of a member is out of range", where=name)
    return found


def _entries(members: Mapping[str, bytes], checkpoint: Checkpoint) -> Iterator[Entry]:
    entries, proofs = _numbered(members, "entries"), _numbered(members, "proofs")
    if entries.keys() != proofs.keys():
        odd = min(entries.keys() ^ proofs.keys())
        raise Malformed("entry without proof, or proof without entry", where=f"entry {int(odd)}")
    for number, (name, raw) in entries.items():  # first all proofs: what is not the ledger's is of no format at all
        proof_name, proof = proofs[number]
        with _at(proof_name):
            found = _proof_of(proof, int(number), members["checkpoint"])
        with _at(name):
            verify_inclusion(found.index, checkpoint.size, leaf_hash(raw), found.hashes, checkpoint.root)
    for number, (name, raw) in entries.items():
        with _at(name):
            entry = Entry.parse(raw)
            if entry.seq != int(number):
                raise Tampered("entry has another seq than its name", expected=number, got=str(entry.seq))
        yield entry


def _proof_of(data: bytes, seq: int, note: bytes) -> Proof:
    proof = Proof.parse(data)
    if proof.index != seq or proof.checkpoint != note or proof.extra is not None:
        raise Tampered("proof is for another entry or checkpoint, or carries extra data")
    return proof


def _check_chain(entries: Sequence[Entry]) -> None:
    """`prev` of an entry is the leaf hash of the one before, where that is at hand."""
    leaves = {-1: FIRST_PREV} | {entry.seq: entry.leaf.hex() for entry in entries}
    for entry in entries:
        before = leaves.get(entry.seq - 1)
        if before is not None and entry.prev != before:
            raise Tampered(
                "entry does not follow the one before it", where=f"entry {entry.seq}", expected=before, got=entry.prev
            )


def _check_counts(entries: Sequence[Entry], manifest: Mapping[str, Value], checkpoint: Checkpoint) -> None:
    if not entries or len(entries) != manifest["entries"]:
        raise Tampered("manifest counts other entries", expected=str(manifest["entries"])[:20], got=str(len(entries)))
    if manifest["filter"]["name"] != ALL:
        return
    if root([entry.leaf for entry in entries]) != checkpoint.root:
        raise Tampered("pack says that it holds all entries and does not", expected=f"{checkpoint.size} entries")


def _sample(entries: Sequence[Entry], manifest: Mapping[str, Value], checkpoint: Checkpoint) -> Sample | None:
    if manifest["filter"]["name"] != FILTER:
        return None
    with _at("manifest.json"):
        sample = Sample.parse(manifest["filter"])
    sample.check(entries, size=checkpoint.size)
    return sample


# ------------------------------------------------------------------ parts


def _parts(entries: Sequence[Entry], members: Mapping[str, bytes]) -> dict[tuple[int, str], bytes]:
    """Every attachment and value that the pack carries, each checked against the line in its entry."""
    parts: dict[tuple[int, str], bytes] = {}
    used: set[str] = set()
    by_number = {f"{entry.seq:09}": entry for entry in entries}
    for entry in entries:
        for line in entry.attachments:
            name = f"attachments/{line.get('sha256')}"
            if name in members:
                with _at(name):
                    check_attachment(line, members[name])
                parts[entry.seq, line["name"]] = members[name]
                used.add(name)
    for number, (name, data) in _numbered(members, "side").items():
        if number in by_number:
            with _at(name):
                parts |= {(int(number), part): value for part, value in open_side(by_number[number], data).items()}
            used.add(name)
    _check_used(members, used)
    return parts


def _check_used(members: Mapping[str, bytes], used: set[str]) -> None:
    for name in members:
        if name.startswith(("attachments/", "side/")) and name not in used:
            raise Malformed("member belongs to no entry of the pack", where=name)


def _check_withheld(
    entries: Sequence[Entry], parts: Mapping[tuple[int, str], bytes], manifest: Mapping[str, Value]
) -> tuple[tuple[int, str], ...]:
    """The manifest names every part that is not carried: a part cannot be dropped from a pack unseen."""
    absent = _withheld(entries, parts)
    if not _same(absent, manifest["withheld"]):
        raise Tampered("manifest names other withheld parts", where="manifest.json", got=str(absent)[:160])
    return tuple((item["seq"], item["name"]) for item in absent)


# ------------------------------------------------------------------ keys, consistency


def _people(members: Mapping[str, bytes], key: VerifierKey) -> Iterator[PublicKey]:
    """The keys in the pack, the ledger's apart, which must be the one given."""
    if _member(members, "keys/ledger.vkey") != f"{key}\n".encode():
        raise Tampered("pack carries another ledger key", where="keys/ledger.vkey", expected=str(key))
    for name, data in members.items():
        if name.startswith("keys/") and name.endswith(".pem"):
            with _at(name):
                public = _from_pem(data)
                if name != f"keys/{public.fingerprint}.pem":
                    raise Tampered("key has another fingerprint than its name", got=public.fingerprint)
            if public != key.public:
                yield public


def _from_pem(data: bytes) -> PublicKey:
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("key is not PEM") from error
    public = PublicKey.from_spki(unb64("".join(lines[1:-2]), what="key"))
    if public.pem.encode() != data:
        raise Malformed("key is not the PEM of a public key")
    return public


def _consistency(members: Mapping[str, bytes]) -> dict[int, tuple[bytes, ...]]:
    found = {}
    for number, (name, data) in _numbered(members, "consistency").items():
        with _at(name):
            lines = data.decode("ascii", "replace").split("\n")
            if lines.pop() != "" or len(lines) > _MAX_PATH:
                raise Malformed("not lines of hashes")
            found[int(number)] = tuple(unb64(line, what="hash of a proof") for line in lines)
            if any(len(item) != 32 for item in found[int(number)]):
                raise Malformed("hash of a proof is not 32 bytes")
    return found

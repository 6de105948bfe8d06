#!/usr/bin/env python3
"""Verify what a tallystick ledger handed out: a pack, report, receipt, checkpoint or consistency proof.

    python3 verify.py FILE --key KEY [--anchor FILE]... [--consistency FILE]... [--receipt FILE] [--require-anchor]

One file to read from top to bottom and to copy anywhere: it needs Python 3.9 and openssl 3.0, or later ones, shares no
code with tallystick and was written from its documents: "formats" is docs/reference/formats.md, "records" is records.md
beside it. It uses no network, unpacks nothing, and reads no JSON before a signature by the key covers it.

Ends with 0: all that was asked holds; 1: something does not; 2: called wrongly; 3: something could not be found out.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import math
import re
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

KINDS = {b"PK": "pack", b"%PDF-": "report", b"c2sp.org/tlog-proof@": "receipt", b"old ": "consistency"}
FILE_LIMIT, MANIFEST_LIMIT, SMALL_LIMIT, ENTRY_LIMIT = 1 << 30, 1 << 26, 1 << 20, 65535  # bytes
NAME, NUMBER, DIGEST = r"[^\s+\x00-\x1f]+", "(0|[1-9][0-9]{0,17})", "[0-9a-f]{64}"
HASH, HASHES, NOTE = "([A-Za-z0-9+/]{43}=)", "((?:[A-Za-z0-9+/]{43}=\n){0,63})", "\n((?s:.+))"
TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([0-9]{2}:){2}[0-9]{2}\.[0-9]{6}Z"
PAE = b"DSSEv1 %d %s %d %s"  # what a DSSE envelope signs: length and text of the type, length and bytes of the payload
NOT_PROVEN = [
    "Whether what was recorded is true is not shown. What was never recorded is invisible.",
    "Not judged: who was entitled to sign, the rules of promotion, time stamps, and what is inside a PDF.",
    "What is complete as stated is so by the ledger's word; entries that no checkpoint from elsewhere covers"
    " (unanchored) rest on its key alone: whoever holds it could have made them anew, or show others to others.",
]


class Refused(ValueError):
    """The answer is no."""


class Unknown(Exception):
    """It cannot be found out."""


def need(condition: object, complaint: str) -> bool:
    """True, or a refusal with the complaint."""
    if not condition:
        raise Refused(complaint)
    return True


def match(form: str, text: str, complaint: str) -> tuple[Any, ...]:
    """The groups of a text that as a whole has this form."""
    found = re.fullmatch(form, text)
    need(found, complaint)
    return found.groups() if found else ()


def unbase64(text: str) -> bytes:
    """The bytes of standard base64 with padding, in its one spelling."""
    data = base64.b64decode(text.encode())
    need(base64.b64encode(data).decode() == text, "base64 is not in its one spelling")
    return data


# JSON
def canonical(value: Any, depth: int = 1) -> str:
    """The value in canonical JSON (RFC 8785; formats, Canonical JSON); what may not stand there is refused."""
    need(depth <= 32 or not isinstance(value, (dict, list)), "JSON is nested more than 32 levels deep")
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]).encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(item, depth + 1)}" for name, item in pairs) + "}"
    if isinstance(value, float):  # the fewest digits that read as this double; plain from 1e-6 to below 1e21
        need(math.isfinite(value), "a number is not finite")
        plain = value == 0 or 1e-6 <= abs(value) < 1e21
        return format(Decimal(repr(value or 0.0)).normalize(), "f" if plain else "e")
    need(not isinstance(value, int) or abs(value) < 2**53, "an integer is out of range")
    need(not isinstance(value, str) or unicodedata.is_normalized("NFC", value), "text is not in normal form C")
    return json.dumps(value, ensure_ascii=False)


def read_json(data: bytes, what: str, *, exact: bool = True) -> Any:
    """The value of strict JSON; with ``exact`` the bytes must be the canonical ones."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return dict(pairs) if need(len(dict(pairs)) == len(pairs), f"{what} has a key twice in an object") else {}

    # 18 digits are beyond the range already, and a longer integer costs time
    value = json.loads(data.decode(), object_pairs_hook=unique, parse_int=lambda digits: int(digits[:18]))
    need(canonical(value).encode() == data or not exact, f"{what} is not canonical JSON")
    return value


def shaped(value: Any, what: str, *, only: bool = False, **types: type) -> dict[str, Any]:
    """The value, if it is an object with fields of these names and types, and with ``only`` no others."""
    need(isinstance(value, dict), f"{what} is no object")
    bad = [name for name in {**types, **(value if only else {})} if type(value.get(name)) is not types.get(name)]
    need(not bad, f"{what} has a field missing, of another type or too many: {', '.join(bad)}")
    return dict(value)


# Ed25519, under which checkpoints and manifests are signed (formats, Checkpoints)
class Key(NamedTuple):
    """A verifier key; ``der`` is its SubjectPublicKeyInfo (RFC 8410, section 4)."""

    line: str
    name: str
    id: bytes
    der: bytes
    fingerprint: str


def parse_key(line: str) -> Key:
    """The key of a line; no point of the curve, another encoding (RFC 8032, 5.1.3) and small order are refused."""
    name, id, rest = match(rf"({NAME})\+([0-9a-f]{{8}})\+(\S+)", line, "a verifier key is <name>+<key id>+<base64>")
    blob, p = unbase64(rest), 2**255 - 19
    need(len(blob) == 33 and blob[0] == 1, "a verifier key holds 0x01 and 32 bytes")
    need(sha256(f"{name}\n".encode() + blob).hexdigest()[:8] == id, "the verifier key has an id that is not its own")
    y = int.from_bytes(blob[1:], "little") & (2**255 - 1)
    square = (y * y - 1) * pow(-121665 * pow(121666, -1, p) * y * y + 1, -1, p)  # of x, on -x^2 + y^2 = 1 + d x^2 y^2
    need(pow(square, (p - 1) // 2, p) in (0, 1), "the key is no point of the curve")
    eighth = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    need(y < p and y not in (0, 1, p - 1, eighth, p - eighth), "the key is not canonical, or of small order")
    der = bytes.fromhex("302a300506032b6570032100") + blob[1:]
    return Key(line, name, bytes.fromhex(id), der, sha256(der).hexdigest())


def signed(key: Key, message: bytes, signature: bytes) -> bool:
    """Whether the signature over the message is the key's (RFC 8032, 5.1.7)."""
    words = "openssl pkeyutl -verify -pubin -keyform DER -rawin -inkey key -in message -sigfile signature"
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("key", key.der), ("message", message), ("signature", signature)):
            Path(folder, name).write_bytes(data)
        done = subprocess.run(words.split(), cwd=folder, capture_output=True, check=False)
    if done.returncode and b"Signature Verification Failure" not in done.stdout + done.stderr and len(signature) == 64:
        raise Unknown(f"openssl cannot verify an Ed25519 signature: {done.stderr[:200].decode(errors='replace')}")
    return done.returncode == 0


# The tree (RFC 6962, section 2.1)
Head = tuple[int, bytes]  # what a signed checkpoint says: so many entries have this root
Growth = tuple[int, list[bytes], Head]  # a proof from an old size to a head


def root_hash(leaves: list[bytes]) -> bytes:
    """The root of at least one leaf (MTH): on the left stands the largest power of two below their number."""
    left = 1 << (len(leaves) - 1).bit_length() >> 1
    if len(leaves) == 1:
        return leaves[0]
    return sha256(b"\x01" + root_hash(leaves[:left]) + root_hash(leaves[left:])).digest()


def roots(old: int, size: int, path: list[bytes], start: bytes | None, *, leaf: bool = False) -> tuple[bytes, bytes]:
    """The roots of the first ``old`` and of all ``size`` leaves to which PATH, or else SUBPROOF, leads.

    PATH starts from the last of the ``old`` leaves; SUBPROOF from the old root, or, where that is not known, with None.
    """
    need(1 <= old <= size, f"the place {old} is not in a tree of {size} entries")
    end = size == 1 if leaf else old == size
    need(len(path) == (start is None) if end else path, "a proof has another length than its place asks for")
    if end:
        root = path[0] if start is None else start
        return root, root
    left, last = 1 << (size - 1).bit_length() - 1, path[-1]
    if old <= left:
        older, newer = roots(old, left, path[:-1], start, leaf=leaf)
        return older, sha256(b"\x01" + newer + last).digest()
    older, newer = roots(old - left, size - left, path[:-1], start if leaf else None, leaf=leaf)
    return sha256(b"\x01" + last + older).digest(), sha256(b"\x01" + last + newer).digest()


# Checkpoints, receipts and consistency proofs (formats, under these names)
def open_checkpoint(data: bytes, key: Key) -> Head:
    """The head of a checkpoint that the key signed (C2SP signed-note and tlog-checkpoint)."""
    need(len(data) <= SMALL_LIMIT, "a checkpoint is larger than 1 MiB")
    form = rf"(({NAME})\n{NUMBER}\n{HASH}\n)\n((?:\u2014 {NAME} \S+\n){{1,100}})"
    said, origin, size, root, lines = match(form, data.decode(), "not a checkpoint of three lines and 100 signatures")
    signatures = [(line.split(" ")[1], unbase64(line.split(" ")[2])) for line in lines.split("\n")[:-1]]
    need(all(len(blob) > 4 for _, blob in signatures), "a signature is too short")
    ours = [blob[4:] for name, blob in signatures if (name, blob[:4]) == (key.name, key.id)]  # others are passed over
    need(ours and origin == key.name, "the key that was given did not sign the checkpoint")
    need(all(signed(key, said.encode(), blob) for blob in ours), "the signature of the checkpoint does not hold")
    need(size != "0" or unbase64(root) == sha256().digest(), "the root is not that of the empty tree")
    return int(size), unbase64(root)


def open_receipt(data: bytes) -> tuple[bytes | None, int, list[bytes], bytes]:
    """Entry if it is there, index, path and signed checkpoint of a C2SP tlog-proof."""
    form = rf"c2sp\.org/tlog-proof@v1\n(?:extra (\S*)\n)?index {NUMBER}\n{HASHES}{NOTE}"
    entry, index, path, note = match(form, data.decode(), "not a tlog-proof of an index and at most 63 hashes")
    return None if entry is None else unbase64(entry), int(index), [*map(unbase64, path.split())], note.encode()


def open_growth(data: bytes, key: Key) -> Growth:
    """A consistency proof whose newer checkpoint holds (C2SP tlog-witness)."""
    form = rf"old {NUMBER}\n{HASHES}{NOTE}"
    old, path, note = match(form, data.decode(), "not a consistency proof of a size and at most 63 hashes")
    growth = int(old), [*map(unbase64, path.split())], open_checkpoint(note.encode(), key)
    roots(growth[0], growth[2][0], growth[1], bytes(32))  # how many hashes there must be depends on the sizes alone
    return growth


# Entries (records, Every entry), and what stands beside them
class Entry(NamedTuple):
    """An entry's leaf hash, its fields, and a line for each personal value and attachment that it names."""

    leaf: bytes
    fields: dict[str, Any]
    parts: list[tuple[str, dict[str, Any]]]


def open_entry(raw: bytes, seq: int, path: list[bytes], head: Head) -> Entry:
    """The entry of these bytes, which stands at this index under the head."""
    leaf, what = sha256(b"\x00" + raw).digest(), f"entry {seq}"
    need(roots(seq + 1, head[0], path, leaf, leaf=True)[1] == head[1], f"{what} is not under the checkpoint's root")
    need(len(raw) <= ENTRY_LIMIT, f"{what} is larger than {ENTRY_LIMIT} bytes")
    fields = shaped(read_json(raw, what), what, v=int)
    if fields["v"] > 1:
        raise Unknown(f"{what} has format version {fields['v']}, which this verifier does not know")
    shaped(fields, what, kind=str, seq=int, prev=str, recorded_at=str, claimed_at=str, actor=str, basis=str)
    shaped(
        {"attachments": [], "personal": [], **fields}, what, attachments=list, personal=list, subject=list, body=dict
    )
    need((fields["v"], fields["seq"]) == (1, seq), f"{what} has another seq or version")
    for name, form in (("prev", DIGEST if seq else "0{64}"), ("recorded_at", TIME), ("claimed_at", TIME)):
        match(form, fields[name], f"{what} has a malformed {name}")
    parts = [("personal", shaped(line, what, name=str, hmac_sha256=str)) for line in fields.get("personal", [])]
    plain = [shaped(line, what, name=str, size=int, mediaType=str) for line in fields.get("attachments", [])]
    parts += [("attachments", line) for line in plain]
    for _, line in parts:
        match(DIGEST, str(line.get("sha256", line.get("hmac_sha256"))), f"{what} gives no digest of {line['name']}")
    return Entry(leaf, fields, parts)


def disclosed(data: bytes, entry: Entry, what: str) -> list[tuple[str, str]]:
    """The values in a member of ``side/``, each one that the entry committed to (formats, Side values)."""
    value, found = shaped(read_json(data, what), what, only=True, attachments=list, personal=list), []
    for part, field in (("attachments", "data"), ("personal", "text")):
        for item in value[part]:
            shaped(item, what, only=True, **{"name": str, "salt": str, field: str})
            name, salt = item["name"], unbase64(item["salt"])
            known = unbase64(item["data"]) if field == "data" else canonical(item["text"]).encode()
            size = len(known)
            told = part, name, hmac.new(salt, name.encode() + b"\x00" + known, "sha256").hexdigest(), size
            lines = [(of, line["name"], line.get("hmac_sha256"), line.get("size", size)) for of, line in entry.parts]
            need(len(salt) == 32 and told in lines, f"{what}: {name} is not what the entry committed to")
            found.append((part, name))
    need(found and len(found) == len(set(found)), f"{what} are none, or one stands there twice")
    return found


def check_statement(fields: dict[str, Any], key: Key) -> None:
    """Refuse unless the key signed a statement that binds the entry's content to this ledger (formats, Statements)."""
    what, kind = "the statement of the entry", b"application/vnd.in-toto+json"
    envelope = shaped(fields.get("statement"), what, payload=str, payloadType=str, signatures=list)
    payload = unbase64(envelope["payload"])
    signatures = [unbase64(shaped(item, what, sig=str)["sig"]) for item in envelope["signatures"][:100]]
    good = any(signed(key, PAE % (len(kind), kind, len(payload), payload), item) for item in signatures)
    need(good and envelope["payloadType"] == kind.decode(), f"the ledger's key did not sign {what}")
    said = shaped(read_json(payload, what, exact=False), what, predicate=dict)
    bound = shaped(said["predicate"].get("tallystick"), what, content=dict)
    outside = ("seq", "prev", "recorded_at", "claimed_at", "statement", "idempotency_key")
    content = canonical({name: value for name, value in fields.items() if name not in outside})
    got = [said.get("_type"), said.get("predicateType"), said.get("subject"), bound["content"].get("sha256")]
    wanted = ["https://in-toto.io/Statement/v1", f"urn:x-tallystick:{fields['kind']}:v1", fields["subject"]]
    got += [bound.get("ledger"), bound.get("kind"), bound.get("signer")]
    wanted += [sha256(content.encode()).hexdigest(), key.name, fields["kind"], fields["actor"]]
    need(got == wanted, f"{what} is about another entry")


# Packs (formats, Evidence packs): in the order of a pack, each section and what tells its members apart
SECTIONS = re.compile(
    rf"(?P<manifest>manifest\.json)|(?P<checkpoint>checkpoint)|entries/(?P<entries>[0-9]{{9}})\.json"
    rf"|proofs/(?P<proofs>[0-9]{{9}})\.tlog-proof|attachments/(?P<attachments>{DIGEST})|side/(?P<side>[0-9]{{9}})\.json"
    rf"|consistency/(?P<consistency>[1-9][0-9]{{0,17}})|timestamps/(?P<timestamps>[1-9][0-9]{{0,17}})\.tsr"
    rf"|(?P<vkey>keys/ledger\.vkey)|keys/(?P<keys>{DIGEST})\.pem"
    r"|report/(?P<report>audit\.pdf|audit\.html|receipt\.tlog-proof)|(?P<readme>readme\.txt)|(?P<verifiers>verify\.py|verify\.html)"
)
Members = dict[str, dict[str, bytes]]  # by section, and by what tells them apart


def open_container(data: bytes) -> dict[str, bytes]:
    """The members of a ZIP in its one spelling: its frame is written again, and every byte of it compared."""
    members: dict[str, bytes] = {}
    at, lines = 0, []
    while data.startswith(b"PK\x03\x04", at) and len(data) >= at + 30 and len(members) < 65535:
        size, length = struct.unpack_from("<IH", data, at + 22)
        name, body = data[at + 30 : at + 30 + length], data[at + 30 + length : at + 30 + length + size]
        frame = struct.pack("<5H3I2H", 20, 0, 0, 0, 33, zlib.crc32(body), size, size, length, 0)  # 33 is 1980-01-01
        good = data.startswith(b"PK\x03\x04" + frame + name, at) and len(body) == size
        need(good and re.fullmatch(rb"[a-z0-9._/-]+", name), f"the member at byte {at} is not in its one spelling")
        members[name.decode()] = body
        lines.append(b"PK\x01\x02\x14\x03" + frame + struct.pack("<3H2I", 0, 0, 0, 0o100644 << 16, at) + name)
        at += 30 + length + size
    count, directory = len(members), b"".join(lines)  # a name that stands twice makes the count too small
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), at, 0)
    need(count and data[at:] == directory + end, "the container is not in its one spelling")
    return members


def in_sections(members: dict[str, bytes]) -> Members:
    """The members by section, if they are those that a pack has, in their order."""
    pack: Members = {section: {} for section in SECTIONS.groupindex}
    places = []
    for name, body in members.items():
        found = SECTIONS.fullmatch(name)
        if found is None:
            raise Refused(f"{name} is no member of a pack")
        section = str(found.lastgroup)
        pack[section][found[section]] = body
        places.append((SECTIONS.groupindex[section], len(name), name))
    need(places == sorted(places), "the members are not in their order")
    return pack


def open_manifest(members: dict[str, bytes], key: Key) -> tuple[dict[str, Any], Members, Head]:
    """The manifest, which the key signed and which covers all other members; these by section; and the head."""
    data, kind = members.get("manifest.json", b""), b"application/vnd.tallystick.manifest+json"
    need(len(data) <= MANIFEST_LIMIT, f"the manifest is larger than {MANIFEST_LIMIT} bytes")
    form = r'\{"payload":"([^"\\]*)","payloadType":"%s","signatures":\[\{"keyid":"%s","sig":"([^"\\]*)"\}\]\}'
    form %= re.escape(kind.decode()), key.fingerprint
    found = match(form, data.decode("ascii", "replace"), "the manifest is no envelope with one signature, by the key")
    payload, signature = map(unbase64, found)
    need(signed(key, PAE % (len(kind), kind, len(payload), payload), signature), "the manifest's signature is wrong")
    manifest = shaped(read_json(payload, "the manifest"), "the manifest", format=str)
    if re.fullmatch(r"tallystick-pack/v([2-9]|[1-9][0-9]+)", manifest["format"]):
        raise Unknown(f"the pack has the format {manifest['format']}, and this verifier knows tallystick-pack/v1")
    pack = in_sections(members)
    head = open_checkpoint(pack["checkpoint"].get("checkpoint", b""), key)
    held = [{"name": name, "sha256": sha256(body).hexdigest(), "size": len(body)} for name, body in members.items()]
    wanted = {"format": "tallystick-pack/v1", "ledger": key.name, "size": head[0], "root": head[1].hex()}
    wanted |= {"range": {"first": 0, "last": head[0] - 1}, "entries": len(pack["entries"]), "members": held[1:]}
    shaped(manifest, "the manifest", filter=dict, made_at=str, withheld=list)
    wanted |= {name: manifest[name] for name in ("filter", "made_at", "withheld")}
    need(canonical(manifest) == canonical(wanted), "the manifest speaks of another ledger, tree, range or members")
    need(members.get("keys/ledger.vkey") == f"{key.line}\n".encode(), "keys/ledger.vkey is another key")
    return manifest, pack, head


def open_entries(pack: Members, head: Head, key: Key) -> dict[int, Entry]:
    """The entries by index: each under the checkpoint, neighbours linked, and entry 0 naming this ledger and key."""
    entries: dict[int, Entry] = {}
    newer: list[Unknown] = []
    need(pack["entries"].keys() == pack["proofs"].keys(), "entries and proofs of the pack are not of the same indices")
    for name, raw in pack["entries"].items():
        seq, (extra, index, path, note) = int(name), open_receipt(pack["proofs"][name])
        need((extra, index, note) == (None, seq, pack["checkpoint"]["checkpoint"]), f"the proof of {seq} is another's")
        try:
            entry = entries[seq] = open_entry(raw, seq, path, head)
        except Unknown as reason:  # what does not hold in others outweighs it
            newer.append(reason)
            continue
        before = entries.get(seq - 1)
        need(not before or entry.fields["prev"] == before.leaf.hex(), f"entry {seq} does not follow entry {seq - 1}")
        check_beginning(entry, key)
    if newer:
        raise newer[0]
    return entries


def check_beginning(entry: Entry, key: Key) -> None:
    """Entry 0, and no other, begins a ledger, and says which (records, Kinds)."""
    first, body = entry.fields["seq"] == 0, entry.fields["body"]
    said = [entry.fields["kind"] == "ledger", *(body.get(name) for name in ("origin", "checkpoint_key") if first)]
    need(said == [first, *([key.name, key.line] if first else [])], "entry 0, and no other, begins a ledger: this one")


def check_parts(pack: Members, entries: dict[int, Entry], withheld: list[Any]) -> None:
    """Attachments, disclosed values and keys are what entries and names say, and ``withheld`` is what is not here."""
    attachments, sides, named, missing = pack["attachments"], dict(pack["side"]), set(), []
    for seq, entry in entries.items():
        side = sides.pop(f"{seq:09d}", None)
        shown = [] if side is None else disclosed(side, entry, f"the values of entry {seq}")
        for part, line in entry.parts:
            body = attachments.get(line.get("sha256", ""))
            need(body is None or line["size"] == len(body), f"an attachment of entry {seq} has another size")
            named.add(line.get("sha256"))
            if body is None and (part, line["name"]) not in shown:
                missing.append({"name": line["name"], "seq": seq})
    need(not sides and named >= attachments.keys(), "a value or an attachment belongs to no entry of the pack")
    need(
        all(sha256(body).hexdigest() == name for name, body in attachments.items()), "an attachment has another digest"
    )
    for name, body in pack["keys"].items():
        form = "-----BEGIN PUBLIC KEY-----\n((?:.+\n)+)-----END PUBLIC KEY-----\n"
        (lines,) = match(form, body.decode("ascii", "replace"), f"keys/{name}.pem is no key")
        need(sha256(unbase64(lines.replace("\n", ""))).hexdigest() == name, f"keys/{name}.pem is another key")
    need(sorted(map(canonical, withheld)) == sorted(map(canonical, missing)), "withheld is not what the pack lacks")


def references(value: Any) -> Iterator[str]:
    """The leaf hashes of the entries that a value names (records, Every entry)."""
    if isinstance(value, dict) and set(value) == {"seq", "leaf"}:
        yield str(value["leaf"])
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from references(item)


def open_questions(start: Iterable[int], entries: dict[int, Entry]) -> tuple[list[str], list[str]]:
    """What the story of these entries lacks: entries that it names, and use cases whose evaluations have a gap."""
    index = {entry.leaf.hex(): seq for seq, entry in entries.items()}
    todo, missing = list(start), []
    story: set[int] = set()
    numbers: dict[
        str, list[str]
    ] = {}  # of the evaluations of a use case; only those of the story need one of their own
    taken: set[tuple[str, str]] = set()
    told: set[str] = set()
    while todo:
        seq = todo.pop()
        named = [*references([entries[seq].fields["body"], entries[seq].fields.get("supersedes")])]
        missing += [leaf for leaf in named if leaf not in index]
        todo += {index[leaf] for leaf in named if leaf in index} - story
        story.add(seq)
    for seq, entry in entries.items():
        for usecase in references(entry.fields["body"].get("usecase")) if entry.fields["kind"] == "evaluation" else ():
            attempt = entry.fields["body"].get("attempt")
            number = canonical(attempt.get("usecase") if isinstance(attempt, dict) else None)
            told |= {usecase} if seq in story else set()
            if seq in story or (number.isdigit() and (usecase, number) not in taken):
                numbers.setdefault(usecase, []).append(number)
            taken.add((usecase, number))
    gaps = [of for of in told if sorted(numbers[of]) != sorted(str(n + 1) for n in range(len(numbers[of])))]
    return missing, gaps


def sample_start(said: dict[str, Any], entries: dict[int, Entry], size: int) -> set[int]:
    """Where the story of a sample begins, if the population is whole and the seed draws that (formats, Samples)."""
    types = {"name": str, "kind": str, "from": str, "until": str, "seed": str, "first": int, "last": int}
    shaped(said, "the filter", only=True, **types, population=int, drawn=list, told=list)
    kind, since, until, seed = said["kind"], said["from"], said["until"], said["seed"]
    first, last, drawn, told = said["first"], said["last"], said["drawn"], said["told"]
    times = {seq: entry.fields["recorded_at"] for seq, entry in entries.items()}
    good = re.fullmatch(TIME, since) and re.fullmatch(TIME, until) and seed.isprintable() and 0 < len(seed) <= 200
    need(good and 0 <= first <= last < size, "the filter has a malformed time or seed, or a range outside the tree")
    around = range(max(first - 1, 0), min(last + 2, size))
    need(all(seq in entries for seq in around), "an entry of the sample's range, or beside it, is not in the pack")
    population = [seq for seq in times if since <= times[seq] < until]
    need(population[:1] == [first] and population[-1] == last, "the first or last entry of the time is another one")
    need(first == 0 or times[first - 1] < since, "the entry before the sample's range is not from before the time")
    need(last + 1 == size or times[last + 1] >= until, "the entry after the sample's range is not from after the time")
    population = [seq for seq in population if entries[seq].fields["kind"] == kind]
    need(said["population"] == len(population), f"the population is {len(population)} and not {said['population']}")
    population.sort(key=lambda seq: sha256(seed.encode() + b"\x00" + entries[seq].leaf).digest())
    need(canonical(drawn) == canonical(sorted(population[: len(drawn)])), "the seed draws other entries")
    need(canonical(told) == canonical(sorted(entries.keys() & set(told))), "told is not ascending, or not in the pack")
    kinds = "ledger", "key", "role", "policy"
    return {*drawn, *told, *(seq for seq in entries if entries[seq].fields["kind"] in kinds or seq not in around)}


class Verdict:
    """What was found out so far, check by check."""

    def __init__(self) -> None:
        self.kind, self.completeness, self.anchored = "checkpoint", "", 0
        self.key: Key | None = None
        self.head: Head | None = None
        self.leaves: list[bytes] = []  # of the file's tree, if every one is there
        self.growths: list[Growth] = []
        self.report: tuple[Head, bool] | None = None  # that over a pack's report, and whether the pack has its entry
        self.checks: list[dict[str, str]] = []

    def add(self, name: str, outcome: str, detail: str) -> None:
        self.checks.append({"name": name, "outcome": outcome, "detail": detail})

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note why a step could not be taken: whatever a hostile file causes is a no, never a traceback."""
        try:
            yield
        except (Unknown, OSError, MemoryError) as reason:
            self.add(name, "unknown", str(reason) or "not enough memory")
        except Exception as fault:
            self.add(name, "failed", str(fault) if isinstance(fault, Refused) else f"malformed: {type(fault).__name__}")

    def judge_pack(self, members: dict[str, bytes], key: Key) -> None:
        """Everything in a pack (formats, Evidence packs)."""
        manifest, pack, head = open_manifest(members, key)
        entries = open_entries(pack, head, key)
        check_parts(pack, entries, manifest["withheld"])
        self.head = head
        self.add("pack", "ok", f"the key covers {len(members)} members, with {len(entries)} entries of {head[0]}")
        for size, body in pack["consistency"].items():
            (lines,) = match(HASHES, body.decode("ascii", "replace"), f"consistency/{size} is not at most 63 hashes")
            self.growths.append((int(size), [*map(unbase64, lines.split())], head))
        with self.step("completeness"):
            self.judge_completeness(manifest["filter"], entries, head)
        report = pack["report"]
        if "audit.pdf" in report:
            seq, entry, other = self.judge_report(report["audit.pdf"], report.get("receipt.tlog-proof"), key)
            need(seq not in entries or entries[seq].leaf == entry.leaf, f"the pack has another entry {seq}")
            self.report = other, seq in entries

    def judge_completeness(self, said: dict[str, Any], entries: dict[int, Entry], head: Head) -> None:
        """Whether anything is missing: nothing, nothing as far as the ledger states, or something that is named."""
        whole, name = len(entries) == head[0], shaped(said, "the filter", name=str)["name"]
        start = sample_start(said, entries, head[0]) if name == "sample" else set(entries)
        need(whole or name != "all", "not every entry of the tree is in the pack")
        missing, gaps = open_questions(start, entries)
        missing += [] if 0 in entries else ["entry 0"]
        self.completeness = "proven" if whole else "partial" if missing else "stated"
        self.leaves = [entry.leaf for entry in entries.values()] if whole else []
        need(not whole or root_hash(self.leaves) == head[1], "the entries do not lead to the root of the checkpoint")
        for name, lack in (("completeness", missing), ("evaluations", gaps)):
            self.add(name, "unknown" if lack else "ok", f"not here, or with a gap: {', '.join(lack) or 'none'}")

    def judge_report(self, pdf: bytes, receipt: bytes | None, key: Key) -> tuple[int, Entry, Head]:
        """Index and entry that record this very file, and the head over it (formats, Reports)."""
        if receipt is None:
            raise Unknown("there is no receipt: that the ledger records the report is not shown")
        raw, seq, path, note = open_receipt(receipt)
        head = open_checkpoint(note, key)
        entry = open_entry(raw or b"", seq, path, head)  # the empty entry is under no root
        need(entry.fields["kind"] == "report", f"entry {seq} records no report")
        file = shaped(entry.fields["body"].get("file"), "the file of the report's entry", sha256=str, size=int)
        need((file["sha256"], file["size"]) == (sha256(pdf).hexdigest(), len(pdf)), f"entry {seq} records another file")
        check_statement(entry.fields, key)
        self.add("report", "ok", f"entry {seq}, signed by the ledger's key, records this very file")
        return seq, entry, head

    def judge_other(self, data: bytes, receipt: bytes | None, key: Key) -> None:
        """A report by its receipt, a receipt, a checkpoint, or a consistency proof up to its older checkpoint."""
        if self.kind == "report":
            _, _, self.head = self.judge_report(data, receipt, key)
        elif self.kind == "receipt":
            raw, seq, path, note = open_receipt(data)
            self.head = open_checkpoint(note, key)
            if raw is None:
                raise Unknown(f"the receipt carries no entry: which one stands at {seq} is not shown")
            entry = open_entry(raw, seq, path, self.head)
            kind = entry.fields["kind"]
            check_beginning(entry, key)
            self.add("receipt", "ok", f"entry {seq} of kind {kind} stands in the tree of {self.head[0]}")
        elif self.kind == "consistency":
            self.growths.append(open_growth(data, key))
            self.head = self.growths[0][2]
        else:
            self.head = open_checkpoint(data, key)
            self.add("checkpoint", "ok", f"the key signed {self.head[0]} entries with root {self.head[1].hex()}")

    def judge_anchors(self, anchors: list[Head], head: Head) -> None:
        """Compare anchors with the file's head, as far as leaves and proofs link them (formats, What anchors show)."""
        trees, others = {head[0]: head[1]}, [self.report[0]] if self.report else []
        for size, root in [*anchors, *others, *(new for _, _, new in self.growths)]:
            need(trees.setdefault(size, root) == root, f"the key signed two different trees of {size} entries: a fork")
        begins = {(size, size) for size in trees}  # sizes: the second tree begins with the first
        for old, path, new in self.growths:
            if old in trees:
                need(roots(old, new[0], path, trees[old]) == (trees[old], new[1]), f"{old} does not begin {new[0]}")
                begins.add((old, new[0]))
        for size in {*trees} & {*range(1, len(self.leaves) + 1)}:
            need(root_hash(self.leaves[:size]) == trees[size], f"the tree does not begin with that of {size} entries")
            begins.add((size, head[0]))
        known = 0
        while known < len(begins):  # what begins a beginning begins the whole; two beginnings of one tree agree
            known = len(begins)
            begins |= {(a, d) for a, b in begins for c, d in begins if b == c}
            begins |= {(a, c) for a, b in begins for c, d in begins if b == d and a <= c}
        linked = {size for pair in begins for size in pair if head[0] in pair and 0 not in pair}
        wanted = [size for size, _ in anchors] + ([] if self.report is None or self.report[1] else [others[0][0]])
        for size in wanted:
            self.add("anchor", "ok" if size in linked else "unknown", f"one history of {size} and of {head[0]} entries")
        self.anchored = max(linked & {size for size, _ in anchors}, default=0)
        if self.kind == "consistency" and self.growths[0][0] not in wanted:
            self.add("anchor", "unknown", f"the older checkpoint, of {self.growths[0][0]} entries, was not given")

    def value(self) -> dict[str, Any]:
        """What is printed (tests/conformance/README.md)."""
        failed = any(check["outcome"] == "failed" for check in self.checks)
        integrity = "failed" if failed else "ok" if self.head else "unknown"
        complete = self.completeness or ("failed" if failed and self.kind == "pack" else "not asked")
        found = {"kind": self.kind, "integrity": integrity, "completeness": complete}
        key = {"name": self.key.name, "fingerprint": self.key.fingerprint} if self.key else None
        unanchored = max(self.head[0] - self.anchored, 0) if self.head else None
        return {"key": key, **found, "unanchored": unanchored, "checks": self.checks, "not_proven": NOT_PROVEN}


# The command line
def read(name: str, limit: int = SMALL_LIMIT) -> bytes:
    """The bytes of a file, unless it is larger than the limit."""
    with Path(name).open("rb") as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise Unknown(f"{name}: is larger than {limit} bytes, which this verifier does not read")
    return data


def given_key(said: str | None, members: dict[str, bytes]) -> Key:
    """The key that was given: its line, a file with that, or the fingerprint of the one in a pack."""
    if said is None:
        raise Unknown("no key was given, and a file does not vouch for itself: add --key, from a source that you trust")
    line, printed = said.encode(), re.fullmatch(DIGEST, said)
    if printed:
        line = members.get("keys/ledger.vkey", b"")
    elif not re.fullmatch(rf"{NAME}\+[0-9a-f]{{8}}\+[A-Za-z0-9+/=]+", said):
        line = read(said)
    try:
        key = parse_key(line.decode().rstrip("\n"))
        need(not printed or key.fingerprint == said, "it has another fingerprint")
    except ValueError as fault:
        raise Unknown(f"the key that was given is none, or not here: {fault}") from fault
    return key


def judge(options: argparse.Namespace, verdict: Verdict) -> None:
    """Everything that was asked; that one step cannot be taken does not keep the others from being taken."""
    with verdict.step("file"):
        data = read(options.file, FILE_LIMIT)
        verdict.kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), "checkpoint")
        need(verdict.kind in ("pack", "report") or len(data) <= SMALL_LIMIT, "the file is larger than 1 MiB")
        members = open_container(data) if verdict.kind == "pack" else {}
        verdict.key = given_key(options.key, members)
        if members:
            verdict.judge_pack(members, verdict.key)
        else:
            beside = options.receipt or options.file + ".tlog-proof"
            wanted = options.receipt or (verdict.kind == "report" and Path(beside).exists())
            verdict.judge_other(data, read(beside) if wanted else None, verdict.key)
    anchors = []
    for name in options.consistency:
        with verdict.step("consistency"):
            verdict.growths += [open_growth(read(name), verdict.key)] if verdict.key else []
    for name in options.anchor:
        with verdict.step("anchor"):
            try:
                anchors += [open_checkpoint(read(name), verdict.key)] if verdict.key else []
            except ValueError as fault:
                raise Unknown(f"{name}: does not hold under this key, so it cannot be compared: {fault}") from fault
    with verdict.step("anchor"):
        if verdict.head:
            verdict.judge_anchors(anchors, verdict.head)
        if options.require_anchor and not verdict.anchored:
            raise Unknown("an anchor is required, and none was compared and agrees")


def main(words: list[str] | None = None) -> int:
    """Judge, print and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify what a tallystick ledger handed out.", allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", help="pack, report (PDF), receipt, checkpoint or consistency proof")
    parser.add_argument("--key", help="verifier key, a file that holds one, or the fingerprint of the key in a pack")
    parser.add_argument("--anchor", action="append", default=[], metavar="FILE", help="a checkpoint that you kept")
    parser.add_argument("--consistency", action="append", default=[], metavar="FILE", help="a proof that links it")
    parser.add_argument("--receipt", metavar="FILE", help="the receipt of a report; else FILE.tlog-proof")
    parser.add_argument("--require-anchor", action="store_true", help="no yes without an anchor that agrees")
    parser.add_argument("--format", choices=["json"], help="the only one there is")
    options, verdict = parser.parse_args(words), Verdict()
    if options.consistency and not options.anchor:
        parser.error("a consistency proof links a file to a checkpoint that was kept: add --anchor FILE")
    judge(options, verdict)
    print(json.dumps(verdict.value(), indent=2))
    outcomes = {check["outcome"] for check in verdict.checks}
    return 1 if "failed" in outcomes else 3 if "unknown" in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())

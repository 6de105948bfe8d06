#!/usr/bin/env python3
"""Verify what a tallystick ledger handed out: a pack, report, receipt, checkpoint or consistency proof.

    python3 verify.py FILE --key KEY [--anchor FILE]... [--consistency FILE]... [--receipt FILE] [--require-anchor]

One file to read from top to bottom and to copy anywhere: Python 3.9 or later, and for Ed25519 either Python's
``cryptography`` or the program ``openssl`` (3.0 or later). It imports nothing of tallystick and was written from its
documents: "formats" is docs/reference/formats.md, "records" docs/reference/records.md. It uses no network, unpacks
nothing, and writes nothing but the temporary files that openssl reads.

Ends with 0: all that was asked holds; 1: something does not; 2: called wrongly; 3: something could not be found out.

A hostile file costs memory of about twice its size and time in proportion to it: FILE has at most 1 GiB, others 1 MiB,
a manifest 64 MiB, an entry 65,535 bytes, a proof 63 hashes, a note 100 signatures, JSON 32 levels; and but for the
frames around it no JSON is read before a signature by the key covers it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import math
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    Ed25519PublicKey = None  # type: ignore[assignment,misc]  # openssl takes its place

FILE_LIMIT, MANIFEST_LIMIT, SMALL_LIMIT, ENTRY_LIMIT = 1 << 30, 1 << 26, 1 << 20, 65535
HEX, TIME = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([0-9]{2}:){2}[0-9]{2}\.[0-9]{6}Z")
PDF = "The PDF was not looked into: neither its own signature nor the evidence attached to it was judged."
NOT_PROVEN = [
    "Whether what was recorded is true is not shown. What was never recorded is invisible.",
    "Whether those who signed were entitled to, and whether the rules of promotion were kept, was not judged here.",
    "Recorded times are the ledger's claim: no time stamp was judged here.",
]


class Refused(Exception):
    """The answer is no."""


class Unknown(Exception):
    """It cannot be found out."""


def need(condition: object, complaint: str) -> None:
    """Refuse with the complaint unless the condition holds."""
    if not condition:
        raise Refused(complaint)


# Bytes and JSON (formats, Canonical JSON)


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over the parts one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def unbase64(text: str) -> bytes:
    """The bytes of standard base64 with padding, in its one spelling."""
    try:
        data = base64.b64decode(text.encode("ascii", "replace"))
    except ValueError:
        data = b""
    need(base64.b64encode(data).decode() == text, "base64 is not in its one spelling")
    return data


def number(value: float) -> str:
    """A double as ECMAScript prints it (RFC 8785, section 3.2.2.3): shortest digits, plain from 1e-6 to below 1e21."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    if -6 < point <= 21:
        text = "0" * (1 - point) + text + "0" * (point - len(text))
        text = (text[: max(point, 1)] + "." + text[max(point, 1) :]).rstrip(".")
    else:
        text = (text[0] + "." + text[1:]).rstrip(".") + f"e{point - 1:+d}"
    return "0" if value == 0 else "-" * sign + text


def canonical(value: Any, depth: int = 0) -> str:
    """The value in canonical JSON (RFC 8785); what may not stand there is refused."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        need(unicodedata.is_normalized("NFC", value), "text is not in normal form C")
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        need(abs(value) < 2**53, "an integer is out of range")
        return str(value)
    if isinstance(value, float):
        need(math.isfinite(value), "a number is not finite")
        return number(value)
    need(depth < 32, "JSON is nested more than 32 levels deep")
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    pairs = sorted(value.items(), key=lambda pair: str(pair[0]).encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(name)}:{canonical(item, depth + 1)}" for name, item in pairs) + "}"


def read_json(data: bytes, what: str, *, exact: bool = True) -> Any:
    """The value of strict JSON; with ``exact`` the bytes must be the canonical ones."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), f"{what} has a key twice in an object")
        return dict(pairs)

    try:  # 18 digits are beyond the range already, and a longer integer costs time
        value = json.loads(data.decode(), object_pairs_hook=unique, parse_int=lambda digits: int(digits[:18]))
        again = canonical(value).encode()
    except (ValueError, RecursionError) as fault:
        raise Refused(f"{what} is not strict JSON: {fault}") from fault
    need(again == data or not exact, f"{what} is not canonical JSON")
    return value


def shaped(value: Any, what: str, **types: Any) -> dict[str, Any]:
    """The value, if it is an object that has these fields, of these types."""
    need(isinstance(value, dict), f"{what} is no object")
    bad = [name for name, kind in types.items() if type(value.get(name)) is not kind]
    need(not bad, f"{what} lacks a field, or has it of another type: {', '.join(bad)}")
    return dict(value)


# Ed25519


class Key(NamedTuple):
    """A verifier key: name and 32 bytes (formats, Checkpoints)."""

    name: str
    raw: bytes

    def id(self) -> bytes:
        """The key id of a signed note (C2SP signed-note)."""
        return sha256(self.name.encode(), b"\n\x01", self.raw)[:4]

    def der(self) -> bytes:
        """The SubjectPublicKeyInfo (RFC 8410, section 4); its SHA-256 is the fingerprint."""
        return bytes.fromhex("302a300506032b6570032100") + self.raw

    def __str__(self) -> str:
        return f"{self.name}+{self.id().hex()}+{base64.b64encode(bytes([1]) + self.raw).decode()}"


def parse_key(text: str) -> Key:
    """The key of a line; an encoding that is not canonical (RFC 8032, 5.1.3) and points of small order are refused.

    These are the points with y = 0, 1 or -1 and the two y of order eight; under them almost any message verifies.
    """
    name, _, rest = text.partition("+")
    blob = unbase64(rest[9:])
    need(len(blob) == 33 and blob[0] == 1, "a verifier key is <name>+<key id>+<base64 of 1 and 32 bytes>")
    key = Key(name, blob[1:])
    need(name and not re.search(r"\s", name) and str(key) == text, "the verifier key has an id that is not its own")
    y, p = int.from_bytes(key.raw, "little") & (2**255 - 1), 2**255 - 19
    eighth = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    square = (y * y - 1) * pow(-121665 * pow(121666, -1, p) * y * y + 1, -1, p)  # of x, on -x^2 + y^2 = 1 + d x^2 y^2
    need(pow(square, (p - 1) // 2, p) in (0, 1), "the key is no point of the curve")
    need(y < p and y not in (0, 1, p - 1, eighth, p - eighth), "the key is not canonical, or of small order")
    return key


def signed(key: Key, message: bytes, signature: bytes) -> bool:
    """Whether the signature over the message is the key's (RFC 8032, 5.1.7): by cryptography, else by openssl."""
    if Ed25519PublicKey is not None:
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True
    program = shutil.which("openssl")
    if program is None:
        raise Unknown("Ed25519 needs Python's cryptography or the program openssl (3.0 or later): neither is here")
    words = [program, "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
    with tempfile.TemporaryDirectory() as folder:
        for option, data in (("-inkey", key.der()), ("-in", message), ("-sigfile", signature)):
            (Path(folder) / option).write_bytes(data)
            words += [option, str(Path(folder) / option)]
        done = subprocess.run(words, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode and "Signature Verification Failure" not in said and len(signature) == 64:
        raise Unknown(f"openssl could not verify an Ed25519 signature: {said.strip()[:200]}")
    return done.returncode == 0


# The tree (RFC 6962, section 2.1): a leaf is SHA-256 of 0x00 and the entry, a node of 0x01, left and right

Head = tuple[int, bytes]  # what a signed checkpoint says: so many entries have this root


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return sha256(b"\x01", left, right)


def split(size: int) -> int:
    """The largest power of two below the size, which is 2 or more: so many leaves are on the left."""
    return 1 << (size - 1).bit_length() - 1


def root_hash(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    left = split(len(leaves))
    return node(root_hash(leaves[:left]), root_hash(leaves[left:]))


def root_of_path(leaf: bytes, at: int, size: int, path: list[bytes]) -> bytes:
    """The root to which PATH of RFC 6962, section 2.1.1, leads from the leaf at this index."""
    need(0 <= at < size and (size > 1) == bool(path), "an inclusion proof has another length than its place asks for")
    if size == 1:
        return leaf
    left = split(size)
    if at < left:
        return node(root_of_path(leaf, at, left, path[:-1]), path[-1])
    return node(path[-1], root_of_path(leaf, at - left, size - left, path[:-1]))


def roots_of_growth(old: int, root: bytes | None, size: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """The roots of the first ``old`` and of all ``size`` leaves to which SUBPROOF of RFC 6962, section 2.1.2, leads.

    ``root`` is that of the old tree, where it is known; in a subtree of which it is no part the path begins with it.
    """
    need(1 <= old <= size, f"no tree of {size} entries begins with one of {old}")
    if old == size:
        need(len(path) == (root is None), "a consistency proof has another length than its sizes ask for")
        return (root, root) if root is not None else (path[0], path[0])
    need(path, "a consistency proof has another length than its sizes ask for")
    left = split(size)
    if old <= left:
        older, newer = roots_of_growth(old, root, left, path[:-1])
        return older, node(newer, path[-1])
    older, newer = roots_of_growth(old - left, None, size - left, path[:-1])
    return node(path[-1], older), node(path[-1], newer)


# Notes, proofs and envelopes


def decimal(text: str, what: str) -> int:
    """A count in decimal, without leading zeros."""
    need(re.fullmatch(r"0|[1-9][0-9]{0,17}", text), f"{what} is no number")
    return int(text)


def split_note(data: bytes, what: str, *, last: bool = False) -> tuple[list[str], str]:
    """The lines before the first, or last, empty line of a text of at most 1 MiB, and what stands behind it."""
    need(len(data) <= SMALL_LIMIT, f"{what} is larger than 1 MiB")
    try:
        text = data.decode()
    except ValueError as fault:
        raise Refused(f"{what} is not UTF-8") from fault
    need(text.endswith("\n") and not re.search(r"[\x00-\x09\x0b-\x1f]", text), f"{what} is no text of whole lines")
    front, gap, rest = text.rpartition("\n\n") if last else text.partition("\n\n")
    need(gap and front, f"{what} has no empty line")
    return front.split("\n"), rest


def open_checkpoint(data: bytes, key: Key) -> Head:
    """The head of a checkpoint that the key signed (C2SP signed-note and tlog-checkpoint; formats, Checkpoints)."""
    said, signatures = split_note(data, "the checkpoint", last=True)
    lines, good = signatures.split("\n")[:-1], False
    need(len(lines) <= 100, "a checkpoint has more than 100 signatures")
    for line in lines:
        found = re.fullmatch(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+=*)", line)
        name, blob = (found[1], unbase64(found[2])) if found else ("", b"")
        need(len(blob) > 4, "a signature line is malformed")
        if (name, blob[:4]) == (key.name, key.id()):  # others are passed over
            good = signed(key, ("\n".join(said) + "\n").encode(), blob[4:])
            need(good, "the signature of the checkpoint does not hold")
    need(good, "the key that was given did not sign the checkpoint")
    need(len(said) == 3 and said[0] == key.name, "a checkpoint has three lines, the first the name of the key")
    head = decimal(said[1], "the size of the checkpoint"), unbase64(said[2])
    need(len(head[1]) == 32 and (head[0] or head[1] == sha256()), "the root of the checkpoint is one that no tree has")
    return head


def open_hashes(lines: list[str]) -> list[bytes]:
    """At most 63 hashes, base64, a line each."""
    hashes = [unbase64(line) for line in lines[:64]]
    need(len(hashes) <= 63 and all(len(item) == 32 for item in hashes), "a proof is more than 63 hashes of 32 bytes")
    return hashes


def open_receipt(data: bytes) -> tuple[bytes | None, int, list[bytes], bytes]:
    """Entry if it is there, index, path and signed checkpoint of a C2SP tlog-proof (formats, Receipts)."""
    lines, note = split_note(data, "the receipt")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a tlog-proof")
    entry = unbase64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
    need(lines and lines[0].startswith("index "), "a tlog-proof has no index")
    return entry, decimal(lines[0][6:], "the index"), open_hashes(lines[1:]), note.encode()


Growth = tuple[int, list[bytes], Head]  # from an old size, known by its own checkpoint, to a head


def open_growth(data: bytes, key: Key) -> Growth:
    """A consistency proof whose newer checkpoint holds (formats, Consistency proofs; C2SP tlog-witness)."""
    lines, note = split_note(data, "the consistency proof")
    need(lines[0].startswith("old "), "not a consistency proof")
    old, path, new = decimal(lines[0][4:], "the old size"), open_hashes(lines[1:]), open_checkpoint(note.encode(), key)
    roots_of_growth(old, bytes(32), new[0], path)  # how many hashes there must be depends on the sizes alone
    return old, path, new


def pre_authentication(kind: str, payload: bytes) -> bytes:
    """What a DSSE envelope signs (DSSE v1, PAE)."""
    return b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)


def open_manifest(data: bytes, key: Key) -> dict[str, Any]:
    """The manifest, in an envelope in canonical JSON with one signature, by the key (formats, Evidence packs)."""
    need(len(data) <= MANIFEST_LIMIT, f"the manifest is larger than {MANIFEST_LIMIT} bytes")
    kind = "application/vnd.tallystick.manifest+json"
    form = r'\{"payload":"([^"\\]*)","payloadType":"%s","signatures":\[\{"keyid":"%s","sig":"([^"\\]*)"\}\]\}'
    found = re.fullmatch(form % (re.escape(kind), sha256(key.der()).hex()), data.decode("ascii", "replace"))
    payload, signature = (unbase64(found[1]), unbase64(found[2])) if found else (b"", b"")
    need(found, "the manifest is no envelope of its type with one signature by the key that was given")
    need(signed(key, pre_authentication(kind, payload), signature), "the signature of the manifest does not hold")
    manifest = shaped(read_json(payload, "the manifest"), "the manifest", format=str)
    if re.fullmatch(r"tallystick-pack/v([2-9]|[1-9][0-9]+)", manifest["format"]):
        raise Unknown(f"the pack has the format {manifest['format']}, and this verifier knows tallystick-pack/v1")
    need(manifest.pop("format") == "tallystick-pack/v1", "the manifest is not that of a pack")
    fields = {"ledger": str, "size": int, "root": str, "filter": dict, "range": dict, "entries": int, "members": list}
    need(len(manifest) == len(fields) + 2, "the manifest has fields that it should not have")
    shaped(manifest.get("filter"), "the filter", name=str)
    return shaped(manifest, "the manifest", **fields, made_at=str, withheld=list)


# Entries and what stands beside them


class Entry(NamedTuple):
    """The leaf hash of an entry and its fields (records, Every entry)."""

    leaf: bytes
    fields: dict[str, Any]


def open_entry(raw: bytes, seq: int, path: list[bytes], head: Head) -> Entry:
    """The entry of these bytes, which stands at this index under the head."""
    leaf, what = sha256(b"\x00", raw), f"entry {seq}"
    need(root_of_path(leaf, seq, head[0], path) == head[1], f"{what} does not stand under the root of the checkpoint")
    need(len(raw) <= ENTRY_LIMIT, f"{what} is larger than {ENTRY_LIMIT} bytes")
    fields = shaped(read_json(raw, what), what, v=int, kind=str, seq=int, prev=str, recorded_at=str, claimed_at=str)
    if fields["v"] != 1:
        raise Unknown(f"{what} has format version {fields['v']}, which this verifier does not know")
    shaped({"attachments": [], "personal": [], **fields}, what, actor=str, basis=str, subject=list, body=dict)
    need(fields["seq"] == seq and HEX.fullmatch(fields["prev"]), f"{what} has another seq, or a malformed prev")
    need(all(TIME.fullmatch(fields[name]) for name in ("recorded_at", "claimed_at")), f"{what} has a malformed time")
    need(seq or fields["prev"] == "0" * 64, "entry 0 names an entry before it")
    for _, name, line in parts(fields):
        digest = line.get("sha256", line.get("hmac_sha256"))
        need(isinstance(digest, str) and HEX.fullmatch(digest), f"{what} gives no digest of {name}")
    return Entry(leaf, fields)


def parts(fields: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each personal value and attachment of an entry: which of both, its name and its line."""
    for line in fields.get("personal", []):
        yield "personal", shaped(line, "a personal line", name=str, hmac_sha256=str)["name"], line
    for line in fields.get("attachments", []):
        yield "attachments", shaped(line, "an attachment line", name=str, size=int, mediaType=str)["name"], line


def check_statement(fields: dict[str, Any], key: Key) -> None:
    """Refuse unless the key signed a statement that binds the entry's content to this ledger (formats, Statements)."""
    what, media = "the statement of the entry", "application/vnd.in-toto+json"
    envelope = shaped(fields.get("statement"), what, payload=str, payloadType=str, signatures=list)
    payload = unbase64(envelope["payload"])
    signatures = [unbase64(shaped(item, what, sig=str)["sig"]) for item in envelope["signatures"][:100]]
    message = pre_authentication(media, payload)
    need(any(signed(key, message, item) for item in signatures), f"the ledger's key did not sign {what}")
    said = shaped(read_json(payload, what, exact=False), what, predicate=dict)
    binding = shaped(said["predicate"].get("tallystick"), what, content=dict)
    outside = ("seq", "prev", "recorded_at", "claimed_at", "statement", "idempotency_key")
    content = canonical({name: value for name, value in fields.items() if name not in outside})
    for name, got, wanted in (
        ("type", (envelope["payloadType"], said.get("_type")), (media, "https://in-toto.io/Statement/v1")),
        ("predicate type", said.get("predicateType"), f"urn:x-tallystick:{fields['kind']}:v1"),
        ("subject", said.get("subject"), fields["subject"]),
        ("ledger", binding.get("ledger"), key.name),
        ("kind", binding.get("kind"), fields["kind"]),
        ("signer", binding.get("signer"), fields["actor"]),
        ("content", binding["content"].get("sha256"), sha256(content.encode()).hex()),
    ):
        need(got == wanted, f"{what} is not about this entry: it names another {name}")


def check_side(data: bytes, fields: dict[str, Any], what: str) -> set[tuple[str, str]]:
    """What a member of ``side/`` discloses, each value one that the entry committed to (formats, Side values)."""
    value, found = read_json(data, what), set()
    lines = {(part, name): line for part, name, line in parts(fields) if "hmac_sha256" in line}
    need(set(shaped(value, what, attachments=list, personal=list)) == {"attachments", "personal"}, f"{what}: fields")
    for part, field in (("attachments", "data"), ("personal", "text")):
        for item in value[part]:
            need(set(shaped(item, what, name=str, salt=str)) == {"name", "salt", field}, f"{what} has other fields")
            name, salt, line = item["name"], unbase64(item["salt"]), lines.get((part, item["name"]), {})
            known = unbase64(item[field]) if field == "data" else canonical(item[field]).encode()
            digest = hmac.new(salt, name.encode() + b"\x00" + known, "sha256").hexdigest()
            good = len(salt) == 32 and digest == line.get("hmac_sha256") and line.get("size", len(known)) == len(known)
            need(good and (part, name) not in found, f"{what}: {name} is not what the entry committed to")
            found.add((part, name))
    need(found, f"{what} are empty")
    return found


# The verdict


class Verdict:
    """What was found out so far, check by check."""

    def __init__(self, kind: str) -> None:
        self.kind, self.completeness, self.stage = kind, "not asked", "key"
        self.key: Key | None = None
        self.source = "nowhere"
        self.head: Head | None = None
        self.others: list[Head] = []  # heads that the key signed besides
        self.growths: list[Growth] = []
        self.whole: list[bytes] = []  # the leaves of the file's tree, if every one is there
        self.anchor: Head | None = None
        self.apart: int | None = None  # the size of the tree of a report's receipt whose entry is not in the pack
        self.checks: list[dict[str, str]] = []
        self.not_proven = list(NOT_PROVEN)

    def add(self, outcome: str, detail: str) -> None:
        """Note an outcome of the stage that is being judged."""
        plain = "".join(char if char.isprintable() else "\ufffd" for char in detail)
        self.checks.append({"name": self.stage, "outcome": outcome, "detail": plain})

    def has(self, outcome: str) -> bool:
        """Whether a check ended so."""
        return any(check["outcome"] == outcome for check in self.checks)

    def value(self) -> dict[str, Any]:
        """The object that ``--format json`` prints."""
        integrity = "failed" if self.has("failed") else "ok" if self.head else "unknown"
        key = {"name": self.key.name, "fingerprint": sha256(self.key.der()).hex()} if self.key else None
        covered = self.anchor[0] if self.anchor else 0
        unanchored = max(self.head[0] - covered, 0) if self.head else None
        found = {"kind": self.kind, "integrity": integrity, "completeness": self.completeness, "unanchored": unanchored}
        return {**found, "checks": self.checks, "not_proven": self.not_proven, "key": key, "key_source": self.source}


# Packs (formats, Evidence packs)

SEQ, SHA, SIZE = "([0-9]{9})", "([0-9a-f]{64})", "([1-9][0-9]{0,17})"
SECTIONS = {  # in the order of a pack; in parentheses what tells the members of a section apart
    "manifest": r"manifest\.json()",
    "checkpoint": "checkpoint()",
    "entries": rf"entries/{SEQ}\.json",
    "proofs": rf"proofs/{SEQ}\.tlog-proof",
    "attachments": f"attachments/{SHA}",
    "side": rf"side/{SEQ}\.json",
    "consistency": f"consistency/{SIZE}",
    "timestamps": rf"timestamps/{SIZE}\.tsr",
    "vkey": r"keys/ledger\.vkey()",
    "keys": rf"keys/{SHA}\.pem",
    "report": r"report/(audit\.pdf|audit\.html|receipt\.tlog-proof)",
    "readme": r"readme\.txt()",
    "verifiers": r"verify\.(py|html)",
}
Members = dict[str, dict[str, bytes]]  # by section, and by what tells them apart


def open_container(data: bytes) -> dict[str, bytes]:
    """The members of a ZIP in its canonical spelling: its frame is written again, and every byte of it compared."""
    members: dict[str, bytes] = {}
    at, lines = 0, []
    while data[at : at + 4] == b"PK\x03\x04" and len(data) >= at + 30 and len(members) < 65535:
        size, length = struct.unpack_from("<IH", data, at + 22)
        name, body = data[at + 30 : at + 30 + length], data[at + 30 + length : at + 30 + length + size]
        frame = struct.pack("<5H3I2H", 20, 0, 0, 0, 33, zlib.crc32(body), size, size, length, 0)  # 33 is 1980-01-01
        header = b"PK\x03\x04" + frame + name
        need(data[at : at + 30 + length] == header and len(body) == size, f"the member at byte {at} is not canonical")
        need(re.fullmatch(rb"[a-z0-9._/-]+", name), f"the member at byte {at} has a name that no member may have")
        members[name.decode()] = body
        lines.append(b"PK\x01\x02\x14\x03" + frame + struct.pack("<3H2I", 0, 0, 0, 0o100644 << 16, at) + name)
        at += len(header) + size
    count, directory = len(members), b"".join(lines)  # a name that stands twice makes the count too small
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), at, 0)
    need(count and data[at:] == directory + end, "the container is not in its canonical spelling")
    return members


def in_sections(members: dict[str, bytes]) -> Members:
    """The members by section, if they are those that a pack has, in their order, and none lacks that all packs have."""
    found: Members = {section: {} for section in SECTIONS}
    places = []
    for name, body in members.items():
        for place, section in enumerate(SECTIONS):
            match = re.fullmatch(SECTIONS[section], name)
            if match:
                found[section][match[1]] = body
                places.append((place, len(name), name))
    need(len(places) == len(members), "the pack holds a member that packs do not have")
    need(places == sorted(places), "the members are not in their order")
    need(all(found[name] for name in ("checkpoint", "vkey")), "the pack lacks a member that every pack has")
    return found


def check_entries(pack: Members, head: Head, key: Key) -> dict[int, Entry]:
    """The entries by index: each under the checkpoint, neighbours linked, and entry 0 naming this ledger and key."""
    raws, proofs = pack["entries"], pack["proofs"]
    entries: dict[int, Entry] = {}
    need(raws.keys() == proofs.keys(), "entries and proofs of the pack are not of the same indices")
    for name, raw in raws.items():
        seq = int(name)
        extra, index, path, note = open_receipt(proofs[name])
        need((extra, index, note) == (None, seq, pack["checkpoint"][""]), f"the proof of entry {seq} is another's")
        entry = entries[seq] = open_entry(raw, seq, path, head)
        before = entries.get(seq - 1)
        need(not before or entry.fields["prev"] == before.leaf.hex(), f"entry {seq} does not follow entry {seq - 1}")
        need((entry.fields["kind"] == "ledger") == (seq == 0), "entry 0, and no other, is of kind ledger")
    body = entries[0].fields["body"] if 0 in entries else {"origin": key.name, "checkpoint_key": str(key)}
    said = (body.get("origin"), body.get("checkpoint_key"))
    need(said == (key.name, str(key)), "entry 0 names another origin or another key")
    return entries


def check_parts(pack: Members, entries: dict[int, Entry], withheld: list[Any]) -> None:
    """Attachments, disclosed values and keys are what entries and names say, and ``withheld`` is what is not here."""
    attachments, sides, named, missing = pack["attachments"], dict(pack["side"]), set(), []
    for seq, entry in entries.items():
        side = sides.pop(f"{seq:09d}", None)
        shown = set() if side is None else check_side(side, entry.fields, f"the values of entry {seq}")
        for part, name, line in parts(entry.fields):
            body = attachments.get(line.get("sha256", ""))
            need(body is None or line["size"] == len(body), f"attachment {name} of entry {seq} has another size")
            named.add(line.get("sha256"))
            if body is None and (part, name) not in shown:
                missing.append({"name": name, "seq": seq})
    need(not sides and named >= attachments.keys(), "a value or an attachment belongs to no entry of the pack")
    need(all(sha256(body).hex() == name for name, body in attachments.items()), "an attachment has another digest")
    for name, body in pack["keys"].items():
        pem = re.fullmatch(
            "-----BEGIN PUBLIC KEY-----\n(.+)-----END PUBLIC KEY-----\n", body.decode("ascii", "replace"), re.S
        )
        need(pem and sha256(unbase64(pem[1].replace("\n", ""))).hex() == name, f"keys/{name}.pem is another key")
    need(sorted(map(canonical, withheld)) == sorted(map(canonical, missing)), "withheld is not what the pack lacks")


def references(value: Any) -> Iterator[str]:
    """The leaf hashes of the entries that a value names (records, Every entry)."""
    if isinstance(value, dict) and set(value) == {"seq", "leaf"}:
        yield str(value["leaf"])
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from references(item)


def unheld(start: list[int], entries: dict[int, Entry]) -> list[str]:
    """Leaf hashes that these entries name, or those which they name, and that the pack does not hold."""
    index = {entry.leaf.hex(): seq for seq, entry in entries.items()}
    todo, seen, missing = list(start), set(start), []
    while todo:
        fields = entries[todo.pop()].fields
        for leaf in references([fields["body"], fields.get("supersedes")]):
            if leaf not in index:
                missing.append(leaf)
            elif index[leaf] not in seen:
                seen.add(index[leaf])
                todo.append(index[leaf])
    return missing


def check_sample(said: dict[str, Any], entries: dict[int, Entry], size: int) -> list[int]:
    """What was drawn, if the population is whole and the seed draws just that (formats, Samples)."""
    shaped(said, "the filter", kind=str, until=str, seed=str, drawn=list, first=int, last=int, population=int)
    first, last, until, drawn = said["first"], said["last"], said["until"], said["drawn"]
    start = str(said.get("from"))
    need(TIME.fullmatch(start) and TIME.fullmatch(until), "the filter has a malformed time")
    need(0 <= first <= last + 1 <= size, "the range of the sample is not in the tree")
    around = range(max(first - 1, 0), min(last + 2, size))
    need(all(seq in entries for seq in around), "an entry of the sample's range, or beside it, is not in the pack")
    for seq, entry in entries.items():
        at = entry.fields["recorded_at"]
        need((start <= at < until) == (first <= seq <= last), f"entry {seq} is on the wrong side of the sample's range")
        need(seq != first - 1 or at < start, f"entry {seq}, before the range, was recorded after it")
        need(seq != last + 1 or at >= until, f"entry {seq}, after the range, was recorded before it")
    kind = [seq for seq in range(first, last + 1) if entries[seq].fields["kind"] == said["kind"]]
    need(said["population"] == len(kind), f"the population is {len(kind)} and not {said['population']}")
    kind.sort(key=lambda seq: sha256(said["seed"].encode(), b"\x00", entries[seq].leaf))
    need(drawn == sorted(kind[: len(drawn)]), "the seed draws other entries of the population")
    return kind[: len(drawn)]


def judge_completeness(said: dict[str, Any], entries: dict[int, Entry], head: Head, verdict: Verdict) -> None:
    """Whether anything is missing: nothing at all, nothing that is named, or nothing as far as the ledger states."""
    verdict.stage, start, leaves = "completeness", sorted(entries), [entries[seq].leaf for seq in sorted(entries)]
    if said.get("name") == "sample":
        start = check_sample(said, entries, head[0])
        verdict.add("ok", f"the population, {said['population']} of kind {said['kind']}, is whole; drawn: {len(start)}")
    whole = len(leaves) == head[0]
    need(not whole or root_hash(leaves) == head[1], "the entries do not lead to the root of the checkpoint")
    need(whole or said.get("name") != "all", "not every entry of the tree is in the pack")
    missing = unheld(start, entries)
    verdict.completeness = "proven" if whole else "stated" if 0 in entries and not missing else "partial"
    if whole:
        verdict.whole = leaves
        verdict.add("ok", f"nothing is missing from the entries 0 to {head[0] - 1}")
    else:
        verdict.not_proven.append("That nothing else belongs to what was asked for is stated by the ledger.")
    if missing or 0 not in entries:
        verdict.add("unknown", f"entries that are named are not here: {', '.join(missing) or 'entry 0'}")


def judge_pack(data: bytes, fingerprint: str, verdict: Verdict) -> None:
    """Container, manifest, members, checkpoint, entries, what stands beside them, completeness (formats)."""
    verdict.stage = "container"
    members = open_container(data)
    vkey = members.get("keys/ledger.vkey", b"")
    if verdict.key is None:
        verdict.stage, found = "key", parse_key(vkey.decode(errors="replace")[:-1])
        need(sha256(found.der()).hex() == fingerprint, "the key in the pack has another fingerprint")
        verdict.key, verdict.source = found, "taken from the pack because its fingerprint is the one you gave"
    key, verdict.stage = verdict.key, "manifest"
    manifest = open_manifest(members.get("manifest.json", b""), key)
    held = [{"name": name, "sha256": sha256(body).hex(), "size": len(body)} for name, body in members.items()]
    need(manifest["members"] == held[1:], "the members are not those that the manifest lists")
    pack = in_sections(members)
    need(vkey == f"{key}\n".encode(), "keys/ledger.vkey is another key")
    head = open_checkpoint(pack["checkpoint"][""], key)
    said = (manifest["ledger"], manifest["size"], manifest["root"], manifest["range"], manifest["entries"])
    wanted = (key.name, head[0], head[1].hex(), {"first": 0, "last": head[0] - 1}, len(pack["entries"]))
    need(said == wanted, "the manifest speaks of another ledger, tree, range or number of entries")
    verdict.add("ok", f"the ledger's key covers every byte of {len(members)} members")
    verdict.stage = "entries"
    entries = check_entries(pack, head, key)
    check_parts(pack, entries, manifest["withheld"])
    verdict.add("ok", f"{len(entries)} entries, with what is beside them, stand unaltered in the tree of {head[0]}")
    verdict.head = head
    for size, body in pack["consistency"].items():
        lines = body.decode("ascii", "replace").split("\n")
        need(lines.pop() == "", f"consistency/{size} does not end with a line feed")
        verdict.growths.append((int(size), open_hashes(lines), head))
    judge_completeness(manifest["filter"], entries, head, verdict)
    if pack["timestamps"]:
        verdict.not_proven.append("The time stamps in the pack are covered by the manifest and were not judged.")
    report, verdict.stage = pack["report"], "report"
    if "audit.pdf" in report and "receipt.tlog-proof" in report:
        seq, entry, other = check_report(report["audit.pdf"], report["receipt.tlog-proof"], key)
        need(seq not in entries or entries[seq].leaf == entry.leaf, f"the entry of the receipt is not the pack's {seq}")
        verdict.add("ok", f"entry {seq}, signed by the ledger's key, records this very file")
        verdict.others.append(other)
        verdict.not_proven.append(PDF)
        verdict.apart = None if seq in entries else other[0]
    elif "audit.pdf" in report:
        verdict.add("unknown", "the pack holds a report without its receipt: that the ledger records it is not shown")


# The other files


def check_report(pdf: bytes, receipt: bytes, key: Key) -> tuple[int, Entry, Head]:
    """Index and entry that record this very file, and the head over it (formats, Reports); the PDF is not parsed."""
    raw, seq, path, note = open_receipt(receipt)
    head = open_checkpoint(note, key)
    need(raw is not None, "the receipt of a report carries no entry")
    entry = open_entry(raw or b"", seq, path, head)
    need(entry.fields["kind"] == "report", f"entry {seq} records no report")
    file = shaped(entry.fields["body"].get("file"), "the file of the report's entry", sha256=str, size=int)
    need((file["sha256"], file["size"]) == (sha256(pdf).hex(), len(pdf)), f"entry {seq} records another file")
    check_statement(entry.fields, key)
    return seq, entry, head


def judge_other(data: bytes, receipt: bytes | None, key: Key, verdict: Verdict) -> None:
    """A report by its receipt, a receipt, a checkpoint, or a consistency proof (up to its older checkpoint)."""
    verdict.stage = verdict.kind
    if verdict.kind == "report":
        verdict.not_proven.append(PDF)
        if receipt is None:
            verdict.add("unknown", "no receipt was given: that the ledger records this file is not shown")
            return
        seq, _, verdict.head = check_report(data, receipt, key)
        verdict.add("ok", f"entry {seq}, signed by the ledger's key, records this very file")
    elif verdict.kind == "receipt":
        raw, seq, path, note = open_receipt(data)
        verdict.head = open_checkpoint(note, key)
        if raw is None:
            verdict.add("unknown", f"the receipt carries no entry: which one stands at {seq} is not shown")
            return
        kind = open_entry(raw, seq, path, verdict.head).fields["kind"]
        verdict.add("ok", f"entry {seq} of kind {kind} stands in the tree of {verdict.head[0]}")
    else:
        if verdict.kind == "consistency":
            verdict.growths.append(open_growth(data, key))
        verdict.head = verdict.growths[0][2] if verdict.growths else open_checkpoint(data, key)
        verdict.add("ok", f"the ledger's key signed {verdict.head[0]} entries with the root {verdict.head[1].hex()}")


# Anchors


def judge_anchors(anchors: list[Head], verdict: Verdict, head: Head) -> None:
    """Compare every anchor with the file's head, as far as leaves and consistency proofs link them."""
    verdict.stage, roots = "anchor", {head[0]: head[1]}
    for size, root in [*anchors, *verdict.others, *(new for _, _, new in verdict.growths)]:
        need(roots.setdefault(size, root) == root, f"the key signed two different trees of {size} entries: a fork")
    begins: set[tuple[int, int]] = {(size, size) for size in roots}  # sizes: the second tree begins with the first
    for old, path, new in verdict.growths:
        if old in roots:
            agree = roots_of_growth(old, roots[old], new[0], path) == (roots[old], new[1])
            need(agree, f"it is not shown that the tree of {new[0]} entries begins with that of {old}")
            begins.add((old, new[0]))
    for size in roots:
        if 1 <= size <= len(verdict.whole):
            need(root_hash(verdict.whole[:size]) == roots[size], f"the tree does not begin with that of {size} entries")
            begins.add((size, head[0]))
    known = 0
    while known < len(begins):  # what two trees begin with a third begins with; two beginnings of one tree agree
        known = len(begins)
        begins |= {(a, d) for a, b in begins for c, d in begins if b == c}
        begins |= {(a, c) for a, b in begins for c, d in begins if b == d and a <= c}
    for size, root in anchors:
        what = f"the tree of {size} entries, kept elsewhere, and that of {head[0]}, here"
        if size == 0:
            verdict.add("unknown", "an empty tree, kept elsewhere, shows nothing: every tree begins with it")
        elif (min(size, head[0]), max(size, head[0])) not in begins:
            verdict.add("unknown", f"nothing links {what}")
        else:
            verdict.add("ok", f"{what}, are of one history")
            verdict.anchor = max(verdict.anchor or (size, root), (size, root))
    if verdict.kind == "consistency" and verdict.growths[0][0] not in [size for size, _ in anchors]:
        verdict.add("unknown", f"the older checkpoint, of {verdict.growths[0][0]} entries, was not given as an anchor")
    if verdict.apart is not None and (min(verdict.apart, head[0]), max(verdict.apart, head[0])) not in begins:
        verdict.add("unknown", f"nothing links the receipt's tree of {verdict.apart} entries and the pack's")


# The command line


def read(name: str, limit: int = SMALL_LIMIT) -> bytes:
    """The bytes of a file, unless it is larger than the limit."""
    try:
        with Path(name).open("rb") as source:
            data = source.read(limit + 1)
    except OSError as fault:
        raise Unknown(f"{name}: cannot be read: {fault.strerror}") from fault
    if len(data) > limit:
        raise Unknown(f"{name}: is larger than {limit} bytes, which this verifier does not read")
    return data


def kind_of(data: bytes) -> str:
    """What a file is, by how it begins; what begins like nothing of ours is looked at as a checkpoint."""
    heads = {b"PK": "pack", b"%PDF-": "report", b"c2sp.org/tlog-proof@": "receipt", b"old ": "consistency"}
    return next((kind for head, kind in heads.items() if data.startswith(head)), "checkpoint")


def given_key(said: str, verdict: Verdict) -> str:
    """Take the key that was given into the verdict; where it is a fingerprint, return that."""
    if HEX.fullmatch(said):
        if verdict.kind != "pack":
            raise Unknown("a fingerprint is no key, and only a pack brings its key along: give the verifier key")
        return said
    verdict.source = "given by you"
    if not re.fullmatch(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", said):
        verdict.source, said = f"given by you, in {said}", read(said).decode(errors="replace").rstrip("\n")
    try:
        verdict.key = parse_key(said)
    except (Refused, ValueError) as fault:
        raise Unknown(f"the key that was given is none: {fault}") from fault
    return ""


def judge(options: argparse.Namespace, verdict: Verdict, data: bytes) -> None:
    """Everything that was asked, in the order in which each step rests on those before."""
    if options.key is None:
        raise Unknown("no key was given, and a file does not vouch for itself: add --key, from a source that you trust")
    fingerprint = given_key(options.key, verdict)
    if verdict.kind == "pack":
        judge_pack(data, fingerprint, verdict)
    key = verdict.key
    if key is None:
        return
    if verdict.kind != "pack":
        beside = options.receipt or options.file + ".tlog-proof"
        wanted = options.receipt or (verdict.kind == "report" and Path(beside).exists())
        judge_other(data, read(beside) if wanted else None, key, verdict)
    verdict.stage = "consistency"
    verdict.growths += [open_growth(read(name), key) for name in options.consistency]
    verdict.stage, anchors = "anchor", []
    for name in options.anchor:
        try:
            anchors.append(open_checkpoint(read(name), key))
        except (Refused, ValueError) as fault:
            verdict.add("unknown", f"{name}: does not hold under this key, so it cannot be compared: {fault}")
    if verdict.head:
        judge_anchors(anchors, verdict, verdict.head)
    if options.require_anchor and not verdict.anchor:
        verdict.add("unknown", "an anchor is required, and none was compared and agrees")
    if verdict.head and verdict.value()["unanchored"]:
        first = min(verdict.anchor[0] if verdict.anchor else 0, verdict.head[0])
        verdict.not_proven.append(
            f"Entries {first} to {verdict.head[0] - 1} rest on the ledger's key alone: whoever holds it could have made"
            " them anew, or show others to others. No checkpoint from elsewhere that was compared covers them."
        )


def show(verdict: Verdict) -> None:
    """The verdict for people, the key first."""
    found = verdict.value()
    key = found["key"] or {"name": "not known", "fingerprint": "not known"}
    print(f"key           {key['name']}\nfingerprint   {key['fingerprint']}\nkey from      {verdict.source}\n")
    for check in verdict.checks:
        print(f"{check['outcome']:7}  {check['name']}: {check['detail']}")
    print(f"\nintegrity     {found['integrity']}\ncompleteness  {found['completeness']}")
    print(f"anchor        {f'of {verdict.anchor[0]} entries' if verdict.anchor else 'none'}")
    print(
        f"un-anchored   {found['unanchored']} of {verdict.head[0]} entries"
        if verdict.head
        else "un-anchored   not known"
    )
    print("\nNot proven by this:", *verdict.not_proven, sep="\n  - ")


def main(words: list[str] | None = None) -> int:
    """Judge, print and return the exit code."""
    about = "Verify what a tallystick ledger handed out."
    parser = argparse.ArgumentParser(prog="verify.py", description=about, allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", help="pack, report (PDF), receipt, checkpoint or consistency proof")
    parser.add_argument("--key", help="verifier key, a file that holds one, or the fingerprint of the key in a pack")
    parser.add_argument("--anchor", action="append", default=[], metavar="FILE", help="a checkpoint that you kept")
    parser.add_argument("--consistency", action="append", default=[], metavar="FILE", help="a proof that links it")
    parser.add_argument("--receipt", metavar="FILE", help="the receipt of a report; else FILE.tlog-proof")
    parser.add_argument("--require-anchor", action="store_true", help="no yes without an anchor that agrees")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    options, verdict = parser.parse_args(words), Verdict("checkpoint")
    if options.consistency and not options.anchor:
        parser.error("a consistency proof links a file to a checkpoint that was kept: add --anchor FILE")
    try:
        data = read(options.file, FILE_LIMIT)
        verdict.kind = kind_of(data)
        judge(options, verdict, data)
    except (Unknown, OSError, MemoryError) as reason:
        verdict.add("unknown", str(reason) or "not enough memory")
    except Refused as reason:
        verdict.completeness = "failed" if verdict.kind == "pack" and not verdict.head else verdict.completeness
        verdict.add("failed", str(reason))
    except Exception as fault:  # whatever a hostile file causes is a no, never a traceback
        verdict.add("failed", f"the file is malformed: {type(fault).__name__}")
    if options.format == "json":
        print(json.dumps(verdict.value(), indent=2))
    else:
        show(verdict)
    return 1 if verdict.has("failed") else 3 if verdict.has("unknown") else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # where a terminal lacks a letter
    sys.exit(main())

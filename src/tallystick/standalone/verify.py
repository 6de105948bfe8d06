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
import re
import struct
import subprocess
import sys
import tempfile
import textwrap
import unicodedata
import zlib
from collections import defaultdict, namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

KINDS = {b"PK": "pack", b"%PDF-": "report", b"c2sp.org/tlog-proof@": "receipt", b"old ": "consistency"}
FILE_LIMIT, MANIFEST_LIMIT, SMALL_LIMIT, ENTRY_LIMIT = 1 << 30, 1 << 26, 1 << 20, 65535  # bytes
NAME, NUMBER, HASH = r"[^\s+\x00-\x1f]+", "(0|[1-9][0-9]{0,15})", "([A-Za-z0-9+/]{43}=)"
HASHES, NOTE = "((?:[A-Za-z0-9+/]{43}=\n){0,63})", "\n((?s:.+))"
DIGEST, DATE = re.compile("[0-9a-f]{64}"), "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
TIME = re.compile(DATE + r"T([01][0-9]|2[0-3])(:[0-5][0-9]){2}\.[0-9]{6}Z")
SEED = re.compile("[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}")
TYPES = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}

Key = namedtuple("Key", "line name id der fingerprint source")  # der: SubjectPublicKeyInfo (RFC 8410, section 4)
Head = namedtuple("Head", "size root")  # what a signed checkpoint says: so many entries have this root
Growth = namedtuple("Growth", "old path head")  # a consistency proof, from an old size to a head
Entry = namedtuple("Entry", "leaf fields parts")  # parts: each line about an attachment or personal value, and which


class Refused(ValueError):
    """The answer is no."""


class Unknown(Exception):
    """It cannot be found out."""


def need(condition: object, complaint: str, otherwise: type[Exception] = Refused) -> None:
    """Refuse, or raise what else, with the complaint, unless the condition holds."""
    if not condition:
        raise otherwise(complaint)


def match(form: str, data: bytes, complaint: str, limit: int = SMALL_LIMIT) -> tuple[Any, ...]:
    """The groups of a text in UTF-8 that as a whole has this form."""
    try:
        found = re.fullmatch(form, data.decode()) if len(data) <= limit else None
    except UnicodeDecodeError:
        raise Refused(f"{complaint}: it is not UTF-8") from None
    need(found, complaint)
    return found.groups() if found else ()


def unbase64(text: str, *, url: bool = False) -> bytes:
    """The bytes of base64 with padding, in its one spelling; of the URL-safe alphabet too, if that is said."""
    text = text.translate({45: "+", 95: "/"}) if url and not {*"+/"} & {*text} else text
    good = re.fullmatch("[A-Za-z0-9+/]*={0,2}", text) and len(text) % 4 == 0
    data = base64.b64decode(text) if good else b""
    need(base64.b64encode(data).decode() == text, "what should be base64 is not, or not in its one spelling")
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
        need(abs(value) <= sys.float_info.max, "a number is not finite")
        plain = value == 0 or 1e-6 <= abs(value) < 1e21
        return format(Decimal(repr(value or 0.0)).normalize(), "f" if plain else "e")
    need(not isinstance(value, int) or abs(value) < 2**53, "an integer is out of range")
    need(not isinstance(value, str) or unicodedata.is_normalized("NFC", value), "text is not in normal form C")
    return json.dumps(value, ensure_ascii=False)


def read_json(data: bytes, what: str, *, exact: bool = True) -> Any:
    """The value of strict JSON; with ``exact`` the bytes must be the canonical ones."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), "a key stands twice in an object")
        return dict(pairs)

    try:  # 18 digits are beyond the range already, and a longer integer costs time
        value = json.loads(data.decode(), object_pairs_hook=unique, parse_int=lambda digits: int(digits[:18]))
        again = canonical(value).encode()
    except (ValueError, RecursionError) as fault:
        raise Refused(f"{what} is not strict JSON: {fault}") from fault
    need(again == data or not exact, f"{what} is not canonical JSON")
    return value


def shape(value: Any, form: Any, what: str, *, only: bool = False) -> Any:
    """The value, if it has this form; with ``only``, objects have no other fields.

    A form is a type, a pattern of text, [the form of each item], {name: form of the field}, or the value it must be.
    """
    if isinstance(form, dict):
        missing = form.keys() - shape(value, dict, what).keys()
        need(not missing, f"{what} lacks {', '.join(sorted(missing))}")
        need(len(value) == len(form) or not only, f"{what} has a field too many")
        for name, inner in form.items():
            shape(value[name], inner, f"{name} in {what}", only=only)
    elif isinstance(form, list):
        for item in shape(value, list, what):
            shape(item, form[0], what, only=only)
    elif isinstance(form, re.Pattern):
        need(form.fullmatch(shape(value, str, what)), f"{what} is malformed")
    else:
        same = type(value) is form if isinstance(form, type) else (type(value), value) == (type(form), form)
        need(same, f"{what} is not {TYPES.get(form, form)}")
    return value


# Ed25519, under which checkpoints, manifests and the ledger's statements are signed (formats, Checkpoints)
def parse_key(line: str, source: str = "") -> Key:
    """The key of a line; no point of the curve, another encoding (RFC 8032, 5.1.3) and small order are refused."""
    form = rf"({NAME})\+([0-9a-f]{{8}})\+(\S+)"
    name, id, rest = match(form, line.encode(), "a verifier key is <name>+<key id>+<base64>")
    blob, p = unbase64(rest), 2**255 - 19
    need(len(blob) == 33 and blob[0] == 1, "a verifier key holds 0x01 and 32 bytes")
    need(sha256(f"{name}\n".encode() + blob).hexdigest()[:8] == id, "the verifier key has another id than its own")
    y = int.from_bytes(blob[1:], "little") & (2**255 - 1)
    square = (y * y - 1) * pow(-121665 * pow(121666, -1, p) * y * y + 1, -1, p)  # of x, on -x^2 + y^2 = 1 + d x^2 y^2
    need(pow(square, (p - 1) // 2, p) in (0, 1), "the key is no point of the curve")
    eighth = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
    need(y < p and y not in (0, 1, p - 1, eighth, p - eighth), "the key is not canonical, or of small order")
    der = bytes.fromhex("302a300506032b6570032100") + blob[1:]
    return Key(line, name, bytes.fromhex(id), der, sha256(der).hexdigest(), source)


def signed(key: Key, message: bytes, signature: bytes, kind: str = "") -> bool:
    """Whether the signature is the key's (RFC 8032, 5.1.7); with a kind, in a DSSE envelope of such a payload."""
    words = "openssl pkeyutl -verify -pubin -keyform DER -rawin -inkey key -in message -sigfile signature"
    whole = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(message), message) if kind else message
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("key", key.der), ("message", whole), ("signature", signature)):
            Path(folder, name).write_bytes(data)
        done = subprocess.run(words.split(), cwd=folder, capture_output=True, check=False)
    if done.returncode and b"Signature Verification Failure" not in done.stdout + done.stderr and len(signature) == 64:
        raise Unknown(f"openssl cannot verify Ed25519 signatures: {done.stderr[:200].decode(errors='replace')}")
    return done.returncode == 0


# The tree (RFC 6962, section 2.1)
def root_of(leaves: list[bytes]) -> bytes:
    """The root of at least one leaf (MTH): on the left stands the largest power of two below their number."""
    left = 1 << (len(leaves) - 1).bit_length() >> 1
    return sha256(b"\x01" + root_of(leaves[:left]) + root_of(leaves[left:])).digest() if left else leaves[0]


def roots(old: int, size: int, path: list[bytes], start: bytes | None, *, leaf: bool = False) -> tuple[bytes, bytes]:
    """The roots of the first ``old`` and of all ``size`` leaves to which PATH, or else SUBPROOF, leads.

    PATH starts from the last of the ``old`` leaves; SUBPROOF from the old root, or, where that is not known, with None.
    """
    need(1 <= old <= size, f"the place {old} is not in a tree of {size} entries")
    end = size == 1 if leaf else old == size
    need(len(path) == (start is None) if end else path, "a proof has another length than its place asks for")
    if end:
        return (path[0], path[0]) if start is None else (start, start)
    left, last = 1 << (size - 1).bit_length() >> 1, path[-1]
    if old <= left:
        older, newer = roots(old, left, path[:-1], start, leaf=leaf)
        return older, sha256(b"\x01" + newer + last).digest()
    older, newer = roots(old - left, size - left, path[:-1], start if leaf else None, leaf=leaf)
    return sha256(b"\x01" + last + older).digest(), sha256(b"\x01" + last + newer).digest()


# Checkpoints, receipts and consistency proofs (formats, under these names)
def open_checkpoint(data: bytes, key: Key) -> Head:
    """The head of a checkpoint that the key signed (C2SP signed-note and tlog-checkpoint)."""
    form = rf"(({NAME})\n{NUMBER}\n{HASH}\n)\n((?:\u2014 {NAME} \S+\n){{1,100}})"
    said, origin, size, root, lines = match(form, data, "it is no checkpoint of three lines and 1 to 100 signatures")
    signatures = [(line.split(" ")[1], unbase64(line.split(" ")[2])) for line in lines.splitlines()]
    need(all(len(blob) > 4 for _, blob in signatures), "a signature of the checkpoint is too short")
    ours = [blob[4:] for name, blob in signatures if (name, blob[:4]) == (key.name, key.id)]  # others are passed over
    need(ours and origin == key.name, "the key that was given did not sign the checkpoint")
    need(all(signed(key, said.encode(), blob) for blob in ours), "the signature of the checkpoint does not hold")
    need(int(size) < 2**53, "the checkpoint has a size out of range")
    need(size != "0" or unbase64(root) == sha256().digest(), "the root is not that of the empty tree")
    return Head(int(size), unbase64(root))


def open_receipt(data: bytes) -> tuple[bytes | None, int, list[bytes], bytes]:
    """Entry if it is there, index, path and signed checkpoint of a C2SP tlog-proof."""
    form = rf"c2sp\.org/tlog-proof@v1\n(?:extra (\S*)\n)?index {NUMBER}\n{HASHES}{NOTE}"
    entry, index, path, note = match(form, data, "it is no proof of an index, at most 63 hashes and a checkpoint")
    return None if entry is None else unbase64(entry), int(index), [*map(unbase64, path.split())], note.encode()


def open_growth(data: bytes, key: Key) -> Growth:
    """A consistency proof whose newer checkpoint holds (C2SP tlog-witness)."""
    form = rf"old {NUMBER}\n{HASHES}{NOTE}"
    old, path, note = match(form, data, "it is no consistency proof of a size, at most 63 hashes and a checkpoint")
    growth = Growth(int(old), [*map(unbase64, path.split())], open_checkpoint(note.encode(), key))
    roots(growth.old, growth.head.size, growth.path, bytes(32))  # the sizes alone say how many hashes there must be
    return growth


# Entries (records, Every entry), and what stands beside them
ALWAYS = {"kind": str, "recorded_at": TIME, "claimed_at": TIME, "actor": str, "basis": str, "subject": [dict]}
PARTS = {"attachments": [{"name": str, "mediaType": str, "size": int}], "personal": [{"name": str, "hmac_sha256": str}]}
SIDE = {"attachments": [{"name": str, "salt": str, "data": str}], "personal": [{"name": str, "salt": str, "text": str}]}


def references(value: Any) -> Iterator[Any]:
    """Each mention of an entry in a value."""
    if isinstance(value, dict) and value.keys() == {"seq", "leaf"}:
        if type(value["seq"]) is int and value["seq"] >= 0 and DIGEST.fullmatch(str(value["leaf"])):
            yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from references(item)


def open_entry(raw: bytes, seq: int, path: list[bytes], head: Head, key: Key) -> Entry:
    """The entry of these bytes, which stands at this index under the head."""
    leaf, what = sha256(b"\x00" + raw).digest(), f"entry {seq}"
    need(roots(seq + 1, head.size, path, leaf, leaf=True)[1] == head.root, f"{what} is not in the checkpoint's tree")
    need(len(raw) <= ENTRY_LIMIT, f"{what} is larger than {ENTRY_LIMIT} bytes")
    fields = shape(read_json(raw, what), {"v": int}, what)
    need(fields["v"] <= 1, f"{what} has format version {fields['v']}, which this verifier does not know", Unknown)
    optional = {**PARTS, "statement": dict, "idempotency_key": str}
    genesis = {"origin": key.name, "checkpoint_key": key.line}
    form = {**ALWAYS, "v": 1, "seq": seq, "prev": DIGEST if seq else "0" * 64, "body": dict if seq else genesis}
    form.update((name, one) for name, one in optional.items() if name in fields)
    shape(fields, form, what)
    need((fields["kind"] == "ledger") == (seq == 0), f"{what}: the first entry, and no other, begins the ledger")
    older = [fields["supersedes"]] if "supersedes" in fields else []
    need(older == [*references(older)], f"{what} supersedes what is no entry")
    parts = [(part, line) for part in PARTS for line in fields.get(part, [])]
    for part, line in parts:
        digests = [line[name] for name in ("sha256", "hmac_sha256") if name in line]
        shape(digests, [DIGEST], f"the digest of {line['name']} in {what}")
        good = len(digests) == 1 and (part == "personal" or line["size"] >= 0)
        good = good and not (part == "personal" and "sha256" in line)
        need(good, f"{what} gives {line['name']} a size below zero, or not just one digest of its kind")
    need(len({line["name"] for _, line in parts}) == len(parts), f"{what} names two parts alike")
    return Entry(leaf, fields, parts)


def disclosed(data: bytes, entry: Entry, what: str) -> list[tuple[str, str]]:
    """The values in a member of ``side/``, each one that the entry committed to (formats, Side values)."""
    found, value = [], shape(read_json(data, what), SIDE, what, only=True)
    for part, item in [(of, item) for of in SIDE for item in value[of]]:
        name, salt = item["name"], unbase64(item["salt"])
        known = unbase64(item["data"]) if part == "attachments" else canonical(item["text"]).encode()
        commitment = hmac.new(salt, name.encode() + b"\x00" + known, "sha256").hexdigest()
        told = part, name, commitment, len(known) if part == "attachments" else None
        lines = [(of, line["name"], line.get("hmac_sha256"), line.get("size")) for of, line in entry.parts]
        need(len(salt) == 32 and told in lines, f"{what}: {name} is not what the entry committed to")
        found.append((part, name))
    need(found and len(found) == len(set(found)), f"{what} are none, or one stands there twice")
    return found


def check_statement(fields: dict[str, Any], key: Key) -> None:
    """Refuse unless the key signed a statement that binds the entry's content to this ledger (formats, Statements)."""
    what, kind = f"the statement of entry {fields['seq']}", "application/vnd.in-toto+json"
    form = {"payload": str, "payloadType": kind, "signatures": [{"sig": str}]}
    envelope = shape(fields.get("statement"), form, what)
    texts = [item["sig"] for item in envelope["signatures"][:100]]
    payload, *signatures = (unbase64(text, url=True) for text in (envelope["payload"], *texts))
    need(any(signed(key, payload, one, kind) for one in signatures), f"the key did not sign {what}")
    outside = ("seq", "prev", "recorded_at", "claimed_at", "statement", "idempotency_key")
    content = canonical({name: value for name, value in fields.items() if name not in outside})
    digest = {"sha256": sha256(content.encode()).hexdigest()}
    binding = {"ledger": key.name, "kind": fields["kind"], "signer": fields["actor"], "content": digest}
    form = {"_type": "https://in-toto.io/Statement/v1", "predicateType": f"urn:x-tallystick:{fields['kind']}:v1"}
    said = shape(read_json(payload, what, exact=False), {**form, "predicate": {"tallystick": binding}}, what)
    subject = fields["subject"] or [{"name": "content", "digest": digest}]
    need(said.get("subject") == subject, f"{what} is about another subject")


# Packs (formats, Evidence packs): their sections in order, and the filter of a sample
SECTIONS = re.compile(
    r"(manifest\.json)|(checkpoint)|(entries/[0-9]{9}\.json)|(proofs/[0-9]{9}\.tlog-proof)|(attachments/[0-9a-f]{64})"
    r"|(side/[0-9]{9}\.json)|(consistency/[1-9][0-9]{0,15})|(timestamps/[1-9][0-9]{0,15}\.tsr)|(keys/ledger\.vkey)"
    r"|(keys/[0-9a-f]{64}\.pem)|(report/(?:audit\.pdf|receipt\.tlog-proof))"
    r"|(readme\.txt)|(verify\.(?:py|html))"
)
SAMPLE = {"name": str, "kind": str, "from": TIME, "until": TIME, "seed": SEED, "first": int, "last": int}
SAMPLE |= {"population": int, "drawn": [int], "told": [int]}


def open_container(data: bytes) -> dict[str, bytes]:
    """The members of a ZIP in its one spelling: its frame is written again, and every byte of it compared."""
    members: dict[str, bytes] = {}
    at, lines = 0, []
    while data.startswith(b"PK\x03\x04", at) and len(data) >= at + 30 and len(members) < 65535:
        size, length = struct.unpack_from("<IH", data, at + 22)
        name, body = data[at + 30 : at + 30 + length], data[at + 30 + length : at + 30 + length + size]
        frame = struct.pack("<5H3I2H", 20, 0, 0, 0, 33, zlib.crc32(body), size, size, length, 0)  # 33 is 1980-01-01
        good = data.startswith(b"PK\x03\x04" + frame + name, at) and len(body) == size and name.isascii()
        need(good, f"the container was cut, or altered: the member at byte {at}")
        members[name.decode()] = body
        lines.append(b"PK\x01\x02\x14\x03" + frame + struct.pack("<3H2I", 0, 0, 0, 0o100644 << 16, at) + name)
        at += 30 + length + size
    count, directory = len(members), b"".join(lines)  # a name that stands twice makes the count too small
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), at, 0)
    need(data[at:] == directory + end, "the container was cut, or altered: after the last member")
    return members


class Pack:
    """What a pack holds, if all of it is in order."""

    def __init__(self, members: dict[str, bytes], key: Key) -> None:
        self.members, self.key = members, key
        self.parts: dict[str, dict[str, bytes]] = defaultdict(dict)  # by folder, and by name up to the dot
        self.entries: dict[int, Entry] = {}
        self.check_manifest(members, key)
        self.check_entries()
        self.check_parts()

    def check_manifest(self, members: dict[str, bytes], key: Key) -> None:
        """The key signed it, it speaks of all other members, and these are those that a pack has, in their order."""
        what, kind = "the manifest", "application/vnd.tallystick.manifest+json"
        form = r'\{"payload":"([^"\\]*)","payloadType":"%s","signatures":\[\{"keyid":"%s","sig":"([^"\\]*)"\}\]\}'
        form %= re.escape(kind), key.fingerprint
        data, complaint = members.get("manifest.json", b""), f"{what} is no envelope with one signature, by the key"
        payload, signature = map(unbase64, match(form, data, complaint, MANIFEST_LIMIT))
        need(signed(key, payload, signature, kind), f"the signature of {what} does not hold")
        self.manifest = shape(read_json(payload, what), {"format": str}, what)
        newer = re.fullmatch(r"tallystick-pack/v([2-9]|[1-9][0-9]+)", self.manifest["format"])
        need(not newer, f"the pack has the format {self.manifest['format']}, which is unknown here", Unknown)
        shape(self.manifest, {"filter": {"name": str}, "made_at": str, "withheld": list}, what)
        places = []
        for name, body in members.items():
            section, (folder, _, rest) = SECTIONS.fullmatch(name), name.rpartition("/")
            need(section, f"{name} is no member of a pack")
            places.append((section.lastindex if section else None, len(name), name))
            self.parts[folder][rest.split(".")[0]] = body
        need(places == sorted(places), "the members are not in their order")
        self.head = head = open_checkpoint(members.get("checkpoint", b""), key)
        held = [{"name": name, "sha256": sha256(body).hexdigest(), "size": len(body)} for name, body in members.items()]
        wanted = {"format": "tallystick-pack/v1", "ledger": key.name, "size": head.size, "root": head.root.hex()}
        wanted |= {"range": {"first": 0, "last": head.size - 1}, "entries": len(self.parts["entries"])}
        wanted |= {name: self.manifest[name] for name in ("filter", "made_at", "withheld")} | {"members": held[1:]}
        need(canonical(self.manifest) == canonical(wanted), f"{what} is about another ledger, tree or members")
        need(members.get("keys/ledger.vkey") == f"{key.line}\n".encode(), "keys/ledger.vkey is another key, or missing")

    def check_entries(self) -> None:
        """Each is under the checkpoint, by a proof of its own, and neighbours are linked."""
        raws, proofs, newer = self.parts["entries"], self.parts["proofs"], []
        need(raws and raws.keys() == proofs.keys(), "the pack has no entry, or an entry or proof stands alone")
        for name, raw in raws.items():
            seq, (extra, index, path, note) = int(name), open_receipt(proofs[name])
            need((extra, index, note) == (None, seq, self.members["checkpoint"]), f"entry {seq} has another's proof")
            try:
                entry = self.entries[seq] = open_entry(raw, seq, path, self.head, self.key)
            except Unknown as reason:  # what does not hold in others outweighs it
                newer.append(str(reason))
                continue
            before = self.entries.get(seq - 1)
            need(not before or entry.fields["prev"] == before.leaf.hex(), f"entry {seq} does not follow the one before")
        need(not newer, "; ".join(newer), Unknown)

    def check_parts(self) -> None:
        """Attachments, disclosed values and keys are what entries and names say, and what is not here is withheld."""
        attachments, sides, named, missing = self.parts["attachments"], {**self.parts["side"]}, set(), []
        for seq, entry in self.entries.items():
            side = sides.pop(f"{seq:09d}", None)
            shown = [] if side is None else disclosed(side, entry, f"the values of entry {seq}")
            for part, line in entry.parts:
                body = attachments.get(line.get("sha256", ""))
                need(body is None or line["size"] == len(body), f"an attachment of entry {seq} has another size")
                named.add(line.get("sha256"))
                if body is None and (part, line["name"]) not in shown:
                    missing.append({"name": line["name"], "seq": seq})
        need(not sides and named >= attachments.keys(), "a value or an attachment belongs to no entry of the pack")
        for name, body in attachments.items():
            need(sha256(body).hexdigest() == name, "an attachment has another digest")
        for name in self.parts["keys"].keys() - {"ledger"}:
            what, line = f"keys/{name}.pem", "[A-Za-z0-9+/=]"
            form = f"-----BEGIN PUBLIC KEY-----\n((?:{line}{{64}}\n)*{line}{{1,64}}\n)-----END PUBLIC KEY-----\n"
            (lines,) = match(form, self.parts["keys"][name], f"{what} is no key")
            need(sha256(unbase64(lines.replace("\n", ""))).hexdigest() == name, f"{what} is another key")
        need(canonical(self.manifest["withheld"]) == canonical(missing), "withheld is not what the pack lacks")

    def story_of(self, start: set[int]) -> tuple[set[int], list[str]]:
        """These entries and all that they mention, and again what those do; and what of that is not in the pack."""
        index, story, missing = {(seq, entry.leaf.hex()) for seq, entry in self.entries.items()}, {*start}, []
        for seq in sorted(self.entries, reverse=True):  # an entry can mention earlier ones only: it holds their hashes
            fields = self.entries[seq].fields if seq in story else {}
            for other in references([fields.get("body"), fields.get("supersedes")]):
                if (other["seq"], other["leaf"]) in index:
                    story.add(other["seq"])
                else:
                    missing.append(f"entry {other['seq']}, named by entry {seq}")
        return story, missing

    def gaps(self, story: set[int]) -> list[str]:
        """What is wrong with the numbers of the story's evaluations: those of a use case count from 1."""
        told, wrong = set(), []
        numbers: dict[str, set[int]] = defaultdict(set)
        for seq, (_, fields, _) in self.entries.items():
            if fields["kind"] == "evaluation":
                usecase, attempt = fields["body"].get("usecase"), fields["body"].get("attempt")
                if isinstance(usecase, dict) and usecase.keys() == {"absent"}:
                    continue  # it is of no series
                series = [canonical(one) for one in references(usecase)]
                number = attempt.get("usecase") if isinstance(attempt, dict) and len(series) == 1 else None
                if type(number) is int and number > 0 and number not in numbers[series[0]]:
                    numbers[series[0]].add(number)
                elif seq in story:
                    wrong.append(f"a number of its own for evaluation {seq}")
                told.update(series[:1] if seq in story else [])
        lacks = [max(numbers[usecase], default=0) - len(numbers[usecase]) for usecase in told]
        return wrong + [f"{lack} evaluations of one use case" for lack in lacks if lack]

    def outdates(self, seq: int, report: Entry) -> bool:
        """Whether a later entry records a report on the same model."""
        later = [one for number, one in self.entries.items() if number > seq and one.fields["kind"] == "report"]
        scopes = [one.fields["body"].get("scope") for one in (report, *later)]
        model, *others = (scope.get("model") if isinstance(scope, dict) else None for scope in scopes)
        return model is not None and model in others

    def sample_told(self) -> str:
        """What an auditor compares with their own words."""
        said = self.manifest["filter"]
        told = f"{said['population']} of kind {said['kind']} from {said['from']} to before {said['until']}"
        return f"all {told} are here; {len(said['drawn'])} of them drawn by the seed {said['seed']!r}"

    def sample_start(self) -> set[int]:
        """Where the story of a sample begins, if the population is whole and the seed draws that (formats, Samples)."""
        said, entries = shape(self.manifest["filter"], SAMPLE, "the filter", only=True), self.entries
        since, until, first, last, seed = (said[name] for name in ("from", "until", "first", "last", "seed"))
        need(said["drawn"], "nothing was drawn")
        times = {seq: fields["recorded_at"] for seq, (_, fields, _) in entries.items()}
        of_time = [seq for seq in times if since <= times[seq] < until]
        need((of_time[:1], of_time[-1:]) == ([first], [last]), "the first or last entry of the time is another one")
        around = range(max(first - 1, 0), min(last + 2, self.head.size))
        need(entries.keys() >= {*around}, "an entry of the sample's range, or beside it, is not in the pack")
        need(all(times[seq] < since for seq in around if seq < first), "the entry before the range is not of before")
        need(all(times[seq] >= until for seq in around if seq > last), "the entry after the range is not of after")
        population = [seq for seq in of_time if entries[seq].fields["kind"] == said["kind"]]
        need(said["population"] == len(population), f"the population is {len(population)}, not {said['population']}")
        population.sort(key=lambda seq: sha256(seed.encode() + b"\x00" + entries[seq].leaf).digest())
        need(said["drawn"] == sorted(population[: len(said["drawn"])]), "the seed draws other entries")
        need(said["told"] == sorted({*said["told"]} & {*around}), "told is not ascending, or outside the range")
        core = {seq for seq in entries if entries[seq].fields["kind"] in ("ledger", "key", "role", "policy")}
        return {*said["drawn"], *said["told"], *core, *(entries.keys() - {*around})}


# The verdict
NOT_PROVEN = [
    "Whether what was recorded is true is not shown. What was never recorded is invisible.",
    "Not judged: who was entitled to sign, the rules of promotion, time stamps, and what is inside a PDF.",
    "What is complete as stated is so by the ledger's word; entries that no checkpoint from elsewhere covers"
    " (unanchored) rest on its key alone: whoever holds it could have made them anew, or show others to others.",
]
OUTCOMES = {"ok": "ok", "failed": "FAILED", "unknown": "open"}
MEANINGS = {
    "ok": "what is here is what the ledger's key signed, unaltered and in its place",
    "failed": "something does not hold: rely on nothing in this file",
    "unknown": "nothing was found out",
    "proven": "every entry of the ledger up to this head is here",
    "stated": "the ledger signed that nothing else belongs here, which is its word and no proof",
    "partial": "something that belongs here is missing",
    "not asked": "that is asked of packs alone, and once they are known to be unaltered",
    0: "everything that was asked holds",
    1: "something does not hold, see FAILED above",
    3: "nothing is known to be wrong, but something could not be found out",
}


def printable(text: str) -> str:
    """The text with all but printable ASCII escaped: what a file says may be meant to fool a terminal."""
    return "".join(char if " " <= char <= "~" else ascii(char)[1:-1] for char in text)


class Verdict:
    """What was found out so far, check by check."""

    def __init__(self) -> None:
        self.kind, self.completeness, self.anchored = "checkpoint", "", 0
        self.key: Key | None = None
        self.head: Head | None = None
        self.leaves: list[bytes] = []  # of the file's tree, if every one is there
        self.growths: list[Growth] = []
        self.seen: list[Head] = []  # other heads that the key signed
        self.wanted: set[int] = set()  # sizes of trees that have to be one history with the file's
        self.older: set[int] = set()  # and of one that only an anchor can show
        self.checks: list[dict[str, str]] = []

    def add(self, name: str, outcome: str, detail: str) -> None:
        self.checks.append({"name": name, "outcome": outcome, "detail": printable(detail)[:400]})

    def add_open(self, name: str, missing: list[str], good: str) -> None:
        self.add(name, *("unknown", f"not here: {', '.join(missing)}") if missing else ("ok", good))

    @contextmanager
    def step(self, name: str, file: str = "", no: str = "failed") -> Iterator[None]:
        """Note why a step could not be taken: whatever a hostile file causes is a no, never a traceback."""
        try:
            yield
        except Refused as reason:
            self.add(name, no, f"{file}{reason}")
        except OSError as fault:  # of openssl too
            self.add(name, "unknown", f"{fault.filename} cannot be opened or started: {fault.strerror}")
        except (Unknown, MemoryError) as reason:
            self.add(name, "unknown", f"{file}{reason}" if str(reason) else "there is not enough memory")
        except Exception as fault:
            self.add(name, no, f"{file}malformed in a way that this program did not foresee: {type(fault).__name__}")

    def judge_pack(self, members: dict[str, bytes], key: Key) -> None:
        """Everything in a pack (formats, Evidence packs)."""
        pack = Pack(members, key)
        self.head, entries, filter = pack.head, pack.entries, pack.manifest["filter"]["name"]
        sizes = [int(size) for folder in ("consistency", "timestamps") for size in pack.parts[folder]]
        need(max(sizes, default=0) < 2**53, "the name of a member has a size out of range")
        self.add("pack", "ok", f"the key covers {len(members)} members, {len(entries)} entries of {pack.head.size}")
        for size, body in pack.parts["consistency"].items():
            (lines,) = match(HASHES, body, f"consistency/{size} is not at most 63 hashes")
            self.growths.append(Growth(int(size), [*map(unbase64, lines.split())], pack.head))
        with self.step("completeness"):
            whole = len(entries) == pack.head.size  # and as each has its place under the root, all lead to that
            need(whole or filter != "all", "not every entry of the tree is in the pack")
            story, missing = pack.story_of(pack.sample_start() if filter == "sample" else {*entries})
            if filter == "sample":
                self.add("sample", "ok", pack.sample_told())
            missing += [] if 0 in entries else ["entry 0, where the ledger begins"]
            self.leaves = [entry.leaf for entry in entries.values()] if whole else []
            gaps = pack.gaps(story)
            self.completeness = "proven" if whole else "partial" if missing or gaps else "stated"
            self.add_open("completeness", missing, "every entry that another one names is here")
            self.add_open("evaluations", gaps, "recorded evaluations are numbered without a gap")
        need("report/audit.pdf" in members or "report/receipt.tlog-proof" not in members, "a receipt has no report")
        if "report/audit.pdf" in members:
            pdf, receipt = members["report/audit.pdf"], members.get("report/receipt.tlog-proof")
            seq, entry, other = self.judge_report(pdf, receipt, key)
            need(entries.get(seq, entry).leaf == entry.leaf, f"the pack has another entry {seq}")
            need(
                not pack.outdates(seq, entry), f"the pack records a newer report on the model than that of entry {seq}"
            )
            self.seen.append(other)
            if seq not in entries:
                self.wanted.add(other.size)

    def judge_report(self, pdf: bytes, receipt: bytes | None, key: Key) -> tuple[int, Entry, Head]:
        """Index and entry that record this very file, and the head over it (formats, Reports)."""
        need(receipt is not None, "there is no receipt: that the ledger records the report is not shown", Unknown)
        raw, seq, path, note = open_receipt(receipt or b"")
        head = open_checkpoint(note, key)
        entry = open_entry(raw or b"", seq, path, head, key)  # the empty entry is under no root
        need(entry.fields["kind"] == "report", f"entry {seq} records no report")
        file = {"sha256": sha256(pdf).hexdigest(), "size": len(pdf)}
        shape(entry.fields["body"].get("file"), file, f"the file that entry {seq} records")
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
            need(seq < self.head.size, f"the place {seq} is not in a tree of {self.head.size} entries")
            need(raw is not None, f"the receipt carries no entry: which one stands at {seq} is not shown", Unknown)
            kind = open_entry(raw or b"", seq, path, self.head, key).fields["kind"]
            self.add("receipt", "ok", f"entry {seq}, of kind {kind}, stands in the tree of {self.head.size} entries")
        elif self.kind == "consistency":
            self.growths = [open_growth(data, key)]
            self.head, self.older = self.growths[0].head, {self.growths[0].old}
        else:
            self.head = open_checkpoint(data, key)
            self.add("checkpoint", "ok", f"the key signed a tree of {self.head.size} entries")

    def judge_anchors(self, anchors: list[Head], head: Head) -> None:
        """Compare anchors with the file's head, as far as leaves and proofs link them (formats, What anchors show)."""
        trees, kept = {head.size: head.root}, {size for size, _ in anchors}
        for size, root in [*anchors, *self.seen, *(growth.head for growth in self.growths)]:
            need(trees.setdefault(size, root) == root, f"the key signed two different trees of {size} entries: a fork")
        begins = {(size, size) for size in trees}  # pairs of sizes: the second tree begins with the first
        for old, path, (size, root) in self.growths:
            if old in trees:
                good = roots(old, size, path, trees[old]) == (trees[old], root)
                need(good, f"the tree of {size} entries does not begin with the one of {old} that the key signed")
                begins.add((old, size))
        for size in trees.keys() & {*range(1, len(self.leaves) + 1)}:
            need(root_of(self.leaves[:size]) == trees[size], f"the key signed another tree of the first {size} entries")
            begins.add((size, head.size))
        known = 0
        while known < len(begins):  # what begins a beginning begins the whole; two beginnings of one tree agree
            known = len(begins)
            begins |= {(a, d) for a, b in begins for c, d in begins if b == c}
            begins |= {(a, c) for a, b in begins for c, d in begins if b == d and a <= c}
        linked = {size for pair in begins for size in pair if head.size in pair and 0 not in pair}
        for size in sorted(kept | self.wanted | self.older):
            missing = (
                []
                if size in linked - (self.older - kept)
                else [f"a proof between the trees of {size} and of {head.size} entries"]
            )
            self.add_open("anchor", missing, f"the trees of {size} and of {head.size} entries are one history")
        self.anchored = max(linked & kept, default=0)

    def value(self) -> dict[str, Any]:
        """What is printed as JSON (tests/conformance/README.md)."""
        failed = any(check["outcome"] == "failed" for check in self.checks)
        key = {"name": self.key.name, "fingerprint": self.key.fingerprint} if self.key else None
        integrity = "failed" if failed else "ok" if self.head else "unknown"
        complete = self.completeness or ("failed" if failed and self.kind == "pack" else "not asked")
        unanchored = max(self.head.size - self.anchored, 0) if self.head else None
        found = {"key": key, "kind": self.kind, "integrity": integrity, "completeness": complete}
        return {**found, "unanchored": unanchored, "checks": self.checks, "not_proven": NOT_PROVEN}

    def rows(self, file: str, code: int) -> Iterator[tuple[str, str]]:
        """What is printed for people: lines of a name and a sentence, empty ones between."""
        said, agrees = self.value(), f"agrees up to {self.anchored} entries" if self.anchored else "none that agrees"
        yield "key", self.key.name if self.key else "none: nothing was verified"
        if self.key:
            yield "fingerprint", self.key.fingerprint
            yield "", self.key.source
        yield "file", f"{file}: a {self.kind}"
        if self.head:
            yield "head", f"{self.head.size} entries, root {self.head.root.hex()}"
        yield "", ""
        for check in self.checks:
            yield OUTCOMES[check["outcome"]], f"{check['name']}: {check['detail']}"
        yield "", ""
        yield "integrity", f"{said['integrity']}: {MEANINGS[said['integrity']]}"
        yield "completeness", f"{said['completeness']}: {MEANINGS[said['completeness']]}"
        if self.head:
            yield "anchor", f"{agrees}; {said['unanchored']} of {self.head.size} rest on the ledger's key alone"
        yield "", ""
        yield from zip(("not proven", "", ""), NOT_PROVEN)
        yield "exit code", f"{code}: {MEANINGS[code]}"


# The command line
def read(name: str) -> bytes:
    """The bytes of a file: 1 GiB at most of a pack or report, 1 MiB of all others."""
    with Path(name).open("rb") as source:
        limit = FILE_LIMIT if source.peek(5).startswith((b"PK", b"%PDF-")) else SMALL_LIMIT
        data = source.read(limit + 1)
    need(len(data) <= limit, f"it is larger than {limit} bytes")
    return data


def given_key(said: str | None, data: bytes) -> Key:
    """The key that was given: its line, a file with that, or the fingerprint of the one in the pack."""
    if said is None:
        raise Unknown("no key was given, and a file does not vouch for itself: add --key, from a source that you trust")
    try:
        told = re.sub(r"[\s:-]", "", said).lower()
        if DIGEST.fullmatch(told):
            line = open_container(data).get("keys/ledger.vkey", b"")
            source = "taken from the pack, because its fingerprint is the one you gave"
        elif re.fullmatch(rf"{NAME}\+[0-9a-f]{{8}}\+[A-Za-z0-9+/=]+", said):
            line, source = said.encode(), "given by you as a line"
        else:
            line, source = read(said), f"read from {said}, given by you"
        key = parse_key(line.decode().rstrip("\n"), source)
        need(key.fingerprint == told or not DIGEST.fullmatch(told), "it has another fingerprint")
    except ValueError as fault:
        raise Unknown(f"the key that was given is none, or not here: {fault}") from fault
    return key


def judge(options: argparse.Namespace, verdict: Verdict) -> None:
    """Everything that was asked; that one step cannot be taken does not keep the others from being taken."""
    anchors: list[Head] = []
    with verdict.step("file"):
        data = read(options.file)
        verdict.kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), "checkpoint")
        verdict.key = given_key(options.key, data)
        if verdict.kind == "pack":
            verdict.judge_pack(open_container(data), verdict.key)
        else:
            beside = options.receipt or options.file + ".tlog-proof"
            wanted = options.receipt or (verdict.kind == "report" and Path(beside).exists())
            verdict.judge_other(data, read(beside) if wanted else None, verdict.key)
    if verdict.key:
        for name in options.consistency:
            with verdict.step("consistency", f"{name}: "):
                verdict.growths.append(open_growth(read(name), verdict.key))
        for name in options.anchor:
            with verdict.step("anchor", f"{name} cannot be compared: ", no="unknown"):
                anchors.append(open_checkpoint(read(name), verdict.key))
    with verdict.step("anchor"):
        if verdict.head:
            verdict.judge_anchors(anchors, verdict.head)
        need(verdict.anchored or not options.require_anchor, "an anchor is required, and none agrees", Unknown)


def main(words: list[str] | None = None) -> int:
    """Judge, print and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify what a tallystick ledger handed out.", allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", help="pack, report (PDF), receipt, checkpoint or consistency proof")
    parser.add_argument("--key", help="verifier key, a file that holds one, or the fingerprint of the key in a pack")
    parser.add_argument("--anchor", action="append", default=[], metavar="FILE", help="a checkpoint that you kept")
    parser.add_argument("--consistency", action="append", default=[], metavar="FILE", help="a proof that links it")
    parser.add_argument("--receipt", metavar="FILE", help="the receipt of a report; else FILE.tlog-proof")
    parser.add_argument("--require-anchor", action="store_true", help="no yes without an anchor that agrees")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="for people, or for programs")
    options, verdict = parser.parse_args(words), Verdict()
    if options.consistency and not options.anchor:
        parser.error("a consistency proof links a file to a checkpoint that was kept: add --anchor FILE")
    judge(options, verdict)
    outcomes = {check["outcome"] for check in verdict.checks}
    code = 1 if "failed" in outcomes else 3 if "unknown" in outcomes else 0
    if options.format == "json":
        print(json.dumps(verdict.value(), indent=2))
    else:
        for name, text in verdict.rows(options.file, code):
            print(textwrap.fill(f"{name:14}{printable(text)}", 100, subsequent_indent=" " * 14))
    return code


if __name__ == "__main__":
    sys.exit(main())

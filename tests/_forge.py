"""Packs, notes and proofs as somebody makes them who has the ledger's real key, by hashlib, zipfile and cryptography.

Nothing of tallystick makes them: what is written here is what docs/reference/formats.md says, once more.
"""

import base64
import copy
import hashlib
import io
import json
import zipfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def base64_of(data):
    return base64.b64encode(data).decode()


def canonical(value):
    """Canonical JSON of values without floats, whose keys are ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def half(count):
    return 1 << (count - 1).bit_length() - 1


def root(leaves):
    """MTH of RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    k = half(len(leaves))
    return sha256(b"\x01", root(leaves[:k]), root(leaves[k:]))


def path(leaves, at):
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = half(len(leaves))
    return [*path(leaves[:k], at), root(leaves[k:])] if at < k else [*path(leaves[k:], at - k), root(leaves[:k])]


def growth(leaves, old, whole=True):
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = half(len(leaves))
    if old <= k:
        return [*growth(leaves[:k], old, whole), root(leaves[k:])]
    return [*growth(leaves[k:], old - k, False), root(leaves[:k])]


def leaf(entry):
    return sha256(b"\x00", entry)


class Forger:
    """The ledger's key in the hands of somebody who signs what they like."""

    def __init__(self, key=None, name="example.org/forged"):
        self.key, self.name = key or Ed25519PrivateKey.generate(), name
        self.raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = sha256(name.encode(), b"\n\x01", self.raw)[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64_of(bytes([1]) + self.raw)}"
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = sha256(der).hex()

    @classmethod
    def of(cls, home):
        """The forger with the key of a ledger that was really made."""
        key = load_pem_private_key((Path(home) / ".tallystick/keys/ledger.pem").read_bytes(), None)
        return cls(key, (Path(home) / ".tallystick/ledger.vkey").read_text().split("+")[0])

    def note(self, size, hashed):
        text = f"{self.name}\n{size}\n{base64_of(hashed)}\n"
        return (text + f"\n\u2014 {self.name} {base64_of(self.id + self.key.sign(text.encode()))}\n").encode()

    def checkpoint(self, entries):
        return self.note(len(entries), root([leaf(entry) for entry in entries]))

    def consistency(self, entries, old):
        lines = "".join(base64_of(item) + "\n" for item in growth([leaf(entry) for entry in entries], old))
        return f"old {old}\n{lines}\n".encode() + self.checkpoint(entries)

    def receipt(self, entries, at, *, extra=False):
        leaves = [leaf(entry) for entry in entries]
        lines = ["c2sp.org/tlog-proof@v1", *([f"extra {base64_of(entries[at])}"] if extra else []), f"index {at}"]
        lines += [base64_of(item) for item in path(leaves, at)]
        return ("\n".join(lines) + "\n\n").encode() + self.checkpoint(entries)

    def envelope(self, payload, kind="application/vnd.tallystick.manifest+json", **more):
        message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
        signature = {"keyid": self.fingerprint, "sig": base64_of(self.key.sign(message))}
        return canonical({"payload": base64_of(payload), "payloadType": kind, "signatures": [signature], **more})

    def history(self, entries):
        """Entries of these fields, numbered, linked and filled up, the genesis before them."""
        genesis = {"kind": "ledger", "body": {"origin": self.name, "checkpoint_key": self.vkey}}
        made = []
        for seq, fields in enumerate([genesis, *entries]):
            entry = {"v": 1, "actor": "ledger", "basis": "observed", "subject": [], "body": {}, "seq": seq}
            entry["prev"] = leaf(made[-1]).hex() if made else "0" * 64
            entry["recorded_at"] = entry["claimed_at"] = f"2026-01-{seq + 1:02d}T00:00:00.000000Z"
            made.append(canonical({**entry, **fields}))
        return made

    def pack(self, entries, keep=None, *, filter=None, more=(), change=lambda manifest: None):
        """A pack of the entries with these indices; ``more`` are further members."""
        keep, note = range(len(entries)) if keep is None else keep, self.checkpoint(entries)
        members = {"manifest.json": b"", "checkpoint": note}
        members |= {f"entries/{at:09d}.json": entries[at] for at in keep}
        members |= {f"proofs/{at:09d}.tlog-proof": self.receipt(entries, at) for at in keep}
        members |= {"keys/ledger.vkey": f"{self.vkey}\n".encode(), **dict(more)}
        manifest = {"format": "tallystick-pack/v1", "ledger": self.name, "size": len(entries), "withheld": []}
        manifest |= {"root": root([leaf(entry) for entry in entries]).hex(), "filter": filter or {"name": "all"}}
        manifest |= {"range": {"first": 0, "last": len(entries) - 1}, "entries": len(list(keep))}
        manifest |= {"made_at": "2026-06-01T00:00:00.000000Z"}
        return self.seal(members, manifest, change)

    def seal(self, members, manifest, change=lambda manifest: None, **envelope):
        """The members with a manifest that lists them, after a change to it, and a signature over that."""
        manifest = copy.deepcopy(manifest)
        others = [(name, data) for name, data in members.items() if name != "manifest.json"]
        manifest["members"] = [{"name": n, "sha256": sha256(data).hex(), "size": len(data)} for n, data in others]
        change(manifest)
        return zipped({"manifest.json": self.envelope(canonical(manifest), **envelope), **dict(others)})


def zipped(members):
    """A ZIP in the spelling of packs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.create_system = 0o100644 << 16, 3
            archive.writestr(info, data)
    return out.getvalue()


def unzipped(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(members):
    return json.loads(base64.b64decode(json.loads(members["manifest.json"])["payload"]))

"""Ledgers and packs that no honest program makes, written from docs/reference/formats.md, with keys of their own.

Who has a ledger's key can sign anything, so these are what a verifier has to see through without help of a signature.
"""

import base64
import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Members = dict[str, bytes]
SECTIONS = ("manifest", "checkpoint", "entries", "proofs", "attachments", "side", "consistency", "timestamps")
SECTIONS += ("keys", "report", "readme", "verify")
MANIFEST = "application/vnd.tallystick.manifest+json"
WHEN = "2026-11-02T10:00:{:09.6f}Z"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: Any) -> bytes:
    """Canonical JSON, of values without fractions and with keys of ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


# ---------------------------------------------------------------------------------------------------- container


def members(pack: bytes) -> Members:
    with zipfile.ZipFile(BytesIO(pack)) as source:
        return {name: source.read(name) for name in source.namelist()}


def in_order(found: Members) -> Members:
    place = {name: next(i for i, section in enumerate(SECTIONS) if name.startswith(section)) for name in found}
    return {name: found[name] for name in sorted(found, key=lambda name: (place[name], len(name), name))}


def container(found: Members) -> bytes:
    """The members, in the order given, in the canonical spelling of a ZIP."""
    body, directory = [], []
    at = 0
    for name, data in found.items():
        raw = name.encode()
        about = struct.pack("<5H3L2H", 20, 0, 0, 0, 0x21, zlib.crc32(data), len(data), len(data), len(raw), 0)
        directory += [struct.pack("<LH", 0x02014B50, 0x0314), about, struct.pack("<3H2L", 0, 0, 0, 0x81A40000, at), raw]
        body += [struct.pack("<L", 0x04034B50), about, raw, data]
        at += 30 + len(raw) + len(data)
    lines = b"".join(directory)
    end = struct.pack("<L4H2LH", 0x06054B50, 0, 0, len(found), len(found), len(lines), at, 0)
    return b"".join(body) + lines + end


# ---------------------------------------------------------------------------------------------------- tree


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


@dataclass
class Tree:
    """RFC 6962, section 2.1, over leaf hashes."""

    leaves: list[bytes]
    known: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def root(self, first: int, last: int) -> bytes:
        if last - first == 1:
            return self.leaves[first]
        if (first, last) not in self.known:
            middle = first + self.split(last - first)
            both = self.root(first, middle) + self.root(middle, last)
            self.known[first, last] = hashlib.sha256(b"\1" + both).digest()
        return self.known[first, last]

    def path(self, at: int, first: int, last: int) -> list[bytes]:
        if last - first == 1:
            return []
        middle = first + self.split(last - first)
        if at < middle:
            return [*self.path(at, first, middle), self.root(middle, last)]
        return [*self.path(at, middle, last), self.root(first, middle)]

    def growth(self, old: int, first: int, last: int, whole: bool = True) -> list[bytes]:
        if first + old == last:
            return [] if whole else [self.root(first, last)]
        half = self.split(last - first)
        middle = first + half
        if old <= half:
            return [*self.growth(old, first, middle, whole), self.root(middle, last)]
        return [*self.growth(old - half, middle, last, False), self.root(first, middle)]

    @staticmethod
    def split(n: int) -> int:
        return 1 << ((n - 1).bit_length() - 1)


# ---------------------------------------------------------------------------------------------------- ledger


class Ledger:
    """A ledger with a key of its own, to which anything can be added."""

    def __init__(
        self, origin: str = "evil.example/loans/0d6ff4a5-3c6a-4d0c-8a6e-111111111111", seed: bytes = b"k"
    ) -> None:
        self.origin = origin
        self.key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
        public = b"\1" + self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = hashlib.sha256(origin.encode() + b"\n" + public).digest()[:4]
        self.vkey = f"{origin}+{self.id.hex()}+{b64(public)}"
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(spki).hexdigest()
        self.raws: list[bytes] = []
        self.add("ledger", origin=origin, uuid=origin[-36:], checkpoint_key=self.vkey, software={})

    def add(self, kind: str, **body: Any) -> dict[str, Any]:
        """Adds an entry and returns a reference to it."""
        seq = len(self.raws)
        when = WHEN.format(seq % 60)
        prev = leaf_hash(self.raws[-1]).hex() if seq else "0" * 64
        about = {"actor": "ledger" if kind == "ledger" else "p-00000000", "basis": "declared", "subject": [], "v": 1}
        value = about | {"kind": kind, "seq": seq, "prev": prev, "recorded_at": when, "claimed_at": when, "body": body}
        self.raws.append(canonical(value))
        return self.reference(seq)

    def reference(self, seq: int) -> dict[str, Any]:
        return {"seq": seq, "leaf": leaf_hash(self.raws[seq]).hex()}

    def tree(self, size: int | None = None) -> Tree:
        return Tree([leaf_hash(raw) for raw in self.raws[:size]])

    def checkpoint(self, size: int | None = None) -> bytes:
        tree = self.tree(size)
        root = tree.root(0, len(tree.leaves))
        text = f"{self.origin}\n{len(tree.leaves)}\n{b64(root)}\n"
        return f"{text}\n— {self.origin} {b64(self.id + self.key.sign(text.encode()))}\n".encode()

    def consistency(self, old: int) -> bytes:
        hashes = self.tree().growth(old, 0, len(self.raws))
        return "".join([f"old {old}\n", *(f"{b64(line)}\n" for line in hashes), "\n"]).encode() + self.checkpoint()

    def receipt(self, seq: int) -> bytes:
        extra = f"c2sp.org/tlog-proof@v1\nextra {b64(self.raws[seq])}\n"
        return extra.encode() + self._proof(seq, self.tree(), self.checkpoint())

    def _proof(self, seq: int, tree: Tree, checkpoint: bytes) -> bytes:
        path = tree.path(seq, 0, len(tree.leaves))
        return "".join([f"index {seq}\n", *(f"{b64(line)}\n" for line in path), "\n"]).encode() + checkpoint

    def pack(
        self,
        only: Iterable[int] | None = None,
        *,
        filter: dict[str, Any] | None = None,
        change: Callable[[Members], object] = lambda found: None,
        say: Callable[[dict[str, Any]], object] = lambda told: None,
    ) -> bytes:
        """A pack of some entries or all; `change` alters its members, `say` its manifest, before it is signed."""
        tree, checkpoint = self.tree(), self.checkpoint()
        found = {"checkpoint": checkpoint, "keys/ledger.vkey": f"{self.vkey}\n".encode()}
        for seq in range(len(self.raws)) if only is None else only:
            found[f"entries/{seq:09d}.json"] = self.raws[seq]
            found[f"proofs/{seq:09d}.tlog-proof"] = b"c2sp.org/tlog-proof@v1\n" + self._proof(seq, tree, checkpoint)
        change(found)
        found = in_order(found)
        told = {
            "format": "tallystick-pack/v1",
            "ledger": self.origin,
            "size": len(self.raws),
            "root": tree.root(0, len(self.raws)).hex(),
            "filter": filter or {"name": "all"},
            "range": {"first": 0, "last": len(self.raws) - 1},
            "entries": sum(name.startswith("entries/") for name in found),
            "members": [
                {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in found.items()
            ],
            "made_at": WHEN.format(0),
            "withheld": [],
        }
        say(told)
        return container({"manifest.json": self.envelope(canonical(told))} | found)

    def envelope(self, payload: bytes, kind: str = MANIFEST) -> bytes:
        sig = self.key.sign(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
        line = {"keyid": self.fingerprint, "sig": b64(sig)}
        return canonical({"payload": b64(payload), "payloadType": kind, "signatures": [line]})

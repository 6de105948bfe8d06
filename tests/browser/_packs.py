"""Packs that no honest ledger hands out, written from docs/reference/formats.md: signed again with the ledger's own key.

Who has that key can sign anything, so these are what a verifier has to see through without the help of a signature.
"""

import base64
import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

Members = dict[str, bytes]
SECTIONS = (
    "manifest.json checkpoint entries/ proofs/ attachments/ side/ consistency/ timestamps/ keys/ report/ readme.txt verify."
).split()


def members(pack: bytes) -> Members:
    with zipfile.ZipFile(BytesIO(pack)) as source:
        return {name: source.read(name) for name in source.namelist()}


def in_order(found: Members) -> Members:
    place = {name: next(i for i, section in enumerate(SECTIONS) if name.startswith(section)) for name in found}
    return {name: found[name] for name in sorted(found, key=lambda name: (place[name], len(name), name))}


def container(found: Members) -> bytes:
    """The members, as they stand, in the canonical spelling of a ZIP."""
    body, directory = b"", b""
    for name, data in found.items():
        raw = name.encode()
        about = struct.pack("<5H3L2H", 20, 0, 0, 0, 0x21, zlib.crc32(data), len(data), len(data), len(raw), 0)
        directory += struct.pack("<LH", 0x02014B50, 0x0314) + about
        directory += struct.pack("<3H2L", 0, 0, 0, 0x81A40000, len(body)) + raw
        body += struct.pack("<L", 0x04034B50) + about + raw + data
    end = struct.pack("<L4H2LH", 0x06054B50, 0, 0, len(found), len(found), len(directory), len(body), 0)
    return body + directory + end


def canonical(value: Any) -> bytes:
    """Canonical JSON, of values without fractions."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def manifest(pack: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(base64.b64decode(json.loads(members(pack)["manifest.json"])["payload"]))
    return value


class Forger:
    """Whoever holds the ledger's key."""

    def __init__(self, folder: Path) -> None:
        self.key: Any = load_pem_private_key((folder / "ledger.pem").read_bytes(), None)

    def envelope(self, payload: bytes, kind: str, keyid: str) -> bytes:
        message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        sig = base64.b64encode(self.key.sign(message)).decode()
        payload_text = base64.b64encode(payload).decode()
        return canonical({"payload": payload_text, "payloadType": kind, "signatures": [{"keyid": keyid, "sig": sig}]})

    def pack(
        self, pack: bytes, change: Callable[[Members], object], say: Callable[[dict[str, Any]], object] | None = None
    ) -> bytes:
        """The pack with other members, and a manifest that says so and holds; `say` changes that as well."""
        found, told = members(pack), manifest(pack)
        keyid = json.loads(found.pop("manifest.json"))["signatures"][0]["keyid"]
        change(found)
        found = in_order(found)
        told["members"] = [
            {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in found.items()
        ]
        told["entries"] = sum(name.startswith("entries/") for name in found)
        if say is not None:
            say(told)
        signed = self.envelope(canonical(told), "application/vnd.tallystick.manifest+json", keyid)
        return container({"manifest.json": signed} | found)

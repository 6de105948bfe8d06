"""Signed notes and checkpoints: C2SP signed-note v1.0.0 and tlog-checkpoint v1.0.0.

A note is text that ends in a line feed, an empty line, and signature lines ``— <name> <base64>``. The signed bytes
are the text. The name and four bytes of key id say which key; both must be those of a known key, or the line is
ignored.

Rules on top of the specification's: keys that we verify with are Ed25519 (type 0x01); base64 has one spelling; a note
is at most 1 MiB with at most 100 signatures; a checkpoint has no extension lines (nothing could audit them, and
cosigners do not agree about them).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.canonical import b64, unb64
from tallystick.errors import InvalidInput, Malformed, Tampered
from tallystick.proof.keys import ED25519, PublicKey, Signer
from tallystick.proof.merkle import EMPTY_ROOT

__all__ = [
    "MAX_NOTE",
    "MAX_SIGNATURES",
    "Checkpoint",
    "VerifierKey",
    "open_checkpoint",
    "open_note",
    "sign_note",
]

MAX_NOTE: Final = 1 << 20
"""Bytes."""
MAX_SIGNATURES: Final = 100
MAX_SIZE: Final = 2**53 - 1
"""Leaves: the largest number that every reader of JSON has exactly."""

_TYPE_ED25519 = b"\x01"
_ID = re.compile(r"[0-9a-f]{8}")
_DECIMAL = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_SIGNATURE = re.compile(r"— ([^ ]+) ([^ ]+)")
_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_UNCLEAN = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
"""What UTF-8 cannot hold, and control characters below U+0020, line feeds apart."""


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _is_clean(text: str) -> bool:
    return _UNCLEAN.search(text) is None


# ------------------------------------------------------------------ keys


@dataclass(frozen=True)
class VerifierKey:
    """A name and the Ed25519 key that signs notes under it.

    Raises:
        Malformed: a name that is empty or holds a space, a ``+`` or a control character; a key that is not Ed25519.
    """

    name: str
    public: PublicKey

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise Malformed("key name is empty or holds a space, a + or a control character", got=self.name[:80])
        if self.public.algorithm != ED25519:
            raise Malformed("notes are signed with Ed25519 keys", got=self.public.algorithm)

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """Read ``<name>+<8 hex of the key id>+<base64 of type and key>``; the id must be the one recomputed.

        Raises:
            Malformed: anything else, another key type, or a key that :class:`PublicKey` refuses.
        """
        parts = vkey.split("+", 2)
        if len(parts) != 3 or not _ID.fullmatch(parts[1]):
            raise Malformed("not a verifier key", expected="<name>+<8 hex digits>+<base64>", got=vkey[:80])
        data = unb64(parts[2], what="verifier key")
        if len(data) != 33 or data[:1] != _TYPE_ED25519:
            raise Malformed("verifier key is of a type that is not used", expected="Ed25519 (0x01) and 32 bytes")
        key = cls(parts[0], PublicKey.from_ed25519(data[1:]))
        if key.key_id.hex() != parts[1]:
            raise Malformed("verifier key does not match its id", expected=key.key_id.hex(), got=parts[1])
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(_TYPE_ED25519 + self.public.raw)}"

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || LF || 0x01 || key), its first four bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + _TYPE_ED25519 + self.public.raw).digest()[:4]


# ------------------------------------------------------------------ notes


def sign_note(text: str, name: str, signer: Signer) -> bytes:
    """The note of ``text`` with one signature by ``signer`` under ``name``.

    Raises:
        InvalidInput: text that does not end in a line feed or holds control characters.
        Malformed: a name or a key that :class:`VerifierKey` refuses.
    """
    if not text.endswith("\n") or not _is_clean(text):
        raise InvalidInput("text of a note ends in a line feed and holds no control character", got=ascii(text[-40:]))
    key = VerifierKey(name, signer.public)
    body = text.encode()
    return body + f"\n— {name} {b64(key.key_id + signer.sign(body))}\n".encode()


def open_note(note: bytes, keys: Sequence[VerifierKey]) -> str:
    """The text of a note that at least one of ``keys`` signed.

    Raises:
        Malformed: not a note.
        Tampered: a signature by a known key fails, or there is none by a known key.
        InvalidInput: no keys, or two keys with one name and one id.
    """
    known = {(key.name, key.key_id): key.public for key in keys}
    if not known or len(known) != len(keys):
        raise InvalidInput("list of keys is empty or names a key twice", got=f"{len(keys)} keys")
    text, lines = _split(note)
    signed = text.encode()
    verified = 0
    for name, key_id, signature in map(_signature, lines):
        public = known.get((name, key_id))
        if public is None:
            continue
        if not public.verify(signature, signed):
            raise Tampered("signature of a note fails", where=f"{name}+{key_id.hex()}")
        verified += 1
    if not verified:
        wanted = ", ".join(f"{name}+{key_id.hex()}" for name, key_id in known)
        raise Tampered("note has no signature by a known key", expected=wanted)
    return text


def _split(note: bytes) -> tuple[str, list[str]]:
    """The text, with its last line feed, and the signature lines."""
    if len(note) > MAX_NOTE:
        raise Malformed("note is too large", expected=f"up to {MAX_NOTE} bytes", got=f"{len(note)} bytes")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("note is not UTF-8") from error
    body, gap, tail = whole.rpartition("\n\n")
    if not gap or not tail.endswith("\n") or not _is_clean(whole):
        raise Malformed("not a signed note", expected="text, an empty line, signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise Malformed("note has too many signatures", expected=f"up to {MAX_SIGNATURES}", got=str(len(lines)))
    return body + "\n", lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    match = _SIGNATURE.fullmatch(line)
    if match is None or not _is_name(match[1]):
        raise Malformed("signature line of a note is malformed", got=line[:80])
    data = unb64(match[2], what="signature of a note")
    if len(data) < 5:
        raise Malformed("signature of a note is too short", got=line[:80])
    return match[1], data[:4], data[4:]


# ------------------------------------------------------------------ checkpoints


@dataclass(frozen=True)
class Checkpoint:
    """What a ledger commits to: its origin, the number of its entries and the root of their tree.

    Raises:
        Malformed: an origin that is empty or more than a line, a size out of range, a root that is not 32 bytes or not
            the root of the empty tree where the size is 0.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or "\n" in self.origin or not _is_clean(self.origin):
            raise Malformed("checkpoint has no origin of one line", got=ascii(self.origin[:80]))
        if not 0 <= self.size <= MAX_SIZE:
            raise Malformed("checkpoint has a size out of range", got=str(self.size)[:40])
        if len(self.root) != 32 or (self.size == 0 and self.root != EMPTY_ROOT):
            raise Malformed("checkpoint has a root that no tree of its size has", got=self.root[:40].hex())

    def text(self) -> str:
        """The text of the note: three lines."""
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read the text of a note.

        Raises:
            Malformed: not three lines of origin, decimal size and base64 root.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not _DECIMAL.fullmatch(lines[1]) or len(lines[1]) > 16:
            raise Malformed("not a checkpoint", expected="origin, size and root, a line each", got=ascii(text[:80]))
        return cls(lines[0], int(lines[1]), unb64(lines[2], what="root of a checkpoint"))


def open_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint of a signed note whose origin is the name of the key.

    Raises:
        Malformed: not a note, or not of a checkpoint.
        Tampered: not signed by this key, or of another ledger.
    """
    checkpoint = Checkpoint.parse(open_note(note, [key]))
    if checkpoint.origin != key.name:
        raise Tampered("checkpoint is of another ledger", expected=key.name, got=checkpoint.origin)
    return checkpoint

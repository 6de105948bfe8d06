"""Proof that an entry is in a ledger: C2SP tlog-proof (untagged; text of C2SP commit 5ba5ee83).

A :class:`Proof` is what the specification describes: an index, an audit path and the signed checkpoint it leads to.
Whoever verifies brings the leaf. A :class:`Receipt` is a proof that brings it along: its ``extra`` line carries the
entry's bytes. The specification does not vouch for ``extra``; here the leaf hash of those bytes must fit the path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from tallystick.canonical import b64, leaf_hash, unb64
from tallystick.errors import Malformed, Tampered
from tallystick.proof.merkle import verify_inclusion
from tallystick.proof.note import MAX_NOTE, Checkpoint, VerifierKey, open_checkpoint
from tallystick.records import GENESIS, MAX_ENTRY, Entry

__all__ = ["MAX_PROOF", "Proof", "Receipt"]

_MAGIC = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_MAX_PATH = 63
"""Hashes: the path of a tree of 2^63 leaves."""
MAX_PROOF: Final = MAX_NOTE + 2 * MAX_ENTRY + 64 * 64
"""Bytes: the largest note, an entry in base64, and the longest path."""


@dataclass(frozen=True)
class Proof:
    """A leaf's place under a signed checkpoint."""

    index: int
    hashes: tuple[bytes, ...]
    """The audit path, from the leaf's sibling up."""
    checkpoint: bytes = field(repr=False)
    """The signed note, as the ledger wrote it."""
    extra: bytes | None = field(default=None, repr=False)

    def to_bytes(self) -> bytes:
        """The text of a ``.tlog-proof`` file."""
        lines = [_MAGIC]
        if self.extra is not None:
            lines.append(f"extra {b64(self.extra)}")
        lines += [f"index {self.index}", *map(b64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Read a ``.tlog-proof`` file; nothing is verified yet.

        Raises:
            Malformed: not such a file, or not in its one spelling.
        """
        if len(data) > MAX_PROOF:
            raise Malformed("proof is too large", expected=f"up to {MAX_PROOF} bytes", got=f"{len(data)} bytes")
        head, gap, checkpoint = data.partition(b"\n\n")
        lines = _ascii(head).split("\n")
        if not gap or lines[0] != _MAGIC:
            raise Malformed("not a tlog-proof", expected=f"first line {_MAGIC}", got=ascii(lines[0][:40]))
        extra = unb64(lines.pop(1)[6:], what="extra line") if lines[1:] and lines[1].startswith("extra ") else None
        match = _INDEX.fullmatch(lines[1]) if lines[1:] else None
        if match is None:
            raise Malformed("tlog-proof has no index line")
        hashes = tuple(unb64(line, what="hash of a proof") for line in lines[2 : _MAX_PATH + 3])
        if len(hashes) > _MAX_PATH or any(len(item) != 32 for item in hashes):
            raise Malformed("tlog-proof has too many hashes, or one that is not 32 bytes")
        return cls(int(match[1]), hashes, checkpoint, extra)

    def verify(self, leaf: bytes, key: VerifierKey) -> Checkpoint:
        """The checkpoint that ``key`` signed and under which the leaf hash stands at this index.

        Raises:
            Malformed: the checkpoint is none, or the path does not fit index and size.
            Tampered: another key, another ledger or another leaf.
        """
        checkpoint = open_checkpoint(self.checkpoint, key)
        verify_inclusion(self.index, checkpoint.size, leaf, self.hashes, checkpoint.root)
        return checkpoint


def _ascii(head: bytes) -> str:
    try:
        return head.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("tlog-proof is not plain text") from error


@dataclass(frozen=True)
class Receipt:
    """An entry with the proof of its place: what the ledger hands to whoever recorded it."""

    entry: bytes = field(repr=False)
    """The entry's bytes."""
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes = field(repr=False)

    def to_bytes(self) -> bytes:
        """The text of a ``.tlog-proof`` file with the entry in its ``extra`` line."""
        return Proof(self.index, self.hashes, self.checkpoint, extra=self.entry).to_bytes()

    @classmethod
    def parse(cls, data: bytes) -> Receipt:
        """Read a receipt; nothing is verified yet.

        Raises:
            Malformed: not a tlog-proof, or one without an entry.
        """
        proof = Proof.parse(data)
        if proof.extra is None:
            raise Malformed("receipt carries no entry", expected="an extra line")
        return cls(proof.extra, proof.index, proof.hashes, proof.checkpoint)

    def verify(self, key: VerifierKey) -> tuple[Entry, Checkpoint]:
        """The entry, and the checkpoint under which it stands at its own ``seq``.

        Raises:
            Malformed: checkpoint, path or entry are not well-formed.
            Tampered: another key, another ledger, another entry, or an entry at another place.
        """
        proof = Proof(self.index, self.hashes, self.checkpoint)
        checkpoint = proof.verify(leaf_hash(self.entry), key)
        entry = Entry.parse(self.entry)
        if entry.seq != self.index:
            raise Tampered("entry stands at another place", expected=f"entry {entry.seq}", got=f"index {self.index}")
        _check_beginning(entry, key)
        return entry, checkpoint


def _check_beginning(entry: Entry, key: VerifierKey) -> None:
    """Entry 0, and no other, says which ledger this is and which key signs for it."""
    if entry.seq and entry.kind == GENESIS:
        raise Tampered("entry says that a ledger begins there", where=f"entry {entry.seq}", expected="entry 0")
    if entry.seq == 0:
        said = (entry.kind, entry.body.get("origin"), entry.body.get("checkpoint_key"))
        if said != (GENESIS, key.name, str(key)):
            raise Tampered("entry 0 is not the beginning of this key's ledger", expected=key.name, got=str(said)[:120])

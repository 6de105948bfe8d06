"""Proof that the ledger only grew since a checkpoint that somebody kept.

The specifications have no file for it. What C2SP tlog-witness (v1.0.0, `add-checkpoint`) sends to a witness holds
exactly this, so its body is the file: a line ``old <size>``, the hashes of the consistency proof (RFC 6962, section
2.1.2) in base64, a line each, an empty line, and the newer signed checkpoint.

A :class:`Consistency` is the file. A :class:`Link` is what it comes to once the ledger's signature holds: whoever has
the older checkpoint can check it. The file alone shows nothing about the older tree.

Rules on top of the specification's: the old size is not 0, since every tree begins with the empty one; base64 has one
spelling.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import Final

from tallystick.canonical import b64, unb64
from tallystick.errors import Malformed, Tampered
from tallystick.proof.merkle import EMPTY_ROOT, verify_consistency
from tallystick.proof.note import MAX_NOTE, Checkpoint, VerifierKey, open_checkpoint

__all__ = ["MAX_CONSISTENCY", "Consistency", "Link"]

_OLD = re.compile(r"old ([1-9][0-9]{0,18})", re.ASCII)
_MAX_HASHES: Final = 63
"""As many as the specification allows, which is as many as a tree of 2^63 leaves needs."""
MAX_CONSISTENCY: Final = MAX_NOTE + 64 * 64
"""Bytes: the largest note and the longest proof."""


@dataclass(frozen=True)
class Link:
    """That a tree which the ledger signed begins with the tree of ``old`` entries that these hashes lead to."""

    old: int
    new: Checkpoint
    """Its signature was checked."""
    hashes: tuple[bytes, ...]

    def check(self, kept: Checkpoint) -> None:
        """Check that the new tree begins with the tree of a checkpoint that was kept.

        Raises:
            Malformed: too many or too few hashes, or one that is not 32 bytes.
            Tampered: the proof is from another size or ledger, or leads to another root.
        """
        if (kept.origin, kept.size) != (self.new.origin, self.old):
            raise Tampered(
                "consistency proof is not from this checkpoint",
                expected=f"{self.old} entries of {self.new.origin}",
                got=f"{kept.size} of {kept.origin}",
            )
        verify_consistency(self.old, self.new.size, self.hashes, kept.root, self.new.root)


@dataclass(frozen=True)
class Consistency:
    """A consistency proof with the signed checkpoint it leads to, as a file."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes = field(repr=False)
    """The newer signed note, as the ledger wrote it."""

    def to_bytes(self) -> bytes:
        """The text of the file."""
        return "\n".join([f"old {self.old}", *map(b64, self.hashes), "", ""]).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Consistency:
        """Read the file; nothing is verified yet.

        Raises:
            Malformed: not such a file, or not in its one spelling.
        """
        if len(data) > MAX_CONSISTENCY:
            raise Malformed(
                "consistency proof is too large", expected=f"up to {MAX_CONSISTENCY} bytes", got=f"{len(data)} bytes"
            )
        head, gap, checkpoint = data.partition(b"\n\n")
        lines = _ascii(head).split("\n")
        match = _OLD.fullmatch(lines[0])
        if not gap or match is None:
            raise Malformed(
                "not a consistency proof",
                expected="first line old <size>, the size 1 or more",
                got=ascii(lines[0][:40]),
            )
        hashes = tuple(unb64(line, what="hash of a consistency proof") for line in lines[1 : _MAX_HASHES + 2])
        if len(hashes) > _MAX_HASHES or any(len(item) != 32 for item in hashes):
            raise Malformed("consistency proof has too many hashes, or one that is not 32 bytes")
        return cls(int(match[1]), hashes, checkpoint)

    def open(self, key: VerifierKey) -> Link:
        """The link to the newer checkpoint, which ``key`` signed. About the older tree it shows nothing by itself.

        Raises:
            Malformed: the checkpoint is none, the old size is beyond it, or hashes are missing or left over.
            Tampered: another key, or another ledger.
        """
        new = open_checkpoint(self.checkpoint, key)
        with contextlib.suppress(Tampered):  # no root is at hand: only the number of hashes is judged here
            verify_consistency(self.old, new.size, self.hashes, EMPTY_ROOT, new.root)
        return Link(self.old, new, self.hashes)

    def verify(self, kept: Checkpoint, key: VerifierKey) -> Checkpoint:
        """The newer checkpoint, which ``key`` signed and whose tree begins with the one that was kept.

        Raises:
            Malformed, Tampered: as :meth:`open` and :meth:`Link.check`.
        """
        link = self.open(key)
        link.check(kept)
        return link.new


def _ascii(head: bytes) -> str:
    try:
        return head.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("consistency proof is not plain text") from error

"""Prove to somebody outside what the ledger holds: that an entry is in it, or that it only grew since a checkpoint.

A proof is checked before it is handed out, by the code that will verify it: a damaged ledger hands out none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tallystick.errors import InvalidInput, NotFound, NotVerified, Tampered, UsageError
from tallystick.proof.consistency import Consistency
from tallystick.proof.note import Checkpoint, open_checkpoint
from tallystick.proof.receipt import Proof
from tallystick.records import Entry
from tallystick.workflow.desk import Desk
from tallystick.workflow.verify import read_small

__all__ = ["Growth", "Inclusion", "growth", "inclusion"]

_FSCK: Final = "See `tallystick ledger fsck`."


@dataclass(frozen=True)
class Inclusion:
    """That an entry is in the ledger."""

    entry: Entry
    checkpoint: Checkpoint
    bare: bool
    """Whether the entry's bytes are left out."""
    data: bytes = field(repr=False)
    """The ``.tlog-proof`` file."""

    @property
    def name(self) -> str:
        """What to call the file, if nobody says."""
        return f"entry-{self.entry.seq}.tlog-proof"


@dataclass(frozen=True)
class Growth:
    """That the ledger begins with the tree of an earlier checkpoint."""

    old: Checkpoint
    checkpoint: Checkpoint
    data: bytes = field(repr=False)
    """The consistency proof, as a file."""

    @property
    def name(self) -> str:
        """What to call the file, if nobody says."""
        return f"consistency-{self.old.size}-{self.checkpoint.size}.txt"


def inclusion(desk: Desk, seq: int, *, bare: bool = False) -> Inclusion:
    """Prove that an entry is in the ledger, under the newest checkpoint.

    Args:
        bare: leave the entry's bytes out: whoever verifies has to bring them.

    Raises:
        NotFound: there is no such entry.
        Tampered: what is stored does not prove it.
    """
    ledger = desk.ledger
    if not 0 <= seq < ledger.size:
        raise NotFound(f"there is no entry {seq}", where=ledger.where, expected=f"0 to {ledger.size - 1}")
    receipt = ledger.receipt(ledger.entry(seq))
    try:
        entry, checkpoint = receipt.verify(ledger.key)
    except NotVerified as error:
        raise Tampered(f"ledger cannot prove entry {seq}", where=ledger.where, got=str(error), remedy=_FSCK) from error
    proof = Proof(receipt.index, receipt.hashes, receipt.checkpoint, extra=None if bare else receipt.entry)
    return Inclusion(entry, checkpoint, bare, proof.to_bytes())


def growth(desk: Desk, since: int | Path) -> Growth:
    """Prove that the ledger, up to its newest checkpoint, begins with the tree of an earlier one.

    Args:
        since: how many entries that checkpoint counts; or the file that holds it, as somebody kept it.

    Raises:
        UsageError: a size below 1, from which everything would follow.
        NotFound: no checkpoint of that size was signed, or there is no such file.
        InvalidInput: the file is no checkpoint of this ledger.
        Tampered: the ledger does not begin with the tree of the checkpoint that was kept, or not with its own.
    """
    note = desk.ledger.latest_checkpoint()
    newest = open_checkpoint(note, desk.ledger.key)
    old = _signed(desk, since, newest) if isinstance(since, int) else _kept(desk, since, newest)
    proof = Consistency(old.size, tuple(desk.ledger.consistency_proof(old.size, newest.size)), note)
    try:
        proof.verify(old, desk.ledger.key)
    except NotVerified as error:
        where = desk.ledger.where if isinstance(since, int) else str(since)
        raise Tampered(
            f"ledger does not begin with the tree of this checkpoint of {old.size} entries",
            where=where,
            got=str(error),
            remedy=_FSCK,
        ) from error
    return Growth(old, newest, proof.to_bytes())


def _signed(desk: Desk, size: int, newest: Checkpoint) -> Checkpoint:
    """The ledger's own checkpoint of that size."""
    if size < 1:
        raise UsageError("size of a checkpoint is not usable", got=str(size), expected="1 or more")
    if size > newest.size:
        raise NotFound(f"there is no checkpoint of size {size}", where=desk.ledger.where, got=f"{newest.size} entries")
    return open_checkpoint(desk.ledger.checkpoint_at(size), desk.ledger.key)


def _kept(desk: Desk, path: Path, newest: Checkpoint) -> Checkpoint:
    """A checkpoint from elsewhere, which the ledger must not be shorter than."""
    try:
        old = open_checkpoint(read_small(path), desk.ledger.key)
    except NotVerified as error:
        raise InvalidInput("not a checkpoint of this ledger", where=str(path), got=str(error)) from error
    if not old.size:
        raise InvalidInput("a checkpoint of no entries proves nothing", where=str(path))
    if old.size > newest.size:
        raise Tampered(
            "ledger is shorter than a checkpoint that it signed",
            where=str(path),
            expected=f"{old.size} entries or more",
            got=str(newest.size),
        )
    return old

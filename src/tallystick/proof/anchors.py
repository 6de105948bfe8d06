"""Checkpoints that somebody kept elsewhere, and what they say about the one in hand.

Whoever holds the ledger's key can make a whole history anew, good in itself; only a checkpoint from before, kept where
they cannot reach it, shows that. It protects the entries it counts and none after them.

Two checkpoints agree if one tree begins with the other. That is shown by the leaves themselves, by a consistency proof
between the two, or by one from each of them to the same third checkpoint: two beginnings of one tree cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from tallystick.errors import InvalidInput, NotVerified
from tallystick.proof.consistency import Link
from tallystick.proof.merkle import root
from tallystick.proof.note import Checkpoint

__all__ = ["NO_ANCHORS", "Anchors", "Outcome", "compare", "fork"]

Outcome = Literal["ok", "failed", "unknown"]


@dataclass(frozen=True)
class Anchors:
    """What the caller holds from elsewhere."""

    kept: tuple[Checkpoint, ...] = ()
    """Opened with the ledger's key."""
    proofs: tuple[bytes, ...] = field(default=(), repr=False)
    """Consistency proofs as files, for where the file in hand does not link the two by itself."""
    required: bool = False
    """Whether an answer without any anchor is none."""
    unopened: tuple[str, ...] = ()
    """What was given as a checkpoint and is none under this key, in words: nothing can be compared with it."""


NO_ANCHORS: Final = Anchors()


def compare(
    checkpoint: Checkpoint, anchor: Checkpoint, *, leaves: Sequence[bytes] | None = None, links: Sequence[Link] = ()
) -> tuple[Outcome, str]:
    """Hold a checkpoint against one that was kept elsewhere: the outcome, and a line about it.

    Args:
        checkpoint: the one in hand.
        anchor: the one from elsewhere.
        leaves: all leaf hashes of the tree in hand, if there.
        links: consistency proofs to checkpoints that the ledger signed.

    Raises:
        InvalidInput: the anchor is of another ledger.
    """
    if anchor.origin != checkpoint.origin:
        raise InvalidInput("anchor is of another ledger", expected=checkpoint.origin, got=anchor.origin)
    sizes = f"size {anchor.size} kept elsewhere, size {checkpoint.size} here"
    if anchor.size == 0:
        return "unknown", f"the checkpoint from elsewhere proves nothing, being empty ({sizes})"
    try:
        linked = bool(set(_later(anchor, links)) & set(_later(checkpoint, links)))
    except NotVerified as error:
        return "failed", f"{error} ({sizes})"
    if anchor.size == checkpoint.size:
        same = anchor.root == checkpoint.root
        return "ok" if same else "failed", f"{'the same' if same else 'another'} root ({sizes})"
    if leaves is not None and anchor.size < checkpoint.size:
        linked = root(leaves[: anchor.size]) == anchor.root
        if not linked:
            return "failed", f"the ledger does not begin with the tree from elsewhere ({sizes})"
    if not linked:
        return "unknown", _not_linked(anchor, checkpoint, links)
    if anchor.size > checkpoint.size:
        return "ok", f"the tree from elsewhere begins with the ledger here ({sizes})"
    return "ok", f"the ledger begins with the tree from elsewhere ({sizes})"


def _later(tree: Checkpoint, links: Sequence[Link]) -> list[Checkpoint]:
    """The tree, and every signed one that the links show it to begin.

    Raises:
        NotVerified: a link from one of them does not hold.
    """
    found = [tree]
    for earlier in found:
        for link in links:
            if link.old == earlier.size:
                link.check(earlier)
                found += [link.new] if link.new not in found else []
    return found


def _not_linked(anchor: Checkpoint, checkpoint: Checkpoint, links: Sequence[Link]) -> str:
    here, there = checkpoint.size, anchor.size
    given = ", ".join(f"{link.old} to {link.new.size}" for link in links[-3:])
    what = f"the proofs at hand, such as {given}, do not link" if links else "nothing here links"
    return (
        f"{what} size {there}, kept elsewhere, and size {here}, here: ask for `tallystick ledger prove --from {there}` "
        f"and `--from {here}`, and give both with --consistency"
    )


def fork(checkpoints: Iterable[Checkpoint]) -> int | None:
    """The size at which two of these signed checkpoints have different roots: proof that two histories were shown."""
    roots: dict[int, bytes] = {}
    return next((one.size for one in checkpoints if roots.setdefault(one.size, one.root) != one.root), None)

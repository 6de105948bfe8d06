"""The Merkle tree of RFC 6962, section 2.1, and its proofs (verified as RFC 9162, sections 2.1.3.2 and 2.1.4.2, say).

Rules:

* A tree of n leaves splits at the largest power of two below n. A lone node is never doubled.
* Nothing here holds a tree. Whoever does hands in ``nodes(level, index)``: the hash of the perfect subtree over leaves
  ``index * 2**level`` up to ``(index + 1) * 2**level``, level 0 being leaf hashes. Complete subtrees never change, so
  they can be stored once and for all; :func:`completed` says which ones a new leaf completes.
* A proof with hashes left over or missing, or with hashes that are not 32 bytes, is refused: one proof has one
  spelling.
* Consistency with the empty tree proves nothing and is refused; "no earlier checkpoint" is the caller's case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from tallystick.errors import InvalidInput, Malformed, Tampered

__all__ = [
    "EMPTY_ROOT",
    "Frontier",
    "Nodes",
    "completed",
    "consistency_proof",
    "inclusion_proof",
    "node_hash",
    "root",
    "root_of",
    "verify_consistency",
    "verify_inclusion",
]

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

Nodes = Callable[[int, int], bytes]
"""(level, index) to the hash of that perfect subtree."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes: log2(n) hashes are held at a time."""
    peaks: list[tuple[int, bytes]] = []
    for leaf in leaf_hashes:
        level, current = 0, leaf
        while peaks and peaks[-1][0] == level:
            current = node_hash(peaks.pop()[1], current)
            level += 1
        peaks.append((level, current))
    return _fold([peak for _, peak in peaks])


def _fold(peaks: list[bytes]) -> bytes:
    """Perfect subtrees of falling size, joined from the right."""
    if not peaks:
        return EMPTY_ROOT
    current = peaks[-1]
    for left in reversed(peaks[:-1]):
        current = node_hash(left, current)
    return current


class Frontier:
    """The perfect subtrees at the right edge of a growing tree: log2(size) hashes, enough to append."""

    def __init__(self, size: int = 0, nodes: Nodes | None = None) -> None:
        """The frontier of an empty tree, or of the first ``size`` leaves of the tree that ``nodes`` tells of."""
        self.size = size
        self._peaks: dict[int, bytes] = {}
        """By level."""
        if size and nodes is not None:
            self._peaks = {
                level: nodes(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1
            }

    def add(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Append a leaf hash; (level, index, hash) of the subtrees it completes, lowest first."""
        done = []
        level, current = 0, leaf
        while (left := self._peaks.pop(level, None)) is not None:
            current = hashlib.sha256(b"\x01" + left + current).digest()
            level += 1
            done.append((level, self.size >> level, current))
        self._peaks[level] = current
        self.size += 1
        return done

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[int, int, list[bytes]]]:
        """Append leaf hashes; by level: (level, index of the first, hashes) of the subtrees that they complete."""
        done = []
        level, index, nodes = 0, self.size, list(leaves)
        self.size += len(nodes)
        while nodes:
            if index & 1:  # the left half of the first pair was there before
                nodes.insert(0, self._peaks.pop(level))
            if len(nodes) & 1:
                self._peaks[level] = nodes.pop()
            halves = iter(nodes)
            nodes = [hashlib.sha256(b"\x01" + left + next(halves)).digest() for left in halves]
            level, index = level + 1, index >> 1
            if nodes:
                done.append((level, index, nodes))
                nodes = nodes.copy()
        return done

    def root(self) -> bytes:
        return _fold([self._peaks[level] for level in sorted(self._peaks, reverse=True)])

    def copy(self) -> Frontier:
        other = Frontier(self.size)
        other._peaks = dict(self._peaks)
        return other


def completed(size: int) -> list[tuple[int, int]]:
    """(level, index) of the perfect subtrees, level 1 and up, that leaf number ``size - 1`` completes, lowest first."""
    if size < 1:
        raise InvalidInput("a tree with a last leaf has a size of 1 or more", got=str(size))
    found = []
    level, count = 1, size
    while count % 2 == 0:
        count //= 2
        found.append((level, count - 1))
        level += 1
    return found


def root_of(size: int, nodes: Nodes) -> bytes:
    """The root of the tree of the first ``size`` leaves."""
    return _hash_of(0, size, nodes) if size else EMPTY_ROOT


def _hash_of(start: int, end: int, nodes: Nodes) -> bytes:
    """MTH over leaves start to end. The splits of the RFC keep ``start`` a multiple of every subtree's size."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(nodes(level, start >> level))
        start += 1 << level
    return _fold(peaks)


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The audit path of a leaf, from its sibling up: PATH(m, D[n]) of RFC 6962, section 2.1.1."""
    if not 0 <= index < size:
        raise InvalidInput("no such leaf in that tree", expected=f"0 to {size - 1}", got=str(index))
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_hash_of(middle, end, nodes))
            end = middle
        else:
            path.append(_hash_of(start, middle, nodes))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """That the tree of ``new`` leaves begins with the tree of ``old``: SUBPROOF of RFC 6962, section 2.1.2."""
    if not 0 < old <= new:
        raise InvalidInput("no consistency proof between these sizes", expected="0 < old <= new", got=f"{old}, {new}")
    path = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_hash_of(middle, end, nodes))
            end = middle
        else:
            path.append(_hash_of(start, middle, nodes))
            start = middle
    if start > 0:
        path.append(_hash_of(start, end, nodes))
    return path[::-1]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that ``leaf`` (a leaf hash) is leaf number ``index`` of the tree of ``size`` leaves with that root.

    Raises:
        Malformed: an index outside the tree, a hash that is not 32 bytes, too many or too few hashes.
        Tampered: the proof leads to another root.
    """
    if not 0 <= index < size:
        raise Malformed("inclusion proof is for a leaf outside the tree", expected=f"below {size}", got=str(index))
    _check_lengths([leaf, root, *proof])
    here, last, current = index, size - 1, leaf
    for sibling in proof:
        _check_not_done(last)
        if here & 1 or here == last:
            current = node_hash(sibling, current)
            here, last = _up_past_lone(here, last)
        else:
            current = node_hash(current, sibling)
        here, last = here >> 1, last >> 1
    _check_done(last)
    if current != root:
        raise Tampered("inclusion proof leads to another root", expected=root.hex(), got=current.hex())


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree of ``new`` leaves is the tree of ``old`` leaves with more added.

    Raises:
        Malformed: sizes that are not 0 < old <= new, a hash that is not 32 bytes, too many or too few hashes.
        Tampered: the proof leads to another old or new root.
    """
    if not 0 < old <= new:
        raise Malformed("no consistency between these sizes", expected="0 < old <= new", got=f"{old}, {new}")
    _check_lengths([old_root, new_root, *proof])
    if old == new:
        _check_same_tree(proof, old_root, new_root)
        return
    old_sum, new_sum = _sums(old, new, list(proof), old_root)
    if old_sum != old_root:
        raise Tampered("consistency proof leads to another old root", expected=old_root.hex(), got=old_sum.hex())
    if new_sum != new_root:
        raise Tampered("consistency proof leads to another new root", expected=new_root.hex(), got=new_sum.hex())


def _sums(old: int, new: int, proof: list[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    """The roots that a consistency proof leads to."""
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    # Where the old tree is a perfect subtree of the new, its root is known and left out of the proof.
    old_sum = new_sum = old_root if here == 0 else _first(proof)
    for sibling in proof:
        _check_not_done(last)
        if here & 1 or here == last:
            old_sum, new_sum = node_hash(sibling, old_sum), node_hash(sibling, new_sum)
            here, last = _up_past_lone(here, last)
        else:
            new_sum = node_hash(new_sum, sibling)
        here, last = here >> 1, last >> 1
    _check_done(last)
    return old_sum, new_sum


def _check_same_tree(proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    if proof:
        raise Malformed("proof has too many hashes", expected="none between equal sizes", got=str(len(proof)))
    if old_root != new_root:
        raise Tampered("two trees of one size have different roots", expected=old_root.hex(), got=new_root.hex())


def _up_past_lone(here: int, last: int) -> tuple[int, int]:
    """Past the levels where the node has no sibling and is carried up as it is."""
    while not here & 1 and here:
        here, last = here >> 1, last >> 1
    return here, last


def _first(proof: list[bytes]) -> bytes:
    if not proof:
        raise Malformed("proof has too few hashes")
    return proof.pop(0)


def _check_lengths(hashes: Sequence[bytes]) -> None:
    if any(len(item) != 32 for item in hashes):
        raise Malformed("proof holds a hash that is not 32 bytes")


def _check_not_done(last: int) -> None:
    if last == 0:
        raise Malformed("proof has too many hashes")


def _check_done(last: int) -> None:
    if last != 0:
        raise Malformed("proof has too few hashes")

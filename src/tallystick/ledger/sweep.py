"""The quick way through a stretch of entries: all is as it should be, or something is not.

It derives what :mod:`tallystick.ledger.fsck` promises, without finding out what is wrong and where: :class:`Irregular`
says that the slow way has to. Stretches are independent of each other, so that several processes can share a ledger:

* A stretch begins with the stored subtrees to its left, and with the stored leaf hash before it. Another stretch, the
  one that holds their last leaf, compares each of them with what the bytes give. The first stretch begins with
  nothing; so, once all stretches hold, by induction every subtree, link and root follows from the bytes.
* Memory does not grow with the ledger: a page of rows, log2(size) hashes, and the digests of attachments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final

from tallystick.canonical import digest
from tallystick.errors import NewerFormat, NotVerified
from tallystick.ledger.reading import Rows, checked_part, required_links
from tallystick.ledger.store import Store, in_order
from tallystick.proof.merkle import Frontier
from tallystick.proof.note import VerifierKey, open_checkpoint
from tallystick.records import FIRST_PREV, Entry, Ref, entry_value, holds_reference

__all__ = ["Irregular", "Swept", "attachments", "sweep"]

PAGE: Final = 1000
_ROWS: Final = (
    "SELECT seq, leaf, prev, kind, actor, recorded_at, idempotency_key, bytes FROM entries"
    " WHERE seq >= ? AND seq < ? ORDER BY seq"
)
_SAID: Final = itemgetter("seq", "prev", "kind", "actor", "recorded_at")


class Irregular(Exception):
    """Something does not hold; what, and where, is to be found out."""


@dataclass
class Swept:
    """What was met on the way: to be counted against what is stored, and told."""

    checkpoints: int = 0
    links: int = 0
    side_values: int = 0
    attachments: dict[bytes, int] = field(default_factory=dict)
    """Digest to size, as entries name them."""
    notes: list[tuple[int, str, str]] = field(default_factory=list)
    """(entry, what, detail): no problems, but worth knowing."""

    def add(self, other: Swept) -> None:
        """Join what the next stretch met."""
        self.checkpoints += other.checkpoints
        self.links += other.links
        self.side_values += other.side_values
        for digested, size in other.attachments.items():
            self.name(digested, size)
        self.notes += other.notes

    def name(self, digested: bytes, size: int) -> None:
        _must(self.attachments.setdefault(digested, size) == size)


def _must(holds: bool) -> None:
    if not holds:
        raise Irregular


def sweep(store: Store, key: VerifierKey, start: int, stop: int, *, root: bytes | None = None) -> Swept:
    """Go through entries ``start`` up to (not including) ``stop``, and the checkpoints of sizes above ``start`` up to
    ``stop``.

    Args:
        key: what checkpoints are judged by.
        root: of the first ``start`` entries, where that is known from a source that is trusted.

    Raises:
        Irregular: something does not hold.
    """
    try:
        return _Sweep(store, key, start, root).to(stop)
    except (NotVerified, NewerFormat, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Irregular from error


class _Sweep(Rows):
    def __init__(self, store: Store, key: VerifierKey, start: int, root: bytes | None) -> None:
        super().__init__(store)
        self._key = key
        self._seq = start
        self._met = Swept()
        self._frontier = Frontier(start, self.node)
        _must(root is None or self._frontier.root() == root)
        before = self._one("SELECT leaf, recorded_at FROM entries WHERE seq = ?", start - 1)
        _must((before is None) == (start == 0))
        self._leaf: bytes
        self._clock: str
        self._leaf, self._clock = before or (bytes.fromhex(FIRST_PREV), "")
        (self._signed,) = self._one("SELECT coalesce(max(size), 0) FROM checkpoints WHERE size <= ?", start)

    def to(self, stop: int) -> Swept:
        while self._seq < stop:
            self._page(min(self._seq + PAGE, stop))
        return self._met

    def _page(self, stop: int) -> None:
        start = self._seq
        rows = self._all(_ROWS, start, stop)
        _must(len(rows) == stop - start)
        self._links(start, stop, [target for row in rows for target in self._row(*row)])
        leaves = [sha256(b"\x00" + row[-1]).digest() for row in rows]
        _must([row[1] for row in rows] == leaves)
        _must([row[2] for row in rows] == [self._leaf, *leaves[:-1]])
        self._leaf = leaves[-1]
        heads = self._all(
            "SELECT size, previous, root, note FROM checkpoints WHERE size > ? AND size <= ? ORDER BY size", start, stop
        )
        for size, previous, root, note in heads:
            self._grow(leaves[self._frontier.size - start : size - start])
            self._head(size, previous, root, note)
        self._grow(leaves[self._frontier.size - start :])

    def _row(
        self,
        seq: int,
        _leaf: bytes,
        prev: bytes,
        kind: str,
        actor: str,
        at: str,
        key: str | None,
        raw: bytes,
    ) -> Iterable[tuple[int, int]]:
        """The hot loop: what the bytes say against the columns. Hashes are compared by the page. The links it needs."""
        value = entry_value(raw)
        if (
            seq != self._seq
            or _SAID(value) != (seq, prev.hex(), kind, actor, at)
            or value.get("idempotency_key") != key
            or (kind == "ledger") != (seq == 0)
        ):
            raise Irregular
        self._seq += 1
        if at < self._clock:
            self._met.notes.append((seq, "the ledger's clock stepped back", f"{self._clock} to {at}"))
        self._clock = at
        if "attachments" in value or "personal" in value:
            self._parts(Entry.of(raw, value))
        if "supersedes" in value or holds_reference(raw):
            return self._targets(Entry.of(raw, value))
        return ()

    def _links(self, start: int, stop: int, targets: list[tuple[int, int]]) -> None:
        found = self._all("SELECT seq, target_seq FROM links WHERE seq >= ? AND seq < ? ORDER BY 1, 2", start, stop)
        _must(found == targets)
        self._met.links += len(found)

    def _targets(self, entry: Entry) -> list[tuple[int, int]]:
        demanded, all_ = required_links(entry)
        there = {ref for ref in all_ if self._leads_back(ref, entry.seq)}
        _must(demanded <= there)
        return sorted({(entry.seq, ref.seq) for ref in there})

    def _leads_back(self, ref: Ref, seq: int) -> bool:
        return ref.seq < seq and self.leads(ref)

    def _grow(self, leaves: list[bytes]) -> None:
        for level, index, nodes in self._frontier.extend(leaves):
            stored = self._all(
                "SELECT hash FROM nodes WHERE level = ? AND position >= ? AND position < ? ORDER BY position",
                level,
                index,
                index + len(nodes),
            )
            _must([node for (node,) in stored] == nodes)

    def _head(self, size: int, previous: int, root: bytes, note: bytes) -> None:
        _must(previous == self._signed and size == self._frontier.size)
        signed = open_checkpoint(note, self._key)
        _must(signed.size == size and signed.root == root == self._frontier.root())
        self._signed = size
        self._met.checkpoints += 1

    # ----------------------------------------------------------------- beside the entries

    def _parts(self, entry: Entry) -> None:
        for line in entry.attachments:
            if "sha256" in line:
                self._met.name(bytes.fromhex(line["sha256"]), line["size"])
        erasable = [line for line in (*entry.attachments, *entry.personal) if "hmac_sha256" in line]
        if erasable:
            self._side_values(entry, erasable)

    def _side_values(self, entry: Entry, lines: Iterable[Mapping[str, Any]]) -> None:
        found = self._all("SELECT name, salt, bytes FROM side_values WHERE seq = ?", entry.seq)
        stored = {name: (salt, data) for name, salt, data in found}
        for line in lines:
            if line["name"] in stored:
                checked_part(entry, line, *stored.pop(line["name"]))
                self._met.side_values += 1
            else:
                self._met.notes.append((entry.seq, "value was erased", line["name"]))
        _must(not stored)


def attachments(store: Store, named: Iterable[bytes] | None = None) -> dict[bytes, int]:
    """Digest to size of the attachments that are stored, each found to be that of its bytes: all, or those named.

    Raises:
        Irregular: bytes of another digest, or one of those named is missing.
    """
    there: dict[bytes, int] = {}
    wanted = _stored(store) if named is None else iter(named)
    for digested in wanted:
        row = store.one("SELECT size, bytes FROM attachments WHERE sha256 = ?", digested)
        _must(row is not None and digest(row[1]) == digested.hex())
        there[digested] = row[0]
    return there


def _stored(store: Store) -> Iterable[bytes]:
    last = b""
    while page := store.all("SELECT sha256 FROM attachments WHERE sha256 > ? ORDER BY sha256 LIMIT ?", last, PAGE):
        yield from (digested for (digested,) in in_order(page, last, where=store.where))
        last = page[-1][0]

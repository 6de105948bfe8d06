"""The ledger: created whole, opened, and appended to in transactions that end with a signed checkpoint.

What an append does, and what a crash leaves:

1. Wait for the writers' turn, then begin a transaction. A crash here leaves nothing.
2. Take the head: the last checkpoint. If it is not the one that this very object signed, its signature, its size and
   its root are checked against the stored tree: a tree that does not extend what was signed is never signed.
3. For each draft: seal its bytes with ``seq``, ``prev`` and the time; insert them, what stands beside them, and the
   nodes that they complete.
4. Sign one checkpoint over the new tree and insert it: UNIQUE(previous) makes this a compare-and-swap.
5. COMMIT, which syncs. A crash before its end leaves the ledger as it was; the next to open it rolls back.
6. Only now are receipts given out: what is not durable is never shown.

If the answer to a commit is lost, the next connection looks whether the checkpoint is there: it commits to every byte
that was appended, so that it stands for the whole transaction.

The ledger decides nothing about what may be recorded beyond the table of kinds and that references lead somewhere.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from tallystick.canonical import Value, decode, digest, encode
from tallystick.errors import (
    CommitUnknown,
    InvalidInput,
    InvalidRecord,
    KeyUnavailable,
    NotVerified,
    Tampered,
    Unavailable,
    UsageError,
)
from tallystick.ledger.places import Place, connect, laid_out
from tallystick.ledger.reading import Reader, extends, required_links
from tallystick.ledger.store import PATIENCE, Store
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.proof.keys import Signer
from tallystick.proof.merkle import Frontier
from tallystick.proof.note import Checkpoint, VerifierKey, open_checkpoint, sign_note
from tallystick.proof.receipt import Receipt
from tallystick.records import FIRST_PREV, Draft, Entry, Ref, holds_reference

__all__ = ["BATCH", "Appended", "Ledger", "Writer", "extends"]

BATCH: Final = 1000
"""Entries under one checkpoint, where many are appended at once."""
_FLUSH: Final = 250
"""Entries that are inserted together."""

_LEAVES: Final = "SELECT leaf FROM entries WHERE seq >= ? ORDER BY seq"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True)
class Appended:
    """The place an entry got. Until the writing ends well, it is a promise."""

    seq: int
    leaf: bytes
    entry: Entry
    repeated: bool = False
    """Whether the same request had been recorded before: then this is that entry."""

    @property
    def ref(self) -> Ref:
        return self.entry.ref


@dataclass(frozen=True)
class _Head:
    """Where the ledger ends: all that the next append needs to know of what is before it."""

    note: bytes
    """The checkpoint; empty before the first."""
    frontier: Frontier
    prev: str
    """Leaf hash of the last entry, in hex."""


_BEGINNING: Final = _Head(b"", Frontier(), FIRST_PREV)


class Ledger(Reader):
    """A ledger, opened. Use it as a context manager, or close it. It belongs to the thread that opened it."""

    def __init__(self, store: Store, *, signer: Signer | None = None) -> None:
        super().__init__(store)
        self._signer = signer
        self._writing = False
        self._head: _Head | None = None
        """The head that this object signed last; never trusted unless it is still the stored one."""
        if signer is not None and signer.public != self.key.public:
            raise KeyUnavailable(
                "this key does not sign this ledger's checkpoints",
                where=self.where,
                expected=self.key.public.fingerprint,
                got=signer.public.fingerprint,
            )

    @classmethod
    def create(
        cls,
        place: Place,
        *,
        origin: str,
        signer: Signer,
        first: Sequence[Draft],
        now: str,
        patience: float = PATIENCE,
    ) -> Ledger:
        """Make a new ledger that begins with ``first``, all under one checkpoint, and open it.

        Args:
            place: a path (the folder is made if need be, an existing file is never touched), or the URL of a
                database that holds no ledger.
            origin: the ledger's name, `<name>/<uuid>`.
            signer: the Ed25519 key of its checkpoints.
            first: the first entries; the very first is of kind ``ledger``.
            now: their ``recorded_at``.

        Raises:
            Refused: something is there.
            InvalidRecord: a draft that cannot stand, or a first one that does not name this origin and key.
        """
        key = VerifierKey(origin, signer.public)
        _check_genesis(first, key)
        with laid_out(place) as store:
            writer = Writer(store, key=key, signer=signer, now=lambda: now, head=_BEGINNING)
            for draft in first:
                writer.append(draft)
            writer.sign()
        return cls.open(place, signer=signer, patience=patience)

    @classmethod
    def open(
        cls, place: Place, *, signer: Signer | None = None, read_only: bool = False, patience: float = PATIENCE
    ) -> Ledger:
        """Open an existing ledger.

        Args:
            place: its path, or its URL.
            signer: the key of its checkpoints; without it, reading only.
            read_only: never write, even with a signer.
            patience: seconds to wait for other writers.

        Raises:
            NotFound: nothing there. InvalidInput: not a ledger. NewerFormat: of a later version.
            KeyUnavailable: the signer is not the one that entry 0 names.
        """
        store = connect(place, writing=signer is not None and not read_only, patience=patience)
        try:
            return cls(store, signer=None if read_only else signer)
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def writing(self, *, now: Callable[[], str]) -> Iterator[Writer]:
        """One transaction, one sync and one checkpoint for all that is appended inside; an exception undoes it all.

        Nobody else writes meanwhile, so that what is read inside still holds when the entries are recorded.

        Args:
            now: the ledger's clock, asked once for each entry; a step back is recorded as it is.

        Raises:
            LedgerBusy: another process writes for longer than the patience given at opening.
            KeyUnavailable: the ledger was opened without its key.
            Tampered: the stored tree is not what the last checkpoint signed; nothing is added to it.
        """
        signer = self._must_be_writable()
        self._writing = True
        try:
            with self._turn():
                head = self._checked_head()
                writer = Writer(self._store, key=self.key, signer=signer, now=now, head=head)
                try:
                    yield writer
                    writer.sign()
                finally:
                    writer.finish()
        except CommitUnknown as unknown:
            self._look_for(head, writer.head, unknown)
        finally:
            self._writing = False
        self._head = writer.head
        writer.release()

    def append_many(
        self, drafts: Iterable[Draft], *, now: Callable[[], str], batch: int = BATCH
    ) -> Iterator[list[Appended]]:
        """Append drafts that are too many for one transaction: each list that comes out is durable, with a checkpoint
        of its own. What fails stops the stream and undoes its batch only; idempotency keys make a second run safe.
        """
        stream = iter(drafts)
        while waiting := list(itertools.islice(stream, batch)):
            with self.writing(now=now) as writer:
                done = [writer.append(draft) for draft in waiting]
            yield done

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._store.failed:
            self._renew()
        with self._store.turn():
            yield

    def _renew(self) -> None:
        """A new connection in place of one that failed."""
        successor = self._store.successor()
        if successor is None:
            raise Unavailable(
                "ledger is not written to after an error of the disk",
                where=self.where,
                remedy="See to the disk, then open the ledger again.",
            )
        self._store.close()
        self._store = successor

    def _look_for(self, before: _Head, after: _Head, unknown: CommitUnknown) -> None:
        """After a commit whose answer was lost: fine if the checkpoint that it added is there.

        Raises:
            CommitUnknown: that cannot be told. Unavailable: it is not there; nothing was recorded.
        """
        if after.note == before.note:  # nothing was appended by which to tell
            raise unknown
        if not self._finds(after, unknown):
            raise Unavailable(
                "connection was lost and the transaction undone",
                where=self.where,
                remedy="Nothing was recorded; try again.",
            )

    def _finds(self, head: _Head, unknown: CommitUnknown) -> bool:
        try:
            successor = self._store.successor()
            if successor is None:
                raise unknown
            self._store.close()
            self._store = successor
            with self._store.turn():
                found = self._one("SELECT note FROM checkpoints WHERE size = ?", head.frontier.size)
        except Unavailable as error:  # "nothing was recorded" would be of this asking, not of what is asked
            raise unknown from error
        return found is not None and found[0] == head.note

    def scrub(self) -> None:
        """Rewrite the file, so that nothing of erased values remains in its free space. Nothing else changes.

        Takes time and temporary space by the size of the ledger, while writers wait.

        Raises:
            LedgerBusy, KeyUnavailable: as :meth:`writing`.
            Unavailable: not enough space; the ledger is as it was.
        """
        self._must_be_writable()
        self._store.scrub()

    def _must_be_writable(self) -> Signer:
        if self._signer is None:
            raise KeyUnavailable(
                "ledger was opened without its checkpoint key",
                where=self.where,
                expected=self.key.public.fingerprint,
            )
        if self._writing:
            raise UsageError("this ledger is being written to already", where=self.where)
        return self._signer

    def _checked_head(self) -> _Head:
        """The last checkpoint, of all the entries, and of the tree as it is stored: by memory, or by its signature.

        A ledger that went back behind what this object has appended or seen, as after the restoring of a copy or the
        failover to a standby, is not written to: that would sign another history of the same entries.
        """
        known = self._head
        row = self._one(
            "SELECT note, (SELECT max(seq) FROM entries), (SELECT leaf FROM entries WHERE seq = ?)"
            " FROM checkpoints ORDER BY size DESC LIMIT 1",
            known.frontier.size - 1 if known else 0,
        )
        if row is None or row[1] is None:
            raise Tampered("ledger has no checkpoint", where=self.where)
        note, size, there = row[0], row[1] + 1, row[2]
        if known is not None and (note, size) == (known.note, known.frontier.size):
            return known
        if known is not None and there != bytes.fromhex(known.prev):
            raise Tampered(
                "ledger went back behind what was recorded through this connection",
                where=self.where,
                expected=f"entry {known.frontier.size - 1} with leaf {known.prev[:16]}",
                got=f"{size} entries, and not that one",
                remedy="An older copy was put in its place: acknowledged entries are missing. Compare the receipts.",
            )
        signed = self._opened(note)
        if signed.size != size:
            raise self._not_as_signed("end where its last checkpoint does", f"{signed.size} entries", f"{size}")
        frontier = self._frontier(size)
        if frontier.root() != signed.root:
            raise self._not_as_signed(
                "hold the tree that its last checkpoint signed", f"root {signed.root.hex()}", frontier.root().hex()
            )
        return _Head(note, frontier, self.node(0, size - 1).hex())

    def _frontier(self, size: int) -> Frontier:
        """Of all entries: what others appended since our last time, on top of what we know; or from stored nodes."""
        if self._head is None or not 0 <= size - self._head.frontier.size <= BATCH:
            return Frontier(size, self.node)
        frontier = self._head.frontier.copy()
        frontier.extend([leaf for (leaf,) in self._all(_LEAVES, frontier.size)])
        return frontier

    def _opened(self, note: bytes) -> Checkpoint:
        try:
            return open_checkpoint(note, self.key)
        except NotVerified as error:
            raise self._not_as_signed("end with a checkpoint that it signed", str(self.key), str(error)) from error

    def _not_as_signed(self, what: str, expected: str, got: str) -> Tampered:
        return Tampered(
            f"ledger does not {what}",
            where=self.where,
            expected=expected,
            got=got,
            remedy="See `tallystick ledger fsck`.",
        )


class Writer(Reader):
    """Appends within one transaction; made by :meth:`Ledger.writing`. Reads see its own appends."""

    def __init__(self, store: Store, *, key: VerifierKey, signer: Signer, now: Callable[[], str], head: _Head) -> None:
        super().__init__(store, key=key)
        self.head = head
        """Where the ledger ended at the last checkpoint."""
        self._signer = signer
        self._now = now
        self._open = True
        self._released = False
        self._half_done = False
        """Inserts failed: the whole writing has to be undone, also if the caller went on."""
        self._frontier = head.frontier.copy()
        """Of the entries that are inserted; others wait."""
        self._next = self._frontier.size
        self._prev = head.prev
        self._appended: list[Appended] = []
        self._waiting = _Waiting()

    def append(self, draft: Draft) -> Appended:
        """Give a draft its place.

        A draft with an idempotency key that its actor used before gets the first entry back, if it says the same.

        Raises:
            InvalidRecord: the table of kinds does not allow it, or a reference leads nowhere.
            InvalidInput: its idempotency key was used for something else.
        """
        self._must_be_open()
        appended = self._repetition(draft) or self._record(draft)
        self._appended.append(appended)
        return appended

    @property
    def spoilt(self) -> bool:
        """Whether an insert failed, so that the writing can only be undone."""
        return self._half_done

    @property
    def receipts(self) -> list[Receipt]:
        """A receipt for each append, in order, under the checkpoint that ended this writing.

        Raises:
            UsageError: the writing has not ended, or not well.
        """
        self._must_be_released()
        size, note = self.head.frontier.size, self.checkpoint
        return [
            Receipt(item.entry.raw, item.seq, tuple(self.inclusion_proof(item.seq, size)), note)
            for item in self._appended
        ]

    @property
    def checkpoint(self) -> bytes:
        """The signed note that ended this writing; the one before it, if nothing was appended.

        Raises:
            UsageError: as :attr:`receipts`.
        """
        self._must_be_released()
        return self.head.note

    def _must_be_released(self) -> None:
        if not self._released:
            raise UsageError("nothing is recorded yet: receipts come after the with block", where=self.where)

    def _must_be_open(self) -> None:
        if not self._open:
            raise UsageError("the writing has ended", where=self.where)
        if self._half_done:
            raise UsageError("an append failed half-way, the writing can only be undone", where=self.where)

    # ----------------------------------------------------------------- reading what was appended

    def _one(self, query: str, *values: object) -> Any:
        self._flush()
        return self._store.one(query, *values)

    def _all(self, query: str, *values: object) -> list[Any]:
        self._flush()
        return self._store.all(query, *values)

    def leads(self, ref: Ref) -> bool:
        place = ref.seq - self._frontier.size
        if 0 <= place < len(self._waiting.leaves):
            return self._waiting.leaves[place].hex() == ref.leaf
        return super().leads(ref)

    # ----------------------------------------------------------------- steps of an append

    def _record(self, draft: Draft) -> Appended:
        if (draft.kind == "ledger") != (self._next == 0):
            raise InvalidRecord("a ledger entry is always and only entry 0", got=f"{draft.kind} as entry {self._next}")
        entry = self._sealed(draft)
        if entry.kind == "key":
            self._check_key(entry)
        leaf, targets = entry.leaf, self._targets(entry)  # looking for targets may flush
        self._waiting.add(entry, leaf, targets)
        self._next += 1
        self._prev = leaf.hex()
        if draft.attachments or draft.personal:
            self._flush()
            self._insert_parts(entry.seq, draft)
        elif len(self._waiting.entries) >= _FLUSH:
            self._flush()
        return Appended(entry.seq, leaf, entry)

    def _flush(self) -> None:
        """Insert what waits."""
        waiting = self._waiting
        if not waiting.entries:
            return
        self._waiting = _Waiting()
        grown = self._frontier.extend(waiting.leaves)
        nodes = [(level, first + place, node) for level, first, done in grown for place, node in enumerate(done)]
        with self._all_or_nothing():
            self._store.many("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", waiting.entries)
            self._store.many("INSERT INTO nodes VALUES (?, ?, ?)", nodes)
            self._store.many("INSERT INTO links VALUES (?, ?)", waiting.links)

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        self._half_done = True
        yield
        self._half_done = False

    def _sealed(self, draft: Draft) -> Entry:
        """Read back from its bytes: what could not be read again is not recorded."""
        recorded_at = self._now()
        if not _TIME.fullmatch(recorded_at):
            raise InvalidInput("the clock's time is not in the ledger's form", got=repr(recorded_at)[:40])
        return draft.sealed(seq=self._next, prev=self._prev, recorded_at=recorded_at)

    def _check_key(self, entry: Entry) -> None:
        """A registration that breaks the chain of keys would stand there for ever, and nobody could act any more."""
        known = self.entries(kind=("ledger", "key"))
        try:
            KeyRing.of(Book([*known, entry], origin=self.origin))
        except NotVerified as error:
            raise InvalidRecord(f"key cannot be registered: {error.what}", got=error.got) from error

    def _targets(self, entry: Entry) -> list[int]:
        if entry.supersedes is None and not holds_reference(entry.raw):
            return []
        demanded, all_ = required_links(entry)
        for ref in sorted(demanded, key=lambda ref: ref.seq):
            if not self.leads(ref):
                raise InvalidRecord(
                    f"{entry.kind} record refers to an entry that is not there",
                    got=f"entry {ref.seq}, leaf {ref.leaf[:16]}",
                )
        return sorted({ref.seq for ref in all_ if self.leads(ref)})

    def _insert_parts(self, seq: int, draft: Draft) -> None:
        erasable = [(item.name, item.salt, item.data) for item in draft.attachments if item.salt is not None]
        erasable += [(item.name, item.salt, encode(item.text)) for item in draft.personal]
        with self._all_or_nothing():
            for item in draft.attachments:
                if item.salt is None:
                    self._store.run(
                        "INSERT INTO attachments VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                        bytes.fromhex(digest(item.data)),
                        len(item.data),
                        item.data,
                    )
            self._store.many(
                "INSERT INTO side_values VALUES (?, ?, ?, ?)",
                [(seq, name, salt, data) for name, salt, data in erasable],
            )

    # ----------------------------------------------------------------- idempotency

    def _repetition(self, draft: Draft) -> Appended | None:
        """The entry of the first request, if there was one: compared by what is stored, for a digest of the request
        beside the entry would outlive the erasure of its personal values, and could be guessed from.
        """
        key = draft.idempotency_key
        if not isinstance(key, str):  # what is something else is refused when the draft is sealed
            return None
        waiting = self._waiting.keys.get((draft.actor, key))
        row = waiting or self._store.one(
            "SELECT seq FROM entries WHERE actor = ? AND idempotency_key = ?", draft.actor, key
        )
        if row is None:
            return None
        entry = self.entry(row[0])
        if self._intent(entry) != draft.intent():
            raise InvalidInput(
                f"idempotency key {key[:40]!r} of {draft.actor} stands for something else",
                where=f"entry {entry.seq}",
                expected="what that entry says, its erasable values included",
                remedy="Use a new key for a new request.",
            )
        return Appended(entry.seq, entry.leaf, entry, repeated=True)

    def _intent(self, entry: Entry) -> bytes | None:
        """:meth:`Draft.intent` of a recorded entry; None once something of it was erased."""
        parts: list[Value] = []
        for line in entry.attachments:
            data = None if "sha256" in line else self.part(entry, line["name"])
            if data is None and "sha256" not in line:
                return None
            parts.append([line["name"], line["mediaType"], line["sha256"] if data is None else digest(data)])
        for line in entry.personal:
            text = self.personal(entry, line["name"])
            if text is None:
                return None
            parts.append([line["name"], "", text])
        plain = decode(entry.content(), what="entry")
        return encode(
            {"plain": {k: v for k, v in plain.items() if k not in ("attachments", "personal")}, "parts": parts}
        )

    # ----------------------------------------------------------------- erasing

    def erase(self, entry: Entry, name: str) -> bool:
        """Erase one erasable value and its salt; the entry stays. Whether there was anything to erase.

        Call :meth:`Ledger.scrub` once all is erased that has to be.
        """
        self._must_be_open()
        return self._store.run("DELETE FROM side_values WHERE seq = ? AND name = ?", entry.seq, name) > 0

    # ----------------------------------------------------------------- the head

    def sign(self) -> None:
        """Sign the tree as it is now, if it grew. It extends the last one signed, whose frontier it grew from."""
        self._must_be_open()
        self._flush()
        size, previous = self._frontier.size, self.head.frontier.size
        if size == previous:
            return
        head = Checkpoint(self.origin, size, self._frontier.root())
        note = sign_note(head.text(), self.origin, self._signer)
        self._store.run("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", size, previous, head.root, note)
        self.head = _Head(note, self._frontier.copy(), self._prev)

    def finish(self) -> None:
        """No more appends."""
        self._open = False

    def release(self) -> None:
        """The commit is durable: receipts may be shown."""
        self._released = True


class _Waiting:
    """Rows to be inserted together, and what has to be known of them until then."""

    def __init__(self) -> None:
        self.entries: list[tuple[object, ...]] = []
        self.links: list[tuple[int, int]] = []
        self.leaves: list[bytes] = []
        self.keys: dict[tuple[str, str], tuple[int]] = {}
        """Actor and idempotency key to the entry."""

    def add(self, entry: Entry, leaf: bytes, targets: list[int]) -> None:
        columns = (entry.kind, entry.actor, entry.recorded_at, entry.idempotency_key, entry.raw)
        self.entries.append((entry.seq, leaf, bytes.fromhex(entry.prev), *columns))
        self.links += [(entry.seq, target) for target in targets]
        self.leaves.append(leaf)
        if entry.idempotency_key is not None:
            self.keys[entry.actor, entry.idempotency_key] = (entry.seq,)


def _check_genesis(first: Sequence[Draft], key: VerifierKey) -> None:
    body = first[0].body if first else {}
    if not first or first[0].kind != "ledger":
        raise InvalidRecord("a ledger begins with an entry of kind ledger")
    for name, expected in (("origin", key.name), ("checkpoint_key", str(key))):
        if body.get(name) != expected:
            raise InvalidRecord(f"entry 0 names another {name}", expected=expected, got=str(body.get(name))[:80])

"""The ledger: created whole, opened, and appended to in transactions that end with a signed checkpoint.

What an append does, and what a crash leaves:

1. Queue at the lock file, then BEGIN IMMEDIATE. A crash here leaves nothing.
2. Check the head: the last checkpoint's signature, its size and its root against the stored tree.
   A tree that does not extend what was signed is never signed.
3. For each draft: seal its bytes with ``seq``, ``prev`` and the time; insert them, what stands beside them, and the
   nodes that they complete.
4. Sign one checkpoint over the new tree and insert it: UNIQUE(previous) makes this a compare-and-swap.
5. COMMIT, which syncs. A crash before its end leaves the ledger as it was; the next to open it rolls back.
6. Only now are receipts given out: what is not durable is never shown.

The ledger decides nothing about what may be recorded beyond the table of kinds and that references lead somewhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tallystick.canonical import Value, decode, digest, encode
from tallystick.errors import InvalidInput, InvalidRecord, KeyUnavailable, Malformed, NotVerified, Tampered, UsageError
from tallystick.ledger.database import PATIENCE, connect, laid_out, locked, rewrite, transaction, translated
from tallystick.ledger.reading import Reader, required_links
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.proof.keys import Signer
from tallystick.proof.merkle import completed, consistency_proof, node_hash, root_of, verify_consistency
from tallystick.proof.note import Checkpoint, VerifierKey, open_checkpoint, sign_note
from tallystick.proof.receipt import Receipt
from tallystick.records import FIRST_PREV, Draft, Entry, Ref

__all__ = ["Appended", "Ledger", "Writer", "extends"]

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


class Ledger(Reader):
    """A ledger file, opened. Use it as a context manager, or close it."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, *, signer: Signer | None = None, patience: float = PATIENCE
    ) -> None:
        super().__init__(path, connection, patience=patience)
        self._signer = signer
        self._writing = False
        if signer is not None and signer.public != self.key.public:
            raise KeyUnavailable(
                "this key does not sign this ledger's checkpoints",
                where=str(path),
                expected=self.key.public.fingerprint,
                got=signer.public.fingerprint,
            )

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        origin: str,
        signer: Signer,
        first: Sequence[Draft],
        now: str,
        patience: float = PATIENCE,
    ) -> Ledger:
        """Make a new ledger that begins with ``first``, all under one checkpoint, and open it.

        Args:
            path: where; the folder is made if need be, an existing file is never touched.
            origin: the ledger's name, `<name>/<uuid>`.
            signer: the Ed25519 key of its checkpoints.
            first: the first entries; the very first is of kind ``ledger``.
            now: their ``recorded_at``.

        Raises:
            Refused: something of that name is there.
            InvalidRecord: a draft that cannot stand, or a first one that does not name this origin and key.
        """
        target = Path(os.path.realpath(path))
        key = VerifierKey(origin, signer.public)
        _check_genesis(first, key)
        with laid_out(target) as connection, transaction(connection):
            writer = Writer(target, connection, key=key, signer=signer, now=lambda: now, genesis=True)
            for draft in first:
                writer.append(draft)
            writer.sign()
        return cls.open(target, signer=signer, patience=patience)

    @classmethod
    def open(
        cls, path: str | Path, *, signer: Signer | None = None, read_only: bool = False, patience: float = PATIENCE
    ) -> Ledger:
        """Open an existing ledger.

        Args:
            path: the file.
            signer: the key of its checkpoints; without it, reading only.
            read_only: never write, even with a signer.
            patience: seconds to wait for other processes.

        Raises:
            NotFound: no such file. InvalidInput: not a ledger. NewerFormat: of a later version.
            KeyUnavailable: the signer is not the one that entry 0 names.
        """
        target = Path(os.path.realpath(path))
        connection = connect(target, writing=signer is not None and not read_only, patience=patience)
        try:
            return cls(target, connection, signer=None if read_only else signer, patience=patience)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

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
        with self._alone(), translated(self.path, patience=self._patience):
            with transaction(self._connection):
                writer = Writer(
                    self.path, self._connection, key=self.key, signer=signer, now=now, patience=self._patience
                )
                try:
                    yield writer
                    writer.sign()
                finally:
                    writer.finish()
            writer.release()

    def scrub(self) -> None:
        """Rewrite the file, so that nothing of erased values remains in its free space. Nothing else changes.

        Takes time and temporary space by the size of the ledger, while writers wait.

        Raises:
            LedgerBusy, KeyUnavailable: as :meth:`writing`.
            Unavailable: not enough space; the ledger is as it was.
        """
        self._must_be_writable()
        with self._alone(), translated(self.path, patience=self._patience):
            rewrite(self._connection)

    def _must_be_writable(self) -> Signer:
        if self._signer is None:
            raise KeyUnavailable(
                "ledger was opened without its checkpoint key",
                where=str(self.path),
                expected=self.key.public.fingerprint,
            )
        if self._writing:
            raise UsageError("this ledger is being written to already", where=str(self.path))
        return self._signer

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self.path, patience=self._patience):
            self._writing = True
            try:
                yield
            finally:
                self._writing = False


class Writer(Reader):
    """Appends within one transaction; made by :meth:`Ledger.writing`. Reads see its own appends."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        key: VerifierKey,
        signer: Signer,
        now: Callable[[], str],
        genesis: bool = False,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(path, connection, key=key, patience=patience)
        self._signer = signer
        self._now = now
        self._open = True
        self._released = False
        self._half_done = False
        """An append that failed between its inserts: the whole writing has to be undone, also if the caller went on."""
        self._appended: list[Appended] = []
        self._head = None if genesis else self._checked_head()
        self._next = self._head.size if self._head else 0
        self._prev = self.node(0, self._next - 1).hex() if self._head else FIRST_PREV

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
    def receipts(self) -> list[Receipt]:
        """A receipt for each append, in order, under the newest checkpoint when it is asked for.

        Raises:
            UsageError: the writing has not ended, or not well.
        """
        if not self._released:
            raise UsageError("nothing is recorded yet: receipts come after the with block", where=str(self.path))
        return self.receipts_for(item.entry for item in self._appended)

    def _must_be_open(self) -> None:
        if not self._open:
            raise UsageError("the writing has ended", where=str(self.path))
        if self._half_done:
            raise UsageError("an append failed half-way, the writing can only be undone", where=str(self.path))

    # ----------------------------------------------------------------- steps of an append

    def _record(self, draft: Draft) -> Appended:
        if (draft.kind == "ledger") != (self._next == 0):
            raise InvalidRecord("a ledger entry is always and only entry 0", got=f"{draft.kind} as entry {self._next}")
        entry = self._sealed(draft)
        if entry.kind == "key":
            self._check_key(entry)
        leaf = entry.leaf
        targets = self._targets(entry)
        self._half_done = True
        with translated(self.path, patience=self._patience):
            self._insert(entry, leaf)
            self._insert_parts(entry.seq, draft)
            self._connection.executemany("INSERT INTO links VALUES (?, ?)", [(entry.seq, target) for target in targets])
            self._insert_nodes(leaf)
        self._half_done = False
        self._next += 1
        self._prev = leaf.hex()
        return Appended(entry.seq, leaf, entry)

    def _sealed(self, draft: Draft) -> Entry:
        """Parsed back from its bytes: what could not be read again is not recorded."""
        recorded_at = self._now()
        if not _TIME.fullmatch(recorded_at):
            raise InvalidInput("the clock's time is not in the ledger's form", got=repr(recorded_at)[:40])
        raw = draft.seal(seq=self._next, prev=self._prev, recorded_at=recorded_at)
        try:
            return Entry.parse(raw)
        except Malformed as error:
            raise InvalidRecord(f"{draft.kind} record cannot be read back: {error.what}", got=error.got) from error

    def _check_key(self, entry: Entry) -> None:
        """A registration that breaks the chain of keys would stand there for ever, and nobody could act any more."""
        known = self.entries(kind=("ledger", "key"))
        try:
            KeyRing.of(Book([*known, entry], origin=self.origin))
        except NotVerified as error:
            raise InvalidRecord(f"key cannot be registered: {error.what}", got=error.got) from error

    def _targets(self, entry: Entry) -> list[int]:
        demanded, all_ = required_links(entry)
        for ref in sorted(demanded, key=lambda ref: ref.seq):
            if not self.leads(ref):
                raise InvalidRecord(
                    f"{entry.kind} record refers to an entry that is not there",
                    got=f"entry {ref.seq}, leaf {ref.leaf[:16]}",
                )
        return sorted({ref.seq for ref in all_ if self.leads(ref)})

    def _insert(self, entry: Entry, leaf: bytes) -> None:
        self._connection.execute(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.seq,
                leaf,
                bytes.fromhex(entry.prev),
                entry.kind,
                entry.actor,
                entry.recorded_at,
                entry.idempotency_key,
                entry.raw,
            ),
        )

    def _insert_parts(self, seq: int, draft: Draft) -> None:
        for item in draft.attachments:
            if item.salt is None:
                self._connection.execute(
                    "INSERT INTO attachments VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (bytes.fromhex(digest(item.data)), len(item.data), item.data),
                )
        erasable = [(item.name, item.salt, item.data) for item in draft.attachments if item.salt is not None]
        erasable += [(item.name, item.salt, encode(item.text)) for item in draft.personal]
        self._connection.executemany(
            "INSERT INTO side_values VALUES (?, ?, ?, ?)", [(seq, name, salt, data) for name, salt, data in erasable]
        )

    def _insert_nodes(self, leaf: bytes) -> None:
        current = leaf
        for level, position in completed(self._next + 1):
            current = node_hash(self.node(level - 1, 2 * position), current)
            self._connection.execute("INSERT INTO nodes VALUES (?, ?, ?)", (level, position, current))

    # ----------------------------------------------------------------- idempotency

    def _repetition(self, draft: Draft) -> Appended | None:
        """The entry of the first request, if there was one: compared by what is stored, for a digest of the request
        beside the entry would outlive the erasure of its personal values, and could be guessed from.
        """
        if draft.idempotency_key is None:
            return None
        row = self._one(
            "SELECT seq FROM entries WHERE actor = ? AND idempotency_key = ?", draft.actor, draft.idempotency_key
        )
        if row is None:
            return None
        entry = self.entry(row[0])
        if self._intent(entry) != draft.intent():
            raise InvalidInput(
                f"idempotency key {draft.idempotency_key[:40]!r} of {draft.actor} stands for something else",
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
        with translated(self.path, patience=self._patience):
            found = self._connection.execute("DELETE FROM side_values WHERE seq = ? AND name = ?", (entry.seq, name))
        return found.rowcount > 0

    # ----------------------------------------------------------------- the head

    def _checked_head(self) -> Checkpoint:
        """The last checkpoint: signed by the ledger's key, of all the entries, and of the tree as it is stored."""
        head = open_checkpoint(self.latest_checkpoint(), self.key)
        if head.size != self.size:
            raise Tampered(
                "ledger does not end where its last checkpoint does",
                where=str(self.path),
                expected=f"{head.size} entries",
                got=f"{self.size}",
                remedy="See `tallystick ledger fsck`.",
            )
        root = root_of(head.size, self.node)
        if root != head.root:
            raise Tampered(
                "ledger does not hold the tree that its last checkpoint signed",
                where=str(self.path),
                expected=f"root {head.root.hex()}",
                got=root.hex(),
                remedy="See `tallystick ledger fsck`.",
            )
        return head

    def sign(self) -> None:
        """Sign the tree as it is now, if it grew, after proving to ourselves that it extends the last one signed."""
        self._must_be_open()
        if self._next == (self._head.size if self._head else 0):
            return
        root = root_of(self._next, self.node)
        previous = 0
        if self._head is not None:
            previous = self._head.size
            proof = consistency_proof(previous, self._next, self.node)
            verify_consistency(previous, self._next, proof, self._head.root, root)
        head = Checkpoint(self.origin, self._next, root)
        note = sign_note(head.text(), self.origin, self._signer)
        with translated(self.path, patience=self._patience):
            self._connection.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", (head.size, previous, root, note))
        self._head = head

    def finish(self) -> None:
        """No more appends."""
        self._open = False

    def release(self) -> None:
        """The commit is durable: receipts may be shown."""
        self._released = True


def _check_genesis(first: Sequence[Draft], key: VerifierKey) -> None:
    body = first[0].body if first else {}
    if not first or first[0].kind != "ledger":
        raise InvalidRecord("a ledger begins with an entry of kind ledger")
    for name, expected in (("origin", key.name), ("checkpoint_key", str(key))):
        if body.get(name) != expected:
            raise InvalidRecord(f"entry 0 names another {name}", expected=expected, got=str(body.get(name))[:80])


def extends(ledger: Reader, note: bytes, *, key: VerifierKey | None = None) -> None:
    """Check that the ledger still begins with the tree of a checkpoint that somebody kept.

    This is what finds a history rewritten with the real key, or cut at its end: both are whole in themselves. It
    compares what was signed; that the entries are what was signed is fsck's to say.

    Args:
        note: the checkpoint that was kept.
        key: the ledger's key from a source that is trusted; without it, the one in entry 0.

    Raises:
        Tampered: it does not, or the checkpoint is not of this ledger.
        Malformed: not a checkpoint.
    """
    key = key or ledger.key
    kept, newest = open_checkpoint(note, key), open_checkpoint(ledger.latest_checkpoint(), key)
    if kept.size > newest.size:
        raise Tampered(
            "ledger is shorter than a checkpoint that it signed",
            where=str(ledger.path),
            expected=f"{kept.size} entries or more",
            got=f"{newest.size}",
        )
    if kept.size:
        proof = consistency_proof(kept.size, newest.size, ledger.node)
        verify_consistency(kept.size, newest.size, proof, kept.root, newest.root)

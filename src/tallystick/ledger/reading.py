"""Reading a ledger: entries, what stands beside them, checkpoints and proofs.

Entries come back as their stored bytes, parsed. Parts are checked against the digest or commitment in the entry before
they are handed out. Whether the entries are the ones that were signed is not asked here: proofs say so to whoever
has a checkpoint, and fsck says so for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tallystick.canonical import commitment, decode, digest
from tallystick.errors import Malformed, NotFound, Tampered
from tallystick.ledger.store import Condition, Store, in_order
from tallystick.proof.merkle import consistency_proof, inclusion_proof, verify_consistency
from tallystick.proof.note import MAX_SIZE, VerifierKey, open_checkpoint
from tallystick.proof.receipt import Receipt
from tallystick.records import Entry, Ref

__all__ = ["Reader", "Rows", "checked_part", "extends", "genesis_key", "required_links"]

_PAGE = 256
"""Rows fetched at a time: a reader holds no lock while its caller works, and memory stays flat."""


class Rows:
    """Queries on one store; the few that the tree and the references need, by name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def where(self) -> str:
        """The ledger's place, for messages."""
        return self._store.where

    @property
    def size(self) -> int:
        """How many entries there are."""
        (last,) = self._one("SELECT max(seq) FROM entries")
        return 0 if last is None else last + 1

    def node(self, level: int, index: int) -> bytes:
        """The hash of a perfect subtree, level 0 being the leaves: what :mod:`tallystick.proof.merkle` asks for.

        Raises:
            Tampered: it is not there.
        """
        if level == 0:
            row = self._one("SELECT leaf FROM entries WHERE seq = ?", index)
        else:
            row = self._one("SELECT hash FROM nodes WHERE level = ? AND position = ?", level, index)
        if row is None:
            raise Tampered("a hash of the tree is missing", where=self.where, got=f"level {level}, number {index}")
        return _bytes(row[0])

    def leads(self, ref: Ref) -> bool:
        """Whether there is an entry of that number with that leaf hash."""
        row = self._one("SELECT leaf FROM entries WHERE seq = ?", ref.seq)
        return row is not None and bool(row[0] == bytes.fromhex(ref.leaf))

    def _one(self, query: str, *values: object) -> Any:
        return self._store.one(query, *values)

    def _all(self, query: str, *values: object) -> list[Any]:
        return self._store.all(query, *values)

    def _numbers(self, query: str, *values: object) -> list[int]:
        return [number for (number,) in self._all(query, *values)]


class Reader(Rows):
    """What can be read of a ledger. A connection belongs to the thread, and the process, that opened it."""

    def __init__(self, store: Store, *, key: VerifierKey | None = None) -> None:
        super().__init__(store)
        self.key: VerifierKey = key or genesis_key(self.entry(0))
        """The key of its checkpoints, as entry 0 has it: true only if the file is. Verifiers bring their own."""
        self.origin: str = self.key.name
        """The ledger's name, `<name>/<uuid>`: what its checkpoints begin with."""

    def again(self) -> Store:
        """Another connection, for reading."""
        return self._store.again()

    def condition(self) -> Condition:
        """How the ledger is kept, for `doctor`."""
        return self._store.condition()

    # ----------------------------------------------------------------- entries

    def entry(self, seq: int) -> Entry:
        """One entry.

        Raises:
            NotFound: there is none of that number.
            Malformed, Tampered: its bytes are not an entry, or not this one.
        """
        row = self._one("SELECT bytes FROM entries WHERE seq = ?", seq) if seq <= MAX_SIZE else None
        if row is None:
            raise NotFound(f"there is no entry {seq}", where=self.where)
        return _parsed(seq, row[0])

    def entries(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        kind: str | tuple[str, ...] | None = None,
        actor: str | None = None,
    ) -> Iterator[Entry]:
        """Entries ``start`` up to (not including) ``stop``, in order; those that are there when the reading begins.

        Args:
            kind: only entries of that kind, or of one of those kinds.
            actor: only entries of that actor.
        """
        for seq, raw in self.stored(start, stop, kind=kind, actor=actor):
            yield _parsed(seq, raw)

    def stored(
        self,
        start: int = 0,
        stop: int | None = None,
        *,
        kind: str | tuple[str, ...] | None = None,
        actor: str | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        """As :meth:`entries`: their numbers and their bytes, as they are stored."""
        where = "seq >= ? AND seq <= ?"
        wanted: list[str] = []
        if kind is not None:
            kinds = (kind,) if isinstance(kind, str) else kind
            if not kinds:  # PostgreSQL knows no empty list
                return
            where += f" AND kind IN ({', '.join('?' * len(kinds))})"
            wanted += kinds
        if actor is not None:
            where += " AND actor = ?"
            wanted.append(actor)
        query = f"SELECT seq, bytes FROM entries WHERE {where} ORDER BY seq LIMIT ?"  # noqa: S608 - no value stands in it
        last = (self.size if stop is None else min(stop, self.size)) - 1  # a stray row can have the last number
        while start <= last and (page := self._all(query, start, last, *wanted, _PAGE)):
            yield from in_order(page, start - 1, where=self.where)
            start = page[-1][0] + 1

    # ----------------------------------------------------------------- beside the entries

    def attachment(self, sha256: str) -> bytes | None:
        """Bytes by their digest in hex, None if the ledger has none such.

        Raises:
            Tampered: the bytes are no longer those of the digest.
        """
        row = self._one("SELECT bytes FROM attachments WHERE sha256 = ?", bytes.fromhex(sha256))
        if row is None:
            return None
        data = _bytes(row[0])
        if digest(data) != sha256:
            raise Tampered(
                "attachment was altered",
                where=self.where,
                expected=sha256,
                got=digest(data),
                remedy="See `tallystick ledger fsck`.",
            )
        return data

    def side(self, entry: Entry) -> list[tuple[str, bytes, bytes]]:
        """(name, salt, bytes) of the erasable values of an entry that have not been erased."""
        return self._all("SELECT name, salt, bytes FROM side_values WHERE seq = ? ORDER BY name", entry.seq)

    def part(self, entry: Entry, name: str) -> bytes | None:
        """The bytes of an attachment or a personal value of an entry; None if erased, missing, or never there.

        Raises:
            Tampered: the bytes are not those that the entry commits to.
        """
        line = _line(entry, name)
        if line is None:
            return None
        if "sha256" in line:
            return self.attachment(line["sha256"])
        row = self._one("SELECT salt, bytes FROM side_values WHERE seq = ? AND name = ?", entry.seq, name)
        return None if row is None else checked_part(entry, line, row[0], row[1])

    def personal(self, entry: Entry, name: str) -> str | None:
        """The text of a personal value, None if it was erased or never there."""
        if name not in {line["name"] for line in entry.personal}:
            return None
        data = self.part(entry, name)
        text = None if data is None else decode(data, what="personal value", canonical=True)
        if not isinstance(text, str | None):
            raise Malformed("personal value is not text", where=f"entry {entry.seq}, {name}")
        return text

    # ----------------------------------------------------------------- references

    def referring(self, seq: int) -> list[int]:
        """The entries that refer to this one, in order."""
        return self._numbers("SELECT seq FROM links WHERE target_seq = ? ORDER BY seq", seq)

    def lineage(self, seq: int) -> list[int]:
        """Everything this entry refers to, and what that refers to, and so on, in order; without itself."""
        return self._numbers(
            "WITH RECURSIVE above(seq) AS (SELECT target_seq FROM links WHERE seq = ? UNION"
            " SELECT links.target_seq FROM above JOIN links ON links.seq = above.seq) SELECT seq FROM above ORDER BY 1",
            seq,
        )

    def descendants(self, seq: int) -> list[int]:
        """Everything that refers to this entry, and what refers to that, and so on, in order; without itself."""
        return self._numbers(
            "WITH RECURSIVE below(seq) AS (SELECT seq FROM links WHERE target_seq = ? UNION"
            " SELECT links.seq FROM below JOIN links ON links.target_seq = below.seq) SELECT seq FROM below ORDER BY 1",
            seq,
        )

    # ----------------------------------------------------------------- checkpoints and proofs

    def latest_checkpoint(self) -> bytes:
        """The newest signed note."""
        row = self._one("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        if row is None:
            raise Tampered("ledger has no checkpoint", where=self.where)
        return _bytes(row[0])

    def checkpoint_at(self, size: int) -> bytes:
        """The signed note of exactly that size.

        Raises:
            NotFound: no checkpoint was made at that size.
        """
        row = self._one("SELECT note FROM checkpoints WHERE size = ?", size)
        if row is None:
            raise NotFound(f"there is no checkpoint of size {size}", where=self.where)
        return _bytes(row[0])

    def checkpoints(self) -> Iterator[bytes]:
        """Every signed note, smallest tree first."""
        size = 0
        query = "SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?"
        while page := self._all(query, size, _PAGE):
            yield from (_bytes(note) for _, note in in_order(page, size, where=self.where))
            size = page[-1][0]

    def receipt(self, entry: Entry) -> Receipt:
        """What its recorder takes home: the entry's bytes, and that they are under the newest checkpoint."""
        return self.receipts_for([entry])[0]

    def receipts_for(self, entries: Iterable[Entry]) -> list[Receipt]:
        """Receipts under one checkpoint, the newest."""
        note = self.latest_checkpoint()
        size = open_checkpoint(note, self.key).size
        return [Receipt(entry.raw, entry.seq, tuple(self.inclusion_proof(entry.seq, size)), note) for entry in entries]

    def inclusion_proof(self, seq: int, size: int | None = None) -> list[bytes]:
        """That entry ``seq`` is in the tree of ``size`` entries (all, if not said): from its sibling up."""
        return inclusion_proof(seq, self._tree(size), self.node)

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """That the tree of ``new`` entries (all, if not said) begins with the tree of ``old``."""
        return consistency_proof(old, self._tree(new), self.node)

    def _tree(self, size: int | None) -> int:
        whole = self.size
        if size is None:
            return whole
        if size > whole:
            raise NotFound(f"there are no {size} entries", where=self.where, got=f"{whole}")
        return size


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
            where=ledger.where,
            expected=f"{kept.size} entries or more",
            got=f"{newest.size}",
        )
    if kept.size:
        proof = consistency_proof(kept.size, newest.size, ledger.node)
        verify_consistency(kept.size, newest.size, proof, kept.root, newest.root)


def _bytes(value: object) -> bytes:
    """What a column of bytes holds; in a damaged file that can be a text or a number.

    Raises:
        Malformed: it is.
    """
    if not isinstance(value, bytes):
        raise Malformed("ledger file is damaged", expected="bytes", got=type(value).__name__)
    return value


def _parsed(seq: int, raw: object) -> Entry:
    try:
        entry = Entry.parse(_bytes(raw))
    except Malformed as error:
        raise Malformed(error.what, where=f"entry {seq}", expected=error.expected, got=error.got) from error
    if entry.seq != seq:
        raise Tampered("entry stands in another's place", where=f"entry {seq}", got=f"entry {entry.seq}")
    return entry


def genesis_key(genesis: Entry) -> VerifierKey:
    """The checkpoint key that entry 0 names.

    Raises:
        Malformed: it names none, or that of another origin.
    """
    key = genesis.body.get("checkpoint_key") if genesis.kind == "ledger" else None
    if not isinstance(key, str):
        raise Malformed(
            "entry 0 does not say which ledger this is", where="entry 0", expected="kind ledger with its key"
        )
    found = VerifierKey.parse(key)
    if genesis.body.get("origin") != found.name:
        raise Malformed("entry 0 names one origin and the key of another", where="entry 0", got=found.name)
    return found


def _line(entry: Entry, name: str) -> Mapping[str, Any] | None:
    lines = (*entry.attachments, *entry.personal)
    return next((line for line in lines if line["name"] == name), None)


def checked_part(entry: Entry, line: Mapping[str, Any], salt: object, data: object) -> bytes:
    """An erasable value, if it is the one that the entry's line commits to.

    Raises:
        Tampered: it is not. Malformed: the file is damaged.
    """
    found = _bytes(data)
    if commitment(_bytes(salt), line["name"], found) != line["hmac_sha256"]:
        raise Tampered("side value is not the one the entry commits to", where=f"entry {entry.seq}, {line['name']}")
    return found


# --------------------------------------------------------------------------- references in an entry


def required_links(entry: Entry) -> tuple[frozenset[Ref], frozenset[Ref]]:
    """(demanded, all) references of an entry: those in the fields that its kind declares as such, and any that its
    body holds, however deep. The demanded ones must lead to entries; of the others, those that do become links.
    """
    return entry.links, entry.references

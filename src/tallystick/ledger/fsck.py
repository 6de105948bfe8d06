"""Everything in a ledger file, derived again from the entries' bytes and compared. Nothing is ever repaired.

Looked at: the database's own check of its files, its tables and triggers, each entry's bytes, its place, its link to
the entry before, every index column, the tree, every signed checkpoint, attachments, side values, references.

* A sound ledger is gone through quickly, by as many processes as are wanted (:mod:`tallystick.ledger.sweep`). Once
  something is wrong, a slower examination begins anew, which finds out what and where.
* It streams: memory stays flat, but for the digests of attachments. Others may go on appending; what is judged is
  the ledger as it was when the reading began, in one snapshot.
* The first bad entry is named right where one entry was changed, removed, moved or added. Where an entry does not
  follow the one before, its neighbours and the tree tell which of the two was changed. A stretch that was rewritten
  and linked anew contradicts nothing but a signature: it is named by the first entry not under a good checkpoint.
* A ledger cut at its end, or rewritten by the holder of its key, is whole in itself: only a checkpoint that was kept
  elsewhere shows it (:func:`tallystick.ledger.ledger.extends`).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from tallystick.canonical import digest, leaf_hash
from tallystick.errors import InvalidInput, Malformed, NewerFormat, NotVerified
from tallystick.ledger.guards import TABLES
from tallystick.ledger.places import Place, connect
from tallystick.ledger.reading import Reader, Rows, checked_part, extends, genesis_key, required_links
from tallystick.ledger.store import PATIENCE, Store, in_order
from tallystick.ledger.sweep import Irregular, Swept, attachments, sweep
from tallystick.proof.merkle import Frontier
from tallystick.proof.note import VerifierKey, open_checkpoint
from tallystick.records import FIRST_PREV, Entry

__all__ = ["Examined", "Problem", "Progress", "examined", "fsck"]

Progress = Callable[[int, int], None]
_Stretch = tuple[int, int, bytes | None]

_PAGE: Final = 256
_STRETCH: Final = 1 << 15
"""Entries that are looked at together: the share of a process at a time, and the step of progress."""
_MISTYPED: Final = (AttributeError, TypeError, ValueError)
"""In a damaged file a value can be of another type than its column's."""
_MOST: Final = 1000
"""Problems, and notes, that are listed; a ruined file has as many as entries."""


@dataclass(frozen=True)
class Problem:
    """Something that does not hold (or, among the notes, that is worth knowing)."""

    seq: int | None
    """The entry it is about; None if it is about the file, an index or a checkpoint."""
    what: str
    detail: str = ""

    def __str__(self) -> str:
        place = "ledger" if self.seq is None else f"entry {self.seq}"
        return f"{place}: {self.what}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True)
class Examined:
    """What fsck found."""

    size: int
    """Entries in the ledger."""
    checkpoints: int
    problems: tuple[Problem, ...]
    """By entry, those about no entry last."""
    notes: tuple[Problem, ...]
    """No problems: erased values, the clock stepping back, a key that nobody vouched for."""
    start: int = 0
    """Entries that were not looked at, since a trusted checkpoint covers them."""

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def first_bad(self) -> int | None:
        """The first entry with a problem."""
        return next((item.seq for item in self.problems if item.seq is not None), None)


def fsck(
    source: Reader | Place,
    *,
    key: VerifierKey | None = None,
    since: bytes | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    patience: float = PATIENCE,
) -> Examined:
    """Derive the ledger again and compare.

    Args:
        source: a ledger, or the place of one that may be too broken to open.
        key: the checkpoint key from a source that is trusted; without it the one in entry 0 is used, and noted.
        since: a checkpoint of this ledger from a source that is trusted: what it covers is not looked at again, but
            that the ledger still begins with its tree, by the hashes that are stored. What the database's own check
            says, and rows that belong to no entry, are left to a run over everything.
        jobs: processes to share the work.
        progress: told (entries done, entries in all).

    Raises:
        NotFound, InvalidInput, NewerFormat, LedgerBusy: there was no ledger to look at.
        InvalidInput: ``since`` is no checkpoint of this ledger.
    """
    store = source.again() if isinstance(source, Reader) else connect(source, writing=False, patience=patience)
    with contextlib.closing(store):
        return examined(store, key=key, since=since, jobs=jobs, progress=progress)


def examined(
    store: Store,
    *,
    key: VerifierKey | None = None,
    since: bytes | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Examined:
    """As :func:`fsck`, of a store that is open.

    Each way has a snapshot of its own: a fault that the database itself finds can end a transaction.
    """
    with contextlib.suppress(Irregular, NotVerified, *_MISTYPED), store.snapshot():
        return _Quick(store, key, jobs=jobs, progress=progress).run(since)
    with store.snapshot():
        found = _Examination(store, key=key).run()
    if since is None:
        return found
    with store.snapshot():
        return _compared(store, found, since)


def _compared(store: Store, found: Examined, since: bytes) -> Examined:
    """What was found, and whether the ledger begins with the tree of a checkpoint: one rewritten with its own key is
    whole in itself.
    """
    try:
        extends(Reader(store), since)
    except NotVerified as error:
        problem = Problem(None, "this is not the ledger of the checkpoint that is trusted", str(error))
        return replace(found, problems=(*found.problems, problem))
    return found


class _Quick(Rows):
    """The examination where nothing is wrong, by stretches of entries."""

    def __init__(self, store: Store, key: VerifierKey | None, *, jobs: int, progress: Progress | None) -> None:
        super().__init__(store)
        expected, found = store.layout()
        if expected != found:
            raise Irregular
        self._key, self._vouched = self._known(key), key is not None
        self._jobs = jobs
        self._progress = progress or _silent

    def _known(self, key: VerifierKey | None) -> VerifierKey:
        try:
            row = self._one("SELECT bytes FROM entries WHERE seq = 0")
            named = genesis_key(Entry.parse(row[0]))
        except (NotVerified, NewerFormat, TypeError) as error:
            raise Irregular from error
        if key is not None and key != named:
            raise Irregular
        return named

    def run(self, since: bytes | None) -> Examined:
        start, root = (0, None) if since is None else self._beginning(since)
        stop = self._stop(start)
        met = self._swept(start, stop, root, files=since is None)
        there = attachments(self._store, None if since is None else met.attachments)
        if there != met.attachments or (since is None and self._stored() != _counts(stop, met)):
            raise Irregular
        notes = [Problem(*note) for note in met.notes]
        if not self._vouched:
            notes.append(Problem(None, "checkpoints were judged by the key in the file itself", str(self._key)))
        return Examined(stop, met.checkpoints, (), tuple(notes[:_MOST]), start)

    def _beginning(self, since: bytes) -> tuple[int, bytes]:
        try:
            known = open_checkpoint(since, self._key)
        except NotVerified as error:
            raise InvalidInput("not a checkpoint of this ledger", where="since", got=str(error)) from error
        return known.size, known.root

    def _stop(self, start: int) -> int:
        """Where both the entries and the last checkpoint end."""
        size = self.size
        (signed,) = self._one("SELECT coalesce(max(size), 0) FROM checkpoints")
        if not start <= size == signed:
            raise Irregular
        return size

    def _stored(self) -> list[int]:
        """Rows of each table."""
        tables = ("entries", "nodes", "checkpoints", "links", "side_values", "attachments")
        return [self._one(f"SELECT count(*) FROM {table}")[0] for table in tables]  # noqa: S608 - constants

    def _swept(self, start: int, stop: int, root: bytes | None, *, files: bool) -> Swept:
        """All stretches, in order; the first one knows the root that it begins with. And perhaps the files."""
        marks = [start, *range((start // _STRETCH + 1) * _STRETCH, stop, _STRETCH), stop]
        stretches = [(here, there, None if here > start else root) for here, there in itertools.pairwise(marks)]
        met = Swept()
        for done, one in zip(stretches, self._each(stretches, files=files), strict=True):
            met.add(one)
            self._progress(done[1] - start, stop - start)
        return met

    def _each(self, stretches: list[_Stretch], *, files: bool) -> Iterator[Swept]:
        if min(self._jobs, len(stretches)) < 2:
            if files and any(self._store.faults()):
                raise Irregular
            yield from (sweep(self._store, self._key, *ends, root=root) for *ends, root in stretches)
            return
        # Processes of their own, not forks: a database connection does not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self._jobs, len(stretches)), mp_context=context) as pool:
            faults = pool.submit(_faults, self._store.place) if files else None  # first, for it takes longest
            yield from pool.map(functools.partial(_alone, self._store.place, str(self._key)), stretches)
            if faults is not None and faults.result():
                raise Irregular


def _faults(place: Place) -> bool:
    """Whether the database finds its files damaged, in a process of its own."""
    with contextlib.closing(connect(place, writing=False)) as store:
        return any(store.faults())


def _silent(_done: int, _total: int) -> None:
    """Nobody is told."""


def _alone(place: Place, key: str, stretch: _Stretch) -> Swept:
    """A stretch in a process of its own."""
    start, stop, root = stretch
    with contextlib.closing(connect(place, writing=False)) as store, store.snapshot():
        return sweep(store, VerifierKey.parse(key), start, stop, root=root)


def _counts(size: int, met: Swept) -> list[int]:
    """Rows that each table has to hold, as :meth:`_Quick._stored` counts them."""
    nodes = sum(size >> level for level in range(1, size.bit_length()))
    return [size, nodes, met.checkpoints, met.links, met.side_values, len(met.attachments)]


@dataclass(frozen=True)
class _Row:
    """A row of entries as it is stored, with what its bytes say."""

    seq: int
    columns: Mapping[str, Any]
    raw: bytes
    leaf: bytes
    entry: Entry | None
    why_not: str
    links: frozenset[int]

    @property
    def prev(self) -> bytes | None:
        return None if self.entry is None else bytes.fromhex(self.entry.prev)

    def follows(self, other: _Row) -> bool:
        return self.seq == other.seq + 1 and self.prev == other.leaf


class _Examination(Rows):
    """One run over one ledger."""

    def __init__(self, store: Store, *, key: VerifierKey | None) -> None:
        super().__init__(store)
        self._key = key
        self._vouched = key is not None
        self._problems: list[Problem] = []
        self._notes: list[Problem] = []
        self._left_out = 0
        self._stop = 0
        self._tree = Frontier()
        self._whole = True
        """Whether the tree is known so far: a missing stretch of two entries or more ends that."""
        self._clock = ""
        self._checkpoints = 0
        self._heads = self._signed_heads()
        self._head: _Head | None = None
        """The checkpoint that the tree has not reached yet."""
        self._signed = 0
        """The size of the checkpoint before it."""
        self._proven = 0
        """How many entries are under a checkpoint that is good."""
        self._doubted: list[str] = []
        """Checkpoints that are not good, since the last one that was."""
        self._links_seen = 0
        self._side_seen = 0
        self._altered: set[bytes] = set()
        self._named: set[bytes] = set()

    def run(self) -> Examined:
        try:
            if self._check_layout():
                self._check_file()
                self._check_all()
        except Malformed as error:  # the driver gave up on a page
            self._say(None, error.what, error.got or "")
        except _MISTYPED:
            if not self._problems:
                raise
            # The database's own check came first, and says of which column.
            self._say(None, "reading stopped at a value that is not of its column's type")
        if self._left_out:
            self._say_note(None, f"{self._left_out} more problems are not listed")
        ordered = sorted(self._problems, key=lambda item: (item.seq is None, item.seq or 0))
        return Examined(self._tree.size, self._checkpoints, tuple(ordered), tuple(self._notes))

    def _say(self, seq: int | None, what: str, detail: str = "") -> None:
        if len(self._problems) < _MOST:
            self._problems.append(Problem(seq, what, detail))
        else:
            self._left_out += 1

    def _say_note(self, seq: int | None, what: str, detail: str = "") -> None:
        if len(self._notes) < _MOST:
            self._notes.append(Problem(seq, what, detail))

    def _is_bad(self, seq: int, stop: int | None = None) -> bool:
        """Whether something was said about an entry, or any of a range."""
        stop = seq + 1 if stop is None else stop
        return any(item.seq is not None and seq <= item.seq < stop for item in self._problems)

    # ----------------------------------------------------------------- file and layout

    def _check_layout(self) -> bool:
        """Tables, indexes and triggers as they were laid out. False if there is nothing to go on with: a table is
        missing, or something stands in its place that computes what is read, perhaps without end.
        """
        expected, found = self._store.layout()
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                self._say(None, f"{name} is missing from the layout")
            elif name not in expected:
                self._say(None, f"{name} does not belong there", found[name][:80])
            elif found[name] != expected[name]:
                self._say(None, f"{name} is laid out differently", found[name][:200])
        return all(found.get(name, "").startswith(("CREATE TABLE ", "table")) for name in TABLES)

    def _check_file(self) -> None:
        for line in self._store.faults():
            self._say(None, "the database finds its files damaged", line[:200])

    # ----------------------------------------------------------------- the walk

    def _check_all(self) -> None:
        self._stop = self.size
        self._find_key()
        self._find_altered()
        self._next_head()
        for row, after, beyond in _windows(self._rows()):
            self._fill_gap(row)
            self._check_row(row)
            self._grow(self._settled_leaf(row, after, beyond))
        if self._head is not None:
            self._say(self._tree.size, "entry is missing", f"a checkpoint of {self._head.size} entries was signed")
        self._settle_heads()
        self._check_counts()

    def _find_key(self) -> None:
        """The key to judge checkpoints by, and whether entry 0 agrees."""
        try:
            row = self._one("SELECT bytes FROM entries WHERE seq = 0")
            named = genesis_key(Entry.parse(row[0])) if row else None
        except (NotVerified, NewerFormat, TypeError) as error:
            self._say(0, "entry 0 does not say which ledger this is", str(error))
            named = None
        if self._key is None:
            self._key = named
            self._say_note(None, "checkpoints were judged by the key in the file itself", str(named or "there is none"))
        elif named is not None and named != self._key:
            self._say(0, "entry 0 names another checkpoint key", str(named))

    def _rows(self) -> Iterator[_Row]:
        start, end = -(2**63), self._stop - 1
        while start <= end and (
            page := self._all(
                "SELECT seq, leaf, prev, kind, actor, recorded_at, idempotency_key, bytes FROM entries"
                " WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
                start,
                end,
                _PAGE,
            )
        ):
            last = in_order(page, start - 1, where=self._store.where)[-1][0]
            links = defaultdict(set)
            for seq, target in self._all(
                "SELECT seq, target_seq FROM links WHERE seq >= ? AND seq <= ?", page[0][0], last
            ):
                links[seq].add(target)
            for columns in page:
                yield _row(columns, frozenset(links.get(columns[0], ())))
            start = last + 1

    def _fill_gap(self, row: _Row) -> None:
        """Entries that are not there. One alone is known by its leaf hash, from the entry after it."""
        expected = self._tree.size
        if row.seq < expected:
            self._say(row.seq, "entry has a number that there is not")
        elif row.seq > expected:
            several = f"entries {expected} to {row.seq - 1}" if row.seq > expected + 1 else ""
            self._say(expected, "entry is missing", several)
            if row.seq == expected + 1 and row.prev is not None:
                self._grow(row.prev)
            else:
                self._whole = False
                self._tree.size = row.seq

    def _settled_leaf(self, row: _Row, after: _Row | None, beyond: _Row | None) -> bytes:
        """The leaf hash that belongs in the tree here: the row's, or, if it was changed, the one its successor knew."""
        if after is None or after.seq != row.seq + 1 or after.prev is None or after.prev == row.leaf:
            return row.leaf
        if self._stands(after, beyond, row):
            if not self._is_bad(row.seq):
                self._say(row.seq, "entry is not the one that the next entry follows", f"leaf {row.leaf.hex()[:16]}")
            return after.prev
        self._say(after.seq, "entry does not follow the one before it", f"prev {after.prev.hex()[:16]}")
        return row.leaf

    def _stands(self, row: _Row, after: _Row | None, before: _Row) -> bool:
        """Whether a row that does not follow the one before it is itself as it was."""
        assert row.prev is not None  # noqa: S101 - for the type checker
        if after is not None and after.prev is not None:
            return after.follows(row)
        signed = self._one("SELECT root FROM checkpoints WHERE size = ?", row.seq + 1) if self._whole else None
        if signed is not None:
            tree = self._tree.copy()
            tree.add(row.prev)
            tree.add(row.leaf)
            return bool(tree.root() == signed[0])
        return bool(before.columns["leaf"] == row.prev)

    def _grow(self, leaf: bytes) -> None:
        self._check_nodes(self._tree.add(leaf))
        while self._head is not None and self._head.size <= self._tree.size:
            self._check_head(self._head)
            self._next_head()

    def _check_nodes(self, completed: list[tuple[int, int, bytes]]) -> None:
        for level, position, computed in completed if self._whole else ():
            stored = self._one("SELECT hash FROM nodes WHERE level = ? AND position = ?", level, position)
            if stored is None or stored[0] != computed:
                state = "is missing" if stored is None else "differs from the entries"
                self._say(None, f"stored hash of the tree {state}", f"level {level}, number {position}")

    # ----------------------------------------------------------------- one entry

    def _check_row(self, row: _Row) -> None:
        if row.columns["leaf"] != row.leaf:
            self._say(row.seq, "bytes are not those of the leaf hash stored beside them", f"leaf {row.leaf.hex()[:16]}")
        entry = row.entry
        if entry is None:
            self._say(row.seq, "bytes are not an entry", row.why_not)
            return
        if entry.seq != row.seq:
            self._say(row.seq, "entry stands in another's place", f"its bytes say {entry.seq}")
        for name, said in (
            ("prev", bytes.fromhex(entry.prev)),
            ("kind", entry.kind),
            ("actor", entry.actor),
            ("recorded_at", entry.recorded_at),
            ("idempotency_key", entry.idempotency_key),
        ):
            if row.columns[name] != said:
                self._say(row.seq, f"column {name} differs from the bytes", repr(row.columns[name])[:60])
        if (entry.kind == "ledger") != (row.seq == 0):
            self._say(row.seq, "a ledger entry is always and only entry 0", entry.kind)
        if row.seq == 0 and entry.prev != FIRST_PREV:
            self._say(0, "the first entry follows another")
        self._check_clock(entry)
        self._check_references(row, entry)
        self._check_parts(entry)

    def _check_clock(self, entry: Entry) -> None:
        if entry.recorded_at < self._clock:
            self._say_note(entry.seq, "the ledger's clock stepped back", f"{self._clock} to {entry.recorded_at}")
        self._clock = entry.recorded_at

    def _check_references(self, row: _Row, entry: Entry) -> None:
        demanded, all_ = required_links(entry)
        for ref in sorted(demanded, key=lambda ref: ref.seq):
            if not (ref.seq < row.seq and self.leads(ref)):
                self._say(row.seq, "entry refers to one that is not there", f"entry {ref.seq}, leaf {ref.leaf[:16]}")
        expected = {ref.seq for ref in all_ if ref.seq < row.seq and self.leads(ref)}
        if row.links != expected:
            wrong = sorted(row.links ^ expected)
            self._say(row.seq, "index of references differs from the bytes", ", ".join(map(str, wrong[:10])))
        self._links_seen += len(row.links)

    def _check_parts(self, entry: Entry) -> None:
        stored: dict[str, tuple[bytes, bytes]] = {}
        erasable = [line for line in (*entry.attachments, *entry.personal) if "hmac_sha256" in line]
        if erasable:
            found = self._all("SELECT name, salt, bytes FROM side_values WHERE seq = ?", entry.seq)
            stored = {name: (salt, data) for name, salt, data in found}
        for line in erasable:
            self._check_side(entry, line, stored.get(line["name"]))
        for line in entry.attachments:
            if "sha256" in line:
                self._check_attachment(entry, line)

    def _check_side(self, entry: Entry, line: Mapping[str, Any], stored: tuple[bytes, bytes] | None) -> None:
        if stored is None:
            self._say_note(entry.seq, "value was erased", line["name"])
            return
        self._side_seen += 1
        try:
            checked_part(entry, line, *stored)
        except NotVerified:
            self._say(entry.seq, "side value is not the one the entry commits to", line["name"])

    def _check_attachment(self, entry: Entry, line: Mapping[str, Any]) -> None:
        sha256 = bytes.fromhex(line["sha256"])
        self._named.add(sha256)
        row = self._one("SELECT size FROM attachments WHERE sha256 = ?", sha256)
        if row is None:
            self._say(entry.seq, "attachment is missing", line["name"])
        elif sha256 in self._altered:
            self._say(entry.seq, "attachment was altered", line["name"])
        elif row[0] != line["size"]:
            self._say(entry.seq, "attachment is of another size than the entry says", line["name"])

    def _find_altered(self) -> None:
        """Each attachment's digest, once, however many entries name it."""
        last = b""
        one = "SELECT sha256, bytes FROM attachments WHERE sha256 > ? ORDER BY sha256 LIMIT 1"
        while page := self._all(one, last):
            ((last, data),) = in_order(page, last, where=self._store.where)
            if digest(data) != last.hex():
                self._altered.add(last)

    # ----------------------------------------------------------------- checkpoints

    def _next_head(self) -> None:
        self._head = next(self._heads, None)

    def _signed_heads(self) -> Iterator[_Head]:
        size = 0
        while page := self._all(
            "SELECT size, previous, root, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?",
            size,
            _PAGE,
        ):
            for row in in_order(page, size, where=self._store.where):
                size = row[0]
                yield _Head(*row)

    def _check_head(self, head: _Head) -> None:
        before, self._signed = self._signed, head.size
        self._checkpoints += 1
        if head.previous != before:
            self._say(None, f"checkpoint of size {head.size} does not follow the one before", f"{before} expected")
        why = self._doubt(head)
        if why:
            if len(self._doubted) < _MOST:
                self._doubted.append(f"checkpoint of size {head.size} {why}")
        elif self._key is not None and self._whole:
            self._vindicate()
            self._proven = head.size

    def _doubt(self, head: _Head) -> str:
        """Why a checkpoint is not good; empty if it is."""
        root = head.root
        if self._key is not None:
            try:
                signed = open_checkpoint(head.note, self._key)
            except NotVerified as error:
                return f"does not verify: {error.what}"
            if (signed.size, signed.root) != (head.size, head.root):
                return "is stored under another size or root than was signed"
            root = signed.root
        if self._whole and self._tree.size == head.size and self._tree.root() != root:
            return "was signed for another tree"
        return ""

    def _vindicate(self) -> None:
        """A good checkpoint stands for all entries before it: what was doubted was the checkpoint, not they."""
        for doubt in self._doubted:
            self._say(None, doubt)
        self._doubted.clear()

    def _settle_heads(self) -> None:
        """Doubts that no later checkpoint lifted, and entries under none."""
        size, proven = self._tree.size, self._proven
        for number, doubt in enumerate(self._doubted):
            explained = number > 0 or self._is_bad(proven, size)
            self._say(None if explained else proven, doubt, "" if explained else "no good checkpoint from here on")
        if self._head is None and self._signed < size and not self._is_bad(self._signed, size):
            self._say(self._signed, "entry stands under no checkpoint")

    # ----------------------------------------------------------------- what belongs to no entry

    def _check_counts(self) -> None:
        """Rows that no entry accounts for."""
        hashes = sum(self._stop >> level for level in range(1, self._stop.bit_length()))
        for what, table, expected in (
            ("stored hashes that belong to no tree", "nodes", hashes),
            ("references of no entry", "links", self._links_seen),
            ("side values that no entry commits to", "side_values", self._side_seen),
            ("attachments that no entry names", "attachments", len(self._named)),
        ):
            (count,) = self._one(f"SELECT count(*) FROM {table}")  # noqa: S608 - constants
            self._say_left(what, count - expected)

    def _say_left(self, what: str, count: int) -> None:
        if count > 0:
            self._say(None, what, str(count))


@dataclass(frozen=True)
class _Head:
    """A row of checkpoints."""

    size: int
    previous: int
    root: bytes
    note: bytes


_COLUMNS = ("leaf", "prev", "kind", "actor", "recorded_at", "idempotency_key")


def _row(columns: tuple[Any, ...], links: frozenset[int]) -> _Row:
    raw = columns[-1] if isinstance(columns[-1], bytes) else b""
    entry, why_not = None, ""
    try:
        entry = Entry.parse(raw)
    except (Malformed, NewerFormat) as error:
        why_not = str(error)[:200]
    return _Row(columns[0], dict(zip(_COLUMNS, columns[1:-1], strict=True)), raw, leaf_hash(raw), entry, why_not, links)


def _windows(rows: Iterator[_Row]) -> Iterator[tuple[_Row, _Row | None, _Row | None]]:
    """Each row with the two after it."""
    row, after = next(rows, None), next(rows, None)
    while row is not None:
        beyond = next(rows, None)
        yield row, after, beyond
        row, after = after, beyond

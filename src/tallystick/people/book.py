"""A set of entries to read in: the same for a whole ledger, a slice of it, and an evidence pack.

Everything above (rules, report, verifier) asks the book, never a database. A book over a ledger reads an entry when it
is asked for, so that a question costs what it touches, not what the ledger holds.

A ledger finds entries through indexes that stand beside the bytes: which kind an entry is of, which entries refer to
it. Whoever can write the file can change those. So:

* An index only proposes. An entry counts as of a kind if its bytes say so, a reference is followed only if the entry
  found has the leaf hash that the reference names, and an entry refers to another only if its bytes name that leaf.
* The index of references is asked by :meth:`Book.referring` without kinds and by nothing else, and no rule asks that:
  a row that is missing there would hide a failed evaluation or a refusal. Where it matters that nothing is missed,
  :meth:`Book.naming` goes through the bytes of every entry of a kind.
* What is left is the index of kinds. An entry that it keeps from its kind is missed here, as one whose bytes were
  changed would be; `fsck` finds either, and then judges every promotion by all bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Final, Protocol, runtime_checkable

from tallystick.canonical import Value, decode, encode
from tallystick.errors import InvalidRecord, Malformed, NotFound, Tampered
from tallystick.records import Entry, Ref

__all__ = ["Book", "Noting", "Parts", "Source", "Stored"]

Parts = Callable[[Entry, str], bytes | None]
"""Bytes of an entry's attachment or encoded personal value by name; None if erased, withheld or missing."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_HASHES: Final = re.compile(rb'"([0-9a-f]{64})"')
"""A string of canonical JSON that is a SHA-256 in hex: it has one spelling, and can be found without parsing."""


class Source(Protocol):
    """What a book reads in: a ledger, an open transaction, or entries in hand."""

    origin: str

    @property
    def size(self) -> int:
        """How many entries there are; they are numbered from 0 without a gap."""
        ...

    def entry(self, seq: int) -> Entry:
        """One entry.

        Raises:
            NotFound: there is none of that number.
        """
        ...

    def entries(self, start: int = 0, stop: int | None = None, *, kind: str | None = None) -> Iterator[Entry]:
        """Entries ``start`` up to (not including) ``stop``, in order; only those of the kinds, if any is named."""
        ...

    def referring(self, seq: int) -> list[int]:
        """The numbers of the entries that refer to this one, as far as an index knows them."""
        ...

    def part(self, entry: Entry, name: str) -> bytes | None: ...


@runtime_checkable
class Stored(Protocol):
    """A source that also gives out bytes without parsing them: most entries of a kind need no more than a look."""

    def stored(self, start: int = 0, stop: int | None = None, *, kind: str) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of the entries of a kind, in order."""
        ...


def _no_parts(entry: Entry, name: str) -> bytes | None:  # noqa: ARG001 - the shape of Parts
    return None


class Book:
    """Entries in order of index, with lookup by reference, kind and name.

    A book is of the moment it was made: what is appended later, also in the same transaction, stands in the next one.
    """

    def __init__(self, entries: Iterable[Entry], *, origin: str, parts: Parts = _no_parts) -> None:
        """A book of entries in hand, which may leave some out."""
        hand = _Hand(entries, origin, parts)
        self._begin(hand, hand.seqs)

    @classmethod
    def over(cls, source: Source) -> Book:
        """A book of all that a source has now; entries are read when they are asked for, and kept."""
        book = cls.__new__(cls)
        book._begin(source, range(source.size))
        return book

    def _begin(self, source: Source, seqs: Sequence[int]) -> None:
        self.origin = source.origin
        self.seqs = seqs
        """The indices of the entries, in order."""
        self.size = seqs[-1] + 1 if seqs else 0
        """The index that would come next."""
        self._source = source
        self._read: dict[int, Entry] = {}
        self._kinds: dict[str, list[Entry]] = {}
        self._hashes: dict[str, Mapping[bytes, list[int]]] = {}
        self._held: dict[tuple[str, bytes], list[int]] = {}

    def until(self, time: str, *, size: int) -> Book:
        """The book as it stood at a time: below ``size``, up to the last entry that was recorded by then.

        The order of entries is proven and their times are not: what stands before an entry was there when that one
        was recorded, whatever the clock said in between. Costs what is left out.
        """
        below = self.seqs[: bisect_left(self.seqs, size)]
        places = reversed(range(len(below)))
        last = next((place for place in places if self._source.entry(below[place]).recorded_at <= time), -1)
        book = Book.__new__(Book)
        book._begin(self._source, below[: last + 1])
        book._read = self._read
        return book

    # ----------------------------------------------------------------- one entry

    def at(self, seq: int) -> Entry | None:
        """The entry of an index; None if it is not at hand.

        Raises:
            Malformed, Tampered: the bytes that stand there are not an entry, or not this one.
        """
        if not 0 <= seq < self.size:
            return None
        if seq not in self._read:
            try:
                self._read[seq] = self._source.entry(seq)
            except NotFound:
                return None
        return self._read[seq]

    def get(self, ref: Ref | Value) -> Entry:
        """The entry a reference names.

        Raises:
            NotFound: the entry is not in this book.
            Tampered: there is another entry at that index.
        """
        wanted = ref if isinstance(ref, Ref) else Ref.of(ref)
        entry = self.at(wanted.seq)
        if entry is None:
            raise NotFound("entry is not at hand", where=f"entry {wanted.seq}")
        if entry.ref.leaf != wanted.leaf:
            raise Tampered(
                "another entry stands at this index",
                where=f"entry {wanted.seq}",
                expected=wanted.leaf,
                got=entry.ref.leaf,
            )
        return entry

    def find(self, value: Value) -> Entry | None:
        """As :meth:`get`, but None where the field is absent, or that very entry is not at hand."""
        try:
            wanted = Ref.of(value)
        except Malformed:
            return None
        entry = self.at(wanted.seq)
        return entry if entry is not None and entry.ref == wanted else None

    # ----------------------------------------------------------------- many entries

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, for what needs all: a pack of everything, an audit of the whole."""
        return tuple(self._source.entries(0, self.size))

    def of_kind(self, *kinds: str) -> list[Entry]:
        """Entries of these kinds, in order."""
        if len(kinds) == 1:
            return list(self._kind(kinds[0]))
        return sorted((entry for kind in kinds for entry in self._kind(kind)), key=lambda entry: entry.seq)

    def _kind(self, kind: str) -> list[Entry]:
        if kind not in self._kinds:
            found = self._source.entries(0, self.size, kind=kind)
            self._kinds[kind] = [self._read.setdefault(entry.seq, entry) for entry in found if entry.kind == kind]
        return self._kinds[kind]

    def naming(self, kind: str, *said: Value) -> list[Entry]:
        """Entries of a kind, in order, whose bytes hold one of these strings: a digest, a leaf hash, a name.

        Every entry of the kind that refers to an entry by its leaf hash, or names a thing by digest or name, is among
        them: bytes are gone through, not an index. Where in the entry the string stands is for the caller to look.
        A value that is no string is not looked for: then it is the whole kind.
        """
        if not all(isinstance(value, str) for value in said):
            return self.of_kind(kind)
        hashes = [text for text in said if _HASH.fullmatch(text)]
        others = [text for text in said if not _HASH.fullmatch(text)]
        found = {seq for text in hashes for seq in self._by_hash(kind).get(text.encode(), ())}
        found.update(self._holding(kind, [spelled for text in others if (spelled := _spelled(text)) is not None]))
        return self._those(kind, found)

    def moved(self, kind: str, field: str) -> list[Entry]:
        """Entries of a kind, in order, whose field was moved into an attachment, where :meth:`naming` sees nothing."""
        return self._those(kind, self._holding(kind, [encode(field) + b':{"attachment":']))

    def holding(self, kind: str, text: str) -> list[Entry]:
        """Entries of a kind, in order, in whose bytes a text stands anywhere, also as a part of a longer one."""
        return self._those(kind, self._holding(kind, [text.encode()]))

    def _those(self, kind: str, seqs: Iterable[int]) -> list[Entry]:
        found = [self.at(seq) for seq in sorted(set(seqs))]
        return [entry for entry in found if entry is not None and entry.kind == kind]

    def _holding(self, kind: str, texts: Sequence[bytes]) -> Iterator[int]:
        """Where the entries of a kind stand that hold one of these texts; each is looked for once."""
        new: dict[bytes, list[int]] = {text: [] for text in texts if (kind, text) not in self._held}
        for seq, raw in self._bytes(kind) if new else ():
            for text, places in new.items():
                if text in raw:
                    places.append(seq)
        self._held |= {(kind, text): places for text, places in new.items()}  # only now: all was gone through
        return chain.from_iterable(self._held[kind, text] for text in texts)

    def _by_hash(self, kind: str) -> Mapping[bytes, list[int]]:
        """Where each SHA-256 stands that an entry of the kind holds; made from the bytes, once."""
        if kind not in self._hashes:
            places = defaultdict(list)
            for seq, raw in self._bytes(kind):
                for text in _HASHES.findall(raw):
                    places[text].append(seq)
            self._hashes[kind] = places
        return self._hashes[kind]

    def _bytes(self, kind: str) -> Iterator[tuple[int, bytes]]:
        if kind in self._kinds or not isinstance(self._source, Stored):
            return ((entry.seq, entry.raw) for entry in self._kind(kind))
        return self._source.stored(0, self.size, kind=kind)

    def referring(self, target: Entry, *kinds: str) -> list[Entry]:
        """Entries that name the target in body or `supersedes`, in order.

        Of the kinds named, all such: their bytes are gone through. If none is named, those that the ledger's index of
        references knows, which is no proof that there are no more: good for telling, not for judging.
        """
        wanted = target.ref
        if kinds:
            pool = {entry.seq: entry for kind in kinds for entry in self.naming(kind, wanted.leaf)}
        else:
            pool = {seq: entry for seq in self._source.referring(target.seq) if (entry := self.at(seq)) is not None}
        return [pool[seq] for seq in sorted(pool) if seq > target.seq and wanted in pool[seq].references]

    # ----------------------------------------------------------------- by name

    def named(self, kind: str, name: str) -> list[Entry]:
        """Entries of a kind whose name this is, oldest first."""
        return [entry for entry in self.naming(kind, name) if entry.body.get("name") == name]

    def models(self, name: str) -> list[Entry]:
        """All recorded versions of a model, oldest first."""
        return self.named("model", name)

    def model(self, name: str, version: int | None = None) -> Entry:
        """A model version; the newest if none is named.

        Raises:
            NotFound: with the names or versions that there are.
        """
        versions = self.models(name)
        if not versions:
            names = sorted({str(entry.body.get("name")) for entry in self.of_kind("model")})
            if not names:
                raise NotFound("no such model: this ledger has none yet", got=name)
            raise NotFound("no such model", got=name, expected="one of " + ", ".join(names[:8]))
        if version is None:
            return versions[-1]
        for entry in versions:
            if entry.body.get("version") == version:
                return entry
        known = ", ".join(str(entry.body.get("version")) for entry in versions[-8:])
        raise NotFound("no such model version", got=f"{name}@{version}", expected=f"one of the versions {known}")

    # ----------------------------------------------------------------- beside an entry

    def part(self, entry: Entry, name: str) -> bytes | None:
        """Bytes of an attachment; None if it was erased, withheld or is missing."""
        return self._source.part(entry, name)

    def personal(self, entry: Entry, name: str) -> str | None:
        """A personal value; None if there is none, or it was erased or withheld."""
        if not any(line["name"] == name for line in entry.personal):
            return None
        data = self.part(entry, name)
        return None if data is None else str(decode(data, what=f"personal value {name}"))

    def field(self, entry: Entry, name: str) -> Value:
        """A field of the body, fetched from its attachment where it was moved there; None if it cannot be had."""
        value = entry.body.get(name)
        if isinstance(value, Mapping) and set(value) == {"attachment"}:
            data = self.part(entry, value["attachment"])
            return None if data is None else decode(data, what=f"attachment {value['attachment']}")
        return value


class Noting(Book):
    """A book that notes what is read in it.

    A book of the noted entries alone, with the noted parts, gives the same answers to the same questions: what a
    question goes through and does not give out makes no difference to anybody.
    """

    noted: dict[int, Entry]
    """Entries that were given out, by index."""
    parts: dict[tuple[int, str], bytes]
    """Parts that were given out, by index of their entry and name."""

    @classmethod
    def of(cls, book: Book) -> Noting:
        """A book of the same entries."""
        noting = cls.__new__(cls)
        noting._begin(book._source, book.seqs)
        noting._read = book._read
        noting.noted, noting.parts = {}, {}
        return noting

    def at(self, seq: int) -> Entry | None:
        entry = super().at(seq)
        if entry is not None:
            self.noted[seq] = entry
        return entry

    def of_kind(self, *kinds: str) -> list[Entry]:
        found = super().of_kind(*kinds)
        self.noted.update((entry.seq, entry) for entry in found)
        return found

    def part(self, entry: Entry, name: str) -> bytes | None:
        data = super().part(entry, name)
        if data is not None:
            self.parts[entry.seq, name] = data
        return data


def _spelled(text: str) -> bytes | None:
    """A string as an entry would hold it; None if none can."""
    try:
        return encode(text)
    except InvalidRecord:
        return None


class _Hand:
    """Entries in hand as a source: of a pack, a test, an audit that has read everything."""

    def __init__(self, entries: Iterable[Entry], origin: str, parts: Parts) -> None:
        self.origin = origin
        self._parts = parts
        self._entries = sorted(entries, key=lambda entry: entry.seq)
        self._by_seq = {entry.seq: entry for entry in self._entries}
        self._by_kind: dict[str, list[Entry]] = {}
        for entry in self._entries:
            self._by_kind.setdefault(entry.kind, []).append(entry)

    @property
    def seqs(self) -> Sequence[int]:
        return list(self._by_seq)

    @property
    def size(self) -> int:
        return self._entries[-1].seq + 1 if self._entries else 0

    def entry(self, seq: int) -> Entry:
        try:
            return self._by_seq[seq]
        except KeyError:
            raise NotFound("entry is not at hand", where=f"entry {seq}") from None

    def entries(self, start: int = 0, stop: int | None = None, *, kind: str | None = None) -> Iterator[Entry]:
        kinds = (kind,) if isinstance(kind, str) else kind
        pool = self._entries if kinds is None else [e for name in kinds for e in self._by_kind.get(name, ())]
        end = self.size if stop is None else stop
        return (entry for entry in pool if start <= entry.seq < end)

    def referring(self, seq: int) -> list[int]:
        return self._referring.get(seq, [])

    @cached_property
    def _referring(self) -> Mapping[int, list[int]]:
        found: dict[int, list[int]] = {}
        for entry in self._entries:
            for target in {ref.seq for ref in entry.references}:
                found.setdefault(target, []).append(entry.seq)
        return found

    def part(self, entry: Entry, name: str) -> bytes | None:
        return self._parts(entry, name)

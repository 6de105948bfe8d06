"""A set of entries to read in: the same for a whole ledger, a slice of it, and an evidence pack.

Everything above (rules, report, verifier) asks the book, never a database. A reference is followed only if the
entry found has the leaf hash that the reference names: an index alone proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tallystick.canonical import Value, decode
from tallystick.errors import Malformed, NotFound, Tampered
from tallystick.records import Entry, Ref

__all__ = ["Book", "Parts"]

Parts = Callable[[Entry, str], bytes | None]
"""Bytes of an entry's attachment or encoded personal value by name; None if erased, withheld or missing."""


def _no_parts(entry: Entry, name: str) -> bytes | None:  # noqa: ARG001 - the shape of Parts
    return None


class Book:
    """Entries in order of index, with lookup by reference, kind and name."""

    def __init__(self, entries: Iterable[Entry], *, origin: str, parts: Parts = _no_parts) -> None:
        self.entries: tuple[Entry, ...] = tuple(sorted(entries, key=lambda entry: entry.seq))
        self.origin = origin
        self._parts = parts
        self._by_seq = {entry.seq: entry for entry in self.entries}
        self._by_kind: dict[str, list[Entry]] = {}
        for entry in self.entries:
            self._by_kind.setdefault(entry.kind, []).append(entry)

    def get(self, ref: Ref | Value) -> Entry:
        """The entry a reference names.

        Raises:
            NotFound: the entry is not in this book.
            Tampered: there is another entry at that index.
        """
        wanted = ref if isinstance(ref, Ref) else Ref.of(ref)
        entry = self._by_seq.get(wanted.seq)
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
            return self.get(value)
        except (NotFound, Malformed, Tampered):
            return None

    def of_kind(self, *kinds: str) -> list[Entry]:
        """Entries of these kinds, in order."""
        if len(kinds) == 1:
            return list(self._by_kind.get(kinds[0], ()))
        return sorted((entry for kind in kinds for entry in self._by_kind.get(kind, ())), key=lambda entry: entry.seq)

    def models(self, name: str) -> list[Entry]:
        """All recorded versions of a model, oldest first."""
        return [entry for entry in self.of_kind("model") if entry.body.get("name") == name]

    def model(self, name: str, version: int | None = None) -> Entry:
        """A model version; the newest if none is named.

        Raises:
            NotFound: with the names or versions that there are.
        """
        versions = self.models(name)
        if not versions:
            names = sorted({str(entry.body.get("name")) for entry in self.of_kind("model")})
            raise NotFound("no such model", got=name, expected="one of " + ", ".join(names[:8]) if names else None)
        if version is None:
            return versions[-1]
        for entry in versions:
            if entry.body.get("version") == version:
                return entry
        known = ", ".join(str(entry.body.get("version")) for entry in versions[-8:])
        raise NotFound("no such model version", got=f"{name}@{version}", expected=f"one of the versions {known}")

    def referring(self, target: Entry, *kinds: str) -> list[Entry]:
        """Entries (of these kinds, or any) that name the target in body or `supersedes`."""
        wanted = target.ref
        pool = self.of_kind(*kinds) if kinds else self.entries
        return [entry for entry in pool if entry.seq > target.seq and wanted in entry.references]

    def part(self, entry: Entry, name: str) -> bytes | None:
        """Bytes of an attachment; None if it was erased, withheld or is missing."""
        return self._parts(entry, name)

    def personal(self, entry: Entry, name: str) -> str | None:
        """A personal value; None if there is none, or it was erased or withheld."""
        if not any(line["name"] == name for line in entry.personal):
            return None
        data = self._parts(entry, name)
        return None if data is None else str(decode(data, what=f"personal value {name}"))

    def field(self, entry: Entry, name: str) -> Value:
        """A field of the body, fetched from its attachment where it was moved there; None if it cannot be had."""
        value = entry.body.get(name)
        if isinstance(value, Mapping) and set(value) == {"attachment"}:
            data = self._parts(entry, value["attachment"])
            return None if data is None else decode(data, what=f"attachment {value['attachment']}")
        return value

"""What people signed and decided, judged over a whole book: for whoever verifies, not for whoever acts.

The rules ignore what does not count: a policy by somebody who may not publish, a promotion without an approval. Here
it is named, for that it stands in the books at all is what an auditor wants to know. The same questions are asked of
a ledger and of a pack; and, before a report, of the entries that it tells of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tallystick.errors import NotVerified
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing, spoken
from tallystick.records import KINDS, Entry

__all__ = ["SIGNED", "Wrong", "evaluations", "promotions", "signatures"]

SIGNED: Final = tuple(kind.name for kind in KINDS.values() if kind.signed and kind.name != "key")
"""Kinds that demand a signature; keys are judged by the ring itself."""
_RIGHTS: Final = {"policy": "publish", "approval": "approve", "promotion": "promote"}


@dataclass(frozen=True)
class Wrong:
    """An entry that does not hold, and why."""

    entry: Entry
    why: str

    def __str__(self) -> str:
        return f"entry {self.entry.seq}, a {self.entry.kind}: {self.why}"


def signatures(book: Book, ring: KeyRing, among: Iterable[Entry] | None = None) -> Iterator[Wrong]:
    """Entries whose kind demands a signature: it holds, its signer is entitled, and nobody said it before.

    Args:
        among: only of these entries, in order; else of all.
    """
    first: dict[bytes, int] = {}
    for entry in _of(book, among, *SIGNED):
        try:
            ring.check(entry)
        except NotVerified as error:
            yield Wrong(entry, str(error))
            continue
        stood = first.setdefault(spoken(entry), entry.seq)
        if stood != entry.seq:
            yield Wrong(entry, f"its statement stood first in entry {stood}")
        right = _RIGHTS.get(entry.kind)
        if right is not None and not ring.may(entry.actor, right):
            yield Wrong(entry, f"{entry.actor} may not {right}")


def evaluations(book: Book, among: Iterable[Entry] | None = None) -> Iterator[Wrong]:
    """Evaluations (among some entries, or all) that did not follow the policy they name."""
    for entry in _of(book, among, "evaluation"):
        yield from _wrong(entry, lambda entry: rules.evaluation_problems(book, entry))


def promotions(book: Book, ring: KeyRing, among: Iterable[Entry] | None = None) -> Iterator[Wrong]:
    """Promotions (among some entries, or all) that broke a rule when they were recorded."""
    for entry in _of(book, among, "promotion"):
        yield from _wrong(entry, lambda entry: rules.recorded_promotion_problems(book, ring, entry))


def _of(book: Book, among: Iterable[Entry] | None, *kinds: str) -> list[Entry]:
    return book.of_kind(*kinds) if among is None else [entry for entry in among if entry.kind in kinds]


def _wrong(entry: Entry, judge: Callable[[Entry], list[str]]) -> list[Wrong]:
    """What is wrong with an entry, broken evidence on the way included."""
    try:
        return [Wrong(entry, text) for text in judge(entry)]
    except NotVerified as error:
        return [Wrong(entry, str(error))]

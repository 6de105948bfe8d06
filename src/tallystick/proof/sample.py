"""Samples: which entries an auditor looks at, drawn from a population that is whole.

The population is all entries of one kind that were recorded in a time. A pack with a sample holds every entry from the
first to the last one of that time, and the neighbours on both sides, so that none can be left out of the population.
What is drawn follows from a seed that the auditor names: each member of the population is ranked by
SHA-256(seed in UTF-8, ``0x00``, leaf hash), and those with the smallest digests are drawn.

The whole story of what was drawn is in the pack; of the others it holds the entries alone, and nothing is asked of what
they refer to. That the clock of the ledger ran forward is the ledger's claim.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from tallystick.canonical import Value
from tallystick.errors import InvalidInput, Malformed, Tampered
from tallystick.records import Entry, is_time

__all__ = ["ALWAYS", "FILTER", "Sample", "take"]

FILTER: Final = "sample"
ALWAYS: Final = ("ledger", "key", "role", "policy")
"""Kinds of which the story needs every entry: who people are, and what the rules were."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What breaks a line or is none: named, for what is printable differs from one Unicode to the next."""
MAX_SEED: Final = 200
"""Characters."""
_FIELDS: Final[Mapping[str, type]] = {
    "name": str, "kind": str, "from": str, "until": str, "first": int, "last": int, "population": int, "seed": str,
    "drawn": list, "told": list,
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What was drawn, from what, and by which seed."""

    kind: str
    since: str
    until: str
    """Exclusive."""
    first: int
    last: int
    population: int
    seed: str
    drawn: tuple[int, ...]
    """Indices, ascending."""
    told: tuple[int, ...] = ()
    """Indices of what was said later of what was drawn, ascending: the story has them too."""

    def value(self) -> dict[str, Value]:
        """The filter of a manifest."""
        return {
            "name": FILTER,
            "kind": self.kind,
            "from": self.since,
            "until": self.until,
            "first": self.first,
            "last": self.last,
            "population": self.population,
            "seed": self.seed,
            "drawn": list(self.drawn),
            "told": list(self.told),
        }

    @classmethod
    def parse(cls, value: Mapping[str, Value]) -> Sample:
        """The sample that a manifest states; nothing is checked against entries yet.

        Raises:
            Malformed: a field is missing, too much, or of another type.
        """
        wrong = [name for name, kind in _FIELDS.items() if type(value.get(name)) is not kind]
        if wrong or set(value) != set(_FIELDS) or not all(map(_ascending, (value["drawn"], value["told"]))):
            raise Malformed("filter of a sample lacks or misspells a field", got=", ".join(wrong) or None)
        found: dict[str, Any] = dict(value)
        if not all(is_time(found[name]) for name in ("from", "until")):
            raise Malformed("times of a sample are none", got=f"{found['from']}, {found['until']}"[:80])
        if found["population"] < 1 or not found["drawn"]:
            raise Malformed("sample is of nothing: a population and a draw of at least one are expected")
        if not _is_seed(found["seed"]):
            raise Malformed(
                "seed of a sample is none", expected=f"1 to {MAX_SEED} characters without control characters"
            )
        return cls(
            found["kind"], found["from"], found["until"], found["first"], found["last"], found["population"],
            found["seed"], tuple(found["drawn"]), tuple(found["told"]),
        )  # fmt: skip

    @property
    def neighbours(self) -> tuple[int, int]:
        """The entries before and after: they show that the time was cut where it is said to be."""
        return self.first - 1, self.last + 1

    def check(self, entries: Sequence[Entry], *, size: int) -> None:
        """Check that the population is whole, and that the sample is what the seed draws from it.

        Args:
            entries: those at hand, in order of index.
            size: of the ledger.

        Raises:
            Tampered: an entry of the population is not here, the time is cut elsewhere, or another sample is drawn.
        """
        before, after = self.neighbours
        _refuse(not 0 <= self.first <= self.last < size, "the time of the sample lies outside the ledger")
        within = [entry for entry in entries if max(0, before) <= entry.seq <= min(after, size - 1)]
        _refuse(
            [entry.seq for entry in within] != list(range(max(0, before), min(after, size - 1) + 1)),
            "the population of the sample is not whole: an entry of its time or beside it is missing",
        )
        inside = {entry.seq: self.covers(entry) for entry in within}
        cut = inside.get(self.first, False) and inside.get(self.last, False) and all(map(self._parted, entries))
        _refuse(not cut, "the time of the sample is cut at other entries than it says")
        found = [entry for entry in within if inside[entry.seq] and entry.kind == self.kind]
        _refuse(len(found) != self.population, "the population of the sample has another number")
        _refuse(draw(found, self.seed, len(self.drawn)) != self.drawn, "the seed draws another sample")
        here = {entry.seq for entry in entries}
        _refuse(not here.issuperset(self.told), "an entry that the sample tells of is missing")
        _refuse(any(not before <= seq <= after for seq in self.told), "the sample tells of an entry outside its time")

    def _parted(self, entry: Entry) -> bool:
        """Whether an entry stands on the side of the time that its own time says; others need only not be of it."""
        if entry.seq == self.first - 1:
            return entry.recorded_at < self.since
        if entry.seq == self.last + 1:
            return entry.recorded_at >= self.until
        return self.first <= entry.seq <= self.last or not self.covers(entry)

    def covers(self, entry: Entry) -> bool:
        """Whether an entry was recorded in the time of the sample."""
        return self.since <= entry.recorded_at < self.until

    def story(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries whose completeness is a question: what was drawn or said of it, what stands outside its time, the
        keys, roles and policies, and whatever these refer to. The others are there to be counted.
        """
        by_seq = {entry.seq: entry for entry in entries}
        before, after = self.neighbours
        drawn = {*self.drawn, *self.told}
        waiting = [
            entry for entry in entries if entry.seq in drawn or entry.kind in ALWAYS or not before <= entry.seq <= after
        ]
        found: dict[int, Entry] = {}
        while waiting:
            entry = waiting.pop()
            if entry.seq not in found:
                found[entry.seq] = entry
                waiting += [by_seq[ref.seq] for ref in entry.references if ref.seq in by_seq]
        return [found[seq] for seq in sorted(found)]


def take(entries: Iterable[Entry], *, kind: str, since: str, until: str, count: int, seed: str) -> Sample:
    """Draw a sample from all entries of a ledger, in order of index.

    Raises:
        InvalidInput: nothing of that kind was recorded in that time, or the seed is none.
        Tampered: the clock of the ledger stepped over the beginning or the end of the time, so that nobody could say
            which entries are of it.
    """
    if not _is_seed(seed):
        raise InvalidInput("seed of a sample is not usable", expected=f"1 to {MAX_SEED} characters, none for control")
    entries = list(entries)
    inside = [entry for entry in entries if since <= entry.recorded_at < until]
    population = [entry for entry in inside if entry.kind == kind]
    if not population:
        raise InvalidInput(
            f"no {kind} was recorded in this time, so there is nothing to draw from", got=f"{since} to {until}"
        )
    drawn = draw(population, seed, count)
    sample = Sample(kind, since, until, inside[0].seq, inside[-1].seq, len(population), seed, drawn)
    sample.check(entries, size=len(entries))
    return sample


def draw(population: Iterable[Entry], seed: str, count: int) -> tuple[int, ...]:
    """Indices of those that the seed draws, ascending; all of them where there are fewer."""
    from hashlib import sha256

    salt = seed.encode() + b"\x00"
    ranked = sorted(population, key=lambda entry: sha256(salt + entry.leaf).digest())
    return tuple(sorted(entry.seq for entry in ranked[:count]))


def _is_seed(text: str) -> bool:
    return 0 < len(text) <= MAX_SEED and _CONTROL.search(text) is None


def _ascending(value: Value) -> bool:
    """Whether a list holds indices in ascending order, each once."""
    indices = isinstance(value, list) and all(type(item) is int for item in value)
    return indices and all(one < two for one, two in pairwise(value))


def _refuse(wrong: bool, what: str) -> None:
    if wrong:
        raise Tampered(what, where="manifest.json")

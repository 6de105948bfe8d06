"""What a set of entries says about what is missing from it.

These are facts, not errors: a pack under a filter leaves entries out by intent. Whoever gives a verdict weighs them.
What was never recorded leaves no trace, here or anywhere.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tallystick.proof.note import VerifierKey
from tallystick.records import Entry, Ref, references

__all__ = ["AttemptGap", "Completeness", "Dangling", "completeness"]


@dataclass(frozen=True)
class Dangling:
    """A reference that leads to no entry at hand."""

    seq: int
    """The entry that refers."""
    ref: Ref
    elsewhere: bool
    """Whether another entry stands at that index: the reference is then wrong, not merely cut off."""


@dataclass(frozen=True)
class AttemptGap:
    """Evaluations of a use case that are counted but not at hand: attempts ``first`` to ``last``."""

    usecase: Ref
    first: int
    last: int


@dataclass(frozen=True)
class Completeness:
    """Facts about what is there and what is not."""

    whole: bool
    """Whether the entries are all leaves of the tree, from the first to the last."""
    dangling: tuple[Dangling, ...]
    gaps: tuple[AttemptGap, ...]
    uncounted: tuple[int, ...]
    """Evaluations, by seq, whose use case or attempt number cannot be read, or whose number another one has."""
    genesis: str | None
    """What is wrong with entry 0 (missing, another kind, origin or checkpoint key), or that there is another such; None
    if nothing is."""


def completeness(
    entries: Sequence[Entry], *, size: int, key: VerifierKey, story: Sequence[Entry] | None = None
) -> Completeness:
    """The facts about entries in order of ``seq``, out of a ledger of that size whose key this is.

    Args:
        story: those of the entries whose references and evaluations are asked about; None for all of them.
    """
    asked = entries if story is None else story
    gaps, uncounted = _attempts(entries, {entry.seq for entry in asked})
    return Completeness(
        whole=[entry.seq for entry in entries] == list(range(size)),
        dangling=tuple(_dangling(entries, asked)),
        gaps=gaps,
        uncounted=uncounted,
        genesis=_genesis_problem(entries, key),
    )


def _dangling(entries: Sequence[Entry], asked: Sequence[Entry]) -> Iterator[Dangling]:
    leaves = {entry.seq: entry.ref for entry in entries}
    for entry in asked:
        for ref in sorted(entry.references, key=lambda ref: (ref.seq, ref.leaf)):
            if leaves.get(ref.seq) != ref:
                yield Dangling(entry.seq, ref, elsewhere=ref.seq in leaves)


def _attempts(entries: Sequence[Entry], asked: Container[int]) -> tuple[tuple[AttemptGap, ...], tuple[int, ...]]:
    numbers: dict[Ref, set[int]] = {}
    uncounted = []
    series: set[Ref] = set()
    for entry in entries:
        if entry.kind != "evaluation":
            continue
        if _without_usecase(entry):
            continue  # its model is for nothing that was recorded: there is no series that it could be missing from
        number, usecase = _number(entry), list(references(entry.body.get("usecase")))
        known = numbers.setdefault(usecase[0], set()) if number is not None and len(usecase) == 1 else None
        if entry.seq in asked:
            series.update(usecase[:1])
        if number is None or known is None or number in known:
            uncounted += [entry.seq] if entry.seq in asked else []
        else:
            known.add(number)
    gaps = (gap for usecase, found in numbers.items() if usecase in series for gap in _gaps(usecase, found))
    return tuple(gaps), tuple(uncounted)


def _without_usecase(evaluation: Entry) -> bool:
    usecase = evaluation.body.get("usecase")
    return isinstance(usecase, Mapping) and set(usecase) == {"absent"}


def _number(evaluation: Entry) -> int | None:
    """Which attempt at its use case an evaluation says it is."""
    attempt = evaluation.body.get("attempt")
    number = attempt.get("usecase") if isinstance(attempt, Mapping) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None


def _gaps(usecase: Ref, numbers: set[int]) -> Iterator[AttemptGap]:
    """Ranges, so that a hostile number costs nothing."""
    expected = 1
    for number in sorted(numbers):
        if number > expected:
            yield AttemptGap(usecase, expected, number - 1)
        expected = number + 1


def _genesis_problem(entries: Sequence[Entry], key: VerifierKey) -> str | None:
    if not entries or entries[0].seq != 0:
        return "entry 0 is not there"
    genesis = entries[0]
    if genesis.kind != "ledger":
        return f"entry 0 is of kind {genesis.kind!r}, not 'ledger'"
    if genesis.body.get("origin") != key.name:
        return "entry 0 names another origin"
    if genesis.body.get("checkpoint_key") != str(key):
        return "entry 0 names another checkpoint key"
    again = next((entry.seq for entry in entries[1:] if entry.kind == "ledger"), None)
    return None if again is None else f"entry {again} says that a ledger begins there"

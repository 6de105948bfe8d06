"""Compute a recorded evaluation again, from a ledger or from a pack, and compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.canonical import Value, decode, encode
from tallystick.errors import InvalidData, Malformed, NotFound
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.policy.again import Again, Recorded, again, milder
from tallystick.policy.document import Policy
from tallystick.policy.gates.bias.groups import SMALL_CELL
from tallystick.policy.statistics import evaluation_seed
from tallystick.records import Entry
from tallystick.workflow.evaluate import published
from tallystick.workflow.verify import pack_of

if TYPE_CHECKING:
    from tallystick.policy.gates.bias.reference import Agreement

__all__ = [
    "Compared",
    "Replay",
    "Supposed",
    "book_of_pack",
    "evaluation_at",
    "named_policy",
    "recorded",
    "replay",
    "second_opinion",
    "suppose",
]

_ERASED: Final = "The rows were never in the ledger: without the counts nothing can be computed again."


@dataclass(frozen=True)
class Compared:
    """A check as it was recorded, beside what it comes to now."""

    check: str
    how: str
    """``counts``, ``threshold-only``, or ``untold``."""
    recorded: str
    """The recorded verdict."""
    differs: tuple[str, ...]
    """What does not agree, a clause each; empty where everything does."""


@dataclass(frozen=True)
class Replay:
    """A recorded evaluation, computed again."""

    evaluation: Entry
    policy: Policy
    checks: tuple[Compared, ...]
    problems: tuple[str, ...]
    """What does not hold of the evaluation as a whole: plan, seed, roll-up."""
    recorded: Recorded = field(repr=False)
    """What the ledger holds of it."""

    @property
    def agrees(self) -> bool:
        return not self.problems and not any(check.differs for check in self.checks)


def book_of_pack(path: Path, key: str | None) -> Book:
    """The entries of an evidence pack, of which every byte is checked first.

    Raises:
        NotVerified: the pack does not hold under the key.
    """
    pack, known = pack_of(path, key)
    return Book(pack.entries, origin=known.name, parts=pack.part)


def evaluation_at(book: Book, number: int) -> Entry:
    """The evaluation in an entry, or the one that the decision in it rests on.

    Raises:
        NotFound: there is no such entry, or it is another kind of entry.
    """
    entry = book.at(number)
    if entry is not None and entry.kind == "decision":
        entry = book.find(entry.body.get("evaluation"))
    if entry is None or entry.kind != "evaluation":
        got = "no entry" if entry is None else f"an entry of kind {entry.kind}"
        raise NotFound(
            "no evaluation there", where=f"entry {number}", got=got, remedy="See: tallystick log --kind evaluation"
        )
    return entry


def recorded(book: Book, evaluation: Entry) -> Recorded:
    """What the ledger still holds of an evaluation.

    Raises:
        NotFound: the policy, the check results or the counts are erased, withheld or missing.
        InvalidData: what is there is of another form.
    """
    where = f"entry {evaluation.seq}"
    policy = book.find(evaluation.body.get("policy"))
    if policy is None:
        raise NotFound("the policy of the evaluation is not at hand", where=where)
    checks = book.field(evaluation, "checks")
    if checks is None:
        raise NotFound("the check results are erased or missing", where=where)
    if not isinstance(checks, list) or not all(isinstance(check, Mapping) for check in checks):
        raise InvalidData("the check results are not of the known form", where=where)
    counts = evaluation.body.get("counts")
    data = book.part(evaluation, str(counts.get("attachment"))) if isinstance(counts, Mapping) else None
    if data is None:
        raise NotFound("the counts are erased, withheld or missing", where=where, remedy=_ERASED)
    try:
        return Recorded(published(book, policy), checks, decode(data, what="counts.json"))
    except Malformed as error:
        raise InvalidData("the counts are not of the known form", where=where, got=error.what) from error


def _digest(book: Book, evaluation: Entry) -> str:
    return str(next(iter(rules.data_digests(book, evaluation)), ""))


def replay(book: Book, number: int) -> Replay:
    """Compute again what was recorded in an evaluation, and hold every field against it.

    Args:
        number: of the evaluation, or of its decision.

    Raises:
        NotFound: no such evaluation, or what it needs is erased or missing.
        InvalidData: the recorded bytes are not of the known form.
    """
    evaluation = evaluation_at(book, number)
    known = recorded(book, evaluation)
    found = again(known.policy, known, seed=evaluation_seed(known.policy.digest, _digest(book, evaluation)))
    compared = tuple(_compared(one, known.check(one.check)) for one in found)
    return Replay(evaluation, known.policy, compared, tuple(_problems(book, evaluation, known)), known)


def second_opinion(found: Replay) -> Agreement:
    """Have the recorded values of bias gates computed again by fairlearn, from the recorded counts.

    Args:
        found: an evaluation that agrees with its counts.

    Raises:
        Unconfirmed: it comes to another value.
    """
    from tallystick.policy.gates.bias import reference

    values = {str(check.get("id")): check.get("value") for check in found.recorded.checks}
    return reference.second_opinion(found.policy, values, found.recorded.evidence)


def _problems(book: Book, evaluation: Entry, known: Recorded) -> Iterator[str]:
    yield from rules.evaluation_problems(book, evaluation)
    seed = evaluation_seed(known.policy.digest, _digest(book, evaluation))
    if evaluation.body.get("seed") not in (None, seed):
        yield f"the seed is not that of this policy and these data: recorded {evaluation.body['seed']}, now {seed}"
    rows = known.evidence.get("rows") if isinstance(known.evidence, Mapping) else None
    data = book.field(evaluation, "data")
    named = data[0].get("rows") if isinstance(data, list) and data and isinstance(data[0], Mapping) else None
    if rows != named:
        yield f"the counts speak of {rows} rows and the evaluation of {named}"


def _compared(found: Again, check: Mapping[str, Value] | None) -> Compared:
    if check is None:
        return Compared(found.check, found.how, "", ("nothing was recorded of it",))
    verdict = str(check.get("verdict"))
    if found.result is not None:
        return Compared(found.check, "counts", verdict, tuple(_fields(check, found.result.as_json())))
    if found.verdict is None:
        # A gate that could not be carried out then cannot be now: its checks were recorded as errors.
        return Compared(found.check, "untold", verdict, () if verdict == "error" else (found.why,))
    if check.get("replay") == "counts":
        return Compared(found.check, "threshold-only", verdict, ("recorded as computed from counts, and it is not",))
    told = (f"recorded {verdict}, and its value gives {found.verdict}",) if milder(verdict, found.verdict) else ()
    return Compared(found.check, "threshold-only", verdict, told)


def _fields(then: Mapping[str, Value], now: Mapping[str, Value]) -> Iterator[str]:
    """The fields that differ, with both values where they are short. An earlier version recorded fewer figures.

    It also told small numbers that are withheld now: those are not compared, nor is the sentence that held them.
    """
    for name in sorted({*then, *now} - ({"figures"} - {*then})):
        told = _masked(then[name], now.get(name)) if name in ("groups", "figures") and name in then else then.get(name)
        if name == "reason" and _FEW in str(now.get(name)):
            continue
        old, new = (
            encode(value).decode() if there else "nothing"
            for value, there in ((told, name in then), (now.get(name), name in now))
        )
        if old != new:
            shown = f": recorded {old}, now {new}" if len(old) + len(new) <= 120 else ""
            yield f"{name} differs{shown}"


_FEW: Final = f"fewer than {SMALL_CELL}"


def _masked(then: Value, now: Value) -> Value:
    """What was recorded, without what is withheld now."""
    if now is None:
        return None
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [_masked(old, new) for old, new in zip(then, now, strict=True)]
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        silent = None in now.values()  # then its interval is left out too
        return {key: _masked(old, now.get(key)) for key, old in then.items() if key in now or not silent}
    return then


# --------------------------------------------------------------------------- under another policy


@dataclass(frozen=True)
class Supposed:
    """What a recorded evaluation would have come to under a policy."""

    policy: Policy
    checks: tuple[Again, ...]

    @property
    def untold(self) -> tuple[Again, ...]:
        """The checks that would need the data."""
        return tuple(check for check in self.checks if check.verdict is None)

    @property
    def verdict(self) -> str | None:
        """None if the checks that cannot be told could turn it."""
        told = rules.rolled_up(check.verdict for check in self.checks if check.verdict is not None)
        return told if not self.untold or told == "fail" else None


def suppose(book: Book, number: int, *policies: Policy) -> list[Supposed]:
    """What the evaluation in an entry would have come to under each of these policies, from its counts.

    Raises:
        NotFound: no such evaluation, or what it needs is erased or missing.
        InvalidData: the recorded bytes are not of the known form.
    """
    evaluation = evaluation_at(book, number)
    known = recorded(book, evaluation)
    seeds = [evaluation_seed(policy.digest, _digest(book, evaluation)) for policy in policies]
    return [
        Supposed(policy, tuple(again(policy, known, seed=seed))) for policy, seed in zip(policies, seeds, strict=True)
    ]


def named_policy(book: Book, name: str) -> Policy:
    """A published policy, ``ID`` for its newest version or ``ID@VERSION``.

    Raises:
        NotFound: no such policy or version is published.
    """
    id, _, version = name.partition("@")
    entries = rules.published(book, KeyRing.of(book))
    found = [e for e in entries if e.body["id"] == id and version in ("", e.body["version"])]
    if not found:
        known = ", ".join(f"{e.body['id']}@{e.body['version']}" for e in entries) or "none"
        raise NotFound("no such policy is published, and no file has this name", got=name, expected=f"one of: {known}")
    return published(book, found[-1])

"""Evaluations of those who may not write to the ledger: handed in, looked at, recorded by whoever holds its key.

A build job reads the ledger, runs the gates, and hands in what it found. Whoever records it

1. reads it as strictly as anything from a stranger, and refuses what names another ledger, model or policy;
2. computes everything again that follows from the counts, and compares;
3. holds the plan, the seed and the verdict against the published policy, and facts against the ledger;
4. draws up the entries by its own rules, in its own transaction: attempts and earlier failures are counted here.

What it cannot know is whether the counts are those of the data, and what hangs on rows (``threshold-only``): that is
the job's word. The entries say that they were handed in, and by whom, as the system or the server knows them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tallystick.canonical import Value, decode, encode
from tallystick.errors import (
    InvalidData,
    InvalidInput,
    Malformed,
    NotFound,
    Refused,
    TallystickError,
    Unavailable,
    UsageError,
)
from tallystick.ledger.inbox import Inbox, Submission
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.records import Entry
from tallystick.workflow import compare, facts
from tallystick.workflow.desk import Desk
from tallystick.workflow.evaluate import Judged, Scored, chosen_policy, matching, published, recorded, submitted

if TYPE_CHECKING:
    from tallystick.policy.judge import Outcome

__all__ = ["Answer", "Received", "hand_in", "receive", "wait_for"]

_SCHEMA: Final = "tallystick/submission/v1"
_ANSWER: Final = "tallystick/submission-answer/v1"
_KEYS: Final = frozenset({"schema", "ledger", "actor", "model", "policy", "data", "outcome", "evidence", "explain"})
_REFUSED: Final = (InvalidInput, Malformed, NotFound, Refused, UsageError)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_TEXT: Final = 4_000
"""Characters of an explanation, and of what a job says of a check that nobody can compute again."""
_MAX_NAME: Final = 200
"""Characters of the name or the version of a tool."""
_MAX_TOOLS: Final = 64
_PAUSE: Final = 0.2
"""Seconds between looks at the inbox."""


@dataclass(frozen=True)
class Answer:
    """What became of a submission."""

    evaluation: int | None
    decision: int | None
    refused: str = ""
    """Why it was not recorded; empty if it was."""


@dataclass(frozen=True)
class Received:
    """A submission that was answered."""

    submission: Submission
    answer: Answer


# --------------------------------------------------------------------------- handing in


def hand_in(desk: Desk, found: Judged, inbox: Inbox, *, actor: str, explain: str | None = None) -> str:
    """Hand in what the gates found; the name under which it is answered.

    Raises:
        InvalidInput, Unavailable: as the inbox says.
    """
    outcome = found.outcome.as_json()
    data = found.data
    return inbox.put(
        encode(
            {
                "schema": _SCHEMA,
                "ledger": desk.origin,
                "actor": actor,
                "model": found.model.ref.value(),
                "policy": found.policy.ref.value(),
                "data": {
                    "dataset": None if data.entry is None else data.entry.ref.value(),
                    "sha256": data.sha256,
                    "predictions": data.predictions,
                },
                "outcome": {key: outcome[key] for key in ("plan", "checks", "verdict", "tools", "engine", "seed")},
                "evidence": found.outcome.evidence,
                "explain": explain,
            }
        )
    )


def wait_for(inbox: Inbox, name: str, *, patience: float) -> Answer:
    """The answer, waited for.

    Raises:
        Unavailable: none within ``patience`` seconds; it may still be recorded.
    """
    deadline = time.monotonic() + patience
    while (data := inbox.answer_to(name)) is None:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"nobody recorded the submission within {patience:g} s",
                where=inbox.where,
                got=f"submission {name}",
                remedy="It may still be. Whoever holds the ledger's key runs: tallystick ledger receive --watch",
            )
        time.sleep(_PAUSE)
    value = decode(data, what="answer")
    return Answer(value["evaluation"], value["decision"], value["refused"])


# --------------------------------------------------------------------------- recording


def receive(desk: Desk, inbox: Inbox) -> Iterator[Received]:
    """Answer what waits, one after the other."""
    for submission in inbox.waiting():
        try:
            answer = _recorded(desk, submission)
        except _REFUSED as error:  # of anything else the submission is not at fault: it stays where it is
            answer = Answer(None, None, str(error))
        value = {
            "schema": _ANSWER,
            "evaluation": answer.evaluation,
            "decision": answer.decision,
            "refused": answer.refused,
        }
        inbox.answer(submission.name, encode(value))
        yield Received(submission, answer)


def _recorded(desk: Desk, submission: Submission) -> Answer:
    book = desk.book()
    earlier = submitted(book, submission.name)
    if earlier is not None:  # and not answered: whoever recorded it died in between
        return Answer(earlier.seq, earlier.seq + 1)
    value = _read(submission, origin=desk.origin)
    KeyRing.of(book).person(value["actor"])
    found = _held(desk, book, value)
    done = recorded(
        desk,
        found,
        actor=value["actor"],
        explain=value["explain"],
        submission={"name": submission.name, "by": submission.by},
    )
    return Answer(done.evaluation.seq, done.decision.seq)


def _read(submission: Submission, *, origin: str) -> dict[str, Any]:
    value = decode(submission.data, what="submission", canonical=True)
    if not isinstance(value, dict) or value.get("schema") != _SCHEMA or set(value) != _KEYS:
        raise InvalidData("submission is not of the known form", expected=_SCHEMA)
    if not isinstance(value["actor"], str) or not isinstance(value["explain"], str | None):
        raise InvalidData("submission is not of the known form", expected="an actor, and perhaps an explanation")
    length = len(str(value["explain"] or ""))
    if length > _MAX_TEXT:
        raise InvalidData("explanation is too long", expected=f"{_MAX_TEXT:,} characters", got=f"{length:,}")
    if value["ledger"] != origin:
        raise Refused("submission is for another ledger", expected=origin, got=str(value["ledger"])[:80])
    return value


def _held(desk: Desk, book: Book, value: Mapping[str, Any]) -> Judged:
    """As :func:`_judged`; whatever else a submission brings about in what computes it again is its own fault.

    It would be met first the next time too, and nobody else's would ever be answered.
    """
    try:
        return _judged(desk, book, value)
    except TallystickError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:80]
        raise InvalidData(
            "submission cannot be computed again",
            got=f"{type(error).__name__}: {said}" if said else type(error).__name__,
        ) from error


def _judged(desk: Desk, book: Book, value: Mapping[str, Any]) -> Judged:
    from tallystick.policy import judge

    model, entry = _entry(book, value["model"], "model"), _entry(book, value["policy"], "policy")
    if model.kind != "model" or entry.kind != "policy":
        raise InvalidData(
            "submission names something else than a model and a policy", got=f"{model.kind}, {entry.kind}"
        )
    stage, name = str(entry.body["stage"]), str(entry.body["id"])
    in_force = chosen_policy(book, KeyRing.of(book), model, name=name, stage=stage, at=desk.clock())
    if in_force.seq != entry.seq:
        raise Refused("another version of the policy is in force", expected=f"entry {in_force.seq}", got=f"{entry.seq}")
    data = value["data"]
    if not isinstance(data, Mapping) or set(data) != {"dataset", "sha256", "predictions"}:
        raise InvalidData("submission is not of the known form", expected="data with dataset, sha256 and predictions")
    test_set = None if data["dataset"] is None else _entry(book, data["dataset"], "dataset")
    scored, judged = (_digest(data[name], name) for name in ("predictions", "sha256"))
    known = scored if test_set is None else test_set.body.get("distribution", {}).get("sha256")
    if judged != known:
        raise InvalidData("submission names another digest than its data have", expected=str(known), got=judged[:80])
    policy = published(book, entry)
    outcome = judge.rebuilt(policy, value["outcome"], value["evidence"], data_digest=judged)
    _check_words(outcome)
    told = outcome.evidence.get("facts", {})
    facts.check_told(book, policy, model, test_set, told=told, rows=outcome.rows, now=desk.clock())
    compare.check_told(book, policy, told=told)
    return matching(Judged(model, entry, outcome, Scored(test_set, judged, scored, outcome.rows)))


def _digest(value: Value, what: str) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise InvalidData(f"submission's {what} is no SHA-256", expected="64 hex digits", got=repr(value)[:70])
    return value


def _check_words(outcome: Outcome) -> None:
    """What nobody can compute again is somebody's word, and stands in the ledger for good: it has an end."""
    names = [outcome.engine, *outcome.tools, *outcome.tools.values()]
    if len(outcome.tools) > _MAX_TOOLS or any(len(name) > _MAX_NAME for name in names):
        raise InvalidData(
            "submission's tools are too many or too long", expected=f"{_MAX_TOOLS}, of {_MAX_NAME} characters each"
        )
    said = ((check, text) for check in outcome.checks for text in (check.reason, check.advice, check.because))
    for check, text in said:
        if check.replay != "counts" and len(text) > _MAX_TEXT:
            raise InvalidData(
                f"submission says too much of check {check.id}",
                expected=f"{_MAX_TEXT:,} characters",
                got=f"{len(text):,}",
            )


def _entry(book: Book, value: Value, what: str) -> Entry:
    found = book.find(value)
    if found is None:
        raise NotFound(f"submission names a {what} that is not there", got=str(value)[:80])
    return found

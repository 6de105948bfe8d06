"""What the ledger knows of a model at a moment, for rules over recorded facts.

Facts are values of the entries' bodies as they were recorded: of the model, of the newest version of its use case, of
the test set that was named, and of the metrics recorded of the model. What an entry says to be absent, or keeps in an
attachment, is no fact: a rule that names it has no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tallystick.canonical import Value, time_of
from tallystick.errors import InvalidData, Malformed
from tallystick.people.book import Book
from tallystick.records import Entry
from tallystick.workflow import benchmark

if TYPE_CHECKING:
    from tallystick.policy.document import Policy

__all__ = ["check_told", "known", "recorded_of"]

_ELSEWHERE = ({"absent"}, {"attachment"})
_OLDEST: Final = timedelta(days=1)
_WHOLE = "all"
"""The slice of a metric that speaks for everyone."""


def known(
    book: Book,
    policy: Policy,
    model: Entry,
    test_set: Entry | None,
    *,
    champion: str | None = None,
    at: str | None = None,
) -> dict[str, Value]:
    """The facts ``model``, ``usecase``, ``dataset`` and ``metric``, each left out where there is none; the time at
    which the data are judged, if it is said; and those of :func:`tallystick.workflow.benchmark.facts`.

    ``metric`` has the newest value of each name that was recorded of this model over everyone, on the test set if one
    was named.
    """
    from tallystick.policy.evidence import EVALUATED_AT

    facts = recorded_of(book, model, test_set)
    facts |= {} if at is None else {EVALUATED_AT: at}
    return facts | benchmark.facts(book, policy, model, test_set, champion=champion)


def recorded_of(book: Book, model: Entry, test_set: Entry | None) -> dict[str, Value]:
    """The facts that a condition may name: ``model``, ``usecase`` and ``dataset`` where there are such, ``metric``."""
    usecase = book.find(model.body.get("usecase"))
    entries = {"model": model, "usecase": _newest(book, usecase), "dataset": test_set}
    facts = {name: _plain(entry.body) for name, entry in entries.items() if entry is not None}
    return {**facts, "metric": {name: value for e in _metrics(book, model, test_set) for name, value in _named(e)}}


def check_told(
    book: Book,
    policy: Policy,
    model: Entry,
    test_set: Entry | None,
    *,
    told: Mapping[str, Value],
    rows: int,
    now: str,
) -> None:
    """Hold the facts that somebody else judged by against the ledger: they may count as they like, facts are its own.

    What is told of a baseline is left to :func:`tallystick.workflow.compare.check_told`. The time at which they judged
    is their claim; it cannot lie ahead of ``now``, nor more than a day back, so that old data do not pass for fresh.

    Raises:
        InvalidData: they are others.
    """
    from tallystick.policy.evidence import BASELINE
    from tallystick.policy.judge import facts_named

    champion = told.get("champion")
    sha256 = champion.get("predictions_sha256") if isinstance(champion, Mapping) else None
    theirs = None if sha256 is None else str(sha256)
    facts = known(book, policy, model, test_set, champion=theirs, at=_claimed(told, now))
    ours = facts_named(policy, facts, rows=rows)
    for name in sorted({*ours, *told} - {BASELINE}):
        if ours.get(name) != told.get(name):
            raise InvalidData(
                "submission names other facts than the ledger knows",
                where=name,
                expected=str(ours.get(name))[:200],
                got=str(told.get(name))[:200],
                remedy="Run the gates again: something may have been recorded meanwhile.",
            )


def _claimed(told: Mapping[str, Value], now: str) -> str | None:
    """When somebody else says that they judged."""
    from tallystick.policy.evidence import EVALUATED_AT

    if EVALUATED_AT not in told:
        return None
    at = told[EVALUATED_AT]
    try:
        age = time_of(now) - time_of(at)
    except Malformed:
        age = None
    if age is None or not timedelta(0) <= age <= _OLDEST:
        raise InvalidData(
            "submission was not judged at a time that can be accepted",
            where=EVALUATED_AT,
            expected=f"a time of the last 24 hours before {now}",
            got=str(at)[:80],
            remedy="Run the gates again, and compare the clocks of both machines.",
        )
    return str(at)


def _newest(book: Book, usecase: Entry | None) -> Entry | None:
    if usecase is None or usecase.kind != "usecase":
        return None
    return book.named("usecase", str(usecase.body.get("name")))[-1]


def _metrics(book: Book, model: Entry, test_set: Entry | None) -> list[Entry]:
    found = [entry for entry in book.referring(model, "metric") if book.find(entry.body.get("of")) == model]
    whole = [entry for entry in found if entry.body.get("slice") == _WHOLE]
    if test_set is None:
        return whole
    return [entry for entry in whole if book.find(entry.body.get("dataset")) in (None, test_set)]


def _named(entry: Entry) -> list[tuple[str, Value]]:
    name, value = entry.body["definition"].get("name"), entry.body["value"]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return [(name, value)] if isinstance(name, str) and number else []


def _plain(value: Value) -> Value:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if not _elsewhere(item)}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _elsewhere(value: Value) -> bool:
    return value is None or (isinstance(value, Mapping) and set(value) in _ELSEWHERE)

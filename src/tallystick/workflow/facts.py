"""What the ledger knows of a model at a moment, for rules over recorded facts.

Facts are values of the entries' bodies as they were recorded: of the model, of the newest version of its use case, of
the test set that was named, and of the metrics recorded of the model. What an entry says to be absent, or keeps in an
attachment, is no fact: a rule that names it has no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.people.book import Book
from tallystick.records import Entry
from tallystick.workflow import benchmark

if TYPE_CHECKING:
    from tallystick.policy.document import Policy

__all__ = ["check_told", "known"]

_ELSEWHERE = ({"absent"}, {"attachment"})
_WHOLE = "all"
"""The slice of a metric that speaks for everyone."""


def known(
    book: Book, policy: Policy, model: Entry, test_set: Entry | None, *, champion: str | None = None
) -> dict[str, Value]:
    """The facts ``model``, ``usecase``, ``dataset`` and ``metric``, each left out where there is none, and those of
    :func:`tallystick.workflow.benchmark.facts`.

    ``metric`` has the newest value of each name that was recorded of this model over everyone, on the test set if one
    was named.
    """
    usecase = book.find(model.body.get("usecase"))
    entries = {"model": model, "usecase": _newest(book, usecase), "dataset": test_set}
    facts = {name: _plain(entry.body) for name, entry in entries.items() if entry is not None}
    metrics = {name: value for entry in _metrics(book, model, test_set) for name, value in _named(entry)}
    return {**facts, "metric": metrics, **benchmark.facts(book, policy, model, test_set, champion=champion)}


def check_told(
    book: Book, policy: Policy, model: Entry, test_set: Entry | None, *, told: Mapping[str, Value], rows: int
) -> None:
    """Hold the facts that somebody else judged by against the ledger: they may count as they like, facts are its own.

    What is told of a baseline is left to :func:`tallystick.workflow.compare.check_told`.

    Raises:
        InvalidData: they are others.
    """
    from tallystick.policy.evidence import BASELINE
    from tallystick.policy.judge import facts_named

    champion = told.get("champion")
    sha256 = champion.get("predictions_sha256") if isinstance(champion, Mapping) else None
    facts = known(book, policy, model, test_set, champion=None if sha256 is None else str(sha256))
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

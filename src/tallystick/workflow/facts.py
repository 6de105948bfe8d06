"""What the ledger knows of a model at a moment, for rules over recorded facts.

Facts are values of the entries' bodies as they were recorded: of the model, of the newest version of its use case, of
the test set that was named, and of the metrics recorded of the model. What an entry says to be absent, or keeps in an
attachment, is no fact: a rule that names it has no answer.
"""

from __future__ import annotations

from collections.abc import Mapping

from tallystick.canonical import Value
from tallystick.people.book import Book
from tallystick.records import Entry

__all__ = ["known"]

_ELSEWHERE = ({"absent"}, {"attachment"})
_WHOLE = "all"
"""The slice of a metric that speaks for everyone."""


def known(book: Book, model: Entry, test_set: Entry | None) -> dict[str, Value]:
    """The facts ``model``, ``usecase``, ``dataset`` and ``metric``, each left out where there is none.

    ``metric`` has the newest value of each name that was recorded of this model over everyone, on the test set if one
    was named.
    """
    usecase = book.find(model.body.get("usecase"))
    entries = {"model": model, "usecase": _newest(book, usecase), "dataset": test_set}
    facts = {name: _plain(entry.body) for name, entry in entries.items() if entry is not None}
    return facts | {
        "metric": {name: value for entry in _metrics(book, model, test_set) for name, value in _named(entry)}
    }


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

"""What the ledger says that a benchmark gate asks for: the model that stands in the stage, and recorded metrics.

They are recorded with the evaluation, as facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tallystick.canonical import Value
from tallystick.errors import UsageError
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.records import Entry

if TYPE_CHECKING:
    from tallystick.policy.document import Policy

__all__ = ["facts"]

_WHOLE: Final = "all"
"""The slice of a metric that speaks for everyone."""


def facts(
    book: Book, policy: Policy, model: Entry, test_set: Entry | None, *, champion: str | None
) -> dict[str, Value]:
    """The facts ``champion`` and ``recorded``, each only if the policy asks for it.

    Args:
        champion: SHA-256 of what was handed in as the champion's predictions; None if nothing was.

    Raises:
        UsageError: predictions are handed in and no model stands in the stage.
    """
    from tallystick.policy.judge import compares_with_champion

    found: dict[str, Value] = {}
    if compares_with_champion(policy):
        found["champion"] = _champion(book, model, stage=policy.stage, predictions=champion)
    names = _names(policy)
    if names:
        found["recorded"] = _recorded(book, model, test_set, names)
    return found


def _champion(book: Book, model: Entry, *, stage: str, predictions: str | None) -> dict[str, Value]:
    """``name``, ``version``, ``entry``, ``digest``, ``promotion`` and ``since`` of the version that stands in the
    stage, with ``predictions_sha256`` and the ``evaluation`` (or None) that was made of them; or ``absent`` and why.
    """
    name = str(model.body["name"])
    standing = rules.incumbent(book, name, stage=stage, ring=KeyRing.of(book))
    if standing is None:
        absent = f"no version of {name} stands in {stage}"
        if predictions is not None:
            raise UsageError(f"{absent}, so these cannot be a champion's predictions", got=predictions)
        return {"absent": absent}
    found: dict[str, Value] = {
        "name": name,
        "version": standing.model.body["version"],
        "entry": standing.model.seq,
        "digest": standing.model.body["digest"],
        "promotion": standing.promotion.seq,
        "since": standing.since,
    }
    if predictions is None:
        return found
    return found | {"predictions_sha256": predictions, "evaluation": _evaluation(book, standing.model, predictions)}


def _evaluation(book: Book, model: Entry, predictions: str) -> int | None:
    """The number of the newest evaluation of a model over these predictions."""
    for entry in reversed(book.referring(model, "evaluation")):
        data = book.field(entry, "data")
        scored = [item.get("predictions_sha256") for item in data if isinstance(item, Mapping)] if data else []
        if entry.body.get("model") == model.ref.value() and predictions in scored:
            return entry.seq
    return None


def _names(policy: Policy) -> list[str]:
    from tallystick.policy.gates.benchmark.model import BenchmarkGate, RecordedMetric

    gates = (gate for gate in policy.gates if isinstance(gate, BenchmarkGate))
    return [metric.recorded for gate in gates for metric in gate.metrics if isinstance(metric, RecordedMetric)]


def _recorded(book: Book, model: Entry, test_set: Entry | None, names: list[str]) -> dict[str, Value]:
    """Of each name the newest metric of the model over everyone: ``value``, ``unit``, ``n`` (or None), ``entry``.

    One that was measured on another dataset than the test set does not count.
    """
    found: dict[str, Value] = {}
    for entry in book.referring(model, "metric"):
        body = entry.body
        name = body["definition"].get("name")
        if name not in names or body.get("of") != model.ref.value() or body.get("slice") != _WHOLE:
            continue
        measured_on = book.find(body.get("dataset"))
        if measured_on is None or test_set is None or measured_on == test_set:
            n = body.get("n")
            number = n if isinstance(n, int) else None
            found[name] = {"value": body["value"], "unit": body["unit"], "n": number, "entry": entry.seq}
    return found

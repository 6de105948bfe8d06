"""The model that stands in a stage, as a fact for a gate that compares with it."""

from __future__ import annotations

from collections.abc import Mapping

from tallystick.canonical import Value
from tallystick.errors import InvalidData, UsageError
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.records import Entry

__all__ = ["champion", "check_told"]


def champion(book: Book, ring: KeyRing, model: Entry, *, stage: str, predictions: str | None) -> dict[str, Value]:
    """Which version of the model stands in the stage, and whether the ledger knows these predictions as its own.

    Args:
        predictions: SHA-256 of what was handed in as the champion's; None if nothing was.

    Returns:
        ``name``, ``version``, ``entry``, ``digest``, ``promotion`` and ``since``, with ``predictions_sha256`` and the
        ``evaluation`` (or None) that was made of them; or ``absent`` with the reason.

    Raises:
        UsageError: predictions are handed in and no model stands there.
    """
    name = str(model.body["name"])
    standing = rules.incumbent(book, name, stage=stage, ring=ring)
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


def check_told(book: Book, ring: KeyRing, model: Entry, *, stage: str, facts: Value) -> None:
    """Hold what somebody else says of the champion against the ledger: their counts are theirs, the champion is not.

    Raises:
        InvalidData: it is not what the ledger says.
        UsageError: as for :func:`champion`.
    """
    told = facts.get("champion") if isinstance(facts, Mapping) else None
    sha256 = told.get("predictions_sha256") if isinstance(told, Mapping) else None
    known = champion(book, ring, model, stage=stage, predictions=None if sha256 is None else str(sha256))
    if told != known:
        raise InvalidData(
            "the champion is not the one that the ledger knows", expected=str(known)[:200], got=str(told)[:200]
        )


def _evaluation(book: Book, model: Entry, predictions: str) -> int | None:
    """The number of the newest evaluation of a model over these predictions."""
    for entry in reversed(book.referring(model, "evaluation")):
        data = book.field(entry, "data")
        scored = [item.get("predictions_sha256") for item in data if isinstance(item, Mapping)] if data else []
        if entry.body.get("model") == model.ref.value() and predictions in scored:
            return entry.seq
    return None

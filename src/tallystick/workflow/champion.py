"""The model that stands in a stage, as a fact for a gate that compares with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tallystick.canonical import Value
from tallystick.capture.fingerprint import fingerprint
from tallystick.errors import UsageError
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.records import Entry

__all__ = ["champion"]


def champion(book: Book, ring: KeyRing, model: Entry, *, stage: str, predictions: Path | None) -> dict[str, Value]:
    """Which version of the model stands in the stage, and whether the ledger knows these predictions as its own.

    Args:
        predictions: what was handed in as the champion's; None if nothing was.

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
            raise UsageError(f"{absent}, so these cannot be a champion's predictions", got=predictions.name)
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
    sha256 = fingerprint(predictions).sha256
    return found | {"predictions_sha256": sha256, "evaluation": _evaluation(book, standing.model, sha256)}


def _evaluation(book: Book, model: Entry, predictions: str) -> int | None:
    """The number of the newest evaluation of a model over these predictions."""
    for entry in reversed(book.referring(model, "evaluation")):
        data = book.field(entry, "data")
        scored = [item.get("predictions_sha256") for item in data if isinstance(item, Mapping)] if data else []
        if entry.body.get("model") == model.ref.value() and predictions in scored:
            return entry.seq
    return None

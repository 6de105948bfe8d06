"""Whether the entry that records a report, and the evidence in the report, speak of the same thing.

Whoever holds the ledger's key can record any file. What the entry says of it is what a list of reports or a pack shows,
what the evidence says is what the pages show; so model, time, checkpoint and anchor have to be the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick.canonical import Value, decode, unb64
from tallystick.errors import Malformed, Tampered
from tallystick.records import Entry

__all__ = ["check_same"]

_FORMAT: Final = "tallystick-evidence/v1"


def check_same(entry: Entry, evidence: bytes) -> None:
    """Hold the body of a ``report`` entry against the evidence in the file; evidence of another format says nothing.

    Raises:
        Tampered: they speak of different things.
        Malformed: the evidence cannot be read.
    """
    told = decode(evidence, what="evidence")
    if not isinstance(told, dict) or told.get("format") != _FORMAT:
        return
    said = entry.body
    try:
        _same("time that it is as of", said["as_of"], told["as_of"])
        for name in ("size", "root"):
            _same("checkpoint", said["checkpoint"][name], told["checkpoint"][name])
        if "anchor" in told:
            _same("anchor", said["anchor"], told["anchor"]["text"])
        _check_model(said["scope"], told)
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        why = f"{type(error).__name__}: {error}"[:80]
        raise Malformed("report or its evidence lacks something or misspells it", got=why) from error


def _check_model(scope: Mapping[str, Value], told: Mapping[str, Value]) -> None:
    model = told["model"]
    if "entry" not in model:  # as the first versions wrote it
        _same("model", [str(scope["name"]), str(scope["version"])], [model["name"], model["version"]])
        return
    line = next(line for line in told["entries"] if line["seq"] == model["entry"])
    found = Entry.parse(unb64(line["entry"], what="entry"))
    _same("model", scope["model"], found.ref.value())
    _same("model", [scope["name"], scope["version"]], [found.body["name"], found.body["version"]])


def _same(what: str, recorded: Value, attached: Value) -> None:
    if recorded != attached:
        raise Tampered(
            f"the entry records another {what} than the attached evidence",
            expected=str(recorded)[:100],
            got=str(attached)[:100],
        )

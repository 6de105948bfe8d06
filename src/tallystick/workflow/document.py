"""Write a document of a model version or of a dataset, from what a ledger holds; nothing is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick.canonical import Value
from tallystick.errors import InvalidData, NotFound, UsageError
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.proof.note import open_checkpoint
from tallystick.records import Entry
from tallystick.resources import shipped
from tallystick.workflow import issue
from tallystick.workflow.desk import Desk

if TYPE_CHECKING:
    from tallystick.report.documents.document import Content, Document
    from tallystick.report.story import Story

__all__ = ["DATA_SHEET", "SUMMARY", "draw", "read"]

DATA_SHEET = "data-sheet"
"""The document that is of a dataset."""
SUMMARY = "ll144-summary"
"""The document that is published by law, with figures on few people if it is asked for them."""


def read(
    desk: Desk,
    kind: str,
    name: str,
    version: str | None,
    *,
    as_of: str | None = None,
    disclose: bool = False,
    small_numbers: bool = False,
) -> Document:
    """Read what a document says.

    Args:
        kind: one of :data:`tallystick.report.documents.KINDS`.
        name: of the model; of the dataset for a data sheet.
        version: None for the newest.
        as_of: a time; what was recorded later is left out.
        disclose: print the profile of a dataset.
        small_numbers: in the summary of Local Law 144, print figures on fewer than ten people too.

    Raises:
        NotFound: no such model or dataset, or nothing recorded that the document is about.
        InvalidData: the count tables do not give the figures that were recorded.
        Tampered: something that people signed does not hold.
    """
    from tallystick.report.documents.document import Reading, finished

    checkpoint = open_checkpoint(desk.ledger.latest_checkpoint(), desk.ledger.key)
    moment = as_of or desk.clock()
    book = desk.book().until(moment, size=checkpoint.size)
    if kind == DATA_SHEET:
        from tallystick.report.documents import data_sheet

        content = data_sheet.build(book, _dataset(book, name, version), disclose=disclose)
    else:
        from tallystick.report.story import Story

        model = book.model(name, _number(name, version))
        story = Story(book, model, as_of=moment)
        content = _summary(story, small_numbers=small_numbers) if kind == SUMMARY else _of_model(kind, story)
        issue.refuse_what_does_not_hold(book, KeyRing.of(book), model)
    reading = Reading(checkpoint.origin, checkpoint.size, checkpoint.root.hex(), moment)
    return finished(kind, content, book, reading)


def draw(document: Document, ending: str, *, templates: Path | None = None) -> bytes:
    """The bytes of a file; see :func:`tallystick.report.documents.drawing.drawn`."""
    from tallystick.report.documents import drawing

    moment = datetime.fromisoformat(document.reading.as_of)
    return drawing.drawn(document, ending, moment=moment, own=templates)


def _of_model(kind: str, story: Story) -> Content:
    from tallystick.report.documents import annex_iv, bias_audit, hand_over, model_card

    if kind == "annex-iv":
        from tallystick.policy import controls

        path = shipped("policies") / "controls.yaml"
        return annex_iv.build(story, controls.load(path), controls.framework(path, annex_iv.FRAMEWORK))
    builders = {
        "model-card": model_card.build,
        "bias-audit": bias_audit.build,
        "hand-over": hand_over.build,
    }
    return builders[kind](story)


def _summary(story: Story, *, small_numbers: bool) -> Content:
    from tallystick.report.documents import ll144_summary

    return ll144_summary.build(story, whole=partial(_whole, story.book) if small_numbers else None)


def _whole(book: Book, evaluation: Entry) -> Mapping[str, Mapping[str, Value]]:
    """The tables of an audit under Local Law 144 by check, from the count tables of its evaluation.

    Raises:
        InvalidData: they do not give the figures that were recorded.
    """
    from tallystick.policy.gates.bias import audit
    from tallystick.workflow import replay

    known = replay.recorded(book, evaluation)
    found = audit.tables(known.policy, known.evidence)
    for check in known.checks:
        figures = check.get("figures")
        told = figures.get(audit.FIGURES) if isinstance(figures, Mapping) else None
        if told is not None and not _agree(told, found.get(str(check.get("id")), {})):
            raise InvalidData(
                "the count tables do not give the figures that were recorded",
                where=f"check {check.get('id')} of entry {evaluation.seq}",
                remedy=f"See what differs with: tallystick gate replay {evaluation.seq}",
            )
    return found


def _agree(recorded: Mapping[str, Value], whole: Mapping[str, Value]) -> bool:
    """Whether every figure that was recorded is that of the table; what was withheld may be anything."""
    lines, others = recorded.get("categories", []), whole.get("categories", [])
    pairs = [(recorded, {**whole, "categories": lines}), *zip(lines, others, strict=False)]
    return len(lines) == len(others) and all(
        value is None or other.get(name) == value for line, other in pairs for name, value in line.items()
    )


def _number(name: str, version: str | None) -> int | None:
    if version is None:
        return None
    if not (version.isascii() and version.isdigit() and len(version) <= 40):
        got = f"{name}@{version}"
        raise UsageError("model version is not usable", got=got, expected="NAME or NAME@VERSION, such as credit@2")
    return int(version)


def _dataset(book: Book, name: str, version: str | None) -> Entry:
    found = book.named("dataset", name)
    chosen = [entry for entry in found if version is None or entry.body.get("version") == version]
    if not chosen:
        versions = ", ".join(str(entry.body.get("version")) for entry in found[-6:])
        raise NotFound(
            "no such dataset" if not found else "no such version of the dataset",
            where=name if version is None else f"{name}@{version}",
            expected=f"one of {versions}" if versions else None,
            remedy="tallystick log --kind dataset lists those that are recorded.",
        )
    return chosen[-1]

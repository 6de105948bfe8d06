"""More documents from the same records: each is filled from entries alone, and a gap is printed as *not recorded*.

Builders take a :class:`~tallystick.report.story.Story` (or a dataset) and give
:class:`~tallystick.report.documents.document.Content`; :func:`~tallystick.report.documents.document.finished` adds
where it was read, and the entries that it cites; :mod:`~tallystick.report.documents.drawing` makes a file of it.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ENDINGS", "KINDS"]

KINDS: Final = {
    "model-card": "Model card",
    "bias-audit": "Bias audit",
    "data-sheet": "Data sheet",
    "hand-over": "Hand-over sheet",
    "annex-iv": "Technical documentation, Annex IV",
    "ll144-summary": "Summary of results, Local Law 144",
}
"""What can be asked for, and what it is called; a data sheet is of a dataset, the others are of a model version."""

ENDINGS: Final = (".md", ".html", ".pdf")

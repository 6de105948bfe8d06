"""Make a file of a document: Markdown, one HTML page, or a PDF.

Templates of an organisation go first, by name: ``model-card.html.j2``, else ``page.html.j2``, and whatever these
extend or include. As soon as there are any, the page is rendered in a process that can do no harm
(:mod:`tallystick.report.sandbox`); ours alone are rendered here, by the same environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from tallystick.canonical import digest
from tallystick.errors import UsageError
from tallystick.report import render
from tallystick.report.documents import ENDINGS
from tallystick.report.documents.document import Document, plain
from tallystick.report.documents.front_matter import written
from tallystick.resources import shipped

__all__ = ["drawn"]

_SHARED: Final = ("blocks.html.j2", "charts.html.j2", "plots.html.j2", "audit.css")
"""Templates of the audit report that documents use."""


def drawn(document: Document, ending: str, *, moment: datetime, own: Path | None = None) -> bytes:
    """The bytes of a file.

    Args:
        ending: ``.md``, ``.html`` or ``.pdf``.
        moment: the time that a PDF states as its own; with a zone.
        own: a folder of templates that go before ours.

    Raises:
        UsageError: another ending.
        InvalidInput: an own template cannot be used.
        MissingProgram: a PDF, and Pango is not installed.
    """
    if ending not in ENDINGS:
        raise UsageError("documents have no such form", got=ending or "no ending", expected=", ".join(ENDINGS))
    if ending == ".md":
        return (written(document.front_matter) + _text(document, "md", own)).encode()
    page = _text(document, "html", own)
    if ending == ".html":
        return page.encode()
    return render.printed(page, identifier=bytes.fromhex(digest(page.encode())), moment=moment)


def _text(document: Document, form: str, own: Path | None) -> str:
    ours = _ours()
    if own is None:
        from tallystick.report import sandboxed

        return sandboxed.filled(_named(document, form, ours), ours, plain(document))
    from tallystick.report import sandbox

    templates = {**ours, **sandbox.read_templates(own)}
    return sandbox.render(_named(document, form, templates), templates, plain(document))


def _named(document: Document, form: str, templates: Mapping[str, str]) -> str:
    name = f"{document.kind}.{form}.j2"
    return name if name in templates else f"page.{form}.j2"


def _ours() -> dict[str, str]:
    root = shipped("templates")
    paths = [root / "report" / name for name in _SHARED] + sorted((root / "documents").iterdir())
    return {path.name: path.read_text(encoding="utf-8") for path in paths if path.is_file()}

"""Documents by digest, with the document itself attached: model cards, validation reports, minutes.

The bytes are taken as they are. A document with personal data belongs into an erasable attachment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tallystick.canonical import Value, digest
from tallystick.capture.captured import Captured, completed, media_type, named
from tallystick.capture.fingerprint import read_whole
from tallystick.errors import InvalidData
from tallystick.records import Attachment

__all__ = ["MAX_DOCUMENT", "document"]

MAX_DOCUMENT: Final = 64 * 1024 * 1024
"""Bytes that a document may have."""

_NO_DECLARATIONS: Final[Mapping[str, Value]] = {}


def document(
    path: Path | str,
    *,
    title: str | None = None,
    declared: Mapping[str, Value] = _NO_DECLARATIONS,
    erasable: bool = False,
) -> Captured:
    """The record of a document, of kind ``document``.

    Args:
        path: a file of up to 64 MiB.
        title: what the document is called; the file's name if None.
        declared: optional fields of the kind: expires, author_group, about.
        erasable: whether the attachment can be erased. The digest in the body stays.

    Raises:
        NotFound: there is nothing at `path`.
        InvalidData: empty, too large, unreadable, or changed while it was read.
        InvalidRecord: something declared is no field of a document.
    """
    name = named(path)
    data = read_whole(path, limit=MAX_DOCUMENT)
    if not data:
        raise InvalidData("document is empty", where=name)
    observed: dict[str, Value] = {"title": title or name, "type": media_type(name), "digest": digest(data)}
    make = Attachment.erasable if erasable else Attachment
    return Captured(
        body=completed("document", observed, declared),
        attachments=(make(name, observed["type"], data),),
        subject=({"name": observed["title"], "digest": {"sha256": observed["digest"]}},),
    )

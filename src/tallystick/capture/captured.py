"""What every function of this room returns, and the rules that all of them share.

* A body has the field names of the table of kinds, and no others.
* What only people can say (a licence, how labels were made) is handed in as ``declared``; a required field that
  nobody declared reads "not recorded". What is observed cannot be declared.
* Values too large for an entry move into an attachment.
* File names are names, never paths of the machine that they were read on.

Who recorded it, when, and whether it may be recorded is for the workflow and the ledger.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from tallystick.canonical import Value, encode, tagged
from tallystick.errors import InvalidData, InvalidRecord
from tallystick.records import KINDS, Attachment, Personal, absent

__all__ = ["SPILL", "Captured", "completed", "exact", "media_type", "named", "near", "spilled"]

SPILL: Final = 16 * 1024
"""Bytes of canonical JSON above which a value moves out of the body into an attachment."""

_MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".zip": "application/zip",
}


@dataclass(frozen=True)
class Captured:
    """A record before anyone vouches for it: what a draft of its kind is made of."""

    body: dict[str, Value]
    attachments: tuple[Attachment, ...] = ()
    personal: tuple[Personal, ...] = ()
    subject: tuple[Mapping[str, Value], ...] = ()
    """in-toto resource descriptors; the digest is the plain SHA-256 of a file, of a folder that of its listing."""
    basis: str = "observed"


def completed(kind: str, observed: Mapping[str, Value], declared: Mapping[str, Value]) -> dict[str, Value]:
    """The body of a record: what was observed, what was declared, and "not recorded" for the rest.

    Raises:
        InvalidRecord: something declared is no field of the kind, or is a field that was observed.
    """
    fields = KINDS[kind].fields
    for name in declared:
        if name not in fields:
            raise InvalidRecord(f"a {kind} has no field {name!r}", **near(name, fields))
        if name in observed:
            raise InvalidRecord(f"{name} of a {kind} is observed and cannot be declared")
    missing = {name: absent() for name, field in fields.items() if field.required}
    said = {name: value if fields[name].type in ("ref", "refs") else tagged(value) for name, value in declared.items()}
    return missing | said | dict(observed)


def near(name: str, known: Iterable[str]) -> dict[str, str]:
    """The remedy for a misspelt name, as the keyword of an error; empty where nothing is like it."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return {"remedy": f"Did you mean {matches[0]!r}?"} if matches else {}


def spilled(value: Value, name: str, *, limit: int = SPILL) -> tuple[Value, tuple[Attachment, ...]]:
    """The value for the body, and the attachment that holds it instead if its canonical bytes exceed `limit`."""
    data = encode(value)
    if len(data) <= limit:
        return value, ()
    return {"attachment": name}, (Attachment(name, "application/json", data),)


def media_type(name: str) -> str:
    """The media type that a file name's ending stands for; from a table of our own, the same on every machine."""
    endings = [ending.lower() for ending in PurePath(name).suffixes]
    return _MEDIA_TYPES.get(endings[-1] if endings else "", "application/octet-stream")


def exact(value: float | int) -> float | int:
    """A number that survives canonical bytes: RFC 8785 writes 1e18 as an integer, and one too large to be read back.

    Such a number becomes the whole number that it is, which :func:`tagged` then writes as ``{"int": "..."}``.
    """
    large = isinstance(value, float) and 2**53 <= abs(value) < 1e21
    return int(value) if large else value


def named(path: PurePath | str) -> str:
    """The last part of a path (of "." and "..", the folder that it means) as text that can stand in a record.

    Raises:
        InvalidData: the name is not UTF-8.
    """
    name = PurePath(path).name
    if name in ("", ".."):
        name = Path(path).resolve().name
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidData("file name is not UTF-8", got=ascii(name), remedy="Rename the file.") from error
    return str(tagged(name))

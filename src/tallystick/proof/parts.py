"""What stands beside an entry, and how it is held against the entry's line about it.

A plain attachment has its digest in the entry. An erasable one, and every personal value, has a salted commitment:
whoever is given the value with its salt can check it; without the salt the commitment tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tallystick.canonical import Value, b64, commitment, decode, digest, encode, unb64
from tallystick.errors import InvalidInput, Malformed, Tampered
from tallystick.records import Attachment, Entry, Personal

__all__ = ["SALT_BYTES", "check_attachment", "check_commitment", "check_parts", "open_side", "side_bytes"]

SALT_BYTES: Final = 32
_LINE = ("name", "mediaType", "size", "sha256", "hmac_sha256")


def check_attachment(line: Mapping[str, Value], data: bytes) -> None:
    """Check bytes against the line of a plain attachment.

    Raises:
        Tampered: another digest or size.
    """
    if digest(data) != line["sha256"] or len(data) != line["size"]:
        raise Tampered(f"attachment {line['name']!r} has another digest or size", expected=line["sha256"])


def check_commitment(line: Mapping[str, Value], salt: bytes, value: bytes) -> None:
    """Check a disclosed value against its line; a personal text counts as its canonical JSON.

    Raises:
        Malformed: a salt that is not 32 bytes. HMAC pads short keys and hashes long ones, so others would not bind.
        Tampered: another value, salt or size.
    """
    if len(salt) != SALT_BYTES:
        raise Malformed("salt has another length", expected=f"{SALT_BYTES} bytes", got=f"{len(salt)} bytes")
    if commitment(salt, line["name"], value) != line["hmac_sha256"] or line.get("size", len(value)) != len(value):
        raise Tampered(f"value {line['name']!r} is not the one committed to", expected=line["hmac_sha256"])


def check_parts(entry: Entry, attachments: Sequence[Attachment], personal: Sequence[Personal]) -> None:
    """Check that parts to be handed out are those of an entry.

    Raises:
        InvalidInput: a part that the entry has no such line for, or one twice.
    """
    lines = [{name: line[name] for name in _LINE if name in line} for line in (*entry.attachments, *entry.personal)]
    parts = [part.value() for part in attachments] + [part.value() for part in personal]
    strange = [part["name"] for part in parts if part not in lines]
    if strange or len({part["name"] for part in parts}) != len(parts):
        raise InvalidInput(
            "a part to hand out is not one of its entry", where=f"entry {entry.seq}", got=str(strange)[:80]
        )


def side_bytes(attachments: Sequence[Attachment], personal: Sequence[Personal]) -> bytes | None:
    """Disclosed values with their salts, as canonical JSON; None if there are none."""
    attached = [
        {"name": part.name, "salt": b64(part.salt), "data": b64(part.data)}
        for part in attachments
        if part.salt is not None
    ]
    said = [{"name": part.name, "salt": b64(part.salt), "text": part.text} for part in personal]
    return encode({"attachments": attached, "personal": said}) if attached or said else None


def open_side(entry: Entry, data: bytes) -> dict[str, bytes]:
    """Disclosed values by name, each checked against its commitment in the entry.

    Raises:
        Malformed: not such values, one that the entry does not commit to, or one twice.
        Tampered: a value that is not the one committed to.
    """
    side = decode(data, what="side values", canonical=True)
    if not isinstance(side, dict) or set(side) != {"attachments", "personal"}:
        raise Malformed("side values are not lists of attachments and personal values")
    values: dict[str, bytes] = {}
    for items, lines, read in (
        (side["attachments"], entry.attachments, _attached),
        (side["personal"], entry.personal, _said),
    ):
        committed = {line["name"]: line for line in lines if "hmac_sha256" in line}
        for item in items if isinstance(items, list) else [None]:
            name, salt, value = read(item)
            if name in values or name not in committed:
                raise Malformed("side value stands twice, or its entry commits to no such value", got=name[:80])
            check_commitment(committed[name], salt, value)
            values[name] = value
    if not values:
        raise Malformed("side values are empty")
    return values


def _attached(item: Value) -> tuple[str, bytes, bytes]:
    name, salt, data = _texts(item, "data")
    return name, unb64(salt, what="salt"), unb64(data, what="attachment")


def _said(item: Value) -> tuple[str, bytes, bytes]:
    name, salt, text = _texts(item, "text")
    return name, unb64(salt, what="salt"), encode(text)


def _texts(item: Value, last: str) -> tuple[str, str, str]:
    if not isinstance(item, dict) or set(item) != {"name", "salt", last}:
        raise Malformed("side value is not an object of name, salt and " + last)
    name, salt, value = item["name"], item["salt"], item[last]
    if not (isinstance(name, str) and isinstance(salt, str) and isinstance(value, str)):
        raise Malformed("side value is not text")
    return name, salt, value

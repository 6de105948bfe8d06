"""The canonical ZIP: one spelling for a list of files, so that a verifier can write it again and compare every byte.

Members are stored, not compressed, one after the other in the order given. Time (1980-01-01), attributes, versions
and flags are fixed; there are no extra fields, data descriptors, comments or ZIP64 records. Names are plain
lower-case paths that no file system can misread. Any ZIP program reads it; nothing here ever writes a member to disk.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tallystick.errors import InvalidInput, Malformed, Tampered

__all__ = ["MAX_MEMBERS", "MAX_NAME", "MAX_TOTAL", "first", "read", "size_of", "write"]

MAX_NAME: Final = 240
"""Bytes of a name."""
MAX_MEMBERS: Final = 65_000
MAX_TOTAL: Final = 1 << 30
"""Bytes of a container."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*", re.ASCII)
_DATE = 1 << 5 | 1
"""1980-01-01, as MS-DOS writes it."""
_VERSION = 20
_MADE_BY = 3 << 8 | _VERSION
"""Unix, so that the mode below counts."""
_MODE = 0o100644 << 16

# APPNOTE.TXT 4.3.7 (local header), 4.3.12 (central directory header) and 4.3.16 (its end), little-endian.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


def write(members: Mapping[str, bytes]) -> bytes:
    """The container of these members, in this order.

    Raises:
        InvalidInput: a name that is not allowed or is also a folder, too many members, or more than 1 GiB.
    """
    problem = _problem(members)
    if problem:
        raise InvalidInput(f"container cannot hold this: {problem}")
    return b"".join(_chunks(members))


def _problem(members: Mapping[str, bytes]) -> str | None:
    if len(members) > MAX_MEMBERS:
        return f"{len(members)} members, more than {MAX_MEMBERS}"
    for name in members:
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
            return f"name {name[:80]!r}"
        if any(parent in members for parent in _folders(name)):
            return f"{name!r} lies in a folder that is also a file"
    size = size_of((name, len(data)) for name, data in members.items())
    return f"{size} bytes, more than {MAX_TOTAL}" if size > MAX_TOTAL else None


def size_of(members: Iterable[tuple[str, int]]) -> int:
    """Bytes of the container of members with these names and sizes."""
    return _END.size + sum(_LOCAL.size + _CENTRAL.size + 2 * len(name) + size for name, size in members)


def _folders(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _chunks(members: Mapping[str, bytes]) -> Iterator[bytes]:
    """The bytes of the container, piece by piece."""
    central = []
    at = 0
    for name, data in members.items():
        stamp = (0, 0, 0, _DATE, zlib.crc32(data), len(data), len(data), len(name), 0)
        head = _LOCAL.pack(b"PK\x03\x04", _VERSION, *stamp) + name.encode("ascii")
        central.append(
            _CENTRAL.pack(b"PK\x01\x02", _MADE_BY, _VERSION, *stamp, 0, 0, 0, _MODE, at) + name.encode("ascii")
        )
        yield head
        yield data
        at += len(head) + len(data)
    yield from central
    yield _END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), sum(map(len, central)), at, 0)


def read(data: bytes) -> dict[str, bytes]:
    """The members of a container, in their order.

    Every byte counts: what is returned, written again, is what was given.

    Raises:
        Malformed: not a ZIP, or not in the one canonical spelling.
        Tampered: a member's bytes do not have its checksum.
    """
    if len(data) > MAX_TOTAL:
        raise Malformed("container is too large", expected=f"up to {MAX_TOTAL} bytes", got=f"{len(data)} bytes")
    members = _members(data)
    problem = _problem(members)
    if problem:
        raise Malformed(f"container holds what is not allowed: {problem}")
    at = 0
    for chunk in _chunks(members):
        if data[at : at + len(chunk)] != chunk:
            raise Malformed("container is not in canonical form", where=f"byte {at}")
        at += len(chunk)
    if at != len(data):
        raise Malformed("container is not in canonical form", where=f"byte {at}")
    return members


def first(data: bytes, *, limit: int) -> tuple[str, bytes]:
    """Name and bytes of the first member, from a file of which the beginning may be all that is at hand.

    What it finds is no more than that: :func:`read` says whether the file is a container.

    Raises:
        Malformed: the file does not begin with a member, or with one of more than ``limit`` bytes.
    """
    try:
        signature, *_, size, length, extra = _LOCAL.unpack_from(data)
        start = _LOCAL.size + length
        name = data[_LOCAL.size : start].decode("ascii")
    except (struct.error, UnicodeDecodeError) as error:
        raise Malformed("container does not begin with a member") from error
    if signature != b"PK\x03\x04" or extra or start + min(size, limit + 1) > len(data):
        raise Malformed("container does not begin with a member")
    if size > limit:
        raise Malformed("first member of the container is too large", expected=f"up to {limit} bytes", got=f"{size}")
    return name, data[start : start + size]


def _members(data: bytes) -> dict[str, bytes]:
    """What the central directory names. Members lie one after the other: none overlaps, so sizes stay honest."""
    members: dict[str, bytes] = {}
    at = 0
    for name, crc, size, offset in _directory(data):
        start = offset + _LOCAL.size + len(name)
        if offset != at or start + size > len(data):
            raise Malformed("members of the container do not follow each other", where=name[:80])
        if name in members:
            raise Malformed("member stands twice in the container", where=name[:80])
        members[name] = data[start : start + size]
        if zlib.crc32(members[name]) != crc:
            raise Tampered("member does not have its checksum", where=name[:80])
        at = start + size
    return members


def _directory(data: bytes) -> Iterator[tuple[str, int, int, int]]:
    """(name, checksum, size, offset) of each member."""
    try:
        signature, _, _, _, count, _, at, _ = _END.unpack_from(data, len(data) - _END.size)
        if signature != b"PK\x05\x06":
            raise Malformed("the container does not end where a pack ends: it was cut off, or bytes were appended")
        for _ in range(count):
            fields = _CENTRAL.unpack_from(data, at)
            crc, size, length, offset = fields[7], fields[9], fields[10], fields[16]
            name = data[at + _CENTRAL.size : at + _CENTRAL.size + length].decode("ascii")
            yield name, crc, size, offset
            at += _CENTRAL.size + length
    except (struct.error, UnicodeDecodeError) as error:
        raise Malformed("directory of the container is broken") from error

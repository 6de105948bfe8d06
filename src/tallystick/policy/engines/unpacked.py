"""How large the batches of an Arrow file are once unpacked, told from their headers before anything is unpacked; and
whether its footer says what the file holds.

Other readers go by the footer, which lists where each batch is, and may list others than stand one after the other in
the file, or in another order. So it must list those exactly, under the same schema, and stand right behind the last.

A few kilobytes of compressed zeros can claim gigabytes. The header of a batch lists its buffers, and each compressed
buffer begins with its unpacked length, so this can be known beforehand.

Source: Apache Arrow columnar format, "Encapsulated message format", "IPC File Format" and "Compression"; File.fbs;
FlatBuffers internals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tallystick.errors import InvalidData

if TYPE_CHECKING:
    import pyarrow

__all__ = ["MAGIC", "check_messages"]

MAGIC: Final = b"ARROW1\0\0"
_MOST_FOOTER: Final = 256 * 1024 * 1024

_HEADER, _RECORD_BATCH, _DICTIONARY = 2, 3, 2
"""Place of a message's header among its fields; and the types of header that have buffers."""
_DICTIONARIES, _BATCHES = 2, 3
"""Place of the lists of blocks among the fields of a footer."""


def check_messages(file: pyarrow.NativeFile, *, limit: int, name: str) -> None:
    """Go through the messages of a file without unpacking any, and hold its footer against them.

    Args:
        file: at its first message, behind the magic bytes.
        limit: bytes that a batch may take unpacked.
        name: what messages of errors call it.

    Raises:
        InvalidData: a batch would take more than ``limit`` bytes, the messages are broken, or the footer does not list
            exactly them.
    """
    import pyarrow as pa

    try:
        found = _Blocks()
        for message, start, end in _messages(file):
            size = _unpacked(message)
            if size > limit:
                raise InvalidData(
                    "a batch of the data file is too large unpacked",
                    where=name,
                    expected=f"up to {limit:,} bytes",
                    got=f"{size:,} bytes",
                    remedy="Write it in smaller batches, or as Parquet.",
                )
            found.take(message, start, end)
        same = _footer(file) == found
    except (pa.ArrowInvalid, OSError, struct.error, IndexError) as error:
        raise InvalidData("the data file cannot be read: its messages are broken", where=name) from error
    if not same:
        raise InvalidData(
            "the footer of the data file lists other batches than the file holds",
            where=name,
            remedy="Write it again as Feather version 2, or as Parquet.",
        )


@dataclass
class _Blocks:
    """Where each part of a file is: offset, and bytes of header and body."""

    dictionaries: list[tuple[int, int, int]] = field(default_factory=list)
    batches: list[tuple[int, int, int]] = field(default_factory=list)

    def take(self, message: pyarrow.Message, start: int, end: int) -> None:
        kinds = {"dictionary": self.dictionaries, "record batch": self.batches}
        body = 0 if message.body is None else message.body.size
        if message.type in kinds:
            kinds[message.type].append((start, end - start - body, body))
        elif start != len(MAGIC):
            raise IndexError("only the first message is a schema")


def _messages(file: pyarrow.NativeFile) -> Iterator[tuple[pyarrow.Message, int, int]]:
    """Each message with where it begins and ends. Behind the last one, the file is at its footer."""
    import pyarrow as pa

    reader = pa.ipc.MessageReader.open_stream(file)
    start = file.tell()
    for message in reader:
        yield message, start, file.tell()
        start = file.tell()


def _footer(file: pyarrow.NativeFile) -> _Blocks | None:
    """What the footer lists, if there is nothing else behind the messages and its schema is theirs."""
    import pyarrow as pa

    rest = file.read(_MOST_FOOTER)
    (size,) = struct.unpack_from("<i", rest, len(rest) - 10)
    if size != len(rest) - 10 or rest[-6:] != MAGIC[:6] or file.read(1):
        return None
    file.seek(len(MAGIC))
    schema = pa.ipc.open_stream(file).schema
    file.seek(0)
    if not pa.ipc.open_file(file).schema.equals(schema, check_metadata=False):
        return None
    flat = _Flat(rest[:-10])
    root = flat.offset(0)
    return _Blocks(*(flat.blocks(flat.field(root, number)) for number in (_DICTIONARIES, _BATCHES)))


def _unpacked(message: pyarrow.Message) -> int:
    if message.body is None:
        return 0
    flat = _Flat(message.metadata.to_pybytes())
    root = flat.offset(0)
    kind = flat.data[flat.field(root, 1)] if flat.field(root, 1) else 0
    batch = flat.target(flat.field(root, _HEADER))
    if kind == _DICTIONARY:
        batch = flat.target(flat.field(batch, 1))
    elif kind != _RECORD_BATCH:
        return 0
    body = memoryview(message.body)
    packed = bool(flat.field(batch, 3))
    return sum(_size(body, offset, length, packed=packed) for offset, length in flat.buffers(flat.field(batch, 2)))


def _size(body: memoryview, offset: int, length: int, *, packed: bool) -> int:
    if not packed or length < 8:
        return length
    (claimed,) = struct.unpack_from("<q", body, offset)
    return int(claimed) if claimed >= 0 else length


class _Flat:
    """As much of FlatBuffers as a message needs."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def offset(self, place: int) -> int:
        return place + int(struct.unpack_from("<I", self.data, place)[0])

    def target(self, place: int) -> int:
        if not place:
            raise IndexError("a part is missing")
        return self.offset(place)

    def field(self, table: int, number: int) -> int:
        """Where a field of a table stands, or 0 if it is not there."""
        vtable = table - struct.unpack_from("<i", self.data, table)[0]
        (size,) = struct.unpack_from("<H", self.data, vtable)
        if 4 + 2 * number >= size:
            return 0
        (place,) = struct.unpack_from("<H", self.data, vtable + 4 + 2 * number)
        return table + place if place else 0

    def blocks(self, place: int) -> list[tuple[int, int, int]]:
        if not place:
            return []
        vector = self.target(place)
        (count,) = struct.unpack_from("<I", self.data, vector)
        return [struct.unpack_from("<qi4xq", self.data, vector + 4 + 24 * number) for number in range(count)]

    def buffers(self, place: int) -> list[tuple[int, int]]:
        if not place:
            return []
        vector = self.target(place)
        (count,) = struct.unpack_from("<I", self.data, vector)
        return [struct.unpack_from("<qq", self.data, vector + 4 + 16 * number) for number in range(count)]

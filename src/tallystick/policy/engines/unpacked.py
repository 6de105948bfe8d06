"""How large the batches of an Arrow stream are once unpacked, told from their headers before anything is unpacked.

A few kilobytes of compressed zeros can claim gigabytes. The header of a batch lists its buffers, and each compressed
buffer begins with its unpacked length, so this can be known beforehand.

Source: Apache Arrow columnar format, "Encapsulated message format" and "Compression"; FlatBuffers internals.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tallystick.errors import InvalidData

if TYPE_CHECKING:
    import pyarrow

__all__ = ["check_sizes"]

_HEADER, _RECORD_BATCH, _DICTIONARY = 2, 3, 2
"""Place of a message's header among its fields; and the types of header that have buffers."""


def check_sizes(stream: pyarrow.NativeFile, *, limit: int, name: str) -> None:
    """Go through the messages of a stream without unpacking any.

    Raises:
        InvalidData: a batch would take more than ``limit`` bytes, or the stream is broken.
    """
    import pyarrow as pa

    try:
        for message in pa.ipc.MessageReader.open_stream(stream):
            size = _unpacked(message)
            if size > limit:
                raise InvalidData(
                    "a batch of the data file is too large unpacked",
                    where=name,
                    expected=f"up to {limit:,} bytes",
                    got=f"{size:,} bytes",
                    remedy="Write it in smaller batches, or as Parquet.",
                )
    except (pa.ArrowInvalid, OSError, struct.error, IndexError) as error:
        raise InvalidData("the data file cannot be read: its messages are broken", where=name) from error


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

    def buffers(self, place: int) -> list[tuple[int, int]]:
        if not place:
            return []
        vector = self.target(place)
        (count,) = struct.unpack_from("<I", self.data, vector)
        return [struct.unpack_from("<qq", self.data, vector + 4 + 16 * number) for number in range(count)]

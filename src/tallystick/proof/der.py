"""One spelling for what signatures are made of: DER (X.690), which most parsers of signatures do not insist on."""

from __future__ import annotations

from typing import Final

from tallystick.errors import Malformed

__all__ = ["check", "length"]

_MAX_DEPTH: Final = 64


def length(data: bytes) -> int:
    """The length of the strict DER sequence that the bytes begin with.

    Raises:
        Malformed: they do not begin with one.
    """
    end = _end(data, 0, len(data), 0)
    if data[:1] != b"\x30":
        raise Malformed("signature is not a DER sequence")
    return end


def check(data: bytes) -> None:
    """Raise Malformed unless the bytes are one strict DER sequence and nothing else."""
    if length(data) != len(data):
        raise Malformed("something stands behind a DER value")


def _end(data: bytes, at: int, limit: int, depth: int) -> int:
    """Where the value at a position ends: one-byte tags, shortest definite lengths, parts that fill the whole.

    X.690, sections 8.1 and 10.1.
    """
    if depth > _MAX_DEPTH or at + 2 > limit or data[at] == 0 or data[at] & 0x1F == 0x1F:
        raise Malformed("signature is not in DER form")
    octets = data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0
    start = at + 2 + octets
    size = int.from_bytes(data[at + 2 : start], "big") if octets else data[at + 1]
    shortest = (size.bit_length() + 7) // 8 if size > 0x7F else 0
    if octets != shortest or start + size > limit:
        raise Malformed("length in the signature is not in DER form")
    if data[at] & 0x20:
        part = start
        while part < start + size:
            part = _end(data, part, start + size, depth + 1)
    return start + size

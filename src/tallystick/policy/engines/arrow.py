"""Columns of Arrow tables as arrays: of numbers, and of codes for the marks that rows show; and small columns.

pyarrow imports pandas before it looks at a list, an array of NumPy or a single value, which takes longer than many an
evaluation. So what a gate always does makes its columns of buffers.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tallystick.policy.counts import Mark

if TYPE_CHECKING:
    import pyarrow

__all__ = ["codes", "doubles", "flags", "numbers", "texts"]


def numbers(column: pyarrow.ChunkedArray) -> Any:
    """A column as an array of doubles; what is no number becomes NaN, and no zero has a sign."""
    import numpy as np
    import pyarrow as pa

    try:
        found = column.combine_chunks().cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        found = np.array([_number(text) for text in column.to_pylist()], dtype=np.float64)
    return found + 0.0


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else float("nan")
    except ValueError:
        return float("nan")


def codes(column: pyarrow.ChunkedArray, mark: Callable[[str | None], str | None]) -> tuple[Any, list[Mark]]:
    """Of each row the position of its mark, and the marks there are; values are spelled as text first."""
    import numpy as np
    import pyarrow as pa

    whole = column.cast(pa.string()).combine_chunks().dictionary_encode(null_encoding="encode")
    of_value = [mark(value) for value in whole.dictionary.to_pylist()]
    place = {value: at for at, value in enumerate(dict.fromkeys(of_value))}
    places = np.array([place[value] for value in of_value], dtype=np.int64)
    return places[whole.indices.to_numpy(zero_copy_only=False)], list(place)


def texts(values: Sequence[str | None]) -> pyarrow.StringArray:
    """A column of text, None for what is missing."""
    import pyarrow as pa

    parts = [(value or "").encode() for value in values]
    ends = array("i", [0])
    for part in parts:
        ends.append(ends[-1] + len(part))
    there = _bits([value is not None for value in values])
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(b"".join(parts)), there)


def doubles(values: Sequence[float]) -> pyarrow.DoubleArray:
    """A column of numbers; NaN stays NaN."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(array("d", values))])


def flags(values: Sequence[bool]) -> pyarrow.BooleanArray:
    """A column of flags."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def _bits(values: Sequence[bool]) -> pyarrow.Buffer:
    """The first in the lowest bit of the first byte."""
    import pyarrow as pa

    packed = bytearray(-(-len(values) // 8))
    for place, value in enumerate(values):
        packed[place >> 3] |= value << (place & 7)
    return pa.py_buffer(bytes(packed))

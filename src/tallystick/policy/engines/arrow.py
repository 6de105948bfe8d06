"""Columns of Arrow tables as arrays: of numbers, and of codes for the marks that rows show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tallystick.policy.counts import Mark

if TYPE_CHECKING:
    import pyarrow

__all__ = ["codes", "numbers"]


def numbers(column: pyarrow.ChunkedArray) -> Any:
    """A column as an array of doubles; what is no number becomes NaN."""
    import numpy as np
    import pyarrow as pa

    try:
        whole = column.combine_chunks().cast(pa.float64())
        return whole.fill_null(float("nan")).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return np.array([_number(text) for text in column.to_pylist()], dtype=np.float64)


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

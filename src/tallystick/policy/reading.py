"""The small readers of what was recorded: a value of the wrong type is no value."""

from __future__ import annotations

from typing import Final

from tallystick.canonical import Value

__all__ = ["MAX_COUNT", "read_count", "read_text"]

MAX_COUNT: Final = 10**12
"""No file has as many rows. Sums of products with the 2,000 positions of a score stay far below 2^63."""


def read_text(value: Value) -> str:
    """A text as it is.

    Raises:
        TypeError: something else.
    """
    if not isinstance(value, str):
        raise TypeError("a name is not text")
    return value


def read_count(value: Value) -> int:
    """A whole number from 0 to :data:`MAX_COUNT`.

    Raises:
        TypeError: something else, such as a flag or a fraction.
        ValueError: more than any file has rows.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("a count is not a whole number from 0")
    if value > MAX_COUNT:
        raise ValueError(f"a count is above {MAX_COUNT:,}")
    return value

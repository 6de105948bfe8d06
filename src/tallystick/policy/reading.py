"""The small readers of what was recorded: a value of the wrong type is no value."""

from __future__ import annotations

from tallystick.canonical import Value

__all__ = ["read_count", "read_text"]


def read_text(value: Value) -> str:
    """A text as it is.

    Raises:
        TypeError: something else.
    """
    if not isinstance(value, str):
        raise TypeError("a name is not text")
    return value


def read_count(value: Value) -> int:
    """A whole number from 0.

    Raises:
        TypeError: something else, such as a flag or a fraction.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("a count is not a whole number from 0")
    return value

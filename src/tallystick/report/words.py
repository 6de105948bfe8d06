"""How values are said in a report: numbers, times, digests, and text that nobody may trust.

Text of a ledger is hostile input. It is escaped for markup by the templates; here what a reader would not see, or would
see in another order, is made visible: control characters, bidirectional controls, characters without width.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Final

from tallystick.canonical import Value, encode, untagged

__all__ = [
    "LONGEST",
    "NOT_RECORDED",
    "absence",
    "count",
    "day",
    "number",
    "numeric",
    "plural",
    "recorded",
    "said",
    "short",
    "shortened",
    "ticked",
    "visible",
]

NOT_RECORDED: Final = "not recorded"
LONGEST: Final = 1_600
"""Characters of one text that are printed; the whole stands in the attached evidence."""
_MOST_LINES: Final = 12
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5\u180b\u180c\u180d\u180f\ufe0e\ufe0f\u2800")
"""Letters and marks that show nothing, so that two texts look alike."""
_MOST_MARKS: Final = 3


def visible(text: str, longest: int = LONGEST) -> str:
    """The text with every character that cannot be seen written as an escape, cut to a printable length.

    Line feeds stay, up to twelve lines; spaces of any width become plain ones; a heap of combining marks is written as
    escapes after the third.
    """
    lines = text[: longest * 4].split("\n")
    shown = "\n".join(_visible_line(line) for line in lines[:_MOST_LINES])
    rest = len(text) - longest
    if len(shown) > longest or len(lines) > _MOST_LINES:
        more = f"{rest:,} more characters" if rest > 0 else "more lines"
        return shown[:longest].rstrip() + f" … ({more} in the evidence)"
    return shown


def _visible_line(line: str) -> str:
    shown, marks = [], 0
    for char in line:
        marks = marks + 1 if unicodedata.combining(char) else 0
        hidden = unicodedata.category(char) in _INVISIBLE or char in _FILLERS or _is_tag(char)
        if char == "\t" or unicodedata.category(char) == "Zs":
            shown.append(" ")
        elif hidden or marks > _MOST_MARKS:
            shown.append(char.encode("unicode_escape").decode("ascii"))
        else:
            shown.append(char)
    return "".join(shown)


def _is_tag(char: str) -> bool:
    return 0xE0000 <= ord(char) <= 0xE0FFF


def shortened(text: str, longest: int) -> str:
    """One visible line of at most so many characters, cut with an ellipsis."""
    line = " ".join(visible(text, longest=longest * 4).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


# --------------------------------------------------------------------------- numbers


def numeric(value: Value) -> float | None:
    """The finite number that a value is, tagged integers too; None for anything else."""
    plain = _untagged(value)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        return None
    try:
        number = float(plain)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _untagged(value: Value) -> object:
    """As `untagged`; an integer of absurd length stays as it was written."""
    try:
        return untagged(value)
    except ValueError:
        return value


def number(value: float, *beside: float) -> str:
    """A number in four significant digits, more where it would otherwise look equal to one `beside` it.

    So a ratio of 0.79996 against a limit of 0.80 is never printed as 0.8.
    """
    if value == int(value) and abs(value) < 1e15:
        return count(int(value))
    for digits in range(4, 18):
        text = f"{value:.{digits}g}"
        if all(float(text) != other or value == other for other in beside):
            break
    return _plain(text)


def _plain(text: str) -> str:
    """Without an exponent where the number is of a common size."""
    value = float(text)
    if not 1e-4 <= abs(value) < 1e15:
        return text
    if "e" in text:
        return f"{value:,.0f}"
    whole, _, fraction = text.partition(".")
    grouped = f"{int(whole):,}" if abs(value) >= 1000 else whole
    return f"{grouped}.{fraction}" if fraction else grouped


def ticked(value: float) -> str:
    """A short label for an axis."""
    return f"{value:.3g}"


def count(value: int) -> str:
    return f"{value:,}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """``1 entry``, ``3 entries``."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


# --------------------------------------------------------------------------- other values


def absence(value: Value) -> str | None:
    """The reason of a value that is not there: ``not recorded`` or what was recorded instead; None if it is there."""
    if value is None:
        return NOT_RECORDED
    if isinstance(value, Mapping) and set(value) == {"absent"}:
        return visible(str(value["absent"]), longest=300)
    return None


def said(value: Value) -> str:
    """Any recorded value in words: lists with commas, mappings as ``name: value``, absences with their reason."""
    reason = absence(value)
    if reason is not None:
        return reason
    plain = _untagged(value)
    if isinstance(plain, bool):
        return "yes" if plain else "no"
    if isinstance(plain, str):
        return visible(plain)
    if isinstance(plain, float):
        return number(plain) if math.isfinite(plain) else str(plain)
    if isinstance(plain, int):
        return visible(count(plain))
    if isinstance(plain, list):
        return visible(", ".join(recorded(item) for item in plain)) if plain else "none"
    if isinstance(plain, Mapping):
        return _said_mapping(plain)
    return visible(encode(value).decode())


def recorded(value: Value) -> str:
    """As :func:`said`, but for values where null means null and not that nobody recorded them."""
    return "null" if value is None else said(value)


def _said_mapping(value: Mapping[str, Value]) -> str:
    if set(value) == {"repr"}:
        return visible(str(value["repr"]))
    if set(value) == {"seq", "leaf"}:
        return f"entry {value['seq']}"
    lines = [f"{visible(str(key), 80).replace('_', ' ')}: {recorded(item)}" for key, item in value.items()]
    return visible("; ".join(lines)) if lines else "none"


def short(digest: Value, length: int = 12) -> str:
    """The first characters of a digest; the annex has the whole."""
    text = visible(str(digest))
    return text if len(text) <= length else text[:length] + "…"


def day(time: Value) -> str:
    """A recorded time to the second, in UTC: ``2026-11-20 12:00:07 UTC``; other text as it is."""
    text = visible(str(time), 60)
    if len(text) >= 20 and text[10:11] == "T" and text.endswith("Z"):
        return f"{text[:10]} {text[11:19]} UTC"
    return text

"""The strict form of CSV (RFC 4180), and how many records a file of it has.

Readers differ in what they make of anything else: to some a quote after a blank opens a value that may run over many
lines, to others it is a character like any other, and the rows in between vanish for one and not for the other. So a
quote may stand only at the very beginning of a value, the quote that closes it only at its very end, within it quotes
are doubled, and no value is left open. A line end is LF or CR LF; where there is one column, an empty line is a record
with an empty value, else it is none.

The records are counted here, apart from the engine that reads them, so that the two numbers can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tallystick.errors import InvalidData

__all__ = ["records"]

_BOM = b"\xef\xbb\xbf"


def records(blocks: Iterable[bytes], *, delimiter: str, columns: int, name: str) -> int:
    """How many records there are below the header.

    Args:
        blocks: the file, in parts of any size.
        delimiter: one character of ASCII.
        columns: how many the header names.
        name: what messages call the file.

    Raises:
        InvalidData: the file is not of the strict form.
    """
    form = _Form(delimiter.encode("ascii"), name)
    for number, block in enumerate(blocks):
        form.take(block.removeprefix(_BOM) if number == 0 else block)
    form.end()
    return form.lines - 1 - (form.empty if columns > 1 else 0)


class _Form:
    """What was seen so far. Of each quoted value only one quote is kept, so a line end that is left ends a record."""

    def __init__(self, delimiter: bytes, name: str) -> None:
        self.lines = 0
        self.empty = 0
        self._name = name
        self._inside = False
        self._last = b"\n"
        self._held = b""
        """A carriage return at the end of a part: the next one tells whether it belongs to a line end."""
        beside = rb"%s\n\x22" % re.escape(delimiter)
        self._after = re.compile(rb'"[^%s]' % beside)
        self._before = re.compile(rb'"(?<![%s]")' % beside)

    def take(self, block: bytes) -> None:
        text = self._held + (self._without_values(block) if self._inside or b'"' in block else block)
        self._held = b""
        if b"\r" in text:
            text = self._with_line_feeds(text)
        if text:
            self._count(self._last + text)
            self._last = text[-1:]

    def end(self) -> None:
        """
        Raises:
            InvalidData: a value or a line end is not finished.
        """
        if self._inside:
            raise self._flaw("a quoted value is not closed", self.lines)
        if self._held:
            raise self._flaw("a carriage return stands alone", self.lines)
        self.lines += self._last != b"\n"

    def _without_values(self, block: bytes) -> bytes:
        """What stands outside of quotes, with one quote for each value in quotes.

        A doubled quote within a value ends it and begins another at once, which leaves two quotes side by side.
        """
        parts = block.split(b'"')
        outside = parts[int(self._inside) :: 2]
        self._inside ^= len(parts) % 2 == 0
        opened = self._inside and len(parts) > 1
        return b'"'.join(outside) + (b'"' if opened else b"")

    def _with_line_feeds(self, text: bytes) -> bytes:
        if text.endswith(b"\r"):
            text, self._held = text[:-1], b"\r"
        text = text.replace(b"\r\n", b"\n")
        if b"\r" in text:
            raise self._flaw("a carriage return stands alone", self.lines + text.count(b"\n", 0, text.find(b"\r")))
        return text

    def _count(self, text: bytes) -> None:
        """Take in the last byte of the part before, and a part."""
        if b'"' in text and (found := self._after.search(text) or self._before.search(text, 1)):
            flaw = "a quote stands within a value, or text beside a quoted value"
            raise self._flaw(flaw, self.lines + text.count(b"\n", 1, found.start()))
        self.lines += text.count(b"\n", 1)
        if b"\n\n" in text:
            self.empty += len(re.findall(rb"\n(?=\n)", text))

    def _flaw(self, what: str, lines: int) -> InvalidData:
        return InvalidData(
            f"the data file cannot be read: {what}",
            where=f"{self._name}, record {lines + 1}",
            expected="RFC 4180: line ends LF or CR LF, quotes around whole values only and doubled within them",
            remedy="Write it again with a program that quotes values, or as Parquet.",
        )

"""The objects of a PDF, each read once, in a time and a memory that the size of the file bounds.

A PDF says in cross-reference tables where its objects are, and objects name each other, so that a file of a few
kilobytes can keep a parser busy for ever. Before a parser sees a file it is therefore read here, in a strict part of
ISO 32000 that what we write, and what seals it, keeps to:

* each table stands before the one that names it, and after its objects, which do not overlap;
* a table has as many entries as it has bytes for, and object streams hold their objects one after the other;
* each key of a dictionary stands once; generations are 0; nothing is encrypted; there are no hybrid tables;
* nesting, objects, values and what compressed structure becomes are bounded.

No reference is followed but that of a stream's length. What the objects may say is for ``pdf_contents``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tallystick.errors import Malformed

__all__ = ["Ref", "Section", "Stream", "read"]

_MAX_SECTIONS: Final = 40
_MAX_OBJECTS: Final = 400_000
_MAX_HELD: Final = 100_000
"""Objects of one object stream: the parser goes through its head for each of them that it reads."""
_MAX_HEAD: Final = 24
"""Bytes of that head for each object."""
_MAX_VALUES: Final = 2_000_000
_MAX_STRUCTURE: Final = 64 << 20
"""Bytes that object streams may become."""
_MAX_DEPTH: Final = 32
_MAX_WIDTH: Final = 8


class Ref(NamedTuple):
    """A reference to an object."""

    number: int


class Stream(dict[str, Any]):
    """The dictionary of a stream, and its bytes as they stand in the file."""

    body: bytes = b""


@dataclass(frozen=True)
class Section:
    """A cross-reference table and the objects that stand since the one before.

    Names are ``str``, strings the ``bytes`` that spell them.
    """

    start: int
    """Where the table is."""
    ends: range
    """Where a file that ends with this section may end: line ends may follow the last line, or not."""
    trailer: Mapping[str, Any]
    objects: Mapping[int, Any] = field(repr=False)
    freed: frozenset[int]
    """Objects that this section takes away."""


def read(data: bytes) -> tuple[Section, ...]:
    """The sections of a PDF, the oldest first.

    Raises:
        Malformed: not a PDF of the form above, or one that is too large.
    """
    return _Reader(data).sections()


# ------------------------------------------------------------------ values

_SPACE: Final = rb"(?:[\0\t\n\f\r ]++|%[^\r\n]*+)*+"
_AHEAD: Final = rb"(?=[\0\t\n\f\r ()<>\[\]/%]|\Z)"
_TOKEN: Final = re.compile(
    _SPACE + rb"(?:(?P<open><<|\[)|(?P<close>>>|\])|(?P<name>/[^\0\t\n\f\r ()<>\[\]{}/%]*+)"
    rb"|(?P<ref>\d{1,8}[\0\t\n\f\r ]++0[\0\t\n\f\r ]++R" + _AHEAD + rb")"
    rb"|(?P<integer>[+-]?\d{1,18}" + _AHEAD + rb")|(?P<real>[+-]?(?:\d{1,18}\.\d{0,18}|\.\d{1,18})" + _AHEAD + rb")"
    rb"|(?P<text>\((?:[^()\\]|\\[\s\S])*+\))|(?P<nested>\()|(?P<hex><[0-9A-Fa-f\0\t\n\f\r ]*+>)"
    rb"|(?P<word>true|false|null)" + _AHEAD + rb")"
)
_PARENTHESIS: Final = re.compile(rb"\\[\s\S]|[()]")
_ESCAPE: Final = re.compile(r"#([0-9A-Fa-f]{2})")
_WORDS: Final = {b"true": True, b"false": False, b"null": None}
_CLOSES: Final = {b"<<": b">>", b"[": b"]"}


class _Values:
    """Reads values, as many as a file may have."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES
        self._names: dict[bytes, str] = {}

    def at(self, data: bytes, position: int) -> tuple[Any, int]:
        """The value at a position, and where it ends."""
        opened: list[tuple[bytes, list[Any]]] = []
        while True:
            token = _TOKEN.match(data, position)
            self._left -= 1
            if token is None or self._left < 0 or len(opened) > _MAX_DEPTH:
                raise Malformed(
                    "PDF cannot be read, is nested too deeply or has too many parts", where=f"byte {position}"
                )
            kind, position = token.lastgroup, token.end()
            if kind == "open":
                opened.append((token["open"], []))
                continue
            if kind == "close":
                opener, items = opened.pop() if opened else (b"", [])
                if _CLOSES.get(opener) != token["close"]:
                    raise Malformed(
                        "list or dictionary of the PDF is closed by the wrong mark", where=f"byte {position}"
                    )
                value: Any = items if opener == b"[" else _dictionary(items)
            elif kind == "nested":
                start, position = position - 1, _closed(data, position)
                value = data[start:position]
            else:
                value = self._single(kind or "", token[kind or 0])
            if not opened:
                return value, position
            opened[-1][1].append(value)

    def _single(self, kind: str, text: bytes) -> Any:
        if kind == "name":
            return self._names.setdefault(text, _name(text))
        if kind == "ref":
            return Ref(int(text.split()[0]))
        if kind == "integer":
            return int(text)
        if kind == "real":
            return float(text)
        return _WORDS[text] if kind == "word" else text


def _name(text: bytes) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text.decode("latin-1"))


def _dictionary(items: list[Any]) -> dict[str, Any]:
    keys = items[::2]
    if len(items) % 2 or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise Malformed("dictionary of the PDF has a key twice, or something else than keys and values")
    return dict(zip(keys, items[1::2], strict=True))


def _closed(data: bytes, position: int) -> int:
    """Where a string with parentheses in it ends."""
    depth = 1
    for found in _PARENTHESIS.finditer(data, position):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    raise Malformed("string of the PDF has no end")


# ------------------------------------------------------------------ objects and tables

_START: Final = re.compile(rb"startxref[\r\n]++(\d{1,10})[\r\n]++%%EOF[\r\n]*+\Z")
_TAIL: Final = re.compile(_SPACE + rb"startxref[\r\n]++(\d{1,10})[\r\n]++%%EOF([\r\n]*+)")
_OBJECT: Final = re.compile(rb"(\d{1,8}) 0 obj" + _AHEAD)
_STREAM: Final = re.compile(_SPACE + rb"stream(?:\r\n|\n)")
_STREAM_END: Final = re.compile(rb"(?:\r\n|\n|\r)?endstream" + _AHEAD)
_OBJECT_END: Final = re.compile(_SPACE + rb"endobj" + _AHEAD)
_TABLE: Final = re.compile(rb"xref[\0\t ]*+[\r\n]++")
_PART: Final = re.compile(rb"(\d{1,8}) (\d{1,8})[ ]?(?:\r\n|\n|\r)")
_LINE: Final = re.compile(rb"(\d{10}) (\d{5}) ([nf])(?: \r| \n|\r\n)")
_TRAILER: Final = re.compile(_SPACE + rb"trailer" + _AHEAD)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._values = _Values()
        self._structure = _MAX_STRUCTURE
        self._known: dict[int, int] = {}
        """Where the objects outside object streams are, by the tables up to the one that is read."""
        self._lengths: dict[int, Any] = {}
        """The lengths of streams that stand in objects of their own, by their place."""

    def sections(self) -> tuple[Section, ...]:
        tables = [*self._tables()][::-1]
        found: list[Section] = []
        for table in tables:
            after = found[-1].ends.start if found else 0
            self._known |= table.places
            found.append(self._section(table, after))
        if found[-1].ends.stop != len(self._data) + 1:
            raise Malformed("something stands behind the last table of the PDF")
        return tuple(found)

    def _tables(self) -> Iterator[_Table]:
        """The newest first."""
        tail = _START.search(self._data, max(0, len(self._data) - 100))
        position: Any = int(tail[1]) if tail else -1
        before, count = len(self._data), 0
        while position is not None:
            if not 0 <= position < before or count == _MAX_SECTIONS:
                raise Malformed("tables of the PDF are not in order, or too many", where=f"byte {position}")
            table = self._table(position)
            yield table
            before, count, position = position, count + 1, table.trailer.get("/Prev")
            if position is not None and not isinstance(position, int):
                raise Malformed("table of the PDF names the one before wrongly")

    def _table(self, start: int) -> _Table:
        if (begins := _TABLE.match(self._data, start)) is not None:
            table = self._plain(start, begins.end())
        else:
            table = self._compressed(start)
        size = table.trailer.get("/Size")
        if type(size) is not int or table.highest >= min(size, _MAX_OBJECTS):
            raise Malformed("table of the PDF has more objects than it says, or too many", got=str(size)[:40])
        if {"/Encrypt", "/XRefStm"} & table.trailer.keys():
            raise Malformed("PDF is encrypted or has two cross-reference tables")
        return table

    def _plain(self, start: int, position: int) -> _Table:
        entries: list[tuple[int, int, int, int]] = []
        while (part := _PART.match(self._data, position)) is not None:
            first, count, position = int(part[1]), int(part[2]), part.end()
            for number in range(first, first + count):
                line = _LINE.match(self._data, position)
                if line is None:
                    raise Malformed("table of the PDF has fewer entries than it says", where=f"byte {position}")
                entries.append((number, int(line[3] == b"n"), int(line[1]), int(line[2])))
                position = line.end()
        ends = _TRAILER.match(self._data, position)
        if ends is None:
            raise Malformed("table of the PDF has no trailer", where=f"byte {position}")
        trailer, position = self._values.at(self._data, ends.end())
        if not isinstance(trailer, dict):
            raise Malformed("trailer of the PDF is no dictionary")
        return _Table.of(start, position, trailer, entries)

    def _compressed(self, start: int) -> _Table:
        trailer, position = self._object(start, None)
        if not isinstance(trailer, Stream) or trailer.get("/Type") != "/XRef":
            raise Malformed("PDF has no table where it says", where=f"byte {start}")
        widths: Any = trailer.get("/W")
        runs: Any = trailer.get("/Index", [0, trailer.get("/Size")])
        if not _are_counts(widths, 3, _MAX_WIDTH) or not _are_counts(runs, None, _MAX_OBJECTS):
            raise Malformed("table of the PDF says wrongly how it is laid out")
        count, width = sum(runs[1::2]), sum(widths)
        if not width or count > _MAX_OBJECTS or len(lines := _inflated(trailer, count * width)) != count * width:
            raise Malformed("table of the PDF has not as many entries as it says")
        numbers = [n for first, count in zip(runs[::2], runs[1::2], strict=True) for n in range(first, first + count)]
        entries = [(number, *entry) for number, entry in zip(numbers, _lines(lines, widths), strict=True)]
        return _Table.of(start, position, trailer, entries)

    def _section(self, table: _Table, after: int) -> Section:
        tail = _TAIL.match(self._data, table.end)
        if tail is None or int(tail[1]) != table.start:
            raise Malformed("table of the PDF is not the end of its part", where=f"byte {table.start}")
        objects: dict[int, Any] = {}
        for number, place in sorted(table.places.items(), key=lambda item: item[1]):
            if place < after:
                raise Malformed("objects of the PDF overlap, or are older than their table", where=f"object {number}")
            objects[number], after = self._object(place, number)
        if after > table.start and after != table.end:
            raise Malformed("object of the PDF stands behind its table", where=f"byte {table.start}")
        for number, held in table.streams.items():
            objects |= self._held(objects.get(number), held)
        return Section(table.start, range(tail.start(2), tail.end() + 1), table.trailer, objects, table.freed)

    def _object(self, place: int, number: int | None) -> tuple[Any, int]:
        """The object at a place, and where it ends."""
        begins = _OBJECT.match(self._data, place)
        if begins is None or number not in (None, int(begins[1])):
            raise Malformed("object of the PDF does not stand where its table says", where=f"byte {place}")
        value, position = self._values.at(self._data, begins.end())
        body = _STREAM.match(self._data, position) if isinstance(value, dict) else None
        if body is not None:
            value = Stream(value)
            length = self._length(value.get("/Length"))
            value.body = self._data[body.end() : body.end() + length]
            ends = _STREAM_END.match(self._data, body.end() + length)
            position = -1 if ends is None else ends.end()
        ends = None if position < 0 else _OBJECT_END.match(self._data, position)
        if ends is None:
            raise Malformed("object of the PDF has no end", where=f"byte {place}")
        return value, ends.end()

    def _length(self, said: Any) -> int:
        if isinstance(said, Ref) and said.number in self._known:
            place = self._known[said.number]
            if place not in self._lengths:
                begins = _OBJECT.match(self._data, place)
                self._lengths[place] = None if begins is None else self._values.at(self._data, begins.end())[0]
            said = self._lengths[place]
        if type(said) is not int or said < 0:
            raise Malformed("stream of the PDF has no length")
        return said

    def _held(self, holder: Any, held: Mapping[int, int]) -> dict[int, Any]:
        """The objects in an object stream: each where the one before has ended."""
        if not isinstance(holder, Stream) or holder.get("/Type") != "/ObjStm" or "/Extends" in holder:
            raise Malformed("objects of the PDF stand in no object stream of its part")
        data = _inflated(holder, self._structure)
        self._structure -= len(data)
        first: Any = holder.get("/First")
        if type(first) is not int or not 0 <= first <= _MAX_HEAD * len(held) or len(held) > _MAX_HELD:
            raise Malformed("object stream of the PDF has no head, or one that is too large")
        head = data[:first].split()
        if not all(part.isdigit() and len(part) < 10 for part in head) or len(head) != 2 * len(held):
            raise Malformed("head of an object stream of the PDF does not name its objects")
        if holder.get("/N") != len(held) or {int(number): at for at, number in enumerate(head[::2])} != held:
            raise Malformed("object stream of the PDF does not hold the objects that its table names")
        found, position = {}, 0
        for number, offset in zip(head[::2], head[1::2], strict=True):
            if first + int(offset) < position:
                raise Malformed("objects of an object stream of the PDF overlap")
            found[int(number)], position = self._values.at(data, first + int(offset))
        return found


@dataclass(frozen=True)
class _Table:
    start: int
    end: int
    trailer: Mapping[str, Any]
    places: Mapping[int, int]
    streams: Mapping[int, Mapping[int, int]]
    """By the number of the object stream: object and position in it."""
    freed: frozenset[int]
    highest: int

    @classmethod
    def of(cls, start: int, end: int, trailer: Mapping[str, Any], entries: list[tuple[int, int, int, int]]) -> _Table:
        """Entries are number, kind and the two further fields of ISO 32000, table 18."""
        numbers = frozenset(entry[0] for entry in entries)
        used = [entry for entry in entries if entry[1] == 1]
        if len(numbers) != len(entries) or any(other for *_, other in used) or any(entry[1] > 2 for entry in entries):
            raise Malformed("table of the PDF has an entry twice, or one of another kind or generation")
        streams: dict[int, dict[int, int]] = {}
        for number, kind, holder, index in entries:
            if kind == 2:
                streams.setdefault(holder, {})[number] = index
        freed = frozenset(number for number, kind, *_ in entries if kind == 0 and number)
        return cls(
            start,
            end,
            trailer,
            {number: place for number, _, place, _ in used},
            streams,
            freed,
            max(numbers, default=0),
        )


def _are_counts(value: Any, length: int | None, most: int) -> bool:
    fits = isinstance(value, list) and (len(value) % 2 == 0 if length is None else len(value) == length)
    return fits and all(type(item) is int and 0 <= item <= most for item in value)


def _lines(data: bytes, widths: list[int]) -> Iterator[tuple[int, int, int]]:
    one, two, _ = widths
    for at in range(0, len(data), sum(widths)):
        line = data[at : at + sum(widths)]
        kind = int.from_bytes(line[:one], "big") if one else 1
        yield kind, int.from_bytes(line[one : one + two], "big"), int.from_bytes(line[one + two :], "big")


def _inflated(stream: Stream, most: int) -> bytes:
    """The bytes of a table or an object stream; one more than the most, if there are more."""
    if stream.keys() & {"/DecodeParms", "/F", "/FFilter"} or stream.get("/Filter", "/FlateDecode") != "/FlateDecode":
        raise Malformed("table or object stream of the PDF is stored in another way", expected="FlateDecode")
    if "/Filter" not in stream:
        return stream.body
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(stream.body, most + 1)
    except zlib.error as error:
        raise Malformed("table or object stream of the PDF cannot be unpacked") from error
    if len(found) > most:
        raise Malformed("table or object stream of the PDF becomes too large", expected=f"up to {most} bytes")
    return found

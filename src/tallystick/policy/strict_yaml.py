"""YAML for policies: one plain document to a JSON-like value, with the line and column of every part.

What is refused, because people and programs could read it differently: several documents, anchors, aliases, merge
keys, tags, duplicate keys, keys that are not text, depth over 32, more than 256 KB or 50,000 parts, text that is not
UTF-8 or not in normal form C, numbers that are not finite. Plain scalars are read as JSON reads them (YAML 1.2): only
``true`` and ``false`` are flags, ``010``, ``1_000``, ``0x1f`` and ``12:30`` are text, and so is a date.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tallystick.canonical import MAX_DEPTH, Value
from tallystick.errors import InvalidPolicy

__all__ = ["MAX_PARTS", "MAX_SIZE", "Parsed", "Path", "Place", "parse"]

MAX_SIZE = 256 * 1024
MAX_PARTS = 50_000
"""Keys, values, lists and mappings of a policy; reading takes about as long as there are many."""

Path = tuple[str | int, ...]
"""The way to a part: keys and positions from the root."""
Place = tuple[int, int]
"""Line and column, both from 1."""

_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"\.nan|[-+]?\.inf", re.IGNORECASE)
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True)
class Parsed:
    """A value and where each of its parts stands."""

    value: Value
    places: dict[Path, Place] = field(repr=False)

    def place(self, path: Path) -> Place:
        """Where a part stands (for an entry of a mapping: its key); of a missing part, where its parent stands."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def parse(data: bytes, *, name: str) -> Parsed:
    """Read one document.

    Args:
        data: the bytes of the file.
        name: of the file, for messages.

    Raises:
        InvalidPolicy: with ``where`` as ``name:line:column``.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    text = _text(data, name)
    try:
        return _Reader(name, YAML(typ="safe", pure=True).parse(text)).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _invalid(name, place, f"this is not YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        raise _invalid(name, (1, 1), "this is not YAML", got=str(error).splitlines()[0][:80]) from error


def _text(data: bytes, name: str) -> str:
    if len(data) > MAX_SIZE:
        raise InvalidPolicy("the policy is too large", where=name, expected=f"up to {MAX_SIZE:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise _invalid(name, (line, column), "the policy is not UTF-8") from error


def _invalid(name: str, place: Place, what: str, *, got: str | None = None, remedy: str | None = None) -> InvalidPolicy:
    return InvalidPolicy(what, where=f"{name}:{place[0]}:{place[1]}", got=got, remedy=remedy)


class _Reader:
    """Walks the parser's events once; recursion ends at the depth limit."""

    def __init__(self, name: str, events: Iterator[Any]) -> None:
        self.name = name
        self.events = events
        self.places: dict[Path, Place] = {}
        self.parts = 0

    def document(self) -> Parsed:
        value: Value = None
        documents = 0
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise self._refuse(event, "a second document begins here", "Put each policy into its own file.")
                if event.version or event.tags:
                    raise self._refuse(event, "directives are not allowed in a policy", "Remove the line with '%'.")
                value = self._node(next(self.events), ())
        if documents == 0:
            raise _invalid(self.name, (1, 1), "the policy is empty")
        return Parsed(value, self.places)

    def _node(self, event: Any, path: Path) -> Value:
        kind = type(event).__name__
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise self._refuse(event, "anchors and aliases are not allowed in a policy", "Write the value out.")
        if event.tag is not None:
            raise self._refuse(event, f"tags such as {str(event.tag)[:40]!r} are not allowed in a policy", "Remove it.")
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise self._refuse(event, f"the policy has more than {MAX_PARTS:,} parts", "Divide it into several.")
        if len(path) > MAX_DEPTH:
            raise self._refuse(event, "the policy is nested too deeply", f"Stay within {MAX_DEPTH} levels.")
        self.places.setdefault(path, self._place(event))
        if kind == "MappingStartEvent":
            return self._mapping(path)
        if kind == "SequenceStartEvent":
            return self._sequence(path)
        return self._scalar(event)

    def _mapping(self, path: Path) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            if type(event).__name__ != "ScalarEvent":
                raise self._refuse(event, "a key must be plain text", "Use a word as the key.")
            key = self._node(event, (*path, ""))
            del self.places[(*path, "")]
            if event.value == "<<" and event.implicit[0]:
                raise self._refuse(event, "merge keys are not allowed in a policy", "Write the entries out.")
            if not isinstance(key, str):
                key = event.value
            if key in found:
                raise self._refuse(event, f"key {key[:40]!r} stands twice", "Keep one of the two.")
            self.places[(*path, key)] = self._place(event)
            found[key] = self._node(next(self.events), (*path, key))
        return found

    def _sequence(self, path: Path) -> list[Value]:
        found: list[Value] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            found.append(self._node(event, (*path, len(found))))
        return found

    def _scalar(self, event: Any) -> Value:
        text: str = event.value
        if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
            raise self._refuse(event, "the text holds half of a surrogate pair", "Write the character itself.")
        if not unicodedata.is_normalized("NFC", text):
            raise self._refuse(event, "the text is not in Unicode normal form C", "Save the file in normal form C.")
        if not event.implicit[0]:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _NOT_FINITE.fullmatch(text):
            raise self._refuse(event, f"{text} is not a finite number", "Write a number, or quote the text.")
        if _JSON_NUMBER.fullmatch(text):
            return self._number(event, text)
        return text

    def _number(self, event: Any, text: str) -> int | float:
        value: int | float = json.loads(text) if len(text) <= 40 else float("inf")
        if abs(value) > 2**53 - 1:
            raise self._refuse(event, f"the number {text[:40]} is too large", "Stay within 2^53 - 1.")
        return value

    def _place(self, event: Any) -> Place:
        return (event.start_mark.line + 1, event.start_mark.column + 1)

    def _refuse(self, event: Any, what: str, remedy: str) -> InvalidPolicy:
        return _invalid(self.name, self._place(event), what, remedy=remedy)

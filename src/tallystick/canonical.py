"""Values to bytes and back: the only place that makes bytes to be hashed or signed.

Rules (docs/reference/formats.md):

* Bytes are RFC 8785 (JCS): keys sorted, shortest round-trip numbers, UTF-8, no white space.
* A plain number is a finite double, or an integer within +-(2**53 - 1). Others travel as tagged values,
  made by :func:`tagged`: ``{"float": "nan"}``, ``{"int": "9007199254740993"}``, ``{"repr": "..."}``.
* Text is NFC. Bytes that are not UTF-8 travel as ``{"bytes": base64}``.
* Parsing is strict: duplicate keys, NaN, numbers out of range, trailing data and depth over 32 are refused.

What is stored is what was hashed: nobody serialises again in order to verify.

Two paths lead to the same bytes. orjson is some twenty times faster than rfc8785, and what it writes *is* RFC 8785 for
most values; :func:`_quick` takes only those for which that is certain. All others, and whatever is to be refused, go
the careful way: every node checked, the bytes written by rfc8785. Which way a value went cannot be seen from outside.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import rfc8785

from tallystick.errors import InvalidRecord, Malformed

__all__ = [
    "MAX_DEPTH",
    "Value",
    "b64",
    "commitment",
    "decode",
    "digest",
    "encode",
    "leaf_hash",
    "reread",
    "tagged",
    "time_of",
    "time_text",
    "unb64",
    "untagged",
]

Value = Any
"""A JSON value: None, bool, int, float, str, list of values, dict of str to value."""

MAX_DEPTH = 32
_MAX_INT = 2**53 - 1
_EXPONENT_FROM = 1e21
_TAGS = frozenset({"float", "int", "repr", "bytes", "map"})
_REFERENCE = frozenset({"seq", "leaf"})
"""The keys of a reference to an entry (records.py): a stranger's value must not pass for one."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def encode(value: Value) -> bytes:
    """The RFC 8785 bytes of a value.

    Raises:
        InvalidRecord: a number out of range or not finite, text that is not NFC or holds a lone surrogate,
            a key that is not text, or depth over 32. Use :func:`tagged` first for foreign values.
    """
    data = _quick(value)
    return _careful(value) if data is None else data


_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
"""Keys by code point, which without characters beyond U+FFFF is the order of UTF-16; integers within +-(2**53 - 1)."""
_SCALARS = frozenset({str, int, bool, type(None)})
_PLAIN_FROM, _PLAIN_BELOW = 1e-5, 1e16
"""Between these, floats that are not whole are written alike everywhere: shortest digits, no exponent."""


def _quick(value: Value) -> bytes | None:
    """The canonical bytes of an allowed value, or None where only the careful way can tell.

    Strings escape alike in orjson and RFC 8785, integers have one spelling; what differs is refused here beforehand
    (floats, by their range) or afterwards (text that is not ASCII).
    """
    if not _is_plain((value,), MAX_DEPTH):
        return None
    try:
        data = orjson.dumps(value, option=_SORTED)
    except TypeError:  # a key that is not exactly a str, a lone surrogate, an integer out of range
        return None
    return data if data.isascii() or _is_plain_text(data) else None


def _is_plain(items: Iterable[Value], room: int) -> bool:
    """Whether all is of the very types of JSON, and no float is among it that orjson might spell otherwise.

    Types are asked for exactly: orjson also writes what has no JSON form here, such as enumerations and UUIDs.
    """
    for item in items:
        kind = type(item)
        if kind is str or kind in _SCALARS:
            continue
        if kind is dict:
            if not room or not _is_plain(item.values(), room - 1):
                return False
        elif kind is list or kind is tuple:
            if not room or not _is_plain(item, room - 1):
                return False
        elif kind is not float or item.is_integer() or not _PLAIN_FROM <= abs(item) < _PLAIN_BELOW:
            return False
    return True


def _is_plain_text(data: bytes) -> bool:
    """Whether all strings in the JSON are NFC and no character is beyond U+FFFF.

    If the whole is NFC, so is each string in it: a part of an NFC text is NFC (UAX #15, on concatenation), and the
    quotes and control characters that stand in it as escapes compose with nothing.
    """
    text = data.decode()
    return len(text.encode("utf-16-le")) == 2 * len(text) and unicodedata.is_normalized("NFC", text)


def _careful(value: Value) -> bytes:
    _check(value, 0, ())
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise InvalidRecord("value has no canonical form", got=str(error)) from error


_Trail = tuple[Any, ...]
"""The way to a node: nothing for the root, else the trail of its parent and the key or position."""


def _check(value: Value, depth: int, trail: _Trail) -> None:
    if value is None or isinstance(value, bool):
        return
    if depth >= MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        raise InvalidRecord("value is nested too deeply", where=_path(trail), expected=f"depth up to {MAX_DEPTH}")
    if isinstance(value, str):
        if not unicodedata.is_normalized("NFC", value):
            raise InvalidRecord("text is not in normal form C", where=_path(trail), got=ascii(value[:40]))
        if _SURROGATE.search(value) is not None:
            raise InvalidRecord("text holds half a character", where=_path(trail), got=ascii(value[:40]))
    elif isinstance(value, int):
        if abs(value) > _MAX_INT:
            raise InvalidRecord("integer beyond 2^53-1", where=_path(trail), remedy='Write it as {"int": "..."}.')
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidRecord("number is not finite", where=_path(trail), remedy='Write it as {"float": "nan"}.')
        if not _comes_back(value):
            raise InvalidRecord("number reads back as an integer beyond 2^53-1", where=_path(trail), got=repr(value))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidRecord("key is not text", where=_path(trail), got=repr(key)[:40])
            _check(key, depth, (trail, key))
            _check(item, depth + 1, (trail, key))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            _check(item, depth + 1, (trail, position))
    else:
        raise InvalidRecord("value has no JSON form", where=_path(trail), got=type(value).__name__)


def _path(trail: _Trail) -> str:
    steps = []
    while trail:
        trail, step = trail
        steps.append(f".{step}" if isinstance(step, str) else f"[{step}]")
    return "".join(["$", *reversed(steps)])[:80]


def decode(data: bytes, *, what: str = "JSON", canonical: bool = False) -> Value:
    """Parse JSON strictly.

    Args:
        data: UTF-8 bytes of exactly one JSON value.
        what: what the bytes are, for messages.
        canonical: also refuse bytes that are not the RFC 8785 form of what they say.

    Raises:
        Malformed: not UTF-8, not JSON, a duplicate key, NaN or infinity, a number out of range, text not NFC,
            depth over 32, or (if asked) not canonical.
    """
    try:
        value = orjson.loads(data)
        if _quick(value) == data:  # a key that stands twice, or any other spelling, would not come out again
            return value
    except orjson.JSONDecodeError:
        pass  # the careful way says what is wrong
    return _decode_carefully(data, what=what, canonical=canonical)


def _decode_carefully(data: bytes, *, what: str, canonical: bool) -> Value:
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
        )
    except RecursionError as error:
        raise Malformed(f"{what} is nested too deeply", expected=f"depth up to {MAX_DEPTH}") from error
    except ValueError as error:
        raise Malformed(f"{what} is not well-formed", got=str(error)[:120]) from error
    try:
        if canonical:
            if encode(value) != data:
                raise Malformed(f"{what} is not in canonical form (RFC 8785)")
        else:
            _check(value, 0, ())
    except InvalidRecord as error:
        raise Malformed(f"{what} holds a value that is not allowed", got=error.what, where=error.where) from error
    return value


def reread(data: bytes) -> Value:
    """The value of bytes that :func:`encode` has just made: as :func:`decode`, without asking what is known.

    A deep copy of what was encoded, in plain JSON types.
    """
    return orjson.loads(data)


def _comes_back(number: float) -> bool:
    """Whether a float's canonical form reads back: JCS writes whole floats below 1e21 without an exponent."""
    return not number.is_integer() or abs(number) <= _MAX_INT or abs(number) >= _EXPONENT_FROM


def _no_duplicates(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice[:40]!r} stands twice")
    return result


def _no_constant(name: str) -> Value:
    raise ValueError(f"{name} is not a JSON number")


def tagged(value: object) -> Value:
    """Any Python value as a JSON value with a canonical form: parameter sets hold NaN, huge integers and objects.

    Floats that are not finite, or whole and beyond 2^53-1, become ``{"float": "nan"|"inf"|"-inf"|digits}``, large
    integers ``{"int": "..."}``, bytes ``{"bytes": base64}``, mappings with other keys (or with those of a
    tag or a reference) ``{"map": [[key, value], ...]}``,
    anything else ``{"repr": "..."}`` without memory addresses. Text is brought to NFC. NumPy scalars count as their
    Python values.
    """
    return _tagged(value, 0)


def _tagged(value: object, depth: int) -> Value:
    if depth > MAX_DEPTH - 2:
        raise InvalidRecord("value is nested too deeply", expected=f"depth up to {MAX_DEPTH - 2}")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _nfc(value)
    if isinstance(value, int):
        return int(value) if abs(value) <= _MAX_INT else {"int": str(int(value))}
    if isinstance(value, float):
        plain = math.isfinite(value) and _comes_back(value)
        return float(value) if plain else {"float": repr(float(value))}
    if isinstance(value, bytes | bytearray):
        return {"bytes": b64(bytes(value))}
    if isinstance(value, Mapping):
        return _tagged_mapping(value, depth)
    if isinstance(value, set | frozenset):
        return sorted((_tagged(item, depth + 1) for item in value), key=encode)
    if isinstance(value, Sequence):
        return [_tagged(item, depth + 1) for item in value]
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, type) and getattr(value, "shape", None) == ():
        return _tagged(item(), depth + 1)
    if isinstance(value, datetime):
        return value.isoformat()
    if callable(value) and hasattr(value, "__qualname__"):
        return {"repr": f"{value.__module__}.{value.__qualname__}"}
    return {"repr": _nfc(_ADDRESS.sub("", repr(value)))}


def _tagged_mapping(value: Mapping[Any, Any], depth: int) -> Value:
    looks_otherwise = (len(value) == 1 and set(value) <= _TAGS) or set(value) == _REFERENCE
    plain = all(isinstance(key, str) for key in value) and not looks_otherwise
    if plain:
        return {_nfc(key): _tagged(item, depth + 1) for key, item in value.items()}
    pairs = [[_tagged(key, depth + 2), _tagged(item, depth + 2)] for key, item in value.items()]
    return {"map": sorted(pairs, key=encode)}


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text.encode("utf-8", "backslashreplace").decode("utf-8"))


def untagged(value: Value) -> object:
    """Tagged numbers back as Python numbers, for display and comparison; other tags stay as they are."""
    if isinstance(value, dict):
        if set(value) == {"float"} and isinstance(value["float"], str):
            return float(value["float"])
        if set(value) == {"int"}:
            return int(value["int"])
        return {key: untagged(item) for key, item in value.items()}
    if isinstance(value, list):
        return [untagged(item) for item in value]
    return value


def digest(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 section 2.1 leaf hash: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def commitment(salt: bytes, name: str, data: bytes) -> str:
    """Keyed commitment to an erasable value: HMAC-SHA-256(salt, name || 0x00 || data), lower-case hex.

    With the 256-bit salt erased the commitment tells nothing of the value; with it, anyone can check the value.
    """
    return hmac.digest(salt, name.encode() + b"\x00" + data, "sha256").hex()


def b64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str, *, what: str = "base64") -> bytes:
    """Strict standard base64: padding required, no stray bits, no white space.

    Raises:
        Malformed: anything but the one canonical spelling.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{what} is not base64", got=ascii(text[:40])) from error
    if b64(data) != text:
        raise Malformed(f"{what} is not canonical base64", got=ascii(text[:40]))
    return data


def time_text(moment: datetime) -> str:
    """A time as the ledger writes it: UTC, ``YYYY-MM-DDThh:mm:ss.ffffffZ``."""
    if moment.tzinfo is None:
        raise InvalidRecord("time has no zone", got=moment.isoformat())
    return moment.astimezone(UTC).strftime(_TIME)


def time_of(text: Value) -> datetime:
    """Read what :func:`time_text` writes.

    Raises:
        Malformed: anything else, also another spelling of a time.
    """
    try:
        moment = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise Malformed("time is not of the ledger's form", got=ascii(text)[:40]) from error
    if time_text(moment) != text:
        raise Malformed("time is not of the ledger's form", got=ascii(text)[:40])
    return moment

"""Parameter sets: from a file, a mapping or an estimator, as tagged canonical values.

* JSON is strict but for NaN, Infinity and large integers, which dumps of parameter sets hold: they become tagged
  values. YAML is version 1.2 without aliases, tags or duplicate keys; TOML as the standard has it. Files are up to
  256 KB, nested up to 24 deep, and hold a mapping.
* An object with ``get_params()`` (scikit-learn and what imitates it) gives its parameters, those of its parts too, and
  under ``class`` the class it is of; no parameter can be called so, the word is reserved in Python.
* The digest is the SHA-256 of the canonical bytes of the values, wherever they stand in the record.
* Seeds are the entries called ``seed``, ``random_state`` or ending in ``_seed`` or ``__random_state``, by their path.

No file is executed. An object's ``get_params`` and ``repr`` are its own code and run in the caller's process.
"""

from __future__ import annotations

import datetime
import io
import json
import math
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from tallystick.canonical import Value, digest, encode, tagged
from tallystick.capture.captured import Captured, completed, exact, spilled
from tallystick.capture.fingerprint import read_whole
from tallystick.errors import InvalidData, TallystickError
from tallystick.records import absent

__all__ = ["mapping", "params"]

_MAX_FILE: Final = 256 * 1024
_MAX_DEPTH: Final = 24
_SEED: Final = re.compile(r"(^|_)(seed|random_state)$", re.IGNORECASE)
_RESERVED: Final = frozenset({"absent", "attachment"})


def params(
    source: Path | str | Mapping[str, Any] | object,
    *,
    seeds: Mapping[str, Any] | None = None,
    decision_cutoff: object = None,
) -> Captured:
    """The record of a parameter set, of kind ``params``.

    Args:
        source: a ``.json``, ``.yaml``, ``.yml`` or ``.toml`` file, a mapping, or an object with ``get_params()``.
        seeds: seeds that were set elsewhere, by name; they go before those found.
        decision_cutoff: the score from which on the decision is "yes", if there is one.

    Raises:
        NotFound: there is no such file.
        InvalidData: not a mapping, not well-formed, too large or too deep; with line and column where known.
    """
    plain = _plain(_read(source), 0)
    if not isinstance(plain, Mapping):
        raise InvalidData("parameters are not a mapping of names to values", got=type(plain).__name__)
    values = _unambiguous(tagged(plain))
    body, attachments = spilled(values, "params.json")
    found = dict(_seeds(plain, "")) | dict(seeds or {})
    observed: dict[str, Value] = {
        "digest": digest(encode(values)),
        "values": body,
        "seeds": _unambiguous(tagged(found)) if found else absent("no seed found"),
        "decision_cutoff": absent() if decision_cutoff is None else tagged(_plain(decision_cutoff, 0)),
    }
    subject = {"name": "params", "digest": {"sha256": observed["digest"]}}
    return Captured(completed("params", observed, {}), attachments, subject=(subject,))


def mapping(path: Path | str) -> dict[str, Value]:
    """What a person declares in a ``.json``, ``.yaml``, ``.yml`` or ``.toml`` file, as tagged values by name.

    Raises:
        NotFound, InvalidData: as :func:`params`.
    """
    plain = _plain(_from_file(Path(path)), 0)
    if not isinstance(plain, Mapping) or not all(isinstance(name, str) for name in plain):
        raise InvalidData("file is not a mapping of names to values", where=Path(path).name)
    return {name: tagged(value) for name, value in plain.items()}


def _unambiguous(values: Value) -> Value:
    """A parameter set that looks like a record's own sign, ``{"absent": ...}``, in a form that does not."""
    if isinstance(values, dict) and len(values) == 1 and set(values) <= _RESERVED:
        return {"map": [list(item) for item in values.items()]}
    return values


def _seeds(value: object, path: str) -> Iterator[tuple[str, object]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        inner = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and _SEED.search(str(key)):
            yield inner, item
        else:
            yield from _seeds(item, inner)


def _read(source: object) -> object:
    if isinstance(source, Path | str):
        return _from_file(Path(source))
    if isinstance(source, Mapping):
        return source
    get_params = getattr(source, "get_params", None)
    if not callable(get_params) or isinstance(source, type):
        raise InvalidData(
            "parameters cannot be read from this",
            expected="a file, a mapping or an object with get_params()",
            got=type(source).__name__,
        )
    values = dict(get_params(deep=True))
    return {"class": f"{type(source).__module__}.{type(source).__qualname__}"} | values


def _plain(value: object, depth: int) -> object:
    """What :func:`tagged` leaves to its callers: arrays become lists, dates text; cycles are refused."""
    if depth > _MAX_DEPTH:
        raise InvalidData("parameters are nested too deeply", expected=f"up to {_MAX_DEPTH}")
    if isinstance(value, Mapping):
        return _plain_mapping(value, depth)
    if isinstance(value, float):
        return exact(value)
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    tolist = getattr(value, "tolist", None)
    if callable(tolist) and not isinstance(value, type) and hasattr(value, "shape"):
        return _plain(tolist(), depth + 1)
    return value


def _plain_mapping(value: Mapping[Any, Any], depth: int) -> dict[Any, object]:
    names = [unicodedata.normalize("NFC", key) for key in value if isinstance(key, str)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidData(f"parameter {twice!r} stands twice, in two spellings of the same text")
    return {key: _plain(item, depth + 1) for key, item in value.items()}


# --------------------------------------------------------------------------- files


def _from_file(path: Path) -> object:
    readers = {".json": _json, ".yaml": _yaml, ".yml": _yaml, ".toml": _toml}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidData("parameter file is of no known format", where=path.name, expected=", ".join(sorted(readers)))
    data = read_whole(path, limit=_MAX_FILE)
    try:
        return reader(data.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        raise InvalidData("is not UTF-8", where=path.name) from error
    except RecursionError as error:
        raise InvalidData(
            "parameters are nested too deeply", where=path.name, expected=f"up to {_MAX_DEPTH}"
        ) from error
    except TallystickError:
        raise
    except ValueError as error:
        raise InvalidData("parameter file is not well-formed", where=path.name, got=str(error)[:160]) from error


def _json(text: str, name: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise InvalidData(error.msg, where=f"{name}:{error.lineno}:{error.colno}") from error


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key[:40]!r} stands twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    """NaN and Infinity are said by name; a number that only became infinite is an error."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number {text[:40]} is out of range")
    return value


def _toml(text: str, name: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidData(str(error), where=name) from error


def _yaml(text: str, name: str) -> object:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        _check_events(YAML(typ="safe", pure=True).parse(io.StringIO(text)), name)
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        _explain(error, name)


def _check_events(events: Any, name: str) -> None:
    """Aliases, tags and depth are refused before anything is built: a few lines of aliases make millions of values."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        where = f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
        if kind == "AliasEvent":
            raise InvalidData("YAML aliases are not allowed", where=where, remedy="Write the value out.")
        if getattr(event, "ctag", None) and str(event.ctag):
            raise InvalidData("YAML tags are not allowed", where=where, got=str(event.ctag)[:60])
        if depth > _MAX_DEPTH + 2:
            raise InvalidData("parameters are nested too deeply", where=where, expected=f"up to {_MAX_DEPTH}")


def _explain(error: Exception, name: str) -> NoReturn:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    what = str(getattr(error, "problem", None) or error).splitlines()[0]
    raise InvalidData(f"parameter file is not well-formed: {what[:120]}", where=where) from error

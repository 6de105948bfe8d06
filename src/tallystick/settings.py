"""Where the ledger is, where the keys are, who acts, how to print, who gives the time: settled once, at a front door.

Each value comes from the first of these that has it:

1. a flag of the command line;
2. the environment: ``TALLYSTICK_LEDGER``, ``TALLYSTICK_KEYS``, ``TALLYSTICK_AS``, ``TALLYSTICK_FORMAT`` and so on
   (empty means not set);
3. the nearest ``tallystick.toml``, from the working folder upward;
4. the default: the nearest ``.tallystick/ledger.db`` upward, ``keys`` beside it, nobody, a table, our templates, no
   authority for the time, a report seal in the folder of keys.

What names a program to start or to load (``tsa_command``, ``seal``) is not taken from a file: whoever can put a
``tallystick.toml`` above a working folder shall not run programs there. A path in the file is relative to it, any
other to the working folder. An unknown key is refused, because a misspelt one would quietly send records to another
ledger. Nothing here opens a ledger or a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from tallystick.errors import InvalidInput, Unavailable, UsageError

__all__ = ["FILE", "FOLDER", "Format", "Origin", "Settings", "is_url", "load"]

FILE: Final = "tallystick.toml"
FOLDER: Final = ".tallystick"

Format = Literal["table", "json"]
Source = Literal["flag", "environment", "file", "default"]

_NAMES: Final = ("ledger", "keys", "as", "format", "templates", "tsa", "tsa_command", "seal")
_PROGRAMS: Final = frozenset({"tsa_command", "seal"})
"""Settings that start or load a program."""
_FORMATS: Final[tuple[Format, ...]] = ("table", "json")
_TOML_PLACE: Final = re.compile(r" \(at line (\d+), column (\d+)\)$")
_MISSPELT: Final = re.compile(r"(?i)\s*postgres(?:ql)?(?:\+\w+)?:|.*\bpassword\s*=", re.DOTALL)
_PASSWORD: Final = re.compile(r"(?i)(://[^:@/]*:).*(?=@)|([?&][^=&]*password=)[^&]*")


@dataclass(frozen=True)
class Origin:
    """Where a value came from."""

    source: Source
    where: str
    """The flag, the variable, the file, or the rule of the default."""

    def __str__(self) -> str:
        return f"{self.source} ({self.where})"


@dataclass(frozen=True)
class Settings:
    """What a front door needs to know before it opens anything."""

    ledger: Path | str = field(repr=False)
    """An absolute path, or a database URL as it was given (it may hold a password: print :meth:`shown`)."""
    keys: Path
    actor: str | None
    """Label of the key of whoever acts; the setting is called ``as``."""
    format: Format
    templates: Path | None
    """A folder of the organisation's own templates for documents; None for ours alone."""
    tsa: str | None
    """The address of a time-stamping authority; nobody is asked unless a command is told to."""
    tsa_command: str | None = field(repr=False)
    """A program to ask instead."""
    seal: str | None = field(repr=False)
    """The report seal in a token, as a ``pkcs11:`` URI (RFC 7512)."""
    origins: Mapping[str, Origin]
    """By the name of the setting: ledger, keys, as, format, templates, tsa, tsa_command, seal."""
    file: Path | None
    """The ``tallystick.toml`` that was read."""

    def shown(self) -> list[tuple[str, str, str]]:
        """Name, value and origin of each setting, without passwords: what ``tallystick doctor`` prints."""
        values = {"ledger": self.ledger, "keys": self.keys, "as": self.actor or "nobody", "format": self.format}
        values |= {"templates": self.templates or "ours", "tsa": self.tsa or "nobody"}
        values |= {"tsa_command": self.tsa_command or "none", "seal": self.seal or "in the folder of keys"}
        return [(name, _without_password(str(values[name])), str(self.origins[name])) for name in _NAMES]


@dataclass(frozen=True)
class _Given:
    """A text somebody gave, and the folder its relative paths are meant from."""

    text: str
    base: Path
    origin: Origin


def load(*, environ: Mapping[str, str], start: Path, flags: Mapping[str, str | None]) -> Settings:
    """The settings for a command started in the folder `start`.

    Args:
        environ: the process's environment.
        start: the working folder, absolute.
        flags: what the command line gave, by the names of the settings; None where a flag was not given.

    Raises:
        InvalidInput: a value that cannot be used, or a key in the file that does not exist.
        Unavailable: the file exists and cannot be read.
    """
    file = _nearest(start, FILE)
    given = _gather(file, environ=environ, start=start, flags=flags)
    ledger, ledger_origin = _ledger(given.get("ledger"), start=start, environ=environ)
    keys, keys_origin = _keys(given.get("keys"), ledger=ledger, start=start, environ=environ)
    form, form_origin = _format(given.get("format"))
    origins = {"ledger": ledger_origin, "keys": keys_origin, "format": form_origin}
    for name, nothing in _DEFAULTS.items():
        origins[name] = given[name].origin if name in given else Origin("default", nothing)
    texts = {name: one.text for name, one in given.items()}
    own = given.get("templates")
    return Settings(
        ledger=ledger,
        keys=keys,
        actor=texts.get("as"),
        format=form,
        templates=_path(own, environ) if own else None,
        tsa=texts.get("tsa"),
        tsa_command=texts.get("tsa_command"),
        seal=texts.get("seal"),
        origins=MappingProxyType(origins),
        file=file,
    )


_DEFAULTS: Final = {
    "as": "nobody",
    "templates": "those that travel with tallystick",
    "tsa": "nobody",
    "tsa_command": "none",
    "seal": "in the folder of keys",
}
"""What holds for a setting where nobody gave any."""


def _gather(
    file: Path | None, *, environ: Mapping[str, str], start: Path, flags: Mapping[str, str | None]
) -> dict[str, _Given]:
    """The strongest text for each name; a later source overwrites an earlier one."""
    given: dict[str, _Given] = {}
    for name, text in (_read(file) if file else {}).items():
        given[name] = _Given(text, file.parent if file else start, Origin("file", str(file)))
    for name in _NAMES:
        variable = f"TALLYSTICK_{name.upper()}"
        if environ.get(variable):
            given[name] = _Given(environ[variable], start, Origin("environment", variable))
        if (flag := flags.get(name)) is not None:
            given[name] = _Given(flag, start, Origin("flag", f"--{name.replace('_', '-')}"))
    return given


def _ledger(given: _Given | None, *, start: Path, environ: Mapping[str, str]) -> tuple[Path | str, Origin]:
    if given is None:
        found = _nearest(start, f"{FOLDER}/ledger.db")
        if found:
            return found, Origin("default", "nearest upward")
        return start / FOLDER / "ledger.db", Origin("default", "none found upward")
    if is_url(given.text):
        return given.text, given.origin
    return _path(given, environ), given.origin


def _keys(given: _Given | None, *, ledger: Path | str, start: Path, environ: Mapping[str, str]) -> tuple[Path, Origin]:
    if given is not None:
        return _path(given, environ), given.origin
    if isinstance(ledger, Path):
        return ledger.parent / "keys", Origin("default", "beside the ledger")
    found = _nearest(start, FOLDER)
    return (found or start / FOLDER) / "keys", Origin("default", f"in {FOLDER}, the ledger being a database")


def _format(given: _Given | None) -> tuple[Format, Origin]:
    if given is None:
        return "table", Origin("default", "for people")
    for known in _FORMATS:
        if given.text == known:
            return known, given.origin
    raise InvalidInput(
        "unknown output format", where=str(given.origin), expected=" or ".join(_FORMATS), got=repr(given.text)
    )


def _path(given: _Given, environ: Mapping[str, str]) -> Path:
    if not given.text.strip() or "\0" in given.text:
        raise InvalidInput("a path cannot be empty or hold NUL", where=str(given.origin), got=repr(given.text))
    home = environ.get("HOME")
    if home and given.text.startswith("~/"):
        return Path(home) / given.text[2:]
    return given.base / given.text


def _read(file: Path) -> dict[str, str]:
    """The keys of a tallystick.toml, each known and each a text."""
    import tomllib  # ten milliseconds that only those with such a file pay

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(file, str(error)) from error
    except UnicodeDecodeError as error:
        raise InvalidInput("not UTF-8", where=str(file), got=f"byte {error.start} is not") from error
    except OSError as error:
        raise Unavailable("cannot be read", where=str(file), got=error.strerror) from error
    for key, value in table.items():
        _check(file, key, value)
    return table


def _not_toml(file: Path, message: str) -> InvalidInput:
    place = _TOML_PLACE.search(message)
    where = f"{file}:{place[1]}:{place[2]}" if place else str(file)
    return InvalidInput("not valid TOML", where=where, got=_TOML_PLACE.sub("", message))


def _check(file: Path, key: str, value: object) -> None:
    if key not in _NAMES:
        from difflib import get_close_matches

        near = get_close_matches(key.lower(), _NAMES, n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else None
        raise InvalidInput(
            "unknown setting", where=str(file), expected=" or ".join(_NAMES), got=repr(key), remedy=remedy
        )
    if key in _PROGRAMS:
        raise InvalidInput(
            f"{key} is not taken from a file, since it names a program",
            where=str(file),
            remedy=f"Set TALLYSTICK_{key.upper()} in the environment.",
        )
    if not isinstance(value, str):
        raise InvalidInput(f"{key} must be a text", where=str(file), got=repr(value))


def _nearest(start: Path, name: str) -> Path | None:
    """The first existing `name` in `start` or a folder above it."""
    for folder in (start, *start.parents):
        try:
            if (folder / name).exists():
                return folder / name
        except OSError as error:
            raise Unavailable(f"cannot look for {name}", where=str(folder), got=error.strerror) from error
    return None


def is_url(text: str) -> bool:
    """Whether a place is meant as a URL, not as a path.

    Raises:
        UsageError: one that is misspelt. It is not shown, as a path would be: it may hold a password.
    """
    if "://" not in text and _MISSPELT.match(text):
        raise UsageError("not the URL of a PostgreSQL database", expected="postgresql://[ROLE@]HOST[:PORT]/DATABASE")
    return "://" in text


def _without_password(text: str) -> str:
    return _PASSWORD.sub(lambda match: f"{match[1] or match[2]}***", text) if "://" in text else text

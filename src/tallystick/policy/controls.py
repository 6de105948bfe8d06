"""The control catalogue: clauses of laws and standards that a policy says it is evidence for.

The catalogue is a draft mapping in our own words, mostly from secondary sources, and no legal advice. ``auto`` says
what software may claim: A (evidence from records alone), P (partly), H (only a person can attest). An H control is
never shown as passed by software.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tallystick.canonical import Value
from tallystick.errors import InvalidPolicy, NotFound
from tallystick.policy import strict_yaml

__all__ = ["Control", "Framework", "framework", "load"]


@dataclass(frozen=True)
class Control:
    """One clause."""

    id: str
    framework: str
    """Key of the framework, for example ``euaia``."""
    ref: str
    """Where it stands, for example ``Art 10(2)``."""
    title: str
    demands: str
    """What the clause asks for, in our own words."""
    auto: str
    """A, P or H."""


@dataclass(frozen=True)
class Framework:
    """A law or a standard, as the catalogue describes it."""

    name: str
    status: str
    applies_from: str
    reviewed: str
    """The day on which the catalogue was last looked at."""


def load(path: Path) -> Mapping[str, Control]:
    """The catalogue by id.

    Raises:
        NotFound: no such file.
        InvalidPolicy: it is not a catalogue, or an id stands twice.
    """
    found: dict[str, Control] = {}
    try:
        for key, part in _read(path)["frameworks"].items():
            for value in part["controls"]:
                control = _control(key, value)
                if control.id in found:
                    raise InvalidPolicy(f"control {control.id!r} stands twice", where=path.name)
                found[control.id] = control
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidPolicy("this is not a control catalogue", where=path.name, got=str(error)[:80]) from error
    return found


def framework(path: Path, key: str) -> Framework:
    """What the catalogue says of a framework.

    Raises:
        NotFound: no such file.
        InvalidPolicy: it is not a catalogue, or has no such framework.
    """
    catalogue = _read(path)
    try:
        part = catalogue["frameworks"][key]
        return Framework(part["name"], part["status"], str(part["applies_from"]), str(catalogue["version"])[:10])
    except (KeyError, TypeError) as error:
        raise InvalidPolicy("this is not a control catalogue", where=path.name, got=str(error)[:80]) from error


def _read(path: Path) -> Mapping[str, Value]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFound("there is no control catalogue", where=str(path)) from error
    found: Mapping[str, Value] = strict_yaml.parse(data, name=path.name).value
    return found


def _control(framework: str, value: Mapping[str, Value]) -> Control:
    return Control(value["id"], framework, value["ref"], value["title"], value["demands"], value["auto"])

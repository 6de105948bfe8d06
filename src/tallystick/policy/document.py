"""A policy file, read and checked: what will be judged, fixed before any data are seen.

A policy is YAML in the language of :mod:`tallystick.policy.language`. Reading gathers every problem with its line and
column and raises once. A policy that checks nothing, or that could never refuse anything, is refused.

The digest covers the document *as written*, in canonical form: layout and comments do not change it, any change of a
key or value does. Defaults are part of the version of the language and so do not enter.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
import typing
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from tallystick import canonical
from tallystick.errors import InvalidPolicy, NotFound, TallystickError
from tallystick.policy import references, strict_yaml
from tallystick.policy.counts import label
from tallystick.policy.language import Document, Gate, Planned
from tallystick.policy.registry import SHIPPED, document_model, installed

__all__ = ["Policy", "json_schema", "load", "parse"]

_SHOWN = 5


@dataclass(frozen=True)
class Policy:
    """A policy that has been read. Its digest says which."""

    id: str
    version: str
    owner: str
    stage: str
    controls: tuple[str, ...]
    effective_from: str | None
    """A date, YYYY-MM-DD, or None for at once."""
    because: str
    confidence: float
    gates: tuple[Gate, ...]
    document: Document = field(repr=False)
    source: bytes = field(repr=False)
    """The YAML, byte for byte."""
    canonical: bytes = field(repr=False)
    """RFC 8785 bytes of the document as written."""
    planned: tuple[Planned, ...]
    """All checks in plain words, in order. Data can neither add one nor take one away."""

    @property
    def plan(self) -> tuple[str, ...]:
        """The ids of all checks, in order."""
        return tuple(check.id for check in self.planned)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes."""
        return canonical.digest(self.canonical)

    @property
    def favourable(self) -> str:
        """The label of the favourable outcome; empty where no gate needs one."""
        return "" if self.document.inputs is None else label(self.document.inputs.columns.favourable) or ""

    @property
    def gate_of(self) -> dict[str, tuple[str, str]]:
        """Gate id and type of each planned check."""
        kinds = {gate.id: gate.type for gate in self.gates}
        return {check: (name, kinds[name]) for check in self.plan for name in (check.partition("/")[0],)}

    def checks_of(self, gate: Gate) -> tuple[str, ...]:
        """The ids of the checks that the gate planned when the policy was read, whatever it would say now."""
        return self._by_gate[gate.id]

    @cached_property
    def _by_gate(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {gate.id: [] for gate in self.gates}
        for check in self.plan:
            found[check.partition("/")[0]].append(check)
        return {name: tuple(checks) for name, checks in found.items()}

    def conditions(self, gate: Gate) -> tuple[str, ...]:
        """The rules over recorded facts that say whether a gate applies."""
        return tuple(rule for rule in (self.document.applies_to.when, gate.when) if rule is not None)


def load(path: Path, *, controls: Collection[str] | None = None) -> Policy:
    """Read a policy file.

    A schema gate may take its columns ``from`` a file beside the policy; the policy that is returned holds them itself.

    Args:
        path: of the YAML file.
        controls: the ids of the control catalogue; given, every control of the policy must be among them.

    Raises:
        NotFound: no such file.
        InvalidPolicy: anything is wrong with it; see :func:`parse`.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidPolicy("the policy file cannot be read", where=str(path), expected="a regular file")
            data = file.read(strict_yaml.MAX_SIZE + 1)
    except FileNotFoundError as error:
        raise NotFound("there is no such policy file", where=str(path)) from error
    except OSError as error:
        raise InvalidPolicy("the policy file cannot be read", where=str(path), got=error.strerror) from error
    filled, places = references.inlined(data, name=str(path), folder=path.parent)
    return _parse(filled, name=str(path), controls=controls, places=places)


def _without_waiting(path: str, flags: int) -> int:
    """A pipe would keep whoever opens it waiting for its other end."""
    return os.open(path, flags | os.O_NONBLOCK)


def parse(data: bytes, *, name: str, controls: Collection[str] | None = None) -> Policy:
    """Read a policy from its bytes.

    Args:
        data: YAML.
        name: of the file, for messages.
        controls: as for :func:`load`.

    Raises:
        InvalidPolicy: ``where`` is file:line:column of the first problem; the message lists up to five.
    """
    return _parse(data, name=name, controls=controls, places={})


def _parse(
    data: bytes,
    *,
    name: str,
    controls: Collection[str] | None,
    places: Mapping[strict_yaml.Path, strict_yaml.Place],
) -> Policy:
    """``places`` are those of the text as somebody wrote it, if that is not what is read."""
    parsed = strict_yaml.parse(data, name=name)
    parsed = replace(parsed, places=dict(places)) if places else parsed
    if not isinstance(parsed.value, dict):
        raise InvalidPolicy("a policy is a mapping of keys to values", where=f"{name}:1:1")
    document, problems = _validated(parsed, name)
    problems += _across(parsed.value, controls)
    if problems or document is None:
        raise _gathered(parsed, problems, name)
    with _of_others(parsed.value, name):
        return _policy(document, parsed.value, data)


@contextmanager
def _of_others(value: canonical.Value, name: str) -> Iterator[None]:
    """Whatever a gate of another distribution raises while it is read or plans is a policy that cannot be used."""
    kinds = _kinds(value)
    try:
        yield
    except (ValidationError, TallystickError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if not kinds:
            raise
        what = f"a gate of type {' or '.join(sorted(kinds))} raised {type(error).__name__} while the policy was read"
        raise InvalidPolicy(what, where=name, remedy="Ask whoever made that gate.") from error


def _policy(document: Document, value: canonical.Value, source: bytes) -> Policy:
    return Policy(
        id=document.metadata.id,
        version=document.metadata.version,
        owner=document.metadata.owner,
        stage=document.applies_to.stage,
        controls=tuple(document.metadata.controls),
        effective_from=document.metadata.effective_from,
        because=document.metadata.because or "",
        confidence=document.defaults.confidence,
        gates=tuple(document.gates),
        document=document,
        source=source,
        canonical=canonical.encode(value),
        planned=tuple(_in_words(check, gate) for gate in document.gates for check in gate.plan()),
    )


def _in_words(check: Planned, gate: Gate) -> Planned:
    """A planned check that says, too, on what it depends."""
    if gate.when is None:
        return check
    return replace(check, demand=f"{check.demand} Only where {gate.when}; elsewhere it does not apply.")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of policy files, for editors."""
    schema = document_model().model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "tallystick policy", **schema}


# --------------------------------------------------------------------------- problems, with their places


@dataclass(frozen=True)
class _Problem:
    path: strict_yaml.Path
    what: str
    remedy: str = ""
    meant: strict_yaml.Path = ()
    """The way to a key that is missing, or that an unknown key probably means."""
    unknown: bool = False

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})" if self.remedy else self.what


def _gathered(parsed: strict_yaml.Parsed, problems: list[_Problem], name: str) -> InvalidPolicy:
    ordered = sorted(problems, key=lambda problem: parsed.place(problem.path))
    line, column = parsed.place(ordered[0].path)
    if len(ordered) > 1:  # each with its own remedy, or that of the first would seem to be that of the last
        others = [f"line {parsed.place(p.path)[0]}: {p}" for p in ordered[1:_SHOWN]]
        more = [f"and {len(ordered) - _SHOWN} more"] if len(ordered) > _SHOWN else []
        return InvalidPolicy("; ".join([str(ordered[0]), *others, *more]), where=f"{name}:{line}:{column}")
    remedy = f"{ordered[0].remedy[0].upper()}{ordered[0].remedy[1:]}" if ordered[0].remedy else None
    return InvalidPolicy(ordered[0].what, where=f"{name}:{line}:{column}", remedy=remedy)


def _validated(parsed: strict_yaml.Parsed, name: str) -> tuple[Document | None, list[_Problem]]:
    try:
        with _of_others(parsed.value, name):
            return document_model(_kinds(parsed.value)).model_validate_json(json.dumps(parsed.value)), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        problems = [_problem(dict(detail), parsed.value) for detail in details]
        misspelt = {problem.meant for problem in problems if problem.meant and problem.unknown}
        return None, [problem for problem in problems if problem.unknown or problem.meant not in misspelt]


def _kinds(value: canonical.Value) -> frozenset[str]:
    """The types of gate that a document names, of those that there are."""
    gates = value.get("gates")
    named = {gate.get("type") for gate in gates if isinstance(gate, dict)} if isinstance(gates, list) else set()
    known = {name for name in named if isinstance(name, str)} - set(SHIPPED)
    return frozenset(known & set(installed())) if known else frozenset()


def _problem(detail: dict[str, Any], value: canonical.Value) -> _Problem:
    path = _path(detail["loc"], value)
    kind = detail["type"]
    if kind == "policy":
        return _Problem((*path, *_keys(detail["ctx"]["keys"])), detail["ctx"]["message"])
    if kind == "extra_forbidden":
        return _unknown_key(path, value)
    if kind == "missing":
        meant = (*path, detail["loc"][-1])
        return _Problem(path, f"{_dotted(meant)} is missing", meant=meant)
    if kind.startswith("union_tag"):
        return _unknown_type(path, value)
    if kind == "literal_error":
        return _unknown_word(path, value, detail["ctx"]["expected"])
    hint = _SPELLED.get(str(path[-1])) if kind == "string_type" and path else None
    return _Problem(path, f"{_dotted(path)}: {hint or _plain(detail)}")


_SPELLED: Final = {
    "version": "write it as three numbers, such as 1.0.0",
    "fail_if": 'write a comparison in quotes, such as "< 0.65"',
    "warn_if": 'write a comparison in quotes, such as "< 0.65"',
}
"""What to write where YAML made a number of something else."""


def _keys(keys: tuple[str, ...]) -> Iterator[str | int]:
    for key in keys:
        yield int(key) if key.isdigit() else key


def _path(loc: tuple[str | int, ...], value: canonical.Value) -> strict_yaml.Path:
    """The way through the document: pydantic's location without the names of types that it puts in between."""
    path: list[str | int] = []
    for place, step in enumerate(loc):
        if place == 2 and path[:1] == ["gates"]:
            continue  # the type of the gate, which may be spelt like one of its keys
        in_mapping = isinstance(value, dict) and step in value
        in_sequence = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if in_mapping or in_sequence:
            value = value[step]
            path.append(step)
    return tuple(path)


def _dotted(path: strict_yaml.Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "the policy"


_OWN: Final = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "string_pattern_mismatch": "is not of the form {pattern}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length}, and has {actual_length}",
    "too_long": "must have at most {max_length}, and has more",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "finite_number": "must be a finite number",
    "value_error": "{error}",
}
"""What is wrong, by pydantic's name for it."""


def _plain(detail: Mapping[str, Any]) -> str:
    message = str(detail["msg"])
    if detail["type"] in _OWN:
        return _OWN[detail["type"]].format_map(detail.get("ctx", {}))
    return message[:1].lower() + message[1:]


def _close(word: object, known: Collection[str]) -> list[str]:
    return difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.5)


def _near(word: object, known: Collection[str]) -> str:
    close = _close(word, known)
    return f"did you mean {close[0]!r}?" if close else "known are " + ", ".join(known)


def _unknown_key(path: strict_yaml.Path, value: canonical.Value) -> _Problem:
    if path[-1] == "pass_if":
        return _Problem(path, "unknown key 'pass_if'", "there is no pass_if: use fail_if the other way", unknown=True)
    model = _model_at(path[:-1], value)
    known = () if model is None else tuple(part.alias or name for name, part in model.model_fields.items())
    near = _close(path[-1], known)
    meant = (*path[:-1], *near)
    return _Problem(path, f"unknown key {str(path[-1])[:60]!r}", _near(path[-1], known), meant=meant, unknown=True)


def _unknown_type(path: strict_yaml.Path, value: canonical.Value) -> _Problem:
    gate = _at(path, value)
    known = (*SHIPPED, *installed())
    if not isinstance(gate, dict) or "type" not in gate:
        return _Problem(path, f"{_dotted(path)} has no type", "known are " + ", ".join(known))
    remedy = f"{_near(gate['type'], known)}; or the distribution that brings this gate is not installed here"
    return _Problem((*path, "type"), f"unknown gate type {str(gate['type'])[:40]!r}", remedy)


def _unknown_word(path: strict_yaml.Path, value: canonical.Value, expected: str) -> _Problem:
    known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    return _Problem(
        path, f"{_dotted(path)}: unknown word {str(_at(path, value))[:40]!r}", _near(_at(path, value), known)
    )


def _at(path: strict_yaml.Path, value: canonical.Value) -> canonical.Value:
    for step in path:
        value = value[step]
    return value


def _model_at(path: strict_yaml.Path, value: canonical.Value) -> type[BaseModel] | None:
    """The model that describes a part of the document: the keys that may stand there."""
    models: list[type[BaseModel]] = [document_model(_kinds(value))]
    for step in path:
        value = value[step]
        fields = [m.model_fields[step] for m in models if isinstance(step, str) and step in m.model_fields]
        if fields:
            models = [model for found in fields for model in _models_in(found.annotation)]
        if isinstance(value, dict) and len(models) > 1:
            models = [_likest(models, value)]
    return models[0] if models else None


def _likest(models: list[type[BaseModel]], value: Mapping[str, canonical.Value]) -> type[BaseModel]:
    """Of several models for one place the one that a mapping was written for: by its type, else by its keys."""
    typed = [m for m in models if "type" in m.model_fields]
    of_type = [m for m in typed if value.get("type") in typing.get_args(m.model_fields["type"].annotation)]
    return max(of_type or models, key=lambda model: len(model.model_fields.keys() & value.keys()))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models_in(part)


def _across(value: Mapping[str, canonical.Value], controls: Collection[str] | None) -> list[_Problem]:
    """Problems between parts, looked for in the document as written, so that they are found beside any other."""
    problems = []
    seen: set[str] = set()
    gates = value.get("gates")
    for position, gate in enumerate(gates if isinstance(gates, list) else []):
        name = gate.get("id") if isinstance(gate, dict) else None
        if isinstance(name, str) and name in seen:
            problems.append(_Problem(("gates", position, "id"), f"gate id {name[:60]!r} stands twice"))
        seen |= {name} if isinstance(name, str) else set()
    metadata = value.get("metadata")
    named = metadata.get("controls") if isinstance(metadata, dict) else None
    for position, control in enumerate(named if isinstance(named, list) else []):
        if controls is not None and control not in controls:
            path = ("metadata", "controls", position)
            problems.append(
                _Problem(path, f"no control {str(control)[:40]!r} in the catalogue", _near(control, controls))
            )
    return problems

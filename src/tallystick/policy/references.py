"""What a policy takes from files beside it, written into the policy, so that its bytes stand for themselves.

A policy is judged as it stands in the ledger, with no files beside it. So a gate that says ``from: FILE`` is filled
when the policy is read from its folder: the columns and rules of the file stand in the gate, and ``from`` becomes the
path and the SHA-256 of what was read. The digest of the policy covers all of it. A policy that refers to nothing is
returned byte for byte.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tallystick.canonical import Value
from tallystick.errors import InvalidPolicy
from tallystick.policy import pandera_yaml, strict_yaml

__all__ = ["inlined"]


def inlined(data: bytes, *, name: str, folder: Path) -> tuple[bytes, Mapping[strict_yaml.Path, strict_yaml.Place]]:
    """The bytes of a policy with what it refers to, and where its parts stood before, for messages.

    Args:
        data: YAML.
        name: of the policy's file, for messages.
        folder: that its references are relative to; they stay below it.

    Raises:
        InvalidPolicy: the policy or a file that it refers to cannot be read, or a column stands in both.
    """
    if b"from" not in data:
        return data, {}
    parsed = strict_yaml.parse(data, name=name)
    found = parsed.value.get("gates") if isinstance(parsed.value, dict) else None
    gates: list[Value] = found if isinstance(found, list) else []
    referring = [
        (place, gate)
        for place, gate in enumerate(gates)
        if isinstance(gate, dict) and gate.get("type") == "schema" and isinstance(gate.get("from"), str)
    ]
    for place, gate in referring:
        line, column = parsed.place(("gates", place, "from"))
        gates[place] = _filled(gate, folder, where=f"{name}:{line}:{column}")
    if not referring:
        return data, {}
    files = ", ".join(gate["from"] for _, gate in referring)
    text = json.dumps(parsed.value, indent=2, ensure_ascii=False)
    filled = f"# Read from {PurePosixPath(name).name}, with what it takes from {_plain(files)}.\n{text}\n"
    return filled.encode(), parsed.places


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _filled(gate: dict[str, Value], folder: Path, *, where: str) -> dict[str, Value]:
    file = str(gate["from"])
    data = _read(file, folder, where)
    taken = pandera_yaml.translated(data, name=file)
    both = sorted(set(taken["columns"]) & set(gate.get("columns") or {}))
    if both:
        raise InvalidPolicy(f"column {both[0]!r} stands in the gate and in {file}", where=where)
    columns = {**taken["columns"], **(gate.get("columns") or {})}
    rules = [*taken.get("rules", []), *(gate.get("rules") or [])]
    origin = {"file": file, "sha256": hashlib.sha256(data).hexdigest()}
    return {**gate, "from": origin, "columns": columns, **({"rules": rules} if rules else {})}


def _read(file: str, folder: Path, where: str) -> bytes:
    path = PurePosixPath(file)
    below = folder / path
    outside = path.is_absolute() or ".." in path.parts or not below.resolve().is_relative_to(folder.resolve())
    if outside or path.suffix not in (".yaml", ".yml"):
        raise InvalidPolicy(
            "a gate cannot take its columns from there",
            where=where,
            expected="a .yaml file in the folder of the policy or below it",
            got=file[:80],
        )
    try:
        with below.open("rb") as opened:
            return opened.read(strict_yaml.MAX_SIZE + 1)
    except OSError as error:
        raise InvalidPolicy("the schema cannot be read", where=where, got=f"{file}: {error.strerror}") from error

"""YAML that a Markdown file begins with: every text stands in double quotes, so no name can end it or add a key."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from tallystick.canonical import Value

__all__ = ["written"]


def written(values: Mapping[str, Value]) -> str:
    """The front matter between its fences; nothing for no values.

    Texts must be visible (see :mod:`tallystick.report.words`): then the escapes of JSON are those of YAML. Keys are
    ours and need no quotes.
    """
    return "".join(f"{line}\n" for line in ("---", *_mapping(values, ""), "---", "")) if values else ""


def _mapping(values: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping | list) and value:
            yield f"{indent}{key}:"
            yield from _nested(value, indent)
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _nested(value: Value, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _mapping(value, f"{indent}  ")
        return
    for item in value:
        if isinstance(item, Mapping):
            first, *rest = _mapping(item, f"{indent}  ")
            yield f"{indent}- {first.removeprefix(f'{indent}  ')}"
            yield from rest
        else:
            yield f"{indent}- {_scalar(item)}"


def _scalar(value: Value) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value, ensure_ascii=False)

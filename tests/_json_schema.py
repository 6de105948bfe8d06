"""A small validator of JSON Schema: the keywords that the schema of policies and that of SARIF use, and no others.

A keyword that it does not know is an error, so that nothing passes by not being looked at.
"""

import re

_SILENT = {"$schema", "id", "title", "description", "default", "format", "definitions", "$defs", "discriminator"}
_OF_OBJECTS = {"properties", "additionalProperties", "propertyNames"}
_TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "null": lambda v: v is None,
}


def problems(value, schema, *, root=None, where="$"):
    """What is wrong with a value, each with its place; empty if nothing is."""
    root = schema if root is None else root
    if "$ref" in schema:
        part = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            part = part[step]
        found = problems(value, part, root=root, where=where)
        others = {k: v for k, v in schema.items() if k != "$ref" and k not in _SILENT}
        return found + (problems(value, others, root=root, where=where) if others else [])
    found = []
    for keyword, wanted in schema.items():
        if keyword in _SILENT or (keyword in _OF_OBJECTS and not isinstance(value, dict)):
            continue
        found += [f"{where}: {text}" if not text.startswith("$") else text for text in
                  _KEYWORDS[keyword](value, wanted, schema, root, where)]  # fmt: skip
    return found


def _type(value, wanted, *_):
    names = [wanted] if isinstance(wanted, str) else wanted
    return [] if any(_TYPES[name](value) for name in names) else [f"is no {wanted}"]


def _properties(value, wanted, _, root, where):
    return [p for k, v in value.items() if k in wanted for p in problems(v, wanted[k], root=root, where=f"{where}.{k}")]


def _additional(value, wanted, schema, root, where):
    rest = {k: v for k, v in value.items() if k not in schema.get("properties", {})}
    if wanted is True:
        return []
    if wanted is False:
        return [f"unknown key {key!r}" for key in rest]
    return [p for k, v in rest.items() for p in problems(v, wanted, root=root, where=f"{where}.{k}")]


def _names(value, wanted, _, root, where):
    return [p for key in value for p in problems(key, wanted, root=root, where=f"{where}.{key}")]


def _items(value, wanted, _, root, where):
    if not isinstance(value, list):
        return []
    return [p for i, item in enumerate(value) for p in problems(item, wanted, root=root, where=f"{where}[{i}]")]


def _some(value, wanted, root, where):
    return sum(not problems(value, one, root=root, where=where) for one in wanted)


def _is_text(value):
    return isinstance(value, str)


def _is_number(value):
    return _TYPES["number"](value)


_KEYWORDS = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "items": _items,
    "required": lambda v, w, *_: [f"lacks {k!r}" for k in w if isinstance(v, dict) and k not in v],
    "enum": lambda v, w, *_: [] if v in w else [f"{v!r} is none of {w}"],
    "const": lambda v, w, *_: [] if v == w else [f"{v!r} is not {w!r}"],
    "anyOf": lambda v, w, _, root, where: [] if _some(v, w, root, where) else ["fits none of the alternatives"],
    "oneOf": lambda v, w, _, root, where: [] if _some(v, w, root, where) == 1 else ["fits none or several"],
    "pattern": lambda v, w, *_: [] if not _is_text(v) or re.search(w, v) else [f"{v!r} does not match {w}"],
    "minLength": lambda v, w, *_: [] if not _is_text(v) or len(v) >= w else ["is too short"],
    "maxLength": lambda v, w, *_: [] if not _is_text(v) or len(v) <= w else ["is too long"],
    "minimum": lambda v, w, *_: [] if not _is_number(v) or v >= w else [f"{v} is below {w}"],
    "maximum": lambda v, w, *_: [] if not _is_number(v) or v <= w else [f"{v} is above {w}"],
    "exclusiveMaximum": lambda v, w, *_: [] if not _is_number(v) or v < w else [f"{v} is not below {w}"],
    "minItems": lambda v, w, *_: [] if not isinstance(v, list) or len(v) >= w else ["has too few items"],
    "maxItems": lambda v, w, *_: [] if not isinstance(v, list) or len(v) <= w else ["has too many items"],
    "uniqueItems": lambda v, w, *_: (
        [] if not w or not isinstance(v, list) or len({repr(i) for i in v}) == len(v) else ["has an item twice"]
    ),
}

r"""Schemas of pandera, as ``DataFrameSchema.to_yaml`` writes them, in the words of a schema gate.

pandera itself is not asked: the file is read by the strict reader of policies, and each of its keys is translated. What
has no translation that says the same is an error, never passed over. Both of pandera's spellings of checks are read,
the list under ``checks`` and the flat one.

Where the two differ in words: pandera takes NaN for a missing value, so a column that may be missing may be NaN; a
check of pandera looks past missing values, so a rule made from it passes them; expressions are matched by RE2, where
``\d`` and ``\w`` stand for ASCII only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tallystick.canonical import Value
from tallystick.errors import InvalidPolicy
from tallystick.policy import strict_yaml

__all__ = ["translated"]

_DTYPES: Final = {
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    **{name: name.lower() for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")},
    **{f"{name}[pyarrow]": name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    "float32": "float32", "float64": "float64", "Float32": "float32", "Float64": "float64",
    "float[pyarrow]": "float32", "double[pyarrow]": "float64",
    "bool": "bool", "boolean": "bool", "bool[pyarrow]": "bool",
    "str": "string", "string": "string", "string[pyarrow]": "string", "string[python]": "string",
    "date": "date", "date32[day][pyarrow]": "date", "datetime64[ns]": "timestamp", "datetime64[us]": "timestamp",
}  # fmt: skip
_WORDS: Final = ("title", "description", "name", "version", "api", "schema_type", "report_duplicates")
"""Keys that name or print things and decide nothing."""
_UNSAID: Final[dict[str, tuple[Value, ...]]] = {
    "coerce": (False, None), "required": (True, None), "regex": (False, None), "default": (None,),
    "drop_invalid_rows": (False, None), "metadata": (None,),
}  # fmt: skip
"""Keys of a column, with the values that ask for nothing; any other value has no translation."""
_UNSAID_OF_ALL: Final[dict[str, tuple[Value, ...]]] = {
    "index": (None, []), "multiindex": (None,), "checks": (None, []), "dtype": (None,), "coerce": (False, None),
    "strict": (False, None), "ordered": (False, None), "add_missing_columns": (False, None),
    "unique_column_names": (False, True, None), "drop_invalid_rows": (False, None), "metadata": (None,),
    "dataframe_library": ("pandas", None),
}  # fmt: skip
_ASKED: Final = ("dtype", "nullable", "unique", "checks")
_COMPARISONS: Final = {
    "greater_than": (">", "min_value"),
    "greater_than_or_equal_to": (">=", "min_value"),
    "less_than": ("<", "max_value"),
    "less_than_or_equal_to": ("<=", "max_value"),
    "equal_to": ("=", "value"),
    "not_equal_to": ("!=", "value"),
}
_NUMBER: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def translated(data: bytes, *, name: str) -> dict[str, Value]:
    """The ``columns`` and ``rules`` of a schema gate that ask for what a schema of pandera asks for.

    Args:
        data: YAML of pandera.
        name: of the file, for messages.

    Raises:
        InvalidPolicy: not of this form, or something in it has no translation; ``where`` is file:line:column.
    """
    parsed = strict_yaml.parse(data, name=name)
    return _Translation(parsed, name).gate()


@dataclass
class _Translation:
    parsed: strict_yaml.Parsed
    name: str
    rules: list[Value] = field(default_factory=list)

    def gate(self) -> dict[str, Value]:
        schema = self.parsed.value
        if not isinstance(schema, dict) or schema.get("schema_type") != "dataframe":
            raise self._no((), "this is no schema of pandera for a data frame")
        columns = schema.get("columns")
        if not isinstance(columns, dict) or not columns:
            raise self._no(("columns",), "the schema names no columns by name")
        unique = schema.get("unique") or []
        unique = [unique] if isinstance(unique, str) else unique
        if not isinstance(unique, list) or len(unique) > 1 or not set(unique) <= set(columns):
            raise self._no(("unique",), "only a single column can be unique")
        self._unsaid(schema, (), _UNSAID_OF_ALL, known=("columns", "unique", *_WORDS))
        made = {column: self._column(column, said, column in unique) for column, said in columns.items()}
        return {"columns": made, **({"rules": self.rules} if self.rules else {})}

    def _column(self, column: str, said: Value, unique: bool) -> dict[str, Value]:
        path: strict_yaml.Path = ("columns", column)
        if not isinstance(said, dict):
            raise self._no(path, "a column is a mapping of keys to values")
        checks = self._checks(said, path)
        self._unsaid(said, path, _UNSAID, known=(*_ASKED, *_WORDS, *(name for name, _, _ in checks)))
        made = self._shape(said, path, unique)
        for name, value, place in checks:
            _CHECKS[name](self, column, made, name, value, place)
        floating = str(made.get("dtype", "")).startswith("float") or ("range" in made and "dtype" not in made)
        if made["nullable"] and floating:
            made["nan"] = "allow"
        reason = said.get("description") or said.get("title")
        return {**made, **({"because": reason} if isinstance(reason, str) else {})}

    def _shape(self, said: Mapping[str, Value], path: strict_yaml.Path, unique: bool) -> dict[str, Value]:
        made: dict[str, Value] = {"nullable": self._flag(said, "nullable", path)}
        dtype = said.get("dtype")
        if dtype is not None:
            if dtype not in _DTYPES:
                raise self._no((*path, "dtype"), f"the type {str(dtype)[:40]!r} has no translation")
            made["dtype"] = _DTYPES[dtype]
        if self._flag(said, "unique", path) or unique:
            if made["nullable"]:
                raise self._no(path, "pandera compares missing values when a column is unique, and a gate does not")
            made["unique"] = True
        return made

    def _flag(self, said: Mapping[str, Value], key: str, path: strict_yaml.Path) -> bool:
        value = said.get(key) or False
        if not isinstance(value, bool):
            raise self._no((*path, key), f"{key} is neither true nor false")
        return value

    def _unsaid(
        self,
        said: Mapping[str, Value],
        path: strict_yaml.Path,
        unsaid: Mapping[str, tuple[Value, ...]],
        *,
        known: tuple[str, ...],
    ) -> None:
        for key, value in said.items():
            silent = any(value is allowed or (value == allowed and allowed == []) for allowed in unsaid.get(key, ()))
            if key in known or silent or (isinstance(value, str) and value in unsaid.get(key, ())):
                continue
            raise self._no((*path, key), f"{key[:40]!r} has no translation", got=str(value)[:40])

    # --- checks

    def _checks(self, said: Mapping[str, Value], path: strict_yaml.Path) -> list[tuple[str, Value, strict_yaml.Path]]:
        """Name, argument and place of each check of a column, whichever way they are written."""
        listed = said.get("checks")
        if isinstance(listed, dict):
            found = [(name, value, (*path, "checks", name)) for name, value in listed.items()]
        elif isinstance(listed, list):
            found = [(*self._listed(item, (*path, "checks", i)), (*path, "checks", i)) for i, item in enumerate(listed)]
        elif listed is None:
            found = [(name, value, (*path, name)) for name, value in said.items() if name in _CHECKS]
        else:
            raise self._no((*path, "checks"), "checks is neither a list nor a mapping")
        for name, value, place in found:
            if name not in _CHECKS:
                raise self._no(place, f"the check {name[:40]!r} has no translation")
            self._plain_options(value, place)
        return [(name, _without_options(value), place) for name, value, place in found]

    def _listed(self, item: Value, place: strict_yaml.Path) -> tuple[str, Value]:
        options = item.get("options") if isinstance(item, dict) else None
        name = options.get("check_name") if isinstance(options, dict) else None
        if not isinstance(name, str):
            raise self._no(place, "a check of the list has no check_name among its options")
        return name, item

    def _plain_options(self, value: Value, place: strict_yaml.Path) -> None:
        if not isinstance(value, dict):
            return
        options = {**value, **(value.get("options") or {})}
        for key, plain in (("ignore_na", True), ("raise_warning", False)):
            if options.get(key, plain) is not plain:
                raise self._no(place, f"{key}: {str(options[key]).lower()} has no translation")
        for key in ("groupby", "groups", "n_failure_cases", "element_wise"):
            if options.get(key) is not None:
                raise self._no(place, f"{key} has no translation")

    def compare(self, column: str, made: dict[str, Value], name: str, value: Value, place: strict_yaml.Path) -> None:
        op, argument = _COMPARISONS[name]
        limit = _only(value, argument, "value")
        if op in (">=", "<=") and _is_number(limit) and "range" not in made:
            made["range"] = [limit, None] if op == ">=" else [None, limit]
        elif op in (">=", "<=") and _is_number(limit) and made["range"][op == "<="] is None:
            made["range"][op == "<="] = limit
        elif op == "=" and not isinstance(limit, str) and "isin" not in made:
            made["isin"] = [limit]
        else:
            self._rule(column, name, f"{self._named(column, place)} {op} {self._literal(limit, place)}", place)

    def in_range(self, column: str, made: dict[str, Value], name: str, value: Value, place: strict_yaml.Path) -> None:
        if not isinstance(value, dict):
            raise self._no(place, "in_range has no min_value and max_value")
        low, high = value.get("min_value"), value.get("max_value")
        closed = value.get("include_min", True) and value.get("include_max", True)
        if closed and _is_number(low) and _is_number(high) and "range" not in made:
            made["range"] = [low, high]
            return
        ends = (
            (">=" if value.get("include_min", True) else ">", low),
            ("<=" if value.get("include_max", True) else "<", high),
        )
        parts = [f"{self._named(column, place)} {op} {self._literal(end, place)}" for op, end in ends]
        self._rule(column, name, " and ".join(parts), place)

    def isin(self, column: str, made: dict[str, Value], name: str, value: Value, place: strict_yaml.Path) -> None:
        allowed = _only(value, "allowed_values", "value")
        if not isinstance(allowed, list) or not allowed:
            raise self._no(place, "isin has no list of values")
        if "isin" not in made and not any(isinstance(item, str) and _counts_by_value(item) for item in allowed):
            made["isin"] = allowed
        else:
            parts = [f"{self._named(column, place)} = {self._literal(item, place)}" for item in allowed]
            self._rule(column, name, " or ".join(parts), place)

    def notin(self, column: str, made: dict[str, Value], name: str, value: Value, place: strict_yaml.Path) -> None:
        del made
        forbidden = _only(value, "forbidden_values", "value")
        if not isinstance(forbidden, list) or not forbidden:
            raise self._no(place, "notin has no list of values")
        parts = [f"{self._named(column, place)} != {self._literal(item, place)}" for item in forbidden]
        self._rule(column, name, " and ".join(parts), place)

    def text(self, column: str, made: dict[str, Value], name: str, value: Value, place: strict_yaml.Path) -> None:
        del column
        if "regex" in made:
            raise self._no(place, "a second check of the text has no translation")
        if name == "str_length":
            made["regex"] = self._length(value, place)
            return
        wanted = _only(value, {"str_startswith": "string", "str_endswith": "string"}.get(name, "pattern"), "value")
        if not isinstance(wanted, str):
            raise self._no(place, f"{name} has no text")
        forms = {
            "str_matches": f"(?:{wanted})(?s:.*)",
            "str_contains": f"(?s:.*)(?:{wanted})(?s:.*)",
            "str_startswith": f"{re.escape(wanted)}(?s:.*)",
            "str_endswith": f"(?s:.*){re.escape(wanted)}",
        }
        made["regex"] = forms[name]

    def _length(self, value: Value, place: strict_yaml.Path) -> str:
        said = value if isinstance(value, dict) else {"exact_value": value}
        exact = said.get("exact_value")
        low, high = (exact, exact) if exact is not None else (said.get("min_value") or 0, said.get("max_value"))
        if not all(end is None or (isinstance(end, int) and 0 <= end <= 1000) for end in (low, high)):
            raise self._no(place, "str_length beyond 1,000 characters has no translation")
        return f"(?s:.{{{low},{'' if high is None else high}}})"

    def _rule(self, column: str, name: str, expr: str, place: strict_yaml.Path) -> None:
        slug = re.sub(r"[^a-z0-9]+", "-", column.lower()).strip("-") or "column"
        made = f"{slug}.{name.replace('_', '-')}"[:90]
        taken = [rule["id"] for rule in self.rules]
        self.rules.append({"id": made if made not in taken else f"{made}-{len(taken)}", "expr": expr, "nulls": "pass"})
        if len(expr) > 1000:
            raise self._no(place, "the check has too many values for a rule")

    def _named(self, column: str, place: strict_yaml.Path) -> str:
        if "`" in column:
            raise self._no(place, "a name with a back quote has no translation in a rule")
        return f"`{column}`"

    def _literal(self, value: Value, place: strict_yaml.Path) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return repr(value)
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        raise self._no(place, "a value that is no number, text or flag has no translation")

    def _no(self, path: strict_yaml.Path, what: str, *, got: str | None = None) -> InvalidPolicy:
        line, column = self.parsed.place(path)
        return InvalidPolicy(
            what,
            where=f"{self.name}:{line}:{column}",
            got=got,
            remedy="Write what you mean as columns and rules of the gate.",
        )


_Check = Callable[[_Translation, str, dict[str, Value], str, Value, strict_yaml.Path], None]
_CHECKS: Final[dict[str, _Check]] = {
    **dict.fromkeys(_COMPARISONS, _Translation.compare),
    "in_range": _Translation.in_range,
    "isin": _Translation.isin,
    "notin": _Translation.notin,
    **dict.fromkeys(("str_matches", "str_contains", "str_startswith", "str_endswith", "str_length"), _Translation.text),
}
_OPTIONS: Final = ("options", "ignore_na", "raise_warning", "error", "name", "check_name", "title", "description")


def _without_options(value: Value) -> Value:
    return {key: part for key, part in value.items() if key not in _OPTIONS} if isinstance(value, dict) else value


def _only(value: Value, *names: str) -> Any:
    """The argument of a check that takes one, written bare or by its name."""
    if not isinstance(value, dict):
        return value
    return next((value[name] for name in names if list(value) == [name]), None)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counts_by_value(text: str) -> bool:
    """A gate reads other spellings of such a text as the same value; pandera does not."""
    return text.strip().lower() in ("true", "false") or _NUMBER.fullmatch(text) is not None

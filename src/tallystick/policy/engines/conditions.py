"""From predicates to SQL conditions: true for a row that is good, false for one that misses, never null.

Columns come in as positions, and every text of a policy goes in as a parameter, so neither can become SQL. What SQL
cannot say as the policy means it (labels of other spellings, the text of a float) is said by functions of ours that the
engine calls for the few columns that need it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tallystick.policy import row_rules
from tallystick.policy.counts import label
from tallystick.policy.engines.arrow import flags
from tallystick.policy.predicates import (
    Holds,
    InRange,
    Matches,
    Newest,
    NotMissing,
    NotNan,
    OfType,
    OneOf,
    Predicate,
    Present,
    Unique,
)

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Column", "Conditions", "Uncheckable", "type_name"]

_INTEGER = r"[+-]?[0-9]+"
_FLOAT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|NaN|NAN|inf|Inf|INF|infinity|Infinity)"
_NAN = tuple(f"{sign}{word}" for sign in ("", "+", "-") for word in ("nan", "NaN", "NAN"))
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = _DATE + r"[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
_FLAGS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_LIMITS: Final = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_MAYBE_SPELT_OTHERWISE = r"[0-9]|(?i:true|false)|[^\x00-\x7F]"
"""Only such text can be another spelling of a label: a number, a flag, or text not in normal form C."""


class Uncheckable(Exception):
    """A predicate that cannot be carried out on such a column; the text says why."""


@dataclass(frozen=True)
class Column:
    """A column within SQL."""

    sql: str
    type: pyarrow.DataType
    sql_type: str
    text: bool
    """Whether it holds text as CSV does, where the column itself says nothing of its type."""

    @property
    def is_text(self) -> bool:
        """Whether its values are text, of whatever meaning."""
        import pyarrow as pa

        kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
        return any(is_kind(self.type) for is_kind in kinds)

    @property
    def is_integer(self) -> bool:
        import pyarrow as pa

        return bool(pa.types.is_integer(self.type))

    @property
    def is_float(self) -> bool:
        import pyarrow as pa

        return bool(pa.types.is_floating(self.type))

    @property
    def is_number(self) -> bool:
        import pyarrow as pa

        return self.is_integer or self.is_float or bool(pa.types.is_decimal(self.type))

    @property
    def is_time(self) -> bool:
        import pyarrow as pa

        return bool(pa.types.is_timestamp(self.type) or pa.types.is_date(self.type))


def type_name(kind: pyarrow.DataType) -> str:
    """What the policy calls a type of a column; other types by their own name."""
    import pyarrow as pa

    names = {"halffloat": "float16", "float": "float32", "double": "float64"}
    texts = {"large_string": "string", "string_view": "string"}
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_date(kind):
        return "date"
    return {**names, **texts}.get(str(kind), str(kind))


@dataclass
class Conditions:
    """Makes conditions, and keeps what they refer to."""

    columns: Mapping[str, Column]
    """By name, those that there are."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """What the conditions call ``$p0``, ``$p1``, ..."""
    functions: dict[str, tuple[Callable[[Any], Any], str, str]] = field(default_factory=dict)
    """By name: a function of an arrow array, and SQL's names of the types of its argument and of its answer."""

    def of(self, predicate: Predicate) -> str:
        """The condition of one predicate.

        Raises:
            Uncheckable: such a column cannot be looked at in this way.
        """
        if isinstance(predicate, Holds):
            return self._rule(predicate)
        column = self.columns[predicate.column]
        if isinstance(predicate, Present):
            return "TRUE"
        if isinstance(predicate, OfType) and not column.text:  # of the column as a whole, missing values as well
            return "TRUE" if type_name(column.type) == predicate.dtype else "FALSE"
        if isinstance(predicate, NotMissing | Unique):
            return f"{column.sql} IS NOT NULL" if isinstance(predicate, NotMissing) else "TRUE"
        return f"({column.sql} IS NULL OR coalesce({self._value(predicate, column)}, FALSE))"

    def _value(self, predicate: Predicate, column: Column) -> str:
        """The condition on a value that is not missing."""
        if isinstance(predicate, OfType):
            return self._of_type(column, predicate.dtype)
        if isinstance(predicate, NotNan):
            return f"NOT {self._is_nan(column)}"
        if isinstance(predicate, InRange):
            return self._in_range(column, predicate)
        if isinstance(predicate, OneOf):
            return self._one_of(column, predicate.allowed)
        if isinstance(predicate, Matches):
            return self._matches(self._text(column), predicate.regex)
        if isinstance(predicate, Newest):
            return f"{self.moment(column)} IS NOT NULL"
        raise TypeError(type(predicate).__name__)

    def _parameter(self, value: Any) -> str:
        name = next((name for name, known in self.parameters.items() if known is value or known == value), None)
        if name is None or type(self.parameters[name]) is not type(value):
            name = f"p{len(self.parameters)}"
            self.parameters[name] = value
        return f"${name}"

    def _matches(self, text: str, form: str) -> str:
        return f"regexp_full_match({text}, {self._parameter(form)})"

    # --- types

    def _of_type(self, column: Column, dtype: str) -> str:
        """Whether text reads as a type."""
        if dtype == "string":
            return "TRUE"
        if dtype in _LIMITS:
            low, high = _LIMITS[dtype]
            well_formed = f"{self._matches(column.sql, _INTEGER)} AND length({column.sql}) < 40"
            return f"({well_formed} AND TRY_CAST(trim({column.sql}) AS HUGEINT) BETWEEN {low} AND {high})"
        if dtype == "bool":
            return f"{column.sql} IN ({', '.join(map(self._parameter, _FLAGS))})"
        if dtype in ("date", "timestamp"):
            return self._in_calendar(column, _DATE if dtype == "date" else _TIME)
        return self._matches(column.sql, _FLOAT)

    def _in_calendar(self, column: Column, form: str) -> str:
        """Text of the form of a time that names a day that there is; years begin with 1."""
        is_a_day = f"TRY_CAST(left({column.sql}, 10) AS DATE) IS NOT NULL AND left({column.sql}, 4) <> '0000'"
        return f"({self._matches(column.sql, form)} AND {is_a_day})"

    # --- numbers

    def _number(self, column: Column) -> str:
        """The value as a number that can be compared; NULL where it is none."""
        if column.is_text:
            return f"CASE WHEN {self._matches(column.sql, _FLOAT)} THEN TRY_CAST(trim({column.sql}) AS DOUBLE) END"
        if column.is_integer:
            return column.sql
        return f"CAST({column.sql} AS DOUBLE)" if column.is_number else "CAST(NULL AS DOUBLE)"

    def _is_nan(self, column: Column) -> str:
        if column.is_text:
            return f"{column.sql} IN ({', '.join(map(self._parameter, _NAN))})"
        return f"isnan({column.sql})" if column.is_float else "FALSE"

    def _in_range(self, column: Column, wanted: InRange) -> str:
        """NaN is larger than every number here, so it is asked for."""
        value = self._number(column)
        ends = [f"{value} {op} {_end(end, op, whole=column.is_integer)}" for end, op in _ends(wanted)]
        if not (column.is_text or column.is_float):
            return f"({' AND '.join(ends)})"
        return f"({' AND '.join(ends)} AND NOT isnan({value}){' OR ' + self._is_nan(column) if wanted.nan else ''})"

    # --- labels and text

    def _one_of(self, column: Column, allowed: tuple[str, ...]) -> str:
        known = frozenset(allowed)
        if column.is_integer:
            whole = [int(text) for text in allowed if re.fullmatch(r"-?[0-9]{1,30}", text) and str(int(text)) == text]
            return f"{column.sql} IN ({', '.join(map(str, whole))})" if whole else "FALSE"

        def is_allowed(values: Any) -> Any:
            return _by_value(values, lambda value: value in known or (_is_plain(value) and label(value) in known))

        called = self._function(is_allowed, column, "BOOLEAN")
        if not column.is_text:
            return called
        spelt = f"{column.sql} IN ({', '.join(map(self._parameter, allowed))})"
        maybe = f"regexp_matches({column.sql}, {self._parameter(_MAYBE_SPELT_OTHERWISE)})"
        return f"CASE WHEN {spelt} THEN TRUE WHEN {maybe} THEN {called} ELSE FALSE END"

    def _text(self, column: Column) -> str:
        """The value as text: integers and flags as SQL writes them, all else as arrow does."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if column.is_text:
            return column.sql
        if column.is_integer or pa.types.is_boolean(column.type):
            return f"CAST({column.sql} AS VARCHAR)"
        try:
            pc.cast(pa.nulls(0, column.type), pa.string())
        except pa.ArrowNotImplementedError:
            raise Uncheckable(f"a column of type {type_name(column.type)} has no text") from None
        return self._function(lambda values: pc.cast(values, pa.string()), column, "VARCHAR")

    def _function(self, function: Callable[[Any], Any], column: Column, answer: str) -> str:
        name = f"f{len(self.functions)}"
        self.functions[name] = (function, column.sql_type, answer)
        return f"{name}({column.sql})"

    # --- times

    def moment(self, column: Column) -> str:
        """SQL for a column as microseconds since 1970, UTC; NULL where it is no time."""
        if column.is_time:
            return f"epoch_us({column.sql})"
        if not column.is_text:
            return "CAST(NULL AS BIGINT)"
        well_formed = f"{self._in_calendar(column, _DATE)} OR {self._in_calendar(column, _TIME)}"
        return f"CASE WHEN {well_formed} THEN epoch_us(TRY_CAST(trim({column.sql}) AS TIMESTAMPTZ)) END"

    # --- rules over a row

    def _rule(self, predicate: Holds) -> str:
        rule = row_rules.parse(predicate.rule, dict(predicate.kinds))
        missing = [f"{self.columns[name].sql} IS NULL" for name, _ in predicate.kinds]
        return f"coalesce({self._part(rule)}, {' OR '.join(missing) if predicate.nulls else 'FALSE'})"

    def _part(self, part: row_rules.Part) -> str:
        if isinstance(part, row_rules.Constant):
            return self._constant(part)
        if isinstance(part, row_rules.Column):
            return self._read(self.columns[part.name], part.kind)
        if isinstance(part, row_rules.IsNull):
            return f"({self.columns[part.column.name].sql} IS {'NOT ' if part.negated else ''}NULL)"
        if isinstance(part, row_rules.Negated):
            return f"(NOT {self._part(part.part)})"
        if isinstance(part, row_rules.Compared):
            return f"({self._comparable(part.left)} {part.op} {self._comparable(part.right)})"
        inner = [self._part(inner) for inner in part.parts]
        if isinstance(part, row_rules.Joined):
            return f"({f' {part.op.upper()} '.join(inner)})"
        if len(inner) == 1:
            return f"(- {inner[0]})"
        divisor = f"nullif({inner[1]}, 0)" if part.op == "/" else inner[1]
        return f"({inner[0]} {part.op} {divisor})"

    def _comparable(self, part: row_rules.Part) -> str:
        """NaN is larger than every number here, and equal to itself, so it is no value to compare."""
        value = self._part(part)
        if part.kind != "number" or isinstance(part, row_rules.Constant):
            return value
        return f"CASE WHEN NOT isnan({value}) THEN {value} END"

    def _constant(self, part: row_rules.Constant) -> str:
        if part.kind == "text":
            return self._parameter(str(part.value))
        if part.kind == "flag":
            return "TRUE" if part.value else "FALSE"
        return f"CAST({part.value!r} AS {'BIGINT' if part.kind == 'time' else 'DOUBLE'})"

    def _read(self, column: Column, kind: row_rules.Kind | None) -> str:
        import pyarrow as pa

        if kind == "number":
            return f"CAST({self._number(column)} AS DOUBLE)"
        if kind == "time":
            return self.moment(column)
        if kind == "text":
            return self._text(column)
        if pa.types.is_boolean(column.type):
            return column.sql
        if not column.is_text:
            return "CAST(NULL AS BOOLEAN)"
        spelt = {flag: ", ".join(self._parameter(w) for w, f in _FLAGS.items() if f == flag) for flag in (True, False)}
        return (
            f"CASE WHEN {column.sql} IN ({spelt[True]}) THEN TRUE WHEN {column.sql} IN ({spelt[False]}) THEN FALSE END"
        )


def _ends(wanted: InRange) -> list[tuple[int | float, str]]:
    ends = ((wanted.low, ">="), (wanted.high, "<="))
    return [(end, op) for end, op in ends if end is not None]


def _end(end: int | float, op: str, *, whole: bool) -> str:
    """An end as SQL; for whole numbers the nearest one inside, so that no large one is rounded onto it."""
    if whole:
        return str(math.ceil(end) if op == ">=" else math.floor(end))
    return f"CAST({float(end)!r} AS DOUBLE)"


def _is_plain(value: object) -> bool:
    """Numbers, flags and their spellings count by value; other text only as it is spelt."""
    return not isinstance(value, str) or label(value) not in (None, value.strip())


def _by_value(values: Any, is_good: Callable[[Any], bool]) -> Any:
    """The answer for each row, asked once for each different value."""
    import pyarrow as pa

    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = array.dictionary_encode()
    return flags([bool(is_good(value)) for value in encoded.dictionary.to_pylist()]).take(encoded.indices)

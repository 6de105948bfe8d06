"""The schema gate: columns, types, values and the number of rows, checked by pandera on one frame.

pandera carries the checks out, all of them, lazily. Around it stand three guards, because a schema library that did
nothing would look green:

* pandera's settings (validation may be switched off, or limited to types, from the environment) are overridden here;
* before the data, one frame with a defect for every kind of check must be refused;
* each check counts for itself the rows that it looked at and those that missed; a check that did not run is an error.

Missing and NaN are two things. Missing values are the business of ``nullable`` and pass the other checks; NaN lies
outside of every range and is forbidden unless the policy says ``nan: allow``. Regular expressions are matched by RE2 in
linear time. A result says how many rows miss a check, never which values they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from tallystick.policy.counts import label
from tallystick.policy.language import Column, SchemaGate
from tallystick.policy.results import CheckResult, Limits, Verdict, number

if TYPE_CHECKING:
    import pyarrow

__all__ = ["run"]

_INTEGER = r"[+-]?[0-9]+"
_FLOAT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(nan|NaN|NAN|inf|Inf|INF|infinity|Infinity)"
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_FORMS = {
    "bool": "true|false|True|False|TRUE|FALSE",
    "date": _DATE,
    "timestamp": _DATE + r"[ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?",
}
_SIZES = {f"{sign}{bits}" for sign in ("int", "uint") for bits in (8, 16, 32, 64)}


@dataclass
class _Tally:
    """What a check counted for itself. Empty until it ran."""

    looked_at: int = 0
    missed: int = 0
    runs: int = 0

    def add(self, good: Any) -> Any:
        """Note the outcome for each row (a boolean series) and hand it on to pandera."""
        self.runs += 1
        self.looked_at = len(good)
        self.missed = len(good) - int(good.sum())
        return good


@dataclass(frozen=True)
class _Case:
    """One check of one column."""

    id: str
    name: str
    kind: str
    column: Column
    tally: _Tally = field(default_factory=_Tally)


def run(gate: SchemaGate, table: pyarrow.Table, *, typed: bool) -> Iterator[CheckResult]:
    """Judge every check of the gate.

    Args:
        gate: of the policy.
        table: the gate's columns as far as the data have them, and all rows.
        typed: whether the columns have types of their own (Parquet) or are text (CSV).
    """
    _self_test()
    cases = [_Case(check, name, kind, gate.columns[name]) for check, name, kind in gate.checks()]
    present = [case for case in cases if case.name in table.column_names]
    reported = _validate(present, table, typed=typed)
    if gate.rows_check is not None:
        yield _rows(gate, table.num_rows)
    for case in cases:
        if case in present and (case.id in reported) != (case.tally.missed > 0):
            raise RuntimeError("pandera and the count of rows that miss a check do not agree")
        yield _judge(gate, case, table, typed=typed)


def _validate(cases: list[_Case], table: pyarrow.Table, *, typed: bool) -> frozenset[str]:
    """Let pandera carry the checks out.

    Returns:
        The ids of the checks that pandera itself reported as failed.
    """
    import pandas as pd
    import pandera.pandas as pandera
    from pandera.config import ValidationDepth, config_context

    frame = table.select(list(dict.fromkeys(case.name for case in cases))).to_pandas(types_mapper=pd.ArrowDtype)
    columns: dict[str, list[Any]] = {str(name): [] for name in frame.columns}
    for case in cases:
        columns[case.name].append(pandera.Check(_checker(case, typed=typed), name=case.id, ignore_na=False))
    schema = pandera.DataFrameSchema(
        {name: pandera.Column(nullable=True, checks=checks) for name, checks in columns.items()}
    )
    try:
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        return frozenset(str(error.check.name) for error in errors.schema_errors if hasattr(error.check, "name"))
    return frozenset()


def _checker(case: _Case, *, typed: bool) -> Any:
    """The function that pandera calls with the series of a column."""
    import pandas as pd
    import pyarrow as pa

    good_rows = _GOOD[case.kind]

    def check(series: Any) -> Any:
        column = pa.array(series)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        good = good_rows(column, case.column, typed)
        return case.tally.add(pd.Series(good.to_numpy(zero_copy_only=False), index=series.index, dtype=bool))

    return check


# --------------------------------------------------------------------------- one function for each kind of check
# Each takes an arrow column and says True for each row that is good; none of them says null.


def _all(column: Any, *, good: bool) -> Any:
    import pyarrow as pa

    return pa.repeat(pa.scalar(good), len(column))


def _or_missing(column: Any, good: Any) -> Any:
    import pyarrow.compute as pc

    return pc.or_(pc.is_null(column), pc.fill_null(good, False))


def _not_missing(column: Any) -> Any:
    import pyarrow.compute as pc

    return pc.is_valid(column)


def _of_type(column: Any, dtype: str, *, typed: bool) -> Any:
    if typed:
        return _all(column, good=_type_name(column.type) == dtype)
    if dtype == "string":
        return _all(column, good=True)
    if dtype in _SIZES:
        return _or_missing(column, _fits(column, dtype))
    if dtype in ("date", "timestamp"):
        return _or_missing(column, _in_calendar(column, _FORMS[dtype]))
    return _or_missing(column, _matches(column, _FORMS.get(dtype, _FLOAT)))


def _type_name(kind: Any) -> str:
    import pyarrow as pa

    names = {"float": "float32", "double": "float64", "large_string": "string", "string_view": "string"}
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_date(kind):
        return "date"
    return names.get(str(kind), str(kind))


def _matches(column: Any, form: str) -> Any:
    import pyarrow.compute as pc

    return pc.match_substring_regex(column, pattern=rf"\A(?:{form})\z")


def _fits(column: Any, dtype: str) -> Any:
    """Whether text is an integer within the limits of its type. Few texts are long, so those are read one by one."""
    import pyarrow as pa

    bits = int(dtype.lstrip("uint"))
    low, high = (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    encoded = column.dictionary_encode()
    is_integer = _matches(encoded.dictionary, _INTEGER).to_pylist()
    texts = encoded.dictionary.to_pylist()
    good = [
        bool(yes) and len(text) < 40 and low <= int(text) <= high for yes, text in zip(is_integer, texts, strict=True)
    ]
    return pa.array(good, pa.bool_()).take(encoded.indices)


def _in_calendar(column: Any, form: str) -> Any:
    """Whether text has the form of a time and names a day that there is."""
    import pyarrow as pa

    encoded = column.dictionary_encode()
    well_formed = _matches(encoded.dictionary, form).to_pylist()
    texts = encoded.dictionary.to_pylist()
    good = [bool(yes) and _is_a_day(text[:10]) for yes, text in zip(well_formed, texts, strict=True)]
    return pa.array(good, pa.bool_()).take(encoded.indices)


def _is_a_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _numbers(column: Any) -> Any:
    """The column as numbers; text that is no number becomes null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column if _is_number(column.type) else pa.nulls(len(column), pa.float64())
    text = pc.replace_substring_regex(column, pattern=r"\A\+", replacement="")
    text = pc.if_else(pc.fill_null(_matches(column, _FLOAT), False), text, pa.scalar(None, text.type))
    return pc.cast(text, pa.float64())


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _not_nan(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = _numbers(column)
    if not pa.types.is_floating(numbers.type):
        return _all(column, good=True)
    return pc.invert(pc.fill_null(pc.is_nan(numbers), False))


def _in_range(column: Any, rule: Column) -> Any:
    """NaN compares as false with either end, and there is an end to compare with."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = _numbers(column)
    low, high = rule.range or (None, None)
    good = pc.is_valid(numbers)
    if low is not None:
        good = pc.and_(good, pc.fill_null(pc.greater_equal(numbers, low), False))
    if high is not None:
        good = pc.and_(good, pc.fill_null(pc.less_equal(numbers, high), False))
    if rule.nan == "allow" and pa.types.is_floating(numbers.type):
        good = pc.or_(good, pc.fill_null(pc.is_nan(numbers), False))
    return _or_missing(column, good)


def _is_allowed(column: Any, rule: Column) -> Any:
    import pyarrow as pa

    allowed = {label(item) if not isinstance(item, str) else item for item in rule.isin or []}
    encoded = column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    good = [value in allowed or (_is_plain(value) and label(value) in allowed) for value in values]
    return _or_missing(column, pa.array(good, pa.bool_()).take(encoded.indices))


def _is_plain(value: object) -> bool:
    """Numbers, flags and their spellings count by value; other text only as it is spelt."""
    return not isinstance(value, str) or label(value) not in (None, value.strip())


def _fits_regex(column: Any, regex: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = (
        column
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        else pc.cast(column, pa.string())
    )
    return _or_missing(column, _matches(text, regex))


def _stands_once(column: Any) -> Any:
    """False for the second and every later row of a value; missing values are not compared."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = pc.fill_null(column.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    _, first = np.unique(codes, return_index=True)
    good = codes == -1
    good[first] = True
    return pa.array(good)


_GOOD: Mapping[str, Callable[[Any, Column, bool], Any]] = {
    "present": lambda column, _rule, _typed: _all(column, good=True),
    "dtype": lambda column, rule, typed: _of_type(column, str(rule.dtype), typed=typed),
    "nullable": lambda column, _rule, _typed: _not_missing(column),
    "nan": lambda column, _rule, _typed: _not_nan(column),
    "unique": lambda column, _rule, _typed: _stands_once(column),
    "range": lambda column, rule, _typed: _in_range(column, rule),
    "isin": lambda column, rule, _typed: _is_allowed(column, rule),
    "regex": lambda column, rule, _typed: _fits_regex(column, rule.regex or ""),
}


# --------------------------------------------------------------------------- the injected defects


def _self_test() -> None:
    """Show pandera a frame with one defect for every kind of check.

    Raises:
        RuntimeError: a defect was not reported, so nothing that pandera says can be relied on.
    """
    import pyarrow as pa

    defects: list[tuple[str, Column, list[Any]]] = [
        ("dtype", Column(dtype="int64"), ["1", "one"]),
        ("nullable", Column(), ["1", None]),
        ("nan", Column(dtype="float64"), ["1", "nan"]),
        ("unique", Column(unique=True), ["1", "1"]),
        ("range", Column(range=[0, 1]), ["1", "nan"]),
        ("isin", Column(isin=["a"]), ["a", "b"]),
        ("regex", Column(regex="a"), ["a", "ab"]),
    ]
    table = pa.table({kind: pa.array(values, pa.string()) for kind, _, values in defects})
    cases = [_Case(f"self-test/{kind}", kind, kind, column) for kind, column, _ in defects]
    reported = _validate(cases, table, typed=False)
    silent = [case.kind for case in cases if case.id not in reported or case.tally.missed != 1]
    if silent:
        raise RuntimeError(f"pandera did not report an injected defect: {', '.join(silent)}")


# --------------------------------------------------------------------------- results


def _rows(gate: SchemaGate, n: int) -> CheckResult:
    least = gate.rows.min if gate.rows else 0
    good = n >= least
    return CheckResult(
        id=gate.rows_check or "",
        gate=gate.id,
        type="schema",
        verdict="pass" if good else "fail",
        value=float(n),
        threshold={"fail_if": f"< {least}", "decision": "point"},
        n=n,
        interval=None,
        reason=f"there are {n:,} rows; the policy wants at least {least:,}",
        advice="" if good else "Hand in the whole data set, or find out which rows were lost on the way.",
        because=(gate.rows.because if gate.rows else None) or gate.because or "",
        replay="threshold-only",
    )


def _judge(gate: SchemaGate, case: _Case, table: pyarrow.Table, *, typed: bool) -> CheckResult:
    limits = gate.limits(case.name, case.kind)
    if case.name not in table.column_names:
        return _result(gate, case, "fail", 1.0, table.num_rows, f"there is no column {case.name}", limits)
    if case.tally.runs != 1 or case.tally.looked_at != table.num_rows:
        what = f"the check looked at {case.tally.looked_at:,} of {table.num_rows:,} rows"
        return _result(gate, case, "error", None, 0, what, limits)
    if table.num_rows == 0 and case.kind != "present":
        return _result(gate, case, "not_evaluable", None, 0, "there are no rows", limits)
    share = case.tally.missed / table.num_rows if table.num_rows else 0.0
    return _result(
        gate, case, limits.verdict(share, None), share, table.num_rows, _reason(case, table, limits, typed), limits
    )


def _reason(case: _Case, table: pyarrow.Table, limits: Limits, typed: bool) -> str:
    demand = case.column.demand(case.name, case.kind)
    missed, n = case.tally.missed, table.num_rows
    if case.kind == "present":
        return demand
    if missed == 0:
        return f"{demand}, in all {n:,} rows"
    if case.kind == "dtype" and typed:
        found = _type_name(table.schema.field(case.name).type)
        return f"{case.name} is of type {found}; the policy wants {case.column.dtype}"
    fail = limits.fail_if
    tolerated = "none" if fail is None or fail.limit == 0 else f"a share of {fail.wish}"
    if fail is None:
        tolerated = "any share, with a warning"
    share = number(100 * missed / n)
    return f"{missed:,} of {n:,} rows ({share} %) miss this: {demand}; the policy tolerates {tolerated}"


_ADVICE = {
    "present": "Hand in data with this column, or correct the name in the policy.",
    "dtype": "Look at how the file was written: a stray word or a changed type turns a column of numbers into text.",
    "nullable": "Find out in the source why values are missing, and since when.",
    "nan": "Find out which computation yields NaN, and correct it there.",
    "unique": "Look for rows that were joined or loaded twice.",
    "range": "Select the rows outside the range in the source; look for other units or placeholders such as 999.",
    "isin": "Count the values of the column in the source; look for new codes, other spellings, and blanks.",
    "regex": "Select the rows in the source that do not match; look for white space and changed formats.",
}


def _result(
    gate: SchemaGate, case: _Case, verdict: Verdict, value: float | None, n: int, reason: str, limits: Limits
) -> CheckResult:
    return CheckResult(
        id=case.id,
        gate=gate.id,
        type="schema",
        verdict=verdict,
        value=value,
        threshold=limits.as_json(),
        n=n,
        interval=None,
        reason=reason,
        advice="" if verdict == "pass" else case.column.advice or gate.advice or _ADVICE[case.kind],
        because=case.column.because or gate.because or "",
        replay="threshold-only",
    )

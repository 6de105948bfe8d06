"""The schema gate: columns, types, values, rules over a row, freshness, the number of rows.

The checks are carried out by the engine, in one scan; what comes back is how many rows were looked at and how many
missed. pandera is the reference: its YAML is read (:mod:`tallystick.policy.pandera_yaml`), and the tests hold the two
to agree. Around the scan stand two guards, because an engine that did nothing would look green:

* before the data, a table with one defect for every kind of check must be found to have each, through the same code;
* each check says how many rows it looked at; if these are not all rows of the data, it is an error.

Missing and NaN are two things. Missing values are the business of ``nullable`` and pass the other checks; NaN lies
outside of every range and is forbidden unless the policy says ``nan: allow``. Regular expressions are matched by RE2 in
linear time. A result says how many rows miss a check, never which values they hold: results cannot be erased.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, field_validator, model_validator

from tallystick.errors import Unavailable
from tallystick.policy import row_rules
from tallystick.policy.counts import label
from tallystick.policy.evidence import EVALUATED_AT, Evidence, Known, Need, Setting, Tallied
from tallystick.policy.language import (
    Gate,
    GateId,
    Inputs,
    Name,
    Planned,
    Text,
    _first,
    _invalid,
    _Part,
    _Reasoned,
    _Thresholds,
)
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
    Tally,
    Unique,
)
from tallystick.policy.results import CheckResult, Limits, Verdict, number
from tallystick.policy.row_rules import Kind
from tallystick.policy.threshold import Threshold

__all__ = ["Column", "Freshness", "Origin", "RowLimits", "RowRule", "SchemaGate", "Tolerance"]

Dtype = Literal[
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
    "string", "bool", "date", "timestamp",
]  # fmt: skip
_KINDS: Final[dict[str, Kind]] = {"string": "text", "bool": "flag", "date": "time", "timestamp": "time"}
Allowed = str | int | float | bool
Bound = int | float | None

_NOT_LINEAR = re.compile(r"\(\?(=|!|<=|<!|P=|>|\()|\\[1-9]|\\[kgK]|[*+?}]\+")
"""Look-around, back-references, possessive and atomic groups: not in RE2, which takes linear time on any text."""


class Column(_Reasoned):
    """What one column must be."""

    dtype: Dtype | None = Field(default=None, description="The type in Parquet; in CSV, that every value reads as it.")
    nullable: bool = Field(default=False, description="Whether values may be missing.")
    unique: bool = Field(default=False, description="Whether every value must stand once only.")
    range: Annotated[list[Bound], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Least and largest number, both allowed; null for no limit on that side."
    )
    isin: Annotated[list[Allowed], Field(min_length=1)] | None = Field(default=None, description="All allowed values.")
    regex: Text | None = Field(default=None, description="RE2 expression that the whole value must match.")
    nan: Literal["forbid", "allow"] = Field(default="forbid", description="Whether numbers may be NaN.")
    personal: bool = Field(
        default=False, description="Whether values are personal: of those that are shown, only the shape is."
    )

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: list[Bound] | None) -> list[Bound] | None:
        if value is None:
            return None
        low, high = value
        if low is None and high is None:
            raise _invalid("range has no limit on either side, so it checks nothing")
        if low is not None and high is not None and low > high:
            raise _invalid(f"range begins at {low:g} and ends before, at {high:g}")
        return value

    @field_validator("regex")
    @classmethod
    def _linear(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if _NOT_LINEAR.search(value):
            raise _invalid("regex uses look-around, a back-reference or a possessive group, which RE2 does not have")
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            raise _invalid(f"regex cannot be read: {error}") from None
        return value

    @model_validator(mode="after")
    def _fits(self) -> Column:
        numeric = self.dtype is None or self.dtype.startswith(("int", "uint", "float"))
        if self.range is not None and not numeric:
            raise _invalid(f"a range needs numbers, not {self.dtype}", "range")
        if self.regex is not None and self.dtype not in (None, "string"):
            raise _invalid(f"a regex needs text, not {self.dtype}", "regex")
        if self.nan == "allow" and not self._can_be_nan:
            raise _invalid("only a column with a float dtype or a range can hold NaN", "nan")
        return self

    @property
    def _can_be_nan(self) -> bool:
        return (self.dtype or "").startswith("float") or (self.range is not None and self.dtype is None)

    def kinds(self) -> Iterator[str]:
        """The names of the checks of this column, in a fixed order: ``present`` only where nothing else is asked.

        A column that is missing fails every one of its checks.
        """
        if self.dtype is None and self.nullable and not any((self.unique, self.range, self.isin, self.regex)):
            yield "present"
        if self.dtype is not None:
            yield "dtype"
        if not self.nullable:
            yield "nullable"
        if self._can_be_nan and self.nan == "forbid":
            yield "nan"
        for kind in ("unique", "range", "isin", "regex"):
            if getattr(self, kind) not in (None, False):
                yield kind

    def predicate(self, name: str, kind: str) -> Predicate:
        """What one of its checks asks of every row."""
        low, high = self.range or (None, None)
        predicates: dict[str, Predicate] = {
            "present": Present(name),
            "dtype": OfType(name, self.dtype or ""),
            "nullable": NotMissing(name),
            "nan": NotNan(name),
            "unique": Unique(name),
            "range": InRange(name, low, high, self.nan == "allow"),
            "isin": OneOf(
                name, tuple(item if isinstance(item, str) else label(item) or "" for item in self.isin or [])
            ),
            "regex": Matches(name, self.regex or ""),
        }
        return predicates[kind]

    @property
    def kind(self) -> Kind | None:
        """What a rule reads the column as; None if its type is not declared."""
        if self.dtype is None:
            return "number" if self.range is not None else "text" if self.regex is not None else None
        return _KINDS.get(self.dtype, "number")

    def demand(self, name: str, kind: str) -> str:
        """What a check of this column asks for, as a clause."""
        low, high = self.range or (None, None)
        limits = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
        return {
            "present": f"there is a column {name}",
            "dtype": f"{name} is of type {self.dtype}",
            "nullable": f"{name} is never missing",
            "nan": f"{name} is never NaN",
            "unique": f"no value of {name} stands twice",
            "range": f"{name} is " + " and ".join(text for text in limits if text),
            "isin": f"{name} is one of {', '.join(str(item) for item in self.isin or [])}",
            "regex": f"{name} matches {self.regex}",
        }[kind]


class Origin(_Part):
    """Where columns and rules were taken from when the policy was read from its file."""

    file: Name = Field(description="The path, from the folder of the policy.")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(description="Of the bytes of the file.")


class RowLimits(_Reasoned):
    """How many rows there must be."""

    min: int | None = Field(default=None, ge=1, description="The least number.")
    max: int | None = Field(default=None, ge=1, description="The largest number.")

    @model_validator(mode="after")
    def _decides(self) -> RowLimits:
        if self.min is None and self.max is None:
            raise _invalid("rows has neither min nor max, so it checks nothing")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise _invalid(f"rows begins at {self.min:,} and ends before, at {self.max:,}")
        return self

    def allow(self, n: int) -> bool:
        return (self.min is None or n >= self.min) and (self.max is None or n <= self.max)

    @property
    def words(self) -> str:
        least = "" if self.min is None else f"at least {self.min:,}"
        most = "" if self.max is None else f"at most {self.max:,}"
        return " and ".join(part for part in (least, most) if part)

    @property
    def threshold(self) -> str:
        parts = [f"{op} {end}" for op, end in (("<", self.min), (">", self.max)) if end is not None]
        return " or ".join(parts)


class Tolerance(_Thresholds):
    """How many rows may miss one check: a share as percentage or fraction, or a number of rows such as "> 5 rows"."""

    @model_validator(mode="after")
    def _decides(self) -> Tolerance:
        units = {Threshold.parse(text, percent=True).rows for text in (self.fail_if, self.warn_if) if text is not None}
        if len(units) > 1:
            raise _invalid("fail_if and warn_if are a share of rows and a number of rows; write both alike", "warn_if")
        self._check(0.0, float("inf") if units == {True} else 1.0, wants_high=False, percent=True)
        return self

    @property
    def limits(self) -> Limits:
        fail, warn = (
            None if text is None else Threshold.parse(text, percent=True) for text in (self.fail_if, self.warn_if)
        )
        return Limits(fail, warn)


class RowRule(_Reasoned):
    """A rule over several columns of one row."""

    id: GateId = Field(description="The name of the rule.")
    expr: Text = Field(description="What must hold in every row, such as `amount_net <= amount`.")
    nulls: Literal["miss", "pass"] = Field(
        default="miss",
        description="What becomes of a row for which it is neither true nor false as a column is missing.",
    )


class Freshness(_Reasoned):
    """How old the newest row may be when the data are judged."""

    column: Name = Field(description="A column of days or times; without an offset they are UTC.")
    max_age: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[mhdw]$")] = Field(
        description="A number of minutes, hours, days or weeks: 90m, 36h, 7d, 2w."
    )

    @property
    def microseconds(self) -> int:
        return int(self.max_age[:-1]) * _UNITS[self.max_age[-1]] * 1_000_000


_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAY: Final = 86_400_000_000
_STRICT = Limits(Threshold.parse("> 0"), None)


class SchemaGate(Gate):
    """Checks the form of the data: columns, types, values, rules over rows, how fresh, how many."""

    tools: ClassVar[tuple[str, ...]] = ("pyarrow",)

    type: Literal["schema"]
    origin: Origin | None = Field(
        default=None, alias="from", description="A schema of pandera in YAML: its path from the folder of the policy."
    )
    columns: dict[Name, Column] = Field(default_factory=dict)
    rows: RowLimits | None = None
    rules: list[RowRule] = Field(default_factory=list, max_length=200, description="Rules over the columns of a row.")
    freshness: Freshness | None = None
    tolerate: dict[str, Tolerance] = Field(
        default_factory=dict,
        description="By 'column.check' or 'rules.id': the rows that may miss it. Without: none.",
    )
    show: int = Field(
        default=0, ge=0, le=20, description="Of how many values that miss a check the erasable evidence says which."
    )

    @model_validator(mode="after")
    def _consistent(self) -> SchemaGate:
        if self.origin is not None and not self.columns:
            raise _invalid("the columns of the file were not taken over", "from")
        if not self.columns and self.rows is None and not self.rules and self.freshness is None:
            raise _invalid("the gate has neither columns nor rows nor rules nor freshness, so it checks nothing")
        for position, rule in enumerate(self.rules):
            try:
                self._holds(rule)
            except ValueError as error:
                raise _invalid(str(error), "rules", str(position), "expr") from None
        if len({rule.id for rule in self.rules}) < len(self.rules):
            raise _invalid("two rules have one id", "rules")
        if self.freshness is not None:
            self._can_be_fresh(self.freshness)
        self._tolerates()
        return self

    def _can_be_fresh(self, freshness: Freshness) -> None:
        column = self.columns.get(freshness.column)
        if column is not None and column.kind not in (None, "time"):
            raise _invalid(f"column {freshness.column} holds no times", "freshness", "column")

    def _tolerates(self) -> None:
        tolerable = [case.key for case in self.cases() if not isinstance(case.predicate, Present | Newest)]
        for key in self.tolerate:
            if key not in tolerable:
                listed = ", ".join(tolerable[:8]) or "none"
                raise _invalid(f"no check {key!r} of this gate can be tolerated; there are {listed}", "tolerate", key)

    def _holds(self, rule: RowRule) -> Holds:
        declared = {name: column.kind for name, column in self.columns.items() if column.kind is not None}
        kinds = row_rules.columns_of(row_rules.parse(rule.expr, declared))
        return Holds(rule.expr, tuple(kinds.items()), rule.nulls == "pass")

    def cases(self) -> Iterator[Case]:
        """Every check but that of the number of rows, in the order of the plan."""
        for name, column in self.columns.items():
            personal = column.personal
            for kind in column.kinds():
                key = f"{name}.{kind}"
                yield Case(
                    f"{self.id}/{key}", key, column.predicate(name, kind), column.demand(name, kind), column, personal
                )
        for rule in self.rules:
            holds = self._holds(rule)
            personal = any(self.columns[name].personal for name, _ in holds.kinds if name in self.columns)
            yield Case(f"{self.id}/rules.{rule.id}", f"rules.{rule.id}", holds, rule.expr, rule, personal)
        if self.freshness is not None:
            fresh = self.freshness
            demand = f"the newest {fresh.column} is at most {fresh.max_age} old"
            yield Case(f"{self.id}/freshness", "freshness", Newest(fresh.column), demand, fresh)

    @property
    def rows_check(self) -> str | None:
        """The id of the check on the number of rows."""
        return None if self.rows is None else f"{self.id}/rows"

    def plan(self) -> Iterator[Planned]:
        if self.rows is not None and self.rows_check is not None:
            because = _first(self.rows.because, self.because)
            yield Planned(self.rows_check, f"there are {self.rows.words} rows.", because)
        for case in self.cases():
            yield Planned(case.id, self._demand(case), _first(case.rule.because, self.because))

    def _demand(self, case: Case) -> str:
        if isinstance(case.predicate, Present | Newest):
            return f"{case.demand}."
        if case.key not in self.tolerate:
            return f"{case.demand}, in every row."
        what = "number" if self.by_rows(case.key) else "share"
        return f"{case.demand}. Of the {what} of rows that miss this, {self.limits(case.key).words}."

    def needs(self, inputs: Inputs | None) -> Iterator[Need]:
        del inputs
        for case in self.cases():
            yield Tallied(case.predicate, show=self.show, personal=case.personal)
        if self.freshness is not None:
            yield Known(((EVALUATED_AT,),))

    def judge(self, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
        del setting
        if not evidence.replayed:
            self_test()
            yield from self._results(evidence)
        elif evidence.tallies:
            yield from (result for result in self._results(evidence) if result.replay == "counts")

    def _results(self, evidence: Evidence) -> Iterator[CheckResult]:
        """Of a replay under another policy, those of which something was tallied then."""
        if self.rows is not None:
            yield _of_rows(self, self.rows, evidence.rows)
        for case in self.cases():
            tallies = evidence.tallied()
            if case.predicate in tallies or not evidence.replayed:
                yield _Judged(self, case, tallies[case.predicate], evidence).result()

    def limits(self, key: str) -> Limits:
        tolerance = self.tolerate.get(key)
        return _STRICT if tolerance is None else tolerance.limits

    def case(self, check: str) -> Case | None:
        """The check of this id; None for that of the number of rows, and where there is none."""
        return next((case for case in self.cases() if case.id == check), None)

    def verdict(self, check: str, value: float) -> Verdict | None:
        """What a value that was measured for a check comes to; None if the gate has no such check."""
        case = self.case(check)
        if case is None:
            if self.rows is None or check != self.rows_check:
                return None
            return "pass" if self.rows.allow(int(value)) else "fail"
        if isinstance(case.predicate, Newest) and self.freshness is not None:
            return "pass" if 0 <= value <= self.freshness.microseconds / _DAY else "fail"
        return self.limits(case.key).verdict(value, None)

    def by_rows(self, key: str) -> bool:
        """Whether what is tolerated of a check is a number of rows, not a share."""
        limits = self.limits(key)
        return any(limit is not None and limit.rows for limit in (limits.fail_if, limits.warn_if))


@dataclass(frozen=True)
class Case:
    """One check that looks at rows."""

    id: str
    key: str
    """As ``tolerate`` names it."""
    predicate: Predicate
    demand: str
    """What it asks for, as a clause."""
    rule: _Reasoned
    """The part of the policy that asks for it."""
    personal: bool = False

    @property
    def kind(self) -> str:
        return self.predicate.name


# --------------------------------------------------------------------------- the injected defects


def self_test() -> None:
    """Show the engine two tables, of text and of types, with one defect for every kind of check.

    Raises:
        Unavailable: a defect was not found, or a good value was taken for one, so nothing else can be relied on.
    """
    import pyarrow as pa

    from tallystick.policy.engines.arrow import doubles, texts
    from tallystick.policy.engines.duckdb import of_table

    text = {kind: texts(values) for kind, (_, values) in _DEFECTS.items()}
    found = of_table(pa.table(text), text=True).tally(Tallied(predicate) for predicate, _ in _DEFECTS.values())
    columns = {"nan": [1.0, float("nan")], "range": [0.5, float("nan")], "dtype": [1.0, 2.0]}
    typed = pa.table({name: doubles(values) for name, values in columns.items()})
    asked: tuple[Predicate, ...] = (NotNan("nan"), InRange("range", 0, None), OfType("dtype", "int64"))
    whole = of_table(typed, text=False).tally(Tallied(predicate) for predicate in asked)
    tallies = {kind: found[predicate] for kind, (predicate, _) in _DEFECTS.items()}
    tallies |= {"nan of numbers": whole[NotNan("nan")], "range of numbers": whole[InRange("range", 0, None)]}
    silent = [kind for kind, tally in tallies.items() if (tally.looked_at, tally.missed) != (2, 1)]
    silent += ["type of a column"] if whole[OfType("dtype", "int64")].missed != 2 else []
    if silent:
        raise Unavailable("the engine did not find an injected defect", got=f"none of: {', '.join(silent)}")


_DEFECTS: Final[dict[str, tuple[Predicate, list[str | None]]]] = {
    "dtype": (OfType("dtype", "int64"), ["1", "one"]),
    "nullable": (NotMissing("nullable"), ["1", None]),
    "nan": (NotNan("nan"), ["1", "nan"]),
    "unique": (Unique("unique"), ["1", "1"]),
    "range": (InRange("range", 0, 1), ["1", "nan"]),
    "isin": (OneOf("isin", ("a",)), ["a", "b"]),
    "regex": (Matches("regex", "a"), ["a", "ab"]),
    "rule": (Holds("rule >= 1", (("rule", "number"),)), ["1", "0"]),
    "newest": (Newest("newest"), ["2026-11-21", "yesterday"]),
}


# --------------------------------------------------------------------------- results


def _of_rows(gate: SchemaGate, rows: RowLimits, n: int) -> CheckResult:
    good = rows.allow(n)
    return CheckResult(
        id=gate.rows_check or "",
        gate=gate.id,
        type="schema",
        verdict="pass" if good else "fail",
        value=float(n),
        threshold={"fail_if": rows.threshold, "decision": "point"},
        n=n,
        interval=None,
        reason=f"there are {n:,} rows; the policy wants {rows.words}",
        advice="" if good else "Hand in the whole data set, or find out which rows were lost or doubled on the way.",
        because=rows.because or gate.because or "",
        replay="counts" if any(gate.cases()) else "threshold-only",
    )


@dataclass(frozen=True)
class _Judged:
    """A tally, and what the policy makes of it."""

    gate: SchemaGate
    case: Case
    tally: Tally
    evidence: Evidence

    def result(self) -> CheckResult:
        rows, tally = self.evidence.rows, self.tally
        if tally.absent:
            return self._made("fail", 1.0, f"there is no column {' and no column '.join(tally.absent)}")
        if tally.flaw:
            return self._made("error", None, tally.flaw)
        if tally.looked_at != rows:
            return self._made("error", None, f"the check looked at {tally.looked_at:,} of {rows:,} rows")
        if rows == 0 and not isinstance(self.case.predicate, Present):
            return self._made("not_evaluable", None, "there are no rows")
        if isinstance(self.case.predicate, Newest):
            return self._fresh()
        share = tally.missed / rows if rows else 0.0
        value = float(tally.missed) if self.gate.by_rows(self.case.key) else share
        return self._made(self._limits.verdict(value, None), value, self._reason())

    @property
    def _limits(self) -> Limits:
        return self.gate.limits(self.case.key)

    def _reason(self) -> str:
        demand, missed, n = self.case.demand, self.tally.missed, self.evidence.rows
        if isinstance(self.case.predicate, Present):
            return demand
        if missed == 0:
            return f"{demand}, in all {n:,} rows"
        if isinstance(self.case.predicate, OfType) and self.tally.type:
            column = self.case.predicate
            return f"{column.column} is of type {self.tally.type}; the policy wants {column.dtype}"
        shown = "; the erasable evidence says which values" if self.tally.shown else ""
        return (
            f"{missed:,} of {n:,} rows ({number(100 * missed / n)} %) miss this: {demand}; "
            f"the policy tolerates {self._tolerated}{shown}"
        )

    @property
    def _tolerated(self) -> str:
        fail = self._limits.fail_if
        if fail is None:
            return "any share, with a warning"
        if fail.limit == 0:
            return "none"
        return fail.wish if fail.rows else f"a share of {fail.wish}"

    def _fresh(self) -> CheckResult:
        fresh = self.gate.freshness
        now = self.evidence.facts.get(EVALUATED_AT)
        if fresh is None or not isinstance(now, str):
            return self._made("error", None, "nobody said at what time the data are judged")
        if self.tally.missed:
            reason = f"{self.tally.missed:,} of {self.evidence.rows:,} rows hold no time, so the newest is not known"
            return self._made("error", None, reason)
        if self.tally.newest is None:
            return self._made("not_evaluable", None, f"{fresh.column} is missing in every row")
        try:
            age = row_rules.microseconds(now) - self.tally.newest
        except ValueError as error:
            return self._made("error", None, f"the time at which the data are judged cannot be read: {error}")
        if age < 0:
            reason = f"the newest {fresh.column} lies {_span(-age)} after the time of the evaluation"
            return self._made("fail", age / _DAY, reason)
        verdict: Verdict = "fail" if age > fresh.microseconds else "pass"
        reason = f"the newest {fresh.column} is {_span(age)} old; the policy allows {fresh.max_age}"
        return self._made(verdict, age / _DAY, reason)

    def _made(self, verdict: Verdict, value: float | None, reason: str) -> CheckResult:
        case, gate = self.case, self.gate
        threshold = self._limits.as_json()
        if isinstance(case.predicate, Newest) and gate.freshness is not None:
            threshold = {"fail_if": f"> {gate.freshness.max_age}", "decision": "point"}
        return CheckResult(
            id=case.id,
            gate=gate.id,
            type="schema",
            verdict=verdict,
            value=value,
            threshold=threshold,
            n=0 if verdict in ("error", "not_evaluable") else self.evidence.rows,
            interval=None,
            reason=reason,
            advice="" if verdict == "pass" else case.rule.advice or gate.advice or _ADVICE[case.kind],
            because=case.rule.because or gate.because or "",
            replay="threshold-only" if isinstance(case.predicate, Unique) else "counts",
        )


def _span(microseconds: int) -> str:
    """A time in the largest unit that leaves it at one or more."""
    units = (("days", _DAY), ("hours", 3_600_000_000), ("minutes", 60_000_000))
    for name, size in units:
        if microseconds >= size:
            return f"{microseconds / size:.1f} {name}"
    return f"{microseconds / 1_000_000:.1f} seconds"


_ADVICE: Final = {
    "present": "Hand in data with this column, or correct the name in the policy.",
    "dtype": "Look at how the file was written: a stray word or a changed type turns a column of numbers into text.",
    "nullable": "Find out in the source why values are missing, and since when.",
    "nan": "Find out which computation yields NaN, and correct it there.",
    "unique": "Look for rows that were joined or loaded twice.",
    "range": "Select the rows outside the range in the source; look for other units or placeholders such as 999.",
    "isin": "Count the values of the column in the source; look for new codes, other spellings, and blanks.",
    "regex": "Select the rows in the source that do not match; look for white space and changed formats.",
    "rule": "Select the rows in the source for which the rule does not hold; look for missing values in its columns.",
    "newest": "Find out whether the data were loaded in full and at the right time, and whether the clocks are right.",
}

"""Keys of a schema gate beside the columns: rules over a row, freshness, rows, tolerances, values shown; and replay."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import canonical
from tallystick.errors import InvalidData, InvalidPolicy
from tallystick.policy import judge
from tallystick.policy.document import Policy
from tallystick.policy.engines.duckdb import of_table
from tallystick.policy.evidence import Evidence, Tallied
from tallystick.policy.predicates import (
    Holds,
    InRange,
    Matches,
    NotMissing,
    NotNan,
    OfType,
    OneOf,
    Predicate,
    Tallies,
    Unique,
)
from tallystick.policy.results import CheckResult
from tallystick.policy.row_rules import MAX_DEPTH, Kind, columns_of, parse

Make = Callable[[str], Policy]
Write = Callable[..., Path]
NOW = "2026-11-22T12:00:00.000000Z"


def gate(more: str, columns: str = "x: {nullable: true}") -> str:
    return f"  - id: s\n    type: schema\n    columns:\n      {columns}\n{more}"


@pytest.fixture
def run(policy: Make, write: Write) -> Callable[..., dict[str, CheckResult]]:
    def judged(gates: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> dict[str, CheckResult]:
        path = write(header, rows)
        outcome = judge.evaluate(policy(gates), path, data_digest="0" * 64, facts={"evaluated_at": NOW})
        return {check.id.removeprefix("s/"): check for check in outcome.checks}

    return judged


# --------------------------------------------------------------------------- rules


def holds(rule: str, row: dict[str, Any], *, nulls: bool = False, declared: dict[str, Kind] | None = None) -> bool:
    """Whether a rule holds in one row, given as text and as what it is."""
    kinds = tuple(columns_of(parse(rule, declared)).items())
    predicate = Holds(rule, kinds, nulls)
    table = pa.table({name: pa.array([value]) for name, value in row.items()})
    tally = of_table(table, text=False).tally([Tallied(predicate)])[predicate]
    assert tally.looked_at == 1
    return tally.missed == 0


@pytest.mark.parametrize(
    ("rule", "row", "expected"),
    [
        ("a <= b", {"a": 1, "b": 1}, True),
        ("a < b", {"a": 1, "b": 1}, False),
        ("a + 1 > b * 2 - 1", {"a": 1, "b": 1}, True),
        ("a / b = 0.5", {"a": 1, "b": 2}, True),
        ("a / b = 0.5", {"a": 1, "b": 0}, False),
        ("not a / b = 0.5", {"a": 1, "b": 0}, False),
        ("-a < 0", {"a": 5}, True),
        ("- - a > 0", {"a": 5}, True),
        ("1 + 2 * 3 = a", {"a": 7}, True),
        ("(1 + 2) * 3 = a", {"a": 9}, True),
        ("10 - 4 - 3 = a", {"a": 3}, True),
        ("a = 1 or a = 2 and b = 9", {"a": 1, "b": 0}, True),
        ("(a = 1 or a = 2) and b = 9", {"a": 1, "b": 0}, False),
        ("not a = 1 and b = 2", {"a": 0, "b": 2}, True),
        ("not (a = 1 and b = 2)", {"a": 1, "b": 3}, True),
        ("a is null", {"a": None}, True),
        ("a is not null", {"a": None}, False),
        ("a is null or a > 0", {"a": None}, True),
        ("a > 0", {"a": None}, False),
        ("a > 0", {"a": math.nan}, False),
        ("a != 0", {"a": math.nan}, False),
        ("a > 0", {"a": math.inf}, True),
        ("a - a = 0", {"a": math.inf}, False),
        ("a > 0", {"a": "text"}, False),
        ("a > 0", {"a": "+5e-1"}, True),
        ("s = 'x'", {"s": "x"}, True),
        ("s = 'it''s'", {"s": "it's"}, True),
        ("s != 'x'", {"s": "X"}, True),
        ("s < 'b'", {"s": "a"}, True),
        ("`net amount` <= `gross amount`", {"net amount": 1, "gross amount": 2}, True),
        ("f", {"f": True}, True),
        ("not f", {"f": False}, True),
        ("f = true", {"f": "TRUE"}, True),
        ("f = false", {"f": "no"}, False),
        ("a == 1.50", {"a": 1.5}, True),
        ("s = '$p0'", {"s": "$p0"}, True),
        ("s = '\"; DROP TABLE x; --'", {"s": '"; DROP TABLE x; --'}, True),
    ],
)
def test_a_rule_holds_or_it_does_not(rule: str, row: dict[str, Any], expected: bool) -> None:
    assert holds(rule, row) is expected


def test_times_are_compared_as_times() -> None:
    declared: dict[str, Kind] = {"a": "time", "b": "time"}
    day = {"a": "2026-01-01", "b": "2026-01-01T00:30+01:00"}
    assert holds("b < a", day, declared=declared)
    assert holds("a >= '2026-01-01' and b < '2026-01-01T00:00Z'", day, declared=declared)
    assert not holds("a >= b", {"a": "2026-02-30", "b": "2026-01-01"}, declared=declared)


def test_nulls_pass_only_where_a_column_is_missing() -> None:
    assert holds("a > b", {"a": None, "b": 1}, nulls=True)
    assert not holds("a > b", {"a": "text", "b": "1"}, nulls=True)
    assert not holds("a > b", {"a": math.nan, "b": 1.0}, nulls=True)
    assert not holds("a / b > 0", {"a": 1, "b": 0}, nulls=True)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (" ", "ends"),
        ("1 < 2", "no column"),
        ("a <", "ends where it wants"),
        ("a < b < c", "wants the end"),
        ("a < b c", "wants the end"),
        ("(a < b", r"'\)'"),
        ("a < 'x' + 1", "number is wanted"),
        ("a = 'x' and a = 1", "read as number and as text"),
        ("a + 1", "wants a comparison|flag"),
        ("a < true", "no order"),
        ("1 = 'x' or a = 1", "cannot be compared"),
        ("a.b < 1", "character"),
        ("a < 1; drop table x", "character"),
        ("a < b # comment", "character"),
        ("a < length(b)", "wants the end"),
        ("a < 1e999", "too large"),
        ("a < 0x10", "character|wants the end"),
        ('a = "b"', "character"),
        ("a ** 2 > 1", "wants"),
        ("a < $p0", "character"),
        ("null = a", "wants"),
        ("a is 1", "wants null"),
        ("(a + 1) is null", "only a column"),
        ("a < 'unclosed", "character"),
        ("(" * (MAX_DEPTH + 1) + "a < 1" + ")" * (MAX_DEPTH + 1), "too deeply"),
        ("not " * (MAX_DEPTH + 1) + "a < 1", "too deeply"),
        ("a < " + "-" * (MAX_DEPTH + 1) + "1", "too deeply"),
        ("a < 1" + " + 1" * 100, "words and signs"),
        ("a < " + "1" * 1000, "characters"),
    ],
)
def test_what_is_not_of_the_language_is_refused(policy: Make, rule: str, words: str) -> None:
    quoted = rule.replace("'", "''")
    with pytest.raises(InvalidPolicy, match=words):
        policy(gate(f"    rules: [{{id: r, expr: '{quoted}'}}]\n"))


names = st.sampled_from(["a", "b"])
numbers = st.sampled_from(["0", "1", "2.5", "1e3"])


def arithmetic() -> st.SearchStrategy[str]:
    return st.recursive(
        names | numbers,
        lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner) | inner.map("-{}".format),
        max_leaves=5,
    )


rules = st.recursive(
    st.builds("{} {} {}".format, arithmetic(), st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), arithmetic())
    | st.builds("{} is {}null".format, names, st.sampled_from(["", "not "])),
    lambda inner: (
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner) | inner.map("not ({})".format)
    ),
    max_leaves=4,
)
cells = st.none() | st.floats(allow_nan=True, allow_infinity=True, width=32) | st.integers(-3, 3).map(float)


def by_hand(rule: str, row: dict[str, float | None]) -> bool | None:
    """Python's own reading of a rule, with None for neither true nor false."""
    from tallystick.policy import row_rules as r

    def value(part: r.Part) -> Any:
        if isinstance(part, r.Constant):
            return part.value
        if isinstance(part, r.Column):
            return row[part.name]
        if isinstance(part, r.IsNull):
            return (row[part.column.name] is None) != part.negated
        if isinstance(part, r.Negated):
            inner = value(part.part)
            return None if inner is None else not inner
        if isinstance(part, r.Joined):
            found = [value(inner) for inner in part.parts]
            decided = part.op == "or"
            return decided if decided in found else None if None in found else not decided
        if isinstance(part, r.Compared):
            left, right = value(part.left), value(part.right)
            if left is None or right is None or math.isnan(left) or math.isnan(right):
                return None
            return {
                "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right,
                "=": left == right, "!=": left != right,
            }[part.op]  # fmt: skip
        found = [value(inner) for inner in part.parts]
        if None in found or (part.op == "/" and found[1] == 0):
            return None
        if len(found) == 1:
            return -found[0]
        left, right = found
        if part.op == "/":
            return left / right
        return {"+": left + right, "-": left - right, "*": left * right}[part.op]

    return value(parse(rule))  # type: ignore[no-any-return]


@settings(max_examples=60, deadline=None)
@given(rules, st.lists(st.tuples(cells, cells), min_size=1, max_size=12))
def test_a_rule_reads_as_python_reads_it(rule: str, rows: list[tuple[float | None, float | None]]) -> None:
    try:
        kinds = tuple(columns_of(parse(rule)).items())
    except ValueError:
        return  # a rule of constants only, or too long
    table = pa.table({name: pa.array([row[i] for row in rows], pa.float64()) for i, name in enumerate("ab")})
    strict, lenient = Holds(rule, kinds), Holds(rule, kinds, nulls=True)
    found = of_table(table, text=False).tally([Tallied(strict), Tallied(lenient)])
    said = [by_hand(rule, {"a": a, "b": b}) for a, b in rows]
    assert found[strict].missed == sum(answer is not True for answer in said)
    used = [{"a": a, "b": b}[name] for a, b in rows for name, _ in kinds]
    missing = [None in used[i * len(kinds) : (i + 1) * len(kinds)] for i in range(len(rows))]
    expected = sum(a is False or (a is None and not gone) for a, gone in zip(said, missing, strict=True))
    assert found[lenient].missed == expected


# --------------------------------------------------------------------------- every check, against a plain reading

TEXTS = st.none() | st.sampled_from(
    ["0", "1", "1.0", "+1", "-3", "2.5", "1e3", ".5", "nan", "NaN", "-inf", "x", " 1", "true", "TRUE", "AC-12", "é",
     "e\u0301", "2026-01-31", "2026-02-30", "0000-01-01", "9" * 30, "a\nb", "'", "$p0"]
)  # fmt: skip


def plainly(predicate: Predicate, value: str | None, before: list[str | None]) -> bool:
    """Whether a text of CSV is good, said without the engine."""
    if value is None:
        return not isinstance(predicate, NotMissing)
    number = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", value)
    special = re.fullmatch(r"[+-]?(nan|NaN|NAN|inf|Inf|INF|infinity|Infinity)", value)
    if isinstance(predicate, NotNan):
        return not (special and "n" in value[-3:].lower() and "nan" in value.lower())
    if isinstance(predicate, Unique):
        return value not in before
    if isinstance(predicate, InRange):
        low = -math.inf if predicate.low is None else predicate.low
        high = math.inf if predicate.high is None else predicate.high
        return bool(number or special) and low <= float(value) <= high
    if isinstance(predicate, Matches):
        return re.fullmatch(predicate.regex, value) is not None
    if isinstance(predicate, OfType):
        if predicate.dtype == "float64":
            return bool(number or special)
        return bool(re.fullmatch(r"[+-]?[0-9]+", value)) and -(2**63) <= int(value) < 2**63
    return True


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=40))
def test_every_check_counts_what_a_plain_reading_of_the_rows_counts(values: list[str | None]) -> None:
    predicates: list[Predicate] = [
        NotMissing("x"), NotNan("x"), Unique("x"), InRange("x", 0, 2), InRange("x", None, 1), Matches("x", "[0-9.]+"),
        Matches("x", "(a|.b|AC-[0-9]+)"), OfType("x", "int64"), OfType("x", "float64"),
    ]  # fmt: skip
    found = of_table(pa.table({"x": pa.array(values, pa.string())}), text=True).tally(map(Tallied, predicates))
    assert found.rows == len(values)
    for predicate in predicates:
        good = [plainly(predicate, value, values[:i]) for i, value in enumerate(values)]
        assert (found[predicate].looked_at, found[predicate].missed) == (len(values), good.count(False)), predicate


# --------------------------------------------------------------------------- freshness, rows, tolerances


@pytest.mark.parametrize(
    ("newest", "verdict", "words"),
    [
        ("2026-11-22T11:00:00Z", "pass", "1.0 hours old"),
        ("2026-11-22 13:30:00+02:00", "pass", "30.0 minutes old"),
        ("2026-11-20", "fail", "2.5 days old; the policy allows 2d"),
        ("2026-11-20T12:00:00Z", "pass", "2.0 days old"),
        ("2026-11-22T12:00:01Z", "fail", "1.0 seconds after the time of the evaluation"),
        ("yesterday", "error", "1 of 2 rows hold no time"),
        ("", "pass", "1.0 days old"),
    ],
)
def test_freshness(run: Callable[..., dict[str, CheckResult]], newest: str, verdict: str, words: str) -> None:
    rows = [("2026-11-19" if verdict == "fail" else "2026-11-21T12:00Z", 1), (newest, 1)]
    rows = [("2026-11-01", 1), rows[1]] if newest else rows
    found = run(gate("    freshness: {column: x, max_age: 2d}\n"), ("x", "y"), rows)["freshness"]
    assert (found.verdict, words in found.reason) == (verdict, True), found.reason
    assert found.replay == "counts"


def test_freshness_without_a_time_is_an_error_and_without_values_not_evaluable(policy: Make, write: Write) -> None:
    text = gate("    freshness: {column: x, max_age: 2d}\n")
    path = write(("x", "y"), [("", 1)])
    outcome = judge.evaluate(policy(text), path, data_digest="0" * 64)
    assert [check.verdict for check in outcome.checks] == ["pass", "error"]
    told = judge.evaluate(policy(text), path, data_digest="0" * 64, facts={"evaluated_at": NOW})
    assert [check.verdict for check in told.checks] == ["pass", "not_evaluable"]


@pytest.mark.parametrize(("rows", "verdict"), [(1, "fail"), (2, "pass"), (3, "pass"), (4, "fail")])
def test_there_can_be_too_few_rows_and_too_many(
    run: Callable[..., dict[str, CheckResult]], rows: int, verdict: str
) -> None:
    found = run(gate("    rows: {min: 2, max: 3}\n"), ("x",), [(1,)] * rows)["rows"]
    assert (found.verdict, found.threshold["fail_if"]) == (verdict, "< 2 or > 3")


@pytest.mark.parametrize(("missing", "verdict"), [(0, "pass"), (1, "warn"), (2, "warn"), (3, "fail")])
def test_a_tolerance_may_be_a_number_of_rows(
    run: Callable[..., dict[str, CheckResult]], missing: int, verdict: str
) -> None:
    text = gate("    tolerate: {x.nullable: {warn_if: '> 0 rows', fail_if: '> 2 rows'}}\n", "x: {}")
    found = run(text, ("x", "y"), [("", 1)] * missing + [(1, 1)] * 5)["x.nullable"]
    assert (found.verdict, found.value) == (verdict, float(missing))


@pytest.mark.parametrize(
    "more",
    [
        "    tolerate: {x.nullable: {warn_if: '> 0%', fail_if: '> 2 rows'}}\n",
        "    tolerate: {x.nullable: {fail_if: '> 0.5 rows'}}\n",
        "    tolerate: {x.nullable: {fail_if: '< 5 rows'}}\n",
        "    tolerate: {x.nullable: {warn_if: '> 9 rows', fail_if: '> 2 rows'}}\n",
        "    rows: {min: 3, max: 2}\n",
        "    rows: {because: 'no limit'}\n",
        "    freshness: {column: x, max_age: 0d}\n",
        "    freshness: {column: x, max_age: 7 days}\n",
        "    rules: [{id: r, expr: x > 1}, {id: r, expr: x > 2}]\n",
        "    show: 21\n",
        "    tolerate: {freshness: {fail_if: '> 2 rows'}}\n    freshness: {column: x, max_age: 1d}\n",
    ],
)
def test_keys_that_decide_nothing_are_refused(policy: Make, more: str) -> None:
    with pytest.raises(InvalidPolicy):
        policy(gate(more, "x: {}"))


def test_freshness_of_a_column_of_numbers_is_refused(policy: Make) -> None:
    with pytest.raises(InvalidPolicy, match="holds no times"):
        policy(gate("    freshness: {column: x, max_age: 1d}\n", "x: {dtype: int64}"))


def test_a_rule_over_a_missing_column_fails(run: Callable[..., dict[str, CheckResult]]) -> None:
    found = run(gate("    rules: [{id: r, expr: x < y and z > 1}]\n"), ("x",), [(1,)])["rules.r"]
    assert (found.verdict, found.reason) == ("fail", "there is no column y and no column z")


# --------------------------------------------------------------------------- what is shown, and replay


def shown(policy: Policy, path: Path) -> tuple[str, Any]:
    outcome = judge.evaluate(policy, path, data_digest="0" * 64)
    return str(outcome.as_json()), outcome.evidence["tallies"]["data"]["tallies"]


def test_failing_values_stand_in_the_erasable_evidence_and_never_in_the_entry(policy: Make, write: Write) -> None:
    path = write(("x",), [("SECRET",)] * 3 + [("OTHER",)] * 2 + [("RARE",), ("a",), ("a",)])
    text = gate("    show: 2\n", "x: {isin: [a], unique: true, dtype: int64}")
    entry, tallies = shown(policy(text), path)
    assert not re.search("SECRET|OTHER|RARE", entry)
    assert "the erasable evidence says which values" in entry
    said = {tally["predicate"]["name"]: tally.get("shown") for tally in tallies}
    assert said == {
        "dtype": [["SECRET", 3], ["OTHER", 2]],
        "nullable": None,
        "unique": [["SECRET", 3], ["OTHER", 2]],
        "isin": [["SECRET", 3], ["OTHER", 2]],
    }
    assert "shown" not in str(shown(policy(gate("", "x: {isin: [a]}")), path)[1]), "nothing unless it is asked for"


def test_of_personal_values_only_the_shape_is_shown(policy: Make, write: Write) -> None:
    path = write(("x", "y"), [("Müller-42", 1), ("Meyer-17", 2), ("a", 3)])
    text = gate("    show: 3\n    rules: [{id: r, expr: x = 'a' and y > 0}]\n", "x: {regex: a, personal: true}")
    _, tallies = shown(policy(text), path)
    assert [tally["shown"] for tally in tallies if "shown" in tally] == [
        [["xxxxx-99", 1], ["xxxxxx-99", 1]],
        [["xxxxx-99 | 9", 1], ["xxxxxx-99 | 9", 1]],
    ]


def test_other_tolerances_can_be_tried_on_recorded_tallies(policy: Make, write: Write) -> None:
    path = write(("x", "y"), [("", 1)] + [(i, 1) for i in range(9)])
    strict = policy(gate("", "x: {dtype: int64, unique: true, range: [0, 5]}"))
    outcome = judge.evaluate(strict, path, data_digest="0" * 64)
    recorded = canonical.decode(canonical.encode(outcome.evidence))
    path.unlink()
    assert judge.replay(strict, recorded, seed=outcome.seed) == tuple(
        check for check in outcome.checks if check.replay == "counts"
    )
    tolerant = "    tolerate: {x.nullable: {fail_if: '> 10%'}, x.range: {fail_if: '> 3 rows'}}\n"
    again = judge.replay(
        policy(gate(tolerant, "x: {dtype: int64, unique: true, range: [0, 5]}")), recorded, seed=outcome.seed
    )
    assert {check.id: check.verdict for check in again} == {
        "s/x.dtype": "pass",
        "s/x.nullable": "pass",
        "s/x.range": "pass",
    }
    asked_anew = judge.replay(policy(gate("", "x: {range: [0, 6]}")), recorded, seed=outcome.seed)
    assert [check.id for check in asked_anew] == ["s/x.nullable"], "nobody tallied what lies outside 0 to 6"


@pytest.mark.parametrize(
    "tallies",
    [
        [],
        {"rows": 1},
        {"rows": -1, "tallies": []},
        {"rows": True, "tallies": []},
        {"rows": 1, "tallies": [{"looked_at": 1}]},
        {"rows": 1, "tallies": [{"predicate": {}, "looked_at": 1, "missed": 2}]},
        {"rows": 1, "tallies": [{"predicate": {}, "missed": "1"}]},
        {"rows": 1, "tallies": [{"predicate": {}, "more": 1}]},
        {"rows": 1, "tallies": [{"predicate": {}, "newest": 1.5}]},
        {"rows": 1, "tallies": [{"predicate": {}, "shown": [["a"]]}]},
        {"rows": 1, "tallies": [{"predicate": {}, "absent": [1]}]},
    ],
)
def test_tallies_of_another_form_are_refused(tallies: Any) -> None:
    with pytest.raises(InvalidData):
        Tallies.from_json(tallies)


def test_tallies_of_other_rows_than_the_evidence_are_refused() -> None:
    evidence = Evidence(rows=2, tallies={"data": Tallies.of(2, {})}).as_json()
    assert Evidence.from_json(evidence).tallied().rows == 2
    with pytest.raises(InvalidData, match="number of rows"):
        Evidence.from_json({**evidence, "rows": 3})


def test_labels_of_other_spellings_are_allowed_in_text_and_in_types() -> None:
    allowed = OneOf("x", ("1", "true", "a"))
    text = pa.table({"x": ["1", "1.0", "+1e0", "True", "a", "A", " 1", "01"]})
    assert of_table(text, text=True).tally([Tallied(allowed)])[allowed].missed == 2
    for values in ([1, 2], [1.0, math.nan], [True, False]):
        assert of_table(pa.table({"x": values}), text=False).tally([Tallied(allowed)])[allowed].missed == 1

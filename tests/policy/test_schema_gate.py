from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tallystick.errors import InvalidData, Unavailable
from tallystick.policy.document import Policy
from tallystick.policy.engines.conditions import Conditions
from tallystick.policy.evidence import Evidence
from tallystick.policy.gates import schema
from tallystick.policy.judge import Outcome
from tallystick.policy.judge import evaluate as judged
from tallystick.policy.predicates import InRange
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Evaluate = Callable[[Policy, Path], Outcome]
Write = Callable[..., Path]


def gate(columns: str, more: str = "") -> str:
    return f"  - id: s\n    type: schema\n    columns:\n      {columns}\n{more}"


def checks(outcome: Outcome) -> dict[str, CheckResult]:
    return {check.id.removeprefix("s/"): check for check in outcome.checks}


@pytest.fixture
def judge(policy: Make, evaluate: Evaluate, write: Write) -> Callable[..., dict[str, CheckResult]]:
    """Judge one CSV column x under a column rule."""

    def run(rule: str, values: list[object], more: str = "") -> dict[str, CheckResult]:
        path = write(("x", "other"), [(value, 1) for value in values])
        return checks(evaluate(policy(gate(f"x: {rule}", more)), path))

    return run


@pytest.mark.parametrize(
    ("rule", "good", "bad", "kind"),
    [
        ("{dtype: int64}", [1, -2, "+3", 2**63 - 1], ["1.0", "one", 2**63, "", "1e3"], "dtype"),
        ("{dtype: uint8}", [0, 255], [256, -1], "dtype"),
        ("{dtype: float64}", ["1", "-.5", "1e3", "2."], ["x", "1,5", "--1"], "dtype"),
        ("{dtype: bool}", ["true", "False"], ["1", "yes"], "dtype"),
        ("{dtype: date}", ["2026-11-21"], ["2026-13-01", "2026-02-30", "21.11.2026"], "dtype"),
        ("{dtype: timestamp}", ["2026-11-21T10:00:00Z", "2026-11-21 10:00"], ["2026-11-21", "10:00"], "dtype"),
        ("{nullable: false}", ["a", " "], [""], "nullable"),
        ("{unique: true}", ["a", "b", "1"], ["a"], "unique"),
        ("{range: [0, 1]}", [0, 1, "0.5"], [-0.001, 1.001, "nan", "inf", "x"], "range"),
        ("{range: [null, 1]}", [-5, 1], [2, "nan"], "range"),
        ("{range: [0, null]}", [0, 10**30], [-1, "nan"], "range"),
        ("{isin: [a, b, 1]}", ["a", "b", "1", "1.0"], ["A", "c", "2", " a"], "isin"),
        ("{isin: [true, 'null']}", ["true", "True", "null"], ["false", "1"], "isin"),
        ('{regex: "AC-[0-9]{2}"}', ["AC-12"], ["AC-123", "xAC-12", "AC-12\n", "ac-12"], "regex"),
        ('{regex: "a|ab"}', ["a", "ab"], ["abb", "b"], "regex"),
    ],
)
def test_good_values_pass_and_each_bad_one_is_counted(
    judge: Callable[..., dict[str, CheckResult]], rule: str, good: list[object], bad: list[object], kind: str
) -> None:
    passed = judge(rule, good)
    assert {check.verdict for check in passed.values()} == {"pass"}
    others = {"dtype": "nullable: true, ", "range": "nullable: true, "}.get(kind, "")
    failed = judge(rule.replace("{", "{" + others, 1), [*good, *bad])[f"x.{kind}"]
    missed = len([value for value in bad if value != "" or kind == "nullable"])
    assert failed.verdict == "fail"
    assert failed.value == missed / (len(good) + len(bad))
    assert failed.reason.startswith(f"{missed} of {len(good) + len(bad)} rows")


def test_nan_does_not_slip_through_a_range(policy: Make, evaluate: Evaluate, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": [0.5, float("nan"), None]}), path)
    rule = "x: {dtype: float64, range: [0, 1], nullable: true%s}"
    strict = checks(evaluate(policy(gate(rule % "")), path))
    assert {name: check.verdict for name, check in strict.items()} == {
        "x.dtype": "pass",
        "x.nan": "fail",
        "x.range": "fail",
    }
    assert strict["x.range"].value == 1 / 3, "a missing value is the business of nullable"
    allowed = checks(evaluate(policy(gate(rule % ", nan: allow")), path))
    assert {name: check.verdict for name, check in allowed.items()} == {"x.dtype": "pass", "x.range": "pass"}


def test_parquet_keeps_its_types_and_another_type_fails(policy: Make, evaluate: Evaluate, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32()), "b": ["x", "y"], "c": [True, None]}), path)
    rule = "a: {dtype: int64}\n      b: {dtype: string}\n      c: {dtype: bool, nullable: true}"
    found = checks(evaluate(policy(gate(rule)), path))
    assert found["a.dtype"].verdict == "fail"
    assert "a is of type int32; the policy wants int64" in found["a.dtype"].reason
    assert (found["b.dtype"].verdict, found["c.dtype"].verdict) == ("pass", "pass")


def test_isin_and_regex_on_numbers_and_range_on_text_of_parquet(
    policy: Make, evaluate: Evaluate, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3], "t": ["0.5", "7", "x"], "flag": [True, False, True]}), path)
    rule = "a: {isin: [1, 2], regex: '[0-9]'}\n      t: {range: [0, 1]}\n      flag: {range: [0, 1]}"
    found = checks(evaluate(policy(gate(rule)), path))
    assert found["a.isin"].value == pytest.approx(1 / 3)
    assert found["a.regex"].verdict == "pass"
    assert found["t.range"].value == pytest.approx(2 / 3)
    assert found["flag.range"].value == 1.0, "flags are no numbers"


def test_a_missing_column_fails_each_of_its_checks(policy: Make, evaluate: Evaluate, write: Write) -> None:
    path = write(("x",), [(1,)])
    tolerate = "    tolerate: {y.nullable: {warn_if: '> 0'}}\n"
    outcome = evaluate(policy(gate("y: {dtype: int64}\n      z: {nullable: true}", tolerate)), path)
    assert {check.id: check.verdict for check in outcome.checks} == {
        "s/y.dtype": "fail",
        "s/y.nullable": "fail",
        "s/z.present": "fail",
    }
    assert outcome.checks[0].reason == "there is no column y"


@pytest.mark.parametrize("name", ["c0", "c1", "f"])
def test_a_missing_column_is_missing_whatever_its_name(
    policy: Make, evaluate: Evaluate, write: Write, name: str
) -> None:
    """Within SQL columns are called c0, c1, ...: such a name in a policy must not find one of those."""
    outcome = evaluate(policy(gate(f"{name}: {{nullable: false}}")), write(("x", "y"), [(1, 1)]))
    assert outcome.checks[0].reason == f"there is no column {name}"


def test_a_tolerance_counts_the_share_of_rows(judge: Callable[..., dict[str, CheckResult]]) -> None:
    more = "    tolerate: {x.isin: {warn_if: '> 0', fail_if: '> 1%'}}\n"
    for bad, verdict in ((0, "pass"), (1, "warn"), (2, "fail")):
        check = judge("{isin: [a]}", ["a"] * (100 - bad) + ["b"] * bad, more)["x.isin"]
        assert check.verdict == verdict
    assert "2 of 100 rows (2.00 %) miss this: x is one of a; the policy tolerates a share of at most 1%" in check.reason


def test_too_few_rows_fail(judge: Callable[..., dict[str, CheckResult]]) -> None:
    check = judge("{nullable: true}", [1, 2], "    rows: {min: 3}\n")["rows"]
    assert (check.verdict, check.value) == ("fail", 2.0)


def test_an_empty_table_is_never_green(policy: Make, evaluate: Evaluate, write: Write) -> None:
    outcome = evaluate(policy(gate("x: {dtype: int64}", "    rows: {min: 1}\n")), write(("x",), []))
    assert {check.id: check.verdict for check in outcome.checks} == {
        "s/rows": "fail",
        "s/x.dtype": "not_evaluable",
        "s/x.nullable": "not_evaluable",
    }
    assert outcome.verdict == "fail"


def test_a_result_says_how_many_and_never_which(judge: Callable[..., dict[str, CheckResult]]) -> None:
    found = judge("{isin: [a], regex: a, range: [0, 1], dtype: string}".replace(", range: [0, 1]", ""), ["a", "SECRET"])
    assert found["x.isin"].verdict == "fail"
    assert "SECRET" not in str([check.as_json() for check in found.values()])


def test_a_regex_takes_linear_time(judge: Callable[..., dict[str, CheckResult]]) -> None:
    """With backtracking this one would take longer than the universe has."""
    assert judge('{regex: "(a+)+$"}', ["a" * 5_000 + "b"])["x.regex"].verdict == "fail"


def test_the_self_test_finds_every_injected_defect() -> None:
    schema.self_test()


@pytest.mark.parametrize("answer", ["TRUE", "FALSE", "NULL", "CAST(NULL AS BOOLEAN)"])
def test_an_engine_that_finds_nothing_or_everything_is_an_error_and_not_green(
    policy: Make, evaluate: Evaluate, write: Write, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(Conditions, "of", lambda self, predicate: answer)
    outcome = evaluate(policy(gate("x: {dtype: int64, unique: true}")), write(("x",), [(1,)]))
    assert (outcome.verdict, {check.verdict for check in outcome.checks}) == ("error", {"error"})
    assert "did not find an injected defect" in outcome.checks[0].reason
    with pytest.raises(Unavailable, match="none of: dtype, nullable, nan"):
        schema.self_test()


def test_an_engine_that_falls_silent_after_its_self_test_is_an_error_and_not_green(
    policy: Make, evaluate: Evaluate, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Conditions.of
    monkeypatch.setattr(
        Conditions, "of", lambda self, p: "CAST(NULL AS BOOLEAN)" if "x" in self.columns else real(self, p)
    )
    outcome = evaluate(policy(gate("x: {nullable: false}")), write(("x",), [(1,)]))
    assert (outcome.verdict, {check.verdict for check in outcome.checks}) == ("error", {"error"})
    assert outcome.checks[0].reason == "the check looked at 0 of 1 rows"


# --------------------------------------------------------------------------- what a file says of its values


def test_nan_is_seen_where_the_footer_does_not_tell_of_it(policy: Make, evaluate: Evaluate, tmp_path: Path) -> None:
    """The smallest and largest value that Arrow writes leave NaN out (https://github.com/duckdb/duckdb/issues/25521)."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.array([float("nan"), 0.0, 1.0], from_pandas=False)}), path)
    found = checks(evaluate(policy(gate("x: {dtype: float64, range: [0, 2]}")), path))
    assert {name: check.verdict for name, check in found.items()} == {
        "x.dtype": "pass",
        "x.nullable": "pass",
        "x.nan": "fail",
        "x.range": "fail",
    }


@pytest.mark.parametrize("kind", ["double", "int64"])
def test_a_footer_that_lies_about_the_largest_value_is_not_believed(
    policy: Make, evaluate: Evaluate, tmp_path: Path, kind: str
) -> None:
    path, form = tmp_path / "x.parquet", "<d" if kind == "double" else "<q"
    pq.write_table(pa.table({"x": pa.array([0, 500] * 100, pa.type_for_alias(kind))}), path, use_dictionary=False)
    relabel(path, struct.pack(form, 500), struct.pack(form, 1))
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).statistics.max == 1
    outcome = evaluate(policy(gate("x: {range: [0, 1], nan: allow}", "    show: 3\n")), path)
    assert checks(outcome)["x.range"].value == 0.5
    tallies = Evidence.from_json(outcome.evidence).tallied()
    assert [n for _, n in tallies[InRange("x", 0, 1, nan=True)].shown] == [100], "the values are looked for, too"


NULLS_64 = b"\x16\x80\x01\x28"
"""Of Thrift's compact protocol: 64 as the third field of the statistics, before the smallest and largest value."""


@pytest.mark.parametrize("folder", [False, True])
def test_a_footer_that_lies_about_missing_values_is_not_believed(policy: Make, tmp_path: Path, *, folder: bool) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.parquet"
    data = path.parent if folder else path
    pq.write_table(pa.table({"x": pa.array([None] * 64 + list(range(64)))}), path)
    relabel(path, NULLS_64, b"\x16\x80\x00\x28")
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).statistics.null_count == 0
    missing = checks(judged(policy(gate("x: {dtype: int64}")), data, data_digest="0" * 64))["x.nullable"]
    assert (missing.verdict, missing.value) == ("fail", 0.5)


@pytest.mark.parametrize("folder", [False, True])
def test_a_footer_that_says_that_all_is_missing_is_looked_at(policy: Make, tmp_path: Path, *, folder: bool) -> None:
    """The engine's reader believes it, and no value would be outside of any range."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "x.parquet"
    data, asked = path.parent if folder else path, policy(gate("x: {nullable: true, unique: true, range: [0, 1]}"))
    everything = {"x": pa.array([None] * 66, pa.int64()), "deep": [{"y": None}] * 66}
    pq.write_table(pa.table(everything), path)
    assert checks(judged(asked, data, data_digest="0" * 64))["x.range"].verdict == "pass"
    pq.write_table(pa.table(everything | {"x": pa.array([None] * 64 + [7, 7])}), path)
    assert checks(judged(asked, data, data_digest="0" * 64))["x.range"].value == 2 / 66
    relabel(path, NULLS_64, b"\x16\x84\x01\x28")
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).statistics.null_count == 66
    with pytest.raises(InvalidData, match=r"x\.parquet: the file says that values are missing which are there"):
        judged(asked, data, data_digest="0" * 64)


def test_a_nested_column_cannot_hide_that_one_of_its_spelling_has_values(policy: Make, tmp_path: Path) -> None:
    """The part ``b`` of ``a`` is spelled as the flat column ``a.b`` is."""
    path, asked = tmp_path / "x.parquet", policy(gate("a.b: {nullable: true, range: [0, 100]}"))
    nothing = pa.array([None] * 66, pa.struct([("b", pa.int64())]))
    pq.write_table(pa.table({"a": nothing, "a.b": pa.array([None] * 64 + [700, 700])}), path)
    assert checks(judged(asked, path, data_digest="0" * 64))["a.b.range"].value == 2 / 66
    relabel(path, NULLS_64, b"\x16\x84\x01\x28")
    assert pq.ParquetFile(path).metadata.row_group(0).column(1).statistics.null_count == 66
    with pytest.raises(InvalidData, match=r"x\.parquet: the file says that values are missing which are there"):
        judged(asked, path, data_digest="0" * 64)


def relabel(path: Path, old: bytes, new: bytes) -> None:
    """Change what the footer of a Parquet file says."""
    content = path.read_bytes()
    footer = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    assert old in content[footer:]
    path.write_bytes(content[:footer] + content[footer:].replace(old, new))


def test_more_checks_than_one_scan_carries_are_all_carried_out(policy: Make, evaluate: Evaluate, write: Write) -> None:
    names = [f"c{place}" for place in range(1_100)]
    path = write(names, [["" if place % 7 == row else 1 for place in range(1_100)] for row in range(3)])
    found = checks(evaluate(policy(gate("\n      ".join(f"{name}: {{}}" for name in names))), path))
    assert [found[f"{name}.nullable"].verdict == "fail" for name in names] == [place % 7 < 3 for place in range(1_100)]

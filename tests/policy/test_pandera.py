"""Schemas of pandera: what is read, what is refused, and that pandera and the gate find the same defects."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.io.pandas_io import deserialize_schema, serialize_schema

from tallystick.errors import InvalidPolicy
from tallystick.policy import judge
from tallystick.policy.document import Policy, load, parse
from tallystick.policy.pandera_yaml import translated

Check = pa.Check
SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column("int64", unique=True),
        "region": pa.Column(str, Check.isin(["north", "south", "east"])),
        "code": pa.Column(str, Check.str_matches("AC-[0-9]{3}$")),
        "score": pa.Column("float64", Check.in_range(0, 1)),
        "share": pa.Column("float64", Check.in_range(0, 1, include_min=False, include_max=False), nullable=True),
        "age": pa.Column("int64", [Check.ge(18), Check.le(99)]),
        "amount": pa.Column("float64", Check.gt(0), nullable=True),
        "count": pa.Column("int32", Check.lt(1000)),
        "grade": pa.Column(str, Check.str_length(1, 2)),
        "prefix": pa.Column(str, Check.str_startswith("a.b")),
        "suffix": pa.Column(str, Check.str_endswith("$")),
        "inside": pa.Column(str, Check.str_contains("x+y")),
        "not_zero": pa.Column("int64", Check.ne(0)),
        "one": pa.Column("int64", Check.eq(1)),
        "label": pa.Column(str, Check.eq("yes")),
        "other": pa.Column(str, Check.notin(["bad", "worse"]), nullable=True),
        "digit": pa.Column(str, Check.isin(["1", "2"])),
        "flag": pa.Column(bool),
        "opened": pa.Column("datetime64[ns]", Check.ge(pd.Timestamp("2020-01-01"))),
        "small": pa.Column("int64", Check.isin([1, 2, 3])),
    }
)
DAY = datetime.datetime(2026, 1, 1)
CLEAN: dict[str, Any] = {
    "id": list(range(8)), "region": ["north", "south"] * 4, "code": ["AC-123"] * 8, "score": [0.0, 1.0] * 4,
    "share": [0.5, None] * 4, "age": [18, 99] * 4, "amount": [0.01, None] * 4, "count": [-5, 999] * 4,
    "grade": ["a", "bb"] * 4, "prefix": ["a.b", "a.bc"] * 4, "suffix": ["$", "5$"] * 4, "inside": ["xxy", "axyb"] * 4,
    "not_zero": [-1, 1] * 4, "one": [1] * 8, "label": ["yes"] * 8, "other": ["good", None] * 4, "digit": ["1", "2"] * 4,
    "flag": [True, False] * 4, "opened": [DAY] * 8, "small": [1, 3] * 4,
}  # fmt: skip
DEFECTS: list[tuple[str, Any]] = [
    ("id", 0), ("id", 7), ("region", "North"), ("region", "west"), ("region", ""), ("region", " north"),
    ("region", None), ("code", "AC-12"), ("code", "xAC-123"), ("code", "AC-1234"), ("code", "ac-123"), ("code", None),
    ("score", -0.001), ("score", 1.001), ("score", float("nan")), ("score", float("inf")), ("share", 0.0),
    ("share", 1.0), ("share", -1.0), ("share", float("inf")), ("age", 17), ("age", 100), ("age", -(2**53) - 1),
    ("amount", 0.0),
    ("amount", -0.01), ("amount", float("-inf")), ("count", 1000), ("count", 2**31 - 1), ("grade", ""),
    ("grade", "abc"), ("prefix", "axb"), ("prefix", " a.b"), ("suffix", "$5"), ("suffix", "5$\n"), ("inside", "xa"),
    ("inside", "XY"), ("not_zero", 0), ("one", 2), ("one", -1), ("label", "Yes"), ("label", "yes "), ("other", "bad"),
    ("other", "worse"), ("digit", "1.0"), ("digit", "3"), ("opened", datetime.datetime(2019, 12, 31, 23, 59, 59)),
    ("small", 4), ("small", 0), ("small", -1),
]  # fmt: skip
TYPES = {column: str(part.dtype) for column, part in SCHEMA.columns.items()}
HEAD = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: test/policy, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
gates:
  - {id: s, type: schema, from: schema.yaml}
"""


def frame(values: dict[str, Any]) -> pd.DataFrame:
    made = pd.DataFrame(values)
    return made.astype({"count": "int32", "opened": "datetime64[ns]"})


@pytest.fixture(params=[True, False], ids=["minimal", "full"])
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> Policy:
    written = json.dumps(serialize_schema(SCHEMA, minimal=request.param), default=str)
    (tmp_path / "schema.yaml").write_text(written)
    (tmp_path / "policy.yaml").write_text(HEAD)
    return load(tmp_path / "policy.yaml")


def verdicts(policy: Policy, data: pd.DataFrame) -> dict[str, str]:
    outcome = judge.evaluate(policy, data, data_digest="0" * 64)
    return {check.id.removeprefix("s/"): check.verdict for check in outcome.checks}


def test_clean_data_pass_both(policy: Policy) -> None:
    SCHEMA.validate(frame(CLEAN), lazy=True)
    assert set(verdicts(policy, frame(CLEAN)).values()) == {"pass"}


def test_there_are_enough_defects_of_every_column_that_can_have_one() -> None:
    assert len(DEFECTS) >= 40
    assert {column for column, _ in DEFECTS} == set(CLEAN) - {"flag"}


@pytest.mark.parametrize(("column", "value"), DEFECTS, ids=lambda part: repr(part)[:30])
@pytest.mark.parametrize("policy", [True], ids=["minimal"], indirect=True)
def test_a_defect_is_found_by_both(policy: Policy, column: str, value: Any) -> None:
    values = {name: list(found) for name, found in CLEAN.items()}
    values[column][5] = value
    broken = frame(values)
    with pytest.raises(pa.errors.SchemaErrors):
        SCHEMA.validate(broken, lazy=True)
    failed = {check.removeprefix("rules.") for check, verdict in verdicts(policy, broken).items() if verdict == "fail"}
    assert failed
    assert {check.rpartition(".")[0].replace("-", "_") for check in failed} == {column}


@pytest.mark.parametrize("column", TYPES)
def test_another_type_is_found_by_both(policy: Policy, column: str) -> None:
    broken = frame(CLEAN)
    broken[column] = [1.5] * 8 if TYPES[column] != "float64" else ["text"] * 8
    with pytest.raises(pa.errors.SchemaErrors):
        SCHEMA.validate(broken, lazy=True)
    assert verdicts(policy, broken)[f"{column}.dtype"] == "fail"


def test_the_policy_holds_what_it_took_and_needs_no_file_any_more(policy: Policy, tmp_path: Path) -> None:
    again = parse(policy.source, name="policy.yaml of entry 1")
    assert again.digest == policy.digest
    assert again.plan == policy.plan
    written = (tmp_path / "schema.yaml").read_text()
    (tmp_path / "schema.yaml").write_text(written.replace("north", "north-west"))
    assert load(tmp_path / "policy.yaml").digest != policy.digest
    (tmp_path / "schema.yaml").write_text(written + "\n")
    assert load(tmp_path / "policy.yaml").digest != policy.digest, "the bytes of the file are part of it"


def test_a_reference_in_bytes_alone_is_refused() -> None:
    with pytest.raises(InvalidPolicy):
        parse(HEAD.encode(), name="policy.yaml")


@pytest.mark.parametrize(
    "file", ["/etc/passwd", "../x.yaml", "schema.json", "none.yaml", "link.yaml", "a/../../x.yaml"]
)
def test_only_a_yaml_file_beside_the_policy_can_be_named(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (tmp_path / "x.yaml").write_text("schema_type: dataframe\n")
    (folder / "link.yaml").symlink_to(tmp_path / "x.yaml")
    (folder / "policy.yaml").write_text(HEAD.replace("schema.yaml", file))
    with pytest.raises(InvalidPolicy, match=r"policy\.yaml:6:27"):
        load(folder / "policy.yaml")


def test_a_column_of_the_file_cannot_be_written_again(tmp_path: Path) -> None:
    (tmp_path / "schema.yaml").write_text("schema_type: dataframe\ncolumns: {x: {dtype: int64}}\n")
    (tmp_path / "policy.yaml").write_text(HEAD.replace("schema.yaml}", "schema.yaml, columns: {x: {unique: true}}}"))
    with pytest.raises(InvalidPolicy, match=r"column 'x' stands in the gate and in schema\.yaml"):
        load(tmp_path / "policy.yaml")
    (tmp_path / "policy.yaml").write_text(HEAD.replace("schema.yaml}", "schema.yaml, columns: {y: {unique: true}}}"))
    assert load(tmp_path / "policy.yaml").plan == ("s/x.dtype", "s/x.nullable", "s/y.nullable", "s/y.unique")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema_type: series", "no schema of pandera"),
        ("schema_type: dataframe\ncolumns: null", "names no columns"),
        ("{columns: {x: {dtype: category}}}", "'category' has no translation"),
        ("{columns: {x: {coerce: true}}}", "'coerce' has no translation"),
        ("{columns: {x: {required: false}}}", "'required'"),
        ("{columns: {x: {regex: true}}}", "'regex'"),
        ("{columns: {x: {default: 1}}}", "'default'"),
        ("{columns: {x: {unheard_of: 1}}}", "'unheard_of' has no translation"),
        ("{columns: {x: {unique: true, nullable: true}}}", "compares missing values"),
        ("{columns: {x: {dtype: int64}}, strict: true}", "'strict'"),
        ("{columns: {x: {dtype: int64}}, strict: filter}", "'strict'"),
        ("{columns: {x: {dtype: int64}}, coerce: true}", "'coerce'"),
        ("{columns: {x: {dtype: int64}}, ordered: true}", "'ordered'"),
        ("{columns: {x: {dtype: int64}}, unique: [x, y]}", "single column"),
        ("{columns: {x: {dtype: int64}}, index: [{dtype: int64}]}", "'index'"),
        ("{columns: {x: {dtype: int64}}, checks: {my_check: 1}}", "'checks'"),
        ("{columns: {x: {dtype: int64}}, new_key: 1}", "'new_key'"),
        ("{columns: {x: {checks: {my_check: 1}}}}", "check 'my_check' has no translation"),
        ("{columns: {x: {checks: {unique_values_eq: [1]}}}}", "'unique_values_eq' has no translation"),
        ("{columns: {x: {checks: [{value: 1}]}}}", "no check_name"),
        ("{columns: {x: {greater_than: {min_value: 0, ignore_na: false}}}}", "ignore_na: false"),
        ("{columns: {x: {greater_than: {min_value: 0, raise_warning: true}}}}", "raise_warning: true"),
        ("{columns: {x: {str_matches: a, str_contains: b}}}", "second check of the text"),
        ("{columns: {x: {isin: []}}}", "no list of values"),
        ("{columns: {x: {equal_to: [1]}}}", None),
        ("{columns: {x: {equal_to: {a: 1, b: 2}}}}", None),
        ("{columns: {x: {greater_than: null}}}", "no number, text or flag"),
        ("{columns: [x]}", "names no columns"),
    ],
)  # fmt: skip
def test_what_has_no_translation_is_an_error(text: str, words: str | None) -> None:
    data = text if text.startswith("schema_type") else text.replace("{columns", "{schema_type: dataframe, columns", 1)
    with pytest.raises(InvalidPolicy, match=words) as caught:
        read_with(data)
    assert "schema.yaml:" in str(caught.value)


def read_with(schema: str) -> Policy:
    """A policy that holds what a schema says."""
    taken = json.dumps(translated(schema.encode(), name="schema.yaml"))[1:-1]
    return parse(HEAD.replace("from: schema.yaml", taken).encode(), name="schema.yaml")


@pytest.mark.parametrize("spelling", ["list", "mapping", "flat"])
def test_every_spelling_of_a_check_says_the_same(spelling: str) -> None:
    forms = {
        "list": "checks: [{min_value: 0, max_value: 1, options: {check_name: in_range, ignore_na: true}}]",
        "mapping": "checks: {in_range: {min_value: 0, max_value: 1, options: {raise_warning: false}}}",
        "flat": "in_range: {min_value: 0, max_value: 1}",
    }
    text = f"schema_type: dataframe\ncolumns:\n  x: {{dtype: float64, {forms[spelling]}}}\n"
    assert translated(text.encode(), name="x.yaml") == {
        "columns": {"x": {"nullable": False, "dtype": "float64", "range": [0, 1]}}
    }
    assert (
        deserialize_schema(json.loads(json.dumps(serialize_schema(SCHEMA), default=str))).columns.keys() == CLEAN.keys()
    )


def test_a_reason_is_kept() -> None:
    text = "schema_type: dataframe\ncolumns: {x: {title: T, description: Because, dtype: int64}}"
    assert translated(text.encode(), name="x.yaml")["columns"]["x"]["because"] == "Because"

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.canonical import decode, digest
from tallystick.errors import InvalidPolicy, NotFound
from tallystick.policy import strict_yaml
from tallystick.policy.document import json_schema, load, parse

GOOD = """\
# a comment
apiVersion: tallystick/v1
kind: Policy
metadata:
  id: credit/promotion
  version: 1.2.3
  owner: model-risk
  controls: [euaia-10.2]
applies_to: {stage: production}
inputs:
  columns: {y_true: default, y_pred: approved, score: score, favourable: "yes"}
gates:
  - id: schema.core
    type: schema
    rows: {min: 100}
    columns:
      score: {dtype: float64, range: [0, 1], nullable: true}
      code: {regex: "AC-[0-9]{6}", unique: true}
      free: {nullable: true}
    tolerate: {score.range: {warn_if: "> 0", fail_if: "> 0.01%"}}
  - id: bias.approval
    type: bias
    because: We chose parity.
    sensitive: [sex, [sex, race]]
    metrics:
      - {name: demographic_parity_ratio, fail_if: "< 0.80"}
      - {name: equalized_odds_difference, warn_if: "> 0.10", because: Watched.}
  - id: bench
    type: benchmark
    metrics:
      - {name: accuracy, fail_if: "< 0.78"}
      - {name: roc_auc, warn_if: "< 0.7", optional: true}
"""

PLAN = (
    "schema.core/rows",
    "schema.core/score.dtype",
    "schema.core/score.nan",
    "schema.core/score.range",
    "schema.core/code.nullable",
    "schema.core/code.unique",
    "schema.core/code.regex",
    "schema.core/free.present",
    "bias.approval/sex/demographic_parity_ratio",
    "bias.approval/sex/equalized_odds_difference",
    "bias.approval/sex+race/demographic_parity_ratio",
    "bias.approval/sex+race/equalized_odds_difference",
    "bench/accuracy",
    "bench/roc_auc",
)


def refusal(text: str | bytes, **options: object) -> InvalidPolicy:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(InvalidPolicy) as caught:
        parse(data, name="p.yaml", **options)  # type: ignore[arg-type]
    return caught.value


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def position(text: str, part: str) -> str:
    """Line and column of the first place where the part stands; a list item stands where its text begins."""
    start = text.index(part) + (2 if part.startswith("- ") else 0)
    return f"{text.count(chr(10), 0, start) + 1}:{start - text.rfind(chr(10), 0, start)}"


def test_a_policy_says_what_it_is_and_what_it_will_check() -> None:
    policy = parse(GOOD.encode(), name="p.yaml")
    assert (policy.id, policy.version, policy.owner, policy.stage) == (
        "credit/promotion",
        "1.2.3",
        "model-risk",
        "production",
    )
    assert policy.plan == PLAN
    assert policy.controls == ("euaia-10.2",)
    assert policy.favourable == "yes"
    assert policy.source == GOOD.encode()
    assert set(policy.gate_of) == set(PLAN)


def test_the_digest_is_that_of_the_canonical_document_as_written() -> None:
    policy = parse(GOOD.encode(), name="p.yaml")
    assert policy.digest == digest(policy.canonical)
    assert decode(policy.canonical, canonical=True)["metadata"]["version"] == "1.2.3"
    assert b"min_group" not in policy.canonical, "defaults must not enter the digest"
    assert policy.digest == parse(GOOD.encode(), name="elsewhere.yaml").digest


def test_layout_and_comments_do_not_change_the_digest_and_values_do() -> None:
    digests = {
        text: parse(text.encode(), name="p").digest
        for text in (
            GOOD,
            GOOD.replace("# a comment", "# another"),
            changed("{stage: production}", "\n  stage: 'production'"),
            changed('"< 0.80"', '"< 0.81"'),
        )
    }
    first, comment, layout, value = digests.values()
    assert first == comment == layout != value


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("sensitive:", "senstive:", "senstive", "did you mean 'sensitive'"),
        ("type: bias", "type: bais", "type: bais", "unknown gate type 'bais'. Did you mean 'bias'?"),
        ("type: bias", "tpe: bias", "id: bias", "has no type"),
        ("name: accuracy", "name: acuracy", "name: acu", "Did you mean 'accuracy'?"),
        ("regex:", "regx:", "regx", "Did you mean 'regex'?"),
        ("  owner: model-risk\n", "", "metadata:", "metadata.owner is missing"),
        ("owner: model-risk", "owner: jo@bank.example", "owner:", "address"),
        ("version: 1.2.3", "version: 1.2", "version:", "metadata.version"),
        ("id: bench\n", "id: bias.approval\n", "id: bias.approval\n    type: benchmark", "stands twice"),
        ('"< 0.80"', '"< 0"', 'fail_if: "< 0"', "can never be reached"),
        ('"< 0.80"', '"<= -0.1"', 'fail_if: "<= -', "can never be reached"),
        ('"< 0.80"', '"<= 1"', 'fail_if: "<= 1', "always reached"),
        ('"< 0.80"', '"> 0.80"', 'fail_if: "> 0.80', "wrong way"),
        ('"< 0.80"', '"< nan"', 'fail_if: "< nan', "not a finite number"),
        ('"< 0.80"', '"< 1e999"', 'fail_if: "< 1e999', "not a finite number"),
        ('"< 0.80"', '"< 80%"', 'fail_if: "< 80%', "percentage"),
        ('"< 0.80"', '"below 0.80"', 'fail_if: "below', "not of the form"),
        ('"< 0.80"', "0.80", "fail_if: 0.80", "fail_if"),
        (', fail_if: "< 0.80"', "", "{name: demographic", "checks nothing"),
        ('warn_if: "> 0", fail', 'warn_if: "> 1", fail', 'warn_if: "> 1', "never be reached"),
        ('"> 0", fail_if: "> 0.01%"', '"> 0.1", fail_if: "> 1%"', 'warn_if: "> 0.1", f', "never reached before"),
        ("score.range:", "score.rnge:", "score.rnge", "no check 'score.rnge'"),
        ('favourable: "yes"', "favourable: ''", "favourable: ''", "favourable"),
        ("sensitive: [sex, [sex, race]]", "sensitive: []", "sensitive", "sensitive"),
        ("sensitive: [sex, [sex, race]]", "sensitive: [sex, sex]", "gates:", "two checks have the id"),
        ("sensitive: [sex, [sex, race]]", "sensitive: [[sex, sex]]", "[sex, sex]", "twice"),
        ("[sex, [sex, race]]", "[sex]\n    require_groups: {race: [a]}", "race: [a]", "never looked at"),
        ('regex: "AC-[0-9]{6}"', r'regex: "(a)\\1"', 'regex: "(a)', "back-reference"),
        ('regex: "AC-[0-9]{6}"', 'regex: "(?=a)"', 'regex: "(?', "look-around"),
        ('regex: "AC-[0-9]{6}"', 'regex: "("', 'regex: "(', "cannot be read"),
        ('regex: "AC-[0-9]{6}"', 'dtype: int64, regex: "1"', 'regex: "1', "a regex needs text"),
        ("range: [0, 1]", "range: [1, 0]", "range: [1, 0", "begins at 1"),
        ("range: [0, 1]", "range: [null, null]", "range: [null", "checks nothing"),
        ("dtype: float64, range", "dtype: string, range", "range: [0, 1]", "needs numbers"),
        ("unique: true", "nan: allow", "nan: allow", "can hold NaN"),
        ("optional: true", "optional: 1", "optional: 1", "optional"),
        ("{name: accuracy, ", "{name: accuracy, optional: true, ", "optional: true, fail", "cannot be optional"),
        ("score: score, ", "", "- id: bench", "roc_auc needs inputs.columns.score"),
        ("type: benchmark", "type: benchmark\n    decision: maybe", "decision: maybe", "known are point"),
        ("{name: accuracy, fail_if:", "{name: brier, fail_if:", 'fail_if: "< 0.78', "wrong way"),
        ("controls: [euaia-10.2]", "controls: [euaia-10.22]", "euaia-10.22", "Did you mean 'euaia-10.2'?"),
        ("apiVersion: tallystick/v1", "apiVersion: tallystick/v2", "apiVersion", "tallystick/v1"),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, place: str, words: str) -> None:
    text = changed(old, new)
    error = refusal(text, controls={"euaia-10.2", "regb-di"})
    assert words.lower() in str(error).lower()
    assert error.where == f"p.yaml:{position(text, place)}"


def test_all_mistakes_are_gathered_and_the_first_leads() -> None:
    text = changed("regex:", "regx:").replace("type: benchmark", "type: bench").replace("name: equal", "name: unequal")
    text = text.replace('"< 0.80"', '"< 0"')
    error = refusal(text)
    assert error.where == f"p.yaml:{position(text, 'regx')}"
    for part in ("regx", "unequal", "never be reached", "'bench'"):
        assert part in str(error)


def test_more_than_five_mistakes_are_counted() -> None:
    keys = "".join(f"wrong{i}: 1\n" for i in range(8))
    assert "and 3 more" in str(refusal(GOOD + keys))


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\na: 2\n", "2:1", "stands twice"),
        ("a: &x 1\n", "1:4", "anchors"),
        ("a: *x\n", "1:4", "aliases"),
        ("a: {<<: {b: 1}}\n", "1:5", "merge keys"),
        ("a: !!python/object:os.system x\n", "1:4", "tags"),
        ("a: !x 1\n", "1:4", "tags"),
        ("a: 1\n---\nb: 1\n", "2:1", "second document"),
        ("%YAML 1.1\n---\na: 1\n", "2:1", "directives"),
        ("[a, b]: 1\n", "1:1", "plain text"),
        ("a: .nan\n", "1:4", "finite"),
        ("a: -.INF\n", "1:4", "finite"),
        ("a: 1e999\n", "1:4", "too large"),
        ("a: 9007199254740993\n", "1:4", "too large"),
        ("a: " + "[" * 40 + "]" * 40, "1:36", "deeply"),
        ("a: [1\n", "2:1", "not YAML"),
        ("a: @\n", "1:4", "not YAML"),
        ("a: cafe\u0301\n", "1:4", "normal form C"),
        ('a: "\\ud800"\n', "1:4", "surrogate"),
        ("", "1:1", "empty"),
        ("just text\n", "1:1", "mapping"),
    ],
)
def test_yaml_that_could_be_read_in_two_ways_is_refused(text: str, place: str, words: str) -> None:
    error = refusal(text)
    assert words in str(error)
    assert error.where == f"p.yaml:{place}"


def test_bytes_that_are_no_text_or_too_many_are_refused() -> None:
    assert refusal(b"a: 1\nb: \xff\n").where == "p.yaml:2:4"
    assert "too large" in str(refusal(b"#" * (strict_yaml.MAX_SIZE + 1)))


def test_plain_scalars_are_read_as_json_reads_them() -> None:
    text = b"a: [no, on, 010, 1_000, 0x1f, 12:30, 2026-01-01, nan, yes, null, true, 1, -0.5, 1e3, '1']"
    assert strict_yaml.parse(text, name="x").value["a"] == [
        "no", "on", "010", "1_000", "0x1f", "12:30", "2026-01-01", "nan", "yes", None, True, 1, -0.5, 1000.0, "1",
    ]  # fmt: skip


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_in_another_way(data: bytes) -> None:
    with contextlib.suppress(InvalidPolicy):
        parse(data, name="x")


KEYS = st.sampled_from(["apiVersion", "kind", "metadata", "gates", "id", "type", "columns", "metrics"])
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab:{[", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(SHAPES)
def test_no_shape_makes_the_reader_fail_in_another_way(value: object) -> None:
    with pytest.raises(InvalidPolicy):
        parse(json.dumps(value).encode(), name="x")


@pytest.mark.parametrize(
    "gates",
    [
        "gates: []",
        "gates: [{id: s, type: schema}]",
        "gates: [{id: s, type: schema, columns: {}}]",
        "gates: [{id: b, type: bias, sensitive: [sex], metrics: []}]",
        "gates: [{id: b, type: bias, sensitive: [sex], metrics: [{name: demographic_parity_ratio, warn_if: '< 0.8'}]}]",
        "",
    ],
)
def test_a_policy_that_checks_nothing_is_refused(head: str, gates: str) -> None:
    refusal(head + gates + "\n")


def test_a_policy_without_outcomes_cannot_have_gates_that_need_them(head: str) -> None:
    text = "\n".join(line for line in head.splitlines() if not line.startswith("inputs"))
    gates = "\ngates: [{id: b, type: benchmark, metrics: [{name: accuracy, fail_if: '< 0.8'}]}]\n"
    assert "needs inputs.columns" in str(refusal(text + gates))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InvalidPolicy):
        load(tmp_path)


def test_explain_has_a_sentence_for_every_check_in_order() -> None:
    policy = parse(GOOD.encode(), name="p.yaml")
    sentences = policy.planned
    assert [one.id for one in sentences] == list(PLAN)
    assert any("wants at least 0.80" in one.demand and "We chose parity." in one.because for one in sentences)
    assert any("Watched." in one.because for one in sentences)


def test_the_json_schema_knows_every_key() -> None:
    schema = json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"SchemaGate", "BiasGate", "BenchmarkGate"} <= set(schema["$defs"])
    assert schema["$defs"]["MinGroup"]["properties"]["n"]["default"] == 100
    assert all(part.get("additionalProperties") is False for part in schema["$defs"].values() if "properties" in part)


def test_the_defaults_of_v1_stand_still() -> None:
    """They are no part of the digest, so changing one would change what old policies mean."""
    gate = parse(GOOD.encode(), name="p").gates[1]
    assert gate.model_dump(exclude={"metrics", "sensitive", "because", "advice"}) == {
        "id": "bias.approval",
        "when": None,
        "type": "bias",
        "missing_group": "as_group",
        "max_depth": 1,
        "min_group": {
            "n": 100,
            "positives": 30,
            "on_small": "not_evaluable",
            "max_excluded_share": 0.02,
            "pool": False,
        },
        "require_groups": {},
        "decision": "point",
        "interval": {"method": "multinomial_bootstrap", "n": 10_000, "seed": "from_digest"},
        "family": None,
    }
    assert parse(GOOD.encode(), name="p").confidence == 0.95


def test_reading_a_policy_loads_nothing_heavy(python: Callable[..., Any]) -> None:
    heavy = "duckdb numpy pandas pandera pyarrow sklearn fairlearn"
    code = f"import sys, tallystick.policy.document; print([m for m in {heavy.split()!r} if m in sys.modules])"
    assert python(code).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("y_true: hired, y_pred: hired", "the true and the predicted outcome are one column, 'hired'"),
        ("y_true: hired, y_pred: said, score: hired", "the true outcome and the score are one column, 'hired'"),
        ("y_true: hired, y_pred: said, id: hired", "the id is a column of outcomes or scores, 'hired'"),
        ("y_true: hired, y_pred: said, score: p, id: p", "the id is a column of outcomes or scores, 'p'"),
    ],
)
def test_a_column_that_is_compared_with_itself_is_refused(columns: str, words: str) -> None:
    text = GOOD.replace("y_true: default, y_pred: approved, score: score", columns)
    with pytest.raises(InvalidPolicy, match=words):
        parse(text.encode(), name="p.yaml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('fail_if: "< 0.78"', 'pass_if: "> 0.78"', "use fail_if the other way"),
        ("version: 1.2.3", "version: 1.2", "three numbers"),
        ("min: 100", "min: many", "must be a whole number"),
        ("owner: model-risk", "owner: [a]", "must be text"),
        ("type: benchmark", "type: house", "distribution that brings this gate is not installed"),
        ("because: We chose parity.", "when: model.vresion > 1", r"did you mean model\.version\?"),
    ],
)
def test_a_problem_is_told_in_our_own_words(old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidPolicy, match=f"(?i){words}") as caught:
        parse(GOOD.replace(old, new, 1).encode(), name="p.yaml")
    assert "should" not in str(caught.value)


def test_each_of_several_problems_stands_beside_its_own_remedy() -> None:
    text = GOOD.replace("gates:", "gatez: 1\ngates:").replace("name: accuracy", "name: acuracy")
    with pytest.raises(InvalidPolicy, match=r"(?s)unknown key 'gatez' \(did you mean 'gates'\?\); line .*'accuracy'\?"):
        parse(text.encode(), name="p.yaml")

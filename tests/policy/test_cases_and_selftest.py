"""What a policy would say: its cases, and a defect for each of its checks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.cli.main import run
from tallystick.errors import InvalidPolicy, NotFound
from tallystick.policy import cases
from tallystick.policy.document import Policy
from tallystick.policy.selftest import examine

Make = Callable[[str], Policy]
ROOT = Path(__file__).resolve().parents[2]

AT = "2026-11-22T09:00:00.000000Z"
GATES = """\
  - {id: s, type: schema, rows: {min: 10}, columns: {sex: {isin: [F, M]}}}
  - {id: b, type: bias, sensitive: [sex], metrics: [{name: demographic_parity_ratio, fail_if: "< 0.8"}]}
  - {id: q, type: benchmark, metrics: [{name: accuracy, fail_if: "< 0.5"}]}
  - {id: e, type: expr, lang: cel, expr: "metric.latency < 50.0"}
  - {id: d, type: drift, metrics: [{column: sex, method: psi, fail_if: ">= 0.25"}]}
"""
FAIR = """\
- name: fair
  counts: &
    - {n: 100, sex: F, y_true: 1, y_pred: 1}
    - {n: 100, sex: F, y_true: 0, y_pred: 0}
    - {n: 100, sex: M, y_true: 1, y_pred: 1}
    - {n: 100, sex: M, y_true: 0, y_pred: 0}
  baseline: [{n: 1, sex: F}, {n: 1, sex: M}]
  facts: {metric: {latency: 42.5}}
  expect: {policy: pass, b/sex/demographic_parity_ratio: pass, s: pass, e: pass}
""".replace(" &", "")
UNFAIR = """\
- name: nobody of one sex is favoured
  counts:
    - {n: 100, sex: F, y_true: 1, y_pred: 0}
    - {n: 100, sex: F, y_true: 0, y_pred: 0}
    - {n: 100, sex: M, y_true: 1, y_pred: 1}
    - {n: 100, sex: M, y_true: 0, y_pred: 0}
  expect: {policy: error, b: fail, e/expr: error, d/sex/psi: error}
- name: a stranger
  rows:
    - {sex: X, y_true: 1, y_pred: 1}
    - {sex: F, y_true: 0, y_pred: 0}
  expect: {s/sex.isin: fail, s: fail, b: not_evaluable}
- name: no predictions
  rows: [{sex: F}]
  expect: {policy: error}
"""


def tried(policy: Policy, text: str, folder: Path) -> list[cases.Finding]:
    found = cases.parse(text.encode(), policy, name="cases.yaml")
    return [finding for case in found for finding in cases.try_case(policy, case, folder)]


def test_cases_come_to_what_they_expect(policy: Make, tmp_path: Path) -> None:
    findings = tried(policy(GATES), FAIR + UNFAIR.replace("b: not_evaluable", "b: inconclusive"), tmp_path)
    assert [(finding.case, finding.of, finding.got) for finding in findings if not finding.holds] == [
        ("a stranger", "b", "not_evaluable")
    ], "the one that expects otherwise, and no other"


def test_a_check_of_which_no_case_expects_anything_is_listed(policy: Make) -> None:
    given = cases.parse(FAIR.encode(), policy(GATES), name="c")
    assert list(cases.uncovered(policy(GATES), given)) == ["q/accuracy", "d/sex/psi"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "there are no cases"),
        ("a: 1", "there are no cases"),
        ("- {rows: [{a: 1}], expect: {policy: pass}}", "not of the known form"),
        ("- {name: x, rows: [{a: 1}], expects: {policy: pass}}", "not of the known form"),
        ("- {name: x, rows: [{a: 1}]}", "expects nothing"),
        ("- {name: x, rows: [{a: 1}], expect: {}}", "expects nothing"),
        ("- {name: x, rows: [{a: 1}], expect: {policies: pass}}", "no check or gate 'policies'"),
        ("- {name: x, rows: [{a: 1}], expect: {policy: green}}", "'green' is no verdict"),
        ("- {name: x, expect: {policy: pass}}", "either rows or counts"),
        ("- {name: x, rows: [], counts: [], expect: {policy: pass}}", "either rows or counts"),
        ("- {name: x, counts: [{n: -1}], expect: {policy: pass}}", "not a whole number"),
        ("- {name: x, counts: [{n: 1000001}], expect: {policy: pass}}", "more than 1,000,000 rows"),
        ("- {name: x, rows: [{a: [1]}], expect: {policy: pass}}", "a mapping of columns"),
        ("- {name: x, rows: [3], expect: {policy: pass}}", "a mapping of columns"),
        ("- {name: x, counts: 3, expect: {policy: pass}}", "case 'x'"),
        ("- {name: x, rows: [{a: 1}], facts: 3, expect: {policy: pass}}", "facts are a mapping"),
        ("- {name: x, name: y}", "stands twice"),
    ],
)
def test_cases_that_test_nothing_are_refused_with_their_place(policy: Make, text: str, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said) as refusal:
        cases.parse(text.encode(), policy(GATES), name="cases.yaml")
    assert re.match(r"cases\.yaml:\d+:\d+$", str(refusal.value.where))


def test_missing_cases_are_not_found(policy: Make, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        cases.load(cases.beside(tmp_path / "p.yaml"), policy(GATES))
    assert cases.beside(Path("p/credit.yaml")) == Path("p/credit.cases.yaml")


# --------------------------------------------------------------------------- defects


def test_each_check_catches_its_defect(policy: Make, tmp_path: Path) -> None:
    shown = {one.check: one for one in examine(policy(GATES), tmp_path, at=AT)}
    assert list(shown) == list(policy(GATES).plan)
    assert all(one.caught for one in shown.values()), shown
    assert shown["e/expr"].defect == "the facts are gone"


@pytest.mark.parametrize(
    "gate",
    [
        '{id: w, type: bias, sensitive: [[sex, race]], decision: confident, metrics: [{name: equal_opportunity_difference, fail_if: "> 0.2"}]}',  # noqa: E501
        '{id: w, type: benchmark, decision: confident, metrics: [{name: f1, fail_if: "< 0.6"}, {name: roc_auc, fail_if: "< 0.7"}]}',  # noqa: E501
        '{id: w, type: schema, columns: {code: {regex: "AC-[0-9]{6}"}, x: {dtype: float64, range: [0, 1]}, i: {unique: true}}}',  # noqa: E501
        '{id: w, type: schema, columns: {x: {range: [0, 1]}}, tolerate: {x.range: {fail_if: "> 5%"}}}',
        '{id: w, type: drift, metrics: [{column: x, method: ks, edges: [1, 2], fail_if: "> 0.1"}, {column: x, method: chi_squared, fail_if: "> 0.1"}]}',  # noqa: E501
        '{id: w, type: schema, when: "model.version > 3", columns: {day: {dtype: date, nullable: true}}}',
    ],
)
def test_defects_are_made_for_gates_of_every_kind(policy: Make, tmp_path: Path, gate: str) -> None:
    refusing = '  - {id: z, type: benchmark, metrics: [{name: accuracy, fail_if: "< 0.1"}]}\n'
    shown = list(examine(policy(f"  - {gate}\n{refusing}"), tmp_path, at=AT))
    assert [one for one in shown if not one.caught] == []


def test_defects_are_made_for_every_key_of_a_schema_gate(policy: Make, tmp_path: Path) -> None:
    keys = (
        "rows: {min: 3, max: 5000}, columns: {x: {dtype: int64, range: [0, 9]}}, rules: [{id: r, expr: x < 10}], "
        'freshness: {column: day, max_age: 1d}, tolerate: {x.range: {fail_if: "> 3 rows"}}'
    )
    asked = policy(f"  - {{id: w, type: schema, {keys}}}\n")
    shown = {one.check: one for one in examine(asked, tmp_path, at=AT)}
    assert [one for one in shown.values() if not one.caught] == []
    assert list(shown) == list(asked.plan)
    assert shown["w/rows"].defect == "there are 2 rows"
    assert shown["w/freshness"].defect == "day is '1970-01-01' in every row"
    most = policy("  - {id: w, type: schema, rows: {max: 40}, columns: {x: {dtype: date}}}\n")
    assert next(examine(most, tmp_path, at=AT)).defect == "there are 41 rows"


@pytest.mark.parametrize("metric", ["calibration_within_groups", "calibration_difference"])
def test_scores_that_say_the_opposite_for_one_group_are_caught(policy: Make, tmp_path: Path, metric: str) -> None:
    gate = f"  - {{id: b, type: bias, sensitive: [sex], metrics: [{{name: {metric}, fail_if: '> 0.05'}}]}}\n"
    (shown,) = examine(policy(gate), tmp_path, at=AT)
    assert (shown.caught, shown.verdict) == (True, "fail")
    assert shown.defect == "the scores of one group by sex say the opposite"


def test_a_group_with_the_lowest_scores_is_caught(policy: Make, tmp_path: Path) -> None:
    gate = "  - {id: b, type: bias, sensitive: [sex], metrics: [{name: ll144_scoring, fail_if: '< 0.8'}]}\n"
    (shown,) = examine(policy(gate), tmp_path, at=AT)
    assert (shown.caught, shown.verdict) == (True, "fail")
    assert shown.defect == "one group by sex has the lowest score"


def test_a_check_that_is_never_green_is_not_shown_to_work(policy: Make, tmp_path: Path) -> None:
    (one,) = examine(
        policy('  - {id: q, type: benchmark, metrics: [{name: accuracy, fail_if: "< 1"}]}\n'), tmp_path, at=AT
    )
    assert not one.caught
    assert one.defect == "none: it is not green on sound data"


def test_defects_are_put_into_data_at_hand(policy: Make, people: Callable[..., Path], tmp_path: Path) -> None:
    data = people({"F": (80, 20, 20, 80), "M": (82, 20, 20, 80)})
    gates = "\n".join(GATES.splitlines()[:3]) + "\n"
    shown = list(examine(policy(gates), tmp_path, at=AT, data=data))
    assert [one.check for one in shown if one.caught] == list(policy(gates).plan)


# --------------------------------------------------------------------------- the command line


def test_the_commands_say_yes_no_and_could_not(
    head: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(head + "gates:\n" + GATES)
    assert run(["gate", "test", "p.yaml"]) == 3
    (tmp_path / "p.cases.yaml").write_text(FAIR)
    assert run(["gate", "test", "p.yaml"]) == 0
    assert "note: no case expects anything of q/accuracy" in capsys.readouterr().out
    (tmp_path / "other.yaml").write_text(FAIR.replace("policy: pass", "policy: fail"))
    assert run(["gate", "test", "p.yaml", "--cases", "other.yaml", "--format", "json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["verdict"] == "fail"
    assert value["uncovered"] == ["q/accuracy", "d/sex/psi"]
    one = '  - {id: q, type: benchmark, metrics: [{name: accuracy, fail_if: "%s"}]}\n'
    (tmp_path / "q.yaml").write_text(head + "gates:\n" + one % "< 0.5")
    assert run(["gate", "selftest", "q.yaml"]) == 0
    (tmp_path / "q.yaml").write_text(head + "gates:\n" + one % "< 1")
    assert run(["gate", "selftest", "q.yaml"]) == 1
    assert "NOT SHOWN  q/accuracy" in capsys.readouterr().out


def test_the_example_of_the_page_holds(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "test-a-policy.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"^```yaml file=(\S+)\n(.*?)^```$", page, re.M | re.S))
    for name, body in files.items():
        (tmp_path / name).write_text(body)
    assert run(["gate", "test", str(tmp_path / "credit.yaml")]) == 0


def test_a_case_says_at_what_time_data_are_judged(policy: Make, tmp_path: Path) -> None:
    fresh = policy("  - {id: s, type: schema, freshness: {column: day, max_age: 2d}}\n")
    case = f"""\
- {{name: fresh, rows: [{{day: 2026-11-21}}], facts: {{evaluated_at: "{AT}"}}, expect: {{s: pass}}}}
- {{name: old, rows: [{{day: 2026-11-11}}], facts: {{evaluated_at: "{AT}"}}, expect: {{s: fail}}}}
- {{name: timeless, rows: [{{day: 2026-11-11}}], expect: {{s: error}}}}
"""
    assert [finding.got for finding in tried(fresh, case, tmp_path)] == ["pass", "fail", "error"]


def test_a_misspelt_column_of_a_case_is_not_taken_for_a_missing_group(policy: Make) -> None:
    with pytest.raises(InvalidPolicy, match=r"reads a column 'sexx'.*expected y_true, y_pred, score, sex"):
        cases.parse(UNFAIR.replace("sex: F, y_true: 1", "sexx: F, y_true: 1").encode(), policy(GATES), name="c")

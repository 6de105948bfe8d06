"""What whoever writes a policy is given: a schema for the editor, and the policy in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from _json_schema import problems
from tallystick.cli.main import run
from tallystick.policy import document, strict_yaml
from tallystick.policy.document import Policy
from tallystick.policy.explain import explain

POLICIES = Path(__file__).parents[2] / "policies"
SCHEMA = POLICIES / "policy.schema.json"
SHIPPED = sorted(path for path in POLICIES.glob("*.yaml") if path.name != "controls.yaml")


def wrong(text: str) -> list[str]:
    value = strict_yaml.parse(text.encode(), name="policy.yaml").value
    return problems(value, json.loads(SCHEMA.read_text()))


def test_the_shipped_schema_is_that_of_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    """If this fails: tallystick policy schema > policies/policy.schema.json."""
    assert run(["policy", "schema"]) == 0
    printed = capsys.readouterr().out
    assert printed == SCHEMA.read_text()
    assert json.loads(printed) == document.json_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_policy_names_the_schema_and_keeps_it(path: Path) -> None:
    assert path.read_text().splitlines()[0] == "# yaml-language-server: $schema=policy.schema.json"
    assert wrong(path.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fail_if:", "fails_if:"),
        ("type: bias", "type: biased"),
        ("version: 1.0.0", "version: one"),
        ("dtype: int64", "dtype: integer"),
        ("name: accuracy", "name: acuracy"),
        ("confidence: 0.95", "confidence: 95"),
        ("owner: model-risk", ""),
    ],
)
def test_an_editor_sees_what_the_policy_check_would_refuse(old: str, new: str) -> None:
    text = (POLICIES / "starter.yaml").read_text()
    assert old in text
    assert wrong(text.replace(old, new, 1))


def test_the_starter_policy_reads_aloud() -> None:
    policy = document.load(POLICIES / "starter.yaml")
    told = [paragraph.text for paragraph in explain(policy)]
    assert "- In every row age is of type int64, is never missing and is at least 16 and at most 100." in told
    assert "- In every row sex is never missing and is one of Female, Male." in told
    assert "Before a model enters the stage production, it has to answer 23 checks." in told
    assert any(text.startswith("- Demographic parity ratio by sex: ") for text in told)
    assert sum(text.startswith("Because: ") for text in told) == 7


def test_no_demand_and_no_reason_of_any_check_is_left_out() -> None:
    policy = document.load(POLICIES / "starter.yaml")
    said = " ".join(paragraph.text.lower() for paragraph in explain(policy))
    for check in policy.planned:
        demand = " ".join(check.demand.removesuffix(", in every row.").removesuffix(".").lower().split())
        column = check.id.partition("/")[2].rpartition(".")[0]
        assert demand.removeprefix(f"{column} ") in said, check.id
        assert " ".join(check.because.lower().split()) in said


def test_a_tolerated_share_stays_a_sentence_of_its_own(policy) -> None:  # type: ignore[no-untyped-def]
    gate = """\
  - {id: s, type: schema, columns: {a: {dtype: int64}, b: {nullable: false}},
     tolerate: {a.dtype: {fail_if: "> 1%"}}}
"""
    told = [paragraph.text for paragraph in explain(policy(gate))]
    assert "- a is of type int64. Of the share of rows that miss this, the policy wants at most 1%." in told
    assert "- b is never missing, in every row." in told


@pytest.mark.parametrize(
    ("keys", "noted"),
    [
        ("decision: confident, ", True),
        ("decision: confident, interval: {n: 2000}, ", True),
        ("decision: confident, interval: {method: simultaneous}, ", False),
        ("", False),
    ],
)
def test_a_confident_decision_by_an_interval_for_two_groups_is_noted(
    policy: Callable[[str], Policy], keys: str, noted: bool
) -> None:
    gate = "{id: b, type: bias, sensitive: [sex], %smetrics: [{name: accuracy_ratio, fail_if: '< 0.8'}]}"
    told = " ".join(paragraph.text for paragraph in explain(policy(f"  - {gate % keys}\n")))
    assert ("Note: b decides by the interval multinomial_bootstrap" in told) == noted
    assert ("Recommended is interval: {method: simultaneous}" in told) == noted


def test_conditions_and_what_can_stop_a_check_are_said(head: str) -> None:
    text = head.replace("{stage: production}", "{stage: production, when: 'usecase.risk_tier.value == \"low\"'}")
    text += """\
gates:
  - {id: b, type: bias, when: "model.version > 3", sensitive: [sex], missing_group: error, require_groups: {sex: [F]},
     min_group: {positives: 7, max_excluded_share: 0.3}, metrics: [{name: equalized_odds_ratio, fail_if: "< 0.8"}]}
"""
    told = [paragraph.text for paragraph in explain(document.parse(text.encode(), name="p.yaml"))]
    assert 'Only where usecase.risk_tier.value == "low"; elsewhere the policy is not asked.' in told
    assert "Only where model.version > 3; elsewhere it does not apply." in told
    said = " ".join(told)
    for words in ("an error: F.", "no group is recorded is an error", "at least 7 of them", "more than 30 % of all"):
        assert words in said


def test_terms_of_the_field_are_explained_where_they_occur(policy) -> None:  # type: ignore[no-untyped-def]
    gates = "  - {id: q, type: benchmark, metrics: [{name: roc_auc, fail_if: '< 0.7'}]}\n"
    told = " ".join(paragraph.text for paragraph in explain(policy(gates)))
    assert "says how well the score ranks people" in told
    assert "Equalized odds compares" not in told


def test_controls_are_told_with_their_titles() -> None:
    from tallystick.policy import controls

    catalogue = controls.load(POLICIES / "controls.yaml")
    told = [p.text for p in explain(document.load(POLICIES / "starter.yaml"), catalogue)]
    assert f"- euaia-10.2: {catalogue['euaia-10.2'].title}" in told

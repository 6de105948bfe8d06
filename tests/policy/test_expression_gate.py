"""Rules over recorded facts as gates and as conditions: an error where there is no answer, never green."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick import canonical
from tallystick.errors import InvalidPolicy
from tallystick.policy import judge
from tallystick.policy.document import Policy, parse

Make = Callable[[str], Policy]

FACTS: dict[str, Any] = {
    "model": {"name": "credit", "version": 3, "secret": "not asked for"},
    "usecase": {"risk_tier": {"value": "high"}, "jurisdictions": ["EU", "UK"]},
    "metric": {"latency": 42.5},
}
RULE = "  - {id: r, type: expr, lang: cel, expr: '%s'}\n"


@pytest.fixture
def data(write: Callable[..., Path]) -> Path:
    return write(("sex", "y_true", "y_pred"), [("F", 1, 1), ("M", 0, 1), ("M", 1, 0)])


def judged(policy: Policy, data: Path, facts: dict[str, Any] | None = FACTS) -> judge.Outcome:
    return judge.evaluate(policy, data, data_digest="0" * 64, facts=facts)


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ('metric.latency <= 50.0 || usecase.risk_tier.value != "high"', "pass"),
        ('metric.latency <= 40.0 || usecase.risk_tier.value != "high"', "fail"),
        ("inputs.rows >= 3", "pass"),
        ("metric.absent < 1.0 || true", "error"),
        ("true || metric.absent < 1.0", "error"),
        ("model.version", "error"),
        ('model.version == "3"', "error"),
        ("dataset.rows == inputs.rows", "error"),
    ],
)
def test_a_rule_passes_fails_or_is_an_error(policy: Make, data: Path, rule: str, verdict: str) -> None:
    outcome = judged(policy(RULE % rule), data)
    (check,) = outcome.checks
    assert (check.id, check.verdict, outcome.verdict) == ("r/expr", verdict, verdict)
    assert check.value == {"pass": 1.0, "fail": 0.0, "error": None}[verdict]


def test_without_facts_a_rule_is_an_error(policy: Make, data: Path) -> None:
    assert judged(policy(RULE % "model.version > 1"), data, facts=None).verdict == "error"


def test_the_reason_tells_the_facts(policy: Make, data: Path) -> None:
    (check,) = judged(policy(RULE % "metric.latency <= 40.0 && !has(model.vendor)"), data).checks
    assert check.reason.endswith("does not hold: metric.latency is 42.5; model.vendor is absent")


def test_the_facts_that_rules_name_are_recorded_and_no_other_and_give_the_same_again(policy: Make, data: Path) -> None:
    gates = (
        RULE % 'usecase.jurisdictions[0] == "EU" && has(metric.latency) && inputs.rows == 3'
        + "  - {id: s, type: schema, rows: {min: 1}, when: 'model.version > 5'}\n"
    )
    outcome = judged(policy(gates), data)
    evidence = canonical.decode(canonical.encode(outcome.evidence))
    assert evidence["facts"] == {
        "usecase": {"jurisdictions": ["EU", "UK"]},
        "metric": {"latency": 42.5},
        "inputs": {"rows": 3},
        "model": {"version": 3},
    }
    assert judge.replay(policy(gates), evidence, seed=outcome.seed) == outcome.checks


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('__import__("os").system("id")', "no function"),
        ("1 < 2", "names no fact"),
        ('policy.id == "x"', "no facts of"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_with_its_place(policy: Make, rule: str, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said) as refusal:
        policy(RULE % rule)
    assert str(refusal.value.where).startswith("policy.yaml:7:")


def test_another_language_is_refused(policy: Make) -> None:
    with pytest.raises(InvalidPolicy, match="lang"):
        policy((RULE % "model.version > 1").replace("cel", "python"))


# --------------------------------------------------------------------------- conditions

TWO = """\
  - {id: s, type: schema, rows: {min: 1}}
  - {id: q, type: benchmark, when: '%s', metrics: [{name: accuracy, fail_if: "< 0.9"}]}
"""


def test_a_gate_whose_condition_does_not_hold_does_not_apply_and_says_why(policy: Make, data: Path) -> None:
    outcome = judged(policy(TWO % 'usecase.risk_tier.value == "low"'), data)
    assert outcome.verdict == "pass"
    assert outcome.checks[1].verdict == "not_applicable"
    assert 'usecase.risk_tier.value == "low" does not hold' in outcome.checks[1].reason
    assert judged(policy(TWO % 'usecase.risk_tier.value == "high"'), data).verdict == "fail"


def test_a_condition_without_an_answer_is_an_error(policy: Make, data: Path) -> None:
    outcome = judged(policy(TWO % 'usecase.oversight == "low"'), data)
    assert outcome.checks[1].verdict == outcome.verdict == "error"
    assert "whether it applies cannot be said" in outcome.checks[1].reason
    replayed = judge.replay(policy(TWO % 'usecase.oversight == "low"'), outcome.evidence, seed=outcome.seed)
    assert replayed == tuple(check for check in outcome.checks if check.replay == "counts")


def test_where_no_gate_applies_nothing_was_evaluated_which_is_an_error(policy: Make, data: Path) -> None:
    gate = TWO.splitlines()[1] % 'usecase.risk_tier.value == "low"'
    assert judged(policy(gate + "\n"), data).verdict == "error"


def test_a_gate_that_does_not_apply_asks_nothing_of_the_data(policy: Make, write: Callable[..., Path]) -> None:
    path = write(("other",), [("x",)])
    assert judged(policy(TWO % 'usecase.risk_tier.value == "low"'), path).verdict == "pass"


def test_a_policy_that_does_not_apply_is_an_error(head: str, data: Path) -> None:
    text = head.replace("{stage: production}", "{stage: production, when: 'usecase.risk_tier.value == \"low\"'}")
    text += "gates:\n  - {id: s, type: schema, rows: {min: 1}}\n"
    outcome = judged(parse(text.encode(), name="p"), data)
    assert (outcome.verdict, outcome.checks[0].verdict) == ("error", "not_applicable")


def test_what_a_condition_names_must_be_known_before_the_data_are_read(policy: Make) -> None:
    with pytest.raises(InvalidPolicy, match="before the data are read"):
        policy(TWO % "inputs.rows > 10")


def test_a_condition_is_part_of_what_the_policy_says_aloud(policy: Make) -> None:
    assert (
        policy(TWO % "model.version > 1")
        .planned[1]
        .demand.endswith("Only where model.version > 1; elsewhere it does not apply.")
    )

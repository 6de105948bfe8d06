"""Policies with a condition of their own: which of them a model is judged under, and what a promotion still wants."""

from __future__ import annotations

import _outside as outside

RUN = (
    "gate", "run", "credit@2", "--predictions", "fair.csv", "--dataset", "german", "--stage", "staging",
    "--as", "engineer",
)  # fmt: skip


def policy(bank, name, when, *, limit="< 0.60"):
    condition = f", when: '{when}'" if when else ""
    text = f"""\
apiVersion: tallystick/v1
kind: Policy
metadata: {{id: {name}, version: 1.0.0, owner: model-risk}}
applies_to: {{stage: staging{condition}}}
inputs: {{columns: {{y_true: y_true, y_pred: y_pred, favourable: 1}}}}
gates: [{{id: bench, type: benchmark, metrics: [{{name: accuracy, fail_if: "{limit}"}}]}}]
"""
    (bank.folder / f"{name}.yaml").write_text(text)
    bank.ok("policy", "publish", f"{name}.yaml", "--as", "officer")


def newest(bank):
    return outside.check(bank.ledger)[-2]["body"]


HIGH, LOW = 'usecase.risk_tier.value == "high"', 'usecase.risk_tier.value == "low"'


def test_a_model_is_judged_under_the_policy_that_applies_to_it(bank):
    policy(bank, "strict", HIGH)
    policy(bank, "mild", LOW, limit="< 0.10")
    assert bank(*RUN)[0] == 0
    checks = outside.check(bank.ledger)
    (strict,) = (entry for entry in checks if entry["kind"] == "policy" and entry["body"]["id"] == "strict")
    assert newest(bank)["policy_digest"] == strict["body"]["digest"]


def test_where_no_policy_applies_nothing_is_judged_and_nothing_is_green(bank):
    policy(bank, "mild", LOW)
    policy(bank, "none", "model.version > 5")
    before = outside.check(bank.ledger)
    code, out, err = bank(*RUN)
    assert (code, out) == (3, "")
    assert "no policy in force for stage staging applies to this model" in err
    assert f"mild where {LOW}; none where model.version > 5" in err
    assert outside.check(bank.ledger) == before
    code, _, err = bank("promote", "credit@2", "--stage", "staging", "--as", "engineer")
    assert code == 1


def test_a_policy_that_is_named_is_asked_and_says_that_it_does_not_apply(bank):
    policy(bank, "mild", LOW)
    code, out, _ = bank(*RUN, "--policy", "mild")
    assert code == 3
    assert f"it does not apply: {LOW} does not hold" in " ".join(out.split())
    assert newest(bank)["verdict"] == "error"


def test_a_condition_without_an_answer_is_not_passed_over(bank):
    policy(bank, "unknown", 'usecase.oversight == "red"')
    code, out, _ = bank(*RUN)
    assert code == 3
    assert "whether it applies cannot be said" in " ".join(out.split())
    policy(bank, "strict", HIGH)
    code, _, err = bank(*RUN)
    assert (code, "several policies are in force" in err) == (2, True)


def test_a_condition_may_name_the_test_set(bank):
    policy(bank, "long", "dataset.rows >= 1000")
    policy(bank, "short", "dataset.rows < 1000", limit="< 0.99")
    assert bank(*RUN)[0] == 0
    assert newest(bank)["verdict"] == "pass"


def test_a_promotion_wants_every_policy_in_force(bank):
    """What a condition names anybody who may write can record anew: it opens no way around a policy."""
    policy(bank, "strict", HIGH, limit="< 0.99")
    policy(bank, "mild", LOW)
    assert bank(*RUN)[0] == 1
    text = (bank.folder / "usecase.yaml").read_text().replace("value: high", "value: low")
    (bank.folder / "usecase.yaml").write_text(text)
    bank.ok("usecase", "usecase.yaml", "--as", "engineer")
    assert bank(*RUN)[0] == 0
    bank.ok("approve", "credit@2", "--stage", "staging", "--rationale", "seen", "--as", "officer")
    code, _, err = bank("promote", "credit@2", "--stage", "staging", "--as", "engineer")
    assert code == 1
    assert "under policy strict 1.0.0" in err
    assert outside.check(bank.ledger)[-1]["kind"] == "approval"

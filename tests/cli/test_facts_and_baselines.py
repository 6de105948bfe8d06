"""What the ledger knows as facts, and recorded datasets as baselines, by the command line."""

from __future__ import annotations

import json

import _outside as outside

FACTS = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: rules, version: 1.0.0, owner: model-risk}
applies_to: {stage: staging, when: 'usecase.risk_tier.value == "high"'}
gates:
  - id: latency
    type: expr
    lang: cel
    expr: 'metric["latency.p95"] <= 50.0 && dataset.rows == inputs.rows && "EU" in usecase.jurisdictions'
"""
DRIFT = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: drift, version: 1.0.0, owner: model-risk}
applies_to: {stage: staging}
gates:
  - id: drift
    type: drift
    baseline: german
    metrics:
      - {column: age, method: psi, edges: quantiles, fail_if: ">= 0.25"}
      - {column: housing, method: chi_squared, fail_if: "> 0.2"}
"""
RUN = ("gate", "run", "credit@2", "--predictions", "fair.csv", "--stage", "staging", "--as", "engineer")


def newest(bank, kind):
    return [entry for entry in outside.check(bank.ledger) if entry["kind"] == kind][-1]


def checks(bank):
    return {check["id"]: check for check in newest(bank, "evaluation")["body"]["checks"]}


def test_a_rule_asks_what_was_recorded(bank):
    (bank.folder / "rules.yaml").write_text(FACTS)
    bank.ok("policy", "publish", "rules.yaml", "--as", "officer")
    code, out, _ = bank(*RUN, "--dataset", "german")
    assert code == 3
    assert "there is no fact metric.latency.p95" in " ".join(out.split())
    (bank.folder / "metrics.json").write_text(json.dumps({"latency.p95": 61.5}))
    record = ("record", "metrics", "metrics.json", "--model", "credit@2", "--dataset", "german", "--as", "engineer")
    bank.ok(*record)
    code, out, _ = bank(*RUN, "--dataset", "german")
    assert code == 1
    assert "metric.latency.p95 is 61.5" in " ".join(out.split())
    (bank.folder / "metrics.json").write_text(json.dumps({"latency.p95": 41.5}))
    bank.ok(*record)
    assert bank(*RUN, "--dataset", "german", "--explain", "a faster machine")[0] == 0
    assert checks(bank)["latency/expr"]["verdict"] == "pass"


def test_data_are_compared_with_a_recorded_baseline(bank):
    (bank.folder / "drift.yaml").write_text(DRIFT)
    bank.ok("policy", "publish", "drift.yaml", "--as", "officer")
    code, _, err = bank(*RUN)
    assert code == 3
    assert "--histograms" in err
    assert bank(*RUN, "--baseline", "unfair.csv")[0] == 2, "another baseline than the policy names"
    bank.ok(*RUN, "--baseline", "german.csv")
    by_file = checks(bank)
    bank.ok("record", "dataset", "german.csv", "--name", "german", "--histograms", "--as", "engineer")
    bank.ok(*RUN)
    assert checks(bank) == by_file
    assert by_file["drift/age/psi"]["threshold"]["baseline"]["name"].startswith("german@")
    bank.ok("ledger", "fsck")

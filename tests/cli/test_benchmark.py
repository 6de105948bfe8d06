"""What the ledger says to a benchmark gate, by the real command line: the champion, and recorded metrics."""

from __future__ import annotations

import json

import _outside as outside
import pytest

from tallystick.workflow import facts

GATE = """\
  - id: champion
    type: benchmark
    metrics:
      - {name: accuracy, versus: {baseline: "@champion", max_drop: 0.02, by: [sex], max_group_drop: 0.10}}
    churn: {baseline: "@champion", fail_if: "> 0.5"}
"""
CHALLENGE = "gate run credit@1 --predictions unfair.csv --dataset german --as engineer --explain because"


def publish(bank, gate: str = GATE) -> None:
    text = (bank.folder / "policy.yaml").read_text()
    (bank.folder / "champion.yaml").write_text(text.replace("id: german,", "id: champion,").split("gates:")[0])
    with (bank.folder / "champion.yaml").open("a") as file:
        file.write("gates:\n" + gate)
    bank.ok("policy", "publish", "champion.yaml", "--as", "officer")


def promote(bank) -> None:
    bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")


def judged(bank, *words: str) -> tuple[int, dict, dict]:
    """Exit code and checks by id, and the whole answer."""
    line = [*CHALLENGE.split(), "--policy", "champion", "--format", "json", *words]
    code, out, err = bank(*line)
    assert out, err
    value = json.loads(out)
    return code, {check["id"]: check for check in value["checks"]}, value


def test_the_result_names_the_champion_and_the_evaluation_that_its_predictions_come_from(bank):
    promote(bank)
    publish(bank)
    code, checks, answer = judged(bank, "--champion", "fair.csv")
    overall = checks["champion/accuracy.versus"]
    known = overall["figures"]["champion"]
    assert (known["name"], known["version"]) == ("credit", 2)
    assert f"credit@2 (entry {known['entry']})" in overall["reason"]
    assert f"its predictions are those of entry {known['evaluation']}" in overall["reason"]
    assert {line["replay"] for line in checks.values()} == {"counts"}
    assert code == {"fail": 1, "inconclusive": 4, "pass": 0}[answer["verdict"]]
    outside.check(bank.ledger)


def test_predictions_that_the_ledger_does_not_know_are_said_to_be_unknown(bank):
    promote(bank)
    publish(bank)
    text = (bank.folder / "fair.csv").read_text().rstrip("\n")
    (bank.folder / "other.csv").write_text(f"{text[:-1]}{'10'[int(text[-1])]}\n")
    _, checks, _ = judged(bank, "--champion", "other.csv")
    assert "no evaluation of the champion on the ledger names these predictions" in checks["champion/churn"]["reason"]


def test_a_champion_whose_predictions_are_not_handed_in_is_an_error(bank):
    promote(bank)
    publish(bank, GATE.replace("max_drop: 0.02", "max_drop: 0.02, if_none: skip"))
    code, checks, _ = judged(bank)
    assert code == 3
    assert {check["verdict"] for check in checks.values()} == {"error"}
    assert "add --champion FILE" in checks["champion/churn"]["reason"]


def test_where_nobody_stands_in_the_stage_only_the_policy_can_excuse_it(bank):
    publish(bank, GATE.replace("max_drop: 0.02", "max_drop: 0.02, if_none: skip") + ACCURACY)
    code, checks, _ = judged(bank)
    assert checks["champion/accuracy.versus"]["verdict"] == "not_applicable"
    assert "no version of credit stands in production" in checks["champion/accuracy.versus"]["reason"]
    assert checks["champion/churn"]["verdict"] == "error"
    assert code == 3


ACCURACY = """\
  - id: own
    type: benchmark
    metrics: [{name: accuracy, fail_if: "< 0.1"}]
"""


def test_a_champion_that_nobody_asked_for_is_a_usage_error_and_changes_nothing(bank):
    before = bank.ok("log", "--format", "json")
    code, _, err = bank(*CHALLENGE.split(), "--champion", "fair.csv")
    assert (code, "compares with no champion" in err) == (2, True)
    publish(bank)
    published = bank.ok("log", "--format", "json")
    code, _, err = bank(*CHALLENGE.split(), "--policy", "champion", "--champion", "fair.csv")
    assert (code, "no version of credit stands in production" in err) == (2, True)
    assert bank.ok("log", "--format", "json") == published != before


@pytest.mark.parametrize("flaw", ["a row less", "another order"])
def test_predictions_of_other_rows_are_refused(bank, flaw):
    promote(bank)
    publish(bank)
    lines = (bank.folder / "fair.csv").read_text().splitlines()
    wrong = lines[:-1] if flaw == "a row less" else [lines[0], *reversed(lines[1:])]
    (bank.folder / "wrong.csv").write_text("\n".join(wrong) + "\n")
    before = bank.ok("log", "--format", "json")
    code, _, err = bank(*CHALLENGE.split(), "--policy", "champion", "--champion", "wrong.csv")
    assert (code, "are not of the same rows" in err) == (3, True)
    assert bank.ok("log", "--format", "json") == before


def test_a_build_job_cannot_say_that_there_is_no_champion(bank, monkeypatch):
    """Whoever hands in may count as they like; who stands in the stage is what the ledger says."""
    bank.ok("ledger", "receive")
    promote(bank)
    publish(bank, (GATE + ACCURACY).replace('baseline: "@champion"', 'baseline: "@champion", if_none: skip'))
    line = [*CHALLENGE.split(), "--policy", "champion", "--submit", "--wait", "0"]
    before = bank.ok("log", "--format", "json")
    with monkeypatch.context() as lying:
        absent = {"champion": {"absent": "no version stands in production"}}
        lying.setattr(facts.benchmark, "facts", lambda *_, **__: absent)
        bank(*line)
    assert "refused: champion: submission names other facts" in bank.ok("ledger", "receive")
    assert bank.ok("log", "--format", "json") == before
    bank(*line, "--champion", "fair.csv")
    assert "recorded in entry" in bank.ok("ledger", "receive")
    outside.check(bank.ledger)


# --------------------------------------------------------------------------- recorded metrics

LATENCY = """\
  - id: cost
    type: benchmark
    metrics: [{recorded: latency_ms_p95, unit: ms, fail_if: "> 50"}]
"""


def measure(bank, value: float, *, unit: str = "ms", of: str = "credit@1", dataset: str = "german") -> None:
    path = bank.folder / "metrics.yaml"
    path.write_text(f"latency_ms_p95: {{value: {value}, unit: {unit}}}\n")
    bank.ok("record", "metrics", "metrics.yaml", "--model", of, "--dataset", dataset, "--n", "500", "--as", "engineer")


def test_a_recorded_metric_is_the_newest_of_this_model(bank):
    publish(bank, LATENCY)
    assert judged(bank)[0] == 3
    measure(bank, 70.5)
    measure(bank, 41.5)
    measure(bank, 99, of="credit@2")
    code, checks, _ = judged(bank)
    assert (code, checks["cost/latency_ms_p95"]["value"]) == (0, 41.5)
    assert "over 500 measurements" in checks["cost/latency_ms_p95"]["reason"]
    measure(bank, 0.04, unit="s")
    assert judged(bank)[0] == 3
    bank.ok("record", "dataset", "fair.csv", "--name", "elsewhere", "--role", "test", "--as", "engineer")
    measure(bank, 12, dataset="elsewhere")
    assert judged(bank)[0] == 3, "what was measured on another dataset does not count"
    outside.check(bank.ledger)


def test_a_build_job_cannot_say_what_was_measured(bank, monkeypatch):
    bank.ok("ledger", "receive")
    publish(bank, LATENCY)
    measure(bank, 70.5)
    line = [*CHALLENGE.split(), "--policy", "champion", "--submit", "--wait", "0"]
    before = bank.ok("log", "--format", "json")
    with monkeypatch.context() as lying:
        fast = {"recorded": {"latency_ms_p95": {"value": 7, "unit": "ms", "n": 500, "entry": 12}}}
        lying.setattr(facts.benchmark, "facts", lambda *_, **__: fast)
        bank(*line)
    assert "refused: recorded: submission names other facts" in bank.ok("ledger", "receive")
    assert bank.ok("log", "--format", "json") == before

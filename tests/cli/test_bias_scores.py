"""Metrics of scores between groups through the command line, on German credit: recorded, replayed, handed in."""

from __future__ import annotations

import csv
import json

import _outside as outside
import pytest

NAMES = ("calibration_within_groups", "calibration_difference", "ll144_scoring")
RUN = "gate run credit@2 --predictions scored.csv --dataset german --as engineer"
GATE = """\
  - id: bias.scores
    type: bias
    sensitive: [sex]
    metrics:
      - {name: calibration_within_groups, fail_if: "> 0.30"}
      - {name: calibration_difference, warn_if: "> 0.01"}
      - {name: ll144_scoring}
"""


@pytest.fixture
def bank(bank_here):
    """With a policy over scores, and predictions that have one."""
    folder = bank_here.folder
    text = (folder / "policy.yaml").read_text().replace("1.0.0", "1.1.0")
    text = text.replace("favourable: 1}", "favourable: 1, score: score}").replace(
        "  - id: bench", GATE + "  - id: bench"
    )
    (folder / "scores.yaml").write_text(text)
    with (folder / "fair.csv").open() as source, (folder / "scored.csv").open("w", newline="") as target:
        rows = csv.DictReader(source)
        out = csv.DictWriter(target, [*(rows.fieldnames or []), "score"])
        out.writeheader()
        for row in rows:
            out.writerow(row | {"score": 0.5 + 0.4 * (row["y_pred"] == "1") - int(row["duration_months"]) / 200})
    bank_here.ok("policy", "publish", "scores.yaml", "--as", "officer")
    return bank_here


def scores(bank):
    with (bank.folder / "scored.csv").open() as file:
        return [(row["sex"], int(row["y_true"]), float(row["score"])) for row in csv.DictReader(file)]


def by_hand(bank, sex):
    """The expected calibration error of one sex, with each score as the middle of its thousandth."""
    rows = [
        (true, min(int(score * 10), 9), (int(score * 1000) + 0.5) / 1000)
        for who, true, score in scores(bank)
        if who == sex
    ]
    bins = {at: [(true, middle) for true, b, middle in rows if b == at] for _, at, _ in rows}
    return sum(abs(sum(true - middle for true, middle in part)) for part in bins.values()) / len(rows)


def test_scores_of_groups_are_recorded_and_computed_again_from_counts(bank):
    code, _, err = bank(*RUN.split(), "--verify-with", "fairlearn", "--explain", "because")
    assert code == 0, err
    assert "agrees on 2 values (to 1e-12); 2 it has no function for" in err
    *_, evaluation, _ = outside.check(bank.ledger)
    checks = {check["id"].rpartition("/")[2]: check for check in evaluation["body"]["checks"]}
    errors = [by_hand(bank, sex) for sex in ("female", "male")]
    assert checks["calibration_within_groups"]["value"] == pytest.approx(max(errors), abs=1e-9)
    assert checks["calibration_difference"]["value"] == pytest.approx(max(errors) - min(errors), abs=1e-9)
    ordered = sorted(score for *_, score in scores(bank))
    median = (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2
    above = [[score > median for who, _, score in scores(bank) if who == sex] for sex in ("female", "male")]
    rates = sorted(sum(group) / len(group) for group in above)
    assert checks["ll144_scoring"]["value"] == pytest.approx(rates[0] / rates[1], abs=1e-12)
    assert checks["ll144_scoring"]["figures"]["ll144"]["median"] == pytest.approx(median, abs=1e-12)
    replayed = json.loads(bank.ok("gate", "replay", str(evaluation["seq"]), "--format", "json"))
    how = {check["id"]: check["how"] for check in replayed["checks"]}
    assert {how[f"bias.scores/sex/{name}"] for name in NAMES} == {"counts"}


def test_scores_of_groups_can_be_handed_in(bank):
    bank.ok("ledger", "receive")
    code, _, _ = bank(*RUN.split(), "--submit", "--wait", "0")
    assert code == 3
    assert "recorded in entry" in bank.ok("ledger", "receive")
    *_, evaluation, _ = outside.check(bank.ledger)
    assert evaluation["body"]["submission"]
    assert "AGREES" in bank.ok("gate", "replay", str(evaluation["seq"]))


def test_the_selftest_shows_that_each_metric_of_scores_works(bank):
    text = (
        (bank.folder / "scores.yaml")
        .read_text()
        .replace("{name: ll144_scoring}", '{name: ll144_scoring, fail_if: "< 0.5"}')
    )
    (bank.folder / "whole.yaml").write_text(text.replace('warn_if: "> 0.01"', 'fail_if: "> 0.20"'))
    found = bank.ok("gate", "selftest", "whole.yaml")
    assert "the scores of one group by sex say the opposite" in " ".join(found.split())
    assert "one group by sex has the lowest score" in " ".join(found.split())

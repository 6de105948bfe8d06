from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.policy import controls, document, judge
from tallystick.policy.document import Policy

FOLDER = Path(__file__).parents[2] / "policies"
POLICIES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "controls.yaml")
Evaluate = Callable[[Policy, Path], judge.Outcome]


def test_there_are_policies() -> None:
    assert "starter.yaml" in [path.name for path in POLICIES]


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_a_shipped_policy_is_valid_and_names_controls_of_the_catalogue(path: Path) -> None:
    policy = document.load(path, controls=controls.load(FOLDER / "controls.yaml"))
    assert policy.plan
    assert policy.because
    assert all(check.demand for check in policy.planned)


def test_the_catalogue_has_192_controls_and_says_what_software_may_claim() -> None:
    catalogue = controls.load(FOLDER / "controls.yaml")
    assert len(catalogue) == 192
    kinds = [control.auto for control in catalogue.values()]
    assert {kind: kinds.count(kind) for kind in "APH"} == {"A": 82, "P": 82, "H": 28}
    text = (FOLDER / "controls.yaml").read_text()
    assert "not legal advice" in text


@pytest.fixture
def decided(data: Path, tmp_path: Path) -> Callable[[Callable[..., object]], Path]:
    """Adult's test data with the decisions of a rule."""
    import pandas as pd

    def make(rule: Callable[..., object], **more: object) -> Path:
        frame = pd.read_csv(data / "adult_test.csv.gz")
        truth = (frame.income == ">50K").astype(int)
        decisions = {"y_true": truth, "y_pred": pd.Series(rule(frame)).astype(int), **more}
        frame.drop(columns="income").assign(**decisions).to_csv(tmp_path / "decided.csv", index=False)
        return tmp_path / "decided.csv"

    return make


def test_the_starter_policy_refuses_a_rule_that_selects_few_women(
    decided: Callable[..., Path], evaluate: Evaluate
) -> None:
    policy = document.load(FOLDER / "starter.yaml")
    path = decided(lambda f: (f.marital_status == "Married-civ-spouse") & (f.education_num >= 10))
    outcome = evaluate(policy, path)
    verdicts = {check.id: check.verdict for check in outcome.checks}
    assert outcome.verdict == "fail"
    assert verdicts["bias.income/sex/demographic_parity_ratio"] == "fail"
    assert verdicts["benchmark.quality/accuracy"] == "pass"
    assert verdicts["benchmark.quality/roc_auc"] == "not_applicable"
    refused = next(check for check in outcome.checks if check.verdict == "fail")
    assert "of 5,421 against" in refused.reason
    assert "of 10,860" in refused.reason
    assert "criterion that we chose" in refused.because


def test_the_starter_policy_refuses_nothing_of_adult_but_the_decisions(
    decided: Callable[..., Path], evaluate: Evaluate
) -> None:
    outcome = evaluate(document.load(FOLDER / "starter.yaml"), decided(lambda f: f.index % 2 == 0))
    assert {check.verdict for check in outcome.checks if check.type == "schema"} == {"pass"}
    parity = next(check for check in outcome.checks if check.id.endswith("demographic_parity_ratio"))
    assert parity.verdict == "pass"

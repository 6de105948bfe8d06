from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidData
from tallystick.policy.counts import Counts, Scores
from tallystick.policy.document import Policy
from tallystick.policy.evidence import DATA, Evidence, Setting
from tallystick.policy.gates.benchmark.model import BenchmarkGate
from tallystick.policy.gates.benchmark.scorers import SCORERS
from tallystick.policy.judge import Outcome
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Counted = Callable[..., Counts]
Evaluate = Callable[[Policy, Path], Outcome]
COUNTED = ("accuracy", "precision", "recall", "balanced_accuracy", "f1")


def gate(*metrics: str, lines: str = "") -> str:
    return f"  - id: q\n    type: benchmark\n{lines}    metrics: [{', '.join(metrics)}]\n"


ALL = gate(*(f"{{name: {name}, fail_if: '< 0.5'}}" for name in COUNTED))
SCORED = gate(
    "{name: roc_auc, fail_if: '< 0.7'}", "{name: brier, fail_if: '> 0.3'}", "{name: log_loss, fail_if: '> 2'}"
)


def judge(policy: Policy, counts: Counts, scores: Scores | None = None) -> dict[str, CheckResult]:
    found, inputs = policy.gates[0], policy.document.inputs
    assert isinstance(found, BenchmarkGate)
    assert inputs is not None
    need = found.scored(inputs.columns)
    evidence = Evidence(counts.rows, {DATA: counts}, scores={} if need is None else {need: scores})
    checks = found.judge(evidence, Setting(favourable="1", inputs=inputs))
    return {check.id.split("/")[1]: check for check in checks}


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 80)] * 4))
def test_counts_give_the_figures_of_scikit_learn(cells: tuple[int, int, int, int]) -> None:
    from sklearn import metrics

    tp, fp, fn, tn = cells
    y_true = np.repeat([1, 0, 1, 0], cells)
    y_pred = np.repeat([1, 1, 0, 0], cells)
    for name in COUNTED:
        found = SCORERS[name]
        if found.rate is not None:
            value = found.rate.numerator(cells) / found.rate.denominator(cells)
        else:
            assert found.formula is not None
            value = found.formula(tp, fp, fn, tn)
        reference = getattr(metrics, name if name.endswith("accuracy") else f"{name}_score", None)
        reference = reference or getattr(metrics, f"{name}_score")
        assert value == pytest.approx(reference(y_true, y_pred), abs=1e-12)


def test_every_count_based_figure_has_an_interval_around_it(policy: Make, counted: Counted) -> None:
    checks = judge(policy(ALL), counted({"a": (80, 20, 30, 70)}))
    for name in COUNTED:
        check = checks[name]
        assert check.interval is not None
        assert check.value is not None
        assert check.interval["low"] < check.value < check.interval["high"]
        assert check.replay == "counts"
    assert checks["accuracy"].interval["method"] == "wilson"  # type: ignore[index]
    assert checks["f1"].interval["method"] == "multinomial_bootstrap"  # type: ignore[index]
    assert "accuracy is 0.75 (150 of 200 people; 95 % interval 0.69 to 0.80)" in checks["accuracy"].reason


def test_figures_without_people_to_stand_on_are_not_evaluable(policy: Make, counted: Counted) -> None:
    nobody_selected = judge(policy(ALL), counted({"a": (0, 0, 50, 50)}))
    assert nobody_selected["precision"].verdict == "not_evaluable"
    assert "no people with a favourable prediction" in nobody_selected["precision"].reason
    assert (nobody_selected["recall"].verdict, nobody_selected["recall"].value) == ("fail", 0.0)
    one_outcome = judge(policy(ALL), counted({"a": (0, 50, 0, 50)}))
    assert {one_outcome[name].verdict for name in ("recall", "balanced_accuracy", "f1")} == {"not_evaluable"}


def test_scores_give_the_figures_of_scikit_learn(policy: Make, evaluate: Evaluate, write: Callable[..., Path]) -> None:
    from sklearn import metrics

    generator = np.random.default_rng(3)
    truth = generator.integers(0, 2, 400)
    score = np.clip(0.3 * truth + generator.uniform(0, 0.7, 400), 0, 1)
    path = write(("y_true", "y_pred", "score"), zip(truth, (score > 0.5).astype(int), score, strict=True))
    outcome = evaluate(policy(SCORED), path)
    values = {check.id.split("/")[1]: check.value for check in outcome.checks}
    assert values["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, score), abs=1e-12)
    assert values["brier"] == pytest.approx(metrics.brier_score_loss(truth, score), abs=1e-12)
    assert values["log_loss"] == pytest.approx(metrics.log_loss(truth, score), abs=1e-12)
    assert {check.replay for check in outcome.checks} == {"threshold-only"}
    by_name = {check.id.split("/")[1]: check for check in outcome.checks}
    assert by_name["roc_auc"].interval["method"] == "hanley_mcneil"  # type: ignore[index]
    assert by_name["brier"].interval["method"] == "influence"  # type: ignore[index]


def test_an_unfavourable_coding_turns_the_scores_with_it(
    head: str, evaluate: Evaluate, write: Callable[..., Path]
) -> None:
    from tallystick.policy.document import parse

    rows = [("good", "good", 0.9), ("bad", "bad", 0.2), ("good", "bad", 0.4), ("bad", "bad", 0.3)]
    text = head.replace("favourable: 1", "favourable: good") + "gates:\n" + SCORED
    outcome = evaluate(parse(text.encode(), name="p"), write(("y_true", "y_pred", "score"), rows))
    assert outcome.checks[0].value == 1.0


def test_a_missing_score_is_not_applicable_only_where_the_policy_says_so(
    policy: Make, evaluate: Evaluate, write: Callable[..., Path]
) -> None:
    path = write(("y_true", "y_pred"), [(1, 1), (0, 0)] * 20)
    accuracy = "{name: accuracy, fail_if: '< 0.5'}"
    optional = policy(gate(accuracy, "{name: roc_auc, fail_if: '< 0.7', optional: true}"))
    outcome = evaluate(optional, path)
    assert [check.verdict for check in outcome.checks] == ["pass", "not_applicable"]
    assert "needs a score, and the data have none" in outcome.checks[1].reason
    with pytest.raises(InvalidData, match="no column 'score'"):
        evaluate(policy(gate(accuracy, "{name: roc_auc, fail_if: '< 0.7'}")), path)


def test_the_gate_itself_refuses_to_go_without_a_score_that_it_needs(policy: Make, counted: Counted) -> None:
    checks = judge(policy(SCORED), counted({"a": (8, 2, 3, 7)})).values()
    assert {check.verdict for check in checks} == {"error"}
    assert all("no score" in check.reason for check in checks)


def test_a_policy_of_which_nothing_applies_is_an_error(
    policy: Make, evaluate: Evaluate, write: Callable[..., Path]
) -> None:
    only = policy(gate("{name: roc_auc, fail_if: '< 0.7', optional: true}"))
    assert evaluate(only, write(("y_true", "y_pred"), [(1, 1), (0, 0)])).verdict == "error"


@pytest.mark.parametrize("bad", ["", "nan", "inf", "high"])
def test_a_score_that_is_no_number_is_an_error(
    policy: Make, evaluate: Evaluate, write: Callable[..., Path], bad: str
) -> None:
    path = write(("y_true", "y_pred", "score"), [(1, 1, 0.5), (0, 0, bad)])
    with pytest.raises(InvalidData, match="column score: 1 row has no score"):
        evaluate(policy(SCORED), path)


def test_scores_beyond_0_and_1_are_no_probabilities(
    policy: Make, evaluate: Evaluate, write: Callable[..., Path]
) -> None:
    path = write(("y_true", "y_pred", "score"), [(1, 1, 3.5), (0, 0, -2), (0, 1, 1)])
    checks = {check.id: check.verdict for check in evaluate(policy(SCORED), path).checks}
    assert checks == {"q/roc_auc": "pass", "q/brier": "error", "q/log_loss": "error"}

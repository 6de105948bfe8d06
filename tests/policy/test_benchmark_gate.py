from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidData, InvalidPolicy
from tallystick.policy import judge as judging
from tallystick.policy.counts import Counts, Scores
from tallystick.policy.document import Policy, parse
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


# --------------------------------------------------------------------------- recorded metrics

LATENCY = gate("{recorded: latency_ms_p95, unit: ms, fail_if: '> 50', warn_if: '> 40'}")


def recorded(policy: Policy, path: Path, fact: object) -> CheckResult:
    facts = {} if fact is None else {"recorded": {"latency_ms_p95": fact}}
    outcome = judging.evaluate(policy, path, data_digest="0" * 64, facts=facts)
    assert judging.replay(policy, outcome.evidence, seed=outcome.seed) == outcome.checks
    return outcome.checks[0]


@pytest.mark.parametrize(
    ("fact", "verdict", "words"),
    [
        ({"value": 39.5, "unit": "ms", "n": 1000, "entry": 12}, "pass", "entry 12, over 1,000 measurements"),
        ({"value": 45, "unit": "ms", "n": None, "entry": 12}, "warn", "latency_ms_p95 in ms is 45 (entry 12)"),
        ({"value": 50.5, "unit": "ms", "n": None, "entry": 12}, "fail", "wants at most 50"),
        ({"value": 0.04, "unit": "s", "n": None, "entry": 12}, "error", "is recorded in 's'"),
        ({"value": "fast", "unit": "ms", "n": None, "entry": 12}, "error", "no finite number"),
        ({"value": True, "unit": "ms", "n": None, "entry": 12}, "error", "no finite number"),
        ({"unit": "ms"}, "error", "no finite number"),
        (None, "error", "no metric latency_ms_p95 is recorded"),
    ],
)
def test_a_recorded_metric_is_judged_by_its_entry(
    policy: Make, write: Callable[..., Path], fact: object, verdict: str, words: str
) -> None:
    check = recorded(policy(LATENCY), write(("id",), [(1,)]), fact)
    assert check.verdict == verdict
    assert words in check.reason
    assert check.replay == "counts"


def test_a_recorded_metric_may_be_missing_only_where_the_policy_says_so(
    policy: Make, write: Callable[..., Path]
) -> None:
    optional = LATENCY.replace("unit: ms,", "unit: ms, optional: true,")
    check = recorded(policy(optional), write(("id",), [(1,)]), None)
    assert check.verdict == "not_applicable"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LATENCY.replace("unit: ms, ", ""), "unit is missing"),
        (LATENCY.replace("unit:", "units:"), "Did you mean 'unit'"),
        (LATENCY.replace("'> 40'", "'< 40'"), "looks the wrong way"),
        (gate("{recorded: cost, unit: EUR, fail_if: '> 1'}", lines="    decision: confident\n"), "is recorded, so"),
    ],
)
def test_a_recorded_metric_is_written_in_full(policy: Make, text: str, words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        policy(text)


# --------------------------------------------------------------------------- several outcomes, numbers, weights


def without_favourable(head: str, gates: str) -> Policy:
    return parse((head.replace(", favourable: 1", "") + "gates:\n" + gates).encode(), name="p")


def test_any_number_of_outcomes_follows_from_counts(head: str, evaluate: Evaluate, write: Callable[..., Path]) -> None:
    from sklearn import metrics

    generator = np.random.default_rng(8)
    true = generator.choice(["cat", "dog", "bird"], 900, p=[0.5, 0.3, 0.2])
    said = np.where(generator.random(900) < 0.7, true, generator.choice(["cat", "dog", "bird"], 900))
    names = ("accuracy", "f1_macro", "precision_weighted", "recall_micro", "matthews_corrcoef")
    text = gate(*(f"{{name: {name}, fail_if: '< 0.3'}}" for name in names), lines="    task: multiclass\n")
    read = without_favourable(head, text)
    outcome = evaluate(read, write(("y_true", "y_pred"), zip(true, said, strict=True)))
    values = {check.id.removeprefix("q/"): check.value for check in outcome.checks}
    assert values["f1_macro"] == pytest.approx(metrics.f1_score(true, said, average="macro"))
    assert values["precision_weighted"] == pytest.approx(metrics.precision_score(true, said, average="weighted"))
    assert values["matthews_corrcoef"] == pytest.approx(metrics.matthews_corrcoef(true, said))
    assert values["accuracy"] == values["recall_micro"] == pytest.approx((true == said).mean())
    methods = [check.interval["method"] for check in outcome.checks if check.interval]
    assert methods == ["wilson", "multinomial_bootstrap", "multinomial_bootstrap", "wilson", "multinomial_bootstrap"]
    assert judging.replay(read, outcome.evidence, seed=outcome.seed) == outcome.checks


def test_an_outcome_that_is_never_predicted_has_no_precision(
    head: str, evaluate: Evaluate, write: Callable[..., Path]
) -> None:
    text = gate("{name: precision_macro, fail_if: '< 0.3'}", lines="    task: multiclass\n")
    path = write(("y_true", "y_pred"), [("a", "a"), ("b", "a"), ("b", "b"), ("c", "a")] * 20)
    check = evaluate(without_favourable(head, text), path).checks[0]
    assert (check.verdict, check.value) == ("not_evaluable", None)


def test_two_outcomes_need_a_favourable_one(head: str) -> None:
    with pytest.raises(InvalidPolicy, match="with y_true, y_pred and favourable"):
        without_favourable(head, gate("{name: accuracy, fail_if: '< 0.3'}"))


REGRESSION = gate(
    "{name: mean_absolute_error, fail_if: '> 5'}", "{name: r2, fail_if: '< 0.5'}", "{name: max_error, warn_if: '> 90'}",
    lines="    task: regression\n",
)  # fmt: skip


def test_numbers_are_measured_by_scikit_learn(head: str, evaluate: Evaluate, write: Callable[..., Path]) -> None:
    from sklearn import metrics

    generator = np.random.default_rng(9)
    true = generator.normal(100, 20, 300)
    said = true + generator.normal(0, 5, 300)
    outcome = evaluate(without_favourable(head, REGRESSION), write(("y_true", "y_pred"), zip(true, said, strict=True)))
    assert [check.verdict for check in outcome.checks] == ["pass"] * 3
    assert outcome.checks[0].value == pytest.approx(metrics.mean_absolute_error(true, said))
    assert outcome.checks[1].value == pytest.approx(metrics.r2_score(true, said))
    assert {check.replay for check in outcome.checks} == {"threshold-only"}
    assert "no interval is stated for it" in outcome.checks[2].reason


@pytest.mark.parametrize("bad", ["", "nan", "inf", "many"])
def test_a_number_that_is_none_is_an_error_of_every_check(
    head: str, evaluate: Evaluate, write: Callable[..., Path], bad: str
) -> None:
    path = write(("y_true", "y_pred"), [(1, 2), (2, bad), (3, 3)])
    outcome = evaluate(without_favourable(head, REGRESSION), path)
    assert {check.verdict for check in outcome.checks} == {"error"}
    assert all("1 row has no outcome that is a finite number" in check.reason for check in outcome.checks)


WEIGHTED = gate(
    "{name: accuracy, fail_if: '< 0.3'}", "{name: f1, fail_if: '< 0.3'}", "{name: brier, fail_if: '> 0.5'}",
    "{name: roc_auc, fail_if: '< 0.3'}", lines="    weight: w\n",
)  # fmt: skip


def weighted_rows(n: int = 500) -> list[tuple[float, ...]]:
    generator = np.random.default_rng(10)
    true = generator.integers(0, 2, n)
    score = np.clip(0.4 * true + generator.uniform(0, 0.6, n), 0, 1)
    return list(zip(true, (score > 0.5).astype(int), score, generator.integers(0, 5, n), strict=True))


def test_rows_may_have_weights(policy: Make, evaluate: Evaluate, write: Callable[..., Path]) -> None:
    from sklearn import metrics

    rows = weighted_rows()
    outcome = evaluate(policy(WEIGHTED), write(("y_true", "y_pred", "score", "w"), rows))
    true, said, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    values = [check.value for check in outcome.checks]
    assert values == pytest.approx(
        [
            metrics.accuracy_score(true, said, sample_weight=weight),
            metrics.f1_score(true, said, sample_weight=weight),
            metrics.brier_score_loss(true, score, sample_weight=weight),
            metrics.roc_auc_score(true, score, sample_weight=weight),
        ]
    )
    assert {check.replay for check in outcome.checks} == {"threshold-only"}
    assert [check.interval is None for check in outcome.checks] == [False, False, False, True]
    assert "weighted by w" in outcome.checks[0].reason


@pytest.mark.parametrize("bad", [-1, "nan", ""])
def test_weights_that_cannot_be_used_are_an_error(
    policy: Make, evaluate: Evaluate, write: Callable[..., Path], bad: object
) -> None:
    rows = [*weighted_rows()[1:], (1, 1, 0.5, bad)]
    outcome = evaluate(policy(WEIGHTED), write(("y_true", "y_pred", "score", "w"), rows))
    assert {check.verdict for check in outcome.checks} == {"error"}


def test_a_weight_of_1_for_every_row_changes_nothing(
    policy: Make, evaluate: Evaluate, write: Callable[..., Path]
) -> None:
    path = write(("y_true", "y_pred", "score", "w"), [(*row[:3], 1) for row in weighted_rows()])
    weighted, plain = (evaluate(policy(text), path) for text in (WEIGHTED, WEIGHTED.replace("    weight: w\n", "")))
    for one, other in zip(weighted.checks, plain.checks, strict=True):
        assert one.value == pytest.approx(other.value)


def test_decisions_that_are_never_wrong_are_wondered_at(policy: Make, counted: Counted) -> None:
    read = policy(gate("{name: accuracy, fail_if: '< 0.5'}"))
    never, once = judge(read, counted({"a": (50, 0, 0, 50)})), judge(read, counted({"a": (50, 0, 1, 50)}))
    assert "y_pred equals y_true in every row" in never["accuracy"].reason
    assert "in every row" not in once["accuracy"].reason

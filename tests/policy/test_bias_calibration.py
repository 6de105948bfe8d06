"""Calibration within groups, against plain readings of the rows, and on real data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import canonical
from tallystick.errors import InvalidData, InvalidPolicy
from tallystick.policy import judge
from tallystick.policy.calibration import BANDS, Histogram, axes, expected_error, histograms
from tallystick.policy.counts import Table
from tallystick.policy.document import Policy
from tallystick.policy.judge import Outcome
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Evaluate = Callable[[Policy, Path], Outcome]
Write = Callable[..., Path]
NAMES = ("calibration_within_groups", "calibration_difference")
HALF_BAND = 0.5 / BANDS


def gate(lines: str = "", *, limit: float = 0.9, more: str = "", names: tuple[str, ...] = NAMES) -> str:
    metrics = ", ".join(f"{{name: {name}, fail_if: '> {limit}'{more}}}" for name in names)
    return f"  - id: b\n    type: bias\n    sensitive: [sex]\n{lines}    metrics: [{metrics}]\n"


def plainly(true: Any, score: Any, bins: int = 10) -> float:
    """The expected calibration error of some rows, from the rows."""
    place = np.minimum((score * bins).astype(int), bins - 1)
    parts = [(true[place == at], score[place == at]) for at in range(bins)]
    return float(sum(len(t) * abs(t.mean() - s.mean()) for t, s in parts if len(t)) / len(true))


def drawn(n: int, *, slope: float = 1.0, shift: float = 0.0, seed: int = 0) -> tuple[Any, Any]:
    """Outcomes and scores; with slope 1 and shift 0 the scores are calibrated."""
    generator = np.random.default_rng(seed)
    score = generator.beta(2, 3, n)
    logit = np.log(score / (1 - score))
    return (generator.random(n) < 1 / (1 + np.exp(-(shift + slope * logit)))).astype(int), score


@pytest.fixture
def judged(policy: Make, evaluate: Evaluate, write: Write) -> Callable[..., dict[str, CheckResult]]:
    def run(groups: dict[str, tuple[Any, Any]], text: str = gate()) -> dict[str, CheckResult]:
        rows = [
            (name, true, int(score > 0.5) if isinstance(score, float) else 1, score)
            for name, (outcomes, scores) in groups.items()
            for true, score in zip(outcomes, scores, strict=True)
        ]
        found = policy(text)
        outcome = evaluate(found, write(("sex", "y_true", "y_pred", "score"), rows))
        again = judge.replay(found, outcome.evidence, seed=outcome.seed)
        assert [canonical.encode(c.as_json()) for c in again] == [canonical.encode(c.as_json()) for c in outcome.checks]
        return {check.id.removeprefix("b/sex/"): check for check in outcome.checks}

    return run


@pytest.mark.parametrize("seed", range(3))
def test_errors_are_those_of_the_rows_to_half_a_band(judged: Any, seed: int) -> None:
    groups = {
        "F": drawn(900, seed=seed),
        "M": drawn(1_500, slope=0.4, shift=0.8, seed=seed + 10),
        "": drawn(700, shift=-1, seed=seed + 20),
    }
    found = judged(groups)
    errors = {name: plainly(*rows) for name, rows in groups.items()}
    within, between = (found[name] for name in NAMES)
    assert within.value == pytest.approx(max(errors.values()), abs=HALF_BAND)
    assert between.value == pytest.approx(max(errors.values()) - min(errors.values()), abs=2 * HALF_BAND)
    assert (within.replay, within.interval, within.n) == ("counts", None, 3_100)
    shown = {group["group"]["sex"]: group["rates"]["expected_calibration_error"]["value"] for group in within.groups}
    assert shown == {name or None: pytest.approx(error, abs=HALF_BAND) for name, error in errors.items()}


scored = st.lists(
    st.tuples(st.sampled_from([("F",), ("M",), (None,)]), st.integers(0, BANDS), st.booleans(), st.integers(1, 9)),
    min_size=1,
)


@settings(deadline=None)
@given(scored, st.sampled_from([2, 10, 50]))
def test_any_table_gives_the_errors_of_its_rows(rows: Any, bins: int) -> None:
    table = Table.of(
        axes(["sex"], true="t", score="s"), [((*g, str(int(good)), band + 1), n) for g, band, good, n in rows]
    )
    found = histograms(table, "1")
    assert {group: histogram.rows for group, histogram in found.items()} == {
        group: sum(n for g, _, _, n in rows if g == group) for group in {row[0] for row in rows}
    }
    for group, histogram in found.items():
        own = [row for row in rows if row[0] == group]
        score = np.repeat([min(2 * band + 1, 2 * BANDS) / (2 * BANDS) for _, band, _, _ in own], [n for *_, n in own])
        good = np.repeat([int(good) for _, _, good, _ in own], [n for *_, n in own])
        error, by_chance = expected_error(histogram.bins(bins))
        assert error == pytest.approx(plainly(good, score, bins), abs=1e-12)
        assert 0 <= by_chance <= 1
        assert Histogram.of(histogram.cells).cells == histogram.cells


def test_real_scores_of_income_err_by_sex(judged: Any, data: Path) -> None:
    """The share with a high income among people of like education, as a score: wrong for both sexes, in two ways."""
    import pandas as pd

    train, test = (pd.read_csv(data / f"adult_{part}.csv.gz") for part in ("train", "test"))
    rates = (train.income == ">50K").groupby(train.education).mean()
    true, score = (test.income == ">50K").astype(int), test.education.map(rates)
    groups = {sex: (true[test.sex == sex].to_numpy(), score[test.sex == sex].to_numpy()) for sex in ("Female", "Male")}
    found = judged(groups, gate(limit=0.05))
    errors = {sex: plainly(*rows) for sex, rows in groups.items()}
    within, between = (found[name] for name in NAMES)
    assert within.value == pytest.approx(max(errors.values()), abs=HALF_BAND)
    assert between.value == pytest.approx(abs(errors["Female"] - errors["Male"]), abs=2 * HALF_BAND)
    assert (within.verdict, between.verdict) == ("fail", "fail")
    assert "expected calibration error of sex=Female is" in within.reason
    assert "too high on the whole; a calibrated score would be expected to show" in within.reason
    assert "recalibrated" in within.advice


def test_calibrated_scores_show_what_chance_makes_of_them(judged: Any) -> None:
    values, expected = [], []
    for seed in range(6):
        check = judged({name: drawn(800, seed=seed + 50 * at) for at, name in enumerate("FM")})[NAMES[0]]
        for group in check.groups:
            values.append(group["rates"]["expected_calibration_error"]["value"])
            expected.append(group["rates"]["expected_if_calibrated"]["value"])
    assert np.mean(values) == pytest.approx(np.mean(expected), rel=0.3)


@pytest.mark.parametrize(
    ("lines", "few", "verdict", "words"),
    [
        ("", 50, "not_evaluable", "groups too small to judge"),
        ("    min_group: {max_excluded_share: 0.2}\n", 50, "pass", "50 people, and the policy wants 100"),
        ("    min_group: {on_small: error}\n", 50, "error", "which the policy makes an error"),
        (
            "    min_group: {max_excluded_share: 0.2}\n    require_groups: {sex: [X]}\n",
            50,
            "not_evaluable",
            "too small",
        ),
        ("    require_groups: {sex: [Y]}\n", 500, "error", "there is nobody with sex=Y"),
        ("    min_group: {n: 10, positives: 300}\n", 500, "not_evaluable", "people with the favourable true outcome"),
        ("    min_group: {n: 10, positives: 1}\n", 50, "pass", "expected calibration error"),
    ],
)
def test_groups_are_left_out_by_the_rules_of_the_gate(
    judged: Any, lines: str, few: int, verdict: str, words: str
) -> None:
    groups = {"F": drawn(1_000), "M": drawn(1_000, seed=1), "X": drawn(few, seed=2)}
    for check in judged(groups, gate(lines)).values():
        assert check.verdict == verdict
        assert words in check.reason


def test_small_groups_are_judged_together_where_the_policy_says_so(judged: Any) -> None:
    groups = {"F": drawn(1_000), "M": drawn(1_000, seed=1), "X": drawn(60, seed=2), "Y": drawn(70, shift=3, seed=3)}
    check = judged(groups, gate("    min_group: {pool: true}\n"))[NAMES[0]]
    both = tuple(np.concatenate(parts) for parts in zip(groups["X"], groups["Y"], strict=True))
    assert check.value == pytest.approx(plainly(*both), abs=HALF_BAND)
    assert "(small groups together)" in check.reason
    shown = {group["group"]["sex"]: group["rates"] for group in check.groups}
    assert shown["X"] == shown["Y"] == {}


def test_one_group_is_compared_with_nothing(judged: Any) -> None:
    assert {check.verdict for check in judged({"F": drawn(500)}).values()} == {"not_evaluable"}


@pytest.mark.parametrize(
    ("score", "words"),
    [("1.01", "1 scores lie outside 0 to 1"), ("", "no score"), ("nan", "no score"), ("inf", "outside")],
)
def test_no_score_is_dropped(judged: Any, score: str, words: str) -> None:
    true, scores = drawn(500)
    groups = {"F": ([*true, 1], [*scores, score]), "M": drawn(500, seed=1)}
    for check in judged(groups).values():
        assert (check.verdict, check.value) == ("error", None)
        assert words in check.reason


def test_the_bins_are_those_that_the_policy_names(judged: Any) -> None:
    groups = {"F": drawn(2_000, slope=0.3), "M": drawn(2_000, seed=1)}
    found = judged(groups, gate(more=", bins: 4"))
    assert found[NAMES[0]].value == pytest.approx(max(plainly(*rows, 4) for rows in groups.values()), abs=HALF_BAND)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (gate("    decision: confident\n"), "calibration_within_groups has no interval"),
        (gate(more=", per_class: true"), "per_class does not go with it"),
        (gate(more=", favourable: 0"), "favourable does not go with it"),
        (gate(more=", reference: {sex: F}"), "reference does not go with it"),
        (gate(more=", bins: 3"), "does not divide"),
        (gate(names=("accuracy_difference",), more=", bins: 5"), "bins goes with calibration only"),
        (gate().replace("> 0.9", "< 0.9"), "looks the wrong way"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(policy: Make, text: str, words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        policy(text)


def test_a_policy_without_a_score_column_cannot_ask_for_calibration(head: str) -> None:
    from tallystick.policy.document import parse

    with pytest.raises(InvalidPolicy, match=r"calibration_within_groups needs inputs\.columns\.score"):
        parse((head.replace(" score: score,", "") + "gates:\n" + gate()).encode(), name="policy.yaml")


def test_data_without_the_score_are_no_evidence(policy: Make, evaluate: Evaluate, people: Any) -> None:
    with pytest.raises(InvalidData, match="there is no column 'score'"):
        evaluate(policy(gate()), people({"F": (200, 0, 0, 200), "M": (200, 0, 0, 200)}))


def test_counts_that_were_recorded_without_scores_cannot_tell_of_calibration(
    policy: Make, evaluate: Evaluate, people: Any
) -> None:
    plain = gate(names=("accuracy_difference",))
    outcome = evaluate(policy(plain), people({"F": (200, 0, 0, 200), "M": (200, 0, 0, 200)}))
    with pytest.raises(InvalidData, match="the counts hold no such table"):
        judge.replay(policy(gate()), outcome.evidence, seed=outcome.seed)


def test_the_plan_says_what_is_asked(policy: Make) -> None:
    demands = [check.demand for check in policy(gate(limit=0.1, more=", bins: 20")).planned]
    assert demands[0].startswith("calibration within groups by sex: a score of 0.7 means that 7 of 10")
    assert "over 20 bins of equal width" in demands[1]


def test_many_groups_are_counted_in_bands(policy: Make, evaluate: Evaluate, write: Write) -> None:
    """More cells than groups and outcomes alone may have."""
    generator = np.random.default_rng(4)
    scores = enumerate(generator.random(100_000))
    rows = [(f"g{at % 40}", at // 40 % 2, at // 40 % 2, f"{score:.4f}") for at, score in scores]
    outcome = evaluate(policy(gate()), write(("sex", "y_true", "y_pred", "score"), rows))
    assert {check.verdict for check in outcome.checks} == {"pass"}


@pytest.mark.parametrize("name", [*NAMES, "ll144_scoring"])
def test_identifiers_are_no_groups(policy: Make, evaluate: Evaluate, write: Write, name: str) -> None:
    rows = [(f"person {at}", at % 2, at % 2, at % 7 / 7) for at in range(1_500)]
    found = policy(gate(names=(name,)).replace("> 0.9", "< 0.9" if name == "ll144_scoring" else "> 0.9"))
    (check,) = evaluate(found, write(("sex", "y_true", "y_pred", "score"), rows)).checks
    assert (check.verdict, "1,500 values: these are no groups of people" in check.reason) == ("error", True)


def test_more_groups_than_bands_can_be_kept_of_are_refused(
    policy: Make, evaluate: Evaluate, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.policy.engines.duckdb.MAX_BANDED", 50)
    rows = [("FM"[at % 2], at % 3 % 2, at % 2, at / 100) for at in range(100)]
    with pytest.raises(InvalidData, match="too many combinations of groups and outcomes to count; expected up to 50"):
        evaluate(policy(gate()), write(("sex", "y_true", "y_pred", "score"), rows))

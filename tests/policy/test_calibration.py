"""Calibration from counts of scores in bands, against plain readings of the rows and against scikit-learn."""

from __future__ import annotations

import math
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
from tallystick.policy.calibration import BANDS, Histogram
from tallystick.policy.document import Policy
from tallystick.policy.gates.benchmark.calibration import _logistic
from tallystick.policy.judge import Outcome
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Evaluate = Callable[[Policy, Path], Outcome]
Write = Callable[..., Path]
NAMES = (
    "expected_calibration_error",
    "maximum_calibration_error",
    "calibration_in_the_large",
    "calibration_slope_deviation",
)
HALF_BAND = 0.5 / BANDS


def gate(*names: str, lines: str = "", limit: float = 0.9) -> str:
    metrics = ", ".join(f"{{name: {name}, fail_if: '> {limit}'}}" for name in names)
    return f"  - id: q\n    type: benchmark\n{lines}    metrics: [{metrics}]\n"


def drawn(n: int, *, slope: float = 1.0, shift: float = 0.0, seed: int = 0) -> tuple[Any, Any]:
    """Scores, and outcomes that follow them with this slope and shift on the scale of logits."""
    generator = np.random.default_rng(seed)
    score = generator.beta(2, 3, n)
    logit = np.log(score / (1 - score))
    true = (generator.random(n) < 1 / (1 + np.exp(-(shift + slope * logit)))).astype(int)
    return true, score


def checks(evaluate: Evaluate, policy: Policy, path: Path) -> dict[str, CheckResult]:
    outcome = evaluate(policy, path)
    again = judge.replay(policy, outcome.evidence, seed=outcome.seed)
    assert [canonical.encode(c.as_json()) for c in again] == [canonical.encode(c.as_json()) for c in outcome.checks]
    return {check.id.removeprefix("q/"): check for check in outcome.checks}


@pytest.fixture
def judged(policy: Make, evaluate: Evaluate, write: Write) -> Callable[..., dict[str, CheckResult]]:
    def run(true: Any, score: Any, text: str = gate(*NAMES)) -> dict[str, CheckResult]:
        rows = zip(true, (np.asarray(score) > 0.5).astype(int), score, strict=True)
        return checks(evaluate, policy(text), write(("y_true", "y_pred", "score"), rows))

    return run


def plainly(true: Any, score: Any, bins: int = 10) -> list[tuple[int, float]]:
    """Rows, and distance of observed share from mean score, of each bin, straight from the rows."""
    place = np.minimum((score * bins).astype(int), bins - 1)
    parts = [(true[place == at], score[place == at]) for at in range(bins)]
    return [(len(t), abs(t.mean() - s.mean())) for t, s in parts if len(t)]


@pytest.mark.parametrize("seed", range(3))
def test_calibration_errors_are_those_of_the_rows_to_half_a_band(judged: Any, seed: int) -> None:
    true, score = drawn(2_000, slope=0.6, seed=seed)
    found = judged(true, score)
    bins = plainly(true, score)
    expected = sum(n * distance for n, distance in bins) / 2_000
    assert found["expected_calibration_error"].value == pytest.approx(expected, abs=HALF_BAND)
    largest = max(distance for n, distance in bins if n >= 10)
    assert found["maximum_calibration_error"].value == pytest.approx(largest, abs=HALF_BAND)
    in_the_large = abs(true.mean() - score.mean())
    assert found["calibration_in_the_large"].value == pytest.approx(in_the_large, abs=HALF_BAND)
    assert {check.replay for check in found.values()} == {"counts"}
    assert {check.interval is None for check in list(found.values())[:2]} == {True}


def test_the_bins_are_those_that_the_policy_names(judged: Any) -> None:
    true, score = drawn(3_000, slope=0.5)
    found = judged(true, score, gate("expected_calibration_error", lines="    bins: 4\n"))
    bins = plainly(true, score, 4)
    expected = sum(n * distance for n, distance in bins) / 3_000
    assert found["expected_calibration_error"].value == pytest.approx(expected, abs=HALF_BAND)
    shown = found["expected_calibration_error"].groups
    assert [group["group"]["score"] for group in shown] == ["0 to 0.25", "0.25 to 0.5", "0.5 to 0.75", "0.75 to 1"]
    assert sum(group["n"] for group in shown) == 3_000


@pytest.mark.parametrize("slope", [0.5, 1.0, 1.6])
def test_the_slope_is_that_of_a_logistic_regression_on_the_rows(judged: Any, slope: float) -> None:
    from sklearn.linear_model import LogisticRegression

    true, score = drawn(4_000, slope=slope, shift=0.3)
    logits = np.log(score / (1 - score)).reshape(-1, 1)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(logits, true).coef_[0, 0]
    check = judged(true, score)["calibration_slope_deviation"]
    assert check.figures["slope"] == pytest.approx(fitted, abs=2e-3)
    assert check.value == pytest.approx(abs(check.figures["slope"] - 1))


def test_intervals_cover_what_they_say() -> None:
    """Of 300 calibrated samples, 95 % intervals of the slope and of the mean should hold the truth in about 285."""
    held = [0, 0]
    for seed in range(300):
        true, score = drawn(500, seed=seed)
        bands = np.floor(score * BANDS).astype(int)
        good, other = (np.bincount(bands[true == side], minlength=BANDS + 1) for side in (1, 0))
        fitted = _logistic(Histogram(good, other))
        assert fitted is not None
        held[0] += abs(fitted[0] - 1) <= 1.96 * fitted[1]
        difference = true - score
        held[1] += abs(difference.mean()) <= 1.96 * difference.std() / math.sqrt(500)
    assert min(held) >= 270
    assert max(held) <= 298


def test_what_chance_alone_would_show_is_said(judged: Any) -> None:
    values, expected = [], []
    for seed in range(8):
        check = judged(*drawn(1_000, seed=seed), gate("expected_calibration_error"))["expected_calibration_error"]
        values.append(check.value)
        expected.append(check.figures["expected_if_calibrated"])
        assert "a calibrated score would be expected to show" in check.reason
    assert np.mean(values) == pytest.approx(np.mean(expected), rel=0.3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, BANDS - 1), min_size=1, max_size=60), st.sampled_from([2, 5, 10, 20, 50]))
def test_the_bins_hold_every_row_once(bands: list[int], bins: int) -> None:
    n = np.bincount(bands, minlength=BANDS + 1)
    histogram = Histogram(n, np.zeros(BANDS + 1, dtype=np.int64))
    found = histogram.bins(bins)
    assert sum(part.n for part in found) == len(bands)
    for part in found:
        own = [(2 * band + 1) / (2 * BANDS) for band in bands if part.low <= band / BANDS < part.high]
        assert part.n == len(own)
        assert part.mean == pytest.approx(sum(own) / len(own))
    assert all(part.low <= part.mean <= part.high for part in found)


def test_a_score_of_1_is_counted_as_1(judged: Any) -> None:
    found = judged([1] * 50 + [0] * 50, [1.0] * 50 + [0.0] * 50)
    assert found["maximum_calibration_error"].value == pytest.approx(HALF_BAND)
    assert found["calibration_slope_deviation"].verdict == "not_evaluable"


@pytest.mark.parametrize(("score", "words"), [("1.0000001", "outside 0 to 1"), ("-0.1", "outside"), ("", "no score")])
def test_what_is_no_probability_is_an_error(
    policy: Make, evaluate: Evaluate, write: Write, score: str, words: str
) -> None:
    rows = [(1, 1, score), *[(1, 1, 0.5), (0, 0, 0.5)] * 50]
    found = checks(evaluate, policy(gate(*NAMES)), write(("y_true", "y_pred", "score"), rows))
    assert {check.verdict for check in found.values()} == {"error"}
    assert all(words in check.reason for check in found.values())


def test_figures_on_few_rows_are_withheld(judged: Any) -> None:
    check = judged([1, 0] * 100 + [1] * 5, [0.45] * 200 + [0.95] * 5)["maximum_calibration_error"]
    few = next(group for group in check.groups if group["group"]["score"] == "0.9 to 1")
    assert (few["n"], few["rates"], few["left_out"]) == (None, {}, "fewer than 10 rows")
    assert "1 bin of fewer than 10 rows left out" in check.reason
    assert check.value == pytest.approx(0.05, abs=HALF_BAND + 1e-12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (gate("brier", lines="    bins: 3\n"), "does not divide"),
        (gate(NAMES[0], lines="    decision: confident\n"), "has no interval"),
        (gate(NAMES[0], lines="    weight: w\n"), "which have no weights"),
        (gate(NAMES[0]).replace("'> 0.9'", "'> 0.9', optional: true"), "cannot be optional"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(policy: Make, text: str, words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        policy(text)


def test_counts_that_were_recorded_without_bands_cannot_tell_of_calibration(
    policy: Make, evaluate: Evaluate, write: Write
) -> None:
    path = write(("y_true", "y_pred", "score"), [(1, 1, 0.7), (0, 0, 0.2)] * 50)
    outcome = evaluate(policy("  - {id: q, type: benchmark, metrics: [{name: accuracy, fail_if: '< 0.5'}]}\n"), path)
    with pytest.raises(InvalidData, match="the counts hold no such table"):
        judge.replay(policy(gate(*NAMES)), outcome.evidence, seed=outcome.seed)

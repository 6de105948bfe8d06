from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.policy import statistics
from tallystick.policy.statistics import bootstrap, check_seed, evaluation_seed, hanley_mcneil, wilson
from tallystick.policy.threshold import Threshold


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_newcombe_1998(k: int, n: int, low: float, high: float) -> None:
    """Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3."""
    found = wilson(k, n, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(1, 500), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_holds_its_share_and_stays_within_0_and_1(k: int, n: int, confidence: float) -> None:
    k = min(k, n)
    found = wilson(k, n, confidence)
    assert 0 <= found.low <= k / n <= found.high <= 1
    mirrored = wilson(n - k, n, confidence)
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-12)


def test_hanley_mcneil_has_the_standard_error_of_its_formula() -> None:
    """Q1 = A/(2-A), Q2 = 2A^2/(1+A); by hand for A = 0.8, 50 and 60 cases: variance 0.0018296..."""
    q1, q2 = 0.8 / 1.2, 1.28 / 1.8
    variance = (0.16 + 49 * (q1 - 0.64) + 59 * (q2 - 0.64)) / 3000
    found = hanley_mcneil(0.8, 50, 60, 0.95)
    assert found.high - 0.8 == pytest.approx(1.959963984540054 * variance**0.5, abs=1e-12)
    assert found.low == pytest.approx(1.6 - found.high, abs=1e-12)


def test_hanley_mcneil_covers_what_it_promises() -> None:
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(11)
    truth = np.repeat([0, 1], 80)
    real = 0.7602499389065233
    inside = 0
    for _ in range(300):
        area = float(roc_auc_score(truth, generator.normal(size=160) + truth))
        found = hanley_mcneil(area, 80, 80, 0.95)
        inside += found.low <= real <= found.high
    assert 0.91 <= inside / 300 <= 0.99


def test_a_bootstrap_is_the_same_for_the_same_seed_and_has_the_spread_of_a_share() -> None:
    def share(drawn: np.ndarray) -> np.ndarray:
        return drawn[:, 0] / drawn.sum(axis=1)

    first, again, other = (
        bootstrap([300, 700], share, replicates=5_000, confidence=0.95, seed=seed) for seed in ("01", "01", "02")
    )
    assert first == again != other
    assert first is not None
    expected = wilson(300, 1000, 0.95)
    assert first.low == pytest.approx(expected.low, abs=0.003)
    assert first.high == pytest.approx(expected.high, abs=0.003)


def test_a_bootstrap_with_a_replicate_without_value_is_none() -> None:
    found = bootstrap([1, 1], lambda drawn: drawn[:, 0] / drawn[:, 1], replicates=1_000, confidence=0.9, seed="01")
    assert found is None


def test_seeds_follow_their_definition() -> None:
    import hashlib

    policy, data = "a" * 64, "b" * 64
    assert evaluation_seed(policy, data) == hashlib.sha256(("a" * 64 + "b" * 64).encode()).hexdigest()[:16]
    assert evaluation_seed(policy, data) != evaluation_seed(data, policy)
    assert check_seed("00", "g/x") != check_seed("00", "g/y")


@pytest.mark.parametrize(
    ("text", "hit", "missed", "wish"),
    [
        ("< 0.80", 0.79, 0.80, "at least 0.80"),
        ("<= 0.80", 0.80, 0.81, "more than 0.80"),
        ("> 0.1", 0.11, 0.1, "at most 0.1"),
        (">= 1e-3", 0.001, 0.0009, "less than 1e-3"),
        ("<0.8", 0.7, 0.9, "at least 0.8"),
    ],
)
def test_a_threshold_is_hit_beyond_its_limit(text: str, hit: float, missed: float, wish: str) -> None:
    threshold = Threshold.parse(text)
    assert threshold.hit(hit)
    assert not threshold.hit(missed)
    assert threshold.wish == wish


def test_a_percentage_is_a_hundredth_where_it_may_stand() -> None:
    assert Threshold.parse("> 0.01%", percent=True).limit == pytest.approx(0.0001)
    with pytest.raises(ValueError, match="percentage"):
        Threshold.parse("> 0.01%")


@pytest.mark.parametrize(
    "text", ["", "0.8", "= 0.8", "< ", "< 0,8", "< .nan", "> inf", "<  0.8", "< 0.8 ", "!= 1", "< 1_0"]
)
def test_other_forms_are_no_thresholds(text: str) -> None:
    with pytest.raises(ValueError, match=r"form|finite"):
        Threshold.parse(text, percent=True)


def test_replicates_do_not_depend_on_how_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [3, 0, 5, 90, 0, 2, 7, 0]
    whole = np.concatenate(list(statistics.multinomials(cells, 50, "00000000000000ff")))
    monkeypatch.setattr(statistics, "_AT_ONCE", 7 * len(cells))
    parts = list(statistics.multinomials(cells, 50, "00000000000000ff"))
    assert [len(part) for part in parts] == [7] * 7 + [1]
    assert (np.concatenate(parts) == whole).all()

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.policy import proportions
from tallystick.policy.proportions import Paired

counts = st.tuples(st.integers(0, 300), st.integers(1, 300)).map(lambda pair: (min(pair), pair[1]))


@pytest.mark.parametrize(
    ("k1", "n1", "k2", "n2", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0000),
        (10, 10, 0, 10, 0.6075, 1.0000),
    ],
)
def test_a_difference_agrees_with_newcombe_1998(k1: int, n1: int, k2: int, n2: int, low: float, high: float) -> None:
    """Newcombe, "Interval estimation for the difference between independent proportions" (1998), table II."""
    found = proportions.difference(k1, n1, k2, n2, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [
        (Paired(14, 5, 0, 22), 0.011, 0.226),  # Altman and others, "Statistics with Confidence" (2000), table 6.2
        (Paired(1, 1, 7, 12), -0.507, -0.026),  # Fagerland, Lydersen, Laake (2014): airway hyper-responsiveness
        (Paired(59, 6, 16, 80), -0.119, -0.005),  # the same: complete response
    ],
)
def test_a_paired_difference_agrees_with_published_examples(table: Paired, low: float, high: float) -> None:
    found = proportions.paired_difference(table, 0.95)
    assert found.low == pytest.approx(low, abs=6e-4)
    assert found.high == pytest.approx(high, abs=6e-4)


def test_katz_is_the_textbook_interval_of_a_ratio() -> None:
    """Heart attacks, aspirin and placebo: 104 of 11,037 and 189 of 11,034; published as 0.55 (0.43, 0.70)."""
    found = proportions.log_ratio(104, 11_037, 189, 11_034, 0.95)
    assert found is not None
    assert (round(found.low, 2), round(found.high, 2)) == (0.43, 0.70)
    assert proportions.log_ratio(0, 10, 5, 10, 0.95) is None


@settings(deadline=None)
@given(counts, counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_hold_their_value_mirror_it_and_are_never_of_no_width(
    one: tuple[int, int], two: tuple[int, int], confidence: float
) -> None:
    found = proportions.difference(*one, *two, confidence)
    value = one[0] / one[1] - two[0] / two[1]
    assert -1 <= found.low <= value + 1e-12
    assert value - 1e-12 <= found.high <= 1
    assert found.high - found.low > 1e-3
    turned = proportions.difference(*two, *one, confidence)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-12)
    if one[0] + two[0]:
        ratio = proportions.ratio(*one, *two, confidence)
        assert 0 <= ratio.low < ratio.high
        if two[0]:
            assert ratio.low - 1e-12 <= (one[0] / one[1]) / (two[0] / two[1]) <= ratio.high + 1e-12


@settings(deadline=None)
@given(counts.filter(lambda one: one[0] > 0), counts.filter(lambda two: two[0] > 0))
def test_a_ratio_turned_round_has_the_inverse_ends(one: tuple[int, int], two: tuple[int, int]) -> None:
    found, turned = proportions.ratio(*one, *two, 0.95), proportions.ratio(*two, *one, 0.95)
    assert found.low == pytest.approx(1 / turned.high, rel=1e-9)
    assert found.high == pytest.approx(1 / turned.low, rel=1e-9)


def test_a_ratio_agrees_with_the_formula_as_published_and_with_katz_where_there_are_many() -> None:
    """Donner and Zou: (p1 p2 -+ sqrt((p1 p2)^2 - l1 (2 p1 - l1) u2 (2 p2 - u2))) / (u2 (2 p2 - u2)), and so on."""
    one, two = proportions.wilson(30, 100, 0.95), proportions.wilson(50, 90, 0.95)
    p1, p2 = 0.3, 5 / 9
    b = two.high * (2 * p2 - two.high)
    low = (p1 * p2 - math.sqrt((p1 * p2) ** 2 - one.low * (2 * p1 - one.low) * b)) / b
    assert proportions.ratio(30, 100, 50, 90, 0.95).low == pytest.approx(low, abs=1e-12)
    score, katz = (
        proportions.ratio(3000, 10_000, 5000, 9000, 0.95),
        proportions.log_ratio(3000, 10_000, 5000, 9000, 0.95),
    )
    assert katz is not None
    assert (score.low, score.high) == pytest.approx((katz.low, katz.high), abs=2e-4)


def test_no_ratio_is_made_of_nobody_and_an_end_is_open_where_the_lower_count_is_0() -> None:
    with pytest.raises(ValueError, match="0/0"):
        proportions.ratio(0, 10, 0, 10, 0.95)
    assert proportions.ratio(3, 10, 0, 10, 0.95).high == math.inf


@settings(deadline=None, max_examples=40)
@given(counts, counts)
def test_fisher_agrees_with_scipy(one: tuple[int, int], two: tuple[int, int]) -> None:
    from scipy.stats import fisher_exact

    expected = fisher_exact([[one[0], one[1] - one[0]], [two[0], two[1] - two[0]]]).pvalue
    assert proportions.fisher(*one, *two) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_agrees_with_an_exact_binomial(b: int, c: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(b, b + c).pvalue if b + c else 1.0
    assert proportions.mcnemar(Paired(50, b, c, 50)) == pytest.approx(expected, rel=1e-9)


def test_the_pooled_z_is_that_of_the_textbook() -> None:
    """Selected 16 of 64 and 3 of 17: by hand, pooled 19/81."""
    pooled = 19 / 81
    by_hand = (16 / 64 - 3 / 17) / math.sqrt(pooled * (1 - pooled) * (1 / 64 + 1 / 17))
    assert proportions.pooled_z(16, 64, 3, 17) == pytest.approx(by_hand, abs=1e-12)
    assert proportions.pooled_z(0, 5, 0, 9) == 0.0


def test_non_inferiority_looks_at_the_whole_interval() -> None:
    table = Paired(400, 20, 25, 55)
    found = proportions.paired_difference(table, 0.95)
    assert found.low < 0 < found.high
    assert proportions.non_inferior(table, -found.low + 0.001, 0.95) is True
    assert proportions.non_inferior(table, -found.low - 0.001, 0.95) is None
    assert proportions.non_inferior(Paired(400, 0, 60, 40), 0.01, 0.95) is False


@pytest.mark.parametrize(("gap", "n"), [(0.1, 388), (0.2, 93)])
def test_the_smallest_gap_inverts_the_published_sample_size(gap: float, n: int) -> None:
    """Two-sided 5 %, power 80 %, from 0.5: 388 and 93 in each group by the uncorrected formula."""
    assert proportions.smallest_gap(n, n, 0.5, 0.95) == pytest.approx(gap, abs=5e-4)


def test_the_smallest_gap_is_told_as_often_as_it_says() -> None:
    import numpy as np

    gap = proportions.smallest_gap(400, 412, 0.3, 0.95)
    assert gap is not None
    generator = np.random.default_rng(3)
    one, two = generator.binomial(400, 0.3, 4_000), generator.binomial(412, 0.3 + gap, 4_000)
    told = sum(abs(proportions.pooled_z(int(a), 400, int(b), 412)) > 1.959964 for a, b in zip(one, two, strict=True))
    assert 0.77 < told / 4_000 < 0.83


def test_too_few_people_tell_no_gap_at_all() -> None:
    assert proportions.smallest_gap(3, 3, 0.5, 0.95) is None


@pytest.mark.parametrize(
    ("tested", "most"),
    [
        (lambda: proportions.fisher(95_000_000, 100_000_000, 395_000_000, 10**12), 2_000),
        (lambda: proportions.fisher(0, 10**8, 4 * 10**8, 10**12), 0),
        (lambda: proportions.fisher(2, 10**8, 40_000, 10**12), 2_000),
        (lambda: proportions.fisher(10**5, 2 * 10**5, 10**5, 2 * 10**5), 0),
        (lambda: proportions.mcnemar(Paired(10, 5 * 10**6, 5 * 10**6, 5)), 200_000),
        (lambda: proportions.mcnemar(Paired(10, 10**11, 10**11 - 7, 5)), 0),
    ],
)
def test_no_count_makes_a_test_take_long(monkeypatch: pytest.MonkeyPatch, tested, most: int) -> None:
    """Whoever hands in counts says how many they are, and somebody else computes the test."""
    choose, steps = proportions._log_choose, []

    def counted(n: int, k: int) -> float:
        steps.append(n)
        assert len(steps) <= 3 * max(most, 1), "one step for each person"
        return choose(n, k)

    monkeypatch.setattr(proportions, "_log_choose", counted)
    assert 0 <= tested() <= 1


def test_a_tail_is_left_where_nothing_follows_and_not_before() -> None:
    """The sums over all tables and all pairs, as the textbooks write them."""
    for k1, n1, k2, n2 in [(3, 10, 9, 12), (0, 5, 0, 5), (5, 5, 5, 5), (1, 4_000, 40, 3_000), (700, 2_000, 900, 2_000)]:
        likely = [
            proportions._log_choose(n1, k) + proportions._log_choose(n2, k1 + k2 - k)
            - proportions._log_choose(n1 + n2, k1 + k2)
            for k in range(max(0, k1 + k2 - n2), min(n1, k1 + k2) + 1)
        ]  # fmt: skip
        seen = likely[k1 - max(0, k1 + k2 - n2)] + 1e-7
        assert proportions.fisher(k1, n1, k2, n2) == min(1.0, math.fsum(math.exp(p) for p in likely if p <= seen))
    for b, c in [(0, 0), (0, 9), (40, 31), (4_000, 6_000)]:
        whole = sum(math.exp(proportions._log_choose(b + c, i) - (b + c) * math.log(2)) for i in range(min(b, c) + 1))
        assert proportions.mcnemar(Paired(1, b, c, 1)) == min(1.0, 2 * whole)


def test_the_approximations_meet_the_exact_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [(b, 10**6 - b) for b in (500_000, 499_500, 499_000)]
    exact = [proportions.mcnemar(Paired(1, b, c, 1)) for b, c in tables]
    rates = [(90_000, 200_000, 90_000 + more, 200_000) for more in (0, 300, 700)]
    approximate = [proportions.fisher(*rate) for rate in rates]
    monkeypatch.setattr(proportions, "MANY", 10)
    monkeypatch.setattr(proportions, "WIDE", 10**12)
    assert [proportions.mcnemar(Paired(1, b, c, 1)) for b, c in tables] == pytest.approx(exact, rel=1e-3)
    assert approximate == pytest.approx([proportions.fisher(*rate) for rate in rates], rel=0.02)

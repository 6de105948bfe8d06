from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.policy import comparisons, proportions
from tallystick.policy.comparisons import Comparisons, holm
from tallystick.policy.metrics import GROUP_METRICS, RATES, compare
from tallystick.policy.statistics import wilson
from tallystick.policy.threshold import Threshold

Groups = Sequence[tuple[int, int]]
SELECTION = (RATES["selection_rate"],)


def made(form: str, groups: Groups, *, reference: int | None = None, replicates: int = 2_000) -> Comparisons:
    cells = [(k, 0, 0, n - k) for k, n in groups]
    return Comparisons.of(form, SELECTION, cells, reference=reference, replicates=replicates, seed="01")  # type: ignore[arg-type]


def test_two_groups_have_the_interval_of_a_single_difference_and_ratio() -> None:
    """Where the groups lie far apart: between like ones only the absolute difference counts, from 0."""
    expected = proportions.difference(56, 70, 48, 80, 0.95)
    found = made("difference", [(48, 80), (56, 70)]).interval(0.95)
    assert found.high == pytest.approx(expected.high, abs=1e-12)
    assert found.low == pytest.approx(expected.low, abs=0.01)
    ratio = proportions.ratio(48, 80, 56, 70, 0.95)
    found = made("ratio", [(48, 80), (56, 70)]).interval(0.95)
    assert found.low == pytest.approx(ratio.low, abs=1e-12)
    assert found.high == pytest.approx(ratio.high, abs=0.01)
    assert found.made_with["family"] == 1


def test_the_critical_value_grows_with_the_groups_as_tukeys_does() -> None:
    """Of equal groups it is the quantile of the studentised range over the root of 2: 2.34 for 3, 2.73 for 5."""
    for count, expected in ((2, 1.96), (3, 2.34), (5, 2.73), (10, 3.16)):
        found = made("difference", [(3_000, 10_000)] * count, replicates=10_000).critical(0.95)
        assert found == pytest.approx(expected, abs=0.06)


def test_comparing_with_one_group_is_a_smaller_family() -> None:
    groups = [(30, 100)] * 6
    with_one, all_pairs = made("difference", groups, reference=0), made("difference", groups)
    assert (with_one.family, all_pairs.family) == (5, 15)
    assert with_one.critical(0.95) < all_pairs.critical(0.95)


def test_only_the_end_that_claims_a_failure_is_widened() -> None:
    groups = [(30, 100), (40, 100), (50, 100), (60, 100)]
    found = made("difference", groups)
    interval, widest = found.interval(0.95), proportions.difference(60, 100, 30, 100, 0.95)
    assert interval.high == pytest.approx(widest.high, abs=1e-12)
    assert interval.low < widest.low
    ratio, narrow = made("ratio", groups).interval(0.95), proportions.ratio(30, 100, 60, 100, 0.95)
    assert ratio.low == pytest.approx(narrow.low, abs=1e-12)
    assert ratio.high > narrow.high


def test_more_pairs_than_replicates_are_worth_are_corrected_by_bonferroni(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [(30, 100), (40, 100), (50, 100), (60, 100)]
    by_replicates = made("difference", groups).critical(0.95)
    monkeypatch.setattr(comparisons, "MOST_PAIRS", 5)
    found = made("difference", groups)
    assert not len(found.maxima)
    assert found.critical(0.95) == pytest.approx(2.638, abs=5e-4)  # 1 - 0.05/12 of the normal
    assert found.critical(0.95) >= by_replicates
    assert "seed" not in found.interval(0.95).made_with


def test_no_events_at_all_in_a_group_leave_an_interval_of_some_width() -> None:
    for form in ("difference", "ratio"):
        found = made(form, [(0, 50), (20, 50), (25, 50)]).interval(0.95)
        assert found.high - found.low > 0.05
        assert made(form, [(0, 50), (20, 50)]).critical(0.95) >= 1.95


arms = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 80)).map(lambda p: (min(p), p[1])), min_size=2, max_size=5)


@settings(deadline=None, max_examples=60)
@given(arms, st.sampled_from(["difference", "ratio"]))
def test_the_interval_holds_the_measured_value(groups: Groups, form: str) -> None:
    cells = [(k, 0, 0, n - k) for k, n in groups]
    value = compare(GROUP_METRICS[f"demographic_parity_{form}"], cells)
    if value is None:
        return
    found = made(form, groups, replicates=1_000).interval(0.95)
    assert 0 <= found.low <= value.value + 1e-9
    assert value.value - 1e-9 <= found.high <= 1


@settings(deadline=None, max_examples=60)
@given(arms, st.sampled_from(["difference", "ratio"]), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_p_value_and_the_interval_say_the_same(groups: Groups, form: str, confidence: float) -> None:
    if not any(k for k, _ in groups):
        return
    limit = Threshold.parse("> 0.1" if form == "difference" else "< 0.8")
    found = made(form, groups, replicates=1_000)
    interval, p_value = found.interval(confidence), found.p_value(limit)
    fails = limit.hit(interval.low if form == "difference" else interval.high)
    if abs(p_value - (1 - confidence)) > 2e-3:  # a replicate on either side of the quantile
        assert fails == (p_value < 1 - confidence)


def test_a_claim_far_beyond_is_not_bounded_by_the_number_of_replicates() -> None:
    assert made("difference", [(100, 1000), (900, 1000)]).p_value(Threshold.parse("> 0.1")) < 1e-12


def test_limits_of_arrays_are_those_of_single_shares() -> None:
    k, n = np.array([0.0, 3, 50, 7]), np.array([10.0, 9, 50, 20])
    low, high = comparisons._score_limits(k, n, 1.959963984540054)
    for at in range(4):
        expected = wilson(int(k[at]), int(n[at]), 0.95)
        assert (low[at], high[at]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_same_seed_draws_the_same() -> None:
    groups = [(30, 100), (40, 100), (50, 100)]
    assert made("ratio", groups).interval(0.95) == made("ratio", groups).interval(0.95)


def test_holm_steps_down_as_published() -> None:
    """Holm (1979): 0.01, 0.04, 0.03 and 0.005 at 5 %: 0.005 <= 0.0125, 0.01 <= 0.0167, 0.03 > 0.025 stops."""
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([0.03, 0.014, 0.005, 0.06], 0.05) == [False, True, True, False]  # 0.014 is above 0.05 / 4
    assert holm([], 0.05) == []
    assert holm([0.05], 0.05) == [True]
    assert holm([0.05, 0.05], 0.05) == [False, False]

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.policy.paired import mcnemar, newcombe_paired, paired_bootstrap

counts = st.integers(0, 200)


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((36, 14, 0, 0), 0.1528, 0.4167),
        ((54, 0, 0, 0), -0.0664, 0.0664),
        # Fagerland, Lydersen, Laake, Statistics in Medicine 33 (2014): airway hyper-responsiveness
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_the_published_intervals_of_pairs_come_out(cells: tuple[int, int, int, int], low: float, high: float) -> None:
    found = newcombe_paired(*cells, 0.95)
    digits = 3 if cells[0] == 1 else 4
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


def test_the_published_p_value_of_mcnemar_comes_out() -> None:
    assert round(mcnemar(1, 7), 4) == 0.0703  # Fagerland, Lydersen, Laake (2014): exact conditional test


@given(counts, counts)
def test_mcnemar_is_twice_the_smaller_tail_of_a_fair_coin(first: int, second: int) -> None:
    n = first + second
    tail = sum(math.comb(n, k) for k in range(min(first, second) + 1))
    assert mcnemar(first, second) == pytest.approx(min(1.0, 2 * tail / 2**n), rel=1e-9)
    assert mcnemar(first, second) == mcnemar(second, first)


@given(counts, counts, counts, st.integers(1, 200))
def test_who_is_first_only_turns_the_interval_round(both: int, first: int, second: int, neither: int) -> None:
    one = newcombe_paired(both, first, second, neither, 0.9)
    other = newcombe_paired(both, second, first, neither, 0.9)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert one.low <= (first - second) / (both + first + second + neither) <= one.high


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_two_that_agree_on_everything_are_not_told_apart(both: int, neither: int) -> None:
    found = newcombe_paired(both, 0, 0, neither, 0.95)
    assert found.low < 0 < found.high
    assert found.low == pytest.approx(-found.high)


@settings(max_examples=10, deadline=None)
@given(st.integers(100, 400), st.integers(30, 100), st.integers(30, 100), st.integers(100, 400))
def test_resampled_pairs_agree_with_the_interval_for_shares(both: int, first: int, second: int, neither: int) -> None:
    cells = np.array([both, first, second, neither], dtype=float)
    n = int(cells.sum())
    drawn = paired_bootstrap(
        cells, lambda t: (t[:, 1] - t[:, 2]) / n, n=n, replicates=4_000, confidence=0.95, seed="0" * 16
    )
    closed = newcombe_paired(both, first, second, neither, 0.95)
    assert drawn is not None
    assert (drawn.low, drawn.high) == pytest.approx((closed.low, closed.high), abs=0.2 * (closed.high - closed.low))


def test_a_statistic_without_a_value_in_some_replicate_has_no_interval() -> None:
    cells = np.array([1.0, 99.0])
    found = paired_bootstrap(cells, lambda t: t[:, 1] / t[:, 0], n=100, replicates=1_000, confidence=0.9, seed="0" * 16)
    assert found is None

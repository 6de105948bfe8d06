from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.policy.paired import paired_bootstrap
from tallystick.policy.proportions import Paired, paired_difference


@settings(max_examples=10, deadline=None)
@given(st.integers(100, 400), st.integers(30, 100), st.integers(30, 100), st.integers(100, 400))
def test_resampled_pairs_agree_with_the_interval_for_shares(both: int, first: int, second: int, neither: int) -> None:
    cells = np.array([both, first, second, neither], dtype=float)
    n = int(cells.sum())
    drawn = paired_bootstrap(
        cells, lambda t: (t[:, 1] - t[:, 2]) / n, n=n, replicates=4_000, confidence=0.95, seed="0" * 16
    )
    closed = paired_difference(Paired(both, first, second, neither), 0.95)
    assert drawn is not None
    assert (drawn.low, drawn.high) == pytest.approx((closed.low, closed.high), abs=0.2 * (closed.high - closed.low))


def test_a_statistic_without_a_value_in_some_replicate_has_no_interval() -> None:
    cells = np.array([1.0, 99.0])
    found = paired_bootstrap(cells, lambda t: t[:, 1] / t[:, 0], n=100, replicates=1_000, confidence=0.9, seed="0" * 16)
    assert found is None

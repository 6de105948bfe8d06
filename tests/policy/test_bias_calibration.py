from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidData
from tallystick.policy.calibration import TEN_BINS, ScoreTable, calibration, largest_gap

scored = st.lists(
    st.tuples(st.sampled_from([("F",), ("M",), (None,)]), st.floats(0, 1), st.booleans(), st.integers(1, 9)), min_size=1
)


def test_a_worked_example_by_hand() -> None:
    """F: 0.25 and 0.75 with one of two each: errors 0.5 and 0.5 over 4. M: certain and right."""
    rows = [(("F",), 0.25, True, 1), (("F",), 0.25, False, 1), (("F",), 0.75, True, 1), (("F",), 0.75, False, 1)]
    table = ScoreTable.of(["sex"], TEN_BINS, [*rows, (("M",), 1.0, True, 3), (("M",), 0.0, False, 2)])
    women, men = calibration(table)
    assert (women.n, women.error, women.over) == (4, 0.25, 0.0)
    assert (men.error, men.by_chance) == (0.0, 0.0)
    assert largest_gap(table) == 0.25


@settings(deadline=None)
@given(scored)
def test_it_is_the_error_that_the_scores_themselves_have(
    rows: list[tuple[tuple[str | None], float, bool, int]],
) -> None:
    for found in calibration(ScoreTable.of(["sex"], TEN_BINS, rows)):
        own = [row for row in rows if row[0] == found.group]
        score = np.repeat([row[1] for row in own], [row[3] for row in own])
        good = np.repeat([row[2] for row in own], [row[3] for row in own])
        at = np.minimum(np.digitize(score, TEN_BINS) - 1, 9)
        expected = sum(abs(score[at == b].sum() - good[at == b].sum()) for b in range(10)) / len(score)
        assert found.error == pytest.approx(expected, abs=2e-9)
        assert found.over == pytest.approx(score.mean() - good.mean(), abs=2e-9)


@settings(deadline=None)
@given(scored, st.randoms())
def test_the_order_of_rows_changes_no_digit(
    rows: list[tuple[tuple[str | None], float, bool, int]], random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, two = (ScoreTable.of(["sex"], TEN_BINS, some) for some in (rows, shuffled))
    assert one.cells == two.cells


def test_middles_of_bins_would_be_wrong_where_the_scores_are_not() -> None:
    """All scores 0.61 and 61 of 100 came true: no error, though the middle of the bin is 0.65."""
    table = ScoreTable.of(["sex"], TEN_BINS, [(("F",), 0.61, True, 61), (("F",), 0.61, False, 39)])
    assert calibration(table)[0].error == 0.0


def test_a_calibrated_score_shows_what_chance_alone_makes_of_it() -> None:
    generator = np.random.default_rng(9)
    errors, chances = [], []
    for _ in range(150):
        score = generator.random(500)
        good = generator.random(500) < score
        found = calibration(
            ScoreTable.of(["g"], TEN_BINS, [((None,), s, bool(g), 1) for s, g in zip(score, good, strict=True)])
        )[0]
        errors.append(found.error)
        chances.append(found.by_chance)
    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.06)


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_probability_is_refused(score: float) -> None:
    with pytest.raises(InvalidData, match="probabilities"):
        ScoreTable.of(["sex"], TEN_BINS, [(("F",), score, True, 1)])


def test_a_bin_holds_its_lower_edge_and_the_last_one_its_upper_edge_too() -> None:
    rows = [(("F",), score, True, 1) for score in (0.0, 0.05, 0.5, 0.9, 0.95, 1.0)]
    assert {bin: cell[0] for (_, bin), cell in ScoreTable.of(["sex"], TEN_BINS, rows).cells.items()} == {
        0: 2,
        5: 1,
        9: 3,
    }


@pytest.mark.parametrize("edges", [(0.0, 0.5), (0.1, 1.0), (0.0, 0.5, 0.5, 1.0)])
def test_edges_grow_from_0_to_1(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="edges"):
        ScoreTable.of(["sex"], edges, [])


def test_one_group_has_no_gap() -> None:
    with pytest.raises(ValueError, match="fewer than two"):
        largest_gap(ScoreTable.of(["sex"], TEN_BINS, [(("F",), 0.3, True, 1)]))

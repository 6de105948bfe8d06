"""Every measure against scikit-learn, and every interval against what the field says it is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tallystick.policy.gates.benchmark import rows
from tallystick.policy.gates.benchmark.scorers import SCORERS
from tallystick.policy.statistics import normal_quantile

TABLES = [name for name, scorer in SCORERS.items() if scorer.basis == "counts"]
NUMBERS = [name for name, scorer in SCORERS.items() if scorer.basis == "numbers"]
SCORES = ["roc_auc", "average_precision", "brier", "log_loss"]
square = st.integers(2, 4).flatmap(
    lambda k: st.lists(st.lists(st.integers(1, 40), min_size=k, max_size=k), min_size=k, max_size=k)
)


def reference(name: str, true: Any, said: Any, weight: Any = None) -> float:
    """What scikit-learn says; label 0 is the favourable one."""
    if name in ("accuracy", "balanced_accuracy", "cohen_kappa"):
        return float(getattr(metrics, f"{name}_score")(true, said, sample_weight=weight))
    if name == "matthews_corrcoef":
        return float(metrics.matthews_corrcoef(true, said, sample_weight=weight))
    stem, _, average = name.partition("_")
    how = {"average": average} if average else {"pos_label": 0}
    return float(getattr(metrics, f"{stem}_score")(true, said, sample_weight=weight, **how))


def drawn(table: list[list[int]]) -> tuple[Any, Any]:
    size = len(table)
    true, said = np.divmod(np.repeat(np.arange(size * size), np.ravel(table)), size)
    return true, said


@settings(max_examples=60, deadline=None)
@given(square)
def test_confusion_tables_of_any_size_give_the_figures_of_scikit_learn(table: list[list[int]]) -> None:
    true, said = drawn(table)
    whole = np.array(table, dtype=float)
    for name in TABLES:
        if len(table) == 2 or "multiclass" in SCORERS[name].tasks:
            assert float(SCORERS[name].figure(whole)) == pytest.approx(reference(name, true, said), abs=1e-12), name


@settings(max_examples=40, deadline=None)
@given(square, st.integers(0, 2**32))
def test_weighted_rows_give_the_figures_of_scikit_learn(table: list[list[int]], seed: int) -> None:
    true, said = drawn(table)
    weight = np.random.default_rng(seed).uniform(0.1, 5, len(true))
    for name in TABLES:
        if len(table) == 2 or "multiclass" in SCORERS[name].tasks:
            found = rows.of_table(SCORERS[name], true * len(table) + said, len(table), weight)
            assert found.value == pytest.approx(reference(name, true, said, weight), abs=1e-12), name
            assert found.influence is not None
            assert found.influence.mean() == pytest.approx(0, abs=1e-6), name


def sample(n: int = 400, *, seed: int = 0, weighted: bool = False) -> rows.Sample:
    generator = np.random.default_rng(seed)
    true = generator.normal(50, 10, n)
    weight = generator.uniform(0.2, 3, n) if weighted else None
    return rows.Sample(true, true + generator.normal(1, 4, n), weight)


def scored(n: int = 400, *, seed: int = 0, weighted: bool = False) -> rows.Sample:
    generator = np.random.default_rng(seed)
    true = generator.integers(0, 2, n)
    said = np.clip(0.3 * true + generator.uniform(0, 0.7, n), 0, 1).round(2)  # with ties
    return rows.Sample(true, said, generator.uniform(0.2, 3, n) if weighted else None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NUMBERS)
def test_errors_of_numbers_are_those_of_scikit_learn(name: str, weighted: bool) -> None:
    found = sample(weighted=weighted)
    function = getattr(metrics, name, None) or getattr(metrics, f"{name}_score")
    weight = {} if name == "max_error" else {"sample_weight": found.weight}
    assert rows.estimate(SCORERS[name], found).value == pytest.approx(function(found.true, found.said, **weight))


def jackknife(name: str, found: rows.Sample) -> float:
    """The standard error by leaving each row out in turn: Tukey (1958)."""
    keep = ~np.eye(found.n, dtype=bool)
    weights = [None if found.weight is None else found.weight[k] for k in keep]
    values = np.array(
        [
            rows.estimate(SCORERS[name], rows.Sample(found.true[k], found.said[k], weight)).value
            for k, weight in zip(keep, weights, strict=True)
        ]
    )
    return math.sqrt((found.n - 1) / found.n * ((values - values.mean()) ** 2).sum())


@pytest.mark.parametrize(
    ("name", "weighted"),
    [(name, w) for name in NUMBERS if SCORERS[name].interval == "influence" for w in (False, True)]
    + [("brier", False), ("brier", True), ("log_loss", False), ("log_loss", True)],
)
def test_the_influences_of_rows_give_the_error_that_leaving_rows_out_gives(name: str, weighted: bool) -> None:
    found = (scored if name in SCORES else sample)(120, seed=4, weighted=weighted)
    estimate = rows.estimate(SCORERS[name], found)
    assert estimate.influence is not None
    error = math.sqrt((estimate.influence**2).sum()) / found.n
    assert error == pytest.approx(jackknife(name, found), rel=0.07)


def delong(one: Any, other: Any, true: Any) -> float:
    """The variance of the difference of two areas, by the definition: every positive against every negative."""
    parts = []
    for score in (one, other):
        gap = score[true == 1][:, None] - score[true == 0][None, :]
        kernel = (gap > 0) + 0.5 * (gap == 0)
        parts.append((kernel.mean(axis=1), kernel.mean(axis=0)))
    (good, bad), (good2, bad2) = parts
    return float(np.var(good - good2, ddof=1) / len(good) + np.var(bad - bad2, ddof=1) / len(bad))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_two_areas_differ_with_the_variance_of_delong(seed: int) -> None:
    one = scored(120, seed=seed)
    said = np.clip(one.said + np.random.default_rng(seed).normal(0, 0.2, one.n), 0, 1).round(1)
    assume(10 <= one.true.sum() <= one.n - 10)
    other = rows.Sample(one.true, said)
    area = SCORERS["roc_auc"]
    found = rows.estimate(area, one, pairing=True).less(rows.estimate(area, other, pairing=True))
    expected = metrics.roc_auc_score(one.true, one.said) - metrics.roc_auc_score(one.true, said)
    assert found.value == pytest.approx(expected, abs=1e-12)
    interval = found.interval(0.95, "delong", (-1.0, 1.0))
    assert interval is not None
    half = normal_quantile(0.95) * math.sqrt(delong(one.said, said, one.true))
    assert (interval.low, interval.high) == pytest.approx((max(-1, expected - half), min(1, expected + half)))


def test_a_mean_has_the_interval_of_a_mean() -> None:
    found = sample(500)
    errors = abs(found.true - found.said)
    interval = rows.estimate(SCORERS["mean_absolute_error"], found).interval(0.95, "influence", (0, math.inf))
    assert interval is not None
    half = 1.959963984540054 * errors.std() / math.sqrt(500)
    assert (interval.low, interval.high) == pytest.approx((errors.mean() - half, errors.mean() + half))


def test_the_interval_of_a_median_lies_between_order_statistics() -> None:
    found = rows.Sample(np.zeros(100), np.arange(1.0, 101.0))
    interval = rows.estimate(SCORERS["median_absolute_error"], found).interval(0.95, "order_statistics", (0, math.inf))
    assert interval is not None
    assert (interval.low, interval.high) == (40.0, 61.0)  # of 100 the 40th and the 61st


def test_the_interval_of_average_precision_is_the_logit_interval() -> None:
    found = scored(300)
    value = metrics.average_precision_score(found.true, found.said)
    interval = rows.estimate(SCORERS["average_precision"], found).interval(0.95, "logit", (0, 1))
    assert interval is not None
    error = 1 / math.sqrt(found.true.sum() * value * (1 - value))
    ends = [1 / (1 + math.exp(-(math.log(value / (1 - value)) + sign * 1.959963984540054 * error))) for sign in (-1, 1)]
    assert [interval.low, interval.high] == pytest.approx(ends)


def test_few_rows_have_no_interval() -> None:
    few = sample(rows.ENOUGH - 1)
    assert rows.estimate(SCORERS["r2"], few).interval(0.95, "influence", (-math.inf, 1)) is None
    assert rows.estimate(SCORERS["median_absolute_error"], few).interval(0.95, "", (0, math.inf)) is None


@pytest.mark.parametrize("name", ["r2", "explained_variance"])
def test_true_values_that_are_all_alike_explain_nothing(name: str) -> None:
    with pytest.raises(rows.Undefined, match="all alike"):
        rows.estimate(SCORERS[name], rows.Sample(np.ones(50), np.arange(50.0)))


def test_no_error_is_a_share_of_nothing() -> None:
    with pytest.raises(rows.Undefined, match="a true value is 0"):
        rows.estimate(SCORERS["mean_absolute_percentage_error"], rows.Sample(np.arange(50.0), np.ones(50)))


def test_what_scikit_learn_calls_0_where_nothing_is_there_has_no_value_here() -> None:
    never_true = np.array([[5.0, 5, 1], [5, 5, 1], [0, 0, 0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        assert math.isnan(SCORERS["recall_macro"].figure(never_true))
        assert math.isnan(SCORERS["precision_macro"].figure(never_true.T))
        assert math.isnan(SCORERS["matthews_corrcoef"].figure(np.array([[5.0, 0], [5, 0]])))
        assert math.isnan(SCORERS["cohen_kappa"].figure(np.array([[5.0, 0], [0, 0]])))
    assert SCORERS["f1_macro"].figure(never_true) == pytest.approx(20 / 63)


def test_every_measure_has_a_name_that_scikit_learn_has_but_those_of_calibration() -> None:
    scorers, functions = set(metrics.get_scorer_names()), set(dir(metrics))
    for name, scorer in SCORERS.items():
        if scorer.basis != "bins":
            assert {name, f"{name}_score", f"{name}_score_loss"} & (scorers | functions), name


@pytest.mark.parametrize("name", sorted({*TABLES, *NUMBERS, *SCORES} - {"cohen_kappa"}))
def test_the_direction_is_that_of_scikit_learns_scorer(name: str) -> None:
    spelled = [word for word in (name, f"neg_{name}", f"neg_{name}_score") if word in metrics.get_scorer_names()]
    if name == "max_error":  # its scorer is the negative, and is called so from version 1.8 on only
        spelled = ["neg_max_error"]
    assert SCORERS[name].higher_is_better == (not spelled[0].startswith("neg_"))

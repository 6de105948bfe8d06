from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidData
from tallystick.policy.counts import Counts, Table, by_outcome
from tallystick.policy.document import Policy
from tallystick.policy.evidence import Setting
from tallystick.policy.gates.bias import judge as bias
from tallystick.policy.gates.bias.groups import MAX_GROUPS
from tallystick.policy.metrics import GROUP_METRICS, RATES, compare
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Counted = Callable[..., Counts]
SEED = "0123456789abcdef"

FAIRLEARN = {
    "demographic_parity_ratio",
    "demographic_parity_difference",
    "equalized_odds_ratio",
    "equalized_odds_difference",
    "equal_opportunity_ratio",
    "equal_opportunity_difference",
}
METRICS = "".join(
    f"      - {{name: {name}, fail_if: '{'< 0.8' if metric.form == 'ratio' else '> 0.1'}'}}\n"
    for name, metric in GROUP_METRICS.items()
    if metric.stands_on == "predictions"
)
ALL = "  - id: b\n    type: bias\n    sensitive: [sex]\n    min_group: {n: 1, positives: 1}\n    metrics:\n" + METRICS


def gate(lines: str, metric: str = "{name: demographic_parity_ratio, fail_if: '< 0.80'}") -> str:
    return f"  - id: b\n    type: bias\n    sensitive: [sex]\n{lines}    metrics: [{metric}]\n"


def judge(policy: Policy, counts: Counts, favourable: str = "1") -> list[CheckResult]:
    found = policy.gates[0]
    return list(bias.run(found, counts, Setting(favourable=favourable, seed=SEED)))  # type: ignore[arg-type]


def rows_of(groups: dict[str, tuple[int, int, int, int]]) -> tuple[list[int], list[int], list[str]]:
    y_true: list[int] = []
    y_pred: list[int] = []
    who: list[str] = []
    for group, cells in groups.items():
        for (true, said), n in zip(((1, 1), (0, 1), (1, 0), (0, 0)), cells, strict=True):
            y_true += [true] * n
            y_pred += [said] * n
            who += [group] * n
    return y_true, y_pred, who


def by_fairlearn(name: str, y_true: object, y_pred: object, who: object) -> float:
    import fairlearn.metrics as fairlearn

    return float(getattr(fairlearn, name)(y_true, y_pred, sensitive_features=who))


# --------------------------------------------------------------------------- published and reference figures


def compas(data: Path, races: tuple[str, ...] = ("African-American", "Caucasian")) -> Counts:
    with (data / "compas_counts.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not races or row["race"] in races]
    return by("race", [((row["race"], row["two_year_recid"], row["high"]), int(row["count"])) for row in rows])


def by(column: str, cells: list[Any]) -> Counts:
    """The counts by one column and over everyone."""
    table = Table.of(by_outcome([column], true="t", predicted="p"), cells)
    return Counts(table.rows, (table.along(*table.axes[1:]), table))


@pytest.mark.parametrize(
    ("race", "n", "fpr", "fnr", "ppv"),
    [("African-American", 3696, 44.85, 27.99, 62.97), ("Caucasian", 2454, 23.45, 47.72, 59.13)],
)
def test_compas_shows_the_rates_that_propublica_published(
    data: Path, race: str, n: int, fpr: float, fnr: float, ppv: float
) -> None:
    cells = compas(data).table(("race",)).groups("1")[(race,)]
    assert sum(cells) == n
    for name, published in (("false_positive_rate", fpr), ("false_negative_rate", fnr), ("precision", ppv)):
        rate = RATES[name]
        assert round(100 * rate.numerator(cells) / rate.denominator(cells), 2) == published


@pytest.mark.parametrize(
    ("race", "cells", "npv", "ratios"),
    [
        ("African-American", (1369, 805, 532, 990), 0.65, (1.61, 0.51)),
        ("Caucasian", (505, 349, 461, 1139), 0.71, (2.23, 0.62)),
        ("", (2035, 1282, 1216, 2681), 0.69, (1.94, 0.55)),
    ],
)
def test_compas_shows_the_published_contingency_tables(
    data: Path, race: str, cells: tuple[int, ...], npv: float, ratios: tuple[float, float]
) -> None:
    """ "How We Analyzed the COMPAS Recidivism Algorithm" (2016): counts, predictive value, likelihood ratios."""
    counts = compas(data, (race,) if race else ())
    found = counts.table(()).groups("1")[()]
    assert found == cells
    share = {name: rate.numerator(found) / rate.denominator(found) for name, rate in RATES.items()}
    assert round(share["negative_predictive_value"], 2) == npv
    positive = share["true_positive_rate"] / share["false_positive_rate"]
    negative = share["false_negative_rate"] / (1 - share["false_positive_rate"])
    assert (round(positive, 2), round(negative, 2)) == ratios


def test_compas_over_everyone_shows_the_published_rates(data: Path) -> None:
    counts = compas(data, ())
    cells = counts.table(()).groups("1")[()]
    assert counts.rows == 7214
    for name, published in (("false_positive_rate", 32.35), ("false_negative_rate", 37.40)):
        assert round(100 * RATES[name].numerator(cells) / RATES[name].denominator(cells), 2) == published


def test_on_compas_the_favourable_outcome_decides_which_ratio_is_meant(policy: Make, data: Path) -> None:
    """0.5916 is the ratio of the adverse label; of the favourable one, "not high", it is 0.632."""
    lines = """\
  - id: b
    type: bias
    sensitive: [race]
    metrics:
      - {name: demographic_parity_ratio, fail_if: "< 0.80"}
      - {name: equalized_odds_difference, fail_if: "> 0.10", favourable: 1}
"""
    favourable = judge(policy(lines), compas(data), favourable="0")
    assert favourable[0].value == pytest.approx(0.632, abs=5e-4)
    assert favourable[1].value == pytest.approx(0.2139, abs=5e-5)
    adverse = judge(policy(lines), compas(data), favourable="1")
    assert adverse[0].value == pytest.approx(0.5916, abs=5e-5)
    assert {check.verdict for check in favourable} == {"fail"}
    assert "selection rate of race=African-American is 0.63 of race=Caucasian's" in favourable[0].reason


def test_adult_and_german_credit_agree_with_fairlearn(policy: Make, data: Path) -> None:
    import pandas as pd

    adult = pd.read_csv(data / "adult_test.csv.gz")
    german = pd.read_csv(data / "german_credit.csv")
    cases = [
        ((adult.income == ">50K").astype(int), (adult.education_num > 10).astype(int), adult.sex),
        ((adult.income == ">50K").astype(int), (adult.hours_per_week > 41).astype(int), adult.race),
        ((german.outcome == 1).astype(int), (german.duration_months < 20).astype(int), german.personal_status_sex),
        ((german.outcome == 1).astype(int), (german.credit_amount < 3000).astype(int), german.foreign_worker),
    ]
    for y_true, y_pred, who in cases:
        frame = pd.DataFrame({"g": who, "t": y_true.astype(str), "p": y_pred.astype(str)})
        cells = [(marks, int(n)) for marks, n in frame.groupby(["g", "t", "p"]).size().items()]
        checks = judge(policy(ALL), by("sex", cells))
        for check in checks:
            name = check.id.rsplit("/", 1)[1]
            if name in FAIRLEARN:
                assert check.value == pytest.approx(by_fairlearn(name, y_true, y_pred, who), abs=1e-12), check.id


positive = st.integers(1, 60)
cells = st.tuples(positive, positive, positive, positive)
people_by_group = st.dictionaries(st.sampled_from("abcde"), cells, min_size=2, max_size=5)


@settings(max_examples=15, deadline=None)
@given(people_by_group)
def test_any_table_agrees_with_fairlearn(groups: dict[str, tuple[int, int, int, int]]) -> None:
    rows = rows_of(groups)
    for name in FAIRLEARN:
        found = compare(GROUP_METRICS[name], list(groups.values()))
        assert found is not None
        assert found.value == pytest.approx(by_fairlearn(name, *rows), abs=1e-12)


@settings(deadline=None)
@given(people_by_group, st.randoms())
def test_a_metric_lies_between_0_and_1_and_does_not_depend_on_the_order_of_groups(
    groups: dict[str, tuple[int, int, int, int]], random: object
) -> None:
    shuffled = list(groups.values())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for metric in (metric for metric in GROUP_METRICS.values() if metric.stands_on == "predictions"):
        found, again = compare(metric, list(groups.values())), compare(metric, shuffled)
        assert found is not None
        assert again is not None
        assert 0 <= found.value <= 1
        assert found.value == again.value


@settings(deadline=None)
@given(cells, st.integers(2, 4))
def test_groups_in_the_same_proportions_are_equal(one: tuple[int, ...], times: int) -> None:
    for metric in (metric for metric in GROUP_METRICS.values() if metric.stands_on == "predictions"):
        found = compare(metric, [one, tuple(times * n for n in one)])
        assert found is not None
        assert found.value == pytest.approx(1.0 if metric.form == "ratio" else 0.0, abs=1e-12)


# --------------------------------------------------------------------------- never green without grounds


def test_one_group_only_is_not_evaluable(policy: Make, counted: Counted) -> None:
    """A ratio of one group to itself would be a perfect 1.0."""
    checks = judge(policy(ALL), counted({"F": (50, 10, 10, 50)}))
    assert {check.verdict for check in checks} == {"not_evaluable"}
    assert all(check.value is None for check in checks)
    assert "only one group, sex=F" in checks[0].reason


def test_one_group_large_enough_is_not_evaluable(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate("")), counted({"F": (5000, 1000, 1000, 5000), "M": (1, 1, 1, 1)}))
    assert check.verdict == "not_evaluable"
    assert "left out as too small: sex=M (fewer than 10 people" in check.reason


def test_nobody_selected_anywhere_is_not_evaluable(policy: Make, counted: Counted) -> None:
    checks = judge(policy(ALL), counted({"F": (0, 0, 100, 100), "M": (0, 0, 50, 150)}))
    assert {check.verdict for check in checks} == {"not_evaluable"}
    parity = next(check for check in checks if "demographic_parity_ratio" in check.id)
    assert "none of 400 people has a favourable prediction" in parity.reason


def test_a_ratio_of_zero_by_zero_names_the_rate(policy: Make, counted: Counted) -> None:
    lines = gate("", "{name: equalized_odds_ratio, fail_if: '< 0.80'}")
    (check,) = judge(policy(lines), counted({"F": (50, 0, 50, 100), "M": (80, 0, 20, 100)}))
    assert check.verdict == "not_evaluable"
    assert "false positive rate is 0 in every group" in check.reason


def test_one_group_never_selected_fails(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate("")), counted({"F": (0, 0, 100, 100), "M": (80, 20, 20, 80)}))
    assert (check.verdict, check.value, check.interval) == ("fail", 0.0, None)
    assert "too few events for an interval" in check.reason


def test_people_without_a_group_value_count_as_a_group(policy: Make, counted: Counted) -> None:
    groups = {"F": (80, 20, 20, 80), "M": (80, 20, 20, 80), None: (5, 5, 95, 95)}
    (check,) = judge(policy(gate("")), counted(groups))
    assert check.verdict == "fail"
    assert "sex=(missing) is 0.10 of" in check.reason
    (refused,) = judge(policy(gate("    missing_group: error\n")), counted(groups))
    assert refused.verdict == "error"
    assert "200 people have no value for sex" in refused.reason


def test_a_required_group_that_is_absent_is_an_error_and_a_small_one_not_evaluable(
    policy: Make, counted: Counted
) -> None:
    lines = gate("    require_groups: {sex: [F, M, X]}\n")
    groups = {"F": (80, 20, 20, 80), "M": (80, 20, 20, 80)}
    (absent,) = judge(policy(lines), counted(groups))
    assert absent.verdict == "error"
    assert "nobody with sex=X" in absent.reason
    (small,) = judge(policy(lines), counted(groups | {"X": (1, 0, 0, 1)}))
    assert small.verdict == "not_evaluable"
    assert "sex=X, a group that the policy requires, is too small" in small.reason


def test_too_many_people_in_small_groups_is_not_evaluable_and_few_are_named(policy: Make, counted: Counted) -> None:
    groups = {"F": (800, 200, 200, 800), "M": (800, 200, 200, 800)}
    (few,) = judge(policy(gate("")), counted(groups | {"X": (10, 10, 10, 10)}))
    assert few.verdict == "pass"
    assert "left out as too small: sex=X (40 people, and the policy wants 100)" in few.reason
    assert few.n == 4000
    (many,) = judge(policy(gate("")), counted(groups | {"X": (24, 25, 25, 25)}))
    assert many.verdict == "not_evaluable"
    assert "99 of 4,099 people (2.4 %)" in many.reason
    (strict,) = judge(policy(gate("    min_group: {on_small: error}\n")), counted(groups | {"X": (10, 10, 10, 10)}))
    assert strict.verdict == "error"


def test_a_conditional_rate_needs_people_to_stand_on(policy: Make, counted: Counted) -> None:
    lines = gate("    min_group: {max_excluded_share: 0.9}\n", "{name: equal_opportunity_difference, fail_if: '> 0.1'}")
    (check,) = judge(policy(lines), counted({"F": (10, 50, 10, 50), "M": (50, 50, 50, 50), "X": (50, 50, 50, 50)}))
    assert check.verdict == "pass"
    assert "20 people with the favourable true outcome, and the policy wants 30" in check.reason


def test_figures_of_fewer_than_ten_people_stay_in_the_count_tables(policy: Make, counted: Counted) -> None:
    groups = {"F": (800, 200, 200, 800), "M": (800, 200, 200, 800), "X": (3, 2, 1, 1)}
    (check,) = judge(policy(gate("")), counted(groups))
    small = next(group for group in check.groups if group["group"] == {"sex": "X"})
    assert small["n"] is None
    assert small["rates"] == {"selection_rate": {"k": None, "n": None, "value": None}}
    assert "sex=X (fewer than 10 people" in check.reason


def test_values_that_are_no_groups_of_people_are_an_error(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate("")), counted({str(i): (1, 1, 1, 1) for i in range(MAX_GROUPS + 1)}))
    assert check.verdict == "error"


def test_a_favourable_outcome_that_never_occurs_is_refused(policy: Make, counted: Counted) -> None:
    with pytest.raises(InvalidData, match="favourable outcome 'yes'"):
        judge(policy(gate("")), counted({"F": (9, 9, 9, 9)}), favourable="yes")


# --------------------------------------------------------------------------- decisions, intervals, words


def test_the_reason_says_who_how_many_and_what_the_policy_wants(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate("")), counted({"Female": (400, 77, 300, 4644), "Male": (2000, 1149, 1256, 6455)}))
    assert check.reason == (
        "selection rate of sex=Female is 0.30 of sex=Male's (0.088 of 5,421 against 0.29 of 10,860; "
        "95 % interval 0.28 to 0.33); the policy wants at least 0.80"
    )
    assert "Compare the selection rates" in check.advice
    assert check.replay == "counts"
    assert check.interval is not None
    assert check.interval["generator"] == "numpy PCG64"


def test_words_of_the_policy_come_before_ours(policy: Make, counted: Counted) -> None:
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.8', because: B., advice: A.}"
    (check,) = judge(policy(gate("", metric)), counted({"F": (10, 10, 90, 90), "M": (90, 10, 10, 90)}))
    assert (check.because, check.advice) == ("B.", "A.")


def test_a_value_is_never_rounded_onto_its_limit(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate("")), counted({"F": (3999, 0, 0, 6001), "M": (5000, 0, 0, 5000)}))
    assert check.verdict == "fail"
    assert "is 0.7998 of" in check.reason


@pytest.mark.parametrize(
    ("women", "verdict"), [((300, 0, 0, 700), "fail"), ((395, 0, 0, 605), "inconclusive"), ((480, 0, 0, 520), "pass")]
)
def test_a_confident_decision_wants_the_whole_interval_on_one_side(
    policy: Make, counted: Counted, women: tuple[int, ...], verdict: str
) -> None:
    lines = gate("    decision: confident\n")
    (check,) = judge(policy(lines), counted({"F": women, "M": (500, 0, 0, 500)}))
    assert check.verdict == verdict


def test_a_confident_decision_without_an_interval_is_inconclusive(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate("    decision: confident\n")), counted({"F": (5, 0, 0, 995), "M": (500, 0, 0, 500)}))
    assert (check.verdict, check.interval) == ("inconclusive", None)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(policy: Make, counted: Counted) -> None:
    counts = counted({"F": (300, 50, 100, 700), "M": (500, 100, 100, 500)})
    found = policy(ALL).gates[0]

    def once(seed: str) -> list[object]:
        checks = bias.run(found, counts, Setting(favourable="1", seed=seed))  # type: ignore[arg-type]
        return [check.as_json() for check in checks]

    assert once(SEED) == once(SEED)
    assert once(SEED) != once("0" * 16)


def test_the_interval_agrees_with_resampling_rows(policy: Make, counted: Counted) -> None:
    """A multinomial over the cells is a bootstrap of the rows."""
    groups = {"F": (60, 20, 40, 180), "M": (120, 40, 60, 280)}
    (check,) = judge(policy(gate("")), counted(groups))
    y_pred, who = (np.asarray(part) for part in rows_of(groups)[1:])
    generator = np.random.default_rng(5)
    ratios = []
    for _ in range(2_000):
        drawn = generator.integers(0, len(who), len(who))
        rates = [y_pred[drawn][who[drawn] == group].mean() for group in ("F", "M")]
        ratios.append(min(rates) / max(rates))
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert check.interval is not None
    assert check.interval["low"] == pytest.approx(low, abs=0.02)
    assert check.interval["high"] == pytest.approx(high, abs=0.02)


def test_no_warning_escapes_from_tables_with_zeros(policy: Make, counted: Counted) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judge(policy(ALL), counted({"F": (0, 0, 0, 100), "M": (100, 0, 0, 0), "X": (0, 50, 50, 0)}))

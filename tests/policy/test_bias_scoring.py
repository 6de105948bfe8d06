"""Scoring tools under Local Law 144: rates above the median of the full sample, from a scan, and replayed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick import canonical
from tallystick.errors import InvalidData, InvalidPolicy
from tallystick.policy import judge
from tallystick.policy.counts import Axis, Counts, Table
from tallystick.policy.document import Policy
from tallystick.policy.engines.duckdb import of_table
from tallystick.policy.gates.bias.reference import second_opinion
from tallystick.policy.judge import Outcome
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Evaluate = Callable[[Policy, Path], Outcome]
Write = Callable[..., Path]
ABOVE = Axis("s", "above_median")


def gate(lines: str = "", *, more: str = "", sensitive: str = "sex") -> str:
    judging = "  - {id: q, type: benchmark, metrics: [{name: accuracy, fail_if: '< 0.1'}]}\n"
    metrics = f"    metrics: [{{name: ll144_scoring{more}}}]\n"
    return f"  - id: b\n    type: bias\n    sensitive: [{sensitive}]\n{lines}{metrics}{judging}"


@pytest.fixture
def judged(policy: Make, evaluate: Evaluate, write: Write) -> Callable[..., CheckResult]:
    def run(rows: list[tuple[str, object]], text: str = gate()) -> CheckResult:
        found = policy(text)
        lines = [(who, at % 2, at % 2, score) for at, (who, score) in enumerate(rows)]
        outcome = evaluate(found, write(("sex", "y_true", "y_pred", "score"), lines))
        again = judge.replay(found, outcome.evidence, seed=outcome.seed)
        assert [canonical.encode(c.as_json()) for c in again] == [canonical.encode(c.as_json()) for c in outcome.checks]
        if outcome.checks[0].value is not None:
            values = {check.id: check.value for check in outcome.checks}
            assert second_opinion(found, values, outcome.evidence).confirmed == 1
        return outcome.checks[0]

    return run


def people(**groups: tuple[int, int]) -> list[tuple[str, object]]:
    """Rows from category -> (number, of them above the median): the others all have the same score."""
    found: list[tuple[str, object]] = []
    for name, (n, k) in groups.items():
        found += [("" if name == "unknown" else name, 100 + at if at < k else 0) for at in range(n)]
    assert 2 * sum(k for _, k in groups.values()) <= len(found)
    return found


SEX = {"Male": (92, 50), "Female": (76, 34)}
RACE = {
    "Hispanic": (28, 18), "White": (40, 15), "Black": (32, 16), "Pacific": (8, 5), "Asian": (24, 10),
    "Native": (16, 10), "Two": (20, 10),
}  # fmt: skip
PRINTED = {"Male": 1.00, "Female": 0.82} | {
    "Hispanic": 1.00, "White": 0.58, "Black": 0.78, "Pacific": 0.97, "Asian": 0.65, "Native": 0.97, "Two": 0.78,
}  # fmt: skip


@pytest.mark.parametrize("example", [SEX, RACE], ids=["sex", "race"])
def test_impact_ratios_are_those_of_the_examples_in_the_rules(judged: Any, example: dict[str, tuple[int, int]]) -> None:
    """6 RCNY 5-301, the examples under (c); all who were assessed are of a known category there."""
    check = judged(people(**example))
    facts: Any = check.figures["ll144"]
    for line in facts["categories"]:
        name = line["category"]["sex"]
        n, above = example[name]
        if min(above, n - above) < 10:  # not in the result, which cannot be erased
            assert (line["n"] is None) == (n < 10)
            assert line["above_median"] is line["scoring_rate"] is line["impact_ratio"] is None
        else:
            assert (line["n"], line["above_median"]) == example[name]
            assert line["impact_ratio"] == pytest.approx(PRINTED[name], abs=0.0052)
    rates = sorted(k / n for n, k in example.values())
    assert check.value == pytest.approx(rates[0] / rates[-1])
    assert (check.verdict, check.replay, check.interval) == ("pass", "counts", None)
    assert "the policy sets no threshold, so this is reported and not judged" in check.reason
    assert "the median of all scores is 50" in check.reason


def test_real_scores_give_what_sql_by_hand_gives(policy: Make, write: Write, evaluate: Evaluate, data: Path) -> None:
    import pandas as pd

    adult = pd.read_csv(data / "adult_test.csv.gz")
    adult["score"] = adult.hours_per_week + adult.age / 7
    adult["y_true"] = adult["y_pred"] = (adult.income == ">50K").astype(int)
    columns = ["sex", "race", "y_true", "y_pred", "score"]
    path = write(columns, adult[columns].itertuples(index=False))
    outcome = evaluate(policy(gate(sensitive="sex, race, [sex, race]", more=", fail_if: '< 0.8'")), path)
    for check, by in zip(outcome.checks, ("sex", "race", "sex, race"), strict=False):
        rates = f"SELECT avg((score > m)::INT) AS r FROM read_csv('{path}'), m GROUP BY {by}"  # noqa: S608
        sql = f"WITH m AS (SELECT median(score) AS m FROM read_csv('{path}')) SELECT min(r), max(r) FROM ({rates})"  # noqa: S608
        least, most = duckdb.sql(sql).fetchall()[0]
        assert check.value == pytest.approx(least / most, abs=1e-12)
        assert check.verdict == ("fail" if least / most < 0.8 else "pass")
    facts: Any = outcome.checks[0].figures["ll144"]
    assert facts["median"] == pytest.approx(float(adult.score.median()), abs=1e-12)


def test_people_of_unknown_categories_are_of_the_full_sample_and_in_no_figure(judged: Any) -> None:
    check = judged(people(F=(60, 20), M=(60, 30), unknown=(80, 50)))
    assert check.value == pytest.approx((20 / 60) / (30 / 60))
    assert "80 people of an unknown category are in no figure" in check.reason
    assert check.n == 120


def test_a_small_category_may_be_left_out_with_the_reason(judged: Any) -> None:
    rows = people(a=(500, 250), b=(500, 200), c=(15, 15))
    exclude = ", exclude: {below: 0.02, justification: 15 people say little.}"
    with_it, without = judged(rows), judged(rows, gate(more=exclude))
    assert (with_it.value, without.value) == (0.4, 0.8)
    facts: Any = without.figures["ll144"]
    assert [line["impact_ratio"] for line in facts["categories"]] == [1.0, 0.8, None]
    assert [line["scoring_rate"] for line in facts["categories"]] == [0.5, 0.4, None]
    assert "15 people say little" in without.reason


@pytest.mark.parametrize("score", ["", "nan", "inf", "-inf", "none"])
def test_no_score_is_dropped(judged: Any, score: str) -> None:
    check = judged([*people(F=(60, 20), M=(60, 30)), ("F", score), ("M", score)], gate(more=", fail_if: '< 0.1'"))
    assert (check.verdict, check.value) == ("error", None)
    assert "2 rows have no score that is a finite number" in check.reason


def test_scores_that_are_all_alike_are_no_audit(judged: Any) -> None:
    check = judged([("F", 7), ("M", 7)] * 50)
    assert check.verdict == "not_evaluable"
    assert "the scoring rate is 0 in every group" in check.reason


def test_a_column_without_numbers_has_no_median(judged: Any) -> None:
    with pytest.raises(InvalidData, match="'score' holds no number, so it has no median"):
        judged([("F", "high"), ("M", "low")] * 50)


number = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.1, 0.2, 0.1 + 0.2, 0.3, math.nextafter(0.3, 0), -0.0, 0.0, 5e-324, -5e-324, 1e308, -1.7e308]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(["F", "M", None]), number), min_size=1, max_size=40))
def test_the_counts_above_are_those_above_the_middle_of_the_sorted_scores(rows: list[tuple[str | None, float]]) -> None:
    table = pa.table({"g": [group for group, _ in rows], "s": pa.array([score for _, score in rows], pa.float64())})
    (counted,) = of_table(table, text=False).count([(Axis("g"), ABOVE)]).tables
    lower = sorted(score for _, score in rows)[(len(rows) - 1) // 2]
    upper = sorted(score for _, score in rows)[len(rows) // 2]
    above = {
        group: sum(g == group and (score > lower if lower < upper else score > upper) for g, score in rows)
        for group in {g for g, _ in rows}
    }
    assert {g: sum(n for (h, high), n in counted.cells if h == g and high) for g in above} == above
    (median,) = counted.axes[-1].edges
    assert lower <= median <= upper
    if abs(lower) < 1e300 > abs(upper):
        assert median == pytest.approx(statistics.median([score for _, score in rows]), rel=1e-15, abs=5e-324)


def test_a_median_is_recorded_with_its_counts_and_read_back() -> None:
    table = Table.of((Axis("g"), Axis("s", "above_median", (0.5,))), [(("F", 1), 3), (("M", 0), 4), (("M", None), 1)])
    counts = Counts(8, (table,))
    again = Counts.from_json(canonical.decode(canonical.encode(counts.as_json())))
    assert again == counts
    assert again.over(Axis("g"), ABOVE) == table
    assert again.over(Axis("g"), Axis("s", "above_median", (0.5,))) == table
    with pytest.raises(InvalidData, match="no such table"):
        again.over(Axis("g"), Axis("s", "above_median", (0.4,)))


@pytest.mark.parametrize(
    "axis",
    [
        {"column": "s", "form": "above_median"},
        {"column": "s", "form": "above_median", "edges": [1, 2]},
        {"column": "s", "form": "above_median", "edges": ["1"]},
        {"column": "s", "form": "below_median", "edges": [1]},
    ],
)
def test_another_form_of_a_median_is_refused(axis: dict[str, Any]) -> None:
    tables = [{"axes": [axis], "cells": [[1, 2]]}]
    with pytest.raises(InvalidData, match="not of the known form"):
        Counts.from_json({"schema": "tallystick/counts/v2", "rows": 2, "tables": tables})


def test_counts_of_which_more_than_half_lie_above_are_those_of_no_median(
    policy: Make, evaluate: Evaluate, write: Write
) -> None:
    rows = [(who, at % 2, at % 2, s) for at, (who, s) in enumerate(people(F=(60, 20), M=(60, 30)))]
    found = policy(gate(more=", fail_if: '< 0.5'"))
    outcome = evaluate(found, write(("sex", "y_true", "y_pred", "score"), rows))
    evidence = canonical.decode(canonical.encode(outcome.evidence))
    for table in evidence["sources"]["data"]["tables"]:
        if table["axes"][-1]["form"] == "above_median":
            table["cells"] = [[*group, 1 - above, n] for *group, above, n in table["cells"]]
    check = judge.replay(found, evidence, seed=outcome.seed)[0]
    assert (check.verdict, "more than half of all scores" in check.reason) == ("error", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (gate("    decision: confident\n", more=", fail_if: '< 0.8'"), "ll144_scoring has no interval"),
        (gate(more=", favourable: 0"), "favourable does not go with it"),
        (gate(more=", bins: 5"), "bins goes with calibration only"),
        (gate(more=", reference: {sex: F}"), "the group that is selected most"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(policy: Make, text: str, words: str) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        policy(text)

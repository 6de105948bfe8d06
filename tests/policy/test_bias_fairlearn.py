from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import Unconfirmed
from tallystick.policy import metrics
from tallystick.policy.counts import Counts, Table, by_outcome
from tallystick.policy.document import Policy
from tallystick.policy.evidence import DATA, Evidence, Setting
from tallystick.policy.gates.bias import judge as bias
from tallystick.policy.gates.bias.reference import Opinion, opinions, second_opinion
from tallystick.policy.metrics import GROUP_METRICS

Make = Callable[[str], Policy]

EVERY = (
    "  - id: b\n    type: bias\n    sensitive: [sex]\n    min_group: {n: 1, positives: 1}\n    interval: {n: 1000}\n"
    "    metrics:\n"
    + "".join(
        f"      - {{name: {name}, fail_if: '{'< 0.8' if metric.form == 'ratio' else '> 0.1'}'}}\n"
        for name, metric in GROUP_METRICS.items()
        if metric.stands_on == "predictions"
    )
)
cells = st.tuples(*[st.integers(0, 2_000_000) | st.integers(0, 5)] * 4).filter(lambda four: sum(four) > 0)
tables = st.dictionaries(st.sampled_from([*"abcdef", None]), cells, min_size=2, max_size=6)


def asked(gate: Any, counts: Counts, favourable: str = "1") -> list[Opinion]:
    """What fairlearn makes of the values that the gate comes to."""
    results = bias.run(gate, counts, Setting(favourable=favourable, seed="0" * 16))
    return [
        *opinions(gate, counts, Setting(favourable=favourable), values={result.id: result.value for result in results})
    ]


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=tables)
def test_fairlearn_confirms_every_metric_on_any_table(
    policy: Make, counted: Callable[..., Counts], groups: dict[str | None, tuple[int, ...]]
) -> None:
    counts = counted(groups)
    if "1" in counts.outcomes:
        gate: Any = policy(EVERY).gates[0]
        assert all(one.confirms for one in asked(gate, counts))


def test_a_formula_that_is_wrong_is_found(
    policy: Make, counted: Callable[..., Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counted({"F": (30, 20, 10, 40), "M": (50, 10, 15, 25)})
    gate: Any = policy(EVERY).gates[0]
    assert [one.confirms for one in asked(gate, counts)] == [True] * len(gate.metrics)
    between = metrics._between
    monkeypatch.setattr(
        metrics,
        "_between",
        lambda rate, form, values, low, high: between(rate, form, [v * 1.01 for v in values], low, high),
    )
    found = {one.check for one in asked(gate, counts) if not one.confirms}
    differences = {name for name, metric in GROUP_METRICS.items() if metric.form == "difference" and metric.rates}
    assert found == {f"b/sex/{name}" for name in differences}


def test_fairlearn_confirms_compas_by_race(policy: Make, data: Path) -> None:
    import csv

    with (data / "compas_counts.csv").open(newline="") as file:
        rows = [((r["race"],), r["two_year_recid"], r["high"], int(r["count"])) for r in csv.DictReader(file)]
    by = Table.of(by_outcome(["sex"], true="t", predicted="p"), [((*g, t, p), n) for g, t, p, n in rows])
    counts = Counts(by.rows, (by.along(*by.axes[1:]), by))
    gate: Any = policy(EVERY).gates[0]
    found = asked(gate, counts, "0")
    assert [one.check for one in found if not one.confirms] == []
    assert len(found) == len(gate.metrics)


def test_what_fairlearn_has_no_function_for_is_counted(policy: Make, counted: Callable[..., Counts]) -> None:
    metrics = "{name: accuracy_ratio, fail_if: '< 0.1'}, {name: demographic_parity_ratio, fail_if: '< 0.1'}"
    own = "{name: equal_opportunity_ratio, fail_if: '< 0.1', reference: {sex: M}}"
    other = "{name: predictive_parity_ratio, fail_if: '< 0.1', per_class: true}"
    found = policy(f"  - {{id: b, type: bias, sensitive: [sex], metrics: [{metrics}, {own}, {other}]}}\n")
    counts = counted({"F": (30, 20, 30, 40), "M": (50, 10, 15, 25), "X": (1, 1, 1, 0)})
    gate: Any = found.gates[0]
    results = [*bias.run(gate, counts, Setting(favourable="1", seed="0" * 16))]
    evidence = Evidence(counts.rows, {DATA: counts}).as_json()
    values = {result.id: result.value for result in results}
    said = second_opinion(found, values, evidence)
    assert (said.confirmed, said.without) == (2, 2)
    assert str(said).endswith("agrees on 2 values (to 1e-12); 2 it has no function for")
    none = second_opinion(found, dict.fromkeys(values), evidence)
    assert "nothing to confirm" in str(none)
    wrong = values | {"b/sex/accuracy_ratio": (values["b/sex/accuracy_ratio"] or 0) + 1e-9}
    with pytest.raises(Unconfirmed, match=r"b/sex/accuracy_ratio: fairlearn .* comes to another value"):
        second_opinion(found, wrong, evidence)


def test_a_logistic_regression_on_adult_treats_women_and_men_as_was_measured(
    policy: Make, data: Path, counted: Callable[..., Counts]
) -> None:
    """Demographic parity ratio 0.30 and equalized odds difference 0.09 by sex; fairlearn says so too, to 1e-12."""
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = (pd.read_csv(data / f"adult_{part}.csv.gz") for part in ("train", "test"))
    both = pd.concat([train, test])
    features = pd.get_dummies(both.drop(columns=["income", "fnlwgt", "native_country"])).astype(float)
    true = (both.income == ">50K").astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=100))
    model.fit(features[: len(train)], true[: len(train)])
    test = test.assign(t=true[len(train) :], p=model.predict(features[len(train) :]))
    groups = {
        sex: tuple(int(((of.t == t) & (of.p == p)).sum()) for t, p in ((1, 1), (0, 1), (1, 0), (0, 0)))
        for sex, of in test.groupby("sex")
    }
    gate: Any = policy(EVERY).gates[0]
    counts = counted(groups)
    found = {one.id: one.value for one in bias.run(gate, counts, Setting(favourable="1", seed="0" * 16))}
    assert found["b/sex/demographic_parity_ratio"] == pytest.approx(0.30, abs=0.01)
    assert found["b/sex/equalized_odds_difference"] == pytest.approx(0.086, abs=0.01)
    assert all(one.confirms for one in asked(gate, counts))

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.policy import metrics
from tallystick.policy.counts import Counts, Table, by_outcome
from tallystick.policy.document import Policy
from tallystick.policy.gates.bias.reference import verify_with_fairlearn
from tallystick.policy.metrics import GROUP_METRICS

Make = Callable[[str], Policy]

EVERY = (
    "  - id: b\n    type: bias\n    sensitive: [sex]\n    min_group: {n: 1, positives: 1}\n    metrics:\n"
    + "".join(
        f"      - {{name: {name}, fail_if: '{'< 0.8' if metric.form == 'ratio' else '> 0.1'}'}}\n"
        for name, metric in GROUP_METRICS.items()
    )
)
cells = st.tuples(*[st.integers(0, 2_000_000) | st.integers(0, 5)] * 4).filter(lambda four: sum(four) > 0)
tables = st.dictionaries(st.sampled_from([*"abcdef", None]), cells, min_size=2, max_size=6)


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=tables)
def test_fairlearn_confirms_every_metric_on_any_table(
    policy: Make, counted: Callable[..., Counts], groups: dict[str | None, tuple[int, ...]]
) -> None:
    counts = counted(groups)
    if "1" in counts.outcomes:
        gate: Any = policy(EVERY).gates[0]
        assert verify_with_fairlearn(gate, counts, favourable="1") == []


def test_a_formula_that_is_wrong_is_found(
    policy: Make, counted: Callable[..., Counts], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = counted({"F": (30, 20, 10, 40), "M": (50, 10, 15, 25)})
    gate: Any = policy(EVERY).gates[0]
    assert verify_with_fairlearn(gate, counts, favourable="1") == []
    between = metrics._between
    monkeypatch.setattr(
        metrics,
        "_between",
        lambda rate, form, values, low, high: between(rate, form, [v * 1.01 for v in values], low, high),
    )
    found = {one.check for one in verify_with_fairlearn(gate, counts, favourable="1")}
    assert found == {f"b/sex/{name}" for name, metric in GROUP_METRICS.items() if metric.form == "difference"}


def test_fairlearn_confirms_compas_by_race(policy: Make, data: Path) -> None:
    import csv

    with (data / "compas_counts.csv").open(newline="") as file:
        rows = [((r["race"],), r["two_year_recid"], r["high"], int(r["count"])) for r in csv.DictReader(file)]
    by = Table.of(by_outcome(["sex"], true="t", predicted="p"), [((*g, t, p), n) for g, t, p, n in rows])
    counts = Counts(by.rows, (by.along(*by.axes[1:]), by))
    gate: Any = policy(EVERY).gates[0]
    assert verify_with_fairlearn(gate, counts, favourable="0") == []

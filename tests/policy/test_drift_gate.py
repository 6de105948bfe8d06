"""The drift gate: known figures, a stated rule for what is empty, and a baseline whose bands stay its own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy import stats

from tallystick import canonical
from tallystick.errors import InvalidData, InvalidPolicy
from tallystick.policy import judge
from tallystick.policy.baseline import Baseline, Histograms, recorded
from tallystick.policy.document import Policy
from tallystick.policy.engines.histograms import every_column, of_file
from tallystick.policy.evidence import Compared
from tallystick.policy.gates import drift

Make = Callable[[str], Policy]
Write = Callable[..., Path]

GATE = """\
  - id: drift
    type: drift
    metrics:
      - {column: score, method: psi, edges: quantiles, warn_if: ">= 0.1", fail_if: ">= 0.25"}
      - {column: score, method: ks, edges: quantiles, fail_if: "> 0.15"}
      - {column: region, method: chi_squared, fail_if: "> 0.2"}
"""


def rows(shift: float = 0.0, regions: str = "nnnse", n: int = 2000, seed: int = 1) -> list[tuple[str, str]]:
    chosen = random.Random(seed)
    return [(f"{chosen.gauss(shift, 1):.6f}", chosen.choice(regions)) for _ in range(n)]


@pytest.fixture
def files(write: Write) -> Callable[..., tuple[Path, Path]]:
    """A baseline and other data."""

    def make(other: list[tuple[str, str]], base: list[tuple[str, str]] | None = None) -> tuple[Path, Path]:
        header = ("score", "region")
        return write(header, base or rows(), "base.csv"), write(header, other, "data.csv")

    return make


def judged(policy: Policy, base: Path, data: Path) -> judge.Outcome:
    return judge.evaluate(policy, data, data_digest="0" * 64, baseline=of_file(base, name="base", sha256="ab" * 32))


def test_data_like_the_baseline_pass_and_data_that_moved_fail(
    policy: Make, files: Callable[..., tuple[Path, Path]]
) -> None:
    same = judged(policy(GATE), *files(rows(seed=2)))
    assert same.verdict == "pass"
    moved = judged(policy(GATE), *files(rows(1.0, "sssne", seed=2)))
    assert [check.verdict for check in moved.checks] == ["fail", "fail", "fail"]
    assert "most moved" in moved.checks[0].reason
    assert moved.checks[0].threshold["baseline"] == {"name": "base", "sha256": "ab" * 32}


def test_what_is_said_of_drift_is_recomputed_from_the_recorded_counts(
    policy: Make, files: Callable[..., tuple[Path, Path]]
) -> None:
    base, data = files(rows(0.3, "nnsew"))
    outcome = judged(policy(GATE), base, data)
    base.unlink()
    data.unlink()
    evidence = canonical.decode(canonical.encode(outcome.evidence))
    assert judge.replay(policy(GATE), evidence, seed=outcome.seed) == outcome.checks


def test_the_figures_are_those_of_the_rows(policy: Make, files: Callable[..., tuple[Path, Path]]) -> None:
    """Kolmogorov and Smirnov's by sorting: never above it, and below by a band at most."""
    mine, other = rows(), rows(0.5, seed=2)
    exact = stats.ks_2samp([float(a) for a, _ in other], [float(a) for a, _ in mine])
    found = judged(policy(GATE), *files(other)).checks[1].value
    assert found is not None
    assert exact.statistic - 0.011 <= found <= exact.statistic + 1e-12


def test_a_baseline_recorded_as_histograms_says_the_same_as_its_file(
    policy: Make, files: Callable[..., tuple[Path, Path]]
) -> None:
    base, data = files(rows(0.4, "nnsew"))
    kept = canonical.decode(canonical.encode(every_column(base).as_json()))
    by_file = judged(policy(GATE), base, data)
    by_record = judge.evaluate(
        policy(GATE), data, data_digest="0" * 64, baseline=recorded(kept, name="base", sha256="ab" * 32)
    )
    assert by_record.checks == by_file.checks
    assert by_record.evidence == by_file.evidence


def test_missing_values_are_a_band_and_new_categories_are_named(
    policy: Make, files: Callable[..., tuple[Path, Path]]
) -> None:
    gone = [("", "w") if i % 2 else row for i, row in enumerate(rows(seed=2))]
    outcome = judged(policy(GATE), *files(gone))
    assert [check.verdict for check in outcome.checks] == ["fail", "fail", "fail"]
    assert "(missing)" in outcome.checks[0].reason
    assert "1 new category, such as 'w'" in outcome.checks[2].reason


def test_a_new_category_that_few_show_is_counted_and_not_named(
    policy: Make, files: Callable[..., tuple[Path, Path]]
) -> None:
    outcome = judged(policy(GATE), *files([*rows(seed=2), *[("0.1", "only-erin")] * 3]))
    assert "1 new category" in outcome.checks[2].reason
    assert "erin" not in outcome.checks[2].reason


def test_without_a_baseline_every_check_is_an_error(policy: Make, files: Callable[..., tuple[Path, Path]]) -> None:
    _, data = files(rows())
    outcome = judge.evaluate(policy(GATE), data, data_digest="0" * 64)
    assert {check.verdict for check in outcome.checks} == {"error"}
    assert "--baseline" in outcome.checks[0].reason


def test_edges_that_the_policy_lists_are_those_that_count(
    policy: Make, files: Callable[..., tuple[Path, Path]]
) -> None:
    gate = GATE.replace("edges: quantiles, warn_if", "edges: [0], warn_if")
    outcome = judged(policy(gate), *files(rows(1.0, seed=2)))
    assert "in 2 bands" in outcome.checks[0].reason
    kept = every_column(files(rows())[0]).as_json()
    with pytest.raises(InvalidData, match="no such table"):
        recorded(kept, name="base", sha256="").histograms([Compared("score", edges=(0.0,))])


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ('{column: a, method: psi, fail_if: "< 0.1"}', "wrong way"),
        ('{column: a, method: ks, fail_if: "> 0.1"}', "needs edges"),
        ('{column: a, method: ks, edges: [2, 1], fail_if: "> 0.1"}', "ascending"),
        ('{column: a, method: ks, edges: quantiles, fail_if: "> 1"}', "never be reached"),
        ("{column: a, method: psi}", "checks nothing"),
        ('{column: a, method: wasserstein, fail_if: "> 1"}', "unknown word"),
    ],
)
def test_a_metric_that_decides_nothing_is_refused(policy: Make, metric: str, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said):
        policy(f"  - {{id: d, type: drift, metrics: [{metric}]}}\n")


# --------------------------------------------------------------------------- the measures


def test_the_stability_index_of_a_known_table() -> None:
    """By hand: shares 0.5, 0.5 against 0.25, 0.75."""
    by_hand = 0.25 * math.log(2) + -0.25 * math.log(2 / 3)
    assert drift.psi([50, 50], [25, 75]) == pytest.approx(by_hand, abs=1e-15)
    assert drift.psi([1, 3], [10, 30]) == 0.0


def test_an_empty_band_counts_as_a_ten_thousandth() -> None:
    assert drift.psi([100, 0], [50, 50]) == pytest.approx(0.5 * math.log(2) + (0.0001 - 0.5) * math.log(0.0002))
    assert drift.psi([100, 0], [100, 0]) == 0.0


def test_ks_and_cramers_v_are_scipys() -> None:
    chosen = random.Random(4)
    for _ in range(20):
        k = chosen.randint(2, 9)
        data, base = ([chosen.randint(1, 300) for _ in range(k)] for _ in range(2))
        a, b = ([i for i, n in enumerate(side) for _ in range(n)] for side in (data, base))
        assert drift.ks(data, base) == pytest.approx(stats.ks_2samp(a, b).statistic, abs=1e-12)
        assert drift.cramers_v(data, base) == pytest.approx(stats.contingency.association([data, base]), abs=1e-12)


def test_the_tails_are_scipys() -> None:
    for freedom in (1, 2, 9, 40, 999):
        for share in (0.01, 0.3, 0.9, 1.0, 1.1, 1.5, 3, 8):
            x = freedom * share
            assert drift.chi_squared_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-9, abs=1e-13)
    for x in (0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 3.0):
        assert drift.kolmogorov_tail(x) == pytest.approx(stats.kstwobign.sf(x), abs=1e-9)


# --------------------------------------------------------------------------- hostile records


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other"},
        {"quantiles": [{"column": "score", "parts": 10, "edges": [2, 1]}]},
        {"quantiles": [{"column": "score"}]},
        {"quantiles": 3},
        {"counts": {}},
        {"more": 1},
    ],
)
def test_histograms_of_another_form_are_refused(
    files: Callable[..., tuple[Path, Path]], change: dict[str, object]
) -> None:
    kept = every_column(files(rows())[0]).as_json()
    with pytest.raises(InvalidData):
        Histograms.from_json(kept | change)


def test_a_baseline_that_lost_a_column_has_no_verdict(policy: Make, write: Write) -> None:
    base, data = write(("score",), [("1",)], "base.csv"), write(("score", "region"), rows())
    with pytest.raises(InvalidData, match="region"):
        judged(policy(GATE), base, data)


def test_columns_of_identifiers_and_twin_names_have_no_histogram(write: Write) -> None:
    path = write(("id", "x", "x", "n"), [(f"p{i}", i, i, i % 3) for i in range(300)])
    found = every_column(path)
    assert [table.axes[0].column for table in found.counts.tables] == ["n"]


def test_a_baseline_is_asked_only_for_what_is_compared(policy: Make, files: Callable[..., tuple[Path, Path]]) -> None:
    base, data = files(rows())
    asked: list[Compared] = []
    plain = of_file(base, name="base", sha256="")

    def telling(needs: list[Compared]) -> Histograms:
        asked.extend(needs)
        return plain.histograms(needs)

    judge.evaluate(policy(GATE), data, data_digest="0" * 64, baseline=Baseline("base", "", telling))  # type: ignore[arg-type]
    assert [(need.column, need.parts) for need in asked] == [("score", 10), ("score", 100), ("region", 0)]

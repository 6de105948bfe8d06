"""Challenger against champion: what is compared, when it passes, and when it must not look green."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import canonical
from tallystick.errors import InvalidData, InvalidPolicy, UsageError
from tallystick.policy import judge
from tallystick.policy.document import Policy, parse
from tallystick.policy.gates.benchmark import rows, versus
from tallystick.policy.gates.benchmark.scorers import SCORERS
from tallystick.policy.proportions import Paired, paired_difference
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Write = Callable[..., Path]
FACTS = {"champion": {"name": "credit", "version": 3, "entry": 17, "evaluation": 20}}
NOBODY = {"champion": {"absent": "no version of credit stands in production"}}


def gate(*metrics: str, lines: str = "") -> str:
    return f"  - id: q\n    type: benchmark\n{lines}    metrics: [{', '.join(metrics)}]\n"


def against(name: str, drop: float, more: str = "") -> str:
    return f'{{name: {name}, versus: {{baseline: "@champion", max_drop: {drop}{more}}}}}'


def found(
    policy: Policy, data: Path, champion: Path | None, facts: Any = FACTS
) -> tuple[dict[str, CheckResult], judge.Outcome]:
    digest = hashlib.sha256(data.read_bytes()).hexdigest()
    outcome = judge.evaluate(policy, data, data_digest=digest, facts=facts, champion=champion)
    again = judge.replay(policy, outcome.evidence, seed=outcome.seed)
    counted = [check for check in outcome.checks if check.replay == "counts"]
    assert [canonical.encode(c.as_json()) for c in again] == [canonical.encode(c.as_json()) for c in counted]
    return {check.id.removeprefix("q/"): check for check in outcome.checks}, outcome


@pytest.fixture
def pair(write: Write) -> Callable[..., tuple[Path, Path]]:
    """Two files from (true, challenger, champion, group) to a number of rows."""

    def make(cells: dict[tuple[object, object, object, object], int]) -> tuple[Path, Path]:
        rows = [key for key, n in cells.items() for _ in range(n)]
        head = ("y_true", "y_pred", "sex")
        one = write(head, [(true, said, group) for true, said, _, group in rows], "challenger.csv")
        other = write(head, [(true, said, group) for true, _, said, group in rows], "champion.csv")
        return one, other

    return make


def cells(both: int, first: int, second: int, neither: int, group: str = "F") -> dict[tuple[Any, ...], int]:
    """Rows that both have right, only the challenger, only the champion, neither; half of each truly favourable."""
    made: dict[tuple[Any, ...], int] = {}
    for n, (one, other) in zip(
        (both, first, second, neither), ((True, True), (True, False), (False, True), (False, False)), strict=True
    ):
        for true, part in ((1, n // 2), (0, n - n // 2)):
            made[true, true if one else 1 - true, true if other else 1 - true, group] = part
    return made


# --------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("table", "drop", "verdict"),
    [
        ((900, 20, 20, 60), 0.05, "pass"),  # the interval ends above the margin
        ((900, 10, 60, 30), 0.01, "fail"),  # and here below it
        ((90, 2, 2, 6), 0.01, "inconclusive"),  # too few rows to say
        ((900, 60, 10, 30), 0.0, "pass"),  # better for certain
    ],
)
def test_the_whole_interval_has_to_be_within_the_margin(
    policy: Make, pair: Any, table: tuple[int, int, int, int], drop: float, verdict: str
) -> None:
    checks, _ = found(policy(gate(against("accuracy", drop))), *pair(cells(*table)))
    check = checks["accuracy.versus"]
    expected = paired_difference(Paired(*table), 0.95)
    assert check.verdict == verdict
    assert check.value == pytest.approx((table[1] - table[2]) / sum(table))
    assert check.interval is not None
    assert (check.interval["low"], check.interval["high"]) == (expected.low, expected.high)
    assert check.interval["method"] == "newcombe_paired"
    assert "credit@3 (entry 17)" in check.reason
    assert check.figures["champion"] == FACTS["champion"]
    assert check.figures["only_champion_right"] == table[2]


def test_a_policy_may_let_the_point_decide(policy: Make, pair: Any) -> None:
    checks, _ = found(policy(gate(against("accuracy", 0.05, ", decision: point"))), *pair(cells(90, 0, 5, 5)))
    assert checks["accuracy.versus"].verdict == "pass"  # a drop of exactly the margin is allowed
    checks, _ = found(policy(gate(against("accuracy", 0.049, ", decision: point"))), *pair(cells(90, 0, 5, 5)))
    assert checks["accuracy.versus"].verdict == "fail"


COUNTED = ("accuracy", "precision", "recall", "f1", "balanced_accuracy", "matthews_corrcoef", "cohen_kappa", "f1_macro")


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(15, 200)] * 4))
def test_a_challenger_equal_to_the_champion_differs_by_nothing(tmp_path_factory: Any, four: Sequence[int]) -> None:
    folder = tmp_path_factory.mktemp("equal")
    tp, fp, fn, tn = four
    rows = [(1, 1)] * tp + [(0, 1)] * fp + [(1, 0)] * fn + [(0, 0)] * tn
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("y_true,y_pred\n" + "".join(f"{t},{p}\n" for t, p in rows))
    text = gate(
        *(against(name, 1.0) for name in COUNTED), lines='    churn: {baseline: "@champion", fail_if: "> 0.5"}\n'
    )
    checks, _ = found(parse((HEADED + "gates:\n" + text).encode(), name="p"), folder / "a.csv", folder / "b.csv")
    assert {check.value for check in checks.values()} == {0.0}
    assert {check.verdict for check in checks.values()} == {"pass"}
    for name in COUNTED:
        interval = checks[f"{name}.versus"].interval
        assert interval is not None
        assert interval["low"] < 0 < interval["high"], name  # no zero width: that they agree here is no proof


HEADED = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: test/policy, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
inputs: {columns: {y_true: y_true, y_pred: y_pred, favourable: 1}}
"""


def test_what_follows_from_counts_is_the_difference_of_scikit_learns_figures(policy: Make, pair: Any) -> None:
    from sklearn import metrics

    one, other = pair(cells(600, 70, 40, 90))
    checks, _ = found(
        policy(gate(*(against(name, 0.5) for name in ("f1", "precision", "matthews_corrcoef")))), one, other
    )
    columns = [np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1), dtype=int) for path in (one, other)]
    true, first, second = columns[0][:, 0], columns[0][:, 1], columns[1][:, 1]
    for name in ("f1", "precision", "matthews_corrcoef"):
        function = getattr(metrics, name, None) or getattr(metrics, f"{name}_score")
        check = checks[f"{name}.versus"]
        assert check.value == pytest.approx(function(true, first) - function(true, second), abs=1e-12)
        assert check.interval is not None
        assert check.interval["low"] < check.value < check.interval["high"]


# --------------------------------------------------------------------------- groups


def both_groups(women: tuple[int, ...], men: tuple[int, ...]) -> dict[tuple[Any, ...], int]:
    return cells(*women, group="F") | cells(*men, group="M")  # type: ignore[call-arg,arg-type]


def test_a_gain_over_everyone_does_not_hide_a_loss_of_a_group(policy: Make, pair: Any) -> None:
    made = both_groups((380, 2, 80, 38), (900, 150, 2, 48))
    checks, _ = found(policy(gate(against("accuracy", 0.01, ", by: [sex]"))), *pair(made))
    assert checks["accuracy.versus"].verdict == "pass"
    within = checks["accuracy.versus/sex"]
    assert within.verdict == "fail"
    assert within.value == pytest.approx(-78 / 500)
    assert "sex=F" in within.reason
    assert [dict(group["group"]) for group in within.groups] == [{"sex": "F"}, {"sex": "M"}]


def test_small_groups_are_left_out_in_the_open_and_not_too_many_of_them(policy: Make, pair: Any) -> None:
    made = cells(900, 50, 50, 100) | cells(3, 1, 1, 2, group="X")
    checks, _ = found(policy(gate(against("accuracy", 0.1, ", by: [sex]"))), *pair(made))
    within = checks["accuracy.versus/sex"]
    assert within.verdict == "pass"
    small = next(group for group in within.groups if group["group"]["sex"] == "X")
    assert (small["n"], small["left_out"]) == (None, "fewer than 100 rows")
    made = cells(900, 50, 50, 100) | cells(40, 1, 1, 2, group="X")
    checks, _ = found(policy(gate(against("accuracy", 0.1, ", by: [sex]"))), *pair(made))
    assert checks["accuracy.versus/sex"].verdict == "not_evaluable"


def test_rows_without_a_group_are_a_group(policy: Make, pair: Any) -> None:
    made = cells(900, 50, 50, 100) | cells(200, 5, 60, 35, group="")
    checks, _ = found(policy(gate(against("accuracy", 0.05, ", by: [sex]"))), *pair(made))
    assert checks["accuracy.versus/sex"].verdict == "fail"
    assert "sex=(missing)" in checks["accuracy.versus/sex"].reason


def test_a_failure_among_many_groups_is_claimed_only_at_the_confidence_of_all_of_them(policy: Make, pair: Any) -> None:
    made: dict[tuple[Any, ...], int] = {}
    for number in range(20):
        made |= (
            cells(160, 1, 13, 26, group=f"g{number:02}") if number == 7 else cells(160, 7, 7, 26, group=f"g{number:02}")
        )
    alone, _ = found(policy(gate(against("accuracy", 0.01, ", by: [sex]"))), *pair(cells(160, 1, 13, 26)))
    assert alone["accuracy.versus/sex"].verdict == "fail"
    among, _ = found(policy(gate(against("accuracy", 0.01, ", by: [sex]"))), *pair(made))
    assert among["accuracy.versus/sex"].verdict == "inconclusive"
    assert among["accuracy.versus/sex"].figures["family"] == 20


# --------------------------------------------------------------------------- churn


def test_churn_is_the_share_of_decisions_that_changed(policy: Make, pair: Any) -> None:
    text = gate("{name: accuracy, fail_if: '< 0.1'}", lines='    churn: {baseline: "@champion", fail_if: "> 0.1"}\n')
    checks, _ = found(policy(text), *pair(cells(800, 40, 70, 90)))
    churn = checks["churn"]
    assert churn.value == pytest.approx(0.11)
    assert churn.verdict == "fail"
    assert "40 became right, 70 became wrong" in churn.reason
    assert churn.figures["became_favourable"] + churn.figures["became_unfavourable"] == 110  # type: ignore[operator]


# --------------------------------------------------------------------------- outcomes of any number, scores, numbers


def test_any_number_of_outcomes_can_be_compared(head: str, write: Write) -> None:
    generator = np.random.default_rng(1)
    true = generator.choice(["a", "b", "c"], 3000)
    said = [
        np.where(generator.random(3000) < right, true, generator.choice(["a", "b", "c"], 3000)) for right in (0.7, 0.72)
    ]
    one, other = (write(("y_true", "y_pred"), zip(true, p, strict=True), f"{i}.csv") for i, p in enumerate(said))
    text = (
        head.replace("favourable: 1", "")
        + "gates:\n"
        + gate(against("f1_macro", 0.1), against("accuracy", 0.1), lines="    task: multiclass\n")
    )
    checks, _ = found(parse(text.encode(), name="p"), one, other)
    assert {check.verdict for check in checks.values()} == {"pass"}
    f1 = checks["f1_macro.versus"].interval
    assert f1 is not None
    assert f1["method"] == "paired_bootstrap"


def scores(write: Write, seed: int = 0, worse: float = 0.0, n: int = 600) -> tuple[Path, Path]:
    generator = np.random.default_rng(seed)
    true = generator.integers(0, 2, n)
    champion = np.clip(0.3 * true + generator.uniform(0, 0.7, n), 0, 1)
    challenger = np.clip(champion - worse * true + generator.normal(0, 0.02, n), 0, 1)
    head = ("y_true", "y_pred", "score")
    one, other = (
        write(head, zip(true, (s > 0.5).astype(int), s, strict=True), name)
        for s, name in ((challenger, "a.csv"), (champion, "b.csv"))
    )
    return one, other


@pytest.mark.parametrize(("worse", "verdict"), [(0.0, "pass"), (0.3, "fail")])
def test_areas_are_compared_by_delong(policy: Make, write: Write, worse: float, verdict: str) -> None:
    checks, _ = found(policy(gate(against("roc_auc", 0.02), against("brier", 0.02))), *scores(write, worse=worse))
    assert checks["roc_auc.versus"].verdict == verdict
    assert checks["roc_auc.versus"].interval["method"] == "delong"  # type: ignore[index]
    assert checks["brier.versus"].verdict == verdict  # a lower Brier score is a gain
    assert {check.replay for check in checks.values()} == {"threshold-only"}


def test_numbers_are_compared_row_by_row(head: str, write: Write) -> None:
    generator = np.random.default_rng(2)
    true = generator.normal(100, 20, 500)
    said = [true + generator.normal(0, spread, 500) for spread in (5, 10)]
    one, other = (write(("y_true", "y_pred"), zip(true, p, strict=True), f"{i}.csv") for i, p in enumerate(said))
    lines = "    task: regression\n"
    text = (
        head.replace("favourable: 1", "")
        + "gates:\n"
        + gate(against("root_mean_squared_error", 0), against("r2", 0), lines=lines)
    )
    checks, _ = found(parse(text.encode(), name="p"), one, other)
    assert {check.verdict for check in checks.values()} == {"pass"}
    checks, _ = found(parse(text.encode(), name="p"), other, one)
    assert {check.verdict for check in checks.values()} == {"fail"}


# --------------------------------------------------------------------------- no champion


def test_only_the_ledger_can_say_that_there_is_no_champion(policy: Make, pair: Any) -> None:
    one, _ = pair(cells(90, 2, 2, 6))
    own = "{name: accuracy, fail_if: '< 0.1'}"
    strict, lenient = policy(gate(own, against("f1", 0.1))), policy(gate(own, against("f1", 0.1, ", if_none: skip")))
    verdicts = {
        (name, known): found(rule, one, None, facts)[0]["f1.versus"].verdict
        for name, rule in (("strict", strict), ("lenient", lenient))
        for known, facts in (("champion", FACTS), ("nobody", NOBODY), ("nothing", {}))
    }
    assert verdicts == {
        ("strict", "champion"): "error",
        ("strict", "nobody"): "error",
        ("strict", "nothing"): "error",
        ("lenient", "champion"): "error",
        ("lenient", "nobody"): "not_applicable",
        ("lenient", "nothing"): "error",
    }


def test_a_champion_that_nobody_asked_for_is_refused(policy: Make, pair: Any) -> None:
    one, other = pair(cells(90, 2, 2, 6))
    with pytest.raises(UsageError, match="compares with no champion"):
        found(policy(gate("{name: accuracy, fail_if: '< 0.5'}")), one, other)


# --------------------------------------------------------------------------- the same rows


def test_rows_are_found_by_the_key_if_there_is_one(head: str, write: Write) -> None:
    generator = np.random.default_rng(5)
    rows = [(i, int(t), int(p)) for i, (t, p) in enumerate(generator.integers(0, 2, (400, 2)))]
    shuffled = [rows[i] for i in generator.permutation(400)]
    names = ("case", "y_true", "y_pred")
    one, other = write(names, rows, "a.csv"), write(names, shuffled, "b.csv")
    text = head.replace("favourable: 1", "favourable: 1, id: case") + "gates:\n" + gate(against("accuracy", 0.5))
    keyed = parse(text.encode(), name="p")
    checks, _ = found(keyed, one, other)
    assert (checks["accuracy.versus"].value, checks["accuracy.versus"].figures["changed"]) == (0.0, 0)
    with pytest.raises(InvalidData, match="not of the same rows"):
        found(parse(text.replace(", id: case", "").encode(), name="p"), one, other)
    with pytest.raises(InvalidData, match="every key of the challenger's"):
        found(keyed, one, write(names, [(i + 1, t, p) for i, t, p in rows], "c.csv"))
    with pytest.raises(InvalidData, match="does not tell rows apart"):
        found(keyed, one, write(names, [*rows[:-1], rows[0]], "d.csv"))


def test_a_true_outcome_may_be_spelled_otherwise_but_not_be_another(policy: Make, write: Write, tmp_path: Path) -> None:
    rule = policy(gate(against("accuracy", 0.5)))
    one = write(("y_true", "y_pred"), [(1, 1), (0, 0)] * 50, "a.csv")
    table = pa.table({"y_true": [1.0, 0.0] * 50, "y_pred": [True, False] * 50})
    pq.write_table(table, tmp_path / "b.parquet")
    with pytest.raises(InvalidData, match="outcome is not binary"):  # true and 1 are two spellings, and no number
        found(rule, one, tmp_path / "b.parquet")
    pq.write_table(table.set_column(1, "y_pred", pa.array([1, 0] * 50)), tmp_path / "b.parquet")
    assert found(rule, one, tmp_path / "b.parquet")[0]["accuracy.versus"].value == 0.0
    with pytest.raises(InvalidData, match="1 that differ"):
        found(rule, one, write(("y_true", "y_pred"), [(0, 1), (0, 0), *[(1, 1), (0, 0)] * 49], "c.csv"))


def test_a_prediction_that_the_champion_lacks_is_refused(policy: Make, write: Write) -> None:
    one = write(("y_true", "y_pred"), [(1, 1), (0, 0)] * 50, "a.csv")
    other = write(("y_true", "y_pred"), [(1, ""), (0, 0), *[(1, 1), (0, 0)] * 49], "b.csv")
    with pytest.raises(InvalidData, match="some rows have no outcome"):
        found(policy(gate(against("accuracy", 0.5))), one, other)


# --------------------------------------------------------------------------- what a policy may write


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (against("r2", 1), "no measure of a binary task"),
        (against("expected_calibration_error", 1), "no interval for a difference"),
        (against("roc_auc", 1, ", by: [sex]"), "does not follow from counts"),
        (against("accuracy", 1, ", max_group_drop: 0.1"), "no group is looked at"),
        (against("accuracy", -1), "must be 0 or more"),
        ('{name: accuracy, versus: {baseline: "@other", max_drop: 1}}', "unknown word '@other'"),
        ("{name: accuracy, versus: {max_drop: 1}}", "baseline is missing"),
        ("{name: accuracy, versus: {max_drops: 1}}", "did you mean 'max_drop'"),
        ("{name: accuracy}", "neither fail_if nor warn_if"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused_when_the_policy_is_read(
    policy: Make, metric: str, words: str
) -> None:
    with pytest.raises(InvalidPolicy, match=words):
        policy(gate(metric))


def test_the_plan_says_in_words_what_is_compared(policy: Make) -> None:
    read = policy(gate(against("accuracy", 0.005, ", by: [sex, [sex, region]], max_group_drop: 0.02, if_none: skip")))
    assert read.plan == ("q/accuracy.versus", "q/accuracy.versus/sex", "q/accuracy.versus/sex+region")
    assert read.planned[1].demand == (
        "accuracy within each group by sex is at most 0.02 worse than the champion's. The whole interval of the "
        "difference must agree. Groups of fewer than 100 rows are left out, in the open; if more than 2 % of all "
        "rows are in such groups, nothing is judged. It does not apply where no model stands in the stage."
    )


# --------------------------------------------------------------------------- do the intervals hold what they say?


def population(agree: float, right: float = 0.85) -> Any:
    """Shares of (true, challenger, champion): both right equally often, alike on ``agree`` of the rows at least."""
    shares = np.zeros((2, 2, 2))
    for true, challenger, champion in np.ndindex(2, 2, 2):
        own = right if challenger == true else 1 - right
        said = agree * (challenger == champion) + (1 - agree) * own
        shares[true, challenger, champion] = (0.6, 0.4)[true] * (right if champion == true else 1 - right) * said
    return shares


@pytest.mark.parametrize("name", ["accuracy", "f1", "balanced_accuracy"])
def test_intervals_of_pairs_hold_the_truth_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Of 200 samples 190 are to be expected; too wide is allowed where the two hardly differ, too narrow is not."""
    monkeypatch.setattr(versus, "REPLICATES", 1_000)
    generator, shares, held = np.random.default_rng(11), population(0.9), 0
    scorer = SCORERS[name]
    case: Any = SimpleNamespace(scorer=scorer)
    truth = versus.gain(scorer, versus.Pairing(np.round(shares * 10**9)))
    for number in range(200):
        drawn = versus.Pairing(generator.multinomial(300, shares.ravel()).reshape(2, 2, 2).astype(float))
        interval = versus._interval(case, drawn, confidence=0.95, seed=f"{number:016x}")
        assert interval is not None
        held += interval.low <= truth <= interval.high
    assert held >= 182


def test_the_interval_of_two_areas_holds_the_truth_as_often_as_it_says() -> None:
    generator, held, scorer = np.random.default_rng(12), 0, SCORERS["roc_auc"]
    for _ in range(150):
        true = generator.integers(0, 2, 200)
        both = true + generator.normal(0, 1, 200)
        said = [both + generator.normal(0, 0.7, 200) for _ in range(2)]
        one, other = (rows.estimate(scorer, rows.Sample(true, s), pairing=True) for s in said)
        interval = one.less(other).interval(0.95, "delong", (-1.0, 1.0))
        assert interval is not None
        held += interval.low <= 0 <= interval.high
    assert held >= 135

"""The bias gate where a policy asks for more: several outcomes, references, pools, families, rules of law."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tallystick import canonical
from tallystick.errors import InvalidData, InvalidPolicy
from tallystick.policy.counts import Counts, Table, by_outcome
from tallystick.policy.document import Policy
from tallystick.policy.evidence import Setting
from tallystick.policy.gates.bias import four_fifths, ll144
from tallystick.policy.gates.bias import judge as bias
from tallystick.policy.judge import replay
from tallystick.policy.results import CheckResult

Make = Callable[[str], Policy]
Counted = Callable[..., Counts]
Cells = tuple[int, int, int, int]
SEED = "0123456789abcdef"
SIMULTANEOUS = "    decision: confident\n    interval: {method: simultaneous, n: 2000}\n"

EVEN: Mapping[str | None, Cells] = {"F": (80, 20, 20, 80), "M": (80, 20, 20, 80)}


def gate(lines: str = "", metric: str = "{name: demographic_parity_ratio, fail_if: '< 0.80'}") -> str:
    return f"  - id: b\n    type: bias\n    sensitive: [sex]\n{lines}    metrics: [{metric}]\n"


def judge(policy: Policy, counts: Counts, favourable: str = "1") -> list[CheckResult]:
    found: Any = policy.gates[0]
    return list(bias.run(found, counts, Setting(favourable=favourable, seed=SEED)))


def tables(columns: tuple[str, ...], cells: Mapping[tuple[str | None, ...], Cells]) -> Counts:
    """Counts by all of these columns, by each alone, and over everyone."""
    outcomes = (("1", "1"), ("0", "1"), ("1", "0"), ("0", "0"))
    rows = [((*g, *outcome), n) for g, four in cells.items() for outcome, n in zip(outcomes, four, strict=True)]
    table = Table.of(by_outcome(columns, true="t", predicted="p"), rows)
    sets = [(), *((column,) for column in columns), columns]
    return Counts(table.rows, tuple(table.along(*by_outcome(chosen, true="t", predicted="p")) for chosen in sets))


def chosen(groups: Mapping[str | None, tuple[int, int]]) -> dict[str | None, Cells]:
    """(n, selected) to cells; who is selected in truth does not matter here."""
    return {group: (k, 0, 0, n - k) for group, (n, k) in groups.items()}


# --------------------------------------------------------------------------- what is compared


def test_columns_are_intersected_up_to_the_depth_and_each_set_once(policy: Make) -> None:
    lines = """\
  - id: b
    type: bias
    sensitive: [sex, [race, sex], age]
    max_depth: 2
    metrics: [{name: demographic_parity_ratio, fail_if: "< 0.80"}]
"""
    names = [check.split("/")[1] for check in policy(lines).plan]
    assert names == ["sex", "race+sex", "age", "sex+age", "race+age"]


def test_intersections_show_what_single_columns_hide(policy: Make) -> None:
    lines = "  - id: b\n    type: bias\n    sensitive: [sex, race]\n    max_depth: 2\n"
    lines += "    metrics: [{name: demographic_parity_ratio, fail_if: '< 0.80'}]\n"
    good, bad = (120, 0, 0, 80), (80, 0, 0, 120)
    counts = tables(("sex", "race"), {("F", "a"): good, ("F", "b"): bad, ("M", "a"): bad, ("M", "b"): good})
    assert [check.verdict for check in judge(policy(lines), counts)] == ["pass", "pass", "fail"]


def test_a_named_reference_is_what_all_others_are_compared_with(policy: Make, counted: Counted) -> None:
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.80', reference: {sex: M}}"
    counts = counted(chosen({"F": (200, 100), "M": (200, 110), "X": (200, 130)}))
    (check,) = judge(policy(gate(metric=metric)), counts)
    assert check.value == pytest.approx(110 / 130)  # a group that does better is unlike the reference too
    assert "sex=M is 0.85 of sex=X's" in check.reason
    (smallest,) = judge(policy(gate()), counts)
    assert smallest.value == pytest.approx(100 / 130)


def test_the_bootstrap_compares_with_the_reference_too(policy: Make, counted: Counted) -> None:
    """0.30 and 0.70 lie 0.2 from the reference and 0.4 from each other."""
    metric = "{name: demographic_parity_difference, fail_if: '> 0.1', reference: {sex: M}}"
    counts = counted(chosen({"F": (2000, 600), "M": (2000, 1000), "X": (2000, 1400)}))
    (check,) = judge(policy(gate(metric=metric)), counts)
    assert check.value == pytest.approx(0.2)
    assert check.interval is not None
    assert check.interval["low"] < 0.21 < check.interval["high"] < 0.25
    (ratio,) = judge(policy(gate(metric=metric.replace("difference", "ratio").replace("> 0.1", "< 0.8"))), counts)
    assert ratio.interval is not None
    assert 0.55 < ratio.interval["low"] < ratio.value < ratio.interval["high"] < 0.65


def test_nobody_selected_in_the_reference_and_elsewhere_compares_nothing_there(policy: Make, counted: Counted) -> None:
    """0/0 says nothing of F; X is selected and the reference is not, which is as unlike as can be."""
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.80', reference: {sex: M}}"
    for lines in ("", SIMULTANEOUS):
        counts = counted(chosen({"F": (200, 0), "M": (200, 0), "X": (200, 100)}))
        (check,) = judge(policy(gate(lines, metric)), counts)
        assert (check.verdict, check.value) == ("fail", 0.0)


def test_a_reference_that_is_absent_is_an_error_and_a_small_one_not_evaluable(policy: Make, counted: Counted) -> None:
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.80', reference: {sex: X}}"
    (absent,) = judge(policy(gate(metric=metric)), counted(EVEN))
    assert absent.verdict == "error"
    small = dict(EVEN) | {"X": (1, 0, 0, 1)}
    (check,) = judge(policy(gate("    min_group: {max_excluded_share: 0.5}\n", metric)), counted(small))
    assert check.verdict == "not_evaluable"
    assert "sex=X, which the policy compares with, is too small" in check.reason


def test_small_groups_can_be_judged_together_and_none_is_shown_alone(policy: Make, counted: Counted) -> None:
    small = dict.fromkeys("XYZ", (8, 2, 20, 30))
    lines = gate("    min_group: {pool: true}\n")
    (check,) = judge(policy(lines), counted(dict(EVEN) | small))
    assert check.verdict == "fail"
    assert "selection rate of (small groups together) is 0.33 of" in check.reason
    assert check.n == 400 + 180
    alone = [group for group in check.groups if not group["evaluated"]]
    assert [group["n"] for group in alone] == [None, None, None]
    assert check.groups[-1]["n"] == 180
    (without,) = judge(policy(gate("    min_group: {max_excluded_share: 0.9}\n")), counted(dict(EVEN) | small))
    assert without.verdict == "pass"


def test_a_pool_that_is_still_small_is_left_out_like_any_small_group(policy: Make, counted: Counted) -> None:
    groups = dict(EVEN) | {"X": (5, 5, 5, 5), "Y": (5, 5, 5, 5)}
    (check,) = judge(policy(gate("    min_group: {pool: true}\n")), counted(groups))
    assert check.verdict == "not_evaluable"
    assert "40 of 440 people" in check.reason


def test_a_required_group_is_not_saved_by_the_pool(policy: Make, counted: Counted) -> None:
    lines = gate("    min_group: {pool: true}\n    require_groups: {sex: [X]}\n")
    groups = dict(EVEN) | {"X": (10, 10, 20, 20), "Y": (10, 10, 20, 20)}
    (check,) = judge(policy(lines), counted(groups))
    assert check.verdict == "not_evaluable"
    assert "sex=X, a group that the policy requires" in check.reason


@pytest.mark.parametrize(
    ("lines", "metric", "what"),
    [
        ("    min_group: {pool: true, on_small: error}\n", "", "cannot both be pooled"),
        ("    family: {correction: holm}\n", "", "a family goes with decision: confident"),
        ("    decision: confident\n    family: {correction: holm}\n", "", "a family goes with"),
        ("", "{name: ll144, reference: {sex: M}}", "compares with the group that is selected most"),
        ("", "{name: demographic_parity_ratio, fail_if: '< 0.8', reference: {race: a}}", "names no group of 'sex'"),
        ("", "{name: demographic_parity_ratio, fail_if: '< 0.8', decide_by: all_readings}", "goes with four_fifths"),
        ("", "{name: four_fifths, warn_if: '< 0.8', decide_by: all_readings}", "goes with four_fifths and fail_if"),
        ("    decision: confident\n", "{name: four_fifths, fail_if: '< 0.8', decide_by: all_readings}", "point"),
        (
            "",
            "{name: four_fifths, fail_if: '< 0.8', exclude: {below: 0.02, justification: x}}",
            "goes with ll144 and",
        ),
        ("", "{name: ll144, exclude: {below: 0.03, justification: x}}", "0.02"),
        ("", "{name: ll144, exclude: {below: 0.02}}", "justification is missing"),
        ("", "{name: accuracy_ratio, fail_if: '< 0.8', per_class: true, favourable: 1}", "every class is favourable"),
        ("", "{name: accuracy_ratio, fail_if: '< 0.8', favourable: {where: '= 3'}}", "not of the form"),
        ("", "{name: four_fifths}", "neither fail_if nor warn_if"),
    ],
)
def test_what_says_two_things_or_nothing_is_refused(policy: Make, lines: str, metric: str, what: str) -> None:
    two = [metric or "{name: demographic_parity_ratio, fail_if: '< 0.8'}", "{name: accuracy_ratio, fail_if: '< 0.5'}"]
    with pytest.raises(InvalidPolicy, match=what):
        policy(gate(lines, ", ".join(two if "accuracy" not in metric else two[:1])))


# --------------------------------------------------------------------------- what is favourable


def classes(rows: Mapping[tuple[str, str, str], int]) -> Counts:
    """Counts from (group, true, predicted) to a number."""
    by = Table.of(by_outcome(["sex"], true="t", predicted="p"), rows.items())
    return Counts(by.rows, (by.along(*by.axes[1:]), by))


def test_any_of_several_classes_can_be_favourable(policy: Make) -> None:
    rows = {
        ("F", "full", "full"): 30, ("F", "part", "part"): 20, ("F", "none", "none"): 50,
        ("M", "full", "full"): 60, ("M", "part", "part"): 20, ("M", "none", "none"): 20,
    }  # fmt: skip
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.80', favourable: [full, part]}"
    (check,) = judge(policy(gate(metric=metric)), classes(rows))
    assert check.value == pytest.approx(50 / 80)
    assert "favourable is full or part" in check.reason
    for wrong, what in (("[full, half]", "'half' occurs neither"), ("[full, part, none]", "every outcome")):
        with pytest.raises(InvalidData, match=what):
            judge(policy(gate(metric=metric.replace("[full, part]", wrong))), classes(rows))


def test_a_number_is_favourable_where_the_comparison_holds(policy: Make) -> None:
    rows = {("F", "60000", "40000.5"): 60, ("F", "20000", "50000"): 40, ("M", "7e4", "70000"): 80, ("M", "1", "-3"): 20}
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.80', favourable: {where: '>= 50000'}}"
    (check,) = judge(policy(gate(metric=metric)), classes(rows))
    assert check.value == pytest.approx(40 / 80)
    for wrong in ("rich", "1_000", "٣"):
        with pytest.raises(InvalidData, match="an outcome is no number"):
            judge(policy(gate(metric=metric)), classes({("F", wrong, "3"): 100, ("M", "1", "2"): 100}))


def test_identifiers_are_no_classes(policy: Make) -> None:
    rows = {("F" if i % 2 else "M", str(i), str(i)): 10 for i in range(51)}
    with pytest.raises(InvalidData, match="these outcomes are no classes"):
        judge(policy(gate(metric="{name: accuracy_ratio, fail_if: '< 0.8', per_class: true}")), classes(rows))


def test_more_groups_than_can_be_compared_under_so_many_classes_are_refused(policy: Make) -> None:
    """Each group has the square of the classes as cells, and ten thousand replicates are drawn of all of them."""
    rows = {(f"g{i % 101}", str(i % 20), str(i % 20)): 1 for i in range(2020)}
    with pytest.raises(InvalidData, match="101 groups are too many to compare under each of 20 classes"):
        judge(policy(gate(metric="{name: accuracy_ratio, fail_if: '< 0.8', per_class: true}")), classes(rows))


def test_class_by_class_the_worst_class_counts(policy: Make) -> None:
    """F gets "part" as often as M gets "full": one favourable class alone would not show the other."""
    rows = {}
    for group, shares in (("F", {"a": 50, "b": 30, "c": 20}), ("M", {"a": 50, "b": 20, "c": 30})):
        for name, n in shares.items():
            rows |= {(group, name, name): 9 * n, (group, "a" if name != "a" else "b", name): n}
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.80', per_class: true}"
    (check,) = judge(policy(gate(metric=metric)), classes(rows))
    assert check.value == pytest.approx(2 / 3)
    assert "selection rate of class b of sex=M is 0.67 of sex=F's" in check.reason
    rates: Any = check.groups[0]["rates"]
    assert set(rates) == {f"selection_rate[{name}]" for name in "abc"}


def test_every_rate_of_a_class_is_that_of_one_against_the_rest(policy: Make) -> None:
    import numpy as np
    from sklearn.metrics import precision_recall_fscore_support

    generator = np.random.default_rng(4)
    true, said, who = (generator.choice(list(names), 3_000) for names in ("abc", "abc", "FM"))
    said = np.where(generator.random(3_000) < 0.6, true, said)
    rows: dict[tuple[str, str, str], int] = {}
    for key in zip(who, true, said, strict=True):
        rows[key] = rows.get(key, 0) + 1
    text = ", ".join(
        f"{{name: {name}, fail_if: '> 0.9', per_class: true}}"
        for name in ("equal_opportunity_difference", "predictive_parity_difference")
    )
    recall, precision = judge(policy(gate(metric=text)), classes(rows))
    by = {g: precision_recall_fscore_support(true[who == g], said[who == g], labels=list("abc")) for g in "FM"}
    assert recall.value == pytest.approx(max(abs(by["F"][1] - by["M"][1])), abs=1e-12)
    assert precision.value == pytest.approx(max(abs(by["F"][0] - by["M"][0])), abs=1e-12)


# --------------------------------------------------------------------------- confident decisions


def test_few_events_have_an_interval_of_some_width_and_decide_nothing(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate(SIMULTANEOUS)), counted(chosen({"F": (200, 0), "M": (200, 3)})))
    assert check.verdict == "inconclusive"
    assert check.interval is not None
    assert (check.value, check.interval["low"]) == (0.0, 0.0)
    assert check.interval["high"] > 0.8
    assert check.figures["smallest_gap"] is not None
    assert "these numbers tell a gap of 0.0" in check.reason


def test_the_worst_of_many_like_groups_is_no_failure(policy: Make, counted: Counted) -> None:
    """Twenty groups of one rate: by chance the smallest ratio is 0.6, and the old interval lies below 0.80."""
    import numpy as np

    drawn = np.random.default_rng(1).binomial(150, 0.3, 20)
    groups = chosen({f"g{i:02}": (150, int(k)) for i, k in enumerate(drawn)})
    old, new = (judge(policy(gate(lines)), counted(groups))[0] for lines in ("    decision: confident\n", SIMULTANEOUS))
    assert old.value == new.value
    assert old.value is not None
    assert old.value < 0.7
    assert old.verdict == "fail"
    assert "this interval makes no allowance for 20 groups" in old.reason
    assert new.verdict == "inconclusive"
    assert new.figures["family"] == 190


@pytest.mark.parametrize(("selected", "verdict"), [(300, "fail"), (395, "inconclusive"), (480, "pass")])
def test_two_groups_are_decided_as_ever(policy: Make, counted: Counted, selected: int, verdict: str) -> None:
    (check,) = judge(policy(gate(SIMULTANEOUS)), counted(chosen({"F": (1000, selected), "M": (1000, 500)})))
    assert check.verdict == verdict


def test_failures_are_claimed_for_a_whole_gate_and_passing_is_not_corrected(policy: Make) -> None:
    """Alone the one disparity is a failure; among ten checks it is not enough. What passes, passes either way."""
    columns = tuple(f"c{i}" for i in range(10))
    even, odd = (500, 0, 0, 500), (364, 0, 0, 636)
    counts = [
        Table.of(
            by_outcome([column], true="t", predicted="p"),
            [((*g, t, p), n) for g, t, p, n in _two(column, odd if column == "c0" else even)],
        )
        for column in columns
    ]
    known = Counts(2000, (counts[0].along(*counts[0].axes[1:]), *counts))
    lines = f"  - id: b\n    type: bias\n    sensitive: [{', '.join(columns)}]\n{SIMULTANEOUS}"
    metric = "    metrics: [{name: demographic_parity_ratio, fail_if: '< 0.81'}]\n"
    alone = judge(policy(lines + metric), known)
    family = judge(policy(lines + "    family: {correction: holm, scope: gate}\n" + metric), known)
    assert [check.verdict for check in alone] == ["fail"] + ["pass"] * 9
    assert [check.verdict for check in family] == ["inconclusive"] + ["pass"] * 9
    assert "not after Holm's correction for 10 checks" in family[0].reason
    assert family[0].figures["claims"] == 10


def _two(column: str, other: Cells) -> list[tuple[tuple[str, ...], str, str, int]]:
    outcomes = (("1", "1"), ("0", "1"), ("1", "0"), ("0", "0"))
    even = (500, 0, 0, 500)
    return [
        ((name,), t, p, n)
        for name, four in (("a", even), ("b", other))
        for (t, p), n in zip(outcomes, four, strict=True)
    ]


def test_every_result_says_what_gap_its_numbers_can_tell(policy: Make, counted: Counted) -> None:
    (check,) = judge(policy(gate()), counted(chosen({"F": (400, 120), "M": (412, 124)})))
    assert check.figures["smallest_gap"] == pytest.approx(0.093, abs=1e-3)
    assert check.figures["power"] == 0.8


def test_more_pairs_than_can_be_compared_at_once_are_an_error(policy: Make, counted: Counted) -> None:
    groups = chosen({f"g{i}": (2, 1) for i in range(700)})
    lines = gate("    min_group: {n: 1}\n    interval: {method: simultaneous}\n")
    (check,) = judge(policy(lines), counted(groups))
    assert check.verdict == "error"
    assert "244,650 pairs of groups" in check.reason


@pytest.mark.parametrize(
    ("lines", "metric", "said"),
    [
        ("", "{name: accuracy_ratio, fail_if: '< 0.8', favourable: [a, b]}", "Favourable is a or b."),
        ("", "{name: accuracy_ratio, fail_if: '< 0.8', favourable: {where: '> 3'}}", "Favourable is > 3."),
        ("", "{name: accuracy_ratio, fail_if: '< 0.8', favourable: 0}", "Favourable is 0."),
        ("", "{name: accuracy_ratio, fail_if: '< 0.8', per_class: true}", "Every class in turn is favourable"),
        ("", "{name: accuracy_ratio, fail_if: '< 0.8', reference: {sex: M}}", "Each group is compared with sex=M."),
        ("", "{name: four_fifths, fail_if: '< 0.8', decide_by: all_readings}", "and not hang on one person"),
        ("    min_group: {pool: true}\n", "{name: four_fifths, fail_if: '< 0.8'}", "are judged together"),
        ("", "{name: ll144, fail_if: '< 0.8'}", "People of an unknown category are left out, and counted"),
    ],
)
def test_a_policy_in_plain_words_says_what_it_asks_for(policy: Make, lines: str, metric: str, said: str) -> None:
    (explained,) = policy(gate(lines, metric)).planned
    assert said in explained.demand


def test_whoever_holds_the_counts_computes_every_figure_again(
    policy: Make, people: Callable[..., Path], evaluate: Callable[..., Any]
) -> None:
    groups = {
        "F": (40, 10, 30, 120),
        "M": (70, 20, 30, 80),
        "X": (30, 5, 20, 45),
        "Y": (9, 1, 8, 12),
        "Z": (30, 10, 20, 30),
    }
    text = f"""\
  - id: b
    type: bias
    sensitive: [sex]
    min_group: {{n: 50, positives: 10, pool: true, max_excluded_share: 0.2}}
{SIMULTANEOUS}    family: {{correction: holm, scope: gate}}
    metrics:
      - {{name: demographic_parity_ratio, fail_if: "< 0.80", reference: {{sex: M}}}}
      - {{name: equalized_odds_difference, fail_if: "> 0.10"}}
      - {{name: four_fifths, fail_if: "< 0.80"}}
      - {{name: ll144}}
"""
    outcome = evaluate(policy(text), people(groups))
    again = replay(policy(text), outcome.evidence, seed=outcome.seed)
    assert again == outcome.checks
    assert [check.figures["claims"] for check in again[:3]] == [3, 3, 3]
    assert json.loads(canonical.encode([check.as_json() for check in again])) == [check.as_json() for check in again]


# --------------------------------------------------------------------------- the four-fifths rule


def test_the_four_fifths_rule_reads_the_agencies_example() -> None:
    """Questions and answers (1979): 60, 45, 48 and 51 % selected; only 45/60 lies below four fifths."""
    groups = {("white",): (60, 100), ("native",): (45, 100), ("hispanic",): (48, 100), ("black",): (51, 100)}
    found = {one.group[0]: one for one in four_fifths.readings(groups, 0.05)}
    assert [round(one.ratio, 2) for one in found.values()] == [0.75, 0.80, 0.85]
    assert {one.highest for one in found.values()} == {("white",)}
    assert found["native"].significant
    assert found["native"].deviations == pytest.approx(2.124, abs=5e-4)
    assert not found["black"].significant


def test_one_different_person_can_turn_small_numbers_round() -> None:
    (few,) = four_fifths.readings({("a",): (2, 4), ("b",): (2, 5)}, 0.05)
    assert (few.one_person, few.test) == (True, "fisher")
    (both,) = four_fifths.readings({("a",): (4, 10), ("b",): (3, 10)}, 0.05)
    assert both.one_person  # 4 of 10 against 3 of 10, because the other group has one fewer then
    (many,) = four_fifths.readings({("a",): (20, 40), ("b",): (19, 50)}, 0.05)
    assert not many.one_person


@pytest.mark.parametrize(
    ("decide_by", "groups", "verdict"),
    [
        ("ratio", {"F": (10, 3), "M": (10, 4)}, "fail"),
        ("ratio_and_significance", {"F": (10, 3), "M": (10, 4)}, "inconclusive"),
        ("all_readings", {"F": (10, 3), "M": (10, 4)}, "inconclusive"),
        ("ratio_and_significance", {"F": (400, 100), "M": (400, 200)}, "fail"),
        ("all_readings", {"F": (400, 100), "M": (400, 200)}, "fail"),
        ("all_readings", {"F": (10_000, 4_500), "M": (10_000, 5_000)}, "pass"),
        ("all_readings", {"F": (400, 100), "M": (400, 200), "X": (10, 2)}, "fail"),
    ],
)
def test_the_readings_that_the_policy_names_decide(
    policy: Make, counted: Counted, decide_by: str, groups: dict[str | None, tuple[int, int]], verdict: str
) -> None:
    metric = f"{{name: four_fifths, fail_if: '< 0.80', decide_by: {decide_by}}}"
    lines = gate("    min_group: {n: 1}\n", metric)
    (check,) = judge(policy(lines), counted(chosen(groups)))
    assert check.verdict == verdict
    large = all(min(k, n - k) >= 10 for n, k in groups.values())
    assert ("standard deviations" in check.reason) == large
    readings: Any = check.figures["four_fifths"]
    assert len(readings) == len(groups) - 1
    assert {"ratio", "p_value", "significant", "one_person"} <= set(readings[0])


# --------------------------------------------------------------------------- Local Law 144

SEX = {"Male": (1390, 667, 1.000), "Female": (1181, 555, 0.979)}
RACE = {
    "Hispanic or Latino": (408, 204, 0.97),
    "White": (797, 412, 1.00),
    "Black or African American": (390, 170, 0.84),
    "Native Hawaiian or Pacific Islander": (119, 52, 0.85),
    "Asian": (616, 302, 0.95),
    "Native American or Alaska Native": (41, 18, 0.85),
    "Two or More Races": (213, 96, 0.87),
}
BOTH = {
    "Hispanic or Latino Male": (205, 90, 0.841),
    "Hispanic or Latino Female": (190, 82, 0.827),
    "White Male": (412, 215, 1.000),
    "Black or African American Male": (226, 95, 0.806),
    "Native Hawaiian or Pacific Islander Male": (87, 37, 0.815),
    "Asian Male": (321, 167, 0.997),
    "Native American or Alaska Native Male": (24, 11, 0.878),
    "Two or More Races Male": (115, 52, 0.866),
    "White Female": (385, 197, 0.981),
    "Black or African American Female": (164, 75, 0.876),
    "Native Hawaiian or Pacific Islander Female": (32, 15, 0.898),
    "Asian Female": (295, 135, 0.877),
    "Native American or Alaska Native Female": (17, 7, 0.789),
    "Two or More Races Female": (98, 44, 0.860),
}
SCORED = {
    "Male": (92, 50, 1.00), "Female": (76, 34, 0.82),
}  # fmt: skip
SCORED_RACE = {
    "Hispanic or Latino": (28, 18, 1.00), "White": (40, 15, 0.58), "Black or African American": (32, 16, 0.78),
    "Native Hawaiian or Pacific Islander": (8, 5, 0.97), "Asian": (24, 10, 0.65),
    "Native American or Alaska Native": (16, 10, 0.97), "Two or More Races": (20, 10, 0.78),
}  # fmt: skip


@pytest.mark.parametrize("example", [SEX, RACE, BOTH, SCORED, SCORED_RACE], ids=["sex", "race", "both", "1", "2"])
def test_impact_ratios_are_those_of_the_examples_in_the_rules(example: dict[str, tuple[int, int, float]]) -> None:
    """6 RCNY 5-301, the examples under (b) and (d). The rules round to two or to three places."""
    found = ll144.summary({(name,): (k, n) for name, (n, k, _) in example.items()})
    assert found is not None
    for category in found.categories:
        printed = example[str(category.group[0])][2]
        assert category.impact_ratio == pytest.approx(printed, abs=0.0052 if round(printed, 2) == printed else 0.00052)


def test_an_audit_reports_and_does_not_judge_unless_the_policy_sets_a_threshold(policy: Make, counted: Counted) -> None:
    groups = chosen({name: (n, k) for name, (n, k, _) in RACE.items()}) | chosen({None: (250, 10)})
    text = "{name: ll144}, {name: accuracy_ratio, fail_if: '< 0.1'}"
    check = judge(policy(gate(metric=text)), counted(groups))[0]
    assert (check.verdict, check.value) == ("pass", pytest.approx(0.843, abs=5e-4))
    assert "the policy sets no threshold, so this is reported and not judged" in check.reason
    assert "250 people of an unknown category are in no figure" in check.reason
    facts: Any = check.figures["ll144"]
    assert (len(facts["categories"]), facts["unknown"]) == (7, 250)
    assert check.n == 2584
    (judged,) = judge(policy(gate(metric="{name: ll144, fail_if: '< 0.85'}")), counted(groups))
    assert judged.verdict == "fail"


def test_a_category_under_two_percent_may_be_left_out_with_the_reason_and_its_figures(
    policy: Make, counted: Counted
) -> None:
    groups = chosen({"a": (500, 250), "b": (500, 200), "c": (15, 15)})
    with_it, without = (
        judge(policy(gate(metric=metric)), counted(groups))[0]
        for metric in (
            "{name: ll144, fail_if: '< 0.01'}",
            "{name: ll144, fail_if: '< 0.01', exclude: {below: 0.02, justification: 15 people say little.}}",
        )
    )
    assert (with_it.value, without.value) == (0.4, 0.8)
    facts: Any = without.figures["ll144"]
    left = facts["categories"][2]
    assert (left["n"], left["selection_rate"], left["impact_ratio"], left["excluded"]) == (15, None, None, True)
    assert [line["impact_ratio"] for line in facts["categories"]] == [1.0, 0.8, None]
    assert facts["justification"] in without.reason


def test_people_of_unknown_categories_are_no_pool(policy: Make) -> None:
    cells = {(sex, race): (100, 0, 0, 100) for sex in ("F", "M") for race in ("a", "b")}
    counts = tables(("sex", "race"), cells | {(None, race): (10, 0, 0, 190) for race in ("a", "b")})
    text = "    sensitive: [[sex, race]]\n    min_group: {pool: true}\n    metrics: [{name: ll144, fail_if: '< 0.5'}]\n"
    (check,) = judge(policy(f"  - id: b\n    type: bias\n{text}"), counts)
    assert (check.verdict, check.value) == ("pass", 1.0)
    assert "400 people of an unknown category are in no figure" in check.reason


def test_one_category_or_nobody_selected_is_no_audit(policy: Make, counted: Counted) -> None:
    one, nobody = (100, 100, 100, 200), (0, 0, 100, 400)
    for groups in ({"a": one}, {"a": one, None: one}, {"a": nobody, "b": nobody}):
        (check,) = judge(policy(gate(metric="{name: ll144, fail_if: '< 0.01'}")), counted(groups))
        assert check.verdict == "not_evaluable"


def test_figures_of_a_category_of_fewer_than_ten_stay_in_the_count_tables(policy: Make, counted: Counted) -> None:
    groups = chosen({"a": (500, 250), "b": (500, 200), "c": (7, 3)})
    (check,) = judge(policy(gate(metric="{name: ll144, fail_if: '< 0.01'}")), counted(groups))
    facts: Any = check.figures["ll144"]
    assert [facts["categories"][2][key] for key in ("n", "selected", "selection_rate", "impact_ratio")] == [None] * 4


def test_no_more_than_two_percent_may_be_left_out() -> None:
    with pytest.raises(ValueError, match="less than 2 %"):
        ll144.summary({("a",): (1, 2)}, exclude_below=0.05)


# --------------------------------------------------------------------------- real data


def test_adult_shows_the_published_shares_and_the_rule_fails_on_them(policy: Make, data: Path) -> None:
    import pandas as pd

    adult = pd.concat([pd.read_csv(data / f"adult_{part}.csv.gz") for part in ("train", "test")])
    good = (adult.income == ">50K").astype(int).astype(str)
    shares = (good == "1").groupby(adult.sex).mean()
    assert (round(shares["Female"], 5), round(shares["Male"], 5)) == (0.10925, 0.30377)
    cells = [((sex, o, o), int(n)) for (sex, o), n in good.groupby([adult.sex, good]).size().items()]
    table = Table.of(by_outcome(["sex"], true="t", predicted="p"), cells)
    counts = Counts(len(adult), (table.along(*table.axes[1:]), table))
    (check,) = judge(policy(gate(metric="{name: four_fifths, fail_if: '< 0.80', decide_by: all_readings}")), counts)
    assert check.verdict == "fail"
    assert check.value == pytest.approx(0.10925 / 0.30377, abs=1e-4)


# --------------------------------------------------------------------------- numbers below ten


SMALL = {"M": (100, 100, 100, 100), "F": (90, 90, 110, 110), "X": (1, 0, 1, 1)}


@pytest.mark.parametrize("metric", ["four_fifths", "ll144", "demographic_parity_ratio", "equalized_odds_difference"])
def test_no_sentence_and_no_figure_tells_what_became_of_fewer_than_ten(
    policy: Make, counted: Counted, metric: str
) -> None:
    """Results stand in entries that cannot be erased."""
    limit = "> 0.1" if metric.endswith("difference") else "< 0.80"
    lines = gate("    min_group: {n: 1, positives: 1}\n", f"{{name: {metric}, fail_if: '{limit}'}}")
    (check,) = judge(policy(lines), counted(SMALL))
    assert check.value is not None
    assert "sex=X" in check.reason
    assert " of 3" not in check.reason
    assert "figures withheld, which would tell of fewer than 10 people" in check.reason
    assert "p = " not in check.reason
    shown = {group["group"]["sex"]: [rate["k"] for rate in group["rates"].values()] for group in check.groups}
    assert not any(shown["X"])
    pair = {name for name in ("M", "F", "X") if f"sex={name}" in check.reason.partition(" (")[0]}
    assert {name for name, numbers in shown.items() if not any(numbers)} >= pair
    for line in check.figures.get("four_fifths", []):
        if "X" in (line["group"]["sex"], line["highest"]["sex"]):
            assert line["ratio"] is line["p_value"] is line["deviations"] is None
    for line in check.figures.get("ll144", {}).get("categories", []):
        if line["category"]["sex"] == "X":
            assert line["n"] is line["selected"] is line["selection_rate"] is line["impact_ratio"] is None


def test_a_cell_below_ten_is_not_told_by_the_rates_beside_it(policy: Make, counted: Counted) -> None:
    """COMPAS: the false positive rate of 8 people was withheld, and three other rates of their group told it."""
    groups = {"A": (300, 100, 200, 400), "B": (250, 150, 220, 380), "C": (21, 3, 2, 6)}
    names = ("false_positive_rate", "false_negative_rate", "predictive_parity")
    metrics = ", ".join(f"{{name: {name}_difference, fail_if: '> 0.9'}}" for name in names)
    lines = gate("    min_group: {n: 1, positives: 1}\n", metrics)
    for check in judge(policy(lines), counted(groups)):
        small = next(group for group in check.groups if group["group"] == {"sex": "C"})
        assert small["n"] == 32
        assert all(rate["k"] is rate["n"] is rate["value"] is None for rate in small["rates"].values())


def test_few_people_left_out_or_without_a_value_are_no_number(policy: Make, counted: Counted) -> None:
    few = dict(EVEN) | {"X": (1, 0, 1, 1)}
    (left_out,) = judge(policy(gate("    min_group: {max_excluded_share: 0}\n")), counted(few))
    assert left_out.reason.startswith("fewer than 10 of ")
    assert "%)" not in left_out.reason
    (missing,) = judge(policy(gate("    missing_group: error\n")), counted(dict(EVEN) | {None: (1, 0, 1, 1)}))
    assert missing.reason.startswith("fewer than 10 people have no value")
    (unknown,) = judge(
        policy(gate(metric="{name: ll144, fail_if: '< 0.1'}")), counted(dict(EVEN) | {None: (1, 0, 1, 1)})
    )
    assert "fewer than 10 people of an unknown category are in no figure" in unknown.reason
    assert unknown.figures["ll144"]["unknown"] is None


@pytest.mark.parametrize("first", ["1", "01"])
def test_a_named_group_with_two_spellings_is_an_error(policy: Make, counted: Counted, first: str) -> None:
    """Which of the two stands first in the data decided what was compared."""
    second = {"1": "01", "01": "1"}[first]
    cells = {first: (100, 100, 100, 100), second: (40, 40, 160, 160), "2": (100, 100, 100, 100)}
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.80', reference: {sex: 1}}"
    for lines in (gate(metric=metric), gate("    require_groups: {sex: [1]}\n")):
        (check,) = judge(policy(lines), counted(cells))
        assert check.verdict == "error"
        assert "spell in 2 ways" in check.reason

"""The judge, and every way to be green without having checked."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tallystick import canonical
from tallystick.errors import InvalidData, NotFound, Unavailable, UsageError
from tallystick.policy import judge
from tallystick.policy.document import Policy, parse
from tallystick.policy.gates.bias import judge as bias
from tallystick.policy.results import MEASURED, VERDICTS, CheckResult, Limits, against_plan, broken, number, roll_up
from tallystick.policy.threshold import Threshold

Make = Callable[[str], Policy]
Evaluate = Callable[[Policy, Path], judge.Outcome]
People = Callable[..., Path]

GATES = """\
  - id: s
    type: schema
    rows: {min: 10}
    columns: {sex: {isin: [F, M]}}
  - id: b
    type: bias
    sensitive: [sex]
    metrics:
      - {name: demographic_parity_ratio, fail_if: "< 0.80"}
      - {name: equalized_odds_difference, warn_if: "> 0.10"}
  - id: q
    type: benchmark
    metrics: [{name: accuracy, fail_if: "< 0.5"}, {name: f1, fail_if: "< 0.1"}]
"""
FAIR = {"F": (80, 20, 20, 80), "M": (82, 20, 20, 80)}
UNFAIR = {"F": (30, 10, 70, 90), "M": (82, 20, 20, 80)}


def check(name: str = "g/a", verdict: str = "pass") -> CheckResult:
    value = 0.5 if verdict in MEASURED else None
    return replace(broken(name, name.partition("/")[0], "bias", "because"), verdict=verdict, value=value)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- what an outcome is


def test_an_outcome_holds_the_plan_the_results_in_its_order_and_what_they_stand_on(
    policy: Make, evaluate: Evaluate, people: People
) -> None:
    path = people(FAIR)
    outcome = evaluate(policy(GATES), path)
    assert outcome.verdict == "pass"
    assert tuple(check.id for check in outcome.checks) == outcome.plan == policy(GATES).plan
    assert outcome.rows == 402
    assert outcome.engine.startswith("duckdb ")
    assert {"python", "duckdb", "numpy", "pyarrow", "scikit-learn", "tallystick"} <= set(outcome.tools)
    assert outcome.data_digest == hashlib.sha256(path.read_bytes()).hexdigest()
    value = canonical.decode(canonical.encode(outcome.as_json()))
    assert value["schema"] == "tallystick/check-results/v1"
    assert [item["id"] for item in value["checks"]] == list(outcome.plan)


def test_evaluating_again_gives_the_same_bytes(policy: Make, evaluate: Evaluate, people: People) -> None:
    path = people(UNFAIR)
    first, again = (evaluate(policy(GATES), path) for _ in range(2))
    assert canonical.encode(first.as_json()) == canonical.encode(again.as_json())
    assert canonical.encode(first.evidence) == canonical.encode(again.evidence)


def test_recorded_counts_replay_bit_for_bit_without_the_data(policy: Make, evaluate: Evaluate, people: People) -> None:
    path = people(UNFAIR)
    outcome = evaluate(policy(GATES), path)
    path.unlink()
    counts = canonical.decode(canonical.encode(outcome.evidence))
    replayed = judge.replay(policy(GATES), counts, seed=outcome.seed)
    recorded = tuple(check for check in outcome.checks if check.replay == "counts")
    assert len(recorded) == 7
    assert replayed == recorded
    assert [canonical.encode(c.as_json()) for c in replayed] == [canonical.encode(c.as_json()) for c in recorded]


def test_altered_counts_replay_to_other_results(policy: Make, evaluate: Evaluate, people: People) -> None:
    outcome = evaluate(policy(GATES), people(UNFAIR))
    other = evaluate(policy(GATES), people(FAIR, column="sex"))
    assert judge.replay(policy(GATES), other.evidence, seed=outcome.seed) != tuple(
        check for check in outcome.checks if check.replay == "counts"
    )


def test_progress_is_told_before_each_part(policy: Make, people: People) -> None:
    told: list[str] = []
    judge.evaluate(policy(GATES), people(FAIR), data_digest="0" * 64, progress=told.append)
    assert told == ["reading the data", "gate s", "gate b", "gate q"]


# --------------------------------------------------------------------------- bad input has no verdict


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 63 + "G", "A" * 64])
def test_a_digest_that_is_none_is_refused(policy: Make, people: People, digest: str) -> None:
    with pytest.raises(UsageError):
        judge.evaluate(policy(GATES), people(FAIR), data_digest=digest)


def test_a_missing_file_has_no_verdict(policy: Make, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        judge.evaluate(policy(GATES), tmp_path / "none.csv", data_digest="0" * 64)


def test_an_unreadable_parquet_file_has_no_verdict(policy: Make, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(InvalidData):
        judge.evaluate(policy(GATES), tmp_path / "x.parquet", data_digest="0" * 64)


def test_a_wrong_column_has_no_verdict(policy: Make, evaluate: Evaluate, people: People) -> None:
    with pytest.raises(InvalidData, match="no column 'sex'"):
        evaluate(policy(GATES), people(FAIR, column="sexes"))


def test_nan_among_the_outcomes_has_no_verdict(policy: Make, evaluate: Evaluate, write: Callable[..., Path]) -> None:
    with pytest.raises(InvalidData, match="no outcome"):
        evaluate(policy(GATES), write(("sex", "y_true", "y_pred"), [("F", 1, 1)] * 99 + [("F", "nan", 1)]))


def test_a_wrong_favourable_outcome_has_no_verdict(
    policy: Make, evaluate: Evaluate, write: Callable[..., Path]
) -> None:
    with pytest.raises(InvalidData, match="favourable outcome '1'"):
        evaluate(policy(GATES), write(("sex", "y_true", "y_pred"), [("F", "y", "n"), ("M", "n", "y")]))


def test_a_file_that_changes_while_it_is_read_has_no_verdict(
    policy: Make, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = people(FAIR)
    real = judge._read

    def reading(*asked: Any) -> object:
        result = real(*asked)
        path.write_bytes(path.read_bytes() + b"F,1,1\n")
        return result

    monkeypatch.setattr(judge, "_read", reading)
    with pytest.raises(InvalidData, match="changed while it was read"):
        judge.evaluate(policy(GATES), path, data_digest="0" * 64)


# --------------------------------------------------------------------------- green without checking


@pytest.mark.parametrize("error", [RuntimeError("SECRET"), SystemExit(0), MemoryError(), RecursionError()])
def test_whatever_a_gate_raises_becomes_an_error_of_each_of_its_checks(
    policy: Make, evaluate: Evaluate, people: People, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def raising(*_: object, **__: object) -> Iterator[CheckResult]:
        yield check("b/sex/demographic_parity_ratio")
        raise error

    monkeypatch.setattr(bias, "run", raising)
    outcome = evaluate(policy(GATES), people(FAIR))
    assert outcome.verdict == "error"
    assert [c.verdict for c in outcome.checks] == ["pass", "pass", "pass", "error", "error", "pass", "pass"]
    assert type(error).__name__ in outcome.checks[3].reason
    assert "SECRET" not in outcome.checks[3].reason


def test_an_interrupt_by_a_person_is_no_result(
    policy: Make, evaluate: Evaluate, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Iterator[CheckResult]:
        raise KeyboardInterrupt

    monkeypatch.setattr(bias, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(policy(GATES), people(FAIR))


def test_a_gate_that_forgets_a_check_is_an_error(
    policy: Make, evaluate: Evaluate, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bias.run
    monkeypatch.setattr(bias, "run", lambda *args, **named: itertools.islice(real(*args, **named), 1))
    outcome = evaluate(policy(GATES), people(FAIR))
    assert outcome.verdict == "error"
    assert "was planned and did not run" in outcome.checks[4].reason


def test_a_gate_without_results_is_an_error(
    policy: Make, evaluate: Evaluate, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bias, "run", lambda *_, **__: iter(()))
    assert evaluate(policy(GATES), people(FAIR)).verdict == "error"


def test_a_check_that_stands_in_no_plan_is_an_error() -> None:
    results = against_plan(("g/a",), [check("g/a"), check("g/b")], gate_of={})
    assert [(r.id, r.verdict) for r in results] == [("g/a", "pass"), ("g/b", "error")]


def test_a_check_that_ran_twice_is_an_error() -> None:
    (result,) = against_plan(("g/a",), [check("g/a"), check("g/a", "fail")], gate_of={})
    assert result.verdict == "error"
    assert "ran 2 times" in result.reason


@pytest.mark.parametrize("broken_part", ["pyarrow/__init__.py", "duckdb/__init__.py", "numpy/__init__.py"])
def test_a_library_that_ends_the_program_on_import_does_not_make_it_green(
    tmp_path: Path, head: str, python: Callable[..., Any], broken_part: str
) -> None:
    """A half-installed library was seen to exit with 0 half way through its import."""
    part = tmp_path / "fake" / broken_part
    part.parent.mkdir(parents=True)
    (part.parent / "__init__.py").write_text("")
    part.write_text("import sys; sys.exit(0)\n")
    (tmp_path / "x.csv").write_text("sex,y_true,y_pred\n" + "F,1,1\nF,0,0\nM,1,1\nM,0,0\n" * 100)
    (tmp_path / "p.yaml").write_text(head + "gates:\n" + GATES)
    code = (
        "from pathlib import Path; from tallystick.policy import document, judge;"
        "o = judge.evaluate(document.load(Path('p.yaml')), Path('x.csv'), data_digest='0' * 64);"
        "print('VERDICT', o.verdict)"
    )
    run = python(code, first=tmp_path / "fake")
    assert (run.returncode != 0 and "Unavailable" in run.stderr) or "VERDICT error" in run.stdout, run


def test_a_library_that_ends_the_program_while_data_are_read_is_an_error(
    policy: Make, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(*_: object) -> None:
        sys.exit(0)

    monkeypatch.setattr(judge, "_read", ending)
    with pytest.raises(Unavailable, match="end the program"):
        judge.evaluate(policy(GATES), people(FAIR), data_digest="0" * 64)


def test_one_group_and_nobody_selected_are_not_green(policy: Make, evaluate: Evaluate, people: People) -> None:
    one = evaluate(policy(GATES), people({"F": FAIR["F"]}))
    assert one.verdict == "inconclusive"
    nobody = evaluate(policy(GATES), people({"F": (0, 0, 100, 100), "M": (0, 0, 100, 100)}))
    assert nobody.checks[3].verdict == "not_evaluable"
    assert nobody.verdict == "fail", "F1 is 0"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_an_error_and_never_within_limits(value: float) -> None:
    for text in ("< 0.8", "> 0.8"):
        assert Limits(Threshold.parse(text), None).verdict(value, None) == "error"
    with pytest.raises(ValueError, match="finite"):
        replace(check(), value=value)


def test_a_measured_verdict_without_a_value_cannot_be_made() -> None:
    for verdict in MEASURED:
        with pytest.raises(ValueError, match="without a value"):
            replace(check(), verdict=verdict, value=None)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- roll-up


def test_the_roll_up_of_every_set_of_verdicts() -> None:
    for size in range(len(VERDICTS) + 1):
        for verdicts in itertools.combinations(VERDICTS, size):
            found = roll_up(verdicts)
            if "error" in verdicts or not MEASURED & set(verdicts):
                assert found == "error", verdicts
            elif "fail" in verdicts:
                assert found == "fail", verdicts
            elif "inconclusive" in verdicts or "not_evaluable" in verdicts:
                assert found == "inconclusive", verdicts
            elif "warn" in verdicts:
                assert found == "warn", verdicts
            else:
                assert (found, "pass" in verdicts) == ("pass", True), verdicts


def test_nothing_evaluated_is_an_error() -> None:
    assert roll_up([]) == "error"
    assert roll_up(["not_applicable"]) == "error"
    assert roll_up(["not_evaluable", "not_applicable"]) == "error"


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (0.3, (0.8,), "0.30"),
        (0.7996, (0.8,), "0.7996"),
        (0.79999999, (0.8,), "0.79999999"),
        (0.8, (0.8,), "0.80"),
        (0.0884, (), "0.088"),
        (0.0, (), "0.00"),
        (16281.0, (), "16,281"),
    ],
)
def test_a_number_is_short_and_never_rounded_onto_a_limit(value: float, limits: tuple[float, ...], text: str) -> None:
    assert number(value, *limits) == text


def test_an_invalid_policy_never_reaches_the_judge(head: str) -> None:
    from tallystick.errors import InvalidPolicy

    for gates in ("gates: []\n", "gates:\n" + GATES.replace("type: bias", "type: bais"), ""):
        with pytest.raises(InvalidPolicy):
            parse((head + gates).encode(), name="p")

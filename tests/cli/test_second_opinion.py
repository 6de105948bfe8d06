"""``--verify-with fairlearn``: what bias gates found, computed a second time before it is recorded."""

from __future__ import annotations

import _outside as outside
import pytest

from tallystick.policy import metrics

RUN = "gate run credit@2 --predictions fair.csv --dataset german --as engineer --verify-with fairlearn"


@pytest.fixture
def wrong(monkeypatch):
    """A formula of the gate that is off by one part in a thousand, in one of the two roads to a value."""
    between = metrics._between

    def off(rate, form, values, low, high):
        return between(rate, form, [value * (1.001 if at == low else 1) for at, value in enumerate(values)], low, high)

    monkeypatch.setattr(metrics, "_between", off)


def test_what_fairlearn_says_stands_in_one_line_and_the_run_goes_on(bank):
    code, out, err = bank(*RUN.split())
    assert code == 0
    assert [line for line in err.splitlines() if "fairlearn" in line and "..." not in line] == [
        f"fairlearn {outside_version()} agrees on 1 value (to 1e-12)"
    ]
    assert "demographic_parity_ratio" in out
    assert outside.check(bank.ledger)[-1]["kind"] == "decision"


def outside_version():
    from importlib.metadata import version

    return version("fairlearn")


@pytest.mark.parametrize("more", [[], ["--submit", "--wait", "0"]], ids=["record", "submit"])
def test_a_value_that_fairlearn_does_not_confirm_is_not_recorded(bank, wrong, more):
    bank.ok("ledger", "receive")  # makes the inbox
    before = outside.check(bank.ledger)
    code, out, err = bank(*RUN.split(), *more)
    assert (code, out) == (3, "")
    assert "bias.sex/sex/demographic_parity_ratio: fairlearn" in err
    assert "comes to another value" in err
    assert outside.check(bank.ledger) == before
    assert not list((bank.folder / ".tallystick" / "ledger.db.inbox").glob("*.submission"))


def test_a_recorded_evaluation_can_be_given_to_fairlearn_too(bank, monkeypatch):
    code, out, err = bank("gate", "replay", "10", "--verify-with", "fairlearn")
    assert (code, "AGREES" in out) == (0, True)
    assert err.splitlines()[-1].endswith("agrees on 1 value (to 1e-12)")
    import fairlearn.metrics

    monkeypatch.setattr(fairlearn.metrics, "demographic_parity_ratio", lambda *_, **__: 0.5)
    code, out, err = bank("gate", "replay", "10", "--verify-with", "fairlearn")
    assert (code, "AGREES" in out) == (3, True)
    assert "comes to another value" in err


def test_what_has_no_bias_gate_has_nothing_to_confirm(bank):
    text = (bank.folder / "policy.yaml").read_text()
    before, rest = text.split("  - id: bias.sex")
    (bank.folder / "next.yaml").write_text(
        before.replace("1.0.0", "1.1.0") + "  - id: bench.accuracy" + rest.split("  - id: bench.accuracy")[1]
    )
    bank.ok("policy", "publish", "next.yaml", "--as", "officer")
    code, _, err = bank(*RUN.split())
    assert code == 0
    assert "had nothing to confirm: no bias gate came to a value" in err


def test_no_other_library_is_asked(bank):
    code, out, err = bank(*RUN.replace("--verify-with fairlearn", "--verify-with aequitas").split())
    assert (code, out) == (2, "")
    assert "aequitas" in err

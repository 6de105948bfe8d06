"""A sample through the real command line: drawn by the auditor's seed, from a population that the pack proves."""

import json

import pytest

from tallystick.cli.issue import time_span
from tallystick.errors import UsageError
from tallystick.proof.note import VerifierKey
from tallystick.proof.pack import open_pack

EVER = "2020-01-01..2999-12-31"


def test_a_sample_is_drawn_and_verified_with_nothing_but_a_fingerprint(bank):
    asked = ["--population", "evaluations", "--period", EVER, "--sample", "1", "--seed", "oak"]
    out = json.loads(bank.ok("pack", *asked, "-o", "s.zip", "--format", "json"))
    assert out["sample"]["population"] == 2
    assert len(out["sample"]["drawn"]) == 1
    fingerprint = json.loads(bank.ok("verify", "s.zip", "--key", ".tallystick/ledger.vkey", "--format", "json"))["key"]
    told = bank.ok("verify", "s.zip", "--key", fingerprint["fingerprint"])
    assert "in the file; its fingerprint is the one given" in told
    assert "all 2 recorded" in told


def test_a_pack_is_found_by_no_other_fingerprint(bank):
    bank.ok("pack", "credit", "-o", "m.zip")
    code, _, err = bank("verify", "m.zip", "--key", "0" * 64)
    assert (code, "the key in the file has another fingerprint" in err) == (3, True)


def test_of_entries_that_were_not_drawn_a_pack_holds_the_bytes_alone(bank):
    (bank.folder / "m3.bin").write_bytes(b"model three")
    bank.ok("record", "model", "m3.bin", "--name", "other", "--as", "engineer")
    bank("gate", "run", "other", "--predictions", "unfair.csv", "--dataset", "german", "--as", "engineer")
    key = VerifierKey.parse((bank.folder / ".tallystick" / "ledger.vkey").read_text().strip())
    asked = ["pack", "--population", "models", "--period", EVER, "--sample", "1", "--force", "-o", "s.zip"]
    told, carried = set(), set()
    for seed in range(20):
        bank.ok(*asked, "--seed", f"seed {seed}")
        pack = open_pack((bank.folder / "s.zip").read_bytes(), key)
        bare = [entry for entry in pack.entries if entry not in pack.story]
        assert not any(pack.part(entry, line["name"]) for entry in bare for line in entry.attachments)
        assert {e.body["name"] for e in pack.story if e.seq in pack.sample.drawn} <= {"credit", "other"}
        told |= {entry.kind for entry in bare}
        carried |= {
            line["name"] for entry in pack.story for line in entry.attachments if pack.part(entry, line["name"])
        }
    assert {"evaluation", "model"} <= told
    assert "counts.json" in carried


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--population", "promotions", "--period", EVER, "--sample", "2", "--seed", "oak"], "nothing to draw from"),
        (["--population", "models", "--period", "2026Q5", "--sample", "2", "--seed", "oak"], "period is not usable"),
        (["--population", "models", "--sample", "2"], "needs --period and --seed too"),
        (["credit", "--population", "models", "--period", EVER, "--sample", "2", "--seed", "oak"], "or of a sample"),
        ([], "or of a sample"),
    ],
)
def test_a_sample_that_cannot_be_drawn_says_why(bank, words, said):
    code, _, err = bank("pack", *words, "-o", "s.zip")
    assert code in (2, 3), err
    assert said in err
    assert not (bank.folder / "s.zip").exists()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026Q1", "2026-01-01", "2026-04-01"),
        ("2026Q4", "2026-10-01", "2027-01-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2026-02-28..2026-02-28", "2026-02-28", "2026-03-01"),
    ],
)
def test_a_period_is_from_its_first_day_to_before_the_day_after(text, first, last):
    assert time_span(text) == (f"{first}T00:00:00.000000Z", f"{last}T00:00:00.000000Z")


@pytest.mark.parametrize(
    "text", ["", "26", "2026-13", "2026Q0", "2026-03-02..2026-03-01", "2026..2027", "9999", "x..y"]
)
def test_what_is_no_period_is_a_usage_error(text):
    with pytest.raises(UsageError):
        time_span(text)

"""Evidence that is not what it seems, or of something odd: each has its own verdict and its own sentence."""

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from _outside import check

KEY = ("--key", ".tallystick/ledger.vkey")
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # WeasyPrint leaves a file open
]


@pytest.fixture
def auditor(bank):
    """A ledger with a report and a pack, looked at from outside when the test is over."""
    bank.ok("report", "credit@1", "-o", "audit.pdf")
    yield bank
    check(bank.ledger, vkey=Path(".tallystick/ledger.vkey").read_text().strip())


def verdict(bank, *words) -> tuple[int, dict]:
    code, out, err = bank("verify", *words, "--format", "json")
    assert out, err
    return code, json.loads(out)


def details(found: dict, name: str) -> list[str]:
    return [check["detail"] for check in found["checks"] if check["name"] == name]


def told(found: dict, words: str) -> bool:
    return any(words in line for line in found["not_proven"])


def test_a_report_that_was_renamed_says_of_which_model_it_is(auditor):
    Path("audit.pdf").rename("credit-2.pdf")
    code, found = verdict(auditor, "credit-2.pdf", *KEY, "--receipt", "audit.pdf.tlog-proof")
    assert code == 0
    assert any("credit, version 1, as of 20" in detail for detail in details(found, "issue"))
    code, found = verdict(auditor, "credit-2.pdf", *KEY)
    assert (code, found["integrity"]) == (3, "unknown")
    assert told(found, "give the receipt")


def test_the_report_of_another_model_under_this_receipt_fails(auditor):
    auditor.ok("report", "credit@2", "-o", "second.pdf")
    code, found = verdict(auditor, "second.pdf", *KEY, "--receipt", "audit.pdf.tlog-proof")
    assert (code, found["integrity"]) == (1, "failed")
    assert any("another file" in check["detail"] for check in found["checks"])


def test_a_stale_report_holds_and_says_how_much_was_recorded_since(auditor):
    size = len(json.loads(auditor.ok("log", "--format", "json")))
    auditor.ok("record", "document", "german.csv", "--title", "Later", "--as", "engineer")
    auditor.ok("ledger", "checkpoint", "-o", "now.checkpoint")
    auditor.ok("ledger", "prove", "--from", str(size), "-o", "since.proof")
    code, found = verdict(auditor, "audit.pdf", *KEY)
    assert (code, found["integrity"]) == (0, "ok")
    assert told(found, "Whether this report is still up to date is not shown: it speaks of the first")
    assert not told(found, "more entries are known")
    links = ["--anchor", "now.checkpoint", "--consistency", "since.proof"]
    code, found = verdict(auditor, "audit.pdf", *KEY, *links)
    assert code == 0
    assert told(found, "at least 1 more entries are known")
    auditor.ok("pack", "credit@1", "-o", "pack.zip")
    assert told(verdict(auditor, "pack.zip", *KEY)[1], "at least 1 more entries are known")


def test_a_pack_of_another_ledger_is_refused_and_so_is_its_fingerprint(auditor, tmp_path):
    auditor.ok("pack", "credit@1", "-o", "pack.zip")
    elsewhere = tmp_path / "elsewhere" / "ledger.db"
    auditor.ok("init", "--name", "example.org/other", "--ledger", elsewhere, "--keys", tmp_path / "keys")
    code, found = verdict(auditor, "pack.zip", "--key", str(elsewhere.parent / "ledger.vkey"))
    assert (code, found["integrity"], found["completeness"]) == (1, "failed", "failed")
    code, out, err = auditor("verify", "pack.zip", "--key", "0" * 64)
    assert code == 3, out
    assert "fingerprint" in err


def test_a_fingerprint_is_taken_as_it_was_dictated(auditor):
    auditor.ok("pack", "credit@1", "-o", "pack.zip")
    told = json.loads(auditor.ok("verify", "pack.zip", *KEY, "--format", "json"))["key"]["fingerprint"]
    assert told in auditor.ok("doctor")
    spoken = " ".join(told[at : at + 4].upper() for at in range(0, 64, 4))
    colons = ":".join(told[at : at + 2] for at in range(0, 64, 2))
    for said in (spoken, colons, f"{told}\n"):
        assert verdict(auditor, "pack.zip", "--key", said)[0] == 0
    code, _, err = auditor("verify", "pack.zip", "--key", spoken[:-1])
    assert code == 3
    assert "cannot be read" in err
    evaluation = json.loads(auditor.ok("log", "--kind", "evaluation", "--format", "json"))[0]["seq"]
    auditor.ok("gate", "replay", str(evaluation), "--pack", "pack.zip", "--key", spoken)


@pytest.mark.parametrize("command", [["verify"], ["report", "trace"]])
def test_a_report_has_no_key_for_a_fingerprint_to_pick(auditor, command):
    told = json.loads(auditor.ok("verify", "audit.pdf", *KEY, "--format", "json"))["key"]["fingerprint"]
    code, _, err = auditor(*command, "audit.pdf", "--key", told)
    assert code == 3
    assert "picks a key out of an evidence pack" in err
    assert "keys/ledger.vkey" in err


def test_what_is_no_key_and_what_is_no_checkpoint_is_told(auditor):
    auditor.ok("pack", "credit@1", "-o", "pack.zip")
    code, _, err = auditor("verify", "audit.pdf", "--key", "pack.zip")
    assert code == 3
    assert "Give ledger.vkey" in err
    code, found = verdict(auditor, "pack.zip", *KEY, "--anchor", "audit.pdf.tlog-proof")
    assert code == 3
    assert "it is a proof; `ledger checkpoint` writes a checkpoint" in details(found, "anchor")[0]


def test_a_pack_lists_what_it_lacks_and_not_the_report_that_stands_in_it(auditor):
    out = auditor.ok("pack", "credit@1", "-o", "pack.zip")
    assert "audit.pdf" not in out
    auditor.ok("report", "credit@1", "-o", "newer.pdf")
    out = auditor.ok("pack", "credit@1", "-o", "newer.zip")
    (line,) = [line for line in out.splitlines() if "audit.pdf of entry" in line]
    lacking = [line for line in verdict(auditor, "newer.zip", *KEY)[1]["not_proven"] if "withheld or missing" in line]
    assert len(lacking) == 1
    assert lacking[0].count("audit.pdf of entry") == line.count("audit.pdf of entry") == 1


@pytest.mark.parametrize("command", ["report", "pack"])
def test_an_empty_ledger_has_nothing_to_hand_out(command, tmp_path, monkeypatch, bank):
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    bank.ok("init", "--name", "example.org/empty")
    code, _, err = bank(command, "credit", "-o", "out.bin")
    assert code == 3
    assert "no such model: this ledger has none yet" in err
    assert not Path("out.bin").exists()


def test_a_model_without_a_decision_has_a_report_that_says_so(auditor):
    Path("m3.bin").write_bytes(b"third")
    auditor.ok("record", "model", "m3.bin", "--name", "fresh", "--as", "engineer")
    auditor.ok("report", "fresh", "-o", "fresh.pdf")
    page = Path("fresh.html").read_text(encoding="utf-8")
    assert "Not decided" in page
    assert "No decision about this version is on the ledger" in page
    assert verdict(auditor, "fresh.pdf", *KEY)[0] == 0


NAMES = ["שלום-مرحبا", "crédit-😀-👩‍🔬", "loan\u202efdp.exe", "cre\u200bdit"]


@pytest.mark.parametrize("name", NAMES)
def test_names_in_any_script_are_shown_and_what_cannot_be_seen_is_spelled_out(name, auditor):
    Path("m3.bin").write_bytes(name.encode())
    auditor.ok("record", "model", "m3.bin", "--name", name, "--as", "engineer")
    out = auditor.ok("report", name, "-o", "odd.pdf")
    out += auditor.ok("verify", "odd.pdf", *KEY) + auditor.ok("pack", name, "-o", "odd.zip")
    out += auditor.ok("verify", "odd.zip", *KEY) + auditor.ok("report", "trace", "odd.pdf", *KEY)
    page = Path("odd.html").read_text(encoding="utf-8")
    for hidden in "\u202e\u200b":
        assert hidden not in out
        assert hidden not in page
    if all(unicodedata.category(letter) not in ("Cf", "Cc") for letter in name):
        assert name in page
    if shutil.which("pdftotext"):
        done = subprocess.run(["pdftotext", "-raw", "odd.pdf", "-"], capture_output=True, text=True, check=True)
        assert "version 1" in done.stdout


def test_two_names_that_look_alike_are_told_apart(auditor):
    for number, name in enumerate(("credit", "cre\u200bdit"), 8):
        Path("m3.bin").write_bytes(bytes([number]))
        auditor.ok("record", "model", "m3.bin", "--name", name, "--as", "engineer")
    out = auditor.ok("log", "--kind", "model")
    assert r"cre\u200bdit" in out

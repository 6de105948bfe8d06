"""What an earlier version wrote, every later version reads: golden sets are never made anew."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tallystick.cli.main import run

SETS = sorted(path.parent for path in (Path(__file__).parent / "golden").glob("*/SHA256SUMS"))


@pytest.fixture(params=SETS, ids=lambda path: path.name)
def golden(request, tmp_path) -> Path:
    """A copy, so that reading can change nothing."""
    return Path(shutil.copytree(request.param, tmp_path / "golden"))


def test_there_is_a_golden_set():
    assert [path.name for path in SETS] == ["v1"]


def test_its_files_are_those_that_were_made(golden):
    for line in (golden / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((golden / name).read_bytes()).hexdigest() == digest


def test_its_ledger_is_sound(golden, capsys):
    words = ["--ledger", str(golden / "ledger.db"), "--key", str(golden / "ledger.vkey")]
    assert run(["ledger", "fsck", *words, "--anchor", str(golden / "kept.checkpoint")]) == 0
    assert "sound" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["evidence.zip", "audit.pdf", "audit.pdf.tlog-proof", "kept.checkpoint"])
def test_what_was_issued_verifies(golden, name):
    words = ["verify", str(golden / name), "--key", str(golden / "ledger.vkey")]
    assert run(words) == 0
    assert run(words[:2]) == 3


def test_its_pack_begins_with_the_tree_of_the_checkpoint_that_was_kept(golden):
    kept = str(golden / "kept.checkpoint")
    assert run(["verify", str(golden / "evidence.zip"), "--key", str(golden / "ledger.vkey"), "--anchor", kept]) == 0


def test_its_history_and_its_entries_are_read(golden, capsys):
    ledger = ["--ledger", str(golden / "ledger.db"), "--format", "json"]
    assert run(["history", "credit", *ledger]) == 0
    (tenure,) = json.loads(capsys.readouterr().out)
    assert tenure["model"] == "credit@2"
    assert run(["log", *ledger]) == 0
    kinds = {entry["kind"] for entry in json.loads(capsys.readouterr().out)}
    assert {"ledger", "key", "usecase", "policy", "dataset", "params", "model", "metric"} <= kinds
    assert {"evaluation", "decision", "approval", "promotion", "report"} <= kinds

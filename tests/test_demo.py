"""The demonstration is the end-to-end test: what it tells is run for real, and checked from outside."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tallystick.cli.main import run


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> tuple[Path, str]:
    """The folder that the demonstration made, and what it printed."""
    folder = tmp_path_factory.mktemp("told") / "demo"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("TALLYSTICK_")}
    done = subprocess.run(
        [sys.executable, "-m", "tallystick.demo", str(folder)], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder, done.stdout


def verified(*words: object) -> int:
    return run(["verify", *map(str, words)])


def test_it_refuses_the_first_candidate_and_promotes_the_second(told):
    _, text = told
    assert "REFUSED: credit@1 does not pass" in text
    assert "selection rate of sex=Female is 0.31 of sex=Male's" in " ".join(text.split())
    assert "you made it" in text
    assert "credit@2 promoted to production" in text
    assert "look number 2 at this test set" in " ".join(text.split())


def test_it_shows_what_catches_each_forgery(told):
    _, text = told
    forgeries = text[text.index("Three forgeries") :]
    assert "bytes are not those of the leaf hash" in forgeries
    assert "sound: 17 entries" in forgeries
    assert "this is not the ledger of the checkpoint that was kept" in forgeries
    assert "signature of this approval does not hold" in forgeries or "was signed about an entry" in forgeries


def test_every_file_that_it_names_is_there(told):
    folder, text = told
    named = [
        line.strip() for line in text[text.index("What to open") :].splitlines() if line.strip().startswith(str(folder))
    ]
    assert len(named) == 6
    assert all(Path(name).is_file() for name in named)


def test_its_pack_and_its_report_verify_with_the_key_and_not_without(told):
    folder, _ = told
    key = folder / ".tallystick/ledger.vkey"
    assert verified(folder / "evidence.zip", "--key", key) == 0
    assert verified(folder / "audit.pdf", "--key", key) == 0
    assert verified(folder / "audit.pdf.tlog-proof", "--key", key) == 0
    assert verified(folder / "kept-by-auditor.checkpoint", "--key", key) == 0
    assert verified(folder / "evidence.zip") == 3
    assert verified(folder / "audit.pdf") == 3


def test_every_number_of_its_report_follows_from_the_evidence_in_it(told, capsys):
    folder, _ = told
    assert run(["report", "trace", str(folder / "audit.pdf"), "--key", str(folder / ".tallystick/ledger.vkey")]) == 0
    out = capsys.readouterr().out
    assert "only the seal was appended" in " ".join(out.split())
    assert "0.9471" in out, "the ratio of selection rates, beside the entry of the evaluation"


def test_an_anchor_that_the_auditor_kept_is_compared(told):
    folder, _ = told
    key, anchor = folder / ".tallystick/ledger.vkey", folder / "kept-by-auditor.checkpoint"
    assert verified(folder / "evidence.zip", "--key", key, "--anchor", anchor) == 0


def test_a_report_without_its_receipt_is_not_proven(told, tmp_path):
    folder, _ = told
    bare = tmp_path / "audit.pdf"
    bare.write_bytes((folder / "audit.pdf").read_bytes())
    assert verified(bare, "--key", folder / ".tallystick/ledger.vkey") == 3


@pytest.mark.parametrize("name", ["evidence.zip", "audit.pdf", "audit.pdf.tlog-proof"])
def test_altered_copies_are_refused(told, tmp_path, name):
    """A sample over the whole file; the trials go over every byte."""
    folder, _ = told
    data = (folder / name).read_bytes()
    key = folder / ".tallystick/ledger.vkey"
    copy = tmp_path / name
    receipt = ["--receipt", folder / "audit.pdf.tlog-proof"] if name == "audit.pdf" else []
    step = max(1, len(data) // 12)
    altered = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), step)]
    altered += [data[:-1], data[: len(data) // 2], data + b"\n", data + data[:100]]
    for change in altered:
        copy.write_bytes(change)
        assert verified(copy, "--key", key, *receipt) == 1


def test_a_pack_cut_to_pieces_is_refused(told, tmp_path):
    """Members taken out or swapped, with a ZIP that is well-formed by itself."""
    folder, _ = told
    with zipfile.ZipFile(folder / "evidence.zip") as source:
        members = {item: source.read(item) for item in source.namelist()}
    for gone in [name for name in members if name.startswith(("entries/", "report/"))][::6]:
        copy = tmp_path / "cut.zip"
        with zipfile.ZipFile(copy, "w") as target:
            for name, data in members.items():
                if name != gone:
                    target.writestr(name, data)
        assert verified(copy, "--key", folder / ".tallystick/ledger.vkey") == 1


def test_the_ledger_that_it_leaves_is_sound_and_holds_no_names(told):
    folder, _ = told
    ledger = folder / ".tallystick/ledger.db"
    key = folder / ".tallystick/ledger.vkey"
    assert run(["ledger", "fsck", "--ledger", str(ledger), "--key", str(key)]) == 0
    with zipfile.ZipFile(folder / "evidence.zip") as pack:
        entries = b"".join(pack.read(name) for name in pack.namelist() if name.startswith("entries/"))
    for secret in (b"Erin Engineer", b"Oda Officer", b"erin@bank.example", b"oda@bank.example", str(folder).encode()):
        assert secret not in entries


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["-x"], 2), (["one", "two"], 2)])
def test_what_is_no_folder_makes_none(tmp_path, words, code):
    done = subprocess.run(
        [sys.executable, "-m", "tallystick.demo", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, "usage: python -m tallystick.demo [FOLDER]\n")
    assert not [*tmp_path.iterdir()]

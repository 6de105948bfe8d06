"""Proofs for somebody outside, and what an auditor finds out with them: by the command line, files going in and out."""

import json
import os
import shutil
import sqlite3
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tallystick.canonical import b64
from tallystick.cli.main import run
from tallystick.proof.consistency import Consistency
from tallystick.proof.note import Checkpoint, VerifierKey, open_checkpoint, sign_note
from tallystick.proof.receipt import Proof, Receipt
from tallystick.signing import load_signer

KEY = ("--key", ".tallystick/ledger.vkey")


@pytest.fixture(scope="module")
def grown(prepared, tmp_path_factory) -> Path:
    """A ledger that grew, and what it handed out on the way."""
    here = Path.cwd()
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("grown") / "bank")
    os.chdir(folder)
    try:
        for line in (
            "ledger checkpoint -o kept",
            "record document m1.bin --title one --as engineer",
            "ledger prove 5 -o earlier.tlog-proof",
            "ledger checkpoint -o later",
            "record document m2.bin --title two --as engineer",
            "record document policy.yaml --title three --as engineer",
            "ledger checkpoint -o newest",
            "ledger prove 5 -o entry.tlog-proof",
            "ledger prove --from kept -o growth.txt",
            "pack credit@2 -o part.zip",
            "pack credit@2 --all -o all.zip",
        ):
            assert run(line.split()) == 0, line
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def auditor(grown, bank):
    """The command line in a copy of that folder."""
    shutil.copytree(grown, bank.folder, dirs_exist_ok=True)
    return bank


class Forger:
    """Somebody with the ledger's real key."""

    def __init__(self, folder: Path) -> None:
        keys = folder / ".tallystick/keys"
        self.signer = load_signer(keys / "ledger.pem", passphrase=lambda _: None)
        self.origin = VerifierKey.parse((folder / ".tallystick/ledger.vkey").read_text().strip()).name
        self.key = VerifierKey(self.origin, self.signer.public)

    def checkpoint(self, name: str) -> Checkpoint:
        return open_checkpoint(Path(name).read_bytes(), self.key)

    def note(self, size: int, root: bytes) -> bytes:
        return sign_note(Checkpoint(self.origin, size, root).text(), self.origin, self.signer)


@pytest.fixture
def forger(auditor) -> Forger:
    return Forger(auditor.folder)


def size_of(name: str) -> int:
    return int(Path(name).read_text().split("\n")[1])


def said(out: str) -> str:
    return " ".join(out.split())


def line_of(out: str, name: str) -> str:
    """What a line of the verdict's summary says."""
    (line,) = [line for line in out.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name).strip()


def state(ledger: Path) -> str:
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT bytes FROM entries ORDER BY seq").fetchall()
        notes = database.execute("SELECT note FROM checkpoints ORDER BY size").fetchall()
    return sha256(repr((rows, notes)).encode()).hexdigest()


# ------------------------------------------------------------------ ledger prove INDEX


def test_an_entry_is_proven_under_the_newest_checkpoint(auditor):
    before = state(auditor.ledger)
    out = auditor.ok("ledger", "prove", "7")
    size = size_of("newest")
    assert line_of(out, "proof").startswith("entry-7.tlog-proof (")
    assert line_of(out, "entry") == "7, model"
    assert line_of(out, "tree").startswith(f"{size} entries, root ")
    command = line_of(out, "verify").split()
    assert command[:3] == ["tallystick", "verify", "entry-7.tlog-proof"]
    shutil.copy(".tallystick/ledger.vkey", "ledger.vkey")
    assert f"entry 7 (model) of {size}" in auditor.ok(*command[1:])
    raw = auditor.ok("show", "7", "--raw").encode()
    assert Receipt.parse(Path("entry-7.tlog-proof").read_bytes()).entry == raw
    assert state(auditor.ledger) == before


def test_every_entry_is_proven(auditor):
    for seq in range(size_of("newest")):
        auditor.ok("ledger", "prove", str(seq), "-o", "one.tlog-proof", "--force")
        assert f"entry {seq} (" in auditor.ok("verify", "one.tlog-proof", *KEY)


def test_a_bare_proof_leaves_the_entry_to_who_verifies(auditor, forger):
    out = auditor.ok("ledger", "prove", "7", "--bare")
    assert "tallystick show 7 --raw" in out
    proof = Proof.parse(Path("entry-7.tlog-proof").read_bytes())
    assert proof.extra is None
    raw = auditor.ok("show", "7", "--raw").encode()
    proof.verify(sha256(b"\0" + raw).digest(), forger.key)
    code, out, _ = auditor("verify", "entry-7.tlog-proof", *KEY)
    assert code == 3
    assert "the proof carries no entry" in said(out)


def test_a_proof_is_printed_as_json_too(auditor):
    newest = json.loads(auditor.ok("verify", "newest", *KEY, "--format", "json"))["checkpoint"]
    value = json.loads(auditor.ok("ledger", "prove", "7", "--format", "json"))
    assert value == {
        "proof": "entry-7.tlog-proof",
        "entry": {"seq": 7, "kind": "model"},
        "bare": False,
        **newest,
    }
    value = json.loads(auditor.ok("ledger", "prove", "--from", "kept", "--format", "json"))
    kept = json.loads(auditor.ok("verify", "kept", *KEY, "--format", "json"))["checkpoint"]
    assert value == {"proof": f"consistency-{kept['size']}-{newest['size']}.txt", "from": kept, **newest}


# ------------------------------------------------------------------ ledger prove --from


def test_growth_since_a_kept_checkpoint_is_proven(auditor):
    before = state(auditor.ledger)
    old, new = size_of("kept"), size_of("newest")
    out = auditor.ok("ledger", "prove", "--from", "kept")
    name = f"consistency-{old}-{new}.txt"
    assert line_of(out, "proof").startswith(f"{name} (")
    assert line_of(out, "from").startswith(f"{old} entries")
    assert line_of(out, "to").startswith(f"{new} entries")
    shutil.copy(".tallystick/ledger.vkey", "ledger.vkey")
    out = auditor.ok(*line_of(out, "verify").split()[1:])
    assert "the ledger begins with the tree from elsewhere" in said(out)
    assert line_of(out, "anchor") == f"size {old} kept elsewhere; {new - old} of {new} entries lie after it"
    assert state(auditor.ledger) == before


def test_growth_is_proven_from_every_checkpoint_by_its_size(auditor):
    with sqlite3.connect(auditor.ledger) as database:
        notes = database.execute("SELECT size, note FROM checkpoints ORDER BY size").fetchall()
    for size, note in notes:
        Path("old").write_bytes(note)
        auditor.ok("ledger", "prove", "--from", str(size), "-o", "proof", "--force")
        auditor.ok("verify", "proof", *KEY, "--anchor", "old")
    assert len(notes) > 10


def test_the_older_checkpoint_is_not_shown_by_the_file_alone(auditor):
    for words in ([], ["--anchor", "newest"], ["--anchor", "later"]):
        code, out, _ = auditor("verify", "growth.txt", *KEY, *words)
        assert code == 3
        assert f"the checkpoint of size {size_of('kept')} that it is from was not given" in said(out)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("ledger prove", 2, ["INDEX"]),
        ("ledger prove 5 --from kept", 2, ["either"]),
        ("ledger prove --from kept --bare", 2, ["either"]),
        ("ledger prove --bare", 2, ["either"]),
        ("ledger prove -1", 2, ["-1"]),
        ("ledger prove -- -1", 2, ["-1"]),
        ("ledger prove five", 2, ["five"]),
        ("ledger prove 5.0", 2, ["5.0"]),
        ("ledger prove 99", 3, ["there is no entry 99", "0 to "]),
        (f"ledger prove 1{'0' * 30}", 3, ["there is no entry 1000"]),
        (f"ledger prove 1{'0' * 5000}", 2, ["INDEX"]),
        ("ledger prove 5 -o nowhere/x", 3, ["nowhere/x"]),
        ("ledger prove 5 -o kept", 1, ["--force"]),
        ("ledger prove --from kept -o kept", 1, ["this command reads it"]),
        ("ledger prove --from 0", 2, ["1 or more"]),
        ("ledger prove --from -5", 2, ["1 or more"]),
        ("ledger prove --from 99", 3, ["no checkpoint of size 99"]),
        (f"ledger prove --from 1{'0' * 30}", 3, ["no checkpoint of size 1000"]),
        ("ledger prove --from nowhere", 3, ["nowhere"]),
        ("ledger prove --from empty", 3, ["empty", "not a checkpoint of this ledger"]),
        ("ledger prove --from entry.tlog-proof", 3, ["not a checkpoint of this ledger"]),
        ("ledger prove --from large", 3, ["large", "too large"]),
        ("ledger prove --from pipe", 3, ["pipe", "regular file"]),
        ("ledger prove 5 --ledger nowhere.db", 3, ["nowhere.db"]),
    ],
)
def test_what_cannot_be_proven_is_one_line(auditor, line, code, words):
    Path("empty").touch()
    os.mkfifo("pipe")
    with Path("large").open("wb") as file:
        file.truncate(100 << 20)
    there, before = sorted(auditor.folder.iterdir()), state(auditor.ledger)
    found, _, err = auditor(*line.split())
    assert (found, len(err.splitlines())) == (code, 1), err
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert (sorted(auditor.folder.iterdir()), state(auditor.ledger)) == (there, before)


def test_a_size_that_no_checkpoint_has_is_not_proven(auditor):
    """Two entries of one writing are under one checkpoint; nobody can have kept one between them."""
    with sqlite3.connect(auditor.ledger) as database:
        sizes = {size for (size,) in database.execute("SELECT size FROM checkpoints")}
    (between, *_) = sorted(set(range(1, max(sizes))) - sizes)
    code, _, err = auditor("ledger", "prove", "--from", str(between))
    assert (code, f"no checkpoint of size {between}" in err) == (3, True)


def test_a_rewritten_ledger_proves_no_growth_from_what_was_kept(auditor, forger):
    kept = forger.checkpoint("kept")
    Path("forged").write_bytes(forger.note(kept.size, bytes(32)))
    Path("future").write_bytes(forger.note(99, bytes(32)))
    for name, why in (("forged", "does not begin with the tree"), ("future", "shorter than a checkpoint")):
        code, _, err = auditor("ledger", "prove", "--from", name, "-o", "proof")
        assert (code, why in err, Path("proof").exists()) == (1, True, False), err


def test_a_damaged_ledger_hands_out_no_proof(auditor):
    with sqlite3.connect(auditor.ledger) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE nodes SET hash = zeroblob(32)")
    for words in (("5",), ("5", "--bare"), ("--from", "kept"), ("--from", str(size_of("kept")))):
        code, _, err = auditor("ledger", "prove", *words, "-o", "proof")
        assert (code, len(err.splitlines())) == (1, 1), err
        assert "ledger fsck" in err
        assert not Path("proof").exists()


# ------------------------------------------------------------------ verify with anchors


def test_how_much_an_anchor_covers_is_always_said(auditor):
    new, later, kept = size_of("newest"), size_of("later"), size_of("kept")
    for file, size, anchored in (
        ("all.zip", new, kept),
        ("part.zip", new, kept),
        ("newest", new, new),
        ("entry.tlog-proof", new, new),
        ("growth.txt", new, kept),
    ):
        code, out, _ = auditor("verify", file, *KEY)
        assert code == (3 if file == "growth.txt" else 0)
        assert line_of(out, "anchor") == f"none: all {size} entries rest on the ledger's key alone"
        anchor = "kept" if anchored == kept else "newest"
        out = auditor.ok("verify", file, *KEY, "--anchor", anchor)
        left = size - anchored
        assert line_of(out, "anchor") == f"size {anchored} kept elsewhere; {left} of {size} entries lie after it"
        value = json.loads(auditor.ok("verify", file, *KEY, "--anchor", anchor, "--format", "json"))
        assert (value["anchor"]["size"], value["unanchored"]) == (anchored, left)
    value = json.loads(auditor("verify", "later", *KEY, "--format", "json")[1])
    assert (value["anchor"], value["unanchored"]) == (None, later)
    Path("broken").write_bytes(Path("newest").read_bytes().replace(b"bank", b"bonk"))
    code, out, _ = auditor("verify", "broken", *KEY)
    assert (code, line_of(out, "anchor")) == (1, "none: no checkpoint in this file was verified")


def test_a_consistency_proof_links_what_the_file_does_not(auditor):
    for file in ("newest", "entry.tlog-proof"):
        code, out, _ = auditor("verify", file, *KEY, "--anchor", "kept")
        assert code == 3
        assert "nothing here links" in said(out)
        out = auditor.ok("verify", file, *KEY, "--anchor", "kept", "--consistency", "growth.txt")
        assert line_of(out, "anchor").startswith(f"size {size_of('kept')} kept elsewhere")


def test_what_verify_asks_for_is_what_links_an_older_receipt(auditor):
    """The receipt is from before the newest checkpoint: one proof from each side to it."""
    _, out, _ = auditor("verify", "earlier.tlog-proof", *KEY, "--anchor", "kept")
    old, here = size_of("kept"), size_of("later")
    assert f"ask for `tallystick ledger prove --from {old}` and `--from {here}`" in said(out)
    for size in (old, here):
        auditor.ok("ledger", "prove", "--from", str(size), "-o", f"from-{size}")
    proofs = [word for size in (old, here) for word in ("--consistency", f"from-{size}")]
    out = auditor.ok("verify", "earlier.tlog-proof", *KEY, "--anchor", "kept", *proofs, "--require-anchor")
    assert line_of(out, "anchor") == f"size {old} kept elsewhere; {here - old} of {here} entries lie after it"
    out = auditor.ok("verify", "earlier.tlog-proof", *KEY, "--anchor", "newest", "--consistency", f"from-{here}")
    assert line_of(out, "anchor") == f"size {size_of('newest')} kept elsewhere; 0 of {here} entries lie after it"


def test_an_anchor_may_carry_cosignatures(auditor, forger):
    other = sign_note("text\n", "witness.example", load_signer(
        Path(".tallystick/keys/officer.pem"), passphrase=lambda _: None)).partition(b"\n\n")[2]  # fmt: skip
    Path("cosigned").write_bytes(Path("kept").read_bytes() + other)
    auditor.ok("verify", "all.zip", *KEY, "--anchor", "cosigned", "--require-anchor")


def test_several_anchors_are_all_compared(auditor, forger):
    out = auditor.ok("verify", "all.zip", *KEY, "--anchor", "kept", "--anchor", "later")
    assert out.count("ok  anchor ") == 2
    assert line_of(out, "anchor").startswith(f"size {size_of('later')} kept elsewhere")
    Path("forged").write_bytes(forger.note(size_of("kept"), bytes(32)))
    code, out, _ = auditor("verify", "all.zip", *KEY, "--anchor", "later", "--anchor", "forged")
    assert (code, line_of(out, "integrity")) == (1, "failed")


def test_a_required_anchor_turns_a_yes_without_one_into_do_not_know(auditor, forger):
    Path("forged").write_bytes(forger.note(size_of("newest"), bytes(32)))
    for file in ("all.zip", "part.zip", "newest", "entry.tlog-proof"):
        auditor.ok("verify", file, *KEY)
        code, out, _ = auditor("verify", file, *KEY, "--require-anchor")
        assert (code, "one is required, and none was given" in said(out)) == (3, True)
        auditor.ok("verify", file, *KEY, "--require-anchor", "--anchor", "newest")
        assert auditor("verify", file, *KEY, "--require-anchor", "--anchor", "forged")[0] == 1


# ------------------------------------------------------------------ bad input


def spoiled(forger, name: str) -> bytes:
    """Files that somebody could hand in, named for their flaw."""
    kept, newest = forger.checkpoint("kept"), forger.checkpoint("newest")
    growth = Consistency.parse(Path("growth.txt").read_bytes())
    receipt = Proof.parse(Path("entry.tlog-proof").read_bytes())
    note = Path("newest").read_bytes()
    first = growth.hashes[0]
    text = growth.to_bytes()
    respelt = (
        b64(first)[:-2] + chr(ord(b64(first)[-2]) + 1) + "="
    )  # the same bytes, with a bit set that counts for none
    files = {
        "note-wrong-signature": note.replace(b64(newest.root).encode(), b64(bytes(32)).encode()),
        "note-other-ledger": sign_note(Checkpoint("other.example", 5, bytes(32)).text(), forger.origin, forger.signer),
        "note-empty-tree": forger.note(0, sha256(b"").digest()),
        "note-other-root": forger.note(newest.size, bytes(32)),
        "receipt-hash-left-over": replace(receipt, hashes=(*receipt.hashes, bytes(32))).to_bytes(),
        "receipt-hash-missing": replace(receipt, hashes=receipt.hashes[:-1]).to_bytes(),
        "receipt-hash-31-bytes": replace(receipt, hashes=(receipt.hashes[0][:31], *receipt.hashes[1:])).to_bytes(),
        "receipt-index-outside": replace(receipt, index=newest.size).to_bytes(),
        "receipt-wrong-signature": replace(receipt, checkpoint=note.replace(b"\n\n", b"\nx\n\n")).to_bytes(),
        "growth-hash-left-over": replace(growth, hashes=(*growth.hashes, bytes(32))).to_bytes(),
        "growth-hash-missing": replace(growth, hashes=growth.hashes[:-1]).to_bytes(),
        "growth-hash-31-bytes": replace(growth, hashes=(first[:31], *growth.hashes[1:])).to_bytes(),
        "growth-stray-bits": text.replace(b64(first).encode(), respelt.encode()),
        "growth-other-hash": replace(growth, hashes=(bytes(32), *growth.hashes[1:])).to_bytes(),
        "growth-old-beyond-new": replace(growth, old=newest.size + 1, hashes=()).to_bytes(),
        "growth-from-nothing": text.replace(b"old %d\n" % kept.size, b"old 0\n"),
        "growth-wrong-signature": text.replace(b64(newest.root).encode(), b64(bytes(32)).encode()),
        "growth-other-ledger": replace(growth, checkpoint=sign_note(
            Checkpoint("other.example", newest.size, newest.root).text(), forger.origin, forger.signer)).to_bytes(),
        "growth-other-tree": replace(growth, checkpoint=forger.note(newest.size, bytes(32))).to_bytes(),
        "empty": b"",
        "words": b"some words\n",
    }  # fmt: skip
    return files[name]


LARGE = {"large-proof": b"old 1\n", "large-note": b"a\n\n\xe2\x80\x94 ", "large-receipt": b"c2sp.org/tlog-proof@v1\n"}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_a_no_and_as_an_anchor_a_mistake(auditor, name):
    with Path("large").open("wb") as file:
        file.write(LARGE[name])
        file.truncate(100 << 20)
    code, out, err = auditor("verify", "large", *KEY)
    assert (code, err, "too large" in said(out)) == (1, "", True)
    for words in (["--anchor", "large"], ["--anchor", "kept", "--consistency", "large"]):
        code, out, err = auditor("verify", "newest", *KEY, *words)
        assert (code, out, len(err.splitlines()), "too large" in err) == (3, "", 1, True)


LEADS_ELSEWHERE = ["growth-other-hash", "growth-other-tree"]
GROWTHS = [
    "growth-hash-left-over",
    "growth-hash-missing",
    "growth-hash-31-bytes",
    "growth-stray-bits",
    "growth-old-beyond-new",
    "growth-from-nothing",
    "growth-wrong-signature",
    "growth-other-ledger",
]
RECEIPTS = [
    "receipt-hash-left-over",
    "receipt-hash-missing",
    "receipt-hash-31-bytes",
    "receipt-index-outside",
    "receipt-wrong-signature",
]


@pytest.mark.parametrize("name", ["note-wrong-signature", "note-other-ledger", *RECEIPTS, *GROWTHS, "empty", "words"])
def test_a_file_that_does_not_hold_is_a_no(auditor, forger, name):
    Path("bad").write_bytes(spoiled(forger, name))
    code, out, err = auditor("verify", "bad", *KEY)
    assert (code, err, line_of(out, "integrity")) == (1, "", "failed")
    assert line_of(out, "anchor").startswith("none: ")
    assert auditor("verify", "bad", *KEY, "--anchor", "kept", "--require-anchor")[0] == 1


@pytest.mark.parametrize("name", LEADS_ELSEWHERE)
def test_growth_that_leads_elsewhere_is_a_no_once_the_older_checkpoint_is_given(auditor, forger, name):
    Path("bad").write_bytes(spoiled(forger, name))
    assert auditor("verify", "bad", *KEY)[0] == 3
    assert auditor("verify", "bad", *KEY, "--anchor", "kept")[0] == 1


@pytest.mark.parametrize("name", [*GROWTHS, *LEADS_ELSEWHERE, "empty", "words"])
def test_a_link_that_does_not_hold_is_a_no(auditor, forger, name):
    Path("bad").write_bytes(spoiled(forger, name))
    for file in ("newest", "entry.tlog-proof", "all.zip", "growth.txt"):
        words = ["--anchor", "kept", "--consistency", "bad"]
        code, out, err = auditor("verify", file, *KEY, *words)
        assert (code, err, line_of(out, "integrity")) == (1, "", "failed"), (file, out)


def test_a_link_between_other_sizes_leaves_the_question_open(auditor):
    auditor.ok("ledger", "prove", "--from", "later", "-o", "other.txt")
    code, out, _ = auditor("verify", "entry.tlog-proof", *KEY, "--anchor", "kept", "--consistency", "other.txt")
    assert code == 3
    assert f"the proofs at hand, such as {size_of('later')} to {size_of('newest')}, do not link" in said(out)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("note-wrong-signature", 3, "does not hold under this key: signature of a note fails"),
        ("note-other-ledger", 3, "does not hold under this key: checkpoint is of another ledger"),
        ("empty", 3, "does not hold under this key: not a signed note"),
        ("words", 3, "does not hold under this key"),
        ("note-empty-tree", 3, "proves nothing, being empty"),
        ("note-other-root", 1, "another root"),
    ],
)
def test_an_anchor_that_is_none_or_another(auditor, forger, name, code, says):
    Path("bad").write_bytes(spoiled(forger, name))
    for file in ("newest", "entry.tlog-proof", "all.zip", "part.zip"):
        found, out, err = auditor("verify", file, *KEY, "--anchor", "bad")
        assert (found, says in said(out + err)) == (code, True), (out, err)
        assert len(err.splitlines()) == (0 if out else 1)


def test_an_anchor_that_is_newer_than_the_file_leaves_the_question_open(auditor):
    for file in ("kept", "earlier.tlog-proof"):
        code, out, _ = auditor("verify", file, *KEY, "--anchor", "newest")
        assert (code, "nothing here links" in said(out)) == (3, True)


def test_a_proof_that_links_to_nothing_is_put_wrongly(auditor):
    code, _, err = auditor("verify", "newest", *KEY, "--consistency", "growth.txt")
    assert (code, len(err.splitlines()), "--anchor" in err) == (2, 1, True)


def test_pipes_keep_no_verifier_waiting(auditor):
    os.mkfifo("pipe")
    for words in (["pipe"], ["newest", "--anchor", "pipe"], ["newest", "--anchor", "kept", "--consistency", "pipe"]):
        code, _, err = auditor("verify", *words, *KEY)
        assert (code, len(err.splitlines()), "regular file" in err) == (3, 1, True)


# ------------------------------------------------------------------ what a verdict looks like


@pytest.mark.parametrize("columns", [80, 120])
def test_a_verdict_is_as_wide_as_the_terminal_with_its_columns_aligned(auditor, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = auditor.ok("verify", "part.zip", *KEY, "--anchor", "kept").splitlines()
    assert max(map(len, lines)) <= columns
    checks = lines[4 : lines.index("", 4)]
    start = checks[0].index("every byte")
    assert all(line[start - 1] == " " and line[start] != " " for line in checks)


def test_values_that_are_not_named_are_counted(auditor, monkeypatch):
    monkeypatch.setattr("tallystick.proof.verify._MOST_WITHHELD", 5)
    for label in ("one", "two", "three", "four"):
        person = ["--name", label, "--email", f"{label}@example.org"]
        auditor.ok("key", "new", label, "--role", "auditor", "--by", "officer", *person)
    auditor.ok("pack", "credit@2", "--all", "-o", "more.zip")
    (line,) = [line for line in auditor.ok("verify", "more.zip", *KEY).split("  - ") if "values are erased" in line]
    count, listed = int(line.split()[0]), said(line).partition("missing: ")[2]
    assert count > 5
    assert listed.count(" of entry ") == 5
    assert f" and {count - 5} more." in listed


def test_who_verifies_a_ledger_file_is_told_what_examines_one(auditor):
    code, out, err = auditor("verify", ".tallystick/ledger.db", *KEY)
    assert (code, err, "examined with `tallystick ledger fsck`" in said(out)) == (1, "", True)

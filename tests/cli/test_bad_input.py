"""Bad input: one line that says what, where and what to do; the right exit code; no traceback; the ledger as it was."""

import sqlite3
from hashlib import sha256

import pytest

from tallystick.cli.main import run


def state(bank) -> str:
    """The ledger's entries and checkpoints, read from outside."""
    with sqlite3.connect(f"file:{bank.ledger}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT bytes FROM entries ORDER BY seq").fetchall()
        notes = database.execute("SELECT note FROM checkpoints ORDER BY size").fetchall()
    return sha256(repr((rows, notes)).encode()).hexdigest()


def refuses(bank, line: str, code: int, *words: str) -> None:
    before = state(bank)
    found, out, err = bank(*line.split())
    said = [text for text in err.splitlines() if not text.startswith("...")]
    assert found == code, (found, out, err)
    assert "Traceback" not in err
    if code != 2 or "Usage:" not in err:
        assert len(said) == 1, said
        assert said[0].startswith("tallystick: ")
    for word in words:
        assert word in err, (word, err)
    assert state(bank) == before


GATE = "gate run credit@2 --dataset german --as engineer --predictions"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("record dataset nowhere.csv --as engineer", 3, ["nowhere.csv"]),
        ("record model nowhere.bin --as engineer", 3, ["nowhere.bin"]),
        ("record dataset german.csv --sensitive sexx --as engineer", 3, ["sexx"]),
        ("usecase nowhere.yaml --as officer", 3, ["nowhere.yaml"]),
        (f"{GATE} nowhere.csv", 3, ["nowhere.csv"]),
        ("gate run loan --predictions fair.csv --as engineer", 3, ["no such model", "one of credit"]),
        ("gate run credit@9 --predictions fair.csv --as engineer", 3, ["no such model version"]),
        ("gate run credit@2 --predictions fair.csv --dataset other --as engineer", 3, ["no such dataset"]),
        ("gate run credit@2 --predictions fair.csv --stage staging --as engineer", 3, ["no such policy"]),
        ("gate run credit@x --predictions fair.csv --as engineer", 2, ["NAME@VERSION"]),
        ("record model m1.bin --as nobody", 3, ["no such key", "engineer, officer"]),
        ("record model m1.bin", 2, ["--as LABEL"]),
        ("approve credit@2 --rationale r --as engineer", 1, ["you made it"]),
        ("approve credit@1 --rationale r --as officer", 1, ["says fail"]),
        ("approve credit@2 --rationale r --condition nodate --as officer", 2, ["TEXT;OWNER;YYYY-MM-DD"]),
        ("promote credit@1 --as engineer", 1, ["says fail", "nobody entitled"]),
        ("promote credit@2 --as engineer", 1, ["nobody entitled has approved"]),
        ("promote credit@2 --stage staging --as engineer", 1, ["nothing was checked"]),
        ("policy publish policy.yaml --as engineer", 1, ["only a risk-officer"]),
        ("policy publish policy.yaml --author officer --as officer", 1, ["nobody approves"]),
        ("key new second --role risk-officer", 1, ["a steward must sign"]),
        ("key new second --role risk-officer --by engineer", 1, ["only a steward"]),
        ("key new officer --role engineer --by officer", 1, ["a key of this label is registered"]),
        ("key new Ledger --role engineer --by officer", 2, ["label"]),
        ("log --kind modell", 2, ["no such kind"]),
        ("gate run credit@2 --predictions fair.csv -o json=nowhere/x.json --as engineer", 3, ["nowhere/x.json"]),
        ("report credit@2 -o nowhere/x.pdf", 3, ["nowhere/x.pdf"]),
        ("pack credit@2 -o nowhere/x.zip", 3, ["nowhere/x.zip"]),
        ("ledger checkpoint -o nowhere/x", 3, ["nowhere/x"]),
        ("key new second --role engineer --by officer --new-passphrase-file nowhere", 3, ["nowhere"]),
        ("show 99", 3, ["no entry 99"]),
        ("show 9223372036854775808", 3, ["no entry 9223372036854775808"]),
        (f"show {'9' * 5000}", 3, ["no such model"]),
        ("show \u00b2", 3, ["no such model"]),
        ("show credit@\u00b2", 2, ["model version is not usable"]),
        (f"show credit@{'9' * 5000}", 2, ["model version is not usable"]),
        ("show credit@9223372036854775808", 3, ["no such model version"]),
        ("show loan", 3, ["no such model"]),
        ("history loan", 3, ["no such model"]),
        ("report loan -o x.pdf", 3, ["no such model"]),
        ("pack loan -o x.zip", 3, ["no such model"]),
        ("init --name bank.example/test", 1, ["there is a ledger here"]),
        ("init --name UPPER", 2, ["name of a ledger"]),
        ("ledger fsck --anchor nowhere", 3, ["nowhere"]),
        ("ledger fsck --anchor policy.yaml", 3, ["policy.yaml: not a checkpoint"]),
        ("nonsense", 2, ["No such command"]),
        ("verify nowhere.zip --key ledger", 3, ["nowhere.zip"]),
    ],
)
def test_a_mistake_gets_one_line_and_leaves_the_ledger(bank, line, code, words):
    refuses(bank, line, code, *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", []),
        (b"sex,age,y_true\nmale,30,1\n", ["y_pred"]),
        (b"\x00\x01PAR1 not parquet", []),
    ],
)
def test_predictions_that_cannot_be_judged_are_refused(bank, content, words):
    (bank.folder / "bad.csv").write_bytes(content)
    refuses(bank, f"{GATE} bad.csv", 3, *words)


def test_an_unreadable_parquet_file_is_refused(bank):
    (bank.folder / "bad.parquet").write_bytes(b"PAR1" + b"\x00" * 64 + b"PAR1")
    refuses(bank, "record dataset bad.parquet --as engineer", 3, "bad.parquet")
    refuses(bank, f"{GATE} bad.parquet", 3, "bad.parquet")


def test_predictions_of_another_test_set_are_refused(bank):
    lines = (bank.folder / "fair.csv").read_text().splitlines(keepends=True)
    (bank.folder / "short.csv").write_text("".join(lines[:-1]))
    refuses(bank, f"{GATE} short.csv", 3, "1000 rows", "999 rows")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("gates:", "gatez:"), ["gatez", "policy2.yaml:"]),
        (("type: schema", "type: shema"), ["shema", "schema"]),
        (("kind: Policy", "kind: [Policy"), ["policy2.yaml:"]),
        (('"< 0.80"', '"< nan"'), ["policy2.yaml:"]),
        (("version: 1.0.0", "version: 1.0"), ["policy2.yaml:", "three numbers"]),
        (('"< 0.60"', "0.60"), ["policy2.yaml:", "a comparison in quotes"]),
        (("euaia-9.6", "euaia-9.66"), ["euaia-9.66"]),
    ],
)
def test_an_invalid_policy_is_refused_at_its_place(bank, change, words):
    text = (bank.folder / "policy.yaml").read_text()
    assert change[0] in text
    (bank.folder / "policy2.yaml").write_text(text.replace(*change))
    refuses(bank, "policy publish policy2.yaml --as officer", 3, *words)


def test_a_policy_that_checks_nothing_is_refused(bank):
    text = (bank.folder / "policy.yaml").read_text()
    (bank.folder / "empty.yaml").write_text(text[: text.index("gates:")] + "gates: []\n")
    refuses(bank, "policy publish empty.yaml --as officer", 3, "empty.yaml")


def test_a_changed_policy_needs_a_new_version(bank):
    text = (bank.folder / "policy.yaml").read_text()
    (bank.folder / "policy.yaml").write_text(text.replace("0.80", "0.10"))
    refuses(bank, "policy publish policy.yaml --as officer", 1, "new version")


def test_a_key_file_that_others_can_read_is_refused(bank):
    (bank.folder / ".tallystick/keys/officer.pem").chmod(0o644)
    refuses(bank, "approve credit@2 --rationale r --as officer", 3, "others can read", "chmod 600")


def test_a_wrong_passphrase_is_refused(bank):
    right, wrong = bank.folder / "right", bank.folder / "wrong"
    right.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    for path in (right, wrong):
        path.chmod(0o600)
    bank.ok("key", "new", "second", "--role", "risk-officer", "--by", "officer", "--new-passphrase-file", "right")
    line = "approve credit@2 --rationale r --as second --passphrase-file"
    refuses(bank, f"{line} wrong", 3, "passphrase is wrong")
    bank.ok(*f"{line} right".split())


def test_a_ledger_of_a_newer_version_is_refused(bank):
    with sqlite3.connect(bank.ledger) as database:
        database.execute("PRAGMA user_version = 99")
    refuses(bank, "log", 3, "newer")


def test_a_file_that_is_no_ledger_is_refused(bank):
    bank.ledger.write_bytes(b"not a database, but long enough to be taken for one " * 40)
    code, _, err = bank("log")
    assert code == 3
    assert err.startswith("tallystick: ")


def test_no_ledger_is_created_implicitly(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for line in ("log", "doctor", "record model x --as me", "ledger fsck", "ledger checkpoint"):
        assert run(line.split()) == 3, line
    assert list(tmp_path.iterdir()) == []


def test_an_unforeseen_error_never_looks_like_a_no(bank, monkeypatch):
    monkeypatch.setattr("tallystick.workflow.desk.Desk.open", lambda *a, **k: 1 / 0)
    code, _, err = bank("log")
    assert code == 3
    assert "ZeroDivisionError" in err


def test_protected_keys_need_a_passphrase(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--name", "bank.example/x", "--protect"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_each_key_can_have_a_passphrase_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, text in (("one", "first"), ("two", "second")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    files = ["--passphrase-file", "one", "--passphrase-file", "officer=two"]
    assert run(["init", "--name", "bank.example/x", "--protect", "--passphrase-file", "one"]) == 0
    new = ["key", "new", "officer", "--role", "risk-officer", "--new-passphrase-file", "two"]
    assert run([*new, "--passphrase-file", "one"]) == 0
    more = ["key", "new", "second", "--role", "engineer", "--by", "officer"]
    assert run([*more, "--passphrase-file", "one"]) == 3
    assert run([*more, *files]) == 0


def test_a_ledger_of_another_key_is_said_to_be_one(bank, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["init", "--name", "other.example/x"]) == 0
    code, out, _ = bank("ledger", "fsck", "--ledger", str(bank.ledger), "--key", ".tallystick/ledger.vkey")
    assert code == 1
    assert "not the ledger of the key that was given" in out
    code, out, _ = bank("verify", "usecase.yaml", "--key", ".tallystick/ledger.vkey")
    assert code == 3


@pytest.mark.parametrize("name", [".tallystick/ledger.db", ".tallystick/keys/ledger.pem", ".tallystick/keys/seal.pem"])
@pytest.mark.parametrize(
    "command",
    [
        "ledger checkpoint",
        "ledger prove 1",
        "pack credit@2",
        "key certificate --request",
    ],
)
def test_no_output_takes_the_place_of_the_ledger_or_a_key(bank, command, name):
    before = (bank.folder / name).read_bytes()
    refuses(bank, f"{command} -o {name} --force", 1, "not overwritten")
    (bank.folder / "link").symlink_to(name)
    refuses(bank, f"{command} -o link --force", 1, "not overwritten")
    assert (bank.folder / name).read_bytes() == before


def test_what_a_command_reads_is_not_written_to(bank):
    bank.ok("ledger", "checkpoint", "-o", "kept.checkpoint")
    refuses(bank, "report credit@2 --anchor kept.checkpoint -o kept.checkpoint --force", 1, "this command reads it")
    refuses(bank, "ledger prove --from kept.checkpoint -o kept.checkpoint --force", 1, "this command reads it")

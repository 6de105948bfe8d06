"""The command line with the ledger in a database: the whole path, the keeper's commands, and what can be wrong there.

The rest of the path is in test_path.py, on both. Whatever a command says is searched for the password by the bank.
"""

import json
import re
from pathlib import Path

import pytest

from _proxy import Proxy

KEY = ".tallystick/ledger.vkey"


@pytest.fixture
def bank(bank_there):
    return bank_there


def raws(bank):
    """What every entry says."""
    return json.loads(bank.ok("log", "--format", "json"))


def test_the_path_leads_to_a_sealed_report_and_a_pack_that_verify(bank):
    bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")
    bank.ok("report", "credit@2", "-o", "audit.pdf")
    bank.ok("pack", "credit@2", "-o", "evidence.zip")
    bank.ok("ledger", "checkpoint", "-o", "kept")
    for file in ("audit.pdf", "evidence.zip"):
        bank.ok("verify", file, "--key", KEY, "--anchor", "kept")
    assert "sound" in bank.ok("ledger", "fsck", "--key", KEY, "--anchor", "kept")
    assert [entry["kind"] for entry in raws(bank)][-3:] == ["approval", "promotion", "report"]
    assert "credit@2" in bank.ok("history", "credit")


def test_doctor_says_where_and_how_the_ledger_is_kept(bank, server):
    code, out, _ = bank("doctor")
    assert code == 3, "the server of the tests is in a hurry, and whoever owns the ledger could change it"
    assert f"postgresql://vault:***@/{bank.database}" in out
    assert re.search(r"engine +PostgreSQL \d+", out)
    assert "synchronous_commit on" in out
    assert re.search(r"owner +vault\b", out)
    assert re.search(r"CARE +ledger +fsync is off", out)
    assert json.loads(bank("doctor", "--format", "json")[1])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_ledger_is_examined_by_one_process_or_several(bank, jobs):
    bank.ok("ledger", "checkpoint", "-o", "kept")
    assert "sound" in bank.ok("ledger", "fsck", "--jobs", jobs, "--key", KEY)
    found = json.loads(bank.ok("ledger", "fsck", "--jobs", jobs, "--since", "kept", "--format", "json"))
    assert (found["problems"], found["since"]) == ([], found["entries"])


def test_what_was_changed_behind_its_back_is_found(bank, server):
    for statement in (
        "ALTER TABLE tallystick.entries DISABLE TRIGGER ALL",
        "UPDATE tallystick.entries SET actor = 'mallory' WHERE seq = 5",
        "ALTER TABLE tallystick.entries ENABLE TRIGGER ALL",
    ):
        server.execute(statement, database=bank.database)
    code, out, _ = bank("ledger", "fsck", "--key", KEY)
    assert code == 1
    assert "entry 5: column actor differs from the bytes" in out
    assert "entries trigger entries_no_change is laid out differently" in out


def test_an_entry_and_growth_are_proven(bank):
    bank.ok("ledger", "checkpoint", "-o", "kept")
    (bank.folder / "p.json").write_text('{"a": 1}')
    bank.ok("record", "params", "p.json", "--as", "engineer")
    bank.ok("ledger", "prove", "3", "-o", "entry.tlog-proof")
    bank.ok("ledger", "prove", "--from", "kept", "-o", "growth")
    bank.ok("verify", "entry.tlog-proof", "--key", KEY)
    bank.ok("verify", "growth", "--key", KEY, "--anchor", "kept")


# --- the keeper's commands ------------------------------------------------------------------------------------------


def test_a_ledger_moves_to_a_database_and_back_with_every_byte(bank_here, vault, server):
    bank = bank_here
    before = raws(bank)
    bank.ok("ledger", "checkpoint", "-o", "kept")
    with server.database(owner="vault") as name:
        said = bank.ok("ledger", "migrate", ".tallystick/ledger.db", vault(name))
        assert f"postgresql://vault@/{name}" in said
        there = ["--ledger", vault(name), "--keys", ".tallystick/keys"]
        assert json.loads(bank.ok("log", "--format", "json", *there)) == before
        bank.ok("ledger", "fsck", "--key", KEY, "--anchor", "kept", *there)
        code, _, err = bank("approve", "credit@2", "--rationale", "too late", "--as", "officer")
        assert (code, len(err.splitlines())) == (1, 1)
        assert "was moved" in err
        bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer", *there)
        bank.ok("ledger", "migrate", vault(name), "back.db")
    back = ["--ledger", "back.db", "--keys", ".tallystick/keys"]
    assert json.loads(bank.ok("log", "--format", "json", *back))[:-1] == before
    bank.ok("ledger", "fsck", "--key", KEY, "--anchor", "kept", *back)
    bank.ok("promote", "credit@2", "--as", "engineer", *back)


def test_what_is_granted_holds_on_the_command_line(bank, server, monkeypatch):
    said = bank.ok("ledger", "grant", "--writer", "writer", "--auditor", "auditor")
    assert re.search(r"may append +writer", said)
    assert re.search(r"may read +auditor", said)
    (bank.folder / "p.json").write_text('{"a": 1}')
    line = ["record", "params", "p.json", "--as", "engineer"]
    before = len(raws(bank))
    for role, code in (("stranger", 3), ("auditor", 3), ("writer", 0)):
        monkeypatch.setenv("TALLYSTICK_LEDGER", server.url(role, bank.database))
        assert bank("log")[0] == (3 if role == "stranger" else 0)
        got, _, err = bank(*line)
        assert (got, f"role {role} may not" in err) == (code, code != 0)
        got, _, err = bank("ledger", "grant", "--auditor", "stranger")
        assert (got, len(err.splitlines())) == (3, 1)
    assert len(raws(bank)) == before + 1
    assert "sound" in bank.ok("ledger", "fsck")


def test_granting_to_nobody_or_in_a_file_is_put_wrongly(bank):
    for words in ((), ("--writer", "writer", "--ledger", "file.db")):
        code, _, err = bank("ledger", "grant", *words)
        assert (code, len(err.splitlines())) == (2, 1)


def test_an_upgrade_of_the_newest_layout_changes_nothing(bank):
    before = raws(bank)
    assert "layout 1" in bank.ok("ledger", "upgrade")
    assert raws(bank) == before


# --- what can be wrong there ----------------------------------------------------------------------------------------


def complaints(err):
    """The lines of an error; progress is told on the same stream."""
    return [line for line in err.splitlines() if not line.startswith("... ")]


NO_LEDGER = "no ledger in this database"
LINES = [
    "log",
    "show 0",
    "record params p.json --as engineer",
    "gate run credit@2 --predictions fair.csv --dataset german --as engineer",
    "approve credit@2 --rationale good --as officer",
    "promote credit@2 --as engineer",
    "pack credit@2 -o e.zip",
    "ledger fsck",
    "ledger checkpoint",
    "ledger prove 3",
    "ledger grant --writer writer",
    "ledger upgrade",
    "ledger migrate {} copy.db --keep",
    "key new another --role engineer --by officer",
]


@pytest.fixture(params=["no server", "no database", "a wrong password", "no password", "no such role", "no ledger"])
def nowhere(request, bank, server, vault, database, tmp_path):
    """A URL that leads to no ledger, and words that its message has."""
    server.execute(f"ALTER DATABASE {database} OWNER TO vault")
    return {
        "no server": (f"{vault('ledger').partition('?')[0]}?host={tmp_path}", "No such file or directory"),
        "no database": (vault("nowhere"), "does not exist"),
        "a wrong password": (vault(bank.database, password=f"not {bank.SECRET}"), "password authentication failed"),
        "no password": (server.url("vault", bank.database), "no password supplied"),
        "no such role": (server.url("nobody", bank.database, password=bank.SECRET), "does not exist"),
        "no ledger": (vault(database), NO_LEDGER),
    }[request.param]


def test_a_ledger_that_cannot_be_reached_is_told_in_one_line(bank, nowhere, monkeypatch):
    url, words = nowhere
    monkeypatch.setenv("TALLYSTICK_LEDGER", url)
    (bank.folder / "p.json").write_text('{"a": 1}')
    before = sorted(bank.folder.rglob("*"))
    for line in LINES:
        code, out, err = bank(*line.format(url).split())
        assert (code, out) == (3, ""), line
        assert len(complaints(err)) == 1, (line, err)
        assert words in err, line
    assert sorted(bank.folder.rglob("*")) == before
    code, out, _ = bank("doctor")
    assert code == 3
    assert re.search(r"CARE +ledger +", out)


def test_a_ledger_that_cannot_be_made_leaves_no_keys(bank, nowhere, monkeypatch, tmp_path):
    """Else the second attempt, with the right password, would be refused because of the keys of the first."""
    url, words = nowhere
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    code, _, err = bank("init", "--name", "bank.example/new", "--ledger", url)
    if words == NO_LEDGER:
        assert code == 0, "there it can be made"
        return
    assert (code, len(err.splitlines())) == (3, 1)
    assert words in err
    assert not any(path.is_file() for path in Path().rglob("*"))


@pytest.mark.parametrize(("cut", "there"), [("answer", True), ("before", False)])
def test_a_ledger_of_which_nobody_knows_whether_it_was_made_keeps_its_keys(
    bank, server, vault, database, tmp_path, monkeypatch, cut, there
):
    """If it is there it has no others."""
    server.execute(f"ALTER DATABASE {database} OWNER TO vault")
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    with Proxy(server) as line:
        line.cut = cut
        code, _, err = bank("init", "--name", "bank.example/new", "--ledger", line.url(vault(database)))
    assert (code, len(err.splitlines())) == (3, 1)
    assert "not known" in err
    monkeypatch.setenv("TALLYSTICK_LEDGER", vault(database))
    assert bank("log")[0] == (0 if there else 3)
    code, _, err = bank("key", "new", "officer", "--role", "risk-officer")
    assert code == (0 if there else 3)


def test_a_ledger_is_not_made_over_another(bank, tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    code, _, err = bank("init", "--name", "bank.example/new")
    assert (code, len(err.splitlines())) == (1, 1)
    assert "there is a ledger already" in err
    assert not any(path.is_file() for path in Path().rglob("*"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://vault:{secret}@@/ledger",
        "postgresql://vault:a/{secret}@host/ledger",
        "postgresql://host:{secret}/ledger",
        "postgresql://vault@host/ledger?{secret}=1",
        "mysql://vault:{secret}@host/ledger",
    ],
)
def test_a_url_that_is_none_is_put_wrongly_and_not_repeated(bank, url, monkeypatch):
    url = url.format(secret=bank.SECRET)
    monkeypatch.setenv("TALLYSTICK_LEDGER", url)
    for line in ("log", "ledger fsck", f"ledger migrate {url} copy.db", f"ledger migrate back.db {url}"):
        code, out, err = bank(*line.split())
        assert code in (2, 3), line
        assert out == ""
        assert len(complaints(err)) == 1
    assert bank("log")[0] == 2


def test_a_builder_hands_in_and_the_owner_of_the_key_records(bank, server, monkeypatch):
    """The job connects as a role that may read the ledger and insert into the inbox, and has no key."""
    bank.ok("ledger", "grant", "--writer", "writer", "--builder", "stranger")
    keeper, key = server.url("writer", bank.database), bank.folder / ".tallystick" / "keys" / "ledger.pem"
    monkeypatch.setenv("TALLYSTICK_LEDGER", server.url("stranger", bank.database))
    away = key.rename(key.with_name("away"))
    job = "gate run credit@2 --predictions fair.csv --dataset german --as engineer --submit --wait 0"
    code, _, err = bank(*job.split())
    assert (code, "nobody recorded the submission" in err) == (3, True)
    away.rename(key)
    monkeypatch.setenv("TALLYSTICK_LEDGER", keeper)
    assert "of role stranger: recorded in entry" in bank.ok("ledger", "receive")
    assert raws(bank)[-2]["body"]["submission"]["by"] == "role stranger"
    assert bank.ok("ledger", "receive") == ""
    bank.ok("ledger", "fsck", "--key", KEY)

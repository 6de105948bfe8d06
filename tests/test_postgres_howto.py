"""The page about PostgreSQL can be followed from the file to the database and back, on a real server."""

import contextlib
import os
import re
import shlex
import shutil
from pathlib import Path
from urllib.parse import quote

import _outside as outside
import _trial_ledger as world
import psycopg
import pytest

from tallystick.cli.main import run
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "postgresql.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<language>sql|console)\n(?P<body>.*?)^```$", re.M | re.S)
THERE = "@db.example.org/ledger?sslmode=verify-full"


@pytest.fixture
def here(server, tmp_path, monkeypatch):
    """A folder with a ledger, and the roles and the database of the page on our server, gone afterwards."""
    for name in [name for name in os.environ if name.startswith(("TALLYSTICK_", "PG"))]:
        monkeypatch.delenv(name)
    (tmp_path / ".tallystick").mkdir()
    golden = ROOT / "tests" / "golden" / "v1"
    shutil.copy(golden / "ledger.db", tmp_path / ".tallystick")
    for name in ("ledger.vkey", "kept.checkpoint"):
        shutil.copy(golden / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    yield f"@/ledger?host={quote(str(server.folder), safe='')}"
    with contextlib.suppress(psycopg.Error):
        server.execute("DROP DATABASE ledger WITH (FORCE)")
    for role in ("ledger_auditor", "ledger_writer", "ledger_owner"):
        server.execute(f"DROP ROLE IF EXISTS {role}")


def statements(body):
    return [statement for statement in map(str.strip, body.split(";\n")) if statement]


def test_the_page_can_be_followed_from_the_file_to_the_database_and_back(server, here, capsys):
    said = ""
    for block in BLOCK.finditer(PAGE):
        if block["language"] == "sql":
            where = "postgres" if "CREATE DATABASE" in block["body"] else "ledger"
            for statement in statements(block["body"]):
                server.execute(statement, database=where)
            continue
        for line in re.findall(r"^\$ tallystick (.*)$", block["body"], re.M):
            code = run(shlex.split(line.replace(THERE, here)))
            output = capsys.readouterr()
            said += output.out
            # doctor minds the server of the tests, whose fsync is off, and that there are no keys
            assert code == (3 if line.startswith("doctor") else 0), f"{line}\n{output.out}{output.err}"
    assert re.search(r"others who may change rows +none", said)
    assert run(["ledger", "fsck", "--ledger", "copy.db", "--key", "ledger.vkey"]) == 0
    assert run(["ledger", "fsck", "--ledger", "back.db", "--key", "ledger.vkey"]) == 0
    appends = "SELECT has_table_privilege('ledger_writer', 'tallystick.entries', 'INSERT')"
    assert server.execute(appends, database="ledger") == [(False,)]


def test_a_dump_goes_back_into_an_empty_database_with_its_guards_and_rights(server, ledger_database):
    dump = server.folder / "ledger.dump"
    before = outside.check(server.url("auditor", ledger_database))
    with server.database() as restored:
        there, back = server.url("owner", ledger_database), server.url("owner", restored)
        server.run("pg_dump", "--format=custom", "--schema=tallystick", f"--file={dump}", there)
        server.run("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={back}", dump)
        assert outside.check(server.url("auditor", restored)) == before
        assert fsck(server.url("auditor", restored), key=world.key()).ok
        with Ledger.open(server.url("writer", restored), signer=world.signer()) as ledger:
            assert ledger.condition().facts["triggers"] == "in place"
            assert ledger.condition().facts["role"] == "writer, may SELECT, INSERT"
            with ledger.writing(now=world.clock) as writer:
                writer.append(world.document("after the restoring"))
        assert len(outside.check(server.url("auditor", restored))) == len(before) + 1

"""Both journals, several processes, and what has to be loaded. The trials kill processes, and have many of them."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tallystick.ledger import sqlite
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger


@pytest.mark.parametrize("safe", [True, False])
def test_wal_keeps_a_ledger_that_holds_from_outside(path, world, outside, monkeypatch, safe):
    monkeypatch.setattr(sqlite, "wal_is_safe", lambda: safe)
    with world.create(path, entries=3) as ledger, Ledger.open(path, read_only=True) as reader:
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("one more"))
        assert reader.size == 5
        assert "wal" in reader.condition().facts["journal"]
    assert [item.name for item in path.parent.iterdir() if item.name != "ledger.db.lock"] == ["ledger.db"], "one file"
    assert fsck(path).ok
    assert len(outside(path)) == 5


SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def old(copied):
    """A ledger with the rollback journal of the first release."""
    path = copied(entries=3)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    return path


@SQLITE
def test_the_next_writer_changes_a_ledger_of_the_first_release_to_wal(old, world, outside):
    with Ledger.open(old) as reader:
        assert "rollback journal" in reader.condition().facts["journal"]
    with Ledger.open(old, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("one more"))
        assert ledger.condition().facts["journal"].startswith("wal")
    assert len(outside(old)) == 5


@SQLITE
def test_while_somebody_reads_a_ledger_of_the_first_release_it_keeps_its_journal(old, world, outside):
    with Ledger.open(old) as reader, reader._store.snapshot():
        assert reader.size == 4
        with Ledger.open(old, signer=world.signer()) as ledger:
            assert ledger.condition().facts["journal"].startswith("truncate")
    with Ledger.open(old, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("one more"))
    assert len(outside(old)) == 5


@SQLITE
def test_a_ledger_in_a_folder_that_nobody_may_write_to_can_be_read(copied, world):
    """As an auditor does from a mounted copy. Whether a user may is asked of the system, and root always may."""
    path = copied(entries=3)
    path.with_name("ledger.db.lock").unlink(missing_ok=True)
    program = f"""
import os, pathlib
os.access = lambda path, mode: mode != os.W_OK
from tallystick.ledger.fsck import fsck
assert fsck({str(path)!r}).ok
assert os.listdir({str(path.parent)!r}) == ["ledger.db"]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_reading_and_appending_load_no_sqlmodel(copied):
    place = copied()
    program = """
import sys
from tallystick.ledger.ledger import Ledger
import _trial_ledger as trial_ledger
with Ledger.open(sys.argv[1], signer=trial_ledger.signer()) as ledger:
    with ledger.writing(now=trial_ledger.clock) as writer:
        writer.append(trial_ledger.document("one"))
    assert ledger.size == 2
    assert ledger.condition().facts
assert not {"alembic", "sqlmodel", "sqlalchemy", "pydantic"} & set(sys.modules), "too much was loaded"
"""
    environment = {"PYTHONPATH": ":".join(item for item in sys.path if item)}
    subprocess.run([sys.executable, "-c", program, str(place)], check=True, env=environment, timeout=60)

"""Several processes, killed processes, both journals, and what has to be loaded. The trials run the same, longer."""

import subprocess
import sys

import crash
import pytest
import rows
import writers

from tallystick.ledger import database
from tallystick.ledger.fsck import doctor_facts, fsck
from tallystick.ledger.ledger import Ledger


def test_four_processes_append_without_fork_gap_or_loss(tmp_path):
    assert "0 anomalies" in writers.trial(tmp_path, seed=1, writers=4, appends=50)


def test_what_a_killed_process_acknowledged_is_there_once(tmp_path):
    assert "0 lost" in crash.trial(tmp_path, seed=1, kills=15)


def test_the_trial_of_rows_runs(tmp_path):
    assert "all found" in rows.trial(tmp_path, seed=1, entries=6, cases=10)


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 3)])
def test_both_journals_keep_a_ledger_that_holds_from_outside(path, world, outside, monkeypatch, version):
    journal = database.choose_journal(version)
    monkeypatch.setattr(database, "choose_journal", lambda: journal)
    with world.create(path, entries=3) as ledger, Ledger.open(path, read_only=True) as reader:
        assert doctor_facts(path).journal == journal.mode
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("one more"))
        assert reader.size == 5
    assert fsck(path).ok
    assert len(outside(path)) == 5


def test_a_ledger_in_wal_mode_leaves_it_where_sqlite_is_not_safe(path, world, outside, monkeypatch):
    safe, unsafe = database.choose_journal((3, 51, 3)), database.choose_journal((3, 40, 1))
    monkeypatch.setattr(database, "choose_journal", lambda: safe)
    world.create(path, entries=2).close()
    monkeypatch.setattr(database, "choose_journal", lambda: unsafe)
    assert doctor_facts(path).journal == "wal"
    with Ledger.open(path, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("one more"))
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    assert len(outside(path)) == 4


def test_reading_and_appending_load_no_sqlmodel(path, world):
    world.create(path).close()
    program = """
import sys
from tallystick.ledger.fsck import doctor_facts
from tallystick.ledger.ledger import Ledger
import _trial_ledger as trial_ledger
with Ledger.open(sys.argv[1], signer=trial_ledger.signer()) as ledger:
    with ledger.writing(now=trial_ledger.clock) as writer:
        writer.append(trial_ledger.document("one"))
    assert ledger.size == 2
doctor_facts(sys.argv[1])
assert not {"sqlmodel", "sqlalchemy", "pydantic"} & set(sys.modules), "too much was loaded"
"""
    environment = {"PYTHONPATH": ":".join(item for item in sys.path if item)}
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, env=environment, timeout=60)

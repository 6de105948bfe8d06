"""Both journals, several processes, and what has to be loaded. The trials kill processes, and have many of them."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tallystick.errors import Refused, Tampered, Unavailable
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


# --- one file, one name, one place ----------------------------------------------------------------------------------


@SQLITE
def test_a_file_with_a_second_name_is_only_read(copied, tmp_path, world, outside):
    """By each name there would be another WAL: two histories of one file, and one of them lost."""
    path = copied(entries=3)
    with Ledger.open(path, signer=world.signer()) as ledger:
        (tmp_path / "other.db").hardlink_to(path)
        with pytest.raises(Refused, match="hard link"), ledger.writing(now=world.clock):
            pass
        for name in (path, tmp_path / "other.db"):
            with pytest.raises(Refused, match="find -samefile"):
                Ledger.open(name, signer=world.signer())
        with Ledger.open(path) as reader:
            assert reader.size == 4
        (tmp_path / "other.db").unlink()
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("goes on"))
    assert len(outside(path)) == 5


def replaced(path, copy):
    copy.replace(path)


def without_its_wal(path, copy):
    shutil.copyfile(copy, path)
    for left in ("-wal", "-shm"):
        path.with_name(path.name + left).unlink()


@SQLITE
@pytest.mark.parametrize(("restored", "written_since"), [(replaced, True), (replaced, False), (without_its_wal, False)])
def test_a_file_that_was_replaced_while_open_is_not_written_to(
    copied, tmp_path, world, outside, restored, written_since
):
    """What the connection writes goes to a file, or a WAL, without a name: acknowledged and never seen again."""
    path = copied(entries=3)
    shutil.copy(path, tmp_path / "copy.db")
    with Ledger.open(path, signer=world.signer()) as ledger:
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("before"))
        restored(path, tmp_path / "copy.db")
        if written_since:
            with Ledger.open(path, signer=world.signer()) as other, other.writing(now=world.clock) as writer:
                writer.append(world.document("since"))
        with pytest.raises((Unavailable, Tampered)), ledger.writing(now=world.clock) as writer:
            writer.append(world.document("lost"))
    assert not any(entry["body"].get("title") == "lost" for entry in outside(path))


FORKED = """
import os, sys
import _trial_ledger as world
from tallystick.errors import UsageError
from tallystick.ledger.ledger import Ledger

def child_is_refused(act):
    child = os.fork()
    if not child:
        try:
            act()
        except UsageError as error:
            os._exit(0 if "forked" in str(error) else 1)
        finally:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0

def append():
    with ledger.writing(now=world.clock) as writer:
        writer.append(world.document("by the child"))

def unwind():
    ledger.close()
    context.__exit__(None, None, None)

ledger = Ledger.open(sys.argv[1], signer=world.signer())
with ledger.writing(now=world.clock) as writer:
    writer.append(world.document("before"))
assert child_is_refused(append)
assert child_is_refused(lambda: ledger.size)
context = ledger.writing(now=world.clock)
writer = context.__enter__()
writer.append(world.document("begun before"))
assert child_is_refused(unwind)
context.__exit__(None, None, None)
with ledger.writing(now=world.clock) as writer:
    writer.append(world.document("after"))
"""


def test_a_forked_process_does_not_speak_through_its_parents_connection(copied, world, outside):
    """Over one line to the server, one committed half of what the other did."""
    place = copied(entries=1)
    environment = {"PYTHONPATH": ":".join(item for item in sys.path if item)}
    subprocess.run([sys.executable, "-c", FORKED, str(place)], check=True, env=environment, timeout=60)
    titles = [entry["body"].get("title") for entry in outside(place)]
    assert titles[2:] == ["before", "begun before", "after"]
    assert fsck(place, key=world.key()).ok


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

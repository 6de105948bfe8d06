"""A ledger moved to another place and back: every row the same, the old place retired, nothing made of a bad one."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.errors import NotFound, Refused, Tampered, Unavailable, UsageError
from tallystick.ledger.fsck import fsck
from tallystick.ledger.guards import TABLES
from tallystick.ledger.ledger import Ledger
from tallystick.ledger.moving import move
from tallystick.records import Attachment, Personal


@pytest.fixture
def engine():
    """What is tried here is about files."""
    return "sqlite"


@pytest.fixture
def full(path, world):
    """A closed ledger with rows in every table, an erased value, and something NULL."""
    with world.create(path, entries=20, batch=3) as ledger, ledger.writing(now=world.clock) as writer:
        first = writer.append(world.document("one", attachments=(Attachment("a", "x/y", b"\x00\xff" * 500),)))
        kept = Attachment.erasable("kept", "x/y", b"kept")
        writer.append(world.document("two", supersedes=first.ref, attachments=(kept,)))
        third = writer.append(world.document("trois: \u00e9\U0001f600", personal=(Personal("by", "A. N. Other"),)))
        fourth = writer.append(world.document("four", personal=(Personal("by", "Nobody"),)))
        assert writer.erase(fourth.entry, "by")
        assert third.seq == 23
    return path


def rows(path):
    with closing(sqlite3.connect(path)) as database:
        found = {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}  # noqa: S608
    assert all(found.values()), "every table has rows to lose"
    return found


@pytest.fixture
def url(server, database):
    return server.url("owner", database)


def test_there_and_back_every_row_is_the_same(full, url, tmp_path, outside, world):
    before = rows(full)
    there = move(full, url)
    assert (there.entries, there.checkpoints) == (25, 9)
    assert fsck(url, key=world.key()).ok
    back = move(url, tmp_path / "back.db")
    assert rows(tmp_path / "back.db") == before
    assert back.rows == there.rows == sum(map(len, before.values()))
    assert len(outside(tmp_path / "back.db")) == 25


def test_proofs_are_the_same_there(full, url):
    move(full, url)
    with Ledger.open(full) as old, Ledger.open(url) as new:
        assert list(old.checkpoints()) == list(new.checkpoints())
        for entry in old.entries():
            assert old.receipt(entry) == new.receipt(entry)
            assert old.side(entry) == new.side(entry)
        assert old.consistency_proof(7) == new.consistency_proof(7)
        assert old.lineage(22) == new.lineage(22) == [21]


def test_the_moved_ledger_goes_on_where_it_ended(full, url, world):
    move(full, url)
    with Ledger.open(url, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        assert writer.append(world.document("there")).seq == 25
        assert writer.append(world.document("document 3", idempotency_key="key-3")).repeated
    assert fsck(url).ok


def test_a_file_that_was_moved_is_only_read(full, tmp_path, world, outside):
    with Ledger.open(full, signer=world.signer()) as open_before:
        moved = move(full, tmp_path / "new.db")
        assert moved.retired == f"{full}.moved"
        with pytest.raises(Refused, match=r"moved.*new\.db"), open_before.writing(now=world.clock):
            pass
    with pytest.raises(Refused, match="fork its history"):
        Ledger.open(full, signer=world.signer())
    with Ledger.open(full) as reader:
        assert reader.size == 25
    assert fsck(full).ok
    outside(tmp_path / "new.db")


CUT = """
import os, signal, sys
from tallystick.ledger.moving import move
link = os.link
def cut(draft, path):
    if sys.argv[3] == "after":
        link(draft, path)
    os.kill(os.getpid(), signal.SIGKILL)
os.link = cut
move(sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_move_that_is_killed_never_leaves_two_places_that_write(full, tmp_path, world, when):
    """Killed just before the new place is there, and just after."""
    target, note = tmp_path / "new.db", full.with_name("ledger.db.moved")
    environment = {"PYTHONPATH": ":".join(item for item in sys.path if item)}
    done = subprocess.run([sys.executable, "-c", CUT, full, target, when], env=environment, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert target.exists() == (when == "after")
    with pytest.raises(Refused, match=r"delete ledger\.db\.moved"):
        Ledger.open(full, signer=world.signer())
    if when == "before":
        note.unlink()
        assert move(full, target).entries == 25
    assert fsck(target, key=world.key()).ok


def test_a_move_that_fails_at_its_end_leaves_the_old_place_in_use(full, tmp_path, world):
    target = tmp_path / "new.db"
    with pytest.raises(Refused, match="there already"):
        move(full, target, progress=lambda *_: target.write_bytes(b"somebody else's"))
    assert target.read_bytes() == b"somebody else's"
    with Ledger.open(full, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("goes on"))


def test_a_note_that_leads_nowhere_retires_too(full, tmp_path, world):
    full.with_name("ledger.db.moved").symlink_to(tmp_path / "gone")
    for attempt in (lambda: Ledger.open(full, signer=world.signer()), lambda: move(full, tmp_path / "new.db")):
        with pytest.raises((Refused, Unavailable)):
            attempt()
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("left", ["-wal", "-journal", ".moved"])
def test_nothing_is_moved_to_where_a_ledger_left_something(full, tmp_path, left):
    """SQLite would play an old WAL back over the new ledger, which was acknowledged meanwhile."""
    (tmp_path / f"new.db{left}").write_bytes(b"")
    with pytest.raises(Refused, match=f"new.db{left}: something of a ledger"):
        move(full, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    assert not full.with_name("ledger.db.moved").exists()


def test_a_copy_leaves_the_old_place_in_use(full, tmp_path, world, outside):
    assert move(full, tmp_path / "copy.db", keep=True).retired is None
    with Ledger.open(full, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("goes on"))
    assert len(outside(full)) == 26
    assert len(outside(tmp_path / "copy.db")) == 25


def test_a_copy_can_be_made_while_the_ledger_is_written_to(full, tmp_path, world, outside):
    with Ledger.open(full, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("not yet"))
        move(full, tmp_path / "copy.db", keep=True)
    assert len(outside(tmp_path / "copy.db")) == 25


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_ledger_that_does_not_hold_is_not_moved(full, url, tmp_path, engine):
    with closing(sqlite3.connect(full)) as database, database:
        database.execute("DROP TRIGGER entries_no_update")
        database.execute("UPDATE entries SET actor = 'mallory' WHERE seq = 9")
    target = tmp_path / "new.db" if engine == "sqlite" else url
    with pytest.raises(Tampered, match="entry 9: column actor differs"):
        move(full, target)
    assert not full.with_name("ledger.db.moved").exists()
    with pytest.raises(NotFound):
        Ledger.open(target)


def test_a_copy_is_not_put_beside_the_log_that_a_lost_ledger_left(full, tmp_path, world, outside):
    copy, log, broken = tmp_path / "copy.db", Path(f"{full}-wal"), tmp_path / "broken"
    move(full, copy, keep=True)
    with Ledger.open(full, signer=world.signer()) as ledger:
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("after the copy"))
        left = log.read_bytes()  # what a crash here would leave
    full.rename(broken)
    log.write_bytes(left)
    with pytest.raises(Refused, match="of a ledger that was here"):
        move(copy, full, keep=True)
    assert not full.exists()
    log.rename(f"{broken}-wal")
    move(copy, full, keep=True)
    assert fsck(full, key=world.key()).ok
    assert len(outside(full)) == 25
    assert len(outside(broken)) == 26


def test_nothing_is_overwritten(full, copied, url, tmp_path, world):
    (tmp_path / "there.db").write_bytes(b"something")
    with pytest.raises(Refused):
        move(full, tmp_path / "there.db")
    move(full, url, keep=True)
    with pytest.raises(Refused):
        move(full, url)
    with Ledger.open(full, signer=world.signer()) as ledger:
        assert ledger.size == 25


def test_places_that_are_none_are_told_apart(full, tmp_path):
    with pytest.raises(UsageError, match="postgresql"):
        move(full, "mysql://root:secret@host/db")
    with pytest.raises(NotFound):
        move(tmp_path / "none.db", tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()

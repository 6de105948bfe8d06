"""Making a ledger, and opening one."""

import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from _behind import is_url

from tallystick.errors import InvalidInput, InvalidRecord, KeyUnavailable, Malformed, NewerFormat, NotFound, Refused
from tallystick.ledger.ledger import Ledger
from tallystick.ledger.sqlite import wal_is_safe
from tallystick.records import Draft


def test_a_new_ledger_holds_its_genesis_under_a_checkpoint(empty, world, outside):
    place = empty()
    with world.create(place) as ledger:
        assert (ledger.size, ledger.origin) == (1, world.ORIGIN)
        assert ledger.key.public == world.signer().public
        assert ledger.entry(0).kind == "ledger"
    assert len(outside(place)) == 1


def test_a_new_ledger_can_begin_with_several_entries(empty, world, outside):
    place, first = empty(), [world.genesis(), world.document("house rules")]
    Ledger.create(place, origin=world.ORIGIN, signer=world.signer(), first=first, now=world.TIME).close()
    entries = outside(place)
    assert [entry["kind"] for entry in entries] == ["ledger", "document"]
    assert {entry["recorded_at"] for entry in entries} == {world.TIME}


def test_a_new_ledger_is_for_its_owner_only(tmp_path, world):
    path = tmp_path / "folder" / "ledger.db"
    world.create(path, entries=1).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((path.parent / "ledger.db.lock").stat().st_mode) == 0o600


def test_an_existing_file_is_never_overwritten(path, world):
    path.write_bytes(b"something dear")
    with pytest.raises(Refused, match="never overwritten"):
        world.create(path)
    assert path.read_bytes() == b"something dear"


def test_a_ledger_that_appears_meanwhile_is_never_overwritten(path, world, monkeypatch):
    class Slow(Draft):
        def seal(self, **place):
            path.write_bytes(b"the other one was faster")
            return super().seal(**place)

    genesis = world.genesis()
    slow = Slow(genesis.kind, genesis.actor, genesis.claimed_at, genesis.body)
    with pytest.raises(Refused):
        Ledger.create(path, origin=world.ORIGIN, signer=world.signer(), first=[slow], now=world.TIME)
    assert path.read_bytes() == b"the other one was faster"
    assert [item.name for item in path.parent.iterdir()] == ["ledger.db"]


def test_a_ledger_is_never_laid_over_another(copied, world, outside):
    place = copied(entries=1)
    with pytest.raises(Refused, match="never overwritten"):
        world.create(place)
    assert len(outside(place)) == 2


def test_of_two_that_are_made_at_once_in_one_place_one_is_refused(empty, world, outside):
    """On PostgreSQL the second waits for the first; a file is linked into place by whoever is ready first."""
    place, ready = empty(), threading.Barrier(2)

    def make(title):
        ready.wait(10)
        first = [world.genesis(), world.document(title)]
        try:
            Ledger.create(place, origin=world.ORIGIN, signer=world.signer(), first=first, now=world.TIME).close()
        except Refused:
            return None
        return title

    with ThreadPoolExecutor(2) as threads:
        made = [title for title in threads.map(make, ("one", "two")) if title]
    assert [entry["body"]["title"] for entry in outside(place)[1:]] == made


def found(place):
    """What there is at a place, but for the database itself."""
    if not is_url(place):
        return [item.name for item in place.parent.iterdir()]
    with psycopg.connect(place) as database:
        return database.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'tallystick'").fetchall()


@pytest.mark.parametrize("flaw", ["no entry", "another kind", "another origin", "another key", "a bad second entry"])
def test_a_creation_that_fails_leaves_nothing(empty, world, flaw):
    place = empty()
    first = {
        "no entry": [],
        "another kind": [world.document("first")],
        "another origin": [world.genesis(origin="other.example/" + world.ORIGIN[-36:])],
        "another key": [world.genesis(world.signer(8))],
        "a bad second entry": [world.genesis(), world.genesis()],
    }[flaw]
    with pytest.raises(InvalidRecord):
        Ledger.create(place, origin=world.ORIGIN, signer=world.signer(), first=first, now=world.TIME)
    assert found(place) == []


def test_opening_a_missing_ledger_does_not_make_one(empty):
    place = empty()
    with pytest.raises(NotFound, match="tallystick init"):
        Ledger.open(place)
    assert found(place) == []


def test_a_name_with_signs_that_addresses_use_is_only_a_name(tmp_path, world, outside):
    path = tmp_path / "50% off?mode=ro#x.db"
    world.create(path, entries=1).close()
    assert len(outside(path.rename(tmp_path / "plain.db"))) == 2


def test_a_file_that_is_not_sqlite_is_not_a_ledger(path):
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(InvalidInput, match="not a tallystick ledger"):
        Ledger.open(path)


@pytest.mark.parametrize("content", ["empty", "tables of others"])
def test_another_sqlite_file_is_not_a_ledger(path, content):
    database = sqlite3.connect(path)
    if content != "empty":
        database.execute("CREATE TABLE entries (seq INTEGER)")
    database.close()
    path.touch()
    with pytest.raises(InvalidInput, match="not a tallystick ledger"):
        Ledger.open(path)


def test_a_folder_is_not_a_ledger(tmp_path):
    with pytest.raises(InvalidInput, match="not a tallystick ledger"):
        Ledger.open(tmp_path)


@pytest.mark.parametrize(("version", "error"), [(2, NewerFormat), (0, Malformed)])
def test_a_ledger_of_another_layout_is_not_opened(path, world, version, error):
    world.create(path).close()
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    with pytest.raises(error, match=f"layout {version}"):
        Ledger.open(path)


def test_a_ledger_is_not_opened_with_the_key_of_another(copied, world):
    with pytest.raises(KeyUnavailable, match="does not sign this ledger"):
        Ledger.open(copied(), signer=world.signer(8))


def test_without_a_key_a_ledger_can_be_read_and_not_written(copied, world):
    place = copied()
    for opened in (Ledger.open(place), Ledger.open(place, signer=world.signer(), read_only=True)):
        with opened as ledger:
            assert ledger.entry(0).seq == 0
            with pytest.raises(KeyUnavailable), ledger.writing(now=world.clock):
                pass


def test_a_link_to_a_ledger_is_the_same_ledger(path, world, outside):
    world.create(path).close()
    link = path.with_name("link.db")
    link.symlink_to(path)
    with Ledger.open(link, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("through the link"))
    assert len(outside(path)) == 2
    assert not path.with_name("link.db.lock").exists(), "both names share one lock"


@pytest.mark.parametrize(
    ("version", "safe"),
    [((3, 40, 1), False), ((3, 51, 2), False), ((3, 51, 3), True), ((3, 52, 0), True), ((4, 0, 0), True)],
)
def test_it_is_known_which_sqlite_has_the_wal_reset_bug(version, safe):
    assert wal_is_safe(version) == safe

"""What SQL on a ledger's own connection cannot do, and what the file's layout is."""

# ruff: noqa: S608 - statements are put together from constants of this file

import sqlite3

import pytest

from tallystick.ledger.guards import APPEND_ONLY, TABLES, TRIGGERS
from tallystick.ledger.ledger import Ledger
from tallystick.records import Attachment, Personal

ZEROS = f"x'{'00' * 32}'"
TOO_LONG = f"x'{'00' * 65536}'"
EACH = "INSERT OR REPLACE INTO entries SELECT seq, leaf, prev, 'x', actor, recorded_at, NULL, bytes FROM entries"
REFUSED = "not authorized|authorization denied|prohibited|may not be modified|append-only|never changed"
BYPASSES = {
    "delete": "DELETE FROM entries WHERE seq = 1",
    "update": "UPDATE entries SET kind = 'x'",
    "update or replace": "UPDATE OR REPLACE entries SET seq = 1 WHERE seq = 2",
    "replace": EACH,
    "replace by another unique column": (
        "INSERT OR REPLACE INTO entries SELECT 99, leaf, prev, kind, actor, recorded_at, NULL, bytes FROM entries"
    ),
    "replace a checkpoint": f"REPLACE INTO checkpoints SELECT size, previous, {ZEROS}, note FROM checkpoints",
    "replace a node": f"REPLACE INTO nodes SELECT level, position, {ZEROS} FROM nodes",
    "replace a side value": f"REPLACE INTO side_values SELECT seq, name, {ZEROS}, bytes FROM side_values",
    "update a side value": "UPDATE side_values SET bytes = x'00'",
    "upsert": (
        "INSERT INTO entries SELECT seq, leaf, prev, kind, actor, recorded_at, NULL, bytes FROM entries WHERE true"
        " ON CONFLICT DO UPDATE SET kind = 'x'"
    ),
    "drop trigger": "DROP TRIGGER entries_no_delete",
    "drop table": "DROP TABLE entries",
    "drop index": "DROP INDEX entries_kind",
    "rename table": "ALTER TABLE entries RENAME TO old_entries",
    "rename column": "ALTER TABLE entries RENAME COLUMN kind TO sort",
    "writable schema": "PRAGMA writable_schema = ON",
    "edit the schema": "DELETE FROM sqlite_master WHERE type = 'trigger'",
    "attach": "ATTACH ':memory:' AS other",
    "temporary table": "CREATE TEMP TABLE entries (seq INTEGER)",
    "temporary view": "CREATE TEMP VIEW entries AS SELECT 1",
    "temporary trigger": "CREATE TEMP TRIGGER t AFTER INSERT ON main.entries BEGIN DELETE FROM side_values; END",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM side_values; END",
    "view": "CREATE VIEW v AS SELECT 1",
    "table": "CREATE TABLE t (a)",
    "recursive triggers off": "PRAGMA recursive_triggers = OFF",
    "checks off": "PRAGMA ignore_check_constraints = ON",
    "sync off": "PRAGMA synchronous = OFF",
    "journal off": "PRAGMA journal_mode = OFF",
    "another version": "PRAGMA user_version = 7",
    "vacuum": "VACUUM",
    "analyze": "ANALYZE",
    "load extension": "SELECT load_extension('x')",
}


@pytest.fixture
def engine():
    """What is tried here is about files."""
    return "sqlite"


@pytest.fixture
def full(copied, world):
    """A ledger with rows in every table, in one of which REPLACE would find something."""
    with Ledger.open(copied(entries=4), signer=world.signer()) as ledger:
        one = ledger.entry(1)
        with ledger.writing(now=world.clock) as writer:
            writer.append(
                world.document(
                    "all",
                    attachments=(Attachment("a", "text/plain", b"a"),),
                    personal=(Personal("by", "Jo"),),
                    supersedes=one.ref,
                )
            )
        yield ledger


def _rows(path):
    with sqlite3.connect(path) as database:
        rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in (*TABLES, "sqlite_master")}
    database.close()
    return rows


@pytest.mark.parametrize("bypass", BYPASSES)
def test_no_sql_on_the_ledgers_connection_changes_what_was_written(full, path, outside, bypass):
    before = _rows(path)
    with pytest.raises(sqlite3.DatabaseError, match=REFUSED):
        full._store._connection.execute(BYPASSES[bypass])
    assert _rows(path) == before
    assert all(before.values()), "every table had rows to lose"
    outside(path)


@pytest.mark.parametrize("bypass", [name for name in BYPASSES if name.split()[0] in ("delete", "update", "replace")])
def test_the_triggers_hold_without_the_authorizer(full, path, bypass):
    before = _rows(path)
    full._store._connection.set_authorizer(None)
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|never changed"):
        full._store._connection.execute(BYPASSES[bypass])
    assert _rows(path) == before


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET {} = {}"])
def test_triggers_stop_any_other_connection_too(full, path, table, verb):
    column = {"entries": "kind", "nodes": "hash", "checkpoints": "root", "attachments": "bytes", "links": "seq"}[table]
    before = _rows(path)
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        database.execute(verb.format(table, column, column))
    database.close()
    assert _rows(path) == before


@pytest.mark.parametrize("statement", [f"INSERT INTO nodes VALUES (9, 9, {ZEROS})", "DELETE FROM side_values"])
def test_a_readers_connection_cannot_write_at_all(full, path, statement):
    with Ledger.open(path, read_only=True) as reader, pytest.raises(sqlite3.DatabaseError):
        reader._store._connection.execute(statement)


def test_side_values_alone_can_be_deleted(full, path):
    full._store._connection.execute("DELETE FROM side_values WHERE seq = 5")
    assert _rows(path)["side_values"] == []


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO entries VALUES (9, x'00', {ZEROS}, 'x', 'x', 'x', NULL, x'00')",
        f"INSERT INTO entries VALUES (9, {ZEROS}, x'00', 'x', 'x', 'x', NULL, x'00')",
        f"INSERT INTO entries VALUES (-1, {ZEROS}, {ZEROS}, 'x', 'x', 'x', NULL, x'00')",
        f"INSERT INTO entries VALUES (9, {ZEROS}, {ZEROS}, 'x', 'x', 'x', NULL, {TOO_LONG})",
        f"INSERT INTO entries VALUES (9, {ZEROS}, {ZEROS}, 'x', 'x', 'x', NULL, 'text')",
        f"INSERT INTO entries VALUES ('nine', {ZEROS}, {ZEROS}, 'x', 'x', 'x', NULL, x'00')",
        f"INSERT INTO entries SELECT 9, {ZEROS}, prev, kind, actor, recorded_at, NULL, bytes FROM entries LIMIT 1",
        "INSERT INTO checkpoints SELECT 9, previous, root, note FROM checkpoints WHERE size = 2",
        f"INSERT INTO checkpoints VALUES (9, 9, {ZEROS}, x'00')",
        "INSERT INTO links VALUES (1, 2)",
        "INSERT INTO links VALUES (77, 2)",
        f"INSERT INTO nodes VALUES (0, 0, {ZEROS})",
        f"INSERT INTO attachments VALUES ({ZEROS}, 2, x'00')",
    ],
)
def test_rows_that_cannot_be_right_are_refused_by_the_tables(full, statement):
    with pytest.raises(sqlite3.IntegrityError):
        full._store._connection.execute(statement)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("application_id", 0x54414C59),
        ("user_version", 1),
        ("synchronous", 2),
        ("recursive_triggers", 1),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
    ],
)
def test_each_connection_has_its_settings(full, path, pragma, value):
    with Ledger.open(path) as reader:
        for connection in (full._store._connection, reader._store._connection):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_the_layout_is_the_one_of_version_1(full, path):
    """Frozen: a ledger made today is compared with this by every later version."""
    from tallystick.ledger.tables import layout

    made = {name: " ".join((sql or "").split()) for _, name, _, _, sql in _rows(path)["sqlite_master"] if sql}
    assert made == LAYOUT | TRIGGERS
    assert {name: " ".join(sql.split()) for name, sql in layout().items()} == LAYOUT


LAYOUT = {
    "attachments": (
        "CREATE TABLE attachments ( sha256 BLOB NOT NULL, size INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY"
        " KEY (sha256), CHECK (length(sha256) = 32), CHECK (length(bytes) = size) ) STRICT"
    ),
    "checkpoints": (
        "CREATE TABLE checkpoints ( size INTEGER NOT NULL, previous INTEGER NOT NULL, root BLOB NOT NULL, "
        "note BLOB NOT NULL, PRIMARY KEY (size), CHECK (previous >= 0 AND previous < size), CHECK "
        "(length(root) = 32), UNIQUE (previous) ) STRICT"
    ),
    "entries": (
        "CREATE TABLE entries ( seq INTEGER NOT NULL, leaf BLOB NOT NULL, prev BLOB NOT NULL, kind TEXT NOT "
        "NULL, actor TEXT NOT NULL, recorded_at TEXT NOT NULL, idempotency_key TEXT, bytes BLOB NOT NULL, "
        "PRIMARY KEY (seq), CHECK (seq >= 0), CHECK (length(leaf) = 32), CHECK (length(prev) = 32), CHECK "
        "(length(bytes) <= 65535), UNIQUE (leaf), UNIQUE (prev) ) STRICT"
    ),
    "entries_idempotency": (
        "CREATE UNIQUE INDEX entries_idempotency ON entries (actor, idempotency_key) WHERE idempotency_key IS NOT NULL"
    ),
    "entries_kind": ("CREATE INDEX entries_kind ON entries (kind)"),
    "nodes": (
        "CREATE TABLE nodes ( level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY "
        "KEY (level, position), CHECK (level >= 1), CHECK (position >= 0), CHECK (length(hash) = 32) ) "
        "WITHOUT ROWID, STRICT"
    ),
    "links": (
        "CREATE TABLE links ( seq INTEGER NOT NULL, target_seq INTEGER NOT NULL, PRIMARY KEY (seq, "
        "target_seq), CHECK (target_seq < seq), FOREIGN KEY(seq) REFERENCES entries (seq), FOREIGN "
        "KEY(target_seq) REFERENCES entries (seq) ) WITHOUT ROWID, STRICT"
    ),
    "links_target": ("CREATE INDEX links_target ON links (target_seq)"),
    "side_values": (
        "CREATE TABLE side_values ( seq INTEGER NOT NULL, name TEXT NOT NULL, salt BLOB NOT NULL, bytes BLOB "
        "NOT NULL, PRIMARY KEY (seq, name), CHECK (length(salt) = 32), FOREIGN KEY(seq) REFERENCES entries "
        "(seq) ) STRICT"
    ),
}

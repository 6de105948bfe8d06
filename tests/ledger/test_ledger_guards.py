"""What SQL on a ledger's own connection cannot do, and what the file's layout is."""

import sqlite3

import pytest

from tallystick.ledger.guards import APPEND_ONLY, TABLES, TRIGGERS
from tallystick.ledger.ledger import Ledger

EACH = "INSERT OR REPLACE INTO entries SELECT seq, leaf, prev, 'x', actor, recorded_at, NULL, bytes FROM entries"
BYPASSES = {
    "delete": "DELETE FROM entries WHERE seq = 1",
    "update": "UPDATE entries SET kind = 'x'",
    "update or replace": "UPDATE OR REPLACE entries SET seq = 1 WHERE seq = 2",
    "replace": EACH,
    "replace by another unique column": (
        "INSERT OR REPLACE INTO entries SELECT 99, leaf, prev, kind, actor, recorded_at, NULL, bytes FROM entries WHERE seq = 1"
    ),
    "replace a checkpoint": "REPLACE INTO checkpoints SELECT size, previous, zeroblob(32), note FROM checkpoints",
    "replace a node": "REPLACE INTO nodes SELECT level, position, zeroblob(32) FROM nodes",
    "replace a side value": "REPLACE INTO side_values SELECT seq, name, zeroblob(32), bytes FROM side_values",
    "update a side value": "UPDATE side_values SET bytes = zeroblob(1)",
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
def full(path, world):
    """A ledger with rows in every table, in one of which REPLACE would find something."""
    from tallystick.records import Attachment, Personal

    with world.create(path, entries=4) as ledger:
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
    with pytest.raises(sqlite3.DatabaseError):
        full._connection.executescript(f"BEGIN; {BYPASSES[bypass]}; COMMIT")
    if full._connection.in_transaction:
        full._connection.execute("ROLLBACK")
    assert _rows(path) == before
    assert all(before.values()), "every table had rows to lose"
    outside(path)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid", "UPDATE {} SET {} = {}"])
def test_triggers_stop_any_other_connection_too(full, path, table, verb):
    column = {"entries": "kind", "nodes": "hash", "checkpoints": "root", "attachments": "bytes", "links": "seq"}[table]
    if "rowid" in verb and table in ("nodes", "links"):
        pytest.skip("has no rowid")
    before = _rows(path)
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        database.execute(verb.format(table, column, column))
    database.close()
    assert _rows(path) == before


@pytest.mark.parametrize("statement", ["INSERT INTO nodes VALUES (9, 9, zeroblob(32))", "DELETE FROM side_values"])
def test_a_readers_connection_cannot_write_at_all(full, path, statement):
    with Ledger.open(path, read_only=True) as reader, pytest.raises(sqlite3.DatabaseError):
        reader._connection.execute(statement)


def test_side_values_alone_can_be_deleted(full, path):
    full._connection.execute("DELETE FROM side_values")
    assert _rows(path)["side_values"] == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO entries VALUES (9, zeroblob(31), zeroblob(32), 'x', 'x', 'x', NULL, zeroblob(1))",
        "INSERT INTO entries VALUES (9, zeroblob(32), zeroblob(33), 'x', 'x', 'x', NULL, zeroblob(1))",
        "INSERT INTO entries VALUES (-1, zeroblob(32), zeroblob(32), 'x', 'x', 'x', NULL, zeroblob(1))",
        "INSERT INTO entries VALUES (9, zeroblob(32), zeroblob(32), 'x', 'x', 'x', NULL, zeroblob(65536))",
        "INSERT INTO entries VALUES (9, zeroblob(32), zeroblob(32), 'x', 'x', 'x', NULL, 'text')",
        "INSERT INTO entries VALUES ('nine', zeroblob(32), zeroblob(32), 'x', 'x', 'x', NULL, zeroblob(1))",
        "INSERT INTO entries SELECT 9, zeroblob(32), prev, kind, actor, recorded_at, NULL, bytes FROM entries WHERE seq = 1",
        "INSERT INTO checkpoints SELECT 9, previous, root, note FROM checkpoints WHERE size = 2",
        "INSERT INTO checkpoints VALUES (9, 9, zeroblob(32), zeroblob(1))",
        "INSERT INTO links VALUES (1, 2)",
        "INSERT INTO links VALUES (77, 2)",
        "INSERT INTO nodes VALUES (0, 0, zeroblob(32))",
        "INSERT INTO attachments VALUES (zeroblob(32), 2, zeroblob(1))",
    ],
)
def test_rows_that_cannot_be_right_are_refused_by_the_tables(full, statement):
    with pytest.raises(sqlite3.IntegrityError):
        full._connection.execute(statement)


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
        for connection in (full._connection, reader._connection):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_the_layout_is_the_one_of_version_1(full, path):
    """Frozen: a ledger made today is compared with this by every later version."""
    from tallystick.ledger.tables import layout

    made = {name: " ".join((sql or "").split()) for _, name, _, _, sql in _rows(path)["sqlite_master"] if sql}
    assert made == LAYOUT | TRIGGERS
    assert {name: " ".join(sql.split()) for name, sql in layout().items()} == LAYOUT


LAYOUT = {
    "attachments": (
        "CREATE TABLE attachments ( sha256 BLOB NOT NULL, size INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (sha256),"
        " CHECK (length(sha256) = 32), CHECK (length(bytes) = size) ) STRICT"
    ),
    "checkpoints": (
        "CREATE TABLE checkpoints ( size INTEGER NOT NULL, previous INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL,"
        " PRIMARY KEY (size), CHECK (previous >= 0 AND previous < size), CHECK (length(root) = 32), UNIQUE (previous) ) STRICT"
    ),
    "entries": (
        "CREATE TABLE entries ( seq INTEGER NOT NULL, leaf BLOB NOT NULL, prev BLOB NOT NULL, kind TEXT NOT NULL,"
        " actor TEXT NOT NULL, recorded_at TEXT NOT NULL, idempotency_key TEXT, bytes BLOB NOT NULL, PRIMARY KEY (seq),"
        " CHECK (seq >= 0), CHECK (length(leaf) = 32), CHECK (length(prev) = 32), CHECK (length(bytes) <= 65535),"
        " UNIQUE (leaf), UNIQUE (prev) ) STRICT"
    ),
    "entries_idempotency": (
        "CREATE UNIQUE INDEX entries_idempotency ON entries (actor, idempotency_key) WHERE idempotency_key IS NOT NULL"
    ),
    "entries_kind": "CREATE INDEX entries_kind ON entries (kind)",
    "nodes": (
        "CREATE TABLE nodes ( level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,"
        " PRIMARY KEY (level, position), CHECK (level >= 1), CHECK (position >= 0), CHECK (length(hash) = 32) )"
        " WITHOUT ROWID, STRICT"
    ),
    "links": (
        "CREATE TABLE links ( seq INTEGER NOT NULL, target_seq INTEGER NOT NULL, PRIMARY KEY (seq, target_seq),"
        " CHECK (target_seq < seq), FOREIGN KEY(seq) REFERENCES entries (seq),"
        " FOREIGN KEY(target_seq) REFERENCES entries (seq) ) WITHOUT ROWID, STRICT"
    ),
    "links_target": "CREATE INDEX links_target ON links (target_seq)",
    "side_values": (
        "CREATE TABLE side_values ( seq INTEGER NOT NULL, name TEXT NOT NULL, salt BLOB NOT NULL, bytes BLOB NOT NULL,"
        " PRIMARY KEY (seq, name), CHECK (length(salt) = 32), FOREIGN KEY(seq) REFERENCES entries (seq) ) STRICT"
    ),
}

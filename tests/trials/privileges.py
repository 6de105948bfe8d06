"""Trial: every way that SQL has to change what was written, tried by every role, on both databases.

On PostgreSQL each role has the ledger's own connection and may send any SQL through it; what it may do is then the
server's to say. On SQLite writer and auditor have the guarded connection, and the file's owner a plain one.

Writer and auditor must change nothing, whether the statement is refused or has no effect. The owner and superusers
can: each change that they made must be found by an auditor, by fsck with the ledger's key or by what `doctor` warns of.
Those who take guards away put them back afterwards, where they can.
"""

# ruff: noqa: S608 - statements are put together from constants of this file

import contextlib
import random
import shutil
import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import _program as program
import _trial_ledger as world

from _postgres import ROLES, Server
from tallystick.errors import TallystickError
from tallystick.ledger import postgres, sqlite
from tallystick.ledger.fsck import fsck
from tallystick.ledger.guards import TABLES, TRIGGERS

ENTRIES = 8
COLUMNS = "seq, leaf, prev, kind, actor, recorded_at, idempotency_key, bytes"
ZEROS = "0" * 64

# In PostgreSQL. {seq} is the number of an entry, {last} of the last.
_FORGE = "UPDATE entries SET bytes = '\\x00' WHERE seq = {seq}"
_REFUSE = (
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql"
    " SET search_path = pg_catalog, pg_temp AS $${body}$$"
)
POSTGRESQL = {
    "update": (_FORGE,),
    "delete": ("DELETE FROM checkpoints WHERE size > {seq}",),
    "truncate": ("TRUNCATE nodes",),
    "upsert": (
        f"INSERT INTO entries SELECT {COLUMNS} FROM entries WHERE seq = {{seq}}"
        " ON CONFLICT (seq) DO UPDATE SET kind = 'x'",
    ),
    "merge": (
        "MERGE INTO entries AS e USING (SELECT {seq} AS seq) AS s ON e.seq = s.seq"
        " WHEN MATCHED THEN UPDATE SET actor = 'x'",
    ),
    "disable trigger": (
        "ALTER TABLE entries DISABLE TRIGGER entries_no_change",
        _FORGE,
        "ALTER TABLE entries ENABLE ALWAYS TRIGGER entries_no_change",
    ),
    "as in replication": ("SET session_replication_role = replica", _FORGE),
    "drop table": ("DROP TABLE nodes",),
    "drop trigger": (
        "DROP TRIGGER entries_no_change ON entries",
        _FORGE,
        "CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE ON entries FOR EACH ROW"
        " EXECUTE FUNCTION refuse_change('entries is append-only')",
        "ALTER TABLE entries ENABLE ALWAYS TRIGGER entries_no_change",
    ),
    "rename": ("ALTER TABLE nodes RENAME TO kept", "CREATE TABLE nodes (LIKE kept INCLUDING ALL)"),
    "shadow": (
        "CREATE TEMP TABLE entries AS SELECT * FROM tallystick.entries WHERE seq < {seq}",
        "ALTER ROLE CURRENT_USER SET search_path = pg_temp, tallystick",
    ),
    "copy from a program": (f"COPY nodes FROM PROGRAM $$printf '50 0 \\\\\\\\x{ZEROS}'$$ WITH (DELIMITER ' ')",),
    "replace the guard": (
        _REFUSE.format(body="BEGIN RETURN NEW; END"),
        _FORGE,
        _REFUSE.format(body="BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0]; END"),
    ),
    "become the owner": ("SET ROLE owner", "GRANT UPDATE, DELETE ON entries TO stranger"),
}

# In SQLite.
_EACH = "INSERT OR REPLACE INTO entries SELECT {columns} FROM entries WHERE seq = {{seq}}"
SQLITE = {
    "delete": ("DELETE FROM entries WHERE seq = {last}",),
    "update": ("UPDATE entries SET bytes = x'00' WHERE seq = {seq}",),
    "replace": (_EACH.format(columns=COLUMNS.replace("kind", "'x'")),),
    "replace by another unique column": (_EACH.format(columns=COLUMNS.replace("seq", "99", 1)),),
    "upsert": (
        f"INSERT INTO entries SELECT {COLUMNS} FROM entries WHERE seq = {{seq}}"
        " ON CONFLICT (seq) DO UPDATE SET kind = 'x'",
    ),
    "drop trigger": (
        "DROP TRIGGER entries_no_update",
        "UPDATE entries SET bytes = x'00' WHERE seq = {seq}",
        TRIGGERS["entries_no_update"],
    ),
    "drop table": ("DROP TABLE nodes",),
    "rename": ("ALTER TABLE nodes RENAME TO kept",),
    "edit the schema": (
        "PRAGMA writable_schema = ON",
        "DELETE FROM sqlite_master WHERE name = 'checkpoints_no_delete'",
    ),
    "attach": ("ATTACH ':memory:' AS other", "CREATE TABLE other.entries AS SELECT * FROM main.entries LIMIT 1"),
    "shadow": ("CREATE TEMP TABLE entries AS SELECT * FROM main.entries WHERE seq < {seq}",),
    "guards off": (
        "PRAGMA recursive_triggers = OFF",
        "REPLACE INTO checkpoints SELECT size, previous, root, x'00' FROM checkpoints WHERE size > {seq}",
    ),
    "checks off": (
        "PRAGMA ignore_check_constraints = ON",
        "INSERT INTO nodes VALUES (0, {seq}, x'00')",
    ),
    "new version": ("PRAGMA user_version = 2",),
}

INSERT = ("INSERT INTO nodes SELECT 50, {seq}, hash FROM nodes LIMIT 1",)
"""What a writer may do, and an auditor may not. That it works shows that a refusal means something."""


def attacks_of(role, attacks):
    return attacks if role != "auditor" else {**attacks, "insert": INSERT}


class Tally:
    """What the roles were allowed, and what of it nobody would have found."""

    def __init__(self):
        self.tried, self.allowed, self.hidden = {}, {}, []

    def add(self, role, attack, *, changed, found):
        self.tried[role] = self.tried.get(role, 0) + 1
        self.allowed.setdefault(role, []).extend([attack] if changed else [])
        if changed and not found:
            self.hidden.append(f"{role}: {attack}")

    def line(self):
        return ", ".join(
            f"{role} {len(self.allowed[role])} of {tried}" + (" (all found)" if self.allowed[role] else "")
            for role, tried in self.tried.items()
        )

    def check(self, engine):
        for role in ("writer", "auditor"):
            assert not self.allowed[role], f"{engine}: {role} could {', '.join(self.allowed[role])}"
        for role in self.allowed.keys() - {"writer", "auditor"}:
            assert self.allowed[role], f"{engine}: {role} could do nothing, so that nothing was tried"
        assert not self.hidden, f"{engine}: not found: {'; '.join(self.hidden)}"


def _found(place):
    """Whether an auditor with the ledger's key would notice."""
    try:
        return not fsck(place, key=world.key()).ok
    except TallystickError:
        return True


# --- PostgreSQL -----------------------------------------------------------------------------------------------------


def on_postgresql(server, *, seed):
    """Each attack by each role, on a ledger that was not changed yet."""
    chance = random.Random(f"{seed} postgresql")
    tally = Tally()
    with contextlib.ExitStack() as stack:
        template = stack.enter_context(server.database())
        url = server.url("owner", template)
        world.create(url, entries=ENTRIES, batch=3).close()
        postgres.grant(url, writers=["writer"], auditors=["auditor"])

        def copy():
            return stack.enter_context(server.database(template=template))

        assert _attacked(server, copy(), "writer", _filled(INSERT, chance)) == (True, True), "a writer writes"
        name = copy()
        for role in ("writer", "auditor", "owner", "postgres"):
            tried = list(attacks_of(role, POSTGRESQL).items())
            chance.shuffle(tried)
            for attack, statements in tried:
                changed, found = _attacked(server, name, role, _filled(statements, chance))
                tally.add("superuser" if role == "postgres" else role, attack, changed=changed, found=found)
                name = copy() if changed else name
    engine = f"PostgreSQL {server.execute('SHOW server_version')[0][0].split()[0]}"
    tally.check(engine)
    return f"{engine}: {tally.line()}"


def _filled(statements, chance):
    seq = chance.randrange(1, ENTRIES)
    return [statement.replace("{seq}", str(seq)).replace("{last}", str(ENTRIES)) for statement in statements]


def _attacked(server, name, role, statements):
    """(whether the ledger, or what the ledger reads of it, is another now; whether an auditor would find that)."""
    before = _state(server, name)
    warned = _warnings(server, name)
    with contextlib.closing(postgres.connect(server.url(role, name), writing=True)) as store:
        with contextlib.suppress(TallystickError):
            for statement in ("SET search_path = tallystick, pg_temp", *statements):
                store.administer(statement)
        fooled = _rows(store) != before[0]
    with (
        contextlib.suppress(TallystickError),
        contextlib.closing(postgres.connect(server.url(role, name), writing=False)) as again,
    ):
        fooled |= _rows(again) != before[0]
    server.execute(f"ALTER ROLE {role} RESET ALL")
    if not fooled and _state(server, name) == before:
        return False, False
    return True, _found(server.url("auditor", name)) or _warnings(server, name) != warned


def _state(server, name):
    """Rows, layout and rights, for a superuser's eyes."""
    with contextlib.closing(postgres.connect(server.url(database=name), writing=False)) as store:
        rights = "SELECT relname::text, relacl::text FROM pg_class WHERE relnamespace = 'tallystick'::regnamespace"
        return _rows(store), store.layout()[1], sorted(store.all(rights))


def _rows(store):
    found = {}
    for table in TABLES:
        try:
            found[table] = sorted(store.all(f"SELECT * FROM {table}"), key=repr)
        except TallystickError as error:
            found[table] = error.got
    return found


def _warnings(server, name):
    with contextlib.closing(postgres.connect(server.url("auditor", name), writing=False)) as store:
        return store.condition().warnings


# --- SQLite ---------------------------------------------------------------------------------------------------------


def on_sqlite(folder, *, seed):
    chance = random.Random(f"{seed} sqlite")
    template = Path(folder) / "template.db"
    world.create(template, entries=ENTRIES, batch=3).close()
    path = Path(folder) / "ledger.db"
    shutil.copy(template, path)
    before = _dump(path)
    _attacked_file(path, "writer", _filled(INSERT, chance))
    assert _dump(path) != before, "a writer writes"
    tally = Tally()
    for role in ("writer", "auditor", "owner"):
        tried = list(attacks_of(role, SQLITE).items())
        chance.shuffle(tried)
        for attack, statements in tried:
            shutil.copy(template, path)
            before = _dump(path)
            fooled = _attacked_file(path, role, _filled(statements, chance))
            tally.add(role, attack, changed=fooled or _dump(path) != before, found=_found(path))
    engine = f"SQLite {sqlite3.sqlite_version}"
    tally.check(engine)
    return f"{engine}: {tally.line()}"


def _attacked_file(path, role, statements):
    """Try; whether the connection itself sees other entries than the file holds afterwards."""
    if role == "owner":
        store, connection = None, sqlite3.connect(path, isolation_level=None)
    else:
        store = sqlite.connect(path, writing=role == "writer")
        connection = store._connection
    with contextlib.closing(store or connection):
        with contextlib.suppress(sqlite3.Error):
            for statement in statements:
                connection.execute(statement)
        if store is None:  # whose own connection is nobody else's concern
            return False
        return connection.execute("SELECT count(*) FROM entries").fetchone() != (ENTRIES + 1,)


def _dump(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        try:
            tables = {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}
        except sqlite3.Error as error:
            tables = str(error)
        layout = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        return tables, layout, database.execute("PRAGMA user_version").fetchone()


# --------------------------------------------------------------------------------------------------------------------


def trial(folder, *, seed):
    with Server(settings={"fsync": "off"}) as server:
        server.execute(ROLES)
        return f"privileges: seed {seed}, {on_postgresql(server, seed=seed)}; {on_sqlite(folder, seed=seed)}"


if __name__ == "__main__":
    sys.exit(program.run(trial, doc=__doc__))

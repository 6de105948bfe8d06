"""What PostgreSQL's catalogue says of a ledger: as it was laid out, and otherwise after each way to change it."""

import contextlib

import psycopg
import pytest

from tallystick.ledger import postgres, tables
from tallystick.ledger.catalogue import CATALOGUE, LAYOUT
from tallystick.ledger.fsck import fsck
from tallystick.ledger.guards import TABLES

EMPTY = "CREATE OR REPLACE FUNCTION tallystick.refuse_change() RETURNS trigger LANGUAGE plpgsql"


@pytest.fixture
def store(server, ledger_database):
    with contextlib.closing(postgres.connect(server.url("auditor", ledger_database), writing=False)) as store:
        yield store


@pytest.fixture(scope="module")
def superuser(server, ledger_template):
    """A store that may change everything. What it does in a transaction is undone at the end of a test."""
    with (
        server.database(template=ledger_template) as name,
        contextlib.closing(postgres.connect(server.url("postgres", name), writing=False)) as store,
    ):
        yield store


@pytest.fixture
def altered(superuser):
    """``altered(statements)``: the ledger as it is after them, for this connection alone."""
    superuser.administer("BEGIN READ WRITE")

    def altered(statements):
        superuser.administer(statements)
        return superuser

    yield altered
    superuser.administer("ROLLBACK")


def different(store):
    expected, found = store.layout()
    return {name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)}


def test_a_new_ledger_has_the_layout_that_is_expected(server, database):
    with postgres.lay_out(server.url("owner", database)) as store:
        pass
    with contextlib.closing(postgres.connect(server.url("owner", database), writing=False)) as store:
        expected, found = store.layout()
    assert found == expected
    assert set(TABLES) < found.keys()


def test_rows_and_rights_are_no_part_of_the_layout(altered):
    both = "INSERT INTO tallystick.links VALUES (2, 1); GRANT ALL ON ALL TABLES IN SCHEMA tallystick TO stranger"
    assert different(altered(both)) == set()


def test_the_models_say_the_same_as_the_migration(server, database):
    """The classes of tables.py in PostgreSQL's dialect, laid out beside the migration's."""
    with psycopg.connect(server.url("owner", database)) as connection:
        connection.execute("CREATE SCHEMA tallystick")
        connection.execute("SET search_path = tallystick, pg_temp")
        for statement in tables.layout("postgresql").values():
            connection.execute(statement)
        connection.execute("SET search_path = pg_catalog, pg_temp")
        found = dict(connection.execute(CATALOGUE).fetchall())
    not_tables = ("alembic_version", "function")
    expected = {
        name: text for name, text in LAYOUT.items() if " trigger " not in name and not name.startswith(not_tables)
    }
    assert found == expected


CHANGES = {
    "trigger dropped": (
        "DROP TRIGGER entries_no_change ON tallystick.entries",
        {"entries trigger entries_no_change"},
    ),
    "trigger disabled": (
        "ALTER TABLE tallystick.nodes DISABLE TRIGGER nodes_no_truncate",
        {"nodes trigger nodes_no_truncate"},
    ),
    "trigger not always": (
        "ALTER TABLE tallystick.links ENABLE TRIGGER links_no_change",
        {"links trigger links_no_change"},
    ),
    "trigger in replication only": (
        "ALTER TABLE tallystick.links ENABLE REPLICA TRIGGER links_no_change",
        {"links trigger links_no_change"},
    ),
    "trigger for fewer rows": (
        "CREATE OR REPLACE TRIGGER entries_no_change BEFORE UPDATE OR DELETE ON tallystick.entries FOR EACH ROW"
        " WHEN (OLD.seq > 5) EXECUTE FUNCTION tallystick.refuse_change('entries is append-only')",
        {"entries trigger entries_no_change"},
    ),
    "trigger added": (
        "CREATE TRIGGER more AFTER INSERT ON tallystick.entries EXECUTE FUNCTION tallystick.refuse_change()",
        {"entries trigger more"},
    ),
    "function altered": (
        f"{EMPTY} SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END'",
        {"function tallystick.refuse_change()"},
    ),
    "function of another path": (
        "ALTER FUNCTION tallystick.refuse_change() SET search_path = public",
        {"function tallystick.refuse_change()"},
    ),
    "function with its owner's rights": (
        "ALTER FUNCTION tallystick.refuse_change() SECURITY DEFINER",
        {"function tallystick.refuse_change()"},
    ),
    "function added": (
        "CREATE FUNCTION tallystick.length(bytea) RETURNS integer LANGUAGE sql AS 'SELECT 32'",
        {"function tallystick.length(bytea)"},
    ),
    "constraint dropped": (
        "ALTER TABLE tallystick.entries DROP CONSTRAINT entries_prev_key",
        {"entries constraint entries_prev_key"},
    ),
    "constraint loosened": (
        "ALTER TABLE tallystick.entries DROP CONSTRAINT entries_leaf_check,"
        " ADD CONSTRAINT entries_leaf_check CHECK (length(leaf) >= 32)",
        {"entries constraint entries_leaf_check"},
    ),
    "constraint not validated": (
        "ALTER TABLE tallystick.entries DROP CONSTRAINT entries_leaf_check,"
        " ADD CONSTRAINT entries_leaf_check CHECK (length(leaf) = 32) NOT VALID",
        {"entries constraint entries_leaf_check"},
    ),
    "constraint put off": (
        "ALTER TABLE tallystick.links ALTER CONSTRAINT links_seq_fkey DEFERRABLE INITIALLY DEFERRED",
        {"links constraint links_seq_fkey"},
    ),
    "references not checked": (
        "ALTER TABLE tallystick.links DISABLE TRIGGER ALL",
        {
            "links constraint links_seq_fkey",
            "links constraint links_target_seq_fkey",
            "links trigger links_no_change",
            "links trigger links_no_truncate",
        },
    ),
    "column added": ("ALTER TABLE tallystick.entries ADD COLUMN note TEXT", {"entries"}),
    "column of another name": (
        "ALTER TABLE tallystick.side_values RENAME COLUMN salt TO pepper",
        {
            "side_values",
            "side_values constraint side_values_salt_check",
        },
    ),
    "column of another type": ("ALTER TABLE tallystick.nodes ALTER COLUMN level TYPE BIGINT", {"nodes"}),
    "column of another collation": (
        'ALTER TABLE tallystick.side_values ALTER COLUMN name TYPE TEXT COLLATE "default"',
        {"side_values"},
    ),
    "column that may be empty": ("ALTER TABLE tallystick.entries ALTER COLUMN kind DROP NOT NULL", {"entries"}),
    "column with a default": ("ALTER TABLE tallystick.entries ALTER COLUMN actor SET DEFAULT 'me'", {"entries"}),
    "index dropped": ("DROP INDEX tallystick.entries_idempotency", {"entries index entries_idempotency"}),
    "index of fewer rows": (
        "DROP INDEX tallystick.entries_idempotency; CREATE UNIQUE INDEX entries_idempotency ON tallystick.entries"
        " (actor, idempotency_key) WHERE idempotency_key IS NOT NULL AND seq > 5",
        {"entries index entries_idempotency"},
    ),
    "index not valid": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tallystick.entries_kind'::regclass",
        {"entries index entries_kind"},
    ),
    "constraint without a valid index": (
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'tallystick.entries_prev_key'::regclass",
        {"entries constraint entries_prev_key"},
    ),
    "table dropped": (
        "DROP TABLE tallystick.nodes",
        {name for name in LAYOUT if name.split()[0] == "nodes"},
    ),
    "table not permanent": ("ALTER TABLE tallystick.nodes SET UNLOGGED", {"nodes"}),
    "table with a child": (
        "CREATE TABLE public.more () INHERITS (tallystick.nodes)",
        {"nodes child public.more"},
    ),
    "table that is a child": (
        "CREATE TABLE public.whole (LIKE tallystick.side_values);"
        "ALTER TABLE tallystick.side_values INHERIT public.whole",
        {"side_values parent public.whole"},
    ),
    "trigger that passes for the server's own": (
        "CREATE TRIGGER more BEFORE INSERT ON tallystick.side_values EXECUTE FUNCTION tallystick.refuse_change();"
        "UPDATE pg_trigger SET tgisinternal = true WHERE tgname = 'more'",
        {"side_values trigger more"},
    ),
    "collation that passes for the server's own": (
        'CREATE COLLATION tallystick."C" FROM pg_catalog."POSIX";'
        'ALTER TABLE tallystick.side_values ALTER COLUMN name TYPE TEXT COLLATE tallystick."C"',
        {"collation C", "side_values"},
    ),
    "table that is called like a trigger": (
        'CREATE TABLE tallystick."entries trigger entries_no_change" ()',
        {"entries trigger entries_no_change", "entries trigger entries_no_change (once more)"},
    ),
    "rows hidden": ("ALTER TABLE tallystick.entries ENABLE ROW LEVEL SECURITY", {"entries"}),
    "policy added": (
        "CREATE POLICY few ON tallystick.entries USING (seq < 3)",
        {"entries policy few"},
    ),
    "rule added": (
        "CREATE RULE lost AS ON INSERT TO tallystick.links DO INSTEAD NOTHING",
        {"links rule lost"},
    ),
    "view in place of a table": (
        "ALTER TABLE tallystick.checkpoints RENAME TO kept;"
        "CREATE VIEW tallystick.checkpoints AS SELECT * FROM tallystick.kept WHERE size < 4",
        {
            "checkpoints",
            "checkpoints rule _RETURN",
            "kept",
            *(name for name in LAYOUT if name.startswith("checkpoints ")),
            *(name.replace("checkpoints ", "kept ", 1) for name in LAYOUT if name.startswith("checkpoints ")),
        },
    ),
    "operator added": (
        "CREATE OPERATOR tallystick.= (FUNCTION = byteane, LEFTARG = bytea, RIGHTARG = bytea)",
        {"operator tallystick.=(bytea,bytea)"},
    ),
    "type added": ("CREATE DOMAIN tallystick.bytea AS text", {"type bytea"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_layout_is_named(altered, change):
    statements, changed = CHANGES[change]
    assert different(altered(statements)) == changed


TRAP = "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'caught %', session_user; END $$"
TRAPS = f"""
CREATE FUNCTION tallystick.trap(name, name) RETURNS text {TRAP};
CREATE FUNCTION tallystick.trap(text, name) RETURNS text {TRAP};
CREATE OPERATOR tallystick.|| (LEFTARG = name, RIGHTARG = name, FUNCTION = tallystick.trap);
CREATE OPERATOR tallystick.|| (LEFTARG = text, RIGHTARG = name, FUNCTION = tallystick.trap);
CREATE FUNCTION tallystick.pg_advisory_xact_lock(integer) RETURNS void {TRAP};
CREATE FUNCTION tallystick.concerns(bigint) RETURNS boolean {TRAP};
"""


@pytest.mark.parametrize("role", ["postgres", "auditor", "writer"])
def test_who_asks_runs_no_code_of_the_ledgers_owner(server, ledger_database, world, role):
    """What fits better than the catalogue's own, and can be found by a bare name, would run as whoever asks."""
    server.execute(TRAPS, role="owner", database=ledger_database)
    writing = role != "auditor"
    with contextlib.closing(postgres.connect(server.url(role, ledger_database), writing=writing)) as store:
        assert "operator tallystick.||(name,name)" in different(store)
        assert store.condition().facts["role"].startswith(role)
        with store.turn() if writing else store.snapshot():
            assert store.one("SELECT max(seq) FROM entries") == (4,)
        assert not fsck(server.url(role, ledger_database), key=world.key()).ok


def test_a_view_in_place_of_a_table_is_found_and_not_read(server, ledger_database, world):
    """Its functions would run as whoever reads, or for ever."""
    swap = (
        "ALTER TABLE tallystick.entries RENAME TO kept;"
        "CREATE VIEW tallystick.entries AS SELECT * FROM tallystick.kept WHERE tallystick.concerns(seq)"
    )
    server.execute(TRAPS, role="owner", database=ledger_database)
    server.execute(swap, role="owner", database=ledger_database)
    found = fsck(server.url("postgres", ledger_database), key=world.key())
    assert ("entries is laid out differently", "relation of kind v") in [
        (problem.what, problem.detail.partition(":")[0]) for problem in found.problems
    ]


def test_fsck_reports_what_is_laid_out_differently(server, ledger_database, world):
    url = server.url("auditor", ledger_database)
    assert fsck(url, key=world.key()).ok
    server.execute("ALTER TABLE tallystick.entries DISABLE TRIGGER entries_no_change", database=ledger_database)
    (problem,) = fsck(url, key=world.key()).problems
    assert "entries trigger entries_no_change is laid out differently" in str(problem)


def test_a_row_under_a_digest_that_is_none_is_found(server, ledger_database, world):
    """Nobody asks for it, and the constraint that forbade it is back in its place."""
    for statement in (
        "ALTER TABLE tallystick.attachments DROP CONSTRAINT attachments_sha256_check",
        "INSERT INTO tallystick.attachments VALUES ('', 1, 'x')",
        "ALTER TABLE tallystick.attachments"
        " ADD CONSTRAINT attachments_sha256_check CHECK (length(sha256) = 32) NOT VALID",
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 'attachments_sha256_check'",
    ):
        server.execute(statement, database=ledger_database)
    found = fsck(server.url("auditor", ledger_database), key=world.key())
    assert [problem.what for problem in found.problems] == ["attachments that no entry names"]


# --- what the database's own check finds ----------------------------------------------------------------------------


def test_without_its_extension_the_database_is_not_asked(store):
    assert list(store.faults()) == []


@pytest.fixture
def amcheck(server, ledger_database):
    server.execute("CREATE SCHEMA checks", database=ledger_database)
    server.execute("CREATE EXTENSION amcheck SCHEMA checks", database=ledger_database)
    for statement in ("USAGE ON SCHEMA checks", "EXECUTE ON ALL FUNCTIONS IN SCHEMA checks"):
        server.execute(f"GRANT {statement} TO auditor", database=ledger_database)


def test_a_sound_database_has_no_faults(store, amcheck):
    assert list(store.faults()) == []


def test_a_role_that_may_not_ask_learns_nothing(server, ledger_database, amcheck):
    with contextlib.closing(postgres.connect(server.url("writer", ledger_database), writing=False)) as store:
        assert list(store.faults()) == []


def test_an_index_that_lacks_a_row_is_found_inside_a_snapshot_too(store, server, ledger_database, amcheck):
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'tallystick.nodes_pkey'::regclass"
    with psycopg.connect(server.url("postgres", ledger_database), autocommit=True) as superuser:
        superuser.execute(ready.format("false"))
        superuser.execute("INSERT INTO tallystick.nodes VALUES (50, 1, %s)", [b"h" * 32])
        superuser.execute(ready.format("true"))
    with store.snapshot():
        (fault,) = store.faults()
        assert store.one("SELECT count(*) FROM entries") == (5,)
    assert fault.startswith("tallystick.nodes_pkey: heap tuple")


def test_a_page_that_was_damaged_on_disk_is_found(server, ledger_template, world):
    """The server's checksums notice it; fsck says so and goes no further than it can."""
    with server.database(template=ledger_template, strategy="file_copy") as name:  # nothing of it in memory yet
        ((path,),) = server.execute("SELECT pg_relation_filepath('tallystick.checkpoints')", database=name)
        with (server.data / path).open("r+b") as file:
            file.seek(8000)
            file.write(b"\xa5")
        found = fsck(server.url("auditor", name), key=world.key())
    assert any("invalid page" in str(problem) for problem in found.problems)

"""Layouts and their revisions: what a new ledger gets, what an older one becomes, on both databases."""

import contextlib
import hashlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from tallystick.errors import InvalidInput, NewerFormat, NotFound, TallystickError, Unavailable
from tallystick.ledger import postgres, sqlite, versions
from tallystick.ledger.guards import TABLES
from tallystick.ledger.places import connect

GOLDEN = Path(__file__).parent.parent / "golden" / "v1" / "ledger.db"

NEXT = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("ALTER TABLE entries ADD COLUMN remark TEXT")
    op.execute("{then}")
"""


@pytest.fixture
def folder(tmp_path):
    """``folder("SQL")``: the migrations, and one more that adds a column and then does something."""

    def folder(then="SELECT 1"):
        made = Path(shutil.copytree(versions.MIGRATIONS, tmp_path / "50% more" / "migrations"))
        (made / "versions" / "layout_0002.py").write_text(NEXT.format(then=then))
        return made

    return folder


@pytest.fixture
def golden(tmp_path):
    return Path(shutil.copy(GOLDEN, tmp_path / "ledger.db"))


def upgraded(place, **more):
    return (postgres if isinstance(place, str) else sqlite).bring_up(place, **more)


@pytest.fixture(params=["file", "database"])
def place(request):
    """A ledger of layout 1."""
    if request.param == "file":
        return request.getfixturevalue("golden")
    server = request.getfixturevalue("server")
    return server.url("owner", request.getfixturevalue("ledger_database"))


def rows(place):
    """All that the columns of layout 1 hold."""
    columns = {
        "entries": "seq, leaf, prev, kind, actor, recorded_at, idempotency_key, bytes",
        "nodes": "level, position, hash",
        "checkpoints": "size, previous, root, note",
        "attachments": "sha256, size, bytes",
        "side_values": "seq, name, salt, bytes",
        "links": "seq, target_seq",
    }
    assert columns.keys() == set(TABLES)
    with contextlib.closing(_opened(place)) as store:
        return {table: store.all(f"SELECT {of} FROM {table} ORDER BY 1, 2") for table, of in columns.items()}  # noqa: S608


def _opened(place):
    """A store on a ledger of whatever layout."""
    if isinstance(place, str):
        return postgres._session(postgres._parsed(place), writing=False, patience=1)
    connection = sqlite3.connect(place)
    return sqlite.SqliteStore(place, connection, writable=False, patience=1)


def laid_out(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        master = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
        tables = [(*names, sql and " ".join(sql.split())) for *names, sql in database.execute(master)]
        numbers = [database.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
    return tables, numbers


# --- what a new ledger gets -----------------------------------------------------------------------------------------


def test_alembic_lays_out_in_a_file_what_a_new_ledger_has(tmp_path, world):
    world.create(tmp_path / "new.db").close()
    empty = sqlite3.connect(tmp_path / "empty.db", isolation_level=None)
    with contextlib.closing(empty), versions.migrating(empty) as bound:
        empty.execute("BEGIN IMMEDIATE")
        assert versions.upgrade(bound) == 1
        empty.execute("COMMIT")
    assert laid_out(tmp_path / "empty.db") == laid_out(tmp_path / "new.db")


def test_there_is_one_newest_layout():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(versions.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert [int(script.revision) for script in scripts.walk_revisions()] == list(range(versions.HEAD, 0, -1))


def test_the_first_revision_is_frozen():
    """Ledgers were laid out by it: a change belongs in a revision of its own."""
    text = (versions.MIGRATIONS / "versions" / "layout_0001.py").read_bytes()
    assert hashlib.sha256(text).hexdigest() == FROZEN


# --- what an older one becomes --------------------------------------------------------------------------------------


def test_a_ledger_of_the_newest_layout_stays_as_it_is(place):
    before = rows(place)
    assert upgraded(place) == 1
    assert rows(place) == before
    connect(place, writing=False).close()


def test_the_golden_ledger_is_of_the_newest_layout(golden):
    before = golden.read_bytes()
    assert sqlite.bring_up(golden) == versions.HEAD
    assert golden.read_bytes()[100:] == before[100:], "but for counters in the header"
    assert laid_out(golden) == laid_out(GOLDEN)


def test_an_upgrade_keeps_every_row(place, folder):
    before = rows(place)
    assert all(before.values()), "every table has rows to lose"
    assert upgraded(place, folder=folder()) == 2
    assert rows(place) == before
    with contextlib.closing(_opened(place)) as store:
        assert store.one("SELECT count(*), count(remark) FROM entries") == (len(before["entries"]), 0)
    with pytest.raises(NewerFormat):
        connect(place, writing=False)
    with pytest.raises(NewerFormat):
        upgraded(place)


@pytest.mark.parametrize(
    "then", ["SELECT nothing", "UPDATE entries SET kind = 'x'", "DROP TABLE links; SELECT nothing"]
)
def test_an_upgrade_that_fails_leaves_the_ledger_as_it_was(place, folder, then):
    before = rows(place)
    with pytest.raises(TallystickError) as caught:
        upgraded(place, folder=folder(then))
    assert "\n" not in str(caught.value)
    assert rows(place) == before
    with contextlib.closing(connect(place, writing=False)) as store:
        expected, found = store.layout()
        assert found == expected


def test_only_the_owner_upgrades(server, ledger_database, folder):
    with pytest.raises(Unavailable, match="role writer may not"):
        postgres.bring_up(server.url("writer", ledger_database), folder=folder())


def test_what_is_no_ledger_is_not_upgraded(tmp_path, server, database):
    with pytest.raises(NotFound):
        sqlite.bring_up(tmp_path / "ledger.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (a)")
    with pytest.raises(InvalidInput):
        sqlite.bring_up(tmp_path / "other.db")
    (tmp_path / "text.db").write_text("not a database at all, but long enough to be taken for one" * 20)
    with pytest.raises(InvalidInput):
        sqlite.bring_up(tmp_path / "text.db")
    with pytest.raises(NotFound):
        postgres.bring_up(server.url("owner", database))


FROZEN = "35a93f1579b528233b323cbc98cf835fbda0d80b1d484dad397940ae6616456c"

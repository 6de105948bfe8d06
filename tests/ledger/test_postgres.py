"""The store of a ledger in PostgreSQL, on a real server: statements, turns, broken connections, what is let in."""

# ruff: noqa: PT012 - it is the whole turn that fails

import contextlib
import hashlib
import logging
import subprocess
import sys
import threading
import time

import pytest

from _postgres import Server
from tallystick.errors import (
    CommitUnknown,
    InvalidInput,
    LedgerBusy,
    Malformed,
    NewerFormat,
    NotFound,
    Refused,
    TallystickError,
    Tampered,
    Unavailable,
    UsageError,
)
from tallystick.ledger import postgres, versions
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger

NODE = "INSERT INTO nodes VALUES (?, ?, ?)"
ENTRY = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
COUNT = "SELECT count(*) FROM nodes WHERE level = 50"
HASH = b"h" * 32
LONG = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(200))
"""More than a line of an index holds, and hard to compress."""


def node(position, value=HASH):
    """A row that no tree has, so that tests find theirs."""
    return 50, position, value


@pytest.fixture
def url(server, ledger_database):
    return server.url("owner", ledger_database)


@pytest.fixture
def opened(server, ledger_database):
    """``opened("writer", patience=1)``: a store on the ledger, closed at the end."""
    with contextlib.ExitStack() as stack:

        def opened(role="owner", *, writing=True, patience=20):
            where = server.url(role, ledger_database)
            return stack.enter_context(contextlib.closing(postgres.connect(where, writing=writing, patience=patience)))

        yield opened


@pytest.fixture
def store(opened):
    return opened()


@pytest.fixture
def terminate(server):
    """``terminate(store)``: the server ends that connection."""

    def terminate(store):
        pid = store._connection.info.backend_pid
        assert server.execute(f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]

    return terminate


# --- statements -----------------------------------------------------------------------------------------------------


def test_values_come_back_as_they_were_handed_in(store):
    leaf, raw = bytes(range(32)), bytes(range(256))
    with store.turn():
        assert store.run(ENTRY, 2**53, leaf, HASH, "näïve %s ?", "a", "t", None, raw) == 1
    row = store.one("SELECT * FROM entries WHERE seq = ? AND kind = ?", 2**53, "näïve %s ?")
    assert row == (2**53, leaf, HASH, "näïve %s ?", "a", "t", None, raw)
    assert [type(value) for value in row] == [int, bytes, bytes, str, str, str, type(None), bytes]


def test_the_numbers_a_query_computes_are_ints(store):
    query = "SELECT count(*), max(seq), coalesce(max(position), -1), length(?) FROM entries JOIN nodes ON level > 0"
    row = store.one(query, "four")
    assert [type(value) for value in row] == [int] * 4


def test_one_is_the_first_row_or_none_and_all_are_all(store):
    assert store.one("SELECT seq FROM entries WHERE seq > ? ORDER BY seq", 2) == (3,)
    assert store.one("SELECT seq FROM entries WHERE seq > ?", 99) is None
    assert store.all("SELECT seq FROM entries ORDER BY seq DESC LIMIT ?", 2) == [(4,), (3,)]
    assert store.all("SELECT seq FROM entries WHERE seq > ?", 99) == []


@pytest.mark.parametrize("several", [0, 1, 2, 1000])
def test_many_rows_are_inserted_by_one_call(store, several):
    with store.turn():
        store.many(NODE, (node(position) for position in range(several)))
        assert store.one(COUNT) == (several,)
    assert store.one(COUNT) == (several,)


ODD = ("", "\\N", "\\.", "tab\tline\nreturn\r", "back\\slash", "'quote\"", "näïve 🙂", "%s ?", "{NULL}", None)


@pytest.mark.parametrize("query", [ENTRY, f"{ENTRY} ON CONFLICT DO NOTHING"])
def test_many_rows_are_kept_as_they_were_handed_in(store, query):
    rows = [
        (
            100 + number,
            bytes([number]) * 32,
            bytes([9, number] * 16),
            "k",
            "a",
            "t",
            text,
            bytes([number, 92, 10, 9, 0]),
        )
        for number, text in enumerate(ODD)
    ]
    with store.turn():
        store.many(query, rows)
    assert store.all("SELECT * FROM entries WHERE seq >= 100 ORDER BY seq") == rows


def test_text_is_compared_by_its_bytes_whatever_the_databases_language(store):
    query = (
        "SELECT DISTINCT collation_name::text FROM information_schema.columns WHERE table_schema = ? AND data_type = ?"
    )
    assert store.all(query, "tallystick", "text") == [("C",)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tallystick.entries SET kind = 'x'",
        "DELETE FROM entries",
        "INSERT INTO alembic_version VALUES ('9')",
        "TRUNCATE entries",
        "DROP TABLE entries",
        "SET session_replication_role = replica",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "COMMIT",
    ],
)
def test_only_the_ledgers_statements_are_sent(store, statement):
    with pytest.raises(UsageError, match="not a statement that the ledger makes"):
        store.run(statement)


def test_a_reader_cannot_write_even_as_the_owner(opened):
    reader = opened(writing=False)
    with pytest.raises(UsageError):
        reader.run(NODE, *node(1))
    with pytest.raises(Unavailable, match="only reads"):
        reader.all("WITH made AS (INSERT INTO nodes VALUES (50, 1, ?) RETURNING 1) SELECT * FROM made", HASH)
    with pytest.raises(UsageError, match="opened for reading"), reader.turn():
        pass
    assert reader.one(COUNT) == (0,)


@pytest.mark.parametrize(
    ("query", "values", "error"),
    [
        (NODE, (1, 0, HASH), Tampered),
        (NODE, (50, -1, HASH), Tampered),
        (NODE, (50, 1, b"short"), Tampered),
        ("INSERT INTO links VALUES (?, ?)", (77, 76), Tampered),
        (ENTRY, (9, HASH, HASH, "k", "a", "t", LONG, b""), InvalidInput),
        (ENTRY, (9, HASH, HASH, "k\0", "a", "t", None, b""), InvalidInput),
        (NODE, (2**40, 1, HASH), InvalidInput),
        ("SELECT nothing FROM entries", (), Unavailable),
        ("DELETE FROM side_values WHERE name = 'by' RETURNING 1/0", (), InvalidInput),
    ],
)
def test_errors_of_the_driver_leave_as_ours(store, query, values, error):
    with pytest.raises(error) as caught:
        store.run(query, *values)
    assert caught.value.where == store.where
    assert "\n" not in str(caught.value)


def test_what_the_guards_refuse_is_said_in_their_words(store):
    with pytest.raises(Refused, match="entries is append-only"):
        store.administer("UPDATE tallystick.entries SET kind = 'x'")


def test_one_bad_row_of_many_is_an_error_of_ours_and_leaves_none(store):
    for rows in ([node(1), node(2, b"short")], [node(1), node(1)], [node(1), (50, 2)], [node(1), (50, "x", HASH)]):
        with pytest.raises((Tampered, InvalidInput)), store.turn():
            store.many(NODE, rows)
        assert store.one(COUNT) == (0,)


# --- turns ----------------------------------------------------------------------------------------------------------


def test_what_was_written_in_a_turn_is_there_when_it_ends_and_not_before(store, opened):
    reader = opened("auditor", writing=False)
    with store.turn():
        store.run(NODE, *node(1))
        assert reader.one(COUNT) == (0,)
    assert reader.one(COUNT) == (1,)


def test_an_error_inside_a_turn_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError), store.turn():
        store.run(NODE, *node(1))
        raise ZeroDivisionError
    assert store.one(COUNT) == (0,)
    with store.turn():
        store.run(NODE, *node(2))
    assert store.one(COUNT) == (1,)


def test_a_failed_statement_that_was_passed_over_is_not_taken_for_success(store):
    """PostgreSQL ends such a transaction by a rollback, and answers the commit without an error."""
    with pytest.raises(Unavailable, match="had failed"), store.turn():
        store.run(NODE, *node(1))
        with contextlib.suppress(Tampered):
            store.run(NODE, *node(1))
    assert store.one(COUNT) == (0,)


def test_one_at_a_time_and_the_others_wait_in_turn(opened):
    order, first = [], opened()

    def another(number):
        with contextlib.closing(first.successor()) as store, store.turn():
            order.append(number)

    with first.turn():
        threads = []
        for number in range(4):
            threads.append(threading.Thread(target=another, args=(number,)))
            threads[-1].start()
            while first.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != (
                number + 1,
            ):
                time.sleep(0.005)
        assert order == []
    for thread in threads:
        thread.join(30)
    assert sorted(order) == [0, 1, 2, 3]


def test_who_waits_longer_than_the_patience_is_told_that_others_write(store, opened):
    impatient = opened(patience=0.05)
    with store.turn(), pytest.raises(LedgerBusy, match=r"0\.05 s"), impatient.turn():
        pass
    with impatient.turn():
        impatient.run(NODE, *node(1))


def test_after_waiting_a_writer_sees_what_was_committed_meanwhile(server, opened, ledger_database):
    """Whatever isolation the role has by default: a snapshot taken before the lock would hold an old head."""
    server.execute(f"ALTER ROLE writer IN DATABASE {ledger_database} SET default_transaction_isolation = serializable")
    server.execute(f"ALTER ROLE writer IN DATABASE {ledger_database} SET default_transaction_read_only = on")
    first, second = opened("writer"), opened("writer")
    seen = []

    def wait():
        with second.turn():
            seen.append(second.one(COUNT))

    with first.turn():
        thread = threading.Thread(target=wait)
        thread.start()
        while not first.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")[0]:
            time.sleep(0.005)
        first.run(NODE, *node(1))
    thread.join(30)
    assert seen == [(1,)]


COUNTER = f"""
import sys
from tallystick.ledger import postgres
store = postgres.connect(sys.argv[1], writing=True, patience=60)
for _ in range(40):
    with store.turn():
        (count,) = store.one({COUNT!r})
        store.run({NODE!r}, 50, count, {HASH!r})
store.close()
"""


def test_two_processes_never_take_the_same_turn(server, ledger_database, opened):
    command = [sys.executable, "-c", COUNTER, server.url("writer", ledger_database)]
    children = [subprocess.Popen(command) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert opened().one(COUNT) == (80,)


def test_a_snapshot_sees_the_ledger_as_it_was_at_its_first_read(store, opened):
    reader = opened("auditor", writing=False)
    with reader.snapshot():
        assert reader.one(COUNT) == (0,)
        with store.turn():
            store.run(NODE, *node(1))
        assert reader.one(COUNT) == (0,)
    assert reader.one(COUNT) == (1,)


def test_a_snapshot_goes_on_after_a_read_that_failed(store, opened):
    """And is the same one."""
    reader = opened("auditor", writing=False)
    with reader.snapshot():
        assert reader.one(COUNT) == (0,)
        for _ in range(2):
            with pytest.raises(Unavailable):
                reader.one("SELECT nothing FROM entries")
            with pytest.raises(Unavailable):
                reader.all("SELECT nothing FROM entries")
        with store.turn():
            store.run(NODE, *node(1))
        assert reader.one(COUNT) == (0,)
    assert reader.one(COUNT) == (1,)


def test_a_snapshot_inside_a_turn_sees_the_turns_own_rows(store):
    with store.turn():
        store.run(NODE, *node(1))
        with store.snapshot():
            assert store.one(COUNT) == (1,)
        store.run(NODE, *node(2))
    assert store.one(COUNT) == (2,)


def test_a_turn_is_not_begun_in_another_or_in_a_snapshot(store):
    for begun in (store.turn, store.snapshot):
        with begun(), pytest.raises(UsageError, match="has begun already"), store.turn():
            pass
    assert not store._in_transaction()


def test_another_connection_for_reading_is_one_for_reading(store):
    with contextlib.closing(store.again()) as other:
        assert other.where == store.where
        with pytest.raises(UsageError):
            other.run(NODE, *node(1))


# --- broken connections ---------------------------------------------------------------------------------------------


def test_a_connection_that_breaks_in_a_turn_leaves_nothing_behind(store, opened, terminate):
    with pytest.raises(Unavailable) as caught, store.turn():
        store.run(NODE, *node(1))
        terminate(store)
        store.run(NODE, *node(2))
    assert type(caught.value) is Unavailable
    assert store.failed
    assert opened().one(COUNT) == (0,)


def test_a_connection_that_broke_before_the_commit_is_known_to_have_committed_nothing(store, opened, terminate):
    with pytest.raises(Unavailable) as caught, store.turn():
        store.run(NODE, *node(1))
        terminate(store)
    assert type(caught.value) is Unavailable
    assert opened().one(COUNT) == (0,)


def test_a_store_that_failed_has_a_successor(store, terminate):
    terminate(store)
    with pytest.raises(Unavailable), store.turn():
        pass
    assert store.failed
    with contextlib.closing(store.successor()) as other:
        assert not other.failed
        with other.turn():
            other.run(NODE, *node(1))
        assert other.one(COUNT) == (1,)


@pytest.fixture
def slow_commit(server, ledger_database):
    """Commits that insert nodes take as long as somebody holds the advisory lock 1."""
    for statement in (
        "CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON tallystick.nodes DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION public.wait()",
    ):
        server.execute(statement, role="owner", database=ledger_database)


def test_a_connection_that_breaks_while_the_server_commits_leaves_it_open(store, opened, terminate, slow_commit):
    holder, reader = opened(), opened(writing=False)
    holder.administer("SELECT pg_advisory_lock(1)")

    def cut():
        while not reader.one("SELECT count(*) FROM pg_locks WHERE NOT granted")[0]:
            time.sleep(0.005)
        terminate(store)

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(CommitUnknown), store.turn():
        store.run(NODE, *node(1))
    thread.join(30)
    assert store.failed
    holder.administer("SELECT pg_advisory_unlock(1)")
    with contextlib.closing(store.successor()) as other, other.turn():
        assert other.one(COUNT) == (0,)


def test_what_the_server_refuses_at_the_commit_is_known_not_to_be_there(store, opened, slow_commit, server):
    holder = opened()
    holder.administer("SELECT pg_advisory_lock(1)")
    store.administer("SET lock_timeout = '50ms'")
    store._patience = 0.05
    with pytest.raises(LedgerBusy), store.turn():
        store.run(NODE, *node(1))
    assert not store.failed
    assert store.one(COUNT) == (0,)


# --- synchronous standbys -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waiting():
    """A server whose commits wait for a standby that never comes, and its ledger's URL."""
    with Server(settings={"fsync": "off", "log_min_messages": "fatal"}) as server:
        server.execute("CREATE ROLE owner LOGIN")
        with server.database() as name, postgres.lay_out(server.url("owner", name)):
            pass
        with server.database() as name:
            with postgres.lay_out(server.url("owner", name)):
                pass
            yield server, server.url("owner", name)


@pytest.fixture
def ghost(waiting):
    server, url = waiting

    def is_expected(name):
        server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        server.execute("SELECT pg_reload_conf()")
        while server.execute("SHOW synchronous_standby_names") != [(name,)]:
            time.sleep(0.005)

    with contextlib.closing(postgres.connect(url, writing=True, patience=0.2)) as store:
        is_expected("ghost")
        yield server, store, is_expected
        is_expected("")


def waits(server):
    return server.execute("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname LIKE 'test%'")


@pytest.mark.parametrize("ended", ["cancel", "terminate"])
def test_a_commit_that_did_not_reach_its_standby_is_unknown_until_it_has(ghost, ended):
    """The server says COMMIT with a warning, or nothing at all; the row is there, but a failover would lose it."""
    server, store, is_expected = ghost
    (before,) = store.one(COUNT)

    def cut():
        while not waits(server):
            time.sleep(0.005)
        server.execute(f"SELECT pg_{ended}_backend({waits(server)[0][0]})")

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(CommitUnknown), store.turn():
        store.run(NODE, *node(before))
    thread.join(30)
    assert store.failed
    settled = threading.Thread(target=lambda: found.append(store.successor()))
    found = []
    settled.start()
    while not waits(server):
        time.sleep(0.005)
    assert found == [], "the successor waits for the standby too"
    is_expected("")
    settled.join(30)
    with contextlib.closing(found[0]) as other:
        assert other.one(COUNT) == (before + 1,)


def test_while_one_waits_for_the_standby_nobody_else_has_a_turn(ghost, waiting):
    server, store, is_expected = ghost
    (before,) = store.one(COUNT)

    def write():
        with store.turn():
            store.run(NODE, *node(before))

    thread = threading.Thread(target=write)
    thread.start()
    while not waits(server):
        time.sleep(0.005)
    with contextlib.closing(postgres.connect(waiting[1], writing=True, patience=0.05)) as other:
        with pytest.raises(LedgerBusy), other.turn():
            pass
        assert other.one(COUNT) == (before,), "and it is not shown"
    is_expected("")
    thread.join(30)
    assert store.one(COUNT) == (before + 1,)


def test_a_standby_is_read_and_never_written_to_and_told_of_on_both_sides(waiting):
    server, url = waiting
    with Server.standby_of(server, settings={"fsync": "off"}) as standby:
        there = url.replace(str(server.folder).replace("/", "%2F"), str(standby.folder).replace("/", "%2F"))
        with pytest.raises(Unavailable, match="standby"):
            postgres.connect(there, writing=True)
        with pytest.raises(Unavailable, match="standby"):
            postgres.connect(there + "&target_session_attrs=any", writing=True)
        while not server.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"):
            time.sleep(0.005)
        with contextlib.closing(postgres.connect(there, writing=False)) as reader:
            assert any("this server is a standby" in warning for warning in reader.condition().warnings)
        with contextlib.closing(postgres.connect(url, writing=False)) as reader:
            assert any("follow asynchronously" in warning for warning in reader.condition().warnings)


def test_of_several_hosts_the_primary_is_written_to(waiting):
    server, url = waiting
    with Server.standby_of(server, settings={"fsync": "off"}) as standby:
        hosts = f"{standby.folder},{server.folder}".replace("/", "%2F").replace(",", "%2C")
        both = url.replace(str(server.folder).replace("/", "%2F"), hosts)
        with contextlib.closing(postgres.connect(both, writing=True)) as store, store.turn():
            assert store.one("SELECT pg_is_in_recovery()") == (False,)


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by_default", "holds"), [("off", "on"), ("local", "on"), ("remote_write", "on"), ("remote_apply", "remote_apply")]
)
def test_a_commit_is_always_synchronous(server, ledger_database, opened, by_default, holds):
    server.execute(f"ALTER ROLE writer IN DATABASE {ledger_database} SET synchronous_commit = {by_default}")
    assert opened("writer").one("SELECT current_setting('synchronous_commit')") == (holds,)


def test_a_temporary_table_of_the_same_name_does_not_shadow_the_ledgers(store):
    store.administer("CREATE TEMP TABLE entries (seq BIGINT)")
    assert store.one("SELECT count(*) FROM entries") == (5,)


def test_how_a_role_likes_its_names_printed_changes_no_finding(server, ledger_database, world):
    server.execute("ALTER ROLE auditor SET quote_all_identifiers = on")
    try:
        assert fsck(server.url("auditor", ledger_database), key=world.key()).ok
    finally:
        server.execute("ALTER ROLE auditor RESET quote_all_identifiers")


def test_a_writer_who_went_silent_is_cut_off(store):
    assert store.one("SELECT current_setting('idle_in_transaction_session_timeout')") == ("5min",)


# --- opening --------------------------------------------------------------------------------------------------------


def test_connecting_makes_nothing(server, database):
    for writing in (True, False):
        with pytest.raises(NotFound, match="no ledger in this database"):
            postgres.connect(server.url("owner", database), writing=writing)
    assert server.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'tallystick'", database=database) == []


@pytest.mark.parametrize(
    ("version", "error"),
    [("0002", NewerFormat), ("0099", NewerFormat), ("0000", Malformed), ("main", Malformed), (None, Malformed)],
)
def test_a_ledger_of_another_layout_is_not_opened(server, ledger_database, url, version, error):
    server.execute("DELETE FROM tallystick.alembic_version", database=ledger_database)
    if version:
        server.execute(f"COPY tallystick.alembic_version FROM PROGRAM 'echo {version}'", database=ledger_database)
    with pytest.raises(error):
        postgres.connect(url, writing=False)


def test_an_older_layout_is_refused_with_what_to_do(url, monkeypatch):
    monkeypatch.setattr(versions, "HEAD", 2)
    with pytest.raises(Refused, match="tallystick ledger upgrade"):
        postgres.connect(url, writing=False)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se/cret@host/db",
        "postgresql://me:p%ZZsecret@host/db",
        "postgresql://me:p@secret@host/db",
        "postgresql://host/db?secret=1",
        "postgresql://me@host:secret/db",
        "host=secret",
        "mysql://me:secret@host/db",
    ],
)
def test_a_url_that_is_none_is_told_without_showing_it(url):
    with pytest.raises(TallystickError) as caught:
        postgres.connect(url, writing=False, patience=0.1)
    assert isinstance(caught.value, UsageError)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="No such file"):
        postgres.connect(f"postgresql:///ledger?host={tmp_path}", writing=False)
    with pytest.raises(Unavailable, match="refused"):
        postgres.connect("postgresql://127.0.0.1:1/ledger", writing=False)


def test_a_database_or_role_that_is_not_there_is_unavailable(server, ledger_database):
    with pytest.raises(Unavailable, match="does not exist"):
        postgres.connect(server.url("owner", "nowhere"), writing=False)
    with pytest.raises(Unavailable, match="does not exist"):
        postgres.connect(server.url("nobody", ledger_database), writing=False)


def test_a_role_without_rights_is_not_let_in(server, ledger_database):
    with pytest.raises(Unavailable, match="role stranger may not"):
        postgres.connect(server.url("stranger", ledger_database), writing=False)


@pytest.fixture(scope="module")
def _locked(server):
    server.execute("CREATE ROLE locked LOGIN PASSWORD 'open sesame' IN ROLE with_password")


@pytest.fixture
def locked(_locked, server, database):
    """A ledger's URL, but for the password."""
    server.execute(f"ALTER DATABASE {database} OWNER TO locked")
    with postgres.lay_out(server.url("locked", database, password="open sesame")):
        pass
    return server.url("locked", database)


@pytest.mark.parametrize("given", ["in the url", "as a parameter", "in a file", "in the environment"])
def test_a_password_opens_and_is_never_shown(locked, given, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    url = locked
    if given == "in the url":
        url = url.replace("locked@", "locked:open%20sesame@")
    elif given == "as a parameter":
        url += "&password=open%20sesame"
    elif given == "in a file":
        (tmp_path / "pass").write_text("*:*:*:locked:open sesame\n")
        (tmp_path / "pass").chmod(0o600)
        url += f"&passfile={tmp_path / 'pass'}"
    else:
        monkeypatch.setenv("PGPASSWORD", "open sesame")
    with contextlib.closing(postgres.connect(url, writing=True)) as store:
        with pytest.raises(TallystickError) as caught:
            store.administer("DROP TABLE nothing")
        shown = f"{store!r} {store.where} {caught.value} {caught.value.as_json()} {caplog.text}"
    assert store.where == f"{locked.partition('?')[0]}?host={locked.partition('?host=')[2]}".replace("%2F", "/")
    assert "sesame" not in shown


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_wrong_or_missing_password_is_unavailable_and_not_shown(locked, password):
    url = locked.replace("locked@", f"locked:{password}@") if password else locked
    with pytest.raises(Unavailable, match="password") as caught:
        postgres.connect(url, writing=False)
    assert "wrong" not in str(caught.value)
    assert "wrong" not in str(caught.value.__cause__)


# --- laying out -----------------------------------------------------------------------------------------------------


def test_an_error_while_a_ledger_is_laid_out_leaves_no_ledger(server, database):
    url = server.url("owner", database)
    with pytest.raises(ZeroDivisionError), postgres.lay_out(url) as store:
        store.run(NODE, *node(1))
        raise ZeroDivisionError
    with pytest.raises(NotFound):
        postgres.connect(url, writing=False)
    with postgres.lay_out(url) as store:
        store.run(NODE, *node(1))
    with contextlib.closing(postgres.connect(url, writing=False)) as store:
        assert store.one(COUNT) == (1,)


def test_a_ledger_is_never_laid_out_where_something_is(server, database, url):
    with pytest.raises(Refused, match="never overwritten"), postgres.lay_out(url):
        pass
    server.execute("CREATE SCHEMA tallystick", database=database)
    with pytest.raises(Refused), postgres.lay_out(server.url("owner", database)):
        pass


def test_a_role_that_may_not_make_a_schema_makes_no_ledger(server, database):
    with pytest.raises(Unavailable, match="role stranger may not"), postgres.lay_out(server.url("stranger", database)):
        pass


def test_a_role_that_may_only_connect_is_told_so(server, database):
    """As on the page about PostgreSQL, where PUBLIC has no right: the layout's own tool closes the connection then."""
    server.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    server.execute(f"GRANT CONNECT ON DATABASE {database} TO stranger")
    with pytest.raises(Unavailable, match="role stranger may not"), postgres.lay_out(server.url("stranger", database)):
        pass


def test_a_database_that_cannot_hold_every_text_is_refused(server, database):
    server.execute(f"CREATE DATABASE {database}_1 OWNER owner TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with pytest.raises(InvalidInput, match="UTF8"), postgres.lay_out(server.url("owner", f"{database}_1")):
            pass
    finally:
        server.execute(f"DROP DATABASE {database}_1")


# --- a whole ledger -------------------------------------------------------------------------------------------------


def test_a_writer_appends_with_the_rights_it_was_given(server, ledger_database, world, outside):
    place = server.url("writer", ledger_database)
    with Ledger.open(place, signer=world.signer()) as ledger:
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("by a writer", idempotency_key="once"))
        with ledger.writing(now=world.clock) as writer:
            assert writer.append(world.document("by a writer", idempotency_key="once")).repeated
        assert len(writer.receipts) == 1
        with pytest.raises(Unavailable, match="role writer may not"), ledger.writing(now=world.clock) as writer:
            writer.erase(ledger.entry(4), "by")
    assert len(outside(place)) == 6
    assert fsck(server.url("auditor", ledger_database), key=world.key()).ok


def test_an_older_database_put_in_its_place_is_not_written_to(server, ledger_database, world, outside, terminate):
    """What a failover to a standby that was behind, or a backup, leaves a writer with that goes on."""
    with server.database(template=ledger_database) as older:
        place = server.url("writer", ledger_database)
        with Ledger.open(place, signer=world.signer()) as ledger:
            with ledger.writing(now=world.clock) as writer:
                writer.append(world.document("acknowledged"))
            terminate(ledger._store)
            _exchange(server, ledger_database, older)
            for _ in range(2):
                with pytest.raises(Tampered, match="went back"), ledger.writing(now=world.clock) as writer:
                    writer.append(world.document("a second history"))
        assert len(outside(place)) == 5
        _exchange(server, ledger_database, older)


def _exchange(server, one, other):
    for name, called in ((one, "aside"), (other, one), ("aside", other)):
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        server.execute(f"ALTER DATABASE {name} RENAME TO {called}")


# --- imports --------------------------------------------------------------------------------------------------------


def test_the_driver_is_imported_on_first_use_and_its_absence_told_with_the_remedy():
    program = """
import sys
from tallystick.errors import MissingProgram
from tallystick.ledger import postgres
assert not {"psycopg", "alembic", "sqlalchemy"} & set(sys.modules)
sys.modules["psycopg"] = None
try:
    postgres.connect("postgresql://host/db", writing=False)
except MissingProgram as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "tallystick[postgres]"' in done.stdout


def test_connecting_loads_neither_alembic_nor_sqlalchemy(url):
    program = """
import sys
from tallystick.ledger import postgres
postgres.connect(sys.argv[1], writing=True).close()
assert not {"alembic", "sqlalchemy", "sqlmodel"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program, url], check=True)

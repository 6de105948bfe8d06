"""Who may do what to a ledger in PostgreSQL, what `doctor` says of it, and what scrubbing leaves."""

import contextlib

import pytest

from tallystick.errors import InvalidInput, LedgerBusy, NotFound, Refused, Unavailable, UsageError
from tallystick.ledger import postgres
from tallystick.ledger.guards import TABLES
from tallystick.ledger.ledger import Ledger
from tallystick.records import Attachment

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


@pytest.fixture
def url(server, ledger_database):
    return server.url("owner", ledger_database)


@pytest.fixture
def execute(server, ledger_database):
    """``execute(statement, values, role="owner")`` in the ledger's database, by default as superuser."""

    def execute(statement, values=None, *, role="postgres"):
        return server.execute(statement, values, role=role, database=ledger_database)

    return execute


@pytest.fixture
def role(execute):
    """``role("NAME", "IN ROLE x")``: roles that are gone after the test."""
    made = []

    def role(name, options=""):
        quoted = '"{}"'.format(name.replace('"', '""'))
        execute(f"CREATE ROLE {quoted} LOGIN {options}")
        made.append(quoted)
        return name

    yield role
    for quoted in reversed(made):
        execute(f"DROP OWNED BY {quoted}")
        execute(f"DROP ROLE {quoted}")


def rights(execute, role):
    found = execute(
        "SELECT c.relname::text, v.verb FROM pg_class c, unnest(%s::text[]) AS v(verb)"
        " WHERE c.relnamespace = 'tallystick'::regnamespace AND c.relkind = 'r'"
        " AND has_table_privilege(%s::name, c.oid, v.verb)",
        [list(VERBS), role],
    )
    return set(found)


READS = {(table, "SELECT") for table in (*TABLES, "alembic_version")}
APPENDS = {(table, "INSERT") for table in TABLES}


# --- granting -------------------------------------------------------------------------------------------------------


def test_a_writer_reads_and_appends_and_an_auditor_reads(execute):
    assert rights(execute, "writer") == READS | APPENDS
    assert rights(execute, "auditor") == READS
    assert rights(execute, "stranger") == set()


def test_a_role_with_an_odd_name_is_granted_its_rights_and_nobody_elses(execute, url, role):
    odd = role("o\"d', PUBLIC; DROP TABLE links; --")
    postgres.grant(url, auditors=[odd])
    assert rights(execute, odd) == READS
    assert rights(execute, "stranger") == set()


def test_granting_takes_back_what_was_more(execute, url):
    execute("GRANT ALL ON ALL TABLES IN SCHEMA tallystick TO writer, auditor, PUBLIC", role="owner")
    execute("GRANT ALL ON SCHEMA tallystick TO writer, PUBLIC", role="owner")
    postgres.grant(url, writers=["writer"], auditors=["auditor"])
    assert rights(execute, "writer") == READS | APPENDS
    assert rights(execute, "auditor") == READS
    assert rights(execute, "stranger") == set()
    assert execute("SELECT has_schema_privilege('writer', 'tallystick', 'CREATE')") == [(False,)]
    assert execute("SELECT has_schema_privilege('stranger', 'tallystick', 'USAGE')") == [(False,)]


def test_a_writer_becomes_an_auditor(execute, url):
    postgres.grant(url, auditors=["writer"])
    assert rights(execute, "writer") == READS


@pytest.mark.parametrize(
    ("roles", "error"),
    [
        ({}, UsageError),
        ({"writers": ["writer"], "auditors": ["writer"]}, UsageError),
        ({"writers": ["writer", "writer"]}, UsageError),
        ({"writers": ["nowhere"]}, InvalidInput),
        ({"writers": ["public"]}, InvalidInput),
        ({"writers": ["postgres"]}, Refused),
        ({"auditors": ["postgres"]}, Refused),
        ({"writers": ["owner"]}, Refused),
        ({"writers": ["stranger", "owner"]}, Refused),
    ],
)
def test_what_cannot_be_granted_changes_nothing(execute, url, roles, error):
    with pytest.raises(error):
        postgres.grant(url, **roles)
    assert rights(execute, "writer") == READS | APPENDS
    assert rights(execute, "stranger") == set()


@pytest.mark.parametrize(
    ("right", "told"),
    [
        ("CREATE ON SCHEMA tallystick", "schema tallystick.*got CREATE"),
        ("UPDATE (kind) ON tallystick.entries", "table entries.*got UPDATE"),
        ("REFERENCES (seq, name) ON tallystick.side_values", "table side_values.*got REFERENCES"),
        ("TRUNCATE ON tallystick.links", "table links.*got TRUNCATE"),
    ],
)
@pytest.mark.parametrize("given", ["writers", "auditors"])
def test_a_right_that_a_group_lends_is_one_too_many(execute, url, role, right, told, given):
    role("lends")
    execute(f"GRANT {right} TO lends", role="owner")
    with pytest.raises(Refused, match=told):
        postgres.grant(url, **{given: [role("member", "IN ROLE lends")]})


@pytest.mark.parametrize(
    ("group", "refused"),
    [
        ("owner", "the ledger's owner, or could become it"),
        ("pg_write_all_data", "more rights"),
        ("more", "more rights"),
    ],
)
def test_a_role_that_has_more_by_its_groups_is_refused(execute, url, role, group, refused):
    role("more")
    execute("GRANT UPDATE ON tallystick.entries TO more", role="owner")
    member = role("member", f'IN ROLE "{group}"')
    with pytest.raises(Refused, match=refused):
        postgres.grant(url, writers=[member])


def test_only_the_owner_grants(server, ledger_database):
    with pytest.raises(Unavailable, match="only the ledger's owner"):
        postgres.grant(server.url("writer", ledger_database), auditors=["stranger"])


def test_there_has_to_be_a_ledger(server, database):
    with pytest.raises(NotFound):
        postgres.grant(server.url("owner", database), auditors=["auditor"])


# --- what doctor says -----------------------------------------------------------------------------------------------


@pytest.fixture
def condition(server, ledger_database):
    """``condition("writer")``: what a store of that role says of itself."""

    def condition(role="auditor"):
        with contextlib.closing(postgres.connect(server.url(role, ledger_database), writing=False)) as store:
            return store.condition()

    return condition


FSYNC = "fsync is off: a crash of the server's machine can destroy the ledger"


def test_the_condition_of_a_well_kept_ledger(condition, server):
    found = condition("writer")
    assert found.warnings == (FSYNC,), "the test's server is in a hurry"
    assert found.facts["engine"].startswith("PostgreSQL 1")
    assert found.facts["durability"] == "synchronous_commit on, fsync off, full_page_writes on, data_checksums on"
    assert found.facts["server"] == "primary, connection not encrypted, on the same machine"
    assert found.facts["role"] == "writer, may SELECT, INSERT"
    assert found.facts["owner"] == "owner"
    assert found.facts["superusers"] == "postgres"
    assert found.facts["others who may change rows"] == "none"
    assert found.facts["triggers"] == "in place"


@pytest.mark.parametrize("role", ["owner", "postgres"])
def test_who_could_take_the_guards_away_is_told_so(condition, role):
    (warning,) = set(condition(role).warnings) - {FSYNC}
    assert warning.startswith("the owner (owner) and superusers could disable the triggers and change rows")


@pytest.mark.parametrize(
    ("statement", "warning"),
    [
        ("ALTER TABLE tallystick.entries DISABLE TRIGGER entries_no_change", "triggers that keep"),
        ("ALTER TABLE tallystick.entries ENABLE TRIGGER entries_no_change", "triggers that keep"),
        ("DROP TRIGGER links_no_truncate ON tallystick.links", "triggers that keep"),
        ("GRANT UPDATE ON tallystick.entries TO stranger", "change rows: stranger"),
        ("GRANT UPDATE (kind) ON tallystick.entries TO stranger", "change rows: stranger"),
        ("GRANT TRIGGER ON tallystick.entries TO stranger", "change rows: stranger"),
        ("GRANT DELETE ON tallystick.side_values TO PUBLIC", "change rows: auditor,"),  # and everybody else
        ("GRANT CREATE ON SCHEMA tallystick TO stranger", "change rows: stranger"),
    ],
)
def test_what_ought_to_be_otherwise_is_a_warning(condition, execute, statement, warning):
    execute(statement, role="owner")
    (found,) = set(condition().warnings) - {FSYNC}
    assert warning in found


def test_roles_that_can_become_the_owner_are_among_the_owners(condition, server, role):
    role("deputy", "NOINHERIT IN ROLE owner")
    assert condition().facts["owner"] == "owner, deputy"


# --- scrubbing ------------------------------------------------------------------------------------------------------

SECRET = b"a value that somebody wants erased" * 3


@pytest.fixture
def erased(url, world):
    """A ledger, open as its owner, of which a value has just been erased."""
    with Ledger.open(url, signer=world.signer()) as ledger:
        with ledger.writing(now=world.clock) as writer:
            salt = b"s" * 32
            writer.append(world.document("one", attachments=(Attachment("who", "text/plain", SECRET, salt=salt),)))
        with ledger.writing(now=world.clock) as writer:
            assert writer.erase(ledger.entry(5), "who")
        yield ledger


@pytest.fixture
def on_disk(server, execute):
    def on_disk():
        """Whether the secret is in the file of the table."""
        execute("CHECKPOINT")
        ((path,),) = execute("SELECT pg_relation_filepath('tallystick.side_values')")
        return SECRET in (server.data / path).read_bytes()

    return on_disk


def test_scrubbing_leaves_nothing_of_erased_values_in_the_table(erased, on_disk, outside, url):
    assert on_disk()
    erased.scrub()
    assert not on_disk()
    assert erased.part(erased.entry(5), "who") is None
    assert erased.personal(erased.entry(4), "by") == "Jo"
    assert len(outside(url)) == 6


def test_scrubbing_says_when_somebody_still_reads_the_ledger_as_it_was(erased, url, world, on_disk):
    with contextlib.closing(postgres.connect(url, writing=False)) as reader, reader.snapshot():
        assert reader.one("SELECT count(*) FROM entries") == (6,)
        with erased.writing(now=world.clock) as writer:
            assert writer.erase(erased.entry(4), "by")
        with pytest.raises(LedgerBusy, match=r"who still read the ledger as it was; got [12] rows"):
            erased.scrub()
    erased.scrub()
    assert not on_disk()


def test_a_writer_cannot_scrub(server, ledger_database, world):
    with (
        Ledger.open(server.url("writer", ledger_database), signer=world.signer()) as ledger,
        pytest.raises(Unavailable, match="role writer does not own the ledger"),
    ):
        ledger.scrub()

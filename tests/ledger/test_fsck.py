"""fsck: each thing that can be wrong in a ledger is found, and what is bad first is named right."""

# ruff: noqa: S608 - statements are put together from constants of this file

import contextlib
import os
import random
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import _trial_ledger as world
import pytest
import rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tallystick
from tallystick.canonical import leaf_hash
from tallystick.errors import InvalidInput, Malformed, NotFound, TallystickError, Tampered
from tallystick.ledger.fsck import examined, fsck
from tallystick.ledger.guards import TRIGGERS
from tallystick.ledger.ledger import Ledger, extends
from tallystick.ledger.store import in_order
from tallystick.proof.keys import Signer
from tallystick.proof.note import VerifierKey
from tallystick.records import Attachment, Personal

ENTRIES = 11
ZEROS = bytes(32)
SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def single(copied):
    """Eleven entries after the genesis, each under a checkpoint of its own."""
    return copied(entries=ENTRIES)


@pytest.fixture
def batched(copied):
    """The same in batches: checkpoints of 1, 5, 9 and 12 entries."""
    return copied(entries=ENTRIES, batch=4)


def fill(ledger):
    """One entry that has everything an entry can have beside it, and one that refers to it."""
    plain, secret = Attachment("plain", "text/plain", b"for all"), Attachment.erasable("secret", "text/plain", b"-")
    with ledger.writing(now=world.clock) as writer:
        full = writer.append(world.document("f", attachments=(plain, secret), personal=(Personal("by", "Jo Doe"),)))
        writer.append(world.document("next", supersedes=full.ref))


@pytest.fixture
def parts(copied):
    return copied(fill=fill)


def test_a_good_ledger_has_no_problems(single):
    found = fsck(single)
    assert found.ok
    assert found.first_bad is None
    assert (found.size, found.checkpoints) == (ENTRIES + 1, ENTRIES + 1)
    assert [note.what for note in found.notes] == ["checkpoints were judged by the key in the file itself"]


def test_with_the_right_key_there_is_nothing_to_note(single):
    key = VerifierKey(world.ORIGIN, world.signer().public)
    assert fsck(single, key=key).notes == ()


def test_with_another_key_nothing_holds(single):
    key = VerifierKey(world.ORIGIN, world.signer(9).public)
    found = fsck(single, key=key)
    assert found.first_bad == 0


def test_an_open_ledger_can_be_looked_at(single):
    with Ledger.open(single) as ledger:
        assert fsck(ledger).ok


def test_a_ledger_that_grows_meanwhile_is_no_problem(single):
    def grow():
        with Ledger.open(single, signer=world.signer()) as ledger:
            for number in range(40):
                with ledger.writing(now=world.clock) as writer:
                    writer.append(world.document(f"more {number}", personal=(Personal("by", "Jo"),)))

    thread = threading.Thread(target=grow)
    thread.start()
    found = [fsck(single)]
    while thread.is_alive():
        found.append(fsck(single))
    assert [item.problems for item in found] == [()] * len(found)
    assert fsck(single).size == ENTRIES + 41


def test_a_missing_file_is_not_a_ledger_without_problems(tmp_path):
    with pytest.raises(NotFound):
        fsck(tmp_path / "ledger.db")
    (tmp_path / "ledger.db").write_bytes(b"")
    with pytest.raises(InvalidInput):
        fsck(tmp_path / "ledger.db")


@pytest.fixture
def places(engine):
    """``places(name)``: the entries to try a change at. On a server, which takes longer, first, last and one between;
    what differs between engines is not what is wrong where.
    """

    def places(name):
        return range(ENTRIES + 1) if engine == "sqlite" else (0, 1 + len(name) % (ENTRIES - 1), ENTRIES)

    return places


def test_every_change_of_a_row_is_found_and_named(single, places):
    missed = []
    for name, alter in rows.CHANGES.items():
        for seq in places(name):
            with rows.altered(single, alter, seq, ENTRIES + 1) as (expected, store):
                found = examined(store).first_bad
            missed += [(name, seq, expected, found)] if found != expected else []
    assert missed == []


def test_a_change_in_a_batch_is_named_by_the_chain(batched, places):
    """Except where nothing contradicts it but the signature: then by the first entry under it."""
    missed = []
    for name, alter in rows.CHANGES.items():
        for seq in places(name):
            with rows.altered(batched, alter, seq, ENTRIES + 1) as (expected, store):
                found = examined(store).first_bad
            missed += [(name, seq, expected, found)] if found != expected else []
    assert missed == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_bit_of_an_entry_is_found(single, data):
    def flip(database, seq):
        (raw,) = database.execute("SELECT bytes FROM entries WHERE seq = ?", (seq,)).fetchone()
        bit = data.draw(st.integers(0, 8 * len(raw) - 1))
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        fits = data.draw(st.booleans(), label="leaf hash beside it made to fit")
        leaf = leaf_hash(changed if fits else raw)
        database.execute("UPDATE entries SET bytes = ?, leaf = ? WHERE seq = ?", (bytes(changed), leaf, seq))

    seq = data.draw(st.integers(0, ENTRIES))
    with rows.altered(single, flip, seq) as (_, store):
        assert examined(store).first_bad == seq


def test_two_bad_entries_are_both_named(single, change):
    change(single, "UPDATE entries SET kind = 'model' WHERE seq = 3", "DELETE FROM entries WHERE seq = 7")
    assert [problem.seq for problem in fsck(single).problems if problem.seq is not None] == [3, 7]


def test_a_removed_entry_leaves_the_others_provable(single, change):
    """Its leaf hash stands in the entry after it, so that all checkpoints can still be compared."""
    change(single, "DELETE FROM entries WHERE seq = 5")
    assert [(problem.seq, problem.what) for problem in fsck(single).problems if problem.seq is not None] == [
        (5, "entry is missing")
    ]


def test_a_removed_stretch_is_named_by_its_begin(single, change):
    change(single, "DELETE FROM entries WHERE seq BETWEEN 5 AND 7")
    first = next(problem for problem in fsck(single).problems if problem.seq is not None)
    assert (first.seq, first.detail) == (5, "entries 5 to 7")


def test_a_removed_end_is_found_by_its_checkpoints(single, change):
    change(single, "DELETE FROM entries WHERE seq > 7")
    assert fsck(single).first_bad == 8


@pytest.mark.parametrize("statement", ["DELETE FROM entries", ("UPDATE entries SET bytes = ?", b"\0")])
def test_a_ruined_ledger_is_bad_from_the_first_entry(single, change, statement):
    change(single, statement)
    assert fsck(single).first_bad == 0


@pytest.mark.parametrize("number", [2**63 - 1, 2**63 - 2, 2**62])
def test_a_row_with_a_number_as_large_as_can_be_is_found(single, change, world, number):
    stray = (b"\x01" * 32, b"\x02" * 32, b"\x00")
    change(single, (f"INSERT INTO entries VALUES ({number}, ?, ?, 'document', 'x', 'x', NULL, ?)", *stray))
    examined = fsck(single)
    assert examined.first_bad == ENTRIES + 1
    assert number in [problem.seq for problem in examined.problems]
    with Ledger.open(single, signer=world.signer()) as ledger:
        with pytest.raises(Malformed):
            list(ledger.entries())
        with pytest.raises(Tampered, match="fsck"), ledger.writing(now=world.clock):
            pass


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (("UPDATE nodes SET hash = ? WHERE level = 2", ZEROS), "stored hash of the tree differs from the entries"),
        ("DELETE FROM nodes WHERE level = 3", "stored hash of the tree is missing"),
        (("INSERT INTO nodes VALUES (9, 0, ?)", ZEROS), "stored hashes that belong to no tree"),
        (("INSERT INTO nodes VALUES (63, 1, ?)", ZEROS), "stored hashes that belong to no tree"),
        ("UPDATE nodes SET position = 40 WHERE level = 3", "stored hash of the tree is missing"),
        (("UPDATE checkpoints SET root = ? WHERE size = 5", ZEROS), "checkpoint of size 5 is stored under another"),
        (("UPDATE checkpoints SET note = ? WHERE size = 5", b"\0"), "checkpoint of size 5 does not verify"),
        ("DELETE FROM checkpoints WHERE size = 5", "checkpoint of size 6 does not follow the one before"),
        (("INSERT INTO attachments VALUES (?, 1, ?)", ZEROS, b"\0"), "attachments that no entry names"),
        (("INSERT INTO side_values VALUES (3, 'x', ?, ?)", ZEROS, b"\0"), "side values that no entry commits to"),
        ("INSERT INTO links VALUES (77, 3)", "references of no entry"),
    ],
)
def test_what_is_wrong_beside_the_entries_blames_no_entry(single, change, statement, what):
    change(single, statement)
    found = fsck(single)
    assert found.first_bad is None
    assert any(problem.what.startswith(what) for problem in found.problems)


@pytest.mark.parametrize(
    ("statement", "what", "seq"),
    [
        (("UPDATE attachments SET bytes = ?", b"for you"), "attachment was altered", 1),
        ("DELETE FROM attachments", "attachment is missing", 1),
        (("UPDATE side_values SET salt = ? WHERE name = 'by'", ZEROS), "side value is not the one", 1),
        (("UPDATE side_values SET bytes = ? WHERE name = 'by'", b'""'), "side value is not the one", 1),
        ("UPDATE side_values SET name = 'other' WHERE name = 'by'", "side values that no entry commits to", None),
        ("DELETE FROM links", "index of references differs", 2),
        ("INSERT INTO links VALUES (2, 0)", "index of references differs", 2),
        ("INSERT INTO links VALUES (1, 0)", "index of references differs", 1),
    ],
)
def test_what_is_wrong_beside_an_entry_names_it(parts, change, statement, what, seq):
    change(parts, statement)
    problem = fsck(parts).problems[0]
    assert problem.what.startswith(what)
    assert problem.seq == seq


def test_an_erased_value_is_noted_and_no_problem(parts):
    with Ledger.open(parts, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        assert writer.erase(ledger.entry(1), "by")
    found = fsck(parts)
    assert found.ok
    assert ("value was erased", "by") in [(note.what, note.detail) for note in found.notes if note.seq == 1]


def test_a_step_back_of_the_clock_is_noted_and_no_problem(copied):
    place = copied()
    with Ledger.open(place, signer=world.signer()) as ledger:
        for time in ("2026-03-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"):
            with ledger.writing(now=lambda time=time: time) as writer:
                writer.append(world.document(time))
    found = fsck(place)
    assert found.ok
    assert [note.seq for note in found.notes if "clock" in note.what] == [2]


# --------------------------------------------------------------------------- layout


@SQLITE
@pytest.mark.parametrize(
    ("statements", "what"),
    [
        (["DROP TRIGGER entries_no_delete"], "entries_no_delete is missing"),
        (
            [
                "DROP TRIGGER entries_no_delete",
                "CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries WHEN OLD.seq > 99"
                " BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END",
            ],
            "entries_no_delete is laid out differently",
        ),
        (["CREATE TABLE more (a)"], "more does not belong"),
        (["CREATE TRIGGER more AFTER INSERT ON entries BEGIN DELETE FROM side_values; END"], "more does not belong"),
        (["CREATE VIEW more AS SELECT 1"], "more does not belong"),
        (["DROP INDEX entries_kind"], "entries_kind is missing"),
        (["ALTER TABLE links ADD COLUMN more TEXT"], "links is laid out differently"),
        (["ALTER TABLE entries RENAME TO old"], "entries is missing"),
        (["DROP TABLE links"], "links is missing"),
    ],
)
def test_a_changed_layout_is_found(single, statements, what):
    with closing(sqlite3.connect(single, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)
    assert any(problem.what.startswith(what) for problem in fsck(single).problems)


ENDLESS = "WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more)"


@SQLITE
@pytest.mark.parametrize(
    "rows",
    [
        "SELECT kept.* FROM kept WHERE (SELECT count(*) FROM more)",
        "SELECT n seq, n size, x'' leaf, x'' bytes, x'' note FROM more",
    ],
)
@pytest.mark.parametrize("table", ["entries", "checkpoints"])
def test_a_view_in_place_of_a_table_is_not_read(single, table, rows):
    """It could compute for ever."""
    with closing(sqlite3.connect(single, isolation_level=None)) as database:
        database.execute(f"ALTER TABLE {table} RENAME TO kept")
        database.execute(f"CREATE VIEW {table} AS {ENDLESS} {rows}")
    assert f"{table} is laid out differently" in [problem.what for problem in fsck(single).problems]
    with pytest.raises(Malformed, match="fsck"), Ledger.open(single) as ledger:
        ledger.latest_checkpoint()


FORGETS = "CREATE TRIGGER {} BEFORE INSERT ON side_values BEGIN SELECT RAISE(IGNORE); END"


@SQLITE
@pytest.mark.parametrize("name", ["sqlite_more", "links_target", "entries_kind"])
def test_a_trigger_hides_behind_no_name(single, world, name):
    """Its personal values would be acknowledged and never stored, and look erased."""
    with closing(sqlite3.connect(single, isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "INSERT INTO sqlite_master VALUES ('trigger', ?, 'side_values', 0, ?)", (name, FORGETS.format(name))
        )
        database.execute("UPDATE sqlite_master SET rowid = 1000 WHERE name = ? AND type = 'index'", (name,))
    with Ledger.open(single, signer=world.signer()) as ledger, ledger.writing(now=world.clock) as writer:
        entry = writer.append(world.document("about", personal=(Personal("by", "Jo Doe"),))).entry
        assert writer.personal(entry, "by") is None, "the trigger is at work"
    assert any(problem.what.startswith(f"{name}") for problem in fsck(single, key=world.key()).problems)


@SQLITE
def test_a_damaged_file_is_found_or_says_the_same(parts, tmp_path):
    """Any byte of the file, one bit: found, or free space and index pages that nothing reads."""
    copy, chance = tmp_path / "copy.db", random.Random(5)
    before, good = bytearray(parts.read_bytes()), _said(parts)
    for place in chance.sample(range(len(before)), 250):
        bit = 1 << chance.randrange(8)
        before[place] ^= bit
        copy.write_bytes(before)
        before[place] ^= bit
        try:
            assert not fsck(copy).ok or _said(copy) == good, f"byte {place}, bit {bit}"
        except TallystickError:
            continue


@SQLITE
@pytest.mark.parametrize("value", ["'text'", "7", "0.5"])
@pytest.mark.parametrize(
    ("table", "name"),
    [
        *[("entries", "bytes"), ("entries", "leaf"), ("entries", "prev"), ("nodes", "hash")],
        *[("checkpoints", "note"), ("checkpoints", "root"), ("attachments", "bytes"), ("attachments", "sha256")],
        *[("side_values", "bytes"), ("side_values", "salt")],
    ],
)
def test_a_value_of_another_type_than_its_columns_is_found(parts, table, name, value):
    """One flipped bit in a row's header makes one. Found by the trial of flipped bits."""
    with closing(sqlite3.connect(parts, isolation_level=None)) as database:
        (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        _lay_out(database, table, re.sub(r",?\s*STRICT$", "", sql))
    with closing(sqlite3.connect(parts, isolation_level=None)) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute(f"DROP TRIGGER {table}_no_update")
        database.execute(f"UPDATE {table} SET {name} = {value} WHERE {name} = (SELECT max({name}) FROM {table})")
        database.execute(TRIGGERS[f"{table}_no_update"])
        _lay_out(database, table, sql)
    assert not fsck(parts).ok
    with contextlib.suppress(TallystickError):
        _said(parts)


def test_text_that_is_not_utf8_equals_no_text(path, change, world):
    """Not even the one that it was once read as: the next request with the same key would be recorded anew."""
    with world.create(path) as ledger, ledger.writing(now=world.clock) as writer:
        writer.append(world.document("once", idempotency_key=r"\xff"))
    change(path, "UPDATE entries SET idempotency_key = CAST(x'ff' AS TEXT) WHERE seq = 1")
    problem = fsck(path).problems[0]
    assert (problem.seq, problem.what) == (1, "column idempotency_key differs from the bytes")


def _lay_out(database, table, sql):
    database.execute("PRAGMA writable_schema = ON")
    database.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, table))


def _said(path):
    with Ledger.open(path, read_only=True) as ledger:
        lines = [(entry.raw, ledger.side(entry), ledger.part(entry, "plain")) for entry in ledger.entries()]
        return lines, list(ledger.checkpoints())


# --------------------------------------------------------------------------- against a kept checkpoint


def _rewritten(place, entries):
    """The history of another day, with the real key."""
    with world.create(place) as ledger:
        for number in range(entries):
            with ledger.writing(now=world.clock) as writer:
                writer.append(world.document(f"other {number}"))


@pytest.mark.parametrize("entries", [ENTRIES - 4, ENTRIES, ENTRIES + 4])
def test_a_history_rewritten_with_the_real_key_fails_against_a_kept_checkpoint(single, empty, entries):
    with Ledger.open(single) as ledger:
        kept = ledger.latest_checkpoint()
    _rewritten(empty(), entries)
    assert fsck(single).ok, "it is whole in itself"
    with Ledger.open(single) as ledger, pytest.raises(Tampered):
        extends(ledger, kept)


def test_a_history_cut_at_its_end_fails_against_a_kept_checkpoint(single, change):
    with Ledger.open(single) as ledger:
        kept, older = ledger.latest_checkpoint(), ledger.checkpoint_at(8)
    change(
        single,
        "DELETE FROM entries WHERE seq > 7",
        "DELETE FROM checkpoints WHERE size > 8",
        "DELETE FROM nodes WHERE (position + 1) << level > 8",
    )
    assert fsck(single).ok, "it is whole in itself"
    with Ledger.open(single) as ledger:
        extends(ledger, older)
        with pytest.raises(Tampered, match="shorter"):
            extends(ledger, kept)


def test_a_checkpoint_of_another_ledger_is_not_this_ones(single, tmp_path):
    other = Signer.generate("ed25519")
    genesis = world.genesis(other)
    with Ledger.create(tmp_path / "o.db", origin=world.ORIGIN, signer=other, first=[genesis], now=world.TIME) as ledger:
        note = ledger.latest_checkpoint()
    with Ledger.open(single) as ledger, pytest.raises(Tampered):
        extends(ledger, note)


# --------------------------------------------------------------------------- doctor


@SQLITE
def test_doctor_tells_how_the_file_is_kept(single):
    with Ledger.open(single) as ledger:
        condition = ledger.condition()
    facts = " ".join(condition.facts.values())
    for said in (f"SQLite {sqlite3.sqlite_version}", f"{single.stat().st_size} bytes", "wal, synchronous FULL", "0600"):
        assert said in facts
    assert condition.warnings == ()


@SQLITE
def test_the_journal_of_a_file_that_this_user_may_only_read_is_not_guessed(single, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _, right: right == os.R_OK)
    with Ledger.open(single) as ledger:
        assert ledger.condition().facts["journal"].startswith("none in use")


@SQLITE
def test_doctor_warns_of_what_is_not_as_it_should_be(single):
    with closing(sqlite3.connect(single)) as database:
        database.execute("DROP TRIGGER nodes_no_update")
    single.chmod(0o644)
    single.parent.chmod(0o777)
    with Ledger.open(single) as ledger:
        condition = ledger.condition()
    assert condition.facts["triggers"] == "missing or altered"
    assert len(condition.warnings) == 3


PAGES = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import tamper
world = tamper.World(Path(sys.argv[1]))
for end in range(4095, world.size, 4096):
    print(end, world.check(("ledger", 0, end, 7)), flush=True)
"""


def test_numbers_out_of_order_keep_nobody_for_ever(tmp_path):
    """A bit of the number by which an inner page leads on: who asks for what comes after it gets what came before."""
    source, trials = Path(tallystick.__file__).parents[1], Path(world.__file__).parent
    words = [sys.executable, "-c", PAGES, *map(str, (tmp_path, source, trials, trials.parent))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ledger: found" in done.stdout


@pytest.mark.parametrize("page", [[(3,), (3,)], [(3,), (2,)], [(1,)], [(0,)], [("2",)], [(None,)]])
def test_a_page_that_does_not_lead_on_is_none(page):
    with pytest.raises(Malformed, match="order of their numbers"):
        in_order(page, 1, where="here")


def test_a_page_in_order_is_handed_on():
    assert in_order([(2, "b"), (3, "a")], 1, where="here") == [(2, "b"), (3, "a")]
    assert in_order([(1, "b", 0), (2, "a", 0)], (1, "a"), where="here", width=2)[-1] == (2, "a", 0)
    assert in_order([], b"", where="here") == []

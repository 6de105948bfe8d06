"""Appending: order, atomicity, references, idempotency, erasable values, and a head that is never signed over."""

import errno
import hashlib
import os
import random
import sqlite3
import threading
import unicodedata

import psycopg
import pytest
from _behind import is_url
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidInput, InvalidRecord, LedgerBusy, Tampered, UsageError
from tallystick.ledger import sqlite
from tallystick.ledger.fsck import fsck
from tallystick.ledger.guards import TABLES
from tallystick.ledger.ledger import Ledger
from tallystick.proof.merkle import verify_consistency, verify_inclusion
from tallystick.proof.note import open_checkpoint
from tallystick.records import Attachment, Personal, Ref
from tallystick.unicode14 import unassigned

ZEROS = bytes(32)


def test_entries_stand_in_the_order_of_their_appending(append, world, place, outside):
    appended = append(world.document("one"), world.document("two")) + append(world.document("three"))
    assert [item.seq for item in appended] == [1, 2, 3]
    entries = outside(place)
    assert [entry["body"]["title"] for entry in entries[1:]] == ["one", "two", "three"]


def test_one_writing_makes_one_checkpoint(ledger, append, world, place, outside):
    append(world.document("one"), world.document("two"))
    append(world.document("three"))
    sizes = [open_checkpoint(note, ledger.key).size for note in ledger.checkpoints()]
    assert sizes == [1, 3, 4]
    outside(place)


def test_a_writing_without_appends_signs_nothing(ledger, world):
    before = ledger.latest_checkpoint()
    with ledger.writing(now=world.clock):
        pass
    assert ledger.latest_checkpoint() == before


TITLES = st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda text: unassigned(text) is None)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(TITLES, max_size=5), max_size=6))
def test_any_batches_make_a_ledger_that_holds_from_outside(copied, place, world, outside, batches):
    titles = [[unicodedata.normalize("NFC", title) for title in batch] for batch in batches]
    with Ledger.open(copied(), signer=world.signer()) as ledger:
        for batch in titles:
            with ledger.writing(now=world.clock) as writer:
                for title in batch:
                    writer.append(world.document(title))
        heads = [open_checkpoint(note, ledger.key) for note in ledger.checkpoints()]
        for entry in ledger.entries():
            verify_inclusion(entry.seq, ledger.size, entry.leaf, ledger.inclusion_proof(entry.seq), heads[-1].root)
        for head in heads:
            verify_consistency(head.size, ledger.size, ledger.consistency_proof(head.size), head.root, heads[-1].root)
    assert [entry["body"]["title"] for entry in outside(place)[1:]] == [title for batch in titles for title in batch]


def _failed_writing(ledger, world):
    def fail():
        with ledger.writing(now=world.clock) as writer:
            writers.append(writer)
            writer.append(world.document("in vain"))
            raise ZeroDivisionError

    writers = []
    with pytest.raises(ZeroDivisionError):
        fail()
    return writers[0]


def test_an_exception_inside_a_writing_undoes_it_all(ledger, world, place, outside):
    _failed_writing(ledger, world)
    assert ledger.size == 1
    with ledger.writing(now=world.clock) as writer:
        assert writer.append(world.document("two")).seq == 1
    assert len(outside(place)) == 2


def test_an_append_that_failed_half_way_undoes_the_writing_even_if_nobody_minds(
    ledger, world, place, outside, unstorable
):
    fields = unstorable(ledger)

    def go_on_regardless():
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("one"))
            with pytest.raises((InvalidInput, Tampered), match=r"value|stands in the way"):
                writer.append(world.document("two", **fields))

    with pytest.raises(UsageError, match="half-way"):
        go_on_regardless()
    assert ledger.size == 1
    assert len(outside(place)) == 1


def test_a_draft_that_is_refused_leaves_the_writing_as_it_was(ledger, world, place, outside):
    with ledger.writing(now=world.clock) as writer:
        writer.append(world.document("one"))
        with pytest.raises(InvalidRecord):
            writer.append(world.document("two", supersedes=Ref(9, "0" * 64)))
        writer.append(world.document("three"))
    assert [entry["body"].get("title") for entry in outside(place)] == [None, "one", "three"]


def test_a_writer_reads_its_own_appends_and_others_do_not(ledger, world, place):
    with Ledger.open(place) as other, ledger.writing(now=world.clock) as writer:
        appended = writer.append(world.document("one"))
        assert writer.entry(1) == appended.entry
        assert (writer.size, other.size) == (2, 1)
        assert [entry.body["title"] for entry in writer.entries(kind="document")] == ["one"]


def test_receipts_come_only_after_the_writing_ended_well(ledger, world):
    with ledger.writing(now=world.clock) as writer:
        writer.append(world.document("one"))
        with pytest.raises(UsageError, match="after the with block"):
            _ = writer.receipts
    with pytest.raises(UsageError, match="has ended"):
        writer.append(world.document("two"))
    with pytest.raises(UsageError, match="nothing is recorded"):
        _ = _failed_writing(ledger, world).receipts


def test_a_receipt_proves_its_entry(ledger, world):
    with ledger.writing(now=world.clock) as writer:
        appended = [writer.append(world.document(title)) for title in ("one", "two", "three")]
    for receipt, item in zip(writer.receipts, appended, strict=True):
        entry, checkpoint = receipt.verify(ledger.key)
        assert entry == item.entry
        assert checkpoint.size == 4


def test_a_ledger_entry_is_only_the_first(append, world, ledger):
    with pytest.raises(InvalidRecord, match="always and only entry 0"):
        append(world.genesis())
    assert ledger.size == 1


def test_a_step_back_of_the_clock_is_recorded_as_it_is(append, world, place, outside):
    append(world.document("later"), now="2026-03-01T00:00:00.000000Z")
    append(world.document("earlier"), now="2026-02-01T00:00:00.000000Z")
    assert [entry["recorded_at"][:7] for entry in outside(place)[1:]] == ["2026-03", "2026-02"]


def test_a_time_in_another_form_is_refused(append, world, ledger):
    with pytest.raises(InvalidInput, match="clock"):
        append(world.document("one"), now="2026-03-01 00:00")
    assert ledger.size == 1


def test_what_could_not_be_read_back_is_not_recorded(append, world, ledger):
    with pytest.raises(InvalidRecord, match="read back"):
        append(world.document("one", supersedes=Ref(1, "no hash")))
    assert ledger.size == 1


# --------------------------------------------------------------------------- references


def test_references_that_lead_nowhere_are_refused(append, world, ledger):
    (one,) = append(world.document("one"))
    for ref in (Ref(1, "0" * 64), Ref(7, one.leaf.hex()), Ref(0, one.leaf.hex())):
        with pytest.raises(InvalidRecord, match="refers to an entry that is not there"):
            append(world.document("two", supersedes=ref))
    assert ledger.size == 2


def test_a_draft_can_refer_to_one_of_the_same_writing(ledger, world, place, outside):
    with ledger.writing(now=world.clock) as writer:
        one = writer.append(world.document("one"))
        writer.append(world.document("two", supersedes=one.ref))
    assert ledger.referring(1) == [2]
    assert outside(place)[2]["supersedes"] == one.ref.value()


# --------------------------------------------------------------------------- idempotency


def _full(world, **changes):
    """A request with everything that can be in one; salts are new each time, as in a retry."""
    fields = {"title": "one", "plain": b"plain", "secret": b"secret", "name": "Jo Doe"} | changes
    return world.document(
        fields["title"],
        idempotency_key="key",
        attachments=(
            Attachment("plain", "text/plain", fields["plain"]),
            Attachment.erasable("secret", "text/plain", fields["secret"]),
        ),
        personal=(Personal("by", fields["name"]),),
    )


def test_a_retry_gets_the_first_entry_back(append, world, ledger, place, outside):
    (first,) = append(_full(world))
    (again,) = append(_full(world))
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.seq, again.entry) == (first.seq, first.entry)
    assert len(outside(place)) == 2


def test_a_retry_inside_one_writing_gets_the_first_entry_back(append, world, place, outside):
    first, again = append(_full(world), _full(world))
    assert again.repeated
    assert again.leaf == first.leaf
    assert len(outside(place)) == 2


@pytest.mark.parametrize("change", [{"title": "two"}, {"plain": b"p"}, {"secret": b"s"}, {"name": "Flo Doe"}])
def test_a_used_key_with_other_content_is_refused(append, world, ledger, change):
    append(_full(world))
    with pytest.raises(InvalidInput, match="stands for something else"):
        append(_full(world, **change))
    assert ledger.size == 2


def test_a_key_is_its_actors_own(append, world, ledger):
    append(world.document("one", idempotency_key="key"))
    (other,) = append(world.document("two", idempotency_key="key", actor="other"))
    assert not other.repeated
    assert ledger.size == 3


def _on_disk(path):
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def _kept(place):
    """Everything that is stored of a ledger."""
    if not is_url(place):
        return _on_disk(place)
    with psycopg.connect(place) as database:
        tables = [database.cursor().copy(f"COPY tallystick.{name} TO STDOUT (FORMAT binary)") for name in TABLES]
        return b"".join(bytes(block) for table in tables for block in _copied(table))


def _copied(table):
    with table as blocks:
        yield from blocks


def test_no_digest_of_a_request_outlives_the_erasure_of_its_values(ledger, append, world, place):
    """From one that did, a name could be guessed."""
    (item,) = append(_full(world))
    with ledger.writing(now=world.clock) as writer:
        assert all(writer.erase(item.entry, name) for name in ("by", "secret"))
        assert not writer.erase(item.entry, "by"), "it is gone"
    assert hashlib.sha256(_full(world).intent()).digest() not in _kept(place)
    with pytest.raises(InvalidInput, match="erasable values"):
        append(_full(world))


def test_nothing_of_erased_values_remains_on_the_disk(path, world, outside):
    """Values of many lengths, so that pages split and leave old copies in their free space."""
    chance, kept, erased = random.Random(3), [], []
    with world.create(path) as ledger:
        for number in range(20):
            with ledger.writing(now=world.clock) as writer:
                for part in range(20):
                    name = f"<{number}-{part}>" + "x" * chance.choice([0, 50, 300, 3000, 9000])
                    entry = writer.append(world.document("", personal=(Personal("by", name),))).entry
                    kept.append((name, entry))
                for _ in range(10):
                    name, entry = kept.pop(chance.randrange(len(kept)))
                    erased.append(name[: name.index(">") + 1].encode())
                    assert writer.erase(entry, "by")
        ledger.scrub()
        assert ledger.personal(kept[0][1], "by") == kept[0][0]
        assert [name for name in erased if name in _on_disk(path)] == []
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("one more"))
    assert fsck(path).ok
    assert len(outside(path, every_checkpoint=False)) == 402


# --------------------------------------------------------------------------- the head


@pytest.mark.parametrize(
    "statement",
    [
        ("UPDATE entries SET leaf = ? WHERE seq = 4", ZEROS),
        ("UPDATE nodes SET hash = ? WHERE level = 2", ZEROS),
        ("UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 4) WHERE size = 5",),
        ("UPDATE checkpoints SET note = ? WHERE size = 5", b"\x00"),
        ("DELETE FROM checkpoints WHERE size = 5",),
        ("DELETE FROM entries WHERE seq = 4",),
        ("DELETE FROM nodes",),
        ("DELETE FROM checkpoints",),
    ],
    ids=str,
)
def test_a_tree_that_does_not_extend_the_last_checkpoint_is_never_signed(copied, change, world, statement):
    place = copied(entries=4)
    change(place, statement)
    with Ledger.open(place, signer=world.signer()) as ledger:
        with pytest.raises(Tampered) as error, ledger.writing(now=world.clock) as writer:
            writer.append(world.document("one more"))
        assert error.value.where == ledger.where
        assert len(list(ledger.checkpoints())) <= 5


def test_a_last_checkpoint_with_another_word_in_it_is_not_built_upon(copied, change, world):
    place = copied(entries=4)
    with Ledger.open(place) as ledger:
        note = ledger.latest_checkpoint().replace(b"trial", b"trail")
    change(place, ("UPDATE checkpoints SET note = ? WHERE size = 5", note))
    with (
        Ledger.open(place, signer=world.signer()) as ledger,
        pytest.raises(Tampered, match="checkpoint that it signed"),
        ledger.writing(now=world.clock) as writer,
    ):
        writer.append(world.document("one more"))


def test_a_ledger_that_went_back_under_a_writer_is_not_written_to(copied, change, world, outside):
    """Each state is one that the ledger signed; another entry 3 would be a second history with the same key."""
    place = copied(entries=2)
    with Ledger.open(place, signer=world.signer()) as ledger:
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("acknowledged"))
        change(
            place,
            "DELETE FROM checkpoints WHERE size = 4",
            "DELETE FROM entries WHERE seq = 3",
            "DELETE FROM nodes WHERE (position + 1) << level > 3",
        )
        outside(place)
        for _ in range(2):
            with pytest.raises(Tampered, match="went back"), ledger.writing(now=world.clock) as writer:
                writer.append(world.document("another"))
        with Ledger.open(place, signer=world.signer()) as other, other.writing(now=world.clock) as writer:
            writer.append(world.document("by one who does not know"))
        with pytest.raises(Tampered, match="went back"), ledger.writing(now=world.clock) as writer:
            writer.append(world.document("another"))
    assert [entry["body"].get("title") for entry in outside(place)[3:]] == ["by one who does not know"]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_bytes_that_stand_under_an_attachments_digest_have_to_be_the_attachments(engine, copied, world, request):
    """A writer of a shared database, without the key, can put others there first: the true ones were never kept."""
    data, row = b"the evidence", "INSERT INTO {} VALUES ({}, 12, {})"
    true, false = hashlib.sha256(data).hexdigest(), b"no evidence!".hex()
    if engine == "sqlite":
        place = copied()
        with sqlite3.connect(place) as database:
            database.execute(row.format("attachments", f"x'{true}'", f"x'{false}'"))
        database.close()
    else:
        server, name = request.getfixturevalue("server"), request.getfixturevalue("ledger_database")
        place = server.url("writer", name)
        statement = row.format("tallystick.attachments", f"'\\x{true}'", f"'\\x{false}'")
        server.execute(statement, role="writer", database=name)
    with Ledger.open(place, signer=world.signer()) as ledger:
        size = ledger.size
        evidence = world.document("with evidence", attachments=(Attachment("a", "text/plain", data),))
        with pytest.raises(Tampered, match=r"attachment was altered.*fsck"), ledger.writing(now=world.clock) as writer:
            writer.append(evidence)
        assert ledger.size == size


def test_a_writer_that_waits_too_long_says_for_how_long(ledger, place, world):
    with (
        Ledger.open(place, signer=world.signer(), patience=0.05) as hasty,
        ledger.writing(now=world.clock) as writer,
    ):
        writer.append(world.document("one"))
        with pytest.raises(LedgerBusy, match=r"0\.05 s"), hasty.writing(now=world.clock):
            pass
    with Ledger.open(place, signer=world.signer(), patience=5) as later, later.writing(now=world.clock) as writer:
        assert writer.append(world.document("two")).seq == 2


def test_a_lock_that_comes_after_giving_up_is_given_back(path, world):
    with world.create(path) as ledger, Ledger.open(path, signer=world.signer(), patience=0.05) as hasty:
        with ledger.writing(now=world.clock):
            for _ in range(3):
                with pytest.raises(LedgerBusy), hasty.writing(now=world.clock):
                    pass
        for thread in threading.enumerate():
            if thread.name == "ledger-lock":
                thread.join(10)
        with hasty.writing(now=world.clock) as writer:
            writer.append(world.document("one"))
    assert "ledger-lock" not in {thread.name for thread in threading.enumerate()}


def test_a_lock_file_whose_closing_is_complained_of_does_not_hide_that_the_entry_is_recorded(
    ledger, world, place, outside, monkeypatch
):
    """Linux frees the handle all the same. Found by the trial of system calls."""
    close = os.close

    def complaining(handle):
        close(handle)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sqlite.os, "close", complaining)
    with ledger.writing(now=world.clock) as writer:
        writer.append(world.document("one"))
    monkeypatch.undo()
    with ledger.writing(now=world.clock) as writer:
        writer.append(world.document("two"))
    assert len(outside(place)) == 3


def test_two_writings_at_once_with_one_ledger_are_refused(ledger, world):
    with ledger.writing(now=world.clock), pytest.raises(UsageError), ledger.writing(now=world.clock):
        pass
    with ledger.writing(now=world.clock) as writer:
        writer.append(world.document("one"))


def test_entries_that_refer_to_recorded_and_to_waiting_ones_are_all_kept(ledger, append, world, place, outside):
    """Looking for what a draft refers to inserts what waits: nothing may fall between."""
    (first,) = append(world.document("first"))
    with ledger.writing(now=world.clock) as writer:
        waiting = [writer.append(world.document(f"waits {number}")) for number in range(3)]
        writer.append(world.document("of a recorded one", supersedes=first.ref))
        writer.append(world.document("of a waiting one", supersedes=waiting[1].ref))
        writer.append(world.document("of both again", supersedes=first.ref))
    assert len(outside(place)) == 8
    assert fsck(place).ok
    assert ledger.referring(first.seq) == [5, 7]

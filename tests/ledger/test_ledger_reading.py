"""Reading: entries, parts, references, checkpoints and proofs."""

import os
from dataclasses import replace

import pytest
from _outside import stored

from tallystick.errors import Malformed, NotFound, Tampered, Unavailable
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger, extends
from tallystick.proof.note import open_checkpoint
from tallystick.records import Attachment, Personal, Ref

SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def _titles(entries):
    return [entry.body["title"] for entry in entries]


@pytest.fixture
def five(append, world):
    return append(*(world.document(f"{number}", actor="ab"[number % 2]) for number in range(1, 6)))


def test_entries_come_in_order_and_by_range(ledger, five):
    assert [entry.seq for entry in ledger.entries()] == [0, 1, 2, 3, 4, 5]
    assert _titles(ledger.entries(2, 4)) == ["2", "3"]
    assert _titles(ledger.entries(4, 100)) == ["4", "5"]
    assert list(ledger.entries(6)) == []


def test_entries_come_by_kind_and_by_actor(ledger, five):
    assert [entry.seq for entry in ledger.entries(kind="ledger")] == [0]
    assert len(list(ledger.entries(kind=("ledger", "document")))) == 6
    assert _titles(ledger.entries(kind="document", actor="a")) == ["2", "4"]
    assert list(ledger.entries(kind=("model", "run"))) == []
    assert list(ledger.entries(kind=())) == []


def test_long_readings_go_over_pages(copied):
    with Ledger.open(copied(entries=600, batch=600)) as ledger:
        assert [entry.seq for entry in ledger.entries()] == list(range(601))


def test_a_reading_does_not_see_what_comes_after_it_began(ledger, append, world, five):
    reading = ledger.entries()
    next(reading)
    append(world.document("6"))
    assert len(list(reading)) == 5


def test_a_reader_who_pauses_does_not_hold_up_a_writer(copied, world):
    place = copied(entries=600, batch=600)
    with Ledger.open(place, signer=world.signer()) as ledger, Ledger.open(place) as reader:
        reading = reader.entries()
        next(reading)
        with ledger.writing(now=world.clock) as writer:
            writer.append(world.document("meanwhile"))
        assert len(list(reading)) == 600


def test_an_entry_that_is_not_there_is_not_found(ledger):
    for seq in (1, -1, 10**6):
        with pytest.raises(NotFound, match=f"no entry {seq}"):
            ledger.entry(seq)


# --------------------------------------------------------------------------- parts


@pytest.fixture
def parts(append, world):
    (item,) = append(
        world.document(
            "one",
            attachments=(
                Attachment("plain", "text/plain", b"for all"),
                Attachment.erasable("secret", "text/plain", b"for some"),
            ),
            personal=(Personal("by", "Ana Ünal"),),
        )
    )
    return item.entry


def test_parts_come_back_as_they_were(ledger, parts):
    assert ledger.part(parts, "plain") == b"for all"
    assert ledger.part(parts, "secret") == b"for some"
    assert ledger.part(parts, "by") == '"Ana Ünal"'.encode()
    assert ledger.personal(parts, "by") == "Ana Ünal"
    assert ledger.attachment(parts.attachments[0]["sha256"]) == b"for all"
    assert [name for name, _, _ in ledger.side(parts)] == ["by", "secret"]


def test_parts_that_are_not_there_are_none(ledger, parts, world):
    assert ledger.part(parts, "other") is None
    assert ledger.personal(parts, "secret") is None
    assert ledger.attachment("0" * 64) is None
    with ledger.writing(now=world.clock) as writer:
        for name in ("secret", "by"):
            assert writer.erase(parts, name)
            assert not writer.erase(parts, name), "it is gone"
    assert ledger.part(parts, "secret") is None
    assert ledger.personal(parts, "by") is None
    assert ledger.side(parts) == []


def test_equal_attachments_are_stored_once(append, world, place, outside):
    same = Attachment("a", "text/plain", b"same"), Attachment("b", "text/plain", b"same")
    append(world.document("one", attachments=same), world.document("two", attachments=same))
    *_, attachments = stored(place)
    assert len(attachments) == 1
    outside(place)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (("UPDATE attachments SET bytes = ?", b"for you"), "plain"),
        (("UPDATE side_values SET bytes = ? WHERE name = 'secret'", b"for none"), "secret"),
        (("UPDATE side_values SET salt = ?", bytes(32)), "by"),
    ],
)
def test_altered_parts_are_not_handed_out(ledger, parts, place, change, statement, name):
    change(place, statement)
    with pytest.raises(Tampered):
        ledger.part(parts, name)


# --------------------------------------------------------------------------- references


def _about(draft, *items):
    return replace(draft, body={**draft.body, "about": [item.ref.value() for item in items]})


def test_lineage_follows_references_to_their_ends(ledger, append, world):
    data, code = append(world.document("data"), world.document("code"))
    (run,) = append(world.document("run", supersedes=data.ref))
    (review,) = append(_about(world.document("review"), data, code))
    (model,) = append(_about(world.document("model"), run))
    append(world.document("unrelated"))
    assert ledger.lineage(model.seq) == [data.seq, run.seq]
    assert ledger.lineage(review.seq) == [data.seq, code.seq]
    assert ledger.lineage(data.seq) == []
    assert ledger.referring(data.seq) == [run.seq, review.seq]
    assert ledger.descendants(data.seq) == [run.seq, review.seq, model.seq]


def test_a_reference_deep_in_a_body_counts_if_it_leads_somewhere(ledger, append, world, place):
    (one,) = append(world.document("one"))
    values = [{"b": one.ref.value()}, {"c": Ref(0, "0" * 64).value()}, {"seq": 1, "leaf": "short"}]
    body = {"digest": "0" * 64, "values": {"a": values}, "seeds": {}, "decision_cutoff": 0.5}
    (two,) = append(replace(world.document(""), kind="params", body=body))
    assert ledger.lineage(two.seq) == [one.seq]
    assert fsck(place).ok


# --------------------------------------------------------------------------- checkpoints


def test_checkpoints_are_kept_each_at_its_size(ledger, five, append, world):
    append(world.document("6"))
    notes = list(ledger.checkpoints())
    assert [open_checkpoint(note, ledger.key).size for note in notes] == [1, 6, 7]
    assert ledger.latest_checkpoint() == notes[-1]
    assert ledger.checkpoint_at(6) == notes[1]
    with pytest.raises(NotFound, match="no checkpoint of size 5"):
        ledger.checkpoint_at(5)
    with pytest.raises(NotFound, match="no 8 entries"):
        ledger.inclusion_proof(1, 8)


def test_a_ledger_extends_each_of_its_checkpoints(ledger, five):
    for note in ledger.checkpoints():
        extends(ledger, note)
        extends(ledger, note, key=ledger.key)


def test_a_checkpoint_that_is_none_is_malformed(ledger):
    with pytest.raises(Malformed):
        extends(ledger, b"trust me\n")


@SQLITE
def test_a_reader_opens_a_file_that_it_may_not_write(ledger, five, path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)
    with Ledger.open(path, read_only=True) as reader:
        assert len(list(reader.entries())) == 6
    with pytest.raises(Unavailable, match="written by this user"):
        Ledger.open(path, signer=ledger._signer)

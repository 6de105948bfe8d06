"""The quick way through a ledger says what the slow one says: by one process or several, whole or from a checkpoint."""

import itertools
import random
from contextlib import closing

import _trial_ledger as world
import pytest
import rows
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.errors import InvalidInput
from tallystick.ledger import fsck as module
from tallystick.ledger.fsck import examined, fsck
from tallystick.ledger.ledger import Ledger
from tallystick.ledger.places import connect
from tallystick.proof.keys import Signer
from tallystick.proof.merkle import Frontier, root
from tallystick.records import Attachment, Personal

SIZE = 85
ZEROS = bytes(32)


def fill(ledger):
    """Twelve entries with something of everything, and twelve that refer to them."""
    for number in range(12):
        with ledger.writing(now=lambda at=10 - number % 3: f"2026-01-31T12:00:{at:02}.000000Z") as writer:
            parts = (Attachment("a", "x/y", b"%d" % (number // 2)), Attachment.erasable("b", "x/y", b"b"))
            entry = writer.append(world.document(f"{number}", attachments=parts, personal=(Personal("by", "X"),)))
            writer.append(world.document(f"of {number}", supersedes=entry.ref))
            if number == 5:
                assert writer.erase(entry.entry, "by")


@pytest.fixture
def full(copied):
    return copied(entries=60, batch=7, fill=fill)


def slowly(store, monkeypatch, **options):
    def give_up(*_, **__):
        raise module.Irregular

    with monkeypatch.context() as patch:
        patch.setattr(module, "_Quick", give_up)
        return examined(store, **options)


def test_both_ways_say_the_same_of_a_sound_ledger(full, monkeypatch):
    for key in (None, world.key()):
        quick = fsck(full, key=key)
        assert quick.ok
        with closing(connect(full, writing=False)) as store:
            slow = slowly(store, monkeypatch, key=key)
        assert sorted(map(str, quick.notes)) == sorted(map(str, slow.notes))
        assert (quick.size, quick.checkpoints, quick.problems) == (slow.size, slow.checkpoints, slow.problems)
    assert len([note for note in quick.notes if "stepped back" in note.what]) > 2
    assert len([note for note in quick.notes if "erased" in note.what]) == 1


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_changed_the_quick_way_does_not_pass_it(full, seed, monkeypatch):
    """The slow way is the reference: it is tried with thousands of changes by the trial of rows."""
    chance = random.Random(seed)
    change = list(rows.CHANGES.values())[seed % len(rows.CHANGES)]
    with rows.altered(full, change, chance.randrange(1, SIZE - 1), SIZE) as (_, store):
        found = examined(store)
        assert not found.ok
        assert found.problems == slowly(store, monkeypatch).problems


TAMPERING = [
    "DELETE FROM nodes WHERE level = 2 AND position = 3",
    ("UPDATE nodes SET hash = ? WHERE level = 5 AND position = 0", ZEROS),
    ("INSERT INTO nodes VALUES (1, 70, ?)", ZEROS),
    "DELETE FROM links WHERE seq = 62",
    "INSERT INTO links VALUES (50, 3)",
    ("DELETE FROM attachments WHERE bytes = ?", b"1"),
    ("UPDATE attachments SET bytes = ? WHERE bytes = ?", b"9", b"1"),
    ("INSERT INTO attachments VALUES (?, 1, ?)", ZEROS, b"\0"),
    ("UPDATE side_values SET bytes = ? WHERE seq = 63 AND name = 'b'", b"\0"),
    ("INSERT INTO side_values VALUES (3, 'x', ?, ?)", ZEROS, b"\0"),
    "DELETE FROM checkpoints WHERE size = 8",
    "UPDATE checkpoints SET previous = 3 WHERE size = 15",
    ("UPDATE checkpoints SET root = ? WHERE size = 15", ZEROS),
    "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 8) WHERE size = 15",
    "DELETE FROM entries WHERE seq = 84",
    "UPDATE entries SET recorded_at = '2026-01-31T12:00:01.000000Z' WHERE seq = 70",
]


@pytest.mark.parametrize("statement", TAMPERING, ids=str)
@pytest.mark.parametrize("stretch", [16, 1 << 15])
def test_whatever_stands_beside_the_entries_is_compared(full, statement, stretch, monkeypatch):
    def alter(database):
        query, *values = (statement,) if isinstance(statement, str) else statement
        return database.execute(query, values).rowcount

    monkeypatch.setattr(module, "_STRETCH", stretch)
    with rows.altered(full, alter) as (changed, store):
        assert changed == 1
        assert not examined(store).ok


def test_processes_share_the_work_and_say_how_far_they_are(full, monkeypatch):
    monkeypatch.setattr(module, "_STRETCH", 16)
    told = []
    found = fsck(full, key=world.key(), jobs=2, progress=lambda done, total: told.append((done, total)))
    assert found.ok
    assert told[-1] == (85, 85)
    assert len(told) == 6
    assert found == fsck(full, key=world.key())


def test_what_a_trusted_checkpoint_covers_is_not_looked_at_again(full, change, monkeypatch):
    with Ledger.open(full) as ledger:
        kept = ledger.checkpoint_at(50)
    monkeypatch.setattr(module, "_STRETCH", 16)
    change(full, "UPDATE entries SET kind = 'x' WHERE seq = 20")
    assert not fsck(full).ok
    for jobs in (1, 2):
        found = fsck(full, key=world.key(), since=kept, jobs=jobs)
        assert (found.ok, found.start, found.size) == (True, 50, 85)
    with Ledger.open(full) as ledger:
        assert fsck(full, since=ledger.latest_checkpoint()).ok


def test_after_a_trusted_checkpoint_everything_is_looked_at(full, change):
    with Ledger.open(full) as ledger:
        kept = ledger.checkpoint_at(50)
    change(full, "UPDATE entries SET kind = 'x' WHERE seq = 52")
    found = fsck(full, since=kept)
    assert found.first_bad == 52


def test_a_history_rewritten_with_the_real_key_does_not_extend_the_trusted_checkpoint(full, tmp_path):
    with world.create(tmp_path / "other.db", entries=20) as other, other.writing(now=world.clock) as writer:
        writer.append(world.document("what the rewritten history lacks"))
    with Ledger.open(tmp_path / "other.db") as other:
        kept = other.latest_checkpoint()
    with Ledger.open(full) as ledger:
        own = ledger.checkpoint_at(22)
    assert fsck(full, since=own).ok
    found = fsck(full, since=kept)
    assert [str(problem) for problem in found.problems if "checkpoint that is trusted" in problem.what]


def test_a_ledger_cut_below_the_trusted_checkpoint_is_found(full, tmp_path):
    with Ledger.open(full) as ledger:
        kept = ledger.latest_checkpoint()
    with world.create(tmp_path / "short.db", entries=60, batch=7):
        pass
    found = fsck(tmp_path / "short.db", since=kept)
    assert "shorter" in str(found.problems[-1])


def test_what_is_no_checkpoint_of_this_ledger_is_refused(full, tmp_path):
    other = Signer.generate("ed25519")
    with Ledger.create(
        tmp_path / "o.db", origin=world.ORIGIN, signer=other, first=[world.genesis(other)], now=world.TIME
    ) as ledger:
        note = ledger.latest_checkpoint()
    for since in (note, b"", b"not a note"):
        with pytest.raises(InvalidInput, match="checkpoint"):
            fsck(full, since=since)


leaves = st.lists(st.binary(min_size=32, max_size=32), max_size=70)


@settings(max_examples=60)
@given(leaves, st.lists(st.integers(0, 70), max_size=5))
def test_leaves_appended_together_make_the_tree_of_leaves_appended_one_by_one(leaves, cuts):
    one, many = Frontier(), Frontier()
    alone = [node for leaf in leaves for node in one.add(leaf)]
    edges = [0, *sorted(min(cut, len(leaves)) for cut in cuts), len(leaves)]
    together = []
    for start, stop in itertools.pairwise(edges):
        for level, index, nodes in many.extend(leaves[start:stop]):
            together += [(level, index + number, node) for number, node in enumerate(nodes)]
    assert sorted(alone) == sorted(together)
    assert one.root() == many.root() == root(leaves)
    nodes = {(level, index): node for level, index, node in alone} | {(0, n): leaf for n, leaf in enumerate(leaves)}
    assert Frontier(len(leaves), lambda level, index: nodes[level, index]).root() == one.root()

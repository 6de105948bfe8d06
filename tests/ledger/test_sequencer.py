"""Group commit: many callers, one transaction; everybody gets an answer of their own."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tallystick.errors import InvalidInput, InvalidRecord, KeyUnavailable, NotFound, Tampered, UsageError
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger
from tallystick.ledger.sequencer import Sequencer
from tallystick.proof.keys import Signer
from tallystick.proof.note import open_checkpoint
from tallystick.records import Ref


@pytest.fixture
def sequencer(copied, world):
    with Sequencer(copied(), signer=world.signer(), now=world.clock) as sequencer:
        yield sequencer


def test_each_of_many_threads_gets_its_own_durable_answer(sequencer, world, place, outside):
    def work(number):
        return [sequencer.append(world.document(f"{number}.{turn}")) for turn in range(10)]

    with ThreadPoolExecutor(16) as threads:
        answers = [answer for done in threads.map(work, range(16)) for answer in done]
    entries = outside(place)
    assert sorted(answer.seq for answer in answers) == list(range(1, 161))
    assert len(entries) == 161
    with Ledger.open(place) as ledger:
        for answer in answers:
            assert ledger.entry(answer.seq).leaf == answer.leaf
            checkpoint = open_checkpoint(answer.checkpoint, ledger.key)
            assert answer.seq < checkpoint.size
            assert ledger.checkpoint_at(checkpoint.size) == answer.checkpoint


def test_what_waits_while_a_batch_is_made_durable_goes_into_the_next_together(copied, world, place, outside):
    """The clock holds the first batch until all the others wait."""
    waiting, first = threading.Event(), threading.Event()

    def now():
        first.set()
        assert waiting.wait(10)
        return world.clock()

    with Sequencer(copied(), signer=world.signer(), now=now) as sequencer:
        answers = [sequencer.submit(world.document("first"))]
        assert first.wait(10)
        answers += [sequencer.submit(world.document(f"{number}")) for number in range(50)]
        waiting.set()
        sizes = {open_checkpoint(answer.result().checkpoint, world.key()).size for answer in answers}
    assert sizes == {2, 52}
    assert len(outside(place)) == 52


def test_a_draft_that_is_refused_does_not_concern_the_others(sequencer, world, place, outside):
    good = [sequencer.submit(world.document(f"{number}")) for number in range(5)]
    bad = sequencer.submit(world.document("bad", supersedes=Ref(99, "0" * 64)))
    good += [sequencer.submit(world.document(f"{number}")) for number in range(5)]
    with pytest.raises(InvalidRecord):
        bad.result()
    assert sorted(answer.result().seq for answer in good) == list(range(1, 11))
    assert len(outside(place)) == 11


def test_a_draft_of_wrong_types_does_not_concern_the_others(sequencer, world, place, outside):
    good = [sequencer.submit(world.document(f"{number}")) for number in range(5)]
    bad = [
        sequencer.submit(replace(world.document("bad"), claimed_at=5)),
        sequencer.submit(replace(world.document("bad"), idempotency_key=["a list"])),
        sequencer.submit(None),
    ]
    good += [sequencer.submit(world.document(f"{number}")) for number in range(5)]
    for answer in bad:
        with pytest.raises((TypeError, AttributeError, InvalidInput)):
            answer.result()
    assert sorted(answer.result().seq for answer in good) == list(range(1, 11))
    assert len(outside(place)) == 11


FORKED = """
import os, sys
import _trial_ledger as world
from tallystick.errors import UsageError
from tallystick.ledger.sequencer import Sequencer

with Sequencer(sys.argv[1], signer=world.signer(), now=world.clock) as sequencer:
    child = os.fork()
    if not child:
        try:
            sequencer.append(world.document("by the child"))
        except UsageError:
            sequencer.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    sequencer.append(world.document("by the parent"))
"""


def test_a_forked_process_is_told_that_nobody_would_answer(copied, outside):
    environment = {"PYTHONPATH": ":".join(item for item in sys.path if item)}
    place = copied()
    subprocess.run([sys.executable, "-c", FORKED, str(place)], check=True, env=environment, timeout=30)
    assert len(outside(place)) == 2


@pytest.mark.parametrize(
    ("engine", "parts"), [("sqlite", True), ("postgresql", True), ("postgresql", False)], indirect=["engine"]
)
def test_a_draft_that_spoils_a_transaction_fails_alone(copied, world, place, outside, monkeypatch, unstorable, parts):
    """What has parts is inserted at once, so that it fails by itself; else all that wait are inserted together."""
    held, release, fields = threading.Event(), threading.Event(), {}
    copied()  # before anything is limited, which a template would keep

    def now():
        held.set()
        assert release.wait(10)
        return world.clock()

    real = Ledger.open

    def opened(*args, **options):
        ledger = real(*args, **options)
        fields.update(unstorable(ledger))
        if not parts:
            del fields["attachments"]
        return ledger

    monkeypatch.setattr(Ledger, "open", opened)
    with Sequencer(place, signer=world.signer(), now=now) as sequencer:
        answers = [sequencer.submit(world.document("first"))]
        assert held.wait(10)
        answers += [sequencer.submit(world.document("one"))]
        spoilt = sequencer.submit(world.document("spoils", **fields))
        answers += [sequencer.submit(world.document("two"))]
        release.set()
        with pytest.raises((InvalidInput, Tampered), match=r"value|stands in the way"):
            spoilt.result()
        assert [answer.result().seq for answer in answers] == [1, 2, 3]
    assert [entry["body"].get("title") for entry in outside(place)] == [None, "first", "one", "two"]


def test_the_same_request_from_many_threads_is_one_entry(sequencer, world, place, outside):
    with ThreadPoolExecutor(8) as threads:
        ask = [threads.submit(sequencer.append, world.document("once", idempotency_key="k")) for _ in range(40)]
        answers = [answer.result() for answer in ask]
    assert {answer.seq for answer in answers} == {1}
    assert sum(not answer.repeated for answer in answers) == 1
    assert all(answer.checkpoint for answer in answers)
    assert len(outside(place)) == 2


def test_closing_answers_all_who_wait_and_then_refuses(copied, world, place, outside):
    sequencer = Sequencer(copied(), signer=world.signer(), now=world.clock)
    answers = [sequencer.submit(world.document(f"{number}")) for number in range(100)]
    sequencer.close()
    sequencer.close()
    assert all(answer.done() for answer in answers)
    with pytest.raises(UsageError, match="closed"):
        sequencer.append(world.document("late"))
    assert len(outside(place)) == 101


def test_two_sequencers_on_one_ledger_take_turns(copied, world, place, outside):
    copied()
    with (
        Sequencer(place, signer=world.signer(), now=world.clock) as one,
        Sequencer(place, signer=world.signer(), now=world.clock) as two,
        ThreadPoolExecutor(8) as threads,
    ):
        ask = [
            threads.submit((one if number % 2 else two).append, world.document(f"{number}")) for number in range(100)
        ]
        seqs = sorted(answer.result().seq for answer in ask)
    assert seqs == list(range(1, 101))
    assert len(outside(place)) == 101
    assert fsck(place).ok


def test_what_cannot_be_opened_is_said_at_once(copied, world, tmp_path):
    with pytest.raises(NotFound):
        Sequencer(tmp_path / "none.db", signer=world.signer(), now=world.clock)
    with pytest.raises(KeyUnavailable):
        Sequencer(copied(), signer=Signer.generate("ed25519"), now=world.clock)


def test_a_stream_of_drafts_is_appended_in_batches_each_durable(ledger, world, place, outside):
    stream = ledger.append_many((world.document(f"{number}") for number in range(25)), now=world.clock, batch=10)
    assert [item.seq for item in next(stream)] == list(range(1, 11))
    with Ledger.open(place) as other:
        assert other.size == 11, "durable before the next batch is asked for"
    assert [len(done) for done in stream] == [10, 5]
    assert len(outside(place)) == 26

"""Connections that end, answers that are lost, a server that goes away: nothing acknowledged is lost, nothing forks.

What is cut is cut on a real server: its backend is terminated, its line is (see ``_proxy``), or itself.
"""

# ruff: noqa: PT012 - it is the whole writing that fails

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from _postgres import ROLES, Server
from _proxy import Proxy
from tallystick.errors import CommitUnknown, KeyUnavailable, LedgerBusy, NotFound, Refused, Unavailable
from tallystick.ledger import postgres
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger
from tallystick.ledger.moving import move
from tallystick.ledger.sequencer import Sequencer
from tallystick.proof.note import open_checkpoint

SOME = 5
"""Entries in the ledger to begin with."""


@pytest.fixture
def place(server, ledger_database):
    """The ledger of five entries, for a writer."""
    return server.url("writer", ledger_database)


@pytest.fixture
def ledger(place, world):
    with Ledger.open(place, signer=world.signer()) as ledger:
        yield ledger


@pytest.fixture
def added(place, outside):
    """``added()``: the titles of what was appended, in order; the whole ledger is checked from outside."""

    def added():
        assert fsck(place).ok
        return [entry["body"]["title"] for entry in outside(place)[SOME:]]

    return added


@pytest.fixture
def terminate(server):
    """``terminate(ledger)``: the server ends its connection, now."""

    def terminate(ledger):
        pid = ledger._store._connection.info.backend_pid
        assert server.execute(f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]

    return terminate


@pytest.fixture
def line(server):
    """A line to the server that loses what it is told to."""
    with Proxy(server) as line:
        yield line


def write(ledger, world, *titles):
    with ledger.writing(now=world.clock) as writer:
        for title in titles:
            writer.append(world.document(title, idempotency_key=title))
    return writer


def proven(writer, key):
    """The entries that a writing gave receipts for."""
    return [receipt.verify(key)[0].body["title"] for receipt in writer.receipts]


# --- a backend is terminated ----------------------------------------------------------------------------------------


def test_a_connection_that_ended_between_writings_is_replaced_without_a_word(ledger, world, terminate, added):
    write(ledger, world, "before")
    terminate(ledger)
    assert proven(write(ledger, world, "after"), ledger.key) == ["after"]
    assert added() == ["before", "after"]


def test_whoever_waits_for_a_turn_and_is_cut_off_waits_again(place, world, server, added):
    waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with Ledger.open(place, signer=world.signer()) as first, ThreadPoolExecutor(1) as thread:

        def wait():
            with Ledger.open(place, signer=world.signer()) as second:
                write(second, world, "second")

        with first.writing(now=world.clock) as writer:
            second = thread.submit(wait)
            cut = set()
            while len(cut) < 3:
                for (pid,) in set(server.execute(waits)) - cut:
                    server.execute(f"SELECT pg_terminate_backend({pid}, 10000)")
                    cut.add((pid,))
            writer.append(world.document("first"))
        second.result(30)
    assert added() == ["first", "second"]


@pytest.mark.parametrize("moment", ["before an append", "after an append", "after the last statement"])
def test_what_is_cut_off_in_a_writing_is_not_there_and_the_next_is(ledger, world, terminate, added, moment):
    with pytest.raises(Unavailable) as caught, ledger.writing(now=world.clock) as writer:
        if moment == "before an append":
            terminate(ledger)
        writer.append(world.document("lost"))
        assert writer.size == SOME + 1, "a question, so that it is sent"
        if moment == "after an append":
            terminate(ledger)
            writer.append(world.document("lost too"))
        if moment == "after the last statement":
            terminate(ledger)
    assert type(caught.value) is Unavailable
    assert ledger._store.failed
    write(ledger, world, "kept")
    assert added() == ["kept"]


@pytest.fixture
def slow_commit(server, ledger_database):
    """A commit of entries takes as long as the superuser's connection that this is holds the advisory lock 1."""
    with psycopg.connect(server.url("postgres", ledger_database), autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        holder.execute(
            "CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'"
        )
        holder.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON tallystick.entries DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION public.wait()"
        )
        yield holder


def test_what_is_cut_off_while_the_server_commits_is_known_to_be_undone(ledger, world, slow_commit, outside, place):
    def cut():
        waits = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted"
        while not slow_commit.execute(waits).fetchall():
            time.sleep(0.002)
        slow_commit.execute(f"SELECT pg_terminate_backend(pid, 10000) FROM ({waits})")  # noqa: S608 - a constant
        slow_commit.execute("SELECT pg_advisory_unlock(1)")

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(Unavailable, match="the transaction undone") as caught:
        write(ledger, world, "undone")
    thread.join(30)
    assert type(caught.value) is Unavailable
    write(ledger, world, "kept")
    assert [entry["body"]["title"] for entry in outside(place)[SOME:]] == ["kept"]


# --- an answer is lost ----------------------------------------------------------------------------------------------


def test_a_commit_whose_answer_was_lost_is_found_by_its_checkpoint(place, line, world, added):
    with Ledger.open(line.url(place), signer=world.signer()) as ledger:
        line.cut = "answer"
        writer = write(ledger, world, "one", "two")
        assert (line.cut, line.times) == ("answer", 0), "it was cut"
        assert proven(writer, ledger.key) == ["one", "two"]
        assert open_checkpoint(writer.checkpoint, ledger.key).size == SOME + 2
        write(ledger, world, "three")
    assert added() == ["one", "two", "three"]


def test_a_commit_that_the_server_never_got_is_known_not_to_be_there(place, line, world, added):
    with Ledger.open(line.url(place), signer=world.signer()) as ledger:
        line.cut = "before"
        with pytest.raises(Unavailable, match="the transaction undone") as caught:
            write(ledger, world, "one")
        assert type(caught.value) is Unavailable
        assert "Nothing was recorded" in str(caught.value)
        assert proven(write(ledger, world, "one"), ledger.key) == ["one"]
    assert added() == ["one"]


def test_somebody_else_may_have_written_before_the_lost_answer_is_looked_for(place, line, world, added, monkeypatch):
    with (
        Ledger.open(line.url(place), signer=world.signer()) as ledger,
        Ledger.open(place, signer=world.signer()) as other,
    ):
        real = ledger._store.successor

        def successor():
            write(other, world, "by another")
            return real()

        for cut in ("answer", "before"):
            monkeypatch.setattr(ledger._store, "successor", successor)
            line.cut, line.times = cut, 1
            with pytest.raises(Unavailable) if cut == "before" else contextlib.nullcontext():
                write(ledger, world, cut)
            real = ledger._store.successor
            write(ledger, world, f"after {cut}")
    assert added() == ["answer", "by another", "after answer", "after before"]


@pytest.mark.parametrize(("cut", "recorded"), [("answer", True), ("before", False)])
def test_while_nobody_can_be_asked_what_became_of_a_commit_it_is_unknown(place, line, world, added, cut, recorded):
    """Not "nothing was recorded", which could be a lie. The same request, sent again, is there once."""
    with Ledger.open(line.url(place), signer=world.signer(), patience=0.3) as ledger:
        line.cut, line.open = cut, False
        with pytest.raises(CommitUnknown):
            write(ledger, world, "one")
        with pytest.raises(Unavailable) as caught:
            write(ledger, world, "not even begun")
        assert type(caught.value) is Unavailable
        line.open = True
        with ledger.writing(now=world.clock) as writer:
            assert writer.append(world.document("one", idempotency_key="one")).repeated == recorded
        assert proven(writer, ledger.key) == ["one"]
    assert added() == ["one"]


def test_while_others_hold_the_turn_for_too_long_a_lost_commit_is_unknown(place, line, world, added, monkeypatch):
    """To look for it a turn is needed: LedgerBusy of that is not the writing's."""
    with (
        Ledger.open(line.url(place), signer=world.signer(), patience=0.1) as ledger,
        Ledger.open(place, signer=world.signer()) as other,
        contextlib.ExitStack() as held,
    ):
        real = ledger._store.successor

        def successor():
            held.enter_context(other.writing(now=world.clock))
            return real()

        line.cut = "answer"
        with monkeypatch.context() as patch, pytest.raises(CommitUnknown):
            patch.setattr(ledger._store, "successor", successor)
            write(ledger, world, "one")
        held.close()
        write(ledger, world, "two")
    assert added() == ["one", "two"]


def test_a_renewal_whose_own_commits_are_lost_recorded_nothing(place, line, world, added, terminate):
    with Ledger.open(line.url(place), signer=world.signer(), patience=0.2) as ledger:
        line.cut, line.times = "answer", 10**6
        terminate(ledger)
        with pytest.raises(Unavailable) as caught:
            write(ledger, world, "one")
        assert type(caught.value) is Unavailable
        line.cut = None
        write(ledger, world, "one")
    assert added() == ["one"]


@pytest.mark.parametrize(("cut", "erased"), [("answer", True), ("before", False)])
def test_an_erasure_whose_commit_was_lost_is_unknown(server, ledger_database, line, world, cut, erased):
    """It leaves no checkpoint to be known by; nobody may be told of it as done."""
    with Ledger.open(line.url(server.url("owner", ledger_database)), signer=world.signer()) as ledger:
        entry = ledger.entry(4)
        line.cut = cut
        with pytest.raises(CommitUnknown), ledger.writing(now=world.clock) as writer:
            assert writer.erase(entry, "by")
        with ledger.writing(now=world.clock) as writer:
            assert writer.erase(entry, "by") != erased
        assert ledger.personal(entry, "by") is None


@pytest.mark.parametrize(("cut", "there"), [("answer", True), ("before", False)])
def test_a_ledger_whose_making_was_cut_off_is_there_whole_or_not_at_all(
    server, database, line, world, outside, cut, there
):
    url = server.url("owner", database)
    line.cut = cut
    with pytest.raises(CommitUnknown):
        world.create(line.url(url))
    if there:
        assert len(outside(url)) == 1
        with pytest.raises(Refused):
            world.create(url)
    else:
        with pytest.raises(NotFound):
            Ledger.open(url)
        world.create(url).close()


@pytest.mark.parametrize(("cut", "there"), [("answer", True), ("before", False)])
def test_a_move_that_was_cut_off_never_leaves_two_places_to_write_to(
    server, database, line, path, world, outside, cut, there
):
    world.create(path, entries=3).close()
    url = server.url("owner", database)
    line.cut = cut
    with pytest.raises(CommitUnknown):
        move(path, line.url(url))
    with pytest.raises(Refused, match="is only read here"):
        Ledger.open(path, signer=world.signer())
    if there:
        assert outside(url) == outside(path)
    else:
        path.with_name("ledger.db.moved").unlink()
        move(path, url)
    with Ledger.open(url, signer=world.signer()) as ledger:
        write(ledger, world, "goes on")
    assert len(outside(url)) == 5


# --- many at once, while connections end ----------------------------------------------------------------------------


class Load:
    """Threads that append through a sequencer, and ask again with the same key whenever that failed."""

    def __init__(self, sequencer, world, threads):
        self._sequencer = sequencer
        self._world = world
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self.failures = []
        self._working = [self._pool.submit(self._work, number) for number in range(threads)]

    def _work(self, thread):
        done = []
        while not self._over.is_set():
            title = f"{thread}.{len(done)}"
            done.append(self._insist(self._world.document(title, idempotency_key=title)))
        return done

    def _insist(self, draft):
        deadline = time.monotonic() + 60
        while True:
            try:
                return self._sequencer.append(draft)
            except (Unavailable, CommitUnknown) as error:
                self.failures.append(error)
                if time.monotonic() > deadline:
                    raise

    def end(self):
        """What was acknowledged, thread by thread in order."""
        self._over.set()
        with self._pool:
            return [work.result() for work in self._working]


def hold(acknowledged, place, outside, key):
    """Everything acknowledged is in the ledger once, where it was said to be, under the checkpoint that came with it;
    and nothing else is.
    """
    titles = [entry["body"]["title"] for entry in outside(place, every_checkpoint=False)[SOME:]]
    told = [answer for answers in acknowledged for answer in answers]
    assert sorted(titles) == sorted(answer.entry.body["title"] for answer in told)
    with Ledger.open(place, read_only=True) as ledger:
        for answer in told:
            assert ledger.entry(answer.seq).raw == answer.entry.raw
            checkpoint = open_checkpoint(answer.checkpoint, key)
            assert answer.seq < checkpoint.size
            assert ledger.checkpoint_at(checkpoint.size) == answer.checkpoint
    for answers in acknowledged:
        assert [answer.seq for answer in answers] == sorted(answer.seq for answer in answers), "in the order asked"
    assert fsck(place, key=key).ok


def test_nothing_is_lost_or_forked_while_backends_are_terminated_at_random(place, server, world, outside):
    """Whoever kills does not ask where a backend is: waiting, inserting, or committing."""
    chance, killed = random.Random(1), 0
    find = "SELECT pid FROM pg_stat_activity WHERE usename = 'writer'"
    with Sequencer(place, signer=world.signer(), now=world.clock) as sequencer:
        load = Load(sequencer, world, threads=8)
        until = time.monotonic() + 2
        with psycopg.connect(server.url(), autocommit=True) as killer:
            while time.monotonic() < until:
                time.sleep(chance.random() * 0.03)
                for (pid,) in killer.execute(find).fetchall():
                    killed += killer.execute("SELECT pg_terminate_backend(%s)", [pid]).fetchone() == (True,)
        acknowledged = load.end()
    assert killed > 10
    assert load.failures, "some were hit"
    assert all(isinstance(error, Unavailable) for error in load.failures)
    assert min(map(len, acknowledged)) > 0
    hold(acknowledged, place, outside, world.key())


@pytest.fixture(scope="module")
def mortal():
    """A server that tests stop."""
    with Server(settings={"fsync": "off", "shared_buffers": "16MB", "log_min_messages": "fatal"}) as mortal:
        mortal.execute(ROLES)
        yield mortal


@pytest.fixture
def there(mortal, world):
    """A ledger on that server, for a writer."""
    with mortal.database() as name:
        world.create(mortal.url("owner", name), entries=SOME - 1).close()
        postgres.grant(mortal.url("owner", name), writers=["writer"])
        yield mortal.url("writer", name)


@pytest.mark.parametrize("end", ["stop", "stop_at_once", "kill_postmaster", "kill"])
def test_a_server_that_ends_and_comes_back_has_everything_once(mortal, there, world, outside, end):
    with Sequencer(there, signer=world.signer(), now=world.clock, patience=20) as sequencer:
        load = Load(sequencer, world, threads=4)
        time.sleep(0.2)
        getattr(mortal, end)()
        time.sleep(0.1)
        mortal.start()
        time.sleep(0.2)
        acknowledged = load.end()
    assert all(isinstance(error, Unavailable) for error in load.failures)
    hold(acknowledged, there, outside, world.key())


def test_without_its_server_a_ledger_says_so_and_goes_on_when_it_is_back(mortal, there, world, outside):
    with (
        Ledger.open(there, signer=world.signer(), patience=0.2) as ledger,
        Ledger.open(there, read_only=True) as reader,
        Sequencer(there, signer=world.signer(), now=world.clock, patience=0.2) as sequencer,
    ):
        mortal.stop_at_once()
        try:
            for ask in (
                lambda: write(ledger, world, "in vain"),
                lambda: sequencer.append(world.document("in vain")),
                lambda: reader.entry(1),
                lambda: fsck(reader),
                lambda: Ledger.open(there),
                lambda: Ledger.open(there, signer=world.signer(), patience=0.1),
                lambda: Sequencer(there, signer=world.signer(), now=world.clock),
                lambda: world.create(there),
                lambda: postgres.grant(there, writers=["writer"], patience=0.1),
            ):
                with pytest.raises(Unavailable) as caught:
                    ask()
                assert type(caught.value) is Unavailable
                assert "\n" not in str(caught.value)
        finally:
            mortal.start()
        write(ledger, world, "one")
        sequencer.append(world.document("two"))
    assert [entry["body"]["title"] for entry in outside(there)[SOME:]] == ["one", "two"]


# --- roles ----------------------------------------------------------------------------------------------------------


def test_an_auditor_who_has_the_key_cannot_write_all_the_same(server, ledger_database, world, added, place):
    there = server.url("auditor", ledger_database)
    with (
        Ledger.open(there, signer=world.signer()) as ledger,
        Sequencer(there, signer=world.signer(), now=world.clock) as sequencer,
    ):
        for ask in (
            lambda: write(ledger, world, "by an auditor"),
            lambda: sequencer.append(world.document("by an auditor")),
            ledger.scrub,
        ):
            with pytest.raises(Unavailable, match="role auditor") as caught:
                ask()
            assert type(caught.value) is Unavailable
        assert ledger.size == SOME
    assert added() == []


def test_a_writer_appends_alone_or_with_others_and_erases_nothing(place, world, added):
    with (
        Ledger.open(place, signer=world.signer()) as ledger,
        Sequencer(place, signer=world.signer(), now=world.clock) as sequencer,
    ):
        write(ledger, world, "alone")
        sequencer.append(world.document("with others"))
        with pytest.raises(Unavailable, match="role writer may not do this"), ledger.writing(now=world.clock) as writer:
            writer.append(world.document("undone"))
            writer.erase(ledger.entry(4), "by")
        with pytest.raises(Unavailable, match="role writer does not own the ledger"):
            ledger.scrub()
        assert ledger.personal(ledger.entry(4), "by") == "Jo"
        write(ledger, world, "after")
    assert added() == ["alone", "with others", "after"]


@pytest.mark.parametrize("of", ["ROLE writer", "DATABASE {0}", "ROLE writer IN DATABASE {0}"])
def test_a_default_of_reading_only_does_not_keep_a_writer_from_writing(
    server, ledger_database, place, world, added, of
):
    """It is for what people do by hand; who writes through the ledger says so."""
    alter = f"ALTER {of.format(ledger_database)}"
    server.execute(f"{alter} SET default_transaction_read_only = on")
    try:
        with Ledger.open(place, signer=world.signer()) as ledger:
            write(ledger, world, "one")
        with pytest.raises(KeyUnavailable), Ledger.open(place) as reader, reader.writing(now=world.clock):
            pass
        with Sequencer(place, signer=world.signer(), now=world.clock) as sequencer:
            sequencer.append(world.document("two"))
        assert added() == ["one", "two"]
    finally:
        server.execute(f"{alter} RESET default_transaction_read_only")


def test_who_waits_for_longer_than_its_patience_is_told_that_others_write(place, world, added):
    with (
        Ledger.open(place, signer=world.signer()) as first,
        Sequencer(place, signer=world.signer(), now=world.clock, patience=0.05) as sequencer,
        first.writing(now=world.clock) as writer,
    ):
        with pytest.raises(LedgerBusy):
            sequencer.append(world.document("in vain"))
        writer.append(world.document("one"))
    assert added() == ["one"]

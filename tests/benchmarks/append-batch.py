"""Appends in batches of 1,000, each batch durable and under a checkpoint, beside SQLite alone: the same rows put into
the same tables by executemany, one commit a batch.

The raw side is a file of the same layout, triggers, indexes and settings that has just as many rows. It is handed the
finished rows: what it does not do is seal, hash, link, check and sign.
"""

import contextlib
import itertools
import sqlite3

import _harness as harness
import _peers as peers
import _trial_ledger as trial_ledger

from tallystick.ledger.ledger import BATCH
from tallystick.ledger.sqlite import connect


def measure(run):
    path, copy = run.folder / "ledger.db", run.folder / "raw.db"
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(trial_ledger.create(path))
        trial_ledger.create(copy).close()
        raw = stack.enter_context(contextlib.closing(connect(copy, writing=True)))
        ours = _Ours(ledger, run.entries)
        limit = _Raw(path, raw, run.entries)
        sides = [ours, limit]
        rival, what = _rival(run, stack)
        if rival is not None:
            sides.append(lambda: rival.ask("batch", run.entries))
        run.interleaved(*sides)  # a first time, to fill the files
        figures = run.interleaved(*sides)
    if rival is not None:
        what = f"pymerkle, which hashes leaves only, {harness.number(harness.median(figures[2]))}/s"
    yield harness.compare(
        "append-batch", *figures[:2], unit="/s", what=f"the same rows by sqlite3's executemany; {what}", aim=">=0.5"
    )


class _Ours:
    def __init__(self, ledger, entries):
        self._ledger, self._entries = ledger, entries
        self._numbers = itertools.count()

    def __call__(self):
        drafts = [trial_ledger.document(f"document {n}") for n in itertools.islice(self._numbers, self._entries)]
        return self._entries * harness.rate_once(lambda: self._append(drafts))

    def _append(self, drafts):
        for _ in self._ledger.append_many(drafts, now=trial_ledger.clock):
            pass


class _Raw:
    """Puts into one file what was appended to another since the last time."""

    def __init__(self, source, store, entries):
        self._source, self._entries, self._store = source, entries, store
        self._size = 1

    def __call__(self):
        batches = list(self._batches())
        return self._entries * harness.rate_once(lambda: self._insert(batches))

    def _batches(self):
        with contextlib.closing(sqlite3.connect(self._source)) as source:
            for _ in range(0, self._entries, BATCH):
                start, stop = self._size, self._size + min(BATCH, self._entries)
                nodes = [
                    source.execute(
                        "SELECT * FROM nodes WHERE level = ? AND position >= ? AND position < ?",
                        (level, start >> level, stop >> level),
                    )
                    for level in range(1, stop.bit_length())
                ]
                yield (
                    source.execute("SELECT * FROM entries WHERE seq >= ? AND seq < ?", (start, stop)).fetchall(),
                    list(itertools.chain.from_iterable(nodes)),
                    source.execute("SELECT * FROM checkpoints WHERE size > ? AND size <= ?", (start, stop)).fetchall(),
                )
                self._size = stop

    def _insert(self, batches):
        connection = self._store._connection  # as the ledger itself opens it, without what is above it
        for entries, nodes, checkpoints in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entries)
            connection.executemany("INSERT INTO nodes VALUES (?, ?, ?)", nodes)
            connection.executemany("INSERT INTO checkpoints VALUES (?, ?, ?, ?)", checkpoints)
            connection.execute("COMMIT")


def _rival(run, stack):
    try:
        return stack.enter_context(peers.Peer("pymerkle", run)), ""
    except harness.Unavailable as reason:
        return None, str(reason)


if __name__ == "__main__":
    harness.main(measure, rounds=(25, 1), entries=(2_000, 1_000))

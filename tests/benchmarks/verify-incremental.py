"""Verifying the last 1,000 entries of a million, from a checkpoint that is trusted: seconds beside those that SQLite
needs to read the same rows.
"""

import contextlib
import sqlite3
import time

import _harness as harness
import _ledgers as ledgers

from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import BATCH, Ledger


def measure(run):
    path = ledgers.documents(run, run.entries)
    start = run.entries + 1 - BATCH
    with Ledger.open(path, read_only=True) as ledger:
        trusted = ledger.checkpoint_at(start)
    ours, limit = run.interleaved(lambda: _verified(path, trusted), lambda: _read(path, start))
    name = f"verify-incremental-{harness.short(run.entries)}"
    yield harness.compare(name, ours, limit, unit="s", what="SQLite reads those rows", aim="<0.1s")


def _verified(path, trusted):
    began = time.perf_counter()
    examined = fsck(path, since=trusted)
    took = time.perf_counter() - began
    assert examined.ok, examined.problems[0]
    assert examined.size - examined.start == BATCH
    return took


def _read(path, start):
    began = time.perf_counter()
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert len(database.execute("SELECT * FROM entries WHERE seq >= ?", (start,)).fetchall()) == BATCH
    return time.perf_counter() - began


if __name__ == "__main__":
    harness.main(measure, rounds=(25, 1), entries=(1_000_000, 2_000))

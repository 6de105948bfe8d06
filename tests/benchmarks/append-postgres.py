"""Durable appends by 32 threads on PostgreSQL: through one sequencer, which commits for all who wait at once, beside
the plain way, where each thread has a connection and takes the ledger's lock for each append.

The server is a real one on the same machine, started for this run with its own defaults, so that a commit is synced.
"""

import contextlib
import functools
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import _harness as harness
import _trial_ledger as trial_ledger

import _figures
from _postgres import Server
from tallystick.ledger.ledger import Ledger
from tallystick.ledger.sequencer import Sequencer


def measure(run):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server())
        if _figures.file_system(server.folder) in harness.MEMORY:
            sys.exit("bench append-postgres: the server's folder is in memory; set TMPDIR to one on a disk")
        place = server.url()
        trial_ledger.create(place, entries=run.warm, batch=1000).close()
        sequencer = stack.enter_context(
            Sequencer(place, signer=trial_ledger.signer(), now=trial_ledger.clock, patience=120)
        )
        callers = [stack.enter_context(_Caller(place)) for _ in range(run.threads)]
        sides = functools.partial(_by_all, sequencer, run), functools.partial(_one_by_one, callers, run)
        for side in sides:
            side()
        ours, plain = run.interleaved(*sides)
    what = f"{run.threads} connections, a lock and a commit for each append"
    yield harness.compare("append-postgres", ours, plain, unit="/s", what=what, aim=">=10")


def _by_all(sequencer, run):
    def append():
        sequencer.append(trial_ledger.document("a document of ordinary length"))

    return harness.rate_of_all([append] * run.threads, run.seconds)


def _one_by_one(callers, run):
    began = time.perf_counter()
    done = [caller.pool.submit(harness.how_often, caller.append, began + run.seconds) for caller in callers]
    return sum(item.result() for item in done) / (time.perf_counter() - began)


class _Caller:
    """A thread with the ledger open. Use it as a context manager."""

    def __init__(self, place):
        self.pool = ThreadPoolExecutor(1)
        self._ledger = self.pool.submit(Ledger.open, place, signer=trial_ledger.signer(), patience=120).result()

    def append(self):
        with self._ledger.writing(now=trial_ledger.clock) as writer:
            writer.append(trial_ledger.document("a document of ordinary length"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.submit(self._ledger.close).result()
        self.pool.shutdown()


if __name__ == "__main__":
    harness.main(measure, rounds=(11, 1), warm=(2_000, 20), threads=(32, 4), seconds=(1.0, 0.1))

"""Drives one peer, by the Python of the peer's environment: ``_peer.py NAME FOLDER``.

Answers each line on its standard input with a line of JSON: ``append SECONDS`` appends one by one, durably, for so
long, ``batch N`` in batches of 1,000; both answer with the rate. ``fill N`` makes it hold entries, by batches where
the peer has them and a tenth of them where not, which is to its favour. ``inclusion N`` and ``consistency N`` make
proofs and answer with the milliseconds of each. Every peer is used as its own documentation says for records that last;
where it has several such ways, the fastest. What is appended says the same as our entry.
"""

import asyncio
import itertools
import json
import os
import random
import sys
import time
from pathlib import Path

BATCH = 1000


def body(number):
    return {"title": f"document {number}", "type": "note", "digest": "0" * 64}


def text(number):
    entry = {"v": 1, "kind": "document", "actor": "tester", "basis": "observed", "subject": [], "seq": number}
    times = {"claimed_at": "2026-01-31T12:00:00.000000Z", "recorded_at": "2026-01-31T12:00:00.000000Z"}
    return json.dumps({**entry, **times, "prev": "0" * 64, "body": body(number)}, sort_keys=True).encode()


class Pymerkle:
    """SqliteTree, its persistent storage: a commit with each append, in SQLite's own defaults (a rollback journal that
    is synced in full). It hashes leaves only; roots and proofs are computed when asked for.
    """

    def __init__(self, folder):
        from pymerkle import SqliteTree

        self.tree = SqliteTree(str(folder / "tree.db"))

    def append(self, numbers):
        for number in numbers:
            self.tree.append_entry(text(number))

    def batch(self, numbers):
        self.tree.append_entries([text(number) for number in numbers])

    def inclusion(self, chance):
        size = self.tree.get_size()
        return lambda: self.tree.prove_inclusion(chance.randrange(size) + 1, size)

    def consistency(self, chance):
        size = self.tree.get_size()
        return lambda: self.tree.prove_consistency(*sorted(chance.sample(range(1, size + 1), 2)))


class Auditchain:
    """SqliteBackend, "for real applications (durable, queryable)": a commit with each append, SQLite's defaults. One
    process, so without its lock; neither sealed nor signed, which is faster.
    """

    def __init__(self, folder):
        from auditchain import AuditLog, SqliteBackend

        self.log = AuditLog(SqliteBackend(folder / "audit.db"))
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self.log.init())

    def append(self, numbers):
        async def one_by_one():
            for number in numbers:
                await self.log.append("tester", "document", f"document {number}", metadata=body(number))

        self.loop.run_until_complete(one_by_one())

    def batch(self, numbers):
        entries = [("tester", "document", f"document {number}", body(number)) for number in numbers]
        self.loop.run_until_complete(self.log.append_many(entries))


class Ledgerchain:
    """On SQLAlchemy and SQLite with its triggers, as its quick start has it: an append, then the caller's commit, here
    in one session.
    """

    def __init__(self, folder):
        import ledgerchain
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session

        engine = create_engine(f"sqlite:///{folder / 'ledger.db'}")
        ledgerchain.create_all(engine)
        self.session, self.writer = Session(engine), ledgerchain.LedgerWriter

    def append(self, numbers):
        for number in numbers:
            self._write(number)
            self.session.commit()

    def batch(self, numbers):
        for number in numbers:
            self._write(number)
        self.session.commit()

    def _write(self, number):
        said = {"event_type": "document", "payload": body(number), "actor": {"kind": "human", "sub": "tester"}}
        self.writer.append(self.session, **said, tenant_id="bench")


class IncidentLedger:
    """On a file, "for a durable ledger": a commit with each append, SQLite's defaults. It has no batches."""

    def __init__(self, folder):
        from incident_ledger import IncidentLedger as Peer

        self.ledger = Peer(str(folder / "incidents.db"))

    def append(self, numbers):
        for number in numbers:
            said = {"query": f"document {number}", "answer": "note", "confidence": 1.0, "model_version": "1"}
            self.ledger.append(**said, trace=body(number))


class Mlflow:
    """Its SQLite store, as `MlflowClient("sqlite:///...")`: a parameter of a run with each call."""

    def __init__(self, folder):
        os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")
        from mlflow import MlflowClient

        self.client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
        self.run = self.client.create_run(self.client.create_experiment("bench")).info.run_id

    def append(self, numbers):
        for number in numbers:
            self.client.log_param(self.run, f"parameter {number}", json.dumps(body(number)))


PEERS = {
    "pymerkle": Pymerkle,
    "auditchain": Auditchain,
    "ledgerchain": Ledgerchain,
    "incident-ledger": IncidentLedger,
    "MLflow": Mlflow,
}


def main(name, folder):
    peer = PEERS[name](Path(folder))
    tasks = {"fill": fill, "append": append, "batch": batch, "inclusion": prove, "consistency": prove}
    numbers = itertools.count()
    for line in sys.stdin:
        what, amount = line.split()
        print(json.dumps(tasks[what](peer, numbers, what, float(amount))), flush=True)


def fill(peer, numbers, _, count):
    if hasattr(peer, "batch"):
        return batch(peer, numbers, _, count)
    peer.append(itertools.islice(numbers, int(count) // 10))
    return None


def append(peer, numbers, _, seconds):
    began, first = time.perf_counter(), next(numbers)

    def for_so_long():
        while time.perf_counter() - began < seconds:
            yield next(numbers)

    peer.append(for_so_long())
    return (next(numbers) - first - 1) / (time.perf_counter() - began)


def batch(peer, numbers, _, count):
    began = time.perf_counter()
    for start in range(0, int(count), BATCH):
        peer.batch(list(itertools.islice(numbers, min(BATCH, int(count) - start))))
    return count / (time.perf_counter() - began)


def prove(peer, _, what, count):
    """Milliseconds of each proof."""
    act, found = getattr(peer, what)(random.Random(1)), []
    for _ in range(int(count)):
        began = time.perf_counter()
        act()
        found.append((time.perf_counter() - began) * 1000)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])

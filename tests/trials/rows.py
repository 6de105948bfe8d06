"""Trial: rows of a ledger file are changed behind its back. fsck finds each change and names the first bad entry.

Fourteen changes (delete, edit each column, forge, duplicate, swap, add, write the rest anew without the key) are made
to each entry. Every change is made on a copy by a plain connection, triggers dropped, as somebody would who can write
the file but has not the key. The triggers are put back, so that only the rows can give it away. Half of the entries
have a checkpoint each, half came in batches of ten.

What it shows: every change is found with the ledger's key from a trusted source, and the right entry is named first.

What it does not show: changes by somebody who has the key, or a cut at the end with the checkpoints that knew of it;
the trial rewrite is about those.
"""

# ruff: noqa: S608 - statements are put together from constants of this file

import contextlib
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import _outside as outside
import _program as program
import _trial_ledger as trial_ledger
from _behind import behind, is_url, superuser, unguarded_server
from _spread import JOBS, spread

from tallystick.canonical import encode
from tallystick.ledger import postgres, sqlite
from tallystick.ledger.fsck import examined, fsck
from tallystick.ledger.ledger import Ledger

COLUMNS = ("leaf", "prev", "kind", "actor", "recorded_at", "idempotency_key", "bytes")


def leaf_of(raw):
    return hashlib.sha256(b"\x00" + raw).digest()


# Each change: (connection, seq, size) to the first entry that is bad after it.


def delete(db, seq, size):
    db.execute("DELETE FROM entries WHERE seq = ?", (seq,))
    return seq


def edit(column):
    def change(db, seq, size):
        (old,) = db.execute(f"SELECT {column} FROM entries WHERE seq = ?", (seq,)).fetchone()
        new = bytes([*old[:-2], old[-2] ^ 1, old[-1]]) if isinstance(old, bytes) else f"{old or ''}x"
        db.execute(f"UPDATE entries SET {column} = ? WHERE seq = ?", (new, seq))
        return seq

    return change


def forge(db, seq, size):
    """Other words in the bytes, and the leaf hash beside them made to fit. Of the last entry only a signature knows."""
    _put(db, seq, _said_otherwise(_raw(db, seq)))
    return seq if seq + 1 < size else _signed_before(db, seq)


def forge_prev(db, seq, size):
    """Another predecessor in the bytes, the columns made to fit."""
    raw = _with(_raw(db, seq), prev="ab" * 32)
    _put(db, seq, raw)
    db.execute("UPDATE entries SET prev = ? WHERE seq = ?", (b"\xab" * 32, seq))
    return seq


def swap(db, seq, size):
    """An entry and its neighbour change places."""
    other = seq + 1 if seq + 1 < size else seq - 1
    for here, there in ((seq, 10**9), (other, seq), (10**9, other)):
        db.execute("UPDATE entries SET seq = ? WHERE seq = ?", (there, here))
    return min(seq, other)


def duplicate(db, seq, size):
    """The same bytes once more at the end; the unique columns made to differ."""
    columns = "kind, actor, recorded_at, NULL, bytes"
    db.execute(
        f"INSERT INTO entries SELECT ?, ?, ?, {columns} FROM entries WHERE seq = ?",
        (size, b"\x01" * 32, b"\x02" * 32, seq),
    )
    return size


def add(db, seq, size):
    """A well-formed entry that follows the last one, with the nodes it completes, but under no checkpoint."""
    raw = _with(_raw(db, seq), seq=size, prev=leaf_of(_raw(db, size - 1)).hex(), idempotency_key="forged")
    db.execute(
        "INSERT INTO entries SELECT ?, ?, ?, kind, actor, recorded_at, 'forged', ? FROM entries WHERE seq = ?",
        (size, leaf_of(raw), leaf_of(_raw(db, size - 1)), raw, seq),
    )
    _plant_tree(db)
    return size


def relink(db, seq, size):
    """An entry says something else, and everything after it is linked and hashed anew, up to the signed roots."""
    _put(db, seq, _said_otherwise(_raw(db, seq)))
    rewritten = []
    for number in range(seq + 1, size):
        prev = leaf_of(rewritten[-1][1] if rewritten else _raw(db, seq))
        rewritten.append((number, _with(_raw(db, number), prev=prev.hex()), prev))
    for number, raw, prev in rewritten:
        db.execute("UPDATE entries SET prev = ? WHERE seq = ?", (prev, number))
        _put(db, number, raw)
    _plant_tree(db)
    return _signed_before(db, seq)


CHANGES = {
    "delete": delete,
    **{f"edit {column}": edit(column) for column in COLUMNS},
    "forge": forge,
    "forge prev": forge_prev,
    "swap": swap,
    "duplicate": duplicate,
    "add": add,
    "relink": relink,
}


def _signed_before(db, seq):
    """Where nothing is contradicted but a signature, the first bad entry is the first that no good one covers."""
    return db.execute("SELECT coalesce(max(size), 0) FROM checkpoints WHERE size <= ?", (seq,)).fetchone()[0]


def _raw(db, seq):
    return db.execute("SELECT bytes FROM entries WHERE seq = ?", (seq,)).fetchone()[0]


def _put(db, seq, raw):
    db.execute("UPDATE entries SET bytes = ?, leaf = ? WHERE seq = ?", (raw, leaf_of(raw), seq))


def _with(raw, **fields):
    return encode(json.loads(raw) | fields)


def _said_otherwise(raw):
    body = json.loads(raw)["body"]
    return _with(raw, body=body | ({"title": "something else"} if "title" in body else {"uuid": "another"}))


def _plant_tree(db):
    """Nodes and checkpoint roots recomputed as if nothing had been; the signatures cannot be."""
    leaves = [leaf_of(raw) for (raw,) in db.execute("SELECT bytes FROM entries ORDER BY seq")]
    levels = outside.levels(leaves)
    nodes = [(level, n, node) for level, hashes in enumerate(levels) for n, node in enumerate(hashes) if level]
    db.execute("DELETE FROM nodes")
    db.executemany("INSERT INTO nodes VALUES (?, ?, ?)", nodes)
    for (size,) in db.execute("SELECT size FROM checkpoints").fetchall():
        db.execute("UPDATE checkpoints SET root = ? WHERE size = ?", (outside.root_of(levels, size), size))


@contextlib.contextmanager
def altered(place, change, *args):
    """What the change returned, and an open store of a ledger that differs by it from the one at ``place``, which stays
    as it is: a copy of the file, or a transaction of a superuser that is undone at the end.
    """
    if is_url(place):
        with contextlib.closing(postgres.connect(superuser(place), writing=False)) as store:
            store.administer("BEGIN READ WRITE")
            with unguarded_server(store._connection) as database:
                result = change(database, *args)
            yield result, store
            store.administer("ROLLBACK")
        return
    with tempfile.TemporaryDirectory(dir=Path(place).parent) as folder:
        copy = shutil.copy(place, folder)
        with behind(copy) as database:
            result = change(database, *args)
        with contextlib.closing(sqlite.connect(Path(copy), writing=False)) as store:
            yield result, store


def make(path, entries):
    """A closed ledger of that many documents, half of them under a checkpoint each."""
    trial_ledger.create(path, entries=entries // 2).close()
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        rest = [trial_ledger.document(f"rest {number}") for number in range(entries - entries // 2)]
        for _ in ledger.append_many(rest, now=trial_ledger.clock, batch=10):
            pass
    assert fsck(path).ok, "the ledger is good to begin with"


def checked(path, case, size):
    """Make one change on a copy and look whether the right entry is named; the name of the change."""
    name, seq = case
    with altered(path, CHANGES[name], seq, size) as (expected, store):
        found = examined(store, key=trial_ledger.key())
    first = found.problems[0] if found.problems else "nothing"
    assert found.first_bad == expected, f"expected {expected}, found {first}"
    return name


def trial(folder, *, seed, entries, cases, jobs):
    """One line of figures; AssertionError if anything does not hold."""
    began, size = time.perf_counter(), entries + 1
    every = [(name, seq) for name in CHANGES for seq in range(size)]
    chosen = random.Random(seed).sample(every, cases) if 0 < cases < len(every) else every
    with program.memory(folder) as memory:
        path = Path(memory) / "ledger.db"
        make(path, entries)
        counts = spread(lambda case: checked(path, case, size), chosen, jobs=jobs)
    return (
        f"rows: seed {seed}, {len(chosen)} of {len(every)} changes ({len(counts)} kinds on {size} entries):"
        f" all found, each with the right first entry, {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    numbers = {
        "entries": (1000, "documents to begin with"),
        "cases": (2000, "changes, each on a copy, drawn by the seed; 0 for every one"),
        "jobs": (JOBS, "processes to examine them with"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

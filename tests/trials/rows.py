"""Trial: rows of a ledger file are changed behind its back. fsck finds each change and names the first bad entry.

Every change is made on a copy by a plain connection, triggers dropped, as somebody would who can write the file but
has not the key. The triggers are put back, so that only the rows can give it away.
"""

# ruff: noqa: S608 - statements are put together from constants of this file

import contextlib
import hashlib
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import _outside as outside
import _program as program
import _trial_ledger as trial_ledger
from _behind import behind, is_url, superuser, unguarded_server

from tallystick.canonical import encode
from tallystick.ledger import postgres, sqlite
from tallystick.ledger.fsck import examined, fsck

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
    """Other words in the bytes, and the leaf hash beside them made to fit."""
    _put(db, seq, _said_otherwise(_raw(db, seq)))
    return seq


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
    return seq


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
    db.execute("DELETE FROM nodes")
    for level in range(1, len(leaves).bit_length()):
        for position in range(len(leaves) >> level):
            span = leaves[position << level : (position + 1) << level]
            db.execute("INSERT INTO nodes VALUES (?, ?, ?)", (level, position, outside.root(span)))
    for (size,) in db.execute("SELECT size FROM checkpoints").fetchall():
        db.execute("UPDATE checkpoints SET root = ? WHERE size = ?", (outside.root(leaves[:size]), size))


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
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(place, folder)
        with behind(copy) as database:
            result = change(database, *args)
        with contextlib.closing(sqlite.connect(Path(copy), writing=False)) as store:
            yield result, store


def trial(folder, *, seed, entries, cases):
    """One line of figures; AssertionError if anything does not hold."""
    path = Path(folder) / "ledger.db"
    trial_ledger.create(path, entries=entries).close()
    size = entries + 1
    assert fsck(path).ok, "the ledger is good to begin with"
    every = [(name, seq) for name in CHANGES for seq in range(size)]
    chosen = every if cases >= len(every) else random.Random(seed).sample(every, cases)
    for name, seq in chosen:
        with altered(path, CHANGES[name], seq, size) as (expected, store):
            found = examined(store)
        first = found.problems[0] if found.problems else "nothing"
        assert found.first_bad == expected, f"{name} of entry {seq}: expected {expected}, found {first}"
    return f"rows: seed {seed}, {size} entries, {len(chosen)} changes, all found, each with the right first entry"


if __name__ == "__main__":
    counts = {"entries": (200, "documents to begin with"), "cases": (1000, "changes, each on a copy")}
    sys.exit(program.run(trial, doc=__doc__, **counts))

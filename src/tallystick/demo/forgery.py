"""What a cheat could do to a copy of a ledger: edit one entry, or rewrite everything after it with the real key.

The database's own protections are for accidents; whoever can write the file takes them off, as is done here. So
what must catch a forgery are the proofs, and the demonstration shows which of them does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tallystick.canonical import Value, encode, leaf_hash
from tallystick.proof.keys import Signer
from tallystick.proof.merkle import node_hash, root
from tallystick.proof.note import Checkpoint, sign_note
from tallystick.records import FIRST_PREV, Entry

__all__ = ["edit_entry", "rewrite"]

Change = Callable[[dict[str, Value]], None]


def edit_entry(path: Path, seq: int, change: Change) -> None:
    """Change one entry's bytes in place and nothing else."""
    with closing(sqlite3.connect(path)) as database, database:
        guards = _drop_guards(database)
        (raw,) = database.execute("SELECT bytes FROM entries WHERE seq = ?", (seq,)).fetchone()
        value = Entry.parse(raw).value()
        change(value)
        database.execute("UPDATE entries SET bytes = ? WHERE seq = ?", (encode(value), seq))
        _put_back(database, guards)


def rewrite(path: Path, seq: int, change: Change, *, signer: Signer) -> None:
    """Change one entry, link everything after it anew, rebuild the tree and sign it with the ledger's real key."""
    with closing(sqlite3.connect(path)) as database, database:
        guards = _drop_guards(database)
        rows = [raw for (raw,) in database.execute("SELECT bytes FROM entries ORDER BY seq")]
        forged = _relinked(rows, seq, change)
        _replace_entries(database, forged)
        leaves = [leaf_hash(raw) for raw in forged]
        _replace_nodes(database, leaves)
        _replace_checkpoints(database, Entry.parse(forged[0]).body["origin"], leaves, signer)
        _put_back(database, guards)


def _drop_guards(database: sqlite3.Connection) -> list[str]:
    guards = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        database.execute(f'DROP TRIGGER "{name}"')
    return [sql for _, sql in guards]


def _put_back(database: sqlite3.Connection, guards: list[str]) -> None:
    for guard in guards:
        database.execute(guard)


def _relinked(rows: list[bytes], seq: int, change: Change) -> list[bytes]:
    """New bytes: references to entries that changed are followed, so that the forgery is a good one."""
    forged: list[bytes] = []
    new_leaf: dict[str, str] = {}
    prev = FIRST_PREV
    for raw in rows:
        text = raw.decode()
        for old, new in new_leaf.items():
            text = text.replace(old, new)
        value = Entry.parse(encode(_parsed(text) | {"prev": prev})).value()
        if value["seq"] == seq:
            change(value)
        data = encode(value)
        prev = leaf_hash(data).hex()
        if data != raw:
            new_leaf[leaf_hash(raw).hex()] = prev
        forged.append(data)
    return forged


def _parsed(text: str) -> dict[str, Value]:
    import json

    value: dict[str, Value] = json.loads(text)
    return value


def _replace_entries(database: sqlite3.Connection, forged: list[bytes]) -> None:
    for seq in range(len(forged)):  # out of the way first: leaf and prev are unique
        database.execute("UPDATE entries SET leaf = randomblob(32), prev = randomblob(32) WHERE seq = ?", (seq,))
    for seq, raw in enumerate(forged):
        prev = bytes.fromhex(Entry.parse(raw).prev)
        database.execute(
            "UPDATE entries SET bytes = ?, leaf = ?, prev = ? WHERE seq = ?", (raw, leaf_hash(raw), prev, seq)
        )


def _replace_nodes(database: sqlite3.Connection, leaves: list[bytes]) -> None:
    database.execute("DELETE FROM nodes")
    level, hashes = 0, leaves
    while len(hashes) > 1:
        level += 1
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        database.executemany(
            "INSERT INTO nodes (level, position, hash) VALUES (?, ?, ?)",
            [(level, position, value) for position, value in enumerate(hashes)],
        )


def _replace_checkpoints(database: sqlite3.Connection, origin: str, leaves: list[bytes], signer: Signer) -> None:
    sizes = [size for (size,) in database.execute("SELECT size FROM checkpoints ORDER BY size")]
    for size in sizes:
        head = root(leaves[:size])
        note = sign_note(Checkpoint(origin, size, head).text(), origin, signer)
        database.execute("UPDATE checkpoints SET root = ?, note = ? WHERE size = ?", (head, note, size))

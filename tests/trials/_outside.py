"""A ledger checked from outside: the file format as documented, with nothing of tallystick.

Plain sqlite3 (or psycopg, for a URL), hashlib and json; Ed25519 by cryptography. The root is the recursion of RFC 6962,
section 2.1, as it stands there. Anything that does not hold is an AssertionError that says so.
"""

import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def root(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def levels(leaves):
    """The perfect subtrees of a tree, from the leaves up: for trees that are too large for the recursion again and
    again.
    """
    found = [leaves]
    while len(found[-1]) > 1:
        below = found[-1]
        pairs = zip(below[::2], below[1::2], strict=False)
        found.append([hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs])
    return found


def root_of(levels, size):
    """The root of the first ``size`` leaves: their perfect subtrees, the right ones joined first."""
    node = None
    for level in range(size.bit_length()):
        if size >> level & 1:
            left = levels[level][(size >> level) - 1]
            node = left if node is None else hashlib.sha256(b"\x01" + left + node).digest()
    return node


def opened(note, vkey):
    """(origin, size, root) of a signed checkpoint."""
    name, key_id, encoded = vkey.split("+", 2)
    blob = base64.b64decode(encoded, validate=True)
    assert blob[0] == 1, "an Ed25519 key"
    assert hashlib.sha256(name.encode() + b"\n" + blob).hexdigest()[:8] == key_id, "key id"
    text, _, signatures = note.decode().rpartition("\n\n")
    text += "\n"
    dash, signer, signature = signatures.rstrip("\n").split(" ")
    assert (dash, signer) == ("\u2014", name), "signature line"
    signature = base64.b64decode(signature, validate=True)
    assert signature[:4].hex() == key_id, "key id in the signature"
    Ed25519PublicKey.from_public_bytes(blob[1:]).verify(signature[4:], text.encode())
    origin, size, hashed = text.rstrip("\n").split("\n")
    return origin, int(size), base64.b64decode(hashed, validate=True)


ENTRIES = "SELECT seq, leaf, prev, bytes FROM entries ORDER BY seq"
CHECKPOINTS = "SELECT size, previous, root, note FROM checkpoints ORDER BY size"
NODES = "SELECT level, position, hash FROM nodes"
ATTACHMENTS = "SELECT sha256, bytes FROM attachments"


def stored(place):
    """The rows of entries, checkpoints, nodes and attachments."""
    if str(place).startswith("postgresql://"):
        with psycopg.connect(place, options="-c search_path=tallystick") as db:
            return [db.execute(query).fetchall() for query in (ENTRIES, CHECKPOINTS, NODES, ATTACHMENTS)]
    with closing(sqlite3.connect(f"file:{Path(place).as_posix()}?mode=rw", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [db.execute(query).fetchall() for query in (ENTRIES, CHECKPOINTS, NODES, ATTACHMENTS)]


def leaves(place):
    """The leaf hashes of all entries, by their bytes."""
    return [hashlib.sha256(b"\x00" + raw).digest() for *_, raw in stored(place)[0]]


def check(place, *, vkey=None, every_checkpoint=True):
    """The entries of a ledger, by its path or URL, as JSON objects, after checking chain, tree and signatures."""
    rows, notes, nodes, attached = stored(place)
    attached = dict(attached)
    leaves = [hashlib.sha256(b"\x00" + raw).digest() for *_, raw in rows]
    entries = [json.loads(raw) for *_, raw in rows]
    for number, ((seq, leaf, prev, _), entry) in enumerate(zip(rows, entries, strict=True)):
        assert seq == entry["seq"] == number, f"entry {number} is in its place"
        assert leaf == leaves[number], f"entry {number} has its leaf hash"
        before = leaves[number - 1] if number else bytes(32)
        assert prev == before == bytes.fromhex(entry["prev"]), f"entry {number} follows the one before"
        for line in entry.get("attachments", ()):
            if "sha256" in line:
                data = attached[bytes.fromhex(line["sha256"])]
                assert hashlib.sha256(data).hexdigest() == line["sha256"]
                assert len(data) == line["size"]
    for level, position, hashed in nodes:
        assert hashed == root(leaves[position << level : (position + 1) << level]), f"node {level}, {position}"
    assert len(nodes) == sum(len(leaves) >> level for level in range(1, 64))
    vkey = vkey or entries[0]["body"]["checkpoint_key"]
    assert [previous for _, previous, _, _ in notes] == [0, *(size for size, *_ in notes[:-1])], "no fork of heads"
    assert notes[-1][0] == len(rows), "the last checkpoint is of all entries"
    for size, _, signed, note in notes if every_checkpoint else notes[-1:]:
        assert opened(note, vkey) == (entries[0]["body"]["origin"], size, signed)
        assert signed == root(leaves[:size]), f"the root at {size}"
    return entries

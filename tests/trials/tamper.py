"""Trial: single bits of a closed ledger file, of checkpoints, receipts and bare proofs are flipped, one at a time.

After each flip of the file, fsck with the trusted key says that it is not sound, or an error of the one tree is raised;
or else everything that can be read from it (the bytes of the entries in their order, every checkpoint, attachments and
erasable values) is exactly what was written. A checkpoint, receipt or proof proves what it proved, or nothing.

What it shows: no flip is accepted that changes anything; none crashes, and none takes longer than five seconds.

What it does not show: that every byte of the file matters. Free space, and copies of what is held elsewhere, do not,
which is what "the same" counts. Nor that several changes at once are found: the trial rows makes sensible ones.
"""

import os
import random
import sys
import time
from pathlib import Path

import _program as program
import _trial_ledger as trial_ledger
from _spread import JOBS, spread

from tallystick.canonical import leaf_hash
from tallystick.errors import NotVerified, TallystickError
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger
from tallystick.proof.note import open_checkpoint
from tallystick.proof.receipt import Proof, Receipt
from tallystick.records import Attachment, Personal

HANG = 5
"""Seconds."""


def make(path):
    """A closed ledger of some twenty entries, with all that can stand in one; some receipts, and its checkpoints."""
    with trial_ledger.create(path, entries=6) as ledger:
        for number in range(12):
            with ledger.writing(now=trial_ledger.clock) as writer:
                plain = Attachment("plain", "text/plain", f"plain {number}".encode() * 20)
                secret = Attachment.erasable("secret", "text/plain", b"secret" * number)
                name = Personal("by", f"Jo {number}")
                fields = {"attachments": (plain, secret), "personal": (name,), "idempotency_key": f"full {number}"}
                earlier = ledger.entry(number + 1).ref
                writer.append(trial_ledger.document(f"full {number}", supersedes=earlier, **fields))
        with ledger.writing(now=trial_ledger.clock) as writer:
            erased = writer.entry(ledger.size - 1)
            assert writer.erase(erased, "by")
            assert writer.append(trial_ledger.document("last"))
        return [ledger.receipt(ledger.entry(seq)) for seq in (0, 9, ledger.size - 1)], list(ledger.checkpoints())


def export(path):
    """Everything that the reading side hands out."""
    with Ledger.open(path) as ledger:
        entries = list(ledger.entries())
        parts = {
            (entry.seq, line["name"]): ledger.part(entry, line["name"])
            for entry in entries
            for line in (*entry.attachments, *entry.personal)
        }
        links = [ledger.referring(entry.seq) for entry in entries]
        return [entry.raw for entry in entries], list(ledger.checkpoints()), parts, links


class World:
    """The file and the proofs as they were made, and what each says."""

    def __init__(self, folder):
        self._folder = folder
        made = folder / "made.db"
        receipts, notes = make(made)
        bare = [Proof(item.index, item.hashes, item.checkpoint) for item in receipts]
        self._proofs = {
            "checkpoint": [(note, open_checkpoint(note, trial_ledger.key())) for note in notes[-2:]],
            "receipt": [(item.to_bytes(), item.verify(trial_ledger.key())) for item in receipts],
            "bare proof": [
                (proof.to_bytes(), (proof.index, proof.verify(leaf_hash(item.entry), trial_ledger.key())))
                for proof, item in zip(bare, receipts, strict=True)
            ],
        }
        """By kind: the bytes, and what they prove."""
        self._leaves = [leaf_hash(item.entry) for item in receipts]
        self._file = made.read_bytes()
        self._key = trial_ledger.key()
        self._export = export(made)
        assert fsck(made, key=self._key).ok

    @property
    def size(self):
        """Bytes of the file."""
        return len(self._file)

    def cases(self, *, bits, chance):
        """(which, number, offset, bit): ``bits`` of each byte of the file, every one of the proofs."""
        for offset in range(len(self._file)):
            yield from (("ledger", 0, offset, bit) for bit in chance.sample(range(8), bits))
        for which, proofs in self._proofs.items():
            for number, (proof, _) in enumerate(proofs):
                yield from ((which, number, offset, bit) for offset in range(len(proof)) for bit in range(8))

    def check(self, case):
        """What became of one flip."""
        which, number, offset, bit = case
        said = self._ledger(offset, bit) if which == "ledger" else self._proof(which, number, offset, bit)
        return f"{which}: {said}"

    def _ledger(self, offset, bit):
        path = self._lay_out(_flipped(self._file, offset, bit))
        try:
            if not fsck(path, key=self._key).ok:
                return "found"
        except TallystickError:
            return "not readable"
        assert export(path) == self._export, "what is accepted is what was written"
        return "the same"

    def _lay_out(self, content):
        folder = self._folder / str(os.getpid())
        folder.mkdir(exist_ok=True)
        for leftover in folder.iterdir():
            leftover.unlink()
        path = folder / "ledger.db"
        path.write_bytes(content)
        return path

    def _proof(self, which, number, offset, bit):
        proof, proven = self._proofs[which][number]
        try:
            found = self._proven(which, number, _flipped(proof, offset, bit))
        except NotVerified:
            return "found"
        assert found == proven, "what is accepted proves the same"
        return "the same"

    def _proven(self, which, number, proof):
        if which == "checkpoint":
            return open_checkpoint(proof, self._key)
        if which == "receipt":
            return Receipt.parse(proof).verify(self._key)
        bare = Proof.parse(proof)
        return bare.index, bare.verify(self._leaves[number], self._key)


def _flipped(data, offset, bit):
    return data[:offset] + bytes([data[offset] ^ 1 << bit]) + data[offset + 1 :]


def trial(folder, *, seed, bits, cases, jobs):
    """One line of figures; AssertionError if anything does not hold."""
    began, chance = time.perf_counter(), random.Random(seed)
    with program.memory(folder) as memory:
        world = World(Path(memory))
        every = list(world.cases(bits=bits, chance=chance))
        chosen = chance.sample(every, cases) if 0 < cases < len(every) else every
        counts = spread(world.check, chosen, jobs=jobs, seconds=HANG)
    said = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    return (
        f"tamper: seed {seed}, {len(chosen)} of {len(every)} bits flipped: {said};"
        f" 0 accepted and different, 0 crashes, none over {HANG} s, {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    numbers = {
        "bits": (1, "bits of each byte of the file, drawn by the seed; 8 for all"),
        "cases": (0, "flips, drawn by the seed; 0 for all"),
        "jobs": (JOBS, "processes to examine them with"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

"""Trial: many processes append to one ledger at once, one entry at a time. No fork, gap, duplicate or loss.

Each writer notes what it was told: the entry's number, its leaf hash and the checkpoint. Every fourth has no patience:
when it is refused because others write, it asks again with the same idempotency key. Afterwards all notes are held
against the ledger as it is seen from outside.

What it shows: the entries are in one order, in which each writer's stand in its own; each has the number and the leaf
that was told; each checkpoint that was handed out is of a beginning of the final tree; nothing else is there. Whoever
waits too long gets LedgerBusy, and soon. How fair the queue is, is told: the slowest against the mean.

What it does not show: what happens when somebody dies (the trial crash).
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import _engines as engines
import _outside as outside
import _program as program
import _trial_ledger as trial_ledger

from tallystick.errors import LedgerBusy
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger
from tallystick.proof.merkle import verify_consistency
from tallystick.proof.note import open_checkpoint

PATIENCE = {"patient": 600.0, "hasty": 0.02}
"""Seconds."""
SOON = 5.0
"""Seconds over its patience in which the hasty one has its answer, on a machine that is busy."""
PROOFS = 200

# --------------------------------------------------------------------------- one writer


class Writer:
    """A process that appends ``count`` entries once it is told to."""

    def __init__(self, place, name, count, seed, notes):
        self.name, self.count, self.notes = name, count, notes
        self.hasty = name.startswith("hasty")
        command = [sys.executable, __file__, "--child", str(place), name, str(count), str(seed), str(notes)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n", "a writer gets ready"

    def go(self):
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def done(self):
        """Seconds in all, the longest that one append took, refusals, the longest over its patience."""
        said, _ = self._process.communicate()
        assert self._process.returncode == 0, f"{self.name} ends well"
        return json.loads(said)

    def told(self):
        """(seq, leaf, checkpoint) of each append, in its order."""
        return [json.loads(line) for line in self.notes.read_text().splitlines()]


def write(place, name, count, seed, notes):
    chance = random.Random(f"{seed} {name}")
    patience = PATIENCE[name.partition("-")[0]]
    longest = late = refusals = 0
    with Ledger.open(place, signer=trial_ledger.signer(), patience=patience) as ledger, Path(notes).open("w") as file:
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.perf_counter()
        for number in range(count):
            draft = trial_ledger.document(f"{name} {number}", actor=name, idempotency_key=f"key {number}")
            first = asked = time.perf_counter()
            while (told := _append(ledger, draft)) is None:
                late = max(late, time.perf_counter() - asked - patience)
                refusals += 1
                asked = time.perf_counter()
            longest = max(longest, time.perf_counter() - first)
            file.write(json.dumps(told) + "\n")
            if chance.random() < 0.02:
                time.sleep(chance.random() * 0.01)
        seconds = time.perf_counter() - began
    print(json.dumps([seconds, longest, refusals, late]))


def _append(ledger, draft):
    """What is told of an append; None if others wrote for too long."""
    try:
        with ledger.writing(now=trial_ledger.clock) as writer:
            appended = writer.append(draft)
    except LedgerBusy:
        return None
    return appended.seq, appended.leaf.hex(), writer.checkpoint.decode()


# --------------------------------------------------------------------------- all of them


def trial(folder, *, seed, writers, appends, engine):
    """A line of figures for each engine; AssertionError if anything does not hold."""
    lines = []
    for opened in engines.chosen(engine):
        with opened(folder) as kept:
            trial_ledger.create(kept.place).close()
            found = among_writers(kept.place, folder, seed=seed, writers=writers, appends=appends)
            lines.append(f"writers: {kept.version}, {found}")
    return lines


def among_writers(place, folder, *, seed, writers, appends):
    """The trial of a ledger that has its first entry only, wherever it is kept; the figures.

    Args:
        folder: for what the writers note.
    """
    names = [f"{'hasty' if number % 4 == 3 else 'patient'}-{number}" for number in range(writers)]
    counts = [appends // writers + (number < appends % writers) for number in range(writers)]
    crew = [Writer(place, name, count, seed, folder / name) for name, count in zip(names, counts, strict=True)]
    began = time.perf_counter()
    for writer in crew:
        writer.go()
    done = {writer: writer.done() for writer in crew}
    took = time.perf_counter() - began
    late = max(item[3] for item in done.values())
    assert late < SOON, f"whoever is refused is so soon, and not {late:.1f} s late"
    _compare(place, {writer.name: writer.told() for writer in crew}, random.Random(seed))
    rates = [writer.count / item[0] for writer, item in done.items() if not writer.hasty]
    return (
        f"seed {seed}, {writers} processes, {appends} appends, {appends / took:.0f}/s,"
        f" slowest at {min(rates) * len(rates) / sum(rates):.2f} of the mean,"
        f" longest wait {max(item[1] for writer, item in done.items() if not writer.hasty):.2f} s,"
        f" {sum(item[2] for item in done.values())} refused as busy and repeated, {late:.2f} s late at most;"
        " 0 anomalies"
    )


def _compare(place, told, chance):
    """Hold what each writer was told against the ledger."""
    examined = fsck(place, key=trial_ledger.key())
    assert examined.ok, examined.problems[0]
    entries = outside.check(place, every_checkpoint=False)
    leaves = outside.leaves(place)
    levels, vkey = outside.levels(leaves), str(trial_ledger.key())
    for name, notes in told.items():
        mine = [entry for entry in entries if entry["actor"] == name]
        assert [entry["seq"] for entry in mine] == [seq for seq, _, _ in notes], f"{name} was told the truth, in order"
        assert [entry["body"]["title"] for entry in mine] == [f"{name} {n}" for n in range(len(notes))], "once each"
        for seq, leaf, note in notes:
            _, size, root = outside.opened(note.encode(), vkey)
            assert leaves[seq].hex() == leaf, f"the leaf of entry {seq} is the one that {name} was told"
            assert seq < size <= len(leaves), f"the checkpoint that {name} was given covers entry {seq}"
            assert root == outside.root_of(levels, size), f"the checkpoint of {size} is of a beginning of the tree"
    assert len(entries) == 1 + sum(map(len, told.values())), "nothing else was recorded"
    _prove(place, [note.encode() for notes in told.values() for _, _, note in notes], chance)


def _prove(place, notes, chance):
    """For some of the checkpoints: that the ledger itself proves it still begins with them."""
    with Ledger.open(place, read_only=True) as ledger:
        end = open_checkpoint(ledger.latest_checkpoint(), ledger.key)
        for note in chance.sample(notes, min(PROOFS, len(notes))):
            begin = open_checkpoint(note, ledger.key)
            proof = ledger.consistency_proof(begin.size, end.size)
            verify_consistency(begin.size, end.size, proof, begin.root, end.root)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        place, name, count, seed, notes = sys.argv[2:]
        write(place, name, int(count), seed, notes)
        sys.exit()
    numbers = {
        "writers": (16, "processes"),
        "appends": (20_000, "entries, by all of them together"),
        "engine": engines.ENGINES,
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

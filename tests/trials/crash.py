"""Trial: a process that appends is killed (SIGKILL) again and again. What it acknowledged is there, once; no more.

Each child goes on where the acknowledgements of the one before end, with the same idempotency keys: an append that
was committed but not acknowledged must then come back as the first one, never twice.
"""

import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import _outside as outside
import _program as program
import _trial_ledger as trial_ledger

from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger


def trial(folder, *, seed, kills):
    """One line of figures; AssertionError if anything does not hold."""
    path = Path(folder) / "ledger.db"
    trial_ledger.create(path).close()
    chance = random.Random(seed)
    acknowledged, began = [], time.perf_counter()
    for _ in range(kills):
        acknowledged += _lived(path, first=len(acknowledged), chance=chance)
    took = time.perf_counter() - began
    entries = outside.check(path, every_checkpoint=len(acknowledged) < 500)
    recorded = [(entry["seq"], entry["body"]["title"]) for entry in entries[1:]]
    assert len(acknowledged) >= kills, "the children got somewhere"
    assert recorded[: len(acknowledged)] == acknowledged, "every acknowledged entry is there, in its place"
    assert len(recorded) - len(acknowledged) in (0, 1), "at most one append was committed and not acknowledged"
    assert [title for _, title in recorded] == [f"document {number}" for number in range(len(recorded))], "once each"
    examined = fsck(path)
    assert examined.ok, examined.problems[0]
    return (
        f"crash: seed {seed}, {kills} kills in {took:.1f} s, {len(acknowledged)} acknowledged,"
        f" {len(recorded)} recorded, 0 lost, 0 twice, fsck clean"
    )


def _lived(path, *, first, chance):
    """The (seq, title) acknowledged by a child until it was killed, at a moment after its first acknowledgement."""
    command = [sys.executable, __file__, "--child", str(path), str(first)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    ready, _, _ = select.select([child.stdout], [], [], 60)
    time.sleep(chance.random() * 0.05)
    child.send_signal(signal.SIGKILL)
    said, _ = child.communicate(timeout=60)
    assert ready, "the child got somewhere"
    assert child.returncode == -signal.SIGKILL, "the child lived until it was killed"
    lines = said.decode().splitlines(keepends=True)
    whole = [line.split(" ", 1) for line in lines if line.endswith("\n")]
    return [(int(seq), title.rstrip("\n")) for seq, title in whole]


def _child(path, first):
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        number = first
        while True:
            draft = trial_ledger.document(f"document {number}", idempotency_key=f"key-{number}")
            with ledger.writing(now=trial_ledger.clock) as writer:
                appended = writer.append(draft)
            print(appended.seq, appended.entry.body["title"], flush=True)
            number += 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], int(sys.argv[3]))
    sys.exit(program.run(trial, doc=__doc__, kills=(200, "processes that are killed")))

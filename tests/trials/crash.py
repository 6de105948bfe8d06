"""Trial: a process that appends is killed (SIGKILL) again and again. What it acknowledged is there, once; no more.

    python tests/trials/crash.py --seed 1 --kills 200

Each child goes on where the acknowledgements of the one before end, with the same idempotency keys: an append that
was committed but not acknowledged must then come back as the first one, never twice.
"""

import argparse
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _outside as outside
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


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        _child(options.child[0], int(options.child[1]))
    with tempfile.TemporaryDirectory() as folder:
        try:
            print(trial(folder, seed=options.seed, kills=options.kills))
        except AssertionError as error:
            print(f"crash: seed {options.seed}: FAILED: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Trial: two processes that write and one that reads are killed (SIGKILL) again and again, at any moment of a life.

Each opens the ledger, writes or reads a few times, closes it, and begins anew; so kills fall into opening, recovery,
appending, the checkpoint at closing. A writer goes on where the acknowledgements of the one before end, with the same
idempotency keys: an append that was committed but not acknowledged must come back as the first one, never twice. The
reader looks whether everything that was acknowledged before it was born is there.

What it shows: 0 acknowledged entries lost, moved or there twice; each writer's entries in its own order; no fork; no
repair by hand; whoever lives never sees an error.

What it does not show: a loss of power (the trial powerloss), or one certain moment (the trial syscalls kills at each).
"""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import _outside as outside
import _program as program
import _trial_ledger as trial_ledger

from tallystick.ledger.fsck import fsck

WRITERS = ("ada", "ben")
READER = "eve"
PROGRAM = Path(__file__).with_name("_life.py")


class Life:
    """One process, from its start until it is killed."""

    def __init__(self, place, name, first, chance):
        role = "read" if name == READER else "write"
        command = [sys.executable, str(PROGRAM), role, str(place), name, str(first), str(chance.random())]
        # Without a buffer: what was read ahead of the first line would be lost to communicate().
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        assert self._process.stdout.readline() == b"born\n", "a process starts"
        self._end = time.monotonic() + chance.random() * chance.choice((0.01, 0.1, 0.3))

    def killed(self):
        """What it was told, in its order: (seq, leaf, repeated)."""
        time.sleep(max(0.0, self._end - time.monotonic()))
        self._process.send_signal(signal.SIGKILL)
        said, complained = self._process.communicate(timeout=60)
        complaint = complained.decode().strip().rpartition("\n")[2]
        assert self._process.returncode == -signal.SIGKILL, f"whoever lives sees no error: {complaint}"
        return [json.loads(line) for line in said.decode().splitlines(keepends=True) if line.endswith("\n")]


# --------------------------------------------------------------------------- all of them


def trial(folder, *, seed, kills):
    """One line of figures; AssertionError if anything does not hold."""
    place = folder / "ledger.db"
    trial_ledger.create(place).close()
    return f"crash: {among_kills(place, seed=seed, kills=kills)}"


def among_kills(place, *, seed, kills):
    """The trial of a ledger that has its first entry only, wherever it is kept; the figures."""
    chance, began = random.Random(seed), time.perf_counter()
    told = {name: [] for name in WRITERS}
    lives = {name: Life(place, name, 0, chance) for name in (*WRITERS, READER)}
    for _ in range(kills - len(lives)):
        name = chance.choice((*WRITERS, *WRITERS, READER))
        _bury(lives.pop(name), name, told)
        lives[name] = Life(place, name, _known(told, name), chance)
    for name, life in lives.items():
        _bury(life, name, told)
    took = time.perf_counter() - began
    recorded = _compare(place, told)
    acknowledged, resolved = sum(map(len, told.values())), sum(again for said in told.values() for _, _, again in said)
    return (
        f"seed {seed}, {kills} kills in {took:.0f} s, {acknowledged} acknowledged by {len(WRITERS)} writers,"
        f" {resolved} committed without a word and resolved by their retry, {recorded} recorded,"
        " 0 lost, 0 twice, 0 errors of the living, fsck clean"
    )


def _bury(life, name, told):
    said = life.killed()
    if name in told:
        told[name] += said


def _known(told, name):
    """Where a life begins: a writer after what was acknowledged to it, a reader with how many have to be there."""
    if name in told:
        return len(told[name])
    return 1 + max((seq for said in told.values() for seq, _, _ in said), default=0)


def _compare(place, told):
    """How many entries there are, each of which was acknowledged, but perhaps each writer's last."""
    examined = fsck(place, key=trial_ledger.key())
    assert examined.ok, examined.problems[0]
    entries = outside.check(place, every_checkpoint=examined.size < 500)
    leaves = [*(entry["prev"] for entry in entries[1:]), None]
    for name, said in told.items():
        mine = [entry for entry in entries if entry["actor"] == name]
        assert said, f"{name} got somewhere"
        assert [entry["body"]["title"] for entry in mine] == [f"{name} {n}" for n in range(len(mine))], "once, in order"
        assert [entry["seq"] for entry in mine[: len(said)]] == [seq for seq, _, _ in said], "none is lost or moved"
        assert all(leaves[seq] in (leaf, None) for seq, leaf, _ in said), "none is another"
        assert len(mine) - len(said) in (0, 1), "at most the last was committed and not acknowledged"
    return len(entries) - 1


if __name__ == "__main__":
    sys.exit(program.run(trial, doc=__doc__, kills=(2000, "processes that are killed")))

"""Trial: two processes that write and one that reads are killed (SIGKILL) again and again, at any moment of a life.

Each opens the ledger, writes or reads a few times, closes it, and begins anew; so kills fall into opening, recovery,
appending, the checkpoint at closing. A writer goes on where the acknowledgements of the one before end, with the same
idempotency keys: an append that was committed but not acknowledged must come back as the first one, never twice. The
reader looks whether everything that was acknowledged before it was born is there.

On PostgreSQL the same, and then its server is killed under the load of four writers, who live, ask again with the same
keys and go on when it is back: the postmaster alone, whose orphans may still commit, or all its processes at once.

What it shows: 0 acknowledged entries lost, moved or there twice; each writer's entries in its own order; no fork; no
repair by hand; whoever lives never sees an error, but that a killed server is not there.

What it does not show: a loss of power (the trial powerloss), or one certain moment (the trial syscalls kills at each).
"""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import _engines as engines
import _outside as outside
import _program as program
import _trial_ledger as trial_ledger

from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger

WRITERS = ("ada", "ben")
READER = "eve"
INSISTING = ("fay", "gus", "hal", "ida")
"""Writers of a server that is killed."""
PROGRAM = Path(__file__).with_name("_life.py")


class Life:
    """One process, from its start until it is killed."""

    def __init__(self, place, name, first, chance):
        role = "read" if name == READER else "insist" if name in INSISTING else "write"
        command = [sys.executable, str(PROGRAM), role, str(place), name, str(first), str(chance.random())]
        # Without a buffer: what was read ahead of the first line would be lost to communicate().
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        assert self._process.stdout.readline() == b"born\n", "a process starts"
        self._end = time.monotonic() + chance.random() * chance.choice((0.01, 0.1, 0.3))
        self._heard = b""

    def heard(self):
        """Wait until it was told something: on a busy machine a life can be over before."""
        self._heard = self._process.stdout.readline()
        return self

    def killed(self):
        """What it was told, in its order: (seq, leaf, repeated)."""
        time.sleep(max(0.0, self._end - time.monotonic()))
        self._process.send_signal(signal.SIGKILL)
        said, complained = self._process.communicate(timeout=60)
        complaint = complained.decode().strip().rpartition("\n")[2]
        assert self._process.returncode == -signal.SIGKILL, f"whoever lives sees no error: {complaint}"
        lines = (self._heard + said).decode().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


# --------------------------------------------------------------------------- all of them


def trial(folder, *, seed, kills, server_kills, engine):
    """A line of figures for each engine; AssertionError if anything does not hold."""
    lines = []
    for opened in engines.chosen(engine):
        with opened(folder) as kept:
            trial_ledger.create(kept.place).close()
            line = f"crash: {kept.version}, {among_kills(kept.place, seed=seed, kills=kills)}"
            if kept.server is not None:
                line += f"; {among_kills_of_the_server(kept.server, seed=seed, kills=server_kills)}"
            lines.append(line)
    return lines


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
        _bury(life if told.get(name, True) else life.heard(), name, told)
    took = time.perf_counter() - began
    recorded = _compare(place, told)
    acknowledged, resolved = sum(map(len, told.values())), sum(again for said in told.values() for _, _, again in said)
    return (
        f"seed {seed}, {kills} kills in {took:.0f} s, {acknowledged} acknowledged by {len(WRITERS)} writers,"
        f" {resolved} committed without a word and resolved by their retry, {recorded} recorded,"
        " 0 lost, 0 twice, 0 errors of the living, fsck clean"
    )


def among_kills_of_the_server(server, *, seed, kills):
    """The trial of a ledger in a database of its own, whose server is killed while four write; the figures."""
    server.make_database("mortal")
    place = server.url("owner", "mortal")
    trial_ledger.create(place).close()
    chance, began = random.Random(f"{seed} server"), time.perf_counter()
    lives = {name: Life(place, name, 0, chance) for name in INSISTING}
    ends = [chance.choice((server.kill, server.kill_postmaster)) for _ in range(kills)]
    for end in ends:
        _wait_for_load(place)
        time.sleep(chance.random() * 0.3)
        end()
        time.sleep(chance.random() * 0.1)
        server.start()
    _wait_for_load(place)
    told = {name: life.killed() for name, life in lives.items()}
    took = time.perf_counter() - began
    recorded = _compare(place, told)
    acknowledged, resolved = sum(map(len, told.values())), sum(again for said in told.values() for _, _, again in said)
    return (
        f"its server killed {kills} times in {took:.0f} s ({ends.count(server.kill)} with all its processes):"
        f" {acknowledged} acknowledged by {len(told)} writers, {resolved} committed without a word and resolved by"
        f" their retry, {recorded} recorded, 0 lost, 0 twice, 0 forks, fsck clean"
    )


def _wait_for_load(place):
    """Until each of those who insist has recorded something more."""
    deadline = time.monotonic() + 60
    with Ledger.open(place, read_only=True) as ledger:
        begin = ledger.size
        while {entry.actor for entry in ledger.entries(begin)} < set(INSISTING):
            assert time.monotonic() < deadline, "whoever insists goes on"
            time.sleep(0.01)


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
    numbers = {
        "kills": (2000, "processes that are killed, of each engine"),
        "server_kills": (20, "kills of the PostgreSQL server"),
        "engine": engines.ENGINES,
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

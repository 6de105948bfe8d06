"""What a process does that is killed by the trial crash: open a ledger, write or read a little, close it; and again.

It says in lines of JSON what it was told, as soon as it was told, and loads no more than it needs.
"""

import contextlib
import json
import random
import sys
import time

import _trial_ledger as trial_ledger

from tallystick.errors import Unavailable
from tallystick.ledger.ledger import Ledger


def write(place, name, first, chance):
    """Append from document ``first`` on; the number of the next one."""
    count = chance.randrange(4)
    with Ledger.open(place, signer=trial_ledger.signer()) as ledger:
        for number in range(first, first + count):
            append(ledger, name, number)
    return first + count


def append(ledger, name, number):
    draft = trial_ledger.document(f"{name} {number}", actor=name, idempotency_key=f"key {number}")
    with ledger.writing(now=trial_ledger.clock) as writer:
        appended = writer.append(draft)
    print(json.dumps([appended.seq, appended.leaf.hex(), appended.repeated]), flush=True)


def insist(place, name, first, chance):
    """Append from document ``first`` on, some with each ledger that is opened; what fails since the server is not to be
    reached is asked for again, by the same ledger.
    """
    last = first + chance.randrange(1, 300)
    with contextlib.suppress(Unavailable), Ledger.open(place, signer=trial_ledger.signer()) as ledger:
        while first < last:
            with contextlib.suppress(Unavailable):
                append(ledger, name, first)
                first += 1
    return first


def read(place, name, at_least, chance):
    """Look whether as many entries are there as were before; how many there are."""
    with Ledger.open(place, read_only=True) as ledger:
        size = ledger.size
        last = [entry.seq for entry in ledger.entries(max(0, size - 100), size)]
    assert size >= at_least, f"{at_least} entries were there, {size} are"
    assert last[-1] == size - 1, "the last entry can be read"
    return size


def live(role, place, name, first, seed):
    chance = random.Random(seed)
    print("born", flush=True)
    while True:
        first = role(place, name, first, chance)
        time.sleep(chance.random() * 0.02)


if __name__ == "__main__":
    role, place, name, first, seed = sys.argv[1:]
    live({"read": read, "write": write, "insist": insist}[role], place, name, int(first), seed)

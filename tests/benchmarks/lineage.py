"""The lineage of a promotion in a ledger of a million entries that refer to 4.3 others each: all that it stands on, in
milliseconds, beside one look-up of an entry for each.

What is found is compared with how the ledger was made.
"""

import random
import time

import _harness as harness
import _ledgers as ledgers

from tallystick.ledger.ledger import Ledger


def measure(run):
    path, chance = ledgers.stories(run, run.entries), random.Random(1)
    promotions = ledgers.last_of_stories(run.entries)
    with Ledger.open(path, read_only=True) as ledger:
        ours, limit = [], []
        run.interleaved(
            lambda: ours.extend(_lineage(ledger, chance.choice(promotions)) for _ in range(run.lookups // run.rounds)),
            lambda: limit.extend(_lookups(ledger, chance.choice(promotions)) for _ in range(run.lookups // run.rounds)),
        )
    name, what = f"lineage-{harness.short(run.entries)}", f"{ledgers.STORY} point look-ups"
    for suffix, percent, aim in (("", 50, "<1ms"), ("-p99", 99, "<5ms")):
        sides = [harness.percentile(ours, percent)], [harness.percentile(limit, percent)]
        yield harness.compare(f"{name}{suffix}", *sides, unit="ms", what=what, aim=aim)


def _lineage(ledger, seq):
    began = time.perf_counter()
    found = ledger.lineage(seq)
    took = time.perf_counter() - began
    first, *story = found
    assert first <= ledgers.SHARED, found
    assert story == list(range(seq - ledgers.STORY + 1, seq)), found
    return took * 1000


def _lookups(ledger, seq):
    began = time.perf_counter()
    for ancestor in range(seq - ledgers.STORY, seq):
        ledger.node(0, ancestor)
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    harness.main(measure, rounds=(10, 2), entries=(1_000_000, 2_500), lookups=(2_000, 20))

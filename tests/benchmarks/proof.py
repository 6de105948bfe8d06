"""Proofs in a ledger of a million entries, at random places: the 99th of a hundred, in milliseconds, beside 20 look-ups
of one stored hash each.

Every proof is verified, outside what is timed. The peer makes its proofs in a tree a tenth as large.
"""

import random
import time

import _harness as harness
import _ledgers as ledgers
import _peers as peers

from tallystick.ledger.ledger import Ledger
from tallystick.proof.merkle import root_of, verify_consistency, verify_inclusion

LOOKUPS = 20


def measure(run):
    path, chance, said = ledgers.documents(run, run.entries), random.Random(1), _peer(run)
    with Ledger.open(path, read_only=True) as ledger:
        makers = _Inclusion(ledger, chance), _Consistency(ledger, chance), _Lookups(ledger, chance)
        found = run.interleaved(*(lambda it=make: [it() for _ in range(run.proofs // run.rounds)] for make in makers))
    inclusion, consistency, limit = ([took for one in rounds for took in one] for rounds in found)
    for kind, took, aim in (("inclusion", inclusion, "<1ms"), ("consistency", consistency, "<3ms")):
        what = f"{LOOKUPS} point look-ups; ours at the median {harness.number(harness.median(took))}ms; {said[kind]}"
        sides = [harness.percentile(took, 99)], [harness.percentile(limit, 99)]
        yield harness.compare(f"proof-{kind}-{harness.short(run.entries)}", *sides, unit="ms", what=what, aim=aim)


class _Inclusion:
    def __init__(self, ledger, chance):
        self._ledger, self._chance, self._size = ledger, chance, ledger.size
        self._root = root_of(self._size, ledger.node)

    def __call__(self):
        seq = self._chance.randrange(self._size)
        began = time.perf_counter()
        proof = self._ledger.inclusion_proof(seq, self._size)
        took = time.perf_counter() - began
        verify_inclusion(seq, self._size, self._ledger.node(0, seq), proof, self._root)
        return took * 1000


class _Consistency:
    def __init__(self, ledger, chance):
        self._ledger, self._chance, self._size = ledger, chance, ledger.size

    def __call__(self):
        old, new = sorted(self._chance.sample(range(1, self._size + 1), 2))
        began = time.perf_counter()
        proof = self._ledger.consistency_proof(old, new)
        took = time.perf_counter() - began
        verify_consistency(old, new, proof, root_of(old, self._ledger.node), root_of(new, self._ledger.node))
        return took * 1000


class _Lookups:
    """Of hashes all over the tree."""

    def __init__(self, ledger, chance):
        self._ledger, self._chance, self._size = ledger, chance, ledger.size

    def __call__(self):
        levels = [self._chance.randrange(self._size.bit_length()) for _ in range(LOOKUPS)]
        places = [(level, self._chance.randrange(self._size >> level)) for level in levels]
        began = time.perf_counter()
        for level, index in places:
            self._ledger.node(level, index)
        return (time.perf_counter() - began) * 1000


def _peer(run):
    """What the peer needs for its proofs, in words."""
    try:
        with peers.Peer("pymerkle", run) as rival:
            rival.ask("fill", run.entries // 10)
            found = {kind: rival.ask(kind, run.proofs) for kind in ("inclusion", "consistency")}
    except harness.Unavailable as reason:
        return dict.fromkeys(("inclusion", "consistency"), str(reason))
    size = harness.short(run.entries // 10)
    figures = {kind: (harness.median(took), harness.percentile(took, 99)) for kind, took in found.items()}
    return {
        kind: f"pymerkle at {size} {harness.number(half)}ms at the median, {harness.number(most)}ms for 99 of 100"
        for kind, (half, most) in figures.items()
    }


if __name__ == "__main__":
    harness.main(measure, rounds=(10, 2), entries=(1_000_000, 2_000), proofs=(2_000, 20))

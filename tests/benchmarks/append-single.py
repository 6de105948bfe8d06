"""One durable append at a time, by one caller, beside the disk's own limit and beside the best of the peers.

Ours is a transaction of one entry: sealed, linked, put into the tree, under a signed checkpoint, synced. All hold 2,000
entries and have appended one by one for a while before the first round.
"""

import contextlib

import _harness as harness
import _peers as peers
import _trial_ledger as trial_ledger


def measure(run):
    disk = harness.Disk(run.folder)
    with trial_ledger.create(run.folder / "ledger.db", entries=run.warm, batch=1000) as ledger:
        append = _appending(ledger)
        harness.rate(run.seconds, append)
        with contextlib.ExitStack() as stack:
            rivals, missing = _rivals(run, stack)
            sides = [lambda rival=rival: rival.ask("append", run.seconds) for rival in rivals]
            ours, limit, *theirs = run.interleaved(
                lambda: harness.rate(run.seconds, append), lambda: disk.rate(run.seconds), *sides
            )
    yield harness.compare("append-single", ours, limit, unit="/s", what=disk.WHAT, aim=">=0.5")
    yield _against_peers(ours, limit, dict(zip((rival.name for rival in rivals), theirs, strict=True)), missing)


def _appending(ledger):
    def append():
        with ledger.writing(now=trial_ledger.clock) as writer:
            writer.append(trial_ledger.document("a document of ordinary length"))

    return append


def _rivals(run, stack):
    """The peers that are there, filled; why the others are not."""
    there, missing = [], []
    for name in peers.REQUIREMENTS:
        try:
            rival = stack.enter_context(peers.Peer(name, run))
            rival.ask("fill", run.warm)
            rival.ask("append", run.seconds)
        except harness.Unavailable as reason:
            missing.append(str(reason))
        else:
            there.append(rival)
        run.say(f"{name} is ready")
    return there, list(dict.fromkeys(missing))


def _against_peers(ours, limit, theirs, missing):
    if not theirs:
        return harness.alone("append-single-peer", ours, unit="/s", why="; ".join(missing), aim=">=2")
    parts = {
        name: harness.median(its / most for its, most in zip(rates, limit, strict=True))
        for name, rates in theirs.items()
    }
    best, *others = sorted(parts, key=parts.get, reverse=True)
    said = [f"{best}, {harness.number(parts[best])} of the limit", *(f"{n} {harness.number(parts[n])}" for n in others)]
    what = "; ".join([*said, *missing])
    return harness.compare("append-single-peer", ours, theirs[best], unit="/s", what=what, aim=">=2")


if __name__ == "__main__":
    harness.main(measure, rounds=(41, 1), warm=(2_000, 20), seconds=(0.15, 0.05))

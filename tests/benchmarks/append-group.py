"""Durable appends by 32 threads through one sequencer, which commits for all who wait at once, beside the disk's own
limit for whoever makes one thing durable at a time.

Each thread waits for its acknowledgement before it appends again.
"""

import _harness as harness
import _trial_ledger as trial_ledger

from tallystick.ledger.sequencer import Sequencer


def measure(run):
    path = run.folder / "ledger.db"
    trial_ledger.create(path, entries=run.warm, batch=1000).close()
    disk = harness.Disk(run.folder)
    with Sequencer(path, signer=trial_ledger.signer(), now=trial_ledger.clock) as sequencer:

        def append():
            sequencer.append(trial_ledger.document("a document of ordinary length"))

        def by_all():
            return harness.rate_of_all([append] * run.threads, run.seconds)

        by_all()
        ours, limit = run.interleaved(by_all, lambda: disk.rate(run.seconds))
    yield harness.compare("append-group", ours, limit, unit="/s", what=disk.WHAT, aim=">=3")


if __name__ == "__main__":
    harness.main(measure, rounds=(25, 1), warm=(2_000, 20), threads=(32, 4), seconds=(0.5, 0.05))

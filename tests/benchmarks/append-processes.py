"""Eight processes that each append one entry at a time, beside one process that does: what they get done in all, and
whether each gets its turn.

The processes stay, and take their rounds in turn with the one alone. They are stopped by the clock, so that a slow one
is seen in what it got done.
"""

import contextlib
import json
import subprocess
import sys

import _harness as harness
import _trial_ledger as trial_ledger

from tallystick.ledger.ledger import Ledger


def measure(run):
    path = run.folder / "ledger.db"
    trial_ledger.create(path, entries=run.warm, batch=1000).close()
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(_Writer(path)) for _ in range(run.writers)]
        _rates(writers, run.seconds)
        many, one = run.interleaved(lambda: _rates(writers, run.seconds), lambda: _rates(writers[:1], run.seconds))
    total = [sum(rates) for rates in many]
    slowest, mean = [min(rates) for rates in many], [sum(rates) / len(rates) for rates in many]
    yield harness.compare(
        "append-processes", total, [sum(rates) for rates in one], unit="/s", what="one process", aim=">=0.65"
    )
    yield harness.compare(
        "append-processes-slowest", slowest, mean, unit="/s", what="the mean of them all", aim=">=0.8"
    )


def _rates(writers, seconds):
    """What each of them gets done in a second, all at once."""
    for writer in writers:
        writer.tell(seconds)
    return [writer.answer() for writer in writers]


class _Writer:
    """A process with the ledger open. Use it as a context manager."""

    def __init__(self, path):
        command = [sys.executable, __file__, "--writer", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer()

    def tell(self, seconds):
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()

    def answer(self):
        return json.loads(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()


def _write(path):
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:

        def append():
            with ledger.writing(now=trial_ledger.clock) as writer:
                writer.append(trial_ledger.document("a document of ordinary length"))

        print("0", flush=True)
        for line in sys.stdin:
            print(harness.rate(float(line), append), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--writer"]:
        _write(sys.argv[2])
    else:
        harness.main(measure, rounds=(15, 1), warm=(2_000, 20), writers=(8, 2), seconds=(2.0, 0.1))

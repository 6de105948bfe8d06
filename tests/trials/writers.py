"""Trial: several processes append to one ledger at once. No fork, gap, duplicate or loss; nobody starves."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import _outside as outside
import _program as program
import _trial_ledger as trial_ledger

from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger


def trial(folder, *, seed, writers, appends):
    """One line of figures; AssertionError if anything does not hold."""
    path = Path(folder) / "ledger.db"
    trial_ledger.create(path).close()
    began = time.perf_counter()
    children = [_start(path, seed=seed, name=f"writer-{number}", appends=appends) for number in range(writers)]
    said = [child.communicate(timeout=600)[0] for child in children]
    took = time.perf_counter() - began
    assert [child.returncode for child in children] == [0] * writers, "every writer ended well"
    done = [json.loads(text.splitlines()[-1]) for text in said]
    entries = outside.check(path, every_checkpoint=len(said) * appends < 1000)
    _compare(entries, {f"writer-{number}": item["seqs"] for number, item in enumerate(done)}, appends)
    examined = fsck(path)
    assert examined.ok, examined.problems[0]
    rates = [appends / item["seconds"] for item in done]
    fairness = min(rates) / (sum(rates) / len(rates))
    return (
        f"writers: seed {seed}, {writers} processes x {appends} appends, {writers * appends / took:.0f}/s,"
        f" slowest at {fairness:.2f} of the mean, longest wait {max(item['longest'] for item in done):.3f} s,"
        f" {examined.size} entries, 0 anomalies"
    )


def _compare(entries, acknowledged, appends):
    """What each writer was told, in the order it was told, is what stands in the ledger, and nothing else does."""
    for name, seqs in acknowledged.items():
        mine = [entry for entry in entries if entry["actor"] == name]
        assert [entry["seq"] for entry in mine] == seqs, f"{name} was told the truth"
        assert [entry["body"]["title"] for entry in mine] == [f"{name} {number}" for number in range(appends)]
    assert len(entries) == 1 + appends * len(acknowledged), "nothing else was recorded"


def _start(path, *, seed, name, appends):
    command = [sys.executable, __file__, "--child", str(path), name, str(seed), str(appends)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _child(path, name, *, seed, appends):
    pauses = random.Random(f"{seed} {name}")
    seqs, longest = [], 0.0
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        began = time.perf_counter()
        for number in range(appends):
            asked = time.perf_counter()
            with ledger.writing(now=trial_ledger.clock) as writer:
                appended = writer.append(trial_ledger.document(f"{name} {number}", actor=name))
            longest = max(longest, time.perf_counter() - asked)
            seqs.append(appended.seq)
            if pauses.random() < 0.02:
                time.sleep(pauses.random() * 0.01)
        seconds = time.perf_counter() - began
    print(json.dumps({"seqs": seqs, "seconds": seconds, "longest": longest}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], sys.argv[3], seed=int(sys.argv[4]), appends=int(sys.argv[5]))
        sys.exit()
    counts = {"writers": (8, "processes"), "appends": (200, "entries of each")}
    sys.exit(program.run(trial, doc=__doc__, **counts))

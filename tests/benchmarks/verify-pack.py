"""Verify an evidence pack of ten thousand entries, in CPU seconds, beside hashing its bytes once.

Ours is everything that `tallystick verify` does to the bytes: container, manifest, every member's digest, every
inclusion proof, the chain, completeness, people. The limit is SHA-256 over the same bytes. `verify.py` stands beside it
as it is run, a process of its own.
"""

import hashlib
import resource
import subprocess
import sys
import time
from pathlib import Path

import _harness as harness
import _ledgers as ledgers
import _trial_ledger as trial_ledger

from tallystick import standalone
from tallystick.ledger.ledger import Ledger
from tallystick.proof.pack import Contents, Item, build
from tallystick.proof.verify import verify_pack

ALONE = Path(standalone.__file__).resolve().parent / "verify.py"


def measure(run):
    data, key = _pack(run)
    file, vkey = run.folder / "pack.zip", run.folder / "ledger.vkey"
    file.write_bytes(data)
    vkey.write_text(f"{key}\n")

    def ours():
        began = time.process_time()
        assert verify_pack(data, key).completeness == "proven"
        return time.process_time() - began

    def limit():
        began = time.process_time()
        hashlib.sha256(data).digest()
        return time.process_time() - began

    def alone():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, str(ALONE), str(file), "--key", str(vkey)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr[-300:]
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    sides = run.interleaved(ours, limit, alone)
    what = f"SHA-256 of its {len(data) / 1e6:.0f} MB; verify.py {harness.number(harness.median(sides[2]))}s"
    yield harness.compare(
        f"verify-pack-{harness.short(run.entries)}", sides[0], sides[1], unit="s", what=what, aim="<2s"
    )


def _pack(run):
    path = ledgers.documents(run, run.entries)
    signer = trial_ledger.signer()
    with Ledger.open(path, read_only=True) as ledger:
        size = ledger.size
        items = tuple(Item(entry.raw, tuple(ledger.inclusion_proof(entry.seq, size))) for entry in ledger.entries())
        note = ledger.latest_checkpoint()
        contents = Contents(ledger.key.name, note, items, {"name": "all"}, trial_ledger.clock())
        return build(contents, signer), ledger.key


if __name__ == "__main__":
    harness.main(measure, rounds=(5, 1), entries=(10_000, 300))

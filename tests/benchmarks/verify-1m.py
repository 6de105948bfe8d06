"""Verifying a whole ledger of a million entries: CPU time a row beside the same loop in C, two processes beside one,
and memory beside that of a ledger a tenth as long.

Ours derives again each entry's leaf hash, its link to the one before, every index column, every stored hash of the tree
and every signed checkpoint. It goes on from the first checkpoint, of the first entry, which leaves out SQLite's own
check of the file. The C program (verify.c) reads the same entries from a flat file, looks at the link where it has to
stand, and compares the roots; it parses no JSON, checks no signature and no column.
"""

import contextlib
import json
import resource
import shutil
import sqlite3
import struct
import subprocess
import sys
import time

import _harness as harness
import _ledgers as ledgers

from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger


def measure(run):
    path, tenth = (ledgers.documents(run, entries) for entries in (run.entries, run.entries // 10))
    name = f"verify-{harness.short(run.entries)}"
    one, two, small, limit = run.interleaved(
        lambda: _verified(path, run.entries, jobs=1),
        lambda: _verified(path, run.entries, jobs=2),
        lambda: _verified(tenth, run.entries // 10, jobs=1),
        _in_c(run, path),
    )
    by_column = [item["cpu"] / run.entries * 1e6 for item in one]
    yield _beside_c(name, by_column, limit)
    yield harness.compare(
        f"{name}-two-processes",
        [run.entries / item["wall"] for item in two],
        [run.entries / item["wall"] for item in one],
        unit="/s",
        what="one process",
        aim=">=1.55",
    )
    yield harness.compare(
        f"{name}-memory",
        [item["peak"] for item in one],
        [item["peak"] for item in small],
        unit="MB",
        what=f"at {harness.short(run.entries // 10)}",
        aim="<=1.1",
    )


def _beside_c(name, ours, limit):
    if isinstance(limit[0], harness.Unavailable):
        return harness.alone(name, ours, unit="us", why=str(limit[0]), aim="<=4.5us")
    figures, by = [item["cpu"] for item in limit], limit[0]["by"]
    return harness.compare(name, ours, figures, unit="us", what=f"C with {by}, CPU a row", aim="<=4.5us")


# --- ours: in a process of its own, for its memory ------------------------------------------------------------------


def _verified(path, entries, *, jobs):
    command = [sys.executable, __file__, "--verify", str(path), str(jobs)]
    answer = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert answer["checked"] == entries, answer
    return answer


def _verify(path, jobs):
    with Ledger.open(path, read_only=True) as ledger:
        first = ledger.checkpoint_at(1)
    began = time.perf_counter(), time.process_time()
    examined = fsck(path, since=first, jobs=jobs)
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    assert examined.ok, examined.problems[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "checked": examined.size - examined.start}))


# --- the limit ------------------------------------------------------------------------------------------------------


def _in_c(run, path):
    """The function that runs the C program, or says why there is none."""
    try:
        command = [_compiled(run.folder), *_exported(path, run.folder)]
    except harness.Unavailable as reason:
        return lambda reason=reason: reason
    return lambda: _run_c(command, run.entries + 1)


def _compiled(folder):
    source, program = harness.ROOT / "tests" / "benchmarks" / "verify.c", folder / "verify"
    compiler = shutil.which("cc")
    if compiler is None:
        raise harness.Unavailable("no C compiler")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return program


def _exported(path, folder):
    """The entries, and the roots that were signed, in the form that the C program reads."""
    entries, heads = folder / "entries", folder / "heads"
    with contextlib.closing(sqlite3.connect(path)) as source, entries.open("wb") as out, heads.open("wb") as signed:
        for (raw,) in source.execute("SELECT bytes FROM entries ORDER BY seq"):
            out.write(struct.pack("<I", len(raw)) + raw)
        for size, root in source.execute("SELECT size, root FROM checkpoints ORDER BY size"):
            signed.write(struct.pack("<Q", size) + root)
    return entries, heads


def _run_c(command, entries):
    checked, seconds, by = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split(" ", 2)
    assert int(checked) == entries, checked
    return {"cpu": float(seconds) / entries * 1e6, "by": by.strip()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--verify"]:
        _verify(sys.argv[2], int(sys.argv[3]))
    else:
        harness.main(measure, rounds=(3, 1), entries=(1_000_000, 2_000))

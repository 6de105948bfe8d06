"""A schema gate of 8 checks over 10M rows: beside the same counts in SQL written by hand, and beside two libraries.

The data are one Parquet file of eight columns. Each side is a process of its own, so that its peak of memory is what
the kernel says of it; its CPU time, with the load of the file, is taken after a first round on a small file, so without
imports. The hand-written SQL counts the rows that miss each check in one duckdb query; ours is `judge.evaluate`, with
its self-test, the evidence and the results. The checks: two types, a missing value, a range that NaN is outside of, a
list of values, an expression, a rule over two columns, a number of rows. Uniqueness stands in a line of its own: for
anyone it takes a hash of every value.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import _harness as harness
import _peers as peers

SIDES = Path(__file__).with_name("_schema_sides.py")
MIB = 1 << 20


def measure(run):
    harness.room(run.folder, 600 * MIB * run.rows // 10_000_000 + 64 * MIB, "the data")
    data = run.folder / "data.parquet"
    _side(sys.executable, "make", data, run.rows)
    _side(sys.executable, "make", data.with_name("data-small.parquet"), 1000)
    size = harness.short(run.rows)
    ours, hand = run.interleaved(lambda: _ours(data), lambda: _hand(data))
    yield _line(f"schema-{size}-cpu", ours, hand, "cpu", "s", "SQL by hand", "<=1.3")
    yield _line(f"schema-{size}-memory", ours, hand, "peak", "MB", "SQL by hand", "<1000MB")
    ours, hand = run.interleaved(lambda: _ours(data, "unique"), lambda: _hand(data, "unique"))
    yield _line(f"schema-unique-{size}-cpu", ours, hand, "cpu", "s", "SQL by hand", "<=1.3")
    yield _line(f"schema-unique-{size}-memory", ours, hand, "peak", "MB", "SQL by hand", "<1000MB")
    for name in ("pandera", "Great Expectations"):
        try:
            python = peers.python(name, run)
        except harness.Unavailable as reason:
            mine = [_ours(data)["cpu"]]
            yield harness.alone(_name(f"schema-{size}-{name}-cpu"), mine, unit="s", why=str(reason), aim="<=1")
            continue
        ours, other = run.interleaved(lambda: _ours(data), lambda side=python, what=name: _side(side, what, data))
        yield _line(f"schema-{size}-{name}-cpu", ours, other, "cpu", "s", name, "<=1")
        yield _line(f"schema-{size}-{name}-memory", ours, other, "peak", "MB", name, "<=1")


def _line(name, ours, other, what, unit, title, aim):
    return harness.compare(
        _name(name), [s[what] for s in ours], [s[what] for s in other], unit=unit, what=title, aim=aim
    )


def _name(text):
    return text.replace(" ", "-").lower()


def _ours(data, *more):
    return _side(sys.executable, "ours", data, *more)


def _hand(data, *more):
    return _side(sys.executable, "hand", data, *more)


def _side(python, what, *words):
    """What a side used: seconds of CPU, and the peak of its memory in MB.

    Raises:
        Unavailable: it failed, or did not find the defects that the data have.
    """
    command = [str(python), str(SIDES), what, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(python))
    if done.returncode:
        raise harness.Unavailable(f"{what} failed: {(done.stderr.strip().splitlines() or ['it ended'])[-1][:100]}")
    return json.loads(done.stdout.splitlines()[-1])


def _environment(python):
    return dict(os.environ) if python == sys.executable else peers.environment()


if __name__ == "__main__":
    harness.main(measure, rounds=(3, 1), rows=(10_000_000, 100_000))

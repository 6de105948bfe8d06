"""What the benchmarks have in common: their options, sides measured in turn, the line that is printed, and the record.

A benchmark is a function that takes a :class:`Run` and yields lines; :func:`main` is its command line. Sides are
measured round by round, ours, the limit, the peers, ours again: a disk's mood changes for all of them alike, and the
ratio of one round means something where a rate alone does not.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "trials")]

import _figures  # noqa: E402 - found by the line above

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tallystick-bench"
QUIET, AGAIN = 2.0, 10.0
"""Seconds before the first word on progress, and between words."""
MEMORY = ("tmpfs", "ramfs")


class Unavailable(Exception):
    """There is nothing to compare with here; the text says why."""


class Run:
    """One run of a benchmark: its options, its folder, its progress. Its sizes are attributes of their names."""

    def __init__(self, options, folder):
        self.quick = options.quick
        self.folder = folder
        self.cache = folder if options.quick else CACHE
        """Where what takes long to make is kept; a quick run leaves nothing."""
        self._speak_at = time.monotonic() + QUIET
        for name, value in vars(options).items():
            setattr(self, name, value if name != "folder" else folder)

    def say(self, text):
        """Progress, for what takes more than a moment."""
        if time.monotonic() > self._speak_at:
            self._speak_at = time.monotonic() + AGAIN
            print(f"... {text}", file=sys.stderr, flush=True)

    def interleaved(self, *sides):
        """Each side once a round, in turn; for each side the list of what it returned."""
        figures = [[] for _ in sides]
        for number in range(self.rounds):
            self.say(f"round {number + 1} of {self.rounds}")
            for side, found in zip(sides, figures, strict=True):
                found.append(side())
        return figures


def main(measure, *, rounds=(7, 1), **sizes):
    """The command line of a benchmark.

    Args:
        measure: takes the run, yields lines.
        rounds: how often each side is measured: usually, and with ``--quick``.
        sizes: other numbers that the measure uses, each with its quick value; each becomes an option.
    """
    program = sys.modules[measure.__module__]
    name, about = Path(program.__file__).stem, (program.__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(prog=f"./run bench {name}", description=about)
    parser.add_argument("--quick", action="store_true", help="small sizes and no peers: shows that it runs")
    parser.add_argument("--record", action="store_true", help="keep the lines for docs/figures.md")
    parser.add_argument("--folder", type=Path, help="where to write (a temporary folder in the checkout)")
    sizes = {"rounds": rounds, **sizes}
    for size, (usual, quick) in sizes.items():
        parser.add_argument(f"--{size}", type=type(usual), help=f"{usual:,}; with --quick {quick:,}")
    options = parser.parse_args()
    for size, (usual, quick) in sizes.items():
        if getattr(options, size) is None:
            setattr(options, size, quick if options.quick else usual)
    if options.quick and options.record:
        parser.error("a quick run is not worth recording")
    if options.record and _figures.file_system(options.folder or ROOT) in MEMORY:
        parser.error("that folder is in memory; give a --folder on a disk")
    with _folder(options.folder) as folder:
        lines = []
        for line in measure(Run(options, Path(folder).resolve())):
            print(line, flush=True)
            lines.append(str(line))
        if options.record:
            _figures.record(program.__file__, lines, folder=folder)


def _folder(parent):
    """Of its own and gone afterwards; on the file system of the checkout, unless somebody says otherwise."""
    return tempfile.TemporaryDirectory(prefix=".bench-", dir=parent or ROOT, ignore_cleanup_errors=True)


# --- lines ----------------------------------------------------------------------------------------------------------


def compare(name, ours, other, *, unit, what, aim):
    """The line for what both sides gave in each round: it is that of the round in the middle, by what the aim is about.

    Args:
        ours, other: a figure for each round, in ``unit``.
        what: what the other is.
        aim: ``">=0.5"`` of the ratio, or ``"<1ms"`` of ours, in the same unit.
    """
    rounds = sorted(
        zip(ours, other, strict=True), key=lambda sides: sides[0] if aim.endswith(unit) else sides[0] / sides[1]
    )
    mine, its = rounds[len(rounds) // 2]
    return _figures.Line(name, f"{number(mine)}{unit}", f"{number(its)}{unit}", what, number(mine / its), aim)


def alone(name, ours, *, unit, why, aim):
    """The line where there is nothing to compare with."""
    return _figures.Line(name, f"{number(median(ours))}{unit}", "unavailable", why, "-", aim)


def number(value):
    """Three digits that count, no exponent."""
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{decimals}f}"


def short(count):
    """A number of entries in the name of a line: 3k, 1m."""
    for size, letter in ((1_000_000, "m"), (1_000, "k")):
        if count >= size:
            return f"{count / size:g}{letter}"
    return str(count)


def percentile(values, percent):
    """The value that so many percent are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


# --- limits ---------------------------------------------------------------------------------------------------------


class Disk:
    """The limit of whoever makes one thing durable at a time: a 4 KB append and its fdatasync, again and again."""

    WHAT = "fdatasync of 4 KB appends"
    _BLOCK = bytes(4096)

    def __init__(self, folder):
        self._handle = os.open(folder / "limit", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def rate(self, seconds):
        """How often in a second, measured for so long."""
        return rate(seconds, self._append)

    def _append(self):
        os.write(self._handle, self._BLOCK)
        os.fdatasync(self._handle)


def rate(seconds, act):
    """How often in a second something is done one after the other, measured for so long."""
    began = time.perf_counter()
    done = how_often(act, began + seconds)
    return done / (time.perf_counter() - began)


def rate_once(act):
    """By how long something takes once."""
    began = time.perf_counter()
    act()
    return 1 / (time.perf_counter() - began)


def rate_of_all(acts, seconds):
    """How often in a second several threads do something in all, each its own and one after the other, for so long."""
    with ThreadPoolExecutor(len(acts)) as pool:
        began = time.perf_counter()
        done = list(pool.map(lambda act: how_often(act, began + seconds), acts))
        return sum(done) / (time.perf_counter() - began)


def how_often(act, end):
    """How often something is done until a moment of the clock, the last time perhaps beyond it."""
    done = 0
    while time.perf_counter() < end:
        act()
        done += 1
    return done


def room(folder, needed, what):
    """Stop before the disk is full."""
    if shutil.disk_usage(folder).free < needed:
        sys.exit(f"{what} needs {needed >> 20} MiB free in {folder}")

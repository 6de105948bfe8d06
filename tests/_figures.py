"""What benchmarks and trials printed, kept with the machine and the day, and drawn as one page.

A program that is run with ``--record`` hands its lines to :func:`record`, which writes ``docs/figures/KIND/NAME.txt``
and draws ``docs/figures.md`` anew from all that is recorded; ``python tests/_figures.py`` draws it alone. Nobody writes
a figure by hand: tests/test_figures.py compares the page with the records. Only why a line is short of its aim is
written by people, in ``docs/figures/short.toml``.
"""

import ast
import operator
import os
import platform
import re
import shlex
import sqlite3
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "figures"
PAGE = ROOT / "docs" / "figures.md"
TASKS = {"benchmarks": "bench", "trials": "trial"}

# --- the line of a benchmark ----------------------------------------------------------------------------------------

LINE = re.compile(
    r"bench (?P<name>\S+) ours=(?P<ours>\S+) other=(?P<other>[^\s(]+)\((?P<what>.+)\) ratio=(?P<ratio>\S+)"
    r" aim=(?P<aim>\S+) (?P<verdict>met|short|unknown)"
)
AIM = re.compile(r"(?P<relation>[<>]=?)(?P<limit>\d+(?:\.\d+)?)(?P<unit>\D*)")
RELATIONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Line:
    """One thing that was measured, every figure as it is printed."""

    name: str
    ours: str
    other: str
    """The limit, or a peer; ``unavailable`` where there was none to measure."""
    what: str
    """What the other is, or why it is not there."""
    ratio: str
    """Ours by the other."""
    aim: str
    """With a unit it is about ours, without one about the ratio."""

    @property
    def verdict(self):
        """By the printed figures, so that whoever reads them comes to the same."""
        aim = AIM.fullmatch(self.aim)
        figure = self.ours.removesuffix(aim["unit"]) if aim["unit"] else self.ratio
        if figure == "-":
            return "unknown"
        return "met" if RELATIONS[aim["relation"]](float(figure), float(aim["limit"])) else "short"

    def __str__(self):
        return (
            f"bench {self.name} ours={self.ours} other={self.other}({self.what}) ratio={self.ratio}"
            f" aim={self.aim} {self.verdict}"
        )


def parsed(text):
    """The line of a benchmark.

    Raises:
        ValueError: it is none, or its verdict is not what its figures say.
    """
    found = LINE.fullmatch(text)
    if found is None:
        raise ValueError(f"not the line of a benchmark: {text}")
    line = Line(**{name: value for name, value in found.groupdict().items() if name != "verdict"})
    if str(line) != text:
        raise ValueError(f"not what its figures say: {text}")
    return line


# --- records --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """What one program printed when it was last recorded."""

    lines: tuple[str, ...]
    command: str
    day: str
    machine: str

    def __str__(self):
        return "\n".join([*self.lines, "", self.command, self.day, self.machine, ""])

    @classmethod
    def read(cls, path):
        lines, _, end = path.read_text(encoding="utf-8").partition("\n\n")
        return cls(tuple(lines.splitlines()), *end.splitlines())


def record(program, lines, *, folder=ROOT, arguments=None):
    """Keep what a program printed, and draw the page.

    Args:
        program: its ``__file__``, in tests/benchmarks or tests/trials.
        lines: what it printed: one for each thing measured, or the one line of a trial.
        folder: where it wrote, for the name of the file system.
        arguments: of its command line, if not the process's own.
    """
    path = Path(program).resolve()
    kind, name = path.parent.name, path.stem
    said = [item for item in (sys.argv[1:] if arguments is None else arguments) if item != "--record"]
    command = shlex.join(["./run", TASKS[kind], name, *said])
    kept = Record(tuple(lines), command, datetime.now(UTC).date().isoformat(), machine(folder))
    (RECORDS / kind).mkdir(parents=True, exist_ok=True)
    (RECORDS / kind / f"{name}.txt").write_text(str(kept), encoding="utf-8")
    PAGE.write_text(drawn(), encoding="utf-8")


def records(kind):
    """Name to record."""
    return {path.stem: Record.read(path) for path in sorted((RECORDS / kind).glob("*.txt"))}


def programs(kind):
    """Name to path of each program of tests/KIND, as ``./run`` lists them."""
    return {path.stem: path for path in sorted((ROOT / "tests" / kind).glob("[a-z]*.py")) if path.stem != "conftest"}


def machine(folder):
    """The machine in a line: processor, cores, kernel, file system, Python, SQLite."""
    return ", ".join(
        [
            _processor(),
            f"{os.cpu_count()} cores",
            f"{platform.system()} {platform.release().partition('-')[0]}",
            file_system(folder),
            f"Python {platform.python_version()}",
            f"SQLite {sqlite3.sqlite_version}",
        ]
    )


def _processor():
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].replace(",", "") if found else platform.machine()


def file_system(folder):
    """The type of the file system that holds a folder: that of the longest mount point above it."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "an unknown file system"
    holding = [(len(point), kind) for point, kind in mounts if Path(folder).resolve().is_relative_to(point)]
    return max(holding)[1] if holding else "an unknown file system"


# --- the page -------------------------------------------------------------------------------------------------------

HEAD = """\
# Figures

Every figure here was printed by a program of the checkout and kept by its option `--record`.
A test compares this page with what was kept.
Rates drift by a factor of ten with a disk's mood, so only a ratio means something.
Ours and what stands beside it are taken in turn, round by round, in the same run and on the same file system.
An aim with a unit is about our figure, one without is about the ratio, ours by the other.
A line shows the round in the middle, by what its aim is about.
"""


def drawn():
    """The page, from all that is recorded."""
    benchmarks, trials = records("benchmarks"), records("trials")
    machines = list(dict.fromkeys(item.machine for item in (*benchmarks.values(), *trials.values())))
    parts = [
        HEAD,
        "## Benchmarks\n",
        _table(["what", "ours", "beside", "ratio", "aim", "", "run"], _measured(benchmarks, machines)),
        "What each program measures:\n",
        _table(
            ["command", "measures"], [[f"`{item.command}`", _about("benchmarks", n)] for n, item in benchmarks.items()]
        ),
        "## Trials\n",
        "A trial fails, with the seed that replays it, where anything it says does not hold.\n",
        _table(
            ["command", "what it shows", "figures", "run"],
            [
                [f"`{item.command}`", _about("trials", name), " ".join(item.lines), _run(item, machines)]
                for name, item in trials.items()
            ],
        ),
        "## Machines\n",
        _table(["", "machine"], [[str(number), text] for number, text in enumerate(machines, 1)]),
    ]
    return "\n".join(parts)


def _measured(benchmarks, machines):
    reasons = short_reasons()
    for item in benchmarks.values():
        for line in map(parsed, item.lines):
            why = f": {reasons.get(line.name, 'nobody has said why yet')}" if line.verdict == "short" else ""
            beside, verdict = f"{line.other}: {line.what}", f"{line.verdict}{why}"
            yield [f"`{line.name}`", line.ours, beside, line.ratio, line.aim, verdict, _run(item, machines)]


def short_reasons():
    """Name of a line to why it is short of its aim."""
    return tomllib.loads((RECORDS / "short.toml").read_text(encoding="utf-8"))


def _run(item, machines):
    return f"{item.day}, machine {machines.index(item.machine) + 1}"


def _about(kind, name):
    """The first paragraph of a program's docstring."""
    path = programs(kind).get(name)
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path else None
    first = " ".join((text or "").partition("\n\n")[0].split()).removeprefix("Trial: ")
    return first[:1].upper() + first[1:]


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(drawn(), encoding="utf-8")

"""Trial: every system call by which a ledger is made, opened, appended to and closed fails once, or is the last.

For each step and each call (write, sync, open, truncate, unlink, lock, ...) strace makes the first occurrence fail,
then the second, and so on until a run has no more of them: with an error of the disk, with a full disk, and with a
SIGKILL in place of the call. Before that, the same without strace: the kernel's limit on the size of files cuts a
write in two at one place after the other, as a disk does that fills up.

What it shows, each time: nothing is acknowledged that is not there afterwards; the ledger holds, seen from outside; a
process that lives ends with an error of the one tree and exit code 3; after a sync that failed it records no more; the
next append by another process works; and the request that failed, sent again, is there exactly once.

What it does not show: that what was synced is on the platter (the trial powerloss goes into what was not), nor what
happens when two calls fail, nor calls through which the kernel reports nothing, such as writes to mapped memory.
"""

import contextlib
import io
import random
import re
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import _outside as outside
import _program as program
import _strace as strace
import _trial_ledger as trial_ledger

from tallystick.cli.main import run
from tallystick.errors import TallystickError
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger

KILL = "KILL"
FAILURES = {
    "pwrite64": ("EIO", "ENOSPC", KILL),
    "write": ("EIO", "ENOSPC", KILL),
    "writev": ("EIO", "ENOSPC", KILL),
    "pread64": ("EIO", KILL),
    "fsync": ("EIO", "ENOSPC", KILL),
    "fdatasync": ("EIO", "ENOSPC", KILL),
    "openat": ("EIO", "ENOSPC", "EMFILE", KILL),
    "ftruncate": ("EIO", "ENOSPC", KILL),
    "fallocate": ("ENOSPC", KILL),
    "link": ("EIO", "ENOSPC", KILL),
    "linkat": ("EIO", "ENOSPC", KILL),
    "unlink": ("EIO", KILL),
    "unlinkat": ("EIO", KILL),
    "close": ("EIO", KILL),
    "flock": ("ENOLCK", KILL),
    "fcntl": ("EIO", "ENOLCK", KILL),
    "mmap": ("ENOMEM", KILL),
}
"""System call to what is put in its place. What a machine's kernel has not, is not called there."""
SYNCS = ("fsync", "fdatasync")
UNFORESEEN = 70
UNREADABLE = 1
"""SQLite says of a sector that cannot be read what it says of one that holds nonsense: the file is malformed."""

# --------------------------------------------------------------------------- what a process does whose calls fail


class Child:
    """It says what it was told, as soon as it was told."""

    def __init__(self, path, link):
        self._path = path
        self._link = link
        self._ledger = None

    def live(self, step):
        """The exit code, as the command line would give it."""
        prepared, acted = STEPS[step]
        try:
            for name in prepared:
                getattr(self, name)()
            self._link.ready()
            for name in acted:
                getattr(self, name)()
        except TallystickError as error:
            self._link.say("error", type(error).__name__, error)
            return error.exit_code
        except SystemExit as stop:
            return stop.code
        except BaseException:
            self._link.say("unforeseen", repr(traceback.format_exc()))
            return UNFORESEEN
        return 0

    def create(self):
        self._ledger = trial_ledger.create(self._path)
        self._link.say("acknowledged", 0, "ledger 0")

    def open(self):
        self._ledger = Ledger.open(self._path, signer=trial_ledger.signer())

    def append(self, title="first"):
        seq = append(self._ledger, title)
        self._link.say("acknowledged", seq, title)

    def append_and_try_again(self):
        try:
            self.append()
        except TallystickError as error:
            self._link.say("error", type(error).__name__, error)
            self.append("second")

    def close(self):
        self._ledger.close()

    def live_a_life(self):
        self.open()
        with self._ledger:
            self.append()

    def command(self):
        self._link.take(1, 2)
        code = run([str(word) for word in command(self._path, "first")])
        if code:
            raise SystemExit(code)


STEPS = {
    "create": ((), ("create",)),
    "life": ((), ("live_a_life",)),
    "append": (("open",), ("append_and_try_again",)),
    "close": (("open", "append"), ("close",)),
    "command": ((), ("command",)),
}
"""Name to what a child does before its calls begin to fail, and then."""


def command(path, title):
    """Arguments of the command line that record a document."""
    file = path.parent / "document.txt"
    return ["record", "document", file, "--title", title, "--ledger", path, "--as", "officer"]


def append(ledger, title):
    with ledger.writing(now=trial_ledger.clock) as writer:
        return writer.append(trial_ledger.document(title, idempotency_key=title)).seq


def process(step, path):
    return strace.Process(lambda link: Child(path, link).live(step))


# --------------------------------------------------------------------------- what it is put through


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one run."""

    step: str
    call: str
    """A system call, or ``RLIMIT_FSIZE``."""
    failure: str
    number: int
    """Which occurrence of the call; or the limit in bytes."""

    def __str__(self):
        return f"{self.step}: {self.call} number {self.number}: {self.failure}"

    def inflict(self, path):
        """What a child said and its exit code; and whether the fault was met, as far as can be told."""
        child = process(self.step, path)
        if self.call == "RLIMIT_FSIZE":
            resource.prlimit(child.id, resource.RLIMIT_FSIZE, (self.number, resource.RLIM_INFINITY))
            said, code = child.go()
            return said, code, any(line.startswith("error") for line in said)
        action = "signal=KILL" if self.failure == KILL else f"error={self.failure}"
        inject = ["-e", f"inject={self.call}:{action}:when={self.number}"]
        said, code, log = traced(child, self.step, path, [self.call], inject)
        return said, code, code == -signal.SIGKILL or "(INJECTED)" in log


def traced(child, step, path, calls, options=()):
    """Let a child act under strace, which sees its calls, but of a command only those on the ledger's files."""
    beside = ("-shm",) if calls == ["mmap"] else ("", "-wal", "-shm", ".lock") if step == "command" else ()
    files = [word for ending in beside for word in ("-P", f"{path}{ending}")]
    return strace.traced(child, path.with_name("strace.log"), calls, *files, *options)


@dataclass
class Figures:
    """How the runs ended in which the fault was met."""

    runs: int = 0
    killed: int = 0
    told: int = 0
    """With an error."""
    unharmed: int = 0

    def add(self, said, code):
        self.runs += 1
        if code == -signal.SIGKILL:
            self.killed += 1
        elif code or any(line.startswith("error") for line in said):
            self.told += 1
        else:
            self.unharmed += 1


def trial(folder, *, seed, cases):
    """One line of figures; AssertionError if anything does not hold."""
    began, chance = time.perf_counter(), random.Random(seed)
    with program.memory(folder) as memory:
        ground = Ground(folder, Path(memory) / "ground")
        small = ground.inflict(_sampled(ground.small_files(chance), cases, chance))
        first = f"{small.runs} writes cut by a limit, {small.told} errors told"
        missing = strace.unusable()
        assert not missing, f"{missing}; without it {first}, all held"
        faults = list(ground.failing_calls())
        calls = ground.inflict(_sampled(faults, cases, chance))
    return (
        f"syscalls: seed {seed}, {calls.runs} of {len(faults)} calls failed: {calls.killed} killed,"
        f" {calls.told} errors told, {calls.unharmed} unharmed; {first}; 0 false acknowledgements,"
        f" 0 forks, retries there once, {time.perf_counter() - began:.0f} s"
    )


def _sampled(faults, cases, chance):
    return chance.sample(faults, cases) if 0 < cases < len(faults) else faults


class Ground:
    """A folder that is laid out anew for each run."""

    def __init__(self, folder, place):
        self._templates = folder
        self._place = place
        (folder / "create").mkdir()
        self._make_ledger(folder / "other" / "ledger.db")
        self._make_ledger_of_the_command_line(folder / "command" / "ledger.db")

    def _make_ledger(self, path):
        with trial_ledger.create(path, entries=3) as ledger:  # everything is imported before the forks
            append(ledger, "before")
        assert fsck(path).ok

    def _make_ledger_of_the_command_line(self, path):
        path.parent.mkdir()
        (path.parent / "document.txt").write_text("a document")
        where = ["--ledger", path]
        _run(["init", "--name", "trial.example/commands", *where])
        _run(["key", "new", "officer", "--role", "risk-officer", *where])
        _run(command(path, "before"))

    def lay_out(self, step):
        """The path of the ledger."""
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.copytree(self._templates / (step if step in ("create", "command") else "other"), self._place)
        return self._place / "ledger.db"

    def small_files(self, chance):
        """No file may grow beyond a limit: limits 512 bytes apart, up to where nothing is written any more."""
        faults = []
        for step in STEPS:
            path = self.lay_out(step)
            process(step, path).go()
            most = max(file.stat().st_size for file in path.parent.iterdir())
            faults += [Fault(step, "RLIMIT_FSIZE", "EFBIG", limit) for limit in range(chance.randrange(512), most, 512)]
        return faults

    def failing_calls(self):
        """Every occurrence of every call in every step, each with everything that can be put in its place."""
        for step in STEPS:
            path = self.lay_out(step)
            _, _, log = traced(process(step, path), step, path, list(FAILURES))
            made = Counter(re.findall(r"^\d+ +(mmap(?=.*-shm)|(?!mmap)\w+)\(", log, re.MULTILINE))
            for call, count in sorted(made.items()):
                yield from (Fault(step, call, how, 1 + number) for number in range(count) for how in FAILURES[call])

    def inflict(self, faults):
        figures = Figures()
        for fault in faults:
            path = self.lay_out(fault.step)
            said, code, met = fault.inflict(path)
            try:
                _judge(fault, said, code)
                _check(fault, said, path)
            except (AssertionError, TallystickError) as error:
                raise AssertionError(f"{fault}: {error}; it said {said}") from error
            if met:
                figures.add(said, code)
            assert met or fault.call == "RLIMIT_FSIZE", f"{fault}: the call was made"
        return figures


def _run(words):
    """What a command of the command line said, which has to succeed."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run([str(word) for word in words]) == 0, f"{words}"
    return said.getvalue()


def _judge(fault, said, code):
    """Whether the process ended as one should whose call failed."""
    errors = [line.split(" ", 2)[1] for line in said if line.startswith("error")]
    assert code != UNFORESEEN, "every error is of the one tree"
    assert not any("Traceback" in line for line in said), "the command line prints no traceback"
    fair = {0, -signal.SIGKILL if fault.failure == KILL else 3}
    if fault.call == "pread64":
        fair.add(UNREADABLE)
    assert code in fair, f"exit code {code}"
    if fault.step == "append" and fault.call in SYNCS and errors:
        assert errors[0] == "CommitUnknown", "what a failed sync leaves is not known"
    if errors[:1] == ["CommitUnknown"] and fault.step == "append":
        assert errors[1:] == ["Unavailable"], "after that the same process records no more"


def _check(fault, said, path):
    """Whether the ledger holds, has what was acknowledged, and takes the request again, once."""
    acknowledged = _acknowledged(said)
    if fault.step == "close" and fault.call in SYNCS and fault.failure != KILL:
        assert path.with_name("ledger.db-wal").stat().st_size, "what could not be synced elsewhere stays in the WAL"
    if fault.step == "create" and not path.exists():
        assert not acknowledged, "a ledger that was acknowledged is there"
        trial_ledger.create(path).close()
    examined = fsck(path)
    assert examined.ok, f"fsck: {examined.problems[0]}"
    assert acknowledged.items() <= _titles(path).items(), "what was acknowledged is there"
    again = {_retried(fault.step, path, title): title for title in ("first", "after")}
    titles = _titles(path)
    assert (acknowledged | again).items() <= titles.items(), "what was acknowledged is there, also later"
    assert len(titles) == len(set(titles.values())), "no request is there twice"


def _titles(path):
    entries = outside.check(path)
    return {entry["seq"]: entry["body"].get("title", f"{entry['kind']} {entry['seq']}") for entry in entries}


def _acknowledged(said):
    """Number to title of all that a child was told is recorded."""
    told = [re.match(r"acknowledged (\d+) (.+)|document (.+) recorded as entry (\d+)", line) for line in said]
    return {int(match[1] or match[4]): match[2] or match[3] for match in told if match}


def _retried(step, path, title):
    if step == "command":
        return int(_run(command(path, title)).split()[-1])
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        return append(ledger, title)


if __name__ == "__main__":
    sys.exit(
        program.run(trial, doc=__doc__, cases=(0, "calls that are made to fail, drawn by the seed; 0 for every one"))
    )

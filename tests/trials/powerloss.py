"""Trial: the power goes, at any moment of writing. What is on the disk then is a ledger with all that was acknowledged.

Three kinds of what a disk may hold, each laid out as files and opened:

* *WAL cut*: the WAL of three appends ends at one offset after the other, as a file does that was growing.
* *Writes lost*: strace records every write, truncation, sync, creation and removal of a file while a ledger is
  created, appended to, closed, checkpointed and written around a restart of its WAL, while one of the first release is
  appended to in its rollback journal and changed to WAL, and around a sync that fails. After each of these calls:
  whatever the last sync of a file covered is there; of the rest, and of what a failed sync covered, nothing,
  everything, any choice of the writes, or any choice of their sectors of 512 bytes. A name in the folder is as good as
  lost until the folder is synced.
* *Journal cut*: the rollback journal ends at one offset after the other, beside the ledger as it was.

What it shows: each is a whole ledger, clean for fsck and seen from outside, whose entries are the first ones of
the true history, with every entry that was acknowledged before; and it takes the next append. Until something else is
acknowledged, what was written before a failed sync may be there too: its writer was told that nobody knows.

Also *a disk that lies*: the journal cut beside a ledger that is half written, which no disk leaves that keeps what it
said was synced. Then the promise is less: found to be damaged, or such a prefix; never accepted and something else.

What it does not show: what a disk does that writes elsewhere than it was told; nor three misfortunes at once, when a
sync fails, its process is killed before it closes the ledger, and the power goes before the next one has closed it.
"""

import contextlib
import functools
import itertools
import os
import random
import re
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import _outside as outside
import _program as program
import _strace as strace
import _trial_ledger as trial_ledger
from _spread import JOBS, spread

from tallystick.errors import CommitUnknown, TallystickError
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger
from tallystick.records import Attachment, Personal

SECTOR = 512
VARIANTS = 40
"""Choices of what is lost, at each moment."""
MOMENTS = 400
"""Of each recording, at most; drawn by the seed where there are more."""
NAME = "ledger.db"

# --------------------------------------------------------------------------- what is recorded


def append(ledger, *titles, **fields):
    with ledger.writing(now=trial_ledger.clock) as writer:
        for title in titles:
            writer.append(trial_ledger.document(title, idempotency_key=title, **fields))
    return ledger.size


def _create(path, say):
    say("acknowledged", trial_ledger.create(path).size)


def _append(path, say):
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        say("acknowledged", append(ledger, "one"))
        beside = {"attachments": (Attachment("plain", "x/y", bytes(20_000)),), "personal": (Personal("by", "Jo"),)}
        say("acknowledged", append(ledger, "two", "three", "four", **beside))
        say("acknowledged", append(ledger, "five"))


def _restart(path, say):
    """More than a thousand pages: SQLite checkpoints, and begins the WAL anew."""
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        for number in range(3):
            large = Attachment("large", "x/y", bytes([number]) * 1_500_000)
            say("acknowledged", append(ledger, f"large {number}", attachments=(large,)))
        say("acknowledged", append(ledger, "one"))
        say("acknowledged", append(ledger, "two"))


def _journal(path, say):
    """While somebody reads a ledger of the first release it keeps its journal."""
    with Ledger.open(path) as reader, reader._store.snapshot():
        assert reader.size
        ledger = Ledger.open(path, signer=trial_ledger.signer())
    with ledger:
        say("acknowledged", append(ledger, "one"))
        say("acknowledged", append(ledger, "two", "three"))


def _change(path, say):
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        say("acknowledged", append(ledger, "one"))


def _unknown(path, say):
    """An append whose sync fails."""
    with contextlib.suppress(CommitUnknown), Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        append(ledger, "one")
        raise AssertionError("the sync failed")


def _again(path, say):
    """Another asks again, and goes on."""
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        say("acknowledged", append(ledger, "one"))
        say("acknowledged", append(ledger, "two"))


FAILING = ("-e", "inject=fdatasync:error=EIO:when=3")
SCENES = {
    "create": [(_create,)],
    "append": [(_append,)],
    "restart": [(_restart,)],
    "journal": [(_journal,)],
    "change": [(_change,)],
    "failed sync": [(_unknown, *FAILING), (_again,)],
}
"""Name to the processes that act, one after the other, each with what strace puts in the place of its calls."""


def _lay_out(scene, path):
    """What is there before the recording begins; the number of its entries."""
    path.parent.mkdir(parents=True)
    if scene == "create":
        return 0
    trial_ledger.create(path, entries=2).close()
    if scene in ("journal", "change"):
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    return 3


# --------------------------------------------------------------------------- the recording


@dataclass
class Recording:
    """What happened to the files of a folder. A file is a number; names are given to it and taken away."""

    begin: dict[str, int]
    """Name to file."""
    images: list[bytes]
    """By file: what it held at the beginning."""
    events: list[tuple] = field(default_factory=list)
    """(write, file, offset, data), (truncate, file, size), (sync, file), (failed sync, file), (name, name, file),
    (unname, name), (sync, None) of the folder, (acknowledged, number of entries)."""
    history: list[dict] = field(default_factory=list)
    """All entries at the end."""
    unknown: list[dict] = field(default_factory=list)
    """All entries if what was written before the first sync that failed came to stay, of which nobody knows."""
    begin_size: int = 0
    """How many there were at the beginning."""

    def on_disk(self, moment, keep):
        """Name to contents after the first ``moment`` events, where ``keep(event)`` says what of an event that was not
        synced is on the disk: nothing, or a list of events.

        The first sync after a write settles it: if that failed, the system may count what it dropped as clean, and
        no later sync brings it back.
        """
        synced, settled = {}, []
        for event in reversed(self.events[:moment]):
            if event[0] in ("sync", "failed sync"):
                synced[event[1]] = event[0] == "sync"
            elif event[0] != "acknowledged":
                owner = None if event[0] in ("name", "unname") else event[1]
                settled.append((event, synced.get(owner, False)))
        names, files = dict(self.begin), [bytearray(image) for image in self.images]
        for event, durable in reversed(settled):
            for kept in [event] if durable else keep(event):
                _happen(kept, names, files)
        return {name: bytes(files[file]) for name, file in names.items()}

    def histories(self, moment):
        """What may be there then: once more was acknowledged, only what came of that."""
        unknown = self.unknown and self.acknowledged(moment) == self.begin_size
        return [self.history, self.unknown] if unknown else [self.history]

    def acknowledged(self, moment):
        """How many entries had been acknowledged by then."""
        return max((event[1] for event in self.events[:moment] if event[0] == "acknowledged"), default=self.begin_size)


def _happen(event, names, files):
    match event:
        case ("write", file, offset, data):
            content = files[file]
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(data)] = data
        case ("truncate", file, size):
            content = files[file]
            content.extend(bytes(max(0, size - len(content))))
            del content[size:]
        case ("name", name, file):
            names[name] = file
        case ("unname", name):
            names.pop(name, None)


SYNCS = ("fsync", "fdatasync")
CALLS = ("openat", "pwrite64", "write", "ftruncate", *SYNCS, "link", "linkat", "unlink", "unlinkat", "sendto")
_CALL = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_OPENED = re.compile(r"\d+<((?:\\x[0-9a-f]{2})*)>")


def _text(hexadecimal):
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


class _Listener:
    """Turns lines of strace into events of the files of one folder."""

    def __init__(self, folder):
        self._folder = folder
        files = self.files()
        self._names = {name: number for number, name in enumerate(files)}
        self.recording = Recording(dict(self._names), list(files.values()))

    def files(self):
        """Name to contents, as they are now."""
        return {path.name: path.read_bytes() for path in self._folder.iterdir() if self._counts(path.name)}

    def _counts(self, name):
        """The index of a WAL is made anew after a loss of power, and a lock file holds nothing."""
        return not name.endswith(("-shm", ".lock", ".log"))

    def hear(self, line):
        match = _CALL.match(line)
        if match is None or (match[3].startswith("-") and match[1] not in SYNCS):
            return
        call, arguments, result = match[1], match[2], match[3]
        texts = [_text(text) for text in _TEXT.findall(arguments)]
        if call == "sendto":
            word, _, number = texts[0].decode().strip().partition(" ")
            self._say(word, int(number))
        elif call in ("openat", "unlink", "unlinkat", "link", "linkat"):
            self._hear_names(call, [path.decode() for path in texts], arguments)
        else:
            self._hear_file(call, _text(_OPENED.match(arguments)[1]).decode(), texts, arguments, int(result))

    def _say(self, *event):
        self.recording.events.append(event)

    def _name_of(self, path):
        folder, _, name = path.rpartition("/")
        return name if folder == str(self._folder) and self._counts(name) else None

    def _hear_names(self, call, paths, arguments):
        name = self._name_of(paths[-1])
        if name is None:
            return
        if call.startswith("unlink"):
            del self._names[name]
            self._say("unname", name)
        elif call.startswith("link"):
            self._give(name, self._names[self._name_of(paths[0])])
        elif "O_CREAT" in arguments and name not in self._names:
            self.recording.images.append(b"")
            self._give(name, len(self.recording.images) - 1)

    def _give(self, name, file):
        self._names[name] = file
        self._say("name", name, file)

    def _hear_file(self, call, path, texts, arguments, result):
        sync = "sync" if result == 0 else "failed sync"
        if path == str(self._folder) and call in SYNCS:
            self._say(sync, None)
        file = self._names.get(self._name_of(path))
        if file is None:
            return
        if call in SYNCS:
            self._say(sync, file)
        elif call == "ftruncate":
            self._say("truncate", file, int(arguments.rsplit(", ", 1)[1]))
        elif call == "pwrite64":
            self._say("write", file, int(arguments.rsplit(", ", 1)[1]), texts[0][:result])
        else:
            raise AssertionError(f"{call} is not expected on a file of the ledger")


def _live(act, path, link):
    link.ready()
    act(path, link.say)
    return 0


def recorded(scene, folder):
    path = folder / scene / NAME
    size = _lay_out(scene, path)
    listener = _Listener(path.parent)

    for act, *injected in SCENES[scene]:
        process = strace.Process(functools.partial(_live, act, path))
        whole = ("-xx", "-s", "10000000", *injected)
        said, code, log = strace.traced(process, path.with_name("strace.log"), CALLS, *whole)
        assert code == 0, f"{scene}: {said}"
        for line in log.splitlines():
            listener.hear(line)
    recording = listener.recording
    everything = recording.on_disk(len(recording.events), lambda event: [event])
    assert everything == listener.files(), f"{scene}: the recording ends with the files that are there"
    recording.begin_size, recording.history = size, outside.check(path)
    failed = next((moment for moment, event in enumerate(recording.events) if event[0] == "failed sync"), None)
    if failed is not None:
        files = recording.on_disk(failed, lambda event: [event])
        recording.unknown = outside.check(laid_out(folder / f"{scene}, unknown", files))
    return recording


def laid_out(folder, files):
    """A folder with these files and no others; the path of the ledger."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / NAME


# --------------------------------------------------------------------------- what may be lost


def _choice(variant, chance):
    """A function for :meth:`Recording.on_disk`: the first two variants lose all and nothing, the others some."""
    share = chance.choice((0.1, 0.5, 0.9))
    if variant == 0:
        return lambda event: []
    if variant == 1:
        return lambda event: [event]
    if variant % 2:
        return lambda event: [event] if chance.random() < share else []
    return lambda event: list(_torn(event, chance, share))


def _torn(event, chance, share):
    """A write sector by sector; a file may have grown though what should be at its end is missing."""
    if event[0] != "write":
        if chance.random() < share:
            yield event
        return
    _, file, offset, data = event
    start = 0
    while start < len(data):
        stop = min(len(data), start + SECTOR - (offset + start) % SECTOR)
        if chance.random() < share:
            yield ("write", file, offset + start, data[start:stop])
        elif chance.random() < 0.1:
            yield ("write", file, offset + stop, b"")
        start = stop


# --------------------------------------------------------------------------- what is asked of what is left


@dataclass(frozen=True)
class Cut:
    """A ledger file and one beside it that may end anywhere."""

    ledger: bytes
    beside: str
    content: bytes
    commits: dict[int, int]
    """How long ``content`` was when how many entries were acknowledged."""
    history: list[dict]

    def at(self, offset):
        """The files, and how many entries have to be there."""
        whole = max(count for size, count in self.commits.items() if size <= offset)
        return {NAME: self.ledger, f"{NAME}-{self.beside}": self.content[:offset]}, whole


def cut_wal(folder):
    path = folder / "wal" / NAME
    trial_ledger.create(path, entries=2).close()
    before, wal = path.read_bytes(), path.with_name(f"{NAME}-wal")
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        commits = {0: ledger.size}
        for number in range(3):
            size = append(ledger, f"number {number}")
            commits[wal.stat().st_size] = size
        assert path.read_bytes() == before, "nothing has gone from the WAL to the ledger yet"
        content = wal.read_bytes()
    return Cut(before, "wal", content, commits, outside.check(path))


def cut_journals(recording):
    """The journal of the first append, beside the ledger as it was, and beside the half of what was written to it."""
    ledger, journal = recording.begin[NAME], f"{NAME}-journal"
    written = [n for n, event in enumerate(recording.events) if event[:2] == ("write", ledger)]
    stop = next(n for n, event in enumerate(recording.events) if event[0] == "acknowledged")
    first, middle = written[0], [n for n in written if n < stop][len(written) // 4]
    before, half = (recording.on_disk(moment, lambda event: [event]) for moment in (first, middle))
    content, commits = before[journal], {0: recording.begin_size}
    return (Cut(files[NAME], "journal", content, commits, recording.history) for files in (before, half))


class World:
    """What was recorded, and a folder to lay out what is left."""

    def __init__(self, memory, seed):
        self._memory, self._seed = memory, seed
        self._cuts = {"WAL cut": cut_wal(memory)}
        self._recordings = {}
        if not strace.unusable():
            self._recordings = {scene: recorded(scene, memory) for scene in SCENES}
            self._cuts["journal cut"], self._cuts["a disk that lies"] = cut_journals(self._recordings["journal"])

    def cases(self):
        """By kind: every state."""
        cases = {kind: [(kind, n) for n in range(len(cut.content) + 1)] for kind, cut in self._cuts.items()}
        for scene, recording in self._recordings.items():
            moments = range(len(recording.events) + 1)
            if len(moments) > MOMENTS:
                moments = random.Random(f"{self._seed} {scene}").sample(moments, MOMENTS)
            kind = f"{scene}: writes lost"
            cases[kind] = [(kind, scene, moment, v) for moment in moments for v in range(VARIANTS)]
        return cases

    def check(self, case):
        """What became of one state; AssertionError if that is not what was promised."""
        kind, *which = case
        if kind.endswith("writes lost"):
            files, at_least, histories = self._lost(*which)
        else:
            files, at_least = self._cuts[kind].at(*which)
            histories = [self._cuts[kind].history]
        path = laid_out(self._memory / f"left-{os.getpid()}", files)
        if kind == "a disk that lies":
            return f"{kind}: {_prefix_or_found(path, histories)}"
        if not path.exists():
            assert not at_least, "a ledger that was acknowledged is there"
            trial_ledger.create(path).close()
            return kind
        count, history = _prefix(path, histories)
        assert count >= at_least, f"{at_least} entries were acknowledged, {count} are there"
        if not kind.endswith("writes lost"):
            assert count == at_least, f"{at_least} entries were committed, {count} are there"
        _goes_on(path, count, history)
        return kind

    def _lost(self, scene, moment, variant):
        recording = self._recordings[scene]
        keep = _choice(variant, random.Random(f"{self._seed} {scene} {moment} {variant}"))
        return recording.on_disk(moment, keep), recording.acknowledged(moment), recording.histories(moment)


def _prefix(path, histories):
    """How many of the first entries of which history a ledger holds, which holds nothing else and is whole."""
    examined = fsck(path)
    assert examined.ok, f"fsck: {examined.problems[0]}"
    entries = outside.check(path)
    found = [history for history in histories if entries == history[: len(entries)]]
    assert found, "the entries are the first ones of the history"
    return len(entries), found[0]


def _prefix_or_found(path, histories):
    try:
        examined = fsck(path, key=trial_ledger.key())
    except TallystickError:
        return "found"
    if not examined.ok:
        return "found"
    return f"as {'after' if _prefix(path, histories)[0] > 3 else 'before'}"


def _goes_on(path, count, history):
    """Whether the request that was not there is there once when it is sent again."""
    title = history[count]["body"]["title"] if count < len(history) else "one more"
    with Ledger.open(path, signer=trial_ledger.signer()) as ledger:
        assert append(ledger, title) == count + 1, "the next append works"
    entries = outside.check(path, every_checkpoint=False)
    assert entries[:count] == history[:count]
    assert entries[count]["body"]["title"] == title


def trial(folder, *, seed, cases, jobs):
    """One line of figures; AssertionError if anything does not hold."""
    began = time.perf_counter()
    with program.memory(folder) as memory:
        world = World(Path(memory), seed)
        every = world.cases()
        chance, share = random.Random(seed), cases // len(every)
        drawn = [chance.sample(some, min(share, len(some))) if cases else some for some in every.values()]
        chosen = list(itertools.chain(*drawn))
        chance.shuffle(chosen)
        counts = spread(world.check, chosen, jobs=jobs)
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    missing = strace.unusable()
    assert not missing, f"{missing}; without it, all held: {said}"
    return (
        f"powerloss: seed {seed}, {len(chosen)} of {sum(map(len, every.values()))} states: {said};"
        f" 0 acknowledged entries lost, 0 violations, {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    numbers = {
        "cases": (10_000, "states, drawn by the seed, as many of each kind; 0 for every one"),
        "jobs": (JOBS, "processes to examine them with"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

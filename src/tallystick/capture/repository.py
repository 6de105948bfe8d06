"""Asks git about a repository without letting the repository act.

A repository's own configuration can name programs for git to start (file system monitors, hooks, content filters,
external diffs, pagers, signature programs), and it can bend answers (replaced objects, grafts, a commit graph, files
assumed unchanged, a list of signers of its own). So there are two ways to ask, and no third:

1. **At the door**: a few commands that only look up where the repository is, what its configuration says and what its
   index lists. They run no program of it: hooks, monitors, transports and pagers are switched off on the command line.
2. **In a clean room**: everything else runs with an empty git directory of ours, made for this moment, whose only tie
   is the repository's object store. No configuration but ours is read, so there are no drivers that a
   ``.gitattributes`` could call; nothing is fetched; nothing is written into the repository. The settings that say how
   files lie on this disk (line endings, file modes, case) are carried over, each checked against its few values.

Commands are argument lists; output, time and memory are bounded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from tallystick.errors import InvalidData, MissingProgram, NotFound, TallystickError

__all__ = ["LONG", "Answer", "Repository", "opened"]

_HARDENED: Final = (
    "core.fsmonitor=",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.attributesFile=/dev/null",
    "core.commitGraph=false",
    "core.untrackedCache=false",
    "diff.external=",
    "protocol.allow=never",
)
_CARRIED: Final[Mapping[str, re.Pattern[str]]] = {
    "core.autocrlf": re.compile("true|false|input"),
    "core.eol": re.compile("lf|crlf|native"),
    "core.filemode": re.compile("true|false"),
    "core.ignorecase": re.compile("true|false"),
    "core.precomposeunicode": re.compile("true|false"),
    "core.symlinks": re.compile("true|false"),
}
_QUICK: Final = 60.0
LONG: Final = 900.0
"""Seconds for commands that read all files or the whole history."""
_MAX_ANSWER: Final = 256 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    output: bytes
    errors: str


@dataclass(frozen=True)
class Repository:
    """An opened repository; see the module for its two ways of asking."""

    git: str
    """The git program, absolute."""
    top: Path
    """The folder of the working tree, resolved."""
    shared: Path
    """The git directory that holds the objects."""
    room: Path
    """The clean room: our own git directory."""
    head: str
    """Id of the commit at HEAD."""
    branch: str | None
    hash: str
    """Name of the object hash: ``sha1`` or ``sha256``."""
    shallow: bool
    own: Mapping[str, str]
    """The configuration in effect, keys in lower case: the repository's word on itself."""
    users: Mapping[str, str]
    """The part of the configuration that stands in the user's own files."""

    def ask(
        self,
        *arguments: str,
        codes: Sequence[int] = (0,),
        timeout: float = _QUICK,
        extra: Mapping[str, str] | None = None,
        feed: bytes = b"",
    ) -> Answer:
        """Run a git command in the clean room.

        Raises:
            InvalidData: it ended with a code other than `codes`, took too long or said too much.
        """
        answer = _run(self._command(arguments), self.top, self._environment(extra), timeout, feed)
        if answer.code not in codes:
            raise _failed(arguments[0], answer.errors)
        return answer

    @contextmanager
    def talking(self, *arguments: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        """A git command in the clean room: the pipe to it and the pipe from it. The caller bounds what is read.

        Raises:
            InvalidData: it failed or took too long.
        """
        command, environment = self._command(arguments), self._environment(None)
        with _started(command, self.top, environment, LONG, pipe=True) as (process, errors):
            if process.stdin and process.stdout:
                yield process.stdin, process.stdout
                process.stdin.close()
            if process.wait() != 0:
                raise _failed(arguments[0], _head_of(errors))

    def at_the_door(self, *arguments: str) -> Answer:
        """Run one of the few commands that see the repository's own index and configuration."""
        return _run(_door(self.git, arguments), self.top, _outside(), _QUICK, b"")

    def ignored_by_users(self) -> list[str]:
        """Options that name the ignore files outside the working tree: the user's own and the repository's."""
        base = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
        named = self.users.get("core.excludesfile", f"{base}/git/ignore")
        files = [Path(named).expanduser(), self.shared / "info" / "exclude"]
        return [f"--exclude-from={file}" for file in files if file.is_absolute() and file.is_file()]

    def _command(self, arguments: Sequence[str]) -> list[str]:
        carried = [
            f"{key}={self.own[key]}" for key, allowed in _CARRIED.items() if allowed.fullmatch(self.own.get(key, ""))
        ]
        return [self.git, *_options((*_HARDENED, *carried)), *arguments]

    def _environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        room = str(self.room)
        return _base() | {
            "GIT_DIR": room,
            "GIT_WORK_TREE": str(self.top),
            "GIT_INDEX_FILE": f"{room}/index",
            "GIT_OBJECT_DIRECTORY": str(self.shared / "objects"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HOME": room,
            "XDG_CONFIG_HOME": room,
            **(extra or {}),
        }


@contextmanager
def opened(folder: Path | str) -> Iterator[Repository]:
    """Find the repository that a folder lies in, and set up the clean room for it.

    Raises:
        MissingProgram: git is not installed.
        NotFound: no such folder, or no repository there.
        InvalidData: a bare repository, one of another user, one without a commit, or one that points elsewhere.
    """
    git = shutil.which("git")
    if git is None:
        raise MissingProgram("git is not installed", remedy="Install git, or record the commit as declared.")
    start = Path(folder)
    if not start.is_dir():
        raise NotFound("no such folder", where=str(folder))
    start = start.resolve()
    top, shared, hash_name = _places(git, start)
    own, users = _configuration(git, top)
    head, branch = _head(git, top)
    with tempfile.TemporaryDirectory(prefix="tallystick-") as name:
        shallow = _furnish(Path(name), shared, head, hash_name)
        yield Repository(git, top, shared, Path(name), head, branch, hash_name, shallow, own, users)


def _places(git: str, start: Path) -> tuple[Path, Path, str]:
    asked = ("rev-parse", "--show-toplevel", "--git-common-dir", "--show-object-format")
    answer = _run(_door(git, asked), start, _outside(), _QUICK, b"")
    if answer.code != 0:
        raise _no_repository(answer.errors, start)
    top, shared, hash_name = os.fsdecode(answer.output).removesuffix("\n").split("\n")[-3:]
    place = Path(top).resolve()
    if place != start and place not in start.parents:
        raise InvalidData("repository names a working tree elsewhere", where=str(start), got=str(place))
    if hash_name not in ("sha1", "sha256"):
        raise InvalidData("repository uses an unknown hash", where=str(start), got=hash_name)
    return place, (start / shared).resolve(), hash_name


def _no_repository(errors: str, start: Path) -> TallystickError:
    where = str(start)
    if "dubious ownership" in errors:
        remedy = "If you trust it: git config --global --add safe.directory <folder>."
        return InvalidData("repository belongs to another user", where=where, remedy=remedy)
    if "must be run in a work tree" in errors:
        return InvalidData("repository is bare: there are no files", where=where, remedy="Name a working tree.")
    if "not a git repository" in errors:
        return NotFound(
            "not in a git repository", where=where, remedy="Run git init and commit, or name the repository."
        )
    return _failed("rev-parse", errors)


def _configuration(git: str, top: Path) -> tuple[dict[str, str], dict[str, str]]:
    answer = _run(_door(git, ("config", "--list", "--show-scope", "-z")), top, _outside(), _QUICK, b"")
    if answer.code != 0:
        raise _failed("config", answer.errors)
    parts = answer.output.decode("utf-8", "backslashreplace").split("\0")
    own: dict[str, str] = {}
    users: dict[str, str] = {}
    for scope, item in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = item.partition("\n")
        if scope != "command":
            own[key] = value
        if scope == "global":
            users[key] = value
    return own, users


def _head(git: str, top: Path) -> tuple[str, str | None]:
    answer = _run(_door(git, ("rev-parse", "--verify", "--quiet", "HEAD^{commit}")), top, _outside(), _QUICK, b"")
    if answer.code != 0:
        raise InvalidData("repository has no commit yet", where=str(top), remedy="Commit the code first.")
    branch = _run(_door(git, ("symbolic-ref", "--quiet", "--short", "HEAD")), top, _outside(), _QUICK, b"")
    name = branch.output.decode("utf-8", "backslashreplace").strip() if branch.code == 0 else None
    return answer.output.decode("ascii").strip(), name


def _furnish(room: Path, shared: Path, head: str, hash_name: str) -> bool:
    """The least that git takes for a git directory. Returns whether the history was cut."""
    extension = "[extensions]\n\tobjectformat = sha256\n" if hash_name == "sha256" else ""
    (room / "config").write_text(f"[core]\n\trepositoryformatversion = {int(bool(extension))}\n{extension}")
    (room / "HEAD").write_text(f"{head}\n")
    for name in ("objects", "refs", "gnupg"):
        (room / name).mkdir(mode=0o700)
    cut = shared / "shallow"
    if cut.is_file():
        shutil.copyfile(cut, room / "shallow")
    return cut.is_file() and cut.stat().st_size > 0


# --------------------------------------------------------------------------- running


def _door(git: str, arguments: Sequence[str]) -> list[str]:
    return [git, *_options(_HARDENED), *arguments]


def _options(settings: Sequence[str]) -> list[str]:
    options = [part for setting in settings for part in ("-c", setting)]
    return ["--no-optional-locks", "--no-replace-objects", "--no-pager", "--literal-pathspecs", *options]


def _base() -> dict[str, str]:
    """Nothing of the caller's environment but where programs are."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _outside() -> dict[str, str]:
    """With the user's own configuration: it holds whom they are and which folders they trust."""
    kept = {name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL") if name in os.environ}
    return _base() | kept


@contextmanager
def _started(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float, *, pipe: bool
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A running command that is ended when its time is over or its caller leaves."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        late = threading.Event()
        timer = threading.Timer(timeout, _end, (process, late))
        timer.daemon = True
        timer.start()
        try:
            yield process, errors
        except (BrokenPipeError, InvalidData) as error:
            if late.is_set():
                raise _too_late(timeout) from error
            if isinstance(error, InvalidData):
                raise
            raise _failed("process", _head_of(errors)) from error
        finally:
            timer.cancel()
            process.kill()
            for stream in (process.stdin, process.stdout):
                if stream:
                    _close(stream)
            process.wait()
        if late.is_set():
            raise _too_late(timeout)


def _too_late(timeout: float) -> InvalidData:
    return InvalidData("git took too long", expected=f"up to {timeout:.0f} seconds")


def _end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _close(stream: IO[bytes]) -> None:
    """Close a pipe; what was not yet written is of no interest to a process that ended."""
    with suppress(BrokenPipeError):
        stream.close()


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float, feed: bytes) -> Answer:
    with _started(command, folder, environment, timeout, pipe=bool(feed)) as (process, errors):
        writer = threading.Thread(target=_write, args=(process, feed), daemon=True)
        writer.start()
        output = process.stdout.read(_MAX_ANSWER + 1) if process.stdout else b""
        if len(output) > _MAX_ANSWER:
            raise InvalidData("git said too much", expected=f"up to {_MAX_ANSWER:,} bytes")
        code = process.wait()
        writer.join()
        return Answer(code, output, _head_of(errors))


def _write(process: subprocess.Popen[bytes], feed: bytes) -> None:
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.write(feed)
            process.stdin.close()


def _head_of(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read(8192).decode("utf-8", "backslashreplace")


def _failed(command: str, errors: str) -> InvalidData:
    lines = [line for line in errors.splitlines() if line.strip()]
    return InvalidData(f"git {command} failed", got=lines[0][:200] if lines else "no reason given")

"""Templates of an organisation, rendered where they can do no harm: in a process of their own.

The child is given sources and values as JSON on standard input, and nothing else: no environment, no descriptor, no
file, no network, little memory and time (`tallystick.report.sandboxed` has the limits). This side reads the folder,
starts the child, and believes nothing of its answer but that it is a text of a bounded length.
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final, cast

from tallystick.errors import InvalidInput, NotFound, Unavailable

__all__ = ["read_templates", "render"]

_PROGRAM: Final = Path(__file__).with_name("sandboxed.py")
_SECONDS: Final = 30
"""On the clock, whatever the child waits for."""
_PROCESSOR_SECONDS: Final = 3
_MOST_ANSWER: Final = 32 << 20
"""Bytes of an answer: a document in JSON, where a character may take six and more."""
_MOST_FILES: Final = 64
_MOST_BYTES: Final = 256 << 10
"""Of one template."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}(\.[a-z0-9]{1,8}){1,3}", re.ASCII)


def read_templates(folder: Path) -> dict[str, str]:
    """The templates of a folder by name: its own files that end in ``.j2`` or ``.css``, no links, no folders in it.

    Raises:
        NotFound: there is no such folder.
        InvalidInput: too many files, or one that is too large or no UTF-8.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix in (".j2", ".css"))
    except OSError as error:
        raise NotFound("there is no folder of templates", where=str(folder), got=error.strerror) from error
    if len(names) > _MOST_FILES:
        raise InvalidInput(
            "too many templates", where=str(folder), expected=f"at most {_MOST_FILES}", got=str(len(names))
        )
    return {name: _read(folder / name) for name in names}


def _read(path: Path) -> str:
    if not _NAME.fullmatch(path.name):
        raise InvalidInput("name of a template is not usable", where=str(path), expected="such as model-card.html.j2")
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(_MOST_BYTES + 1) if regular else b""
    except OSError as error:
        raise Unavailable("template cannot be read", where=str(path), got=error.strerror) from error
    if not regular or len(data) > _MOST_BYTES:
        got = f"more than {_MOST_BYTES} bytes" if regular else "no file"
        raise InvalidInput("template is not usable", where=str(path), expected="a file, at most 256 KiB", got=got)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("not UTF-8", where=str(path), got=f"byte {error.start} is not") from error


def render(name: str, templates: Mapping[str, str], document: Mapping[str, Any]) -> str:
    """A template, filled in a process of its own.

    Raises:
        InvalidInput: it is wrong, or wants more time, memory or text than it is given, or what it may not have.
        Unavailable: no process can be started.
    """
    request = json.dumps({"name": name, "templates": dict(templates), "document": document}).encode()
    code, said = _asked(request)
    if len(said) > _MOST_ANSWER:
        raise _refused(name, "its text is too long")
    try:
        answer = json.loads(said)
        text = answer.get("text", answer.get("error"))
        json.dumps(text, ensure_ascii=False).encode()
    except (ValueError, AttributeError, RecursionError):
        raise _refused(name, _ended(code)) from None
    if "text" in answer and isinstance(text, str) and code == 0:
        return text
    raise _refused(name, str(text)[:300])


def _refused(name: str, why: str) -> InvalidInput:
    return InvalidInput(
        "template cannot be rendered",
        where=name,
        got=why,
        remedy="docs/how-to/documents.md says what templates may do.",
    )


def _ended(code: int) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "it took longer than it is given"
    return f"the process that renders it ended with {code}"


def _asked(request: bytes) -> tuple[int, bytes]:
    """The child's exit code and what it said, cut after the longest answer; whatever happens, it is gone after this."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM), str(_PROCESSOR_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable("the process that renders templates cannot be started", got=error.strerror) from error
    requests, answers = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
    alarm = threading.Timer(_SECONDS, child.kill)
    alarm.start()
    feeder = threading.Thread(target=_feed, args=(requests, request), daemon=True)
    feeder.start()
    try:
        said = answers.read(_MOST_ANSWER + 1)
        if len(said) > _MOST_ANSWER:
            child.kill()
        return child.wait(), said
    finally:
        alarm.cancel()
        child.kill()
        child.wait()
        feeder.join()
        answers.close()


def _feed(stream: IO[bytes], request: bytes) -> None:
    """A child that ended early reads no more; why it did is said by its exit code."""
    try:
        with stream:
            stream.write(request)
    except BrokenPipeError:
        pass

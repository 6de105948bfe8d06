"""Run a command in a child process, and believe nothing but the answer that it writes when it is done.

A gate of another distribution, or a library that one loads, may end the process with any code it likes, without asking
anybody. A build that looks at the exit code would take 0 for a pass. So the parent ends with 0 only if the child itself
said so, at its end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Final, NoReturn

__all__ = ["supervised"]

_NO_ANSWER: Final = 3
_SILENCE: Final = (
    "tallystick: no answer came: a gate, a library that it uses or a signal ended the program; look with"
    " `tallystick log` whether it was recorded\n"
)
_FORWARDED: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_PR_SET_PDEATHSIG: Final = 1


def supervised(work: Callable[[], int]) -> int:
    """The exit code that ``work`` came to in a child process; 3 where it ended without one.

    Without fork, ``work`` is done in this process.
    """
    if not hasattr(os, "fork"):
        return work()
    reader, writer = os.pipe()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)  # until somebody is there to take them
    parent, child = os.getpid(), os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        os.close(reader)
        _end_with(parent)
        _answer(work, writer)
    os.close(writer)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the child too, and the child answers
    for number in _FORWARDED:
        signal.signal(number, lambda number, _: os.kill(child, number))
    signal.pthread_sigmask(signal.SIG_SETMASK, held)
    os.waitpid(child, 0)  # before the pipe is read: a process that the child left behind may hold it open for ever
    os.set_blocking(reader, False)
    try:
        answer = os.read(reader, 1)
    except BlockingIOError:
        answer = b""
    os.close(reader)
    if answer:
        return answer[0]
    sys.stderr.write(_SILENCE)
    return _NO_ANSWER


def _end_with(parent: int) -> None:
    """In the child: have the kernel end it with its parent, where it can; else nobody would hear what it records."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before that was asked
        os._exit(_NO_ANSWER)


def _answer(work: Callable[[], int], writer: int) -> NoReturn:
    """In the child: what it printed is out before it answers, and nothing of the parent's is done twice after it."""
    code = work()
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(writer, bytes([code]))
    os._exit(code)

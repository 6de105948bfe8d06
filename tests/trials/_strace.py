"""Processes that strace looks at: forked, ready, and told when to go, so that its counts begin where the trial does."""

import ctypes
import itertools
import os
import shutil
import socket
import subprocess


def unusable():
    """Why strace cannot be used here; empty if it can."""
    if not shutil.which("strace"):
        return "strace is missing (apt-get install strace)"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True)
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


class Link:
    """A child's way to its parent, by calls that no trial makes fail."""

    def __init__(self, connection):
        self._connection = connection

    def say(self, *words):
        self._connection.send((" ".join(map(str, words)) + "\n").encode())

    def ready(self):
        """Wait for the word to go."""
        self.say("ready")
        self._connection.recv(1)

    def take(self, *streams):
        """What goes to these streams is said, too."""
        for stream in streams:
            os.dup2(self._connection.fileno(), stream)


class Process:
    """A child that waits for its word; forked, so that all that it needs is imported.

    Args:
        live: what it does. It is given a :class:`Link`, calls ``ready()`` once and returns the exit code.
    """

    def __init__(self, live):
        self._link, theirs = socket.socketpair()
        self.id = os.fork()
        if self.id == 0:
            self._link.close()
            _let_anyone_trace()
            os._exit(live(Link(theirs)))
        theirs.close()
        self._link.settimeout(60)
        self._heard = self._link.makefile("r")
        self._said = list(itertools.takewhile(lambda line: line != "ready\n", self._heard))

    def go(self):
        """Let it act; what it said, and its exit code, which is negative after a signal."""
        self._link.send(b"g")
        said = [*self._said, *self._heard]
        _, status = os.waitpid(self.id, 0)
        self._heard.close()
        self._link.close()
        return [line.rstrip("\n") for line in said], os.waitstatus_to_exitcode(status)


def _let_anyone_trace():
    """Where Yama lets nobody but parents trace: PR_SET_PTRACER, PR_SET_PTRACER_ANY."""
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)


def traced(process, log, calls, *options):
    """Let a child act under strace; what it said, its exit code, and its calls, a line each."""
    which = "trace=" + ",".join(f"?{call}" for call in calls)
    command = ["strace", "-f", "-y", "-o", log, "-e", which, *options, "-p", str(process.id)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        attached = strace.stderr.readline()
        assert "attached" in attached, f"strace could not attach: {attached.strip()}"
        said, code = process.go()
        strace.stderr.read()
    return said, code, log.read_text()

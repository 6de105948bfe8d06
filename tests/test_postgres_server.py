"""The server that tests and trials start: it comes back after a kill, and goes with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from _postgres import Server

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from _postgres import Server
with Server() as server:
    print(server.folder, server.data, flush=True)
    sys.stdin.read()
"""


def gone(folder, *, within=30):
    deadline = time.monotonic() + within
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not folder.exists()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_server_goes_with_its_process_however_that_ends(sent):
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    folder, data = map(Path, child.stdout.readline().decode().split())
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    child.send_signal(sent)
    child.communicate(timeout=30)
    assert gone(folder)
    assert gone(data)
    with pytest.raises(ProcessLookupError):
        os.kill(postmaster, 0)


def test_a_server_comes_back_with_what_was_committed():
    with Server(settings={"fsync": "off"}) as server:
        server.execute("CREATE TABLE kept (number INTEGER)")
        for number, end in enumerate((server.stop, server.kill, server.kill_postmaster)):
            with psycopg.connect(server.url()) as connection:
                connection.execute("INSERT INTO kept VALUES (%s)", [number])
            end()
            server.start()
        assert server.execute("SELECT number FROM kept ORDER BY 1") == [(0,), (1,), (2,)]
    assert not server.folder.exists()
    assert not server.data.exists()

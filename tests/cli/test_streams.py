"""Exit codes hold whoever reads the output, and whatever becomes of the process that works."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tallystick

RUN = [sys.executable, "-m", "tallystick", "gate", "run", "credit@2", "--predictions", "fair.csv", "--as", "engineer"]
ENVIRON = os.environ | {"PYTHONPATH": str(Path(tallystick.__file__).parents[1])}


def entries(bank):
    return len(json.loads(bank.ok("log", "--format", "json")))


def shell(redirected):
    """The exit code and the standard error of the run with its output redirected."""
    words = ["bash", "-c", f'"$@" {redirected}', "bash", *RUN]
    done = subprocess.run(words, env=ENVIRON, check=False, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("redirected", [">&-", ">&- 2>&-", "2> >(exit 0)"])
def test_a_command_that_did_its_work_ends_with_its_code_whoever_reads(bank, redirected):
    before = entries(bank)
    code, err = shell(redirected)
    assert code == 0, err
    assert "nothing was decided" not in err
    assert entries(bank) == before + 2


def test_a_reader_that_has_gone_changes_no_code(bank):
    """Its end of the pipe is closed before the command starts to print."""
    before = entries(bank)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(RUN, env=ENVIRON, check=False, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    assert entries(bank) == before + 2
    listed = [sys.executable, "-m", "tallystick", "log"]
    reader, writer = os.pipe()
    os.close(reader)
    assert subprocess.run(listed, env=ENVIRON, check=False, stdout=writer).returncode == 0
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_an_answer_that_cannot_be_printed_is_3_and_does_not_say_that_nothing_was_recorded(bank):
    before = entries(bank)
    code, err = shell("> /dev/full")
    assert code == 3
    assert "standard output cannot be written to" in err
    assert "tallystick log" in err
    assert "nothing was decided" not in err
    assert "Traceback" not in err
    assert entries(bank) == before + 2


SLOW = """
import os, sys, time
from pathlib import Path
from tallystick.cli.supervised import supervised
def work():
    Path("child").write_text(str(os.getpid()))
    time.sleep(60)
    return 0
sys.exit(supervised(work))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_the_process_that_works_ends_with_the_one_that_waits(tmp_path, number):
    words = [sys.executable, "-c", SLOW]
    parent = subprocess.Popen(words, env=ENVIRON, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    told = tmp_path / "child"
    _until(lambda: told.exists() and told.read_text())
    child = int(told.read_text())
    parent.send_signal(number)
    _, err = parent.communicate(timeout=30)
    _until(lambda: not _runs(child))
    if number != signal.SIGKILL:
        assert parent.returncode == 3
        assert "no answer came" in err


LEAVES_ONE_BEHIND = """
import os, sys, time
from tallystick.cli.supervised import supervised
def work():
    if os.fork() == 0:
        os.close(1), os.close(2)
        time.sleep(60)
    os._exit(0)
sys.exit(supervised(work))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_the_work_left_behind_keeps_nobody_waiting():
    done = subprocess.run(
        [sys.executable, "-c", LEAVES_ONE_BEHIND], env=ENVIRON, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 3
    assert "no answer came" in done.stderr


def _until(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False

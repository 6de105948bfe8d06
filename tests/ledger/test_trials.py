"""Every trial of a ledger, as it is run by hand but short: what holds in hours has to hold in a second.

Trials that strace is needed for say so where it cannot be used, after they have done what goes without it. Both ends
are held here, so that no machine passes over them in silence.
"""

import ast
import subprocess
import sys

import _strace as strace
import pytest

import _figures as figures

SHORT = {
    "bombs": ["--bombs", "5"],
    "clock": ["--times", "1", "--commands", "0"],
    "crash": ["--kills", "8", "--engine", "sqlite"],
    "expressions": ["--mutations", "200"],
    "green": ["--ways", "3"],
    "powerloss": ["--cases", "64", "--jobs", "1"],
    "rows": ["--entries", "20", "--cases", "28", "--jobs", "1"],
    "syscalls": ["--cases", "15"],
    "tamper": ["--cases", "100", "--jobs", "1"],
    "writers": ["--writers", "4", "--appends", "80", "--engine", "sqlite"],
}
ON_A_SERVER = {
    "crash": ["--kills", "4", "--server-kills", "2", "--engine", "postgresql"],
    "writers": ["--writers", "4", "--appends", "80", "--engine", "postgresql"],
}
WITH_STRACE = ("powerloss", "syscalls")


def run(name, *arguments):
    program = figures.programs("trials")[name]
    return subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", SHORT)
def test_a_short_trial_holds(name):
    done = run(name, *SHORT[name])
    missing = strace.unusable() if name in WITH_STRACE else ""
    assert done.stdout.count("\n") == 1, "one line of figures"
    assert done.returncode == (1 if missing else 0), done.stdout + done.stderr
    assert missing in done.stdout


@pytest.mark.parametrize("name", ON_A_SERVER)
def test_a_short_trial_holds_on_a_server(name):
    done = run(name, *ON_A_SERVER[name])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{name}: PostgreSQL ")
    assert done.stdout.count("\n") == 1, "one line of figures"


@pytest.mark.parametrize("name", WITH_STRACE)
def test_without_strace_a_trial_says_so_and_what_held_without_it(name, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    done = run(name, "--cases", "8")
    assert done.returncode == 1
    assert "strace is missing" in done.stdout
    assert "all held" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", SHORT)
def test_a_trial_says_what_it_shows_and_what_not(name):
    text = ast.get_docstring(ast.parse(figures.programs("trials")[name].read_text(encoding="utf-8")))
    assert text.startswith("Trial: ")
    assert "\nWhat it shows" in text
    assert "\nWhat it does not show: " in text


def test_a_trial_explains_itself_and_its_options():
    done = run("crash", "--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("What it does not show", "--seed", "--kills", "--record"))


def test_a_trial_that_fails_says_how_to_replay_it(tmp_path):
    """The trial of rows, of a ledger whose change is not found: one that changes nothing."""
    folder = str(figures.programs("trials")["rows"].parent)
    program = f"""
import sys
sys.path[:0] = [{folder!r}]
sys.argv = ["rows.py", "--seed", "7", "--entries", "3", "--cases", "2", "--jobs", "1"]
import _program, rows
rows.CHANGES = {{"nothing": lambda db, seq, size: seq}}
sys.exit(_program.run(rows.trial, doc=rows.__doc__, entries=(3, ""), cases=(0, ""), jobs=(1, "")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "FAILED: nothing" in done.stdout
    assert "found nothing; replay with --seed 7 --entries 3 --cases 2 --jobs 1" in done.stdout

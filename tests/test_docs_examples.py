"""The examples of the documentation work: the tutorial is followed step by step, and every Python snippet runs.

How a page is read: a fenced block with ``file=NAME`` is written to that file; a ``python`` block without it is run;
in a ``console`` block every line that starts with ``$ `` is run, and ``(exit N)`` in the output below it is the exit
code that it must have, 0 where there is none. Outputs are not compared: they hold times, keys and digests.
Commands that stand in other blocks (CI files) are only parsed.
"""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import _outside as outside
import click
import pytest

from tallystick.cli.main import cli, run

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(__file__).resolve().parent / "data"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

BLOCK = re.compile(r"^```(?P<language>\w+)(?: file=(?P<file>\S+))?[ ]*\n(?P<body>.*?)^```[ ]*$", re.M | re.S)
PERSON = {"NAME": "Erin Engineer", "EMAIL": "engineer@example.org"}


def blocks(page):
    return list(BLOCK.finditer(page.read_text(encoding="utf-8")))


def steps(body):
    """Each command of a console block, with the exit code that the block shows for it."""
    for part in re.split(r"^\$ ", body.replace("\\\n", " "), flags=re.M)[1:]:
        line, _, output = part.partition("\n")
        shown = re.search(r"^\(exit (\d)\)$", output, re.M)
        yield line, int(shown[1]) if shown else 0


class Reader:
    """Somebody who follows a page in a folder of their own."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.said = ""
        monkeypatch.chdir(folder)
        for name in [name for name in os.environ if name.startswith(("TALLYSTICK_", "GIT_"))]:
            monkeypatch.delenv(name)
        for role in ("AUTHOR", "COMMITTER"):
            for name, value in PERSON.items():
                monkeypatch.setenv(f"GIT_{role}_{name}", value)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))

    def follow(self, page):
        for block in blocks(page):
            if block["file"]:
                (self.folder / block["file"]).write_text(block["body"], encoding="utf-8")
            elif block["language"] == "python":
                self.program(sys.executable, "-c", block["body"])
            elif block["language"] == "console":
                for line, expected in steps(block["body"]):
                    assert self.type(line) == expected, f"$ {line}\n{self.said}"

    def type(self, line):
        """Run a line of a console, and return its exit code."""
        first, *rest = shlex.split(line)
        if first == "export":
            self.monkeypatch.setenv(*rest[0].split("=", 1))
            return 0
        if first == "tallystick":
            return self.tallystick(rest)
        assert first in ("python", "git"), f"nobody runs {first} here"
        return self.program(sys.executable if first == "python" else first, *rest, check=False)

    def tallystick(self, words):
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            code = run(words)
        self.said = output.getvalue()
        return code

    def program(self, *words, check=True):
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        self.said = done.stdout + done.stderr
        assert not (check and done.returncode), self.said
        return done.returncode


@pytest.fixture
def reader(tmp_path, monkeypatch):
    shutil.copy(DATA / "german_credit.csv", tmp_path)
    return Reader(tmp_path, monkeypatch)


def needs_pango():
    try:
        import weasyprint  # noqa: F401
    except OSError:
        pytest.skip("Pango is missing, so there are no PDF reports")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # WeasyPrint leaves a file open
def test_the_tutorial_can_be_followed_to_its_end(reader):
    needs_pango()
    reader.follow(ROOT / "docs" / "tutorial.md")
    assert reader.tallystick(["ledger", "fsck", "--key", ".tallystick/ledger.vkey", "--anchor", "kept.checkpoint"]) == 0
    assert reader.tallystick(["verify", "evidence.zip", "--key", ".tallystick/ledger.vkey"]) == 0
    assert "completeness  proven" in reader.said or "completeness  stated" in reader.said


SNIPPETS = [
    pytest.param(block["body"], id=f"{page.relative_to(ROOT).as_posix()}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block["language"] == "python" and not block["file"] and page.name != "tutorial.md"
]


@pytest.fixture
def prepared(reader):
    """A ledger, an engineer and a use case, with the tutorial's files beside them."""
    written = {block["file"]: block["body"] for block in blocks(ROOT / "docs" / "tutorial.md") if block["file"]}
    for name in ("usecase.yaml", "policy.yaml", "split.py"):
        (reader.folder / name).write_text(written[name], encoding="utf-8")
    for line in (
        "tallystick init --name example.org/loans",
        "tallystick key new officer --role risk-officer",
        "tallystick key new engineer --role engineer --by officer",
        "tallystick usecase usecase.yaml --as officer",
        "python split.py",
        "export TALLYSTICK_AS=engineer",
    ):
        assert reader.type(line) == 0, reader.said
    return reader


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_python_snippet_runs_on_a_small_ledger(prepared, snippet):
    prepared.program(sys.executable, "-W", "error", "-W", "ignore:this run is recorded without a commit", "-c", snippet)
    for promised in re.findall(r"^print\(.*\)  # (.*)$", snippet, re.M):
        assert promised in prepared.said.splitlines()


def test_what_a_service_appends_is_there_once_however_often_it_runs(prepared):
    page = ROOT / "docs" / "how-to" / "append-from-a-service.md"
    before = len(outside.check(prepared.folder / ".tallystick" / "ledger.db"))
    for again in (False, True):
        prepared.follow(page)
        assert again or prepared.said == "[1000, 1000, 500]\n"
        entries = outside.check(prepared.folder / ".tallystick" / "ledger.db", every_checkpoint=False)
        assert len(entries) == before + 40 + 2500
    assert prepared.tallystick(["ledger", "fsck", "--key", ".tallystick/ledger.vkey"]) == 0, prepared.said


CALL = re.compile(r"^[ -]*(?:run: *)?(?P<call>tallystick .*?)(?: *#.*)?$", re.M)
CALLS = [
    pytest.param(call["call"], id=f"{page.relative_to(ROOT).as_posix()}-{number}-{call.start()}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block["language"] in ("sh", "yaml", "bash")
    for call in CALL.finditer(block["body"].replace("\\\n", " "))
]


@pytest.mark.parametrize("call", CALLS)
def test_every_command_in_a_file_for_ci_can_be_parsed(call):
    """By click itself, so that a missing argument is found too; nothing is run."""
    command, context, words = cli, None, shlex.split(re.split(r"\||&&| > ", call)[0])[1:]
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context)
        name, *words = words
        command = command.get_command(context, name)
        assert command is not None, name
    command.make_context(name, words, parent=context)


def test_a_console_block_is_read_with_its_exit_codes():
    body = "$ first --x 'a b' \\\n    --y\nsome output\n(exit 1)\n$ second\n$ third\n(exit 3)\n"
    assert list(steps(body)) == [("first --x 'a b'      --y", 1), ("second", 0), ("third", 3)]


def test_a_step_that_ends_otherwise_than_shown_is_found(reader):
    page = reader.folder / "page.md"
    page.write_text("```console\n$ tallystick doctor\n```\n")
    with pytest.raises(AssertionError, match="tallystick doctor"):
        reader.follow(page)

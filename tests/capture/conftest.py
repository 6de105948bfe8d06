"""A git world of its own for each test: no configuration, keys or identity of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith(("GIT_", "GNUPG", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def data() -> Path:
    """The folder of real data."""
    return Path(__file__).parents[1] / "data"


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Run git in the test's repository, as its author."""
    folder = tmp_path / "repo"
    folder.mkdir()
    who = {
        "GIT_AUTHOR_NAME": "Ada Example",
        "GIT_AUTHOR_EMAIL": "Ada@Example.org",
        "GIT_COMMITTER_NAME": "Bob Example",
        "GIT_COMMITTER_EMAIL": "bob@example.org",
    }

    def run(*arguments: str, feed: bytes | None = None, where: Path = folder, **environment: str) -> str:
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(
            command, cwd=where, env=os.environ | who | environment, input=feed, capture_output=True, check=True
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    run("init", "--quiet", "--initial-branch=main")
    return run


@pytest.fixture
def repo(git: Git, tmp_path: Path) -> Path:
    """A repository with one commit of three files: text, executable, link."""
    folder = tmp_path / "repo"
    (folder / "train.py").write_text("print('hello')\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "latest").symlink_to("train.py")
    git("add", "--all")
    git("commit", "--quiet", "--message", "First")
    return folder

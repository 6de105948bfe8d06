"""Peers to compare with, each in a throw-away environment of its own: never a dependency of ours.

An environment is made with venv and pip, once, in the user's cache folder. A peer is driven by ``_peer.py`` there, in a
process of its own that stays, so that its rounds can be taken in turn with ours.
"""

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import _harness as harness

REQUIREMENTS = {
    "pandera": ["pandera==0.35.0", "pandas==3.0.6", "pyarrow==26.0.1"],
    "Great Expectations": ["great-expectations==1.24.1", "pandas==3.1.1", "pyarrow==26.0.1"],
    "pymerkle": ["pymerkle==7.0.0"],
    "auditchain": ["auditchain==0.3.0"],
    "ledgerchain": ["ledgerchain==0.1.0"],
    "incident-ledger": ["incident-ledger==1.1.0"],
    "MLflow": ["mlflow-skinny==3.17.2", "sqlalchemy==2.1.9", "alembic==1.20.1"],  # what its SQLite store needs
}
_DROPPED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
_PATIENCE = 600
"""Seconds that an installation may take."""


class Peer:
    """A peer's process. Use it as a context manager.

    Raises:
        Unavailable: it could not be installed, or failed.
    """

    def __init__(self, name, run):
        self.name = name
        folder = run.folder / name
        folder.mkdir()
        self._process = subprocess.Popen(
            [python(name, run), str(Path(__file__).with_name("_peer.py")), name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def ask(self, what, amount):
        """Have it do something so often, or for so many seconds; what it answers: a rate, or a list of milliseconds."""
        try:
            self._process.stdin.write(f"{what} {amount}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            said = self._process.communicate()[1].strip().splitlines()
            raise harness.Unavailable(f"{self.name} failed: {said[-1][:100] if said else 'it ended'}")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()


def python(name, run):
    """The Python of a peer's environment.

    Raises:
        Unavailable: the run wants no peers, or it could not be installed.
    """
    if run.quick:
        raise harness.Unavailable("no peers with --quick")
    requirements = REQUIREMENTS[name]
    digest = hashlib.sha256(repr((requirements, sys.version_info[:2])).encode()).hexdigest()
    folder = harness.CACHE / "peers" / f"{name}-{digest[:12]}"
    found, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print(f"... installing {' '.join(requirements)}", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        command = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise harness.Unavailable(f"{name} could not be installed in {_PATIENCE} s") from error
        if done.returncode:
            raise harness.Unavailable(f"{name} could not be installed")
        ready.touch()
    return str(found)


def environment():
    """Ours, without what would lead to our own packages."""
    return {name: value for name, value in os.environ.items() if name not in _DROPPED}

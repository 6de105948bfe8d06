"""The verifiers, asked in one process as the conformance suite asks programs: arguments in, exit code and JSON out."""

import contextlib
import importlib.util
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parent.parent / "conformance"
sys.path.insert(0, str(CONFORMANCE))

import _cases as cases  # noqa: E402
import _pdf as pdf  # noqa: E402
import _world as world  # noqa: E402
import run as suite  # noqa: E402

from tallystick import standalone  # noqa: E402
from tallystick.cli.main import run  # noqa: E402

__all__ = [
    "CONFORMANCE",
    "STANDALONE",
    "Answer",
    "alone",
    "answer",
    "cases",
    "inside",
    "pdf",
    "suite",
    "tallystick",
    "world",
]

STANDALONE = Path(standalone.__file__).resolve().parent / "verify.py"


@dataclass(frozen=True)
class Answer:
    """What a verifier says of a file."""

    exit: int
    integrity: str | None = None
    completeness: str | None = None
    unanchored: int | None = None
    kind: str | None = None
    text: str = ""

    @property
    def accepted(self):
        """Whether anything in it is said to be as the ledger holds it."""
        return self.exit == 0

    @property
    def verdict(self):
        """What two verifiers have to agree on: of what is refused, that it is."""
        if self.exit in (1, 2):
            return (1,)
        return (self.exit, self.integrity, self.completeness, self.unanchored)


def answer(code, printed):
    """The answer that an exit code and what was printed come to."""
    try:
        said = json.loads(printed)
    except ValueError:
        return Answer(code, text=printed)
    fields = {name: said.get(name) for name in ("integrity", "completeness", "unanchored", "kind")}
    return Answer(code, **fields, text=printed)


def tallystick(file, *words):
    """``tallystick verify``."""
    return _in_process(lambda: run(["verify", str(file), *map(str, words), "--format", "json"]))


def alone(file, *words):
    """``verify.py``."""
    return _in_process(lambda: _main()([str(file), *map(str, words), "--format", "json"]))


_LOADED = {}


def _main():
    """The program's own function, from the file that is handed out."""
    if "main" not in _LOADED:
        spec = importlib.util.spec_from_file_location("verify_alone", STANDALONE)
        module = importlib.util.module_from_spec(spec)
        sys.modules["verify_alone"] = module
        spec.loader.exec_module(module)
        _LOADED["main"] = module.main
    return _LOADED["main"]


def _in_process(call):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = call()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    return answer(code, out.getvalue() or err.getvalue())


@contextlib.contextmanager
def inside(folder):
    """In a folder, and back."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)

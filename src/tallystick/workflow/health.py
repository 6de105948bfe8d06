"""Is all well here: what ``doctor`` and ``ledger fsck`` say."""

from __future__ import annotations

import importlib.util
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tallystick import signing
from tallystick.errors import NotFound, TallystickError, Tampered
from tallystick.ledger import fsck as checks
from tallystick.ledger.ledger import Ledger, extends
from tallystick.settings import Settings

__all__ = ["Examined", "Line", "examine", "look"]


@dataclass(frozen=True)
class Line:
    """One thing that was looked at."""

    ok: bool
    about: str
    says: str


@dataclass(frozen=True)
class Examined:
    """What came out of deriving a ledger again."""

    entries: int
    problems: tuple[checks.Problem, ...]
    notes: tuple[str, ...]
    anchored: int | None
    """Size of the checkpoint from elsewhere that the ledger was found to extend."""


def examine(path: Path, *, anchor: Path | None = None) -> Examined:
    """Derive a ledger again from its stored bytes; compare it with a checkpoint kept elsewhere, if there is one."""
    if not path.exists():
        raise NotFound("no ledger here", where=str(path))
    with Ledger.open(path, read_only=True) as ledger:
        found = checks.fsck(ledger)
        problems = [p for p in found if not p.note]
        notes = tuple(f"entry {p.seq}: {p.what}: {p.detail}" for p in found if p.note)
        size = None
        if anchor is not None:
            try:
                size = _anchored(ledger, anchor)
            except Tampered as error:
                problems.append(checks.Problem(None, "not the ledger of this checkpoint", str(error)))
        return Examined(ledger.size, tuple(problems), notes, size)


def _anchored(ledger: Ledger, anchor: Path) -> int:
    from tallystick.proof.note import open_checkpoint

    try:
        note = anchor.read_bytes()
    except OSError as error:
        raise NotFound("checkpoint cannot be read", where=str(anchor), got=error.strerror) from error
    extends(ledger, note)
    return open_checkpoint(note, ledger.key).size


def look(settings: Settings, path: Path | None) -> list[Line]:
    """Settings with their origins, the ledger's state, the keys, and the programs that some commands need."""
    lines = [Line(True, name, f"{value}  [{origin}]") for name, value, origin in settings.shown()]
    if path is not None:
        lines += _ledger(path)
    return [*lines, *_keys(settings.keys), *_machine()]


def _ledger(path: Path) -> Iterator[Line]:
    if not path.exists():
        yield Line(False, "ledger", "none here; create one with: tallystick init --name NAME")
        return
    try:
        facts = checks.doctor_facts(path)
        with Ledger.open(path, read_only=True) as ledger:
            yield Line(True, "origin", ledger.origin)
            yield Line(True, "entries", str(ledger.size))
        for name, fact in facts.items():
            yield Line(not str(fact).startswith("CARE"), name, str(fact).removeprefix("CARE: "))
    except TallystickError as error:
        yield Line(False, "ledger", str(error))


def _keys(folder: Path) -> Iterator[Line]:
    if not folder.is_dir():
        yield Line(False, "keys", f"no folder of keys at {folder}")
        return
    for path in sorted(folder.glob("*.pem")):
        mode = stat.S_IMODE(path.stat().st_mode)
        safe = not mode & 0o077
        yield Line(
            safe, f"key {path.stem}", "only you can read it" if safe else f"others can read it: chmod 600 {path}"
        )
    missing = [label for label in (signing.LEDGER_KEY, signing.SEAL_KEY) if not (folder / f"{label}.pem").exists()]
    for label in missing:
        yield Line(False, f"key {label}", f"missing in {folder}: nothing can be appended or sealed from here")


def _machine() -> Iterator[Line]:
    git = shutil.which("git")
    yield Line(git is not None, "git", git or "missing: commits cannot be recorded; the rest works")
    yield _pango()
    for program, purpose in (("openssl", "checking signatures by hand"), ("pdfsig", "checking PDF signatures by hand")):
        found = shutil.which(program)
        yield Line(True, program, found or f"not here; only needed for {purpose}")


def _pango() -> Line:
    if importlib.util.find_spec("weasyprint") is None:
        return Line(False, "weasyprint", "missing: no PDF reports")
    try:
        importlib.import_module("weasyprint")
    except OSError:
        return Line(
            False,
            "Pango",
            "missing: no PDF reports. apt-get install libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core",
        )
    return Line(True, "Pango", "found: PDF reports work")

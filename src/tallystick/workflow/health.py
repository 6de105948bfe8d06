"""Is all well here: what ``doctor`` and ``ledger fsck`` say."""

from __future__ import annotations

import importlib.util
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tallystick import signing
from tallystick.errors import InvalidInput, Malformed, NotFound, NotVerified, TallystickError
from tallystick.ledger import fsck as checks
from tallystick.ledger.ledger import Ledger, extends
from tallystick.ledger.places import Place, exists
from tallystick.people import audit
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.proof.note import VerifierKey, open_checkpoint
from tallystick.records import Entry, Ref
from tallystick.settings import Settings
from tallystick.workflow.verify import read_small, trusted_keys

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
    notes: tuple[checks.Problem, ...]
    anchored: int | None
    """Size of the checkpoint from elsewhere that the ledger was found to extend."""
    start: int = 0
    """Entries that were not looked at, since a trusted checkpoint covers them."""


def examine(
    place: Place,
    *,
    anchor: Path | None = None,
    key: str | None = None,
    since: Path | None = None,
    jobs: int = 1,
    progress: checks.Progress | None = None,
) -> Examined:
    """Derive a ledger again from its stored bytes: chain, tree, columns, checkpoints, then what people signed.

    A signature about an entry binds its leaf hash, and so everything before it: a history rewritten with the ledger's
    key alone breaks there. What no person has signed since, only a checkpoint from elsewhere protects.

    Args:
        anchor: a checkpoint that was kept elsewhere, to compare with.
        key: a verifier key or a file of such keys, from a source that is trusted; else the key in entry 0 is used.
        since: a checkpoint that is trusted: what it covers is not looked at again. It anchors as ``anchor`` does.
        jobs: processes to share the work.
        progress: told (entries done, entries in all).

    Raises:
        NotFound: no ledger there, or a file that cannot be read.
        InvalidInput: what was given as a checkpoint or a key is none.
    """
    if not exists(place):
        raise NotFound("no ledger here", where=str(place), remedy="Name it with --ledger.")
    trusted = None
    if key is not None:
        trusted, other = _trusted(place, key)
        if other is not None:
            return Examined(0, (other,), (), None)
    known = None if since is None else read_small(since)
    kept = None if anchor is None else read_small(anchor)
    found = checks.fsck(place, key=trusted, since=known, jobs=jobs, progress=progress)
    problems = list(found.problems)
    size = found.start or None
    if found.ok:
        with Ledger.open(place, read_only=True) as ledger:
            problems += _people(ledger, found.start)
            if kept is not None:
                size = max(_anchored(ledger, kept, str(anchor), problems) or 0, found.start) or None
    return Examined(found.size, tuple(problems), found.notes, size, found.start)


def _trusted(place: Place, text: str) -> tuple[VerifierKey, checks.Problem | None]:
    """Of the keys given, the one of this ledger; and what is wrong if the file says it is of none of them.

    Where the file is too broken to say, the first key is taken: deriving the ledger then tells what is broken.
    """
    keys = {key.name: key for key in trusted_keys(text, None)}
    first = next(iter(keys.values()))
    try:
        with Ledger.open(place, read_only=True) as ledger:
            origin = ledger.origin
    except NotVerified:
        return first, None
    if origin in keys:
        return keys[origin], None
    detail = f"it calls itself {origin}, and the key is of {', '.join(keys)}"
    return first, checks.Problem(None, "this is not the ledger of the key that was given", detail)


def _people(ledger: Ledger, start: int) -> Iterator[checks.Problem]:
    """What people signed, and the rules of evaluation and promotion, over the entries from ``start`` on."""
    book = Book.over(ledger)
    try:
        ring = KeyRing.of(book)
    except TallystickError as error:
        yield checks.Problem(None, "keys of people do not hold", str(error))
        return
    judged = list(ledger.entries(start, kind=(*audit.SIGNED, "evaluation")))
    for wrong in audit.signatures(book, ring, judged):
        yield checks.Problem(wrong.entry.seq, f"signature of this {wrong.entry.kind} does not hold", wrong.why)
    for entry in ring.sound(entry for entry in judged if entry.kind in audit.SIGNED):
        said = ring.check(entry)
        if said.speaks_of is not None and not ledger.leads(_ref(entry, said.speaks_of)):
            yield checks.Problem(entry.seq, f"this {entry.kind} was signed about an entry that is not in the ledger")
    for wrong in (*audit.evaluations(book, judged), *audit.promotions(book, ring, judged)):
        yield checks.Problem(wrong.entry.seq, f"this {wrong.entry.kind} breaks the rules", wrong.why)


def _ref(entry: Entry, leaf: str) -> Ref:
    named = next((ref for ref in entry.references if ref.leaf == leaf), None)
    return named or Ref(entry.seq, leaf)


def _anchored(ledger: Ledger, kept: bytes, where: str, problems: list[checks.Problem]) -> int | None:
    """The size of the checkpoint, if the ledger extends it. A file that is none says nothing about the ledger."""
    try:
        size = open_checkpoint(kept, ledger.key).size
        extends(ledger, kept)
    except Malformed as error:
        raise InvalidInput("not a checkpoint", where=where, got=str(error)) from error
    except NotVerified as error:
        problems.append(checks.Problem(None, "this is not the ledger of the checkpoint that was kept", str(error)))
        return None
    return size


def look(settings: Settings) -> list[Line]:
    """Settings with their origins, the ledger's state, the keys, and the programs that some commands need."""
    lines = [Line(True, name, f"{value}  [{origin}]") for name, value, origin in settings.shown()]
    return [*lines, *_ledger(settings.ledger), *_keys(settings.keys), *_machine()]


def _ledger(place: Place) -> Iterator[Line]:
    if not exists(place):
        yield Line(False, "ledger", "none here; create one with: tallystick init --name NAME")
        return
    try:
        with Ledger.open(place, read_only=True) as ledger:
            condition = ledger.condition()
            yield Line(True, "origin", ledger.origin)
            yield Line(True, "fingerprint", ledger.key.public.fingerprint)
            yield Line(True, "entries", str(ledger.size))
    except TallystickError as error:
        yield Line(False, "ledger", str(error))
        return
    for name, value in condition.facts.items():
        yield Line(True, name, value)
    for warning in condition.warnings:
        yield Line(False, "ledger", warning)


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

"""Who made a model, from recorded authorship along its lineage.

"Made" means: recorded the model, its run, or anything the run used (data, code, parameters, environment, other
models); or wrote a commit in the history of the code it used. What nobody recorded is invisible here, and an author
whose e-mail address is bound to no key counts as unmapped: both are said in every report.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from tallystick.canonical import Value
from tallystick.errors import NotFound
from tallystick.people.book import Book
from tallystick.records import LEDGER_ACTOR, Entry

__all__ = ["lineage", "makers", "unmapped_authors"]

_INPUTS = frozenset({"dataset", "commit", "params", "environment", "run", "model"})


def lineage(book: Book, model: Entry) -> list[Entry]:
    """The model and everything that went into it, in order of index.

    Raises:
        Tampered: another entry stands where one of these should. To leave it out would leave its authors out.
    """
    found: dict[int, Entry] = {}
    waiting = [model]
    while waiting:
        entry = waiting.pop()
        if entry.seq in found:
            continue
        found[entry.seq] = entry
        for ref in entry.links:
            with suppress(NotFound):
                waiting += [target for target in (book.get(ref),) if target.kind in _INPUTS]
    return [found[seq] for seq in sorted(found)]


def makers(book: Book, model: Entry) -> dict[str, tuple[str, ...]]:
    """Each actor who made the model, with the reasons ("recorded entry 41, a run")."""
    reasons: dict[str, list[str]] = {}
    for entry in lineage(book, model):
        if entry.actor != LEDGER_ACTOR:
            reasons.setdefault(entry.actor, []).append(f"recorded entry {entry.seq}, a {entry.kind}")
        if entry.kind == "commit":
            for actor in _authors(entry):
                reasons.setdefault(actor, []).append(f"wrote code in entry {entry.seq}, a commit")
    return {actor: tuple(items) for actor, items in reasons.items()}


def unmapped_authors(book: Book, model: Entry) -> int:
    """How many authors of the code are bound to no key: nobody can say whether they approved."""
    commits = [entry for entry in lineage(book, model) if entry.kind == "commit"]
    counts = [_authorship(entry).get("unmapped", 0) for entry in commits]
    return max((count for count in counts if isinstance(count, int)), default=0)


def _authors(commit: Entry) -> list[str]:
    actors = _authorship(commit).get("actors")
    return [actor for actor in actors if isinstance(actor, str)] if isinstance(actors, list) else []


def _authorship(commit: Entry) -> Mapping[str, Value]:
    """What a commit's entry says of its authors; nothing where it is not of that form."""
    authors = commit.body.get("authors")
    return authors if isinstance(authors, Mapping) else {}

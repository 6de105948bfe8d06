"""Where a ledger is kept: moved, shared, brought up to date."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tallystick.errors import UsageError
from tallystick.ledger.moving import Moved, Progress
from tallystick.ledger.moving import move as moved
from tallystick.ledger.places import Place, bring_up
from tallystick.settings import is_url

__all__ = ["bring_up", "grant", "move"]


def move(source: str, target: str, *, keep: bool, progress: Progress | None = None) -> Moved:
    """Move a ledger; each place is a path or a URL."""
    return moved(_place(source), _place(target), keep=keep, progress=progress)


def _place(text: str) -> Place:
    return text if is_url(text) else Path(text)


def grant(place: Place, *, writers: Sequence[str], auditors: Sequence[str], builders: Sequence[str] = ()) -> None:
    """Let roles of a PostgreSQL server append, read, or hand in evaluations.

    Raises:
        UsageError: the ledger is a file, whose permissions the file system keeps.
    """
    if isinstance(place, Path):
        raise UsageError("a file has no roles", where=str(place), remedy="Use chmod and chown.")
    from tallystick.ledger import postgres

    postgres.grant(place, writers=writers, auditors=auditors, builders=builders)

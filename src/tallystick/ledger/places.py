"""Where a ledger is kept: a file, or a database behind a URL. The one place that tells them apart."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

from tallystick.errors import UsageError
from tallystick.ledger import sqlite
from tallystick.ledger.store import PATIENCE, Store

__all__ = ["Place", "bring_up", "connect", "exists", "is_url", "laid_out", "retire"]

Place = str | Path
"""A path, or a URL that begins with ``postgresql://``."""

_POSTGRES = ("postgresql", "postgres")


def is_url(place: Place) -> bool:
    """Whether it is a database.

    Raises:
        UsageError: a URL of something else.
    """
    if isinstance(place, Path) or "://" not in place:
        return False
    scheme = urlsplit(place).scheme
    if scheme not in _POSTGRES:
        raise UsageError(
            "ledgers are not kept there", got=f"a URL of {scheme[:20]}", expected="a path, or postgresql://..."
        )
    return True


def connect(place: Place, *, writing: bool, patience: float = PATIENCE) -> Store:
    """Open the store of an existing ledger.

    Raises:
        NotFound, InvalidInput, NewerFormat, LedgerBusy, Unavailable: as the store says.
        UsageError: a URL of something else.
    """
    if is_url(place):
        from tallystick.ledger import postgres  # the driver: on use only

        return postgres.connect(str(place), writing=writing, patience=patience)
    return sqlite.connect(Path(os.path.realpath(place)), writing=writing, patience=patience)


def laid_out(place: Place) -> AbstractContextManager[Store]:
    """A store for a new ledger, inside the one transaction that makes it: all of it is there when the block ends, or
    nothing.

    Raises:
        Refused: something is there.
    """
    if is_url(place):
        from tallystick.ledger import postgres

        return postgres.lay_out(str(place))
    return sqlite.laid_out(Path(os.path.realpath(place)))


def exists(place: Place) -> bool:
    """Whether there is something to open; of a database only asking it can tell."""
    return is_url(place) or Path(place).exists()


def retire(place: Place, where: str) -> str | None:
    """Note beside a file that its ledger is at ``where`` now: it is not opened for writing any more.

    A database has no such place: its writers lose their right there. Returns the file that was made, if one was.
    """
    return None if is_url(place) else str(sqlite.retire(Path(os.path.realpath(place)), where))


def bring_up(place: Place) -> int:
    """Bring the layout of a ledger up to ours; entries and checkpoints stay as they are. The layout it has then.

    Raises:
        NotFound, NewerFormat, LedgerBusy, Unavailable: as :func:`connect`.
    """
    if is_url(place):
        from tallystick.ledger import postgres

        return postgres.bring_up(str(place))
    return sqlite.bring_up(Path(os.path.realpath(place)))

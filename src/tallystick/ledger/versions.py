"""Layouts and how one becomes the next: alembic's revisions in :mod:`tallystick.ledger.migrations`.

Layout N is what revision ``NNNN`` leaves. SQLite keeps the number in ``PRAGMA user_version``, PostgreSQL in alembic's
own table, in the ledger's schema. A ledger of another layout is not opened: an older one has to be upgraded first, by
whoever owns it, and a newer one needs a newer tallystick. An upgrade is one transaction, and adds to entries nothing
and takes nothing from them: their bytes are the same in every layout.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.errors import Malformed, NewerFormat, Refused, TallystickError

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy
    from alembic.config import Config

__all__ = ["HEAD", "MIGRATIONS", "check_layout", "migrating", "upgrade"]

HEAD: Final = 1
"""The layout that this version reads and writes."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def check_layout(layout: int, *, where: str, older: bool = False) -> None:
    """Refuse a ledger of another layout than ours.

    Args:
        older: let an older one pass.

    Raises:
        NewerFormat: laid out by a later version.
        Refused: laid out by an earlier one.
        Malformed: by none.
    """
    if layout == HEAD or (older and 0 < layout < HEAD):
        return
    what: dict[str, Any] = {"where": where, "expected": f"layout {HEAD}", "got": f"layout {layout}"}
    error: TallystickError
    if layout > HEAD:
        error = NewerFormat("ledger is of a newer format", **what, remedy="Use a newer tallystick.")
    elif layout > 0:
        error = Refused("ledger is of an older layout", **what, remedy="Bring it up with `tallystick ledger upgrade`.")
    else:
        error = Malformed("ledger has no known layout", **what)
    raise error


@contextlib.contextmanager
def migrating(connection: sqlite3.Connection | psycopg.Connection[Any]) -> Iterator[sqlalchemy.Connection]:
    """A driver's connection as :func:`upgrade` needs it. Begin a transaction inside this block, and end it there.

    Errors of the driver leave it as the driver's own.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    if isinstance(connection, sqlite3.Connection):
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    else:
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool, use_native_hstore=False
        )
    try:
        bound = engine.connect()
        try:
            yield bound
        finally:
            with contextlib.suppress(DBAPIError):  # it rolls back, and whoever began has ended it: in whatever way
                bound.close()
    except DBAPIError as error:
        raise error.orig or error from error


def upgrade(bound: sqlalchemy.Connection, *, folder: Path = MIGRATIONS) -> int:
    """Run the revisions that are missing, all if nothing is laid out, in the transaction that has begun.

    Args:
        bound: from :func:`migrating`.
        folder: where the revisions are.

    Returns:
        The layout that there is now.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = bound
    newest = int(ScriptDirectory.from_config(config).get_current_head() or 0)
    bound.begin()  # alembic leaves a transaction that it finds to whoever began it
    if bound.dialect.name == "sqlite":
        _upgrade_file(bound, config, newest)
    else:
        command.upgrade(config, "head")
    return newest


def _upgrade_file(bound: sqlalchemy.Connection, config: Config, newest: int) -> None:
    """Alembic knows tables only: for the time of an upgrade, the number in the file's header stands in one."""
    from alembic import command

    (layout,) = bound.exec_driver_sql("PRAGMA user_version").one()
    if layout == newest:
        return
    bound.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    if layout:
        bound.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{layout:04d}')")  # noqa: S608 - a number
    command.upgrade(config, "head")
    bound.exec_driver_sql("DROP TABLE alembic_version")
    bound.exec_driver_sql(f"PRAGMA user_version = {newest}")

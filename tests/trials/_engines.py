"""The databases that a trial goes over: an empty place in each, one after the other."""

import contextlib
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _postgres import ROLES, Server

SQLITE, POSTGRESQL = "sqlite", "postgresql"
ENGINES = (("both", SQLITE, POSTGRESQL), "the databases to try")
"""The option of a trial's command line."""


@dataclass(frozen=True)
class Engine:
    """One of them."""

    name: str
    version: str
    place: Path | str
    """Where a ledger can be made."""
    server: Server | None = None
    """Where it is kept by one; it is the trial's own."""


@contextlib.contextmanager
def sqlite_engine(folder):
    yield Engine(SQLITE, f"SQLite {sqlite3.sqlite_version}", folder / "ledger.db")


@contextlib.contextmanager
def postgresql_engine(folder):
    """As its makers deliver it, with all syncs."""
    with Server() as server:
        server.execute(ROLES)
        server.make_database("trial")
        ((version,),) = server.execute("SHOW server_version")
        yield Engine(POSTGRESQL, f"PostgreSQL {version}", server.url("owner", "trial"), server)


def chosen(engine):
    """A context manager for each engine that was asked for: called with a folder, it gives an :class:`Engine`."""
    offered = {SQLITE: sqlite_engine, POSTGRESQL: postgresql_engine}
    return [offered[name] for name in offered if engine in ("both", name)]

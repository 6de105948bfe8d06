"""What keeps rows as they were written: triggers in the file, and an authorizer on each connection.

* Triggers abort UPDATE and DELETE on the append-only tables, whoever writes. SQLite's REPLACE goes around them unless
  ``recursive_triggers`` is on; every connection of :mod:`tallystick.ledger.database` turns it on.
* The authorizer is an allow-list: read, insert, erase a side value, and a few harmless pragmas. So DROP, ALTER,
  ATTACH, temporary tables that shadow ours, ``writable_schema`` and switching the guards off are refused.

They are fences against mistakes and against SQL that got in, no defence against someone who can write the file: that
is what hashes, signatures and fsck are for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

__all__ = ["APPEND_ONLY", "TABLES", "TRIGGERS", "authorizer"]

APPEND_ONLY: Final = ("entries", "nodes", "checkpoints", "attachments", "links")
TABLES: Final = (*APPEND_ONLY, "side_values")

_ABORT = "CREATE TRIGGER {table}_no_{verb} BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, '{why}'); END"


def _triggers() -> dict[str, str]:
    found = {}
    for table in APPEND_ONLY:
        for verb in ("update", "delete"):
            found[f"{table}_no_{verb}"] = _ABORT.format(
                table=table, verb=verb, what=verb.upper(), why=f"{table} is append-only"
            )
    found["side_values_no_update"] = _ABORT.format(
        table="side_values", verb="update", what="UPDATE", why="a side value is erased, never changed"
    )
    # DELETE is allowed on side_values, so that REPLACE has to be caught as the insert that it is.
    found["side_values_no_replace"] = (
        "CREATE TRIGGER side_values_no_replace BEFORE INSERT ON side_values"
        " WHEN EXISTS (SELECT 1 FROM side_values WHERE seq = NEW.seq AND name = NEW.name)"
        " BEGIN SELECT RAISE(ABORT, 'a side value is erased, never changed'); END"
    )
    return found


TRIGGERS: Final = _triggers()
"""Name to CREATE TRIGGER statement. fsck compares the file's with these, letter by letter."""

_FUNCTIONS = frozenset({"coalesce", "count", "length", "max", "min", "sum"})
_READABLE = frozenset(
    {"application_id", "foreign_keys", "freelist_count", "journal_mode", "page_count", "page_size"}
    | {"recursive_triggers", "synchronous", "trusted_schema", "user_version"}
)
_RUNNABLE = {"integrity_check": None, "wal_checkpoint": "TRUNCATE"}

_Verdict = Callable[[int, str | None, str | None, str | None, str | None], int]


def authorizer(*, writing: bool) -> _Verdict:
    """A callback for ``sqlite3.Connection.set_authorizer`` that allows what the ledger does and nothing else."""

    def judge(action: int, first: str | None, second: str | None, schema: str | None, within: str | None) -> int:
        if within in TABLES:  # a view in the place of a table, which can compute for ever
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK if allowed(action, first, second, schema) else sqlite3.SQLITE_DENY

    def allowed(action: int, first: str | None, second: str | None, schema: str | None) -> bool:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_RECURSIVE):
            return True
        if action == sqlite3.SQLITE_READ:
            return schema in ("main", None)
        if action == sqlite3.SQLITE_FUNCTION:
            return second in _FUNCTIONS
        if action == sqlite3.SQLITE_PRAGMA:
            return (first in _READABLE and second is None) or (first in _RUNNABLE and _RUNNABLE[first] == second)
        if action == sqlite3.SQLITE_INSERT:
            return writing and schema == "main" and first in TABLES
        return action == sqlite3.SQLITE_DELETE and writing and schema == "main" and first == "side_values"

    return judge

"""Who may do what to a ledger in PostgreSQL: given by its owner to roles that exist, and looked up for `doctor`.

The owner lays out, grants, erases and scrubs; writers append; auditors read; builders read, and hand in. What a role
has no right to, no SQL through its connection can do, whoever wrote that SQL. The owner, and superusers, can take the
guards away: nothing in the database itself hinders them, only checkpoints that were kept elsewhere show what they
changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from tallystick.errors import InvalidInput, Refused, Unavailable, UsageError
from tallystick.ledger import inbox
from tallystick.ledger.guards import TABLES

if TYPE_CHECKING:
    from tallystick.ledger.postgres import PostgresStore

__all__ = ["grant", "may", "owners", "who_else"]

_SCHEMA: Final = "tallystick"
_ALL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_BY_COLUMN: Final = frozenset({"SELECT", "INSERT", "UPDATE", "REFERENCES"})
_ERASABLE: Final = "side_values"
_CHANGES: Final = "UPDATE, DELETE, TRUNCATE, TRIGGER"


def grant(
    store: PostgresStore, *, writers: Sequence[str], auditors: Sequence[str], builders: Sequence[str] = ()
) -> None:
    """See :func:`tallystick.ledger.postgres.grant`; in a transaction, which an error has to end."""
    roles = (*writers, *auditors, *builders)
    if not roles or len(set(roles)) < len(roles):
        raise UsageError("name each role once, as writer, auditor or builder", got=", ".join(roles) or "none")
    _check_is_owner(store)
    for role in roles:
        _check_role(store, role)
    for role in ("PUBLIC", *map(_quoted, roles)):
        for what in (f"SCHEMA {_SCHEMA}", *(f"ALL {kind} IN SCHEMA {_SCHEMA}" for kind in ("TABLES", "FUNCTIONS"))):
            store.administer(f"REVOKE ALL ON {what} FROM {role}")
    for role in map(_quoted, roles):
        store.administer(f"GRANT USAGE ON SCHEMA {_SCHEMA} TO {role}")
        store.administer(f"GRANT SELECT ON ALL TABLES IN SCHEMA {_SCHEMA} TO {role}")
    for role in map(_quoted, writers):
        store.administer(f"GRANT INSERT ON {', '.join(map(_full, TABLES))} TO {role}")
    for role in map(_quoted, builders):
        store.administer(f"REVOKE ALL ON {_full(_ERASABLE)} FROM {role}")
    _grant_inbox(store, writers=writers, builders=builders)
    for role in roles:
        due = {table: {"SELECT", "INSERT"} if role in writers else {"SELECT"} for table in TABLES}
        _check_no_more(store, role, due | ({_ERASABLE: set()} if role in builders else {}))


def _grant_inbox(store: PostgresStore, *, writers: Sequence[str], builders: Sequence[str]) -> None:
    """Builders hand in and read answers; whoever writes takes out and answers."""
    if builders:
        for statement in inbox.statements():
            store.administer(statement)
        store.administer(f"REVOKE ALL ON ALL TABLES IN SCHEMA {inbox.SCHEMA} FROM PUBLIC")
    elif not store.one("SELECT 1 FROM pg_namespace WHERE nspname = ?", inbox.SCHEMA):
        return
    submissions, answers = f"{inbox.SCHEMA}.submissions", f"{inbox.SCHEMA}.answers"
    for role in map(_quoted, (*writers, *builders)):
        store.administer(f"REVOKE ALL ON ALL TABLES IN SCHEMA {inbox.SCHEMA} FROM {role}")
        store.administer(f"GRANT USAGE ON SCHEMA {inbox.SCHEMA} TO {role}")
    for role in map(_quoted, builders):
        store.administer(f"GRANT INSERT (name, content) ON {submissions} TO {role}")
        store.administer(f"GRANT SELECT ON {answers} TO {role}")
    for role in map(_quoted, writers):
        store.administer(f"GRANT SELECT, DELETE ON {submissions} TO {role}")
        store.administer(f"GRANT SELECT, INSERT ON {answers} TO {role}")


def _check_is_owner(store: PostgresStore) -> None:
    (owner, yes) = store.one(
        "SELECT nspowner::regrole::text, pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = ?", _SCHEMA
    )
    if not yes:
        raise Unavailable("only the ledger's owner can grant rights on it", where=store.where, expected=f"role {owner}")


def _check_role(store: PostgresStore, role: str) -> None:
    row = store.one(
        "SELECT r.rolsuper, pg_has_role(r.oid, n.nspowner, 'MEMBER') FROM pg_roles r, pg_namespace n"
        " WHERE r.rolname = ? AND n.nspname = ?",
        role,
        _SCHEMA,
    )
    if row is None:
        raise InvalidInput(f"there is no role {role}", where=store.where, remedy="Make it with CREATE ROLE.")
    superuser, owner = row
    if superuser or owner:
        what = "a superuser" if superuser else "the ledger's owner, or could become it"
        raise Refused(f"role {role} is {what}", where=store.where, remedy="Give the work to a role of its own.")


def _check_no_more(store: PostgresStore, role: str, due: Mapping[str, set[str]]) -> None:
    """Rights come also from other grantors, from groups, and from predefined roles: what holds in the end counts."""
    if store.one("SELECT has_schema_privilege(?, ?, 'CREATE')", role, _SCHEMA)[0]:
        raise _too_much(role, f"{store.where}, schema {_SCHEMA}", "CREATE")
    for table in TABLES:
        held = {verb for verb in _ALL if _holds(store, role, table, verb)}
        if held - due[table]:
            raise _too_much(role, f"{store.where}, table {table}", ", ".join(sorted(held - due[table])))


def _holds(store: PostgresStore, role: str, table: str, verb: str) -> bool:
    """Whether a role may do that to a table, or to a column of it."""
    how = "any_column" if verb in _BY_COLUMN else "table"
    return bool(store.one(f"SELECT has_{how}_privilege(?, ?, ?)", role, _full(table), verb)[0])


def _too_much(role: str, where: str, got: str) -> Refused:
    return Refused(
        f"role {role} would have more rights than it should",
        where=where,
        got=got,
        remedy="Take it out of the groups that have them.",
    )


def _full(table: str) -> str:
    return f"{_SCHEMA}.{table}"


def _quoted(role: str) -> str:
    from psycopg import sql

    return sql.Identifier(role).as_string(None)


# --------------------------------------------------------------------------- looking up


def may(store: PostgresStore) -> tuple[str, ...]:
    """What the role of this connection may do to entries, by its rights: triggers stop the owner nevertheless."""
    return tuple(verb for verb in _ALL if store.one("SELECT has_table_privilege(?, ?)", _full("entries"), verb)[0])


def owners(store: PostgresStore) -> tuple[str, ...]:
    """The owner, and the roles that can become it; superusers are not listed."""
    found = store.all(
        "SELECT r.rolname::text FROM pg_roles r, pg_namespace n WHERE n.nspname = ? AND NOT r.rolsuper"
        " AND pg_has_role(r.oid, n.nspowner, 'MEMBER') ORDER BY r.oid <> n.nspowner, 1",
        _SCHEMA,
    )
    return tuple(name for (name,) in found)


def who_else(store: PostgresStore) -> tuple[str, ...]:
    """Roles that are neither superusers nor the owner, and may nevertheless change rows, or add to the schema."""
    found = store.all(
        "SELECT r.rolname::text FROM pg_roles r, pg_namespace n WHERE n.nspname = ? AND NOT r.rolsuper"
        " AND r.rolname NOT LIKE 'pg\\_%' AND NOT pg_has_role(r.oid, n.nspowner, 'MEMBER')"
        " AND (has_schema_privilege(r.oid, n.oid, 'CREATE') OR EXISTS (SELECT FROM pg_class c"
        " WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND (has_table_privilege(r.oid, c.oid, ?)"
        " OR has_any_column_privilege(r.oid, c.oid, 'UPDATE')))) ORDER BY 1",
        _SCHEMA,
        _CHANGES,
    )
    return tuple(name for (name,) in found)

"""What a PostgreSQL server says of itself and of the ledger in it: for `doctor` and fsck."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tallystick.errors import TallystickError
from tallystick.ledger.catalogue import CATALOGUE, GUARDS
from tallystick.ledger.privileges import may, owners, who_else
from tallystick.ledger.store import Condition

if TYPE_CHECKING:
    from tallystick.ledger.postgres import PostgresStore

__all__ = ["condition", "faults"]

_DURABILITY: Final = ("synchronous_commit", "fsync", "full_page_writes", "data_checksums")
_STANDBYS: Final = "synchronous_standby_names"
_TESTED: Final = range(15, 19)
_CHECKS: Final = {"r": ("verify_heapam", "check_toast => true"), "i": ("bt_index_check", "heapallindexed => true")}


def condition(store: PostgresStore, *, encrypted: bool) -> Condition:
    """How the ledger is kept: cheap to find out, and without any right beyond reading it."""
    version, role, superuser, standby, local, size, standbys = store.one(
        "SELECT current_setting('server_version_num')::int, current_user::text,"
        " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), pg_is_in_recovery(),"
        " coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', true),"
        " (SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = 'tallystick' AND c.relkind = 'r'),"
        " (SELECT count(*) FROM pg_stat_replication)"
    )
    settings = {name: store.one("SELECT current_setting(?)", name)[0] for name in (*_DURABILITY, _STANDBYS)}
    intact = {name: text for name, text in store.all(CATALOGUE) if name in GUARDS} == GUARDS
    owning, others, superusers = owners(store), who_else(store), _superusers(store)
    facts = {
        "engine": f"PostgreSQL {version // 10000}.{version % 10000}, {size} bytes",
        "server": f"{'standby' if standby else 'primary'}, connection {'encrypted' if encrypted else 'not encrypted'}"
        + (", on the same machine" if local else ""),
        "durability": ", ".join(f"{name} {settings[name]}" for name in _DURABILITY),
        "standbys": f"{standbys}, synchronous: {settings[_STANDBYS] or 'none'}",
        "role": f"{role}, may {', '.join(may(store))}",
        "owner": ", ".join(owning) or "a superuser",
        "superusers": ", ".join(superusers),
        "others who may change rows": ", ".join(others) or "none",
        "triggers": "in place" if intact else "missing or altered",
    }
    warnings = {
        "fsync is off: a crash of the server's machine can destroy the ledger": settings["fsync"] == "off",
        "full_page_writes is off: a crash of the server's machine can tear pages": settings["full_page_writes"]
        == "off",
        "data checksums are off: the server does not notice when a page was damaged": settings["data_checksums"]
        != "on",
        "the connection is not encrypted": not (encrypted or local),
        "this server is a standby, which may be behind and is never written to": standby,
        "standbys follow asynchronously: what was acknowledged can be lost when one takes over": (
            standbys > 0 and not settings[_STANDBYS]
        ),
        "triggers that keep entries from being changed are missing or altered": not intact,
        f"the owner ({', '.join(owning) or 'a superuser'}) and superusers could disable the triggers and change rows:"
        " only checkpoints kept elsewhere show that": superuser or role in owning,
        f"roles that are not the owner may change rows: {', '.join(others)}": bool(others),
        f"PostgreSQL {version // 10000} is not among the versions that were tested": version // 10000 not in _TESTED,
    }
    return Condition(facts, tuple(text for text, holds in warnings.items() if holds))


def _superusers(store: PostgresStore) -> list[str]:
    return [name for (name,) in store.all("SELECT rolname::text FROM pg_roles WHERE rolsuper ORDER BY oid")]


def faults(store: PostgresStore) -> Iterator[str]:
    """What amcheck says of each table and index, where it is installed and this role may ask it."""
    allowed = dict(
        store.all(
            "SELECT p.proname::text, quote_ident(n.nspname) || '.' || p.proname FROM pg_extension e"
            " JOIN pg_namespace n ON n.oid = e.extnamespace JOIN pg_proc p ON p.pronamespace = n.oid"
            " WHERE e.extname = 'amcheck' AND (p.proname, p.pronargs) IN (('verify_heapam', 6), ('bt_index_check', 2))"
            " AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')"
        )
    )
    relations = store.all(
        "SELECT c.oid::regclass::text, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'tallystick' AND c.relkind IN ('r', 'i') ORDER BY 1"
    )
    for name, kind in relations:
        function, how = _CHECKS[kind]
        if function in allowed:
            query = f"SELECT * FROM {allowed[function]}(?::regclass, {how})"  # noqa: S608 - from the catalogue, quoted
            yield from _asked(store, name, query)


def _asked(store: PostgresStore, name: str, query: str) -> Iterator[str]:
    """A table's faults are rows, an index's an error."""
    try:
        for row in store.all(query, name):
            if row[-1]:
                yield f"{name}: {row[-1]}"
    except TallystickError as error:
        yield f"{name}: {error.got or error.what}"

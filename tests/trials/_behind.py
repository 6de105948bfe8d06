"""Rows changed behind a ledger's back, by somebody who may: the owner of the file, or a superuser of the server.

The guards are taken away and put back, so that only the rows can give it away. Statements are such that both databases
understand; values stand for ``?``.
"""

import contextlib
import sqlite3
from urllib.parse import urlsplit

import psycopg

from tallystick.ledger.guards import TABLES, TRIGGERS


def is_url(place):
    return str(place).startswith("postgresql://")


def superuser(url):
    """The same database, for the role postgres."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"postgres@{parts.netloc.rpartition('@')[2]}").geturl()


@contextlib.contextmanager
def behind(place):
    """A connection to change rows by: durable at the end."""
    if is_url(place):
        with psycopg.connect(superuser(place)) as connection, unguarded_server(connection) as database:
            yield database
    else:
        with (
            contextlib.closing(sqlite3.connect(place, isolation_level=None)) as connection,
            unguarded_file(connection) as database,
        ):
            yield database


def change(place, *statements):
    """Each statement by itself, or with values: ``("UPDATE ... WHERE seq = ?", 3)``."""
    with behind(place) as database:
        for statement in statements:
            query, *values = (statement,) if isinstance(statement, str) else statement
            assert database.execute(query, values).rowcount, f"changed nothing: {query}"


@contextlib.contextmanager
def unguarded_file(connection):
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for name in TRIGGERS:
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    for statement in TRIGGERS.values():
        connection.execute(statement)
    connection.execute("COMMIT")


@contextlib.contextmanager
def unguarded_server(connection):
    connection.execute("SET search_path = tallystick, pg_temp")
    for table in TABLES:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    yield _Spoken(connection)
    for table in TABLES:
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
        for guard in ("change", "truncate"):
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_{guard}")


class _Spoken:
    """A connection to PostgreSQL that is spoken to as one to SQLite."""

    def __init__(self, connection):
        self._connection = connection

    def execute(self, statement, values=()):
        return self._connection.execute(statement.replace("?", "%s"), values)

    def executemany(self, statement, rows):
        self._connection.cursor().executemany(statement.replace("?", "%s"), rows)

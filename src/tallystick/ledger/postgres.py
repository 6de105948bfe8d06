"""The ledger in PostgreSQL: one in a database, in the schema ``tallystick``.

Rules:

* A ledger is never created by connecting.
* Writers of all processes and machines queue at one advisory lock, which the server grants in turn and frees when a
  connection ends. It is taken before anything is read, and each statement after it sees all that was committed before
  (READ COMMITTED): a snapshot taken while waiting could hold an old head.
* Only a primary is written to, and the head of the chain is read only in a turn: a standby may be behind.
* What was acknowledged is on the server's disk, and on those of its synchronous standbys: ``synchronous_commit`` is at
  least ``on``, whatever the role or the database says. ``fsync`` is the server's own affair; `doctor` shows it.
* A password is never shown: ``where`` and every message name role, host and database only.
* Errors of the driver leave this room as ours.
* Whoever reads runs no code of the ledger's owner: only ``pg_catalog`` is in the search path, tables are named with
  their schema, and where the server knows how to, it refuses views in their place. (Whoever writes runs the triggers.)

The session is set up once, when it begins: a pool of connections between us and the server has to keep sessions whole
(PgBouncer: ``pool_mode = session``).
"""

from __future__ import annotations

import contextlib
import functools
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from tallystick.errors import (
    CommitUnknown,
    InvalidInput,
    LedgerBusy,
    Malformed,
    MissingProgram,
    NotFound,
    Refused,
    TallystickError,
    Tampered,
    Unavailable,
    UsageError,
)
from tallystick.ledger import privileges, server
from tallystick.ledger.catalogue import CATALOGUE, LAYOUT
from tallystick.ledger.guards import TABLES
from tallystick.ledger.store import PATIENCE, Condition, Opener, by_name
from tallystick.ledger.versions import MIGRATIONS, check_layout, migrating, upgrade

if TYPE_CHECKING:
    import psycopg

__all__ = ["LOCK", "SCHEMA", "PostgresStore", "bring_up", "connect", "grant", "lay_out"]

SCHEMA: Final = "tallystick"
_SIDE_VALUES: Final = f"{SCHEMA}.side_values"
LOCK: Final = 0x54414C59
"""The advisory lock of those who write, ``TALY``: ``SELECT * FROM pg_locks WHERE objid = 1413565529`` shows them."""

_IDLE: Final = "5min"
"""A writer that does nothing for so long in its turn is cut off: its machine has gone, and others wait."""
_PAUSE: Final = 0.2
"""Seconds between attempts to reach a server that went away."""
_SCHEMES: Final = ("postgresql://", "postgres://")
_FORM: Final = "postgresql://[ROLE@]HOST[:PORT]/DATABASE"
_ALIVE: Final = {
    "application_name": "tallystick",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""How soon a server that went without a word is given up, unless the URL says otherwise."""

_READING: Final = "reading"
"""The savepoint at the beginning of a snapshot."""
_PATH: Final = "pg_catalog, pg_temp"
_WITHIN: Final = f"SET LOCAL search_path = {SCHEMA}, pg_temp"
"""For alembic, which lays tables out by bare names; until the transaction ends."""
_READS: Final = re.compile(r"\s*(?:SELECT|WITH)\b")
_WRITES: Final = re.compile(
    r"\s*(?:SELECT|WITH|INSERT INTO (?:entries|nodes|checkpoints|attachments|links|side_values)"
    r"|DELETE FROM side_values)\b"
)
_TABLE: Final = re.compile(rf"\b(FROM|JOIN|INTO) (?=(?:{'|'.join(TABLES)}|alembic_version)\b)")
_PLAIN: Final = re.compile(r"INSERT INTO (\w+) VALUES \(\?(?:, \?)*\)")


class PostgresStore:
    """One connection to a ledger's database. It belongs to the thread that opened it.

    What a role may do is the server's to say (see :func:`grant`). Beyond that, only statements of the kind that the
    ledger makes are sent at all: a fence against mistakes, as SQLite's authorizer is.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], params: Mapping[str, str], *, writable: bool, patience: float
    ) -> None:
        import psycopg

        self.where = shown(params)
        self._role = connection.info.user
        """Kept: a connection that was closed does not tell it."""
        self._writable = writable
        self._connection = connection
        self._opener = Opener()
        self._params = params
        self._patience = patience
        self._cursor = connection.cursor(binary=True)
        self._in_snapshot = False
        self._allowed = _WRITES if writable else _READS
        self._error = psycopg.Error

    def __repr__(self) -> str:
        return f"<PostgresStore {self.where}>"

    # ----------------------------------------------------------------- statements

    def one(self, query: str, *values: object) -> Any:
        """The first row, or None. Values stand for ``?`` in the query."""
        try:
            return self._cursor.execute(self._spoken(query), values).fetchone()
        except self._error as error:
            self._read_on()
            raise self._ours(error) from error

    def all(self, query: str, *values: object) -> list[Any]:
        """All rows."""
        try:
            return self._cursor.execute(self._spoken(query), values).fetchall()
        except self._error as error:
            self._read_on()
            raise self._ours(error) from error

    def run(self, query: str, *values: object) -> int:
        """Execute one statement; the number of rows it changed."""
        try:
            return self._cursor.execute(self._spoken(query), values).rowcount
        except self._error as error:
            raise self._ours(error) from error

    def many(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Execute one statement for each row, without waiting between them: plain inserts by COPY, at half the cost."""
        spoken, several = self._spoken(query), list(rows)
        if len(several) < 2:  # each way for several has a round trip more
            for row in several:
                self.run(query, *row)
            return
        plain = _PLAIN.fullmatch(query)
        with self.translated():
            if not plain:
                self._cursor.executemany(spoken, several)
                return
            with self._cursor.copy(f"COPY {SCHEMA}.{plain[1]} FROM STDIN") as copy:
                for row in several:
                    copy.write_row(row)

    def _spoken(self, query: str) -> bytes:
        self._opener.check(self.where)
        return _spoken(query, self._allowed)

    # ----------------------------------------------------------------- transactions

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the writers' turn, then one transaction that is durable when the block ends well.

        Raises:
            LedgerBusy: others write for longer than the patience given at opening.
            CommitUnknown: the connection broke while the server committed, or a standby that it waits for did not
                answer. This store cannot be used any more. Who opens another and takes a turn there sees what became
                of it: the server frees the lock only when it is done.
            Unavailable: the server cannot be used, or only reads; nothing was recorded.
        """
        if not self._writable:
            raise UsageError("ledger was opened for reading", where=self.where)
        self._opener.check(self.where)
        if self._in_transaction():
            raise UsageError("a turn, or a snapshot, has begun already", where=self.where)
        try:
            self._connection.execute(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
                f" SET LOCAL lock_timeout = {_milliseconds(self._patience)}; SELECT pg_advisory_xact_lock({LOCK})"
            )
        except BaseException as error:
            self._undo()
            if isinstance(error, self._error):
                raise self._ours(error) from error
            raise
        with self._undone_on_error():
            yield
            self._check_alive()
        self._commit()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see the ledger as it was at the first of them; in a turn, nobody else changes it anyway."""
        if self._in_transaction():
            yield
            return
        self.administer(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SAVEPOINT {_READING}")
        self._in_snapshot = True
        try:
            yield
        finally:
            self._in_snapshot = False
            self._undo()

    def _read_on(self) -> None:
        """After a read that failed, say of a damaged page, go on in the same snapshot, as SQLite does."""
        if self._in_snapshot and not self._connection.closed:
            self.administer(f"ROLLBACK TO SAVEPOINT {_READING}")

    @property
    def place(self) -> str:
        """A URL with all that connecting needs, perhaps a password: never show it."""
        return "postgresql:///?" + urlencode(self._params, quote_via=quote)

    @property
    def failed(self) -> bool:
        """Whether the connection has ended."""
        return bool(self._connection.closed)

    def successor(self) -> PostgresStore:
        """Another connection for writing, once the server is done with this one.

        What this one committed is then as durable as a commit makes it: the server's log is in one order, and a mark
        in it is committed, with all the waiting for standbys that belongs to it. A server that is just starting
        again is given the patience of the opening.

        Raises:
            Unavailable: that cannot be told now. Also CommitUnknown, LedgerBusy: about the mark, not the ledger.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._settled()
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def _settled(self) -> PostgresStore:
        store = _connected(self._params, writing=True, patience=self._patience)
        try:
            with store.turn():
                store.administer("SELECT pg_logical_emit_message(true, 'tallystick', '')")
        except BaseException:
            store.close()
            raise
        return store

    def again(self) -> PostgresStore:
        """Another connection to the same ledger, for reading."""
        return _connected(self._params, writing=False, patience=self._patience)

    def close(self) -> None:
        if self._opener.is_here:
            self._connection.close()

    # ----------------------------------------------------------------- how it is kept

    def layout(self) -> tuple[dict[str, str], dict[str, str]]:
        """Name to definition of all that is laid out: (as it should be, as it is)."""
        return dict(LAYOUT), by_name(self.all(CATALOGUE))

    def faults(self) -> Iterator[str]:
        """What the extension amcheck finds in tables and indexes; nothing where it is not there, or not for us."""
        if self._writable and self._in_transaction():  # what is being laid out is seen by nobody else
            return
        with contextlib.closing(self.again()) as other:  # a fault ends a transaction, not ours
            yield from server.faults(other)

    def condition(self) -> Condition:
        return server.condition(self, encrypted=self._connection.pgconn.ssl_in_use)

    def scrub(self) -> None:
        """Write the side values anew, so that erased ones are not in the table's free space. For its owner, alone.

        What the server keeps elsewhere is not reached: its write-ahead log and the archive of it, backups, standbys
        that are behind, and the blocks of the disk that the old table stood on. They go as they are recycled.

        Raises:
            LedgerBusy: somebody still reads the ledger as it was before the erasing.
            Unavailable: this role does not own the ledger.
        """
        (owner,) = self.one("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = ?::regclass", _SIDE_VALUES)
        if not owner:  # the server would only warn
            raise Unavailable(
                f"role {self._role} does not own the ledger", where=self.where, remedy="Scrub it as its owner."
            )
        left: list[str] = []

        def listen(notice: psycopg.errors.Diagnostic) -> None:
            left.extend(re.findall(r"\A\d+", notice.message_detail or ""))

        self._connection.add_notice_handler(listen)
        try:
            self.administer(f"VACUUM (FULL, VERBOSE) {_SIDE_VALUES}")
        finally:
            self._connection.remove_notice_handler(listen)
        if any(map(int, left)):
            raise LedgerBusy(
                "erased values had to stay for others who still read the ledger as it was",
                where=self.where,
                got=f"{max(left, key=int)} rows",
                remedy="Scrub again when their transactions have ended.",
            )

    def _in_transaction(self) -> bool:
        from psycopg.pq import TransactionStatus

        return self._connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def administer(self, statement: str, *values: object) -> psycopg.Cursor[Any]:
        """One statement that is none of the ledger's: the session's settings, the layout, rights, the inbox. Nothing
        fences it. Values stand for ``%s``.
        """
        self._opener.check(self.where)
        try:
            return self._connection.execute(statement.encode(), values or None)
        except self._error as error:
            raise self._ours(error) from error

    @contextlib.contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        """Roll back. A connection that cannot is closed, whereupon the server does."""
        from psycopg.pq import TransactionStatus

        if not self._opener.is_here or self._connection.info.transaction_status == TransactionStatus.IDLE:
            return
        try:
            self._connection.execute("ROLLBACK")
        except self._error:  # the first error is the one to tell
            self._connection.close()

    def _check_alive(self) -> None:
        """Find out that the server has hung up, as far as it is known here: then the commit was not even sent."""
        self._opener.check(self.where)
        try:
            for _ in range(2):  # its last words, and the end of the line
                self._connection.pgconn.consume_input()
        except self._error as error:
            raise self._ours(error) from error

    def _commit(self) -> None:
        """COMMIT, which syncs. Whatever is not a clear yes or a clear no is :class:`CommitUnknown`."""
        said: list[str] = []

        def listen(notice: psycopg.errors.Diagnostic) -> None:
            said.append(notice.message_primary or "a warning")

        self._connection.add_notice_handler(listen)
        try:
            status = self._connection.execute("COMMIT").statusmessage
        except BaseException as error:
            if not isinstance(error, self._error):
                self._undo()
                raise
            if self._connection.closed:
                raise self._unknown(_reason(error)) from error
            self._undo()
            raise self._ours(error) from error
        finally:
            self._connection.remove_notice_handler(listen)
        if status != "COMMIT":  # the server's answer where a statement had failed before
            raise Unavailable("a statement of this writing had failed", where=self.where, got=f"{status} in its end")
        if said:  # a wait for a standby that was cut short: it is here, and perhaps not there
            self.close()
            raise self._unknown(said[0])

    def _unknown(self, got: str) -> CommitUnknown:
        return CommitUnknown(
            "the end of the writing is not known",
            where=self.where,
            got=got,
            remedy="Open the ledger again to see whether it was recorded; the same idempotency key records it once.",
        )

    # ----------------------------------------------------------------- errors

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Let errors of the driver leave as ours, whoever else used the connection."""
        try:
            yield
        except self._error as error:
            raise self._ours(error) from error

    def _ours(self, error: psycopg.Error) -> TallystickError:
        return _translation(error, self.where, role=self._role, patience=self._patience)


# --------------------------------------------------------------------------- opening


def connect(url: str, *, writing: bool, patience: float = PATIENCE) -> PostgresStore:
    """Open an existing ledger.

    Args:
        url: ``postgresql://ROLE@HOST/DATABASE``, with any of libpq's parameters. Passwords belong in a password file.
        patience: seconds to wait for the server, and for others who write.

    Raises:
        UsageError: not a URL of a database.
        NotFound: no ledger in that database.
        NewerFormat: laid out by a later version. Refused: by an earlier one.
        Unavailable: the server cannot be reached, does not let this role in, or is a standby and writing was asked for.
        MissingProgram: psycopg is not installed.
    """
    return _connected(_parsed(url), writing=writing, patience=patience)


def grant(
    url: str,
    *,
    writers: Sequence[str] = (),
    auditors: Sequence[str] = (),
    builders: Sequence[str] = (),
    patience: float = PATIENCE,
) -> None:
    """Let roles that exist write or read the ledger, and no more than that: called by its owner, as often as need be.

    A writer reads and appends; it cannot change, remove or erase anything. An auditor reads, erasable values included.
    A builder reads all but erasable values, and may put submissions in the inbox, which is made for it.
    Whatever else these roles, or everybody (PUBLIC), were allowed on the ledger is taken back.

    Raises:
        UsageError: no role is named, or one as both. InvalidInput: there is no such role.
        Refused: a role that could change rows all the same, as superuser, owner, or by what it inherits.
        Unavailable: as :func:`connect`, or not called by the owner.
    """
    with contextlib.closing(connect(url, writing=True, patience=patience)) as store, store.turn():
        privileges.grant(store, writers=writers, auditors=auditors, builders=builders)


def bring_up(url: str, *, folder: Path = MIGRATIONS, patience: float = PATIENCE) -> int:
    """Upgrade a ledger of an older layout to ours, in one transaction: called by its owner. The layout it has then.

    Raises:
        NotFound, NewerFormat: there is none, or a newer one. Unavailable: as :func:`connect`, or not the owner.
    """
    with contextlib.closing(_session(_parsed(url), writing=True, patience=patience)) as store:
        _check_layout(store, older=True)
        with store.translated(), migrating(store._connection) as bound, store.turn():
            store.administer(_WITHIN)
            return upgrade(bound, folder=folder)


def _connected(params: Mapping[str, str], *, writing: bool, patience: float) -> PostgresStore:
    store = _session(params, writing=writing, patience=patience)
    try:
        _check_layout(store)
    except BaseException:
        store.close()
        raise
    return store


def _session(params: Mapping[str, str], *, writing: bool, patience: float) -> PostgresStore:
    """A connection that is set up, whatever is in the database."""
    import psycopg
    from psycopg.types.numeric import Int8BinaryDumper

    defaults: dict[str, Any] = {**_ALIVE, "connect_timeout": max(2, math.ceil(min(patience, PATIENCE)))}
    if writing:
        defaults["target_session_attrs"] = "primary"
    try:
        connection = psycopg.connect("", autocommit=True, **{**defaults, **params, "client_encoding": "utf8"})
    except psycopg.Error as error:
        got = _reason(error).removeprefix("connection failed: ")
        raise Unavailable("no connection to the database", where=shown(params), got=got) from error
    # Whatever its size, a number is sent as one type: each query is then prepared once.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    store = PostgresStore(connection, params, writable=writing, patience=patience)
    try:
        if writing and connection.info.parameter_status("in_hot_standby") == "on":
            raise Unavailable(
                "this server is a standby", where=store.where, remedy="Name the primary; nothing was recorded."
            )
        store.administer(_settings(writing=writing, patience=patience))
    except BaseException:
        connection.close()
        raise
    return store


def _settings(*, writing: bool, patience: float) -> str:
    """What holds for a session, whatever the role or the database has as its own.

    Nothing of the ledger's schema is called by its bare name: a function or an operator there, which fits better than
    the catalogue's, would run with the rights of whoever asks.

    No statement has a time limit of its own: what waits is bounded by the lock's, and cutting short what works, above
    all a commit, would only make its end unknown.
    """
    return f"""
        SET search_path = {_PATH};
        SET row_security = off;
        SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings
        WHERE name = 'restrict_nonsystem_relation_kind';
        SET quote_all_identifiers = off;
        SET client_min_messages = warning;
        SET statement_timeout = 0;
        SET lock_timeout = {_milliseconds(patience)};
        SET {f"idle_in_transaction_session_timeout = '{_IDLE}'" if writing else "default_transaction_read_only = on"};
        SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
    """  # noqa: S608 - constants and numbers


def _check_layout(store: PostgresStore, *, older: bool = False) -> None:
    there = store.one("SELECT to_regclass(?) IS NOT NULL", f"{SCHEMA}.alembic_version")
    if not there[0]:
        raise NotFound(
            "there is no ledger in this database",
            where=store.where,
            remedy="Make one with `tallystick init`, or move one here with `tallystick ledger migrate`.",
        )
    row = store.one("SELECT version_num FROM alembic_version")
    if row is None or not row[0].isdecimal():
        raise Malformed("ledger has no known layout", where=store.where, got="none" if row is None else row[0][:40])
    check_layout(int(row[0]), where=store.where, older=older)


def _parsed(url: str) -> dict[str, str]:
    """The parameters of a URL. Nothing of it is shown when it is none: it may hold a password in a wrong place."""
    psycopg = _driver()
    try:
        if not url.startswith(_SCHEMES):
            raise ValueError
        params = {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items()}
        if not all(port.isdecimal() for port in params.get("port", "0").split(",") if port):
            raise ValueError
    except (psycopg.Error, ValueError):
        raise UsageError("not the URL of a PostgreSQL database", expected=_FORM) from None
    if "@" in params.get("host", "") or "@" in params.get("dbname", ""):
        raise UsageError(
            "the URL of the database holds an @ too many",
            expected=_FORM,
            remedy="Put the password in a password file (PGPASSFILE).",
        )
    return params


def shown(params: Mapping[str, str]) -> str:
    """The URL of a database, without password or anything else that is nobody's business."""
    role = f"{quote(params['user'])}@" if "user" in params else ""
    host, port, query = params.get("host", ""), params.get("port", ""), ""
    if host.startswith(("/", "@")):
        host, query = "", f"?host={quote(host)}"
    return f"postgresql://{role}{host}{port and f':{port}'}/{quote(params.get('dbname', ''))}{query}"


def _driver() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise MissingProgram(
            "the driver for PostgreSQL is not installed",
            got=str(error).partition("\n")[0],
            remedy='Get it with `pip install "tallystick[postgres]"`.',
        ) from error
    return psycopg


@functools.lru_cache(maxsize=512)
def _spoken(query: str, allowed: re.Pattern[str]) -> bytes:
    """The driver's form of a query of the ledger: no ``?`` stands in it but for a value."""
    if not allowed.match(query) or "set_config" in query:
        raise UsageError("not a statement that the ledger makes", got=query[:60])
    return _TABLE.sub(rf"\1 {SCHEMA}.", query).replace("%", "%%").replace("?", "%s").encode()


def _milliseconds(seconds: float) -> int:
    """A timeout for the server, where 0 would mean none."""
    return max(1, min(int(seconds * 1000), 2**31 - 1))


# --------------------------------------------------------------------------- laying out


@contextlib.contextmanager
def lay_out(url: str, *, patience: float = PATIENCE) -> Iterator[PostgresStore]:
    """A new ledger, empty but for its tables, that is there when the block ends well: it is one transaction.

    Whoever connects is its owner, and may do more to it than append: a team's writers are other roles.

    Raises:
        Refused: there is a ledger in that database, or something else in the schema ``tallystick``.
        InvalidInput: the database keeps text in another encoding than UTF-8.
        CommitUnknown: the connection broke at the end: the ledger is there, or nothing is.
        Unavailable: as :func:`connect`, or the role may not create a schema.
    """
    store = _session(_parsed(url), writing=True, patience=patience)
    with contextlib.closing(store):
        encoding = store._connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise InvalidInput("database cannot hold every text", where=store.where, expected="UTF8", got=encoding)
        with store.translated(), migrating(store._connection) as bound, store.turn():
            if store.one("SELECT 1 FROM pg_namespace WHERE nspname = ?", SCHEMA):
                raise Refused(
                    "there is a ledger already, or something else of that name",
                    where=f"{store.where}, schema {SCHEMA}",
                    remedy="A ledger is never overwritten.",
                )
            store.administer(f"CREATE SCHEMA {SCHEMA}; {_WITHIN}")
            upgrade(bound)
            store.administer(f"SET LOCAL search_path = {_PATH}")
            yield store


# --------------------------------------------------------------------------- errors


def _reason(error: BaseException) -> str:
    """The server's or the driver's words, on one line."""
    primary = error.diag.message_primary if hasattr(error, "diag") else None
    return " ".join((primary or str(error)).split())[:300]


def _translation(error: psycopg.Error, where: str, *, role: str, patience: float) -> TallystickError:
    """Our error for the driver's, by SQLSTATE."""
    state, got = error.sqlstate or "", _reason(error)
    if state in ("55P03", "57014", "40P01", "40001"):
        return LedgerBusy(
            f"others held the ledger for more than {patience:g} s",
            where=where,
            remedy="Nothing was recorded; try again.",
        )
    if state == "42501":
        return Unavailable(
            f"role {role} may not do this", where=where, got=got, remedy="See `tallystick ledger grant`."
        )
    if state == "P0001":
        return Refused("the ledger's tables refuse this", where=where, got=got)
    if state == "25006":
        return Unavailable("this server, or this session, only reads", where=where, got=got)
    if state.startswith("23"):
        return Tampered("ledger holds a row that stands in the way", where=where, got=got)
    if state in ("XX001", "XX002"):
        return Malformed("ledger's database is damaged", where=where, got=got, remedy="See `tallystick ledger fsck`.")
    if state.startswith("22") or state == "54000" or (not state and _is_data_error(error)):
        return InvalidInput("value cannot be kept in the ledger", where=where, got=got)
    return Unavailable("ledger cannot be used", where=where, got=got, remedy="Nothing is known to have been recorded.")


def _is_data_error(error: BaseException) -> bool:
    import psycopg

    return isinstance(error, psycopg.DataError)

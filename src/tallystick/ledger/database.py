"""The SQLite file: how it is laid out, opened, locked and written durably. What stands in it is for others to say.

Rules:

* A ledger is never created by opening one.
* Writers of all processes queue at ``<ledger>.lock`` (flock) before they begin a transaction: SQLite's own busy
  handler polls, and starves some writers for seconds.
* ``synchronous=FULL`` with the rollback journal in TRUNCATE mode, or WAL where SQLite is free of the WAL-reset bug.
  Both sync all before a commit returns (DELETE mode would leave the end of the journal to the folder's next sync).
* ``secure_delete`` overwrites what is erased. Pages that were split earlier, and the WAL, may hold older copies:
  :func:`rewrite` leaves none.
* Errors of the driver leave this room as ours: :func:`translated`.

Everything here is SQLite's dialect; another database gets a module of its own beside this one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import tempfile
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.errors import (
    InvalidInput,
    LedgerBusy,
    Malformed,
    NewerFormat,
    NotFound,
    Refused,
    TallystickError,
    Tampered,
    Unavailable,
)
from tallystick.ledger.guards import TRIGGERS, authorizer

__all__ = [
    "APPLICATION_ID",
    "PATIENCE",
    "SCHEMA_VERSION",
    "Journal",
    "choose_journal",
    "connect",
    "laid_out",
    "locked",
    "rewrite",
    "transaction",
    "translated",
]

APPLICATION_ID: Final = 0x54414C59
"""``TALY`` in the header of the file, where ``file`` and SQLite look for it."""
SCHEMA_VERSION: Final = 1
PATIENCE: Final = 30.0
"""Seconds to wait for other processes, unless the caller says otherwise."""

_FIRST_SAFE_WAL = (3, 51, 3)


# --------------------------------------------------------------------------- opening


@dataclass(frozen=True)
class Journal:
    """The journal mode for a version of SQLite, and why."""

    mode: str
    reason: str


def choose_journal(version: tuple[int, int, int] = sqlite3.sqlite_version_info[:3]) -> Journal:
    """WAL, unless two connections that write and checkpoint at once could corrupt the file (3.7.0 to 3.51.2)."""
    text = ".".join(map(str, version))
    if version >= _FIRST_SAFE_WAL:
        return Journal("wal", f"SQLite {text} is free of the WAL-reset bug")
    return Journal("truncate", f"SQLite {text} has the WAL-reset bug (3.7.0 to 3.51.2): rollback journal")


def connect(path: Path, *, writing: bool, patience: float = PATIENCE) -> sqlite3.Connection:
    """Open an existing ledger, guarded: what the authorizer does not allow, no SQL on the connection can do.

    A reader opens the file for writing too, if it may: else it could not roll back what a killed writer left half
    done. It still cannot write: ``query_only`` and the authorizer see to that.

    Raises:
        NotFound: no such file.
        InvalidInput: a file, but not a ledger.
        NewerFormat: laid out by a later version.
        LedgerBusy: another process holds the file.
    """
    with _files(path):
        _check_file(path, writing=writing)
    with translated(path, patience=patience):
        connection = _open(path, mode="rw" if os.access(path, os.W_OK) else "ro", patience=patience)
        try:
            _check_kind(connection, path)
            if writing:
                _leave_unsafe_wal(connection, path, patience=patience)
            else:
                connection.execute("PRAGMA query_only = ON")
            connection.set_authorizer(authorizer(writing=writing))
        except BaseException:
            connection.close()
            raise
        return connection


def _check_file(path: Path, *, writing: bool) -> None:
    if not path.exists():
        raise NotFound(
            "there is no ledger here", where=str(path), remedy="Make one with `tallystick init`, or give --ledger."
        )
    if not path.is_file():
        raise InvalidInput("not a tallystick ledger", where=str(path), expected="a file")
    if not os.access(path, os.R_OK):
        raise Unavailable("ledger cannot be read by this user", where=str(path))
    if writing and not os.access(path, os.W_OK):
        raise Unavailable("ledger cannot be written by this user", where=str(path))


def _open(path: Path, *, mode: str, patience: float) -> sqlite3.Connection:
    uri = f"file:{urllib.parse.quote(os.fspath(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=patience)
    connection.text_factory = _text
    for setting in (
        "trusted_schema = OFF",
        "foreign_keys = ON",
        "recursive_triggers = ON",
        "synchronous = FULL",
        "fullfsync = ON",
        "checkpoint_fullfsync = ON",
        "secure_delete = ON",
        "cell_size_check = ON",
        "mmap_size = 0",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {setting}")
    if mode == "rw":
        # Of this connection only, and without effect on a file in WAL mode.
        _set_journal(connection, "truncate")
    return connection


def _text(raw: bytes) -> str:
    """Text of a column; bytes that are not UTF-8 differ from everything instead of stopping the reading."""
    return raw.decode("utf-8", "backslashreplace")


def _set_journal(connection: sqlite3.Connection, mode: str) -> str:
    """Ask for a rollback-journal mode without leaving WAL by the way; the mode that holds."""
    current: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if current == "wal":
        return current
    now: str = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]
    return now


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise InvalidInput("not a tallystick ledger", where=str(path), got="another kind of SQLite file")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerFormat(
            "ledger is of a newer format",
            where=str(path),
            expected=f"layout {SCHEMA_VERSION}",
            got=f"layout {version}",
            remedy="Use a newer tallystick.",
        )
    if version != SCHEMA_VERSION:
        raise Malformed("ledger has no known layout", where=str(path), got=f"layout {version}")


def _leave_unsafe_wal(connection: sqlite3.Connection, path: Path, *, patience: float) -> None:
    """A ledger made under a safe SQLite is in WAL mode for good; an unsafe one takes it out before it writes."""
    if choose_journal().mode == "wal" or connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        return
    with locked(path, patience=patience):
        connection.execute("PRAGMA journal_mode = DELETE")
    _set_journal(connection, "truncate")


# --------------------------------------------------------------------------- laying out


@contextlib.contextmanager
def laid_out(path: Path) -> Iterator[sqlite3.Connection]:
    """A new ledger file, empty but for its tables, that appears under its name when the block ends well.

    It is built beside its place under another name, synced, and linked into place: a crash leaves either no ledger
    or a whole one (and perhaps a file ``.<name>.*.new`` that nothing reads). The file is for its owner only; a folder
    made for it too.

    Raises:
        Refused: something of that name is there, before or when the block ends.
    """
    with translated(path), _files(path):
        _refuse_existing(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        os.close(handle)
        draft = Path(name)
        try:
            with contextlib.closing(_open(draft, mode="rw", patience=PATIENCE)) as connection:
                _lay_out(connection)
                connection.set_authorizer(authorizer(writing=True))
                yield connection
                connection.set_authorizer(None)
                if choose_journal().mode == "wal":
                    connection.execute("PRAGMA journal_mode = WAL")
            _publish(draft, path)
        finally:
            for leftover in (draft, Path(f"{draft}-journal"), Path(f"{draft}-wal"), Path(f"{draft}-shm")):
                leftover.unlink(missing_ok=True)


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise Refused("a file of that name is there already", where=str(path), remedy="A ledger is never overwritten.")


def _lay_out(connection: sqlite3.Connection) -> None:
    from tallystick.ledger.tables import layout  # SQLModel costs half a second: only a new ledger pays it

    connection.execute("PRAGMA journal_mode = MEMORY")
    with transaction(connection):
        for statement in (*layout().values(), *TRIGGERS.values()):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _publish(draft: Path, path: Path) -> None:
    """Sync, then link: unlike a rename, a link never replaces what came to be there meanwhile."""
    _sync(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        _refuse_existing(path)
        raise
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --------------------------------------------------------------------------- writing


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT; whatever goes wrong inside, or with the commit, leaves nothing behind."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to tell; closing rolls back too
                connection.execute("ROLLBACK")
        raise


def rewrite(connection: sqlite3.Connection) -> None:
    """Write the whole file anew, without what lies in its free space, and empty the WAL."""
    connection.set_authorizer(None)
    try:
        connection.execute("PRAGMA temp_store = FILE")  # VACUUM builds the new file in temporary storage
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.set_authorizer(authorizer(writing=True))


@contextlib.contextmanager
def locked(path: Path, *, patience: float) -> Iterator[None]:
    """Hold ``<path>.lock``, and so be the only one who writes. The kernel frees it when a process dies.

    Raises:
        LedgerBusy: not within ``patience`` seconds.
    """
    with _files(path):
        handle = os.open(f"{path}.lock", os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, path.stat().st_mode & 0o666)
        acquired = _acquired(handle, patience)
    if not acquired:
        raise _busy(path, patience)
    try:
        yield
    finally:
        # Not only by closing: a child that was forked meanwhile has the handle too.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _acquired(handle: int, patience: float) -> bool:
    """Whether the lock came in time. If not, whoever still waits for it gives it back and closes the handle.

    The wait is a blocking one in a thread, since the kernel serves those who block in turn; polling would not queue.
    """
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    settled = threading.Lock()
    outcome: list[str] = []
    arrived = threading.Event()

    def wait() -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with settled:
            if not outcome:
                outcome.append("held")
                arrived.set()
                return
        os.close(handle)

    threading.Thread(target=wait, name="ledger-lock", daemon=True).start()
    try:
        arrived.wait(patience)
    finally:
        with settled:
            if not outcome:
                outcome.append("given up")
    return outcome == ["held"]


def _busy(path: Path, patience: float) -> LedgerBusy:
    return LedgerBusy(
        f"another process held the ledger for more than {patience:g} s",
        where=str(path),
        remedy="Nothing was recorded; try again.",
    )


# --------------------------------------------------------------------------- errors


@contextlib.contextmanager
def translated(path: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Let errors of the driver leave as ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, path, patience) from error
    except UnicodeDecodeError as error:  # the driver failed to read SQLite's own message about a broken layout
        raise _damaged(path, repr(error.object)[:120]) from error


def _damaged(path: Path, got: str) -> Malformed:
    return Malformed("ledger file is damaged", where=str(path), got=got, remedy="See `tallystick ledger fsck`.")


@contextlib.contextmanager
def _files(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable("ledger cannot be used", where=str(path), got=error.strerror or str(error)) from error


def _translation(error: sqlite3.Error, path: Path, patience: float) -> TallystickError:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where, got = str(path), str(error)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return _busy(path, patience)
    if primary == sqlite3.SQLITE_NOTADB:
        return InvalidInput("not a tallystick ledger", where=where, got="a file that is not SQLite")
    if primary == sqlite3.SQLITE_CORRUPT:
        return _damaged(path, got)
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return Tampered("ledger holds a row that stands in the way", where=where, got=got)
    if primary == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.DataError):
        return InvalidInput("value is too large for the ledger", where=where, got=got)
    return Unavailable("ledger cannot be used", where=where, got=got, remedy="Nothing is known to have been recorded.")

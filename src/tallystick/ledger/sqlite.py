"""The SQLite file: how it is laid out, opened, written durably by one at a time, and kept from being changed.

Rules:

* A ledger is never created by opening one.
* Writers of all processes queue at ``<ledger>.lock`` (flock) before they begin a transaction: SQLite's own busy
  handler polls, and starves some writers for seconds.
* WAL with ``synchronous=FULL``: one sync for each commit. SQLite 3.7.0 to 3.51.2 can corrupt a WAL that two
  connections write and checkpoint at once (the WAL-reset bug), so here every write, every checkpoint and every close
  of a connection that may write happens under the lock file. A reader never checkpoints, but perhaps as the last to
  close: then it holds SQLite's exclusive lock, and there is nobody beside it.
* ``secure_delete`` overwrites what is erased. Pages that were split earlier, and the WAL, may hold older copies:
  :meth:`SqliteStore.scrub` leaves none.
* After an error of the disk in a commit the connection writes no more: pages that the system failed to sync may count
  as clean, and a second try would report a success that is none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
import tempfile
import threading
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tallystick.errors import (
    CommitUnknown,
    InvalidInput,
    LedgerBusy,
    Malformed,
    NotFound,
    Refused,
    TallystickError,
    Tampered,
    Unavailable,
)
from tallystick.ledger.guards import TRIGGERS, authorizer
from tallystick.ledger.store import PATIENCE, Condition, Opener, by_name
from tallystick.ledger.versions import HEAD, MIGRATIONS, check_layout, migrating, upgrade

__all__ = ["APPLICATION_ID", "SqliteStore", "bring_up", "connect", "laid_out", "locked", "retire", "wal_is_safe"]

APPLICATION_ID: Final = 0x54414C59
"""``TALY`` in the header of the file, where ``file`` and SQLite look for it."""
_FIRST_SAFE_WAL = (3, 51, 3)
_LEAVING: Final = 2.0
"""Seconds that a closing writer waits for its turn."""


def wal_is_safe(version: tuple[int, int, int] = sqlite3.sqlite_version_info[:3]) -> bool:
    """Whether this SQLite is free of the WAL-reset bug (https://sqlite.org/wal.html#walresetbug)."""
    return version >= _FIRST_SAFE_WAL


# --------------------------------------------------------------------------- the store


class SqliteStore:
    """One guarded connection to a ledger file: see :class:`tallystick.ledger.store.Store`."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        writable: bool,
        patience: float,
        held: dict[str, _Identity | None] | None = None,
    ) -> None:
        self.path = path
        self.place = path
        self.where = str(path)
        self.writable = writable
        self._connection = connection
        self._opener = Opener()
        self._patience = patience
        self._held = held or {}
        """The files that the connection writes to, as they were when it opened them."""
        self.failed = False

    def one(self, query: str, *values: object) -> Any:
        self._opener.check(self.where)
        try:
            return self._connection.execute(query, values).fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error) from error

    def all(self, query: str, *values: object) -> list[Any]:
        self._opener.check(self.where)
        try:
            return self._connection.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error) from error

    def run(self, query: str, *values: object) -> int:
        self._opener.check(self.where)
        try:
            return self._connection.execute(query, values).rowcount
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error) from error

    def many(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        self._opener.check(self.where)
        try:
            self._connection.executemany(query, rows)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._translated(error) from error

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        with locked(self.path, patience=self._patience):
            self.run("BEGIN IMMEDIATE")
            try:
                with _files(self.path):
                    self._check_in_place()
                yield
                self._commit()
            except BaseException:
                if self._opener.is_here and self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):  # the first error is the one to tell; closing rolls back
                        self._connection.execute("ROLLBACK")
                raise

    def _check_in_place(self) -> None:
        """What is written has to be found under the ledger's name again. Asked while the database itself is locked, so
        that it holds also where somebody removed the lock file.
        """
        _refuse_if_moved(self.path)
        for file, known in self._held.items():
            there = _status(file)
            if known not in (None, _identity(there)):
                raise Unavailable(
                    "the ledger's file was replaced while it was open",
                    where=file,
                    remedy="Nothing was recorded; open the ledger again, if it is the right one.",
                )
            if file == self.where:
                _refuse_other_names(file, there)
            self._held[file] = _identity(there)

    def _commit(self) -> None:
        self._opener.check(self.where)
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if _primary(error) != sqlite3.SQLITE_IOERR:
                raise self._translated(error) from error
            self.failed = True
            raise CommitUnknown(
                "the disk failed while entries were made durable: whether they are recorded is not known",
                where=self.where,
                got=str(error),
                remedy="See to the disk, then ask again with the same idempotency keys.",
            ) from error

    def successor(self) -> None:
        """None: a disk that failed to sync is not asked again."""

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        within = self._connection.in_transaction  # then nobody else changes it anyway
        if not within:
            self.run("BEGIN")
        try:
            yield
        finally:
            if not within and self._opener.is_here:
                self.run("ROLLBACK")

    def again(self) -> SqliteStore:
        return connect(self.path, writing=False, patience=self._patience)

    def layout(self) -> tuple[dict[str, str], dict[str, str]]:
        from tallystick.ledger.tables import layout  # SQLModel: on use only

        return {name: _squeezed(sql) for name, sql in (layout() | TRIGGERS).items()}, self._laid_out()

    def _laid_out(self) -> dict[str, str]:
        """All that has a text: indexes that SQLite made for itself have none. By text, not by name: a trigger can be
        called ``sqlite_...`` in a file that was written to by hand.
        """
        rows = self.all("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        return by_name((str(name), _squeezed(str(sql))) for name, sql in rows)  # if damaged, not text for certain

    def faults(self) -> Iterator[str]:
        return (str(line) for (line,) in self.all("PRAGMA integrity_check") if line != "ok")

    def condition(self) -> Condition:
        file_mode, folder_mode = (stat.S_IMODE(item.stat().st_mode) for item in (self.path, self.path.parent))
        (journal,), (synchronous,) = self.one("PRAGMA journal_mode"), self.one("PRAGMA synchronous")
        intact = {name: sql for name, sql in self._laid_out().items() if name in TRIGGERS} == TRIGGERS
        warnings = []
        if file_mode & 0o077:
            warnings.append("others may read or write the ledger file")
        if folder_mode & 0o022:
            warnings.append("others may write in the ledger's folder")
        if not intact:
            warnings.append("triggers that keep entries from being changed are missing or altered")
        level = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}.get(synchronous, str(synchronous))
        facts = {
            "engine": f"SQLite {sqlite3.sqlite_version}, {self.path.stat().st_size} bytes",
            "journal": _AS_IT_IS if _UNCHANGING in _access(self.path) else _kept(journal, level),
            "permissions": f"file {file_mode:04o}, folder {folder_mode:04o}",
            "triggers": "in place" if intact else "missing or altered",
        }
        return Condition(facts, tuple(warnings))

    def scrub(self) -> None:
        """Write the whole file anew, without what lies in its free space, and empty the WAL.

        Takes time and temporary space by the size of the ledger, while writers wait.
        """
        with locked(self.path, patience=self._patience):
            self._connection.set_authorizer(None)
            try:
                self.run("PRAGMA temp_store = FILE")  # VACUUM builds the new file in temporary storage
                self.run("VACUUM")
                self.all("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self.run("PRAGMA temp_store = MEMORY")
                self._connection.set_authorizer(authorizer(writing=True))

    def close(self) -> None:
        """A writer's close may checkpoint, so it waits for its turn: a moment, for closing beside nobody is safe."""
        if not self._opener.is_here:
            return
        if self.writable and not wal_is_safe():
            with contextlib.suppress(TallystickError), locked(self.path, patience=_LEAVING):
                self._connection.close()
        self._connection.close()

    def _translated(self, error: Exception) -> TallystickError:
        return _translation(error, self.path, self._patience)


_UNCHANGING: Final = "immutable=1"
_AS_IT_IS: Final = "none in use: this user may not write here, so the file is read as one that nobody changes"


def _kept(journal: str, level: str) -> str:
    version = sqlite3.sqlite_version
    if journal != "wal":
        reason = "a rollback journal, from an earlier version; the next writer changes to WAL"
    elif wal_is_safe():
        reason = f"SQLite {version} is free of the WAL-reset bug"
    else:
        reason = f"SQLite {version} has the WAL-reset bug (3.7.0 to 3.51.2), so all writes are under one lock"
    return f"{journal}, synchronous {level}: {reason}"


def _squeezed(sql: str) -> str:
    return " ".join(sql.split())


# --------------------------------------------------------------------------- opening


def connect(path: Path, *, writing: bool, patience: float = PATIENCE) -> SqliteStore:
    """Open an existing ledger, guarded: what the authorizer does not allow, no SQL on the connection can do.

    A reader opens the file for writing too, if it may: else it could not recover what a killed writer left half
    done. It still cannot write: ``query_only`` and the authorizer see to that.

    Raises:
        NotFound: no such file.
        InvalidInput: a file, but not a ledger.
        NewerFormat: laid out by a later version.
        LedgerBusy: another process holds the file.
    """
    with _files(path):
        _check_file(path, writing=writing)
        held = {str(path): _identity(_status(str(path)))}
    with translated(path, patience=patience):
        connection = _open(path, patience=patience)
        try:
            _check_kind(connection, path)
            held[str(_wal(path))] = _identity(_status(str(_wal(path))))
            if writing:
                _change_to_wal(connection, path, patience=patience)
            else:
                connection.execute("PRAGMA query_only = ON")
            connection.set_authorizer(authorizer(writing=writing))
        except BaseException:
            connection.close()
            raise
        return SqliteStore(path, connection, writable=writing, patience=patience, held=held)


def _check_file(path: Path, *, writing: bool) -> None:
    if not path.exists():
        raise NotFound(
            "there is no ledger here", where=str(path), remedy="Make one with `tallystick init`, or name another place."
        )
    if not path.is_file():
        raise InvalidInput("not a tallystick ledger", where=str(path), expected="a file")
    if not os.access(path, os.R_OK):
        raise Unavailable("ledger cannot be read by this user", where=str(path))
    if writing and not os.access(path, os.W_OK):
        raise Unavailable("ledger cannot be written by this user", where=str(path))
    if writing:
        _refuse_if_moved(path)
        _refuse_other_names(str(path), path.stat())


_Identity = tuple[int, int]


def _status(file: str) -> os.stat_result | None:
    try:
        return os.stat(file)  # noqa: PTH116 - on the path of every append
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result | None) -> _Identity | None:
    """Which file it is, whatever it is called; None if there is none."""
    return None if status is None else (status.st_dev, status.st_ino)


def _wal(path: Path) -> Path:
    return Path(f"{path}-wal")


def _refuse_other_names(file: str, status: os.stat_result | None) -> None:
    """Lock and WAL go by the name: who came by another would not see what is written here, and fork it."""
    if status is not None and status.st_nlink > 1:
        raise Refused(
            "the ledger's file has another name, by a hard link, and is only read",
            where=file,
            got=f"{status.st_nlink} names",
            remedy="Remove the others; `find -samefile` shows them.",
        )


def _note_of_move(path: Path) -> Path:
    return Path(f"{path}.moved")


def _refuse_if_moved(path: Path) -> None:
    note = _note_of_move(path)
    if os.path.lexists(note):  # whatever it is: who cannot read it cannot know that it says nothing
        raise Refused(
            "this ledger was moved, and is only read here",
            where=str(path),
            got=note.read_text(encoding="utf-8", errors="replace").strip()[:200],
            remedy="Use it where it is now; writing to both would fork its history."
            f" If the move was cut short and nothing is there, delete {note.name}.",
        )


def retire(path: Path, where: str) -> Path:
    """Note beside a ledger that it is at ``where`` now. Called in a turn, nobody writes to it after that turn."""
    note = _note_of_move(path)
    with _files(path), note.open("x", encoding="utf-8") as file:
        file.write(f"{where}\n")
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)
    return note


def _open(path: Path, *, patience: float) -> sqlite3.Connection:
    uri = f"file:{urllib.parse.quote(os.fspath(path.absolute()))}?{_access(path)}"
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
        "cache_size = -16384",  # KiB: holds the inner pages of a million entries
    ):
        connection.execute(f"PRAGMA {setting}")
    return connection


def _access(path: Path) -> str:
    """How SQLite may open the file. A file in WAL mode needs a shared index beside it; where none can be made and no
    WAL is there, nobody writes, and the file is read as one that does not change.
    """
    if os.access(path, os.W_OK):
        return "mode=rw"
    return "mode=ro" if _wal(path).exists() or os.access(path.parent, os.W_OK) else f"mode=ro&{_UNCHANGING}"


def _text(raw: bytes) -> str | bytes:
    """Text of a column; what is not UTF-8 stays bytes, which no text equals, instead of stopping the reading."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _check_kind(connection: sqlite3.Connection, path: Path, *, older: bool = False) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise InvalidInput("not a tallystick ledger", where=str(path), got="another kind of SQLite file")
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    check_layout(layout, where=str(path), older=older)


def _change_to_wal(connection: sqlite3.Connection, path: Path, *, patience: float) -> None:
    """Ledgers of the first release kept a rollback journal. While somebody reads, they keep it until the next time;
    TRUNCATE mode, for DELETE would leave the end of the journal to the folder's next sync.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    with locked(path, patience=patience), contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = TRUNCATE").fetchone()


def bring_up(path: Path, *, folder: Path = MIGRATIONS, patience: float = PATIENCE) -> int:
    """Upgrade a ledger of an older layout to ours, in one transaction while nobody else writes. The layout it has then.

    Raises:
        NotFound, InvalidInput, NewerFormat, LedgerBusy: as :func:`connect`.
    """
    with _files(path):
        _check_file(path, writing=True)
    with (
        translated(path, patience=patience),
        locked(path, patience=patience),
        contextlib.closing(_open(path, patience=patience)) as connection,
    ):
        _check_kind(connection, path, older=True)
        with migrating(connection) as bound:
            connection.execute("BEGIN IMMEDIATE")
            layout = upgrade(bound, folder=folder)
            connection.execute("COMMIT")
        return layout


# --------------------------------------------------------------------------- laying out


@contextlib.contextmanager
def laid_out(path: Path) -> Iterator[SqliteStore]:
    """A new ledger file, in one transaction: it appears under its name when the block ends well.

    It is built beside its place under another name, synced, and linked into place: a crash leaves either no ledger
    or a whole one (and perhaps a file ``.<name>.*.new`` that nothing reads). The file is for its owner only; a folder
    made for it too.

    Raises:
        Refused: something of that name is there, before or when the block ends, or the log of a ledger that was.
    """
    with translated(path), _files(path):
        _refuse_existing(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        os.close(handle)
        draft = Path(name)
        try:
            with contextlib.closing(_open(draft, patience=PATIENCE)) as connection:
                _lay_out(connection)
                connection.set_authorizer(authorizer(writing=True))
                yield SqliteStore(path, connection, writable=True, patience=PATIENCE)
                connection.set_authorizer(None)
                connection.execute("COMMIT")
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
            _publish(draft, path)
        finally:
            for leftover in (draft, Path(f"{draft}-journal"), Path(f"{draft}-wal"), Path(f"{draft}-shm")):
                leftover.unlink(missing_ok=True)


def _refuse_existing(path: Path) -> None:
    """Of a ledger that was here, its log too: SQLite would play it into the new file, and so destroy that."""
    if path.exists() or path.is_symlink():
        raise Refused("a file of that name is there already", where=str(path), remedy="A ledger is never overwritten.")
    for left in (_wal(path), Path(f"{path}-journal"), _note_of_move(path)):
        if left.exists() or left.is_symlink():  # SQLite would play back an old WAL or journal over the new ledger
            raise Refused(
                "something of a ledger that was here before lies there", where=str(left), remedy="Move it away first."
            )


def _lay_out(connection: sqlite3.Connection) -> None:
    from tallystick.ledger.tables import layout  # SQLModel costs half a second: only a new ledger pays it

    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("BEGIN IMMEDIATE")
    for statement in (*layout().values(), *TRIGGERS.values()):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {HEAD}")


def _publish(draft: Path, path: Path) -> None:
    """Sync, then link: unlike a rename, a link never replaces what came to be there meanwhile."""
    _sync(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        _refuse_existing(path)
        raise
    draft.unlink()  # before anybody can mean to write to it: it has one name
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --------------------------------------------------------------------------- writing


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
    holder = Opener()
    try:
        yield
    finally:
        if holder.is_here:  # else it is not a forked child's to give back
            _let_go(handle)


def _let_go(handle: int) -> None:
    """Not only by closing: a child that was forked meanwhile has the handle too. Whatever the system says of it, what
    was done under the lock is done.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_UN)
    with contextlib.suppress(OSError):
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
    arrived = threading.Lock()  # wakes sooner than an event does
    arrived.acquire()

    def wait() -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with settled:
            if not outcome:
                outcome.append("held")
                arrived.release()
                return
        os.close(handle)

    threading.Thread(target=wait, name="ledger-lock", daemon=True).start()
    try:
        arrived.acquire(timeout=min(patience, threading.TIMEOUT_MAX))
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
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _translation(error, path, patience) from error


def _damaged(path: Path, got: str) -> Malformed:
    return Malformed("ledger file is damaged", where=str(path), got=got, remedy="See `tallystick ledger fsck`.")


@contextlib.contextmanager
def _files(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable("ledger cannot be used", where=str(path), got=error.strerror or str(error)) from error


def _primary(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _translation(error: Exception, path: Path, patience: float) -> TallystickError:
    if isinstance(error, UnicodeDecodeError):  # the driver failed to read SQLite's own message about a broken layout
        return _damaged(path, repr(error.object)[:120])
    where, got = str(path), str(error)
    match _primary(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _busy(path, patience)
        case sqlite3.SQLITE_NOTADB:
            return InvalidInput("not a tallystick ledger", where=where, got="a file that is not SQLite")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_AUTH:  # ours are allowed, unless a table is none
            return _damaged(path, got)
        case sqlite3.SQLITE_CONSTRAINT:
            return Tampered("ledger holds a row that stands in the way", where=where, got=got)
        case sqlite3.SQLITE_TOOBIG:
            return InvalidInput("value is too large for the ledger", where=where, got=got)
    if isinstance(error, sqlite3.DataError):
        return InvalidInput("value is too large for the ledger", where=where, got=got)
    if _is_full(path):  # SQLite says "disk I/O error" where it lays out what stands beside the file
        got += ", the disk is full"
    return Unavailable("ledger cannot be used", where=where, got=got, remedy="Nothing was recorded.")


def _is_full(path: Path) -> bool:
    try:
        return os.statvfs(path.parent).f_bavail == 0
    except OSError:
        return False

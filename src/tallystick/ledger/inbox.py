"""The inbox beside a ledger: what processes without its key hand in, for the process that has it.

A build job must not hold the key that signs checkpoints, and must not write to the ledger. It may put bytes here, and
read the answer; whoever holds the key takes them out, looks at them as at anything from a stranger, records what can
stand, and answers. Nothing in an inbox is part of the ledger, and nothing is proven by having been in it.

* Of a file: the folder ``<ledger>.inbox``, which the ledger's user makes, with a folder ``answers`` that only they
  write to. Who may hand in is who may write in that folder; the system says whose each file is.
* In PostgreSQL: two tables in the schema ``tallystick_inbox``, made by the ledger's owner with the first role that is
  granted to hand in. That role may insert and cannot read what others handed in; the server says whose each row is.

A submission is there whole or not at all, is taken out when it has been answered, and an answer is never replaced: if
the process that answers dies in between, the next one meets the same submission again, and its idempotency key.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, Self

from tallystick.errors import InvalidInput, NotFound, Unavailable
from tallystick.ledger.places import Place, is_url

if TYPE_CHECKING:
    from tallystick.ledger.postgres import PostgresStore

__all__ = ["MANY", "MAX_SIZE", "SCHEMA", "Inbox", "Submission", "inbox", "lay_out", "statements"]

MAX_SIZE: Final = 16 * 1024 * 1024
"""Bytes of a submission."""
MANY: Final = 100
"""Submissions that one look at an inbox answers."""
SCHEMA: Final = "tallystick_inbox"

_NAME: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ENDING: Final = ".submission"


@dataclass(frozen=True)
class Submission:
    """What somebody handed in."""

    name: str
    """32 hex digits, drawn by whoever handed it in."""
    by: str
    """Who that was, as the system or the server knows them: ``uid 1001``, ``role builder``."""
    data: bytes = field(repr=False)


class Inbox(Protocol):
    """One of the two. Use it as a context manager."""

    where: str

    def put(self, data: bytes) -> str:
        """Hand in; the name to ask for an answer with.

        Raises:
            InvalidInput: too large. Unavailable: not allowed, or no room.
        """

    def answer_to(self, name: str) -> bytes | None:
        """The answer, once there is one."""

    def waiting(self) -> Iterator[Submission]:
        """What waits for an answer, the oldest first, as well as the clock of the file system tells them apart.

        Each is read when its turn comes, and :data:`MANY` at most: what came later waits for the next look.
        """

    def answer(self, name: str, data: bytes) -> None:
        """Answer a submission, and take it out. The first answer stands."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def inbox(place: Place) -> Inbox:
    """The inbox of a ledger.

    Raises:
        NotFound: it has none.
    """
    if is_url(place):
        from tallystick.ledger import postgres

        return TableInbox(postgres.connect(str(place), writing=True))
    return FolderInbox(_folder(place))


def lay_out(place: Place) -> Inbox:
    """The inbox of a ledger that is a file, made if it is not there: for its user alone, until they say otherwise.

    Raises:
        NotFound: the ledger is in a database, where its owner makes the inbox by granting a role to hand in.
    """
    if not is_url(place):
        folder = _folder(place)
        with _files(folder):
            if not folder.is_dir():
                folder.mkdir(mode=0o700)
                folder.chmod(0o1700)  # sticky: whoever may hand in takes out nothing of anybody else's
            (folder / "answers").mkdir(mode=0o755, exist_ok=True)
    return inbox(place)


def _folder(place: Place) -> Path:
    return Path(f"{os.path.realpath(place)}.inbox")


def _check_size(data: bytes, where: str) -> None:
    if len(data) > MAX_SIZE:
        raise InvalidInput(
            "submission is too large", where=where, expected=f"up to {MAX_SIZE:,} bytes", got=f"{len(data):,}"
        )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput("not the name of a submission", expected="32 hex digits", got=repr(name)[:40])
    return name


# --------------------------------------------------------------------------- a folder


class FolderInbox:
    """Beside a file."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder
        if not (folder / "answers").is_dir():
            raise NotFound(
                "this ledger takes no submissions",
                where=self.where,
                remedy="Whoever holds its key lets it do so with: tallystick ledger receive",
            )

    def put(self, data: bytes) -> str:
        _check_size(data, self.where)
        name = secrets.token_hex(16)
        draft = self._folder / f"{name}.new"
        with _files(self._folder):
            try:
                with _private(draft) as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                draft.rename(self._folder / f"{name}{_ENDING}")
            finally:
                draft.unlink(missing_ok=True)
        return name

    def answer_to(self, name: str) -> bytes | None:
        with _files(self._folder), contextlib.suppress(FileNotFoundError):
            return (self._folder / "answers" / _checked(name)).read_bytes()
        return None

    def waiting(self) -> Iterator[Submission]:
        read = filter(None, map(self._read, self._named()))
        return islice(read, MANY)

    def _named(self) -> list[Path]:
        with _files(self._folder), os.scandir(self._folder) as found:
            named = [
                item for item in found if item.name.endswith(_ENDING) and _NAME.fullmatch(item.name[: -len(_ENDING)])
            ]
            named.sort(key=lambda item: (item.stat(follow_symlinks=False).st_mtime_ns, item.name))
        return [Path(item.path) for item in named]

    def _read(self, path: Path) -> Submission | None:
        """None for what is no plain file of a submission's size: it is left where it is."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SIZE:
                return None
            with os.fdopen(handle, "rb", closefd=False) as file:
                data = file.read(MAX_SIZE + 1)
        finally:
            os.close(handle)
        return Submission(path.name[: -len(_ENDING)], f"uid {status.st_uid}", data) if len(data) <= MAX_SIZE else None

    def answer(self, name: str, data: bytes) -> None:
        answers = self._folder / "answers"
        draft = answers / f"{_checked(name)}.new"
        with _files(self._folder):
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # before it has its name: an answer is there whole or not at all
            with contextlib.suppress(FileExistsError):
                os.link(draft, answers / name)
            draft.unlink()
            (self._folder / f"{name}{_ENDING}").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def _private(path: Path) -> BinaryIO:
    """A new file that its group may read: a submission holds small counts, and whoever records it shares the group."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    return os.fdopen(handle, "wb")


@contextlib.contextmanager
def _files(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "inbox cannot be used", where=str(folder), got=error.strerror or str(error), remedy="Nothing was handed in."
        ) from error


# --------------------------------------------------------------------------- two tables


def statements() -> tuple[str, ...]:
    """What the ledger's owner executes to make an inbox in its database, as often as need be."""
    return (
        f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
        f"CREATE TABLE IF NOT EXISTS {SCHEMA}.submissions ("
        ' place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE,'
        f" by text NOT NULL DEFAULT session_user, content bytea NOT NULL CHECK (length(content) <= {MAX_SIZE}))",
        f'CREATE TABLE IF NOT EXISTS {SCHEMA}.answers (name text COLLATE "C" PRIMARY KEY, content bytea NOT NULL)',
    )


class TableInbox:
    """In a database."""

    def __init__(self, store: PostgresStore) -> None:
        self.where = store.where
        self._store = store
        (there,) = store.one("SELECT to_regclass(?) IS NOT NULL", f"{SCHEMA}.submissions")
        if not there:
            store.close()
            raise NotFound(
                "this ledger takes no submissions",
                where=store.where,
                remedy="Its owner lets a role hand in with: tallystick ledger grant --builder ROLE",
            )

    def put(self, data: bytes) -> str:
        _check_size(data, self.where)
        name = secrets.token_hex(16)
        self._store.administer(f"INSERT INTO {SCHEMA}.submissions (name, content) VALUES (%s, %s)", name, data)  # noqa: S608
        return name

    def answer_to(self, name: str) -> bytes | None:
        found = self._store.administer(f"SELECT content FROM {SCHEMA}.answers WHERE name = %s", _checked(name))  # noqa: S608
        row = found.fetchone()
        return None if row is None else bytes(row[0])

    def waiting(self) -> Iterator[Submission]:
        named = self._store.administer(f"SELECT name FROM {SCHEMA}.submissions ORDER BY place LIMIT {MANY}").fetchall()  # noqa: S608
        for (name,) in named:
            found = self._store.administer(f"SELECT by, content FROM {SCHEMA}.submissions WHERE name = %s", name)  # noqa: S608
            row = found.fetchone()
            if row is not None and _NAME.fullmatch(name):
                yield Submission(name, f"role {row[0]}", bytes(row[1]))

    def answer(self, name: str, data: bytes) -> None:
        """In one statement, so that there is no time between."""
        self._store.administer(
            f"WITH answered AS (DELETE FROM {SCHEMA}.submissions WHERE name = %s RETURNING name)"  # noqa: S608
            f" INSERT INTO {SCHEMA}.answers SELECT name, %s FROM answered ON CONFLICT DO NOTHING",
            _checked(name),
            data,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

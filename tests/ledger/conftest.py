"""Fixtures of the ledger room: a ledger to write to, and the check from outside that every write test ends with.

Whoever uses ``place`` runs on each engine. Tests that are about files use ``path``, and ``SQLITE`` where a fixture
would be of each engine. The drafts, the outside checker and the loops are shared with the trials under tests/trials,
which are also run alone.
"""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import _behind
import _outside as outside_checker
import _trial_ledger as trial_ledger
import psycopg
import pytest

from tallystick.ledger.ledger import Ledger
from tallystick.ledger.sqlite import SqliteStore
from tallystick.records import Attachment


@pytest.fixture
def outside():
    """``outside(place)``: the entries, after a check by a program that shares nothing with the writer."""
    return outside_checker.check


@pytest.fixture
def world():
    """Drafts, keys and clocks, as the trials use them: ``world.document("title")``, ``world.create(place)``."""
    return trial_ledger


@pytest.fixture
def change():
    """``change(place, statement, ...)``: rows changed by somebody who may, as :func:`_behind.change` says."""
    return _behind.change


class Files:
    """Ledgers in files."""

    def __init__(self, folder):
        self._folder = folder
        self._made = {}

    def empty(self, place):
        for file in place.parent.glob(f"{place.name}*"):
            file.unlink()

    def copy(self, place, shape):
        self.empty(place)
        if shape not in self._made:
            self._made[shape] = self._folder / f"template-{len(self._made)}.db"
            shape.make(self._made[shape])
        shutil.copy(self._made[shape], place)


class Databases:
    """Ledgers on a server, each the only one in its database."""

    def __init__(self, server):
        self._server = server
        self._made = {}

    def empty(self, place):
        self._server.drop_database(_name(place))
        self._server.make_database(_name(place))

    def copy(self, place, shape):
        if shape not in self._made:
            self._made[shape] = f"shape_{len(self._made)}"
            self._server.make_database(self._made[shape])
            shape.make(self._server.url("owner", self._made[shape]))
        self._server.drop_database(_name(place))
        self._server.make_database(_name(place), template=self._made[shape])


@dataclass(frozen=True)
class Shape:
    """What a ledger is to hold: each is made once, and copied, since durable appends are slow where disks are."""

    entries: int = 0
    batch: int = 1
    fill: Callable[[Ledger], None] | None = None

    def make(self, place):
        with trial_ledger.create(place, entries=self.entries, batch=self.batch) as ledger:
            if self.fill is not None:
                self.fill(ledger)


def _name(url):
    return urlsplit(url).path[1:]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("templates"))


@pytest.fixture(scope="session")
def databases(server):
    return Databases(server)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request):
    """The database that keeps the ledgers of a test."""
    return request.param


@pytest.fixture
def keeper(engine, request):
    """The ledgers of that engine. The server is not started for those who need none."""
    return request.getfixturevalue("files" if engine == "sqlite" else "databases")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def place(engine, path, request):
    """Where the ledger of a test is to be: a path, or the URL of a database. ``empty`` and ``copied`` make it."""
    if engine == "sqlite":
        yield path
        return
    server = request.getfixturevalue("server")
    with server.reserved() as name:
        yield server.url("owner", name)


@pytest.fixture
def empty(keeper, place):
    """``empty()``: the place, with no ledger in it."""

    def empty():
        keeper.empty(place)
        return place

    return empty


@pytest.fixture
def copied(keeper, place):
    """``copied(entries=3, batch=1, fill=None)``: the place, with a closed ledger of that :class:`Shape`."""

    def copied(**shape):
        keeper.copy(place, Shape(**shape))
        return place

    return copied


@pytest.fixture
def unstorable():
    """``unstorable(ledger)``: fields of a draft that its database refuses once the first rows of it are inserted."""

    def unstorable(ledger):
        if isinstance(ledger._store, SqliteStore):
            ledger._store._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
            return {"attachments": (Attachment("big", "x/y", bytes(200_000)),)}
        with psycopg.connect(ledger._store.place) as owner:
            owner.execute("ALTER TABLE tallystick.entries ADD CONSTRAINT small CHECK (length(bytes) < 2000)")
        return {"attachments": (Attachment("small", "x/y", b""),), "subject": ({"name": "x" * 2000},)}

    return unstorable


@pytest.fixture
def ledger(copied, world):
    """A ledger with its genesis entry only, open for writing."""
    with Ledger.open(copied(), signer=world.signer()) as ledger:
        yield ledger


@pytest.fixture
def append(ledger, world):
    """``append(draft, ...)``: one writing with these drafts; what was appended."""

    def append(*drafts, now=world.TIME):
        with ledger.writing(now=lambda: now) as writer:
            return [writer.append(draft) for draft in drafts]

    return append

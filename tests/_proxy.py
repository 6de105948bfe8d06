"""Stands between the driver and a server, as a network does, and loses what it is told to lose."""

import contextlib
import select
import socket
import tempfile
import threading
from pathlib import Path

COMMIT = b"COMMIT\0"
"""The end of the message that asks for a commit; nothing that the ledger stores goes over the line so."""


class Proxy:
    """Listens in a folder of its own, as a server does. Use it as a context manager.

    ``cut`` says where a connection ends: at the next COMMIT, ``before`` the server gets it, or once its ``answer`` is
    on the way; ``times`` of them. ``open`` says whether new connections are let through.
    """

    def __init__(self, server):
        self._server = server.folder / ".s.PGSQL.5432"
        self._folder = tempfile.TemporaryDirectory(prefix="line-")
        self._listening = socket.socket(socket.AF_UNIX)
        self.host = self._folder.name
        self.cut = None
        self.times = 1
        self.open = True
        self.commits = 0

    def __enter__(self):
        self._listening.bind(str(Path(self.host, ".s.PGSQL.5432")))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._folder.cleanup()

    def url(self, url):
        """A server's URL, by this line."""
        return f"{url.partition('?')[0]}?host={self.host}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.open:
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()
            else:
                client.close()

    def _carry(self, client):
        """Until one end hangs up, or the line is cut."""
        with contextlib.suppress(OSError), client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            while True:
                for source in select.select([client, server], [], [])[0]:
                    said = source.recv(1 << 16)
                    if not said or (source is client and COMMIT in said and self._loses(server, said)):
                        return
                    (server if source is client else client).sendall(said)

    def _loses(self, server, said):
        self.commits += 1
        if self.cut is None or not self.times:
            return False
        self.times -= 1
        if self.cut == "answer":
            server.sendall(said)
            server.recv(1 << 16)
        return True

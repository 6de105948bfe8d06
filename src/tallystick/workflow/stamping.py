"""Ask a time-stamping authority: over the network where the settings name one, or by a program on this machine.

Off unless asked for. What goes out is a digest and a random number. What comes back is checked before it is kept: it is
over that digest, carries that number, and holds by itself; whom it is worth something to decides for themselves which
authority to trust. A stamped checkpoint is recorded with its answer as an entry of kind ``checkpoint-witnessed``: that
entry makes a newer checkpoint, so packs carry the note that was stamped in it.
"""

from __future__ import annotations

import hashlib
import shlex
import socket
import subprocess
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from tallystick.errors import InvalidInput, MissingProgram, NotVerified, Unavailable
from tallystick.ledger.ledger import Ledger
from tallystick.people.book import Book
from tallystick.proof import timestamp
from tallystick.proof.note import Checkpoint, open_checkpoint
from tallystick.records import LEDGER_ACTOR, Attachment, Draft, Entry
from tallystick.workflow.desk import Desk

__all__ = ["Stamped", "Stamper", "answers", "by_command", "by_url", "checkpoint", "covering"]

KIND: Final = "checkpoint-witnessed"

Ask = Callable[[bytes], bytes]
"""From a request to the answer, both in DER (RFC 3161)."""
_SECONDS: Final = 30
"""For each read, and for the whole answer."""
_OK: Final = 200
_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"


class Stamper:
    """An authority to ask for time stamps."""

    def __init__(self, ask: Ask, *, name: str) -> None:
        self._ask = ask
        self._name = name

    def answer(self, digest: bytes) -> bytes:
        """The authority's answer over a SHA-256, with a token that holds by itself.

        Raises:
            Unavailable: the authority cannot be reached, refuses, or answers something else.
        """
        asked, nonce = timestamp.request(digest)
        answer = self._ask(asked)
        try:
            token = timestamp.read(timestamp.open_answer(answer))
        except NotVerified as error:
            raise Unavailable("no usable time stamp", where=self._name, got=str(error)) from error
        if (token.algorithm, token.imprint, token.nonce) != ("sha256", digest, nonce):
            raise Unavailable("the time stamp is over something else than was asked", where=self._name)
        return answer

    def token(self, digest: bytes) -> bytes:
        """The token alone; errors as :meth:`answer`."""
        return timestamp.open_answer(self.answer(digest))


def by_url(url: str) -> Stamper:
    """An authority at an address (RFC 3161, section 3.4): asked there and nowhere else.

    Raises:
        InvalidInput: not the address of one.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None or not _is_port(parts):
        raise InvalidInput(
            "not the address of a time-stamping authority",
            expected="https://HOST/PATH or http://HOST/PATH, without a password",
        )
    return Stamper(lambda request: _posted(parts, request), name=parts.hostname)


def _is_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _posted(parts: SplitResult, request: bytes) -> bytes:
    """No redirect is followed and no proxy of the environment is used: it would be another host."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    host = parts.hostname or ""
    connection = (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(host, parts.port, timeout=_SECONDS)
    try:
        connection.connect()
        with _deadline(connection.sock):
            path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
            connection.request("POST", path, request, {"Content-Type": _QUERY, "Accept": _REPLY})
            found = connection.getresponse()
            kind, status = found.headers.get_content_type(), found.status
            answer = found.read(timestamp.MAX_ANSWER + 1)
    except (OSError, HTTPException) as error:
        raise Unavailable("the time-stamping authority cannot be asked", where=host, got=str(error)[:120]) from error
    finally:
        connection.close()
    if status != _OK or kind != _REPLY or len(answer) > timestamp.MAX_ANSWER:
        raise Unavailable(
            "not an answer of a time-stamping authority", where=host, expected=_REPLY, got=f"{status} {kind[:60]}"
        )
    return answer


@contextmanager
def _deadline(connected: socket.socket) -> Iterator[None]:
    """The time of a socket is for each read: who sends a byte now and then could take for ever.

    Raises:
        TimeoutError: the whole took too long, and the connection was cut.
    """
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(_SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError(f"no whole answer within {_SECONDS} seconds")


def by_command(command: str) -> Stamper:
    """An authority that a program on this machine asks, or is: it reads ``{request}`` and writes ``{response}``.

    The command is split into words and started without a shell.

    Raises:
        InvalidInput: a command that names no files.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidInput("command of the time-stamping authority cannot be read", got=str(error)) from error
    if not words or not all(any(name in word for word in words[1:]) for name in ("{request}", "{response}")):
        raise InvalidInput(
            "command of the time-stamping authority names no files",
            expected="PROGRAM ... {request} ... {response}",
            got=command[:80],
        )
    return Stamper(lambda request: _run(words, request), name=words[0])


def _run(words: list[str], request: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder, "request.tsq"), Path(folder, "response.tsr")
        asked.write_bytes(request)
        filled = [word.replace("{request}", str(asked)).replace("{response}", str(answer)) for word in words]
        try:
            done = subprocess.run(filled, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
        except FileNotFoundError as error:
            raise MissingProgram("no such program", where=words[0]) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable("program of the time-stamping authority fails", where=words[0], got=str(error)) from error
        if done.returncode != 0 or not answer.is_file():
            why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise Unavailable("program of the time-stamping authority fails", where=words[0], got=why[0][:160])
        with answer.open("rb") as file:
            return file.read(timestamp.MAX_ANSWER + 1)


# --------------------------------------------------------------------------- checkpoints


@dataclass(frozen=True)
class Stamped:
    """A checkpoint with the answer of an authority over its signed note."""

    entry: Entry
    note: bytes
    answer: bytes
    checkpoint: Checkpoint
    token: timestamp.Token


def checkpoint(desk: Desk, stamper: Stamper) -> Stamped:
    """Have the newest checkpoint stamped, and record it.

    Raises:
        Unavailable: no time stamp could be got; nothing was recorded.
    """
    note = desk.ledger.latest_checkpoint()
    found = open_checkpoint(note, desk.ledger.key)
    answer = stamper.answer(hashlib.sha256(note).digest())
    token = timestamp.read(timestamp.open_answer(answer))
    name = _name(found.size)
    body = {
        "checkpoint": {"size": found.size, "root": found.root.hex(), "note": note.decode()},
        "cosignature": f"a time stamp (RFC 3161) over the note: {name}",
    }
    attached = (Attachment(name, _REPLY, answer),)
    done = desk.append(Draft(KIND, LEDGER_ACTOR, desk.clock(), body, attachments=attached))
    return Stamped(done.entry, note, answer, found, token)


def _name(size: int) -> str:
    return f"{size}.tsr"


def _size(entry: Entry) -> int | None:
    """How many entries the checkpoint had that an entry tells was stamped."""
    told = entry.body.get("checkpoint")
    size = told.get("size") if isinstance(told, dict) else None
    stamped = isinstance(size, int) and any(line["name"] == _name(size) for line in entry.attachments)
    return size if stamped else None


def covering(book: Book, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, and for each of them the one that tells of the first stamped checkpoint which covers it."""
    told = {size: entry for entry in reversed(book.of_kind(KIND)) if (size := _size(entry)) is not None}
    sizes = sorted(told)
    places = {bisect_right(sizes, entry.seq) for entry in entries}
    return [*entries, *(told[sizes[place]] for place in sorted(places) if place < len(sizes))]


def answers(ledger: Ledger, entries: Iterable[Entry]) -> dict[int, bytes]:
    """The answers that these entries tell of, by the size of the checkpoint."""
    found: dict[int, bytes] = {}
    for entry in entries:
        size = _size(entry) if entry.kind == KIND else None
        answer = None if size is None else ledger.part(entry, _name(size))
        if size is not None and answer is not None:
            found.setdefault(size, answer)
    return found

"""Group commit: many callers in one process, one transaction and one checkpoint for all that ask at once.

A thread of its own holds the ledger and takes whatever waits, so that under load a batch forms while the one before
is being made durable, and without load nobody waits for company. Each caller gets an answer of its own, after the
commit: what is not durable is never acknowledged.

Between processes the ledger's own queue decides: a batch is one turn.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from tallystick.errors import InvalidInput, TallystickError, Tampered, UsageError
from tallystick.ledger.ledger import BATCH, Appended, Ledger, Writer
from tallystick.ledger.places import Place
from tallystick.ledger.store import PATIENCE
from tallystick.proof.keys import Signer
from tallystick.records import Draft, Entry

__all__ = ["Acknowledgement", "Sequencer"]


@dataclass(frozen=True)
class Acknowledgement:
    """That an entry is durable: its index, its leaf hash, and a signed checkpoint that it is under."""

    entry: Entry
    leaf: bytes
    checkpoint: bytes = field(repr=False)
    repeated: bool = False
    """Whether the same request had been recorded before: then this is that entry."""

    @property
    def seq(self) -> int:
        return self.entry.seq


@dataclass(frozen=True)
class _Waiting:
    draft: Draft
    answer: Future[Acknowledgement]


_END: Final = None


class Sequencer:
    """Appends for all threads of a process. Use it as a context manager, or close it."""

    def __init__(
        self, place: Place, *, signer: Signer, now: Callable[[], str], most: int = BATCH, patience: float = PATIENCE
    ) -> None:
        """Open the ledger and begin to serve.

        Args:
            place: of the ledger.
            signer: the key of its checkpoints.
            now: the ledger's clock, asked once for each entry.
            most: entries in one transaction.
            patience: seconds to wait for writers of other processes.

        Raises:
            As :meth:`Ledger.open`.
        """
        self._now = now
        self._most = most
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        """Held to put into the queue: nothing may come after its end."""
        self._closed = False
        opened: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._serve, args=(place, signer, patience, opened), name="ledger-sequencer", daemon=True
        )
        self._thread.start()
        opened.result()

    def append(self, draft: Draft) -> Acknowledgement:
        """Append one draft and wait until it is durable. Callable from any thread.

        Raises:
            InvalidRecord, InvalidInput: as :meth:`Writer.append`; others in the batch are not concerned.
            CommitUnknown: it may be recorded or not: ask again with the same idempotency key.
            LedgerBusy, Unavailable, Tampered: nothing was recorded.
        """
        return self.submit(draft).result()

    def submit(self, draft: Draft) -> Future[Acknowledgement]:
        """As :meth:`append`, without waiting.

        Raises:
            UsageError: the sequencer was closed.
        """
        answer: Future[Acknowledgement] = Future()
        with self._gate:
            if self._closed:
                raise UsageError("the sequencer was closed")
            self._queue.put(_Waiting(draft, answer))
        return answer

    def close(self) -> None:
        """Answer all who wait, then end."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(_END)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ----------------------------------------------------------------- the thread that holds the ledger

    def _serve(self, place: Place, signer: Signer, patience: float, opened: Future[None]) -> None:
        try:
            ledger = Ledger.open(place, signer=signer, patience=patience)
        except BaseException as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        with ledger:
            going_on = True
            while going_on:
                batch, going_on = self._gathered()
                self._record(ledger, [item for item in batch if item.answer.set_running_or_notify_cancel()])

    def _gathered(self) -> tuple[list[_Waiting], bool]:
        """All that waits now, at least one; and whether more may come."""
        item = self._queue.get()
        batch: list[_Waiting] = []
        while item is not _END:
            batch.append(item)
            if len(batch) == self._most or self._queue.empty():
                return batch, True
            item = self._queue.get()
        return batch, False

    def _record(self, ledger: Ledger, batch: list[_Waiting]) -> None:
        """One transaction for a batch. If one draft spoils it for all, each is tried alone."""
        if not batch:
            return
        done: list[tuple[_Waiting, Appended]] = []
        refused: list[tuple[_Waiting, TallystickError]] = []
        try:
            with ledger.writing(now=self._now) as writer:
                for item in batch:
                    self._append(writer, item, done, refused)
        except (InvalidInput, Tampered) as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for item in batch:
                self._record(ledger, [item])
            return
        except BaseException as error:
            _fail(batch, error)
            return
        for item, why in refused:
            item.answer.set_exception(why)
        for item, appended in done:
            item.answer.set_result(
                Acknowledgement(appended.entry, appended.leaf, writer.checkpoint, repeated=appended.repeated)
            )

    @staticmethod
    def _append(
        writer: Writer,
        item: _Waiting,
        done: list[tuple[_Waiting, Appended]],
        refused: list[tuple[_Waiting, TallystickError]],
    ) -> None:
        try:
            done.append((item, writer.append(item.draft)))
        except InvalidInput as error:
            if writer.spoilt:
                raise
            refused.append((item, error))


def _fail(batch: Iterable[_Waiting], error: BaseException) -> None:
    for item in batch:
        item.answer.set_exception(error)

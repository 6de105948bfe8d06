"""What the ledger asks of a database: one connection to one ledger, whatever keeps it.

Two modules answer: :mod:`tallystick.ledger.sqlite` and :mod:`tallystick.ledger.postgres`. The queries are the
ledger's own and the same for both; each store brings its dialect's layout, its guards and its way of waiting in turn.

Rules for every store:

* Opening never makes a ledger. A store that was opened for reading cannot write, whatever SQL it is given.
* :meth:`Store.turn` is the only way to write: one writer at a time, over all processes and machines; what ran inside is
  durable when the block ends, or nothing of it is there.
* A connection belongs to the process that opened it: after a fork both would speak on one line, and one could commit
  half of what the other does. In the other process it is refused (:class:`Opener`), and nothing is undone or closed.
* Errors of the driver leave a store as ours. ``where`` names it in messages, without a password.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from tallystick.errors import Malformed, UsageError

__all__ = ["PATIENCE", "Condition", "Opener", "Store", "by_name", "in_order"]

PATIENCE: Final = 30.0
"""Seconds to wait for other writers, unless the caller says otherwise."""


def in_order(page: list[Any], after: Any, *, where: str, width: int = 1) -> list[Any]:
    """A page of rows that were asked for in the order of their first columns, all after a certain one.

    Whoever goes through a table page by page trusts in this to come to an end, and a database whose index is damaged
    does not keep it.

    Args:
        after: what the first columns of the row before were; a value alone where ``width`` is 1.

    Raises:
        Malformed: they are not.
    """
    for row in page:
        place = row[0] if width == 1 else tuple(row[:width])
        if not (type(place) is type(after) and place > after):
            raise Malformed("rows are not in the order of their numbers", where=where, got=repr(place)[:80])
        after = place
    return page


@dataclass(frozen=True)
class Condition:
    """How a ledger is kept, for `doctor`: cheap to find out."""

    facts: Mapping[str, str]
    """Name to value, in the order to print: engine and version, size, what makes a commit durable, who may do what."""
    warnings: tuple[str, ...]
    """What ought to be otherwise, a sentence each."""


class Opener:
    """The process that opened a connection."""

    def __init__(self) -> None:
        self._process = os.getpid()

    @property
    def is_here(self) -> bool:
        return os.getpid() == self._process

    def check(self, where: str) -> None:
        """Refuse to go on in another process.

        Raises:
            UsageError: this is one that was forked.
        """
        if os.getpid() != self._process:
            raise UsageError("ledger was opened before this process was forked", where=where, remedy="Open it anew.")


def by_name(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name to definition. What has the name of something else, as a trigger may that of an index, hides neither."""
    found: dict[str, str] = {}
    for name, definition in rows:
        called = name
        while called in found:
            called += " (once more)"
        found[called] = definition
    return found


class Store(Protocol):
    """One connection to the database that keeps a ledger. It belongs to the thread that opened it."""

    @property
    def where(self) -> str:
        """A path, or a URL without its password."""
        ...

    @property
    def place(self) -> str | Path:
        """To connect again, from another process; a URL may hold a password: never show it."""
        ...

    @property
    def failed(self) -> bool:
        """Whether a commit or the connection failed: nothing more is written through it."""
        ...

    def one(self, query: str, *values: object) -> Any:
        """The first row, or None. Values stand for ``?`` in the query."""
        ...

    def all(self, query: str, *values: object) -> list[Any]:
        """All rows."""
        ...

    def run(self, query: str, *values: object) -> int:
        """Execute one statement; the number of rows it changed."""
        ...

    def many(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Execute one statement for each row."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait for the writers' turn, then one transaction that is durable when the block ends well.

        Raises:
            LedgerBusy: others write for longer than the patience given at opening.
            CommitUnknown: the end of the transaction failed in a way that leaves open whether it is there. The store
                cannot be written to any more.
            Unavailable: the database cannot be used; nothing was recorded.
        """
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """All reads inside see the ledger as it was at the first of them."""
        ...

    def successor(self) -> Store | None:
        """After :class:`CommitUnknown`: another connection for writing, to look whether the commit was made once the
        old one has ended, for which a turn waits. None where asking again proves nothing.
        """
        ...

    def again(self) -> Store:
        """Another connection to the same ledger, for reading."""
        ...

    def layout(self) -> tuple[dict[str, str], dict[str, str]]:
        """Name to definition of what is laid out: (as it should be, as it is)."""
        ...

    def faults(self) -> Iterator[str]:
        """What the database's own check of its files finds."""
        ...

    def condition(self) -> Condition: ...

    def scrub(self) -> None:
        """Leave nothing of erased values in free space. Call it in no transaction."""
        ...

    def close(self) -> None: ...

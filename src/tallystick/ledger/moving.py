"""A ledger moved to another place, byte for byte: entries, nodes, checkpoints, attachments, side values and links.

No key is needed and nothing is signed: what stands there verifies as it did here. The copy is derived again before it
is let stand, inside the transaction that makes it: a move leaves a whole ledger that holds, or nothing.

Two places that are written to with one key fork the history. A file that was moved is therefore retired: a note
beside it says where its ledger went, and it is not opened for writing any more. The note is there before the new
place is: a crash in between leaves one place that only reads, never two that write.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.errors import CommitUnknown, NotFound, Refused, TallystickError, Tampered
from tallystick.ledger.fsck import examined
from tallystick.ledger.places import Place, connect, laid_out, retire
from tallystick.ledger.store import Store, in_order

__all__ = ["Moved", "move"]

Progress = Callable[[int, int], None]

_PAGE: Final = 500
_TABLES: Final = {
    "entries": ("seq", 1),
    "nodes": ("level, position", 2),
    "checkpoints": ("size", 1),
    "attachments": ("sha256", 1),
    "side_values": ("seq, name", 2),
    "links": ("seq, target_seq", 2),
}
"""Each table with its key, which its first columns are; in an order in which nothing is named before it is there."""
_ONE_BY_ONE: Final = frozenset({"attachments", "side_values"})
"""Rows that may be large: memory holds one."""


@dataclass(frozen=True)
class Moved:
    """What stands in the new place."""

    where: str
    entries: int
    checkpoints: int
    rows: int
    """In all tables."""
    retired: str | None
    """The file that says so beside the old place, if it was retired."""


def move(source: Place, target: Place, *, keep: bool = False, progress: Progress | None = None) -> Moved:
    """Copy a ledger to a place where there is none, check it there, and retire the old place.

    Writers of the source wait meanwhile, and are refused afterwards.

    Args:
        keep: leave the source in use, and let others go on appending: the new one is a copy of now, a backup, and
            must not be written to.
        progress: told (rows done, rows in all).

    Raises:
        NotFound: no ledger at the source. Refused: something is at the target. LedgerBusy: others write for too long.
        Tampered: the source does not hold; nothing was made.
    """
    with contextlib.closing(connect(source, writing=not keep)) as old, old.snapshot() if keep else old.turn():
        counts = {table: old.one(f"SELECT count(*) FROM {table}")[0] for table in _TABLES}  # noqa: S608 - constants
        retired = None
        try:
            with laid_out(target) as new:
                for table, done in _copied(old, new):
                    if progress is not None:
                        progress(done + _before(table, counts), sum(counts.values()))
                _check(new)
                where = new.where
                retired = None if keep else retire(source, where)
        except TallystickError as error:
            if retired is not None and not _may_stand(target, error):
                Path(retired).unlink()
            raise
    return Moved(where, counts["entries"], counts["checkpoints"], sum(counts.values()), retired)


def _may_stand(target: Place, error: TallystickError) -> bool:
    """Whether there may be a new ledger although making it failed at the very end."""
    if isinstance(error, CommitUnknown | Refused):  # refused is what came upon somebody else's
        return isinstance(error, CommitUnknown)
    try:
        connect(target, writing=False).close()
    except NotFound:
        return False
    except TallystickError:
        return True
    return True


def _before(table: str, counts: dict[str, int]) -> int:
    names = list(counts)
    return sum(counts[name] for name in names[: names.index(table)])


def _copied(old: Store, new: Store) -> Iterator[tuple[str, int]]:
    for table in _TABLES:
        done = 0
        for page in _pages(old, table):
            marks = ", ".join("?" * len(page[0]))
            new.many(f"INSERT INTO {table} VALUES ({marks})", page)  # noqa: S608 - constants
            done += len(page)
            yield table, done


def _pages(store: Store, table: str) -> Iterator[list[tuple[Any, ...]]]:
    key, width = _TABLES[table]
    size = 1 if table in _ONE_BY_ONE else _PAGE
    page = store.all(f"SELECT * FROM {table} ORDER BY {key} LIMIT ?", size)  # noqa: S608 - constants
    marks = ", ".join("?" * width)
    after = f"SELECT * FROM {table} WHERE ({key}) > ({marks}) ORDER BY {key} LIMIT ?"  # noqa: S608 - constants
    while page:
        yield page
        last = page[-1][:width]
        page = in_order(store.all(after, *last, size), last if width > 1 else last[0], where=store.where, width=width)


def _check(store: Store) -> None:
    found = examined(store)
    if not found.ok:
        raise Tampered(
            "ledger does not hold, and was not moved",
            where=store.where,
            got=str(found.problems[0]),
            remedy="See `tallystick ledger fsck`.",
        )

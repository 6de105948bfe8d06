"""The baseline that data are compared with: a recorded dataset, by its recorded histograms or by its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.canonical import Value, decode
from tallystick.errors import InvalidData, NotFound, UsageError
from tallystick.people.book import Book
from tallystick.records import Attachment, Entry
from tallystick.workflow.record import dataset_named

if TYPE_CHECKING:
    from tallystick.policy.baseline import Baseline
    from tallystick.policy.document import Policy

__all__ = ["HISTOGRAMS", "baseline", "check_told", "histograms"]

HISTOGRAMS: Final = "histograms.json"
"""The attachment of a dataset that holds what later data are compared with."""


def histograms(path: Path) -> Attachment:
    """What is kept of a dataset so that others can be compared with it. Small cells are in it, so it can be erased."""
    from tallystick.canonical import encode
    from tallystick.policy.engines.histograms import every_column

    return Attachment.erasable(HISTOGRAMS, "application/json", encode(every_column(path).as_json()))


@contextmanager
def baseline(book: Book, policy: Policy, said: str | None) -> Iterator[Baseline | None]:
    """The baseline of an evaluation; None where neither the policy nor ``said`` names one.

    Args:
        said: a file, or a recorded dataset, NAME or NAME@VERSION; else the one that the policy names.

    Raises:
        NotFound: there is no such file or dataset, or no histograms of it are at hand.
        UsageError: the policy names another dataset, or its gates name several.
    """
    from tallystick.policy.baseline import recorded

    pinned = _pinned(book, policy)
    if said is not None and Path(said).is_file():
        with _file(book, Path(said)) as (found, entry):
            _same(pinned, entry, said)
            yield found
        return
    entry = pinned if said is None else dataset_named(book, said)
    if entry is None:
        yield None
        return
    _same(pinned, entry, said)
    data = book.part(entry, HISTOGRAMS)
    if data is None:
        raise NotFound(
            "no histograms of this dataset are at hand",
            where=f"entry {entry.seq}",
            got=_name(entry),
            remedy="Record it with --histograms, or hand in its file with --baseline.",
        )
    value = decode(data, what=HISTOGRAMS)
    yield recorded(value, name=_name(entry), sha256=str(entry.body["distribution"]["sha256"]))


def check_told(book: Book, policy: Policy, *, told: Mapping[str, Value]) -> None:
    """Hold the baseline that somebody else compared with against the one that the policy names. Its counts are theirs.

    Raises:
        InvalidData: it is another one.
    """
    pinned, theirs = _pinned(book, policy), told.get("baseline")
    sha256 = theirs.get("sha256") if isinstance(theirs, Mapping) else None
    if pinned is not None and sha256 not in (None, _bytes(pinned)):
        raise InvalidData("the policy compares with another baseline", expected=_name(pinned), got=str(sha256)[:80])


@contextmanager
def _file(book: Book, path: Path) -> Iterator[tuple[Baseline, Entry | None]]:
    from tallystick.capture.fingerprint import private_copy
    from tallystick.policy.engines.histograms import of_file

    with private_copy(path) as (real, mark):
        sha256 = mark.sha256
        known = [
            entry for entry in book.naming("dataset", sha256) if entry.body["distribution"].get("sha256") == sha256
        ]
        entry = known[-1] if known else None
        yield of_file(real, name=path.name if entry is None else _name(entry), sha256=sha256), entry


def _pinned(book: Book, policy: Policy) -> Entry | None:
    """The dataset that the policy's drift gates name, if they name one."""
    from tallystick.policy.gates.drift import DriftGate

    names = {gate.baseline for gate in policy.gates if isinstance(gate, DriftGate) and gate.baseline is not None}
    if len(names) > 1:
        raise UsageError("the policy compares with several baselines", got=", ".join(sorted(names)), expected="one")
    return dataset_named(book, names.pop()) if names else None


def _same(pinned: Entry | None, entry: Entry | None, said: str | None) -> None:
    if pinned is None or (entry is not None and _bytes(entry) == _bytes(pinned)):
        return
    raise UsageError(
        "the policy compares with another baseline",
        expected=_name(pinned),
        got=said,
        remedy="Leave --baseline away, or name the one that the policy names.",
    )


def _bytes(entry: Entry) -> object:
    return entry.body["distribution"].get("sha256")


def _name(entry: Entry) -> str:
    return f"{entry.body['name']}@{entry.body['version']}"

"""``tallystick.run``: record a training run while it happens.

What went in (data, code, parameters, environment) is appended as it is named; the run itself, its models and its
metrics are appended together when the block ends. A body that raises is recorded as a failed run, with the kind of its
error and nothing else of it, and the exception goes on. A process that is killed leaves the inputs on the books and no
run.
"""

from __future__ import annotations

import platform
import re
import sys
import uuid
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

from tallystick.canonical import Value
from tallystick.errors import MissingProgram, NotFound, UsageError
from tallystick.people.book import Book
from tallystick.records import Draft, Entry, Ref
from tallystick.workflow import record
from tallystick.workflow.desk import Desk, fitted

if TYPE_CHECKING:
    from tallystick.capture.captured import Captured
    from tallystick.ledger.ledger import Writer

__all__ = ["ModelVersion", "Run"]

_BUILD_TYPE: Final = "urn:x-tallystick:training:v1"
_BUILDER: Final = "urn:x-tallystick:builder:local"
_SECRET: Final = re.compile(r"(token|password|passwd|secret|api[-_]?key|credential)", re.IGNORECASE)


class ModelVersion:
    """A model named inside a run; :attr:`version` and :attr:`entry` are known when the block has ended."""

    def __init__(self, name: str, captured: Captured, declared: Mapping[str, Value]) -> None:
        self.name = name
        self.captured = captured
        self.declared = declared
        self.entry: Entry | None = None

    @property
    def version(self) -> int:
        if self.entry is None:
            raise UsageError("the run has not ended: its models have no version yet", where=self.name)
        number: int = self.entry.body["version"]
        return number

    def __str__(self) -> str:
        return self.name if self.entry is None else f"{self.name}@{self.version}"


class Run:
    """One training run; made by :func:`tallystick.run`, used as a context."""

    def __init__(
        self,
        name: str,
        *,
        desk: Desk,
        actor: str,
        usecase: str | None = None,
        code: Path | None = None,
        lock_file: Path | None = None,
    ) -> None:
        self.name = name
        self.entry: Entry | None = None
        """The run's entry, once the block has ended."""
        self._desk = desk
        self._actor = actor
        self._usecase = usecase
        self._code = code
        self._lock_file = lock_file
        self._inputs: list[Entry] = []
        self._models: list[ModelVersion] = []
        self._metrics: list[tuple[Mapping[str, object], Entry | None, int | None]] = []
        self._started = ""

    def __enter__(self) -> Run:
        if self._usecase is not None:
            record.usecase_named(self._desk.book(), self._usecase)
        self._started = self._desk.clock()
        if self._code is not None:
            self._take_code(self._code)
        self._take(record.environment(self._desk, actor=self._actor, lock_file=self._lock_file).entry)
        return self

    def _take_code(self, folder: Path) -> None:
        """Without git, or outside a repository, commits cannot be recorded and the rest works."""
        try:
            self._take(record.commit(self._desk, folder, actor=self._actor).entry)
        except (MissingProgram, NotFound) as error:
            warnings.warn(f"this run is recorded without a commit: {error}", stacklevel=3)

    def _take(self, entry: Entry) -> Entry:
        if all(entry.seq != known.seq for known in self._inputs):
            self._inputs.append(entry)
        return entry

    def dataset(
        self, path: str | Path, *, name: str | None = None, version: str | None = None, **declared: Value
    ) -> Entry:
        """Record a dataset as an input; keywords are the declared fields of a dataset record (role, licence, ...)."""
        where = Path(path)
        label = name or where.name.split(".")[0]
        return self._take(
            record.dataset(self._desk, where, actor=self._actor, name=label, version=version, declared=declared).entry
        )

    def params(
        self,
        source: Path | Mapping[str, object] | object,
        *,
        seeds: Mapping[str, object] | None = None,
        decision_cutoff: float | None = None,
    ) -> Entry:
        """Record a parameter set: a file, a mapping, or an estimator with ``get_params``."""
        return self._take(
            record.params(self._desk, source, actor=self._actor, seeds=seeds, decision_cutoff=decision_cutoff).entry
        )

    def metrics(self, values: Mapping[str, object], *, dataset: Entry | None = None, n: int | None = None) -> None:
        """Note metrics of the run's (last named) model; `dataset` is what :meth:`dataset` returned."""
        record.metric_drafts(values, actor=self._actor, at=self._started, of=None, dataset=dataset, n=n)
        self._metrics.append((values, dataset, n))

    def model(self, path: str | Path, *, name: str | None = None, **declared: Value) -> ModelVersion:
        """Note a model file or folder that the run made; keywords are declared fields (features, limitations, ...)."""
        from tallystick.capture import model as captures

        where = Path(path)
        made = ModelVersion(name or where.name.split(".")[0], captures.model_files(where), declared)
        self._models.append(made)
        return made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._desk.writing() as writer:
                self.entry = writer.append(fitted(self._draft(kind))).entry
                if kind is None:
                    self._append_products(writer)
        finally:
            self._desk.ledger.close()

    def _append_products(self, writer: Writer) -> None:
        at = self._desk.clock()
        for made in self._models:
            book = self._desk.book(writer)
            draft = record.model_draft(
                book,
                made.captured,
                name=made.name,
                actor=self._actor,
                at=at,
                run=self.entry,
                usecase=self._usecase_entry(book),
                declared=made.declared,
            )
            made.entry = writer.append(fitted(draft)).entry
        about = self._models[-1].entry if self._models else self.entry
        for values, dataset, n in self._metrics:
            for draft in record.metric_drafts(values, actor=self._actor, at=at, of=about, dataset=dataset, n=n):
                writer.append(draft)

    def _usecase_entry(self, book: Book) -> Entry | None:
        return None if self._usecase is None else record.usecase_named(book, self._usecase)

    def _draft(self, kind: type[BaseException] | None) -> Draft:
        body: dict[str, Value] = {
            "name": self.name,
            "type": "training",
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {"run": self.name, "params": [_resource(e) for e in self._of("params")]},
                "resolvedDependencies": [_resource(e) for e in self._inputs if e.kind != "params"],
            },
            "runDetails": {
                "builder": {"id": _BUILDER, "version": _versions()},
                "metadata": {
                    "invocationId": str(uuid.uuid4()),
                    "startedOn": self._started,
                    "finishedOn": self._desk.clock(),
                },
            },
            "command": _command(sys.argv),
            "status": "succeeded" if kind is None else "failed",
            "inputs": [Ref(entry.seq, entry.leaf.hex()).value() for entry in self._inputs],
        }
        if kind is not None:
            body["error"] = {"type": f"{kind.__module__}.{kind.__qualname__}"}
        subject = tuple(item for made in self._models for item in made.captured.subject) if kind is None else ()
        return Draft("run", self._actor, self._desk.clock(), body, subject=subject)

    def _of(self, kind: str) -> list[Entry]:
        return [entry for entry in self._inputs if entry.kind == kind]


def _resource(entry: Entry) -> dict[str, Value]:
    """An in-toto resource descriptor of an input, with the entry that records it."""
    first = entry.subject[0] if entry.subject else {"name": f"{entry.kind} {entry.seq}"}
    return {
        "name": first.get("name", entry.kind),
        "digest": first.get("digest") or {"sha256": entry.leaf.hex()},
        "annotations": {"kind": entry.kind, "entry": entry.seq},
    }


def _versions() -> dict[str, str]:
    return {"tallystick": version("tallystick"), "python": platform.python_version()}


def _command(argv: list[str]) -> list[str]:
    """The command without the folder it lay in, and without what looks like a secret."""
    if not argv:
        return []
    words = [Path(argv[0]).name or "python"]
    hide = False
    for word in argv[1:]:
        flag, equals, _ = word.partition("=")
        secret = _SECRET.search(flag) is not None
        words.append("(hidden)" if hide else f"{flag}=(hidden)" if secret and equals else word)
        hide = secret and not equals and word.startswith("-")
    return words

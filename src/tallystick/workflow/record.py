"""Record what a model is made from: use case, data, code, parameters, environment, model, metrics, documents.

Recording the same thing twice by the same actor returns the first entry: the idempotency key is made from the
content, unless the caller names one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tallystick.canonical import Value, digest, tagged
from tallystick.capture.captured import Captured
from tallystick.errors import InvalidData, InvalidInput, NotFound, UsageError
from tallystick.ledger.ledger import Appended, Writer
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.records import KINDS, Attachment, Draft, Entry, absent
from tallystick.workflow.desk import Desk, fitted

__all__ = [
    "Progress",
    "commit",
    "dataset",
    "dataset_named",
    "document",
    "draft_of",
    "environment",
    "metric_drafts",
    "metrics",
    "model",
    "model_draft",
    "params",
    "usecase",
    "usecase_named",
]

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""

RISK_TIERS: Final = ("low", "medium", "high")


def draft_of(
    kind: str, captured: Captured, *, actor: str, at: str, declared: Sequence[str] = (), key: str | None = None
) -> Draft:
    """A draft from what was captured, with its idempotency key."""
    body = dict(captured.body)
    said = sorted(name for name in declared if name in body)
    if said:
        body["declared"] = said
    draft = Draft(
        kind,
        actor,
        at,
        body,
        basis=captured.basis,
        subject=tuple(captured.subject),
        attachments=captured.attachments,
        personal=captured.personal,
    )
    return replace(draft, idempotency_key=key or f"{kind}:{digest(draft.intent())}")


def _recorded(desk: Desk, draft: Draft) -> Appended:
    with desk.writing() as writer:
        return writer.append(fitted(draft))


# --------------------------------------------------------------------------- use case


def usecase(desk: Desk, declared: Mapping[str, Value], *, actor: str, key: str | None = None) -> Appended:
    """Record a use case, or a new version of it. What is not said is recorded as absent; no tier counts as the highest.

    Raises:
        InvalidInput: no name, an unknown field, or a tier other than low, medium, high.
    """
    body = _declared_body("usecase", declared)
    if not isinstance(body["name"], str):
        raise InvalidInput("use case has no name", where="name of the use case")
    tier = body["risk_tier"]
    if tier == absent():
        body["risk_tier"] = {
            "value": "high",
            "rationale": "not recorded: counted as the highest",
            "assigned_by": "rule",
        }
    elif not (isinstance(tier, Mapping) and tier.get("value") in RISK_TIERS):
        raise InvalidInput(
            "risk tier is not usable",
            where="risk_tier of the use case",
            expected="a mapping with value (" + ", ".join(RISK_TIERS) + "), rationale and assigned_by",
            got=str(tier)[:80],
        )
    draft = draft_of("usecase", Captured(body, (), (), (), "declared"), actor=actor, at=desk.clock(), key=key)
    with desk.writing() as writer:
        earlier = desk.book(writer).named("usecase", body["name"])
        if earlier and dict(earlier[-1].body) == body:
            return Appended(earlier[-1].seq, earlier[-1].leaf, earlier[-1], repeated=True)
        if earlier:
            draft = replace(draft, supersedes=earlier[-1].ref, idempotency_key=key)
        return writer.append(fitted(draft))


def _declared_body(kind: str, declared: Mapping[str, Value]) -> dict[str, Value]:
    fields = KINDS[kind].fields
    unknown = sorted(set(declared) - set(fields))
    if unknown:
        raise InvalidInput(f"{kind} has no such field", got=", ".join(unknown), expected=", ".join(fields))
    body = {name: absent() for name, field in fields.items() if field.required}
    return body | {name: tagged(value) for name, value in declared.items()}


def usecase_named(book: Book, name: str) -> Entry:
    """The newest entry of a use case.

    Raises:
        NotFound: with the names there are.
    """
    found = book.named("usecase", name)
    if not found:
        known = sorted({str(entry.body.get("name")) for entry in book.of_kind("usecase")})
        raise NotFound(
            "no such use case",
            got=name,
            expected="one of " + ", ".join(known) if known else None,
            remedy="Record it with: tallystick usecase FILE",
        )
    return found[-1]


# --------------------------------------------------------------------------- what a model is made from


def dataset(
    desk: Desk,
    path: Path,
    *,
    actor: str,
    name: str,
    version: str | None = None,
    declared: Mapping[str, Value] | None = None,
    histograms: bool = False,
    progress: Progress | None = None,
    key: str | None = None,
) -> Appended:
    """Record a dataset: fingerprint, shape and profile; never rows. The version defaults to the fingerprint's start.

    With ``histograms`` also how often values of its columns occur, so that later data can be compared with it.
    """
    from tallystick.capture import dataset as captures

    said = dict(declared or {})
    captured = captures.describe(path, declared=said, name=name, version=version, progress=progress)
    if histograms:
        captured = replace(captured, attachments=(*captured.attachments, _histograms(path, captured)))
    return _recorded(desk, draft_of("dataset", captured, actor=actor, at=desk.clock(), declared=list(said), key=key))


def _histograms(path: Path, captured: Captured) -> Attachment:
    """Of the very bytes that were described.

    Raises:
        InvalidData: they are others by now.
    """
    from tallystick.capture.fingerprint import private_copy
    from tallystick.workflow import compare

    with private_copy(path) as (copy, mark):
        if mark.sha256 != captured.body["distribution"]["sha256"]:
            raise InvalidData("changed while it was read", where=path.name, remedy="Run it again when it is finished.")
        return compare.histograms(copy)


def dataset_named(book: Book, name: str) -> Entry:
    """The newest dataset called ``NAME`` or ``NAME@VERSION``.

    Raises:
        NotFound: with the names there are.
    """
    bare, _, version = name.partition("@")
    found = [entry for entry in book.named("dataset", bare) if not version or entry.body.get("version") == version]
    if not found:
        known = sorted({f"{e.body.get('name')}@{e.body.get('version')}" for e in book.of_kind("dataset")})
        raise NotFound(
            "no such dataset",
            got=name,
            expected="one of " + ", ".join(known) if known else None,
            remedy="Record it with: tallystick record dataset FILE --name NAME --role test",
        )
    return found[-1]


def commit(desk: Desk, folder: Path, *, actor: str, key: str | None = None) -> Appended:
    """Record the git commit of a folder, what is not committed there, and which registered people wrote its history."""
    from tallystick.capture import git

    captured = git.commit(folder, people=_addresses(desk.book()))
    return _recorded(desk, draft_of("commit", captured, actor=actor, at=desk.clock(), key=key))


def _addresses(book: Book) -> dict[str, str]:
    """E-mail address to actor id, from registrations whose personal values are not erased.

    Of everybody: an address cannot be looked up, for the ledger keeps each under a salt of its own.
    """
    people = KeyRing.of(book).persons.values()
    found = {person.actor: book.personal(person.entry, "email") for person in people}
    return {address.lower(): actor for actor, address in found.items() if address}


def params(
    desk: Desk,
    source: Path | Mapping[str, object] | object,
    *,
    actor: str,
    seeds: Mapping[str, object] | None = None,
    decision_cutoff: float | None = None,
    key: str | None = None,
) -> Appended:
    """Record a parameter set from a file, a mapping, or an estimator with ``get_params``."""
    from tallystick.capture import params as captures

    captured = captures.params(source, seeds=seeds, decision_cutoff=decision_cutoff)
    return _recorded(desk, draft_of("params", captured, actor=actor, at=desk.clock(), key=key))


def environment(desk: Desk, *, actor: str, lock_file: Path | None = None, key: str | None = None) -> Appended:
    """Record the Python, packages and platform of this process."""
    from tallystick.capture import environment as captures

    captured = captures.environment(lock_file=lock_file)
    return _recorded(desk, draft_of("environment", captured, actor=actor, at=desk.clock(), key=key))


def document(desk: Desk, path: Path, *, actor: str, title: str, key: str | None = None) -> Appended:
    """Record a document with its bytes beside the entry."""
    from tallystick.capture import document as captures

    captured = captures.document(path, title=title)
    return _recorded(desk, draft_of("document", captured, actor=actor, at=desk.clock(), key=key))


# --------------------------------------------------------------------------- models and metrics


def model_draft(
    writer_book: Book,
    captured: Captured,
    *,
    name: str,
    actor: str,
    at: str,
    run: Entry | None,
    usecase: Entry | None,
    declared: Mapping[str, Value],
) -> Draft:
    """A model version, numbered after the versions in the book."""
    versions = [entry.body["version"] for entry in writer_book.models(name) if isinstance(entry.body["version"], int)]
    body = {
        "name": name,
        "version": max(versions, default=0) + 1,
        **captured.body,
        "run": absent("no run was recorded") if run is None else run.ref.value(),
        "usecase": absent("no use case was named") if usecase is None else usecase.ref.value(),
        "features": absent(),
        "limitations": absent(),
        **{key: tagged(value) for key, value in declared.items()},
    }
    filled = replace(captured, body=body)
    draft = draft_of("model", filled, actor=actor, at=at, declared=list(declared))
    return replace(draft, idempotency_key=None)


def model(
    desk: Desk,
    path: Path,
    *,
    actor: str,
    name: str,
    usecase: str | None = None,
    run: int | None = None,
    declared: Mapping[str, Value] | None = None,
    progress: Progress | None = None,
) -> Appended:
    """Record model bytes from outside a run (bought, or trained elsewhere). The same bytes give the same version."""
    from tallystick.capture import model as captures

    captured = captures.model_files(path, progress=progress)
    with desk.writing() as writer:
        book = desk.book(writer)
        known = [entry for entry in book.models(name) if entry.body["digest"] == captured.body["digest"]]
        if known:
            return Appended(known[-1].seq, known[-1].leaf, known[-1], repeated=True)
        draft = model_draft(
            book,
            captured,
            name=name,
            actor=actor,
            at=desk.clock(),
            run=None if run is None else _run_at(writer, run),
            usecase=None if usecase is None else usecase_named(book, usecase),
            declared=declared or {},
        )
        return writer.append(fitted(draft))


def _run_at(writer: Writer, seq: int) -> Entry:
    entry = writer.entry(seq)
    if entry.kind != "run":
        raise UsageError("entry is not a run", where=f"entry {seq}", got=entry.kind)
    return entry


def metrics(
    desk: Desk,
    values: Mapping[str, object],
    *,
    actor: str,
    model: tuple[str, int | None] | None = None,
    dataset: str | None = None,
    n: int | None = None,
) -> list[Appended]:
    """Record metrics measured elsewhere, about a recorded model and dataset.

    Raises:
        InvalidInput: there is none, or one that is neither a number nor a metric record.
    """
    if not values:
        raise InvalidInput("no metric is named", expected="names with numbers")
    with desk.writing() as writer:
        book = desk.book(writer)
        drafts = metric_drafts(
            values,
            actor=actor,
            at=desk.clock(),
            of=None if model is None else book.model(*model),
            dataset=None if dataset is None else dataset_named(book, dataset),
            n=n,
        )
        return [writer.append(draft) for draft in drafts]


def metric_drafts(
    metrics: Mapping[str, object], *, actor: str, at: str, of: Entry | None, dataset: Entry | None, n: int | None
) -> list[Draft]:
    """One draft for each metric; a value may be a number, or a mapping with the fields of a metric record.

    Raises:
        InvalidInput: a value that is neither.
    """
    return [
        Draft("metric", actor, at, _metric(name, value, of=of, dataset=dataset, n=n), basis="declared")
        for name, value in metrics.items()
    ]


def _metric(name: str, value: object, *, of: Entry | None, dataset: Entry | None, n: int | None) -> dict[str, Value]:
    given = dict(value) if isinstance(value, Mapping) else {"value": value}
    unknown = sorted(set(given) - set(KINDS["metric"].fields))
    if unknown or "value" not in given or isinstance(tagged(given["value"]), list | str):
        raise InvalidInput(
            "metric is not usable", where=name, expected="a number, or a mapping with value", got=str(value)[:60]
        )
    body: dict[str, Value] = {
        "definition": {"name": name},
        "unit": "1",
        "dataset": absent() if dataset is None else dataset.ref.value(),
        "slice": "all",
        "n": absent() if n is None else n,
        "counts": absent(),
        "favourable_outcome": absent(),
    } | {key: tagged(item) for key, item in given.items()}
    return body if of is None else body | {"of": of.ref.value()}

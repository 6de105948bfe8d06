"""``usecase`` and ``record dataset|commit|params|environment|model|metrics|document``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.front import Front, Group, acting, bar, front

if TYPE_CHECKING:
    from tallystick.canonical import Value
    from tallystick.ledger.ledger import Appended

__all__ = ["record", "usecase"]

_FILE = click.Path(path_type=Path)
_again = click.option("--idempotency-key", "idempotency", metavar="KEY", help="Same key, same content: one entry.")
_declare = click.option(
    "--declare", type=_FILE, metavar="FILE", help="YAML, JSON or TOML with what only people know (licence, label, ...)."
)


def _said(front: Front, done: Appended, what: str) -> None:
    state = "was recorded before, as" if done.repeated else "recorded as"
    value: Value = {"entry": done.seq, "leaf": done.leaf.hex(), "repeated": done.repeated, "kind": done.entry.kind}
    front.print(value, [f"{what} {state} entry {done.seq}"])


def _mapping(path: Path | None) -> dict[str, Value]:
    if path is None:
        return {}
    from tallystick.capture.params import mapping

    return mapping(path)


@click.command()
@click.argument("file", type=_FILE)
@acting
@_again
@front
def usecase(front: Front, file: Path, idempotency: str | None) -> None:
    """Record a use case from FILE (YAML, JSON or TOML).

    Fields: name, owner_group, intended_use, prohibited_use, jurisdictions, risk_tier, next_review; optional
    affected_groups and oversight. What is not said is recorded as absent.
    """
    from tallystick.workflow import record as verbs

    with front.desk(writing=True) as desk:
        done = verbs.usecase(desk, _mapping(file), actor=desk.actor(front.actor), key=idempotency)
        _said(front, done, f"use case {done.entry.body['name']}")


@click.group(cls=Group)
def record() -> None:
    """Record what a model is made from."""


@record.command()
@click.argument("path", type=_FILE)
@click.option("--name", help="Its name; else the file's.")
@click.option("--version", help="Its version; else the start of its fingerprint.")
@click.option("--role", help="training, validation, test or reference.")
@click.option("--licence", help="Its licence.")
@click.option("--sensitive", metavar="COLUMNS", help="Protected attributes among its columns, with commas between.")
@click.option("--histograms", is_flag=True, help="Keep histograms of its columns, for drift gates to compare with.")
@_declare
@acting
@_again
@front
def dataset(
    front: Front,
    path: Path,
    name: str | None,
    version: str | None,
    role: str | None,
    licence: str | None,
    sensitive: str | None,
    histograms: bool,
    declare: Path | None,
    idempotency: str | None,
) -> None:
    """Record a dataset (CSV, Parquet, a folder): fingerprint, rows, schema and profile; never rows."""
    from tallystick.workflow import record as verbs

    declared = _mapping(declare)
    declared |= {key: value for key, value in (("role", role), ("licence", licence)) if value}
    if sensitive:
        declared["sensitive_fields"] = {"columns": [column.strip() for column in sensitive.split(",")]}
    with front.desk(writing=True) as desk, bar(f"reading {path.name}") as shown:
        done = verbs.dataset(
            desk,
            path,
            actor=desk.actor(front.actor),
            name=name or path.name.split(".")[0],
            version=version,
            declared=declared,
            histograms=histograms,
            progress=shown,
            key=idempotency,
        )
    body = done.entry.body
    rows = f" ({body['rows']:,} rows)" if isinstance(body["rows"], int) else ""
    _said(front, done, f"dataset {body['name']}@{body['version']}{rows}")


@record.command()
@click.argument("folder", type=_FILE, default=".")
@acting
@_again
@front
def commit(front: Front, folder: Path, idempotency: str | None) -> None:
    """Record the git commit of FOLDER, what is not committed there, and whether its signature is good."""
    from tallystick.workflow import record as verbs

    with front.desk(writing=True) as desk:
        done = verbs.commit(desk, folder, actor=desk.actor(front.actor), key=idempotency)
        body = done.entry.body
        dirty = ", with uncommitted changes" if body["dirty"] else ""
        untracked = f", with {body['untracked']} untracked files" if body.get("untracked") else ""
        _said(front, done, f"commit {str(body['gitCommit'])[:12]}{dirty}{untracked}")


@record.command()
@click.argument("file", type=_FILE)
@click.option("--cutoff", type=float, help="The score from which the decision is favourable.")
@acting
@_again
@front
def params(front: Front, file: Path, cutoff: float | None, idempotency: str | None) -> None:
    """Record a parameter set from FILE (JSON, YAML or TOML; NaN included)."""
    from tallystick.workflow import record as verbs

    with front.desk(writing=True) as desk:
        done = verbs.params(desk, file, actor=desk.actor(front.actor), decision_cutoff=cutoff, key=idempotency)
        _said(front, done, f"parameter set {done.entry.body['digest'][:12]}")


@record.command()
@click.option("--lock-file", type=_FILE, help="The lock file that the environment was made from.")
@acting
@_again
@front
def environment(front: Front, lock_file: Path | None, idempotency: str | None) -> None:
    """Record this Python, its packages and the platform."""
    from tallystick.workflow import record as verbs

    with front.desk(writing=True) as desk:
        done = verbs.environment(desk, actor=desk.actor(front.actor), lock_file=lock_file, key=idempotency)
        _said(front, done, f"environment Python {done.entry.body['python']}")


@record.command()
@click.argument("path", type=_FILE)
@click.option("--name", help="Its name; else the file's.")
@click.option("--usecase", metavar="NAME", help="The recorded use case it is for.")
@click.option("--run", type=int, metavar="ENTRY", help="The entry of the run that made it.")
@_declare
@acting
@front
def model(
    front: Front, path: Path, name: str | None, usecase: str | None, run: int | None, declare: Path | None
) -> None:
    """Record model bytes (a file or a folder), never loaded. Declare: features, limitations, vendor, licence."""
    from tallystick.workflow import record as verbs

    with front.desk(writing=True) as desk, bar(f"reading {path.name}") as shown:
        done = verbs.model(
            desk,
            path,
            actor=desk.actor(front.actor),
            name=name or path.name.split(".")[0],
            usecase=usecase,
            run=run,
            declared=_mapping(declare),
            progress=shown,
        )
    _said(front, done, f"model {done.entry.body['name']}@{done.entry.body['version']}")


@record.command()
@click.argument("file", type=_FILE)
@click.option("--model", metavar="NAME[@V]", help="The model they are about.")
@click.option("--dataset", metavar="NAME[@V]", help="The dataset they were measured on.")
@click.option("--n", type=int, help="How many rows they were measured on.")
@acting
@front
def metrics(front: Front, file: Path, model: str | None, dataset: str | None, n: int | None) -> None:
    """Record metrics from FILE: names with numbers, or with the fields of a metric record."""
    from tallystick.cli.front import model_version
    from tallystick.report.words import plural
    from tallystick.workflow import record as verbs

    with front.desk(writing=True) as desk:
        appended = verbs.metrics(
            desk,
            _mapping(file),
            actor=desk.actor(front.actor),
            model=None if model is None else model_version(model),
            dataset=dataset,
            n=n,
        )
        seqs = [done.seq for done in appended]
        where = f"entry {seqs[0]}" if len(seqs) == 1 else f"entries {seqs[0]} to {seqs[-1]}"
        front.print({"entries": seqs}, [f"{plural(len(seqs), 'metric')} recorded as {where}"])


@record.command()
@click.argument("path", type=_FILE)
@click.option("--title", required=True, help="What it is called.")
@acting
@_again
@front
def document(front: Front, path: Path, title: str, idempotency: str | None) -> None:
    """Record a document with its bytes beside the entry."""
    from tallystick.workflow import record as verbs

    with front.desk(writing=True) as desk:
        done = verbs.document(desk, path, actor=desk.actor(front.actor), title=title, key=idempotency)
        _said(front, done, f"document {title}")

"""``approve`` and ``promote``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tallystick.cli.front import Front, acting, front, model_version
from tallystick.errors import UsageError

if TYPE_CHECKING:
    from tallystick.canonical import Value
    from tallystick.people.book import Book
    from tallystick.records import Entry

__all__ = ["approve", "promote"]


@click.command()
@click.argument("model")
@click.option("--rationale", required=True, help="Why; it stands in the report.")
@click.option("--condition", "conditions", multiple=True, metavar="TEXT;OWNER;DATE", help="A condition; repeatable.")
@click.option("--refuse", is_flag=True, help="Refuse instead of approving.")
@click.option("--stage", default="production", show_default=True, help="The stage that it is about.")
@click.option("--policy", metavar="ID", help="Needed only if several are in force.")
@acting
@front
def approve(
    front: Front, model: str, rationale: str, conditions: tuple[str, ...], refuse: bool, stage: str, policy: str | None
) -> None:
    """Approve, or refuse, the newest decision about MODEL[@VERSION], signed with your own key.

    Nobody approves what they made: authorship is read from the entries along the model's lineage.
    """
    from tallystick.workflow import decide

    if not rationale.strip():
        raise UsageError("a decision needs a reason", expected="--rationale TEXT, which stands in the report")
    with front.desk(writing=True) as desk:
        done = decide.approve(
            desk,
            model_version(model),
            by=_named(front),
            rationale=rationale,
            stage=stage,
            policy=policy,
            conditions=[_condition(text) for text in conditions],
            verdict="refused" if refuse else "approved",
        )
        name = done.entry.subject[0]["name"]
        line = f"{name} {done.entry.body['verdict']} for {stage} by {done.entry.actor}, entry {done.seq}"
        seen = _seen(desk.book(), done.entry)
        value = {"entry": done.seq, "verdict": done.entry.body["verdict"], "seen": seen}
        front.print(value, [line, "what was decided about:", *[f"  {text}" for text in seen]])


def _seen(book: Book, approval: Entry) -> list[str]:
    """What the approver put their name to, in a few lines."""
    from tallystick.people import rules

    decision = book.get(approval.body["decision"])
    evaluation = book.get(decision.body["evaluation"])
    (data, *_) = book.field(evaluation, "data") or [{}]
    test_set = book.find(data.get("dataset"))
    named = f"{test_set.body['name']}@{test_set.body['version']}" if test_set is not None else "no recorded test set"
    attempt = evaluation.body["attempt"]
    looks = f"look {attempt['data']} at this test set" if test_set is not None else "on data that nobody recorded"
    lines = [
        f"verdict {evaluation.body['verdict']} in entry {evaluation.seq}, on {data.get('rows', 0):,} rows of {named}",
        f"recorded evaluation {attempt['usecase']} of this use case, {looks}",
    ]
    checks = book.field(evaluation, "checks") or []
    lines += [f"{check['verdict']}: {check['id']}: {check['reason']}" for check in checks if check["verdict"] != "pass"]
    failed = rules.earlier_failures(book, evaluation)
    told = {line["evaluation"]["seq"]: line["text"] for line in book.field(evaluation, "earlier_explained") or []}
    lines += [
        f"earlier, entry {e.seq}: {e.body['verdict']}; said of it: {told.get(e.seq, 'nothing yet')}" for e in failed
    ]
    return lines


def _named(front: Front) -> str:
    if front.actor is None:
        raise UsageError("nobody is named as the one who signs", remedy="Add --as LABEL, or set TALLYSTICK_AS.")
    return front.actor


def _condition(text: str) -> dict[str, Value]:
    from datetime import date

    parts = [part.strip() for part in text.split(";")]
    if len(parts) != 3 or not all(parts):
        raise UsageError("condition is not usable", got=text, expected="TEXT;OWNER;YYYY-MM-DD")
    try:
        due = date.fromisoformat(parts[2])
    except ValueError as error:
        raise UsageError("condition has no date", got=parts[2], expected="YYYY-MM-DD") from error
    return {"text": parts[0], "owner": parts[1], "due": due.isoformat()}


@click.command()
@click.argument("model")
@click.option("--stage", default="production", show_default=True, help="The stage that it is about.")
@click.option("--explain", metavar="TEXT", help="What is said of earlier evaluations that nothing explains yet.")
@click.option("--ticket", metavar="ID", help="The change ticket.")
@acting
@front
def promote(front: Front, model: str, stage: str, explain: str | None, ticket: str | None) -> None:
    """Promote MODEL[@VERSION] to a stage, if every rule holds; otherwise say every reason why not.

    To roll back, promote the earlier version: the same rules hold for it.
    """
    from tallystick.workflow import decide

    with front.desk(writing=True) as desk:
        done = decide.promote(
            desk, model_version(model), by=_named(front), stage=stage, explain=explain, change_ticket=ticket
        )
        name = done.entry.subject[0]["name"]
        front.print({"entry": done.seq, "stage": stage}, [f"{name} promoted to {stage}, entry {done.seq}"])

"""People decide: approve or refuse a decision, promote a model version, roll back by promoting an earlier one.

Whether somebody may is asked inside the transaction that appends, so no entry can slip in between. A refusal leaves the
ledger as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

from tallystick.canonical import Value
from tallystick.errors import NotFound, Refused
from tallystick.ledger.ledger import Appended
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing, entitled
from tallystick.records import Draft, Entry, absent
from tallystick.workflow.desk import Desk
from tallystick.workflow.evaluate import chosen_policy, explanations

__all__ = ["approve", "promote"]

_INDEPENDENCE: Final = "I neither recorded nor wrote what this model was made from."


def approve(
    desk: Desk,
    model: tuple[str, int | None],
    *,
    by: str,
    rationale: str,
    stage: str = "production",
    policy: str | None = None,
    conditions: Sequence[Mapping[str, Value]] = (),
    verdict: str = "approved",
    expires: str | None = None,
) -> Appended:
    """Put one's name to the newest decision about a model version, or against it.

    Raises:
        Refused: not entitled, or made it; or (to approve) the decision is no ground for a promotion.
        NotFound: no such model, or it was never evaluated.
    """
    signer = desk.signer(by)
    actor = desk.actor(by)
    with desk.writing() as writer:
        book = desk.book(writer)
        entry = book.model(*model)
        ring = KeyRing.of(book)
        _may_approve(book, ring, entry, actor)
        chosen = chosen_policy(book, ring, entry, name=policy, stage=stage, at=desk.clock())
        found = rules.standing(book, entry, chosen)
        if verdict == "approved":
            _refuse_if(rules.decision_problems(book, entry, found), f"{_name(entry)} cannot be approved")
        if found.decision is None or found.evaluation is None:
            raise NotFound(f"{_name(entry)} was never evaluated for stage {stage}", remedy="Run: tallystick gate run")
        body: dict[str, Value] = {
            "decision": found.decision.ref.value(),
            "seen": rules.seen(entry, found.evaluation, found.policy),
            "stage": stage,
            "verdict": verdict,
            "rationale": rationale,
            "conditions": [dict(condition) for condition in conditions],
            "independence": _INDEPENDENCE,
        }
        if expires is not None:
            body["expires"] = expires
        draft = Draft("approval", actor, desk.clock(), body, basis="declared", subject=_subject(entry))
        return writer.append(desk.sign(draft, by=[signer], speaks_of=found.decision, stage=stage))


def _may_approve(book: Book, ring: KeyRing, model: Entry, actor: str) -> None:
    problems = rules.approval_problems(book, ring, model=model, actor=actor)
    _refuse_if(problems, f"{actor} may not approve {_name(model)}", remedy="Ask a risk officer who had no part in it.")


def promote(
    desk: Desk,
    model: tuple[str, int | None],
    *,
    by: str,
    stage: str = "production",
    explain: str | None = None,
    change_ticket: str | None = None,
) -> Appended:
    """Put a model version into a stage, if every rule holds.

    Args:
        explain: what is said of earlier failed evaluations that nothing explains yet.

    Raises:
        Refused: with every reason, not only the first.
    """
    signer = desk.signer(by)
    actor = desk.actor(by)
    with desk.writing() as writer:
        book = desk.book(writer)
        entry = book.model(*model)
        ring = KeyRing.of(book)
        at = desk.clock()
        if not entitled(ring.person(actor).roles, "promote"):
            raise Refused(f"{actor} may not promote", got=", ".join(ring.person(actor).roles))
        standings = _standings(book, ring, entry, stage=stage, at=at)
        told = _told(book, standings, explain)
        problems = rules.promotion_problems(book, ring, model=entry, stage=stage, at=at, explained=told)
        _refuse_if(problems, f"{_name(entry)} is not promoted to {stage}")
        replaced = _replaced(book, ring, entry, standings, stage=stage)
        draft = _promotion_draft(
            entry,
            [found.decision for found in standings if found.decision is not None],
            [
                approval
                for found in standings
                for approval in rules.counted_approvals(book, ring, model=entry, found=found, stage=stage, at=at)
            ],
            replaces=replaced,
            actor=actor,
            at=at,
            stage=stage,
            told=told,
            ticket=change_ticket,
        )
        decision = book.get(draft.body["decision"])
        predicate = _summary(decision, at)
        return writer.append(desk.sign(draft, by=[signer], speaks_of=decision, stage=stage, predicate=predicate))


def _standings(book: Book, ring: KeyRing, model: Entry, *, stage: str, at: str) -> list[rules.Standing]:
    usecase = rules.usecase_of(book, model)
    in_force = rules.policies_in_force(book, ring=ring, stage=stage, usecase=usecase, at=at)
    return [rules.standing(book, model, policy) for policy in in_force]


def _replaced(book: Book, ring: KeyRing, model: Entry, standings: list[rules.Standing], *, stage: str) -> Entry | None:
    """The promotion that this one replaces; the same model on the same decision is there already."""
    newest = rules.incumbent(book, str(model.body["name"]), stage=stage, ring=ring)
    if newest is None:
        return None
    decided = [found.decision.ref.value() for found in standings if found.decision is not None]
    if newest.model == model and newest.promotion.body["decision"] in decided:
        raise Refused(
            f"{_name(model)} is in {stage} already, since {newest.since}", where=f"entry {newest.promotion.seq}"
        )
    return newest.promotion


def _told(book: Book, standings: list[rules.Standing], explain: str | None) -> list[Value]:
    if not explain:
        return []
    found = {e.seq: e for s in standings if s.evaluation for e in rules.unexplained(book, s.evaluation)}
    return explanations([found[seq] for seq in sorted(found)], explain)


def _promotion_draft(
    model: Entry,
    decisions: list[Entry],
    approvals: list[Entry],
    *,
    replaces: Entry | None,
    actor: str,
    at: str,
    stage: str,
    told: list[Value],
    ticket: str | None,
) -> Draft:
    body: dict[str, Value] = {
        "model": model.ref.value(),
        "model_digest": model.body["digest"],
        "stage": stage,
        "decision": decisions[-1].ref.value(),
        "approvals": [entry.ref.value() for entry in approvals],
        "waivers": [],
        "replaces": absent("first in this stage") if replaces is None else replaces.ref.value(),
        "effective_from": at,
    }
    if told:
        body["explained"] = told
    if ticket:
        body["change_ticket"] = ticket
    return Draft("promotion", actor, at, body, basis="declared", subject=_subject(model))


def _summary(decision: Entry, at: str) -> dict[str, Value]:
    """The SLSA verification summary that the promotion's statement carries."""
    body = decision.body
    return {
        "verifier": {"id": "urn:x-tallystick:verifier:promotion", "version": {"tallystick": version("tallystick")}},
        "timeVerified": at,
        "resourceUri": body["resourceUri"],
        "policy": body["policy"],
        "inputAttestations": body["inputAttestations"],
        "verificationResult": body["verificationResult"],
        "verifiedLevels": [],
    }


def _subject(model: Entry) -> tuple[Mapping[str, Value], ...]:
    return ({"name": _name(model), "digest": {"sha256": model.body["digest"]}},)


def _name(model: Entry) -> str:
    return f"{model.body['name']}@{model.body['version']}"


def _refuse_if(problems: list[str], what: str, *, remedy: str | None = None) -> None:
    if problems:
        raise Refused(f"refused: {what}: " + "; ".join(problems), remedy=remedy)

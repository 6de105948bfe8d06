"""Publish policies, and evaluate models under them: the evaluation and its decision are appended together.

A policy is judged as it stands in the ledger, not as it lies in a folder: its published bytes are read back and their
digest compared. The plan of check ids went on the ledger with the policy, before any result was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tallystick.canonical import Value, decode, digest, encode
from tallystick.capture.fingerprint import Progress, private_copy
from tallystick.errors import InvalidData, NotFound, Refused, UsageError
from tallystick.ledger.ledger import Appended
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing, entitled
from tallystick.records import FIRST_PREV, Attachment, Draft, Entry, absent
from tallystick.workflow import compare, facts
from tallystick.workflow.desk import Desk, fitted
from tallystick.workflow.record import dataset_named

if TYPE_CHECKING:
    from tallystick.policy.document import Policy
    from tallystick.policy.gates.bias.reference import Agreement
    from tallystick.policy.judge import Outcome

__all__ = [
    "Evaluated",
    "Judged",
    "Scored",
    "checked",
    "chosen_policy",
    "evaluate",
    "explanations",
    "judged",
    "matching",
    "publish",
    "published",
    "read_back",
    "recorded",
    "second_opinion",
    "submitted",
]

_LARGE: Final = 1 << 30
"""Bytes of data from which on it is said how far their copy is."""
_VERIFIER: Final = {"id": "urn:x-tallystick:verifier:gates"}


# --------------------------------------------------------------------------- policies


def publish(desk: Desk, path: Path, *, by: str, author: str | None = None) -> Appended:
    """Publish a version of a policy, signed by somebody entitled; the same version again returns the first entry.

    Args:
        by: label of the key of whoever answers for it (a risk officer).
        author: label or actor of whoever drafted it, another person.

    Raises:
        Refused: not entitled, the author approves their own draft, or this version was published with other content.
    """
    policy = checked(path)
    signer = desk.signer(by)
    with desk.writing() as writer:
        book = desk.book(writer)
        ring = KeyRing.of(book)
        actor = _publisher(ring, desk, by, author)
        earlier = [entry for entry in rules.published(book, ring) if entry.body["id"] == policy.id]
        for entry in earlier:
            if entry.body["digest"] == policy.digest:
                return Appended(entry.seq, entry.leaf, entry, repeated=True)
            if entry.body["version"] == policy.version:
                raise Refused(
                    f"policy {policy.id} {policy.version} is published with other content",
                    where=f"entry {entry.seq}",
                    remedy="Give the changed policy a new version.",
                )
        draft = _policy_draft(policy, actor=actor, author=author and desk.actor(author), at=desk.clock())
        if earlier:
            draft = replace(draft, supersedes=earlier[-1].ref)
        return writer.append(desk.sign(draft, by=[signer], stage=policy.stage))


def checked(path: Path) -> Policy:
    """A policy file, with the clauses it names looked up in the control catalogue.

    Raises:
        InvalidPolicy: with every problem, at line and column.
    """
    from tallystick.policy import controls, document
    from tallystick.resources import shipped

    return document.load(path, controls=controls.load(shipped("policies") / "controls.yaml"))


def _publisher(ring: KeyRing, desk: Desk, by: str, author: str | None) -> str:
    actor = desk.actor(by)
    if not entitled(ring.person(actor).roles, "publish"):
        raise Refused("only a risk-officer publishes a policy", got=f"{by} is {', '.join(ring.person(actor).roles)}")
    if author is not None and desk.actor(author) == actor:
        raise Refused(
            "nobody approves a policy that they drafted", got=by, remedy="Let another risk officer publish it."
        )
    return actor


def _policy_draft(policy: Policy, *, actor: str, author: str | None, at: str) -> Draft:
    body: dict[str, Value] = {
        "id": policy.id,
        "version": policy.version,
        "digest": policy.digest,
        "author": absent() if author is None else author,
        "approver": actor,
        "effective_from": f"{policy.effective_from}T00:00:00.000000Z" if policy.effective_from else at,
        "controls": list(policy.controls),
        "stage": policy.stage,
        "plan": list(policy.plan),
    }
    return Draft(
        "policy",
        actor,
        at,
        body,
        basis="declared",
        subject=({"name": f"{policy.id} {policy.version}", "digest": {"sha256": policy.digest}},),
        attachments=(
            Attachment("policy.yaml", "application/yaml", policy.source),
            Attachment("policy.json", "application/json", policy.canonical),
        ),
    )


def published(book: Book, entry: Entry) -> Policy:
    """The policy of an entry, from its stored bytes.

    Raises:
        InvalidData: the stored bytes do not give the digest that the entry names, or its gates now plan other checks.
    """
    from tallystick.policy import document

    where = f"policy.yaml of entry {entry.seq}"
    source = book.part(entry, "policy.yaml")
    if source is None:
        raise NotFound("policy is not at hand", where=where)
    policy = document.parse(source, name=where)
    if policy.digest != entry.body["digest"]:
        raise InvalidData(
            "policy is not what was published", where=where, expected=entry.body["digest"], got=policy.digest
        )
    if list(policy.plan) != book.field(entry, "plan"):
        raise InvalidData(
            "policy plans other checks than were published",
            where=where,
            remedy="Install its gates as they were when it was published, or publish a new version of it.",
        )
    return policy


def chosen_policy(
    book: Book,
    ring: KeyRing,
    model: Entry,
    *,
    name: str | None,
    stage: str,
    at: str,
    test_set: Entry | None = None,
) -> Entry:
    """The policy to evaluate a model under: the one named, or the only one in force for the stage that applies to it.

    Of one that is named it is not asked whether it applies: its evaluation says so. A promotion still wants every
    policy in force: what a condition names anybody who may write can record anew, and no signature stands under it.
    """
    usecase = rules.usecase_of(book, model)
    in_force = rules.policies_in_force(book, ring=ring, stage=stage, usecase=usecase, at=at)
    if name is None:
        applying = _applying(book, in_force, facts.recorded_of(book, model, test_set), stage=stage)
    else:
        applying = [entry for entry in in_force if entry.body["id"] == name]
    known = ", ".join(f"{entry.body['id']}" for entry in (applying or in_force)) or "none"
    if not applying:
        raise NotFound(
            f"no such policy is published for stage {stage}",
            got=name,
            expected=f"one of: {known}",
            remedy="Publish one with: tallystick policy publish FILE --as OFFICER",
        )
    if len(applying) > 1:
        raise UsageError(f"several policies are in force for stage {stage}", expected=known, remedy="Add --policy ID.")
    return applying[0]


def _applying(book: Book, policies: list[Entry], known: Mapping[str, Value], *, stage: str) -> list[Entry]:
    """The policies whose own condition holds of a model, or has no answer: then it is for the evaluation to say so.

    Raises:
        NotFound: there are policies, and none of them applies.
    """
    from tallystick.policy import cel

    applying = []
    for entry in policies:
        try:
            rule = _condition(book, entry)
            holds = rule is None or cel.parse(rule).holds(known)
        except cel.CelError:
            holds = True
        applying += [entry] if holds else []
    if policies and not applying:
        told = "; ".join(f"{entry.body['id']} where {_condition(book, entry)}" for entry in policies)
        raise NotFound(
            f"no policy in force for stage {stage} applies to this model, so nothing would be checked",
            expected=told,
            remedy="Publish one that applies, or correct what is recorded of the use case.",
        )
    return applying


def _condition(book: Book, policy: Entry) -> str | None:
    """The rule that says whether a policy applies, from its published bytes; None if it has none, or they are gone."""
    data = book.part(policy, "policy.json")
    if data is None or digest(data) != policy.body["digest"]:
        return None  # it is read in full before anything is judged under it, and refused then
    rule = decode(data, what="policy.json")["applies_to"].get("when")
    return None if rule is None else str(rule)


# --------------------------------------------------------------------------- evaluation


@dataclass(frozen=True)
class Evaluated:
    """An evaluation on the ledger, with what was found."""

    outcome: Outcome
    evaluation: Entry
    decision: Entry
    policy: Entry
    model: Entry
    earlier: tuple[Entry, ...]
    """Earlier evaluations of this use case under this policy that did not pass."""
    unexplained: tuple[Entry, ...]


@dataclass(frozen=True)
class Scored:
    """The data that were scored."""

    entry: Entry | None
    sha256: str
    predictions: str
    rows: int

    def value(self) -> dict[str, Value]:
        return {
            "dataset": absent("no test set was named") if self.entry is None else self.entry.ref.value(),
            "sha256": self.sha256,
            "rows": self.rows,
            "predictions_sha256": self.predictions,
        }


@dataclass(frozen=True)
class Judged:
    """What the gates found about a model, before it is on the ledger."""

    model: Entry
    policy: Entry
    outcome: Outcome
    data: Scored


def evaluate(
    desk: Desk,
    model: tuple[str, int | None],
    predictions: Path,
    *,
    actor: str,
    stage: str = "production",
    policy: str | None = None,
    dataset: str | None = None,
    champion: Path | None = None,
    explain: str | None = None,
    baseline: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Evaluated:
    """Run the gates of the stage's policy over recorded predictions, and record what they found.

    Args:
        model: name, and version or None for the newest.
        predictions: CSV or Parquet with the columns that the policy names.
        dataset: the recorded test set that was scored, ``NAME`` or ``NAME@VERSION``; looks at it are counted.
        champion: predictions of the same rows by the model that stands in the stage, for a policy that compares.
        explain: what is said of earlier evaluations that did not pass.
        baseline: what drift gates compare with: a file, or a recorded dataset; else the one that the policy names.

    Raises:
        NotFound: no such model, policy or dataset.
        InvalidData: the predictions cannot be read, changed meanwhile, are not as many as the test set's rows, or the
            champion's are not of the same rows.
        UsageError: a champion's predictions, and no champion or a policy that compares with none.
    """
    found = judged(
        desk,
        model,
        predictions,
        stage=stage,
        policy=policy,
        dataset=dataset,
        champion=champion,
        baseline=baseline,
        progress=progress,
    )
    return recorded(desk, found, actor=actor, explain=explain)


def judged(
    desk: Desk,
    model: tuple[str, int | None],
    predictions: Path,
    *,
    stage: str = "production",
    policy: str | None = None,
    dataset: str | None = None,
    champion: Path | None = None,
    baseline: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Judged:
    """Run the gates, and record nothing: arguments and errors as of :func:`evaluate`."""
    from tallystick.policy import judge

    book = desk.book()
    subject = book.model(*model)
    test_set = None if dataset is None else dataset_named(book, dataset)
    entry = chosen_policy(book, KeyRing.of(book), subject, name=policy, stage=stage, at=desk.clock(), test_set=test_set)
    rules_text = published(book, entry)
    with ExitStack() as stack:  # what is hashed is what is judged: copies that nobody else can write to
        data, mark = stack.enter_context(private_copy(predictions, progress=_copying(predictions, progress)))
        other, theirs = None, None
        if champion is not None:
            other, of_other = stack.enter_context(private_copy(champion, progress=_copying(champion, progress)))
            theirs = of_other.sha256
        scored = mark.sha256
        sha256 = test_set.body["distribution"]["sha256"] if test_set is not None else scored
        told = facts.known(book, rules_text, subject, test_set, champion=theirs, at=desk.clock())
        beside = stack.enter_context(compare.baseline(book, rules_text, baseline))
        outcome = judge.evaluate(
            rules_text, data, data_digest=sha256, facts=told, champion=other, baseline=beside, progress=progress
        )
    return matching(Judged(subject, entry, outcome, Scored(test_set, sha256, scored, outcome.rows)))


def _copying(path: Path, progress: Callable[[str], None] | None) -> Progress | None:
    """Says how far the copy of large data is, at each tenth."""
    if progress is None:
        return None
    said = 0

    def told(done: int, whole: int) -> None:
        nonlocal said
        tenth = 10 * done // max(whole, 1)
        if whole > _LARGE and tenth > said:
            said = tenth
            progress(f"copying {path.name}: {10 * tenth} %")

    return told


def second_opinion(desk: Desk, found: Judged) -> Agreement:
    """Have what the bias gates found computed again by fairlearn, from the counts that would be recorded.

    Raises:
        Unconfirmed: it comes to another value.
    """
    from tallystick.policy.gates.bias import reference

    values = {check.id: check.value for check in found.outcome.checks}
    return reference.second_opinion(published(desk.book(), found.policy), values, found.outcome.evidence)


def recorded(
    desk: Desk,
    found: Judged,
    *,
    actor: str,
    explain: str | None = None,
    submission: Mapping[str, Value] | None = None,
) -> Evaluated:
    """Record what the gates found, with its decision. A submission is recorded once, whoever else records it too.

    Args:
        submission: by whom and under what name it was handed in, if it was not found here.
    """
    with desk.writing() as writer:
        before = desk.book(writer)
        standing = None if submission is None else submitted(before, str(submission["name"]))
        if standing is not None:
            return read_back(desk, found, standing.seq, standing.seq + 1)
        draft = _evaluation_draft(before, found, actor=actor, at=desk.clock(), explain=explain, submission=submission)
        evaluation = writer.append(fitted(draft)).entry
        decision = writer.append(
            _decision_draft(found.model, evaluation, found.policy, actor=actor, at=desk.clock())
        ).entry
        earlier = rules.earlier_failures(before, evaluation)
        unexplained = rules.unexplained(before, evaluation, also=draft.body.get("earlier_explained", ()))
    return Evaluated(found.outcome, evaluation, decision, found.policy, found.model, tuple(earlier), tuple(unexplained))


def submitted(book: Book, name: str) -> Entry | None:
    """The evaluation that was recorded of a submission; its decision is the entry after it."""
    for entry in book.naming("evaluation", name):
        told = entry.body.get("submission")
        if isinstance(told, Mapping) and told.get("name") == name:
            return entry
    return None


def read_back(desk: Desk, found: Judged, evaluation: int, decision: int) -> Evaluated:
    """What somebody else recorded of it, as the ledger has it."""
    book = desk.book()
    entry = desk.ledger.entry(evaluation)
    return Evaluated(
        found.outcome,
        entry,
        desk.ledger.entry(decision),
        found.policy,
        found.model,
        tuple(rules.earlier_failures(book, entry)),
        tuple(rules.unexplained(book, entry, also=book.field(entry, "earlier_explained") or ())),
    )


def matching(found: Judged) -> Judged:
    """The same, if as many rows were judged as the test set has.

    Raises:
        InvalidData: they were not.
    """
    test_set = found.data.entry
    rows = None if test_set is None else test_set.body.get("rows")
    if isinstance(rows, int) and rows != found.data.rows:
        raise InvalidData(
            "predictions are not those of this test set",
            expected=f"{rows} rows, as in entry {test_set.seq if test_set else '?'}",
            got=f"{found.data.rows} rows",
            remedy="Score the whole test set, or name the one that was scored with --dataset.",
        )
    return found


def _evaluation_draft(
    book: Book,
    found: Judged,
    *,
    actor: str,
    at: str,
    explain: str | None,
    submission: Mapping[str, Value] | None,
) -> Draft:
    model, policy, outcome, data = found.model, found.policy, found.outcome, found.data
    usecase = model.body["usecase"]  # a reference, or that there is none and why: a string stands in it either way
    earlier = book.naming("evaluation", *(part for part in usecase.values() if isinstance(part, str)))
    same_use = [entry for entry in earlier if entry.body.get("usecase") == usecase]
    same_data = rules.scoring(book, data.sha256)
    scored = rules.scored_before_policy(book, policy, data.sha256)
    body: dict[str, Value] = {
        "model": model.ref.value(),
        "model_digest": model.body["digest"],
        "usecase": usecase,
        "policy": policy.ref.value(),
        "policy_digest": policy.body["digest"],
        "plan": {"ids": list(outcome.plan), "sha256": rules.plan_digest(outcome.plan)},
        "data": [data.value()],
        "attempt": {"usecase": len(same_use) + 1, "data": len(same_data) + 1},
        "counts": {"attachment": "counts.json"},
        "checks": [check.as_json() for check in outcome.checks],
        "verdict": outcome.verdict,
        "tools": dict(outcome.tools),
        "engine": outcome.engine,
        "seed": outcome.seed,
    }
    if submission is not None:
        body["submission"] = dict(submission)
    if scored is not None:
        body["scored_before_policy"] = {"evaluation": scored.ref.value()}
    counts = Attachment.erasable("counts.json", "application/json", encode(outcome.evidence))
    subject = ({"name": str(model.body["name"]), "digest": {"sha256": model.body["digest"]}},)
    basis = "observed" if submission is None else "declared"
    draft = Draft("evaluation", actor, at, body, basis=basis, subject=subject, attachments=(counts,))
    if explain:
        told = explanations(rules.unexplained(book, _as_if(draft, book)), explain)
        draft = replace(draft, body={**body, "earlier_explained": told})
    return draft


def _as_if(draft: Draft, book: Book) -> Entry:
    """The entry that the draft would become, to ask the rules about it before it is appended.

    They ask nothing of the entry before it and of its time, which only the ledger knows.
    """
    return Entry.parse(fitted(draft).seal(seq=book.size, prev=FIRST_PREV, recorded_at=draft.claimed_at))


def explanations(failures: list[Entry], text: str) -> list[Value]:
    """The lines by which earlier failures are explained."""
    return [{"evaluation": entry.ref.value(), "text": text} for entry in failures]


def _decision_draft(model: Entry, evaluation: Entry, policy: Entry, *, actor: str, at: str) -> Draft:
    name = f"{model.body['name']}@{model.body['version']}"
    verdicts = [str(check["verdict"]) for check in evaluation.body["checks"]] if _inline(evaluation) else []
    results: Mapping[str, Value] = {word: verdicts.count(word) for word in sorted(set(verdicts))}
    body = {
        "evaluation": evaluation.ref.value(),
        "model": model.ref.value(),
        "stage": policy.body["stage"],
        "verdict": evaluation.body["verdict"],
        "verifier": {**_VERIFIER, "version": {"tallystick": version("tallystick")}},
        "timeVerified": at,
        "resourceUri": f"urn:x-tallystick:model:{name}",
        "policy": {
            "uri": f"urn:x-tallystick:policy:{policy.body['id']}:{policy.body['version']}",
            "digest": {"sha256": policy.body["digest"]},
        },
        "inputAttestations": [
            {"uri": f"urn:x-tallystick:entry:{evaluation.seq}", "digest": {"sha256": evaluation.leaf.hex()}}
        ],
        "verificationResult": "PASSED" if evaluation.body["verdict"] in rules.GREEN else "FAILED",
        "results": dict(results),
    }
    return Draft("decision", actor, at, body, subject=evaluation.subject)


def _inline(evaluation: Entry) -> bool:
    return isinstance(evaluation.body["checks"], list)

"""The rules of approval and promotion: the same code when a person acts and when an auditor verifies.

A model version may enter a stage only when, under **every** policy in force for that stage and use case,

1. the newest evaluation of exactly these model bytes passed, under a policy published at an earlier index,
   and answered exactly the plan of check ids that was published with the policy;
2. every earlier evaluation of the use case under that policy which did not pass is explained, on the ledger;
3. someone entitled approved that decision by signature, who neither recorded nor committed to the model,
   and nobody entitled refused it.

Nothing is judged again: verdicts are read from entries. That they follow from their check results is checked.

No rule asks a ledger's index of references: whoever can write the file could take out of it the row that leads to a
failed evaluation or to a refusal. What must not be missed is looked for in the bytes of all entries of its kind
(:meth:`Book.naming`), and what a lineage is made of is followed forward, from entry to entry by leaf hash.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tallystick.canonical import Value, digest, encode
from tallystick.errors import Malformed, NotFound, NotVerified
from tallystick.people.book import Book
from tallystick.people.duties import makers
from tallystick.people.keys import KeyRing, entitled, spoken
from tallystick.proof.statement import Signed
from tallystick.records import Entry, Ref

__all__ = [
    "GREEN",
    "MEASURED",
    "SEVERITY",
    "Standing",
    "Tenure",
    "approval_problems",
    "counted_approvals",
    "data_digests",
    "decision_problems",
    "earlier_failures",
    "evaluation_problems",
    "explaining_lines",
    "history",
    "incumbent",
    "newest_verdicts",
    "plan_digest",
    "policies_in_force",
    "promotion_problems",
    "published",
    "recorded_promotion_problems",
    "rolled_up",
    "scored_before_policy",
    "scoring",
    "seen",
    "standing",
    "unexplained",
    "usecase_leaves",
    "usecase_of",
]

SEVERITY: Final = ("pass", "not_applicable", "waived", "warn", "not_evaluable", "inconclusive", "fail", "error")
"""Verdicts of checks, mildest first."""
MEASURED: Final = frozenset({"pass", "warn", "waived", "fail", "inconclusive"})
"""Verdicts that rest on numbers; the others say why there are none."""
GREEN: Final = frozenset({"pass", "warn"})
_EXPLAINING: Final = (("evaluation", "earlier_explained"), ("promotion", "explained"))
"""Kinds that can explain earlier failures, and the field in which."""


@dataclass(frozen=True)
class Standing:
    """Where a model version stands under one policy: the newest evaluation and its decision, if any."""

    policy: Entry
    evaluation: Entry | None
    decision: Entry | None


@dataclass(frozen=True)
class Tenure:
    """A model version in a stage, from one promotion to the next."""

    model: Entry
    promotion: Entry
    since: str
    until: str | None


def plan_digest(ids: Iterable[str]) -> str:
    """SHA-256 of the canonical list of check ids, in the order of the policy."""
    return digest(encode(list(ids)))


def rolled_up(verdicts: Iterable[str]) -> str:
    """The verdict of an evaluation from those of its checks.

    The worst counts: error, fail, inconclusive (a check that is not evaluable makes the whole so), warn (a waived
    failure too), pass. Where nothing was measured at all, or a word is unknown, it is an error: never green.
    """
    present = set(verdicts)
    if "error" in present or not present & MEASURED or present - MEASURED - {"not_applicable", "not_evaluable"}:
        return "error"
    if "fail" in present:
        return "fail"
    if present & {"inconclusive", "not_evaluable"}:
        return "inconclusive"
    return "warn" if present & {"warn", "waived"} else "pass"


# --------------------------------------------------------------------------- policies and evaluations


def published(book: Book, ring: KeyRing, *, before: int | None = None) -> list[Entry]:
    """Policies that somebody entitled signed, in order. Others are no policies, whoever put them on the ledger."""
    sound = ring.sound(_before(book.of_kind("policy"), before))
    return [entry for entry in sound if ring.may(entry.actor, "publish")]


def policies_in_force(
    book: Book, *, ring: KeyRing, stage: str, usecase: str | None, at: str, before: int | None = None
) -> list[Entry]:
    """The newest version of each policy that governs a stage of a use case and is in force at a time.

    A model without a use case is governed by all: leaving it out must not be a way around a policy.
    """
    newest: dict[str, Entry] = {}
    for entry in published(book, ring, before=before):
        in_force = str(entry.body.get("effective_from")) <= at
        if entry.body.get("stage") == stage and _governs(entry, usecase) and in_force:
            newest[str(entry.body.get("id"))] = entry
    return list(newest.values())


def _governs(policy: Entry, usecase: str | None) -> bool:
    applies = policy.body.get("applies_to")
    named = applies.get("usecases") if isinstance(applies, Mapping) else None
    return not isinstance(named, list) or usecase is None or usecase in named


def usecase_of(book: Book, entry: Entry) -> str | None:
    """The name of the use case that a model or an evaluation names; None if it names none."""
    found = book.find(entry.body.get("usecase"))
    return str(found.body.get("name")) if found is not None and found.kind == "usecase" else None


def standing(book: Book, model: Entry, policy: Entry, *, before: int | None = None) -> Standing:
    """The newest evaluation of exactly these bytes under exactly this policy, and the decision made from it."""
    evaluations = [
        entry
        for entry in _before(book.naming("evaluation", model.body.get("digest")), before)
        if entry.body.get("model_digest") == model.body.get("digest") and _names(entry, "policy", policy)
    ]
    if not evaluations:
        return Standing(policy, None, None)
    newest = evaluations[-1]
    decisions = [
        entry
        for entry in _before(book.naming("decision", newest.ref.leaf), before)
        if _names(entry, "evaluation", newest)
    ]
    return Standing(policy, newest, decisions[-1] if decisions else None)


def earlier_failures(book: Book, evaluation: Entry) -> list[Entry]:
    """Evaluations under the same policy, before this one, that did not pass: of the same use case or the same bytes.

    Of the same bytes too, lest a model that failed comes back under another use case and leaves its failures behind.
    """
    usecase, policy = usecase_of(book, evaluation), _policy_id(book, evaluation)
    return [
        entry
        for entry in _evaluations(book, usecase, evaluation.body.get("model_digest"))
        if entry.seq < evaluation.seq
        and not _is_green(entry)
        and _policy_id(book, entry) == policy
        and (
            usecase_of(book, entry) == usecase or entry.body.get("model_digest") == evaluation.body.get("model_digest")
        )
    ]


def data_digests(book: Book, evaluation: Entry) -> list[Value]:
    """Digests of the data that an evaluation names; whoever wrote it by hand may have named anything."""
    return [item.get("sha256") for item in _list(book, evaluation, "data") if isinstance(item, Mapping)]


def scoring(book: Book, *digests: str) -> list[Entry]:
    """Evaluations of any of these data, in order, also where an entry's data were moved into an attachment."""
    looks = {entry.seq: entry for entry in [*book.naming("evaluation", *digests), *book.moved("evaluation", "data")]}
    return [looks[seq] for seq in sorted(looks) if set(digests) & set(map(str, data_digests(book, looks[seq])))]


def scored_before_policy(book: Book, policy: Entry, *digests: Value) -> Entry | None:
    """The first evaluation that scored any of these data, if it stands before the policy; else None.

    Whoever wrote the policy could have known that result when they chose its thresholds. Models and use cases do not
    matter, only the data; and only what is recorded can be known.
    """
    known = [digest for digest in digests if isinstance(digest, str)]
    looks = scoring(book, *known) if known else []
    return next((entry for entry in looks if entry.seq < policy.seq), None)


def _evaluations(book: Book, usecase: str | None, model_digest: Value) -> list[Entry]:
    """All evaluations of a use case or of some model bytes, and perhaps others."""
    if usecase is None:
        return book.of_kind("evaluation")  # having none is shared with whoever has none: there is no name to look for
    return book.naming("evaluation", model_digest, *usecase_leaves(book, usecase))


def usecase_leaves(book: Book, name: str) -> list[str]:
    """The leaf hashes of all versions of a use case: what is for it names one of them."""
    return [entry.ref.leaf for entry in book.of_kind("usecase") if str(entry.body.get("name")) == name]


def _is_green(evaluation: Entry) -> bool:
    return str(evaluation.body.get("verdict")) in GREEN


def _policy_id(book: Book, evaluation: Entry) -> str | None:
    policy = book.find(evaluation.body.get("policy"))
    return None if policy is None else str(policy.body.get("id"))


def unexplained(book: Book, evaluation: Entry, *, also: Iterable[Value] = (), before: int | None = None) -> list[Entry]:
    """Earlier failures that no evaluation, no promotion and none of `also` explains."""
    failed = earlier_failures(book, evaluation)
    recorded = [line for _, line in explaining_lines(book, *failed, before=before)]
    explained = {line["evaluation"]["leaf"] for line in (*recorded, *also) if _explains(line)}
    return [entry for entry in failed if entry.ref.leaf not in explained]


def explaining_lines(book: Book, *failed: Entry, before: int | None = None) -> list[tuple[Entry, Mapping[str, Value]]]:
    """What is said on the ledger of evaluations that did not pass: each line, with the entry in which it stands.

    Lines about other evaluations may be among them.
    """
    found: dict[int, tuple[Entry, str]] = {}
    for kind, field in _EXPLAINING if failed else ():
        pool = (*book.naming(kind, *(entry.ref.leaf for entry in failed)), *book.moved(kind, field))
        found |= {entry.seq: (entry, field) for entry in _before(pool, before)}
    return [
        (entry, line)
        for _, (entry, field) in sorted(found.items())
        for line in _list(book, entry, field)
        if _explains(line)
    ]


def _explains(line: Value) -> bool:
    if not (isinstance(line, Mapping) and isinstance(line.get("text"), str) and line["text"].strip()):
        return False
    try:
        Ref.of(line.get("evaluation"))
    except Malformed:
        return False
    return True


def decision_problems(book: Book, model: Entry, found: Standing) -> list[str]:
    """Why the decision under one policy is no ground for a promotion; empty if it is."""
    name = f"policy {found.policy.body.get('id')} {found.policy.body.get('version')}"
    evaluation, decision = found.evaluation, found.decision
    if evaluation is None:
        return [f"these model bytes were never evaluated under {name}"]
    if decision is None:
        return [f"evaluation in entry {evaluation.seq} led to no decision"]
    verdict = evaluation.body.get("verdict")
    problems = evaluation_problems(book, evaluation)
    if not _is_green(evaluation):
        problems.append(f"the newest evaluation under {name}, entry {evaluation.seq}, says {verdict}")
    if not _test_set_named(book, evaluation):
        problems.append(f"evaluation in entry {evaluation.seq} names no recorded test set: rows may have been left out")
    if decision.body.get("verdict") != verdict:
        problems.append(f"decision in entry {decision.seq} says other than its evaluation in entry {evaluation.seq}")
    if (decision.body.get("verificationResult") == "PASSED") != _is_green(evaluation):
        problems.append(f"decision in entry {decision.seq} contradicts its own verdict")
    if not _names(decision, "model", model):
        problems.append(f"decision in entry {decision.seq} speaks of another model")
    return problems + _summary_problems(found.policy, evaluation, decision)


def _test_set_named(book: Book, evaluation: Entry) -> bool:
    """Whether what was scored is a dataset on the books: else nobody counts the looks at it, nor misses its rows."""
    lines = [line for line in _list(book, evaluation, "data") if isinstance(line, Mapping)]
    named = [book.find(line.get("dataset")) for line in lines]
    return bool(named) and all(entry is not None and entry.kind == "dataset" for entry in named)


def _summary_problems(policy: Entry, evaluation: Entry, decision: Entry) -> list[str]:
    """Anybody may record a decision, and its words go into the summary that the promoter signs."""
    where = f"decision in entry {decision.seq}"
    problems = []
    if decision.body.get("stage") != policy.body.get("stage"):
        problems.append(f"{where} is for another stage than policy {policy.body.get('id')}")
    if _sha256_of(decision.body.get("policy")) != policy.body.get("digest"):
        problems.append(f"{where} names another policy than entry {policy.seq}")
    attested = decision.body.get("inputAttestations")
    if not isinstance(attested, list) or [_sha256_of(item) for item in attested] != [evaluation.ref.leaf]:
        problems.append(f"{where} does not name its evaluation in entry {evaluation.seq}")
    return problems


def _sha256_of(resource: Value) -> Value:
    """The SHA-256 in an in-toto resource descriptor; None if there is none."""
    named = resource.get("digest") if isinstance(resource, Mapping) else None
    return named.get("sha256") if isinstance(named, Mapping) else None


def evaluation_problems(book: Book, evaluation: Entry) -> list[str]:
    """What is dishonest in an evaluation: a late policy, another plan, a verdict that its checks do not give."""
    where = f"evaluation in entry {evaluation.seq}"
    policy = book.find(evaluation.body.get("policy"))
    if policy is None or policy.seq >= evaluation.seq:
        return [f"{where} names no policy published before it"]
    problems = _subject_problems(book, evaluation, where)
    if evaluation.body.get("policy_digest") != policy.body.get("digest"):
        problems.append(f"{where} names another policy digest than entry {policy.seq}")
    planned = [str(id) for id in _list(book, policy, "plan")]
    plan = book.field(evaluation, "plan")
    if not planned or not isinstance(plan, Mapping) or plan.get("sha256") != plan_digest(planned):
        problems.append(f"{where} did not follow the plan published in entry {policy.seq}")
    checks = _list(book, evaluation, "checks")
    if not checks or not all(isinstance(check, Mapping) for check in checks):
        return [*problems, f"check results of {where} are not at hand"]
    if sorted(str(check.get("id")) for check in checks) != sorted(planned):
        problems.append(f"{where} did not answer exactly the checks planned in entry {policy.seq}")
    verdicts = [str(check.get("verdict")) for check in checks]
    if "waived" in verdicts:
        problems.append(f"{where} counts a waiver, and no waiver is looked at here")
    if rolled_up(verdicts) != evaluation.body.get("verdict"):
        problems.append(f"verdict of {where} does not follow from its checks")
    return problems


def _list(book: Book, entry: Entry, name: str) -> list[Value]:
    """A field that is a list, wherever it stands; empty if it cannot be had or is none."""
    value = book.field(entry, name)
    return value if isinstance(value, list) else []


def _subject_problems(book: Book, evaluation: Entry, where: str) -> list[str]:
    """Model, bytes and use case of an evaluation belong together: each decides what else counts."""
    model = book.find(evaluation.body.get("model"))
    if model is None or model.kind != "model" or model.seq > evaluation.seq:
        return [f"{where} names no model recorded before it"]
    problems = []
    if model.body.get("digest") != evaluation.body.get("model_digest"):
        problems.append(f"{where} names the bytes of another model than entry {model.seq}")
    if model.body.get("usecase") != evaluation.body.get("usecase"):
        problems.append(f"{where} names another use case than its model in entry {model.seq}")
    return problems


# --------------------------------------------------------------------------- approval and promotion


def approval_problems(book: Book, ring: KeyRing, *, model: Entry, actor: str) -> list[str]:
    """Why this actor may not approve this model; empty if they may."""
    person = ring.persons.get(actor)
    if person is None:
        return [f"{actor} has no key on this ledger"]
    problems = []
    made = makers(book, model).get(actor, ())
    if made:
        more = f" and {len(made) - 1} more" if len(made) > 1 else ""
        problems.append(f"you made it: {actor} {made[-1]}{more}")
    if not entitled(person.roles, "approve"):
        problems.append(f"{actor} is {', '.join(person.roles) or 'without a role'}: only a risk-officer approves")
    return problems


def promotion_problems(
    book: Book,
    ring: KeyRing,
    *,
    model: Entry,
    stage: str,
    at: str,
    explained: Iterable[Value] = (),
    before: int | None = None,
) -> list[str]:
    """Why a model version may not enter a stage at a time; empty if it may.

    Args:
        explained: explanations of earlier failures that the promotion itself would carry.
        before: look only at entries with a smaller index, as when an old promotion is verified.
    """
    usecase = usecase_of(book, model)
    policies = policies_in_force(book, ring=ring, stage=stage, usecase=usecase, at=at, before=before)
    if not policies:
        return [f"no policy is published for stage {stage}: nothing was checked"]
    also = list(explained)
    problems: list[str] = []
    for policy in policies:
        found = standing(book, model, policy, before=before)
        problems += decision_problems(book, model, found)
        if found.evaluation is None or found.decision is None:
            continue
        problems += [
            f"evaluation in entry {entry.seq} did not pass and is not explained"
            for entry in unexplained(book, found.evaluation, also=also, before=before)
        ]
        problems += _missing_approval(book, ring, model=model, found=found, stage=stage, at=at, before=before)
    return problems


def _missing_approval(
    book: Book, ring: KeyRing, *, model: Entry, found: Standing, stage: str, at: str, before: int | None
) -> list[str]:
    approved, refused, flaws = [], [], []
    for entry in newest_verdicts(book, found.decision, ring=ring, stage=stage, before=before):
        problems = _approval_flaws(book, ring, entry, model=model, found=found, stage=stage, at=at, before=before)
        if problems:
            flaws += problems
        elif entry.body.get("verdict") == "approved":
            approved.append(entry)
        else:
            refused.append(entry)
    if refused:
        return [f"refused by {entry.actor} in entry {entry.seq}" for entry in refused]
    if approved:
        return []
    for entry in [] if flaws else _verdicts(book, found.decision, before):
        flaws += _approval_flaws(book, ring, entry, model=model, found=found, stage=stage, at=at, before=before)
    seq = found.decision.seq if found.decision else -1
    return flaws or [f"nobody entitled has approved the decision in entry {seq}"]


def counted_approvals(
    book: Book, ring: KeyRing, *, model: Entry, found: Standing, stage: str, at: str, before: int | None = None
) -> list[Entry]:
    """The approvals that a promotion may rest on: each person's newest word, without a flaw, saying yes."""
    return [
        entry
        for entry in newest_verdicts(book, found.decision, ring=ring, stage=stage, before=before)
        if entry.body.get("verdict") == "approved"
        and not _approval_flaws(book, ring, entry, model=model, found=found, stage=stage, at=at, before=before)
    ]


def newest_verdicts(
    book: Book,
    decision: Entry | None,
    *,
    ring: KeyRing | None = None,
    stage: str | None = None,
    before: int | None = None,
) -> list[Entry]:
    """Each person's newest approval entry about a decision.

    A statement counts where it first stood: whoever can append cannot bring back a word that its author took back.

    Args:
        ring: leave out entries whose signature does not hold, lest they cover what their author did sign.
        stage: leave out entries for other stages.
        before: look only at entries with a smaller index.
    """
    said = [e for e in _verdicts(book, decision, before) if stage is None or e.body.get("stage") == stage]
    heard = _first_standing(said) if ring is None else ring.sound(said)
    return list({entry.actor: entry for entry in heard}.values())


def _verdicts(book: Book, decision: Entry | None, before: int | None) -> list[Entry]:
    if decision is None:
        return []
    approvals = _before(book.naming("approval", decision.ref.leaf), before)
    return [entry for entry in approvals if _names(entry, "decision", decision)]


def _first_standing(entries: Iterable[Entry]) -> list[Entry]:
    first: dict[bytes, Entry] = {}
    for entry in entries:
        first.setdefault(spoken(entry), entry)
    return list(first.values())


def _approval_flaws(
    book: Book,
    ring: KeyRing,
    entry: Entry,
    *,
    model: Entry,
    found: Standing,
    stage: str,
    at: str,
    before: int | None = None,
) -> list[str]:
    where = f"approval in entry {entry.seq}"
    try:
        signed = ring.check(entry)
    except NotVerified as error:
        return [f"{where}: {error.what}"]
    problems = [f"{where}: {p}" for p in approval_problems(book, ring, model=model, actor=entry.actor)]
    if found.decision is None or found.evaluation is None or signed.speaks_of != found.decision.ref.leaf:
        problems.append(f"{where} was signed for another decision")
    elif entry.body.get("seen") != seen(model, found.evaluation, found.policy):
        problems.append(f"{where}: what the approver saw is not what stands here")
    if entry.body.get("stage") != stage or signed.stage != stage:
        problems.append(f"{where} is for another stage")
    if _is_expired(book, entry, at=at, before=before):
        problems.append(f"{where} expired on {entry.body['expires']}")
    return problems


def _is_expired(book: Book, approval: Entry, *, at: str, before: int | None) -> bool:
    """By the time, or by that of any entry since: a clock that is set back brings no approval to life again."""
    if "expires" not in approval.body:
        return False
    expires = approval.body["expires"]
    if not isinstance(expires, str) or expires <= at:
        return True
    stop = book.size if before is None else before
    since = book.seqs[bisect_right(book.seqs, approval.seq) : bisect_left(book.seqs, stop)]
    return any(entry.recorded_at >= expires for seq in since if (entry := book.at(seq)) is not None)


def seen(model: Entry, evaluation: Entry, policy: Entry) -> dict[str, Value]:
    """The digests that an approver puts their name to."""
    return {"model": model.body.get("digest"), "evaluation": evaluation.ref.leaf, "policy": policy.body.get("digest")}


def recorded_promotion_problems(book: Book, ring: KeyRing, promotion: Entry) -> list[str]:
    """What is wrong with a promotion that stands in the books, judged by what stood there before it."""
    try:
        model = book.get(promotion.body.get("model"))
        signed = ring.check(promotion)
    except (NotFound, NotVerified) as error:
        return [str(error)]
    if model.kind != "model":
        return [f"promotion names entry {model.seq}, a {model.kind}, as its model"]
    problems = []
    if promotion.body.get("model_digest") != model.body.get("digest"):
        problems.append("promotion names other model bytes than the model's entry")
    if not ring.may(promotion.actor, "promote"):
        problems.append(f"{promotion.actor} may not promote")
    stage = str(promotion.body.get("stage"))
    if signed.stage != stage:
        problems.append("promotion was signed for another stage")
    first = ring.sound(book.naming("promotion", model.ref.leaf))  # who repeats a statement repeats its content
    same = next((entry for entry in first if spoken(entry) == spoken(promotion)), promotion)
    if same != promotion:
        problems.append(f"its statement stood first in entry {same.seq}")
    return [
        *problems,
        *_ground_problems(book, ring, promotion, model, signed),
        *promotion_problems(
            book,
            ring,
            model=model,
            stage=stage,
            at=promotion.recorded_at,
            explained=_list(book, promotion, "explained"),
            before=promotion.seq,
        ),
    ]


def _ground_problems(book: Book, ring: KeyRing, promotion: Entry, model: Entry, signed: Signed) -> list[str]:
    """Whether a promotion names, and was signed about, what it rests on."""
    at, stage, before = promotion.recorded_at, str(promotion.body.get("stage")), promotion.seq
    policies = policies_in_force(book, ring=ring, stage=stage, usecase=usecase_of(book, model), at=at, before=before)
    standings = [standing(book, model, policy, before=before) for policy in policies]
    decided = [found.decision for found in standings if found.decision is not None]
    named = [entry for entry in decided if _names(promotion, "decision", entry)]
    problems = [] if named else ["promotion names another decision than those it rests on"]
    if named and signed.speaks_of != named[0].ref.leaf:
        problems.append("promotion was signed about another decision")
    if any(str(promotion.body.get("effective_from")) < entry.recorded_at for entry in decided):
        problems.append("promotion begins before it was decided")
    counted = [
        entry.ref.value()
        for found in standings
        for entry in counted_approvals(book, ring, model=model, found=found, stage=stage, at=at, before=before)
    ]
    if promotion.body.get("approvals") != counted:
        problems.append("promotion does not name the approvals that it rests on")
    return problems


def history(
    book: Book, name: str, *, stage: str = "production", as_of: str | None = None, ring: KeyRing | None = None
) -> list[Tenure]:
    """Which version of a model was in a stage when, oldest first.

    Args:
        as_of: only the version in force at that time.
        ring: leave out promotions that break the rules: they put nothing anywhere. Without it all are taken as they
            stand, for books that were judged before.
    """
    recorded = _promotions(book, name, stage)
    promotions = [pair for pair in recorded if ring is None or not recorded_promotion_problems(book, ring, pair[1])]
    starts = [str(entry.body.get("effective_from")) for _, entry in promotions]
    tenures = [
        Tenure(model, entry, since, until)
        for (model, entry), since, until in zip(promotions, starts, [*starts[1:], None], strict=False)
    ]
    if as_of is None:
        return tenures
    return [t for t in tenures if t.since <= as_of and (t.until is None or as_of < t.until)]


def incumbent(book: Book, name: str, *, stage: str, ring: KeyRing) -> Tenure | None:
    """Which version of a model is in a stage: the last of its :func:`history`, without judging those before it."""
    for model, entry in reversed(_promotions(book, name, stage)):
        if not recorded_promotion_problems(book, ring, entry):
            return Tenure(model, entry, str(entry.body.get("effective_from")), None)
    return None


def _promotions(book: Book, name: str, stage: str) -> list[tuple[Entry, Entry]]:
    """Each promotion of a version of a model to a stage, with that version."""
    pairs = [
        (book.find(entry.body.get("model")), entry)
        for entry in book.naming("promotion", *(version.ref.leaf for version in book.models(name)))
        if entry.body.get("stage") == stage
    ]
    return [(model, entry) for model, entry in pairs if model is not None and model.body.get("name") == name]


# --------------------------------------------------------------------------- reading entries


def _before(entries: Iterable[Entry], before: int | None) -> list[Entry]:
    return [entry for entry in entries if before is None or entry.seq < before]


def _names(entry: Entry, field: str, target: Entry) -> bool:
    try:
        return Ref.of(entry.body.get(field)) == target.ref
    except Malformed:
        return False

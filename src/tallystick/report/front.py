"""The first page: where the model stands, what a board wants to know, what is open.

The headline is read from the newest promotion, approval or decision; nothing is weighed against anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from tallystick.canonical import Value
from tallystick.people import rules
from tallystick.records import Entry
from tallystick.report import charts, measured, words
from tallystick.report.facts import Fact, Headline, Note
from tallystick.report.saying import field, inside, limits_of, title, uncommitted, untracked, value_of, who
from tallystick.report.story import Ground, Story

__all__ = ["headline", "makers_of_rules", "open_points", "severity", "summary", "worst"]


def headline(story: Story) -> Headline:
    """Where the model stands, read from its newest promotion, approval or decision."""
    decision = story.decisions[-1] if story.decisions else None
    promotion = story.promotions[-1] if story.promotions else None
    if promotion is not None:
        return _promoted(story, promotion, decision)
    if decision is None:
        return Headline("Not decided", "No decision about this version is on the ledger.", "open", (story.model.seq,))
    refusals = [
        entry for entry in rules.newest_verdicts(story.book, decision) if entry.body.get("verdict") == "refused"
    ]
    if refusals:
        text = f"{who(story, refusals[-1].actor)} refused it on {words.day(refusals[-1].recorded_at)}."
        return Headline("Refused", text, "bad", (decision.seq, refusals[-1].seq))
    return _decided(story, decision)


def _promoted(story: Story, promotion: Entry, decision: Entry | None) -> Headline:
    stage = words.shortened(str(promotion.body.get("stage")), 40)
    tenure = next((t for t in reversed(story.tenures) if t.promotion.ref == promotion.ref), None)
    since = words.day(promotion.body.get("effective_from"))
    if tenure is not None and tenure.until is not None:
        text = f"It was in {stage} from {since} until {words.day(tenure.until)}, when another version took its place."
        return Headline(f"Replaced in {stage}", text, "open", (promotion.seq,))
    if decision is not None and decision.seq > promotion.seq:
        verdict = words.shortened(str(decision.body.get("verdict")), 20)
        text = f"In {stage} since {since}. It was evaluated again later; that decision says {verdict}."
        tone = "good" if str(decision.body.get("verdict")) in rules.GREEN else "bad"
        return Headline(f"In {stage}", text, tone, (promotion.seq, decision.seq))
    grounds = [entry for entry in story.approvals if entry.ref in promotion.references]
    approved = ", ".join(dict.fromkeys(who(story, entry.actor) for entry in grounds)) or "nobody on record"
    text = f"Approved by {approved}; promoted by {who(story, promotion.actor)}; in force since {since}."
    return Headline(f"In {stage}", text, "good", (promotion.seq, *(entry.seq for entry in grounds)))


def _decided(story: Story, decision: Entry) -> Headline:
    verdict = str(decision.body.get("verdict"))
    stage = words.shortened(str(decision.body.get("stage")), 40)
    if decision.body.get("verificationResult") != "PASSED":
        word = "Inconclusive" if verdict == "inconclusive" else "Refused by its gates"
        text = f"The gates for {stage} say {words.shortened(verdict, 20)}; the version may not be promoted."
        return Headline(word, text, "open" if verdict == "inconclusive" else "bad", (decision.seq,))
    approved = [e for e in rules.newest_verdicts(story.book, decision) if e.body.get("verdict") == "approved"]
    if approved:
        text = f"The gates for {stage} passed and {who(story, approved[-1].actor)} approved; no promotion is recorded."
        return Headline("Approved, not promoted", text, "open", (decision.seq, approved[-1].seq))
    text = f"The gates for {stage} passed; nobody has approved the decision."
    return Headline("Gates passed, not approved", text, "open", (decision.seq,))


def summary(story: Story) -> tuple[Fact, ...]:
    """What a board member wants to know, on one page."""
    usecase, deployed = story.usecase, story.deployments[-1] if story.deployments else None
    return (
        _brief(field(usecase, "Purpose", "intended_use"), 220),
        _brief(field(usecase, "Prohibited", "prohibited_use"), 180),
        _brief(_owner(usecase), 100),
        _trained_on(story),
        *(_gates_in_short(story, ground) for ground in story.grounds[-2:]),
        _fairness_in_short(story),
        _decided_by(story),
        _conditions_in_short(story),
        _brief(field(deployed, "Deployed", "where"), 120),
        field(usecase, "Next review", "next_review"),
    )


def _brief(fact: Fact, longest: int) -> Fact:
    text = words.shortened(fact.text, longest)
    return replace(fact, text=text)


def _owner(usecase: Entry | None) -> Fact:
    owner = field(usecase, "Owner", "owner_group")
    tier = inside(usecase, "tier", "risk_tier", "value").text
    return Fact("Owner, risk tier", f"{owner.text}; risk tier: {tier}", owner.entry, owner.basis, owner.missing)


def _trained_on(story: Story) -> Fact:
    every = story.inputs.get("dataset", [])
    found = [entry for entry in every if entry.body.get("role") == "training"] or every
    if not found:
        return Fact("Trained on", words.NOT_RECORDED, missing=True)
    told = [f"{title(e, 'name', 'version')}, {words.said(e.body.get('rows'))} rows" for e in found[:3]]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    text, seqs = words.shortened("; ".join(told) + more, 160), tuple(entry.seq for entry in found)
    return Fact("Trained on", text, seqs[0], found[0].basis, also=seqs[1:])


def _gates_in_short(story: Story, ground: Ground) -> Fact:
    checks = story.checks(ground.evaluation)
    policy = title(ground.policy, "id", "version")
    if checks is None:
        return Fact("Gates", "check results are not at hand", ground.evaluation.seq, missing=True)
    verdicts = [words.shortened(str(check.get("verdict")), 16) for check in checks]
    order = sorted(set(verdicts), key=lambda word: (-severity(word), word))
    told = ", ".join(f"{words.number(verdicts.count(word))} {word.replace('_', ' ')}" for word in order)
    text = f"{words.plural(len(checks), 'check')} under {policy}: {told}"
    also = () if ground.policy is None else (ground.policy.seq,)
    return Fact("Gates", words.shortened(text, 220), ground.evaluation.seq, ground.evaluation.basis, also=also)


def severity(verdict: str) -> int:
    return rules.SEVERITY.index(verdict) if verdict in rules.SEVERITY else len(rules.SEVERITY)


def _fairness_in_short(story: Story) -> Fact:
    """The worst four bias checks; none that needs a look stands behind one that does not."""
    found = [
        (check, ground.evaluation)
        for ground in story.grounds
        for check in story.checks(ground.evaluation) or ()
        if check.get("type") == "bias"
    ]
    if not found:
        return Fact("Fairness", "no bias check is recorded", missing=True)
    found.sort(key=lambda pair: charts.worst_first(pair[0]))
    told = [_bias_in_short(check) for check, _ in found[:4]]
    more = f"; and {len(found) - 4} more" if len(found) > 4 else ""
    entry = found[0][1]
    also = tuple(dict.fromkeys(other.seq for _, other in found))
    return Fact("Fairness", "; ".join(told) + more, entry.seq, entry.basis, also=also)


def _bias_in_short(check: Mapping[str, Value]) -> str:
    """``sex: equalized odds difference 0.2697 (warn)``."""
    verdict = words.shortened(str(check.get("verdict")), 16).replace("_", " ")
    return f"{_bias_name(check)} {value_of(check)} ({verdict})"


def _bias_name(check: Mapping[str, Value]) -> str:
    own = charts.own_part(str(check.get("id")), str(check.get("gate")))
    return words.shortened(own.replace("_", " ").replace("/", ": "), 72)


def _decided_by(story: Story) -> Fact:
    if not story.approvals:
        return Fact("Approval", "no approval and no refusal is recorded", missing=True)
    told = [
        f"{words.shortened(str(e.body.get('verdict')), 20)} by {who(story, e.actor)} on {words.day(e.recorded_at)}"
        for e in story.approvals[-2:]
    ]
    last, also = story.approvals[-1], tuple(entry.seq for entry in story.approvals[-2:-1])
    rationale = last.body.get("rationale")
    why = f": “{words.shortened(words.said(rationale), 120)}”" if words.absence(rationale) is None else ""
    return Fact("Approval", "; ".join(told) + why, last.seq, last.basis, also=also)


def _conditions_in_short(story: Story) -> Fact:
    found = story.conditions
    if not found:
        return Fact("Conditions", "none recorded")
    told = [
        f"{words.shortened(str(c.get('text')), 110)} (due {words.shortened(str(c.get('due')), 24)})" for _, c in found
    ]
    more = f"; and {len(told) - 2} more" if len(told) > 2 else ""
    also = tuple(dict.fromkeys(entry.seq for entry, _ in found))
    return Fact("Conditions", "; ".join(told[:2]) + more, also[0], found[0][0].basis, also=also[1:])


def open_points(story: Story) -> list[Note]:
    """What failed and what is still open, for the first page; worst first."""
    return sorted(_open_points(story), key=lambda note: note.tone != "bad")


def _open_points(story: Story) -> Iterator[Note]:
    yield from worst(story)
    yield from _unnamed(story)
    both = story.makers_among_approvers
    if both:
        text = f"Approved by a maker of the model: {', '.join(who(story, actor) for actor in both)}."
        yield Note(text, "bad", tuple(entry.seq for entry in story.approvals if entry.actor in both))
    for text, found in (
        ("condition open|conditions open", [entry for entry, _ in story.conditions]),
        ("review finding open|review findings open", story.open_findings),
        ("check waived|checks waived", story.waivers),
        ("earlier evaluation did not pass|earlier evaluations did not pass", story.earlier_failures),
    ):
        one, many = text.split("|")
        if found:
            entries = tuple(dict.fromkeys(entry.seq for entry in found))
            yield Note(f"{words.plural(len(found), one, many)}.", "open", entries)
    yield from makers_of_rules(story)
    yield from _late_policies(story)
    yield from _beside_the_commit(story)
    if story.unmapped_authors:
        text = f"{words.plural(story.unmapped_authors, 'author')} of the code bound to no key."
        yield Note(text, "open", story.commits)


def _unnamed(story: Story) -> Iterator[Note]:
    """Results on data that nobody can find again, and rules that nobody wrote."""
    for ground in story.grounds:
        if not story.names_all_its_data(ground.evaluation):
            text = (
                "Test set: not recorded. The results were measured on data that this ledger does not know: nobody can "
                "say whose data they are, nor whether the model was trained on them."
            )
            yield Note(text, "bad", (ground.evaluation.seq,))
    for policy in story.policies:
        reason = words.absence(policy.body.get("author"))
        if reason is not None:
            text = f"Policy author: {words.shortened(reason, 80)}: nobody but the publisher stands for it."
            yield Note(text, "open", (policy.seq,))


_STANDS_FOR: Final = {"author": "wrote", "approver": "approved"}


def makers_of_rules(story: Story) -> Iterator[Note]:
    """Makers of the model who wrote or approved the rules that it was judged by."""
    for actor, roles, policy in story.makers_of_rules:
        did = " and ".join(_STANDS_FOR[role] for role in roles)
        text = (
            f"{who(story, actor)} made the model and {did} the policy that judged it, {title(policy, 'id', 'version')}."
        )
        yield Note(text, "open", (policy.seq, story.model.seq))


def _late_policies(story: Story) -> Iterator[Note]:
    """Thresholds that could have been chosen with results in hand."""
    for ground in story.grounds:
        scored = story.scored_before(ground)
        if scored is not None and ground.policy is not None:
            text = f"Policy {title(ground.policy, 'id', 'version')} was published after its data were first scored."
            yield Note(text, "open", (ground.policy.seq, scored.seq))


def _beside_the_commit(story: Story) -> Iterator[Note]:
    for commit in story.inputs.get("commit", ()):
        if commit.body.get("dirty") is not False or untracked(commit):
            told = words.said(uncommitted(commit))
            yield Note(f"Uncommitted changes: {told}. The commit alone does not show what ran.", "open", (commit.seq,))


def worst(story: Story) -> Iterator[Note]:
    """The checks that failed, then those that warn, with what they found; as many as the first page has room for."""
    every = [(check, ground.evaluation) for ground in story.grounds for check in story.checks(ground.evaluation) or ()]
    every.sort(key=lambda pair: charts.worst_first(pair[0]))
    failed = [pair for pair in every if pair[0].get("verdict") in ("fail", "error", "inconclusive")]
    warned = [pair for pair in every if pair[0].get("verdict") == "warn"]
    yield from _checks(failed, _MOST_CHECKS, "more check did not pass|more checks did not pass")
    room = max(1, _MOST_CHECKS - len(failed))
    yield from _checks(warned, room, "more check warns|more checks warn")


_MOST_CHECKS: Final = 3


def _checks(found: Sequence[tuple[Mapping[str, Value], Entry]], most: int, more: str) -> Iterator[Note]:
    tones = ["bad" if check.get("verdict") in ("fail", "error") else "open" for check, _ in found]
    for (check, evaluation), tone in list(zip(found, tones, strict=True))[:most]:
        yield Note(_check_in_words(check), tone, (evaluation.seq,))
    rest = found[most:]
    if rest:
        entries = tuple(dict.fromkeys(evaluation.seq for _, evaluation in rest))
        yield Note(f"{words.plural(len(rest), *more.split('|'))}.", tones[most], entries)


def _check_in_words(check: Mapping[str, Value]) -> str:
    """``sex: equalized odds difference 0.27 (warns > 0.10), true positive rate 0.42 (Male) to 0.69 (Female); warn``."""
    verdict = words.shortened(str(check.get("verdict")), 16)
    apart = measured.apart(check) if check.get("type") == "bias" else ""
    if apart:
        return f"{_bias_name(check)} {value_of(check)} ({limits_of(check)}), {apart}; {verdict}."
    reason = words.shortened(str(check.get("reason") or f"value {value_of(check)}"), 120).rstrip(".")
    end = "" if reason.endswith("…") else "."
    return f"{words.shortened(str(check.get('id')), 60)} ({verdict}): {reason}{end}"

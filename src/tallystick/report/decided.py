"""Sections 9 to 13: reviews, limitations, who decided and was entitled to, what became of it, and the law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from tallystick.records import Entry
from tallystick.report import front, words
from tallystick.report.evidence import Control
from tallystick.report.facts import Block, Facts, Note, Row, Section, Table
from tallystick.report.saying import fact, field, inside, items, roles_before, section, table, title, who
from tallystick.report.story import Story

__all__ = [
    "conditions",
    "controls_named",
    "deployment",
    "duties",
    "finding_table",
    "law",
    "limitations",
    "review",
    "tenures",
    "waivers",
    "watch",
]


def review(story: Story) -> Section:
    if not story.reviews:
        return section(9, Note("Independent review: not recorded. Findings: none recorded.", "open"))
    blocks: list[Block] = []
    for review in story.reviews:
        facts = (
            fact(review, "Reviewer", review.actor, say=lambda actor: who(story, actor)),
            fact(review, "When", review.recorded_at, say=words.day),
            field(review, "Scope", "scope"),
            field(review, "Conclusion", "conclusion"),
        )
        blocks.append(Facts(f"review-{review.seq}", "Review by a second line", facts))
        findings = story.findings(review)
        if findings:
            blocks.append(finding_table(story, f"findings-{review.seq}", findings))
        else:
            blocks.append(Note("Findings: none recorded.", "quiet", (review.seq,)))
    return section(9, *blocks)


def finding_table(story: Story, id: str, findings: Sequence[Entry]) -> Table:
    columns = ("Finding", "Severity", "Owner", "Due", "Closure")
    return table(id, "Findings", columns, ("text",) * 5, [_finding(story, entry) for entry in findings])


def _finding(story: Story, entry: Entry) -> Row:
    closure = entry.body.get("closure")
    cells = (
        words.shortened(words.said(entry.body.get("text")), 400),
        words.shortened(words.said(entry.body.get("severity")), 24),
        who(story, entry.body.get("owner")),
        words.said(entry.body.get("due")),
        words.shortened(words.said(closure), 120) if closure is not None else "open",
    )
    return Row(cells, (entry.seq,))


def limitations(story: Story) -> Section:
    own = Facts("limitations", "Limitations", (field(story.model, "Limitations", "limitations"),))
    return section(10, own, conditions(story), *waivers(story))


def conditions(story: Story) -> Block:
    """What approvals were given under."""
    rows = [
        Row(
            (
                words.shortened(words.said(c.get("text")), 400),
                who(story, c.get("owner")),
                words.shortened(words.said(c.get("due")), 40),
                "open: no closure is recorded",
            ),
            (entry.seq,),
        )
        for entry, c in story.conditions
    ]
    if not rows:
        return Note("Conditions and compensating controls: none recorded.", "quiet")
    columns = ("Condition of an approval", "Owner", "Due", "Status")
    return table("conditions", "Conditions and compensating controls", columns, ("text",) * 4, rows)


def waivers(story: Story) -> list[Block]:
    if not story.waivers:
        return [Note("Waivers: none recorded.", "quiet")]
    rows = [
        Row(
            (
                words.shortened(words.said(e.body.get("check")), 80),
                words.shortened(words.said(e.body.get("observed")), 24),
                words.shortened(words.said(e.body.get("worst_covered")), 24),
                words.shortened(words.said(e.body.get("reason")), 300),
                words.shortened(words.said(e.body.get("compensating_controls")), 300),
                who(story, e.body.get("owner")),
                words.day(e.body.get("expires")),
            ),
            (e.seq,),
        )
        for e in story.waivers
    ]
    columns = ("Check", "Observed", "Covers", "Reason", "Compensating controls", "Owner", "Expires")
    return [table("waivers", "Waivers", columns, ("code", "number", "number", "text", "text", "text", "text"), rows)]


def duties(story: Story) -> Section:
    events = sorted(
        [
            story.model,
            *story.evaluations,
            *story.decisions,
            *story.approvals,
            *story.promotions,
            *story.waivers,
            *story.reviews,
        ],
        key=lambda entry: entry.seq,
    )
    rows = [_event(story, entry) for entry in events]
    columns = ("When (UTC)", "What", "Who", "Why entitled")
    blocks: list[Block] = [table("events", "Who did what, and when", columns, ("text",) * 4, rows)]
    blocks += [_verdict_of(story, entry) for entry in story.approvals[-6:]]
    made = [
        Row((who(story, actor), words.shortened("; ".join(reasons), 400)), ())
        for actor, reasons in sorted(story.makers.items())
    ]
    blocks.append(
        table("makers", "Who made it, from recorded authorship", ("Maker", "Because"), ("text", "text"), made)
    )
    return section(11, *blocks, *_separation_of_duties(story))


_DID: Final = {
    "model": ("recorded the model", None),
    "evaluation": ("evaluated:", "verdict"),
    "decision": ("decided:", "verdict"),
    "approval": ("", "verdict"),
    "promotion": ("promoted to", "stage"),
    "waiver": ("waived", "check"),
    "review": ("reviewed:", "conclusion"),
}


def _event(story: Story, entry: Entry) -> Row:
    did, field = _DID[entry.kind]
    what = f"{did} {words.shortened(words.said(entry.body.get(field)), 60)}".strip() if field else did
    roles, given = roles_before(story, entry.actor, entry.seq)
    signed = entry.statement is not None
    why = f"{roles}; signed" if signed else "recording needs no signature"
    entries = (entry.seq, given) if signed and given is not None else (entry.seq,)
    return Row((words.day(entry.recorded_at).removesuffix(" UTC"), what, who(story, entry.actor), why), entries)


def _verdict_of(story: Story, entry: Entry) -> Facts:
    key = story.person(entry.actor)
    return Facts(
        f"approval-{entry.seq}",
        f"{words.shortened(words.said(entry.body.get('verdict')), 24).capitalize()} by {who(story, entry.actor)}",
        (
            fact(entry, "When", entry.recorded_at, say=words.day),
            field(entry, "Rationale", "rationale"),
            field(entry, "Independence, as declared", "independence"),
            inside(entry, "Model digest that was seen", "seen", "model", style="digest"),
            inside(entry, "Evaluation that was seen", "seen", "evaluation", style="digest"),
            inside(entry, "Policy digest that was seen", "seen", "policy", style="digest"),
            field(key, "Signed with key", "fingerprint", style="digest"),
        ),
    )


def _separation_of_duties(story: Story) -> list[Block]:
    both, approvals = story.makers_among_approvers, tuple(entry.seq for entry in story.approvals)
    if not any(e.body.get("verdict") == "approved" for e in story.approvals):
        text, tone = "Makers among the approvers: nobody approved.", "quiet"
    elif both:
        named = ", ".join(who(story, actor) for actor in both)
        text, tone = f"Makers among the approvers: {named}.", "bad"
    else:
        text, tone = "Makers among the approvers: none among recorded authorship and bound identities.", "good"
    blocks: list[Block] = [Note(text, tone, approvals), *_rules_and_makers(story)]
    if story.unmapped_authors:
        people = words.plural(story.unmapped_authors, "author")
        blocks.append(
            Note(f"{people} of the code bound to no key: whether they approved cannot be said.", "open", story.commits)
        )
    return blocks


def _rules_and_makers(story: Story) -> list[Block]:
    """Whether those who made the model stand for the rules that judged it."""
    found: list[Block] = list(front.makers_of_rules(story))
    for policy in story.policies:
        for role in ("author", "approver"):
            actor = policy.body.get(role)
            if isinstance(actor, str) and story.person(actor) is None:
                whose = f"{role.capitalize()} of policy {title(policy, 'id', 'version')}: {words.shortened(actor, 64)}"
                text = f"{whose}, who has no key on this ledger: whether they made the model cannot be said."
                found.append(Note(text, "open", (policy.seq,)))
    named = (isinstance(policy.body.get(role), str) for policy in story.policies for role in ("author", "approver"))
    if story.policies and not found and all(named):
        text = (
            "Makers among authors and approvers of the policies: none among recorded authorship and bound identities."
        )
        found.append(Note(text, "good", tuple(policy.seq for policy in story.policies)))
    return found


def deployment(story: Story) -> Section:
    rows = [
        Row(
            (
                words.shortened(words.said(e.body.get("where")), 120),
                words.day(e.body.get("seen_from")),
                words.shortened(words.said(e.body.get("by")), 60),
                words.said(e.body.get("cutoff")),
            ),
            (e.seq,),
        )
        for e in story.deployments
    ]
    columns = ("Where", "Seen from", "By", "Cut-off in force")
    deployed: Block = Note("Deployment: not recorded. Nobody has reported these model bytes from production.", "open")
    if rows:
        deployed = table("deployments", "Deployment", columns, ("text", "text", "text", "number"), rows)
    return section(12, *tenures(story), *_stages(story), deployed, watch(story))


def tenures(story: Story) -> list[Block]:
    rows = [
        Row(
            (title(t.promotion, "stage"), words.day(t.since), words.day(t.until) if t.until else "in force"),
            (t.promotion.seq,),
        )
        for t in story.tenures
    ]
    return [table("tenures", "Promotions", ("Stage", "From", "Until"), ("text",) * 3, rows)] if rows else []


def _stages(story: Story) -> list[Block]:
    """Which versions of the model were in those stages, newest first; nothing where there was only one tenure."""
    every = story.stage_history
    rows = [
        Row(
            (
                title(t.promotion, "stage"),
                f"version {words.said(t.model.body.get('version'))}",
                words.day(t.since),
                words.day(t.until) if t.until else "in force",
            ),
            (t.promotion.seq,),
        )
        for t in reversed(every)
    ]
    columns = ("Stage", "Version", "From", "Until")
    heading = "Who was in the stage, and when"
    told = len(rows) > 1 or (rows and not story.tenures)
    return [table("stages", heading, columns, ("text",) * 4, rows)] if told else []


def watch(story: Story) -> Facts:
    named = story.book.holding("alert", digest) if isinstance(digest := story.model.body.get("digest"), str) else ()
    alerts = [entry for entry in named if entry.seq > story.model.seq]
    told = f"{words.plural(len(alerts), 'alert')} recorded" if alerts else None
    return Facts(
        "monitoring",
        "Monitoring and next review",
        (
            replace(fact(alerts[-1] if alerts else None, "Monitoring", told), also=tuple(e.seq for e in alerts)),
            field(story.usecase, "Next review", "next_review"),
        ),
    )


_CLOSED_BY: Final = {
    "A": "open: evidence in records; a person judges it",
    "P": "open: evidence in records in part; a person judges it",
    "H": "open: human only; records cannot close it",
}


def controls_named(story: Story) -> list[tuple[str, Entry]]:
    """The controls that policies name, each with the policy."""
    return [
        (str(control), ground.policy)
        for ground in story.grounds
        if ground.policy is not None
        for control in items(ground.policy.body.get("controls"))
    ]


def law(story: Story, catalogue: Mapping[str, Control]) -> Section:
    """Section 13."""
    named = controls_named(story)
    said = Note(f"As of {words.day(story.as_of)}. Draft mapping, not legal advice.", "open", source="request")
    if not named:
        return section(13, said, Note("Controls: the policies name none.", "quiet"))
    rows = [_control(id, policy, catalogue.get(id)) for id, policy in named]
    columns = ("Control", "Clause", "Policy", "Status")
    listed = table("controls", "Controls named by the policy", columns, ("code", "text", "text", "text"), rows)
    note = "The entries of this report are evidence towards these controls. No control is closed by software."
    return section(13, said, listed, Note(note, "quiet"))


def _control(id: str, policy: Entry, control: Control | None) -> Row:
    clause = f"{control.framework}, {control.ref}: {control.title}" if control else "not in the catalogue at hand"
    status = _CLOSED_BY.get(control.auto if control else "", "open: a person judges it")
    cells = (words.shortened(id, 60), words.shortened(clause, 160), title(policy, "id", "version"), status)
    return Row(cells, (policy.seq,))

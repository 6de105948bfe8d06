"""The fourteen sections of the audit report, each a function from a story to blocks.

Every section prints what entries say, with the entry beside it. What is absent is printed with its reason. No number is
computed here that a gate did not record, and no verdict is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from tallystick.canonical import Value
from tallystick.people import rules
from tallystick.records import LEDGER_ACTOR, Entry
from tallystick.report import charts, words
from tallystick.report.facts import Block, CheckCard, Fact, Facts, Headline, Note, Row, Section, Table
from tallystick.report.story import Ground, Story, inputs_of

__all__ = [
    "SECTIONS",
    "SOUGHT",
    "Control",
    "Scope",
    "headline",
    "law",
    "not_proven",
    "open_points",
    "opinion",
    "summary",
    "who",
]

_MOST_ROWS: Final = 48
_MOST_CARDS: Final = 12
_MOST_GATES: Final = 10
_WANTS_A_LOOK: Final = frozenset({"fail", "error", "inconclusive", "not_evaluable", "warn", "waived"})
SOUGHT: Final = frozenset({"usecase", "dataset", "model"})
"""Kinds whose absent fields are also listed on the first page."""


_Say = Callable[[Value], str]
"""How a value that is there is said."""

# --------------------------------------------------------------------------- facts from entries


def _fact(entry: Entry | None, label: str, value: Value, *, style: str = "text", say: _Say = words.said) -> Fact:
    """A fact from a value of an entry; an absent value gives its reason."""
    if entry is None:
        return Fact(label, words.NOT_RECORDED, missing=True)
    reason = words.absence(value)
    if reason is not None:
        return Fact(label, reason, entry.seq, entry.basis, missing=True)
    return Fact(label, say(value), entry.seq, entry.basis, style=style)


def _field(entry: Entry | None, label: str, name: str, *, style: str = "text", say: _Say = words.said) -> Fact:
    return _fact(entry, label, entry.body.get(name) if entry is not None else None, style=style, say=say)


def _within(value: Value, *path: str) -> Value:
    """A nested value; an absence on the way is what is found."""
    for name in path:
        if not isinstance(value, Mapping) or words.absence(value) is not None:
            return value if words.absence(value) is not None else None
        value = value.get(name)
    return value


def _inside(entry: Entry | None, label: str, *path: str, style: str = "text", say: _Say = words.said) -> Fact:
    return _fact(entry, label, _within(entry.body, *path) if entry is not None else None, style=style, say=say)


def _items(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


def _title(entry: Entry | None, *fields: str) -> str:
    """``name version`` of an entry, on one short line."""
    if entry is None:
        return words.NOT_RECORDED
    return words.shortened(
        " ".join(str(entry.body.get(name)) for name in fields if entry.body.get(name) is not None), 80
    )


def _table(id: str, title: str, columns: Sequence[str], styles: Sequence[str], rows: Iterable[Row]) -> Table:
    found = list(rows)
    kept = tuple(found[:_MOST_ROWS])
    return Table(id, title, tuple(columns), kept, tuple(styles), len(found) - len(kept))


def who(story: Story, actor: Value) -> str:
    """An actor's name, if it is on the books and not erased, and the pseudonym."""
    text = words.shortened(str(actor), 64)
    if text == LEDGER_ACTOR:
        return "the ledger itself"
    key = story.persons.get(str(actor))
    name = story.book.personal(key, "name") if key is not None else None
    return f"{words.shortened(name, 60)} ({text})" if name else text


def _roles(story: Story, actor: str, before: int) -> tuple[str, int | None]:
    """The roles that an actor held when an entry was made, and the entry that gave them."""
    giving = [e for e in story.book.of_kind("key", "role") if e.body.get("actor") == actor and e.seq < before]
    if not giving:
        return "no key on this ledger", None
    return words.said(giving[-1].body.get("roles")), giving[-1].seq


# --------------------------------------------------------------------------- the first page


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
        tone = "good" if decision.body.get("verdict") in rules.GREEN else "bad"
        return Headline(f"In {stage}", text, tone, (promotion.seq, decision.seq))
    text = f"Approved and promoted to {stage} by {who(story, promotion.actor)}, in force since {since}."
    return Headline(f"In {stage}", text, "good", (promotion.seq,))


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
        _brief(_field(usecase, "Purpose", "intended_use"), 300),
        _brief(_field(usecase, "Prohibited", "prohibited_use"), 200),
        _brief(_owner(usecase), 160),
        _trained_on(story),
        *(_gates_in_short(story, ground) for ground in story.grounds[-2:]),
        _fairness_in_short(story),
        _decided_by(story),
        _conditions_in_short(story),
        _brief(_field(deployed, "Deployed", "where"), 120),
        _field(usecase, "Next review", "next_review"),
    )


def _brief(fact: Fact, longest: int) -> Fact:
    text = words.shortened(fact.text, longest)
    return Fact(fact.label, text, fact.entry, fact.basis, fact.missing, fact.style)


def _owner(usecase: Entry | None) -> Fact:
    owner = _field(usecase, "Owner", "owner_group")
    tier = _inside(usecase, "tier", "risk_tier", "value").text
    return Fact("Owner, risk tier", f"{owner.text}; risk tier: {tier}", owner.entry, owner.basis, owner.missing)


def _trained_on(story: Story) -> Fact:
    found = story.inputs.get("dataset", [])
    if not found:
        return Fact("Trained on", words.NOT_RECORDED, missing=True)
    told = [f"{_title(e, 'name', 'version')}, {words.said(e.body.get('rows'))} rows" for e in found[:3]]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return Fact("Trained on", words.shortened("; ".join(told) + more, 200), found[0].seq, found[0].basis)


def _gates_in_short(story: Story, ground: Ground) -> Fact:
    checks = story.checks(ground.evaluation)
    policy = _title(ground.policy, "id", "version")
    if checks is None:
        return Fact("Gates", "check results are not at hand", ground.evaluation.seq, missing=True)
    verdicts = [words.shortened(str(check.get("verdict")), 16) for check in checks]
    told = ", ".join(f"{verdicts.count(word)} {word.replace('_', ' ')}" for word in dict.fromkeys(sorted(verdicts)))
    text = f"{words.plural(len(checks), 'check')} under {policy}: {told}"
    return Fact("Gates", words.shortened(text, 220), ground.evaluation.seq, ground.evaluation.basis)


def _fairness_in_short(story: Story) -> Fact:
    told, entry = [], None
    for ground in story.grounds:
        for check in story.checks(ground.evaluation) or ():
            if check.get("type") == "bias":
                entry = ground.evaluation
                verdict = words.shortened(str(check.get("verdict")), 16).replace("_", " ")
                told.append(f"{words.shortened(str(check.get('id')), 40)} {_value(check)} ({verdict})")
    if entry is None:
        return Fact("Fairness", "no bias check is recorded", missing=True)
    more = f"; and {len(told) - 4} more" if len(told) > 4 else ""
    return Fact("Fairness", "; ".join(told[:4]) + more, entry.seq, entry.basis)


def _decided_by(story: Story) -> Fact:
    if not story.approvals:
        return Fact("Approval", "no approval and no refusal is recorded", missing=True)
    told = [
        f"{words.shortened(str(e.body.get('verdict')), 20)} by {who(story, e.actor)} on {words.day(e.recorded_at)}"
        for e in story.approvals[-2:]
    ]
    last = story.approvals[-1]
    return Fact("Approval", "; ".join(told), last.seq, last.basis)


def _conditions(story: Story) -> list[tuple[Entry, Mapping[str, Value]]]:
    return [
        (entry, condition)
        for entry in story.approvals
        if entry.body.get("verdict") == "approved"
        for condition in _items(entry.body.get("conditions"))
        if isinstance(condition, Mapping)
    ]


def _conditions_in_short(story: Story) -> Fact:
    found = _conditions(story)
    if not found:
        return Fact("Conditions", "none recorded")
    told = [
        f"{words.shortened(str(c.get('text')), 110)} (due {words.shortened(str(c.get('due')), 24)})" for _, c in found
    ]
    more = f"; and {len(told) - 2} more" if len(told) > 2 else ""
    return Fact("Conditions", "; ".join(told[:2]) + more, found[0][0].seq, found[0][0].basis)


def open_points(story: Story) -> Iterator[Note]:
    """What failed and what is still open, for the first page; worst first."""
    for ground in story.grounds:
        yield from _failing(story, ground)
    both = _makers_among_approvers(story)
    if both:
        yield Note(f"Approved by a maker of the model: {', '.join(who(story, actor) for actor in both)}.", "bad")
    for text, found in (
        ("condition open|conditions open", [entry for entry, _ in _conditions(story)]),
        ("review finding open|review findings open", _open_findings(story)),
        ("check waived|checks waived", story.waivers),
        ("earlier evaluation did not pass|earlier evaluations did not pass", story.earlier_failures),
    ):
        one, many = text.split("|")
        if found:
            entries = tuple(dict.fromkeys(entry.seq for entry in found))
            yield Note(f"{words.plural(len(found), one, many)}.", "open", entries[:6])
    if story.unmapped_authors:
        yield Note(f"{words.plural(story.unmapped_authors, 'author')} of the code bound to no key.", "open")


def _failing(story: Story, ground: Ground) -> Iterator[Note]:
    bad = [c for c in story.checks(ground.evaluation) or () if c.get("verdict") in ("fail", "error", "inconclusive")]
    for check in bad[:3]:
        verdict = words.shortened(str(check.get("verdict")), 16)
        reason = words.shortened(str(check.get("reason") or f"value {_value(check)}"), 260)
        text = f"{words.shortened(str(check.get('id')), 60)} ({verdict}): {reason}."
        tone = "open" if verdict == "inconclusive" else "bad"
        yield Note(text.replace("..", "."), tone, (ground.evaluation.seq,))
    if len(bad) > 3:
        yield Note(f"{len(bad) - 3} more checks did not pass.", "bad", (ground.evaluation.seq,))


def _open_findings(story: Story) -> list[Entry]:
    return [e for review in story.reviews for e in story.findings(review) if e.body.get("closure") is None]


def _makers_among_approvers(story: Story) -> list[str]:
    approvers = {e.actor for e in story.approvals if e.body.get("verdict") == "approved"}
    return sorted(approvers & set(story.makers))


# --------------------------------------------------------------------------- 1 to 3


class Scope:
    """What the caller says about the ledger as a whole: up to where the report speaks, and what holds it."""

    def __init__(
        self,
        *,
        origin: str,
        size: int,
        root: str,
        as_of: str,
        key_fingerprint: str,
        vkey: str,
        anchor: Mapping[str, Value],
        un_anchored: int,
    ) -> None:
        self.origin = words.shortened(origin, 200)
        self.size = size
        self.root = words.visible(root)
        self.as_of = as_of
        self.key_fingerprint = words.visible(key_fingerprint)
        self.vkey = words.visible(vkey)
        self.anchor = anchor
        self.un_anchored = un_anchored

    def un_anchored_text(self) -> str:
        if not self.un_anchored:
            return "no entry"
        first = max(self.size - self.un_anchored, 0)
        span = f"{first}" if self.un_anchored == 1 else f"{first} to {self.size - 1}"
        return f"{words.plural(self.un_anchored, 'entry', 'entries')} ({span})"


def opinion(story: Story, scope: Scope, head: Headline) -> Section:
    """Section 1."""
    model = story.model
    stages = dict.fromkeys(str(e.body.get("stage")) for e in [*story.decisions, *story.promotions])
    about = Facts(
        "scope",
        "Scope",
        (
            _fact(
                model, "Model and version", f"{model.body.get('name')}, version {words.said(model.body.get('version'))}"
            ),
            _field(model, "Model digest (SHA-256)", "digest", style="digest"),
            Fact("Stage", words.visible(", ".join(stages)) if stages else "none: no decision is recorded"),
            Fact("As of", words.day(scope.as_of)),
            Fact("Ledger", scope.origin, style="code"),
            Fact("Entries covered", f"{words.plural(scope.size, 'entry', 'entries')}, from index 0"),
        ),
    )
    size = scope.anchor.get("size")
    held = f"{words.visible(str(scope.anchor.get('text') or 'none'))}"
    anchor = Facts(
        "anchor",
        "Anchor",
        (
            Fact("Checkpoint root", scope.root, style="digest"),
            Fact(
                "Anchor outside the ledger", held + (f" (entries below {words.said(size)})" if size is not None else "")
            ),
            Fact("Un-anchored", scope.un_anchored_text()),
            Fact("Ledger key, fingerprint", scope.key_fingerprint, style="digest"),
            Fact("Ledger key, verifier form", scope.vkey, style="code"),
            Fact("Source of the key", "printed here for comparison only; take it from a source other than this file"),
        ),
    )
    return _section(
        1,
        Note(f"{head.word}. {head.sentence}", head.tone, head.entries),
        Note("This report gives no opinion of its own: it prints what was recorded and decided, each with its entry."),
        about,
        anchor,
        Note(
            "With our public key and a checkpoint obtained independently: the entries up to that checkpoint are "
            "unaltered and in order. Whether they are true is not shown.",
            "quiet",
        ),
    )


def _use_case(story: Story) -> Section:
    entry = story.usecase
    validators = sorted({who(story, review.actor) for review in story.reviews})
    tier = _inside(entry, "Risk tier", "risk_tier", "value")
    if tier.missing:
        tier = Fact("Risk tier", f"{tier.text}; treated as the highest", tier.entry, tier.basis, missing=True)
    return _section(
        2,
        Facts(
            "usecase",
            "Use case",
            (
                _field(entry, "Name", "name"),
                _field(entry, "Intended use", "intended_use"),
                _field(entry, "Prohibited use", "prohibited_use"),
                _field(entry, "Jurisdictions", "jurisdictions"),
                _field(entry, "Affected groups", "affected_groups"),
                _field(entry, "Human oversight", "oversight"),
            ),
        ),
        Facts(
            "owner",
            "Owner and risk tier",
            (
                _field(entry, "Owner", "owner_group"),
                _validator(story, validators),
                tier,
                _inside(entry, "Rationale of the tier", "risk_tier", "rationale"),
                _inside(entry, "Tier assigned by", "risk_tier", "assigned_by", say=lambda actor: who(story, actor)),
            ),
        ),
    )


def _validator(story: Story, validators: list[str]) -> Fact:
    if not validators:
        return Fact("Validator", words.NOT_RECORDED, missing=True)
    return Fact("Validator", ", ".join(validators), story.reviews[-1].seq, story.reviews[-1].basis)


def _changes(story: Story) -> Section:
    before = story.previous
    if before is None:
        return _section(
            3, Note("This is the first recorded version of the model: there is nothing to compare it with.")
        )
    lines = [
        *_changed_inputs(story, before),
        *_changed_features(story.model, before),
        *_changed_verdicts(story, before),
    ]
    rows = [Row((label, *cells), (before.seq, story.model.seq)) for label, *cells in lines]
    old, new = words.said(before.body.get("version")), words.said(story.model.body.get("version"))
    columns = ("What", f"Version {words.shortened(old, 20)}", f"Version {words.shortened(new, 20)}")
    return _section(3, _table("changes", "Against the version before", columns, ("text", "text", "text"), rows))


def _changed_inputs(story: Story, before: Entry) -> list[tuple[str, str, str]]:
    old_run, new_run = story.book.find(before.body.get("run")), story.run
    old, new = inputs_of(story.book, old_run), story.inputs
    lines = [
        ("Training data", _told_data(old), _told_data(new)),
        ("Code", _told_commit(old), _told_commit(new)),
        *_changed_params(old, new),
        *_changed_packages(story, old, new),
        ("Command", *(_told_command(run) for run in (old_run, new_run))),
    ]
    return [(label, a, b if a != b else "unchanged") for label, a, b in lines]


def _told_data(inputs: Mapping[str, list[Entry]]) -> str:
    told = [
        f"{_title(e, 'name', 'version')} ({words.short(_within(e.body, 'distribution', 'sha256'))})"
        for e in inputs.get("dataset", ())
    ]
    return "; ".join(told) or words.NOT_RECORDED


def _told_commit(inputs: Mapping[str, list[Entry]]) -> str:
    told = [
        words.short(e.body.get("gitCommit")) + (" with uncommitted changes" if e.body.get("dirty") is True else "")
        for e in inputs.get("commit", ())
    ]
    return "; ".join(told) or words.NOT_RECORDED


def _told_command(run: Entry | None) -> str:
    return words.shortened(" ".join(map(str, _items(run.body.get("command")))), 160) if run else words.NOT_RECORDED


def _values(inputs: Mapping[str, list[Entry]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in inputs.get("params", ()):
        values = entry.body.get("values")
        if isinstance(values, Mapping):
            found |= {str(name): words.shortened(words.said(value), 80) for name, value in values.items()}
        for name in ("seeds", "decision_cutoff"):
            found[name.replace("_", " ")] = words.shortened(words.said(entry.body.get(name)), 80)
    return found


def _changed_params(old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]) -> list[tuple[str, str, str]]:
    a, b = _values(old), _values(new)
    changed = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    lines = [(f"Parameter {words.shortened(n, 40)}", a.get(n, "not set"), b.get(n, "not set")) for n in changed[:20]]
    if len(changed) > 20:
        lines.append((f"{len(changed) - 20} more parameters", "", "changed"))
    return lines or [
        ("Parameters", "as recorded" if a else words.NOT_RECORDED, "as recorded" if b else words.NOT_RECORDED)
    ]


def _packages(story: Story, inputs: Mapping[str, list[Entry]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in inputs.get("environment", ()):
        found["python"] = words.said(entry.body.get("python"))
        for line in _items(story.book.field(entry, "packages")):
            if isinstance(line, Mapping):
                found[words.shortened(str(line.get("name")), 60)] = words.shortened(str(line.get("version")), 40)
    return found


def _changed_packages(
    story: Story, old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]
) -> list[tuple[str, str, str]]:
    a, b = _packages(story, old), _packages(story, new)
    changed = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    if not changed:
        return [("Environment", _told_packages(a), _told_packages(b))]
    lines = [(f"Package {name}", a.get(name, "not there"), b.get(name, "not there")) for name in changed[:12]]
    return lines + ([(f"{len(changed) - 12} more packages", "", "changed")] if len(changed) > 12 else [])


def _told_packages(packages: Mapping[str, str]) -> str:
    return words.plural(len(packages), "package") if packages else words.NOT_RECORDED


def _changed_features(model: Entry, before: Entry) -> list[tuple[str, str, str]]:
    lines = []
    for label, path in (("Features used", "used"), ("Protected features", "protected")):
        a, b = (words.said(_within(entry.body, "features", path)) for entry in (before, model))
        lines.append((label, words.shortened(a, 200), words.shortened(b, 200) if a != b else "unchanged"))
    return lines


def _changed_verdicts(story: Story, before: Entry) -> list[tuple[str, str, str]]:
    old = [e for e in story.book.of_kind("evaluation") if e.body.get("model_digest") == before.body.get("digest")]
    new = story.grounds
    a = f"{words.said(old[-1].body.get('verdict'))} [{old[-1].seq}]" if old else "not evaluated"
    b = f"{words.said(new[-1].evaluation.body.get('verdict'))} [{new[-1].evaluation.seq}]" if new else "not evaluated"
    return [("Verdict of the gates", a, b)]


# --------------------------------------------------------------------------- 4 and 5


def _data(story: Story) -> Section:
    if not story.datasets:
        return _section(4, Note("Data: not recorded.", "open"))
    blocks = [_dataset(entry) for entry in story.datasets[:12]]
    if len(story.datasets) > 12:
        blocks.append(Note(f"{len(story.datasets) - 12} more datasets stand in the evidence."))
    return _section(4, *blocks, _separation(story))


def _dataset(entry: Entry) -> Block:
    return Facts(
        f"dataset-{entry.seq}",
        f"{_title(entry, 'name', 'version')}",
        (
            _field(entry, "Role", "role"),
            _field(entry, "Rows", "rows", style="number"),
            _fact(entry, "Columns", len(_items(entry.body.get("fields"))), style="number"),
            _field(entry, "Data window", "temporal_coverage"),
            _inside(entry, "Label", "label", "definition"),
            _inside(entry, "Horizon of the label", "label", "horizon"),
            _inside(entry, "Favourable outcome", "label", "favourable_outcome"),
            _field(entry, "Sampling", "sampling"),
            _field(entry, "Exclusions", "exclusions"),
            _inside(entry, "Sensitive columns", "sensitive_fields", "columns"),
            _inside(entry, "How they were obtained", "sensitive_fields", "obtained"),
            _field(entry, "Licence", "licence"),
            _inside(entry, "Location", "distribution", "contentUrl"),
            _inside(entry, "Content digest (tree)", "distribution", "sha256", style="digest"),
        ),
    )


def _separation(story: Story) -> Facts:
    """How training and test data are kept apart: what was recorded of it."""
    split = [entry for entry in story.datasets if "split_membership" in entry.body]
    return Facts(
        "split",
        "Split and leakage",
        (
            _field(split[-1] if split else None, "Split membership, digest", "split_membership", style="digest"),
            _leakage(story),
        ),
    )


def _leakage(story: Story) -> Fact:
    for ground in story.grounds:
        for check in story.checks(ground.evaluation) or ():
            if "leak" in f"{check.get('type')} {check.get('id')}" or "overlap" in str(check.get("id")):
                text = f"{check.get('id')}: {check.get('verdict')}; {check.get('reason')}"
                return Fact("Overlap of training and test data", words.visible(text), ground.evaluation.seq, "observed")
    return Fact("Overlap of training and test data", words.NOT_RECORDED, missing=True)


def _method(story: Story) -> Section:
    blocks: list[Block] = [_lineage(story), _code(story), _training(story)]
    for entry in story.inputs.get("params", ()):
        values = entry.body.get("values")
        if isinstance(values, Mapping):
            rows = [
                Row((words.shortened(str(name), 60), words.shortened(words.said(values[name]), 200)), (entry.seq,))
                for name in sorted(values)
            ]
            blocks.append(_table(f"params-{entry.seq}", "Parameters", ("Name", "Value"), ("code", "code"), rows))
    return _section(5, *blocks, _surroundings(story))


def _code(story: Story) -> Facts:
    entry = next(iter(story.inputs.get("commit", ())), None)
    return Facts(
        "code",
        "Code",
        (
            _field(entry, "Repository", "repository"),
            _field(entry, "Commit", "gitCommit", style="digest"),
            _field(entry, "Tree", "gitTree", style="digest"),
            _field(entry, "Uncommitted changes", "dirty"),
            _field(entry, "Patch, digest", "patch_sha256", style="digest"),
            _inside(entry, "Signature of the commit", "signature", "status"),
            _inside(entry, "Signature checked by", "signature", "verified_by"),
            _authors(story, entry),
        ),
    )


def _authors(story: Story, commit: Entry | None) -> Fact:
    label = "Authors of the code"
    authors = commit.body.get("authors") if commit is not None else None
    if commit is None or words.absence(authors) is not None or not isinstance(authors, Mapping):
        return _fact(commit, label, authors)
    known = [who(story, actor) for actor in _items(authors.get("actors"))[:12]]
    text = (", ".join(known) or "none bound to a key") + f"; {words.said(authors.get('unmapped'))} bound to no key"
    if authors.get("complete") is not True:
        text += "; the history is not complete"
    return _fact(commit, label, text)


def _training(story: Story) -> Facts:
    run = story.run
    params = next(iter(story.inputs.get("params", ())), None)
    failed = [e for e in story.book.of_kind("run") if e.body.get("status") == "failed" and e.seq < story.model.seq]
    return Facts(
        "training",
        "Training run",
        (
            _field(run, "Run", "name") if run is not None else _field(story.model, "Run", "run"),
            _field(run, "Status", "status"),
            _field(run, "Command", "command", style="code", say=lambda c: words.visible(" ".join(map(str, _items(c))))),
            _inside(run, "Started", "runDetails", "metadata", "startedOn", say=words.day),
            _inside(run, "Finished", "runDetails", "metadata", "finishedOn", say=words.day),
            _inside(run, "Recorded by", "runDetails", "builder", "id", style="code"),
            _field(params, "Seeds", "seeds"),
            _field(params, "Decision cut-off", "decision_cutoff", style="number"),
            _field(params, "Candidates tried", "candidates_tried", style="number"),
            Fact("Recorded runs that failed before", words.count(len(failed)), failed[-1].seq if failed else None),
        ),
    )


def _surroundings(story: Story) -> Facts:
    entry = next(iter(story.inputs.get("environment", ())), None)
    packages = story.book.field(entry, "packages") if entry is not None else None
    return Facts(
        "environment",
        "Environment",
        (
            _field(entry, "Python", "python"),
            _field(entry, "Platform", "platform"),
            _fact(
                entry, "Packages", words.plural(len(packages), "package") if isinstance(packages, list) else packages
            ),
            _inside(entry, "Lock file, digest", "lock_file", "sha256", style="digest"),
            _field(entry, "Image, digest", "image_digest", style="digest"),
            _field(entry, "Accelerator", "accelerator"),
        ),
    )


def _lineage(story: Story) -> charts.Lineage:
    """The picture of section 5."""
    inputs = [
        _node(e) for kind in ("dataset", "commit", "params", "environment") for e in story.inputs.get(kind, ())[:3]
    ]
    run = _node(story.run) if story.run else charts.Node("run", "run", "not recorded", "", None)
    model = _node(story.model)
    wires = [(node.id, run.id) for node in inputs] + [(run.id, model.id)]
    columns = [inputs or [charts.Node("inputs", "inputs", "not recorded", "", None)], [run], [model]]
    lower, more = _decision_path(story, model.id)
    return charts.lineage([*columns, *lower], wires + more)


def _decision_path(story: Story, model: str) -> tuple[list[list[charts.Node]], list[tuple[str, str]]]:
    ground = story.grounds[-1] if story.grounds else None
    if ground is None:
        nothing = charts.Node("evaluation", "evaluation", "not recorded", "", None)
        return [[], [nothing]], [(model, "evaluation")]
    used = [_node(e) for e in (ground.policy, *story.test_data[:3]) if e is not None]
    evaluation = _node(ground.evaluation)
    decision = (
        _node(ground.decision) if ground.decision else charts.Node("decision", "decision", "not recorded", "", None)
    )
    approvals = [_node(e) for e in story.approvals[-3:]] or [
        charts.Node("approval", "approval", "not recorded", "", None)
    ]
    promotions = [_node(e) for e in story.promotions[-2:]] or [
        charts.Node("promotion", "promotion", "not recorded", "", None)
    ]
    wires = [(model, evaluation.id), (evaluation.id, decision.id)] + [(node.id, evaluation.id) for node in used]
    wires += [(decision.id, node.id) for node in approvals]
    wires += [(node.id, promotions[-1].id) for node in approvals]
    return [used, [evaluation], [decision], approvals, promotions], wires


def _node(entry: Entry) -> charts.Node:
    body = entry.body
    name = {
        "dataset": _title(entry, "name"),
        "commit": _title(entry, "ref"),
        "params": f"{len(body['values'])} values" if isinstance(body.get("values"), Mapping) else "",
        "environment": f"Python {_title(entry, 'python')}",
        "run": _title(entry, "name"),
        "model": f"version {_title(entry, 'version')}",
        "policy": _title(entry, "id", "version"),
        "promotion": _title(entry, "stage"),
    }.get(entry.kind) or _title(entry, "verdict")
    digest = {
        "dataset": _within(body, "distribution", "sha256"),
        "commit": body.get("gitCommit"),
    }.get(entry.kind, body.get("digest", entry.ref.leaf))
    tone = words.shortened(str(body.get("verdict", "")), 16)
    label = words.shortened(name, 21)
    return charts.Node(f"e{entry.seq}", entry.kind, label, words.shortened(words.said(digest), 10), entry.seq, tone)


# --------------------------------------------------------------------------- 6 to 8


def _value(check: Mapping[str, Value]) -> str:
    """The recorded value of a check, with digits enough to tell it from its limits."""
    value = words.numeric(check.get("value"))
    if value is None:
        return words.shortened(words.said(check["value"]), 40) if check.get("value") is not None else "no value"
    threshold = check.get("threshold")
    found = [charts.limit(_within(threshold, name)) for name in ("fail_if", "warn_if")]
    return words.number(value, *(item.at for item in found if item is not None))


def _limits(check: Mapping[str, Value]) -> str:
    threshold = check.get("threshold")
    pairs = (("fails", _within(threshold, "fail_if")), ("warns", _within(threshold, "warn_if")))
    return "; ".join(f"{word} if {words.shortened(str(text), 40)}" for word, text in pairs if text) or "none"


def _interval(check: Mapping[str, Value]) -> str:
    interval = check.get("interval")
    low, high = words.numeric(_within(interval, "low")), words.numeric(_within(interval, "high"))
    if low is None or high is None:
        return "none"
    confidence = words.numeric(_within(interval, "confidence"))
    method = words.shortened(str(_within(interval, "method") or ""), 40)
    how = ", ".join(part for part in (f"{confidence * 100:g} %" if confidence else "", method) if part)
    return f"{words.number(low)} to {words.number(high)}" + (f" ({how})" if how else "")


def _tests(story: Story) -> Section:
    if not story.grounds:
        return _section(6, Note("Evaluation: not recorded. No gate has looked at this version.", "open"))
    blocks: list[Block] = []
    for ground in story.grounds:
        blocks += _one_evaluation(story, ground)
    return _section(6, *blocks, *_looks(story))


def _one_evaluation(story: Story, ground: Ground) -> list[Block]:
    evaluation, checks = ground.evaluation, story.checks(ground.evaluation)
    blocks: list[Block] = [_policy(story, ground.policy), _evaluation(ground)]
    if checks is None:
        return [
            *blocks,
            Note("The check results stand in an attachment that is not at hand.", "bad", (evaluation.seq,)),
        ]
    rows = [_check_row(check, evaluation) for check in checks]
    columns = ("Check", "Verdict", "Value", "Limits", "n", "Interval", "Replay")
    styles = ("code", "verdict", "number", "text", "number", "text", "text")
    blocks.append(_table(f"checks-{evaluation.seq}", "Check results", columns, styles, rows))
    for gate, members in _by_gate(checks)[:_MOST_GATES]:
        if members[0].get("type") != "bias":
            blocks += _gate_pictures(gate, members, evaluation)
    wanting = [check for check in checks if check.get("verdict") in _WANTS_A_LOOK and check.get("type") != "bias"]
    blocks += [_card(check, evaluation) for check in wanting[:_MOST_CARDS]]
    return blocks


def _policy(story: Story, policy: Entry | None) -> Facts:
    return Facts(
        f"policy-{policy.seq if policy else 'none'}",
        f"Policy {_title(policy, 'id', 'version')}",
        (
            _field(policy, "Policy", "id"),
            _field(policy, "Version", "version"),
            _field(policy, "Stage", "stage"),
            _field(policy, "Author", "author", say=lambda actor: who(story, actor)),
            _field(policy, "Approver", "approver", say=lambda actor: who(story, actor)),
            _field(policy, "In force from", "effective_from", say=words.day),
            _fact(policy, "Published", policy.recorded_at if policy else None, say=words.day),
            _fact(
                policy,
                "Planned checks",
                len(_items(story.book.field(policy, "plan"))) if policy else None,
                style="number",
            ),
            _field(policy, "Digest", "digest", style="digest"),
        ),
    )


def _evaluation(ground: Ground) -> Facts:
    entry, decision = ground.evaluation, ground.decision
    return Facts(
        f"evaluation-{entry.seq}",
        "Evaluation and decision",
        (
            _field(entry, "Verdict of the evaluation", "verdict"),
            _field(decision, "Decision", "verificationResult"),
            _field(decision, "Results", "results"),
            _fact(entry, "Evaluated", entry.recorded_at, say=words.day),
            _inside(entry, "Recorded evaluations of this use case", "attempt", "usecase", style="number"),
            _inside(entry, "Recorded looks at this test data", "attempt", "data", style="number"),
            _field(entry, "Engine and seed", "engine", say=lambda engine: _engine(entry, engine)),
            _field(entry, "Tools", "tools"),
        ),
    )


def _engine(entry: Entry, engine: Value) -> str:
    return f"{words.said(engine)}, seed {words.said(entry.body.get('seed'))}"


def _check_row(check: Mapping[str, Value], evaluation: Entry) -> Row:
    verdict = words.shortened(str(check.get("verdict")), 16)
    cells = (
        words.shortened(str(check.get("id")), 80),
        verdict,
        _value(check),
        _limits(check),
        words.said(check.get("n")),
        _interval(check),
        words.shortened(str(check.get("replay")), 24),
    )
    return Row(cells, (evaluation.seq,), words.shortened(str(check.get("reason") or ""), 300))


def _by_gate(checks: Sequence[Mapping[str, Value]]) -> list[tuple[str, list[Mapping[str, Value]]]]:
    found: dict[str, list[Mapping[str, Value]]] = {}
    for check in checks:
        found.setdefault(words.shortened(str(check.get("gate")), 60), []).append(check)
    return list(found.items())


def _gate_pictures(gate: str, checks: Sequence[Mapping[str, Value]], evaluation: Entry) -> list[Block]:
    if checks[0].get("type") == "schema":
        return [charts.strip(gate, checks, evaluation.seq)]
    drawn = charts.thresholds(gate, checks, evaluation.seq)
    return [drawn] if drawn is not None else []


def _card(check: Mapping[str, Value], evaluation: Entry) -> CheckCard:
    """A check in words; what the policy and the gate gave no words for is left out, numbers never are."""
    told = [
        ("Value", f"{_value(check)} ({_limits(check)})", "number"),
        ("Interval", _interval(check), "number"),
        ("n", words.said(check.get("n")), "number"),
        *((label, words.visible(str(check[name])), "text") for label, name in _WORDS if check.get(name)),
    ]
    facts = tuple(Fact(label, text, evaluation.seq, evaluation.basis, style=style) for label, text, style in told)
    id, verdict = words.shortened(str(check.get("id")), 80), words.shortened(str(check.get("verdict")), 16)
    return CheckCard(id, verdict, facts, evaluation.seq)


_WORDS: Final = (
    ("In words", "reason"),
    ("What to look at", "advice"),
    ("Why this criterion", "because"),
)


def _looks(story: Story) -> list[Block]:
    """Earlier evaluations of the use case that did not pass, with what the ledger says of them."""
    if not story.earlier_failures:
        return [Note("No earlier recorded evaluation of this use case under these policies failed.", "quiet")]
    rows = []
    for entry in story.earlier_failures:
        found = story.explanation(entry)
        model = story.book.find(entry.body.get("model"))
        text = words.shortened(found[0], 300) if found else "not explained"
        cells = (
            words.day(entry.recorded_at),
            _title(model, "name", "version"),
            words.said(entry.body.get("verdict")),
            text,
        )
        rows.append(Row(cells, (entry.seq, found[1].seq) if found else (entry.seq,)))
    columns, styles = ("When", "Model", "Verdict", "Explanation on the ledger"), ("text", "text", "verdict", "text")
    return [_table("failures", "Earlier evaluations that did not pass", columns, styles, rows)]


def _fairness(story: Story) -> Section:
    blocks: list[Block] = [_protected(story.model)]
    for ground in story.grounds:
        bias = [c for c in story.checks(ground.evaluation) or () if c.get("type") == "bias"]
        for gate, checks in _by_gate(bias)[:_MOST_GATES]:
            blocks += _bias_gate(gate, checks, ground.evaluation)
    if len(blocks) == 1:
        blocks.append(Note("Bias check: not recorded.", "open"))
    else:
        rule = (
            "The four-fifths line is an employment rule, shown for illustration; the limit that counts is the policy's."
        )
        blocks.append(Note(rule, "quiet"))
    return _section(7, *blocks)


def _protected(model: Entry) -> Facts:
    return Facts(
        "protected",
        "Protected attributes",
        (
            _inside(model, "Protected attributes at prediction", "features", "protected"),
            _inside(model, "Features used at prediction", "features", "used"),
        ),
    )


def _bias_gate(gate: str, checks: Sequence[Mapping[str, Value]], evaluation: Entry) -> list[Block]:
    blocks: list[Block] = []
    drawn = charts.thresholds(gate, checks, evaluation.seq)
    if drawn is not None:
        blocks.append(drawn)
    grouped = next((check for check in checks if _items(check.get("groups"))), None)
    if grouped is not None:
        bars = charts.groups(gate, grouped["groups"], policy=_ratio_limit(checks), entry=evaluation.seq)
        blocks += [bars] if bars is not None else []
        blocks.append(_groups_table(gate, grouped["groups"], evaluation))
    return blocks + [_card(check, evaluation) for check in checks[:_MOST_CARDS]]


def _ratio_limit(checks: Sequence[Mapping[str, Value]]) -> float | None:
    """The smallest ratio of selection rates that the policy allows, if a check of the gate sets one."""
    for check in checks:
        words_of_it = f"{check.get('id')} {check.get('metric')}".lower()
        found = charts.limit(_within(check.get("threshold"), "fail_if"))
        ratio = "dpr" in words_of_it or "parity_ratio" in words_of_it.replace("-", "_")
        if ratio and found is not None and found.below and 0 < found.at <= 1:
            return found.at
    return None


def _groups_table(gate: str, groups: Sequence[Value], evaluation: Entry) -> Table:
    rows = [row for row in groups if isinstance(row, Mapping)]
    found = dict.fromkeys(str(name) for row in rows for name in row if name not in ("group", "n"))
    names = sorted(found, key=lambda name: name != "selection_rate")[:5]
    columns = ("Group", "n", *(_column(name) for name in names))
    styles = ("text", *("number" for _ in columns[1:]))
    told = [
        Row(
            (
                words.shortened(words.said(row.get("group")), 60),
                *(words.shortened(words.said(row.get(name)), 40) for name in ("n", *names)),
            ),
            (evaluation.seq,),
        )
        for row in rows
    ]
    return _table(f"groups-{evaluation.seq}-{gate}"[:60], f"Groups of {gate}", columns, styles, told)


def _column(name: str) -> str:
    """``Selection rate`` for ``selection_rate``, ``TPR`` for ``tpr``."""
    text = words.shortened(name.replace("_", " "), 24)
    return text.upper() if len(text) <= 3 else text[:1].upper() + text[1:]


def _champion(story: Story) -> Section:
    champion = story.champion
    if champion is None:
        first = story.promotions[-1] if story.promotions else None
        reason = words.absence(first.body.get("replaces")) if first is not None else None
        text = (
            f"Champion: {reason}." if reason else "Champion: none. No version of this model was in production before."
        )
        return _section(8, Note(text, "quiet", (first.seq,) if first is not None else ()), *_metrics(story))
    old = [e for e in story.book.of_kind("evaluation") if e.body.get("model_digest") == champion.body.get("digest")]
    theirs = {str(c.get("id")): c for c in (story.checks(old[-1]) or ())} if old else {}
    rows = []
    for ground in story.grounds:
        for check in story.checks(ground.evaluation) or ():
            other = theirs.get(str(check.get("id")))
            told = (
                f"{_value(other)} ({words.shortened(str(other.get('verdict')), 16)})" if other else words.NOT_RECORDED
            )
            mine = f"{_value(check)} ({words.shortened(str(check.get('verdict')), 16)})"
            rows.append(
                Row(
                    (words.shortened(str(check.get("id")), 80), told, mine),
                    (old[-1].seq, ground.evaluation.seq) if old else (ground.evaluation.seq,),
                )
            )
    title = f"Champion: version {words.said(champion.body.get('version'))}"
    columns = ("Check", "Champion", "This version")
    return _section(8, _table("champion", title, columns, ("code", "number", "number"), rows), *_metrics(story))


def _metrics(story: Story) -> list[Block]:
    rows = [
        Row(
            (
                words.shortened(words.said(_within(e.body, "definition", "name")), 60),
                words.shortened(words.said(e.body.get("value")), 40),
                words.shortened(words.said(e.body.get("unit")), 24),
                words.shortened(words.said(e.body.get("slice")), 60),
                words.said(e.body.get("n")),
            ),
            (e.seq,),
        )
        for e in story.metrics
    ]
    columns, styles = ("Metric", "Value", "Unit", "Slice", "n"), ("text", "number", "text", "text", "number")
    return [_table("metrics", "Recorded metrics", columns, styles, rows)] if rows else []


# --------------------------------------------------------------------------- 9 to 12


def _review(story: Story) -> Section:
    if not story.reviews:
        return _section(9, Note("Independent review: not recorded. Findings: none recorded.", "open"))
    blocks: list[Block] = []
    for review in story.reviews:
        facts = (
            _fact(review, "Reviewer", review.actor, say=lambda actor: who(story, actor)),
            _fact(review, "When", review.recorded_at, say=words.day),
            _field(review, "Scope", "scope"),
            _field(review, "Conclusion", "conclusion"),
        )
        blocks.append(Facts(f"review-{review.seq}", "Review by a second line", facts))
        rows = [_finding(story, entry) for entry in story.findings(review)]
        columns = ("Finding", "Severity", "Owner", "Due", "Closure")
        if rows:
            blocks.append(_table(f"findings-{review.seq}", "Findings", columns, ("text",) * 5, rows))
        else:
            blocks.append(Note("Findings: none recorded.", "quiet", (review.seq,)))
    return _section(9, *blocks)


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


def _limitations(story: Story) -> Section:
    conditions = [
        Row(
            (
                words.shortened(words.said(c.get("text")), 400),
                who(story, c.get("owner")),
                words.shortened(words.said(c.get("due")), 40),
                "open: no closure is recorded",
            ),
            (entry.seq,),
        )
        for entry, c in _conditions(story)
    ]
    blocks: list[Block] = [Facts("limitations", "Limitations", (_field(story.model, "Limitations", "limitations"),))]
    if conditions:
        columns = ("Condition of an approval", "Owner", "Due", "Status")
        blocks.append(_table("conditions", "Conditions and compensating controls", columns, ("text",) * 4, conditions))
    else:
        blocks.append(Note("Conditions and compensating controls: none recorded.", "quiet"))
    return _section(10, *blocks, *_waivers(story))


def _waivers(story: Story) -> list[Block]:
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
    return [_table("waivers", "Waivers", columns, ("code", "number", "number", "text", "text", "text", "text"), rows)]


def _duties(story: Story) -> Section:
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
    blocks: list[Block] = [_table("events", "Who did what, and when", columns, ("text",) * 4, rows)]
    blocks += [_verdict_of(story, entry) for entry in story.approvals[-6:]]
    made = [
        Row((who(story, actor), words.shortened("; ".join(reasons), 400)), ())
        for actor, reasons in sorted(story.makers.items())
    ]
    blocks.append(
        _table("makers", "Who made it, from recorded authorship", ("Maker", "Because"), ("text", "text"), made)
    )
    return _section(11, *blocks, *_separation_of_duties(story))


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
    roles, given = _roles(story, entry.actor, entry.seq)
    signed = entry.statement is not None
    why = f"{roles}; signed" if signed else "recording needs no signature"
    entries = (entry.seq, given) if signed and given is not None else (entry.seq,)
    return Row((words.day(entry.recorded_at).removesuffix(" UTC"), what, who(story, entry.actor), why), entries)


def _verdict_of(story: Story, entry: Entry) -> Facts:
    key = story.persons.get(entry.actor)
    return Facts(
        f"approval-{entry.seq}",
        f"{words.shortened(words.said(entry.body.get('verdict')), 24).capitalize()} by {who(story, entry.actor)}",
        (
            _fact(entry, "When", entry.recorded_at, say=words.day),
            _field(entry, "Rationale", "rationale"),
            _field(entry, "Independence, as declared", "independence"),
            _inside(entry, "Model digest that was seen", "seen", "model", style="digest"),
            _inside(entry, "Evaluation that was seen", "seen", "evaluation", style="digest"),
            _inside(entry, "Policy digest that was seen", "seen", "policy", style="digest"),
            _field(key, "Signed with key", "fingerprint", style="digest"),
        ),
    )


def _separation_of_duties(story: Story) -> list[Block]:
    both = _makers_among_approvers(story)
    if not any(e.body.get("verdict") == "approved" for e in story.approvals):
        text, tone = "Makers among the approvers: nobody approved.", "quiet"
    elif both:
        named = ", ".join(who(story, actor) for actor in both)
        text, tone = f"Makers among the approvers: {named}.", "bad"
    else:
        text, tone = "Makers among the approvers: none among recorded authorship and bound identities.", "good"
    blocks: list[Block] = [Note(text, tone)]
    if story.unmapped_authors:
        people = words.plural(story.unmapped_authors, "author")
        blocks.append(Note(f"{people} of the code bound to no key: whether they approved cannot be said.", "open"))
    return blocks


def _deployment(story: Story) -> Section:
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
        deployed = _table("deployments", "Deployment", columns, ("text", "text", "text", "number"), rows)
    return _section(12, *_tenures(story), deployed, _watch(story))


def _tenures(story: Story) -> list[Block]:
    rows = [
        Row(
            (_title(t.promotion, "stage"), words.day(t.since), words.day(t.until) if t.until else "in force"),
            (t.promotion.seq,),
        )
        for t in story.tenures
    ]
    return [_table("tenures", "Promotions", ("Stage", "From", "Until"), ("text",) * 3, rows)] if rows else []


def _watch(story: Story) -> Facts:
    alerts = [e for e in story.book.of_kind("alert") if e.seq > story.model.seq and _bears_on(story, e)]
    told = f"{words.plural(len(alerts), 'alert')} recorded" if alerts else None
    return Facts(
        "monitoring",
        "Monitoring and next review",
        (
            _fact(alerts[-1] if alerts else None, "Monitoring", told),
            _field(story.usecase, "Next review", "next_review"),
        ),
    )


def _bears_on(story: Story, entry: Entry) -> bool:
    digest = story.model.body.get("digest")
    return isinstance(digest, str) and digest.encode() in entry.raw


# --------------------------------------------------------------------------- 13 and 14


class Control(Protocol):
    """A clause of the control catalogue, as the policy room reads it."""

    @property
    def framework(self) -> str: ...
    @property
    def ref(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def auto(self) -> str:
        """``A`` (evidence from records alone), ``P`` (partly) or ``H`` (a person's word only)."""


_CLOSED_BY: Final = {
    "A": "open: evidence in records; a person judges it",
    "P": "open: evidence in records in part; a person judges it",
    "H": "open: human only; records cannot close it",
}


def law(story: Story, catalogue: Mapping[str, Control]) -> Section:
    """Section 13."""
    named = [
        (str(control), ground.policy)
        for ground in story.grounds
        if ground.policy is not None
        for control in _items(ground.policy.body.get("controls"))
    ]
    said = Note(f"As of {words.day(story.as_of)}. Draft mapping, not legal advice.", "open")
    if not named:
        return _section(13, said, Note("Controls: the policies name none.", "quiet"))
    rows = [_control(id, policy, catalogue.get(id)) for id, policy in named]
    columns = ("Control", "Clause", "Policy", "Status")
    table = _table("controls", "Controls named by the policy", columns, ("code", "text", "text", "text"), rows)
    note = "The entries of this report are evidence towards these controls. No control is closed by software."
    return _section(13, said, table, Note(note, "quiet"))


def _control(id: str, policy: Entry, control: Control | None) -> Row:
    clause = f"{control.framework}, {control.ref}: {control.title}" if control else "not in the catalogue at hand"
    status = _CLOSED_BY.get(control.auto if control else "", "open: a person judges it")
    cells = (words.shortened(id, 60), words.shortened(clause, 160), _title(policy, "id", "version"), status)
    return Row(cells, (policy.seq,))


def not_proven(scope: Scope) -> Section:
    """Section 14."""
    facts = [
        Fact(label, text)
        for label, text in (*_NOT_PROVEN[:1], ("The un-anchored tail", _tail(scope)), *_NOT_PROVEN[1:])
    ]
    return _section(14, Facts("limits", "Limits of this report", tuple(facts)))


def _tail(scope: Scope) -> str:
    return (
        f"{scope.un_anchored_text()} un-anchored. Up to an anchor, a rewrite is found even if the ledger's own key was "
        "used; after it, the holder of that key could still rewrite."
    )


_NOT_PROVEN: Final = (
    ("Truth of the record", "Whether what was recorded is true. What was never recorded is invisible."),
    ("Recorded times", "They are the ledger's clock. Proven is only what an anchor proves."),
    (
        "The right measure",
        "That a metric is the right one, or the data representative. Passing a gate is not legal compliance.",
    ),
    ("Inside the model", "What the model does. Its bytes were hashed, never loaded."),
    ("Independence", "Anything beyond recorded authorship and bound identities."),
    ("The number of tries", "Evaluations are counted where they were recorded."),
    ("The seal", "Integrity seal; identity not verified; not a qualified signature."),
    (
        "The issue of this file",
        "Shown only by the receipt of the entry that was made after signing, which is kept beside the file.",
    ),
)


# --------------------------------------------------------------------------- the table of sections


_TITLES: Final = (
    "Opinion, scope, anchor",
    "Use case, owner, risk tier",
    "What changed since the last version",
    "Data",
    "Method and reproduction",
    "Tests and gates",
    "Fairness",
    "Champion and challenger",
    "Independent review and open findings",
    "Limitations, compensating controls, waivers",
    "Decisions and duties",
    "Deployment, monitoring, next review",
    "Law, as of a date",
    "What is not proven",
)


def _section(number: int, *blocks: Block) -> Section:
    return Section(number, f"s{number}", _TITLES[number - 1], tuple(blocks))


SECTIONS: Final[tuple[Callable[[Story], Section], ...]] = (
    _use_case,
    _changes,
    _data,
    _method,
    _tests,
    _fairness,
    _champion,
    _review,
    _limitations,
    _duties,
    _deployment,
)
"""Sections 2 to 12, which need the story alone."""

"""Sections 2 to 5: what the model is for, what changed, its data, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tallystick.canonical import Value
from tallystick.records import Entry
from tallystick.report import charts, words
from tallystick.report.facts import Block, Fact, Facts, Note, Row, Section
from tallystick.report.saying import (
    fact,
    field,
    inside,
    items,
    section,
    table,
    title,
    uncommitted,
    untracked,
    who,
    within,
)
from tallystick.report.story import Story, inputs_of, names

__all__ = [
    "changes",
    "code",
    "data",
    "dataset",
    "method",
    "parameters",
    "separation",
    "surroundings",
    "training",
    "use_case",
]

_MOST_CHANGES: Final = 12
"""Of parameters and of packages, in the comparison with the version before."""
_MOST_BOXES: Final = 4
"""Of one kind, in the picture of the lineage."""


def use_case(story: Story) -> Section:
    entry = story.usecase
    validators = sorted({who(story, review.actor) for review in story.reviews})
    tier = inside(entry, "Risk tier", "risk_tier", "value")
    if tier.missing:
        tier = Fact("Risk tier", f"{tier.text}; treated as the highest", tier.entry, tier.basis, missing=True)
    return section(
        2,
        Facts(
            "usecase",
            "Use case",
            (
                field(entry, "Name", "name"),
                field(entry, "Intended use", "intended_use"),
                field(entry, "Prohibited use", "prohibited_use"),
                field(entry, "Jurisdictions", "jurisdictions"),
                field(entry, "Affected groups", "affected_groups"),
                field(entry, "Human oversight", "oversight"),
            ),
        ),
        Facts(
            "owner",
            "Owner and risk tier",
            (
                field(entry, "Owner", "owner_group"),
                _validator(story, validators),
                tier,
                inside(entry, "Rationale of the tier", "risk_tier", "rationale"),
                inside(entry, "Tier assigned by", "risk_tier", "assigned_by", say=lambda actor: who(story, actor)),
            ),
        ),
    )


def _validator(story: Story, validators: list[str]) -> Fact:
    if not validators:
        return Fact("Validator", words.NOT_RECORDED, missing=True)
    last, *before = (review.seq for review in reversed(story.reviews))
    return Fact("Validator", ", ".join(validators), last, story.reviews[-1].basis, also=tuple(before))


def changes(story: Story) -> Section:
    before = story.previous
    if before is None:
        return section(3, Note("This is the first recorded version of the model: there is nothing to compare it with."))
    lines = [
        *_changed_inputs(story, before),
        *_changed_features(story.model, before),
        *_changed_verdicts(story, before),
    ]
    rows = [Row((label, *cells), (before.seq, story.model.seq)) for label, *cells in lines]
    old, new = words.said(before.body.get("version")), words.said(story.model.body.get("version"))
    columns = ("What", f"Version {words.shortened(old, 20)}", f"Version {words.shortened(new, 20)}")
    return section(3, table("changes", "Against the version before", columns, ("text", "text", "text"), rows))


def _changed_inputs(story: Story, before: Entry) -> list[tuple[str, str, str]]:
    old_run, new_run = story.book.find(before.body.get("run")), story.run
    old, new = inputs_of(story.book, old_run), story.inputs
    return [
        _compared("Data", _data(old), _data(new)),
        _changed_code(old, new),
        *_changed_params(old, new),
        *_changed_packages(story, old, new),
        _compared("Command", _command(old_run), _command(new_run)),
    ]


_Said = tuple[str, Value]
"""What is printed of something, and what it is compared by: two things that read alike may still differ."""


def _compared(label: str, old: _Said, new: _Said) -> tuple[str, str, str]:
    if old[1] == new[1]:
        return label, old[0], "unchanged"
    return label, old[0], new[0] if old[0] != new[0] else f"{new[0]}, changed"


def _data(inputs: Mapping[str, list[Entry]]) -> _Said:
    found = inputs.get("dataset", [])
    digests = [within(e.body, "distribution", "sha256") for e in found]
    told = [f"{title(e, 'name', 'version')}{_digest(e, d)}" for e, d in zip(found, digests, strict=True)]
    return "; ".join(told) or words.NOT_RECORDED, [told, digests]


def _digest(entry: Entry, digest: Value) -> str:
    """Beside the version, unless that is the beginning of it."""
    version = entry.body.get("version")
    known = isinstance(version, str) and len(version) >= 12 and str(digest).startswith(version)
    return "" if known else f" ({words.short(digest)})"


def _changed_code(old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]) -> tuple[str, str, str]:
    """One commit with other files beside it is said to have changed: the reader looks at the commit first."""
    label, a, b = _compared("Code", _commits(old), _commits(new))
    one, other = ([e.body.get("gitCommit") for e in inputs.get("commit", ())] for inputs in (old, new))
    told_so = b == "unchanged" or b.endswith(", changed")
    return label, a, b if one != other or told_so else f"{b}, changed"


def _commits(inputs: Mapping[str, list[Entry]]) -> _Said:
    """Code is the same only if the commit and everything beside it in the working tree is."""
    found = inputs.get("commit", [])
    told = [f"{words.short(e.body.get('gitCommit'))}{_beside_the_commit(e)}" for e in found]
    return "; ".join(told) or words.NOT_RECORDED, [[e.body.get(name) for name in _CODE] for e in found]


_CODE: Final = ("gitCommit", "content_sha256", "dirty", "patch_sha256", "untracked", "untracked_sha256")


def _beside_the_commit(commit: Entry) -> str:
    changes = " with uncommitted changes" if commit.body.get("dirty") is True else ""
    files = untracked(commit)
    return changes + (f"{' and' if changes else ' with'} {files}" if files else "")


def _command(run: Entry | None) -> _Said:
    if run is None:
        return words.NOT_RECORDED, None
    command = items(run.body.get("command"))
    return words.shortened(" ".join(map(str, command)), 160), command


def _values(inputs: Mapping[str, list[Entry]]) -> dict[str, Value]:
    """The parameters by name, those that section 5 lists."""
    found: dict[str, Value] = {}
    for entry in inputs.get("params", ()):
        values = entry.body.get("values")
        found |= values if isinstance(values, Mapping) else {}
    return found


def _changed_params(old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]) -> list[tuple[str, str, str]]:
    a, b = _values(old), _values(new)
    lines = _other_class(a, b) if a.get("class") != b.get("class") else _same_class(a, b)
    for label, name in (("Seeds", "seeds"), ("Decision cut-off", "decision_cutoff")):
        one, other = ([e.body.get(name) for e in inputs.get("params", ())] for inputs in (old, new))
        if one != other:
            lines.append(_compared(label, (_told(*one), one), (_told(*other), other)))
    return lines


def _told(*values: Value) -> str:
    return words.shortened("; ".join(map(words.said, values)), 80) or words.NOT_RECORDED


def _same_class(a: Mapping[str, Value], b: Mapping[str, Value]) -> list[tuple[str, str, str]]:
    changed = [name for name in {*a, *b} if name not in a or name not in b or a[name] != b[name]]
    changed.sort(key=lambda name: (name not in a or name not in b, name))
    lines = [
        _compared(f"Parameter {words.shortened(name, 60)}", _parameter(a, name), _parameter(b, name))
        for name in changed[:_MOST_CHANGES]
    ]
    if len(changed) > len(lines):
        lines.append((f"{len(changed) - len(lines)} more parameters", "", "changed"))
    return lines or [("Parameters", _counted(a), "unchanged")]


def _parameter(values: Mapping[str, Value], name: str) -> _Said:
    if name not in values:
        return "not set", []
    return words.shortened(words.recorded(values[name]), 80), [values[name]]


def _counted(values: Mapping[str, Value]) -> str:
    return words.plural(len(values), "parameter") if values else words.NOT_RECORDED


def _other_class(a: Mapping[str, Value], b: Mapping[str, Value]) -> list[tuple[str, str, str]]:
    """Parameters of different kinds of model are not held against each other one by one."""
    return [
        _compared("Kind of model", *((_told(values.get("class")), values.get("class")) for values in (a, b))),
        ("Parameters", _counted(a), f"{_counted(b)}, listed in section 5"),
    ]


def _packages(story: Story, inputs: Mapping[str, list[Entry]]) -> dict[str, str]:
    """The version of each package; the interpreter is none of them."""
    found: dict[str, str] = {}
    for entry in inputs.get("environment", ()):
        for line in items(story.book.field(entry, "packages")):
            if isinstance(line, Mapping):
                found[words.shortened(str(line.get("name")), 60)] = words.shortened(str(line.get("version")), 40)
    return found


def _changed_packages(
    story: Story, old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]
) -> list[tuple[str, str, str]]:
    a, b = _packages(story, old), _packages(story, new)
    pythons = [_told(*(e.body.get("python") for e in inputs.get("environment", ()))) for inputs in (old, new)]
    lines = [("Python", pythons[0], pythons[1])] if pythons[0] != pythons[1] else []
    changed = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    lines += [
        (f"Package {name}", a.get(name, "not there"), b.get(name, "not there")) for name in changed[:_MOST_CHANGES]
    ]
    if len(changed) > _MOST_CHANGES:
        lines.append((f"{len(changed) - _MOST_CHANGES} more packages", "", "changed"))
    return lines or [("Environment", _told_packages(a), "unchanged" if a else _told_packages(b))]


def _told_packages(packages: Mapping[str, str]) -> str:
    return words.plural(len(packages), "package") if packages else words.NOT_RECORDED


def _changed_features(model: Entry, before: Entry) -> list[tuple[str, str, str]]:
    lines = []
    for label, path in (("Features used", "used"), ("Protected features", "protected")):
        a, b = (words.said(within(entry.body, "features", path)) for entry in (before, model))
        lines.append((label, words.shortened(a, 200), words.shortened(b, 200) if a != b else "unchanged"))
    return lines


def _changed_verdicts(story: Story, before: Entry) -> list[tuple[str, str, str]]:
    old = story.evaluated(before.body.get("digest"))
    new = story.grounds
    a = f"{words.said(old[-1].body.get('verdict'))} [{old[-1].seq}]" if old else "not evaluated"
    b = f"{words.said(new[-1].evaluation.body.get('verdict'))} [{new[-1].evaluation.seq}]" if new else "not evaluated"
    return [("Verdict of the gates", a, b)]


def data(story: Story) -> Section:
    if not story.datasets:
        return section(4, Note("Data: not recorded.", "open"))
    blocks = [dataset(entry) for entry in story.datasets[:12]]
    if len(story.datasets) > 12:
        rest = tuple(entry.seq for entry in story.datasets[12:])
        blocks.append(Note(f"{len(rest)} more datasets stand in the evidence.", entries=rest))
    return section(4, *blocks, separation(story))


def dataset(entry: Entry) -> Block:
    return Facts(
        f"dataset-{entry.seq}",
        f"{title(entry, 'name', 'version')}",
        (
            field(entry, "Role", "role"),
            field(entry, "Rows", "rows", style="number"),
            fact(entry, "Columns", len(items(entry.body.get("fields"))), style="number"),
            field(entry, "Data window", "temporal_coverage"),
            inside(entry, "Label", "label", "definition"),
            inside(entry, "Horizon of the label", "label", "horizon"),
            inside(entry, "Favourable outcome", "label", "favourable_outcome"),
            field(entry, "Sampling", "sampling"),
            field(entry, "Exclusions", "exclusions"),
            inside(entry, "Sensitive columns", "sensitive_fields", "columns"),
            inside(entry, "How they were obtained", "sensitive_fields", "obtained"),
            field(entry, "Licence", "licence"),
            inside(entry, "Location", "distribution", "contentUrl"),
            inside(entry, "Content digest (tree)", "distribution", "sha256", style="digest"),
        ),
    )


def separation(story: Story) -> Facts:
    """How training and test data are kept apart: what was recorded of it."""
    split = [entry for entry in story.datasets if "split_membership" in entry.body]
    return Facts(
        "split",
        "Split and leakage",
        (
            field(split[-1] if split else None, "Split membership, digest", "split_membership", style="digest"),
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


def method(story: Story) -> Section:
    blocks: list[Block] = [_lineage(story), code(story), training(story)]
    blocks += parameters(story)
    return section(5, *blocks, surroundings(story))


def parameters(story: Story) -> list[Block]:
    """A table for each parameter set that is a mapping."""
    blocks: list[Block] = []
    for entry in story.inputs.get("params", ()):
        values = entry.body.get("values")
        if isinstance(values, Mapping):
            rows = [
                Row((words.shortened(str(name), 60), words.shortened(words.recorded(values[name]), 200)), (entry.seq,))
                for name in sorted(values)
            ]
            blocks.append(table(f"params-{entry.seq}", "Parameters", ("Name", "Value"), ("code", "code"), rows))
    return blocks


def code(story: Story) -> Facts:
    entry = next(iter(story.inputs.get("commit", ())), None)
    return Facts(
        "code",
        "Code",
        (
            field(entry, "Repository", "repository"),
            field(entry, "Commit", "gitCommit", style="digest"),
            field(entry, "Tree", "gitTree", style="digest"),
            fact(entry, "Uncommitted changes", uncommitted(entry) if entry is not None else None, of="dirty"),
            field(entry, "Content, digest", "content_sha256", style="digest"),
            field(entry, "Patch, digest", "patch_sha256", style="digest"),
            field(entry, "Untracked files, digest", "untracked_sha256", style="digest"),
            inside(entry, "Signature of the commit", "signature", "status"),
            inside(entry, "Signature checked by", "signature", "verified_by"),
            _authors(story, entry),
        ),
    )


def _authors(story: Story, commit: Entry | None) -> Fact:
    label = "Authors of the code"
    authors = commit.body.get("authors") if commit is not None else None
    if commit is None or words.absence(authors) is not None or not isinstance(authors, Mapping):
        return fact(commit, label, authors)
    known = [who(story, actor) for actor in items(authors.get("actors"))[:12]]
    text = (", ".join(known) or "none bound to a key") + f"; {words.said(authors.get('unmapped'))} bound to no key"
    if authors.get("complete") is not True:
        text += "; the history is not complete"
    return fact(commit, label, text)


def training(story: Story) -> Facts:
    run = story.run
    params = next(iter(story.inputs.get("params", ())), None)
    return Facts(
        "training",
        "Training run",
        (
            field(run, "Run", "name") if run is not None else field(story.model, "Run", "run"),
            field(run, "Status", "status"),
            field(run, "Command", "command", style="code", say=lambda c: words.visible(" ".join(map(str, items(c))))),
            inside(run, "Started", "runDetails", "metadata", "startedOn", say=words.day),
            inside(run, "Finished", "runDetails", "metadata", "finishedOn", say=words.day),
            inside(run, "Recorded by", "runDetails", "builder", "id", style="code"),
            field(params, "Seeds", "seeds"),
            field(params, "Decision cut-off", "decision_cutoff", style="number"),
            field(params, "Candidates tried", "candidates_tried", style="number"),
            _failed_before(story),
        ),
    )


def _failed_before(story: Story) -> Fact:
    """How many runs failed before the model was recorded: counted over their entries, newest first."""
    runs = story.book.naming("run", "failed")
    failed = [e.seq for e in reversed(runs) if e.body.get("status") == "failed" and e.seq < story.model.seq]
    return Fact("Recorded runs that failed before", words.count(len(failed)), also=tuple(failed) or (story.model.seq,))


def surroundings(story: Story) -> Facts:
    entry = next(iter(story.inputs.get("environment", ())), None)
    packages = story.book.field(entry, "packages") if entry is not None else None
    return Facts(
        "environment",
        "Environment",
        (
            field(entry, "Python", "python"),
            field(entry, "Platform", "platform"),
            fact(entry, "Packages", words.plural(len(packages), "package") if isinstance(packages, list) else packages),
            inside(entry, "Lock file, digest", "lock_file", "sha256", style="digest"),
            field(entry, "Image, digest", "image_digest", style="digest"),
            field(entry, "Accelerator", "accelerator"),
        ),
    )


def _lineage(story: Story) -> charts.Lineage:
    """The picture of section 5."""
    inputs = [
        node for kind in ("dataset", "commit", "params", "environment") for node in _nodes(story.inputs.get(kind, ()))
    ] or [_not_recorded("inputs")]
    run = _node(story.run) if story.run else _not_recorded("run")
    model = _node(story.model)
    wires = [(node.id, run.id) for node in inputs] + [(run.id, model.id)]
    lower, more = _decision_path(story, model.id)
    return charts.lineage([inputs, [run], [model], *lower], wires + more)


def _decision_path(story: Story, model: str) -> tuple[list[list[charts.Node]], list[tuple[str, str]]]:
    ground = story.grounds[-1] if story.grounds else None
    if ground is None:
        return [[], [_not_recorded("evaluation")]], [(model, "evaluation")]
    used = _nodes([*([ground.policy] if ground.policy else ()), *story.data_of(ground.evaluation)], band="used-")
    evaluation = _node(ground.evaluation)
    decision = _node(ground.decision) if ground.decision else _not_recorded("decision")
    columns, wires = _sequel(story, ground.decision, decision.id)
    wires += [(model, evaluation.id), (evaluation.id, decision.id)] + [(node.id, evaluation.id) for node in used]
    return [used, [evaluation], [decision], *columns], wires


def _sequel(
    story: Story, decision: Entry | None, from_id: str
) -> tuple[list[list[charts.Node]], list[tuple[str, str]]]:
    """Approvals and promotions; a line joins only what an entry says of another."""
    approvals, promotions = story.approvals[-3:], story.promotions[-2:]
    wires = [(from_id, f"e{a.seq}") for a in approvals if decision is not None and names(a, "decision", decision)]
    wires += [(f"e{a.seq}", f"e{p.seq}") for p in promotions for a in approvals if a.ref in p.references]
    columns = [[_node(e) for e in approvals], [_node(e) for e in promotions]]
    if not approvals:
        columns[0] = [_not_recorded("approval")]
        wires.append((from_id, "approval"))
    if not promotions:
        columns[1] = [_not_recorded("promotion")]
        wires += [(node.id, "promotion") for node in columns[0]]
    return columns, wires


def _not_recorded(kind: str) -> charts.Node:
    return charts.Node(kind, kind, "not recorded", "", None)


def _nodes(entries: Sequence[Entry], *, band: str = "") -> list[charts.Node]:
    """The steps of one kind; what is beyond the first few is one step that says how many."""
    nodes = [_node(entry, band=band) for entry in entries[:_MOST_BOXES]]
    rest = len(entries) - len(nodes)
    if rest:
        kind = entries[-1].kind
        left = " ".join(f"[{entry.seq}]" for entry in entries[_MOST_BOXES:])
        nodes.append(charts.Node(f"{band}more-{kind}", kind, words.shortened(f"{rest} more: {left}", 21), "", None))
    return nodes


def _node(entry: Entry, *, band: str = "") -> charts.Node:
    """A step of its own for each band: a dataset that the run and the evaluation used stands in both."""
    body = entry.body
    name = {
        "dataset": title(entry, "name"),
        "commit": title(entry, "ref"),
        "params": words.plural(len(body["values"]), "parameter") if isinstance(body.get("values"), Mapping) else "",
        "environment": f"Python {title(entry, 'python')}",
        "run": title(entry, "name"),
        "model": f"version {title(entry, 'version')}",
        "policy": title(entry, "id", "version"),
        "promotion": title(entry, "stage"),
    }.get(entry.kind) or title(entry, "verdict")
    digest = {
        "dataset": within(body, "distribution", "sha256"),
        "commit": body.get("gitCommit"),
    }.get(entry.kind, body.get("digest", entry.ref.leaf))
    tone = words.shortened(str(body.get("verdict", "")), 16)
    label = words.shortened(name, 21)
    return charts.Node(
        f"{band}e{entry.seq}", entry.kind, label, words.shortened(words.said(digest), 10), entry.seq, tone
    )

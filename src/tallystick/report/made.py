"""Sections 2 to 5: what the model is for, what changed, its data, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick.records import Entry
from tallystick.report import charts, words
from tallystick.report.facts import Block, Fact, Facts, Note, Row, Section
from tallystick.report.saying import fact, field, inside, items, section, table, title, who, within
from tallystick.report.story import Story, inputs_of

__all__ = ["changes", "data", "method", "use_case"]

_MOST_CHANGES: Final = 12
"""Of parameters and of packages, in the comparison with the version before."""


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
    return Fact("Validator", ", ".join(validators), story.reviews[-1].seq, story.reviews[-1].basis)


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
    lines = [
        ("Data", _told_data(old), _told_data(new)),
        ("Code", _told_commit(old), _told_commit(new)),
        *_changed_params(old, new),
        *_changed_packages(story, old, new),
        ("Command", *(_told_command(run) for run in (old_run, new_run))),
    ]
    return [(label, a, b if a != b else "unchanged") for label, a, b in lines]


def _told_data(inputs: Mapping[str, list[Entry]]) -> str:
    told = [
        f"{title(e, 'name', 'version')} ({words.short(within(e.body, 'distribution', 'sha256'))})"
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
    return words.shortened(" ".join(map(str, items(run.body.get("command")))), 160) if run else words.NOT_RECORDED


def _values(inputs: Mapping[str, list[Entry]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in inputs.get("params", ()):
        values = entry.body.get("values")
        if isinstance(values, Mapping):
            found |= {str(name): words.shortened(words.recorded(value), 80) for name, value in values.items()}
        for name in ("seeds", "decision_cutoff"):
            found[name.replace("_", " ")] = words.shortened(words.said(entry.body.get(name)), 80)
    return found


def _changed_params(old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]) -> list[tuple[str, str, str]]:
    a, b = _values(old), _values(new)
    if a.get("class") != b.get("class"):
        return _other_class(a, b)
    changed = [name for name in {*a, *b} if a.get(name) != b.get(name)]
    changed.sort(key=lambda name: (name not in a or name not in b, name))
    told = changed[:_MOST_CHANGES]
    lines = [(f"Parameter {words.shortened(n, 60)}", a.get(n, "not set"), b.get(n, "not set")) for n in told]
    if len(changed) > len(told):
        lines.append((f"{len(changed) - len(told)} more parameters", "", "changed"))
    return lines or [
        ("Parameters", "as recorded" if a else words.NOT_RECORDED, "as recorded" if b else words.NOT_RECORDED)
    ]


def _other_class(a: Mapping[str, str], b: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Parameters of different kinds of model are not held against each other one by one."""
    told = [words.plural(len(values), "parameter") for values in (a, b)]
    return [
        ("Kind of model", a.get("class", words.NOT_RECORDED), b.get("class", words.NOT_RECORDED)),
        ("Parameters", told[0], f"{told[1]}, listed in section 5"),
    ]


def _packages(story: Story, inputs: Mapping[str, list[Entry]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in inputs.get("environment", ()):
        found["python"] = words.said(entry.body.get("python"))
        for line in items(story.book.field(entry, "packages")):
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
    lines = [
        (f"Package {name}", a.get(name, "not there"), b.get(name, "not there")) for name in changed[:_MOST_CHANGES]
    ]
    return lines + (
        [(f"{len(changed) - _MOST_CHANGES} more packages", "", "changed")] if len(changed) > _MOST_CHANGES else []
    )


def _told_packages(packages: Mapping[str, str]) -> str:
    return words.plural(len(packages), "package") if packages else words.NOT_RECORDED


def _changed_features(model: Entry, before: Entry) -> list[tuple[str, str, str]]:
    lines = []
    for label, path in (("Features used", "used"), ("Protected features", "protected")):
        a, b = (words.said(within(entry.body, "features", path)) for entry in (before, model))
        lines.append((label, words.shortened(a, 200), words.shortened(b, 200) if a != b else "unchanged"))
    return lines


def _changed_verdicts(story: Story, before: Entry) -> list[tuple[str, str, str]]:
    old = [e for e in story.book.of_kind("evaluation") if e.body.get("model_digest") == before.body.get("digest")]
    new = story.grounds
    a = f"{words.said(old[-1].body.get('verdict'))} [{old[-1].seq}]" if old else "not evaluated"
    b = f"{words.said(new[-1].evaluation.body.get('verdict'))} [{new[-1].evaluation.seq}]" if new else "not evaluated"
    return [("Verdict of the gates", a, b)]


def data(story: Story) -> Section:
    if not story.datasets:
        return section(4, Note("Data: not recorded.", "open"))
    blocks = [_dataset(entry) for entry in story.datasets[:12]]
    if len(story.datasets) > 12:
        blocks.append(Note(f"{len(story.datasets) - 12} more datasets stand in the evidence."))
    return section(4, *blocks, _separation(story))


def _dataset(entry: Entry) -> Block:
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


def _separation(story: Story) -> Facts:
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
    blocks: list[Block] = [_lineage(story), _code(story), _training(story)]
    for entry in story.inputs.get("params", ()):
        values = entry.body.get("values")
        if isinstance(values, Mapping):
            rows = [
                Row((words.shortened(str(name), 60), words.shortened(words.recorded(values[name]), 200)), (entry.seq,))
                for name in sorted(values)
            ]
            blocks.append(table(f"params-{entry.seq}", "Parameters", ("Name", "Value"), ("code", "code"), rows))
    return section(5, *blocks, _surroundings(story))


def _code(story: Story) -> Facts:
    entry = next(iter(story.inputs.get("commit", ())), None)
    return Facts(
        "code",
        "Code",
        (
            field(entry, "Repository", "repository"),
            field(entry, "Commit", "gitCommit", style="digest"),
            field(entry, "Tree", "gitTree", style="digest"),
            field(entry, "Uncommitted changes", "dirty"),
            field(entry, "Patch, digest", "patch_sha256", style="digest"),
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


def _training(story: Story) -> Facts:
    run = story.run
    params = next(iter(story.inputs.get("params", ())), None)
    failed = [e for e in story.book.of_kind("run") if e.body.get("status") == "failed" and e.seq < story.model.seq]
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
        "dataset": title(entry, "name"),
        "commit": title(entry, "ref"),
        "params": f"{len(body['values'])} values" if isinstance(body.get("values"), Mapping) else "",
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
    return charts.Node(f"e{entry.seq}", entry.kind, label, words.shortened(words.said(digest), 10), entry.seq, tone)

"""The technical documentation file of Annex IV of the EU AI Act: every point, with what records give.

Points, and whether records can fill them, are those of the control catalogue; they are a draft mapping in our own
words. A point that only a person can fill says so, whatever stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tallystick.policy.controls import Control, Framework
from tallystick.report import decided, made, tested, words
from tallystick.report.documents.document import Content, absent, parts
from tallystick.report.facts import Block, Fact, Facts, Note, Row
from tallystick.report.saying import fact, field, inside, table, title, who
from tallystick.report.story import Story

__all__ = ["FRAMEWORK", "build"]

FRAMEWORK: Final = "euaia"
_POINT: Final = "euaia-a4."
_GIVEN: Final = {
    "A": "records can fill this point; a person judges it",
    "P": "records can fill this point in part; a person adds the rest",
    "H": "human only: records cannot fill this point",
}


def build(story: Story, catalogue: Mapping[str, Control], framework: Framework) -> Content:
    """
    Args:
        catalogue: the control catalogue by id.
        framework: its part on the Act: name, status, dates.
    """
    points = [control for id, control in catalogue.items() if id.startswith(_POINT)]
    told = {control.id: _told(story, control) for control in points}
    return Content(
        name=words.shortened(story.name, 80),
        version=words.said(story.model.body.get("version")),
        notes=(
            Note(f"Draft mapping, last reviewed on {framework.reviewed}, not legal advice.", "open"),
            Note(f"{framework.name}. Status: {framework.status}. Applies from {framework.applies_from}."),
            Note(
                "A file by this name is not a finding that the system is of high risk, nor that the Act is met.",
                "quiet",
            ),
        ),
        sections=parts(
            ("The points, and what records give", [_overview(points, told)]),
            *((f"{control.ref}: {control.title}", [_head(control), *told[control.id]]) for control in points),
            ("Documents recorded about this model", [_documents(story)]),
            numbered=False,
        ),
    )


def _overview(points: Sequence[Control], told: Mapping[str, Sequence[Block]]) -> Block:
    rows = [Row((control.ref, control.title, _GIVEN[control.auto], _filled(told[control.id]))) for control in points]
    columns = ("Point", "What", "From records", "Here")
    return table("overview", "Overview", columns, ("short", "text", "text", "text"), rows)


def _filled(blocks: Sequence[Block]) -> str:
    facts = [one for block in blocks if isinstance(block, Facts) for one in block.facts]
    missing = sum(one.missing for one in facts)
    others = any(not isinstance(block, Facts | Note) for block in blocks)
    if not facts:
        return "see the tables" if others else "nothing in the records"
    return f"{len(facts) - missing} recorded, {missing} not recorded"


def _head(control: Control) -> Note:
    return Note(
        f"Asks for: {control.demands}. {_GIVEN[control.auto].capitalize()}.", "open" if control.auto == "H" else "quiet"
    )


def _told(story: Story, control: Control) -> list[Block]:
    tell = _POINTS.get(control.id.removeprefix(_POINT))
    if tell is not None:
        return tell(story)
    text = "human only, not in the records" if control.auto == "H" else words.NOT_RECORDED
    return [Facts(f"point-{control.id}", "From records", (Fact(control.title, text, missing=True),))]


def _facts(id: str, *told: Fact) -> Facts:
    return Facts(id, "From records", told)


def _purpose(story: Story) -> list[Block]:
    model, before = story.model, story.previous
    return [
        _facts(
            "purpose",
            field(story.usecase, "Intended purpose", "intended_use"),
            absent("Provider"),
            field(story.usecase, "Owner", "owner_group"),
            field(model, "Version", "version"),
            fact(before, "Version before", title(before, "name", "version") if before else None),
        )
    ]


def _versions(story: Story) -> list[Block]:
    return [made.surroundings(story)]


def _forms(story: Story) -> list[Block]:
    last = story.deployments[-1] if story.deployments else None
    return [
        _facts(
            "forms",
            inside(story.model, "Form of the model file", "files", "format"),
            field(last, "Seen in production", "where"),
        )
    ]


def _hardware(story: Story) -> list[Block]:
    entry = next(iter(story.inputs.get("environment", ())), None)
    return [
        _facts(
            "hardware",
            inside(entry, "Machine it was trained on", "platform", "machine"),
            field(entry, "Accelerator", "accelerator"),
            absent("Hardware it is meant to run on"),
        )
    ]


def _development(story: Story) -> list[Block]:
    return [
        made.training(story),
        _facts("vendor", field(story.model, "Vendor, or pre-trained parts", "vendor")),
        made.code(story),
    ]


def _design(story: Story) -> list[Block]:
    params = next(iter(story.inputs.get("params", ())), None)
    return [
        _facts(
            "design",
            inside(params, "Kind of model", "values", "class", style="code"),
            field(params, "Decision cut-off", "decision_cutoff", style="number"),
            field(params, "Search space", "search_space"),
            field(params, "Candidates tried", "candidates_tried", style="number"),
            inside(story.model, "Features used", "features", "used"),
            absent("Assumptions and trade-offs"),
        )
    ]


def _architecture(story: Story) -> list[Block]:
    params = next(iter(story.inputs.get("params", ())), None)
    return [
        _facts(
            "architecture",
            inside(params, "Kind of model", "values", "class", style="code"),
            inside(story.model, "Bytes of the model", "files", "bytes", style="number"),
            inside(story.run, "Training started", "runDetails", "metadata", "startedOn", say=words.day),
            inside(story.run, "Training finished", "runDetails", "metadata", "finishedOn", say=words.day),
            field(story.run, "Energy used", "energy"),
        )
    ]


def _data(story: Story) -> list[Block]:
    return [made.dataset(entry) for entry in story.datasets] or [_facts("data", absent("Data"))]


def _oversight(story: Story) -> list[Block]:
    return [_facts("oversight", field(story.usecase, "Human oversight, as declared", "oversight"))]


def _reports(story: Story) -> list[Block]:
    blocks: list[Block] = []
    for ground in story.grounds:
        blocks += [tested.policy_facts(story, ground.policy), tested.evaluation_facts(story, ground)]
        checks = story.checks(ground.evaluation)
        blocks += [tested.check_table(checks, ground.evaluation)] if checks is not None else []
    if not blocks:
        blocks.append(_facts("reports", absent("Validation and test reports")))
    return [*blocks, _approvals(story)]


def _approvals(story: Story) -> Block:
    rows = [
        Row(
            (
                words.shortened(words.said(entry.body.get("verdict")), 20),
                who(story, entry.actor),
                words.day(entry.recorded_at),
                words.shortened(words.said(entry.body.get("rationale")), 300),
            ),
            (entry.seq,),
        )
        for entry in story.approvals[-12:]
    ]
    if not rows:
        return _facts("approvals", absent("Signed approval"))
    columns = ("Verdict", "Signed by", "When", "Rationale")
    return table("approvals", "Approvals and refusals", columns, ("text",) * 4, rows)


def _security(story: Story) -> list[Block]:
    commit = next(iter(story.inputs.get("commit", ())), None)
    return [
        _facts(
            "security",
            field(story.model, "Model digest (SHA-256)", "digest", style="digest"),
            inside(commit, "Signature of the commit", "signature", "status"),
            absent("Measures against attacks on data and model"),
        )
    ]


def _functioning(story: Story) -> list[Block]:
    return [
        _facts(
            "functioning",
            field(story.model, "Limitations", "limitations"),
            field(story.usecase, "Prohibited use", "prohibited_use"),
            inside(story.model, "Input: features used", "features", "used"),
            inside(story.model, "Protected attributes at prediction", "features", "protected"),
            absent("Foreseeable unintended outcomes"),
        ),
        *tested.fairness(story).blocks[1:],
    ]


def _metrics(story: Story) -> list[Block]:
    rows = []
    for ground in story.grounds:
        reasons: dict[str, list[str]] = {}
        for check in story.checks(ground.evaluation) or ():
            if check.get("because"):
                reasons.setdefault(words.shortened(str(check["because"]), 400), []).append(str(check.get("id")))
        rows += [
            Row((words.shortened(", ".join(ids), 200), text), (ground.evaluation.seq,)) for text, ids in reasons.items()
        ]
    if not rows:
        return [_facts("metrics", absent("Why these metrics"))]
    return [table("because", "Why these metrics, as the policy says", ("Checks", "Because"), ("code", "text"), rows)]


def _risk(story: Story) -> list[Block]:
    usecase = story.usecase
    return [
        _facts(
            "risk",
            inside(usecase, "Risk tier", "risk_tier", "value"),
            inside(usecase, "Rationale of the tier", "risk_tier", "rationale"),
            absent("Risks identified, and how they are treated"),
        ),
        decided.conditions(story),
        *decided.waivers(story),
    ]


def _lifecycle(story: Story) -> list[Block]:
    return [*made.changes(story).blocks, *decided.tenures(story)]


def _monitoring(story: Story) -> list[Block]:
    return [decided.watch(story), _facts("plan", absent("Plan of the monitoring after market"))]


def _documents(story: Story) -> Block:
    rows = [
        Row(
            (title(entry, "title"), title(entry, "type"), words.shortened(words.said(entry.body.get("digest")), 64)),
            (entry.seq,),
        )
        for entry in story.book.referring(story.model, "document")
    ]
    if not rows:
        return _facts("documents", absent("Documents"))
    return table("documents", "Documents", ("Title", "Type", "Digest"), ("text", "text", "code"), rows)


_POINTS: Final[Mapping[str, Callable[[Story], list[Block]]]] = {
    "1a": _purpose,
    "1c": _versions,
    "1d": _forms,
    "1e": _hardware,
    "2a": _development,
    "2b": _design,
    "2c": _architecture,
    "2d": _data,
    "2e": _oversight,
    "2g": _reports,
    "2h": _security,
    "3": _functioning,
    "4": _metrics,
    "5": _risk,
    "6": _lifecycle,
    "9": _monitoring,
}
"""What records say to a point; for the others nothing does."""

"""The hand-over: one sheet for whoever takes a model over, with what is open, and how to make it again."""

from __future__ import annotations

from collections.abc import Iterator

from tallystick.canonical import encode
from tallystick.records import Entry
from tallystick.report import decided, front, made, words
from tallystick.report.documents.document import Content, absent, parts
from tallystick.report.facts import Block, Fact, Facts, Note, Row
from tallystick.report.saying import fact, field, inside, items, table, title, who
from tallystick.report.story import Story

__all__ = ["build"]


def build(story: Story) -> Content:
    head = front.headline(story)
    return Content(
        name=words.shortened(story.name, 80),
        version=words.said(story.model.body.get("version")),
        notes=(Note(f"{head.word}. {head.sentence}", head.tone, head.entries), *front.open_points(story)),
        sections=parts(
            ("What it is for", [_purpose(story)]),
            ("Who owns it, and who made it", [_people(story)]),
            ("What is in force where", list(_in_force(story))),
            ("What is open", list(_open(story))),
            ("How to make it again", list(_again(story))),
        ),
    )


def _purpose(story: Story) -> Facts:
    usecase = story.usecase
    return Facts(
        "purpose",
        "Use case",
        (
            field(usecase, "Use case", "name"),
            field(usecase, "Intended use", "intended_use"),
            field(usecase, "Prohibited use", "prohibited_use"),
            inside(usecase, "Risk tier", "risk_tier", "value"),
            field(story.model, "Limitations", "limitations"),
        ),
    )


def _people(story: Story) -> Facts:
    makers = "; ".join(who(story, actor) for actor in sorted(story.makers))
    approved = [entry for entry in story.approvals if entry.body.get("verdict") == "approved"]
    last = approved[-1] if approved else None
    return Facts(
        "people",
        "People",
        (
            field(story.usecase, "Owner", "owner_group"),
            fact(story.model, "Makers, from recorded authorship", makers or None),
            fact(last, "Approved by", last.actor if last else None, say=lambda actor: who(story, actor)),
        ),
    )


def _in_force(story: Story) -> Iterator[Block]:
    tenures = decided.tenures(story)
    yield from tenures or [Facts("promotions", "Promotions", (absent("Promotion"),))]
    rows = [_deployed(entry) for entry in story.deployments[-12:]]
    if rows:
        columns = ("Where", "Seen from", "By", "Cut-off in force")
        yield table("deployments", "Deployment", columns, ("text", "text", "text", "number"), rows)
    else:
        yield Facts("deployment", "Deployment", (absent("Deployment"),))


def _deployed(entry: Entry) -> Row:
    where, by = (words.shortened(words.said(entry.body.get(name)), 120) for name in ("where", "by"))
    return Row((where, words.day(entry.body.get("seen_from")), by, words.said(entry.body.get("cutoff"))), (entry.seq,))


def _open(story: Story) -> Iterator[Block]:
    yield decided.conditions(story)
    findings = story.open_findings
    if findings:
        yield decided.finding_table(story, "findings", findings)
    else:
        yield Note("Open findings of a review: none recorded.", "quiet")
    yield from decided.waivers(story)
    yield decided.watch(story)


def _again(story: Story) -> Iterator[Block]:
    yield Note(
        "These are the recorded inputs. Whoever has the same data, code, parameters and environment can run the "
        "command again; whether the same bytes come out is not recorded.",
        "quiet",
    )
    yield Facts("steps", "Steps", (*_checkout(story), *_data(story), *_environment(story), *_command(story)))
    yield from made.parameters(story)
    replay = [
        Fact(
            "Compute its evaluation again", f"tallystick gate replay {g.evaluation.seq}", g.evaluation.seq, style="code"
        )
        for g in story.grounds
    ]
    yield Facts("replay", "Its evaluations", tuple(replay) or (absent("Evaluation"),))


def _checkout(story: Story) -> Iterator[Fact]:
    commit = next(iter(story.inputs.get("commit", ())), None)
    yield field(commit, "Step 1: get the code", "repository", style="code")
    yield field(
        commit, "Step 2: check out", "gitCommit", style="code", say=lambda sha: f"git checkout {words.said(sha)}"
    )
    if commit is not None and commit.body.get("dirty") is not False:
        yield fact(
            commit, "Beside the commit", "uncommitted changes were there; the commit alone does not show what ran"
        )


def _data(story: Story) -> Iterator[Fact]:
    found = story.inputs.get("dataset", [])
    if not found:
        yield absent("Step 3: get the data")
    for entry in found:
        yield inside(
            entry,
            f"Step 3: get the data: {title(entry, 'name')}",
            "distribution",
            "contentUrl",
            style="code",
        )
        yield inside(entry, "Its content digest (tree)", "distribution", "sha256", style="digest")


def _environment(story: Story) -> Iterator[Fact]:
    entry = next(iter(story.inputs.get("environment", ())), None)
    yield field(entry, "Step 4: set up Python", "python", style="code")
    packages = story.book.field(entry, "packages") if entry is not None else None
    told = f"tallystick show {entry.seq} --attachment packages.json" if entry is not None else None
    yield fact(entry, "With these packages", told if isinstance(packages, list) else None, style="code")
    yield inside(entry, "Lock file, digest", "lock_file", "sha256", style="digest")
    yield field(entry, "Platform", "platform")


def _command(story: Story) -> Iterator[Fact]:
    params = next(iter(story.inputs.get("params", ())), None)
    yield field(params, "Seeds", "seeds", style="code", say=lambda seeds: words.visible(encode(seeds).decode()))
    yield field(params, "Decision cut-off", "decision_cutoff", style="number")
    yield field(
        story.run,
        "Step 5: run, with the parameters below",
        "command",
        style="code",
        say=lambda command: words.visible(" ".join(map(str, items(command)))),
    )
    yield field(story.model, "Step 6: compare the digest of the model", "digest", style="digest")

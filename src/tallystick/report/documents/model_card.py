"""The model card: the headings of Mitchell et al., "Model Cards for Model Reporting" (2019), and the metadata of the
Hugging Face hub, whose ``model-index`` holds the results of recorded evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.canonical import Value
from tallystick.records import Entry
from tallystick.report import decided, front, made, tested, words
from tallystick.report.documents.document import Content, parts
from tallystick.report.facts import Block, Fact, Facts, Note
from tallystick.report.saying import field, inside, title, within
from tallystick.report.story import Ground, Story

__all__ = ["build"]

_HUB_LICENCES: Final = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
    | {"gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "isc", "unlicense", "odbl", "pddl", "openrail"}
)
"""Identifiers that the hub knows; every other licence is ``other``, with its name."""
_TASK: Final = "other"
"""The hub's word for a task that it has no name for: no entry says which of its tasks a model does."""


def build(story: Story) -> Content:
    head = front.headline(story)
    return Content(
        name=words.shortened(story.name, 80),
        version=words.said(story.model.body.get("version")),
        notes=(Note(f"{head.word}. {head.sentence}", head.tone, head.entries), *front.worst(story)),
        sections=parts(
            ("Model details", [_details(story)]),
            ("Uses", [_uses(story)]),
            ("Factors", [tested.protected(story.model)]),
            ("Training data", _datasets(story, story.inputs.get("dataset", []))),
            ("Evaluation data", _datasets(story, story.test_data)),
            ("Results", _results(story)),
            ("Results by group", tested.fairness(story).blocks[1:]),
            ("Limitations and conditions", decided.limitations(story).blocks),
            ("How it was made", [made.code(story), made.training(story), made.surroundings(story), _energy(story)]),
            ("What is not shown", [Note(_NOT_SHOWN)]),
        ),
        front_matter=_metadata(story),
    )


_NOT_SHOWN: Final = (
    "Whether what was recorded is true, whether the data are representative, and what the model does: its bytes were "
    "hashed, never loaded. Evaluations are counted where they were recorded. Passing a gate is not legal compliance."
)


def _details(story: Story) -> Facts:
    model = story.model
    return Facts(
        "details",
        "Model",
        (
            field(model, "Name", "name"),
            field(model, "Version", "version"),
            inside(model, "File format", "files", "format"),
            field(model, "Digest (SHA-256)", "digest", style="digest"),
            field(model, "Licence", "licence"),
            field(model, "Vendor", "vendor"),
            field(story.usecase, "Owner", "owner_group"),
        ),
    )


def _uses(story: Story) -> Facts:
    usecase = story.usecase
    return Facts(
        "uses",
        "Use case",
        (
            field(usecase, "Use case", "name"),
            field(usecase, "Intended use", "intended_use"),
            field(usecase, "Out of scope", "prohibited_use"),
            field(usecase, "Affected groups", "affected_groups"),
            field(usecase, "Human oversight", "oversight"),
            inside(usecase, "Risk tier", "risk_tier", "value"),
        ),
    )


def _datasets(story: Story, found: list[Entry]) -> list[Block]:
    """Those of a part of the work; a dataset of the run that evaluations used stands with the evaluations."""
    own = [entry for entry in found if found is story.test_data or entry not in story.test_data]
    return [made.dataset(entry) for entry in own] or [
        Facts("data", "Data", (Fact("Data", words.NOT_RECORDED, missing=True),))
    ]


def _results(story: Story) -> Iterator[Block]:
    if not story.grounds:
        yield Facts("evaluation", "Evaluation", (Fact("Evaluation", words.NOT_RECORDED, missing=True),))
    for ground in story.grounds:
        yield tested.evaluation_facts(story, ground)
        checks = story.checks(ground.evaluation)
        if checks is not None:
            yield tested.check_table(checks, ground.evaluation)
        else:
            yield Note("The check results are not at hand.", "bad", (ground.evaluation.seq,))
    yield from tested.metrics(story)


def _energy(story: Story) -> Facts:
    return Facts("energy", "Environmental impact", (field(story.run, "Energy used", "energy"),))


# --------------------------------------------------------------------------- metadata of the hub


def _metadata(story: Story) -> dict[str, Value]:
    results = [found for ground in story.grounds if (found := _result(story, ground))["metrics"]]
    metrics = list(dict.fromkeys(str(metric["type"]) for result in results for metric in result["metrics"]))
    index = {"name": words.shortened(story.name, 80), "results": results}
    return {
        **_licence(story.model.body.get("licence")),
        "tags": ["tallystick"],
        "datasets": [title(entry, "name") for entry in story.datasets],
        "metrics": metrics,
        **({"model-index": [index]} if results else {}),
    }


def _licence(value: Value) -> dict[str, Value]:
    if words.absence(value) is not None:
        return {"license": "unknown"}
    name = words.shortened(words.said(value), 80)
    known = name.lower().replace(" ", "-")
    return {"license": known} if known in _HUB_LICENCES else {"license": "other", "license_name": name}


def _result(story: Story, ground: Ground) -> dict[str, Value]:
    data = story.data_of(ground.evaluation)
    entry = data[0] if data else None
    dataset = {"type": title(entry, "name"), "name": title(entry, "name", "version")}
    if entry is not None:
        dataset["revision"] = words.shortened(words.said(within(entry.body, "distribution", "sha256")), 64)
    lines = [_metric(check, ground.evaluation) for check in story.checks(ground.evaluation) or ()]
    return {"task": {"type": _TASK}, "dataset": dataset, "metrics": [line for line in lines if line is not None]}


def _metric(check: Mapping[str, Value], evaluation: Entry) -> dict[str, Value] | None:
    """Of a gate that measures the model; what a schema gate counts is about the rows."""
    value = words.numeric(check.get("value"))
    if value is None or check.get("type") not in ("bias", "benchmark"):
        return None
    name = words.shortened(str(check.get("id")), 120)
    verdict = words.shortened(str(check.get("verdict")), 16)
    return {
        "type": name.rpartition("/")[2],
        "name": name,
        "value": value,
        "args": {"verdict": verdict, "entry": evaluation.seq},
    }

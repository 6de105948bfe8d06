"""A policy in plain words, to be read aloud to whoever has to agree with it.

What it is for, what it asks of the data and of the model, why, and what follows. Each demand is the gate's own
sentence; here they are put in order, and what is asked of one column in several checks becomes one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final

from tallystick.policy.controls import Control
from tallystick.policy.document import Policy
from tallystick.policy.keys import reason_given
from tallystick.policy.language import Gate, Planned

__all__ = ["Paragraph", "explain"]

_ASKS: Final = {
    "schema": "are the data what they should be?",
    "bias": "are groups of people treated alike?",
    "benchmark": "is the model right often enough?",
    "drift": "are the data still like those that they are compared with?",
    "expr": "is what the ledger knows of the model as it must be?",
}
_EVERYWHERE: Final = ", in every row."


@dataclass(frozen=True)
class Paragraph:
    """Some sentences, and by how many spaces they are indented."""

    text: str
    indent: int = 0


def explain(policy: Policy, catalogue: Mapping[str, Control] = MappingProxyType({})) -> list[Paragraph]:
    """The whole policy; an empty text stands between its parts.

    Args:
        policy: what is explained.
        catalogue: where the titles of its controls are looked up.
    """
    told = [*_about(policy, catalogue)]
    for number, gate in enumerate(policy.gates, 1):
        told += [Paragraph(""), *_gate(number, gate)]
    words = [*_words(paragraph.text for paragraph in told)]
    return [*told, *([Paragraph(""), *words] if words else []), Paragraph(""), *_follows()]


def _about(policy: Policy, catalogue: Mapping[str, Control]) -> Iterator[Paragraph]:
    since = f", in force from {policy.effective_from}" if policy.effective_from else ""
    yield Paragraph(f"{policy.id} {policy.version}, for which {policy.owner} answers{since}")
    if policy.because:
        yield Paragraph(f"Why: {' '.join(policy.because.split())}")
    count = len(policy.plan)
    yield Paragraph(
        f"Before a model enters the stage {policy.stage}, it has to answer {count} check{'s' if count > 1 else ''}."
    )
    inputs = policy.document.inputs
    if inputs is not None:
        found = inputs.columns
        score = f", how sure it was in {found.score}" if found.score else ""
        yield Paragraph(
            f"The data say what turned out to be true in {found.y_true}, what the model decided in {found.y_pred}"
            f"{score}; {policy.favourable} is the good outcome for the person."
        )
    if policy.document.applies_to.when is not None:
        yield Paragraph(f"Only where {policy.document.applies_to.when}; elsewhere the policy is not asked.")
    if policy.controls:
        yield Paragraph("It is evidence for:")
        for name in policy.controls:
            yield Paragraph(f"- {name}: {catalogue[name].title}" if name in catalogue else f"- {name}", 3)
    yield Paragraph(f"Its digest is {policy.digest}")


def _gate(number: int, gate: Gate) -> Iterator[Paragraph]:
    asks = _ASKS.get(gate.type, f"a gate of type {gate.type}")
    yield Paragraph(f"{number}. {gate.id}: {asks}")
    if gate.when is not None:
        yield Paragraph(f"Only where {gate.when}; elsewhere it does not apply.", 3)
    checks = list(gate.plan())
    for because, members in groupby(checks, key=lambda check: reason_given(check.because, gate.because)):
        yield from _demands(list(members))
        if because:
            yield Paragraph(f"Because: {' '.join(because.split())}", 5)
    yield from (Paragraph(f"- {term}", 3) for term in gate.terms)
    yield from (Paragraph(f"Note: {note}", 3) for note in gate.notes)


def _demands(checks: Sequence[Planned]) -> Iterator[Paragraph]:
    for subject, members in groupby(checks, key=_subject):
        found = list(members)
        if subject is None or len(found) == 1:
            yield from (Paragraph(f"- {_sentence(check)}", 3) for check in found)
        else:
            yield Paragraph(f"- {_together(subject, [check.demand for check in found])}", 3)


def _subject(check: Planned) -> str | None:
    """The column of a check, if its sentence can stand with those of its sisters."""
    column = _column(check)
    return column if column and check.demand.endswith(_EVERYWHERE) else None


def _column(check: Planned) -> str | None:
    """The column that a check is about, if its sentence begins with it."""
    column = check.id.partition("/")[2].rpartition(".")[0]
    return column if column and check.demand.startswith(f"{column} ") else None


def _together(subject: str, demands: Iterable[str]) -> str:
    clauses = [demand.removeprefix(f"{subject} ").removesuffix(_EVERYWHERE) for demand in demands]
    return f"In every row {subject} {', '.join(clauses[:-1])} and {clauses[-1]}."


def _sentence(check: Planned) -> str:
    """The demand with a capital, unless it begins with the name of a column."""
    return check.demand if _column(check) else check.demand[:1].upper() + check.demand[1:]


_MEANINGS: Final = {
    r"of type u?int\d+": "A column of type int64, or another int, holds whole numbers.",
    r"of type float\d+": "A column of type float64, or float32, holds numbers that may have a fraction.",
    "selection rate|demographic parity|four fifths": (
        "The selection rate of a group is the share of its people whom the model selects; demographic parity compares"
        " these rates."
    ),
    "equalized odds": (
        "Equalized odds compares two rates: how often people who merit the favourable outcome receive it, and how often"
        " people who do not merit it receive it all the same."
    ),
    "ROC curve": (
        "The area under the ROC curve (ROC AUC) says how well the score ranks people: how often somebody with"
        " the favourable true outcome has a higher score than somebody without it. 0.5 is chance, and 1 is never wrong."
    ),
    "balanced accuracy": (
        "Balanced accuracy is the share of right decisions within each true outcome, averaged over the outcomes, so"
        " that the rarer one counts as much as the commoner one."
    ),
    "population stability index": (
        "The population stability index says how far the shares of a column have moved between two data sets: 0 is not"
        " at all; above 0.1 is often called some, above 0.25 much."
    ),
    "Kolmogorov-Smirnov": (
        "The Kolmogorov-Smirnov statistic is the largest gap between the shares of rows below a value in two data sets:"
        " 0 is none, 1 is everything."
    ),
    "Cramér's V": "Cramér's V says how far the categories of two data sets differ: 0 is not at all, 1 is entirely.",
}
"""Terms of the field, as they are spelt in demands, and each in a sentence."""


def _words(texts: Iterable[str]) -> Iterator[Paragraph]:
    """The terms that occur, explained."""
    said = " ".join(texts)
    found = [means for term, means in _MEANINGS.items() if re.search(term, said, re.IGNORECASE)]
    if found:
        yield Paragraph("The words")
        yield from (Paragraph(f"- {means}", 3) for means in found)


_FOLLOWS: Final = (
    "If one check fails, the model is refused. A warning is no refusal: it is for whoever approves.",
    "If the data cannot answer a check, such as for a group that is too small, nothing is decided, and nothing may be"
    " promoted.",
    "A model that passes is not yet promoted: somebody entitled, who had no part in it, has to approve.",
    "Published before the first evaluation, the thresholds cannot be fitted to it:"
    " tallystick policy publish FILE --author LABEL --as OFFICER",
)


def _follows() -> Iterator[Paragraph]:
    yield Paragraph("What follows")
    yield from (Paragraph(f"- {text}", 3) for text in _FOLLOWS)

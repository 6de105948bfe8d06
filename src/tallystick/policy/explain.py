"""A policy in plain words, to be read aloud to whoever has to agree with it.

What it is for, what it asks of the data and of the model, why, and what follows. Each demand is the gate's own
sentence; here they are put in order, and what is asked of one column in several checks becomes one sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from tallystick.policy.document import Policy
from tallystick.policy.language import Gate, Planned

__all__ = ["Paragraph", "explain"]

_ASKS: Final = {
    "schema": "are the data what they should be?",
    "bias": "are groups of people treated alike?",
    "benchmark": "is the model right often enough?",
}
_EVERYWHERE: Final = ", in every row."


@dataclass(frozen=True)
class Paragraph:
    """Some sentences, and by how many spaces they are indented."""

    text: str
    indent: int = 0


def explain(policy: Policy) -> list[Paragraph]:
    """The whole policy; an empty text stands between its parts."""
    told = [*_about(policy)]
    for number, gate in enumerate(policy.gates, 1):
        told += [Paragraph(""), *_gate(number, gate)]
    return [*told, Paragraph(""), *_follows()]


def _about(policy: Policy) -> Iterator[Paragraph]:
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
    if policy.controls:
        yield Paragraph(f"It is evidence for: {', '.join(policy.controls)}.")
    yield Paragraph(f"Its digest is {policy.digest}")


def _gate(number: int, gate: Gate) -> Iterator[Paragraph]:
    asks = _ASKS.get(gate.type, f"a gate of type {gate.type}")
    yield Paragraph(f"{number}. {gate.id}: {asks}")
    checks = list(gate.plan())
    for because, members in groupby(checks, key=lambda check: check.because):
        yield from _demands(list(members))
        if because:
            yield Paragraph(f"Because: {' '.join(because.split())}", 5)
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

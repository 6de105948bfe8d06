"""What every format tells: the recorded results of one evaluation, and the words that go with them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tallystick.canonical import Value
from tallystick.policy.results import number
from tallystick.policy.threshold import Threshold
from tallystick.report import words

__all__ = ["Results", "Tone", "is_unjudged", "limits", "one_line", "said", "tone", "value"]

Tone = Literal["good", "care", "skipped", "open", "bad", "broken"]

_TONES: Final[Mapping[str, Tone]] = {
    "pass": "good",
    "warn": "care",
    "waived": "care",
    "not_applicable": "skipped",
    "inconclusive": "open",
    "not_evaluable": "open",
    "fail": "bad",
    "error": "broken",
}
_GREEN: Final = frozenset({"good", "care"})
_LONGEST: Final = 10_000


def tone(verdict: object) -> Tone:
    """How a verdict is to be taken. A word that nobody knows is as bad as a check that could not run."""
    return _TONES.get(str(verdict), "broken")


def one_line(text: object) -> str:
    """Text of a ledger on one line, with what a reader would not see written as escapes."""
    return " ".join(words.visible(str(text), _LONGEST).split())


@dataclass(frozen=True)
class Results:
    """An evaluation that stands on the ledger, as far as a build server or its reader wants to know it."""

    model: str
    """``name@version``."""
    policy: str
    policy_version: str
    policy_entry: int
    stage: str
    verdict: str
    evaluation: int
    """Index of the entry; so is ``decision``."""
    decision: int
    rows: int
    predictions: str
    """The file that was judged, as a relative path."""
    names_test_set: bool
    attempt: Mapping[str, int]
    """``usecase`` and ``data``: which recorded evaluation of the use case, and which look at the test data, this is."""
    checks: tuple[Mapping[str, Value], ...] = field(repr=False)
    """As they were recorded, in the order of the plan."""
    earlier_failures: tuple[int, ...] = ()
    unexplained: tuple[int, ...] = ()
    scored_before_policy: int | None = None
    """The entry in which these test data were first scored, where that was before the policy was published."""
    software: str = ""
    """The version of tallystick."""

    @property
    def is_green(self) -> bool:
        return tone(self.verdict) in _GREEN

    @property
    def shown(self) -> tuple[Mapping[str, Value], ...]:
        """The checks, and one for the verdict itself where it is not green and no check says why."""
        if self.is_green or any(tone(check["verdict"]) in ("open", "bad", "broken") for check in self.checks):
            return self.checks
        return (*self.checks, self._verdict_as_check)

    @property
    def _verdict_as_check(self) -> Mapping[str, Value]:
        return {
            "id": "evaluation/verdict",
            "gate": "evaluation",
            "type": "verdict",
            "verdict": self.verdict,
            "value": None,
            "threshold": {},
            "n": self.rows,
            "reason": "no check was measured, so there is nothing that could be green",
            "advice": "See why each check does not apply; a policy that checks nothing of these data is not for them.",
            "because": "",
        }

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        counted = len(self.shown)
        bad = sum(tone(check["verdict"]) == "bad" for check in self.shown)
        told = {
            "pass": f"PASS: every planned check of {self.model} passed",
            "warn": f"PASS with warnings: {self.model} may go on to approval",
            "fail": f"REFUSED: {self.model} does not pass: {bad} of {words.plural(counted, 'check')} failed",
            "inconclusive": f"INCONCLUSIVE: the numbers do not decide about {self.model}",
        }
        return one_line(told.get(self.verdict, f"ERROR: a check of {self.model} could not run; nothing is green"))

    @property
    def recorded(self) -> str:
        return f"Recorded: evaluation in entry {self.evaluation}, decision in entry {self.decision}."

    @property
    def notes(self) -> list[str]:
        """What a reader has to know beside the checks, a sentence each."""
        notes = []
        if not self.names_test_set:
            notes.append("no recorded test set was named (--dataset): this is no ground for an approval or a promotion")
        looks = self.attempt["data"] if self.names_test_set else 1
        if max(self.attempt["usecase"], looks) > 1:
            look = f", and look number {self.attempt['data']} at this test set, whatever the model"
            notes.append(
                f"this is recorded evaluation number {self.attempt['usecase']} of this use case"
                f"{look if self.names_test_set else ''}"
            )
        if self.scored_before_policy is not None:
            notes.append(
                f"the policy was published (entry {self.policy_entry}) after this test set was first scored "
                f"(entry {self.scored_before_policy}): its thresholds could have been chosen with results in hand"
            )
        if self.earlier_failures:
            notes.append(f"earlier evaluations of this use case did not pass: {_entries(self.earlier_failures)}")
        return notes

    @property
    def next_step(self) -> str:
        """What to do now, in words for somebody who is no programmer."""
        match self.verdict:
            case "fail":
                return (
                    "correct what is named under 'look at', record the changed model as a new version, and run the "
                    "gate again; this result stays on the ledger"
                )
            case "inconclusive":
                return (
                    "judge a larger test set, or one with more people in the groups that are named above; until "
                    "then nothing can be approved or promoted"
                )
            case "pass" | "warn":
                return self._next_of_green
        return "this is a fault of the run and no verdict on the model: correct what is named above and run it again"

    @property
    def _next_of_green(self) -> str:
        if not self.names_test_set:
            return "run the gate again with --dataset NAME, the recorded test set that was scored"
        care = "read the warnings, then " if self.verdict == "warn" else ""
        explain = ""
        if self.unexplained:
            explain = f"before a promotion, say with --explain why {_entries(self.unexplained)} did not pass; "
        return f"{care}{explain}let somebody entitled, who had no part in the model, approve or refuse it"

    @property
    def next_command(self) -> str:
        """The command of the next step, where there is one; to be copied, so it is never broken."""
        if not (self.is_green and self.names_test_set):
            return ""
        model, stage = (shlex.quote(one_line(text)) for text in (self.model, self.stage))
        return f"tallystick approve {model} --stage {stage} --rationale TEXT --as LABEL"


def _entries(seqs: Iterable[int]) -> str:
    found = [str(seq) for seq in seqs]
    return f"{'entry' if len(found) == 1 else 'entries'} {', '.join(found)}"


# --------------------------------------------------------------------------- words for one check


def said(check: Mapping[str, Value], key: str) -> str:
    """A text of a check on one line; empty if it has none."""
    return one_line(check.get(key) or "")


_BEYOND: Final = {"<": "below", "<=": "at or below", ">": "above", ">=": "at or above"}


def limits(check: Mapping[str, Value]) -> str:
    """What the policy wants of a check, such as ``at least 0.80; warns below 0.90``."""
    fail, warn = _threshold(check, "fail_if"), _threshold(check, "warn_if")
    parts = []
    if fail is not None:
        parts.append(fail.wish if isinstance(fail, Threshold) else f"fails if {fail}")
    if isinstance(warn, Threshold):
        parts.append(f"warns {_BEYOND[warn.op]} {warn.text[len(warn.op) :].strip()}")
    elif warn is not None:
        parts.append(f"warns if {warn}")
    return "; ".join(parts) or ("reported, not judged" if is_unjudged(check) else "")


def is_unjudged(check: Mapping[str, Value]) -> bool:
    """Whether a value was measured that the policy sets no threshold for, so that a pass says nothing of it."""
    thresholds = check.get("threshold")
    known = thresholds if isinstance(thresholds, Mapping) else {}
    return tone(check["verdict"]) == "good" and check.get("value") is not None and set(known) == {"decision"}


def _threshold(check: Mapping[str, Value], name: str) -> Threshold | str | None:
    """The threshold, or its text if it is not of the known form."""
    thresholds = check.get("threshold")
    text = thresholds.get(name) if isinstance(thresholds, Mapping) else None
    if text is None:
        return None
    try:
        return Threshold.parse(str(text), percent=True)
    except ValueError:
        return one_line(text)


def value(check: Mapping[str, Value]) -> str:
    """The measured value, never rounded onto a limit that it does not equal; empty where nothing was measured."""
    measured = check.get("value")
    if not isinstance(measured, int | float):
        return ""
    limits = (_threshold(check, name) for name in ("fail_if", "warn_if"))
    return number(float(measured), *(limit.limit for limit in limits if isinstance(limit, Threshold)))

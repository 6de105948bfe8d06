"""Sections 1 and 14: what the report speaks of, what holds it from outside, and what it does not prove."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from tallystick.proof.verify import SEAL
from tallystick.report import words
from tallystick.report.evidence import Given
from tallystick.report.facts import Fact, Facts, Headline, Note, Section
from tallystick.report.saying import fact, field, section
from tallystick.report.story import Story

__all__ = ["Scope", "not_proven", "seal", "verdict"]

_MOST_OTHERS: Final = 12


class Scope:
    """What the caller says about the ledger as a whole: up to where the report speaks, and what holds it."""

    def __init__(self, given: Given) -> None:
        self.origin = words.shortened(given.origin, 200)
        self.size = given.size
        self.root = words.visible(given.root)
        self.as_of = given.as_of
        self.key_fingerprint = words.visible(given.key_fingerprint)
        self.vkey = words.visible(given.vkey)
        self.anchor = given.anchor
        self.un_anchored = given.un_anchored
        self.seal_issuer = given.seal_issuer
        self.covered = given.count()
        """How many of the entries below the checkpoint were recorded by then; others are left out."""

    def un_anchored_text(self) -> str:
        if not self.un_anchored:
            return "no entry"
        first = max(self.size - self.un_anchored, 0)
        span = f"{first}" if self.un_anchored == 1 else f"{first} to {self.size - 1}"
        return f"{words.plural(self.un_anchored, 'entry', 'entries')} ({span})"


def verdict(story: Story, scope: Scope, head: Headline, others: Iterable[int], *, printed: int) -> Section:
    """Section 1.

    Args:
        others: indices of the entries that were covered and are not printed, in order.
        printed: how many are.
    """
    model = story.model
    staged = [*story.decisions, *story.promotions]
    stages = dict.fromkeys(str(e.body.get("stage")) for e in staged)
    about = Facts(
        "scope",
        "Scope",
        (
            fact(
                model, "Model and version", f"{model.body.get('name')}, version {words.said(model.body.get('version'))}"
            ),
            field(model, "Model digest (SHA-256)", "digest", style="digest"),
            Fact(
                "Stage",
                words.visible(", ".join(stages)) if stages else "none: no decision is recorded",
                also=tuple(entry.seq for entry in staged),
            ),
            Fact("As of", words.day(scope.as_of), source="request"),
            Fact("Ledger", scope.origin, 0, style="code"),
            Fact(
                "Entries covered",
                f"{words.count(scope.covered)} of the {words.count(scope.size)} below the checkpoint",
                source="checkpoint",
            ),
            Fact("Of these, printed here", _printed(scope.covered, others, printed), source="annex"),
            Fact(
                "Entries left out",
                f"{words.count(scope.size - scope.covered)}, recorded later or not at hand",
                source="checkpoint",
            ),
        ),
    )
    size = scope.anchor.get("size")
    held = f"{words.visible(str(scope.anchor.get('text') or 'none'))}"
    anchor = Facts(
        "anchor",
        "Anchor",
        (
            Fact("Checkpoint root", scope.root, style="digest", source="checkpoint"),
            Fact(
                "Anchor outside the ledger",
                held + (f" (entries below {words.said(size)})" if size is not None else ""),
                source="request",
            ),
            Fact("Un-anchored", scope.un_anchored_text(), source="checkpoint"),
            Fact("Ledger key, fingerprint", scope.key_fingerprint, style="digest", source="key"),
            Fact("Ledger key, verifier form", scope.vkey, style="code", source="key"),
            Fact("Source of the key", "printed here for comparison only; take it from a source other than this file"),
        ),
    )
    return section(
        1,
        Note(f"{head.word}. {head.sentence}", head.tone, head.entries),
        Note("This report gives no verdict of its own: it prints what was recorded and decided, each with its entry."),
        about,
        anchor,
        Note(
            "With our public key and a checkpoint obtained independently: the entries up to that checkpoint are "
            "unaltered and in order. Whether they are true is not shown.",
            "quiet",
        ),
    )


def _printed(covered: int, others: Iterable[int], printed: int) -> str:
    """``21, listed in the annex; 4 about other things: 1, 13, 14, 16``."""
    told, rest = f"{words.count(printed)}, listed in the annex", covered - printed
    if not rest:
        return told
    listed = ", ".join(map(str, islice(others, _MOST_OTHERS)))
    more = f" and {words.count(rest - _MOST_OTHERS)} more" if rest > _MOST_OTHERS else ""
    return f"{told}; {words.count(rest)} about other things: {listed}{more}"


def not_proven(scope: Scope) -> Section:
    """Section 14."""
    first, *rest = (Fact(label, text) for label, text in _NOT_PROVEN)
    tail = Fact("The un-anchored tail", _tail(scope), source="checkpoint")
    return section(14, Facts("limits", "Limits of this report", (first, tail, *rest, seal(scope), _ISSUE)))


def seal(scope: Scope) -> Fact:
    """What the seal of the file is worth."""
    if scope.seal_issuer is None:
        return Fact("The seal", SEAL)
    issuer = words.shortened(scope.seal_issuer, 160)
    text = (
        f"Sealed with a certificate that {issuer} issued; whether you trust that authority is asked with verify --ca; "
        "not a qualified signature."
    )
    return Fact("The seal", text, source="key")


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
)
_ISSUE: Final = Fact(
    "The issue of this file",
    "Shown only by the receipt of the entry that was made after signing, which is kept beside the file.",
)

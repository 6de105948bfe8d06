"""Trace an audit report: show that every number printed is what the attached evidence gives.

The evidence is held against itself (entries against the tree, parts against their entries), the report is built again
from it, every fact is compared, and the pages are drawn again and compared byte for byte. With a key, it is also shown
that the entries are the ledger's, and with the receipt that the ledger issued the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from tallystick.canonical import Value, digest
from tallystick.errors import MissingProgram, NotFound, NotVerified, TallystickError, Tampered, Unavailable
from tallystick.proof.anchors import Outcome
from tallystick.proof.certificates import issuer
from tallystick.proof.note import VerifierKey, open_checkpoint
from tallystick.proof.pdf import MAX_STRANGER, PdfFacts, check_only_sealed, inspect
from tallystick.proof.verify import SEAL, TIMES, TRUTH, Check, Verdict
from tallystick.report import render, trace, view
from tallystick.report.evidence import Evidence, opened
from tallystick.report.trace import Origin, Rederived
from tallystick.workflow import issue, verify

__all__ = ["Traced", "trace_report"]

_MOST_SHOWN: Final = 5
_ABSENT: Final = (
    "That nothing else bears on the model: an entry that was left out of the evidence is missed here. A pack of all "
    "entries (tallystick pack MODEL --all) shows what there is."
)
_GIVEN: Final = "What no entry says: which checkpoint is held outside. Whoever issued the report vouches for that."
_CLAUSES: Final = (
    "The clauses of the controls are the words of whoever issued the report: it was built by another version, whose "
    "catalogue is not here."
)


@dataclass(frozen=True)
class Traced:
    """The answer about a report."""

    checks: tuple[Check, ...]
    facts: int = 0
    """How many were printed."""
    same: int = 0
    """How many of these are what the evidence gives."""
    origins: tuple[Origin, ...] = field(default=(), repr=False)
    """Every number of every fact."""
    not_proven: tuple[str, ...] = (TRUTH,)

    @property
    def exit_code(self) -> int:
        """0 all is what the evidence gives; 1 something is not; 3 something could not be found out."""
        outcomes = {check.outcome for check in self.checks}
        return 1 if "failed" in outcomes else 3 if "unknown" in outcomes else 0

    def value(self) -> dict[str, Value]:
        """The one JSON form."""
        return {
            "checks": [{"name": c.name, "outcome": c.outcome, "detail": c.detail} for c in self.checks],
            "facts": self.facts,
            "rederived": self.same,
            "numbers": [
                {
                    "fact": one.fact,
                    "label": one.label,
                    "number": one.number,
                    "entries": list(one.entries),
                    "places": list(one.places),
                }
                for one in self.origins
            ],
            "not_proven": list(self.not_proven),
        }


def trace_report(
    file: Path, *, key: str | None = None, trust: Path | None = None, receipt: Path | None = None
) -> Traced:
    """Trace every number of a report.

    Args:
        key: the ledger's public key, a file of keys, or a fingerprint; without one the entries are held against the
            root that the report prints, and whose root that is stays open.
        trust: a file of verifier keys, one a line.
        receipt: of the report; else the file of the same name with ``.tlog-proof``, if there is one.

    Raises:
        NotFound: the file is missing or cannot be read.
        InvalidInput: what was given as a key is none.
        Unavailable: a file that nobody vouches for is too large to be read.
    """
    data = verify.read_pdf(file)
    keys = None if key is None and trust is None else verify.trusted_keys(key, trust, holder=data, where=file.name)
    checks: list[Check] = []
    if keys is not None:
        verdict = verify.verify(file, key=key, trust=trust, receipt=receipt)
        checks.append(_issue(verdict))
    if not (checks and checks[0].outcome == "ok") and len(data) > MAX_STRANGER:
        raise Unavailable(
            "file is not read: it is large, and no receipt vouches for it",
            got=f"{len(data)} bytes",
            expected=f"up to {MAX_STRANGER}",
            remedy="Give --key, with the receipt (.tlog-proof) beside the file.",
        )
    try:
        facts = inspect(data)
        checks.append(Check("pdf", "ok", f"one signature over the whole file, by {facts.subject}"))
        attached = _attached(facts)
        evidence = opened(attached)
        _check_seal(facts, evidence)
    except NotVerified as error:
        return Traced((*checks, Check("evidence", "failed", str(error))))
    checks.append(Check("evidence", "ok", _held(evidence)))
    if _is_ours(evidence):
        checks.append(_worded(evidence))
    if keys is not None:
        checks.append(_tree(evidence, keys))
    return _rederived(data, attached, evidence, checks, keyed=keys is not None)


def _issue(verdict: Verdict) -> Check:
    """What `verify` says of the file, in one line."""
    outcome: Outcome = "ok" if verdict.exit_code == 0 else "failed" if verdict.exit_code == 1 else "unknown"
    return Check("issue", outcome, [check.detail for check in verdict.checks if check.outcome == outcome][-1])


def _attached(facts: PdfFacts) -> bytes:
    found = facts.attachments.get(render.EVIDENCE_NAME)
    if found is None:
        raise Tampered("no evidence is attached to the PDF", expected=render.EVIDENCE_NAME)
    return found


def _check_seal(facts: PdfFacts, evidence: Evidence) -> None:
    """The authority that the report names for its seal is the one that the certificate names.

    Raises:
        Tampered: it is another.
    """
    named, found = evidence.given.seal_issuer, issuer(facts.certificate)
    if named not in (None, found):
        raise Tampered(
            "the report names another authority for its seal than the certificate", expected=found, got=named
        )


def _held(evidence: Evidence) -> str:
    return (
        f"{len(evidence.carried)} entries stand in the tree of {evidence.given.size} whose root is printed, and "
        f"{len(evidence.parts)} parts are those that their entries name"
    )


def _is_ours(evidence: Evidence) -> bool:
    """Whether this version built the report: then it has to be worded as here."""
    return bool(evidence.given.drawing.get("software") == render.drawing("")["software"])


def _worded(evidence: Evidence) -> Check:
    """What no entry says is worded by the shipped catalogue, and by the size of the anchor."""
    given, shipped = evidence.given, issue.catalogue()
    wrong = [id for id, control in given.controls.items() if control != shipped.get(id)]
    if wrong:
        return Check("wording", "failed", f"the clause of {wrong[0][:60]} is not that of the control catalogue")
    if given.anchor["text"] != issue.anchor_words(given.anchor["size"]):
        return Check("wording", "failed", "the report describes the checkpoint held outside in other words than ours")
    return Check("wording", "ok", f"{len(given.controls)} clauses are those of the control catalogue")


def _tree(evidence: Evidence, keys: list[VerifierKey]) -> Check:
    """Whether the tree that the report names is one that the ledger's key signed."""
    given = evidence.given
    if given.note is None:
        return Check("checkpoint", "unknown", "the evidence carries no signed checkpoint")
    named = [key for key in keys if key.name == given.origin] or keys
    try:
        checkpoint = open_checkpoint(given.note.encode(), named[0])
    except NotVerified as error:
        return Check("checkpoint", "failed", str(error))
    if (checkpoint.size, checkpoint.root.hex()) != (given.size, given.root):
        return Check("checkpoint", "failed", "the signed checkpoint is of another tree than the one printed")
    if (given.vkey, given.key_fingerprint) != (str(named[0]), named[0].public.fingerprint):
        return Check("checkpoint", "failed", "the report prints another key than the one given")
    return Check("checkpoint", "ok", f"the tree of {given.size} entries is signed with the key that was given")


def _rederived(data: bytes, attached: bytes, evidence: Evidence, checks: list[Check], *, keyed: bool) -> Traced:
    try:
        found = trace.rederive(evidence)
        checks += _facts(found, attached, evidence)
    except Exception as error:  # entries that nobody signed for may be of any shape
        told = str(error) if isinstance(error, TallystickError) else f"{type(error).__name__}: {error}"[:120]
        return Traced((*checks, Check("facts", "failed", f"the report cannot be built from this evidence: {told}")))
    checks.append(_pages(data, attached, evidence, found))
    origins = tuple(trace.origins(found, evidence))
    return Traced(tuple(checks), found.printed, found.same, origins, tuple(_open_questions(checks, keyed=keyed)))


def _facts(found: Rederived, attached: bytes, evidence: Evidence) -> Iterator[Check]:
    """Another version of these rules may say another thing of the same entries, and is no judge of a report."""
    there, here = evidence.given.drawing.get("software"), render.drawing("")["software"]
    outcome: Outcome = "failed" if _is_ours(evidence) else "unknown"
    if outcome == "unknown" and found.differences:
        yield Check("facts", outcome, f"the report was built by {str(there)[:60]}, here is {here}, which gives another")
    for difference in found.differences[:_MOST_SHOWN]:
        yield Check("facts", outcome, str(difference))
    if len(found.differences) > _MOST_SHOWN:
        yield Check("facts", outcome, f"and {len(found.differences) - _MOST_SHOWN} more")
    if found.differences:
        return
    if view.evidence(found.view) != attached:
        yield Check("facts", outcome, "the evidence says something of the model that its entries do not give")
        return
    yield Check("facts", "ok", f"{found.same} of {found.printed} follow from the entries")


def _pages(data: bytes, attached: bytes, evidence: Evidence, found: Rederived) -> Check:
    """Draw the pages again: where this machine draws as the other did, the files are compared."""
    drawing = evidence.given.drawing
    here = render.drawing(str(drawing.get("at")))
    if here["specimen"] is None:
        return Check("pages", "unknown", "not compared: nothing can be drawn here, Pango is missing")
    differs = [name for name in ("software", "template", "specimen") if here[name] != drawing.get(name)]
    try:
        moment = datetime.fromisoformat(str(drawing.get("at")))
        drawn = render.pdf(found.view, attached, identifier=bytes.fromhex(digest(attached)), moment=moment)
        check_only_sealed(data, drawn)
    except (NotVerified, MissingProgram, ValueError, NotFound) as error:
        if differs:
            return Check("pages", "unknown", _other_programs(differs, here, drawing))
        return Check("pages", "failed", str(error))
    except TallystickError as error:
        return Check("pages", "failed", str(error))
    return Check("pages", "ok", f"drawn again, they are the same {len(drawn)} bytes; only the seal was appended")


def _other_programs(differs: list[str], here: Mapping[str, Value], there: Mapping[str, Value]) -> str:
    what = "programs" if "specimen" in differs else "templates or rules"
    then = there.get("programs")
    told = ", ".join(f"{name} {version}" for name, version in then.items()) if isinstance(then, Mapping) else ""
    now = ", ".join(f"{name} {version}" for name, version in here["programs"].items())
    return f"not compared: drawn with other {what} than here (there {told}; here {now})"


def _open_questions(checks: list[Check], *, keyed: bool) -> Iterator[str]:
    yield TRUTH
    yield _ABSENT
    yield _GIVEN
    if not any(check.name == "wording" for check in checks):
        yield _CLAUSES
    if not keyed:
        yield "Whose ledger this is, and that the report was issued: no key was given (--key KEY)."
    if not any(check.name == "pages" and check.outcome == "ok" for check in checks):
        yield "That the pages show what the evidence says: they were not found to be the same."
    yield TIMES
    yield SEAL

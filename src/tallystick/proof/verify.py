"""Verdicts over bytes: what a file in hand proves, what it does not, and what could not be found out.

Pure: bytes, the ledger's key and, if there are any, checkpoints kept elsewhere come in; a :class:`Verdict` goes out.
Evidence that does not hold is a verdict here, not an exception; what was never evidence (a later format, an anchor of
another ledger) is still raised.

Integrity and completeness are two questions. Neither says that what was recorded is true. Whether the people who signed
were entitled to is judged over the entries by ``people``; here their statements are held against their entries only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from tallystick.canonical import Value, digest
from tallystick.errors import Malformed, NotVerified, TallystickError, Tampered
from tallystick.proof import identity, issued
from tallystick.proof.anchors import NO_ANCHORS, Anchors, Outcome, compare, fork
from tallystick.proof.certificates import NO_AUTHORITIES, Authorities
from tallystick.proof.consistency import Consistency, Link
from tallystick.proof.merkle import root
from tallystick.proof.note import Checkpoint, VerifierKey, open_checkpoint
from tallystick.proof.pack import Pack, open_pack
from tallystick.proof.receipt import Proof, Receipt
from tallystick.proof.sample import Sample
from tallystick.proof.statement import check_statement
from tallystick.records import Entry

__all__ = [
    "APPEARANCE",
    "BOUNDED",
    "IDENTIFIED",
    "PEOPLE",
    "SEAL",
    "TIMES",
    "TRUTH",
    "Check",
    "Verdict",
    "verify_checkpoint",
    "verify_consistency",
    "verify_pack",
    "verify_receipt",
    "verify_report",
]

Kind = Literal["pack", "report", "receipt", "checkpoint", "consistency"]
Extent = Literal["proven", "stated", "partial", "failed", "not asked"]

TRUTH: Final = "Whether what was recorded is true is not shown. What was never recorded is invisible."
TIMES: Final = "Recorded times are the ledger's claim: no outside timestamp was checked."
BOUNDED: Final = "Recorded times are the ledger's claim: a time stamp shows what was there by then, not since when."
PEOPLE: Final = "Whether those who signed entries were entitled to was not checked here."
SEAL: Final = "Integrity seal; identity not verified; not a qualified signature."
IDENTIFIED: Final = "Who sealed the report is what the given authority says; not a qualified signature."
APPEARANCE: Final = "How the PDF looks in a viewer is not judged: the attached evidence is what counts."
_NO_ANCHOR: Final = (
    "No checkpoint from elsewhere was compared: the holder of the ledger's key could have made this history anew, "
    "or show another one to others."
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class Verdict:
    """The answer about a file."""

    kind: Kind
    integrity: Outcome
    """Whether what is there is what the ledger holds."""
    completeness: Extent
    """Whether all that belongs there is there: proven by the tree, stated by the signed manifest, partial (something
    that is named is missing), failed, or not asked.
    """
    checks: tuple[Check, ...]
    not_proven: tuple[str, ...]
    """What this verdict does not say, in sentences to print beside it."""
    key: VerifierKey
    """The key that was given, and that everything was checked with."""
    checkpoint: Checkpoint | None = None
    """The checkpoint that the file rests on."""
    entry: Entry | None = field(default=None, repr=False)
    """The entry of a receipt, or the one that records a report."""
    pack: Pack | None = field(default=None, repr=False)
    anchor: Checkpoint | None = None
    """The largest checkpoint from elsewhere that was found to agree."""
    time: Outcome | Literal["not asked"] = "not asked"
    """Whether authorities that the reader trusts say when this was there: a question apart from integrity."""
    existed_at: datetime | None = None
    """The earliest time at which something in the file, as the checks say, is proven to have been there."""

    @property
    def unanchored(self) -> int | None:
        """How many entries under the file's checkpoint no anchor covers; None if no checkpoint was verified."""
        if self.checkpoint is None:
            return None
        return max(0, self.checkpoint.size - (self.anchor.size if self.anchor else 0))

    @property
    def exit_code(self) -> int:
        """0 yes; 1 something does not hold; 3 something that was asked could not be found out."""
        outcomes = {self.integrity, *(check.outcome for check in self.checks)}
        if "failed" in outcomes or self.completeness == "failed":
            return 1
        return 3 if "unknown" in outcomes or self.completeness == "partial" else 0

    def value(self) -> dict[str, Value]:
        """The one JSON form."""
        return {
            "kind": self.kind,
            "integrity": self.integrity,
            "completeness": self.completeness,
            "checks": [{"name": c.name, "outcome": c.outcome, "detail": c.detail} for c in self.checks],
            "not_proven": list(self.not_proven),
            "key": {"name": self.key.name, "fingerprint": self.key.public.fingerprint},
            "checkpoint": _size_and_root(self.checkpoint),
            "anchor": _size_and_root(self.anchor),
            "unanchored": self.unanchored,
            "time": self.time,
            "existed_at": None if self.existed_at is None else self.existed_at.isoformat(),
            "entry": None if self.entry is None else self.entry.ref.value(),
            "withheld": [] if self.pack is None else [{"seq": seq, "name": name} for seq, name in self.pack.withheld],
        }


def _size_and_root(checkpoint: Checkpoint | None) -> Value:
    return None if checkpoint is None else {"size": checkpoint.size, "root": checkpoint.root.hex()}


def _failed(kind: Kind, key: VerifierKey, name: str, error: NotVerified, checks: Sequence[Check] = ()) -> Verdict:
    extent: Extent = "failed" if kind == "pack" else "not asked"
    return Verdict(kind, "failed", extent, (*checks, Check(name, "failed", str(error))), (TRUTH,), key)


# ------------------------------------------------------------------ anchors


@dataclass(frozen=True)
class _Compared:
    """What came out of holding a checkpoint against those from elsewhere."""

    checks: tuple[Check, ...]
    anchor: Checkpoint | None
    """The largest that agrees."""


def _compared(
    checkpoint: Checkpoint,
    key: VerifierKey,
    anchors: Anchors,
    *,
    leaves: Sequence[bytes] | None = None,
    links: Sequence[Link] = (),
) -> _Compared:
    checks, known = [], list(links)
    for data in anchors.proofs:
        try:
            known.append(Consistency.parse(data).open(key))
        except NotVerified as error:
            checks.append(Check("consistency", "failed", str(error)))
    checks += [Check("anchor", "unknown", why) for why in anchors.unopened]
    agreeing = []
    for kept in anchors.kept:
        outcome, detail = compare(checkpoint, kept, leaves=leaves, links=known)
        checks.append(Check("anchor", outcome, detail))
        agreeing += [kept] if outcome == "ok" else []
    if anchors.required and not (anchors.kept or anchors.unopened):
        checks.append(Check("anchor", "unknown", "one is required, and none was given"))
    begun = [] if leaves is None else _begun(checkpoint, leaves, (link.new.size for link in known))
    trees = [checkpoint, *begun, *anchors.kept, *(link.new for link in known)]
    checks += _broken(known, trees)
    size = fork(trees)
    if size is not None:
        checks.append(Check("history", "failed", f"two different trees of {size} entries are signed with this key"))
    return _Compared(tuple(checks), max(agreeing, key=lambda kept: kept.size, default=None))


def _broken(links: Sequence[Link], trees: Sequence[Checkpoint]) -> Iterator[Check]:
    """Links that do not hold from a tree of their size, also where no anchor needs them: that shows two histories."""
    for link in links:
        try:
            for tree in trees:
                if tree.size == link.old:
                    link.check(tree)
        except NotVerified as error:
            yield Check("consistency", "failed", f"from {link.old} to {link.new.size} entries: {error}")


def _begun(checkpoint: Checkpoint, leaves: Sequence[bytes], sizes: Iterable[int]) -> list[Checkpoint]:
    """What the ledger in hand had for a tree at some sizes."""
    return [Checkpoint(checkpoint.origin, size, root(leaves[:size])) for size in set(sizes) if size < len(leaves)]


def _beyond(checkpoint: Checkpoint, anchor: Checkpoint | None) -> Iterator[str]:
    """What the anchor leaves open."""
    if anchor is None:
        yield _NO_ANCHOR
    elif anchor.size < checkpoint.size:
        yield (
            f"Entries {anchor.size} to {checkpoint.size - 1} lie after the checkpoint from elsewhere: "
            "the holder of the ledger's key could have replaced them."
        )


# ------------------------------------------------------------------ checkpoints, consistency proofs and receipts


def verify_checkpoint(
    note: bytes,
    key: VerifierKey,
    anchors: Anchors = NO_ANCHORS,
    *,
    stamp: bytes | None = None,
    authorities: Authorities = NO_AUTHORITIES,
) -> Verdict:
    """Whether a signed note is a checkpoint of this ledger, agrees with those from elsewhere, and when it was there.

    Args:
        stamp: an answer of a time-stamping authority over the note, if there is one (RFC 3161, DER).
    """
    try:
        checkpoint = open_checkpoint(note, key)
    except NotVerified as error:
        return _failed("checkpoint", key, "signature", error)
    verdict = _verdict("checkpoint", key, [_signed(checkpoint)], checkpoint, anchors)
    what = f"the first {checkpoint.size} entries"
    return _timed(verdict, [] if stamp is None else [identity.answered(stamp, note, what, authorities)], authorities)


def _signed(checkpoint: Checkpoint) -> Check:
    return Check("signature", "ok", f"size {checkpoint.size}, root {checkpoint.root.hex()}")


def verify_consistency(data: bytes, key: VerifierKey, anchors: Anchors = NO_ANCHORS) -> Verdict:
    """Whether a signed checkpoint begins with an older one, which has to be among the anchors.

    Without it nothing is shown about the older tree: the file names its size and holds neither root nor signature.
    """
    try:
        link = Consistency.parse(data).open(key)
    except NotVerified as error:
        return _failed("consistency", key, "consistency", error)
    checks = [_signed(link.new)]
    if all(kept.size != link.old for kept in anchors.kept):
        why = f"the checkpoint of size {link.old} that it is from was not given: nothing is shown about that tree"
        checks.append(Check("older checkpoint", "unknown", why))
    return _verdict("consistency", key, checks, link.new, anchors, links=[link])


def verify_receipt(data: bytes, key: VerifierKey, anchors: Anchors = NO_ANCHORS) -> Verdict:
    """Whether the entry in a receipt stands in this ledger.

    A proof without its entry is no receipt: its checkpoint is verified, and what stands at its place stays unknown.
    """
    try:
        proof = Proof.parse(data)
        if proof.extra is None:
            return _without_entry(proof, key, anchors)
        entry, checkpoint = Receipt.parse(data).verify(key)
    except NotVerified as error:
        return _failed("receipt", key, "inclusion", error)
    checks = [Check("inclusion", "ok", f"entry {entry.seq} ({entry.kind}) of {checkpoint.size}")]
    return _verdict("receipt", key, checks, checkpoint, anchors, entry=entry)


def _without_entry(proof: Proof, key: VerifierKey, anchors: Anchors) -> Verdict:
    checkpoint = open_checkpoint(proof.checkpoint, key)
    if proof.index >= checkpoint.size:
        raise Tampered("index lies beyond the tree", expected=f"below {checkpoint.size}", got=str(proof.index))
    why = f"the proof carries no entry: which one stands at {proof.index} is not shown"
    checks = [_signed(checkpoint), Check("inclusion", "unknown", why)]
    return _verdict("receipt", key, checks, checkpoint, anchors)


def _verdict(
    kind: Kind,
    key: VerifierKey,
    checks: Sequence[Check],
    checkpoint: Checkpoint,
    anchors: Anchors,
    *,
    links: Sequence[Link] = (),
    not_proven: Sequence[str] = (),
    entry: Entry | None = None,
) -> Verdict:
    """The verdict where everything but the anchors was looked at."""
    compared = _compared(checkpoint, key, anchors, links=links)
    checks = (*checks, *compared.checks)
    return Verdict(
        kind=kind,
        integrity=_integrity(checks),
        completeness="not asked",
        checks=checks,
        not_proven=(TRUTH, TIMES, *_beyond(checkpoint, compared.anchor), *not_proven),
        key=key,
        checkpoint=checkpoint,
        entry=entry,
        anchor=compared.anchor,
    )


def _integrity(checks: Sequence[Check]) -> Outcome:
    """An anchor that could not be compared is a check of its own: what is in the file holds or does not without it.

    So is what others say of time and identity, also where it fails: the file is no less what the ledger holds.
    """
    failed = {check.name.removeprefix("report ") for check in checks if check.outcome == "failed"}
    return "failed" if failed - _APART else "ok"


_APART: Final = frozenset({"time", "clock", "identity"})
"""Checks that have no say in integrity."""


# ------------------------------------------------------------------ time


def _timed(verdict: Verdict, stamps: Sequence[identity.Stamped], authorities: Authorities) -> Verdict:
    """The verdict with what the time stamps say: a question of its own, which leaves integrity as it was."""
    checks = [Check("time", stamp.outcome, stamp.detail) for stamp in stamps if stamp.outcome is not None]
    if authorities.time and not stamps:
        checks.append(_NO_STAMP)
    unjudged = [stamp.detail for stamp in stamps if stamp.outcome is None]
    proven = [stamp.at for stamp in stamps if stamp.outcome == "ok" and stamp.at is not None]
    return replace(
        verdict,
        checks=(*verdict.checks, *checks),
        not_proven=(*_bounded(verdict.not_proven, timed=bool(proven)), *map(_not_judged, unjudged)),
        time=_worst(checks),
        existed_at=min(proven, default=None),
    )


_NO_STAMP: Final = Check("time", "unknown", "no time stamp is here")


def _not_judged(detail: str) -> str:
    return f"When it was there: {detail}; not judged, since no time-stamping authority to trust was given (--tsa)."


def _bounded(lines: Iterable[str], *, timed: bool) -> Iterator[str]:
    return (BOUNDED if line == TIMES and timed else line for line in lines)


def _worst(checks: Sequence[Check]) -> Outcome | Literal["not asked"]:
    found = {check.outcome for check in checks}
    return next((outcome for outcome in _FROM_WORST if outcome in found), "not asked")


_FROM_WORST: Final[tuple[Outcome, ...]] = ("failed", "unknown", "ok")


# ------------------------------------------------------------------ reports


def verify_report(
    pdf: bytes,
    receipt: bytes | None,
    key: VerifierKey,
    anchors: Anchors = NO_ANCHORS,
    *,
    authorities: Authorities = NO_AUTHORITIES,
) -> Verdict:
    """Whether a PDF is the report that an entry of this ledger records; and, by others, when it was there and whose.

    A file cannot contain the entry that records it: without the receipt beside it, its issue is not proven, and
    integrity is unknown at best. A report is of its time: whether it is the newest one is not asked.
    """
    return _report(pdf, receipt, key, anchors, authorities)


def _report(
    pdf: bytes, receipt: bytes | None, key: VerifierKey, anchors: Anchors, authorities: Authorities, *, known: int = 0
) -> Verdict:
    """The verdict on a report, of whose ledger ``known`` entries are known to exist."""
    checks: list[Check] = []
    if receipt is None:
        return _without_receipt(pdf, key, authorities)
    step = "receipt"
    try:
        entry, checkpoint = Receipt.parse(receipt).verify(key)
        checks.append(Check("receipt", "ok", f"entry {entry.seq} ({entry.kind}) of {checkpoint.size}"))
        step = "issue"
        _check_issue(entry, pdf, key)
        step = "pdf"
        facts = _looked_at(checks, pdf)
        step = "issue"
        _check_facts(entry, facts)
    except NotVerified as error:
        return _failed("report", key, step, error, checks)
    checks.append(Check("issue", "ok", f"entry {entry.seq} records this file, its signer and its evidence{_of(entry)}"))
    verdict = _verdict("report", key, checks, checkpoint, anchors, not_proven=(PEOPLE, SEAL, APPEARANCE), entry=entry)
    known = max(known, checkpoint.size, verdict.anchor.size if verdict.anchor else 0)
    verdict = replace(verdict, not_proven=(*verdict.not_proven, *_since(entry, known)))
    return _identified(verdict, facts, authorities)


def _of(entry: Entry) -> str:
    """Which model and version a report is of, as its entry says: a file can be called anything."""
    scope = entry.body.get("scope")
    if not isinstance(scope, Mapping) or "name" not in scope:
        return ""
    return f": {str(scope['name'])[:100]}, version {scope.get('version')}, as of {str(entry.body.get('as_of'))[:19]}Z"


def _since(entry: Entry, known: int) -> Iterator[str]:
    """A report that holds can be out of date: what is known to have been recorded since it was made."""
    drawn = entry.body.get("checkpoint")
    covered = drawn.get("size") if isinstance(drawn, Mapping) else None
    if not isinstance(covered, int):
        return
    later = max(known - max(covered, entry.seq + 1), 0)
    told = f"; at least {later} more entries are known" if later else ""
    yield f"Whether this report is still up to date is not shown: it speaks of the first {covered} entries{told}."


def _identified(verdict: Verdict, facts: Any, authorities: Authorities) -> Verdict:
    """The verdict with what others say of the report: when it was there, and who sealed it."""
    stamps = [identity.stamped(stamp, facts, authorities) for stamp in facts.stamps]
    verdict = _timed(verdict, stamps, authorities)
    found = identity.signer(facts, authorities, proven_at=verdict.existed_at)
    named = any(outcome == "ok" and name == "identity" for name, outcome, _ in found.checks)
    lines = (IDENTIFIED if line == SEAL and named else line for line in verdict.not_proven)
    return replace(
        verdict,
        checks=(*verdict.checks, *(Check(*check) for check in found.checks)),
        not_proven=(*lines, *found.not_proven),
    )


def _looked_at(checks: list[Check], data: bytes) -> Any:
    from tallystick.proof.pdf import inspect

    facts = inspect(data)
    checks.append(Check("pdf", "ok", f"one signature over the whole file, by {facts.subject}"))
    return facts


def _without_receipt(pdf: bytes, key: VerifierKey, authorities: Authorities) -> Verdict:
    from tallystick.proof.pdf import MAX_STRANGER

    checks: list[Check] = []
    facts = None
    try:
        if len(pdf) <= MAX_STRANGER:
            facts = _looked_at(checks, pdf)
        else:
            checks.append(Check("pdf", "unknown", f"not read: {len(pdf)} bytes that no receipt vouches for"))
    except NotVerified as error:
        return _failed("report", key, "pdf", error)
    missing = Check("receipt", "unknown", "no receipt was given: that the ledger records this file is not proven")
    issue = "That this report was issued is not proven: give the receipt (.tlog-proof) that came with it."
    verdict = Verdict("report", "unknown", "not asked", (*checks, missing), (TRUTH, issue, SEAL, APPEARANCE), key)
    return verdict if facts is None else _identified(verdict, facts, authorities)


def _check_issue(entry: Entry, pdf: bytes, key: VerifierKey) -> None:
    """The entry is of a report, issued by the ledger itself, and speaks of this file.

    Anybody may append an entry of this kind; only the ledger's key issues. The file's digest is asked before anything
    reads the file: a PDF that somebody altered is never parsed.
    """
    if entry.kind != "report":
        raise Tampered("receipt is for another kind of entry", expected="report", got=entry.kind)
    check_statement(entry, ledger=key.name, keys=[key.public])
    file = _map(entry, "file")
    _same("file", file.get("sha256"), digest(pdf))
    _same("size of the file", file.get("size"), len(pdf))


def _check_facts(entry: Entry, facts: Any) -> None:
    """The entry speaks of this signer and this evidence, and of what the evidence speaks of."""
    evidence, signer = (_map(entry, name) for name in ("evidence", "signer"))
    _same("certificate", signer.get("certificate_sha256"), facts.certificate_sha256)
    attached = facts.attachments.get(str(evidence.get("name")))
    if attached is None:
        raise Tampered("evidence is not attached to the PDF", expected=str(evidence.get("name"))[:80])
    _same("evidence", evidence.get("sha256"), digest(attached))
    issued.check_same(entry, attached)


def _map(entry: Entry, name: str) -> Mapping[str, Value]:
    value = entry.body.get(name)
    if not isinstance(value, Mapping):
        raise Malformed(f"entry of a report has no {name}", where=f"entry {entry.seq}")
    return value


def _same(what: str, recorded: object, found: object) -> None:
    if recorded != found:
        raise Tampered(f"entry records another {what}", expected=str(recorded)[:100], got=str(found)[:100])


# ------------------------------------------------------------------ packs


def verify_pack(
    data: bytes, key: VerifierKey, anchors: Anchors = NO_ANCHORS, *, authorities: Authorities = NO_AUTHORITIES
) -> Verdict:
    """Whether a pack holds what the ledger holds, and all of it; and, by others, what was there by when."""
    try:
        pack = open_pack(data, key)
    except NotVerified as error:
        return _failed("pack", key, "pack", error)
    compared = _compared(pack.checkpoint, key, anchors, leaves=_leaves(pack), links=_links(pack))
    checks = [
        Check("pack", "ok", f"every byte of {len(pack.members)} members is covered by the ledger's signature"),
        Check(
            "entries",
            "ok",
            f"{len(pack.entries)} entries stand unaltered and in order in the tree of {pack.checkpoint.size}",
        ),
        *_facts(pack),
        *compared.checks,
    ]
    verdict = Verdict(
        kind="pack",
        integrity=_integrity(checks),
        completeness=_extent(pack),
        checks=tuple(checks),
        not_proven=tuple(_open_questions(pack, compared.anchor)),
        key=key,
        checkpoint=pack.checkpoint,
        pack=pack,
        anchor=compared.anchor,
    )
    verdict = _timed(verdict, list(_stamped(pack, key, authorities)), authorities)
    return _with_report(verdict, pack, authorities) if "audit.pdf" in pack.report else verdict


def _leaves(pack: Pack) -> list[bytes] | None:
    return [entry.leaf for entry in pack.entries] if pack.completeness.whole else None


def _links(pack: Pack) -> list[Link]:
    return [Link(old, pack.checkpoint, hashes) for old, hashes in pack.consistency.items()]


def _extent(pack: Pack) -> Extent:
    facts = pack.completeness
    if facts.whole:
        return "proven"
    return "partial" if facts.dangling or facts.gaps or facts.uncounted or facts.genesis else "stated"


def _facts(pack: Pack) -> Iterator[Check]:
    """The facts about what is missing, as checks."""
    facts, chosen = pack.completeness, pack.manifest["filter"]["name"]
    if facts.whole:
        last = pack.checkpoint.size - 1
        yield Check("completeness", "ok", f"nothing is omitted from entries 0 to {last} under the filter {chosen!r}")
    if pack.sample is not None:
        yield Check("population", "ok", _drawn(pack.sample))
    if facts.genesis is None:
        yield Check("genesis", "ok", "entry 0 names this origin and this key")
    else:
        missing = pack.entries[0].seq != 0
        yield Check("genesis", "unknown" if missing else "failed", facts.genesis)
    loose = [f"entry {item.seq} names entry {item.ref.seq}" for item in facts.dangling]
    yield _listed("references", loose, "every entry that is named is here")
    gaps = [f"{gap.first} to {gap.last} of the use case in entry {gap.usecase.seq}" for gap in facts.gaps]
    gaps += [f"entry {seq} has no number of its own" for seq in facts.uncounted]
    yield _listed("evaluations", gaps, "recorded evaluations are numbered without a gap")


def _drawn(sample: Sample) -> str:
    return (
        f"{sample.kind}: all {sample.population} recorded from {sample.since} to before {sample.until} are among "
        f"entries {sample.first} to {sample.last}, none of which is missing; {len(sample.drawn)} drawn by the seed "
        f"{sample.seed!a}"
    )


def _listed(name: str, problems: Sequence[str], good: str) -> Check:
    if not problems:
        return Check(name, "ok", good)
    more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
    return Check(name, "unknown", "not here: " + "; ".join(problems[:5]) + more)


def _stamped(pack: Pack, key: VerifierKey, authorities: Authorities) -> Iterator[identity.Stamped]:
    """The answers of time-stamping authorities, each over the note of an earlier checkpoint of this history."""
    for size, answer in pack.timestamps.items():
        note = pack.note(size)
        if note is None:
            yield identity.Stamped("unknown", f"the checkpoint of {size} entries that was stamped is not here")
            continue
        try:
            checkpoint = open_checkpoint(note, key)
            outcome, detail = compare(pack.checkpoint, checkpoint, leaves=_leaves(pack), links=_links(pack))
        except TallystickError as error:
            outcome, detail = "failed", str(error)
        if outcome == "ok":
            yield identity.answered(answer, note, f"the first {size} entries", authorities)
        else:
            yield identity.Stamped(outcome, f"the checkpoint of {size} entries that was stamped: {detail}")


def _with_report(verdict: Verdict, pack: Pack, authorities: Authorities) -> Verdict:
    """The verdict with the report in the pack, by the rules for a report, and its entry by the pack's own tree."""
    pdf, receipt = pack.report["audit.pdf"], pack.report.get("receipt.tlog-proof")
    report = _report(pdf, receipt, verdict.key, NO_ANCHORS, authorities, known=pack.checkpoint.size)
    found = [check for check in report.checks if check != _NO_STAMP]
    stamped = any(check.name == "time" for check in found)
    own = [check for check in verdict.checks if not (stamped and check == _NO_STAMP)]
    checks = [*own, *(Check(f"report {check.name}", check.outcome, check.detail) for check in found)]
    if report.entry is not None and report.checkpoint is not None:
        checks += [_same_history(pack, report.entry, report.checkpoint), *_newer(pack, report.entry)]
    times = [check for check in checks if check.name.removeprefix("report ") == "time"]
    lines = [line for line in report.not_proven if line not in (TRUTH, TIMES, BOUNDED, PEOPLE, _NO_ANCHOR)]
    return replace(
        verdict,
        integrity=_integrity(checks),
        checks=tuple(checks),
        not_proven=(
            *_bounded(verdict.not_proven, timed=report.existed_at is not None),
            *(lines or (SEAL, APPEARANCE)),
        ),
        time=_worst(times),
        existed_at=min((at for at in (verdict.existed_at, report.existed_at) if at is not None), default=None),
    )


def _same_history(pack: Pack, issue: Entry, checkpoint: Checkpoint) -> Check:
    if any(entry.raw == issue.raw for entry in pack.entries):
        return Check("report entry", "ok", f"entry {issue.seq} is in the pack")
    outcome, detail = compare(pack.checkpoint, checkpoint, leaves=_leaves(pack), links=_links(pack))
    return Check("report entry", outcome, f"entry {issue.seq} is not in the pack; {detail}")


def _newer(pack: Pack, issue: Entry) -> Iterator[Check]:
    """A pack carries the newest report on its model: what came of it since is told by a later one."""
    scope = issue.body.get("scope")
    about = scope.get("model") if isinstance(scope, Mapping) else None
    for entry in pack.entries:
        other = entry.body.get("scope") if entry.kind == "report" and entry.seq > issue.seq else None
        if about is not None and isinstance(other, Mapping) and other.get("model") == about:
            why = f"entry {entry.seq} records a newer report on this model than that of entry {issue.seq}, in the pack"
            yield Check("report newest", "failed", why)
            return


def _open_questions(pack: Pack, anchor: Checkpoint | None) -> Iterator[str]:
    yield TRUTH
    chosen, last = pack.manifest["filter"]["name"], pack.checkpoint.size - 1
    if pack.sample is not None:
        yield (
            f"That the rest of the story of what was drawn is here is stated by the ledger, not proven; and that its "
            f"clock ran forward between entries 0 and {last}."
        )
        if anchor is None or anchor.size <= pack.sample.last:
            yield (
                "That the draw was not steered: without a checkpoint from elsewhere that covers the time and was kept "
                "before the seed was named, whoever holds the ledger's key could have added to the population until "
                "the draw suited them."
            )
    elif not pack.completeness.whole:
        yield (
            f"That nothing else of entries 0 to {last} belongs under the filter {chosen!r} "
            "is stated by the ledger, not proven."
        )
    yield from _beyond(pack.checkpoint, anchor)
    yield TIMES
    yield PEOPLE
    lacking = [one for one in pack.withheld if one not in _standing_as_files(pack)]
    if lacking:
        names = ", ".join(f"{name} of entry {seq}" for seq, name in lacking[:_MOST_WITHHELD])
        more = f" and {len(lacking) - _MOST_WITHHELD} more" if len(lacking) > _MOST_WITHHELD else ""
        yield f"{len(lacking)} values are erased, withheld or missing: {names}{more}."


_MOST_WITHHELD: Final = 20
"""In the sentence; all of them stand in the pack's manifest, and in the JSON form."""


def _standing_as_files(pack: Pack) -> set[tuple[int, str]]:
    """The report in the pack is a file of its own there, not the value of its entry."""
    there = digest(pack.report.get("audit.pdf", b""))
    files = {entry.seq: entry.body.get("file") for entry in pack.entries if entry.kind == "report"}
    return {
        (seq, "audit.pdf") for seq, file in files.items() if isinstance(file, Mapping) and file.get("sha256") == there
    }

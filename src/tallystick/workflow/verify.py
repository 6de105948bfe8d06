"""Verify a file: what its proofs say, and then whether the people in it were entitled to what they did.

Light on purpose: no database, no data frame, no template library is imported on the way. Trust comes from the caller:
a key given by hand, or a file of keys. Keys inside the file are never used to trust it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from tallystick.errors import InvalidInput, NotFound, NotVerified, TallystickError, Unavailable, UsageError
from tallystick.people import audit
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing
from tallystick.proof import certificates
from tallystick.proof.anchors import Anchors
from tallystick.proof.certificates import Authorities
from tallystick.proof.container import MAX_TOTAL
from tallystick.proof.note import VerifierKey, open_checkpoint
from tallystick.proof.pack import MAX_BEGINNING, Pack, open_pack, signed_size
from tallystick.proof.pdf import MAX_PDF
from tallystick.proof.verify import (
    PEOPLE,
    TRUTH,
    Check,
    Verdict,
    verify_checkpoint,
    verify_consistency,
    verify_pack,
    verify_receipt,
    verify_report,
)
from tallystick.records import Entry

__all__ = ["is_fingerprint", "pack_of", "read_pdf", "read_small", "trusted_keys", "verify"]

_RECEIPT: Final = ".tlog-proof"
_STAMP: Final = ".tsr"
_TLOG_PROOF: Final = b"c2sp.org/tlog-proof"
_CONSISTENCY: Final = b"old "
"""No checkpoint begins so: its origin is the name of its key, which has no space."""
_SIGNATURE: Final = b"\n\n\xe2\x80\x94 "
"""What every signed note holds: an empty line and the em dash of its first signature."""
_DATABASE: Final = b"SQLite format 3\x00"
"""How a ledger file begins: the signed notes in it are not the file's own."""
_FINGERPRINT: Final = re.compile(r"(?:[0-9A-Fa-f][\s:-]*){64}", re.ASCII)
"""As it is printed, or as it is dictated: in capitals, in groups."""
_VKEY: Final = re.compile(rb"\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{43}")
"""A verifier key without its name."""
_NAME: Final = re.compile(rb"[^\x00-\x20\x22+\x7f]{1,300}\Z")
_MOST_VKEYS: Final = 1_000
"""A pack holds its own a few times; a file with more of them is not searched for ever."""
_DUTIES: Final = (
    "Duties are judged among recorded authorship and registered keys: who stood behind a key, and who worked on the "
    "model without being recorded, is not shown."
)


def verify(
    file: Path,
    *,
    key: str | None = None,
    trust: Path | None = None,
    receipt: Path | None = None,
    anchors: Sequence[Path] = (),
    consistency: Sequence[Path] = (),
    require_anchor: bool = False,
    tsa: Sequence[Path] = (),
    ca: Sequence[Path] = (),
) -> Verdict:
    """Verify a pack, a report, a receipt, a checkpoint or a consistency proof.

    Args:
        key: a verifier key, the path of a file of such keys, or the fingerprint of one: then the file has to hold it.
        trust: a file of verifier keys, one a line; ``#`` begins a comment.
        receipt: the receipt of a report; else the file of the same name with ``.tlog-proof``, if there is one.
        anchors: checkpoints of the same ledger that the caller kept: each is compared.
        consistency: proofs that link them to the file, where the file cannot.
        require_anchor: without an anchor that was compared, the answer is not yes.
        tsa: certificates (PEM) of authorities that the caller trusts for the time: then that is judged too.
        ca: certificates (PEM) of authorities that the caller trusts for who sealed a report, and lists of what these
            revoked.

    Raises:
        UsageError: a proof was given that links the file to nothing.
        NotFound: a file is missing or cannot be read.
        Unavailable: no key was given, or none for this file's ledger.
        InvalidInput: what was given as a key is none.
    """
    if consistency and not anchors:
        raise UsageError("a consistency proof links a file to a checkpoint that was kept", remedy="Add --anchor FILE.")
    with _opened(file) as stream:
        begins = stream.read(MAX_BEGINNING)
        keys = trusted_keys(key, trust, holder=begins, where=file.name)
        kept = _Kept.read(anchors, consistency, required=require_anchor)
        authorities = _authorities(tsa, ca)
        if begins.startswith(b"PK"):
            packs = _packs(stream, begins, keys)
            return _of_another(
                _best([_pack(data, one, kept.under(one), authorities) for one, data in packs]), begins, keys
            )
        data = begins + stream.read(MAX_PDF + 1 - len(begins)) if begins.startswith(b"%PDF") else begins
    if data.startswith(b"%PDF"):
        beside = receipt or file.with_name(file.name + _RECEIPT)
        proof = read_small(beside) if receipt is not None or _is_there(beside) else None
        named = keys if proof is None else _named(proof, keys)
        verdicts = [verify_report(data, proof, one, kept.under(one), authorities=authorities) for one in named]
        return _best(verdicts) if proof is None else _of_another(_best(verdicts), proof, keys)
    if data.startswith(_DATABASE):
        return _no_evidence(f"{file.name} is a database: a ledger is examined with `tallystick ledger fsck`", keys[0])
    if not data.startswith((_TLOG_PROOF, _CONSISTENCY)) and _SIGNATURE not in data:
        kinds = "pack, report (PDF), receipt, checkpoint or consistency proof"
        return _no_evidence(f"{file.name} is no {kinds}: there is nothing in it to verify", keys[0])
    judge = _judge(data, file, authorities)
    return _of_another(_best([judge(data, one, kept.under(one)) for one in _named(data, keys)]), data, keys)


def pack_of(path: Path, key: str | None) -> tuple[Pack, VerifierKey]:
    """A pack from a file, every byte of it checked against a key, and that key.

    Args:
        key: a verifier key, the path of a file with one, or the fingerprint of the one in the pack.

    Raises:
        NotFound: the file cannot be read.
        NotVerified: it does not hold, or is no pack.
        UsageError: several keys were given.
    """
    with _opened(path) as stream:
        begins = stream.read(MAX_BEGINNING)
        (known, *more) = trusted_keys(key, None, holder=begins, where=path.name)
        if more:
            raise UsageError("a pack is opened with one key", got=f"{len(more) + 1} keys")
        ((_, data),) = _packs(stream, begins, [known])
    return open_pack(data, known), known


def read_pdf(path: Path) -> bytes:
    """A report, from a regular file.

    Raises:
        NotFound: it cannot be read.
        InvalidInput: no PDF, or too large for a report.
    """
    with _opened(path) as file:
        data = file.read(MAX_PDF + 1)
    if not data.startswith(b"%PDF") or len(data) > MAX_PDF:
        raise InvalidInput("not a report", where=str(path), expected=f"a PDF of up to {MAX_PDF} bytes")
    return data


def _judge(data: bytes, file: Path, authorities: Authorities) -> Callable[[bytes, VerifierKey, Anchors], Verdict]:
    if data.startswith(_TLOG_PROOF):
        return verify_receipt
    if data.startswith(_CONSISTENCY):
        return verify_consistency
    beside = file.with_name(file.name + _STAMP)
    stamp = read_small(beside) if _is_there(beside) else None
    return partial(verify_checkpoint, stamp=stamp, authorities=authorities)


def _authorities(tsa: Sequence[Path], ca: Sequence[Path]) -> Authorities:
    """Those that the caller trusts, each from a file of certificates in PEM.

    Raises:
        InvalidInput: a file that holds none.
    """
    time, lists = _certificates(tsa)
    identity, revocations = _certificates(ca)
    return Authorities(time, identity, (*lists, *revocations), now=datetime.now(UTC))


def _certificates(paths: Sequence[Path]) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The certificates and the lists of revocations in files."""
    read = [certificates.read_pem(read_small(path), where=str(path)) for path in paths]
    return tuple(one for found, _ in read for one in found), tuple(one for _, lists in read for one in lists)


def _packs(stream: BinaryIO, begins: bytes, keys: list[VerifierKey]) -> list[tuple[VerifierKey, bytes]]:
    """Each key to try, with the file: no more of it than the manifest speaks of that one of the keys signed."""
    sizes = {key: signed_size(begins, key) for key in keys}
    signed = {key: size for key, size in sizes.items() if size is not None}
    if not signed:
        return [(key, begins) for key in keys]
    whole = begins + stream.read(max(0, min(max(signed.values()), MAX_TOTAL) + 1 - len(begins)))
    return [(key, whole) for key in signed]


def _opened(path: Path) -> BinaryIO:
    """A file to read; never a pipe or a device, which could keep whoever reads waiting for ever."""
    try:
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - closed by whoever asked
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise NotFound("file cannot be read", where=str(path), got=why) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InvalidInput("not a file", where=str(path), expected="a regular file")
    return file


def _is_there(path: Path) -> bool:
    """Whether there is such a file; what is too long for a path names none."""
    try:
        return path.exists()
    except OSError:
        return False


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _no_evidence(what: str, key: VerifierKey) -> Verdict:
    return Verdict("checkpoint", "failed", "not asked", (Check("file", "failed", what),), (TRUTH,), key)


def read_small(path: Path) -> bytes:
    """A receipt, a checkpoint, a consistency proof or a list of keys, from a regular file.

    Raises:
        NotFound: it cannot be read.
        InvalidInput: not a file, or too large for any of these.
    """
    with _opened(path) as file:
        data = file.read(MAX_BEGINNING + 1)
    if len(data) > MAX_BEGINNING:
        raise InvalidInput("file is too large", where=str(path), expected=f"up to {MAX_BEGINNING} bytes")
    return data


# --------------------------------------------------------------------------- trust


def is_fingerprint(key: str) -> bool:
    """Whether what was given as a key is the SHA-256 of one."""
    return _FINGERPRINT.fullmatch(key) is not None


def _of_fingerprint(said: str, holder: bytes, where: str) -> VerifierKey:
    """The verifier key in a file that has this fingerprint: a key that was found so is the one that was given."""
    fingerprint = re.sub(r"[^0-9a-f]", "", said.lower())
    other = None
    for match in islice(_VKEY.finditer(holder), _MOST_VKEYS):
        name = _NAME.search(holder[max(0, match.start() - 300) : match.start()])
        try:
            key = VerifierKey.parse(((name[0] if name else b"") + match[0]).decode())
        except (TallystickError, UnicodeDecodeError):
            continue
        if key.public.fingerprint == fingerprint:
            return key
        other = other or key.public.fingerprint
    if other is not None:
        raise Unavailable(
            "the key in the file has another fingerprint than the one given",
            where=where,
            expected=fingerprint,
            got=other,
            remedy="Ask again for the fingerprint, or for the file: one of them is of another ledger.",
        )
    raise Unavailable(
        "a fingerprint picks a key out of an evidence pack, and this file carries none",
        where=where,
        expected="the verifier key itself",
        remedy="Open the pack with the fingerprint first; then keys/ledger.vkey in it is the key to give with --key.",
    )


def trusted_keys(
    key: str | None, trust: Path | None, *, holder: bytes = b"", where: str = "--key"
) -> list[VerifierKey]:
    """The keys that the caller trusts, by text, by file or by fingerprint.

    Args:
        holder: what is searched for the key of a fingerprint.
        where: what that is called.

    Raises:
        Unavailable: none was given, or none of that fingerprint is there.
        InvalidInput: a line that is no verifier key.
    """
    if key is not None and is_fingerprint(key):
        return [_of_fingerprint(key, holder, where)]
    texts: list[tuple[str, str]] = []
    if trust is not None:
        texts += _lines(trust)
    if key is not None:
        texts += [("--key", key)] if _looks_like_key(key) else _lines(Path(key))
    if not texts:
        raise Unavailable(
            "no key was given, and a file does not vouch for itself",
            expected="the ledger's public key, from a source that you trust",
            remedy="Add --key KEY, --key FILE or --trust FILE.",
        )
    return [_parsed(where, text) for where, text in texts]


def _looks_like_key(text: str) -> bool:
    return text.count("+") >= 2 and not _is_there(Path(text))


def _lines(path: Path) -> list[tuple[str, str]]:
    try:
        text = read_small(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "file of keys is not text",
            where=str(path),
            expected="verifier keys, one a line, as in ledger.vkey",
            remedy="Give ledger.vkey; an evidence pack is opened with the fingerprint of the key in it.",
        ) from error
    lines = enumerate(text.splitlines(), 1)
    return [(f"{path}:{number}", line.strip()) for number, line in lines if line.strip() and not line.startswith("#")]


def _parsed(where: str, text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except TallystickError as error:
        raise InvalidInput(
            "not a verifier key", where=where, expected="NAME+HASH+BASE64, as in ledger.vkey", got=ascii(text[:60])
        ) from error


def _named(data: bytes, keys: list[VerifierKey]) -> list[VerifierKey]:
    """The keys whose ledger the file speaks of; if none is, all of them, so that the answer says what fails."""
    return [key for key in keys if key.name.encode() in data] or keys


def _best(verdicts: list[Verdict]) -> Verdict:
    """The verdict of the key that fits: one that holds, if there is one."""
    return min(verdicts, key=lambda verdict: (verdict.integrity == "failed", verdict.exit_code))


def _of_another(verdict: Verdict, data: bytes, keys: list[VerifierKey]) -> Verdict:
    """The verdict, with the likeliest reason first where the file never names a ledger that a key was given for."""
    if verdict.integrity != "failed" or any(key.name.encode() in data for key in keys):
        return verdict
    names = ", ".join(key.name for key in keys[:3])
    what = f"this file does not name the ledger of the key that was given ({names}): is it the right key?"
    return replace(verdict, checks=(Check("key", "failed", what), *verdict.checks))


@dataclass(frozen=True)
class _Kept:
    """What the caller kept, as files: which key a checkpoint is of shows once a key is tried."""

    notes: tuple[tuple[Path, bytes], ...]
    proofs: tuple[bytes, ...]
    required: bool

    @classmethod
    def read(cls, anchors: Sequence[Path], proofs: Sequence[Path], *, required: bool) -> _Kept:
        notes = tuple((path, read_small(path)) for path in anchors)
        return cls(notes, tuple(read_small(path) for path in proofs), required)

    def under(self, key: VerifierKey) -> Anchors:
        kept, unopened = [], []
        for path, note in self.notes:
            try:
                kept.append(open_checkpoint(note, key))
            except NotVerified as error:
                is_proof = note.startswith((_TLOG_PROOF, _CONSISTENCY))
                why = "it is a proof; `ledger checkpoint` writes a checkpoint" if is_proof else error.what
                unopened.append(f"{path}, the checkpoint to compare with, does not hold under this key: {why}")
        return Anchors(tuple(kept), self.proofs, self.required, tuple(unopened))


# --------------------------------------------------------------------------- people


def _pack(data: bytes, key: VerifierKey, anchors: Anchors, authorities: Authorities) -> Verdict:
    verdict = verify_pack(data, key, anchors, authorities=authorities)
    if verdict.pack is None:
        return verdict
    people = tuple(_people(verdict.pack, key))
    failed = any(check.outcome == "failed" for check in people)
    return replace(
        verdict,
        checks=(*verdict.checks, *people),
        integrity="failed" if failed else verdict.integrity,
        not_proven=tuple(_DUTIES if line == PEOPLE else line for line in verdict.not_proven),
    )


def _people(pack: Pack, key: VerifierKey) -> Iterator[Check]:
    """Signatures of people, and the rules of evaluation and promotion, over the entries of the pack.

    All of them bear on what is judged, also those that a sample is silent about: a refusal counts if it is here.
    """
    book = Book(pack.entries, origin=key.name, parts=pack.part)
    judged = _judged(pack)
    try:
        ring = KeyRing.of(book)
    except (NotVerified, NotFound) as error:
        yield Check("keys of people", "failed" if isinstance(error, NotVerified) else "unknown", str(error))
        return
    yield _beginning(book, ring)
    yield _all(
        "signatures",
        audit.signatures(book, ring, judged),
        "everything that demands a signature has one by somebody entitled",
    )
    yield _all(
        "evaluations follow policy",
        audit.evaluations(book, judged),
        f"{_counted('evaluation', book, judged)} answered the plans published before",
    )
    yield _all(
        "promotions",
        audit.promotions(book, ring, judged),
        f"{_counted('promotion', book, judged)}, each passed, explained and approved by another, judged by what is "
        "here",
    )


def _judged(pack: Pack) -> list[Entry]:
    """The entries to judge: the story, and what else is here with all that it rests on.

    A sample holds the rest of its population to be counted; what such an entry rests on may be elsewhere.
    """
    here = {entry.ref for entry in pack.entries}
    told = {entry.seq for entry in pack.story}
    closed: set[int] = set()
    for entry in pack.entries:  # in order: what an entry refers to stands before it
        if all(ref in here and ref.seq in closed for ref in entry.references):
            closed.add(entry.seq)
    return [entry for entry in pack.entries if entry.seq in told or entry.seq in closed]


def _counted(kind: str, book: Book, judged: Sequence[Entry]) -> str:
    """How many of a kind were judged, and how many were not."""
    count, there = sum(entry.kind == kind for entry in judged), len(book.of_kind(kind))
    return f"{count} {kind}{'' if count == 1 else 's'}" + (
        f" (of {there} here; of the others the pack holds no story)" if there > count else ""
    )


def _beginning(book: Book, ring: KeyRing) -> Check:
    """Only the first person may register without a steward: entries left out before them could hold another first."""
    upto = ring.first.entry.seq if ring.first is not None else -1
    there = {entry.seq for entry in book.entries}
    missing = [seq for seq in range(upto) if seq not in there]
    if missing:
        why = (
            f"entries {missing[0]} to {upto - 1} are not all here: that entry {upto} registers the first person is open"
        )
        return Check("keys of people", "unknown", why)
    return Check("keys of people", "ok", f"{len(ring.persons)} people, each registered by their key and a steward's")


def _all(name: str, found: Iterable[audit.Wrong], good: str) -> Check:
    problems = [str(wrong) for wrong in found]
    if not problems:
        return Check(name, "ok", good)
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return Check(name, "failed", "; ".join(problems[:3]) + more)

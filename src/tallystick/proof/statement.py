"""What a person or service signs about an entry: an in-toto Statement v1 in a DSSE envelope.

The signer cannot know the place that the ledger will give the entry. So the statement binds what can be known before:
the ledger's origin, the entry's kind and content, the entry it speaks of, the stage, the signer and a nonce; all
under ``predicate.tallystick``. The predicate around it is in the words of the predicate's own type.

Who may sign what, and whether a nonce came twice, is for ``people`` to say. Here a statement matches its entry or it
does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tallystick.canonical import Value, decode, digest, encode
from tallystick.errors import InvalidInput, InvalidRecord, Malformed, Tampered
from tallystick.proof.envelope import PAYLOAD_TYPE, open_envelope, seal
from tallystick.proof.keys import PublicKey, Signer
from tallystick.records import KINDS, Draft, Entry, is_time

__all__ = ["BINDING", "PREDICATES", "STATEMENT_TYPE", "Signed", "check_statement", "sign_draft"]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
BINDING: Final = "tallystick"
"""The field of the predicate that binds the statement to its entry."""
_VSA = "https://slsa.dev/verification_summary/v1"
PREDICATES: Final[Mapping[str, str]] = MappingProxyType(
    {kind: f"urn:x-tallystick:{kind}:v1" for kind in KINDS} | {"promotion": _VSA, "decision": _VSA}
)
"""Kind of entry to type of predicate."""

_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Signed:
    """What a statement that matches its entry says."""

    signer_id: str
    """The actor that the statement names; whether the key is theirs is checked in ``people``."""
    fingerprints: frozenset[str]
    """The keys that signed, as fingerprints."""
    signed_at: str
    """The signer's clock."""
    speaks_of: str | None
    """Leaf hash, in hex, of the entry that is approved, promoted, waived, ..."""
    stage: str | None
    nonce: str


def sign_draft(
    draft: Draft,
    *,
    ledger: str,
    signer_id: str,
    signers: Sequence[Signer],
    nonce: str,
    signed_at: str,
    speaks_of: str | None = None,
    stage: str | None = None,
    predicate: Mapping[str, Value] = MappingProxyType({}),
) -> Draft:
    """The draft with a statement that speaks for everything in it but its times.

    Args:
        draft: what is to be recorded, complete.
        ledger: origin of the ledger it is meant for.
        signer_id: the actor who signs.
        signers: one key or more.
        nonce: fresh for each statement.
        signed_at: ``YYYY-MM-DDThh:mm:ss.ffffffZ``.
        speaks_of: leaf hash, in hex, of the entry it decides about.
        stage: the stage it decides for.
        predicate: fields of the predicate's own type.

    Raises:
        InvalidRecord: a subject without digest, or a kind that has no predicate.
        InvalidInput: no signers, or a predicate that already holds the binding.
    """
    if BINDING in predicate:
        raise InvalidInput(f"predicate already holds {BINDING!r}")
    content = draft.content()
    binding = {
        "ledger": ledger,
        "kind": draft.kind,
        "speaks_of": speaks_of,
        "stage": stage,
        "nonce": nonce,
        "signer": signer_id,
        "signed_at": signed_at,
        "content": {"sha256": digest(content)},
    }
    _check_binding(binding, InvalidInput)
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": _subject(draft.subject, content),
        "predicateType": _predicate_type(draft.kind),
        "predicate": {**predicate, BINDING: binding},
    }
    return draft.signed(seal(PAYLOAD_TYPE, encode(statement), signers))


def _subject(subject: Sequence[Mapping[str, Value]], content: bytes) -> list[dict[str, Value]]:
    """The entry's subjects; in-toto demands one, so an entry without any is its own subject."""
    if any(not item.get("digest") for item in subject):
        raise InvalidRecord("subject of a signed record has no digest")
    return [dict(item) for item in subject] or [{"name": "content", "digest": {"sha256": digest(content)}}]


def _predicate_type(kind: str) -> str:
    if kind not in PREDICATES:
        raise InvalidRecord("kind has no statement", got=kind[:40])
    return PREDICATES[kind]


def check_statement(entry: Entry, *, ledger: str, keys: Iterable[PublicKey]) -> Signed:
    """Check that the statement in an entry was signed by one of ``keys`` and speaks of exactly this entry.

    Raises:
        Malformed: no statement, or one that is not well-formed.
        Tampered: no signature by these keys, or a statement about another ledger, kind, subject or content.
    """
    opened = open_envelope(_envelope(entry), keys)
    return _matching(entry, opened.payload_type, opened.payload, ledger, opened.fingerprints)


def _envelope(entry: Entry) -> Mapping[str, Value]:
    if entry.statement is None:
        raise Malformed("entry carries no statement", where=f"entry {entry.seq}")
    return entry.statement


def _matching(entry: Entry, payload_type: str, payload: bytes, ledger: str, fingerprints: frozenset[str]) -> Signed:
    """The statement that the payload spells, if it speaks of this entry."""
    where = f"entry {entry.seq}"
    if payload_type != PAYLOAD_TYPE:
        raise Tampered("envelope holds no statement", where=where, expected=PAYLOAD_TYPE, got=payload_type)
    statement = decode(payload, what="statement")
    binding = _binding(statement)
    content = entry.content()
    _same("type", statement.get("_type"), STATEMENT_TYPE, where)
    _same("predicate type", statement.get("predicateType"), PREDICATES.get(entry.kind), where)
    _same("subject", statement.get("subject"), _entry_subject(entry, content), where)
    _same("ledger", binding["ledger"], ledger, where)
    _same("kind", binding["kind"], entry.kind, where)
    _same("signer", binding["signer"], entry.actor, where)
    _same("content", binding["content"], {"sha256": digest(content)}, where)
    return Signed(
        signer_id=binding["signer"],
        fingerprints=fingerprints,
        signed_at=binding["signed_at"],
        speaks_of=binding["speaks_of"],
        stage=binding["stage"],
        nonce=binding["nonce"],
    )


def _entry_subject(entry: Entry, content: bytes) -> list[dict[str, Value]]:
    try:
        return _subject(entry.subject, content)
    except InvalidRecord as error:
        raise Malformed(error.what, where=f"entry {entry.seq}") from error


def _same(what: str, got: Value, expected: Value, where: str) -> None:
    if got != expected:
        raise Tampered(
            f"statement has another {what} than its entry",
            where=where,
            expected=_told(expected),
            got=_told(got),
        )


def _told(value: Value) -> str:
    """A digest by itself, anything else as JSON."""
    if isinstance(value, Mapping) and len(value) == 1:
        return _told(next(iter(value.values())))
    return (value if isinstance(value, str) else encode(value).decode())[:120]


def _binding(statement: Value) -> Mapping[str, Value]:
    predicate = statement.get("predicate") if isinstance(statement, dict) else None
    binding = predicate.get(BINDING) if isinstance(predicate, dict) else None
    if not isinstance(binding, dict):
        raise Malformed(f"statement has no predicate.{BINDING}")
    _check_binding(binding, Malformed)
    return binding


def _is_filled(value: Value) -> bool:
    return isinstance(value, str) and bool(value)


def _check_binding(binding: Mapping[str, Value], error: type[Malformed] | type[InvalidInput]) -> None:
    bad = [name for name in ("ledger", "kind", "nonce", "signer") if not _is_filled(binding.get(name))]
    signed_at, speaks_of, stage = (binding.get(name) for name in ("signed_at", "speaks_of", "stage"))
    if not is_time(signed_at):
        bad.append("signed_at")
    if speaks_of is not None and not (isinstance(speaks_of, str) and _HEX64.fullmatch(speaks_of)):
        bad.append("speaks_of")
    if stage is not None and not _is_filled(stage):
        bad.append("stage")
    bad += [name for name in ("speaks_of", "stage", "content") if name not in binding]
    if bad:
        raise error("statement lacks or misspells " + ", ".join(bad))

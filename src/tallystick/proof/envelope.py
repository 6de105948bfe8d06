"""Signed envelopes: DSSE v1.0.2.

A signature covers the payload's type and the payload's bytes; whoever opens an envelope uses the bytes it returns and
never reads the envelope again. ``keyid`` is a hint that nobody vouches for: it decides the order of trying and
nothing else. Keys count, not signatures. Reading takes standard and URL-safe base64 in its one padded spelling;
unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.canonical import Value, b64, unb64
from tallystick.errors import InvalidInput, Malformed, Tampered
from tallystick.proof.keys import PublicKey, Signer

__all__ = ["MAX_SIGNATURES", "PAYLOAD_TYPE", "Opened", "open_envelope", "pae", "read_unverified", "seal"]

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MAX_SIGNATURES: Final = 100


@dataclass(frozen=True)
class Opened:
    """What an envelope held, and which of the given keys signed it."""

    payload_type: str
    payload: bytes = field(repr=False)
    fingerprints: frozenset[str]
    """Fingerprints of the keys whose signatures verified; never empty."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload_type: str, payload: bytes, signers: Sequence[Signer]) -> dict[str, Value]:
    """An envelope with one signature of each signer.

    Raises:
        InvalidInput: no signer, or one twice.
    """
    fingerprints = [signer.public.fingerprint for signer in signers]
    if not signers or len(set(fingerprints)) != len(fingerprints):
        raise InvalidInput("an envelope is sealed by one or more different signers", got=f"{len(signers)} signers")
    message = pae(payload_type, payload)
    signatures = [
        {"keyid": fingerprint, "sig": b64(signer.sign(message))}
        for fingerprint, signer in zip(fingerprints, signers, strict=True)
    ]
    return {"payload": b64(payload), "payloadType": payload_type, "signatures": signatures}


def open_envelope(envelope: Value, keys: Iterable[PublicKey]) -> Opened:
    """The payload of an envelope that at least one of ``keys`` signed.

    Raises:
        Malformed: not an envelope.
        Tampered: no signature verifies with any of the keys.
        InvalidInput: no keys were given.
    """
    known = {key.fingerprint: key for key in keys}
    if not known:
        raise InvalidInput("no key was given to open an envelope with")
    payload_type, payload, signatures = _parts(envelope)
    message = pae(payload_type, payload)
    verified = {_signed_by(known, hint, signature, message) for hint, signature in signatures}
    fingerprints = frozenset(item for item in verified if item is not None)
    if not fingerprints:
        raise _unsigned(known, [hint for hint, _ in signatures])
    return Opened(payload_type, payload, fingerprints)


def read_unverified(envelope: Value) -> tuple[str, bytes]:
    """Type and payload of an envelope that nobody vouches for: for saying what is claimed, never for believing it.

    Raises:
        Malformed: not an envelope.
    """
    payload_type, payload, _ = _parts(envelope)
    return payload_type, payload


def _unsigned(known: Iterable[str], hints: Sequence[str]) -> Tampered:
    """Why no signature verifies: another key's, or one that what was signed no longer fits."""
    if not set(known).isdisjoint(hints):
        return Tampered(
            "no signature of the envelope verifies: it names the right key, and what is signed was altered since"
        )
    return Tampered(
        "no signature of the envelope verifies: it is by another key",
        expected="a signature by " + ", ".join(item[:16] for item in list(known)[:5]),
        got=", ".join(ascii(hint[:16]) for hint in hints[:5]),
    )


def _signed_by(known: Mapping[str, PublicKey], hint: str, signature: bytes, message: bytes) -> str | None:
    """The fingerprint of the key that made a signature, the hinted one tried first."""
    for fingerprint in sorted(known, key=lambda item: item != hint):
        if known[fingerprint].verify(signature, message):
            return fingerprint
    return None


def _parts(envelope: Value) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    if not isinstance(envelope, Mapping):
        raise Malformed("envelope is not an object")
    payload, payload_type, signatures = (envelope.get(name) for name in ("payload", "payloadType", "signatures"))
    if not (isinstance(payload, str) and isinstance(payload_type, str) and isinstance(signatures, list)):
        raise Malformed("envelope lacks payload, payloadType or signatures")
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise Malformed("envelope has no signature, or too many", expected=f"1 to {MAX_SIGNATURES}")
    return payload_type, _unb64(payload, "payload of an envelope"), [_signature(item) for item in signatures]


def _signature(item: Value) -> tuple[str, bytes]:
    if not isinstance(item, Mapping) or not isinstance(item.get("sig"), str):
        raise Malformed("signature of an envelope is not an object with sig")
    hint = item.get("keyid", "")
    if not isinstance(hint, str):
        raise Malformed("keyid of an envelope is not text")
    return hint, _unb64(item["sig"], "signature of an envelope")


_URL_SAFE = str.maketrans("-_", "+/")


def _unb64(text: str, what: str) -> bytes:
    """Base64 of either alphabet, not of both at once."""
    if ("-" in text or "_" in text) and not ("+" in text or "/" in text):
        text = text.translate(_URL_SAFE)
    return unb64(text, what=what)

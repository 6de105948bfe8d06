"""Time stamps of RFC 3161, strictly, without a network.

A token says that an imprint existed at a time; it is worth as much as the authority that signed it. Two questions are
kept apart. :func:`read` asks whether the token holds by itself: one spelling, one signer, signed by the certificate
inside, which is for time stamping and nothing else (RFC 3161, section 2.3) and which the signed attributes name (RFC
3161 or 5816), over SHA-256 or better. :func:`judge` asks whether that certificate leads to an authority that the reader
trusts, at the time in the token.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from tallystick.errors import Malformed, NotVerified, Tampered, Unavailable
from tallystick.proof import certificates, der
from tallystick.proof.anchors import Outcome

__all__ = ["MAX_ANSWER", "Token", "judge", "open_answer", "read", "request"]

MAX_ANSWER: Final = 64 << 10
"""Bytes of an answer; the usual one has six thousand, with its certificates."""
_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})
_ONCE: Final = ("content_type", "message_digest")
"""Signed attributes that stand there exactly once, with one value (RFC 5652, section 11)."""
_NAMING: Final = {"signing_certificate": "sha1", "signing_certificate_v2": "sha256"}
"""Signed attributes that name the certificate, with the digest where none is said."""


@dataclass(frozen=True)
class Token:
    """A token that holds by itself."""

    at: datetime
    """When the authority says that it saw the imprint."""
    authority: str
    """Who the certificate says the authority is; :func:`judge` asks whether to believe it."""
    algorithm: str
    imprint: bytes
    nonce: int | None
    certificate: bytes = field(repr=False)
    """The authority's, DER."""
    others: tuple[bytes, ...] = field(repr=False)
    """Further certificates in the token, DER."""

    def check_over(self, data: bytes) -> None:
        """Raise Tampered unless the token is over these bytes."""
        if hashlib.new(self.algorithm, data).digest() != self.imprint:
            raise Tampered("time stamp is over something else", got=f"{self.algorithm} {self.imprint.hex()[:16]}...")

    @property
    def time(self) -> str:
        """To the second, in UTC, for sentences."""
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC"


def read(data: bytes) -> Token:
    """Check a time stamp token by itself.

    Args:
        data: the DER bytes of a TimeStampToken, and nothing else.

    Raises:
        Malformed: no token, or not of the form that is accepted.
        Tampered: it is well-formed, and its signature or a digest in it fails.
    """
    try:
        return _read(data)
    except NotVerified:
        raise
    except Exception as error:
        # The parser raises several kinds of error on hostile input.
        raise Malformed("time stamp cannot be read", got=f"{type(error).__name__}: {error}"[:200]) from error


def _read(data: bytes) -> Token:
    from asn1crypto import cms, tsp

    der.check(data)
    message = cms.ContentInfo.load(data, strict=True)
    if message["content_type"].native != "signed_data":
        raise Malformed("time stamp is no signed message")
    signed = message["content"]
    content = signed["encap_content_info"]
    if content["content_type"].native != "tst_info" or signed["version"].native != "v3":
        raise Malformed("signed message holds no time stamp")
    info = _only_signer(signed)
    said = content["content"].contents
    der.check(said)
    certificate, others = _certificates(signed, info)
    _check_attributes(info, said, certificate)
    _check_signature(info, certificate)
    stated = tsp.TSTInfo.load(said, strict=True)
    imprint = stated["message_imprint"]
    return Token(
        at=_moment(stated),
        authority=str(certificate.subject.human_friendly),
        algorithm=_digest_of(imprint["hash_algorithm"]),
        imprint=imprint["hashed_message"].native,
        nonce=stated["nonce"].native,
        certificate=certificate.dump(),
        others=others,
    )


def _only_signer(signed: Any) -> Any:
    infos = list(signed["signer_infos"])
    if len(infos) != 1 or infos[0]["version"].native != "v1" or infos[0]["sid"].name != "issuer_and_serial_number":
        raise Malformed("time stamp has several signers, or names its signer in another way")
    info = infos[0]
    if signed["crls"].native is not None or info["unsigned_attrs"].native is not None:
        raise Malformed("time stamp carries what it does not sign")
    if [_digest_of(item) for item in signed["digest_algorithms"]] != [_digest_of(info["digest_algorithm"])]:
        raise Malformed("time stamp names several digests")
    return info


def _digest_of(algorithm: Any) -> str:
    """Its name; parameters are none, or NULL (RFC 5754, section 2)."""
    name = str(algorithm["algorithm"].native)
    if name not in _DIGESTS or algorithm["parameters"].dump() not in (b"", b"\x05\x00"):
        raise Malformed("time stamp uses another digest", expected=" or ".join(sorted(_DIGESTS)), got=name[:40])
    return name


def _moment(stated: Any) -> datetime:
    if stated["version"].native != "v1" or not stated["gen_time"].contents.endswith(b"Z"):
        raise Malformed("time stamp is of another version, or its time is not in UTC")
    for extension in stated["extensions"] if stated["extensions"].native is not None else ():
        if extension["critical"].native:
            raise Malformed("time stamp has a critical extension that is not known")
    found: datetime = stated["gen_time"].native
    return found.astimezone(UTC)


def _certificates(signed: Any, info: Any) -> tuple[Any, tuple[bytes, ...]]:
    """The signer's certificate, which is for time stamping alone, and the others."""
    named = info["sid"].chosen
    found: list[Any] = []
    others: list[Any] = []
    for choice in signed["certificates"] if signed["certificates"].native is not None else ():
        if choice.name != "certificate":
            raise Malformed("time stamp carries something else than certificates")
        item = choice.chosen
        same = (item.issuer.dump(), item.serial_number) == (named["issuer"].dump(), named["serial_number"].native)
        (found if same else others).append(item)
    if len(found) != 1:
        raise Malformed("time stamp does not carry the certificate of its signer once", got=str(len(found)))
    certificates.check_time_stamping(found[0].dump())
    return found[0], tuple(item.dump() for item in others)


def _check_attributes(info: Any, said: bytes, certificate: Any) -> None:
    attributes = list(info["signed_attrs"]) if info["signed_attrs"].native is not None else []
    kinds = [str(item["type"].native) for item in attributes]
    values = {kind: item["values"] for kind, item in zip(kinds, attributes, strict=True)}
    naming = [kind for kind in kinds if kind in _NAMING]
    if len(set(kinds)) != len(kinds) or any(kind not in values for kind in _ONCE) or not naming:
        raise Malformed("time stamp lacks a signed attribute, or has one twice")
    if any(len(values[kind]) != 1 for kind in (*_ONCE, *naming)):
        raise Malformed("signed attribute of the time stamp does not have one value")
    if values["content_type"][0].native != "tst_info":
        raise Tampered("time stamp signs another type of content")
    algorithm = _digest_of(info["digest_algorithm"])
    if values["message_digest"][0].native != hashlib.new(algorithm, said).digest():
        raise Tampered("time stamp is not the one that was signed")
    for kind in naming:
        _check_naming(values[kind][0]["certs"][0], _NAMING[kind], certificate)


def _check_naming(named: Any, usual: str, certificate: Any) -> None:
    """RFC 5816: the digest of the certificate, by SHA-1 in the older attribute; issuer and serial if they are said."""
    algorithm = named["hash_algorithm"]["algorithm"].native if "hash_algorithm" in named else usual
    if algorithm not in {*_DIGESTS, usual}:
        raise Malformed("time stamp names its certificate by another digest", got=str(algorithm)[:40])
    if hashlib.new(algorithm, certificate.dump()).digest() != named["cert_hash"].native:
        raise Tampered("time stamp names another certificate")
    issuer = named["issuer_serial"]
    if issuer.native is not None and issuer["serial_number"].native != certificate.serial_number:
        raise Tampered("time stamp names another certificate")


def _check_signature(info: Any, certificate: Any) -> None:
    """Over the signed attributes as a SET (RFC 5652, section 5.4)."""
    algorithm, digest = info["signature_algorithm"], _digest_of(info["digest_algorithm"])
    kind = str(algorithm.signature_algo)
    if algorithm["algorithm"].native not in ("rsassa_pkcs1v15", f"{digest}_rsa", f"{digest}_ecdsa"):
        raise Malformed("time stamp is signed by another algorithm", got=str(algorithm["algorithm"].native)[:40])
    attributes = b"\x31" + info["signed_attrs"].dump()[1:]
    if not certificates.signed_by(certificate.dump(), kind, digest, info["signature"].native, attributes):
        raise Tampered("signature of the time stamp fails")


# ------------------------------------------------------------------ whom to believe


def judge(
    token: Token, roots: Sequence[bytes], *, others: Sequence[bytes] = (), lists: Sequence[bytes] = ()
) -> tuple[Outcome, str]:
    """Whether an authority that the reader trusts made a token, and a sentence about it.

    Args:
        roots: certificates that the reader trusts for the time, DER.
        others: certificates that may lead from the token's to one of them.
        lists: of revoked certificates, DER.
    """
    led = certificates.leads(
        token.certificate,
        (*token.others, *others),
        roots,
        at=token.at,
        purpose=certificates.TIME_STAMPING,
    )
    if led == "holds":
        return _unless_revoked(token, roots, (*token.others, *others), lists)
    if led == "outside":
        return "failed", f"the certificate of {token.authority} was not valid at {token.time}"
    return "unknown", f"{token.time} is said by {token.authority}, which none of the given authorities vouches for"


def _unless_revoked(
    token: Token, roots: Sequence[bytes], others: Sequence[bytes], lists: Sequence[bytes]
) -> tuple[Outcome, str]:
    """A token of a key that was revoked since is good only if the reason says so (RFC 3161, section 4)."""
    found = certificates.revocation(
        token.certificate,
        others,
        roots,
        lists,
        at=token.at,
        asked=token.at,
        purpose=certificates.TIME_STAMPING,
    )
    said = f"at {token.time}, says {token.authority}"
    if found.at is None:
        return "ok", said if found.known else f"{said}; whether its certificates were revoked is not known"
    told = f"the certificate of {found.who} was revoked at {found.at:%Y-%m-%d %H:%M:%S} UTC"
    if found.at <= token.at:
        return "failed", f"{told}, and the time stamp is of {token.time}"
    if not found.keeps:
        return "failed", f"{told}, for a reason that leaves no time stamp of it good"
    return "ok", f"{said}; {told}, after that"


# ------------------------------------------------------------------ asking


def request(digest: bytes) -> tuple[bytes, int]:
    """A request for a time stamp over a SHA-256 (RFC 3161, section 2.4.1), and the random number in it."""
    from asn1crypto import tsp

    nonce = int.from_bytes(os.urandom(8), "big")
    asked = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest},
            "nonce": nonce,
            "cert_req": True,
        }
    )
    return asked.dump(), nonce


def open_answer(answer: bytes) -> bytes:
    """The token in a TimeStampResp, in its own bytes.

    Raises:
        Malformed: not an answer in DER.
        Unavailable: the authority refused.
    """
    from asn1crypto import core, tsp

    if len(answer) > MAX_ANSWER:
        raise Malformed("answer of a time-stamping authority is too large", expected=f"up to {MAX_ANSWER} bytes")
    der.check(answer)
    try:
        # Part by part: the library's own type wants a token in a refusal too.
        parts = [bytes(part.dump()) for part in core.SequenceOf.load(answer, spec=core.Any, strict=True)]
        status = str(tsp.PKIStatusInfo.load(parts[0], strict=True)["status"].native)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise Malformed("not an answer of a time-stamping authority", got=str(error)[:100]) from error
    if status not in ("granted", "granted_with_mods") or len(parts) != 2:
        raise Unavailable("the time-stamping authority refuses", got=status[:60])
    return parts[1]

"""Certificates (X.509, RFC 5280): whether one leads to an authority that the reader brings along.

Paths are built and checked by ``cryptography``; what it leaves open is said here: what the certificate may be used for,
how strong keys are, and the moment, which is handed in. Nothing is fetched. Whether a certificate was revoked is known
only where a list of its issuer that speaks of that moment is at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

from tallystick.errors import InvalidInput, Malformed

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from cryptography.x509.verification import ExtensionPolicy

__all__ = [
    "DOCUMENTS",
    "NO_AUTHORITIES",
    "TIME_STAMPING",
    "Authorities",
    "Led",
    "Purpose",
    "Revocation",
    "check_documents",
    "check_time_stamping",
    "issuer",
    "leads",
    "public_key",
    "read_pem",
    "revocation",
    "signed_by",
    "subject",
    "write_pem",
    "years",
]

Led = Literal["holds", "outside", "unknown"]
"""It leads there at the moment; it does, but not at that moment; it does not."""

_MAX_DEPTH: Final = 8
_MOST: Final = 32
"""Certificates of a file that are looked at for a path."""
_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_DOCUMENT_USES: Final = frozenset(
    {
        "2.5.29.37.0",  # any
        "1.3.6.1.5.5.7.3.4",  # e-mail protection
        "1.3.6.1.5.5.7.3.36",  # document signing (RFC 9336)
        "1.3.6.1.4.1.311.10.3.12",  # document signing, Microsoft's
        "1.2.840.113583.1.1.5",  # authentic documents, Adobe's
    }
)
_TIME_STAMPING_USE: Final = "1.3.6.1.5.5.7.3.8"


@dataclass(frozen=True)
class Authorities:
    """Whom the reader of a file trusts besides the ledger's key, and lists of what was revoked."""

    time: tuple[bytes, ...] = ()
    """Roots of time-stamping authorities, DER."""
    identity: tuple[bytes, ...] = ()
    """Roots of those who say whose a report seal is, DER."""
    revocations: tuple[bytes, ...] = ()
    """Lists of revoked certificates, DER."""
    now: datetime | None = None
    """The moment of reading: whether a certificate has run out since it was used."""


NO_AUTHORITIES: Final = Authorities()


def _load(der: bytes) -> Certificate:
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise Malformed("certificate is not well-formed", got=str(error)[:120]) from error


def subject(der: bytes) -> str:
    """Who a certificate says that its holder is."""
    return _load(der).subject.rfc4514_string()


def issuer(der: bytes) -> str:
    """Who certified it, as the certificate says."""
    return _load(der).issuer.rfc4514_string()


def years(der: bytes) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid."""
    found = _load(der)
    return found.not_valid_before_utc, found.not_valid_after_utc


def public_key(der: bytes) -> bytes:
    """The key that it certifies, as DER SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _load(der).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def write_pem(found: Iterable[bytes]) -> bytes:
    """Certificates as one PEM file."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return b"".join(_load(der).public_bytes(Encoding.PEM) for der in found)


def read_pem(data: bytes, *, where: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The certificates and the lists of revocations in a PEM file, DER.

    Raises:
        InvalidInput: there is no certificate, or something that cannot be read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = tuple(item.public_bytes(Encoding.DER) for item in x509.load_pem_x509_certificates(data))
        lists = tuple(
            x509.load_pem_x509_crl(_CRL_BEGINS + part.split(_CRL_ENDS, 1)[0] + _CRL_ENDS).public_bytes(Encoding.DER)
            for part in data.split(_CRL_BEGINS)[1:]
        )
    except ValueError as error:
        raise InvalidInput(
            "file holds no certificates", where=where, expected="certificates in PEM", got=str(error)[:80]
        ) from error
    return found, lists


_CRL_BEGINS: Final = b"-----BEGIN X509 CRL-----"
_CRL_ENDS: Final = b"-----END X509 CRL-----"


# ------------------------------------------------------------------ what a certificate may be used for


@dataclass(frozen=True)
class Purpose:
    """What the certificate at the near end of a path has to be good for."""

    check: Callable[[Certificate], None]
    min_rsa: int
    """Bits of every RSA key on the path."""


def check_time_stamping(der: bytes) -> None:
    """Raise Malformed unless a certificate is for time stamping and nothing else, critically (RFC 3161, 2.3)."""
    _for_time(_load(der))


def check_documents(der: bytes) -> None:
    """Raise Malformed unless a certificate may sign documents, and is none of an authority."""
    _for_documents(_load(der))


def _for_time(certificate: Certificate) -> None:
    from cryptography import x509

    extension = _extension(certificate, x509.ExtendedKeyUsage)
    uses = [] if extension is None else [use.dotted_string for use in extension.value]
    if extension is None or not extension.critical or uses != [_TIME_STAMPING_USE]:
        raise Malformed(
            "certificate of the time stamp is not for time stamping alone",
            expected="the extended key usage timeStamping, critical and alone",
        )
    _for_signing(certificate)
    _check_strength(certificate, TIME_STAMPING.min_rsa)


def _for_documents(certificate: Certificate) -> None:
    from cryptography import x509

    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise Malformed("certificate is that of an authority", expected="one that signs documents")
    _for_signing(certificate)
    uses = _extension(certificate, x509.ExtendedKeyUsage)
    if uses is not None and not _DOCUMENT_USES & {use.dotted_string for use in uses.value}:
        raise Malformed("certificate may not sign documents", got="its extended key usage is for something else")
    _check_strength(certificate, DOCUMENTS.min_rsa)


def _for_signing(certificate: Certificate) -> None:
    from cryptography import x509

    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not (usage.value.digital_signature or usage.value.content_commitment):
        raise Malformed("certificate may not sign", expected="key usage digitalSignature or nonRepudiation")


def _extension(certificate: Certificate, kind: Any) -> Any:
    from cryptography import x509

    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension) as error:
        raise Malformed("extension of a certificate is not well-formed", got=str(error)[:80]) from error


def _check_strength(certificate: Certificate, min_rsa: int) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = certificate.public_key()
    strong = isinstance(key, rsa.RSAPublicKey) and key.key_size >= min_rsa
    if not strong and not (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES):
        raise Malformed("key of a certificate is too weak or not used", expected=f"P-256 or RSA with {min_rsa} bits")


TIME_STAMPING: Final = Purpose(_for_time, 2048)
DOCUMENTS: Final = Purpose(_for_documents, 3072)


# ------------------------------------------------------------------ paths


def leads(leaf: bytes, others: Iterable[bytes], roots: Sequence[bytes], *, at: datetime, purpose: Purpose) -> Led:
    """Whether a certificate leads to one of the roots, every certificate on the way valid at a moment."""
    certificate = _load(leaf)
    between = _readable(others)
    trusted = [_load(root) for root in roots]
    if not trusted or not _may(certificate, purpose):
        return "unknown"
    if _path(certificate, between, trusted, at, purpose) is not None:
        return "holds"
    limits = [
        moment
        for item in (certificate, *between, *trusted)
        for moment in (item.not_valid_before_utc, item.not_valid_after_utc)
    ]
    if any(_path(certificate, between, trusted, moment, purpose) is not None for moment in limits):
        return "outside"
    return "unknown"


def _readable(others: Iterable[bytes]) -> list[Certificate]:
    """Those that can be read: a file may carry any, and one that is none leads nowhere."""
    found = []
    for der in dict.fromkeys(others):
        try:
            found.append(_load(der))
        except Malformed:
            continue
    return found[:_MOST]


def _may(certificate: Certificate, purpose: Purpose) -> bool:
    try:
        purpose.check(certificate)
    except Malformed:
        return False
    return True


def _path(
    leaf: Certificate, between: list[Certificate], roots: list[Certificate], at: datetime, purpose: Purpose
) -> list[Certificate] | None:
    """The certificates from the near end to a root, if they hold."""
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    ends, authorities = _policies()
    builder = PolicyBuilder().store(Store(roots)).time(at).max_chain_depth(_MAX_DEPTH)
    verifier = builder.extension_policies(ca_policy=authorities, ee_policy=ends).build_client_verifier()
    try:
        chain = verifier.verify(leaf, between).chain
        for item in chain:
            _check_strength(item, purpose.min_rsa)
    except (VerificationError, Malformed, ValueError):
        return None
    return chain


def _policies() -> tuple[ExtensionPolicy, ExtensionPolicy]:
    """Of the near end, whose use is asked apart, and of authorities: they are, and may, sign certificates."""
    from cryptography import x509
    from cryptography.x509.verification import Criticality, ExtensionPolicy

    def authority(_policy: object, _certificate: object, found: x509.BasicConstraints) -> None:
        if not found.ca:
            raise ValueError("not an authority")

    def signs(_policy: object, _certificate: object, found: x509.KeyUsage | None) -> None:
        if found is not None and not found.key_cert_sign:
            raise ValueError("may not sign certificates")

    authorities = (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, signs)
    )
    return ExtensionPolicy.permit_all(), authorities


# ------------------------------------------------------------------ revocation and signatures


@dataclass(frozen=True)
class Revocation:
    """What lists of revocations say of the certificates that lead to an authority."""

    known: bool
    """Whether for each of them a list of its issuer speaks of the moment."""
    at: datetime | None = None
    """When the first of them was revoked, if one was."""
    who: str = ""
    """Whose certificate that is."""
    keeps: bool = False
    """Whether the list says, by its reason, that what was signed before is none the worse (RFC 3161, section 4)."""


_KEEPS: Final = frozenset({"unspecified", "affiliationChanged", "superseded", "cessationOfOperation"})
_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})


def revocation(
    leaf: bytes,
    others: Iterable[bytes],
    roots: Sequence[bytes],
    lists: Iterable[bytes],
    *,
    at: datetime,
    asked: datetime,
    purpose: Purpose,
) -> Revocation:
    """Whether a certificate, or one on the way from it to a root, was revoked.

    A list counts by the issuer on that way alone, and if the issuer may sign lists. What it names is revoked, however
    old the list is; that a certificate is not named says something only for the time that the list is for.

    Args:
        at: the moment at which the certificates lead to a root.
        asked: the moment of which a list has to speak.
    """
    chain = _path(_load(leaf), _readable(others), [_load(root) for root in roots], at, purpose)
    if chain is None:
        return Revocation(known=False)
    found, known = [], True
    readable = [one for one in map(_list, lists) if one is not None]
    for certificate, above in pairwise(chain):
        own = [one for one in readable if _issued(one, above) and _is_about(one, certificate)]
        lines = [one.get_revoked_certificate_by_serial_number(certificate.serial_number) for one in own]
        known = known and any(_covers(one, certificate, asked) for one in own)
        who = certificate.subject.rfc4514_string()
        found += [Revocation(True, line.revocation_date_utc, who, _keeps(line)) for line in lines if line is not None]
    return min(found, key=lambda one: (one.at, one.keeps)) if found else Revocation(known)


def _list(der: bytes) -> Any:
    """A list of revocations by a strong digest, of which nothing critical is unknown; else none."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

    try:
        one = x509.load_der_x509_crl(der)
        extensions = [*one.extensions, *(extension for line in one for extension in line.extensions)]
        digest = one.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return None
    critical = {extension.oid for extension in extensions if extension.critical}
    known = {ExtensionOID.ISSUING_DISTRIBUTION_POINT, CRLEntryExtensionOID.CRL_REASON}
    return one if critical <= known and digest is not None and digest.name in _DIGESTS else None


def _issued(one: Any, issuer: Certificate) -> bool:
    from cryptography import x509

    usage = _extension(issuer, x509.KeyUsage)
    may = usage is None or usage.value.crl_sign
    return bool(may and one.issuer == issuer.subject and one.is_signature_valid(issuer.public_key()))


def _is_about(one: Any, certificate: Certificate) -> bool:
    """Whether a list is for certificates such as this one: some are for a part of what the issuer certified."""
    from cryptography import x509

    try:
        part = one.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return True
    constraints = _extension(certificate, x509.BasicConstraints)
    authority = constraints is not None and constraints.value.ca
    if part.indirect_crl or part.only_some_reasons or part.only_contains_attribute_certs or part.relative_name:
        return False
    if authority if part.only_contains_user_certs else part.only_contains_ca_certs and not authority:
        return False
    points = _extension(certificate, x509.CRLDistributionPoints)
    named = [name for point in (points.value if points else ()) for name in point.full_name or ()]
    return not part.full_name or any(name in named for name in part.full_name)


def _covers(one: Any, certificate: Certificate, asked: datetime) -> bool:
    """Whether a list is for the moment, or is newer and was made while the certificate was still listed if revoked."""
    first, last = one.last_update_utc, one.next_update_utc
    return last is not None and (first <= asked <= last or asked < first <= certificate.not_valid_after_utc)


def _keeps(line: Any) -> bool:
    from cryptography import x509

    try:
        return line.extensions.get_extension_for_class(x509.CRLReason).value.reason.value in _KEEPS
    except x509.ExtensionNotFound:
        return False


def signed_by(certificate: bytes, kind: str, digest: str, signature: bytes, message: bytes) -> bool:
    """Whether a signature of a kind, ``rsassa_pkcs1v15`` or ``ecdsa``, is by the key in a certificate."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    key = _load(certificate).public_key()
    algorithm = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]
    try:
        if kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(algorithm))
        elif kind == "rsassa_pkcs1v15" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), algorithm)
        else:
            return False
    except InvalidSignature:
        return False
    return True

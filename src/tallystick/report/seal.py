"""Seal a report: a PAdES baseline signature that certifies the file and allows no change to it.

The certificate is made by the ledger itself and says so in its subject: it shows that the file is the one that was
sealed, not who anybody is. Whose key it is, the ledger's entries say. Or it is one that an authority made for the same
key. Signing is offline; the time is handed in and is a claim. Where a stamper is handed in too, the levels above have
time stamps of an authority: B-T over the signature, B-LTA over the whole file besides, with the certificates and lists
of revocations that a reader of later years needs (DSS).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from tallystick.errors import InvalidInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

__all__ = ["FIELD", "LABEL", "LEVELS", "Level", "Stamp", "request", "seal", "self_signed"]

Level = Literal["b-b", "b-t", "b-lta"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
Stamp = Callable[[bytes], bytes]
"""From a SHA-256 to a time stamp token over it (RFC 3161), DER."""
FIELD: Final = "Seal"
"""Name of the signature's field."""
LABEL: Final = "Integrity seal; identity not verified"
"""Stands in the subject of a certificate that the ledger made itself, and in the reason of its signatures."""
_CERTIFIED: Final = "Report seal; not a qualified signature"
"""The reason of a signature with a certificate of an authority."""
_CONTENTS: Final = 8192
"""Hexadecimal digits that are kept for the signature; a seal takes about a third."""
_STAMPED: Final = 32_768
"""Those kept for a time stamp; one with its certificates takes about a third."""
_ARCHIVE: Final = "Timestamp1"
"""Name of the field of the time stamp over the file."""
_PRINTED_AND_LOCKED: Final = 132
"""Flags of a field as PDF/A wants them (ISO 32000, table 165)."""


def self_signed(
    private_key: PrivateKeyTypes,
    *,
    common_name: str,
    not_before: datetime,
    not_after: datetime,
    serial: int,
) -> bytes:
    """A self-signed certificate for a report seal, as DER (RFC 5280).

    The key signs documents and nothing else: no authority, key usage digitalSignature and nonRepudiation.

    Args:
        private_key: on the curve P-256, which readers of PDF accept; they reject Ed25519.
        common_name: up to 64 characters (RFC 5280, upper bound ub-common-name).
        serial: positive and below 2**159; make it of randomness.

    Raises:
        InvalidInput: another kind of key, a name or serial out of bounds, times without a zone or in the wrong order.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    key = _p256(private_key)
    _check_times(not_before, not_after)
    if not 0 < serial < 2**159:
        raise InvalidInput("serial of a certificate is out of bounds", expected="1 to 2**159 - 1")
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, _bounded(common_name)),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, LABEL),
        ]
    )
    public = key.public_key()
    builder = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=public, serial_number=serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return certificate.public_bytes(Encoding.DER)


def request(private_key: PrivateKeyTypes, *, common_name: str, organisation: str | None = None) -> bytes:
    """A request to an authority for a certificate of the report seal, as PEM (PKCS #10, RFC 2986).

    Raises:
        InvalidInput: another kind of key, or a name out of bounds.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    names = {x509.NameOID.COMMON_NAME: common_name, x509.NameOID.ORGANIZATION_NAME: organisation}
    subject = x509.Name([x509.NameAttribute(oid, _bounded(text)) for oid, text in names.items() if text is not None])
    builder = x509.CertificateSigningRequestBuilder(subject).add_extension(_usage(), critical=True)
    return builder.sign(_p256(private_key), hashes.SHA256()).public_bytes(Encoding.PEM)


def _usage() -> Any:
    from cryptography.x509 import KeyUsage

    return KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _bounded(common_name: str) -> str:
    if not 0 < len(common_name) <= 64:
        raise InvalidInput(
            "name of a certificate is out of bounds", expected="1 to 64 characters", got=common_name[:80]
        )
    return common_name


def _check_times(not_before: datetime, not_after: datetime) -> None:
    if not_before.tzinfo is None or not_after.tzinfo is None:
        raise InvalidInput("time has no zone", got=f"{not_before.isoformat()}, {not_after.isoformat()}")
    if not_before >= not_after:
        raise InvalidInput(
            "certificate ends before it begins", got=f"{not_before.isoformat()}, {not_after.isoformat()}"
        )


def _p256(private_key: object) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    if not (isinstance(private_key, ec.EllipticCurvePrivateKey) and isinstance(private_key.curve, ec.SECP256R1)):
        raise InvalidInput("a report is sealed with a P-256 key", got=type(private_key).__name__)
    return private_key


def seal(
    pdf: bytes,
    *,
    private_key: PrivateKeyTypes,
    certificate: bytes,
    moment: datetime,
    chain: Sequence[bytes] = (),
    level: Level = "b-b",
    stamp: Stamp | None = None,
    revocations: Sequence[bytes] = (),
) -> bytes:
    """The PDF with an invisible certifying signature over the whole file (DocMDP: no changes).

    Args:
        pdf: a file that carries no signature yet.
        certificate: DER, for this key.
        moment: the signing time as it is claimed; with a zone, within the certificate's years.
        chain: certificates that lead from this one to an authority, DER.
        level: PAdES B-B, B-T or B-LTA.
        stamp: asked for time stamps by the levels above B-B.
        revocations: lists of revoked certificates that B-LTA keeps in the file, DER.

    Raises:
        InvalidInput: no PDF that can be signed, a certificate for another key, a time outside its years, or a level
            that needs a stamper and has none.
        Unavailable: no time stamp could be got.
    """
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.sign.general import SigningError

    if level != "b-b" and stamp is None:
        raise InvalidInput("nobody is named who gives time stamps", got=f"level {level}")
    signer = _signer(_p256(private_key), certificate, moment, chain)
    asked = None if stamp is None or level == "b-b" else _timestamper(stamp)
    room = _CONTENTS + 2 * sum(map(len, chain)) + (_STAMPED if asked else 0)
    output = io.BytesIO()
    try:
        _pdf_signer(signer, moment, asked).sign_pdf(_writer(pdf), bytes_reserved=room, output=output)
        if asked is None or level == "b-t":
            return output.getvalue()
        return _archived(output.getvalue(), asked, [certificate, *chain], revocations)
    except (PdfError, SigningError, ValueError) as error:
        raise InvalidInput("PDF cannot be sealed", got=str(error)[:120] or type(error).__name__) from error


def _archived(signed: bytes, asked: Any, chain: Sequence[bytes], revocations: Sequence[bytes]) -> bytes:
    """The file with what a reader of later years needs to judge its signature, and a time stamp over all of it.

    The stamp's field stands on no page: nothing but the catalogue and the form is written anew.
    """
    from asn1crypto.crl import CertificateList
    from asn1crypto.x509 import Certificate
    from pyhanko.pdf_utils import generic
    from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
    from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp

    make: Any = generic  # whose constructors have no types
    stamped: Any = DocumentTimestamp
    writer = _writer(signed)

    def stored(items: Sequence[Any]) -> Any:
        return make.ArrayObject([writer.add_object(make.StreamObject(stream_data=item.dump())) for item in items])

    def dictionary(**entries: Any) -> Any:
        return make.DictionaryObject({make.NameObject(f"/{name}"): value for name, value in entries.items()})

    known = {item.dump(): item for item in (*map(Certificate.load, chain), *asked.certificates)}
    store = dictionary(Type=make.NameObject("/DSS"), Certs=stored([*known.values()]))
    if revocations:
        store[make.NameObject("/CRLs")] = stored([CertificateList.load(item) for item in revocations])
    writer.root[make.NameObject("/DSS")] = writer.add_object(store)
    writer.update_root()
    field = dictionary(
        Type=make.NameObject("/Annot"),
        Subtype=make.NameObject("/Widget"),
        FT=make.NameObject("/Sig"),
        T=make.TextStringObject(_ARCHIVE),
        F=make.NumberObject(_PRINTED_AND_LOCKED),
        Rect=make.ArrayObject([make.NumberObject(0)] * 4),
    )
    fields = writer.root["/AcroForm"]["/Fields"]
    fields.append(writer.add_object(field))
    writer.update_container(fields)

    output = io.BytesIO()
    steps = PdfCMSEmbedder().write_cms(field_name=_ARCHIVE, writer=writer, existing_fields_only=True)
    next(steps)
    steps.send(SigObjSetup(sig_placeholder=stamped(bytes_reserved=_STAMPED)))
    prepared, _ = steps.send(SigIOSetup(md_algorithm="sha256", output=output))
    steps.send(asked.token(prepared.document_digest))
    return output.getvalue()


def _timestamper(stamp: Stamp) -> Any:
    """A time-stamping authority as pyHanko wants it, which remembers the certificates of the tokens it got."""
    from asn1crypto.cms import ContentInfo
    from pyhanko.sign.timestamps import TimeStamper

    class Asked(TimeStamper):
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]  # pyHanko
            self.certificates: list[Any] = []

        def token(self, digest: bytes) -> Any:
            found = ContentInfo.load(stamp(digest))
            self.certificates += [choice.chosen for choice in found["content"]["certificates"]]
            return found

        async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
            if md_algorithm != "sha256":
                raise ValueError(f"a time stamp is asked over SHA-256, not {md_algorithm}")
            return self.token(message_digest)

    return Asked()


def _writer(pdf: bytes) -> Any:
    """A writer of one more revision that keeps the file what it was: PDF/A, with the same metadata.

    pyHanko would set the present time in the metadata, and an identifier of chance; here both follow from the file.
    """
    from pyhanko.pdf_utils.generic import ArrayObject, ByteStringObject
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class Writer(IncrementalPdfFileWriter):
        @classmethod
        def _handle_id(cls, prev: Any) -> Any:
            first, _ = super()._handle_id(prev)  # type: ignore[no-untyped-call]  # pyHanko
            return ArrayObject([first, ByteStringObject(hashlib.sha256(pdf).digest()[:16])])

        def _update_meta(self) -> None:
            """Title, times and producer stay those of the report."""

    return Writer(io.BytesIO(pdf))


def _signer(private_key: EllipticCurvePrivateKey, certificate: bytes, moment: datetime, chain: Sequence[bytes]) -> Any:
    """A signer with this key, ECDSA with a nonce that follows from the message (RFC 6979)."""
    from asn1crypto.x509 import Certificate
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from pyhanko.sign.signers import Signer
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    _check_certificate(private_key, certificate, moment)

    class Seal(Signer):
        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002
            if digest_algorithm != "sha256":
                raise ValueError(f"a seal is made with SHA-256, not {digest_algorithm}")
            return private_key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # pyHanko
    store.register_multiple([Certificate.load(item) for item in chain])
    return Seal(signing_cert=Certificate.load(certificate), cert_registry=store)


def _check_certificate(private_key: EllipticCurvePrivateKey, certificate: bytes, moment: datetime) -> None:
    from cryptography import x509

    if moment.tzinfo is None:
        raise InvalidInput("time has no zone", got=moment.isoformat())
    try:
        found = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise InvalidInput("certificate of the seal is not well-formed", got=str(error)[:120]) from error
    if found.public_key() != private_key.public_key():
        raise InvalidInput("certificate of the seal is for another key")
    first, last = found.not_valid_before_utc, found.not_valid_after_utc
    if not first <= moment <= last:
        raise InvalidInput(
            "certificate of the seal is not valid at this time",
            expected=f"{first.isoformat()} to {last.isoformat()}",
            got=moment.isoformat(),
            remedy="Register a new report seal.",
        )


def _pdf_signer(signer: Any, moment: datetime, timestamper: Any) -> Any:
    from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
    from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
    from pyhanko.sign.signers.constants import ESIC_EXTENSION_1

    class At(PdfSigner):
        """Signs at the time that was handed in."""

        def init_signing_session(self, *args: Any, **more: Any) -> Any:
            session = super().init_signing_session(*args, **more)
            session.system_time = moment.astimezone(UTC)
            return session

        def register_extensions(self, pdf_out: Any, *, md_algorithm: str) -> None:  # noqa: ARG002 - its signature
            """PAdES in PDF 1.7; without pyHanko's step to PDF 2.0, which PDF/A-3 does not allow."""
            pdf_out.register_extension(ESIC_EXTENSION_1)

    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        name="tallystick report seal",
        reason=LABEL if signer.signing_cert.self_issued else _CERTIFIED,
        location="offline",
    )
    field = SigFieldSpec(FIELD, readable_field_name="Report seal")
    return At(metadata, signer, timestamper=timestamper, new_field_spec=field)

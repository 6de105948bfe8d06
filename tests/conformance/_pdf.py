"""Reports for the suite: the smallest PDF with evidence attached, sealed rightly and wrongly, in the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tallystick.report.seal import self_signed

EVIDENCE = b'{"format":"a case of the conformance suite"}'
AT = datetime(2027, 3, 7, 9, tzinfo=UTC)
KEY = ec.derive_private_key(0x7654321, ec.SECP256R1())
OTHER_KEY = ec.derive_private_key(0x1111111, ec.SECP256R1())


def plain(
    text: str = "Audit report",
    *,
    evidence: bytes | None = EVIDENCE,
    catalogue: str = "",
    page: str = "",
    held: str = "/F 6 0 R",
    more: tuple[str, ...] = (),
) -> bytes:
    """A page with a line of text, and a file attached; with further entries and objects from 7 on, if given."""
    content = f"BT /F1 18 Tf 50 150 Td ({text}) Tj ET"
    attached = "" if evidence is None else " /Names << /EmbeddedFiles << /Names [(evidence.json) 5 0 R] >> >>"
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R{attached}{catalogue} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R "
        f"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>{page} >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        f"<< /Type /Filespec /F (evidence.json) /UF (evidence.json) /EF << {held} >> >>",
        f"<< /Type /EmbeddedFile /Length {len(evidence or b'')} >>\nstream\n{(evidence or b'').decode()}\nendstream",
        *more,
    ]
    data, offsets = "%PDF-1.7\n", []
    for number, item in enumerate(objects, start=1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{item}\nendobj\n"
    table = "0000000000 65535 f \n" + "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    trailer = f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    return f"{data}xref\n0 {count}\n{table}{trailer}".encode()


@cache
def certificate(key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
    return self_signed(key, common_name="Report seal of the suite", not_before=first, not_after=last, serial=7)


def sealed(
    pdf: bytes,
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    field: str = "Seal",
    certify: bool = True,
    changes: str = "NO_CHANGES",
    form: str = "PADES",
) -> bytes:
    """A signature by pyHanko with everything of chance taken out."""
    from asn1crypto.x509 import Certificate
    from pyhanko.pdf_utils.generic import ArrayObject, ByteStringObject
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
    from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    class Fixed(Signer):
        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
            return key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    class Writer(IncrementalPdfFileWriter):
        @classmethod
        def _handle_id(cls, prev: Any) -> Any:
            return ArrayObject([ByteStringObject(bytes(16)), ByteStringObject(hashlib.sha256(pdf).digest()[:16])])

        def _update_meta(self) -> None: ...

    class At(PdfSigner):
        def init_signing_session(self, *words: Any, **other: Any) -> Any:
            session = super().init_signing_session(*words, **other)
            session.system_time = AT
            return session

    signer = Fixed(signing_cert=Certificate.load(certificate(key)), cert_registry=SimpleCertificateStore())
    metadata = PdfSignatureMetadata(
        field_name=field, md_algorithm="sha256", subfilter=SigSeedSubFilter[form], certify=certify,
        docmdp_permissions=MDPPerm[changes], name="suite",
    )  # fmt: skip
    out = BytesIO()
    At(metadata, signer, new_field_spec=SigFieldSpec(field)).sign_pdf(
        Writer(BytesIO(pdf)), bytes_reserved=8192, output=out
    )
    return out.getvalue()


@cache
def good() -> tuple[bytes, bytes, bytes]:
    """A report, its evidence and its certificate."""
    return sealed(plain()), EVIDENCE, certificate()


def flawed() -> Iterator[tuple[str, str, bytes]]:
    """Files that the ledger recorded as they are, and that are no reports: name, flaw, bytes."""
    pdf = good()[0]
    gap = pdf.index(b"/Contents <") + 10
    end = pdf.index(b">", gap)
    yield "unsigned", "The PDF has no signature.", plain()
    yield "approval_only", "The signature does not certify the document.", sealed(plain(), certify=False)
    yield "form_filling", "The certification allows forms to be filled in.", sealed(plain(), changes="FILL_FORMS")
    yield "annotations", "The certification allows annotations.", sealed(plain(), changes="ANNOTATE")
    yield "older_form", "The signature is of the form before PAdES.", sealed(plain(), form="ADOBE_PKCS7_DETACHED")
    twice = sealed(sealed(plain(), changes="FILL_FORMS"), field="Second", certify=False, key=OTHER_KEY)
    yield "signed_twice", "A second signature was added.", twice
    yield "appended_and_recorded", "Bytes stand after the signed file.", pdf + b"% hello\n"
    overlay = pdf + _update(pdf)
    yield "overlaid", "A revision after the signed one shows another page.", overlay
    yield "padding", "Something stands in the zeros behind the signature.", pdf[: end - 2] + b"01" + pdf[end:]
    yield (
        "hex_case",
        "The signature is written in two cases of hexadecimal.",
        pdf[:gap] + _mixed(pdf[gap:end]) + pdf[end:],
    )
    flipped = bytearray(pdf)
    flipped[pdf.index(b"Audit report")] ^= 1
    yield "page_altered", "A letter of the page is another than the one that was signed.", bytes(flipped)
    yield "evidence_missing", "No evidence is attached.", sealed(plain(evidence=None))
    yield (
        "evidence_exchanged",
        "Other evidence is attached than the entry names.",
        sealed(plain(evidence=EVIDENCE.replace(b"case", b"CASE"))),
    )
    yield "certificate_exchanged", "Another certificate signed than the entry names.", sealed(plain(), key=OTHER_KEY)


def acting() -> Iterator[tuple[str, str, bytes]]:
    """Files that are sealed rightly, and hold what no report holds: name, flaw, bytes."""
    script = "<< /S /JavaScript /JS (app.alert\\(1\\)) >>"
    other = "<< /Type /EmbeddedFile /Length 2 >>\nstream\n{}\nendstream"
    named = "<< /Type /Filespec /F (evidence.json) /EF << /F 7 0 R >> >>"
    box = "/Rect [0 0 9 9]"
    ways = (*(f"<< /T (a) /Kids [{8 + at} 0 R {8 + at} 0 R] >>" for at in range(30)), "<< /FT /Tx /T (x) >>")
    yield "two_contents", "The evidence has two contents.", sealed(plain(held="/F 6 0 R /UF 7 0 R", more=(other,)))
    note = f" /Annots [<< /Type /Annot /Subtype /FileAttachment {box} /FS {named} >>]"
    yield "file_on_page", "A file of the same name is a note on the page.", sealed(plain(page=note, more=(other,)))
    yield "second_file", "A second file of the same name is in it.", sealed(plain(more=(other, named)))
    link = f" /Annots [<< /Type /Annot /Subtype /Link {box} /A << /S /URI /URI (https://x.example) >> >>]"
    yield "link_out", "A link leads out of the file.", sealed(plain(page=link))
    yield "script", "A script runs when the file is opened.", sealed(plain(catalogue=f" /OpenAction {script}"))
    yield "layers", "What is shown can be chosen.", sealed(plain(catalogue=" /OCProperties << >>"))
    form = " /AcroForm << /Fields [] /SigFlags 3 /XFA 7 0 R >>"
    yield "other_form", "A form of another kind is shown instead.", sealed(plain(catalogue=form, more=(other,)))
    names = " /AcroForm << /Fields [7 0 R] /SigFlags 3 >>"
    yield "ways", "Fields name each other in 2^30 ways.", plain(catalogue=names, more=ways)


def _mixed(text: bytes) -> bytes:
    at = next(i for i, char in enumerate(text) if bytes([char]).isalpha())
    return text[:at] + text[at : at + 1].swapcase() + text[at + 1 :]


def _update(pdf: bytes) -> bytes:
    """A revision that exchanges the content of the page (object 4) and leaves all that was signed as it is."""
    content = b"BT /F1 18 Tf 50 150 Td (Approved) Tj ET"
    start = len(pdf)
    item = b"4 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (len(content), content)
    before = int(pdf[pdf.rindex(b"startxref") + 9 :].split()[0])
    size = max(int(part.split()[0]) for part in pdf.split(b"/Size ")[1:])
    table = b"xref\n0 1\n0000000000 65535 f \n4 1\n%010d 00000 n \n" % start
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        before,
        start + len(item),
    )
    return item + table + trailer

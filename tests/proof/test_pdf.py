from __future__ import annotations

import random
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers

from tallystick.canonical import digest
from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.proof import pdf


def gap(data: bytes) -> tuple[int, int]:
    """Start and end of the hex digits of the signature."""
    signature = PdfFileReader(BytesIO(data)).embedded_signatures[0]
    _, length, after, _ = (int(item) for item in signature.byte_range)
    return length + 1, after - 1


def replaced(data: bytes, at: int, by: bytes) -> bytes:
    return data[:at] + by + data[at + len(by) :]


def updated(data: bytes, change) -> bytes:
    """The file with an incremental update, as any PDF editor appends one."""
    writer = IncrementalPdfFileWriter(BytesIO(data))
    change(writer)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_signed_report_yields_its_facts(signed_pdf, certificate):
    facts = pdf.inspect(signed_pdf)
    assert (facts.sha256, facts.size) == (digest(signed_pdf), len(signed_pdf))
    assert facts.certificate == certificate
    assert facts.certificate_sha256 == digest(certificate)
    assert "Report seal" in facts.subject
    assert facts.attachments == {"evidence.json": b'{"evidence":true}'}


# ------------------------------------------------------------------ bytes


def test_any_flipped_byte_of_a_sample_is_rejected(signed_pdf):
    seeded = random.Random(7)
    for at in seeded.sample(range(len(signed_pdf)), 60):
        changed = replaced(signed_pdf, at, bytes([signed_pdf[at] ^ 1 << seeded.randrange(8)]))
        with pytest.raises(NotVerified):
            pdf.inspect(changed)


def test_any_flipped_bit_of_a_sample_of_the_signature_is_rejected(signed_pdf):
    """Hex digits in the other case and digits of the padding too, which most readers do not look at."""
    start, end = gap(signed_pdf)
    seeded = random.Random(8)
    for at in seeded.sample(range(start, end), 60):
        for bit in (1, 0x20):
            changed = replaced(signed_pdf, at, bytes([signed_pdf[at] ^ bit]))
            with pytest.raises(NotVerified):
                pdf.inspect(changed)


@pytest.mark.parametrize("tail", [b"\n", b"\0", b"% hello\n", b"\n%%EOF\n", b"%PDF-1.7"])
def test_appended_bytes_are_rejected(signed_pdf, tail):
    with pytest.raises(NotVerified):
        pdf.inspect(signed_pdf + tail)


def test_bytes_put_before_the_file_are_rejected(signed_pdf):
    with pytest.raises(NotVerified):
        pdf.inspect(b"\n" + signed_pdf)


@pytest.mark.parametrize("part", [0, 100, -1, -20])
def test_a_cut_file_is_rejected(signed_pdf, part):
    with pytest.raises(NotVerified):
        pdf.inspect(signed_pdf[:part])


# ------------------------------------------------------------------ named attacks


def test_an_unsigned_file_is_rejected(plain_pdf):
    with pytest.raises(Tampered, match="exactly one signature"):
        pdf.inspect(plain_pdf)


def test_a_second_signature_is_rejected(signed_pdf, pdf_signer, plain_pdf):
    """Of a file that allows it; the certified one does not even let a second signer start."""
    once = sign(plain_pdf, pdf_signer, certify=True, docmdp_permissions=fields.MDPPerm.FILL_FORMS)
    twice = sign(once, pdf_signer, field="Second", certify=False)
    with pytest.raises(Tampered, match="exactly one"):
        pdf.inspect(twice)


def test_an_overlay_on_a_page_is_rejected(signed_pdf):
    def overlay(writer):
        page = writer.root["/Pages"]["/Kids"][0].get_object()
        content = writer.add_object(generic.StreamObject(stream_data=b"BT /F1 40 Tf 50 100 Td (APPROVED) Tj ET"))
        page["/Contents"] = generic.ArrayObject([page.raw_get("/Contents"), content])
        writer.mark_update(page.container_ref)

    with pytest.raises(NotVerified):
        pdf.inspect(updated(signed_pdf, overlay))


def test_a_change_of_the_catalog_is_rejected(signed_pdf):
    def change(writer):
        writer.root["/OpenAction"] = generic.ArrayObject([])
        writer.update_root()

    with pytest.raises(NotVerified):
        pdf.inspect(updated(signed_pdf, change))


def test_an_annotation_is_rejected(signed_pdf):
    def annotate(writer):
        page = writer.root["/Pages"]["/Kids"][0].get_object()
        page["/Annots"] = generic.ArrayObject([writer.add_object(generic.DictionaryObject())])
        writer.mark_update(page.container_ref)

    with pytest.raises(NotVerified):
        pdf.inspect(updated(signed_pdf, annotate))


def test_an_added_attachment_is_rejected(signed_pdf):
    from pyhanko.pdf_utils import embed

    def attach(writer):
        data = embed.EmbeddedFileObject.from_file_data(writer, b"{}")
        embed.embed_file(writer, embed.FileSpec("other.json", embedded_data=data))

    with pytest.raises(NotVerified):
        pdf.inspect(updated(signed_pdf, attach))


def test_a_stripped_signature_is_rejected(signed_pdf):
    """The signature's value taken out of its field: the form is left, as if it were still to be signed."""

    def strip(writer):
        field = writer.root["/AcroForm"]["/Fields"][0].get_object()
        del field["/V"]
        writer.mark_update(field.container_ref)

    with pytest.raises(Tampered, match="exactly one"):
        pdf.inspect(updated(signed_pdf, strip))


def test_padding_that_is_not_zero_is_rejected(signed_pdf):
    _, end = gap(signed_pdf)
    with pytest.raises(Tampered, match="zeros"):
        pdf.inspect(replaced(signed_pdf, end - 2, b"01"))


def test_a_signature_of_zeros_is_rejected(signed_pdf):
    start, end = gap(signed_pdf)
    with pytest.raises(NotVerified):
        pdf.inspect(replaced(signed_pdf, start, b"0" * (end - start)))


def test_a_signature_moved_from_another_file_is_rejected(signed_pdf, other_pdf):
    start, end = gap(signed_pdf)
    theirs, their_end = gap(other_pdf)
    assert end - start == their_end - theirs
    with pytest.raises(Tampered, match="not the one that was signed"):
        pdf.inspect(replaced(signed_pdf, start, other_pdf[theirs:their_end]))


def test_a_byte_range_that_leaves_something_out_is_rejected(signed_pdf):
    """Universal forgery: the range itself is made to fit what the attacker wants covered."""
    at = signed_pdf.rindex(b"/ByteRange")
    end = signed_pdf.index(b"]", at)
    for numbers in (b"[0 0 0 0", b"[0 10 20 30", b"[1 2 3 4", b"[0 -1 9 9", b"[0 1", b"[null"):
        forged = b"/ByteRange " + numbers
        with pytest.raises(NotVerified):
            pdf.inspect(replaced(signed_pdf, at, forged.ljust(end - at)))


# ------------------------------------------------------------------ signatures of another form


def sign(data: bytes, signer, field: str = "Seal", **meta) -> bytes:
    words = {"field_name": field, "subfilter": fields.SigSeedSubFilter.PADES, "md_algorithm": "sha256", "certify": True}
    words |= {"docmdp_permissions": fields.MDPPerm.NO_CHANGES}
    out = BytesIO()
    signers.sign_pdf(
        IncrementalPdfFileWriter(BytesIO(data)),
        signers.PdfSignatureMetadata(**(words | meta)),
        signer=signer,
        output=out,
    )
    return out.getvalue()


@pytest.mark.parametrize(
    ("meta", "match"),
    [
        ({"certify": False, "docmdp_permissions": None}, "does not certify"),
        ({"docmdp_permissions": fields.MDPPerm.FILL_FORMS}, "allows changes"),
        ({"docmdp_permissions": fields.MDPPerm.ANNOTATE}, "allows changes"),
        ({"subfilter": fields.SigSeedSubFilter.ADOBE_PKCS7_DETACHED}, "PAdES"),
    ],
)
def test_a_valid_signature_of_another_form_is_rejected(plain_pdf, pdf_signer, meta, match):
    with pytest.raises(NotVerified, match=match):
        pdf.inspect(sign(plain_pdf, pdf_signer, **meta))


def test_a_file_with_history_before_its_signature_is_rejected(plain_pdf, pdf_signer):
    def change(writer):
        writer.root["/Lang"] = generic.TextStringObject("en")
        writer.update_root()

    with pytest.raises(Tampered, match="revisions"):
        pdf.inspect(sign(updated(plain_pdf, change), pdf_signer))


def test_a_file_signed_in_one_revision_is_taken(plain_pdf, pdf_signer):
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    out = BytesIO()
    meta = signers.PdfSignatureMetadata(
        field_name="Seal",
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    writer = copy_into_new_writer(PdfFileReader(BytesIO(plain_pdf)))
    signers.sign_pdf(writer, meta, signer=pdf_signer, output=out)
    assert pdf.inspect(out.getvalue()).attachments == {}


def test_a_weak_curve_is_rejected(plain_pdf, make_pdf_signer):
    with pytest.raises(Malformed, match="weak"):
        pdf.inspect(sign(plain_pdf, make_pdf_signer(ec.generate_private_key(ec.SECP256K1()))))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"PK\x03\x04", bytes(1000), b"%PDF-1.7\nstartxref\n0\n%%EOF"])
def test_what_is_no_pdf_is_malformed(data):
    with pytest.raises(Malformed):
        pdf.inspect(data)


def test_a_file_too_large_is_not_read(monkeypatch, signed_pdf):
    monkeypatch.setattr(pdf, "MAX_PDF", 100)
    with pytest.raises(Malformed, match="too large"):
        pdf.inspect(signed_pdf)

from __future__ import annotations

import random
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import fields, signers

from tallystick.canonical import digest
from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.proof import der, pdf


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


# ------------------------------------------------------------------ the signature's own bytes
#
# What stands in the gap is covered by no digest, so an attacker may rewrite it as long as it still verifies.


def with_contents(data: bytes, contents: bytes) -> bytes:
    start, end = gap(data)
    return replaced(data, start, contents.hex().upper().ljust(end - start, "0").encode())


@pytest.fixture
def rewritten(signed_pdf):
    """The file with its signature taken apart, changed and put together again."""
    from asn1crypto import cms

    def rewrite(change) -> bytes:
        signature = PdfFileReader(BytesIO(signed_pdf)).embedded_signatures[0]
        message = cms.ContentInfo.load(signature.pkcs7_content)
        signed = message["content"]
        change(signed, signed["signer_infos"][0])
        return with_contents(signed_pdf, message.dump(force=True))

    return rewrite


def set_version(signed, info):
    signed["version"] = "v3"


def set_signer_version(signed, info):
    info["version"] = "v3"


def add_signer(signed, info):
    signed["signer_infos"].append(info.copy())


def add_unsigned(signed, info):
    info["unsigned_attrs"] = [{"type": "1.2.3.4", "values": []}]


def add_digest(signed, info):
    signed["digest_algorithms"].append({"algorithm": "sha512"})


def set_digest(signed, info):
    info["digest_algorithm"] = {"algorithm": "md5"}


def set_content(signed, info):
    signed["encap_content_info"]["content"] = b"other"


def set_content_type(signed, info):
    signed["encap_content_info"] = {"content_type": "1.2.3.4"}


def drop_signed(signed, info):
    del info["signed_attrs"]


def drop_certificate_digest(signed, info):
    attributes = [a for a in info["signed_attrs"] if a["type"].native != "signing_certificate_v2"]
    info["signed_attrs"] = attributes


def name_by_key(signed, info):
    info["sid"] = type(info["sid"])(name="subject_key_identifier", value=b"key")


def name_in_capitals(signed, info):
    from asn1crypto import x509

    named = info["sid"].chosen
    named["issuer"] = x509.Name.build({"common_name": "REPORT SEAL OF BANK.EXAMPLE"})


def spoil_signature(signed, info):
    info["signature"] = info["signature"].native[:-1] + bytes([info["signature"].native[-1] ^ 1])


def spoil_digest(signed, info):
    attribute = next(a for a in info["signed_attrs"] if a["type"].native == "message_digest")
    attribute["values"] = [bytes(32)]


def test_a_signature_put_together_again_is_the_same(rewritten, signed_pdf):
    assert rewritten(lambda signed, info: None) == signed_pdf


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (set_version, "another version"),
        (set_signer_version, "another version"),
        (add_signer, None),
        (add_unsigned, "does not sign"),
        (add_digest, "another digest"),
        (set_digest, None),
        (set_content, "content of its own"),
        (set_content_type, "content of its own"),
        (drop_signed, None),
        (drop_certificate_digest, "digest of its certificate"),
        (name_by_key, None),
        (name_in_capitals, "another certificate"),
        (spoil_signature, "signature of the PDF fails"),
        (spoil_digest, "not the one that was signed"),
    ],
)
def test_a_rewritten_signature_is_rejected(rewritten, change, match):
    with pytest.raises(NotVerified, match=match):
        pdf.inspect(rewritten(change))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda der: b"\x30\x83\x00" + der[2:], id="length with a zero in front"),
        pytest.param(lambda der: b"\x30\x80" + der[4:] + b"\0\0", id="indefinite length"),
        pytest.param(lambda der: b"\x31" + der[1:], id="a set"),
        pytest.param(lambda der: b"\x3f" + der[1:], id="long tag"),
        pytest.param(lambda der: b"\x30\x82\xff\xff" + der[4:], id="length beyond the end"),
        pytest.param(lambda der: der[:2] + (len(der) - 2).to_bytes(2, "big") + der[4:] + b"\0\0", id="zeros inside"),
        pytest.param(lambda der: b"\x30\x00", id="empty sequence"),
        pytest.param(lambda der: (b"\x30\x82" + b"\x30\x82" * 500)[:1000], id="deep nest"),
    ],
)
def test_a_signature_that_is_not_strict_der_is_rejected(signed_pdf, change):
    signature = PdfFileReader(BytesIO(signed_pdf)).embedded_signatures[0]
    der = signature.pkcs7_content[: 4 + int.from_bytes(signature.pkcs7_content[2:4], "big")]
    with pytest.raises(NotVerified):
        pdf.inspect(with_contents(signed_pdf, change(der)))


@pytest.mark.parametrize(
    ("data", "good"), [("3000", 1), ("300500", 0), ("30810100", 0), ("30020500", 1), ("3002050100", 0)]
)
def test_der_is_walked_to_its_last_part(data, good):
    if good:
        assert der.length(bytes.fromhex(data) + b"\0" * 8) == len(bytes.fromhex(data))
    else:
        with pytest.raises(Malformed):
            der.length(bytes.fromhex(data))


# ------------------------------------------------------------------ keys, encryption, attachments


def test_an_rsa_seal_of_2048_bits_is_taken_and_a_shorter_one_is_not(plain_pdf, make_pdf_signer):
    assert pdf.inspect(sign(plain_pdf, make_pdf_signer(rsa.generate_private_key(65537, 2048))))
    with pytest.raises(Malformed, match="weak"):
        pdf.inspect(sign(plain_pdf, make_pdf_signer(rsa.generate_private_key(65537, 1024))))  # noqa: S505 - the point


def test_an_encrypted_file_is_rejected(plain_pdf, pdf_signer):
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    writer = copy_into_new_writer(PdfFileReader(BytesIO(plain_pdf)))
    writer.encrypt("owner", "")
    out = BytesIO()
    writer.write(out)
    with pytest.raises(Malformed, match="encrypted"):
        pdf.inspect(out.getvalue())


def with_tree(data: bytes, signer, build) -> bytes:
    """A signed file with a name tree of attachments of our making."""
    writer = IncrementalPdfFileWriter(BytesIO(data))
    stream = writer.add_object(generic.StreamObject(stream_data=b"{}"))
    holder = generic.DictionaryObject({generic.pdf_name("/F"): stream})
    specification = generic.DictionaryObject(
        {generic.pdf_name("/F"): generic.pdf_string("a.json"), generic.pdf_name("/EF"): holder}
    )
    tree = build(writer, writer.add_object(specification))
    writer.root["/Names"] = generic.DictionaryObject({generic.pdf_name("/EmbeddedFiles"): tree})
    writer.update_root()
    out = BytesIO()
    meta = signers.PdfSignatureMetadata(
        field_name="Seal",
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    signers.sign_pdf(writer, meta, signer=signer, output=out)
    return out.getvalue()


def leaf(*specifications):
    pairs = [part for item in specifications for part in (generic.pdf_string("name"), item)]
    return generic.DictionaryObject({generic.pdf_name("/Names"): generic.ArrayObject(pairs)})


def test_attachments_are_found_in_a_nested_tree(plain_pdf, pdf_signer):
    def nested(writer, specification):
        kid = writer.add_object(leaf(specification))
        return generic.DictionaryObject({generic.pdf_name("/Kids"): generic.ArrayObject([kid])})

    assert pdf.inspect(with_tree(plain_pdf, pdf_signer, nested)).attachments == {"a.json": b"{}"}


@pytest.mark.parametrize(("times", "match"), [(1, "deep"), (2, "twice")])
def test_a_tree_that_holds_itself_is_rejected(plain_pdf, pdf_signer, times, match):
    def endless(writer, specification):
        node = generic.DictionaryObject()
        kid = writer.add_object(node)
        node[generic.pdf_name("/Kids")] = generic.ArrayObject([kid] * times)
        return kid

    with pytest.raises(NotVerified, match=match):
        pdf.inspect(with_tree(plain_pdf, pdf_signer, endless))


def test_two_attachments_of_one_name_are_rejected(plain_pdf, pdf_signer):
    with pytest.raises(Malformed, match="twice"):
        pdf.inspect(with_tree(plain_pdf, pdf_signer, lambda writer, item: leaf(item, item)))

"""What may follow a sealed report, and every attack that tries to add something else."""

from __future__ import annotations

import hashlib
import random
import shutil
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader

from _authority import authority, stamping
from tallystick.errors import NotVerified, Tampered
from tallystick.proof import identity, pdf, timestamp
from tallystick.proof.certificates import Authorities
from tallystick.report import seal

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
KEY = ec.derive_private_key(0x5EA1, ec.SECP256R1())
MOMENT = datetime.now(UTC).replace(microsecond=0)
CERTIFICATE = seal.self_signed(
    KEY, common_name="x", not_before=MOMENT - timedelta(days=1), not_after=MOMENT + timedelta(days=9), serial=3
)


def stamp(digest: bytes) -> bytes:
    asked, _ = timestamp.request(digest)
    return timestamp.open_answer(stamping().answer(asked))


def sealed(data: bytes, level: str, **other) -> bytes:
    words = {"private_key": KEY, "certificate": CERTIFICATE, "moment": MOMENT, "level": level, "stamp": stamp}
    return seal.seal(data, **(words | other))


@pytest.fixture(scope="module")
def stamped(plain_pdf) -> bytes:
    return sealed(plain_pdf, "b-t")


@pytest.fixture(scope="module")
def archived(plain_pdf) -> bytes:
    return sealed(plain_pdf, "b-lta")


@pytest.mark.parametrize(("level", "stamps"), [("b-b", []), ("b-t", ["signature"]), ("b-lta", ["signature", "file"])])
def test_every_level_passes_the_strict_inspection(plain_pdf, level, stamps):
    facts = pdf.inspect(sealed(plain_pdf, level))
    assert [item.over for item in facts.stamps] == stamps
    assert facts.claimed_at == MOMENT
    assert (level == "b-lta") == bool(facts.others)


def test_pyhanko_finds_the_archived_file_good(archived):
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    author, last = PdfFileReader(BytesIO(archived)).embedded_signatures
    trust = ValidationContext(trust_roots=[author.signer_cert], allow_fetching=False, moment=MOMENT)
    status = validate_pdf_signature(author, signer_validation_context=trust)
    assert status.intact
    assert status.valid
    assert status.docmdp_ok
    assert status.modification_level.name == "LTA_UPDATES"
    assert last.evaluate_signature_coverage().name == "ENTIRE_FILE"


@pytest.mark.parametrize("which", ["stamped", "archived"])
def test_any_flipped_byte_of_a_sample_is_refused(which, request):
    """Certificates in a time stamp that lead to its authority are not covered by it: what they say is asked later."""
    data = request.getfixturevalue(which)
    facts, seeded = pdf.inspect(data), random.Random(9)
    for at in seeded.sample(range(len(data)), 40):
        changed = data[:at] + bytes([data[at] ^ 1 << seeded.randrange(8)]) + data[at + 1 :]
        try:
            found = pdf.inspect(changed)
        except NotVerified:
            continue
        assert [item.token.at for item in found.stamps] == [item.token.at for item in facts.stamps]
        assert found.stamps[-1].token.others != facts.stamps[-1].token.others


@pytest.mark.parametrize("tail", [b"\n", b"\0", b"% hello\n", b"\n%%EOF\n"])
def test_bytes_after_the_last_time_stamp_are_refused(archived, tail):
    with pytest.raises(NotVerified):
        pdf.inspect(archived + tail)


def test_the_archived_file_cut_at_its_seal_is_the_stamped_one(archived):
    """Nothing that follows has a say in what is read."""
    whole = pdf.inspect(archived)
    _, _, after, rest = (int(n) for n in PdfFileReader(BytesIO(archived)).embedded_signatures[0].byte_range)
    part = pdf.inspect(archived[: after + rest])
    assert dict(part.attachments) == dict(whole.attachments)
    assert part.certificate_sha256 == whole.certificate_sha256


# ------------------------------------------------------------------ a later revision, with a genuine time stamp over it


def appended(data: bytes, change) -> bytes:
    """A revision of an attacker, who gets a time stamp over it as anybody can."""
    from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
    from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp

    writer = seal._writer(data)
    name = f"Again{len(data)}"
    field = generic.DictionaryObject(
        {
            generic.NameObject("/FT"): generic.NameObject("/Sig"),
            generic.NameObject("/T"): generic.TextStringObject(name),
            generic.NameObject("/Type"): generic.NameObject("/Annot"),
            generic.NameObject("/Subtype"): generic.NameObject("/Widget"),
            generic.NameObject("/F"): generic.NumberObject(132),
            generic.NameObject("/Rect"): generic.ArrayObject([generic.NumberObject(0)] * 4),
        }
    )
    listed = writer.root["/AcroForm"]["/Fields"]
    listed.append(writer.add_object(field))
    writer.update_container(listed)
    if change is not form_flag:
        change(writer)
    out = BytesIO()
    steps = PdfCMSEmbedder().write_cms(field_name=name, writer=writer, existing_fields_only=True)
    next(steps)
    steps.send(SigObjSetup(sig_placeholder=DocumentTimestamp(bytes_reserved=32768)))
    if change is form_flag:  # the form is read anew whenever a field joins it
        change(writer)
    prepared, _ = steps.send(SigIOSetup(md_algorithm="sha256", output=out))
    from asn1crypto.cms import ContentInfo

    steps.send(ContentInfo.load(stamp(prepared.document_digest)))
    return out.getvalue()


def test_a_further_time_stamp_over_the_whole_file_is_taken(archived):
    again = appended(archived, lambda writer: None)
    assert [item.over for item in pdf.inspect(again).stamps] == ["signature", "file", "file"]


def add_store(writer, data: bytes = b"", **entries):
    stream = generic.StreamObject(stream_data=data or authority().der)
    listed = generic.ArrayObject([writer.add_object(stream)])
    store = generic.DictionaryObject({generic.NameObject("/Certs"): listed})
    store |= {generic.NameObject(f"/{name}"): value for name, value in entries.items()}
    writer.root["/DSS"] = writer.add_object(generic.DictionaryObject(store))
    writer.update_root()


def test_a_revision_that_adds_a_certificate_is_taken(stamped):
    assert pdf.inspect(appended(stamped, add_store)).others[-1] == authority().der


def overlay(writer):
    add_store(writer)
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    content = writer.add_object(generic.StreamObject(stream_data=b"BT /F1 40 Tf 50 100 Td (APPROVED) Tj ET"))
    page["/Contents"] = generic.ArrayObject([page.raw_get("/Contents"), content])
    writer.mark_update(page.container_ref)


def content_written_anew(writer):
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    stream = page["/Contents"]
    stream._data = b"BT (APPROVED) Tj ET"
    writer.mark_update(stream.container_ref)


def open_action(writer):
    writer.root["/OpenAction"] = generic.ArrayObject([])
    writer.update_root()


def orphan(writer):
    add_store(writer)
    writer.add_object(generic.DictionaryObject({generic.NameObject("/S"): generic.NameObject("/JavaScript")}))


def other_entry(writer):
    add_store(writer, VRI=generic.DictionaryObject())


def no_certificate(writer):
    add_store(writer, b"%PDF-1.7 something else")


def certificate_and_more(writer):
    add_store(writer, authority().der + b"and more")


def second_field(writer):
    field = {generic.NameObject("/FT"): generic.NameObject("/Tx"), generic.NameObject("/T"): generic.pdf_string("x")}
    listed = writer.root["/AcroForm"]["/Fields"]
    listed.append(writer.add_object(generic.DictionaryObject(field)))
    writer.update_container(listed)


def form_flag(writer):
    reference = writer.root.raw_get("/AcroForm").reference
    form = writer.objects[reference.generation, reference.idnum]
    form[generic.NameObject("/NeedAppearances")] = generic.BooleanObject(True)


def seal_field(writer):
    field = writer.root["/AcroForm"]["/Fields"][0].get_object()
    field["/TU"] = generic.pdf_string("something else")
    writer.mark_update(field.container_ref)


def page_as_store(writer):
    """An object that was something else before."""
    page = writer.root["/Pages"].raw_get("/Kids")[0]
    writer.root["/DSS"] = page
    writer.update_root()


def attachment(writer):
    from pyhanko.pdf_utils import embed

    data = embed.EmbeddedFileObject.from_file_data(writer, b"{}")
    embed.embed_file(writer, embed.FileSpec("evidence.json", embedded_data=data))


@pytest.mark.parametrize(
    "change",
    [
        overlay, content_written_anew, open_action, orphan, other_entry, no_certificate, certificate_and_more,
        second_field, form_flag, seal_field, page_as_store, attachment,
    ],
)  # fmt: skip
def test_a_revision_that_changes_something_else_is_refused_whoever_stamped_it(stamped, change):
    assert change is not form_flag or b"/NeedAppearances true" in appended(stamped, change)
    with pytest.raises(NotVerified):
        pdf.inspect(appended(stamped, change))


def test_a_revision_with_another_description_of_the_file_is_refused(stamped, monkeypatch):
    """As most programs write it: with themselves as producer."""
    monkeypatch.setattr(seal, "_writer", lambda data: IncrementalPdfFileWriter(BytesIO(data)))
    with pytest.raises(Tampered, match="trailer"):
        pdf.inspect(appended(stamped, lambda writer: None))


def test_a_revision_without_a_time_stamp_over_it_is_refused(stamped):
    writer = IncrementalPdfFileWriter(BytesIO(stamped))
    add_store(writer)
    out = BytesIO()
    writer.write(out)
    with pytest.raises(NotVerified):
        pdf.inspect(out.getvalue())


# ------------------------------------------------------------------ a swapped time stamp


def with_token(data: bytes, which: int, token: bytes) -> bytes:
    """The file with another time stamp in the gap of a signature."""
    signature = PdfFileReader(BytesIO(data)).embedded_signatures[which]
    _, length, after, _ = (int(n) for n in signature.byte_range)
    room = after - length - 2
    return data[: length + 1] + token.hex().encode().ljust(room, b"0") + data[after - 1 :]


def test_a_time_stamp_of_another_file_is_refused(archived):
    with pytest.raises(Tampered, match="something else"):
        pdf.inspect(with_token(archived, 1, stamp(hashlib.sha256(b"another").digest())))


def test_a_time_stamp_over_another_signature_is_refused(stamped):
    from asn1crypto import cms

    signature = PdfFileReader(BytesIO(stamped)).embedded_signatures[0]
    message = cms.ContentInfo.load(signature.pkcs7_content)
    info = message["content"]["signer_infos"][0]
    info["unsigned_attrs"][0]["values"] = [cms.ContentInfo.load(stamp(hashlib.sha256(b"another").digest()))]
    with pytest.raises(Tampered, match="something else"):
        pdf.inspect(with_token(stamped, 0, message.dump()))
    info["unsigned_attrs"] = [*info["unsigned_attrs"], *info["unsigned_attrs"]]
    with pytest.raises(NotVerified):
        pdf.inspect(with_token(stamped, 0, message.dump()))


# ------------------------------------------------------------------ clocks and years

TRUST = Authorities(time=(authority().der,))


def test_a_clock_that_was_ahead_is_told(plain_pdf):
    ahead = MOMENT + timedelta(days=2)
    facts = pdf.inspect(sealed(plain_pdf, "b-t", moment=ahead))
    found = identity.signer(facts, TRUST, proven_at=facts.stamps[0].token.at)
    ((name, outcome, detail),) = found.checks
    assert (name, outcome) == ("clock", "failed")
    assert "its clock was ahead" in detail
    assert identity.signer(facts, TRUST, proven_at=None).checks == ()


def certified(**years) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return authority().certify(KEY.public_key(), "Bank", **years).public_bytes(Encoding.DER)


def test_a_certificate_that_ran_out_is_told(plain_pdf):
    short = certified(start=MOMENT - timedelta(days=9), end=MOMENT + timedelta(days=1))
    facts = pdf.inspect(sealed(plain_pdf, "b-b", certificate=short))
    roots = (authority().der,)
    now = identity.signer(facts, Authorities(identity=roots, now=MOMENT), proven_at=None)
    assert [outcome for _, outcome, _ in now.checks] == ["ok"]
    later = Authorities(identity=roots, now=MOMENT + timedelta(days=2))
    ((_, outcome, detail),) = identity.signer(facts, later, proven_at=None).checks
    assert outcome == "unknown"
    assert "ran out" in detail
    ((_, outcome, _),) = identity.signer(facts, later, proven_at=MOMENT).checks
    assert outcome == "ok"
    ((_, outcome, detail),) = identity.signer(facts, later, proven_at=MOMENT + timedelta(days=3)).checks
    assert outcome == "failed"
    assert "not valid at the proven time" in detail


def test_a_seal_outside_the_years_of_its_own_certificate_is_told(plain_pdf, make_pdf_signer):
    """Made by another program: ours does not seal so."""
    from pyhanko.sign import fields, signers

    out = BytesIO()
    meta = signers.PdfSignatureMetadata(
        field_name="Seal",
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    from asn1crypto.x509 import Certificate
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    signer = signers.SimpleSigner(
        signing_cert=Certificate.load(certified(end=MOMENT - timedelta(days=1))),
        signing_key=make_pdf_signer(KEY).signing_key,
        cert_registry=SimpleCertificateStore(),
    )
    signers.sign_pdf(IncrementalPdfFileWriter(BytesIO(plain_pdf)), meta, signer=signer, output=out)
    ((name, outcome, detail),) = identity.signer(pdf.inspect(out.getvalue()), TRUST, proven_at=None).checks
    assert (name, outcome) == ("identity", "failed")
    assert "the certificate was valid from" in detail

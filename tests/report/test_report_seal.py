"""The seal: a PAdES signature over the whole file that allows no change and vouches for nobody."""

import functools
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tallystick.errors import InvalidInput, NotVerified
from tallystick.proof.pdf import inspect
from tallystick.report import seal, view

MOMENT = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
KEY = ec.derive_private_key(0x5EA1, ec.SECP256R1())
OTHER = ec.derive_private_key(0x0DD, ec.SECP256R1())


def certificate(key=KEY, **more):
    given = {
        "common_name": "tallystick report seal of credit-team",
        "not_before": MOMENT - timedelta(days=1),
        "not_after": MOMENT + timedelta(days=3650),
        "serial": 4711,
    }
    return seal.self_signed(key, **(given | more))


@pytest.fixture
def plain(drawn_once):
    """A small report, and its evidence."""
    found, data = drawn_once("bare")
    return data, view.evidence(found)


@functools.cache
def sealed_of(data):
    return seal.seal(data, private_key=KEY, certificate=certificate(), moment=MOMENT)


@pytest.fixture
def sealed(plain):
    return sealed_of(plain[0])


def test_a_sealed_report_passes_the_strict_inspection_and_carries_its_evidence(plain, sealed):
    facts = inspect(sealed)
    assert dict(facts.attachments) == {"evidence.json": plain[1]}
    assert facts.certificate == certificate()
    assert "Integrity seal; identity not verified" in facts.subject


def test_the_seal_covers_the_whole_file_and_certifies_it(sealed):
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    reader = PdfFileReader(BytesIO(sealed))
    (signature,) = reader.embedded_signatures
    trust = ValidationContext(trust_roots=[signature.signer_cert], allow_fetching=False, moment=MOMENT)
    status = validate_pdf_signature(signature, signer_validation_context=trust)
    assert status.intact
    assert status.valid
    assert status.coverage.name == "ENTIRE_FILE"
    assert status.docmdp_ok
    assert signature.docmdp_level.name == "NO_CHANGES"
    assert signature.field_name == "Seal"
    assert signature.sig_object["/Reason"] == "Integrity seal; identity not verified"
    assert signature.self_reported_timestamp == MOMENT
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"


def test_the_file_stays_what_it_was(plain, sealed):
    """PDF/A-3: version 1.7, the same metadata, the seal's field printable and without an appearance to draw."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    assert sealed.startswith(plain[0])
    before, after = PdfFileReader(BytesIO(plain[0])), PdfFileReader(BytesIO(sealed))
    assert after.input_version == (1, 7)
    assert after.root["/Metadata"].data == before.root["/Metadata"].data
    assert dict(after.trailer["/Info"]) == dict(before.trailer["/Info"])
    (reference,) = after.root["/AcroForm"]["/Fields"]
    field = reference.get_object()
    assert int(field["/F"]) & 0b100, "PDF/A wants the print flag"
    assert [float(number) for number in field["/Rect"]] == [0, 0, 0, 0]


def test_the_same_report_is_sealed_to_the_same_bytes(plain, sealed):
    assert seal.seal(plain[0], private_key=KEY, certificate=certificate(), moment=MOMENT) == sealed
    later = MOMENT + timedelta(seconds=1)
    assert seal.seal(plain[0], private_key=KEY, certificate=certificate(), moment=later) != sealed


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="poppler-utils is not installed")
def test_a_program_that_nobody_here_wrote_finds_the_signature_valid(sealed, tmp_path):
    (tmp_path / "a.pdf").write_bytes(sealed)
    done = subprocess.run(["pdfsig", "a.pdf"], cwd=tmp_path, capture_output=True, text=True)
    assert "Signature is Valid." in done.stdout
    assert "Total document signed" in done.stdout
    assert "ETSI.CAdES.detached" in done.stdout


def test_a_changed_byte_is_found(sealed):
    for place in range(0, len(sealed), 1571):
        changed = bytearray(sealed)
        changed[place] ^= 0x04
        with pytest.raises(NotVerified):
            inspect(bytes(changed))


def test_bytes_after_the_end_are_found(sealed):
    with pytest.raises(NotVerified):
        inspect(sealed + b"\n% more\n")


def test_the_certificate_says_that_it_vouches_for_nobody():
    found = x509.load_der_x509_certificate(certificate())
    assert found.issuer == found.subject
    assert found.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value == seal.LABEL
    assert found.serial_number == 4711
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = found.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    found.verify_directly_issued_by(found)
    assert certificate() == certificate(), "no randomness but that which was handed in"


@pytest.mark.parametrize(
    "wrong",
    [
        {"serial": 0},
        {"serial": 2**159},
        {"common_name": ""},
        {"common_name": "x" * 65},
        {"not_before": MOMENT + timedelta(days=9999)},
        {"not_before": datetime(2026, 1, 1)},
    ],
)
def test_a_certificate_out_of_bounds_is_refused(wrong):
    with pytest.raises(InvalidInput):
        certificate(**wrong)


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32), ec.derive_private_key(9, ec.SECP384R1())]
)
def test_only_a_p256_key_seals(key, plain):
    with pytest.raises(InvalidInput, match="P-256"):
        certificate(key)
    with pytest.raises(InvalidInput, match="P-256"):
        seal.seal(plain[0], private_key=key, certificate=certificate(), moment=MOMENT)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"certificate": certificate(OTHER)}, "another key"),
        ({"certificate": b"\x30\x03abc"}, "not well-formed"),
        ({"moment": MOMENT + timedelta(days=4000)}, "not valid at this time"),
        ({"moment": datetime(2026, 11, 20)}, "no zone"),
    ],
)
def test_a_seal_that_nobody_could_verify_is_not_made(plain, given, message):
    with pytest.raises(InvalidInput, match=message):
        seal.seal(plain[0], **({"private_key": KEY, "certificate": certificate(), "moment": MOMENT} | given))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"not a PDF", b"%PDF-1.7\nstartxref\n0\n%%EOF"])
def test_what_is_no_pdf_cannot_be_sealed(data):
    with pytest.raises(InvalidInput, match="cannot be sealed"):
        seal.seal(data, private_key=KEY, certificate=certificate(), moment=MOMENT)


def test_a_sealed_report_cannot_be_sealed_again(sealed):
    with pytest.raises(InvalidInput, match="cannot be sealed"):
        seal.seal(sealed, private_key=KEY, certificate=certificate(), moment=MOMENT)

"""Time stamps of a real authority (`openssl ts`), and what is wrong with others."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from _authority import END, START, authority, stamping, usage
from tallystick.errors import Malformed, NotVerified, Tampered, Unavailable
from tallystick.proof import timestamp

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
DATA = b"the signed note of a checkpoint"


@pytest.fixture(scope="module")
def answer() -> bytes:
    return stamping().stamp(DATA)


@pytest.fixture(scope="module")
def token(answer) -> bytes:
    return timestamp.open_answer(answer)


def test_a_token_says_when_what_was_there(token):
    read = timestamp.read(token)
    read.check_over(DATA)
    assert abs(read.at - datetime.now(UTC)) < timedelta(minutes=10)
    assert read.at.tzinfo is UTC
    assert "Time of the test" in read.authority
    outcome, why = timestamp.judge(read, [stamping().root.der])
    assert outcome == "ok"
    assert read.time in why


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_stronger_digests_are_taken(algorithm):
    timestamp.read(timestamp.open_answer(stamping().stamp(DATA, algorithm))).check_over(DATA)


def test_the_older_way_to_name_the_certificate_is_taken():
    timestamp.read(timestamp.open_answer(stamping("Older", digest="sha1").stamp(DATA)))


def test_an_imprint_by_sha1_is_refused():
    with pytest.raises(Malformed, match="another digest"):
        timestamp.read(timestamp.open_answer(stamping().stamp(DATA, "sha1")))


def test_a_token_of_another_file_is_refused(token):
    with pytest.raises(Tampered, match="something else"):
        timestamp.read(token).check_over(DATA + b"!")


def test_any_flipped_bit_of_a_sample_is_refused_or_changes_nothing_that_is_said(token):
    """Other certificates than the authority's are not covered; what they are good for is asked of the roots."""
    said = timestamp.read(token)
    seeded = random.Random(5)
    refused = 0
    for at in seeded.sample(range(len(token)), 120):
        changed = bytearray(token)
        changed[at] ^= 1 << seeded.randrange(8)
        try:
            found = timestamp.read(bytes(changed))
        except NotVerified:
            refused += 1
        else:
            assert (found.at, found.imprint, found.certificate) == (said.at, said.imprint, said.certificate)
            assert found.others != said.others
    assert refused > 40


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"\x30\x80\x00\x00", b"not a token", bytes(100)])
def test_what_is_no_token_is_malformed(data, token):
    with pytest.raises(Malformed):
        timestamp.read(data)
    for wrong in (token + b"\0", token[:-1]):
        with pytest.raises(Malformed):
            timestamp.read(wrong)


# ------------------------------------------------------------------ whom it is by


def other_uses():
    return (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING]), True)


WRONG = {
    "none": lambda: (),
    "not critical": lambda: ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), False),),
    "another": lambda: ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), True),),
    "not alone": lambda: (other_uses(),),
    "may not sign": lambda: (
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
        (usage("key_encipherment"), True),
    ),
}


@pytest.mark.parametrize("flaw", WRONG)
def test_a_certificate_that_is_not_for_time_stamping_alone_is_refused(flaw, token):
    """OpenSSL does not stamp with most of these, so a good token is given the certificate."""
    wrong = authority().certify(
        stamping().certificate.public_key(), f"Flaw: {flaw}", *WRONG[flaw](), start=START, end=END
    )
    message = cms.ContentInfo.load(token)
    signed = message["content"]
    from cryptography.hazmat.primitives.serialization import Encoding

    der = wrong.public_bytes(Encoding.DER)
    found = cms.CertificateChoices(name="certificate", value=cms.Certificate.load(der))
    signed["certificates"] = [found]
    signed["signer_infos"][0]["sid"] = cms.SignerIdentifier(
        name="issuer_and_serial_number",
        value={"issuer": found.chosen.issuer, "serial_number": found.chosen.serial_number},
    )
    with pytest.raises(Malformed, match=r"alone|may not sign"):
        timestamp.read(message.dump(force=True))


def test_an_authority_that_nobody_trusts_is_unknown(token):
    outcome, why = timestamp.judge(timestamp.read(token), [authority("Another root").der])
    assert outcome == "unknown"
    assert "none of the given authorities" in why
    assert timestamp.judge(timestamp.read(token), [])[0] == "unknown"


def test_a_root_of_the_same_name_does_not_do(token):
    double = authority.__wrapped__("Root of the test")
    assert timestamp.judge(timestamp.read(token), [double.der])[0] == "unknown"


def test_a_time_outside_the_years_of_the_certificate_fails():
    """OpenSSL stamps with a certificate that has run out."""
    old = stamping("Run out", end=START + timedelta(days=1))
    read = timestamp.read(timestamp.open_answer(old.stamp(DATA)))
    outcome, why = timestamp.judge(read, [old.root.der])
    assert outcome == "failed"
    assert "not valid at" in why


def test_an_authority_between_leads_to_the_root():
    from cryptography.hazmat.primitives.asymmetric import rsa

    from _authority import Authority

    key = rsa.generate_private_key(65537, 3072)
    extensions = ((x509.BasicConstraints(True, 0), True), (usage("key_cert_sign"), True))
    middle = Authority(authority().certify(key.public_key(), "Between", *extensions), key)
    read = timestamp.read(timestamp.open_answer(stamping("Below", root=middle).stamp(DATA)))
    assert timestamp.judge(read, [authority().der])[0] == "ok"
    without = timestamp.read(timestamp.open_answer(stamping().stamp(DATA)))
    assert timestamp.judge(without, [middle.der])[0] == "unknown"


# ------------------------------------------------------------------ tokens put together again


@pytest.fixture
def rewritten(token):
    def rewrite(change) -> bytes:
        message = cms.ContentInfo.load(token)
        signed = message["content"]
        change(signed, signed["signer_infos"][0])
        return message.dump(force=True)

    return rewrite


def drop_certificates(signed, info):
    del signed["certificates"]


def two_signers(signed, info):
    signed["signer_infos"].append(info.copy())


def unsigned(signed, info):
    info["unsigned_attrs"] = [{"type": "1.2.3.4", "values": []}]


def other_version(signed, info):
    signed["version"] = "v1"


def no_naming(signed, info):
    info["signed_attrs"] = [a for a in info["signed_attrs"] if a["type"].native != "signing_certificate_v2"]


def spoilt(signed, info):
    signature = info["signature"].native
    info["signature"] = signature[:-1] + bytes([signature[-1] ^ 1])


def later(signed, info):
    said = tsp.TSTInfo.load(signed["encap_content_info"]["content"].contents)
    said["gen_time"] = datetime(2020, 1, 1, tzinfo=UTC)
    signed["encap_content_info"]["content"] = cms.ParsableOctetString(said.dump(force=True))


def test_a_token_put_together_again_says_the_same(rewritten, token):
    assert timestamp.read(rewritten(lambda signed, info: None)).imprint == timestamp.read(token).imprint


@pytest.mark.parametrize("change", [drop_certificates, two_signers, unsigned, other_version, no_naming, spoilt, later])
def test_a_token_that_was_changed_is_refused(rewritten, change):
    with pytest.raises(NotVerified):
        timestamp.read(rewritten(change))


# ------------------------------------------------------------------ answers


def test_a_refusal_is_told(answer):
    with pytest.raises(Unavailable, match="refuses; got rejection"):
        timestamp.open_answer(bytes.fromhex("30053003020102"))
    for wrong in (b"", b"\x30\x00", answer + b"\0", b"\x30\x03\x02\x01\x00", bytes(timestamp.MAX_ANSWER + 1)):
        with pytest.raises(NotVerified):
            timestamp.open_answer(wrong)

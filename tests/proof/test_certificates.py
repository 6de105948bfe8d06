"""What lists of revocations say, of every certificate on the way to an authority, and which of them count."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from _authority import END, START, Authority, authority, stamping, usage
from tallystick.proof import certificates, timestamp

ROOT = authority()
SIGNS = (usage("digital_signature", "content_commitment"), True)
NOW = START + timedelta(days=30)
DAY = timedelta(days=1)
FAMILY = (x509.BasicConstraints(True, None), True)


def below(above: Authority, name: str, *uses: str, subject=None) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    given = (FAMILY, (usage(*uses), True))
    return Authority(above.certify(key.public_key(), subject or name, *given), key)


MIDDLE = below(ROOT, "Between", "key_cert_sign", "crl_sign")
MUTE = below(ROOT, "Between", "key_cert_sign")
KEY = ec.generate_private_key(ec.SECP256R1())
MINE = MIDDLE.certify(KEY.public_key(), "Bank", SIGNS)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def asked(*lists: bytes, leaf=MINE, others=(MIDDLE,), at=NOW) -> certificates.Revocation:
    return certificates.revocation(
        der(leaf), [one.der for one in others], [ROOT.der], lists, at=at, asked=at, purpose=certificates.DOCUMENTS
    )


def revoked(certificate, at=NOW - 5 * DAY) -> x509.RevokedCertificateBuilder:
    return x509.RevokedCertificateBuilder(certificate.serial_number, at)


GOOD = (MIDDLE.lists(), ROOT.lists())


def test_nothing_is_known_without_a_list_for_every_certificate_on_the_way():
    assert asked() == asked(GOOD[0]) == asked(GOOD[1]) == certificates.Revocation(known=False)
    assert asked(*GOOD) == certificates.Revocation(known=True)


@pytest.mark.parametrize(("who", "by"), [(MINE, MIDDLE), (MIDDLE.certificate, ROOT)], ids=["near end", "between"])
def test_whatever_was_revoked_on_the_way_is_told(who, by):
    found = asked(*GOOD, by.lists(revoked(who)))
    assert found.at == NOW - 5 * DAY
    assert found.who == who.subject.rfc4514_string()


def test_a_list_that_names_a_certificate_counts_however_old_it_is():
    assert asked(MIDDLE.lists(revoked(MINE), start=START, end=START + DAY)).at is not None


@pytest.mark.parametrize(
    ("start", "end", "known"),
    [
        (NOW - 20 * DAY, NOW - 19 * DAY, False),
        (NOW - DAY, NOW, True),
        (NOW + DAY, NOW + 2 * DAY, True),
        (END + DAY, END + 2 * DAY, False),
    ],
    ids=["ran out before", "of that time", "newer", "newer than the certificate is listed"],
)
def test_a_list_that_does_not_name_a_certificate_speaks_of_its_own_time(start, end, known):
    assert asked(GOOD[1], MIDDLE.lists(start=start, end=end)).known is known


def test_a_list_of_somebody_with_the_name_of_the_issuer_says_nothing():
    """Neither that a certificate is good, nor that it was revoked: the issuer is the one on the way."""
    double = below(authority("Another root"), "Between", "key_cert_sign", "crl_sign")
    assert double.certificate.subject == MIDDLE.certificate.subject
    found = asked(GOOD[1], double.lists(), double.lists(revoked(MINE)), others=(MIDDLE, double))
    assert found == certificates.Revocation(known=False)


def test_a_list_of_an_issuer_that_may_sign_none_says_nothing():
    mine = MUTE.certify(KEY.public_key(), "Bank", SIGNS)
    found = asked(GOOD[1], MUTE.lists(revoked(mine)), leaf=mine, others=(MUTE,))
    assert found == certificates.Revocation(known=False)


def part(**said) -> x509.IssuingDistributionPoint:
    plain = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False, "only_contains_ca_certs": False,
        "only_some_reasons": None, "indirect_crl": False, "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**(plain | said))


ELSEWHERE = x509.UniformResourceIdentifier("https://ca.example/7.crl")


@pytest.mark.parametrize(
    ("extension", "known"),
    [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False),
        (x509.DeltaCRLIndicator(1), False),
        (part(only_contains_user_certs=True), True),
        (part(only_contains_ca_certs=True), False),
        (part(full_name=[ELSEWHERE]), False),
        (part(indirect_crl=True), False),
        (part(only_contains_attribute_certs=True), False),
    ],
    ids=["unknown", "what changed", "of users", "of authorities", "of another part", "of others", "of attributes"],
)
def test_a_list_with_a_critical_extension_counts_for_what_it_is_about(extension, known):
    assert asked(GOOD[1], MIDDLE.lists(extensions=[(extension, True)])).known is known


def test_a_part_of_a_list_counts_for_the_certificates_that_name_it():
    point = x509.DistributionPoint(full_name=[ELSEWHERE], relative_name=None, reasons=None, crl_issuer=None)
    mine = MIDDLE.certify(KEY.public_key(), "Bank", SIGNS, (x509.CRLDistributionPoints([point]), False))
    assert asked(GOOD[1], MIDDLE.lists(extensions=[(part(full_name=[ELSEWHERE]), True)]), leaf=mine).known


def test_a_list_by_a_weak_digest_or_none_at_all_says_nothing():
    builder = x509.CertificateRevocationListBuilder(MIDDLE.certificate.subject, START, END)
    weak = builder.sign(MIDDLE.key, hashes.SHA224()).public_bytes(Encoding.DER)
    assert not asked(GOOD[1], weak, b"no list", b"").known


# ------------------------------------------------------------------ the authority of a time stamp


@pytest.fixture(scope="module")
def token() -> timestamp.Token:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return timestamp.read(timestamp.open_answer(stamping().stamp(b"a note")))


@pytest.mark.parametrize(
    ("days", "reason", "outcome"),
    [
        (-9, None, "failed"),
        (-9, x509.ReasonFlags.superseded, "failed"),
        (9, None, "failed"),
        (9, x509.ReasonFlags.key_compromise, "failed"),
        (9, x509.ReasonFlags.superseded, "ok"),
    ],
)
def test_a_time_stamp_of_a_revoked_authority_is_good_only_before_and_if_the_reason_says_so(
    token, days, reason, outcome
):
    found = ROOT.revoke(stamping().certificate, token.at.replace(microsecond=0) + timedelta(days=days), reason)
    said, why = timestamp.judge(token, [ROOT.der], lists=[found])
    assert said == outcome
    assert "was revoked at" in why


def test_a_time_stamp_says_whether_it_is_known_that_its_authority_was_not_revoked(token):
    assert "is not known" in timestamp.judge(token, [ROOT.der])[1]
    assert "is not known" not in timestamp.judge(token, [ROOT.der], lists=[ROOT.lists()])[1]

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import InvalidInput, Malformed
from tallystick.proof.keys import ECDSA_P256, ED25519, PublicKey, Signer

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
N_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def verifies(raw: bytes, signature: bytes, message: bytes) -> bool:
    """A key that is refused verifies nothing."""
    try:
        return PublicKey.from_ed25519(raw).verify(signature, message)
    except Malformed:
        return False


def test_wycheproof_agrees_on_all_151_cases(vectors):
    groups = json.loads((vectors / "C2SP_wycheproof/ed25519_test.json").read_text())["testGroups"]
    cases = [(bytes.fromhex(group["publicKey"]["pk"]), test) for group in groups for test in group["tests"]]
    wrong = [
        test["tcId"]
        for raw, test in cases
        if verifies(raw, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])) != (test["result"] == "valid")
    ]
    assert (len(cases), wrong) == (151, [])


def test_no_low_order_or_non_canonical_key_of_the_edge_cases_verifies_anything(vectors):
    cases = json.loads((vectors / "C2SP_CCTV/ed25519vectors.json").read_text())
    weak = [c for c in cases if {"low_order_A", "non_canonical_A"} & set(c["flags"] or [])]
    for case in weak:
        with pytest.raises(Malformed):
            PublicKey.from_ed25519(bytes.fromhex(case["key"]))
    assert (len(cases), len(weak)) == (914, 526)


def test_the_edge_cases_with_good_keys_follow_one_rule(vectors):
    """OpenSSL recomputes R and compares bytes, so no R that is not the one of the cofactorless equation passes."""
    cases = json.loads((vectors / "C2SP_CCTV/ed25519vectors.json").read_text())
    good = [c for c in cases if not {"low_order_A", "non_canonical_A"} & set(c["flags"] or [])]
    flags_that_fail = {"low_order_residue", "non_canonical_R"}
    for case in good:
        result = verifies(bytes.fromhex(case["key"]), bytes.fromhex(case["sig"]), case["msg"].encode())
        assert result == (not flags_that_fail & set(case["flags"] or [])), case
    assert len(good) == 388


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param((1).to_bytes(32, "little"), id="neutral element"),
        pytest.param((P - 1).to_bytes(32, "little"), id="order 2"),
        pytest.param(bytes(32), id="order 4"),
        pytest.param(bytes(31) + b"\x80", id="order 4, other root"),
        pytest.param(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), id="order 8"),
        pytest.param((1 | 1 << 255).to_bytes(32, "little"), id="negative zero"),
        pytest.param(P.to_bytes(32, "little"), id="y = p"),
        pytest.param(b"\xff" * 32, id="y above p"),
        pytest.param((2).to_bytes(32, "little"), id="not on the curve"),
        pytest.param(bytes(31), id="31 bytes"),
        pytest.param(bytes(33), id="33 bytes"),
    ],
)
def test_a_weak_ed25519_key_is_refused(raw):
    with pytest.raises(Malformed):
        PublicKey.from_ed25519(raw)


@given(st.binary(min_size=32, max_size=32))
def test_every_honest_ed25519_key_is_taken(seed):
    raw = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert PublicKey.from_ed25519(raw).raw == raw


@pytest.mark.parametrize("algorithm", [ED25519, ECDSA_P256])
def test_what_a_signer_signs_its_public_key_verifies_and_nothing_else(algorithm):
    signer, other = Signer.generate(algorithm), Signer.generate(algorithm)
    signature = signer.sign(b"message")
    assert signer.public.verify(signature, b"message")
    assert signer.sign(b"message") == signature
    assert not signer.public.verify(signature, b"massage")
    assert not signer.public.verify(b"", b"message")
    assert not other.public.verify(signature, b"message")
    assert PublicKey.from_spki(signer.public.spki) == signer.public


@pytest.mark.parametrize("algorithm", [ED25519, ECDSA_P256])
def test_the_pem_is_what_others_read(algorithm):
    public = Signer.generate(algorithm).public
    loaded = serialization.load_pem_public_key(public.pem.encode())
    der = loaded.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert der == public.spki


def test_a_signer_shows_its_fingerprint_and_no_secret(signer):
    assert repr(signer) == f"Signer(ed25519 {signer.public.fingerprint[:16]})"


def test_a_key_of_another_algorithm_is_refused():
    private = rsa.generate_private_key(65537, 2048)
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Malformed, match="ed25519 or ecdsa-p256"):
        PublicKey.from_spki(der)
    with pytest.raises(InvalidInput, match="not used"):
        Signer(private)  # type: ignore[arg-type]
    with pytest.raises(Malformed):
        Signer(ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(InvalidInput):
        Signer.generate("rsa")
    with pytest.raises(Malformed):
        PublicKey("rsa", der)
    with pytest.raises(InvalidInput, match="raw"):
        _ = Signer.generate(ECDSA_P256).public.raw


def test_a_p256_key_has_one_spelling():
    private = ec.generate_private_key(ec.SECP256R1())
    der = Signer(private).public.spki
    compressed = private.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    for bad in (der + b"\0", der[:-1], der[:-33] + compressed, der[:27] + bytes(64)):
        with pytest.raises(Malformed):
            PublicKey.from_spki(bad)


def test_a_p256_signature_is_strict_der():
    private = ec.generate_private_key(ec.SECP256R1())
    public = Signer(private).public
    signature = private.sign(b"m", ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(signature)
    assert public.verify(encode_dss_signature(r, s), b"m")
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    long_form = b"\x30\x81" + signature[1:]
    padded = b"\x30" + bytes([signature[1] + 1]) + b"\x02" + bytes([signature[3] + 1]) + b"\0" + signature[4:]
    for bad in (signature + b"\0", raw, long_form, padded, encode_dss_signature(r, s + N_P256), signature[:-1]):
        assert not public.verify(bad, b"m")


def test_an_ed25519_signature_with_s_above_the_order_fails(signer):
    signature = signer.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + L
    assert not signer.public.verify(signature[:32] + s.to_bytes(32, "little"), b"m")

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import InvalidInput, Malformed, NotVerified, Tampered
from tallystick.proof.envelope import MAX_SIGNATURES, open_envelope, pae, seal
from tallystick.proof.keys import ECDSA_P256, Signer


def test_the_published_example_encodes_and_verifies(vectors):
    """The example writes an ECDSA signature as r || s, which DSSE leaves open; in our DER the same numbers verify."""
    case = json.loads((vectors / "secure-systems-lab_dsse/protocol_vector.json").read_text())
    payload = case["payload_utf8"].encode()
    assert pae(case["payloadType"], payload) == case["pae"].encode()
    signer = Signer(ec.derive_private_key(int(case["d"]), ec.SECP256R1()))
    numbers = base64.b64decode(case["envelope"]["signatures"][0]["sig"])
    der = encode_dss_signature(int.from_bytes(numbers[:32], "big"), int.from_bytes(numbers[32:], "big"))
    envelope = case["envelope"] | {"signatures": [{"sig": base64.b64encode(der).decode()}]}
    opened = open_envelope(envelope, [signer.public])
    assert (opened.payload_type, opened.payload) == (case["payloadType"], payload)
    assert seal(case["payloadType"], payload, [signer])["signatures"][0]["sig"] == base64.b64encode(der).decode()
    with pytest.raises(Tampered):
        open_envelope(case["envelope"], [signer.public])


def test_lengths_are_counted_in_bytes():
    assert pae("tüp", b"\xff\n") == b"DSSEv1 4 t\xc3\xbcp 2 \xff\n"


@given(st.text(st.characters(exclude_categories=("Cs",))), st.binary())
def test_any_payload_goes_round(signer, payload_type, payload):
    opened = open_envelope(seal(payload_type, payload, [signer]), [signer.public])
    assert (opened.payload_type, opened.payload) == (payload_type, payload)
    assert opened.fingerprints == {signer.public.fingerprint}


@given(st.data())
def test_any_changed_character_is_rejected_or_proves_the_same_payload(signer, data):
    envelope = seal("type", b"payload bytes", [signer])
    where = data.draw(st.sampled_from(["payload", "payloadType", "sig"]))
    holder = envelope["signatures"][0] if where == "sig" else envelope
    text = holder[where]
    at = data.draw(st.integers(0, len(text) - 1))
    holder[where] = text[:at] + data.draw(st.characters(codec="utf-8")) + text[at + 1 :]
    try:
        opened = open_envelope(envelope, [signer.public])
    except NotVerified:
        assert holder[where] != text
    else:
        assert (opened.payload_type, opened.payload) == ("type", b"payload bytes")


def test_url_safe_base64_is_read_and_a_mixture_is_not(signer):
    payload = b"\xfb\xff\xfe\xfb\xff\xfe"
    envelope = seal("type", payload, [signer])
    for item, name in ((envelope, "payload"), (envelope["signatures"][0], "sig")):
        item[name] = item[name].translate(str.maketrans("+/", "-_"))
    assert open_envelope(envelope, [signer.public]).payload == payload
    with pytest.raises(Malformed):
        open_envelope(envelope | {"payload": "-_+/-_+/"}, [signer.public])
    with pytest.raises(Malformed):
        open_envelope(seal("t", b"1", [signer]) | {"payload": "MQ"}, [signer.public])


def test_keys_are_counted_and_not_signatures(signer, stranger):
    envelope = seal("type", b"x", [signer, stranger])
    envelope["signatures"] = envelope["signatures"][:1] * 3 + envelope["signatures"]
    keys = [signer.public, stranger.public, signer.public]
    assert open_envelope(envelope, keys).fingerprints == {signer.public.fingerprint, stranger.public.fingerprint}
    assert open_envelope(envelope, [stranger.public]).fingerprints == {stranger.public.fingerprint}


def test_the_hint_decides_nothing(signer, stranger):
    envelope = seal("type", b"x", [signer])
    keys = [stranger.public, signer.public]
    for hint in (stranger.public.fingerprint, "", "nonsense"):
        envelope["signatures"][0]["keyid"] = hint
        assert open_envelope(envelope, keys).fingerprints == {signer.public.fingerprint}
    del envelope["signatures"][0]["keyid"]
    assert open_envelope(envelope, keys).fingerprints == {signer.public.fingerprint}
    with pytest.raises(Tampered):
        open_envelope(envelope, [stranger.public])


def test_both_algorithms_seal_one_envelope(signer):
    other = Signer.generate(ECDSA_P256)
    opened = open_envelope(seal("type", b"x", [signer, other]), [signer.public, other.public])
    assert opened.fingerprints == {signer.public.fingerprint, other.public.fingerprint}


def test_a_signature_is_bound_to_the_type_of_the_payload(signer):
    with pytest.raises(Tampered):
        open_envelope(seal("type", b"x", [signer]) | {"payloadType": "another"}, [signer.public])


def test_fields_that_the_specification_does_not_name_are_ignored(signer):
    assert open_envelope(seal("type", b"x", [signer]) | {"extra": 1}, [signer.public]).payload == b"x"


@pytest.mark.parametrize(
    "change",
    [
        {"payload": None},
        {"payload": "!"},
        {"payloadType": 1},
        {"signatures": []},
        {"signatures": {}},
        {"signatures": ["AAAA"]},
        {"signatures": [{}]},
        {"signatures": [{"sig": "?"}]},
        {"signatures": [{"sig": "AAAA", "keyid": 1}]},
        {"signatures": [{"sig": "AAAA"}] * (MAX_SIGNATURES + 1)},
    ],
)
def test_what_is_not_an_envelope_is_malformed(signer, change):
    with pytest.raises(Malformed):
        open_envelope(seal("type", b"x", [signer]) | change, [signer.public])


def test_an_envelope_is_an_object(signer):
    with pytest.raises(Malformed):
        open_envelope(["payload"], [signer.public])


def test_no_keys_and_no_signers_are_mistakes(signer):
    with pytest.raises(InvalidInput):
        open_envelope(seal("type", b"x", [signer]), [])
    with pytest.raises(InvalidInput):
        seal("type", b"x", [])
    with pytest.raises(InvalidInput):
        seal("type", b"x", [signer, signer])

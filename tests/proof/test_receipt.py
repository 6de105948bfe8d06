from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.canonical import b64, leaf_hash
from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.proof.note import VerifierKey
from tallystick.proof.receipt import MAX_PROOF, Proof, Receipt


def test_every_entry_has_a_receipt_that_verifies(world, vkey):
    for seq, raw in enumerate(world.raws):
        entry, checkpoint = Receipt.parse(world.receipt(seq).to_bytes()).verify(vkey)
        assert (entry.raw, entry.seq, checkpoint) == (raw, seq, world.checkpoint())


def test_the_text_is_the_one_of_the_specification(world):
    receipt = world.receipt(2)
    lines = receipt.to_bytes().decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + b64(world.raws[2])
    assert lines[2] == "index 2"
    assert lines[3 : 3 + len(receipt.hashes)] == [b64(item) for item in receipt.hashes]
    assert "\n".join(lines[4 + len(receipt.hashes) :]).encode() == world.note()


@given(
    st.integers(0, 2**53),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.none() | st.binary(max_size=50),
)
def test_any_proof_goes_round(world, index, hashes, extra):
    proof = Proof(index, hashes, world.note(), extra)
    assert Proof.parse(proof.to_bytes()) == proof


def test_any_flipped_bit_of_a_receipt_is_rejected(world, vkey):
    data = world.receipt(2).to_bytes()
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotVerified):
            Receipt.parse(bytes(changed)).verify(vkey)


def test_any_cut_of_a_receipt_is_rejected(world, vkey):
    data = world.receipt(2).to_bytes()
    for end in range(len(data)):
        with pytest.raises(NotVerified):
            Receipt.parse(data[:end]).verify(vkey)


def test_a_receipt_for_another_place_is_rejected(world, vkey):
    """A ledger that put an entry under another index than its own seq: both are in the tree, and do not agree."""
    honest = world.receipt(2)
    moved = replace(world, raws=(*world.raws[:2], world.raws[3], world.raws[2], *world.raws[4:]))
    with pytest.raises(Tampered, match="another place"):
        moved.receipt(2).verify(vkey)
    with pytest.raises(Tampered, match="root"):
        replace(honest, index=3).verify(vkey)
    with pytest.raises(Tampered):
        replace(honest, entry=world.raws[3]).verify(vkey)


def test_a_receipt_by_another_key_or_ledger_is_rejected(world, vkey, signer, stranger):
    for key in (VerifierKey(vkey.name, stranger.public), VerifierKey("other.example", signer.public)):
        with pytest.raises(Tampered):
            world.receipt(2).verify(key)


def test_a_bare_proof_is_no_receipt(world, vkey):
    receipt = world.receipt(2)
    bare = Proof(receipt.index, receipt.hashes, receipt.checkpoint)
    with pytest.raises(Malformed, match="no entry"):
        Receipt.parse(bare.to_bytes())
    assert bare.verify(leaf_hash(world.raws[2]), vkey) == world.checkpoint()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: b"", id="nothing"),
        pytest.param(lambda data: data.replace(b"@v1", b"@v2"), id="other version"),
        pytest.param(lambda data: data.replace(b"index 2", b"index 02"), id="leading zero"),
        pytest.param(lambda data: data.replace(b"index 2", b"index -2"), id="negative"),
        pytest.param(lambda data: data.replace(b"index 2\n", b""), id="no index"),
        pytest.param(lambda data: data.replace(b"extra ", b"extra  "), id="two spaces"),
        pytest.param(lambda data: data.replace(b"index 2\n", b"index 2\n" + b"A" * 40 + b"\n"), id="30 bytes"),
        pytest.param(
            lambda data: data.replace(b"index 2\n", b"index 2\n" + (b64(bytes(32)) + "\n").encode() * 64),
            id="67 hashes",
        ),
        pytest.param(lambda data: data.replace(b"index 2", "index ２".encode()), id="digit of another script"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="carriage returns"),
        pytest.param(lambda data: data + b"x" * MAX_PROOF, id="too large"),
    ],
)
def test_what_is_no_receipt_is_malformed(world, spoil):
    with pytest.raises(Malformed):
        Receipt.parse(spoil(world.receipt(2).to_bytes()))

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.canonical import b64, leaf_hash
from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.proof import merkle
from tallystick.proof.consistency import MAX_CONSISTENCY, Consistency
from tallystick.proof.note import Checkpoint, VerifierKey, sign_note

PROOFS = Path(__file__).parent.parent / "vectors/transparency-dev_merkle/testdata/consistency"
MOST = 300
LEAVES = [leaf_hash(str(number).encode()) for number in range(MOST)]


def nodes(level: int, index: int) -> bytes:
    return merkle.root(LEAVES[index << level : (index + 1) << level])


def checkpoint(size: int, origin: str) -> Checkpoint:
    return Checkpoint(origin, size, merkle.root(LEAVES[:size]))


@pytest.fixture(scope="session")
def grown(signer, origin):
    """``grown(old, new)``: the file of a proof between two sizes of one tree."""

    def grown(old: int, new: int) -> bytes:
        note = sign_note(checkpoint(new, origin).text(), origin, signer)
        return Consistency(old, tuple(merkle.consistency_proof(old, new, nodes)), note).to_bytes()

    return grown


# ------------------------------------------------------------------ the format


def test_the_text_is_the_one_of_the_specification(world):
    proof = world.growth(3)
    lines = proof.to_bytes().decode().split("\n")
    assert lines[0] == "old 3"
    assert lines[1 : 1 + len(proof.hashes)] == [b64(item) for item in proof.hashes]
    assert "\n".join(lines[2 + len(proof.hashes) :]).encode() == world.note()


def test_the_example_of_the_specification_is_read_and_written(vectors):
    body = json.loads((vectors / "C2SP_specs/examples.json").read_text())["add_checkpoint"].encode()
    proof = Consistency.parse(body)
    assert (proof.old, len(proof.hashes), proof.to_bytes()) == (20852014, 4, body)
    assert Checkpoint.parse(proof.checkpoint.decode().partition("\n\n")[0] + "\n").size == 20852163


@given(
    st.integers(1, 10**19 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.binary(max_size=80),
)
def test_any_proof_goes_round(old, hashes, note):
    proof = Consistency(old, hashes, note)
    assert Consistency.parse(proof.to_bytes()) == proof


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: b"", id="nothing"),
        pytest.param(lambda data: data.replace(b"old 3", b"old 0"), id="from the empty tree"),
        pytest.param(lambda data: data.replace(b"old 3", b"old 03"), id="leading zero"),
        pytest.param(lambda data: data.replace(b"old 3", b"old -3"), id="negative"),
        pytest.param(lambda data: data.replace(b"old 3", b"old +3"), id="sign"),
        pytest.param(lambda data: data.replace(b"old 3", b"old  3"), id="two spaces"),
        pytest.param(lambda data: data.replace(b"old 3", b"Old 3"), id="capital"),
        pytest.param(lambda data: data.replace(b"old 3", b"old 3 "), id="space behind"),
        pytest.param(lambda data: data.replace(b"old 3", "old ３".encode()), id="digit of another script"),
        pytest.param(lambda data: data.replace(b"old 3", b"old " + b"9" * 5000), id="5,000 digits"),
        pytest.param(lambda data: data.replace(b"old 3\n", b""), id="no old size"),
        pytest.param(lambda data: data.replace(b"old 3\n", b"old 3\n" + b"A" * 43 + b"\n"), id="no padding"),
        pytest.param(lambda data: data.replace(b"old 3\n", b"old 3\n" + b"A" * 42 + b"B=\n"), id="stray bits"),
        pytest.param(lambda data: data.replace(b"old 3\n", f"old 3\n{b64(bytes(31))}\n".encode()), id="31 bytes"),
        pytest.param(lambda data: data.replace(b"old 3\n", f"old 3\n{b64(bytes(33))}\n".encode()), id="33 bytes"),
        pytest.param(
            lambda data: data.replace(b"old 3\n", b"old 3\n" + f"{b64(bytes(32))}\n".encode() * 62), id="65 hashes"
        ),
        pytest.param(lambda data: data.replace(b"\n\n", b"\n", 1), id="no empty line"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="carriage returns"),
        pytest.param(lambda data: data + b"x" * MAX_CONSISTENCY, id="too large"),
        pytest.param(lambda data: data.partition(b"\n\n")[2], id="a checkpoint"),
    ],
)
def test_what_is_no_consistency_proof_is_malformed(world, spoil):
    data = world.growth(3).to_bytes()
    assert Consistency.parse(data).old == 3
    with pytest.raises(Malformed):
        Consistency.parse(spoil(data))


# ------------------------------------------------------------------ what it proves


@pytest.mark.parametrize("path", sorted(PROOFS.rglob("*.json")), ids=lambda path: str(path.relative_to(PROOFS)))
def test_published_proofs_put_into_a_file_are_judged_as_published(path, signer, vkey):
    case = json.loads(path.read_text())
    hashes = tuple(base64.b64decode(item) for item in case["proof"] or [])
    roots = [base64.b64decode(case[name] or "") for name in ("root1", "root2")]
    try:
        kept, new = (
            Checkpoint(vkey.name, case[size], root) for size, root in zip(("size1", "size2"), roots, strict=True)
        )
        note = sign_note(new.text(), vkey.name, signer)
        held = Consistency.parse(Consistency(kept.size, hashes, note).to_bytes()).verify(kept, vkey) == new
    except NotVerified:
        held = False
    assert held != case["wantErr"]


@given(st.integers(1, MOST), st.integers(1, MOST))
def test_any_two_sizes_of_one_tree_are_linked(grown, vkey, one, other):
    old, new = sorted((one, other))
    kept = checkpoint(old, vkey.name)
    assert Consistency.parse(grown(old, new)).verify(kept, vkey) == checkpoint(new, vkey.name)


@given(st.integers(1, MOST), st.integers(1, MOST), st.data())
def test_a_mangled_proof_never_proves_anything_else(grown, vkey, one, other, data):
    old, new = sorted((one, other))
    file = grown(old, new)
    start = data.draw(st.integers(0, len(file)))
    end = data.draw(st.integers(start, len(file)))
    mangled = file[:start] + data.draw(st.binary(max_size=8)) + file[end:]
    try:
        proven = Consistency.parse(mangled).verify(checkpoint(old, vkey.name), vkey)
    except NotVerified:
        return
    assert proven == checkpoint(new, vkey.name)


def test_any_flipped_bit_and_any_cut_is_rejected(grown, vkey):
    file, kept = grown(7, 12), checkpoint(7, vkey.name)
    flipped = (file[:at] + bytes([file[at] ^ 1 << bit]) + file[at + 1 :] for at in range(len(file)) for bit in range(8))
    cut = (file[:end] for end in range(len(file)))
    for changed in (*flipped, *cut):
        with pytest.raises(NotVerified):
            Consistency.parse(changed).verify(kept, vkey)


@given(st.integers(2, MOST), st.data())
def test_a_tree_that_was_rewritten_is_linked_to_no_checkpoint_from_before(signer, vkey, new, data):
    """The real key signs it, and the proof is a right one, of the other tree."""
    changed = data.draw(st.integers(0, new - 1))
    old = data.draw(st.integers(1, new))
    leaves = [*LEAVES[:changed], leaf_hash(b"another"), *LEAVES[changed + 1 : new]]
    hashes = merkle.consistency_proof(old, new, lambda level, at: merkle.root(leaves[at << level : (at + 1) << level]))
    note = sign_note(Checkpoint(vkey.name, new, merkle.root(leaves)).text(), vkey.name, signer)
    proof = Consistency(old, tuple(hashes), note)
    if old <= changed:
        proof.verify(checkpoint(old, vkey.name), vkey)
    else:
        with pytest.raises(Tampered):
            proof.verify(checkpoint(old, vkey.name), vkey)


def test_signatures_of_strangers_change_nothing(grown, vkey, stranger):
    """A cosigned checkpoint proves what it proved before."""
    file, kept = grown(3, 5), checkpoint(3, vkey.name)
    stray = sign_note("other\n", "witness.example", stranger).partition(b"\n\n")[2]
    assert Consistency.parse(file + stray).verify(kept, vkey) == checkpoint(5, vkey.name)


def test_a_proof_is_for_one_checkpoint_of_one_ledger(grown, vkey, signer, stranger):
    proof, kept = Consistency.parse(grown(3, 5)), checkpoint(3, vkey.name)
    for other in (checkpoint(2, vkey.name), checkpoint(4, vkey.name), checkpoint(3, "other.example")):
        with pytest.raises(Tampered, match="not from this checkpoint"):
            proof.verify(other, vkey)
    for key in (VerifierKey(vkey.name, stranger.public), VerifierKey("other.example", signer.public)):
        with pytest.raises(Tampered, match="no signature by a known key"):
            proof.verify(kept, key)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"old": 6}, "between these sizes", id="older than newer"),
        pytest.param({"old": 5}, "too many hashes", id="equal sizes with hashes"),
        pytest.param({"hashes": ()}, "too few hashes", id="none"),
        pytest.param({"hashes": (bytes(32),) * 9}, "too many hashes", id="left over"),
    ],
)
def test_a_number_of_hashes_that_fits_no_tree_is_seen_without_any_root(grown, vkey, change, says):
    proof = Consistency.parse(grown(3, 5))
    assert proof.open(vkey).new == checkpoint(5, vkey.name)
    with pytest.raises(Malformed, match=says):
        replace(proof, **change).open(vkey)

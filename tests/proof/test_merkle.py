from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.canonical import leaf_hash
from tallystick.errors import InvalidInput, Malformed, NotVerified, Tampered
from tallystick.proof import merkle

PUBLISHED = Path(__file__).parent.parent / "vectors/transparency-dev_merkle"
PROOFS = PUBLISHED / "testdata"
MOST = 200
LEAVES = [leaf_hash(str(number).encode()) for number in range(MOST)]
ROOTS = [merkle.root(LEAVES[:size]) for size in range(MOST + 1)]


def stored() -> dict[tuple[int, int], bytes]:
    """Every perfect subtree, built up leaf by leaf as a ledger does."""
    nodes: dict[tuple[int, int], bytes] = {}
    for size, leaf in enumerate(LEAVES, start=1):
        nodes[0, size - 1] = leaf
        for level, index in merkle.completed(size):
            nodes[level, index] = merkle.node_hash(nodes[level - 1, 2 * index], nodes[level - 1, 2 * index + 1])
    return nodes


NODES = stored()


def nodes(level: int, index: int) -> bytes:
    return NODES[level, index]


def cases(kind: str) -> list[object]:
    folder = PROOFS / kind
    return [pytest.param(path, id=str(path.relative_to(folder))) for path in sorted(folder.rglob("*.json"))]


def unbase(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def holds(check, *arguments) -> bool:
    try:
        check(*arguments)
    except NotVerified:
        return False
    return True


@pytest.mark.parametrize("path", cases("inclusion"))
def test_published_inclusion_proofs_are_judged_as_published(path):
    case = json.loads(path.read_text())
    proof = [unbase(item) for item in case["proof"] or []]
    given_case = (case["leafIdx"], case["treeSize"], unbase(case["leafHash"]), proof, unbase(case["root"]))
    assert holds(merkle.verify_inclusion, *given_case) != case["wantErr"]


@pytest.mark.parametrize("path", cases("consistency"))
def test_published_consistency_proofs_are_judged_as_published(path):
    case = json.loads(path.read_text())
    proof = [unbase(item) for item in case["proof"] or []]
    given_case = (case["size1"], case["size2"], proof, unbase(case["root1"]), unbase(case["root2"]))
    assert holds(merkle.verify_consistency, *given_case) != case["wantErr"]


def test_all_published_proofs_are_there():
    assert (len(cases("inclusion")), len(cases("consistency"))) == (59, 50)


def test_published_roots_and_hashes_come_out():
    """`accumulated_subtree` is left out: it belongs to subtree proofs, which are not spoken here."""
    constants = json.loads((PUBLISHED / "rfc6962_constants.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(item)) for item in constants["leaf_inputs_hex"]]
    assert [merkle.root(leaves[:size]).hex() for size in range(9)] == constants["roots_hex"]
    leaf, node = constants["hasher"]
    assert leaf_hash(leaf["in"].encode()).hex() == leaf["hex"]
    assert merkle.node_hash(node["l"].encode(), node["r"].encode()).hex() == node["hex"]
    assert merkle.EMPTY_ROOT.hex() == constants["roots_hex"][0]


def test_stored_subtrees_yield_the_root_at_every_size():
    assert [merkle.root_of(size, nodes) for size in range(MOST + 1)] == ROOTS


def test_completed_names_each_subtree_once_and_only_when_it_is_full():
    found = [(size, *node) for size in range(1, MOST + 1) for node in merkle.completed(size)]
    assert all((index + 1) << level == size for size, level, index in found)
    assert len({node[1:] for node in found}) == len(found) == sum(MOST >> level for level in range(1, 8))


def test_the_inclusion_proof_of_every_leaf_at_every_size_verifies():
    for size in range(1, MOST + 1):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, nodes)
            merkle.verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size])


def test_the_consistency_proof_of_every_two_sizes_verifies():
    for new in range(1, MOST + 1):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, nodes)
            merkle.verify_consistency(old, new, proof, ROOTS[old], ROOTS[new])


sizes = st.integers(1, MOST)


def flipped(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(sizes, st.data())
def test_any_changed_bit_of_an_inclusion_proof_fails(size, data):
    index = data.draw(st.integers(0, size - 1))
    parts = [LEAVES[index], ROOTS[size], *merkle.inclusion_proof(index, size, nodes)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Tampered):
        merkle.verify_inclusion(index, size, parts[0], parts[2:], parts[1])


@given(sizes, st.data())
def test_any_changed_bit_of_a_consistency_proof_fails(new, data):
    old = data.draw(st.integers(1, new))
    parts = [ROOTS[old], ROOTS[new], *merkle.consistency_proof(old, new, nodes)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data.draw(st.integers(0, 255)))
    with pytest.raises(Tampered):
        merkle.verify_consistency(old, new, parts[2:], parts[0], parts[1])


@given(sizes, st.data())
def test_a_proof_with_a_hash_too_many_or_too_few_is_malformed(size, data):
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    inclusion, consistency = merkle.inclusion_proof(index, size, nodes), merkle.consistency_proof(old, size, nodes)
    for proof in [[*inclusion, LEAVES[0]], [LEAVES[0], *inclusion], inclusion[1:], inclusion[:-1]]:
        if proof != inclusion:
            with pytest.raises(Malformed):
                merkle.verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size])
    for proof in [[*consistency, LEAVES[0]], [LEAVES[0], *consistency], consistency[1:], consistency[:-1]]:
        if proof != consistency:
            with pytest.raises(Malformed):
                merkle.verify_consistency(old, size, proof, ROOTS[old], ROOTS[size])


@given(sizes, st.data())
def test_a_proof_for_one_place_proves_no_other_place(size, data):
    index, other = (data.draw(st.integers(0, size - 1)) for _ in range(2))
    proof = merkle.inclusion_proof(index, size, nodes)
    assert holds(merkle.verify_inclusion, other, size, LEAVES[index], proof, ROOTS[size]) == (index == other)


@given(sizes, sizes, st.data())
def test_a_forked_tree_is_not_consistent(old, new, data):
    old, new = sorted((old, new))
    changed = data.draw(st.integers(0, old - 1))
    forked = [*LEAVES[:changed], hashlib.sha256(b"forged").digest(), *LEAVES[changed + 1 : new]]
    proof = merkle.consistency_proof(old, new, lambda level, index: merkle.root(forked[index << level :][: 1 << level]))
    with pytest.raises(Tampered):
        merkle.verify_consistency(old, new, proof, ROOTS[old], merkle.root(forked))


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_a_leaf_outside_the_tree_has_no_proof(index):
    with pytest.raises(Malformed, match="outside"):
        merkle.verify_inclusion(index, 3, LEAVES[0], [], ROOTS[3])
    with pytest.raises(InvalidInput):
        merkle.inclusion_proof(index, 3, nodes)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 3), (4, 3), (-1, 3)])
def test_sizes_that_prove_nothing_are_refused(old, new):
    with pytest.raises(Malformed):
        merkle.verify_consistency(old, new, [], ROOTS[max(old, 0)], ROOTS[new])
    with pytest.raises(InvalidInput):
        merkle.consistency_proof(old, new, nodes)


@pytest.mark.parametrize("short", [b"", LEAVES[0][:31], LEAVES[0] + b"\0"])
def test_hashes_are_32_bytes(short):
    proof = merkle.inclusion_proof(0, 3, nodes)
    with pytest.raises(Malformed, match="32"):
        merkle.verify_inclusion(0, 3, LEAVES[0], [short, *proof[1:]], ROOTS[3])
    with pytest.raises(Malformed, match="32"):
        merkle.verify_inclusion(0, 3, short, proof, ROOTS[3])
    with pytest.raises(Malformed, match="32"):
        merkle.verify_consistency(3, 3, [], short, ROOTS[3])


def test_nothing_is_completed_before_the_first_leaf():
    with pytest.raises(InvalidInput):
        merkle.completed(0)

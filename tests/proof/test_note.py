from __future__ import annotations

import base64
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.canonical import b64
from tallystick.errors import InvalidInput, Malformed, NotVerified, Tampered
from tallystick.proof.keys import ECDSA_P256, Signer
from tallystick.proof.merkle import EMPTY_ROOT
from tallystick.proof.note import Checkpoint, VerifierKey, open_checkpoint, open_note, sign_note

ROOT = bytes(range(32))


@pytest.fixture(scope="module")
def published(vectors):
    return json.loads((vectors / "golang_mod_sumdb/note_vectors.json").read_text())


@pytest.fixture(scope="module")
def go_keys(published):
    return {name: VerifierKey.parse(text) for name, text in published["vkeys"].items()}


def test_published_notes_are_judged_as_published(published, go_keys):
    """With no key at all Go says "unverified note"; here an empty list of keys is the caller's mistake."""
    results = {}
    for case in published["open"]:
        try:
            text = open_note(base64.b64decode(case["msg_b64"]), [go_keys[name] for name in case["keys"]])
        except (NotVerified, InvalidInput):
            results[case["name"]] = False
        else:
            results[case["name"]] = text.encode() == base64.b64decode(published["text_b64"])
    assert results == {case["name"]: case["ok"] for case in published["open"]}
    assert len(results) == 7


def test_a_published_note_is_signed_to_the_same_bytes(published, go_keys):
    from cryptography.hazmat.primitives.asymmetric import ed25519

    seed = base64.b64decode(published["skey"].split("+", 4)[4])[1:]
    signer = Signer(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
    assert signer.public == go_keys["peter"].public
    text = base64.b64decode(published["text_b64"]).decode()
    assert sign_note(text, "PeterNeumann", signer) == base64.b64decode(published["sign_expected_b64"])


def test_published_verifier_keys_are_read_and_written(published, go_keys):
    assert {name: str(key) for name, key in go_keys.items()} == published["vkeys"]
    peter = published["vkeys"]["peter"]
    pieces = {peter[start:end] for start in range(len(peter)) for end in range(start, len(peter) + 1)} - {peter}
    changed = {peter[:at] + chr(ord(peter[at]) + 1) + peter[at + 1 :] for at in range(len(peter))}
    for bad in [*published["bad_vkeys"], *sorted(pieces), *sorted(changed)]:
        with pytest.raises(Malformed):
            VerifierKey.parse(bad)


def test_a_list_that_names_a_key_twice_is_refused(published, go_keys):
    note = base64.b64decode(published["sign_expected_b64"])
    with pytest.raises(InvalidInput, match="twice"):
        open_note(note, [go_keys["peter"], go_keys["peter"]])


def test_the_example_of_the_specification_verifies(vectors):
    example = json.loads((vectors / "C2SP_specs/examples.json").read_text())
    assert open_note(example["note"].encode(), [VerifierKey.parse(example["vkey"])]) == "This is an example message.\n"


def test_published_tree_heads_are_judged_as_published(vectors):
    """Tile paths and record hashes of the same file are left out: they belong to Go's tiles, not to checkpoints."""
    published = json.loads((vectors / "golang_mod_sumdb/tlog_vectors.json").read_text())
    checkpoint = Checkpoint.parse(published["format_tree"])
    assert (checkpoint.origin, checkpoint.size) == ("go.sum database tree", 123456789012)
    assert checkpoint.text() == published["format_tree"]
    assert checkpoint.root == base64.b64decode(published["record_hash"]["sha256_b64"])
    for bad in published["bad_trees"]:
        with pytest.raises(Malformed):
            Checkpoint.parse(bad)


lines = st.text(st.characters(exclude_categories=("Cs",), min_codepoint=0x20), max_size=30)


@given(st.lists(lines, min_size=1, max_size=6))
def test_any_text_goes_round(signer, vkey, parts):
    """Empty lines within the text too: the last empty line of a note splits it."""
    text = "\n".join(parts) + "\n"
    assert open_note(sign_note(text, vkey.name, signer), [vkey]) == text


def test_any_flipped_bit_of_a_note_is_rejected_or_proves_the_same_text(signer, vkey):
    text = Checkpoint(vkey.name, 7, ROOT).text()
    note = sign_note(text, vkey.name, signer)
    for bit in range(len(note) * 8):
        changed = bytearray(note)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotVerified):
            open_note(bytes(changed), [vkey])


@given(st.data())
def test_a_mangled_note_never_proves_another_text(signer, vkey, data):
    text = "one\n\ntwo\n"
    note = sign_note(text, vkey.name, signer)
    note += f"— other.example {b64(random.Random(1).randbytes(68))}\n".encode()
    start = data.draw(st.integers(0, len(note)))
    end = data.draw(st.integers(start, len(note)))
    mangled = note[:start] + data.draw(st.binary(max_size=8)) + note[end:]
    try:
        proven = open_note(mangled, [vkey])
    except NotVerified:
        return
    assert proven == text


def test_signatures_of_strangers_are_ignored_and_those_of_known_keys_are_not(signer, stranger, vkey):
    note = sign_note("text\n", vkey.name, signer)
    other = VerifierKey("other.example", stranger.public)
    stray = sign_note("another text\n", other.name, stranger).partition(b"\n\n")[2]
    assert open_note(note + stray, [vkey]) == "text\n"
    with pytest.raises(Tampered, match="fails"):
        open_note(note + stray, [vkey, other])
    with pytest.raises(Tampered, match="no signature by a known key"):
        open_note(note, [other])


def test_a_name_alone_or_an_id_alone_makes_no_known_key(signer, stranger, vkey):
    forged = sign_note("text\n", vkey.name, stranger)
    with pytest.raises(Tampered, match="no signature"):
        open_note(forged, [vkey])
    renamed = sign_note("text\n", vkey.name, signer).replace(f"— {vkey.name}".encode(), "— else".encode())
    with pytest.raises(Tampered, match="no signature"):
        open_note(renamed, [vkey])


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda note: b"", id="empty"),
        pytest.param(lambda note: b"\n\n", id="no signature line"),
        pytest.param(lambda note: note[:-1], id="no line feed at the end"),
        pytest.param(lambda note: note + b"\n", id="an empty line more"),
        pytest.param(lambda note: note.replace(b"\n", b"\r\n"), id="carriage returns"),
        pytest.param(lambda note: note.replace(b"text", b"te\x00t"), id="NUL"),
        pytest.param(lambda note: note.replace(b"text", b"te\xffxt"), id="not UTF-8"),
        pytest.param(lambda note: note.replace("— ".encode(), b"- "), id="hyphen for the dash"),
        pytest.param(lambda note: note.replace("— ".encode(), "—  ".encode()), id="two spaces"),
        pytest.param(lambda note: note.replace(b"bank.example", b"bank+example"), id="plus in the name"),
        pytest.param(lambda note: note.replace(b"bank.example", "bank\u00a0example".encode()), id="space in the name"),
        pytest.param(lambda note: note[:-1] + b"=\n", id="padding too much"),
        pytest.param(lambda note: note[:-2] + b"\n", id="padding too little"),
        pytest.param(lambda note: note + b"\xe2\x80\x94 x AAAA\n", id="signature shorter than its id"),
        pytest.param(lambda note: note + b"\xe2\x80\x94 x AAAAAAB=\n", id="stray bits in base64"),
        pytest.param(lambda note: note + b"\xe2\x80\x94 x AAAAAAA=\n" * 100, id="101 signatures"),
        pytest.param(lambda note: b"a" * (1 << 20) + note, id="larger than 1 MiB"),
    ],
)
def test_what_is_not_a_note_is_malformed(signer, vkey, spoil):
    with pytest.raises(Malformed):
        open_note(spoil(sign_note("text\n", vkey.name, signer)), [vkey])


def test_a_hundred_signatures_are_read(signer, vkey):
    note = sign_note("text\n", vkey.name, signer) + b"\xe2\x80\x94 x AAAAAAA=\n" * 99
    assert open_note(note, [vkey]) == "text\n"


@pytest.mark.parametrize("text", ["", "no line feed", "a\tb\n", "a\x00\n", "lone \ud800\n", "a\r\n"])
def test_text_that_no_note_can_hold_is_not_signed(signer, text):
    with pytest.raises(InvalidInput):
        sign_note(text, "name", signer)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x01b", "lone\ud800"])
def test_a_name_that_no_note_can_hold_is_refused(signer, name):
    with pytest.raises(Malformed):
        sign_note("text\n", name, signer)


def test_notes_are_not_signed_with_p256():
    with pytest.raises(Malformed, match="Ed25519"):
        VerifierKey("name", Signer.generate(ECDSA_P256).public)


def test_no_keys_open_nothing(signer, vkey):
    with pytest.raises(InvalidInput):
        open_note(sign_note("text\n", vkey.name, signer), [])


# ------------------------------------------------------------------ checkpoints


@given(st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32))
def test_any_checkpoint_goes_round(signer, vkey, size, root):
    checkpoint = Checkpoint(vkey.name, size, root if size else EMPTY_ROOT)
    assert open_checkpoint(sign_note(checkpoint.text(), vkey.name, signer), vkey) == checkpoint


def test_a_checkpoint_of_another_ledger_under_our_key_is_refused(signer, vkey):
    note = sign_note(Checkpoint("other.example", 7, ROOT).text(), vkey.name, signer)
    with pytest.raises(Tampered, match="another ledger"):
        open_checkpoint(note, vkey)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"o\n7\n{b64(ROOT)}\nextension\n", id="extension line"),
        pytest.param(f"o\n07\n{b64(ROOT)}\n", id="leading zero"),
        pytest.param(f"o\n+7\n{b64(ROOT)}\n", id="sign"),
        pytest.param(f"o\n٧\n{b64(ROOT)}\n", id="a digit of another script"),
        pytest.param(f"o\n{2**53}\n{b64(ROOT)}\n", id="size out of range"),
        pytest.param(f"o\n{'9' * 5000}\n{b64(ROOT)}\n", id="size of 5,000 digits"),
        pytest.param(f"\n7\n{b64(ROOT)}\n", id="no origin"),
        pytest.param(f"o\n7\n{b64(ROOT[:31])}\n", id="short root"),
        pytest.param(f"o\n0\n{b64(ROOT)}\n", id="empty tree with another root"),
        pytest.param(f"o\n7\n{b64(ROOT)}", id="no line feed"),
        pytest.param("o\n7\n", id="no root"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_not_a_checkpoint_is_malformed(text):
    with pytest.raises(Malformed):
        Checkpoint.parse(text)

from __future__ import annotations

import shutil
import subprocess
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest

from tallystick.canonical import b64, decode, digest, encode, unb64
from tallystick.errors import InvalidInput, Malformed, NewerFormat, NotVerified, Tampered
from tallystick.proof import container
from tallystick.proof.completeness import AttemptGap
from tallystick.proof.envelope import seal
from tallystick.proof.keys import ECDSA_P256, Signer
from tallystick.proof.merkle import consistency_proof
from tallystick.proof.note import VerifierKey
from tallystick.proof.pack import MANIFEST_TYPE, Item, build, open_pack, signed_size
from tallystick.proof.receipt import Proof
from tallystick.records import Attachment, Personal, Ref

TIME = "2026-03-01T09:00:00.000000Z"


@pytest.fixture(scope="module")
def packed(world):
    """The whole ledger with a report, a person's key and a consistency proof."""
    report = {"audit.pdf": b"%PDF", "receipt.tlog-proof": b"c2sp"}
    person = Signer.generate(ECDSA_P256).public
    proof = consistency_proof(3, len(world.raws), world.nodes)
    return world.pack(report=report, people=(person,), consistency={3: proof})


@pytest.fixture
def forge(signer):
    """Rewrite a pack as someone with the ledger's key could: members changed, then listed and signed again."""

    def forge(
        data: bytes, change=lambda members: None, manifest=lambda manifest: None, keep_list: bool = False
    ) -> bytes:
        members = container.read(data)
        words = decode(unb64(decode(members.pop("manifest.json"))["payload"]))
        change(members)
        if not keep_list:
            words["members"] = [{"name": n, "size": len(d), "sha256": digest(d)} for n, d in members.items()]
        manifest(words)
        envelope = seal(MANIFEST_TYPE, encode(words), [signer])
        return container.write({"manifest.json": encode(envelope), **members})

    return forge


# ------------------------------------------------------------------ what is built opens


def test_a_pack_opens_with_everything_in_it(world, packed, vkey):
    pack = open_pack(packed, vkey)
    assert tuple(entry.raw for entry in pack.entries) == world.raws
    assert pack.checkpoint == world.checkpoint()
    dataset = pack.entries[2]
    assert pack.part(dataset, "table") == b"group,n\na,120\n"
    assert pack.part(dataset, "cells") == b"group,n\nb,3\n"
    assert pack.part(dataset, "author") == b'"Ann Example"'
    assert pack.part(dataset, "nothing") is None
    assert pack.report == {"audit.pdf": b"%PDF", "receipt.tlog-proof": b"c2sp"}
    assert (len(pack.people), list(pack.consistency), pack.withheld) == (1, [3], ())
    assert pack.manifest["members"][0]["name"] == "checkpoint"


def test_members_stand_in_the_documented_order(world, packed):
    fingerprint = world.signer.public.fingerprint
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        names = archive.namelist()
    numbers = [f"{seq:09}" for seq in range(6)]
    keys = [name for name in names if name.endswith(".pem")]
    assert names == [
        "manifest.json",
        "checkpoint",
        *(f"entries/{number}.json" for number in numbers),
        *(f"proofs/{number}.tlog-proof" for number in numbers),
        "attachments/" + digest(b"group,n\na,120\n"),
        "side/000000002.json",
        "consistency/3",
        "keys/ledger.vkey",
        *sorted(keys),
        "report/audit.pdf",
        "report/receipt.tlog-proof",
        "readme.txt",
    ]
    assert f"keys/{fingerprint}.pem" in keys
    assert len(keys) == 2


def test_the_same_contents_make_the_same_bytes(world):
    assert world.pack() == world.pack()


def test_each_proof_in_a_pack_verifies_alone(world, packed, vkey):
    members = container.read(packed)
    for entry in open_pack(packed, vkey).entries:
        proof = Proof.parse(members[f"proofs/{entry.seq:09}.tlog-proof"])
        assert proof.extra is None
        assert proof.verify(entry.leaf, vkey) == world.checkpoint()


def test_what_is_not_disclosed_is_named_as_withheld(world, vkey):
    contents = world.contents()
    bare = [replace(item, attachments=(), personal=()) for item in contents.items]
    pack = open_pack(build(replace(contents, items=tuple(bare)), world.signer), vkey)
    assert pack.withheld == ((2, "table"), (2, "cells"), (2, "author"))
    assert pack.part(pack.entries[2], "cells") is None
    assert not any(name.startswith(("side/", "attachments/")) for name in pack.members)


@pytest.mark.skipif(not all(map(shutil.which, ("jq", "openssl", "bash", "sha256sum"))), reason="needs the tools named")
def test_the_readme_works_by_hand(packed, vkey, tmp_path):
    """Its commands, run as they stand, but for unzip."""
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        archive.extractall(tmp_path)
    lines = (tmp_path / "readme.txt").read_text().split("\n")
    commands = [line.strip() for line in lines if line.startswith("     ") and "unzip" not in line]
    script = "set -euo pipefail\n" + "\n".join(commands)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("Signature Verified Successfully") == 2
    assert ": FAILED" not in done.stdout
    assert open_pack(packed, vkey).entries[0].leaf.hex() in done.stdout
    assert decode(open_pack(packed, vkey).entries[1].raw)["prev"] in done.stdout


# ------------------------------------------------------------------ no byte can change


def test_any_changed_byte_is_rejected(packed, vkey):
    """Every byte of the pack, one bit each, in turn."""
    changed = bytearray(packed)
    for at in range(len(packed)):
        bit = 1 << at % 8
        changed[at] ^= bit
        with pytest.raises(NotVerified):
            open_pack(bytes(changed), vkey)
        changed[at] ^= bit
    assert open_pack(bytes(changed), vkey)


def test_a_changed_byte_with_its_checksum_made_good_is_rejected(packed, vkey):
    """The container alone would take it; the manifest's digests do not."""
    members = container.read(packed)
    for name, data in members.items():
        for at in {0, len(data) // 2, len(data) - 1}:
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with pytest.raises(NotVerified):
                open_pack(container.write({**members, name: changed}), vkey)


def test_another_key_or_ledger_opens_nothing(packed, vkey, signer, stranger):
    for key in (VerifierKey(vkey.name, stranger.public), VerifierKey("other.example", signer.public)):
        with pytest.raises(Tampered):
            open_pack(packed, key)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda envelope: envelope.update(extra=1), id="field more"),
        pytest.param(lambda envelope: envelope["signatures"][0].update(keyid="x"), id="other hint"),
        pytest.param(lambda envelope: envelope["signatures"].append({"sig": "AAAA"}), id="signature more"),
        pytest.param(lambda envelope: envelope["signatures"].append(envelope["signatures"][0]), id="signature twice"),
    ],
)
def test_the_envelope_of_the_manifest_has_one_spelling(packed, vkey, change):
    members = container.read(packed)
    envelope = decode(members["manifest.json"])
    change(envelope)
    with pytest.raises(Malformed, match="one spelling"):
        open_pack(container.write({**members, "manifest.json": encode(envelope)}), vkey)


# ------------------------------------------------------------------ what a holder of the key could forge


def drop(name):
    return lambda members: members.pop(name)


def put(name, data):
    return lambda members: members.update({name: data})


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param(drop("checkpoint"), "checkpoint", id="no checkpoint"),
        pytest.param(drop("keys/ledger.vkey"), "keys/ledger.vkey", id="no key"),
        pytest.param(put("keys/ledger.vkey", b"other"), "keys/ledger.vkey", id="another key"),
        pytest.param(drop("entries/000000003.json"), "entry 3", id="proof without entry"),
        pytest.param(drop("proofs/000000003.tlog-proof"), "entry 3", id="entry without proof"),
        pytest.param(put("entries/000000003.json", b"{}"), "entries/000000003.json", id="no entry"),
        pytest.param(put("consistency/3", b"x\n"), "consistency/3", id="no proof"),
        pytest.param(put("side/000000002.json", b"{}"), "side/000000002.json", id="no side values"),
    ],
)
def test_a_broken_member_is_named_even_if_the_manifest_lists_it(packed, vkey, forge, change, where):
    with pytest.raises(NotVerified) as caught:
        open_pack(forge(packed, change), vkey)
    assert caught.value.where == where


def swap(one, two):
    def change(members):
        members[one], members[two] = members[two], members[one]

    return change


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param(swap("entries/000000003.json", "entries/000000004.json"), "entries/000000003.json", id="entries"),
        pytest.param(
            swap("proofs/000000003.tlog-proof", "proofs/000000004.tlog-proof"),
            "proofs/000000003.tlog-proof",
            id="proofs",
        ),
    ],
)
def test_swapped_members_are_named(packed, vkey, forge, change, where):
    with pytest.raises(Tampered) as caught:
        open_pack(forge(packed, change), vkey)
    assert caught.value.where == where


def test_an_altered_entry_has_no_proof(world, packed, vkey, forge):
    raw = world.raws[3].replace(b'"churn"', b'"other"')
    with pytest.raises(Tampered, match=r"entries/000000003\.json: inclusion proof leads to another root"):
        open_pack(forge(packed, put("entries/000000003.json", raw)), vkey)


def test_a_broken_chain_is_named(world, vkey):
    """A ledger that put a record between two that were linked: the tree agrees with itself, the chain does not."""
    spoilt = replace(world, raws=(*world.raws[:4], world.raws[4].replace(b'"pass"', b'"fail"'), *world.raws[5:]))
    with pytest.raises(Tampered, match="entry 5: entry does not follow"):
        open_pack(spoilt.pack(), vkey)


def test_a_first_entry_that_follows_another_is_refused(world, vkey):
    """The head of a ledger cannot be cut off and the rest renumbered."""
    raw = world.raws[0].replace(b'"prev":"' + b"0" * 64, b'"prev":"' + b"1" * 64)
    with pytest.raises(Tampered, match="entry 0"):
        open_pack(replace(world, raws=(raw,)).pack(), vkey)


def test_a_pack_that_says_all_and_holds_less_is_refused(world, vkey, forge):
    partial = world.pack(0, 1, 3)
    with pytest.raises(Tampered, match="holds all"):
        open_pack(forge(partial, manifest=lambda m: m.update(filter={"name": "all"})), vkey)


@pytest.mark.parametrize(
    ("manifest", "match"),
    [
        (lambda m: m.update(entries=5), "counts other entries"),
        (lambda m: m.update(size=5), "another checkpoint"),
        (lambda m: m.update(root="00" * 32), "another checkpoint"),
        (lambda m: m.update(ledger="other"), "another checkpoint"),
        (lambda m: m.update(range={"first": 1, "last": 5}), "another checkpoint"),
        (lambda m: m.update(withheld=[{"seq": 2, "name": "cells"}]), "withheld"),
        (lambda m: m["range"].update(first=False), "another checkpoint"),
        (lambda m: m["members"].pop(), "not listed in the manifest"),
        (lambda m: m["members"].append({}), "twice, or a line that names none"),
        (lambda m: m["members"].append(dict(m["members"][-1])), "twice"),
        (lambda m: m["members"].append({**m["members"][-1], "name": "other"}), "is missing: it was taken out"),
        (lambda m: m["members"][3].update(size=1), "not the one that the manifest lists"),
        (lambda m: m["members"].reverse(), "not the one that the manifest lists"),
        (lambda m: m.update(more=1), "lacks or misspells"),
        (lambda m: m.pop("made_at"), "lacks or misspells"),
        (lambda m: m.update(filter={}), "lacks or misspells"),
        (lambda m: m.update(members={}), "lacks or misspells"),
        (lambda m: m.update(format="zip"), "not a manifest"),
        (lambda m: m.pop("format"), "no format"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(packed, vkey, forge, manifest, match):
    with pytest.raises(NotVerified, match=match):
        open_pack(forge(packed, manifest=manifest), vkey)


def test_a_pack_of_a_later_version_is_told_apart(packed, vkey, forge):
    with pytest.raises(NewerFormat):
        open_pack(forge(packed, manifest=lambda m: m.update(format="tallystick-pack/v2")), vkey)


def test_an_envelope_of_another_type_is_no_manifest(packed, vkey, signer):
    members = container.read(packed)
    payload = unb64(decode(members["manifest.json"])["payload"])
    members["manifest.json"] = encode(seal("application/json", payload, [signer]))
    with pytest.raises(Tampered, match="no manifest"):
        open_pack(container.write(members), vkey)


@pytest.mark.parametrize(
    "name", ["notes.txt", "entries/1.json", "report/other.pdf", "report/audit.html", "side/000000002.txt", "keys/x.pem"]
)
def test_a_member_that_packs_do_not_have_is_refused(packed, vkey, forge, name):
    with pytest.raises(Malformed, match="do not have") as caught:
        open_pack(forge(packed, put(name, b"x")), vkey)
    assert caught.value.where == name


def test_members_in_another_order_are_refused(packed, vkey, forge):
    def reverse(members):
        items = list(members.items())
        members.clear()
        members.update(reversed(items))

    with pytest.raises(Malformed, match="order"):
        open_pack(forge(packed, reverse), vkey)


def reordered(change):
    """Apply a change, then bring members into their order again."""
    from tallystick.proof.pack import _rank

    def changed(members):
        change(members)
        items = sorted(members.items(), key=lambda item: _rank(item[0]))
        members.clear()
        members.update(items)

    return changed


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (put("attachments/" + digest(b"stray"), b"stray"), "belongs to no entry"),
        (put("attachments/" + digest(b"group,n\na,120\n"), b"group,n\na,999\n"), "another digest or size"),
        (put("side/000000009.json", b"{}"), "belongs to no entry"),
        (put("keys/" + "ab" * 32 + ".pem", b"x\ny\nz\n"), "keys/abab"),
        (put("keys/" + "ab" * 32 + ".pem", b"\xff"), "not PEM"),
        (put("consistency/4", b"AAAA"), "not lines"),
    ],
)
def test_stray_and_broken_extras_are_refused(packed, vkey, forge, change, match):
    with pytest.raises(NotVerified, match=match):
        open_pack(forge(packed, reordered(change)), vkey)


def test_a_key_under_another_fingerprint_is_refused(packed, vkey, forge, stranger):
    change = reordered(put("keys/" + "ab" * 32 + ".pem", stranger.public.pem.encode()))
    with pytest.raises(Tampered, match="another fingerprint"):
        open_pack(forge(packed, change), vkey)


def test_a_key_in_another_spelling_is_refused(packed, vkey, forge, stranger):
    pem = stranger.public.pem.replace("-----BEGIN PUBLIC KEY-----", "-----BEGIN KEY-----").encode()
    change = reordered(put(f"keys/{stranger.public.fingerprint}.pem", pem))
    with pytest.raises(Malformed, match="not the PEM"):
        open_pack(forge(packed, change), vkey)


def side_change(change):
    def changed(members):
        side = decode(members["side/000000002.json"])
        change(side)
        members["side/000000002.json"] = encode(side)

    return changed


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s["attachments"][0].update(data=b64(b"group,n\nb,4\n")), "not the one committed to"),
        (lambda s: s["attachments"][0].update(salt=b64(bytes(32))), "not the one committed to"),
        (lambda s: s["attachments"][0].update(salt=b64(bytes(31))), "another length"),
        (lambda s: s["attachments"][0].update(name="table"), "commits to no such value"),
        (lambda s: s["attachments"].append(s["attachments"][0]), "twice"),
        (lambda s: s["attachments"][0].update(more=1), "not an object"),
        (lambda s: s["attachments"][0].update(data=1), "not text"),
        (lambda s: s.update(attachments=None), "not an object"),
        (lambda s: s["personal"][0].update(text="Bob Example"), "not the one committed to"),
        (lambda s: s["personal"][0].update(name="editor"), "commits to no such value"),
        (lambda s: s.update(personal=[], attachments=[]), "empty"),
        (lambda s: s.pop("personal"), "not lists"),
    ],
)
def test_a_disclosed_value_must_be_the_one_committed_to(packed, vkey, forge, change, match):
    with pytest.raises(NotVerified, match=match) as caught:
        open_pack(forge(packed, side_change(change)), vkey)
    assert caught.value.where == "side/000000002.json"


def test_a_value_cannot_be_dropped_unseen(packed, vkey, forge):
    change = side_change(lambda side: side["personal"].clear())
    with pytest.raises(Tampered, match="withheld"):
        open_pack(forge(packed, change), vkey)


# ------------------------------------------------------------------ what cannot be built


def test_what_makes_no_pack_is_refused(world, stranger):
    contents = world.contents()
    items = contents.items
    for bad in ((), (items[1], items[0]), (items[0], items[0])):
        with pytest.raises(InvalidInput, match="in order"):
            build(replace(contents, items=bad), world.signer)
    with pytest.raises(InvalidInput, match="in order"):
        build(replace(contents, checkpoint=world.note(3)), world.signer)
    with pytest.raises(InvalidInput, match="no place"):
        build(replace(contents, report={"x.exe": b""}), world.signer)
    with pytest.raises(Tampered):
        build(contents, stranger)


@pytest.mark.parametrize(
    "parts",
    [
        {"attachments": (Attachment("table", "text/csv", b"other"),)},
        {"attachments": (Attachment("cells", "text/csv", b"group,n\nb,3\n"),)},
        {"attachments": (Attachment("cells", "text/csv", b"group,n\nb,3\n", salt=bytes(32)),)},
        {"personal": (Personal("author", "Bob", salt=bytes(range(32, 64))),)},
        {"personal": (Personal("author", "Ann Example", salt=bytes(range(32, 64))),) * 2},
    ],
)
def test_a_part_that_is_not_the_entrys_is_not_packed(world, parts):
    contents = world.contents()
    items = [*contents.items]
    items[2] = Item(items[2].entry, items[2].hashes, **parts)
    with pytest.raises(InvalidInput, match="not one of its entry"):
        build(replace(contents, items=tuple(items)), world.signer)


# ------------------------------------------------------------------ completeness: facts, not errors


def test_a_whole_ledger_is_complete(packed, vkey):
    facts = open_pack(packed, vkey).completeness
    assert facts.whole
    assert (facts.dangling, facts.gaps, facts.uncounted, facts.genesis) == ((), (), (), None)


def test_what_a_filter_leaves_out_shows_where_it_is_referred_to(world, vkey):
    facts = open_pack(world.pack(0, 3, 5), vkey).completeness
    assert not facts.whole
    assert {(item.seq, item.ref.seq, item.elsewhere) for item in facts.dangling} == {(3, 1, False), (5, 1, False)}
    assert facts.gaps == (AttemptGap(Ref(**world.ref(1)), 1, 1),)


def test_a_reference_to_another_leaf_at_that_index_is_told_apart(world, vkey):
    wrong = world.add("review", {"model": {"seq": 3, "leaf": "ab" * 32}, "scope": "x", "conclusion": "y"})
    (item,) = open_pack(wrong.pack(), vkey).completeness.dangling
    assert (item.seq, item.ref.seq, item.elsewhere) == (6, 3, True)


def test_supersedes_and_nested_references_count(world, vkey):
    body = {"source": "x", "alert": {"of": [{"deep": {"seq": 0, "leaf": "ab" * 32}}]}}
    more = world.add("alert", body, supersedes=Ref(1, "cd" * 32))
    assert [item.ref.seq for item in open_pack(more.pack(), vkey).completeness.dangling] == [0, 1]


def evaluation(world, attempt):
    body = {**decode(world.raws[5])["body"], "attempt": attempt}
    return world.add("evaluation", body)


def test_gaps_in_recorded_evaluations_are_ranges(world, vkey):
    more = evaluation(evaluation(world, {"usecase": 4}), {"usecase": 2**53 - 1})
    facts = open_pack(more.pack(), vkey).completeness
    assert [(gap.first, gap.last) for gap in facts.gaps] == [(3, 3), (5, 2**53 - 2)]


def test_an_evaluation_with_anothers_number_is_uncounted(world, vkey):
    """Else one written by hand could fill the place of a failed one that is left out."""
    assert open_pack(evaluation(world, {"usecase": 2}).pack(), vkey).completeness.uncounted == (6,)


def test_an_evaluation_without_a_number_is_uncounted(world, vkey):
    more = evaluation(evaluation(evaluation(world, {}), {"usecase": True}), {"usecase": 0})
    assert open_pack(more.pack(), vkey).completeness.uncounted == (6, 7, 8)


def test_a_genesis_that_does_not_fit_is_said(empty, world, vkey, stranger):
    assert open_pack(world.pack(1, 3), vkey).completeness.genesis == "entry 0 is not there"
    other_key = str(VerifierKey(vkey.name, stranger.public))
    genesis = {"origin": vkey.name, "uuid": "u", "checkpoint_key": str(vkey), "software": {}}
    for body, problem in (
        (genesis | {"origin": "other"}, "another origin"),
        (genesis | {"checkpoint_key": other_key}, "another checkpoint key"),
    ):
        assert problem in open_pack(empty.add("ledger", body).pack(), vkey).completeness.genesis
    first = empty.add("retraining", {"cause": Ref(0, "ab" * 32).value(), "reason": "x"})
    assert "not 'ledger'" in open_pack(first.pack(), vkey).completeness.genesis


# ------------------------------------------------------------------ a stranger's file costs little


@pytest.mark.parametrize("manifest", [b"[" + b"[]," * 9 + b"[]]", b'{"payload":"' + b"A" * 99, b"[" * 10_000, b""])
def test_a_manifest_that_nobody_signed_is_not_parsed(vkey, manifest, monkeypatch):
    """A few megabytes of JSON can ask for gigabytes of memory."""
    monkeypatch.setattr("tallystick.proof.pack.decode", lambda *_, **__: pytest.fail("a stranger's JSON was parsed"))
    with pytest.raises(Malformed, match="one spelling"):
        open_pack(container.write({"manifest.json": manifest}), vkey)


def test_the_beginning_of_a_pack_tells_its_size_to_whoever_has_the_key(packed, vkey, stranger):
    beginning = packed[: len(packed) // 2]
    assert signed_size(beginning, vkey) == len(packed)
    assert signed_size(packed + bytes(99), vkey) == len(packed)
    assert signed_size(beginning, VerifierKey(vkey.name, stranger.public)) is None
    assert signed_size(packed[:200], vkey) is None


def test_a_member_that_is_larger_than_any_manifest_is_not_read(vkey):
    data = bytearray(container.write({"manifest.json": b"{}"}))
    data[18:22] = data[22:26] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(Malformed):
        open_pack(bytes(data), vkey)
    with pytest.raises(Malformed, match="too large"):
        container.first(bytes(data) + bytes(100), limit=10)

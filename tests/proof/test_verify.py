from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from tallystick.canonical import decode, digest, encode
from tallystick.errors import InvalidInput, NewerFormat
from tallystick.proof import container, merkle, verify
from tallystick.proof.anchors import Anchors
from tallystick.proof.note import Checkpoint, VerifierKey, sign_note
from tallystick.proof.pack import build
from tallystick.proof.receipt import Proof
from tallystick.records import Attachment

TIME = "2026-03-01T09:00:00.000000Z"
REST = {"template": {}, "as_of": TIME, "scope": {}, "checkpoint": {}, "anchor": "none"}


def outcomes(verdict) -> dict[str, str]:
    return {check.name: check.outcome for check in verdict.checks}


@pytest.fixture(scope="module")
def body(signed_pdf, certificate):
    return REST | {
        "file": {"name": "audit.pdf", "sha256": digest(signed_pdf), "size": len(signed_pdf)},
        "evidence": {"name": "evidence.json", "sha256": digest(b'{"evidence":true}')},
        "signer": {"certificate_sha256": digest(certificate)},
    }


@pytest.fixture(scope="module")
def issued(world, body):
    """The ledger after it recorded the report."""
    return world.add("report", body, sign=True)


@pytest.fixture(scope="module")
def receipt(issued):
    return issued.receipt(6).to_bytes()


def other_root(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, root=bytes(32))


def kept(*checkpoints: Checkpoint, proofs: tuple[bytes, ...] = (), required: bool = False) -> Anchors:
    return Anchors(checkpoints, proofs, required)


# ------------------------------------------------------------------ checkpoints and receipts


def test_a_checkpoint_is_verified_and_says_what_it_does_not_prove(world, vkey):
    verdict = verify.verify_checkpoint(world.note(), vkey)
    assert (verdict.kind, verdict.integrity, verdict.completeness, verdict.exit_code) == (
        "checkpoint",
        "ok",
        "not asked",
        0,
    )
    assert verify.TRUTH in verdict.not_proven
    assert any("No checkpoint from elsewhere" in line for line in verdict.not_proven)
    assert verdict.checkpoint == world.checkpoint()


def test_a_checkpoint_by_another_key_fails(world, vkey, stranger):
    verdict = verify.verify_checkpoint(world.note(), VerifierKey(vkey.name, stranger.public))
    assert (verdict.integrity, verdict.exit_code, verdict.checkpoint) == ("failed", 1, None)
    assert outcomes(verdict) == {"signature": "failed"}


def test_a_receipt_is_verified_with_its_entry(world, vkey):
    verdict = verify.verify_receipt(world.receipt(2).to_bytes(), vkey)
    assert (verdict.kind, verdict.integrity, verdict.exit_code, verdict.entry.seq) == ("receipt", "ok", 0, 2)
    assert verdict.value()["entry"] == world.ref(2)
    forged = replace(world.receipt(2), entry=world.raws[3]).to_bytes()
    assert verify.verify_receipt(forged, vkey).exit_code == 1
    assert verify.verify_receipt(b"", vkey).exit_code == 1


def test_a_verdict_has_one_json_form(world, vkey):
    value = verify.verify_pack(world.pack(), vkey, kept(world.checkpoint())).value()
    assert set(value) == {
        *("kind", "integrity", "completeness", "checks", "not_proven", "key", "checkpoint", "entry"),
        *("anchor", "unanchored", "time", "existed_at", "withheld"),
    }
    assert value["key"] == {"name": vkey.name, "fingerprint": vkey.public.fingerprint}
    assert encode(value)


# ------------------------------------------------------------------ anchors


def test_an_anchor_of_the_same_size_has_the_same_root_or_the_ledger_forked(world, vkey):
    data = world.pack()
    same, fork = world.checkpoint(), other_root(world.checkpoint())
    for check in (
        lambda anchor: verify.verify_pack(data, vkey, kept(anchor)),
        lambda anchor: verify.verify_checkpoint(world.note(), vkey, kept(anchor)),
        lambda anchor: verify.verify_receipt(world.receipt(1).to_bytes(), vkey, kept(anchor)),
    ):
        assert (check(same).exit_code, outcomes(check(same))["anchor"]) == (0, "ok")
        assert (check(fork).exit_code, check(fork).integrity) == (1, "failed")
        assert not any("from elsewhere" in line for line in check(same).not_proven)


@pytest.mark.parametrize("size", range(1, 6))
def test_a_whole_pack_is_held_against_any_earlier_checkpoint(world, vkey, size):
    data = world.pack()
    good = verify.verify_pack(data, vkey, kept(world.checkpoint(size)))
    assert (good.exit_code, good.completeness) == (0, "proven")
    assert any(f"Entries {size} to 5 lie after" in line for line in good.not_proven)
    assert verify.verify_pack(data, vkey, kept(other_root(world.checkpoint(size)))).exit_code == 1


def test_a_partial_pack_needs_the_consistency_proof_it_carries(world, vkey):
    proof = merkle.consistency_proof(3, 6, world.nodes)
    data = world.pack(0, 1, 3, 4, 5, consistency={3: proof})
    assert outcomes(verify.verify_pack(data, vkey, kept(world.checkpoint(3))))["anchor"] == "ok"
    assert outcomes(verify.verify_pack(data, vkey, kept(other_root(world.checkpoint(3)))))["anchor"] == "failed"
    without = verify.verify_pack(data, vkey, kept(world.checkpoint(4)))
    assert (outcomes(without)["anchor"], without.integrity, without.exit_code) == ("unknown", "ok", 3)
    assert any("No checkpoint from elsewhere" in line for line in without.not_proven)


def test_an_anchor_newer_than_the_file_cannot_be_compared(world, vkey):
    shorter = replace(world, raws=world.raws[:4])
    verdict = verify.verify_pack(shorter.pack(), vkey, kept(world.checkpoint()))
    assert (outcomes(verdict)["anchor"], verdict.exit_code) == ("unknown", 3)
    assert "nothing here links size 6, kept elsewhere, and size 4, here" in verdict.checks[-1].detail


def test_an_empty_anchor_proves_nothing(world, vkey):
    verdict = verify.verify_checkpoint(world.note(), vkey, kept(world.checkpoint(0)))
    assert (outcomes(verdict)["anchor"], verdict.exit_code) == ("unknown", 3)


def test_an_anchor_of_another_ledger_is_a_mistake(world, vkey):
    anchor = replace(world.checkpoint(), origin="other.example")
    with pytest.raises(InvalidInput, match="another ledger"):
        verify.verify_pack(world.pack(), vkey, kept(anchor))


def test_an_anchor_newer_than_the_file_covers_all_of_it_once_a_proof_links_them(world, vkey):
    shorter = replace(world, raws=world.raws[:4])
    proofs = (world.growth(4).to_bytes(),)
    verdict = verify.verify_pack(shorter.pack(), vkey, kept(world.checkpoint(), proofs=proofs))
    assert (outcomes(verdict)["anchor"], verdict.exit_code, verdict.unanchored) == ("ok", 0, 0)
    assert not any("from elsewhere" in line for line in verdict.not_proven)


def test_a_checkpoint_is_held_against_an_older_one_by_a_proof(world, vkey):
    proofs = (world.growth(2).to_bytes(),)
    good = verify.verify_checkpoint(world.note(), vkey, kept(world.checkpoint(2), proofs=proofs))
    bad = verify.verify_checkpoint(world.note(), vkey, kept(other_root(world.checkpoint(2)), proofs=proofs))
    assert (good.exit_code, bad.exit_code) == (0, 1)


def test_two_that_nothing_links_are_linked_by_what_both_begin(world, vkey):
    """A receipt and an anchor from before: one proof from each to the newest checkpoint."""
    old = replace(world, raws=world.raws[:5]).receipt(2).to_bytes()
    proofs = (world.growth(3).to_bytes(), world.growth(5).to_bytes())
    verdict = verify.verify_receipt(old, vkey, kept(world.checkpoint(3), proofs=proofs))
    assert (outcomes(verdict)["anchor"], verdict.exit_code, verdict.unanchored) == ("ok", 0, 2)
    for some in (proofs[:1], proofs[1:]):
        verdict = verify.verify_receipt(old, vkey, kept(world.checkpoint(3), proofs=some))
        assert (outcomes(verdict)["anchor"], verdict.exit_code, verdict.unanchored) == ("unknown", 3, 5)


def test_two_that_a_third_begins_are_not_linked_by_it(world, vkey):
    """Two histories with one beginning: a proof from the beginning to each says nothing about the two."""
    fork = replace(world, raws=world.raws[:4]).add("alert", {"source": "x", "alert": {}})
    proofs = (world.growth(4).to_bytes(), fork.growth(4).to_bytes())
    verdict = verify.verify_checkpoint(world.note(), vkey, kept(fork.checkpoint(), proofs=proofs))
    assert (outcomes(verdict)["anchor"], verdict.exit_code) == ("unknown", 3)


def test_of_several_anchors_each_is_compared_and_the_largest_that_holds_counts(world, vkey):
    data = world.pack()
    verdict = verify.verify_pack(data, vkey, kept(*(world.checkpoint(size) for size in (2, 5, 3))))
    assert [check.outcome for check in verdict.checks if check.name == "anchor"] == ["ok"] * 3
    assert (verdict.exit_code, verdict.anchor, verdict.unanchored) == (0, world.checkpoint(5), 1)
    for anchors in ((world.checkpoint(2), other_root(world.checkpoint(5))), (other_root(world.checkpoint(2)),)):
        assert verify.verify_pack(data, vkey, kept(*anchors)).exit_code == 1
    receipt = world.receipt(2).to_bytes()
    one_is_open = verify.verify_receipt(receipt, vkey, kept(world.checkpoint(2), world.checkpoint()))
    assert (one_is_open.exit_code, one_is_open.anchor) == (3, world.checkpoint())


def test_two_signed_trees_of_one_size_are_found_even_if_nothing_links_them_to_the_file(world, vkey):
    receipt, anchor = world.receipt(2).to_bytes(), world.checkpoint(3)
    verdict = verify.verify_receipt(receipt, vkey, kept(anchor, other_root(anchor)))
    assert (outcomes(verdict)["history"], verdict.integrity, verdict.exit_code) == ("failed", "failed", 1)
    fork = replace(world, raws=world.raws[:5]).add("alert", {"source": "x", "alert": {}})
    proofs = (fork.growth(3).to_bytes(),)
    assert outcomes(verify.verify_receipt(receipt, vkey, kept(anchor, proofs=proofs)))["history"] == "failed"


def test_a_required_anchor_must_have_been_compared(world, vkey):
    receipt = world.receipt(2).to_bytes()
    last, earlier = world.checkpoint(), world.checkpoint(3)
    assert verify.verify_receipt(receipt, vkey).exit_code == 0
    for anchors, code in (
        (kept(required=True), 3),
        (kept(earlier, required=True), 3),
        (kept(other_root(last), required=True), 1),
        (kept(last, required=True), 0),
        (kept(earlier, proofs=(world.growth(3).to_bytes(),), required=True), 0),
    ):
        assert verify.verify_receipt(receipt, vkey, anchors).exit_code == code
        assert verify.verify_checkpoint(world.note(), vkey, anchors).exit_code == code
    assert verify.verify_pack(world.pack(), vkey, kept(required=True)).exit_code == 3
    assert verify.verify_pack(world.pack(), vkey, kept(earlier, required=True)).exit_code == 0
    assert verify.verify_receipt(b"", vkey, kept(required=True)).exit_code == 1


def test_a_link_that_does_not_hold_is_a_no(world, vkey, stranger):
    receipt, anchor = world.receipt(2).to_bytes(), world.checkpoint(3)
    proof = world.growth(3)
    fork = replace(world, raws=(*world.raws[:2], *world.raws[3:], world.raws[2]))
    for bad in (
        b"",
        replace(proof, hashes=proof.hashes[1:]).to_bytes(),
        replace(proof, hashes=(bytes(32), *proof.hashes[1:])).to_bytes(),
        replace(world, signer=stranger).growth(3).to_bytes(),
        fork.growth(3).to_bytes(),
        world.growth(3).to_bytes() + b"x",
    ):
        verdict = verify.verify_receipt(receipt, vkey, kept(anchor, proofs=(bad,)))
        assert (verdict.integrity, verdict.exit_code, verdict.anchor) == ("failed", 1, None)


def test_how_much_rests_on_the_key_alone_is_counted(world, vkey):
    for anchors, left in ((kept(), 6), (kept(world.checkpoint(2)), 4), (kept(world.checkpoint()), 0)):
        verdict = verify.verify_pack(world.pack(), vkey, anchors)
        assert (verdict.unanchored, verdict.value()["unanchored"]) == (left, left)
        size = None if verdict.anchor is None else {"size": 6 - left, "root": world.checkpoint(6 - left).root.hex()}
        assert verdict.value()["anchor"] == size
    assert verify.verify_checkpoint(b"", vkey).value()["unanchored"] is None


# ------------------------------------------------------------------ consistency proofs


def test_growth_is_verified_with_the_checkpoint_that_was_kept(world, vkey):
    data = world.growth(3).to_bytes()
    verdict = verify.verify_consistency(data, vkey, kept(world.checkpoint(3)))
    assert (verdict.kind, verdict.integrity, verdict.exit_code, verdict.unanchored) == ("consistency", "ok", 0, 3)
    assert outcomes(verdict) == {"signature": "ok", "anchor": "ok"}
    assert verify.verify_consistency(data, vkey, kept(other_root(world.checkpoint(3)))).exit_code == 1


def test_growth_from_a_checkpoint_that_was_not_given_shows_nothing_about_it(world, vkey):
    data = world.growth(3).to_bytes()
    for anchors in (kept(), kept(world.checkpoint()), kept(world.checkpoint(2))):
        verdict = verify.verify_consistency(data, vkey, anchors)
        assert (outcomes(verdict)["older checkpoint"], verdict.integrity, verdict.exit_code) == ("unknown", "ok", 3)
        assert "nothing is shown about that tree" in verdict.checks[1].detail


def test_growth_that_is_not_well_formed_or_not_signed_is_a_no_also_without_the_older_checkpoint(world, vkey, stranger):
    proof = world.growth(3)
    for bad in (
        replace(proof, hashes=proof.hashes[:-1]),
        replace(proof, hashes=(*proof.hashes, bytes(32))),
        replace(proof, old=7),
        replace(proof, old=6),
        replace(world, signer=stranger).growth(3),
    ):
        verdict = verify.verify_consistency(bad.to_bytes(), vkey)
        assert (outcomes(verdict), verdict.exit_code) == ({"consistency": "failed"}, 1)


def test_a_proof_without_its_entry_shows_a_signature_and_no_entry(world, vkey):
    receipt = world.receipt(2)
    bare = Proof(receipt.index, receipt.hashes, receipt.checkpoint).to_bytes()
    verdict = verify.verify_receipt(bare, vkey)
    assert (outcomes(verdict), verdict.exit_code) == ({"signature": "ok", "inclusion": "unknown"}, 3)
    assert verify.verify_receipt(bare[:-1], vkey).exit_code == 1


def test_a_rewritten_history_is_caught_by_the_anchor_and_only_by_it(world, vkey):
    """The whole ledger made anew by the holder of its key: every signature is good."""
    forged = replace(world, raws=(*world.raws[:5],)).add("alert", {"source": "x", "alert": {}})
    assert verify.verify_pack(forged.pack(), vkey).exit_code == 0
    assert verify.verify_pack(forged.pack(), vkey, kept(world.checkpoint())).exit_code == 1
    assert verify.verify_pack(forged.pack(), vkey, kept(world.checkpoint(5))).exit_code == 0


# ------------------------------------------------------------------ packs


def test_a_whole_pack_is_complete(world, vkey):
    verdict = verify.verify_pack(world.pack(), vkey)
    assert (verdict.kind, verdict.integrity, verdict.completeness, verdict.exit_code) == ("pack", "ok", "proven", 0)
    assert set(outcomes(verdict).values()) == {"ok"}
    assert verdict.pack.checkpoint == verdict.checkpoint


def test_a_filtered_pack_is_complete_by_statement_only(world, vkey):
    verdict = verify.verify_pack(world.pack(0, 1, 3, 4, 5), vkey)
    assert (verdict.completeness, verdict.exit_code) == ("stated", 0)
    assert any("stated by the ledger, not proven" in line for line in verdict.not_proven)


def test_a_pack_that_lacks_what_it_names_is_partial(world, vkey):
    verdict = verify.verify_pack(world.pack(0, 3, 5), vkey)
    assert (verdict.integrity, verdict.completeness, verdict.exit_code) == ("ok", "partial", 3)
    found = outcomes(verdict)
    assert (found["references"], found["evaluations"], found["genesis"]) == ("unknown", "unknown", "ok")
    assert outcomes(verify.verify_pack(world.pack(1, 3), vkey))["genesis"] == "unknown"


def test_a_genesis_of_another_key_fails(empty, vkey, stranger):
    other = str(VerifierKey(vkey.name, stranger.public))
    genesis = {"origin": vkey.name, "uuid": "u", "checkpoint_key": other, "software": {}}
    verdict = verify.verify_pack(empty.add("ledger", genesis).pack(), vkey)
    assert (outcomes(verdict)["genesis"], verdict.exit_code) == ("failed", 1)


def test_a_broken_pack_is_a_verdict_that_names_the_member(world, vkey):
    members = container.read(world.pack())
    members["entries/000000003.json"] = members["entries/000000003.json"].replace(b"churn", b"other")
    verdict = verify.verify_pack(container.write(members), vkey)
    assert (verdict.integrity, verdict.completeness, verdict.exit_code) == ("failed", "failed", 1)
    assert "entries/000000003.json" in verdict.checks[0].detail


def test_withheld_values_are_counted(world, vkey):
    contents = world.contents()
    items = tuple(replace(item, attachments=(), personal=()) for item in contents.items)
    verdict = verify.verify_pack(build(replace(contents, items=items), world.signer), vkey)
    assert verdict.exit_code == 0
    assert any(
        line.startswith("3 values are erased, withheld or missing: table of entry 2") for line in verdict.not_proven
    )


def test_a_later_format_is_no_verdict(world, vkey):
    raw = world.raws[3].replace(b'"v":1', b'"v":2')
    with pytest.raises(NewerFormat):
        verify.verify_receipt(replace(world, raws=(*world.raws[:3], raw)).receipt(3).to_bytes(), vkey)


# ------------------------------------------------------------------ reports


def test_an_issued_report_is_verified(signed_pdf, receipt, vkey):
    verdict = verify.verify_report(signed_pdf, receipt, vkey)
    assert (verdict.kind, verdict.integrity, verdict.exit_code) == ("report", "ok", 0)
    assert outcomes(verdict) == {"pdf": "ok", "receipt": "ok", "issue": "ok"}
    assert {verify.SEAL, verify.APPEARANCE, verify.PEOPLE, verify.TRUTH} <= set(verdict.not_proven)
    assert verdict.entry.kind == "report"


def test_without_the_receipt_its_issue_is_not_proven(signed_pdf, vkey):
    verdict = verify.verify_report(signed_pdf, None, vkey)
    assert (verdict.integrity, verdict.exit_code) == ("unknown", 3)
    assert any("not proven: give the receipt" in line for line in verdict.not_proven)


def test_a_large_file_that_nobody_vouches_for_is_not_parsed(vkey, monkeypatch):
    monkeypatch.setattr("tallystick.proof.pdf.inspect", lambda _: pytest.fail("a stranger's PDF was parsed"))
    verdict = verify.verify_report(b"%PDF-1.7" + bytes(3 << 20), None, vkey)
    assert (verdict.exit_code, outcomes(verdict)["pdf"]) == (3, "unknown")


def test_a_broken_report_fails_with_and_without_receipt(signed_pdf, receipt, vkey):
    for given, found in ((receipt, {"receipt": "ok", "issue": "failed"}), (None, {"pdf": "failed"})):
        verdict = verify.verify_report(signed_pdf + b"\n", given, vkey)
        assert (verdict.integrity, verdict.exit_code, outcomes(verdict)) == ("failed", 1, found)


def test_a_file_of_another_digest_is_never_parsed(receipt, vkey, monkeypatch):
    monkeypatch.setattr("tallystick.proof.pdf.inspect", lambda _: pytest.fail("a stranger's PDF was parsed"))
    assert verify.verify_report(b"%PDF-1.7 hostile", receipt, vkey).exit_code == 1


def test_any_changed_byte_of_a_report_fails(signed_pdf, receipt, vkey):
    for at in range(0, len(signed_pdf), 97):
        changed = signed_pdf[:at] + bytes([signed_pdf[at] ^ 4]) + signed_pdf[at + 1 :]
        assert verify.verify_report(changed, receipt, vkey).exit_code == 1


def test_the_receipt_of_another_report_fails(other_pdf, receipt, vkey):
    """A good PDF and a good receipt that have nothing to do with each other."""
    verdict = verify.verify_report(other_pdf, receipt, vkey)
    assert outcomes(verdict) == {"receipt": "ok", "issue": "failed"}
    assert "another file" in verdict.checks[-1].detail


def test_a_receipt_for_something_else_fails(world, signed_pdf, vkey):
    verdict = verify.verify_report(signed_pdf, world.receipt(3).to_bytes(), vkey)
    assert outcomes(verdict)["issue"] == "failed"
    assert "another kind" in verdict.checks[-1].detail


def test_a_receipt_by_another_key_fails(signed_pdf, receipt, vkey, stranger):
    verdict = verify.verify_report(signed_pdf, receipt, VerifierKey(vkey.name, stranger.public))
    assert outcomes(verdict) == {"receipt": "failed"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"file": {"sha256": "ab" * 32, "size": 1}}, "another file"),
        ({"file": {}}, "another file"),
        ({"signer": {"certificate_sha256": "ab" * 32}}, "another certificate"),
        ({"evidence": {"name": "other.json", "sha256": "ab" * 32}}, "not attached"),
        ({"evidence": {"name": "evidence.json", "sha256": "ab" * 32}}, "another evidence"),
        ({"evidence": {"absent": "not recorded"}}, "not attached"),
    ],
)
def test_an_entry_that_records_something_else_fails(world, body, signed_pdf, vkey, change, match):
    receipt = world.add("report", body | change, sign=True).receipt(6).to_bytes()
    verdict = verify.verify_report(signed_pdf, receipt, vkey)
    assert outcomes(verdict)["issue"] == "failed"
    assert match in verdict.checks[-1].detail


def test_an_entry_that_records_another_size_of_the_file_fails(world, body, signed_pdf, vkey):
    file = {**body["file"], "size": len(signed_pdf) + 1}
    receipt = world.add("report", body | {"file": file}, sign=True).receipt(6).to_bytes()
    verdict = verify.verify_report(signed_pdf, receipt, vkey)
    assert verdict.exit_code == 1
    assert f"another size of the file; expected {file['size']}; got {len(signed_pdf)}" in verdict.checks[-1].detail


def test_a_report_entry_whose_statement_is_about_something_else_fails(world, issued, signed_pdf, vkey):
    """A statement about other content speaks for nothing."""
    raw = issued.raws[6].replace(b'"anchor":"none"', b'"anchor":"some"')
    forged = replace(world, raws=(*world.raws, raw))
    verdict = verify.verify_report(signed_pdf, forged.receipt(6).to_bytes(), vkey)
    assert outcomes(verdict)["issue"] == "failed"
    assert "statement has another" in verdict.checks[-1].detail


def test_a_report_that_the_ledger_did_not_issue_fails(world, body, signed_pdf, vkey, stranger):
    """Whoever can append could record a PDF of their own as a report of the ledger."""
    own = replace(world, signer=stranger).add("report", body, sign=True)
    verdict = verify.verify_report(signed_pdf, replace(own, signer=world.signer).receipt(6).to_bytes(), vkey)
    assert (outcomes(verdict)["issue"], verdict.exit_code) == ("failed", 1)
    assert "no signature of the envelope" in verdict.checks[-1].detail


def test_a_report_entry_that_lacks_a_part_fails(world, body, signed_pdf, vkey):
    """Its file may stand in an attachment for the table of kinds; a verifier with the receipt alone cannot follow."""
    attached = Attachment("file", "application/json", b"{}")
    recorded = world.add("report", body, sign=True).raws[6]
    raw = encode(decode(recorded) | {"body": body | {"file": [], "evidence": []}})
    odd = replace(world, raws=(*world.raws, raw))
    assert outcomes(verify.verify_report(signed_pdf, odd.receipt(6).to_bytes(), vkey))["issue"] == "failed"
    spilled = world.add("report", body | {"file": {"attachment": "file"}}, sign=True, attachments=(attached,))
    assert outcomes(verify.verify_report(signed_pdf, spilled.receipt(6).to_bytes(), vkey))["issue"] == "failed"


def test_a_report_is_held_against_an_anchor(issued, signed_pdf, receipt, vkey):
    assert verify.verify_report(signed_pdf, receipt, vkey, kept(issued.checkpoint())).exit_code == 0
    assert verify.verify_report(signed_pdf, receipt, vkey, kept(other_root(issued.checkpoint()))).exit_code == 1
    assert verify.verify_report(signed_pdf, receipt, vkey, kept(issued.checkpoint(3))).exit_code == 3


# ------------------------------------------------------------------ reports in packs


def test_a_report_in_a_pack_is_verified_with_it(world, issued, signed_pdf, receipt, vkey):
    report = {"audit.pdf": signed_pdf, "receipt.tlog-proof": receipt}
    verdict = verify.verify_pack(issued.pack(report=report), vkey)
    found = outcomes(verdict)
    assert verdict.exit_code == 0
    assert [found[f"report {name}"] for name in ("pdf", "receipt", "issue", "entry")] == ["ok"] * 4
    assert verify.SEAL in verdict.not_proven


def test_a_report_in_a_pack_without_its_receipt_is_not_proven(issued, signed_pdf, vkey):
    verdict = verify.verify_pack(issued.pack(report={"audit.pdf": signed_pdf}), vkey)
    assert (verdict.integrity, outcomes(verdict)["report receipt"], verdict.exit_code) == ("ok", "unknown", 3)


def test_another_report_in_a_pack_fails(issued, other_pdf, receipt, vkey):
    report = {"audit.pdf": other_pdf, "receipt.tlog-proof": receipt}
    assert verify.verify_pack(issued.pack(report=report), vkey).exit_code == 1


def test_a_report_of_another_history_fails(world, issued, signed_pdf, vkey, body):
    """The same ledger key told two stories of one length: the pack's and the receipt's."""
    fork = replace(world, raws=world.raws[:5]).add("alert", {"source": "x", "alert": {}}).add("report", body, sign=True)
    report = {"audit.pdf": signed_pdf, "receipt.tlog-proof": fork.receipt(6).to_bytes()}
    verdict = verify.verify_pack(issued.pack(0, 1, 3, report=report), vkey)
    assert (outcomes(verdict)["report entry"], verdict.exit_code) == ("failed", 1)


# ------------------------------------------------------------------ lightness


def test_verifying_loads_nothing_heavy():
    """Neither a PDF parser nor a database nor a data frame, until a PDF is looked at."""
    code = "import sys, tallystick.proof.verify; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "pyhanko",
        "asn1crypto",
        "sqlite3",
        "sqlmodel",
        "pandas",
        "numpy",
        "pydantic",
        "asyncio",
        "logging",
        "zipfile",
    }
    assert not heavy & set(loaded)


def test_sign_note_is_what_verify_checkpoint_reads(vkey, signer):
    note = sign_note(Checkpoint(vkey.name, 1, bytes(32)).text(), vkey.name, signer)
    assert verify.verify_checkpoint(note, vkey).exit_code == 0

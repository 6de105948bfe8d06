from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tallystick.canonical import decode, encode, unb64
from tallystick.errors import InvalidInput, InvalidRecord, Malformed, Tampered
from tallystick.proof.envelope import PAYLOAD_TYPE, seal
from tallystick.proof.statement import BINDING, PREDICATES, STATEMENT_TYPE, check_statement, sign_draft
from tallystick.records import FIRST_PREV, KINDS, Attachment, Draft, Entry, Ref

TIME = "2026-03-01T09:00:00.000000Z"
LEAF = "ab" * 32


@pytest.fixture
def draft() -> Draft:
    body = {"decision": Ref(3, LEAF).value(), "seen": {}, "stage": "production", "verdict": "approve"}
    body |= {"rationale": "It passed.", "conditions": [], "independence": "I did not build it."}
    subject = ({"name": "churn", "digest": {"sha256": LEAF}},)
    return Draft("approval", "ann", TIME, body, subject=subject)


@pytest.fixture
def sign(origin, signer):
    def sign(draft: Draft, **other) -> Draft:
        words = {"ledger": origin, "signer_id": "ann", "signers": [signer], "nonce": "n1", "signed_at": TIME}
        return sign_draft(draft, **(words | other))

    return sign


def entry_of(draft: Draft) -> Entry:
    return Entry.parse(draft.seal(seq=5, prev=FIRST_PREV, recorded_at=TIME))


def payload_of(draft: Draft) -> dict:
    return decode(unb64(draft.statement["payload"]))


def test_a_signed_draft_checks_as_an_entry(draft, sign, origin, signer):
    entry = entry_of(sign(draft, speaks_of=LEAF, stage="production"))
    signed = check_statement(entry, ledger=origin, keys=[signer.public])
    assert signed.fingerprints == {signer.public.fingerprint}
    assert (signed.signer_id, signed.signed_at, signed.nonce) == ("ann", TIME, "n1")
    assert (signed.speaks_of, signed.stage) == (LEAF, "production")


def test_the_statement_is_an_in_toto_statement(draft, sign, origin):
    statement = payload_of(sign(draft, predicate={"note": "of its own type"}))
    assert statement["_type"] == STATEMENT_TYPE
    assert statement["subject"] == list(draft.subject)
    assert statement["predicateType"] == "urn:x-tallystick:approval:v1"
    assert statement["predicate"]["note"] == "of its own type"
    assert statement["predicate"][BINDING]["ledger"] == origin


def test_a_record_without_subject_is_its_own_subject(draft, sign, origin, signer):
    signed = sign(replace(draft, subject=()))
    (subject,) = payload_of(signed)["subject"]
    assert subject["name"] == "content"
    check_statement(entry_of(signed), ledger=origin, keys=[signer.public])


def test_every_kind_has_a_predicate_and_verdicts_share_the_vsa():
    assert set(PREDICATES) == set(KINDS)
    assert PREDICATES["promotion"] == PREDICATES["decision"] == "https://slsa.dev/verification_summary/v1"


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("content", {"body": {"verdict": "reject"}}),
        ("signer", {"actor": "bob"}),
        ("content", {"basis": "declared"}),
        ("content", {"attachments": (Attachment("a", "text/plain", b"x"),)}),
        ("content", {"supersedes": Ref(1, LEAF)}),
        ("subject", {"subject": ({"name": "churn", "digest": {"sha256": "cd" * 32}},)}),
        ("subject", {"subject": ()}),
    ],
)
def test_a_statement_does_not_speak_for_another_content(draft, sign, origin, signer, what, change):
    if "body" in change:
        change = {"body": {**draft.body, **change["body"]}}
    forged = replace(sign(draft), **change)
    with pytest.raises(Tampered, match=what):
        check_statement(entry_of(forged), ledger=origin, keys=[signer.public])


def test_a_statement_does_not_speak_for_another_kind(draft, sign, origin, signer):
    """An unknown kind keeps its bytes; a statement that was moved there speaks for nothing."""
    raw = entry_of(sign(draft)).raw.replace(b'"kind":"approval"', b'"kind":"aproval2"')
    with pytest.raises(Tampered, match="predicate type"):
        check_statement(Entry.parse(raw), ledger=origin, keys=[signer.public])


def test_a_statement_does_not_speak_in_another_ledger(draft, sign, signer):
    with pytest.raises(Tampered, match="ledger"):
        check_statement(entry_of(sign(draft)), ledger="other.example", keys=[signer.public])


def test_a_statement_by_a_stranger_is_refused(draft, sign, origin, signer, stranger):
    with pytest.raises(Tampered):
        check_statement(entry_of(sign(draft)), ledger=origin, keys=[stranger.public])


def test_the_times_of_the_entry_are_not_signed(draft, sign, origin, signer):
    """They are claims: the signer's own time stands in the statement."""
    later = replace(sign(draft), claimed_at="2027-01-01T00:00:00.000000Z")
    assert check_statement(entry_of(later), ledger=origin, keys=[signer.public]).signed_at == TIME


def resealed(draft: Draft, signer, change, payload_type: str = PAYLOAD_TYPE) -> Entry:
    """The entry with a statement that its signer made, but not by our rules."""
    statement = payload_of(draft)
    change(statement)
    return entry_of(draft.signed(seal(payload_type, encode(statement), [signer])))


@pytest.mark.parametrize(
    ("error", "change"),
    [
        pytest.param(Tampered, lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), id="other type"),
        pytest.param(Tampered, lambda s: s.update(predicateType=PREDICATES["waiver"]), id="other predicate"),
        pytest.param(Tampered, lambda s: s["subject"].append({"name": "x"}), id="subject more"),
        pytest.param(Tampered, lambda s: s["predicate"][BINDING].update(kind="waiver"), id="other kind"),
        pytest.param(Tampered, lambda s: s["predicate"][BINDING].update(content={"sha256": LEAF}), id="other content"),
        pytest.param(Malformed, lambda s: s.pop("predicate"), id="no predicate"),
        pytest.param(Malformed, lambda s: s["predicate"].pop(BINDING), id="no binding"),
        pytest.param(Malformed, lambda s: s["predicate"][BINDING].pop("nonce"), id="no nonce"),
        pytest.param(Malformed, lambda s: s["predicate"][BINDING].pop("content"), id="no content"),
        pytest.param(Malformed, lambda s: s["predicate"][BINDING].update(signer=1), id="signer is no text"),
        pytest.param(Malformed, lambda s: s["predicate"][BINDING].update(signed_at="today"), id="no time"),
        pytest.param(Malformed, lambda s: s["predicate"][BINDING].update(speaks_of="AB" * 32), id="no leaf hash"),
        pytest.param(Malformed, lambda s: s["predicate"][BINDING].update(stage=""), id="empty stage"),
    ],
)
def test_a_statement_that_does_not_fit_is_refused(draft, sign, origin, signer, error, change):
    entry = resealed(sign(draft), signer, change)
    with pytest.raises(error):
        check_statement(entry, ledger=origin, keys=[signer.public])


def test_an_envelope_of_another_type_is_no_statement(draft, sign, origin, signer):
    entry = resealed(sign(draft), signer, lambda _: None, payload_type="application/json")
    with pytest.raises(Tampered, match="no statement"):
        check_statement(entry, ledger=origin, keys=[signer.public])


def test_a_statement_with_a_key_twice_is_malformed(draft, sign, origin, signer):
    signed = sign(draft)
    payload = unb64(signed.statement["payload"]).replace(b'{"_type"', b'{"_type":"x","_type"')
    entry = entry_of(signed.signed(seal(PAYLOAD_TYPE, payload, [signer])))
    with pytest.raises(Malformed, match="twice"):
        check_statement(entry, ledger=origin, keys=[signer.public])


def test_an_entry_without_statement_is_malformed(origin, signer, draft, sign):
    value = json.loads(entry_of(sign(draft)).raw)
    del value["statement"]
    with pytest.raises(Malformed, match="no statement"):
        check_statement(Entry.parse(encode(value)), ledger=origin, keys=[signer.public])


def test_a_subject_without_digest_is_not_signed_and_not_believed(draft, sign, origin, signer):
    bare = replace(draft, subject=({"name": "churn"},))
    with pytest.raises(InvalidRecord, match="digest"):
        sign(bare)
    with pytest.raises(Malformed, match="digest"):
        check_statement(entry_of(replace(sign(draft), subject=bare.subject)), ledger=origin, keys=[signer.public])


def test_what_cannot_be_signed_is_refused(draft, sign):
    with pytest.raises(InvalidInput, match=BINDING):
        sign(draft, predicate={BINDING: {}})
    with pytest.raises(InvalidInput, match="signer"):
        sign(draft, signers=[])
    with pytest.raises(InvalidInput, match="nonce"):
        sign(draft, nonce="")
    with pytest.raises(InvalidRecord, match="kind"):
        sign(replace(draft, kind="rumour"))

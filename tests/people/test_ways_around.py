"""Ways around the rules that somebody with write access, but without the officer's key, could try."""

from dataclasses import replace

import pytest

from tallystick.canonical import encode
from tallystick.errors import Tampered
from tallystick.people import rules
from tallystick.people.keys import KeyRing
from tallystick.proof.keys import Signer
from tallystick.records import Draft, Entry


def copied(world, entry, **changes):
    """The same words once more: the same statement, at another place."""
    names = ("kind", "actor", "body", "basis", "subject", "supersedes", "statement")
    fields = {name: getattr(entry, name) for name in names} | {"claimed_at": world.time()} | changes
    return world.put(Draft(**fields))


def in_force(world, usecase="credit"):
    return rules.policies_in_force(
        world.book, ring=world.ring, stage="production", usecase=usecase, at="2027-01-01T00:00:00.000000Z"
    )


def published(world, signer, **changes):
    """A policy that somebody puts on the ledger under their own name."""
    model = world.policy(version="9.9.9")
    world.entries.pop()
    actor = world.actor(signer)
    return world.add("policy", {**model.body, "approver": actor, **changes}, actor=actor, by=[signer])


# ------------------------------------------------------------------------------- policies


def test_an_engineer_publishes_no_policy(world):
    policy = world.policy()
    published(world, world.engineer, plan=["easy"])
    assert in_force(world) == [policy]


def test_a_policy_with_somebody_elses_signature_is_none(world):
    policy = world.policy()
    body = {**policy.body, "version": "2.0.0", "plan": ["easy"]}
    world.add("policy", body, actor=world.actor(world.officer), by=[world.engineer])
    assert in_force(world) == [policy]


def test_a_policy_that_was_replaced_cannot_be_brought_back(world):
    lax, strict = world.policy(version="1.0.0"), world.policy(version="2.0.0")
    copied(world, lax)
    assert in_force(world) == [strict]


def test_a_policy_for_some_use_cases_governs_a_model_without_any(world):
    policy = published(world, world.officer, applies_to={"usecases": ["credit"]})
    assert in_force(world, usecase=None) == [policy]
    assert in_force(world, usecase="marketing") == []
    assert in_force(world, usecase="credit") == [policy]


def test_a_model_that_names_something_else_as_its_use_case_has_none(world):
    policy = world.policy()
    lost, named = world.model(policy), world.model(world.usecase())
    assert rules.usecase_of(world.book, lost) is None
    assert rules.usecase_of(world.book, named) == "credit"


# ------------------------------------------------------------------------------- verdicts of people


def two_officers(world):
    second = Signer.generate("ed25519")
    world.register(second, ["risk-officer"], also=[world.officer])
    return second


def test_a_refusal_cannot_be_covered_by_an_entry_that_its_author_did_not_sign(world):
    second = two_officers(world)
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy, signer=second, verdict="refused")
    approved = world.approval(model, evaluation, decision, policy)
    assert "refused by" in world.problems(model)[0]
    body = {**approved.body, "verdict": "approved"}
    world.add("approval", body, actor=world.actor(second), by=[world.engineer], speaks_of=decision, stage="production")
    assert "refused by" in world.problems(model)[0]


def test_an_approval_cannot_be_covered_either(world):
    model, policy, evaluation, decision = world.story()
    approved = world.approval(model, evaluation, decision, policy)
    world.add("approval", dict(approved.body), actor=world.actor(world.officer), by=[world.engineer])
    assert world.problems(model) == []


def test_a_word_about_another_stage_covers_no_refusal(world):
    second = two_officers(world)
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy)
    refused = world.approval(model, evaluation, decision, policy, signer=second, verdict="refused")
    body = {**refused.body, "stage": "staging", "verdict": "approved"}
    world.add("approval", body, actor=refused.actor, by=[second], speaks_of=decision, stage="staging")
    assert "refused by" in world.problems(model)[0]


# ------------------------------------------------------------------------------- keys


def test_one_key_is_not_two_people(world):
    """Else somebody could make a model under one name and approve it under the other."""
    world.register(world.engineer, ["risk-officer"], also=[world.officer], actor="p-other")
    with pytest.raises(Tampered, match="registered before, for another actor"):
        KeyRing.of(world.book)


def test_the_ledgers_own_key_is_no_persons(world):
    world.register(world.ledger, ["risk-officer"], also=[world.officer])
    with pytest.raises(Tampered, match="ledger's own"):
        KeyRing.of(world.book)


@pytest.mark.parametrize("purpose", ["report-seal", "", "checkpoint"])
def test_a_key_for_another_purpose_signs_for_nobody(world, purpose):
    other = Signer.generate("ed25519")
    honest = world.register(other, ["risk-officer"], also=[world.officer])
    world.entries.pop()
    body, by = {**honest.body, "purpose": purpose}, [other, world.officer]
    world.add("key", body, actor=honest.actor, by=by, subject=honest.subject)
    with pytest.raises(Tampered, match="purpose"):
        KeyRing.of(world.book)


def test_a_steward_registered_under_a_forged_link_registers_nobody(world):
    """An engineer cannot lift a steward's signature from one registration to another."""
    other = Signer.generate("ed25519")
    honest = world.entries[2]
    body = {**honest.body, "roles": ["risk-officer", "steward"]}
    world.put(Draft("key", honest.actor, world.time(), body, subject=honest.subject, statement=honest.statement))
    with pytest.raises(Tampered):
        KeyRing.of(world.book)
    world.entries.pop()
    world.register(other, ["risk-officer"], also=[world.engineer])
    with pytest.raises(Tampered, match="no steward signed"):
        KeyRing.of(world.book)


def test_a_statement_with_a_second_signature_speaks_for_its_actor_alone(world):
    model, policy, evaluation, decision = world.story()
    body = dict(world.approval(model, evaluation, decision, policy).body)
    world.entries.pop()
    world.add(
        "approval", body, actor=world.actor(world.engineer), by=[world.engineer, world.officer], speaks_of=decision,
        stage="production",
    )  # fmt: skip
    assert any("only a risk-officer approves" in text for text in world.problems(model))


@pytest.mark.parametrize("field", ["ledger", "kind", "nonce", "signer"])
def test_an_approval_for_another_ledger_or_kind_does_not_count(world, field):
    """The binding is signed: an engineer who changes a word of it loses the signature."""
    model, policy, evaluation, decision = world.story()
    approved = world.approval(model, evaluation, decision, policy)
    from tallystick.canonical import b64, decode, unb64

    statement = decode(unb64(approved.statement["payload"]))
    statement["predicate"]["tallystick"][field] = "other"
    forged = {**approved.statement, "payload": b64(encode(statement))}
    value = approved.value() | {"statement": forged}
    world.swap(approved.seq, replace(Entry.parse(encode(value)), statement=forged))
    assert world.problems(model)

"""Ways around the rules that somebody with write access, but without the officer's key, could try."""

from dataclasses import replace

import pytest

from tallystick.canonical import encode
from tallystick.errors import Tampered
from tallystick.people import duties, rules
from tallystick.people.keys import KeyRing
from tallystick.proof.keys import Signer
from tallystick.records import Draft, Entry, absent


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


# ------------------------------------------------------------------------------- evaluations


def judged(world, model, policy, /, **changes):
    """An evaluation written by hand, with its decision and the officer's approval."""
    honest = world.evaluation(model, policy)
    world.entries.pop()
    evaluation = world.add("evaluation", {**honest.body, **changes}, actor=world.actor(world.engineer))
    decision = world.decision(evaluation, model)
    world.approval(model, evaluation, decision, policy)
    return evaluation


def test_an_evaluation_cannot_name_another_use_case_to_leave_its_failures_behind(world):
    usecase, policy = world.usecase(), world.policy()
    first, second = world.model(usecase, version=1), world.model(usecase, version=2)
    world.evaluation(first, policy, ("pass", "fail"))
    judged(world, second, policy, usecase=absent("none"))
    assert any("another use case than its model" in problem for problem in world.problems(second))


def test_the_same_bytes_under_another_use_case_keep_their_failures(world):
    policy = world.policy()
    first = world.model(world.usecase(), version=1)
    failed = world.evaluation(first, policy, ("pass", "fail"))
    other = world.add("usecase", {**world.usecase().body, "name": "marketing"}, actor=world.actor(world.officer))
    again = world.model(other, version=1)
    judged(world, again, policy)
    assert f"evaluation in entry {failed.seq} did not pass and is not explained" in world.problems(again)


def test_an_evaluation_cannot_name_another_model_than_its_bytes(world):
    usecase, policy = world.usecase(), world.policy()
    first, second = world.model(usecase, version=1), world.model(usecase, version=2)
    judged(world, second, policy, model=first.ref.value())
    assert any("names the bytes of another model" in problem for problem in world.problems(second))


def test_a_check_that_is_answered_twice_and_one_that_is_not_are_found(world):
    usecase, policy = world.usecase(), world.policy()
    model = world.model(usecase)
    judged(world, model, policy, checks=[{"id": "a", "verdict": "pass"}, {"id": "a", "verdict": "pass"}])
    assert any("exactly the checks planned" in problem for problem in world.problems(model))


def test_a_failure_is_not_waived_by_writing_so(world):
    usecase, policy = world.usecase(), world.policy()
    model = world.model(usecase)
    checks = [{"id": "a", "verdict": "pass"}, {"id": "b", "verdict": "waived"}]
    judged(world, model, policy, checks=checks, verdict="warn")
    assert any("counts a waiver" in problem for problem in world.problems(model))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stage": "staging"}, "is for another stage"),
        ({"policy": {"digest": {"sha256": "0" * 64}}}, "names another policy"),
        ({"inputAttestations": []}, "does not name its evaluation"),
    ],
)
def test_a_decision_written_by_hand_cannot_put_words_into_the_summary_that_is_signed(world, change, words):
    usecase, policy = world.usecase(), world.policy()
    model = world.model(usecase)
    evaluation = world.evaluation(model, policy)
    honest = world.decision(evaluation, model)
    decision = world.add("decision", {**honest.body, **change}, actor=world.actor(world.engineer))
    world.approval(model, evaluation, decision, policy)
    assert any(words in problem for problem in world.problems(model))


@pytest.mark.parametrize("value", [None, 5, "x", [], ["x"], [[]], {}, {"sha256": []}, {"seq": 0, "leaf": "x"}, True])
@pytest.mark.parametrize("field", ["model", "usecase", "policy", "plan", "checks", "verdict", "earlier_explained"])
def test_an_evaluation_of_another_form_is_no_ground_and_stops_nobody(world, field, value):
    """The ledger looks at the outer form of a record only; what is inside must not bring down whoever reads it."""
    usecase, policy = world.usecase(), world.policy()
    model, later = world.model(usecase, version=1), world.model(usecase, version=2)
    evaluation = judged(world, model, policy)
    value_now = evaluation.value()
    value_now["body"][field] = value
    world.swap(evaluation.seq, Entry.parse(encode(value_now)))
    assert field == "earlier_explained" or world.problems(model)
    assert world.problems(later)
    assert field == "earlier_explained" or rules.evaluation_problems(world.book, world.entries[evaluation.seq])


@pytest.mark.parametrize("authors", [True, [], {"actors": 5}, {"actors": {"a": 1}}, {"unmapped": "many"}])
def test_a_commit_of_another_form_names_nobody(world, authors):
    honest = world.commit(world.engineer, authors=[world.officer])
    value = honest.value()
    value["body"]["authors"] = authors
    world.swap(honest.seq, Entry.parse(encode(value)))
    model = world.model(world.usecase(), world.run(world.engineer, [world.entries[honest.seq]]))
    assert set(duties.makers(world.book, model)) == {world.actor(world.engineer)}
    assert duties.unmapped_authors(world.book, model) == 0


@pytest.mark.parametrize("expires", [{"attachment": "later"}, 5, None])
def test_an_approval_that_ends_at_no_readable_time_has_ended(world, expires):
    model, policy, evaluation, decision = world.story()
    honest = world.approval(model, evaluation, decision, policy)
    value = honest.value()
    value["body"]["expires"] = expires
    flaws = rules._approval_flaws(
        world.book, world.ring, replace(honest, body=value["body"]), model=model,
        found=rules.standing(world.book, model, policy), stage="production", at=world.time(), before=None,
    )  # fmt: skip
    assert any("expired" in flaw for flaw in flaws)


# ------------------------------------------------------------------------------- promotions


def promoted(world):
    model, policy, evaluation, decision = world.story()
    approval = world.approval(model, evaluation, decision, policy)
    return model, decision, approval, world.promotion(model, decision, [approval])


def wrong(world, promotion):
    return rules.recorded_promotion_problems(world.book, world.ring, promotion)


def test_an_honest_promotion_holds(world):
    *_, promotion = promoted(world)
    assert wrong(world, promotion) == []


def test_a_promotion_cannot_be_played_again_by_somebody_who_has_no_key(world):
    *_, promotion = promoted(world)
    again = copied(world, promotion)
    assert world.ring.check(again)
    assert any(f"stood first in entry {promotion.seq}" in text for text in wrong(world, again))


def test_a_promotion_that_breaks_the_rules_makes_no_history(world):
    model, _, _, decision = world.story()
    world.promotion(model, decision)
    world.add("promotion", dict(world.entries[-1].body), actor=world.actor(world.officer), by=[world.engineer])
    assert rules.history(world.book, "credit", ring=world.ring) == []
    assert rules.incumbent(world.book, "credit", stage="production", ring=world.ring) is None
    assert len(rules.history(world.book, "credit")) == 2


def test_the_incumbent_is_the_last_whose_promotion_holds(world):
    model, policy, evaluation, decision = world.story()
    approval = world.approval(model, evaluation, decision, policy)
    honest = world.promotion(model, decision, [approval])
    world.promotion(model, decision)
    (tenure,) = rules.history(world.book, "credit", ring=world.ring)
    assert tenure.promotion == honest
    assert rules.incumbent(world.book, "credit", stage="production", ring=world.ring) == tenure
    assert rules.incumbent(world.book, "credit", stage="staging", ring=world.ring) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"decision": {"seq": 0, "leaf": "0" * 64}}, "names another decision"),
        ({"approvals": []}, "does not name the approvals"),
        ({"model_digest": "f" * 64}, "other model bytes"),
        ({"stage": "staging"}, "signed for another stage"),
        ({"effective_from": "2020-01-01T00:00:00.000000Z"}, "begins before it was decided"),
    ],
)
def test_a_promotion_whose_words_are_not_what_happened_is_found(world, change, words):
    *_, decision, _, promotion = promoted(world)
    forged = world.add(
        "promotion",
        {**promotion.body, **change},
        actor=promotion.actor,
        by=[world.engineer],
        speaks_of=decision,
        stage="production",
    )
    assert any(words in text for text in wrong(world, forged)), wrong(world, forged)


def test_a_promotion_signed_about_another_decision_is_found(world):
    _, _, approval, promotion = promoted(world)
    forged = world.add(
        "promotion", dict(promotion.body), actor=promotion.actor, by=[world.engineer], speaks_of=approval,
        stage="production",
    )  # fmt: skip
    assert any("signed about another decision" in text for text in wrong(world, forged))


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

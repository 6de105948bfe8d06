"""Who may approve and promote what: each rule holds, and each way around it is closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import NotFound, Tampered
from tallystick.people import duties, rules
from tallystick.people.keys import KeyRing
from tallystick.proof.keys import Signer
from tallystick.records import Draft


def test_a_passed_and_approved_model_may_be_promoted(world):
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy)
    assert world.problems(model) == []


def test_a_warning_does_not_stop_a_promotion(world):
    model, policy, evaluation, decision = world.story(("pass", "warn"))
    world.approval(model, evaluation, decision, policy)
    assert world.problems(model) == []


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "error", "not_evaluable", "nonsense"])
def test_any_other_verdict_stops_a_promotion(world, verdict):
    model, policy, evaluation, decision = world.story(("pass", verdict))
    world.approval(model, evaluation, decision, policy)
    assert any("the newest evaluation" in problem for problem in world.problems(model))


def test_without_an_approval_there_is_no_promotion(world):
    model, *_ = world.story()
    assert "nobody entitled has approved" in world.problems(model)[0]


def test_without_a_policy_nothing_was_checked(world):
    model = world.model(world.usecase())
    assert "nothing was checked" in world.problems(model)[0]


def test_the_recorder_of_a_run_does_not_approve_its_model(world):
    usecase, policy = world.usecase(), world.policy()
    model = world.model(usecase, world.run(world.officer))
    evaluation = world.evaluation(model, policy)
    decision = world.decision(evaluation, model)
    world.approval(model, evaluation, decision, policy)
    assert any("you made it" in problem for problem in world.problems(model))


def test_whoever_committed_to_the_code_does_not_approve(world):
    usecase, policy = world.usecase(), world.policy()
    commit = world.commit(world.engineer, authors=[world.officer])
    model = world.model(usecase, world.run(world.engineer, [commit]))
    evaluation = world.evaluation(model, policy)
    decision = world.decision(evaluation, model)
    world.approval(model, evaluation, decision, policy)
    assert "wrote code in entry" in " ".join(world.problems(model))


def test_recording_the_use_case_is_not_making_the_model(world):
    model, *_ = world.story()
    assert world.actor(world.officer) not in duties.makers(world.book, model)


def test_an_engineer_does_not_approve_even_what_another_made(world):
    second = Signer.generate("ed25519")
    world.register(second, ["engineer"], also=[world.officer])
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy, signer=second)
    assert any("only a risk-officer approves" in problem for problem in world.problems(model))


def test_an_approval_of_another_decision_does_not_count(world):
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy)
    again = world.evaluation(model, policy)
    world.decision(again, model)
    assert "nobody entitled has approved" in world.problems(model)[0]


def test_an_approval_that_saw_other_digests_does_not_count(world):
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy, seen={"model": "0" * 64})
    assert any("what the approver saw" in problem for problem in world.problems(model))


def test_an_expired_approval_does_not_count(world):
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy, expires="2026-01-01T00:00:00.000000Z")
    assert any("expired" in problem for problem in world.problems(model))


def test_an_approval_that_expired_stays_so_when_the_clock_is_set_back(world):
    model, policy, evaluation, decision = world.story()
    approval = world.approval(model, evaluation, decision, policy, expires="2026-01-02T00:00:00.000000Z")
    promotion = world.promotion(model, decision, [approval])
    assert world.problems(model) == []
    world.time = lambda: "2026-01-02T00:00:00.000000Z"
    world.usecase()
    world.time = lambda: "2026-01-01T00:02:00.000000Z"
    assert any("expired" in problem for problem in world.problems(model))
    again = world.promotion(model, decision, [approval])
    assert any("expired" in problem for problem in rules.recorded_promotion_problems(world.book, world.ring, again))
    assert rules.recorded_promotion_problems(world.book, world.ring, promotion) == [], "what stood later is not asked"


def test_an_approval_given_after_a_clock_ran_ahead_counts(world):
    """One entry with a wrong year takes away the approvals before it, and none that is given anew."""
    model, policy, evaluation, decision = world.story()
    later, world.time = world.time, lambda: "2076-01-01T00:00:00.000000Z"
    world.usecase()
    world.time = later
    world.approval(model, evaluation, decision, policy, expires="2026-01-02T00:00:00.000000Z")
    assert world.problems(model) == []


def test_a_refusal_outweighs_an_approval(world):
    second = Signer.generate("ed25519")
    world.register(second, ["risk-officer"], also=[world.officer])
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy)
    world.approval(model, evaluation, decision, policy, signer=second, verdict="refused")
    assert "refused by" in world.problems(model)[0]


def test_the_newest_word_of_a_person_counts(world):
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy, verdict="refused")
    world.approval(model, evaluation, decision, policy)
    assert world.problems(model) == []


def test_an_approval_that_was_taken_back_cannot_be_brought_back(world):
    """Whoever can append could copy the officer's signed words once more; the nonce in them says they are old."""
    model, policy, evaluation, decision = world.story()
    approved = world.approval(model, evaluation, decision, policy)
    world.approval(model, evaluation, decision, policy, verdict="refused")
    copied = Draft(
        "approval", approved.actor, world.time(), approved.body, subject=approved.subject, statement=approved.statement
    )
    again = world.put(copied)
    assert world.ring.check(again)
    assert "refused by" in world.problems(model)[0]


def test_an_earlier_failure_must_be_explained(world):
    usecase, policy = world.usecase(), world.policy()
    first, second = world.model(usecase, version=1), world.model(usecase, version=2)
    failed = world.evaluation(first, policy, ("pass", "fail"))
    evaluation = world.evaluation(second, policy)
    decision = world.decision(evaluation, second)
    world.approval(second, evaluation, decision, policy)
    assert f"evaluation in entry {failed.seq} did not pass and is not explained" in world.problems(second)
    told = world.evaluation(second, policy, explains=[failed])
    decision = world.decision(told, second)
    world.approval(second, told, decision, policy)
    assert world.problems(second) == []


def test_a_policy_published_after_the_evaluation_does_not_count(world):
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy)
    world.policy(version="2.0.0")
    assert "never evaluated under policy p 2.0.0" in world.problems(model)[0]


def test_other_checks_than_planned_are_found(world):
    model, policy, evaluation, decision = world.story(ids=["a", "c"])
    world.approval(model, evaluation, decision, policy)
    assert any("exactly the checks planned" in problem for problem in world.problems(model))


def test_a_verdict_that_the_checks_do_not_give_is_found(world):
    model, policy, evaluation, decision = world.story(("pass", "fail"), verdict="pass")
    world.approval(model, evaluation, decision, policy)
    assert any("does not follow from its checks" in problem for problem in world.problems(model))


def test_a_decision_that_says_other_than_its_evaluation_is_found(world):
    usecase, policy = world.usecase(), world.policy()
    model = world.model(usecase)
    evaluation = world.evaluation(model, policy, ("pass", "fail"))
    decision = world.decision(evaluation, model, verdict="pass")
    world.approval(model, evaluation, decision, policy)
    assert any("says other than its evaluation" in problem for problem in world.problems(model))


def test_an_evaluation_of_rows_that_nobody_recorded_is_no_ground(world):
    model, policy, evaluation, decision = world.story(on_record=False)
    world.approval(model, evaluation, decision, policy)
    assert any("names no recorded test set" in problem for problem in world.problems(model))


def test_a_recorded_promotion_is_judged_by_what_stood_before_it(world):
    model, policy, evaluation, decision = world.story()
    promotion = world.promotion(model, decision)
    approval = world.approval(model, evaluation, decision, policy)
    assert rules.recorded_promotion_problems(world.book, world.ring, promotion)
    later = world.promotion(model, decision, [approval])
    assert rules.recorded_promotion_problems(world.book, world.ring, later) == []


def test_history_knows_which_version_was_in_production_when(world):
    usecase, policy = world.usecase(), world.policy()
    first, second = world.model(usecase, version=1), world.model(usecase, version=2)
    assert rules.history(world.book, "credit") == []
    for model in (first, second, first):
        evaluation = world.evaluation(model, policy)
        world.promotion(model, world.decision(evaluation, model))
    tenures = rules.history(world.book, "credit")
    assert [t.model.body["version"] for t in tenures] == [1, 2, 1]
    assert tenures[0].until == tenures[1].since
    assert tenures[-1].until is None
    (then,) = rules.history(world.book, "credit", as_of=tenures[1].since)
    assert then.model.body["version"] == 2
    assert rules.history(world.book, "credit", as_of="2020-01-01T00:00:00.000000Z") == []


VERDICTS = (*rules.MEASURED, "not_applicable", "not_evaluable", "error", "other")


@given(st.lists(st.sampled_from(VERDICTS)))
def test_an_evaluation_is_green_only_if_something_was_measured_and_nothing_failed(verdicts):
    green = rules.rolled_up(verdicts) in rules.GREEN
    bad = {"fail", "inconclusive", "error", "not_evaluable", "other"}
    assert green == (not bad & set(verdicts) and bool(rules.MEASURED & set(verdicts)))


def test_a_policy_counts_from_the_time_it_is_in_force(world):
    model, policy, evaluation, decision = world.story()
    world.approval(model, evaluation, decision, policy)
    world.policy(version="2.0.0", effective_from="2099-01-01T00:00:00.000000Z")
    assert world.problems(model) == []


# ------------------------------------------------------------------------------- keys


def test_an_engineer_cannot_make_an_approver(world):
    world.register(Signer.generate("ed25519"), ["risk-officer"], also=[world.engineer])
    with pytest.raises(Tampered, match="no steward signed"):
        KeyRing.of(world.book)


def test_the_ledger_key_cannot_make_an_approver(world):
    world.register(Signer.generate("ed25519"), ["risk-officer"], also=[world.ledger])
    with pytest.raises(Tampered, match="no steward signed"):
        KeyRing.of(world.book)


def test_a_key_is_not_registered_for_somebody_who_has_one(world):
    world.register(
        Signer.generate("ed25519"), ["risk-officer"], also=[world.officer], actor=world.actor(world.engineer)
    )
    with pytest.raises(Tampered, match="has one"):
        KeyRing.of(world.book)


def test_an_entry_signed_by_another_person_is_found(world):
    model, policy, evaluation, decision = world.story()
    entry = world.add(
        "approval",
        dict(world.approval(model, evaluation, decision, policy).body),
        actor=world.actor(world.officer),
        by=[world.engineer],
        subject=({"name": "x", "digest": {"sha256": model.body["digest"]}},),
    )
    with pytest.raises(Tampered):
        world.ring.check(entry)


def test_a_key_says_nothing_about_entries_before_its_registration(world):
    late = Signer.generate("ed25519")
    model, policy, evaluation, decision = world.story()
    entry = world.approval(model, evaluation, decision, policy, signer=late)
    world.register(late, ["risk-officer"], also=[world.officer])
    with pytest.raises(Tampered, match="nobody who had a key"):
        world.ring.check(entry)


# ------------------------------------------------------------------------------- the book


def test_an_index_with_another_leaf_is_another_entry(world):
    other = {"seq": 1, "leaf": "0" * 64}
    with pytest.raises(Tampered):
        world.book.get(other)
    with pytest.raises(NotFound):
        world.book.get({"seq": 99, "leaf": "0" * 64})


def test_an_unknown_model_is_named_with_those_there_are(world):
    world.story()
    with pytest.raises(NotFound, match="one of credit"):
        world.book.model("loan")
    with pytest.raises(NotFound, match="one of the versions"):
        world.book.model("credit", 7)

"""An engineer with write access to the ledger and their own key, who goes past the command line."""

from pathlib import Path

import pytest

from tallystick.records import Draft
from tallystick.workflow.desk import Desk


@pytest.fixture
def desk(bank):
    with Desk.open(Path(bank.ledger), writing=True) as desk:
        yield desk


def appended(desk, draft, *, by=None, **about):
    with desk.writing() as writer:
        return writer.append(draft if by is None else desk.sign(draft, by=[desk.signer(by)], **about)).entry


def promoted_without_approval(desk):
    """A promotion that the engineer signs, although nobody approved."""
    book = desk.book()
    model = book.model("credit", 2)
    decision = book.of_kind("decision")[-1]
    body = {
        "model": model.ref.value(),
        "model_digest": model.body["digest"],
        "stage": "production",
        "decision": decision.ref.value(),
        "approvals": [],
        "waivers": [],
        "replaces": {"absent": "first in this stage"},
        "effective_from": desk.clock(),
    }
    subject = ({"name": "credit@2", "digest": {"sha256": model.body["digest"]}},)
    draft = Draft("promotion", desk.actor("engineer"), desk.clock(), body, basis="declared", subject=subject)
    return appended(desk, draft, by="engineer", speaks_of=decision, stage="production")


def test_a_promotion_recorded_past_the_rules_is_found_everywhere(bank, desk):
    entry = promoted_without_approval(desk)
    code, out, _ = bank("ledger", "fsck", "--key", ".tallystick/ledger.vkey")
    assert code == 1
    assert f"entry {entry.seq}: this promotion breaks the rules" in out
    assert "no version of credit was in production" in bank.ok("history", "credit")
    bank.ok("pack", "credit@2", "-o", "evidence.zip")
    code, out, _ = bank("verify", "evidence.zip", "--key", ".tallystick/ledger.vkey")
    assert code == 1
    assert "nobody entitled has approved" in out


def test_a_report_is_not_issued_over_what_does_not_hold(bank, desk):
    entry = promoted_without_approval(desk)
    code, _, err = bank("report", "credit@2", "-o", "audit.pdf")
    assert code == 1
    assert f"entry {entry.seq}" in err
    assert not Path("audit.pdf").exists()


def test_an_engineers_own_policy_is_found_and_governs_nothing(bank, desk):
    honest = desk.book().of_kind("policy")[0]
    actor = desk.actor("engineer")
    body = {**honest.body, "version": "2.0.0", "approver": actor, "plan": ["bench.accuracy/accuracy"]}
    entry = appended(desk, Draft("policy", actor, desk.clock(), body, subject=honest.subject), by="engineer")
    assert bank.ok("policy", "list").count("german") == 1
    code, out, _ = bank("ledger", "fsck")
    assert code == 1
    assert f"entry {entry.seq}: signature of this policy does not hold" in out
    bank.ok("approve", "credit@2", "--rationale", "r", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")


def test_a_promotion_that_is_played_again_is_found(bank, desk):
    bank.ok("approve", "credit@2", "--rationale", "r", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")
    entry = desk.book().of_kind("promotion")[-1]
    words = Draft(
        "promotion", entry.actor, desk.clock(), entry.body, entry.basis, entry.subject, statement=entry.statement
    )
    again = appended(desk, words)
    code, out, _ = bank("ledger", "fsck")
    assert code == 1
    assert f"entry {again.seq}" in out
    assert f"stood first in entry {entry.seq}" in out
    assert len(bank.ok("history", "credit").splitlines()) == 2

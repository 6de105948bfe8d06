"""A policy that came after its data were first scored, and every look at a test set, are told wherever results are."""

import json
from pathlib import Path

import _outside as outside
import pytest

GATE = ["gate", "run", "credit@2", "--predictions", "fair.csv", "--dataset", "german", "--as", "engineer"]


def newest(bank):
    return json.loads(bank.ok("log", "--format", "json", "--kind", "evaluation"))[-1]


def publish(bank, version="1.1.0", **changes):
    text = Path("policy.yaml").read_text().replace("version: 1.0.0", f"version: {version}")
    for old, new in changes.items():
        text = text.replace(old, new)
    Path("later.yaml").write_text(text)
    bank.ok("policy", "publish", "later.yaml", "--as", "officer")


def test_a_policy_that_came_first_is_not_marked(bank):
    for entry in json.loads(bank.ok("log", "--format", "json", "--kind", "evaluation")):
        assert "scored_before_policy" not in entry["body"]


def test_a_policy_that_came_after_the_data_were_scored_is_marked_in_the_entry_and_in_every_output(bank):
    first = json.loads(bank.ok("log", "--format", "json", "--kind", "evaluation"))[0]
    publish(bank)
    Path("out").mkdir()
    forms = ("table", "json", "junit", "sarif", "github", "markdown", "tap")
    bank.ok(*GATE, *(word for form in forms for word in ("-o", f"{form}=out/{form}")))
    marked = newest(bank)["body"]["scored_before_policy"]["evaluation"]
    assert marked["seq"] == first["seq"]
    for form in forms[2:] + forms[:1]:
        text = " ".join(Path(f"out/{form}").read_text().replace("\\", "").split())
        assert "after this test set was first scored" in text, form
    assert json.loads(Path("out/json").read_text())["scored_before_policy"] == first["seq"]
    outside.check(bank.ledger)


def test_other_data_do_not_mark_it(bank):
    publish(bank)
    rows = Path("german.csv").read_text()
    Path("other.csv").write_text(rows.replace("A11", "A12", 1))
    bank.ok("record", "dataset", "other.csv", "--name", "other", "--role", "test", "--as", "engineer")
    bank.ok(*[word if word != "german" else "other" for word in GATE])
    assert "scored_before_policy" not in newest(bank)["body"]
    bank.ok(*GATE)
    assert "scored_before_policy" in newest(bank)["body"]


def test_another_model_of_another_use_case_marks_it_as_well(bank):
    """A hundred models against one test set are a hundred looks at it, whoever owns them."""
    usecase = Path("usecase.yaml").read_text().replace("name: credit", "name: cards")
    Path("cards.yaml").write_text(usecase)
    bank.ok("usecase", "cards.yaml", "--as", "officer")
    Path("m3.bin").write_bytes(b"model three")
    bank.ok("record", "model", "m3.bin", "--name", "cards", "--usecase", "cards", "--as", "engineer")
    publish(bank)
    out = bank.ok(*[word if word != "credit@2" else "cards" for word in GATE])
    body = newest(bank)["body"]
    assert body["attempt"] == {"usecase": 1, "data": 3}
    assert "scored_before_policy" in body
    assert "look number 3 at this test set" in " ".join(out.split())


@pytest.mark.parametrize("late", [False, True])
def test_the_report_says_which_came_first(bank, late):
    if late:
        publish(bank)
        bank.ok(*GATE)
    bank("report", "credit@2", "-o", "audit.pdf")
    page = " ".join(Path("audit.html").read_text().split())
    assert ("was published after its data were first scored" in page) == late
    assert ("before these data were first scored" in page) == (not late)


def test_an_evaluation_under_a_late_policy_is_still_ground_for_an_approval(bank):
    publish(bank)
    bank.ok(*GATE)
    bank.ok("approve", "credit@2", "--rationale", "the change had its reasons", "--as", "officer")
    bank.ok("promote", "credit@2", "--explain", "the first was unfair", "--as", "engineer")
    outside.check(bank.ledger)

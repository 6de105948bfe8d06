"""``gate replay`` and ``policy diff``: a recorded evaluation computed again, under its own policy and under another."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "v1"


def evaluations(bank):
    return [entry["seq"] for entry in json.loads(bank.ok("log", "--format", "json", "--kind", "evaluation"))]


def replayed(bank, *words):
    code, out, err = bank("gate", "replay", *map(str, words), "--format", "json")
    assert err == ""
    return code, json.loads(out)


def test_every_recorded_evaluation_agrees_and_says_what_was_computed_again(bank):
    for seq in evaluations(bank):
        code, found = replayed(bank, seq)
        assert (code, found["agrees"], found["problems"]) == (0, True, [])
        how = {check["id"]: check["how"] for check in found["checks"]}
        assert how["bias.sex/sex/demographic_parity_ratio"] == "counts"
        assert how["bench.accuracy/accuracy"] == "counts"
        assert how["schema.core/age.range"] == "counts"


def test_a_decision_stands_for_its_evaluation(bank):
    (first, _) = evaluations(bank)
    assert replayed(bank, first + 1)[1]["evaluation"] == first
    assert "AGREES: 6 of 6 checks" in " ".join(bank.ok("gate", "replay", str(first)).split())


def test_evaluations_of_the_first_ledgers_agree(bank):
    """Recorded before there was any of this; every number and every word must come out again."""
    shutil.copy(GOLDEN / "ledger.db", "golden.db")
    found = json.loads(bank.ok("log", "--ledger", "golden.db", "--format", "json", "--kind", "evaluation"))
    assert found
    for entry in found:
        assert "AGREES" in bank.ok("gate", "replay", str(entry["seq"]), "--ledger", "golden.db")


def test_a_pack_is_enough(bank, tmp_path):
    (_, second) = evaluations(bank)
    bank.ok("pack", "credit@2", "-o", "evidence.zip")
    shutil.copy(".tallystick/ledger.vkey", "ledger.vkey")
    shutil.rmtree(".tallystick")
    assert "AGREES" in bank.ok("gate", "replay", str(second), "--pack", "evidence.zip", "--key", "ledger.vkey")
    shutil.copy(GOLDEN / "evidence.zip", "golden.zip")
    code, _, err = bank("gate", "replay", str(second), "--pack", "golden.zip", "--key", "ledger.vkey")
    assert (code, len(err.splitlines())) == (1, 1)  # a file that does not hold under this key
    code, _, _ = bank("gate", "replay", str(second), "--pack", "golden.zip")
    assert code == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["0"], 3, "kind ledger"),
        (["999"], 3, "no entry"),
        (["-1"], 2, "No such option"),
        (["٣"], 2, "not the number of an entry"),
        (["7", "--key", "x"], 2, "a key opens a pack"),
        (["7", "--pack", "nowhere.zip", "--key", ".tallystick/ledger.vkey"], 3, "nowhere.zip"),
        (["7", "--pack", "fair.csv", "--key", ".tallystick/ledger.vkey"], 1, "tallystick: "),
    ],
)
def test_what_cannot_be_replayed_is_said_in_one_line(bank, words, code, said):
    got, out, err = bank("gate", "replay", *words)
    assert (got, out) == (code, "")
    assert said in err
    assert len(err.splitlines()) == 1


def test_erased_counts_are_no_answer(bank):
    (first, _) = evaluations(bank)
    with sqlite3.connect(bank.ledger) as db:
        triggers = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            db.execute(f'DROP TRIGGER "{name}"')
        gone = db.execute("DELETE FROM side_values WHERE name = 'counts.json' AND seq = ?", (first,)).rowcount
        assert gone
    db.close()
    code, out, err = bank("gate", "replay", str(first))
    assert (code, out) == (3, "")
    assert "the counts are erased" in err


def record(bank, change):
    """Another evaluation, by hand, like the first but for what ``change`` does: appending checks no such thing."""
    from tallystick.canonical import decode, encode
    from tallystick.records import Attachment, Draft
    from tallystick.workflow.desk import Desk

    with Desk.open(bank.ledger, keys=Path(".tallystick/keys"), writing=True) as desk:
        book = desk.book()
        first = book.of_kind("evaluation")[0]
        body, counts = decode(encode(dict(first.body))), decode(book.part(first, "counts.json"))
        change(body, counts)
        with desk.writing() as writer:
            attached = Attachment.erasable("counts.json", "application/json", encode(counts))
            draft = Draft("evaluation", first.actor, desk.clock(), body, subject=first.subject, attachments=(attached,))
            return writer.append(draft).entry.seq


def _check(body, id):
    return next(check for check in body["checks"] if check["id"].endswith(id))


def greener(body, _):
    body["verdict"] = "pass"
    _check(body, "demographic_parity_ratio")["verdict"] = "pass"


def another_value(body, _):
    _check(body, "accuracy")["value"] = 0.99


def another_word(body, _):
    _check(body, "accuracy")["reason"] = "all is well"


def fewer_checks(body, _):
    body["checks"].pop()


def beyond_its_threshold(body, evidence):
    """As evaluations were recorded before schema gates tallied."""
    del evidence["tallies"]
    for check in body["checks"]:
        if check["type"] == "schema":
            check["replay"] = "threshold-only"
    _check(body, "age.range")["value"] = 0.5


def another_tally(_, evidence):
    evidence["tallies"]["data"]["tallies"][0]["missed"] = 1


def no_tallies(_, evidence):
    del evidence["tallies"]


def another_seed(body, _):
    body["seed"] = "0" * 16


def other_counts(_, evidence):
    cells = evidence["sources"]["data"]["tables"][0]["cells"]
    cells[0][-1], cells[1][-1] = cells[1][-1], cells[0][-1]


def another_roll_up(body, _):
    body["verdict"] = "warn"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (greener, "demographic_parity_ratio: verdict differs: recorded"),
        (another_value, "accuracy: value differs: recorded 0.99"),
        (another_word, "accuracy: reason differs"),
        (fewer_checks, "nothing was recorded of it"),
        (beyond_its_threshold, "age.range: recorded pass, and its value gives fail"),
        (another_tally, "age.dtype: reason differs"),
        (no_tallies, "age.dtype: recorded as computed from counts, and it is not"),
        (another_seed, "the seed is not that of this policy"),
        (other_counts, "differs"),
        (another_roll_up, "does not follow from its checks"),
    ],
)
def test_whatever_was_recorded_otherwise_than_the_counts_say_is_found(bank, change, said):
    seq = record(bank, change)
    code, out, _ = bank("gate", "replay", str(seq))
    assert code == 1
    assert said in " ".join(out.split())
    assert "DIFFERS" in out


def test_an_evaluation_recorded_as_it_was_agrees(bank):
    """The counter-proof of the test above: the recording by hand is not what differs."""
    assert replayed(bank, record(bank, lambda *_: None))[0] == 0


# --- between two policies -------------------------------------------------------------------------------------------


def changed(*pairs, name="b.yaml"):
    text = Path("policy.yaml").read_text().replace("version: 1.0.0", "version: 1.1.0")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    Path(name).write_text(text)
    return name


def test_the_same_policy_says_the_same(bank):
    Path("c.yaml").write_text("# with a comment\n" + Path("policy.yaml").read_text())
    assert "nothing: both say the same" in bank.ok("policy", "diff", "policy.yaml", "c.yaml")
    assert "nothing: both say the same" in bank.ok("policy", "diff", "policy.yaml", "german@1.0.0")


def test_a_threshold_that_moved_is_told_and_so_is_the_verdict_that_it_would_have_given(bank):
    first, second = evaluations(bank)
    out = bank.ok("policy", "diff", "german", changed(('"< 0.80"', '"< 0.995"')), "--on", str(second))
    assert "STRICTER bias.sex/demographic_parity_ratio: fails if < 0.995 (was < 0.80)" in out
    assert "under A (german 1.0.0): pass" in out
    assert "under B (german 1.1.0): fail" in out
    looser = changed(('fail_if: "< 0.80"', 'warn_if: "< 0.80"'))
    out = bank.ok("policy", "diff", "german", looser, "--on", str(first))
    assert "LOOSER bias.sex/demographic_parity_ratio: no longer fails if < 0.80" in out
    assert "under A (german 1.0.0): fail" in out
    assert "under B (german 1.1.0): warn" in out
    assert replayed(bank, first)[0] == 0  # nothing was recorded


def test_what_would_need_the_data_is_said(bank):
    (_, second) = evaluations(bank)
    b = changed(("[18, 100]", "[21, 100]"), ("sensitive: [sex]", "sensitive: [sex, [sex, purpose]]"))
    code, out, _ = bank("policy", "diff", "german", b, "--on", str(second), "--format", "json")
    assert code == 0
    (then, now) = json.loads(out)["on"]["supposed"]
    assert then["verdict"] == "pass"
    assert now["verdict"] is None
    untold = {check["id"] for check in now["checks"] if check["verdict"] is None}
    assert "schema.core/age.range" in untold
    assert "schema.core/age.dtype" not in untold
    assert "bias.sex/sex+purpose/demographic_parity_ratio" in untold
    out = " ".join(bank.ok("policy", "diff", "german", b, "--on", str(second)).split())
    assert "cannot be told" in out
    assert "ADDED bias.sex/sex+purpose/demographic_parity_ratio: asked anew" in out
    assert "CHANGED gates/schema.core/columns/age/range: [21,100] (was [18,100])" in out


def test_a_failure_is_told_even_if_the_rest_cannot_be(bank):
    (first, _) = evaluations(bank)
    b = changed(("[18, 100]", "[21, 100]"))
    out = bank.ok("policy", "diff", "german", b, "--on", str(first))
    assert "under B (german 1.1.0): fail" in out


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("rows: {min: 500}", "rows: {min: 400}"), "CHANGED gates/schema.core/rows/min: 400 (was 500)"),
        (('fail_if: "< 0.60"', 'fail_if: "<= 0.60"'), "STRICTER bench.accuracy/accuracy: fails if <= 0.60"),
        (('fail_if: "< 0.60"', 'warn_if: "< 0.60"'), "LOOSER bench.accuracy/accuracy: no longer fails if < 0.60"),
        (("{name: accuracy,", "{name: precision,"), "REMOVED bench.accuracy/accuracy: no longer asked"),
        (("id: bench.accuracy", "id: bench.other"), "ADDED bench.other/accuracy: asked anew"),
        (("stage: production", "stage: staging"), "CHANGED applies_to/stage: staging (was production)"),
        (("favourable: 1", "favourable: 0"), "CHANGED inputs/columns/favourable: 0 (was 1)"),
        (("decision: point", "decision: confident"), "CHANGED gates/bias.sex/decision: confident (was point)"),
    ],
)
def test_every_change_is_named(bank, pair, said):
    assert said in " ".join(bank.ok("policy", "diff", "policy.yaml", changed(pair)).split())


def test_a_changed_order_of_gates_is_one_line(bank):
    head, _, gates = Path("policy.yaml").read_text().partition("gates:\n")
    first, *others = gates.split("  - id: ")[1:]
    Path("b.yaml").write_text(head + "gates:\n" + "".join(f"  - id: {gate}" for gate in (*others, first)))
    out = bank.ok("policy", "diff", "policy.yaml", "b.yaml")
    assert out.splitlines()[2:] == ["CHANGED gates: the same gates, metrics and columns stand in another order"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["german", "nothing"], 3, "german@1.0.0"),
        (["german@9.9.9", "policy.yaml"], 3, "no such policy is published"),
        (["policy.yaml", "nowhere.yaml"], 3, "nowhere.yaml"),
        (["policy.yaml", "policy.yaml", "--on", "x"], 2, "not the number"),
        (["policy.yaml", "policy.yaml", "--on", "1"], 3, "no evaluation there"),
    ],
)
def test_policies_that_are_not_there_are_said_in_one_line(bank, words, code, said):
    got, out, err = bank("policy", "diff", *words)
    assert (got, out) == (code, "")
    assert said in err
    assert len(err.splitlines()) == 1

"""What a command reads of a ledger, and what it makes of a ledger whose indexes were tampered with."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tallystick.records import Draft, Entry
from tallystick.workflow import issue
from tallystick.workflow.desk import Desk

GATE = ("gate", "run", "credit@2", "--predictions", "fair.csv", "--dataset", "german", "--as", "engineer")


def sound(bank):
    assert "sound" in bank.ok("ledger", "fsck", "--key", ".tallystick/ledger.vkey")


# ------------------------------------------------------------------------------- how much is read


@pytest.fixture
def crowded(bank):
    """The bank's ledger with 3,000 documents that have nothing to do with anything."""
    with Desk.open(bank.ledger, keys=bank.ledger.parent / "keys", writing=True) as desk, desk.writing() as writer:
        for number in range(3000):
            body = {"title": f"minutes {number}", "type": "note", "digest": f"{number:064x}"}
            writer.append(Draft("document", "tester", desk.clock(), body))
    return bank


@pytest.fixture
def read(monkeypatch):
    """Counts, by index, how often an entry's bytes were parsed; nothing is replaced."""
    counted = Counter()
    parse = Entry.parse.__func__

    def counting(cls, raw):
        entry = parse(cls, raw)
        counted[entry.seq] += 1
        return entry

    monkeypatch.setattr(Entry, "parse", classmethod(counting))
    return counted


COMMANDS = [
    ("record", "document", "usecase.yaml", "--title", "t", "--as", "engineer"),
    ("record", "params", "params.json", "--as", "engineer"),
    ("record", "model", "m3.bin", "--name", "credit", "--usecase", "credit", "--as", "engineer"),
    ("record", "metrics", "params.json", "--model", "credit@2", "--dataset", "german", "--as", "engineer"),
    ("usecase", "usecase.yaml", "--as", "officer"),
    ("key", "new", "second", "--role", "risk-officer", "--by", "officer"),
    ("policy", "publish", "policy.yaml", "--as", "officer"),
    GATE,
    ("approve", "credit@2", "--rationale", "r", "--as", "officer"),
    ("promote", "credit@2", "--as", "engineer"),
    ("show", "credit@2"),
    ("show", "3"),
    ("history", "credit"),
    ("log", "-n", "20"),
    ("log", "--kind", "model"),
    ("log", "--kind", "model", "-n", "1"),
    ("policy", "list"),
    ("policy", "show", "german"),
    ("key", "list"),
    ("pack", "credit@2", "-o", "evidence.zip"),
]


def test_no_command_reads_entries_that_have_nothing_to_do_with_it(crowded, read):
    Path("params.json").write_text('{"auc": 0.7}')
    Path("m3.bin").write_bytes(b"model three")
    for words in COMMANDS:
        read.clear()
        crowded.ok(*words)
        assert 0 < len(read) < 100, (words, len(read))
        assert read.total() < 300, (words, read.total())
    read.clear()
    with Desk.open(crowded.ledger, keys=crowded.ledger.parent / "keys", writing=False) as desk:
        drawn = issue.draw(desk, ("credit", 2))
    assert drawn.view.carried
    assert 0 < len(read) < 100
    sound(crowded)


def test_a_training_run_reads_no_more_than_its_inputs(crowded, read):
    import tallystick

    Path("m.bin").write_bytes(b"a model")
    with tallystick.run("r", usecase="credit", actor="engineer", code=None) as run:
        run.params({"C": 1.0})
        run.model("m.bin", name="credit")
    assert 0 < len(read) < 100
    sound(crowded)


def test_the_log_of_a_long_ledger_comes_page_by_page(crowded):
    everything = json.loads(crowded.ok("log", "--format", "json"))
    assert len(everything) > 3000
    assert json.loads(crowded.ok("log", "-n", "7", "--format", "json")) == everything[-7:]
    assert json.loads(crowded.ok("log", "-n", "7", "--before", "20", "--format", "json")) == everything[13:20]
    assert json.loads(crowded.ok("log", "--before", "3", "--format", "json")) == everything[:3]
    models = [entry for entry in everything if entry["kind"] == "model"]
    assert json.loads(crowded.ok("log", "--kind", "model", "-n", "1", "--format", "json")) == models[-1:]
    assert json.loads(crowded.ok("log", "--kind", "alert", "--format", "json")) == []
    rows = crowded.ok("log").splitlines()
    assert len(rows) == 1 + len(everything)
    assert rows[0].split() == ["entry", "recorded", "kind", "actor", "says"]
    assert rows[-1].split()[0] == str(everything[-1]["seq"])
    for words in (("-n", "0"), ("-n", "-3"), ("--before", "-1")):
        assert crowded("log", *words)[0] == 2


# ------------------------------------------------------------------------------- indexes that lie


def behind(bank, statement, *values):
    """Change the file as whoever can write it can: without the ledger, its guards put back."""
    with closing(sqlite3.connect(bank.ledger)) as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f'DROP TRIGGER "{name}"')
        assert database.execute(statement, values).rowcount > 0
        for _, text in triggers:
            database.execute(text)
        database.commit()


def test_without_the_index_of_references_the_rules_say_the_same(bank):
    """A maker who approves, a refusal, a failure: the bytes decide, not the rows beside them."""
    bank.ok("record", "model", "m2.bin", "--name", "other", "--usecase", "credit", "--as", "officer")
    bank.ok(*GATE[:2], "other@1", *GATE[3:])
    before = [bank("approve", "other@1", "--rationale", "r", "--as", "officer")]
    bank.ok("approve", "credit@2", "--rationale", "no", "--refuse", "--as", "officer")
    before += [bank("promote", name, "--as", "engineer") for name in ("credit@2", "credit@1", "other@1")]
    behind(bank, "DELETE FROM links")
    after = [bank("approve", "other@1", "--rationale", "r", "--as", "officer")]
    after += [bank("promote", name, "--as", "engineer") for name in ("credit@2", "credit@1", "other@1")]
    assert after == before
    assert [code for code, _, _ in after] == [1, 1, 1, 1]
    words = ["you made it", "refused by", "says fail", "you made it"]
    for (_, _, err), word in zip(after, words, strict=True):
        assert word in err
    assert bank("ledger", "fsck")[0] == 1


def test_an_unexplained_failure_stays_one_without_the_index_of_references(bank):
    Path("again.bin").write_bytes(b"model four")
    bank.ok("record", "model", "again.bin", "--name", "again", "--usecase", "credit", "--as", "engineer")
    assert (
        bank("gate", "run", "again", "--predictions", "unfair.csv", "--dataset", "german", "--as", "engineer")[0] == 1
    )
    bank.ok(*GATE)
    bank.ok("approve", "credit@2", "--rationale", "r", "--as", "officer")
    failed = json.loads(bank.ok("log", "--kind", "evaluation", "--format", "json"))[-2]["seq"]
    behind(bank, "DELETE FROM links WHERE seq = ?", failed)
    code, _, err = bank("promote", "credit@2", "--as", "engineer")
    assert code == 1
    assert f"evaluation in entry {failed} did not pass and is not explained" in err


def test_a_pack_holds_the_failures_and_refusals_that_lost_their_rows(bank):
    bank.ok("approve", "credit@2", "--rationale", "no", "--refuse", "--as", "officer")
    bank.ok("pack", "credit@2", "-o", "before.zip")
    behind(bank, "DELETE FROM links")
    told = bank.ok("pack", "credit@2", "-o", "after.zip")
    assert told == bank.ok("pack", "credit@2", "-o", "before.zip", "--force").replace("before.zip", "after.zip")
    bank.ok("verify", "after.zip", "--key", ".tallystick/ledger.vkey")


def test_what_a_lying_index_of_kinds_let_pass_is_found_by_its_bytes(bank):
    """Hidden from its kind, a failure is missed while it is hidden; fsck judges the promotion by all bytes."""
    bank.ok(*GATE)
    bank.ok("approve", "credit@2", "--rationale", "r", "--as", "officer")
    Path("again.bin").write_bytes(b"model four")
    bank.ok("record", "model", "again.bin", "--name", "again", "--usecase", "credit", "--as", "engineer")
    assert (
        bank("gate", "run", "again", "--predictions", "unfair.csv", "--dataset", "german", "--as", "engineer")[0] == 1
    )
    bank.ok("gate", "run", "again", "--predictions", "fair.csv", "--dataset", "german", "--as", "engineer")
    bank.ok("approve", "again", "--rationale", "r", "--as", "officer")
    failed = json.loads(bank.ok("log", "--kind", "evaluation", "--format", "json"))[-2]["seq"]
    assert f"entry {failed} did not pass" in bank("promote", "again", "--as", "engineer")[2]
    behind(bank, "UPDATE entries SET kind = 'document' WHERE seq = ?", failed)
    promotion = json.loads(bank.ok("promote", "again", "--as", "engineer", "--format", "json"))["entry"]
    code, out, _ = bank("ledger", "fsck")
    assert code == 1
    assert f"entry {failed}" in out
    behind(bank, "UPDATE entries SET kind = 'evaluation' WHERE seq = ?", failed)
    code, out, _ = bank("ledger", "fsck")
    assert code == 1
    assert f"entry {promotion}: this promotion breaks the rules" in out
    assert f"evaluation in entry {failed} did not pass and is not explained" in out

"""Evaluations of build jobs, which hold no key of the ledger: handed in, computed again, recorded, or refused."""

import json
import math
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import tallystick
from tallystick.canonical import decode, encode, time_text
from tallystick.errors import InvalidData
from tallystick.ledger import inbox
from tallystick.policy import judge, results
from tallystick.records import Attachment, Draft
from tallystick.workflow import desk, evaluate, facts, submit

ENVIRON = os.environ | {"PYTHONPATH": str(Path(tallystick.__file__).parents[1])}
HAND_IN = "gate run credit@2 --predictions fair.csv --dataset german --as engineer --submit --wait 0"


@pytest.fixture
def bank(bank_here):
    """With an inbox; the ledger's key lies where a build job does not find it."""
    bank_here.ok("ledger", "receive")
    return bank_here


@pytest.fixture
def key(bank):
    """The ledger's private key, which is away but while the block lasts."""
    path = bank.folder / ".tallystick" / "keys" / "ledger.pem"
    away = path.with_name("away")
    path.rename(away)

    class Held:
        def __enter__(self):
            away.rename(path)

        def __exit__(self, *_):
            path.rename(away)

    return Held()


def waiting(bank):
    return sorted((bank.folder / ".tallystick" / "ledger.db.inbox").glob("*.submission"))


def handed_in(bank):
    code, _, err = bank(*HAND_IN.split())
    assert code == 3
    assert "nobody recorded the submission" in err
    return waiting(bank)[-1]


def received(bank, key):
    with key:
        return bank.ok("ledger", "receive")


def size(bank):
    return len(json.loads(bank.ok("log", "--format", "json")))


def test_a_job_without_the_key_hands_in_and_the_ledgers_process_records(bank, key):
    before = size(bank)
    handed_in(bank)
    assert size(bank) == before, "nothing is recorded by handing in"
    assert f"of uid {os.getuid()}: recorded in entry {before}" in received(bank, key)
    assert not waiting(bank)
    entry = json.loads(bank.ok("show", str(before), "--format", "json"))
    assert entry["body"]["submission"]["by"] == f"uid {os.getuid()}"
    assert entry["basis"] == "declared"
    assert entry["body"]["attempt"] == {"data": 3, "usecase": 3}
    bank.ok("ledger", "fsck")


def test_what_was_handed_in_counts_like_any_other_on_the_way_to_a_promotion(bank, key):
    handed_in(bank)
    received(bank, key)
    with key:
        bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
        bank.ok("promote", "credit@2", "--explain", "the same model once more", "--as", "officer")


def test_a_job_waits_and_ends_with_the_verdict_as_it_was_recorded(bank, key):
    with key:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tallystick", "ledger", "receive", "--watch"],
            env=ENVIRON,
            stdout=subprocess.PIPE,
            text=True,
        )
        _wait_for_key(keeper)
    try:
        code, out, _ = bank(*HAND_IN.replace("--wait 0", "--wait 60").split())
        assert code == 0
        assert "PASS" in out
        unfair = HAND_IN.replace("--wait 0", "--wait 60").replace("fair.csv", "unfair.csv")
        assert bank(*unfair.split())[0] == 1
    finally:
        keeper.send_signal(signal.SIGTERM)
        out, _ = keeper.communicate(timeout=60)
    assert keeper.returncode == 0
    assert out.count("recorded in entry") == 2


def _wait_for_key(keeper):
    """Until it has read the key: it holds the ledger open then."""
    deadline = time.monotonic() + 60
    while not any("ledger.db" in str(file) for file in _open_files(keeper)):
        assert time.monotonic() < deadline
        assert keeper.poll() is None
        time.sleep(0.02)


def _open_files(keeper):
    try:
        return [handle.readlink() for handle in Path(f"/proc/{keeper.pid}/fd").iterdir()]
    except OSError:
        return []


def test_a_submission_met_twice_is_recorded_once(bank, key, monkeypatch):
    """Whoever records can die between recording and answering."""
    path = handed_in(bank)
    kept = path.read_bytes()
    first = received(bank, key)
    before = size(bank)
    (bank.folder / ".tallystick" / "ledger.db.inbox" / "answers" / path.stem).unlink()
    path.write_bytes(kept)
    assert received(bank, key).split(":")[1:] == first.split(":")[1:]
    assert size(bank) == before


def test_two_who_record_at_once_record_it_once(bank, key, monkeypatch):
    """Both have read the inbox; the other one is done when this one comes to its turn."""
    handed_in(bank)
    before, judged = size(bank), submit._judged
    words = [sys.executable, "-m", "tallystick", "ledger", "receive"]

    def late(*values):
        found = judged(*values)
        subprocess.run(words, env=ENVIRON, check=True, capture_output=True)
        return found

    monkeypatch.setattr(submit, "_judged", late)
    assert f"recorded in entry {before}" in received(bank, key)
    assert size(bank) == before + 2


LIES = {
    "predictions that are no digest": lambda told: told["data"].update(predictions="x" * 70_000),
    "data that are no digest": lambda told: told["data"].update(dataset=None, predictions="x", sha256="x"),
    "a digest in upper case": lambda told: told["data"].update(predictions=told["data"]["predictions"].upper()),
    "a tool of great length": lambda told: told["outcome"]["tools"].update(python="3" * 201),
    "a hundred tools": lambda told: told["outcome"]["tools"].update({f"tool {i}": "1" for i in range(100)}),
    "an engine of great length": lambda told: told["outcome"].update(engine="e" * 201),
    "an explanation without end": lambda told: told.update(explain="z" * 4_001),
    "a flag for a number": lambda told: _of_value_0(told).update(value=False),
    "a flag in the figures of a group": lambda told: told["outcome"]["checks"][-2]["groups"][0].update(evaluated=1),
    "a flag for a count": lambda told: told["evidence"].update(rows=True),
    "an axis with a key too many": lambda told: told["evidence"]["sources"]["data"]["tables"][0]["axes"][0].update(x=1),
    "a table with a key too many": lambda told: told["evidence"]["sources"]["data"]["tables"][0].update(x=1),
    "a cell of the counts": lambda told: _cell(told, 40),
    "the verdict of a check": lambda told: told["outcome"]["checks"][-2].update(verdict="warn"),
    "the value of a check": lambda told: told["outcome"]["checks"][-2].update(value=0.99),
    "the interval of a check": lambda told: told["outcome"]["checks"][-2]["interval"].update(low=0.9),
    "the threshold of a check": lambda told: told["outcome"]["checks"][-2]["threshold"].update(fail_if="< 0.10"),
    "a check left out": lambda told: told["outcome"]["checks"].pop(),
    "a check too many": lambda told: told["outcome"]["checks"].append(told["outcome"]["checks"][-1]),
    "counts called rows": lambda told: told["outcome"]["checks"][-2].update(replay="threshold-only"),
    "a shorter plan": lambda told: told["outcome"]["plan"].pop(),
    "the verdict": lambda told: told["outcome"].update(verdict="warn"),
    "the seed": lambda told: told["outcome"].update(seed="0" * 16),
    "another policy": lambda told: told["policy"].update(seq=told["policy"]["seq"] - 1),
    "a model that is none": lambda told: told.update(model=told["policy"]),
    "a test set that is none": lambda told: told["data"].update(dataset=told["policy"]),
    "another digest": lambda told: told["data"].update(sha256="0" * 64),
    "no test set": lambda told: told["data"].update(dataset=None),
    "another ledger": lambda told: told.update(ledger="bank.example/other"),
    "nobody": lambda told: told.update(actor="nobody"),
    "a key too many": lambda told: told.update(extra=1),
    "a key too few": lambda told: told.pop("evidence"),
    "evidence of another form": lambda told: told.update(evidence=[1]),
    "a check of another form": lambda told: told["outcome"].update(checks=[{}]),
    "tools of another form": lambda told: told["outcome"].update(tools={"python": 3}),
    "checks that are text": lambda told: told["outcome"].update(checks="all passed"),
    "an explanation that is none": lambda told: told.update(explain=7),
}


def _of_value_0(told):
    return next(check for check in told["outcome"]["checks"] if check["value"] == 0)


def _cell(told, more):
    table = told["evidence"]["sources"]["data"]["tables"][-1]
    table["cells"][0][-1] += more
    table["cells"][-1][-1] -= more


@pytest.mark.parametrize("lie", LIES)
def test_what_does_not_hold_is_refused_and_nothing_is_recorded(bank, key, lie):
    path = handed_in(bank)
    told = decode(path.read_bytes())
    LIES[lie](told)
    path.write_bytes(encode(told))
    before = size(bank)
    assert "refused: " in received(bank, key)
    assert size(bank) == before
    assert not waiting(bank)
    answer = decode((path.parent / "answers" / path.stem).read_bytes())
    assert answer["evaluation"] is None
    assert answer["refused"]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b'{"a":1,"a":2}', b" {}", b"[" * 100_000])
def test_what_is_no_submission_is_refused(bank, key, data):
    path = handed_in(bank)
    path.write_bytes(data)
    assert "refused: " in received(bank, key)


@pytest.mark.parametrize("forged", [{"model": {"version": 1}}, {"model": {"version": 2, "vendor": "x"}}, {}])
def test_facts_that_the_ledger_does_not_know_are_refused(bank, key, monkeypatch, forged):
    """A job could say of the model what it likes, and everything would follow from that."""
    rule = "model.version == 1 || has(model.vendor) || !has(model.version)"
    head = (bank.folder / "policy.yaml").read_text().partition("gates:")[0].replace("id: german", "id: rules")
    (bank.folder / "rules.yaml").write_text(f"{head}gates: [{{id: r, type: expr, lang: cel, expr: '{rule}'}}]\n")
    with key:
        bank.ok("policy", "publish", "rules.yaml", "--as", "officer")
    before = size(bank)
    with monkeypatch.context() as patch:
        patch.setattr("tallystick.workflow.facts.known", lambda *_, **__: forged)
        code, _, err = bank(*HAND_IN.split(), "--policy", "rules")
    assert code == 3, err
    assert "other facts than the ledger knows" in received(bank, key)
    assert size(bank) == before


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (-1, "recorded in entry"),
        (-23.9, "recorded in entry"),
        (-24.1, "not judged at a time that can be accepted"),
        (1, "not judged at a time that can be accepted"),
        (None, "not judged at a time that can be accepted"),
    ],
)
def test_a_job_cannot_say_that_it_judged_when_the_data_were_fresh(bank, key, monkeypatch, hours, said):
    head = (bank.folder / "policy.yaml").read_text().partition("gates:")[0].replace("id: german", "id: fresh")
    gate = "{id: s, type: schema, freshness: {column: day, max_age: 2w}}"
    (bank.folder / "fresh.yaml").write_text(f"{head}gates: [{gate}]\n")
    at = datetime.now(UTC) + timedelta(hours=hours or -1)
    rows = (bank.folder / "fair.csv").read_text().splitlines()
    (bank.folder / "fair.csv").write_text("\n".join([f"{rows[0]},day", *(f"{row},{at:%Y-%m-%d}" for row in rows[1:])]))
    with key:
        bank.ok("policy", "publish", "fresh.yaml", "--as", "officer")
    said_at, known = time_text(at) if hours is not None else at.isoformat(), facts.known
    with monkeypatch.context() as patch:
        patch.setattr(facts, "known", lambda *values, **named: known(*values, **named | {"at": said_at}))
        bank(*HAND_IN.split(), "--policy", "fresh")
    assert decode(waiting(bank)[-1].read_bytes())["evidence"]["facts"] == {"evaluated_at": said_at}
    before = size(bank)
    assert said in received(bank, key)
    assert size(bank) == before + (2 if said.startswith("recorded") else 0)


def test_a_time_that_no_gate_asks_for_is_not_told(bank, key):
    path = handed_in(bank)
    told = decode(path.read_bytes())
    assert "evaluated_at" not in told["evidence"]["facts"]
    told["evidence"]["facts"]["evaluated_at"] = time_text(datetime.now(UTC))
    path.write_bytes(encode(told))
    assert "other facts than the ledger knows" in received(bank, key)


def test_a_job_is_told_that_it_was_refused(bank, key, monkeypatch):
    """A policy that was published meanwhile is the one that counts."""
    text = (bank.folder / "policy.yaml").read_text().replace("version: 1.0.0", "version: 1.1.0")
    (bank.folder / "stricter.yaml").write_text(text.replace("0.60", "0.61"))
    hand_in = submit.hand_in

    def slow(*values, **named):
        name = hand_in(*values, **named)
        done.set()
        return name

    done = threading.Event()
    monkeypatch.setattr(submit, "hand_in", slow)
    script = (
        "import sys; from tallystick.cli.main import run\n"
        "assert run('policy publish stricter.yaml --as officer'.split()) == 0\n"
        "sys.exit(run('ledger receive'.split()))"
    )

    def keep():
        assert done.wait(60)
        with key:
            subprocess.run([sys.executable, "-c", script], env=ENVIRON, check=True, capture_output=True)

    keeper = threading.Thread(target=keep)
    keeper.start()
    code, _, err = bank(*HAND_IN.replace("--wait 0", "--wait 60").split())
    keeper.join()
    assert code == 1
    assert "another version of the policy is in force" in err


def test_a_ledger_that_takes_no_submissions_says_so_before_anything_is_judged(bank_here):
    code, _, err = bank_here(*HAND_IN.split())
    assert code == 3
    assert "takes no submissions" in err


def _of_rows(told, rows):
    """As if there were so many rows more: all in the first cell of each table."""
    found, more = told["evidence"], rows - told["evidence"]["rows"]
    found["rows"] = found["sources"]["data"]["rows"] = found["tallies"]["data"]["rows"] = rows
    for table in found["sources"]["data"]["tables"]:
        table["cells"][0][-1] += more


@pytest.mark.parametrize("rows", [2**53 - 1, 10**12 + 1])
def test_more_rows_than_any_file_has_are_refused_and_the_next_one_is_answered(bank, key, rows):
    path = handed_in(bank)
    told = decode(path.read_bytes())
    _of_rows(told, rows)
    path.write_bytes(encode(told))
    handed_in(bank)
    first, second = received(bank, key).splitlines()
    assert "refused: " in first
    assert "recorded in entry" in second
    assert not waiting(bank)


def test_what_breaks_the_computation_is_refused_and_the_next_one_is_answered(bank, key, monkeypatch):
    """What a stranger hands in first must not keep everybody else from an answer."""
    rebuilt, met = judge.rebuilt, []

    def broken_once(*values, **named):
        met.append(values)
        return rebuilt(*values, **named) if met[1:] else math.sqrt(-len(met))

    handed_in(bank)
    handed_in(bank)
    monkeypatch.setattr(judge, "rebuilt", broken_once)
    first, second = received(bank, key).splitlines()
    assert "refused: submission cannot be computed again; got ValueError" in first
    assert "recorded in entry" in second
    assert not waiting(bank)
    bank.ok("ledger", "fsck")


@pytest.mark.parametrize("named", ["reason", "advice", "because"])
def test_what_a_job_says_of_rows_has_an_end(named):
    check = replace(results.broken("a.b", "a", "schema", "the rows say so"), **{named: "r" * 4_001})
    with pytest.raises(InvalidData, match=r"says too much of check a\.b"):
        submit._check_words(SimpleNamespace(checks=[check], tools={}, engine="duckdb"))


def _data_moved(draft):
    if draft.kind != "evaluation":
        return desk.fitted(draft)
    moved = Attachment("data.json", "application/json", encode(draft.body["data"]))
    body = {**draft.body, "data": {"attachment": moved.name}}
    return desk.fitted(replace(draft, body=body, attachments=(*draft.attachments, moved)))


def test_looks_at_a_test_set_are_counted_also_where_their_data_lie_in_an_attachment(bank, key, monkeypatch):
    """An earlier version moved a field that was made large enough: then no digest stood in the entry's bytes."""
    with monkeypatch.context() as earlier:
        earlier.setattr(evaluate, "fitted", _data_moved)
        with key:
            assert bank(*HAND_IN.split(" --submit")[0].split())[0] == 0
    hidden = json.loads(bank.ok("log", "--format", "json"))[-2]["seq"]
    entry = json.loads(bank.ok("show", str(hidden), "--format", "json"))
    assert entry["body"]["data"] == {"attachment": "data.json"}
    handed_in(bank)
    number = size(bank)
    received(bank, key)
    assert json.loads(bank.ok("show", str(number), "--format", "json"))["body"]["attempt"]["data"] == 4
    bank.ok("gate", "replay", str(hidden))
    (bank.folder / "second.yaml").write_text((bank.folder / "policy.yaml").read_text().replace("1.0.0", "1.1.0"))
    with key:
        bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
        bank.ok("policy", "publish", "second.yaml", "--as", "officer")
    handed_in(bank)
    number = size(bank)
    received(bank, key)
    assert "scored_before_policy" in json.loads(bank.ok("show", str(number), "--format", "json"))["body"]
    bank.ok("ledger", "fsck")


def test_the_data_of_an_evaluation_stay_in_its_entry():
    body = {"data": [{"sha256": "0" * 64, "rows": 7, "more": "x" * 300}], "checks": ["y" * 70_000]}
    found = desk.fitted(Draft("evaluation", "engineer", "2026-01-01T00:00:00.000000Z", body))
    assert found.body["data"] == body["data"]
    full = {"data": [{"sha256": "x" * 70_000}]}
    assert desk.fitted(Draft("evaluation", "engineer", "2026-01-01T00:00:00.000000Z", full)).body == full


def test_a_submission_is_read_when_its_turn_comes_and_a_look_has_an_end(bank, monkeypatch):
    """A hundred and fifty files of 16 MB each are no trouble to write, and were all in memory at once."""
    folder = bank.folder / ".tallystick" / "ledger.db.inbox"
    for number in range(5):
        (folder / f"{number:032x}.submission").write_bytes(b"{}")
    read, one = [], inbox.FolderInbox._read
    monkeypatch.setattr(inbox.FolderInbox, "_read", lambda box, path: read.append(path) or one(box, path))
    monkeypatch.setattr(inbox, "MANY", 3)
    with inbox.inbox(bank.ledger) as box:
        waiting = iter(box.waiting())
        next(waiting)
        assert len(read) == 1
        assert len([*waiting]) == 2
    assert len(read) == 3


def test_a_submission_is_for_its_user_and_group_and_nobody_takes_out_anothers(bank):
    path = handed_in(bank)
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o1700


def test_without_an_inbox_a_job_is_refused_before_the_gates_run(bank_here):
    code, _, err = bank_here(*HAND_IN.split())
    assert (code, "this ledger takes no submissions" in err) == (3, True)
    assert "reading the data" not in err


def test_whoever_receives_is_told_that_the_inbox_is_open_and_how_many_wait(bank, key):
    handed_in(bank)
    with key:
        assert "the inbox is open; 1 submission waits" in bank("ledger", "receive")[2]
        assert "the inbox is open; 0 submissions wait" in bank("ledger", "receive")[2]

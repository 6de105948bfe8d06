"""Evaluations of build jobs, which hold no key of the ledger: handed in, computed again, recorded, or refused."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import tallystick
from tallystick.canonical import decode, encode, time_text
from tallystick.workflow import facts, submit

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


def test_without_an_inbox_a_job_is_refused_before_the_gates_run(bank_here):
    code, _, err = bank_here(*HAND_IN.split())
    assert (code, "this ledger takes no submissions" in err) == (3, True)
    assert "reading the data" not in err


def test_whoever_receives_is_told_that_the_inbox_is_open_and_how_many_wait(bank, key):
    handed_in(bank)
    with key:
        assert "the inbox is open; 1 submission waits" in bank("ledger", "receive")[2]
        assert "the inbox is open; 0 submissions wait" in bank("ledger", "receive")[2]

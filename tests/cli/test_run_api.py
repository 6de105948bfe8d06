"""``tallystick.run``, as a training script uses it."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

import tallystick
from tallystick.errors import NotFound, UsageError

pytestmark = pytest.mark.filterwarnings("ignore:this run is recorded without a commit")


def entries(bank, kind):
    return json.loads(bank.ok("log", "--format", "json", "--kind", kind))


def sound(bank) -> None:
    assert "sound" in bank.ok("ledger", "fsck", "--key", ".tallystick/ledger.vkey")


def test_a_run_is_recorded_with_what_went_in_and_what_came_out(bank):
    with tallystick.run("first", usecase="credit", actor="engineer") as run:
        data = run.dataset("german.csv", name="german", role="training", licence="CC BY 4.0")
        run.params({"C": 1.0, "missing": math.nan})
        (bank.folder / "new.bin").write_bytes(b"weights")
        model = run.model("new.bin", name="loan", features={"used": ["age"], "protected": []}, limitations="none known")
        with pytest.raises(UsageError, match="has not ended"):
            _ = model.version
        run.metrics({"accuracy": 0.75}, dataset=data, n=1000)
    assert str(model) == "loan@1"
    (recorded,) = entries(bank, "run")
    assert recorded["body"]["status"] == "succeeded"
    kinds = [d["annotations"]["kind"] for d in recorded["body"]["buildDefinition"]["resolvedDependencies"]]
    assert sorted(kinds) == ["dataset", "environment"]
    (made,) = [entry for entry in entries(bank, "model") if entry["body"]["name"] == "loan"]
    assert made["body"]["run"]["seq"] == recorded["seq"]
    assert recorded["subject"][0]["digest"]["sha256"] == made["body"]["digest"]
    (metric,) = entries(bank, "metric")
    assert metric["body"]["of"]["seq"] == made["seq"]
    (params,) = entries(bank, "params")
    assert params["body"]["values"]["missing"] == {"float": "nan"}
    sound(bank)


def test_a_body_that_raises_is_a_failed_run_and_the_error_goes_on(bank):
    (bank.folder / "new.bin").write_bytes(b"weights")

    def train() -> None:
        with tallystick.run("bad", usecase="credit", actor="engineer") as run:
            run.model("new.bin", name="loan")
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        train()
    (recorded,) = entries(bank, "run")
    assert recorded["body"]["status"] == "failed"
    assert recorded["body"]["error"] == {"type": "builtins.ZeroDivisionError"}
    assert all(entry["body"]["name"] != "loan" for entry in entries(bank, "model"))
    sound(bank)


def test_a_run_that_is_killed_leaves_a_sound_ledger_without_the_run(bank):
    script = (
        "import tallystick, time\n"
        "with tallystick.run('killed', usecase='credit', actor='engineer') as run:\n"
        "    run.dataset('german.csv', name='german', role='training')\n"
        "    print('recorded', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "recorded\n"
        os.kill(process.pid, signal.SIGKILL)
    assert entries(bank, "run") == []
    assert any(entry["body"]["role"] == "training" for entry in entries(bank, "dataset"))
    sound(bank)


def test_a_run_inside_a_repository_names_its_commit_and_the_registered_author(bank):
    bank.ok("key", "new", "second", "--role", "engineer", "--by", "officer", "--email", "Sam@Bank.example")
    who = ["-c", "user.name=Sam", "-c", "user.email=sam@bank.example"]
    (bank.folder / ".gitignore").write_text(".tallystick/\n*.csv\n*.bin\n")
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], check=True, stdin=subprocess.DEVNULL)
    with tallystick.run("inside", actor="engineer"):
        pass
    (commit,) = entries(bank, "commit")
    people = json.loads(bank.ok("key", "list", "--format", "json"))
    (second,) = [person["actor"] for person in people if person["entry"] == str(commit["seq"] - 1)]
    assert commit["body"]["authors"]["actors"] == [second]
    assert "sam@bank.example" not in json.dumps(commit).lower()


def test_two_runs_at_once_both_get_their_place(bank):
    script = (
        "import tallystick, sys\n"
        "with tallystick.run(sys.argv[1], usecase='credit', actor='engineer', code=None) as run:\n"
        "    open(sys.argv[1] + '.bin', 'w').write(sys.argv[1])\n"
        "    run.model(sys.argv[1] + '.bin', name='loan')\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", script, name]) for name in ("one", "two")]
    assert [process.wait() for process in both] == [0, 0]
    versions = [e["body"]["version"] for e in entries(bank, "model") if e["body"]["name"] == "loan"]
    assert sorted(versions) == [1, 2]
    sound(bank)


def test_a_mistake_is_told_before_the_training_begins(bank):
    began = time.monotonic()
    with pytest.raises(NotFound, match="no such use case"), tallystick.run("x", usecase="loans", actor="engineer"):
        time.sleep(30)
    assert time.monotonic() - began < 30
    with pytest.raises(UsageError, match="nobody is named"):
        tallystick.run("x")
    with pytest.raises(NotFound):
        tallystick.run("x", actor="engineer", ledger="nowhere.db")


def test_a_run_outside_a_repository_says_that_no_commit_is_recorded(bank):
    with pytest.warns(UserWarning, match="without a commit"), tallystick.run("x", actor="engineer"):
        pass
    assert entries(bank, "commit") == []

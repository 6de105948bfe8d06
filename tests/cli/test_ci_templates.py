"""The CI templates: their shell steps are taken from the files and run, against a ledger, as a runner would.

Only the step that installs tallystick is replaced: it would need a network. What the runners do besides (checking out,
keeping artifacts) is looked at as far as it names files.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import _outside as outside
import pytest
from lxml import etree
from ruamel.yaml import YAML

from _json_schema import problems
from tallystick.resources import shipped

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors"
INSTALL = 'python -m pip install "$TALLYSTICK_SOURCE"'


def read(name):
    return YAML(typ="safe").load((shipped("templates") / "ci" / name).read_text(encoding="utf-8"))


class Job:
    """A job as a runner sees it: what it runs, what of it comes what may, and what it keeps."""

    def __init__(self, variables, steps, kept):
        self.variables, self.steps, self.kept = variables, steps, kept

    @classmethod
    def github(cls):
        flow = read("github.yml")
        steps = [step for step in flow["jobs"]["gate"]["steps"] if "run" in step]
        (upload,) = [
            s for s in flow["jobs"]["gate"]["steps"] if s.get("uses", "").startswith("actions/upload-artifact")
        ]
        assert upload["if"] == "always()"
        kept = upload["with"]["path"].split()
        return cls(flow["env"], [(step["run"], step.get("if") == "always()") for step in steps], kept)

    @classmethod
    def gitlab(cls):
        job = read("gitlab.yml")["gate"]
        assert job["artifacts"]["when"] == "always"
        assert job["artifacts"]["reports"]["junit"] in job["artifacts"]["paths"]
        steps = [(line, False) for line in (*job["before_script"], *job["script"])]
        return cls(
            job["variables"], [*steps, *((line, True) for line in job["after_script"])], job["artifacts"]["paths"]
        )

    def run(self, **changed):
        """The exit code of the job, that of the first step that fails, and the output of all."""
        code, said = 0, ""
        assert [line for line, _ in self.steps].count(INSTALL) == 1
        for line, whatever in self.steps:
            if line == INSTALL or (code and not whatever):
                continue
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", line],
                env=os.environ | self.variables | changed, capture_output=True, text=True, check=False,
            )  # fmt: skip
            said += done.stdout + done.stderr
            code = code or done.returncode
        return code, said


@pytest.fixture(params=["github", "gitlab"])
def job(request, bank, monkeypatch):
    """The job in the folder of a bank, whose machine has the program installed."""
    bin = bank.folder / "bin"
    bin.mkdir()
    program = bin / "tallystick"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tallystick "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    if request.param == "github":
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    found = getattr(Job, request.param)()
    found.name = request.param
    return found


def given(file, predictions):
    return {
        "USECASE": "credit",
        "MODEL": "credit",
        "MODEL_FILE": file,
        "TALLYSTICK_LEDGER": ".tallystick/ledger.db",
        "TALLYSTICK_AS": "engineer",
        "PREDICTIONS": predictions,
        "TEST_SET": "german",
    }


@pytest.mark.parametrize(
    ("code", "file", "model", "predictions"),
    [(0, "m2.bin", "credit@2", "fair.csv"), (1, "m1.bin", "credit@1", "unfair.csv")],
    ids=["pass", "fail"],
)
def test_the_job_ends_with_the_verdict_and_keeps_what_was_found(bank, job, code, file, model, predictions):
    got, said = job.run(**given(file, predictions))
    assert got == code, said
    assert [path for path in job.kept if not Path(path).is_file()] == []
    etree.XMLSchema(etree.parse(VECTORS / "jenkinsci_xunit/junit-10.xsd")).assertValid(etree.parse("gate/junit.xml"))
    schema = json.loads((VECTORS / "OASIS_sarif/sarif-schema-2.1.0.json").read_text())
    assert problems(json.loads(Path("gate/results.sarif").read_text()), schema) == []
    assert json.loads(Path("gate/results.json").read_text())["model"] == model
    bank.ok("verify", "gate/checkpoint.txt", "--key", ".tallystick/ledger.vkey")
    if job.name == "github":
        assert Path("summary.md").read_text() == Path("gate/results.md").read_text()
        assert ("::error" in said) == (code == 1)
    outside.check(bank.ledger)


def test_the_model_of_the_commit_is_recorded_and_judged_itself(bank, job):
    """Otherwise the predictions of a new model would be held against the version that was recorded last."""
    Path("new.bin").write_bytes(b"model three")
    code, said = job.run(**given("new.bin", "fair.csv"))
    assert code == 0, said
    assert json.loads(Path("gate/results.json").read_text())["model"] == "credit@3"


def test_a_job_that_cannot_judge_fails_and_keeps_nothing_of_an_earlier_one(bank, job):
    assert job.run(**given("m2.bin", "fair.csv"))[0] == 0
    code, said = job.run(**given("m2.bin", "nowhere.csv"))
    assert code == 3, said
    assert [path for path in job.kept if Path(path).is_file()] == ["gate/checkpoint.txt"]


def test_the_job_needs_no_private_key_of_a_person(bank, job):
    for path in Path(".tallystick/keys").glob("*.pem"):
        if path.stem not in ("ledger", "seal"):
            path.unlink()
    assert job.run(**given("m2.bin", "fair.csv"))[0] == 0


def test_each_template_says_where_it_goes_and_names_the_same_outputs():
    github, gitlab = Job.github(), Job.gitlab()
    assert github.kept == gitlab.kept
    assert github.variables == gitlab.variables
    assert shutil.which("bash")

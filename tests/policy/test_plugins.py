"""Gates of other distributions: the tutorial followed for real, and all that such a gate may do wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import _outside as outside
import pytest
from _distribution import installed

import tallystick

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "a-gate-of-your-own.md"
BLOCK = re.compile(r"^```(\w+) file=(\S+)\n(.*?)^```$", re.M | re.S)
FILES = {name: body for _, name, body in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))}

USECASE = "name: credit\nowner_group: retail\nintended_use: propose\nprohibited_use: other\n"


class House:
    """A folder and the command line in it, with a distribution on its path."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.folder = folder
        path = os.pathsep.join([str(site), str(Path(tallystick.__file__).parents[1])])
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
        self.environ = clean | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        self.said = ""

    def opened(self) -> House:
        """With a ledger, people, a model and predictions."""
        folder = self.folder
        (folder / "usecase.yaml").write_text(USECASE)
        (folder / "model.bin").write_bytes(b"model")
        (folder / "bands.csv").write_text("band\n" + "a\n" * 75 + "b\n" * 25)
        for line in (
            "init --name house.example/gates",
            "key new officer --role risk-officer",
            "key new engineer --role engineer --by officer",
            "usecase usecase.yaml --as officer",
            "record model model.bin --name credit --usecase credit --as engineer",
        ):
            assert self(*line.split()) == 0, self.said
        return self

    def __call__(self, *words: str) -> int:
        """The exit code of one command."""
        command = [sys.executable, "-m", "tallystick", *words]
        done = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        self.said = done.stdout + done.stderr
        return done.returncode

    def evaluation(self) -> Found:
        entries = outside.check(self.folder / ".tallystick" / "ledger.db")
        return next(entry["body"] for entry in reversed(entries) if entry["kind"] == "evaluation")


def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    site = installed(tmp_path, FILES["pyproject.toml"], {"acme_gates.py": FILES["acme_gates.py"]})
    house = House(tmp_path, site).opened()
    (tmp_path / "house.yaml").write_text(FILES["house.yaml"])
    assert house("policy", "check", "house.yaml") == 0
    assert "Of band, the share of the commonest value; the policy wants at most 0.5." in " ".join(house.said.split())
    assert house("policy", "publish", "house.yaml", "--as", "officer") == 0
    assert house("gate", "run", "credit", "--predictions", "bands.csv", "--as", "engineer") == 1
    assert "the share of the commonest value of band is 0.75; the policy wants at most 0.5" in " ".join(
        house.said.split()
    )
    body = house.evaluation()
    assert body["tools"]["acme-gates"] == "1.2.0"
    (check,) = body["checks"]
    assert (check["replay"], check["value"], check["verdict"]) == ("counts", 0.75, "fail")
    (tmp_path / "bands.csv").write_text("band\n" + "a\n" * 40 + "b\n" * 40 + "\n" * 20)
    assert house("gate", "run", "credit", "--predictions", "bands.csv", "--as", "engineer") == 0


def test_a_gate_that_plans_otherwise_than_was_published_is_not_asked(tmp_path: Path) -> None:
    site = installed(tmp_path, FILES["pyproject.toml"], {"acme_gates.py": FILES["acme_gates.py"]})
    house = House(tmp_path, site).opened()
    (tmp_path / "house.yaml").write_text(FILES["house.yaml"])
    assert house("policy", "publish", "house.yaml", "--as", "officer") == 0
    before = len(outside.check(tmp_path / ".tallystick" / "ledger.db"))
    (site / "acme_gates.py").write_text(
        FILES["acme_gates.py"].replace('f"{self.id}/{column}"', 'f"{self.id}/{column}.new"')
    )
    assert house("gate", "run", "credit", "--predictions", "bands.csv", "--as", "engineer") == 3
    assert "plans other checks than were published" in house.said
    assert len(outside.check(tmp_path / ".tallystick" / "ledger.db")) == before


def test_a_misspelt_key_of_such_a_gate_is_named_with_its_line(tmp_path: Path) -> None:
    site = installed(tmp_path, FILES["pyproject.toml"], {"acme_gates.py": FILES["acme_gates.py"]})
    house = House(tmp_path, site)
    (tmp_path / "house.yaml").write_text(FILES["house.yaml"].replace("fail_if", "fail_iff"))
    assert house("policy", "check", "house.yaml") == 3
    assert "house.yaml:9:" in house.said
    assert "did you mean 'fail_if'?" in house.said.lower()


def test_without_the_distribution_the_policy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    house = House(tmp_path, tmp_path / "empty")
    (tmp_path / "house.yaml").write_text(FILES["house.yaml"])
    assert house("policy", "check", "house.yaml") == 3
    assert "unknown gate type 'concentration'" in house.said


# --------------------------------------------------------------------------- gates that do wrong

ROGUE = (Path(__file__).parent / "_rogue.py").read_text(encoding="utf-8")
PROJECT = """\
[project]
name = "rogue-gates"
version = "6.6.6"
[project.entry-points."tallystick.gates"]
rogue = "rogue:Rogue"
"""
POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: p, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
gates:
  - {id: rows, type: schema, rows: {min: 1}}
  - {id: r, type: rogue, how: %s}
"""

RUN = """
import json, sys
from pathlib import Path
from tallystick.errors import TallystickError
from tallystick.policy import judge
from tallystick.policy.document import parse

def told(how):
    if "rogue" in sys.modules:
        vars(sys.modules["rogue"]).get("CALLS", []).clear()
    try:
        policy = parse((Path("policy.yaml").read_text() % how).encode(), name="policy.yaml")
        outcome = judge.evaluate(policy, Path("bands.csv"), data_digest="0" * 64)
    except TallystickError as error:
        return {"refused": str(error), "code": error.exit_code}
    again = judge.replay(policy, outcome.evidence, seed=outcome.seed)
    checks = [check.as_json() for check in outcome.checks]
    return {"verdict": outcome.verdict, "checks": checks, "tools": outcome.tools, "again": [one.id for one in again]}

print(json.dumps({how: told(how) for how in json.loads(sys.stdin.read())}))
"""
PLANS = ["plan raises", "plan exits", "plan changes", "plan is of another", "plan is empty"]
NEEDS = ["needs raises", "needs exits"]
JUDGES = [
    "raises", "raises late", "exits", "raises oddly", "too few", "none", "too many", "double", "for ever", "nan",
    "nan by hand", "infinity", "no value", "odd verdict", "odd threshold", "odd number", "no results", "of another",
    "for another", "subclass",
]  # fmt: skip

Found = dict[str, Any]


def run(folder: Path, site: Path, *hows: str, policy: str = POLICY) -> dict[str, Found]:
    """What comes of the gate in each way, in one process of its own."""
    (folder / "bands.csv").write_text("band\n" + "a\n" * 10)
    (folder / "policy.yaml").write_text(policy)
    path = os.pathsep.join([str(site), str(Path(tallystick.__file__).parents[1])])
    words = {"cwd": folder, "env": os.environ | {"PYTHONPATH": path}, "input": json.dumps(hows)}
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=False, **words)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert "SECRET" not in done.stdout
    found: dict[str, Found] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def rogue(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What came of the gate in every way."""
    folder = tmp_path_factory.mktemp("rogue")
    site = installed(folder, PROJECT, {"rogue.py": ROGUE})
    return run(folder, site, "well", "rows", "plan changes later", *PLANS, *NEEDS, *JUDGES)


def test_a_gate_that_does_right_is_green_and_named_among_the_tools(rogue: dict[str, Found]) -> None:
    found = rogue["well"]
    assert found["verdict"] == "pass"
    assert found["tools"]["rogue-gates"] == "6.6.6"
    assert found["again"] == ["r/a", "r/b"]


def test_what_stands_on_rows_is_not_said_to_be_replayable(rogue: dict[str, Found]) -> None:
    found = rogue["rows"]
    assert found["verdict"] == "pass"
    assert [check["replay"] for check in found["checks"][1:]] == ["threshold-only"] * 2
    assert found["again"] == []


@pytest.mark.parametrize("how", JUDGES)
def test_a_gate_that_does_wrong_is_never_green(rogue: dict[str, Found], how: str) -> None:
    found = rogue[how]
    assert found["verdict"] == "error"
    assert {check["verdict"] for check in found["checks"] if check["gate"] == "rows"} == {"pass"}


@pytest.mark.parametrize("how", [*PLANS, *NEEDS])
def test_a_gate_that_cannot_say_what_it_does_gives_no_verdict(rogue: dict[str, Found], how: str) -> None:
    found = rogue[how]
    assert found["code"] == 3, found


def test_a_plan_that_changes_after_it_was_published_changes_no_plan(rogue: dict[str, Found]) -> None:
    found = rogue["plan changes later"]
    assert [check["id"] for check in found["checks"]] == ["rows/rows", "r/a", "r/b"]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("raise SystemExit(0)", "SystemExit while it was loaded"),
        ("class E(BaseException): pass\nraise E", "E while it was loaded"),
        ("Rogue = 3", "no subclass"),
        ("from tallystick.policy.plugin import Gate\nclass Rogue(Gate): pass", "whose type is not"),
        ("", "AttributeError while it was loaded"),
    ],
)
def test_what_is_no_gate_is_refused_by_name(tmp_path: Path, module: str, said: str) -> None:
    found = run(tmp_path, installed(tmp_path, PROJECT, {"rogue.py": module}), "x")["x"]
    assert said in found["refused"]
    assert "rogue-gates" in found["refused"]


def test_a_gate_cannot_take_the_name_of_a_shipped_one(tmp_path: Path) -> None:
    site = installed(tmp_path, PROJECT.replace("rogue = ", "schema = "), {"rogue.py": ROGUE})
    text = POLICY.replace("{id: r, type: rogue, how: %s}", "{id: %s, type: schema, rows: {min: 1}}")
    found = run(tmp_path, site, "x", policy=text)["x"]
    assert found["verdict"] == "pass"
    assert "rogue-gates" not in found["tools"]


def test_the_ledger_is_as_it_was_after_a_gate_that_ends_the_process(tmp_path: Path) -> None:
    """The gate ends the process with 0; the command ends with 3, records nothing and leaves no file of results."""
    house = House(tmp_path, installed(tmp_path, PROJECT, {"rogue.py": ROGUE})).opened()
    (tmp_path / "policy.yaml").write_text(POLICY % "ends")
    assert house("policy", "publish", "policy.yaml", "--as", "officer") == 0, house.said
    before = len(outside.check(tmp_path / ".tallystick" / "ledger.db"))
    (tmp_path / "results.json").write_text('{"verdict": "pass"}')
    words = ("gate", "run", "credit", "--predictions", "bands.csv", "-o", "json=results.json", "--as", "engineer")
    assert house(*words) == 3
    assert len(outside.check(tmp_path / ".tallystick" / "ledger.db")) == before
    assert not (tmp_path / "results.json").exists()

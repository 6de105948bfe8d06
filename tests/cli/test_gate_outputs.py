"""What a build server sees of ``gate run``: exit codes, files and annotations, by the real command line."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import _outside as outside
import pytest

FORMATS = ("table", "json", "junit", "sarif", "github", "markdown", "tap")
ROOT = Path(__file__).resolve().parents[2]

ODD = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {{id: odd, version: 1.0.0, owner: model-risk}}
applies_to: {{stage: odd}}
inputs: {{columns: {{y_true: y_true, y_pred: y_pred, favourable: 1}}}}
gates:
  - {gate}
"""
INCONCLUSIVE = """{id: b, type: bias, sensitive: [sex], decision: confident,
     metrics: [{name: demographic_parity_ratio, fail_if: "< 0.98"}]}"""
NOTHING_MEASURED = """{id: b, type: bias, sensitive: [sex], min_group: {n: 900},
     metrics: [{name: demographic_parity_ratio, fail_if: "< 0.8"}]}"""
NOT_EVALUABLE = (
    NOTHING_MEASURED
    + """
  - {id: q, type: benchmark, metrics: [{name: accuracy, fail_if: "< 0.1"}]}"""
)
BROKEN = """{id: b, type: bias, sensitive: [sex], require_groups: {sex: [diverse]},
     metrics: [{name: demographic_parity_ratio, fail_if: "< 0.8"}]}"""


def gate(*words, predictions="fair.csv", stage="production", model="credit@2"):
    return ["gate", "run", model, "--predictions", predictions, "--dataset", "german", "--as", "engineer", "--stage",
            stage, *words]  # fmt: skip


def odd(bank, text):
    Path("odd.yaml").write_text(ODD.format(gate=text))
    bank.ok("policy", "publish", "odd.yaml", "--as", "officer")


def sound(bank):
    assert "sound" in bank.ok("ledger", "fsck")
    outside.check(bank.ledger)


ALL = [word for form in FORMATS for word in ("-o", f"{form}=out/{form}")]


@pytest.mark.parametrize(
    ("code", "model", "predictions", "policy"),
    [
        (0, "credit@2", "fair.csv", None),
        (1, "credit@1", "unfair.csv", None),
        (4, "credit@2", "fair.csv", INCONCLUSIVE),
        (4, "credit@2", "fair.csv", NOT_EVALUABLE),
        (3, "credit@2", "fair.csv", NOTHING_MEASURED),
        (3, "credit@2", "fair.csv", BROKEN),
    ],
    ids=["pass", "fail", "inconclusive", "not evaluable", "nothing measured", "error"],
)
def test_the_exit_code_is_the_verdicts_and_every_file_is_there(bank, monkeypatch, code, model, predictions, policy):
    Path("out").mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    stage = "production" if policy is None else "odd"
    if policy is not None:
        odd(bank, policy)
    got, out, _ = bank(*gate(*ALL, "-o", "github", model=model, predictions=predictions, stage=stage))
    assert got == code
    assert {path.name for path in Path("out").iterdir()} == set(FORMATS)
    assert ("::error title=tallystick::" in out) == (code != 0)
    assert Path("summary.md").read_text() == Path("out/markdown").read_text()
    found = json.loads(Path("out/json").read_text())
    (run,) = json.loads(Path("out/sarif").read_text())["runs"]
    assert run["invocations"][0]["exitCode"] == code
    assert [r["properties"]["verdict"] for r in run["results"]] == [c["verdict"] for c in found["checks"]]
    assert ("<failure" in Path("out/junit").read_text() or "<error" in Path("out/junit").read_text()) == (code != 0)
    assert ("\nnot ok" in Path("out/tap").read_text()) == (code != 0)
    sound(bank)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("code", "model", "predictions"), [(0, "credit@2", "fair.csv"), (1, "credit@1", "unfair.csv")])
def test_every_format_can_be_printed_and_changes_no_exit_code(bank, form, code, model, predictions):
    got, out, _ = bank(*gate("-o", form, model=model, predictions=predictions))
    assert got == code
    begins = {"json": "{", "sarif": "{", "junit": "<?xml", "markdown": "## ", "tap": "TAP version 14"}
    assert out.startswith(begins.get(form, f"{model} under german"))


@pytest.mark.parametrize("code", [2, 3])
def test_a_run_that_gives_no_verdict_leaves_no_file_of_an_earlier_one(bank, code):
    Path("out").mkdir()
    assert bank(*gate(*ALL))[0] == 0
    kept = {path.name for path in Path("out").iterdir()}
    words = ["--stage", "nowhere"] if code == 3 else ["-o", "json=fair.csv"]
    assert bank(*gate(*ALL, *words))[0] == code
    left = {path.name for path in Path("out").iterdir()}
    assert left == (kept if code == 2 else set())  # put wrongly, nothing was begun


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-o", "check.json"], 2, "json=check.json"),
        (["-o", "xml"], 2, "is not one of table, json"),
        (["-o", "json="], 2, "names no file"),
        (["-o", "json", "-o", "tap"], 2, "two formats for the standard output"),
        (["-o", "json", "-o", "github"], 2, "annotations for GitHub"),
        (["--format", "json", "-o", "github"], 2, "annotations for GitHub"),
        (["--format", "json", "-o", "tap=a", "-o", "json=./a"], 2, "another output's too"),
        (["-o", "tap=a", "-o", "json=link"], 2, "another output's too"),
        (["-o", "tap=fair.csv"], 2, "is read in this run"),
        (["-o", "tap=.tallystick/ledger.db"], 2, "is read in this run"),
        (["-o", "tap=.tallystick/keys/ledger.pem"], 2, "is read in this run"),
        (["-o", "json=.tallystick/ledger.vkey"], 2, "is read in this run"),
        (["-o", "json=.tallystick/ledger.db-wal"], 2, "is read in this run"),
        (["--baseline", "unfair.csv", "-o", "json=unfair.csv"], 2, "is read in this run"),
        (["-o", "tap=a", "-o", "json=nowhere/a"], 3, "nowhere/a"),
        (["-o", "tap=a", "-o", "json=."], 3, "cannot be written"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_the_run(bank, words, code, said):
    Path("link").symlink_to("a")
    Path("a").write_text("of an earlier run")
    before = bank.ledger.read_bytes()
    got, out, err = bank(*gate(*words))
    assert (got, out) == (code, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert bank.ledger.read_bytes() == before
    assert Path("a").read_text() == "of an earlier run"
    assert Path("fair.csv").read_text().startswith("checking_status")


def test_a_summary_that_cannot_be_written_is_refused_before_the_run(bank, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "nowhere/summary.md")
    before = bank.ledger.read_bytes()
    code, _, err = bank(*gate("-o", "github"))
    assert code == 3
    assert "GITHUB_STEP_SUMMARY" in err
    assert bank.ledger.read_bytes() == before
    assert bank(*gate("-o", "tap=a"))[0] == 0  # nobody asked for a summary


def test_a_summary_is_appended_to_and_never_emptied(bank, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("what the step said before\n")
    assert bank(*gate("-o", "github=annotations"))[0] == 0
    assert Path("summary.md").read_text().startswith("what the step said before\n## ")
    assert Path("annotations").read_text().startswith("::")
    code, _, err = bank(*gate("-o", "github", "-o", "json=summary.md"))
    assert (code, "is read in this run" in err) == (2, True)


def test_output_can_go_to_a_pipe_and_through_a_link(bank):
    Path("target.json").write_text("of an earlier run")
    Path("link.json").symlink_to("target.json")
    read, write = os.pipe()
    assert bank(*gate("-o", f"tap=/dev/fd/{write}", "-o", "json=link.json"))[0] == 0
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read().startswith("TAP version 14")
    assert Path("link.json").is_symlink()
    assert json.loads(Path("target.json").read_text())["verdict"] == "pass"


def test_a_file_that_cannot_be_written_after_all_is_said_and_the_others_are_written(bank):
    """The evaluation is on the ledger by then: what was found is printed, and the exit code is no verdict."""
    code, out, err = bank(*gate("-o", "tap=/dev/full", "-o", "json=b.json"))
    assert code == 3
    assert "/dev/full" in err
    assert "PASS: every planned check of credit@2 passed" in out
    assert json.loads(Path("b.json").read_text())["verdict"] == "pass"
    sound(bank)


def test_hostile_values_of_the_data_stay_text_in_every_output(bank):
    """Groups come from the data, and policies are written by somebody else than the one who reads."""
    word = "::error title=x::y\n##[command]<b>|%0A🎉\x1b[31m"
    with Path("fair.csv").open(newline="") as source, Path("odd.csv").open("w", newline="") as target:
        rows = list(csv.DictReader(source))
        out = csv.DictWriter(target, rows[0])
        out.writeheader()
        for number, row in enumerate(rows):
            sex = word if row["sex"] == "female" else "male"
            out.writerow(row | {"sex": sex, "y_pred": int(sex == "male" or number % 3 == 0)})
    Path("out").mkdir()
    code, out, _ = bank(*gate(*ALL, "-o", "github", predictions="odd.csv"))
    assert code == 1
    lines = [line for line in out.splitlines() if line.strip().startswith("::")]
    assert [line.split(" ")[0] for line in lines] == ["::error", "::notice", "::notice", "::error"]
    assert not any("##[" in line for line in out.splitlines() if line not in lines)
    assert "\x1b" not in "".join(path.read_text() for path in Path("out").iterdir())
    sound(bank)


@pytest.mark.parametrize(("code", "model", "predictions"), [(0, "credit@2", "fair.csv"), (1, "credit@1", "unfair.csv")])
def test_a_process_ends_with_the_same_code(bank, code, model, predictions):
    words = [sys.executable, "-m", "tallystick", *gate("-o", "sarif=a.sarif", model=model, predictions=predictions)]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, check=False)
    assert done.returncode == code


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal(bank, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = bank(*gate(model="credit@1", predictions="unfair.csv"))
    assert max(map(len, out.splitlines())) <= columns
    assert any(line.startswith("Next: ") for line in out.splitlines()[-3:])


@pytest.mark.parametrize("form", ["table", "json", "sarif", "junit", "markdown", "tap"])
def test_a_column_that_is_called_like_a_command_gives_a_runner_none(bank, form):
    """It stands in the policy, and in the name of every check of it; GitHub reads both streams."""
    name = "##[set-output name=verdict]pass"
    text = Path("policy.yaml").read_text().replace("version: 1.0.0", "version: 1.9.0")
    Path("named.yaml").write_text(text.replace("      age: {", f'      "{name}": {{dtype: int64}}\n      age: {{'))
    bank.ok("policy", "publish", "named.yaml", "--as", "officer")
    _, out, err = bank(*gate("-o", form))
    assert "set-output" in out
    assert "##[" not in out + err
    if form in ("json", "sarif"):
        assert name in str(json.loads(out))
    code, out, err = bank("show", name)
    assert (code, "##[" in out + err, "set-output" in err) == (3, False, True)
    assert "##[" not in bank(name)[2]
    assert "##[" not in bank.ok("log", "--format", "json")

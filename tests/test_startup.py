"""What a command does not need, it does not import: the verifier stays light and every answer comes at once."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "alembic", "duckdb", "fairlearn", "jinja2", "numpy", "pandas", "pandera", "psycopg", "pydantic", "sklearn",
    "sqlalchemy", "sqlite3", "sqlmodel", "weasyprint",
}  # fmt: skip

ROOMS = ["", ".proof", ".people", ".ledger", ".capture", ".policy", ".policy.gates", ".report", ".workflow", ".cli"]
FLOOR = [".errors", ".settings", ".resources", ".canonical", ".records"]

COMMAND = """
from tallystick.cli.main import main
sys.argv = ["tallystick", *{arguments}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def loaded_by(code):
    """The top-level names of all modules that a fresh Python holds after this code."""
    report = "\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", f"import json, sys\n{code}{report}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


def needs(module):
    there = importlib.util.find_spec(module) is not None
    return pytest.mark.skipif(not there, reason=f"{module} is not written yet")


def test_a_heavy_import_would_be_seen():
    assert loaded_by("import sqlite3") & HEAVY == {"sqlite3"}


def test_naming_a_room_loads_nothing_heavy():
    loaded = loaded_by("\n".join(f"import tallystick{name}" for name in ROOMS + FLOOR))
    assert not loaded & (HEAVY | {"pyhanko", "click"})


@needs("tallystick.proof.verify")
def test_the_verifier_knows_no_database_no_tables_and_no_templates():
    assert not loaded_by("import tallystick.proof.verify") & (HEAVY | {"click"})


@needs("tallystick.cli.main")
@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"]], ids=" ".join)
def test_help_comes_without_the_machinery(arguments):
    assert not loaded_by(COMMAND.format(arguments=arguments)) & (HEAVY | {"pyhanko"})


GATES = """
from pathlib import Path
from tallystick.policy import document, judge
text = "apiVersion: tallystick/v1\\nkind: Policy\\nmetadata: {id: p, version: 1.0.0, owner: o}\\n"
text += "applies_to: {stage: production}\\ninputs: {columns: {y_true: t, y_pred: p, favourable: 1}}\\ngates:\\n"
text += "- {id: s, type: schema, columns: {t: {isin: [0, 1]}, g: {regex: '[a-z]'}}}\\n"
text += "- {id: m, type: benchmark, metrics: [{name: accuracy, fail_if: '< 0.1'}]}\\n"
outcome = judge.evaluate(document.parse(text.encode(), name="p"), Path(FILE), data_digest="0" * 64)
assert outcome.verdict == "pass", outcome.checks
"""


def test_judging_a_file_takes_no_data_frames(tmp_path):
    """pyarrow imports pandas as soon as it is handed a list; the columns of the self-test are made otherwise."""
    (tmp_path / "data.csv").write_text("t,p,g\n" + "1,1,a\n0,0,b\n1.0,1.0,a\n" * 10)
    loaded = loaded_by(GATES.replace("FILE", repr(str(tmp_path / "data.csv"))))
    assert not loaded & (HEAVY - {"duckdb", "numpy", "pydantic"})


GOLDEN = Path(__file__).parent / "golden" / "v1"


@pytest.mark.parametrize("name", ["evidence.zip", "audit.pdf", "audit.pdf.tlog-proof", "kept.checkpoint"])
def test_verifying_a_file_touches_no_database_no_tables_and_no_templates(name):
    arguments = ["verify", str(GOLDEN / name), "--key", str(GOLDEN / "ledger.vkey")]
    loaded = loaded_by(COMMAND.format(arguments=arguments))
    assert not loaded & HEAVY
    assert ("pyhanko" in loaded) == (name in ("evidence.zip", "audit.pdf"))


def test_verifying_growth_since_an_anchor_touches_none_of_them_either(tmp_path):
    kept = GOLDEN / "kept.checkpoint"
    growth = tmp_path / "growth.txt"
    growth.write_bytes(b"old %b\n\n" % kept.read_bytes().split(b"\n")[1] + kept.read_bytes())
    arguments = ["verify", str(growth), "--key", str(GOLDEN / "ledger.vkey"), "--anchor", str(kept)]
    assert not loaded_by(COMMAND.format(arguments=arguments)) & (HEAVY | {"pyhanko"})

"""Make a golden set: a ledger of this format's version, with what was issued from it, kept for ever.

``python tests/golden/make.py v1`` writes a new folder and refuses to touch one that is there: a golden set is made
once, by the version that froze the format, and every later version must read it. Its keys are thrown away.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tallystick.cli.main import run

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"

USECASE = """\
name: credit
owner_group: retail-lending
intended_use: propose who is offered a loan
prohibited_use: anything else
jurisdictions: [EU]
risk_tier: {value: high, rationale: creditworthiness, assigned_by: model-risk}
next_review: 2027-06-30
"""

POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: german, version: 1.0.0, owner: model-risk, controls: [euaia-9.6]}
applies_to: {stage: production}
inputs:
  columns: {y_true: y_true, y_pred: y_pred, favourable: 1}
gates:
  - id: schema.core
    type: schema
    rows: {min: 500}
    columns:
      age: {dtype: int64, range: [18, 100]}
  - id: bias.sex
    type: bias
    sensitive: [sex]
    decision: point
    metrics: [{name: demographic_parity_ratio, fail_if: "< 0.80"}]
  - id: bench.accuracy
    type: benchmark
    metrics: [{name: accuracy, fail_if: "< 0.60"}]
"""

COMMANDS = """\
init --name golden.example/v1
key new officer --role risk-officer --name Oda --email oda@bank.example
key new engineer --role engineer --by officer --algorithm ecdsa-p256
usecase usecase.yaml --as officer
policy publish policy.yaml --as officer
record dataset german.csv --name german --role test --as engineer
record params params.json --as engineer
record model m1.bin --name credit --usecase credit --as engineer
gate run credit@1 --predictions unfair.csv --dataset german --as engineer
ledger checkpoint -o kept.checkpoint
record model m2.bin --name credit --usecase credit --as engineer
record metrics metrics.json --model credit@2 --dataset german --n 1000 --as engineer
gate run credit@2 --predictions fair.csv --dataset german --explain explained --as engineer
approve credit@2 --rationale good --condition watch;model-risk;2027-01-01 --as officer
promote credit@2 --as engineer
report credit@2 -o audit.pdf --anchor kept.checkpoint
pack credit@2 -o evidence.zip
"""

KEPT = ("evidence.zip", "audit.pdf", "audit.pdf.tlog-proof", "kept.checkpoint")


def predictions(path: Path, *, fair: bool) -> None:
    with (DATA / "german_credit.csv").open() as source, path.open("w", newline="") as target:
        rows = csv.DictReader(source)
        out = csv.DictWriter(target, [*(rows.fieldnames or []), "sex", "y_true", "y_pred"])
        out.writeheader()
        for row in rows:
            male = row["personal_status_sex"] not in ("A92", "A95")
            selected = row["checking_status"] != "A11" and (fair or male)
            row |= {"sex": "male" if male else "female", "y_true": "1" if row["outcome"] == "1" else "0"}
            out.writerow(row | {"y_pred": str(int(selected))})


def make(folder: Path) -> None:
    (folder / "usecase.yaml").write_text(USECASE)
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "params.json").write_text('{"missing": NaN, "big": 9007199254740993, "C": 1.0}')
    (folder / "metrics.json").write_text('{"accuracy": 0.7}')
    (folder / "m1.bin").write_bytes(b"model one")
    (folder / "m2.bin").write_bytes(b"model two")
    shutil.copy(DATA / "german_credit.csv", folder / "german.csv")
    predictions(folder / "unfair.csv", fair=False)
    predictions(folder / "fair.csv", fair=True)
    for line in COMMANDS.splitlines():
        expected = 1 if "unfair" in line else 0
        found = run(line.split())
        if found != expected:
            raise SystemExit(f"{line}: exit {found}")


def main(name: str) -> None:
    target = HERE / name
    if target.exists():
        raise SystemExit(f"{target} is there: a golden set is never made anew")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.chdir(folder)
        make(folder)
        target.mkdir()
        for file in KEPT:
            shutil.copy(folder / file, target)
        shutil.copy(folder / ".tallystick/ledger.db", target)
        shutil.copy(folder / ".tallystick/ledger.vkey", target)
        os.chdir(HERE)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(target.iterdir())]
    (target / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main(sys.argv[1])

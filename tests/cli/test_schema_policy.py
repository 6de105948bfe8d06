"""A policy with columns from a schema of pandera, published and judged over a folder of Parquet files."""

from __future__ import annotations

import json

import pyarrow.csv
import pyarrow.parquet as pq

SCHEMA = """\
schema_type: dataframe
columns:
  age: {dtype: int64, in_range: {min_value: 18, max_value: 100}}
  job: {dtype: string, isin: [A171, A172, A173, A174]}
"""
POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: german, version: 1.1.0, owner: model-risk}
applies_to: {stage: production}
gates:
  - id: s
    type: schema
    from: schemas/german.yaml
    columns: {scored: {dtype: date}, sex: {dtype: string, personal: true, isin: [male]}}
    rules: [{id: grown, expr: age > 17 and duration_months > 0}]
    freshness: {column: scored, max_age: 5200w}
    tolerate: {sex.isin: {fail_if: "> 999 rows", warn_if: "> 0 rows"}}
    show: 2
"""


def prepare(bank):
    (bank.folder / "schemas").mkdir()
    (bank.folder / "schemas" / "german.yaml").write_text(SCHEMA)
    (bank.folder / "policy.yaml").write_text(POLICY)
    table = pyarrow.csv.read_csv(bank.folder / "fair.csv")
    day = bank.folder / "scored" / "scored=2026-11-01"
    day.mkdir(parents=True)
    for part in range(2):
        pq.write_table(table.slice(part * 500, 500), day / f"{part}.parquet")


def test_a_filled_policy_is_published_and_judged_without_its_file(bank):
    prepare(bank)
    bank.ok("policy", "publish", "policy.yaml", "--as", "officer")
    (bank.folder / "schemas" / "german.yaml").unlink()
    line = ["gate", "run", "credit@2", "--predictions", "scored", "--policy", "german", "--as", "engineer"]
    code, out, err = bank(*line, "--format", "json")
    assert code == 0, (out, err)
    value = json.loads(out)
    assert {check["id"]: check["verdict"] for check in value["checks"]} == {
        "s/age.dtype": "pass",
        "s/age.nullable": "pass",
        "s/age.range": "pass",
        "s/job.dtype": "pass",
        "s/job.nullable": "pass",
        "s/job.isin": "pass",
        "s/scored.dtype": "pass",
        "s/scored.nullable": "pass",
        "s/sex.dtype": "pass",
        "s/sex.nullable": "pass",
        "s/sex.isin": "warn",
        "s/rules.grown": "pass",
        "s/freshness": "pass",
    }
    assert "female" not in out
    newest = json.loads(bank.ok("log", "--format", "json"))
    seq = next(entry["seq"] for entry in reversed(newest) if entry["kind"] == "evaluation")
    recorded = json.loads(bank.ok("show", str(seq), "--attachment", "counts.json"))
    shown = [tally["shown"] for tally in recorded["tallies"]["data"]["tallies"] if "shown" in tally]
    assert shown == [[["xxxxxx", 310]]]
    assert recorded["facts"]["evaluated_at"].endswith("Z")
    assert "sound" in bank.ok("ledger", "fsck")


def test_a_problem_of_a_filled_policy_is_named_where_it_was_written(bank):
    prepare(bank)
    (bank.folder / "policy.yaml").write_text(POLICY.replace("age > 17", "age > 'x'"))
    code, _, err = bank("policy", "check", "policy.yaml")
    assert code == 3
    assert "policy.yaml:10:25" in err

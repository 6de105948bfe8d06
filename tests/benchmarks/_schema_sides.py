"""The sides of the schema benchmark: ``_schema_sides.py make|ours|hand|pandera|"Great Expectations" FILE [WORD]``.

Each prints the seconds of CPU that it took with the file, after it did the same with a small one of the same defects,
and the peak of memory of its process; it stops if it does not find what the data have:
rows whose score is out of range and rows whose net is above the gross, and nothing else. The peers run in environments
that hold nothing of ours, so imports stand in the functions.
"""

import json
import resource
import sys
import time

BAD_SCORES, BAD_NETS = 10, 7
REGIONS = ("north", "south", "east", "west", "central")
CODE = "AC-[0-9]{6}"
POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: bench/schema, version: 1.0.0, owner: bench}
applies_to: {stage: production}
gates:
  - id: s
    type: schema
    columns:
      id: {dtype: int64, nullable: true}
      region: {nullable: true, isin: [north, south, east, west, central]}
      score: {dtype: float64, nullable: true, range: [0, 1], nan: forbid}
      code: {nullable: true, regex: "AC-[0-9]{6}"}
      age: {nullable: false}
    rules: [{id: net-le-gross, expr: net <= amount}]
    rows: {min: 1}
"""
UNIQUE = POLICY.replace("id: {dtype: int64, nullable: true}", "id: {dtype: int64, nullable: true, unique: true}")


def make(path, rows):
    import duckdb

    columns = f"""i AS id, {list(REGIONS)}[1 + (hash(i) % 5)::INT] AS region,
        CASE WHEN i < {BAD_SCORES} THEN 'nan'::DOUBLE ELSE (hash(i * 7) % 1000000) / 1e6 END AS score,
        'AC-' || lpad((hash(i * 3) % 1000000)::VARCHAR, 6, '0') AS code, (hash(i * 11) % 100)::INT AS age,
        (hash(i * 13) % 100000) / 100.0::DOUBLE AS amount,
        CASE WHEN i < {BAD_NETS} THEN 1e9 ELSE (hash(i * 13) % 100000) / 120.0::DOUBLE END AS net,
        (hash(i) % 2)::BOOLEAN AS flag"""
    duckdb.sql("FROM range($rows) t(i)", params={"rows": int(rows)}).project(columns).write_parquet(path)


def ours(path, unique=""):
    from pathlib import Path

    from tallystick.policy import document, judge

    policy = document.parse((UNIQUE if unique else POLICY).encode(), name="policy.yaml")
    outcome = judge.evaluate(policy, Path(path), data_digest="0" * 64)
    missed = [round(check.value * check.n) for check in outcome.checks if check.verdict == "fail"]
    found(missed, [BAD_SCORES, BAD_SCORES, BAD_NETS])


def hand(path, unique=""):
    import duckdb

    misses = [
        "typeof(id) <> 'BIGINT'",
        f"NOT (region IS NULL OR region IN {REGIONS})",
        "typeof(score) <> 'DOUBLE'",
        "isnan(score)",
        "NOT (score IS NULL OR score BETWEEN 0 AND 1)",
        f"NOT (code IS NULL OR regexp_full_match(code, '{CODE}'))",
        "age IS NULL",
        "NOT coalesce(net <= amount, false)",
    ]
    figures = ", ".join(f"count(*) FILTER (WHERE {miss})" for miss in misses)
    data = duckdb.read_parquet(path)
    rows, *missed = data.aggregate(f"count(*), {figures}").fetchall()[0]
    if unique:
        missed.append(rows - data.aggregate("count(DISTINCT id)").fetchall()[0][0])
    found([miss for miss in missed if miss], [BAD_SCORES, BAD_SCORES, BAD_NETS])


def pandera(path, _=""):
    import pandas as pd
    import pandera.pandas as pa

    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    schema = pa.DataFrameSchema(
        {
            "id": pa.Column("int64[pyarrow]", nullable=True),
            "region": pa.Column(None, pa.Check.isin(REGIONS), nullable=True),
            "score": pa.Column("double[pyarrow]", pa.Check.in_range(0, 1), nullable=True),
            "code": pa.Column(None, pa.Check.str_matches(f"^{CODE}$"), nullable=True),
            "age": pa.Column(None),
        },
        checks=pa.Check(lambda rows: rows["net"] <= rows["amount"], name="net-le-gross"),
    )
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        found([len(set(errors.failure_cases["check"])) > 0], [True])
    else:
        sys.exit("pandera found nothing")


def great_expectations(path, _=""):
    import great_expectations as gx
    import pandas as pd

    frame = pd.read_parquet(path)
    context = gx.get_context(mode="ephemeral")
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    of = gx.expectations
    suite = gx.ExpectationSuite(
        name="s",
        expectations=[
            of.ExpectColumnValuesToBeOfType(column="id", type_="int64"),
            of.ExpectColumnValuesToBeInSet(column="region", value_set=list(REGIONS)),
            of.ExpectColumnValuesToBeOfType(column="score", type_="float64"),
            of.ExpectColumnValuesToNotBeNull(column="score"),
            of.ExpectColumnValuesToBeBetween(column="score", min_value=0, max_value=1),
            of.ExpectColumnValuesToMatchRegex(column="code", regex=f"^{CODE}$"),
            of.ExpectColumnValuesToNotBeNull(column="age"),
            of.ExpectColumnPairValuesAToBeGreaterThanB(column_A="amount", column_B="net", or_equal=True),
        ],
    )
    validated = batch.get_batch(batch_parameters={"dataframe": frame}).validate(suite, result_format="SUMMARY")
    found([bool(result.success) for result in validated.results].count(False) > 0, True)


def found(missed, expected):
    if missed != expected:
        sys.exit(f"found {missed} where {expected} should be found")


SIDES = {"make": make, "ours": ours, "hand": hand, "pandera": pandera, "Great Expectations": great_expectations}

if __name__ == "__main__":
    what, path, *more = sys.argv[1:]
    if what != "make":
        SIDES[what](path.replace(".parquet", "-small.parquet"), *more)  # imports, and what a first use sets up
    began = time.process_time()
    SIDES[what](path, *more)
    took, peak = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": took, "peak": peak}))

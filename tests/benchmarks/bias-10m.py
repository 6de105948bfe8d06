"""Fairness metrics of ten million people by two sensitive columns and their intersections, from counts: CPU seconds
from the Parquet file to every metric, beside the same counts asked of DuckDB by hand.
"""

import importlib
import time

import _harness as harness
import _people as people

BY_HAND = """
    SELECT sex, race, y_true, y_pred, count(*) FROM read_parquet(?) GROUP BY GROUPING SETS (
        (sex, y_true, y_pred), (race, y_true, y_pred), (sex, race, y_true, y_pred))
"""


def measure(run):
    import duckdb

    ours = importlib.import_module("bias-1m").ours
    path = people.file(run, run.rows)

    def by_hand():
        with duckdb.connect() as connection:
            connection.execute(BY_HAND, [str(path)]).fetchall()

    by_hand()
    ours(path)
    mine, its = run.interleaved(lambda: _cpu_seconds(lambda: ours(path)), lambda: _cpu_seconds(by_hand))
    name = f"bias-{harness.short(run.rows)}"
    yield harness.compare(name, mine, its, unit="s", what="the counts by DuckDB, asked by hand", aim="<1s")


def _cpu_seconds(act):
    began = time.process_time()
    act()
    return time.process_time() - began


if __name__ == "__main__":
    harness.main(measure, rounds=(5, 1), rows=(10_000_000, 50_000))

"""Drift of a column of ten million rows against a recorded baseline, beside an exact Kolmogorov-Smirnov by sorting.

Ours is what a drift gate takes for PSI and KS: one scan of the Parquet file into bands, and the arithmetic on the count
tables; the baseline's histogram stands on the ledger. Beside it the same column is read, and both are sorted by NumPy,
which is what an exact two-sample statistic costs; reading the other side is not counted. CPU time, all threads.
"""

import time

import _harness as harness
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tallystick.policy import judge
from tallystick.policy.baseline import recorded
from tallystick.policy.document import parse
from tallystick.policy.engines.histograms import every_column

POLICY = b"""\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: drift, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
gates:
  - id: drift
    type: drift
    metrics:
      - {column: score, method: psi, edges: quantiles, fail_if: ">= 0.25"}
      - {column: score, method: ks, edges: quantiles, fail_if: "> 0.1"}
"""


def measure(run):
    base, data = (_column(run, name, seed) for seed, name in enumerate(("base", "data")))
    kept = every_column(run.folder / "base.parquet").as_json()
    policy, path = parse(POLICY, name="policy.yaml"), run.folder / "data.parquet"

    def gate():
        beside = recorded(kept, name="base", sha256="0" * 64)
        return judge.evaluate(policy, path, data_digest="0" * 64, baseline=beside).checks[1].value

    exact = _exact(base, data)
    if not exact - 0.0101 <= gate() <= exact + 1e-9:
        raise ValueError("the figure is not that of the rows, within a band")
    ours, other = run.interleaved(lambda: _timed(gate), lambda: _timed(lambda: _exact(base, _read(path))))
    yield harness.compare(
        f"drift-{harness.short(run.rows)}", ours, other, unit="s", what="an exact KS by sorting", aim="<=0.5"
    )


def _column(run, name, seed):
    values = np.random.default_rng(seed).normal(0.05 * seed, 1, run.rows)
    parquet.write_table(pa.table({"score": values}), run.folder / f"{name}.parquet")
    return values


def _read(path):
    return parquet.read_table(path)["score"].to_numpy()


def _exact(base, data):
    """The largest difference of the empirical distribution functions, looked at where either steps."""
    base, data = np.sort(base), np.sort(data)
    steps = np.concatenate([base, data])
    below = (np.searchsorted(side, steps, side="right") / len(side) for side in (base, data))
    return float(np.max(np.abs(np.subtract(*below))))


def _timed(act):
    begun = time.process_time()
    act()
    return time.process_time() - begun


if __name__ == "__main__":
    harness.main(measure, rounds=(5, 1), rows=(10_000_000, 20_000))

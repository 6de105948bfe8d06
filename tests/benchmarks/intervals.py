"""Bootstrap replicates of fairness metrics on a hundred thousand people: drawn from the counts, beside fairlearn, which
draws rows. Both give demographic parity and equalized odds by sex and race; a replicate is one table, or one frame.
CPU time of the process, all threads.
"""

import time

import _harness as harness
import _people as people

from tallystick.policy.counts import by_outcome
from tallystick.policy.engines.duckdb import open_source
from tallystick.policy.metrics import GROUP_METRICS
from tallystick.policy.statistics import bootstrap

NAMES = ("demographic_parity_ratio", "equalized_odds_difference")
GROUPS = ("sex", "race")


def measure(run):
    path = people.file(run, run.rows)
    counts = open_source(path).count([by_outcome(GROUPS, true="y_true", predicted="y_pred")])
    groups = tuple(counts.table(GROUPS).groups("1").values())
    columns = None if run.quick else _columns(path)
    mine, its = run.interleaved(lambda: _ours(groups, run.replicates), lambda: 1 if run.quick else _its(columns))
    name = f"intervals-{harness.short(run.rows)}"
    yield harness.compare(name, mine, its, unit="/s of CPU", what="fairlearn's n_boot", aim=">=1000")


def _ours(groups, replicates):
    from tallystick.policy.gates.bias import _replicates

    cells = [n for group in groups for n in group]
    began = time.process_time()
    for name in NAMES:
        metric = GROUP_METRICS[name]
        bootstrap(
            cells,
            lambda drawn, metric=metric: _replicates(metric, drawn.reshape(len(drawn), -1, 4)),
            replicates=replicates,
            confidence=0.95,
            seed="0" * 16,
        )
    return replicates / (time.process_time() - began)


def _columns(path):
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=["sex", "race", "y_true", "y_pred"]).to_pandas()


def _its(columns, replicates=10):
    from fairlearn import metrics

    began = time.process_time()
    frame = metrics.MetricFrame(
        metrics={
            "selection_rate": metrics.selection_rate,
            "true_positive_rate": metrics.true_positive_rate,
            "false_positive_rate": metrics.false_positive_rate,
        },
        y_true=columns.y_true,
        y_pred=columns.y_pred,
        sensitive_features=columns[list(GROUPS)],
        n_boot=replicates,
        ci_quantiles=[0.025, 0.975],
        random_state=1,
    )
    frame.ratio_ci(), frame.difference_ci()
    return replicates / (time.process_time() - began)


if __name__ == "__main__":
    harness.main(measure, rounds=(3, 1), rows=(100_000, 1_000), replicates=(10_000, 1_000))

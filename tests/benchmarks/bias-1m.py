"""Fairness metrics of a million people by two sensitive columns and their intersections, from counts, beside fairlearn.

Ours reads the columns from the Parquet file, counts in one scan, and compares groups by every metric that it has;
fairlearn is handed the columns as arrays and computes the four rates that it needs for the same, with MetricFrame. What
both have is held equal to 1e-12 first. CPU time of the process, all threads.
"""

import time

import _harness as harness
import _people as people

from tallystick.policy.counts import by_outcome
from tallystick.policy.engines.duckdb import open_source
from tallystick.policy.metrics import GROUP_METRICS, compare

GROUPS = (("sex",), ("race",), ("sex", "race"))


def measure(run):
    path = people.file(run, run.rows)
    columns = None if run.quick else _columns(path)
    if columns is not None:
        _check_equal(ours(path), columns)
    ours(path)
    mine, its = run.interleaved(
        lambda: 1 / _cpu_seconds(lambda: ours(path)),
        lambda: 1 if run.quick else 1 / _cpu_seconds(lambda: [_by_fairlearn(columns, groups) for groups in GROUPS]),
    )
    name = f"bias-{harness.short(run.rows)}"
    yield harness.compare(
        name, mine, its, unit="/s", what="fairlearn's MetricFrame; both in a second of CPU", aim=">=500"
    )


def ours(path):
    """Each metric by name, for each of the groups."""
    source = open_source(path)
    counts = source.count([by_outcome(groups, true="y_true", predicted="y_pred") for groups in GROUPS])
    return {
        groups: {
            name: compare(metric, tuple(counts.table(groups).groups("1").values()))
            for name, metric in GROUP_METRICS.items()
            if metric.stands_on == "predictions"
        }
        for groups in GROUPS
    }


def _columns(path):
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=["sex", "race", "y_true", "y_pred"]).to_pandas()


def _by_fairlearn(columns, groups):
    from fairlearn import metrics

    rates = {
        "selection_rate": metrics.selection_rate,
        "true_positive_rate": metrics.true_positive_rate,
        "false_positive_rate": metrics.false_positive_rate,
        "false_negative_rate": metrics.false_negative_rate,
    }
    return metrics.MetricFrame(
        metrics=rates,
        y_true=columns.y_true,
        y_pred=columns.y_pred,
        sensitive_features=columns[list(groups)],
    )


def _check_equal(found, columns):
    for groups in GROUPS:
        frame = _by_fairlearn(columns, groups)
        low, high = frame.group_min(), frame.group_max()
        selection, tpr, fpr = "selection_rate", "true_positive_rate", "false_positive_rate"
        expected = {
            "demographic_parity_ratio": low[selection] / high[selection],
            "demographic_parity_difference": high[selection] - low[selection],
            "equal_opportunity_difference": high[tpr] - low[tpr],
            "equalized_odds_ratio": min(low[tpr] / high[tpr], low[fpr] / high[fpr]),
            "equalized_odds_difference": max(high[tpr] - low[tpr], high[fpr] - low[fpr]),
        }
        for name, value in expected.items():
            assert abs(found[groups][name].value - value) <= 1e-12, (groups, name)


def _cpu_seconds(act):
    began = time.process_time()
    act()
    return time.process_time() - began


if __name__ == "__main__":
    harness.main(measure, rounds=(3, 1), rows=(1_000_000, 50_000))

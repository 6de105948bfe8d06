"""Bootstrap replicates of fairness metrics on a hundred thousand people: the bias gate, which draws tables from counts,
beside fairlearn, which draws rows. Both give demographic parity and equalized odds by sex and race; ours judges them
too. CPU time of the process, all threads.
"""

import time

import _harness as harness
import _people as people

from tallystick.policy.counts import by_outcome
from tallystick.policy.document import parse
from tallystick.policy.engines.duckdb import open_source
from tallystick.policy.evidence import Setting
from tallystick.policy.gates.bias import judge as bias

GROUPS = ("sex", "race")
POLICY = """
apiVersion: tallystick/v1
kind: Policy
metadata: {{id: bench/intervals, version: 1.0.0, owner: bench}}
applies_to: {{stage: production}}
inputs: {{columns: {{y_true: y_true, y_pred: y_pred, favourable: 1}}}}
gates:
  - id: b
    type: bias
    sensitive: [[sex, race]]
    decision: confident
    interval: {{method: multinomial_bootstrap, n: {replicates}}}
    metrics:
      - {{name: demographic_parity_ratio, fail_if: "< 0.80"}}
      - {{name: equalized_odds_difference, fail_if: "> 0.10"}}
"""


def measure(run):
    path = people.file(run, run.rows)
    counts = open_source(path).count([by_outcome(GROUPS, true="y_true", predicted="y_pred")])
    (gate,) = parse(POLICY.format(replicates=run.replicates).encode(), name="policy.yaml").gates
    columns = None if run.quick else _columns(path)
    mine, its = run.interleaved(lambda: _ours(gate, counts), lambda: 1 if run.quick else _its(columns))
    name = f"intervals-{harness.short(run.rows)}"
    yield harness.compare(name, mine, its, unit="/s", what="fairlearn's n_boot; both in a second of CPU", aim=">=1000")


def _ours(gate, counts):
    began = time.process_time()
    found = list(bias.run(gate, counts, Setting(favourable="1", seed="0" * 16)))
    assert all(check.interval for check in found), "each has an interval"
    return gate.interval.n / (time.process_time() - began)


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
    harness.main(measure, rounds=(3, 1), rows=(100_000, 50_000), replicates=(10_000, 1_000))

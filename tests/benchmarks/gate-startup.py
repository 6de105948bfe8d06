"""What a gate run costs whatever the data: a small file under a small policy, from the start of the process to its end.

The gate run reads 400 rows of CSV, judges them by gates of three types and appends the evaluation and its decision to a
ledger. Beside it stands Python that imports what others would judge with, fairlearn's metrics and pandera, and does
nothing with them; and beside what needs no data, an empty Python. CPU time is the user and system time of the process
as the kernel counts it; compiled bytecode, as after an installation.
"""

import os

import _harness as harness
from _process import TALLYSTICK, compiled, taken

RUN = "gate run credit --predictions data.csv --as engineer"
PEER, EMPTY = "import fairlearn.metrics, pandera", "pass"
CASES = {
    "gate-startup-run": (RUN, PEER, "<=0.75"),
    "gate-startup-policy-check": ("policy check policy.yaml", EMPTY, "<0.5s"),
    "gate-startup-help": ("--help", EMPTY, "<0.1s"),
}
"""By name: the command, what is beside it, and what is aimed at."""

HOUSE = (
    "init --name bench.example/gates",
    "key new officer --role risk-officer",
    "key new engineer --role engineer --by officer",
    "usecase usecase.yaml --as officer",
    "record model model.bin --name credit --usecase credit --as engineer",
    "policy publish policy.yaml --as officer",
)
POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: small, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
inputs: {columns: {y_true: y_true, y_pred: y_pred, favourable: 1}}
gates:
- {id: form, type: schema, rows: {min: 100}, columns: {score: {range: [0, 1]}, group: {isin: [a, b]}}}
- id: bias
  type: bias
  sensitive: [group]
  decision: point
  metrics: [{name: demographic_parity_ratio, fail_if: "< 0.8"}]
- {id: bench, type: benchmark, metrics: [{name: accuracy, fail_if: "< 0.1"}]}
"""


def measure(run):
    environment = compiled(run.folder)
    _prepare(run.folder, environment)
    for name, (command, code, aim) in CASES.items():
        code = EMPTY if run.quick else code
        sides = [[*TALLYSTICK, *command.split()], ["-c", code]]
        for side in sides:
            taken(side, environment)  # compiles
        ours, other = run.interleaved(*(lambda it=side: taken(it, environment) for side in sides))
        for kind in ("cpu", "wall") if command == RUN else ("cpu",):  # where the aim is a ratio
            figures = ([getattr(each, kind) for each in side] for side in (ours, other))
            what = f"python -c {code!r}, {kind} time of both"
            yield harness.compare(f"{name}-{kind}", *figures, unit="s", what=what, aim=aim)


def _prepare(folder, environment):
    os.chdir(folder)
    rows = [f"{'ab'[i % 2]},{i // 2 % 2},{i // 4 % 2},0.{i % 10}" for i in range(400)]
    (folder / "data.csv").write_text("\n".join(["group,y_true,y_pred,score", *rows, ""]))
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "usecase.yaml").write_text("name: credit\nowner_group: a\nintended_use: b\nprohibited_use: c\n")
    (folder / "model.bin").write_bytes(b"model")
    for line in HOUSE:
        taken([*TALLYSTICK, *line.split()], environment)


if __name__ == "__main__":
    harness.main(measure, rounds=(7, 1))

"""Small policies and data files for the tests of the policy room."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

import tallystick
from tallystick.policy import judge
from tallystick.policy.counts import Counts, Table, by_outcome
from tallystick.policy.document import Policy, parse

HEAD = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: test/policy, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
inputs: {columns: {y_true: y_true, y_pred: y_pred, score: score, favourable: 1}}
"""


@pytest.fixture
def head() -> str:
    return HEAD


@pytest.fixture
def policy() -> Callable[[str], Policy]:
    """A policy from the YAML of its gates."""
    return lambda gates: parse((HEAD + "gates:\n" + gates).encode(), name="policy.yaml")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A CSV file from a header and rows."""

    def make(header: Sequence[str], rows: Iterable[Sequence[object]], name: str = "data.csv") -> Path:
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        return path

    return make


@pytest.fixture
def people(write: Callable[..., Path]) -> Callable[..., Path]:
    """A data file from counts: group -> (tp, fp, fn, tn), favourable is 1."""

    def make(groups: dict[str, Sequence[int]], column: str = "sex") -> Path:
        outcomes = ((1, 1), (0, 1), (1, 0), (0, 0))
        rows = [
            (group, true, said)
            for group, cells in groups.items()
            for (true, said), n in zip(outcomes, cells, strict=True)
            for _ in range(n)
        ]
        return write((column, "y_true", "y_pred"), rows)

    return make


@pytest.fixture
def counted() -> Callable[..., Counts]:
    """Counts by one column, and over everyone, from group -> (tp, fp, fn, tn)."""

    def make(groups: dict[str | None, Sequence[int]], column: str = "sex") -> Counts:
        outcomes = (("1", "1"), ("0", "1"), ("1", "0"), ("0", "0"))
        by_group = [
            ((group, *outcome), n)
            for group, cells in groups.items()
            for outcome, n in zip(outcomes, cells, strict=True)
        ]
        table = Table.of(by_outcome([column], true="y_true", predicted="y_pred"), by_group)
        tables = (table.along(*table.axes[1:]), table)
        return Counts(tables[0].rows, tables)

    return make


@pytest.fixture
def evaluate() -> Callable[[Policy, Path], judge.Outcome]:
    def run(policy: Policy, path: Path) -> judge.Outcome:
        return judge.evaluate(policy, path, data_digest=hashlib.sha256(path.read_bytes()).hexdigest())

    return run


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs code in another process, in the temporary folder, with this same tallystick."""
    source = str(Path(tallystick.__file__).parents[1])

    def run(code: str, *, first: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([*([str(first)] if first else []), source])
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def data() -> Path:
    """The folder of real data."""
    return Path(__file__).parent.parent / "data"

"""The judge: runs the plan of a policy on a data file, and says what came of it.

Order of things:

1. the plan is read off the policy, before any data;
2. the file is read, once for the counts, and by columns where a gate needs rows; if it cannot be read, or changes
   meanwhile, that is an exception and there is no verdict;
3. each gate runs; whatever it raises, even a library's attempt to end the program, becomes an error of its checks;
4. what ran is compared with the plan, and the verdicts are rolled up.

Judging writes nothing and reads no clock. The same policy, data and library versions give the same outcome.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.canonical import Value
from tallystick.errors import InvalidData, TallystickError, Unavailable, UsageError
from tallystick.policy.counts import Counts, Scores
from tallystick.policy.document import Policy
from tallystick.policy.engines import duckdb as engine
from tallystick.policy.gates import benchmark, bias
from tallystick.policy.language import BenchmarkGate, BiasGate, Gate, SchemaGate, check_ids
from tallystick.policy.results import CheckResult, Verdict, against_plan, broken, number, roll_up
from tallystick.policy.statistics import evaluation_seed

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SCHEMA", "Outcome", "Progress", "evaluate", "replay", "table"]

SCHEMA = "tallystick/check-results/v1"

Progress = Callable[[str], None]
"""Told what begins, in a few words."""

_TOOLS = {"schema": ("pandas", "pandera", "pyarrow"), "bias": ("numpy",), "benchmark": ("numpy", "scikit-learn")}


@dataclass(frozen=True)
class Outcome:
    """What an evaluation came to; everything that the ledger's entry holds."""

    plan: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    """In the order of the plan."""
    verdict: Verdict
    """pass, warn, fail, inconclusive or error."""
    counts: Value = field(repr=False)
    """The count tables as JSON: they belong into an erasable attachment. Empty tables if no gate counts."""
    rows: int
    tools: dict[str, str]
    """Name to version, of all that had a part in the figures."""
    engine: str
    seed: str
    """16 hex digits; see :func:`tallystick.policy.statistics.evaluation_seed`."""
    policy: str
    """``id@version`` of the policy."""
    policy_digest: str
    data_digest: str

    def as_json(self) -> dict[str, Value]:
        """The versioned JSON form, without the count tables."""
        return {
            "schema": SCHEMA,
            "policy": {"name": self.policy, "digest": self.policy_digest},
            "data": {"digest": self.data_digest, "rows": self.rows},
            "verdict": self.verdict,
            "plan": list(self.plan),
            "checks": [check.as_json() for check in self.checks],
            "engine": self.engine,
            "seed": self.seed,
            "tools": dict(self.tools),
        }


def evaluate(policy: Policy, data: Path, *, data_digest: str, progress: Progress | None = None) -> Outcome:
    """Judge a data file under a policy.

    Args:
        policy: read beforehand; its plan is fixed.
        data: CSV or Parquet with the columns that the policy names.
        data_digest: SHA-256 of the data in lower-case hex, as the ledger knows it.
        progress: called before each part of the work.

    Raises:
        NotFound: no such file.
        InvalidData: the file or a column cannot be used, an outcome is missing or NaN, or the file changed meanwhile.
        UsageError: the digest is none.
    """
    _check_digest(data_digest)
    tell = progress or (lambda _: None)
    seed = evaluation_seed(policy.digest, data_digest)
    try:
        before = _identity(data)
        tell("reading the data")
        found = _read(policy, engine.open_source(data))
        _check_unchanged(data, before)
    except SystemExit as error:
        raise Unavailable("a library tried to end the program while the data were read") from error
    results = list(_run(policy, found, seed, tell))
    checks = against_plan(policy.plan, results, gate_of=policy.gate_of)
    return Outcome(
        plan=policy.plan,
        checks=checks,
        verdict=roll_up(check.verdict for check in checks),
        counts=found.counts.as_json(),
        rows=found.rows,
        tools=_tools(policy),
        engine=engine.engine(),
        seed=seed,
        policy=f"{policy.id}@{policy.version}",
        policy_digest=policy.digest,
        data_digest=data_digest,
    )


def replay(policy: Policy, counts: Value, *, seed: str) -> tuple[CheckResult, ...]:
    """Compute every count-based check again from recorded count tables, without the data.

    Args:
        policy: with the recorded digest.
        counts: as :attr:`Outcome.counts` holds them.
        seed: as :attr:`Outcome.seed` holds it.

    Returns:
        The checks whose ``replay`` is ``counts``, in the order of the plan, equal to the recorded ones.

    Raises:
        InvalidData: the tables are not of the known form, or do not hold what the policy needs.
    """
    known = Counts.from_json(counts)
    results: list[CheckResult] = []
    for gate in policy.gates:
        if not isinstance(gate, SchemaGate):
            results += _run_counted(policy, gate, _Found(known, known.rows), seed, counted_only=True)
    return tuple(results)


def table(outcome: Outcome) -> list[list[str]]:
    """Rows of text for a command line: check, verdict, value, threshold, n, reason."""
    return [
        [
            check.id,
            check.verdict,
            "-" if check.value is None else number(check.value),
            "; ".join(str(check.threshold[name]) for name in ("fail_if", "warn_if") if name in check.threshold) or "-",
            f"{check.n:,}",
            check.reason,
        ]
        for check in outcome.checks
    ]


# --------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class _Found:
    """What was read from the data file."""

    counts: Counts
    rows: int
    tables: dict[str, pyarrow.Table] = field(default_factory=dict)
    """For each schema gate its columns."""
    typed: bool = False
    scores: Scores | None = None


def _read(policy: Policy, source: engine.Source) -> _Found:
    counts = _counted(policy, source)
    tables = {
        gate.id: source.table([name for name in gate.columns if source.has(name)])
        for gate in policy.gates
        if isinstance(gate, SchemaGate)
    }
    rows = counts.rows if counts.tables else next(iter(tables.values())).num_rows
    return _Found(counts, rows, tables, source.typed, _scores(policy, source))


def _counted(policy: Policy, source: engine.Source) -> Counts:
    """The count tables that the gates need, everyone first."""
    inputs = policy.document.inputs
    if inputs is None or all(isinstance(gate, SchemaGate) for gate in policy.gates):
        return Counts(0, ())
    tables: dict[tuple[str, ...], None] = {(): None}
    for gate in policy.gates:
        if isinstance(gate, BiasGate):
            tables |= {columns: None for _, columns, _ in gate.checks()}
    counts = source.count(list(tables), true=inputs.columns.y_true, predicted=inputs.columns.y_pred)
    counts.check_favourable(policy.favourable)
    return counts


def _scores(policy: Policy, source: engine.Source) -> Scores | None:
    """Outcome and score of each row, if a check needs them and the data have them, or must have them."""
    inputs = policy.document.inputs
    metrics = [
        m for gate in policy.gates if isinstance(gate, BenchmarkGate) for m in gate.metrics if m.metric.needs_score
    ]
    if inputs is None or inputs.columns.score is None or not metrics:
        return None
    if not source.has(inputs.columns.score) and all(metric.optional for metric in metrics):
        return None
    return source.scores(true=inputs.columns.y_true, score=inputs.columns.score, favourable=policy.favourable)


def _check_digest(digest: str) -> None:
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise UsageError("the digest of the data is not a SHA-256 in lower-case hex", got=repr(digest)[:70])


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _check_unchanged(path: Path, before: tuple[int, ...] | None) -> None:
    if _identity(path) != before:
        raise InvalidData(
            "the data file changed while it was read", where=path.name, remedy="Evaluate a finished file."
        )


# --------------------------------------------------------------------------- running


def _run(policy: Policy, found: _Found, seed: str, tell: Progress) -> Iterator[CheckResult]:
    for gate in policy.gates:
        tell(f"gate {gate.id}")
        yield from _shielded(gate, partial(_run_gate, policy, gate, found, seed))


def _run_gate(policy: Policy, gate: Gate, found: _Found, seed: str) -> Iterable[CheckResult]:
    if isinstance(gate, SchemaGate):
        from tallystick.policy.gates import schema

        return schema.run(gate, found.tables[gate.id], typed=found.typed)
    return _run_counted(policy, gate, found, seed, counted_only=False)


def _run_counted(
    policy: Policy, gate: BiasGate | BenchmarkGate, found: _Found, seed: str, *, counted_only: bool
) -> Iterable[CheckResult]:
    common: dict[str, Any] = {"favourable": policy.favourable, "confidence": policy.confidence, "seed": seed}
    if isinstance(gate, BiasGate):
        return bias.run(gate, found.counts, **common)
    return benchmark.run(gate, found.counts, scores=found.scores, counted_only=counted_only, **common)


def _shielded(gate: Gate, run: Callable[[], Iterable[CheckResult]]) -> list[CheckResult]:
    """A gate's results; if it raises, even SystemExit, an error for each of its checks and nothing else."""
    try:
        return list(run())
    except (Exception, SystemExit) as error:
        what = str(error) if isinstance(error, TallystickError) else type(error).__name__
        reason = f"the gate could not be carried out: {what}"
        return [broken(check, gate.id, gate.type, reason) for check in check_ids(gate)]


def _tools(policy: Policy) -> dict[str, str]:
    names = {"duckdb", "tallystick", *(tool for gate in policy.gates for tool in _TOOLS[gate.type])}
    found = {"python": platform.python_version()}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found

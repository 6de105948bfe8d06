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
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from tallystick.policy.engines import files
from tallystick.policy.evidence import DATA, Counted, Evidence, Need, Rows, Scored, Setting, Tallied
from tallystick.policy.language import Gate
from tallystick.policy.predicates import Tallies
from tallystick.policy.results import CheckResult, Verdict, against_plan, broken, number, roll_up
from tallystick.policy.statistics import evaluation_seed

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SCHEMA", "Outcome", "Progress", "evaluate", "replay", "table"]

SCHEMA = "tallystick/check-results/v1"

Progress = Callable[[str], None]
"""Told what begins, in a few words."""


@dataclass(frozen=True)
class Outcome:
    """What an evaluation came to; everything that the ledger's entry holds."""

    plan: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    """In the order of the plan."""
    verdict: Verdict
    """pass, warn, fail, inconclusive or error."""
    evidence: Value = field(repr=False)
    """The count tables and facts as JSON: they belong into an erasable attachment."""
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


def evaluate(
    policy: Policy,
    data: Any,
    *,
    data_digest: str,
    facts: Mapping[str, Value] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Judge data under a policy.

    Args:
        policy: read beforehand; its plan is fixed.
        data: with the columns that the policy names: the path of a file of CSV, Parquet or Arrow IPC or of a folder of
            Parquet files, or a frame of pandas, polars or pyarrow; see :mod:`tallystick.policy.engines.files`.
        data_digest: SHA-256 of the data in lower-case hex, as the ledger knows it.
        facts: what the ledger knows of the model, for rules over recorded facts.
        progress: called before each part of the work, and on the way through a long scan; in the caller's thread.

    Raises:
        NotFound: no such file.
        InvalidData: the data or a column cannot be used, an outcome is missing or NaN, or a file changed meanwhile.
        UsageError: the digest is none.
    """
    _check_digest(data_digest)
    tell = progress or (lambda _: None)
    seed = evaluation_seed(policy.digest, data_digest)
    try:
        before = files.state(data)
        tell("reading the data")
        found = _read(policy, {DATA: engine.open_source(data, tell=progress)}, facts or {})
        if files.state(data) != before:
            raise _changed(data)
    except SystemExit as error:
        raise Unavailable("a library tried to end the program while the data were read") from error
    results = list(_run(policy, found, seed, tell))
    checks = against_plan(policy.plan, results, gate_of=policy.gate_of)
    return Outcome(
        plan=policy.plan,
        checks=checks,
        verdict=roll_up(check.verdict for check in checks),
        evidence=found.as_json(),
        rows=found.rows,
        tools=_tools(policy),
        engine=engine.engine(),
        seed=seed,
        policy=f"{policy.id}@{policy.version}",
        policy_digest=policy.digest,
        data_digest=data_digest,
    )


def replay(policy: Policy, evidence: Value, *, seed: str) -> tuple[CheckResult, ...]:
    """Compute again, from recorded count tables and facts, every check that they decide, without the data.

    Args:
        policy: with the recorded digest.
        evidence: as :attr:`Outcome.evidence` holds it.
        seed: as :attr:`Outcome.seed` holds it.

    Returns:
        The checks whose ``replay`` is ``counts``, in the order of the plan, equal to the recorded ones.

    Raises:
        InvalidData: the tables are not of the known form, or do not hold what the policy needs.
    """
    known = Evidence.from_json(evidence)
    setting = Setting(favourable=policy.favourable, confidence=policy.confidence, seed=seed)
    return tuple(result for gate in policy.gates for result in gate.judge(known, setting))


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


def _read(policy: Policy, sources: Mapping[str, engine.Source], facts: Mapping[str, Value]) -> Evidence:
    """What the gates need, of each source in as few scans as it takes."""
    inputs = policy.document.inputs
    needs = list(dict.fromkeys(need for gate in policy.gates for need in gate.needs(inputs)))
    tallies = _tallied(sources, needs)
    counts = {name: _counted(source, needs, name, tallies.get(name)) for name, source in sources.items()}
    if policy.favourable and any(isinstance(need, Counted) and need.source == DATA for need in needs):
        counts[DATA].check_favourable(policy.favourable)
    data = sources[DATA]
    return Evidence(
        rows=counts[DATA].rows,
        counts=counts,
        facts=facts,
        tables={need: _rows(sources, need) for need in needs if isinstance(need, Rows)},
        scores={need: _scores(data, need) for need in needs if isinstance(need, Scored)},
        tallies=tallies,
    )


def _tallied(sources: Mapping[str, engine.Source], needs: Iterable[Need]) -> dict[str, Tallies]:
    """One scan for each source that something is tallied of."""
    wanted = {name: [need for need in needs if isinstance(need, Tallied) and need.source == name] for name in sources}
    return {name: sources[name].tally(tallied) for name, tallied in wanted.items() if tallied}


def _counted(source: engine.Source, needs: Iterable[Need], name: str, tallies: Tallies | None) -> Counts:
    axes = [need.axes for need in needs if isinstance(need, Counted) and need.source == name]
    return Counts(tallies.rows, ()) if tallies is not None and not axes else source.count(axes)


def _rows(sources: Mapping[str, engine.Source], need: Rows) -> pyarrow.Table:
    source = sources[need.source]
    return source.table([name for name in need.columns if source.has(name)])


def _scores(source: engine.Source, need: Scored) -> Scores | None:
    if need.optional and not source.has(need.score):
        return None
    return source.scores(true=need.true, score=need.score, favourable=need.favourable)


def _check_digest(digest: str) -> None:
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise UsageError("the digest of the data is not a SHA-256 in lower-case hex", got=repr(digest)[:70])


def _changed(path: Path) -> InvalidData:
    return InvalidData(
        "the data file changed while it was read", where=Path(path).name, remedy="Evaluate a finished file."
    )


# --------------------------------------------------------------------------- running


def _run(policy: Policy, evidence: Evidence, seed: str, tell: Progress) -> Iterator[CheckResult]:
    setting = Setting(favourable=policy.favourable, confidence=policy.confidence, seed=seed)
    for gate in policy.gates:
        tell(f"gate {gate.id}")
        yield from _shielded(gate, partial(gate.judge, evidence, setting))


def _shielded(gate: Gate, run: Callable[[], Iterable[CheckResult]]) -> list[CheckResult]:
    """A gate's results; if it raises, even SystemExit, an error for each of its checks and nothing else."""
    try:
        return list(run())
    except (Exception, SystemExit) as error:
        what = str(error) if isinstance(error, TallystickError) else type(error).__name__
        reason = f"the gate could not be carried out: {what}"
        return [broken(check.id, gate.id, gate.type, reason) for check in gate.plan()]


def _tools(policy: Policy) -> dict[str, str]:
    names = {"duckdb", "tallystick", *(tool for gate in policy.gates for tool in gate.tools)}
    found = {"python": platform.python_version()}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found

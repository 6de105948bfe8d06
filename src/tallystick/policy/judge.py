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
from typing import TYPE_CHECKING

from tallystick.canonical import Value
from tallystick.errors import InvalidData, TallystickError, Unavailable, UsageError
from tallystick.policy.counts import Counts, Scores
from tallystick.policy.document import Policy
from tallystick.policy.engines import duckdb as engine
from tallystick.policy.engines.pairs import Pairs, open_pairs
from tallystick.policy.evidence import CHAMPION, DATA, Counted, Evidence, Need, Rows, Scored, Setting
from tallystick.policy.language import Gate
from tallystick.policy.results import CheckResult, Verdict, against_plan, broken, number, read_result, roll_up
from tallystick.policy.statistics import evaluation_seed

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SCHEMA", "Outcome", "Progress", "compares_with_champion", "evaluate", "rebuilt", "replay", "table"]

SCHEMA = "tallystick/check-results/v1"

Source = engine.Source | Pairs
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
    data: Path,
    *,
    data_digest: str,
    facts: Mapping[str, Value] | None = None,
    champion: Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Judge a data file under a policy.

    Args:
        policy: read beforehand; its plan is fixed.
        data: CSV or Parquet with the columns that the policy names.
        data_digest: SHA-256 of the data in lower-case hex, as the ledger knows it.
        facts: what the ledger knows of the model, for rules over recorded facts.
        champion: predictions of the same rows by the model that stands in the stage.
        progress: called before each part of the work.

    Raises:
        NotFound: no such file.
        InvalidData: the file or a column cannot be used, an outcome is missing or NaN, or the file changed meanwhile.
        UsageError: the digest is none, or there is a champion and the policy compares with none.
    """
    _check_digest(data_digest)
    tell = progress or (lambda _: None)
    seed = evaluation_seed(policy.digest, data_digest)
    try:
        files = [data] if champion is None else [data, champion]
        before = [_identity(file) for file in files]
        tell("reading the data")
        source = engine.open_source(data)
        found = _read(policy, source, _paired(policy, source, champion), facts or {})
        for file, identity in zip(files, before, strict=True):
            _check_unchanged(file, identity)
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
    setting = _setting(policy, seed)
    return tuple(result for gate in policy.gates for result in gate.judge(known, setting))


def rebuilt(policy: Policy, told: Value, evidence: Value, *, data_digest: str) -> Outcome:
    """The outcome that somebody else says they came to, as far as it can be held against what they saw.

    What follows from counts and facts is computed again and has to be equal; plan, seed and verdict have to be those of
    the policy. What hangs on rows is their word.

    Args:
        policy: under which they judged.
        told: plan, checks, verdict, tools, engine and seed, as :meth:`Outcome.as_json` says them.
        evidence: as :attr:`Outcome.evidence`.
        data_digest: of the data that they judged.

    Raises:
        InvalidData: it does not hold.
    """
    _check_digest(data_digest)
    shape = {"plan": list, "checks": list, "verdict": str, "tools": dict, "engine": str, "seed": str}
    if not isinstance(told, dict) or set(told) != set(shape) or any(type(told[k]) is not t for k, t in shape.items()):
        raise InvalidData("the outcome is not of the known form", expected=", ".join(shape))
    checks = tuple(map(read_result, told["checks"]))
    seed = evaluation_seed(policy.digest, data_digest)
    _agree("plan", list(policy.plan), told["plan"])
    _agree("list of checks", list(policy.plan), [check.id for check in checks])
    _agree("gates", list(policy.gate_of.values()), [(check.gate, check.type) for check in checks])
    _agree("seed", seed, told["seed"])
    again = {check.id: check for check in replay(policy, evidence, seed=seed)}
    for check in checks:
        if check.replay == "counts" or check.id in again:
            _agree(f"check {check.id}", again.get(check.id), check)
    verdict = roll_up(check.verdict for check in checks)
    _agree("verdict", verdict, told["verdict"])
    if any(not isinstance(name, str) or not isinstance(what, str) for name, what in told["tools"].items()):
        raise InvalidData("the outcome is not of the known form", expected="names and versions of tools")
    return Outcome(
        plan=policy.plan,
        checks=checks,
        verdict=verdict,
        evidence=evidence,
        rows=Evidence.from_json(evidence).rows,
        tools=told["tools"],
        engine=told["engine"],
        seed=seed,
        policy=f"{policy.id}@{policy.version}",
        policy_digest=policy.digest,
        data_digest=data_digest,
    )


def _agree(what: str, ours: object, theirs: object) -> None:
    if ours != theirs:
        raise InvalidData(
            f"the {what} does not follow from the policy and the counts",
            expected=str(getattr(ours, "verdict", ours))[:80],
            got=str(getattr(theirs, "verdict", theirs))[:80],
        )


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


def _needs(policy: Policy) -> list[Need]:
    return list(dict.fromkeys(need for gate in policy.gates for need in gate.needs(policy.document.inputs)))


def compares_with_champion(policy: Policy) -> bool:
    """Whether a gate asks for the predictions of the model that stands in the stage."""
    return any(isinstance(need, Counted | Rows) and need.source == CHAMPION for need in _needs(policy))


def _paired(policy: Policy, data: engine.Source, champion: Path | None) -> dict[str, Pairs]:
    """The champion's predictions beside the data; nothing if there are none."""
    inputs = policy.document.inputs
    if champion is None:
        return {}
    if inputs is None or not compares_with_champion(policy):
        raise UsageError(
            "the policy compares with no champion", got=champion.name, remedy="Leave the champion's predictions out."
        )
    columns = inputs.columns
    return {CHAMPION: open_pairs(data, engine.open_source(champion), true=columns.y_true, key=columns.id)}


def _read(policy: Policy, data: engine.Source, beside: Mapping[str, Source], facts: Mapping[str, Value]) -> Evidence:
    """What the gates need of the sources that there are, of each in as few scans as it takes."""
    sources: dict[str, Source] = {DATA: data, **beside}
    needs = [need for need in _needs(policy) if isinstance(need, Scored) or need.source in sources]
    counts = {name: _counted(source, needs, name) for name, source in sources.items()}
    if any(gate.is_binary for gate in policy.gates):
        for name in (DATA, CHAMPION):
            if name in counts and counts[name].outcomes:
                counts[name].check_favourable(policy.favourable)
    return Evidence(
        rows=counts[DATA].rows,
        counts=counts,
        facts=facts,
        tables={need: _rows(sources, need) for need in needs if isinstance(need, Rows)},
        scores={need: _scores(data, need) for need in needs if isinstance(need, Scored)},
        typed=data.typed,
    )


def _counted(source: Source, needs: Iterable[Need], name: str) -> Counts:
    return source.count([need.axes for need in needs if isinstance(need, Counted) and need.source == name])


def _rows(sources: Mapping[str, Source], need: Rows) -> pyarrow.Table:
    source = sources[need.source]
    return source.table([name for name in need.columns if source.has(name)])


def _scores(source: engine.Source, need: Scored) -> Scores | None:
    if need.optional and not source.has(need.score):
        return None
    return source.scores(true=need.true, score=need.score, favourable=need.favourable)


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


def _setting(policy: Policy, seed: str) -> Setting:
    return Setting(favourable=policy.favourable, confidence=policy.confidence, seed=seed, inputs=policy.document.inputs)


def _run(policy: Policy, evidence: Evidence, seed: str, tell: Progress) -> Iterator[CheckResult]:
    setting = _setting(policy, seed)
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

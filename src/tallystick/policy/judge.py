"""The judge: runs the plan of a policy on a data file, and says what came of it.

Order of things:

1. the plan is read off the policy, before any data;
2. the file is read, once for the counts, and by columns where a gate needs rows; if it cannot be read, or changes
   meanwhile, that is an exception and there is no verdict;
3. a gate whose condition does not hold of the recorded facts is set aside, in the open: it does not apply;
4. each other gate runs; whatever it raises, even a library's attempt to end the program, becomes an error of its
   checks, and so does a result that is not sound;
5. what ran is compared with the plan, and the verdicts are rolled up.

Judging writes nothing and reads no clock. The same policy, data and library versions give the same outcome.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.canonical import Value, encode
from tallystick.errors import InvalidData, TallystickError, Unavailable, UsageError
from tallystick.policy import cel
from tallystick.policy.baseline import Baseline
from tallystick.policy.counts import Counts, Scores
from tallystick.policy.document import Policy
from tallystick.policy.engines import duckdb as engine
from tallystick.policy.engines import files
from tallystick.policy.engines.pairs import Pairs, open_pairs
from tallystick.policy.evidence import (
    BASELINE,
    CHAMPION,
    DATA,
    Compared,
    Counted,
    Evidence,
    Known,
    Need,
    Rows,
    Scored,
    Setting,
    Tallied,
)
from tallystick.policy.language import Gate, Inputs
from tallystick.policy.predicates import Tallies
from tallystick.policy.registry import SHIPPED, maker_of
from tallystick.policy.results import (
    VERDICTS,
    CheckResult,
    Verdict,
    against_plan,
    broken,
    read_result,
    roll_up,
)
from tallystick.policy.statistics import evaluation_seed

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "SCHEMA",
    "Outcome",
    "Progress",
    "compares_with_champion",
    "evaluate",
    "facts_named",
    "rebuilt",
    "replay",
]

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
    data: Any,
    *,
    data_digest: str,
    facts: Mapping[str, Value] | None = None,
    champion: Path | None = None,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Judge data under a policy.

    Args:
        policy: read beforehand; its plan is fixed.
        data: with the columns that the policy names: the path of a file of CSV, Parquet or Arrow IPC or of a folder of
            Parquet files, or a frame of pandas, polars or pyarrow; see :mod:`tallystick.policy.engines.files`.
        data_digest: SHA-256 of the data in lower-case hex, as the ledger knows it.
        facts: what the ledger knows of the model, for rules over recorded facts.
        champion: predictions of the same rows by the model that stands in the stage.
        baseline: what the data are compared with, for drift gates.
        progress: called before each part of the work, and on the way through a long scan; in the caller's thread.

    Raises:
        NotFound: no such file.
        InvalidData: the data or a column cannot be used, an outcome is missing or NaN, or a file changed meanwhile.
        UsageError: the digest is none, or there is a champion and the policy compares with none.
    """
    _check_digest(data_digest)
    tell = progress or (lambda _: None)
    seed = evaluation_seed(policy.digest, data_digest)
    try:
        tell("reading the data")
        found = _looked_at(policy, data, champion, facts or {}, baseline, progress)
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
    results = (result for gate in policy.gates for result in _replayed(policy, gate, known, setting))
    return tuple(result for result in results if result.replay == "counts")


def _replayed(policy: Policy, gate: Gate, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
    """What a gate says again of counts and facts. A gate of another distribution is not asked where it needs more."""
    again = partial(_judged, policy, gate, evidence, setting)
    if gate.type in SHIPPED:
        yield from again()
    elif _by_counts(policy, gate):
        yield from _shielded(policy, gate, again)


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
    _agree("gates", list(map(list, policy.gate_of.values())), [[check.gate, check.type] for check in checks])
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
    if _bytes(ours) != _bytes(theirs):
        raise InvalidData(
            f"the {what} does not follow from the policy and the counts",
            expected=str(getattr(ours, "verdict", ours))[:80],
            got=str(getattr(theirs, "verdict", theirs))[:80],
        )


def _bytes(value: Any) -> bytes:
    """As it would be recorded: for Python a flag equals 0 or 1, on the ledger it does not."""
    return encode(value.as_json() if isinstance(value, CheckResult) else value)


# --------------------------------------------------------------------------- reading


def compares_with_champion(policy: Policy) -> bool:
    """Whether a gate asks for the predictions of the model that stands in the stage."""
    inputs = policy.document.inputs
    needs = (need for gate in policy.gates for need in _needs(gate, inputs))
    return any(isinstance(need, Counted | Rows) and need.source == CHAMPION for need in needs)


def _looked_at(
    policy: Policy,
    data: Any,
    champion: Path | None,
    facts: Mapping[str, Value],
    baseline: Baseline | None,
    progress: Progress | None,
) -> Evidence:
    """All that the gates need. When it is there the engine has ended, and its memory is free for the gates.

    Raises:
        InvalidData: a file changed meanwhile.
    """
    read = [data] if champion is None else [data, champion]
    before = list(map(files.state, read))
    source = engine.open_source(data, tell=progress)
    beside = _paired(policy, source, champion, tell=progress)
    found = _read(policy, source, beside, facts, baseline)
    for file, state in zip(read, before, strict=True):
        if files.state(file) != state:
            raise _changed(file)
    return found


def _paired(policy: Policy, data: engine.Source, champion: Path | None, *, tell: Progress | None) -> dict[str, Pairs]:
    """The champion's predictions beside the data; nothing if there are none."""
    inputs = policy.document.inputs
    if champion is None:
        return {}
    if inputs is None or not compares_with_champion(policy):
        raise UsageError(
            "the policy compares with no champion", got=champion.name, remedy="Leave the champion's predictions out."
        )
    columns, other = inputs.columns, engine.open_source(champion, tell=tell)
    return {CHAMPION: open_pairs(data, other, true=columns.y_true, key=columns.id)}


def _read(
    policy: Policy,
    data: engine.Source,
    beside: Mapping[str, Source],
    facts: Mapping[str, Value],
    baseline: Baseline | None,
) -> Evidence:
    """What the gates that apply need of the sources that there are, of each in as few scans as it takes."""
    sources: dict[str, Source] = {DATA: data, **beside}
    applying = _applying(policy, facts)
    asked = dict.fromkeys(need for gate in applying for need in _needs(gate, policy.document.inputs))
    needs = [need for need in asked if not isinstance(need, Counted | Rows) or need.source in sources]
    compared = [need for need in needs if isinstance(need, Compared)]
    before = baseline.histograms(compared) if baseline is not None and compared else None
    if before is not None:
        needs += [Counted((axis,)) for axis in dict.fromkeys(map(before.axis, compared))]
    tallies = _tallied(sources, needs)
    counts = {name: _counted(source, needs, name, tallies.get(name)) for name, source in sources.items()}
    _check_binary(policy, applying, counts)
    chosen = facts_named(policy, facts, rows=counts[DATA].rows)
    if baseline is not None and before is not None:
        counts[BASELINE], chosen[BASELINE] = before.counts, baseline.as_json(before)
    return Evidence(
        rows=counts[DATA].rows,
        counts=counts,
        facts=chosen,
        tables={need: _rows(sources, need) for need in needs if isinstance(need, Rows)},
        scores={need: _scores(data, need) for need in needs if isinstance(need, Scored)},
        tallies=tallies,
    )


def _check_binary(policy: Policy, gates: Iterable[Gate], counts: Mapping[str, Counts]) -> None:
    if any(gate.is_binary for gate in gates):
        for name in (DATA, CHAMPION):
            if name in counts and counts[name].outcomes:
                counts[name].check_favourable(policy.favourable)


def _tallied(sources: Mapping[str, Source], needs: Iterable[Need]) -> dict[str, Tallies]:
    """One scan for each source that something is tallied of. Nothing is of two files side by side."""
    wanted = [need for need in needs if isinstance(need, Tallied)]
    by_source = {
        name: (source, [need for need in wanted if need.source == name])
        for name, source in sources.items()
        if isinstance(source, engine.Source)
    }
    return {name: source.tally(needs) for name, (source, needs) in by_source.items() if needs}


def _counted(source: Source, needs: Iterable[Need], name: str, tallies: Tallies | None) -> Counts:
    axes = [need.axes for need in needs if isinstance(need, Counted) and need.source == name]
    return Counts(tallies.rows, ()) if tallies is not None and not axes else source.count(axes)


def _rows(sources: Mapping[str, Source], need: Rows) -> pyarrow.Table:
    source = sources[need.source]
    return source.table([name for name in need.columns if source.has(name)])


def _scores(source: engine.Source, need: Scored) -> Scores | None:
    if need.optional and not source.has(need.score):
        return None
    return source.scores(true=need.true, score=need.score, favourable=need.favourable)


def _needs(gate: Gate, inputs: Inputs | None) -> list[Need]:
    """
    Raises:
        Unavailable: the gate is of another distribution, and raised.
    """
    try:
        return list(gate.needs(inputs))
    except (TallystickError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if gate.type in SHIPPED:
            raise
        raise Unavailable(
            f"gate {gate.id} could not say what it needs",
            got=type(error).__name__,
            remedy="Ask whoever made that gate.",
        ) from error


def _by_counts(policy: Policy, gate: Gate) -> bool:
    """Whether counts and facts are all that a gate needs."""
    return all(isinstance(need, Counted | Compared | Known) for need in _needs(gate, policy.document.inputs))


def _chosen(facts: Mapping[str, Value], paths: Iterable[cel.Path]) -> dict[str, Value]:
    """The facts on these ways. A list is kept whole."""
    found: dict[str, Value] = {}
    for path in paths:
        names = tuple(itertools.takewhile(lambda step: isinstance(step, str), path))
        try:
            value = cel.fact(facts, names)
        except cel.CelError:
            continue
        place = found
        for name in names[:-1]:
            place = place.setdefault(str(name), {})
        place[str(names[-1])] = value
    return found


def _conditions_name(policy: Policy) -> list[cel.Path]:
    rules = dict.fromkeys(rule for gate in policy.gates for rule in policy.conditions(gate))
    return [path for rule in rules for path in cel.parse(rule).paths]


def facts_named(policy: Policy, facts: Mapping[str, Value], *, rows: int) -> dict[str, Value]:
    """The facts that the policy names, and no other: they are recorded with an evaluation.

    Args:
        facts: what the ledger knows of the model.
        rows: of the data.
    """
    needs = [need for gate in _applying(policy, facts) for need in _needs(gate, policy.document.inputs)]
    paths = [path for need in needs if isinstance(need, Known) for path in need.paths]
    return _chosen({**facts, "inputs": {"rows": rows}}, [*_conditions_name(policy), *paths])


def _applying(policy: Policy, facts: Mapping[str, Value]) -> list[Gate]:
    return [gate for gate in policy.gates if _applies(policy, gate, facts)]


def _applies(policy: Policy, gate: Gate, facts: Mapping[str, Value]) -> bool:
    """Whether a gate's conditions hold; not if they have no answer, which is an error when it is judged."""
    try:
        return all(cel.parse(rule).holds(facts) for rule in policy.conditions(gate))
    except cel.CelError:
        return False


def _check_digest(digest: str) -> None:
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise UsageError("the digest of the data is not a SHA-256 in lower-case hex", got=repr(digest)[:70])


def _changed(path: str | Path) -> InvalidData:
    return InvalidData(
        "the data file changed while it was read", where=Path(path).name, remedy="Evaluate a finished file."
    )


# --------------------------------------------------------------------------- running


def _setting(policy: Policy, seed: str) -> Setting:
    return Setting(favourable=policy.favourable, confidence=policy.confidence, seed=seed, inputs=policy.document.inputs)


def _run(policy: Policy, evidence: Evidence, seed: str, tell: Progress) -> Iterator[CheckResult]:
    setting = _setting(policy, seed)
    for gate in policy.gates:
        tell(f"gate {gate.id}")
        yield from _shielded(policy, gate, partial(_judged, policy, gate, evidence, setting))


def _judged(policy: Policy, gate: Gate, evidence: Evidence, setting: Setting) -> Iterable[CheckResult]:
    """What a gate says, or that it does not apply and why."""
    for rule in policy.conditions(gate):
        try:
            holds = cel.parse(rule).holds(evidence.facts)
        except cel.CelError as error:
            reason = f"whether it applies cannot be said: {rule} has no answer: {error}"
            return [broken(check, gate.id, gate.type, reason) for check in policy.checks_of(gate)]
        if not holds:
            return [_set_aside(check, gate, rule) for check in policy.checks_of(gate)]
    return gate.judge(evidence, setting)


def _set_aside(check: str, gate: Gate, rule: str) -> CheckResult:
    found = broken(check, gate.id, gate.type, f"it does not apply: {rule} does not hold")
    return replace(found, verdict="not_applicable", advice="", because=gate.because or "", replay="counts")


def _shielded(policy: Policy, gate: Gate, run: Callable[[], Iterable[CheckResult]]) -> list[CheckResult]:
    """A gate's results; if it raises, even SystemExit, an error for each of its checks and nothing else.

    One result more than planned is enough to see that there are too many: a gate may go on for ever.
    """
    planned = policy.checks_of(gate)
    try:
        results = [_sound(result, gate) for result in itertools.islice(run(), len(planned) + 1)]
        if gate.type not in SHIPPED and not _by_counts(policy, gate):
            results = [replace(result, replay="threshold-only") for result in results]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = str(error) if isinstance(error, TallystickError) else type(error).__name__
        reason = f"the gate could not be carried out: {what}"
        return [broken(check, gate.id, gate.type, reason) for check in planned]
    return results


def _sound(result: CheckResult, gate: Gate) -> CheckResult:
    """A result as it was handed back, if it can be recorded and is of this gate.

    Raises:
        InvalidData: it is neither.
    """
    if type(result) is not CheckResult or result.verdict not in VERDICTS:
        raise InvalidData("what it handed back is no check result", got=type(result).__name__)
    if (result.gate, result.type) != (gate.id, gate.type) or not result.id.startswith(f"{gate.id}/"):
        raise InvalidData("it answered for another gate", got=str(result.id)[:60])
    try:
        encode(result.as_json())
    except (TallystickError, TypeError, ValueError) as error:
        raise InvalidData("it handed back a result that cannot be recorded", where=result.id) from error
    return result


def _tools(policy: Policy) -> dict[str, str]:
    """Versions of all that had a part in the figures; for a gate of another distribution, that distribution's."""
    names = {"duckdb", "tallystick", *(tool for gate in policy.gates for tool in gate.tools)}
    found = {"python": platform.python_version()}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found | dict(maker for gate in policy.gates if (maker := maker_of(gate.type)) is not None)

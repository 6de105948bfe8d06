"""Cases of a policy: small data with the verdicts that they must come to, kept beside the policy.

``<policy>.cases.yaml`` is a list. Each case has a ``name``; the data as ``rows`` (mappings of column to value) or as
``counts`` (the same with ``n``, how many rows are alike); what they are compared with as ``baseline``, in the form of
counts; what the ledger would know as ``facts``; and ``expect``: for check ids, gate ids, or ``policy`` for the whole,
the verdict that must come out.

A case whose data cannot be judged at all comes to ``error``. The files that the engine reads are made in a folder
handed in; nothing else is touched, and no ledger is needed.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tallystick.canonical import Value
from tallystick.errors import InvalidData, InvalidPolicy, NotFound
from tallystick.policy import judge, strict_yaml
from tallystick.policy.baseline import Baseline
from tallystick.policy.document import Policy
from tallystick.policy.evidence import columns_named
from tallystick.policy.results import VERDICTS, roll_up

__all__ = ["MAX_ROWS", "Case", "Finding", "beside", "load", "parse", "try_case", "uncovered"]

MAX_ROWS: Final = 1_000_000
"""Of one case, counts written out."""
_WHOLE: Final = "policy"
_KEYS: Final = frozenset({"name", "rows", "counts", "baseline", "facts", "expect"})

Row = Mapping[str, Value]


@dataclass(frozen=True)
class Case:
    """Data, and what they must come to."""

    name: str
    counts: tuple[tuple[Row, int], ...]
    """Rows, and how many are alike."""
    expect: Mapping[str, str]
    baseline: tuple[tuple[Row, int], ...] = ()
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What came of a case for one thing that it expects something of."""

    case: str
    of: str
    expected: str
    got: str
    reason: str

    @property
    def holds(self) -> bool:
        return self.expected == self.got


def beside(policy: Path) -> Path:
    """Where the cases of a policy file are kept."""
    return policy.with_name(f"{policy.name.removesuffix('.yaml').removesuffix('.yml')}.cases.yaml")


def load(path: Path, policy: Policy) -> tuple[Case, ...]:
    """Read the cases of a policy.

    Raises:
        NotFound: no such file.
        InvalidPolicy: anything is wrong with it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            "there are no cases",
            where=str(path),
            remedy="Write some beside the policy: docs/how-to/test-a-policy.md shows how.",
        ) from error
    except OSError as error:
        raise InvalidPolicy("the cases cannot be read", where=str(path), got=error.strerror) from error
    return parse(data, policy, name=str(path))


def parse(data: bytes, policy: Policy, *, name: str) -> tuple[Case, ...]:
    """Read cases from their bytes.

    Raises:
        InvalidPolicy: ``where`` is file:line:column.
    """
    parsed = strict_yaml.parse(data, name=name)

    if not isinstance(parsed.value, list) or not parsed.value:
        raise _wrong(parsed, name, (), "there are no cases", "a list of them")
    cases, known = [], _read_by(policy)
    for place, value in enumerate(parsed.value):
        if not isinstance(value, dict) or not isinstance(value.get("name"), str) or set(value) - _KEYS:
            raise _wrong(parsed, name, (place,), "a case is not of the known form", ", ".join(sorted(_KEYS)))
        for key, what in _unexpected(value.get("expect"), policy):
            raise _wrong(parsed, name, (place, "expect", key), what)
        try:
            case = _case(value)
        except (TypeError, ValueError, AttributeError) as error:
            raise _wrong(parsed, name, (place,), f"case {value['name'][:60]!r}: {error}") from None
        strange = next(_strange(case, known), None) if known else None
        if strange is not None:
            what = f"case {case.name[:60]!r}: no gate of the policy reads a column {strange[:60]!r}"
            raise _wrong(parsed, name, (place,), what, ", ".join(known))
        cases.append(case)
    return tuple(cases)


def _read_by(policy: Policy) -> tuple[str, ...]:
    """The columns that a policy knows of: those that it names as inputs, and those that its gates read."""
    inputs = policy.document.inputs
    named = [] if inputs is None else [getattr(inputs.columns, part) for part in ("y_true", "y_pred", "score", "id")]
    read = [column for gate in policy.gates for need in gate.needs(inputs) for column in columns_named(need)]
    return tuple(dict.fromkeys(column for column in (*named, *read) if column))


def _strange(case: Case, known: Collection[str]) -> Iterator[str]:
    """Columns that nothing would look at: a misspelt one would pass for one that is missing."""
    for row, _ in (*case.counts, *case.baseline):
        yield from (column for column in row if column not in known)


def _wrong(
    parsed: strict_yaml.Parsed, name: str, path: strict_yaml.Path, what: str, expected: str | None = None
) -> InvalidPolicy:
    line, column = parsed.place(path)
    return InvalidPolicy(what, where=f"{name}:{line}:{column}", expected=expected)


def _unexpected(expect: Value, policy: Policy) -> Iterator[tuple[str, str]]:
    """What is wrong with what a case expects: the key at fault, and why."""
    known = {_WHOLE, *policy.plan, *(gate.id for gate in policy.gates)}
    if not isinstance(expect, dict) or not expect:
        yield "", "the case expects nothing, so it tests nothing"
        return
    for key, verdict in expect.items():
        if key not in known:
            yield key, f"there is no check or gate {key[:80]!r} in the policy"
        elif verdict not in VERDICTS:
            yield key, f"{str(verdict)[:40]!r} is no verdict; there are {', '.join(VERDICTS)}"


def _case(value: Mapping[str, Value]) -> Case:
    if ("rows" in value) == ("counts" in value):
        raise ValueError("there must be either rows or counts")
    counts = _counts(value["counts"]) if "counts" in value else tuple((_row(row), 1) for row in value["rows"])
    facts = value.get("facts", {})
    if not isinstance(facts, dict):
        raise TypeError("facts are a mapping")
    return Case(value["name"], counts, dict(value["expect"]), _counts(value.get("baseline", [])), facts)


def _counts(value: Value) -> tuple[tuple[Row, int], ...]:
    found = []
    for item in value:
        row = dict(item)
        n = row.pop("n", 1)
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ValueError("n is not a whole number from 0")
        found.append((_row(row), n))
    if sum(n for _, n in found) > MAX_ROWS:
        raise ValueError(f"there are more than {MAX_ROWS:,} rows")
    return tuple(found)


def _row(value: Value) -> Row:
    if not isinstance(value, dict) or any(isinstance(item, dict | list) for item in value.values()):
        raise TypeError("a row is a mapping of columns to values")
    return value


def try_case(policy: Policy, case: Case, folder: Path) -> tuple[Finding, ...]:
    """Judge a case's data, and compare what came out with what was expected.

    Args:
        policy: whose case it is.
        case: the data and the verdicts.
        folder: where the data files are written.
    """
    data = _written(folder / "case.csv", case.counts)
    try:
        outcome = judge.evaluate(
            policy,
            data,
            data_digest=hashlib.sha256(data.read_bytes()).hexdigest(),
            facts=case.facts,
            baseline=_baseline(folder, case),
        )
    except InvalidData as error:
        return tuple(Finding(case.name, of, expected, "error", str(error)) for of, expected in case.expect.items())
    return tuple(_finding(case, outcome, of, expected) for of, expected in case.expect.items())


def _baseline(folder: Path, case: Case) -> Baseline | None:
    if not case.baseline:
        return None
    from tallystick.policy.engines.histograms import of_file

    return of_file(_written(folder / "baseline.csv", case.baseline), name="the baseline of the case", sha256="0" * 64)


def _written(path: Path, counts: Sequence[tuple[Row, int]]) -> Path:
    columns = list(dict.fromkeys(column for row, _ in counts for column in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(columns)
        for row, n in counts:
            line = [_text(row.get(column)) for column in columns]
            writer.writerows(line for _ in range(n))
    return path


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _finding(case: Case, outcome: judge.Outcome, of: str, expected: str) -> Finding:
    if of == _WHOLE:
        reasons = (check.reason for check in outcome.checks if check.verdict == outcome.verdict)
        return Finding(case.name, of, expected, outcome.verdict, next(reasons, ""))
    found = [check for check in outcome.checks if of in (check.id, check.gate)]
    if len(found) == 1:
        return Finding(case.name, of, expected, found[0].verdict, found[0].reason)
    verdict = roll_up(check.verdict for check in found)
    return Finding(case.name, of, expected, verdict, "; ".join(c.reason for c in found if c.verdict != "pass")[:400])


def uncovered(policy: Policy, cases: Sequence[Case]) -> Iterator[str]:
    """The checks of which no case expects anything, neither by their id nor by their gate."""
    named = {of for case in cases for of in case.expect}
    for check in policy.plan:
        if check not in named and check.partition("/")[0] not in named:
            yield check

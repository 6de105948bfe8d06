"""Whether each check of a policy catches what it is for: one defect for each, put into data that are sound without it.

A check is shown to work if it is green on sound data and not green on the same data with its defect. Sound data are
made from the policy, or are handed in. What cannot be made up is said: facts of the ledger, so a rule over them is
only shown to be an error where they are gone; a text for a regular expression that is more than a plain one; and values
for which a rule over several columns of a row holds.

Files are written into a folder handed in; nothing else is touched, and no ledger is needed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick.errors import TallystickError
from tallystick.policy import judge
from tallystick.policy.counts import label
from tallystick.policy.document import Policy
from tallystick.policy.evidence import EVALUATED_AT, Compared, Counted, Known, Rows, Scored, Tallied, columns_named
from tallystick.policy.gates.bias.model import BiasGate
from tallystick.policy.gates.schema import Case, Column, SchemaGate
from tallystick.policy.language import Gate
from tallystick.policy.predicates import Newest, Present, columns_of

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Shown", "examine"]

_MOST: Final = 300_000
"""Rows that are made up at most."""
_EACH: Final = 2_000
"""Rows of every combination of groups."""
_ERRORS: Final = (0.1, 0.004, 0.3)
"""Shares of wrong predictions that are tried, until a check is green: intervals want some, thresholds few."""
_GREEN: Final = frozenset({"pass"})


@dataclass(frozen=True)
class Shown:
    """What was shown of one check."""

    check: str
    defect: str
    """What was put into the data."""
    caught: bool
    verdict: str
    """With the defect; or without it, where that was not green already."""
    reason: str


def examine(policy: Policy, folder: Path, *, at: str, data: Path | None = None) -> Iterator[Shown]:
    """Put a defect into the data for each check of a policy, and see.

    Args:
        policy: whose conditions are left out: what is examined is what its gates do where they apply.
        folder: where data files are written.
        at: the time, as the ledger writes it, at which data have to be fresh.
        data: sound data, CSV or Parquet; made from the policy if None.
    """
    bench = _Bench(policy, folder, data, at)
    for gate in policy.gates:
        yield from _Examined(bench, gate).checks()


@dataclass(frozen=True)
class _Defect:
    what: str
    into: Callable[[pyarrow.Table], pyarrow.Table]


class _Bench:
    """Sound data, and gates alone on what is made of them."""

    def __init__(self, policy: Policy, folder: Path, data: Path | None, at: str) -> None:
        self.policy, self.folder, self.at = policy, folder, at
        self.typed = data is not None and data.name.lower().endswith(".parquet")
        self.sound = [_read(data)] if data is not None else [_made(policy, share, at) for share in _ERRORS]
        self._written = 0

    def alone(self, gate: Gate) -> Policy:
        """The policy with this gate only, without conditions."""
        bare = gate.model_copy(update={"when": None})
        applies = self.policy.document.applies_to.model_copy(update={"when": None})
        document = self.policy.document.model_copy(update={"applies_to": applies, "gates": [bare]})
        planned = tuple(check for check in self.policy.planned if check.id.partition("/")[0] == gate.id)
        return replace(self.policy, gates=(bare,), document=document, planned=planned)

    def verdicts(self, policy: Policy, table: pyarrow.Table, sound: pyarrow.Table) -> dict[str, tuple[str, str]]:
        """Verdict and reason of each check. What has no verdict at all is an error of every check."""
        from tallystick.policy.engines.histograms import of_file

        try:
            baseline = of_file(self.write(sound), name="the sound data", sha256="0" * 64)
            facts = {EVALUATED_AT: self.at}
            outcome = judge.evaluate(policy, self.write(table), data_digest="0" * 64, facts=facts, baseline=baseline)
        except TallystickError as error:
            return dict.fromkeys(policy.plan, ("error", str(error)))
        return {check.id: (check.verdict, check.reason) for check in outcome.checks}

    def write(self, table: pyarrow.Table) -> Path:
        self._written += 1
        path = self.folder / f"data-{self._written % 2}.{'parquet' if self.typed else 'csv'}"
        if self.typed:
            from pyarrow import parquet

            parquet.write_table(table, path)
        else:
            from pyarrow import csv

            csv.write_csv(table, path)
        return path


class _Examined:
    """One gate on the bench."""

    def __init__(self, bench: _Bench, gate: Gate) -> None:
        self.bench, self.gate, self.policy = bench, gate, bench.alone(gate)
        inputs = bench.policy.document.inputs
        self.needs = list(gate.needs(inputs))
        self.asks_facts = bool(self.needs) and all(isinstance(need, Known) for need in self.needs)

    def checks(self) -> Iterator[Shown]:
        before = [self.bench.verdicts(self.policy, table, table) for table in self.bench.sound]
        for check in self.policy.plan:
            green = next((i for i, found in enumerate(before) if found[check][0] in _GREEN), None)
            if self.asks_facts:
                verdict, reason = before[0][check]
                yield Shown(check, "the facts are gone", verdict not in _GREEN, verdict, reason)
            elif green is None:
                verdict, reason = before[0][check]
                yield Shown(check, "none: it is not green on sound data", False, verdict, reason)
            else:
                yield self.tried(check, self.bench.sound[green])

    def tried(self, check: str, sound: pyarrow.Table) -> Shown:
        """The first defect that the check catches; of several that might be its own."""
        shown = Shown(check, "none: no defect is known for it", False, "", "")
        for defect in self.defects(check, sound):
            verdict, reason = self.bench.verdicts(self.policy, defect.into(sound), sound)[check]
            shown = Shown(check, defect.what, verdict not in _GREEN, verdict, reason)
            if shown.caught:
                break
        return shown

    def defects(self, check: str, sound: pyarrow.Table) -> Iterator[_Defect]:
        if isinstance(self.gate, SchemaGate):
            yield from _of_schema(self.gate, check, sound)
        if isinstance(self.gate, BiasGate):
            columns, metric = next((columns, metric) for name, columns, metric in self.gate.checks() if name == check)
            yield from self.of_groups(columns) if metric.metric.stands_on == "predictions" else self.of_scores(columns)
        else:
            yield from self.of_everyone()
        for column in dict.fromkeys(self.columns(check)):
            if column in sound.column_names:
                yield _Defect(f"every {column} is missing", partial(_put, column=column, value=None))
                yield _Defect(f"every {column} is alike", partial(_alike, column=column))

    def columns(self, check: str) -> Iterator[str]:
        """The columns that a gate reads: first those that the check names."""
        named = [part for part in re.split(r"[/+.]", check.partition("/")[2]) if part]
        read = [column for need in self.needs for column in columns_named(need)]
        yield from sorted(read, key=lambda column: column not in named)

    def of_everyone(self) -> Iterator[_Defect]:
        inputs = self.bench.policy.document.inputs
        if inputs is not None and any(isinstance(need, Counted | Scored) for need in self.needs):
            yield _Defect("every prediction is wrong", lambda table: self.inverted(table, [True] * table.num_rows))

    def of_groups(self, columns: Sequence[str]) -> Iterator[_Defect]:
        who = " and ".join(columns)

        def one(table: pyarrow.Table) -> list[bool]:
            return _largest(table, columns)

        yield _Defect(f"nobody of one group by {who} is favoured", lambda table: self.parted(table, one(table)))
        yield _Defect(f"one group by {who} is always judged wrongly", lambda table: self.inverted(table, one(table)))

    def of_scores(self, columns: Sequence[str]) -> Iterator[_Defect]:
        inputs = self.bench.policy.document.inputs
        assert inputs is not None  # noqa: S101 - a bias gate demands it
        score, who = inputs.columns.score or "", " and ".join(columns)

        def turned(table: pyarrow.Table) -> pyarrow.Table:
            scores = zip(map(float, table[score].to_pylist()), _largest(table, columns), strict=True)
            return _put(table, score, [1 - value if here else value for value, here in scores])

        def lowest(table: pyarrow.Table) -> pyarrow.Table:
            scores = zip(table[score].to_pylist(), _largest(table, columns), strict=True)
            return _put(table, score, [0.0 if here else float(value) for value, here in scores])

        yield _Defect(f"the scores of one group by {who} say the opposite", turned)
        yield _Defect(f"one group by {who} has the lowest score", lowest)

    def parted(self, table: pyarrow.Table, where: Sequence[bool]) -> pyarrow.Table:
        inputs = self.bench.policy.document.inputs
        assert inputs is not None  # noqa: S101 - a bias gate demands it
        good, bad = _two(table, inputs.columns.y_true, self.bench.policy.favourable)
        return _put(table, inputs.columns.y_pred, [bad if here else good for here in where])

    def inverted(self, table: pyarrow.Table, where: Sequence[bool]) -> pyarrow.Table:
        """Wrong predictions and scores there, right ones elsewhere."""
        inputs = self.bench.policy.document.inputs
        assert inputs is not None  # noqa: S101 - asked before
        names, favourable = inputs.columns, self.bench.policy.favourable
        good, bad = _two(table, names.y_true, favourable)
        right = [label(value) == favourable for value in table[names.y_true].to_pylist()]
        table = _put(table, names.y_pred, [good if r != here else bad for r, here in zip(right, where, strict=True)])
        if names.score is None or names.score not in table.column_names:
            return table
        return _put(table, names.score, [0.99 if r != here else 0.01 for r, here in zip(right, where, strict=True)])


def _largest(table: pyarrow.Table, columns: Sequence[str]) -> list[bool]:
    """Whether each row is of the largest group by some columns."""
    groups = list(zip(*(table[column].to_pylist() for column in columns), strict=True))
    largest = max(Counter(groups).items(), key=lambda item: (item[1], str(item[0])))[0]
    return [group == largest for group in groups]


def _two(table: pyarrow.Table, column: str, favourable: str) -> tuple[Any, Any]:
    """The favourable outcome and the other one, as the data spell them."""
    values = sorted(set(table[column].to_pylist()), key=lambda value: label(value) != favourable)
    return values[0], values[-1]


def _put(table: pyarrow.Table, column: str, value: Any) -> pyarrow.Table:
    """A table with another column: one value everywhere, or a list; as text where its type does not take them."""
    import pyarrow as pa

    values = value if isinstance(value, list) else [value] * table.num_rows
    place = table.column_names.index(column)
    try:
        array = pa.array(values, table.schema.field(column).type)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        array = pa.array([None if item is None else str(item) for item in values], pa.string())
    return table.set_column(place, column, array)


def _once(table: pyarrow.Table, column: str, value: Any) -> pyarrow.Table:
    return _put(table, column, [value, *table[column].to_pylist()[1:]])


def _alike(table: pyarrow.Table, column: str) -> pyarrow.Table:
    return _put(table, column, table[column][0].as_py())


# --------------------------------------------------------------------------- defects of form


def _of_schema(gate: SchemaGate, check: str, sound: pyarrow.Table) -> Iterator[_Defect]:
    case = gate.case(check)
    if case is None:
        yield from _of_number(gate)
        return
    every = case.key in gate.tolerate or isinstance(case.predicate, Newest)
    for name in (name for name in columns_of(case.predicate) if name in sound.column_names):
        for value in _wrong(case, sound[name].to_pylist()):
            what = f"{name} is {'missing' if value is None else repr(value)} in {'every' if every else 'one'} row"
            yield _Defect(
                what, partial(_put, column=name, value=value) if every else partial(_once, column=name, value=value)
            )
    for name in columns_of(case.predicate):
        yield _Defect(f"there is no column {name}", partial(_without, column=name))


def _of_number(gate: SchemaGate) -> Iterator[_Defect]:
    least, most = (None, None) if gate.rows is None else (gate.rows.min, gate.rows.max)
    if least is not None:
        yield _Defect(f"there are {least - 1:,} rows", lambda table: table.slice(0, least - 1))
    if most is not None and most < _MOST:
        yield _Defect(f"there are {most + 1:,} rows", lambda table: _repeated(table, most + 1))


def _repeated(table: pyarrow.Table, rows: int) -> pyarrow.Table:
    import pyarrow as pa

    return pa.concat_tables([table] * -(-rows // table.num_rows)).slice(0, rows)


def _without(table: pyarrow.Table, column: str) -> pyarrow.Table:
    return table.drop_columns([column])


def _wrong(case: Case, values: Sequence[Any]) -> Iterator[Any]:
    """Values that break what one check asks of a column."""
    kind, column = case.kind, case.rule if isinstance(case.rule, Column) else Column()
    if isinstance(case.predicate, Present):
        return
    if kind == "newest":
        yield "1970-01-01"
    elif kind == "nullable":
        yield None
    elif kind == "nan":
        yield float("nan")
    elif kind == "unique":
        yield values[1 if len(values) > 1 else 0]
    elif kind == "range" and column.range is not None:
        low, high = column.range
        yield low - 1 if low is not None else (high or 0) + 1
    elif kind == "dtype":
        yield "no such thing"
    else:
        yield from (-987_654_321, "no such thing", "")


# --------------------------------------------------------------------------- sound data


def _read(path: Path) -> pyarrow.Table:
    from tallystick.policy.engines import duckdb as engine

    source = engine.open_source(path)
    return source.table(source.columns)


def _made(policy: Policy, share: float, at: str) -> pyarrow.Table:
    """Rows that should pass, from what the policy says of columns, groups and outcomes."""
    import pyarrow as pa

    form = {
        name: column for gate in policy.gates if isinstance(gate, SchemaGate) for name, column in gate.columns.items()
    }
    groups = _groups(policy, form)
    combinations = list(product(*groups.values()))
    limits = [gate.rows for gate in policy.gates if isinstance(gate, SchemaGate) and gate.rows is not None]
    least = max((rows.min for rows in limits if rows.min is not None), default=1)
    most = min((rows.max for rows in limits if rows.max is not None), default=_MOST)
    each = min(max(_EACH, -(-least // len(combinations))), max(4, min(most, _MOST) // len(combinations)))
    made: dict[str, list[Any]] = {name: [] for name in groups}
    for values in combinations:
        for name, value in zip(groups, values, strict=True):
            made[name] += [value] * each
    rows = each * len(combinations)
    made |= _outcomes(policy, form, each, len(combinations), share)
    for name, column in (_other_columns(policy) | form).items():
        if name not in made:
            made[name] = _filled(column, rows)
    made |= {name: [_day_or_time(form.get(name), at)] * rows for name in _fresh(policy)}
    return pa.table(
        {name: pa.array([None if v is None else _spelt(v) for v in values]) for name, values in made.items()}
    )


def _fresh(policy: Policy) -> list[str]:
    """The columns whose newest value must not be old."""
    gates = (gate for gate in policy.gates if isinstance(gate, SchemaGate))
    return [gate.freshness.column for gate in gates if gate.freshness is not None]


def _day_or_time(column: Column | None, at: str) -> str:
    return at[:10] if column is not None and column.dtype == "date" else at[:19].replace("T", " ")


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _groups(policy: Policy, form: Mapping[str, Column]) -> dict[str, list[Any]]:
    """The values of each column of groups: those that are required, or allowed, or two made-up ones."""
    found: dict[str, list[Any]] = {}
    for gate in policy.gates:
        if isinstance(gate, BiasGate):
            for name in (column for attribute in gate.sensitive for column in attribute):
                required = gate.require_groups.get(name, [])
                allowed = form[name].isin if name in form else None
                others = allowed or _filled(form.get(name), 2)
                found[name] = list(
                    dict.fromkeys([*found.get(name, []), *required, *others[: max(0, 2 - len(required))]])
                )
    return found


def _outcomes(policy: Policy, form: Mapping[str, Column], each: int, times: int, share: float) -> dict[str, list[Any]]:
    """Of every combination of groups the same: half favourable, and of either half a share predicted wrongly."""
    inputs = policy.document.inputs
    if inputs is None:
        return {}
    names, good = inputs.columns, inputs.columns.favourable
    bad = (
        next((v for v in (form[names.y_true].isin or []) if label(v) != label(good)), None)
        if names.y_true in form
        else None
    )
    if bad is None:
        bad = (
            (not good)
            if isinstance(good, bool)
            else (0 if label(good) != "0" else 1)
            if isinstance(good, int)
            else f"not {good}"
        )
    truth, said = [], []
    for place in range(each):
        right, wrong = (good, bad) if place % 2 else (bad, good)
        truth.append(right)
        said.append(wrong if place // 2 < share * (each // 2) else right)
    made: dict[str, list[Any]] = {names.y_true: truth * times, names.y_pred: said * times}
    if names.score is not None:
        made[names.score] = [0.99 if label(value) == label(good) else 0.01 for value in said] * times
    return made


def _other_columns(policy: Policy) -> dict[str, Column | None]:
    """The columns that gates read, and what is known of them: where bands are compared, they hold numbers."""
    found: dict[str, Column | None] = {}
    for need in (need for gate in policy.gates for need in gate.needs(policy.document.inputs)):
        if isinstance(need, Compared):
            ends = need.edges or (0.0, 1.0)
            numbers = Column(dtype="float64", range=[ends[0] - 1, ends[-1] + 1])
            found[need.column] = numbers if need.parts or need.edges else found.get(need.column)
        elif isinstance(need, Rows):
            found |= {name: found.get(name) for name in need.columns}
        elif isinstance(need, Counted):
            found |= {axis.column: found.get(axis.column) for axis in need.axes}
        elif isinstance(need, Tallied):
            found |= {name: found.get(name) for name in columns_of(need.predicate)}
    return found


def _filled(column: Column | None, rows: int) -> list[Any]:
    """Values that a column may have, all different where it wants them so."""
    if column is None:
        return [f"v{place % 10}" for place in range(rows)]
    if column.isin:
        return [column.isin[place % len(column.isin)] for place in range(rows)]
    if column.regex is not None:
        return [_matching(column.regex)] * rows
    kind = column.dtype or ("float64" if column.range else "string")
    low, high = column.range or (None, None)
    start = low if low is not None else (high - rows if high is not None else 0)
    if kind.startswith(("int", "uint")):
        width = rows if high is None else max(1, int(high) - int(start) + 1)
        return [int(start) + place % (width if column.unique else min(width, 100)) for place in range(rows)]
    if kind.startswith("float"):
        top = high if high is not None else start + 1
        return [start + (top - start) * (place + 1) / (rows + 1) for place in range(rows)]
    texts = {"bool": ["true", "false"], "date": ["2026-01-02"], "timestamp": ["2026-01-02 03:04:05"]}
    return [texts[kind][place % len(texts[kind])] if kind in texts else f"v{place}" for place in range(rows)]


def _matching(regex: str) -> str | None:
    """A text that a plain expression matches; None where it is more than that."""
    plain = (
        re.sub(r"\\([.\-+*?()/])", lambda match: match[1], re.sub(r"\\d", "[0-9]", regex))
        .removeprefix("^")
        .removesuffix("$")
    )
    text = re.sub(r"(\[(.)[^\]]*\]|[^\[\]{}])\{(\d+)(?:,\d*)?\}", lambda m: (m[2] or m[1]) * int(m[3]), plain)
    text = re.sub(r"\[(.)[^\]]*\][+]?", lambda match: match[1], text).replace("+", "")
    return text if re.fullmatch(regex, text) else None

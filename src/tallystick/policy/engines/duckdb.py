"""DuckDB reads data: one scan to integer counts, one to tallies, and single columns where a gate needs rows.

Rules:

* What may be read stands in :mod:`tallystick.policy.engines.files`. Nothing about its form is guessed: a sniffer once
  turned a file with a stray third column into a table without rows.
* Column names are compared exactly, outside of SQL (inside it ``"Sex"`` would also find ``sex``). Within SQL columns
  are called c0, c1, ... by position, so no text of a user or of a file ever becomes SQL; paths and the texts of a
  policy are parameters.
* The connection may open these files, nothing else, and loads no extension. It has a limit of memory, beyond which it
  goes to a temporary folder of its own.
* What a file says of its values is not believed: the optimizer would answer ``isnan(x)`` or ``x <= 1`` from the
  smallest and largest value in the footer of a Parquet file, which count no NaN, and which anybody can write there.
  Its reader leaves out columns of which the footer says that all is missing, so that is looked at before.
* A zero that leaves has no sign: the two are equal when sorted, so which one comes out differs from run to run.
* Only counts are aggregated: sums of floating-point numbers differ from run to run with several threads.
* A message never shows a value of a row.
"""

from __future__ import annotations

import difflib
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tallystick.errors import InvalidData
from tallystick.policy.counts import Axis, Cell, Counts, Mark, Scores, Table, group_value, label
from tallystick.policy.engines import files
from tallystick.policy.engines.arrow import numbers
from tallystick.policy.engines.conditions import Column, Conditions, Uncheckable, type_name
from tallystick.policy.evidence import Tallied
from tallystick.policy.predicates import Matches, Newest, Predicate, Tallies, Tally, Unique, columns_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow

__all__ = ["MAX_BANDED", "MAX_CELLS", "MEMORY", "Source", "engine", "of_table", "open_source"]

MAX_CELLS = 50_000
"""More different combinations than this are no groups, but identifiers or scores."""
MAX_BANDED: Final = 200_000
"""The same where scores are counted in bands: those of a hundred groups."""
MEMORY: Final = "320MiB"
"""What a scan may hold; beyond it goes to disk, and what cannot is refused."""
_DISK: Final = "32GiB"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": MEMORY,
    "max_temp_directory_size": _DISK,
}
_QUIET, _OFTEN = 2.0, 1.0
"""Seconds before the first word on a scan's progress, and between words."""
_SHOWN_LENGTH: Final = 80
_AT_ONCE: Final = 500
"""Checks that one scan tallies: with thousands, what the engine prepares for them outgrows its memory."""
_DISTINCT_AT_ONCE: Final = 16
"""Columns whose different values are counted in one scan: each takes memory for a table of its own."""
_T = TypeVar("_T")
_PARAMETER = re.compile(r"\$([a-z0-9]+)")

Tell = Callable[[str], None]


def engine() -> str:
    """The engine and its version, as an evaluation records it."""
    return f"duckdb {version('duckdb')}"


@dataclass(frozen=True)
class Source:
    """Data that can be counted. Made by :func:`open_source`."""

    files: files.Files
    tell: Tell | None = field(default=None, compare=False)
    """Told how far a scan is that takes longer than two seconds, in the caller's thread."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.files.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in the data, in their order."""
        return self.files.columns

    @property
    def relation(self) -> str:
        """SQL that stands for the data; its columns are c0, c1, ..."""
        return self.files.relation

    def has(self, column: str) -> bool:
        return column in self.columns

    def count(self, tables: Sequence[Sequence[Axis]]) -> Counts:
        """Count rows along the axes of each table, in one scan.

        Raises:
            InvalidData: a column is missing; an outcome is missing or NaN in some row; there are no rows; or there
                are so many combinations that a column cannot be a group or an outcome.
        """
        self._require(dict.fromkeys(axis.column for table in tables for axis in table))
        tables = self._with_medians(tables)
        axes = list(dict.fromkeys(axis for table in tables for axis in table))
        if not axes:
            rows = self._rows()
            return Counts(rows, tuple(Table.of((), [((), rows)]) for _ in tables))
        with self.files.session.connection() as connection:
            found = self._fetch(connection, self._group_by(axes, tables))
        if len(found) > _most(axes):
            raise InvalidData(
                "there are too many combinations of groups and outcomes to count",
                where=self.name,
                expected=f"up to {_most(axes):,}",
                remedy=f"Of {', '.join(dict.fromkeys(axis.column for axis in axes))} one holds identifiers or scores;"
                " name another or put it in bands.",
            )
        return self._counts(found, axes, tables)

    def _with_medians(self, tables: Sequence[Sequence[Axis]]) -> Sequence[Sequence[Axis]]:
        """The axes of the tables, each median among them found."""
        asked = {axis for table in tables for axis in table if axis.form == "above_median" and not axis.edges}
        found = {axis: replace(axis, edges=(self.median(axis.column),)) for axis in asked}
        return [tuple(found.get(axis, axis) for axis in table) for table in tables]

    def _rows(self) -> int:
        with self.files.session.connection() as connection:
            rows = int(self._fetch(connection, f"SELECT count(*) FROM {self.relation}")[0][0])  # noqa: S608
        return self._counted_too(rows)

    def _counted_too(self, rows: int) -> int:
        """How many rows the engine read, if they are as many as were counted without it.

        Raises:
            InvalidData: they are not.
        """
        if self.files.rows not in (None, rows):
            raise InvalidData(
                "readers of the data file do not agree on its rows",
                where=self.name,
                expected=f"{self.files.rows:,}",
                got=f"{rows:,}",
                remedy="Write it again as UTF-8 CSV with a header, or as Parquet.",
            )
        return rows

    def _group_by(self, axes: list[Axis], tables: Sequence[Sequence[Axis]]) -> str:
        places = {axis: f"a{place}" for place, axis in enumerate(axes)}
        chosen = ", ".join(f"{self._marks(axis, name)} AS {name}" for axis, name in places.items())
        beside = "".join(self._beside(axis, name) for axis, name in places.items() if axis.edges)
        sets = dict.fromkeys(frozenset(places[axis] for axis in table) for table in tables)
        grouped = ", ".join(f"({', '.join(sorted(names))})" for names in sets)
        flags = [f"GROUPING({name})" for name in places.values()]
        return (
            f"SELECT {', '.join(['count(*)', *places.values(), *flags])} "  # noqa: S608  (positions only)
            f"FROM (SELECT {chosen} FROM (SELECT *{beside} FROM {self.relation})) "
            f"GROUP BY GROUPING SETS ({grouped}) LIMIT {_most(axes) + 1}"
        )

    def _marks(self, axis: Axis, name: str) -> str:
        """SQL for what a row shows along an axis."""
        if not axis.edges:
            return f"CAST({self._sql(axis.column)} AS VARCHAR)"
        if axis.form == "above_median":
            above = f"CASE WHEN v{name} > list_extract(e{name}, 1) THEN 1 ELSE 0 END"
            return f"CASE WHEN isfinite(v{name}) THEN {above} END"
        band = _band(f"v{name}", f"e{name}", len(axis.edges))
        return f"{band} + CASE WHEN v{name} IS NULL OR isnan(v{name}) THEN NULL ELSE 0 END"

    def _beside(self, axis: Axis, name: str) -> str:
        """SQL for two more columns: the value as a number, and the edges of its bands."""
        edges = ", ".join(map(repr, axis.edges))
        return f", {self._number(self._sql(axis.column))} AS v{name}, [{edges}]::DOUBLE[] AS e{name}"

    def _number(self, column: str) -> str:
        """SQL for a column as a number; NULL where it is none. The engine would let the reader of CSV do a plain cast,
        which fails on what is no number.
        """
        text = f"trim({column})" if column in self._texts else column
        return f"TRY_CAST({text} AS DOUBLE)"

    def _counts(self, found: list[Any], axes: list[Axis], tables: Sequence[Sequence[Axis]]) -> Counts:
        cells: dict[frozenset[Axis], list[Cell]] = {frozenset(table): [] for table in tables}
        for n, *row in found:
            marks, flags = row[: len(axes)], row[len(axes) :]
            by = frozenset(axis for axis, flag in zip(axes, flags, strict=True) if flag == 0)
            cells[by].append((tuple(_mark(axis, mark) for axis, mark in zip(axes, marks, strict=True)), n))
        self._refuse_missing(axes, cells)
        counted = []
        for table in tables:
            places = [axes.index(axis) for axis in table]
            chosen = ((tuple(marks[place] for place in places), n) for marks, n in cells[frozenset(table)])
            counted.append(Table.of(table, chosen))
        if not counted or counted[0].rows == 0:
            raise InvalidData("the data file has no rows", where=self.name)
        return Counts(self._counted_too(counted[0].rows), tuple(counted))

    def _refuse_missing(self, axes: list[Axis], cells: dict[frozenset[Axis], list[Cell]]) -> None:
        for place, axis in enumerate(axes):
            if axis.form != "outcome":
                continue
            first = next(found for by, found in cells.items() if axis in by)
            n = sum(count for marks, count in first if marks[place] is None)
            if n:
                raise InvalidData(
                    f"{n:,} {'row has' if n == 1 else 'rows have'} no outcome",
                    where=f"{self.name}, column {axis.column}",
                    expected="a true and a predicted outcome in every row, not NaN",
                    remedy="Find out why they are missing; a verdict over the rest would hide them.",
                )

    def variety(self, column: str) -> tuple[int, bool]:
        """About how many different values a column has, and whether all that are not missing are numbers.

        Raises:
            InvalidData: it is missing.
        """
        self._require([column])
        text = f"nullif(trim(CAST({self._sql(column)} AS VARCHAR)), '')"
        chosen = f"approx_count_distinct({text}), count({text}), count(TRY_CAST({text} AS DOUBLE))"
        with self.files.session.connection() as connection:
            distinct, filled, numbers = self._fetch(connection, f"SELECT {chosen} FROM {self.relation}")[0]  # noqa: S608
        return int(distinct), filled > 0 and filled == numbers

    def quantiles(self, column: str, parts: int) -> tuple[float, ...]:
        """The values of a column that end its parts of about as many rows each: ascending, each once, finite.

        None where it holds no number. They are values of the column, so that they do not depend on threads.

        Raises:
            InvalidData: it is missing.
        """
        self._require([column])
        value = self._number(self._sql(column))
        points = [number / parts for number in range(1, parts)]
        finite = f"SELECT quantile_disc(v, {points}) FROM (SELECT {value} AS v FROM {self.relation}) WHERE isfinite(v)"  # noqa: S608
        with self.files.session.connection() as connection:
            found = self._fetch(connection, finite)[0][0]
        return tuple(sorted({value + 0.0 for value in found or ()}))

    def median(self, column: str) -> float:
        """The median of the finite numbers of a column, exactly: of an even number the mean of the two in the middle.

        Where that mean cannot be told from the larger of the two, it is the smaller: either way the rows above the
        median are those above the smaller. Sorted on disk where memory does not hold the column.

        Raises:
            InvalidData: the column is missing, or holds no number.
        """
        self._require([column])
        finite = f"(SELECT {self._number(self._sql(column))} AS v FROM {self.relation}) WHERE isfinite(v)"  # noqa: S608
        with self.files.session.connection() as connection:
            n = self._fetch(connection, f"SELECT count(*) FROM {finite}")[0][0]  # noqa: S608
            if n == 0:
                raise InvalidData(f"column {column!r} holds no number, so it has no median", where=self.name)
            middle = f"SELECT v FROM {finite} ORDER BY v LIMIT {2 - n % 2} OFFSET {(n - 1) // 2}"  # noqa: S608
            (lower, *_), (upper, *_) = (found := self._fetch(connection, middle))[0], found[-1]
        mean = lower / 2 + upper / 2
        return float(mean if lower < mean < upper else lower) + 0.0

    def table(self, columns: Sequence[str]) -> pyarrow.Table:
        """These columns with all rows, in the order of the file: typed as in Parquet, text from CSV.

        For no columns a table that has the rows only, under a name that no policy can ask for.

        Raises:
            InvalidData: a column is missing.
        """
        self._require(columns)
        chosen = ", ".join(self._sql(name) for name in columns) or "1 AS c0"
        with self.files.session.connection() as connection:
            found = self._arrow(connection, f"SELECT {chosen} FROM {self.relation}")  # noqa: S608
        self._counted_too(found.num_rows)
        return found.rename_columns(list(columns) or [""])

    def scores(self, *, true: str, score: str, favourable: str) -> Scores:
        """Of each row whether its true outcome is the favourable one, and its score, in the order of the file.

        Raises:
            InvalidData: a column is missing, or a score is missing, no number, NaN or infinite.
        """
        import numpy as np

        found = self.table([true, score])
        truth = found[true].combine_chunks().dictionary_encode()
        good = np.array([label(value) == favourable for value in truth.dictionary.to_pylist()], dtype=np.int64)
        values = numbers(found[score])
        wrong = int((~np.isfinite(values)).sum())
        if wrong:
            raise InvalidData(
                f"{wrong:,} {'row has' if wrong == 1 else 'rows have'} no score",
                where=f"{self.name}, column {score}",
                expected="a finite number in every row",
                remedy="Find out why they are missing; a verdict over the rest would hide them.",
            )
        return Scores(good[truth.indices.to_numpy()], values)

    def _sql(self, name: str) -> str:
        return f"c{self.columns.index(name)}"

    def _require(self, names: Iterable[str]) -> None:
        for name in names:
            if self.columns.count(name) != 1:
                raise self._no_column(name)

    def _no_column(self, name: str) -> InvalidData:
        if name in self.columns:
            return InvalidData(f"column {name!r} stands twice in the header", where=self.name)
        near = difflib.get_close_matches(name.lower(), [column.lower() for column in self.columns], n=1)
        like = [column for column in self.columns if near and column.lower() == near[0]]
        return InvalidData(
            f"there is no column {name!r}",
            where=self.name,
            got=", ".join(self.columns[:20]) + (", ..." if len(self.columns) > 20 else ""),
            remedy=f"Did you mean {like[0]!r}?" if like else "Correct the name in the policy, or hand in other data.",
        )

    # --- tallies

    def tally(self, needs: Iterable[Tallied]) -> Tallies:
        """Count how many rows there are, and how many miss each predicate, in one scan for each 500 predicates; one
        more for each ``Unique``, and for each predicate that values are shown of and that some row misses.

        Raises:
            InvalidData: the data cannot be read, or a column stands twice.
        """
        wanted: dict[Predicate, Tallied] = {}
        for need in needs:
            wanted[need.predicate] = need.together(wanted.get(need.predicate, need))
        names = {name for predicate in wanted for name in columns_of(predicate)}
        self._require(name for name in sorted(names) if self.has(name))
        with self.files.session.connection() as connection:
            return _Scan(self, connection, self._described(connection, names)).tallies(wanted)

    def _described(self, connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, Column]:
        """The columns of these names that there are."""
        chosen = f"SELECT * FROM {self.relation} LIMIT 0"  # noqa: S608
        schema = self._arrow(connection, chosen).schema
        described = [line[1] for line in self._fetch(connection, f"DESCRIBE {chosen}")]
        every = {name: place for place, name in enumerate(self.columns)}
        places = {name: every[name] for name in names if name in every}
        texts = self._texts
        return {
            name: Column(f"c{place}", schema.field(place).type, described[place], f"c{place}" in texts)
            for name, place in places.items()
        }

    # --- the connection

    @property
    def _texts(self) -> frozenset[str]:
        """The columns, as SQL calls them, that hold text without a type of its own."""
        return frozenset(f"c{place}" for place, name in enumerate(self.columns) if name in self.files.text)

    def _fetch(self, connection: duckdb.DuckDBPyConnection, sql: str, **parameters: Any) -> list[Any]:
        self._attach(connection)
        given = {**self.files.parameters, **parameters}
        named = {name: given[name] for name in _PARAMETER.findall(sql)}
        rows: list[Any] = self._watched(connection, lambda: connection.execute(sql, named).fetchall())
        return rows

    def _arrow(self, connection: duckdb.DuckDBPyConnection, sql: str) -> pyarrow.Table:
        self._attach(connection)
        return self._watched(
            connection, lambda: connection.sql(sql, params=dict(self.files.parameters)).to_arrow_table()
        )

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self.files.frame is not None:  # anew for each query: a stream of batches can be read once
            connection.register(files.FRAME, self.files.frame())

    def _watched(self, connection: duckdb.DuckDBPyConnection, act: Callable[[], Any]) -> Any:
        """Act in a thread of its own and tell how far it is meanwhile; without anybody to tell, just act."""
        if self.tell is None:
            return act()
        began = spoken = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(act)
            try:
                while not _finished(done):
                    now = time.monotonic()
                    if now - began > _QUIET and now - spoken > _OFTEN and connection.query_progress() > 0:
                        spoken = now
                        self.tell(f"reading the data: {connection.query_progress():.0f} %")
            except BaseException:
                connection.interrupt()
                raise
            return done.result()


def _config(threads: int | None) -> dict[str, Any]:
    return _CONFIG | ({"threads": threads} if threads else {})


def _finished(done: Any) -> bool:
    from concurrent.futures import wait

    return bool(wait([done], timeout=0.1).done)


@dataclass
class _Scan:
    """The tallies of one connection."""

    source: Source
    connection: duckdb.DuckDBPyConnection
    columns: Mapping[str, Column]

    @cached_property
    def conditions(self) -> Conditions:
        return Conditions(self.columns)

    def tallies(self, wanted: Mapping[Predicate, Tallied]) -> Tallies:
        found: dict[Predicate, Tally] = {}
        asked: dict[Predicate, str] = {}
        for predicate in wanted:
            try:
                found[predicate] = self._before(predicate)
                if not (found[predicate].absent or found[predicate].flaw):
                    asked[predicate] = self.conditions.of(predicate)
            except Uncheckable as reason:
                found[predicate] = Tally(flaw=str(reason))
        with self._defined():
            return self._counted(wanted, asked, found)

    def _counted(
        self, wanted: Mapping[Predicate, Tallied], asked: Mapping[Predicate, str], found: dict[Predicate, Tally]
    ) -> Tallies:
        scans = [self._scanned(dict(some)) for some in _batched(list(asked.items()), _AT_ONCE)]
        rows, counted = scans[0][0], {predicate: tally for _, some in scans for predicate, tally in some.items()}
        repeated = self._repeated([predicate for predicate in counted if isinstance(predicate, Unique)])
        for predicate, tally in counted.items():
            missed = tally.missed + repeated.get(predicate, 0)
            shown = self._failing(wanted[predicate], asked[predicate]) if missed else ()
            found[predicate] = replace(tally, missed=missed, type=found[predicate].type, shown=shown)
        return Tallies.of(rows, found)

    def _before(self, predicate: Predicate) -> Tally:
        """What is known before the scan: columns that are not there, types, and expressions that cannot be read."""
        names = columns_of(predicate)
        absent = tuple(name for name in names if name not in self.columns)
        if absent:
            return Tally(absent=absent)
        if isinstance(predicate, Matches) and not self._readable(predicate.regex):
            return Tally(flaw="the engine cannot read the regular expression")
        column = self.columns[names[0]]
        return Tally(type="" if column.text or len(names) > 1 else type_name(column.type))

    def _readable(self, regex: str) -> bool:
        import duckdb

        try:
            self.connection.execute("SELECT regexp_full_match('', $form)", {"form": regex}).fetchall()
        except duckdb.Error:
            return False
        return True

    @contextmanager
    def _defined(self) -> Iterator[None]:
        """With the functions that the conditions call."""
        import duckdb
        from duckdb.func import PythonUDFType

        functions = self.conditions.functions
        for name, (function, kind, answer) in functions.items():
            given, given_back = duckdb.sqltype(kind), duckdb.sqltype(answer)
            self.connection.create_function(name, function, [given], given_back, type=PythonUDFType.ARROW)
        try:
            yield
        finally:
            for name in functions:
                self.connection.remove_function(name)

    def _scanned(self, asked: Mapping[Predicate, str]) -> tuple[int, dict[Predicate, Tally]]:
        """One scan. A condition that is neither true nor false would make a row that was not looked at."""
        figures = ["count(*)"]
        for predicate, condition in asked.items():
            figures += [f"count({condition})", f"count_if({condition})"]
            if isinstance(predicate, Newest):
                figures.append(f"max({self.conditions.moment(self.columns[predicate.column])})")
        sql = f"SELECT {', '.join(figures)} FROM {self.source.relation}"  # noqa: S608  (positions and parameters)
        rows, *rest = self.source._fetch(self.connection, sql, **self.conditions.parameters)[0]
        self.source._counted_too(rows)
        numbers, found = iter(rest), {}
        for predicate in asked:
            looked_at, good = next(numbers), next(numbers) or 0
            newest = next(numbers) if isinstance(predicate, Newest) else None
            found[predicate] = Tally(looked_at, looked_at - good, newest=newest)
        return rows, found

    def _repeated(self, predicates: Sequence[Unique]) -> dict[Predicate, int]:
        """How many rows of each column hold a value that another row holds too, but for one row of each value."""
        found: dict[Predicate, int] = {}
        for some in _batched(list(predicates), _DISTINCT_AT_ONCE) if predicates else ():
            columns = [self.columns[predicate.column].sql for predicate in some]
            counts = ", ".join(f"count({column}) - count(DISTINCT {column})" for column in columns)
            (row,) = self.source._fetch(self.connection, f"SELECT {counts} FROM {self.source.relation}")  # noqa: S608
            found |= dict(zip(some, map(int, row), strict=True))
        return found

    def _failing(self, need: Tallied, condition: str) -> tuple[tuple[str, int], ...]:
        """The values that miss a predicate most often, in a fixed order; of personal ones the shape alone."""
        if not need.show:
            return ()
        names = columns_of(need.predicate)
        texts = [f"CAST({self.columns[name].sql} AS VARCHAR)" for name in names]
        value = texts[0] if len(texts) == 1 else f"concat_ws(' | ', {', '.join(texts)})"
        chosen = f"NOT {condition}"
        if isinstance(need.predicate, Unique):
            chosen = f"{value} IS NOT NULL"
        grouped = (
            f"SELECT {value} AS v, count(*) AS n FROM {self.source.relation} WHERE {chosen} GROUP BY v "  # noqa: S608
            f"HAVING n > {1 if isinstance(need.predicate, Unique) else 0}"
        )
        shape = "regexp_replace(regexp_replace(v, '\\p{L}', 'x', 'g'), '\\p{N}', '9', 'g')"
        sql = (
            f"SELECT left({shape if need.personal else 'v'}, {_SHOWN_LENGTH}) AS s, sum(n) AS n FROM ({grouped}) "  # noqa: S608
            f"WHERE v IS NOT NULL GROUP BY s ORDER BY n DESC, s LIMIT {need.show}"
        )
        found = self.source._fetch(self.connection, sql, **self.conditions.parameters)
        return tuple((unicodedata.normalize("NFC", text), int(n)) for text, n in found)


def _batched(items: list[_T], most: int) -> list[list[_T]]:
    """Parts of so many items at most; one that is empty if there are none."""
    return [items[start : start + most] for start in range(0, max(len(items), 1), most)]


def _most(axes: Iterable[Axis]) -> int:
    return MAX_BANDED if any(axis.form == "band" for axis in axes) else MAX_CELLS


def _mark(axis: Axis, value: Any) -> Mark:
    if axis.form == "outcome":
        return label(value)
    return group_value(value) if axis.form == "group" else value


def _band(value: str, edges: str, count: int) -> str:
    """SQL for how many of the edges a number reaches, found by halves. Past the last there is none to be reached.

    The text doubles with each half, and the engine computes what is alike in it once. It would not inside of a CASE.
    """
    found, step = "0", 1 << (count.bit_length() - 1)
    while step:
        found = f"({found} + CASE WHEN {value} >= list_extract({edges}, {found} + {step}) THEN {step} ELSE 0 END)"
        step //= 2
    return found


def open_source(data: Any, *, threads: int | None = None, tell: Tell | None = None) -> Source:
    """Look at data: their form and their columns.

    Args:
        data: a path of a file or folder, or a frame; see :mod:`tallystick.policy.engines.files`.
        threads: for the engine; results do not depend on it.
        tell: told how far a long scan is.

    Raises:
        NotFound: no such file.
        InvalidData: of another form, or unreadable.
    """
    return Source(files.opened(data, config=_config(threads)), tell)


def of_table(table: pyarrow.Table, *, text: bool) -> Source:
    """A table in memory as data; with ``text`` its columns are read as those of CSV are."""
    return Source(files.of_table(table, text=text, config=_config(None)))

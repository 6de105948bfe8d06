"""DuckDB reads the data file: one scan to integer counts, and single columns where a gate needs rows.

Rules:

* A file is CSV (``.csv``, ``.csv.gz``: comma, double quotes, a header, UTF-8) or Parquet (``.parquet``). Nothing about
  the dialect is guessed: a sniffer once turned a file with a stray third column into a table without rows.
* Column names are compared exactly, outside of SQL (inside it ``"Sex"`` would also find ``sex``). Within SQL columns
  are called c0, c1, ... by position, so no text of a user or of a file ever becomes SQL; the path is a parameter.
* The connection may open this one file, nothing else, and loads no extension.
* What a file says of its values is not believed: the optimizer would answer ``isnan(x)`` or ``x <= 1`` from the
  smallest and largest value in the footer of a Parquet file, which count no NaN, and which anybody can write there.
* Only counts are aggregated: sums of floating-point numbers differ from run to run with several threads.
* A message never shows a value of a row.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick.errors import InvalidData, NotFound
from tallystick.policy.counts import Axis, Cell, Counts, Mark, Scores, Table, group_value, label
from tallystick.policy.engines.arrow import numbers

if TYPE_CHECKING:
    import duckdb
    import pyarrow

__all__ = ["MAX_CELLS", "Source", "engine", "open_source"]

MAX_CELLS = 50_000
"""More different combinations than this are no groups, but identifiers or scores."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "allow_community_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
_CSV = (
    "read_csv(?, columns={{{columns}}}, auto_detect=false, header=true, delim=',', quote='\"', escape='\"', "
    "compression='{compression}', null_padding=false, ignore_errors=false, strict_mode=true, hive_partitioning=false)"
)
_PARQUET = "read_parquet(?, hive_partitioning=false, can_have_nan=true)"


def engine() -> str:
    """The engine and its version, as an evaluation records it."""
    return f"duckdb {version('duckdb')}"


@dataclass(frozen=True)
class Source:
    """A data file that can be counted. Made by :func:`open_source`."""

    path: Path
    columns: tuple[str, ...]
    """The names in the file, in its order."""
    relation: str
    """SQL that stands for the file; its columns are c0, c1, ..."""
    typed: bool
    """True for Parquet; a CSV file holds text only."""
    threads: int | None = None

    def has(self, column: str) -> bool:
        return column in self.columns

    def count(self, tables: Sequence[Sequence[Axis]]) -> Counts:
        """Count rows along the axes of each table, in one scan.

        Raises:
            InvalidData: a column is missing; an outcome is missing or NaN in some row; there are no rows; or there
                are so many combinations that a column cannot be a group or an outcome.
        """
        axes = list(dict.fromkeys(axis for table in tables for axis in table))
        if not axes:
            rows = self._rows()
            return Counts(rows, tuple(Table.of((), [((), rows)]) for _ in tables))
        self._require(dict.fromkeys(axis.column for axis in axes))
        with self._connection() as connection:
            found = connection.execute(self._group_by(axes, tables), [_literal(self.path)]).fetchall()
        if len(found) > MAX_CELLS:
            raise InvalidData(
                "there are too many combinations of groups and outcomes to count",
                where=self.path.name,
                expected=f"up to {MAX_CELLS}",
                remedy=f"Of {', '.join(dict.fromkeys(axis.column for axis in axes))} one holds identifiers or scores;"
                " name another or put it in bands.",
            )
        return self._counts(found, axes, tables)

    def _rows(self) -> int:
        with self._connection() as connection:
            found = connection.execute(f"SELECT count(*) FROM {self.relation}", [_literal(self.path)]).fetchone()  # noqa: S608
        return int(found[0]) if found else 0

    def _group_by(self, axes: list[Axis], tables: Sequence[Sequence[Axis]]) -> str:
        places = {axis: f"a{place}" for place, axis in enumerate(axes)}
        chosen = ", ".join(f"{self._marks(axis, name)} AS {name}" for axis, name in places.items())
        beside = "".join(self._beside(axis, name) for axis, name in places.items() if axis.form == "band")
        sets = dict.fromkeys(frozenset(places[axis] for axis in table) for table in tables)
        grouped = ", ".join(f"({', '.join(sorted(names))})" for names in sets)
        flags = [f"GROUPING({name})" for name in places.values()]
        return (
            f"SELECT {', '.join(['count(*)', *places.values(), *flags])} "  # noqa: S608  (positions only)
            f"FROM (SELECT {chosen} FROM (SELECT *{beside} FROM {self.relation})) "
            f"GROUP BY GROUPING SETS ({grouped}) LIMIT {MAX_CELLS + 1}"
        )

    def _marks(self, axis: Axis, name: str) -> str:
        """SQL for what a row shows along an axis."""
        if axis.form != "band":
            return f"CAST({self._sql(axis.column)} AS VARCHAR)"
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
        text = column if self.typed else f"trim({column})"
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
            raise InvalidData("the data file has no rows", where=self.path.name)
        return Counts(counted[0].rows, tuple(counted))

    def _refuse_missing(self, axes: list[Axis], cells: dict[frozenset[Axis], list[Cell]]) -> None:
        for place, axis in enumerate(axes):
            if axis.form != "outcome":
                continue
            first = next(found for by, found in cells.items() if axis in by)
            n = sum(count for marks, count in first if marks[place] is None)
            if n:
                raise InvalidData(
                    f"{n:,} {'row has' if n == 1 else 'rows have'} no outcome",
                    where=f"{self.path.name}, column {axis.column}",
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
        with self._connection() as connection:
            found = connection.execute(f"SELECT {chosen} FROM {self.relation}", [_literal(self.path)]).fetchone()  # noqa: S608
        distinct, filled, numbers = found or (0, 0, 0)
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
        with self._connection() as connection:
            found = connection.execute(finite, [_literal(self.path)]).fetchone()
        return tuple(sorted(set(found[0]))) if found and found[0] else ()

    def table(self, columns: Sequence[str]) -> pyarrow.Table:
        """These columns with all rows, in the order of the file: typed as in Parquet, text from CSV.

        For no columns a table that has the rows only, under a name that no policy can ask for.

        Raises:
            InvalidData: a column is missing.
        """
        self._require(columns)
        chosen = ", ".join(self._sql(name) for name in columns) or "1 AS c0"
        with self._connection() as connection:
            relation = connection.sql(f"SELECT {chosen} FROM {self.relation}", params=[_literal(self.path)])  # noqa: S608
            found = relation.to_arrow_table()
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
                where=f"{self.path.name}, column {score}",
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
            return InvalidData(f"column {name!r} stands twice in the header", where=self.path.name)
        near = difflib.get_close_matches(name.lower(), [column.lower() for column in self.columns], n=1)
        like = [column for column in self.columns if near and column.lower() == near[0]]
        return InvalidData(
            f"there is no column {name!r}",
            where=self.path.name,
            got=", ".join(self.columns[:20]) + (", ..." if len(self.columns) > 20 else ""),
            remedy=f"Did you mean {like[0]!r}?" if like else "Correct the name in the policy, or hand in other data.",
        )

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with _connection(self.path, self.threads) as connection:
            yield connection


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


def _literal(path: Path) -> str:
    """The path as a pattern that matches this one file: the engine takes every path for a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


@contextmanager
def _connection(path: Path, threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    config = _CONFIG | ({"threads": threads} if threads else {})
    connection = duckdb.connect(":memory:", config=config)
    try:
        quoted = [name.replace("'", "''") for name in (str(path), _literal(path))]
        connection.execute(f"SET allowed_paths=['{quoted[0]}', '{quoted[1]}']")
        connection.execute("SET disabled_optimizers='statistics_propagation'")
        connection.execute("SET enable_external_access=false")
        connection.execute("SET lock_configuration=true")
        yield connection
    except duckdb.Error as error:
        raise _unreadable(path, str(error)) from error
    finally:
        connection.close()


def _unreadable(path: Path, message: str) -> InvalidData:
    """The engine's own text quotes rows of the file, so only the line and the kind of flaw are taken from it."""
    line = re.search(r"on Line: (\d+)", message)
    flaws = {
        "Expected Number of Columns": "a row has another number of columns than the header",
        "unterminated quote": "a quoted value is not closed",
        "not utf-8": "the text is not UTF-8",
        "magic bytes": "it is not a Parquet file",
        "state machine reached an invalid state": "line ends are mixed or quotes stand in wrong places",
    }
    flaw = next((words for part, words in flaws.items() if part in message), message.splitlines()[0][:60])
    return InvalidData(
        f"the data file cannot be read: {flaw}",
        where=f"{path.name}:{line.group(1)}" if line else path.name,
        remedy="Write it again as UTF-8 CSV with a header, or as Parquet.",
    )


def open_source(path: Path, *, threads: int | None = None) -> Source:
    """Look at a data file: its form and its columns.

    Args:
        path: a local CSV or Parquet file.
        threads: for the engine; results do not depend on it.

    Raises:
        NotFound: no such file.
        InvalidData: not a file, of another form, or unreadable.
    """
    if not path.exists():
        raise NotFound("there is no such data file", where=str(path))
    if not path.is_file():
        raise InvalidData("the data is not a regular file", where=str(path))
    path = path.resolve()
    for ending, open_as in _FORMS.items():
        if path.name.lower().endswith(ending):
            return open_as(path, threads)
    raise InvalidData("the form of the data file is not known", where=path.name, expected=", ".join(_FORMS))


def _open_csv(path: Path, threads: int | None) -> Source:
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            lines = (line.decode("utf-8-sig" if i == 0 else "utf-8") for i, line in enumerate(file))
            header = next(csv.reader(lines, strict=True), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData("the header of the data file cannot be read", where=path.name, got=str(error)[:80]) from error
    if not header:
        raise InvalidData("the data file is empty", where=path.name, expected="a header with the names of the columns")
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(header)))
    relation = _CSV.format(columns=columns, compression="gzip" if packed else "none")
    return Source(path, tuple(header), relation, typed=False, threads=threads)


def _open_parquet(path: Path, threads: int | None) -> Source:
    with _connection(path, threads) as connection:
        rows = connection.execute("SELECT name, num_children FROM parquet_schema(?)", [_literal(path)]).fetchall()
    columns = tuple(_top_level(rows))
    alias = ", ".join(f"c{i}" for i in range(len(columns)))
    return Source(path, columns, f"{_PARQUET} AS f({alias})", typed=True, threads=threads)


def _top_level(rows: list[Any]) -> Iterator[str]:
    """The names of the columns themselves, from a schema in which the parts of nested columns follow them."""
    position = 1
    while position < len(rows):
        yield rows[position][0]
        pending = 1
        while pending:
            pending += (rows[position][1] or 0) - 1
            position += 1


_FORMS: dict[str, Callable[[Path, int | None], Source]] = {
    ".csv": _open_csv,
    ".csv.gz": _open_csv,
    ".parquet": _open_parquet,
}

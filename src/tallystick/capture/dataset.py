"""Describes a dataset: its bytes by digest, its columns, how many rows, a profile; never a row.

* **Tables** are CSV (``.csv``, ``.tsv``, also with ``.gz``) and Parquet files, one file or a folder of them. The files
  of a folder that are tables are read as one table if they have the same columns. Anything else is recorded by its
  fingerprint alone, with fields and rows "not tabular".
* **CSV** is UTF-8 with a header line; the delimiter is the one of ``, ; tab |`` that splits the header most; quotes are
  doubled; the form is the strict one of :mod:`tallystick.csv_form`.
  Every line must have as many cells as the header: a ragged file is refused with its line. An empty cell is
  null. A column without a name is called ``column<n>``, n from 0.
* **Types** are DuckDB's names (``BIGINT``, ``DOUBLE``, ``VARCHAR``, ``DATE``, ...). For CSV they are taken from the
  first 20,480 rows if all others agree, else from the whole file.
* **The profile** can single people out, so it is an erasable attachment, and what stands there is restrained: a value
  is listed only if at least 10 rows have it, no value of a text column with more than 50 % distinct values, no figures
  of a column with fewer than 10 values, no figures of a whole-number column in which every value is another (such
  columns are identifiers). How many values were held back is stated.
* DuckDB runs in memory with a limit, without extensions, network or temporary files, and may open only a copy of
  the tables that was hashed while it was written (:func:`~tallystick.capture.fingerprint.private_copy`), which takes as
  much room as they do.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallystick import csv_form
from tallystick.canonical import Value, encode, tagged
from tallystick.capture.captured import Captured, completed, exact, media_type, named, near, spilled
from tallystick.capture.fingerprint import Fingerprint, Progress, private_copy
from tallystick.errors import InvalidData
from tallystick.records import Attachment, absent

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["SMALL_CELL", "describe"]

SMALL_CELL: Final = 10
"""Rows that must share a value before the profile lists it."""
_MANY_FIELDS: Final = 300
_EXACT: Final = 20_000
"""Distinct values are counted exactly where the estimate is not above this, which takes in every count up to 10,000."""
_LISTED: Final = 100
_CLIPPED: Final = 200
_LOOKS_UNIQUE: Final = 0.5
_QUANTILES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_EXACT_QUANTILES: Final = 32_000_000
"""Numbers that may be held at once to find quantiles exactly; above, they are estimated."""
_AT_ONCE: Final = 100
"""Columns in one query."""
_MEMORY: Final = "2GB"
_DELIMITERS: Final = ",;\t|"
_HEADER: Final = 1024 * 1024
_BLOCK: Final = 1024 * 1024
_WHOLE: Final = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
_DECIMAL: Final = re.compile(r"DECIMAL\(\d+,\s*\d+\)")
_FLOAT: Final = frozenset({"FLOAT", "DOUBLE"})
_TEXT: Final = re.compile(r"VARCHAR|BOOLEAN|ENUM")
_TIME: Final = re.compile(r"DATE|TIME")
_TABULAR: Final = re.compile(r"\.(parquet|[ct]sv(\.gz)?)$", re.IGNORECASE)


def describe(
    path: Path | str,
    *,
    declared: Mapping[str, Value],
    name: str,
    version: str | None = None,
    progress: Progress | None = None,
) -> Captured:
    """The record of a dataset, of kind ``dataset``.

    Args:
        path: a CSV or Parquet file, or a folder.
        declared: fields of the kind that only people know: role, licence, label, sampling, exclusions, ... ;
            ``sensitive_fields`` may name ``columns``, and ``label`` a ``column``: they must be in the data.
        name: what the dataset is called.
        version: which version of it this is; the start of its fingerprint if None.
        progress: told how far reading for the fingerprint is.

    Raises:
        NotFound: there is nothing at `path`.
        InvalidData: empty, unreadable, ragged, changed while it was read, or without a column that was declared.
        InvalidRecord: something declared is no field of a dataset.
    """
    observed: dict[str, Value] = {"name": name, "version": version or ""}
    completed("dataset", observed, declared)  # what is declared wrongly should not cost a reading
    with private_copy(path, wanted=_is_table, progress=progress) as (real, mark):
        if mark.bytes == 0:
            raise InvalidData("dataset is empty", where=real.name)
        table = _table(real, mark)
        described, attachments = _described(table)
    columns = [column.name for column in table.columns] if table else None
    _check_columns(declared, columns)
    shown = named(path)
    observed |= {"version": version or mark.sha256[:12], "distribution": _distribution(shown, mark)} | described
    return Captured(
        body=completed("dataset", observed, declared),
        attachments=attachments,
        subject=({"name": name, "digest": {"sha256": mark.digest}},),
    )


def _is_table(path: bytes) -> bool:
    return _TABULAR.search(os.fsdecode(path)) is not None


def _distribution(name: str, mark: Fingerprint) -> dict[str, Value]:
    file = mark.encoding == "file"
    about = {
        "contentUrl": name,
        "encodingFormat": media_type(name) if file else "inode/directory",
        "sha256": mark.sha256,
        "bytes": mark.bytes,
    }
    return about | ({"file_sha256": mark.digest} if file else {"files": mark.files})


def _described(table: _Table | None) -> tuple[dict[str, Value], tuple[Attachment, ...]]:
    if table is None:
        return {"fields": absent("not tabular"), "rows": absent("not tabular")}, ()
    if not table.columns:
        reason = "tables with different columns"
        return {"fields": absent(reason), "rows": absent(reason)}, ()
    fields = [{"name": column.name, "type": column.type} for column in table.columns]
    body, parts = spilled(fields, "fields.json", **({"limit": 0} if len(fields) > _MANY_FIELDS else {}))
    profile = Attachment.erasable("profile.json", "application/json", encode(_profile(table)))
    return {"fields": body, "rows": table.rows, "profile": {"attachment": "profile.json"}}, (*parts, profile)


def _check_columns(declared: Mapping[str, Value], columns: Sequence[str] | None) -> None:
    """Columns that were declared must be in the data, if it has columns at all."""
    named_columns: list[tuple[str, Value]] = []
    sensitive, label = declared.get("sensitive_fields"), declared.get("label")
    if isinstance(sensitive, Mapping):
        listed = sensitive.get("columns", [])
        named_columns += [("sensitive_fields", column) for column in (listed if isinstance(listed, list) else [listed])]
    if isinstance(label, Mapping) and "column" in label:
        named_columns.append(("label", label["column"]))
    if not columns:
        return
    for where, column in named_columns:
        if column not in columns:
            raise InvalidData(
                f"declared column {column!r} is not in the data", where=where, **near(str(column), columns)
            )


# --------------------------------------------------------------------------- tables


@dataclass
class _Column:
    """One column, and what the profile finds out about it."""

    name: str
    type: str
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return _WHOLE.match(self.type) is not None

    @property
    def number(self) -> bool:
        return self.whole or self.type in _FLOAT or _DECIMAL.fullmatch(self.type) is not None

    @property
    def text(self) -> bool:
        return _TEXT.match(self.type) is not None and not self.type.endswith("]")

    @property
    def time(self) -> bool:
        return _TIME.match(self.type) is not None and not self.type.endswith("]")


@dataclass(frozen=True)
class _Table:
    """Files that are read as one table, by column number: names in the data never reach SQL."""

    columns: list[_Column]
    rows: int


@dataclass(frozen=True)
class _Source:
    """A part of a FROM clause with its parameters."""

    sql: str
    parameters: tuple[Any, ...]
    names: tuple[str, ...]
    rows: int | None = None
    """How many there are, where that was counted without the engine."""


def _table(real: Path, mark: Fingerprint) -> _Table | None:
    """The table that a file or folder is, profiled; None if it is none, without columns if its files differ."""
    paths = _tables(real, mark)
    if not paths:
        return None
    with closing(_engine(paths)) as engine:
        sources = [_source(path, engine) for path in paths]
        if any(source.names != sources[0].names for source in sources):
            return _Table([], 0)
        try:
            return _scanned(engine, _joined(sources), sources[0].names)
        except InvalidData:
            raise
        except Exception as error:
            whole = [_source(path, engine, sample=-1) for path in paths]
            if [source.sql for source in whole] == [source.sql for source in sources]:
                raise _explained(error, paths, engine) from error
            with _errors(paths, engine):
                return _scanned(engine, _joined(whole), sources[0].names)


def _tables(real: Path, mark: Fingerprint) -> list[Path]:
    if mark.encoding == "file":
        return [real] if _TABULAR.search(real.name) else []
    names = [line.path for line in mark.listing if isinstance(line.path, str) and line.link is None]
    return [real / name for name in names if _TABULAR.search(name)]


def _engine(paths: Sequence[Path]) -> DuckDBPyConnection:
    import duckdb

    for path in paths:
        named(path)
    engine = duckdb.connect(
        config={
            "allow_community_extensions": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "memory_limit": _MEMORY,
            "temp_directory": "",
            "threads": 2,
        }
    )
    spellings = {spelling for path in paths for spelling in (str(path), _literal(path))}
    allowed = ", ".join("'" + spelling.replace("'", "''") + "'" for spelling in sorted(spellings))
    engine.execute(f"SET allowed_paths = [{allowed}]")
    engine.execute("SET enable_external_access = false")
    engine.execute("SET lock_configuration = true")
    return engine


def _source(path: Path, engine: DuckDBPyConnection, *, sample: int = 20_480) -> _Source:
    if path.name.lower().endswith(".parquet"):
        with _errors([path], engine):
            found = engine.execute("DESCRIBE SELECT * FROM read_parquet(?)", [_literal(path)]).fetchall()
        return _Source("SELECT * FROM read_parquet(?)", (_literal(path),), tuple(str(row[0]) for row in found))
    dialect = _dialect(path)
    options = f"{dialect.options}, sample_size = {sample}"
    sql = f"SELECT * FROM read_csv(?, {options})"  # noqa: S608 - nothing in it comes from outside
    return _Source(sql, (_literal(path), dialect.delimiter), dialect.names, dialect.rows)


def _literal(path: Path) -> str:
    """A path that means itself where DuckDB would look for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _joined(sources: Sequence[_Source]) -> _Source:
    """One table; where files disagree on a type, the wider one."""
    sql = " UNION ALL ".join(source.sql for source in sources)
    columns = ", ".join(f"c{number}" for number in range(len(sources[0].names)))
    parameters = tuple(item for source in sources for item in source.parameters)
    counted = [source.rows for source in sources if source.rows is not None]
    rows = sum(counted) if len(counted) == len(sources) else None
    return _Source(f"({sql}) AS data({columns})", parameters, sources[0].names, rows)


# --------------------------------------------------------------------------- CSV


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    names: tuple[str, ...]
    gzipped: bool
    rows: int

    @property
    def options(self) -> str:
        return (
            """delim = ?, quote = '"', escape = '"', comment = '', header = true, skip = 0, strict_mode = true, """
            f"null_padding = false, ignore_errors = false, compression = '{'gzip' if self.gzipped else 'none'}'"
        )


def _dialect(path: Path) -> _Dialect:
    gzipped = path.name.lower().endswith(".gz")
    line = _first_line(path, gzipped)
    tabs = ".tsv" in path.name.lower()
    delimiter = (
        "\t" if tabs else max(_DELIMITERS, key=lambda candidate: len(_cells(line, candidate, path, strict=False)))
    )
    cells = _cells(line, delimiter, path)
    names = tuple(str(tagged(name)) or f"column{number}" for number, name in enumerate(cells))
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidData(
            f"column name {twice[0]!r} stands twice",
            where=f"{path.name}:1",
            remedy="Give the file a header line with one name for each column.",
        )
    return _Dialect(delimiter, names, gzipped, _records(path, delimiter, len(names), gzipped=gzipped))


def _records(path: Path, delimiter: str, columns: int, *, gzipped: bool) -> int:
    try:
        with gzip.open(path) if gzipped else path.open("rb") as file:
            blocks = iter(lambda: file.read(_BLOCK), b"")
            return csv_form.records(blocks, delimiter=delimiter, columns=columns, name=path.name)
    except (EOFError, zlib.error) as error:
        raise InvalidData("is no complete gzip file", where=path.name) from error
    except OSError as error:
        raise InvalidData("cannot be read", where=path.name, got=str(error)) from error


def _first_line(path: Path, gzipped: bool) -> str:
    try:
        with gzip.open(path) if gzipped else path.open("rb") as file:
            data = file.readline(_HEADER + 1)
            while data.count(b'"') % 2 and len(data) <= _HEADER and (more := file.readline(_HEADER + 1 - len(data))):
                data += more
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidData("cannot be read", where=path.name, got=str(error)) from error
    if not data.strip() or len(data) > _HEADER:
        raise InvalidData("has no header line", where=f"{path.name}:1", expected=f"names within {_HEADER:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidData("is not UTF-8", where=f"{path.name}:1") from error


def _cells(line: str, delimiter: str, path: Path, *, strict: bool = True) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, strict=strict))
    except (csv.Error, StopIteration) as error:
        raise InvalidData("header line cannot be read", where=f"{path.name}:1", got=str(error)) from error


# --------------------------------------------------------------------------- errors of the engine

_LINE: Final = re.compile(r"CSV Error on Line: (\d+)")
_CELLS: Final = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")


@contextmanager
def _errors(paths: Sequence[Path], engine: DuckDBPyConnection) -> Iterator[None]:
    try:
        yield
    except InvalidData:
        raise
    except Exception as error:
        raise _explained(error, paths, engine) from error


def _explained(error: Exception, paths: Sequence[Path], engine: DuckDBPyConnection) -> InvalidData:
    """DuckDB's error without the line of data that it quotes, with the file and line at fault if they can be found."""
    for path in paths:
        text = _trial(path, engine)
        if text is not None:
            return _said(text, path)
    return _said(str(error), paths[0] if len(paths) == 1 else paths[0].parent)


def _trial(path: Path, engine: DuckDBPyConnection) -> str | None:
    """What is wrong with one file, read without any guess about types; None if nothing."""
    if path.name.lower().endswith(".parquet"):
        sql, parameters = "SELECT count(COLUMNS(*)) FROM read_parquet(?)", [_literal(path)]
    else:
        dialect = _dialect(path)
        columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(dialect.names)))
        options = f"{dialect.options}, auto_detect = false, columns = {{{columns}}}"
        sql = f"SELECT max(COLUMNS(*)) FROM read_csv(?, {options})"  # noqa: S608 - nothing in it comes from outside
        parameters = [_literal(path), dialect.delimiter]
    try:
        engine.execute(sql, parameters).fetchall()
    except Exception as error:
        return str(error)
    return None


def _said(text: str, path: Path) -> InvalidData:
    line, cells = _LINE.search(text), _CELLS.search(text)
    where = f"{path.name}:{line[1]}" if line else path.name
    if cells:
        return InvalidData(
            "line has another number of cells than the header", where=where, expected=cells[1], got=cells[2]
        )
    for sign, what in _SIGNS.items():
        if sign in text:
            return InvalidData(what, where=where)
    first = text.splitlines()[0].replace(str(path), path.name) if not line else None
    return InvalidData("cannot be read as a table", where=where, got=first and first[:160])


_SIGNS: Final = {
    "not utf-8": "is not UTF-8",
    "Invalid unicode": "is not UTF-8",
    "Out of Memory": f"needs more memory than {_MEMORY} to be described",
    "GZIP stream": "is no complete gzip file",
}


# --------------------------------------------------------------------------- the profile


def _scanned(engine: DuckDBPyConnection, source: _Source, names: Sequence[str]) -> _Table:
    sql = f"DESCRIBE SELECT * FROM {source.sql}"  # noqa: S608 - column numbers and parameters only
    types = engine.execute(sql, list(source.parameters)).fetchall()
    columns = [_Column(name, str(row[1])) for name, row in zip(names, types, strict=True)]
    rows = 0
    for part in _parts(columns):
        rows = _first_look(engine, source, part)
    if source.rows not in (None, rows):
        raise InvalidData("readers do not agree on the rows of the data", expected=f"{source.rows:,}", got=f"{rows:,}")
    for part in _parts(columns):
        _second_look(engine, source, part, rows)
    return _Table(columns, rows)


def _parts(columns: Sequence[_Column]) -> Iterator[list[tuple[str, _Column]]]:
    numbered = [(f"c{number}", column) for number, column in enumerate(columns)]
    for start in range(0, len(numbered), _AT_ONCE):
        yield numbered[start : start + _AT_ONCE]


def _first_look(engine: DuckDBPyConnection, source: _Source, part: Sequence[tuple[str, _Column]]) -> int:
    """Counts, an estimate of distinct values, and the figures that need no sorting."""
    wanted = [(column, what, sql) for c, column in part for what, sql in _figures(c, column).items()]
    row = _row(engine, source, ["count(*)", *(sql for *_, sql in wanted)])
    for (column, what, _), value in zip(wanted, row[1:], strict=True):
        column.found[what] = value
    return int(row[0])


def _figures(c: str, column: _Column) -> dict[str, str]:
    figures = {"filled": f"count({c})", "distinct": f"approx_count_distinct({c})"}
    if column.number:
        finite = _finite(c, column)
        figures |= {"min": f"min({finite})", "max": f"max({finite})", "mean": f"favg({finite}::DOUBLE)"}
        figures |= {"numbers": f"count({finite})"}
    elif column.time:
        figures |= {"min": f"min({c})::VARCHAR", "max": f"max({c})::VARCHAR"}
    return figures


def _finite(c: str, column: _Column) -> str:
    return f"(CASE WHEN isfinite({c}) THEN {c} END)" if column.type in _FLOAT else c


def _second_look(engine: DuckDBPyConnection, source: _Source, part: Sequence[tuple[str, _Column]], rows: int) -> None:
    """Exact counts where they are small enough to keep, and quantiles."""
    exactly = rows * sum(column.number for _, column in part) <= _EXACT_QUANTILES
    wanted = [(column, what, sql) for c, column in part for what, sql in _closer(c, column, exactly).items()]
    if not wanted:
        return
    for (column, what, _), value in zip(wanted, _row(engine, source, [sql for *_, sql in wanted]), strict=True):
        column.found[what] = value
        column.found["exact_quantiles"] = exactly


def _closer(c: str, column: _Column, exactly: bool) -> dict[str, str]:
    wanted = {}
    if column.found["distinct"] <= _EXACT:
        wanted["values" if column.text else "exact"] = f"histogram({c})" if column.text else f"count(DISTINCT {c})"
    if column.number:
        points = ", ".join(map(str, _QUANTILES))
        function = "quantile_disc" if exactly else "approx_quantile"
        wanted["quantiles"] = f"{function}({_finite(c, column)}::DOUBLE, [{points}])"
    return wanted


def _row(engine: DuckDBPyConnection, source: _Source, expressions: Sequence[str]) -> tuple[Any, ...]:
    sql = f"SELECT {', '.join(expressions)} FROM {source.sql}"  # noqa: S608 - column numbers and parameters only
    row = engine.execute(sql, list(source.parameters)).fetchall()[0]
    return tuple(row)


def _profile(table: _Table) -> dict[str, Value]:
    return {
        "rows": table.rows,
        "small_cell": SMALL_CELL,
        "columns": [_column_profile(column, table.rows) for column in table.columns],
    }


def _column_profile(column: _Column, rows: int) -> dict[str, Value]:
    found = column.found
    about: dict[str, Value] = {"name": column.name, "type": column.type, "nulls": rows - found["filled"]}
    about |= _distinct(found)
    if found["filled"] < SMALL_CELL:
        return about | {"held_back": f"fewer than {SMALL_CELL} values"}
    if column.whole and about["distinct"] == found["filled"]:
        return about | {"held_back": "every value is another"}
    if column.number:
        return about | _numbers(found)
    if column.time:
        return about | {"min": found["min"], "max": found["max"]}
    return about | (_values(found, about["distinct"]) if column.text else {})


def _distinct(found: Mapping[str, Any]) -> dict[str, Value]:
    if "values" in found:
        return {"distinct": len(found["values"] or ())}
    if "exact" in found:
        return {"distinct": int(found["exact"])}
    return {"distinct": min(int(found["distinct"]), int(found["filled"])), "distinct_is_estimate": True}


def _numbers(found: Mapping[str, Any]) -> dict[str, Value]:
    """Means are rounded to 12 digits, estimated quantiles to 4: the order of summing must not change the bytes."""
    about: dict[str, Value] = {"min": _number(found["min"]), "max": _number(found["max"])}
    about["mean"] = _rounded(found["mean"], 12)
    digits = 17 if found["exact_quantiles"] else 4
    points = found["quantiles"] or [None] * len(_QUANTILES)
    about["quantiles"] = [[point, _rounded(value, digits)] for point, value in zip(_QUANTILES, points, strict=True)]
    if not found["exact_quantiles"]:
        about["quantiles_are_estimates"] = True
    if found["numbers"] < found["filled"]:
        about["not_finite"] = found["filled"] - found["numbers"]
    return about


def _number(value: Any) -> Value:
    number = float(value) if isinstance(value, Decimal) else value
    return tagged(exact(number) if isinstance(number, float) else number)


def _rounded(value: float | None, digits: int) -> Value:
    return None if value is None else tagged(exact(float(f"{value:.{digits}g}")))


def _values(found: Mapping[str, Any], distinct: int) -> dict[str, Value]:
    if "values" not in found:
        return {"held_back": "too many values to list"}
    if distinct > _LOOKS_UNIQUE * found["filled"]:
        return {"held_back": f"more than {_LOOKS_UNIQUE:.0%} of the values are distinct"}
    counted = [(str(tagged(_shown(value))), int(n)) for value, n in found["values"].items() if n >= SMALL_CELL]
    counted.sort(key=lambda item: (-item[1], item[0]))
    about: dict[str, Value] = {
        "values": [list(item) for item in counted[:_LISTED]],
        "suppressed": distinct - len(counted),
    }
    return about | ({"not_listed": len(counted) - _LISTED} if len(counted) > _LISTED else {})


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _CLIPPED else text[:_CLIPPED] + "…"

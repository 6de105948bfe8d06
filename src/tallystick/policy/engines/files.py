"""What data may be: a file, a folder of Parquet files, or a frame in memory; and the engine that may read it.

* CSV: ``.csv``, ``.csv.gz`` (comma, double quotes, a header, UTF-8), of the strict form of
  :mod:`tallystick.csv_form`; the records are counted apart from the engine. All columns are text.
* Parquet: ``.parquet``.
* Arrow IPC: ``.arrow``, ``.feather`` (version 2), ``.ipc``.
* A folder that holds nothing but Parquet files of one schema, at any depth; names that begin with ``_`` or ``.`` are
  passed over, as the programs that write such folders expect. Folders ``name=value`` on the way to every file are
  columns, of text as in CSV.
* A frame of pandas or polars or a table of pyarrow. A lazy frame of polars is collected: what is not there cannot be
  looked at. NaN in a frame of pandas is a missing value, as it is when the frame is written to Parquet.
"""

from __future__ import annotations

import csv
import gzip
import re
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from tallystick import csv_form
from tallystick.errors import InvalidData, NotFound
from tallystick.policy.engines.unpacked import MAGIC, check_messages

if TYPE_CHECKING:
    import duckdb
    import pyarrow

__all__ = ["FRAME", "Files", "Session", "of_table", "opened", "state"]

FRAME: Final = "frame"
"""What a frame is called within SQL."""
MAX_FILES: Final = 20_000
MAX_HEADER: Final = 1024 * 1024
MAX_COLUMNS: Final = 10_000
MAX_BATCH: Final = 256 * 1024 * 1024
"""Bytes that one batch of an Arrow file may have, unpacked."""
_CSV = (
    "read_csv($file, columns={{{columns}}}, auto_detect=false, header=true, delim=',', quote='\"', escape='\"', "
    "compression='{compression}', null_padding=false, ignore_errors=false, strict_mode=true, hive_partitioning=false)"
)
_LONGEST_LINE: Final = 2_000_000
"""Bytes; the engine's own limit."""
_BLOCK: Final = 1024 * 1024
_ROWS: Final = 65_536
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Files:
    """Data, as a query sees them."""

    name: str
    """What messages call them."""
    columns: tuple[str, ...]
    relation: str
    """SQL that stands for the data; its columns are c0, c1, ..."""
    session: Session = field(compare=False)
    """What may open them."""
    text: frozenset[str] = frozenset()
    """Columns that hold text without a type of its own."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the relation calls ``$file``."""
    frame: Callable[[], Any] | None = field(default=None, compare=False)
    """Makes what the relation calls :data:`FRAME`."""
    rows: int | None = None
    """How many there are, where that was counted without the engine."""


def opened(data: Any, *, config: Config) -> Files:
    """Look at data.

    Args:
        data: a path, or a frame.
        config: of the engine.

    Raises:
        NotFound: no such file.
        InvalidData: of another form, unreadable, or of more columns than :data:`MAX_COLUMNS`.
    """
    found = _opened(data, config)
    if len(found.columns) > MAX_COLUMNS:
        raise InvalidData(
            "the data have too many columns",
            where=found.name,
            expected=f"up to {MAX_COLUMNS:,}",
            got=f"{len(found.columns):,}",
        )
    return found


def _opened(data: Any, config: Config) -> Files:
    if not isinstance(data, str | Path):
        return of_table(_table(data), text=False, name="the frame", config=config)
    path = Path(data)
    if not path.exists():
        raise NotFound("there is no such data file", where=str(path))
    if path.is_dir():
        return _folder(path.resolve(), config)
    if not path.is_file():
        raise InvalidData("the data is not a regular file", where=str(path))
    path = path.resolve()
    for ending, open_as in _FORMS.items():
        if path.name.lower().endswith(ending):
            return open_as(path, config)
    raise InvalidData("the form of the data file is not known", where=path.name, expected=", ".join(_FORMS))


def state(data: Any) -> tuple[object, ...] | None:
    """What tells whether files were changed: device, inode, size and time of each. None for what is no file."""
    if not isinstance(data, str | Path):
        return None
    path = Path(data)
    try:
        below = sorted(path.rglob("*")) if path.is_dir() else []
        return tuple(_marks(each) for each in (path, *below))
    except OSError:
        return None


def _marks(path: Path) -> tuple[object, ...]:
    status = path.lstat() if path.is_symlink() else path.stat()
    return (str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


# --------------------------------------------------------------------------- CSV and Parquet


def _csv(path: Path, config: Config) -> Files:
    packed = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            header = next(csv.reader(_first_lines(file, path), strict=True), [])
            file.seek(0)
            rows = csv_form.records(_blocks(file, path), delimiter=",", columns=len(header), name=path.name)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData("the header of the data file cannot be read", where=path.name, got=str(error)[:80]) from error
    if not header:
        raise InvalidData("the data file is empty", where=path.name, expected="a header with the names of the columns")
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(header)))
    relation = _CSV.format(columns=columns, compression="gzip" if packed else "none")
    session = Session((path,), name=path.name, config=config)
    return Files(path.name, tuple(header), relation, session, frozenset(header), {"file": _literal(path)}, rows=rows)


def _blocks(file: Any, path: Path) -> Iterator[bytes]:
    """The file in parts.

    A line may not be too long: the engine loses a last one that is longer than its buffers, without a word.

    Raises:
        InvalidData: a line is too long.
    """
    length = 0
    while block := file.read(_BLOCK):
        first = re.search(rb"[\r\n]", block)
        length += first.start() if first else len(block)
        if length > _LONGEST_LINE:
            raise InvalidData(
                "a line of the data file is too long", where=path.name, expected=f"up to {_LONGEST_LINE:,} bytes"
            )
        if first:
            length = len(block) - 1 - max(block.rfind(b"\n"), block.rfind(b"\r"))
        yield block


def _first_lines(file: Any, path: Path) -> Iterator[str]:
    """Lines as text, until they are more than a header can be."""
    left, encoding = MAX_HEADER, "utf-8-sig"
    while line := file.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise InvalidData(
                "the header of the data file is too long", where=path.name, expected=f"up to {MAX_HEADER:,} bytes"
            )
        yield line.decode(encoding)
        encoding = "utf-8"


def _parquet(path: Path, config: Config) -> Files:
    session = Session((path,), name=path.name, config=config)
    with session.connection() as known:
        rows = known.execute(
            "SELECT name, num_children FROM parquet_schema($file)", {"file": _literal(path)}
        ).fetchall()
        _check_missing(known, _literal(path))
    columns = tuple(_top_level(rows))
    relation = f"read_parquet($file, hive_partitioning=false, can_have_nan=true) AS f({_positions(columns)})"
    return Files(path.name, columns, relation, session, parameters={"file": _literal(path)})


def _positions(columns: tuple[str, ...]) -> str:
    return ", ".join(f"c{i}" for i in range(len(columns)))


def _top_level(rows: list[Any]) -> Iterator[str]:
    """The names of the columns themselves, from a schema in which the parts of nested columns follow them."""
    position = 1
    while position < len(rows):
        yield rows[position][0]
        pending = 1
        while pending:
            pending += (rows[position][1] or 0) - 1
            position += 1


def _check_missing(known: duckdb.DuckDBPyConnection, files: str | list[str]) -> None:
    """Refuse files that say of a part of a column that all of it is missing, and it is not.

    The engine believes that and reads no value then, so that a check of values would pass. Such parts are read by the
    other reader there is, which does not ask; parts of nested columns, which no check looks into, are not.
    """
    chosen = (
        "SELECT file_name, row_group_id, column_id FROM parquet_metadata($file) "
        "WHERE stats_null_count = num_values AND num_values > 0"
    )
    claimed: dict[str, list[tuple[int, int]]] = {}
    for file, *place in known.execute(chosen, {"file": files}).fetchall():
        claimed.setdefault(file, []).append((place[0], place[1]))
    for file, places in claimed.items():
        if _holds_values(Path(file), places):
            raise InvalidData(
                "the file says that values are missing which are there",
                where=Path(file).name,
                remedy="Write it again with a program that counts what is missing.",
            )


def _holds_values(path: Path, places: list[tuple[int, int]]) -> bool:
    """Whether one of these parts, given by row group and column, has a value."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            flat = {field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)}
            return any(
                not pa.types.is_nested(batch.schema.field(0).type) and batch.column(0).null_count < batch.num_rows
                for group, column in places
                if file.schema.column(column).path in flat  # or in a nested column, and spelled like one that is flat
                for batch in file.reader.iter_batches(_ROWS, row_groups=[group], column_indices=[column])
            )
    except (pa.ArrowException, OSError) as error:
        raise InvalidData("the data file cannot be read: it is not a Parquet file", where=path.name) from error


# --------------------------------------------------------------------------- folders of Parquet


def _folder(folder: Path, config: Config) -> Files:
    paths = _parquet_files(folder)
    keys = _partition_keys(folder, paths)
    listed = [_literal(path) for path in paths]
    session = Session(tuple(paths), name=folder.name, config=config)
    with session.connection() as known:
        columns = _one_schema(known, listed)
        _check_missing(known, listed)
        options = "hive_partitioning=true, hive_types_autocast=false" if keys else "hive_partitioning=false"
        whole = f"DESCRIBE SELECT * FROM read_parquet($file, {options})"  # noqa: S608  (one of two options)
        described = known.execute(whole, {"file": listed}).fetchall()
    added = tuple(line[0] for line in described[len(columns) :])
    if sorted(added) != sorted(keys):
        raise InvalidData(
            "the folders of the data do not say which columns they stand for",
            where=folder.name,
            expected="folders name=value below it only, and no column of such a name in the files",
            got=", ".join(added)[:80],
        )
    relation = f"read_parquet($file, {options}, can_have_nan=true) AS f({_positions((*columns, *added))})"
    return Files(folder.name, (*columns, *added), relation, session, frozenset(added), {"file": listed})


def _parquet_files(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink() or not (path.is_dir() or path.name.lower().endswith(".parquet")):
            raise InvalidData(
                "the folder holds something else than Parquet files", where=folder.name, got=path.name[:80]
            )
        found += [path] if path.is_file() else []
    if not found or len(found) > MAX_FILES:
        raise InvalidData(
            "the folder cannot be read as data",
            where=folder.name,
            expected=f"1 to {MAX_FILES:,} Parquet files",
            got=f"{len(found):,}",
        )
    return found


def _partition_keys(folder: Path, paths: list[Path]) -> tuple[str, ...]:
    ways = {
        tuple(unquote(part.partition("=")[0]) for part in path.relative_to(folder).parts[:-1] if "=" in part)
        for path in paths
    }
    if len(ways) > 1:
        raise InvalidData(
            "the files of the folder are partitioned in different ways",
            where=folder.name,
            got=" and ".join("/".join(way) or "none" for way in sorted(ways))[:80],
        )
    return ways.pop()


def _one_schema(known: duckdb.DuckDBPyConnection, listed: list[str]) -> tuple[str, ...]:
    """The columns of the files, which have to be the same in each, with the same types and in the same order."""
    sql = "SELECT file_name, name, num_children, type, converted_type, logical_type FROM parquet_schema($file)"
    schemas: dict[str, list[Any]] = {}
    for file, *line in known.execute(sql, {"file": listed}).fetchall():
        schemas.setdefault(file, []).append(line)
    first = next(iter(schemas.values()))
    for file, schema in schemas.items():
        if [str(line) for line in schema[1:]] != [str(line) for line in first[1:]]:
            raise InvalidData(
                "the files of the folder do not have one schema",
                where=Path(file).name,
                expected="the same columns with the same types in the same order in every file",
            )
    return tuple(_top_level(first))


# --------------------------------------------------------------------------- Arrow, and frames


def _arrow(path: Path, config: Config) -> Files:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file:
            columns = tuple(_stream(file, path).schema.names)
    except (pa.ArrowInvalid, OSError) as error:
        raise _not_arrow(path) from error
    relation = f"{FRAME} AS f({_positions(columns)})"
    session = Session((), name=path.name, config=config)
    return Files(path.name, columns, relation, session, frame=lambda: _batches(path))


def _stream(file: pyarrow.NativeFile, path: Path) -> pyarrow.RecordBatchReader:
    """The stream within an Arrow file. Its footer, which can point anywhere, is held against it before it is read."""
    import pyarrow as pa

    if file.read(len(MAGIC)) != MAGIC:
        raise _not_arrow(path)
    return pa.ipc.open_stream(file)


def _batches(path: Path) -> pyarrow.RecordBatchReader:
    import pyarrow as pa

    file = pa.memory_map(str(path))
    file.seek(len(MAGIC))
    check_messages(file, limit=MAX_BATCH, name=path.name)
    file.seek(0)
    return _stream(file, path)


def _not_arrow(path: Path) -> InvalidData:
    return InvalidData(
        "the data file cannot be read: it is not an Arrow IPC file",
        where=path.name,
        remedy="Write it as Feather version 2, or as Parquet.",
    )


def _table(frame: Any) -> pyarrow.Table:
    """A frame of any of the known kinds as a table of pyarrow."""
    import pyarrow as pa

    home = type(frame).__module__.partition(".")[0]
    if home == "polars" and hasattr(frame, "collect"):
        frame = frame.collect()
    if isinstance(frame, pa.Table):
        return frame
    try:
        if home == "pandas":
            return pa.Table.from_pandas(frame, preserve_index=False)
        if home in ("polars", "pyarrow") and hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
        raise InvalidData(
            "the frame cannot be read", got=type(error).__name__, remedy="Give each column one type."
        ) from error
    raise InvalidData(
        "this is no data",
        expected="a path, or a frame of pandas, polars or pyarrow",
        got=f"{type(frame).__module__}.{type(frame).__qualname__}"[:80],
    )


def of_table(table: pyarrow.Table, *, text: bool, config: Config, name: str = "the table") -> Files:
    """A table in memory as data; with ``text`` its columns are read as those of CSV are."""
    columns = tuple(table.column_names)
    if not columns:
        raise InvalidData("the frame has no columns")
    named = table.rename_columns([f"c{i}" for i in range(len(columns))])
    session = Session((), name=name, config=config)
    return Files(name, columns, FRAME, session, frozenset(columns if text else ()), frame=lambda: named)


_FORMS: dict[str, Callable[[Path, Config], Files]] = {
    ".csv": _csv,
    ".csv.gz": _csv,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".ipc": _arrow,
}


# --------------------------------------------------------------------------- the engine


def _literal(path: Path) -> str:
    """The path as a pattern that matches this one file: the engine takes every path for a pattern."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))


class Session:
    """The engine, which may open these files and nothing else.

    It starts with the first connection and ends with the session: a start costs as much as to count a million rows.
    For one thread at a time.
    """

    def __init__(self, allowed: tuple[Path, ...], *, name: str, config: Config) -> None:
        self._allowed = allowed
        self._name = name
        self._config = config
        self._opened: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """
        Raises:
            InvalidData: on leaving it by an error of the engine.
        """
        import duckdb

        try:
            if self._opened is None:
                self._opened = self._started()
            yield self._opened
        except duckdb.Error as error:
            raise _unreadable(self._name, error) from error

    def _started(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        spill = tempfile.TemporaryDirectory(prefix="tallystick-", ignore_cleanup_errors=True)
        opened = duckdb.connect(":memory:", config={**self._config, "temp_directory": spill.name})
        weakref.finalize(self, _end, opened, spill)
        quoted = [word.replace("'", "''") for path in self._allowed for word in {str(path), _literal(path)}]
        opened.execute("SET TimeZone='UTC'")
        opened.execute("SET enable_progress_bar=true")
        opened.execute("SET enable_progress_bar_print=false")
        opened.execute(f"SET allowed_paths=[{', '.join(f'{chr(39)}{word}{chr(39)}' for word in quoted)}]")
        opened.execute("SET disabled_optimizers='statistics_propagation'")
        opened.execute("SET enable_external_access=false")
        opened.execute("SET lock_configuration=true")
        return opened


def _end(opened: duckdb.DuckDBPyConnection, spill: tempfile.TemporaryDirectory[str]) -> None:
    opened.close()
    spill.cleanup()


def _unreadable(name: str, error: Exception) -> InvalidData:
    """The engine's own text quotes rows of the file, so only the line and the kind of flaw are taken from it."""
    import duckdb

    message = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return InvalidData(
            "the data cannot be read within the limits of memory and disk",
            where=name,
            remedy="Write it in smaller row groups, or without columns of long texts that must be unique.",
        )
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
        where=f"{name}:{line.group(1)}" if line else name,
        remedy="Write it again as UTF-8 CSV with a header, or as Parquet.",
    )

"""What data may be: files of several forms, folders, frames; the same answer from each, and limits for all."""

from __future__ import annotations

import gzip
import math
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from tallystick.errors import InvalidData
from tallystick.policy import judge
from tallystick.policy.counts import Axis
from tallystick.policy.document import Policy
from tallystick.policy.engines import files
from tallystick.policy.engines.duckdb import open_source
from tallystick.policy.evidence import Tallied
from tallystick.policy.predicates import InRange, NotMissing, OfType, OneOf, Predicate, Unique

Make = Callable[[str], Policy]
TABLE = pa.table(
    {
        "id": pa.array(range(1000)),
        "score": pa.array([i / 1000 if i % 10 else None for i in range(1000)]),
        "region": pa.array(["north", "south"] * 500),
    }
)
PREDICATES: tuple[Predicate, ...] = (
    Unique("id"),
    NotMissing("score"),
    InRange("score", 0, 0.5),
    OneOf("region", ("north",)),
)
EXPECTED = [0, 100, 450, 500]
GATES = """\
  - id: s
    type: schema
    columns:
      id: {dtype: int64, unique: true}
      score: {dtype: float64, range: [0, 1], nullable: true}
      region: {dtype: string, isin: [north, south]}
"""


def missed(data: Any, *, threads: int | None = None) -> list[int]:
    tallies = open_source(data, threads=threads).tally(map(Tallied, PREDICATES))
    assert {tallies[predicate].looked_at for predicate in PREDICATES} == {tallies.rows} == {1000}
    return [tallies[predicate].missed for predicate in PREDICATES]


def as_csv(folder: Path) -> Path:
    TABLE.to_pandas().to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def as_parquet(folder: Path) -> Path:
    pq.write_table(TABLE, folder / "x.parquet", row_group_size=100)
    return folder / "x.parquet"


def as_feather(folder: Path) -> Path:
    pyarrow.feather.write_feather(TABLE, str(folder / "x.feather"), compression="zstd", chunksize=100)
    return folder / "x.feather"


def as_arrow(folder: Path) -> Path:
    with pa.ipc.new_file(str(folder / "x.arrow"), TABLE.schema) as file:
        file.write_table(TABLE, max_chunksize=300)
    return folder / "x.arrow"


def as_folder(folder: Path) -> Path:
    (folder / "x").mkdir()
    for part in range(4):
        pq.write_table(TABLE.slice(part * 250, 250), folder / "x" / f"part-{part}.parquet")
    (folder / "x" / "_SUCCESS").write_text("")
    return folder / "x"


def as_partitions(folder: Path) -> Path:
    for region in ("north", "south"):
        part = TABLE.filter(pa.compute.equal(TABLE["region"], region)).drop_columns(["region"])
        (folder / "x" / f"region={region}").mkdir(parents=True)
        pq.write_table(part, folder / "x" / f"region={region}" / "part.parquet")
    return folder / "x"


FORMS: list[Callable[[Path], Any]] = [
    as_csv, as_parquet, as_feather, as_arrow, as_folder, as_partitions,
    lambda _: TABLE, lambda _: TABLE.to_pandas(), lambda _: TABLE.to_batches()[0],
    lambda _: polars.from_arrow(TABLE), lambda _: polars.from_arrow(TABLE).lazy(),
]  # fmt: skip
NAMES = ["csv", "parquet", "feather", "arrow", "folder", "partitions", "table", "pandas", "batch", "polars", "lazy"]


@pytest.mark.parametrize("make", FORMS, ids=NAMES)
def test_every_form_of_the_data_gives_the_same_tallies_with_any_number_of_threads(
    tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    data = make(tmp_path)
    assert [missed(data, threads=threads) for threads in (1, 2, 4)] == [EXPECTED] * 3


@pytest.mark.parametrize("make", FORMS, ids=NAMES)
def test_every_form_of_the_data_can_be_judged(policy: Make, tmp_path: Path, make: Callable[[Path], Any]) -> None:
    outcome = judge.evaluate(policy(GATES), make(tmp_path), data_digest="0" * 64)
    assert (outcome.verdict, outcome.rows) == ("pass", 1000), [check.reason for check in outcome.checks]


def test_a_lazy_frame_is_collected_and_its_values_are_looked_at(policy: Make) -> None:
    """A schema library was seen to check the types of a lazy frame only, and to pass bad values."""
    frame = polars.from_arrow(TABLE)
    assert missed(frame) == missed(frame.lazy()) == EXPECTED
    bad = frame.lazy().with_columns(polars.lit(7.0).alias("score"))
    outcome = judge.evaluate(policy(GATES), bad, data_digest="0" * 64)
    assert outcome.verdict == "fail"


def test_nan_in_a_frame_of_pandas_is_missing_as_it_is_in_the_parquet_written_from_it(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, float("nan")]})
    frame.to_parquet(tmp_path / "x.parquet")
    for data in (frame, tmp_path / "x.parquet"):
        assert open_source(data).tally([Tallied(NotMissing("x"))])[NotMissing("x")].missed == 1


def test_partition_columns_are_text_that_is_read_as_in_csv(tmp_path: Path) -> None:
    for year in ("2025", "next"):
        (tmp_path / f"year={year}" / "kind=a%20b").mkdir(parents=True)
        pq.write_table(pa.table({"z": [1, 2]}), tmp_path / f"year={year}" / "kind=a%20b" / "p.parquet")
    source = open_source(tmp_path)
    assert sorted(source.columns) == ["kind", "year", "z"]
    year, kind = OfType("year", "int64"), OneOf("kind", ("a b",))
    tallies = source.tally([Tallied(year), Tallied(kind)])
    assert (tallies[year].missed, tallies[kind].missed) == (2, 0)


# --------------------------------------------------------------------------- what is refused


def broken(tmp_path: Path, how: str) -> Path:
    folder = as_folder(tmp_path)
    if how == "another file":
        (folder / "notes.txt").write_text("x")
    elif how == "a link":
        (folder / "more.parquet").symlink_to(folder / "part-0.parquet")
    elif how == "another schema":
        pq.write_table(pa.table({"id": ["x"]}), folder / "part-9.parquet")
    elif how == "another type":
        pq.write_table(
            TABLE.slice(0, 1).cast(pa.schema([("id", pa.int32()), *list(TABLE.schema)[1:]])), folder / "p.parquet"
        )
    elif how == "half partitioned":
        (folder / "year=2026").mkdir()
        pq.write_table(TABLE.slice(0, 1), folder / "year=2026" / "p.parquet")
    elif how == "a column twice":
        for part in folder.glob("*.parquet"):
            (folder / "region=x").mkdir(exist_ok=True)
            part.rename(folder / "region=x" / part.name)
    elif how == "a broken file":
        (folder / "part-9.parquet").write_bytes(b"PAR1")
    return folder


@pytest.mark.parametrize(
    "how",
    ["another file", "a link", "another schema", "another type", "half partitioned", "a column twice", "a broken file"],
)
def test_a_folder_that_is_not_one_table_is_refused(tmp_path: Path, how: str) -> None:
    with pytest.raises(InvalidData):
        missed(broken(tmp_path, how))


def test_what_is_no_arrow_file_is_refused(tmp_path: Path) -> None:
    whole = as_arrow(tmp_path).read_bytes()
    for i, content in enumerate([b"", b"ARROW1", b"ARROW1\0\0", b"FEA1" + whole[4:], whole[: len(whole) // 2]]):
        path = tmp_path / f"broken-{i}.arrow"
        path.write_bytes(content)
        with pytest.raises(InvalidData):
            missed(path)


def batches(path: Path) -> bytes:
    """An Arrow file of three batches and a dictionary."""
    table = pa.table({"x": pa.array(range(900)), "s": pa.array(["x", "y", "z"] * 300).dictionary_encode()})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)
    return path.read_bytes()


def placed(messages: bytes) -> list[int]:
    """Where the batches are."""
    found, file = [], pa.BufferReader(messages)
    file.seek(8)
    start = 8
    for message in pa.ipc.MessageReader.open_stream(file):
        if message.type == "record batch":
            found.append(start)
        start = file.tell()
    return found


def split(whole: bytes) -> tuple[bytes, bytes, bytes]:
    """Messages, footer and the end of an Arrow file."""
    (size,) = struct.unpack_from("<i", whole, len(whole) - 10)
    return whole[: -10 - size], whole[-10 - size : -10], whole[-10:]


def test_an_arrow_file_is_read_where_its_footer_lists_its_batches(tmp_path: Path) -> None:
    batches(tmp_path / "x.arrow")
    assert open_source(tmp_path / "x.arrow").count([()]).rows == 900


@pytest.mark.parametrize("how", ["a batch behind the end", "an order of its own", "a batch less", "text between"])
def test_an_arrow_file_that_other_readers_read_otherwise_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "x.arrow"
    messages, footer, end = split(batches(path))
    listed, offsets = footer, placed(messages)
    first, second, third = (struct.pack("<q", offset) for offset in offsets)
    if how == "a batch behind the end":  # the stream ends after two, the footer lists three
        cut = offsets[2]
        messages = messages[:cut] + b"\xff\xff\xff\xff\0\0\0\0" + messages[cut:]
        listed = footer.replace(third, struct.pack("<q", cut + 8))
    elif how == "an order of its own":
        listed = footer.replace(first, b"?" * 8).replace(second, first).replace(b"?" * 8, second)
    elif how == "a batch less":
        count = footer.index(first) - 4
        listed = footer[:count] + struct.pack("<I", 2) + footer[count + 4 :]
    else:
        messages += bytes(8)
    assert listed != footer or how == "text between"
    path.write_bytes(messages + listed + end)
    with pa.ipc.open_file(path) as other:
        assert sum(other.get_batch(i).num_rows for i in range(other.num_record_batches)) in (600, 900)
    with pytest.raises(InvalidData, match="the footer of the data file lists other batches"):
        open_source(path).count([()])


def test_an_arrow_file_whose_footer_names_the_columns_otherwise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    messages, footer, end = split(batches(path))
    path.write_bytes(messages + footer.replace(b"\x01\0\0\0x\0", b"\x01\0\0\0q\0") + end)
    assert pa.ipc.open_file(path).schema.names == ["q", "s"]
    with pytest.raises(InvalidData, match="the footer of the data file lists other batches"):
        open_source(path).count([()])


@pytest.mark.parametrize("data", [5, None, [1, 2], {"x": [1]}, object(), pa.table({})])
def test_what_is_no_data_is_refused(policy: Make, data: object) -> None:
    with pytest.raises(InvalidData):
        judge.evaluate(policy(GATES), data, data_digest="0" * 64)


@pytest.mark.parametrize("make", [as_csv, as_folder], ids=["file", "folder"])
@pytest.mark.parametrize("change", ["touched", "added"])
def test_data_that_change_while_they_are_read_are_refused(
    policy: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], change: str
) -> None:
    path = make(tmp_path)
    real = open_source

    def slow(*args: Any, **named: Any) -> Any:
        source = real(*args, **named)
        target = path if path.is_file() else path / "part-0.parquet"
        if change == "added" and path.is_dir():
            pq.write_table(TABLE, path / "part-9.parquet")
        else:
            target.write_bytes(target.read_bytes())
        return source

    monkeypatch.setattr("tallystick.policy.engines.duckdb.open_source", slow)
    with pytest.raises(InvalidData, match="changed while it was read"):
        judge.evaluate(policy(GATES), path, data_digest="0" * 64)


def test_a_long_scan_says_how_far_it_is_in_the_thread_of_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.policy.engines.duckdb._QUIET", 0.0)
    monkeypatch.setattr("tallystick.policy.engines.duckdb._OFTEN", 0.0)
    told: list[tuple[str, threading.Thread]] = []
    rows = 3_000_000
    table = pa.table({"x": pa.array(range(rows)), "t": pa.array([str(i) for i in range(rows)])})
    source = open_source(table, threads=1, tell=lambda text: told.append((text, threading.current_thread())))
    assert source.tally([Tallied(Unique("t")), Tallied(NotMissing("x"))]).rows == rows
    assert all(thread is threading.current_thread() for _, thread in told)
    assert all(text.startswith("reading the data: ") and text.endswith(" %") for text, _ in told)


def test_more_than_the_memory_allows_is_refused_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        __import__("tallystick.policy.engines.duckdb", fromlist=["_CONFIG"])._CONFIG, "memory_limit", "8MiB"
    )
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": ["y" * 20_000_000] * 4}), path)
    with pytest.raises(InvalidData, match="limits of memory"):
        open_source(path).tally([Tallied(Unique("x"))])


def test_a_batch_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_BATCH", 1_000_000)
    path = tmp_path / "x.feather"
    pyarrow.feather.write_feather(
        pa.table({"x": pa.array([0] * 200_000)}), str(path), compression="zstd", chunksize=200_000
    )
    assert path.stat().st_size < 10_000
    with pytest.raises(InvalidData, match="too large unpacked"):
        open_source(path).tally([Tallied(NotMissing("x"))])


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("end", [b"", b",2", b",2\n", b",2\r\n", b",2\n3,4\n"])
@pytest.mark.parametrize("before", [b"", b"1,2\n"], ids=["alone", "after another"])
def test_a_line_that_is_longer_than_the_engines_buffers_is_not_lost(
    tmp_path: Path, packed: bool, end: bytes, before: bytes
) -> None:
    """The engine was seen to leave out the last one and to say nothing."""
    content = b"x,y\n" + before + b"0" * 70_000_000 + end
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with pytest.raises(InvalidData):
        open_source(path).tally([Tallied(NotMissing("x"))])


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_line_as_long_as_the_engine_allows_is_read(tmp_path: Path, end: bytes) -> None:
    for name, lines in (("a.csv", [b"x", b"0" * 1_900_000]), ("b.csv", [b"x", *[b"0" * 1_900_000] * 3])):
        path = tmp_path / name
        path.write_bytes((end or b"\n").join(lines) + end)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        for file in (path, tmp_path / f"{name}.gz"):
            assert open_source(file).tally([Tallied(NotMissing("x"))]).rows == len(lines) - 1


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "text",
    ['a,b\n "1,2\n3",4\n5,6\n', 'a, "b\n1,2\n3",4\n5,6\n7,8\n', 'a, "b"x\n1,2\n3,4\n', 'a,b\n"1"x,2\n3,4\n'],
)
def test_rows_cannot_hide_between_quotes_that_only_some_readers_see(tmp_path: Path, text: str, packed: bool) -> None:
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    with pytest.raises(InvalidData, match="a quote stands within a value"):
        open_source(path).count([()])


def test_rows_that_only_the_engine_or_only_the_file_has_are_refused(tmp_path: Path) -> None:
    path = as_csv(tmp_path)
    source = open_source(path)
    path.write_text(path.read_text() + "1000,0.5,north\n")
    for read in (
        lambda: source.count([()]),
        lambda: source.tally([Tallied(NotMissing("id"))]),
        lambda: source.table(["id"]),
        lambda: source.count([(Axis("region"),)]),
    ):
        with pytest.raises(InvalidData, match="readers of the data file do not agree on its rows"):
            read()


def test_a_header_that_is_too_long_and_too_many_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 5_000_000, 1))
    with pytest.raises(InvalidData, match="header of the data file is too long"):
        open_source(path)
    path.write_bytes(gzip.compress(",".join(f"c{i}" for i in range(10_001)).encode() + b"\n", 1))
    with pytest.raises(InvalidData, match="too many columns"):
        open_source(path)


def test_no_zero_that_leaves_the_engine_has_a_sign(tmp_path: Path) -> None:
    """Sorted they are equal, so which of them stood in the middle differed from run to run."""
    pq.write_table(pa.table({"y": ["1"] * 5, "x": [-0.0] * 5}), tmp_path / "x.parquet")
    source = open_source(tmp_path / "x.parquet")
    found = [
        source.median("x"),
        *source.quantiles("x", 2),
        *source.scores(true="y", score="x", favourable="1").score.tolist(),
    ]
    assert [math.copysign(1, zero) for zero in found] == [1] * 7

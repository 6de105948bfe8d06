from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick import canonical
from tallystick.errors import InvalidData, NotFound
from tallystick.policy.counts import Axis, Counts, Table, by_outcome, label
from tallystick.policy.engines.duckdb import open_source

Write = Callable[..., Path]
HEADER = ("sex", "race", "y_true", "y_pred")

labels = st.sampled_from(["0", "1"])
groups = st.sampled_from(["a", "b", None])
cells = st.lists(st.tuples(st.tuples(groups, labels, labels), st.integers(0, 50)), max_size=30)
INCOME = by_outcome(["sex"], true="income", predicted="income")
AXES = by_outcome(["g"], true="t", predicted="p")


def count(path: Path, *tables: tuple[str, ...], threads: int | None = None) -> Counts:
    wanted = [by_outcome(table, true="y_true", predicted="y_pred") for table in ((), *tables)]
    return open_source(path, threads=threads).count(wanted)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"), (1.0, "1"), ("1", "1"), ("1.0", "1"), ("+1", "1"), (" 1 ", "1"), ("1e0", "1"), (-0.0, "0"),
        (True, "true"), ("TRUE", "true"), ("yes", "yes"), (">50K", ">50K"), ("0.5", "0.5"), ("9" * 50, "9" * 50),
        (None, None), ("", None), ("nan", None), (float("nan"), None), ("-inf", None), ("Infinity", None),
        ("e\u0301", "\u00e9"),
    ],
)  # fmt: skip
def test_one_outcome_has_one_spelling(value: object, expected: str | None) -> None:
    assert label(value) == expected


def test_rows_become_counts_with_a_group_for_missing_values(write: Write) -> None:
    path = write(HEADER, [("F", "x", 1, 1), ("F", "", 1, 0), ("", "x", 0, 0), ("M", "x", 1, 1), ("nan", "x", 0, 0)])
    counts = count(path, ("sex",), ("sex", "race"))
    assert counts.rows == 5
    assert counts.table(("sex",)).cells == (
        (("F", "1", "0"), 1),
        (("F", "1", "1"), 1),
        (("M", "1", "1"), 1),
        ((None, "0", "0"), 2),
    )
    assert (("F", None, "1", "0"), 1) in counts.table(("sex", "race")).cells
    assert counts.table(()).groups("1") == {(): (2, 0, 1, 2)}


def test_columns_in_another_order_are_another_table_of_the_same_people(write: Write) -> None:
    path = write(HEADER, [("F", "x", 1, 1), ("M", "y", 1, 0)])
    counts = count(path, ("sex", "race"), ("race", "sex"))
    assert [cell[0][:2] for cell in counts.table(("sex", "race")).cells] == [("F", "x"), ("M", "y")]
    assert [cell[0][:2] for cell in counts.table(("race", "sex")).cells] == [("x", "F"), ("y", "M")]


def test_parquet_and_csv_and_packed_csv_give_the_same_counts(write: Write, tmp_path: Path) -> None:
    import pandas as pd

    rows = [("F", "x", i % 2, (i // 2) % 2) for i in range(40)] + [(None, "x", 1, 1)]
    path = write(HEADER, rows)
    packed = tmp_path / "data.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    frame = pd.DataFrame(rows, columns=HEADER).astype({"y_true": bool, "y_pred": bool})
    frame.to_parquet(tmp_path / "bool.parquet")
    frame.astype({"y_true": float, "y_pred": "int8"}).to_parquet(tmp_path / "mixed.parquet")
    plain = count(path, ("sex",))
    assert count(packed, ("sex",)) == plain
    assert count(tmp_path / "mixed.parquet", ("sex",)) == plain
    assert count(tmp_path / "bool.parquet").table(()).groups("true") == plain.table(()).groups("1")


def test_counts_are_the_same_bytes_with_any_number_of_threads_and_on_every_run(data: Path) -> None:
    def once(threads: int) -> bytes:
        source = open_source(data / "adult_test.csv.gz", threads=threads)
        counts = source.count(
            [by_outcome(table, true="income", predicted="income") for table in (("sex",), ("sex", "race"))]
        )
        return canonical.encode(counts.as_json())

    assert {once(threads) for threads in (1, 2, 4, 1, 2, 4)} == {once(1)}


def test_adult_has_the_published_base_rates(data: Path) -> None:
    parts = [open_source(data / f"adult_{part}.csv.gz") for part in ("train", "test")]
    tables = [part.count([INCOME]).table(("sex",)) for part in parts]
    groups = (tables[0] + tables[1]).groups(">50K")
    share = {group[0]: cells[0] / sum(cells) for group, cells in groups.items()}
    assert share["Female"] == pytest.approx(0.10925, abs=5e-6)
    assert share["Male"] == pytest.approx(0.30377, abs=5e-6)


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ([("F", "x", "", 1)], "y_true"),
        ([("F", "x", "nan", 1), ("F", "x", 1, 1)], "y_true"),
        ([("F", "x", 1, "NaN")], "y_pred"),
        ([("F", "x", 1, "inf")], "y_pred"),
    ],
)
def test_a_missing_outcome_is_an_error(write: Write, rows: list[tuple[object, ...]], column: str) -> None:
    with pytest.raises(InvalidData, match=f"column {column}: 1 row has no outcome"):
        count(write(HEADER, rows), ("sex",), ("race",))


def test_nan_in_parquet_is_a_missing_outcome_too(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"y_true": [1.0, float("nan"), None], "y_pred": [1, 0, 0]}), path)
    with pytest.raises(InvalidData, match="2 rows have no outcome"):
        count(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "empty"),
        ("header-only.csv", b"sex,race,y_true,y_pred\n", "no rows"),
        ("ragged.csv", b"sex,race,y_true,y_pred\nF,x,1\n", "another number of columns"),
        ("one-too-many.csv", b"sex,race,y_true,y_pred\nF,x,1,1\nF,x,1,1,SECRET\n", "another number of columns"),
        ("open-quote.csv", b'sex,race,y_true,y_pred\n"SECRET,x,1,1\n', "not closed"),
        ("latin.csv", b"sex,race,y_true,y_pred\nSECRET\xe9,x,1,1\n", "not UTF-8"),
        ("latin-header.csv", b"sex\xe9,race,y_true,y_pred\nF,x,1,1\n", "header"),
        ("semicolons.csv", b"sex;race;y_true;y_pred\nF;x;1;1\n", "no column 'y_true'"),
        ("twice.csv", b"sex,y_true,y_true,y_pred\nF,1,1,1\n", "stands twice"),
        ("no.parquet", b"this is not parquet SECRET", "cannot be read"),
        ("cut.parquet", b"PAR1", "cannot be read"),
        ("no.csv.gz", b"not packed", "header"),
        ("data.xlsx", b"x", "form of the data file is not known"),
    ],
)
def test_a_file_that_cannot_be_counted_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=words) as caught:
        count(path, ("sex",))
    assert name in str(caught.value)
    assert "SECRET" not in str(caught.value), "a message must not show values"


def test_a_cut_archive_is_refused(tmp_path: Path, data: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    whole = (data / "adult_test.csv.gz").read_bytes()
    for content in (whole[:100_000], whole[:50_000] + bytes(100) + whole[50_100:]):
        path.write_bytes(content)
        with pytest.raises(InvalidData):
            open_source(path).count([INCOME])


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.csv"):
        open_source(tmp_path / "none.csv")
    with pytest.raises(InvalidData, match="1 to 20,000 Parquet files"):
        open_source(tmp_path)


def test_a_column_is_found_by_its_exact_name_only_and_a_near_one_is_suggested(write: Write) -> None:
    """Within SQL "Sex" would find sex."""
    path = write(HEADER, [("F", "x", 1, 1)])
    with pytest.raises(InvalidData, match=r"no column 'Sex'.*Did you mean 'sex'\?"):
        count(path, ("Sex",))
    with pytest.raises(InvalidData, match="no column 'zzz'"):
        count(path, ("zzz",))


@pytest.mark.parametrize("name", ['a"b', "a'b", 'x") FROM t; --', "select", "g0", "c1", "\u00e9", "a b"])
def test_no_name_becomes_sql(tmp_path: Path, write: Write, name: str) -> None:
    import pandas as pd

    rows = [("F", 1, 1), ("M", 0, 1)]
    plain = write((name, "y_true", "y_pred"), rows)
    pd.DataFrame(rows, columns=[name, "y_true", "y_pred"]).to_parquet(tmp_path / "x.parquet")
    expected = {("F",): (1, 0, 0, 0), ("M",): (0, 1, 0, 0)}
    assert count(plain, (name,)).table((name,)).groups("1") == expected
    assert count(tmp_path / "x.parquet", (name,)).table((name,)).groups("1") == expected


@pytest.mark.parametrize("name", ["a*.csv", "a[12].csv", "it's.csv", "a?.csv", "sex=Q.csv", "$x {y}.csv"])
def test_a_path_is_one_file_and_no_pattern(tmp_path: Path, write: Write, name: str) -> None:
    write(("y_true", "y_pred"), [(0, 0)] * 7, "a1.csv")
    path = write(("y_true", "y_pred"), [(1, 1)], name)
    assert count(path).rows == 1


def test_folders_named_like_columns_add_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "sex=F"
    folder.mkdir()
    (folder / "x.csv").write_text("y_true,y_pred\n1,1\n")
    with pytest.raises(InvalidData, match="no column 'sex'"):
        count(folder / "x.csv", ("sex",))


def test_identifiers_are_no_groups(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.policy.engines.duckdb.MAX_CELLS", 10)
    with pytest.raises(InvalidData, match="too many combinations"):
        count(write(HEADER, [(i, "x", 1, 1) for i in range(20)]), ("sex",))


def test_an_outcome_with_three_values_and_a_favourable_one_that_never_occurs_are_refused(write: Write) -> None:
    counts = count(write(HEADER, [("F", "x", 1, 1), ("F", "x", 2, 0)]))
    with pytest.raises(InvalidData, match="not binary"):
        counts.check_favourable("1")
    counts = count(write(HEADER, [("F", "x", "yes", "no")]))
    with pytest.raises(InvalidData, match="'1' occurs neither"):
        counts.check_favourable("1")


def test_nested_columns_do_not_shift_the_others(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "nested.parquet"
    deep = [{"a": [1, 2], "b": {"c": 1}}] * 2
    pq.write_table(pa.table({"deep": deep, "y_true": [1, 0], "more": [[1], [2]], "y_pred": [1, 1]}), path)
    assert open_source(path).columns == ("deep", "y_true", "more", "y_pred")
    assert count(path).table(()).groups("1") == {(): (1, 1, 0, 0)}


def test_counting_is_safe_in_threads(data: Path) -> None:
    found: list[Counts] = []
    work = [threading.Thread(target=lambda: found.append(_adult(data))) for _ in range(3)]
    [thread.start() for thread in work]
    [thread.join() for thread in work]
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


def _adult(data: Path) -> Counts:
    return open_source(data / "adult_test.csv.gz").count([INCOME])


@settings(deadline=None)
@given(cells, cells)
def test_the_table_of_two_parts_is_the_sum_of_their_tables(one: list, two: list) -> None:
    assert Table.of(AXES, one) + Table.of(AXES, two) == Table.of(AXES, one + two)


@settings(deadline=None)
@given(cells, st.randoms())
def test_a_table_does_not_depend_on_the_order_of_rows(one: list, random: object) -> None:
    shuffled = list(one)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Table.of(AXES, shuffled) == Table.of(AXES, one)


@settings(deadline=None)
@given(cells)
def test_counts_survive_their_canonical_bytes(one: list) -> None:
    table = Table.of(AXES, one)
    counts = Counts(table.rows, (table,))
    assert Counts.from_json(canonical.decode(canonical.encode(counts.as_json()))) == counts


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 3},
        {"rows": -1},
        {"schema": "other"},
        {"extra": 1},
        {"tables": [{"columns": ["g"], "cells": [[["a", "b"], "0", "0", 2]]}]},
        {"tables": [{"columns": ["g"], "cells": [[["a"], "0", "0", 2.0]]}]},
        {"tables": [{"columns": ["g"], "cells": [[["a"], "0", "0", True], [["a"], "0", "1", 1]]}]},
        {"tables": [{"columns": ["g"], "cells": [[["a"], "0", "0", 3], [["a"], "0", "1", -1]]}]},
        {"tables": [{"columns": ["g"], "cells": [[[1], "0", "0", 2]]}]},
        {"tables": 7},
    ],
)
def test_recorded_counts_of_another_form_are_refused(change: dict) -> None:
    good = {
        "schema": "tallystick/counts/v1",
        "rows": 2,
        "tables": [{"columns": ["g"], "cells": [[["a"], "0", "0", 2]]}],
    }
    assert Counts.from_json(good).rows == 2
    with pytest.raises(InvalidData):
        Counts.from_json(good | change)


# --------------------------------------------------------------------------- bands

edges = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9, unique=True).map(lambda found: tuple(sorted(found)))
numbers = st.lists(st.one_of(st.floats(allow_infinity=True, allow_nan=True), st.none()), min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(edges, numbers)
def test_a_band_is_the_number_of_edges_that_a_value_reaches(
    tmp_path_factory: pytest.TempPathFactory, edges: tuple[float, ...], numbers: list[float | None]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = [*numbers, *edges]
    path = tmp_path_factory.mktemp("bands") / "x.parquet"
    pq.write_table(pa.table({"x": pa.array(values, pa.float64(), from_pandas=False)}), path)
    axis = Axis("x", "band", edges)
    found = open_source(path).count([(axis,)]).over(axis)
    expected = [None if value is None or value != value else sum(value >= edge for edge in edges) for value in values]
    assert found == Table.of((axis,), (((band,), 1) for band in expected))


def test_text_that_is_no_number_is_in_no_band(write: Write) -> None:
    path = write(("x",), [("0.5",), ("half",), ("",), ("1e0",), ("nan",)])
    axis = Axis("x", "band", (0.0, 1.0))
    assert open_source(path).count([(axis,)]).over(axis).cells == (((1,), 1), ((2,), 1), ((None,), 3))


@pytest.mark.parametrize(
    "wrong", [("band", ()), ("group", (1.0,)), ("band", (1.0, 1.0)), ("band", (0.0, float("inf")))]
)
def test_edges_that_make_no_bands_are_refused(wrong: tuple[Any, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="edges"):
        Axis("x", *wrong)


def test_a_table_along_some_axes_sums_over_the_others(write: Write) -> None:
    path = write(HEADER, [("F", "x", 1, 1), ("F", "y", 1, 1), ("M", "x", 0, 1)])
    counts = count(path, ("sex",), ("sex", "race"))
    sex, _, *outcomes = counts.table(("sex", "race")).axes
    assert counts.table(("sex", "race")).along(sex, *outcomes) == counts.table(("sex",))


def test_tables_of_the_first_version_are_still_read() -> None:
    first = {
        "schema": "tallystick/counts/v1",
        "rows": 3,
        "tables": [{"columns": ["g"], "cells": [[["a"], "0", "0", 2], [[None], "1", "0", 1]]}],
    }
    assert Counts.from_json(first).table(("g",)).groups("1") == {("a",): (0, 0, 0, 2), (None,): (0, 0, 1, 0)}


# --------------------------------------------------------------------------- what a file says of itself


def test_nan_is_seen_where_the_footer_does_not_tell_of_it(tmp_path: Path) -> None:
    """The smallest and largest value that Arrow writes leave NaN out (https://github.com/duckdb/duckdb/issues/25521)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, axis = tmp_path / "x.parquet", Axis("x", "band", (0.0, 2.0))
    pq.write_table(pa.table({"x": pa.array([float("nan"), 0.0, 1.0], from_pandas=False)}), path)
    assert open_source(path).count([(axis,)]).over(axis).cells == (((1,), 2), ((None,), 1))


@pytest.mark.parametrize("kind", ["double", "int64"])
def test_a_footer_that_lies_is_not_believed(tmp_path: Path, kind: str) -> None:
    import struct

    import pyarrow as pa
    import pyarrow.parquet as pq

    path, axis = tmp_path / "x.parquet", Axis("x", "band", (0.0, 2.0))
    pq.write_table(pa.table({"x": pa.array([0, 500] * 100, pa.type_for_alias(kind))}), path, use_dictionary=False)
    content, form = path.read_bytes(), "<d" if kind == "double" else "<q"
    footer = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    lying = content[footer:].replace(struct.pack(form, 500), struct.pack(form, 1))
    assert lying != content[footer:]
    path.write_bytes(content[:footer] + lying)
    assert open_source(path).count([(axis,)]).over(axis).cells == (((1,), 100), ((2,), 100))

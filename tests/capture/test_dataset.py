"""Descriptions of datasets."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tallystick.canonical import decode
from tallystick.capture import dataset
from tallystick.capture.captured import Captured
from tallystick.capture.dataset import describe
from tallystick.errors import InvalidData, InvalidRecord, NotFound
from tallystick.records import Draft, Entry

Describe = Callable[..., Captured]


@pytest.fixture
def described() -> Describe:
    """Describe, with a check that the table of kinds takes the answer."""

    def run(path: Path, **declared: Any) -> Captured:
        captured = describe(path, declared=declared, name="data", version="1")
        draft = Draft(
            kind="dataset",
            actor="ci",
            claimed_at="2026-01-01T00:00:00.000000Z",
            body=captured.body,
            attachments=captured.attachments,
            subject=captured.subject,
        )
        Entry.parse(draft.seal(seq=1, prev="0" * 64, recorded_at="2026-01-01T00:00:00.000000Z"))
        return captured

    return run


def profile_of(captured: Captured) -> dict[str, Any]:
    (part,) = [item for item in captured.attachments if item.name == "profile.json"]
    assert part.salt is not None
    columns = decode(part.data, canonical=True)["columns"]
    return {column["name"]: column for column in columns}


def test_adult_is_described_with_its_published_counts(data: Path, described: Describe) -> None:
    path = data / "adult_train.csv.gz"
    captured = described(path, licence="CC BY 4.0", sensitive_fields={"columns": ["sex", "race"], "obtained": "census"})
    body = captured.body
    assert body["rows"] == 32_561
    assert len(body["fields"]) == 15
    assert body["fields"][0] == {"name": "age", "type": "BIGINT"}
    assert body["distribution"]["contentUrl"] == "adult_train.csv.gz"
    assert body["distribution"]["file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert body["licence"] == "CC BY 4.0"
    assert body["sampling"] == {"absent": "not recorded"}
    assert str(data) not in repr(body)
    profile = profile_of(captured)
    assert profile["sex"]["values"] == [["Male", 21_790], ["Female", 10_771]]
    assert profile["income"]["values"] == [["<=50K", 24_720], [">50K", 7_841]]
    age = profile["age"]
    assert (age["min"], age["max"], age["distinct"], age["mean"]) == (17, 90, 73, 38.5816467553)
    assert dict(map(tuple, age["quantiles"]))[0.5] == 37
    assert profile["native_country"]["suppressed"] == 1  # Holand-Netherlands, one person


def test_a_description_is_the_same_every_time(data: Path, described: Describe) -> None:
    one, two = (described(data / "adult_test.csv.gz") for _ in range(2))
    assert one.body == two.body
    assert [part.data for part in one.attachments] == [part.data for part in two.attachments]


def test_a_folder_of_tables_with_the_same_columns_is_one_table(data: Path, described: Describe, tmp_path: Path) -> None:
    for name in ("adult_train.csv.gz", "adult_test.csv.gz"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    (tmp_path / "README.txt").write_text("about")
    body = described(tmp_path).body
    assert body["rows"] == 32_561 + 16_281
    assert body["distribution"]["files"] == 3
    assert "file_sha256" not in body["distribution"]


def test_tables_with_different_columns_are_recorded_without_rows(described: Describe, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "b.csv").write_text("b\n1\n")
    assert described(tmp_path).body["rows"] == {"absent": "tables with different columns"}


def test_where_files_of_a_folder_disagree_on_a_type_the_wider_one_counts(described: Describe, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,1\n")
    (tmp_path / "b.csv").write_text("x,y\n1.5,z\n")
    body = described(tmp_path).body
    assert body["fields"] == [{"name": "x", "type": "DOUBLE"}, {"name": "y", "type": "VARCHAR"}]


def test_what_is_no_table_is_recorded_by_its_bytes(described: Describe, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    for path in (tmp_path / "images", tmp_path / "images" / "a.png"):
        body = described(path).body
        assert body["rows"] == body["fields"] == {"absent": "not tabular"}
        assert "profile" not in body


def test_parquet_of_many_types_is_described(described: Describe, tmp_path: Path) -> None:
    n = 40
    columns = {
        'a "quoted"; name': ["x"] * n,
        "day": [date(2020, 1, i % 28 + 1) for i in range(n)],
        "dec": [Decimal("1.25")] * n,
        "flag": [True] * 30 + [False] * 10,
        "huge": pa.array([2**63 + i % 3 for i in range(n)], pa.uint64()),
        "lists": [[1, 2]] * n,
        "nothing": pa.nulls(n),
        "odd": [float("nan"), float("inf"), *[1.5] * (n - 2)],
        "struct": [{"a": 1}] * n,
        "time": pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * n),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    captured = described(tmp_path / "a.parquet")
    types = {field["name"]: field["type"] for field in captured.body["fields"]}
    assert types["lists"] == "BIGINT[]"
    assert types["dec"] == "DECIMAL(3,2)"
    profile = profile_of(captured)
    assert profile["odd"]["not_finite"] == 2
    assert profile["odd"]["max"] == 1.5
    assert profile["huge"]["min"] == {"int": "9223372036854775808"}
    assert profile["dec"]["mean"] == 1.25
    assert profile["flag"]["values"] == [["true", 30], ["false", 10]]
    assert profile["day"]["max"] == "2020-01-28"
    assert profile["time"]["max"] == "2020-01-01 00:00:00+00"
    assert profile["nothing"] == {
        "name": "nothing",
        "type": '"NULL"',
        "nulls": 40,
        "distinct": 0,
        "held_back": "fewer than 10 values",
    }


def test_values_that_single_people_out_stay_out_of_the_profile(described: Describe, tmp_path: Path) -> None:
    people = [f"{i},person-{i},{'common' if i < 30 else f'rare-{i}'},{i % 4}" for i in range(40)]
    few = [f",,,{i % 4}" for i in range(40)]
    (tmp_path / "a.csv").write_text("\n".join(["id,who,what,small", *people, *few]) + "\n")
    captured = described(tmp_path / "a.csv")
    profile = profile_of(captured)
    assert profile["id"]["held_back"] == "every value is another"
    assert profile["who"]["held_back"] == "more than 50% of the values are distinct"
    assert profile["what"]["values"] == [["common", 30]]
    assert profile["what"]["suppressed"] == 10
    assert b"person-" not in captured.attachments[0].data
    assert b"rare-" not in captured.attachments[0].data


def test_few_values_give_no_figures(described: Describe, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("pay\n" + "123456\n" * 9)
    captured = described(tmp_path / "a.csv")
    assert profile_of(captured)["pay"]["held_back"] == "fewer than 10 values"
    assert b"123456" not in captured.attachments[0].data


def test_many_distinct_values_are_estimated_and_said_to_be(described: Describe, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i}.5,v{i}\n" for i in range(40_000)))
    profile = profile_of(described(tmp_path / "a.csv"))
    assert profile["x"]["distinct_is_estimate"] is True
    assert 30_000 < profile["x"]["distinct"] <= 40_000
    assert profile["y"]["held_back"] == "too many values to list"


def test_quantiles_of_very_many_numbers_are_estimated_and_said_to_be(
    data: Path, described: Describe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "_EXACT_QUANTILES", 10)
    age = profile_of(described(data / "adult_test.csv.gz"))["age"]
    assert age["quantiles_are_estimates"] is True
    assert dict(map(tuple, age["quantiles"]))[0.5] == pytest.approx(37, abs=1)


def test_a_wide_table_moves_its_fields_into_an_attachment(described: Describe, tmp_path: Path) -> None:
    names = [f"f{i}" for i in range(350)]
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + ",".join("1" * 350) + "\n")
    captured = described(tmp_path / "a.csv")
    assert captured.body["fields"] == {"attachment": "fields.json"}
    assert len(decode(captured.attachments[0].data)) == 350


def test_types_come_from_all_rows_when_the_first_ones_mislead(described: Describe, tmp_path: Path) -> None:
    rows = "".join(f"{i},{i}\n" for i in range(30_000))
    (tmp_path / "a.csv").write_text(f"a,b\n{rows}x,1.5\n")
    body = described(tmp_path / "a.csv").body
    assert body["fields"] == [{"name": "a", "type": "VARCHAR"}, {"name": "b", "type": "DOUBLE"}]
    assert body["rows"] == 30_001


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"a,b\n1,2", ["a", "b"]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", ["a", "b"]),
        (b"a;b\n1;2,5\n", ["a", "b"]),
        (b"a|b\n1|2\n", ["a", "b"]),
        (b"a\tb\n1\t2\n", ["a", "b"]),
        (b'"a,1",b\n"x ""y""",2\n', ["a,1", "b"]),
        (b",b\n1,2\n", ["column0", "b"]),
        (b"a,A\n1,2\n", ["a", "A"]),
        (b'\'); DROP TABLE x --,"\n"\n1,2\n', ["'); DROP TABLE x --", "\n"]),
    ],
)
def test_dialects_of_csv_are_read(described: Describe, tmp_path: Path, text: bytes, names: list[str]) -> None:
    (tmp_path / "a.csv").write_bytes(text)
    body = described(tmp_path / "a.csv").body
    assert [field["name"] for field in body["fields"]] == names
    assert body["rows"] == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "dataset is empty"),
        ("a.csv", b"\n1\n", "has no header line"),
        (
            "a.csv",
            b"a,b\n1,2\n3\n4,5\n",
            "a.csv:3: line has another number of cells than the header; expected 2; got 1",
        ),
        ("a.csv", b"a,b\n" + b"1,2\n" * 50_000 + b"1,2,3\n", "a.csv:50002: line has another number of cells"),
        ("a.csv", b'a,b\n1,"2\n3,4\n', "a.csv, record 2: the data file cannot be read: a quoted value is not closed"),
        ("a.csv", b"a,b\n1,\xff\xfe\n", "a.csv:2: is not UTF-8"),
        ("a.csv", b"a\xff,b\n1,2\n", "a.csv:1: is not UTF-8"),
        ("a.csv", b"a,b,a\n1,2,3\n", "a.csv:1: column name 'a' stands twice"),
        ("a.csv.gz", b"a,b\n1,2\n", "a.csv.gz: cannot be read"),
        (
            "a.csv.gz",
            gzip.compress(b"a,b\n" + os.urandom(9000).hex().encode() + b",2\n")[:-3000],
            "no complete gzip file",
        ),
        ("a.parquet", b"PAR1 no footer PAR1", "a.parquet: cannot be read as a table"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_in_one_line(
    described: Describe, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidData) as caught:
        described(tmp_path / name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_an_error_never_quotes_the_data(described: Describe, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,b\nSmith,1\nMrs Secret,2,3\n")
    with pytest.raises(InvalidData) as caught:
        described(tmp_path / "a.csv")
    assert "Secret" not in str(caught.value)


def test_no_such_file_is_not_found(described: Describe, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        described(tmp_path / "none.csv")


def test_a_name_with_pattern_signs_means_that_file_alone(described: Describe, tmp_path: Path) -> None:
    (tmp_path / "x*.csv").write_text("a\n1\n")
    (tmp_path / "xy.csv").write_text("a\n1\n2\n")
    (tmp_path / "it's [1].csv").write_text("a\n1\n2\n3\n")
    assert described(tmp_path / "x*.csv").body["rows"] == 1
    assert described(tmp_path / "it's [1].csv").body["rows"] == 3


def test_a_declared_column_must_be_in_the_data(data: Path, described: Describe) -> None:
    with pytest.raises(InvalidData, match=r"'rase' is not in the data\. Did you mean 'race'\?"):
        described(data / "compas_counts.csv", sensitive_fields={"columns": ["sex", "rase"], "obtained": "asked"})
    with pytest.raises(InvalidData, match="label: declared column 'income'"):
        described(data / "compas_counts.csv", label={"column": "income"})


def test_a_misspelt_or_observed_declaration_is_refused_before_reading(tmp_path: Path, described: Describe) -> None:
    with pytest.raises(InvalidRecord, match="Did you mean 'licence'"):
        described(tmp_path / "none.csv", license="MIT")
    with pytest.raises(InvalidRecord, match="has no field 'colour'"):
        described(tmp_path / "none.csv", colour="red")


def test_rows_cannot_be_declared(data: Path, described: Describe) -> None:
    with pytest.raises(InvalidRecord, match="rows of a dataset is observed"):
        described(data / "compas_counts.csv", rows=5)


@pytest.mark.parametrize("content", ['a,b\n "1,2\n3",4\n5,6\n', 'a; "b\n1;2\n3";4\n5;6\n'])
def test_rows_cannot_hide_between_quotes_that_only_some_readers_see(
    described: Describe, tmp_path: Path, content: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InvalidData, match="a quote stands within a value"):
        described(tmp_path / "a.csv")


def test_what_is_described_is_what_was_hashed_whatever_is_stored_into_the_file_meanwhile(
    described: Describe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    before = described(path)
    scan = dataset._scanned

    def meanwhile(*arguments: Any) -> Any:
        path.write_text("a\nx\ny\n")
        return scan(*arguments)

    monkeypatch.setattr(dataset, "_scanned", meanwhile)
    assert described(path).body == before.body
    assert path.read_text() == "a\nx\ny\n"

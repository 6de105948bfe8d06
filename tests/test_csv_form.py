"""The strict form of CSV: what is taken has the rows that other readers see in it, wherever its parts are cut."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick import csv_form
from tallystick.errors import InvalidData


def records(data: bytes, *, part: int = 1 << 20, columns: int = 2) -> int:
    blocks = [data[start : start + part] for start in range(0, len(data), part)]
    return csv_form.records(blocks, delimiter=",", columns=columns, name="x.csv")


SOUND = {
    b"a,b\n1,2\n3,4\n": 2,
    b"a,b\n1,2\n3,4": 2,
    b"a,b\r\n1,2\r\n\r\n3,4\r\n": 2,
    b'\xef\xbb\xbf"a",b\n1,2\n': 1,
    b'"a\n\n",b\n"1,2\n3",4\n5,6\n': 2,
    b'a,b\n"x""y",""\n"""","""z"""\n': 2,
    b"a,b\n\n\n1,2\n\n": 1,
    b"a,b": 0,
}
FLAWED = [
    b'a,b\n "1,2\n3",4\n5,6\n',
    b'a, "b\n1,2\n3",4\n5,6\n7,8\n',
    b'a, "b"x\n1,2\n3,4\n',
    b'a,b\n"1"x,2\n',
    b'a,b\n"1" ,2\n',
    b'a,b\n1"2,3\n',
    b'a,b\nx"",3\n',
    b'a,b\n1,"2\n',
    b"a,b\n1,2\r3,4\n",
    b"a,b\n1,2\r",
]


@pytest.mark.parametrize("part", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("data", SOUND)
def test_records_are_counted_wherever_the_parts_are_cut(data: bytes, part: int) -> None:
    parts = [data[:3], *(data[start : start + part] for start in range(3, len(data), part))]
    assert csv_form.records(parts, delimiter=",", columns=2, name="x.csv") == SOUND[data]


@pytest.mark.parametrize("part", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("data", FLAWED)
def test_what_readers_differ_about_is_refused_wherever_the_parts_are_cut(data: bytes, part: int) -> None:
    with pytest.raises(InvalidData, match=r"quote|carriage return"):
        records(data, part=part)


def test_of_one_column_an_empty_line_is_a_record() -> None:
    assert records(b"a\n1\n\n2\n\n", columns=1) == 4


@example('a,b\n1,"\n"\n', 3)
@given(st.text(alphabet='ab, "\n', min_size=1).map(lambda text: "h,i\n" + text), st.integers(1, 20))
def test_what_is_taken_has_as_many_rows_for_another_reader(text: str, part: int) -> None:
    try:
        found = records(text.encode(), part=part)
    except InvalidData:
        return
    assert found == sum(bool(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)) - 1

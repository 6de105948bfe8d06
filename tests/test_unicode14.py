"""Characters that records may hold: those of Unicode 14.0, on every Python."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import InvalidRecord
from tallystick.records import Draft, Personal
from tallystick.unicode14 import unassigned


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="this Python has another Unicode to compare with")
def test_the_table_is_that_of_unicode_14():
    for code in range(sys.maxunicode + 1):
        assert (unassigned(chr(code)) is not None) == (unicodedata.category(chr(code)) == "Cn"), hex(code)


@pytest.mark.parametrize("text", ["", "plain", "Ürs", "שלום", "日本語", "😀", "a\u0301", "\u202e", "\ue000", "\x00"])
def test_what_everybody_has_may_stand(text):
    assert unassigned(text) is None


@pytest.mark.parametrize("odd", ["\U00010efd", "\u0897", "\U0001fae8", "\ufdd0", "\uffff", "\U0010ffff"])
def test_what_came_later_or_never_is_named(odd):
    assert unassigned(f"x\u0315{odd}y") == odd


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_normal_form_c_of_what_may_stand_is_the_same_in_parts_and_whole(text):
    if unassigned(text) is None:
        assert unassigned(unicodedata.normalize("NFC", text)) is None


TIME = "2027-01-01T00:00:00.000000Z"


def draft(title="Minutes", **more):
    body = {"title": title, "type": "text/plain", "digest": "0" * 64}
    return Draft("document", "p-1", TIME, body, **more)


@pytest.mark.parametrize("made", [draft("x\u0315\U00010efd"), draft(personal=(Personal("author", "\U00010efd"),))])
def test_a_record_with_another_character_is_refused(made):
    plain = draft()
    try:
        plain.check()
    except InvalidRecord:
        pytest.fail("the plain draft is not allowed itself")
    with pytest.raises(InvalidRecord, match="not every program knows"):
        made.seal(seq=1, prev="0" * 64, recorded_at=TIME)

from __future__ import annotations

import dataclasses
import enum
import json
import math
import random
import sqlite3
import struct
import sys
import unicodedata
import uuid
from collections import OrderedDict, namedtuple
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import orjson
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.canonical import (
    MAX_DEPTH,
    _careful,
    _decode_carefully,
    _quick,
    b64,
    commitment,
    decode,
    digest,
    encode,
    leaf_hash,
    reread,
    tagged,
    time_text,
    unb64,
    untagged,
)
from tallystick.errors import InvalidRecord, Malformed, TallystickError

PUBLISHED = Path(__file__).parent / "vectors/cyberphone_json-canonicalization/testdata"
GOLDEN = Path(__file__).parent / "golden/v1/ledger.db"
MAX_INT = 2**53 - 1
REFUSED = {
    "unicode.json": "holds text that is not NFC; RFC 8785 leaves normal forms alone, the ledger does not",
    "weird.json": "holds U+FB33 as a key, which NFC writes as two characters",
}
"""Published inputs that the ledger's own rules refuse, and why."""

nfc = st.text(st.characters(exclude_categories=("Cs",))).map(lambda text: unicodedata.normalize("NFC", text))
# Whole floats from 2^53 up to 1e21 are written without exponent, and read back as integers out of range.
floats = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not MAX_INT < abs(x) < 1e21)
scalars = st.none() | st.booleans() | st.integers(-MAX_INT, MAX_INT) | floats | nfc
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(nfc, inner), max_leaves=20)
foreign = st.recursive(
    scalars
    | st.floats(allow_nan=True, allow_infinity=True).filter(lambda x: not MAX_INT < abs(x) < 1e21)
    | st.integers()
    | st.binary()
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.tuples(inner),
    max_leaves=20,
)


# ------------------------------------------------------------------ published vectors


@pytest.mark.parametrize("name", sorted(path.name for path in (PUBLISHED / "input").iterdir()))
def test_published_inputs_yield_the_published_bytes(name):
    source, wanted = (PUBLISHED / "input" / name).read_bytes(), (PUBLISHED / "output" / name).read_bytes()
    assert wanted == bytes.fromhex((PUBLISHED / "outhex" / name).with_suffix(".txt").read_text())
    if name in REFUSED:
        assert rfc8785.dumps(json.loads(source)) == wanted
        with pytest.raises(Malformed, match="not allowed"):
            decode(source)
        return
    assert encode(decode(source)) == wanted
    assert decode(wanted, canonical=True) == decode(source)


def test_all_published_inputs_are_there():
    assert len(list((PUBLISHED / "input").iterdir())) == 6


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_numbers_are_written_as_appendix_b_of_rfc_8785_writes_them(bits, text):
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert encode(number) == text.encode()
    assert decode(text.encode(), canonical=True) == number


# ------------------------------------------------------------------ laws


@given(values)
def test_any_value_comes_back_and_has_one_spelling(value):
    data = encode(value)
    assert decode(data, canonical=True) == value
    assert encode(decode(data)) == data


@pytest.mark.parametrize("number", [float(2**53), -1e17, 123456789012345680000.0])
def test_a_large_whole_float_comes_back(number):
    assert decode(encode(tagged(number)), canonical=True) is not None


@given(values)
def test_any_other_spelling_is_refused_where_the_canonical_one_is_asked_for(value):
    data = encode(value)
    for other in (b" " + data, data + b"\n", json.dumps(value, indent=1).encode()):
        if other != data:
            with pytest.raises(Malformed):
                decode(other, canonical=True)


@given(nfc, st.integers(-5, 5), st.integers(-5, 5), st.integers(0, 4))
def test_any_key_that_stands_twice_is_refused(key, one, two, depth):
    text = "[" * depth + f"{{{json.dumps(key)}: {one}, {json.dumps(key)}: {two}}}" + "]" * depth
    with pytest.raises(Malformed):
        decode(text.encode())


def test_a_key_twice_by_another_escape_is_refused():
    with pytest.raises(Malformed, match="twice"):
        decode(rb'{"a": 1, "\u0061": 2}')


@given(foreign)
def test_any_python_value_has_a_tagged_form(value):
    data = encode(tagged(value))
    assert encode(decode(data, canonical=True)) == data


@given(st.floats(allow_nan=True, allow_infinity=True).filter(lambda x: not MAX_INT < abs(x) < 1e21) | st.integers())
def test_any_number_comes_back_from_its_tagged_form(number):
    back = untagged(decode(encode(tagged([number])), canonical=True))[0]
    assert back == number or (math.isnan(back) and math.isnan(number))


@given(st.binary())
def test_base64_goes_round(data):
    assert unb64(b64(data)) == data


@given(st.binary(max_size=12), st.data())
def test_base64_has_one_spelling(data, more):
    text = b64(data)
    at = more.draw(st.integers(0, len(text)))
    other = (
        text[:at]
        + more.draw(st.text(st.characters(codec="ascii"), max_size=2))
        + text[at + more.draw(st.integers(0, 1)) :]
    )
    try:
        read = unb64(other)
    except Malformed:
        return
    assert b64(read) == other


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{} {}", id="two values"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[Infinity]", id="infinity"),
        pytest.param(b"-Infinity", id="minus infinity"),
        pytest.param(b"1e400", id="overflow"),
        pytest.param(b"9007199254740992", id="integer beyond 2^53-1"),
        pytest.param(b"1" * 5000, id="integer of 5,000 digits"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param(b'\xef\xbb\xbf"a"', id="byte order mark"),
        pytest.param(b'"\\ud800"', id="lone surrogate"),
        pytest.param('"A\u030a"'.encode(), id="not NFC"),
        pytest.param('{"A\u030a": 1}'.encode(), id="key not NFC"),
        pytest.param(b"'a'", id="single quotes"),
        pytest.param(b"[1,]", id="comma at the end"),
        pytest.param(b"[01]", id="leading zero"),
        pytest.param(b'"a\nb"', id="line feed in text"),
        pytest.param(b"[" * 40 + b"]" * 40, id="depth 40"),
        pytest.param(b"[" * 100_000, id="depth 100,000"),
    ],
)
def test_json_that_is_not_strict_is_malformed(data):
    with pytest.raises(Malformed):
        decode(data, canonical=b"ud800" in data)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(math.nan, id="NaN"),
        pytest.param(math.inf, id="infinity"),
        pytest.param(MAX_INT + 1, id="integer out of range"),
        pytest.param(-MAX_INT - 1, id="negative integer out of range"),
        pytest.param("A\u030a", id="text not NFC"),
        pytest.param({"A\u030a": 1}, id="key not NFC"),
        pytest.param({1: 2}, id="key not text"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param({1, 2}, id="set"),
        pytest.param(object(), id="object"),
    ],
)
def test_a_value_without_canonical_form_is_refused(value):
    for nested in (value, [value], {"a": [value]}):
        with pytest.raises(InvalidRecord):
            encode(nested)


def test_depth_is_bounded():
    value: object = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(InvalidRecord, match="deep"):
        encode([value])
    with pytest.raises(InvalidRecord, match="deep"):
        tagged([value])


def test_the_path_of_a_bad_value_is_named():
    with pytest.raises(InvalidRecord, match=r"\$\.a\[1\]\.b: number is not finite"):
        encode({"a": [0, {"b": math.nan}]})


# ------------------------------------------------------------------ two ways, one result


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Real(float):
    pass


class Object(dict):
    def values(self):  # which hides what is in it
        return []


class Array(list):
    def __iter__(self):
        return iter([])


class Plain(enum.Enum):
    ONE = 1
    TWO = "two"

    def __eq__(self, other):
        return True  # to look like its value must not help

    __hash__ = enum.Enum.__hash__


class TextEnum(enum.StrEnum):
    ONE = "one"


class NumberEnum(enum.IntEnum):
    ONE = 1


class BytesEnum(bytes, enum.Enum):
    ONE = b"one"


@dataclasses.dataclass
class Data:
    one: int = 1


Pair = namedtuple("Pair", "one two")

UUID = uuid.UUID(int=7)
SUBCLASSES = [Text("text"), Text("A\u030a"), Whole(3), Whole(2**53), Real(0.5), Real(2.0), Real("nan"), Pair(1, 2)]
SUBCLASSES += [Array([1]), Array([UUID]), Object(one=1), Object(one=UUID), OrderedDict(one=1), {Text("key"): 1}]
MEMBERS = [Plain.ONE, Plain.TWO, TextEnum.ONE, {TextEnum.ONE: 1}, NumberEnum.ONE, BytesEnum.ONE]
OBJECTS = [UUID, Decimal("0.5"), Decimal(1), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), timedelta(1), Data()]
OBJECTS += [Data, orjson.Fragment(b"[1]"), b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), 1j, object(), ...]
CONTAINERS = [(), (1, (2,)), {"": ()}, MappingProxyType({"one": 1}), {1}, frozenset({"a"}), range(3)]
KEYS = [{key: 1} for key in (1, None, True, 0.5, b"a", (), "\ud800", "A\u030a")]
ODD = SUBCLASSES + MEMBERS + OBJECTS + CONTAINERS + KEYS
POWERS_OF_TEN = [float(f"1e{power}") for power in (-7, -6, -5, -4, 15, 16, 17, 20, 21, 22, 23)]
EDGES = [0.0, 1.0, 2.0**52, 2.0**53, sys.float_info.max, *POWERS_OF_TEN]
NEAR_EDGES = [near for edge in EDGES for near in (math.nextafter(edge, 0), edge, math.nextafter(edge, math.inf))]
near_edges = st.sampled_from(NEAR_EDGES)
any_float = st.floats() | near_edges | near_edges.map(float.__neg__) | st.floats(1e-7, 1e-4) | st.floats(0, 1)
far_integers = st.builds(
    lambda sign, bits, more: sign * (2**bits + more),
    st.sampled_from([1, -1]),
    st.sampled_from([53, 63, 64, 70]),
    st.integers(-2, 2),
)
# Letters that marks compose with, those of JSON's escapes and words among them; jamo; what sorts otherwise in UTF-16.
letters = 'aAnbfrtue019"\\/{}[],:<=\n\t\b\x00\x1b\x7f'
marks = "\u0300\u0301\u0303\u0307\u030a\u030c\u0323\u0327\u0338\u0345\u3099"
others = (
    "åñÅ\u212b\ufb33\u1100\u1161\u11a8가\u0958\u2028\ue000\uffff\U00010000\U0001f600\U0010ffff\U0001d15e\ud800\udfff"
)
any_text = (
    st.text()
    | st.text(letters + marks + others)
    | st.text(letters + marks)
    | st.text("\ue000\uffff\U00010000", max_size=2)
)
leaves = st.none() | st.booleans() | st.integers() | far_integers | any_float | any_text | st.sampled_from(ODD)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(any_text, inner)
        | st.dictionaries(any_text | st.sampled_from([1, None, Text("key")]), inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(), inner).map(MappingProxyType)
    ),
    max_leaves=12,
)


def nested(value, shape):
    for key in shape:
        value = [value] if key is None else (value,) if key == () else {key: value}
    return value


def outcome(function, *args, **options):
    """What came of a call, so that 1, 1.0 and True are told apart."""
    try:
        return repr(function(*args, **options))
    except TallystickError as error:
        return type(error), error.as_json()


def golden_entries():
    with closing(sqlite3.connect(f"file:{GOLDEN}?immutable=1", uri=True)) as database:
        return [raw for (raw,) in database.execute("SELECT bytes FROM entries")]


@given(anything)
@settings(max_examples=200)
def test_any_value_is_encoded_or_refused_as_the_careful_way_does_it(value):
    assert outcome(encode, value) == outcome(_careful, value)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_an_odd_value_is_encoded_or_refused_as_the_careful_way_does_it(odd):
    for value in (odd, [odd], (1, odd), {"a": {"b": odd}}):
        assert outcome(encode, value) == outcome(_careful, value)


def test_what_orjson_would_write_though_it_has_no_json_form_is_refused():
    for odd in (Plain.TWO, uuid.UUID(int=7), orjson.Fragment(b"[1]"), Data()):
        orjson.dumps(odd)
        with pytest.raises(InvalidRecord, match="no JSON form"):
            encode([odd])


def test_numpy_numbers_are_encoded_or_refused_as_the_careful_way_does_it():
    numpy = pytest.importorskip("numpy")
    for value in (numpy.float64(0.5), numpy.float64(2), numpy.float64("nan"), numpy.int64(3), numpy.bool_(True)):
        assert outcome(encode, [value]) == outcome(_careful, [value])
    assert outcome(encode, numpy.arange(3)) == outcome(_careful, numpy.arange(3))


@given(st.lists(st.sampled_from([None, (), "a", "ä", "[{"]), min_size=MAX_DEPTH - 2, max_size=MAX_DEPTH + 2), leaves)
def test_depth_ends_where_it_ends_for_the_careful_way(shape, leaf):
    for inner in (leaf, [], {}, ()):
        value = nested(inner, shape)
        assert outcome(encode, value) == outcome(_careful, value)


def test_a_value_that_holds_itself_is_too_deep():
    value: list = [1]
    value += [value, value]
    with pytest.raises(InvalidRecord, match="deep"):
        encode(value)


def test_floats_of_every_exponent_are_written_as_the_careful_way_writes_them():
    draw = random.Random(1)
    mantissas = [0, 1, 2**51, 2**52 - 1, *(draw.getrandbits(52) for _ in range(6))]
    bits = [exponent << 52 | mantissa for exponent in range(2047) for mantissa in mantissas]
    numbers = [struct.unpack("<d", struct.pack("<Q", item))[0] for item in bits] + NEAR_EDGES
    numbers += [round(draw.uniform(0, 10**size), 6) for size in range(10) for _ in range(500)]
    numbers += [-number for number in numbers]
    assert [outcome(encode, number) for number in numbers] == [outcome(_careful, number) for number in numbers]
    plain = [number for number in numbers if _quick(number) is not None]
    assert len(plain) > 10_000
    assert encode(plain) == _careful(plain)


def test_text_of_every_character_of_the_basic_plane_is_written_as_the_careful_way_writes_it():
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    alone = [text for text in characters if unicodedata.is_normalized("NFC", text)]
    assert _quick(alone) == _careful(alone)
    assert all(outcome(encode, text) == outcome(_careful, text) for text in set(characters) - set(alone))


@given(st.text(letters + marks), st.text(letters + marks))
def test_text_is_never_taken_for_nfc_because_of_what_stands_beside_it(one, other):
    for value in ([one, other], {one: other}, {"n": one, "u": other}, f"{one}\n{other}"):
        assert outcome(encode, value) == outcome(_careful, value)


def test_keys_stand_in_the_order_of_utf_16():
    value = {"\uffff": 1, "\U00010000": 2, "\ue000": 3}
    assert encode(value) == _careful(value) == '{"\U00010000":2,"\ue000":3,"\uffff":1}'.encode()
    assert orjson.dumps(value, option=orjson.OPT_SORT_KEYS) != encode(value)


@given(values)
def test_what_was_encoded_reads_the_same_by_all_ways(value):
    data = encode(value)
    read = {outcome(reader, data) for reader in (reread, decode, json.loads)}
    read |= {outcome(decode, data, canonical=True), outcome(_decode_carefully, data, what="JSON", canonical=True)}
    assert len(read) == 1


def test_ordinary_values_go_the_quick_way():
    ordinary = [
        "",
        "text\n",
        "Größe 가",
        0,
        MAX_INT,
        True,
        None,
        0.5,
        -1e-5,
        123456.789,
        {"ä": [{"b": (1, 2)}]},
        [],
        {},
    ]
    for value in [*ordinary, ordinary, *map(json.loads, golden_entries())]:
        assert _quick(value) == _careful(value)


SPELT = r"""
0 -0 1 -1 1.0 0.0 -0.0 1.5 1.50 15e-1 1E1 1e1 1e+1 1e16 1e21 1e+21 1e-7 0.000001 0.00001 1e-5 1e400 -1e400 1e-400
9007199254740991 9007199254740992 9007199254740993 18446744073709551616 01 +1 .5 5. 0x1 NaN -Infinity
null true false True {} [] [1,] {"a":1,} 'a' /**/1 "" "a" "\u0061" "/" "\/" "\n" "\u000a" "\u001f" "\u001F" "\b" "\x"
"å" "\u00e5" "a\u030a" "\u212b" "\ud83d\ude00" "\ud800"
"""
"""Numbers and strings in spellings that JSON allows, and some that it does not."""
spelt = st.sampled_from([*SPELT.split(), '"a\u030a"', '"\u212b"', '"😀"', '"\x7f"', '"\x01"'])
keys = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"å"', '"\\u00e5"', '"😀"', '"\uffff"', '""', "a", "1"])
spaces = st.sampled_from(["", "", "", "", " ", "\n", "\t", "\f", "\u00a0"])
spellings = st.recursive(
    st.builds("".join, st.tuples(spaces, spelt | values.map(json.dumps))),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.builds("{}{}:{}".format, spaces, keys, inner), max_size=3).map(
            lambda items: f"{{{','.join(items)}}}"
        )
    ),
    max_leaves=8,
)


def same_both_ways(data):
    for canonical in (False, True):
        careful = outcome(_decode_carefully, data, what="JSON", canonical=canonical)
        assert outcome(decode, data, canonical=canonical) == careful


@given(spellings, spaces | st.sampled_from(["\ufeff", "1", "}"]), spaces)
def test_any_spelling_is_read_or_refused_as_the_careful_way_does_it(text, before, after):
    same_both_ways(f"{before}{text}{after}".encode())


@given(anything, st.data())
def test_any_change_of_bytes_is_read_or_refused_as_the_careful_way_does_it(value, data):
    try:
        whole = encode(value)
    except InvalidRecord:
        return
    same_both_ways(whole)
    at, by = data.draw(st.integers(0, len(whole))), data.draw(st.binary(max_size=2) | spelt.map(str.encode))
    same_both_ways(whole[:at] + by + whole[at + data.draw(st.integers(0, 2)) :])


@given(st.binary(), st.integers(0, 8))
def test_any_bytes_are_read_or_refused_as_the_careful_way_does_it(data, zeros):
    same_both_ways(data)
    same_both_ways(b'"' + data + b'"')
    same_both_ways(
        json.dumps(data.decode("utf-8", "surrogateescape"), ensure_ascii=zeros % 2 == 0).encode(
            "utf-8", "surrogatepass"
        )
    )


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 300, 1100, 100_000])
@pytest.mark.parametrize(("opening", "inner", "closing"), [("[", "", "]"), ("[", "1", "]"), ('{"a":', "{}", "}")])
def test_depth_is_read_or_refused_as_the_careful_way_does_it(depth, opening, inner, closing):
    same_both_ways((opening * depth + inner + closing * depth).encode())


# ------------------------------------------------------------------ tags, digests, times


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (math.nan, {"float": "nan"}),
        (-math.inf, {"float": "-inf"}),
        (2**53, {"int": "9007199254740992"}),
        (b"\xff", {"bytes": "/w=="}),
        ({1: "a"}, {"map": [[1, "a"]]}),
        ({"float": "nan"}, {"map": [["float", "nan"]]}),
        ({3, 1, 2}, [1, 2, 3]),
        ((1, "b"), [1, "b"]),
        ("A\u030a", "Å"),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (math.sqrt, {"repr": "math.sqrt"}),
        (True, True),
    ],
)
def test_foreign_values_have_these_tagged_forms(value, form):
    assert tagged(value) == form


def test_the_repr_of_an_object_has_no_memory_address():
    assert "0x" not in tagged(object())["repr"]


def test_a_numpy_number_counts_as_its_python_value():
    numpy = pytest.importorskip("numpy")
    assert tagged([numpy.float64(0.5), numpy.int64(3), numpy.bool_(True)]) == [0.5, 3, True]


def test_digests_are_those_of_the_standards():
    assert digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    key = bytes(range(32)).ljust(64, b"\0")
    inner = sha256(bytes(item ^ 0x36 for item in key) + b"name\0value").digest()
    by_hand = sha256(bytes(item ^ 0x5C for item in key) + inner).hexdigest()  # HMAC as RFC 2104 spells it
    assert commitment(bytes(range(32)), "name", b"value") == by_hand


@given(st.binary(min_size=32, max_size=32), nfc, st.binary())
@settings(max_examples=30)
def test_a_commitment_binds_salt_name_and_value(salt, name, data):
    kept = commitment(salt, name, data)
    assert kept == commitment(salt, name, data)
    assert kept not in {commitment(salt[::-1] + b"x", name, data), commitment(salt, name + "x", data)}
    assert kept != commitment(salt, name, data + b"x")


def test_a_time_is_written_in_utc_with_microseconds():
    moment = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=1)))
    assert time_text(moment) == "2026-01-01T00:00:00.000000Z"
    assert time_text(datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC)) == "2026-01-01T00:00:00.000005Z"
    with pytest.raises(InvalidRecord, match="zone"):
        time_text(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    "text", ["A", "AA", "AAA", "AA=", "AB==", "AAB=", "AA==\n", " AA==", "A-==", "A_==", "A*==", "é"]
)
def test_base64_that_is_not_canonical_is_malformed(text):
    with pytest.raises(Malformed):
        unb64(text)

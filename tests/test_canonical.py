from __future__ import annotations

import json
import math
import struct
import unicodedata
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.canonical import (
    MAX_DEPTH,
    b64,
    commitment,
    decode,
    digest,
    encode,
    leaf_hash,
    tagged,
    time_text,
    unb64,
    untagged,
)
from tallystick.errors import InvalidRecord, Malformed

PUBLISHED = Path(__file__).parent / "vectors/cyberphone_json-canonicalization/testdata"
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

from __future__ import annotations

import io
import struct
import warnings
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import InvalidInput, Malformed, NotVerified, Tampered
from tallystick.proof import container

MEMBERS = {"manifest.json": b"{}", "entries/000000000.json": b'{"v":1}', "entries/empty": b"", "z": bytes(range(256))}


def zipped(*members: tuple[str, bytes], **options) -> bytes:
    """A ZIP as others write it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(buffer, "w", **options) as archive:
            for name, data in members:
                archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,6}(/[a-z0-9][a-z0-9._-]{0,6}){0,2}", fullmatch=True)


@given(st.dictionaries(names, st.binary(max_size=50), max_size=8))
def test_any_members_go_round_in_their_order(members):
    try:
        data = container.write(members)
    except InvalidInput:
        folders = {name[:at] for name in members for at, c in enumerate(name) if c == "/"}
        assert folders & set(members)
        return
    assert list(container.read(data).items()) == list(members.items())
    assert container.write(dict(members)) == data


def test_others_read_what_we_write():
    with zipfile.ZipFile(io.BytesIO(container.write(MEMBERS))) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == MEMBERS
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {(info.external_attr >> 16, info.extra, info.comment) for info in archive.infolist()} == {
            (0o100644, b"", b"")
        }


def test_any_flipped_bit_is_rejected():
    data = container.write(MEMBERS)
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotVerified):
            container.read(bytes(changed))


def test_any_byte_too_many_or_too_few_is_rejected():
    data = container.write(MEMBERS)
    for at in range(len(data)):
        for changed in (data[:at], data[at + 1 :], data[:at] + data[at + 1 :], data[:at] + b"\0" + data[at:]):
            with pytest.raises(NotVerified):
                container.read(changed)
    with pytest.raises(Malformed):
        container.read(data + b"\0")


@pytest.mark.parametrize(
    "name",
    [
        "", "/etc/passwd", "../up", "a/../b", "a//b", "a/", "/a", ".hidden", "a/.b",
        "A", "ä", "a b", "a\\b", "c:x", "a\0b", "a\n", "x" * 241,
    ],
)  # fmt: skip
def test_a_name_that_could_mislead_is_refused(name):
    with pytest.raises(InvalidInput):
        container.write({name: b""})
    with pytest.raises(NotVerified):
        container.read(zipped((name, b"")))


def test_a_name_of_240_bytes_is_taken():
    assert container.read(container.write({"x" * 240: b""})) == {"x" * 240: b""}


def test_a_file_that_is_also_a_folder_is_refused():
    with pytest.raises(InvalidInput, match="folder"):
        container.write({"a": b"", "a/b/c": b""})


def test_limits_hold_before_anything_is_written(monkeypatch):
    with pytest.raises(InvalidInput, match="more than 65000"):
        container.write({str(number): b"" for number in range(65_001)})
    monkeypatch.setattr(container, "MAX_TOTAL", 1000)
    assert container.read(container.write({"a": bytes(800)}))
    with pytest.raises(InvalidInput, match="more than 1000"):
        container.write({"a": bytes(1000)})
    with pytest.raises(Malformed, match="too large"):
        container.read(bytes(1001))


def overlapping() -> bytes:
    """Two names for one stretch of bytes: the shape of a bomb that grows without compression."""
    data = container.write({"a": b"x" * 50, "b": b"x" * 50})
    first, second = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02")
    changed = bytearray(data)
    changed[second : second + 46] = data[first : first + 46]
    return bytes(changed)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x05\x06" + bytes(18) + b"x", id="comment that is not declared"),
        pytest.param(zipped(("a", b"x" * 50), compression=zipfile.ZIP_DEFLATED), id="compressed"),
        pytest.param(zipped(("a", b"x")), id="as others write it"),
        pytest.param(zipped(("a", b"x"), ("a", b"y")), id="a name twice"),
        pytest.param(container.write({"a": b"x"}) + container.write({"a": b"y"}), id="two containers"),
        pytest.param(b"#!/bin/sh\n" + container.write({"a": b"x"}), id="bytes before"),
        pytest.param(overlapping(), id="overlapping members"),
        pytest.param(
            container.write({"a": b"x"})[:-22] + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0, 0, 0, 0, 0),
            id="directory left out",
        ),
        pytest.param(bytes(100), id="zeros"),
    ],
)
def test_what_is_not_canonical_is_rejected(data):
    with pytest.raises(NotVerified):
        container.read(data)


def test_a_changed_member_is_named():
    data = container.write(MEMBERS).replace(b'{"v":1}', b'{"v":2}')
    with pytest.raises(Tampered, match=r"entries/000000000\.json: member does not have its checksum"):
        container.read(data)


@given(st.binary(max_size=300))
def test_rubbish_gives_typed_errors_only(data):
    for candidate in (data, data + container.write({"a": data}), data + b"PK\x05\x06" + data[:18].ljust(18, b"\0")):
        try:
            members = container.read(candidate)
        except NotVerified:
            continue
        assert container.write(members) == candidate

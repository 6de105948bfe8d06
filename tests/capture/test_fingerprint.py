"""Fingerprints of files and folders."""

from __future__ import annotations

import hashlib
import mmap
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.canonical import decode
from tallystick.capture import fingerprint as module
from tallystick.capture.fingerprint import LEAF, fingerprint, lines, private_copy, read_whole
from tallystick.errors import InvalidData, NotFound, Unavailable


def tree_of(data: bytes) -> str:
    """The format, written a second time: recursion as in RFC 6962, section 2.1."""

    def root(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return hashlib.sha256(b"\x00" + leaves[0]).digest()
        split = 1
        while split * 2 < len(leaves):
            split *= 2
        return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()

    return root([data[start : start + LEAF] for start in range(0, max(len(data), 1), LEAF)]).hex()


@pytest.mark.parametrize("size", [0, 1, LEAF - 1, LEAF, LEAF + 1, 3 * LEAF, 3 * LEAF + 7])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_file_has_the_root_and_the_plain_digest_of_its_bytes(tmp_path: Path, size: int, threads: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "data.bin").write_bytes(data[:size])
    mark = fingerprint(tmp_path / "data.bin", threads=threads)
    assert mark.sha256 == tree_of(data[:size])
    assert mark.digest == hashlib.sha256(data[:size]).hexdigest()
    assert (mark.bytes, mark.files, mark.encoding) == (size, 1, "file")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=5000), leaf=st.integers(1, 700))
def test_any_cut_into_leaves_gives_the_tree_of_the_rfc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, leaf: int
) -> None:
    (tmp_path / "data.bin").write_bytes(data)
    with monkeypatch.context() as patch:
        patch.setattr(module, "LEAF", leaf)
        patch.setattr(module, "_WORTH_A_THREAD", 100)
        patch.setitem(globals(), "LEAF", leaf)
        mark = fingerprint(tmp_path / "data.bin")
        assert mark.sha256 == tree_of(data)
        assert mark.digest == hashlib.sha256(data).hexdigest()


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "a.bin").write_bytes(bytes(LEAF + 5))
    (tmp_path / "folder" / "inner" / "b.bin").write_bytes(bytes(10))
    told: list[tuple[int, int]] = []
    fingerprint(tmp_path / "folder", progress=lambda done, total: told.append((done, total)))
    assert told == [(LEAF, LEAF + 15), (LEAF + 5, LEAF + 15), (LEAF + 15, LEAF + 15)]


def test_a_folder_is_its_sorted_listing(tmp_path: Path) -> None:
    (tmp_path / "f" / "a").mkdir(parents=True)
    (tmp_path / "f" / "empty").mkdir()
    (tmp_path / "f" / "a" / "x").write_bytes(b"1")
    (tmp_path / "f" / "a-b").write_bytes(b"22")
    (tmp_path / "f" / "link").symlink_to("/etc/passwd")
    mark = fingerprint(tmp_path / "f")
    listing = decode(mark.listing_bytes(), canonical=True)
    assert [line["path"] for line in listing] == ["a-b", "a/x", "link"]
    assert listing[2] == {"path": "link", "link": "/etc/passwd"}
    one, two = hashlib.sha256(b"\x0022").hexdigest(), hashlib.sha256(b"22").hexdigest()
    assert listing[0] == {"path": "a-b", "size": 2, "tree": one, "sha256": two}
    assert mark.sha256 == mark.digest == hashlib.sha256(mark.listing_bytes()).hexdigest()
    assert (mark.bytes, mark.files, mark.encoding) == (3, 2, "folder")


@pytest.mark.parametrize("change", ["content", "name", "link", "more"])
def test_any_change_in_a_folder_shows(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a").write_bytes(b"1")
    (folder / "link").symlink_to("a")
    before = fingerprint(folder).sha256
    if change == "content":
        (folder / "a").write_bytes(b"2")
    elif change == "name":
        (folder / "a").rename(folder / "b")
    elif change == "link":
        (folder / "link").unlink()
        (folder / "link").symlink_to("b")
    else:
        (folder / "c").write_bytes(b"")
    assert fingerprint(folder).sha256 != before


def test_names_that_are_not_utf8_or_not_nfc_are_kept_as_bytes(tmp_path: Path) -> None:
    for name in (b"caf\xe9", "café".encode(), "cafe\u0301".encode()):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    paths = [line.path for line in fingerprint(tmp_path).listing]
    assert paths == [{"bytes": "Y2FmZcyB"}, "café", {"bytes": "Y2Fm6Q=="}]


def test_a_link_at_the_top_is_resolved_once(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"x")
    (tmp_path / "latest").symlink_to("data.bin")
    assert fingerprint(tmp_path / "latest") == fingerprint(tmp_path / "data.bin")


def test_a_link_to_nothing_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("nothing")
    with pytest.raises(NotFound, match="no such file"):
        fingerprint(tmp_path / "latest")


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(InvalidData):
        fingerprint(tmp_path / "a")


@pytest.mark.parametrize("inside", [False, True])
def test_a_fifo_is_refused_and_never_opened(tmp_path: Path, inside: bool) -> None:
    (tmp_path / "f").mkdir()
    os.mkfifo(tmp_path / "f" / "pipe")
    with pytest.raises(InvalidData, match="a FIFO"):
        fingerprint(tmp_path / "f" if inside else tmp_path / "f" / "pipe")


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(InvalidData, match="a socket"):
            fingerprint("s")


def test_a_device_is_refused() -> None:
    with pytest.raises(InvalidData, match="a device"):
        fingerprint("/dev/zero")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(2 * LEAF))

    def grow(done: int, total: int) -> None:
        with path.open("ab") as file:
            file.write(b"x")

    with pytest.raises(InvalidData, match="changed while it was read"):
        fingerprint(path, progress=grow)


def test_a_file_rewritten_in_place_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(2 * LEAF))
    os.utime(path, ns=(0, 0))

    def rewrite(done: int, total: int) -> None:
        with path.open("r+b") as file:
            file.write(b"x")
        os.utime(path, ns=(0, 0))  # hiding it: the inode's change time still tells

    with pytest.raises(InvalidData, match="changed while it was read"):
        fingerprint(path, progress=rewrite)


def test_a_file_cut_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(2 * LEAF))
    with pytest.raises(InvalidData, match="changed while it was read"):
        fingerprint(path, progress=lambda done, total: os.truncate(path, 5))


def test_a_file_added_to_a_folder_while_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "b").write_bytes(b"x")
    with pytest.raises(InvalidData, match="folder changed while it was read"):
        fingerprint(tmp_path / "f", progress=lambda done, total: (tmp_path / "f" / "a").touch())


def test_a_file_swapped_for_a_link_never_gives_the_digest_of_its_target(tmp_path: Path) -> None:
    """Racing for a while: each answer is the file's own digest, a link's line, or an error; never the secret's."""
    folder, secret = tmp_path / "f", tmp_path / "secret"
    folder.mkdir()
    secret.write_bytes(b"secret")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (folder / "new").symlink_to(secret)
            (folder / "new").replace(folder / "a")
            (folder / "new").write_bytes(b"x")
            (folder / "new").replace(folder / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for _ in range(400):
            try:
                seen |= {line.sha256 for line in fingerprint(folder, threads=1).listing}
            except (InvalidData, NotFound):
                seen.add("refused")
    finally:
        stop.set()
        thread.join()
    assert "refused" in seen
    assert hashlib.sha256(b"secret").hexdigest() not in seen


def test_folders_nested_too_deeply_are_refused(tmp_path: Path) -> None:
    (tmp_path / "/".join("d" * 140)).mkdir(parents=True)
    with pytest.raises(InvalidData, match="nested too deeply"):
        fingerprint(tmp_path)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    before = os.geteuid()
    os.seteuid(65534 if before == 0 else before)
    yield
    os.seteuid(before)


def test_a_file_without_permission_is_refused(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "data.bin"
    path.touch(mode=0)
    request.getfixturevalue("as_nobody")
    with pytest.raises(InvalidData, match="may not be read"):
        fingerprint(path)


def test_chosen_lines_stay_below_their_folder(tmp_path: Path) -> None:
    (tmp_path / "f" / "in").mkdir(parents=True)
    (tmp_path / "f" / "in" / "a").write_bytes(b"x")
    (tmp_path / "out").write_bytes(b"y")
    (tmp_path / "f" / "way").symlink_to("..")
    assert [line.path for line in lines(tmp_path / "f", [b"in/a"])] == ["in/a"]
    for path in (b"../out", b"way/out", b"in/../../out", b"/etc/passwd", b""):
        with pytest.raises(InvalidData):
            lines(tmp_path / "f", [path])


def test_reading_a_whole_file_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_whole(tmp_path / "a", limit=5) == b"12345"
    with pytest.raises(InvalidData, match="too large"):
        read_whole(tmp_path / "a", limit=4)
    with pytest.raises(InvalidData, match="a folder"):
        read_whole(tmp_path, limit=4)


def test_a_private_copy_is_what_was_hashed_whatever_is_stored_into_the_file_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"1" * 10_000)
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = b"1" * 10_000  # pages that are dirty already can be changed without a trace
        with private_copy(path) as (copy, mark):
            mapped[:] = b"2" * 10_000
            assert copy.read_bytes() == b"1" * 10_000
            assert mark == fingerprint(copy)
            assert (copy.name, copy.stat().st_mode & 0o777) == ("a.csv", 0o600)
            assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert not copy.parent.exists()


def test_a_private_copy_of_a_folder_has_its_files_and_links(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "x=1").mkdir(parents=True)
    (folder / "x=1" / "a.parquet").write_bytes(bytes(LEAF + 1))
    (folder / "b.txt").write_bytes(b"b")
    (folder / "link").symlink_to("b.txt")
    with private_copy(folder) as (copy, mark):
        assert mark == fingerprint(folder) == fingerprint(copy)
    with private_copy(folder, wanted=lambda name: name.endswith(b".parquet")) as (copy, mark):
        assert mark == fingerprint(folder)
        assert [path.name for path in copy.rglob("*") if not path.is_dir()] == ["a.parquet"]


def test_no_room_for_a_private_copy_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(4096))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(Unavailable, match="TMPDIR"), private_copy(tmp_path / "a"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

"""Fingerprints: what the bytes of a file or a folder were, in one pass, with two threads and little memory.

The format, complete enough to be written again in any language:

* **A file** is cut into leaves of 8 MiB (8,388,608 bytes; the last one shorter). A leaf's hash is
  SHA-256(0x00 || leaf). The fingerprint is the root of RFC 6962, section 2.1, over the leaf hashes: two hashes join as
  SHA-256(0x01 || left || right), and a tree of n leaves splits at the largest power of two below n. An empty file is
  one leaf of no bytes. For a file of up to 8 MiB the fingerprint is therefore SHA-256(0x00 || content). Beside it
  stands the plain SHA-256 of the file, what `sha256sum` prints.
* **A folder** is the SHA-256 of the RFC 8785 JSON of its listing: an array with one object for each file and link
  below it, sorted by the bytes of the relative path (parts joined by "/"). A file is
  ``{"path", "sha256", "size", "tree"}``, where ``tree`` is the fingerprint above. A symbolic link is
  ``{"link", "path"}`` with the text that it points to; it is never followed. A path or link text that is not UTF-8, or
  not in normal form C, is ``{"bytes": base64}``. Folders have no line of their own (an empty folder leaves no trace),
  and neither owners, permissions nor times are recorded.
* The two cannot be taken for each other: the bytes hashed last begin with 0x00 or 0x01 for a file, with "[" for a
  folder.

How it is read: each part of the path is opened without following links, the open descriptor is hashed, and device,
inode, size and times are compared before and after, for folders too; if anything changed there is an error and no
fingerprint. FIFOs, sockets and devices are refused unopened. Within one tick of the file system's clock (some
milliseconds), and where a program has the file mapped, a change that keeps the size can escape this comparison; what is
recorded then is still the digest of the bytes that were read. So whoever reads more of the data than their digest reads
a :func:`private_copy`, which is hashed while it is written.
"""

from __future__ import annotations

import builtins
import errno
import hashlib
import os
import stat
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.canonical import Value, b64, digest, encode
from tallystick.errors import InvalidData, NotFound, Unavailable
from tallystick.proof import merkle

__all__ = [
    "LEAF",
    "Fingerprint",
    "Line",
    "Progress",
    "fingerprint",
    "lines",
    "name_value",
    "private_copy",
    "read_whole",
]

LEAF: Final = 8 * 1024 * 1024
"""Bytes in a leaf."""
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all, at least once a leaf; in the caller's thread."""

_WORTH_A_THREAD: Final = 1024 * 1024
_MAX_DEPTH: Final = 128
_OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_PASS_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_RETRY: Final = "Run it again when nothing writes there."


@dataclass(frozen=True)
class Line:
    """One file, or one symbolic link, in a listing."""

    path: Value
    """Relative path as text, or ``{"bytes": base64}``; the file's name for a single file."""
    size: int
    tree: str
    """Root of the file's Merkle tree, hex; empty for a link."""
    sha256: str
    """SHA-256 of the whole file, hex; empty for a link."""
    link: Value = None
    """Where a symbolic link points to; None for a file."""

    def value(self) -> dict[str, Value]:
        """The object in the folder's canonical listing."""
        if self.link is not None:
            return {"path": self.path, "link": self.link}
        return {"path": self.path, "size": self.size, "tree": self.tree, "sha256": self.sha256}


@dataclass(frozen=True)
class Fingerprint:
    """What the bytes of a file or a folder were."""

    sha256: str
    """Root of the file's Merkle tree, or SHA-256 of the folder's canonical listing, hex."""
    bytes: int
    files: int
    """Files, without links."""
    encoding: str
    """``"file"`` or ``"folder"``."""
    listing: tuple[Line, ...]

    @property
    def digest(self) -> str:
        """What common tools can check: the plain SHA-256 of the file, or of a folder's :meth:`listing_bytes`."""
        return self.listing[0].sha256 if self.encoding == "file" else self.sha256

    def listing_bytes(self) -> builtins.bytes:
        """The canonical listing; of a folder, the bytes whose SHA-256 is the fingerprint."""
        return encode([line.value() for line in self.listing])


def fingerprint(path: Path | str, *, progress: Progress | None = None, threads: int | None = None) -> Fingerprint:
    """Read a file or folder once and say what it was.

    If `path` itself is a symbolic link it is resolved, once, before anything is opened; inside a folder links are
    recorded as links.

    Args:
        path: a regular file or a folder.
        progress: told how far it is; for a folder this costs one more walk, without reading.
        threads: 1 keeps all work in the caller's thread; otherwise leaves are hashed in a second one.

    Raises:
        NotFound: there is nothing at `path`.
        InvalidData: not readable, neither file nor folder (or a folder holding something else), or changed meanwhile.
    """
    return _read(_resolved(path), progress=progress, threads=threads, copies=None)


def _read(real: Path, *, progress: Progress | None, threads: int | None, copies: _Copies | None) -> Fingerprint:
    total = _total(real) if progress else 0
    with _Hasher(threads, progress, total, copies) as hasher, _parent(real) as parent:
        name = os.fsencode(real.name or "/")
        if stat.S_ISDIR(_lstat(name, parent, name).st_mode):
            return _of_folder(name, parent, hasher)
        line = hasher.file(name, parent, name)
    return Fingerprint(line.tree, line.size, 1, "file", (line,))


def _of_folder(name: bytes, parent: int, hasher: _Hasher) -> Fingerprint:
    with _opened(name, parent, name, _OPEN_FOLDER) as folder:
        found = sorted(_walk(folder, b"", hasher, 0), key=lambda item: item[0])
    listing = tuple(line for _, line in found)
    root = digest(encode([line.value() for line in listing]))
    files = sum(line.link is None for line in listing)
    return Fingerprint(root, sum(line.size for line in listing), files, "folder", listing)


def lines(folder: Path | str, paths: Iterable[bytes], *, progress: Progress | None = None) -> tuple[Line, ...]:
    """The listing of chosen files and links below a folder, sorted by path, read as :func:`fingerprint` reads.

    Raises:
        NotFound: a path is not there.
        InvalidData: as for :func:`fingerprint`, or a path that does not stay below the folder.
    """
    found = []
    with _Hasher(None, progress, 0) as hasher, _opened(_resolved(folder), None, b"", _OPEN_FOLDER) as top:
        for path in sorted(set(paths)):
            *folders, name = path.split(b"/")
            if any(part in (b"", b".", b"..") for part in (*folders, name)):
                raise InvalidData("path does not stay below its folder", got=_shown(path))
            with _descended(folders, top) as parent:
                found.append(hasher.file_or_link(name, parent, path))
    return tuple(found)


def read_whole(path: Path | str, *, limit: int) -> bytes:
    """The bytes of a file that is small enough to hold, read as :func:`fingerprint` reads.

    Raises:
        NotFound: there is nothing at `path`.
        InvalidData: not a readable file, larger than `limit` bytes, or changed meanwhile.
    """
    real = _resolved(path)
    name = os.fsencode(real.name)
    with _parent(real) as parent, _opened_file(name, parent, name) as (file, before):
        if before.st_size > limit:
            raise InvalidData(
                "file is too large", where=real.name, expected=f"up to {limit:,} bytes", got=f"{before.st_size:,} bytes"
            )
        buffer = memoryview(bytearray(before.st_size + 1))
        count = _fill(file, buffer)
        _check_same(before, os.fstat(file), count, name)
        return bytes(buffer[:count])


@contextmanager
def private_copy(
    path: Path | str, *, wanted: Callable[[bytes], bool] | None = None, progress: Progress | None = None
) -> Iterator[tuple[Path, Fingerprint]]:
    """Where the bytes that are hashed can be read again: a copy that only this user can open, under the same name.

    For readers that take a path. Comparing times around them would not do: a program that has the file mapped can
    change it, and neither its size nor its times change then.

    It lies in a folder of its own below the one for temporary files (``TMPDIR``), which needs as much room as the data,
    and is removed on leaving. A process that is killed leaves it there.

    Args:
        path: a regular file or a folder.
        wanted: of the paths below a folder, which to copy; all are hashed. All if None.
        progress: as for :func:`fingerprint`.

    Raises:
        NotFound, InvalidData: as for :func:`fingerprint`.
        Unavailable: there is no room for the copy.
    """
    real = _resolved(path)
    with tempfile.TemporaryDirectory(prefix="tallystick-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, real.name or "data")
        if real.is_dir():
            copy.mkdir(mode=0o700)
        top = copy if real.is_dir() else copy.parent
        yield copy, _read(real, progress=progress, threads=None, copies=_Copies(os.fsencode(top), wanted))


class _Copies:
    """Writes what is read to where only this user can open it."""

    def __init__(self, top: bytes, wanted: Callable[[bytes], bool] | None) -> None:
        self._top = top
        self._wanted = wanted

    @contextmanager
    def file(self, path: bytes) -> Iterator[int | None]:
        """A new file to write to; None if it is not wanted."""
        if self._wanted is not None and not self._wanted(path):
            yield None
            return
        with _room():
            file = os.open(self._placed(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield file
        finally:
            os.close(file)

    def link(self, path: bytes, target: bytes) -> None:
        """The same link: readers that refuse links find it."""
        if self._wanted is None or self._wanted(path):
            with _room():
                os.symlink(target, self._placed(path))  # noqa: PTH211 - names are bytes

    def _placed(self, path: bytes) -> bytes:
        place = os.path.join(self._top, path)  # noqa: PTH118 - names are bytes
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
        return place


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "the data cannot be copied to a private place, from which they would be read",
            where=tempfile.gettempdir(),
            got=error.strerror,
            remedy="Name a folder with room for them in TMPDIR.",
        ) from error


# --------------------------------------------------------------------------- hashing


class _Hasher:
    """Two buffers of one leaf each and, if asked, one helper thread.

    The caller's thread reads and takes the plain SHA-256, which cannot be divided; the helper hashes the same leaf for
    the tree meanwhile. More threads would wait. Each buffer begins with the leaf prefix 0x00, so that a leaf is hashed
    where it lies, without a copy.
    """

    def __init__(
        self, threads: int | None, progress: Progress | None, total: int, copies: _Copies | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(1, "fingerprint") if threads is None or threads > 1 else None
        self._buffers = [memoryview(bytearray(LEAF + 1)) for _ in range(2)]
        self._progress = progress
        self._copies = copies
        self._done = 0
        self._total = total

    def __enter__(self) -> _Hasher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown()

    def file_or_link(self, name: bytes, parent: int, path: bytes) -> Line:
        if stat.S_ISLNK(_lstat(name, parent, path).st_mode):
            return self._link(name, parent, path)
        return self.file(name, parent, path)

    def file(self, name: bytes, parent: int, path: bytes) -> Line:
        copy = self._copies.file(path) if self._copies else nullcontext()
        with _opened_file(name, parent, path) as (file, before), copy as written:
            tree, plain, count = self._hash(file, written)
            _check_same(before, os.fstat(file), count, path)
        return Line(name_value(path), count, tree, plain)

    def _link(self, name: bytes, parent: int, path: bytes) -> Line:
        with _mapped(path):
            target = os.readlink(name, dir_fd=parent)
        if self._copies:
            self._copies.link(path, target)
        return Line(name_value(path), 0, "", "", link=name_value(target))

    def _hash(self, file: int, copy: int | None) -> tuple[str, str, int]:
        plain = hashlib.sha256()
        leaves: list[Future[bytes] | bytes] = []
        count = 0
        while True:
            turn = len(leaves) % 2
            if len(leaves) >= 2:
                leaves[-2] = _settled(leaves[-2])  # it reads the buffer that is filled next
            buffer = self._buffers[turn]
            size = _fill(file, buffer[1:])
            if size or not leaves:
                leaves.append(self._leaf(buffer[: size + 1]))
                plain.update(buffer[1 : size + 1])
                if copy is not None:
                    _write(copy, buffer[1 : size + 1])
                count += size
                self._tell(size)
            if size < LEAF:
                break
        return merkle.root([_settled(leaf) for leaf in leaves]).hex(), plain.hexdigest(), count

    def _leaf(self, prefixed: memoryview) -> Future[bytes] | bytes:
        if self._pool and len(prefixed) > _WORTH_A_THREAD:
            return self._pool.submit(_sha256, prefixed)
        return _sha256(prefixed)

    def _tell(self, size: int) -> None:
        self._done += size
        if self._progress:
            self._progress(self._done, max(self._total, self._done))


def _sha256(data: memoryview) -> bytes:
    return hashlib.sha256(data).digest()


def _settled(leaf: Future[bytes] | bytes) -> bytes:
    return leaf if isinstance(leaf, bytes) else leaf.result()


def _fill(file: int, buffer: memoryview) -> int:
    """Read until the buffer is full or the file ends; how many bytes."""
    count = 0
    while count < len(buffer):
        size = os.readv(file, [buffer[count:]])
        if size == 0:
            break
        count += size
    return count


def _write(file: int, data: memoryview) -> None:
    with _room():
        while data:
            data = data[os.write(file, data) :]


# --------------------------------------------------------------------------- walking


def _walk(folder: int, prefix: bytes, hasher: _Hasher, depth: int) -> Iterator[tuple[bytes, Line]]:
    if depth > _MAX_DEPTH:
        raise InvalidData("folders are nested too deeply", where=_shown(prefix), expected=f"up to {_MAX_DEPTH}")
    before = os.fstat(folder)
    for name in sorted(os.fsencode(name) for name in os.listdir(folder)):
        path = prefix + name
        if stat.S_ISDIR(_lstat(name, folder, path).st_mode):
            with _opened(name, folder, path, _OPEN_FOLDER) as inner:
                yield from _walk(inner, path + b"/", hasher, depth + 1)
        else:
            yield path, hasher.file_or_link(name, folder, path)
    if _mark(before) != _mark(os.fstat(folder)):
        raise InvalidData("folder changed while it was read", where=_shown(prefix) or None, remedy=_RETRY)


def name_value(name: bytes) -> Value:
    """A name as text if it is UTF-8 in normal form C, else as ``{"bytes": base64}``."""
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return {"bytes": b64(name)}
    return text if unicodedata.is_normalized("NFC", text) else {"bytes": b64(name)}


def _total(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(mark[2] for mark in _marks(path).values() if stat.S_ISREG(mark[-1]))


def _marks(path: Path) -> dict[str, tuple[int, ...]]:
    found = {"": _mark(path.lstat())}
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            item = os.path.join(folder, name)  # noqa: PTH118 - a Path for each of a million files is slow
            with _mapped(os.fsencode(item)):
                found[item] = _mark(os.lstat(item))
    return found


# --------------------------------------------------------------------------- opening


def _resolved(path: Path | str) -> Path:
    with _mapped(os.fsencode(path)):
        return Path(path).resolve(strict=True)


@contextmanager
def _parent(real: Path) -> Iterator[int]:
    """The folder that holds a resolved path, reached part by part without following links."""
    folders = [os.fsencode(part) for part in real.parts[1:-1]]
    with _opened(real.anchor, None, b"/", _PASS_FOLDER) as root, _descended(folders, root) as parent:
        yield parent


@contextmanager
def _descended(folders: list[bytes], top: int) -> Iterator[int]:
    current = os.dup(top)
    try:
        for number, name in enumerate(folders):
            with _mapped(b"/".join(folders[: number + 1])):
                inner = os.open(name, _PASS_FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)


@contextmanager
def _opened(name: bytes | str | Path, parent: int | None, path: bytes, flags: int) -> Iterator[int]:
    with _mapped(path):
        file = os.open(name, flags, dir_fd=parent)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _opened_file(name: bytes, parent: int, path: bytes) -> Iterator[tuple[int, os.stat_result]]:
    """A regular file, open, and what it is; looked at before opening (devices act on it) and after (it is this one)."""
    _check_regular(_lstat(name, parent, path), path)
    with _opened(name, parent, path, _OPEN_FILE) as file:
        status = os.fstat(file)
        _check_regular(status, path)
        yield file, status


def _lstat(name: bytes, parent: int, path: bytes) -> os.stat_result:
    with _mapped(path):
        return os.lstat(name, dir_fd=parent)


_TYPES: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
}


def _check_regular(status: os.stat_result, path: bytes) -> None:
    if not stat.S_ISREG(status.st_mode):
        got = _TYPES.get(stat.S_IFMT(status.st_mode), "something else")
        raise InvalidData("cannot be fingerprinted", where=_shown(path), expected="a regular file", got=got)


def _mark(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_mode,
    )


def _check_same(before: os.stat_result, after: os.stat_result, count: int, path: bytes) -> None:
    if _mark(before) != _mark(after) or count != after.st_size:
        raise InvalidData("file changed while it was read", where=_shown(path), remedy=_RETRY)


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace").removesuffix("/")


@contextmanager
def _mapped(path: bytes) -> Iterator[None]:
    """What the operating system says, as an error of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("no such file or folder", where=_shown(path)) from error
    except PermissionError as error:
        raise InvalidData("may not be read", where=_shown(path), remedy="Check its permissions.") from error
    except (OSError, ValueError, RuntimeError) as error:
        code = getattr(error, "errno", None)
        got = "a symbolic link" if code in (errno.ELOOP, errno.ENOTDIR) else str(error)
        raise InvalidData("cannot be opened", where=_shown(path), got=got) from error

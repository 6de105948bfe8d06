"""The code: which commit, which bytes, what else lay in the working tree, who wrote it, whether a signature was good.

Git's ids rest on SHA-1, and unsigned commits prove nothing about their author, so more is recorded:

* ``content_sha256``: SHA-256 of the RFC 8785 JSON of the commit's files, an array sorted by the bytes of the path:
  ``{"mode", "path", "sha256"}`` with git's mode (``"100644"``, ``"100755"``, ``"120000"`` for a link, whose content is
  the text it points to) and the SHA-256 of the blob; ``{"commit", "mode", "path"}`` for a submodule (``"160000"``).
  Paths that are not UTF-8 in normal form C are ``{"bytes": base64}``. Commit, trees and blobs are hashed again: an
  object that is not what its id says is an error.
* ``dirty`` and ``patch_sha256``: the working tree against the commit, by content. The index, with its times and its
  files "assumed unchanged", is not believed. Filter drivers never run: a file that only a driver could turn back into
  its blob counts as changed, except for Git LFS, whose pointers name the SHA-256 of the file. Of submodules only the
  commit that is checked out is compared. The patch, of up to 4 MiB, is an erasable attachment; its digest is that of
  no bytes where nothing changed.
* ``untracked_sha256``: SHA-256 of the JSON of the files that are neither in the commit nor ignored (a new file that is
  staged is one of them, and makes the tree dirty): ``{"path", "sha256", "size"}``, above 256 MiB without ``sha256``,
  ``{"link", "path"}``, and ``{"path", "repository": true}`` for a repository inside. The listing is an erasable
  attachment.
* ``signature``: by ``git verify-commit``, with the keys and signers that the *user* trusts; a list of signers that the
  repository names for itself is not asked.
* ``authors``: the actors behind all authors, committers and co-authors in the history. Addresses that are nobody's are
  counted, never recorded. If the tree is dirty, whoever git says the user is wrote there too.

How git is kept from doing what a hostile repository wants stands in :mod:`tallystick.capture.repository`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from tallystick.canonical import Value, digest, encode, tagged
from tallystick.capture.captured import Captured, completed
from tallystick.capture.fingerprint import lines, name_value
from tallystick.capture.repository import LONG, Repository, opened
from tallystick.errors import InvalidData
from tallystick.records import Attachment, Personal, absent

__all__ = ["commit"]

_MAX_PATCH: Final = 4 * 1024 * 1024
_MAX_DIFF: Final = 1024 * 1024 * 1024
_MAX_LISTING: Final = 1024 * 1024
_MAX_HASHED: Final = 256 * 1024 * 1024
_MAX_UNTRACKED: Final = 100_000
_CHUNK: Final = 1024 * 1024
_NOBODY: Final[Mapping[str, str]] = {}


def commit(folder: Path | str, *, people: Mapping[str, str] = _NOBODY) -> Captured:
    """The record of the commit at HEAD and of the working tree around it, of kind ``commit``.

    Args:
        folder: the working tree, or a folder in it; all of the repository is recorded.
        people: e-mail addresses to the ids of actors. Names and addresses never enter the body; those of HEAD's author
            are returned as personal values.

    Raises:
        MissingProgram: git is not installed.
        NotFound: no such folder, or not in a repository.
        InvalidData: no commit yet, a damaged or incomplete object store, or files that changed while they were read.
    """
    with opened(folder) as repository:
        return _captured(repository, {address.strip().lower(): actor for address, actor in people.items()})


def _captured(repository: Repository, people: Mapping[str, str]) -> Captured:
    files = list(_files(repository))
    tree = repository.ask("rev-parse", f"{repository.head}^{{tree}}").output.decode().strip()
    content = digest(encode(_content(repository, tree, files)))
    work = _work(repository, files)
    remote = _remote(repository.own)
    observed: dict[str, Value] = {
        "repository": remote,
        "gitCommit": repository.head,
        "gitTree": tree,
        "content_sha256": content,
        "dirty": work.dirty,
        "patch_sha256": work.patch_sha256,
        "untracked_sha256": work.untracked_sha256,
        "untracked": work.untracked,
        "signature": _signature(repository),
        "authors": _authors(repository, people, dirty=work.dirty or work.untracked > 0),
    }
    if repository.branch:
        observed["ref"] = tagged(repository.branch)
    name = remote if isinstance(remote, str) else "repository"
    return Captured(
        body=completed("commit", observed, {}),
        attachments=work.attachments,
        personal=_personal(repository),
        subject=({"name": name, "digest": {"gitCommit": repository.head, "gitTree": tree}},),
    )


# --------------------------------------------------------------------------- the commit's content


@dataclass(frozen=True)
class _File:
    """An entry of the commit's tree."""

    mode: str
    id: str
    path: bytes

    @property
    def is_tree(self) -> bool:
        return self.mode == "040000"

    @property
    def is_submodule(self) -> bool:
        return self.mode == "160000"


def _files(repository: Repository) -> Iterator[_File]:
    answer = repository.ask("ls-tree", "-r", "-t", "-z", "--full-tree", repository.head)
    for line in answer.output.split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        mode, _, id = about.decode("ascii").split(" ")
        yield _File(mode, id, path)


def _content(repository: Repository, tree: str, files: list[_File]) -> list[Value]:
    listing: list[tuple[bytes, dict[str, Value]]] = []
    known: dict[str, str] = {}
    with repository.talking("cat-file", "--batch") as (to, out):
        for id in (repository.head, tree):
            _object(to, out, id, repository.hash)
        for file in files:
            if file.is_submodule:
                listing.append((file.path, {"mode": file.mode, "path": name_value(file.path), "commit": file.id}))
                continue
            if file.id not in known:
                known[file.id] = _object(to, out, file.id, repository.hash)
            if not file.is_tree:
                line = {"mode": file.mode, "path": name_value(file.path), "sha256": known[file.id]}
                listing.append((file.path, line))
    return [line for _, line in sorted(listing, key=lambda item: item[0])]


def _object(to: IO[bytes], out: IO[bytes], id: str, hash_name: str) -> str:
    """SHA-256 of an object's content, after its id was found to be the hash of it."""
    to.write(id.encode() + b"\n")
    to.flush()
    header = out.readline(4096).split()
    if len(header) != 3:
        raise InvalidData(
            "repository lacks an object of its commit",
            got=id,
            remedy="Fetch the whole repository (a partial clone does not do), or check it with git fsck.",
        )
    size = int(header[2])
    own = hashlib.new(hash_name, header[1] + b" " + header[2] + b"\0", usedforsecurity=False)
    plain = hashlib.sha256()
    for chunk in _chunks(out, size):
        own.update(chunk)
        plain.update(chunk)
    out.read(1)
    if own.hexdigest() != id:
        raise InvalidData("object is not what its id says", expected=id, got=own.hexdigest(), remedy="Run git fsck.")
    return plain.hexdigest()


def _chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        chunk = stream.read(min(size, _CHUNK))
        if not chunk:
            raise InvalidData("git stopped in the middle of an object")
        size -= len(chunk)
        yield chunk


# --------------------------------------------------------------------------- the working tree


@dataclass(frozen=True)
class _Work:
    """What lay in the working tree besides the commit."""

    dirty: bool
    patch_sha256: str
    untracked: int
    untracked_sha256: Value
    attachments: tuple[Attachment, ...]


def _work(repository: Repository, files: list[_File]) -> _Work:
    tracked = {file.path: file for file in files if not file.is_tree}
    staged, left_out = _index(repository, tracked)
    _build_index(repository, tracked, left_out)
    patch_sha256, patch = _patch(repository)
    new = {path for path in staged if os.path.lexists(_below(repository.top, path))}
    others = repository.ask(
        "ls-files", "--others", "--exclude-per-directory=.gitignore", "-z", *repository.ignored_by_users(), timeout=LONG
    )
    found = new | set(others.output.split(b"\0")[:-1])
    untracked_sha256, listing = _untracked(repository.top, found)
    return _Work(
        dirty=patch != b"" or bool(new),
        patch_sha256=patch_sha256,
        untracked=len(found),
        untracked_sha256=untracked_sha256,
        attachments=tuple(_attached(patch, listing)),
    )


def _attached(patch: bytes | None, listing: bytes) -> Iterator[Attachment]:
    if patch:
        yield Attachment.erasable("patch.diff", "text/x-diff", patch)
    if len(listing) > len("[]") and len(listing) <= _MAX_LISTING:
        yield Attachment.erasable("untracked.json", "application/json", listing)


def _index(repository: Repository, tracked: Mapping[bytes, _File]) -> tuple[set[bytes], set[bytes]]:
    """Paths that are staged but not in the commit, and paths that a sparse checkout leaves out."""
    answer = repository.at_the_door("ls-files", "-t", "-z")
    if answer.code != 0:
        raise InvalidData("index of the repository cannot be read", where=repository.top.name, got=answer.errors[:120])
    entries = [(line[:1], line[2:]) for line in answer.output.split(b"\0")[:-1]]
    new = {path for _, path in entries if path not in tracked}
    return new, {path for tag, path in entries if tag == b"S" and path in tracked}


def _build_index(repository: Repository, tracked: Mapping[bytes, _File], left_out: set[bytes]) -> None:
    """An index of our own: the commit's files, each to be compared by content unless it is known to be no change."""
    repository.ask("read-tree", repository.head)
    repository.ask("update-index", "-q", "--refresh", codes=(0, 1), timeout=LONG)
    changed = repository.ask("diff", *_DIFF, "--name-only", "-z", repository.head, "--", timeout=LONG).output
    same = [
        path
        for path in changed.split(b"\0")[:-1]
        if _is_left_out(repository.top, path, left_out) or _is_lfs(repository, tracked.get(path))
    ]
    if same:
        feed = b"\0".join(same) + b"\0"
        repository.ask("update-index", "--assume-unchanged", "-z", "--stdin", feed=feed)


_DIFF: Final = ("--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--ignore-submodules=dirty")


def _is_left_out(top: Path, path: bytes, left_out: set[bytes]) -> bool:
    return path in left_out and not os.path.lexists(_below(top, path))


_POINTER: Final = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize (\d+)\n"
)


def _is_lfs(repository: Repository, file: _File | None) -> bool:
    """Whether a file is what a Git LFS pointer in the commit stands for."""
    if file is None or not file.mode.startswith("100"):
        return False
    if int(repository.ask("cat-file", "-s", file.id).output) > 1024:
        return False
    pointer = _POINTER.fullmatch(repository.ask("cat-file", "blob", file.id).output)
    if pointer is None or not (repository.top / os.fsdecode(file.path)).is_file():
        return False
    (line,) = lines(repository.top, [file.path])
    return line.sha256 == pointer[1].decode() and line.size == int(pointer[2])


def _patch(repository: Repository) -> tuple[str, bytes | None]:
    """The digest of the patch, and the patch unless it is too long to keep."""
    whole, kept, size = hashlib.sha256(), bytearray(), 0
    options = ("--binary", "--full-index", "--src-prefix=a/", "--dst-prefix=b/")
    with repository.talking("diff", *_DIFF, *options, repository.head, "--") as (_, out):
        while chunk := out.read(_CHUNK):
            whole.update(chunk)
            size += len(chunk)
            if size > _MAX_DIFF:
                raise InvalidData("changes are too large to record", expected=f"up to {_MAX_DIFF:,} bytes of patch")
            if len(kept) <= _MAX_PATCH:
                kept += chunk
    return whole.hexdigest(), bytes(kept) if size <= _MAX_PATCH else None


def _untracked(top: Path, paths: set[bytes]) -> tuple[Value, bytes]:
    if len(paths) > _MAX_UNTRACKED:
        return absent(f"more than {_MAX_UNTRACKED:,} untracked files"), b""
    found: list[tuple[bytes, dict[str, Value]]] = []
    to_hash = []
    for path in paths:
        if path.endswith(b"/"):
            found.append((path, {"path": name_value(path), "repository": True}))
            continue
        size = _size(top, path)
        if size > _MAX_HASHED:
            found.append((path, {"path": name_value(path), "size": size}))
        else:
            to_hash.append(path)
    for path, line in zip(sorted(to_hash), lines(top, to_hash), strict=True):
        value = {key: item for key, item in line.value().items() if key != "tree"}
        found.append((path, value))
    listing = encode([value for _, value in sorted(found, key=lambda item: item[0])])
    return digest(listing), listing


def _size(top: Path, path: bytes) -> int:
    try:
        status = os.lstat(_below(top, path))
    except OSError as error:
        where = path.decode("utf-8", "backslashreplace")
        raise InvalidData("untracked file cannot be looked at", where=where, got=str(error.strerror)) from error
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _below(top: Path, path: bytes) -> bytes:
    return os.fsencode(top) + b"/" + path


# --------------------------------------------------------------------------- people


_LOG: Final = "--format=%ae%n%ce%n%(trailers:key=Co-authored-by,valueonly,separator=%x0A)"
_ADDRESS: Final = re.compile(r"<([^<>\s]+@[^<>\s]+)>\s*$")


def _authors(repository: Repository, people: Mapping[str, str], *, dirty: bool) -> dict[str, Value]:
    addresses = set(_addresses(repository))
    user = repository.own.get("user.email", "").strip().lower()
    if dirty and user:
        addresses.add(user)
    return {
        "actors": sorted({people[address] for address in addresses if address in people}),
        "unmapped": sum(address not in people for address in addresses),
        "complete": not repository.shallow,
    }


def _addresses(repository: Repository) -> Iterator[str]:
    options = ("-z", "--no-show-signature", "--no-notes", "--no-mailmap", _LOG)
    with repository.talking("log", *options, repository.head) as (_, out):
        for record in _records(out):
            author, committer, *others = record.decode("utf-8", "backslashreplace").split("\n")
            yield from (address for address in (author.strip().lower(), committer.strip().lower()) if address)
            for other in others:
                match = _ADDRESS.search(other)
                if match:
                    yield match[1].lower()


def _records(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from (record for record in whole if record)
    if rest:
        yield rest


def _personal(repository: Repository) -> tuple[Personal, ...]:
    answer = repository.ask("log", "-1", "--no-show-signature", "--no-mailmap", "--format=%an%x00%ae", repository.head)
    name, _, address = answer.output.decode("utf-8", "backslashreplace").strip("\n").partition("\0")
    return (Personal("author_name", str(tagged(name))), Personal("author_email", str(tagged(address))))


# --------------------------------------------------------------------------- the signature


def _signature(repository: Repository) -> dict[str, Value]:
    """One of none, good, bad, unknown-key, error; ``detail`` is gpg's word where there is one."""
    raw = repository.ask("cat-file", "commit", repository.head).output
    verified_by = {"verified_by": "git verify-commit"}
    if not re.search(rb"^gpgsig(-sha256)? ", raw.partition(b"\n\n")[0], re.MULTILINE):
        return {"status": "none"} | verified_by
    trust = [part for key, value in _trusted(repository).items() for part in ("-c", f"{key}={value}")]
    answer = repository.ask(
        *trust, "verify-commit", "--raw", repository.head, codes=range(256), extra=_keyring(repository)
    )
    status, detail = _judged(answer.code, answer.errors + answer.output.decode("utf-8", "backslashreplace"))
    return {"status": status} | ({"detail": detail} if detail else {}) | verified_by


def _trusted(repository: Repository) -> dict[str, str]:
    """Programs and signers as the user has them, or git's own; never the repository's."""
    users = repository.users
    programs = {
        "gpg.program": "gpg",
        "gpg.openpgp.program": "",
        "gpg.x509.program": "gpgsm",
        "gpg.ssh.program": "ssh-keygen",
    }
    chosen = {key: users.get(key) or own for key, own in programs.items()}
    chosen["gpg.openpgp.program"] = chosen["gpg.openpgp.program"] or chosen["gpg.program"]
    for key in ("gpg.ssh.allowedsignersfile", "gpg.ssh.revocationfile"):
        file = Path(users.get(key, "")).expanduser()
        if users.get(key) and file.is_absolute():
            chosen[key] = str(file)
    if users.get("gpg.mintrustlevel"):
        chosen["gpg.mintrustlevel"] = users["gpg.mintrustlevel"]
    return chosen


def _keyring(repository: Repository) -> dict[str, str]:
    home = Path(os.environ.get("GNUPGHOME") or Path("~/.gnupg").expanduser())
    return {"GNUPGHOME": str(home if home.is_dir() else repository.room / "gnupg")}


_GPG: Final = {
    "BADSIG": "bad",
    "REVKEYSIG": "bad",
    "EXPSIG": "bad",
    "EXPKEYSIG": "bad",
    "NO_PUBKEY": "unknown-key",
    "ERRSIG": "error",
}


def _judged(code: int, text: str) -> tuple[str, str]:
    """The status that exit code and status lines speak of. Only exit code 0 with a good signature line is good."""
    for word, status in _GPG.items():
        if re.search(rf"^\[GNUPG:\] {word}\b", text, re.MULTILINE):
            return status, word
    good = re.search(r"^\[GNUPG:\] GOODSIG\b", text, re.MULTILINE) or re.search(
        r'^Good "git" signature', text, re.MULTILINE
    )
    if code == 0:
        return ("good", "") if good else ("error", "")
    if good or "No principal matched" in text or "allowedSignersFile needs to be configured" in text:
        return "unknown-key", ""
    if "incorrect signature" in text or "Signature verification failed" in text:
        return "bad", ""
    return "error", ""


# --------------------------------------------------------------------------- the remote


_TOKEN: Final = re.compile(r"(gh[a-z]_|github_pat_|glpat-|gl[a-z]{2,4}-|xox[a-z]-|AKIA)[A-Za-z0-9_-]{8,}")
_HOST: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
_PATH: Final = re.compile(r"[A-Za-z0-9._~/+%-]*")
_SHORT: Final = re.compile(r"(?:[^@/:]*@)?([A-Za-z0-9._-]{2,}):([^:].*)", re.DOTALL)
_SCHEMES: Final = frozenset({"https", "http", "ssh", "git", "git+ssh", "ssh+git"})


def _remote(own: Mapping[str, str]) -> Value:
    """The address of the remote, without anything that could be a secret or a person; built up from what is allowed.

    ``origin`` is taken if there is one, else the first remote by name. User names, passwords, queries, fragments and
    tokens are left out, and an address that is anything but scheme, host, port and path is not recorded at all.
    """
    urls = {key: value for key, value in own.items() if key.startswith("remote.") and key.endswith(".url")}
    if not urls:
        return absent("no remote")
    url = urls.get("remote.origin.url") or urls[min(urls)]
    return tagged(_stripped(url)) if _stripped(url) else absent("remote is not the address of a server")


def _stripped(url: str) -> str | None:
    short = _SHORT.fullmatch(url)
    if short and "://" not in url:
        scheme, host, path = "ssh", short[1], "/" + short[2].lstrip("/")
    else:
        try:
            parts = urlsplit(url)
        except ValueError:
            return None
        scheme, host, path = parts.scheme.lower(), parts.netloc.rpartition("@")[2], parts.path
    if scheme not in _SCHEMES or not _HOST.fullmatch(host) or not _PATH.fullmatch(path) or _TOKEN.search(host + path):
        return None
    return f"{scheme}://{host}{path}"

"""Signers from key files: PKCS#8 PEM, mode 0600, encrypted where a passphrase was chosen.

A key file that others can read, or that lies in a folder anybody can write to, is refused. A passphrase comes from
a function, never from arguments or the environment. Beside each private key lies its public half, `LABEL.pub`, so
that recording, which needs no signature, can name its actor without unlocking anything.

Tokens and key stores will be further makers of :class:`tallystick.proof.keys.Signer`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tallystick.errors import KeyUnavailable, Malformed, Refused, UsageError
from tallystick.proof.keys import PublicKey, Signer

__all__ = [
    "LEDGER_KEY",
    "SEAL_KEY",
    "Passphrase",
    "PrivateKey",
    "complete_key",
    "discard_key",
    "for_documents",
    "is_locked",
    "labels",
    "load_private",
    "load_public",
    "load_signer",
    "make_key",
    "read_passphrase",
]

Passphrase = Callable[[Path], bytes | None]
"""Asked for the passphrase of an encrypted key file; None if nobody can give one."""

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

LEDGER_KEY: Final = "ledger"
SEAL_KEY: Final = "seal"
_LOCKED: Final = b"ENCRYPTED"
"""Stands in the first line of a PEM file that a passphrase protects."""
_OWN: Final = frozenset({LEDGER_KEY, SEAL_KEY})


def make_key(folder: Path, label: str, algorithm: str, *, passphrase: bytes | None = None) -> PrivateKey:
    """Generate a key and write it to ``folder/label.pem`` (0600) and its public half to ``folder/label.pub``.

    Raises:
        Refused: a key of that label is there; nothing is overwritten.
        KeyUnavailable: the folder cannot be written, or others can write to it.
    """
    private = _generate(algorithm)
    locked: KeySerializationEncryption = NoEncryption() if passphrase is None else _encryption(passphrase)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_open_folder(folder)
        _write_new(folder / f"{label}.pem", pem)
        _write_public(folder / f"{label}.pub", private)
    except FileExistsError as error:
        raise Refused(
            "a key of this label is there",
            where=str(error.filename),
            remedy="Choose another label; keys are never overwritten.",
        ) from error
    except OSError as error:
        raise KeyUnavailable("key cannot be written", where=str(folder), got=error.strerror) from error
    return private


def complete_key(path: Path, private: PrivateKey) -> None:
    """Write the public half that should lie beside a private key, if a crash left none.

    Raises:
        KeyUnavailable: the folder cannot be written.
    """
    try:
        if not path.with_suffix(".pub").exists():
            _write_public(path.with_suffix(".pub"), private)
    except OSError as error:
        raise KeyUnavailable("key cannot be written", where=str(path.parent), got=error.strerror) from error


def discard_key(folder: Path, label: str) -> None:
    """Remove a key that signed nothing which is kept."""
    for ending in ("pem", "pub"):
        (folder / f"{label}.{ending}").unlink(missing_ok=True)


def _write_public(path: Path, private: PrivateKey) -> None:
    _write_new(path, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _encryption(passphrase: bytes) -> KeySerializationEncryption:
    if not passphrase:
        raise KeyUnavailable("an empty passphrase protects nothing")
    return BestAvailableEncryption(passphrase)


def _generate(algorithm: str) -> PrivateKey:
    if algorithm == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    raise UsageError("no such key algorithm", got=algorithm, expected="ed25519 or ecdsa-p256")


def _write_new(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # half a key would stand in the way of the whole one
        raise


def load_signer(path: Path, *, passphrase: Passphrase) -> Signer:
    """The signer of a key file.

    Raises:
        KeyUnavailable: missing, readable by others, locked by another passphrase, or not a private key.
    """
    return Signer(load_private(path, passphrase=passphrase))


def load_private(path: Path, *, passphrase: Passphrase) -> PrivateKey:
    """The private key itself, for libraries that sign with it; errors as :func:`load_signer`."""
    pem = _read_private(path)
    try:
        secret = passphrase(path) if _LOCKED in pem else None
        private = load_pem_private_key(pem, secret)
    except TypeError as error:
        raise KeyUnavailable(
            "key file is locked and no passphrase was given",
            where=str(path),
            remedy="Name a file with --passphrase-file.",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        what = "passphrase is wrong" if _LOCKED in pem else "file holds no usable private key"
        raise KeyUnavailable(what, where=str(path), expected="a PKCS#8 PEM private key") from error
    if not isinstance(private, PrivateKey):
        raise KeyUnavailable("key is of an algorithm that is not used", where=str(path), expected="Ed25519 or P-256")
    return private


def is_locked(path: Path) -> bool:
    """Whether a key file is encrypted; errors as :func:`load_signer`."""
    return _LOCKED in _read_private(path)


def for_documents(private: PrivateKey, where: Path) -> ec.EllipticCurvePrivateKey:
    """The key as one that PDF readers accept a signature of: P-256; they reject Ed25519.

    Raises:
        KeyUnavailable: it is of another algorithm.
    """
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise KeyUnavailable("key cannot seal documents", where=str(where), expected="P-256", got="Ed25519")
    return private


def _read_private(path: Path) -> bytes:
    try:
        _refuse_open_folder(path.parent)
        _refuse_open_folder(path.resolve().parent)
        return _read_secret(path)
    except FileNotFoundError as error:
        if path.with_suffix(".pub").exists():
            raise KeyUnavailable(
                "only the public half of this key is here",
                where=str(path),
                remedy="Signing needs the private key: let its owner do it, or name its folder with --keys.",
            ) from error
        known = ", ".join(labels(path.parent)) or "none"
        raise KeyUnavailable("no such key file", where=str(path), expected=f"one of the keys there: {known}") from error
    except OSError as error:
        raise KeyUnavailable("key file cannot be read", where=str(path), got=error.strerror) from error


def read_passphrase(path: Path) -> bytes:
    """The first line of a passphrase file.

    Raises:
        KeyUnavailable: missing, readable by others, or the line is empty: that would be no passphrase at all.
    """
    try:
        secret = _read_secret(path).split(b"\n", 1)[0].removesuffix(b"\r")
    except OSError as error:
        raise KeyUnavailable("passphrase file cannot be read", where=str(path), got=error.strerror) from error
    if not secret:
        raise KeyUnavailable("first line of the passphrase file is empty", where=str(path))
    return secret


def _read_secret(path: Path) -> bytes:
    """The bytes of a file that nobody else can read, from the handle that was looked at; never from a pipe."""
    with open(path, "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise KeyUnavailable("not a file", where=str(path), expected="a regular file")
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077 or not _is_ours(found):
            raise KeyUnavailable(
                "others can read this file, which holds a secret",
                where=str(path),
                expected="your own file of mode 0600",
                got=f"mode {mode:04o}, owner {found.st_uid}",
                remedy=f"chmod 600 {path}, and think about who may have read it.",
            )
        return file.read(65_536)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _is_ours(found: os.stat_result) -> bool:
    """Whoever owns a file or folder can open it to others, or put another in its place."""
    return os.geteuid() == 0 or found.st_uid in (os.geteuid(), 0)


def _refuse_open_folder(folder: Path) -> None:
    found = folder.stat()
    if found.st_mode & stat.S_IWOTH:
        raise KeyUnavailable(
            "anybody can write to the folder of this key", where=str(folder), remedy=f"chmod 700 {folder}"
        )
    if not _is_ours(found):
        raise KeyUnavailable(
            "the folder of this key is another user's",
            where=str(folder),
            got=f"owner {found.st_uid}",
            remedy="Name a folder of your own with --keys.",
        )


def load_public(path: Path) -> PublicKey:
    """The public half, from the ``.pub`` file beside a private key.

    Raises:
        KeyUnavailable: missing or not a public key of an algorithm we know.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            key = load_pem_public_key(file.read(65_536))
        return PublicKey.from_spki(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    except FileNotFoundError as error:
        known = ", ".join(labels(path.parent)) or "none"
        raise KeyUnavailable("no such key", where=str(path), expected=f"one of the keys there: {known}") from error
    except (OSError, ValueError, UnsupportedAlgorithm, Malformed) as error:
        raise KeyUnavailable("file holds no usable public key", where=str(path)) from error


def labels(folder: Path) -> list[str]:
    """Labels of the people's keys in a folder, the ledger's own keys left out."""
    return sorted(path.stem for path in folder.glob("*.pub") if path.stem not in _OWN)

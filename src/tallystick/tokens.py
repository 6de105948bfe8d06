"""The report seal in a hardware token, or anything that speaks PKCS #11: its private key never leaves it.

A key is named by a ``pkcs11:`` URI (RFC 7512)::

    pkcs11:token=seals;object=report-seal?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/secrets/pin

The PIN comes from the file in the URI, which nobody else may read, or is asked for as a passphrase is; it never stands
in the URI. The library that speaks to the token is loaded into this process. Needs the extra ``pkcs11``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tallystick.errors import InvalidInput, KeyUnavailable, MissingProgram, UsageError
from tallystick.signing import read_passphrase

__all__ = ["Place", "seal_key"]

_PATH: Final = {"token", "object", "id"}
_QUERY: Final = {"module-path", "pin-source"}


@dataclass(frozen=True)
class Place:
    """Where a key is."""

    module: Path
    token: str
    label: str | None
    id: bytes | None
    pin_file: Path | None = field(repr=False)

    @classmethod
    def parse(cls, uri: str) -> Place:
        """Read a URI.

        Raises:
            InvalidInput: not a ``pkcs11:`` URI, or one that names no token, key or module, or holds a PIN.
        """
        parts = urlsplit(uri)
        path, query = _pairs(parts.path, ";"), _pairs(parts.query, "&")
        if "pin-value" in query or "pin-value" in path:
            raise InvalidInput("a PIN does not stand in a URI", remedy="Name a file of your own with pin-source=file:.")
        strange = (path.keys() - _PATH) | (query.keys() - _QUERY)
        if parts.scheme != "pkcs11" or strange or not path.keys() & {"object", "id"} or "token" not in path:
            raise InvalidInput(
                "not the URI of a key in a token",
                expected="pkcs11:token=TOKEN;object=LABEL?module-path=FILE&pin-source=file:FILE",
                got=", ".join(sorted(strange)) or None,
            )
        if "module-path" not in query:
            raise InvalidInput("URI names no library of the token", expected="?module-path=FILE")
        pin = query.get("pin-source")
        return cls(
            module=Path(query["module-path"]),
            token=path["token"],
            label=path.get("object"),
            id=path["id"].encode("latin-1") if "id" in path else None,
            pin_file=None if pin is None else Path(pin.removeprefix("file:")),
        )


def _pairs(text: str, between: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split(between)):
        name, equals, value = part.partition("=")
        if not equals or name in found:
            raise InvalidInput("not the URI of a key in a token", expected="names and values, each name once")
        found[name] = unquote(value, encoding="latin-1" if name == "id" else "utf-8")
    return found


def seal_key(uri: str, *, pin: Callable[[], bytes | None]) -> ec.EllipticCurvePrivateKey:
    """The key that a URI names; it signs in the token.

    Args:
        pin: asked for the PIN where the URI names no file of it.

    Raises:
        InvalidInput: a URI that cannot be used.
        KeyUnavailable: no such token or key, a wrong PIN, or a key that is not on P-256.
        MissingProgram: the extra ``pkcs11`` is not installed, or the library of the token cannot be loaded.
    """
    place = Place.parse(uri)
    try:
        import pkcs11
    except ImportError as error:
        raise MissingProgram(
            "tokens need the extra pkcs11", remedy="Install it with: pip install 'tallystick[pkcs11]'"
        ) from error
    secret = pin() if place.pin_file is None else read_passphrase(place.pin_file)
    if secret is None:
        raise KeyUnavailable("no PIN was given", where=place.token, remedy="Add pin-source=file:FILE to the URI.")
    try:
        session = _session(pkcs11, _library(pkcs11, place).get_token(token_label=place.token), secret.decode())
        words = {"object_class": pkcs11.ObjectClass.PRIVATE_KEY, "label": place.label, "id": place.id}
        private = session.get_key(**words)
        public = session.get_key(**(words | {"object_class": pkcs11.ObjectClass.PUBLIC_KEY}))
        return TokenKey(pkcs11, private, _public(public))
    except (pkcs11.PKCS11Error, ValueError) as error:
        # The text of these errors names what is missing, never the PIN.
        raise KeyUnavailable(
            "key in the token cannot be used", where=place.token, got=f"{type(error).__name__}: {error}"[:120]
        ) from error


def _library(pkcs11: Any, place: Place) -> Any:
    try:
        return pkcs11.lib(str(place.module))
    except (RuntimeError, pkcs11.PKCS11Error) as error:
        raise MissingProgram("library of the token cannot be loaded", where=str(place.module)) from error


def _session(pkcs11: Any, token: Any, pin: str) -> Any:
    """A session that may sign; whoever logs in does so for all sessions of the process (PKCS #11, 6.7.4)."""
    try:
        return token.open(user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open()


def _public(found: Any) -> ec.EllipticCurvePublicKey:
    from pkcs11.util.ec import encode_ec_public_key

    key = serialization.load_der_public_key(encode_ec_public_key(found))
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyUnavailable("key in the token cannot seal documents", expected="P-256")
    return key


class TokenKey(ec.EllipticCurvePrivateKey):
    """A private key that stays where it is: it signs, and shows its public half."""

    def __init__(self, pkcs11: Any, private: Any, public: ec.EllipticCurvePublicKey) -> None:
        self._mechanism = pkcs11.Mechanism.ECDSA
        self._private = private
        self._public = public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA with SHA-256; the token draws the nonce, whatever is asked, so two signatures differ."""
        if not isinstance(signature_algorithm, ec.ECDSA) or not isinstance(
            signature_algorithm.algorithm, hashes.SHA256
        ):
            raise UsageError("a token signs with SHA-256")
        digest = hashes.Hash(hashes.SHA256())
        digest.update(data)
        raw = self._private.sign(digest.finalize(), mechanism=self._mechanism)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @cached_property
    def key_size(self) -> int:
        return self._public.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:  # noqa: ARG002
        self._stays()

    def private_numbers(self) -> NoReturn:
        self._stays()

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        self._stays()

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> TokenKey:
        return self

    def _stays(self) -> NoReturn:
        raise UsageError("the key of a token signs, and nothing else")

"""Public keys and signers: two algorithms, one spelling for each key, one rule for what verifies.

Rules:

* A :class:`PublicKey` that exists is usable. Its bytes are the one DER SubjectPublicKeyInfo that RFC 8410 (Ed25519)
  or RFC 5480 (P-256, uncompressed point) gives it, so a key has one fingerprint.
* Ed25519 public keys that are not canonical (RFC 8032, section 5.1.3: y < p, no negative zero) or of small order
  ([8]A is the neutral element: the check of libsodium and of ZIP 215's discussion) are refused. OpenSSL takes both;
  a small-order key "signs" almost any message, and honest verifiers disagree about it.
* ECDSA signatures are over SHA-256, in strict DER. The algorithm belongs to the key, never to the message.

Where keys are kept, and who may sign what, is the business of others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tallystick.canonical import b64, digest
from tallystick.errors import InvalidInput, Malformed

__all__ = ["ECDSA_P256", "ED25519", "PublicKey", "Signer"]

ED25519: Final = "ed25519"
ECDSA_P256: Final = "ecdsa-p256"

_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""DER up to the 32 bytes of the key: RFC 8410, section 4."""
_P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""DER up to the 64 bytes of the point, the mark for "uncompressed" included: RFC 5480, section 2."""
_LENGTHS: Mapping[str, tuple[bytes, int]] = MappingProxyType(
    {ED25519: (_ED25519_SPKI, 32), ECDSA_P256: (_P256_SPKI, 64)}
)


@dataclass(frozen=True)
class PublicKey:
    """A public key that may be verified with.

    Raises:
        Malformed: an algorithm that is not used, bytes that are not the one spelling of a key, a point that is
            not on its curve, or an Ed25519 point that is not canonical or of small order.
    """

    algorithm: str
    """``ed25519`` or ``ecdsa-p256``."""
    spki: bytes
    """DER SubjectPublicKeyInfo."""

    def __post_init__(self) -> None:
        _usable(self.algorithm, self.spki)

    @classmethod
    def from_spki(cls, der: bytes) -> PublicKey:
        """The key that a DER SubjectPublicKeyInfo spells."""
        for algorithm, (prefix, _) in _LENGTHS.items():
            if der.startswith(prefix):
                return cls(algorithm, bytes(der))
        raise Malformed("not the DER SubjectPublicKeyInfo of a key that is used", expected=" or ".join(_LENGTHS))

    @classmethod
    def from_ed25519(cls, raw: bytes) -> PublicKey:
        """The Ed25519 key of 32 bytes as RFC 8032 writes it."""
        return cls(ED25519, _ED25519_SPKI + bytes(raw))

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key."""
        if self.algorithm != ED25519:
            raise InvalidInput("only Ed25519 keys have a raw form", got=self.algorithm)
        return self.spki[len(_ED25519_SPKI) :]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, in lower-case hex."""
        return digest(self.spki)

    @property
    def pem(self) -> str:
        """The PEM form that openssl reads."""
        text = b64(self.spki)
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the holder of the private half signed exactly these bytes."""
        key = _usable(self.algorithm, self.spki)
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            else:
                key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def _usable(algorithm: str, spki: bytes) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    """The key in the library's form, once every rule above holds.

    Remembered: the rules cost more than a signature, and a ledger asks for the same few keys again and again.
    """
    prefix, length = _LENGTHS.get(algorithm, (b"", -1))
    if length < 0:
        raise Malformed("key is of an algorithm that is not used", expected=" or ".join(_LENGTHS), got=algorithm)
    if len(spki) != len(prefix) + length or not spki.startswith(prefix):
        raise Malformed(f"not the DER SubjectPublicKeyInfo of an {algorithm} key")
    if algorithm == ECDSA_P256:
        return _load_p256(spki)
    raw = spki[len(prefix) :]
    _check_ed25519(raw)
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def _load_p256(spki: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), spki[len(_P256_SPKI) - 1 :])
    except ValueError as error:
        raise Malformed("the point of a P-256 key is not on the curve") from error


# ------------------------------------------------------------------ Ed25519 points (RFC 8032, section 5.1)

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_MINUS_ONE = pow(2, (_P - 1) // 4, _P)


def _check_ed25519(raw: bytes) -> None:
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    negative = raw[31] >> 7
    if y >= _P:
        raise Malformed("Ed25519 key is not canonical", expected="y below 2^255-19")
    x = _root_of_x_squared(y)
    if x is None:
        raise Malformed("Ed25519 key is not a point of the curve")
    if x == 0 and negative:
        raise Malformed("Ed25519 key is not canonical", expected="x = 0 without a sign")
    if _is_small_order(x, y):
        raise Malformed("Ed25519 key is of small order", remedy="Nobody holds such a key; make a new one.")


def _root_of_x_squared(y: int) -> int | None:
    """A root of (y^2 - 1) / (d y^2 + 1), steps 2 and 3 of RFC 8032 section 5.1.3; its sign does not matter here."""
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == u:
        return x
    return x * _SQRT_MINUS_ONE % _P if v * x * x % _P == -u % _P else None


def _is_small_order(x: int, y: int) -> bool:
    """Whether [8]P is (0, 1). -P has the order of P, so either root does."""
    z = 1
    for _ in range(3):
        x, y, z = _double(x, y, z)
    return x == 0 and y == z


def _double(x: int, y: int, z: int) -> tuple[int, int, int]:
    """[2]P in projective coordinates, for -x^2 + y^2 = 1 + d x^2 y^2 (Bernstein et al. 2008, section 6, a = -1)."""
    b, c, d = (x + y) ** 2 % _P, x * x % _P, y * y % _P
    f = (d - c) % _P
    j = (f - 2 * z * z) % _P
    return (b - c - d) * j % _P, f * (-c - d) % _P, f * j % _P


# ------------------------------------------------------------------ signers


class Signer:
    """Somebody who can sign: a private key in memory and its public half.

    Signatures are deterministic (RFC 8032; RFC 6979 for P-256), so the same bytes yield the same signature.
    """

    def __init__(self, private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        if not isinstance(private, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
            raise InvalidInput("private key is of an algorithm that is not used", got=type(private).__name__)
        self._sign = _signing(private)
        spki = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public: Final = PublicKey.from_spki(spki)

    def __repr__(self) -> str:
        return f"Signer({self.public.algorithm} {self.public.fingerprint[:16]})"

    @classmethod
    def generate(cls, algorithm: str) -> Signer:
        """A new key of the system's randomness."""
        if algorithm == ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        if algorithm == ECDSA_P256:
            return cls(ec.generate_private_key(ec.SECP256R1()))
        raise InvalidInput("key algorithm is not used", expected=" or ".join(_LENGTHS), got=algorithm)

    def sign(self, message: bytes) -> bytes:
        """The signature: 64 bytes for Ed25519, DER for P-256."""
        return self._sign(message)


def _signing(private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    return lambda message: private.sign(message, algorithm)

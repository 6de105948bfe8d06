"""A certification authority and a time-stamping authority of the test's own; `openssl ts` answers its requests."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

__all__ = ["START", "Authority", "Tsa", "authority", "stamping", "usage"]

START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
END = START + timedelta(days=3650)

_CONFIG = """\
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/chain.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512, sha1
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = {digest}
"""


def usage(*names: str) -> x509.KeyUsage:
    known = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in names for name in known})


@dataclass(frozen=True)
class Authority:
    """A root of its own, which certifies whatever it is asked to."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def certify(self, public, name: str, *extensions, start=START, end=END) -> x509.Certificate:
        """Each extension is a pair: value, and whether it is critical."""
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        number = x509.random_serial_number()
        builder = x509.CertificateBuilder(self.certificate.subject, subject, public, number, start, end)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        for value, critical in (*extensions, (above, False), (own, False)):
            builder = builder.add_extension(value, critical)
        return builder.sign(self.key, hashes.SHA256())

    def revoke(self, certificate: x509.Certificate, at: datetime, reason: x509.ReasonFlags | None = None) -> bytes:
        """A list of revocations with this one, in DER."""
        line = x509.RevokedCertificateBuilder(certificate.serial_number, at)
        return self.lists(line if reason is None else line.add_extension(x509.CRLReason(reason), False))

    def lists(self, *lines: x509.RevokedCertificateBuilder, start=START, end=END, extensions=()) -> bytes:
        """A list of revocations, in DER. Each extension is a pair: value, and whether it is critical."""
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, start, end)
        for line in lines:
            builder = builder.add_revoked_certificate(line.build())
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


@functools.cache
def authority(name: str = "Root of the test", kind: str = "ec", bits: int = 3072) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), START, END)
    for value, critical in (
        (x509.BasicConstraints(True, None), True),
        (usage("key_cert_sign", "crl_sign"), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ):
        builder = builder.add_extension(value, critical)
    return Authority(builder.sign(key, hashes.SHA256()), key)


@dataclass(frozen=True)
class Tsa:
    """A time-stamping authority in a folder."""

    folder: Path
    root: Authority
    certificate: x509.Certificate

    @property
    def command(self) -> str:
        config = self.folder / "tsa.cnf"
        return f"openssl ts -reply -config {config} -queryfile {{request}} -out {{response}}"

    @property
    def roots(self) -> Path:
        return self.folder / "root.pem"

    def answer(self, request: bytes) -> bytes:
        question, reply = self.folder / "q.tsq", self.folder / "r.tsr"
        question.write_bytes(request)
        words = self.command.format(request=question, response=reply).split()
        subprocess.run(words, check=True, capture_output=True)
        return reply.read_bytes()

    def stamp(self, data: bytes, algorithm: str = "sha256") -> bytes:
        """An answer over data, asked for by OpenSSL too."""
        file, question = self.folder / "data", self.folder / "asked.tsq"
        file.write_bytes(data)
        words = ["openssl", "ts", "-query", "-data", file, f"-{algorithm}", "-cert", "-out", question]
        subprocess.run([str(word) for word in words], check=True, capture_output=True)
        return self.answer(question.read_bytes())


TIME_STAMPING = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)


@functools.cache
def _folder() -> Path:
    """Of this process, and gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="tsa-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def stamping(
    name: str = "Time of the test",
    *,
    extensions: Callable[[], tuple] | None = None,
    start: datetime = START,
    end: datetime = END,
    digest: str = "sha256",
    root: Authority | None = None,
) -> Tsa:
    """An authority with a P-256 key; with other extensions than it ought to have, if asked."""
    root = root or authority()
    folder = Path(tempfile.mkdtemp(dir=_folder()))
    key = ec.generate_private_key(ec.SECP256R1())
    given = (TIME_STAMPING, (usage("digital_signature"), True)) if extensions is None else extensions()
    certificate = root.certify(
        key.public_key(), name, (x509.BasicConstraints(False, None), True), *given, start=start, end=end
    )
    (folder / "tsa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "tsa.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "chain.pem").write_bytes(root.pem)
    (folder / "root.pem").write_bytes(root.pem)
    (folder / "serial").write_text("01")
    (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder, digest=digest))
    return Tsa(folder, root, certificate)

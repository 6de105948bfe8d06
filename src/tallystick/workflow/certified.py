"""The certificate of the report seal: made by the ledger itself, or by an authority of the organisation.

A certificate is registered as the seal was: by an entry that the seal's key and the ledger's key sign. The newest one
seals. The ledger has no record of revocation: what an authority revokes stands in its own lists.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tallystick import signing
from tallystick.canonical import Value, digest
from tallystick.errors import InvalidInput, Malformed, NotFound, Refused
from tallystick.ledger.ledger import Appended, Ledger
from tallystick.people.keys import KeyRing
from tallystick.proof import certificates
from tallystick.proof.verify import SEAL
from tallystick.records import Attachment, Entry
from tallystick.report import seal as seals
from tallystick.workflow import setup
from tallystick.workflow.desk import Desk

__all__ = ["CHAIN", "Certified", "chain", "current", "install", "request", "self_made"]

CHAIN: Final = "chain.pem"
"""Name of the attachment with the certificates that lead from the seal's to an authority."""
_CHAIN_TYPE: Final = "application/pem-certificate-chain"


@dataclass(frozen=True)
class Certified:
    """The certificate that reports are sealed with."""

    entry: Entry
    certificate: bytes
    """DER."""

    @classmethod
    def of(cls, entry: Entry) -> Certified:
        """The certificate in a registration of the seal."""
        return cls(entry, base64.b64decode(entry.body["certificate"]))

    @property
    def self_made(self) -> bool:
        return certificates.subject(self.certificate) == certificates.issuer(self.certificate)

    @property
    def authority(self) -> str | None:
        """Who certified the seal, as the certificate names it; None where the ledger made it itself."""
        return None if self.self_made else certificates.issuer(self.certificate)

    def value(self) -> dict[str, Value]:
        """The one JSON form."""
        first, last = certificates.years(self.certificate)
        return {
            "entry": self.entry.seq,
            "subject": certificates.subject(self.certificate),
            "issuer": certificates.issuer(self.certificate),
            "valid_from": first.isoformat(),
            "valid_until": last.isoformat(),
            "sha256": digest(self.certificate),
            "self_made": self.self_made,
        }

    def lines(self) -> dict[str, str]:
        """Names and values, for people."""
        value = self.value()
        worth = SEAL if self.self_made else "Not a qualified signature."
        return {
            "subject": value["subject"],
            "issuer": "itself" if self.self_made else value["issuer"],
            "valid": f"{value['valid_from'][:10]} to {value['valid_until'][:10]}",
            "SHA-256": value["sha256"],
            "registered": f"entry {value['entry']}",
            "worth": worth,
        }


def current(desk: Desk) -> Certified:
    """The certificate of the newest registration of the seal.

    Raises:
        NotFound: the ledger has no report seal.
    """
    entry = KeyRing.of(desk.book()).seal
    if entry is None:
        raise NotFound("the ledger has no report seal")
    return Certified.of(entry)


def chain(ledger: Ledger, seal: Entry) -> tuple[bytes, ...]:
    """The certificates that were registered with the seal's, DER."""
    data = ledger.part(seal, CHAIN) if any(line["name"] == CHAIN for line in seal.attachments) else None
    return () if data is None else certificates.read_pem(data, where=CHAIN)[0]


def request(desk: Desk, *, name: str | None = None, organisation: str | None = None) -> bytes:
    """A request for a certificate of the seal's key, in PEM, to send to an authority (PKCS #10)."""
    common = name or f"tallystick report seal of {desk.origin}"[:64]
    return seals.request(desk.seal_key(), common_name=common, organisation=organisation)


def self_made(desk: Desk) -> Appended:
    """Make a new certificate for the seal's key and register it: for a key in a token, or when the years run out.

    It vouches for nobody, and says so.
    """
    key = desk.seal_key()
    return _registered(desk, setup.seal_certificate(key, desk.origin), ())


def install(desk: Desk, certificate: bytes, roots: bytes) -> Appended:
    """Register a certificate that an authority made for the seal's key.

    Args:
        certificate: PEM.
        roots: the certificates that lead from it to the authority, and the authority's, in PEM.

    Raises:
        InvalidInput: no certificate, or not one.
        Refused: it is for another key, not valid now, an authority's, for another use, or does not lead there.
    """
    found, _ = certificates.read_pem(certificate, where="certificate")
    above, _ = certificates.read_pem(roots, where="chain")
    if len(found) != 1:
        raise InvalidInput(
            "file does not hold one certificate", got=str(len(found)), remedy="Put the rest into --chain."
        )
    if certificates.public_key(found[0]) != setup.spki(desk.seal_key()):
        raise Refused("certificate is for another key than the report seal's")
    now = datetime.now(UTC)
    first, last = certificates.years(found[0])
    if not first <= now <= last:
        raise Refused("certificate is not valid now", expected=f"{first.isoformat()} to {last.isoformat()}")
    try:
        certificates.check_documents(found[0])
    except Malformed as error:
        raise Refused(error.what, expected=error.expected, got=error.got) from error
    if certificates.leads(found[0], above, above, at=now, purpose=certificates.DOCUMENTS) != "holds":
        raise Refused(
            "certificate does not lead to the authority in the chain",
            expected="P-256, or RSA with 3072 bits, on the whole way, valid now",
        )
    return _registered(desk, found[0], (Attachment(CHAIN, _CHAIN_TYPE, certificates.write_pem(above)),))


def _registered(desk: Desk, certificate: bytes, attachments: tuple[Attachment, ...]) -> Appended:
    ledger_key = desk.signer(signing.LEDGER_KEY)
    draft = setup.seal_registration(
        desk.origin, ledger_key, desk.seal_key(), desk.clock(), certificate=certificate, attachments=attachments
    )
    with desk.writing() as writer:
        return writer.append(draft)

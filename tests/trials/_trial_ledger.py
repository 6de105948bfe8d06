"""What the trials of the ledger have in common: a ledger to begin with, entries to append, a clock."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick.canonical import time_text
from tallystick.ledger.ledger import Ledger
from tallystick.proof.keys import Signer
from tallystick.proof.note import VerifierKey
from tallystick.records import LEDGER_ACTOR, Draft

ORIGIN = "trial.example/8f14e45f-ceea-4167-a5c9-8c2f3a0c3a5e"
TIME = "2026-01-31T12:00:00.000000Z"


def clock():
    return time_text(datetime.now(UTC))


def signer(seed=7):
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def key():
    """The checkpoint key, from a source that is trusted."""
    return VerifierKey(ORIGIN, signer().public)


def genesis(key=None, origin=ORIGIN):
    vkey = str(VerifierKey(origin, (key or signer()).public))
    body = {"origin": origin, "uuid": origin[-36:], "checkpoint_key": vkey, "software": {"name": "tallystick"}}
    return Draft("ledger", LEDGER_ACTOR, TIME, body)


def document(title, **fields):
    return Draft(
        "document", fields.pop("actor", "tester"), TIME, {"title": title, "type": "note", "digest": "0" * 64}, **fields
    )


def create(place, *, entries=0, batch=1):
    """A new ledger with that many documents, in writings of ``batch``."""
    ledger = Ledger.create(place, origin=ORIGIN, signer=signer(), first=[genesis()], now=TIME)
    for start in range(0, entries, batch):
        with ledger.writing(now=lambda: TIME) as writer:
            for number in range(start, min(start + batch, entries)):
                writer.append(document(f"document {number}", idempotency_key=f"key-{number}"))
    return ledger

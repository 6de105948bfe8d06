"""What several tests of the proof room need: signers, a small ledger in memory, and vectors."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import settings

from tallystick.proof.keys import Signer
from tallystick.proof.note import VerifierKey

settings.register_profile("tallystick", deadline=None)
settings.load_profile("tallystick")

ORIGIN = "bank.example/credit/7f1d2c7e"


@pytest.fixture(scope="session")
def vectors() -> Path:
    return Path(__file__).parent.parent / "vectors"


@pytest.fixture(scope="session")
def signer() -> Signer:
    """The ledger's key: always the same, so that a failure can be looked at twice."""
    return Signer(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture(scope="session")
def stranger() -> Signer:
    """A key that the ledger does not know."""
    return Signer(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))))


@pytest.fixture(scope="session")
def origin() -> str:
    return ORIGIN


@pytest.fixture(scope="session")
def vkey(signer: Signer) -> VerifierKey:
    return VerifierKey(ORIGIN, signer.public)

"""What several tests of the proof room need: signers, a small ledger in memory, and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import settings

from tallystick.canonical import leaf_hash
from tallystick.proof import merkle
from tallystick.proof.keys import Signer
from tallystick.proof.note import Checkpoint, VerifierKey, sign_note
from tallystick.proof.pack import Contents, Item, build
from tallystick.proof.receipt import Receipt
from tallystick.proof.statement import sign_draft
from tallystick.records import FIRST_PREV, KINDS, Attachment, Draft, Entry, Personal, absent

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


# ------------------------------------------------------------------ a small ledger in memory

TIME = "2026-03-01T09:00:00.000000Z"
TABLE = Attachment("table", "text/csv", b"group,n\na,120\n")
CELLS = Attachment("cells", "text/csv", b"group,n\nb,3\n", salt=bytes(range(32)))
AUTHOR = Personal("author", "Ann Example", salt=bytes(range(32, 64)))
EVALUATION = {"model_digest": "11" * 32, "policy_digest": "22" * 32, "plan": {}, "data": [], "counts": {}, "checks": []}
EVALUATION |= {"verdict": "pass", "tools": {}, "engine": "duckdb"}
REPORT = {"template": {}, "as_of": TIME, "scope": {}, "checkpoint": {}, "anchor": "none"}


@dataclass(frozen=True)
class World:
    """A ledger as a list of entries: what a real one hands to the proof room."""

    key: VerifierKey
    signer: Signer
    raws: tuple[bytes, ...] = ()
    parts: Mapping[int, tuple[tuple[Attachment, ...], tuple[Personal, ...]]] = field(default_factory=dict)

    def add(self, kind: str, body: Mapping[str, object], *, sign: bool = False, **other) -> World:
        draft = Draft(kind, "ann", TIME, body, **other)
        if sign:
            words = {"ledger": self.key.name, "signer_id": "ann", "nonce": str(len(self.raws)), "signed_at": TIME}
            draft = sign_draft(draft, signers=[self.signer], **words)
        prev = leaf_hash(self.raws[-1]).hex() if self.raws else FIRST_PREV
        raw = draft.seal(seq=len(self.raws), prev=prev, recorded_at=TIME)
        parts = {**self.parts, len(self.raws): (draft.attachments, draft.personal)}
        return replace(self, raws=(*self.raws, raw), parts=parts)

    def ref(self, seq: int) -> dict[str, object]:
        return Entry.parse(self.raws[seq]).ref.value()

    def nodes(self, level: int, index: int) -> bytes:
        return merkle.root([leaf_hash(raw) for raw in self.raws[index << level : (index + 1) << level]])

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.raws) if size is None else size
        return Checkpoint(self.key.name, size, merkle.root_of(size, self.nodes))

    def note(self, size: int | None = None) -> bytes:
        return sign_note(self.checkpoint(size).text(), self.key.name, self.signer)

    def receipt(self, seq: int) -> Receipt:
        hashes = tuple(merkle.inclusion_proof(seq, len(self.raws), self.nodes))
        return Receipt(self.raws[seq], seq, hashes, self.note())

    def contents(self, *seqs: int, **other) -> Contents:
        """All entries, or some under the filter "model"."""
        chosen = seqs or tuple(range(len(self.raws)))
        items = tuple(Item(self.raws[seq], self.receipt(seq).hashes, *self.parts[seq]) for seq in chosen)
        chosen_by = {"name": "model", "model": "churn"} if seqs else {"name": "all"}
        return Contents(
            **(
                {
                    "origin": self.key.name,
                    "checkpoint": self.note(),
                    "items": items,
                    "filter": chosen_by,
                    "made_at": TIME,
                }
                | other
            )
        )

    def pack(self, *seqs: int, **other) -> bytes:
        return build(self.contents(*seqs, **other), self.signer)


@pytest.fixture(scope="session")
def empty(vkey: VerifierKey, signer: Signer) -> World:
    return World(vkey, signer)


@pytest.fixture(scope="session")
def world(empty: World, vkey: VerifierKey) -> World:
    """Genesis, use case, dataset with parts, model, two evaluations."""
    genesis = {"origin": vkey.name, "uuid": "7f1d2c7e", "checkpoint_key": str(vkey), "software": {}}
    usecase = {
        "name": "churn",
        "owner_group": "retail",
        "intended_use": "x",
        "prohibited_use": "y",
        "jurisdictions": [],
    }
    usecase |= {"risk_tier": absent(), "next_review": "2027-01-01"}
    dataset = {key: absent() for key in KINDS["dataset"].fields if KINDS["dataset"].fields[key].required}
    parts = {"attachments": (TABLE, CELLS), "personal": (AUTHOR,)}
    world = empty.add("ledger", genesis).add("usecase", usecase).add("dataset", dataset, **parts)
    model = {"name": "churn", "version": 1, "digest": "11" * 32, "files": {}, "run": absent(), "features": {}}
    world = world.add("model", model | {"usecase": world.ref(1), "limitations": absent()})
    for attempt in (1, 2):
        refs = {
            "model": world.ref(3),
            "usecase": world.ref(1),
            "policy": absent(),
            "attempt": {"usecase": attempt, "data": 1},
        }
        world = world.add("evaluation", EVALUATION | refs)
    return world

"""A small world of entries, sealed in order as a ledger would, with real keys and real signatures."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from tallystick.canonical import b64
from tallystick.errors import NotFound
from tallystick.people import rules
from tallystick.people.book import Book
from tallystick.people.keys import KeyRing, actor_id
from tallystick.proof.keys import Signer
from tallystick.proof.note import VerifierKey
from tallystick.proof.statement import sign_draft
from tallystick.records import FIRST_PREV, KINDS, Draft, Entry, absent

ORIGIN = "bank.example/test/0"


class Shelf:
    """Entries as a ledger gives them out: one by one, by kind, as bytes; and an index of references without a row."""

    def __init__(self, entries: list[Entry], origin: str = ORIGIN) -> None:
        self.origin = origin
        self._entries = entries

    @property
    def size(self) -> int:
        return len(self._entries)

    def entry(self, seq: int) -> Entry:
        if seq >= self.size:
            raise NotFound("no such entry")
        return self._entries[seq]

    def entries(self, start=0, stop=None, *, kind=None):
        return (entry for entry in self._entries[start:stop] if kind in (None, entry.kind))

    def stored(self, start=0, stop=None, *, kind):
        return ((entry.seq, entry.raw) for entry in self.entries(start, stop, kind=kind))

    def referring(self, seq: int) -> list[int]:
        return []

    def part(self, entry: Entry, name: str) -> bytes | None:
        return None


class World:
    def __init__(self, *, lazy: bool = False) -> None:
        self.lazy = lazy
        """Whether entries are read when they are asked for, as of a ledger."""
        self.entries: list[Entry] = []
        self.ledger = Signer.generate("ed25519")
        self.officer = Signer.generate("ed25519")
        self.engineer = Signer.generate("ecdsa-p256")
        self._nonce = itertools.count()
        self.add(
            "ledger",
            {
                "origin": ORIGIN,
                "uuid": "0",
                "checkpoint_key": str(VerifierKey(ORIGIN, self.ledger.public)),
                "software": {},
            },
        )
        self.register(self.officer, ["risk-officer", "steward"])
        self.register(self.engineer, ["engineer"], also=[self.officer])

    @property
    def book(self) -> Book:
        return Book.over(Shelf(self.entries)) if self.lazy else Book(self.entries, origin=ORIGIN)

    @property
    def ring(self) -> KeyRing:
        return KeyRing.of(self.book)

    def time(self) -> str:
        return f"2026-01-01T00:00:{len(self.entries):02d}.000000Z"

    def actor(self, signer: Signer) -> str:
        return actor_id(signer.public.fingerprint)

    def add(self, kind, body, *, actor="ledger", by=(), subject=(), speaks_of=None, stage=None) -> Entry:
        draft = Draft(kind, actor, self.time(), body, subject=subject)
        if by:
            draft = sign_draft(
                draft,
                ledger=ORIGIN,
                signer_id=actor,
                signers=by,
                nonce=f"{next(self._nonce):032x}",
                signed_at=self.time(),
                speaks_of=None if speaks_of is None else speaks_of.leaf.hex(),
                stage=stage,
            )
        return self.put(draft)

    def put(self, draft: Draft) -> Entry:
        prev = self.entries[-1].leaf.hex() if self.entries else FIRST_PREV
        entry = Entry.parse(draft.seal(seq=len(self.entries), prev=prev, recorded_at=self.time()))
        self.entries.append(entry)
        return entry

    def register(self, signer, roles, *, also=(), actor=None) -> Entry:
        public = signer.public
        name = actor or self.actor(signer)
        body = {
            "actor": name,
            "roles": roles,
            "purpose": "statement",
            "algorithm": public.algorithm,
            "public_key": b64(public.spki),
            "fingerprint": public.fingerprint,
        }
        subject = ({"name": name, "digest": {"sha256": public.fingerprint}},)
        return self.add("key", body, actor=name, by=[signer, *also], subject=subject)

    def usecase(self) -> Entry:
        text = dict.fromkeys(("name", "owner_group", "intended_use", "prohibited_use"), "credit")
        body = {**text, "jurisdictions": [], "risk_tier": {"value": "high"}, "next_review": "2027-01-01"}
        return self.add("usecase", body, actor=self.actor(self.officer))

    def run(self, signer, inputs=()) -> Entry:
        body = {
            "name": "r",
            "type": "training",
            "buildDefinition": {},
            "runDetails": {},
            "command": [],
            "status": "succeeded",
            "inputs": [entry.ref.value() for entry in inputs],
        }
        return self.add("run", body, actor=self.actor(signer))

    def commit(self, recorder, authors) -> Entry:
        body = {
            "repository": "r",
            "gitCommit": "c",
            "gitTree": "t",
            "content_sha256": "0" * 64,
            "dirty": False,
            "patch_sha256": absent("clean"),
            "untracked_sha256": absent("none"),
            "signature": {},
            "authors": {"actors": [self.actor(a) for a in authors], "unmapped": 0, "complete": True},
        }
        return self.add("commit", body, actor=self.actor(recorder))

    def test_set(self) -> Entry:
        found = [entry for entry in self.entries if entry.kind == "dataset"]
        if found:
            return found[0]
        body = {name: absent() for name, field in KINDS["dataset"].fields.items() if field.required}
        return self.add("dataset", {**body, "name": "test"}, actor=self.actor(self.officer))

    def model(self, usecase, run=None, version=1, signer=None) -> Entry:
        body = {
            "name": "credit",
            "version": version,
            "digest": f"{version:064x}",
            "files": {},
            "run": absent() if run is None else run.ref.value(),
            "usecase": usecase.ref.value(),
            "features": {},
            "limitations": "none",
        }
        return self.add("model", body, actor=self.actor(signer or self.engineer))

    def policy(self, plan=("a", "b"), version="1.0.0", stage="production", effective_from=None) -> Entry:
        body = {
            "id": "p",
            "version": version,
            "digest": version.replace(".", "").rjust(64, "0"),
            "author": absent(),
            "approver": self.actor(self.officer),
            "effective_from": effective_from or self.time(),
            "controls": [],
            "stage": stage,
            "plan": list(plan),
        }
        subject = ({"name": "p", "digest": {"sha256": body["digest"]}},)
        return self.add("policy", body, actor=self.actor(self.officer), by=[self.officer], subject=subject)

    def evaluation(
        self, model, policy, verdicts=("pass", "pass"), *, verdict=None, ids=None, explains=(), on_record=True
    ) -> Entry:
        planned = policy.body["plan"]
        checks = [{"id": id, "verdict": v} for id, v in zip(ids or planned, verdicts, strict=True)]
        body = {
            "model": model.ref.value(),
            "model_digest": model.body["digest"],
            "usecase": model.body["usecase"],
            "policy": policy.ref.value(),
            "policy_digest": policy.body["digest"],
            "plan": {"ids": planned, "sha256": rules.plan_digest(planned)},
            "data": [{"dataset": self.test_set().ref.value(), "sha256": "0" * 64, "rows": 1}] if on_record else [],
            "attempt": {"usecase": 1, "data": 1},
            "counts": {},
            "checks": checks,
            "verdict": verdict or rules.rolled_up(verdicts),
            "tools": {},
            "engine": "none",
            "earlier_explained": [{"evaluation": e.ref.value(), "text": "a reason"} for e in explains],
        }
        return self.add("evaluation", body, actor=self.actor(self.engineer))

    def decision(self, evaluation, model, *, verdict=None) -> Entry:
        said = verdict or evaluation.body["verdict"]
        policy = self.book.get(evaluation.body["policy"])
        body = {
            "evaluation": evaluation.ref.value(),
            "model": model.ref.value(),
            "stage": policy.body["stage"],
            "verdict": said,
            "verifier": {},
            "timeVerified": self.time(),
            "resourceUri": "urn:x",
            "policy": {"uri": "urn:x", "digest": {"sha256": policy.body["digest"]}},
            "inputAttestations": [{"uri": "urn:x", "digest": {"sha256": evaluation.leaf.hex()}}],
            "verificationResult": "PASSED" if said in rules.GREEN else "FAILED",
            "results": {},
        }
        return self.add("decision", body, actor=self.actor(self.engineer))

    def approval(self, model, evaluation, decision, policy, *, signer=None, verdict="approved", **changes) -> Entry:
        who = signer or self.officer
        body = {
            "decision": decision.ref.value(),
            "seen": rules.seen(model, evaluation, policy),
            "stage": "production",
            "verdict": verdict,
            "rationale": "r",
            "conditions": [],
            "independence": "i",
            **changes,
        }
        subject = ({"name": "credit@1", "digest": {"sha256": model.body["digest"]}},)
        return self.add(
            "approval", body, actor=self.actor(who), by=[who], subject=subject, speaks_of=decision, stage="production"
        )

    def promotion(self, model, decision, approvals=(), *, signer=None) -> Entry:
        who = signer or self.engineer
        body = {
            "model": model.ref.value(),
            "model_digest": model.body["digest"],
            "stage": "production",
            "decision": decision.ref.value(),
            "approvals": [entry.ref.value() for entry in approvals],
            "waivers": [],
            "replaces": absent("first"),
            "effective_from": self.time(),
        }
        subject = ({"name": "credit", "digest": {"sha256": model.body["digest"]}},)
        return self.add(
            "promotion", body, actor=self.actor(who), by=[who], subject=subject, speaks_of=decision, stage="production"
        )

    def story(self, verdicts=("pass", "pass"), **changes):
        """A model that was evaluated and decided, ready to be approved."""
        usecase = self.usecase()
        policy = self.policy()
        model = self.model(usecase, self.run(self.engineer))
        evaluation = self.evaluation(model, policy, verdicts, **changes)
        decision = self.decision(evaluation, model)
        return model, policy, evaluation, decision

    def problems(self, model) -> list[str]:
        return rules.promotion_problems(self.book, self.ring, model=model, stage="production", at=self.time())

    def swap(self, seq: int, entry: Entry) -> None:
        self.entries[seq] = entry

    def without_statement(self, entry: Entry) -> Entry:
        return replace(entry, statement=None)


@pytest.fixture(params=["in hand", "read on demand"])
def world(request) -> World:
    """Every rule holds of entries in hand as of those of a ledger, also of one whose index of references is empty."""
    return World(lazy=request.param == "read on demand")


@pytest.fixture
def shelf():
    return Shelf

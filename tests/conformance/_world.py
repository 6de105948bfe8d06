"""A ledger in memory whose keys, salts and times never change, and what can be issued from it: right, and wrong.

The keys here are public. Whatever is signed with them proves nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tallystick.canonical import b64, digest, encode, leaf_hash
from tallystick.people import rules
from tallystick.people.keys import actor_id
from tallystick.proof import merkle
from tallystick.proof.envelope import pae
from tallystick.proof.keys import Signer
from tallystick.proof.note import VerifierKey
from tallystick.proof.pack import MANIFEST_TYPE
from tallystick.proof.parts import side_bytes
from tallystick.proof.statement import sign_draft
from tallystick.records import FIRST_PREV, KINDS, Attachment, Draft, Entry, Personal, absent

ORIGIN = "conformance.example/0c9f1e52-0000-4000-8000-000000000001"
OTHER = "conformance.example/0c9f1e52-0000-4000-8000-000000000002"
LEDGER = Signer(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = Signer(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64))))
OFFICER = Signer(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96))))
ENGINEER = Signer(ec.derive_private_key(0x1234567, ec.SECP256R1()))
VKEY = VerifierKey(ORIGIN, LEDGER.public)
TABLE = Attachment("table.csv", "text/csv", b"group,n\na,120\n")
CELLS = Attachment("counts.json", "application/json", b'{"cells":[[1,2]]}', salt=bytes(range(32)))
NAME = Personal("name", "Zoë Example", salt=bytes(range(32, 64)))

Change = Callable[[dict[str, Any]], object]


def moment(at: int) -> str:
    """Entry ``at`` is recorded on a day of its own: four of March, then of April."""
    return f"2027-{3 + at // 28:02d}-{1 + at % 28:02d}T09:00:00.000000Z"


# ------------------------------------------------------------------ entries


@dataclass(frozen=True)
class World:
    """Entries in order. Every method that adds one gives a new world."""

    origin: str = ORIGIN
    key: Signer = LEDGER
    raws: tuple[bytes, ...] = ()
    parts: Mapping[int, tuple[tuple[Attachment, ...], tuple[Personal, ...]]] = field(default_factory=dict)
    clock: Callable[[int], str] = moment

    @property
    def size(self) -> int:
        return len(self.raws)

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey(self.origin, self.key.public)

    def entry(self, seq: int) -> Entry:
        return Entry.parse(self.raws[seq])

    def ref(self, seq: int) -> dict[str, Any]:
        return {"seq": seq, "leaf": leaf_hash(self.raws[seq]).hex()}

    def last(self, kind: str) -> int:
        return max(seq for seq in range(self.size) if self.entry(seq).kind == kind)

    def put(self, raw: bytes) -> World:
        """Any bytes as the next entry: what only the ledger's own key could bring about."""
        return replace(self, raws=(*self.raws, raw), parts={**self.parts, self.size: ((), ())})

    def add(
        self,
        kind: str,
        body: Mapping[str, Any],
        *,
        by: Sequence[Signer] = (),
        actor: str = "ledger",
        speaks_of: int | None = None,
        stage: str | None = None,
        prev: str | None = None,
        signer_id: str | None = None,
        **other: Any,
    ) -> World:
        now = self.clock(self.size)
        draft = Draft(kind, actor, now, body, **other)
        if by:
            leaf = None if speaks_of is None else leaf_hash(self.raws[speaks_of]).hex()
            nonce = f"{self.size:032x}"
            draft = sign_draft(
                draft, ledger=self.origin, signer_id=signer_id or actor, signers=list(by), nonce=nonce, signed_at=now,
                speaks_of=leaf, stage=stage,
            )  # fmt: skip
        before = prev or (leaf_hash(self.raws[-1]).hex() if self.raws else FIRST_PREV)
        raw = draft.seal(seq=self.size, prev=before, recorded_at=now)
        return replace(
            self,
            raws=(*self.raws, raw),
            parts={**self.parts, self.size: (tuple(draft.attachments), tuple(draft.personal))},
        )

    # ------------------------------------------------------------------ what a ledger holds

    def genesis(self, **other: Any) -> World:
        body = {"origin": self.origin, "uuid": self.origin.rpartition("/")[2], "checkpoint_key": str(self.vkey)}
        return self.add("ledger", body | {"software": {}} | other)

    def person(self, signer: Signer, roles: Sequence[str], *, also: Sequence[Signer] = ()) -> World:
        public, name = signer.public, actor_id(signer.public.fingerprint)
        body = {
            "actor": name, "roles": list(roles), "purpose": "statement", "algorithm": public.algorithm,
            "public_key": b64(public.spki), "fingerprint": public.fingerprint,
        }  # fmt: skip
        subject = ({"name": name, "digest": {"sha256": public.fingerprint}},)
        return self.add("key", body, by=[signer, *also], actor=name, subject=subject)

    def people(self) -> World:
        return self.person(OFFICER, ["risk-officer", "steward"]).person(ENGINEER, ["engineer"], also=[OFFICER])

    def usecase(self) -> World:
        said = dict.fromkeys(("name", "owner_group", "intended_use", "prohibited_use"), "credit")
        more = {"jurisdictions": [], "risk_tier": {"value": "high"}, "next_review": "2028-01-01"}
        return self.add("usecase", said | more, actor=of(OFFICER))

    def dataset(self, name: str = "test", **parts: Any) -> World:
        body = {key: absent() for key, spec in KINDS["dataset"].fields.items() if spec.required}
        return self.add("dataset", body | {"name": name}, actor=of(OFFICER), **parts)

    def document(self, title: str = "Minutes") -> World:
        body = {"title": title, "type": "text/plain", "digest": digest(title.encode())}
        return self.add("document", body, actor=of(ENGINEER))

    def model(self, version: int = 1) -> World:
        body = {
            "name": "credit", "version": version, "digest": f"{version:064x}", "files": {}, "run": absent(),
            "usecase": self.ref(self.last("usecase")), "features": {}, "limitations": "none",
        }  # fmt: skip
        return self.add("model", body, actor=of(ENGINEER))

    def policy(self) -> World:
        body = {
            "id": "credit/promotion", "version": "1.0.0", "digest": "ab" * 32, "author": absent(),
            "approver": of(OFFICER), "effective_from": self.clock(self.size), "controls": [], "stage": "production",
            "plan": ["a", "b"],
        }  # fmt: skip
        subject = ({"name": body["id"], "digest": {"sha256": body["digest"]}},)
        return self.add("policy", body, by=[OFFICER], actor=of(OFFICER), subject=subject)

    def evaluation(self, *, attempt: int = 1, verdicts: Sequence[str] = ("pass", "pass"), **other: Any) -> World:
        policy, model = self.entry(self.last("policy")).body, self.entry(self.last("model")).body
        plan = list(policy["plan"])
        body = {
            "model": self.ref(self.last("model")), "model_digest": model["digest"], "usecase": model["usecase"],
            "policy": self.ref(self.last("policy")), "policy_digest": policy["digest"],
            "plan": {"ids": plan, "sha256": rules.plan_digest(plan)},
            "data": [{"dataset": self.ref(self.last("dataset")), "sha256": "0" * 64, "rows": 1}],
            "attempt": {"usecase": attempt, "data": attempt}, "counts": {},
            "checks": [{"id": id, "verdict": said} for id, said in zip(plan, verdicts, strict=True)],
            "verdict": rules.rolled_up(verdicts), "tools": {}, "engine": "none",
        }  # fmt: skip
        return self.add("evaluation", body | other, actor=of(ENGINEER))

    def decision(self) -> World:
        at = self.last("evaluation")
        evaluation, policy = self.entry(at), self.entry(self.last("policy")).body
        body = {
            "evaluation": self.ref(at), "model": evaluation.body["model"], "stage": policy["stage"],
            "verdict": evaluation.body["verdict"], "verifier": {}, "timeVerified": self.clock(self.size),
            "resourceUri": "urn:x", "policy": {"uri": "urn:x", "digest": {"sha256": policy["digest"]}},
            "inputAttestations": [{"uri": "urn:x", "digest": {"sha256": evaluation.leaf.hex()}}],
            "verificationResult": "PASSED" if evaluation.body["verdict"] in rules.GREEN else "FAILED", "results": {},
        }  # fmt: skip
        return self.add("decision", body, actor=of(ENGINEER))

    def approval(
        self, signer: Signer = OFFICER, *, by: Sequence[Signer] | None = None, verdict: str = "approved"
    ) -> World:
        at = self.last("decision")
        model, evaluation, policy = (self.entry(self.last(kind)) for kind in ("model", "evaluation", "policy"))
        body = {
            "decision": self.ref(at), "seen": rules.seen(model, evaluation, policy), "stage": "production",
            "verdict": verdict, "rationale": "looked at", "conditions": [], "independence": "second line",
        }  # fmt: skip
        subject = ({"name": "credit@1", "digest": {"sha256": model.body["digest"]}},)
        signers = [signer] if by is None else by
        return self.add(
            "approval", body, by=signers, actor=of(signer), subject=subject, speaks_of=at, stage="production"
        )

    def promotion(self, *, approved: bool = True, by_approval: int | None = None) -> World:
        at, model = self.last("decision"), self.entry(self.last("model"))
        body = {
            "model": self.ref(model.seq), "model_digest": model.body["digest"], "stage": "production",
            "decision": self.ref(at), "approvals": [self.ref(by_approval or self.last("approval"))] if approved else [],
            "waivers": [], "replaces": absent("first"), "effective_from": self.clock(self.size),
        }  # fmt: skip
        subject = ({"name": "credit", "digest": {"sha256": model.body["digest"]}},)
        return self.add(
            "promotion", body, by=[ENGINEER], actor=of(ENGINEER), subject=subject, speaks_of=at, stage="production"
        )

    def report(
        self,
        file: bytes,
        *,
        evidence: bytes,
        certificate: bytes,
        by: Sequence[Signer] = (LEDGER,),
        scope: Mapping[str, Any] = MappingProxyType({}),
        signer_id: str | None = None,
    ) -> World:
        body = {
            "file": {"name": "audit.pdf", "sha256": digest(file), "size": len(file), "mediaType": "application/pdf"},
            "evidence": {"name": "evidence.json", "sha256": digest(evidence), "size": len(evidence)},
            "template": {}, "as_of": self.clock(self.size), "scope": dict(scope), "checkpoint": {}, "anchor": "none",
            "signer": {"certificate_sha256": digest(certificate)},
        }  # fmt: skip
        subject = ({"name": "audit.pdf", "digest": {"sha256": digest(file)}},)
        return self.add("report", body, by=by, subject=subject, signer_id=signer_id)

    # ------------------------------------------------------------------ what it signs and proves

    def nodes(self, level: int, index: int) -> bytes:
        return merkle.root([leaf_hash(raw) for raw in self.raws[index << level : (index + 1) << level]])

    def root(self, size: int | None = None) -> bytes:
        return merkle.root_of(self.size if size is None else size, self.nodes)

    def text(self, size: int | None = None) -> str:
        count = self.size if size is None else size
        return f"{self.origin}\n{count}\n{b64(self.root(count))}\n"

    def note(self, size: int | None = None) -> bytes:
        return note(self.text(size), self.vkey.name, self.key)

    def hashes(self, seq: int, size: int | None = None) -> list[bytes]:
        return list(merkle.inclusion_proof(seq, self.size if size is None else size, self.nodes))

    def proof(self, seq: int, *, size: int | None = None, extra: bytes | None = None) -> bytes:
        return proof(seq, self.hashes(seq, size), self.note(size), extra=extra)

    def receipt(self, seq: int) -> bytes:
        return self.proof(seq, extra=self.raws[seq])

    def growth(self, old: int, new: int | None = None) -> list[bytes]:
        return list(merkle.consistency_proof(old, self.size if new is None else new, self.nodes))

    def consistency(self, old: int, new: int | None = None) -> bytes:
        lines = [f"old {old}", *map(b64, self.growth(old, new)), "", ""]
        return "\n".join(lines).encode() + self.note(new)


def of(signer: Signer) -> str:
    return actor_id(signer.public.fingerprint)


def note(text: str, name: str, signer: Signer, *, key_id: bytes | None = None, spoil: bool = False) -> bytes:
    """A signed note of any text, also of one that is no checkpoint."""
    body = text.encode()
    signature = signer.sign(body)
    if spoil:
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    return body + f"\n— {name} {b64((key_id or VerifierKey(name, signer.public).key_id) + signature)}\n".encode()


def proof(index: int | str, hashes: Iterable[bytes], checkpoint: bytes, *, extra: bytes | None = None) -> bytes:
    lines = ["c2sp.org/tlog-proof@v1", *([] if extra is None else [f"extra {b64(extra)}"]), f"index {index}"]
    return "\n".join([*lines, *map(b64, hashes), "", ""]).encode() + checkpoint


# ------------------------------------------------------------------ packs, right and wrong


@dataclass
class Draftpack:
    """The members of a pack and the words of its manifest, open to any change before they are signed."""

    members: dict[str, bytes]
    manifest: dict[str, Any]

    @classmethod
    def of(
        cls, world: World, seqs: Sequence[int] | None = None, *, filter: Mapping[str, Any] | None = None
    ) -> Draftpack:
        chosen = list(range(world.size)) if seqs is None else list(seqs)
        members = {"checkpoint": world.note()}
        members |= {f"entries/{seq:09}.json": world.raws[seq] for seq in chosen}
        members |= {f"proofs/{seq:09}.tlog-proof": world.proof(seq) for seq in chosen}
        plain = [part for seq in chosen for part in world.parts[seq][0] if part.salt is None]
        members |= {
            f"attachments/{digest(part.data)}": part.data for part in sorted(plain, key=lambda p: digest(p.data))
        }
        sides = {seq: side_bytes(*world.parts[seq]) for seq in chosen}
        members |= {f"side/{seq:09}.json": data for seq, data in sides.items() if data is not None}
        members["keys/ledger.vkey"] = f"{world.vkey}\n".encode()
        for public in sorted((world.key.public, OFFICER.public), key=lambda key: key.fingerprint):
            members[f"keys/{public.fingerprint}.pem"] = public.pem.encode()
        members["readme.txt"] = b"A case of the conformance suite.\n"
        manifest = {
            "format": "tallystick-pack/v1", "ledger": world.origin, "size": world.size, "root": world.root().hex(),
            "filter": dict(filter or ({"name": "all"} if seqs is None else {"name": "model"})),
            "range": {"first": 0, "last": world.size - 1}, "entries": len(chosen), "made_at": moment(0), "withheld": [],
        }  # fmt: skip
        return cls(members, manifest)

    def insert(self, name: str, data: bytes, *, before: str) -> Draftpack:
        """With one more member in front of the first whose name begins so."""
        found = list(self.members.items())
        at = next(i for i, (other, _) in enumerate(found) if other.startswith(before))
        self.members = dict([*found[:at], (name, data), *found[at:]])
        return self

    def listed(self) -> dict[str, Any]:
        lines = [{"name": n, "size": len(d), "sha256": digest(d)} for n, d in self.members.items()]
        return self.manifest | {"members": lines}

    def sealed(
        self,
        change: Change = lambda manifest: None,
        *,
        signer: Signer = LEDGER,
        payload: bytes | None = None,
        kind: str = MANIFEST_TYPE,
        envelope: Change = lambda envelope: None,
        spelling: bytes | None = None,
    ) -> dict[str, bytes]:
        """All members with a signed manifest: of what is listed, after a change; or of any payload."""
        words = self.listed()
        change(words)
        body = encode(words) if payload is None else payload
        line = {"keyid": signer.public.fingerprint, "sig": b64(signer.sign(pae(kind, body)))}
        found = {"payload": b64(body), "payloadType": kind, "signatures": [line]}
        envelope(found)
        return {"manifest.json": encode(found) if spelling is None else spelling, **self.members}

    def bytes(self, *words: Any, **other: Any) -> bytes:
        return zipped(self.sealed(*words, **other))


# ------------------------------------------------------------------ ZIP files, right and wrong


@dataclass
class Record:
    """One member as it will be written (APPNOTE.TXT 4.3.7 and 4.3.12)."""

    name: bytes
    data: bytes
    stored: bytes | None = None
    """What lies in the file, where that is not the data."""
    local: dict[str, int] = field(default_factory=dict)
    central: dict[str, int] = field(default_factory=dict)
    local_name: bytes | None = None
    extra: bytes = b""
    comment: bytes = b""
    descriptor: bytes = b""
    absent: bool = False
    """Only in the directory: its bytes are those of the member before."""


_WIDTHS = {
    "need": 2, "flags": 2, "method": 2, "time": 2, "date": 2, "crc": 4, "packed": 4, "size": 4, "name": 2, "extra": 2,
}  # fmt: skip


def zipped(members: Mapping[str, bytes], **other: Any) -> bytes:
    return written([Record(name.encode(), data) for name, data in members.items()], **other)


def written(
    records: Sequence[Record], *, comment: bytes = b"", before: bytes = b"", count: int | None = None, shift: int = 0
) -> bytes:
    """A ZIP file: canonical if nothing was changed."""
    body, directory, offsets = bytearray(before), bytearray(), 0
    for record in records:
        at = len(body) if not record.absent else offsets
        lies = record.data if record.stored is None else record.stored
        fields = {
            "need": 20, "flags": 0, "method": 0, "time": 0, "date": 33, "crc": zlib.crc32(record.data),
            "packed": len(lies), "size": len(record.data), "name": len(record.name), "extra": 0,
        }  # fmt: skip
        head_name = record.local_name or record.name
        local = fields | {"extra": len(record.extra), "name": len(head_name)} | record.local
        if not record.absent:
            body += b"PK\x03\x04" + _packed(local) + head_name + record.extra + lies + record.descriptor
        central = fields | {
            "comment": len(record.comment),
            "disk": 0,
            "internal": 0,
            "mode": 0o100644 << 16,
            "made": 788,
        }
        central |= {"at": at} | record.central
        directory += b"PK\x01\x02" + _number(central["made"], 2) + _packed(central)
        directory += b"".join(_number(central[name], 2) for name in ("comment", "disk", "internal"))
        directory += _number(central["mode"], 4) + _number(central["at"], 4) + record.name + record.comment
        offsets = at
    counted = (len(records) if count is None else count) & 0xFFFF
    numbers = [(0, 2), (0, 2), (counted, 2), (counted, 2)]
    numbers += [(len(directory), 4), (len(body) + shift, 4), (len(comment), 2)]
    return bytes(body + directory) + b"PK\x05\x06" + b"".join(_number(*pair) for pair in numbers) + comment


def _packed(fields: Mapping[str, int]) -> bytes:
    return b"".join(_number(fields[name], width) for name, width in _WIDTHS.items())


def _number(value: int, width: int) -> bytes:
    return value.to_bytes(width, "little")

"""What several tests of the proof room need: signers, a small ledger in memory, and vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import settings

from tallystick.canonical import leaf_hash
from tallystick.proof import merkle
from tallystick.proof.consistency import Consistency
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

    def growth(self, old: int, new: int | None = None) -> Consistency:
        """A consistency proof between two sizes, the newer one being that of all entries if not said."""
        new = len(self.raws) if new is None else new
        return Consistency(old, tuple(merkle.consistency_proof(old, new, self.nodes)), self.note(new))

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


# ------------------------------------------------------------------ a signed PDF


def _pdf(text: str) -> bytes:
    """The smallest PDF of one page, written by hand."""
    content = f"BT /F1 18 Tf 50 150 Td ({text}) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R "
        "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
    ]
    data, offsets = "%PDF-1.7\n", []
    for number, item in enumerate(objects, start=1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{item}\nendobj\n"
    table = "0000000000 65535 f \n" + "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    return f"{data}xref\n0 5\n{table}{trailer}".encode()


def _certificate(private: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Report seal of bank.example")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), 7, start, start + timedelta(days=3650))
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="session")
def make_pdf_signer():
    from asn1crypto import keys as asn1_keys
    from asn1crypto import x509 as asn1_x509
    from pyhanko.sign import signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    def make(private: ec.EllipticCurvePrivateKey):
        der = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return signers.SimpleSigner(
            signing_cert=asn1_x509.Certificate.load(_certificate(private)),
            signing_key=asn1_keys.PrivateKeyInfo.load(der),
            cert_registry=SimpleCertificateStore(),
        )

    return make


@pytest.fixture(scope="session")
def pdf_signer(make_pdf_signer):
    return make_pdf_signer(ec.derive_private_key(11, ec.SECP256R1()))


@pytest.fixture(scope="session")
def certificate(pdf_signer) -> bytes:
    return pdf_signer.signing_cert.dump()


@pytest.fixture(scope="session")
def plain_pdf() -> bytes:
    return _pdf("Audit report")


def _sealed(data: bytes, signer, evidence: bytes) -> bytes:
    from pyhanko.pdf_utils import embed
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers

    writer = IncrementalPdfFileWriter(BytesIO(data))
    attached = embed.EmbeddedFileObject.from_file_data(writer, evidence)
    embed.embed_file(writer, embed.FileSpec("evidence.json", embedded_data=attached))
    meta = signers.PdfSignatureMetadata(
        field_name="Seal",
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
    )
    out = BytesIO()
    signers.sign_pdf(writer, meta, signer=signer, output=out, bytes_reserved=4096)
    return out.getvalue()


@pytest.fixture(scope="session")
def signed_pdf(plain_pdf, pdf_signer) -> bytes:
    return _sealed(plain_pdf, pdf_signer, b'{"evidence":true}')


@pytest.fixture(scope="session")
def other_pdf(pdf_signer) -> bytes:
    return _sealed(_pdf("Another one"), pdf_signer, b'{"evidence":true}')

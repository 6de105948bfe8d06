"""Cases that are easily overlooked: flaws in which verifiers differed once, or that all of them passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from _cases import SMALL, Case, fail, lines_of, next_raw, ok, open_
from _world import LEDGER, OFFICER, STRANGER, VKEY, Draftpack, World, moment, note, proof

from tallystick.canonical import b64, leaf_hash
from tallystick.proof.sample import draw, take
from tallystick.records import Entry

__all__ = ["subtle"]


def subtle() -> Iterator[Case]:
    """Flaws in which verifiers differed once, or which all of them passed over."""
    yield from _subtle_entries()
    yield from _subtle_proofs()
    yield from _subtle_samples()
    yield from _subtle_packs()


def _subtle_entries() -> Iterator[Case]:
    def odd(name: str, text: str, change: Mapping[str, Any]) -> Case:
        text = f"The ledger took in an entry that is none: {text}"
        return fail(f"entry_{name}", text, Draftpack.of(SMALL.put(next_raw(SMALL, change))).bytes())

    line = {"name": "x", "mediaType": "text/plain", "size": 1, "hmac_sha256": "ab" * 32}
    held = {"name": "x", "hmac_sha256": "cd" * 32}
    yield odd(
        "parts_alike", "an attachment and a personal value have one name.", {"attachments": [line], "personal": [held]}
    )
    yield odd(
        "personal_digest", "a personal value has a plain digest.", {"personal": [{"name": "x", "sha256": "ab" * 32}]}
    )
    yield odd("digests_two", "an attachment has two digests.", {"attachments": [line | {"sha256": "ab" * 32}]})
    yield odd("month", "its month is the thirteenth.", {"recorded_at": "2027-13-06T09:00:00.000000Z"})
    yield odd("hour", "its hour is the twenty-fifth.", {"claimed_at": "2027-03-06T25:00:00.000000Z"})
    yield odd("supersedes_null", "it supersedes nothing by name.", {"supersedes": None})
    yield odd("idempotency_number", "its idempotency key is a number.", {"idempotency_key": 7})
    yield odd("subject_number", "its subject is a number.", {"subject": [3]})
    leaf = leaf_hash(SMALL.raws[0]).hex()
    body = {"title": "t", "type": "t", "digest": "0" * 64, "about": [{"seq": 2, "leaf": leaf}]}
    yield Case(
        "gap_reference_elsewhere", "An entry names another by its leaf, at a place that is not its own.",
        Draftpack.of(SMALL.put(next_raw(SMALL, {"body": body}))).bytes(), open_("proven", 6),
    )  # fmt: skip


def _subtle_proofs() -> Iterator[Case]:
    rewritten = World().genesis().usecase().document("Other").document("Tale").document("Told").document("Anew")
    name, large = VKEY.name, 2**53
    yield fail(
        "checkpoint_too_large", "A checkpoint of more entries than numbers of JSON can tell apart.",
        note(f"{name}\n{large}\n{b64(bytes(32))}\n", name, LEDGER), file="checkpoint",
    )  # fmt: skip
    line = note("x\n", "witness-1.example", STRANGER).partition(b"\n\n")[2]
    lines = [line.replace(b"-", odd.encode()) for odd in "\u0085\ufeff"]
    yield fail(
        "checkpoint_cosigner_spaced", "The name of a cosigner holds U+0085, which is white space.",
        SMALL.note() + lines[0], file="checkpoint",
    )  # fmt: skip
    yield Case(
        "checkpoint_cosigner_unseen", "The name of a cosigner holds U+FEFF, which is no white space.",
        SMALL.note() + lines[1], ok("not asked", 5), file="checkpoint",
    )  # fmt: skip
    yield fail(
        "receipt_bare_index_beyond", "A proof without its entry, of a place beyond the tree.",
        proof(5, SMALL.hashes(3), SMALL.note()), file="entry.tlog-proof",
    )  # fmt: skip
    yield fail(
        "link_to_itself", "A consistency proof from the pack's own size has a hash.",
        Draftpack.of(SMALL, [0, 1, 2]).insert("consistency/5", lines_of([bytes(32)]), before="keys/").bytes(),
    )  # fmt: skip
    yield fail(
        "link_of_another_history", "A proof that nothing needs begins with another tree of its size than was signed.",
        SMALL.receipt(3), file="entry.tlog-proof",
        arguments=("--anchor", "kept", "--anchor", "old", "--consistency", "grown"),
        files={"kept": SMALL.note(), "old": SMALL.note(4), "grown": rewritten.consistency(4)},
    )  # fmt: skip


def _subtle_samples() -> Iterator[Case]:
    world = World(clock=lambda at: moment(20 + at)).genesis().usecase()
    for number in range(5):
        world = world.document(f"Minutes {number}")
    found = [world.entry(seq) for seq in range(world.size)]
    sample = take(found, kind="document", since=moment(20), until=moment(60), count=2, seed="x").value()

    def pack(change: Mapping[str, Any]) -> bytes:
        return Draftpack.of(world, range(world.size), filter=sample | change).bytes()

    yield fail("sample_of_nothing", "Nothing was drawn.", pack({"drawn": []}))
    yield fail("sample_of_no_kind", "There is no population.", pack({"kind": "seance", "population": 0, "drawn": []}))
    yield fail("sample_seed_empty", "The seed has no character.", pack({"seed": ""}))
    yield fail("sample_seed_lines", "The seed has two lines.", pack(_drawn_by(found, "one\ntwo")))
    seed = "a character that came later: \U0001fae8"
    yield Case(
        "sample_seed_odd", "The seed has a character of Unicode 15.", pack(_drawn_by(found, seed)), ok("proven", 7)
    )
    yield fail("sample_month", "The time ends in the thirteenth month.", pack({"until": "2027-13-01T00:00:00.000000Z"}))
    gap = World().genesis().people().usecase().dataset().policy().model().evaluation(attempt=2).document()
    yield Case(
        "gap_evaluation_of_a_part", "The first evaluation of a use case is missing, in a pack of a part.",
        Draftpack.of(gap, range(gap.size - 1)).bytes(), open_("partial", gap.size),
    )  # fmt: skip
    start = World().genesis().people().usecase().dataset().policy().model().evaluation().decision().approval()
    refused = start.approval(verdict="refused").promotion(by_approval=start.last("approval")).document()
    entries = [refused.entry(seq) for seq in range(refused.size)]
    drawn = take(entries, kind="promotion", since=moment(0), until="2028-01-01T00:00:00.000000Z", count=1, seed="x")
    yield fail(
        "people_refused_and_not_told", "A sample of promotions, one of them refused: the refusal is here, not told.",
        Draftpack.of(refused, range(refused.size), filter=drawn.value()).bytes(), needs="people",
    )  # fmt: skip
    other = take(entries, kind="document", since=moment(0), until="2028-01-01T00:00:00.000000Z", count=1, seed="x")
    yield fail(
        "people_sampled_away", "A sample of documents, in a pack of every entry: a refused promotion is among them.",
        Draftpack.of(refused, range(refused.size), filter=other.value()).bytes(), needs="people",
    )  # fmt: skip


def _drawn_by(entries: Sequence[Entry], seed: str) -> dict[str, Any]:
    """What another seed draws of the documents."""
    return {"seed": seed, "drawn": list(draw([one for one in entries if one.kind == "document"], seed, 2))}


def _subtle_packs() -> Iterator[Case]:
    from _pdf import good

    pdf, evidence, certificate = good()
    page = Draftpack.of(SMALL).insert("report/audit.html", b"<script>alert(1)</script>", before="readme")
    yield fail("pack_with_page", "A page stands beside the report, and nothing vouches for it.", page.bytes())
    alone = Draftpack.of(SMALL).insert("report/receipt.tlog-proof", SMALL.receipt(3), before="readme")
    yield fail("pack_receipt_alone", "A receipt stands in the place of the report's, without a report.", alone.bytes())
    withheld = Draftpack.of(SMALL)
    del withheld.members["side/000000002.json"]
    lines = [{"seq": 2, "name": "name"}, {"seq": 2, "name": "counts.json"}]
    yield fail(
        "pack_withheld_order", "What is withheld is listed in another order.",
        withheld.bytes(lambda manifest: manifest.update(withheld=lines)),
    )  # fmt: skip
    yield fail(
        "manifest_range_flag", "The manifest writes false for 0.",
        Draftpack.of(SMALL).bytes(lambda manifest: manifest["range"].update(first=False)),
    )  # fmt: skip
    pem = f"keys/{OFFICER.public.fingerprint}.pem"
    wide = Draftpack.of(SMALL)
    head, *body, foot = wide.members[pem].decode().splitlines()
    text = "".join(body)
    wide.members[pem] = "\n".join([head, text[:10], text[10:], foot, ""]).encode()
    yield fail("key_pem_lines", "The lines of a person's key are of another length.", wide.bytes())
    model = {"model": SMALL.ref(2), "name": "credit", "version": 1}
    first = SMALL.report(pdf, evidence=evidence, certificate=certificate, scope=model)
    second = first.report(pdf + b"\n", evidence=evidence, certificate=certificate, scope=model)
    old = Draftpack.of(second).insert("report/audit.pdf", pdf, before="readme")
    old.insert("report/receipt.tlog-proof", first.receipt(5), before="readme")
    yield fail("report_in_pack_outdated", "The pack records a newer report on the model than it holds.", old.bytes())
    lied = SMALL.report(pdf, evidence=evidence, certificate=certificate, signer_id="p-00000000")
    yield fail(
        "report_of_another_signer", "The statement of the report names another signer than its entry.", pdf,
        file="audit.pdf", files={"audit.pdf.tlog-proof": lied.receipt(5)},
    )  # fmt: skip

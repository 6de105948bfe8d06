"""The cases of the suite: what is right, and every way of being wrong that we could think of.

What a case expects is written down here by hand from the documented formats; no verifier was asked.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from _world import (
    CELLS,
    ENGINEER,
    LEDGER,
    NAME,
    OFFICER,
    ORIGIN,
    OTHER,
    STRANGER,
    TABLE,
    VKEY,
    Draftpack,
    Record,
    World,
    moment,
    note,
    of,
    proof,
    written,
    zipped,
)

from tallystick.canonical import b64, encode, leaf_hash
from tallystick.proof.sample import take


@dataclass(frozen=True)
class Case:
    name: str
    says: str
    data: bytes = field(repr=False)
    expect: Mapping[str, Any]
    file: str = "pack.zip"
    needs: str = "core"
    arguments: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def json(self) -> str:
        told = {"says": self.says, "needs": self.needs, "file": self.file, "arguments": list(self.arguments)}
        return json.dumps(told | {"expect": dict(self.expect)}, indent=2, ensure_ascii=False) + "\n"


def ok(completeness: str, unanchored: int, *, integrity: str = "ok", exit: int = 0) -> dict[str, Any]:
    return {"exit": exit, "integrity": integrity, "completeness": completeness, "unanchored": unanchored}


def open_(completeness: str, unanchored: int | None, *, integrity: str = "ok") -> dict[str, Any]:
    """Something that was asked could not be found out."""
    return {"exit": 3, "integrity": integrity, "completeness": completeness, "unanchored": unanchored}


FAILS: dict[str, Any] = {"exit": 1}

SMALL = (
    World().genesis().usecase().dataset(attachments=(TABLE, CELLS), personal=(NAME,)).document("One").document("Two")
)
"""Five entries: enough for most ways of being wrong."""
TOLD = (
    World().genesis().people().usecase().dataset(attachments=(TABLE, CELLS), personal=(NAME,)).policy()
    .model().evaluation().decision().approval().promotion().document()
)  # fmt: skip
"""Twelve entries: a model's way to its promotion."""


def cases() -> list[Case]:
    from _subtle import subtle

    families = (
        packs, containers, manifests, checkpoints, entries, chains, parts, keys, anchors, consistencies, receipts,
        samples, gaps, people, reports, times, subtle,
    )  # fmt: skip
    found = [case for family in families for case in family()]
    assert len({case.name for case in found}) == len(found)
    assert all(case.name.endswith("_fail") == (case.expect["exit"] == 1) for case in found)
    return found


def fail(name: str, says: str, data: bytes, **other: Any) -> Case:
    return Case(f"{name}_fail", says, data, FAILS, **other)


# ------------------------------------------------------------------ what is right


def packs() -> Iterator[Case]:
    yield Case(
        "pack_whole", "Every entry of the ledger, one after the other.", Draftpack.of(SMALL).bytes(), ok("proven", 5)
    )
    yield Case(
        "pack_of_a_promotion", "A model's way from data to promotion.", Draftpack.of(TOLD).bytes(), ok("proven", 12)
    )
    yield Case(
        "pack_slice", "Entries 0 to 2 of 5: that no other belongs to the model is the ledger's word.",
        Draftpack.of(SMALL, [0, 1, 2]).bytes(), ok("stated", 5),
    )  # fmt: skip
    yield Case(
        "pack_of_one_entry",
        "A ledger that has its first entry only.",
        Draftpack.of(World().genesis()).bytes(),
        ok("proven", 1),
    )
    yield Case(
        "pack_unknown_kind", "An entry of a kind that this version does not know verifies as bytes.",
        Draftpack.of(SMALL.put(next_raw(SMALL, {"kind": "seance"}))).bytes(), ok("proven", 6),
    )  # fmt: skip
    yield Case(
        "pack_withheld",
        "A part that is not handed out is named in the manifest.",
        _withholding(named=True),
        ok("proven", 5),
    )
    strange = World().genesis().usecase().document("‮gnisrever ​ Zoë 🦉 שלום")
    yield Case(
        "pack_strange_text",
        "Right-to-left marks, zero-width spaces and an owl in a title.",
        Draftpack.of(strange).bytes(),
        ok("proven", 3),
    )
    programs = Draftpack.of(SMALL)
    programs.members |= {"verify.py": b"print('trust me')\n", "verify.html": b"<p>trust me</p>\n"}
    yield Case(
        "pack_with_verifiers",
        "Two members that claim to verify are bytes like others.",
        programs.bytes(),
        ok("proven", 5),
    )
    stamped = Draftpack.of(SMALL).insert("timestamps/5.tsr", frozen("good.tsr"), before="keys/")
    yield Case(
        "pack_with_time_stamp",
        "A time stamp is covered by the manifest; whoever cannot judge it says so.",
        stamped.bytes(),
        ok("proven", 5),
    )
    yield Case(
        "pack_fingerprint", "The key is given by its fingerprint, and the pack holds it.",
        Draftpack.of(SMALL).bytes(), ok("proven", 5), arguments=("--key", VKEY.public.fingerprint),
    )  # fmt: skip
    yield Case(
        "pack_fingerprint_of_another_key", "The pack holds no key of the fingerprint that was given.",
        Draftpack.of(SMALL).bytes(), {"exit": 3}, arguments=("--key", STRANGER.public.fingerprint),
    )  # fmt: skip
    cosigned = Draftpack.of(SMALL)
    cosigned.members["checkpoint"] += note("x\n", "witness.example/w1", STRANGER).partition(b"\n\n")[2]
    for seq in range(5):
        cosigned.members[f"proofs/{seq:09}.tlog-proof"] = proof(seq, SMALL.hashes(seq), cosigned.members["checkpoint"])
    yield Case(
        "pack_cosigned",
        "A second signature line by a key that nobody asked about is passed over.",
        cosigned.bytes(),
        ok("proven", 5),
    )


def frozen(name: str) -> bytes:
    """What was made once and is kept, being about a time."""
    return (Path(__file__).parent / "frozen" / name).read_bytes()


def times() -> Iterator[Case]:
    """Time stamps of a checkpoint, under roots that the caller trusts."""
    trusted = {"tsa.pem": frozen("tsa.pem")}

    def case(name: str, text: str, stamp: bytes, expect: Mapping[str, Any], *, root: str = "tsa.pem") -> Case:
        ending = "_fail" if expect is FAILS else ""
        data = Draftpack.of(SMALL).insert("timestamps/5.tsr", stamp, before="keys/").bytes()
        return Case(
            f"time_{name}{ending}", text, data, expect, needs="time", arguments=("--tsa", root),
            files=trusted | {root: frozen(root)},
        )  # fmt: skip

    good = frozen("good.tsr")
    yield case("good", "The checkpoint existed when an authority says that it did.", good, ok("proven", 5))
    yield case("of_another_note", "The stamp is over the checkpoint of four entries.", frozen("other.tsr"), FAILS)
    yield case("sha1", "The stamp uses SHA-1.", frozen("sha1.tsr"), FAILS)
    yield case("altered", "One bit of the stamp is another.", good[:-9] + bytes([good[-9] ^ 1]) + good[-8:], FAILS)
    yield case("expired", "The authority's certificate had expired when it stamped.", frozen("expired.tsr"), FAILS)
    yield case("nonsense", "The stamp is none.", b"not a stamp", FAILS)
    yield case("appended", "Something stands behind the stamp.", good + b"\x00", FAILS)
    yield Case(
        "time_none", "The caller trusts an authority, and there is no stamp.", Draftpack.of(SMALL).bytes(), {"exit": 3},
        needs="time", arguments=("--tsa", "tsa.pem"), files=trusted,
    )  # fmt: skip
    beside = {"checkpoint.tsr": good} | trusted
    yield Case(
        "time_beside", "A checkpoint, and its stamp beside it.", SMALL.note(), ok("not asked", 5), file="checkpoint",
        needs="time", arguments=("--tsa", "tsa.pem"), files=beside,
    )  # fmt: skip


def next_raw(world: World, change: Mapping[str, Any], *, drop: Sequence[str] = ()) -> bytes:
    """The bytes of a document as the next entry, with some of its fields changed."""
    value = json.loads(world.document("Next").raws[-1])
    return encode({name: item for name, item in (value | change).items() if name not in drop})


def _withholding(*, named: bool) -> bytes:
    draft = Draftpack.of(SMALL)
    del draft.members["side/000000002.json"]
    held = [{"seq": 2, "name": "counts.json"}, {"seq": 2, "name": "name"}]
    return draft.bytes(lambda manifest: manifest.update(withheld=held if named else []))


# ------------------------------------------------------------------ containers


def containers() -> Iterator[Case]:
    data = Draftpack.of(SMALL).bytes()
    sealed = Draftpack.of(SMALL).sealed()

    def with_record(name: str, **changes: Any) -> bytes:
        return written([replace(Record(n.encode(), d), **(changes if n == name else {})) for n, d in sealed.items()])

    def says(name: str, text: str, made: bytes) -> Case:
        return fail(f"container_{name}", text, made)

    readme = "readme.txt"
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = packed.compress(sealed[readme]) + packed.flush()
    yield says(
        "compressed",
        "A member is compressed.",
        with_record(readme, stored=deflated, local={"method": 8}, central={"method": 8}),
    )
    yield says(
        "method_disagrees",
        "The directory calls a stored member compressed.",
        with_record(readme, central={"method": 8}),
    )
    yield says("appended", "Bytes stand after the end.", data + b"\n")
    yield says("appended_zeros", "Zeros stand after the end.", data + bytes(64))
    yield says(
        "prepended",
        "Bytes stand before the first member.",
        written([Record(n.encode(), d) for n, d in sealed.items()], before=b"#!/bin/sh\n"),
    )
    yield says("comment", "The file has a comment.", zipped(sealed, comment=b"hello"))
    yield says("member_comment", "A member has a comment in the directory.", with_record(readme, comment=b"hello"))
    yield says("extra_field", "A member has an extra field.", with_record(readme, extra=b"UT\x05\x00\x01" + bytes(4)))
    yield says(
        "data_descriptor",
        "A member is followed by a data descriptor.",
        with_record(readme, descriptor=b"PK\x07\x08" + bytes(12), local={"flags": 8}, central={"flags": 8}),
    )
    yield says(
        "encrypted_flag",
        "A member is marked as encrypted.",
        with_record(readme, local={"flags": 1}, central={"flags": 1}),
    )
    yield says(
        "utf8_flag",
        "A member carries the flag for UTF-8 names.",
        with_record(readme, local={"flags": 2048}, central={"flags": 2048}),
    )
    yield says(
        "time",
        "A member has another time than 1980-01-01.",
        with_record(readme, local={"date": 34}, central={"date": 34}),
    )
    yield says(
        "time_local", "A member has another time in its own header only.", with_record(readme, local={"time": 1})
    )
    yield says("mode", "A member may be executed.", with_record(readme, central={"mode": 0o100755 << 16}))
    yield says("symbolic_link", "A member is a symbolic link.", with_record(readme, central={"mode": 0o120777 << 16}))
    yield says("made_by", "The directory says that another system made it.", with_record(readme, central={"made": 20}))
    yield says(
        "version", "A member needs a newer program.", with_record(readme, local={"need": 45}, central={"need": 45})
    )
    yield says(
        "checksum", "A member does not have its checksum.", with_record(readme, local={"crc": 1}, central={"crc": 1})
    )
    yield says("checksum_local", "A member's own header has another checksum.", with_record(readme, local={"crc": 1}))
    yield says(
        "name_disagrees", "A member has another name in its own header.", with_record(readme, local_name=b"README.TXT")
    )
    yield says(
        "zip64",
        "A member hides its size in a ZIP64 record.",
        with_record(readme, local={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}),
    )
    yield says(
        "size_beyond",
        "A member claims more bytes than the file has.",
        with_record(readme, local={"size": 1 << 30, "packed": 1 << 30}, central={"size": 1 << 30, "packed": 1 << 30}),
    )
    yield says("disk", "A member lies on another disk.", with_record(readme, central={"disk": 1}))
    records = [Record(n.encode(), d) for n, d in sealed.items()]
    yield says("member_twice", "A member stands twice.", written([*records, records[-1]]))
    yield says("member_hidden", "A member's bytes are there and the directory does not name it.", _hidden(records))
    yield says(
        "overlapping",
        "Two names share the bytes of one member.",
        written([*records, replace(records[-1], name=b"verify.py", absent=True)]),
    )
    yield says("count", "The end counts one member less.", written(records, count=len(records) - 1))
    yield says("directory_shifted", "The end points one byte beside the directory.", written(records, shift=1))
    yield says("truncated", "The last byte is missing.", data[:-1])
    yield says("cut_in_half", "The second half is missing.", data[: len(data) // 2])
    yield says("directory_only", "Only the directory is there.", data[data.index(b"PK\x01\x02") :])
    yield says("empty", "A ZIP without members.", zipped({}))
    yield says("nothing", "A file of no bytes.", b"")
    for name, path in (
        ("path_upwards", "../evil.txt"), ("path_absolute", "/etc/passwd"), ("path_backslash", "side\\evil.json"),
        ("path_drive", "c:/evil.txt"), ("path_capitals", "README.TXT"), ("path_dots", "keys/./ledger.vkey"),
        ("path_device", "keys/nul\x00.pem"), ("path_folder", "keys/"), ("path_unknown", "notes.txt"),
    ):  # fmt: skip
        draft = Draftpack.of(SMALL)
        draft.members[path] = b"hello\n"
        yield says(name, f"The ledger signed a pack with a member that no pack has: {path!a}.", draft.bytes())
    swapped = Draftpack.of(SMALL)
    swapped.members = dict(sorted(swapped.members.items(), key=lambda item: item[0] != "readme.txt"))
    yield says("order", "The ledger signed a pack whose members stand in another order.", swapped.bytes())
    late = dict([*list(sealed.items())[1:], next(iter(sealed.items()))])
    yield says("manifest_last", "The manifest is not the first member.", zipped(late))


def _hidden(records: Sequence[Record]) -> bytes:
    whole, less = written([*records, Record(b"verify.py", b"print('evil')\n")]), written(records)
    body = whole[: whole.index(b"PK\x01\x02manifest"[:4])]
    directory = less[less.index(b"PK\x01\x02") :]
    end = directory[-22:-6] + len(body).to_bytes(4, "little") + directory[-2:]
    return body + directory[:-22] + end


# ------------------------------------------------------------------ manifests


def manifests() -> Iterator[Case]:
    def says(name: str, text: str, *words: Any, **other: Any) -> Case:
        return fail(f"manifest_{name}", text, Draftpack.of(SMALL).bytes(*words, **other))

    yield says("stranger", "A stranger signed the manifest.", signer=STRANGER)
    yield says(
        "stranger_with_keyid",
        "A stranger signed, and claims the ledger's key id.",
        signer=STRANGER,
        envelope=lambda e: e["signatures"][0].update(keyid=LEDGER.public.fingerprint),
    )
    yield says(
        "keyid",
        "The ledger signed; the key id is another's.",
        envelope=lambda e: e["signatures"][0].update(keyid=STRANGER.public.fingerprint),
    )
    yield says("no_keyid", "The signature names no key.", envelope=lambda e: e["signatures"][0].pop("keyid"))
    yield says("no_signature", "There is no signature.", envelope=lambda e: e.update(signatures=[]))
    yield says(
        "signed_twice",
        "The ledger's signature stands twice.",
        envelope=lambda e: e["signatures"].append(dict(e["signatures"][0])),
    )
    yield says(
        "signature_flipped",
        "One bit of the signature is another.",
        envelope=lambda e: e["signatures"][0].update(
            sig="B" + e["signatures"][0]["sig"][1:]
            if e["signatures"][0]["sig"][0] != "B"
            else "C" + e["signatures"][0]["sig"][1:]
        ),
    )
    yield says(
        "signature_without_padding",
        "The signature's base64 is not in its one spelling.",
        envelope=lambda e: e["signatures"][0].update(sig=e["signatures"][0]["sig"].rstrip("=")),
    )
    yield says(
        "payload_url_safe",
        "The payload's base64 uses the other alphabet.",
        envelope=lambda e: e.update(
            payload=e["payload"].replace("+", "-").replace("/", "_") + "A==="
            if not {"+", "/"} & set(e["payload"])
            else e["payload"].replace("+", "-").replace("/", "_")
        ),
    )
    yield says("envelope_field", "The envelope has one field more.", envelope=lambda e: e.update(more=1))
    yield says(
        "payload_type", "The ledger signed it as a statement, not as a manifest.", kind="application/vnd.in-toto+json"
    )
    yield says(
        "payload_type_relabelled",
        "It was signed as a statement and is labelled a manifest.",
        kind="application/vnd.in-toto+json",
        envelope=lambda e: e.update(payloadType="application/vnd.tallystick.manifest+json"),
    )
    draft = Draftpack.of(SMALL)
    spaced = json.dumps(json.loads(draft.sealed()["manifest.json"]), indent=1).encode()
    yield fail("manifest_envelope_spaced", "The envelope has white space.", draft.bytes(spelling=spaced))
    words = json.dumps(draft.listed(), sort_keys=True).encode()
    yield fail(
        "manifest_payload_spaced",
        "The ledger signed a manifest that is not canonical: it has blanks.",
        draft.bytes(payload=words),
    )
    twice = encode(draft.listed())[:-1] + b',"size":5}'
    yield fail(
        "manifest_duplicate_key", "The ledger signed a manifest that has a key twice.", draft.bytes(payload=twice)
    )
    yield fail("manifest_not_json", "The ledger signed something that is no JSON.", draft.bytes(payload=b"hello"))
    yield fail("manifest_a_list", "The ledger signed a list.", draft.bytes(payload=b"[]"))
    for name, text, change in (
        ("other_ledger", "It speaks of another ledger.", {"ledger": OTHER}),
        ("other_size", "It speaks of another size.", {"size": 4}),
        ("size_a_text", "Its size is a text.", {"size": "5"}),
        ("other_root", "It speaks of another root.", {"root": "00" * 32}),
        ("other_range", "Its range ends elsewhere.", {"range": {"first": 0, "last": 3}}),
        ("other_count", "It counts four entries.", {"entries": 4}),
        ("format_unknown", "It is of no format.", {"format": "pack"}),
        ("format_zero", "It is of version 0.", {"format": "tallystick-pack/v0"}),
        (
            "withheld_too_much",
            "It names a withheld part that no entry has.",
            {"withheld": [{"seq": 2, "name": "more"}]},
        ),
        ("filter_without_name", "Its filter has no name.", {"filter": {}}),
        ("more", "It has a field that manifests do not have.", {"more": 1}),
        ("members_short", "It lists a member less.", {"members": Draftpack.of(SMALL).listed()["members"][:-1]}),
        ("members_none", "It lists no member.", {"members": []}),
    ):
        yield says(name, text, lambda manifest, change=change: manifest.update(change))
    for name, text, index, change in (
        ("member_digest", "It gives a member another digest.", 3, {"sha256": "00" * 32}),
        ("member_size", "It gives a member another size.", 3, {"size": 1}),
        ("member_name", "It gives a member another name.", 3, {"name": "entries/000000009.json"}),
        ("member_field", "It says more of a member.", 3, {"more": 1}),
    ):
        yield says(name, text, lambda manifest, index=index, change=change: manifest["members"][index].update(change))
    yield says(
        "members_order", "It lists the members in another order.", lambda manifest: manifest["members"].reverse()
    )
    yield says("no_made_at", "It does not say when it was made.", lambda manifest: manifest.pop("made_at"))
    yield Case(
        "manifest_newer", "A pack of a later version: nobody can say.",
        Draftpack.of(SMALL).bytes(lambda manifest: manifest.update(format="tallystick-pack/v2")), {"exit": 3},
    )  # fmt: skip
    yield fail(
        "manifest_withheld_in_silence",
        "A part is not handed out, and the manifest names none.",
        _withholding(named=False),
    )
    lied = Draftpack.of(SMALL, [0, 1, 2])
    yield fail(
        "manifest_all_and_is_not",
        "It says that all entries are there; two are missing.",
        lied.bytes(lambda m: m.update(filter={"name": "all"})),
    )


# ------------------------------------------------------------------ checkpoints


def checkpoints() -> Iterator[Case]:
    def alone(name: str, text: str, data: bytes, expect: Mapping[str, Any] = FAILS) -> Case:
        return Case(f"checkpoint_{name}" + ("_fail" if expect is FAILS else ""), text, data, expect, file="checkpoint")

    good, text, name = SMALL.note(), SMALL.text(), VKEY.name
    root = text.split("\n")[2]
    yield alone("alone", "A checkpoint of five entries.", good, ok("not asked", 5))
    yield alone(
        "cosigned",
        "A witness signed it too.",
        good + note("x\n", "witness.example/w1", STRANGER).partition(b"\n\n")[2],
        ok("not asked", 5),
    )
    yield alone("stranger", "A stranger signed it under the ledger's name.", note(text, name, STRANGER))
    yield alone(
        "stranger_with_key_id",
        "A stranger signed it with the ledger's key id.",
        note(text, name, STRANGER, key_id=VKEY.key_id),
    )
    yield alone("signature_flipped", "One bit of the signature is another.", note(text, name, LEDGER, spoil=True))
    yield alone(
        "good_and_bad",
        "A good signature and a spoilt one by the same key.",
        good + note(text, name, LEDGER, spoil=True).partition(b"\n\n")[2],
    )
    yield alone(
        "other_ledger",
        "The key signed the checkpoint of another ledger.",
        note(text.replace(ORIGIN, OTHER), name, LEDGER),
    )
    yield alone("under_other_name", "The key signed it under another name.", note(text, OTHER, LEDGER))
    yield alone("size_zeros", "The size has a leading zero.", note(f"{ORIGIN}\n05\n{root}\n", name, LEDGER))
    yield alone("size_sign", "The size has a sign.", note(f"{ORIGIN}\n+5\n{root}\n", name, LEDGER))
    yield alone("size_digits", "The size is written in other digits.", note(f"{ORIGIN}\n٥\n{root}\n", name, LEDGER))
    yield alone("size_huge", "The size is beyond all bounds.", note(f"{ORIGIN}\n{'9' * 40}\n{root}\n", name, LEDGER))
    yield alone("root_short", "The root is of 31 bytes.", note(f"{ORIGIN}\n5\n{b64(bytes(31))}\n", name, LEDGER))
    yield alone(
        "root_url_safe",
        "The root's base64 uses the other alphabet.",
        note(f"{ORIGIN}\n5\n{b64(bytes([251]) * 32).replace('+', '-').replace('/', '_')}\n", name, LEDGER),
    )
    yield alone("extension", "A fourth line stands in the text.", note(text + "more\n", name, LEDGER))
    yield alone("two_lines", "The root is missing.", note(f"{ORIGIN}\n5\n", name, LEDGER))
    yield alone("carriage_return", "Lines end in two characters.", note(text.replace("\n", "\r\n"), name, LEDGER))
    yield alone("hyphen", "The signature line begins with a hyphen.", good.replace("—".encode(), b"-"))
    yield alone("no_signature", "There is no signature line.", text.encode() + b"\n")
    yield alone("no_empty_line", "No empty line parts text and signature.", good.replace(b"\n\n", b"\n"))
    yield alone("no_last_line_feed", "The last line has no end.", good[:-1])
    yield alone("trailing", "Something stands after the signature.", good + b"more\n")
    yield alone("not_utf8", "It is not UTF-8.", good[:10] + b"\xff" + good[10:])
    yield alone("binary", "It is nothing at all.", bytes(range(256)))
    other = Draftpack.of(SMALL)
    other.members["checkpoint"] = SMALL.document("Three").note()
    yield fail(
        "pack_of_another_checkpoint",
        "The pack has the checkpoint of six entries, its proofs are of five.",
        other.bytes(),
    )
    forged = Draftpack.of(SMALL)
    forged.members["checkpoint"] = note(text, name, STRANGER)
    yield fail(
        "pack_checkpoint_stranger",
        "The pack's checkpoint is signed by a stranger, its manifest by the ledger.",
        forged.bytes(),
    )
    without = Draftpack.of(SMALL)
    del without.members["checkpoint"]
    yield fail("pack_without_checkpoint", "The pack has no checkpoint.", without.bytes())


# ------------------------------------------------------------------ entries and proofs


def entries() -> Iterator[Case]:
    def odd(name: str, text: str, raw: bytes) -> Case:
        return fail(
            f"entry_{name}", f"The ledger took in an entry that is none: {text}", Draftpack.of(SMALL.put(raw)).bytes()
        )

    value = json.loads(next_raw(SMALL, {}))
    yield odd("spaced", "it is not canonical.", json.dumps(value, sort_keys=True).encode())
    yield odd(
        "key_order",
        "its keys stand in another order.",
        json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode(),
    )
    yield odd("duplicate_key", "a key stands twice.", next_raw(SMALL, {})[:-1] + b',"v":1}')
    yield odd("nan", "a number is none.", next_raw(SMALL, {"zz": 1})[:-2] + b"NaN}")
    yield odd(
        "integer", "a whole number is beyond what doubles hold.", next_raw(SMALL, {"zz": 1})[:-2] + b"9007199254740993}"
    )
    yield odd("not_nfc", "a text is not in normal form C.", next_raw(SMALL, {}).replace(b"Next", "e\u0301".encode()))
    yield odd("lone_surrogate", "a text is no Unicode.", next_raw(SMALL, {}).replace(b"Next", b"\\ud800"))
    yield odd("deep", "it is nested too deeply.", next_raw(SMALL, {"zz": 1})[:-2] + b"[" * 40 + b"]" * 40 + b"}")
    yield odd(
        "deep_and_empty",
        "its 33rd level is an empty list.",
        next_raw(SMALL, {"zz": 1})[:-2] + b"[" * 32 + b"]" * 32 + b"}",
    )
    yield odd("trailing", "something follows it.", next_raw(SMALL, {}) + b"\n")
    yield odd("no_kind", "it has no kind.", next_raw(SMALL, {}, drop=["kind"]))
    yield odd("wrong_seq", "it says that it stands elsewhere.", next_raw(SMALL, {"seq": 7}))
    yield odd("seq_a_text", "its place is a text.", next_raw(SMALL, {"seq": "5"}))
    yield odd("time", "its time is of another form.", next_raw(SMALL, {"recorded_at": "2027-03-06"}))
    yield odd("not_an_object", "it is a list.", b"[]")
    yield odd(
        "too_large",
        "it is larger than 65,535 bytes.",
        next_raw(SMALL, {"body": {"title": "x" * 66000, "type": "t", "digest": "0" * 64}}),
    )
    newer = Draftpack.of(SMALL.put(next_raw(SMALL, {"v": 2})))
    yield Case("entry_newer", "An entry of a later version: nobody can say.", newer.bytes(), {"exit": 3})

    def pack(name: str, text: str, member: str, data: bytes | None) -> Case:
        draft = Draftpack.of(SMALL)
        if data is None:
            del draft.members[member]
        else:
            draft.members[member] = data
        return fail(f"pack_{name}", text, draft.bytes())

    yield pack(
        "entry_altered",
        "The ledger signed a pack in which an entry has another title.",
        "entries/000000003.json",
        SMALL.raws[3].replace(b"One", b"Owe"),
    )
    yield pack("entry_missing", "An entry is missing, its proof is there.", "entries/000000003.json", None)
    yield pack("proof_missing", "A proof is missing, its entry is there.", "proofs/000000003.tlog-proof", None)
    path = "proofs/000000003.tlog-proof"
    hashes, signed = SMALL.hashes(3), SMALL.note()
    yield pack("proof_of_another", "An entry has the proof of the one after it.", path, SMALL.proof(4))
    yield pack("proof_hash", "One hash of a proof is another.", path, proof(3, [bytes(32), *hashes[1:]], signed))
    yield pack("proof_order", "The hashes of a proof stand in another order.", path, proof(3, hashes[::-1], signed))
    yield pack("proof_hash_more", "A proof has a hash too many.", path, proof(3, [*hashes, hashes[0]], signed))
    yield pack("proof_hash_less", "A proof has a hash too few.", path, proof(3, hashes[:-1], signed))
    yield pack(
        "proof_hash_short", "A hash of a proof is of 31 bytes.", path, proof(3, [hashes[0][:31], *hashes[1:]], signed)
    )
    yield pack("proof_index", "A proof names another place.", path, proof(2, hashes, signed))
    yield pack("proof_index_zeros", "A proof's place has leading zeros.", path, proof("03", hashes, signed))
    yield pack("proof_extra", "A proof in a pack carries an entry of its own.", path, SMALL.receipt(3))
    yield pack("proof_of_another_checkpoint", "A proof leads to an older checkpoint.", path, SMALL.proof(3, size=4))
    yield pack("proof_magic", "A proof is of another version.", path, SMALL.proof(3).replace(b"@v1", b"@v2"))


def chains() -> Iterator[Case]:
    torn = World().genesis().usecase()
    broken = torn.add("document", json.loads(torn.document("One").raws[-1])["body"], actor=of(ENGINEER), prev="0" * 64)
    yield fail(
        "chain_broken",
        "The tree holds, and an entry names another one as the one before.",
        Draftpack.of(broken.document("Two")).bytes(),
    )
    again = torn.add(
        "document",
        json.loads(torn.document("One").raws[-1])["body"],
        actor=of(ENGINEER),
        prev=leaf_hash(torn.raws[0]).hex(),
    )
    yield fail("chain_forked", "Two entries name the same one as the one before.", Draftpack.of(again).bytes())
    late = World().genesis().put(next_raw(World().genesis(), {"seq": 1, "prev": "0" * 64}))
    yield fail("chain_first_twice", "A second entry says that it is the first.", Draftpack.of(late).bytes())


# ------------------------------------------------------------------ what stands beside entries


def parts() -> Iterator[Case]:
    def pack(name: str, text: str, change: Any) -> Case:
        draft = Draftpack.of(SMALL)
        change(draft.members)
        draft.members = dict(sorted(draft.members.items(), key=_rank))
        return fail(f"part_{name}", text, draft.bytes())

    side = "side/000000002.json"
    found = json.loads(Draftpack.of(SMALL).members[side])

    def sided(change: Any) -> Any:
        value = json.loads(json.dumps(found))
        change(value)
        return lambda members: members.update({side: encode(value)})

    plain = f"attachments/{TABLE.sha256}"
    yield pack(
        "attachment_altered",
        "An attachment has other bytes than its name says.",
        lambda m: m.update({plain: b"group,n\na,999\n"}),
    )
    yield pack(
        "attachment_of_nobody",
        "An attachment belongs to no entry.",
        lambda m: m.update({f"attachments/{'ab' * 32}": b"x"}),
    )
    yield pack(
        "attachment_dropped", "An attachment is missing, and the manifest does not say so.", lambda m: m.pop(plain)
    )
    yield pack(
        "side_of_nobody", "Erasable values belong to no entry.", lambda m: m.update({"side/000000099.json": m[side]})
    )
    yield pack(
        "side_of_another",
        "Erasable values stand beside an entry that commits to none.",
        lambda m: m.update({"side/000000003.json": m[side]}),
    )
    yield pack(
        "side_value",
        "A personal value is not the one committed to.",
        sided(lambda v: v["personal"][0].update(text="Mallory")),
    )
    yield pack("side_salt", "A salt is another.", sided(lambda v: v["personal"][0].update(salt=b64(bytes(32)))))
    yield pack("side_salt_short", "A salt is too short.", sided(lambda v: v["personal"][0].update(salt=b64(bytes(16)))))
    yield pack(
        "side_name",
        "A value has a name that its entry does not commit to.",
        sided(lambda v: v["personal"][0].update(name="email")),
    )
    yield pack("side_twice", "A value stands twice.", sided(lambda v: v["personal"].append(v["personal"][0])))
    yield pack(
        "side_empty",
        "Erasable values are there, and none is in them.",
        sided(lambda v: v.update(personal=[], attachments=[])),
    )
    yield pack("side_field", "There is more than attachments and personal values.", sided(lambda v: v.update(more=[])))
    yield pack(
        "side_attachment",
        "An erasable attachment is not the one committed to.",
        sided(lambda v: v["attachments"][0].update(data=b64(b"{}"))),
    )
    yield pack(
        "side_spaced", "Erasable values are not canonical.", lambda m: m.update({side: json.dumps(found).encode()})
    )


_SECTIONS = (
    "checkpoint",
    "entries/",
    "proofs/",
    "attachments/",
    "side/",
    "consistency/",
    "timestamps/",
    "keys/l",
    "keys/",
    "report/",
    "readme",
)


def _rank(item: tuple[str, bytes]) -> tuple[int, int, str]:
    name = item[0]
    place = next(at for at, section in enumerate(_SECTIONS) if name.startswith(section))
    return place, len(name), name


def keys() -> Iterator[Case]:
    other = zipped(Draftpack.of(_of_stranger()).sealed(signer=STRANGER))
    yield fail("key_of_another_ledger", "A pack that is good, of a ledger whose key was not given.", other)
    yield fail(
        "key_inside_vouches",
        "The pack's own key fits, and it is not the one that was given.",
        other,
        arguments=("--key", str(VKEY)),
    )

    def pack(name: str, text: str, change: Any) -> Case:
        draft = Draftpack.of(SMALL)
        change(draft.members)
        return fail(f"key_{name}", text, draft.bytes())

    pem = f"keys/{OFFICER.public.fingerprint}.pem"
    yield pack(
        "vkey_exchanged",
        "The ledger signed a pack that carries a stranger's key as its own.",
        lambda m: m.update({"keys/ledger.vkey": f"{_of_stranger().vkey}\n".encode()}),
    )
    yield pack("vkey_missing", "The pack has no verifier key.", lambda m: m.pop("keys/ledger.vkey"))
    yield pack(
        "vkey_spaced",
        "The verifier key has a blank behind it.",
        lambda m: m.update({"keys/ledger.vkey": f"{VKEY} \n".encode()}),
    )
    yield pack(
        "pem_exchanged",
        "A person's key has another fingerprint than its name.",
        lambda m: m.update({pem: STRANGER.public.pem.encode()}),
    )
    yield pack("pem_spaced", "A person's key is not in its one spelling.", lambda m: m.update({pem: m[pem] + b"\n"}))
    yield pack("pem_nonsense", "A person's key is none.", lambda m: m.update({pem: b"hello\n"}))
    yield Case(
        "key_missing",
        "No key is given: nothing in the file can vouch for it.",
        Draftpack.of(SMALL).bytes(),
        {"exit": 3},
        arguments=("--no-key",),
    )


def _of_stranger() -> World:
    return World(origin=OTHER, key=STRANGER).genesis().usecase().document()


# ------------------------------------------------------------------ what the caller kept


def anchors() -> Iterator[Case]:
    whole, part = Draftpack.of(SMALL).bytes(), Draftpack.of(SMALL, [0, 1, 2])
    kept = ("--anchor", "kept")
    linked = Draftpack.of(SMALL, [0, 1, 2]).insert("consistency/3", lines_of(SMALL.growth(3)), before="keys/").bytes()
    rewritten = SMALL.__class__().genesis().usecase().dataset("another").document("One").document("Two")

    def case(
        name: str, text: str, data: bytes, note: bytes, expect: Mapping[str, Any], *more: str, **files: bytes
    ) -> Case:
        ending = "_fail" if expect is FAILS else ""
        return Case(
            f"anchor_{name}{ending}", text, data, expect, arguments=(*kept, *more), files={"kept": note} | files
        )

    yield case("same", "The checkpoint that was kept is the pack's own.", whole, SMALL.note(), ok("proven", 0))
    yield case(
        "earlier", "The pack begins with the three entries that were kept.", whole, SMALL.note(3), ok("proven", 2)
    )
    yield case(
        "earlier_linked",
        "A slice that carries the proof from the checkpoint that was kept.",
        linked,
        SMALL.note(3),
        ok("stated", 2),
    )
    yield case(
        "earlier_not_linked",
        "A slice and a checkpoint that nothing links.",
        part.bytes(),
        SMALL.note(3),
        open_("stated", 5),
    )
    yield case(
        "earlier_by_proof",
        "A slice, and a consistency proof beside it.",
        part.bytes(),
        SMALL.note(3),
        ok("stated", 2),
        "--consistency",
        "proof",
        proof=SMALL.consistency(3),
    )
    later = SMALL.document("Three").document("Four")
    yield case(
        "later",
        "The checkpoint that was kept is newer; a proof leads from the pack's to it.",
        whole,
        later.note(),
        ok("proven", 0),
        "--consistency",
        "proof",
        proof=later.consistency(5),
    )
    yield case(
        "later_not_linked",
        "The checkpoint that was kept is newer, and nothing links.",
        whole,
        later.note(),
        open_("proven", 5),
    )
    yield case(
        "by_a_third",
        "Both begin the same newer tree.",
        part.bytes(),
        SMALL.note(3),
        ok("stated", 2),
        "--consistency",
        "one",
        "--consistency",
        "two",
        one=later.consistency(3),
        two=later.consistency(5),
    )
    yield case(
        "rewritten",
        "The history was made anew with the real key.",
        Draftpack.of(rewritten).bytes(),
        SMALL.note(3),
        FAILS,
    )
    yield case(
        "rewritten_same_size",
        "Another tree of the same size was kept.",
        Draftpack.of(rewritten).bytes(),
        SMALL.note(),
        FAILS,
    )
    yield case(
        "link_wrong",
        "The proof in the pack does not lead from the root that was kept.",
        Draftpack.of(SMALL, [0, 1, 2]).insert("consistency/3", lines_of([bytes(32)] * 3), before="keys/").bytes(),
        SMALL.note(3),
        FAILS,
    )
    yield case(
        "proof_wrong",
        "The proof beside the pack has a wrong hash.",
        part.bytes(),
        SMALL.note(3),
        FAILS,
        "--consistency",
        "proof",
        proof=_spoilt(SMALL.consistency(3)),
    )
    yield case(
        "proof_of_another_history",
        "The proof beside the pack leads to another tree of the same size.",
        part.bytes(),
        SMALL.note(3),
        FAILS,
        "--consistency",
        "proof",
        proof=rewritten.consistency(3),
    )
    yield case(
        "stranger", "A stranger signed the checkpoint that was kept: there is nothing to compare with.", whole,
        note(SMALL.text(3), VKEY.name, STRANGER), open_("proven", 5),
    )  # fmt: skip
    yield case(
        "stranger_and_altered", "The same, and the pack is altered: that outweighs it.", whole[:-1] + b"\x01",
        note(SMALL.text(3), VKEY.name, STRANGER), FAILS,
    )  # fmt: skip
    yield case("none", "What was kept is no checkpoint.", whole, b"hello\n", open_("proven", 5))
    yield case("required", "One is required, and agrees.", whole, SMALL.note(3), ok("proven", 2), "--require-anchor")
    yield Case(
        "anchor_required_and_none",
        "One is required, and none was given.",
        whole,
        open_("proven", 5),
        arguments=("--require-anchor",),
    )
    yield fail(
        "link_hash_long", "A hash of a consistency proof in a pack is of 33 bytes.", _with_link(lines_of([bytes(33)]))
    )
    yield fail("link_not_base64", "A consistency proof in a pack is no base64.", _with_link(b"hello world\n"))
    yield fail(
        "link_without_end",
        "The last line of a consistency proof in a pack has no end.",
        _with_link(lines_of(SMALL.growth(3))[:-1]),
    )
    yield Case(
        "anchor_fork_fail", "Two checkpoints that were kept are of one size, and differ.", whole, FAILS,
        arguments=("--anchor", "one", "--anchor", "two"), files={"one": SMALL.note(4), "two": rewritten.note(4)},
    )  # fmt: skip


def _with_link(data: bytes) -> bytes:
    return Draftpack.of(SMALL, [0, 1, 2]).insert("consistency/3", data, before="keys/").bytes()


def lines_of(hashes: Sequence[bytes]) -> bytes:
    return "".join(f"{b64(item)}\n" for item in hashes).encode()


def _spoilt(data: bytes) -> bytes:
    lines = data.split(b"\n")
    lines[1] = b64(bytes(32)).encode()
    return b"\n".join(lines)


def consistencies() -> Iterator[Case]:
    good = SMALL.consistency(3)

    def case(name: str, text: str, data: bytes, expect: Mapping[str, Any] = FAILS) -> Case:
        ending = "_fail" if expect is FAILS else ""
        return Case(
            f"consistency_{name}{ending}", text, data, expect, file="proof", arguments=("--anchor", "kept"),
            files={"kept": SMALL.note(3)},
        )  # fmt: skip

    yield case("good", "From three entries that were kept to five.", good, ok("not asked", 2))
    yield Case("consistency_alone", "Nothing is known of the older tree.", good, open_("not asked", 5), file="proof")
    yield case("hash", "One hash is another.", _spoilt(good))
    yield case(
        "hash_more", "There is a hash too many.", good.replace(b"\n\n", b"\n" + b64(bytes(32)).encode() + b"\n\n", 1)
    )
    yield case("hash_less", "There is a hash too few.", b"old 3\n" + good.split(b"\n", 2)[2])
    yield case("old_zero", "It is from the empty tree.", good.replace(b"old 3", b"old 0"))
    yield case("old_beyond", "It is from a tree larger than the newer one.", good.replace(b"old 3", b"old 9"))
    yield case("old_zeros", "The older size has a leading zero.", good.replace(b"old 3", b"old 03"))
    yield case(
        "stranger",
        "A stranger signed the newer checkpoint.",
        good.partition(b"\n\n")[0] + b"\n\n" + note(SMALL.text(), VKEY.name, STRANGER),
    )
    yield case("base64", "A hash is not in its one spelling.", good.replace(b"=\n", b"\n", 1))


# ------------------------------------------------------------------ receipts


def receipts() -> Iterator[Case]:
    def case(name: str, text: str, data: bytes, expect: Mapping[str, Any] = FAILS, **other: Any) -> Case:
        ending = "_fail" if expect is FAILS else ""
        return Case(f"receipt_{name}{ending}", text, data, expect, file="entry.tlog-proof", **other)

    good, hashes, signed = SMALL.receipt(3), SMALL.hashes(3), SMALL.note()
    yield case("good", "Entry 3 of five.", good, ok("not asked", 5))
    yield case("of_the_first", "Entry 0 of one: there is no path.", World().genesis().receipt(0), ok("not asked", 1))
    yield case("of_the_last", "Entry 4 of five, the lone one.", SMALL.receipt(4), ok("not asked", 5))
    yield case(
        "anchored",
        "And the checkpoint was kept.",
        good,
        ok("not asked", 0),
        arguments=("--anchor", "kept"),
        files={"kept": signed},
    )
    yield case("without_entry", "Which entry stands there is not shown.", SMALL.proof(3), open_("not asked", 5))
    yield case(
        "entry_altered",
        "The entry has another title.",
        proof(3, hashes, signed, extra=SMALL.raws[3].replace(b"One", b"Owe")),
    )
    yield case("of_another_entry", "The entry stands elsewhere.", proof(3, hashes, signed, extra=SMALL.raws[4]))
    yield case("index", "The place is another.", proof(2, hashes, signed, extra=SMALL.raws[3]))
    yield case("index_beyond", "The place lies beyond the tree.", proof(5, hashes, signed, extra=SMALL.raws[3]))
    yield case("index_zeros", "The place has a leading zero.", proof("03", hashes, signed, extra=SMALL.raws[3]))
    yield case("index_negative", "The place is below zero.", proof("-3", hashes, signed, extra=SMALL.raws[3]))
    yield case("hash", "One hash is another.", proof(3, [bytes(32), *hashes[1:]], signed, extra=SMALL.raws[3]))
    yield case("hash_more", "There is a hash too many.", proof(3, [*hashes, bytes(32)], signed, extra=SMALL.raws[3]))
    yield case("hash_less", "There is a hash too few.", proof(3, hashes[:-1], signed, extra=SMALL.raws[3]))
    yield case(
        "hashes_many",
        "There are more hashes than any tree has.",
        proof(3, [bytes(32)] * 64, signed, extra=SMALL.raws[3]),
    )
    yield case(
        "stranger",
        "A stranger signed the checkpoint.",
        proof(3, hashes, note(SMALL.text(), VKEY.name, STRANGER), extra=SMALL.raws[3]),
    )
    yield case("without_checkpoint", "There is no checkpoint.", good.partition(b"\n\n")[0] + b"\n\n")
    yield case("magic", "It is of another version.", good.replace(b"@v1", b"@v2"))
    yield case("extra_twice", "It carries two entries.", good.replace(b"\nindex", b"\nextra AAAA\nindex"))
    yield case("base64", "The entry is not in the one spelling of base64.", good.replace(b"\nindex", b"=\nindex"))
    yield case(
        "of_a_second_beginning", "The entry says that a ledger begins there.", World().genesis().genesis().receipt(1)
    )
    node = encode({"left": "x", "right": "y"})
    yield case("not_an_entry", "What stands in the tree is no entry.", World().genesis().put(node).receipt(1))
    moved = (
        World()
        .genesis()
        .put(next_raw(World().genesis(), {"seq": 7, "prev": leaf_hash(World().genesis().raws[0]).hex()}))
    )
    yield case("entry_says_elsewhere", "The entry says that it stands elsewhere.", moved.receipt(1))


# ------------------------------------------------------------------ samples


def samples() -> Iterator[Case]:
    world = World(clock=lambda at: moment(20 + at)).genesis().usecase()
    for number in range(16):
        world = world.document(f"Minutes {number}")
    found = [world.entry(seq) for seq in range(world.size)]
    since, until = "2027-03-25T00:00:00.000000Z", "2027-04-05T00:00:00.000000Z"
    sample = take(found, kind="document", since=since, until=until, count=3, seed="Oda, 9 April 2027")
    before, after = sample.neighbours

    def case(name: str, text: str, change: Mapping[str, Any], *, without: int | None = None) -> Case:
        seqs = [seq for seq in (0, *range(before, after + 1)) if seq != without]
        data = Draftpack.of(world, seqs, filter=sample.value() | change).bytes()
        return fail(f"sample_{name}", text, data)

    good = Draftpack.of(world, [0, *range(before, after + 1)], filter=sample.value()).bytes()
    yield Case("sample_good", "Three documents of eleven, drawn by the auditor's seed.", good, ok("stated", world.size))
    all_of = take(found, kind="document", since=moment(0), until="2028-01-01T00:00:00.000000Z", count=100, seed="x")
    yield Case(
        "sample_of_everything",
        "All documents of the whole ledger: no neighbour is left outside.",
        Draftpack.of(world, range(world.size), filter=all_of.value()).bytes(),
        ok("proven", world.size),
    )
    yield case("member_missing", "A member of the population is missing.", {}, without=sample.first + 1)
    yield case("drawn_missing", "What was drawn is missing.", {}, without=sample.drawn[0])
    yield case("neighbour_missing", "The entry after the time is missing: it may have been of it.", {}, without=after)
    yield case("before_missing", "The entry before the time is missing.", {}, without=before)
    other = [seq for seq in range(sample.first, sample.last + 1) if seq not in sample.drawn]
    yield case(
        "exchanged",
        "One that was drawn was exchanged for a nicer one.",
        {"drawn": sorted([*sample.drawn[1:], other[0]])},
    )
    yield case("seed", "The seed draws others.", {"seed": "Oda, 10 April 2027"})
    yield case("population", "The population is said to be smaller.", {"population": sample.population - 1})
    yield case("first", "The time begins at a later entry than it says.", {"first": sample.first + 1})
    yield case("last", "The time ends at an earlier entry than it says.", {"last": sample.last - 1})
    yield case("time", "The time ends earlier than the entries.", {"until": "2027-04-02T00:00:00.000000Z"})
    yield case("kind", "It is of another kind.", {"kind": "model"})
    yield case("told_missing", "It tells of an entry that is missing.", {"told": [1]})
    yield case("field", "A field of the filter is missing.", {"seed": None})
    yield case("drawn_twice", "One is drawn twice.", {"drawn": [sample.drawn[0], *sample.drawn]})


def gaps() -> Iterator[Case]:
    """What is missing without being wrong: a verifier says so, and cannot say more."""
    yield Case(
        "gap_reference",
        "A decision names an evaluation that is not in the pack.",
        Draftpack.of(TOLD, [0, 1, 2, 3, 4, 5, 6, 8]).bytes(),
        open_("partial", 12),
    )
    yield Case("gap_genesis", "Entry 0 is not in the pack.", Draftpack.of(SMALL, [1, 2]).bytes(), open_("partial", 5))
    start = World().genesis().people().usecase().dataset().policy().model()
    third = start.evaluation(attempt=3)
    yield Case(
        "gap_evaluations",
        "The third recorded evaluation of a use case is there, the first two are not.",
        Draftpack.of(third).bytes(),
        open_("proven", third.size),
    )
    named = World().genesis(origin=OTHER)
    yield fail("genesis_other_origin", "Entry 0 names another ledger.", Draftpack.of(named.usecase()).bytes())
    yield fail(
        "genesis_twice",
        "A ledger begins again within the ledger.",
        Draftpack.of(World().genesis().usecase().genesis()).bytes(),
    )
    stranger = World().genesis(checkpoint_key=str(_of_stranger().vkey))
    yield fail("genesis_other_key", "Entry 0 names another key.", Draftpack.of(stranger.usecase()).bytes())
    yield fail(
        "genesis_another_kind", "Entry 0 is of another kind.", Draftpack.of(World().document().document()).bytes()
    )


def people() -> Iterator[Case]:
    start = World().genesis().people().usecase().dataset().policy().model().evaluation().decision()

    def case(name: str, text: str, world: World) -> Case:
        return fail(f"people_{name}", text, Draftpack.of(world).bytes(), needs="people")

    yield case("approved_by_nobody", "A promotion without any approval.", start.promotion(approved=False))
    yield case(
        "approved_by_maker", "The engineer who recorded the model approved it.", start.approval(ENGINEER).promotion()
    )
    yield case(
        "approval_forged",
        "A stranger signed the officer's approval.",
        start.approval(OFFICER, by=[STRANGER]).promotion(),
    )
    failed = (
        World().genesis().people().usecase().dataset().policy().model().evaluation(verdicts=("pass", "fail")).decision()
    )
    yield case("promoted_in_spite", "A promotion after a check that failed.", failed.approval().promotion())
    lied = (
        World()
        .genesis()
        .people()
        .usecase()
        .dataset()
        .policy()
        .model()
        .evaluation(verdict="pass", verdicts=("pass", "fail"))
    )
    yield case("verdict_of_its_own", "An evaluation whose verdict is not that of its checks.", lied)
    stranger = World().genesis().person(OFFICER, ["risk-officer", "steward"]).person(ENGINEER, ["engineer"])
    yield case("registered_alone", "A second person registered without a steward.", stranger)


# ------------------------------------------------------------------ reports


def reports() -> Iterator[Case]:
    from _pdf import flawed, good

    pdf, evidence, certificate = good()

    def issued(file: bytes, **other: Any) -> bytes:
        return SMALL.report(file, evidence=evidence, certificate=certificate, **other).receipt(5)

    def case(
        name: str, text: str, file: bytes, receipt: bytes, expect: Mapping[str, Any] = FAILS, needs: str = "core"
    ) -> Case:
        ending = "_fail" if expect is FAILS else ""
        return Case(
            f"report_{name}{ending}", text, file, expect, file="audit.pdf", needs=needs,
            files={"audit.pdf.tlog-proof": receipt},
        )  # fmt: skip

    receipt = issued(pdf)
    yield case("good", "A report and the receipt of its issue.", pdf, receipt, ok("not asked", 6))
    yield Case(
        "report_alone", "Without its receipt, the issue of a report is not proven.", pdf, {"exit": 3}, file="audit.pdf"
    )
    yield Case(
        "report_receipt_elsewhere", "The receipt has another name, and is given.", pdf, ok("not asked", 6),
        file="audit.pdf", arguments=("--receipt", "proof"), files={"proof": receipt},
    )  # fmt: skip
    yield case("appended", "Bytes were appended to the report.", pdf + b"\n% hello\n", receipt)
    yield case("altered", "One byte of the report is another.", pdf.replace(b"Audit report", b"Audit rePort"), receipt)
    yield case("truncated", "The last byte is missing.", pdf[:-1], receipt)
    yield case("receipt_of_another", "The receipt is that of another report.", pdf, issued(pdf + b"\n"))
    yield case("receipt_of_another_kind", "The receipt is for an entry that is no report.", pdf, SMALL.receipt(3))
    yield case(
        "issued_by_a_person", "The entry of the report is not signed by the ledger.", pdf, issued(pdf, by=(OFFICER,))
    )
    yield case(
        "issued_by_nobody",
        "A stranger signed the ledger that records it.",
        pdf,
        _of_stranger().report(pdf, evidence=evidence, certificate=certificate).receipt(3),
    )
    for name, text, file in flawed():
        yield case(name, text, file, issued(file), needs="pdf")
    world = SMALL.report(pdf, evidence=evidence, certificate=certificate)

    def pack(file: bytes, receipt: bytes | None) -> bytes:
        draft = Draftpack.of(world).insert("report/audit.pdf", file, before="readme")
        if receipt is not None:
            draft.insert("report/receipt.tlog-proof", receipt, before="readme")
        return draft.bytes()

    yield Case(
        "report_in_pack", "A pack with the report and its receipt.", pack(pdf, world.receipt(5)), ok("proven", 6)
    )
    yield fail(
        "report_in_pack_altered",
        "The report in a pack is not the one that was issued.",
        pack(pdf + b"\n", world.receipt(5)),
    )
    yield Case(
        "report_in_pack_without_receipt", "The report in a pack has no receipt.", pack(pdf, None), open_("proven", 6)
    )
    yield fail(
        "report_in_pack_receipt_of_another_ledger",
        "The receipt in a pack is of another ledger.",
        pack(pdf, _of_stranger().report(pdf, evidence=evidence, certificate=certificate).receipt(3)),
    )

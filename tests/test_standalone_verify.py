"""The verifier that stands alone says of real files what ``tallystick verify`` says, and refuses what is forged."""

import ast
import base64
import contextlib
import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import pytest
from _outside import check
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _forge import Forger, canonical, leaf, manifest_of, sha256, unzipped
from tallystick.cli.main import run
from tallystick.standalone import verify

SOURCE = Path(verify.__file__)
GOLDEN = Path(__file__).parent / "golden/v1"
COMPARED = ("kind", "integrity", "completeness", "unanchored")


def has_pango():
    try:
        return importlib.import_module("weasyprint") is not None
    except OSError:
        return False


needs_report = pytest.mark.skipif(not has_pango(), reason="a report needs Pango")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # WeasyPrint leaves a file open


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A small ledger, and everything that it hands out."""
    home, here = tmp_path_factory.mktemp("ledger"), Path.cwd()
    (home / "model.bin").write_bytes(b"weights")
    os.chdir(home)
    try:
        for line in (
            "init --name example.org/alone",
            "key new officer --role risk-officer --name Oda",
            "ledger checkpoint -o 3.checkpoint",
            "key new engineer --role engineer --by officer --name Ürs --email u@example.org",
            "record model model.bin --name small --as engineer",
            "ledger checkpoint -o kept.checkpoint",
            "record document model.bin --title Minutes --as engineer",
            "pack small -o small.zip",
            "pack small --all -o all.zip",
            "ledger prove 4",
            "ledger prove 3 --bare -o bare.tlog-proof",
            "ledger prove --from kept.checkpoint -o grown.proof",
            "ledger prove --from 3.checkpoint -o 3.proof",
            "ledger checkpoint -o 6.checkpoint",
            *(["report small -o audit.pdf", "pack small -o report.zip"] if has_pango() else []),
            "record document model.bin --title Later --as engineer",
            "ledger checkpoint -o late.checkpoint",
            "ledger prove --from 6.checkpoint -o late.proof",
            "ledger prove --from kept.checkpoint -o both.proof",
        ):
            assert run(line.split()) == 0, line
    finally:
        os.chdir(here)
    (home / "ledger.vkey").write_text((home / ".tallystick/ledger.vkey").read_text())
    check(home / ".tallystick/ledger.db", vkey=(home / "ledger.vkey").read_text().strip())
    make_bad_ones(home)
    return home


def make_bad_ones(home):
    forger = Forger.of(home)
    data = (home / "grown.proof").read_bytes()
    (home / "flipped.proof").write_bytes(data[:9] + (b"A" if data[9:10] != b"A" else b"B") + data[10:])
    (home / "other-size.proof").write_bytes(data.replace(b"old 5\n", b"old 4\n"))
    (home / "fork.checkpoint").write_bytes(forger.note(5, sha256(b"another tree")))
    (home / "fork6.checkpoint").write_bytes(forger.note(6, sha256(b"another tree")))
    (home / "empty.checkpoint").write_bytes(forger.note(0, sha256()))
    (home / "stranger.checkpoint").write_bytes(Forger().note(5, sha256(b"a tree")))
    (home / "witnessed.checkpoint").write_bytes(
        (home / "kept.checkpoint").read_bytes() + "\u2014 witness.example AAAAAAAAAAAAAAAAAAAAAAAA\n".encode()
    )
    (home / "nothing").write_bytes(b"")
    (home / "text").write_text("nothing of ours\n")
    (home / "cut.zip").write_bytes((home / "all.zip").read_bytes()[:3000])
    if (home / "audit.pdf").exists():
        pdf = (home / "audit.pdf").read_bytes()
        (home / "alone.pdf").write_bytes(pdf)
        (home / "altered.pdf").write_bytes(pdf + b"\n")


def paths(home, words):
    return [str(home / word) if not word.startswith("--") else word for word in words.split()]


def said_by(program, words):
    """Exit code, and the JSON object where there is one."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = program([*words, "--format", "json"])
        except SystemExit as end:
            code = end.code
    assert "Traceback" not in err.getvalue()
    return code, json.loads(out.getvalue()) if out.getvalue() else None


def alone(*words):
    return said_by(verify.main, [str(word) for word in words])


def product(*words):
    return said_by(lambda words: run(["verify", *words]), [str(word) for word in words])


def agree(*words):
    """What both say, which is the same."""
    code, ours = alone(*words)
    expected, theirs = product(*words)
    assert code == expected, (ours, theirs)
    if code in (0, 3) and theirs is not None and theirs["kind"] is not None:  # else nothing at all was found out
        assert {name: ours[name] for name in COMPARED} == {name: theirs[name] for name in COMPARED}
        assert ours["key"] == theirs["key"]
    return code, ours


QUESTIONS = {
    "all.zip": 0,
    "all.zip --anchor kept.checkpoint": 0,
    "all.zip --anchor kept.checkpoint --anchor 3.checkpoint": 0,
    "all.zip --anchor fork.checkpoint": 1,
    "all.zip --anchor fork6.checkpoint": 1,
    "all.zip --anchor kept.checkpoint --consistency flipped.proof": 1,
    "all.zip --require-anchor": 3,
    "all.zip --anchor late.checkpoint": 3,
    "all.zip --anchor late.checkpoint --consistency late.proof": 0,
    "all.zip --anchor empty.checkpoint --require-anchor": 3,
    "all.zip --anchor stranger.checkpoint": 3,
    "small.zip": 0,
    "small.zip --anchor kept.checkpoint --require-anchor": 0,
    "small.zip --anchor fork.checkpoint": 1,
    "cut.zip": 1,
    "entry-4.tlog-proof": 0,
    "entry-4.tlog-proof --anchor kept.checkpoint": 3,
    "entry-4.tlog-proof --anchor kept.checkpoint --consistency grown.proof": 0,
    "bare.tlog-proof": 3,
    "kept.checkpoint": 0,
    "witnessed.checkpoint": 0,
    "empty.checkpoint": 0,
    "stranger.checkpoint": 1,
    "kept.checkpoint --anchor kept.checkpoint --require-anchor": 0,
    "kept.checkpoint --anchor 6.checkpoint": 3,
    "kept.checkpoint --anchor 6.checkpoint --consistency grown.proof": 0,
    "kept.checkpoint --anchor 6.checkpoint --consistency late.proof --consistency both.proof": 0,
    "kept.checkpoint --anchor 3.checkpoint --consistency 3.proof": 3,
    "kept.checkpoint --anchor 3.checkpoint --consistency 3.proof --consistency grown.proof": 0,
    "late.checkpoint --anchor 3.checkpoint --consistency 3.proof --consistency late.proof": 0,
    "kept.checkpoint --anchor fork.checkpoint": 1,
    "kept.checkpoint --anchor 6.checkpoint --consistency flipped.proof": 1,
    "6.checkpoint --anchor kept.checkpoint --consistency other-size.proof": 1,
    "6.checkpoint --anchor kept.checkpoint --consistency nothing": 1,
    "kept.checkpoint --consistency grown.proof": 2,
    "grown.proof": 3,
    "grown.proof --anchor kept.checkpoint": 0,
    "grown.proof --anchor 6.checkpoint": 3,
    "flipped.proof": 3,
    "flipped.proof --anchor kept.checkpoint": 1,
    "other-size.proof": 1,
    "nothing": 1,
    "text": 1,
    "not-there": 3,
    "all.zip --anchor not-there": 3,
}
OF_A_REPORT = {
    "audit.pdf": 0,
    "audit.pdf --receipt audit.pdf.tlog-proof": 0,
    "audit.pdf --receipt entry-4.tlog-proof": 1,
    "audit.pdf --receipt bare.tlog-proof": 1,
    "audit.pdf --receipt not-there": 3,
    "audit.pdf --anchor late.checkpoint": 3,
    "alone.pdf": 3,
    "alone.pdf --receipt audit.pdf.tlog-proof": 0,
    "altered.pdf --receipt audit.pdf.tlog-proof": 1,
    "report.zip": 0,
    "report.zip --anchor kept.checkpoint": 0,
    "audit.pdf.tlog-proof": 0,
}


@pytest.mark.parametrize(
    ("words", "code"), [*QUESTIONS.items(), *(pytest.param(*item, marks=needs_report) for item in OF_A_REPORT.items())]
)
def test_both_verifiers_answer_alike(home, words, code):
    assert agree(*paths(home, words), "--key", home / "ledger.vkey")[0] == code


@pytest.mark.parametrize("name", ["evidence.zip", "audit.pdf", "audit.pdf.tlog-proof", "kept.checkpoint"])
def test_what_the_first_version_wrote_is_verified(name):
    assert agree(GOLDEN / name, "--key", GOLDEN / "ledger.vkey")[0] == 0


def test_a_part_of_the_first_version_s_ledger_is_linked_by_the_proofs_in_the_pack():
    words = ["--key", GOLDEN / "ledger.vkey", "--anchor", GOLDEN / "kept.checkpoint", "--require-anchor"]
    code, said = agree(GOLDEN / "evidence.zip", *words)
    assert (code, said["completeness"], said["unanchored"]) == (0, "stated", 7)


def test_without_a_key_nothing_is_said(home):
    code, said = alone(home / "all.zip")
    assert (code, said["integrity"], said["unanchored"], said["key"]) == (3, "unknown", None, None)


def test_a_key_of_another_ledger_is_refused(home):
    assert agree(home / "all.zip", "--key", Forger().vkey)[0] == 1


def test_the_key_of_a_pack_is_taken_only_by_its_fingerprint(home):
    forger = Forger.of(home)
    code, said = alone(home / "all.zip", "--key", forger.fingerprint)
    assert code == 0
    assert said["key"] == {"name": forger.name, "fingerprint": forger.fingerprint}
    code, said = alone(home / "all.zip", "--key", "0" * 64)
    assert (code, said["key"], said["unanchored"]) == (3, None, None)
    assert alone(home / "kept.checkpoint", "--key", forger.fingerprint)[0] == 3
    spoken = " ".join(forger.fingerprint[at : at + 4].upper() for at in range(0, 64, 4))
    assert alone(home / "all.zip", "--key", spoken)[0] == 0
    assert alone(home / "all.zip", "--key", spoken[:-1])[0] == 3


def test_who_forges_a_pack_whole_is_found_by_the_key(home):
    """Keys inside a pack never make it trusted."""
    forger = Forger(name=Forger.of(home).name)
    pack = home / "forged.zip"
    pack.write_bytes(forger.pack(forger.history([{"kind": "document"}])))
    assert agree(pack, "--key", home / "ledger.vkey")[0] == 1
    assert alone(pack, "--key", Forger.of(home).fingerprint)[0] == 3
    assert alone(pack, "--key", forger.vkey)[0] == 0


def test_the_key_is_told_first_and_last_what_is_not_proven(home, capsys):
    assert verify.main([str(home / "all.zip"), "--key", str(home / "ledger.vkey"), "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (next(iter(said)), list(said)[-1]) == ("key", "not_proven")
    assert said["key"] == {"name": Forger.of(home).name, "fingerprint": Forger.of(home).fingerprint}
    assert "Whether what was recorded is true is not shown" in said["not_proven"][0]
    assert "rest on its key alone" in said["not_proven"][-1]


@needs_report
def test_it_says_that_it_did_not_look_into_the_pdf(home):
    for name in ("audit.pdf", "report.zip"):
        _, said = alone(home / name, "--key", home / "ledger.vkey")
        assert "Not judged:" in said["not_proven"][1]
        assert "what is inside a PDF" in said["not_proven"][1]


# Bits and bytes


def outcome(data, tmp_path, key):
    (tmp_path / "file").write_bytes(data)
    return alone(tmp_path / "file", "--key", key)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), how=st.sampled_from(["flip", "cut", "twice"]))
def test_any_changed_byte_of_a_pack_is_refused(home, tmp_path, where, bit, how):
    data = (home / "small.zip").read_bytes()
    at = int(where * len(data))
    middle = {"flip": bytes([data[at] ^ 1 << bit]), "cut": b"", "twice": data[at : at + 1] * 2}[how]
    code, said = outcome(data[:at] + middle + data[at + 1 :], tmp_path, home / "ledger.vkey")
    assert (code, said["integrity"]) == (1, "failed")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["entry-4.tlog-proof", "grown.proof", "kept.checkpoint", "bare.tlog-proof"]),
    where=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_any_changed_bit_of_a_small_file_is_answered_alike(home, tmp_path, name, where, bit):
    data = bytearray((home / name).read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    (tmp_path / "file").write_bytes(data)
    code, _ = agree(tmp_path / "file", "--key", home / "ledger.vkey", "--anchor", home / "kept.checkpoint")
    assert code in (1, 3)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"%PDF-", b"c2sp.org/tlog-proof@v1\n", b"old 1\n"])
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_at_all_bring_a_traceback(home, tmp_path, data, head):
    code, said = outcome(head + data, tmp_path, home / "ledger.vkey")
    assert code == (3 if head == b"%PDF-" else 1)
    assert said["integrity"] in ("failed", "unknown")


# Forged with the real key: every member signed, and yet not as the formats have it


@pytest.fixture(scope="module")
def forged(home, tmp_path_factory):
    """A function: both verdicts on small.zip after a change to its members, or to its manifest."""
    forger, real = Forger.of(home), unzipped((home / "small.zip").read_bytes())
    folder = tmp_path_factory.mktemp("forged")

    def ask(members=lambda members: None, manifest=lambda manifest: None, **envelope):
        changed = dict(real)
        members(changed)
        (folder / "pack.zip").write_bytes(forger.seal(changed, manifest_of(real), manifest, **envelope))
        return agree(folder / "pack.zip", "--key", forger.vkey)[0]

    return ask


def test_the_forger_makes_what_the_product_makes(home, forged):
    assert forged() == 0
    members = unzipped((home / "small.zip").read_bytes())
    assert Forger.of(home).seal(members, manifest_of(members)) == (home / "small.zip").read_bytes()


def drop(start):
    return lambda members: [members.pop(name) for name in list(members) if name.startswith(start)]


def put(name, change):
    return lambda members: members.update({name: change(members[name])})


def rename_a_key(members):
    """In its place, so that only the fingerprint is wrong."""
    found = list(members.items())
    members.clear()
    last = [name for name, _ in found if name.endswith(".pem")][-1]
    members.update((f"keys/{'f' * 64}.pem" if name == last else name, data) for name, data in found)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        pytest.param(lambda m: m.update({"zzz.txt": b""}), 1, id="a member that packs do not have"),
        pytest.param(
            lambda m: m.update({"readme.txt": m.pop("readme.txt"), "a/../b": b""}), 1, id="a path that climbs"
        ),
        pytest.param(lambda m: m.update({"checkpoint": m.pop("checkpoint")}), 1, id="members in another order"),
        pytest.param(drop("keys/ledger"), 1, id="no key of the ledger"),
        pytest.param(drop("checkpoint"), 1, id="no checkpoint"),
        pytest.param(drop("proofs/000000002"), 1, id="an entry without its proof"),
        pytest.param(drop("side/"), 1, id="values gone that withheld does not name"),
        pytest.param(drop("readme"), 0, id="no readme"),
        pytest.param(
            put("keys/ledger.vkey", lambda data: Forger().vkey.encode() + b"\n"), 1, id="another ledger's key"
        ),
        pytest.param(put("side/000000002.json", lambda data: data.replace(b"Oda", b"Odo")), 1, id="another name"),
        pytest.param(put("side/000000002.json", lambda data: data + b"\n"), 1, id="values not in canonical JSON"),
        pytest.param(put("side/000000003.json", lambda data: b'{"attachments":[],"personal":[]}'), 1, id="no values"),
        pytest.param(
            put("entries/000000004.json", lambda data: data.replace(b"small", b"smalm")), 1, id="another entry"
        ),
        pytest.param(put("consistency/5", lambda data: b""), 0, id="a consistency proof that nobody asks for"),
        pytest.param(put("consistency/5", lambda data: data[:-1] + b"*"), 1, id="hashes without their line feed"),
        pytest.param(rename_a_key, 1, id="a key under another fingerprint"),
    ],
)
def test_a_signed_pack_with_other_members(forged, members, code):
    assert forged(members) == code


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        pytest.param(lambda m: m.update(entries=4), 1, id="another number of entries"),
        pytest.param(lambda m: m.update(extra=1), 1, id="a field too many"),
        pytest.param(lambda m: m.pop("made_at"), 1, id="a field too few"),
        pytest.param(lambda m: m.update(size=True), 1, id="a flag for a number"),
        pytest.param(lambda m: m["range"].update(last=4), 1, id="another range"),
        pytest.param(lambda m: m["filter"].clear(), 1, id="a filter without a name"),
        pytest.param(lambda m: m.update(ledger="example.org/other"), 1, id="another ledger"),
        pytest.param(lambda m: m.update(root="0" * 64), 1, id="another root"),
        pytest.param(lambda m: m["withheld"].clear(), 1, id="nothing withheld"),
        pytest.param(lambda m: m["members"].reverse(), 1, id="members listed in another order"),
        pytest.param(lambda m: m.update(filter={"name": "all"}), 1, id="all said and not held"),
        pytest.param(lambda m: m.update(format="tallystick-pack/v2"), 3, id="a newer format"),
        pytest.param(lambda m: m.update(format="zip"), 1, id="no format of ours"),
    ],
)
def test_a_signed_pack_with_another_manifest(forged, manifest, code):
    assert forged(manifest=manifest) == code


def test_an_envelope_with_more_in_it_is_refused(forged):
    assert forged(extra=1) == 1


def test_a_member_that_stands_twice_is_refused(home, tmp_path):
    out, info = io.BytesIO((home / "small.zip").read_bytes()), zipfile.ZipInfo("readme.txt")
    info.external_attr, info.create_system = 0o100644 << 16, 3
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(info, b"another")
    code, said = outcome(out.getvalue(), tmp_path, home / "ledger.vkey")
    assert code == 1
    assert "container" in said["checks"][-1]["detail"]


ENTRY = {"kind": "document", "body": {"title": "x"}}
LINE = {"name": "a", "mediaType": "text/plain", "size": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        pytest.param(ENTRY, 0, id="good"),
        pytest.param({**ENTRY, "kind": "something-new"}, 0, id="unknown kind"),
        pytest.param({**ENTRY, "v": 2}, 3, id="newer version"),
        pytest.param({**ENTRY, "seq": 5}, 1, id="another seq"),
        pytest.param({**ENTRY, "prev": "0" * 64}, 1, id="another entry before"),
        pytest.param({**ENTRY, "recorded_at": "yesterday"}, 1, id="malformed time"),
        pytest.param({**ENTRY, "body": {"x": 2**53}}, 1, id="integer out of range"),
        pytest.param({**ENTRY, "body": {"x": "e\u0301"}}, 1, id="not in normal form C"),
        pytest.param({**ENTRY, "attachments": [{"name": "a", "sha256": "0" * 64}]}, 1, id="attachment without size"),
        pytest.param({**ENTRY, "attachments": ""}, 1, id="attachments that are no list"),
        pytest.param(
            {**ENTRY, "attachments": [LINE | {"hmac_sha256": "0" * 64}]}, 1, id="two digests of one attachment"
        ),
        pytest.param({**ENTRY, "attachments": [LINE | {"size": -1}]}, 1, id="a size below zero"),
        pytest.param({**ENTRY, "statement": []}, 1, id="a statement that is no envelope"),
        pytest.param({**ENTRY, "idempotency_key": 3}, 1, id="an idempotency key that is no text"),
        pytest.param({**ENTRY, "subject": [3]}, 1, id="a subject that is no object"),
        pytest.param({**ENTRY, "supersedes": None}, 1, id="supersedes nothing"),
        pytest.param({**ENTRY, "supersedes": {"seq": -1, "leaf": "0" * 64}}, 1, id="supersedes an entry below zero"),
        pytest.param({**ENTRY, "body": {"x": {"seq": 0, "leaf": "none"}}}, 0, id="an object that is no reference"),
        pytest.param({**ENTRY, "body": {"x": {"seq": 0, "leaf": "0" * 64}}}, 3, id="names an entry that is nowhere"),
    ],
)
def test_entries_that_the_key_signed(tmp_path, entry, code):
    forger = Forger()
    (tmp_path / "pack.zip").write_bytes(forger.pack(forger.history([entry])))
    assert agree(tmp_path / "pack.zip", "--key", forger.vkey)[0] == code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        pytest.param(b'"x":7', b'"x":0.1', 0, id="a float"),
        pytest.param(b'"x":7', b'"x":1e+21', 0, id="a large float"),
        pytest.param(b'"x":7', b'"x":1e21', 1, id="a float in another spelling"),
        pytest.param(b'"x":7', b'"x":7.0', 1, id="a whole float with a point"),
        pytest.param(b'"x":7', b'"x":-0', 1, id="minus zero"),
        pytest.param(b'"x":7', b'"x":NaN', 1, id="not a number"),
        pytest.param(b'"x":7', b'"x":1e999', 1, id="beyond every double"),
        pytest.param(b'"x":7', b'"x":' + b"9" * 30000, 1, id="thirty thousand digits"),
        pytest.param(b'"x":7', b'"x":7,"x":7', 1, id="a key twice"),
        pytest.param(b'"x":7', b'"x": 7', 1, id="white space"),
        pytest.param(b'"x":7', b'"x":"\\u0041"', 1, id="a needless escape"),
        pytest.param(b'"x":7', b'"x":"\\ud800"', 1, id="half a character"),
        pytest.param(b'"x":7', b'"x":' + b"[" * 30 + b"]" * 30, 0, id="32 levels"),
        pytest.param(b'"x":7', b'"x":' + b"[" * 31 + b"7" + b"]" * 31, 1, id="33 levels"),
        pytest.param(b'"x":7', b'"x":' + b"[" * 20000 + b"]" * 20000, 1, id="20,000 levels"),
        pytest.param(b'"x":7', b'"x":"' + b"a" * 70000 + b'"', 1, id="too large"),
    ],
)
def test_json_that_the_key_signed(tmp_path, old, new, code):
    forger = Forger()
    entries = forger.history([{"kind": "document", "body": {"x": 7}}])
    entries[1] = entries[1].replace(old, new)
    (tmp_path / "pack.zip").write_bytes(forger.pack(entries))
    assert agree(tmp_path / "pack.zip", "--key", forger.vkey)[0] == code


def test_a_hash_of_33_bytes_is_none(home, tmp_path):
    forger, real = Forger.of(home), unzipped((home / "small.zip").read_bytes())
    real["consistency/5"] = real["consistency/5"].replace(b"=", b"A")
    code, _ = outcome(forger.seal(real, manifest_of(real)), tmp_path, forger.vkey)
    assert code == 1


def test_32_levels_are_counted_in_objects_and_arrays_also_where_the_last_is_empty():
    value = []
    for _ in range(31):
        value = [value]
    assert verify.canonical(value) == "[" * 32 + "]" * 32
    with pytest.raises(verify.Refused, match="32 levels"):
        verify.canonical([value])


@pytest.mark.parametrize("entries", [[], [ENTRY]])
def test_a_pack_without_entries_is_refused(tmp_path, entries):
    forger = Forger()
    history = forger.history(entries) if entries else []
    (tmp_path / "pack.zip").write_bytes(forger.pack(history, [], filter={"name": "model"}))
    assert agree(tmp_path / "pack.zip", "--key", forger.vkey)[0] == 1


def test_a_second_genesis_is_refused(tmp_path):
    forger = Forger()
    (tmp_path / "pack.zip").write_bytes(forger.pack(forger.history([{"kind": "ledger"}])))
    assert alone(tmp_path / "pack.zip", "--key", forger.vkey)[0] == 1


def test_an_entry_that_does_not_hold_outweighs_one_of_a_newer_version(tmp_path):
    forger = Forger()
    (tmp_path / "pack.zip").write_bytes(forger.pack(forger.history([{**ENTRY, "v": 2}, {**ENTRY, "seq": 9}])))
    assert alone(tmp_path / "pack.zip", "--key", forger.vkey)[0] == 1


def test_a_proof_between_equal_sizes_does_not_stand_in_for_the_older_checkpoint(tmp_path):
    forger = Forger()
    entries = forger.history([ENTRY])
    (tmp_path / "proof").write_bytes(forger.consistency(entries, 2))
    (tmp_path / "kept").write_bytes(forger.checkpoint(entries))
    assert agree(tmp_path / "proof", "--key", forger.vkey)[0] == 3
    assert agree(tmp_path / "proof", "--key", forger.vkey, "--anchor", tmp_path / "kept")[0] == 0


def test_anchors_are_compared_though_another_cannot_be_read(home):
    words = paths(home, "all.zip --anchor not-there --anchor fork.checkpoint")
    assert alone(*words, "--key", home / "ledger.vkey")[0] == 1


def test_an_attachment_is_not_taken_for_the_key_of_the_same_name(tmp_path):
    """Both are named by a digest, and each has to have it."""
    forger, der = Forger(), bytes.fromhex("302a300506032b6570032100") + bytes(32)
    name = sha256(der).hex()
    line = {"name": "a", "mediaType": "text/plain", "size": 5, "sha256": name}
    members = unzipped(forger.pack(forger.history([{**ENTRY, "attachments": [line]}])))
    manifest, pem = manifest_of(members), base64.b64encode(der).decode()
    order = [*members.items()]
    at = next(at for at, (name, _) in enumerate(order) if name.startswith("keys/"))
    order[at:at] = [(f"attachments/{name}", b"other")]
    order.insert(
        at + 2, (f"keys/{name}.pem", f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n".encode())
    )
    (tmp_path / "pack.zip").write_bytes(forger.seal(dict(order), manifest, lambda m: m.update(withheld=[])))
    code, said = alone(tmp_path / "pack.zip", "--key", forger.vkey)
    assert (code, said["checks"][-1]["detail"]) == (1, "an attachment has another digest")


def test_a_part_of_a_story_is_partial(tmp_path):
    forger = Forger()
    entries = forger.history([ENTRY, ENTRY])
    entries = forger.history([ENTRY, {**ENTRY, "supersedes": {"seq": 1, "leaf": leaf(entries[1]).hex()}}])
    (tmp_path / "pack.zip").write_bytes(forger.pack(entries, [0, 2], filter={"name": "model"}))
    code, said = agree(tmp_path / "pack.zip", "--key", forger.vkey)
    assert (code, said["integrity"], said["completeness"]) == (3, "ok", "partial")


@pytest.mark.parametrize(
    ("numbers", "code"),
    [([1, 2, 3], 0), ([2, 1], 0), ([3], 3), ([1, 3], 3), ([1, 1], 3), ([0], 3), (["1"], 3), ([True], 3), ([2**50], 3)],
)
def test_a_gap_in_the_numbers_of_evaluations_leaves_the_answer_open(tmp_path, numbers, code):
    forger = Forger()
    usecase = {"seq": 0, "leaf": leaf(forger.history([])[0]).hex()}
    entries = [{"kind": "evaluation", "body": {"usecase": usecase, "attempt": {"usecase": at}}} for at in numbers]
    got, said = outcome(forger.pack(forger.history(entries)), tmp_path, forger.vkey)
    assert (got, said["integrity"], said["completeness"]) == (code, "ok", "proven")


# Samples


def sample(forger, count=9, first=3, last=6, drawn=2, seed="words of the auditor", **other):
    """A pack of a sample of documents, out of entries of which those with an even index are documents."""
    entries = forger.history([{"kind": "document" if at % 2 == 0 else "model"} for at in range(1, count)])
    kind = [at for at in range(first, last + 1) if at % 2 == 0]
    ranked = sorted(kind, key=lambda at: sha256(seed.encode(), b"\x00", leaf(entries[at])))
    said = {"name": "sample", "kind": "document", "first": first, "last": last, "population": len(kind)}
    said |= {"seed": seed, "told": []}
    said |= {"from": f"2026-01-{first + 1:02d}T00:00:00.000000Z", "until": f"2026-01-{last + 2:02d}T00:00:00.000000Z"}
    keep = other.pop("keep", None) or sorted({0, *range(max(first - 1, 0), min(last + 2, count))})
    return forger.pack(entries, keep, filter={**said, "drawn": sorted(ranked[:drawn]), **other})


def test_a_sample_of_a_whole_population_holds(tmp_path):
    forger = Forger()
    for choice in ({}, {"drawn": 1}, {"first": 1, "last": 2}, {"first": 5, "last": 8}, {"told": [3, 4]}):
        code, said = outcome(sample(forger, **choice), tmp_path, forger.vkey)
        assert (code, said["integrity"], said["completeness"]) == (0, "ok", "stated"), (choice, said["checks"])
        (told,) = [check["detail"] for check in said["checks"] if check["name"] == "sample"]
        assert "drawn by the seed 'words of the auditor'" in told


def test_an_entry_of_another_time_within_the_range_is_not_of_the_population(tmp_path):
    forger, early = Forger(), "2026-01-02T00:00:00.000000Z"
    entries = forger.history([ENTRY | ({"recorded_at": early} if at == 4 else {}) for at in range(1, 8)])
    said = {"name": "sample", "kind": "document", "first": 3, "last": 5, "seed": "x", "drawn": [3, 5], "told": []}
    said |= {"from": "2026-01-04T00:00:00.000000Z", "until": "2026-01-07T00:00:00.000000Z"}
    for population, code in ((2, 0), (3, 1)):
        pack = forger.pack(entries, [0, 2, 3, 4, 5, 6], filter={**said, "population": population})
        assert outcome(pack, tmp_path, forger.vkey)[0] == code


@pytest.mark.parametrize(
    "choice",
    [
        pytest.param({"population": 3}, id="another population"),
        pytest.param({"drawn": 0}, id="nothing drawn"),
        pytest.param({"seed": "other words", "drawn": 1, "kind": "model"}, id="another kind"),
        pytest.param({"keep": [0, 2, 3, 4, 6, 7]}, id="an entry of the population left out"),
        pytest.param({"keep": [0, 3, 4, 5, 6, 7]}, id="no entry before"),
        pytest.param({"keep": [0, 2, 3, 4, 5, 6]}, id="no entry after"),
        pytest.param({"from": "2026-01-03T00:00:00.000000Z"}, id="the entry before is within the time"),
        pytest.param({"until": "2026-01-20T00:00:00.000000Z"}, id="the entry after is within the time"),
        pytest.param({"from": "2026-01-05T00:00:00.000000Z"}, id="an entry of the range is before the time"),
        pytest.param({"from": "in spring"}, id="malformed time"),
        pytest.param({"population": True}, id="a flag for a number"),
        pytest.param({"first": 7, "last": 6, "from": "2026-03-01T00:00:00.000000Z", "population": 0}, id="elsewhere"),
        pytest.param({"last": 10**15}, id="a range beyond the tree"),
        pytest.param({"told": [4, 3]}, id="told out of order"),
        pytest.param({"told": [4, 4]}, id="told twice"),
        pytest.param({"told": [1]}, id="told and not in the pack"),
        pytest.param({"told": [True]}, id="a flag among what is told"),
        pytest.param({"told": [0]}, id="told from outside the range"),
        pytest.param({"told": None}, id="nothing said of what is told"),
        pytest.param({"more": 1}, id="a field too many"),
        pytest.param({"seed": ""}, id="no seed"),
    ],
)
def test_a_sample_that_is_not_what_it_says_is_refused(tmp_path, choice):
    forger, given = Forger(), {}
    for name in ("keep", "seed"):
        if name in choice:
            given[name] = choice.pop(name)
    drawn = choice.pop("drawn", 2)
    pack = unzipped(sample(forger, drawn=drawn, **given))
    code, said = outcome(
        forger.seal(pack, manifest_of(pack), lambda m: m["filter"].update(choice)), tmp_path, forger.vkey
    )
    assert (code, said["integrity"]) == (1, "failed")


@pytest.mark.parametrize("drawn", [[], [6, 4], [4, 4], [3], [4, 6, 8]])
def test_a_sample_that_the_seed_does_not_draw_is_refused(tmp_path, drawn):
    forger = Forger()
    entries = unzipped(sample(forger, count=11, last=8))
    said = manifest_of(entries)
    first = min((4, 6, 8), key=lambda at: sha256(b"words of the auditor\x00", leaf(entries[f"entries/{at:09d}.json"])))
    wrong = drawn or [next(at for at in (4, 6, 8) if at != first)]
    whole = sorted(wrong) == [4, 6, 8] == wrong
    code, _ = outcome(forger.seal(entries, said, lambda m: m["filter"].update(drawn=wrong)), tmp_path, forger.vkey)
    assert code == (0 if whole else 1)


# Keys and vectors that others published


def vkey_of(raw):
    """The line of a verifier key."""
    name, blob = "example.org/x", b"\x01" + raw
    return f"{name}+{sha256(name.encode(), bytes([10]), blob)[:4].hex()}+{base64.b64encode(blob).decode()}"


@needs_openssl
def test_weak_keys_of_the_published_edge_cases_are_refused():
    cases = json.loads((Path(__file__).parent / "vectors/C2SP_CCTV/ed25519vectors.json").read_text())
    for at, case in enumerate(cases):
        line = vkey_of(bytes.fromhex(case["key"]))
        if {"low_order_A", "non_canonical_A"} & set(case["flags"] or []):
            with pytest.raises(verify.Refused):
                verify.parse_key(line)
        elif at % 7 == 0:  # each takes a process
            good = not {"low_order_residue", "non_canonical_R"} & set(case["flags"] or [])
            assert verify.signed(verify.parse_key(line), case["msg"].encode(), bytes.fromhex(case["sig"])) == good


def published_signatures():
    groups = json.loads((Path(__file__).parent / "vectors/C2SP_wycheproof/ed25519_test.json").read_text())["testGroups"]
    return [(bytes.fromhex(group["publicKey"]["pk"]), test) for group in groups for test in group["tests"]]


def right(raw, test):
    return verify.signed(verify.parse_key(vkey_of(raw)), bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])) == (
        test["result"] == "valid"
    )


@needs_openssl
def test_published_signatures_are_judged_right():
    wrong = [test["tcId"] for raw, test in published_signatures() if test["msg"] and not right(raw, test)]
    assert wrong == []


def proofs(kind):
    folder = Path(__file__).parent / "vectors/transparency-dev_merkle/testdata" / kind
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]


def leads(roots, *values):
    """The root, or roots, to which a proof leads, unless it is refused."""
    try:
        return roots(*values)
    except verify.Refused:
        return None


def unpack(values):
    return [base64.b64decode(value) for value in values or []]


def inclusion(leaf, at, size, path):
    return verify.roots(at + 1, size, path, leaf, leaf=True)[1]


def test_published_inclusion_proofs_are_judged_right():
    for case in proofs("inclusion"):
        leaf, root = unpack([case["leafHash"], case["root"]])
        if len(root) == 32:  # another is refused where a checkpoint is read
            got = leads(inclusion, leaf, case["leafIdx"], case["treeSize"], unpack(case["proof"]))
            assert (got != root) == case["wantErr"], case["desc"]


def test_published_consistency_proofs_are_judged_right():
    for case in proofs("consistency"):
        old, new = unpack([case["root1"], case["root2"]])
        got = leads(verify.roots, case["size1"], case["size2"], unpack(case["proof"]), old)
        assert (got != (old, new)) == case["wantErr"], case["desc"]


def test_published_json_is_written_canonically():
    folder = Path(__file__).parent / "vectors/cyberphone_json-canonicalization/testdata"
    for source in sorted((folder / "input").iterdir()):
        value, output = json.loads(source.read_text(encoding="utf-8")), (folder / "output" / source.name).read_bytes()
        if unicodedata.is_normalized("NFC", output.decode()):
            assert verify.canonical(value).encode() == output, source.name
        else:
            with pytest.raises(verify.Refused, match="normal form C"):
                verify.canonical(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_as_rfc_8785_writes_it(value):
    import rfc8785

    assert verify.canonical(value).encode() == rfc8785.dumps(value)


# The view for people


def shown(file, *words, code):
    """The lines that people see, every digest and id made of zeros."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert verify.main([str(word) for word in (file, *words)]) == code
    ids = r"\b[0-9a-f]{64}\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    lines = re.sub(ids, lambda found: re.sub("[^-]", "0", found[0]), out.getvalue()).splitlines()
    assert all(re.fullmatch("[ -~]{0,100}", line) for line in lines)
    assert len(lines) <= 32
    return lines


HEAD = [
    "key           example.org/alone/00000000-0000-0000-0000-000000000000",
    f"fingerprint   {'0' * 64}",
]
LAST = [
    "",
    "not proven    Whether what was recorded is true is not shown. What was never recorded is invisible.",
    "              Not judged: who was entitled to sign, the rules of promotion, time stamps, and what is",
    "              inside a PDF.",
    "              What is complete as stated is so by the ledger's word; entries that no checkpoint from",
    "              elsewhere covers (unanchored) rest on its key alone: whoever holds it could have made",
    "              them anew, or show others to others.",
]


def test_people_see_a_good_pack(home, monkeypatch):
    monkeypatch.chdir(home)
    assert shown("all.zip", "--key", "ledger.vkey", "--anchor", "kept.checkpoint", code=0) == [
        *HEAD,
        "              read from ledger.vkey, given by you",
        "file          all.zip: a pack",
        f"head          6 entries, root {'0' * 64}",
        "",
        "ok            pack: the key covers 28 members, 6 entries of 6",
        "ok            completeness: every entry that another one names is here",
        "ok            evaluations: recorded evaluations are numbered without a gap",
        "ok            anchor: the trees of 5 and of 6 entries are one history",
        "",
        "integrity     ok: what is here is what the ledger's key signed, unaltered and in its place",
        "completeness  proven: every entry of the ledger up to this head is here",
        "anchor        agrees up to 5 entries; 1 of 6 rest on the ledger's key alone",
        *LAST,
        "exit code     0: everything that was asked holds",
    ]


def test_people_see_a_refused_pack(home, monkeypatch):
    monkeypatch.chdir(home)
    lines = shown("cut.zip", "--key", Forger.of(home).vkey, "--anchor", "not-there", code=1)
    assert [re.sub("at byte [0-9]+$", "at byte N", line) for line in lines] == [
        *HEAD,
        "              given by you as a line",
        "file          cut.zip: a pack",
        "",
        "FAILED        file: the container was cut, or altered: the member at byte N",
        "open          anchor: not-there cannot be opened or started: No such file or directory",
        "",
        "integrity     failed: something does not hold: rely on nothing in this file",
        "completeness  failed: something does not hold: rely on nothing in this file",
        *LAST,
        "exit code     1: something does not hold, see FAILED above",
    ]


def test_people_see_where_the_key_came_from(home):
    forger = Forger.of(home)
    lines = shown(home / "all.zip", "--key", forger.fingerprint, code=0)
    assert lines[:2] == HEAD
    assert lines[2] == "              taken from the pack, because its fingerprint is the one you gave"
    assert shown(home / "all.zip", "--key", "0" * 64, code=3)[0] == "key           none: nothing was verified"
    assert shown(home / "all.zip", code=3)[-1].startswith("exit code     3: ")


def test_people_see_what_the_page_about_verifying_by_hand_shows(monkeypatch, capsys):
    monkeypatch.chdir(GOLDEN)
    assert verify.main(["evidence.zip", "--key", "ledger.vkey", "--anchor", "kept.checkpoint"]) == 0
    page = (Path(__file__).parent.parent / "docs/how-to/verify-by-hand.md").read_text(encoding="utf-8")
    command = "$ python3 verify.py evidence.zip --key ledger.vkey --anchor kept.checkpoint\n"
    assert f"```text\n{command}{capsys.readouterr().out}```" in page


HOSTILE = "\x1b[2J\u202e\u200b\r\n\u0007\u00e9"


@pytest.mark.parametrize(
    ("file", "code"), [("attachment.zip", 1), ("format.zip", 1), ("member.zip", 1), (f"{HOSTILE}.zip", 0)]
)
def test_nothing_of_a_hostile_file_steers_the_terminal(tmp_path, file, code):
    forger, line = (
        Forger(),
        {"name": f"{HOSTILE}{'x' * 2000}", "mediaType": "text/plain", "size": -1, "sha256": "0" * 64},
    )
    made = {
        "attachment.zip": forger.pack(forger.history([{**ENTRY, "attachments": [line]}])),
        "format.zip": forger.pack(forger.history([]), change=lambda m: m.update({HOSTILE: 1, "format": HOSTILE})),
        "member.zip": forger.pack(forger.history([]), more={"a\x1b[2J": b""}),
    }
    (tmp_path / file).write_bytes(made.get(file, forger.pack(forger.history([]))))
    shown(tmp_path / file, "--key", forger.vkey, code=code)
    _, said = alone(tmp_path / file, "--key", forger.vkey)
    assert all(re.fullmatch("[ -~]{1,400}", check["detail"]) for check in said["checks"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("bare.tlog-proof", "the receipt carries no entry: which one stands at 3 is not shown"),
        ("stranger.checkpoint", "the key that was given did not sign the checkpoint"),
        ("all.zip --anchor late.checkpoint", "not here: a proof between the trees of"),
        (
            "all.zip --anchor fork.checkpoint",
            "the tree of 6 entries does not begin with the one of 5 that the key signed",
        ),
        ("all.zip --anchor text", "it is no checkpoint of three lines and 1 to 100 signatures"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(home, words, sentence):
    _, said = alone(*paths(home, words), "--key", home / "ledger.vkey")
    assert sentence in next(check["detail"] for check in said["checks"] if check["outcome"] != "ok")


@pytest.mark.parametrize("entry", [b"\xff", b"{", b"[]", b'"\\ud800"', b"[" * 9000, b""])
def test_bytes_that_are_no_entry_are_refused_by_a_reason_that_was_foreseen(tmp_path, entry):
    forger = Forger()
    (tmp_path / "file").write_bytes(forger.receipt([entry], 0, extra=True))
    code, said = alone(tmp_path / "file", "--key", forger.vkey)
    assert (code, said["integrity"]) == (1, "failed")
    assert "foresee" not in said["checks"][0]["detail"]


# A program of its own


def test_it_is_one_file_for_python_3_9_that_imports_no_code_of_ours():
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    imported |= {(node.module or ".").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names


def test_it_stays_short_enough_to_be_read():
    assert len(SOURCE.read_text(encoding="utf-8").splitlines()) < 750


def isolated(folder, *words, path=None):
    """The file alone in an empty folder, run by a Python that finds no installed package."""
    shutil.copy(SOURCE, folder / "verify.py")
    command = [sys.executable, "-I", "-S", "verify.py", *map(str, words), "--format", "json"]
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


@needs_openssl
@pytest.mark.parametrize(
    "words", ["all.zip --anchor kept.checkpoint", "cut.zip", "entry-4.tlog-proof", "stranger.checkpoint"]
)
def test_copied_elsewhere_it_says_the_same(home, tmp_path, words):
    words = [*paths(home, words), "--key", home / "ledger.vkey"]
    assert isolated(tmp_path, *words) == alone(*words)
    assert [path.name for path in tmp_path.iterdir()] == ["verify.py"]  # nothing is written


def test_without_any_means_to_check_a_signature_it_says_so(home, tmp_path):
    code, said = isolated(tmp_path, home / "all.zip", "--key", home / "ledger.vkey", path=str(tmp_path))
    assert (code, said["integrity"]) == (3, "unknown")
    assert "openssl cannot be opened or started" in said["checks"][0]["detail"]


def test_the_json_of_its_verdict_is_what_the_conformance_suite_asks_for(home):
    _, said = alone(home / "all.zip", "--key", home / "ledger.vkey")
    assert {"kind", "integrity", "completeness", "unanchored", "checks", "not_proven", "key"} <= set(said)
    assert all(set(check) == {"name", "outcome", "detail"} for check in said["checks"])
    assert canonical(said["key"])

"""An engineer with write access to the ledger and their own key, who goes past the command line."""

import errno
import json
import mmap
import os
import sqlite3
import stat
from pathlib import Path

import _outside as outside
import pytest

from tallystick.canonical import b64
from tallystick.capture.fingerprint import fingerprint
from tallystick.people.keys import actor_id
from tallystick.policy import judge
from tallystick.proof.keys import Signer
from tallystick.proof.note import open_checkpoint
from tallystick.proof.pack import Contents, Item, build
from tallystick.records import Attachment, Draft
from tallystick.workflow.desk import Desk


@pytest.fixture
def desk(bank):
    with Desk.open(Path(bank.ledger), keys=Path(bank.ledger).parent / "keys", writing=True) as desk:
        yield desk


def appended(desk, draft, *, by=None, **about):
    with desk.writing() as writer:
        return writer.append(draft if by is None else desk.sign(draft, by=[desk.signer(by)], **about)).entry


def promoted_without_approval(desk):
    """A promotion that the engineer signs, although nobody approved."""
    book = desk.book()
    model = book.model("credit", 2)
    decision = book.of_kind("decision")[-1]
    body = {
        "model": model.ref.value(),
        "model_digest": model.body["digest"],
        "stage": "production",
        "decision": decision.ref.value(),
        "approvals": [],
        "waivers": [],
        "replaces": {"absent": "first in this stage"},
        "effective_from": desk.clock(),
    }
    subject = ({"name": "credit@2", "digest": {"sha256": model.body["digest"]}},)
    draft = Draft("promotion", desk.actor("engineer"), desk.clock(), body, basis="declared", subject=subject)
    return appended(desk, draft, by="engineer", speaks_of=decision, stage="production")


def test_a_promotion_recorded_past_the_rules_is_found_everywhere(bank, desk):
    entry = promoted_without_approval(desk)
    code, out, _ = bank("ledger", "fsck", "--key", ".tallystick/ledger.vkey")
    assert code == 1
    assert f"entry {entry.seq}: this promotion breaks the rules" in out
    assert "no version of credit was in production" in bank.ok("history", "credit")
    bank.ok("pack", "credit@2", "-o", "evidence.zip")
    code, out, _ = bank("verify", "evidence.zip", "--key", ".tallystick/ledger.vkey")
    assert code == 1
    assert "nobody entitled has approved" in " ".join(out.split())


def test_a_report_is_not_issued_over_what_does_not_hold(bank, desk):
    entry = promoted_without_approval(desk)
    code, _, err = bank("report", "credit@2", "-o", "audit.pdf")
    assert code == 1
    assert f"entry {entry.seq}" in err
    assert not Path("audit.pdf").exists()
    for kind in ("model-card", "hand-over", "annex-iv"):
        code, _, err = bank("document", kind, "credit@2", "-o", "told.md")
        assert code == 1
        assert f"entry {entry.seq}" in err
        assert not Path("told.md").exists()


def test_an_engineers_own_policy_is_found_and_governs_nothing(bank, desk):
    honest = desk.book().of_kind("policy")[0]
    actor = desk.actor("engineer")
    body = {**honest.body, "version": "2.0.0", "approver": actor, "plan": ["bench.accuracy/accuracy"]}
    entry = appended(desk, Draft("policy", actor, desk.clock(), body, subject=honest.subject), by="engineer")
    assert bank.ok("policy", "list").count("german") == 1
    code, out, _ = bank("ledger", "fsck")
    assert code == 1
    assert f"entry {entry.seq}: signature of this policy does not hold" in out
    bank.ok("approve", "credit@2", "--rationale", "r", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")


def test_a_promotion_that_is_played_again_is_found(bank, desk):
    bank.ok("approve", "credit@2", "--rationale", "r", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")
    entry = desk.book().of_kind("promotion")[-1]
    words = Draft(
        "promotion", entry.actor, desk.clock(), entry.body, entry.basis, entry.subject, statement=entry.statement
    )
    again = appended(desk, words)
    code, out, _ = bank("ledger", "fsck")
    assert code == 1
    assert f"entry {again.seq}" in out
    assert f"stood first in entry {entry.seq}" in out
    assert len(bank.ok("history", "credit").splitlines()) == 2


def test_an_entry_of_another_form_does_not_stop_the_listing(bank, desk):
    """Required fields may be absent with a reason; whoever reads them must bear it."""
    honest = desk.book().of_kind("decision")[-1]
    body = {**honest.body, "resourceUri": {"absent": "none"}, "results": {"absent": "none"}}
    appended(desk, Draft("decision", honest.actor, desk.clock(), body, subject=({"name": {"a": 1}},)))
    for kind in ("evaluation", "approval"):
        assert bank.ok("log", "--kind", kind)
    assert "of another form" in bank.ok("log")
    bank.ok("show", str(desk.ledger.size - 1))


def test_records_of_another_form_stop_neither_the_next_evaluation_nor_the_next_version(bank, desk):
    evaluation, model = desk.book().of_kind("evaluation")[-1], desk.book().model("credit", 2)
    counts = Attachment.erasable("counts.json", "application/json", b"{}")
    body = {**evaluation.body, "data": ["x", {"sha256": []}]}
    appended(desk, Draft("evaluation", model.actor, desk.clock(), body, attachments=(counts,)))
    appended(desk, Draft("model", model.actor, desk.clock(), {**model.body, "version": {"absent": "none"}}))
    Path("m3.bin").write_bytes(b"model three")
    assert "credit@3" in bank.ok("record", "model", "m3.bin", "--name", "credit", "--as", "engineer")
    gate = "gate run credit@2 --predictions fair.csv --dataset german --as engineer --explain because"
    assert bank(*gate.split())[0] == 0


# ------------------------------------------------------------------------------- with the ledger's key as well


@pytest.fixture
def packed(desk):
    """A pack of chosen entries, with everything that stands beside them, signed by the ledger's real key."""

    def pack(seqs, name="model"):
        note = desk.ledger.latest_checkpoint()
        size = open_checkpoint(note, desk.ledger.key).size
        items = []
        for seq in seqs:
            entry = desk.ledger.entry(seq)
            parts = [Attachment(p["name"], p["mediaType"], desk.ledger.part(entry, p["name"]))
                     for p in entry.attachments if "sha256" in p]  # fmt: skip
            items.append(Item(entry.raw, tuple(desk.ledger.inclusion_proof(seq, size)), tuple(parts)))
        contents = Contents(desk.origin, note, tuple(items), {"name": name}, desk.clock())
        return build(contents, desk.signer("ledger"))

    return pack


def pretender(desk):
    """Somebody who registers with their own signature alone, as only the first person may."""
    key = Signer.generate("ed25519")
    actor = actor_id(key.public.fingerprint)
    body = {
        "actor": actor,
        "roles": ["risk-officer", "steward"],
        "purpose": "statement",
        "algorithm": "ed25519",
        "public_key": b64(key.public.spki),
        "fingerprint": key.public.fingerprint,
    }
    subject = ({"name": actor, "digest": {"sha256": key.public.fingerprint}},)
    draft = Draft("key", actor, desk.clock(), body, basis="declared", subject=subject)
    with desk.writing() as writer:
        return writer.append(desk.sign(draft, by=[key])).entry


def test_the_first_person_cannot_be_left_out_of_a_pack_to_make_room_for_another(bank, desk, packed, monkeypatch):
    """A chain of trust that begins in the middle is none, although every entry is in the tree."""
    monkeypatch.setattr("tallystick.ledger.ledger.Writer._check_key", lambda *_: None)  # a cheat writes without it
    entry = pretender(desk)
    Path("forged.zip").write_bytes(packed([0, 1, entry.seq]))
    code, out, _ = bank("verify", "forged.zip", "--key", ".tallystick/ledger.vkey")
    assert code == 3, out
    assert "entries 2 to" in out


def test_an_honest_pack_begins_with_the_first_person(bank, desk):
    bank.ok("pack", "credit@2", "-o", "evidence.zip")
    code, out, _ = bank("verify", "evidence.zip", "--key", ".tallystick/ledger.vkey")
    assert code == 0, out


# ------------------------------------------------------------------------------- with nothing but a file


def test_only_regular_files_are_verified(bank):
    """A pipe would keep the verifier waiting for ever."""
    os.mkfifo("pipe")
    for words in (["pipe"], ["usecase.yaml", "--anchor", "pipe"], ["usecase.yaml", "--trust", "pipe"]):
        code, _, err = bank("verify", *words, "--key", ".tallystick/ledger.vkey")
        assert code == 3
        assert "regular file" in err
    code, _, err = bank("verify", "/dev/zero", "--key", ".tallystick/ledger.vkey")
    assert code == 3


def test_what_follows_a_pack_is_not_even_read(bank):
    bank.ok("pack", "credit@2", "-o", "evidence.zip")
    with Path("evidence.zip").open("r+b") as file:
        file.truncate(1 << 33)
    assert bank("verify", "evidence.zip", "--key", ".tallystick/ledger.vkey")[0] == 1


def test_a_key_that_is_longer_than_a_file_name_is_a_key(bank):
    code, _, err = bank("verify", "usecase.yaml", "--key", "a" * 5000 + "+00000000+AAAA")
    assert code == 3
    assert "not a verifier key" in err


# ------------------------------------------------------------------------------- key files and passphrases

SIGN = ("approve", "credit@2", "--rationale", "r", "--as", "officer")
KEY = Path(".tallystick/keys/officer.pem")


def elsewhere(mode=0o700):
    """The officer's key in another folder, with a link where it should be."""
    folder = Path("elsewhere")
    folder.mkdir()
    KEY.rename(folder / "officer.pem")
    KEY.symlink_to((folder / "officer.pem").resolve())
    folder.chmod(mode)


def test_a_link_to_a_key_is_followed_to_a_folder_that_only_its_owner_can_write(bank):
    elsewhere()
    bank.ok(*SIGN)


def test_a_link_into_a_folder_that_anybody_can_write_is_refused(bank):
    elsewhere(0o777)
    code, _, err = bank(*SIGN)
    assert code == 3
    assert "anybody can write to the folder" in err


@pytest.mark.parametrize("name", ["officer.pem", "ledger.pem", "officer.pub"])
def test_a_pipe_in_the_place_of_a_key_keeps_nobody_waiting(bank, name):
    (KEY.parent / name).unlink()
    os.mkfifo(KEY.parent / name, 0o600)
    code, _, err = bank(*SIGN)
    assert code == 3
    assert name in err
    assert "Traceback" not in err


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
@pytest.mark.parametrize("option", ["--passphrase-file", "--new-passphrase-file"])
def test_a_passphrase_that_others_can_read_is_refused(bank, option, mode):
    Path("words").write_bytes(b"secret words\n")
    Path("words").chmod(mode)
    if option == "--passphrase-file":
        code, _, err = bank("init", "--name", "other", "--ledger", "other/ledger.db", "--protect", option, "words")
    else:
        code, _, err = bank("key", "new", "second", "--role", "engineer", "--by", "officer", option, "words")
    assert code == 3
    assert "others can read" in err
    assert "secret words" not in err
    assert not (KEY.parent / "second.pem").exists()


@pytest.mark.parametrize("words", [b"", b"\n", b"\nsecond line\n", b"\r\n"])
def test_no_key_is_left_open_because_its_passphrase_was_empty(bank, words):
    """Whoever asked for protection must not get a key without."""
    Path("words").write_bytes(words)
    Path("words").chmod(0o600)
    for line in (
        ("key", "new", "second", "--role", "engineer", "--by", "officer", "--new-passphrase-file", "words"),
        ("init", "--name", "other", "--ledger", "other/ledger.db", "--protect", "--passphrase-file", "words"),
        ("init", "--name", "other", "--ledger", "other/ledger.db", "--protect"),
    ):
        code, _, err = bank(*line)
        assert code in (2, 3), err
        assert "Traceback" not in err
    assert not (KEY.parent / "second.pem").exists()
    assert not Path("other/keys/ledger.pem").exists()


def test_a_key_left_over_without_protection_is_not_registered_as_a_protected_one(bank):
    """A registration that was cut short leaves a key; whoever asks for a passphrase then must get one."""
    from tallystick.signing import make_key

    make_key(KEY.parent, "second", "ed25519")
    (KEY.parent / "second.pub").unlink()
    Path("words").write_bytes(b"words\n")
    Path("words").chmod(0o600)
    line = ("key", "new", "second", "--role", "engineer", "--by", "officer")
    code, _, err = bank(*line, "--new-passphrase-file", "words")
    assert code == 1
    assert "no passphrase protects it" in err
    bank.ok(*line)
    bank.ok("record", "model", "m1.bin", "--name", "other", "--as", "second")


def test_a_wrong_passphrase_is_one_line_without_it(bank):
    Path("words").write_bytes(b"right\n")
    Path("wrong").write_bytes(b"hunter2 is wrong\n")
    for name in ("words", "wrong"):
        Path(name).chmod(0o600)
    bank.ok("key", "new", "second", "--role", "risk-officer", "--by", "officer", "--new-passphrase-file", "words")
    assert b"ENCRYPTED" in (KEY.parent / "second.pem").read_bytes()
    line = ("approve", "credit@2", "--rationale", "r", "--as", "second", "--passphrase-file")
    code, _, err = bank(*line, "wrong")
    assert code == 3
    assert (
        err
        == f"tallystick: {KEY.parent.resolve()}/second.pem: passphrase is wrong; expected a PKCS#8 PEM private key\n"
    )
    code, _, err = bank(*line[:-1])
    assert (code, "no passphrase was given" in err) == (3, True)
    bank.ok(*line, "words")


@pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_file_that_holds_none_is_one_line(bank, pem):
    for name in ("officer.pem", "officer.pub"):
        path = KEY.parent / name
        kept = path.read_bytes()
        path.write_text(pem)
        code, _, err = bank(*SIGN)
        assert code == 3
        assert "Traceback" not in err
        assert len(err.splitlines()) == 1
        path.write_bytes(kept)


def test_pipes_keep_no_command_waiting(bank):
    os.mkfifo("pipe.yaml", 0o600)
    for line in (
        ("policy", "check", "pipe.yaml"),
        ("policy", "publish", "pipe.yaml", "--as", "officer"),
        ("usecase", "pipe.yaml", "--as", "officer"),
        ("ledger", "fsck", "--anchor", "pipe.yaml"),
        ("ledger", "fsck", "--key", "pipe.yaml"),
        ("report", "credit@2", "-o", "r.pdf", "--anchor", "pipe.yaml"),
        (*SIGN, "--passphrase-file", "pipe.yaml"),
        ("record", "document", "pipe.yaml", "--title", "t", "--as", "engineer"),
    ):
        code, _, err = bank(*line)
        assert code == (0 if "--passphrase-file" in line else 3), (line, err)
        assert "Traceback" not in err


# ------------------------------------------------------------------------------- a disk that is full


@pytest.fixture
def full_disk(monkeypatch):
    """Every sync of a file fails, as on a disk that filled up while it was written."""

    def fail(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    return lambda: monkeypatch.setattr("tallystick.cli.front.os.fsync", fail)


@pytest.mark.parametrize(
    "line",
    [
        ("pack", "credit@2", "--force", "-o", "out"),
        ("ledger", "checkpoint", "--force", "-o", "out"),
    ],
)
def test_a_file_that_could_not_be_written_leaves_the_one_before(bank, full_disk, line):
    Path("out").write_bytes(b"the good one from yesterday")
    full_disk()
    code, _, err = bank(*line)
    assert code == 3
    assert "No space left on device" in err
    assert "Traceback" not in err
    assert Path("out").read_bytes() == b"the good one from yesterday"
    assert not list(Path().glob(".out*"))


def test_a_pack_is_made_from_a_ledger_that_cannot_be_written(bank):
    """An auditor's copy on read-only storage, or a full disk, still yields its evidence."""
    bank.ledger.chmod(0o400)
    bank.ok("pack", "credit@2", "-o", "evidence.zip")
    bank.ok("verify", "evidence.zip", "--key", ".tallystick/ledger.vkey")
    assert stat.S_IMODE(Path("evidence.zip").stat().st_mode) & 0o600 == 0o600


def test_a_ledger_in_a_folder_that_cannot_be_made_is_one_line(bank):
    code, _, err = bank("init", "--name", "other", "--ledger", "usecase.yaml/x/ledger.db")
    assert code == 3
    assert "Traceback" not in err


def test_a_registration_that_breaks_the_chain_of_keys_is_not_even_recorded(bank):
    """It would stand there for ever, and nobody could sign or verify any more."""
    from tallystick.errors import InvalidRecord
    from tallystick.proof.keys import Signer
    from tallystick.workflow import setup
    from tallystick.workflow.desk import Desk

    stranger = Signer.generate("ed25519")
    with Desk.open(bank.ledger, keys=Path(bank.ledger).parent / "keys", writing=True) as desk:
        actor = setup.actor_id(stranger.public.fingerprint)
        draft = setup._registration(actor, ["risk-officer"], "statement", stranger, desk.clock())
        forged = setup._signed(draft, desk.origin, [stranger], desk.clock())
        with pytest.raises(InvalidRecord, match="no steward signed"), desk.writing() as writer:
            writer.append(forged)
    assert bank("key", "list")[0] == 0
    bank.ok("ledger", "fsck", "--key", ".tallystick/ledger.vkey")


def test_a_broken_first_entry_is_named_also_where_the_key_is_given(bank):
    with sqlite3.connect(bank.ledger) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE entries SET bytes = x'7b7d' WHERE seq = 0")
    code, out, err = bank("ledger", "fsck", "--key", ".tallystick/ledger.vkey")
    assert code == 1, err
    assert "entry 0" in out
    assert "NOT SOUND" in out


def test_what_is_judged_is_what_was_hashed_whatever_is_stored_into_the_file_meanwhile(bank, monkeypatch):
    """A store into a page of a mapped file that is dirty already changes no time."""
    fair, judge_it = Path("fair.csv").read_bytes(), judge.evaluate
    unfair = Path("unfair.csv").read_bytes()
    size = max(len(fair), len(unfair))
    swapped = Path("swapped.csv")
    swapped.write_bytes(unfair + b"\n" * (size - len(unfair)))
    recorded = fingerprint(swapped).sha256
    gate = ["gate", "run", "credit@2", "--predictions", "swapped.csv", "--dataset", "german", "--as", "engineer"]
    with swapped.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = mapped[:]

        def meanwhile(*args, **named):
            mapped[:] = fair + b"\n" * (size - len(fair))
            return judge_it(*args, **named)

        monkeypatch.setattr(judge, "evaluate", meanwhile)
        assert bank(*gate, "--explain", "seen before")[0] == 1
    body = json.loads(bank.ok("log", "--kind", "evaluation", "--format", "json"))[-1]["body"]
    assert body["data"][0]["predictions_sha256"] == recorded
    assert body["verdict"] == "fail"
    outside.check(bank.ledger)

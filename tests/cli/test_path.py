"""The path by the real command line, and what it leaves on the books: in a file, and in a database."""

import json
import subprocess
import sys
import zipfile

import pytest


@pytest.fixture(params=["bank_here", "bank_there"], ids=["sqlite", "postgresql"])
def bank(request):
    return request.getfixturevalue(request.param)


def entries(bank, kind=None):
    words = ["log", "--format", "json"] + (["--kind", kind] if kind else [])
    return json.loads(bank.ok(*words))


def sound(bank) -> None:
    assert "sound" in bank.ok("ledger", "fsck")


def test_a_candidate_is_approved_promoted_and_found_in_history(bank):
    bank.ok("approve", "credit@2", "--rationale", "good", "--condition", "watch;risk;2027-01-01", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")
    (tenure,) = json.loads(bank.ok("history", "credit", "--format", "json"))
    assert tenure["model"] == "credit@2"
    assert tenure["until"] is None
    assert "no version" in bank.ok("history", "credit", "--as-of", "2020-01-01")
    assert "credit@2" in bank.ok("history", "credit", "--as-of", "2999-01-01")
    sound(bank)


def test_the_promotion_carries_a_verification_summary_signed_by_its_maker(bank):
    bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")
    (promotion,) = entries(bank, "promotion")
    from tallystick.canonical import decode, unb64

    statement = decode(unb64(promotion["statement"]["payload"]))
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert statement["predicate"]["verificationResult"] == "PASSED"
    (policy,) = entries(bank, "policy")
    assert statement["predicate"]["policy"]["digest"]["sha256"] == policy["body"]["digest"]


def test_recording_the_same_thing_twice_gives_the_first_entry(bank):
    before = len(entries(bank))
    assert "was recorded before" in bank.ok(
        "record", "dataset", "german.csv", "--name", "german", "--role", "test", "--as", "engineer"
    )
    assert "was recorded before" in bank.ok("record", "model", "m1.bin", "--name", "credit", "--as", "engineer")
    assert "was published before" in bank.ok("policy", "publish", "policy.yaml", "--as", "officer")
    assert len(entries(bank)) == before


def test_one_idempotency_key_does_not_carry_two_contents(bank):
    line = ["record", "params", "p.json", "--as", "engineer", "--idempotency-key", "k"]
    (bank.folder / "p.json").write_text('{"a": NaN}')
    first = bank.ok(*line)
    assert "was recorded before" in bank.ok(*line)
    (bank.folder / "p.json").write_text('{"a": 1}')
    code, _, err = bank(*line)
    assert code != 0
    assert len(err.splitlines()) == 1
    assert "recorded as" in first


def test_an_earlier_failure_stops_a_promotion_until_it_is_explained(bank):
    again = ["gate", "run", "credit@1", "--predictions", "unfair.csv", "--dataset", "german", "--as", "engineer"]
    assert bank(*again)[0] == 1
    bank.ok("gate", "run", "credit@2", "--predictions", "fair.csv", "--dataset", "german", "--as", "engineer")
    bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
    code, _, err = bank("promote", "credit@2", "--as", "engineer")
    assert code == 1
    assert "is not explained" in err
    bank.ok("promote", "credit@2", "--explain", "the same model once more", "--as", "engineer")
    (promotion,) = entries(bank, "promotion")
    assert [line["text"] for line in promotion["body"]["explained"]] == ["the same model once more"]


def test_looks_at_a_test_set_are_counted_whatever_the_model(bank):
    attempts = [entry["body"]["attempt"] for entry in entries(bank, "evaluation")]
    assert attempts == [{"usecase": 1, "data": 1}, {"usecase": 2, "data": 2}]


def test_other_bytes_under_the_same_name_are_another_version(bank):
    bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
    (bank.folder / "m2.bin").write_bytes(b"model two, changed")
    bank.ok("record", "model", "m2.bin", "--name", "credit", "--usecase", "credit", "--as", "engineer")
    code, _, err = bank("promote", "credit", "--as", "engineer")
    assert code == 1
    assert "credit@3" in err
    assert "never evaluated" in err


def test_no_name_and_no_address_stands_in_the_bytes(bank):
    for entry in entries(bank):
        text = json.dumps(entry)
        assert "oda@bank.example" not in text
        assert "Odalind" not in text
    assert "Odalind" in bank.ok("key", "list")


def test_nothing_of_the_machine_stands_in_the_bytes(bank):
    text = json.dumps(entries(bank))
    assert str(bank.folder) not in text
    assert str(bank.folder.parent.name) not in text


def test_gate_run_says_it_as_json_too(bank):
    line = ["gate", "run", "credit@2", "--predictions", "fair.csv", "--dataset", "german", "--as", "engineer"]
    value = json.loads(bank.ok(*line, "--format", "json", "-o", "json=result.json"))
    assert value["schema"] == "tallystick/check-results/v1"
    assert value == json.loads((bank.folder / "result.json").read_text())
    assert {check["verdict"] for check in value["checks"]} == {"pass"}


@pytest.mark.parametrize("what", ["0", "5", "credit@1", "9"])
def test_entries_can_be_shown(bank, what):
    assert "leaf" in bank.ok("show", what)
    assert json.loads(bank.ok("show", what, "--format", "json"))["leaf"]


def test_attachments_come_back_byte_for_byte(bank):
    policy = entries(bank, "policy")[0]["seq"]
    assert bank.ok("show", str(policy), "--attachment", "policy.yaml") == (bank.folder / "policy.yaml").read_text()
    assert bank.ok("policy", "show", "german") == (bank.folder / "policy.yaml").read_text()


def test_a_kept_checkpoint_is_a_beginning_of_the_ledger(bank):
    bank.ok("ledger", "checkpoint", "-o", "kept")
    bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
    assert "are those of the checkpoint given" in bank.ok("ledger", "fsck", "--anchor", "kept")


def test_doctor_is_content_with_a_sound_ledger(bank):
    code, out, _ = bank("doctor")
    assert code in (0, 3)
    assert "origin" in out
    assert ("durability" if bank.database else "journal") in out


def test_a_new_version_of_a_use_case_hides_no_earlier_evaluation(bank):
    text = (bank.folder / "usecase.yaml").read_text()
    (bank.folder / "usecase.yaml").write_text(text.replace("anything else", "anything else whatever"))
    assert "recorded as" in bank.ok("usecase", "usecase.yaml", "--as", "officer")
    first, second = entries(bank, "usecase")
    assert second["supersedes"]["seq"] == first["seq"]
    assert "was recorded before" in bank.ok("usecase", "usecase.yaml", "--as", "officer")
    (bank.folder / "m3.bin").write_bytes(b"model three")
    bank.ok("record", "model", "m3.bin", "--name", "credit", "--usecase", "credit", "--as", "engineer")
    bank.ok("pack", "credit@3", "-o", "e.zip")
    with zipfile.ZipFile(bank.folder / "e.zip") as pack:
        kept = [json.loads(pack.read(name))["kind"] for name in pack.namelist() if name.startswith("entries/")]
    assert kept.count("evaluation") == 2
    bank.ok("verify", "e.zip", "--key", ".tallystick/ledger.vkey")


def test_what_is_in_force_is_not_promoted_once_more(bank):
    bank.ok("approve", "credit@2", "--rationale", "good", "--as", "officer")
    bank.ok("promote", "credit@2", "--as", "engineer")
    code, _, err = bank("promote", "credit@2", "--as", "engineer")
    assert code == 1
    assert "is in production already" in err


NO_PANGO = """\
import sys
class Pango:
    def find_spec(self, name, path=None, target=None):
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
sys.meta_path.insert(0, Pango())
from tallystick.cli.main import main
main(["report", "credit@2", "-o", "audit.pdf"])
"""


def test_without_pango_the_page_is_written_and_the_message_names_the_packages(bank):
    done = subprocess.run([sys.executable, "-c", NO_PANGO], capture_output=True, text=True)
    assert done.returncode == 3
    assert "libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core" in done.stderr
    assert "Traceback" not in done.stderr
    assert "credit" in (bank.folder / "audit.html").read_text()
    assert entries(bank, "report") == []
    bank.ok("pack", "credit@2", "-o", "e.zip")
    bank.ok("verify", "e.zip", "--key", ".tallystick/ledger.vkey")


def test_a_parameter_that_looks_like_a_reference_is_none(bank):
    """Else a value could make somebody an author of a model, or a pack name what is not there."""
    (bank.folder / "p.json").write_text('{"x": {"seq": 2, "leaf": "' + "0" * 64 + '"}}')
    bank.ok("record", "params", "p.json", "--as", "engineer")
    (params,) = entries(bank, "params")
    assert params["body"]["values"]["x"] == {"map": [["leaf", "0" * 64], ["seq", 2]]}
    bank.ok("pack", "credit@2", "-o", "e.zip", "--all")
    bank.ok("verify", "e.zip", "--key", ".tallystick/ledger.vkey")


def test_a_model_without_a_use_case_has_a_pack_that_verifies(bank):
    (bank.folder / "m9.bin").write_bytes(b"model nine")
    bank.ok("record", "model", "m9.bin", "--name", "loose", "--as", "engineer")
    bank.ok("gate", "run", "loose", "--predictions", "fair.csv", "--dataset", "german", "--as", "engineer")
    bank.ok("pack", "loose", "-o", "e.zip")
    bank.ok("verify", "e.zip", "--key", ".tallystick/ledger.vkey")

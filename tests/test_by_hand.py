"""docs/how-to/verify-by-hand.md is true: its commands confirm a real pack and report, and refuse altered ones.

The ledger is made by our programs; what checks it is bash, openssl, sha256sum, unzip, base64, xxd and pdfsig alone.
"""

import importlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from _authority import authority, usage
from tallystick.cli.main import run

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "verify-by-hand.md"
PROGRAMS = ("bash", "openssl", "sha256sum", "unzip", "base64", "xxd", "grep", "sed", "diff")
LAST = "## 7. The report"


def missing(*programs):
    return ", ".join(name for name in programs if shutil.which(name) is None)


def has_pango():
    try:
        return importlib.import_module("weasyprint") is not None
    except OSError:
        return False


pytestmark = [
    pytest.mark.skipif(bool(missing(*PROGRAMS)), reason=f"not installed: {missing(*PROGRAMS)}"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # WeasyPrint leaves a file open
]
needs_report = pytest.mark.skipif(
    not has_pango() or bool(missing("pdfsig")), reason="a report needs Pango, and checking it by hand pdfsig"
)


def script(*, report):
    """The commands of the page, with or without its last part."""
    text = PAGE.read_text(encoding="utf-8")
    if not report:
        text = text[: text.index(LAST)]
    return "\n".join(re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S))


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """What an auditor holds: key, pack, report with receipt, and a checkpoint from before."""
    home, here = tmp_path_factory.mktemp("ledger"), Path.cwd()
    (home / "model.bin").write_bytes(b"weights")
    os.chdir(home)
    try:
        for line in (
            "init --name example.org/by-hand",
            "key new officer --role risk-officer",
            "key new engineer --role engineer --by officer",
            "record model model.bin --name small --as engineer",
            "ledger checkpoint -o kept.checkpoint",
            "record document model.bin --title Minutes --as engineer",
            *(["report small -o audit.pdf"] if has_pango() else []),
            "pack small --all -o evidence.zip",
        ):
            assert run(line.split()) == 0, line
    finally:
        os.chdir(here)
    return home


@pytest.fixture
def certified(auditor, handed_out, tmp_path_factory, monkeypatch):
    """The same, with a report that is sealed under the certificate of an authority."""
    home, root = tmp_path_factory.mktemp("certified") / "home", authority()
    shutil.copytree(handed_out, home)
    monkeypatch.chdir(home)
    assert run(["key", "certificate", "--request", "-o", "seal.csr"]) == 0
    asked = x509.load_pem_x509_csr(Path("seal.csr").read_bytes())
    usages = (usage("digital_signature", "content_commitment"), True)
    seal = root.certify(asked.public_key(), "Bank of the test", usages)
    Path("seal.pem").write_bytes(seal.public_bytes(Encoding.PEM))
    (auditor / "ca.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    for line in (
        f"key certificate --install seal.pem --chain {auditor / 'ca.pem'}",
        f"report small -o {auditor / 'audit.pdf'} --force",
    ):
        assert run(line.split()) == 0, line
    return auditor


@pytest.fixture
def auditor(handed_out, tmp_path):
    for name in ("evidence.zip", "kept.checkpoint", "audit.pdf", "audit.pdf.tlog-proof", ".tallystick/ledger.vkey"):
        if (handed_out / name).exists():
            shutil.copy(handed_out / name, tmp_path)
    return tmp_path


def by_hand(folder, *, report=False):
    """Exit code of the page's commands, and what they printed."""
    done = subprocess.run(
        ["bash", "-c", script(report=report)], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_the_commands_of_the_page_confirm_a_pack(auditor):
    code, said = by_hand(auditor)
    assert code == 0, said
    assert said.count("Signature Verified Successfully") == 5


@needs_report
def test_the_commands_of_the_page_confirm_a_report(auditor):
    code, said = by_hand(auditor, report=True)
    assert code == 0, said
    assert "Signature is Valid" in said


def test_a_refusal_names_the_step(auditor):
    alter_an_entry(auditor)
    code, said = by_hand(auditor)
    assert code != 0
    assert "REFUSED: this step does not hold: " in said


@needs_report
def test_the_commands_of_the_page_confirm_a_report_that_an_authority_certified(certified):
    code, said = by_hand(certified, report=True)
    assert code == 0, said
    words = ["openssl", "verify", "-CAfile", "ca.pem", "seal.pem"]
    assert "seal.pem: OK" in subprocess.run(words, cwd=certified, capture_output=True, text=True, check=False).stdout


def swap(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def alter_an_entry(folder):
    """With the checksums of the ZIP in order, as a careful forger would."""
    import zipfile

    with zipfile.ZipFile(folder / "evidence.zip") as source:
        members = {name: source.read(name) for name in source.namelist()}
    members["entries/000000002.json"] = members["entries/000000002.json"].replace(b"risk-officer", b"risk-owner00")
    with zipfile.ZipFile(folder / "evidence.zip", "w") as target:
        for name, data in members.items():
            target.writestr(name, data)


def leave_an_entry_out(folder):
    import zipfile

    with zipfile.ZipFile(folder / "evidence.zip") as source:
        members = {name: source.read(name) for name in source.namelist() if "000000004" not in name}
    with zipfile.ZipFile(folder / "evidence.zip", "w") as target:
        for name, data in members.items():
            target.writestr(name, data)


def bring_another_key(folder):
    """Of the same name, with the id that goes with it: only its holder could have signed."""
    from tallystick.proof.keys import Signer
    from tallystick.proof.note import VerifierKey

    name = VerifierKey.parse((folder / "ledger.vkey").read_text().strip()).name
    (folder / "ledger.vkey").write_text(f"{VerifierKey(name, Signer.generate('ed25519').public)}\n")


def rename_the_key(folder):
    swap(folder / "ledger.vkey", b"by-hand", b"by-mind")


def keep_a_checkpoint_of_another_tree(folder):
    lines = (folder / "kept.checkpoint").read_text().split("\n")
    lines[1] = str(int(lines[1]) - 1)
    (folder / "kept.checkpoint").write_text("\n".join(lines))


@pytest.mark.parametrize(
    "forge",
    [alter_an_entry, leave_an_entry_out, bring_another_key, rename_the_key, keep_a_checkpoint_of_another_tree],
    ids=lambda forge: forge.__name__,
)
def test_the_commands_of_the_page_refuse_what_is_forged(auditor, forge):
    forge(auditor)
    code, said = by_hand(auditor)
    assert code != 0, said


@needs_report
@pytest.mark.parametrize("at", [0.1, 0.5, 0.999])
def test_the_commands_of_the_page_refuse_an_altered_report(auditor, at):
    data = bytearray((auditor / "audit.pdf").read_bytes())
    data[int(len(data) * at)] ^= 1
    (auditor / "audit.pdf").write_bytes(data)
    code, said = by_hand(auditor, report=True)
    assert code != 0, said


def test_a_kept_checkpoint_and_a_pack_agree_also_by_our_own_verifier(auditor, capsys):
    words = ["verify", "evidence.zip", "--key", "ledger.vkey", "--anchor", "kept.checkpoint", "--format", "json"]
    words = [str(auditor / word) if (auditor / word).exists() else word for word in words]
    assert run(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["integrity"], said["completeness"]) == ("ok", "proven")

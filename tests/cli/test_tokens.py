"""The report seal in a token: SoftHSM, spoken to as any other. Its private key never leaves it."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import _outside as outside
import pytest

from tallystick import tokens
from tallystick.errors import InvalidInput

MODULES = [Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")]
MODULE = next((path for path in MODULES if path.exists()), None)
needs_a_token = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None or importlib.util.find_spec("pkcs11") is None,
    reason="SoftHSM or the extra pkcs11 is not installed",
)
PIN = "4711-xyzzy"


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A token with a P-256 key and one on another curve. The library reads where it is once, when it is loaded."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(config))
    words = ["--init-token", "--free", "--label", "seals", "--pin", PIN, "--so-pin", "1234567"]
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    for number, (label, curve) in enumerate({"report-seal": "P-256", "other-curve": "P-384"}.items(), start=1):
        key = folder / f"{label}.pem"
        made = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-out", str(key)]
        subprocess.run(made, check=True, capture_output=True)
        words = ["--import", str(key), "--token", "seals", "--label", label, "--id", f"{number:02}", "--pin", PIN]
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
        key.unlink()
    pin = folder / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    yield f"pkcs11:token=seals;object=report-seal?module-path={MODULE}&pin-source=file:{pin}"
    patch.undo()


@needs_a_token
def test_a_report_is_sealed_in_a_token(bank, token, monkeypatch):
    monkeypatch.setenv("TALLYSTICK_SEAL", token)
    Path(".tallystick/keys/seal.pem").unlink()
    code, _, err = bank("report", "credit@2", "-o", "audit.pdf")
    assert code == 3, "the token's key is not registered yet"
    assert "another key" in err
    bank.ok("key", "certificate", "--self-made")
    bank.ok("report", "credit@2", "-o", "audit.pdf", "--force")
    found = json.loads(bank.ok("verify", "audit.pdf", "--key", ".tallystick/ledger.vkey", "--format", "json"))
    assert found["integrity"] == "ok"
    bank.ok("key", "certificate", "--request", "-o", "seal.csr")
    done = subprocess.run(["openssl", "req", "-in", "seal.csr", "-verify", "-noout"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert PIN not in "".join(bank("doctor")[1:])
    outside.check(bank.ledger)


@needs_a_token
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("object=report-seal", "object=nothing"), "cannot be used"),
        (("token=seals", "token=nothing"), "cannot be used"),
        (("object=report-seal", "object=other-curve"), "P-256"),
        (("module-path=/", "module-path=/nowhere/"), "cannot be loaded"),
        (("pin-source=file:", "pin-source=file:/nowhere"), "passphrase file cannot be read"),
    ],
)
def test_a_token_that_cannot_be_used_is_told_without_the_pin(bank, token, monkeypatch, change, message):
    monkeypatch.setenv("TALLYSTICK_SEAL", token.replace(*change))
    code, _, err = bank("key", "certificate", "--self-made")
    assert code == 3, err
    assert message in err
    assert PIN not in err


@needs_a_token
def test_a_wrong_pin_is_told(bank, token, monkeypatch, tmp_path):
    wrong = tmp_path / "pin"
    wrong.write_text("wrong-pin\n")
    wrong.chmod(0o600)
    monkeypatch.setenv("TALLYSTICK_SEAL", f"{token.partition('pin-source')[0]}pin-source=file:{wrong}")
    # In a process of its own: whoever logged in before did so for all of this one.
    words = [sys.executable, "-m", "tallystick", "key", "certificate", "--self-made"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 3
    assert "PinIncorrect" in done.stderr
    assert "wrong-pin" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("pkcs11:token=a;object=b?module-path=/m&pin-value=4711", "does not stand in a URI"),
        ("pkcs11:token=a?module-path=/m", "not the URI"),
        ("pkcs11:object=a?module-path=/m", "not the URI"),
        ("pkcs11:token=a;object=b", "names no library"),
        ("pkcs11:token=a;object=b;object=c?module-path=/m", "each name once"),
        ("pkcs11:token=a;object=b;shape=round?module-path=/m", "not the URI"),
        ("file:token=a;object=b?module-path=/m", "not the URI"),
    ],
)
def test_a_uri_that_names_no_key_is_refused(uri, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        tokens.Place.parse(uri)
    assert "4711" not in str(caught.value)


def test_a_uri_is_read():
    place = tokens.Place.parse("pkcs11:token=my%20seals;id=%01%ff?module-path=/m.so&pin-source=file:/run/pin")
    assert (place.token, place.id, place.label) == ("my seals", b"\x01\xff", None)
    assert (place.module, place.pin_file) == (Path("/m.so"), Path("/run/pin"))

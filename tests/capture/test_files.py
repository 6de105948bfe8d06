"""Environments, model files and documents."""

from __future__ import annotations

import getpass
import hashlib
import json
import pickle
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.canonical import decode, encode
from tallystick.capture.captured import Captured
from tallystick.capture.document import document
from tallystick.capture.environment import environment
from tallystick.capture.model import model_files
from tallystick.errors import InvalidData, InvalidRecord, NotFound
from tallystick.records import Draft


def check(kind: str, captured: Captured) -> None:
    Draft(
        kind=kind,
        actor="ci",
        claimed_at="2026-01-01T00:00:00.000000Z",
        body=captured.body,
        attachments=captured.attachments,
        subject=captured.subject,
    ).check()


# --------------------------------------------------------------------------- environment


def test_the_environment_names_its_packages_and_no_person(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("a==1\n")
    captured = environment(lock_file=lock)
    check("environment", captured)
    body = captured.body
    assert body["python"] == f"CPython {platform.python_version()}"
    assert body["lock_file"] == {"name": "requirements.txt", "sha256": hashlib.sha256(b"a==1\n").hexdigest()}
    packages = decode(captured.attachments[0].data, canonical=True)
    assert packages == sorted(packages, key=lambda item: item["name"])
    assert "pytest" in {item["name"] for item in packages}
    everything = json.dumps(body) + captured.attachments[0].data.decode()
    assert str(Path.home()) not in everything
    assert str(tmp_path) not in everything
    assert sys.prefix not in everything
    assert socket.gethostname() not in everything
    assert getpass.getuser() not in json.dumps(body)


def test_the_environment_without_a_lock_file_says_so() -> None:
    captured = environment()
    check("environment", captured)
    assert captured.body["lock_file"] == {"absent": "no lock file"}
    with pytest.raises(NotFound):
        environment(lock_file=Path("no-such-file"))


def test_numpy_is_asked_only_if_it_is_there_already() -> None:
    code = (
        "import sys; from tallystick.capture.environment import environment; body = environment().body;"
        "assert 'numpy' not in sys.modules and 'blas' not in body;"
        "import numpy; print(environment().body['blas'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_the_room_loads_nothing_heavy() -> None:
    rooms = "dataset, document, environment, fingerprint, git, model, params"
    code = f"import sys; from tallystick.capture import {rooms};"
    heavy = "print({'duckdb', 'numpy', 'pandas', 'ruamel', 'sklearn', 'cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --------------------------------------------------------------------------- models


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('the model was loaded')",)


def test_a_model_is_bytes_and_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(_Bomb()))
    captured = model_files(path, name="credit@1")
    plain = hashlib.sha256(path.read_bytes()).hexdigest()
    assert captured.body["digest"] == plain
    assert captured.subject == ({"name": "credit@1", "digest": {"sha256": plain}},)
    files = captured.body["files"]
    assert files["format"] == "pickle (running code when loaded)"
    assert (files["name"], files["bytes"], files["files"]) == ("model.pkl", path.stat().st_size, 1)
    assert set(captured.body) == {"digest", "files"}


def test_a_folder_of_model_files_is_its_listing(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "weights.safetensors").write_bytes(b"1")
    captured = model_files(tmp_path / "saved")
    (listing,) = captured.attachments
    assert captured.body["digest"] == hashlib.sha256(listing.data).hexdigest()
    assert captured.body["files"]["format"] == "folder"
    encode(captured.body)


def test_a_model_in_the_current_folder_has_the_name_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "saved" / "in").mkdir(parents=True)
    (tmp_path / "saved" / "a.bin").write_bytes(b"1")
    for start, path in (("saved", "."), ("saved/in", "..")):
        monkeypatch.chdir(tmp_path / start)
        assert model_files(path).body["files"]["name"] == "saved"


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_an_empty_model_is_refused(tmp_path: Path, make: object) -> None:
    make(tmp_path / "model")  # type: ignore[operator]
    with pytest.raises(InvalidData, match="model is empty"):
        model_files(tmp_path / "model")


# --------------------------------------------------------------------------- documents


@pytest.mark.parametrize("erasable", [False, True])
def test_a_document_is_attached_as_it_is(tmp_path: Path, erasable: bool) -> None:
    path = tmp_path / "Card.MD"
    path.write_bytes(b"# Card\r\n")
    captured = document(path, title="Model card", declared={"expires": "2027-01-01"}, erasable=erasable)
    check("document", captured)
    assert captured.body["title"] == "Model card"
    assert captured.body["type"] == "text/markdown"
    assert captured.body["expires"] == "2027-01-01"
    (part,) = captured.attachments
    assert part.data == b"# Card\r\n"
    assert (part.salt is not None) == erasable
    assert captured.body["digest"] == hashlib.sha256(part.data).hexdigest()


def test_an_empty_or_missing_document_and_a_foreign_field_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()
    with pytest.raises(InvalidData, match="document is empty"):
        document(tmp_path / "a.pdf")
    with pytest.raises(NotFound):
        document(tmp_path / "b.pdf")
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(InvalidRecord, match="has no field 'expiry'"):
        document(tmp_path / "a.pdf", declared={"expiry": "2027-01-01"})

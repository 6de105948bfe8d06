"""What is shipped is what was tested: the wheel, built from the source archive, without a network."""

import email
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the source archive, and the wheel that was made from that archive alone."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    """The wheel's files by name."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def files_of(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", ["policies", "templates"])
def test_the_wheel_carries_the_shipped_folders_byte_for_byte(wheel, kind):
    prefix = f"tallystick/_shipped/{kind}/"
    carried = {name.removeprefix(prefix): data for name, data in wheel.items() if name.startswith(prefix)}
    assert carried == files_of(ROOT / kind)
    assert carried


def test_the_wheel_carries_the_package_byte_for_byte_and_nothing_else(wheel):
    inside = {n: d for n, d in wheel.items() if ".dist-info/" not in n and "/_shipped/" not in n}
    assert inside == {f"tallystick/{name}": data for name, data in files_of(ROOT / "src/tallystick").items()}
    assert "tallystick/py.typed" in inside


def test_the_wheel_names_its_licence_and_its_command(wheel):
    metadata = email.message_from_bytes(next(d for n, d in wheel.items() if n.endswith(".dist-info/METADATA")))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    licences = [data for name, data in wheel.items() if name.endswith("/licenses/LICENSE")]
    assert licences == [(ROOT / "LICENSE").read_bytes()]
    entry_points = next(data for name, data in wheel.items() if name.endswith("/entry_points.txt"))
    assert b"tallystick = tallystick.cli.main:main" in entry_points


def test_the_source_archive_holds_the_project_and_no_working_files(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "run", "requirements.txt"} <= names
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders <= {"src", "policies", "templates", "tests", "docs"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]

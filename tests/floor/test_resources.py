"""Shipped files are found in an installation and in a checkout, and nowhere else."""

import pytest

from tallystick.errors import NotFound
from tallystick.resources import shipped


@pytest.fixture
def package(tmp_path):
    """The folder of a package two floors below a top level, as in a checkout."""
    folder = tmp_path / "src" / "tallystick"
    folder.mkdir(parents=True)
    return folder


def test_this_checkout_has_its_policies_and_templates():
    assert shipped("policies").name == "policies"
    assert shipped("templates").name == "templates"


def test_a_checkout_is_read_where_people_edit(package, tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "policies").mkdir()
    assert shipped("policies", package=package) == tmp_path / "policies"


def test_what_was_installed_comes_first(package, tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "policies").mkdir()
    (package / "_shipped" / "policies").mkdir(parents=True)
    assert shipped("policies", package=package) == package / "_shipped" / "policies"


def test_a_folder_of_that_name_beside_an_installation_is_not_taken(package, tmp_path):
    (tmp_path / "policies").mkdir()
    with pytest.raises(NotFound, match="Install tallystick again"):
        shipped("policies", package=package)

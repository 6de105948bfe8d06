"""Settings: the order of the sources, what relative paths are relative to, and what is refused."""

import os
from pathlib import Path

import pytest

from tallystick import settings
from tallystick.errors import InvalidInput, Unavailable, UsageError
from tallystick.workflow import places


@pytest.fixture
def load(tmp_path):
    """Settings for a command started in the folder `below` of a fresh project."""
    below = tmp_path / "deep" / "below"
    below.mkdir(parents=True)

    def start(*, environ=None, toml=None, **flags):
        if toml is not None:
            (tmp_path / "tallystick.toml").write_text(toml)
        return settings.load(environ=environ or {}, start=below, flags=flags)

    return start


def test_without_anything_the_ledger_is_where_init_would_put_it(load, tmp_path):
    found = load()
    assert found.ledger == tmp_path / "deep/below/.tallystick/ledger.db"
    assert found.keys == tmp_path / "deep/below/.tallystick/keys"
    assert found.format == "table"
    assert found.file is None
    assert {origin.source for origin in found.origins.values()} == {"default"}


def test_the_nearest_ledger_upward_is_the_default(load, tmp_path):
    for folder in (tmp_path, tmp_path / "deep"):
        (folder / ".tallystick").mkdir()
        (folder / ".tallystick" / "ledger.db").touch()
    found = load()
    assert found.ledger == tmp_path / "deep/.tallystick/ledger.db"
    assert found.keys == tmp_path / "deep/.tallystick/keys"


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(load):
    toml = "ledger = 'file.db'\nkeys = 'file-keys'\nformat = 'json'\n"
    environ = {"TALLYSTICK_LEDGER": "env.db", "TALLYSTICK_KEYS": "env-keys"}
    found = load(environ=environ, toml=toml, ledger="flag.db")
    assert [found.origins[name].source for name in ("ledger", "keys", "format")] == ["flag", "environment", "file"]
    assert (Path(found.ledger).name, found.keys.name, found.format) == ("flag.db", "env-keys", "json")


def test_a_path_in_the_file_is_relative_to_the_file_and_others_to_the_working_folder(load, tmp_path):
    found = load(toml="keys = 'vault'", ledger="books.db")
    assert found.keys == tmp_path / "vault"
    assert found.ledger == tmp_path / "deep/below/books.db"


def test_keys_stand_beside_a_ledger_that_was_named(load, tmp_path):
    assert load(ledger=str(tmp_path / "elsewhere" / "l.db")).keys == tmp_path / "elsewhere" / "keys"


def test_a_tilde_is_the_home_of_the_environment_handed_in(load):
    assert load(environ={"HOME": "/home/ada"}, toml="keys = '~/keys'").keys == Path("/home/ada/keys")


def test_an_empty_variable_and_an_absent_flag_are_not_set(load):
    found = load(environ={"TALLYSTICK_LEDGER": ""}, ledger=None)
    assert found.origins["ledger"].source == "default"


def test_a_database_url_stays_as_given_and_its_keys_are_kept_in_the_folder(load, tmp_path):
    (tmp_path / ".tallystick").mkdir()
    found = load(ledger="postgresql://localhost/books")
    assert found.ledger == "postgresql://localhost/books"
    assert found.keys == tmp_path / ".tallystick/keys"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:secret@host/db", "postgresql://ada:***@host/db"),
        ("postgresql+psycopg://ada:se:cr@e/t@host/db", "postgresql+psycopg://ada:***@host/db"),
        ("postgresql://host/db?password=secret&sslmode=require", "postgresql://host/db?password=***&sslmode=require"),
        ("postgresql://ada@host:5432/db", "postgresql://ada@host:5432/db"),
    ],
)
def test_a_password_in_the_url_is_never_shown(load, url, shown):
    found = load(ledger=url)
    assert found.shown()[0] == ("ledger", shown, "flag (--ledger)")
    assert "secret" not in repr(found)
    assert found.ledger == url


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:/ada:secret@host/db",
        "postgres:ada:secret@host/db",
        " Postgresql+psycopg:/ada:secret@host/db",
        "host=host user=ada password=secret",
    ],
)
def test_a_url_that_is_misspelt_is_no_path_to_show(load, tmp_path, text):
    with pytest.raises(UsageError, match="not the URL of a PostgreSQL database") as caught:
        load(ledger=text)
    assert "secret" not in str(caught.value)
    for source, target in ((text, "x.db"), (str(tmp_path / "x.db"), text)):
        with pytest.raises(UsageError, match="not the URL"):
            places.move(source, target, keep=False)
    assert load(ledger="postgres.db").ledger.name == "postgres.db"


def test_a_misspelt_key_is_refused_and_the_near_one_named(load, tmp_path):
    with pytest.raises(InvalidInput, match=r"'legder'.*Did you mean 'ledger'\?") as caught:
        load(toml="legder = 'x.db'")
    assert caught.value.where == str(tmp_path / "tallystick.toml")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("format = 'xml'", "table or json; got 'xml'"),
        ("ledger = 7", "ledger must be a text"),
        ("keys = ''", "cannot be empty"),
        ('ledger = "a\\u0000b"', "hold NUL"),
        ("[ledger]\npath = 'x'", "ledger must be a text"),
        ('ledger = "a\n', r"tallystick.toml:1:\d+: not valid TOML"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_place(load, toml, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        load(toml=toml)
    assert "tallystick.toml" in (caught.value.where or "")


def test_a_file_that_is_not_utf8_is_refused(load, tmp_path):
    (tmp_path / "tallystick.toml").write_bytes(b"ledger = '\xff'")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        load()


def test_a_file_that_cannot_be_read_is_not_passed_over(load, tmp_path):
    (tmp_path / "tallystick.toml").mkdir()
    with pytest.raises(Unavailable, match="cannot be read"):
        load()


def test_the_process_environment_is_not_looked_at(load, monkeypatch):
    monkeypatch.setitem(os.environ, "TALLYSTICK_LEDGER", "/elsewhere.db")
    assert load().origins["ledger"].source == "default"


def test_settings_cannot_be_changed_afterwards(load):
    with pytest.raises(TypeError):
        load().origins["ledger"] = None

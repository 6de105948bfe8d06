"""The inbox, as a folder and as two tables: the same for whoever hands in and whoever answers."""

import os
import stat

import pytest

from tallystick.errors import InvalidInput, NotFound, Unavailable
from tallystick.ledger import inbox as inboxes
from tallystick.ledger import postgres
from tallystick.ledger.fsck import fsck

BUILDER = "stranger"


@pytest.fixture
def opened(place, ledger, engine):
    """Opens the inbox of a ledger: as its keeper, or as one who may only hand in."""
    if engine == "sqlite":
        inboxes.lay_out(place)
        return lambda role="writer": inboxes.inbox(place)
    postgres.grant(place, writers=["writer"], auditors=["auditor"], builders=[BUILDER])
    return lambda role="writer": inboxes.inbox(place.replace("owner@", f"{role}@"))


def test_what_is_handed_in_is_taken_out_with_the_answer(opened):
    with opened(BUILDER) as job, opened() as keeper:
        names = [job.put(data) for data in (b"one", b"", b"\x00three")]
        waiting = {item.name: item.data for item in keeper.waiting()}
        assert waiting == dict(zip(names, (b"one", b"", b"\x00three"), strict=True))
        assert job.answer_to(names[0]) is None
        keeper.answer(names[0], b"yes")
        assert job.answer_to(names[0]) == b"yes"
        assert {item.name for item in keeper.waiting()} == set(names[1:])


def test_the_first_answer_stands(opened):
    with opened(BUILDER) as job, opened() as keeper:
        name = job.put(b"data")
        keeper.answer(name, b"first")
        keeper.answer(name, b"second")
        assert job.answer_to(name) == b"first"


def test_who_handed_in_is_said_by_the_system_not_by_them(opened, engine):
    with opened(BUILDER) as job, opened() as keeper:
        job.put(b"data")
        (found,) = keeper.waiting()
    assert found.by == (f"uid {os.getuid()}" if engine == "sqlite" else f"role {BUILDER}")


@pytest.mark.parametrize("name", ["", "0" * 31, "G" * 32, "../" + "0" * 29, "0" * 32 + "\n", "\u0660" * 32])
def test_a_name_is_never_a_way_elsewhere(opened, name):
    with opened() as keeper:
        with pytest.raises(InvalidInput, match="name of a submission"):
            keeper.answer_to(name)
        with pytest.raises(InvalidInput, match="name of a submission"):
            keeper.answer(name, b"")


def test_too_large_a_submission_is_refused(opened, monkeypatch):
    monkeypatch.setattr(inboxes, "MAX_SIZE", 10)
    with opened(BUILDER) as job:
        with pytest.raises(InvalidInput, match="too large"):
            job.put(b"x" * 11)
        assert len(job.put(b"x" * 10)) == 32


def test_a_ledger_without_an_inbox_says_how_to_get_one(place, ledger):
    with pytest.raises(NotFound, match="takes no submissions"):
        inboxes.inbox(place)


def test_an_inbox_is_no_part_of_the_ledger(opened, place, world):
    with opened(BUILDER) as job:
        job.put(b"data")
    assert fsck(place, key=world.key()).ok


# --------------------------------------------------------------------------- a folder


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_what_is_no_submission_is_left_alone(opened, place, tmp_path):
    folder = place.with_name(f"{place.name}.inbox")
    secret = tmp_path / "secret"
    secret.write_bytes(b"not handed in")
    name = "ab" * 16
    (folder / f"{name}.submission").symlink_to(secret)
    os.mkfifo(folder / f"{'cd' * 16}.submission")
    (folder / f"{'ef' * 16}.submission").mkdir()
    (folder / "readme.submission").write_bytes(b"")
    (folder / f"{'01' * 16}.new").write_bytes(b"half")
    with (folder / f"{'23' * 16}.submission").open("wb") as file:
        file.truncate(inboxes.MAX_SIZE + 1)
    with opened() as keeper:
        assert list(keeper.waiting()) == []


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_folder_is_its_users_own_and_opened_again_it_stays_as_they_made_it(opened, place):
    folder = place.with_name(f"{place.name}.inbox")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1700
    folder.chmod(0o1770)
    inboxes.lay_out(place)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1770


# --------------------------------------------------------------------------- two tables


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (BUILDER, "SELECT * FROM tallystick_inbox.submissions"),
        (BUILDER, "DELETE FROM tallystick_inbox.submissions"),
        (BUILDER, "UPDATE tallystick_inbox.submissions SET by = 'owner'"),
        (BUILDER, "INSERT INTO tallystick_inbox.submissions (name, by, content) VALUES ('a', 'owner', '')"),
        (BUILDER, "INSERT INTO tallystick_inbox.answers VALUES ('a', '')"),
        (BUILDER, "SELECT * FROM tallystick.side_values"),
        (BUILDER, "INSERT INTO tallystick.checkpoints VALUES (9, 8, '', '')"),
        ("auditor", "SELECT * FROM tallystick_inbox.submissions"),
        ("auditor", "INSERT INTO tallystick_inbox.submissions (name, content) VALUES ('a', '')"),
        ("writer", "UPDATE tallystick_inbox.answers SET content = ''"),
        ("writer", "DELETE FROM tallystick_inbox.answers"),
    ],
)
def test_no_role_may_more_than_its_part(opened, place, role, statement):
    store = postgres.connect(place.replace("owner@", f"{role}@"), writing=True)
    with pytest.raises(Unavailable, match="may not do this"):
        store.administer(statement)
    store.close()


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_a_builder_reads_the_ledger_and_cannot_append(opened, place, world):
    from tallystick.ledger.ledger import Ledger

    url = place.replace("owner@", f"{BUILDER}@")
    with Ledger.open(url, read_only=True) as ledger:
        assert ledger.size > 0
        assert ledger.entry(0).kind == "ledger"
    with (
        Ledger.open(url, signer=world.signer()) as ledger,
        pytest.raises(Unavailable, match="may not do this"),
        ledger.writing(now=world.clock) as writer,
    ):
        writer.append(world.document("theirs"))

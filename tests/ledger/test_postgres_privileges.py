"""The trial of privileges, as it is run alone too: every attack, by every role, on both databases."""

import privileges


def test_on_postgresql_writer_and_auditor_change_nothing_and_the_owner_nothing_unseen(server):
    said = privileges.on_postgresql(server, seed=1)
    assert "writer 0 of 14, auditor 0 of 15" in said
    assert said.count("all found") == 2


def test_on_sqlite_writer_and_auditor_change_nothing_and_the_files_owner_nothing_unseen(tmp_path):
    said = privileges.on_sqlite(tmp_path, seed=1)
    assert "writer 0 of 14, auditor 0 of 15" in said
    assert said.count("all found") == 1

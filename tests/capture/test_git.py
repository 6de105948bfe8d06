"""Commits and working trees."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick.canonical import decode, encode
from tallystick.capture import git as module
from tallystick.capture import repository
from tallystick.capture.captured import Captured
from tallystick.capture.git import commit
from tallystick.errors import InvalidData, MissingProgram, NotFound
from tallystick.records import Draft, Entry

Git = Callable[..., str]
NOTHING = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def captured() -> Callable[..., Captured]:
    """Capture, with a check that the table of kinds takes the answer and that no person stands in it."""

    def run(folder: Path, **people: str) -> Captured:
        found = commit(folder, people={key.replace("_at_", "@"): actor for key, actor in people.items()})
        draft = Draft(
            kind="commit",
            actor="ci",
            claimed_at="2026-01-01T00:00:00.000000Z",
            body=found.body,
            attachments=found.attachments,
            personal=found.personal,
            subject=found.subject,
        )
        raw = draft.seal(seq=1, prev="0" * 64, recorded_at="2026-01-01T00:00:00.000000Z")
        Entry.parse(raw)
        assert b"example.org" not in raw.lower()
        assert b"Ada" not in raw
        assert all(part.salt is not None for part in found.attachments)
        return found

    return run


def part_of(found: Captured, name: str) -> bytes:
    (part,) = [part for part in found.attachments if part.name == name]
    return part.data


def test_a_clean_tree_is_recorded_by_ids_and_content(git: Git, repo: Path, captured: Callable[..., Captured]) -> None:
    found = captured(repo)
    body = found.body
    assert body["gitCommit"] == git("rev-parse", "HEAD")
    assert body["gitTree"] == git("rev-parse", "HEAD^{tree}")
    assert (body["dirty"], body["untracked"], body["ref"]) == (False, 0, "main")
    assert body["patch_sha256"] == NOTHING
    assert body["untracked_sha256"] == hashlib.sha256(b"[]").hexdigest()
    assert body["signature"] == {"status": "none", "verified_by": "git verify-commit"}
    assert body["repository"] == {"absent": "no remote"}
    listing = [
        {"mode": "120000", "path": "latest", "sha256": hashlib.sha256(b"train.py").hexdigest()},
        {"mode": "100755", "path": "run.sh", "sha256": hashlib.sha256(b"#!/bin/sh\n").hexdigest()},
        {"mode": "100644", "path": "train.py", "sha256": hashlib.sha256(b"print('hello')\n").hexdigest()},
    ]
    assert body["content_sha256"] == hashlib.sha256(encode(listing)).hexdigest()
    assert found.attachments == ()


def test_a_folder_inside_speaks_for_the_whole_repository(git: Git, repo: Path) -> None:
    (repo / "inner").mkdir()
    assert commit(repo / "inner").body == commit(repo).body


def test_the_patch_is_that_of_git_diff(git: Git, repo: Path, captured: Callable[..., Captured]) -> None:
    (repo / "train.py").write_text("print('changed')\n")
    (repo / "run.sh").unlink()
    found = captured(repo)
    patch = part_of(found, "patch.diff")
    assert found.body["dirty"] is True
    assert found.body["patch_sha256"] == hashlib.sha256(patch).hexdigest()
    git("diff", "--binary", "HEAD", "--output", str(repo.parent / "theirs"), "--full-index")
    assert patch == (repo.parent / "theirs").read_bytes()
    git("checkout", "--quiet", ".")
    git("apply", feed=patch)
    assert (repo / "train.py").read_text() == "print('changed')\n"


def test_a_staged_change_counts_as_the_file_lies_there(git: Git, repo: Path, captured: Callable[..., Captured]) -> None:
    (repo / "train.py").write_text("x\n")
    unstaged = captured(repo).body
    git("add", "train.py")
    assert captured(repo).body["patch_sha256"] == unstaged["patch_sha256"]


def test_a_new_file_that_is_staged_makes_the_tree_dirty(
    git: Git, repo: Path, captured: Callable[..., Captured]
) -> None:
    (repo / ".gitignore").write_text("*.py\n")
    (repo / "new.py").write_text("x\n")
    git("add", "--force", "new.py")
    body = captured(repo).body
    assert (body["dirty"], body["untracked"]) == (True, 2)


def test_untracked_files_are_listed_without_those_ignored(
    git: Git, repo: Path, captured: Callable[..., Captured]
) -> None:
    (repo / ".git" / "info" / "exclude").write_text("*.log\n")
    (repo / "a.log").write_text("x")
    (repo / "new").mkdir()
    (repo / "new" / os.fsdecode(b"caf\xe9")).write_bytes(b"1")
    (repo / "out").symlink_to("/etc/passwd")
    found = captured(repo)
    listing = decode(part_of(found, "untracked.json"), canonical=True)
    one = {"path": {"bytes": "bmV3L2NhZuk="}, "size": 1, "sha256": hashlib.sha256(b"1").hexdigest()}
    assert listing == [one, {"path": "out", "link": "/etc/passwd"}]
    assert (found.body["dirty"], found.body["untracked"]) == (False, 2)
    assert found.body["untracked_sha256"] == hashlib.sha256(encode(listing)).hexdigest()


def test_files_that_the_user_ignores_everywhere_are_ignored(git: Git, repo: Path) -> None:
    home = Path(os.environ["HOME"])
    (home / "ignore").write_text("*.swp\n")
    git("config", "--global", "core.excludesFile", "~/ignore")
    (repo / "a.swp").touch()
    assert commit(repo).body["untracked"] == 0


def test_a_repository_inside_is_named_not_entered(git: Git, repo: Path) -> None:
    (repo / "other").mkdir()
    git("init", "--quiet", where=repo / "other")
    (repo / "other" / "file").touch()
    git("add", "file", where=repo / "other")
    git("commit", "--quiet", "--message", "x", where=repo / "other")
    listing = decode(part_of(commit(repo), "untracked.json"))
    assert listing == [{"path": "other/", "repository": True}]


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_cannot_be_hidden_in_the_index(git: Git, repo: Path, flag: str) -> None:
    git("update-index", flag, "train.py")
    (repo / "train.py").write_text("hidden\n")
    assert git("status", "--porcelain") == ""
    assert commit(repo).body["dirty"] is True


def test_a_change_cannot_be_hidden_by_times(git: Git, repo: Path) -> None:
    path = repo / "train.py"
    git("config", "core.trustctime", "false")
    git("config", "core.checkStat", "minimal")
    os.utime(path, (1, 1))
    git("update-index", "--refresh")
    path.write_text("print('HELLO')\n")
    os.utime(path, (1, 1))
    assert git("status", "--porcelain") == ""
    assert commit(repo).body["dirty"] is True


def test_a_sparse_checkout_is_not_dirty(git: Git, repo: Path) -> None:
    (repo / "docs").mkdir()
    (repo / "docs" / "a.md").write_text("a\n")
    git("add", "docs")
    git("commit", "--quiet", "--message", "Docs")
    git("sparse-checkout", "set", "--no-cone", "/train.py", "/run.sh", "/latest")
    assert not (repo / "docs").exists()
    assert commit(repo).body["dirty"] is False


def test_line_endings_that_git_converts_are_no_change(git: Git, repo: Path) -> None:
    git("config", "core.autocrlf", "true")
    (repo / "train.py").write_bytes(b"print('hello')\r\n")
    assert commit(repo).body["dirty"] is False


def test_a_file_kept_by_git_lfs_is_compared_with_its_pointer(git: Git, repo: Path) -> None:
    data = b"large" * 1000
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(data).hexdigest()}\nsize {len(data)}\n"
    )
    (repo / "model.bin").write_text(pointer)
    (repo / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "Add a model")
    (repo / "model.bin").write_bytes(data)
    assert commit(repo).body["dirty"] is False
    (repo / "model.bin").write_bytes(data + b"x")
    assert commit(repo).body["dirty"] is True


def test_a_submodule_stands_with_its_commit(git: Git, repo: Path) -> None:
    inner = repo.parent / "inner"
    inner.mkdir()
    git("init", "--quiet", where=inner)
    git("commit", "--quiet", "--allow-empty", "--message", "x", where=inner)
    git("submodule", "--quiet", "add", str(inner), "sub")
    git("commit", "--quiet", "--message", "Add sub")
    body = commit(repo).body
    assert body["dirty"] is False
    id = git("rev-parse", "HEAD", where=inner)
    git("commit", "--quiet", "--allow-empty", "--message", "y", where=repo / "sub")
    changed = commit(repo).body
    assert changed["dirty"] is True
    assert changed["content_sha256"] == body["content_sha256"]
    files = list(_listing(repo))
    assert {"mode": "160000", "path": "sub", "commit": id} in files


def _listing(folder: Path) -> Iterator[Any]:
    with repository.opened(folder) as opened:
        files = list(module._files(opened))
        tree = opened.ask("rev-parse", "HEAD^{tree}").output.decode().strip()
        yield from module._content(opened, tree, files)


def test_a_linked_worktree_and_sha256_objects_are_read(git: Git, repo: Path, tmp_path: Path) -> None:
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    assert commit(tmp_path / "side").body["ref"] == "side"
    other = tmp_path / "other"
    other.mkdir()
    git("init", "--quiet", "--object-format=sha256", where=other)
    (other / "a").write_text("a")
    git("add", "a", where=other)
    git("commit", "--quiet", "--message", "x", where=other)
    body = commit(other).body
    assert len(body["gitCommit"]) == 64
    assert body["dirty"] is False


def test_without_a_branch_there_is_no_ref(git: Git, repo: Path) -> None:
    git("checkout", "--quiet", "--detach")
    assert "ref" not in commit(repo).body


# --------------------------------------------------------------------------- people


def test_authors_are_actors_and_everyone_else_is_counted(
    git: Git, repo: Path, captured: Callable[..., Captured]
) -> None:
    (repo / "a").write_text("a")
    git("add", "a")
    message = "Second\n\nCo-authored-by: Cy Example <CY@example.org>\nCo-authored-by: Dee <dee@example.org>\n"
    git("commit", "--quiet", "--message", message, GIT_AUTHOR_EMAIL="eve@example.org")
    people = {"ada_at_example.org": "a-1", "cy_at_example.org": "c-1", "eve_at_example.org": "a-1"}
    found = captured(repo, **people)
    assert found.body["authors"] == {"actors": ["a-1", "c-1"], "unmapped": 2, "complete": True}
    assert {item.name: item.text for item in found.personal} == {
        "author_name": "Ada Example",
        "author_email": "eve@example.org",
    }


def test_whoever_left_changes_is_an_author(git: Git, repo: Path, captured: Callable[..., Captured]) -> None:
    git("config", "user.email", "Zoe@example.org")
    assert captured(repo, **{"zoe_at_example.org": "z-1"}).body["authors"]["actors"] == []
    (repo / "train.py").write_text("x\n")
    assert captured(repo, **{"zoe_at_example.org": "z-1"}).body["authors"]["actors"] == ["z-1"]


def test_a_shallow_clone_does_not_know_all_authors(git: Git, repo: Path, tmp_path: Path) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "Second", GIT_AUTHOR_EMAIL="eve@example.org")
    git("clone", "--quiet", "--depth=1", repo.as_uri(), str(tmp_path / "clone"))
    authors = commit(tmp_path / "clone", people={"ada@example.org": "a-1"}).body["authors"]
    assert authors == {"actors": [], "unmapped": 2, "complete": False}


def test_replaced_and_grafted_history_is_not_believed(git: Git, repo: Path) -> None:
    before = commit(repo).body
    first = git("rev-parse", "HEAD")
    git("commit", "--quiet", "--allow-empty", "--message", "Second", GIT_AUTHOR_EMAIL="eve@example.org")
    second = git("rev-parse", "HEAD")
    blob = git("hash-object", "-w", "--stdin", feed=b"harmless\n")
    git("replace", git("rev-parse", "HEAD:train.py"), blob)
    (repo / ".git" / "info" / "grafts").write_text(f"{second}\n")
    body = commit(repo).body
    assert first != second
    assert body["authors"]["unmapped"] == 3
    assert body["content_sha256"] == before["content_sha256"]


# --------------------------------------------------------------------------- remotes


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://ada:s3cret@example.com/team/model.git", "https://example.com/team/model.git"),
        ("https://ghp_0123456789abcdef@example.com/model", "https://example.com/model"),
        ("https://example.com/model?private_token=s3cret#s3cret", "https://example.com/model"),
        ("https://ada:p@ss@example.com:8443/model", "https://example.com:8443/model"),
        ("ssh://ada:s3cret@example.com:2222/model", "ssh://example.com:2222/model"),
        ("git@example.com:team/model.git", "ssh://example.com/team/model.git"),
        ("https://ada:s3/cret@example.com/model", None),
        ("https://ada:12/s3cret@example.com/model", None),
        ("https://example.com/ghp_0123456789abcdef/model", None),
        ("ada:s3cret@example.com:model", None),
        ("/home/ada/model", None),
        ("file:///home/ada/model", None),
        ("ext::sh -c s3cret", None),
        ("C:/Users/ada/model", None),
        ("https://[bad/model", None),
    ],
)
def test_a_remote_is_recorded_without_secrets_and_people(git: Git, repo: Path, url: str, recorded: str | None) -> None:
    git("config", "remote.origin.url", url)
    found = commit(repo)
    assert found.body["repository"] == (recorded or {"absent": "remote is not the address of a server"})
    said = re.sub(r"\b[0-9a-f]{40,64}\b", "", json.dumps([found.body, *found.subject]))  # a hash may spell any of these
    for secret in ("s3cret", "ada", "ghp_", "p@ss"):
        assert secret not in said


# --------------------------------------------------------------------------- hostile repositories


@pytest.fixture
def trap(tmp_path: Path) -> tuple[str, Path]:
    """A program that leaves a mark when it runs, and the mark."""
    program, mark = tmp_path / "trap.sh", tmp_path / "sprung"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat 2>/dev/null\n")
    program.chmod(0o755)
    return str(program), mark


TRAPS = {
    "core.fsmonitor": ("status",),
    "filter.x.clean": ("diff", "HEAD"),
    "filter.x.process": ("diff", "HEAD"),
    "diff.x.textconv": ("diff", "HEAD"),
    "diff.x.command": ("diff", "HEAD"),
    "diff.external": ("diff", "HEAD"),
    "core.pager": ("-p", "log"),
    "gpg.program": ("verify-commit", "HEAD"),
}


@pytest.mark.parametrize("setting", TRAPS)
def test_no_program_of_the_repository_runs(git: Git, repo: Path, trap: tuple[str, Path], setting: str) -> None:
    program, mark = trap
    (repo / ".gitattributes").write_text("* filter=x diff=x\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "Attributes")
    raw = git("cat-file", "commit", "HEAD")
    head, _, message = raw.partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n{message}\n"
    git("update-ref", "HEAD", git("hash-object", "-t", "commit", "-w", "--stdin", feed=signed.encode()))
    (repo / "train.py").write_text("changed\n")
    (repo / "new.py").write_text("new\n")
    git("config", setting, program)
    commit(repo)
    assert not mark.exists()
    if setting != "core.pager":  # git starts a pager on terminals only
        subprocess.run(["git", *TRAPS[setting]], cwd=repo, capture_output=True, check=False)
        assert mark.exists(), "the trap itself must work"


def test_no_hook_runs_and_nothing_is_written(git: Git, repo: Path, trap: tuple[str, Path]) -> None:
    program, mark = trap
    for hook in ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        shutil.copy(program, repo / ".git" / "hooks" / hook)
    git("config", "core.hooksPath", str(repo / ".git" / "hooks"))
    (repo / "train.py").write_text("changed\n")
    mark.unlink(missing_ok=True)
    before = {path: path.stat().st_mtime_ns for path in sorted((repo / ".git").rglob("*"))}
    commit(repo)
    assert not mark.exists()
    assert {path: path.stat().st_mtime_ns for path in sorted((repo / ".git").rglob("*"))} == before


def test_a_submodule_cannot_run_anything_either(git: Git, repo: Path, trap: tuple[str, Path]) -> None:
    program, mark = trap
    inner = repo.parent / "inner"
    inner.mkdir()
    git("init", "--quiet", where=inner)
    (inner / "a").write_text("a\n")
    git("add", "a", where=inner)
    git("commit", "--quiet", "--message", "x", where=inner)
    git("submodule", "--quiet", "add", str(inner), "sub")
    git("commit", "--quiet", "--message", "Add sub")
    git("config", "core.fsmonitor", program, where=repo / "sub")
    (repo / "sub" / "a").write_text("changed\n")
    commit(repo)
    assert not mark.exists()


def test_a_missing_object_is_not_fetched(git: Git, repo: Path, trap: tuple[str, Path]) -> None:
    program, mark = trap
    git("config", "remote.origin.url", f"ext::{program}")
    git("config", "remote.origin.promisor", "true")
    git("config", "core.repositoryFormatVersion", "1")
    git("config", "extensions.partialClone", "origin")
    git("config", "protocol.ext.allow", "always")
    id = git("rev-parse", "HEAD:train.py")
    (repo / ".git" / "objects" / id[:2] / id[2:]).unlink()
    with pytest.raises(InvalidData, match="lacks an object"):
        commit(repo)
    assert not mark.exists()


def test_an_object_that_is_not_what_its_id_says_is_refused(git: Git, repo: Path) -> None:
    id, other = git("rev-parse", "HEAD:train.py"), git("hash-object", "-w", "--stdin", feed=b"forged\n")
    objects = repo / ".git" / "objects"
    path = objects / id[:2] / id[2:]
    path.chmod(stat.S_IWUSR | stat.S_IRUSR)
    shutil.copyfile(objects / other[:2] / other[2:], path)
    with pytest.raises(InvalidData, match="not what its id says"):
        commit(repo)


def test_a_repository_cannot_point_to_another_working_tree(git: Git, repo: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    git("config", "core.worktree", str(tmp_path / "private"))
    with pytest.raises(InvalidData, match="working tree elsewhere"):
        commit(repo)


# --------------------------------------------------------------------------- signatures


@pytest.fixture
def ssh_key(git: Git, tmp_path: Path) -> str:
    """Signs commits from now on; the public key."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("OpenSSH is not installed")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    git("config", "gpg.format", "ssh")
    git("config", "user.signingkey", str(tmp_path / "key"))
    git("config", "commit.gpgsign", "true")
    return (tmp_path / "key.pub").read_text()


def trust(git: Git, key: str, scope: str) -> None:
    file = Path(os.environ["HOME"]) / "allowed"
    file.write_text(f"bob@example.org {key}")
    git("config", scope, "gpg.ssh.allowedSignersFile", str(file))


def test_a_signature_by_a_signer_whom_the_user_trusts_is_good(git: Git, repo: Path, ssh_key: str) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "Signed")
    assert commit(repo).body["signature"]["status"] == "unknown-key"
    trust(git, ssh_key, "--global")
    assert commit(repo).body["signature"]["status"] == "good"


def test_signers_that_the_repository_names_itself_count_for_nothing(git: Git, repo: Path, ssh_key: str) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "Signed")
    trust(git, ssh_key, "--local")
    git("verify-commit", "HEAD")
    assert commit(repo).body["signature"]["status"] == "unknown-key"


def test_a_signature_over_another_commit_is_bad(git: Git, repo: Path, ssh_key: str) -> None:
    git("commit", "--quiet", "--allow-empty", "--message", "Signed")
    trust(git, ssh_key, "--global")
    forged = git("cat-file", "commit", "HEAD").replace("Signed", "Forged") + "\n"
    git("update-ref", "HEAD", git("hash-object", "-t", "commit", "-w", "--stdin", feed=forged.encode()))
    assert commit(repo).body["signature"]["status"] == "bad"


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        (0, "[GNUPG:] GOODSIG 1 x", "good"),
        (0, "", "error"),
        (1, "[GNUPG:] GOODSIG 1 x", "unknown-key"),
        (1, "[GNUPG:] BADSIG 1 x", "bad"),
        (0, "[GNUPG:] GOODSIG 1 x\n[GNUPG:] BADSIG 1 x", "bad"),
        (1, "[GNUPG:] ERRSIG 1\n[GNUPG:] NO_PUBKEY 1", "unknown-key"),
        (1, "[GNUPG:] ERRSIG 1", "error"),
        (1, "[GNUPG:] EXPKEYSIG 1 x", "bad"),
        (1, "[GNUPG:] REVKEYSIG 1 x", "bad"),
        (1, "error: cannot run gpg: No such file or directory", "error"),
    ],
)
def test_what_gpg_says_is_never_read_too_kindly(code: int, text: str, status: str) -> None:
    assert module._judged(code, text)[0] == status


# --------------------------------------------------------------------------- what cannot be recorded


def test_no_repository_no_folder_no_commit_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, git: Git) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(NotFound, match="not in a git repository"):
        commit(tmp_path / "plain")
    with pytest.raises(NotFound, match="no such folder"):
        commit(tmp_path / "none")
    with pytest.raises(InvalidData, match="no commit yet"):
        commit(tmp_path / "repo")
    git("init", "--quiet", "--bare", where=tmp_path / "plain")
    with pytest.raises(InvalidData, match="bare"):
        commit(tmp_path / "plain")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgram, match="git is not installed"):
        commit(tmp_path / "repo")


def test_a_command_that_takes_too_long_is_ended(git: Git, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "LONG", 0.0)
    with pytest.raises(InvalidData, match="took too long"):
        commit(repo)


def test_a_patch_too_long_to_keep_is_recorded_by_its_digest(
    git: Git, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "train.py").write_text("x\n" * 1000)
    kept = commit(repo)
    monkeypatch.setattr(module, "_MAX_PATCH", 100)
    found = commit(repo)
    assert found.attachments == ()
    assert found.body == kept.body
    monkeypatch.setattr(module, "_MAX_DIFF", 100)
    with pytest.raises(InvalidData, match="too large"):
        commit(repo)


def test_too_many_and_too_large_untracked_files(git: Git, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo / "a").write_text("12345")
    (repo / "b").write_text("1")
    monkeypatch.setattr(module, "_MAX_HASHED", 4)
    listing = decode(part_of(commit(repo), "untracked.json"))
    assert listing[0] == {"path": "a", "size": 5}
    assert "sha256" in listing[1]
    monkeypatch.setattr(module, "_MAX_UNTRACKED", 1)
    body = commit(repo).body
    assert body["untracked"] == 2
    assert body["untracked_sha256"] == {"absent": "more than 1 untracked files"}

"""Tell the story: every step is a command a user would type, run for real, with its real output and exit code.

A step whose exit code is not the expected one ends the demonstration with an error: nothing here is staged.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from tallystick import signing
from tallystick.canonical import Value
from tallystick.cli.main import run
from tallystick.demo import forgery, outside
from tallystick.resources import shipped
from tallystick.workflow.desk import no_passphrase

__all__ = ["main", "tell"]

HERE: Final = Path(__file__).parent
_EXPLANATION: Final = (
    "The first candidate was trained without a constraint on selection rates. The second is trained under demographic "
    "parity; the threshold and the test set are unchanged."
)


class _Unexpected(Exception):
    """A step did not end as the story says."""


def main() -> NoReturn:
    words = sys.argv[1:]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        sys.stderr.write("usage: python -m tallystick.demo [FOLDER]\n")
        sys.exit(0 if {"-h", "--help"} & {*words} else 2)
    folder = Path(words[0]) if words else Path("demo")
    if folder.exists() and any(folder.iterdir()):
        folder = _free(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tell(folder.resolve())
    except _Unexpected as error:
        sys.exit(_fail(str(error)))
    sys.exit(0)


def _free(folder: Path) -> Path:
    """The next free name beside a folder that is in use: an earlier demonstration is never touched."""
    number = 2
    while (candidate := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return candidate


def _fail(text: str) -> int:
    _print(f"The demonstration did not go as it should: {text}")
    return 3


def tell(folder: Path) -> None:
    """The whole story, in a folder that is empty."""
    began = time.monotonic()
    with _working_in(folder):
        _lay_out(folder)
        _chapter(1, "A ledger, with keys for itself, a risk officer and an engineer")
        _set_up()
        _chapter(2, "What the model is for, and the rules: on the ledger before any result")
        _rules()
        _chapter(3, "The engineer trains a model; tallystick.run records it while it trains")
        _python("train.py", "baseline")
        _tallystick("log -n 9")
        _chapter(4, "The gates refuse it")
        _tallystick(f"gate run credit@1 {_scored('baseline')} --as engineer", expect=1)
        _chapter(5, "An auditor is sent a checkpoint, and keeps it")
        _tallystick("ledger checkpoint -o kept-by-auditor.checkpoint")
        shutil.copytree(".tallystick", "copies/at-the-refusal")
        _chapter(
            6, "A second candidate, trained to select both sexes at similar rates, without seeing sex when it predicts"
        )
        _python("train.py", "fair")
        _tallystick(f"gate run credit@2 {_scored('fair')} --explain {shlex.quote(_EXPLANATION)} --as engineer")
        _chapter(7, "People decide: the engineer cannot approve what they made, the risk officer can")
        _decide()
        _chapter(8, "The audit report and the evidence pack")
        _evidence()
        _chapter(9, "Programs that nobody here wrote confirm the signatures")
        outside.confirm(Path(".tallystick"), Path("audit.pdf"))
        _chapter(10, "Three forgeries of copies of the ledger, and what catches each")
        _forge()
    _ending(folder, time.monotonic() - began)


# --------------------------------------------------------------------------- chapters


def _lay_out(folder: Path) -> None:
    shutil.copytree(HERE / "data", folder / "data")
    for name in ("train.py", "usecase.yaml"):
        shutil.copy(HERE / "project" / name, folder / name)
    (folder / "policies").mkdir()
    shutil.copy(shipped("policies") / "starter.yaml", folder / "policies")
    (folder / ".gitignore").write_text(
        ".tallystick/\nmodels/\npredictions/\ncopies/\nby-hand/\n*.checkpoint\n", encoding="utf-8"
    )
    _print(f"A credit-like model's way through the ledger, on real data (Adult, UCI). Everything happens in {folder}")
    _commit()


def _commit() -> None:
    """The engineer's code under git, so that the run can name its commit; without git the story goes on."""
    if shutil.which("git") is None:
        _print("(git is not here: the runs will be recorded without a commit)")
        return
    person = ["-c", "user.name=Erin Engineer", "-c", "user.email=erin@bank.example"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*person, "commit", "-q", "-m", "Train the candidates"]):
        subprocess.run(["git", *words], check=True, stdin=subprocess.DEVNULL)


def _set_up() -> None:
    _tallystick("init --name bank.example/credit")
    _tallystick("key new officer --role risk-officer --name 'Oda Officer' --email oda@bank.example")
    _tallystick("key new engineer --role engineer --by officer --name 'Erin Engineer' --email erin@bank.example")


def _rules() -> None:
    _tallystick("usecase usecase.yaml --as officer")
    _tallystick("policy check policies/starter.yaml")
    _tallystick("policy publish policies/starter.yaml --author engineer --as officer")


def _scored(candidate: str) -> str:
    return f"--predictions predictions/{candidate}.csv --dataset adult-test"


def _decide() -> None:
    _tallystick("approve credit@2 --rationale 'It passes.' --as engineer", expect=1)
    _tallystick(
        "approve credit@2 --rationale 'Similar selection rates matter most here; the loss of equalized odds is known.'"
        " --condition 'Watch equalized odds monthly;model-risk;2027-03-31' --as officer"
    )
    _tallystick("promote credit@1 --as engineer", expect=1)
    _tallystick("promote credit@2 --as engineer")
    _tallystick("history credit")


def _evidence() -> None:
    report = "report credit@2 -o audit.pdf --anchor kept-by-auditor.checkpoint"
    _tallystick(report, expect=0 if _pdf_can_be_written() else 3)
    _tallystick("pack credit@2 -o evidence.zip")
    _tallystick("verify evidence.zip --key .tallystick/ledger.vkey --anchor kept-by-auditor.checkpoint")
    if Path("audit.pdf").exists():
        _tallystick("verify audit.pdf --key .tallystick/ledger.vkey")
    _tallystick("verify evidence.zip", expect=3)


def _pdf_can_be_written() -> bool:
    """Without Pango everything but the PDF works, and the story goes on without it."""
    try:
        import weasyprint  # noqa: F401 - the import itself is the question
    except OSError:
        return False
    return True


def _forge() -> None:
    shutil.copytree(".tallystick", "copies/edited")
    refusal = _refusal()
    _print(f"Somebody edits entry {refusal} in a copy of the database: the refusal becomes a pass.")
    forgery.edit_entry(Path("copies/edited/ledger.db"), refusal, _to_pass)
    _tallystick("ledger fsck --ledger copies/edited/ledger.db --key .tallystick/ledger.vkey", expect=1)
    _print("")
    _print("Somebody with the ledger's real key does it in a copy from the day of the refusal,")
    _print("links every entry anew, rebuilds the tree and signs all checkpoints again. By itself it is whole:")
    signer = signing.load_signer(Path(".tallystick/keys/ledger.pem"), passphrase=no_passphrase)
    forgery.rewrite(Path("copies/at-the-refusal/ledger.db"), refusal, _to_pass, signer=signer)
    _tallystick("ledger fsck --ledger copies/at-the-refusal/ledger.db --key .tallystick/ledger.vkey")
    _print("But it is not the ledger that the auditor's checkpoint speaks of:")
    _tallystick(
        "ledger fsck --ledger copies/at-the-refusal/ledger.db --key .tallystick/ledger.vkey"
        " --anchor kept-by-auditor.checkpoint",
        expect=1,
    )
    shutil.copytree(".tallystick", "copies/after-the-approval")
    forgery.rewrite(Path("copies/after-the-approval/ledger.db"), refusal, _to_pass, signer=signer)
    _print("")
    _print(
        "In a copy from after the approval it takes no checkpoint: the officer's signature speaks for all before it."
    )
    _tallystick("ledger fsck --ledger copies/after-the-approval/ledger.db --key .tallystick/ledger.vkey", expect=1)


def _refusal() -> int:
    from tallystick.ledger.ledger import Ledger

    with Ledger.open(Path(".tallystick/ledger.db"), read_only=True) as ledger:
        return next(entry.seq for entry in ledger.entries(kind="evaluation"))


def _to_pass(value: dict[str, Value]) -> None:
    """Every check too: a verdict that its checks do not give would be found without any key."""
    value["body"]["verdict"] = "pass"
    for check in value["body"]["checks"]:
        check["verdict"] = "pass"


def _ending(folder: Path, seconds: float) -> None:
    _chapter(11, "What to open")
    lines = {
        "audit.pdf": "the signed audit report; audit.html is the same for a browser",
        "evidence.zip": "the evidence pack: entries, proofs, policy, keys, report, and how to check it by hand",
        "audit.pdf.tlog-proof": "the receipt that ties the report to the ledger",
        ".tallystick/ledger.vkey": "the public key that verifying needs",
        "train.py": "the training script: look for tallystick.run",
        "policies/starter.yaml": "the policy, to be read aloud",
    }
    for name, about in lines.items():
        if (folder / name).exists():
            _print(f"  {folder / name}\n      {about}")
    _print(f"\nDone in {seconds:.0f} s: the first candidate was refused, the second approved, promoted and proven.")


# --------------------------------------------------------------------------- steps


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("TALLYSTICK_")}
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.update(kept)


def _tallystick(line: str, *, expect: int = 0) -> None:
    """One command of the command line, in this process; its output is indented below it."""
    _print(f"\n$ tallystick {line}")
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = run(shlex.split(line))
    _show(output.getvalue())
    if code:
        _print(f"  (exit {code})")
    if code != expect:
        raise _Unexpected(f"`tallystick {line}` ended with {code}, not {expect}")


def _python(*words: str) -> None:
    """The engineer's own script, in a process of its own."""
    _print(f"\n$ TALLYSTICK_AS=engineer python {' '.join(words)}")
    environ = {**os.environ, "TALLYSTICK_AS": "engineer", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, *words],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            _show(line)
    if process.returncode:
        raise _Unexpected(f"`python {' '.join(words)}` ended with {process.returncode}")


def _chapter(number: int, title: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    _print(f"\n{bold}{number}. {title}{plain}")


def _show(text: str) -> None:
    for line in text.rstrip("\n").splitlines():
        _print(f"  {line}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

"""Check signatures with programs from outside: openssl for the checkpoint, pdfsig for the report.

Nothing of tallystick takes part but reading three lines of text: the note is split here by hand, as docs/how-to shows.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["confirm"]

_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""DER of everything before the 32 bytes of an Ed25519 public key (RFC 8410)."""


def confirm(ledger: Path, pdf: Path) -> None:
    """Run the programs that are here, and print what they say.

    Raises:
        RuntimeError: a program is here and says no.
    """
    _checkpoint(ledger)
    _seal(pdf)


def _checkpoint(ledger: Path) -> None:
    if shutil.which("openssl") is None:
        _say("openssl is not here: left out")
        return
    work = Path("by-hand")
    work.mkdir(exist_ok=True)
    note = (Path("kept-by-auditor.checkpoint")).read_bytes()
    text, _, signature = note.rpartition(b"\n\n")
    (work / "checkpoint.txt").write_bytes(text + b"\n")
    (work / "checkpoint.sig").write_bytes(base64.b64decode(signature.split(b" ")[2])[4:])
    vkey = (ledger / "ledger.vkey").read_text(encoding="utf-8").strip()
    raw = base64.b64decode(vkey.split("+", 2)[2])[1:]
    (work / "ledger.der").write_bytes(_ED25519_SPKI + raw)
    files = ["-in", "by-hand/checkpoint.txt", "-sigfile", "by-hand/checkpoint.sig"]
    key = ["-pubin", "-inkey", "by-hand/ledger.der", "-keyform", "DER"]
    _run(["openssl", "pkeyutl", "-verify", *key, "-rawin", *files], must_say="Signature Verified Successfully")


def _seal(pdf: Path) -> None:
    if not pdf.exists():
        _say("no PDF was written: its signature is left out")
        return
    if shutil.which("pdfsig") is None:
        _say("pdfsig (poppler-utils) is not here: left out")
        return
    _run(["pdfsig", str(pdf)], must_say="Signature is Valid")


def _run(words: list[str], *, must_say: str) -> None:
    _say(f"\n$ {' '.join(words)}")
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    output = done.stdout + done.stderr
    for line in output.rstrip().splitlines():
        _say(f"  {line}")
    if must_say not in output:
        raise RuntimeError(f"{words[0]} does not confirm: expected it to say {must_say!r}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")

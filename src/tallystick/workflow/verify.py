"""Verify a file: what its proofs say, and then whether the people in it were entitled to what they did.

Light on purpose: no database, no data frame, no template library is imported on the way. Trust comes from the caller:
a key given by hand, or a file of keys. Keys inside the file are never used to trust it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tallystick.errors import NotVerified
from tallystick.proof.verify import Verdict

__all__ = ["as_json", "exit_code", "trusted_keys", "verify"]

MAX_FILE: Final = 1 << 30
_RECEIPT: Final = ".tlog-proof"


def verify(
    file: Path,
    *,
    key: str | None = None,
    trust: Path | None = None,
    receipt: Path | None = None,
    anchor: Path | None = None,
) -> Verdict:
    """Verify a pack, a report, a receipt or a checkpoint.

    Args:
        key: a verifier key, or the path of a file of such keys.
        trust: a file of verifier keys, one a line, ``#`` begins a comment.
        receipt: the receipt of a report; else the file of the same name with ``.tlog-proof``.
        anchor: a checkpoint of the same ledger that the caller kept.

    Raises:
        NotFound: a file is missing or unreadable.
        Unavailable: no key was given.
    """
    data = _read(file)
    keys = trusted_keys(key, trust)
    kept = None if anchor is None else _read(anchor)
    beside = receipt or file.with_name(file.name + _RECEIPT)
    proof = _read(beside) if receipt is not None or beside.exists() else None
    try:
        return _judged(data, proof, kept, keys)
    except NotVerified as error:
        return _no(error, keys)

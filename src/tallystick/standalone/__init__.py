"""Verifiers that stand alone: one file each, sharing no code with the rest, to be handed out with what they verify.

``verify.py`` needs Python and the ``openssl`` command; ``verify.html`` needs a browser.
They are written from the documented formats, so that a misreading of ours would show as a disagreement.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

__all__ = ["NAMES", "programs"]

NAMES: Final = ("verify.py", "verify.html")


def programs() -> dict[str, bytes]:
    """The bytes of each verifier by its name."""
    here = resources.files(__name__)
    return {name: (here / name).read_bytes() for name in NAMES if (here / name).is_file()}

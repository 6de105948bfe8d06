"""Where the files that travel with tallystick are: its policies and its report templates.

An installed package carries them inside itself; a checkout has them at its top level, where people read and edit them.
Callers get a folder and read from it as from any other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from tallystick.errors import NotFound

__all__ = ["Shipped", "shipped"]

Shipped = Literal["policies", "templates"]

_PACKAGE: Final = Path(__file__).resolve().parent


def shipped(kind: Shipped, *, package: Path = _PACKAGE) -> Path:
    """The folder of the shipped files of this kind.

    Args:
        package: the folder of the tallystick package itself; another one only in tests.

    Raises:
        NotFound: the installation is incomplete.
    """
    installed = package / "_shipped" / kind
    checkout = package.parent.parent
    if installed.is_dir():
        return installed
    if (checkout / "pyproject.toml").is_file() and (checkout / kind).is_dir():
        return checkout / kind
    raise NotFound(
        f"the {kind} that travel with tallystick are missing",
        where=str(package),
        expected=str(installed),
        remedy="Install tallystick again.",
    )

"""What the code ran in: the interpreter, the platform, the packages installed, the lock file.

Read from this very process, so it is meant to be called where the training runs. Nothing that names a person or a
machine is looked at: no user, no host name, no environment variable, no path. NumPy is asked for its linear algebra
library only if somebody imported it already.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from tallystick.canonical import Value, digest, encode, tagged
from tallystick.capture.captured import Captured, completed, named
from tallystick.capture.fingerprint import read_whole
from tallystick.records import Attachment, absent

__all__ = ["environment"]

_MAX_LOCK_FILE: Final = 64 * 1024 * 1024
_SEPARATORS: Final = re.compile(r"[-_.]+")


def environment(*, lock_file: Path | str | None = None) -> Captured:
    """The record of this process's environment, of kind ``environment``.

    Args:
        lock_file: a requirements or lock file that the environment was made from; recorded by name and SHA-256.

    Raises:
        NotFound: there is no such lock file.
        InvalidData: the lock file cannot be read.
    """
    packages = Attachment("packages.json", "application/json", encode(_packages()))
    observed: dict[str, Value] = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": _platform(),
        "packages": {"attachment": packages.name},
        "lock_file": _lock_file(lock_file) if lock_file else absent("no lock file"),
    }
    blas = _blas()
    if blas:
        observed["blas"] = blas
    return Captured(completed("environment", observed, {}), (packages,))


def _platform() -> dict[str, Value]:
    libc = " ".join(part for part in platform.libc_ver() if part)
    facts = {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "libc": libc,
        "cpus": os.cpu_count(),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _packages() -> list[Value]:
    """Name (PEP 503) and version of each distribution, sorted; where one is found twice, the one that imports use."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        facts: Any = distribution.metadata  # None, or without a name, in a damaged installation
        name = facts and facts["Name"]
        if name:
            found.setdefault(_SEPARATORS.sub("-", str(name)).lower(), str(facts["Version"] or "unknown"))
    return [{"name": tagged(name), "version": tagged(found[name])} for name in sorted(found)]


def _lock_file(path: Path | str) -> dict[str, Value]:
    return {"name": named(path), "sha256": digest(read_whole(path, limit=_MAX_LOCK_FILE))}


def _blas() -> str | None:
    config: Any = getattr(sys.modules.get("numpy"), "__config__", None)
    try:
        facts = config.CONFIG["Build Dependencies"]["blas"]
        text = f"{facts['name']} {facts.get('version', '')}".strip()
    except (AttributeError, KeyError, TypeError):
        return None
    return str(tagged(text))

"""Programs in processes of their own, and what the kernel says that they took.

Every process runs with compiled bytecode, as after an installation: whoever measures starts it once before.
"""

import os
import sys
import time
from typing import NamedTuple

TALLYSTICK = ["-c", "import sys; from tallystick.cli.main import main; sys.argv[0] = 'tallystick'; sys.exit(main())"]
"""Arguments of Python for the command line."""


class Taken(NamedTuple):
    """Seconds from the start of a process to its end."""

    cpu: float
    """User and system time."""
    wall: float


def compiled(folder):
    """The environment of processes that keep their bytecode in a folder, and know of no ledger but that of theirs."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "TALLYSTICK_LEDGER", "TALLYSTICK_KEYS", "TALLYSTICK_AS", "TALLYSTICK_FORMAT")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}


def taken(arguments, environment):
    """What Python took with these arguments; the end of the benchmark if it failed."""
    quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    began = time.perf_counter()
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - began
    if status:
        sys.exit(f"bench: {arguments} failed")
    return Taken(usage.ru_utime + usage.ru_stime, wall)

"""The command line that every trial has: ``--seed`` and its numbers, one line of figures, exit code 0 or 1.

With ``--record`` the line is kept for docs/figures.md.
"""

import argparse
import os
import sys
import tempfile
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import _figures


def run(trial, *, doc, **numbers):
    """Run ``trial(folder, seed=..., **numbers)`` as the arguments say; the exit code.

    Args:
        doc: the program's own docstring, which begins with ``Trial:``.
        numbers: name to (default, what it is), for each number beside the seed.
    """
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(prog=name, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="replays the same choices (default 1)")
    for option, (default, meaning) in numbers.items():
        parser.add_argument(f"--{option}", type=int, default=default, help=f"{meaning} (default {default})")
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/figures.md")
    options = vars(parser.parse_args())
    keep = options.pop("record")
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        try:
            line = trial(Path(folder), **options)
            print(line)
            if keep:
                _figures.record(sys.argv[0], [line], folder=folder)
        except Exception as error:
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            replay = " ".join(f"--{option} {value}" for option, value in options.items())
            print(f"{name}: FAILED: {error}; replay with {replay}")
            return 1
    return 0


def memory(folder):
    """A folder in memory, where there is one, for what need not be durable: whoever asks removes it.

    A sync costs nothing there, which makes ten thousand recoveries a matter of seconds.
    """
    fast = Path("/dev/shm")  # noqa: S108 - a name of the system
    usable = fast.is_dir() and os.access(fast, os.W_OK)
    return tempfile.TemporaryDirectory(prefix="trial-", dir=fast if usable else folder)

"""The command line that every trial has: ``--seed`` and its numbers, one line of figures, exit code 0 or 1.

A trial of several databases has one line for each. With ``--record`` what was printed is kept for docs/figures.md.
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
        numbers: name to (default, what it is), for each number beside the seed; or to (choices, what it is), of which
            the first is the default.
    """
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(prog=name, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="replays the same choices (default 1)")
    for option, (default, meaning) in numbers.items():
        words = {"type": int, "default": default}
        if isinstance(default, tuple):
            words = {"choices": default, "default": default[0]}
        parser.add_argument(_flag(option), **words, help=f"{meaning} (default {words['default']})")
    parser.add_argument("--record", action="store_true", help="keep the figures for docs/figures.md")
    options = vars(parser.parse_args())
    keep = options.pop("record")
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        try:
            said = trial(Path(folder), **options)
            lines = [said] if isinstance(said, str) else said
            print(*lines, sep="\n")
            if keep:
                _figures.record(sys.argv[0], lines, folder=folder)
        except Exception as error:
            if not isinstance(error, AssertionError):
                traceback.print_exc()
            replay = " ".join(f"{_flag(option)} {value}" for option, value in options.items())
            print(f"{name}: FAILED: {error}; replay with {replay}")
            return 1
    return 0


def _flag(option):
    return f"--{option.replace('_', '-')}"


def memory(folder):
    """A folder in memory, where there is one, for what need not be durable: whoever asks removes it.

    A sync costs nothing there, which makes ten thousand recoveries a matter of seconds.
    """
    fast = Path("/dev/shm")  # noqa: S108 - a name of the system
    usable = fast.is_dir() and os.access(fast, os.W_OK)
    return tempfile.TemporaryDirectory(prefix="trial-", dir=fast if usable else folder)

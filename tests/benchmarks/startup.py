"""How long a command takes before it does anything: CPU seconds beside those of an empty Python.

Every process runs with compiled bytecode, as after an installation. CPU time is the user and system time of the
process as the kernel counts it, the median of ten runs.
"""

import os
import statistics
import sys
import tempfile

RUNS = 10
TALLYSTICK = ["-c", "import sys; from tallystick.cli.main import main; sys.argv[0] = 'tallystick'; sys.exit(main())"]
CASES = {"startup-help": (["--help"], 0.1)}
"""By name: the arguments, and the CPU seconds aimed at."""


def main():
    with tempfile.TemporaryDirectory() as bytecode:
        environment = _environment(bytecode)
        for name, (arguments, aim) in CASES.items():
            ours, other = (_median(command, environment) for command in ([*TALLYSTICK, *arguments], ["-c", "pass"]))
            verdict = "met" if ours < aim else "short"
            print(f"bench {name} ours={ours:.3f}s other={other:.3f}s ratio={ours / other:.1f} aim=<{aim}s {verdict}")


def _environment(bytecode):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": bytecode}


def _median(command, environment):
    _cpu_seconds(command, environment)  # compiles
    return statistics.median(_cpu_seconds(command, environment) for _ in range(RUNS))


def _cpu_seconds(command, environment):
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, [sys.executable, *command], environment, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    if status:
        sys.exit(f"bench startup: {command} failed")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()

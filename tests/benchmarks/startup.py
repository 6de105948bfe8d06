"""How long a command takes before it does anything: CPU seconds beside those of an empty Python.

Every process runs with compiled bytecode, as after an installation. CPU time is the user and system time of the
process as the kernel counts it, the median of ten runs. What is verified is the golden set; what is recorded goes into
a new ledger. A pack that carries a report costs more than one without: the PDF's signature is checked by pyHanko.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

RUNS = 10
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "v1"
KEY = ["--key", str(GOLDEN / "ledger.vkey")]
TALLYSTICK = ["-c", "import sys; from tallystick.cli.main import main; sys.argv[0] = 'tallystick'; sys.exit(main())"]
CASES = {
    "startup-help": (["--help"], 0.1),
    "startup-verify": (["verify", str(GOLDEN / "audit.pdf.tlog-proof"), *KEY], 0.15),
    "startup-verify-pack": (["verify", str(GOLDEN / "evidence.zip"), *KEY], 0.15),
    "startup-record": (["record", "params", "params.json", "--as", "officer"], 0.6),
}
"""By name: the arguments, and the CPU seconds aimed at."""


def main():
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(folder)
        _prepare(folder, environment)
        for name, (arguments, aim) in CASES.items():
            ours, other = (_median(command, environment) for command in ([*TALLYSTICK, *arguments], ["-c", "pass"]))
            verdict = "met" if ours < aim else "short"
            print(f"bench {name} ours={ours:.3f}s other={other:.3f}s ratio={ours / other:.1f} aim=<{aim}s {verdict}")


def _prepare(folder, environment):
    os.chdir(folder)
    Path("params.json").write_text('{"C": 1.0}')
    for line in ("init --name bench.example/startup", "key new officer --role risk-officer"):
        _cpu_seconds([*TALLYSTICK, *line.split()], environment)


def _environment(folder):
    dropped = ("PYTHONDONTWRITEBYTECODE", "TALLYSTICK_LEDGER", "TALLYSTICK_KEYS", "TALLYSTICK_AS", "TALLYSTICK_FORMAT")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}


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

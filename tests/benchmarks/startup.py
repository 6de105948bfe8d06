"""How long a command takes before it does anything: CPU seconds beside those of an empty Python.

Every process runs with compiled bytecode, as after an installation. CPU time is the user and system time of the
process as the kernel counts it. What is verified is the golden set; what is recorded goes into a new ledger. A pack
that carries a report costs more than one without: the PDF's signature is checked by pyHanko.
"""

import os

import _harness as harness
from _process import TALLYSTICK, compiled, taken

GOLDEN = harness.ROOT / "tests" / "golden" / "v1"
KEY = ["--key", str(GOLDEN / "ledger.vkey")]
CASES = {
    "startup-help": (["--help"], "<0.1s"),
    "startup-verify": (["verify", str(GOLDEN / "audit.pdf.tlog-proof"), *KEY], "<0.15s"),
    "startup-verify-pack": (["verify", str(GOLDEN / "evidence.zip"), *KEY], "<0.15s"),
    "startup-record": (["record", "params", "params.json", "--as", "officer"], "<0.6s"),
}
"""By name: the arguments, and the CPU seconds aimed at."""


def measure(run):
    environment = compiled(run.folder)
    _prepare(run.folder, environment)
    for name, (arguments, aim) in CASES.items():
        commands = [*TALLYSTICK, *arguments], ["-c", "pass"]
        for command in commands:
            taken(command, environment)  # compiles
        ours, other = run.interleaved(*(lambda it=command: taken(it, environment).cpu for command in commands))
        yield harness.compare(name, ours, other, unit="s", what="python -c pass", aim=aim)


def _prepare(folder, environment):
    os.chdir(folder)
    (folder / "params.json").write_text('{"C": 1.0}')
    for line in ("init --name bench.example/startup", "key new officer --role risk-officer"):
        taken([*TALLYSTICK, *line.split()], environment)


if __name__ == "__main__":
    harness.main(measure, rounds=(10, 1))

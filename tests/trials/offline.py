"""Trial: verify as an auditor might have to: no network, nobody's rights, a folder that cannot be written to.

Every case of the conformance suite that asks for no more than `core` is given to each verifier in a namespace without
any network, as the user nobody, with no home, in a folder that is read-only; system calls that reach for a network
are counted.

What it shows: each verifier says what it says elsewhere, and asks for no connection.

What it does not show: anything about the report command, which draws and seals; it is not asked here.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _program as program
import _verifiers as verifiers

suite = verifiers.suite

NOBODY = 65534


def programs(place):
    """The verifiers, where nobody can read them."""
    alone = place / "verify.py"
    shutil.copy(verifiers.STANDALONE, alone)
    alone.chmod(0o444)
    return {"tallystick": [sys.executable, "-m", "tallystick", "verify"], "verify.py": [sys.executable, str(alone)]}


def confined(command, folder, trace):
    """In a namespace of its own, as nobody, with nothing in the environment; calls for a network go to ``trace``."""
    words = ["unshare", "--net", "--", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    if shutil.which("strace"):
        words = ["strace", "-f", "-qq", "-e", "trace=socket,connect,sendto", "-o", str(trace), *words]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    return subprocess.run(
        [*words, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def readable(folder):
    """Everything in it for anybody to read and for nobody to write."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)


def trial(folder, *, seed, cases):
    """One line of figures; AssertionError if anything does not hold."""
    assert os.getuid() == 0, "only root can become nobody"
    began = time.perf_counter()
    every = list(suite.chosen([]))
    chosen = random.Random(seed).sample(every, cases) if 0 < cases < len(every) else every
    trace = folder / "trace"
    with tempfile.TemporaryDirectory(prefix="offline-", dir="/var/tmp") as made:
        place = Path(made)
        shutil.copytree(suite.HERE / "cases", place / "cases")
        shutil.copy(suite.VKEY, place / "ledger.vkey")
        commands = programs(place)
        readable(place)
        for name, case in chosen:
            for who, command in commands.items():
                words = [
                    str(place / "ledger.vkey") if word == str(suite.VKEY) else word for word in suite.arguments(case)
                ]
                done = confined([*command, *words], place / "cases" / name, trace)
                assert done.returncode == case["expect"]["exit"], (
                    f"{name}: {who}: {done.returncode}: {done.stderr[-300:]}"
                )
                if len(case["expect"]) > 1:
                    said = json.loads(done.stdout)
                    wanted = {key: value for key, value in case["expect"].items() if key != "exit"}
                    assert {key: said[key] for key in wanted} == wanted, f"{name}: {who}: {wanted}"
                calls = trace.read_text() if trace.exists() else ""
                assert "AF_INET" not in calls, f"{name}: {who} reached for a network: {calls[:200]}"
        place.chmod(0o755)
        for path in place.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
    counted = "calls for a network counted: 0" if shutil.which("strace") else "no strace: calls not counted"
    return (
        f"offline: seed {seed}, {len(chosen)} cases, each given to {len(commands)} verifiers as nobody, read-only and"
        f" without a network: all as expected; {counted}, {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    numbers = {"cases": (0, "cases of the suite, drawn by the seed; 0 for all")}
    sys.exit(program.run(trial, doc=__doc__, **numbers))

"""Hold a verifier against the suite: ``python tests/conformance/run.py [--can CAPABILITY]... PROGRAM [ARGUMENT]...``.

The program is asked every case that needs ``core`` or a capability that it is said to have, by the command line that
README.md describes. Prints what it gets wrong, and ends with 1 if that is anything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CASES = HERE / "cases"
VKEY = HERE / "ledger.vkey"

Ask = Callable[[list[str], Path], "tuple[int, str]"]
"""From the arguments and the folder of a case to the exit code and what was printed."""


def chosen(capabilities: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and description of each case that asks for no more than these."""
    for folder in sorted(CASES.iterdir()):
        case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        if case["needs"] == "core" or case["needs"] in capabilities:
            yield folder.name, case


def arguments(case: dict[str, Any]) -> list[str]:
    """What the program is called with."""
    asked = list(case["arguments"])
    keyless = "--no-key" in asked
    asked = [word for word in asked if word != "--no-key"]
    key = [] if keyless or "--key" in asked else ["--key", str(VKEY)]
    return [case["file"], *key, *asked, "--format", "json"]


def wrong(name: str, case: dict[str, Any], ask: Ask) -> str | None:
    """What the program gets wrong about a case; None if nothing."""
    code, printed = ask(arguments(case), CASES / name)
    wanted = case["expect"]
    if code != wanted["exit"]:
        return f"exit {code}, not {wanted['exit']}: {printed[:300]}"
    if len(wanted) == 1:
        return None
    try:
        said = json.loads(printed)
    except ValueError:
        return f"no JSON: {printed[:300]}"
    found = {field: said.get(field) for field in wanted if field != "exit"}
    return None if all(found[field] == wanted[field] for field in found) else f"{found}, not {wanted}"


def program(command: Sequence[str]) -> Ask:
    """A verifier that is a program of its own; paths among its words are those of where we are."""
    command = [str(Path(word).absolute()) if "/" in word and Path(word).exists() else word for word in command]

    def ask(words: list[str], folder: Path) -> tuple[int, str]:
        done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout or done.stderr

    return ask


def main(words: list[str]) -> int:
    capabilities = []
    while words[:1] == ["--can"]:
        capabilities.append(words[1])
        words = words[2:]
    if not words:
        print(__doc__)
        return 2
    asked, failed = 0, 0
    for name, case in chosen(capabilities):
        asked += 1
        problem = wrong(name, case, program(words))
        if problem is not None:
            failed += 1
            print(f"{name}: {problem}\n    {case['says']}")
    print(f"{asked} cases asked, {failed} answered wrongly")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

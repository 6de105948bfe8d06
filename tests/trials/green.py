"""Trial: every way that is known in which a gate elsewhere is green without having checked, tried on this one.

Each is tried by the command line itself, in a folder with a ledger and people, where the results of an earlier run say
``pass``. Then it is tried again with the guard that stands in its way taken away, in a process of its own: were it
still red, the guard would have shown nothing.

What it shows: each is red by its exit code, by what the ledger has, and for the reason that it should be; nothing that
says ``pass`` is left; and without its guard each would have been green, or taken for it.

What it does not show: that there is no other way.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import _outside as outside
import _program as program
from _distribution import installed
from _green import HEAD, PROJECT, ROGUE, WAYS, Seen

SOURCE = Path(__file__).resolve().parents[2] / "src"
STALE = '{"verdict": "pass"}'
USECASE = "name: credit\nowner_group: retail\nintended_use: propose\nprohibited_use: other\n"
HOUSE = (
    "init --name house.example/green",
    "key new officer --role risk-officer",
    "key new engineer --role engineer --by officer",
    "usecase usecase.yaml --as officer",
    "record model model.bin --name credit --usecase credit --as engineer",
)


def environ(folder):
    """Of a command in the folder, with the odd distribution on its path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TALLYSTICK_", "GITHUB_", "PG"))}
    path = os.pathsep.join([str(folder / "site"), str(SOURCE)])
    return clean | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def started(folder, *words):
    """Exit code, and all that it said."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environ(folder), capture_output=True, text=True, timeout=120
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def house(folder):
    """A folder with a ledger, people and a model, to be copied."""
    folder.mkdir()
    installed(folder, PROJECT, {"rogue.py": ROGUE.read_text(encoding="utf-8")})
    (folder / "usecase.yaml").write_text(USECASE)
    (folder / "model.bin").write_bytes(b"model")
    for line in HOUSE:
        code, said = started(folder, "-m", "tallystick", *line.split())
        assert code == 0, f"{line}: {said}"
    return folder


def prepared(way, home, folder):
    """A copy of the house with what the way needs."""
    shutil.copytree(home, folder)
    (folder / "policy.yaml").write_text(HEAD + way.gates)
    for name, text in way.files.items():
        (folder / name).write_text(text)
    if callable(way.data):
        way.data(folder)
    else:
        (folder / "data.csv").write_text(way.data)
    return folder


# --- one way ----------------------------------------------------------------------------------------------------------


def tried(way, folder):
    """What comes of it by the command line, or in a process of its own where something of ours is broken for it."""
    if way.fault is not None or any(map(callable, way.steps)):
        return seen(folder, *in_process(way, folder, "guarded"))
    for number, step in enumerate(way.steps, 1):
        if way.between is not None and number == len(way.steps):
            way.between(folder)
        left_over(folder, step)
        code, said = started(folder, "-m", "tallystick", *step.removeprefix("-").split())
        if code and not step.startswith("-"):
            break
    return seen(folder, code, said)


def left_over(folder, step):
    """The results of an earlier run, where the command is about to write its own."""
    if isinstance(step, str) and "results.json" in step:
        (folder / "results.json").write_text(STALE)


def in_process(way, folder, how):
    return started(folder, __file__, "--child", str(WAYS.index(way)), how)


def exit_code(words):
    """What the front door ends with."""
    from tallystick.cli import main, supervised

    if words[0] != "gate":
        return main.run(words)
    return supervised.supervised(lambda: main.run(words))


def child(way, folder, how):
    """The steps of a way in this process, with its guard or without."""
    if way.fault is not None:
        way.fault()
    if how == "bare":
        way.without()
    for number, step in enumerate(way.steps, 1):
        if way.between is not None and number == len(way.steps):
            way.between(folder)
        left_over(folder, step)
        code = step() if callable(step) else exit_code(step.removeprefix("-").split())
        if code and not (isinstance(step, str) and step.startswith("-")):
            break
    return code


def seen(folder, code, said):
    """What stands in the folder now, read by what shares nothing with whoever wrote it."""
    entries = outside.check(folder / ".tallystick" / "ledger.db")
    verdicts = tuple(entry["body"]["verdict"] for entry in entries if entry["kind"] == "evaluation")
    results = folder / "results.json"
    written = json.loads(results.read_text())["verdict"] if results.exists() else None
    return Seen(code, said, verdicts, any(entry["kind"] == "promotion" for entry in entries), written)


def held(way, found):
    """Raise unless the way is red, and for the reason that it should be."""
    assert (found.code, found.verdicts[-1:]) == (way.code, (way.verdict,) if way.verdict else ()), f"red is {found}"
    assert way.says in found.said, f"it is red for another reason: {found}"
    assert found.written == way.verdict, f"the file of results says otherwise: {found}"
    assert not found.promoted, f"it is promoted: {found}"


def of(way, home, folder):
    """One way, with its guard and without."""
    at = folder / str(WAYS.index(way))
    try:
        with_guard = tried(way, prepared(way, home, at.with_suffix(".red")))
        held(way, with_guard)
        bare = prepared(way, home, at.with_suffix(".bare"))
        without = seen(bare, *in_process(way, bare, "bare"))
        assert way.then(without), f"without its guard it is not green, so the guard shows nothing: {without}"
    except AssertionError as error:
        raise AssertionError(f"{way.name}: {error}") from error
    finally:
        for copy in folder.glob(f"{at.name}.*"):
            shutil.rmtree(copy)
    return with_guard


def trial(folder, *, seed, ways, jobs):
    began, home = time.monotonic(), house(folder / "house")
    chosen = random.Random(seed).sample(WAYS, len(WAYS))[: ways or None]
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(lambda way: of(way, home, folder), chosen))
    refused = sum(not one.verdicts for one in found)
    return (
        f"green: {len(chosen)} ways, {len(found)} red, {refused} of them recorded nothing; without its guard each of"
        f" the {len(chosen)} would have been green; seed {seed}, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(WAYS[int(sys.argv[2])], Path.cwd(), sys.argv[3]))
    numbers = {"ways": (0, "how many of them, by the seed; 0 for all"), "jobs": (2, "how many at once")}
    sys.exit(program.run(trial, doc=__doc__, **numbers))

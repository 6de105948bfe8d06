"""Trial: coverage-guided fuzzing of everything that reads a stranger's bytes.

Packs, notes, proofs, consistency proofs, envelopes, entries, canonical JSON and the wrapper of signed PDFs, each in a
process of its own with atheris (libFuzzer), beginning with the files of the conformance suite; and `verify.py` whole.

What it shows: in that many runs no input raised anything but the errors of the one tree, took more than a few seconds,
or more than a gigabyte; nothing that was made up verified.

What it does not show: that there is no such input. The seed and the number of runs are printed; more time finds more.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import _program as program
import _verifiers as verifiers

SECONDS, MIB = 5, 1024
"""Of one input, and of a process with the fuzzer in it."""
TARGETS = ("pack", "note", "proof", "consistency", "envelope", "entry", "json", "pdf", "alone")
_SUITE = verifiers.CONFORMANCE / "cases"
_CORPUS = {
    "pack": "pack.zip", "note": "checkpoint", "proof": "entry.tlog-proof", "consistency": "proof", "pdf": "audit.pdf",
    "alone": "*",
}  # fmt: skip


# --- in the child: one target, fuzzed ---------------------------------------------------------------------------------


def target(name, folder):
    """The function that is fuzzed. It raises whatever is not an error of the one tree."""
    from _world import VKEY

    from tallystick.canonical import decode
    from tallystick.errors import TallystickError
    from tallystick.proof.consistency import Consistency
    from tallystick.proof.envelope import open_envelope
    from tallystick.proof.note import open_checkpoint
    from tallystick.proof.pack import open_pack
    from tallystick.proof.pdf import inspect
    from tallystick.proof.receipt import Proof, Receipt
    from tallystick.records import Entry

    known = {path.read_bytes() for path in _SUITE.glob("*/*") if path.name != "case.json"}
    path = folder / "input"

    def alone(data):
        path.write_bytes(data)
        said = verifiers.alone(path, "--key", str(VKEY))
        assert said.exit in (1, 2, 3) or data in known, "verify.py accepts what was made up"

    functions = {
        "pack": lambda data: open_pack(data, VKEY),
        "note": lambda data: open_checkpoint(data, VKEY),
        "proof": lambda data: (Proof.parse(data), Receipt.parse(data).verify(VKEY)),
        "consistency": lambda data: Consistency.parse(data).open(VKEY),
        "envelope": lambda data: open_envelope(decode(data), [VKEY.public]),
        "entry": Entry.parse,
        "json": lambda data: decode(data, canonical=True),
        "pdf": inspect,
        "alone": alone,
    }
    signed = name not in ("entry", "json", "alone", "pdf")

    def once(data):
        try:
            functions[name](data)
        except TallystickError:
            return
        if signed and data not in known and not _proves_the_same(name, data):
            raise AssertionError("something that was made up verifies")

    return once


def _proves_the_same(name, data):
    """A note or a proof may carry lines that its specification has a verifier pass over: further signatures."""
    return name in ("note", "proof", "consistency") and b"\xe2\x80\x94" in data


def child(name, seconds, seed, folder):
    import atheris

    with atheris.instrument_imports(include=["tallystick", "verify_alone"]):
        once = target(name, folder)
    corpus = folder / "corpus"
    corpus.mkdir()
    pattern = _CORPUS.get(name)
    if pattern is not None:
        for at, path in enumerate(sorted(_SUITE.glob(f"*/{pattern}"))):
            if path.name != "case.json":
                (corpus / str(at)).write_bytes(path.read_bytes())
    if name == "entry" or name == "json":
        from _cases import TOLD

        for at, raw in enumerate(TOLD.raws):
            (corpus / str(at)).write_bytes(raw)
    words = [f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={SECONDS}", f"-rss_limit_mb={MIB}"]
    atheris.Setup([name, *words, "-max_len=300000", f"-artifact_prefix={folder}/", str(corpus)], once)
    atheris.Fuzz()


# --- in the parent ----------------------------------------------------------------------------------------------------


def fuzzed(name, seconds, seed, folder):
    """How many runs one target had."""
    place = folder / name
    place.mkdir()
    command = [sys.executable, __file__, "--child", name, str(seconds), str(seed), str(place)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 300, check=False,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )  # fmt: skip
    found = sorted(path for path in place.iterdir() if re.match(r"(crash|timeout|oom|slow)-", path.name))
    inputs = [path.read_bytes()[:200] for path in found]
    assert (done.returncode, inputs) == (0, []), f"{name}: {inputs}: {done.stderr[-1500:]}"
    runs = re.findall(r"^Done (\d+) ", done.stderr, re.M)
    assert runs, f"{name}: {done.stderr[-600:]}"
    return int(runs[-1])


def trial(folder, *, seed, seconds):
    """One line of figures; AssertionError if anything does not hold."""
    try:
        import atheris  # noqa: F401 - only whether it is there
    except ImportError:
        raise AssertionError("atheris is not here: it comes for Linux and Python 3.11 to 3.13") from None
    began = time.perf_counter()
    runs = {name: fuzzed(name, seconds, seed, folder) for name in TARGETS}
    said = ", ".join(f"{name} {count:,}" for name, count in runs.items())
    return (
        f"fuzz: seed {seed}, {sum(runs.values()):,} runs ({said}), {seconds} s each: 0 uncaught, 0 accepted,"
        f" none over {SECONDS} s, {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
        sys.exit(0)
    sys.exit(program.run(trial, doc=__doc__, seconds=(60, "seconds for each kind of input")))

"""Trial: every bit of an evidence pack is flipped, one at a time, and each verifier is asked.

The pack holds a model's way to its promotion, attachments, disclosed values, a consistency proof, a report and its
receipt. `tallystick verify` is asked about each flip; `verify.py`, which starts openssl for every signature, and in a
browser `verify.html` about some of them.

What it shows: none of them accepts a pack of which any bit was changed, and none crashes over one.

What it does not show: that a pack whose maker has the ledger's key says the truth; the conformance suite has packs that
the ledger's own key signed and that are wrong all the same.
"""

import random
import sys
import time
from pathlib import Path

import _program as program
import _verifiers as verifiers
from _spread import JOBS, spread

from tallystick.canonical import b64

TOLD = verifiers.cases.TOLD
VKEY = verifiers.world.VKEY
Draftpack = verifiers.world.Draftpack

HANG = 10
"""Seconds."""


def made():
    """The pack."""
    pdf, evidence, certificate = verifiers.pdf.good()
    world = TOLD.report(pdf, evidence=evidence, certificate=certificate)
    draft = Draftpack.of(world).insert("report/audit.pdf", pdf, before="readme")
    draft.insert("report/receipt.tlog-proof", world.receipt(world.size - 1), before="readme")
    lines = "".join(f"{b64(item)}\n" for item in world.growth(5)).encode()
    return draft.insert("consistency/5", lines, before="keys/").bytes()


class Flips:
    """The pack, and a place for each process to lay out a changed one."""

    def __init__(self, folder, data):
        self._folder, self._data = folder, data

    def check(self, case):
        offset, bit, all_of_them = case
        verifiers_asked = (("tallystick", verifiers.tallystick), ("verify.py", verifiers.alone))[: 1 + all_of_them]
        changed = bytearray(self._data)
        changed[offset] ^= 1 << bit
        path = self._folder / f"{offset}-{bit}.zip"
        path.write_bytes(changed)
        try:
            for name, ask in verifiers_asked:
                said = ask(path, "--key", str(VKEY))
                assert said.exit in (1, 3), f"{name}, byte {offset}, bit {bit}: exit {said.exit}: {said.text[:200]}"
                assert said.integrity != "ok", f"{name}, byte {offset}, bit {bit}: accepted"
        finally:
            path.unlink()
        return "refused"


def trial(folder, *, seed, cases, alone, browser, jobs):
    """One line of figures; AssertionError if anything does not hold."""
    began, chance = time.perf_counter(), random.Random(seed)
    data = made()
    with program.memory(folder) as memory:
        whole = Path(memory) / "whole.zip"
        whole.write_bytes(data)
        for ask in (verifiers.tallystick, verifiers.alone):
            assert ask(whole, "--key", str(VKEY)).verdict == (0, "ok", "proven", 13)
        every = [(offset, bit) for offset in range(len(data)) for bit in range(8)]
        flips = chance.sample(every, cases) if 0 < cases < len(every) else every
        both = set(chance.sample(flips, min(alone, len(flips))))
        chosen = [(*flip, flip in both) for flip in flips]
        spread(Flips(Path(memory), data).check, chosen, jobs=jobs, seconds=HANG)
    seen = in_browser(data, chance.sample(every, browser)) if browser else "none in a browser"
    return (
        f"pack-tamper: seed {seed}, {len(chosen)} of {len(every)} bits flipped, {len(both)} of them asked of verify.py,"
        f" {seen}: 0 accepted, 0 crashes, {time.perf_counter() - began:.0f} s"
    )


def in_browser(data, chosen):
    """The same of ``verify.html``; how many flips it was asked about."""
    import browser

    with browser.open_page() as page:
        assert browser.ask(page, data, key=str(VKEY))["exit"] == 0
        for offset, bit in chosen:
            changed = bytearray(data)
            changed[offset] ^= 1 << bit
            said = browser.ask(page, bytes(changed), key=str(VKEY))
            assert said["exit"] in (1, 3), f"verify.html, byte {offset}, bit {bit}: exit {said['exit']}"
            assert said["integrity"] != "ok", f"verify.html, byte {offset}, bit {bit}: accepted"
    return f"{len(chosen)} of verify.html"


if __name__ == "__main__":
    numbers = {
        "cases": (0, "flips, drawn by the seed; 0 for all"),
        "alone": (10_000, "flips that verify.py is asked about too"),
        "browser": (2000, "flips that verify.html is asked about too; 0 for none"),
        "jobs": (JOBS, "processes to verify with"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

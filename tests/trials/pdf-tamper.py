"""Trial: a report is altered in every byte, and in every way that signed PDFs are known to be altered.

A report with its receipt as an earlier version issued them: each byte of the report changed in turn; then appended
bytes, an overlay, a second and a stripped signature, padding, exchanged evidence and the others of the conformance
suite, once with the receipt of the true report, once recorded by the ledger as they are; and files that are sealed and
recorded rightly, and act, hold a second evidence or keep a reader busy.

What it shows: none is accepted, with its receipt or without; none crashes.

What it does not show: how an altered file looks in a viewer, and that viewers would tell.
"""

import random
import sys
import time
from pathlib import Path

import _program as program
import _verifiers as verifiers
from _spread import JOBS, spread

from tallystick.proof.note import VerifierKey
from tallystick.proof.verify import verify_report

suite = verifiers.suite
SMALL = verifiers.cases.SMALL
SUITE_KEY = verifiers.world.VKEY

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "v1"
HANG = 20
"""Seconds."""


class Report:
    """A report, its receipt and the key that they are verified with."""

    def __init__(self, folder):
        self._folder = folder
        self.pdf = (GOLDEN / "audit.pdf").read_bytes()
        self.receipt = (GOLDEN / "audit.pdf.tlog-proof").read_bytes()
        self.key = VerifierKey.parse((GOLDEN / "ledger.vkey").read_text().strip())
        assert verify_report(self.pdf, self.receipt, self.key).exit_code == 0

    def check(self, case):
        offset, bit, deeply = case
        changed = bytearray(self.pdf)
        changed[offset] ^= 1 << bit
        assert verify_report(bytes(changed), self.receipt, self.key).exit_code == 1, "accepted with its receipt"
        if deeply:
            assert verify_report(bytes(changed), None, self.key).exit_code in (1, 3), "accepted without its receipt"
            assert self._alone(bytes(changed)) == 1, "accepted by verify.py"
        return "refused"

    def _alone(self, pdf):
        place = self._folder / f"{random.getrandbits(64):x}.pdf"
        place.write_bytes(pdf)
        beside = place.with_name(place.name + ".tlog-proof")
        beside.write_bytes(self.receipt)
        try:
            return verifiers.alone(place, "--key", str(self.key)).exit
        finally:
            place.unlink()
            beside.unlink()


def attacks():
    """How many named alterations there are; each is refused, also where the ledger recorded the altered file."""
    pdf, evidence, certificate = verifiers.pdf.good()
    receipt = SMALL.report(pdf, evidence=evidence, certificate=certificate).receipt(5)
    assert verify_report(pdf, receipt, SUITE_KEY).exit_code == 0
    count = 0
    for name, flaw, file in verifiers.pdf.flawed():
        own = SMALL.report(file, evidence=evidence, certificate=certificate).receipt(5)
        assert verify_report(file, receipt, SUITE_KEY).exit_code == 1, (
            f"{name} with the receipt of the true one: {flaw}"
        )
        assert verify_report(file, own, SUITE_KEY).exit_code == 1, f"{name} with a receipt of its own: {flaw}"
        assert verify_report(file, None, SUITE_KEY).exit_code in (1, 3), f"{name} without a receipt: {flaw}"
        count += 1
    for name, flaw, file in verifiers.pdf.acting():
        own = SMALL.report(file, evidence=evidence, certificate=certificate).receipt(5)
        assert verify_report(file, own, SUITE_KEY).exit_code == 1, f"{name} with a receipt of its own: {flaw}"
        assert verify_report(file, None, SUITE_KEY).exit_code == 1, f"{name} without a receipt: {flaw}"
        count += 1
    return count + sum(1 for name, case in suite.chosen([]) if name.startswith("report_") and name.endswith("_fail"))


def trial(folder, *, seed, bits, deep, jobs):
    """One line of figures; AssertionError if anything does not hold."""
    began, chance = time.perf_counter(), random.Random(seed)
    with program.memory(folder) as memory:
        report = Report(Path(memory))
        looked = set(chance.sample(range(len(report.pdf)), min(deep, len(report.pdf))))
        flips = [
            (offset, bit, offset in looked)
            for offset in range(len(report.pdf))
            for bit in chance.sample(range(8), bits)
        ]
        spread(report.check, flips, jobs=jobs, seconds=HANG)
    return (
        f"pdf-tamper: seed {seed}, {len(flips)} changes of {len(report.pdf)} bytes, {len(looked)} of them also without"
        f" receipt and by verify.py; {attacks()} named alterations: 0 accepted, 0 crashes,"
        f" {time.perf_counter() - began:.0f} s"
    )


if __name__ == "__main__":
    numbers = {
        "bits": (1, "bits of each byte, drawn by the seed; 8 for all"),
        "deep": (10_000, "bytes of which every verifier is asked, also without the receipt"),
        "jobs": (JOBS, "processes to verify with"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

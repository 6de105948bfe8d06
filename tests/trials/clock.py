"""Trial: the ledger's clock is set back a year, on by fifty, to 1970, past the end of 32 bits, into a leap second.

Each odd time comes between two writings and within one; as gates are run, packs made and pages drawn; and as a model
is promoted. With the program faketime the real command line goes through such times.

What it shows: the order of entries has nothing to do with the clock, and times are recorded as they are; fsck notes
each step back and calls none a problem; receipts, consistency proofs and packs made at any time verify. An approval
that expired stays so whatever the clock says later, if any entry since has seen it expire; what was promoted before
stays promoted; one that is given after a clock ran ahead counts. A time that is not in the ledger's form is refused.

What it does not show: that recorded times are true. A clock that is set back before anything was recorded at the later
time is believed; and a policy applies from its own time on by the clock of the moment: one that is set back lets an
earlier policy apply, or none. The figures say how often.
"""

import contextlib
import itertools
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import _outside as outside
import _program as program
import _trial_ledger as trial_ledger

from tallystick.canonical import time_text
from tallystick.errors import InvalidInput, NotFound, Refused
from tallystick.ledger.fsck import fsck
from tallystick.proof.merkle import verify_consistency
from tallystick.proof.note import open_checkpoint
from tallystick.workflow import decide, evaluate, issue, record, setup
from tallystick.workflow.desk import Desk
from tallystick.workflow.health import examine
from tallystick.workflow.verify import verify

NOW = "2026-06-01T12:00:00.000000Z"
CLOCKS = {
    "a year back": "2025-06-01T12:00:00.000000Z",
    "a microsecond back": "2026-06-01T11:59:59.999999Z",
    "fifty years on": "2076-06-01T12:00:00.000000Z",
    "zero": "1970-01-01T00:00:00.000000Z",
    "past 32 bits": "2038-01-19T03:14:08.000000Z",
    "a leap second": "2016-12-31T23:59:60.000000Z",
    "a leap day": "2028-02-29T23:59:59.999999Z",
    "the last of all": "9999-12-31T23:59:59.999999Z",
}
NO_TIMES = ("2026-06-01T12:00:00Z", "2026-06-01 12:00:00.000000Z", "2026-06-01T12:00:00.000000+00:00", "", "never")


def later(days):
    return time_text(datetime.fromisoformat(NOW) + timedelta(days=days))


# --------------------------------------------------------------------------- entries


def appended(folder, name, *, within, chance):
    """Entries at an odd time among others: between writings, or within one. How often the clock stepped back."""
    path = folder / f"{name}-{within}.db"
    times = [NOW, CLOCKS[name], NOW, later(1), CLOCKS[name], later(2)]
    chance.shuffle(times)
    titles = [f"number {number}" for number in range(len(times))]
    with trial_ledger.create(path) as ledger:
        for group in [range(len(times))] if within else [[number] for number in range(len(times))]:
            clock = iter([times[number] for number in group])
            with ledger.writing(now=lambda clock=clock: next(clock)) as writer:
                for number in group:
                    writer.append(trial_ledger.document(titles[number]))
        _proven(ledger)
    entries = outside.check(path)
    assert [entry["body"]["title"] for entry in entries[1:]] == titles, "the order is that of appending"
    assert [entry["recorded_at"] for entry in entries] == [trial_ledger.TIME, *times], "times are recorded as they are"
    steps = sum(later < earlier for earlier, later in itertools.pairwise([trial_ledger.TIME, *times]))
    examined = fsck(path, key=trial_ledger.key())
    assert examined.ok, examined.problems[0]
    assert len([note for note in examined.notes if "stepped back" in note.what]) == steps, "each step back is noted"
    return steps


def _proven(ledger):
    """Every receipt, and the growth from every checkpoint."""
    end = open_checkpoint(ledger.latest_checkpoint(), ledger.key)
    for receipt in ledger.receipts_for(ledger.entries()):
        receipt.verify(ledger.key)
    for note in ledger.checkpoints():
        begin = open_checkpoint(note, ledger.key)
        proof = ledger.consistency_proof(begin.size, end.size)
        verify_consistency(begin.size, end.size, proof, begin.root, end.root)


def refused(folder, text):
    """A clock that says something else than a time records nothing."""
    path = folder / "ledger.db"
    path.unlink(missing_ok=True)
    with trial_ledger.create(path) as ledger:
        with contextlib.suppress(InvalidInput), ledger.writing(now=lambda: text) as writer:
            writer.append(trial_ledger.document("in vain"))
        assert ledger.size == 1, f"nothing is recorded at {text!r}"


# --------------------------------------------------------------------------- people and gates

USECASE = dict.fromkeys(("name", "owner_group", "intended_use", "prohibited_use"), "credit") | {
    "jurisdictions": ["EU"], "risk_tier": {"value": "high"}, "next_review": "2027-06-30",
}  # fmt: skip
POLICY = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: trial, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
inputs:
  columns: {y_true: y_true, y_pred: y_pred, favourable: 1}
gates:
  - id: bench.accuracy
    type: benchmark
    metrics: [{name: accuracy, fail_if: "< 0.60"}]
"""
MODEL = ("credit", None)


class Bank:
    """A ledger in a folder of its own, with an officer, an engineer, a policy in force and a model that passed."""

    def __init__(self, folder):
        self.folder = folder

    @property
    def ledger(self):
        return self.folder / "ledger.db"

    def found(self):
        self.folder.mkdir()
        rows = "".join(f"{n % 2},{n % 2 if n % 5 else 1 - n % 2}\n" for n in range(200))
        (self.folder / "scored.csv").write_text(f"y_true,y_pred\n{rows}")
        (self.folder / "policy.yaml").write_text(POLICY)
        (self.folder / "model.bin").write_bytes(b"a model")
        setup.init(self.ledger, name="trial.example/clock", keys=self.folder / "keys", clock=lambda: NOW).close()
        with self.at(NOW) as desk:
            setup.add_person(desk, "officer", roles=["risk-officer"])
            setup.add_person(desk, "engineer", roles=["engineer"], by="officer")
            engineer = desk.actor("engineer")
            record.usecase(desk, USECASE, actor=desk.actor("officer"))
            evaluate.publish(desk, self.folder / "policy.yaml", by="officer")
            record.dataset(desk, self.folder / "scored.csv", actor=engineer, name="test", declared={"role": "test"})
            record.model(desk, self.folder / "model.bin", actor=engineer, name="credit", usecase="credit")
        self.judged(NOW)
        return self

    def copy(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return Bank(folder)

    def at(self, moment):
        return Desk.open(self.ledger, keys=self.folder / "keys", writing=True, clock=lambda: moment)

    # What is done, and what is said of it: a word for the figures.

    def judged(self, moment):
        with self.at(moment) as desk, contextlib.suppress(NotFound):
            scored, actor = self.folder / "scored.csv", desk.actor("engineer")
            done = evaluate.evaluate(desk, MODEL, scored, actor=actor, dataset="test", explain="none failed")
            assert done.outcome.verdict == "pass", "the clock has nothing to do with the verdict"
            return "judged"
        return "no policy in force"

    def approved(self, moment, *, expires):
        with self.at(moment) as desk:
            decide.approve(desk, MODEL, by="officer", rationale="it passed", expires=expires)

    def seen(self, moment):
        """Something else is recorded."""
        with self.at(moment) as desk:
            desk.append(trial_ledger.document(f"at {moment}"))

    def promoted(self, moment):
        with self.at(moment) as desk:
            try:
                decide.promote(desk, MODEL, by="engineer")
            except Refused as error:
                return next((word for word in ("expired", "no policy") if word in str(error)), str(error))
        return "promoted"

    def handed_out(self, moment):
        """A pack and a page at that time; the pack verifies."""
        pack = self.folder / "evidence.zip"
        with self.at(moment) as desk:
            for everything in (False, True):
                pack.write_bytes(issue.pack(desk, MODEL, everything=everything).data)
                verdict = verify(pack, key=str(desk.ledger.key))
                assert verdict.exit_code == 0, [check for check in verdict.checks if check.outcome == "failed"]
            with contextlib.suppress(NotFound):  # a report says what was recorded by its own time
                assert "credit" in issue.page(issue.draw(desk, MODEL))
                return "page drawn"
        return "nothing there yet to draw"

    def sound(self):
        found = examine(self.ledger)
        assert not found.problems, found.problems[0]
        outside.check(self.ledger)


EXPIRES, BEFORE, AFTER = later(30), later(1), later(31)
LIVES = {
    "in time": ([("approved", NOW), ("promoted", BEFORE)], ["promoted"]),
    "too late": ([("approved", NOW), ("promoted", AFTER)], ["expired"]),
    "too late, set back": ([("approved", NOW), ("seen", AFTER), ("promoted", BEFORE)], ["expired"]),
    "too late, set back far": ([("approved", NOW), ("seen", AFTER), ("promoted", later(-365))], ["no policy"]),
    "one year ran ahead": ([("approved", NOW), ("seen", CLOCKS["fifty years on"]), ("promoted", BEFORE)], ["expired"]),
    "given anew after that": (
        [("approved", NOW), ("seen", CLOCKS["fifty years on"]), ("approved", later(0.5)), ("promoted", BEFORE)],
        ["promoted"],
    ),
    "promoted before it expired": (
        [("approved", NOW), ("promoted", BEFORE), ("seen", AFTER), ("seen", BEFORE)],
        ["promoted"],
    ),
    "set back unseen": ([("approved", NOW), ("promoted", later(29))], ["promoted"]),
}
"""Name to (what is done when, with an approval until day 30; how the promotions end)."""


def lived(bank, name):
    """One life of an approval; how it ended."""
    steps, expected = LIVES[name]
    ends = []
    for word, moment in steps:
        end = bank.approved(moment, expires=EXPIRES) if word == "approved" else getattr(bank, word)(moment)
        if word == "promoted":
            ends.append(end)
    assert ends == expected, f"{name}: expected {expected}, got {ends}"
    bank.sound()
    return ends[-1]


def worked(bank, name):
    """A day's work at an odd time, with the right time before and after it."""
    said = f"{bank.judged(CLOCKS[name])} and {bank.handed_out(CLOCKS[name])}"
    assert (bank.judged(later(1)), bank.handed_out(later(1))) == ("judged", "page drawn"), "all is as it was"
    bank.sound()
    return said


# --------------------------------------------------------------------------- the command line


TIMES = ["1970-01-02 00:00:00", "2076-06-01 12:00:00", "2025-06-01 12:00:00", "2038-01-19 03:14:08"]


def by_command_line(folder, times):
    """The real command line at odd times, where faketime is; how many commands."""
    if shutil.which("faketime") is None:
        return 0
    tallystick = [sys.executable, "-c", "from tallystick.cli.main import main; main()"]
    (folder / "document.txt").write_text("a document")

    def at(moment, *words):
        done = subprocess.run(
            ["faketime", "-f", moment, *tallystick, *words], cwd=folder, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{words[0]} at {moment}: {done.stdout}{done.stderr}"
        return done.stdout

    at("2026-06-01 12:00:00", "init", "--name", "trial.example/clock")
    at("2026-06-01 12:00:01", "key", "new", "officer", "--role", "risk-officer")
    for number, moment in enumerate(times):
        at(moment, "record", "document", "document.txt", "--title", f"number {number}", "--as", "officer")
        at(moment, "ledger", "prove", str(3 + number), "-o", "proof.tlog-proof", "--force")
        at(moment, "verify", "proof.tlog-proof", "--key", ".tallystick/ledger.vkey")
    said = at("2026-06-02 12:00:00", "ledger", "fsck", "--key", ".tallystick/ledger.vkey")
    steps = sum(later < earlier for earlier, later in itertools.pairwise(["2026-06-01 12:00:01", *times]))
    assert said.count("stepped back") == steps, said
    entries = outside.check(folder / ".tallystick" / "ledger.db")
    assert [entry["recorded_at"][:10] for entry in entries[3:]] == [moment[:10] for moment in times]
    return 3 + 3 * len(times)


def trial(folder, *, seed, times, commands):
    """One line of figures; AssertionError if anything does not hold."""
    began, chance = time.perf_counter(), random.Random(seed)
    odd = chance.sample(list(CLOCKS), min(times, len(CLOCKS)))
    with program.memory(folder) as memory:
        memory = Path(memory)
        steps = sum(appended(memory, name, within=within, chance=chance) for name in odd for within in (False, True))
        for text in NO_TIMES:
            refused(memory, text)
        bank = Bank(memory / "bank").found()
        days = Counter(worked(bank.copy(memory / "copy"), name) for name in odd)
        lives = Counter(lived(bank.copy(memory / "copy"), name) for name in LIVES)
        made = by_command_line(memory, TIMES[:commands]) if commands else 0
    return (
        f"clock: seed {seed}, {len(odd)} odd times between and within writings, {steps} steps back, each noted,"
        f" {len(NO_TIMES)} that are none refused; gates, packs and pages at each: {_said(days)};"
        f" {len(LIVES)} lives of an approval: {_said(lives)}, 0 expired ones revived;"
        f" {made or 'no'} commands under a false clock{'' if made or not commands else ', for faketime is missing'};"
        f" {time.perf_counter() - began:.0f} s"
    )


def _said(counts):
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))


if __name__ == "__main__":
    numbers = {
        "times": (len(CLOCKS), "odd times, drawn by the seed"),
        "commands": (len(TIMES), "odd times for the command line, where faketime is"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

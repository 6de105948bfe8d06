"""What a command costs more on a large ledger, beside all it costs on a small one: CPU seconds of the whole process.

The small ledger is that of the golden set, made anew. The large one goes on from it: 100,000 documents that have
nothing to do with anything, and 2,000 models for other use cases, each evaluated and decided about, every other one
approved. A question costs what it touches, so both should cost the same.
"""

import functools
import hashlib
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "golden"))

import _harness as harness
import make as golden

from tallystick.people import rules
from tallystick.records import Attachment, Draft
from tallystick.workflow.desk import Desk

USECASES = 20
BATCH = 100
AIM = "<=0.3s"
"""That the large ledger may cost more."""
TALLYSTICK = ["-c", "import sys; from tallystick.cli.main import main; sys.argv[0] = 'tallystick'; sys.exit(main())"]
COMMANDS = {
    "record-document": "record document usecase.yaml --title t --as engineer",
    "record-model": "record model m2.bin --name credit --as engineer",
    "usecase": "usecase usecase.yaml --as officer",
    "gate": "gate run credit@2 --predictions fair.csv --dataset german --explain because --as engineer",
    "approve": "approve credit@2 --rationale r --as officer",
    "promote": "promote credit@2 --as engineer",
    "show": "show credit",
    "log": "log -n 20",
    "history": "history credit",
    "pack": "pack credit@2 --force -o evidence.zip",
}


def measure(run):
    small, large = run.folder / "small", run.folder / "large"
    small.mkdir()
    os.chdir(small)
    silently(golden.make, small)
    shutil.copytree(small, large)
    crowd(run, large / ".tallystick" / "ledger.db")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    for name, line in COMMANDS.items():
        sides = [functools.partial(cpu_seconds, place, line.split(), environment) for place in (large, small)]
        for side in sides:
            side()  # compiles, and fills the caches
        theirs, other = run.interleaved(*sides)
        more = [crowded - alone for crowded, alone in zip(theirs, other, strict=True)]
        yield harness.compare(f"reading-{name}", more, other, unit="s", what="the same on the small one", aim=AIM)


def silently(work, *values):
    """Commands that only prepare print nothing here."""
    kept = [os.dup(number) for number in (1, 2)]
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(null, number)
        work(*values)
    finally:
        for number, handle in zip((1, 2), kept, strict=True):
            os.dup2(handle, number)


def crowd(run, path):
    """Models for other use cases with what was decided about them, and documents between them."""
    with Desk.open(path, keys=path.parent / "keys", writing=True) as desk:
        book = desk.book()
        usecase, policy, model, evaluation, decision, approval = (
            book.of_kind(kind)[-1] for kind in ("usecase", "policy", "model", "evaluation", "decision", "approval")
        )
        officer = desk.signer("officer")
        with desk.writing() as writer:
            usecases = [writer.append(again(usecase, desk, name=f"other {number}")).entry for number in range(USECASES)]
        for start in range(0, run.models, BATCH):
            run.say(f"making a large ledger: model {start:,} of {run.models:,}")
            with desk.writing() as writer:
                for number in range(start, min(start + BATCH, run.models)):
                    about = usecases[number % USECASES]
                    sha256 = hashlib.sha256(b"%d" % number).hexdigest()
                    made = writer.append(
                        again(model, desk, name=f"model {number % 50}", digest=sha256, usecase=about.ref.value())
                    ).entry
                    found = writer.append(_evaluated(evaluation, desk, made, number, about)).entry
                    attested = [{"uri": "urn:x", "digest": {"sha256": found.ref.leaf}}]
                    refs = {"evaluation": found.ref.value(), "model": made.ref.value(), "inputAttestations": attested}
                    decided = writer.append(again(decision, desk, **refs)).entry
                    if number % 2 == 0:
                        seen = rules.seen(made, found, policy)
                        said = again(approval, desk, decision=decided.ref.value(), seen=seen)
                        writer.append(desk.sign(said, by=[officer], speaks_of=decided, stage="production"))
                    for one in range(run.documents // run.models):
                        body = {"title": f"minutes {number}.{one}", "type": "note", "digest": sha256}
                        writer.append(Draft("document", model.actor, desk.clock(), body))


def _evaluated(evaluation, desk, model, number, usecase):
    data = [{**evaluation.body["data"][0], "sha256": hashlib.sha256(b"data %d" % (number % USECASES)).hexdigest()}]
    draft = again(
        evaluation,
        desk,
        model=model.ref.value(),
        model_digest=model.body["digest"],
        usecase=usecase.ref.value(),
        attempt={"usecase": number // USECASES + 1, "data": number // USECASES + 1},
        data=data,
        earlier_explained=[],
        counts={"attachment": "counts.json"},
    )
    counts = Attachment.erasable("counts.json", "application/json", b"{}")
    return Draft(draft.kind, draft.actor, draft.claimed_at, draft.body, subject=draft.subject, attachments=(counts,))


def again(entry, desk, **changes):
    """An entry's draft once more, with some fields changed, about something else."""
    sha256 = hashlib.sha256(str(changes).encode()).hexdigest()
    subject = ({"name": "something else", "digest": {"sha256": sha256}},)
    return Draft(entry.kind, entry.actor, desk.clock(), {**entry.body, **changes}, entry.basis, subject)


def cpu_seconds(folder, words, environment):
    """A refusal is an answer; anything worse ends the measurement."""
    os.chdir(folder)
    said = folder / "said"
    quiet = [
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    process = os.posix_spawn(sys.executable, [sys.executable, *TALLYSTICK, *words], environment, file_actions=quiet)
    _, status, usage = os.wait4(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, 1):
        sys.exit(f"bench reading: {words} in {folder.name} ended with {code}: {said.read_text()}")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    harness.main(measure, rounds=(5, 1), documents=(100_000, 200), models=(2_000, 20))

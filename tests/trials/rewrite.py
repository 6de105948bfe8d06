"""Trial: somebody with the ledger's real key makes its history anew from some entry on, or cuts its end off.

Each such ledger is whole in itself: a check from outside and fsck, with the real key, find nothing. Only a checkpoint
that was kept from before can tell. One that counts an entry which was rewritten or lost must say no, or at least not
yes, whatever way it is asked; one that counts none of them agrees, and says how many entries it does not cover.

The forger hands out the best there is: for the kept checkpoint, the consistency proof of the tree that was made anew.
"""

import contextlib
import io
import random
import sys
from collections import Counter
from pathlib import Path

import _outside as outside
import _program as program
import _trial_ledger as trial_ledger

from tallystick.cli.main import run
from tallystick.errors import Tampered
from tallystick.ledger.fsck import fsck
from tallystick.ledger.ledger import Ledger, extends
from tallystick.proof.anchors import Anchors
from tallystick.proof.consistency import Consistency
from tallystick.proof.note import open_checkpoint
from tallystick.proof.verify import verify_checkpoint, verify_consistency, verify_receipt

KEY = trial_ledger.key()
TIME = trial_ledger.TIME


def said(number):
    """What entry ``number`` says in the history that was."""
    return trial_ledger.document(f"entry {number}") if number else trial_ledger.genesis()


def anew(number, k):
    """What it says in the one made anew from entry k on: another genesis too, of the same name and key."""
    if number:
        return trial_ledger.document(f"entry {number}, made anew from {k}")
    draft = trial_ledger.genesis()
    draft.body["software"] = {"name": "another"}
    return draft


def created(path, drafts):
    return Ledger.create(path, origin=KEY.name, signer=trial_ledger.signer(), first=drafts, now=TIME)


def append(ledger, drafts):
    with ledger.writing(now=lambda: TIME) as writer:
        for draft in drafts:
            writer.append(draft)


def history(path, entries):
    """The bytes of an honest ledger's entries, and its checkpoint of every size, as somebody outside kept them."""
    with created(path, [said(0)]) as ledger:
        for number in range(1, entries):
            append(ledger, [said(number)])
        raws = [entry.raw for entry in ledger.entries()]
        return raws, {open_checkpoint(note, KEY).size: note for note in ledger.checkpoints()}


# Each way to ask: (ledger, its file, kept note) to whether the ledger agrees with it, None if that stays open, and how
# many entries it was said not to cover, if that is said.


def by_verifier(ledger, path, note):
    """A file that the ledger handed out, with the kept checkpoint as its anchor."""
    anchor, newest = open_checkpoint(note, KEY), ledger.latest_checkpoint()
    if anchor.size > ledger.size:
        verdict = verify_checkpoint(newest, KEY, Anchors((anchor,), required=True))
        return _answer(verdict)
    proof = Consistency(anchor.size, tuple(ledger.consistency_proof(anchor.size)), newest).to_bytes()
    if anchor.size % 2:
        return _answer(verify_consistency(proof, KEY, Anchors((anchor,), required=True)))
    receipt = ledger.receipt(ledger.entry(anchor.size // 2)).to_bytes()
    return _answer(verify_receipt(receipt, KEY, Anchors((anchor,), (proof,), required=True)))


def _answer(verdict):
    return {0: True, 1: False, 3: None}[verdict.exit_code], verdict.unanchored


def by_extends(ledger, path, note):
    """Whoever holds the ledger itself."""
    try:
        extends(ledger, note, key=KEY)
    except Tampered:
        return False, None
    return True, None


def by_command(ledger, path, note):
    """The command line: fsck, and a proof of growth since the kept checkpoint, verified if one is given at all."""
    kept, vkey, growth = (path.with_name(name) for name in ("kept", "ledger.vkey", "growth.txt"))
    kept.write_bytes(note)
    vkey.write_text(f"{KEY}\n")
    codes = [
        _code("ledger", "fsck", "--ledger", path, "--key", vkey, "--anchor", kept),
        _code("ledger", "prove", "--ledger", path, "--from", kept, "-o", growth, "--force"),
    ]
    if codes[1] == 0:
        codes.append(_code("verify", growth, "--key", vkey, "--anchor", kept, "--require-anchor"))
    assert set(codes) in ({0}, {1}), f"one answer by every command, not {codes}"
    return codes[0] == 0, None


def _code(*words):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run([str(word) for word in words])


def ask(way, ledger, path, k, kept, sizes, tally):
    """Hold a ledger that differs from entry k on against the checkpoints of these sizes."""
    for size in sizes:
        agrees, uncovered = way(ledger, path, kept[size])
        what = f"{way.__name__}, a ledger of {ledger.size} that differs from entry {k} on, the checkpoint of {size}"
        if size > k:
            assert agrees is not True, f"missed: {what}"
            tally["caught" if agrees is False else "open"] += 1
        else:
            assert agrees is True, f"false alarm: {what}"
            assert uncovered in (None, ledger.size - size), f"{what}: {uncovered} entries said to be uncovered"
            tally["agreed" if uncovered is None else "uncovered"] += 1


def whole_in_itself(path, raws, k):
    """Nothing in the file gives it away, and up to entry k it is what it was, byte for byte."""
    entries = outside.check(path, vkey=str(KEY))
    examined = fsck(path, key=KEY)
    assert examined.ok, examined.problems[0]
    with Ledger.open(path, read_only=True) as ledger:
        assert [entry.raw for entry in ledger.entries(0, k)] == raws[:k]
        assert len(entries) == k or ledger.entry(k).raw != raws[k]


def trial(folder, *, seed, entries, every=1):
    """One line of figures; AssertionError if anything does not hold."""
    folder, chance, tally = Path(folder), random.Random(seed), Counter()
    raws, kept = history(folder / "honest.db", entries)
    for k in range(0, entries, every):
        path = folder / f"anew-{k}.db"
        edges = sorted({*{k - 1, k, k + 1, entries} & set(kept), *chance.sample(sorted(kept), 10)})
        by_hand = [size for size in (k, k + 1) if size in kept and k // every % 10 == 0]
        rest = [anew(number, k) for number in range(k, k + 1 + chance.randrange(entries - k + 20))]
        with created(path, [said(0)] if k else rest[:1]) as ledger:
            if k:
                append(ledger, [said(number) for number in range(1, k)])
                whole_in_itself(path, raws, k)
                for way, sizes in ((by_verifier, edges), (by_extends, edges), (by_command, by_hand)):
                    ask(way, ledger, path, k, kept, sizes, tally)
                tally["cuts"] += 1
            append(ledger, rest if k else rest[1:])
            whole_in_itself(path, raws, k)
            for way, sizes in ((by_verifier, kept), (by_extends, edges), (by_command, by_hand)):
                ask(way, ledger, path, k, kept, sizes, tally)
            tally["rewrites"] += 1
        path.unlink()
    asked = tally.total() - tally["rewrites"] - tally["cuts"]
    return (
        f"rewrite: seed {seed}, {entries} entries, {tally['rewrites']} rewrites and {tally['cuts']} cuts with the real"
        f" key, {asked} times held against {len(kept)} kept checkpoints: {tally['caught']} caught, {tally['open']} not"
        f" answered with yes, 0 missed, {tally['agreed']} agreed, {tally['uncovered']} agreed and uncovered as said"
    )


if __name__ == "__main__":
    counts = {"entries": (200, "documents to begin with"), "every": (1, "take only every so-manieth to begin from")}
    sys.exit(program.run(trial, doc=__doc__, **counts))

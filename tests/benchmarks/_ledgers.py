"""Large ledgers to read from, made once through the ledger's own way in and kept in the user's cache folder.

Their names hold a digest of this module and of the layout of the tables: what another version made is removed.
"""

import hashlib
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import _harness as harness
import _trial_ledger as trial_ledger

from tallystick.ledger.ledger import BATCH
from tallystick.ledger.tables import layout

_ROOM = 3 << 10
"""Bytes of disk for an entry, with what is beside it while the ledger is made."""

# --- kinds of ledgers -----------------------------------------------------------------------------------------------


def documents(run, entries):
    """The path of a ledger of so many documents after its first entry, in batches under a checkpoint each."""

    def write(ledger):
        drafts = (trial_ledger.document(f"document {number}") for number in range(entries))
        return ledger.append_many(drafts, now=trial_ledger.clock)

    return _kept(run, "documents", entries, write)


STORY, LATEST, SHARED = 21, 5, 1000


def stories(run, entries):
    """The path of a ledger of documents that refer to earlier ones as the records of models do, 4.3 each.

    21 entries make a story: each refers to the (up to) 5 before it, and the first to one of the 1,000 documents that
    the ledger begins with, as a model's data is recorded once and used again. What stands behind the last, a promotion,
    are the 20 before it and that document.
    """
    return _kept(run, "stories", entries, lambda ledger: _tell(ledger, entries))


def last_of_stories(entries):
    """The entries that end a story."""
    return range(SHARED + STORY, entries + 1, STORY)


def _tell(ledger, entries):
    chance, shared, story = random.Random(1), [], []
    for start in range(0, entries, BATCH):
        numbers = range(start, min(start + BATCH, entries))
        with ledger.writing(now=trial_ledger.clock) as writer:
            for number in numbers:
                if number < SHARED:
                    shared.append(writer.append(_about(number, [])).ref)
                else:
                    about = story[-LATEST:] or [chance.choice(shared)]
                    story.append(writer.append(_about(number, about)).ref)
                    story = story[: len(story) % STORY]
        yield numbers


def _about(number, refs):
    draft = trial_ledger.document(f"document {number}")
    return replace(draft, body=draft.body | {"about": [ref.value() for ref in refs]})


# --- keeping them ---------------------------------------------------------------------------------------------------


def _kept(run, kind, entries, write):
    folder = run.cache / "ledgers"
    folder.mkdir(parents=True, exist_ok=True)
    made_by = hashlib.sha256(repr((Path(__file__).read_bytes(), layout())).encode()).hexdigest()
    path = folder / f"{kind}-{entries}-{made_by[:12]}.db"
    if not path.exists():
        for older in folder.glob(f"{kind}-{entries}-*"):
            older.unlink()
        harness.room(folder, entries * _ROOM, f"a ledger of {entries:,} entries")
        _make(run, folder, path, entries, write)
    return path


def _make(run, folder, path, entries, write):
    """Under another name first: what a killed run leaves is never taken for a ledger."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as draft:
        with trial_ledger.create(Path(draft) / path.name) as ledger:
            done = 0
            for batch in write(ledger):
                done += len(batch)
                run.say(f"making a ledger, once: {done:,} of {entries:,} entries")
        (Path(draft) / path.name).rename(path)

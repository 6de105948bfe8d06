"""Fixtures of the ledger room: a ledger to write to, and the check from outside that every write test ends with.

The drafts, the outside checker and the loops are shared with the trials under tests/trials, which are also run alone.
"""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "trials"))

import _outside as outside_checker
import _trial_ledger as trial_ledger

from tallystick.ledger.ledger import Ledger


@pytest.fixture
def outside():
    """``outside(path)``: the entries, after a check by a program that shares nothing with the writer."""
    return outside_checker.check


@pytest.fixture
def world():
    """Drafts, keys and clocks, as the trials use them: ``world.document("title")``, ``world.create(path)``."""
    return trial_ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """Ledger files, made once: durable appends are slow where disks are."""
    made = {}

    def template(**shape):
        key = tuple(sorted(shape.items()))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("template") / "ledger.db"
            trial_ledger.create(made[key], **shape).close()
        return made[key]

    return template


@pytest.fixture
def copied(templates, path):
    """``copied(entries=3, batch=1)``: a closed ledger of that shape at ``path``."""

    def copied(**shape):
        shutil.copy(templates(**shape), path)
        return path

    return copied


@pytest.fixture
def ledger(copied, world):
    """A ledger with its genesis entry only, open for writing."""
    with Ledger.open(copied(), signer=world.signer()) as ledger:
        yield ledger


@pytest.fixture
def append(ledger, world):
    """``append(draft, ...)``: one writing with these drafts; what was appended."""

    def append(*drafts, now=world.TIME):
        with ledger.writing(now=lambda: now) as writer:
            return [writer.append(draft) for draft in drafts]

    return append

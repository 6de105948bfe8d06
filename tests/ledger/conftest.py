"""Fixtures of the ledger room: a ledger to write to, and the check from outside that every write test ends with.

The drafts, the outside checker and the loops are shared with the trials under tests/trials, which are also run alone.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "trials"))

import outside as outside_checker
import trial_ledger


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


@pytest.fixture
def ledger(path, world):
    """A ledger with its genesis entry only, open for writing."""
    with world.create(path) as ledger:
        yield ledger


@pytest.fixture
def append(ledger, world):
    """``append(draft, ...)``: one writing with these drafts; what was appended."""

    def append(*drafts, now=world.TIME):
        with ledger.writing(now=lambda: now) as writer:
            return [writer.append(draft) for draft in drafts]

    return append

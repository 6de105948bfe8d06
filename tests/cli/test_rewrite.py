"""A history made anew with the real key, and the checkpoints that somebody kept. The trial runs the same, longer."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "trials"))

import rewrite


def test_a_rewritten_or_cut_history_is_told_by_every_checkpoint_that_counts_what_changed(tmp_path):
    assert "0 missed" in rewrite.trial(tmp_path, seed=1, entries=200, every=20)

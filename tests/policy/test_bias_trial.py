"""The trial of coverage, short, and its tables in the reference."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRIAL = ROOT / "tests" / "trials" / "coverage.py"
PAGE = (ROOT / "docs" / "reference" / "gates" / "statistics.md").read_text(encoding="utf-8")


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, TRIAL, *arguments], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def printed() -> str:
    done = run("--draws", "16", "--table", "yes", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_short_trial_holds_and_prints_its_figures_last(printed: str) -> None:
    assert printed.splitlines()[-1].startswith("coverage: seed 7, 16 tables of each population;")


def test_the_reference_has_a_line_for_each_population_of_the_trial(printed: str) -> None:
    def named(text: str) -> list[list[str]]:
        """Each line of the tables up to its first figure."""
        return [
            re.split(r" \| (?:[\d.]+%|-) \|", line)[0]
            for line in text.splitlines()
            if re.search(r"\d%", line) and line[0] == "|"
        ]

    assert named(printed)
    assert named(PAGE) == named(printed)


def test_a_trial_of_intervals_that_are_too_narrow_fails_and_says_how_to_replay_it(tmp_path: Path) -> None:
    """The intervals of single differences, with the normal quantile of 80 % in place of that of 95 %."""
    narrow = f"""
import runpy, sys, dataclasses
from tallystick.policy import proportions
wide = proportions.wilson
proportions.wilson = lambda k, n, confidence: wide(k, n, 0.8)
sys.argv = ["coverage.py", "--draws", "200", "--seed", "3"]
sys.path.insert(0, {str(TRIAL.parent)!r})
runpy.run_path({str(TRIAL)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", narrow], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "newcombe" in done.stdout
    assert "replay with --seed 3 --draws 200" in done.stdout

"""Every benchmark runs and says what it measured in the form that it is read in. Nothing is timed here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import _harness as harness

import _figures as figures


@pytest.mark.parametrize("name", figures.programs("benchmarks"))
def test_a_quick_run_prints_lines_and_leaves_nothing(name, tmp_path):
    folder, cache = tmp_path / "folder", tmp_path / "cache"
    folder.mkdir()
    command = [sys.executable, figures.programs("benchmarks")[name], "--quick", "--folder", folder]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "XDG_CACHE_HOME": str(cache)})
    assert done.returncode == 0, done.stderr
    names = [figures.parsed(line).name for line in done.stdout.splitlines()]
    assert names
    assert len(set(names)) == len(names)
    assert list(folder.iterdir()) == []
    assert not cache.exists()


def test_a_quick_run_is_not_recorded(tmp_path):
    command = [sys.executable, figures.programs("benchmarks")["proof"], "--quick", "--record", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "not worth recording" in done.stderr


# --- the harness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aim", "line"),
    [
        (">=2", "bench x ours=30.0s other=10.0s(a peer) ratio=3.00 aim=>=2 met"),
        ("<=2", "bench x ours=30.0s other=10.0s(a peer) ratio=3.00 aim=<=2 short"),
        ("<21s", "bench x ours=20.0s other=4.00s(a peer) ratio=5.00 aim=<21s met"),
    ],
)
def test_the_line_is_that_of_the_round_in_the_middle_by_what_the_aim_is_about(aim, line):
    ours, other = [20.0, 10.0, 30.0], [4.0, 5.0, 10.0]
    assert str(harness.compare("x", ours, other, unit="s", what="a peer", aim=aim)) == line


def test_where_there_is_nothing_to_compare_with_nothing_is_claimed_of_the_ratio():
    alone = harness.alone("x", [1.0, 3.0, 2.0], unit="/s", why="not installed", aim=">=2")
    assert str(alone) == "bench x ours=2.00/s other=unavailable(not installed) ratio=- aim=>=2 unknown"
    assert harness.alone("x", [1.0], unit="s", why="no compiler", aim="<=2s").verdict == "met"


def test_sides_are_measured_in_turn():
    run = harness.Run.__new__(harness.Run)
    run.rounds, run.say, order = 3, lambda _: None, []
    figures = run.interleaved(lambda: order.append("ours") or len(order), lambda: order.append("limit") or len(order))
    assert order == ["ours", "limit"] * 3
    assert figures == [[1, 3, 5], [2, 4, 6]]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012"), (1.5, "1.50"), (15.04, "15.0"), (150.4, "150"), (1_504_321.0, "1504321")]
)
def test_numbers_have_three_digits_that_count_and_no_exponent(value, text):
    assert harness.number(value) == text


def test_a_percentile_is_the_value_that_so_many_are_not_above():
    assert harness.percentile(range(100), 99) == 99
    assert harness.percentile([3, 1, 2], 50) == 2
    assert harness.percentile([7], 99) == 7


def test_the_name_of_a_line_says_how_many_entries():
    assert [harness.short(count) for count in (200, 2_500, 100_000, 1_000_000)] == ["200", "2.5k", "100k", "1m"]

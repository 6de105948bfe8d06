"""The tasks of the checkout: `./run` says what it can do, from anywhere, without setting anything up."""

import re
import subprocess
from pathlib import Path

RUN = Path(__file__).resolve().parent.parent / "run"


def run(*arguments, cwd):
    return subprocess.run([RUN, *arguments], capture_output=True, text=True, cwd=cwd)


def test_run_alone_lists_every_task(tmp_path):
    done = run(cwd=tmp_path)
    listed = re.findall(r"^  (\w+)", done.stdout, re.MULTILINE)
    assert done.returncode == 0
    assert sorted(listed) == sorted(set(re.findall(r"^task_(\w+)\(\)", RUN.read_text(), re.MULTILINE)) - {"needs"})


def test_run_works_through_a_link_and_lists_the_benchmarks(tmp_path):
    link = tmp_path / "a link"
    link.symlink_to(RUN)
    done = subprocess.run([link, "bench", "--list"], capture_output=True, text=True, cwd=tmp_path)
    assert "startup" in done.stdout.split()


def test_a_task_or_a_benchmark_that_does_not_exist_is_a_usage_error(tmp_path):
    assert run("tset", cwd=tmp_path).returncode == 2
    unknown = run("bench", "nothing", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "startup" in unknown.stderr

"""The suite is what its script makes, and every verifier of ours answers each case as the suite expects."""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "trials")]

import _verifiers as verifiers  # noqa: E402
import make  # noqa: E402
import run as runner  # noqa: E402

import browser  # noqa: E402
from tallystick.cli.main import run  # noqa: E402

ALL = dict(runner.chosen(["pdf", "people", "time"]))
PARTS = 8


def tallystick(words, folder):
    """``tallystick verify`` in this process."""
    before, out, err = Path.cwd(), io.StringIO(), io.StringIO()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["verify", *words])
    finally:
        os.chdir(before)
    return code, out.getvalue() or err.getvalue()


def alone(words, folder):
    """``verify.py`` in this process."""
    with verifiers.inside(folder):
        answer = verifiers.alone(*words)
    return answer.exit, answer.text


def problems(ask, cases):
    found = {name: runner.wrong(name, case, ask) for name, case in cases}
    return {name: why for name, why in found.items() if why is not None}


def part(number, capabilities):
    """Every eighth case, so that processes share them."""
    return list(runner.chosen(capabilities))[number::PARTS]


def test_the_suite_is_what_its_script_makes():
    wanted, found = make.written(), make.there()
    assert sorted(wanted) == sorted(found)
    assert [name for name in wanted if wanted[name] != found[name]] == []


def test_the_suite_is_large_and_most_of_it_must_fail():
    failing = [name for name in ALL if name.endswith("_fail")]
    core = [name for name, case in ALL.items() if case["needs"] == "core"]
    assert len(ALL) >= 120
    assert len(failing) >= 80
    assert len(core) >= 100
    assert all(case["says"].endswith(".") for case in ALL.values())


@pytest.mark.parametrize("number", range(PARTS))
def test_tallystick_answers_every_case(number):
    assert problems(tallystick, part(number, ["pdf", "people", "time"])) == {}


@pytest.mark.skipif(browser.missing() is not None, reason=str(browser.missing()))
def test_the_page_answers_every_case_that_needs_no_more_than_core():
    """One page for all, closed with the test: beside Playwright's event loop nothing else can run one."""
    with browser.open_page() as page:
        wrong = problems(lambda words, folder: browser.answered(page, words, folder), runner.chosen([]))
    assert wrong == {}


@pytest.mark.parametrize("number", range(PARTS))
def test_the_verifier_that_stands_alone_answers_every_case(number):
    assert problems(alone, part(number, [])) == {}


def test_the_runner_finds_a_verifier_that_says_yes_to_everything():
    def ask(words, folder):
        return 0, json.dumps({"integrity": "ok", "completeness": "proven", "unanchored": 0})

    found = problems(ask, ALL.items())
    assert set(found) >= {name for name in ALL if name.endswith("_fail")}


def test_the_runner_asks_a_program_of_its_own():
    told = runner.program([sys.executable, "-c", "import sys; print(sys.argv[1:]); sys.exit(3)"])
    code, out = told(["pack.zip", "--format", "json"], HERE / "cases" / "pack_whole")
    assert (code, "pack.zip" in out) == (3, True)

"""The page of figures says what was recorded, of every program, and why a line is short of its aim."""

import re

import pytest

import _figures as figures

MET = "bench append ours=212/s other=365/s(a disk (and its mood)) ratio=0.581 aim=>=0.5 met"
SHORT = "bench proof ours=1.20ms other=0.120ms(20 look-ups) ratio=10.0 aim=<1ms short"
ALONE = "bench peer ours=212/s other=unavailable(not installed) ratio=- aim=>=2 unknown"


def test_the_page_is_drawn_from_what_was_recorded():
    assert figures.PAGE.read_text(encoding="utf-8") == figures.drawn(), "run: python tests/_figures.py"


@pytest.mark.parametrize("kind", figures.TASKS)
def test_every_program_is_recorded_and_nothing_else_is(kind):
    recorded = figures.records(kind)
    missing = [name for name in figures.programs(kind) if name not in recorded]
    assert missing == [], f"run: ./run {figures.TASKS[kind]} {' '.join(missing)} --record"
    assert list(recorded) == list(figures.programs(kind))
    assert all(item.lines for item in recorded.values())


def test_every_line_that_is_short_has_a_reason_and_no_other_has():
    lines = [figures.parsed(text) for item in figures.records("benchmarks").values() for text in item.lines]
    assert sorted(figures.short_reasons()) == sorted(line.name for line in lines if line.verdict == "short")


# --- lines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [MET, SHORT, ALONE])
def test_a_line_is_read_as_it_was_printed(text):
    assert str(figures.parsed(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        MET.replace("met", "short"),
        MET.replace("0.581", "0.481"),
        SHORT.replace("short", "met"),
        SHORT.replace("1.20ms", "0.90ms"),
        ALONE.replace("unknown", "met"),
        MET.removeprefix("bench "),
        f"{MET} and more",
        MET.replace("(a disk (and its mood))", ""),
    ],
)
def test_a_line_whose_verdict_is_not_that_of_its_figures_is_refused(text):
    with pytest.raises(ValueError, match="not "):
        figures.parsed(text)


@pytest.mark.parametrize(
    ("ours", "ratio", "aim", "verdict"),
    [
        ("1s", "0.500", ">=0.5", "met"),
        ("1s", "0.499", ">=0.5", "short"),
        ("1s", "1.10", "<=1.1", "met"),
        ("0.100s", "9", "<0.1s", "short"),
        ("0.099s", "9", "<0.1s", "met"),
        ("4.50us", "-", "<=4.5us", "met"),
    ],
)
def test_an_aim_with_a_unit_is_about_ours_and_one_without_about_the_ratio(ours, ratio, aim, verdict):
    assert figures.Line("x", ours, "1s", "what", ratio, aim).verdict == verdict


# --- recording ------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "RECORDS", tmp_path / "figures")
    monkeypatch.setattr(figures, "PAGE", tmp_path / "figures.md")
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "short.toml").write_text('proof = "look-ups cost more here"\n')
    return tmp_path


def test_what_is_recorded_stands_on_the_page_with_the_command_the_day_and_the_machine(elsewhere):
    program = figures.programs("benchmarks")["proof"]
    figures.record(program, [MET, SHORT, ALONE], arguments=["--entries", "5", "--record"])
    item = figures.records("benchmarks")["proof"]
    assert item.lines == (MET, SHORT, ALONE)
    assert item.command == "./run bench proof --entries 5"
    page = figures.PAGE.read_text()
    assert f"| `append` | 212/s | 365/s: a disk (and its mood) | 0.581 | >=0.5 | met | {item.day}, machine 1 |" in page
    assert "| short: look-ups cost more here |" in page
    assert "| `peer` | 212/s | unavailable: not installed | - | >=2 | unknown |" in page
    assert f"| 1 | {item.machine} |" in page
    assert "| `./run bench proof --entries 5` | Proofs " in page


def test_the_line_of_a_trial_stands_on_the_page_with_what_it_shows(elsewhere):
    figures.record(figures.programs("trials")["crash"], ["crash: 5 kills, 0 lost"], arguments=["--kills", "5"])
    found = re.search(
        r"\| `\./run trial crash --kills 5` \| (.+?) \| crash: 5 kills, 0 lost \|", figures.PAGE.read_text()
    )
    assert found
    assert "killed" in found[1]
    assert not found[1].startswith("Trial")


def test_a_short_line_without_a_reason_says_so_on_the_page(elsewhere):
    (figures.RECORDS / "short.toml").write_text("")
    figures.record(figures.programs("benchmarks")["proof"], [SHORT], arguments=[])
    assert "short: nobody has said why yet" in figures.PAGE.read_text()


def test_the_file_system_is_that_of_the_folder(tmp_path):
    assert figures.file_system("/proc/self") == "proc"
    assert figures.file_system(tmp_path) != "proc"

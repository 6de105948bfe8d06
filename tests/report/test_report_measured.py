"""What check results say besides their value: every figure is printed, and every picture shows the recorded numbers."""

import re

import pytest

from tallystick.errors import NotFound
from tallystick.report import charts, figures, measured, plots, render, view
from tallystick.report.facts import CheckCard, Lines, Table


@pytest.fixture
def results(story):
    """Results of real gates by check id."""
    return {check.id: check.as_json() for check in story.judged_for_real()[1].checks}


def blocks(found, kind):
    return [block for section in found.sections for block in section.blocks if block.kind == kind]


def card(found, id):
    return next({f.label: f.text for f in block.facts} for block in blocks(found, "check") if block.id == id)


# --------------------------------------------------------------------------- figures in words


def test_no_figure_of_a_real_gate_goes_unsaid(sample, story):
    found = sample("measured")
    page = render.html(found)
    for check in story.judged_for_real()[1].checks:
        told = dict(measured.beside(check.as_json()))
        said_elsewhere = {"four_fifths", "ll144"} & set(check.figures)
        assert told or said_elsewhere or not check.figures, check.id
        for text in told.values():
            assert text.replace("'", "&#39;").replace("<", "&lt;") in page, (check.id, text)
        named = {name for name, _, _ in measured._KNOWN} | measured._SAID_WITH_ANOTHER | measured._AS_TABLES
        assert set(check.figures) <= named, "every figure of a shipped gate has words of its own"


def test_figures_are_said_with_their_meaning(results):
    told = dict(measured.beside(results["fair/sex/demographic_parity_ratio"]))
    gap = results["fair/sex/demographic_parity_ratio"]["figures"]["smallest_gap"]
    assert told["These numbers tell"].startswith(
        f"with these numbers of people, a true gap of {gap:.4g} between two groups would be found in 80 of 100 tries"
    )
    assert told["Comparisons"] == "1; interval and p-value allow for all of them"
    assert "(Holm)" in told["Checks that claim"]
    against = dict(measured.beside(results["quality/accuracy.versus"]))
    assert against["Champion"] == "income-screening, version 1 (entry 17); its predictions are those of entry 20"
    assert against["McNemar's test"].endswith("it does not decide")
    known = results["quality/accuracy.versus"]["figures"]
    assert against["Decided otherwise"] == f"{known['changed']} of 4,000 rows"
    assert str(known["only_champion_right"]) in against["Disagreement"]
    ratio = dict(measured.beside(results["quality/latency_ms_p95"]))
    assert ratio["Unit"] == "ms, recorded in entry 19"


def test_numbers_that_tell_no_gap_say_so():
    told = dict(measured.beside({"figures": {"smallest_gap": None, "power": 0.8}}))
    assert told["These numbers tell"].startswith("no gap")


def test_figures_of_another_gate_are_printed_by_name_and_value(story):
    odd = {"cost_per_1000": 3.25, "where": {"eu": 1}, "note\u202e": None}
    told = dict(measured.beside(story.check("x/cost", "x", "plug-in", "pass", 1.0, figures=odd)))
    assert told == {"Cost per 1000": "3.25", "Where": "eu: 1", "Note\\u202e": "null"}


def test_of_a_thousand_figures_the_rest_is_counted(story):
    many = {f"figure_{i:04d}": i for i in range(1000)}
    told = measured.beside(story.check("x/cost", "x", "plug-in", "pass", 1.0, figures=many))
    assert told[-1] == ("More figures", "960, in the evidence")


@pytest.mark.parametrize("figures", [[], "text", 3, {"champion": "x"}, {"family": None}, {"smallest_gap": {"a": []}}])
def test_figures_of_another_shape_break_nothing(story, figures):
    given = story.check("x/y", "x", "bias", "pass", 1.0, figures=figures)
    assert all(text for _, text in measured.beside(given))
    assert measured.tables(given, story.Shelf) == []


def test_a_bias_check_says_what_its_metric_asks_for(sample):
    told = card(sample("measured"), "fair/sex/demographic_parity_ratio")
    assert told["It asks that"] == "groups receive the favourable prediction at like rates"


def test_a_check_that_passed_has_its_figures_and_its_reason_under_the_row(sample):
    rows = next(block for block in blocks(sample("measured"), "table") if block.title == "Check results").rows
    told = {row.cells[0]: row.note for row in rows}
    assert "Unit: ms, recorded in entry 19" in told["quality/latency_ms_p95"]
    assert "asked for because: A clerk waits for the answer." in told["quality/latency_ms_p95"]
    assert "A calibrated score shows:" in told["quality/expected_calibration_error"]


def test_rules_of_law_are_tables(sample, results):
    tables = {block.title: block for block in blocks(sample("measured"), "table")}
    readings = tables["Readings of the four-fifths rule: law/sex/four_fifths"]
    line = results["law/sex/four_fifths"]["figures"]["four_fifths"][0]
    assert readings.rows[0].cells[:2] == (line["group"]["sex"], line["highest"]["sex"])
    assert readings.rows[0].cells[2] == f"{line['ratio']:.4g}"
    assert readings.rows[0].cells[5:] == ("yes", "no")
    categories = tables["Impact ratios under Local Law 144: law/race/ll144"]
    told = {row.cells[0]: row.cells for row in categories.rows}
    assert told["Other"][4:] == ("none", "yes: Too few applicants to compare.")
    unknown = results["law/race/ll144"]["figures"]["ll144"]["unknown"]
    assert told["unknown category"] == ("unknown category", str(unknown), "", "", "", "in no figure")
    assert all(row.entries for row in categories.rows)


# --------------------------------------------------------------------------- calibration


def test_a_reliability_diagram_holds_every_bin_beside_the_diagonal(sample, results):
    (found,) = blocks(sample("measured"), "reliability")
    bins = [line for line in results["quality/expected_calibration_error"]["groups"] if line["evaluated"]]
    assert len(found.dots) == len(bins)
    for dot, line in zip(found.dots, bins, strict=True):
        said, seen = line["rates"]["mean_score"]["value"], line["rates"]["observed_share"]
        assert dot.x == pytest.approx(found.left + found.side * said, abs=0.1)
        assert dot.y == pytest.approx(8 + found.side * (1 - seen["value"]), abs=0.1)
        assert dot.whisker[0] >= dot.y >= dot.whisker[1], "the picture's y axis points down"
        assert dot.label == f"{line['n']:,}"
        assert (dot.y < 8 + found.side - (dot.x - found.left)) == (seen["value"] > said), "above the line: too little"
    assert f"n = {bins[0]['n']}" in found.description


def test_bins_of_too_few_rows_are_counted_and_not_drawn():
    few = {"group": {"score": "0 to 0.1"}, "n": None, "rates": {}, "left_out": "fewer than 10 rows"}
    shown = {"value": 0.5, "interval": {"low": 0.4, "high": 0.6}}
    full = {"group": {"score": "0.1 to 1"}, "n": 90, "rates": {"mean_score": {"value": 0.4}, "observed_share": shown}}
    ((_, members),) = figures.of_checks([{"groups": [few, full]}])
    found = plots.reliability("g", members, 3)
    assert found.withheld == len(found.dots) == 1
    assert "1 bin of too few rows" in found.description
    assert plots.reliability("g", members[:1], 3) is None


# --------------------------------------------------------------------------- drift


def test_count_tables_stay_out_of_a_report_which_cannot_be_erased(sample):
    beside = [line.side for line in sample("measured").carried if line.side is not None]
    assert not any(b"counts.json" in side for side in beside)
    assert blocks(sample("measured"), "thresholds")


# --------------------------------------------------------------------------- champion


def test_gains_are_drawn_with_margin_and_equality_on_one_axis(sample, results):
    found = next(
        b for b in blocks(sample("measured"), "thresholds") if b.title.endswith("challenger: quality/accuracy")
    )
    assert [line.label for line in found.lines] == ["versus", "versus/sex", "F", "M"]
    assert len({line.marks[-1][0] for line in found.lines}) == 1, "equal stands at one place"
    assert all(line.marks[-1][1] == "equal" for line in found.lines)
    equal = found.lines[0].marks[-1][0]
    for line in found.lines:
        assert line.whisker[0] <= line.at <= line.whisker[1]
        assert line.fail_zone[0] + line.fail_zone[1] < equal, "the margin lies on the side of a loss"
    assert (found.lines[0].at > equal) == (results["quality/accuracy.versus"]["value"] > 0)
    assert [line.verdict for line in found.lines[2:]] == ["", ""], "no verdict was recorded for a group alone"


def test_comparisons_stand_in_the_section_of_the_champion_only(sample):
    found = sample("measured")
    drawn = [
        (s.number, line.label) for s in found.sections for b in s.blocks if b.kind == "thresholds" for line in b.lines
    ]
    assert {number for number, label in drawn if "versus" in label} == {8}


# --------------------------------------------------------------------------- groups


def test_the_highest_group_is_one_that_was_judged():
    def group(name, rate, **more):
        return {"group": {"race": name}, "n": 50, "rates": {"selection_rate": {"value": rate}}} | more

    lines = [
        group("few", 0.9, left_out="fewer than 100"),
        group("a", 0.5),
        group("b", 0.3),
        group("odd", 0.1, left_out="x"),
    ]
    ((_, members),) = figures.of_checks([{"groups": lines}])
    found = charts.groups("g", members, rate="selection_rate", share=True, entry=1)
    bars = {bar.label: bar for bar in found.bars}
    assert found.guides[0][0] == pytest.approx(found.left + bars["a"].width * 0.8, abs=0.2)
    again = figures.of_checks([{"groups": lines}, {"groups": [group("few", 0.9)]}])
    assert again[0][1][0].judged, "another check of the gate did judge it"
    assert again[0][1][0].left_out == "fewer than 100"


def test_a_missing_value_is_a_group_and_not_a_gap_of_the_record(sample):
    names = {
        row.cells[0]
        for b in blocks(sample("measured"), "table")
        if b.title == "Groups of law, by race"
        for row in b.rows
    }
    assert "missing" in names
    assert "not recorded" not in names


def test_impact_ratios_are_bars_and_the_excluded_say_so(sample):
    found = next(b for b in blocks(sample("measured"), "groups") if b.title == "Impact ratio: law/race/ll144")
    assert {bar.label: bar.value for bar in found.bars}["Other"] == "excluded"
    assert found.bars[0].value == "1"
    assert found.guides == (), "the law sets no limit"


# --------------------------------------------------------------------------- ten thousand results


def test_of_very_many_results_the_failed_stand_in_front_and_all_in_the_annex(sample):
    found = sample("crowded")
    shown = next(b for b in blocks(found, "table") if b.title.startswith("Check results"))
    assert [row.cells[0] for row in shown.rows] == ["schema.core/column_09000.range"]
    (strip,) = blocks(found, "strip")
    assert strip.title == "Checks: schema.core, the worst 340 of 10,000"
    assert strip.cells[0][2] == "fail"
    (lines,) = found.extracts
    assert isinstance(lines, Lines)
    assert len(lines.lines) == 10_000
    assert lines.lines[9_000].startswith("fail · schema.core/column_09000.range · 3 rows miss it")
    assert max(map(len, lines.lines)) <= 132
    assert lines.left_out == 0
    page = render.html(found)
    assert page.count('<pre class="lines">') == 167
    assert "1 of 10,000 checks did not pass. All are listed in the annex." in page
    assert len(re.findall(r"column_09000\.range", page)) > 3


def test_every_line_of_an_extract_is_a_fact_of_the_evidence(sample):
    found = sample("crowded")
    text = view.evidence(found).decode()
    assert text.count('"id":"annex.extract-') == 10_000
    assert found.extracts[0].entries[0] in {line.entry.seq for line in found.carried}


def test_who_was_in_the_stage_when_is_printed_newest_first(sample):
    (found,) = (b for b in blocks(sample("crowded"), "table") if b.id == "stages")
    assert isinstance(found, Table)
    versions = [row.cells[1] for row in found.rows]
    assert versions[0] == "version 60"
    assert versions[-1] == "version 2"
    assert [row.cells[3] for row in found.rows].count("in force") == 1
    assert all(row.cells[3] == later.cells[2] for later, row in zip(found.rows, found.rows[1:], strict=False))


def test_a_candidate_sees_who_holds_the_stage(sample):
    (found,) = (b for b in blocks(sample("measured"), "table") if b.id == "stages")
    assert [row.cells[:2] for row in found.rows] == [("production", "version 2")]


def test_a_ledger_without_models_says_so(story):
    shelf = story.Shelf()
    story.start(shelf)
    with pytest.raises(NotFound, match="this ledger has none yet"):
        shelf.book().model("income-screening")


def test_pictures_of_every_kind_say_in_words_what_they_show(sample):
    pictures = re.findall(r"<svg.*?</svg>", render.html(sample("measured")), re.S)
    assert len(pictures) == 18
    for picture in pictures:
        assert re.search(r"<title>[^<]{40,}</title>\s*<desc>[^<]{20,}</desc>", picture)
        assert "None" not in picture
        assert not re.search(r'"-?(nan|inf)', picture)


def test_cards_of_the_worst_checks_come_first(sample):
    cards = [block for block in blocks(sample("measured"), "check") if isinstance(block, CheckCard)]
    drift = [block.verdict for block in cards if block.id.startswith("drift/")]
    assert drift == ["fail", "fail", "warn"]


@pytest.mark.parametrize("name", ["measured", "crowded"])
def test_every_number_of_a_picture_has_its_entry(sample, name):
    found = sample(name)
    kinds = ("thresholds", "groups", "strip", "reliability")
    pictures = [block for kind in kinds for block in blocks(found, kind)]
    assert pictures
    printed = {line.entry.seq for line in found.carried}
    assert all(block.entries and set(block.entries) <= printed for block in pictures)

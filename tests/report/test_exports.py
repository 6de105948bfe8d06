"""The results of a gate in the formats of others: complete, escaped, and never greener than the verdict."""

import json
import re
from pathlib import Path

import pytest
from lxml import etree

from _json_schema import problems
from tallystick.report.exports import FORMATS, Results, github, markdown, table

VECTORS = Path(__file__).parents[1] / "vectors"
SARIF = json.loads((VECTORS / "OASIS_sarif/sarif-schema-2.1.0.json").read_text())
JUNIT = VECTORS / "jenkinsci_xunit/junit-10.xsd"
VERDICTS = ("pass", "warn", "waived", "not_applicable", "inconclusive", "not_evaluable", "fail", "error", "unheard-of")
NOT_GREEN = ("inconclusive", "not_evaluable", "fail", "error", "unheard-of")

HOSTILE = [
    "<script>alert(1)</script> & \"quoted\" 'too' ]]>",
    "two\nlines\r\nand\u2028more",
    "::error title=x::taken over",
    "##[command]rm",
    "a | b `c` [click](http://evil.example) ![x](y) **bold** @someone #1 www.evil.example",
    "100% of %0A, and: {0} {{}} \\ # SKIP",
    "bell \x07, null \x00, escape \x1b[31m, surrogate \udc80, \ufffe",
    "right\u202eto left \u2066 isolate, zero\u200bwidth",
    "модель 模型 🎉👩‍💻 e\u0301",
    "not ok 1 - x\n1..0 # skip all\nBail out!",
]


def check(verdict="pass", id="bias.sex/sex/demographic_parity_ratio", **more):
    value = None if verdict in ("error", "not_evaluable", "not_applicable") else 0.755
    return {
        "id": id,
        "gate": id.partition("/")[0],
        "type": "bias",
        "verdict": verdict,
        "value": value,
        "threshold": {"fail_if": "< 0.80", "warn_if": "< 0.90", "decision": "point"},
        "n": 1234,
        "interval": None,
        "reason": f"the reason of {verdict}",
        "advice": "what to look at",
        "because": "why it is asked",
        "replay": "counts",
        "groups": [],
    } | more


def results(verdict="fail", checks=None, **more):
    return Results(
        **{
            "model": "credit@1",
            "policy": "german/p",
            "policy_version": "1.0.0",
            "policy_entry": 5,
            "stage": "production",
            "verdict": verdict,
            "evaluation": 8,
            "decision": 9,
            "rows": 1234,
            "predictions": "out/fair.csv",
            "names_test_set": True,
            "attempt": {"usecase": 2, "data": 3},
            "checks": tuple([check(verdict)] if checks is None else checks),
            "software": "0.1.0",
        }
        | more
    )


EACH = results("error", [check(verdict, f"g{i}/{verdict}") for i, verdict in enumerate(VERDICTS)])


def junit(told):
    root = etree.fromstring(FORMATS["junit"](told))
    etree.XMLSchema(etree.parse(JUNIT)).assertValid(root)
    return root


def sarif(told):
    value = json.loads(FORMATS["sarif"](told))
    assert problems(value, SARIF) == []
    (run,) = value["runs"]
    return run


def tap(told):
    """Each test point as (ok, name, directive), read as a harness does; the plan must hold."""
    lines = FORMATS["tap"](told).decode().splitlines()
    assert lines[0] == "TAP version 14"
    points = [re.fullmatch(r"(not )?ok (\d+) - ((?:[^#\\]|\\.)*?)(?: # (TODO|SKIP)\b.*)?", line) for line in lines]
    found = [(not m[1], m[3], m[4]) for m in points if m]
    assert lines[1] == f"1..{len(found)}"
    assert not any(line.startswith("Bail out!") for line in lines)
    return found


# --- never greener than the verdict ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", NOT_GREEN)
def test_what_is_not_green_is_red_in_every_format(verdict):
    told = results(verdict if verdict != "not_evaluable" else "inconclusive", [check("pass", "a/b"), check(verdict)])
    assert [case for case in junit(told).iter("testcase") if case.find("failure") is None and case.find("error") is None
            and case.get("name") != "a/b"] == []  # fmt: skip
    assert [r["level"] for r in sarif(told)["results"]][1] in ("warning", "error")
    assert sarif(told)["invocations"][0]["exitCode"] != 0
    assert tap(told)[1][0] is False
    assert "::error" in github.render(told).splitlines()[-1]
    assert "✅" not in markdown.render(told)
    assert "PASS" not in table.render(told)
    assert "PASS" not in FORMATS["markdown"](told).decode()


def test_a_verdict_that_no_check_explains_is_red_in_every_format():
    """Where nothing was measured the roll-up is an error, and every check by itself is only skipped."""
    told = results("error", [check("not_applicable", "a/b")])
    assert len(list(junit(told).iter("error"))) == 1
    assert [r["level"] for r in sarif(told)["results"]] == ["none", "error"]
    assert [ok for ok, _, _ in tap(told)] == [True, False]
    assert "evaluation/verdict" in github.render(told)
    assert "ERROR" in table.render(told)


@pytest.mark.parametrize("verdict", ["pass", "warn"])
def test_what_is_green_fails_nothing(verdict):
    told = results(verdict, [check("pass", "a/b"), check(verdict, "a/c"), check("not_applicable", "a/d")])
    assert not list(junit(told).iter("failure"))
    assert not list(junit(told).iter("error"))
    assert all(ok for ok, _, _ in tap(told))
    assert "::error" not in github.render(told)
    assert {r["level"] for r in sarif(told)["results"]} <= {"none", "warning"}


def test_each_verdict_has_the_kind_and_level_of_the_reference():
    found = {r["properties"]["verdict"]: (r["kind"], r["level"]) for r in sarif(EACH)["results"]}
    assert found == {
        "pass": ("pass", "none"),
        "warn": ("fail", "warning"),
        "waived": ("fail", "error"),
        "not_applicable": ("notApplicable", "none"),
        "inconclusive": ("fail", "warning"),
        "not_evaluable": ("fail", "warning"),
        "fail": ("fail", "error"),
        "error": ("fail", "error"),
        "unheard-of": ("fail", "error"),
    }
    page = (Path(__file__).parents[2] / "docs/reference/outputs.md").read_text()
    for verdict, (kind, level) in found.items():
        if verdict != "unheard-of":
            assert re.search(rf"^\| `{verdict}` \|.*\| {kind} / {level}[ ,|]", page, re.M), verdict


def test_a_waived_failure_keeps_its_level_and_is_suppressed():
    told = results("warn", [check("waived", reason="0.755 is covered until 2027-01-31")])
    (result,) = sarif(told)["results"]
    assert result["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "0.755 is covered until 2027-01-31"}
    ]
    assert [(ok, directive) for ok, _, directive in tap(told)] == [(False, "TODO")]
    assert len(list(junit(told).iter("skipped"))) == 1


def test_sarif_fingerprints_are_those_of_the_question_not_of_the_run():
    def prints(told):
        return [r["partialFingerprints"]["tallystick/check/v1"] for r in sarif(told)["results"]]

    first = prints(results("fail", [check("fail", "a/b"), check("fail", "a/c")]))
    assert (
        prints(results("pass", [check("pass", "a/b"), check("pass", "a/c")], model="credit@7", evaluation=99)) == first
    )
    assert len(set(first)) == 2
    assert prints(results("fail", [check("fail", "a/b")], model="other@1")) != first[:1]


def test_junit_totals_are_those_of_the_cases():
    root = junit(EACH)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("9", "1", "4")
    assert sum(int(suite.get("skipped")) for suite in root.iter("testsuite")) == 2
    assert len(list(root.iter("testcase"))) == 9


# --- hostile text ---------------------------------------------------------------------------------------------------


def hostile(text):
    bad = check("fail", f"g/{text}", reason=text, advice=text, because=text, gate=text)
    return results("fail", [bad], model=f"{text}@1", policy=text, policy_version=text, stage=text, predictions=text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_changes_no_structure(text):
    told = hostile(text)
    assert len(list(junit(told).iter())) == len(list(junit(hostile("plain")).iter()))
    assert len(sarif(told)["results"]) == 1
    assert [(ok, directive) for ok, _, directive in tap(told)] == [(False, None)]
    assert json.loads(FORMATS["json"](told))["verdict"] == "fail"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_gives_a_runner_no_command(text):
    lines = github.render(hostile(text)).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::notice", "::error"]
    assert all(line.count("::") >= 2 and "\r" not in line for line in lines)
    titles = [re.match(r"::\w+ title=([^:,]*)::", line) for line in lines]
    assert all(titles), lines
    printed = [github.harmless(line) for line in table.render(hostile(text), 60).splitlines()]
    assert not any(line.strip().startswith("::") or "##[" in line for line in printed)


@pytest.mark.parametrize("text", HOSTILE)
def test_every_character_that_cannot_be_seen_is_written_as_an_escape(text):
    for name in ("table", "junit", "github", "markdown", "tap"):
        shown = FORMATS[name](hostile(text)).decode()
        assert not set(shown) & set("\x00\x07\x1b\r\u202e\u2066\u2028\u200b\ufffe"), name


def test_markdown_shows_hostile_text_as_text():
    shown = markdown.render(hostile(HOSTILE[4]))
    assert r"\[click\](http:&#47;/evil.example) !\[x\](y)" in shown
    assert r"a \| b \`c\`" in shown
    assert "www&#46;evil" in shown
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}
    assert "<script>" not in markdown.render(hostile(HOSTILE[0]))


def test_sarif_messages_hold_no_placeholder_and_no_link():
    (result,) = sarif(hostile("{0} [click](http://evil.example) \\"))["results"]
    assert result["message"]["text"] == "{{0}} \\[click\\](http://evil.example) \\\\"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("%7B0%7D")


# --- for people -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 106, 120])
def test_the_table_keeps_its_width_and_loses_no_word(width):
    long = check("fail", "bias.a-long-gate/region+sex+age_group+marital_status/false_negative_rate_difference")
    told = results("fail", [check("pass", "data/x.dtype", type="schema", gate="data"), long, *EACH.checks])
    text = table.render(told, width)
    assert max(map(len, text.splitlines())) <= width
    squeezed = re.sub(r"\s+", "", text)
    for word in ("what to look at", "the reason of not_evaluable", "at least 0.80; warns below 0.90", "NOT EVALUABLE"):
        assert word.replace(" ", "") in squeezed or all(part in text for part in word.split()), word
    assert text.index("REFUSED") > text.index("look at")
    assert text.index("Next: ") > text.index("REFUSED")


def test_columns_stay_aligned_beside_wide_characters():
    told = results("fail", [check("fail", "g/模型/a"), check("fail", "g/plain/b")])
    lines = [line for line in table.render(told, 100).splitlines() if "FAIL" in line and "0.76" in line]
    assert len(lines) == 2
    wide, plain = lines
    assert plain.index("FAIL") - wide.index("FAIL") == 2  # two characters that take two columns each


def test_a_value_is_not_rounded_onto_its_limit():
    told = results("fail", [check("fail", value=0.7999999)])
    assert "0.7999999" in table.render(told)


@pytest.mark.parametrize("verdict", ["pass", "warn", "fail", "inconclusive", "error"])
def test_every_verdict_says_what_to_do_next(verdict):
    last = table.render(results(verdict)).splitlines()
    assert any(line.startswith("Next: ") for line in last[-3:])
    assert (last[-1].startswith("  tallystick approve credit@1 ")) == (verdict in ("pass", "warn"))


def test_looks_and_a_late_policy_are_told_in_every_format_but_the_annotated_checks():
    told = results("pass", scored_before_policy=3, earlier_failures=(4, 6))
    for name in ("table", "junit", "sarif", "github", "markdown", "tap"):
        shown = " ".join(FORMATS[name](told).decode().split())
        assert "look number 3" in shown, name
        assert "(entry 5) after this test set was first" in shown.replace("\\", ""), name
        assert "entries 4, 6" in shown, name
    value = json.loads(FORMATS["json"](told))
    assert value["scored_before_policy"] == 3
    assert value["attempt"] == {"usecase": 2, "data": 3}


def test_the_same_results_give_the_same_bytes():
    assert {name: render(EACH) for name, render in FORMATS.items()} == {n: r(EACH) for n, r in FORMATS.items()}


@pytest.mark.parametrize("form", FORMATS)
def test_a_lone_surrogate_in_a_name_stops_no_format(form):
    assert FORMATS[form](hostile("\udc80"))


def test_a_value_without_a_threshold_does_not_look_like_a_passed_test():
    told = results("pass", [check("pass", "bias.sex/sex/ll144", threshold={"decision": "point"})])
    for text in (table.render(told), markdown.render(told)):
        (line,) = [line for line in text.splitlines() if "ll144" in line]
        assert "reported, not judged" in line
        assert "pass" not in line


def test_looks_are_told_only_of_a_recorded_test_set():
    assert any("look number 3" in note for note in results("pass").notes)
    assert not any("look number" in note for note in results("pass", names_test_set=False).notes)

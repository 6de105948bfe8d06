"""Ways to be green without having checked, by the command line: red, for its reason, and nothing is left that passes.

``./run trial green`` tries them all, each once more without the guard that stands in its way; here stand those that no
other test of the command line has.
"""

import json
from pathlib import Path

import _outside as outside
import pytest

from tallystick.workflow import facts

RUN = "gate run credit@2 --predictions data.csv -o json=results.json --as engineer"
HEAD = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: %s, version: 1.0.0, owner: model-risk}
applies_to: {stage: staging}
inputs: {columns: {y_true: y_true, y_pred: y_pred, favourable: 1}}
gates:
"""
RANGE = "- {id: s, type: schema, columns: {score: {range: [0, 1]}}}\n"
BIAS = (
    "- {id: b, type: bias, sensitive: [g], decision: point,"
    " metrics: [{name: demographic_parity_ratio, fail_if: '< 0.8'}]}\n"
)


def published(bank, gates, name="strict"):
    Path("new.yaml").write_text(HEAD % name + gates)
    return bank("policy", "publish", "new.yaml", "--as", "officer")


def run(bank, *more):
    """Exit code and words of a run under the policies of this module; an earlier one left results that say pass."""
    Path("results.json").write_text('{"verdict": "pass"}')
    code, out, err = bank(*RUN.split(), "--stage", "staging", *more)
    return code, " ".join((out + err).split())


def entries(bank):
    return outside.check(bank.ledger)


def left():
    """The verdict in the file of results, if there is one."""
    path = Path("results.json")
    return json.loads(path.read_text())["verdict"] if path.exists() else None


@pytest.mark.parametrize("changed", ["data.csv", "champion.csv"])
def test_what_is_judged_is_what_was_hashed(bank, monkeypatch, changed):
    """The data could be changed for better ones after their digest was taken, before anybody began to read them."""
    gate = "- {id: v, type: benchmark, metrics: [{name: accuracy, versus: {baseline: '@champion', max_drop: 0.1}}]}\n"
    assert published(bank, RANGE + gate)[0] == 0
    for name in ("data.csv", "champion.csv"):
        Path(name).write_text("score,y_true,y_pred\n7,1,1\n0.5,0,0\n")
    known, before = facts.known, len(entries(bank))

    def meanwhile(*args, **words):
        Path(changed).write_text("score,y_true,y_pred\n0.7,1,1\n0.5,0,0\n")
        return known(*args, **words | {"champion": None})  # nothing stands in the stage yet

    monkeypatch.setattr(facts, "known", meanwhile)
    code, said = run(bank, "--champion", "champion.csv")
    assert (code, left()) == (1, "fail")
    assert "1 of 2 rows (50 %) miss this" in said
    assert len(entries(bank)) == before + 2


@pytest.mark.parametrize(
    ("gates", "data", "code", "said"),
    [
        (RANGE, "score\n", 3, "there are no rows"),
        (RANGE, "score,id\n,1\n,2\n", 1, "2 of 2 rows (100 %) miss this: score is never missing"),
        (RANGE, "score,id\n0.5,1\n7", 3, "a row has another number of columns than the header"),
        (RANGE, "score,score\n0.5,7\n", 3, "column 'score' stands twice in the header"),
        (BIAS, "g,y_true,y_pred\n" + "a,1,1\n" * 200, 3, "only one group"),
        (BIAS, "g,y_true,y_pred\n" + "a,1,1\n" * 200 + ",1,0\n" * 200, 1, "g=(missing) is 0.00 of"),
        (BIAS, "g,y_true,y_pred\n" + "a,yes,no\n" * 200, 3, "the favourable outcome '1' occurs neither"),
        (BIAS, "g,y_true,y_pred\n" + "a,1,0\n" * 200 + "b,1,0\n" * 200, 3, "has a favourable prediction"),
    ],
)
def test_data_that_show_nothing_are_not_green(bank, gates, data, code, said):
    assert published(bank, gates)[0] == 0
    Path("data.csv").write_text(data)
    found, words = run(bank)
    assert found == code, words
    assert said in words
    assert left() in ("fail", "error", None)
    assert entries(bank)[-1]["kind"] in ("policy", "decision")


def test_a_policy_whose_name_is_misspelt_is_not_another_one(bank):
    for name in ("strict", "lenient"):
        published(bank, RANGE if name == "strict" else "- {id: r, type: schema, rows: {min: 1}}\n", name)
    Path("data.csv").write_text("score\n7\n")
    before = len(entries(bank))
    for more in (["--policy", "strlct"], ["--stage", "stagin"]):
        code, said = run(bank, *more)
        assert (code, left()) == (3, None)
        assert "no such policy is published for stage" in said
    assert run(bank)[0] == 2, "nor does one of several count for all"
    assert len(entries(bank)) == before


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        (RANGE.replace("schema", "shema"), "unknown gate type 'shema'"),
        (RANGE.replace("range", "rnge"), "unknown key 'rnge'"),
        (RANGE.replace("columns", "skip: true, columns"), "unknown key 'skip'"),
        (RANGE.replace("columns", "when: inputs.rows > 9, columns"), "must be known before the data are read"),
        (RANGE.replace("range: [0, 1]", "range: [0, 9], range: [0, 1]"), "key 'range' stands twice"),
        (BIAS.replace("<", ">"), "looks the wrong way"),
    ],
)
def test_a_policy_that_could_be_passed_over_in_part_is_not_published(bank, gates, said):
    before = len(entries(bank))
    code, _, err = published(bank, gates)
    assert code == 3
    assert said in err
    Path("data.csv").write_text("score\n0.5\n")
    assert run(bank)[0] == 3, "and then there is nothing to be green under"
    assert len(entries(bank)) == before

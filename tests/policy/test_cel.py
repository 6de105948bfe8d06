"""Rules over recorded facts: what they mean, and what they never do."""

from __future__ import annotations

import pytest

from tallystick.policy import cel

FACTS = {
    "model": {"name": "credit", "version": 3, "share": 0.5, "below": -7, "vetted": True, "vendor": None},
    "usecase": {"jurisdictions": ["EU", "UK"], "risk_tier": {"value": "high"}},
    "metric": {"latency.p95": 42.5, "latency": 50.0, "mixed": [1, "a"]},
}


def holds(text: str) -> bool:
    return cel.parse(text).holds(FACTS)


@pytest.mark.parametrize(
    "text",
    [
        'model.name == "credit"',
        "model.name != 'other'",
        "model.version >= 3 && model.version < 3.5",
        "model.version + 1 == 4 && model.version * 2 - 1 == 5",
        "model.version / 2 == 1 && model.below / 2 == -3 && model.below % 4 == -3",
        "-model.below == 7 && - -model.version == 3",
        "model.share * 2.0 == 1.0",
        "double(model.version) / 2.0 == 1.5 && int(model.share) == 0",
        '"EU" in usecase.jurisdictions && !("US" in usecase.jurisdictions)',
        'usecase.risk_tier.value == "high" ? metric.latency <= 50.0 : true',
        'metric["latency.p95"] < 50.0',
        'usecase.jurisdictions[1] == "UK" && size(usecase.jurisdictions) == 2',
        "model.name.startsWith('cr') && model.name.endsWith(\"it\") && model.name.contains('redi')",
        "model.vetted && !!model.vetted == true",
        "!has(model.nothing) || model.nothing > 3",
        "has(model.version) && !has(model.vendor) && !has(usecase.risk_tier.value.deeper)",
        "model.version in [1, 2, 3]",
        '(((model.name))) == "cre" ? false : true',
        'model.name != "a\\"\\\\\\n\\t\'"',
        "model.version == 3 || model.version == 4 && model.vetted == false",
        "-9223372036854775808 < model.version",
    ],
)
def test_a_rule_that_holds(text: str) -> None:
    assert holds(text) is True


@pytest.mark.parametrize(
    "text",
    [
        "model.version > 3",
        "model.vetted && model.share > 0.5",
        "usecase.risk_tier.value in ['low', 'medium']",
        "has(metric.nothing) && metric.nothing > 0",
        "model.vetted ? model.version == 4 : true",
    ],
)
def test_a_rule_that_does_not_hold(text: str) -> None:
    assert holds(text) is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("true || metric.nothing > 1 || model.vetted", "no fact metric.nothing"),
        ("model.vendor == 'x' || model.vetted", "no fact model.vendor"),
        ("model.version == '3'", "cannot be compared"),
        ("model.vetted == 1", "cannot be compared"),
        ("model.vetted < true", "cannot be compared"),
        ("usecase.jurisdictions == usecase.jurisdictions", "cannot be compared"),
        ("1 in metric.mixed", "cannot be compared"),
        ("'EU' in model.name", "in is for a list"),
        ("model.version", "neither true nor false"),
        ("model.version && model.vetted", "&& is for true and false"),
        ("!model.version", "! is for true and false"),
        ("model.version ? true : false", "\\? is for true and false"),
        ("model.version + 0.5 > 1.0", "double\\(\\) and int\\(\\) convert"),
        ("model.name + 'x' == 'creditx'", "not for text"),
        ("model.share % 0.5 == 0.0", "not for a double"),
        ("model.version / 0 == 1", "divided by zero"),
        ("model.share / 0.0 > 1.0", "divided by zero"),
        ("model.version * 9223372036854775807 > 0", "out of range"),
        ("model.share * 1e308 * 1e308 > 0.0", "out of range"),
        ("int(model.share * 1e300) > 0", "out of range"),
        ("double(model.name) > 0.0", "is for numbers"),
        ("size(model.version) > 0", "not for a whole number"),
        ("model.version.contains('3')", "is for text"),
        ("usecase.jurisdictions[2] == 'US'", "no fact"),
        ("usecase.jurisdictions['0'] == 'EU'", "no fact"),
        ("model.name[0] == 'c'", "no fact"),
    ],
)
def test_a_rule_without_an_answer_is_an_error_not_a_no(text: str, said: str) -> None:
    rule = cel.parse(text)
    with pytest.raises(cel.CelError, match=said):
        rule.holds(FACTS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a value"),
        ("true", "names no fact"),
        ("1 < 2", "names no fact"),
        ("model", "no fact by itself"),
        ("policy.id == 'x'", "no facts of 'policy'"),
        ("model.name == null", "no facts of 'null'"),
        ("exec('x') || model.vetted", "no function 'exec'"),
        ("model.name.matches('a+')", "no function 'matches'"),
        ("usecase.jurisdictions.all(j, j == 'EU')", "no function 'all'"),
        ("has('x')", "expected a name"),
        ("has(model)", "no fact by itself"),
        ("model.__class__ == 'x'", "no name of a fact"),
        ("model.version < 3 < 4", "one comparison"),
        ("!-model.version == 3", "expected a value"),
        ("model.version == 0x10", "not of the language"),
        ("model.version == 3u", "not of the language"),
        ("model.name == r'x'", "not of the language"),
        ("model.name == b'x'", "not of the language"),
        ("model.name == '''x'''", "not of the language"),
        ("model.name == 'x", "not of the language"),
        ("model.name == '\\x41'", "no escape"),
        ("model.name = 'x'", "not of the language"),
        ("model.name == 'x';", "not of the language"),
        ("{'a': model.name} == 1", "not of the language"),
        ("model.version == 1e999", "out of range"),
        ("model.version == 9223372036854775808", "out of range"),
        ("mοdel.version == 3", "not of the language"),
        ("model.name == 'a\u202eb'", "cannot be seen"),
        ("model.", "expected a name"),
        ("model.name ==", "expected a value"),
        ("(model.vetted", "expected '\\)'"),
        ("[1, 2][0] == model.version", "only facts have parts"),
        ("model.vetted " + "&& model.vetted " * 200, "longer than|more than"),
        ("(" * 30 + "model.vetted" + ")" * 30, "nested more than"),
        ("!" * 30 + "model.vetted", "nested more than"),
        ("-" * 40 + "model.version == 3", "nested more than"),
    ],
)
def test_what_is_not_of_the_language_is_refused_when_it_is_read(text: str, said: str) -> None:
    with pytest.raises(cel.CelError, match=said):
        cel.parse(text)


def test_what_a_rule_names_is_known_before_any_fact_is() -> None:
    rule = cel.parse(
        'has(metric.a) && metric.a > 1 || model.version in [usecase.n, 2] ? metric["x.y"] == 1 : model.v[0]'
    )
    assert rule.paths == (("metric", "a"), ("model", "version"), ("usecase", "n"), ("metric", "x.y"), ("model", "v", 0))
    assert rule.asked == {("metric", "a")}

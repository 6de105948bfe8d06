"""What a check found beside its value, in words: what its numbers can tell, how many comparisons it made, what other
readings of a rule say, what changed against the champion.

Figures are those that a gate recorded under names of its own. The names of the gates that are shipped are said with
their meaning; any other is printed as it stands, by name and value, so that nothing that was recorded is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tallystick.canonical import Value
from tallystick.records import Entry
from tallystick.report import figures, words
from tallystick.report.facts import Row, Table
from tallystick.report.saying import items, table, within

__all__ = ["apart", "asks_for", "beside", "impact_ratios", "tables"]

_SAME: Final = 1e-9
"""Two values that differ by less were computed from the same rates."""
_MOST_OTHERS: Final = 40
"""Figures of a gate that is not shipped."""
_AS_TABLES: Final = frozenset({"four_fifths", "ll144"})


def asks_for(check: Mapping[str, Value]) -> str:
    """What a metric between groups asks for, in a clause; empty for any other check."""
    from tallystick.policy.metrics import GROUP_METRICS

    name = str(check.get("id")).rpartition("/")[2].partition("[")[0]
    return GROUP_METRICS[name].means if check.get("type") == "bias" and name in GROUP_METRICS else ""


def apart(check: Mapping[str, Value]) -> str:
    """``true positive rate 0.42 (Male) to 0.69 (Female)``: the rates that make the value of a metric between groups.

    Empty where they are withheld, or others than the lowest and the highest were compared.
    """
    from tallystick.policy.metrics import GROUP_METRICS

    metric = GROUP_METRICS.get(str(check.get("id")).rpartition("/")[2].partition("[")[0])
    value = words.numeric(check.get("value"))
    if metric is None or value is None:
        return ""
    members = [one for _, found in figures.of_checks([check]) for one in found if one.judged]
    for name in dict.fromkeys(name for one in members for name in one.rates):
        ordered = sorted((one for one in members if name in one.rates), key=lambda one: one.rates[name].value)
        low, high = (ordered[at].rates[name].value for at in (0, -1))
        made = high - low if metric.form == "difference" else low / high if high else 0.0
        if len(ordered) > 1 and abs(made - value) < _SAME:
            one, other = _told_apart(low, high)
            rate = words.shortened(name.replace("_", " "), 60)
            return f"{rate} {one} ({ordered[0].name}) to {other} ({ordered[-1].name})"
    return ""


def _told_apart(low: float, high: float) -> tuple[str, str]:
    """Two digits of each, more where they would look equal."""
    from tallystick.policy.results import number

    told = number(low), number(high)
    for digits in range(3, 18):
        if told[0] != told[1] or low == high:
            break
        told = f"{low:.{digits}g}", f"{high:.{digits}g}"
    return told


def beside(check: Mapping[str, Value]) -> list[tuple[str, str]]:
    """The figures of a check as pairs of label and text; those that are tables are left to :func:`tables`."""
    found = check.get("figures")
    if not isinstance(found, Mapping):
        return []
    told = [(label, say(check, found)) for name, label, say in _KNOWN if name in found]
    named = {name for name, _, _ in _KNOWN} | _SAID_WITH_ANOTHER | _AS_TABLES
    rest = sorted(name for name in found if name not in named)
    told += [(words.shortened(_plain(name), 60), _other(found[name])) for name in rest[:_MOST_OTHERS]]
    if len(rest) > _MOST_OTHERS:
        told.append(("More figures", f"{words.count(len(rest) - _MOST_OTHERS)}, in the evidence"))
    return told


def _plain(name: str) -> str:
    text = words.visible(name, 80).replace("_", " ")
    return text[:1].upper() + text[1:]


def _other(value: Value) -> str:
    return words.shortened(words.recorded(value), 300)


# --------------------------------------------------------------------------- the figures of the gates that are shipped

Found = Mapping[str, Value]


def _smallest_gap(_check: Found, found: Found) -> str:
    gap, power = words.numeric(found.get("smallest_gap")), words.numeric(found.get("power"))
    if gap is None:
        return "no gap that any two groups can show would be told from none"
    often = f"in {power * 100:g} of 100 tries" if power is not None else "as a rule"
    return (
        f"with these numbers of people, a true gap of {words.number(gap)} between two groups would be found {often}; a "
        "smaller one may go unnoticed"
    )


def _family(check: Found, found: Found) -> str:
    number = _number(found, "family")
    if check.get("type") == "bias":
        return f"{number}; interval and p-value allow for all of them"
    return f"{number}; a failure is claimed only if it holds for all of them at once"


def _p_value(_check: Found, found: Found) -> str:
    return f"p = {_number(found, 'p_value')}: how often chance alone puts some pair so far beyond the limit"


def _claims(_check: Found, found: Found) -> str:
    return f"{_number(found, 'claims')} of this gate; a failure has to stand among all of them (Holm)"


def _expected(_check: Found, found: Found) -> str:
    return f"{_number(found, 'expected_if_calibrated')}, by chance alone with these rows and bins"


def _mean_score(_check: Found, found: Found) -> str:
    return f"{_number(found, 'mean_score')}, against an observed share of {_number(found, 'observed_share')}"


def _slope(_check: Found, found: Found) -> str:
    return f"{_number(found, 'slope')}, standard error {_number(found, 'standard_error')}; below 1: scores too extreme"


def _champion(_check: Found, found: Found) -> str:
    known = found.get("champion")
    if not isinstance(known, Mapping) or "name" not in known:
        return words.absence(known or None) or words.NOT_RECORDED
    name = f"{words.shortened(str(known['name']), 80)}, version {words.said(known.get('version'))}"
    text = f"{name} (entry {words.said(known.get('entry'))})"
    evaluation = known.get("evaluation")
    if evaluation is None:
        return f"{text}; no evaluation on the ledger names these predictions"
    return f"{text}; its predictions are those of entry {words.said(evaluation)}"


def _changed(check: Found, found: Found) -> str:
    n = words.numeric(check.get("n"))
    return f"{_number(found, 'changed')}{f' of {words.count(int(n))} rows' if n else ' rows'}"


def _only_right(_check: Found, found: Found) -> str:
    ours, theirs = _number(found, "only_challenger_right"), _number(found, "only_champion_right")
    return f"{ours} rows that only the challenger has right, {theirs} that only the champion has"


def _mcnemar(_check: Found, found: Found) -> str:
    p = _number(found, "mcnemar_exact_p")
    return f"exact p = {p}: how often two models that are right equally often differ so much; it does not decide"


def _both_values(_check: Found, found: Found) -> str:
    return f"{_number(found, 'challenger_value')}; the champion's {_number(found, 'champion_value')}"


def _became(_check: Found, found: Found) -> str:
    return f"{_number(found, 'became_right')} rows; wrong: {_number(found, 'became_wrong')}"


def _became_favourable(_check: Found, found: Found) -> str:
    return f"{_number(found, 'became_favourable')} rows; unfavourable: {_number(found, 'became_unfavourable')}"


def _unit(_check: Found, found: Found) -> str:
    return f"{words.shortened(words.said(found.get('unit')), 40)}, recorded in entry {words.said(found.get('entry'))}"


def _number(found: Found, name: str) -> str:
    """A number that a gate recorded; whatever else stands there, as it is."""
    value = words.numeric(found.get(name))
    return words.number(value) if value is not None else _other(found.get(name))


_KNOWN: Final[tuple[tuple[str, str, Callable[[Found, Found], str]], ...]] = (
    ("smallest_gap", "These numbers tell", _smallest_gap),
    ("family", "Comparisons", _family),
    ("p_value", "Chance of this", _p_value),
    ("claims", "Checks that claim", _claims),
    ("expected_if_calibrated", "A calibrated score shows", _expected),
    ("mean_score", "Mean score", _mean_score),
    ("slope", "Slope", _slope),
    ("champion", "Champion", _champion),
    ("challenger_value", "Challenger's value", _both_values),
    ("changed", "Decided otherwise", _changed),
    ("only_challenger_right", "Disagreement", _only_right),
    ("mcnemar_exact_p", "McNemar's test", _mcnemar),
    ("became_right", "Became right", _became),
    ("became_favourable", "Became favourable", _became_favourable),
    ("unit", "Unit", _unit),
)
_SAID_WITH_ANOTHER: Final = frozenset(
    {
        "power",
        "observed_share",
        "standard_error",
        "champion_value",
        "only_champion_right",
        "became_wrong",
        "became_unfavourable",
        "entry",
    }
)


# --------------------------------------------------------------------------- rules of law


def tables(check: Mapping[str, Value], evaluation: Entry) -> list[Table]:
    """What a rule of law wants beside the value: the readings of the four-fifths rule, the table of Local Law 144."""
    found = check.get("figures")
    if not isinstance(found, Mapping):
        return []
    name = words.shortened(str(check.get("id")), 80)
    made = [_four_fifths(name, found["four_fifths"], evaluation)] if "four_fifths" in found else []
    return made + ([_categories(name, found["ll144"], evaluation)] if "ll144" in found else [])


def _four_fifths(check: str, readings: Value, evaluation: Entry) -> Table:
    columns = ("Group", "Against", "Ratio", "p", "Test", "Significant", "One person turns it")
    styles = ("text", "text", "number", "number", "text", "short", "short")
    rows = [
        Row(
            (
                _group(line.get("group")),
                _group(line.get("highest")),
                _or_withheld(line, "ratio"),
                _or_withheld(line, "p_value"),
                _test(line),
                words.said(line.get("significant")),
                words.said(line.get("one_person")),
            ),
            (evaluation.seq,),
        )
        for line in items(readings)
        if isinstance(line, Mapping)
    ]
    return table(f"four-fifths-{evaluation.seq}", f"Readings of the four-fifths rule: {check}", columns, styles, rows)


def _test(line: Found) -> str:
    if line.get("test") == "fisher":
        return "Fisher's exact test"
    told = _or_withheld(line, "deviations")
    return "standard deviations withheld" if told == "withheld" else f"{told} standard deviations"


def _categories(check: str, facts: Value, evaluation: Entry) -> Table:
    columns = ("Category", "n", "Selected", "Rate", "Impact ratio", "Excluded")
    styles = ("text", "number", "number", "number", "number", "text")
    why = words.shortened(words.said(within(facts, "justification")), 200)
    rows = [
        Row(
            (
                _group(line.get("category")),
                *(_or_withheld(line, name) for name in ("n", "selected", "selection_rate", "impact_ratio")),
                f"yes: {why}" if line.get("excluded") is True else "no",
            ),
            (evaluation.seq,),
        )
        for line in items(within(facts, "categories"))
        if isinstance(line, Mapping)
    ]
    unknown = "withheld" if within(facts, "unknown") is None else words.said(within(facts, "unknown"))
    rows.append(Row(("unknown category", unknown, "", "", "", "in no figure"), (evaluation.seq,)))
    return table(f"ll144-{evaluation.seq}", f"Impact ratios under Local Law 144: {check}", columns, styles, rows)


def _or_withheld(line: Found, name: str) -> str:
    if line.get(name) is None:
        return "none" if name == "impact_ratio" and line.get("excluded") is True else "withheld"
    return _number(line, name)


def _group(value: Value) -> str:
    """``Female, Black`` for what a gate calls a group."""
    if isinstance(value, Mapping) and words.absence(value) is None:
        told = ("missing" if one is None else words.said(one) for one in value.values())
        return words.shortened(", ".join(told), 60) or "all"
    return words.shortened(words.said(value), 60)


def impact_ratios(check: Mapping[str, Value]) -> list[figures.Figures]:
    """The categories of Local Law 144 as groups whose only rate is the impact ratio; empty for any other check."""
    lines = items(within(check.get("figures"), "ll144", "categories"))
    return [_impact_ratio(line) for line in lines if isinstance(line, Mapping)]


def _impact_ratio(line: Found) -> figures.Figures:
    ratio, n = words.numeric(line.get("impact_ratio")), line.get("n")
    return figures.Figures(
        columns=("category",),
        values=(_group(line.get("category")),),
        n=words.said(n) if n is not None else "withheld",
        rates={"impact_ratio": figures.Rate(ratio, None)} if ratio is not None else {},
        left_out="",
        instead="excluded" if line.get("excluded") is True else "withheld",
    )

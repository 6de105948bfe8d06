"""Sections 6 to 8: what the gates found, group by group, and against the champion.

Values, limits, intervals and reasons are those that the gates recorded; charts draw the same numbers.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Final

from tallystick.canonical import Value
from tallystick.records import Entry
from tallystick.report import charts, figures, measured, plots, words
from tallystick.report.facts import Block, CheckCard, Fact, Facts, Lines, Note, Row, Section, Table
from tallystick.report.saying import (
    MOST_ROWS,
    fact,
    field,
    inside,
    items,
    limits_of,
    section,
    table,
    title,
    value_of,
    who,
    within,
)
from tallystick.report.story import Ground, Story

__all__ = [
    "bias_gate",
    "by_gate",
    "champion",
    "check_table",
    "evaluation_facts",
    "extracts",
    "fairness",
    "hues_of",
    "metrics",
    "policy_facts",
    "protected",
    "tests",
]

_MOST_CARDS: Final = 12
_MOST_GATES: Final = 10
_MOST_RATES: Final = 3
"""Rates of one set of groups that are drawn."""
_LINE: Final = 132
"""Characters that a line of an extract has room for."""
_MOST_LINES: Final = 20_000
"""Check results of one evaluation that are printed; all of them stand in the evidence."""
_WANTS_A_LOOK: Final = frozenset({"fail", "error", "inconclusive", "not_evaluable", "warn", "waived"})


def tests(story: Story) -> Section:
    if not story.grounds:
        return section(6, Note("Evaluation: not recorded. No gate has looked at this version.", "open"))
    blocks: list[Block] = []
    for ground in story.grounds:
        blocks += _one_evaluation(story, ground)
    return section(6, *blocks, *_looks(story))


def _one_evaluation(story: Story, ground: Ground) -> list[Block]:
    evaluation, checks = ground.evaluation, story.checks(ground.evaluation)
    blocks: list[Block] = [policy_facts(story, ground.policy), evaluation_facts(story, ground)]
    if checks is None:
        return [
            *blocks,
            Note("The check results stand in an attachment that is not at hand.", "bad", (evaluation.seq,)),
        ]
    carded = _carded(checks)
    blocks += _results(checks, {id(check) for check in carded}, evaluation)
    for gate, members in by_gate(checks)[:_MOST_GATES]:
        if members[0].get("type") != "bias":
            blocks += _gate_pictures(gate, members, evaluation)
    return blocks + [card(check, evaluation) for check in carded]


def _carded(checks: Sequence[Mapping[str, Value]]) -> list[Mapping[str, Value]]:
    """The checks that want a look, worst first; those of bias gates have theirs in section 7."""
    wanting = [check for check in checks if str(check.get("verdict")) in _WANTS_A_LOOK and check.get("type") != "bias"]
    return sorted(wanting, key=charts.worst_first)[:_MOST_CARDS]


def _results(checks: Sequence[Mapping[str, Value]], carded: set[int], evaluation: Entry) -> list[Block]:
    """The table of results; of very many those that did not pass, and a word on where the others are."""
    if len(checks) <= MOST_ROWS:
        return [check_table(checks, evaluation, without_figures=carded)]
    shown = sorted(_not_passed(checks), key=charts.worst_first)
    blocks: list[Block] = []
    if shown:
        heading = "Check results that did not pass, worst first"
        blocks.append(check_table(shown[:MOST_ROWS], evaluation, without_figures=carded, heading=heading))
    text = f"{words.count(len(shown))} of {words.count(len(checks))} checks did not pass. All are listed in the annex."
    return [*blocks, Note(text, "quiet", (evaluation.seq,))]


def _not_passed(checks: Sequence[Mapping[str, Value]]) -> list[Mapping[str, Value]]:
    return [check for check in checks if check.get("verdict") not in ("pass", "not_applicable")]


def extracts(story: Story) -> tuple[Lines, ...]:
    """For the annex: every check result of an evaluation that has more than a table should hold."""
    found = []
    for ground in story.grounds:
        checks, seq = story.checks(ground.evaluation) or [], ground.evaluation.seq
        if len(checks) > MOST_ROWS:
            lines = tuple(_check_line(check) for check in checks[:_MOST_LINES])
            heading = f"All check results of the evaluation under {title(ground.policy, 'id', 'version')}"
            said = "Verdict, check, value, limits, n, interval; in the order of the policy."
            found.append(Lines(f"extract-{seq}", heading, said, lines, (seq,), len(checks) - len(lines)))
    return tuple(found)


def _check_line(check: Mapping[str, Value]) -> str:
    parts = (
        words.shortened(str(check.get("verdict")), 16).replace("_", " "),
        words.shortened(str(check.get("id")), 80),
        value_of(check),
        limits_of(check),
        f"n = {words.said(check.get('n'))}",
        _interval(check) if _method_of(check) else "",
    )
    return words.shortened(" · ".join(part for part in parts if part), _LINE)


def policy_facts(story: Story, policy: Entry | None) -> Facts:
    return Facts(
        f"policy-{policy.seq if policy else 'none'}",
        f"Policy {title(policy, 'id', 'version')}",
        (
            field(policy, "Policy", "id"),
            field(policy, "Version", "version"),
            field(policy, "Stage", "stage"),
            field(policy, "Author", "author", say=lambda actor: who(story, actor)),
            field(policy, "Approver", "approver", say=lambda actor: who(story, actor)),
            field(policy, "In force from", "effective_from", say=words.day),
            fact(policy, "Published", policy.recorded_at if policy else None, say=words.day),
            fact(
                policy,
                "Planned checks",
                len(items(story.book.field(policy, "plan"))) if policy else None,
                style="number",
            ),
            field(policy, "Digest", "digest", style="digest"),
        ),
    )


def evaluation_facts(story: Story, ground: Ground) -> Facts:
    entry, decision = ground.evaluation, ground.decision
    return Facts(
        f"evaluation-{entry.seq}",
        "Evaluation and decision",
        (
            field(entry, "Verdict of the evaluation", "verdict"),
            field(decision, "Decision", "verificationResult", say=lambda result: _decided(decision, result)),
            field(decision, "Results", "results"),
            fact(entry, "Evaluated", entry.recorded_at, say=words.day),
            inside(entry, "Recorded evaluations of this use case", "attempt", "usecase", style="number"),
            inside(entry, "Recorded looks at this test data", "attempt", "data", style="number"),
            _order(story, ground),
            field(entry, "Engine and seed", "engine", say=lambda engine: _engine(entry, engine)),
            field(entry, "Tools", "tools"),
        ),
    )


def _decided(decision: Entry | None, result: Value) -> str:
    """``PASSED``; beside a verdict that warns, with a word on why."""
    warned = decision is not None and decision.body.get("verdict") == "warn" and result == "PASSED"
    return f"{words.said(result)}: a warning does not refuse" if warned else words.said(result)


def _order(story: Story, ground: Ground) -> Fact:
    """Whether the thresholds stood before anybody could have known a result on these data."""
    scored = story.scored_before(ground)
    text = "before these data were first scored, as far as this ledger knows"
    if scored is not None:
        text = f"after these data were first scored, in entry {scored.seq}"
    return fact(ground.policy, "Policy published", text)


def _engine(entry: Entry, engine: Value) -> str:
    return f"{words.said(engine)}, seed {words.said(entry.body.get('seed'))}"


def _interval(check: Mapping[str, Value]) -> str:
    interval = check.get("interval")
    low, high = words.numeric(within(interval, "low")), words.numeric(within(interval, "high"))
    if low is None or high is None:
        return "none"
    return f"{words.number(low)} to {words.number(high)}"


def _method_of(check: Mapping[str, Value]) -> str:
    """How the interval was made, ``95 % interval, Wilson``; empty without an interval."""
    interval = check.get("interval")
    if words.numeric(within(interval, "low")) is None:
        return ""
    confidence = words.numeric(within(interval, "confidence"))
    method = words.shortened(str(within(interval, "method") or ""), 60).replace("_", " ")
    return ", ".join(
        part for part in (f"{confidence * 100:g} % interval" if confidence else "interval", method) if part
    )


def check_table(
    checks: Sequence[Mapping[str, Value]],
    evaluation: Entry,
    *,
    without_figures: Container[int] = (),
    heading: str = "Check results",
) -> Table:
    """Checks of an evaluation: verdict, value, limits, number of people, interval.

    Args:
        without_figures: the ``id()`` of those whose figures stand in a card of their own.
    """
    rows = [
        _check_row(check, evaluation, with_figures=id(check) not in without_figures and check.get("type") != "bias")
        for check in checks
    ]
    columns = ("Check", "Verdict", "Value", "Limits", "n", "Interval", "Replay")
    styles = ("code", "verdict", "number", "text", "number", "short", "short")
    return table(f"checks-{evaluation.seq}", heading, columns, styles, rows)


def _check_row(check: Mapping[str, Value], evaluation: Entry, *, with_figures: bool) -> Row:
    verdict, method = words.shortened(str(check.get("verdict")), 16), _method_of(check)
    cells = (
        words.shortened(str(check.get("id")), 80),
        verdict,
        value_of(check),
        limits_of(check),
        words.said(check.get("n")),
        _interval(check),
        words.shortened(str(check.get("replay")), 24),
    )
    told = [words.shortened(str(check.get("reason") or ""), 300), method]
    if with_figures:
        told += [f"{label}: {text}" for label, text in measured.beside(check)]
        told.append(f"asked for because: {words.shortened(str(check['because']), 300)}" if check.get("because") else "")
    return Row(cells, (evaluation.seq,), " · ".join(part for part in told if part))


def by_gate(checks: Sequence[Mapping[str, Value]]) -> list[tuple[str, list[Mapping[str, Value]]]]:
    found: dict[str, list[Mapping[str, Value]]] = {}
    for check in checks:
        found.setdefault(words.shortened(str(check.get("gate")), 60), []).append(check)
    return list(found.items())


def _gate_pictures(gate: str, checks: Sequence[Mapping[str, Value]], evaluation: Entry) -> list[Block]:
    if checks[0].get("type") == "schema":
        return [charts.strip(gate, checks, evaluation.seq)]
    drawn = charts.thresholds(gate, [check for check in checks if not _compares(check)], evaluation.seq)
    blocks: list[Block] = [drawn] if drawn is not None else []
    bins = [found for columns, found in figures.of_checks(checks) if columns == "score"]
    for members in bins[:1]:
        diagram = plots.reliability(gate, members, evaluation.seq)
        blocks += [diagram] if diagram is not None else []
        blocks.append(_groups_table(f"{gate}, by score", members, ["mean_score", "observed_share"], evaluation))
    return blocks


def _compares(check: Mapping[str, Value]) -> bool:
    """Whether a check holds the model against the champion: section 8 draws those."""
    return "champion" in (check.get("figures") or {}) and ".versus" in str(check.get("id"))


def card(check: Mapping[str, Value], evaluation: Entry) -> CheckCard:
    """A check in words; what the policy and the gate gave no words for is left out, numbers never are."""
    told = [
        ("Value", f"{value_of(check)} ({limits_of(check)})", "number"),
        ("Interval", ", ".join(part for part in (_interval(check), _method_of(check)) if part), "number"),
        ("n", words.said(check.get("n")), "number"),
        *((label, words.visible(str(check[name])), "text") for label, name in _WORDS if check.get(name)),
        *((label, text, "text") for label, text in [("It asks that", measured.asks_for(check))] if text),
        *((label, text, "text") for label, text in measured.beside(check)),
    ]
    facts = tuple(Fact(label, text, evaluation.seq, evaluation.basis, style=style) for label, text, style in told)
    id, verdict = words.shortened(str(check.get("id")), 80), words.shortened(str(check.get("verdict")), 16)
    return CheckCard(id, verdict, facts, evaluation.seq)


_WORDS: Final = (
    ("In words", "reason"),
    ("What to look at", "advice"),
    ("Why this criterion", "because"),
)


def _looks(story: Story) -> list[Block]:
    """Earlier evaluations of the use case that did not pass, with what the ledger says of them."""
    if not story.earlier_failures:
        return [Note("No earlier recorded evaluation of this use case under these policies failed.", "quiet")]
    rows = []
    for entry in story.earlier_failures:
        found = story.explanation(entry)
        model = story.book.find(entry.body.get("model"))
        text = words.shortened(found[0], 300) if found else "not explained"
        cells = (
            words.day(entry.recorded_at),
            title(model, "name", "version"),
            words.said(entry.body.get("verdict")),
            text,
        )
        rows.append(Row(cells, (entry.seq, found[1].seq) if found else (entry.seq,)))
    columns, styles = ("When", "Model", "Verdict", "Explanation on the ledger"), ("text", "text", "verdict", "text")
    return [table("failures", "Earlier evaluations that did not pass", columns, styles, rows)]


def fairness(story: Story) -> Section:
    blocks: list[Block] = [protected(story.model)]
    for ground in story.grounds:
        bias = [c for c in story.checks(ground.evaluation) or () if c.get("type") == "bias"]
        hues = hues_of(bias)
        for gate, checks in by_gate(bias)[:_MOST_GATES]:
            blocks += bias_gate(gate, checks, ground.evaluation, hues)
    if len(blocks) == 1:
        blocks.append(Note("Bias check: not recorded.", "open"))
    else:
        blocks.append(Note(_EMPLOYMENT if _draws_the_rule(blocks) else _FOUR_FIFTHS, "quiet"))
    return section(7, *blocks)


_EMPLOYMENT: Final = (
    "The dashed line at four fifths is that of an employment rule, shown for illustration; the limit that counts is "
    "the policy's."
)
_FOUR_FIFTHS: Final = "Four fifths is the line of an employment rule; it counts here only where the policy names it."


def _draws_the_rule(blocks: Sequence[Block]) -> bool:
    return any(kind == "rule" for block in blocks if isinstance(block, charts.Groups) for _, _, kind, _ in block.guides)


def hues_of(checks: Sequence[Mapping[str, Value]]) -> dict[str, int]:
    """A colour for each group, the same under every metric: in the order in which an evaluation names the groups."""
    found: dict[str, int] = {}
    for _, members in figures.of_checks(checks):
        for index, item in enumerate(members):
            found.setdefault(item.name, index)
    return found


def protected(model: Entry) -> Facts:
    return Facts(
        "protected",
        "Protected attributes",
        (
            inside(model, "Protected attributes at prediction", "features", "protected"),
            inside(model, "Features used at prediction", "features", "used"),
        ),
    )


def bias_gate(
    gate: str, checks: Sequence[Mapping[str, Value]], evaluation: Entry, hues: Mapping[str, int]
) -> list[Block]:
    """
    Args:
        hues: as :func:`hues_of` gives them for all bias checks of the evaluation.
    """
    blocks: list[Block] = []
    drawn = charts.thresholds(gate, checks, evaluation.seq)
    if drawn is not None:
        blocks.append(drawn)
    for columns, members in figures.of_checks(checks)[:_MOST_GATES]:
        blocks += _groups(f"{gate}, by {columns}", members, _ratio_limit(checks), evaluation, hues)
    for check in sorted(checks, key=charts.worst_first)[:_MOST_CARDS]:
        blocks += [card(check, evaluation), *_law(check, evaluation, hues)]
    if len(checks) > _MOST_CARDS:
        text = f"{len(checks) - _MOST_CARDS} more checks of {gate} stand in the table of section 6."
        blocks.append(Note(text, "quiet", (evaluation.seq,)))
    return blocks


def _law(check: Mapping[str, Value], evaluation: Entry, hues: Mapping[str, int]) -> list[Block]:
    """What a rule of law wants to see beside the value."""
    blocks: list[Block] = []
    ratios = measured.impact_ratios(check)
    if ratios:
        at = charts.limit(within(check.get("threshold"), "fail_if"))
        name = words.shortened(str(check.get("id")), 60)
        drawn = charts.groups(name, ratios, rate="impact_ratio", at=at, hues=hues, entry=evaluation.seq)
        blocks += [drawn] if drawn is not None else []
    return [*blocks, *measured.tables(check, evaluation)]


def _groups(
    heading: str,
    members: list[figures.Figures],
    limit: charts.Limit | None,
    evaluation: Entry,
    hues: Mapping[str, int],
) -> list[Block]:
    """Bars of the first few rates, the selection rates before all, and a table of all rates."""
    names = list(dict.fromkeys(name for item in members for name in item.rates))
    names.sort(key=lambda name: name != _SELECTION)
    blocks: list[Block] = []
    for name in names[:_MOST_RATES]:
        bars = charts.groups(
            heading, members, rate=name, policy=limit, share=name == _SELECTION, hues=hues, entry=evaluation.seq
        )
        blocks += [bars] if bars is not None else []
    blocks.append(_groups_table(heading, members, names[:5], evaluation))
    return blocks


_SELECTION: Final = "selection_rate"


def _ratio_limit(checks: Sequence[Mapping[str, Value]]) -> charts.Limit | None:
    """The smallest ratio of selection rates that the policy allows, if a check of the gate sets one."""
    for check in checks:
        id = str(check.get("id")).lower().replace("-", "_")
        found = charts.limit(within(check.get("threshold"), "fail_if"))
        ratio = "dpr" in id or "parity_ratio" in id
        if ratio and found is not None and found.below and 0 < found.at <= 1:
            return found
    return None


def _groups_table(heading: str, members: list[figures.Figures], names: list[str], evaluation: Entry) -> Table:
    left_out = any(item.left_out for item in members)
    columns = ("Group", "n", *(_column(name) for name in names), *(("Left out",) if left_out else ()))
    styles = ("text", "number", *("text" for _ in columns[2:]))
    rows = []
    for item in members:
        rates = [str(item.rates[name]) if name in item.rates else "not evaluable" for name in names]
        rows.append(Row((item.name, item.n, *rates, *((item.left_out,) if left_out else ())), (evaluation.seq,)))
    return table(f"groups-{evaluation.seq}", f"Groups of {heading}", columns, styles, rows)


def _column(name: str) -> str:
    """``Selection rate`` for ``selection_rate``, ``TPR`` for ``tpr``."""
    text = words.shortened(name.replace("_", " "), 24)
    return text.upper() if len(text) <= 3 else text[:1].upper() + text[1:]


def champion(story: Story) -> Section:
    champion = story.champion
    if champion is None:
        first = story.promotions[-1] if story.promotions else None
        reason = words.absence(first.body.get("replaces")) if first is not None else None
        text = (
            f"Champion: {reason}." if reason else "Champion: none. No version of this model was in production before."
        )
        note = Note(text, "quiet", (first.seq,) if first is not None else ())
        return section(8, note, *_compared(story), *metrics(story))
    old = story.evaluated(champion.body.get("digest"))
    theirs = {str(c.get("id")): c for c in (story.checks(old[-1]) or ())} if old else {}
    mine = [(check, ground) for ground in story.grounds for check in story.checks(ground.evaluation) or ()]
    rows = [
        Row(
            (
                words.shortened(str(check.get("id")), 80),
                _with_verdict(theirs[str(check.get("id"))]),
                _with_verdict(check),
            ),
            (old[-1].seq, ground.evaluation.seq),
        )
        for check, ground in mine
        if str(check.get("id")) in theirs
    ]
    heading = f"Champion: version {words.said(champion.body.get('version'))}"
    columns = ("Check", "Champion", "This version")
    side: list[Block] = [table("champion", heading, columns, ("code", "number", "number"), rows)] if rows else []
    if not old:
        side.append(Note(f"{heading}. Its evaluation is not recorded.", "open", (champion.seq,)))
    elif len(rows) < len(mine):
        rest = words.plural(len(mine) - len(rows), "check")
        text = f"{heading}. Its last evaluation has no result of {rest} of this version."
        side.append(Note(text, "quiet", (old[-1].seq,)))
    return section(8, *_compared(story), *side, *metrics(story))


def _with_verdict(check: Mapping[str, Value]) -> str:
    return f"{value_of(check)} ({words.shortened(str(check.get('verdict')), 16)})"


def _compared(story: Story) -> list[Block]:
    """The comparisons that gates made on the same rows, a picture for each metric."""
    blocks: list[Block] = []
    for ground in story.grounds:
        found: dict[str, list[Mapping[str, Value]]] = {}
        for check in story.checks(ground.evaluation) or ():
            if _compares(check):
                found.setdefault(str(check.get("id")).partition(".versus")[0], []).append(check)
        for metric, checks in list(found.items())[:_MOST_GATES]:
            drawn = charts.gains(words.shortened(metric, 60), checks, ground.evaluation.seq)
            blocks += [drawn] if drawn is not None else []
            blocks += [card(check, ground.evaluation) for check in checks[:_MOST_CARDS]]
    return blocks


def metrics(story: Story) -> list[Block]:
    rows = [
        Row(
            (
                words.shortened(words.said(within(e.body, "definition", "name")), 60),
                words.shortened(words.said(e.body.get("value")), 40),
                words.shortened(words.said(e.body.get("unit")), 24),
                words.shortened(words.said(e.body.get("slice")), 60),
                words.said(e.body.get("n")),
            ),
            (e.seq,),
        )
        for e in story.metrics
    ]
    columns, styles = ("Metric", "Value", "Unit", "Slice", "n"), ("text", "number", "text", "text", "number")
    return [table("metrics", "Recorded metrics", columns, styles, rows)] if rows else []

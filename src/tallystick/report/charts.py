"""Where things stand in a picture: plain geometry, drawn by the macros of ``templates/report/charts.html.j2``.

Units are those of the pictures' own view boxes, 680 wide. Every picture has a title and a description that says in
words what it shows; shape and label carry the meaning, colour only repeats it, so that it survives grey print.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tallystick.canonical import Value
from tallystick.people import rules
from tallystick.policy.metrics import RATES
from tallystick.report import words
from tallystick.report.figures import Figures, of_checks

__all__ = [
    "WIDTH",
    "Bar",
    "Box",
    "Groups",
    "Limit",
    "Lineage",
    "Node",
    "Strip",
    "Thresholds",
    "gains",
    "groups",
    "limit",
    "lineage",
    "own_part",
    "strip",
    "thresholds",
    "worst_first",
]

WIDTH: Final = 680
_LABEL: Final = 176
"""Width of the column of labels; the axis begins after it."""
_AXIS: Final = 330
_ROW: Final = 44
_MOST_ROWS: Final = 16
_MOST_BARS: Final = 24
_MOST_MARKS: Final = 340
_MOST_SIGNS: Final = 5
_BAR: Final = 21
_BARS_LEFT: Final = 236
_BARS: Final = 370
"""Where bars begin, and how long they may be."""
_FOUR_FIFTHS: Final = 0.8
_LIMIT = re.compile(r"\s*(<=|>=|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*(%?)\s*")


# --------------------------------------------------------------------------- values against thresholds


@dataclass(frozen=True)
class Limit:
    """A threshold such as ``< 0.80``: the zone that it names lies below or above a number."""

    below: bool
    at: float
    text: str


def limit(text: Value) -> Limit | None:
    """Read a threshold; None if it is not of the form that can be drawn."""
    match = _LIMIT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    at = float(match[2]) / (100 if match[3] else 1)
    return Limit(match[1] in ("<", "<="), at, f"{match[1]} {match[2]}{match[3]}")


_THRESHOLDS: Final = ("fail_if", "warn_if")

_Place = Callable[[float], float]
"""From a number to its position on an axis."""


@dataclass(frozen=True)
class Line:
    """One check in a chart of thresholds: positions on its own axis."""

    y: int
    label: str
    verdict: str
    value: str
    at: float
    whisker: tuple[float, float] | None
    fail_zone: tuple[float, float] | None
    warn_zone: tuple[float, float] | None
    marks: tuple[tuple[float, str, str], ...]
    """Thresholds: position, text, and ``start``, ``middle`` or ``end`` for the anchor of the text."""
    ends: tuple[str, str]
    """The numbers at both ends of the axis."""


@dataclass(frozen=True)
class Thresholds:
    title: str
    description: str
    height: int
    lines: tuple[Line, ...]
    entries: tuple[int, ...]
    left: int = _LABEL
    width: int = _AXIS
    kind: str = field(default="thresholds", init=False)


def thresholds(title: str, checks: Sequence[Mapping[str, Value]], entry: int) -> Thresholds | None:
    """A dot, a whisker and the limits for each check that has a number and a threshold; None if none has."""
    drawable = [check for check in checks if _limits(check) and words.numeric(check.get("value")) is not None]
    if not drawable:
        return None
    lines = tuple(_line(check, index * _ROW, title) for index, check in enumerate(drawable[:_MOST_ROWS]))
    told = "; ".join(f"{line.label} {line.value} ({line.verdict})" for line in lines)
    more = f" {len(drawable) - len(lines)} more are in the table." if len(drawable) > len(lines) else ""
    description = f"Each check's value with its interval against its limits: {told}.{more}"
    return Thresholds(f"Values against thresholds: {title}", description, len(lines) * _ROW + 2, lines, (entry,))


def _limits(check: Mapping[str, Value]) -> list[Limit]:
    threshold = check.get("threshold")
    if not isinstance(threshold, Mapping):
        return []
    found = [limit(threshold.get(name)) for name in _THRESHOLDS]
    return [item for item in found if item is not None]


def gains(title: str, checks: Sequence[Mapping[str, Value]], entry: int) -> Thresholds | None:
    """Champion against challenger: gains with interval and margin, all on one axis that shows where the two are equal.

    Args:
        checks: of one metric: over everyone, then by groups. Each group of a check is a line of its own, without a
            verdict, because none was recorded for it alone.
    """
    given = [one for check in checks for one in (check, *_within(check))]
    drawable = [check for check in given if words.numeric(check.get("value")) is not None][:_MOST_ROWS]
    if not drawable:
        return None
    domain = _domain([0.0, *(number for check in drawable for number in _numbers(check))])
    lines = tuple(_line(check, index * _ROW, title, domain, equal=True) for index, check in enumerate(drawable))
    told = "; ".join(f"{line.label} {line.value}{f' ({line.verdict})' if line.verdict else ''}" for line in lines)
    more = f" {len(given) - len(lines)} more are not drawn." if len(given) > len(lines) else ""
    description = f"The challenger's gain over the champion, with its interval against the margin: {told}.{more}"
    return Thresholds(f"Champion against challenger: {title}", description, len(lines) * _ROW + 2, lines, (entry,))


def _within(check: Mapping[str, Value]) -> list[Mapping[str, Value]]:
    """The groups of a comparison as lines of a chart."""
    found = [figure for _, members in of_checks([check]) for figure in members]
    return [
        {
            "id": figure.name,
            "value": figure.rates["gain"].value,
            "interval": dict(zip(("low", "high"), figure.rates["gain"].interval or (), strict=False)),
            "threshold": check.get("threshold"),
            "verdict": "",
        }
        for figure in found
        if "gain" in figure.rates
    ]


def _numbers(check: Mapping[str, Value]) -> list[float]:
    """All that an axis has to hold for a check."""
    return [words.numeric(check.get("value")) or 0.0, *(_bounds(check) or ()), *(item.at for item in _limits(check))]


def _line(
    check: Mapping[str, Value],
    y: int,
    gate: str,
    domain: tuple[float, float] | None = None,
    *,
    equal: bool = False,
) -> Line:
    value = words.numeric(check.get("value")) or 0.0
    bounds = _bounds(check)
    threshold = check.get("threshold")
    fail, warn = (limit(threshold.get(name)) if isinstance(threshold, Mapping) else None for name in _THRESHOLDS)
    low, high = domain or _domain(_numbers(check))

    def place(number: float) -> float:
        return round(_LABEL + _AXIS * (min(max(number, low), high) - low) / (high - low), 1)

    marks = _marks(fail, warn, place)
    if equal:
        marks = (*((at, text, "end") for at, text, _ in marks), (place(0.0), "equal", "start"))
    return Line(
        y=y,
        label=words.shortened(own_part(str(check.get("id")), gate), 32),
        verdict=words.shortened(str(check.get("verdict")), 16),
        value=words.number(value, *(item.at for item in (fail, warn) if item)),
        at=place(value),
        whisker=(place(bounds[0]), place(bounds[1])) if bounds else None,
        fail_zone=_zone(fail, place),
        warn_zone=_zone(warn, place),
        marks=marks,
        ends=(words.ticked(low), words.ticked(high)),
    )


def own_part(id: str, gate: str) -> str:
    """A check's id without the gate's, for where the gate is known."""
    rest = id.removeprefix(gate)
    return rest[1:] if rest != id and rest[:1] in ("/", ".") else id


def _bounds(check: Mapping[str, Value]) -> tuple[float, float] | None:
    interval = check.get("interval")
    if not isinstance(interval, Mapping):
        return None
    low, high = words.numeric(interval.get("low")), words.numeric(interval.get("high"))
    return None if low is None or high is None else (min(low, high), max(low, high))


def _domain(numbers: Sequence[float]) -> tuple[float, float]:
    """An axis around all numbers, with a quarter of their spread to each side; shares stay within 0 and 1."""
    low, high = min(numbers), max(numbers)
    pad = (high - low) / 4 or abs(high) / 4 or 1.0
    if low >= 0 and high <= 1:
        return max(0.0, low - pad), min(1.0, high + pad)
    return (max(0.0, low - pad) if low >= 0 else low - pad), high + pad


def _zone(edge: Limit | None, place: _Place) -> tuple[float, float] | None:
    if edge is None:
        return None
    start, end = (_LABEL, place(edge.at)) if edge.below else (place(edge.at), _LABEL + _AXIS)
    return float(start), round(end - start, 1)


def _marks(fail: Limit | None, warn: Limit | None, place: _Place) -> tuple[tuple[float, str, str], ...]:
    """The limits' labels; where both are close their texts are set to the two sides."""
    found = [(place(item.at), f"{word} {item.text}") for item, word in ((fail, "fails"), (warn, "warns")) if item]
    if len(found) == 2 and abs(found[0][0] - found[1][0]) < 96:
        (a, first), (b, second) = sorted(found)
        return (a, first, "end"), (b, second, "start")
    return tuple((at, text, "middle") for at, text in found)


# --------------------------------------------------------------------------- groups


@dataclass(frozen=True)
class Bar:
    y: int
    label: str
    n: str
    width: float
    whisker: tuple[float, float] | None
    """Ends of the interval."""
    value: str
    hue: int
    """The group's own, the same in every picture of an evaluation: an index into the colours of the templates."""


@dataclass(frozen=True)
class Groups:
    title: str
    description: str
    height: int
    bars: tuple[Bar, ...]
    guides: tuple[tuple[float, str, str, str], ...]
    """Vertical lines: position, text, ``policy`` or ``rule``, and the anchor of the text."""
    scale: tuple[tuple[float, str], ...]
    """Numbers on the axis below the bars, from 0 to its end: position and text."""
    counted: str
    """Whom n counts."""
    entries: tuple[int, ...]
    left: int = _BARS_LEFT
    width: int = _BARS
    kind: str = field(default="groups", init=False)


def groups(
    title: str,
    figures: Sequence[Figures],
    *,
    rate: str,
    policy: Limit | None = None,
    share: bool = False,
    at: Limit | None = None,
    hues: Mapping[str, int] = MappingProxyType({}),
    entry: int,
) -> Groups | None:
    """Bars of one rate, highest first, with the n that it stands on and, for selection rates, the line at a share of
    the highest.

    Args:
        rate: name of the rate; None comes back where no group has it.
        policy: the limit of the policy on the ratio to the highest rate, if it sets one.
        share: whether to draw that line.
        at: a limit on the rate itself.
        hues: each group's own colour, by its name.
    """
    known = sorted((item for item in figures if rate in item.rates), key=lambda item: -item.rates[rate].value)
    if not known:
        return None
    end = _rounded_up(max(max(item.rates[rate].value, *(item.rates[rate].interval or (0.0, 0.0))) for item in known))
    highest = next((item for item in known if item.judged), known[0]).rates[rate].value
    scale = _BARS / end
    ordered = [*known, *(item for item in figures if rate not in item.rates)][:_MOST_BARS]
    guides = _guides(highest, scale, policy) if share and highest > 0 else ()
    if at is not None and 0 < at.at <= end:
        guides = (*guides, (round(_BARS_LEFT + at.at * scale, 1), f"policy: fails {at.text}", "policy", "end"))
    above = 26 if guides else 4
    bars = tuple(_bar(item, rate, above + i * _BAR, scale, hues.get(item.name, 0)) for i, item in enumerate(ordered))
    counted = f"n: {RATES[rate].of}" if rate in RATES else ""
    told = "; ".join(f"{bar.label} {bar.value} (n = {bar.n})" for bar in bars)
    name = words.shortened(rate.replace("_", " "), 40)
    description = f"{name.capitalize()} by group, highest first: {told}.{f' {counted}.' if counted else ''}"
    return Groups(
        title=f"{name.capitalize()}: {title}",
        description=description,
        height=above + len(bars) * _BAR + 18,
        bars=bars,
        guides=guides,
        scale=tuple((round(_BARS_LEFT + at * _BARS, 1), words.ticked(at * end)) for at in (0.0, 0.5, 1.0)),
        counted=counted,
        entries=(entry,),
    )


def _rounded_up(top: float) -> float:
    """The end of an axis: a round number that is not below ``top``."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top))
    return next(round(step * power, 12) for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if step * power >= top)


def _bar(item: Figures, rate: str, y: int, scale: float, hue: int) -> Bar:
    found = item.rates.get(rate)
    ends = found.interval if found else None
    return Bar(
        y=y,
        label=words.shortened(item.name, 30),
        n=(found.n if found else "") or item.n,
        width=round(max(found.value, 0.0) * scale, 1) if found else 0.0,
        whisker=(round(_BARS_LEFT + ends[0] * scale, 1), round(_BARS_LEFT + ends[1] * scale, 1)) if ends else None,
        value=words.number(found.value) if found else words.shortened(item.instead, 16),
        hue=hue,
    )


def _guides(top: float, scale: float, policy: Limit | None) -> tuple[tuple[float, str, str, str], ...]:
    """The policy's limit, and four fifths where that is another: then it is a rule that nobody here set."""

    def guide(share: float, text: str, kind: str, anchor: str) -> tuple[float, str, str, str]:
        return round(_BARS_LEFT + top * share * scale, 1), text, kind, anchor

    found = [] if policy is None else [guide(policy.at, f"policy: fails {policy.text} of the highest", "policy", "end")]
    if policy is None or policy.at != _FOUR_FIFTHS:
        side = "start" if policy is not None and policy.at < _FOUR_FIFTHS else "end"
        found.append(guide(_FOUR_FIFTHS, "four fifths, not the policy's", "rule", side))
    return tuple(found)


# --------------------------------------------------------------------------- many small checks


@dataclass(frozen=True)
class Strip:
    title: str
    description: str
    height: int
    cells: tuple[tuple[int, int, str, str], ...]
    """x, y, verdict and label (empty where there are too many to label)."""
    legend: tuple[tuple[int, str, str], ...]
    """What the marks mean: x, verdict, and the verdict with its number in words."""
    entries: tuple[int, ...]
    kind: str = field(default="strip", init=False)


def strip(title: str, checks: Sequence[Mapping[str, Value]], entry: int) -> Strip:
    """A mark for each check: in two labelled columns up to twelve, a dense strip beyond; of very many the worst."""
    labelled = len(checks) <= 12
    cells = []
    shown = checks if len(checks) <= _MOST_MARKS else sorted(checks, key=worst_first)[:_MOST_MARKS]
    for index, check in enumerate(shown):
        x, y = (index % 2 * 340, index // 2 * 20) if labelled else (index % 34 * 20, index // 34 * 20)
        label = words.shortened(str(check.get("id")), 52) if labelled else ""
        cells.append((x, y, words.shortened(str(check.get("verdict")), 16), label))
    verdicts = [words.shortened(str(check.get("verdict")), 16) for check in checks]
    counted = [(word, f"{words.count(verdicts.count(word))} {word}") for word in dict.fromkeys(verdicts)]
    told = ", ".join(text for _, text in counted)
    legend = tuple(
        (124 + 104 * i, word, text.replace("_", " ")) for i, (word, text) in enumerate(counted[:_MOST_SIGNS])
    )
    height = (cells[-1][1] if cells else 0) + 42
    more = f" The worst {len(cells)} are drawn." if len(checks) > len(cells) else ""
    heading = f"Checks: {title}{f', the worst {len(cells)} of {words.count(len(checks))}' if more else ''}"
    description = f"Results of {words.plural(len(checks), 'check')}, a mark for each: {told}.{more}"
    return Strip(heading, description, height, tuple(cells), legend, (entry,))


def worst_first(check: Mapping[str, Value]) -> int:
    """To sort checks by: those that are worst come first, those alike keep their order."""
    verdict = str(check.get("verdict"))
    return -(rules.SEVERITY.index(verdict) if verdict in rules.SEVERITY else len(rules.SEVERITY))


# --------------------------------------------------------------------------- lineage


@dataclass(frozen=True)
class Node:
    """A step of the lineage before it has a place."""

    id: str
    kind: str
    name: str
    digest: str
    entry: int | None
    """None for a step that is not recorded, and for steps left out: drawn dashed, the name says which."""
    tone: str = ""


@dataclass(frozen=True)
class Box:
    x: int
    y: int
    node: Node


@dataclass(frozen=True)
class Lineage:
    title: str
    description: str
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[str, ...]
    """Paths, without their heads."""
    heads: tuple[tuple[int, int, str], ...]
    """Points of the arrows, and ``right`` or ``down``."""
    entries: tuple[int, ...]
    box_width: int = 118
    box_height: int = 46
    kind: str = field(default="lineage", init=False)


_COLUMN: Final = 140
_STEP: Final = 56


def lineage(columns: Sequence[Sequence[Node]], wires: Sequence[tuple[str, str]]) -> Lineage:
    """Boxes in two bands, arrows between them.

    Args:
        columns: eight columns: inputs, run, model; then what the evaluation used, evaluation, decision,
            approvals, promotions, which stand in the lower band.
        wires: pairs of node ids, from and to. An id stands in one band only: what both bands use is two nodes.
    """
    upper, lower = list(columns[:3]), list(columns[3:])
    tall = max(len(column) for column in upper)
    boxes = _band(upper, 0, tall) + _band(lower, tall * _STEP + 26, max(len(column) for column in lower))
    place = {box.node.id: box for box in boxes}
    drawn = [_arrow(place[a], place[b]) for a, b in wires if a in place and b in place]
    arrows, heads = tuple(path for path, _ in drawn), tuple(dict.fromkeys(head for _, head in drawn))
    entries = tuple(sorted({box.node.entry for box in boxes if box.node.entry is not None}))
    told = "; ".join(_told(box.node) for box in boxes)
    height = max(box.y for box in boxes) + 48
    return Lineage("How the model came about", f"Lineage: {told}.", height, tuple(boxes), arrows, heads, entries)


def _band(columns: Sequence[Sequence[Node]], top: int, rows: int) -> list[Box]:
    """Each column centred in its band."""
    found = []
    for position, column in enumerate(columns):
        start = top + (rows - len(column)) * _STEP // 2
        found += [Box(1 + position * _COLUMN, start + 1 + i * _STEP, node) for i, node in enumerate(column)]
    return found


def _told(node: Node) -> str:
    return f"{node.kind} {node.name} [{node.entry}]" if node.entry is not None else f"{node.kind}: {node.name}"


def _arrow(start: Box, end: Box) -> tuple[str, tuple[int, int, str]]:
    """From the right side to the left side; from the upper band down to the lower by an elbow."""
    if start.x < end.x:
        x1, y1, x2, y2 = start.x + 118, start.y + 23, end.x, end.y + 23
        path = f"M{x1} {y1}H{x2 - 11}V{y2}H{x2 - 4}" if y1 != y2 else f"M{x1} {y1}H{x2 - 4}"
        return path, (x2, y2, "right")
    x1, x2 = start.x + 59, end.x + 59
    return f"M{x1} {start.y + 46}V{end.y - 15}H{x2}V{end.y - 4}", (x2, end.y, "down")

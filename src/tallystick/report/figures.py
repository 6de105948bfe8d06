"""The figures of groups, as bias gates record them: read once, for tables and for charts.

A group's line holds ``group`` (column to value), ``n`` (null where the number could single somebody out), ``rates``
(name to ``value`` and ``interval``; or the numbers beside ``n`` by name), and ``left_out`` with the reason where the
gate could not judge it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tallystick.canonical import Value
from tallystick.report import words

__all__ = ["Figures", "Rate", "of_checks"]

_NOT_RATES = frozenset({"group", "n", "rates", "evaluated", "left_out", "note"})


@dataclass(frozen=True)
class Rate:
    """A share of a group, with its interval if there is one."""

    value: float
    interval: tuple[float, float] | None
    n: str = ""
    """How many people it stands on, in words; empty where that was not recorded."""

    def __str__(self) -> str:
        ends = f" ({words.number(self.interval[0])} to {words.number(self.interval[1])})" if self.interval else ""
        return f"{words.number(self.value)}{ends}"


@dataclass(frozen=True)
class Figures:
    """One group."""

    columns: tuple[str, ...]
    values: tuple[str, ...]
    n: str
    """The number of its members in words; ``withheld`` where it was left out for being small."""
    rates: Mapping[str, Rate]
    left_out: str
    """Why a check of the gate did not judge it; empty if all did."""
    judged: bool = True
    """Whether any check of the gate did."""

    instead: str = "not evaluable"
    """What is said where a rate is missing."""

    @property
    def name(self) -> str:
        return words.shortened(", ".join(self.values), 60) or "all"


def of_checks(checks: Iterable[Mapping[str, Value]]) -> list[tuple[str, list[Figures]]]:
    """The groups of some checks by the columns that make them; what several checks say of a group is put together."""
    found: dict[tuple[str, ...], dict[tuple[str, ...], Figures]] = {}
    for check in checks:
        lines = check.get("groups")
        for line in lines if isinstance(lines, list) else ():
            if isinstance(line, Mapping):
                own = _figures(line)
                same = found.setdefault(own.columns, {})
                same[own.values] = _together(same.get(own.values), own)
    return [(words.shortened(" and ".join(columns), 60), list(same.values())) for columns, same in found.items()]


def _figures(line: Mapping[str, Value]) -> Figures:
    group = line.get("group")
    pairs = list(group.items()) if isinstance(group, Mapping) else [("group", group)]
    n = line.get("n")
    return Figures(
        columns=tuple(words.shortened(str(column), 40) for column, _ in pairs),
        values=tuple("missing" if value is None else words.shortened(words.said(value), 40) for _, value in pairs),
        n=words.shortened(words.said(n), 20) if n is not None else "withheld",
        rates=_rates(line),
        left_out=words.shortened(str(line.get("left_out") or line.get("note") or ""), 200),
        judged=not line.get("left_out"),
    )


def _rates(line: Mapping[str, Value]) -> dict[str, Rate]:
    given = line.get("rates")
    named = dict(given) if isinstance(given, Mapping) else {}
    named |= {name: {"value": value} for name, value in line.items() if name not in _NOT_RATES}
    read = {words.shortened(str(name), 40): _rate(figures) for name, figures in named.items()}
    return {name: rate for name, rate in read.items() if rate is not None}


def _rate(figures: Value) -> Rate | None:
    if not isinstance(figures, Mapping):
        return None
    value, interval, n = words.numeric(figures.get("value")), figures.get("interval"), figures.get("n")
    if value is None:
        return None
    low, high = (
        (words.numeric(interval.get(end)) for end in ("low", "high")) if isinstance(interval, Mapping) else (None, None)
    )
    ends = None if low is None or high is None else (min(low, high), max(low, high))
    return Rate(value, ends, words.shortened(words.said(n), 20) if n is not None else "")


def _together(one: Figures | None, other: Figures) -> Figures:
    if one is None:
        return other
    told, judged = one.left_out or other.left_out, one.judged or other.judged
    return replace(one, rates={**one.rates, **other.rates}, left_out=told, judged=judged)

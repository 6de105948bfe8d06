"""What counts as the favourable outcome, and how outcomes of any kind become the cells of a group.

A policy states the reduction; nothing is guessed from the data:

* one value: the outcome is binary, and this is the good one;
* a list of values: any of them is good, whatever other classes there are;
* a comparison, such as ``>= 50000``: the outcome is a number, and good where the comparison holds;
* every class in turn: a prediction is compared with the truth class by class, and the worst class counts.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import ge, gt, le, lt

from tallystick.errors import InvalidData
from tallystick.policy.counts import Counts, Group, Table
from tallystick.policy.metrics import Rate

__all__ = ["MAX_CELLS", "MAX_CLASSES", "Reduced", "comparison", "is_any_of", "one_of_two", "per_class", "where"]

MAX_CLASSES = 50
"""More outcomes than this are no classes."""
MAX_CELLS = 40_000
"""Cells that all groups may have together where every class is compared in turn: ten thousand replicates of them take
some ten seconds."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMPARISON = re.compile(r"(<=|>=|<|>) ?(-?[0-9]+(?:\.[0-9]+)?)")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


@dataclass(frozen=True)
class Reduced:
    """The groups of a table with the cells that rates are formed of."""

    groups: Mapping[Group, tuple[int, ...]]
    rates: tuple[Rate, ...]
    words: str
    """What was taken for favourable; empty for the plain case."""


def one_of_two(counts: Counts, table: Table, rates: Sequence[Rate], good: str) -> Reduced:
    """The plain case.

    Raises:
        InvalidData: more than two outcomes, or the favourable one is not among them.
    """
    counts.check_favourable(good)
    return Reduced(table.groups(good), tuple(rates), "")


def is_any_of(counts: Counts, table: Table, rates: Sequence[Rate], good: Sequence[str]) -> Reduced:
    """Any of these values is favourable.

    Raises:
        InvalidData: one of them never occurs, or there is no other outcome.
    """
    absent = [value for value in good if value not in counts.outcomes]
    if absent:
        raise InvalidData(
            f"the favourable outcome {absent[0][:40]!r} occurs neither as true nor as predicted outcome",
            got=", ".join(repr(name[:40]) for name in counts.outcomes[:10]),
            remedy="Correct 'favourable' in the policy.",
        )
    if set(good) >= set(counts.outcomes):
        raise InvalidData("every outcome is favourable, so there is nothing to compare", got=", ".join(good)[:80])
    words = " or ".join(good)
    return Reduced(_groups(table, set(good).__contains__), tuple(rates), f"favourable is {words}")


def comparison(text: str) -> Callable[[float], bool]:
    """Read ``>= 50000``.

    Raises:
        ValueError: another form.
    """
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise ValueError(f"comparison {text[:40]!r} is not of the form '>= 50000' (with <, <=, > or >=)")
    holds, limit = _OPERATORS[match[1]], float(match[2])
    return lambda value: holds(value, limit)


def where(counts: Counts, table: Table, rates: Sequence[Rate], text: str) -> Reduced:
    """A number is favourable where the comparison holds.

    Raises:
        InvalidData: an outcome is no number.
    """
    holds = comparison(text)
    wrong = sum(_NUMBER.fullmatch(name) is None for name in counts.outcomes)
    if wrong:
        raise InvalidData(
            "the favourable outcome is a comparison, and an outcome is no number",
            expected="a number in every row",
            got=f"{wrong:,} different values that are none",
            remedy="Name the favourable values in the policy instead.",
        )
    good = {name for name in counts.outcomes if holds(float(name))}
    return Reduced(_groups(table, good.__contains__), tuple(rates), f"favourable is {text}")


def per_class(counts: Counts, table: Table, rates: Sequence[Rate]) -> Reduced:
    """Every class in turn is the favourable one: each rate becomes one rate for each class.

    The cells of a group are then its whole table of true by predicted class, row by row.

    Raises:
        InvalidData: there are more outcomes than classes can be, or too many groups for so many classes.
    """
    classes = counts.outcomes
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise InvalidData("these outcomes are no classes", expected=f"2 to {MAX_CLASSES}", got=str(len(classes)))
    many = len({marks[:-2] for marks, _ in table.cells})
    if many * len(classes) ** 2 > MAX_CELLS:
        raise InvalidData(
            f"{many:,} groups are too many to compare under each of {len(classes)} classes in turn",
            expected=f"groups times the square of the classes up to {MAX_CELLS:,}",
            got=f"{many * len(classes) ** 2:,}",
            remedy="Put groups together, or name favourable outcomes instead of every class.",
        )
    at = {name: position for position, name in enumerate(classes)}
    found: dict[Group, list[int]] = {}
    for (*marks, true, said), n in table.cells:
        group = tuple(None if mark is None else str(mark) for mark in marks)
        found.setdefault(group, [0] * len(classes) ** 2)[at[str(true)] * len(classes) + at[str(said)]] += n
    expanded = [_of_class(rate, name, at[name], len(classes)) for name in classes for rate in rates]
    return Reduced({group: tuple(cells) for group, cells in found.items()}, tuple(expanded), "each class in turn")


def _of_class(rate: Rate, name: str, at: int, classes: int) -> Rate:
    """The rate over the cells of all classes, with one of them favourable."""
    parts: list[list[int]] = [[], [], [], []]  # the cells that are tp, fp, fn, tn of this class
    for true in range(classes):
        for said in range(classes):
            parts[2 * (said != at) + (true != at)].append(true * classes + said)
    above, below = (tuple(cell for part in side for cell in parts[part]) for side in (rate.above, rate.below))
    return replace(
        rate,
        name=f"{rate.name}[{name}]",
        words=f"{rate.words} of class {name}",
        above=above,
        below=below,
        everyone=classes**2,
    )


def _groups(table: Table, good: Callable[[str], bool]) -> dict[Group, tuple[int, ...]]:
    """(tp, fp, fn, tn) of every group, in the order of the table."""
    reduced = (((*group, str(good(str(true))), str(good(str(said)))), n) for (*group, true, said), n in table.cells)
    return dict(Table.of(table.axes, reduced).groups(str(True)))

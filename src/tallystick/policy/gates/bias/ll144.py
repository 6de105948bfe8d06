"""The bias audit of New York City's Local Law 144, as 6 RCNY 5-300 to 5-303 define it. It sets no threshold.

* Selection rate of a category: those selected, or given a classification, over all in it.
* Scoring rate of a category: the share with a score above the median of the full sample.
* Impact ratio: the category's rate over that of the category with the highest rate (5-300).
* Computed separately for sex, for race and ethnicity, and for their intersections (5-301(b)(3), (c)(4)).
* People of an unknown category are not in the calculations, and their number is stated (5-301(b)(5), (c)(5)).
* A category of less than 2 % of the data may be left out of the impact ratios; then the reason, its number and its
  rate are stated (5-301(d)).

An audit under the law needs an independent auditor, historical data and publication, none of which figures prove.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tallystick.errors import InvalidData
from tallystick.policy.counts import Group, Table

__all__ = ["SMALL_CATEGORY", "Category", "Summary", "above_median", "summary"]

SMALL_CATEGORY = 0.02
"""A category with a smaller share of the data may be excluded: 5-301(d)."""


@dataclass(frozen=True)
class Category:
    """One line of the published table."""

    group: Group
    n: int
    chosen: int
    """Selected, or scored above the median."""
    impact_ratio: float | None
    """None where the category is excluded."""

    @property
    def rate(self) -> float:
        return self.chosen / self.n


@dataclass(frozen=True)
class Summary:
    """What the rules want of one set of categories."""

    categories: tuple[Category, ...]
    unknown: int
    """People of an unknown category, who are in none of the figures."""

    @property
    def excluded(self) -> tuple[Category, ...]:
        return tuple(category for category in self.categories if category.impact_ratio is None)


def summary(groups: Mapping[Group, tuple[int, int]], *, exclude_below: float = 0.0) -> Summary | None:
    """The table of one set of categories.

    Args:
        groups: chosen and number of each category; a group with a missing value is an unknown category.
        exclude_below: leave out categories with a smaller share of all in known categories, 0.02 at most.

    Returns:
        None where nobody of a known category that is not excluded was chosen, so that there is no ratio.

    Raises:
        ValueError: a share above 2 %.
    """
    if exclude_below > SMALL_CATEGORY:
        raise ValueError("only categories of less than 2 % may be excluded")
    known = {group: both for group, both in groups.items() if None not in group and both[1]}
    total = sum(n for _, n in known.values())
    compared = {group: chosen / n for group, (chosen, n) in known.items() if n >= exclude_below * total}
    highest = max(compared.values(), default=0.0)
    if highest == 0:
        return None
    ratios = {group: rate / highest for group, rate in compared.items()}
    categories = tuple(Category(group, n, chosen, ratios.get(group)) for group, (chosen, n) in known.items())
    return Summary(categories, sum(n for group, (_, n) in groups.items() if None in group))


def above_median(table: Table) -> dict[Group, tuple[int, int]]:
    """Of each category how many scored above the median of the full sample, and how many did not.

    The full sample is everyone, also of an unknown category. With an even number the median is the mean of the two in
    the middle. A score equal to the median is not above it.

    Args:
        table: by groups, and by whether the score is above the median.

    Raises:
        InvalidData: a score is missing, or more are above than can be above a median.
    """
    missing = sum(n for (*_, above), n in table.cells if above is None)
    if missing:
        raise InvalidData(f"{missing:,} {'row has' if missing == 1 else 'rows have'} no score that is a finite number")
    found: dict[Group, tuple[int, int]] = {}
    for (*marks, above), n in table.cells:
        group = tuple(None if mark is None else str(mark) for mark in marks)
        more, others = found.get(group, (0, 0))
        found[group] = (more + n, others) if above else (more, others + n)
    if 2 * sum(more for more, _ in found.values()) > table.rows:
        raise InvalidData("more than half of all scores are above what is recorded as their median")
    return found

"""Two proportions: intervals for their difference and their ratio, unpaired and paired, and tests.

Each function names its formula and its source. None has zero width at a count of 0: all stand on score intervals,
which do not put a variance of 0 beside a proportion of 0.

* :func:`difference`: Newcombe, "Interval estimation for the difference between independent proportions" (Statistics in
  Medicine 17, 1998, 873-890), method 10: the hybrid score interval;
* :func:`paired_difference`: Newcombe, "Improved confidence intervals for the difference between binomial proportions
  based on paired data" (Statistics in Medicine 17, 1998, 2635-2650), method 10;
* :func:`ratio`: Donner and Zou, "Closed-form confidence intervals for functions of the normal mean and standard
  deviation" (Statistical Methods in Medical Research 21, 2012, 347-359): the same recovery of variances for a ratio;
* :func:`log_ratio`: Katz, Baptista, Azen, Pike, "Obtaining confidence intervals for the risk ratio in cohort studies"
  (Biometrics 34, 1978, 469-474);
* :func:`fisher`, :func:`pooled_z`, :func:`mcnemar`: the tests of the textbooks, two-sided;
* :func:`smallest_gap`: Fleiss, Levin, Paik, "Statistical Methods for Rates and Proportions" (2003), formula 4.14.

Pure; needs the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Final, NamedTuple

from tallystick.policy.statistics import Interval, wilson

__all__ = [
    "MANY",
    "WIDE",
    "Paired",
    "difference",
    "fisher",
    "log_ratio",
    "mcnemar",
    "non_inferior",
    "paired_difference",
    "pooled_z",
    "ratio",
    "smallest_gap",
]

MANY: Final = 10_000_000
"""Up to so many people on whom two models differ McNemar's test is exact."""
WIDE: Final = 10_000
"""Up to this variance Fisher's test is exact."""
_NOTHING: Final = -750.0
"""A logarithm whose exponential is 0."""


def difference(k1: int, n1: int, k2: int, n2: int, confidence: float) -> Interval:
    """The interval of ``k1/n1 - k2/n2`` for independent samples, both ``n > 0``.

    With the Wilson limits l, u of each: d - sqrt((p1-l1)^2 + (u2-p2)^2) to d + sqrt((u1-p1)^2 + (p2-l2)^2).
    """
    one, two = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    p1, p2 = k1 / n1, k2 / n2
    low = p1 - p2 - math.hypot(p1 - one.low, two.high - p2)
    high = p1 - p2 + math.hypot(one.high - p1, p2 - two.low)
    return Interval(max(-1.0, low), min(1.0, high), confidence, "newcombe")


def ratio(k1: int, n1: int, k2: int, n2: int, confidence: float) -> Interval:
    """The interval of ``(k1/n1) / (k2/n2)`` for independent samples, both ``n > 0``; endless above at k2 = 0.

    With the Wilson limits l, u of each, in a form that does not divide by small differences:
    l1 (2 p1 - l1) / (p1 p2 + sqrt((p1 p2)^2 - l1 (2 p1 - l1) u2 (2 p2 - u2))) to
    (p1 p2 + sqrt((p1 p2)^2 - u1 (2 p1 - u1) l2 (2 p2 - l2))) / (l2 (2 p2 - l2)).

    Raises:
        ValueError: both counts are 0, so that there is no ratio.
    """
    if k1 == 0 and k2 == 0:
        raise ValueError("0/0 is no ratio")
    one, two = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    p1, p2 = k1 / n1, k2 / n2
    product = p1 * p2
    a, b = one.low * (2 * p1 - one.low), two.high * (2 * p2 - two.high)
    low = a / (product + math.sqrt(max(0.0, product * product - a * b))) if a else 0.0
    c, d = one.high * (2 * p1 - one.high), two.low * (2 * p2 - two.low)
    high = (product + math.sqrt(max(0.0, product * product - c * d))) / d if d else math.inf
    return Interval(low, high, confidence, "donner_zou")


def log_ratio(k1: int, n1: int, k2: int, n2: int, confidence: float) -> Interval | None:
    """The interval of ``(k1/n1) / (k2/n2)``, or None if a count is 0.

    exp(log ratio -+ z sqrt(1/k1 - 1/n1 + 1/k2 - 1/n2)).
    For numbers of tens and more; :func:`ratio` fits any.
    """
    if k1 == 0 or k2 == 0:
        return None
    middle = math.log(k1 / n1) - math.log(k2 / n2)
    half = _z(confidence) * math.sqrt(1 / k1 - 1 / n1 + 1 / k2 - 1 / n2)
    return Interval(math.exp(middle - half), math.exp(middle + half), confidence, "katz")


# --------------------------------------------------------------------------- paired


class Paired(NamedTuple):
    """What two models, or two procedures, said of the same people."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        return sum(self)

    @property
    def difference(self) -> float:
        """The share of the first less that of the second."""
        return (self.only_first - self.only_second) / self.n


def paired_difference(table: Paired, confidence: float) -> Interval:
    """The interval of the difference of two proportions of the same people.

    As :func:`difference`, less twice the correlation phi times the product of the two half widths under each root.
    phi is (ad - bc) / sqrt((a+b)(c+d)(a+c)(b+d)), its numerator made smaller by n/2 where it is above n/2 and 0 where
    it lies between; 0 where a margin is 0.
    """
    a, b, c, _ = table
    n = table.n
    one, two = wilson(a + b, n, confidence), wilson(a + c, n, confidence)
    p1, p2, phi = (a + b) / n, (a + c) / n, _phi(table)
    low = _rooted(p1 - one.low, two.high - p2, phi)
    high = _rooted(one.high - p1, p2 - two.low, phi)
    found = table.difference
    return Interval(max(-1.0, found - low), min(1.0, found + high), confidence, "newcombe_paired")


def _rooted(x: float, y: float, phi: float) -> float:
    return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))


def _phi(table: Paired) -> float:
    a, b, c, d = table
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    if margins == 0:
        return 0.0
    cross = float(a * d - b * c)
    if cross > 0:
        cross = max(0.0, cross - table.n / 2)
    return cross / math.sqrt(margins)


def non_inferior(table: Paired, margin: float, confidence: float) -> bool | None:
    """Whether the first is at most ``margin`` worse than the second, judged by the interval of the paired difference.

    Returns:
        True if the whole interval lies above ``-margin``, False if it lies wholly below, None if it straddles it.
    """
    found = paired_difference(table, confidence)
    if found.low > -margin:
        return True
    return False if found.high < -margin else None


def mcnemar(table: Paired) -> float:
    """The two-sided exact p-value that the two proportions of the same people are equal.

    Twice the tail of a binomial of one half over the people on whom the two differ, 1 at most: McNemar (1947), exact.
    Where they differ on more than :data:`MANY` people, by the normal distribution with a correction for continuity:
    Edwards, "Note on the correction for continuity" (Psychometrika 13, 1948, 185-187).
    """
    few, n = min(table.only_first, table.only_second), table.only_first + table.only_second
    if n > MANY:
        return math.erfc(max(0, abs(table.only_first - table.only_second) - 1) / math.sqrt(2 * n))
    likely = _until_nothing(lambda i: _log_choose(n, i) - n * math.log(2), range(few, -1, -1))
    return min(1.0, 2 * sum(reversed(likely)))


# --------------------------------------------------------------------------- tests and power


def fisher(k1: int, n1: int, k2: int, n2: int) -> float:
    """The two-sided p-value of Fisher's exact test: all tables of the same margins no more likely than this.

    Where the number of chosen in the first sample has a variance above :data:`WIDE`, given the margins, by the normal
    distribution: :func:`pooled_z`. With a smaller one few tables have a likelihood that is not 0, however many people.
    """
    total, chosen = n1 + n2, k1 + k2
    if n1 * n2 * chosen * (total - chosen) > WIDE * total**3:
        return math.erfc(abs(pooled_z(k1, n1, k2, n2)) / math.sqrt(2))

    def log_likely(k: int) -> float:
        return _log_choose(n1, k) + _log_choose(n2, chosen - k) - _log_choose(total, chosen)

    seen = log_likely(k1) + 1e-7  # ties are equal up to rounding
    first, last = max(0, chosen - n2), min(n1, chosen)
    mode = min(max((n1 + 1) * (chosen + 1) // (total + 2), first), last)
    below = _until_nothing(log_likely, range(mode - 1, first - 1, -1), most=seen)
    above = _until_nothing(log_likely, range(mode, last + 1), most=seen)
    return min(1.0, math.fsum((*below, *above)))


def pooled_z(k1: int, n1: int, k2: int, n2: int) -> float:
    """How many standard deviations ``k1/n1`` lies above ``k2/n2``, by the pooled proportion; 0 where it is 0 or 1."""
    pooled = (k1 + k2) / (n1 + n2)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return (k1 / n1 - k2 / n2) / spread if spread else 0.0


def smallest_gap(n1: int, n2: int, share: float, confidence: float, *, power: float = 0.8) -> float | None:
    """The smallest gap between two proportions that samples of these sizes tell from none, with this power.

    The gap g with g = z sqrt(p(1-p)(1/n1+1/n2)) + z' sqrt(s(1-s)/n1 + t(1-t)/n2), for s = share, t at distance g from
    it towards the middle, p the mean of both by size, z two-sided for the confidence and z' for the power. An
    approximation by the normal distribution, to plan with.

    Returns:
        None if these sizes can tell no gap that is possible.
    """
    z, more = _z(confidence), NormalDist().inv_cdf(power)
    towards = 1 if share <= 0.5 else -1

    def short(gap: float) -> float:
        other = share + towards * gap
        pooled = (n1 * share + n2 * other) / (n1 + n2)
        null = z * math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
        return null + more * math.sqrt(share * (1 - share) / n1 + other * (1 - other) / n2) - gap

    low, high = 0.0, 1 - share if towards > 0 else share
    if short(high) > 0:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if short(middle) > 0 else (low, middle)
    return high


def _until_nothing(log_likely: Callable[[int], float], away: range, *, most: float = math.inf) -> list[float]:
    """The likelihoods on the way from the likeliest outcome, of those up to ``most``, until a float cannot hold them.

    All that follow are 0 too, so their sum is that of the whole tail.
    """
    found = []
    for outcome in away:
        log = log_likely(outcome)
        if log < _NOTHING:
            break
        if log <= most:
            found.append(math.exp(log))
    return found


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)

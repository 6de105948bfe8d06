"""The drift gate: how far the data have moved from a baseline, column by column, from count tables alone.

Three measures of the size of a change, each from 0 for none:

* ``psi``: the population stability index, the sum over bands of (p - q) ln(p / q), where p is the share of the data and
  q that of the baseline (Siddiqi, *Credit Risk Scorecards*, 2006). A share of 0 is taken as :data:`EMPTY`.
* ``ks``: the largest difference between the two cumulative shares (Kolmogorov, Smirnov). It is taken where bands end,
  so it is never above that of the rows, and below it by no more than the share of one band.
* ``chi_squared``: Cramér's V of the table of the two data sets by the bands: sqrt(chi-squared / n), from 0 to 1.

The size decides, never a p-value: on millions of rows every difference is significant. The p-value that is told beside
it says how often no change at all would show as much: of chi-squared with bands - 1 degrees of freedom, for the PSI
after division by 1/n + 1/m (Yurdakul and Naranjo, 2020); for KS by Kolmogorov's limit, which is cautious with bands.

Missing values are a band or category of their own, the last one. What is counted can be replayed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.baseline import Histograms, edges_from_json
from tallystick.policy.counts import MISSING, Axis, Counts, Mark
from tallystick.policy.evidence import BASELINE, DECILES, PERCENTILES, Compared, Evidence, Need, Setting
from tallystick.policy.keys import Name, Thresholds, invalid
from tallystick.policy.language import Gate, Inputs, Planned
from tallystick.policy.results import CheckResult, Limits, Verdict
from tallystick.policy.threshold import Threshold

__all__ = ["EMPTY", "DriftGate", "DriftMetric", "chi_squared_tail", "cramers_v", "kolmogorov_tail", "ks", "psi"]

EMPTY: Final = 0.0001
"""The share that the PSI takes for an empty band, whose logarithm would have no end: the common convention."""
_TELLING: Final = 10
"""Rows of the data that must show a new category before a result, which cannot be erased, names it."""

Method = Literal["psi", "ks", "chi_squared"]
_WORDS: Final[Mapping[str, str]] = {
    "psi": "the population stability index",
    "ks": "the Kolmogorov-Smirnov statistic",
    "chi_squared": "Cramér's V",
}
_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {"psi": (0, math.inf), "ks": (0, 1), "chi_squared": (0, 1)}


class DriftMetric(Thresholds):
    """How far one column may move."""

    column: Name
    method: Method
    edges: Literal["quantiles"] | Annotated[list[int | float], Field(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="Where bands of numbers end, ascending, or 'quantiles' of the baseline. Without: by spelling.",
    )

    @model_validator(mode="after")
    def _decides(self) -> DriftMetric:
        low, high = _BOUNDS[self.method]
        self.check_limits(low, high, wants_high=False)
        if self.method == "ks" and self.edges is None:
            raise invalid("ks needs an order, so it needs edges", "edges")
        if isinstance(self.edges, list):
            try:
                Axis(self.column, "band", tuple(map(float, self.edges)))
            except ValueError:
                raise invalid("edges must be finite numbers in ascending order", "edges") from None
        return self

    @property
    def need(self) -> Compared:
        if self.edges == "quantiles":
            return Compared(self.column, PERCENTILES if self.method == "ks" else DECILES)
        return Compared(self.column, edges=tuple(map(float, self.edges or ())))

    @property
    def limits(self) -> Limits:
        fail, warn = (None if text is None else Threshold.parse(text) for text in (self.fail_if, self.warn_if))
        return Limits(fail, warn)


class DriftGate(Gate):
    """Compares the data with a baseline."""

    type: Literal["drift"]
    baseline: Name | None = Field(
        default=None, description="The recorded dataset, NAME or NAME@VERSION, that the data must be compared with."
    )
    metrics: list[DriftMetric] = Field(min_length=1, max_length=1000)

    def checks(self) -> Iterator[tuple[str, DriftMetric]]:
        """Check id and metric of every check, in the order of the policy."""
        for metric in self.metrics:
            yield f"{self.id}/{metric.column}/{metric.method}", metric

    def plan(self) -> Iterator[Planned]:
        against = "its baseline" if self.baseline is None else self.baseline
        for check, metric in self.checks():
            words = metric.limits.words
            demand = f"{_WORDS[metric.method]} of {metric.column} against {against}. {words[0].upper()}{words[1:]}."
            yield Planned(check, demand, (metric.because or self.because or "").strip())

    def needs(self, inputs: Inputs | None) -> Iterator[Need]:
        del inputs
        yield from (metric.need for metric in self.metrics)

    def judge(self, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
        del setting
        beside = _Beside.of(evidence)
        for check, metric in self.checks():
            yield _judged(self, check, metric, evidence.counted(), beside)

    @property
    def can_refuse(self) -> bool:
        return any(metric.fail_if is not None for metric in self.metrics)


@dataclass(frozen=True)
class _Beside:
    """The baseline as it stands in the evidence."""

    name: str
    sha256: str
    found: Histograms

    @classmethod
    def of(cls, evidence: Evidence) -> _Beside:
        told = evidence.facts.get(BASELINE)
        if told is None or BASELINE not in evidence.counts:
            raise InvalidData("there is no baseline", remedy="Name one with --baseline FILE or NAME@VERSION.")
        if not isinstance(told, Mapping) or set(told) != {"name", "sha256", "quantiles"}:
            raise InvalidData("what is recorded of the baseline is not of the known form")
        counts = evidence.counted(BASELINE)
        return cls(str(told["name"]), str(told["sha256"]), Histograms(counts, edges_from_json(told["quantiles"])))


@dataclass(frozen=True)
class _Sides:
    """Rows of each band, in order, of the data and of the baseline; a band that neither has is left out."""

    marks: tuple[Mark, ...]
    data: tuple[int, ...]
    baseline: tuple[int, ...]

    @classmethod
    def of(cls, axis: Axis, data: Counts, baseline: Counts) -> _Sides:
        sides = [{marks[0]: n for marks, n in counts.over(axis).cells} for counts in (data, baseline)]
        marks = sorted(set().union(*sides), key=_order)
        return cls(tuple(marks), *(tuple(side.get(mark, 0) for mark in marks) for side in sides))


def _order(mark: Mark) -> tuple[bool, int, str]:
    return (mark is None, mark if isinstance(mark, int) else 0, str(mark))


def _judged(gate: DriftGate, check: str, metric: DriftMetric, data: Counts, beside: _Beside) -> CheckResult:
    axis = beside.found.axis(metric.need)
    sides = _Sides.of(axis, data, beside.found.counts)
    n, m = sum(sides.data), sum(sides.baseline)
    value, tail = {"psi": _psi, "ks": _ks, "chi_squared": _chi_squared}[metric.method](sides)
    limits = metric.limits
    verdict = limits.verdict(value, None)
    said = (
        f"{_WORDS[metric.method]} of {metric.column} against {beside.name} is {limits.show(value)} "
        f"({n:,} rows against {m:,} in {len(sides.marks)} {'bands' if axis.form == 'band' else 'categories'}; "
        f"p {_p(tail)}, which does not decide); {limits.words}"
    )
    told = [said, _most(axis, sides), *_new(axis, sides)]
    threshold = {
        **limits.as_json(),
        "method": metric.method,
        "baseline": {"name": beside.name, "sha256": beside.sha256},
    }
    return _result(gate, check, metric, verdict, value, threshold, n, "; ".join(filter(None, told)))


def _result(
    gate: DriftGate,
    check: str,
    metric: DriftMetric,
    verdict: Verdict,
    value: float,
    threshold: Mapping[str, Value],
    n: int,
    reason: str,
) -> CheckResult:
    advice = metric.advice or gate.advice or "Find out what changed in how these data came about."
    return CheckResult(
        id=check,
        gate=gate.id,
        type="drift",
        verdict=verdict,
        value=value,
        threshold=threshold,
        n=n,
        interval=None,
        reason=reason,
        advice="" if verdict == "pass" else advice,
        because=metric.because or gate.because or "",
        replay="counts",
    )


def _p(tail: float) -> str:
    return "below 0.001" if tail < 0.001 else f"{tail:.3f}"


def _most(axis: Axis, sides: _Sides) -> str:
    """Which band moved most. A category that few rows show is not named."""
    n, m = sum(sides.data), sum(sides.baseline)
    moved = max(range(len(sides.marks)), key=lambda i: (abs(sides.data[i] / n - sides.baseline[i] / m), -i))
    shares = (sides.data[moved] / n, sides.baseline[moved] / m)
    if shares[0] == shares[1]:
        return ""
    named = axis.form == "band" or max(sides.data[moved], sides.baseline[moved]) >= _TELLING
    where = _named(axis, sides.marks[moved]) if named else "a rare category"
    return f"most moved {where}, from {shares[1]:.2%} to {shares[0]:.2%}"


def _named(axis: Axis, mark: Mark) -> str:
    if mark is None:
        return MISSING
    if axis.form != "band" or not isinstance(mark, int):
        return repr(str(mark)[:40])
    low = f"from {axis.edges[mark - 1]:g}" if mark else ""
    high = f"below {axis.edges[mark]:g}" if mark < len(axis.edges) else ""
    return f"values {low}{' and ' if low and high else ''}{high}"


def _new(axis: Axis, sides: _Sides) -> list[str]:
    """Categories of the data that the baseline does not have."""
    if axis.form == "band":
        return []
    new = {mark: n for mark, n, m in zip(sides.marks, sides.data, sides.baseline, strict=True) if n and not m}
    if not new:
        return []
    often = sorted((mark for mark, n in new.items() if n >= _TELLING), key=lambda mark: (-new[mark], _order(mark)))
    names = ", ".join(_named(axis, mark) for mark in often[:5])
    return [f"{len(new)} new {'category' if len(new) == 1 else 'categories'}{f', such as {names}' if names else ''}"]


# --------------------------------------------------------------------------- the measures


def psi(data: Sequence[int], baseline: Sequence[int]) -> float:
    """The population stability index of rows by band; 0 where no share moved."""
    n, m = sum(data), sum(baseline)
    shares = ((a / n or EMPTY, b / m or EMPTY) for a, b in zip(data, baseline, strict=True) if a or b)
    return math.fsum((p - q) * math.log(p / q) for p, q in shares)


def ks(data: Sequence[int], baseline: Sequence[int]) -> float:
    """The largest difference between the cumulative shares of rows by band, in order."""
    n, m = sum(data), sum(baseline)
    below_data, below_baseline, largest = 0, 0, 0
    for a, b in zip(data, baseline, strict=True):
        below_data, below_baseline = below_data + a, below_baseline + b
        largest = max(largest, abs(below_data * m - below_baseline * n))
    return largest / (n * m)


def cramers_v(data: Sequence[int], baseline: Sequence[int]) -> float:
    """Cramér's V of a table of two rows: sqrt(chi-squared / n)."""
    return math.sqrt(min(1.0, _statistic(data, baseline) / (sum(data) + sum(baseline))))


def _statistic(data: Sequence[int], baseline: Sequence[int]) -> float:
    """Chi-squared: for two rows the sum of (a m - b n)^2 / (n m (a + b)) over the bands."""
    n, m = sum(data), sum(baseline)
    both = zip(data, baseline, strict=True)
    return math.fsum((a * m - b * n) ** 2 / (n * m * (a + b)) for a, b in both if a or b)


def _psi(sides: _Sides) -> tuple[float, float]:
    value = psi(sides.data, sides.baseline)
    spread = 1 / sum(sides.data) + 1 / sum(sides.baseline)
    return value, chi_squared_tail(value / spread, len(sides.marks) - 1)


def _ks(sides: _Sides) -> tuple[float, float]:
    value = ks(sides.data, sides.baseline)
    n, m = sum(sides.data), sum(sides.baseline)
    return value, kolmogorov_tail(value * math.sqrt(n * m / (n + m)))


def _chi_squared(sides: _Sides) -> tuple[float, float]:
    statistic = _statistic(sides.data, sides.baseline)
    return cramers_v(sides.data, sides.baseline), chi_squared_tail(statistic, len(sides.marks) - 1)


def kolmogorov_tail(x: float) -> float:
    """How often Kolmogorov's limit is above ``x``: 2 sum (-1)^(k-1) exp(-2 k^2 x^2)."""
    if x < 0.2:
        return 1.0  # within 1e-12, and the sum would not settle
    return min(1.0, max(0.0, 2 * math.fsum((-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101))))


def chi_squared_tail(x: float, freedom: int) -> float:
    """How often chi-squared with so many degrees of freedom is above ``x``: the upper incomplete gamma function.

    By its series below ``freedom / 2 + 1`` and by its continued fraction above (Abramowitz and Stegun 6.5.29, 6.5.31).
    """
    a, half = freedom / 2, x / 2
    if freedom <= 0 or half <= 0:
        return 1.0
    front = math.exp(a * math.log(half) - half - math.lgamma(a))
    return max(0.0, 1 - front * _series(a, half)) if half < a + 1 else min(1.0, front * _fraction(a, half))


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for step in range(1, 10_000):
        term *= x / (a + step)
        total += term
        if term < total * 1e-15:
            break
    return total


def _fraction(a: float, x: float) -> float:
    """By Lentz's method."""
    b = x + 1 - a
    c, d = 1e300, 1 / b
    found = d
    for step in range(1, 10_000):
        factor, b = -step * (step - a), b + 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        found *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return found

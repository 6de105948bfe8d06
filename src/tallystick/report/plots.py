"""Pictures on two axes: whether a score says what it means, and how far data have moved from their baseline.

Geometry only, as in `charts`; ``templates/report/plots.html.j2`` draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.canonical import Value
from tallystick.report import words
from tallystick.report.charts import Groups, Lineage, Strip, Thresholds
from tallystick.report.figures import Figures

__all__ = ["Bands", "Dot", "Pair", "Picture", "Reliability", "Shift", "bands_of", "reliability", "shift"]

# --------------------------------------------------------------------------- calibration


@dataclass(frozen=True)
class Dot:
    """One bin of scores."""

    x: float
    y: float
    whisker: tuple[float, float] | None
    """Ends of the interval of the observed share, lower share first."""
    rows: float
    """Height of its column below the diagram."""
    label: str
    """``n = 1,234``, or empty where columns are too narrow for it."""


@dataclass(frozen=True)
class Reliability:
    """Observed share against mean score by bin, beside the diagonal on which a calibrated score lies."""

    title: str
    description: str
    dots: tuple[Dot, ...]
    withheld: int
    """Bins of too few rows to be shown."""
    entries: tuple[int, ...]
    side: int = 250
    left: int = 66
    height: int = 352
    floor: int = 318
    """Where the columns of rows stand."""
    kind: str = field(default="reliability", init=False)


_TOP: Final = 8
_ROWS_HIGH: Final = 36
_MOST_LABELS: Final = 12


def reliability(title: str, bins: Sequence[Figures], entry: int) -> Reliability | None:
    """The diagram of the bins that state both shares; None where none does."""
    known = [item for item in bins if "mean_score" in item.rates and "observed_share" in item.rates]
    if not known:
        return None
    rows = [words.numeric(_count(item.n)) or 0.0 for item in known]
    most, side, left = max(rows) or 1.0, Reliability.side, Reliability.left

    def up(share: float) -> float:
        return round(_TOP + side * (1 - min(max(share, 0.0), 1.0)), 1)

    dots = []
    for item, n in zip(known, rows, strict=True):
        said, seen = item.rates["mean_score"].value, item.rates["observed_share"]
        ends = (up(seen.interval[0]), up(seen.interval[1])) if seen.interval else None
        label = item.n if len(known) <= _MOST_LABELS else ""
        x = round(left + side * min(max(said, 0.0), 1.0), 1)
        dots.append(Dot(x, up(seen.value), ends, round(_ROWS_HIGH * n / most, 1), label))
    told = "; ".join(
        f"{item.name}: mean score {item.rates['mean_score']}, observed {item.rates['observed_share']}, n = {item.n}"
        for item in known
    )
    withheld = len(bins) - len(known)
    more = f" {words.plural(withheld, 'bin')} of too few rows not shown." if withheld else ""
    description = f"Observed share of the favourable outcome by mean score of each bin: {told}.{more}"
    return Reliability(f"Does the score mean what it says: {title}", description, tuple(dots), withheld, (entry,))


def _count(text: str) -> Value:
    digits = text.replace(",", "")
    return int(digits) if digits.isdecimal() else None


# --------------------------------------------------------------------------- drift


@dataclass(frozen=True)
class Bands:
    """Rows of each band or category, of the data and of their baseline."""

    names: tuple[str, ...]
    data: tuple[int, ...]
    baseline: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """Two columns side by side: the baseline's and the data's."""

    x: float
    before: float
    after: float
    """Heights."""
    label: str
    shares: tuple[str, str]
    """In words; empty where columns are too narrow for them."""
    few: bool
    """So few rows on one side that its columns are not drawn."""


@dataclass(frozen=True)
class Shift:
    title: str
    description: str
    verdict: str
    said: str
    """The measure with its limits."""
    pairs: tuple[Pair, ...]
    column: float
    """Width of one column."""
    entries: tuple[int, ...]
    floor: int = 138
    height: int = 172
    kind: str = field(default="shift", init=False)


_FEW: Final = 10
"""Rows that a report, which cannot be erased, may tell of."""
_HIGH: Final = 88
_MOST_PAIRS: Final = 14
"""With labels and shares of their own."""
_LEFT: Final = 4
_WIDE: Final = 672


def shift(title: str, bands: Bands, *, verdict: str, said: str, entry: int) -> Shift:
    """Two histograms, as shares of their own rows, band by band."""
    n, m = sum(bands.data) or 1, sum(bands.baseline) or 1
    shares = [(b / m, a / n) for a, b in zip(bands.data, bands.baseline, strict=True)]
    few = [0 < a < _FEW or 0 < b < _FEW for a, b in zip(bands.data, bands.baseline, strict=True)]
    top = max((max(pair) for pair in shares), default=0.0) or 1.0
    step = _WIDE / max(len(shares), 1)
    labelled = len(shares) <= _MOST_PAIRS
    pairs = tuple(
        Pair(
            x=round(_LEFT + position * step, 2),
            before=0.0 if hidden else round(_HIGH * before / top, 1),
            after=0.0 if hidden else round(_HIGH * after / top, 1),
            label=_label(name, step if labelled else 160) if labelled or position in (0, len(shares) - 1) else "",
            shares=("", "") if hidden or not labelled else (_percent(before), _percent(after)),
            few=hidden,
        )
        for position, (name, (before, after), hidden) in enumerate(zip(bands.names, shares, few, strict=True))
    )
    told = "; ".join(
        f"{words.shortened(name, 40)} {'few rows' if hidden else f'{_percent(before)} then, {_percent(after)} now'}"
        for name, (before, after), hidden in zip(bands.names[:24], shares, few, strict=False)
    )
    more = f"; and {len(shares) - 24} more bands" if len(shares) > 24 else ""
    description = f"Share of rows by band, in the baseline and in the data: {told}{more}. {said}."
    return Shift(f"Drift: {title}", description, verdict, said, pairs, round(min(step * 0.36, 44), 2), (entry,))


def _label(name: str, room: float) -> str:
    return words.shortened(name, max(int(room / 4.6), 2))


def _percent(share: float) -> str:
    """In tenths of a percent, so that no small count can be worked out."""
    return f"{share:.1%}"


def bands_of(evidence: Value, check: Mapping[str, Value]) -> Bands | None:
    """The two histograms behind a drift check, from the count tables that were recorded with its evaluation.

    A column may have been counted along several axes. The finest that gives the recorded value again is the one that
    was judged; where none does, there is no picture.
    """
    from tallystick.policy.evidence import BASELINE, DATA

    column, _, method = str(check.get("id")).removeprefix(f"{check.get('gate')}/").rpartition("/")
    value = words.numeric(check.get("value"))
    if value is None:
        return None
    sides = [_tables(evidence, source, column) for source in (DATA, BASELINE)]
    for axis, before in sorted(sides[1].items(), key=lambda pair: -len(pair[1])):
        if axis in sides[0]:
            bands = _bands(axis, sides[0][axis], before)
            if abs(_measure(method, bands) - value) <= 1e-9 * max(1.0, abs(value)):
                return bands
    return None


_Axis = tuple[str, tuple[float, ...]]
_Marks = dict[str | int | None, int]


def _tables(evidence: Value, source: str, column: str) -> dict[_Axis, _Marks]:
    """The tables of one column by their axis: rows by mark."""
    from tallystick.errors import InvalidData
    from tallystick.policy.evidence import Evidence

    try:
        counts = Evidence.from_json(evidence).counts.get(source)
    except InvalidData:
        return {}
    tables = [table for table in (counts.tables if counts else ()) if len(table.axes) == 1]
    return {
        (table.axes[0].form, table.axes[0].edges): {marks[0]: n for marks, n in table.cells}
        for table in tables
        if table.axes[0].column == column
    }


def _bands(axis: _Axis, data: _Marks, baseline: _Marks) -> Bands:
    marks = sorted({*data, *baseline}, key=lambda mark: (mark is None, mark if isinstance(mark, int) else 0, str(mark)))
    names = tuple(_named(axis, mark) for mark in marks)
    return Bands(names, tuple(data.get(mark, 0) for mark in marks), tuple(baseline.get(mark, 0) for mark in marks))


def _named(axis: _Axis, mark: str | int | None) -> str:
    edges = axis[1]
    if mark is None:
        return "missing"
    if not isinstance(mark, int):
        return words.shortened(mark, 40)
    if mark == 0:
        return f"< {edges[0]:.3g}"
    return f"≥ {edges[-1]:.3g}" if mark == len(edges) else f"{edges[mark - 1]:.3g} to {edges[mark]:.3g}"


def _measure(method: str, bands: Bands) -> float:
    from tallystick.policy.gates import drift

    measures = {"psi": drift.psi, "ks": drift.ks, "chi_squared": drift.cramers_v}
    found = measures.get(method)
    return found(bands.data, bands.baseline) if found and sum(bands.data) and sum(bands.baseline) else float("inf")


Picture = Thresholds | Groups | Strip | Lineage | Reliability | Shift

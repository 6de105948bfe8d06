"""A picture on two axes: whether a score says what it means.

Geometry only, as in `charts`; ``templates/report/plots.html.j2`` draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.canonical import Value
from tallystick.report import words
from tallystick.report.charts import Groups, Lineage, Strip, Thresholds
from tallystick.report.figures import Figures

__all__ = ["Dot", "Picture", "Reliability", "reliability"]

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


Picture = Thresholds | Groups | Strip | Lineage | Reliability

"""The measures of quality that a policy can name: an allow-list, with direction, bounds, formula and kinds of interval.

Names are scikit-learn's: those of its scorers, and for losses those of its functions (``mean_absolute_error``, where
the scorer is the negative). ``brier`` is ``brier_score_loss``. Calibration has no scorers there; its names are the
field's.

Formulas over counts work on confusion tables ``m[..., true, predicted]``. Where one outcome is the favourable one it
comes first, so that the four cells are ``[[tp, fn], [fp, tn]]``. 0 / 0 has no value; scikit-learn says 0 there.

Pure; imports nothing heavy, because reading a policy needs the names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tallystick.policy.metrics import RATES, Rate

__all__ = ["SCORERS", "Scorer", "Task"]

Task = Literal["binary", "multiclass", "regression"]
Basis = Literal["counts", "score", "numbers", "bins"]
"""What a measure stands on: counts of outcomes; the score of each row; true and predicted numbers; counts by bands of
the score."""

INF: Final = float("inf")


@dataclass(frozen=True)
class Scorer:
    """A measure of quality over everyone."""

    name: str
    words: str
    tasks: tuple[Task, ...]
    basis: Basis = "counts"
    bounds: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True
    rate: Rate | None = None
    """Where it is a single share of the four counts of a binary task: Wilson interval."""
    formula: Callable[[Any, Any, Any, Any], Any] | None = None
    """Of the four counts of a binary task (tp, fp, fn, tn)."""
    table: Callable[[Any], Any] | None = None
    """Of a confusion table with any number of outcomes."""
    right: bool = False
    """Whether it is the share of predictions that are right."""
    interval: str = "multinomial_bootstrap"
    """The method; empty where none is honest."""
    weighted: str = "influence"
    """The method where rows have weights; empty where there is none."""
    paired: str = "paired_bootstrap"
    """The method for a difference between two models on the same rows; empty where there is none."""
    advice: str = "Look at which outcomes are taken for which others."

    @property
    def needs_score(self) -> bool:
        return self.basis in ("score", "bins")

    def figure(self, table: Any) -> Any:
        """The measure of confusion tables, shape (..., outcomes, outcomes) to (...)."""
        if self.table is not None:
            return self.table(table)
        cells = (table[..., 0, 0], table[..., 1, 0], table[..., 0, 1], table[..., 1, 1])
        if self.formula is not None:
            return self.formula(*cells)
        if self.rate is None:
            raise TypeError(f"{self.name} is no formula of counts")
        return sum(cells[i] for i in self.rate.above) / sum(cells[i] for i in self.rate.below)


# --------------------------------------------------------------------------- formulas


def _balanced(tp: Any, fp: Any, fn: Any, tn: Any) -> Any:
    return (tp / (tp + fn) + tn / (tn + fp)) / 2


def _f1(tp: Any, fp: Any, fn: Any, tn: Any) -> Any:  # noqa: ARG001  (one signature for every formula)
    return 2 * tp / (2 * tp + fp + fn)


def _jaccard(tp: Any, fp: Any, fn: Any, tn: Any) -> Any:  # noqa: ARG001  (one signature for every formula)
    return tp / (tp + fp + fn)


def _margins(m: Any) -> tuple[Any, Any, Any]:
    """Of each outcome: rows that are right, rows that truly are it, rows that are predicted to be it."""
    return m.diagonal(axis1=-2, axis2=-1), m.sum(axis=-1), m.sum(axis=-2)


def _share_right(m: Any) -> Any:
    right, true, _ = _margins(m)
    return right.sum(axis=-1) / true.sum(axis=-1)


def _recalls(m: Any) -> Any:
    right, true, _ = _margins(m)
    return right / true


def _precisions(m: Any) -> Any:
    right, _, said = _margins(m)
    return right / said


def _f1s(m: Any) -> Any:
    right, true, said = _margins(m)
    return 2 * right / (true + said)


def _jaccards(m: Any) -> Any:
    right, true, said = _margins(m)
    return right / (true + said - right)


def _macro(each: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda m: each(m).mean(axis=-1)


def _weighted(each: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def formula(m: Any) -> Any:
        true = m.sum(axis=-1)
        return (each(m) * true).sum(axis=-1) / true.sum(axis=-1)

    return formula


def _matthews(m: Any) -> Any:
    right, true, said = _margins(m)
    n = true.sum(axis=-1)
    above = right.sum(axis=-1) * n - (true * said).sum(axis=-1)
    return above / ((n * n - (said * said).sum(axis=-1)) * (n * n - (true * true).sum(axis=-1))) ** 0.5


def _kappa(m: Any) -> Any:
    right, true, said = _margins(m)
    n = true.sum(axis=-1)
    by_chance = (true * said).sum(axis=-1) / (n * n)
    return (right.sum(axis=-1) / n - by_chance) / (1 - by_chance)


# --------------------------------------------------------------------------- the table

_BINARY: Final[tuple[Task, ...]] = ("binary",)
_CLASSES: Final[tuple[Task, ...]] = ("binary", "multiclass")


def _table(*items: Scorer) -> Mapping[str, Scorer]:
    return {item.name: item for item in items}


def _averaged() -> list[Scorer]:
    """scikit-learn's ``average``, written as its scorers write it: ``f1_macro``."""
    found = []
    for name, words, each in (
        ("precision", "precision", _precisions),
        ("recall", "recall", _recalls),
        ("f1", "F1 score", _f1s),
        ("jaccard", "Jaccard index", _jaccards),
    ):
        found.append(Scorer(f"{name}_macro", f"{words}, mean of the outcomes", _CLASSES, table=_macro(each)))
        by_size = f"{words}, mean of the outcomes weighted by how often they are true"
        own = Scorer(f"{name}_weighted", by_size, _CLASSES, table=_weighted(each))
        found.append(_shares_right(own.name, by_size) if name == "recall" else own)  # the sum of right, over all
        if name != "jaccard":
            found.append(_shares_right(f"{name}_micro", f"{words}, all outcomes taken together"))
    return found


def _shares_right(name: str, words: str, rate: Rate | None = None) -> Scorer:
    advice = "Compare with the share of the commoner outcome, and look at the two kinds of error separately."
    return Scorer(
        name, words, _CLASSES, rate=rate, table=_share_right, right=True,
        interval="wilson", paired="newcombe_paired", advice=advice,
    )  # fmt: skip


def _of_score(name: str, words: str, **more: Any) -> Scorer:
    return Scorer(name, words, _BINARY, basis="score", **more)


def _of_numbers(name: str, words: str, **more: Any) -> Scorer:
    given = {"bounds": (0.0, INF), "higher_is_better": False, "interval": "influence", "paired": "influence"}
    advice = "Look at the rows with the largest errors, and at errors within bands of the true value."
    return Scorer(name, words, ("regression",), basis="numbers", **(given | {"advice": advice} | more))  # type: ignore[arg-type]


def _of_bins(name: str, words: str, **more: Any) -> Scorer:
    advice = "Look at the bins: where the score is above the observed share it promises too much."
    given: dict[str, Any] = {"higher_is_better": False, "weighted": "", "paired": "", "advice": advice}
    return Scorer(name, words, _BINARY, basis="bins", **(given | more))


_CALIBRATE: Final = "Look at the calibration of the score."

SCORERS: Mapping[str, Scorer] = _table(
    _shares_right("accuracy", "accuracy", RATES["accuracy"]),
    Scorer(
        "precision", "precision", _BINARY, rate=RATES["precision"], interval="wilson",
        advice="Look at favourable predictions that were wrong, and at the cut-off.",
    ),
    Scorer(
        "recall", "recall", _BINARY, rate=RATES["true_positive_rate"], interval="wilson", paired="newcombe_paired",
        advice="Look at people with the favourable true outcome who were refused, and at the cut-off.",
    ),
    Scorer(
        "balanced_accuracy", "balanced accuracy", _CLASSES, formula=_balanced, table=_macro(_recalls),
        advice="Look at the rarer outcome: it counts as much as the commoner one here.",
    ),
    Scorer(
        "f1", "F1 score", _BINARY, formula=_f1,
        advice="Look at precision and recall separately, and at the cut-off.",
    ),
    Scorer(
        "jaccard", "Jaccard index", _BINARY, formula=_jaccard,
        advice="Look at precision and recall separately, and at the cut-off.",
    ),
    *_averaged(),
    Scorer("matthews_corrcoef", "Matthews correlation", _CLASSES, bounds=(-1.0, 1.0), table=_matthews),
    Scorer("cohen_kappa", "Cohen's kappa", _CLASSES, bounds=(-1.0, 1.0), table=_kappa),
    _of_score(
        "roc_auc", "area under the ROC curve", interval="hanley_mcneil", weighted="", paired="delong",
        advice="Look at how the score ranks people within bands of the strongest features.",
    ),
    _of_score(
        "average_precision", "average precision", interval="logit", weighted="", paired="",
        advice="Look at the rows that rank highest and are wrong.",
    ),
    _of_score(
        "brier", "Brier score", higher_is_better=False, interval="influence", paired="influence", advice=_CALIBRATE
    ),
    _of_score(
        "log_loss", "log loss", bounds=(0.0, INF), higher_is_better=False, interval="influence", paired="influence",
        advice="Look for confident scores that were wrong.",
    ),
    _of_numbers("mean_absolute_error", "mean absolute error"),
    _of_numbers("mean_squared_error", "mean squared error"),
    _of_numbers("root_mean_squared_error", "root mean squared error"),
    _of_numbers("mean_absolute_percentage_error", "mean absolute error as a share of the true value"),
    _of_numbers("median_absolute_error", "median absolute error", interval="order_statistics", weighted="", paired=""),
    _of_numbers("max_error", "largest error", interval="", weighted="", paired=""),
    _of_numbers("r2", "coefficient of determination", bounds=(-INF, 1.0), higher_is_better=True),
    _of_numbers("explained_variance", "explained variance", bounds=(-INF, 1.0), higher_is_better=True),
    _of_bins("expected_calibration_error", "expected calibration error", interval=""),
    _of_bins("maximum_calibration_error", "maximum calibration error", interval=""),
    _of_bins("calibration_in_the_large", "distance of the mean score from the observed share", interval="normal"),
    _of_bins(
        "calibration_slope_deviation", "distance of the calibration slope from 1", bounds=(0.0, INF), interval="wald"
    ),
)  # fmt: skip

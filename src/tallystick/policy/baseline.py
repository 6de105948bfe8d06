"""What data are compared with: the histograms of a baseline, whose bands are part of it.

The population stability index depends on where the bands end, so bands are not chosen anew with each comparison: they
are quantiles of the baseline, found once and kept with it (``record dataset --histograms``), or listed by the policy.

Pure values; the scan stands in ``engines``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.counts import Axis, Counts
from tallystick.policy.evidence import Compared

__all__ = ["SCHEMA", "Baseline", "Edges", "Histograms", "recorded"]

SCHEMA = "tallystick/histograms/v1"

Edges = Mapping[tuple[str, int], tuple[float, ...]]
"""By column and number of bands: where the quantiles of the baseline are. Values that are often make them fewer."""


@dataclass(frozen=True)
class Histograms:
    """How often the values of single columns occur."""

    counts: Counts
    edges: Edges

    def axis(self, need: Compared) -> Axis:
        """Along what a column is compared.

        Raises:
            InvalidData: it was not counted so.
        """
        if need.parts == 0:
            return Axis(need.column, "band", need.edges) if need.edges else Axis(need.column)
        if (need.column, need.parts) not in self.edges:
            raise InvalidData(
                f"the baseline has no quantiles of column {need.column!r}",
                got=", ".join(sorted({column for column, _ in self.edges}))[:200] or "none",
                remedy="Hand in the file itself with --baseline, or list edges in the policy.",
            )
        return Axis(need.column, "band", self.edges[need.column, need.parts])

    def of(self, needs: Iterable[Compared]) -> Histograms:
        """What these needs ask for, and no more.

        Raises:
            InvalidData: one of them was not counted so.
        """
        needs = list(needs)
        tables = tuple(dict.fromkeys(self.counts.over(self.axis(need)) for need in needs))
        wanted = {(need.column, need.parts) for need in needs}
        return Histograms(Counts(self.counts.rows, tables), {k: v for k, v in self.edges.items() if k in wanted})

    def edges_json(self) -> list[Value]:
        """Where the quantiles are, as a JSON value."""
        return [{"column": c, "parts": n, "edges": list(edges)} for (c, n), edges in self.edges.items()]

    def as_json(self) -> dict[str, Value]:
        return {"schema": SCHEMA, "counts": self.counts.as_json(), "quantiles": self.edges_json()}

    @classmethod
    def from_json(cls, value: Value) -> Histograms:
        """Read what :meth:`as_json` made; hostile input is refused.

        Raises:
            InvalidData: another shape.
        """
        if not isinstance(value, Mapping) or set(value) != {"schema", "counts", "quantiles"}:
            raise InvalidData("the recorded histograms are not of the known form", expected="schema, counts, quantiles")
        if value["schema"] != SCHEMA:
            raise InvalidData("the recorded histograms are not of the known form", expected=SCHEMA)
        return cls(Counts.from_json(value["counts"]), edges_from_json(value["quantiles"]))


def edges_from_json(value: Value) -> Edges:
    """Read what :meth:`Histograms.edges_json` made.

    Raises:
        InvalidData: another shape.
    """
    try:
        found = {(str(item["column"]), int(item["parts"])): tuple(map(float, item["edges"])) for item in value}
        for (column, _), edges in found.items():
            Axis(column, "band", edges)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidData("the recorded edges of bands are not of the known form", got=str(error)[:80]) from error
    return found


@dataclass(frozen=True)
class Baseline:
    """Data to compare with."""

    name: str
    """As it is told: ``training@3f2a``, or the name of a file that the ledger does not know."""
    sha256: str
    histograms: Callable[[Sequence[Compared]], Histograms]
    """What is asked for; raises InvalidData where it is not to be had."""

    def as_json(self, found: Histograms) -> dict[str, Value]:
        """What is recorded of it with an evaluation, beside its counts."""
        return {"name": self.name, "sha256": self.sha256, "quantiles": found.edges_json()}


def recorded(value: Value, *, name: str, sha256: str) -> Baseline:
    """A baseline whose histograms stand on the ledger.

    Raises:
        InvalidData: they are not of the known form.
    """
    return Baseline(name, sha256, Histograms.from_json(value).of)

"""Evidence: what gates ask of the data, and what a scan answers, before anything is judged.

A gate says beforehand what it needs: count tables and tallies wherever they suffice, rows only where nothing else does.
Count tables, tallies and facts are recorded with the evaluation, so that whoever holds them can judge again without the
data; rows are not.

Pure values; the scan stands in ``engines``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tallystick.canonical import Value
from tallystick.errors import InvalidData
from tallystick.policy.cel import Path
from tallystick.policy.counts import Axis, Counts, Scores
from tallystick.policy.predicates import Predicate, Tallies, columns_of
from tallystick.policy.reading import read_count

if TYPE_CHECKING:
    import pyarrow

    from tallystick.policy.language import Inputs

__all__ = [
    "BASELINE",
    "CHAMPION",
    "DATA",
    "DECILES",
    "EVALUATED_AT",
    "PERCENTILES",
    "SCHEMA",
    "Compared",
    "Counted",
    "Evidence",
    "Known",
    "Need",
    "Rows",
    "Scored",
    "Setting",
    "Tallied",
    "columns_named",
    "of_champion",
]

SCHEMA: Final = "tallystick/evidence/v1"
DATA: Final = "data"
"""The data that are judged. Other sources stand beside them, such as a baseline."""
BASELINE: Final = "baseline"
"""The data that they are compared with, as a source of counts; and what is known of them, as a fact."""
CHAMPION: Final = "champion"
"""The same rows with the predictions of the model that stands in the stage beside them: see :func:`of_champion`."""
EVALUATED_AT: Final = "evaluated_at"
"""The fact that says at what time the data are judged: as whoever judges them claims."""
DECILES: Final = 10
PERCENTILES: Final = 100


def of_champion(column: str) -> str:
    """What a column of the champion's file is called in the source :data:`CHAMPION`."""
    return f"champion.{column}"


@dataclass(frozen=True)
class Counted:
    """A count table along these axes."""

    axes: tuple[Axis, ...]
    source: str = DATA


@dataclass(frozen=True)
class Rows:
    """These columns with all their rows, in the order of the file; those that are not there are left out."""

    columns: tuple[str, ...]
    source: str = DATA


@dataclass(frozen=True)
class Scored:
    """Of each row whether its true outcome is the favourable one, and its score."""

    true: str
    score: str
    favourable: str
    optional: bool = False
    """Whether the data may be without the column of the score."""


@dataclass(frozen=True)
class Tallied:
    """How many rows miss a predicate."""

    predicate: Predicate
    source: str = DATA
    show: int = 0
    """Of how many values that miss it to note what they are. They enter the erasable evidence only."""
    personal: bool = False
    """Then the shape of those values is noted instead: letters as x, digits as 9."""

    def together(self, other: Tallied) -> Tallied:
        """One need for two of the same predicate."""
        return replace(self, show=max(self.show, other.show), personal=self.personal or other.personal)


@dataclass(frozen=True)
class Known:
    """These recorded facts; those that there are not are left out."""

    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Compared:
    """Count tables of one column, in the data and in their baseline, along the same axis."""

    column: str
    parts: int = 0
    """Into so many bands of about as many rows of the baseline each; 0: along the edges, or by spelling."""
    edges: tuple[float, ...] = ()
    """Of the bands, where the policy lists them; none: by spelling."""


Need = Counted | Compared | Rows | Scored | Tallied | Known


def columns_named(need: Need) -> tuple[str, ...]:
    """The columns that a need reads."""
    match need:
        case Compared():
            return (need.column,)
        case Counted():
            return tuple(axis.column for axis in need.axes)
        case Rows():
            return need.columns
        case Scored():
            return (need.true, need.score)
        case Tallied():
            return tuple(columns_of(need.predicate))
        case Known():
            return ()


@dataclass(frozen=True)
class Setting:
    """What holds for every gate of an evaluation."""

    favourable: str = ""
    """Label of the favourable outcome; empty where no gate needs one."""
    confidence: float = 0.95
    """Of every interval."""
    seed: str = "0" * 16
    """16 hex digits; see :func:`tallystick.policy.statistics.evaluation_seed`."""
    inputs: Inputs | None = None
    """What the policy says of the data."""


@dataclass(frozen=True)
class Evidence:
    """What was found."""

    rows: int
    """Of the data that are judged."""
    counts: Mapping[str, Counts] = field(default_factory=dict)
    """By source."""
    facts: Mapping[str, Value] = field(default_factory=dict)
    """What the ledger knew of the model when it was judged, as far as gates name it: ``model``, ``usecase``,
    ``dataset``, ``metric``, ``inputs``; ``recorded``, its recorded metrics with unit and entry; ``champion``, the model
    that stands in the stage, or ``{"absent": why}``; what is known of the ``baseline``; and the time,
    ``evaluated_at``.
    """
    tables: Mapping[Rows, pyarrow.Table] = field(default_factory=dict)
    scores: Mapping[Scored, Scores | None] = field(default_factory=dict)
    """None where the data are without a score, and may be."""
    tallies: Mapping[str, Tallies] = field(default_factory=dict)
    """By source, of those that something was tallied of."""
    replayed: bool = False
    """Whether this is what was recorded, without the rows: then only what counts and facts decide is judged."""

    def counted(self, source: str = DATA) -> Counts:
        """The count tables of a source.

        Raises:
            InvalidData: there are none.
        """
        if source not in self.counts:
            raise InvalidData("there are no counts of this source", got=source)
        return self.counts[source]

    def tallied(self, source: str = DATA) -> Tallies:
        """The tallies of a source.

        Raises:
            InvalidData: there are none.
        """
        if source not in self.tallies:
            raise InvalidData("there are no tallies of this source", got=source)
        return self.tallies[source]

    def as_json(self) -> dict[str, Value]:
        """What is recorded, as a JSON value with a canonical form."""
        return {
            "schema": SCHEMA,
            "rows": self.rows,
            "sources": {name: counts.as_json() for name, counts in self.counts.items()},
            "facts": dict(self.facts),
            "tallies": {name: tallies.as_json() for name, tallies in self.tallies.items()},
        }

    @classmethod
    def from_json(cls, value: Value) -> Evidence:
        """Read what :meth:`as_json` made, or the bare count tables of the first version; hostile input is refused.

        Raises:
            InvalidData: another shape.
        """
        if not isinstance(value, Mapping) or value.get("schema") != SCHEMA:
            counts = Counts.from_json(value)
            return cls(counts.rows, {DATA: counts}, replayed=True)
        shape = {"schema": str, "rows": int, "sources": Mapping, "facts": Mapping, "tallies": Mapping}
        value = {"tallies": {}, **value}
        if set(value) != set(shape) or any(not isinstance(value[key], kind) for key, kind in shape.items()):
            raise InvalidData("the recorded evidence is not of the known form", expected=", ".join(shape))
        try:
            read_count(value["rows"])
        except (TypeError, ValueError) as error:
            raise InvalidData("the recorded evidence is not of the known form", got=str(error)) from error
        counts_of = {str(name): Counts.from_json(counts) for name, counts in value["sources"].items()}
        if DATA in counts_of and counts_of[DATA].rows != value["rows"]:
            raise InvalidData("the recorded counts do not add up to the number of rows", expected=str(value["rows"]))
        tallies_of = {str(name): Tallies.from_json(tallies) for name, tallies in value["tallies"].items()}
        if DATA in tallies_of and tallies_of[DATA].rows != value["rows"]:
            raise InvalidData("the recorded tallies are not of this number of rows", expected=str(value["rows"]))
        return cls(value["rows"], counts_of, value["facts"], tallies=tallies_of, replayed=True)

"""The language of policies, version ``tallystick/v1``: the keys of a document, and what every gate of it is.

Every key that is accepted is carried out; a key that is not listed here is an error. Defaults are part of v1 and do not
change: the digest of a policy covers the document as written, so its meaning must not move beneath it.

The plan of a gate is a pure function of the gate: data can neither add a check nor take one away. The keys of each gate
stand with the gate; what they are made of, in :mod:`tallystick.policy.keys`.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from tallystick.policy import cel
from tallystick.policy.counts import Axis, by_outcome, label
from tallystick.policy.evidence import Evidence, Need, Setting
from tallystick.policy.keys import GateId, Id, Name, Outcome, Part, Reasoned, Semver, Text, invalid
from tallystick.policy.results import CheckResult
from tallystick.records import KINDS

__all__ = [
    "AppliesTo",
    "Columns",
    "Document",
    "Gate",
    "Inputs",
    "Planned",
    "When",
    "check_ids",
    "readable_rule",
    "without_outcomes",
]


class Columns(Part):
    """Which columns of the data hold what."""

    y_true: Name
    y_pred: Name
    score: Name | None = None
    favourable: Outcome | None = Field(
        default=None,
        description="The value of the outcome that is good for the person judged; needed wherever there are two.",
    )
    id: Name | None = Field(
        default=None, description="Which case a row is; by it a champion's rows are found, else by their order."
    )

    @field_validator("favourable")
    @classmethod
    def _a_label(cls, value: Outcome | None) -> Outcome | None:
        if value is not None and label(value) is None:
            raise invalid("the favourable outcome is empty or not a value")
        return value

    @model_validator(mode="after")
    def _apart(self) -> Columns:
        """What is compared with itself, or with a name, agrees whatever the model does."""
        if self.y_pred == self.y_true:
            raise invalid(f"the true and the predicted outcome are one column, {self.y_true!r}", "y_pred")
        if self.score == self.y_true:
            raise invalid(f"the true outcome and the score are one column, {self.y_true!r}", "score")
        if self.id is not None and self.id in (self.y_true, self.y_pred, self.score):
            raise invalid(
                f"the id is a column of outcomes or scores, {self.id!r}: it must say which case a row is", "id"
            )
        return self

    def axes(self, *groups: str) -> tuple[Axis, ...]:
        """Of a table by these groups, and by true and predicted outcome."""
        return by_outcome(groups, true=self.y_true, predicted=self.y_pred)


class Inputs(Part):
    """What the gates read."""

    columns: Columns


_ENTRIES: Final = ("dataset", "model", "usecase")
"""The facts that are the fields of an entry, whose names are known before anything is recorded."""


def readable_rule(text: str) -> str:
    """A rule over recorded facts as it was written, if it can be read; otherwise what is wrong with it."""
    try:
        paths = cel.parse(text).paths
    except cel.CelError as error:
        raise invalid(str(error)) from None
    for root, *way in paths:
        known = list(KINDS[root].fields) if root in _ENTRIES else []
        if known and way and way[0] not in known:
            close = difflib.get_close_matches(str(way[0]), known, n=1, cutoff=0.5)
            near = f"did you mean {root}.{close[0]}?" if close else "known are " + ", ".join(known)
            raise invalid(f"no fact {root}.{str(way[0])[:60]} is ever recorded; {near}")
    return text


def _not_of_inputs(text: str) -> str:
    if any(path[0] == "inputs" for path in cel.parse(text).paths):
        raise invalid("what decides whether a gate applies must be known before the data are read, and inputs is not")
    return text


When = Annotated[Text, AfterValidator(readable_rule), AfterValidator(_not_of_inputs)]
"""A rule over recorded facts that says whether a policy or a gate applies."""


@dataclass(frozen=True)
class Planned:
    """A check that a gate will make, in plain words."""

    id: str
    demand: str
    """What it asks for, in sentences that can be read aloud."""
    because: str = ""
    """The policy's reason, of the check or of its gate; empty if it gives none."""


class Gate(Reasoned):
    """What every gate of a policy is: the protocol that the shipped gates keep, and that another one has to.

    A gate is a frozen pydantic model whose fields are the keys that a policy may write; every key that it accepts is
    carried out. Its methods are called in the order in which they stand here. ``plan`` and ``needs`` are functions of
    the gate alone: data can neither add a check nor take one away.
    """

    tools: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions have a part in the figures, beside the engine's and our own."""

    id: GateId
    type: str
    when: When | None = Field(
        default=None, description="A rule over recorded facts; where it does not hold, the gate does not apply."
    )

    def plan(self) -> Iterable[Planned]:
        """Every check, each id once; ids begin with the gate's own and a slash."""
        raise NotImplementedError

    def problem(self, inputs: Inputs | None) -> str | None:
        """What the gate misses in the policy's ``inputs``, or None."""
        del inputs
        return None

    def needs(self, inputs: Inputs | None) -> Iterable[Need]:
        """What it asks of the data."""
        raise NotImplementedError

    def judge(self, evidence: Evidence, setting: Setting) -> Iterable[CheckResult]:
        """One result for each planned check; of ``evidence.replayed``, for those that counts and facts decide.

        Whatever it raises becomes an error of all its checks.
        """
        raise NotImplementedError

    @property
    def terms(self) -> tuple[str, ...]:
        """What holds for all of its checks, and can stop them, in sentences."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever agrees to the policy should know of what it asks for, in sentences."""
        return ()

    @property
    def can_refuse(self) -> bool:
        """Whether any result of it could be a fail."""
        return True

    @property
    def is_binary(self) -> bool:
        """Whether it can only judge data whose outcome has two values, the policy's favourable one among them."""
        return False


def without_outcomes(gate: Gate, inputs: Inputs | None) -> str | None:
    """What a gate that judges binary outcomes misses in the policy's ``inputs``, or None."""
    if inputs is not None and inputs.columns.favourable is not None:
        return None
    return f"gate {gate.id!r} needs inputs.columns with y_true, y_pred and favourable"


# --------------------------------------------------------------------------- document


def check_ids(gate: Gate) -> tuple[str, ...]:
    """The ids of every check that a gate plans."""
    return tuple(check.id for check in gate.plan())


class Metadata(Part):
    """What the policy is called and who answers for it."""

    id: Id
    version: Semver = Field(description="Semantic version, for example 1.0.0.")
    owner: Name = Field(description="A group, never a person or an address.")
    controls: list[Name] = Field(default_factory=list, description="Controls of the catalogue that it is evidence for.")
    effective_from: (
        Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")] | None
    ) = None
    because: Text | None = Field(default=None, description="Why there is this policy.")

    @field_validator("owner")
    @classmethod
    def _a_group(cls, value: str) -> str:
        if "@" in value:
            raise invalid("the owner is an address; name a group")
        return value


class AppliesTo(Part):
    """What the policy is for."""

    stage: GateId = Field(description="The stage that a model enters when it passes, for example production.")
    when: When | None = Field(
        default=None, description="A rule over recorded facts; where it does not hold, the policy is not asked."
    )


class Defaults(Part):
    """What holds for every gate."""

    confidence: float = Field(default=0.95, ge=0.5, le=0.999, description="Of every interval.")


class Document(Part):
    """A policy file. Each of its gates is read by the model of its type: see :mod:`tallystick.policy.registry`."""

    apiVersion: Literal["tallystick/v1"]
    kind: Literal["Policy"]
    metadata: Metadata
    applies_to: AppliesTo
    inputs: Inputs | None = Field(default=None, description="Needed by bias and benchmark gates.")
    defaults: Defaults = Defaults()
    gates: list[Gate] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Document:
        for position, gate in enumerate(self.gates):
            problem = gate.problem(self.inputs)
            if problem is not None:
                raise invalid(problem, "gates", str(position))
            self._check_plan(position, gate)
        twice = [name for name, n in Counter(c for gate in self.gates for c in check_ids(gate)).items() if n > 1]
        if twice and len({gate.id for gate in self.gates}) == len(self.gates):
            raise invalid(f"two checks have the id {twice[0]!r}", "gates")
        if not any(gate.can_refuse for gate in self.gates):
            raise invalid("no check has fail_if, so the policy could never refuse anything", "gates")
        return self

    def _check_plan(self, position: int, gate: Gate) -> None:
        """A gate's checks carry its name, so that no gate can answer for another, and are the same when asked again."""
        ids = check_ids(gate)
        strange = next((name for name in ids if not name.startswith(f"{gate.id}/")), None)
        if strange is not None:
            raise invalid(
                f"check {strange[:60]!r} does not begin with its gate's id and a slash", "gates", str(position)
            )
        if not ids:
            raise invalid("the gate plans no check", "gates", str(position))
        if ids != check_ids(gate):
            raise invalid("the gate plans other checks each time it is asked", "gates", str(position))

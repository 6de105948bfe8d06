"""What the keys of policies are made of: names and texts, reasons, thresholds, and the error of a key that cannot be.

The models of the gates stand with the gates; what every gate is, stands in :mod:`tallystick.policy.language`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from tallystick.policy.calibration import BANDS
from tallystick.policy.results import Limits
from tallystick.policy.threshold import Threshold

__all__ = [
    "Attribute",
    "Bins",
    "GateId",
    "Id",
    "Name",
    "Outcome",
    "Part",
    "Reasoned",
    "Semver",
    "Text",
    "Thresholds",
    "demanded",
    "invalid",
    "read_threshold",
    "reason_given",
]

Text = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=False)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$", max_length=100)]
GateId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=100)]
Semver = Annotated[str, StringConstraints(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$")]
Outcome = str | int | bool
"""A value of an outcome column. Fractions are no outcomes."""


def invalid(message: str, *keys: str) -> PydanticCustomError:
    """An error whose place is the key under the part that is being validated."""
    return PydanticCustomError("policy", "{message}", {"message": message, "keys": keys})


class Part(BaseModel):
    """A part of a policy: read strictly, unknown keys refused, never changed."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Reasoned(Part):
    """A part that may say why it is asked for."""

    because: Text | None = Field(default=None, description="Why the policy asks for this; printed beside every result.")
    advice: Text | None = Field(
        default=None, description="What to look at when the check does not pass; printed with it."
    )


def _as_attribute(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Attribute = Annotated[
    list[Name],
    BeforeValidator(_as_attribute, json_schema_input_type=Name | list[Name]),
    Field(min_length=1, max_length=4),
]
"""One column, or several for their intersections."""


def reason_given(*reasons: str | None) -> str:
    """The first reason that is given, of a check and then of its gate; empty if there is none."""
    return next((text.strip() for text in reasons if text), "")


def _of_equal_width(bins: int) -> int:
    if BANDS % bins:
        raise invalid(f"{bins} does not divide {BANDS:,}, so the bins would not be of equal width")
    return bins


Bins = Annotated[int, Field(ge=2, le=50), AfterValidator(_of_equal_width)]
"""How many bins of equal width scores are put into."""


def demanded(limits: Limits) -> str:
    """What limits ask of a value, as sentences of a demand."""
    deciding = " The whole interval must agree." if limits.decision == "confident" else ""
    return f"{limits.words[0].upper()}{limits.words[1:]}.{deciding}"


def read_threshold(text: str | None, *, percent: bool = False) -> Threshold | None:
    """The threshold in a key, or None where the key is not given.

    Raises:
        ValueError: it cannot be read.
    """
    return None if text is None else Threshold.parse(text, percent=percent)


class Thresholds(Reasoned):
    """``fail_if`` and ``warn_if`` with their reason and advice, for the parts of a gate that judge a number."""

    fail_if: str | None = Field(default=None, description="Fails when the value is beyond, for example '< 0.80'.")
    warn_if: str | None = Field(
        default=None, description="Warns when the value is beyond; must be reached before fail_if."
    )

    @field_validator("fail_if", "warn_if")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        try:
            read_threshold(text, percent=True)
        except ValueError as error:
            raise invalid(str(error)) from None
        return text

    def check_limits(self, low: float, high: float, *, wants_high: bool, percent: bool = False) -> None:
        """Refuse thresholds that decide nothing, look the wrong way, or stand in the wrong order.

        For the validators of subclasses.

        Args:
            low: the least value that there can be.
            high: the largest.
            wants_high: whether a larger value is better.
            percent: whether thresholds may be percentages, or numbers of rows.

        Raises:
            PydanticCustomError: at the key that is wrong.
        """
        if self.fail_if is None and self.warn_if is None:
            raise invalid("there is neither fail_if nor warn_if, so this checks nothing")
        for key in ("fail_if", "warn_if"):
            text = getattr(self, key)
            if text is not None:
                _check_one(text, key, low, high, wants_high=wants_high, percent=percent)
        self._check_order()

    def _check_order(self) -> None:
        fail, warn = read_threshold(self.fail_if, percent=True), read_threshold(self.warn_if, percent=True)
        if fail is None or warn is None:
            return
        covered = warn.limit <= fail.limit if fail.wants_high else warn.limit >= fail.limit
        if covered and not (warn.limit == fail.limit and len(warn.op) > len(fail.op)):
            raise invalid(f"warn_if {self.warn_if!r} is never reached before fail_if {self.fail_if!r}", "warn_if")


def _check_one(text: str, key: str, low: float, high: float, *, wants_high: bool, percent: bool) -> None:
    try:
        threshold = Threshold.parse(text, percent=percent)
    except ValueError as error:
        raise invalid(str(error), key) from None
    if threshold.wants_high != wants_high:
        right = "'<' or '<='" if wants_high else "'>' or '>='"
        better = "higher" if wants_high else "lower"
        raise invalid(f"threshold {text!r} looks the wrong way: {better} is better here, so use {right}", key)
    problem = threshold.problem(low, high)
    if problem is not None:
        raise invalid(problem, key)

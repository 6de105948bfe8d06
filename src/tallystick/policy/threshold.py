"""Thresholds of a policy: a comparison and a limit, written ``"< 0.80"``.

A threshold says when a check *fails* or *warns*; it never says when a check passes.
Whether a value satisfies it is one comparison of two finite doubles, nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt

__all__ = ["Threshold"]

_FORM = re.compile(r"(<=|>=|<|>) ?(-?[0-9]+(?:\.[0-9]+)?(?:[eE]-?[0-9]+)?)(%| rows?)?")
_NOT_FINITE = re.compile(r"(<=|>=|<|>) ?[+-]?\.?(nan|inf|infinity)%?", re.IGNORECASE)
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_WISH = {"<": "at least", "<=": "more than", ">": "at most", ">=": "less than"}


@dataclass(frozen=True)
class Threshold:
    """A limit that a measured value must not cross.

    ``op`` is one of ``<  <=  >  >=``; the threshold is hit when ``value op limit`` holds.
    """

    op: str
    limit: float
    text: str
    """As the policy writes it."""
    rows: bool = False
    """Whether it limits a number of rows."""

    @classmethod
    def parse(cls, text: str, *, percent: bool = False) -> Threshold:
        """Read ``"< 0.80"``; with ``percent`` also ``"> 0.01%"``, which means 0.0001, and ``"> 5 rows"``.

        Raises:
            ValueError: another form, a number that is not finite, or a percentage or a number of rows where none may
                stand.
        """
        if _NOT_FINITE.fullmatch(text):
            raise ValueError(f"threshold {text!r} is not a finite number")
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"threshold {text[:40]!r} is not of the form '< 0.80' (with <, <=, > or >=)")
        op, number, sign = match.groups()
        if sign and not percent:
            what = "a percentage; write it as a fraction here" if sign == "%" else "a number of rows"
            raise ValueError(f"threshold {text!r} is {what}")
        limit = float(number) / 100 if sign == "%" else float(number)
        if not math.isfinite(limit):
            raise ValueError(f"threshold {text!r} is not a finite number")
        rows = bool(sign) and sign != "%"
        if rows and limit != int(limit):
            raise ValueError(f"threshold {text!r} is no whole number of rows")
        return cls(op, limit, text, rows)

    def hit(self, value: float) -> bool:
        """Whether the value crosses the limit. The caller has made sure that the value is finite."""
        return _COMPARE[self.op](value, self.limit)

    @property
    def wants_high(self) -> bool:
        """True where small values are the bad ones."""
        return self.op in ("<", "<=")

    @property
    def wish(self) -> str:
        """What the policy wants, in words: ``at least 0.80`` for ``< 0.80``."""
        return f"{_WISH[self.op]} {self.text[len(self.op) :].strip()}"

    def problem(self, low: float, high: float) -> str | None:
        """Why this threshold decides nothing for values from ``low`` to ``high``, or None if it does decide."""
        ends = (self.hit(low), self.hit(high))
        if not any(ends):
            return f"threshold {self.text!r} can never be reached: values lie between {low:g} and {high:g}"
        if all(ends):
            return f"threshold {self.text!r} is always reached: values lie between {low:g} and {high:g}"
        return None

"""The gate of rules over recorded facts: what the ledger knows of a model must make an expression true.

The expression is of :mod:`tallystick.policy.cel`. The facts that it names are recorded with the evaluation, so that
whoever holds them can ask again. An expression that has no value on these facts is an error, never a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator

from tallystick.canonical import Value
from tallystick.policy import cel
from tallystick.policy.evidence import Evidence, Known, Need, Setting
from tallystick.policy.keys import Text
from tallystick.policy.language import Gate, Inputs, Planned, readable_rule
from tallystick.policy.results import CheckResult

__all__ = ["ExpressionGate"]

_SHOWN = 60
"""Characters of a fact in a reason."""


class ExpressionGate(Gate):
    """Asks a rule of what the ledger knows of the model, its use case, its metrics and its test set."""

    type: Literal["expr"]
    lang: Literal["cel"] = Field(description="The language of the expression.")
    expr: Text = Field(description="What must be true of the recorded facts.")

    @field_validator("expr")
    @classmethod
    def _readable(cls, text: str) -> str:
        return readable_rule(text)

    @property
    def rule(self) -> cel.Expression:
        return cel.parse(self.expr)

    @property
    def check(self) -> str:
        """The id of its one check."""
        return f"{self.id}/expr"

    def plan(self) -> Iterator[Planned]:
        yield Planned(self.check, f"it is true of the recorded facts that {self.expr}.", (self.because or "").strip())

    def needs(self, inputs: Inputs | None) -> Iterator[Need]:
        del inputs
        yield Known(self.rule.paths)

    def judge(self, evidence: Evidence, setting: Setting) -> Iterator[CheckResult]:
        del setting
        try:
            holds = self.rule.holds(evidence.facts)
        except cel.CelError as error:
            yield self._result("error", f"the rule has no answer: {error}", None, 0)
            return
        told = "; ".join(_told(path, evidence.facts) for path in self.rule.paths)
        reason = f"{self.expr} {'holds' if holds else 'does not hold'}: {told}"
        yield self._result("pass" if holds else "fail", reason, float(holds), evidence.rows)

    def _result(
        self, verdict: Literal["pass", "fail", "error"], reason: str, value: float | None, n: int
    ) -> CheckResult:
        advice = self.advice or "Look at the facts named, and at where they were recorded."
        return CheckResult(
            id=self.check,
            gate=self.id,
            type="expr",
            verdict=verdict,
            value=value,
            threshold={"expr": self.expr},
            n=n,
            interval=None,
            reason=reason,
            advice="" if verdict == "pass" else advice,
            because=self.because or "",
            replay="counts",
        )


def _told(path: cel.Path, facts: Value) -> str:
    """``model.version is 3``."""
    try:
        text = str(cel.fact(facts, path))
    except cel.CelError:
        return f"{cel.dotted(path)} is absent"
    return f"{cel.dotted(path)} is {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}"

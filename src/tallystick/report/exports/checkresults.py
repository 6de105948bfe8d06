"""Our own JSON form, versioned: fields may join, none changes its meaning."""

from __future__ import annotations

import json
from typing import Final

from tallystick.canonical import Value
from tallystick.report.exports.results import Results

__all__ = ["SCHEMA", "render", "value"]

SCHEMA: Final = "tallystick/check-results/v1"


def value(results: Results) -> dict[str, Value]:
    return {
        "schema": SCHEMA,
        "model": results.model,
        "policy": {"id": results.policy, "version": results.policy_version},
        "verdict": results.verdict,
        "evaluation": results.evaluation,
        "decision": results.decision,
        "attempt": dict(results.attempt),
        "checks": [dict(check) for check in results.checks],
        "earlier_failures": list(results.earlier_failures),
        "unexplained": list(results.unexplained),
        "scored_before_policy": results.scored_before_policy,
    }


def render(results: Results) -> bytes:
    return (json.dumps(value(results), indent=2) + "\n").encode()

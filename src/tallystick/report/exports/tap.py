"""The Test Anything Protocol, version 14, as prove and other harnesses read it.

A waived check is ``not ok`` under ``TODO``, which a harness counts and does not fail by; a check that the policy does
not apply is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tallystick.canonical import Value
from tallystick.report.exports.results import Results, limits, one_line, said, tone, value

__all__ = ["render"]


def render(results: Results) -> str:
    lines = ["TAP version 14", f"1..{len(results.shown)}"]
    for number, check in enumerate(results.shown, 1):
        lines += [_line(number, check), *_diagnostics(check)]
    told = [results.headline, results.recorded, *(f"note: {note}" for note in results.notes)]
    return "\n".join([*lines, *(f"# {one_line(text)}" for text in told), ""])


def _line(number: int, check: Mapping[str, Value]) -> str:
    of = tone(check["verdict"])
    ok = "ok" if of in ("good", "skipped") or check["verdict"] == "warn" else "not ok"
    directive = {"skipped": " # SKIP ", "care": " # TODO waived: " if check["verdict"] == "waived" else ""}.get(of, "")
    reason = _escaped(said(check, "reason")) if directive else ""
    return f"{ok} {number} - {_escaped(said(check, 'id'))}{directive}{reason}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("#", "\\#")


def _diagnostics(check: Mapping[str, Value]) -> list[str]:
    """A YAML block, whose scalars are JSON strings, for all but what simply passed."""
    if tone(check["verdict"]) in ("good", "skipped"):
        return []
    facts = {
        "verdict": said(check, "verdict"),
        "message": said(check, "reason"),
        "value": value(check),
        "wanted": limits(check),
        "look_at": said(check, "advice"),
    }
    lines = [f"  {name}: {json.dumps(text, ensure_ascii=False)}" for name, text in facts.items() if text]
    return ["  ---", *lines, "  ..."]

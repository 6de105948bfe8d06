"""SARIF 2.1.0, as code-scanning services read it; validated in the tests against the schema of OASIS.

A check is a rule, and what came of it a result. ``kind`` and ``level`` follow section 3.27.9 of the standard, which
allows a level only with kind ``fail``: so what is not green is a ``fail``, of level ``error`` where the answer is no
and ``warning`` where the numbers do not decide. A waived failure keeps its level and carries a suppression.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from tallystick.canonical import Value, digest, encode
from tallystick.report.exports.results import Results, limits, one_line, said, tone, value

__all__ = ["SCHEMA", "render"]

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_KIND_AND_LEVEL: Final = {
    "good": ("pass", "none"),
    "care": ("fail", "warning"),
    "skipped": ("notApplicable", "none"),
    "open": ("fail", "warning"),
    "bad": ("fail", "error"),
    "broken": ("fail", "error"),
}
_EXIT: Final = {"pass": 0, "warn": 0, "fail": 1, "inconclusive": 4}


def render(results: Results) -> bytes:
    run = {
        "tool": {"driver": _driver(results)},
        "automationDetails": {"id": one_line(f"tallystick/{results.policy}/{_name(results)}/")},
        "invocations": [_invocation(results)],
        "results": [_result(results, check, index) for index, check in enumerate(results.shown)],
        "properties": {
            "model": one_line(results.model),
            "policy": one_line(f"{results.policy} {results.policy_version}"),
            "verdict": one_line(results.verdict),
            "evaluation": results.evaluation,
            "decision": results.decision,
            "attempt": dict(results.attempt),
        },
    }
    return (json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n").encode()


def _name(results: Results) -> str:
    return results.model.rpartition("@")[0]


def _driver(results: Results) -> dict[str, Value]:
    return {"name": "tallystick", "version": results.software, "rules": [_rule(check) for check in results.shown]}


def _rule(check: Mapping[str, Value]) -> dict[str, Value]:
    wanted = limits(check) or "must hold"
    facts = {"The policy wants": limits(check), "Why": said(check, "because"), "Look at": said(check, "advice")}
    told = [f"{name}: {text}" for name, text in facts.items() if text] or [f"{said(check, 'id')} must hold."]
    return {
        "id": said(check, "id"),
        "shortDescription": _message(f"{said(check, 'id')}: {wanted}"),
        "fullDescription": _message(said(check, "because") or f"{said(check, 'id')}: {wanted}"),
        "help": _message("\n".join(told)),
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["model", said(check, "type") or "gate"]},
    }


def _message(text: str) -> dict[str, Value]:
    """A message string: braces are placeholders in it and square brackets links, unless escaped (3.11.5, 3.11.6)."""
    for plain, escaped in (("\\", "\\\\"), ("[", "\\["), ("]", "\\]"), ("{", "{{"), ("}", "}}")):
        text = text.replace(plain, escaped)
    return {"text": text}


def _result(results: Results, check: Mapping[str, Value], index: int) -> dict[str, Value]:
    id, waived = said(check, "id"), check["verdict"] == "waived"
    kind, level = ("fail", "error") if waived else _KIND_AND_LEVEL[tone(check["verdict"])]
    result: dict[str, Value] = {
        "ruleId": id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": _message(said(check, "reason") or said(check, "verdict")),
        "locations": [_location(results, id)],
        "partialFingerprints": {"tallystick/check/v1": _fingerprint(results, id)},
        "properties": {
            "verdict": said(check, "verdict"),
            "value": value(check),
            "wanted": limits(check),
            "replay": said(check, "replay"),
        },
    }
    if waived:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": said(check, "reason") or "waived"}
        ]
    return result


def _fingerprint(results: Results, check: str) -> str:
    """Stable over runs, versions of the model and of the policy: the same question asked of the same model."""
    asked = (one_line(_name(results)), one_line(results.policy), check)
    return digest(encode([unicodedata.normalize("NFC", text) for text in asked]))


def _location(results: Results, check: str) -> dict[str, Value]:
    """The file that was judged: services that show results beside files demand one."""
    name = one_line(results.model)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(results.predictions.encode("utf-8", "surrogateescape"), safe="/")},
            "region": {"startLine": 1},
        },
        "logicalLocations": [{"name": name, "fullyQualifiedName": f"{name}/{check}"}],
    }


def _invocation(results: Results) -> dict[str, Value]:
    notes = [{"level": "note", "message": _message(note)} for note in results.notes]
    return {
        "executionSuccessful": tone(results.verdict) != "broken",
        "exitCode": _EXIT.get(results.verdict, 3),
        "exitCodeDescription": results.headline,
        "toolExecutionNotifications": notes,
    }

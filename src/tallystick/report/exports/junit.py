"""JUnit XML, in the dialect that Jenkins documents and GitLab, GitHub actions and others read.

A gate is a suite, a check a test case. What may not be green is a failure or an error; a check that the policy itself
does not apply, and one that is waived, is skipped with its reason. There is no time: judging reads no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from tallystick.canonical import Value
from tallystick.report.exports.results import Results, limits, one_line, said, tone, value

__all__ = ["render"]

_ELEMENT: Final = {"bad": "failure", "open": "error", "broken": "error", "skipped": "skipped"}


def render(results: Results) -> bytes:
    gates: dict[str, list[Mapping[str, Value]]] = {}
    for check in results.shown:
        gates.setdefault(said(check, "gate"), []).append(check)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites{_attributes(_totals(results, results.shown))}>"]
    for gate, checks in gates.items():
        lines += _suite(results, gate, checks)
    return "\n".join([*lines, "</testsuites>", ""]).encode()


def _totals(results: Results, checks: Sequence[Mapping[str, Value]]) -> dict[str, object]:
    kinds = [_element(check) for check in checks]
    return {
        "name": f"{results.model} under {results.policy} {results.policy_version}",
        "tests": len(checks),
        "failures": kinds.count("failure"),
        "errors": kinds.count("error"),
    }


def _suite(results: Results, gate: str, checks: Sequence[Mapping[str, Value]]) -> list[str]:
    skipped = sum(_element(check) == "skipped" for check in checks)
    facts = {
        "model": results.model,
        "policy": f"{results.policy} {results.policy_version}",
        "verdict": results.verdict,
        "evaluation": results.evaluation,
        "decision": results.decision,
        "looks": results.attempt["data"],
    }
    lines = [f"  <testsuite{_attributes({**_totals(results, checks), 'name': gate, 'skipped': skipped})}>"]
    lines += ["    <properties>"]
    lines += [f"      <property{_attributes({'name': name, 'value': fact})}/>" for name, fact in facts.items()]
    lines += [
        f"      <property{_attributes({'name': f'note {number}', 'value': note})}/>"
        for number, note in enumerate(results.notes, 1)
    ]
    lines += ["    </properties>"]
    for check in checks:
        lines += _case(gate, check)
    return [*lines, "  </testsuite>"]


def _case(gate: str, check: Mapping[str, Value]) -> list[str]:
    begin = f"    <testcase{_attributes({'classname': gate, 'name': said(check, 'id')})}"
    kind, told = _element(check), _told(check)
    if kind is not None:
        attributes = _attributes({"type": said(check, "verdict"), "message": said(check, "reason")})
        return [f"{begin}>", f"      <{kind}{attributes}>{_text(told)}</{kind}>", "    </testcase>"]
    if tone(check["verdict"]) == "care":
        return [f"{begin}>", f"      <system-out>{_text(told)}</system-out>", "    </testcase>"]
    return [f"{begin}/>"]


def _element(check: Mapping[str, Value]) -> str | None:
    if check["verdict"] == "waived":
        return "skipped"
    return _ELEMENT.get(tone(check["verdict"]))


def _told(check: Mapping[str, Value]) -> str:
    lines = {
        said(check, "verdict"): said(check, "reason"),
        "value": value(check),
        "the policy wants": limits(check),
        "why": said(check, "because"),
        "look at": said(check, "advice"),
    }
    return "\n".join(f"{name}: {text}" for name, text in lines.items() if text)


def _attributes(values: Mapping[str, object]) -> str:
    return "".join(f' {name}="{escape(one_line(text))}"' for name, text in values.items())


def _text(text: str) -> str:
    return escape(text, quote=False)

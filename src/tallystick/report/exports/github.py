"""Workflow commands of GitHub Actions: an annotation for each check that wants a look, and one for the verdict.

The runner takes any line of a step's output that begins with ``::``, or holds ``##[``, for a command; so text that
stands on a ledger could give commands of its own. :func:`harmless` is for every other line that is printed beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick.canonical import Value
from tallystick.report.exports.results import Results, limits, one_line, said, tone, value

__all__ = ["harmless", "render"]

_COMMAND: Final = {"care": "warning", "open": "warning", "bad": "error", "broken": "error"}


def render(results: Results) -> str:
    """Lines for the standard output of a step."""
    lines = [_annotation(check) for check in results.shown if tone(check["verdict"]) in _COMMAND]
    lines += [_command("notice", "tallystick", f"note: {note}") for note in results.notes]
    verdict = "notice" if results.is_green else "error"
    lines.append(_command(verdict, "tallystick", f"{results.headline}. {results.recorded}"))
    return "".join(f"{line}\n" for line in lines)


def _annotation(check: Mapping[str, Value]) -> str:
    verdict = said(check, "verdict")
    facts = {"value": value(check), "the policy wants": limits(check), "look at": said(check, "advice")}
    told = [said(check, "reason"), *(f"{name}: {text}" for name, text in facts.items() if text)]
    title = f"{said(check, 'id')} ({verdict.replace('_', ' ')})"
    return _command(_COMMAND[tone(verdict)], title, "\n".join(told))


def _command(command: str, title: str, message: str) -> str:
    return f"::{command} title={_property(one_line(title))}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def harmless(line: str) -> str:
    """A line that no runner takes for a command."""
    bare = line.lstrip()
    if bare.startswith("::"):
        line = line[: len(line) - len(bare)] + ": :" + bare[2:]
    return line.replace("##[", "# #[")

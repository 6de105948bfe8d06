"""GitHub-flavoured Markdown: for a step summary, a merge request or an issue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from tallystick.canonical import Value
from tallystick.report.exports.results import Results, limits, one_line, said, tone, value
from tallystick.report.exports.table import collapsed

__all__ = ["render"]

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]#|~$])")
_MARKS: Final = {"good": "✅", "care": "⚠️", "skipped": "➖", "open": "❓", "bad": "❌", "broken": "💥"}


def render(results: Results) -> str:
    lines = [f"## {_MARKS[tone(results.verdict)]} {_escaped(results.headline)}", ""]
    about = f"{results.model} under {results.policy} {results.policy_version}, for stage {results.stage}"
    lines += [f"{_escaped(about)}. {results.recorded}", ""]
    lines += ["| check | result | value | the policy wants | rows |", "| --- | --- | ---: | --- | ---: |"]
    lines += [f"| {' | '.join(map(_escaped, row.cells))} |" for row in collapsed(results)]
    lines += [""]
    for check in results.shown:
        lines += _details(check)
    lines += [f"> {_escaped(f'note: {note}')}\n" for note in results.notes]
    lines += [f"**Next:** {_escaped(results.next_step)}."]
    command = results.next_command
    fence = "`" * (3 + command.count("`"))
    return "\n".join([*lines, *(["", fence, command, fence] if command else []), ""])


def _details(check: Mapping[str, Value]) -> list[str]:
    if tone(check["verdict"]) == "good":
        return []
    title = f"{_MARKS[tone(check['verdict'])]} **{_escaped(said(check, 'id'))}**: {_escaped(said(check, 'reason'))}."
    more = {
        "Measured": value(check),
        "The policy wants": limits(check),
        "Why it matters": said(check, "because"),
        "Look at": said(check, "advice"),
    }
    if tone(check["verdict"]) == "skipped":
        more = {}
    return [title, "", *(f"- {name}: {_escaped(text)}" for name, text in more.items() if text), ""]


def _escaped(text: str) -> str:
    """Text that shows as it is: no markup, no HTML, no link."""
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = plain.replace("://", ":&#47;/").replace("www.", "www&#46;")
    return _SPECIAL.sub(r"\\\1", plain).replace("&\\#", "&#")

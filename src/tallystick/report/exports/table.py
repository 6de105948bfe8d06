"""The table for people: what was asked, what came of it, and what to do now.

It fits the width it is given: long names break at their joints, long sentences between words, and nothing is cut off.
Only a command that somebody may copy stays on one line.
The verdict stands last, where a terminal leaves the eye, with the next step.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.canonical import Value
from tallystick.report.exports.results import Results, is_unjudged, limits, one_line, said, tone, value

__all__ = ["Row", "collapsed", "render"]

_WIDTH: Final = 110
_NARROWEST: Final = 60
_HEADER: Final = ("check", "result", "value", "the policy wants", "rows")
_RIGHT: Final = (False, False, True, False, True)
_GAP: Final = "  "


@dataclass(frozen=True)
class Row:
    """A line of the table: one check, or all checks of a schema gate that passed."""

    gate: str
    cells: tuple[str, str, str, str, str]
    """Check, result, value, what the policy wants, rows."""


def collapsed(results: Results) -> list[Row]:
    """A row for each check, in the order of the plan; what a schema gate found in order stands in one row."""
    rows: list[Row] = []
    for gate, checks in _by_gate(results.shown):
        passed = [check for check in checks if check.get("type") == "schema" and check["verdict"] == "pass"]
        if passed:
            counted = "1 check" if len(passed) == 1 else f"{len(passed)} checks"
            rows.append(Row(gate, (f"{gate}: {counted}", "pass", "", "all hold", f"{results.rows:,}")))
        rows += [_row(gate, check) for check in checks if check not in passed]
    return rows


def _by_gate(checks: Sequence[Mapping[str, Value]]) -> list[tuple[str, list[Mapping[str, Value]]]]:
    gates: dict[str, list[Mapping[str, Value]]] = {}
    for check in checks:
        gates.setdefault(said(check, "gate"), []).append(check)
    return list(gates.items())


def _row(gate: str, check: Mapping[str, Value]) -> Row:
    verdict, n = said(check, "verdict").replace("_", " "), check.get("n")
    counted = f"{n:,}" if isinstance(n, int) and n else ""
    result = verdict.upper() if tone(check["verdict"]) in ("open", "bad", "broken") else verdict
    if is_unjudged(check):
        result = "reported"  # it has passed nothing: there was no threshold
    return Row(gate, (said(check, "id"), result, value(check), limits(check), counted))


def render(results: Results, width: int = _WIDTH) -> str:
    """The whole text, for a terminal of so many columns."""
    width = max(_NARROWEST, width)
    about = (
        f"{results.model} under {results.policy} {results.policy_version} (entry {results.policy_entry}), "
        f"for stage {results.stage}"
    )
    lines = [*_wrapped(about, width), "", *_grid(_sections(collapsed(results)), width), ""]
    for check in results.shown:
        told = _details(check, width)
        lines += [*told, ""] if told else []
    notes = [line for note in results.notes for line in _wrapped(f"note: {note}", width, hang=6)]
    lines += [*notes, ""] if notes else []
    lines += _wrapped(results.headline, width)
    lines += _wrapped(results.recorded, width)
    command = results.next_command
    lines += _wrapped(f"Next: {results.next_step}{':' if command else '.'}", width, hang=6)
    lines += [f"  {command}"] if command else []
    return "\n".join([*lines, ""])


# --------------------------------------------------------------------------- below the table


def _details(check: Mapping[str, Value], width: int) -> list[str]:
    """What a check that did not simply pass has to say."""
    of = tone(check["verdict"])
    if of == "good":
        return []
    word = said(check, "verdict").replace("_", " ").upper()
    lines = _wrapped(f"{word} {said(check, 'id')}", width)
    lines += _wrapped(said(check, "reason"), width, indent=2)
    if of != "skipped":
        for label, text in (("why it matters", said(check, "because")), ("look at", said(check, "advice"))):
            lines += _wrapped(f"{label}: {text}", width, indent=2, hang=2) if text else []
    return lines


def _wrapped(text: str, width: int, *, indent: int = 0, hang: int = 0) -> list[str]:
    return textwrap.wrap(
        one_line(text),
        width=width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hang),
        break_on_hyphens=False,
    )


# --------------------------------------------------------------------------- the table itself


def _sections(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The lines under the header: each gate with its checks indented below it."""
    gate = None
    for row in rows:
        if row.gate != gate:
            gate = row.gate
            yield (gate,)
        name = row.cells[0].removeprefix(f"{gate}/").removeprefix(f"{gate}: ")
        yield (f"  {name}", *row.cells[1:])


def _grid(lines: Iterator[tuple[str, ...]], width: int) -> list[str]:
    rows = [_HEADER, *lines]
    whole = [row for row in rows if len(row) > 1]
    wide = [max(_cells(row[column]) for row in whole) for column in range(len(_HEADER))]
    names, wants = _shared(wide[0], wide[3], width - sum(wide[1:3]) - wide[4] - len(_GAP) * 4)
    widths = (names, wide[1], wide[2], wants, wide[4])
    drawn: list[str] = []
    for row in rows:
        drawn += [row[0]] if len(row) == 1 else _drawn(row, widths)
    return drawn


def _shared(names: int, wants: int, room: int) -> tuple[int, int]:
    """Widths of the two columns that may wrap: both whole if there is room, else what one leaves to the other."""
    if names + wants <= room:
        return names, wants
    least = max(8, room // 3)
    names = min(names, max(room - wants, room - least))
    return names, max(least, room - names)


def _drawn(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    parts = [_broken(cell, width) for cell, width in zip(row, widths, strict=True)]
    for line in range(max(map(len, parts))):
        cells = [
            _padded(part[line] if line < len(part) else "", width, right=right)
            for part, width, right in zip(parts, widths, _RIGHT, strict=True)
        ]
        yield _GAP.join(cells).rstrip()


def _broken(text: str, width: int) -> list[str]:
    """A cell as lines: broken at spaces and at the joints of names, and only then anywhere."""
    indent = " " * (len(text) - len(text.lstrip()))
    lines, line = [], indent
    for piece in re.findall(r"[^ /+_;]*[ /+_;]*", text.lstrip()):
        if line.strip() and _cells(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = indent + "  " if indent else ""
        for char in piece:
            if _cells(line + char) > width and char != " ":
                lines.append(line.rstrip())
                line = indent
            line += char
    return [*lines, line.rstrip()]


def _padded(text: str, width: int, *, right: bool) -> str:
    room = " " * (width - _cells(text))
    return room + text if right else text + room


def _cells(text: str) -> int:
    """Columns of a terminal that a text takes: two for wide characters, none for marks."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )

"""What an evaluation came to, in the formats of others: build servers, code-scanning services, test reports, people.

Rendering is pure: the recorded results go in, bytes come out. Nothing is judged again and nothing is left out: a check
that is inconclusive, not evaluable or broken is never shown as green, in any format, and neither is a verdict that no
check explains. Text of a ledger is hostile input: each format escapes it in its own way, and what a reader would not
see is written as an escape first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from tallystick.report.exports import checkresults, github, junit, markdown, sarif, table, tap
from tallystick.report.exports.results import Results

__all__ = ["FORMATS", "Results", "github", "markdown", "table"]

FORMATS: Final[Mapping[str, Callable[[Results], bytes]]] = MappingProxyType(
    {
        "table": lambda results: table.render(results).encode(),
        "json": checkresults.render,
        "junit": junit.render,
        "sarif": sarif.render,
        "github": lambda results: github.render(results).encode(),
        "markdown": lambda results: markdown.render(results).encode(),
        "tap": lambda results: tap.render(results).encode(),
    }
)
"""The formats by name; each makes the bytes of one file."""

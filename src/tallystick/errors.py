"""Everything that can go wrong, as one tree.

::

    TallystickError                could not find out                          exit 3
    ├── UsageError                 the command or call was put wrongly         exit 2
    ├── Refused                    the rules say no (a promotion, an approval) exit 1
    ├── NotVerified                evidence in hand does not hold              exit 1
    │   ├── Malformed              not even well-formed                        exit 1
    │   └── Tampered               well-formed, but a digest, proof or signature fails
    ├── InvalidInput               something handed in cannot be used          exit 3
    │   ├── InvalidRecord          a record that the table of kinds does not allow
    │   ├── InvalidPolicy          a policy file, at a line and a column
    │   └── InvalidData            a data file, a column, a value
    ├── Unavailable                something needed is not there               exit 3
    │   ├── NotFound               no such file, model, entry, policy
    │   ├── NewerFormat            written by a later version
    │   ├── KeyUnavailable         missing key, wrong passphrase, open permissions
    │   ├── LedgerBusy             another process holds the ledger
    │   ├── CommitUnknown          the disk or server failed while an append was made durable
    │   └── MissingProgram         git, Pango or another part of the machine
    └── Unconfirmed                two computations of one figure disagree     exit 3

A "no" from a gate is a value, not an error. A message says what, where, expected, got and the remedy,
on one line. The front doors (command line, later the web) catch the root once; a library never exits.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "CommitUnknown",
    "InvalidData",
    "InvalidInput",
    "InvalidPolicy",
    "InvalidRecord",
    "KeyUnavailable",
    "LedgerBusy",
    "Malformed",
    "MissingProgram",
    "NewerFormat",
    "NotFound",
    "NotVerified",
    "Refused",
    "TallystickError",
    "Tampered",
    "Unavailable",
    "Unconfirmed",
    "UsageError",
]


class TallystickError(Exception):
    """The root. Its text is one line: what, where, expected, got, remedy.

    Args:
        what: what went wrong, as a short clause without a final stop.
        where: file, file:line:column, entry, field or column.
        expected: what would have been right.
        got: what was found.
        remedy: what the reader can do now, as a sentence.
    """

    exit_code: ClassVar[int] = 3
    http_status: ClassVar[int] = 500

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.got = got
        self.remedy = remedy
        super().__init__(self._line())

    def _line(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            text += f"; expected {self.expected}"
        if self.got:
            text += f"; got {self.got}"
        if self.remedy:
            text += f". {self.remedy}"
        return _one_line(text)

    def as_json(self) -> dict[str, str]:
        """The same facts as a mapping, absent ones left out: the one JSON shape of an error."""
        facts = {
            "error": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "expected": self.expected,
            "got": self.got,
            "remedy": self.remedy,
        }
        return {name: _one_line(fact) for name, fact in facts.items() if fact is not None}


def _one_line(text: str) -> str:
    """Control characters escaped: ledger text is hostile input, also on a terminal, and to a runner of GitHub Actions.

    The runner takes what follows ``##[`` for a command, wherever in a line it stands.
    """
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text.replace("##[", r"#\x23[")


class UsageError(TallystickError):
    """The command or call was put wrongly; nothing was looked at."""

    exit_code = 2
    http_status = 400


class Refused(TallystickError):
    """The rules say no."""

    exit_code = 1
    http_status = 409


class NotVerified(TallystickError):
    """The evidence in hand does not hold."""

    exit_code = 1
    http_status = 422


class Malformed(NotVerified):
    """The evidence is not even well-formed."""


class Tampered(NotVerified):
    """Well-formed, but a digest, an inclusion proof or a signature fails."""


class InvalidInput(TallystickError):
    """Something handed in cannot be used; the ledger is as it was."""

    http_status = 400


class InvalidRecord(InvalidInput):
    """A record that the table of kinds, or the rules of canonical bytes, do not allow."""


class InvalidPolicy(InvalidInput):
    """A policy file that cannot be used; `where` holds file:line:column."""


class InvalidData(InvalidInput):
    """A data file, a column or a value that cannot be used."""


class Unavailable(TallystickError):
    """Something that is needed is not there."""

    http_status = 503


class NotFound(Unavailable):
    """No such file, model, entry or policy."""

    http_status = 404


class NewerFormat(Unavailable):
    """Written by a later version of tallystick."""


class KeyUnavailable(Unavailable):
    """A key that is missing, locked by another passphrase, or readable by others."""


class LedgerBusy(Unavailable):
    """Another process holds the ledger for longer than the time allowed."""


class CommitUnknown(Unavailable):
    """The end of a transaction failed in a way that leaves open whether it was recorded; its receipts were withheld."""


class MissingProgram(Unavailable):
    """A part of the machine (git, Pango, ...) that is not installed."""


class Unconfirmed(TallystickError):
    """Two computations of one figure do not come to the same; nothing was recorded."""

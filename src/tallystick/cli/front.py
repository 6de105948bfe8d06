"""What commands share: options, the open desk, and the two ways to print."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from tallystick.errors import NotFound, Refused, Unavailable, UsageError
from tallystick.settings import Settings, load

if TYPE_CHECKING:
    from tallystick.canonical import Value
    from tallystick.workflow.desk import Desk
    from tallystick.workflow.stamping import Stamper

__all__ = [
    "Front",
    "Group",
    "acting",
    "bar",
    "check_output",
    "columns",
    "front",
    "model_version",
    "pairs",
    "progress",
    "stamping",
    "terminal_width",
    "trusting",
    "visible",
    "when",
    "wrapped",
    "write_output",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True)
class Front:
    """One invocation: its settings, who acts, where a passphrase is."""

    settings: Settings
    passphrase_files: Mapping[str, Path]
    """By label of the key; under the empty label, for every key that has none of its own."""

    @property
    def ledger(self) -> Path | str:
        """A path, or a URL that may hold a password: never print it."""
        return self.settings.ledger

    @property
    def actor(self) -> str | None:
        return self.settings.actor

    def desk(self, *, writing: bool) -> Desk:
        from tallystick.workflow.desk import Desk

        return Desk.open(
            self.ledger,
            keys=self.settings.keys,
            writing=writing,
            passphrase=self.passphrase,
            seal=self.settings.seal,
        )

    def stamper(self) -> Stamper:
        """The time-stamping authority of the settings; the stronger source decides where two are named.

        Raises:
            UsageError: none is named.
        """
        from tallystick.workflow import stamping

        url, command = self.settings.tsa, self.settings.tsa_command
        rank = {name: _SOURCES.index(self.settings.origins[name].source) for name in ("tsa", "tsa_command")}
        if command is not None and rank["tsa_command"] <= rank["tsa"]:
            return stamping.by_command(command)
        if url is not None:
            return stamping.by_url(url)
        raise UsageError(
            "no time-stamping authority is named",
            remedy="Add --tsa URL or --tsa-command COMMAND, or set tsa in tallystick.toml.",
        )

    def passphrase(self, path: Path) -> bytes | None:
        """From the file named for this key, or for all; else from the person at the terminal, else none."""
        file = self.passphrase_files.get(path.stem) or self.passphrase_files.get("")
        if file is not None:
            from tallystick.signing import read_passphrase

            return read_passphrase(file)
        if sys.stdin.isatty():
            answer: str = click.prompt(f"Passphrase of {path.name}", hide_input=True, err=True)
            return answer.encode()
        return None

    def print(self, value: Value, lines: Sequence[str]) -> None:
        """Print the JSON form or the lines for people, as asked."""
        if self.settings.format == "json":
            click.echo(_json(value))
        else:
            for line in lines:
                click.echo(visible(line))

    def print_each(
        self, items: Iterable[T], value: Callable[[T], Value], header: Sequence[str], row: Callable[[T], Sequence[str]]
    ) -> None:
        """Print many things as they come: a list of their JSON forms, or their rows under a header, as asked.

        Columns are as wide as what was printed so far demands: nothing is held back to measure it.
        """
        if self.settings.format == "json":
            _echo_list(map(value, items))
            return
        rows, widths = map(row, items), [0] * len(header)
        page = [header, *islice(rows, _PAGE)]
        while page:
            widths = [max(width, *(len(row[i]) for row in page)) for i, width in enumerate(widths)]
            for line in columns(page, widths=widths):
                click.echo(visible(line))
            page = list(islice(rows, _PAGE))


_PAGE: Final = 256
"""Rows that are measured and printed together."""


def _echo_list(values: Iterable[Value]) -> None:
    """As ``json.dumps`` with an indent of 2 would, without holding all of it."""
    between = "[\n  "
    for value in values:
        click.echo(between + _json(value).replace("\n", "\n  "), nl=False)
        between = ",\n  "
    click.echo("[]" if between[0] == "[" else "\n]")


def visible(line: str) -> str:
    """Control and bidirectional characters escaped: what stands in a ledger is hostile input to a terminal.

    So is ``##[``, which a runner of GitHub Actions takes for the beginning of a command.
    """
    line = "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in line)
    return line.replace("##[", r"#\x23[")


def _json(value: Value) -> str:
    """The same value to who reads JSON, and no command to a runner of GitHub Actions."""
    return json.dumps(value, indent=2).replace("##[", r"#\u0023[")


_OPTIONS = (
    click.option("--ledger", metavar="PATH", help="The ledger; else TALLYSTICK_LEDGER, else found upward."),
    click.option("--keys", metavar="FOLDER", help="The folder of keys; else beside the ledger."),
    click.option("--format", "form", type=click.Choice(["table", "json"]), help="How to print."),
    click.option(
        "--passphrase-file",
        "passphrase_files",
        multiple=True,
        metavar="[LABEL=]FILE",
        help="A file whose first line unlocks the keys, or only that of LABEL; repeatable.",
    ),
)


class Group(click.Group):
    """Commands of one noun, whose help shows the first sentence of each whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, one.get_short_help_str(limit=200)) for name, one in sorted(self.commands.items())]
            )


def front(body: Callable[..., R]) -> Callable[..., R]:
    """Give a command the shared options and hand it a :class:`Front` first."""

    @functools.wraps(body)
    def command(
        *args: Any,
        ledger: str | None,
        keys: str | None,
        form: str | None,
        passphrase_files: tuple[str, ...],
        actor: str | None = None,
        tsa: str | None = None,
        tsa_command: str | None = None,
        templates: str | None = None,
        **rest: Any,
    ) -> R:
        flags = {"ledger": ledger, "keys": keys, "format": form, "as": actor, "templates": templates}
        flags |= {"tsa": tsa, "tsa_command": tsa_command}
        settings = load(environ=os.environ, start=Path.cwd(), flags=flags)
        return body(Front(settings, dict(map(_labelled, passphrase_files))), *args, **rest)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _labelled(text: str) -> tuple[str, Path]:
    label, equals, file = text.partition("=")
    return (label, Path(file)) if equals else ("", Path(text))


acting = click.option(
    "--as", "actor", metavar="LABEL", help="Whose key: a label in the folder of keys, or TALLYSTICK_AS."
)
"""The option of commands that somebody does; :func:`front` takes it in."""


_SOURCES: Final = ("flag", "environment", "file", "default")


def stamping(command: Callable[..., R]) -> Callable[..., R]:
    """The options of commands that ask for time stamps; :func:`front` takes them in."""
    url = click.option("--tsa", metavar="URL", help="The time-stamping authority to ask; else the setting tsa.")
    program = click.option(
        "--tsa-command",
        metavar="COMMAND",
        help="A program to ask instead: it reads {request} and writes {response} (RFC 3161).",
    )
    return url(program(command))


def trusting(report: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """The options of commands that look at what a ledger handed out: whose key is trusted, and the receipt."""
    file = click.Path(path_type=Path)
    options = (
        click.option(
            "--key",
            metavar="KEY|FILE|FINGERPRINT",
            help="The ledger's public key, a file of keys, or a key's fingerprint, from a source that you trust.",
        ),
        click.option("--trust", type=file, help="A file of public keys that you trust, one a line."),
        click.option("--receipt", type=file, help=f"The receipt of {report}; else FILE.tlog-proof beside it."),
    )

    def decorated(command: Callable[P, T]) -> Callable[P, T]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


NUMBER: Final = re.compile(r"[0-9]{1,40}", re.ASCII)
"""A whole number; not what else Unicode calls a digit, nor as long as makes Python refuse it."""


def model_version(text: str) -> tuple[str, int | None]:
    """``NAME`` or ``NAME@VERSION``."""
    name, at, version = text.rpartition("@")
    if not at:
        return text, None
    if not NUMBER.fullmatch(version) or not name:
        raise UsageError("model version is not usable", got=text, expected="NAME or NAME@VERSION, such as credit@2")
    return name, int(version)


def check_output(*paths: Path, force: bool = True, reads: Iterable[Path] = ()) -> None:
    """Ask before any work whether files can be written there: a result must not be recorded and then lost.

    Args:
        reads: files that the command reads: an anchor that was kept must not give way to what it is compared with.

    Raises:
        Refused: a file is there, and overwriting was not asked for, or it is a ledger, a key or what is read.
        NotFound: the folder is not there, or cannot be written to.
    """
    for path in paths:
        what = _precious(path) or next(("this command reads it" for other in reads if _same_file(path, other)), None)
        if what is not None:
            raise Refused(f"file is not overwritten: {what}", where=str(path), remedy="Choose another name.")
        if path.exists() and not force:
            raise Refused("file is there already", where=str(path), remedy="Choose another name, or add --force.")
        folder = path.parent
        if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
            raise NotFound(
                "file cannot be written", where=str(path), expected="a folder that is there and can be written to"
            )


def _precious(path: Path) -> str | None:
    """What no output ever takes the place of, told by what the file begins with; also where it was asked to."""
    if not path.is_file():
        return None
    if path.name.endswith(("-wal", "-shm", "-journal")):
        return "it belongs to a database"
    try:
        with path.open("rb") as file:
            begins = file.read(_LOOK)
    except OSError:
        return None
    if begins.startswith(b"SQLite format 3\0"):
        return "it is a database, such as a ledger"
    return "it is a private key" if b"PRIVATE KEY-----" in begins else None


_LOOK: Final = 4096


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def write_output(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: what stood under the name stays until the new one is complete.

    Raises:
        Unavailable: the disk is full, the folder is not there or may not be written to.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)  # a terminal or a pipe: nothing to put in its place
            return
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:200]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Unavailable("file cannot be written", where=str(path), got=error.strerror) from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def columns(rows: Sequence[Sequence[str]], *, gap: int = 2, widths: Sequence[int] | None = None) -> list[str]:
    """Rows as aligned lines; the last column is not padded."""
    if not rows:
        return []
    if widths is None:
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [(" " * gap).join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def pairs(facts: Mapping[str, str]) -> list[str]:
    """Names and values as aligned lines."""
    return columns([(name, value) for name, value in facts.items()])


def wrapped(text: str, indent: str, *, hang: int = 2) -> list[str]:
    """A sentence as lines that the terminal holds, up to 108 characters; those after the first are indented further.

    Names and digests stay whole: somebody may want to copy them.
    """
    import textwrap

    return textwrap.wrap(
        text,
        width=terminal_width(),
        initial_indent=indent,
        subsequent_indent=indent + " " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def terminal_width() -> int:
    """Columns of a line that is well read: as many as the terminal holds, from 60 up to 108."""
    import shutil

    return max(60, min(108, shutil.get_terminal_size((110, 24)).columns - 2))


def when(recorded_at: str) -> str:
    """A ledger time to the second, for tables."""
    return recorded_at[:19].replace("T", " ")


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress function of (done, total) that draws on a terminal's stderr; None where there is none."""
    if not sys.stderr.isatty():
        yield None
        return

    def draw(done: int, total: int) -> None:
        share = done / total if total else 1.0
        click.echo(f"\r{label} {share:4.0%}", nl=False, err=True)

    try:
        yield draw
    finally:
        click.echo("\r" + " " * (len(label) + 6) + "\r", nl=False, err=True)


def progress(text: str) -> None:
    """A line about what goes on, to stderr, for whatever may take over two seconds."""
    click.echo(visible(f"... {text}"), err=True)

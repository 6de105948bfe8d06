"""``-o FORMAT[=PATH]``: where the results of a gate go, settled before the run and written after it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from tallystick.cli.front import check_output, write_output
from tallystick.errors import NotFound, Unavailable, UsageError

if TYPE_CHECKING:
    from tallystick.report.exports import Results

__all__ = ["FORMATS", "Outputs", "Target"]

FORMATS: Final = ("table", "json", "junit", "sarif", "github", "markdown", "tap")
SUMMARY: Final = "GITHUB_STEP_SUMMARY"
"""Names the file to which a step of GitHub Actions appends its summary."""


_ESCAPED: Final = {"json": rb"#\u0023[", "sarif": rb"#\u0023[", "junit": b"#&#35;["}
"""The same text to who reads the format; on the standard output a runner would take it for a command."""


class Target(click.ParamType[tuple[str, Path | None]]):
    """``FORMAT`` for the standard output, or ``FORMAT=PATH``."""

    name = "FORMAT[=PATH]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path | None]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click converts what it has converted
        form, equals, path = value.partition("=")
        if form not in FORMATS:
            near = f" Write json={value} for the JSON form in a file." if not equals and "." in value else ""
            self.fail(f"{form[:60]!r} is not one of {', '.join(FORMATS)}.{near}", param, ctx)
        if equals and not path:
            self.fail(f"{value!r} names no file.", param, ctx)
        return form, Path(path) if equals else None


@dataclass(frozen=True)
class Outputs:
    """Where results go. Exactly one format has the standard output; ``github`` may write beside a table there."""

    printed: str
    annotates: bool
    files: tuple[tuple[str, Path], ...]
    summary: Path | None

    @classmethod
    def of(
        cls,
        targets: Sequence[tuple[str, Path | None]],
        *,
        default: str,
        environ: Mapping[str, str],
        taken: Iterable[Path],
    ) -> Outputs:
        """Settle where things go, before anything is looked at.

        Args:
            targets: as :class:`Target` gives them.
            default: the format that is printed if none is named.
            taken: files that are read in the run, and so may not be written.

        Raises:
            UsageError: two outputs go to one place, or one to a file that is read.
            NotFound: a file cannot be written.
        """
        printed = [form for form, path in targets if path is None and form != "github"]
        annotates = ("github", None) in targets
        if len(printed) > 1:
            raise UsageError(
                "two formats for the standard output", got=", ".join(printed), remedy="Give one a file: -o FORMAT=PATH."
            )
        main = printed[0] if printed else default
        if annotates and main != "table":
            raise UsageError(
                "annotations for GitHub cannot stand in the same output as another format", got=main,
                remedy=f"Give the other one a file: -o {main}=PATH.",
            )  # fmt: skip
        files = tuple((form, path) for form, path in targets if path is not None)
        name = environ.get(SUMMARY) if any(form == "github" for form, _ in targets) else None
        summary = Path(name) if name else None
        _check_places([path for _, path in files], [*taken, *([summary] if summary else [])])
        if summary is not None:
            _check_summary(summary)
        return cls(main, annotates, files, summary)

    def clear(self) -> None:
        """Take away what an earlier run wrote: it must not pass for what this one found."""
        for _, path in self.files:
            found = _behind(path)
            if found.is_file():
                found.unlink()

    def write(self, results: Results) -> None:
        """Write every file, each whole or not at all, and append the summary.

        Raises:
            Unavailable: one cannot be written; the others are.
        """
        from tallystick.report.exports import FORMATS as RENDERED
        from tallystick.report.exports import markdown

        failed: Unavailable | None = None
        for form, path in self.files:
            try:
                write_output(_behind(path), RENDERED[form](results))
            except Unavailable as error:
                failed = failed or error
        if self.summary is not None:
            try:
                with self.summary.open("a", encoding="utf-8") as file:
                    file.write(markdown.render(results))
            except OSError as error:
                failed = failed or Unavailable("summary cannot be written", where=str(self.summary), got=error.strerror)
        if failed is not None:
            raise failed

    def print(self, results: Results, width: int) -> None:
        """Print the one format that has the standard output, and annotations after it if they were asked for."""
        from tallystick.report.exports import FORMATS as RENDERED
        from tallystick.report.exports import github, table

        if self.printed == "table":
            for line in table.render(results, width).splitlines():
                click.echo(github.harmless(line))
        else:
            told = RENDERED[self.printed](results)
            click.echo(told.replace(b"##[", _ESCAPED.get(self.printed, rb"#\x23[")), nl=False)
        if self.annotates:
            click.echo(github.render(results), nl=False)


def _check_places(paths: Sequence[Path], taken: Iterable[Path]) -> None:
    seen: dict[str, str] = {_place(path): "is read in this run" for path in taken}
    for path in paths:
        place = _place(path)
        if place in seen:
            raise UsageError(f"an output's file {seen[place]}", got=str(path), remedy="Give it a file of its own.")
        seen[place] = "is another output's too"
    check_output(*paths)


def _behind(path: Path) -> Path:
    """The file that a link leads to, or will lead to; a pipe or a terminal stays what it is called."""
    return path.resolve() if path.is_symlink() and (path.is_file() or not path.exists()) else path


def _place(path: Path) -> str:
    """One spelling of a file, whatever links lead to it."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return f"{found.st_dev}:{found.st_ino}" if stat.S_ISREG(found.st_mode) else os.path.realpath(path)


def _check_summary(path: Path) -> None:
    place = path if path.exists() else path.parent
    if path.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise NotFound("summary cannot be written", where=str(path), expected=f"a file, as {SUMMARY} names it")

"""The front door: finds the command, loads only what it needs, and turns every error into a line and an exit code.

Exit codes: 0 yes, 1 no, 2 put wrongly, 3 could not find out, 4 inconclusive. Python's own 1 for an uncaught exception
never escapes: it would read as a "no".
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from tallystick.errors import TallystickError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: Final = {
    "init": ("setup:init", "Create a ledger with its own keys."),
    "doctor": ("setup:doctor", "Show what is here, where each setting came from and what is missing."),
    "key": ("key:key", "Make and list people's keys."),
    "usecase": ("record:usecase", "Record what models are for, who owns them and how risky they are."),
    "record": ("record:record", "Record data, code, parameters, environment, models, metrics, documents."),
    "log": ("look:log", "List entries."),
    "show": ("look:show", "Show one entry, or the newest about a name."),
    "history": ("look:history", "Show which version of a model was in a stage when."),
    "policy": ("policy:policy", "Check, publish, list and show policies."),
    "gate": ("gate:gate", "Run the gates of a policy over a model's predictions."),
    "approve": ("decide:approve", "Approve, or refuse, a decision with your own key."),
    "promote": ("decide:promote", "Promote a model version to a stage, if every rule holds."),
    "report": ("issue:report", "Write the signed audit report of a model version, or trace its numbers."),
    "document": ("document:document", "Write a model card, data sheet or another document from the records."),
    "pack": ("issue:pack", "Write the evidence pack of a model version."),
    "verify": ("verify:verify", "Verify a pack, report, receipt, checkpoint or consistency proof, offline."),
    "ledger": ("ledger:ledger", "Checkpoint, prove and examine the ledger."),
}
"""Command to the place that holds it and its line of help, so that help imports nothing."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"tallystick.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"tallystick {version('tallystick')}")
        ctx.exit()


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """The governance ledger for machine-learning models.

    Record what a model was made from, refuse to promote it until policy gates pass, and hand an auditor one file that
    proves it.

    Exit codes: 0 yes; 1 the answer is no; 2 usage; 3 could not find out; 4 inconclusive.
    """


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code; the one place that catches everything."""
    from tallystick.cli import streams

    streams.settle()
    words = sys.argv[1:] if argv is None else argv
    if "gate" not in words[:1]:
        sys.exit(run(argv))
    from tallystick.cli.supervised import supervised

    sys.exit(supervised(lambda: run(argv)))


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        result = cli.main(args=None if argv is None else list(argv), prog_name="tallystick", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TallystickError as error:
        _say(error)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        click.echo(f"tallystick: {_one_line(error)}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 3
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) and stop.code > 1 else 3
    except Exception:
        import traceback

        traceback.print_exc()
        click.echo(
            "tallystick: unforeseen error; look with `tallystick log` whether something was recorded."
            " Please report the lines above.",
            err=True,
        )
        return 3


def _one_line(error: click.ClickException) -> str:
    """What was put wrongly, and where to read how to put it."""
    said = " ".join(error.format_message().split()).replace("##[", r"#\x23[")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return said + (f" Try: {context.command_path} --help" if context is not None else "")


def _say(error: TallystickError) -> None:
    click.echo(f"tallystick: {error}", err=True)

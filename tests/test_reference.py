"""The reference pages say what the code says: commands, options, exit codes, settings, policy keys, kinds of entries.

Each table is drawn here from the code and must stand in its page word for word; a page may say more around it. When a
test fails, the message holds the table to put there.
"""

import inspect
import re
import tomllib
from pathlib import Path
from typing import get_args

import click
import pytest
from pydantic import BaseModel

from tallystick import errors, settings
from tallystick.cli.main import cli
from tallystick.people.keys import RIGHTS
from tallystick.policy.gates.benchmark.scorers import SCORERS
from tallystick.policy.metrics import GROUP_METRICS
from tallystick.policy.registry import document_model
from tallystick.policy.results import VERDICTS
from tallystick.records import KINDS

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHARED = ("--ledger", "--keys", "--format", "--passphrase-file", "--as")


def page(name):
    return (REFERENCE / name).read_text(encoding="utf-8")


def table(head, rows):
    lines, escaped = [head, ["---"] * len(head), *rows], r"\|"
    return "\n".join(f"| {' | '.join(cell.replace('|', escaped) for cell in line)} |" for line in lines)


# --- commands -------------------------------------------------------------------------------------------------------


def commands(group, context):
    """Path and command of every command that does something."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        below = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from commands(command, below)
        else:
            yield below.command_path, command


ALL = dict(commands(cli, click.Context(cli, info_name="tallystick")))
SHARING = {
    path for path, command in ALL.items() if {"--ledger", "--keys"} <= {o for p in command.params for o in p.opts}
}


def options(command):
    return [param for param in command.params if isinstance(param, click.Option)]


def spelling(option):
    if option.is_flag or option.count:
        return ", ".join(f"`{name}`" for name in option.opts)
    value = "|".join(option.type.choices) if isinstance(option.type, click.Choice) else option.metavar
    return ", ".join(f"`{name} {value or option.type.name.upper()}`" for name in option.opts)


def meaning(option):
    text = option.help or ""
    if option.required:
        text += " Required."
    shown = option.default if option.show_default and isinstance(option.default, str) else None
    return (text + (f" Else `{shown}`." if shown else "")).strip()


def drawn(path, command):
    """The section of a command: how it is called, what it does, its own options."""
    arguments = [
        param.make_metavar(click.Context(command)) for param in command.params if isinstance(param, click.Argument)
    ]
    own = [o for o in options(command) if path not in SHARING or o.opts[0] not in SHARED]
    call = " ".join([path, *arguments, *(["[OPTIONS]"] if options(command) else [])])
    says = re.sub(r"(?<=[.]) (?=[A-Z])", "\n", " ".join(inspect.cleandoc(command.help or "").split()))
    parts = [f"### {path}", f"`{call}`", says]
    if any(o.opts[0] == "--as" for o in options(command)):
        parts.append("Somebody acts here: `--as LABEL`.")
    if own:
        parts.append(table(("option", "meaning"), [(spelling(o), meaning(o)) for o in own]))
    return "\n\n".join(parts)


@pytest.mark.parametrize("path", ALL)
def test_the_page_of_commands_has_every_command_with_its_options(path):
    section = drawn(path, ALL[path])
    assert section in page("commands.md"), f"docs/reference/commands.md should hold:\n\n{section}\n"


def test_the_page_of_commands_has_no_other_command():
    assert re.findall(r"^### (tallystick .+)$", page("commands.md"), re.M) == list(ALL)


def test_the_page_of_commands_has_the_options_that_commands_share():
    command = ALL["tallystick approve"]
    rows = [(spelling(o), meaning(o)) for o in options(command) if o.opts[0] in SHARED]
    shared = table(("option", "meaning"), rows)
    assert shared in page("commands.md"), shared
    assert len(rows) == len(SHARED)


def tree(error=errors.TallystickError, depth=0):
    yield error, depth
    for below in error.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below, depth + 1)


def test_the_page_of_commands_has_every_error_with_its_exit_code():
    rows = [
        (
            f"{'&nbsp;&nbsp;' * depth}`{error.__name__}`",
            str(error.exit_code),
            inspect.cleandoc(error.__doc__).splitlines()[0],
        )
        for error, depth in tree()
    ]
    drawn_table = table(("error", "exit code", "meaning"), rows)
    assert drawn_table in page("commands.md"), drawn_table


def test_the_page_of_commands_has_the_five_exit_codes_that_help_names():
    codes = re.search(r"Exit codes: (.*)\.", cli.help)[1]
    named = dict(part.split(" ", 1) for part in codes.split("; "))
    rows = re.findall(r"^\| \*\*(\d)\*\* \| ([^|]+) \|", page("commands.md"), re.M)
    assert dict(rows) == named


def test_the_page_of_commands_has_every_setting_and_its_variable():
    text = page("commands.md")
    for name in settings._NAMES:
        assert f"| `{name}` | " in text
        assert f"`TALLYSTICK_{name.upper()}`" in text


# --- policy ---------------------------------------------------------------------------------------------------------


def models(model=None, seen=None):
    """Every pydantic model that a policy is made of."""
    model, seen = model or document_model(), {} if seen is None else seen
    if model.__name__ not in seen:
        seen[model.__name__] = model
        for field in model.model_fields.values():
            for below in _models_in(field.annotation):
                models(below, seen)
    return seen


def _models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


HEADINGS = {
    "Document": "The document",
    "Metadata": "metadata",
    "AppliesTo": "applies_to",
    "Inputs": "inputs",
    "Columns": "inputs.columns",
    "Defaults": "defaults",
    "SchemaGate": "A gate of type schema",
    "Origin": "from",
    "RowLimits": "rows",
    "RowRule": "rules",
    "Freshness": "freshness",
    "Column": "columns, of a schema gate",
    "Tolerance": "tolerate",
    "BiasGate": "A gate of type bias",
    "MinGroup": "min_group",
    "BiasMetric": "metrics, of a bias gate",
    "BootstrapInterval": "interval",
    "Compared": "favourable, as a comparison",
    "Exclusion": "exclude",
    "Family": "family",
    "BenchmarkGate": "A gate of type benchmark",
    "BenchmarkMetric": "metrics, of a benchmark gate",
    "RecordedMetric": "metrics that are recorded",
    "Versus": "versus",
    "Churn": "churn",
    "DriftGate": "A gate of type drift",
    "DriftMetric": "metrics, of a drift gate",
    "ExpressionGate": "A gate of type expr",
}


def keys(model):
    """Name and field of each key, as a policy spells it."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def keys_of(section):
    return re.findall(r"^\| `([A-Za-z0-9_]+)` \|", section, re.M)


@pytest.mark.parametrize("name", HEADINGS)
def test_the_page_of_policies_has_every_key_and_no_other(name):
    section = re.search(rf"^##+ {re.escape(HEADINGS[name])}\n(.*?)(?=^#|\Z)", page("policy.md"), re.M | re.S)
    assert section, HEADINGS[name]
    assert sorted(keys_of(section[1])) == sorted(keys(models()[name]))


def test_the_page_of_policies_has_a_table_for_every_part_of_the_language():
    assert set(models()) == set(HEADINGS)


def test_the_page_of_policies_says_which_keys_are_required_and_what_holds_without_them():
    text = page("policy.md")
    for name, model in models().items():
        section = re.search(rf"^##+ {re.escape(HEADINGS[name])}\n(.*?)(?=^#|\Z)", text, re.M | re.S)[1]
        for key, field in keys(model).items():
            cell = re.search(rf"^\| `{key}` \| ([^|]*) \|", section, re.M)[1].strip()
            assert (cell == "required") == field.is_required(), (name, key)
            if isinstance(field.default, str | float | int) and not isinstance(field.default, bool):
                assert cell == f"`{field.default}`", (name, key)


# --- gates ----------------------------------------------------------------------------------------------------------


def test_the_page_of_gates_has_every_metric_and_no_other():
    named = re.findall(r"^\| `([a-z0-9_]+)` \|", page("gates.md"), re.M)
    assert sorted(named) == sorted([*GROUP_METRICS, *VERDICTS])


INTERVALS = {
    "": "none",
    "delong": "DeLong",
    "hanley_mcneil": "Hanley and McNeil",
    "newcombe_paired": "Newcombe, paired",
    "wald": "Wald",
    "wilson": "Wilson",
}


def test_the_page_of_the_benchmark_gate_has_every_metric_with_its_intervals():
    found = re.findall(r"^\| `([a-z0-9_]+)` \| (.*) \|$", page("gates/benchmark.md"), re.M)
    assert [name for name, _ in found] == list(SCORERS)
    for name, line in found:
        scorer, cells = SCORERS[name], [cell.split(":")[0] for cell in line.split(" | ")]
        words = [INTERVALS.get(method, method.replace("_", " ")) for method in (scorer.interval, scorer.paired)]
        assert cells[-2:] == words or (scorer.basis == "bins" and cells[-1] == words[0]), name
        if "higher" in cells or "lower" in cells:
            assert ("higher" in cells) == scorer.higher_is_better, name


# --- records --------------------------------------------------------------------------------------------------------


def kinds_table():
    rows = []
    for kind in KINDS.values():
        fields = {name: field for name, field in kind.fields.items() if name != "declared"}
        required = ", ".join(f"`{n}` {f.type}" for n, f in fields.items() if f.required)
        optional = ", ".join(f"`{n}` {f.type}" for n, f in fields.items() if not f.required)
        rows.append((f"`{kind.name}`", kind.meaning, "yes" if kind.signed else "", required, optional))
    return table(("kind", "meaning", "signed", "required", "optional"), rows)


def test_the_page_of_records_has_the_table_of_kinds():
    assert kinds_table() in page("records.md"), kinds_table()


def test_the_page_of_records_has_the_rights_of_every_role():
    rows = [(f"`{role}`", ", ".join(sorted(rights)) or "nothing") for role, rights in RIGHTS.items()]
    drawn_table = table(("role", "may sign to"), rows)
    assert drawn_table in page("records.md"), drawn_table


# --- the house ------------------------------------------------------------------------------------------------------


def test_the_page_of_the_house_has_the_floors_of_the_import_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    floors = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    shown = (ROOT / "docs" / "concepts" / "architecture.md").read_text(encoding="utf-8")
    assert "```text\n" + "\n".join(floors) + "\n```" in shown


def test_the_page_of_the_house_has_every_room():
    package = ROOT / "src" / "tallystick"
    rooms = {path.name for path in package.iterdir() if path.suffix == ".py" and not path.name.startswith("_")}
    rooms |= {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    shown = (ROOT / "docs" / "concepts" / "architecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z0-9_./]+)` \|", shown, re.M)) == rooms


@pytest.mark.parametrize("shown", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_of_the_checkout_that_a_page_names_is_there(shown):
    named = re.findall(r"`((?:src|tests|docs|policies|templates)/[\w./-]+)`", shown.read_text(encoding="utf-8"))
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_help_shows_what_each_command_does_without_cutting_it_short(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("record", "policy", "key", "gate", "ledger"):
        group = cli.get_command(click.Context(cli), name)
        text = group.get_help(click.Context(group, info_name=name, max_content_width=80))
        listed = " ".join(text.partition("Commands:")[2].split())
        for command in group.commands.values():
            assert command.help.split(".")[0].replace("\n", " ") in listed

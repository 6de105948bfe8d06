"""The documentation is true: its links lead somewhere, and the commands it shows exist.

Covers README.md, CONTRIBUTING.md, CHANGELOG.md and every page under docs/. In a block marked ``console``, each line
that starts with ``$ tallystick`` must name commands and options that the command line has; nothing is run.
"""

import importlib
import importlib.util
import re
import shlex
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

FENCE = re.compile(r"^(?P<mark>`{3,}|~{3,})[ ]*(?P<language>\w*).*?\n(?P<body>.*?)^(?P=mark)[ ]*$", re.M | re.S)
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
LINK = re.compile(r"\]\(\s*<?(?P<inline>[^)\s>]+)|^\[[^\]]+\]:\s*<?(?P<reference>[^\s>]+)", re.M)
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.M)
EXPLICIT_ANCHOR = re.compile(r"""<a\s+(?:id|name)=["']([^"']+)""")
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.I)


# --- links ----------------------------------------------------------------------------------------------------------


def broken_links(page, root):
    """Each link of the page that leads nowhere inside the project, with the reason. Links to the web are left alone."""
    text = INLINE_CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))
    targets = [match["inline"] or match["reference"] for match in LINK.finditer(text)]
    reasons = ((target, why_broken(page, target, root)) for target in targets if not ELSEWHERE.match(target))
    return [f"{target}: {reason}" for target, reason in reasons if reason]


def why_broken(page, target, root):
    path, _, anchor = unquote(target).partition("#")
    goal = (page.parent / path).resolve() if path else page
    if not goal.is_relative_to(root.resolve()):
        return "leads out of the project"
    if not goal.exists():
        return "no such file"
    if anchor and goal.suffix == ".md" and anchor not in anchors(goal):
        return "no such heading"
    return None


def anchors(page):
    """The names that a heading can be linked by: its words in lower case, joined by hyphens, numbered when repeated."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    names, seen = set(EXPLICIT_ANCHOR.findall(text)), {}
    for match in HEADING.finditer(text):
        visible = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match["text"])
        name = re.sub(r"[^\w\- ]", "", visible.lower()).replace(" ", "-")
        count = seen[name] = seen.get(name, -1) + 1
        names.add(f"{name}-{count}" if count else name)
    return names


# --- commands -------------------------------------------------------------------------------------------------------


def shown_commands(text):
    """The arguments of each ``$ tallystick ...`` in the console blocks, joined over trailing backslashes."""
    for block in FENCE.finditer(text):
        if block["language"] == "console":
            for line in block["body"].replace("\\\n", " ").splitlines():
                yield from _calls(line)


def _calls(line):
    """The calls of tallystick on one line of a console: behind the prompt, variables, a pipe, `&&` or `;`."""
    if not line.startswith("$ "):
        return
    lexer = shlex.shlex(line[2:], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("|&;<>()"):
            if call[:1] == ["tallystick"]:
                yield call[1:]
            call = []
        elif call or not re.match(r"[A-Z_]+=", word):
            call.append(word)


def unknown_word(arguments, group):
    """The first word that the command line does not have, or None: walks down the commands and passes over values."""
    context = click.Context(group, info_name="tallystick")
    command, words = group, iter(arguments)
    for word in words:
        if word == "--":
            break
        if word.startswith("-") and word != "-":
            name, _, value = word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])
            option = _option(command, context, name)
            if option is None:
                return f"{context.command_path} {name}"
            for _ in range(0 if value or option.is_flag or option.count else option.nargs):
                next(words, None)
        elif isinstance(command, click.Group):
            below = command.get_command(context, word) or command.get_command(context, getattr(command, "default", ""))
            if below is None:
                return f"{context.command_path} {word}"
            command, context = below, click.Context(below, info_name=word, parent=context)
    return None


def _option(command, context, name):
    for option in command.get_params(context):
        if isinstance(option, click.Option) and name in (*option.opts, *option.secondary_opts):
            return option
    return None


# --- the tests ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def command_line():
    if importlib.util.find_spec("tallystick.cli.main") is None:
        pytest.skip("tallystick.cli.main is not written yet")
    front_door = importlib.import_module("tallystick.cli.main")
    return next(value for value in vars(front_door).values() if isinstance(value, click.Group))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page):
    assert broken_links(page, ROOT) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_that_a_page_shows_exists(page, request):
    calls = list(shown_commands(page.read_text(encoding="utf-8")))
    if calls:
        group = request.getfixturevalue("command_line")
        assert [word for call in calls if (word := unknown_word(call, group))] == []


# --- the checker itself finds what it is for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("[x](other.md)", None),
        ("[x](other.md#a-heading-with-code)", None),
        ("[x](other.md#twice-1)", None),
        ("[x](#here)", None),
        ("[x](<other.md> 'title')", None),
        ("![x](https://example.org/x.png)", None),
        ("`[x](missing.md)`", None),
        ("```text\n[x](missing.md)\n```", None),
        ("[x](missing.md)", "no such file"),
        ("[x]\n\n[x]: missing.md", "no such file"),
        ("[x](other.md#nowhere)", "no such heading"),
        ("[x](#nowhere)", "no such heading"),
        ("[x](other.md#not-a-heading)", "no such heading"),
        ("[x](../../up.md)", "leads out of the project"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path, link, reason):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    page.write_text(f"# Here\n\n{link}\n")
    other.write_text("# A heading, with `code`\n\n## Twice\n\n## Twice\n\n```sh\n# not a heading\n```\n")
    found = broken_links(page, tmp_path)
    assert [text.partition(": ")[2] for text in found] == ([reason] if reason else [])


@pytest.fixture
def small_group():
    ledger = click.Option(["--ledger", "-l"])
    quiet = click.Option(["--quiet/--loud"], is_flag=True)
    dataset = click.Command("dataset", params=[click.Argument(["path"]), quiet])
    record = click.Group("record", commands={"dataset": dataset}, params=[ledger])
    return click.Group("tallystick", commands={"record": record})


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("$ tallystick record dataset train.csv --quiet", None),
        ("$ tallystick record --ledger x.db dataset \\\n    train.csv --loud  # a comment", None),
        ("$ tallystick record -lx.db dataset -- --odd-name", None),
        ("$ TALLYSTICK_LEDGER=x.db tallystick --help | head", None),
        ("tallystick is not a command here", None),
        ("$ tallystick recrod dataset", "tallystick recrod"),
        ("$ tallystick record datasets", "tallystick record datasets"),
        ("$ tallystick record dataset --quite x", "tallystick record dataset --quite"),
        ("$ cat x | tallystick record --lodger=x dataset", "tallystick record --lodger"),
        ("$ tallystick record dataset x && tallystick pack", "tallystick pack"),
    ],
)
def test_a_command_that_does_not_exist_is_found(small_group, line, unknown):
    calls = shown_commands(f"Some words.\n\n```console\n{line}\n```\n")
    assert [word for call in calls if (word := unknown_word(call, small_group))] == ([unknown] if unknown else [])

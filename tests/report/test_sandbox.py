"""Templates of others reach nothing, end in time, and cannot put out text as markup."""

import json
import os

import pytest

from tallystick.errors import InvalidInput, NotFound, Unavailable
from tallystick.report import sandbox, sandboxed

DOCUMENT = {"name": "<b>credit</b>", "sections": [{"title": "[a](https://b.example)"}], "kind": "model-card"}


def rendered(source, name="page.html.j2", **others):
    return sandbox.render(name, {name: source, **others}, DOCUMENT)


def test_a_template_is_filled_and_its_texts_are_escaped():
    assert rendered("<i>{{ document.name }}</i>") == "<i>&lt;b&gt;credit&lt;/b&gt;</i>"


def test_what_replace_makes_is_escaped_whatever_it_is_made_of():
    source = "{% set m %}{{ document.name }}{% endset %}{% set l %}<{% endset %}{{ m|replace('&lt;', l) }}"
    assert "<" not in rendered(source)
    assert rendered("{{ document.kind|replace('model', '<i>') }}") == "&lt;i&gt;-card"


def test_it_may_use_other_templates_of_its_folder():
    assert rendered("{% include 'foot.html.j2' %}", **{"foot.html.j2": "{{ document.kind }}"}) == "model-card"
    base = {"base.html.j2": "<p>{% block x %}{% endblock %}</p>"}
    assert rendered("{% extends 'base.html.j2' %}{% block x %}1{% endblock %}", **base) == "<p>1</p>"


def test_in_markdown_texts_are_escaped_before_the_template_has_them():
    text = rendered("{{ document.sections[0].title }} {{ document.name ~ '' }}", name="page.md.j2")
    assert text == "\\[a\\](https\\://b.example) \\<b\\>credit\\</b\\>"


NESTED = "{% for a in range(9999) %}" * 6 + "." + "{% endfor %}" * 6
HARMFUL = {
    "loops for ever": (NESTED.replace(".", ""), "longer than it is given"),
    "takes memory": ("{{ 'a' * 10**9 }}", "memory"),
    "takes memory bit by bit": ("{% set x = ['a' * 10**8] %}{{ (x * 100)|join }}", "memory"),
    "writes without end": ("{% for a in range(99999) %}{{ 'a' * 10000 }}{% endfor %}", "too long"),
    "counts high": ("{{ 9**(9**9) }}", "longer than it is given"),
    "nests itself": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested too deep"),
    "includes itself": ("{% include 'page.html.j2' %}", "nested too deep"),
    "asks for a class": ("{{ document.__class__ }}", "unsafe"),
    "asks for subclasses": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
    "asks by a filter": ("{{ document|attr('__class__') }}", "attr"),
    "asks by a format": ("{{ '{0.__class__}'.format(document) }}", "unsafe"),
    "asks by a format of a map": ("{{ '{a.__class__}'.format_map({'a': 1}) }}", "unsafe"),
    "asks for globals": ("{{ range.__globals__ }}", "unsafe"),
    "asks for its own frame": ("{{ self._TemplateReference__context }}", "unsafe"),
    "includes a file": ("{% include '/etc/passwd' %}", "etc/passwd"),
    "includes a file above": ("{% include '../../etc/passwd' %}", "etc/passwd"),
    "imports a module": ("{% import 'os' as os %}{{ os.environ }}", "os"),
    "turns escaping off": ("{% autoescape false %}{{ document.name }}{% endautoescape %}", "escaping"),
    "says that it is safe": ("{{ document.name|safe }}", "safe"),
    "puts text together anew": ("{% set l %}Q{% endset %}{{ l.translate({81: document.name}) }}", "unsafe"),
    "replaces in what is escaped": ("{% set l %}<{% endset %}{{ document.name.replace('x', l) }}", "unsafe"),
    "changes what it is given": ("{{ document.update({'a': 1}) }}", "unsafe"),
    "has a mistake": ("{% for %}", "Syntax"),
    "asks for what is not there": ("{{ document.nothing }}", "nothing"),
    "divides by nothing": ("{{ 1 / 0 }}", "ZeroDivisionError"),
}


@pytest.mark.parametrize("what", HARMFUL)
def test_a_template_that(what, monkeypatch):
    monkeypatch.setattr(sandbox, "_PROCESSOR_SECONDS", 1)
    source, why = HARMFUL[what]
    with pytest.raises(InvalidInput, match="template cannot be rendered") as refused:
        rendered(source)
    assert why in str(refused.value) or (why == "memory" and "longer than it is given" in str(refused.value))
    assert "\n" not in str(refused.value)


def test_it_is_given_no_environment_and_no_descriptor(monkeypatch, tmp_path):
    """Said by the child itself: the program is asked in its own process, with the limits in force."""
    monkeypatch.setenv("SECRET", "canary")
    program = tmp_path / "asks.py"
    program.write_text(
        f"import runpy, os, sys, socket, json, subprocess\n"
        f"there = runpy.run_path({str(sandbox._PROGRAM)!r}, run_name='there')\n"
        "sys.stdin.buffer.read()\n"
        "found = {'environ': sorted(os.environ), 'open': sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1]}\n"
        "there['give_up'](9)\n"
        "def tried(act):\n"
        "    try:\n        act()\n    except Exception as error:\n        return type(error).__name__\n"
        "    return 'done'\n"
        "found['file'] = tried(lambda: open('/etc/passwd'))\n"
        "found['low'] = tried(lambda: os.open('/etc/passwd', 0))\n"
        "found['socket'] = tried(lambda: socket.socket())\n"
        "found['pair'] = tried(lambda: socket.socketpair())\n"
        "found['program'] = tried(lambda: subprocess.run(['true']))\n"
        "found['fork'] = tried(os.fork)\n"
        "found['duplicate'] = tried(lambda: os.dup(1))\n"
        "print(json.dumps({'text': json.dumps(found)}))\n"
    )
    monkeypatch.setattr(sandbox, "_PROGRAM", program)
    found = json.loads(sandbox.render("x", {}, {}))
    assert [name for name in found.pop("environ") if name != "LC_CTYPE"] == []
    assert found.pop("open") == [0, 1, 2]
    assert set(found.values()) <= {"PermissionError", "OSError"}, found


def test_the_limits_hold_without_the_audit_hook(monkeypatch, tmp_path):
    """What holds is the kernel's: no descriptor can be had, not even in place of one that was closed."""
    program = tmp_path / "asks.py"
    program.write_text(
        f"import runpy, os, sys, socket, errno\n"
        f"there = runpy.run_path({str(sandbox._PROGRAM)!r}, run_name='there')\n"
        "sys.stdin.buffer.read()\n"
        "sys.addaudithook = lambda hook: None\n"
        "there['give_up'](9)\n"
        "codes = []\n"
        "os.close(0)\n"
        "for act in (lambda: os.open('/etc/passwd', 0), lambda: socket.socket(), lambda: os.dup(1)):\n"
        "    try:\n        act()\n        codes.append('done')\n"
        "    except OSError as error:\n        codes.append(errno.errorcode[error.errno])\n"
        'print(\'{"text": "\' + " ".join(codes) + \'"}\')\n'
    )
    monkeypatch.setattr(sandbox, "_PROGRAM", program)
    assert sandbox.render("x", {}, {}) == "EMFILE EMFILE EINVAL"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.stdout.write('x' * (40 << 20))", "too long"),
        ("print('no json')", "ended with 0"),
        ("print('[]')", "ended with 0"),
        ("print('{\"text\": 1}')", "1"),
        ('print(\'{"text": "\\\\ud800"}\')', "ended with 0"),
        ("print('[' * 100000)", "ended with 0"),
        ("import os; os._exit(7)", "ended with 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with -11"),
    ],
)
def test_nothing_of_the_answer_is_believed(monkeypatch, tmp_path, program, why):
    path = tmp_path / "lies.py"
    path.write_text(program)
    monkeypatch.setattr(sandbox, "_PROGRAM", path)
    with pytest.raises(InvalidInput, match=why):
        sandbox.render("x", {"x": "y" * (1 << 20)}, {})


def test_a_child_that_sleeps_is_ended(monkeypatch, tmp_path):
    path = tmp_path / "sleeps.py"
    path.write_text("import time; time.sleep(600)")
    monkeypatch.setattr(sandbox, "_PROGRAM", path)
    monkeypatch.setattr(sandbox, "_SECONDS", 0.3)
    with pytest.raises(InvalidInput, match="longer than it is given"):
        sandbox.render("x", {}, {})


# --- the folder ---------------------------------------------------------------------------------------------------


def test_a_folder_gives_its_templates_and_nothing_else(tmp_path):
    (tmp_path / "page.html.j2").write_text("a")
    (tmp_path / "own.css").write_text("b")
    (tmp_path / "README.md").write_text("c")
    (tmp_path / "more").mkdir()
    assert sandbox.read_templates(tmp_path) == {"own.css": "b", "page.html.j2": "a"}


def test_what_is_no_template_is_refused(tmp_path):
    def refused(make, error, match):
        folder = tmp_path / match.replace(" ", "-")
        folder.mkdir()
        make(folder)
        with pytest.raises(error, match=match):
            sandbox.read_templates(folder)

    refused(lambda f: (f / "a.html.j2").symlink_to("/etc/passwd"), Unavailable, "cannot be read")
    refused(lambda f: (f / "a.html.j2").mkdir(), Unavailable, "Is a directory")
    refused(lambda f: os.mkfifo(f / "a.html.j2"), InvalidInput, "template is not usable")
    refused(lambda f: (f / "a.html.j2").write_bytes(b"\xff"), InvalidInput, "not UTF-8")
    refused(lambda f: (f / "a.html.j2").write_text("a" * 300_000), InvalidInput, "more than")
    refused(lambda f: (f / "A b.html.j2").write_text("a"), InvalidInput, "name of a template")
    refused(lambda f: [(f / f"a{i}.j2").write_text("a") for i in range(65)], InvalidInput, "too many")
    with pytest.raises(NotFound, match="no folder"):
        sandbox.read_templates(tmp_path / "none")


# --- Markdown -----------------------------------------------------------------------------------------------------

MARKUP = [
    "[a](https://x.example)", "![a](b)", "<b>a</b>", "<https://x.example>", "https://x.example", "www.x.example",
    "`a`", "*a* _a_ **a**", "~~a~~", "# a", "- a", "+ a", "1. a", "1) a", "> a", "| a | b |", "a\n===", "a\n---",
    "---", "***", "    a", "```\na\n```", "[a]: https://x.example", "[^1]", "&lt;b&gt;", "&#60;b&#62;", "\\[a](b)",
    "a\\", "<!-- a -->", "<script>a</script>", "javascript:alert(1)", "$a$", "a  \nb", "!\\[a](b)", "<a@b.example>",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("frame", ["{}", "- **a:** {}", "> {}", "# {}", "| a |\n| --- |\n| {} |"])
def test_a_text_in_markdown_stays_a_text(text, frame):
    from markdown_it import MarkdownIt

    def made(inner):
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(frame.format(inner))
        return [(t.type, [c.type for c in t.children or [] if c.type != "text"]) for t in tokens]

    def said(inner):
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(frame.format(inner))
        return "".join(c.content for t in tokens for c in t.children or [])

    escaped = sandboxed.markdown(text)
    assert made(escaped) == made("plain")
    expected = " / ".join(part.strip() for part in text.split("\n")).strip()
    assert said(escaped) == said("plain").replace("plain", expected)


def test_numbers_and_words_stay_as_they_are():
    for text in ("0.9471", "-", "2026-11-22 09:49 UTC", "credit-approval", "a (p = 0.5); b", "95 % interval"):
        assert sandboxed.markdown(text).replace("\\-", "-") == text

"""The templates of documents, filled: for ours in this process, for those of others as a program of its own.

It imports Jinja2 and the standard library alone, because the program that `tallystick.report.sandbox` starts has no
path to anything else. What a template sees is JSON. It reaches a few filters and tests, no attribute that begins with
an underscore, no file, and only those templates that were handed in. In HTML every text is escaped where it is put
out, and a template cannot turn that off; for Markdown every text is escaped before it is handed in.

As a program it reads a request from standard input, gives up what it could do harm with, and writes an answer to
standard output.
"""

from __future__ import annotations

import codecs
import json
import re
import resource
import sys
from collections.abc import Mapping
from typing import Any, Final

import jinja2.debug  # noqa: F401 - it is what an error in a template needs, and after `give_up` nothing is imported
from jinja2 import DictLoader, StrictUndefined, TemplateAssertionError, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["FILTERS", "TESTS", "filled", "markdown"]

FILTERS: Final = (
    *("batch", "default", "first", "float", "int", "join", "last", "length", "list"),
    *("lower", "replace", "round", "sort", "trim", "upper"),
)
TESTS: Final = (
    *("defined", "divisibleby", "even", "in", "mapping", "none", "number"),
    *("odd", "sequence", "string", "undefined"),
)
MOST_TEXT: Final = 8 << 20
"""Characters of a document."""


_QUESTIONS: Final = frozenset({"endswith", "startswith"})
"""Methods of text whose answer is yes or no."""


class _Environment(ImmutableSandboxedEnvironment):
    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Refuse ``autoescape``: text of a ledger is never put out as it is."""
        tree = super()._parse(source, name, filename)
        for found in tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)):
            raise TemplateAssertionError("escaping cannot be turned off", found.lineno, name, filename)
        return tree

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse methods that make text: by some of them escaped text is put together anew, and comes out as it was."""
        return (not isinstance(obj, str) or attr in _QUESTIONS) and super().is_safe_attribute(obj, attr, value)


def _replaced(text: Any, old: Any, new: Any, count: int = -1) -> str:
    """The filter ``replace``, whose answer is text to be escaped, whatever it was made of."""
    return str.replace(str(text), str(old), str(new), count)


def filled(name: str, templates: Mapping[str, str], document: Mapping[str, Any]) -> str:
    """A template, filled.

    Args:
        name: of the template; one that ends in ``.md.j2`` is Markdown, every other HTML.
        templates: source by name: what can be extended, included and imported.
        document: what it is filled with, under the name ``document``.

    Raises:
        jinja2.TemplateError: the template is wrong, or asks for what is not there.
        OverflowError: the text is too long.
    """
    is_markdown = name.endswith(".md.j2")
    environment = _Environment(
        loader=DictLoader(dict(templates)),
        autoescape=not is_markdown,
        undefined=StrictUndefined,
        auto_reload=False,
        keep_trailing_newline=True,
        trim_blocks=is_markdown,
        lstrip_blocks=is_markdown,
    )
    environment.filters = {known: environment.filters[known] for known in FILTERS} | {"replace": _replaced}
    environment.tests = {known: environment.tests[known] for known in TESTS}
    environment.globals = {"range": environment.globals["range"]}
    values = _each_text(document) if is_markdown else document
    parts, length = [], 0
    for part in environment.get_template(name).generate(document=values):
        parts.append(part)
        length += len(part)
        if length > MOST_TEXT:
            raise OverflowError("text is too long")
    return "".join(parts)


# --------------------------------------------------------------------------- Markdown

_MARKS: Final = re.compile(r"([\\`*_{}\[\]<>|~#$^])")
_BEGINS: Final = re.compile(r"^(\s*)(?:([-+=>])|(\d{1,9})([.)])(?=\s|$))")
_LINKS: Final = re.compile(r"(?i)(://|\bwww\.|@|\b(?:javascript|data|mailto|xmpp|file):(?=\S))")


def markdown(text: str) -> str:
    """A text of which CommonMark, with the tables and links of GitHub, makes nothing but text, on one line."""
    line = " / ".join(part.strip() for part in text.split("\n")).replace("&", "&amp;")
    line = _MARKS.sub(r"\\\1", line).replace("!\\[", "\\!\\[")
    line = _LINKS.sub(_unlinked, line)
    return _BEGINS.sub(lambda found: f"{found[1]}{found[3] or ''}\\{found[2] or found[4]}", line)


def _unlinked(found: re.Match[str]) -> str:
    """What would make a text a link, with its mark escaped."""
    return re.sub(r"([:.@])", r"\\\1", found[0], count=1)


_OURS: Final = frozenset({"kind", "tone", "style", "styles", "basis"})
"""Fields whose values are words of ours, by which templates choose."""
_WORD: Final = re.compile(r"[a-z-]{0,20}", re.ASCII)


def _each_text(value: Any, *, ours: bool = False) -> Any:
    if isinstance(value, Mapping):
        return {name: _each_text(item, ours=name in _OURS) for name, item in value.items()}
    if isinstance(value, list):
        return [_each_text(item, ours=ours) for item in value]
    if not isinstance(value, str) or (ours and _WORD.fullmatch(value)):
        return value
    return markdown(value)


# --------------------------------------------------------------------------- as a program

_MEMORY: Final = 512 << 20


def give_up(seconds: int) -> None:
    """Everything but some memory, some time and the three streams: after this no file, socket or process can be had.

    What holds is the limit of no descriptors: those that are there stay, and no other can be had, even if one is
    closed. It needs no privilege. The namespace without a network is added where the kernel lets anyone have one.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, new_user, new_network = 38, 0x1000_0000, 0x4000_0000
    libc.prctl(no_new_privileges, 1, 0, 0, 0)
    libc.unshare(new_user | new_network)
    for limit, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    sys.addaudithook(_refuse)


_HARMFUL: Final = ("open", "socket.", "subprocess.", "os.", "ctypes.", "shutil.", "urllib.", "import")


def _refuse(event: str, _: Any) -> None:
    """A second wall, for what asks politely: calls that Python itself announces."""
    if event.startswith(_HARMFUL):
        raise PermissionError(f"a template may not: {event}")


def _answer(request: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {"text": filled(request["name"], request["templates"], request["document"])}
    except MemoryError:
        return {"error": "needs more memory than it is given"}
    except RecursionError:
        return {"error": "is nested too deep"}
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"{getattr(error, 'name', None) or request['name']}{f', line {line}' if line else ''}"
        return {"error": f"{where}: {type(error).__name__}: {str(error)[:200]}"}
    except Exception as error:  # a template raises whatever it likes; the parent says it in one line
        return {"error": f"{type(error).__name__}: {str(error)[:200]}"}


def _main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    codecs.lookup("unicode_escape")  # Jinja2 reads string literals by it; later it could not be imported
    give_up(int(sys.argv[1]))
    sys.stdout.buffer.write(json.dumps(_answer(request), ensure_ascii=False).encode(errors="replace"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()

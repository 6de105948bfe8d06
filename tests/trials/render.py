"""Trial: texts of a ledger that would do something if anybody took them for more than text.

Every text of a book is one of some sixty payloads: HTML, scripts, handlers, addresses, CSS, SVG, Jinja, Markdown, YAML,
PDF, XMP, characters that nobody sees. Each stands once in each place. The audit report and every document are drawn
from it, as HTML and Markdown each time, as PDF in some rounds, under strace; and some pages are opened in Chromium,
without their content security policy.

What it shows: markup, metadata and Markdown have the structure of a book of harmless words; nothing is asked of a
server, no file that only data name is opened, no script runs.

What it does not show: what other readers of Markdown or PDF do with text, and mistakes that no payload is made for.
"""

import collections
import http.server
import io
import os
import re
import shutil
import subprocess
import threading
import unicodedata
from datetime import datetime
from html.parser import HTMLParser
from types import SimpleNamespace

import _hostile as hostile
import _program as program
import _strace as strace
import weasyprint  # noqa: F401 - to find Pango it starts programs, before anybody looks
from markdown_it import MarkdownIt

from tallystick.policy import controls, strict_yaml
from tallystick.report import render, view
from tallystick.report.documents import annex_iv, bias_audit, data_sheet, drawing, hand_over, ll144_summary, model_card
from tallystick.report.documents.document import Reading, finished
from tallystick.report.story import Story
from tallystick.resources import shipped

AS_OF = "2026-11-20T12:00:00.000000Z"
MOMENT = datetime.fromisoformat(AS_OF)
CATALOGUE = shipped("policies") / "controls.yaml"
OF_MODEL = {
    "model-card": model_card.build,
    "bias-audit": bias_audit.build,
    "hand-over": hand_over.build,
    "annex-iv": lambda story: annex_iv.build(story, controls.load(CATALOGUE), controls.framework(CATALOGUE, "euaia")),
    "ll144-summary": ll144_summary.build,
}
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000\ufffe\U000e0000-\U000e0fff]"
)
HARMLESS = "plain words"


class Drawn:
    """The report and the documents of a book, drawn as they are asked for."""

    def __init__(self, texts, first=0, own=None):
        book, self.places = hostile.book(texts, first)
        model = book.of_kind("model")[-1]
        reading = Reading(book.origin, len(book.entries), "ab" * 32, AS_OF)
        story = Story(book, model, as_of=AS_OF)
        self._own = own
        self.documents = {kind: finished(kind, build(story), book, reading) for kind, build in OF_MODEL.items()}
        sheet = data_sheet.build(book, book.of_kind("dataset")[0], disclose=True)
        self.documents["data-sheet"] = finished("data-sheet", sheet, book, reading)
        self.report = view.build(book, model, **hostile.samples.anchor_facts(book))

    def pages(self):
        yield "audit", render.html(self.report)
        for kind in self.documents:
            yield kind, self._document(kind, ".html").decode()

    def markdown(self):
        for kind in self.documents:
            yield kind, self._document(kind, ".md").decode()

    def pdfs(self):
        yield "audit", render.pdf(self.report, view.evidence(self.report), identifier=b"trial", moment=MOMENT)
        for kind in self.documents:
            yield kind, self._document(kind, ".pdf")

    def _document(self, kind, ending):
        return drawing.drawn(self.documents[kind], ending, moment=MOMENT, own=self._own)


# --- what is looked at ------------------------------------------------------------------------------------------------


class Structure(HTMLParser):
    """How often each element stands there with which attributes; values of attributes are looked at on the way."""

    SAYING = (("span", "data-text"), ("meta", "content"))
    """Attributes that hold texts of the ledger, and that nothing acts on."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.found = collections.Counter()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found[tag, tuple(sorted(name for name, _ in attrs))] += 1
        for name, value in attrs:
            data = hostile.MARK in (value or "")
            assert not data or (tag, name) in self.SAYING, f"<{tag} {name}> holds a text of the ledger"
            assert name not in ("src", "xlink:href", "action"), f"<{tag} {name}>"
            assert not name.startswith("on"), f"<{tag} {name}>"
            assert name != "href" or value.startswith("#"), f"<{tag} href={value[:40]!r}>"

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data[:40]!r}")

    def unknown_decl(self, data):
        raise AssertionError(f"a declaration: {data[:40]!r}")


def same(what, found, expected):
    """Texts are of other lengths, so that lists may be; no kind of element may be new."""
    new = set(found) - set(expected)
    assert not new, f"{what}: made of data: {sorted(new)[:3]}"


def check_page(name, page, expected):
    same(name, Structure(page).found, expected[name])
    check_text(name, page)


def check_text(name, text):
    assert hostile.MARK in text, f"{name}: no payload came this far"
    assert hostile.ANSWER not in text, f"{name}: a template in data was run"
    unseen = UNSEEN.search(text)
    assert unseen is None, f"{name}: {unicodedata.name(unseen[0], repr(unseen[0]))} stands in it"


def tokens(text):
    """What a file in Markdown is made of; a link, an image, raw HTML or code from data would be something new."""
    body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
    found = collections.Counter()
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(body):
        found[token.type] += 1
        found.update(child.type for child in token.children or ())
        code = [child.content for child in token.children or () if child.type == "code_inline"]
        assert not any(hostile.MARK in text for text in code), "code made of data"
    return found


def check_markdown(name, text, expected):
    same(f"{name}.md", tokens(text), expected[name])
    check_text(name, text)
    body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
    linked = re.search(r"(?i)[a-z]://|\bwww\.[a-z]", body)
    assert linked is None, f"{name}: {linked[0]!r} would become a link"


def shape(value):
    """The keys of a mapping, again and again, and the types of all else."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


def metadata(text):
    return strict_yaml.parse(text.removeprefix("---\n").split("\n---\n", 1)[0].encode(), name="card").value


DANGEROUS = {
    "/JavaScript",
    "/JS",
    "/AA",
    "/Launch",
    "/URI",
    "/SubmitForm",
    "/RichMedia",
    "/GoToR",
    "/GoToE",
    "/ImportData",
}


def check_pdf(name, data):
    """No action but going to a place in it, no file in it but the report's evidence, and its metadata are XML."""
    embedded = 0
    for number, found in dictionaries(data):
        assert not DANGEROUS & set(found), f"{name}.pdf: object {number} has {DANGEROUS & set(found)}"
        assert found.get("/S") not in DANGEROUS, f"{name}.pdf: object {number} is {found.get('/S')}"
        embedded += found.get("/Type") == "/EmbeddedFile"
        if found.get("/Type") == "/Metadata":
            check_metadata(name, found.data)
    assert embedded == (name == "audit"), f"{name}.pdf: {embedded} files are in it"


def dictionaries(data):
    """Every dictionary and stream of a PDF with the number of its object; streams of objects are read once."""
    from pyhanko.pdf_utils import generic
    from pyhanko.pdf_utils.reader import PdfFileReader

    reader = PdfFileReader(io.BytesIO(data))
    for number in sorted({int(found[1]) for found in re.finditer(rb"(?:^|[\r\n])(\d+) 0 obj\b", data)}):
        found = reader.get_object(generic.Reference(number, 0, reader))
        if not isinstance(found, generic.DictionaryObject):
            continue
        yield from within(found, number)
        if found.get("/Type") == "/ObjStm":
            held, first = found.data, int(found["/First"])
            heads = [int(word) for word in held[:first].split()]
            for inner, offset in zip(heads[::2], heads[1::2], strict=True):
                value = generic.read_object(io.BytesIO(held[first + offset :]), generic.Reference(inner, 0, reader))
                yield from within(value, inner)


def within(value, number):
    """The dictionary itself, and those inside it."""
    if isinstance(value, dict):
        yield number, value
        for inner in dict.values(value):
            yield from within(inner, number)
    elif isinstance(value, list):
        for inner in list.__iter__(value):
            yield from within(inner, number)


def check_metadata(name, data):
    from xml.etree import ElementTree

    text = data.decode().split("?>", 1)[-1].rsplit("<?xpacket", 1)[0]
    tags = {element.tag for element in ElementTree.fromstring(text).iter()}  # noqa: S314 - of our own file
    assert not any(hostile.MARK in tag for tag in tags), f"{name}.pdf: an element of its metadata is made of data"


# --- what is listened for ---------------------------------------------------------------------------------------------


class Listener:
    """A server that nobody should ask."""

    def __init__(self):
        asked = self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()


CALLS = ("open", "openat", "openat2", "connect", "execve", "sendto")
NO_PLACE = re.compile(r"AF_UNIX|AF_NETLINK")


def traced_pdfs(texts, first, folder, canary):
    """PDFs, drawn by a child under strace: their bytes, and how many calls were looked at."""
    out = folder / f"pdf-{first}"
    out.mkdir()

    def live(link):
        drawn = Drawn(texts, first)
        link.ready()
        for name, data in drawn.pdfs():
            (out / name).write_bytes(data)
            link.say("drawn")
        return 0

    process = strace.Process(live)
    if strace.unusable():
        _, code = process.go()
        log = ""
    else:
        _, code, log = strace.traced(process, folder / "log", CALLS)
    assert code == 0, f"drawing ended with {code}"
    assert canary.name not in log, "the file was opened that only data name"
    assert hostile.MARK not in log, "something was opened that only data name"
    calls = log.splitlines()
    asked = [line for line in calls if "connect(" in line and not NO_PLACE.search(line)]
    assert not asked, f"a connection: {asked[0]}"
    assert not any("execve(" in line for line in calls), "a program was started"
    return {path.name: path.read_bytes() for path in out.iterdir()}, len(calls)


def browsed(pages, folder):
    """Open pages in Chromium, without the policy that would stop scripts; how many."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return 0
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    options += "--disable-component-update --disable-sync --dump-dom --virtual-time-budget=500"
    profile = folder / "profile"
    for name, page in pages:
        path = folder / f"{name}.html"
        path.write_text(re.sub(r"<meta http-equiv[^>]*>", "", page), encoding="utf-8")
        command = [chromium, *options.split(), f"--user-data-dir={profile}", path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert "</html>" in done.stdout, f"{name}: Chromium showed nothing: {done.stderr[-200:]}"
        assert 'data-ran="' not in done.stdout.split("<head", 1)[0], f"{name}: a script ran"
    return len(pages)


def trial(folder, *, seed, rounds, pdfs):
    listener, canary = Listener(), folder / "canary-file"
    canary.write_text("nobody reads this")
    texts = list(hostile.payloads(listener.address, canary).values())
    harmless = Drawn([HARMLESS])
    pages = {name: Structure(page).found for name, page in harmless.pages()}
    written = dict(harmless.markdown())
    files = {name: tokens(text) for name, text in written.items()}
    own = folder / "own"
    own.mkdir()
    rounds = rounds or len(texts)
    printed = {rounds * part // pdfs for part in range(pdfs)}
    counted = SimpleNamespace(places=0, pages=0, files=0, pdfs=0, calls=0, browsed=0)
    for number in range(rounds):
        first = seed + number
        drawn = Drawn(texts, first, own if number % 16 == 15 else None)
        counted.places = drawn.places
        found = list(drawn.pages())
        for name, page in found:
            check_page(name, page, pages)
        for name, text in drawn.markdown():
            check_markdown(name, text, files)
            if text.startswith("---\n"):
                assert shape(metadata(text)) | {"license_name": ""} == shape(metadata(written[name])) | {
                    "license_name": ""
                }
        counted.pages += len(found)
        counted.files += len(files)
        if number in printed:
            counted.browsed += browsed(found, folder)
            made, calls = traced_pdfs(texts, first, folder, canary)
            counted.calls += calls
            for name, data in made.items():
                check_pdf(name, data)
            counted.pdfs += len(made)
    listener.close()
    assert listener.asked == [], f"the server was asked for {listener.asked[:2]}"
    assert not list(folder.glob(f"canary-file.{hostile.MARK}*")), "a command in data was run"
    without = ", ".join(["no strace"] * bool(strace.unusable()) + ["no Chromium"] * (not counted.browsed))
    return (
        f"render: {rounds} books of {counted.places} texts, each one of {len(texts)} payloads: "
        f"{counted.pages:,} pages, {counted.files:,} files of Markdown, {counted.pdfs} PDFs "
        f"({counted.calls:,} calls looked at), {counted.browsed} pages in Chromium; "
        f"nothing of them was markup, 0 connections{f' ({without})' if without else ''}, seed {seed}"
    )


if __name__ == "__main__":
    import sys

    os.environ.pop("SOURCE_DATE_EPOCH", None)
    sys.exit(
        program.run(
            trial,
            doc=__doc__,
            rounds=(0, "how many books; 0 for as many as payloads, so that each stands in each place"),
            pdfs=(2, "in how many rounds PDFs are drawn and pages opened in Chromium"),
        )
    )

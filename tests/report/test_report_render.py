"""The drawn report: one file of HTML without anything to fetch, and a PDF/A that is the same on every day."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from tallystick.canonical import b64
from tallystick.errors import InvalidInput, MissingProgram
from tallystick.report import render, view
from tallystick.resources import shipped

NAMES = ["promoted", "succeeded", "refused", "large", "hostile", "bare", "measured"]
MOMENT = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
VOID = {"meta", "col", "br", "circle", "rect", "path"}


def drawn(found, **more):
    return render.pdf(found, view.evidence(found), identifier=b"report", moment=MOMENT, **more)


def opened(data):
    from pyhanko.pdf_utils.reader import PdfFileReader

    return PdfFileReader(BytesIO(data))


class Strict(HTMLParser):
    """Every element is closed, ids are unique, links stay within the page, nothing runs."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.targets, self.text, self.tags = [], [], [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                assert value.startswith("#"), (tag, name, value)
                self.targets.append(value[1:])
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(page):
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


# --------------------------------------------------------------------------- HTML


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_formed_and_fetches_nothing(sample, name):
    page = parsed(render.html(sample(name)))
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use"}
    assert len(page.ids) == len(set(page.ids))
    assert set(page.targets) <= set(page.ids), "every reference to an entry leads to the annex"


@pytest.mark.parametrize("name", NAMES)
def test_styles_name_no_address(sample, name):
    page = render.html(sample(name))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "ssh://git.bank.example/credit/income-screening"}


def test_what_the_view_says_stands_on_the_page(sample):
    found = sample("promoted")
    text = " ".join(" ".join(parsed(render.html(found)).text).split())
    for fact in found.summary:
        assert " ".join(fact.text.split()) in text
    for phrase in ("In production", "Exclusions not recorded", found.evidence_sha256, found.root, "[26]", "Fairness"):
        assert phrase in text


def test_records_cannot_write_markup(sample):
    page = render.html(sample("hostile"))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&amp;amp;" in page
    assert not set(page) & set("\u202e\u200b\x07")
    assert "\\u202e" in page


def test_a_name_that_a_template_misspells_is_an_error(sample, tmp_path):
    shutil.copytree(shipped("templates"), tmp_path / "templates")
    cover = tmp_path / "templates/report/cover.html.j2"
    cover.write_text(cover.read_text() + "{{ view.nmae }}")
    with pytest.raises(UndefinedError):
        render.html(sample("bare"), templates=tmp_path / "templates")


def test_every_picture_has_a_title_and_a_description(sample):
    page = render.html(sample("promoted"))
    pictures = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(pictures) >= 5
    for picture in pictures:
        assert re.search(r"<title>[^<]{20,}</title>\s*<desc>[^<]{20,}</desc>", picture)
        assert "NaN" not in picture
        assert "None" not in picture


def test_the_digest_of_the_templates_changes_with_any_of_them(tmp_path):
    shutil.copytree(shipped("templates"), tmp_path / "templates")
    before = render.template_digest(templates=tmp_path / "templates")
    assert before == render.template_digest()
    style = tmp_path / "templates/report/audit.css"
    style.write_text(style.read_text() + "\n")
    assert render.template_digest(templates=tmp_path / "templates") != before


# --------------------------------------------------------------------------- PDF


def test_a_report_is_tagged_pdf_a_3a_with_bookmarks_and_a_language(drawn_once):
    found, data = drawn_once("refused")
    root = opened(data).root
    metadata = root["/Metadata"].data
    assert data.startswith(b"%PDF-1.7")
    assert b'pdfaid:part="3"' in metadata
    assert b'pdfaid:conformance="A"' in metadata
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/OutputIntents"][0]["/S"] == "/GTS_PDFA1"
    assert root["/StructTreeRoot"]
    assert int(root["/Outlines"]["/Count"]) >= 16
    assert opened(data).trailer["/Info"]["/Title"] == found.title


def test_times_of_the_file_are_those_that_were_handed_in(drawn_once):
    info = opened(drawn_once("bare")[1]).trailer["/Info"]
    assert info["/CreationDate"] == info["/ModDate"] == "D:20261120120000Z"


def test_the_evidence_is_attached_as_the_source_of_the_report(drawn_once):
    found, data = drawn_once("refused")
    root = opened(data).root
    name, reference = root["/Names"]["/EmbeddedFiles"]["/Names"]
    file = reference.get_object()
    assert name == file["/UF"] == "evidence.json"
    assert file["/AFRelationship"] == "/Source"
    assert len(root["/AF"]) == 1
    stream = file["/EF"]["/F"]
    assert stream["/Subtype"] == "/application/json"
    assert stream.data == view.evidence(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_font_is_embedded(drawn_once, name):
    first = next(pages(opened(drawn_once(name)[1]).root["/Pages"]))
    fonts = list(first["/Resources"]["/Font"].values())
    assert fonts
    for font in fonts:
        descriptor = font.get_object()["/DescendantFonts"][0]["/FontDescriptor"]
        assert "/FontFile2" in descriptor or "/FontFile3" in descriptor


def pages(node):
    for kid in node["/Kids"]:
        page = kid.get_object()
        if page["/Type"] == "/Pages":
            yield from pages(page)
        else:
            yield page


def test_characters_without_a_glyph_are_written_as_escapes(story, sample):
    shelf = story.Shelf()
    story.start(shelf)
    story.usecase(shelf, owner_group="Kreditgruppe \U00013000 Köln")
    refs = {"usecase": shelf.entries[-1].ref.value()}
    story.model(shelf, 1, refs["usecase"], refs["usecase"])
    book = shelf.book()
    found = view.build(book, book.model("income-screening"), **story.anchor_facts(book))
    assert "\U00013000" in render.html(found), "a browser may well have the glyph"
    with render._unknown_characters() as unknown:
        drawn(found)
    assert unknown == {"\U00013000"}, "seen in the first drawing, and escaped in the second"


def test_the_same_view_gives_the_same_bytes(sample):
    found = sample("bare")
    first = drawn(found)
    assert drawn(found) == first
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert render.pdf(found, view.evidence(found), identifier=b"report", moment=elsewhere) == first
    assert render.pdf(found, view.evidence(found), identifier=b"other", moment=MOMENT) != first


SCRIPT = """
    import hashlib, sys
    from datetime import UTC, datetime
    from tallystick.canonical import unb64
    from tallystick.report import render, view
    from tallystick.report.evidence import opened

    found = view.again(opened(unb64(sys.stdin.read(), what="evidence")))
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    data = render.pdf(found, view.evidence(found), identifier=b"report", moment=moment)
    print(hashlib.sha256(data).hexdigest())
"""


def test_another_process_on_another_day_in_another_place_gives_the_same_bytes(drawn_once, tmp_path):
    found, data = drawn_once("promoted")
    digests = {
        in_another_process(
            SCRIPT,
            stdin=b64(view.evidence(found)),
            cwd=place,
            PYTHONHASHSEED=seed,
            SOURCE_DATE_EPOCH=epoch,
            TZ=zone,
            LC_ALL=locale,
        )
        for seed, epoch, zone, locale, place in (
            ("1", "0", "Asia/Tokyo", "C", tmp_path),
            ("77", "1900000000", "America/Lima", "C.UTF-8", Path("/")),
        )
    }
    assert digests == {hashlib.sha256(data).hexdigest()}


def in_another_process(script, *, stdin="", path=None, cwd=None, **environment):
    source = str(Path(render.__file__).resolve().parents[2])
    place = os.pathsep.join([str(path), source] if path else [source])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": place, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_environment_is_left_as_it_was(sample, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "42")
    drawn(sample("bare"))
    assert os.environ["SOURCE_DATE_EPOCH"] == "42"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    drawn(sample("bare"))
    assert "SOURCE_DATE_EPOCH" not in os.environ


def test_evidence_of_another_view_is_refused(sample):
    found = sample("bare")
    with pytest.raises(InvalidInput, match="not that of the view"):
        render.pdf(found, view.evidence(found) + b" ", identifier=b"x", moment=MOMENT)
    with pytest.raises(InvalidInput, match="no zone"):
        render.pdf(found, view.evidence(found), identifier=b"x", moment=datetime(2026, 11, 20))


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="file:///etc/hostname" alt="x"/>',
        '<img src="http://127.0.0.1:9/x.png" alt="x"/>',
        '<img src="data:image/png;base64,AAAA" alt="x"/>',
        '<link rel="attachment" href="file:///etc/hostname"/>',
        '<link rel="stylesheet" href="file:///etc/hostname"/>',
        '<p style="background: url(file:///etc/hostname)">x</p>',
        "<style>@import url(file:///etc/hostname);</style>",
        '<svg width="9" height="9"><image href="file:///etc/hostname" width="9" height="9"/></svg>',
    ],
)
def test_no_address_is_fetched_even_if_a_template_names_one(sample, tmp_path, markup):
    shutil.copytree(shipped("templates"), tmp_path / "templates")
    page = tmp_path / "templates/report/audit.html.j2"
    page.write_text(page.read_text().replace("<main>", markup + "<main>"))
    with pytest.raises(InvalidInput, match=r"fetches nothing|cannot be drawn whole"):
        drawn(sample("bare"), templates=tmp_path / "templates")


def test_without_pango_the_packages_to_install_are_named(tmp_path):
    (tmp_path / "weasyprint.py").write_text("raise OSError('cannot load library libpango-1.0-0')")
    said = in_another_process(
        """
        from tallystick.errors import MissingProgram
        from tallystick.report import render
        try:
            render._weasyprint()
        except MissingProgram as error:
            print(error)
        """,
        path=tmp_path,
    )
    wanted = "libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"
    assert f"expected {wanted}; got cannot load library libpango-1.0-0. apt-get install {wanted}" in said
    assert issubclass(MissingProgram, Exception)


def test_reading_and_viewing_need_no_renderer():
    loaded = in_another_process(
        """
        import sys
        import tallystick.report.view, tallystick.report.render, tallystick.report.seal
        print(sorted({"weasyprint", "pyhanko", "jinja2", "fontTools"} & set(sys.modules)))
        """
    )
    assert loaded == "[]"


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("name", ["promoted", "large", "hostile"])
def test_each_page_says_which_it_is_and_of_which_ledger(drawn_once, name, tmp_path):
    found, data = drawn_once(name)
    (tmp_path / "a.pdf").write_bytes(data)
    done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, check=True)
    sheets = done.stdout.decode().split("\f")[:-1]
    for number, sheet in enumerate(sheets, 1):
        assert f"page {number} of {len(sheets)}" in sheet
        assert found.ledger in sheet
        assert f"root {found.root}" in sheet
    assert len(sheets) < 26


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_no_text_leaves_the_page(drawn_once, name, tmp_path):
    (tmp_path / "a.pdf").write_bytes(drawn_once(name)[1])
    done = subprocess.run(["pdftotext", "-bbox", str(tmp_path / "a.pdf"), "-"], capture_output=True, check=True)
    boxes = re.findall(
        r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">', done.stdout.decode()
    )
    assert len(boxes) > 300
    for left, top, right, bottom in boxes:
        assert float(left) > 48
        assert float(right) < 595.3 - 48
        assert float(top) > 0
        assert float(bottom) < 841.9

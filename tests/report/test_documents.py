"""Documents say what is recorded and print what is not; no text of a ledger becomes markup or metadata."""

from datetime import datetime
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from tallystick.errors import InvalidInput, NotFound, UsageError
from tallystick.policy import controls, strict_yaml
from tallystick.report.documents import (
    KINDS,
    annex_iv,
    bias_audit,
    data_sheet,
    drawing,
    front_matter,
    hand_over,
    ll144_summary,
    model_card,
)
from tallystick.report.documents.document import Reading, finished
from tallystick.report.facts import Facts, Table
from tallystick.report.story import Story
from tallystick.resources import shipped

AS_OF = "2026-11-20T12:00:00.000000Z"
CATALOGUE = shipped("policies") / "controls.yaml"
OF_MODEL = {
    "model-card": model_card.build,
    "bias-audit": bias_audit.build,
    "hand-over": hand_over.build,
    "annex-iv": lambda story: annex_iv.build(story, controls.load(CATALOGUE), controls.framework(CATALOGUE, "euaia")),
}
BOOKS = ["promoted", "succeeded", "refused", "large", "hostile", "bare"]


def document(kind, book, entry, **more):
    if kind == "data-sheet":
        content = data_sheet.build(book, entry, **more)
    else:
        content = OF_MODEL[kind](Story(book, entry, as_of=AS_OF))
    return finished(kind, content, book, Reading(book.origin, len(book.entries), "ab" * 32, AS_OF))


def drawn(found, ending, **more):
    return drawing.drawn(found, ending, moment=datetime.fromisoformat(AS_OF), **more).decode()


def facts(found):
    return [fact for s in found.sections for block in s.blocks if isinstance(block, Facts) for fact in block.facts]


class Page(HTMLParser):
    """Every element is closed, and is one that the templates write; nothing runs, nothing is fetched."""

    VOID = ("meta", "col", "br", "circle", "rect", "path")
    KNOWN = (
        *("html", "head", "meta", "title", "style", "body", "main", "article", "header", "section"),
        *("div", "p", "span", "i", "a", "h1", "h2", "h3", "h4", "ul", "li", "figure", "figcaption"),
        *(
            "table",
            "colgroup",
            "col",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "svg",
            "desc",
            "circle",
            "rect",
            "path",
            "text",
        ),
    )

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.targets, self.text = [], set(), set(), []
        self.feed(page)
        assert self.open == []
        assert self.targets <= self.ids

    def handle_starttag(self, tag, attrs):
        assert tag in self.KNOWN, tag
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "action", "data", "srcset", "poster", "xlink:href"), (tag, name)
            if name == "href":
                assert value.startswith("#")
                self.targets.add(value[1:])
            if name == "id":
                self.ids.add(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize("kind", OF_MODEL)
def test_a_document_is_one_sound_page(books, kind, name):
    book, model = books[name]()
    found = document(kind, book, model)
    page = Page(drawn(found, ".html"))
    text = " ".join(" ".join(page.text).split())
    assert KINDS[kind] in text
    assert "This file is not signed" in text
    for fact in facts(found):
        assert " ".join(fact.label.split()) in text


def markdown_tokens(text):
    body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    return tokens, [child for token in tokens for child in token.children or []]


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize("kind", OF_MODEL)
def test_a_markdown_file_holds_no_markup_of_the_ledger(books, kind, name):
    book, model = books[name]()
    text = drawn(document(kind, book, model), ".md")
    tokens, children = markdown_tokens(text)
    blocks = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    table = {"table", "thead", "tbody", "tr", "th", "td"}
    assert blocks <= {"heading", "paragraph", "inline", "bullet_list", "list_item", "blockquote"} | table
    inline = {child.type.removesuffix("_open").removesuffix("_close") for child in children}
    assert inline <= {"text", "strong", "em", "code_inline", "softbreak"}
    codes = {child.content for child in children if child.type == "code_inline"}
    assert all(set(code) <= set("0123456789abcdef") for code in codes)


@pytest.mark.parametrize("kind", OF_MODEL)
def test_every_fact_names_its_entry(books, kind):
    """Only what a document says of itself, or counts, has none."""
    own = {"Recorded evaluations", "Recorded runs that failed before", *(fact.label for fact in bias_audit.not_shown)}
    book, model = books["succeeded"]()
    found = document(kind, book, model)
    assert [
        fact.label for fact in facts(found) if fact.entry is None and not fact.missing and fact.label not in own
    ] == []
    tables = [block for s in found.sections for block in s.blocks if isinstance(block, Table)]
    assert [(t.title, row.cells) for t in tables for row in t.rows if not row.entries and t.title != "Overview"] == []
    assert [row.entries[0] for row in found.sources] == sorted(row.entries[0] for row in found.sources)


@pytest.mark.parametrize("kind", OF_MODEL)
def test_a_gap_is_printed(books, kind):
    book, model = books["bare"]()
    found = document(kind, book, model)
    text = drawn(found, ".md")
    assert "not recorded" in text
    for fact in facts(found):
        if fact.missing:
            assert f"**{fact.label}:** *" in text or f"{fact.label}:**" in text
    assert any("Missing, or recorded as absent" in note.text for note in found.notes)


def test_a_document_says_what_a_new_owner_needs(books):
    book, model = books["promoted"]()
    text = drawn(document("hand-over", book, model), ".md")
    for needed in (
        "In production",
        "Report error rates by sex after the first 5,000 applicants.",
        "2027-01-31",
        "Show that the ranking holds on current applicants.",
        "scoring-eu-1",
        "2027-05-31",
        "git checkout",
        "python train.py \\-\\-reduction demographic-parity".replace("\\-", "-"),
        "tallystick gate replay",
    ):
        assert needed in text


def test_the_bias_audit_tells_of_every_evaluation_and_of_those_left_out(books):
    book, model = books["large"]()
    found = document("bias-audit", book, model)
    text = drawn(found, ".md")
    assert "fewer than 100 people" in text
    assert "withheld" in text
    assert "What it does not show" in text
    assert len([s for s in found.sections if s.title.startswith("Evaluation of")]) == 1
    book, model = books["refused"]()
    text = drawn(document("bias-audit", book, model), ".md")
    assert "5,421" in text
    assert "0.0782 (0.07429 to 0.08211)" in text


def test_annex_iv_has_every_point_and_closes_none(books):
    book, model = books["promoted"]()
    found = document("annex-iv", book, model)
    points = [c for id, c in controls.load(CATALOGUE).items() if id.startswith("euaia-a4.")]
    assert len(points) >= 22
    titles = [s.title for s in found.sections]
    assert [f"{c.ref}: {c.title}" for c in points] == titles[1 : len(points) + 1]
    text = drawn(found, ".md")
    assert "Draft mapping, last reviewed on 2026-11-21, not legal advice." in text
    assert "2027-12-02" in text
    assert text.count("human only: records cannot fill this point") == sum(c.auto == "H" for c in points)
    assert "PASSED" not in [s.title for s in found.sections]


def test_a_data_sheet_withholds_the_profile_unless_it_is_asked_for(books):
    book, _ = books["promoted"]()
    entry = book.named("dataset", "adult-test")[-1]
    held = drawn(document("data-sheet", book, entry), ".md")
    assert "Profile: withheld" in held
    assert "Exclusions:** *not recorded*" in held
    other = drawn(document("data-sheet", book, entry, disclose=True), ".md")  # a profile of another form
    assert "Profile:** *not recorded*" in other


def test_a_data_sheet_of_hostile_text_is_sound(books):
    book, _ = books["hostile"]()
    entry = book.of_kind("dataset")[-1]
    Page(drawn(document("data-sheet", book, entry), ".html"))


def test_without_a_check_of_that_kind_there_is_no_summary(books):
    book, model = books["promoted"]()
    with pytest.raises(NotFound, match="no check of Local Law 144"):
        ll144_summary.build(Story(book, model, as_of=AS_OF))


# --- front matter -------------------------------------------------------------------------------------------------


def parsed(text):
    head = text.removeprefix("---\n").split("\n---\n", 1)[0]
    return strict_yaml.parse(head.encode(), name="README.md").value


def test_a_model_card_begins_with_the_hub_s_metadata(books):
    book, model = books["promoted"]()
    meta = parsed(drawn(document("model-card", book, model), ".md"))
    assert list(meta) == ["license", "tags", "datasets", "metrics", "model-index"]
    assert meta["license"] == "unknown"
    (index,) = meta["model-index"]
    assert index["name"] == "income-screening"
    for result in index["results"]:
        assert set(result) == {"task", "dataset", "metrics"}
        assert result["task"]["type"]
        assert result["dataset"]["type"]
        assert result["dataset"]["name"]
        assert all(set(m) == {"type", "name", "value", "args"} for m in result["metrics"])
        assert all(isinstance(m["value"], float) for m in result["metrics"])
    assert {m["type"] for r in index["results"] for m in r["metrics"]} == set(meta["metrics"])


NAMES = [
    *(
        "---",
        "a\n---\nlicense: mit",
        'a"b',
        "a: b",
        "'",
        "&a",
        "*a",
        "!!python/object:a",
        "{a: b}",
        "[a]",
        "# a",
        "a\\",
    ),
    *("\u202egnp", "\u200b", "\U0001f600", "%YAML", "null", "1.0", "yes", "? a", "- a", "|", ">", "\x00", "\u2028a"),
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leaves_the_front_matter(story, name):
    shelf = story.Shelf()
    story.start(shelf)
    body = {
        "name": name,
        "version": 1,
        "digest": story.sha("m"),
        "files": {},
        "run": story.absent("none"),
        "usecase": story.absent(),
        "features": story.absent(),
        "limitations": story.absent(),
        "licence": name,
    }
    shelf.add("model", body)
    book = shelf.book()
    text = drawn(document("model-card", book, book.of_kind("model")[0]), ".md")
    meta = parsed(text)
    assert set(meta) == {"license", "license_name", "tags", "datasets", "metrics"}
    assert meta["license"] == "other"
    assert isinstance(meta["license_name"], str)
    assert text.split("\n").count("---") == 2


def test_values_come_back_from_the_front_matter_as_they_were():
    values = {"a": "x", "b": 1, "c": 0.25, "d": True, "e": ["p", "q"], "k": {"l": "m"}, "n": []}
    values |= {"f": [{"g": "h", "i": [{"j": 1}]}]}
    assert parsed(front_matter.written(values)) == values


# --- templates ------------------------------------------------------------------------------------------------------


def test_templates_of_the_organisation_go_first(books, tmp_path):
    book, model = books["promoted"]()
    found = document("model-card", book, model)
    (tmp_path / "model-card.html.j2").write_text(
        '{% extends "page.html.j2" %}{% block style %}h1 { color: #003366; }{% endblock %}'
        "{% block first %}<p>Bank of {{ document.name }}</p>{{ super() }}{% endblock %}"
    )
    page = drawn(found, ".html", own=tmp_path)
    assert "<p>Bank of income-screening</p>" in page
    assert "h1 { color: #003366; }" in page
    assert "Missing, or recorded as absent" in page
    Page(page)
    assert "Bank of" not in drawn(document("hand-over", book, model), ".html", own=tmp_path)


def test_without_an_own_template_the_child_draws_what_this_process_draws(books, tmp_path):
    book, model = books["large"]()
    for kind in ("bias-audit", "model-card"):
        found = document(kind, book, model)
        for ending in (".md", ".html"):
            assert drawn(found, ending, own=tmp_path) == drawn(found, ending)


def test_a_template_that_is_wrong_is_one_error(books, tmp_path):
    book, model = books["bare"]()
    (tmp_path / "page.md.j2").write_text("{{ document.nothing }}")
    with pytest.raises(InvalidInput, match=r"page\.md\.j2"):
        drawn(document("model-card", book, model), ".md", own=tmp_path)


def test_another_ending_is_refused(books):
    book, model = books["bare"]()
    with pytest.raises(UsageError, match="no such form"):
        drawn(document("model-card", book, model), ".docx")


def test_a_pdf_fetches_nothing_that_an_own_template_names(books, tmp_path):
    book, model = books["bare"]()
    (tmp_path / "page.html.j2").write_text('<title>a</title><link rel=attachment href="file:///etc/passwd"><p>a')
    with pytest.raises(InvalidInput, match="fetches nothing"):
        drawing.drawn(document("model-card", book, model), ".pdf", moment=datetime.fromisoformat(AS_OF), own=tmp_path)

"""What a report says follows from its evidence, and every number in it says where it comes from."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tallystick.canonical import b64, encode, unb64
from tallystick.errors import Malformed, NotVerified, Tampered
from tallystick.people.book import Book, Noting
from tallystick.report import render, trace, view
from tallystick.report.evidence import opened, spans
from tallystick.report.facts import Facts, Note, Table

NAMES = ["promoted", "succeeded", "refused", "large", "hostile", "bare"]


def of(found):
    return opened(view.evidence(found))


# --------------------------------------------------------------------------- built again


@pytest.mark.parametrize("name", NAMES)
def test_the_same_report_is_built_from_its_evidence_alone(sample, name):
    found = sample(name)
    again = trace.rederive(of(found))
    assert again.differences == ()
    assert again.same == again.printed == len(view.facts(found))
    assert again.view == found
    assert view.evidence(again.view) == view.evidence(found)
    assert render.html(again.view) == render.html(found)


@pytest.mark.parametrize("minute", [20, 21, 22, 25])
def test_a_report_as_of_an_earlier_time_is_built_again_too(sample, minute):
    found = sample("promoted", as_of=f"2026-11-02T09:{minute}:30.000000Z")
    assert found.given.count() == minute + 1
    assert trace.rederive(of(found)).view == found


def test_a_report_without_a_name_that_was_erased_is_built_again_too(books, story):
    book, model = books["promoted"]()
    gone = Book(book.entries, origin=book.origin, parts=lambda e, n: None if n == "name" else book.part(e, n))
    found = view.build(gone, model, **story.anchor_facts(gone))
    evidence = of(found)
    assert trace.rederive(evidence).view == found
    assert {name for _, name in evidence.parts} == {"packages.json"}


@pytest.mark.parametrize("name", NAMES)
def test_evidence_carries_no_part_that_was_not_read(sample, name):
    named = {part for _, part in of(sample(name)).parts}
    assert named <= {"name", "checks.json", "packages.json"}, "counts, profiles and e-mail addresses stay at home"


def test_a_book_of_what_was_noted_answers_the_same(books):
    book, model = books["succeeded"]()
    noting = Noting.of(book)

    def asked(of):
        return [
            [entry.seq for entry in of.naming("evaluation", model.body["digest"])],
            [entry.seq for entry in of.referring(model, "promotion", "waiver")],
            [entry.seq for entry in of.of_kind("policy")],
            [of.personal(entry, "name") for entry in of.naming("key", "p-b71e04aa")],
            of.find(model.body["run"]),
            [entry.seq for entry in of.holding("alert", model.body["digest"])],
        ]

    told = asked(noting)
    parts = noting.parts
    alone = Book(noting.noted.values(), origin=book.origin, parts=lambda e, name: parts.get((e.seq, name)))
    assert asked(alone) == told == asked(book)
    assert all(told)
    assert len(noting.noted) < len(book.entries)


def changed(sections, old, new):
    """The sections with a text replaced in the first block that has it."""
    done = False

    def block(found):
        nonlocal done
        if done:
            return found
        if isinstance(found, Facts) and any(old in fact.text for fact in found.facts):
            done = True
            return replace(found, facts=tuple(replace(f, text=f.text.replace(old, new)) for f in found.facts))
        if isinstance(found, Table) and any(old in cell for row in found.rows for cell in row.cells):
            done = True
            rows = [replace(row, cells=tuple(cell.replace(old, new) for cell in row.cells)) for row in found.rows]
            return replace(found, rows=tuple(rows))
        if isinstance(found, Note) and old in found.text:
            done = True
            return replace(found, text=found.text.replace(old, new))
        return found

    told = tuple(replace(section, blocks=tuple(map(block, section.blocks))) for section in sections)
    assert done, old
    return told


@pytest.mark.parametrize(
    ("old", "new", "fact"),
    [
        ("16,281", "16,282", "s4.dataset-7.rows"),
        ("0.9699", "0.9799", "s6.checks-21.4"),
        ("5,421", "5,424", "s7.groups-21.1"),
    ],
)
def test_one_digit_that_the_entries_do_not_give_is_named(sample, old, new, fact):
    found = sample("promoted")
    altered = replace(found, sections=changed(found.sections, old, new))
    differences = trace.rederive(of(altered)).differences
    assert fact in [item.id for item in differences]
    first = next(item for item in differences if item.id == fact)
    assert new in first.printed
    assert old in first.given
    assert fact in str(first)


def test_the_first_page_is_compared_too(sample):
    found = sample("promoted")
    head = replace(found.headline, sentence=found.headline.sentence.replace("2026", "2025"))
    altered = replace(found, headline=head, attention=found.attention[1:])
    ids = [item.id for item in trace.rederive(of(altered)).differences]
    assert ids[0] == "s0.headline"
    assert "s0.attention.1" in ids


def test_a_number_drawn_in_a_picture_is_compared_too(sample):
    found = sample("promoted")
    sections = []
    for section in found.sections:
        blocks = [
            replace(b, lines=(replace(b.lines[0], value="0.9999"), *b.lines[1:])) if b.kind == "thresholds" else b
            for b in section.blocks
        ]
        sections.append(replace(section, blocks=tuple(blocks)))
    ids = [item.id for item in trace.rederive(of(replace(found, sections=tuple(sections)))).differences]
    assert ids
    assert all(".picture." in id for id in ids)


def test_a_fact_left_out_and_a_fact_too_many_are_named(sample):
    value = json.loads(view.evidence(sample("bare")))
    gone = value["facts"].pop(3)
    value["facts"].append({"id": "s9.extra", "label": "Gini", "text": "0.61", "entries": [1]})
    found = {item.id: item for item in trace.rederive(opened(encode(value))).differences}
    assert set(found) == {gone["id"], "s9.extra"}
    assert found[gone["id"]].printed == ""
    assert found["s9.extra"].given == ""


# --------------------------------------------------------------------------- evidence that does not hold


def spoilt(data, change):
    value = json.loads(data)
    change(value)
    return encode(value)


def line_of(value, kind):
    return next(line for line in value["entries"] if b'"kind":"%s"' % kind.encode() in unb64(line["entry"], what="e"))


def another_entry(value):
    line = line_of(value, "dataset")
    line["entry"] = b64(unb64(line["entry"], what="entry").replace(b'"rows":32561', b'"rows":32562'))


def another_entry_with_its_leaf(value):
    from tallystick.canonical import leaf_hash

    another_entry(value)
    line = line_of(value, "dataset")
    line["leaf"] = leaf_hash(unb64(line["entry"], what="entry")).hex()


def another_name(value):
    side = line_of(value, "key")["side"]
    side["personal"][0]["text"] = "Somebody Else"


def another_salt(value):
    line_of(value, "key")["side"]["personal"][0]["salt"] = b64(b"\x02" * 32)


def another_part(value):
    line_of(value, "environment")["attachments"][0]["data"] = b64(b"[]")


def a_part_of_nobody(value):
    line_of(value, "dataset")["attachments"] = [{"name": "counts.json", "data": b64(b"[]")}]


def another_root(value):
    value["checkpoint"]["root"] = "0" * 64


def an_entry_that_is_not_covered(value):
    value["covered"] = [[0, 2]]


def covered_without_end(value):
    value["covered"] = [[0, 1 << 50]]


@pytest.mark.parametrize(
    "change",
    [
        another_entry,
        another_entry_with_its_leaf,
        another_name,
        another_salt,
        another_part,
        a_part_of_nobody,
        another_root,
        an_entry_that_is_not_covered,
        covered_without_end,
    ],
)
def test_evidence_that_does_not_hold_in_itself_is_refused(sample, change):
    data = view.evidence(sample("promoted"))
    opened(data)
    with pytest.raises(NotVerified):
        opened(spoilt(data, change))


def test_an_entry_replaced_is_named(sample):
    with pytest.raises(Tampered, match="entry 6: entry is not in the tree"):
        opened(spoilt(view.evidence(sample("promoted")), another_entry_with_its_leaf))


@pytest.mark.parametrize("field", ["format", "checkpoint", "model", "covered", "drawing", "entries", "facts"])
def test_evidence_without_a_field_is_malformed(sample, field):
    with pytest.raises(Malformed):
        opened(spoilt(view.evidence(sample("bare")), lambda value: value.pop(field)))


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(more=1),
        lambda value: value["model"].update(entry="x"),
        lambda value: value["model"].update(entry=999),
        lambda value: value["entries"].reverse(),
        lambda value: value["entries"].append(value["entries"][0]),
        lambda value: value["facts"][0].update(entries=["1"]),
        lambda value: value["facts"][0].pop("text"),
        lambda value: value["checkpoint"].update(root="xyz"),
        lambda value: value["checkpoint"].update(size="7"),
        lambda value: value["entries"][0].update(proof=None),
        lambda value: value.update(un_anchored=value["un_anchored"] - 1),
        lambda value: value["anchor"].update(size=value["checkpoint"]["size"] + 1),
        lambda value: value["anchor"].update(more=1),
    ],
)
def test_evidence_that_is_misspelt_is_malformed_and_never_another_error(sample, change):
    with pytest.raises(NotVerified):
        opened(spoilt(view.evidence(sample("bare")), change))


def test_a_fact_that_stands_twice_is_refused(sample):
    data = spoilt(view.evidence(sample("bare")), lambda value: value["facts"].append(value["facts"][0]))
    with pytest.raises(Malformed, match="twice"):
        trace.rederive(opened(data))


def test_runs_of_indices():
    assert spans(range(5)) == ((0, 4),)
    assert spans(range(0)) == spans([]) == ()
    assert spans([0, 1, 2, 5, 7, 8]) == ((0, 2), (5, 5), (7, 8))


# --------------------------------------------------------------------------- where numbers come from


def traced(found, **more):
    evidence = of(found)
    return trace.origins(trace.rederive(evidence), evidence, **more)


def test_a_number_is_traced_to_the_field_in_which_it_stands(sample):
    found = {one.fact: one for one in traced(sample("promoted"), number="0.9699")}
    line = next(one for id, one in found.items() if id.startswith("s6.checks-"))
    assert len(line.entries) == 1
    assert line.places == (f"entry {line.entries[0]}: checks[3].value",)


def test_a_number_in_an_attachment_is_traced_into_it(sample):
    places = [place for one in traced(sample("large")) for place in one.places]
    assert any("checks.json[" in place for place in places)


def test_what_was_counted_names_the_entries_that_it_was_counted_over(sample):
    (counted,) = traced(sample("promoted"), fact="s5.training.recorded-runs-that-failed-before")
    assert (counted.number, counted.places) == ("1", ())
    assert len(counted.entries) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("selection rate 0.30 of 5,421 (95 % interval)", ["0.30", "5,421", "95"]),
        ("p-3f9a2c1d at 2026-11-20 12:00 UTC, version 1.2", ["2026-11-20 12:00", "1.2"]),
        ("fails < 1e-5; -3 rows", ["1e-5", "-3"]),
        ("sha256 9ae6a86247eb", []),
        ("bank.example/credit/24190018-8331-442a-9c57-161472716720 has 7 entries (SHA-256)", ["7"]),
        ("approved by Oda Officer (p-29110499)", []),
        ("in force since 2026-11-22 13:28:12 UTC", ["2026-11-22 13:28:12"]),
    ],
)
def test_numbers_are_told_from_names(text, found):
    assert trace.numbers(text) == found


# --------------------------------------------------------------------------- every number has its reference


VOID = {"meta", "col", "br", "circle", "rect", "path"}
WITHOUT = re.compile(
    "|".join(
        [
            r"\d{1,2} [A-Z][a-z].*",  # headings of sections
            r"In it, each entry stands as base64.*\(RFC 6962, section 2\.1\).*",  # how to verify
            r"Entry Kind Recorded at.*SHA-256.*",  # the head of the annex
            r"Evidence, SHA-256",
            r"Model digest \(SHA-256\)",
        ]
    )
)
"""What may be printed without a reference: it says nothing about a model."""


class Tree(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = ("root", {}, [])
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        node = (tag, dict(attrs), [])
        self.open[-1][2].append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attrs):
        self.open[-1][2].append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        self.open[-1][2].append(data)


def text_of(node):
    return node if isinstance(node, str) else " ".join(" ".join(map(text_of, node[2])).split())


def refers(node):
    """Whether it says where it is from: a link to an entry, ``entry 7`` or ``[7]``, or a source that is no entry."""
    if isinstance(node, str):
        return re.search(r"\bentry \d|\[\d+\]", node) is not None
    _, attrs, inner = node
    own = attrs.get("class") == "ref" or "data-entry" in attrs or "data-source" in attrs
    return own or re.fullmatch(r"e\d+", attrs.get("id") or "") is not None or any(map(refers, inner))


UNITS = {"tr", "p", "li", "figure", "h1", "h2", "h3", "h4"}
"""What one reference speaks for."""


def unreferenced(node, after=()):
    """Texts with a digit that stand in no row, sentence or picture with a reference.

    A heading and the head of a table name what stands under them (`after`), which has its references.
    """
    tag, attrs, inner = node
    if tag in ("style", "head") or "hidden" in (attrs.get("class") or ""):
        return
    if tag in UNITS or attrs.get("class") == "pair":
        under = tag in ("h3", "h4") and any(map(refers, after[:2]))
        if re.search(r"\d", text_of(node)) and not refers(node) and not under:
            yield text_of(node)
        return
    for position, child in enumerate(inner):
        if isinstance(child, str):
            if re.search(r"\d", child):
                yield " ".join(child.split())
        elif not (child[0] == "thead" and refers(node)):
            yield from unreferenced(child, [one for one in inner[position + 1 :] if not isinstance(one, str)])


@pytest.mark.parametrize("name", NAMES)
def test_no_digit_stands_on_the_page_without_a_reference(sample, name):
    tree = Tree()
    tree.feed(render.html(sample(name)))
    bare = [text for text in unreferenced(tree.root) if not WITHOUT.fullmatch(text)]
    assert bare == []


def test_a_digit_without_a_reference_is_seen():
    tree = Tree()
    tree.feed("<table><tbody><tr><td>0.31</td></tr><tr><td>7</td><td><a class='ref'>[7]</a></td></tr></tbody></table>")
    assert list(unreferenced(tree.root)) == ["0.31"]

"""The view says what entries say: each fact with its entry, each absence with its reason, no verdict of its own."""

import hashlib
import itertools
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.canonical import encode, unb64
from tallystick.errors import InvalidInput, NotFound
from tallystick.people.book import Book
from tallystick.records import Entry, absent
from tallystick.report import charts, figures, saying, view, words
from tallystick.report.facts import CheckCard, Facts, Note, Table, cited, facts_of

NAMES = ["promoted", "succeeded", "refused", "large", "hostile", "bare"]


def facts(found):
    return [fact for section in found.sections for _, fact in facts_of(section)]


def texts(found):
    said = [found.title, found.name, found.version, found.usecase, found.headline.word, found.headline.sentence]
    said += [text for fact in (*found.summary, *facts(found)) for text in (fact.label, fact.text)]
    said += [note.text for note in found.attention]
    return said + [cell for row in (*found.entries, *found.digests) for cell in row.cells]


def section_text(found, number):
    return " | ".join(f"{fact.label}: {fact.text}" for _, fact in facts_of(found.sections[number - 1]))


def pictures(found):
    blocks = [block for section in found.sections for block in section.blocks]
    return [block for block in blocks if not isinstance(block, Facts | Table | Note | CheckCard)]


@pytest.mark.parametrize("name", NAMES)
def test_a_report_has_its_fourteen_sections_in_order_and_none_is_empty(sample, name):
    sections = sample(name).sections
    assert [section.number for section in sections] == list(range(1, 15))
    assert [section.title for section in sections][:4] == [
        "Verdict, scope, anchor",
        "Use case, owner, risk tier",
        "What changed since the last version",
        "Data",
    ]
    assert sections[13].title == "What is not proven"
    assert all(section.blocks for section in sections)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_that_is_named_stands_in_the_annex_and_in_the_evidence(sample, name):
    found = sample(name)
    named = cited(found.sections) | {fact.entry for fact in found.summary if fact.entry is not None}
    annex = {row.entries[0] for row in found.entries}
    carried = {line["seq"] for line in json.loads(view.evidence(found))["entries"]}
    assert named <= annex <= carried


@pytest.mark.parametrize("name", NAMES)
def test_what_was_read_from_an_entry_names_that_entry_and_its_basis(sample, name, books):
    book, _ = books[name]()
    basis = {entry.seq: entry.basis for entry in book.entries}
    for fact in facts(sample(name)):
        if fact.basis is not None:
            assert fact.basis == basis[fact.entry]
        if fact.style == "number" and not fact.missing:
            assert fact.entry is not None


@pytest.mark.parametrize("name", NAMES)
def test_evidence_is_canonical_and_its_digest_is_the_one_that_is_printed(sample, name):
    found = sample(name)
    data = view.evidence(found)
    value = json.loads(data)
    assert encode(value) == data
    assert hashlib.sha256(data).hexdigest() == found.evidence_sha256
    assert value["format"] == "tallystick-evidence/v1"
    ids = [fact["id"] for fact in value["facts"]]
    assert len(ids) == len(set(ids))
    assert len(ids) > 40


@pytest.mark.parametrize("name", NAMES)
def test_evidence_carries_the_bytes_of_entries_and_their_leaf_hashes(sample, name, books):
    book, _ = books[name]()
    raw = {entry.seq: entry.raw for entry in book.entries}
    for line in json.loads(view.evidence(sample(name)))["entries"]:
        data = unb64(line["entry"])
        assert data == raw[line["seq"]]
        assert hashlib.sha256(b"\x00" + data).hexdigest() == line["leaf"]


def test_what_was_not_recorded_is_said_in_its_section_and_on_the_first_page(sample):
    found = sample("promoted")
    assert "Exclusions: not recorded" in section_text(found, 4)
    said = next(note for note in found.attention if "not recorded: " in note.text)
    assert said.text == (
        "5 facts are not recorded: Exclusions; Overlap of training and test data; Human oversight; Monitoring; "
        "Split membership, digest, see sections 2, 4 and 12."
    )
    assert said.entries
    assert "Monitoring: not recorded" in section_text(found, 12)


def test_a_wall_of_gaps_is_a_number_and_the_five_that_matter_most(sample):
    (said,) = [note.text for note in sample("bare").attention if "not recorded: " in note.text]
    count, listed = re.fullmatch(r"(\d+) facts are not recorded: (.*); …, see sections .* and \d+\.", said).groups()
    assert int(count) > 20
    assert listed == (
        "Intended use; Prohibited use; Risk tier (not recorded; treated as the highest); Owner; Validator"
    )


def test_an_absence_is_printed_with_the_reason_that_was_recorded(sample):
    found = sample("bare")
    assert "Run: bought from a vendor" in section_text(found, 5)
    assert "Risk tier: not recorded; treated as the highest" in section_text(found, 2)
    assert "Evaluation: not recorded" in section_text(found, 6)
    assert "Deployment: not recorded" in section_text(found, 12)


def test_the_unanchored_tail_is_said_on_the_first_page_and_among_what_is_not_proven(sample):
    found = sample("promoted")
    assert any(note.text == "Un-anchored: 3 entries (25 to 27)." for note in found.attention)
    assert "3 entries (25 to 27) un-anchored" in section_text(found, 14)
    none = sample("promoted", un_anchored=0)
    assert any(note.text == "Un-anchored: no entry." for note in none.attention)


def test_protected_attributes_at_prediction_are_none_or_named(sample, story):
    assert "Protected attributes at prediction: none" in section_text(sample("promoted"), 7)
    shelf = story.Shelf()
    refs, _ = story.refused_story(shelf)
    features = {"used": ["age", "sex"], "protected": ["sex"]}
    story.model(shelf, 2, refs["usecase"], refs["usecase"], features=features)
    book = shelf.book()
    found = view.build(book, book.model("income-screening", 2), **story.anchor_facts(book))
    assert "Protected attributes at prediction: sex" in section_text(found, 7)


# --------------------------------------------------------------------------- what was decided


@pytest.mark.parametrize(
    ("name", "word", "tone"),
    [
        ("promoted", "In production", "good"),
        ("succeeded", "In production", "good"),
        ("refused", "Refused by its gates", "bad"),
        ("large", "Refused by its gates", "bad"),
        ("hostile", "Refused", "bad"),
        ("bare", "Not decided", "open"),
    ],
)
def test_the_headline_is_that_of_the_newest_decision(sample, name, word, tone):
    head = sample(name).headline
    assert (head.word, head.tone) == (word, tone)
    assert head.entries


def test_the_headline_names_who_approved_and_who_promoted(sample):
    sentence = sample("promoted").headline.sentence
    assert sentence.startswith("Approved by Dr Amara Okafor (p-b71e04aa); promoted by Dr Amara Okafor (p-b71e04aa);")
    assert sample("promoted").headline.entries == (26, 25)


def decided(story, verdict, *, approved=None, promoted=False):
    """The headline after a decision, an approval, a promotion."""
    shelf = story.Shelf()
    refs, evaluation = story.refused_story(shelf)
    ref = story.decision(shelf, refs, evaluation, verdict, {})
    if approved is not None:
        given = story.approval(shelf, refs, ref, "approved" if approved else "refused")
        if promoted:
            story.promotion(shelf, refs, ref, [given])
    book = shelf.book()
    return view.build(book, book.model("income-screening", 1), **story.anchor_facts(book)).headline


def test_a_pass_that_nobody_approved_is_no_promotion(story):
    assert decided(story, "pass").word == "Gates passed, not approved"
    assert decided(story, "warn", approved=True).word == "Approved, not promoted"
    assert decided(story, "warn", approved=True, promoted=True).word == "In production"


def test_a_refusal_by_a_person_outweighs_a_pass_of_the_gates(story):
    head = decided(story, "pass", approved=False)
    assert (head.word, head.tone) == ("Refused", "bad")
    assert "Dr Amara Okafor" in head.sentence


def test_inconclusive_is_neither_a_pass_nor_a_fail(story):
    head = decided(story, "inconclusive")
    assert (head.word, head.tone) == ("Inconclusive", "open")


def test_a_version_that_was_replaced_says_until_when_it_was_in_force(books, story):
    book, _ = books["succeeded"]()
    found = view.build(book, book.model("income-screening", 2), **story.anchor_facts(book))
    assert found.headline.word == "Replaced in production"
    assert "2026-11-10 00:00:00 UTC" in found.headline.sentence


def test_the_report_never_judges_again(story):
    """A recorded verdict stands, even one that its own numbers contradict: finding that out is the verifier's work."""
    shelf = story.Shelf()
    refs, _ = story.refused_story(shelf)
    wrong = [check | {"verdict": "pass"} for check in story.checks_of(fair=False)]
    evaluation = story.evaluation(shelf, refs, wrong, "pass")
    story.decision(shelf, refs, evaluation, "pass", {"pass": 5})
    book = shelf.book()
    found = view.build(book, book.model("income-screening", 1), **story.anchor_facts(book))
    assert found.headline.word == "Gates passed, not approved"
    table = next(b for b in found.sections[5].blocks if isinstance(b, Table) and b.title == "Check results")
    row = next(row for row in table.rows if row.cells[0] == "bias.sex.dpr")
    assert row.cells[1:4] == ("pass", "0.3025", "fails < 0.80; warns < 0.85")


def test_every_verdict_number_and_reason_of_a_check_is_printed(sample):
    text = section_text(sample("refused"), 6) + section_text(sample("refused"), 7)
    assert "bias.sex.dpr: Verdict: fail; Value: 0.3025; Limits: fails < 0.80; warns < 0.85; n: 16,281" in text
    assert "selection rate of women is 0.30 of men's (n = 5,421 and 10,860, interval 0.27 to 0.33)" in text
    assert "What to look at: Look at marital status" in text
    assert "Why this criterion: The queue decides who is looked at first" in text


def test_an_approval_is_printed_with_who_when_why_and_why_they_were_entitled(sample):
    text = section_text(sample("promoted"), 11)
    assert "approved; Who: Dr Amara Okafor (p-b71e04aa); Why entitled: risk-officer; signed" in text
    assert "Rationale: Accuracy is 0.017 lower" in text
    assert "none among recorded authorship and bound identities" in text
    assert "1 author of the code bound to no key" in text
    assert "wrote code in entry 16" in text


def test_a_maker_who_approved_is_named_on_the_first_page(story):
    shelf = story.Shelf()
    refs, evaluation = story.refused_story(shelf)
    ref = story.decision(shelf, refs, evaluation, "pass", {})
    story.approval(shelf, refs, ref, "approved", actor=story.ENGINEER)
    book = shelf.book()
    found = view.build(book, book.model("income-screening", 1), **story.anchor_facts(book))
    assert any("Approved by a maker of the model: Jonas Weil" in note.text for note in found.attention)


def test_an_erased_name_leaves_the_pseudonym(books, story):
    book, model = books["promoted"]()
    gone = Book(book.entries, origin=book.origin, parts=lambda e, n: None if n == "name" else book.part(e, n))
    found = view.build(gone, model, **story.anchor_facts(book))
    assert not any("Okafor" in text for text in texts(found))
    assert "p-b71e04aa" in section_text(found, 11)


def test_earlier_failures_stand_in_the_report_with_their_explanation(sample):
    text = section_text(sample("promoted"), 6)
    assert "Model: income-screening 1; Verdict: fail; Explanation on the ledger: Version 1 was refused" in text
    assert "not explained" in section_text(sample("large"), 6)


def test_the_champion_and_the_challenger_stand_side_by_side(sample):
    text = section_text(sample("succeeded"), 8)
    assert "bias.sex.dpr: Champion: 0.9699 (pass); This version: 0.9699 (pass)" in text
    assert "Champion: first in this stage." in section_text(sample("promoted"), 8)


def test_changes_against_the_version_before_name_both_values(sample):
    text = section_text(sample("promoted"), 3)
    assert "Parameter C: Version 1: 1; Version 2: 0.5" in text
    assert "Data: Version 1: adult-train 1994-05" in text
    assert "Verdict of the gates: Version 1: fail [13]; Version 2: warn [21]" in text


def test_waivers_findings_and_conditions_are_open_points_of_the_first_page(sample):
    said = [note.text for name in ("promoted", "succeeded") for note in sample(name).attention]
    assert {"1 condition open.", "1 review finding open.", "1 check waived."} <= set(said)


def test_no_control_is_closed_by_software(sample):
    class Clause:
        framework, ref, title, auto = "euaia", "Art 14", "Human oversight", "H"

    text = section_text(sample("promoted", catalogue={"euaia-14": Clause()}), 13)
    assert "Draft mapping, not legal advice" in text
    assert (
        "euaia-14: Clause: euaia, Art 14: Human oversight; Policy: income/promotion 1.2.0; Status: open: human only"
        in text
    )
    assert "euaia-10.2: Clause: not in the catalogue at hand" in text
    assert "closed" not in text.replace("No control is closed by software", "")


# --------------------------------------------------------------------------- scope


def test_entries_beyond_the_checkpoint_are_not_looked_at(books, story):
    book, model = books["promoted"]()
    given = story.anchor_facts(book)
    given["checkpoint"] |= {"size": 23}
    found = view.build(book, model, **given)
    assert found.headline.word == "Gates passed, not approved"
    assert max(row.entries[0] for row in found.entries) < 23


def test_entries_recorded_after_the_time_of_the_report_are_not_looked_at(books, story):
    book, _ = books["succeeded"]()
    given = story.anchor_facts(book) | {"as_of": "2026-11-05"}
    found = view.build(book, book.model("income-screening", 2), **given)
    assert found.headline.word == "In production"
    assert "Entries left out: 12, recorded later or not at hand" in section_text(found, 1)
    assert found.as_of == "2026-11-05T23:59:59.999999Z"


def test_a_model_outside_the_scope_is_not_found(books, story):
    book, model = books["promoted"]()
    with pytest.raises(NotFound, match="not among the entries"):
        view.build(book, model, **(story.anchor_facts(book) | {"as_of": "2026-01-01"}))


def test_a_checkpoint_of_another_ledger_is_refused(books, story):
    book, model = books["promoted"]()
    given = story.anchor_facts(book)
    given["checkpoint"] |= {"origin": "other/ledger"}
    with pytest.raises(InvalidInput, match="another ledger"):
        view.build(book, model, **given)


@pytest.mark.parametrize("time", ["yesterday", "2026-11-20T12:00", "2026-11-20T12:00:00.000000Z\n", ""])
def test_a_time_that_is_none_is_refused(books, story, time):
    book, model = books["promoted"]()
    with pytest.raises(InvalidInput, match="not a time"):
        view.build(book, model, **(story.anchor_facts(book) | {"as_of": time}))


def test_check_results_that_are_not_at_hand_are_said_to_be_so(books, story):
    book, model = books["large"]()
    bare = Book(book.entries, origin=book.origin)
    entry = next(e for e in book.of_kind("evaluation"))
    assert entry.body["checks"] == {"attachment": "checks.json"}, "the sample is too small for its purpose"
    found = view.build(bare, model, **story.anchor_facts(book))
    assert "not at hand" in section_text(found, 6)


# --------------------------------------------------------------------------- hostile text


@pytest.mark.parametrize("name", NAMES)
def test_no_text_of_a_view_holds_a_character_that_cannot_be_seen(sample, name):
    for text in texts(sample(name)):
        assert all(char.isprintable() or char == "\n" for char in text), ascii(text)


@given(st.text(max_size=300))
def test_whatever_is_said_can_be_seen(text):
    assert all(char.isprintable() or char in "\n" for char in words.visible(text))
    assert len(words.shortened(text, 40)) <= 40


@given(st.text(alphabet="ab\u202e\u200b\x00\ud800\u2028", max_size=60))
def test_two_texts_that_differ_never_look_alike(text):
    seen = words.visible(text)
    assert all(char in seen.encode().decode() for char in text if char in "ab")
    assert seen.count("\\") >= sum(char not in "ab" for char in text)


def test_a_heap_of_combining_marks_is_written_out():
    assert words.visible("e" + "\u0301" * 40).count("\\u0301") == 37


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_any_value_can_be_said(value):
    assert isinstance(words.said(value), str)


def test_an_integer_of_absurd_length_is_said_and_not_computed():
    assert words.said({"int": "9" * 10_000})
    assert words.numeric({"int": "9" * 10_000}) is None


@given(st.floats(min_value=-1e6, max_value=1e6), st.floats(min_value=-1e6, max_value=1e6))
def test_a_number_never_looks_equal_to_a_limit_that_it_does_not_equal(value, limit):
    told = float(words.number(value, limit).replace(",", ""))
    assert (told == limit) == (value == limit) or value == limit


def test_a_parameter_that_is_null_was_recorded_all_the_same():
    assert words.recorded(None) == "null"
    assert words.said({"class_weight": None, "n": [None, 1]}) == "class weight: null; n: null, 1"
    assert words.said(None) == "not recorded"


def test_a_value_just_below_its_limit_is_not_rounded_onto_it():
    assert words.number(0.79999, 0.8) == "0.79999"
    assert words.number(0.8, 0.8) == "0.8"


# --------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_says_in_words_what_it_shows(sample, name):
    for picture in pictures(sample(name)):
        assert picture.title
        assert len(picture.description) > 20
        assert picture.entries


def test_a_chart_holds_the_value_the_interval_and_the_limits(sample):
    drawn = next(p for p in pictures(sample("refused")) if p.kind == "thresholds" and "bias.sex" in p.title)
    line = drawn.lines[0]
    assert (line.label, line.verdict, line.value) == ("dpr", "fail", "0.3025")
    assert line.whisker is not None
    assert line.whisker[0] < line.at < line.whisker[1]
    assert line.fail_zone is not None
    assert line.fail_zone[0] <= line.at <= sum(line.fail_zone), "a value that fails stands in the zone that fails"


@given(
    st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0, 50), st.sampled_from(["<", "<=", ">", ">="]), st.booleans()
)
def test_a_mark_stands_on_the_side_of_the_limit_where_its_value_is(value, at, spread, sign, warns):
    check = {
        "id": "x",
        "value": value,
        "verdict": "pass",
        "threshold": {"fail_if": f"{sign} {at!r}", "warn_if": "> 5" if warns else None},
        "interval": {"low": value - spread, "high": value + spread},
    }
    drawn = charts.thresholds("g", [check], 1)
    if drawn is None:
        assert "e" in f"{at!r}" or at != at
        return
    line = drawn.lines[0]
    limit = line.fail_zone[0] + (line.fail_zone[1] if sign.startswith("<") else 0)
    assert drawn.left <= line.at <= drawn.left + drawn.width
    if abs(line.at - limit) > 0.2:
        assert (line.at < limit) == (value < at)


def bars_of(rows, **more):
    ((_, members),) = figures.of_checks([{"groups": rows}])
    given = {"rate": "selection_rate", "policy": charts.limit("< 0.80"), "share": True, "entry": 3}
    return charts.groups("g", members, **(given | more))


def test_group_bars_are_in_proportion_and_the_line_stands_at_four_fifths(story):
    drawn = bars_of(story.groups(0.1, 0.4))
    men, women = drawn.bars
    assert (men.label, men.n, women.label, women.n) == ("Male", "10,860", "Female", "5,421")
    assert women.width * 4 == pytest.approx(men.width, abs=0.3)
    assert men.whisker[0] < drawn.left + men.width < men.whisker[1] <= drawn.left + drawn.width
    assert drawn.scale == ((drawn.left, "0"), (drawn.left + drawn.width / 2, "0.25"), (drawn.left + drawn.width, "0.5"))
    assert men.width == pytest.approx(drawn.width * 0.4 / 0.5, abs=0.1)
    assert drawn.counted == "n: people"
    x, text, kind, _ = drawn.guides[0]
    assert x - drawn.left == pytest.approx(men.width * 0.8, abs=0.2)
    assert (text, kind) == ("policy: fails < 0.80 of the highest", "policy")


def test_another_limit_of_the_policy_is_drawn_beside_the_four_fifths(story):
    drawn = bars_of(story.groups(0.1, 0.4), policy=charts.limit("< 0.9"))
    assert [(text, kind) for _, text, kind, _ in drawn.guides] == [
        ("policy: fails < 0.9 of the highest", "policy"),
        ("four fifths, not the policy's", "rule"),
    ]
    assert bars_of(story.groups(0.1, 0.4), policy=None).guides[0][1:3] == ("four fifths, not the policy's", "rule")
    assert bars_of(story.groups(0.1, 0.4), rate="true_positive_rate", share=False).guides == ()


def test_groups_without_a_rate_are_drawn_as_not_evaluable(sample):
    drawn = next(p for p in pictures(sample("large")) if p.kind == "groups")
    assert (drawn.bars[-1].value, drawn.bars[-1].n) == ("not evaluable", "withheld")
    assert "fewer than 100 people" in section_text(sample("large"), 7)
    assert bars_of([{"group": {"a": "b"}, "n": 1}]) is None


def test_rates_of_one_group_from_several_checks_stand_in_one_row(sample):
    text = section_text(sample("promoted"), 7)
    assert "Female: n: 5,421; Selection rate: 0.1741 (0.1654 to 0.1828); True positive rate: 0.6964" in text


def test_a_step_that_is_not_recorded_is_drawn_as_such(sample):
    drawn = next(p for p in pictures(sample("refused")) if p.kind == "lineage")
    missing = {box.node.kind for box in drawn.boxes if box.node.entry is None}
    assert missing == {"approval", "promotion"}
    kinds = [box.node.kind for box in drawn.boxes]
    assert kinds[:6] == ["dataset", "commit", "params", "environment", "run", "model"]


@pytest.mark.parametrize("name", NAMES)
def test_no_two_boxes_of_a_lineage_overlap_and_none_leaves_the_picture(sample, name):
    drawn = next(p for p in pictures(sample(name)) if p.kind == "lineage")
    places = [(box.x, box.y) for box in drawn.boxes]
    for i, (x, y) in enumerate(places):
        assert 0 <= x <= charts.WIDTH - drawn.box_width
        assert 0 <= y <= drawn.height - drawn.box_height
        assert not [o for o in places[:i] if abs(o[0] - x) < drawn.box_width and abs(o[1] - y) < drawn.box_height]


@pytest.mark.parametrize("text", ["< 0.80", "<= 3", "> 1e-3", ">= 0.01%"])
def test_a_threshold_is_read(text):
    assert charts.limit(text) is not None


@pytest.mark.parametrize("text", ["0.8", "< x", "<< 1", "", None, 3, "< 1 or > 2", "< nan"])
def test_what_is_no_threshold_is_not_drawn(text):
    assert charts.limit(text) is None


# --------------------------------------------------------------------------- the samples themselves


def test_columns_of_a_table_share_exactly_its_width(sample):
    for name in NAMES:
        for section in sample(name).sections:
            for block in section.blocks:
                if isinstance(block, Table):
                    assert sum(block.shares) == 100
                    assert min(block.shares) > 0


def test_a_field_that_holds_an_absence_never_breaks_a_report(story):
    """Any required field may be absent; each is tried in turn. An evaluation without a verdict is no evaluation."""
    shelf = story.Shelf()
    story.promoted_story(shelf)
    for position, entry in enumerate(shelf.entries):
        if entry.kind in ("ledger", "key", "review", "finding"):
            continue
        for field in set(entry.body) - ({"verdict"} if entry.kind == "evaluation" else set()):
            body = {**entry.body, field: absent("left out")}
            hollow = Entry.parse(encode(entry.value() | {"body": body}))
            book, model = hollowed(story, shelf, position, hollow)
            assert view.build(book, model, **story.anchor_facts(book)).sections


def hollowed(story, shelf, position, hollow):
    """The same book with one entry changed, and every reference and chain link after it made new."""
    entries, changed = shelf.entries[:position], {}
    for entry in [hollow, *shelf.entries[position + 1 :]]:
        raw = entry.raw
        for old, new in changed.items():
            raw = raw.replace(old, new)
        entries.append(Entry.parse(raw))
        changed[shelf.entries[entry.seq].leaf.hex().encode()] = entries[-1].leaf.hex().encode()
    book = Book(entries, origin=story.ORIGIN, parts=shelf.book().part)
    return book, book.of_kind("model")[-1]


def test_a_view_is_frozen(sample):
    found = sample("bare")
    with pytest.raises(AttributeError):
        found.title = "other"
    assert replace(found, title="other").title == "other"


# --------------------------------------------------------------------------- what a new reader tripped over


def with_code(story, **second):
    """Two versions of one commit; the second with something beside it, and an evaluation of the second."""
    shelf = story.Shelf()
    refs, _ = story.refused_story(shelf)
    code = next(entry for entry in shelf.entries if entry.kind == "commit")
    again = shelf.add("commit", code.body | second)
    run = story.run(shelf, [refs["train"], again, story.params(shelf), story.environment(shelf)])
    model, digest = story.model(shelf, 2, run, refs["usecase"])
    return shelf, refs | {"model": model, "digest": digest}


def seen(story, shelf, version=2):
    book = shelf.book()
    return view.build(book, book.model("income-screening", version), **story.anchor_facts(book))


@pytest.mark.parametrize(
    ("beside", "told", "changed"),
    [
        ({"untracked": 4, "untracked_sha256": "a" * 64}, "no; 4 untracked files", "… with 4 untracked files, changed"),
        (
            {"dirty": True, "patch_sha256": "b" * 64, "untracked": 1, "untracked_sha256": "a" * 64},
            "yes; 1 untracked file",
            "… with uncommitted changes and 1 untracked file, changed",
        ),
        ({"dirty": True, "patch_sha256": "b" * 64}, "yes", "… with uncommitted changes, changed"),
        ({"dirty": absent()}, "not recorded", "…, changed"),
    ],
)
def test_what_lay_beside_the_commit_is_said_in_its_section_and_on_the_first_page(story, beside, told, changed):
    found = seen(story, with_code(story, **beside)[0])
    assert f"Uncommitted changes: {told} |" in section_text(found, 5)
    assert any(note.text.startswith(f"Uncommitted changes: {told}.") for note in found.attention)
    code = next(row for row in found.sections[2].blocks[0].rows if row.cells[0] == "Code")
    assert code.cells[2].endswith(changed)


@pytest.mark.parametrize("field", ["content_sha256", "patch_sha256", "untracked_sha256", "gitCommit"])
def test_code_is_unchanged_only_if_all_of_its_digests_are(story, field):
    rows = (
        seen(story, with_code(story, **{field: "c" * (40 if field == "gitCommit" else 64)})[0])
        .sections[2]
        .blocks[0]
        .rows
    )
    assert next(row.cells[2] for row in rows if row.cells[0] == "Code") != "unchanged"
    rows = seen(story, with_code(story)[0]).sections[2].blocks[0].rows
    assert next(row.cells[2] for row in rows if row.cells[0] == "Code") == "unchanged"


def test_a_clean_tree_is_no_open_point(sample):
    assert not any("Uncommitted" in note.text for note in sample("promoted").attention)


def test_a_long_value_that_differs_only_beyond_what_is_printed_counts_as_changed(story):
    shelf = story.Shelf()
    refs, _ = story.refused_story(shelf)
    for version, end in ((2, "a"), (3, "b")):
        story.candidate(shelf, refs, version, grid="x" * 200 + end)
    assert "Parameter grid: " in section_text(seen(story, shelf, 3), 3)
    assert "…, changed" in section_text(seen(story, shelf, 3), 3)


def test_parameters_and_packages_are_counted_the_same_everywhere(story):
    shelf, refs = with_code(story)
    story.candidate(shelf, refs, 3, **{"class": "other.Model"})
    found = seen(story, shelf, 3)
    table = next(b for b in found.sections[4].blocks if isinstance(b, Table) and b.title == "Parameters")
    assert len(table.rows) == 6
    assert "Version 3: 6 parameters, listed in section 5" in section_text(found, 3)
    assert "6 parameters" in next(p for p in pictures(found) if p.kind == "lineage").description
    assert "Environment: Version 2: 2 packages" in section_text(found, 3)
    assert "Packages: 2 packages" in section_text(found, 5)


def test_entries_that_are_covered_and_not_printed_are_counted_and_named(sample, books):
    found = sample("promoted")
    covered = {entry.seq for entry in books["promoted"]()[0].entries}
    others = sorted(covered - {row.entries[0] for row in found.entries})
    listed = ", ".join(map(str, others))
    assert others
    assert (
        f"Of these, printed here: {len(found.entries)}, listed in the annex; {len(others)} about other things: {listed}"
        in section_text(found, 1)
    )


def test_of_many_entries_that_are_not_printed_twelve_are_named(story):
    shelf = story.Shelf()
    story.refused_story(shelf)
    others = [story.dataset(shelf, f"other-{i}", "training", 5)["seq"] for i in range(15)]
    found = seen(story, shelf, 1)
    printed = {row.entries[0] for row in found.entries}
    named = [seq for seq in range(len(shelf.entries)) if seq not in printed]
    assert set(others) <= set(named)
    more = len(named) - 12
    assert f"about other things: {', '.join(map(str, named[:12]))} and {more} more |" in section_text(found, 1)


def test_a_policy_without_an_author_is_an_open_point(story):
    shelf, refs = with_code(story)
    assert not any("Policy author" in note.text for note in seen(story, shelf, 1).attention)
    refs["policy"] = story.policy(shelf, version="2.0.0", id="other", author=absent())
    story.evaluation(shelf, refs, story.checks_of(fair=True), "warn")
    said = [note.text for note in seen(story, shelf).attention]
    assert "Policy author: not recorded: nobody but the publisher stands for it." in said


@pytest.mark.parametrize("data", [[{"dataset": absent("no test set was named"), "rows": 9}], [], absent()])
def test_an_evaluation_on_data_that_nobody_recorded_is_said_in_strong_words(story, data):
    shelf, refs = with_code(story)
    story.evaluation(shelf, refs, story.checks_of(fair=True), "warn", data=data)
    note = next(note for note in seen(story, shelf).attention if note.text.startswith("Test set: not recorded."))
    assert note.tone == "bad"
    assert not any(n.text.startswith("Test set") for n in seen(story, shelf, 1).attention)


def test_the_worst_fairness_check_comes_first_under_a_name_that_is_not_cut(story):
    shelf, refs = with_code(story)
    names = ("demographic_parity_ratio", "equalized_odds_difference")
    checks = [
        story.check(f"bias.income/sex/{name}", "bias.income", "bias", verdict, 0.25)
        for name, verdict in zip(names, ("pass", "warn"), strict=True)
    ]
    story.evaluation(shelf, refs, checks, "warn")
    fairness = next(fact.text for fact in seen(story, shelf).summary if fact.label == "Fairness")
    told = "sex: equalized odds difference 0.25 (warn); sex: demographic parity ratio 0.25 (pass)"
    assert fairness == told


@pytest.mark.parametrize("name", NAMES)
def test_no_basis_stands_beside_an_absence(sample, name):
    assert all(fact.basis is None for fact in facts(sample(name)) if fact.missing)


@pytest.mark.parametrize(
    ("id", "value", "n", "told"),
    [
        ("s/rows", 16281, 16281, "16,281 rows"),
        ("s/age.nullable", 0, 16281, "0 rows miss it"),
        ("s/age.nullable", 12 / 16281, 16281, "0.0007371: 12 rows miss it"),
        ("s/age.nullable", 1 / 16281, 16281, "6.142e-05: 1 row misses it"),
        ("s/age.present", 1.0, 200, "1: 200 rows miss it"),
        ("s/age.nullable", 0.1234, 10, "0.1234"),
        ("s/age.nullable", 0.5, None, "0.5"),
    ],
)
def test_the_value_of_a_schema_check_says_what_it_counts(story, id, value, n, told):
    assert saying.value_of(story.check(id, "s", "schema", "pass", value, n=n)) == told


# --------------------------------------------------------------------------- lines of the lineage


def joined(drawn):
    """Pairs of boxes that a line joins, found from the drawing: where a path begins and where it ends."""
    pairs = set()
    for path in drawn.arrows:
        numbers = [float(n) for n in re.findall(r"-?[0-9.]+", path)]
        turns = re.findall(r"[MHV]", path)
        x1, y1, rest = numbers[0], numbers[1], numbers[2:]
        x2, y2 = x1, y1
        for turn, to in zip(turns[1:], rest, strict=True):
            x2, y2 = (to, y2) if turn == "H" else (x2, to)
        start = next(b for b in drawn.boxes if b.x <= x1 <= b.x + 118 and b.y <= y1 <= b.y + 46)
        end = next(b for b in drawn.boxes if b.x <= x2 + 4 <= b.x + 118 and b.y <= y2 + 4 <= b.y + 46)
        pairs.add((start.node.id, end.node.id))
    return pairs


def test_data_that_training_and_evaluation_used_is_drawn_as_an_input_of_each(story):
    shelf = story.Shelf()
    refs, _ = story.refused_story(shelf)
    both = story.run(shelf, [refs["train"], refs["test"], story.commit(shelf, "b"), story.params(shelf)])
    model, digest = story.model(shelf, 2, both, refs["usecase"])
    story.evaluation(shelf, refs | {"model": model, "digest": digest}, story.checks_of(fair=True), "warn")
    drawn = next(p for p in pictures(seen(story, shelf)) if p.kind == "lineage")
    run, last = both["seq"], shelf.entries[-1].seq
    into = {a for a, b in joined(drawn) if b == f"e{run}"}
    assert into == {f"e{ref['seq']}" for ref in shelf.entries[run].body["inputs"]}
    used = {a for a, b in joined(drawn) if b == f"e{last}"}
    assert used == {f"e{model['seq']}", f"used-e{refs['policy']['seq']}", f"used-e{refs['test']['seq']}"}


@pytest.mark.parametrize("name", NAMES)
def test_lines_into_the_run_and_lines_into_the_evaluation_share_nothing(sample, name):
    drawn = next(p for p in pictures(sample(name)) if p.kind == "lineage")
    spans = {}
    for path in drawn.arrows:
        upright = re.fullmatch(r"M\d+ (\d+)H(\d+)V(\d+)H(\d+)", path)
        if upright:
            y1, x, y2, end = map(int, upright.groups())
            low, high = spans.get((x, end, y2), (y1, y1))
            spans[x, end, y2] = (min(low, y1, y2), max(high, y1, y2))
    found = sorted((x, span) for (x, _, _), span in spans.items())
    for (x, (_, high)), (other, (low, _)) in itertools.pairwise(found):
        assert x != other or high < low


@pytest.mark.parametrize("name", NAMES)
def test_no_step_of_a_lineage_stands_without_a_line(sample, name):
    drawn = next(p for p in pictures(sample(name)) if p.kind == "lineage")
    touched = {node for pair in joined(drawn) for node in pair}
    assert touched == {box.node.id for box in drawn.boxes}


def test_datasets_beyond_the_first_few_are_one_step_that_says_how_many(story):
    shelf = story.Shelf()
    refs, _ = story.refused_story(shelf)
    many = [story.dataset(shelf, f"part-{i}", "training", 5) for i in range(7)]
    story.model(shelf, 2, story.run(shelf, many), refs["usecase"])
    drawn = next(p for p in pictures(seen(story, shelf)) if p.kind == "lineage")
    named = next(box.node.name for box in drawn.boxes if box.node.name.startswith("3 more: "))
    assert named.startswith(f"3 more: [{many[4]['seq']}]")


def test_an_approval_of_an_earlier_decision_is_not_joined_to_the_newest(story):
    shelf = story.Shelf()
    refs, first = story.refused_story(shelf)
    old = story.decision(shelf, refs, first, "pass", {})
    approved = story.approval(shelf, refs, old, "approved")
    story.promotion(shelf, refs, old, [approved])
    again = story.evaluation(shelf, refs, story.checks_of(fair=True), "warn", attempt=2)
    new = story.decision(shelf, refs, again, "warn", {})
    drawn = next(p for p in pictures(seen(story, shelf, 1)) if p.kind == "lineage")
    assert (f"e{new['seq']}", f"e{approved['seq']}") not in joined(drawn)
    assert (f"e{approved['seq']}", f"e{approved['seq'] + 1}") in joined(drawn)

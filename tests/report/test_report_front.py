"""The first page carries the price of the decision: what failed and warned with its numbers, who wrote the rules."""

import shutil
import subprocess

import pytest

from tallystick.canonical import decode, encode
from tallystick.people.book import Book
from tallystick.records import Attachment, Draft, Entry, Personal
from tallystick.report import charts, figures, measured, render, tested, trace, view, words
from tallystick.report.documents import hand_over, model_card
from tallystick.report.evidence import opened
from tallystick.report.facts import facts_of
from tallystick.report.story import Story

MAKER, OFFICER = "p-3f9a2c1d", "p-b71e04aa"


def compared(story, *, metric="equalized_odds_difference", value=0.4, **more):
    """A check as the bias gate records it; by what the samples say of groups, the true positive rates make 0.4."""
    lines = story.groups(0.1, 0.3)
    lines[0]["rates"]["true_positive_rate"] |= {"value": 0.3, "n": 590}
    lines[1]["rates"]["true_positive_rate"] |= {"value": 0.7, "n": 3256}
    given = {"groups": lines, "reason": "as recorded", "threshold": {"fail_if": None, "warn_if": "> 0.10"}}
    return story.check(f"bias.income/sex/{metric}", "bias.income", "bias", "warn", value, **(given | more))


def report(books, story, checks=None, *, name="promoted", **changed):
    """A sample whose policy, evaluation or approval says something else."""
    book, model = books[name]()
    parts, entries, refs = {}, [], {}
    for old in book.entries:
        body = moved(decode(encode(dict(old.body))), refs)
        body |= changed.get(old.kind, {})
        if old.kind == "evaluation" and checks is not None:
            body["checks"] = checks
        told = {line["name"]: book.part(old, line["name"]) for line in (*old.attachments, *old.personal)}
        made = Draft(
            old.kind,
            old.actor,
            old.recorded_at,
            body,
            old.basis,
            subject=old.subject,
            statement=old.statement,
            attachments=[
                Attachment(
                    line["name"], line["mediaType"], told[line["name"]], None if "sha256" in line else story.SALT
                )
                for line in old.attachments
            ],
            personal=[Personal(line["name"], decode(told[line["name"]]), story.SALT) for line in old.personal],
        )
        prev = entries[-1].leaf.hex() if entries else story.FIRST_PREV
        entry = Entry.parse(made.seal(seq=old.seq, prev=prev, recorded_at=old.recorded_at))
        refs[old.ref.leaf] = entry.ref.leaf
        entries.append(entry)
        parts |= {(entry.seq, name): data for name, data in told.items()}
    again = Book(entries, origin=book.origin, parts=lambda entry, name: parts.get((entry.seq, name)))
    return again, again.at(model.seq)


def moved(value, refs):
    """A body whose references follow entries that were written anew."""
    if isinstance(value, dict):
        if set(value) == {"seq", "leaf"}:
            return {**value, "leaf": refs[value["leaf"]]}
        return {key: moved(item, refs) for key, item in value.items()}
    return [moved(item, refs) for item in value] if isinstance(value, list) else value


def seen(story, pair):
    return view.build(*pair, **story.anchor_facts(pair[0]))


# --------------------------------------------------------------------------- what failed and what warns


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [
        ("equalized_odds_difference", 0.7 - 0.3, "true positive rate 0.30 (Female) to 0.70 (Male)"),
        ("equal_opportunity_ratio", 0.3 / 0.7, "true positive rate 0.30 (Female) to 0.70 (Male)"),
        ("demographic_parity_ratio", 0.1 / 0.3, "selection rate 0.10 (Female) to 0.30 (Male)"),
        ("demographic_parity_ratio", 0.9, ""),
        ("demographic_parity_ratio", None, ""),
        ("a_gate_of_others", 0.1 / 0.3, ""),
    ],
)
def test_the_rates_that_make_a_value_are_said_with_their_groups(story, metric, value, said):
    assert measured.apart(compared(story, metric=metric, value=value)) == said


def test_rates_that_differ_little_are_not_said_to_be_equal(story):
    lines = story.groups(0.4201, 0.4204)
    told = measured.apart(compared(story, metric="demographic_parity_difference", value=0.0003, groups=lines))
    assert told == "selection rate 0.4201 (Female) to 0.4204 (Male)"


def test_groups_that_were_left_out_or_withheld_make_no_value(story):
    lines = story.groups(0.1, 0.3)
    lines[0]["left_out"] = "too few"
    assert measured.apart(compared(story, metric="demographic_parity_ratio", value=1 / 3, groups=lines)) == ""
    for line in lines:
        line["rates"] = {"selection_rate": {"k": None, "n": None, "value": None}}
    assert measured.apart(compared(story, metric="demographic_parity_ratio", value=1 / 3, groups=lines)) == ""


def test_a_warning_stands_on_the_first_page_with_its_numbers_and_its_entry(books, story):
    found = seen(story, report(books, story, [compared(story)]))
    first = found.attention[0]
    assert first.text == (
        "sex: equalized odds difference 0.4 (warns > 0.10), true positive rate 0.30 (Female) to 0.70 (Male); warn."
    )
    assert [found.entries[0].cells[1], first.tone] == ["ledger", "open"]
    (evaluation,) = first.entries
    assert found.sections[5].blocks[1].facts[0].entry == evaluation
    evidence = opened(view.evidence(found))
    places = {o.number: o.places for o in trace.origins(trace.rederive(evidence), evidence, fact="s0.attention.1")}
    assert places["0.70"] == (f"entry {evaluation}: checks[0].groups[1].rates.true_positive_rate.value",)
    assert places["0.4"] == (f"entry {evaluation}: checks[0].value",)


def test_of_many_the_failures_come_first_and_the_rest_is_counted(books, story):
    checks = [compared(story, metric=f"equalized_odds_difference[{i}]") for i in range(5)]
    checks += [
        story.check(f"bench/{i}", "bench", "benchmark", "fail", 0.5, reason=f"too low by {i}.") for i in range(4)
    ]
    told = [note.text for note in seen(story, report(books, story, checks)).attention][:6]
    assert told[:3] == [f"bench/{i} (fail): too low by {i}." for i in range(3)]
    assert told[3] == "1 more check did not pass."
    assert told[4].startswith("sex: equalized odds difference[0] 0.4 (warns > 0.10)")
    assert told[5] == "4 more checks warn."


def test_what_is_bad_stands_before_what_is_open(books, story):
    told = seen(story, report(books, story, [compared(story)], evaluation={"data": []})).attention
    assert told[0].text.startswith("Test set: not recorded.")
    assert told[1].text.endswith("; warn.")
    assert [note.tone for note in told[:2]] == ["bad", "open"]


@pytest.mark.parametrize("kind", [model_card, hand_over])
def test_documents_that_lead_with_where_a_model_stands_say_what_warns(books, story, kind):
    book, model = report(books, story, [compared(story)])
    notes = kind.build(Story(book, model, as_of="2026-11-20T12:00:00.000000Z")).notes
    assert notes[0].text.startswith("In production")
    assert "true positive rate 0.30 (Female) to 0.70 (Male); warn." in notes[1].text
    assert notes[1].entries


def test_the_approver_s_reason_stands_beside_the_approval(books, story):
    (line,) = [fact for fact in seen(story, books["promoted"]()).summary if fact.label == "Approval"]
    said, _, reason = line.text.partition(": “")
    assert said.endswith("UTC")
    assert reason.endswith("”")
    long = seen(story, report(books, story, approval={"rationale": "because " * 60}))
    (line,) = [fact for fact in long.summary if fact.label == "Approval"]
    assert line.text.endswith("…”")
    assert len(line.text) < 260


# --------------------------------------------------------------------------- who wrote the rules


def of_duties(found):
    return " | ".join(fact.text for _, fact in facts_of(found.sections[10]))


def test_a_maker_who_wrote_the_rules_is_named_where_duties_are_and_on_the_first_page(books, story):
    found = seen(story, report(books, story, policy={"author": MAKER}))
    text = "Jonas Weil (p-3f9a2c1d) made the model and wrote the policy that judged it, income/promotion 1.2.0."
    (note,) = [note for note in found.attention if note.text == text]
    kinds = {int(row.cells[0]): row.cells[1] for row in found.entries}
    assert [kinds[seq] for seq in note.entries] == ["policy", "model"]
    assert note.tone == "open"
    assert text in of_duties(found)
    both = seen(story, report(books, story, policy={"author": MAKER, "approver": MAKER}))
    assert "made the model and wrote and approved the policy" in of_duties(both)


def test_rules_by_others_are_said_to_be_so_and_by_strangers_to_be_open(books, story):
    others = seen(story, report(books, story, policy={"author": OFFICER}))
    assert "Makers among authors and approvers of the policies: none among recorded authorship" in of_duties(others)
    assert not any("made the model and" in note.text for note in others.attention)
    strangers = of_duties(seen(story, books["promoted"]()))
    assert "Author of policy income/promotion 1.2.0: model-risk, who has no key on this ledger" in strangers
    assert "Makers among authors" not in strangers
    nobody = of_duties(seen(story, report(books, story, policy={"author": {"absent": "nobody"}})))
    assert "Makers among authors" not in nobody


# --------------------------------------------------------------------------- pictures


def test_a_group_has_one_colour_in_every_picture_and_bars_say_whom_n_counts(books, story):
    lines = story.groups(0.1, 0.3)
    for line, n, rate in zip(lines, (590, 3256), (0.9, 0.2), strict=True):
        line["rates"]["true_positive_rate"] |= {"value": rate, "n": n}
    check = compared(story, groups=lines)
    _, entry = books["promoted"]()
    blocks = tested.bias_gate("bias.income", [check], entry, tested.hues_of([check]))
    selected, right = [block for block in blocks if block.kind == "groups"]
    assert [bar.label for bar in selected.bars] == ["Male", "Female"]
    assert [bar.label for bar in right.bars] == ["Female", "Male"]
    assert {bar.label: bar.hue for bar in selected.bars} == {bar.label: bar.hue for bar in right.bars}
    assert len({bar.hue for bar in right.bars}) == 2
    assert {bar.label: bar.n for bar in right.bars} == {"Female": "590", "Male": "3,256"}
    assert right.counted == "n: people with the favourable true outcome"
    assert "n: people with the favourable true outcome" in right.description


def test_groups_beyond_the_colours_share_the_last_one(story):
    lines = [{"group": {"race": f"g{i}"}, "n": 50, "rates": {"selection_rate": {"value": 0.1}}} for i in range(9)]
    ((_, members),) = figures.of_checks([{"groups": lines}])
    drawn = charts.groups("g", members, rate="selection_rate", hues=tested.hues_of([{"groups": lines}]), entry=1)
    page = render._environment(render._folder(None)).get_template("charts.html.j2").module.groups(drawn)
    assert page.count('fill="#77828b"') == 4
    assert page.count('fill="#2f5d8a"') == 1


@pytest.mark.parametrize(
    ("top", "end"), [(0.7291, 0.8), (0.1626, 0.2), (1.0, 1.0), (0.08875, 0.1), (0.0, 1.0), (37.0, 40.0), (0.12, 0.12)]
)
def test_an_axis_ends_at_a_round_number(top, end):
    assert charts._rounded_up(top) == end


def test_the_marks_of_checks_have_a_legend(story):
    checks = [story.check(f"s/{i}", "s", "schema", "warn" if i % 9 == 4 else "pass", 0) for i in range(18)]
    drawn = charts.strip("s", checks, 7)
    assert [(verdict, text) for _, verdict, text in drawn.legend] == [("pass", "16 pass"), ("warn", "2 warn")]
    page = render._environment(render._folder(None)).get_template("charts.html.j2").module.strip(drawn)
    assert "One mark is one check:" in page
    assert "16 pass" in page


def test_the_line_at_four_fifths_is_the_policy_s_only_if_the_policy_says_so(sample, books, story):
    def told(found):
        return [block.text for block in found.sections[6].blocks if block.kind == "note"]

    assert any("only where the policy names it" in text for text in told(sample("refused")))
    without = seen(story, report(books, story, [compared(story)]))
    assert any("dashed line at four fifths" in text for text in told(without))
    named = compared(story, metric="demographic_parity_ratio", threshold={"fail_if": "< 0.80", "warn_if": None})
    assert tested._ratio_limit([named]).text == "< 0.80"


# --------------------------------------------------------------------------- small things


def test_a_decision_that_passed_with_a_warning_says_that_a_warning_does_not_refuse(sample):
    assert "Decision: PASSED: a warning does not refuse" in " | ".join(
        f"{fact.label}: {fact.text}" for _, fact in facts_of(sample("promoted").sections[5])
    )


def test_decisions_of_one_minute_are_told_apart():
    assert words.day("2026-11-22T12:39:05.120000Z") == "2026-11-22 12:39:05 UTC"
    assert words.day("2026-11-22") == "2026-11-22"


def test_a_version_that_is_the_digest_is_said_once(books, story):
    changed = report(books, story, dataset={"version": story.sha("tree adult-train")[:12]})
    (row,) = [row for row in seen(story, changed).sections[2].blocks[0].rows if row.cells[0] == "Data"]
    assert row.cells[1] == f"adult-train {story.sha('tree adult-train')[:12]}"
    (row,) = [row for row in seen(story, books["promoted"]()).sections[2].blocks[0].rows if row.cells[0] == "Data"]
    assert row.cells[1].endswith("…)")


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_a_short_table_stands_on_one_page(drawn_once, tmp_path):
    found, data = drawn_once("promoted")
    (tmp_path / "a.pdf").write_bytes(data)
    done = subprocess.run(["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"], capture_output=True, check=True)
    pages = [" ".join(page.split()) for page in done.stdout.decode().split("\f")]
    tables = [block for section in found.sections for block in section.blocks if block.kind == "table"]
    short = [table for table in tables if 1 < len(table.rows) < 7 and not any(row.note for row in table.rows)]
    assert short
    for table in short:
        rows = [row.cells[0][:16] for row in table.rows]
        assert any(table.title in page and all(cell in page for cell in rows) for page in pages), table.title

"""A book reads what it is asked for, and says the same of entries in hand and of a ledger."""

from dataclasses import replace

import pytest

from tallystick.canonical import encode
from tallystick.errors import Malformed, NotFound, Tampered
from tallystick.people import duties, rules
from tallystick.people.book import Book
from tallystick.records import Attachment, Draft, absent

LATER = "2026-12-31T00:00:00.000000Z"


def document(world, title, **body):
    return world.add("document", {"title": title, "type": "note", "digest": "0" * 64, **body}, actor="tester")


def both(world, shelf):
    return Book(world.entries, origin=world.book.origin), Book.over(shelf(world.entries))


# ------------------------------------------------------------------------------- one entry


def test_an_entry_is_found_by_number_and_leaf_and_by_no_other_leaf(world):
    entry = document(world, "a")
    assert world.book.at(entry.seq) == world.book.get(entry.ref) == world.book.find(entry.ref.value()) == entry
    other = replace(entry.ref, leaf="0" * 64)
    assert world.book.find(other.value()) is None
    with pytest.raises(Tampered):
        world.book.get(other)


@pytest.mark.parametrize("value", [None, "text", absent(), {"seq": 10_000, "leaf": "0" * 64}])
def test_what_is_no_reference_or_leads_nowhere_finds_nothing(world, value):
    assert world.book.find(value) is None


def test_bytes_that_are_no_entry_are_an_error_and_never_an_entry_that_is_not_there(world, shelf):
    """A commit whose bytes were broken would leave its authors free to approve, if it were passed over."""

    class Broken(shelf):
        def entry(self, seq):
            if seq == entry.seq:
                raise Malformed("not an entry")
            return super().entry(seq)

    entry = document(world, "a")
    book = Book.over(Broken(world.entries))
    for ask in (book.find, book.get):
        with pytest.raises(Malformed):
            ask(entry.ref.value())


def test_a_lineage_that_leads_to_another_entry_is_not_one_with_fewer_makers(world):
    commit = world.commit(world.engineer, [world.officer])
    model = world.model(world.usecase(), world.run(world.engineer, [commit]))
    assert world.actor(world.officer) in duties.makers(world.book, model)
    world.swap(commit.seq, replace(commit, raw=commit.raw.replace(b'"unmapped":0', b'"unmapped":1')))
    with pytest.raises(Tampered, match="another entry stands"):
        duties.makers(world.book, model)


# ------------------------------------------------------------------------------- of a moment


def test_a_book_is_of_the_moment_it_was_made(world, shelf):
    document(world, "a")
    book = Book.over(shelf(world.entries))
    size = book.size
    later = document(world, "b")
    assert book.size == size
    assert [entry.body["title"] for entry in book.of_kind("document")] == ["a"]
    assert book.named("document", "b") == []
    assert book.at(later.seq) is None
    with pytest.raises(NotFound):
        book.get(later.ref)
    assert Book.over(shelf(world.entries)).at(later.seq) == later


def test_a_book_until_a_time_ends_with_the_last_entry_recorded_by_then(world, shelf):
    first, second, third = (document(world, title) for title in "abc")
    for book in both(world, shelf):
        then = book.until(second.recorded_at, size=book.size)
        assert list(then.seqs) == list(range(second.seq + 1))
        assert then.at(second.seq) == second
        assert then.at(third.seq) is None
        assert then.of_kind("document") == [first, second]
        assert then.find(third.ref.value()) is None
        assert list(book.until(LATER, size=second.seq).seqs) == list(range(second.seq))
        assert len(book.until("2000-01-01T00:00:00.000000Z", size=book.size).seqs) == 0


def test_a_clock_that_ran_ahead_hides_nothing_that_others_stand_upon(world, shelf):
    """Else a failure could be recorded with the clock set forward, and every report would leave it out."""
    ahead = document(world, "ahead")
    world.swap(ahead.seq, replace(ahead, recorded_at="2030-01-01T00:00:00.000000Z"))
    after = document(world, "after")
    for book in both(world, shelf):
        assert [entry.seq for entry in book.until(LATER, size=book.size).of_kind("document")] == [ahead.seq, after.seq]


# ------------------------------------------------------------------------------- many entries


def test_what_names_a_hash_or_a_name_is_found_in_its_bytes(world, shelf):
    usecase = world.usecase()
    model, other = world.model(usecase, version=1), world.model(usecase, version=2)
    for book in both(world, shelf):
        assert book.naming("model", usecase.ref.leaf) == [model, other]
        assert book.naming("model", model.body["digest"]) == [model]
        assert book.naming("model", model.body["digest"], other.body["digest"], "nobody") == [model, other]
        assert book.naming("model", "credit") == book.models("credit") == [model, other]
        assert book.naming("model", "cred") == book.naming("run", "credit") == book.naming("model") == []
        assert book.naming("model", {"absent": "no text"}) == book.of_kind("model")


@pytest.mark.parametrize(
    "name", ['a "quoted" name', "back\\slash", "tab\there", "\u00fcber", "\u0001", "a" * 64, "f" * 64]
)
def test_a_name_is_found_however_its_bytes_spell_it(world, shelf, name):
    entry = world.add("usecase", {**world.usecase().body, "name": name})
    for book in both(world, shelf):
        assert book.named("usecase", name) == [entry]


@pytest.mark.parametrize("name", ["u\u0308ber", "\ud800"])
def test_a_name_that_no_entry_can_hold_is_not_found(world, name):
    with pytest.raises(NotFound):
        world.book.model(name)


def test_a_hash_beside_quotes_and_other_hashes_is_found(world, shelf):
    a, b = "a" * 64, "b" * 64
    entry = document(world, f'"{a}"{b}"', digest=b)
    for book in both(world, shelf):
        assert book.naming("document", b) == [entry]


def test_who_refers_is_found_without_the_index_of_references_where_kinds_are_named(world, shelf):
    model, _, evaluation, decision = world.story()
    in_hand, on_demand = both(world, shelf)
    assert in_hand.referring(model) == in_hand.referring(model, "evaluation", "decision") == [evaluation, decision]
    assert on_demand.referring(model, "evaluation", "decision") == [evaluation, decision]
    assert on_demand.referring(model) == []  # this shelf has no row in its index: it is no proof that nobody refers


def test_an_index_that_names_another_kind_is_not_believed(world, shelf):
    class Lying(shelf):
        def entries(self, start=0, stop=None, *, kind=None):
            return super().entries(start, stop, kind="document" if kind == "policy" else kind)

    entry = document(world, "a", digest="f" * 64)
    book = Book.over(Lying(world.entries))
    assert book.of_kind("policy") == book.naming("policy", "f" * 64) == []
    assert book.of_kind("document") == [entry]


def test_only_entries_that_hold_what_is_looked_for_are_parsed(world, shelf):
    asked = []

    class Counting(shelf):
        def entry(self, seq):
            asked.append(seq)
            return super().entry(seq)

    entries = [document(world, f"number {number}") for number in range(50)]
    book = Book.over(Counting(world.entries))
    assert book.naming("document", "number 7") == book.naming("document", "number 7") == [entries[7]]
    assert asked == [entries[7].seq]


def test_an_explanation_that_was_moved_into_an_attachment_still_explains(world, shelf):
    model, policy, failed, _ = world.story(("pass", "fail"))
    lines = [{"evaluation": failed.ref.value(), "text": "a reason"}]
    moved = Attachment("any-name.json", "application/json", encode(lines))
    body = {**failed.body, "verdict": "pass", "earlier_explained": {"attachment": moved.name}}

    class Parted(shelf):
        def part(self, entry, name):
            return moved.data if name == moved.name else None

    silent = world.evaluation(model, policy)
    assert rules.unexplained(world.book, silent) == [failed]
    told = world.put(Draft("evaluation", "tester", world.time(), body, attachments=(moved,)))
    assert rules.unexplained(Book.over(Parted(world.entries)), told) == []
    assert rules.explaining_lines(Book.over(Parted(world.entries)), failed) == [(told, lines[0])]

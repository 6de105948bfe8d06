from __future__ import annotations

import json
import string
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.canonical import commitment, decode, encode, leaf_hash
from tallystick.errors import InvalidRecord, Malformed, NewerFormat, TallystickError
from tallystick.records import (
    _SHAPE,
    FIRST_PREV,
    KINDS,
    MAX_ENTRY,
    Attachment,
    Draft,
    Entry,
    Personal,
    Ref,
    _is_surely_shaped,
    absent,
    entry_value,
    holds_reference,
    references,
)

TIME = "2026-03-01T09:00:00.000000Z"
LEAF = "ab" * 32
SALT = bytes(range(32))
HEX = "0123456789abcdef"
STATEMENT = {"payload": "", "payloadType": "t", "signatures": []}

ids = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
texts = st.text(string.printable, max_size=40)
times = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27))
hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
counts = st.integers(0, 2**53 - 1)
refs = st.builds(lambda seq, leaf: {"seq": seq, "leaf": leaf}, counts, hexes)
plain = st.none() | st.booleans() | counts | texts
maps = st.dictionaries(ids, plain, max_size=4)
OF_TYPE = {
    "text": texts,
    "texts": st.lists(texts, max_size=3),
    "count": counts,
    "flag": st.booleans(),
    "digest": hexes,
    "time": times,
    "date": st.dates().map(lambda day: day.isoformat()),
    "ref": refs,
    "refs": st.lists(refs, max_size=3),
    "map": maps,
    "list": st.lists(plain | maps, max_size=3),
    "value": plain | maps,
}
attachments = st.builds(Attachment, ids.map("a-".__add__), texts, st.binary(max_size=40), st.none() | st.just(SALT))
personals = st.builds(Personal, ids.map("p-".__add__), texts, st.just(SALT))


@st.composite
def drafts(draw) -> Draft:
    kind = draw(st.sampled_from(sorted(KINDS)))
    body = {}
    for name, field in KINDS[kind].fields.items():
        if field.required or draw(st.booleans()):
            body[name] = draw(OF_TYPE[field.type] | (texts.map(absent) if field.required else OF_TYPE[field.type]))
    return Draft(
        kind=kind,
        actor=draw(ids),
        claimed_at=draw(times),
        body=body,
        basis=draw(st.sampled_from(["observed", "declared", "imported"])),
        subject=tuple(draw(st.lists(maps, max_size=2))),
        attachments=tuple(draw(st.lists(attachments, max_size=2, unique_by=lambda item: item.name))),
        personal=tuple(draw(st.lists(personals, max_size=2, unique_by=lambda item: item.name))),
        supersedes=draw(st.none() | st.builds(Ref, counts, hexes)),
        idempotency_key=draw(st.none() | ids),
        statement=STATEMENT if KINDS[kind].signed or draw(st.booleans()) else None,
    )


# Text that looks like a reference, and objects that nearly are one.
lookalikes = refs.flatmap(
    lambda ref: st.sampled_from(
        [
            encode(ref).decode(),
            encode([ref]).decode()[:-2],
            {**ref, "more": 1},
            {"leaf": ref["leaf"]},
            {**ref, "seq": -1},
            {**ref, "seq": True},
            {**ref, "seq": str(ref["seq"])},
            {**ref, "leaf": ref["leaf"].upper() + "A"},
            {ref["leaf"]: ref["seq"]},
        ]
    )
)
nests = st.recursive(
    refs | lookalikes | plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
others = st.recursive(
    st.sampled_from([1.0, 0.5, -0.0, 1e-7, 1e21, 1e300, "Größe", "😀", "a\u030a", 2**53, ()]) | plain | refs,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3).map(OrderedDict)
        | st.dictionaries(texts, inner, max_size=3).map(MappingProxyType)
    ),
)
"""Values as they are handed in, which the bytes give back in another form, or which are refused."""


def outcome(function, *args, **options):
    """What came of a call, so that 1, 1.0 and True are told apart."""
    try:
        return repr(function(*args, **options))
    except TallystickError as error:
        return type(error), error.as_json()


def found_by_hand(value):
    """The references in a value, by their definition."""
    if isinstance(value, dict) and set(value) == {"seq", "leaf"}:
        seq, leaf = value["seq"], value["leaf"]
        if type(seq) is int and seq >= 0 and isinstance(leaf, str) and len(leaf) == 64 and set(leaf) <= set(HEX):
            return [Ref(seq, leaf)]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [ref for item in inner for ref in found_by_hand(item)]


def draft(**change) -> Draft:
    body = {"seen_from": TIME, "model_digest": LEAF, "where": "prod", "by": "ops"}
    return Draft(**({"kind": "deployment", "actor": "ann", "claimed_at": TIME, "body": body} | change))


def sealed(**change) -> bytes:
    return draft(**change).seal(seq=4, prev=LEAF, recorded_at=TIME)


def respelled(**change) -> bytes:
    """An entry's bytes with fields replaced, or left out where the value is `...`."""
    value = json.loads(sealed()) | change
    return encode({key: item for key, item in value.items() if item is not ...})


@given(drafts(), counts, hexes, times)
def test_any_allowed_draft_comes_back_as_an_entry(made, seq, prev, recorded_at):
    raw = made.seal(seq=seq, prev=prev, recorded_at=recorded_at)
    entry = Entry.parse(raw)
    assert (entry.raw, entry.seq, entry.prev, entry.recorded_at) == (raw, seq, prev, recorded_at)
    assert (entry.kind, entry.actor, entry.claimed_at, entry.basis) == (
        made.kind,
        made.actor,
        made.claimed_at,
        made.basis,
    )
    assert entry.body == made.body
    assert entry.content() == made.content()
    assert list(entry.attachments) == [item.value() for item in made.attachments]
    assert list(entry.personal) == [item.value() for item in made.personal]
    assert (entry.supersedes, entry.idempotency_key) == (made.supersedes, made.idempotency_key)
    assert entry.statement == made.statement
    assert entry.ref == Ref(seq, leaf_hash(raw).hex())
    assert entry_value(raw) == json.loads(raw)


def seal_and_parse(made, **place):
    raw = made.seal(**place)
    try:
        return Entry.parse(raw)
    except Malformed as error:
        raise InvalidRecord(f"{made.kind} record cannot be read back: {error.what}", got=error.got) from error


@given(drafts(), counts, hexes, times)
def test_a_sealed_draft_is_the_entry_that_its_bytes_spell(made, seq, prev, recorded_at):
    place = {"seq": seq, "prev": prev, "recorded_at": recorded_at}
    entry = made.sealed(**place)
    assert entry.raw == made.seal(**place)
    assert outcome(made.sealed, **place) == outcome(Entry.parse, entry.raw)
    assert entry == Entry.parse(entry.raw)


@given(
    others,
    st.dictionaries(texts, others, max_size=2) | st.dictionaries(texts, others, max_size=2).map(MappingProxyType),
    st.none() | texts | st.sampled_from([5, 1.0, ["x"], True]),
    st.sampled_from([4, 0, 2**53, -1, True, 1.0, "4", None]),
    st.sampled_from([LEAF, "", LEAF + " ", 5]),
)
@example({}, MappingProxyType({"a": (1,)}), None, 4, LEAF)
def test_whatever_is_handed_in_is_sealed_or_refused_as_its_bytes_are_read(value, mapping, key, seq, prev):
    body = MappingProxyType({"seen_from": TIME, "model_digest": LEAF, "where": "p", "by": "o", "cutoff": value})
    made = draft(body=body, subject=(mapping,), statement=mapping, idempotency_key=key)
    place = {"seq": seq, "prev": prev, "recorded_at": TIME}
    assert outcome(made.sealed, **place) == outcome(seal_and_parse, made, **place)


def test_a_sealed_entry_does_not_change_with_its_draft():
    cutoff = {"at": [0.5]}
    body = {"seen_from": TIME, "model_digest": LEAF, "where": "p", "by": "o", "cutoff": cutoff}
    entry = draft(body=body).sealed(seq=4, prev=LEAF, recorded_at=TIME)
    cutoff["at"].append(0.6)
    del body["where"]
    assert entry == Entry.parse(entry.raw)
    assert entry.body["cutoff"] == {"at": [0.5]}


@given(drafts(), ids)
def test_any_unknown_field_is_refused(made, name):
    spoilt = Draft(made.kind, made.actor, made.claimed_at, {**made.body, "x-" + name: 1}, statement=STATEMENT)
    with pytest.raises(InvalidRecord, match="unknown field"):
        spoilt.check()


@given(drafts(), st.data())
def test_any_missing_field_is_named(made, data):
    name = data.draw(st.sampled_from([name for name, field in KINDS[made.kind].fields.items() if field.required]))
    body = {key: value for key, value in made.body.items() if key != name}
    with pytest.raises(InvalidRecord, match=f"{name} is missing"):
        Draft(made.kind, made.actor, made.claimed_at, body, statement=STATEMENT).check()


@given(drafts())
def test_any_kind_that_demands_a_signature_gets_one(made):
    bare = Draft(made.kind, made.actor, made.claimed_at, made.body, attachments=made.attachments)
    if KINDS[made.kind].signed:
        with pytest.raises(InvalidRecord, match="signature is demanded"):
            bare.check()
    else:
        bare.check()


@given(st.integers(), st.data())
def test_any_flipped_bit_of_an_entry_gives_another_leaf_or_no_entry(bit, data):
    raw = sealed()
    changed = bytearray(raw)
    changed[bit // 8 % len(raw)] ^= 1 << bit % 8
    try:
        entry = Entry.parse(bytes(changed))
    except (Malformed, NewerFormat):
        return
    assert entry.leaf != leaf_hash(raw)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "rumour"}, "no kind 'rumour'"),
        ({"actor": "Ann Smith"}, "pseudonymous"),
        ({"actor": ""}, "pseudonymous"),
        ({"actor": "ann@example.com"}, "pseudonymous"),
        ({"basis": "guessed"}, "basis"),
        ({"claimed_at": "2026-03-01"}, "claimed_at"),
        ({"attachments": (Attachment("a", "t", b""), Attachment("a", "t", b"x"))}, "'a' stands twice"),
        ({"attachments": (Attachment("a", "t", b""),), "personal": (Personal("a", "x"),)}, "'a' stands twice"),
        (
            {"body": {"seen_from": TIME, "model_digest": "AB" * 32, "where": "p", "by": "o"}},
            "model_digest is not a digest",
        ),
        ({"body": {"seen_from": TIME, "model_digest": LEAF, "where": 1, "by": "o"}}, "where is not a text"),
        ({"body": {"seen_from": "now", "model_digest": LEAF, "where": "p", "by": "o"}}, "seen_from is not a time"),
        ({"body": {"seen_from": TIME, "model_digest": LEAF, "where": {"attachment": "b"}, "by": "o"}}, "where is not"),
        (
            {"body": {"seen_from": TIME, "model_digest": LEAF, "where": {"attachment": ["b"]}, "by": "o"}},
            "where is not a text",
        ),
        (
            {"body": {"seen_from": TIME, "model_digest": LEAF, "where": "p", "by": "o", "model": absent()}},
            "model is not a ref",
        ),
        (
            {
                "body": {
                    "seen_from": TIME,
                    "model_digest": LEAF,
                    "where": "p",
                    "by": "o",
                    "model": {"seq": True, "leaf": LEAF},
                }
            },
            "ref",
        ),
    ],
)
def test_what_the_table_does_not_allow_is_refused_by_name(change, problem):
    with pytest.raises(InvalidRecord, match=problem):
        draft(**change).check()


def test_every_problem_is_named_at_once():
    with pytest.raises(InvalidRecord) as caught:
        draft(actor="A B", basis="x", body={"where": 1, "extra": 2}).check()
    for part in (
        "actor",
        "basis",
        "seen_from is missing",
        "by is missing",
        "where is not a text",
        "unknown field 'extra'",
    ):
        assert part in str(caught.value)


def test_a_field_may_stand_in_an_attachment():
    body = {"seen_from": TIME, "model_digest": LEAF, "where": {"attachment": "where"}, "by": absent("nobody knows")}
    draft(body=body, attachments=(Attachment("where", "application/json", b'"far away"'),)).check()


def test_an_entry_is_at_most_65535_bytes():
    spare = MAX_ENTRY - len(sealed(subject=({"name": ""},)))
    assert len(sealed(subject=({"name": "x" * spare},))) == MAX_ENTRY
    with pytest.raises(InvalidRecord, match="too large"):
        sealed(subject=({"name": "x" * (spare + 1)},))
    with pytest.raises(Malformed, match="too large"):
        Entry.parse(b'"' + b"x" * MAX_ENTRY + b'"')


def test_unknown_kinds_and_fields_are_kept_in_the_bytes():
    raw = respelled(kind="forecast", later={"a": 1})
    entry = Entry.parse(raw)
    assert (entry.kind, entry.raw, entry.value()["later"]) == ("forecast", raw, {"a": 1})
    assert decode(entry.content())["later"] == {"a": 1}


def test_a_newer_version_is_told_apart_from_rubbish():
    with pytest.raises(NewerFormat):
        Entry.parse(respelled(v=2))
    for version in (0, -1, "1", None, 1.5, ...):
        with pytest.raises(Malformed, match="version"):
            Entry.parse(respelled(v=version))


def test_a_version_that_is_true_is_no_version():
    with pytest.raises(Malformed):
        Entry.parse(respelled(v=True))


@pytest.mark.parametrize(
    "change",
    [
        {"seq": -1},
        {"seq": True},
        {"seq": ...},
        {"prev": "00"},
        {"prev": "AB" * 32},
        {"kind": 1},
        {"recorded_at": "yesterday"},
        {"claimed_at": ...},
        {"actor": None},
        {"basis": []},
        {"subject": {}},
        {"subject": ["x"]},
        {"body": []},
        {"body": ...},
        {"attachments": {}},
        {"attachments": [{"name": "a", "mediaType": "t", "size": 1}]},
        {"attachments": [{"name": "a", "mediaType": "t", "size": 1, "sha256": LEAF, "hmac_sha256": LEAF}]},
        {"attachments": [{"name": "a", "mediaType": "t", "size": -1, "sha256": LEAF}]},
        {"attachments": [{"name": "a", "size": 1, "sha256": LEAF}]},
        {"personal": [{"name": "a"}]},
        {"personal": [{"name": 1, "hmac_sha256": LEAF}]},
        {"supersedes": 3},
        {"supersedes": {"seq": 3, "leaf": LEAF, "more": 1}},
        {"idempotency_key": 1},
        {"statement": "x"},
    ],
)
def test_an_entry_of_another_shape_is_malformed(change):
    with pytest.raises(Malformed, match=next(iter(change))):
        Entry.parse(respelled(**change))


@given(
    st.dictionaries(
        st.sampled_from(sorted(_SHAPE)),
        plain
        | maps
        | hexes
        | times
        | st.lists(plain | maps, max_size=2)
        | st.builds("{} {}".format, hexes, times)
        | st.sampled_from([..., -1, 1.5, TIME.replace("2026", "２０２６"), LEAF.upper(), [{}], [[]]]),
        max_size=3,
    )
)
@example({"kind": 1, "actor": 1, "basis": 1})
@example({"prev": f"{LEAF} {TIME}", "recorded_at": TIME[:-1], "claimed_at": "Z"})
def test_an_entry_is_read_exactly_if_each_of_its_fields_has_its_form(change):
    raw = respelled(**change)
    value = json.loads(raw)
    wrong = [name for name, check in _SHAPE.items() if name not in value or not check(value[name])]
    assert not (_is_surely_shaped(value) and wrong)
    if wrong:
        with pytest.raises(Malformed, match=f"lacks or misspells {', '.join(wrong)}$"):
            Entry.parse(raw)
    else:
        assert Entry.parse(raw).value() == value


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b"{}"])
def test_what_is_no_object_is_no_entry(raw):
    with pytest.raises(Malformed):
        Entry.parse(raw)


def test_another_spelling_of_an_entry_is_malformed():
    with pytest.raises(Malformed, match="canonical"):
        Entry.parse(json.dumps(json.loads(sealed())).encode())


def test_an_erasable_part_shows_its_commitment_and_nothing_else():
    part = Attachment.erasable("table", "text/csv", b"n=3")
    assert part.value() == {
        "name": "table",
        "mediaType": "text/csv",
        "size": 3,
        "hmac_sha256": commitment(part.salt, "table", b"n=3"),
    }
    assert Attachment.erasable("table", "text/csv", b"n=3").value() != part.value()
    person = Personal("author", "Ann")
    assert b"Ann" not in sealed(personal=(person,))
    assert person.value()["hmac_sha256"] == commitment(person.salt, "author", b'"Ann"')


def test_a_retry_has_the_same_intent_in_spite_of_new_salts():
    one = draft(attachments=(Attachment.erasable("a", "t", b"x"),), personal=(Personal("p", "Ann"),))
    two = draft(
        attachments=(Attachment.erasable("a", "t", b"x"),),
        personal=(Personal("p", "Ann"),),
        claimed_at=TIME[:-2] + "1Z",
    )
    assert one.intent() == two.intent()
    assert one.content() != two.content()
    assert one.intent() != draft(attachments=one.attachments, personal=(Personal("p", "Bob"),)).intent()


def test_a_reference_is_read_strictly():
    assert Ref.of({"seq": 0, "leaf": FIRST_PREV}) == Ref(0, FIRST_PREV)
    for bad in (None, 3, {}, {"seq": 0}, {"seq": -1, "leaf": LEAF}, {"seq": 0, "leaf": LEAF[:-1]}):
        with pytest.raises(Malformed):
            Ref.of(bad)


@given(nests)
def test_references_are_found_however_deep(value):
    assert references(value) == found_by_hand(value)
    for whole in (value, [value], {"a": value}):
        assert holds_reference(encode(whole)) == bool(found_by_hand(whole))


@given(others)
def test_references_are_found_in_whatever_is_handed_in(value):
    assert references(value) == found_by_hand(value)
    assert references(MappingProxyType({"a": (value,)})) == found_by_hand(value)


@given(nests, nests, st.none() | refs, st.none() | st.builds(Ref, counts, hexes))
def test_an_entry_names_what_its_body_names_and_links_what_its_kind_demands(cutoff, named, model, supersedes):
    body = {"seen_from": TIME, "model_digest": LEAF, "where": "p", "by": "o", "cutoff": cutoff}
    body |= {} if model is None else {"model": model}
    made = draft(body=body, subject=({"name": named},), supersedes=supersedes)
    entry = made.sealed(seq=4, prev=LEAF, recorded_at=TIME)
    superseded = set() if supersedes is None else {supersedes}
    assert entry.references == set(found_by_hand(body)) | superseded
    assert entry.links == set(found_by_hand(model)) | superseded


@pytest.mark.parametrize("name", ["", "a\x00b", "line\nbreak", "x" * 256])
def test_names_that_no_index_could_hold_are_refused(name):
    """PostgreSQL's text holds no NUL, and its indexes nothing of thousands of bytes."""
    with pytest.raises(InvalidRecord, match="idempotency key"):
        replace(draft(), idempotency_key=name).check()
    with pytest.raises(InvalidRecord, match="part name"):
        replace(draft(), attachments=(Attachment(name, "x/y", b""),)).check()
    with pytest.raises(InvalidRecord, match="part name"):
        replace(draft(), personal=(Personal(name, "x"),)).check()

"""Samples: the population is whole, the seed alone draws, and any other pack is refused."""

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.errors import InvalidInput, Malformed, Tampered
from tallystick.proof.pack import build, open_pack
from tallystick.proof.sample import Sample, draw, take
from tallystick.proof.verify import verify_pack
from tallystick.records import Entry

SINCE, UNTIL = "2026-03-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def years(world):
    """The small ledger with nine documents more, of which the fourth to the eighth are of March."""
    document = {"title": "Minutes", "type": "application/pdf", "digest": "33" * 32}
    for day in ("01-05", "02-01", "02-28", "03-01", "03-02", "03-15", "03-31", "03-31", "04-01"):
        world = later(world, document, f"2027-{day}T12:00:00.000000Z")
    return world


def later(world, body, time):
    """The ledger with one more entry, recorded at that time."""
    from tallystick.canonical import leaf_hash
    from tallystick.records import Draft

    draft = Draft("document", "ann", time, body | {"title": f"Minutes of {time} {len(world.raws)}"})
    raw = draft.seal(seq=len(world.raws), prev=leaf_hash(world.raws[-1]).hex(), recorded_at=time)
    return replace(world, raws=(*world.raws, raw), parts=world.parts | {len(world.raws): ((), ())})


def entries(world):
    return [Entry.parse(raw) for raw in world.raws]


def march(world, **other):
    asked = {
        "kind": "document",
        "since": "2027-03-01",
        "until": "2027-04-01",
        "count": 2,
        "seed": "Odalind, 2027-04-09",
    }
    asked |= {name: f"{asked[name]}T00:00:00.000000Z" for name in ("since", "until")} | other
    return take(entries(world), **asked)


def pack(world, sample, *, without=()):
    """What a ledger hands out for a sample: its time with the neighbours, and entry 0."""
    before, after = sample.neighbours
    seqs = [seq for seq in (0, *range(before, after + 1)) if seq not in without]
    return build(replace(world.contents(*seqs), filter=sample.value()), world.signer)


def test_the_population_and_what_is_drawn_can_be_computed_by_hand(years):
    sample = march(years)
    population = [e for e in entries(years) if e.recorded_at.startswith("2027-03")]
    ranked = sorted(population, key=lambda e: sha256(b"Odalind, 2027-04-09\x00" + e.leaf).hexdigest())
    assert sample.population == len(population) == 5
    assert sample.drawn == tuple(sorted(e.seq for e in ranked[:2]))
    assert (sample.first, sample.last) == (population[0].seq, population[-1].seq)


def test_a_pack_with_a_sample_says_what_is_proven(years, vkey):
    data = pack(years, march(years))
    verdict = verify_pack(data, vkey)
    assert (verdict.integrity, verdict.completeness, verdict.exit_code) == ("ok", "stated", 0)
    (told,) = [check.detail for check in verdict.checks if check.name == "population"]
    assert "all 5 recorded" in told
    assert "2 drawn by the seed 'Odalind, 2027-04-09'" in told
    assert any("clock ran forward" in line for line in verdict.not_proven)


def test_all_are_drawn_where_there_are_fewer(years, vkey):
    sample = march(years, count=500)
    assert len(sample.drawn) == sample.population == 5
    assert open_pack(pack(years, sample), vkey).sample == sample


def test_nothing_to_draw_from_is_an_error(years):
    with pytest.raises(InvalidInput, match="nothing to draw from"):
        march(years, kind="promotion")
    for seed in ("", "x" * 201, "two\nlines"):
        with pytest.raises(InvalidInput, match="seed"):
            march(years, seed=seed)


@pytest.mark.parametrize("at", range(7))
def test_an_entry_left_out_of_the_time_or_beside_it_is_found(years, vkey, at):
    sample = march(years)
    with pytest.raises(Tampered, match="not whole"):
        open_pack(pack(years, sample, without=[sample.first - 1 + at]), vkey)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"drawn": lambda s: (*s.drawn[:1], s.last if s.drawn[1] != s.last else s.last - 1)}, "another sample"),
        ({"seed": lambda s: s.seed + "!"}, "another sample"),
        ({"population": lambda s: s.population - 1}, "another number"),
        ({"first": lambda s: s.first + 1}, "cut at other entries"),
        ({"last": lambda s: s.last - 1}, "cut at other entries"),
        ({"since": lambda s: "2027-03-02T00:00:00.000000Z"}, "cut at other entries"),
        ({"until": lambda s: "2027-05-01T00:00:00.000000Z"}, "cut at other entries"),
        ({"last": lambda s: 10_000}, "outside the ledger"),
        ({"told": lambda s: (1,)}, "tells of is missing"),
    ],
)
def test_a_sample_that_says_otherwise_is_refused(years, vkey, change, said):
    sample = march(years)
    ((name, make),) = change.items()
    lied = replace(sample, **{name: make(sample)})
    seqs = (0, *range(sample.first - 1, sample.last + 2))
    data = build(replace(years.contents(*seqs), filter=lied.value()), years.signer)
    with pytest.raises(Tampered, match=said):
        open_pack(data, vkey)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": None},
        {"drawn": ["4"]},
        {"drawn": None},
        {"more": 1},
        {"told": [5, 4]},
        {"drawn": [4, 4]},
        {"from": "2027"},
        {"population": True},
    ],
)
def test_a_filter_that_is_misspelt_is_refused(years, change):
    with pytest.raises(Malformed):
        Sample.parse(march(years).value() | change)
    assert Sample.parse(json.loads(json.dumps(march(years).value()))) == march(years)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), st.integers(0, 8))
def test_the_seed_draws_as_many_as_asked_each_once(years, seed, count):
    population = entries(years)
    drawn = draw(population, seed, count)
    assert drawn == tuple(sorted(set(drawn)))
    assert len(drawn) == min(count, len(population))
    assert set(drawn) <= set(draw(population, seed, count + 1))  # a larger sample only adds

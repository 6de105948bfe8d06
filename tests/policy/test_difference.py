"""Whatever is written otherwise in a policy is named in its difference, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tallystick import canonical
from tallystick.errors import InvalidPolicy
from tallystick.policy import document
from tallystick.policy.difference import difference
from tallystick.policy.document import Policy

STARTER = document.load(Path(__file__).parents[2] / "policies" / "starter.yaml")


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        yield (*path, key)
        yield from leaves(item, (*path, key))


def without(path: tuple[str | int, ...]) -> Policy | None:
    """The starter policy less one key or item, if that is still a policy. JSON is YAML."""
    value = canonical.decode(STARTER.canonical)
    holder = value
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    try:
        return document.parse(json.dumps(value).encode(), name="policy.yaml")
    except InvalidPolicy:
        return None


ALL = list(leaves(canonical.decode(STARTER.canonical)))


def test_a_policy_does_not_differ_from_itself() -> None:
    assert difference(STARTER, STARTER) == []


@pytest.mark.parametrize("part", range(4))
def test_every_key_that_is_left_out_is_a_difference_both_ways(part: int) -> None:
    """A silent change would be one that somebody could hide behind."""
    told = 0
    for path in ALL[part::4]:
        changed = without(path)
        if changed is not None:
            assert difference(STARTER, changed), path
            assert difference(changed, STARTER), path
            told += 1
    assert told > 10


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("< 0.80", "< 0.79", "looser"),
        ("< 0.80", "<= 0.80", "stricter"),
        ("< 0.80", "< 0.81", "stricter"),
        ("< 0.80", "< 0.800", "changed"),
    ],
)
def test_a_threshold_says_in_which_direction_it_moved(old: str, new: str, kind: str) -> None:
    text = STARTER.source.decode()
    assert old in text
    changed = document.parse(text.replace(f'fail_if: "{old}"', f'fail_if: "{new}"', 1).encode(), name="policy.yaml")
    assert [change.kind for change in difference(STARTER, changed)] == [kind]
    back = {"looser": "stricter", "stricter": "looser", "changed": "changed"}[kind]
    assert [change.kind for change in difference(changed, STARTER)] == [back]


def test_a_share_and_a_number_of_rows_are_not_called_looser_or_stricter() -> None:
    text = STARTER.source.decode().partition("gates:")[0] + "gates:\n  - {id: s, type: schema, columns: {x: {}}, "
    tolerated = (f"{text}tolerate: {{x.nullable: {{fail_if: '> {most}'}}}}}}\n" for most in ("1%", "5 rows", "9 rows"))
    share, five, nine = (document.parse(each.encode(), name="p") for each in tolerated)
    assert [
        change.kind for change in difference(share, five) if "rows" in change.words and "fails" in change.words
    ] == ["changed"]
    assert [change.kind for change in difference(five, nine) if "fails" in change.words] == ["looser"]


def test_a_rule_that_came_is_told_once() -> None:
    text = STARTER.source.decode().partition("gates:")[0] + "gates:\n  - {id: s, type: schema, rules: ["
    one, two = (
        document.parse(f"{text}{rules}]}}\n".encode(), name="p")
        for rules in ("{id: a, expr: x > 1}", "{id: a, expr: x > 1}, {id: b, expr: y > 1}")
    )
    assert [(change.kind, change.what) for change in difference(one, two)] == [("added", "s/rules.b")]

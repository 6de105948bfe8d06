"""Canonical JSON, and what it costs to make an entry and to read one: beside rfc8785 and the json module.

Two sets of values: an entry of kind document of some 600 bytes, and the 18 entries of the golden ledger (up to 4.5 kB,
with nested lists of check results). Both sides take the same values in turns, in many short rounds; the figures are of
CPU time. What is not measured here: a value that holds a whole float (1.0), a character beyond U+FFFF or a type of its
own goes the careful way, at a third more than rfc8785.
"""

import json
import sqlite3
import time
from contextlib import closing

import _harness as harness
import rfc8785

from tallystick.canonical import decode, encode
from tallystick.records import Draft, Entry

GOLDEN = harness.ROOT / "tests" / "golden" / "v1" / "ledger.db"
NOON = "2026-03-01T12:00:00.000000Z"
PLACE = {"seq": 4, "prev": "0" * 64, "recorded_at": NOON}
DOCUMENT = Draft(
    kind="document",
    actor="p-6b7a1c45",
    claimed_at=NOON,
    body={"title": "Validation plan of the credit model", "type": "validation-plan", "digest": "ab" * 32},
    subject=({"name": "plan.pdf", "digest": {"sha256": "ab" * 32}},),
    idempotency_key="document:" + "cd" * 32,
)


def measure(run):
    for name, raws in {"document": [DOCUMENT.seal(**PLACE)], "golden": _golden()}.items():
        values = [json.loads(raw) for raw in raws]
        ours, other = _in_turn(run, (encode, values), (rfc8785.dumps, values))
        yield _rates(f"canonical-encode-{name}", ours, other, "rfc8785")
        ours, other = _in_turn(run, (_decoded, raws), (_decoded_by_others, raws))
        yield _rates(f"canonical-decode-{name}", ours, other, "json.loads and rfc8785")
    raw, value = DOCUMENT.seal(**PLACE), DOCUMENT.value() | PLACE
    ours, other = _in_turn(run, (Entry.parse, [raw]), (_decoded_by_others, [raw]))
    yield harness.compare("canonical-entry-read", ours, other, unit="us", what="json.loads and rfc8785", aim="<=10us")
    ours, other = _in_turn(run, (_what_an_append_needs, [DOCUMENT]), (rfc8785.dumps, [value]))
    yield harness.compare("canonical-entry-sealed", ours, other, unit="us", what="rfc8785 encodes it", aim="<=25us")


def _golden():
    with closing(sqlite3.connect(f"file:{GOLDEN}?immutable=1", uri=True)) as database:
        return [raw for (raw,) in database.execute("SELECT bytes FROM entries ORDER BY seq")]


def _decoded(raw):
    return decode(raw, canonical=True)


def _decoded_by_others(raw):
    value = json.loads(raw)
    if rfc8785.dumps(value) != raw:
        raise ValueError(raw)
    return value


def _what_an_append_needs(draft):
    entry = draft.sealed(**PLACE)
    return entry.leaf, entry.links, entry.references


def _in_turn(run, *sides):
    """For each function, the CPU time for one of its values in each round, in microseconds."""
    for function, values in sides:
        _timed(function, values)  # warms up
    return run.interleaved(*(lambda side=side: _timed(*side) for side in sides))


def _timed(function, values):
    repeated = values * (200 // len(values) + 1)
    begun = time.process_time()
    for value in repeated:
        function(value)
    return (time.process_time() - begun) / len(repeated) * 1e6


def _rates(name, ours, other, what):
    """The line of how many in a second, from microseconds."""
    ours, other = ([1e6 / took for took in side] for side in (ours, other))
    return harness.compare(name, ours, other, unit="/s", what=what, aim=">=5")


if __name__ == "__main__":
    harness.main(measure, rounds=(151, 3))

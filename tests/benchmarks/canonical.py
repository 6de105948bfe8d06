"""Canonical JSON, and what it costs to make an entry and to read one: beside rfc8785 and the json module.

Two sets of values: an entry of kind document of some 600 bytes, and the 18 entries of the golden ledger (up to 4.5 kB,
with nested lists of check results). Both sides take the same values in turns, in many short rounds; the figures are
medians over the rounds, in microseconds of CPU time for one value. What is not measured here: a value that holds a
whole float (1.0), a character beyond U+FFFF or a type of its own goes the careful way, at a third more than rfc8785.
"""

import json
import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path

import rfc8785

from tallystick.canonical import decode, encode
from tallystick.records import Draft, Entry, entry_value

ROUNDS = 151
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "v1" / "ledger.db"
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


def main():
    for name, raws in {"document": [DOCUMENT.seal(**PLACE)], "golden": _golden()}.items():
        values = [json.loads(raw) for raw in raws]
        ours, other = _medians((encode, values), (rfc8785.dumps, values))
        _say(f"canonical-encode-{name}", ours, other=other, beside="rfc8785")
        ours, other = _medians((_decoded, raws), (_decoded_by_others, raws))
        _say(f"canonical-decode-{name}", ours, other=other, beside="json.loads and rfc8785")
        parsed, value = _medians((Entry.parse, raws), (entry_value, raws))
        _say(f"entry-parse-{name}", parsed, limit=10 if name == "document" else None)
        _say(f"entry-value-{name}", value)
    (appended,) = _medians((_what_an_append_needs, [DOCUMENT]))
    _say("entry-sealed-document", appended, limit=25)


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


def _medians(*sides):
    """The median time of each function for one of its values."""
    for function, values in sides:
        _timed(function, values)  # warms up
    rounds = [[_timed(function, values) for function, values in sides] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def _timed(function, values):
    repeated = values * (200 // len(values) + 1)
    begun = time.process_time()
    for value in repeated:
        function(value)
    return (time.process_time() - begun) / len(repeated) * 1e6


def _say(name, ours, *, other=None, beside=None, limit=None):
    line = f"bench {name} ours={ours:.2f}us"
    if other is not None:
        line += f" other={other:.1f}us ({beside}) ratio={other / ours:.1f} aim=>=5 {_verdict(other / ours >= 5)}"
    if limit is not None:
        line += f" aim=<={limit}us {_verdict(ours <= limit)}"
    print(line)


def _verdict(met):
    return "met" if met else "short"


if __name__ == "__main__":
    main()

"""Trial: the verifiers are asked about the same files, right and wrong in ways that nobody thought of, and compared.

Each file is drawn by Hypothesis: a pack, receipt, checkpoint or consistency proof of a ledger of any size, then some
changes: bytes flipped, cut, doubled; members exchanged, dropped, renamed; fields of the manifest, of a sample and of
entries changed and signed again by the ledger's own key; odd entries that the ledger itself took in, evaluations with
numbers that leave gaps; checkpoints that were kept from this history or from another one.

What it shows: `tallystick verify`, `verify.py` and, of some, `verify.html` say the same: yes, no, or cannot say,
with the same two verdicts and the same number of entries that no anchor covers.

What it does not show: that they are right. All of them may misread the documents in the same way.
"""

import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

import _program as program
import _verifiers as verifiers
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tallystick.canonical import b64, encode, leaf_hash
from tallystick.errors import InvalidInput, NotVerified
from tallystick.proof.sample import take

SMALL, TOLD = verifiers.cases.SMALL, verifiers.cases.TOLD
LEDGER, STRANGER, VKEY = verifiers.world.LEDGER, verifiers.world.STRANGER, verifiers.world.VKEY
Draftpack, World = verifiers.world.Draftpack, verifiers.world.World
moment, note, proof, zipped = (getattr(verifiers.world, name) for name in ("moment", "note", "proof", "zipped"))
next_raw = verifiers.cases.next_raw

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 20), st.text("aé0 \u200b", max_size=8),
    st.lists(st.integers(0, 9), max_size=3), st.just({}), st.just("00" * 32), st.just([{}]), st.just(2**53 - 1),
    st.just("2027-13-06T09:00:00.000000Z"), st.just({"seq": 0, "leaf": "00" * 32}), st.just(1.5), st.just(""),
)  # fmt: skip
JUDGED = World().genesis().people().usecase().dataset().policy().model()
LINES = [
    {"name": "a", "mediaType": "t", "size": 1, "sha256": "ab" * 32},
    {"name": "b", "mediaType": "t", "size": 1, "hmac_sha256": "ab" * 32},
    {"name": "a", "hmac_sha256": "cd" * 32},
    {"name": "c", "sha256": "cd" * 32},
]


@st.composite
def worlds(draw):
    """A history of one to fourteen entries."""
    kind = draw(st.sampled_from(["ready", "grown", "grown", "numbered", "odd"]))
    if kind == "ready":
        return draw(st.sampled_from([SMALL, TOLD]))
    if kind == "odd":
        return SMALL.put(odd_entry(draw))
    if kind == "numbered":
        world = JUDGED
        for number in draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)):
            world = world.evaluation(attempt=number)
        return world.document() if draw(st.booleans()) else world
    world = World().genesis()
    for number in range(draw(st.integers(0, 13))):
        world = world.document(f"Minutes {number}") if number % 3 else world.usecase()
    return world


def odd_entry(draw):
    """A document with a field changed, added or dropped; often one about what stands beside it."""
    field = draw(
        st.sampled_from(["attachments", "personal", "supersedes", "idempotency_key", "subject", "about", "any"])
    )
    if field in ("attachments", "personal"):
        change = {name: draw(st.lists(st.sampled_from(LINES), max_size=2)) for name in {field, "personal"}}
    elif field == "about":
        leaf = draw(st.sampled_from([leaf_hash(raw).hex() for raw in SMALL.raws] + ["00" * 32]))
        ref = {"seq": draw(st.integers(-1, 6)), "leaf": leaf}
        change = {"body": {"title": "t", "type": "t", "digest": "0" * 64, "about": draw(st.sampled_from([ref, [ref]]))}}
    else:
        known = ["v", "kind", "seq", "prev", "recorded_at", "claimed_at", "actor", "basis", "subject", "body", "more"]
        change = {draw(st.sampled_from(known)) if field == "any" else field: draw(VALUES)}
    drop = [draw(st.sampled_from(sorted(change)))] if field == "any" and draw(st.booleans()) else []
    return next_raw(SMALL, change, drop=drop)


def sampled(world, draw):
    """The filter of a sample, often with a field changed, and the entries that belong to it, or all."""
    entries = [world.entry(seq) for seq in range(world.size)]
    kind, count = draw(st.sampled_from(["document", "evaluation", "usecase"])), draw(st.integers(1, 3))
    first, last = sorted([draw(st.integers(0, world.size)), draw(st.integers(0, world.size))])
    try:
        words = draw(st.sampled_from(["x", "ü 🦉", "a b"]))
        found = take(entries, kind=kind, since=moment(first), until=moment(last), count=count, seed=words)
    except InvalidInput:
        return None, None
    value = found.value()
    if draw(st.booleans()):
        value[draw(st.sampled_from(sorted(value)))] = draw(VALUES)
    before, after = found.neighbours
    near = [seq for seq in range(world.size) if seq == 0 or before <= seq <= after or draw(st.booleans())]
    return value, near


def mutated(data, draw):
    """Bytes with up to three changes that ask for no key."""
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            return data
        at, length = draw(st.integers(0, len(data) - 1)), draw(st.integers(1, 40))
        kind = draw(st.sampled_from(["flip", "cut", "double", "insert", "truncate"]))
        if kind == "flip":
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[at + length :]
        elif kind == "double":
            data = data[: at + length] + data[at:]
        elif kind == "insert":
            data = data[:at] + draw(st.binary(min_size=1, max_size=8)) + data[at:]
        else:
            data = data[:at]
    return data


@st.composite
def packs(draw):
    """A pack of some entries, changed before it was signed, or after."""
    world = draw(worlds())
    seqs = sorted(draw(st.sets(st.integers(0, world.size - 1), min_size=1))) if draw(st.booleans()) else None
    filter = None
    if draw(st.integers(0, 3)) == 0:
        try:
            filter, near = sampled(world, draw)
        except NotVerified:  # the odd entry of a world is none
            near = None
        seqs = seqs if near is None else near
    pack = Draftpack.of(world, seqs, filter=filter)
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(sorted(pack.members)))
        kind = draw(st.sampled_from(["drop", "bytes", "exchange", "json", "nothing"]))
        if kind == "drop":
            del pack.members[name]
        elif kind == "bytes":
            pack.members[name] = mutated(pack.members[name], draw)
        elif kind == "exchange":
            pack.members[name] = pack.members[draw(st.sampled_from(sorted(pack.members)))]
        elif kind == "json" and name.endswith(".json"):
            pack.members[name] = changed_json(pack.members[name], draw)
        if not pack.members:
            break
    if draw(st.booleans()) and world.size > 1:
        old = draw(st.integers(1, world.size - 1))
        lines = "".join(f"{b64(item)}\n" for item in world.growth(old)).encode()
        if "keys/ledger.vkey" in pack.members:
            pack.insert(f"consistency/{old}", lines, before="keys/ledger")
    field = draw(st.sampled_from([None, None, *sorted(pack.manifest), "members", "more"]))
    value = draw(VALUES)
    change = (lambda manifest: None) if field is None else (lambda manifest: manifest.update({field: value}))
    signer = draw(st.sampled_from([LEDGER, LEDGER, LEDGER, STRANGER]))
    data = zipped(pack.sealed(change, signer=signer))
    return world, "pack.zip", mutated(data, draw) if draw(st.booleans()) else data


def changed_json(data, draw):
    try:
        value = json.loads(data)
    except ValueError:
        return data
    if isinstance(value, dict) and value:
        value[draw(st.sampled_from(sorted(value)))] = draw(VALUES)
    return encode(value)


@st.composite
def others(draw):
    """A receipt, a bare proof, a checkpoint or a consistency proof."""
    world = draw(worlds())
    seq = draw(st.integers(0, world.size - 1))
    kind = draw(st.sampled_from(["receipt", "bare", "checkpoint", "consistency", "odd"]))
    if kind == "receipt":
        data = world.receipt(seq)
    elif kind == "bare":
        data = world.proof(seq)
    elif kind == "checkpoint":
        data = note(world.text(), VKEY.name, draw(st.sampled_from([LEDGER, LEDGER, STRANGER])))
    elif kind == "consistency":
        data = world.consistency(draw(st.integers(1, world.size)))
    else:
        data = proof(
            draw(st.integers(0, 20)),
            draw(st.lists(st.just(bytes(32)), max_size=4)),
            world.note(),
            extra=world.raws[seq],
        )
    return world, "file", mutated(data, draw) if draw(st.booleans()) else data


@st.composite
def questions(draw):
    """A file, and what is asked about it."""
    world, name, data = draw(st.one_of(packs(), others()))
    kept = {}
    if draw(st.booleans()):
        whose = draw(st.sampled_from([world, world, SMALL, TOLD]))
        kept["kept"] = whose.note(draw(st.integers(1, whose.size)))
        if draw(st.booleans()):
            grown = whose.document("later")
            kept["proof"] = grown.consistency(draw(st.integers(1, grown.size - 1)))
    words = ["--key", str(VKEY)]
    words += ["--anchor", "kept"] if "kept" in kept else []
    words += ["--consistency", "proof"] if "proof" in kept else []
    words += ["--require-anchor"] if draw(st.booleans()) else []
    return name, data, words, kept


def core(answer):
    """What of an answer the capability `core` owes: people are judged by `tallystick verify` alone."""
    try:
        checks = json.loads(answer.text)["checks"]
    except (ValueError, KeyError):
        return answer.verdict
    peoples = {"keys of people", "signatures", "evaluations follow policy", "promotions"}
    rest = [check["outcome"] for check in checks if check["name"] not in peoples]
    if len(rest) == len(checks):
        return answer.verdict
    if "failed" in rest or answer.completeness == "failed":
        return (1,)
    unknown = "unknown" in rest or answer.completeness == "partial"
    return (3 if unknown else 0, "ok", answer.completeness, answer.unanchored)


def trial(folder, *, seed, cases, browser):
    """One line of figures; AssertionError if anything does not hold."""
    began, told, asked = time.perf_counter(), Counter(), []
    with program.memory(folder) as memory:
        place = Path(memory)

        def compare(question):
            name, data, words, kept = question
            for path, content in {name: data, **kept}.items():
                (place / path).write_bytes(content)
            with verifiers.inside(place):
                ours, alone = verifiers.tallystick(name, *words), verifiers.alone(name, *words)
            assert core(ours) == alone.verdict, (
                f"tallystick {core(ours)}, verify.py {alone.verdict}\n{ours.text}\n{alone.text}"
            )
            told[{0: "yes", 3: "cannot say"}.get(alone.exit, "no")] += 1
            asked.append((question, alone.verdict))

        _run(compare, seed, cases)
    seen = _in_browser(random.Random(seed).sample(asked, min(browser, len(asked)))) if browser else 0
    said = ", ".join(f"{word} {count}" for word, count in sorted(told.items()))
    return (
        f"agree: seed {seed}, {sum(told.values())} files: {said}; verify.html asked about {seen} of them:"
        f" 0 disagreements, {time.perf_counter() - began:.0f} s"
    )


def _run(compare, number, cases):
    phases = [Phase.generate, Phase.shrink]
    checks = list(HealthCheck)
    limits = settings(max_examples=cases, deadline=None, database=None, phases=phases, suppress_health_check=checks)
    seed(number)(limits(given(questions())(compare)))()


def _in_browser(asked):
    """How many files verify.html was asked about."""
    import browser

    with browser.open_page() as page:
        for (_, data, words, kept), verdict in asked:
            anchors = [kept["kept"]] if "kept" in kept else []
            proofs = [kept["proof"]] if "proof" in kept and anchors else []
            said = browser.ask(
                page, data, key=str(VKEY), anchors=anchors, consistency=proofs,
                require_anchor="--require-anchor" in words,
            )  # fmt: skip
            answer = verifiers.answer(said["exit"], json.dumps(said))
            assert answer.verdict == verdict, f"verify.html {answer.verdict}, verify.py {verdict}: {words}"
    return len(asked)


if __name__ == "__main__":
    numbers = {
        "cases": (5_000, "files"),
        "browser": (1_000, "files that verify.html is asked about too; 0 for none"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

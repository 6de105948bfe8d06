"""Trial: policies and data that are small to write and large to carry out.

Aliases, depth, size, odd bytes and files in YAML; regular expressions that explode elsewhere; ten thousand groups,
categories, columns and checks; intersections of everything. Each goes off in a process of its own, whose processor time
after its imports, and whose memory in all, are taken from the system.

What it shows: each is refused, or answered, within two seconds and 512 MiB; what is refused is one line; none is green
that should not be.

What it does not show: how long honest data of that size take, which the benchmarks say; and nothing of a plug-in, which
may take what it likes.
"""

import hashlib
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import _program as program

SECONDS, MIB = 2.0, 512
HEAD = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: t, version: 1.0.0, owner: o}
applies_to: {stage: production}
"""
INPUTS = "inputs: {columns: {y_true: t, y_pred: p, favourable: 1}}\n"
ONE = "gates: [{id: s, type: schema, rows: {min: 1}}]\n"


# --- policies: each a text or bytes, refused or read ------------------------------------------------------------------


def laughs():
    lines = ["a0: &a0 [lol, lol]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))]
    return "\n".join(lines)


def quoted(text):
    return f"{HEAD}because: {text}\n"


POLICIES = {
    "aliases": laughs,
    "aliases in a flow": lambda: "{a: &a [x], b: [" + "*a, " * 60_000 + "]}",
    "merge keys": lambda: "a: &a {b: 1}\n" + "".join(f"c{i}: {{<<: *a}}\n" for i in range(10_000)),
    "an anchor of itself": lambda: "a: &a [*a]",
    "depth in flow": lambda: "[" * 200_000,
    "depth in flow, closed": lambda: "[" * 100_000 + "]" * 100_000,
    "depth of mappings": lambda: "{a: " * 60_000,
    "depth in block": lambda: "\n".join(" " * i + "a:" for i in range(700)),
    "depth of dashes": lambda: "- " * 100_000,
    "depth of keys": lambda: "? " * 100_000,
    "ten megabytes": lambda: HEAD + ONE + "#" * 10_000_000,
    "ten megabytes of text": lambda: "because: '" + "a" * 10_000_000 + "'",
    "a quarter megabyte of comment": lambda: HEAD + ONE + "#" * 255_000,
    "a quarter megabyte of blank": lambda: HEAD + ONE + "\n" * 255_000,
    "a quarter megabyte of text": lambda: quoted("'" + "a" * 255_000 + "'"),
    "a quarter megabyte of quotes": lambda: quoted("'" * 255_000),
    "a quarter megabyte of escapes": lambda: quoted('"' + "\\u0041" * 42_000 + '"'),
    "a quarter megabyte of lines": lambda: quoted("a\n" + " b\n" * 84_000),
    "a quarter megabyte of items": lambda: quoted("[" + "1," * 127_000 + "]"),
    "a quarter megabyte of keys": lambda: HEAD + "".join(f"k{i}:\n" for i in range(32_000)),
    "a quarter megabyte of one key": lambda: HEAD + "k:\n" * 64_000,
    "a quarter megabyte of documents": lambda: "---\n" * 64_000,
    "a quarter megabyte of gates": lambda: HEAD + "gates:\n" + "".join(f"- {{id: g{i}}}\n" for i in range(15_000)),
    "a long number": lambda: quoted("9" * 200_000),
    "a long exponent": lambda: quoted("1e" + "9" * 200_000),
    "a tag that makes objects": lambda: quoted("!!python/object/apply:os.system ['id']"),
    "a directive": lambda: "%YAML 1.1\n" * 20_000,
    "nothing": lambda: "",
    "null bytes": lambda: "\x00" * 200_000,
    "half of UTF-16": lambda: HEAD.encode("utf-16") * 500,
    "bytes that are no text": lambda: bytes(range(256)) * 900,
    "accents without end": lambda: quoted("'a" + "\u0301" * 100_000 + "'"),
    "a wrong key nine thousand times": lambda: (
        HEAD + ONE.replace("rows", ", ".join(f"rovs{i}: 1" for i in range(9_000)) + ", rows")
    ),
    "regex that Python would take long to read": lambda: column("{regex: '((a{1,1000}){1,1000}){1,1000}'}"),
    "regex of brackets": lambda: column("{regex: '" + "(" * 900 + "a" + ")" * 900 + "'}"),
    "regex of look-ahead": lambda: column("{regex: '(?=(a+))a*b\\1'}"),
    "a rule of a quarter megabyte": lambda: f"{HEAD}gates: [{{id: e, type: expr, lang: cel, expr: '{'(' * 250_000}'}}]",
    "twenty thousand allowed values": lambda: column("{isin: [" + ", ".join(f"v{i}" for i in range(20_000)) + "]}"),
    "ten thousand checks": lambda: checks(5_000),
    "three thousand rules": lambda: (
        f"{HEAD}gates:\n" + "".join(f"- {{id: e{i}, type: expr, lang: cel, expr: model.v > 1}}\n" for i in range(3_000))
    ),
    "three thousand conditions": lambda: (
        f"{HEAD}gates:\n"
        + "".join(f"- {{id: e{i}, type: schema, rows: {{min: 1}}, when: model.v > 1}}\n" for i in range(3_000))
    ),
}


def column(text):
    return f"{HEAD}gates: [{{id: s, type: schema, columns: {{a: {text}}}}}]\n"


def checks(columns):
    """Two for each column."""
    return f"{HEAD}gates:\n- id: s\n  type: schema\n  columns:\n" + "".join(
        f"    c{i}: {{unique: true}}\n" for i in range(columns)
    )


# --- data under a policy: what they come to, or "refused" ------------------------------------------------------------


def bias(*attributes, extra=""):
    metric = '{name: demographic_parity_ratio, fail_if: "< 0.8"}'
    listed = ", ".join(attributes)
    return f"{HEAD}{INPUTS}gates: [{{id: b, type: bias, sensitive: [{listed}], metrics: [{metric}]{extra}}}]\n"


def csv(header, rows):
    return header + "\n" + "".join(row + "\n" for row in rows)


def regex(text):
    return column("{regex: '" + text + "'}")


def drift(metrics):
    return f"{HEAD}gates: [{{id: d, type: drift, metrics: [{metrics}]}}]\n"


DRIFT = '{column: a, method: psi, fail_if: ">= 0.25"}, {column: a, method: chi_squared, fail_if: "> 0.1"}'

DATA = {
    "ten thousand groups": (
        lambda: bias("g"),
        lambda: csv("g,t,p", (f"g{i},{i % 2},{i // 2 % 2}" for i in range(40_000) for _ in (0,))),
        ("error", "inconclusive", "refused"),
    ),
    "ten thousand groups of ten": (
        lambda: bias("g"),
        lambda: csv("g,t,p", (f"g{i % 10_000},{i % 2},{i // 2 % 2}" for i in range(100_000))),
        ("error", "inconclusive", "refused"),
    ),
    "intersections of everything": (
        lambda: bias("[a, b, c, d]", "[a, b, c]", "[b, c, d]", "[a, d]"),
        lambda: csv("a,b,c,d,t,p", (f"{i % 20},{i % 19},{i % 17},{i % 13},{i % 2},{i % 3 % 2}" for i in range(60_000))),
        ("error", "inconclusive", "refused", "fail"),
    ),
    "ten thousand categories": (
        lambda: drift(DRIFT),
        lambda: csv("a", (f"v{i % 10_000}" for i in range(30_000))),
        ("pass",),
    ),
    "identifiers as categories": (
        lambda: drift(DRIFT),
        lambda: csv("a", (f"v{i}" for i in range(120_000))),
        ("refused",),
    ),
    "a thousand bands": (
        lambda: drift(f"{{column: a, method: ks, edges: {list(range(1000))}, fail_if: '> 0.1'}}"),
        lambda: csv("a", (str(i % 1_000) for i in range(30_000))),
        ("pass",),
    ),
    "a regex that backtracks": (
        lambda: regex("(a+)+b"),
        lambda: csv("a", ["a" * 5_000 + "!"] * 20),
        ("fail",),
    ),
    "a regex of choices": (
        lambda: regex("(a|a|aa)*b"),
        lambda: csv("a", ["a" * 5_000] * 20),
        ("fail",),
    ),
    "a regex of options": (
        lambda: regex("(a?){60}a{60}"),
        lambda: csv("a", ["a" * 60] * 20),
        ("pass",),
    ),
    "a regex of counts": (
        lambda: regex("((a{1,100}){1,100}){1,100}"),
        lambda: csv("a", ["a" * 500 + "!"] * 20),
        ("fail", "error", "refused"),
    ),
    "ten thousand checks of a column that is not there": (
        lambda: checks(5_000),
        lambda: csv("a", ["1"]),
        ("fail",),
    ),
    "five thousand columns": (
        lambda: checks(100),
        lambda: csv(",".join(f"c{i}" for i in range(5_000)), [",".join(["1"] * 5_000)] * 20),
        ("fail",),
    ),
    "a value of ten megabytes": (
        lambda: column("{isin: [b]}"),
        lambda: csv("a", ["a" * 10_000_000]),
        ("fail", "refused"),
    ),
    "a header of a megabyte": (
        lambda: column("{isin: [b]}"),
        lambda: csv("a" * 1_000_000, ["1"]),
        ("fail", "refused"),
    ),
}


# --- in the child -----------------------------------------------------------------------------------------------------


def gone_off(name, folder):
    """What came of a bomb: a word, and how much it took."""
    from tallystick.errors import TallystickError
    from tallystick.policy import document, judge
    from tallystick.policy.engines.histograms import of_file
    from tallystick.policy.gates import drift, expression, schema  # noqa: F401 - imports are not timed
    from tallystick.policy.gates.bias import judge as bias  # noqa: F401 - nor this one

    document.parse((HEAD + ONE).encode(), name="p.yaml")
    policy, data, _ = DATA[name] if name in DATA else (POLICIES[name], None, None)
    text = policy()
    raw = text if isinstance(text, bytes) else text.encode()
    path = folder / "data.csv"
    if data is not None:
        path.write_text(data())
        small = folder / "small.csv"
        small.write_text("a\n1\n")
        judge.evaluate(document.parse(column("{regex: '[0-9]+'}").encode(), name="p"), small, data_digest="0" * 64)
    began = time.process_time()
    said = ""
    try:
        found = document.parse(raw, name="p.yaml")
        word = f"read, {len(found.plan)} checks"
        if data is not None:
            baseline = of_file(path, name="base", sha256="0" * 64)
            outcome = judge.evaluate(found, path, data_digest=hashlib.sha256(b"").hexdigest(), baseline=baseline)
            word = outcome.verdict
    except TallystickError as error:
        word, said = "refused", str(error)
    took = time.process_time() - began
    return {"word": word, "said": said, "seconds": took, "kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def child(name, folder):
    here = [sys.executable, __file__, "--child", name, str(folder)]
    done = subprocess.run(here, capture_output=True, text=True, timeout=120, env=os.environ | {"TMPDIR": str(folder)})
    assert done.returncode == 0, f"{name}: it ended with {done.returncode}: {done.stderr[-300:]}"
    return json.loads(done.stdout.splitlines()[-1])


def special(folder):
    """Files that are none: refused, and nobody waits for them."""
    from tallystick.errors import TallystickError
    from tallystick.policy import document

    pipe = folder / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), folder):
        try:
            document.load(path)
        except TallystickError:
            continue
        raise AssertionError(f"{path.name} was read as a policy")
    return 3


def trial(folder, *, seed, bombs):
    names = [*POLICIES, *DATA]
    random.Random(seed).shuffle(names)
    refused, slowest, largest = special(folder), ("", 0.0), ("", 0)
    for name in names[: bombs or None]:
        found = child(name, folder)
        expected = DATA[name][2] if name in DATA else None
        assert expected is None or found["word"] in expected, f"{name}: {found['word']}, not {' or '.join(expected)}"
        assert len(found["said"]) < 2_000, f"{name}: it says {len(found['said'])} characters"
        assert "\n" not in found["said"], f"{name}: it says more than a line"
        assert found["seconds"] < SECONDS, f"{name}: {found['word']} after {found['seconds']:.1f} s"
        assert found["kib"] < MIB * 1024, f"{name}: {found['word']} with {found['kib'] >> 10} MiB"
        refused += found["word"] == "refused"
        slowest = max(slowest, (name, found["seconds"]), key=lambda item: item[1])
        largest = max(largest, (name, found["kib"]), key=lambda item: item[1])
    others = _others(folder)
    return (
        f"bombs: {len(names[: bombs or None]) + 3 + others}, {refused} refused, the others answered; slowest "
        f"{slowest[1]:.2f} s ({slowest[0]}), largest {largest[1] >> 10} MiB in all ({largest[0]}), seed {seed}"
    )


def _others(folder):
    """Bombs of data that are kept in a module of their own, where there is one: it says how many went off."""
    if importlib.util.find_spec("_bombs_data") is None:
        return 0
    return importlib.import_module("_bombs_data").all_of_them(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(gone_off(sys.argv[2], Path(sys.argv[3]))))
        sys.exit()
    sys.exit(program.run(trial, doc=__doc__, bombs=(0, "how many of them, by the seed; 0 for all")))

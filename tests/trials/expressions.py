"""Trial: expressions that want out: escapes to Python, loops, bombs, confusion of types, absent facts.

Each is handed to the reader of rules, to a policy as a rule and as a condition, and to the judge with facts at hand. An
audit hook of the interpreter listens meanwhile: nothing may be compiled, executed, imported or opened, no process
started. Beside the written ones, as many again are made from their pieces, by the seed.

What it shows: an expression is refused with its place, is an error, or is answered by true or false; those that want
out are never answered; none takes more than two seconds or 64 MiB; none raises anything but our own error; and what
names an absent fact is never green.

What it does not show: that what an expression says is what its author meant.
"""

import json
import random
import resource
import sys
import time
from collections import Counter
from itertools import product

import _program as program

from tallystick.errors import InvalidPolicy
from tallystick.policy import cel, document
from tallystick.policy.evidence import Evidence, Setting

FACTS = {
    "model": {"name": "credit", "version": 3},
    "usecase": {"risk_tier": {"value": "high"}, "jurisdictions": ["EU", "UK"]},
    "metric": {
        "latency": 42.5,
        "wide": list(range(2_000)),
        "share": 0.5,
        "vetted": True,
        "tags": ["a", "b"],
        "long": "a" * 5_000,
    },
    "inputs": {"rows": 100},
}
HEAD = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: t, version: 1.0.0, owner: o}
applies_to: {stage: production}
gates:
"""
LISTENED = (
    "compile", "exec", "import", "open", "os.", "subprocess.", "socket.", "ctypes.", "pty.", "shutil.", "code.",
    "marshal.", "pickle.", "builtins.", "object.__getattr__", "tempfile.", "urllib.",
)  # fmt: skip
SECONDS, KIB = 2.0, 64 * 1024

DUNDERS = (
    "__class__", "__bases__", "__mro__", "__subclasses__", "__globals__", "__builtins__", "__dict__", "__init__",
    "__import__", "__code__", "__getattribute__", "__reduce__", "__loader__", "__spec__", "__doc__", "__func__",
)  # fmt: skip
NAMES = (
    "eval", "exec", "compile", "open", "input", "getattr", "setattr", "globals", "locals", "vars", "dir", "print",
    "breakpoint", "help", "memoryview", "type", "object", "lambda", "os", "sys", "env", "self", "facts", "cel", "dyn",
    "timestamp", "duration", "string", "bytes", "uint", "matches", "getEnv", "readFile", "now", "rand",
)  # fmt: skip


def escapes():
    """Those that want out, or want to be green without a fact: refused or an error, never answered."""
    for name in DUNDERS:
        yield f"model.{name}"
        yield f'model["{name}"] == "x"'
        yield f"model.name.{name}()"
        yield f'"".{name} == model.name'
    for name in NAMES:
        yield f"{name}('id') == model.name"
        yield f"{name}.path == model.name"
        yield f"model.name.{name}('id') == 'x'"
    yield from (
        "().__class__.__bases__[0].__subclasses__()[140]('id')",
        "__import__('os').system('id') == 0 || metric.vetted",
        "(lambda: metric.vetted)()",
        "[x for x in metric.tags]",
        "{**model}",
        "f'{model.name}' == 'credit'",
        "f\"{__import__('os')}\" == model.name",
        "'{0.__class__}'.format(model.name) == 'x'",
        "'%s' % model.name == 'credit'",
        "`id` == model.name",
        "$(id) == model.name",
        "${HOME} == model.name",
        "{{7*7}} == model.version",
        "<%= 1 %> == model.version",
        "model.name; import os",
        "model.name\nimport os",
        "metric.vetted #",
        "metric.vetted // comment",
        "metric.vetted /* comment */",
        "metric.vetted if True else False",
        "metric.vetted and metric.vetted",
        "not metric.vetted",
        "model.version is 3",
        "model.version := 4",
        "model.version = 4",
        "model.version += 1",
        "model.version ** 99999999 > 0",
        "9**9**9**9 > model.version",
        "model.version << 64 > 0",
        "model.version & 1 == 1",
        "~model.version == 0",
        "model.version^2 == 9",
        "model.version @ 2 == 1",
        "model?.name == 'credit'",
        "model.?name.orValue('credit') == 'credit'",
        "model.*",
        "model[0:1] == 'c'",
        "model[model.name] == 'x'",
        "metric.tags[model.version - 3] == 'a'",
        "metric.tags[-1] == 'b'",
        "metric.tags[99999999999999999999999999] == 'b'",
        "model.name[0] == 'c'",
        "metric.wide.map(a, metric.wide.map(b, metric.wide.map(c, a + b + c))).size() > 0",
        "metric.wide.all(a, metric.wide.all(b, metric.wide.all(c, a + b + c >= 0)))",
        "metric.wide.exists(a, a > 0)",
        "metric.wide.exists_one(a, a > 0)",
        "metric.wide.filter(a, true).size() > 0",
        "[1].map(x, [x].map(x, [x].map(x, x))).size() == model.version",
        "cel.bind(a, 'aa', a + a) == model.name",
        "model.name.matches('(a+)+$')",
        "metric.long.matches('^(([a-z])+.)+[A-Z]([a-z])+$')",
        "model.name.replace('c', 'd') == 'x'",
        "model.name.split('').join('') == 'x'",
        "model.name * 1000000000 == 'x'",
        "model.name + model.name == 'creditcredit'",
        "metric.tags + metric.tags == metric.tags",
        "metric.long + metric.long != ''",
        "'a' * model.version == 'aaa'",
        "type(model.name) == string",
        "dyn(model.version) == '3'",
        "null == model.vendor",
        "model.vendor == null",
        "model == model",
        "usecase.risk_tier == usecase.risk_tier",
        "model.version == '3'",
        "model.version == true",
        "metric.vetted == 1",
        "metric.vetted < 2",
        "metric.share == '0.5'",
        "model.name < 3",
        "'EU' == usecase.jurisdictions",
        "'x' in model.name",
        "1 in usecase.jurisdictions",
        "model.version in [1, '3']",
        "!model.version",
        "!!model.name",
        "-model.name == 0",
        "-metric.vetted == 0",
        "model.version && true",
        "'' || metric.vetted",
        "model.version ? true : true",
        "model.version",
        "model.name",
        "metric.tags",
        "model.version + 1",
        "size(model.version) == 1",
        "double('nan') == metric.share",
        "double('inf') > metric.share",
        "metric.share / 0.0 > 1.0",
        "0.0 / 0.0 != metric.share",
        "model.version / 0 == 0",
        "model.version % 0 == 0",
        "1e999 > metric.share",
        "-1e999 < metric.share",
        "9223372036854775808 > model.version",
        "9223372036854775807 + model.version > 0",
        "-9223372036854775808 - model.version < 0",
        "-9223372036854775808 / -1 > model.version",
        "model.version * 9223372036854775807 > 0",
        "int(metric.share * 1e300) > 0",
        "1_000 > model.version",
        "0x7f > model.version",
        "0b1 < model.version",
        "1u < model.version",
        "1. < metric.share",
        ".5 == metric.share",
        "b'credit' == model.name",
        "r'credit' == model.name",
        '"""credit""" == model.name',
        "'cre' 'dit' == model.name",
        "'\\x63redit' == model.name",
        "'\\u0063redit' == model.name",
        "'\\143redit' == model.name",
        "'credit\\",
        "'credit",
        "mоdel.vetted",  # a Cyrillic o
        "ｍodel.vetted",  # a wide m
        "model．vetted",
        "metric.vettеd",
        "metric.vetted＆＆true",
        "metric.vetted \u200b&& true",
        "metric.vetted \u202e&& true",
        "metric.vetted\u00a0",
        "model.name == 'cre\u200bdit'",
        "\ufeffmetric.vetted",
        "metric.vetted\x00",
        "metric.vetted\x1b[2J",
        "metric.absent < 1.0",
        "metric.absent < 1.0 || true",
        "true || metric.absent < 1.0",
        "metric.vetted || metric.absent < 1.0",
        "false && metric.absent < 1.0 || metric.vetted",
        "metric.vetted ? true : metric.absent < 1.0",
        "!(metric.absent < 1.0)",
        "metric.absent != 1.0",
        "metric['absent'] != 'x'",
        "dataset.rows == 100",
        "dataset.rows == 100 || metric.vetted",
        "has(dataset.rows) || dataset.name == 'x' || metric.vetted",
        "size(metric.absent) == 0",
        "!('x' in metric.absent)",
        "has(model)",
        "has('model.name')",
        "has(model.name == 'x')",
        "has(has(model.name))",
        "has(x.y)",
        "true",
        "false || true",
        "1 == 1",
        "'a' == 'a'",
        "",
        " ",
        "\n",
        "()",
        "[]",
        "{}",
        "?:",
        "||",
        "model.",
        ".model.name == 'x'",
        "model..name == 'x'",
        "model.1 == 2",
        "model.true == 2",
        "model.in == 2",
        "1 < model.version < 5",
        "model.version == 3 == true",
    )


def bombs():
    """Those that want time, room or stack: within limits whatever comes of them."""
    for opened, closed in (("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("!(", ")"), ("size(", ")"), ("has(", ")")):
        for depth in (20, 25, 300, 990):
            yield opened * depth + "metric.vetted" + closed * depth
    for sign, part in product(
        ("&&", "||", "+", "*", "-", "/", "==", "in", "?", ":", ".", ","), ("model.version", "true")
    ):
        yield f" {sign} ".join([part] * 60)
        yield f"{sign}".join([part] * 1_500)
    yield "true ? " * 300 + "metric.vetted" + " : true" * 300
    yield "model" + ".a" * 900 + " == 1"
    yield "model" + "['a']" * 350 + " == 1"
    yield "'" + "a" * 1_900 + "' == model.name"
    yield "'" + "a" * 10_000_000 + "' == model.name"
    yield "model.version == " + "9" * 1_900
    yield "model.version == " + "9" * 19 + "." + "9" * 1_800
    yield "model.version == 1e" + "9" * 1_800
    yield "model.version in [" + ",".join(["1"] * 190) + "]"
    yield " && ".join(["size(metric.wide) > 0"] * 50)
    yield " && ".join(["1999 in metric.wide"] * 75)
    yield " && ".join(["metric.long.contains('b') == false"] * 40)
    yield "'" + "\\" * 1_998
    yield '"' * 2_000
    yield " " * 1_999 + "x"
    yield "a" * 2_000
    yield "\u0301" * 2_000
    yield "😀" * 1_000


def mutants(chosen, pool, number):
    """Pieces of the others, put together anew."""
    for _ in range(number):
        first, second = chosen.sample(pool, 2)
        cut, begin = chosen.randrange(len(first) + 1), chosen.randrange(len(second) + 1)
        joint = chosen.choice(["", " ", "(", ")", ".", " && ", " || ", "[", "'", " == ", "!", "-"])
        yield first[:cut] + joint + second[begin:]


class Listener:
    """Hears what the interpreter does, while it is told to."""

    def __init__(self):
        self.heard, self.on = [], False
        sys.addaudithook(self.hook)

    def hook(self, event, args):
        if self.on and event.startswith(LISTENED):
            self.heard.append(event)


def policies(text):
    """The expression as a rule, and as a condition, in policies."""
    spelt = json.dumps(text)
    yield f"{HEAD}  - {{id: r, type: expr, lang: cel, expr: {spelt}}}\n"
    yield f"{HEAD}  - {{id: r, type: expr, lang: cel, expr: metric.vetted, when: {spelt}}}\n"


def tried(text, listener):
    """``refused``, ``error``, or the answer; by the reader, and by the judge."""
    listener.on = True
    try:
        answer = cel.parse(text).holds(FACTS)
    except cel.CelError as error:
        answer = f"error: {error}"
    finally:
        listener.on = False
    assert answer is True or answer is False or (len(answer) < 400 and "\n" not in answer), f"{text[:80]!r}: {answer!r}"
    return answer


def judged(text, answer):
    """The same through a policy: refused, or a verdict that fits the answer."""
    for place, policy in enumerate(policies(text)):
        try:
            found = document.parse(policy.encode("utf-8", "surrogatepass"), name="p.yaml")
        except InvalidPolicy:
            found = None
        if place == 0:
            assert (found is None) <= (not isinstance(answer, bool)), (
                f"{text[:80]!r} has an answer, and no policy takes it"
            )
        if place == 0 and found is not None:
            (check,) = found.gates[0].judge(Evidence(100, facts=FACTS), Setting())
            fits = {True: "pass", False: "fail"}.get(answer if isinstance(answer, bool) else None, "error")
            assert check.verdict == fits, f"{text[:80]!r} is {check.verdict}, not {fits}"


def trial(folder, *, seed, mutations):
    listener, counted, slowest = Listener(), Counter(), 0.0
    wants_out = list(dict.fromkeys(escapes()))
    assert len(wants_out) >= 150
    allbombs = list(dict.fromkeys(bombs()))
    pool = [text for text in wants_out + allbombs if len(text) <= cel.MAX_TEXT]
    mixed = list(mutants(random.Random(seed), pool, mutations))
    for text in wants_out[:3]:  # what is imported on first use is imported now
        judged(text, tried(text, listener))
    listener.heard.clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind, texts in (("escapes", wants_out), ("bombs", allbombs), ("mutants", mixed)):
        for text in texts:
            began = time.process_time()
            answer = tried(text, listener)
            judged(text, answer)
            slowest = max(slowest, time.process_time() - began)
            assert listener.heard == [], f"{text[:80]!r} made Python {listener.heard[0]}"
            assert slowest < SECONDS, f"{text[:80]!r} took {slowest:.1f} s"
            assert kind != "escapes" or not isinstance(answer, bool), f"{text[:80]!r} was answered by {answer}"
            counted[kind, "answered" if isinstance(answer, bool) else "refused"] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < KIB, f"memory grew by {grown >> 10} MiB"
    kinds = "; ".join(
        f"{sum(n for (k, _), n in counted.items() if k == kind)} {kind}, {counted[kind, 'answered']} answered"
        for kind in ("escapes", "bombs", "mutants")
    )
    figures = f"slowest {slowest * 1000:.0f} ms, memory grew {grown >> 10} MiB"
    return f"expressions: {kinds}; nothing executed, {figures}, seed {seed}"


if __name__ == "__main__":
    sys.exit(program.run(trial, doc=__doc__, mutations=(20_000, "made from the pieces of the others")))

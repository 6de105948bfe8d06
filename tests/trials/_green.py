"""Ways to be green without having checked, each with the guard that stands in it, and how to take the guard away.

A guard is taken away in a process of its own, by putting what does nothing in its place. Where an ``except`` clause is
the guard, the name that it catches is shadowed in its module. Where several guards stand behind one another, all are
taken away: what is left is what a program has that never thought of it.
"""

import gzip
import struct
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROGUE = Path(__file__).resolve().parents[1] / "policy" / "_rogue.py"
PROJECT = """\
[project]
name = "rogue-gates"
version = "6.6.6"
[project.entry-points."tallystick.gates"]
rogue = "rogue:Rogue"
"""
HEAD = """\
apiVersion: tallystick/v1
kind: Policy
metadata: {id: strict, version: 1.0.0, owner: model-risk}
applies_to: {stage: production}
inputs: {columns: {y_true: y_true, y_pred: y_pred, favourable: 1}}
gates:
"""
PUBLISH = "policy publish policy.yaml --as officer"
LENIENT = "policy publish lenient.yaml --as officer"
RUN = "gate run credit --predictions data.csv -o json=results.json --as engineer"

ROWS = "- {id: rows, type: schema, rows: {min: 1}}\n"
RANGE = "- {id: s, type: schema, columns: {score: {range: [0, 1]}}}\n"
BIAS = """\
- id: b
  type: bias
  sensitive: [group]
  decision: %s
  metrics: [{name: demographic_parity_%s}]
"""


def rogue(how):
    """A gate of another distribution that does wrong in this way, beside one that does right."""
    return f"{ROWS}- {{id: r, type: rogue, how: {how}}}\n"


def bias(threshold='ratio, fail_if: "< 0.8"', decision="point", more=""):
    return BIAS % (decision, threshold) + more


def people(**groups):
    """A CSV file from group to (tp, fp, fn, tn); the group ``none`` has no value."""
    rows = ["group,y_true,y_pred"]
    for group, cells in groups.items():
        for (true, said), n in zip(((1, 1), (0, 1), (1, 0), (0, 0)), cells, strict=True):
            rows += [f"{'' if group == 'none' else group},{true},{said}"] * n
    return "\n".join(rows) + "\n"


def scores(*values, header="score"):
    return "\n".join([header, *map(str, values)]) + "\n"


FAIR, UNFAIR = (60, 40, 40, 60), (15, 5, 85, 95)
BANDS = "band\n" + "a\n" * 10
SCORED, UNSCORED = "band,score\na,7\n", "band,score\na,0.5\n"


@dataclass(frozen=True)
class Seen:
    """What came of it, looked at from outside."""

    code: int
    said: str
    verdicts: tuple[str, ...]
    """Of the evaluations that the ledger has, as entries say them."""
    promoted: bool
    written: str | None
    """The verdict in the file of results, or None if there is no such file; an earlier run left one that says pass."""


def is_green(seen):
    return seen.code == 0 and bool(seen.verdicts) and seen.verdicts[-1] in ("pass", "warn")


def exits_like_green(seen):
    return seen.code == 0


def is_promoted(seen):
    return seen.code == 0 and seen.promoted


def leaves_what_was_green(seen):
    return seen.written == "pass"


@dataclass(frozen=True)
class Way:
    """A way to be green without having checked."""

    name: str
    gates: str
    data: str | bytes | Callable[[Path], None]
    """Of the predictions; or what writes them."""
    says: str
    """What stands in the answer."""
    without: Callable[[], None]
    """Takes away the guard, or all of them."""
    code: int = 1
    verdict: str | None = "fail"
    """Of the evaluation that is recorded; None if none may be."""
    steps: tuple[str | Callable[[], int], ...] = (PUBLISH, RUN)
    """Commands, the first that is red being the last; or functions, for what no command takes."""
    files: dict[str, str] = field(default_factory=dict)
    between: Callable[[Path], None] | None = None
    """What happens to the folder before the last step."""
    fault: Callable[[], None] | None = None
    """What is broken with and without the guard: of ours, so that the guard is the only one to see it."""
    then: Callable[[Seen], bool] = is_green
    """What comes of it without the guard."""


# --- taking guards away ---------------------------------------------------------------------------------------------


class Never(Exception):
    """Nobody raises it."""


def ours(name):
    """A module of the product."""
    import importlib

    return importlib.import_module(f"tallystick.{name}")


def put(place, **replacements):
    """Put something else in the place of names of a module or class of the product, ``module`` or ``module:Class``."""
    module, _, inside = place.partition(":")
    target = ours(module)
    for step in filter(None, inside.split(".")):
        target = getattr(target, step)
    for name, value in replacements.items():
        setattr(target, name, value)


def all_of(*removals):
    def without():
        for remove in removals:
            remove()

    return without


def guard(place, **replacements):
    return lambda: put(place, **replacements)


def nothing(*_, **__):
    return None


def same(value, *_, **__):
    return value


def as_they_come(_, results, **__):
    return tuple(results)


# What an end of the program from within meets, from the inside out.
LOADING = all_of(guard("policy.registry", BaseException=Never), guard("policy.document", BaseException=Never))
JUDGING = guard("policy.judge", BaseException=Never)
READING = guard("policy.judge", SystemExit=Never)
SUPERVISED = guard("cli.supervised", supervised=lambda work: work())
FRONT_DOOR = all_of(guard("cli.main", SystemExit=Never), SUPERVISED)
STALE = guard("cli.outputs:Outputs", clear=nothing)
AGAINST_PLAN = guard("policy.judge", against_plan=as_they_come)
SELF_TEST = guard("policy.gates.schema", self_test=nothing)


def not_finite_is_a_number():
    """The comparison alone decides; a value may be anything, and is written down as nothing."""
    results, plain = ours("policy.results"), ours("policy.results").CheckResult.as_json

    def verdict(limits, value, interval):
        del interval
        return "fail" if limits.fail_if is not None and limits.fail_if.hit(value) else "pass"

    def as_json(result):
        found = plain(result)
        return found | {"value": None} if found["value"] != found["value"] else found

    results.Limits.verdict, results.CheckResult.as_json = verdict, as_json
    results.CheckResult.__post_init__, results.number = nothing, lambda *_: "nan"


def nan_is_a_number():
    conditions, kinds = ours("policy.engines.conditions"), ours("policy.predicates")
    plain = conditions.Conditions._value

    def value(self, predicate, column):
        if isinstance(predicate, kinds.NotNan):
            return "TRUE"
        if isinstance(predicate, kinds.InRange):
            ends = conditions._ends(predicate)
            return " AND ".join(
                f"{self._number(column)} {op} {conditions._end(end, op, whole=False)}" for end, op in ends
            )
        return plain(self, predicate, column)

    conditions.Conditions._value = value


def types_only():
    """What a library does that looks at the schema of a lazy frame: no value is there, and none is bad."""
    import pyarrow as pa

    def table(frame):
        schema, rows = frame.head(0).collect().to_arrow().schema, frame.collect().height
        return pa.table({field.name: pa.nulls(rows, field.type) for field in schema})

    put("policy.engines.files", _table=table)
    put("policy.gates.schema:Column", kinds=lambda self: ["range"])


def groups_without_a_value_are_dropped():
    table = ours("policy.counts").Table
    plain = table.groups
    table.groups = lambda self, good: {group: c for group, c in plain(self, good).items() if None not in group}


def one_group_will_do():
    metrics = ours("policy.metrics")

    def compare(metric, groups, *, rates, reference):
        return metrics._worst(metric.form, [metrics._compare_rate(r, metric.form, groups, reference) for r in rates])

    put("policy.gates.bias.groups", compare=compare, _too_few=nothing)
    put("policy.gates.bias.judge", _power=lambda _: {})


def another_policy_will_do():
    """The name and the stage that were asked for are forgotten where nothing is found."""
    evaluate, rules = ours("workflow.evaluate"), ours("people.rules")
    evaluate.chosen_policy = lambda book, ring, *_, **__: rules.published(book, ring)[-1]


def what_is_unknown_is_passed_over():
    """Logged, as it were, and the rest of the policy is read."""
    document = ours("policy.document")
    plain = document._validated

    def validated(parsed, name):
        found, problems = plain(parsed, name)
        for problem in problems:
            *way, last = problem.path
            place = document._at(tuple(way), parsed.value)
            if last == "type":
                gates = parsed.value["gates"]
                del gates[way[-1]]
            else:
                del place[last]
        return plain(parsed, name) if problems else (found, problems)

    document._validated = validated


def the_first_of_two_keys_stands():
    """Most readers of YAML keep one and say nothing."""
    from ruamel.yaml import YAML

    def parse(data, *, name):
        del name
        reader = YAML(typ="safe", pure=True)
        reader.allow_duplicate_keys = True
        return ours("policy.strict_yaml").Parsed(reader.load(data), {})

    put("policy.strict_yaml", parse=parse)


def some_plan_will_do():
    evaluate, document = ours("workflow.evaluate"), ours("policy.document")
    evaluate.published = lambda book, entry: document.parse(book.part(entry, "policy.yaml"), name="policy.yaml")


def only_lenient_policies_count():
    rules = ours("people.rules")
    plain = rules.policies_in_force
    rules.policies_in_force = lambda *a, **k: [entry for entry in plain(*a, **k) if entry.body["id"] == "lenient"]


def empty_is_flawless():
    judged = ours("policy.gates.schema")._Judged
    plain = judged.result

    def result(self):
        empty = self.evidence.rows == 0 and not self.tally.absent
        return self._made("pass", 0.0, "no row misses it") if empty else plain(self)

    judged.result = result


def missing_values_are_fine():
    column = ours("policy.gates.schema").Column
    plain = column.kinds
    column.kinds = lambda self: [kind for kind in plain(self) if kind != "nullable"]


def footers_are_believed():
    """The engine's optimizer answers from the footer again."""
    import duckdb

    connect = duckdb.connect

    class Connection:
        def __init__(self, real):
            self.real = real

        def __getattr__(self, name):
            return getattr(self.real, name)

        def execute(self, sql, *rest):
            return self.real if "disabled_optimizers" in sql else self.real.execute(sql, *rest)

    duckdb.connect = lambda *args, **words: Connection(connect(*args, **words))


def bad_lines_are_skipped():
    files = ours("policy.engines.files")
    files._CSV = files._CSV.replace("ignore_errors=false", "ignore_errors=true")
    any_number_of_rows()


def any_number_of_rows():
    put("policy.engines.duckdb:Source", _counted_too=lambda _, rows: rows)


def the_first_of_two_columns_will_do():
    put("policy.engines.duckdb:Source", _require=nothing)
    scan = ours("policy.engines.duckdb").Source
    plain = scan._described

    def described(self, connection, names):
        found = plain(self, connection, names)
        return {name: _at(column, self.columns.index(name)) for name, column in found.items()}

    def _at(column, place):
        from dataclasses import replace

        return replace(column, sql=f"c{place}")

    scan._described = described


def what_looks_like_parquet_is_read():
    put("policy.engines.files", _parquet_files=lambda folder: sorted(folder.glob("*.parquet")))


def the_point_decides():
    limits = ours("policy.results").Limits
    limits._beyond = lambda self, value, interval: self.fail_if is not None and self.fail_if.hit(value)


def a_waiver_is_a_verdict():
    put("policy.judge", VERDICTS=(*ours("policy.results").VERDICTS, "waived"))


def nothing_to_say_is_nothing_against_it():
    put("policy.judge", roll_up=lambda verdicts: "fail" if "fail" in set(verdicts) else "pass")


# --- what happens meanwhile -----------------------------------------------------------------------------------------


def plans_one_less(folder):
    path = folder / "site" / "rogue.py"
    text = path.read_text()
    fewer = text.replace('["a", "b"]', '["a"]').replace('for name in "ab"', 'for name in "a"')
    assert fewer.count('"ab"') == text.count('"ab"') - 1
    path.write_text(fewer)


def exits_on_import(folder):
    (folder / "site" / "rogue.py").write_text("raise SystemExit(0)\n")


def ends_on_import(folder):
    (folder / "site" / "rogue.py").write_text("import os\n\nos._exit(0)\n")


def library_that_exits(folder):
    """In the place of the engine, which is imported when data are read."""
    (folder / "site" / "duckdb.py").write_text("raise SystemExit(0)\n")


@contextmanager
def as_it_lies(path, *, wanted=None, progress=None):
    """The file itself, in the place of a copy of its own."""
    yield path, ours("capture.fingerprint").fingerprint(path)


def good_data_beside(folder):
    (folder / "good.csv").write_text(UNSCORED)


def parquet(path, **columns):
    import pyarrow as pa
    from pyarrow import parquet as pq

    pq.write_table(pa.table(columns), path, use_dictionary=False)


def relabelled(path, old, new):
    """With a footer that says something else."""
    content = path.read_bytes()
    footer = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    assert old in content[footer:], "the footer says otherwise"
    path.write_bytes(content[:footer] + content[footer:].replace(old, new))


def with_nan(folder):
    import pyarrow as pa

    parquet(folder / "data.parquet", score=pa.array([0.5, float("nan")], from_pandas=False))


def with_a_lying_maximum(folder):
    parquet(folder / "data.parquet", score=[0, 500] * 100)
    relabelled(folder / "data.parquet", struct.pack("<q", 500), struct.pack("<q", 1))


def with_lying_nulls(folder):
    parquet(folder / "data.parquet", score=[None] * 64 + [7, 7])
    relabelled(folder / "data.parquet", b"\x16\x80\x01\x28", b"\x16\x84\x01\x28")


def with_a_last_line_of_40_mb(folder):
    with gzip.open(folder / "data.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"score\n0.5\n7" + b"0" * 40_000_000)


def with_a_part_of_another_name(folder):
    (folder / "data.d").mkdir()
    parquet(folder / "data.d" / "part-1.parquet", score=[0.5])
    parquet(folder / "data.d" / "part-2.pq", score=[7.0])


def lazy_frame():
    """What no command takes: a frame that a program hands over. The answer is printed as a command would."""
    import polars

    policy = ours("policy.document").load(Path("policy.yaml"))
    frame = polars.DataFrame({"score": [0.5, 7.0]}).lazy()
    outcome = ours("policy.judge").evaluate(policy, frame, data_digest="0" * 64)
    print(outcome.verdict, *(check.reason for check in outcome.checks))
    return ours("cli.gate").EXIT[outcome.verdict]


def lie(folder):
    """Makes of the submission that waits one that passed, without touching its counts."""
    canonical = ours("canonical")
    (path,) = (folder / ".tallystick" / "ledger.db.inbox").glob("*.submission")
    told = canonical.decode(path.read_bytes())
    for check in told["outcome"]["checks"]:
        check["verdict"] = "pass"
    told["outcome"]["verdict"] = "pass"
    path.write_bytes(canonical.encode(told))


# --- the ways -------------------------------------------------------------------------------------------------------

DATASET = "record dataset data.csv --name test --role test --as engineer"
APPROVE, PROMOTE = "approve credit --rationale good --as officer", "promote credit --as officer"
WHOLE = f"{RUN} --dataset test"

WAYS = (
    # what is looked at
    Way(
        "a library looks at the types of a lazy frame only",
        RANGE,
        scores(),
        "1 of 2 rows (50 %) miss this: score is at least 0 and at most 1",
        types_only,
        steps=(lazy_frame,),
        verdict=None,
        then=exits_like_green,
    ),
    Way(
        "an engine finds nothing, whatever it is asked",
        RANGE,
        scores(0.5, 7),
        "the engine did not find an injected defect",
        SELF_TEST,
        code=3,
        verdict="error",
        fault=guard("policy.engines.conditions:Conditions", _value=lambda *_: "TRUE"),
    ),
    Way(
        "NaN in a range, by a comparison and by the question for it; the self-test is the guard behind them",
        "- {id: s, type: schema, columns: {score: {range: [0, null]}}}\n",
        with_nan,
        "1 of 2 rows (50 %) miss this: score is at least 0",
        all_of(nan_is_a_number, SELF_TEST),
        steps=(PUBLISH, RUN.replace("data.csv", "data.parquet")),
    ),
    Way(
        "the self-test alone sees that NaN is taken for a number",
        "- {id: s, type: schema, columns: {score: {range: [0, null]}}}\n",
        with_nan,
        "the engine did not find an injected defect",
        SELF_TEST,
        code=3,
        verdict="error",
        fault=nan_is_a_number,
        steps=(PUBLISH, RUN.replace("data.csv", "data.parquet")),
    ),
    Way(
        "a file without a row",
        RANGE,
        scores(),
        "there are no rows",
        empty_is_flawless,
        code=3,
        verdict="error",
    ),
    Way(
        "a column in which every value is missing",
        RANGE,
        "score,id\n,1\n,2\n",
        "2 of 2 rows (100 %) miss this: score is never missing",
        missing_values_are_fine,
    ),
    Way(
        "a footer that lies about the largest value",
        "- {id: s, type: schema, columns: {score: {range: [0, 1]}}}\n",
        with_a_lying_maximum,
        "100 of 200 rows (50 %) miss this",
        footers_are_believed,
        steps=(PUBLISH, RUN.replace("data.csv", "data.parquet")),
    ),
    Way(
        "a footer that says that all is missing which is there",
        "- {id: s, type: schema, columns: {score: {range: [0, 1], nullable: true}}}\n",
        with_lying_nulls,
        "the file says that values are missing which are there",
        guard("policy.engines.files", _check_missing=nothing),
        code=3,
        verdict=None,
        steps=(PUBLISH, RUN.replace("data.csv", "data.parquet")),
    ),
    Way(
        "a file whose last line is cut; the engine, and who counts its rows apart",
        RANGE,
        "score,id\n0.5,1\n7",
        "a row has another number of columns than the header",
        bad_lines_are_skipped,
        code=3,
        verdict=None,
    ),
    Way(
        "a last line that is longer than the engine's buffers, and lost",
        RANGE,
        with_a_last_line_of_40_mb,
        "a line of the data file is too long",
        all_of(guard("policy.engines.files", _LONGEST_LINE=1 << 40), any_number_of_rows),
        code=3,
        verdict=None,
        steps=(PUBLISH, RUN.replace("data.csv", "data.csv.gz")),
    ),
    Way(
        "two columns of one name, of which the first is good",
        RANGE,
        "score,score\n0.5,7\n",
        "column 'score' stands twice in the header",
        the_first_of_two_columns_will_do,
        code=3,
        verdict=None,
    ),
    Way(
        "a part of a folder that is passed over for its name",
        RANGE,
        with_a_part_of_another_name,
        "the folder holds something else than Parquet files",
        what_looks_like_parquet_is_read,
        code=3,
        verdict=None,
        steps=(PUBLISH, RUN.replace("data.csv", "data.d")),
    ),
    Way(
        "the rows that would fail are left out of the recorded test set",
        RANGE,
        UNSCORED,
        "predictions are not those of this test set",
        guard("workflow.evaluate", matching=same),
        code=3,
        verdict=None,
        files={"test.csv": "band,score\na,0.5\na,7\n"},
        steps=(PUBLISH, DATASET.replace("data.csv", "test.csv"), WHOLE),
    ),
    Way(
        "no test set is named, so that nobody can tell which rows were left out",
        RANGE,
        UNSCORED,
        "names no recorded test set: rows may have been left out",
        guard("people.rules", _test_set_named=lambda *_: True),
        verdict="pass",
        steps=(PUBLISH, RUN, APPROVE, PROMOTE),
        then=is_promoted,
    ),
    Way(
        "the data change after their digest was taken and before they are read",
        RANGE + rogue("changes the data"),
        SCORED,
        "1 of 1 rows (100 %) miss this",
        guard("workflow.evaluate", private_copy=as_it_lies),
        between=good_data_beside,
    ),
    # who is compared
    Way(
        "one group only, whose ratio to itself is 1; and what compares and says which gap could be told",
        bias(),
        people(a=FAIR),
        "there is only one group",
        one_group_will_do,
        code=3,
        verdict="error",
    ),
    Way(
        "people without a group value are dropped",
        bias(),
        people(a=FAIR, b=FAIR, none=UNFAIR),
        "selection rate of group=(missing) is 0.20 of",
        groups_without_a_value_are_dropped,
    ),
    Way(
        "a group is too small to be judged, and left out",
        bias(),
        people(a=FAIR, b=FAIR, c=(1, 1, 40, 40)),
        "are in groups too small to judge, and the policy allows 2 %",
        guard("policy.gates.bias.groups", _excluded=nothing),
        code=3,
        verdict="error",
    ),
    Way(
        "a group that the policy requires is absent",
        bias(more="  require_groups: {group: [a, b, c]}\n"),
        people(a=FAIR, b=FAIR),
        "there is nobody with group=c, a group that the policy requires",
        guard("policy.gates.bias.groups", _required=nothing),
        code=3,
        verdict="error",
    ),
    Way(
        "the favourable outcome never occurs: it has to, and somebody has to be selected",
        bias('difference, fail_if: "> 0.1"'),
        people(a=FAIR, b=UNFAIR).replace(",1", ",yes"),
        "the favourable outcome '1' occurs neither as true nor as predicted outcome",
        all_of(
            guard("policy.counts:Counts", check_favourable=nothing),
            guard("policy.gates.bias.groups", _nobody_selected=nothing),
            guard("policy.gates.bias.judge", _power=lambda _: {}),
        ),
        code=3,
        verdict=None,
    ),
    Way(
        "nobody is selected, so that all are treated alike",
        bias('difference, fail_if: "> 0.1"'),
        people(a=(0, 0, 100, 100), b=(0, 0, 100, 100)),
        "has a favourable prediction, so equal treatment says nothing",
        all_of(
            guard("policy.gates.bias.groups", _nobody_selected=nothing),
            guard("policy.gates.bias.judge", _power=lambda _: {}),
        ),
        code=3,
        verdict="error",
    ),
    Way(
        "the whole interval has to agree, and there is none",
        bias(decision="confident"),
        people(a=(4, 4, 96, 96), b=(4, 4, 96, 96)),
        "too few events for an interval",
        the_point_decides,
        code=4,
        verdict="inconclusive",
    ),
    # what ran
    Way(
        "a figure is NaN, and no comparison with it holds; no result can hold it either, nor an entry",
        rogue("nan"),
        BANDS,
        "came out as nan, which is no figure to judge",
        not_finite_is_a_number,
        code=3,
        verdict="error",
    ),
    Way(
        "a gate hands back a pass whose value is NaN; nor could an entry hold it",
        rogue("nan by hand"),
        BANDS,
        "the gate could not be carried out: ValueError",
        not_finite_is_a_number,
        code=3,
        verdict="error",
    ),
    Way(
        "a gate hands back a pass without a value",
        rogue("no value"),
        BANDS,
        "the gate could not be carried out: ValueError",
        guard("policy.results:CheckResult", __post_init__=nothing),
        code=3,
        verdict="error",
    ),
    Way(
        "a planned check did not run",
        rogue("too few"),
        BANDS,
        "the check was planned and did not run",
        AGAINST_PLAN,
        code=3,
        verdict="error",
    ),
    Way(
        "a check ran that nobody planned",
        rogue("too many"),
        BANDS,
        "the check ran and stands in no plan",
        AGAINST_PLAN,
        code=3,
        verdict="error",
    ),
    Way("a check ran twice", rogue("double"), BANDS, "the check ran 2 times", AGAINST_PLAN, code=3, verdict="error"),
    Way(
        "another check ran in the place of a planned one",
        rogue("another"),
        BANDS,
        "the check was planned and did not run",
        AGAINST_PLAN,
        code=3,
        verdict="error",
    ),
    Way(
        "a gate answers for another gate, whose result is unplanned as well",
        rogue("for another"),
        BANDS,
        "it answered for another gate",
        all_of(guard("policy.judge", _sound=same), AGAINST_PLAN),
        code=3,
        verdict="error",
    ),
    Way(
        "an evaluation that left out a check stands on the ledger, and a promotion rests on it",
        rogue("too few"),
        BANDS,
        "did not answer exactly the checks planned",
        guard("people.rules", evaluation_problems=lambda *_: []),
        verdict="pass",
        fault=AGAINST_PLAN,
        steps=(PUBLISH, DATASET, WHOLE, APPROVE, PROMOTE),
        then=is_promoted,
    ),
    Way(
        "a gate plans no check at all",
        rogue("plan is empty"),
        BANDS,
        "the gate plans no check",
        guard("policy.language:Document", _check_plan=nothing),
        code=3,
        verdict=None,
    ),
    Way(
        "a gate plans fewer checks than were published",
        rogue("well"),
        BANDS,
        "policy plans other checks than were published",
        some_plan_will_do,
        code=3,
        verdict=None,
        between=plans_one_less,
    ),
    Way(
        "no gate applies, so that no check was made",
        "- {id: s, type: schema, when: model.version == 7, columns: {score: {range: [0, 1]}}}\n",
        SCORED,
        "it does not apply",
        nothing_to_say_is_nothing_against_it,
        code=3,
        verdict="error",
    ),
    Way(
        "a gate waives its own failure",
        rogue("waives itself"),
        BANDS,
        "what it handed back is no check result",
        a_waiver_is_a_verdict,
        code=3,
        verdict="error",
    ),
    # who ends the program
    Way(
        "a library ends the program with 0 when it is imported; and what reads the policy, and the front door",
        rogue("well"),
        BANDS,
        "SystemExit while it was loaded",
        all_of(LOADING, FRONT_DOOR),
        code=3,
        verdict=None,
        between=exits_on_import,
        then=exits_like_green,
    ),
    Way(
        "a gate ends the program with 0 while it judges; and the front door",
        rogue("exits"),
        BANDS,
        "the gate could not be carried out: SystemExit",
        all_of(JUDGING, FRONT_DOOR),
        code=3,
        verdict="error",
        then=exits_like_green,
    ),
    Way(
        "a gate ends the program with 0 while it says what it needs; while data are read, and the front door",
        rogue("needs exits"),
        BANDS,
        "gate r could not say what it needs",
        all_of(JUDGING, READING, FRONT_DOOR),
        code=3,
        verdict=None,
        then=exits_like_green,
    ),
    Way(
        "a library ends the program with 0 while the data are read; and the front door",
        RANGE,
        SCORED,
        "a library tried to end the program while the data were read",
        all_of(READING, FRONT_DOOR),
        code=3,
        verdict=None,
        between=library_that_exits,
        then=exits_like_green,
    ),
    Way(
        "a gate ends the process with 0, which nothing within it catches",
        rogue("ends"),
        BANDS,
        "ended the program; look with `tallystick log`",
        SUPERVISED,
        code=3,
        verdict=None,
        then=exits_like_green,
    ),
    Way(
        "a library ends the process with 0 when it is imported",
        rogue("well"),
        BANDS,
        "ended the program; look with `tallystick log`",
        SUPERVISED,
        code=3,
        verdict=None,
        between=ends_on_import,
        then=exits_like_green,
    ),
    Way(
        "a run is killed: the result of an earlier one is not there",
        rogue("is killed"),
        BANDS,
        "... gate r",
        STALE,
        code=3,
        verdict=None,
        then=leaves_what_was_green,
    ),
    # which policy
    Way(
        "the name of the policy is misspelt, and another one is lenient",
        RANGE,
        SCORED,
        "no such policy is published for stage production",
        another_policy_will_do,
        code=3,
        verdict=None,
        files={"lenient.yaml": HEAD.replace("strict", "lenient") + ROWS},
        steps=(PUBLISH, LENIENT, f"{RUN} --policy strlct"),
    ),
    Way(
        "no policy is for this stage",
        ROWS,
        SCORED,
        "no such policy is published for stage prodution",
        another_policy_will_do,
        code=3,
        verdict=None,
        steps=(PUBLISH, f"{RUN} --stage prodution"),
    ),
    Way(
        "a lenient policy was asked, and the strict one was not",
        RANGE,
        SCORED,
        "these model bytes were never evaluated under policy strict",
        only_lenient_policies_count,
        verdict="pass",
        files={"lenient.yaml": HEAD.replace("strict", "lenient") + ROWS},
        steps=(PUBLISH, LENIENT, DATASET, f"{WHOLE} --policy lenient", f"{APPROVE} --policy lenient", PROMOTE),
        then=is_promoted,
    ),
    Way(
        "a gate of the policy is invalid, and passed over",
        ROWS + RANGE.replace("schema", "shema"),
        SCORED,
        "unknown gate type 'shema'",
        what_is_unknown_is_passed_over,
        code=3,
        verdict=None,
    ),
    Way(
        "a key of the policy is misspelt, and passed over",
        "- {id: s, type: schema, columns: {score: {rnge: [0, 1]}}}\n",
        SCORED,
        "unknown key 'rnge'",
        what_is_unknown_is_passed_over,
        code=3,
        verdict=None,
    ),
    Way(
        "a gate says in the policy that it is to be skipped",
        RANGE.replace("columns", "skip: true, columns"),
        UNSCORED,
        "unknown key 'skip'",
        what_is_unknown_is_passed_over,
        code=3,
        verdict=None,
    ),
    Way(
        "a key stands twice, and one of them is lenient",
        "- {id: s, type: schema, columns: {score: {range: [0, 9], range: [0, 1]}}}\n",
        SCORED,
        "key 'range' stands twice",
        the_first_of_two_keys_stands,
        code=3,
        verdict=None,
    ),
    Way(
        "a threshold looks the wrong way",
        bias('ratio, fail_if: "> 0.8"'),
        people(a=FAIR, b=UNFAIR),
        "looks the wrong way",
        guard("policy.keys", _check_one=nothing),
        code=3,
        verdict=None,
    ),
    # whose word it is
    Way(
        "what is handed in says pass, and its counts do not",
        RANGE,
        SCORED,
        "does not follow from the policy and the counts",
        guard("policy.judge", _agree=nothing),
        code=0,
        verdict=None,
        between=lie,
        steps=(PUBLISH, "ledger receive", f"-{RUN} --submit --wait 0", "ledger receive"),
    ),
)

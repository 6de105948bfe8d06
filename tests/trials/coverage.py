"""Trial: populations whose true rates are known, people drawn from them, and each table judged by the gate itself.

What it shows: how often an interval holds the true value, and how often a confident gate fails what lies on its limit,
or passes it: equal groups, groups at the limit, rare events, many groups, small beside large ones, two models on the
same people; how often any of ten checks at the limit is failed, with Holm's correction and without; whether the
smallest gap that a result states is told four times in five. A figure that is further from what is promised than the
draws explain (four standard errors) fails the trial. The percentile bootstrap, which is the default of a policy's
confident decision, stands beside the simultaneous intervals and is held to nothing: it shows what they are for.

What it does not show: that anybody's data are drawn at random from whom a model will meet.
"""

import math
import random
import sys
import time
from dataclasses import dataclass
from itertools import combinations

import _program as program
import numpy as np

from tallystick.policy import proportions
from tallystick.policy.counts import Counts, Table, by_outcome
from tallystick.policy.document import parse
from tallystick.policy.evidence import Setting
from tallystick.policy.gates.bias import judge as bias
from tallystick.policy.proportions import Paired
from tallystick.policy.statistics import wilson

LEVEL = 0.05
SHORT = 0.02
"""How far the share of an approximate interval for two counts may lie below what it says: its exact share swings with
the counts, for a count is whole. Newcombe (1998) prints as much for the methods used here."""


def allowed(share, draws):
    """The most of these draws that an event of this chance makes up, but for four standard errors."""
    return share * draws + 4 * math.sqrt(share * (1 - share) * draws)


# --------------------------------------------------------------------------- single intervals


@dataclass(frozen=True)
class Pair:
    """Two shares, and how many people each is measured on."""

    name: str
    p: tuple[float, float]
    n: tuple[int, int]


PAIRS = (
    Pair("equal, 200 and 200", (0.3, 0.3), (200, 200)),
    Pair("unlike, 1,000 and 60", (0.3, 0.2), (1000, 60)),
    Pair("rare, 100 and 300", (0.02, 0.02), (100, 300)),
    Pair("near all, 100 and 100", (0.98, 0.95), (100, 100)),
)
PAIRED = (
    ("two models right on 85 % and 85 %, unlike on 10 %", (0.80, 0.05, 0.05, 0.10), 500),
    ("two models right on 85 % and 83 %, unlike on 4 %", (0.82, 0.03, 0.01, 0.14), 500),
    ("two models right on 95 % and 95 %, unlike on 2 %", (0.94, 0.01, 0.01, 0.04), 100),
)


def single(pair, chance, draws):
    """How often each interval misses the true value: method to (misses, draws that have an interval)."""
    found = {name: [0, 0] for name in ("wilson", "newcombe", "donner_zou", "katz")}
    counts = [chance.binomial(n, p, draws).tolist() for n, p in zip(pair.n, pair.p, strict=True)]
    truth = {"wilson": pair.p[0], "newcombe": pair.p[0] - pair.p[1]}
    for one, two in zip(*counts, strict=True):
        args = (one, pair.n[0], two, pair.n[1], 1 - LEVEL)
        made = [wilson(one, pair.n[0], 1 - LEVEL), proportions.difference(*args), proportions.log_ratio(*args)]
        made += [proportions.ratio(*args)] if one + two else []
        for interval in filter(None, made):
            real = truth.get(interval.method, pair.p[0] / pair.p[1])
            found[interval.method][0] += not interval.low <= real <= interval.high
            found[interval.method][1] += 1
    return found


def paired(shares, n, chance, draws):
    """How often the paired interval misses, and how often a model on the margin is called no worse."""
    truth, missed, passed = shares[1] - shares[2], 0, 0
    for table in chance.multinomial(n, shares, draws).tolist():
        interval = proportions.paired_difference(Paired(*table), 1 - LEVEL)
        missed += not interval.low <= truth <= interval.high
        passed += proportions.non_inferior(Paired(*table), -truth, 1 - LEVEL) is True
    return missed, passed


# --------------------------------------------------------------------------- the gate


@dataclass(frozen=True)
class Population:
    """Groups with their true rates and sizes, and the limit that a policy sets."""

    name: str
    form: str
    p: tuple[float, ...]
    n: tuple[int, ...]
    limit: str
    q: tuple[float, ...] = ()
    """Where it is given, p are the rates among as many people of the favourable true outcome, q those of the other."""
    beside_first: bool = False
    """Whether every group is compared with the first one only."""

    @property
    def metric(self):
        name = "equalized_odds" if self.q else "demographic_parity"
        reference = ", reference: {c: g0}" if self.beside_first else ""
        return f"{{name: {name}_{self.form}, fail_if: '{self.limit}'{reference}}}"

    @property
    def truth(self):
        pairs = [
            sorted(pair)
            for rates in filter(None, (self.p, self.q))
            for pair in (((rates[0], other) for other in rates[1:]) if self.beside_first else combinations(rates, 2))
        ]
        return max(b - a for a, b in pairs) if self.form == "difference" else min(a / b for a, b in pairs)

    @property
    def at_limit(self):
        return abs(self.truth - float(self.limit[2:])) < 1e-9

    def drawn(self, chance):
        """Counts of people drawn from it."""
        rates = [("1", self.p), ("0", self.q)] if self.q else [("", self.p)]
        rows = []
        for true, shares in rates:
            for group, (k, size) in enumerate(zip(chance.binomial(self.n, shares).tolist(), self.n, strict=True)):
                rows += [((f"g{group}", true or said, said), n) for said, n in (("1", k), ("0", size - k))]
        table = Table.of(by_outcome(["c"], true="t", predicted="p"), rows)
        return Counts(table.rows, (table,))


def populations():
    for name, p, n, ratio, difference in (
        ("2 equal groups", (0.3,) * 2, (200,) * 2, "< 0.8", "> 0.06"),
        ("2 groups at the limit", (0.3, 0.24), (400,) * 2, "< 0.8", "> 0.06"),
        ("2 groups at the limit, 3,000 and 150 people", (0.3, 0.24), (3000, 150), "< 0.8", "> 0.06"),
        ("2 groups, 2 % each", (0.02,) * 2, (100, 300), "< 0.8", "> 0.06"),
        ("5 equal groups", (0.3,) * 5, (200,) * 5, "< 0.8", "> 0.06"),
        ("5 groups, one at the limit", (*(0.3,) * 4, 0.24), (400,) * 5, "< 0.8", "> 0.06"),
        ("10 equal groups", (0.3,) * 10, (150,) * 10, "< 0.8", "> 0.06"),
        ("10 groups, five at the limit", (*(0.3,) * 5, *(0.24,) * 5), (150,) * 10, "< 0.8", "> 0.06"),
        ("10 groups, 3 % each", (0.03,) * 10, (150,) * 10, "< 0.8", "> 0.06"),
        ("20 equal groups", (0.3,) * 20, (150,) * 20, "< 0.8", "> 0.06"),
    ):
        yield Population(name, "ratio", p, n, ratio)
        yield Population(name, "difference", p, n, difference)
    five, errors = (0.3, 0.3, 0.3, 0.36, 0.24), (0.1, 0.1, 0.1, 0.05)
    yield Population("5 groups beside the first, two at the limit", "difference", five, (300,) * 5, "> 0.06", (), True)
    yield Population("4 groups, odds, one at the limit", "difference", (0.8,) * 4, (250,) * 4, "> 0.05", errors)
    yield Population("4 groups, equal odds", "ratio", (0.8,) * 4, (250,) * 4, "< 0.8", (0.1,) * 4)


POPULATIONS = tuple(populations())


def policy(columns, metrics, method, *, replicates, family=""):
    text = f"""\
apiVersion: tallystick/v1
kind: Policy
metadata: {{id: trial, version: 1.0.0, owner: model-risk}}
applies_to: {{stage: production}}
inputs: {{columns: {{y_true: y_true, y_pred: y_pred, favourable: 1}}}}
gates:
  - id: b
    type: bias
    sensitive: [{", ".join(columns)}]
    min_group: {{n: 1, positives: 1}}
    decision: confident
    interval: {{method: {method}, n: {replicates}}}
    {family}
    metrics: [{metrics}]
"""
    return parse(text.encode(), name="trial.yaml").gates[0]


def tables(columns, drawn, sizes):
    """Counts by each column from how many of each of its groups were selected."""
    by = []
    for column, selected in zip(columns, drawn, strict=True):
        rows = [((f"g{i}", said, said), n) for i, (k, size) in enumerate(zip(selected, sizes, strict=True))
                for said, n in (("1", k), ("0", size - k))]  # fmt: skip
        by.append(Table.of(by_outcome([column], true="t", predicted="p"), rows))
    return Counts(by[0].rows, tuple(by))


def judged(population, method, chance, draws, *, replicates):
    """How often it (had an interval, held the truth, failed, passed), of how many tables with somebody selected."""
    gate = policy(["c"], population.metric, method, replicates=replicates)
    stated, held, failed, passed, of = 0, 0, 0, 0, 0
    for _ in range(draws):
        counts = population.drawn(chance)
        if "1" not in counts.outcomes:
            continue
        seed = f"{chance.integers(2**63):016x}"
        (check,) = bias.run(gate, counts, Setting(favourable="1", seed=seed))
        of += 1
        if check.interval is not None:
            stated += 1
            held += check.interval["low"] - 1e-9 <= population.truth <= check.interval["high"] + 1e-9
        failed += check.verdict == "fail"
        passed += check.verdict == "pass"
    return stated, held, failed, passed, of


def families(chance, draws, *, replicates, checks=10):
    """How often any of these checks at the limit is failed, without a correction and with Holm's."""
    columns = [f"c{i}" for i in range(checks)]
    metric = "{name: demographic_parity_ratio, fail_if: '< 0.8'}"
    gates = [
        policy(columns, metric, "simultaneous", replicates=replicates, family=family)
        for family in ("", "family: {correction: holm, scope: gate}")
    ]
    any_failed = [0, 0]
    for drawn in chance.binomial(400, (0.3, 0.24), (draws, checks, 2)).tolist():
        counts, seed = tables(columns, drawn, (400, 400)), f"{chance.integers(2**63):016x}"
        for which, gate in enumerate(gates):
            results = bias.run(gate, counts, Setting(favourable="1", seed=seed))
            any_failed[which] += any(check.verdict == "fail" for check in results)
    return any_failed


def told(chance, draws):
    """How often a gap of the size that is stated is told from none."""
    gap = proportions.smallest_gap(400, 412, 0.3, 0.95)
    counts = [chance.binomial(n, p, draws).tolist() for n, p in ((400, 0.3), (412, 0.3 + gap))]
    pairs = zip(*counts, strict=True)
    return sum(not (i := proportions.difference(a, 400, b, 412, 0.95)).low <= 0 <= i.high for a, b in pairs) / draws


# --------------------------------------------------------------------------- the trial


def trial(folder, *, seed, draws, replicates, table):
    """One line of figures, after the tables of them where those are asked for; AssertionError if a rate is not held."""
    began, chance = time.perf_counter(), np.random.default_rng(random.Random(seed).getrandbits(64))
    singles, short = _singles(chance, draws)
    gates, worst, failed, by_bootstrap = _gates(chance, draws, replicates)
    plain, corrected = families(chance, max(draws // 2, 1), replicates=replicates)
    half = max(draws // 2, 1)
    assert corrected <= allowed(LEVEL, half), (
        f"any of ten checks failed in {corrected} of {half} with Holm's correction"
    )
    power = told(chance, 10 * draws)
    assert abs(power - 0.8) < 0.02 + 4 * math.sqrt(0.16 / (10 * draws)), f"a gap told in {power:.1%} is not 4 in 5"
    line = (
        f"coverage: seed {seed}, {draws} tables of each population; intervals of 95 % hold {short:.1%} and more of two"
        f" counts, of the worst of up to 20 groups {worst:.1%} and more; groups that are not beyond the limit fail in"
        f" {failed:.1%} at most (by the percentile bootstrap {by_bootstrap:.1%});"
        f" ten checks at the limit: any failed in {plain / half:.1%}, with Holm's correction in {corrected / half:.1%};"
        f" the smallest gap told in {power:.1%}; {time.perf_counter() - began:.0f} s"
    )
    return [*singles, "", *gates, "", line] if table == "yes" else line


def _singles(chance, draws):
    """The table of single intervals, and the least share that holds."""
    lines = ["| two shares | method | holds the true value |", "| --- | --- | --- |"]
    least = 1.0
    for pair in PAIRS:
        for method, (missed, of) in single(pair, chance, draws).items():
            if (
                method == "katz"
                and min(k for p, n in zip(pair.p, pair.n, strict=True) for k in (p * n, n - p * n)) < 10
            ):
                continue  # needs tens of events, and says so
            assert missed <= allowed(LEVEL + SHORT, of), f"{method}, {pair.name}: {missed} of {of} missed"
            lines.append(f"| {pair.name} | {method} | {1 - missed / of:.1%} |")
            least = min(least, 1 - missed / of)
    for name, shares, n in PAIRED:
        missed, passed = paired(shares, n, chance, draws)
        assert missed <= allowed(LEVEL + SHORT, draws), f"paired, {name}: {missed} of {draws} missed"
        assert passed <= allowed((LEVEL + SHORT) / 2, draws), (
            f"{name}: {passed} of {draws} at the margin called no worse"
        )
        lines.append(f"| {name} | newcombe_paired | {1 - missed / draws:.1%} |")
        least = min(least, 1 - missed / draws)
    return lines, least


def _gates(chance, draws, replicates):
    """The table of worst comparisons, the least share that holds, and the largest that fails, by either method."""
    lines = [
        "| groups | of | simultaneous holds | fails | passes | bootstrap holds | fails | passes |",
        "| --- " * 8 + "|",
    ]
    least, most = 1.0, [0.0, 0.0]
    for population in POPULATIONS:
        cells = []
        for which, method in enumerate(("simultaneous", "multinomial_bootstrap")):
            stated, held, failed, passed, of = judged(population, method, chance, draws, replicates=replicates)
            most[which] = max(most[which], failed / of)
            if method == "simultaneous":
                assert stated == of, "simultaneous intervals are stated for any table"
                _held_to(population, held, failed, passed, of)
                least = min(least, held / of)
            holds = f"{held / stated:.1%}" if stated > of / 2 else "-"  # of few events the bootstrap states none
            cells += [holds, f"{failed / of:.1%}", f"{passed / of:.1%}"]
        lines.append(f"| {population.name} | {population.form} | {' | '.join(cells)} |")
    return lines, least, *most


def _held_to(population, held, failed, passed, of):
    where = f"{population.form} of {population.name}"
    assert of - held <= allowed(LEVEL, of), f"{where}: {of - held} of {of} intervals miss the true value"
    assert failed <= allowed(LEVEL, of), f"{where}: {failed} of {of} failed, and none is beyond the limit"
    if population.at_limit:
        assert passed <= allowed(LEVEL / 2, of), f"{where}: {passed} of {of} passed at the limit"


if __name__ == "__main__":
    numbers = {
        "draws": (1000, "tables drawn from each population"),
        "replicates": (1000, "multinomial replicates for each interval"),
        "table": (("no", "yes"), "print the tables of docs/reference/gates/statistics.md first"),
    }
    sys.exit(program.run(trial, doc=__doc__, **numbers))

"""A gate that does wrong in the way that a policy asks for. Tests lay this file out as a distribution of its own."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tallystick.policy.plugin import Axis, CheckResult, Counted, Gate, Limits, Planned, Rows, Threshold, measured

CALLS, NEEDED = [], []


class Odd(BaseException):
    pass


class Sub(CheckResult):
    pass


def raising(*_):
    raise RuntimeError("SECRET")


def oddly(*_):
    raise Odd


def late(good):
    yield good[0]
    raise RuntimeError("SECRET")


def ever(good):
    while True:
        yield good[0]


def with_first(**changed):
    return lambda good: [replace(good[0], **changed), good[1]]


HOW = {
    "raises": raising,
    "raises late": late,
    "raises oddly": oddly,
    "exits": lambda good: sys.exit(0),
    "ends": lambda good: os._exit(0),
    "is killed": lambda good: os.kill(os.getpid(), signal.SIGKILL),
    "waives itself": with_first(verdict="waived"),
    "another": with_first(id="r/c"),
    "too few": lambda good: good[:1],
    "none": lambda good: None,
    "plan is empty": lambda good: [],
    "too many": lambda good: [*good, replace(good[0], id="r/c")],
    "double": lambda good: [*good, good[0]],
    "for ever": ever,
    "nan by hand": with_first(value=float("nan")),
    "infinity": with_first(value=float("inf")),
    "no value": with_first(value=None),
    "odd verdict": with_first(verdict="green"),
    "odd threshold": with_first(threshold={"x": {1, 2}}),
    "odd number": with_first(n=2**70),
    "no results": lambda good: ["pass", "pass"],
    "of another": with_first(gate="other"),
    "for another": lambda good: [replace(good[0], id="other/a"), *good],
    "subclass": lambda good: [Sub(**vars(one)) for one in good],
}


class Rogue(Gate):
    type: Literal["rogue"]
    how: str

    def plan(self):
        CALLS.append(1)
        names = {"plan changes": [f"a{len(CALLS)}"], "plan is empty": []}.get(self.how, ["a", "b"])
        if self.how == "plan changes later" and len(CALLS) > 8:
            names = ["a"]
        if self.how == "plan raises":
            raise RuntimeError("SECRET")
        if self.how == "plan exits":
            sys.exit(0)
        before = "other" if self.how == "plan is of another" else self.id
        return [Planned(f"{before}/{name}", "all is well") for name in names]

    def needs(self, inputs):
        if self.how == "needs raises":
            raise RuntimeError("SECRET")
        if self.how == "needs exits":
            sys.exit(0)
        NEEDED.append(1)
        if len(NEEDED) == {"changes the data": 1, "changes the data late": 2}.get(self.how):
            Path("good.csv").replace("data.csv")
        yield Rows(("band",)) if "rows" in self.how else Counted((Axis("band"),))

    def judge(self, evidence, setting):
        value = float("nan") if self.how == "nan" else 0.0
        limits = Limits(Threshold.parse("> 0.5"), None)
        good = [measured(self, f"{self.id}/{name}", value, limits, what="x", n=1) for name in "ab"]
        CALLS.extend([1] * 8)
        return HOW.get(self.how, list)(good)

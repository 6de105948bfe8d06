"""``gate test`` and ``gate selftest``: what a policy would say, before it says it of a model. No ledger is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tallystick.cli.front import Front, columns, front, wrapped

if TYPE_CHECKING:
    from tallystick.policy.cases import Finding
    from tallystick.policy.selftest import Shown

__all__ = ["selftest", "test"]

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("policy", type=_FILE)
@click.option("--cases", "file", type=_FILE, help="The file of cases; else POLICY with .cases.yaml as its ending.")
@front
def test(front: Front, policy: Path, file: Path | None) -> int:
    """Try the cases that are kept beside the policy file POLICY. The ledger is not needed.

    Exits 0 if every case came to the verdicts it names, 1 if one did not, 3 if they cannot be read. Checks of which no
    case expects anything are listed.
    """
    from tempfile import TemporaryDirectory

    from tallystick.policy import cases
    from tallystick.workflow import evaluate

    found = evaluate.checked(policy)
    given = cases.load(file or cases.beside(policy), found)
    with TemporaryDirectory() as folder:
        findings = [finding for case in given for finding in cases.try_case(found, case, Path(folder))]
    missing = list(cases.uncovered(found, given))
    failed = [finding for finding in findings if not finding.holds]
    value = {
        "schema": "tallystick/policy-cases/v1",
        "policy": {"id": found.id, "version": found.version, "digest": found.digest},
        "cases": [_finding(finding) for finding in findings],
        "uncovered": missing,
        "verdict": "fail" if failed else "pass",
    }
    front.print(value, _cases(findings, missing, len(given)))
    return 1 if failed else 0


def _finding(finding: Finding) -> dict[str, object]:
    parts = ("case", "of", "expected", "got", "reason")
    return {name: getattr(finding, name) for name in parts} | {"holds": finding.holds}


def _cases(findings: Sequence[Finding], missing: Sequence[str], given: int) -> list[str]:
    from tallystick.report.words import plural

    rows = [("case", "of", "expected", "got"), *((f.case, f.of, f.expected, f.got) for f in findings)]
    lines = columns(rows)
    for finding in findings:
        if not finding.holds:
            lines += wrapped(f"OTHERWISE  {finding.case}, {finding.of}: {finding.reason}", "")
    lines += [f"note: no case expects anything of {check}" for check in missing]
    failed = sum(not finding.holds for finding in findings)
    tried = f"{plural(given, 'case')}, {plural(len(findings), 'expectation')}"
    return [*lines, f"{tried}, {failed or 'none'} came out otherwise"]


@click.command()
@click.argument("policy", type=_FILE)
@click.option("--data", type=_FILE, help="Sound data, CSV or Parquet; else they are made from the policy.")
@front
def selftest(front: Front, policy: Path, data: Path | None) -> int:
    """Put one defect for each check of the file POLICY into sound data, and see that it is caught.

    Exits 0 if every check was green without its defect and not green with it, 1 if one was not. The ledger is not
    needed, and nothing is recorded.
    """
    from tempfile import TemporaryDirectory

    from tallystick.policy.selftest import examine
    from tallystick.report.words import plural
    from tallystick.workflow import evaluate
    from tallystick.workflow.desk import now

    found = evaluate.checked(policy)
    with TemporaryDirectory() as folder:
        shown = list(examine(found, Path(folder), at=now(), data=data))
    missed = [one for one in shown if not one.caught]
    value = {
        "schema": "tallystick/policy-selftest/v1",
        "policy": {"id": found.id, "version": found.version, "digest": found.digest},
        "checks": [_shown(one) for one in shown],
        "verdict": "fail" if missed else "pass",
    }
    rows = [("check", "defect", "caught", "verdict"), *((s.check, s.defect, _yes(s.caught), s.verdict) for s in shown)]
    said = [line for one in missed for line in wrapped(f"NOT SHOWN  {one.check}: {one.reason}", "")]
    told = f"{len(shown) - len(missed)} of {plural(len(shown), 'check')} caught a defect"
    front.print(value, [*columns(rows), *said, told])
    return 1 if missed else 0


def _shown(one: Shown) -> dict[str, object]:
    return {name: getattr(one, name) for name in ("check", "defect", "caught", "verdict", "reason")}


def _yes(caught: bool) -> str:
    return "yes" if caught else "NO"

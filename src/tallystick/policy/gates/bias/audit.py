"""The tables of an audit under Local Law 144 from recorded count tables, with nothing withheld.

What is published by law has figures on small categories too; results, which cannot be erased, have not. Count tables
can be erased: what is said here can be said as long as they are there.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tallystick.canonical import Value, decode, encode
from tallystick.policy.document import Policy
from tallystick.policy.evidence import Evidence, Setting
from tallystick.policy.gates.bias.groups import cannot, cases
from tallystick.policy.gates.bias.law import published
from tallystick.policy.gates.bias.model import BiasGate

__all__ = ["FIGURES", "tables"]

FIGURES: Final = "ll144"
"""Under which name results hold such a table among their figures."""


def tables(policy: Policy, evidence: Value) -> dict[str, Mapping[str, Value]]:
    """The tables of checks that were judged, by id, in the form that results have on the ledger.

    Args:
        policy: under which the evaluation was made.
        evidence: its count tables, as :attr:`tallystick.policy.judge.Outcome.evidence` was recorded.

    Raises:
        InvalidData: the tables are not of the known form, or do not hold what the policy needs.
    """
    counts = Evidence.from_json(evidence).counted()
    setting = Setting(favourable=policy.favourable, confidence=policy.confidence, inputs=policy.document.inputs)
    gates = [gate for gate in policy.gates if isinstance(gate, BiasGate)]
    audits = [case for gate in gates for case in cases(gate, counts, setting) if case.is_audit and not cannot(case)]
    found = ((case.id, published(case)) for case in audits)
    return {id: decode(encode(table)) for id, table in found if table is not None}

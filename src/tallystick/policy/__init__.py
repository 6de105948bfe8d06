"""Policy gates judge records of predictions: they read a policy and a data file, and return check results.

The room judges and never writes. It knows no ledger, no person and no clock.

* ``document`` reads a policy file (YAML) into a frozen :class:`~tallystick.policy.document.Policy` with its plan.
* ``engines`` scans a data file once and returns integer counts; nothing else touches rows for count-based checks.
* ``gates`` turn counts (and, for schemas and scores, columns) into check results.
* ``judge`` runs the plan, compares what ran with what was planned, and rolls the verdicts up.

Heavy libraries load when a gate first needs them.
"""

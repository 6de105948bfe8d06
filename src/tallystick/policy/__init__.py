"""Policy gates judge records of predictions: they read a policy and a data file, and return check results.

The room judges and never writes. It knows no ledger, no person and no clock.

* ``document`` reads a policy file (YAML) into a frozen :class:`~tallystick.policy.document.Policy` with its plan.
* ``language`` says which keys there are and what a gate is; ``registry`` knows the gates, ours and those installed.
* ``engines`` scans a data file and returns integer counts; nothing else touches rows for count-based checks.
* ``evidence`` is what gates need of the data and what was found, apart from any verdict.
* ``gates`` turn evidence into check results.
* ``judge`` runs the plan, compares what ran with what was planned, and rolls the verdicts up.

Heavy libraries load when a gate first needs them.
"""

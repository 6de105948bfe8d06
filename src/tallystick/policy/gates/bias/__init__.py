"""The bias gate: are groups of people treated alike?

* ``model``: the keys that a policy may write, the plan and what is asked of the data;
* ``groups``: which groups a check compares, which it leaves out, and what stops it;
* ``judge``: one result for each planned check;
* ``law``: what rules of law add: ``four_fifths`` (29 CFR 1607.4(D)) and ``ll144`` (6 RCNY 5-300 to 5-303);
* ``reference``: the same values computed once more by fairlearn.

Metrics come from count tables, never row by row.
"""

"""The benchmark gate: is a model right often enough, cheap enough, calibrated, and no worse than the one it replaces?

* ``scorers``: the table of measures that a policy can name, with direction, formula and interval;
* ``model``: the keys that a policy may write, the plan and what is asked of the data;
* ``judge``: one result for each planned check; measures of the data and recorded ones;
* ``versus``: challenger against champion, from counts of pairs or from rows of pairs;
* ``calibration``: scores against outcomes, from a histogram of counts;
* ``rows``: measures that need the rows, with the influence of each row on them.

It reads recorded predictions, never a model file.
"""

"""The audit report: `view` says what was decided, `render` draws it, `seal` signs it. Nothing here judges again.

`exports` tells the results of one evaluation in the formats of build servers.
"""

"""The gates: a module or package for each type, a function from a gate of the policy and what it needs to results."""

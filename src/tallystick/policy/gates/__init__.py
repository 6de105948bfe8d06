"""The gates: one module or package for each gate type, a function from a gate of the policy and what it needs to results."""

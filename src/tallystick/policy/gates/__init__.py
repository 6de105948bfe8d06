"""The gates: one module for each gate type, each a function from a gate of the policy and what it needs to results."""

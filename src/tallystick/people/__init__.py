"""Who may do what, derived from entries alone: keys and roles, duties along the lineage, the rules of promotion.

Pure: the same code decides when a person approves and when an auditor verifies years later.
"""

"""The path as verbs: set up, record, run, evaluate, decide, issue, verify. The clock enters here, and nowhere below."""

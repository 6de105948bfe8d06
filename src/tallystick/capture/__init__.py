"""Collects records from the outside world: files, datasets, git, the environment, parameters, models, documents.

Every function here reads something and returns a frozen :class:`~tallystick.capture.captured.Captured`; nothing is
appended, no ledger is known, no captured file is executed or unpickled. Where the world cannot be read as it was
(a file that changes meanwhile, a repository without a commit) there is an error and no record.
"""

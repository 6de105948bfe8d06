"""The ledger room: entries in order, hashed, signed as a whole, and stored so that what was acknowledged stays.

:mod:`~tallystick.ledger.ledger` creates, opens and appends; :mod:`~tallystick.ledger.reading` reads and proves;
:mod:`~tallystick.ledger.fsck` derives everything again. :mod:`~tallystick.ledger.database` and
:mod:`~tallystick.ledger.guards` know SQLite, :mod:`~tallystick.ledger.tables` its tables; nobody else does.
"""

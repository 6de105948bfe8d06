"""The ledger room: entries in order, hashed, signed as a whole, and stored so that what was acknowledged stays.

:mod:`~tallystick.ledger.ledger` creates, opens and appends, for one thread; :mod:`~tallystick.ledger.sequencer`
appends for all threads of a process. :mod:`~tallystick.ledger.reading` reads and proves;
:mod:`~tallystick.ledger.fsck` derives everything again. :mod:`~tallystick.ledger.sqlite` and
:mod:`~tallystick.ledger.postgres` know the two places where a ledger is kept; nobody else does.
"""

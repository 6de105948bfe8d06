"""How a ledger's layout came to be, revision by revision, for alembic. Revision ``NNNN`` makes layout NNNN.

A revision is frozen once it was released: its statements are written out, for each database, and nothing of ours is
imported.
:mod:`tallystick.ledger.versions` runs them.
"""

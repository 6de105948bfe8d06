"""Run by alembic: brings the connection that :mod:`tallystick.ledger.versions` handed over to the newest layout.

There is no address here and no setting: a ledger is opened by its own store, inside its own transaction.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()

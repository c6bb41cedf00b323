"""Alembic's entry: upgrade the connection that `registry_hooks.database` holds a lock on."""

from alembic import context

from registry_hooks.database import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()

"""Run by Alembic. The connection is handed in by `hotline.store.migrate`, which owns the transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None, render_as_batch=True)
context.run_migrations()

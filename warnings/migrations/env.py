"""Alembic's environment: runs on the connection that `open_database` hands it."""

from alembic import context

from jinghu.warnings.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()

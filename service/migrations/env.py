"""Runs the migrations over the connection that `service.catalog.database` opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from service.catalog.models import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables,
    transactional_ddl=True,  # SQLite too: the connection begins its transactions explicitly
    render_as_batch=True,  # SQLite alters tables by copying them
)
with context.begin_transaction():
    context.run_migrations()

"""Runs the migrations on the engine that `patchgap.storage` hands over, under its write lock."""

from __future__ import annotations

from alembic import context

from patchgap.storage import writing

with writing(context.config.attributes["engine"]) as connection:
    context.configure(connection=connection, transactional_ddl=False)
    context.run_migrations()

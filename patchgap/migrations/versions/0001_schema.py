"""The first schema: every table of graph/ and incident/, as their modules declare them."""

from __future__ import annotations

from importlib import import_module

from alembic import op

from patchgap.storage import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    for module in ("patchgap.graph.tables", "patchgap.incident.tables"):
        import_module(module)
    metadata.create_all(op.get_bind())

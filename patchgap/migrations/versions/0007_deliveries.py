"""Deliveries of SBOMs, by their ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "graph_delivery",
        sa.Column("delivery", sa.Text(), nullable=False, primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
    )

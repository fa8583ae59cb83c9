"""Which cluster is being watched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "graph_watch",
        sa.Column("cluster", sa.Text(), nullable=False, primary_key=True),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.Text(), nullable=False),
    )

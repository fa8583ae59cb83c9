"""The platforms of indexes, which digests each SBOM names, and deliveries of SBOMs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("graph_sbom", sa.Column("named", sa.Text(), server_default="[]", nullable=False))
    op.create_table(
        "graph_platform",
        sa.Column("index_digest", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("index_digest", "digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("graph_platform_digest", "graph_platform", ["digest"])
    op.create_table(
        "graph_delivery",
        sa.Column("delivery", sa.Text(), nullable=False, primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Text(), nullable=False),
    )

"""The platforms of indexes, and which digests each SBOM names."""

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

"""VEX statements, found by the vulnerability's ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "graph_vex",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, primary_key=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
    )
    op.create_index("ix_graph_vex_document", "graph_vex", ["document"])
    op.create_table(
        "graph_vex_name",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vex_id", sa.Integer(), sa.ForeignKey("graph_vex.id"), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name", "vex_id"),
        sqlite_with_rowid=False,
    )

"""What was read of advisories' mirrors, and which components their advisories touch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "graph_mirror",
        sa.Column("id", sa.Integer(), nullable=False, primary_key=True, autoincrement=False),
        sa.Column("path", sa.Text(), nullable=False, unique=True),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("components", sa.Integer(), nullable=False),
    )
    op.create_table(
        "graph_advisory",
        sa.Column("id", sa.Integer(), nullable=False, primary_key=True, autoincrement=False),
        sa.Column("mirror_id", sa.Integer(), sa.ForeignKey("graph_mirror.id"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("ident", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary()),
        sa.UniqueConstraint("mirror_id", "source"),
    )
    for name, word in (("graph_advisory_place", "place"), ("graph_advisory_name", "name")):
        op.create_table(
            name,
            sa.Column(word, sa.Text(), nullable=False, primary_key=True),
            sa.Column(
                "advisory_id", sa.Integer(), sa.ForeignKey("graph_advisory.id"), nullable=False, primary_key=True,
                autoincrement=False, index=True,
            ),
            sqlite_with_rowid=False,
        )  # fmt: skip
    op.create_table(
        "graph_advisory_match",
        sa.Column(
            "advisory_id", sa.Integer(), sa.ForeignKey("graph_advisory.id"), nullable=False, primary_key=True,
            autoincrement=False,
        ),
        sa.Column(
            "component_id", sa.Integer(), sa.ForeignKey("graph_component.id"), nullable=False, primary_key=True,
            autoincrement=False,
        ),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )  # fmt: skip

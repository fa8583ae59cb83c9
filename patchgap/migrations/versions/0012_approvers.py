"""Codes of one use by which a person proves who approves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "approver_code",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.String(40), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.String(40), nullable=False),
        sa.Column("used_at", sa.String(40), nullable=False),
        sa.Column("used_for", sa.String(40), nullable=False),
    )

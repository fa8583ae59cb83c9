"""What each incident intends to change, so that an hour's limit is counted over all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "touched",
        sa.Column("incident", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(1000), primary_key=True),
        sa.Column("at", sa.Float(53), nullable=False, index=True),
        sa.Column("intended", sa.Boolean(), nullable=False),
    )

"""What workloads were ever labelled with, and indices of the SBOMs that leave something open: a question reads neither
every workload nor every SBOM.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_SUBSETS = {
    "graph_sbom_empty": "packages = 0",
    "graph_sbom_hiding": "hides <> '[]'",
    "graph_sbom_partial": "NOT whole OR replace(lists, '~', '') <> lists",
}


def upgrade() -> None:
    for name, text in _SUBSETS.items():
        op.create_index(name, "graph_sbom", ["image_id"], sqlite_where=sa.text(text), postgresql_where=sa.text(text))
    table = op.create_table(
        "graph_label",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "value"),
        sqlite_with_rowid=False,
    )
    rows = op.get_bind().execute(sa.text("SELECT cluster, namespace, document FROM graph_workload"))
    found = {label for row in rows for label in _labels(*row)}
    op.bulk_insert(table, [{"dimension": dimension, "value": value} for dimension, value in sorted(found)])


def _labels(cluster: str, namespace: str, document: str) -> Iterator[tuple[str, str]]:
    held = json.loads(document)
    yield "cluster", cluster
    yield "namespace", namespace
    yield "environment", held.get("environment", "unknown")
    yield "region", held.get("region", "unknown")
    yield "classification", held.get("data_scope", {}).get("classification", "unknown")

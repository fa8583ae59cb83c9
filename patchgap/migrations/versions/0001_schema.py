"""The first schema, as it was: what it makes never changes, whatever the modules declare now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "graph_cluster",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("refreshed_at", sa.Text(), nullable=True),
        sa.Column("unreachable_since", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("unknown", sa.Text(), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("cluster"),
    )
    op.create_table(
        "graph_component",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=False),
        sa.Column("ecosystem", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("purl", sa.Text(), nullable=False),
        sa.Column("distro", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
    )
    op.create_index("ix_graph_component_key", "graph_component", ["key"], unique=False)
    op.create_index("ix_graph_component_source_key", "graph_component", ["source_key"], unique=False)
    op.create_table(
        "graph_image",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("repository", sa.Text(), server_default="", nullable=False),
        sa.Column("commit_id", sa.Text(), server_default="", nullable=False),
        sa.Column("provenance", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "graph_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "graph_workload",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("graph_workload_place", "graph_workload", ["cluster", "namespace", "kind", "name"], unique=False)
    op.create_table(
        "incident",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("opened_at", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "signal",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("received_at", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("incident", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("delivery_id"),
    )
    op.create_index("ix_signal_state", "signal", ["state"], unique=False)
    op.create_table(
        "stop",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("raised", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "entry",
        sa.Column("incident", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("previous", sa.String(length=80), nullable=False),
        sa.Column("hash", sa.String(length=80), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"],
            ["incident.id"],
        ),
        sa.PrimaryKeyConstraint("incident", "seq"),
        sa.UniqueConstraint("incident", "previous"),
    )
    op.create_table(
        "graph_container",
        sa.Column("workload_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=True),
        sa.Column("exposed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["graph_image.id"],
        ),
        sa.PrimaryKeyConstraint("workload_id", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_graph_container_image_id", "graph_container", ["image_id"], unique=False)
    op.create_table(
        "graph_digest",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["graph_image.id"],
        ),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_graph_digest_image_id", "graph_digest", ["image_id"], unique=False)
    op.create_table(
        "graph_sbom",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("packages", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["graph_image.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("document", "image_id"),
    )
    op.create_index("ix_graph_sbom_image_id", "graph_sbom", ["image_id"], unique=False)
    op.create_table(
        "incident_key",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("incident", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"],
            ["incident.id"],
        ),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_incident_key_incident", "incident_key", ["incident"], unique=False)
    op.create_table(
        "graph_occurrence",
        sa.Column("component_id", sa.Integer(), nullable=False),
        sa.Column("sbom_id", sa.Integer(), nullable=False),
        sa.Column("chains", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["component_id"],
            ["graph_component.id"],
        ),
        sa.ForeignKeyConstraint(
            ["sbom_id"],
            ["graph_sbom.id"],
        ),
        sa.PrimaryKeyConstraint("component_id", "sbom_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_graph_occurrence_sbom_id", "graph_occurrence", ["sbom_id"], unique=False)

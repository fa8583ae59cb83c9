"""The graph's tables.

An image has one row however many digests it goes by (index, platform and config digests are equivalents); SBOMs and
running containers hang on that row. Ids are given out under the lock that `state` is for.
"""

from __future__ import annotations

import sqlalchemy as sa

from patchgap.storage import metadata

state = sa.Table(
    "graph_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),  # one more with each write: what was remembered is void
)

image = sa.Table(
    "graph_image",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("repository", sa.Text, nullable=False, server_default=""),
    sa.Column("commit_id", sa.Text, nullable=False, server_default=""),
    sa.Column("provenance", sa.Text, nullable=False, server_default=""),
)

digest = sa.Table(
    "graph_digest",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("image_id", sa.ForeignKey("graph_image.id"), nullable=False, index=True),
)

component = sa.Table(
    "graph_component",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.Text, nullable=False, unique=True),  # the canonical purl, else name@version
    sa.Column("key", sa.Text, nullable=False, index=True),  # purl.loose_key of the name
    sa.Column("source_key", sa.Text, nullable=False, index=True),  # and of the source package, where there is one
    sa.Column("ecosystem", sa.Text, nullable=False),  # the purl's type; "" for a component without a purl
    sa.Column("vendor", sa.Text, nullable=False),  # the purl's namespace
    sa.Column("name", sa.Text, nullable=False),  # as the ecosystem writes it
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("purl", sa.Text, nullable=False),
    sa.Column("distro", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_version", sa.Text, nullable=False),
)

sbom = sa.Table(
    "graph_sbom",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("document", sa.Text, nullable=False),  # SHA-256 of the document as read
    sa.Column("image_id", sa.ForeignKey("graph_image.id"), nullable=False, index=True),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("root", sa.Text, nullable=False),  # the first link of every chain
    sa.Column("packages", sa.Integer, nullable=False),
    sa.Column("lists", sa.Text, nullable=False),  # the purl types of its packages, as coverage.listed writes them
    sa.Column("whole", sa.Boolean, nullable=False),  # it was made of a whole image, and not of an application in it
    sa.Column("added_at", sa.Text, nullable=False),
    sa.UniqueConstraint("document", "image_id"),
)

occurrence = sa.Table(
    "graph_occurrence",
    metadata,
    sa.Column("component_id", sa.ForeignKey("graph_component.id"), primary_key=True),
    sa.Column("sbom_id", sa.ForeignKey("graph_sbom.id"), primary_key=True, index=True),
    sa.Column("chains", sa.Text),  # "5 9;7 9": component ids below the root; NULL where nothing leads there
    sqlite_with_rowid=False,
)

cluster = sa.Table(
    "graph_cluster",
    metadata,
    sa.Column("cluster", sa.Text, primary_key=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("refreshed_at", sa.Text),
    sa.Column("unreachable_since", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("unknown", sa.Text, nullable=False, server_default="[]"),
    sa.Column("identity", sa.Text, nullable=False, server_default=""),
)

workload = sa.Table(
    "graph_workload",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cluster", sa.Text, nullable=False),
    sa.Column("namespace", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("graph_workload_place", "cluster", "namespace", "kind", "name"),
)

container = sa.Table(
    "graph_container",
    metadata,
    sa.Column("workload_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),  # in the workload's containers
    sa.Column("image_id", sa.ForeignKey("graph_image.id"), index=True),  # NULL where the digest is unknown
    sa.Column("exposed", sa.Boolean, nullable=False),  # runs, or would by schedule or scale
    sqlite_with_rowid=False,
)

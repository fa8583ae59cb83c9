"""The graph's tables.

An image has one row however many digests it goes by (index, platform and config digests are equivalents); SBOMs and
running containers hang on that row. An SBOM is made of sets: one of its distributions' packages, which images on the same
base share, and one of the others; a set that several SBOMs hold is stored once. A workload's row is never changed: when
the workload is seen otherwise, the row ends and another begins, so that any past moment can be asked for. Ids are given
out under the lock that `state` is for.
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

platform = sa.Table(  # of indexes of several platforms alone: an index of one is that image's other digest
    "graph_platform",
    metadata,
    sa.Column("index_digest", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),  # a platform's manifest, or its config
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),  # linux/arm64
    sa.Index("graph_platform_digest", "digest"),
    sqlite_with_rowid=False,
)

delivery = sa.Table(  # of what was sent in; kept for longer than a signature holds
    "graph_delivery",
    metadata,
    sa.Column("delivery", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),  # SHA-256 over the body and the image that it was sent for
    sa.Column("received_at", sa.Text, nullable=False),
)

component = sa.Table(
    "graph_component",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identity", sa.BigInteger, nullable=False, index=True),  # ingest.fingerprint: the columns tell two apart
    sa.Column("key", sa.Text, nullable=False, index=True),  # purl.loose_key of the name
    sa.Column("source_key", sa.Text),  # and of the source package, where its name is another
    sa.Column("ecosystem", sa.Text, nullable=False),  # the purl's type; "" for a component without a purl
    sa.Column("vendor", sa.Text, nullable=False),  # the purl's namespace
    sa.Column("name", sa.Text, nullable=False),  # as the ecosystem writes it
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("purl", sa.Text, nullable=False),
    sa.Column("distro", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_version", sa.Text, nullable=False),
)
sa.Index(
    "graph_component_source",
    component.c.source_key,
    sqlite_where=component.c.source_key.is_not(None),
    postgresql_where=component.c.source_key.is_not(None),
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
    sa.Column("lists", sa.Text, nullable=False, server_default=""),  # its purl types, as coverage.listed writes them
    sa.Column("whole", sa.Boolean, nullable=False, server_default=sa.false()),  # of a whole image, not of what it holds
    sa.Column("gaps", sa.Text, nullable=False, server_default="[]"),  # JSON: what it leaves open of its packages
    sa.Column(
        "hides", sa.Text, nullable=False, server_default="[]"
    ),  # JSON: where packages may be that it does not list
    sa.Column("added_at", sa.Text, nullable=False),
    sa.Column("named", sa.Text, nullable=False, server_default="[]"),  # JSON: the digests that it says the image has
    sa.UniqueConstraint("document", "image_id"),
)
for _name, _subset in {  # the SBOMs that leave something open, mostly few: `blind` says the same words
    "graph_sbom_empty": "packages = 0",
    "graph_sbom_hiding": "hides <> '[]'",
    "graph_sbom_partial": "NOT whole OR replace(lists, '~', '') <> lists",
}.items():
    sa.Index(_name, sbom.c.image_id, sqlite_where=sa.text(_subset), postgresql_where=sa.text(_subset))

part = sa.Table(
    "graph_set",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("content", sa.Text, nullable=False, unique=True),  # SHA-256 over its members and their chains
    sa.Column("members", sa.LargeBinary, nullable=False),  # the component ids, four bytes each, ascending
)

sbom_part = sa.Table(
    "graph_sbom_set",
    metadata,
    sa.Column("set_id", sa.ForeignKey("graph_set.id"), primary_key=True, autoincrement=False),
    sa.Column("sbom_id", sa.ForeignKey("graph_sbom.id"), primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)

occurrence = sa.Table(
    "graph_occurrence",
    metadata,
    sa.Column("component_id", sa.ForeignKey("graph_component.id"), primary_key=True, autoincrement=False),
    sa.Column("set_id", sa.ForeignKey("graph_set.id"), primary_key=True, autoincrement=False),
    sa.Column("chains", sa.Text),  # "5 9;7 9": component ids below the root; NULL where nothing leads there
    sqlite_with_rowid=False,
)

cluster = sa.Table(
    "graph_cluster",
    metadata,
    sa.Column("cluster", sa.Text, primary_key=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("identity", sa.Text, nullable=False, server_default=""),  # what the control plane is known by
    sa.Column("first_read_at", sa.Text),
    sa.Column("refreshed_at", sa.Text),
    sa.Column("unreachable_since", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("unknown", sa.Text, nullable=False, server_default="[]"),
)

outage = sa.Table(  # when a cluster did not answer: what ran there then is not known
    "graph_outage",
    metadata,
    sa.Column("cluster", sa.Text, primary_key=True),
    sa.Column("since", sa.Text, primary_key=True),
    sa.Column("until", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
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
    sa.Column("since", sa.Text, nullable=False, server_default=""),  # first seen so
    sa.Column("until", sa.Text),  # first seen otherwise, or gone; NULL while it stands
    sa.Index("graph_workload_place", "cluster", "namespace", "kind", "name"),
)
sa.Index(
    "graph_workload_live",
    workload.c.cluster,
    sqlite_where=workload.c.until.is_(None),
    postgresql_where=workload.c.until.is_(None),
)

label = sa.Table(  # every value that any workload ever had: what a filter may ask for
    "graph_label",
    metadata,
    sa.Column("dimension", sa.Text, primary_key=True),  # of selection.DIMENSIONS
    sa.Column("value", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)

container = sa.Table(
    "graph_container",
    metadata,
    sa.Column("workload_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),  # in the workload's containers
    sa.Column("image_id", sa.ForeignKey("graph_image.id")),  # NULL where the digest is unknown
    sa.Column("exposed", sa.Boolean, nullable=False),  # runs, or would by schedule or scale
    sa.Column("live", sa.Boolean, nullable=False, server_default=sa.true()),  # its workload's row stands
    sa.Index("graph_container_image", "image_id", "live"),
    sqlite_with_rowid=False,
)

watch = sa.Table(
    "graph_watch",
    metadata,
    sa.Column("cluster", sa.Text, primary_key=True),
    sa.Column("since", sa.Text, nullable=False),  # it has told everything from then on
    sa.Column("heard_at", sa.Text, nullable=False),  # all until then is in the graph
)

vex = sa.Table(
    "graph_vex",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("document", sa.Text, nullable=False, index=True),  # SHA-256 of the document that makes the statement
    sa.Column("statement", sa.Text, nullable=False),  # JSON of a VexStatement
    sa.Column("added_at", sa.Text, nullable=False),
)

vex_name = sa.Table(
    "graph_vex_name",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # an id of the vulnerability, in lower case
    sa.Column("vex_id", sa.ForeignKey("graph_vex.id"), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

mirror = sa.Table(  # of advisories
    "graph_mirror",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("path", sa.Text, nullable=False, unique=True),
    sa.Column("rules", sa.Text, nullable=False),  # what its advisories were judged by: advisories.rules
    sa.Column(
        "components", sa.Integer, nullable=False
    ),  # judged up to this id; a component is never changed or removed
)

advisory = sa.Table(
    "graph_advisory",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("mirror_id", sa.ForeignKey("graph_mirror.id"), nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # the record's file, or its member of a zip
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column(
        "problem", sa.Text, nullable=False
    ),  # why it cannot be read; the rest is then of the last time that it could
    sa.Column("ident", sa.Text, nullable=False),  # "" where it never could
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("withdrawn", sa.Boolean, nullable=False),
    sa.Column("kinds", sa.Text, nullable=False),  # JSON: the purl types of the packages that it names
    sa.Column("document", sa.LargeBinary),  # the Advisory without its prose, as deflated JSON
    sa.UniqueConstraint("mirror_id", "source"),
)

advisory_place = sa.Table(
    "graph_advisory_place",
    metadata,
    sa.Column("place", sa.Text, primary_key=True),  # index.places, as `pypi:torch`
    sa.Column("advisory_id", sa.ForeignKey("graph_advisory.id"), primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)

advisory_name = sa.Table(
    "graph_advisory_name",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # its id and its aliases
    sa.Column("advisory_id", sa.ForeignKey("graph_advisory.id"), primary_key=True, autoincrement=False, index=True),
    sqlite_with_rowid=False,
)

advisory_match = sa.Table(
    "graph_advisory_match",
    metadata,
    sa.Column("advisory_id", sa.ForeignKey("graph_advisory.id"), primary_key=True, autoincrement=False),
    sa.Column("component_id", sa.ForeignKey("graph_component.id"), primary_key=True, autoincrement=False),
    sa.Column("standing", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("found_at", sa.Text, nullable=False),  # stays where the record changes and the match does not
    sqlite_with_rowid=False,
)

"""SBOMs are made of sets that are stored once, and workloads' rows are intervals.

What the graph held is carried over: each SBOM's occurrences become one set, and what runs has begun at its cluster's
last reading.
"""

from __future__ import annotations

import hashlib
from array import array
from hashlib import blake2b

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_PACKAGE = ("ecosystem", "vendor", "name", "version", "purl", "distro", "source", "source_version")
_LIVE, _NAMED = sa.text("until IS NULL"), sa.text("source_key IS NOT NULL")


def upgrade() -> None:
    connection = op.get_bind()
    _components(connection)
    for name in ("gaps", "hides"):
        op.add_column("graph_sbom", sa.Column(name, sa.Text(), server_default="[]", nullable=False))
    _sets(connection)
    op.drop_table("graph_occurrence")
    op.drop_table("graph_component")
    op.rename_table("graph_component_new", "graph_component")
    op.rename_table("graph_occurrence_new", "graph_occurrence")
    op.create_index("ix_graph_component_identity", "graph_component", ["identity"])
    op.create_index("ix_graph_component_key", "graph_component", ["key"])
    op.create_index(
        "graph_component_source", "graph_component", ["source_key"], sqlite_where=_NAMED, postgresql_where=_NAMED
    )
    _intervals()


def _components(connection: sa.Connection) -> None:
    """The identity becomes a number that finds a package; a source package's key stands only where it is another."""
    new = op.create_table(
        "graph_component_new",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, primary_key=True),
        sa.Column("identity", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source_key", sa.Text(), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _PACKAGE),
    )
    held = sa.text(f"SELECT id, key, source_key, {', '.join(_PACKAGE)} FROM graph_component")  # noqa: S608
    rows = [
        {
            "id": id_,
            "identity": _fingerprint(package),
            "key": key,
            "source_key": source if source != key else None,
            **dict(zip(_PACKAGE, package, strict=True)),
        }
        for id_, key, source, *package in connection.execute(held)
    ]
    op.bulk_insert(new, rows)


def _fingerprint(package: list[str]) -> int:
    text = "\0".join(package).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def _sets(connection: sa.Connection) -> None:
    part = op.create_table(
        "graph_set",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, primary_key=True),
        sa.Column("content", sa.Text(), nullable=False, unique=True),
        sa.Column("members", sa.LargeBinary(), nullable=False),
    )
    sbom_part = op.create_table(
        "graph_sbom_set",
        sa.Column("set_id", sa.Integer(), sa.ForeignKey("graph_set.id"), autoincrement=False, nullable=False),
        sa.Column("sbom_id", sa.Integer(), sa.ForeignKey("graph_sbom.id"), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("set_id", "sbom_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_graph_sbom_set_sbom_id", "graph_sbom_set", ["sbom_id"])
    occurrence = op.create_table(
        "graph_occurrence_new",
        sa.Column("component_id", sa.Integer(), sa.ForeignKey("graph_component_new.id"), nullable=False),
        sa.Column("set_id", sa.Integer(), sa.ForeignKey("graph_set.id"), nullable=False),
        sa.Column("chains", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("component_id", "set_id"),
        sqlite_with_rowid=False,
    )
    sets: dict[str, int] = {}
    for (sbom_id,) in connection.execute(sa.text("SELECT id FROM graph_sbom ORDER BY id")).all():
        of = sa.text("SELECT component_id, chains FROM graph_occurrence WHERE sbom_id = :sbom ORDER BY 1")
        members = [(row[0], row[1]) for row in connection.execute(of, {"sbom": sbom_id})]
        if not members:
            continue
        packed = array("I", [id_ for id_, _ in members]).tobytes()
        told = "\n".join(f"{id_} {path}" for id_, path in members if path is not None)
        content = hashlib.sha256(packed + told.encode()).hexdigest()
        if content not in sets:
            set_id = sets[content] = len(sets) + 1
            op.bulk_insert(part, [{"id": set_id, "content": content, "members": packed}])
            op.bulk_insert(
                occurrence, [{"component_id": id_, "set_id": set_id, "chains": path} for id_, path in members]
            )
        op.bulk_insert(sbom_part, [{"set_id": sets[content], "sbom_id": sbom_id}])


def _intervals() -> None:
    op.add_column("graph_cluster", sa.Column("first_read_at", sa.Text(), nullable=True))
    op.execute("UPDATE graph_cluster SET first_read_at = refreshed_at")
    op.create_table(
        "graph_outage",
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "since"),
    )
    op.add_column("graph_workload", sa.Column("since", sa.Text(), server_default="", nullable=False))
    op.add_column("graph_workload", sa.Column("until", sa.Text(), nullable=True))
    op.execute(
        "UPDATE graph_workload SET since = coalesce((SELECT substr(refreshed_at, 1, 19) || '.000000Z'"
        " FROM graph_cluster WHERE graph_cluster.cluster = graph_workload.cluster), '')"
    )
    op.create_index("graph_workload_live", "graph_workload", ["cluster"], sqlite_where=_LIVE, postgresql_where=_LIVE)
    op.add_column("graph_container", sa.Column("live", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.drop_index("ix_graph_container_image_id", "graph_container")
    op.create_index("graph_container_image", "graph_container", ["image_id", "live"])

"""What each SBOM could have listed: the purl types in it, and whether it was made of a whole image; and each cluster's
identity, which the next refresh fills in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_SYSTEM = ("apk", "deb", "rpm")
_HELD = (
    "SELECT o.sbom_id, c.ecosystem, max(CASE WHEN c.source <> '' THEN 1 ELSE 0 END),"
    " max(CASE WHEN c.name LIKE 'lib%' THEN 1 ELSE 0 END)"
    " FROM graph_occurrence o JOIN graph_component c ON c.id = o.component_id GROUP BY o.sbom_id, c.ecosystem"
)


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("graph_cluster", sa.Column("identity", sa.Text, nullable=False, server_default=""))
    op.add_column("graph_sbom", sa.Column("lists", sa.Text, nullable=False, server_default=""))
    op.add_column("graph_sbom", sa.Column("whole", sa.Boolean, nullable=False, server_default=sa.false()))
    kinds: dict[int, set[str]] = {}
    for sbom_id, kind, sources, libraries in connection.execute(sa.text(_HELD)):
        blurred = kind in {"apk", "deb"} and libraries and not sources
        kinds.setdefault(sbom_id, set()).add(f"{kind}~" if blurred else kind)
    sbom = sa.table("graph_sbom", sa.column("id"), sa.column("root"), sa.column("lists"), sa.column("whole"))
    for row in connection.execute(sa.select(sbom.c.id, sbom.c.root)).all():
        held = kinds.get(row.id, set()) - {""}
        # What the document said of itself is not kept; an image's names the digest.
        whole = "sha256:" in row.root.replace("%3A", ":") or not {kind.rstrip("~") for kind in held}.isdisjoint(_SYSTEM)
        connection.execute(
            sa.update(sbom).where(sbom.c.id == row.id).values(lists=" ".join(sorted(held)), whole=sa.literal(whole))
        )

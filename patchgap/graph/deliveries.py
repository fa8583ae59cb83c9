"""What was sent in, by its delivery's id: which came before, and with which content.

Owns the table of deliveries. What a repeated one means is for whoever took it: a deployment event changes nothing a second
time, and an SBOM is the same SBOM.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from patchgap.errors import ConflictError
from patchgap.graph import tables
from patchgap.graph.reading import of_connection, sortable
from patchgap.storage import insert_many


def deliver(connection: sa.Connection, delivery: str, content: str, at: datetime) -> bool:
    """Notes a delivery by its id and what it holds (a digest); False where it came before. Raises ConflictError where
    that id came with something else. A delivery is forgotten after a day, long after its signature is too old."""
    run = of_connection(connection)
    run("DELETE FROM graph_delivery WHERE received_at < :old", {"old": sortable(at - timedelta(days=1))})
    held = run("SELECT content FROM graph_delivery WHERE delivery = :delivery", {"delivery": delivery})
    if held and held[0][0] != content:
        raise ConflictError(f"the delivery {delivery} came before with another content", "Give it an id of its own.")
    if not held:
        insert_many(connection, tables.delivery, ((delivery, content, sortable(at)),))
    return not held

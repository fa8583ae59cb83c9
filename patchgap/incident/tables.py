"""The incident's tables: the signals' inbox, the incidents with their open keys, the ledger, the kill switch, the leases, the hour's count.

Times are canonical text (UTC, ending in Z), so that what is hashed is what is stored, on every database.
"""

from __future__ import annotations

import sqlalchemy as sa

from patchgap.storage import metadata

signal = sa.Table(
    "signal",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("delivery_id", sa.Text, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),  # canonical JSON
    sa.Column("received_at", sa.String(40), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("incident", sa.String(40), nullable=False),
    sa.UniqueConstraint("delivery_id"),
)

incident = sa.Table(
    "incident",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),  # open, closed, dismissed
    sa.Column("opened_at", sa.String(40), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),  # the last entry's, so that a cut tail shows
    sa.Column("head", sa.String(80), nullable=False),  # the last entry's hash
)

incident_key = sa.Table(  # the finding keys of open incidents: a key stands in one open incident
    "incident_key",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("incident", sa.String(40), sa.ForeignKey("incident.id"), nullable=False, index=True),
)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("incident", sa.String(40), sa.ForeignKey("incident.id"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("previous", sa.String(80), nullable=False),
    sa.Column("hash", sa.String(80), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # canonical JSON
    sa.UniqueConstraint("incident", "previous"),
)

stop = sa.Table(  # every raising and lowering; the last one stands
    "stop",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("raised", sa.Boolean, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
)

lease = sa.Table(  # who acts for an incident; `token` grows each time that another does, and is never forgotten
    "lease",
    metadata,
    sa.Column("incident", sa.String(40), primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),  # "" where it is free
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("beat", sa.Integer, nullable=False),  # the holder's signs of life
)

approver_code = sa.Table(  # a code of one use that a person was given; what it says, nobody can read here
    "approver_code",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("issued_at", sa.String(40), nullable=False),
    sa.Column("issued_by", sa.Text, nullable=False),
    sa.Column("expires_at", sa.String(40), nullable=False),
    sa.Column("used_at", sa.String(40), nullable=False),  # "" while it is not spent
    sa.Column("used_for", sa.String(40), nullable=False),  # the incident
)

touched = sa.Table(  # what each incident intends to change: the hour's limit counts them
    "touched",
    metadata,
    sa.Column("incident", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(1000), primary_key=True),  # a workload, or a target that serves none
    sa.Column("at", sa.Float(53), nullable=False, index=True),  # seconds since 1970
    sa.Column("intended", sa.Boolean, nullable=False),  # else only admitted, whole, with its plan
)

"""How much all incidents of this store change within an hour: counted with the intents, in their own transaction.

Each thing that an incident intends to change counts once, for as long as the incident lasts: what it contained already
is nothing new. Owns the count and what it is counted from; it knows neither plans nor what the things are.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from patchgap.errors import RefusedError
from patchgap.incident.tables import touched
from patchgap.model.finding import IncidentId

HOUR = 3600.0  # seconds


class OverHourError(RefusedError):
    """More would be changed within an hour than the settings allow; nothing was recorded."""


def take(
    connection: sa.Connection,
    incident: IncidentId,
    names: Collection[str],
    now: datetime,
    limit: int | None,
    *,
    intended: bool,
) -> None:
    """Counts these for the incident, all or none: with `intended` as changed now, else as about to be. Raises
    OverHourError."""
    at, mine = now.timestamp(), touched.c.incident == incident
    fresh = _fresh(connection, incident, names, at)
    used = _used(connection, at) if limit is not None and fresh else 0
    if limit is not None and fresh and used + len(fresh) > limit:
        raise OverHourError(
            told(used, len(fresh), limit),
            "Nothing of it was changed. Wait until the hour has passed, or raise limits.per_hour in the settings.",
        )
    if fresh:
        connection.execute(sa.delete(touched).where(mine & touched.c.name.in_(fresh)))
        rows = [{"incident": incident, "name": n, "at": at, "intended": intended} for n in fresh]
        connection.execute(sa.insert(touched), rows)
    if intended and (begun := set(names) - fresh):
        due = mine & touched.c.name.in_(begun) & ~touched.c.intended
        connection.execute(sa.update(touched).where(due).values(intended=True, at=at))


def told(used: int, fresh: int, limit: int) -> str:
    """The refusal, with its figures."""
    return f"{fresh} more workloads would be changed, {used} were within the last hour, and limits.per_hour is {limit}"


def over(
    connection: sa.Connection, incident: IncidentId, names: Collection[str], now: datetime, limit: int | None
) -> tuple[str, ...]:
    """The refusal that `take` would raise now; empty where it would not. Records nothing."""
    fresh, used = len(_fresh(connection, incident, names, now.timestamp())), _used(connection, now.timestamp())
    return (told(used, fresh, limit),) if limit is not None and fresh and used + fresh > limit else ()


def _fresh(connection: sa.Connection, incident: IncidentId, names: Collection[str], at: float) -> set[str]:
    """Those that the incident neither changed before nor counted within the hour."""
    counted = touched.c.intended | (touched.c.at > at - HOUR)
    query = sa.select(touched.c.name).where(touched.c.incident == incident, counted, touched.c.name.in_(names))
    return set(names) - set(connection.scalars(query))


def _used(connection: sa.Connection, at: float) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(touched).where(touched.c.at > at - HOUR)) or 0

"""The kill switch: while it stands in the database, nothing writes to a control plane. It outlives restarts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from patchgap.errors import RefusedError
from patchgap.incident.tables import stop
from patchgap.model.codec import plain
from patchgap.storage import writing


@dataclass(frozen=True, slots=True)
class Raised:
    """Who stopped everything, when and why."""

    why: str
    who: str
    at: datetime


class Stop:
    """The switch. Every raising and lowering is kept; the last one stands."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def raised(self) -> Raised | None:
        """Who raised it, or None where it is down. Read from the database at each call."""
        with self._engine.connect() as connection:
            last = connection.execute(sa.select(stop).order_by(stop.c.id.desc()).limit(1)).first()
        if last is None or not last.raised:
            return None
        return Raised(last.why, last.who, datetime.fromisoformat(last.at).astimezone(UTC))

    def raise_(self, why: str, who: str, at: datetime) -> None:
        """Stops the next write."""
        self._write(raised=True, why=why, who=who, at=at)

    def lower(self, why: str, who: str, at: datetime) -> None:
        """Lets writes go on."""
        self._write(raised=False, why=why, who=who, at=at)

    def may_write(self) -> None:
        """Returns where writes are allowed. Raises RefusedError naming who stopped them and why."""
        if refusal := self.refusal():
            raise refusal

    def refusal(self) -> RefusedError | None:
        """What `may_write` raises; None where writes are allowed."""
        standing = self.raised()
        if standing is None:
            return None
        return RefusedError(
            f"the kill switch stands: {standing.who} raised it at {standing.at:%Y-%m-%d %H:%M:%SZ}: {standing.why}",
            "Nothing is written until `patchgap resume`, and run again this does what is left. Detecting, scoping,"
            " planning and verifying go on.",
        )

    def _write(self, *, raised: bool, why: str, who: str, at: datetime) -> None:
        with writing(self._engine) as connection:
            connection.execute(sa.insert(stop).values(raised=raised, why=why, who=who, at=str(plain(at))))

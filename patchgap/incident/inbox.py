"""The inbox: signals as they arrived, durable before anything else looks at them.

Owns what was received and what became of it. It reads nothing into a document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa

from patchgap.errors import BadInputError, ConflictError, NotFoundError
from patchgap.incident.tables import signal
from patchgap.model.codec import canonical, plain
from patchgap.model.finding import IncidentId
from patchgap.model.signal import SignalId
from patchgap.ports import Clock
from patchgap.redact import secret_in, withheld, without_secrets
from patchgap.storage import writing

InboxState = Literal["received", "started", "opened", "joined", "recorded", "quarantined"]


@dataclass(frozen=True, slots=True)
class InboxSignal:
    """A signal as it lies in the inbox. `reason` says what became of it; `incident` is None where it woke none."""

    id: SignalId
    delivery_id: str
    kind: str
    source: str
    document: Mapping[str, Any]
    received_at: datetime
    state: InboxState
    reason: str
    incident: IncidentId | None


class Inbox:
    """Every signal that was accepted. One delivery is one signal, however often it is repeated."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def put(
        self, delivery_id: str, kind: str, source: str, document: Mapping[str, Any], received_at: datetime | None = None
    ) -> tuple[SignalId, bool]:
        """The signal's id, and whether it is new. Durable when this returns. What looks like a secret in the document
        is not stored: its kind stands in its place.

        Raises BadInputError for what has no canonical JSON form, ConflictError for another document, kind or source
        under a delivery id that came before.
        """
        try:
            text = canonical(document).decode()
            source = without_secrets(source)
            content = canonical([delivery_id, kind, source, json.loads(text)])
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInputError("the signal", f"it is no plain JSON: {error}", "Send valid JSON in UTF-8.") from error
        made = SignalId("sig-" + hashlib.sha256(content).hexdigest()[:16])
        at = str(plain(received_at or self._clock()))
        if secret_in(text):
            text = canonical(withheld(json.loads(text))).decode()
        row = {"id": made, "delivery_id": delivery_id, "kind": kind, "source": source, "document": text}
        same = sa.select(signal.c.id).where(signal.c.delivery_id == delivery_id)
        try:
            with writing(self._engine) as connection:
                held = connection.scalar(same)
                if held is None:
                    more = {"received_at": at, "state": "received", "reason": "", "incident": ""}
                    connection.execute(sa.insert(signal).values({**row, **more}))
        except sa.exc.IntegrityError:  # the same delivery came twice at once
            with self._engine.connect() as connection:
                held = connection.scalar(same)
        if held not in (None, made):
            raise ConflictError(
                f"delivery {delivery_id} came before with another content", "Give a new delivery a new id."
            )
        return made, held is None

    def get(self, signal_id: SignalId) -> InboxSignal:
        """The signal. Raises NotFoundError."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(signal).where(signal.c.id == signal_id)).first()
        if row is None:
            raise NotFoundError(f"there is no signal {signal_id}", "Deliver it again; nothing of it is stored.")
        return _signal(row)

    def mark(
        self,
        signal_id: SignalId,
        state: InboxState,
        reason: str = "",
        incident: IncidentId | None = None,
    ) -> None:
        """Records what became of it. Raises NotFoundError."""
        if state not in get_args(InboxState):
            raise BadInputError("the signal's state", f"{state!r} is none", f"Use one of {get_args(InboxState)}.")
        values = {"state": state, "reason": without_secrets(reason), "incident": incident or ""}
        with writing(self._engine) as connection:
            done = connection.execute(sa.update(signal).where(signal.c.id == signal_id).values(values))
            if done.rowcount == 0:
                raise NotFoundError(f"there is no signal {signal_id}", "Deliver it again; nothing of it is stored.")

    def pending(self) -> Sequence[InboxSignal]:
        """Signals that nobody has finished with, oldest first: received, or started and perhaps killed. Starting one
        again is harmless with its id as the idempotency key."""
        unfinished = signal.c.state.in_(("received", "started"))
        query = sa.select(signal).where(unfinished).order_by(signal.c.received_at, signal.c.id)
        with self._engine.connect() as connection:
            return tuple(_signal(row) for row in connection.execute(query))


def _signal(row: sa.Row[Any]) -> InboxSignal:
    return InboxSignal(
        SignalId(row.id),
        row.delivery_id,
        row.kind,
        row.source,
        json.loads(row.document),
        datetime.fromisoformat(row.received_at).astimezone(UTC),
        row.state,
        row.reason,
        IncidentId(row.incident) if row.incident else None,
    )

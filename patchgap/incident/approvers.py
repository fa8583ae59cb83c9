"""Approvers: the people who may say yes to a plan, each with codes of one use that patchgap gave them.

A code is shown once, when it is issued; the database keeps its SHA-256 alone (it is random, so that nothing slower is
needed). Who holds it is taken for that person: hand it over as you would a password.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from patchgap.errors import BadInputError, NotFoundError, RefusedError
from patchgap.incident.shape import second_person
from patchgap.incident.tables import approver_code as codes
from patchgap.model.codec import plain
from patchgap.model.finding import IncidentId
from patchgap.ports import Clock
from patchgap.storage import writing

LASTS = timedelta(days=90)
_BYTES, _GROUP = 16, 5
_MOST = 100  # at once
_FIX = "Ask for new ones: `patchgap approver issue NAME`."


@dataclass(frozen=True, slots=True)
class Approver:
    """A person and how many codes they have left; `until` is when the last of them expires."""

    person: str
    left: int
    until: datetime | None


class Approvers:
    """The codes, in patchgap's database."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def issue(self, person: str, by: str, count: int = 1, lasts: timedelta = LASTS) -> tuple[str, ...]:
        """New codes for that person, such as `k3f2a-…`: the only time that they can be read. Raises BadInputError,
        RefusedError where they would be for whoever issues them."""
        person = person.strip()
        if not person or not by.strip() or not person.isprintable():
            raise BadInputError("the approver", "it has no name, or nobody issues it", "Name both, in one line each.")
        if not 1 <= count <= _MOST or lasts <= timedelta(0):
            raise BadInputError("the codes", "so many, or for so long, are not issued", f"Ask for 1 to {_MOST}.")
        if not second_person(person, by):
            raise RefusedError(
                f"{person} would issue a code to themselves",
                "Let another person issue it: a code stands for a second one.",
            )
        now = self._clock()
        made = tuple(_code() for _ in range(count))
        rows = [
            {
                "digest": _digest(code),
                "person": person,
                "issued_at": _text(now),
                "issued_by": by.strip(),
                "expires_at": _text(now + lasts),
                "used_at": "",
                "used_for": "",
            }
            for code in made
        ]
        with writing(self._engine) as connection:
            connection.execute(sa.insert(codes), rows)
        return made

    def person_of(self, code: str) -> str:
        """Whose code it is; nothing is spent. Raises RefusedError for one that is unknown, spent or expired."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(codes).where(codes.c.digest == _digest(code))).first()
        if row is None:
            raise RefusedError("that is no code that patchgap issued", "See that it is written as it was shown.")
        if row.used_at:
            raise RefusedError(f"that code of {row.person} is spent", _FIX)
        if datetime.fromisoformat(row.expires_at) <= self._clock():
            raise RefusedError(f"that code of {row.person} has expired", _FIX)
        return str(row.person)

    def spend(self, code: str, incident: IncidentId) -> str:
        """Whose code it is, which is spent by this, once: of two that come at the same time one is refused. Raises
        RefusedError as `person_of`."""
        person = self.person_of(code)
        mine = (codes.c.digest == _digest(code)) & (codes.c.used_at == "")
        used = {"used_at": _text(self._clock()), "used_for": incident}
        with writing(self._engine) as connection:
            spent = connection.execute(sa.update(codes).where(mine).values(used)).rowcount
        if spent != 1:
            raise RefusedError(f"that code of {person} is spent", _FIX)
        return person

    def revoke(self, person: str) -> int:
        """Takes back every code of that person that is not spent; how many. Raises NotFoundError where there is none."""
        mine = (codes.c.person == person.strip()) & (codes.c.used_at == "")
        with writing(self._engine) as connection:
            gone = connection.execute(sa.delete(codes).where(mine)).rowcount
        if not gone:
            raise NotFoundError(f"{person} has no code left", "`patchgap approver list` names who has.")
        return gone

    def all(self) -> Sequence[Approver]:
        """Everybody who was ever given a code and whose codes were not taken back, by name."""
        now = _text(self._clock())
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(codes).order_by(codes.c.person)).all()
        found = {}
        for person in dict.fromkeys(row.person for row in rows):
            good = [row.expires_at for row in rows if row.person == person and not row.used_at and row.expires_at > now]
            found[person] = Approver(person, len(good), datetime.fromisoformat(max(good)) if good else None)
        return tuple(found.values())


def _code() -> str:
    text = base64.b32encode(secrets.token_bytes(_BYTES)).decode().rstrip("=").lower()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def _digest(code: str) -> str:
    bare = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(bare.encode("utf-8", "replace")).hexdigest()


def _text(at: datetime) -> str:
    return str(plain(at))

"""What a request carries besides its object, and the objects' system metadata.

Owns the value types that the verbs share.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from integrations.rehearsal.rbac import User

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True)
class Call:
    """One request: who, under which manager, and whether it is dry."""

    user: User
    manager: str = "unknown"
    dry_run: bool = False
    field_validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class World:
    """Time and chance, as the verbs and controllers ask for them."""

    clock: Callable[[], float]
    chance: random.Random

    def now(self, ahead: float = 0) -> str:
        """The time in whole seconds, as metadata writes it."""
        return datetime.fromtimestamp(self.clock() + ahead, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def precise(self) -> str:
        """The time in microseconds, as events and leases write it."""
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def suffix(self, length: int = 5) -> str:
        """Random letters as generated names end in."""
        return "".join(self.chance.choice(_ALPHABET) for _ in range(length))

    def uid(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

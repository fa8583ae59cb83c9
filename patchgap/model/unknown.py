"""Not knowing, as a value."""

from __future__ import annotations

from dataclasses import dataclass

EVERY_CLUSTER = "every cluster"  # what is unknown where no cluster has been read at all
NO_CLUSTER = "no cluster has been read: patchgap inventory refresh reads those that are configured"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be told, and why. `what` names it as a person would look for it
    (`cluster prod-ml-eu`, `image sha256:…`); `reason` is one sentence."""

    what: str
    reason: str

"""notify: people are told, and nothing is asked of them but to read."""

from __future__ import annotations

from typing import ClassVar

from integrations.ticketing.opening import Opening
from patchgap.registry import action


@action
class Notify(Opening):
    """Tells the sinks that take it, once an incident, with the plan's digest and where to read and approve it.

    Example::

        notify: {severity: sev2}
    """

    verb: ClassVar[str] = "notify"

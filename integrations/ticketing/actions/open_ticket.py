"""open_ticket: work for people, in its turn."""

from __future__ import annotations

from typing import ClassVar

from integrations.ticketing.opening import Opening
from patchgap.registry import action


@action
class OpenTicket(Opening):
    """Opens a ticket at each sink that takes it; once an incident, however often it runs.

    Example::

        open_ticket: {severity: sev3}
    """

    verb: ClassVar[str] = "open_ticket"

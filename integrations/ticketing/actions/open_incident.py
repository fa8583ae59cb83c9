"""open_incident: people are called, now."""

from __future__ import annotations

from typing import ClassVar

from integrations.ticketing.opening import Opening
from patchgap.registry import action


@action
class OpenIncident(Opening):
    """Opens an incident at each sink that takes it; once an incident, however often it runs.

    Example::

        open_incident: {severity: sev1}
    """

    verb: ClassVar[str] = "open_incident"

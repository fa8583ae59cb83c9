"""A drill that is under way: its parts, and what every act asks of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.drill.runners import Runner
from flows.drill.scenario import Moment, Scenario
from flows.drill.telling import Telling
from flows.drill.world import World
from patchgap.errors import PatchgapError
from patchgap.incident.state import IncidentState
from patchgap.model.finding import IncidentId
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

PATIENCE = 60.0  # seconds that any one act may take
ON_CALL = "on-call@example.org"
DEFECT = "This is a defect of patchgap: please report it."


@dataclass(frozen=True)
class Drill:
    """The scenario, who tells it, the world that it is played in and what drives the engine there."""

    scenario: Scenario
    tell: Telling
    world: World
    runner: Runner
    engine: Engine
    home: Path

    def run(self, flow: str, **parameters: str) -> Any:
        """A run of a flow to its end."""
        return self.runner.run(flow, **parameters)

    def state(self, incident: IncidentId) -> IncidentState:
        """How the incident stands."""
        return state_of(self.engine, incident)

    def after(self, moment: Moment) -> None:
        """What the world does then."""
        for deed in (d for d in self.scenario.deeds if d.after == moment):
            self.tell.loud(f"   The world: {deed.say}")
            if said := self.world.do(deed):
                self.tell.say(said)


def until(look: Callable[[], Any], good: Callable[[Any], bool], what: str, every: float = 0.2) -> Any:
    """What was seen once it is good, looked for every so many seconds. Raises PatchgapError after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise PatchgapError(f"{what} did not come within {PATIENCE:g} s", "See the logs in the drill's folder.")
        time.sleep(every)
    return seen


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)

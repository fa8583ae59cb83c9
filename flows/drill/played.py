"""A drill that is under way: its parts, and what every act asks of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.drill.runners import Runner
from flows.drill.scenario import Moment, Scenario
from flows.drill.telling import Telling
from flows.drill.world import World
from patchgap.incident.state import IncidentState
from patchgap.model.finding import IncidentId
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

ON_CALL = "on-call@example.org"
DEFECT = "This is a defect of patchgap: please report it."


@dataclass(frozen=True)
class Drill:
    """The scenario, who tells it, the world that it is played in and what drives the engine there. `spoilt` where a person
    injected faults that the scenario does not know of."""

    scenario: Scenario
    tell: Telling
    world: World
    runner: Runner
    engine: Engine
    home: Path
    spoilt: bool

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


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)

"""An engine on the small estate."""

from __future__ import annotations

from pathlib import Path

import pytest
from estate import BAD, MEND, PLAYBOOK, World, fakes, sbom

from patchgap import storage
from patchgap.graph.sbom.read import read_sbom
from patchgap.graph.store import Graph
from patchgap.incident.approvers import Approvers
from patchgap.incident.inbox import Inbox
from patchgap.incident.lease import Leases
from patchgap.incident.ledger import Ledger
from patchgap.incident.links import Links
from patchgap.incident.stop import Stop
from patchgap.playbook import loader
from patchgap.ports import Connections
from patchgap.settings import Settings
from patchgap.stages.consent import Desk
from patchgap.stages.engine import Engine


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def engine(world: World, tmp_path: Path) -> Engine:
    playbooks = tmp_path / "playbooks"
    playbooks.mkdir()
    for path in loader.in_folder(loader.shipped()):  # their verbs do not exist here
        (playbooks / path.name).write_text(
            PLAYBOOK.replace("small", path.stem, 1).replace("[advisory]", "[control_surface]")
        )
    (playbooks / "small.yaml").write_text(PLAYBOOK)
    url = f"sqlite:///{tmp_path / 'p.db'}"
    settings = Settings(home=tmp_path, database_url=url, playbooks=(playbooks,))
    database = storage.connect(url)
    ledger = Ledger(database, world.clock)
    made = Engine(
        settings=settings,
        graph=Graph(database),
        ledger=ledger,
        inbox=Inbox(database, world.clock),
        stop=Stop(database),
        leases=Leases(database),
        consent=Desk(
            ledger, Approvers(database, world.clock), Links(tmp_path), world.clock, linked=("dana", "kim", "lee")
        ),
        registry=fakes(world),
        connections=Connections(settings),
        clock=world.clock,
    )
    made.graph.add_sbom(read_sbom(sbom(tmp_path, BAD, "1.5.2"), None), world.clock())
    made.graph.add_sbom(read_sbom(sbom(tmp_path, MEND, "1.6.4"), None), world.clock())
    return made

"""The messenger and the telling stage: a person who is called reaches every sink, once a reason, until it went through."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ticket_scene import INCIDENT, NOW, SETTINGS, situation

from integrations.ticketing.directory import Entry, Sinks
from integrations.ticketing.messenger import SinkMessenger
from integrations.ticketing.sinks.file import FileSink
from patchgap import storage
from patchgap.errors import RefusedError, UnreachableError
from patchgap.incident.events import Dismissed, Opened, PersonCalled, PersonTold, Planned
from patchgap.incident.ledger import Ledger
from patchgap.model.plan import Plan
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.ports import Connections
from patchgap.stages import telling


class Desk:
    """A folder that can be down, and counts what it was told. `anew` as a pager's."""

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        self.held, self.anew, self.down = FileSink(folder), anew, False
        self.opened: list[str] = []
        self.noted: list[Note] = []

    shown = "the desk"

    def find(self, key: str, since: Any) -> Ticket | None:
        return self.held.find(key, since)

    def open(self, draft: Draft) -> Ticket:
        self._up()
        self.opened.append(draft.key)
        return self.held.open(draft)

    def add(self, ticket: Ticket, note: Note) -> None:
        self._up()
        self.noted.append(note)
        self.held.add(ticket, note)

    def _up(self) -> None:
        if self.down:
            raise UnreachableError("the desk does not answer", "Try again.")


class World:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pager, self.board = Desk(folder / "pager", anew=True), Desk(folder / "board")
        self.ledger = Ledger(storage.connect(f"sqlite:///{folder / 'db'}"), lambda: NOW)
        entries = [Entry("board", self.board), Entry("pager", self.pager, verbs=("person_called",))]
        connections = Connections(SETTINGS, [Sinks(entries)])
        finding = situation(self.board).finding
        self.incident, _ = self.ledger.open("k", Opened(finding, "p", 1, "sha256:0", "text"), "detect")
        held = replace(situation(self.board), incident=self.incident, connections=connections)
        monkeypatch.setattr(telling, "situation_of", lambda _engine, _state: held)
        self.engine: Any = SimpleNamespace(ledger=self.ledger, clock=lambda: NOW)

    def tell(self) -> list[str]:
        return [d.sink for d in telling.tell(self.engine, self.incident, SinkMessenger())]

    def called(self, why: str) -> None:
        self.ledger.append(self.incident, PersonCalled(why), "test")

    def told(self) -> list[PersonTold]:
        return [e.body for e in self.ledger.read(self.incident) if isinstance(e.body, PersonTold)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_call_reaches_every_sink_once_a_reason(world: World) -> None:
    """Told thrice it is one each; another reason is another page, and a reply on what the board has open."""
    world.called("the plan is refused")
    assert [world.tell() for _ in range(3)] == [[], [], []]
    assert (len(world.pager.opened), len(world.board.opened)) == (1, 1)
    world.called("a target failed")
    world.tell()
    assert (len(world.pager.opened), len(world.board.opened)) == (2, 1)
    assert [n.call for n in world.board.noted] == [True]
    assert len(world.told()) == 4


def test_a_sink_that_is_down_holds_up_no_other_and_is_told_later(world: World) -> None:
    """The pager goes out at once; the board is tried again until it takes it, and nothing is written meanwhile."""
    world.board.down = True
    world.called("the plan is refused")
    assert [world.tell(), world.tell()] == [["board"], ["board"]]
    assert [t.sink for t in world.told()] == ["pager"]
    world.board.down = False
    assert world.tell() == []
    assert (len(world.pager.opened), len(world.board.opened)) == (1, 1)


def test_what_was_opened_before_a_crash_is_found(world: World) -> None:
    """The ledger never heard of it: the sink is asked, and nothing is opened twice."""
    world.called("the plan is refused")
    (news,) = telling._news(telling.state_of(world.engine, world.incident))
    SinkMessenger().deliver(news, telling.situation_of(world.engine, None))  # type: ignore[arg-type]
    world.tell()
    assert (len(world.pager.opened), len(world.board.opened)) == (1, 1)
    assert len(world.told()) == 2


def test_the_state_is_told_where_something_is_open_and_the_end_resolves(world: World) -> None:
    """A plan that waits names its digest's place; the end is told to all that was opened, the page too, once."""
    world.called("nobody knows why")
    made = Plan(INCIDENT, "p@1", NOW, (), needs_approval=("tier 2 asks",), digest="sha256:77")
    world.ledger.append(world.incident, Planned(made), "test")
    world.tell()
    assert [n.status for n in world.board.noted] == ["awaiting_approval"]
    world.ledger.append(world.incident, Dismissed("a false alarm", "dana"), "dana")
    world.tell()
    world.tell()
    assert [n.ended for n in world.board.noted] == [False, True]
    assert world.pager.noted[-1].ended
    with pytest.raises(RefusedError, match="takes no entry"):
        world.called("after the end")
    assert telling.ended_lately(world.engine) == (world.incident,)
    world.engine.clock = lambda: NOW + timedelta(days=91)
    assert telling.ended_lately(world.engine) == ()


def test_what_a_signal_says_formats_no_note(world: World) -> None:
    """A reason holds names that came from outside."""
    world.called("isolate_workloads x/Deployment/<b>[click](https://e.example)\n# Heading failed")
    world.tell()
    (page,) = world.board.held.folder.glob("*.md")
    assert "\n# Heading" not in page.read_text()
    assert "    isolate_workloads x/Deployment" in page.read_text()

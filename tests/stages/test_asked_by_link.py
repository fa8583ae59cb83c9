"""A plan that waits is asked of each person by their own link, through real services: the link is in the message alone."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from estate import BAD, World
from test_close import opened

from integrations.ticketing.messenger import SinkMessenger
from integrations.webhooks.receiver import create_app
from integrations.webhooks.server import serving
from patchgap.incident.events import Declined, Planned
from patchgap.model.codec import canonical
from patchgap.model.finding import IncidentId
from patchgap.model.workload import Classification
from patchgap.ports import Connections
from patchgap.settings import SinkSettings, WebhookSettings
from patchgap.stages import contain, telling
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

_LINK = re.compile(r"http://\S+/v1/approvals/\S+")


@dataclass
class Inbox:
    """A person's or a channel's service: keeps what it is posted. While `broken` it answers 500 with all that it was sent."""

    url: str = ""
    broken: bool = False
    got: list[dict[str, Any]] = field(default_factory=list)

    @property
    def links(self) -> list[str]:
        return [link for one in self.got for link in _LINK.findall(one["body"])]


@contextmanager
def service() -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(404, b"{}")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if inbox.broken:
                self._answer(500, body)
                return
            inbox.got.append(json.loads(body))
            self._answer(201, b'{"id": "T-1", "url": "https://desk.example/T-1"}')

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    inbox.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()


class Starter:
    def start(self, flow: str, parameters: Mapping[str, str], idempotency_key: str, tags: Sequence[str] = ()) -> str:
        return "run-1"

    def see(self, flow: str) -> None:
        """Whatever is asked for is there."""


@dataclass
class Asked:
    """An incident whose plan waits; Dana's and Lee's own services, and a channel's."""

    engine: Engine
    incident: IncidentId
    dana: Inbox
    lee: Inbox
    channel: Inbox

    def tell(self) -> tuple[Any, ...]:
        return telling.tell(self.engine, self.incident, SinkMessenger())

    def answer(self, link: str, **fields: str) -> httpx.Response:
        return httpx.post(link, data=fields, trust_env=False)


@pytest.fixture
def asked(engine: Engine, world: World) -> Iterator[Asked]:
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    contain.plan(engine, incident)
    app = create_app(engine.settings, engine.inbox, Starter(), world.clock, graph=engine.graph, consent=engine.consent)
    with service() as dana, service() as lee, service() as channel, serving(app) as address:
        kind = {"kind": "webhook"}
        sinks = (
            SinkSettings(name="dana", url=dana.url, person="dana", **kind),
            SinkSettings(name="lee", url=lee.url, person="lee", **kind),
            SinkSettings(name="channel", url=channel.url, **kind),
        )
        more = {"sinks": sinks, "webhook": WebhookSettings(url=address.url)}
        settings = engine.settings.model_copy(update=more)
        yield Asked(replace(engine, settings=settings, connections=Connections(settings)), incident, dana, lee, channel)


def test_each_person_gets_their_own_link_and_it_answers_for_them(asked: Asked) -> None:
    """Two links, each its person's; the channel, where nothing is open, is not woken; Dana's yes is Dana's, once."""
    assert asked.tell() == ()
    (danas,), (lees,) = asked.dana.links, asked.lee.links
    assert danas != lees
    assert asked.channel.got == []
    assert "dana" in httpx.get(danas, trust_env=False).text
    assert asked.answer(danas, answer="approve").status_code == 200
    assert [a.approver for a in state_of(asked.engine, asked.incident).approvals] == ["dana"]
    assert asked.answer(danas, answer="approve").status_code == 403
    assert asked.tell() == ()
    assert len(asked.dana.got) == 1, "told once"


def test_a_channel_is_told_by_a_link_that_names_nobody(asked: Asked, world: World) -> None:
    """A call reaches the channel with a link that asks for a code: whoever reads there is nobody in particular."""
    from patchgap.incident.events import PersonCalled

    asked.engine.ledger.append(asked.incident, PersonCalled(why="nobody answers"), "test")
    asked.tell()
    (link, *_) = asked.channel.links
    assert link not in (*asked.dana.links, *asked.lee.links)
    assert asked.answer(link, answer="approve").status_code == 403
    assert not state_of(asked.engine, asked.incident).approvals


def test_the_link_is_in_no_ledger_and_no_log(asked: Asked, caplog: pytest.LogCaptureFixture) -> None:
    """Neither when it is delivered nor where a service answers an error with all that it was sent."""
    caplog.set_level(logging.DEBUG)
    asked.lee.broken = True
    (failed,) = asked.tell()
    (link,) = asked.dana.links
    for secret in (link, "/v1/approvals/"):
        kept = b"".join(canonical(e.body) for e in asked.engine.ledger.read(asked.incident)).decode()
        assert secret not in kept
        assert secret not in caplog.text
        assert secret not in failed.problem
    asked.lee.broken = False
    assert asked.tell() == ()
    assert len(asked.lee.links) == 1, "told when it answers again"


def test_a_plan_anew_asks_anew(asked: Asked) -> None:
    """After a no the plan is made again: another link, since the first has had its wait."""
    asked.tell()
    state = state_of(asked.engine, asked.incident)
    assert state.plan
    asked.engine.ledger.append(asked.incident, Declined(state.plan.digest, "lee", "is it ours?"), "lee")
    asked.engine.ledger.append(asked.incident, Planned(state.plan), "test")
    asked.tell()
    assert len(set(asked.dana.links)) == 2


def test_without_an_address_nobody_is_sent_a_link(asked: Asked) -> None:
    """Where nothing says how a browser reaches the receiver, people are told all the same."""
    settings = asked.engine.settings.model_copy(update={"webhook": WebhookSettings()})
    bare = replace(asked.engine, settings=settings, connections=Connections(settings))
    assert telling.tell(bare, asked.incident, SinkMessenger()) == ()
    assert (len(asked.dana.got), asked.dana.links) == (1, [])

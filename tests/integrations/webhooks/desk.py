"""A receiver on a real socket, with a real inbox on SQLite, a clock that tests move, and a starter that counts."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.webhooks.receiver import create_app
from integrations.webhooks.server import serving
from integrations.webhooks.sign import sign
from patchgap.errors import UnreachableError
from patchgap.graph.store import Graph
from patchgap.incident.approvers import Approvers
from patchgap.incident.inbox import Inbox
from patchgap.incident.ledger import Ledger
from patchgap.incident.links import Links
from patchgap.settings import ClusterSettings, KubernetesSettings, Settings, WebhookSettings
from patchgap.stages import consent
from patchgap.storage import connect

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes, ok").decode()
NEW_SECRET = "whsec_" + base64.b64encode(b"another of thirty-two bytes, ok!").decode()
ADVISORY = {
    "id": "PYSEC-2021-874",
    "modified": "2023-05-25T05:07:00Z",
    "aliases": ["CVE-2021-4118"],
    "details": "pytorch-lightning is vulnerable to Deserialization of Untrusted Data",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "pytorch-lightning"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.6.0"}]}],
        }
    ],
}


def envelope(**changes: Any) -> dict[str, Any]:
    return {"kind": "advisory", "source": "feed", "claims": {"known_exploited": True}, "advisory": ADVISORY, **changes}


@dataclass
class VirtualClock:
    """Time that stands until a test moves it."""

    now: datetime = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class CountingStarter:
    """A FlowStarter with the port's idempotency; `down` makes it unreachable."""

    down: bool = False
    asked: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)
    started: threading.Event = field(default_factory=threading.Event)

    def start(self, flow: str, parameters: Mapping[str, str], idempotency_key: str, tags: Sequence[str] = ()) -> str:
        self.asked.append(idempotency_key)
        if self.down:
            raise UnreachableError("the Prefect API does not answer", "Start it.")
        assert (flow, dict(parameters), tuple(tags)) == ("detect", {"signal": idempotency_key}, (idempotency_key,))
        run = self.runs.setdefault(idempotency_key, f"run-{len(self.runs)}")
        self.started.set()
        return run

    def see(self, flow: str) -> None:
        if self.down:
            raise UnreachableError("the Prefect API does not answer", f"Start it for {flow}.")


@dataclass
class Desk:
    """What a test holds: the receiver's address and everything behind it."""

    url: str
    inbox: Inbox
    starter: CountingStarter
    clock: VirtualClock
    graph: Graph

    def post(
        self,
        body: bytes | dict[str, Any],
        *,
        delivery: str = "msg_1",
        secret: str = SECRET,
        to: str = "/v1/signals",
        **headers: str | None,
    ) -> httpx.Response:
        """Signs and sends; `headers` replace (None removes) what was signed, with _ for -."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed: dict[str, str | None] = dict(sign(secret, delivery, self.clock(), raw))
        signed.update({k.replace("_", "-"): v for k, v in headers.items()})
        sent = {k: v.encode() for k, v in signed.items() if v is not None}
        return httpx.post(f"{self.url}{to}", content=raw, headers=sent, trust_env=False, timeout=60)

    def stored(self) -> int:
        return len(self.inbox.pending())


Opening = Callable[..., AbstractContextManager[Desk]]


@pytest.fixture
def opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opening:
    """Opens a receiver with options of `create_app`."""
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", SECRET)

    @contextmanager
    def open_desk(**options: Any) -> Iterator[Desk]:
        clock, starter = VirtualClock(), CountingStarter()
        database = f"sqlite:///{tmp_path / 'patchgap.db'}"
        settings = Settings(
            home=tmp_path,
            database_url=database,
            webhook=WebhookSettings(secret="env:TEST_WEBHOOK_SECRET"),
            kubernetes=KubernetesSettings(clusters=(ClusterSettings(name="prod-ml-eu"),)),
        )
        engine = connect(database)
        inbox, graph = Inbox(engine, clock), Graph(engine)
        asking = consent.Desk(Ledger(engine, clock), Approvers(engine, clock), Links(tmp_path), clock)
        options.setdefault("sweep_every", timedelta(milliseconds=20))
        app = create_app(settings, inbox, starter, clock, graph=graph, consent=asking, **options)
        with serving(app) as address:
            yield Desk(address.url, inbox, starter, clock, graph)
        engine.dispose()

    return open_desk


@pytest.fixture
def desk(opening: Opening) -> Iterator[Desk]:
    with opening(sweep_every=timedelta(hours=1)) as found:
        yield found

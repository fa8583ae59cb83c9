"""An incident whose advisory a test words, its open_incident intent, and an HTTP server that answers what it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from integrations.outbound import Service
from integrations.rest import Rest
from integrations.ticketing.actions.open_incident import OpenIncident
from integrations.ticketing.directory import Entry, Sinks
from patchgap.model.exposure import Artifact, Component, Exposure
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Intent, PlannedAction
from patchgap.model.signal import Advisory, Severity, Signal, SignalId, SignalKind
from patchgap.model.telling import Draft
from patchgap.model.workload import Container, ContainerRole, DataScope, RunState, Workload, WorkloadRef
from patchgap.ports import Connections, Sink, Situation
from patchgap.settings import Settings

NOW = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
HINT = "Check its url and token."
INCIDENT = IncidentId("inc-20261124-7k3f")
SETTINGS = Settings(home=Path("/nonexistent"), database_url="sqlite://")
DRAFT = Draft("inc-1-open_incident", "inc-1", "open_incident", "sev1", "A title", "A body.\n", NOW)


def advisory(**changes: Any) -> Advisory:
    held = {"id": "PYSEC-2021-874", "summary": "Deserialization of untrusted data", **changes}
    return Advisory(digest="sha256:" + "0" * 64, affected=(), **held)


def exposure(n: int = 0, **component: str) -> Exposure:
    workload = Workload(
        WorkloadRef("kubernetes", "prod-ml-eu", "training", "Deployment", f"trainer-{n}", f"uid-{n}"),
        (),
        environment="production",
        data_scope=DataScope(writes_to=("model-registry",)),
    )
    named = {"purl": "pkg:pypi/pytorch-lightning@1.5.2", "name": "pytorch-lightning", "version": "1.5.2", **component}
    container = Container("app", ContainerRole.MAIN, "app@sha256:1", "sha256:1", RunState.RUNNING, 1)
    return Exposure(Component(**named), None, (), Artifact("sha256:1"), workload, container)


def situation(sink: Sink, told: Advisory | None = None, exposures: tuple[Exposure, ...] = ()) -> Situation:
    signal = Signal(SignalId("sig-1"), SignalKind.ADVISORY, "test", NOW, advisory=told or advisory())
    return Situation(
        incident=INCIDENT,
        finding=Finding("k", signal, Severity.CRITICAL, False, True, None, (), ()),
        exposures=exposures,
        controls=(),
        affected_digests=frozenset(),
        patched=frozenset(),
        judge=lambda _digests: {},
        connections=Connections(SETTINGS, [Sinks([Entry("desk", sink)])]),
        clock=lambda: NOW,
        owner="patchgap",
    )


def intent(held: Situation) -> Intent:
    action = OpenIncident()
    parameters = action.parameters.model_validate({"severity": "sev1"})
    (target,) = action.targets(parameters, held)
    planned = PlannedAction(
        ActionId("act-1"), 0, 1, action.verb, action.platform, action.effect, target, {"severity": "sev1"}
    )
    return Intent(planned, {})


@contextmanager
def answering(answer: bytes, *, drip: bytes = b"") -> Iterator[Rest]:
    """A service that answers every connection with these bytes, then keeps sending `drip` until it is left."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()
        thread = threading.Thread(target=_answer, args=(listening, answer, drip, over), daemon=True)
        thread.start()
        yield Rest(Service("The ticket sink", f"http://127.0.0.1:{listening.getsockname()[1]}/tickets", "", 1), HINT)
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _answer(listening: socket.socket, answer: bytes, drip: bytes, over: threading.Event) -> None:
    while not over.is_set():
        try:
            line, _ = listening.accept()
        except OSError:
            return
        with line:
            line.recv(65536)
            try:
                line.sendall(answer)
                while drip and not over.wait(0.02):
                    line.sendall(drip)
                line.shutdown(socket.SHUT_WR)
                while line.recv(65536):
                    pass  # a close with unread bytes would reset the answer
            except OSError:
                continue  # the client gave up, as it should


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body

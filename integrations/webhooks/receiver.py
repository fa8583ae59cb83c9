"""The webhook receiver: POST /v1/signals takes one signed envelope, stores it, and asks for the run that looks at it;
POST /v1/sboms is `sboms`', POST /v1/deployments `deployments`', /v1/approvals `approvals`'.

Owns the order: size, signature, form, storage, start, answer. What is not stored is not accepted, and what is stored
is not lost when no run can be started. It decides nothing about the signal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa
from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from integrations.webhooks import problems
from integrations.webhooks.approvals import Approvals
from integrations.webhooks.deployments import Deployments
from integrations.webhooks.gauges import Gauges, asked_from_here
from integrations.webhooks.problems import DeliveryRefusedError
from integrations.webhooks.reading import body_of, document_of
from integrations.webhooks.sboms import SbomDesk
from integrations.webhooks.signature import secrets_of, verify
from integrations.webhooks.sweeper import Sweeper
from patchgap.errors import NotFoundError, PatchgapError
from patchgap.graph.store import Graph
from patchgap.incident.envelope import signal_from
from patchgap.incident.inbox import Inbox
from patchgap.model.signal import SignalId
from patchgap.ports import Clock, FlowStarter
from patchgap.settings import Settings
from patchgap.stages.consent import PATH, Desk

_LOG = logging.getLogger(__name__)
_UNSTORED = SignalId("sig-unstored")
_UNFINISHED = ("received", "started")  # the inbox's states of which nothing has come yet


def create_app(
    settings: Settings,
    inbox: Inbox,
    starter: FlowStarter,
    clock: Clock,
    *,
    graph: Graph,
    consent: Desk,
    sweep_every: timedelta = timedelta(seconds=5),
    sweep_at_most: timedelta = timedelta(minutes=5),
    body_within: float = 10,
    start_within: float = 5,
) -> FastAPI:
    """The application. `body_within` and `start_within` are seconds; a start that takes longer is left to the sweeper,
    which tries each pending signal every `sweep_every`, later ever less often, down to every `sweep_at_most`."""
    gauges = Gauges()
    sweeper = Sweeper(inbox, starter, clock, sweep_every, sweep_at_most)
    receiver = Receiver(settings, inbox, sweeper, clock, gauges, body_within, start_within)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(sweeper.keep_sweeping(gauges.pending))
        yield
        sweeping.cancel()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    problems.install(app)
    sboms = SbomDesk(settings.webhook.secret, graph, clock, gauges)
    deployments = Deployments(settings, graph, clock, body_within)

    async def accept_deployment(request: Request) -> Response:
        return await receiver.counted(request, deployments.accept)

    app.add_api_route("/v1/signals", receiver.accept, methods=["POST"], response_model=None)
    app.add_api_route("/v1/sboms", sboms.accept, methods=["POST"], response_model=None)
    app.add_api_route("/v1/deployments", accept_deployment, methods=["POST"], response_model=None)
    approvals = Approvals(consent, starter, body_within)
    app.add_api_route(PATH + "{token}", approvals.show, methods=["GET"], response_model=None)
    app.add_api_route(PATH + "{token}", approvals.answer, methods=["POST"], response_model=None)
    app.add_api_route("/healthz", receiver.health, methods=["GET"], response_model=None)
    app.add_api_route("/readyz", receiver.ready, methods=["GET"], response_model=None)
    app.add_api_route("/metrics", receiver.metrics, methods=["GET"], response_model=None)
    return app


class Receiver:
    """The routes of signals, health and metrics."""

    def __init__(
        self,
        settings: Settings,
        inbox: Inbox,
        sweeper: Sweeper,
        clock: Clock,
        gauges: Gauges,
        body_within: float,
        start_within: float,
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._sweeper = sweeper
        self._clock = clock
        self._gauges = gauges
        self._body_within = body_within
        self._start_within = start_within

    async def accept(self, request: Request) -> Response:
        """202 with the signal's id once it is stored; a problem document where it is not."""
        return await self.counted(request, self._accept)

    async def counted(self, request: Request, take: Callable[[Request], Awaitable[Response]]) -> Response:
        """What `take` answers, counted and timed."""
        with self._gauges.seconds.time():
            return await problems.counted(take(request), self._gauges.deliveries)

    async def _accept(self, request: Request) -> Response:
        keys = secrets_of(self._settings.webhook.secret)
        body = await body_of(request, self._body_within)
        delivery = verify(keys, request.headers, body, self._clock())
        signal, new, pending = await to_thread.run_sync(self._store, delivery, body)
        if not new:
            self._gauges.duplicates.inc()
        run = await self._start(signal) if pending else None
        answer: dict[str, Any] = {"signal": signal, "flow_run": run, "duplicate": not new}
        if pending and run is None:
            answer["pending"] = True
        return JSONResponse(answer, status_code=HTTPStatus.ACCEPTED)

    def _store(self, delivery: str, body: bytes) -> tuple[SignalId, bool, bool]:
        now = self._clock()
        document = document_of(body)
        read = signal_from(_UNSTORED, document, now)
        signal, new = self._inbox.put(delivery, str(read.kind), read.source, document, now)
        # A repeated delivery of a signal that nothing has become of asks for its run again: the same key, one run.
        return signal, new, new or self._inbox.get(signal).state in _UNFINISHED

    async def _start(self, signal: SignalId) -> str | None:
        try:
            async with asyncio.timeout(self._start_within):
                return await to_thread.run_sync(self._sweeper.start, signal, abandon_on_cancel=True)
        except (PatchgapError, TimeoutError) as error:
            _LOG.warning("%s is stored and waits for its run: %s", signal, str(error) or "the start took too long")
            return None

    async def health(self) -> Response:
        """200 while the process is up and the database answers, so that a signal is kept, else 503; nothing more is told."""
        return await self._told(self._touch, "ok")

    async def ready(self) -> Response:
        """200 where a signal would have its run now as well: the Prefect API answers and knows the flow; else 503."""
        return await self._told(self._see, "ready")

    async def _told(self, look: Callable[[], None], word: str) -> Response:
        try:
            async with asyncio.timeout(self._start_within):
                await to_thread.run_sync(look, abandon_on_cancel=True)
        except (PatchgapError, sa.exc.SQLAlchemyError, TimeoutError):
            return JSONResponse({"status": "unavailable"}, status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({"status": word})

    def _touch(self) -> None:
        try:
            self._inbox.get(_UNSTORED)
        except NotFoundError:
            return  # the database answered

    def _see(self) -> None:
        self._touch()
        self._sweeper.see()

    async def metrics(self, request: Request) -> Response:
        """The counters, to this machine alone."""
        if not asked_from_here(request):
            raise DeliveryRefusedError(
                HTTPStatus.FORBIDDEN, "metrics are answered to this machine alone", "Scrape them over loopback."
            )
        return Response(generate_latest(self._gauges.registry), media_type=CONTENT_TYPE_LATEST)

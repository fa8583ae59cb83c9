"""POST /v1/deployments: a signed deployment event, in the graph before it is answered.

Owns the order: size, signature, form, ownership, storage, answer. The graph itself is the durable record: an event that
was answered with 202 is in it, once.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus

from anyio import to_thread
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from integrations.webhooks.reading import body_of, document_of
from integrations.webhooks.signature import secrets_of, verify
from patchgap.errors import ConflictError
from patchgap.graph.deployments import DeploymentEvent, parse_deployment
from patchgap.graph.store import Graph
from patchgap.model.workload import READ_WHOLE
from patchgap.ports import Clock
from patchgap.settings import Settings


class Deployments:
    """The route of deployments. What patchgap reads itself is never taken from it."""

    def __init__(self, settings: Settings, graph: Graph, clock: Clock, body_within: float) -> None:
        self._settings = settings
        self._graph = graph
        self._clock = clock
        self._body_within = body_within

    async def accept(self, request: Request) -> Response:
        """202 once it is in the graph; a problem document where it is not."""
        keys = secrets_of(self._settings.webhook.secret)
        body = await body_of(request, self._body_within)
        delivery = verify(keys, request.headers, body, self._clock())
        event, is_new = await to_thread.run_sync(self._store, delivery, body)
        answer = {"delivery": delivery, "workloads": [str(ref) for ref in event.refs()], "duplicate": not is_new}
        return JSONResponse(answer, status_code=HTTPStatus.ACCEPTED)

    def _store(self, delivery: str, body: bytes) -> tuple[DeploymentEvent, bool]:
        event = parse_deployment(document_of(body))
        self._hold_owner(event)
        content = hashlib.sha256(body).hexdigest()
        return event, self._graph.record_deployment(delivery, content, event, self._clock())

    def _hold_owner(self, event: DeploymentEvent) -> None:
        if event.platform in READ_WHOLE or event.cluster in self._settings.clusters:
            raise ConflictError(
                f"what runs in {event.cluster} is read from its own control plane",
                "Send events for what cannot be watched, under a platform and a cluster name of its own.",
            )

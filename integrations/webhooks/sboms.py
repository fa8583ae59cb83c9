"""POST /v1/sboms: CI sends the SBOM of an image that it built, signed as signals are; it is stored before the answer.

Owns the order: headers, size, signature, form, storage, answer. It asks for no run: what is exposed is told by whoever
asks the graph next.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from integrations.webhooks import problems
from integrations.webhooks.gauges import Gauges
from integrations.webhooks.problems import DeliveryRefusedError
from integrations.webhooks.reading import bytes_of
from integrations.webhooks.signature import claimed, secrets_of, verify
from patchgap.errors import BadInputError
from patchgap.graph.files import read_content
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.kinds import READ, NotAnSbomError
from patchgap.graph.sbom.read import NamelessError
from patchgap.graph.store import Graph
from patchgap.ports import Clock

MAX_SBOM = 32 * 1024 * 1024
HEADER = "patchgap-artifact"
_NAME_IT = f"Name the image once, as REPOSITORY@sha256:<64 hex digits>, in the header {HEADER} or in ?artifact=."
_AT_ONCE = 4  # bodies that are held at the same time
_WITHIN = 30.0  # seconds, for a whole body
_ARTIFACT = re.compile(r"[\x21-\x7e]{0,255}@sha256:[0-9a-f]{64}", re.ASCII)


class SbomDesk:
    """The route of SBOMs. `secret` is the reference of the signing secrets."""

    def __init__(self, secret: str, graph: Graph, clock: Clock, gauges: Gauges) -> None:
        self._secret = secret
        self._graph = graph
        self._clock = clock
        self._gauges = gauges
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def accept(self, request: Request) -> Response:
        """201 with the image's digest and what the SBOM leaves open once it is stored, 200 where it was before; else a
        problem document."""
        return await problems.counted(self._accept(request), self._gauges.sboms)

    async def _accept(self, request: Request) -> Response:
        keys = secrets_of(self._secret)
        claimed(request.headers, self._clock())
        artifact = _artifact(request)
        if self._places.locked():
            raise DeliveryRefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{_AT_ONCE} SBOMs are being taken already",
                "Send it again in a moment.",
            )
        async with self._places:
            body = await bytes_of(request, _WITHIN, MAX_SBOM)
            delivery = verify(keys, request.headers, body, self._clock())
            answer, new = await to_thread.run_sync(self._store, delivery, body, artifact)
        return JSONResponse(answer, status_code=HTTPStatus.CREATED if new else HTTPStatus.OK)

    def _store(self, delivery: str, body: bytes, artifact: str) -> tuple[dict[str, Any], bool]:
        try:
            document = read_content(body, "the SBOM", artifact or None)
        except NamelessError as error:
            raise DeliveryRefusedError(HTTPStatus.BAD_REQUEST, error.problem, _NAME_IT) from error
        except NotAnSbomError as error:
            raise DeliveryRefusedError(HTTPStatus.BAD_REQUEST, error.problem, f"Send an SBOM: {READ}.") from error
        if not isinstance(document, SbomDocument):
            what = "it is provenance, VEX or an exposure document"
            raise BadInputError("the SBOM", what, "Add it by patchgap graph add.")
        now = self._clock()
        content = hashlib.sha256(artifact.encode() + b"\0" + body).hexdigest()
        self._graph.deliver(delivery, content, now)
        new = self._graph.add_sboms((document,), now) > 0
        told = {
            "digest": document.artifact.digest,
            "digests": list(document.digests),
            "format": document.format,
            "packages": len(document.packages),
            "new": new,
            "open": [*document.gaps, *document.hides],
        }
        return told, new


def _artifact(request: Request) -> str:
    """`REPOSITORY@sha256:…` from the header or the query; "" where neither names it. Raises DeliveryRefusedError."""
    given = [*request.headers.getlist(HEADER), *request.query_params.getlist("artifact")]
    if len(given) > 1 or any(not _ARTIFACT.fullmatch(one) for one in given):
        raise DeliveryRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"the image is named {'more than once' if len(given) > 1 else 'without its digest'}",
            _NAME_IT,
        )
    return given[0] if given else ""

"""The webhook receiver's process: integrations' app, handed the stores and the way to start a flow."""

from __future__ import annotations

import os

import uvicorn

from flows.process import engine, utc_now
from flows.runtime.starter import for_process
from integrations.webhooks.receiver import create_app


def serve(host: str, port: int) -> None:
    """Serves until the process is told to end. Raises BadInputError for a missing secret, UnreachableError where no
    Prefect API is configured."""
    opened = engine()
    app = create_app(
        opened.settings, opened.inbox, for_process(os.environ), utc_now, graph=opened.graph, consent=opened.consent
    )
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # what a client says of its own address is no evidence of it
        limit_concurrency=200,
        timeout_graceful_shutdown=1,
    )

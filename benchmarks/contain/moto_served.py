"""moto's server, one a process, whose account can be made anew with the same ids, and which counts the calls that it gets."""

from __future__ import annotations

import io
import logging
import tempfile
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
from aws_estate import NUMBER, REGION, Estate  # type: ignore[import-not-found]
from moto.ecs.models import ecs_backends
from moto.moto_api import state_manager
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

_BORN = datetime(2026, 1, 1, tzinfo=UTC)


class Served:
    """Runs until the process ends. `calls` are the operations of those that were answered, by name."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.region = REGION
        self.calls: list[str] = []
        self._inner = DomainDispatcherApplication(create_backend_app)
        server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.estate = Estate(f"http://127.0.0.1:{server.server_port}", Path(tempfile.mkdtemp(prefix="kills-")))

    def anew(self, more: Callable[[Estate], object]) -> None:
        """An account with the same ids as each time."""
        for path in ("seed?a=42", "reset", "seed?a=42"):
            httpx.post(f"{self.estate.endpoint}/moto-api/{path}", trust_env=False).raise_for_status()
        state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1 << 30})
        self.estate.service()
        self.estate.function()
        more(self.estate)
        for service in ecs_backends[NUMBER][REGION].services.values():
            service.__dict__["created_at"] = _BORN  # part of what patchgap knows it by

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        called = self._called(environ)
        if called:
            self.calls.append(called)
        answered: Iterable[bytes] = self._inner(environ, start)
        return answered

    def _called(self, environ: dict[str, Any]) -> str:
        """The operation's name; of Lambda's, which are no names, the method and the path."""
        if environ.get("HTTP_X_AMZ_TARGET"):
            return str(environ["HTTP_X_AMZ_TARGET"]).rpartition(".")[2]
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method == "POST" and path == "/":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            return str(parse_qs(body.decode()).get("Action", [""])[0])
        return "" if path.startswith("/moto-api") else f"{method.capitalize()} {path}"


@cache
def served() -> Served:
    """The one of this process."""
    return Served()

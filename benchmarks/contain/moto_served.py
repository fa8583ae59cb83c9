"""moto's server, one a process, whose account can be made anew with the same ids, and which tells the calls that changed
something in it: a tag that is put a second time as it stands is no second effect.
"""

from __future__ import annotations

import io
import json
import logging
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
from aws_estate import NUMBER, REGION, Estate  # type: ignore[import-not-found]
from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.awslambda.models import lambda_backends
from moto.codepipeline.models import codepipeline_backends
from moto.ec2.models import ec2_backends
from moto.ecr.models import ecr_backends
from moto.ecs.models import ecs_backends
from moto.iam.models import iam_backends
from moto.moto_api import state_manager
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from played import played  # type: ignore[import-not-found]
from werkzeug.serving import make_server

READING = ("Describe", "Get", "List", "BatchGet", "Filter", "Head")  # operations that write nothing
_HELD = (
    applicationautoscaling_backends,
    codepipeline_backends,
    ecr_backends,
    ecs_backends,
    iam_backends,
    lambda_backends,
    s3_backends,
    secretsmanager_backends,
)
_LEFT_OUT = {
    "ec2_backend",
    "backend",
    "aws_managed_policies",
    "managed_policies",
    "ecs_backend",
    "account_id",
    "_reset_model_refs",
    "pending_tasks_count",  # a cluster's: moto counts it down at each update of a service, one that changes nothing too
    "running_tasks_count",
    "patchgap.dev/asked-for-key",  # a moment: another one at each try
}
_DEEP = 12
_BORN = datetime(2026, 1, 1, tzinfo=UTC)


class Served:
    """Runs until the process ends. `calls` are the operations of those that were answered, by name, `changes` those of them
    that left the account otherwise than they found it."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.region = REGION
        self.calls: list[str] = []
        self.changes: list[str] = []
        self._played = played()  # what moto does not play itself
        self._played.__enter__()
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
        born = (ecs_backends[NUMBER][REGION].services, ecr_backends[NUMBER][REGION].repositories)
        for made in (one for held in born for one in held.values()):
            made.__dict__["created_at"] = _BORN  # part of what patchgap knows it by

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        called = self._called(environ)
        if not called or called.startswith(READING):
            answered: Iterable[bytes] = self._inner(environ, start)
            self.calls += [called] * bool(called)
            return answered
        before = _account()
        whole = list(self._inner(environ, start))
        self.calls.append(called)
        if _account() != before:
            self.changes.append(called)
        return whole

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


def _account() -> str:
    """All that the account holds of what verbs change, without times."""
    held = [vars(one[NUMBER][REGION if REGION in one[NUMBER] else "aws"]) for one in _HELD]
    return json.dumps(_plain([*held, ec2_backends[NUMBER][REGION].groups]))


def _plain(value: Any, depth: int = 0) -> Any:
    """Moto's own objects as JSON, without what they point back at."""
    if isinstance(value, str | int | bool | bytes | None):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v, depth + 1) for k, v in value.items() if k not in _LEFT_OUT}
    if isinstance(value, list | tuple | set | frozenset | deque):
        return [_plain(v, depth + 1) for v in value]
    if depth > _DEEP or not hasattr(value, "__dict__") or callable(value):
        return ""
    return _plain(vars(value), depth + 1)


@cache
def served() -> Served:
    """The one of this process."""
    return Served()

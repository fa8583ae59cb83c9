"""Scheduled runs, as a Prefect server keeps them: a record over HTTP, one run a key, and the scheduler that speaks to it.

The real scheduler against a real server has its own tests; here the record is the world's, so that a kill can be judged by it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from integrations.outbound import Service
from integrations.rest import Rest
from patchgap.ports import ScheduledRun


class RunBook:
    """Started by `with`. `runs` by key; `asked` counts what made or cancelled one."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"book": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where runs are kept."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, run: dict[str, Any]) -> None:
        """The run of that key as it is from now on."""
        if self.runs.get(run["id"]) != run:
            self.asked.append(f"{'cancelled' if run['cancelled'] else 'scheduled'} {run['id']}")
        self.runs[run["id"]] = run

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    book: RunBook

    def do_GET(self) -> None:
        self._send(list(self.book.runs.values()))

    def do_PUT(self) -> None:
        self.book.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._send({})

    def _send(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's)
        """Nothing."""


class BookScheduler:
    """The port that the patch window needs."""

    def __init__(self, url: str) -> None:
        self._rest = Rest(Service("the runs' record", url, timeout_seconds=30), "Try again.")

    def schedule(self, flow: str, parameters: Mapping[str, object], key: str, at: datetime, tags: Sequence[str]) -> str:
        """One run a key."""
        if not any(r["id"] == key for r in self._runs()):
            made = {"id": key, "flow": flow, "at": at.isoformat(), "tags": list(tags), "parameters": dict(parameters)}
            self._put({**made, "cancelled": False})
        return key

    def find(self, flow: str, tags: Sequence[str]) -> tuple[ScheduledRun, ...]:
        """Those of the flow with all the tags."""
        mine = [r for r in self._runs() if r["flow"] == flow and set(tags) <= set(r["tags"])]
        return tuple(
            ScheduledRun(r["id"], datetime.fromisoformat(r["at"]), not r["cancelled"], r["cancelled"], r["cancelled"])
            for r in reversed(mine)
        )

    def cancel(self, run: str) -> None:
        """Stays, cancelled."""
        [held] = [r for r in self._runs() if r["id"] == run]
        self._put({**held, "cancelled": True})

    def _runs(self) -> list[dict[str, Any]]:
        return list(self._rest.ask("GET", "").document)

    def _put(self, run: dict[str, Any]) -> None:
        self._rest.ask("PUT", "", body=run)

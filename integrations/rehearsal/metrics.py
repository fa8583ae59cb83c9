"""A metrics source for rehearsals: Prometheus's HTTP API over series whose values a scenario sets.

It owns the API's shapes and what a scrape does to a value: samples stand at scrape times, a value that is set is seen
at the next one, a silenced series goes stale. PromQL it has none of, but a series' name and `timestamp(name)`:
anything else is answered with 501.
"""

from __future__ import annotations

import json
import math
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

LOOKBACK = 300.0  # seconds: how long Prometheus takes an old sample for the present
_MAX_POINTS = 11_000
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_TIMESTAMP = re.compile(r"timestamp\(\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\)", re.ASCII)
_WRONG_PARAMETER = 'invalid parameter "{}": cannot parse "{}" to a valid {}'


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class _Series:
    """What was set, and when; None stands for a silence."""

    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def set(self, at: float, value: float | None) -> None:
        if not self.values or self.values[-1] != value:
            self.times.append(at)
            self.values.append(value)

    def sample(self, at: float, now: float, every: float) -> tuple[float, float] | None:
        """The newest sample that a query at that time sees: (when scraped, value)."""
        if not self.times or min(at, now) < self.times[0]:
            return None
        scraped = self.times[0] + (min(at, now) - self.times[0]) // every * every
        value = self.values[bisect_right(self.times, scraped) - 1]
        return None if value is None or at - scraped >= LOOKBACK else (scraped, value)


class _BadRequestError(Exception):
    def __init__(self, words: str, kind: str = "bad_data", status: int = 400) -> None:
        self.kind = kind
        self.status = status
        super().__init__(words)


class MetricsSource:
    """Started by `with`. Scrapes each series every `scrape_seconds`, on the clock given."""

    def __init__(self, clock: Callable[[], datetime] = _now, scrape_seconds: float = 0.1) -> None:
        self._clock = clock
        self._every = scrape_seconds
        self._series: dict[str, _Series] = {}
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="metrics", daemon=True)

    @property
    def url(self) -> str:
        """The address to configure as `prometheus.url`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def set(self, name: str, value: float) -> None:
        """From now on the series has this value."""
        self._record(name, value)

    def silence(self, name: str) -> None:
        """From now on nothing scrapes the series."""
        self._record(name, None)

    def _record(self, name: str, value: float | None) -> None:
        with self._lock:
            self._series.setdefault(name, _Series()).set(self._clock().timestamp(), value)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, path: str, asked: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and document for a call of the API."""
        try:
            if path == "/api/v1/query":
                at = _time(asked, "time") if "time" in asked else self._clock().timestamp()
                result = self._instant(asked.get("query", ""), at)
                return 200, {"status": "success", "data": {"resultType": "vector", "result": result}}
            if path == "/api/v1/query_range":
                result = self._range(asked)
                return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}
        except _BadRequestError as error:
            return error.status, {"status": "error", "errorType": error.kind, "error": str(error)}
        return 501, {"status": "error", "errorType": "unimplemented", "error": f"the rehearsal has no {path}"}

    def _instant(self, query: str, at: float) -> list[dict[str, Any]]:
        labels, read = self._parse(query)
        value = read(at)
        return [] if value is None else [{"metric": labels, "value": [at, _text(value)]}]

    def _range(self, asked: Mapping[str, str]) -> list[dict[str, Any]]:
        start, end, step = _time(asked, "start"), _time(asked, "end"), _step(asked)
        if end < start:
            raise _BadRequestError('invalid parameter "end": end timestamp must not be before start time')
        if (end - start) / step > _MAX_POINTS:
            raise _BadRequestError(
                "exceeded maximum resolution of 11,000 points per timeseries. "
                "Try decreasing the query resolution (?step=XX)"
            )
        labels, read = self._parse(asked.get("query", ""))
        first, stride, last = round(start * 1000), round(step * 1000), round(end * 1000)
        seen = [(ms / 1000, read(ms / 1000)) for ms in range(first, last + 1, stride)]
        values = [[at, _text(value)] for at, value in seen if value is not None]
        return [{"metric": labels, "values": values}] if values else []

    def _parse(self, query: str) -> tuple[dict[str, str], Callable[[float], float | None]]:
        text = query.strip()
        if not text:
            raise _BadRequestError(
                'invalid parameter "query": unknown position: parse error: no expression found in input'
            )
        if text.count("(") != text.count(")"):
            raise _BadRequestError('invalid parameter "query": 1:1: parse error: unclosed left parenthesis')
        stamped = _TIMESTAMP.fullmatch(text)
        name = stamped[1] if stamped else text
        if not _NAME.fullmatch(name):
            raise _BadRequestError("the rehearsal reads series by name alone", "unimplemented", 501)

        def read(at: float) -> float | None:
            with self._lock:
                series = self._series.get(name, _Series())
                sample = series.sample(at, self._clock().timestamp(), self._every)
            return None if sample is None else sample[0] if stamped else sample[1]

        return {} if stamped else {"__name__": name}, read


def _text(value: float) -> str:
    """As Prometheus writes a sample's value."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else f"{value:.15g}"


def _time(asked: Mapping[str, str], name: str) -> float:
    text = asked.get(name, "")
    try:
        return float(text)
    except ValueError:
        raise _BadRequestError(_WRONG_PARAMETER.format(name, text, "timestamp")) from None


def _step(asked: Mapping[str, str]) -> float:
    text = asked.get("step", "")
    try:
        step = float(text)
    except ValueError:
        raise _BadRequestError(_WRONG_PARAMETER.format("step", text, "duration")) from None
    if step <= 0:
        raise _BadRequestError(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
            "Try a positive integer"
        )
    return step


class _Server(ThreadingHTTPServer):
    def __init__(self, source: MetricsSource) -> None:
        self.source = source
        super().__init__(("127.0.0.1", 0), _Answering)


class _Answering(BaseHTTPRequestHandler):
    timeout = 10
    server: _Server

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/-/ready":
            self._send(200, "text/plain; charset=utf-8", b"Prometheus Server is Ready.\n")
            return
        query = {name: values[0] for name, values in parse_qs(asked.query, keep_blank_values=True).items()}
        status, document = self.server.source.answer(asked.path, query)
        self._send(status, "application/json", json.dumps(document).encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base's)
        """The rehearsal tells its own story."""

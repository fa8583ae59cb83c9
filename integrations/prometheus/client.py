"""Asks a Prometheus for series, and reads its answers strictly. Knows nothing of what a series means.

An answer that is partial, malformed or not a number is an UnreachableError: what it would have said is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from integrations.outbound import Answer, Service
from patchgap.errors import BadInputError, UnreachableError
from patchgap.graph.documents import parse_json
from patchgap.settings import Settings

_OK = 200
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its labels, and samples as (milliseconds since 1970, value), in order of time."""

    labels: Mapping[str, str]
    samples: tuple[tuple[int, float], ...]

    def __str__(self) -> str:
        inner = ", ".join(f'{k}="{v}"' for k, v in sorted(self.labels.items()) if k != "__name__")
        return f"{self.labels.get('__name__', '')}{{{inner}}}"[:200]


class Prometheus:
    """The configured Prometheus, with the queries that the settings name."""

    def __init__(self, service: Service, queries: Mapping[str, str]) -> None:
        self.service = service
        self.queries = queries

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """From the settings. Raises BadInputError where they name no Prometheus."""
        wanted = settings.prometheus
        if not wanted.url:
            raise BadInputError("settings", "prometheus.url is not set", "Set it to the address of a Prometheus.")
        return cls(Service("Prometheus", wanted.url.rstrip("/"), wanted.token, wanted.timeout_seconds), wanted.queries)

    def range(self, query: str, start: int, end: int, step: int) -> tuple[Series, ...]:
        """The query's value at start, start + step and so on up to end, all in milliseconds.

        Raises UnreachableError where there is no whole, sound answer.
        """
        asked = {"query": query, "start": _seconds(start), "end": _seconds(end), "step": _seconds(step)}
        return tuple(self._series(r, r.get("values")) for r in self._ask("query_range", asked, "matrix"))

    def sampled_at(self, query: str, at: int) -> tuple[Series, ...]:
        """When the samples were taken that a plain selector's value at that time (milliseconds) rests on, in seconds
        since 1970, a series each. For an expression Prometheus answers the time asked for. Raises UnreachableError."""
        asked = {"query": f"timestamp({query}\n)", "time": _seconds(at)}
        return tuple(self._series(r, [r.get("value")]) for r in self._ask("query", asked, "vector"))

    def _ask(self, call: str, asked: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
        answer = self.service.request("GET", f"{self.service.url}/api/v1/{call}", query=asked)
        document = self._document(answer)
        if answer.status != _OK or document.get("status") != "success":
            said = document.get("error")
            raise self._refusal(
                f"answered {answer.status}: {said[:200] if isinstance(said, str) else 'no reason given'}"
            )
        if document.get("warnings"):
            raise self._refusal(f"answered only in part: {str(document['warnings'])[:200]}")
        data = document.get("data")
        result = data.get("result") if isinstance(data, dict) and data.get("resultType") == kind else None
        if not isinstance(result, list) or not all(isinstance(r, dict) for r in result):
            raise self._refusal(f"answered something else than a {kind}")
        return result

    def _document(self, answer: Answer) -> dict[str, Any]:
        try:
            return parse_json(answer.body, "the answer")
        except BadInputError as error:
            raise self._refusal(f"answered {answer.status} with what is no JSON document") from error

    def _series(self, result: Mapping[str, Any], pairs: Any) -> Series:
        labels = result.get("metric")
        if not isinstance(labels, dict) or not isinstance(pairs, list):
            raise self._refusal("answered a series of unknown form")
        return Series({str(k): str(v) for k, v in labels.items()}, tuple(self._sample(pair) for pair in pairs))

    def _sample(self, pair: Any) -> tuple[int, float]:
        match pair:
            case [int() | float() as at, str() as text] if not isinstance(at, bool):
                if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
                    raise self._refusal(f"answered the value {text[:20]!r}, which is not a finite number")
                return round(at * 1000), float(text)
            case _:
                raise self._refusal("answered a sample of unknown form")

    def _refusal(self, problem: str) -> UnreachableError:
        return UnreachableError(
            f"Prometheus at {self.service.shown} {problem}",
            "Try the query there by hand, and correct it or the source.",
        )


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"

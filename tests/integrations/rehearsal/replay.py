"""Replaying a recorded conversation: names, uids and versions of the record stand for the live ones.

Owns the mapping from recorded to live values and what the shape of an answer is.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

DATA = Path(__file__).parents[2] / "data" / "kubernetes" / "api-transcript.json.gz"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADDRESS = re.compile(r"\b10\.\d+\.\d+\.\d+\b")
_MAPPED = ("name", "uid", "resourceVersion", "continue")


def entries() -> list[dict[str, Any]]:
    """The recorded calls, in order."""
    found: list[dict[str, Any]] = json.loads(gzip.decompress(DATA.read_bytes()))["entries"]
    return found


@dataclass(frozen=True)
class Live:
    """A live answer; `body` is a list of events for a watch, text where it is not JSON."""

    status: int
    body: Any
    warnings: tuple[str, ...]


@dataclass
class Replay:
    """Sends recorded calls to a live server."""

    client: httpx.Client
    tokens: dict[str, str]
    known: dict[str, str] = field(default_factory=dict)

    def send(self, entry: dict[str, Any]) -> Live:
        """Send one recorded call, with the live values in place of the recorded ones."""
        headers = {"Authorization": f"Bearer {self.tokens[entry['as']]}", "User-Agent": "unknown"}
        if entry["accept"]:
            headers["Accept"] = entry["accept"]
        if entry["content_type"]:
            headers["Content-Type"] = entry["content_type"]
        body = entry["body"]
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        path = self.translate(entry["path"], quoted=True)
        answer = self.client.request(entry["method"], path, content=self.translate(text), headers=headers)
        live = Live(answer.status_code, self._read(answer), tuple(answer.headers.get_list("warning")))
        self.learn(entry["response"], live.body)
        return live

    def _read(self, answer: httpx.Response) -> Any:
        if "watch=1" in str(answer.request.url) and answer.status_code == 200:
            return [json.loads(line) for line in answer.text.splitlines()]
        if answer.headers["content-type"].startswith("application/json"):
            return answer.json()
        return answer.text

    def translate(self, text: str, *, quoted: bool = False) -> str:
        """A recorded text with the live values in place of the recorded ones."""
        for recorded, live in sorted(self.known.items(), key=lambda pair: -len(pair[0])):
            if recorded.isdigit():
                pattern = rf"(?<=resourceVersion=){recorded}(?=&|$)|(?<=\"resourceVersion\": \"){recorded}(?=\")"
                text = re.sub(pattern, live, text)
            else:
                text = text.replace(recorded, quote(live) if quoted else live)
        return text

    def learn(self, recorded: Any, live: Any) -> None:
        """Remember which live value stands for each recorded name, uid, version and continue token."""
        if isinstance(recorded, dict) and isinstance(live, dict):
            for key, value in recorded.items():
                other = live.get(key)
                if key in _MAPPED and isinstance(value, str) and isinstance(other, str) and value != other:
                    self.known.setdefault(value, other)
                else:
                    self.learn(value, other)
        elif isinstance(recorded, list) and isinstance(live, list) and len(recorded) == len(live):
            for one, other in zip(recorded, live, strict=True):
                self.learn(one, other)


def shape(value: Any) -> Any:
    """The keys of a value, recursively; the items of a list are taken together."""
    if isinstance(value, dict):
        return {_steady(key): shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        merged: Any = {}
        for item in value:
            merged = _union(merged, shape(item))
        return [merged]
    return "scalar"


def _steady(key: str) -> str:
    return _ADDRESS.sub("<ip>", _UUID.sub("<uid>", key))


def _union(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _union(one.get(key, {}), other.get(key, {})) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [_union(one[0], other[0])]
    return other if other != {} else one


def differences(recorded: Any, live: Any, path: str = "") -> Iterator[str]:
    """Where two shapes differ: `-` only recorded, `+` only live."""
    if isinstance(recorded, dict) and isinstance(live, dict):
        for key in {**recorded, **live}:
            here = f"{path}.{key}"
            if key not in live:
                yield f"-{here}"
            elif key not in recorded:
                yield f"+{here}"
            else:
                yield from differences(recorded[key], live[key], here)
    elif isinstance(recorded, list) and isinstance(live, list):
        yield from differences(recorded[0], live[0], f"{path}[]")
    elif recorded != live and {} not in (recorded, live):
        yield f"~{path}"

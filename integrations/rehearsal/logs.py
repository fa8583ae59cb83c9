"""Containers' logs: what a pod's containers have written, as the API server hands it on from the kubelet.

Owns the lines, the options of the log subresource and the refusals of both servers. It knows no HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.rehearsal.call import World
from integrations.rehearsal.document import Json
from integrations.rehearsal.resources import BY_KEY
from integrations.rehearsal.status import Cause, Target, bad_request, invalid, not_found, not_implemented
from integrations.rehearsal.storage import Key, Storage

_PODS = BY_KEY["pods"]
_TRUE = ("1", "true", "True", "t")
_KINDS = ("containers", "initContainers", "ephemeralContainers")
_WAITS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class Logs:
    """The logs of one cluster's containers: of the one that runs (or ran last), and of the one before it."""

    def __init__(self, storage: Storage, world: World) -> None:
        self._storage = storage
        self._world = world
        self._lines: dict[tuple[str, str, bool], list[tuple[str, str]]] = {}

    def write(self, uid: str, container: str, text: str) -> None:
        """What a container of the pod says now, a line a line."""
        lines = self._lines.setdefault((uid, container, False), [])
        lines += [(self._world.precise(), line) for line in text.splitlines()]

    def roll(self, uid: str, container: str) -> None:
        """The container was started again: its lines are those of the one before."""
        self._lines[uid, container, True] = self._lines.pop((uid, container, False), [])

    def read(self, key: Key, query: Mapping[str, str]) -> bytes | None:
        """The log that the query asks for; None where the pod is on no node yet. Raises ApiError."""
        lines, most = _bounds(key[1], query)
        pod = self._storage.get("pods", key)
        if pod is None:
            raise not_found(_PODS.target(key[1]))
        container = _container(pod, query.get("container", ""))
        if not pod["spec"].get("nodeName"):
            return None
        previous = query.get("previous") in _TRUE
        _started(pod, container, previous=previous)
        held = self._lines.get((pod["metadata"]["uid"], container, previous), [])
        kept = held if lines is None else held[len(held) - min(lines, len(held)) :]
        stamped = query.get("timestamps") in _TRUE
        text = "".join(f"{at} {line}\n" if stamped else f"{line}\n" for at, line in kept).encode()
        return text if most is None else text[:most]


def _bounds(pod: str, query: Mapping[str, str]) -> tuple[int | None, int | None]:
    for option in ("follow", "sinceSeconds", "sinceTime", "stream"):
        if query.get(option, "") not in ("", "false", "0", "All"):
            raise not_implemented(f"the log option {option}")
    lines, most = _number(query, "tailLines"), _number(query, "limitBytes")
    causes = []
    if lines is not None and lines < 0:
        causes.append(_wrong("tailLines", lines, "must be greater than or equal to 0"))
    if most is not None and most < 1:
        causes.append(_wrong("limitBytes", most, "must be greater than 0"))
    if causes:
        raise invalid(Target("", "pods", "PodLogOptions", pod), causes)
    return lines, most


def _wrong(field: str, value: int, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", field)


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    digits = text.removeprefix("-")
    if not text:
        return None
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _container(pod: Json, asked: str) -> str:
    names = {kind: [str(c["name"]) for c in pod["spec"].get(kind) or ()] for kind in _KINDS}
    name = pod["metadata"]["name"]
    if asked:
        if not any(asked in held for held in names.values()):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(names["containers"]) == 1:
        return names["containers"][0]
    said = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names['containers'])}]"
    if names["initContainers"]:
        said += f" or one of the init containers: [{' '.join(names['initContainers'])}]"
    raise bad_request(said)


def _started(pod: Json, container: str, *, previous: bool) -> None:
    """Raises where the kubelet has no such log."""
    named = f'container "{container}" in pod "{pod["metadata"]["name"]}"'
    listed = [s for k in _KINDS for s in pod["status"].get(f"{k[:-1]}Statuses") or () if s["name"] == container]
    if not listed:
        raise bad_request(f"{named} is not available")
    state: Mapping[str, Any] = listed[0].get("state") or {}
    if previous:
        if "terminated" not in (listed[0].get("lastState") or {}):
            raise bad_request(f"previous terminated {named} not found")
    elif "waiting" in state:
        reason = str(state["waiting"].get("reason", ""))
        raise bad_request(f"{named} is waiting to start: {_WAITS.get(reason, reason)}")

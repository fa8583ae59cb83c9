"""What containers said: the newest part of each log within bounds, without what looks like a secret, and what is missing.

Owns how a log is read and named. A log that cannot be had, or not whole, is told in words: it never looks empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.kubernetes.answers import ForbiddenError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import Json
from integrations.redaction import without_secrets
from patchgap.errors import PatchgapError, RefusedError, UnreachableError

_ATTEMPTS = 6  # to find how many of the last lines fit
_NAMED = re.compile(r"[a-z0-9]([a-z0-9.-]{0,118}[a-z0-9])?")
_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most bytes that are kept of one log, and of all logs of a workload."""

    each: int
    together: int


@dataclass
class Logs:
    """The files by name, and an entry a log: whose it is, its file or "", and what is not whole of it."""

    files: dict[str, bytes] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def untold(self) -> tuple[str, ...]:
        """What could not be had, a sentence a reason with how many logs it is about."""
        reasons = [str(e["untold"]) for e in self.entries if e["untold"]]
        return tuple(f"{reasons.count(r)} log(s) could not be read: {r}" for r in dict.fromkeys(reasons))

    @property
    def cut(self) -> int:
        """How many are kept in part."""
        return sum(1 for e in self.entries if e["cut"])


def read_logs(cluster: Cluster, pods: Sequence[Json], bounds: Bounds) -> Logs:
    """The log of each container of each pod, and of the one before it where it was started again. Raises nothing for a
    log that cannot be had; a node that does not answer is asked once."""
    logs, deaf, kept = Logs(), dict[str, str](), 0
    for pod, container, previous in _each(pods):
        meta, node = pod["metadata"], str((pod.get("spec") or {}).get("nodeName") or "")
        entry = {"pod": meta["name"], "uid": meta["uid"], "container": container, "previous": previous}
        name, text, cut, untold = "", b"", "", deaf.get(node, "")
        if kept >= bounds.together:
            untold = f"the logs of this workload are longer than {bounds.together} bytes together"
        if not untold:
            try:
                most = min(bounds.each, bounds.together - kept)
                text, cut = _newest(cluster, pod, container, most, previous=previous)
                name = _file_of(entry)
            except ForbiddenError as error:
                untold = f"patchgap may not {error.permission}"
            except PatchgapError as error:
                untold = error.problem
                if isinstance(error, UnreachableError):
                    deaf[node] = untold
        if not untold:
            kept += len(text)
            logs.files[name] = without_secrets(text.decode("utf-8", "replace")).encode()
        logs.entries.append({**entry, "file": name, "bytes": len(text), "cut": cut, "untold": untold})
    return logs


def _each(pods: Sequence[Json]) -> Iterator[tuple[Json, str, bool]]:
    """Every container that has started, and whether the one before it is meant."""
    for pod in pods:
        for status in (s for kind in _STATUSES for s in (pod.get("status") or {}).get(kind) or ()):
            if "terminated" in (status.get("lastState") or {}):
                yield pod, str(status["name"]), True
            if "waiting" not in (status.get("state") or {}):
                yield pod, str(status["name"]), False


def _newest(cluster: Cluster, pod: Json, container: str, most: int, *, previous: bool) -> tuple[bytes, str]:
    """The log, or its last lines with words that say so. The server cuts at the end, where the newest lines are: so
    fewer lines are asked for until they fit."""
    query = {"container": container, "timestamps": "true", "limitBytes": str(most + 1)}
    query |= {"previous": "true"} if previous else {}
    meta = pod["metadata"]
    text = cluster.log(meta["namespace"], meta["name"], query)
    if len(text) <= most:
        return text, ""
    for _ in range(_ATTEMPTS):
        lines = max(1, text.count(b"\n") * 3 // 4)
        text = cluster.log(meta["namespace"], meta["name"], {**query, "tailLines": str(lines)})
        if len(text) <= most:
            return text, f"only its last {lines} line(s): it is longer than {most} bytes"
    return text[:most], f"the first {most} bytes of its last {lines} line(s): they are longer"


def _file_of(entry: Mapping[str, Any]) -> str:
    """`log_POD_CONTAINER.txt`: no name of Kubernetes holds an underscore. Raises RefusedError for what is no name."""
    pod, container = str(entry["pod"]), str(entry["container"])
    pod = pod if len(pod) <= _LONGEST_NAME else str(entry["uid"])
    if not (_NAMED.fullmatch(pod) and _NAMED.fullmatch(container)):
        raise RefusedError(f"{pod}/{container} has no name that a file can bear", "Look at that pod by hand.")
    return f"log_{pod}_{container}{'_previous' if entry['previous'] else ''}.txt"


_LONGEST_NAME = 120

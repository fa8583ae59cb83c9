"""The reading verbs: get, list with its paging and selectors, and the events of a watch.

Owns revisions' meaning for readers, and continue tokens; knows nothing of HTTP.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from integrations.rehearsal.document import Json, decode, encode
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.selectors import Match, parse_fields, parse_labels
from integrations.rehearsal.status import ApiError, bad_request, gone, not_found
from integrations.rehearsal.storage import Change, CompactedError, FutureError, Key, Storage


@dataclass(frozen=True)
class Query:
    """A list's or a watch's options, as the query string writes them."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    revision: str = ""
    match: str = ""

    def matcher(self, resource: Resource) -> Match:
        """The two selectors as one; raises ApiError 400 where one cannot be read."""
        labels = parse_labels(self.labels)
        fields = parse_fields(resource, self.fields)
        return lambda document: labels.matches(document["metadata"].get("labels")) and fields(document)


def bare_item(document: Json) -> Json:
    """An object as an item of a list: without kind and apiVersion."""
    return {key: value for key, value in document.items() if key not in ("kind", "apiVersion")}


def _token(revision: int, key: Key, namespace: str) -> str:
    start = key[1] if namespace else "/".join(key)
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": f"{start}\u0000"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str, namespace: str) -> tuple[int, Key]:
    try:
        value = decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        revision, start = int(value["rv"]), str(value["start"]).rstrip("\u0000")
    except (ValueError, KeyError, TypeError) as failure:
        message = f"invalid continue token: continue key is not valid: {_bad_token(token)}"
        raise bad_request(message) from failure
    before, _, after = start.rpartition("/")
    return revision, (namespace, start) if namespace else (before, after)


def _bad_token(token: str) -> str:
    """What is wrong with a token, in the words of Go's base64 decoder."""
    strange = re.search(r"[^A-Za-z0-9_-]", token)
    if strange is not None:
        return f"illegal base64 data at input byte {strange.start()}"
    if len(token) % 4 == 1:
        return f"illegal base64 data at input byte {len(token) - 1}"
    return "invalid character looking for beginning of value"


def parse_revision(text: str) -> int:
    """A resource version as a number; raises ApiError 400 where it is not one."""
    if not (text.isascii() and text.isdigit()):
        message = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(message)
    return int(text)


class Reader:
    """The reading verbs over one storage."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def get(self, resource: Resource, key: Key) -> Json:
        """One object; raises ApiError 404."""
        found = self._storage.get(resource.key, key)
        if found is None:
            raise not_found(resource.target(key[1]))
        return found

    def select(self, resource: Resource, namespace: str, query: Query) -> tuple[list[Json], Json]:
        """The objects asked for, and the list's metadata."""
        matches = query.matcher(resource)
        start: Key | None = None
        with self._storage.lock:
            revision = self._storage.revision
            if query.token:
                revision, start = _read_token(query.token, namespace)
            elif query.match == "Exact" or (query.limit and query.revision not in ("", "0")):
                revision = parse_revision(query.revision)
            elif query.revision and parse_revision(query.revision) > revision:
                raise _too_large(parse_revision(query.revision), revision)
            state = self._state(resource, revision)
        chosen = [
            (key, document)
            for key, document in state
            if (not namespace or key[0] == namespace) and (start is None or key > start) and matches(document)
        ]
        metadata: Json = {"resourceVersion": str(revision)}
        if query.limit and len(chosen) > query.limit:
            rest = len(chosen) - query.limit
            chosen = chosen[: query.limit]
            metadata["continue"] = _token(revision, chosen[-1][0], namespace)
            if not query.labels and not query.fields:
                metadata["remainingItemCount"] = rest
        return [document for _, document in chosen], metadata

    def _state(self, resource: Resource, revision: int) -> list[tuple[Key, Json]]:
        try:
            return self._storage.at(resource.key, revision)
        except CompactedError as failure:
            message = (
                "The provided continue parameter is too old to display a consistent list result. You can start a "
                "new list without the continue parameter, or use the continue token in this response to retrieve "
                "the remainder of the results."
            )
            raise gone(message) from failure
        except FutureError as failure:
            raise _too_large(revision, self._storage.revision) from failure

    def initial(self, resource: Resource, namespace: str, query: Query) -> tuple[list[Json], int]:
        """What a watch begins with: its first events and the revision that it follows from."""
        matches = query.matcher(resource)
        with self._storage.lock:
            if query.revision in ("", "0"):
                live = self._storage.all(resource.key, namespace)
                return [event("ADDED", item) for item in live if matches(item)], self._storage.revision
            revision = parse_revision(query.revision)
            try:
                changes = self._storage.since(resource.key, revision)
            except CompactedError:
                return [expired(revision, self._storage.revision)], -1
            except FutureError:
                return [], revision
            events = [e for change in changes for e in watched(change, namespace, matches)]
            return events, self._storage.revision


@dataclass(frozen=True)
class Watch:
    """What is watched, and the form that its objects are shown in."""

    resource: Resource
    namespace: str
    query: Query
    shown: Callable[[Json], Json]


def watched(change: Change, namespace: str, matches: Match) -> Iterator[Json]:
    """The event that a watcher sees of a change, if any: leaving the selection is a deletion."""
    if namespace and change.key[0] != namespace:
        return
    before = change.old is not None and matches(change.old)
    after = change.new is not None and matches(change.new)
    if change.new is not None and after:
        yield event("MODIFIED" if before else "ADDED", change.new)
    elif before and change.old is not None:
        gone_as: Json = change.final if change.final is not None else _at(change.old, change.revision)
        yield event("DELETED", gone_as)


def _at(document: Json, revision: int) -> Json:
    return {**document, "metadata": {**document["metadata"], "resourceVersion": str(revision)}}


def event(kind: str, document: Json) -> Json:
    """A watch event."""
    return {"type": kind, "object": document}


def expired(revision: int, oldest: int) -> Json:
    """The event that ends a watch from a compacted revision."""
    return event("ERROR", gone(f"too old resource version: {revision} ({oldest})").document())


def bookmark(resource: Resource, revision: int) -> Json:
    """A bookmark event."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    return event("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.group_version, "metadata": metadata})


def _too_large(asked: int, current: int) -> ApiError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", message, details)


def line(told: Json, shown: Callable[[Json], Json]) -> bytes:
    """A watch event as the stream writes it, its object in the form that was asked for."""
    if told["type"] in ("ADDED", "MODIFIED", "DELETED"):
        told = event(told["type"], shown(told["object"]))
    return encode(told) + b"\n"

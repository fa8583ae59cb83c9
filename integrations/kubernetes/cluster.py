"""One cluster's API over HTTP: plain JSON in and out, each call with a deadline, each refusal a patchgap error.

Owns how patchgap reads and writes objects: pages, retries, field manager, dry run, preconditions. It knows nothing of
incidents: what is written, and whether it may be, is the actions' to say.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from integrations.kubernetes.answers import ExpiredError, error_of, foreign, is_passing, pause
from integrations.kubernetes.resources import NAMESPACES, PODS, SELF_REVIEWS, Json, Resource, of_object
from integrations.kubernetes.together import Together
from integrations.kubernetes.transport import HttpAnswer, Stream, Transport
from patchgap.attribution import agent
from patchgap.errors import NotFoundError, RefusedError

T = TypeVar("T")

SYSTEM = "kube-system"
FIELD_MANAGER = "patchgap"
JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML

_PAGE = 500
_QUIET = 90.0  # seconds without a line of a watch: a server sends a bookmark each minute
_ATTEMPTS = 4


def _nothing() -> None:
    """Reading alone, and a dry run, ask for no leave."""


class Cluster:
    """One cluster. All methods raise the errors of `patchgap.errors` alone."""

    def __init__(self, name: str, transport: Transport, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self._transport = transport
        self._sleep = sleep
        self._identity: list[str] = []
        self._may_write: Callable[[], None] = _nothing
        self.together = Together()

    def guarded(self, may_write: Callable[[], None]) -> Cluster:
        """The same cluster, where `may_write` is asked before each write: it raises while the kill switch stands."""
        made = Cluster(self.name, self._transport, self._sleep)
        made._identity, made._may_write, made.together = self._identity, may_write, self.together
        return made

    def bearer(self, token: str) -> Cluster:
        """The same cluster seen with another credential alone; the token is held in memory only."""
        return Cluster(self.name, self._transport.bearer(token), self._sleep)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        may_send: Callable[[], None] = _nothing,
    ) -> dict[str, Any]:
        """One call that answers with a JSON object, repeated for 429 and 5xx a bounded number of times. `may_send` is asked
        before each: the kill switch may be raised while a repetition waits."""
        answer = self._answered(method, path, query, body, content_type, accept, may_send)
        try:
            document = msgspec.json.decode(answer)
        except ValueError as error:
            raise foreign(self.name, f"{method} {path}", answer) from error
        if not isinstance(document, dict):
            raise foreign(self.name, f"{method} {path}", answer)
        return document

    def log(self, namespace: str, pod: str, query: Mapping[str, str]) -> bytes:
        """A container's log by the options of `pods/log`; b"" of a pod on no node. Raises RefusedError for none."""
        path = PODS.path(namespace, _named(pod), "log")
        return self._answered("GET", path, query, None, JSON, f"{JSON}, */*")  # text alone is answered 406

    def _answered(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Json | None,
        content_type: str,
        accept: str,
        may_send: Callable[[], None] = _nothing,
    ) -> bytes:
        url = path + ("?" + urlencode(query) if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept, "User-Agent": agent(), **({"Content-Type": content_type} if data else {})}
        answer = self._settled(method, url, headers, data, may_send)
        if answer.code >= HTTPStatus.BAD_REQUEST:
            raise error_of(self.name, f"{method} {path}", answer.code, answer.body)
        return answer.body

    def _settled(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None, may_send: Callable[[], None]
    ) -> HttpAnswer:
        for attempt in range(1, _ATTEMPTS + 1):
            may_send()
            answer = self._transport.send(method, url, headers, data)
            if not is_passing(answer.code, answer.body) or attempt == _ATTEMPTS:
                break
            self._sleep(pause(attempt, answer.retry_after))
        return answer

    def get(
        self, resource: Resource, namespace: str, name: str, subresource: str = "", *, accept: str = JSON
    ) -> dict[str, Any]:
        """The object; with `accept=TABLE` what is printed of it: of a Secret no value. Raises NotFoundError."""
        return self.request("GET", resource.path(namespace, _named(name), subresource), accept=accept)

    def find(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, or None where there is none."""
        try:
            return self.get(resource, namespace, name)
        except NotFoundError:
            return None

    def all_of(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        accept: str = JSON,
        keep: Callable[[Json], Json] = lambda manifest: manifest,
    ) -> list[Json]:
        """Every object, page by page, as `keep` leaves it; read again from the start, once, where the list expired
        meanwhile. With `accept=METADATA`, their metadata alone: a Secret's data then never leaves the server."""
        query = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields}
        return self._listed(resource, namespace, {k: v for k, v in query.items() if v}, accept, keep)[0]

    def listed(self, resource: Resource, keep: Callable[[Json], Json]) -> tuple[list[Json], str]:
        """Every object of every namespace, as `keep` leaves it, and the resource version that a watch of them begins
        after."""
        return self._listed(resource, "", {"limit": str(_PAGE)}, JSON, keep)

    def _listed(
        self,
        resource: Resource,
        namespace: str,
        query: Mapping[str, str],
        accept: str,
        keep: Callable[[Json], Json],
    ) -> tuple[list[Json], str]:
        for is_last in (False, True):
            found, version = list[Json](), ""
            try:
                for page in self._pages(resource, namespace, query, accept):
                    version = str((page.get("metadata") or {}).get("resourceVersion") or "")
                    # A list's items carry neither; what reads them should not need to know where they came from.
                    said = {"apiVersion": resource.api_version, "kind": resource.kind}
                    found += [keep({**item, **said}) for item in page["items"] or ()]
            except ExpiredError:
                if is_last:
                    raise
            else:
                return found, version
        raise AssertionError  # the second time it returned or raised

    def each(self, resource: Resource, *, page: int) -> Iterator[dict[str, Any]]:
        """Every object as it is read, so many a page; where the list expires meanwhile, ExpiredError."""
        for answer in self._pages(resource, "", {"limit": str(page)}, JSON):
            yield from answer["items"] or ()

    def _pages(
        self, resource: Resource, namespace: str, query: Mapping[str, str], accept: str
    ) -> Iterator[dict[str, Any]]:
        query = dict(query)
        while True:
            page = self.request("GET", resource.path(namespace), query=query, accept=accept)
            # An empty object is no empty list.
            if "items" not in page or not str(page.get("kind", "")).endswith("List"):
                raise foreign(self.name, f"GET {resource.path(namespace)}", json.dumps(page).encode(), "list")
            yield page
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return
            query["continue"] = following

    def watch(self, resource: Resource, version: str, seconds: int) -> Stream:
        """The changes of a kind after a resource version, in every namespace, as a stream of JSON lines that the server
        ends after so many seconds; bookmarks are asked for. Raises what `request` raises."""
        path = resource.path()
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        stream = self._transport.stream(f"{path}?{urlencode(query)}", {"Accept": JSON}, _QUIET)
        if stream.code >= HTTPStatus.BAD_REQUEST:
            try:
                raise error_of(self.name, f"GET {path}", stream.code, stream.whole())
            finally:
                stream.release()
        return stream

    def apply(self, manifest: Json, *, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply as `patchgap`, never forced. Raises ConflictError naming the field and its owner."""
        resource, meta = of_object(manifest), manifest["metadata"]
        path = resource.path(meta.get("namespace", ""), _named(meta["name"]))
        return self._write("PATCH", path, manifest, APPLY, dry_run=dry_run)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Json,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """A JSON merge patch; a `metadata.uid` or `resourceVersion` in it is a precondition (ConflictError)."""
        path = resource.path(namespace, _named(name), subresource)
        return self._write("PATCH", path, body, MERGE, dry_run=dry_run)

    def create(
        self,
        resource: Resource,
        namespace: str,
        body: Json,
        *,
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
    ) -> dict[str, Any]:
        """Creates an object, or a subresource of `name`. Raises ConflictError where it exists."""
        return self._write("POST", resource.path(namespace, name, subresource), body, JSON, dry_run=dry_run)

    def _write(self, method: str, path: str, body: Json, content_type: str, *, dry_run: bool) -> dict[str, Any]:
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        may = _nothing if dry_run else self._may_write
        return self.request(method, path, query=query, body=body, content_type=content_type, may_send=may)

    def delete(self, resource: Resource, namespace: str, name: str, uid: str, *, dry_run: bool = False) -> bool:
        """Deletes exactly the object with that uid; False where it was gone. Raises ConflictError for another."""
        options: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        if dry_run:
            options["dryRun"] = ["All"]  # a body makes the server ignore the query's
        may = _nothing if dry_run else self._may_write
        try:
            self.request("DELETE", resource.path(namespace, _named(name)), body=options, may_send=may)
        except NotFoundError:
            return False
        return True

    def uid(self) -> str:
        """The UID of kube-system: it lives as long as the cluster, and no other cluster has it; "" where there is none.
        Needs no more than to list namespaces."""
        found = self.all_of(NAMESPACES, fields=f"metadata.name={SYSTEM}", accept=METADATA)
        return next((str(o["metadata"]["uid"]) for o in found if o["metadata"]["name"] == SYSTEM), "")

    def serves(self, resource: Resource) -> bool:
        """Whether the API serves that kind's group version, also where it will not say. A server answers "forbidden" to
        who may not list a kind, also where there is none of it; discovery is open to everyone who is known."""
        try:
            self.request("GET", f"/apis/{resource.api_version}")
        except NotFoundError:
            return False
        except RefusedError:
            return True
        return True

    def groups(self) -> frozenset[str]:
        """The API groups that are served: by them a product tells that it is installed."""
        found = self.request("GET", "/apis").get("groups") or ()
        return frozenset(str(g["name"]) for g in found)

    def identity(self) -> str:
        """The user name that the API server knows these credentials by; asked once."""
        if not self._identity:
            self._identity.append(self.review())
        return self._identity[0]

    def review(self) -> str:
        """The user name, asked now. Raises UnauthorizedError where the credentials are not accepted."""
        body = {"apiVersion": SELF_REVIEWS.api_version, "kind": SELF_REVIEWS.kind}
        answer = self.request("POST", SELF_REVIEWS.path(), body=body)
        return str(answer["status"]["userInfo"]["username"])

    def until(self, seconds: float, condition: Callable[[], T | None]) -> T | None:
        """What `condition` answers once it is not None, asked at growing intervals; None when the time is over."""
        waited, wait = 0.0, 0.1
        while (answer := condition()) is None and waited < seconds:
            self._sleep(wait)
            waited, wait = waited + wait, min(wait * 2, 2.0)
        return answer


def _named(name: str) -> str:
    if not name or "/" in name or name in {".", ".."}:  # a list's path, or a parent's, is not an object's
        raise RefusedError(f"{name!r} is no object's name", "Name the object whole.")
    return name

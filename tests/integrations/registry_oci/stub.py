"""An OCI registry on a real socket, in memory, as strict as the Distribution specification: what is pushed must have the
digest, size and media type that it is said to have, and what is not accepted is not served."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
USER, PASSWORD, TOKEN = "reader", "a-password-that-no-log-may-hold", "a-token-that-no-log-may-hold"
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+)")


def sha(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Registry:
    """One repository name for all: `team/app`. Switches make it behave as real ones do, or as it must not."""

    host: str = ""
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # by digest or tag
    blobs: dict[str, bytes] = field(default_factory=dict)
    referrers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    auth: str = ""  # "", "basic" or "bearer"
    serves_referrers: bool = True
    page: int = 100
    redirect: str = ""  # where blobs are; "" for here
    realm: str = ""
    lies: dict[str, bytes] = field(default_factory=dict)  # digest -> what is answered instead
    served_as: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Authorization

    def blob(self, content: bytes) -> str:
        self.blobs[sha(content)] = content
        return sha(content)

    def layer(self, content: bytes, media_type: str, **annotations: str) -> dict[str, Any]:
        digest = self.blob(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content), "annotations": annotations}

    def push(self, document: dict[str, Any], *tags: str) -> dict[str, Any]:
        """Stores a manifest or index; its descriptor. The registry lists it by its subject where it serves referrers,
        else the client keeps the tag that stands for the list."""
        content = json.dumps(document).encode()
        digest, kind = sha(content), document["mediaType"]
        for one in (*document.get("layers", ()), *([document["config"]] if "config" in document else [])):
            assert len(self.blobs[one["digest"]]) == one["size"], "a blob must be pushed before its manifest"
        for one in document.get("manifests", ()):
            assert len(self.manifests[one["digest"]][1]) == one["size"]
        for reference in (digest, *tags):
            self.manifests[reference] = (kind, content)
        descriptor = {"mediaType": kind, "digest": digest, "size": len(content)}
        if subject := document.get("subject"):
            told = {**descriptor, "artifactType": document.get("artifactType") or document["config"]["mediaType"]}
            self.referrers.setdefault(subject["digest"], []).append(told)
            if not self.serves_referrers:
                listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.referrers[subject["digest"]]}
                self.push(listed, subject["digest"].replace(":", "-"))
        return descriptor

    def image(self, architecture: str, **manifest: Any) -> tuple[dict[str, Any], str]:
        """An image of one platform: its descriptor and its config's digest."""
        config = self.layer(json.dumps({"architecture": architecture, "os": "linux"}).encode(), CONFIG)
        layer = self.layer(f"layer of {architecture}".encode(), "application/vnd.oci.image.layer.v1.tar+gzip")
        pushed = self.push({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [layer], **manifest})
        return {**pushed, "platform": {"os": "linux", "architecture": architecture}}, config["digest"]

    def index(self, *descriptors: dict[str, Any], **fields: Any) -> str:
        listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(descriptors), **fields}
        return str(self.push(listed)["digest"])

    def attach(
        self, subject: str, content: bytes, media_type: str, artifact_type: str = "", **fields: Any
    ) -> dict[str, Any]:
        """A referrer of the subject with one layer."""
        kind, held = self.manifests[subject]
        empty = self.layer(b"{}", "application/vnd.oci.empty.v1+json")
        return self.push(
            {
                "schemaVersion": 2, "mediaType": IMAGE, "artifactType": artifact_type or media_type, "config": empty,
                "layers": [self.layer(content, media_type)],
                "subject": {"mediaType": kind, "digest": subject, "size": len(held)}, **fields,
            }
        )  # fmt: skip

    def cosign(self, subject: str, ending: str, *layers: dict[str, Any]) -> None:
        """What cosign keeps under a tag made of the subject's digest."""
        config = self.layer(b'{"cosign": true}', CONFIG)
        tag = f"{subject.replace(':', '-')}.{ending}"
        self.push({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": list(layers)}, tag)

    def address(self, digest: str) -> str:
        return f"oci://{self.host}/team/app@{digest}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: Registry

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        given = self.headers.get("Authorization", "")
        self.registry.asked.append((self.path, given))
        if path == "/token":
            return self._token(query, given)
        if path.startswith("/storage/"):
            return self._answer(200, self.registry.blobs[path.removeprefix("/storage/")], "application/octet-stream")
        match = _PATH.fullmatch(path)
        if match is None or match["name"] != "team/app":
            return self._refuse(404, "NAME_UNKNOWN")
        if self.registry.auth and given != self._wanted():
            return self._challenge()
        return getattr(self, f"_{match['kind']}")(match["reference"], query)

    def _manifests(self, reference: str, _query: object) -> None:
        kind, content = self.registry.manifests.get(reference, ("", b""))
        accepted = {one.partition(";")[0].strip() for one in self.headers.get("Accept", "").split(",")}
        if not content or kind not in accepted:
            return self._refuse(404, "MANIFEST_UNKNOWN")
        body = self.registry.lies.get(reference, content)
        return self._answer(
            200, body, self.registry.served_as.get(reference, kind), {"Docker-Content-Digest": sha(content)}
        )

    def _blobs(self, digest: str, _query: object) -> None:
        if digest not in self.registry.blobs:
            return self._refuse(404, "BLOB_UNKNOWN")
        if self.registry.redirect:
            return self._answer(307, b"", "text/plain", {"Location": f"{self.registry.redirect}/storage/{digest}"})
        return self._answer(
            200, self.registry.lies.get(digest, self.registry.blobs[digest]), "application/octet-stream"
        )

    def _referrers(self, digest: str, query: dict[str, list[str]]) -> None:
        if not self.registry.serves_referrers:
            return self._answer(404, b"404 page not found\n", "text/plain")
        held, start = self.registry.referrers.get(digest, []), int(query.get("from", ["0"])[0])
        page = held[start : start + self.registry.page]
        more = start + self.registry.page < len(held)
        link = (
            {"Link": f'</v2/team/app/referrers/{digest}?from={start + self.registry.page}>; rel="next"'} if more else {}
        )
        listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": page}
        return self._answer(200, json.dumps(listed).encode(), INDEX, link)

    def _wanted(self) -> str:
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return basic if self.registry.auth == "basic" else f"Bearer {TOKEN}"

    def _challenge(self) -> None:
        realm = self.registry.realm or f"http://{self.registry.host}/token"
        bearer = f'Bearer realm="{realm}",service="stub",scope="repository:team/app:pull"'
        asked = {"WWW-Authenticate": 'Basic realm="stub"' if self.registry.auth == "basic" else bearer}
        self._answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', "application/json", asked)

    def _token(self, query: dict[str, list[str]], given: str) -> None:
        good = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if given != good or query.get("scope") != ["repository:team/app:pull"] or query.get("service") != ["stub"]:
            return self._refuse(401, "UNAUTHORIZED")
        return self._answer(200, json.dumps({"token": TOKEN}).encode(), "application/json")

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, json.dumps({"errors": [{"code": code, "message": code}]}).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """The registry on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"registry": registry}))
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
